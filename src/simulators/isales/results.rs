//! Call results and business results of calls (reference 5.1, 5.2, 8.3).

use jiff::ToSpan;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::answer::{
    Answer, BAD_RESULT_DATE, DATES_REVERSED, DATES_TOGETHER, FOREIGN_SUB_STATUS, GENERIC,
    NO_RECORD, Outcome, Refusal, SPAN_TOO_LONG, WRITE_BACK_FAILED,
};
use super::checks::{self, Fields, Findings, Text, Whole};
use super::server::Request;
use super::world::{Campaign, RecordState, Row, World};
use crate::simulators::journal::Event;

/// Rows of a page: of final results, and of every attempt (5.1).
const MAX_FINAL_ROWS: i64 = 500;
const MAX_DETAIL_ROWS: i64 = 100;
/// Rows without pageSize and pageNum (section 16).
const UNPAGED_ROWS: usize = 2_000;
/// Longest span of days (5.1).
const MAX_SPAN_DAYS: i32 = 30;
/// Business codes (8.3).
const BUSINESS_CODE_CHARS: usize = 50;

/// The body of a result query.
struct Wanted {
    session_id: Option<String>,
    custom_field: Option<String>,
    rows: usize,
    page: usize,
    every_attempt: bool,
    days: Option<(Date, Date)>,
}

pub(super) fn query(world: &mut World, request: &Request) -> Outcome {
    let wanted = Wanted::read(request)?;
    let campaign = world.campaign(request.vdn, request.campaign)?;
    let switches = &world.switches;
    let whole_records = switches.results_when_record_ends;
    let shows = |row: &&Row| {
        let ended = row.record.and_then(|index| campaign.records.get(index)).is_none_or(|record| {
            matches!(record.state, RecordState::Finished | RecordState::Deleted)
        });
        let visible =
            if wanted.every_attempt { ended || !whole_records } else { row.is_final && ended };
        visible && wanted.matches(row, switches.end_day_included)
    };
    let mut found: Vec<&Row> = campaign.rows.iter().filter(shows).collect();
    // Oldest first (section 16); calls end in another order than they begin.
    found.sort_by(|a, b| a.shown.call_time_str.cmp(&b.shown.call_time_str));
    let skip = wanted.rows.saturating_mul(wanted.page - 1);
    let data: Vec<Value> =
        found.iter().skip(skip).take(wanted.rows).map(|row| shown(row)).collect();
    Ok(Answer::new("Query Success!").with("totalCount", found.len()).with("data", data))
}

pub(super) fn detail(world: &mut World, request: &Request) -> Outcome {
    let wanted = Some(request.item.as_str());
    let row = world
        .vdn_mut(request.vdn)?
        .campaigns
        .values()
        .flat_map(|campaign| campaign.rows.iter())
        .find(|row| row.shown.call_id.as_deref() == wanted);
    let Some(row) = row else {
        return Err(Refusal::new(GENERIC, "callId: the call does not exist"));
    };
    let data = json!({
        "called": row.shown.called,
        "ackBeginTime": row.ack_begin,
        "callBeginTime": row.call_begin,
        "callEndTime": row.call_end,
        // An integer in the table, a string in the sample.
        "callStatus": row.shown.call_status.map(|status| status.to_string()),
        "failCode": row.shown.fail_code,
        "resultCode": row.shown.result_code,
        "vdnId": row.shown.vdn_id,
        "callId": row.shown.call_id,
        "recordPath": row.shown.record_path,
    });
    Ok(Answer::new("Query Success!").with("data", data))
}

/// Only after a successful call. A result that the campaign's policy names has the record called
/// again.
pub(super) fn write_back(world: &mut World, request: &Request) -> Outcome {
    let fields = Fields::of_body(&request.body)?;
    let mut found = Findings::default();
    let code = fields.text(&mut found, "busiResult", Text::required(BUSINESS_CODE_CHARS));
    let sub_status = fields.text(&mut found, "subStatus", Text::optional(BUSINESS_CODE_CHARS));
    fields.text(&mut found, "busiResultDesc", Text::optional(200));
    fields.text(&mut found, "workNo", Text::optional(32));
    found.done()?;
    let (code, sub_status) = (code.unwrap_or_default(), sub_status.unwrap_or_default());
    let today = world.today(request.now);
    let vdn = world.vdn_mut(request.vdn)?;
    let place = |campaign: &Campaign| {
        let is_it =
            |r: &super::world::Record| r.data_id == request.item && r.state != RecordState::Deleted;
        campaign.records.iter().position(is_it).map(|index| (campaign.id, index))
    };
    let Some((campaign, index)) = vdn.campaigns.values().find_map(place) else {
        return Err(Refusal::new(NO_RECORD, "dataId: the record does not exist"));
    };
    // Only a definition can say that a sub-status does not belong to it.
    let definition = vdn.business.iter().find(|definition| definition.code == code);
    if !sub_status.is_empty()
        && definition.is_some_and(|known| known.children.iter().all(|c| c.code != sub_status))
    {
        return Err(Refusal::new(FOREIGN_SUB_STATUS, "subStatus: not of this business result"));
    }
    let campaign = world.campaign_mut(request.vdn, campaign)?;
    if campaign.records.get(index).is_none_or(|record| record.succeeded.is_none()) {
        return Err(Refusal::new(WRITE_BACK_FAILED, "dataId: no successful call yet"));
    }
    let last = campaign.rows.iter().rev().find(|row| row.record == Some(index));
    let number = last.map_or(0, |row| row.number);
    if let Some(action) = campaign.retry.after_business(code, sub_status) {
        World::after_business(campaign, index, (number, action), (request.now, today));
    }
    Ok(Answer::new("The business result is written back successfully."))
}

/// More than ten at once, for the journal.
pub(super) fn too_many_at_once(request: &Request) -> Event {
    Event {
        at: request.now,
        kind: "result queries beyond the limit at once".to_owned(),
        subject: request.campaign.to_string(),
        attempts: 0,
        status: None,
        delivered: true,
    }
}

impl Wanted {
    fn read(request: &Request) -> Result<Self, Refusal> {
        // All members are optional, so the body is.
        let empty = Ok(json!({}));
        let body = if matches!(request.body, Ok(Value::Null)) { &empty } else { &request.body };
        let fields = Fields::of_body(body)?;
        let mut found = Findings::default();
        let session_id = fields.text(&mut found, "sessionId", Text::optional(32));
        let custom_field = fields.text(&mut found, "customField", Text::optional(200));
        let every_attempt = fields.choice(&mut found, "showDetail", (false, &[0, 1])) == Some(1);
        let max = if every_attempt { MAX_DETAIL_ROWS } else { MAX_FINAL_ROWS };
        let rows = fields.whole(&mut found, "pageSize", Whole::optional(1, max));
        let page = fields.whole(&mut found, "pageNum", Whole::optional(1, i64::from(i32::MAX)));
        let days = days(&fields, &mut found);
        found.done()?;
        let size = |number: i64| usize::try_from(number).unwrap_or(1);
        Ok(Self {
            session_id: session_id.map(str::to_owned),
            custom_field: custom_field.map(str::to_owned),
            rows: match (rows, page) {
                (Some(rows), _) => size(rows),
                (None, Some(_)) => size(max),
                (None, None) => UNPAGED_ROWS,
            },
            page: page.map_or(1, size),
            every_attempt,
            days: days?,
        })
    }

    fn matches(&self, row: &Row, end_included: bool) -> bool {
        let shown = &row.shown;
        let in_days = self.days.is_none_or(|(begin, end)| {
            row.day.is_some_and(|day| begin <= day && (day < end || (end_included && day == end)))
        });
        in_days
            && self.session_id.as_ref().is_none_or(|id| shown.session_id.as_ref() == Some(id))
            && self.custom_field.as_ref().is_none_or(|c| shown.custom_field.as_ref() == Some(c))
    }
}

/// Both or none, in order, not more than 30 days apart; each mistake has a code of its own.
fn days(fields: &Fields<'_>, found: &mut Findings) -> Result<Option<(Date, Date)>, Refusal> {
    let begin = fields.text(found, "beginTime", Text::optional(64));
    let end = fields.text(found, "endTime", Text::optional(64));
    let (begin, end) = match (begin, end) {
        (Some(begin), Some(end)) => (begin, end),
        (None, None) => return Ok(None),
        _ => {
            let why = "beginTime: beginTime and endTime belong together";
            return Err(Refusal::new(DATES_TOGETHER, why));
        }
    };
    let bad = |name: &str| Refusal::new(BAD_RESULT_DATE, format!("{name}: must be yyyy-MM-dd"));
    let begin = checks::date(begin).ok_or_else(|| bad("beginTime"))?;
    let end = checks::date(end).ok_or_else(|| bad("endTime"))?;
    if begin >= end {
        return Err(Refusal::new(DATES_REVERSED, "beginTime: must be before endTime"));
    }
    if begin.checked_add(MAX_SPAN_DAYS.days()).is_ok_and(|latest| end > latest) {
        return Err(Refusal::new(SPAN_TOO_LONG, "endTime: at most 30 days after beginTime"));
    }
    Ok(Some((begin, end)))
}

/// `customField` comes in callbacks only.
fn shown(row: &Row) -> Value {
    let shown =
        crate::platforms::isales::wire::ResultRow { custom_field: None, ..row.shown.clone() };
    serde_json::to_value(shown).unwrap_or_default()
}
