//! What is sent to CC-iSales: addresses, bodies and cursors.

use std::fmt;

use bytes::Bytes;
use jiff::ToSpan;
use serde::Serialize;
use serde_json::{Value, json};

use super::auth::Signer;
use super::wire;
use crate::domain::call::CallRef;
use crate::domain::ids::{NativeId, VdnId};
use crate::domain::moment;
use crate::platforms::{AttemptQuery, Operation, PlatformError, PlatformErrorKind};

/// Priority of a calling number that states none (3.2).
const DEFAULT_CALLER_PRIORITY: i64 = 3;
/// Created paused, by the assumption of 3.14.
const INIT_PAUSED: i64 = 1;

/// Where a campaign is: the parts of its native id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignPath {
    pub vdn: VdnId,
    /// Decimal digits; of any size, for nothing promises 64 bits.
    pub id: String,
}

impl CampaignPath {
    /// None when the text is not `vdnId/campaignId`.
    pub fn parse(native: &NativeId) -> Option<Self> {
        let (vdn, id) = native.as_str().split_once('/')?;
        let digits = (1..=20).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit());
        // The platform numbers its campaigns: another spelling of a number is no id of its own.
        let digits = digits && (id.len() == 1 || !id.starts_with('0'));
        let vdn = VdnId::new(vdn.parse().ok()?).ok()?;
        digits.then(|| Self { vdn, id: id.to_owned() })
    }

    /// The address of the campaign, or of one of its `below` parts: those stand before its id
    /// (`…/{vdnId}/calldata/{campaignId}`), the verbs `/pause` and `/resume` after it.
    pub fn url(&self, version: &str, below: &str) -> String {
        let vdn = vdn_path(version, self.vdn);
        match below {
            "/pause" | "/resume" => format!("{vdn}/{}{below}", self.id),
            _ => format!("{vdn}{below}/{}", self.id),
        }
    }
}

impl fmt::Display for CampaignPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.vdn, self.id)
    }
}

pub fn vdn_path(version: &str, vdn: VdnId) -> String {
    format!("/rest/isales/{version}/openapi/campaigns/{vdn}")
}

/// # Errors
/// When the document cannot be written as JSON, which no document of ours is.
pub fn create_body(
    operation: Operation,
    mut campaign: wire::Campaign,
) -> Result<Bytes, PlatformError> {
    campaign.id = None;
    campaign.status = None;
    campaign.init_status = Some(INIT_PAUSED);
    v2_body(operation, campaign)
}

/// The path carries the id; the status has its own operations.
///
/// # Errors
/// As [`create_body`].
pub fn modify_body(
    operation: Operation,
    mut campaign: wire::Campaign,
) -> Result<Bytes, PlatformError> {
    campaign.id = None;
    campaign.status = None;
    campaign.init_status = None;
    with_time_of_day(&mut campaign.str_begin_time);
    with_time_of_day(&mut campaign.str_end_time);
    v2_body(operation, campaign)
}

pub fn results_body(query: &AttemptQuery, page: u64, rows: u64) -> Bytes {
    let mut body = json!({ "pageSize": rows, "pageNum": page, "showDetail": 1 });
    if let Some(reference) = &query.reference {
        body["sessionId"] = json!(reference);
    }
    if let Some((begin, last)) = query.days {
        // The end must be after the beginning (0200010); a single day ends on the next.
        let end = if last > begin { last } else { begin.saturating_add(1.day()) };
        body["beginTime"] = json!(begin.to_string());
        body["endTime"] = json!(end.to_string());
    }
    Bytes::from(body.to_string())
}

pub fn has_number(record: &wire::CallData) -> bool {
    match &record.called {
        wire::Called::Absent => false,
        wire::Called::One(number) => !number.is_empty(),
        wire::Called::Many(numbers) => numbers.iter().any(|number| !number.called_no.is_empty()),
    }
}

/// What makes an attempt the same one when it is told again: VDN, campaign, call id and call time.
/// Without a call id, the contact and a keyed fingerprint of the number stand in for it.
pub fn attempt_id(path: &CampaignPath, row: &wire::ResultRow, signer: &Signer) -> NativeId {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let call_time = text(&row.call_time_str);
    if let Some(call_id) = row.call_id.as_deref().filter(|id| !id.is_empty()) {
        return NativeId::new(format!("{path}/{call_id}/{call_time}"));
    }
    let number = signer.fingerprint(text(&row.called).as_bytes());
    NativeId::new(format!("{path}//{call_time}/{}/{number}", text(&row.session_id)))
}

/// The call, which tells nothing beside its row.
pub fn call_of(row: &wire::ResultRow) -> Option<CallRef> {
    let id = row.call_id.as_deref().filter(|id| !id.is_empty())?;
    Some(CallRef { native: NativeId::new(id), is_object: false })
}

/// `place of the VDN:page`, both of our own making.
///
/// # Errors
/// When it is not.
pub fn read_list_cursor(
    operation: Operation,
    cursor: Option<&str>,
) -> Result<(usize, u64), PlatformError> {
    let Some(cursor) = cursor else { return Ok((0, 1)) };
    let read = || {
        let (place, page) = cursor.split_once(':')?;
        Some((place.parse().ok()?, page.parse().ok().filter(|page| *page > 0)?))
    };
    read().ok_or_else(|| bad_cursor(operation))
}

/// # Errors
/// When the cursor is no page number.
pub fn read_page_cursor(operation: Operation, cursor: Option<&str>) -> Result<u64, PlatformError> {
    cursor.map_or(Ok(1), |cursor| {
        cursor.parse().ok().filter(|page| *page > 0).ok_or_else(|| bad_cursor(operation))
    })
}

fn bad_cursor(operation: Operation) -> PlatformError {
    PlatformError::new(operation, PlatformErrorKind::Invalid, "the cursor is not one of ours")
}

/// V2 wants a list of calling numbers (3.2), and `null` for what is not there is a wrong type
/// (02000006), so members without a value are left out.
fn v2_body(operation: Operation, mut campaign: wire::Campaign) -> Result<Bytes, PlatformError> {
    if let wire::CallerNo::One(number) = campaign.caller_no {
        campaign.caller_no = wire::CallerNo::Many(vec![wire::CallerNoItem {
            access_code: number,
            priority: Some(DEFAULT_CALLER_PRIORITY),
            ..wire::CallerNoItem::default()
        }]);
    }
    if let wire::CallerNo::Many(items) = &mut campaign.caller_no {
        for item in items {
            item.priority.get_or_insert(DEFAULT_CALLER_PRIORITY);
        }
    }
    without_nulls(&campaign).map_err(|error| {
        PlatformError::new(operation, PlatformErrorKind::Invalid, "the document is not JSON")
            .with_source(error)
    })
}

fn without_nulls(document: &impl Serialize) -> Result<Bytes, serde_json::Error> {
    let mut document = serde_json::to_value(document)?;
    remove_nulls(&mut document);
    Ok(Bytes::from(document.to_string()))
}

fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, value| !value.is_null());
            members.values_mut().for_each(remove_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_nulls),
        _ => {}
    }
}

/// Details show bare dates at times (3.5); a PUT takes them with a time of day only.
fn with_time_of_day(text: &mut Option<String>) {
    if let Some(text) = text
        && moment::date(text).is_some()
    {
        text.push_str(" 00:00:00");
    }
}
