//! The gateway's own notification about an attempt, the same for every home.

use serde::Serialize;
use uuid::Uuid;

use jiff::Timestamp;

use crate::domain::call::CallAttempt;
use crate::domain::ids::AccountSlug;
use crate::domain::phone::PhoneNumber;
use crate::platforms::notice::Notice;

/// Told once for each destination that is tried.
pub const TRIAL: &[u8] = br#"{"type":"dialbridge.test","data":{}}"#;

#[derive(Serialize)]
struct Notification<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: Timestamp,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    id: Uuid,
    revision: i64,
    account: &'a str,
    campaign: Campaign,
    contact: Option<Uuid>,
    contact_reference: Option<&'a str>,
    called: Option<&'a str>,
    caller: Option<&'a str>,
    dialed_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    result: &'static str,
    disposition: &'static str,
    live_person: bool,
    number_reusable: bool,
    contact_reusable: bool,
    counts_as_attempt: bool,
    is_final: bool,
    native_code: &'a str,
    try_number: Option<i64>,
    recording: Option<&'a str>,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the ids are named as the platform names them")]
struct Campaign {
    id: Uuid,
    vdn_id: u16,
    campaign_id: i32,
}

pub fn body(account: &AccountSlug, at: Timestamp, notice: &Notice<'_>) -> Option<Vec<u8>> {
    let attempt: &CallAttempt = notice.attempt;
    let flags = attempt.flags;
    let notification = Notification {
        kind: if notice.revision == 1 { "call_attempt.created" } else { "call_attempt.updated" },
        timestamp: at,
        data: Data {
            id: notice.attempt_id,
            revision: notice.revision,
            account: account.as_str(),
            campaign: Campaign {
                id: notice.campaign,
                vdn_id: notice.pair.vdn.get(),
                campaign_id: notice.pair.number.get(),
            },
            contact: notice.contact,
            contact_reference: attempt.contact_reference.as_deref(),
            called: attempt.called.as_ref().map(PhoneNumber::reveal),
            caller: attempt.caller.as_ref().map(PhoneNumber::reveal),
            dialed_at: attempt.dialed_at,
            ended_at: attempt.ended_at,
            result: attempt.result.as_str(),
            disposition: attempt.disposition.as_str(),
            live_person: flags.live_person,
            number_reusable: flags.number_reusable,
            contact_reusable: flags.contact_reusable,
            counts_as_attempt: flags.counts_as_attempt,
            is_final: flags.is_final,
            native_code: &attempt.native_code,
            try_number: attempt.try_number,
            recording: attempt.recording.as_deref(),
        },
    };
    serde_json::to_vec(&notification).ok()
}
