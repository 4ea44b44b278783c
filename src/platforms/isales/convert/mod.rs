//! CC-iSales ↔ domain: what the tables in `mappings/isales/` cannot say.
//!
//! Findings name a domain path wherever both directions can meet there; the tables say which field of
//! a document that is. No reason ever contains a value: it could be a phone number.

mod call;
mod campaign;
mod contact;
mod document;
pub mod rules;

pub use call::{call_from_domain, call_to_domain, fail_codes, own_row, pushed_row};
pub use campaign::{campaign_from_domain, campaign_to_domain, name_as_sent};
pub use contact::{contact_from_domain, contact_to_domain};
pub use document::{document_from_domain, document_to_domain};

use std::borrow::Cow;

use crate::domain::phone::{NumberPlan, PhoneNumber};
use crate::mapping::engine::{Finding, Outcome};
use crate::platforms::PlatformKind;

const PLATFORM: &str = PlatformKind::Isales.as_str();

/// Seconds of a wire field as milliseconds of the domain; None when no i64 holds them.
fn milliseconds(seconds: i64) -> Option<i64> {
    seconds.checked_mul(1000)
}

/// Milliseconds as whole seconds, rounded up: rings or waits a little longer, never less.
fn whole_seconds(milliseconds: i64) -> i64 {
    milliseconds.div_euclid(1000) + i64::from(milliseconds.rem_euclid(1000) != 0)
}

/// Reads a number as the account writes it; an unreadable one is reported at `at` and left out.
fn read_number(
    plan: &NumberPlan,
    text: &str,
    at: impl FnOnce() -> Cow<'static, str>,
    findings: &mut Vec<Finding>,
) -> Option<PhoneNumber> {
    if text.is_empty() {
        return None;
    }
    match plan.parse(text) {
        Ok(number) => Some(number),
        Err(problem) => {
            let reason = format!("the number {problem}; it is not dialled on the other side");
            findings.push(Finding::domain(at(), Outcome::Dropped, reason));
            None
        }
    }
}

fn filled(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}
