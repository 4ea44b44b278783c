//! Campaigns (reference 3.5–3.8): detail, list, pause, resume.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::domain::campaign::CampaignStatus;
use crate::domain::ids::{CampaignKey, VdnId};
use crate::domain::listing::Window;
use crate::domain::moment;
use crate::gateway::campaigns::{CampaignView, Wanted};
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::following::ResultsGo;
use crate::gateway::route::Route;
use crate::gateway::steering::{Desire, Repeat};
use crate::http::document::Document;
use crate::http::isales_api::answer::Success;
use crate::http::isales_api::error::{BrokenRule, Doing, Refused, WRONG_VALUE};
use crate::http::isales_api::fields::{self, Fields};
use crate::http::isales_api::{Body, Call, Facade, unreadable};
use crate::platforms::Operation;
use crate::platforms::isales::convert::{self, rules};
use crate::platforms::isales::wire;

/// Rows of a list page when the client names no number, and the most (reference 3.6).
const DEFAULT_ROWS: i64 = 10;
const MAX_ROWS: i64 = 100;
/// Longest part of a name that is searched for.
const MAX_NAME_CHARS: usize = 30;
/// Rows read at once when a list is filtered by what only documents say.
const SCAN_ROWS: u32 = 500;

const STARTED: i64 = 2;
const PAUSED: i64 = 3;
const COMPLETED: i64 = 4;
const SKILL_QUEUE_TYPES: [i64; 3] = [2, 5, 6];

/// What a list asks for, checked.
struct ListQuery {
    name: Option<String>,
    /// 0: all.
    status: i64,
    /// 0: all.
    device_type: i64,
    begins_from: Option<DateTime>,
    ends_until: Option<DateTime>,
    page: i64,
    rows: i64,
}

/// A campaign of a list, in this platform's words.
struct ListRow {
    campaign: wire::Campaign,
    json: Bytes,
}

pub async fn detail(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade
        .answer(&request, body, Doing::Detail, |call| async move {
            let key = CampaignKey::Pair(fields::pair(call.request)?);
            let now = call.gateway.now();
            let body = call
                .gateway
                .campaign_rendered(&call.asked, key, "", |view| {
                    Ok(Success::new("")?.with_raw("returnObject", &render(view, now)?).bytes())
                })
                .await?;
            Ok(super::json(body))
        })
        .await
}

pub async fn pause(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade.answer(&request, body, Doing::PauseOrResume, |call| change(call, Desire::Stop)).await
}

pub async fn resume(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade.answer(&request, body, Doing::PauseOrResume, |call| change(call, Desire::Run)).await
}

/// Pause needs a started campaign, resume a paused one.
async fn change(call: Call<'_>, desire: Desire) -> Result<HttpResponse, Refused> {
    let operation = match desire {
        Desire::Run => Operation::CampaignStart,
        Desire::Stop => Operation::CampaignStop,
    };
    let key = call.existing(fields::pair(call.request)?, operation).await?.key;
    call.gateway.set_desired(&call.asked, key, desire, Repeat::Refused).await?;
    Ok(super::json(Success::new("")?.bytes()))
}

pub async fn list(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade
        .answer(&request, body, Doing::List, |call| async move {
            let vdn = fields::vdn(call.request)?;
            let query = ListQuery::read(&Fields::of_query(call.request))?;
            if !call.gateway.owns_vdn(&call.asked, vdn) {
                return Err(GatewayError::NotFound(Noun::Campaign).into());
            }
            let rows = rows(&call, vdn).await?;
            Ok(super::json(page(&rows, &query)?))
        })
        .await
}

/// The VDN's campaigns by name. The other filters ask what only documents say, and the counts of
/// active campaigns are over all of them, so a page is cut from the whole list.
async fn rows(call: &Call<'_>, vdn: VdnId) -> Result<Vec<ListRow>, GatewayError> {
    let mut rows = Vec::new();
    loop {
        let wanted = Wanted { vdn: Some(vdn), ..Wanted::default() };
        let window = Window::Offset { offset: rows.len() as u64, limit: SCAN_ROWS };
        let listing = call.gateway.list_campaigns(&call.asked, wanted, window).await?;
        if listing.campaigns.is_empty() {
            return Ok(rows);
        }
        for view in &listing.campaigns {
            let json = render(view, call.gateway.now())?;
            let campaign = serde_json::from_slice(&json).map_err(unreadable)?;
            rows.push(ListRow { campaign, json });
        }
        if rows.len() as u64 >= listing.total {
            return Ok(rows);
        }
    }
}

fn page(rows: &[ListRow], query: &ListQuery) -> Result<Bytes, GatewayError> {
    let matching: Vec<&ListRow> = rows.iter().filter(|row| query.matches(&row.campaign)).collect();
    let (page, size) = (usize_of(query.page), usize_of(query.rows));
    let shown = matching.iter().skip((page - 1).saturating_mul(size)).take(size);
    let shown = shown.map(|row| &row.json[..]);
    // Whatever the query asks for: these are what the platform's caps count (reference 3.1).
    let active = |types: &dyn Fn(i64) -> bool| {
        let counts = |row: &&ListRow| {
            row.campaign.status != Some(COMPLETED) && row.campaign.device_type.is_some_and(types)
        };
        rows.iter().filter(counts).count()
    };
    let answer = Success::new("")?
        .with("curPage", &query.page)?
        .with("totalSize", &matching.len())?
        .with("rowsPerPage", &query.rows)?
        .with("curSkillQueueCount", &active(&|kind| SKILL_QUEUE_TYPES.contains(&kind)))?
        .with("curIvrCount", &active(&|kind| !SKILL_QUEUE_TYPES.contains(&kind)))?
        .with_list("data", shown);
    Ok(answer.bytes())
}

fn usize_of(count: i64) -> usize {
    usize::try_from(count).unwrap_or(1).max(1)
}

impl ListQuery {
    fn read(fields: &Fields) -> Result<Self, BrokenRule> {
        let date_time = |name: &str| -> Result<Option<DateTime>, BrokenRule> {
            let Some(text) = fields.text(name, 19)? else { return Ok(None) };
            let rule = || BrokenRule::new(WRONG_VALUE, name, "yyyy-MM-dd HH:mm:ss is expected");
            moment::date_time(&text).map(Some).ok_or_else(rule)
        };
        let page = fields.integer("curPage")?.ok_or_else(|| fields.missing("curPage"))?;
        let rows = fields.integer("rowsPerPage")?.unwrap_or(DEFAULT_ROWS);
        if !(1..=MAX_ROWS).contains(&rows) {
            let rule = "an integer from 1 to 100 is expected";
            return Err(BrokenRule::new(WRONG_VALUE, "rowsPerPage", rule));
        }
        Ok(Self {
            name: fields.text("name", MAX_NAME_CHARS)?.map(String::from),
            status: fields.one_of("status", &[0, STARTED, PAUSED, COMPLETED])?,
            device_type: fields.one_of("deviceType", &[0, 1, 2, 3, 5, 6])?,
            begins_from: date_time("beginTime")?,
            ends_until: date_time("endTime")?,
            page: page.max(1),
            rows,
        })
    }

    fn matches(&self, campaign: &wire::Campaign) -> bool {
        // A campaign's own times may be bare dates (reference 3.5).
        let time = |text: &Option<String>| {
            rules::moment(text.as_deref()).ok().flatten().map(|moment| moment.at)
        };
        let contains = |part: &String| {
            let name = campaign.name.as_deref().unwrap_or_default();
            name.to_lowercase().contains(&part.to_lowercase())
        };
        (self.status == 0 || campaign.status == Some(self.status))
            && self.name.as_ref().is_none_or(contains)
            && (self.device_type == 0 || campaign.device_type == Some(self.device_type))
            && self
                .begins_from
                .is_none_or(|from| time(&campaign.str_begin_time).is_some_and(|t| t >= from))
            && self
                .ends_until
                .is_none_or(|until| time(&campaign.str_end_time).is_some_and(|t| t <= until))
    }
}

/// The campaign as this facade shows it.
fn render(view: &CampaignView, now: Timestamp) -> Result<Bytes, GatewayError> {
    let Some(pair) = view.identity.pair else {
        return Err(GatewayError::NotFound(Noun::Campaign));
    };
    // Some homes go on showing what was deleted; this platform does not.
    if view.fetched.deleted {
        return Err(GatewayError::NotFound(Noun::Campaign));
    }
    let number = pair.number.get();
    if view.route == Route::Native {
        let mut document = Document::parse(&view.fetched.raw).map_err(unreadable)?;
        document.replace("id", &number).map_err(unreadable)?;
        if let ResultsGo::Here { client } = &view.results {
            let own = client.as_ref().map_or("", |url| url.as_str());
            document.replace("callBackUrl", &own).map_err(unreadable)?;
        }
        return Ok(serde_json::to_vec(&document).map_err(unreadable)?.into());
    }
    let mut campaign = shown(view)?;
    if is_past_its_end(view, &campaign, now) {
        campaign.status = Some(COMPLETED);
    }
    // The table says one number, even for campaigns that were given several (reference 3.5).
    if let wire::CallerNo::Many(callers) = &campaign.caller_no {
        let first = callers.first().map(|caller| caller.access_code.clone()).unwrap_or_default();
        campaign.caller_no = wire::CallerNo::One(first);
    }
    campaign.id = Some(number.into());
    Ok(serde_json::to_vec(&campaign).map_err(unreadable)?.into())
}

/// Whether the campaign is completed for clients of this platform, which other homes may not know.
///
/// # Errors
/// When its document cannot be read.
pub fn has_ended(view: &CampaignView, now: Timestamp) -> Result<bool, GatewayError> {
    let is_native = view.route == Route::Native;
    Ok(view.fetched.status == CampaignStatus::Ended
        || !is_native && is_past_its_end(view, &shown(view)?, now))
}

/// A campaign ends at `strEndTime` (reference 3.14). One that its home runs all the same is not shown as
/// ended: that would claim that nobody is called.
fn is_past_its_end(view: &CampaignView, campaign: &wire::Campaign, now: Timestamp) -> bool {
    let end = rules::moment(campaign.str_end_time.as_deref()).ok().flatten();
    let end = end.and_then(|moment| TimeZone::UTC.to_timestamp(moment.at).ok());
    matches!(view.fetched.status, CampaignStatus::Stopped | CampaignStatus::Stopping)
        && end.is_some_and(|end| end <= now)
}

/// The document of a campaign on a home of another platform, with what a client of this one wrote.
pub fn shown(view: &CampaignView) -> Result<wire::Campaign, GatewayError> {
    let fetched = &view.fetched;
    let made =
        convert::campaign_from_domain(&fetched.definition, &fetched.status, &view.context).value;
    match &view.written {
        None => Ok(made),
        Some(written) => {
            let written = serde_json::from_value(written.clone()).map_err(unreadable)?;
            Ok(wire::Campaign { status: made.status, ..written })
        }
    }
}
