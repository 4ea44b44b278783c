//! Call results (reference 5): the attempts that are over, as recorded.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::json;

use crate::domain::call::CallMoments;
use crate::domain::ids::CampaignKey;
use crate::domain::listing::AttemptFilter;
use crate::domain::listing::Window;
use crate::domain::moment;
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::exchange::Target;
use crate::gateway::results::AttemptView;
use crate::gateway::route::Route;
use crate::http::document::Document;
use crate::http::isales_api::answer::Success;
use crate::http::isales_api::error::{BrokenRule, Doing, Refused};
use crate::http::isales_api::fields::{self, Fields};
use crate::http::isales_api::{Body, Facade, codes, relay, unreadable};
use crate::platforms::Operation;
use crate::platforms::isales::{convert, wire};

/// Largest pages: with every attempt, and with the final result alone.
const MAX_DETAIL_ROWS: i64 = 100;
const MAX_FINAL_ROWS: i64 = 500;
const MAX_DAYS: i32 = 30;
const MAX_SESSION_ID: usize = 32;
const MAX_CUSTOM_FIELD: usize = 200;

const ONE_DATE_MISSING: &str = "0200008";
const BAD_DATE: &str = "0200009";
const DATES_REVERSED: &str = "0200010";
const DATES_TOO_FAR_APART: &str = "0200011";

/// What a query asks for, checked.
struct Query {
    reference: Option<String>,
    label: Option<String>,
    rows: i64,
    page: i64,
    every_attempt: bool,
    days: Option<(Date, Date)>,
}

pub async fn query(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade
        .answer(&request, body, Doing::QueryResults, |call| async move {
            let key = CampaignKey::Pair(fields::pair(call.request)?);
            let query = Query::read(&Fields::of_body(&call.body)?)?;
            let window = query.window();
            let filter = |context: &crate::platforms::ConvertContext| query.filter(&context.zone);
            let listing = call.gateway.search_attempts(&call.asked, key, filter, window).await?;
            let rows: Vec<Bytes> =
                listing.attempts.iter().map(render).collect::<Result<_, GatewayError>>()?;
            let answer = Success::new("Query Success!")?
                .with("totalCount", &listing.total)?
                .with_list("data", rows.iter().map(|row| &row[..]));
            Ok(super::json(answer.bytes()))
        })
        .await
}

pub async fn detail(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade
        .answer(&request, body, Doing::ResultDetail, |call| async move {
            let vdn = fields::vdn(call.request)?;
            let operation = Operation::ResultDetail;
            if let Some(account) = call.gateway.account_of_vdn(&call.asked, vdn)
                && call.gateway.route_on(&call.asked, &account, operation)? == Route::Native
            {
                let passed = relay::pass(&call, Target::Account(account), operation).await;
                // What the platform has forgotten may be known here.
                if !matches!(&passed, Err(Refused::Gateway(GatewayError::Refused { .. }))) {
                    return passed;
                }
            }
            let id = call.request.match_info().query("call").to_owned();
            let view = call.gateway.attempt_by_call(&call.asked, &id).await?;
            if view.identity.pair.is_none_or(|pair| pair.vdn != vdn) {
                return Err(GatewayError::NotFound(Noun::Attempt).into());
            }
            let (view, moments) = call.gateway.explained(view).await?;
            let data = render_detail(&view, moments)?;
            let answer = Success::new("Query Success!")?.with("data", &data)?;
            Ok(super::json(answer.bytes()))
        })
        .await
}

impl Query {
    fn read(fields: &Fields) -> Result<Self, BrokenRule> {
        let reference = fields.text("sessionId", MAX_SESSION_ID)?.map(String::from);
        let label = fields.text("customField", MAX_CUSTOM_FIELD)?.map(String::from);
        let every_attempt = fields.within("showDetail", (0, 1))? == Some(1);
        let most = if every_attempt { MAX_DETAIL_ROWS } else { MAX_FINAL_ROWS };
        let rows = fields.within("pageSize", (1, most))?.unwrap_or(most);
        let page = fields.within("pageNum", (1, i64::from(i32::MAX)))?.unwrap_or(1);
        let days = days(fields)?;
        Ok(Self { reference, label, rows, page, every_attempt, days })
    }

    fn window(&self) -> Window {
        let rows = u32::try_from(self.rows).unwrap_or(1);
        let offset = u64::try_from(self.page - 1).unwrap_or(0).saturating_mul(u64::from(rows));
        Window::Offset { offset, limit: rows }
    }

    /// Days are the account's: from the first midnight to the one after the last.
    fn filter(self, zone: &TimeZone) -> AttemptFilter {
        let midnight =
            |day: Date| -> Option<Timestamp> { Some(day.to_zoned(zone.clone()).ok()?.timestamp()) };
        let (from, until) = match self.days {
            Some((first, last)) => (midnight(first), midnight(last.saturating_add(1.day()))),
            None => (None, None),
        };
        AttemptFilter {
            reference: self.reference,
            label: self.label,
            from,
            until,
            last_of_contact: !self.every_attempt,
        }
    }
}

/// Both or none, well-formed, in order, at most 30 days (reference 5.1).
fn days(fields: &Fields) -> Result<Option<(Date, Date)>, BrokenRule> {
    let (begin, end) = (fields.text("beginTime", 64)?, fields.text("endTime", 64)?);
    let broken = |code, name: &str, rule: &str| Err(BrokenRule::new(code, name, rule));
    let (begin, end) = match (begin, end) {
        (None, None) => return Ok(None),
        (Some(begin), Some(end)) => (begin, end),
        (None, _) => return broken(ONE_DATE_MISSING, "beginTime", "endTime needs it"),
        (_, None) => return broken(ONE_DATE_MISSING, "endTime", "beginTime needs it"),
    };
    let Some(begin) = moment::date(&begin) else {
        return broken(BAD_DATE, "beginTime", "yyyy-MM-dd is expected");
    };
    let Some(end) = moment::date(&end) else {
        return broken(BAD_DATE, "endTime", "yyyy-MM-dd is expected");
    };
    if begin >= end {
        return broken(DATES_REVERSED, "beginTime", "it must be before endTime");
    }
    if begin.saturating_add(MAX_DAYS.days()) < end {
        return broken(DATES_TOO_FAR_APART, "endTime", "at most 30 days after beginTime");
    }
    Ok(Some((begin, end)))
}

/// A result row as this facade shows it.
fn render(view: &AttemptView) -> Result<Bytes, GatewayError> {
    let Some(pair) = view.identity.pair else {
        return Err(GatewayError::NotFound(Noun::Campaign));
    };
    let (campaign, vdn) = (pair.number.to_string(), pair.vdn.get());
    if view.route == Route::Native {
        let mut document = Document::parse(view.row.raw.as_bytes()).map_err(unreadable)?;
        document.replace("campaignId", &campaign).map_err(unreadable)?;
        document.replace("vdnId", &vdn).map_err(unreadable)?;
        return Ok(serde_json::to_vec(&document).map_err(unreadable)?.into());
    }
    let mut row = convert::call_from_domain(&view.row.attempt, &view.context).value;
    row.campaign_id = Some(campaign);
    row.vdn_id = Some(vdn.into());
    row.call_id = Some(view.row.uuid.to_string());
    let code = row.fail_code.as_deref().map(codes::external);
    row.result_code = row.result_code.or(code);
    row.record_path.get_or_insert_default();
    row.session_id.get_or_insert_default();
    Ok(serde_json::to_vec(&row).map_err(unreadable)?.into())
}

/// One result in detail (reference 5.2): rung, answered, hung up; empty where that did not happen or
/// nobody tells.
fn render_detail(
    view: &AttemptView,
    moments: CallMoments,
) -> Result<serde_json::Value, GatewayError> {
    let row: wire::ResultRow = serde_json::from_slice(&render(view)?).map_err(unreadable)?;
    let local = |at: Timestamp| {
        at.to_zoned(view.context.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    };
    Ok(json!({
        "called": row.called,
        "ackBeginTime": moments.ringing_at.map(local).unwrap_or_default(),
        "callBeginTime": moments.answered_at.map(local).unwrap_or_default(),
        "callEndTime": view.row.attempt.ended_at.map(local).unwrap_or_default(),
        "callStatus": row.call_status,
        "failCode": row.fail_code,
        "resultCode": row.result_code,
        "vdnId": row.vdn_id,
        "callId": row.call_id,
        "recordPath": row.record_path,
    }))
}
