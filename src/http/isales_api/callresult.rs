//! Call results (reference 5): what a home of this platform says of them itself, and the attempts that
//! are over, as recorded, for other homes and where a home cannot answer.

use std::borrow::Cow;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::json;
use serde_json::value::RawValue;

use crate::domain::ids::{CampaignKey, PublicPair};
use crate::domain::listing::{AttemptFilter, Finals};
use crate::domain::moment;
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::exchange::Target;
use crate::gateway::results::{AttemptListing, AttemptView};
use crate::gateway::route::Route;
use crate::http::document::Document;
use crate::http::isales_api::answer::Success;
use crate::http::isales_api::error::{BrokenRule, Doing, Refused};
use crate::http::isales_api::fields::{self, Fields};
use crate::http::isales_api::{Body, Call, Facade, codes, relay, unreadable};
use crate::platforms::isales::{convert, wire};
use crate::platforms::{ConvertContext, Operation, PlatformErrorKind};

/// Largest pages: with every attempt, and with the final result alone.
const MAX_DETAIL_ROWS: i64 = 100;
const MAX_FINAL_ROWS: i64 = 500;
/// Without a page's size and number (reference 16).
const UNPAGED_ROWS: i64 = 2000;
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

/// Says that an answer comes from what was recorded, where the home itself should have answered.
const SOURCE: HeaderName = HeaderName::from_static("x-dialbridge-source");
const LEDGER: HeaderValue = HeaderValue::from_static("ledger");

pub async fn query(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade
        .answer(&request, body, Doing::QueryResults, |call| async move {
            let pair = fields::pair(call.request)?;
            let key = CampaignKey::Pair(pair);
            let query = Fields::of_body(&call.body).and_then(|fields| Query::read(&fields));
            let operation = Operation::ResultQuery;
            let route = call.gateway.route_of(&call.asked, key, operation).await;
            if !matches!(route, Ok((_, Route::Native))) {
                let query = query?;
                route?;
                let (asked, window) = (&call.asked, query.window());
                let filter = |context: &ConvertContext| query.filter(&context.zone);
                let listing = call.gateway.search_attempts(asked, key, filter, window).await?;
                return Ok(super::json(page(&listing)?));
            }
            // The home's own answer, also to what is wrong.
            let refused = match relay::ask(&call, Target::Campaign(key), operation).await {
                Ok(answer) => return Ok(super::json(under_public_ids(answer, pair)?)),
                Err(refused) => refused,
            };
            match query {
                Ok(query) if may_be_recorded(&refused) => {
                    recorded(&call, key, query).await.ok_or(refused)
                }
                _ => Err(refused),
            }
        })
        .await
}

pub async fn detail(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade
        .answer(&request, body, Doing::ResultDetail, |call| async move {
            let vdn = fields::vdn(call.request)?;
            let operation = Operation::ResultDetail;
            let mut refused = None;
            if let Some(account) = call.gateway.account_of_vdn(&call.asked, vdn)
                && call.gateway.route_on(&call.asked, &account, operation)? == Route::Native
            {
                match relay::pass(&call, Target::Account(account), operation).await {
                    // What the platform has forgotten may be known here.
                    Err(Refused::Gateway(error)) => refused = Some(error),
                    passed => return passed,
                }
            }
            let id = call.request.match_info().query("call").to_owned();
            let view = call.gateway.attempt_by_call(&call.asked, &id).await;
            let view = view.and_then(|view| match view.identity.pair {
                Some(pair) if pair.vdn == vdn => Ok(view),
                _ => Err(GatewayError::NotFound(Noun::Attempt)),
            });
            let is_recorded = refused.is_some();
            let view = view.map_err(|error| refused.unwrap_or(error))?;
            let view = call.gateway.explained(view).await?;
            let data = render_detail(&view)?;
            let answer = Success::new("Query Success!")?.with("data", &data)?;
            let mut response = super::json(answer.bytes());
            if is_recorded {
                response.headers_mut().insert(SOURCE, LEDGER);
            }
            Ok(response)
        })
        .await
}

/// Whether the home cannot answer: it is away or out of order, takes no more questions for now, or
/// has the campaign no more.
fn may_be_recorded(refused: &Refused) -> bool {
    use PlatformErrorKind as K;
    match refused {
        Refused::Gateway(
            GatewayError::Unavailable { .. }
            | GatewayError::Quota { .. }
            | GatewayError::NotFound(_),
        ) => true,
        Refused::Gateway(GatewayError::Refused { kind, .. }) => {
            matches!(kind, K::NotFound | K::Unavailable | K::RateLimited)
        }
        _ => false,
    }
}

/// What was recorded, if there is anything: an empty list would say that nobody was called.
async fn recorded(call: &Call<'_>, key: CampaignKey, query: Query) -> Option<HttpResponse> {
    let window = query.window();
    let filter = |context: &ConvertContext| query.filter(&context.zone);
    let listing = call.gateway.search_recorded(&call.asked, key, filter, window).await.ok()?;
    if listing.total == 0 {
        return None;
    }
    let mut response = super::json(page(&listing).ok()?);
    response.headers_mut().insert(SOURCE, LEDGER);
    Some(response)
}

fn page(listing: &AttemptListing) -> Result<Bytes, GatewayError> {
    let rows: Vec<Bytes> =
        listing.attempts.iter().map(render).collect::<Result<_, GatewayError>>()?;
    let answer = Success::new("Query Success!")?
        .with("totalCount", &listing.total)?
        .with_list("data", rows.iter().map(|row| &row[..]));
    Ok(answer.bytes())
}

/// The home's answer with the ids that the client knows; as it came where those are the home's.
fn under_public_ids(answer: Bytes, pair: PublicPair) -> Result<Bytes, GatewayError> {
    let mut document = Document::parse(&answer).map_err(unreadable)?;
    let rows: Vec<&RawValue> = match document.get("data").map(serde_json::from_str) {
        Some(Ok(rows)) => rows,
        // Nothing in it names a campaign.
        _ => return Ok(answer),
    };
    let own = |row: &&RawValue| {
        let row = row.get();
        let as_sent = row.to_owned();
        convert::own_row(row, pair).map_or(as_sent, Cow::into_owned)
    };
    let shown: Vec<String> = rows.iter().map(own).collect();
    if shown.iter().zip(&rows).all(|(shown, row)| shown == row.get()) {
        return Ok(answer);
    }
    let data = RawValue::from_string(format!("[{}]", shown.join(","))).map_err(unreadable)?;
    document.set("data", &data).map_err(unreadable)?;
    Ok(serde_json::to_vec(&document).map_err(unreadable)?.into())
}

impl Query {
    fn read(fields: &Fields) -> Result<Self, BrokenRule> {
        let reference = fields.text("sessionId", MAX_SESSION_ID)?.map(String::from);
        let label = fields.text("customField", MAX_CUSTOM_FIELD)?.map(String::from);
        let every_attempt = fields.within("showDetail", (0, 1))? == Some(1);
        let most = if every_attempt { MAX_DETAIL_ROWS } else { MAX_FINAL_ROWS };
        let rows = fields.within("pageSize", (1, most))?;
        let page = fields.within("pageNum", (1, i64::from(i32::MAX)))?;
        let unpaged = if page.is_none() { UNPAGED_ROWS } else { most };
        let (rows, page) = (rows.unwrap_or(unpaged), page.unwrap_or(1));
        let days = days(fields)?;
        Ok(Self { reference, label, rows, page, every_attempt, days })
    }

    fn window(&self) -> (u64, u32) {
        let rows = u32::try_from(self.rows).unwrap_or(1);
        let offset = u64::try_from(self.page - 1).unwrap_or(0).saturating_mul(u64::from(rows));
        (offset, rows)
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
            finals: if self.every_attempt { Finals::Every } else { Finals::Last },
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
        let row = convert::own_row(&view.row.raw, pair).map_err(unreadable)?;
        return Ok(row.into_owned().into());
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
fn render_detail(view: &AttemptView) -> Result<serde_json::Value, GatewayError> {
    let moments = view.row.moments;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{CampaignNumber, VdnId};

    fn pair(vdn: i64, number: i64) -> PublicPair {
        PublicPair { vdn: VdnId::new(vdn).unwrap(), number: CampaignNumber::new(number).unwrap() }
    }

    #[test]
    fn nothing_but_the_campaigns_own_ids_is_replaced() {
        let answer = |vdn: i64, number: i64| {
            Bytes::from(format!(
                r#"{{"campaignId":"3","data":[{{"vdnId":{vdn},"a":{{"campaignId":"3"}},"campaignId":"{number}","b":[1.0,"\ud83d"]}},7],"totalCount":2}}"#
            ))
        };
        assert_eq!(under_public_ids(answer(11, 3), pair(12, 7)).unwrap(), answer(12, 7));
        let as_sent = Bytes::from_static(br#"{ "data": [ {"campaignId": "3", "vdnId": 11} ] }"#);
        assert_eq!(under_public_ids(as_sent.clone(), pair(11, 3)).unwrap(), as_sent);
        let without_rows = Bytes::from_static(br#"{"totalCount": 0}"#);
        assert_eq!(under_public_ids(without_rows.clone(), pair(1, 1)).unwrap(), without_rows);
    }
}
