//! A result row or callback row ↔ call attempt.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::domain::call::{CallAttempt, CallResult, Disposition, DispositionFlags};
use crate::domain::ids::PublicPair;
use crate::domain::verbatim::Document;
use crate::mapping::engine::{Finding, Outcome};
use crate::mapping::table::{Kind, Table};
use crate::platforms::isales::convert::{PLATFORM, filled, read_number};
use crate::platforms::isales::wire;
use crate::platforms::{ConvertContext, Converted, disposition_of};

/// What a row says. `callStatus` decides the result, `failCode` why.
pub fn call_to_domain(wire: &wire::ResultRow, ctx: &ConvertContext) -> Converted<CallAttempt> {
    let table = ctx.tables.get(PLATFORM, Kind::Call);
    let mut findings = Vec::new();
    let status = table.set("call_status").zip(wire.call_status);
    let term = status.and_then(|(set, native)| set.code_number(native)?.term.as_deref());
    let result = CallResult::from_term(term.unwrap_or_default());
    let code = wire.fail_code.as_deref().unwrap_or_default();
    let (disposition, flags) = disposition(code, result, table, &mut findings);
    let called = wire.called.as_deref().unwrap_or_default();
    let attempt = CallAttempt {
        contact_reference: filled(wire.session_id.as_ref()).map(str::to_owned),
        called: read_number(&ctx.numbers, called, || "called".into(), &mut findings),
        caller: None,
        dialed_at: dialed_at(wire, ctx, &mut findings),
        ended_at: None,
        result,
        disposition,
        flags,
        native_code: code.to_owned(),
        try_number: None,
        recording: filled(wire.record_path.as_ref()).map(str::to_owned),
    };
    Converted { value: attempt, findings }
}

/// The row that says it. Ids are the caller's to fill in.
pub fn call_from_domain(attempt: &CallAttempt, ctx: &ConvertContext) -> Converted<wire::ResultRow> {
    let table = ctx.tables.get(PLATFORM, Kind::Call);
    let mut findings = Vec::new();
    let status = table.say("call_status", attempt.result.as_str());
    let code = table.say("fail_code", attempt.disposition.as_str());
    let row = wire::ResultRow {
        session_id: attempt.contact_reference.clone(),
        called: attempt.called.as_ref().map(|number| ctx.numbers.format(number)),
        call_time_str: attempt.dialed_at.map(|at| local_text(at, ctx, &mut findings)),
        call_status: status.and_then(|said| said.code.number()),
        fail_code: code.map(|said| said.code.native.clone()),
        record_path: attempt.recording.clone(),
        ..wire::ResultRow::default()
    };
    Converted { value: row, findings }
}

/// A row as the platform sent it, under the campaign's public ids.
///
/// # Errors
/// When it is no JSON object.
pub fn own_row(row: &str, pair: PublicPair) -> Result<Cow<'_, str>, serde_json::Error> {
    let mut document = Document::parse(row.as_bytes())?;
    if under_public_ids(&mut document, pair)? {
        return serde_json::to_string(&document).map(Cow::Owned);
    }
    Ok(Cow::Borrowed(row))
}

/// The same as it is pushed. Of a row that was asked for, the member that only answers have is left out;
/// what only pushes have is not made up.
///
/// # Errors
/// As [`own_row`].
pub fn pushed_row(row: &str, pair: PublicPair) -> Result<Cow<'_, str>, serde_json::Error> {
    let mut document = Document::parse(row.as_bytes())?;
    let was_pushed = document.get(ONLY_IN_PUSHES).is_some();
    let is_cut = !was_pushed && document.remove(ONLY_IN_ANSWERS);
    if under_public_ids(&mut document, pair)? || is_cut {
        return serde_json::to_string(&document).map(Cow::Owned);
    }
    Ok(Cow::Borrowed(row))
}

/// Reference 5.1 and 6: the tables of rows that are asked for, and of rows that are pushed.
const ONLY_IN_ANSWERS: &str = "resultCode";
const ONLY_IN_PUSHES: &str = "customField";

fn under_public_ids(row: &mut Document<'_>, pair: PublicPair) -> Result<bool, serde_json::Error> {
    let is_other_campaign = row.rename("campaignId", &pair.number.to_string())?;
    let is_other_vdn = row.rename("vdnId", &pair.vdn.to_string())?;
    Ok(is_other_campaign || is_other_vdn)
}

fn disposition(
    code: &str,
    result: CallResult,
    table: &Table,
    findings: &mut Vec<Finding>,
) -> (Disposition, DispositionFlags) {
    let set = table.set("fail_code");
    let code = if code.is_empty() {
        let unexplained = result.disposition();
        return match set.and_then(|set| set.say(unexplained.as_str())) {
            Some(said) => (unexplained, disposition_of(said.code).1),
            None => (unexplained, DispositionFlags::default()),
        };
    } else {
        set.and_then(|set| set.code(code))
    };
    code.map_or_else(
        || {
            findings.push(Finding::domain(
                "disposition",
                Outcome::Approximated,
                "no table knows this code; the disposition is unknown",
            ));
            (Disposition::Unknown, DispositionFlags::default())
        },
        disposition_of,
    )
}

fn dialed_at(
    wire: &wire::ResultRow,
    ctx: &ConvertContext,
    findings: &mut Vec<Finding>,
) -> Option<Timestamp> {
    let text = filled(wire.call_time_str.as_ref())?;
    let local = text.parse::<DateTime>().ok().map(|at| ctx.zone.to_ambiguous_timestamp(at));
    let problem = match &local {
        None => Some((Outcome::Dropped, "not a date and time")),
        Some(at) if at.is_ambiguous() => Some((
            Outcome::Approximated,
            "this local time exists twice, or not at all, in the account's zone",
        )),
        Some(_) => None,
    };
    if let Some((outcome, reason)) = problem {
        findings.push(Finding::domain("dialed_at", outcome, reason));
    }
    local.and_then(|at| at.compatible().ok())
}

/// `yyyy-MM-dd HH:mm:ss` in the account's zone.
fn local_text(at: Timestamp, ctx: &ConvertContext, findings: &mut Vec<Finding>) -> String {
    let local = at.to_zoned(ctx.zone.clone());
    let problem = if at.subsec_nanosecond() != 0 {
        Some("CC-iSales has whole seconds; the fraction is cut")
    } else if ctx.zone.to_ambiguous_timestamp(local.datetime()).is_ambiguous() {
        Some("this local time exists twice in the account's zone")
    } else {
        None
    };
    if let Some(problem) = problem {
        findings.push(Finding::domain("dialed_at", Outcome::Approximated, problem));
    }
    local.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Every fail code of the table, each with what it means.
pub fn fail_codes(ctx: &ConvertContext) -> Vec<(String, String)> {
    let set = ctx.tables.get(PLATFORM, Kind::Call).set("fail_code");
    let codes = set.map_or(&[][..], |set| &set.codes).iter();
    // `0` is another spelling of success.
    codes
        .filter(|code| code.native.len() == FAIL_CODE_DIGITS)
        .map(|code| (code.native.clone(), code.note.clone()))
        .collect()
}

/// Fail codes have five digits (reference 6.1).
const FAIL_CODE_DIGITS: usize = 5;
