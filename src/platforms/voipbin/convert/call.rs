//! A campaigncall ↔ call attempt.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::domain::call::{
    CallAttempt, CallMoments, CallRef, CallResult, Disposition, DispositionFlags, EndedBy,
    Explained,
};
use crate::domain::ids::NativeId;
use crate::domain::phone::PhoneNumber;
use crate::mapping::engine::{Finding, Outcome};
use crate::mapping::table::{Kind, Table};
use crate::platforms::voipbin::convert::{PLATFORM, address, read_address};
use crate::platforms::voipbin::wire::{self, NIL_UUID};
use crate::platforms::{ConvertContext, Converted, disposition_of};

const DONE: &str = "done";
const DIALING: &str = "dialing";
/// What both kinds of a call are here.
const CALL: &str = "call";
/// Stands for "never" in answers of the seed era (reference 1.5).
const NEVER_YEAR: i16 = 9999;

/// What a campaigncall says; the reason why it ended is the call object's (`hangup_reason`), known
/// only to those who asked for that too.
pub fn call_to_domain(
    wire: &wire::Campaigncall,
    hangup_reason: Option<&str>,
    ctx: &ConvertContext,
) -> Converted<CallAttempt> {
    let table = ctx.tables.get(PLATFORM, Kind::Call);
    let mut findings = Vec::new();
    let result = result(wire, table, &mut findings);
    let (disposition, flags) = disposition(hangup_reason, result, table, &mut findings);
    let attempt = CallAttempt {
        contact_reference: None,
        called: read_address(wire.destination.as_ref(), || "called".into(), &mut findings),
        caller: read_address(wire.source.as_ref(), || "caller".into(), &mut findings),
        dialed_at: time(wire.tm_create.as_deref(), "dialed_at", &mut findings),
        ended_at: match result {
            CallResult::InProgress => None,
            _ => wire.tm_update.as_deref().and_then(instant),
        },
        result,
        disposition,
        flags,
        native_code: hangup_reason.unwrap_or(&wire.result).to_owned(),
        try_number: Some(wire.try_count).filter(|count| *count > 0),
        recording: None,
    };
    Converted { value: attempt, findings }
}

/// The call that a campaigncall refers to, where it has one (reference 4.1).
pub fn call_behind(row: &wire::Campaigncall) -> Option<CallRef> {
    let is_call = row.reference_type == CALL && !wire::is_unset(&row.reference_id);
    is_call.then(|| CallRef { native: NativeId::new(row.reference_id.clone()), is_object: true })
}

/// What campaigncall and call say together. A reason that no table knows explains nothing.
pub fn explained(row: &wire::Campaigncall, call: &wire::Call, ctx: &ConvertContext) -> Explained {
    let at = |text: &Option<String>| text.as_deref().and_then(instant);
    let known = call_to_domain(row, Some(&call.hangup_reason), ctx).value;
    let mut attempt = match known.disposition {
        Disposition::Unknown => call_to_domain(row, None, ctx).value,
        _ => known,
    };
    attempt.ended_at = at(&call.tm_hangup).or(attempt.ended_at);
    let moments = CallMoments {
        ringing_at: at(&call.tm_ringing),
        answered_at: at(&call.tm_progressing),
        ended_by: match &*call.hangup_by {
            "remote" => Some(EndedBy::Callee),
            "local" => Some(EndedBy::Platform),
            _ => None,
        },
    };
    Explained { attempt, moments }
}

/// The campaigncall that says it. Ids are the caller's to fill in.
pub fn call_from_domain(
    attempt: &CallAttempt,
    ctx: &ConvertContext,
) -> Converted<wire::Campaigncall> {
    let table = ctx.tables.get(PLATFORM, Kind::Call);
    let mut findings = Vec::new();
    if attempt.disposition != attempt.result.disposition() {
        let reason = "a campaigncall says success or fail, and not why";
        findings.push(Finding::domain("disposition", Outcome::Approximated, reason));
    }
    let is_over = attempt.result != CallResult::InProgress;
    let result = table.say("result", attempt.result.as_str());
    let nil = || NIL_UUID.to_owned();
    let call = wire::Campaigncall {
        campaign_id: nil(),
        outplan_id: nil(),
        outdial_id: nil(),
        outdial_target_id: nil(),
        queue_id: nil(),
        activeflow_id: nil(),
        flow_id: nil(),
        reference_type: CALL.to_owned(),
        reference_id: nil(),
        status: if is_over { DONE } else { DIALING }.to_owned(),
        result: result.map(|said| said.code.native.clone()).unwrap_or_default(),
        source: Some(attempt.caller.as_ref().map(address).unwrap_or_default()),
        destination: Some(attempt.called.as_ref().map(address).unwrap_or_default()),
        try_count: attempt.try_number.unwrap_or_default(),
        tm_create: attempt.dialed_at.map(|at| at.to_string()),
        tm_update: attempt.ended_at.map(|at| at.to_string()),
        ..wire::Campaigncall::default()
    };
    Converted { value: call, findings }
}

/// The slot that was dialled, by the place of its number in the contact; 0 where that is not known.
pub fn destination_index(place: Option<usize>) -> i64 {
    place.and_then(|place| i64::try_from(place).ok()).unwrap_or_default()
}

/// Why a call ended, as the call object says it (reference 9.6); empty while it has not.
pub fn hangup_reason(attempt: &CallAttempt, ctx: &ConvertContext) -> String {
    let table = ctx.tables.get(PLATFORM, Kind::Call);
    let said = table.say("hangup_reason", attempt.disposition.as_str());
    said.map(|said| said.code.native.clone()).unwrap_or_default()
}

/// A phone number as an address.
pub fn shown_address(number: Option<&PhoneNumber>) -> wire::Address {
    number.map(address).unwrap_or_default()
}

/// The status says whether it is over; an answer that leaves it out is over when it has a result.
fn result(wire: &wire::Campaigncall, table: &Table, findings: &mut Vec<Finding>) -> CallResult {
    let has_result = !wire.result.is_empty();
    match wire.status.as_str() {
        DONE if !has_result => CallResult::Unknown,
        "" if !has_result => CallResult::InProgress,
        DONE | "" => CallResult::from_term(table.term("result", &wire.result).unwrap_or_default()),
        _ => {
            if has_result {
                let reason = "the status says that the call is not over yet";
                let at = "campaigncall.result";
                findings.push(Finding::source(at, Outcome::Dropped, reason));
            }
            CallResult::InProgress
        }
    }
}

fn disposition(
    reason: Option<&str>,
    result: CallResult,
    table: &Table,
    findings: &mut Vec<Finding>,
) -> (Disposition, DispositionFlags) {
    let set = table.set("hangup_reason");
    let Some(reason) = reason.filter(|reason| !reason.is_empty()) else {
        let unexplained = result.disposition();
        return match set.and_then(|set| set.say(unexplained.as_str())) {
            Some(said) => (unexplained, disposition_of(said.code).1),
            None => (unexplained, DispositionFlags::default()),
        };
    };
    if let Some(code) = set.and_then(|set| set.code(reason)) {
        return disposition_of(code);
    }
    let reason = "no table knows this code; the disposition is unknown";
    findings.push(Finding::domain("disposition", Outcome::Approximated, reason));
    (Disposition::Unknown, DispositionFlags::default())
}

fn time(text: Option<&str>, at: &'static str, findings: &mut Vec<Finding>) -> Option<Timestamp> {
    let text = text.filter(|text| !text.is_empty())?;
    let instant = instant(text);
    if instant.is_none() {
        findings.push(Finding::domain(at, Outcome::Dropped, "not a date and time"));
    }
    instant
}

/// Both timestamp families: RFC 3339, or date and time without zone, which is UTC. None for "never".
fn instant(text: &str) -> Option<Timestamp> {
    let civil = || {
        let at = text.parse::<DateTime>().ok()?;
        at.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    };
    let at = text.parse::<Timestamp>().ok().or_else(civil)?;
    (at.to_zoned(TimeZone::UTC).year() < NEVER_YEAR).then_some(at)
}
