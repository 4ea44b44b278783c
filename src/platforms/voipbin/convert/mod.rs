//! VoIPBin ↔ domain: what the tables in `mappings/voipbin/` cannot say.
//!
//! Findings name a domain path wherever both directions can meet there; the tables say which field of
//! a document that is. No reason ever contains a value: it could be a phone number.

mod call;
mod campaign;
mod contact;
mod document;
pub mod rules;

pub use call::{
    call_behind, call_from_domain, call_to_domain, destination_index, explained, hangup_reason,
    shown_address,
};
pub use campaign::{campaign_from_domain, campaign_to_domain};
pub use contact::{contact_from_domain, contact_to_domain};
pub use document::{document_from_domain, document_to_domain};
pub use rules::check_portable;

use std::borrow::Cow;

use crate::domain::phone::PhoneNumber;
use crate::mapping::engine::{Finding, Outcome};
use crate::platforms::PlatformKind;
use crate::platforms::voipbin::wire;

const PLATFORM: &str = PlatformKind::Voipbin.as_str();
/// The address type of phone numbers; some clients leave it out (reference 11.2).
const TEL: &str = "tel";

/// The phone number of an address; anything else in it is reported at `at` and left out.
fn read_address(
    address: Option<&wire::Address>,
    at: impl FnOnce() -> Cow<'static, str>,
    findings: &mut Vec<Finding>,
) -> Option<PhoneNumber> {
    let address = address.filter(|address| !address.target.is_empty())?;
    let problem = if !address.kind.is_empty() && address.kind != TEL {
        "an address of this type is no phone number; it is not dialled on the other side".to_owned()
    } else {
        match PhoneNumber::from_e164(&address.target) {
            Ok(number) => return Some(number),
            Err(problem) => {
                format!("the number {problem} in E.164; it is not dialled on the other side")
            }
        }
    };
    findings.push(Finding::domain(at(), Outcome::Dropped, problem));
    None
}

fn address(number: &PhoneNumber) -> wire::Address {
    wire::Address {
        kind: TEL.to_owned(),
        target: number.reveal().to_owned(),
        ..wire::Address::default()
    }
}

fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
