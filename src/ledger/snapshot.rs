//! An attempt as it was in one revision, as text.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::call::{CallAttempt, CallResult, Disposition, DispositionFlags};
use crate::domain::phone::PhoneNumber;

#[derive(Serialize, Deserialize)]
struct Snapshot {
    contact_reference: Option<String>,
    called: Option<String>,
    caller: Option<String>,
    dialed_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    result: String,
    disposition: String,
    /// Live person, number reusable, contact reusable, counts as attempt, is final.
    flags: [bool; 5],
    native_code: String,
    try_number: Option<i64>,
    recording: Option<String>,
}

/// Holds phone numbers, like the attempt.
pub fn write(attempt: &CallAttempt) -> Option<String> {
    let number =
        |number: &Option<PhoneNumber>| number.as_ref().map(|number| number.reveal().to_owned());
    let flags = attempt.flags;
    let snapshot = Snapshot {
        contact_reference: attempt.contact_reference.clone(),
        called: number(&attempt.called),
        caller: number(&attempt.caller),
        dialed_at: attempt.dialed_at,
        ended_at: attempt.ended_at,
        result: attempt.result.as_str().to_owned(),
        disposition: attempt.disposition.as_str().to_owned(),
        flags: [
            flags.live_person,
            flags.number_reusable,
            flags.contact_reusable,
            flags.counts_as_attempt,
            flags.is_final,
        ],
        native_code: attempt.native_code.clone(),
        try_number: attempt.try_number,
        recording: attempt.recording.clone(),
    };
    serde_json::to_string(&snapshot).ok()
}

pub fn read(text: &str) -> Option<CallAttempt> {
    let snapshot: Snapshot = serde_json::from_str(text).ok()?;
    let [live_person, number_reusable, contact_reusable, counts_as_attempt, is_final] =
        snapshot.flags;
    Some(CallAttempt {
        contact_reference: snapshot.contact_reference,
        called: snapshot.called.map(PhoneNumber::new),
        caller: snapshot.caller.map(PhoneNumber::new),
        dialed_at: snapshot.dialed_at,
        ended_at: snapshot.ended_at,
        result: CallResult::from_term(&snapshot.result),
        disposition: Disposition::from_term(&snapshot.disposition)?,
        flags: DispositionFlags {
            live_person,
            number_reusable,
            contact_reusable,
            counts_as_attempt,
            is_final,
        },
        native_code: snapshot.native_code,
        try_number: snapshot.try_number,
        recording: snapshot.recording,
    })
}
