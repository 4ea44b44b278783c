//! Documents of either platform as JSON values: what `translate` and tests work on. Requests between
//! programs go through the typed wire structs instead.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::call::CallAttempt;
use crate::domain::campaign::{CampaignDefinition, CampaignStatus};
use crate::domain::contact::Contact;
use crate::mapping::engine::Finding;
use crate::mapping::table::Kind;
use crate::platforms::{ConvertContext, Converted, PlatformKind, isales, voipbin};

/// A document in terms of neither platform.
#[derive(Debug, Clone)]
pub enum DomainDocument {
    Campaign(Box<CampaignDefinition>, CampaignStatus),
    Contact(Contact),
    Call(Box<CallAttempt>),
}

/// A document that cannot be read as what it is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot be read as a document of this platform and kind")]
pub struct Unreadable;

/// The members of a VoIPBin document that comes with its call.
#[derive(Deserialize)]
struct CallWithReason {
    campaigncall: voipbin::wire::Campaigncall,
    #[serde(default)]
    call: Option<CallObject>,
}

#[derive(Deserialize)]
struct CallObject {
    #[serde(default)]
    hangup_reason: Option<String>,
}

/// What a document of `platform` says.
///
/// # Errors
/// When its members have types that the platform never uses.
pub fn to_domain(
    platform: PlatformKind,
    kind: Kind,
    document: &Value,
    ctx: &ConvertContext,
) -> Result<Converted<DomainDocument>, Unreadable> {
    Ok(match (platform, kind) {
        (PlatformKind::Voipbin, Kind::Campaign) => {
            let bundle = if document.get("campaign").is_some() {
                read(document)?
            } else {
                let campaign = read(document)?;
                voipbin::wire::CampaignBundle { campaign, outplan: None, outdial: None }
            };
            campaign(voipbin::convert::campaign_to_domain(&bundle, ctx))
        }
        (PlatformKind::Voipbin, Kind::Contact) => {
            contact(voipbin::convert::contact_to_domain(&read(document)?, ctx))
        }
        (PlatformKind::Voipbin, Kind::Call) => {
            let with_reason = if document.get("campaigncall").is_some() {
                read(document)?
            } else {
                CallWithReason { campaigncall: read(document)?, call: None }
            };
            let reason = with_reason.call.and_then(|call| call.hangup_reason);
            let wire = &with_reason.campaigncall;
            call(voipbin::convert::call_to_domain(wire, reason.as_deref(), ctx))
        }
        (PlatformKind::Isales, Kind::Campaign) => {
            campaign(isales::convert::campaign_to_domain(&read(document)?, ctx))
        }
        (PlatformKind::Isales, Kind::Contact) => {
            contact(isales::convert::contact_to_domain(&read(document)?, ctx))
        }
        (PlatformKind::Isales, Kind::Call) => {
            call(isales::convert::call_to_domain(&read(document)?, ctx))
        }
    })
}

/// The document of `platform` that says it.
///
/// # Errors
/// Never for documents of ours; the type says that JSON can refuse a value.
pub fn from_domain(
    platform: PlatformKind,
    document: &DomainDocument,
    ctx: &ConvertContext,
) -> Result<Converted<Value>, Unreadable> {
    use {isales::convert as to_isales, voipbin::convert as to_voipbin};
    match (platform, document) {
        (PlatformKind::Voipbin, DomainDocument::Campaign(definition, status)) => {
            written(to_voipbin::campaign_from_domain(definition, status, ctx))
        }
        (PlatformKind::Voipbin, DomainDocument::Contact(contact)) => {
            written(to_voipbin::contact_from_domain(contact, ctx))
        }
        (PlatformKind::Voipbin, DomainDocument::Call(attempt)) => {
            written(to_voipbin::call_from_domain(attempt, ctx))
        }
        (PlatformKind::Isales, DomainDocument::Campaign(definition, status)) => {
            written(to_isales::campaign_from_domain(definition, status, ctx))
        }
        (PlatformKind::Isales, DomainDocument::Contact(contact)) => {
            written(to_isales::contact_from_domain(contact, ctx))
        }
        (PlatformKind::Isales, DomainDocument::Call(attempt)) => {
            written(to_isales::call_from_domain(attempt, ctx))
        }
    }
}

fn read<'de, T: Deserialize<'de>>(document: &'de Value) -> Result<T, Unreadable> {
    // The error of serde_json quotes the value, which may be a phone number.
    T::deserialize(document).map_err(|_| Unreadable)
}

fn written<T: Serialize>(converted: Converted<T>) -> Result<Converted<Value>, Unreadable> {
    let value = serde_json::to_value(converted.value).map_err(|_| Unreadable)?;
    Ok(Converted { value, findings: converted.findings })
}

fn campaign(
    converted: Converted<(CampaignDefinition, CampaignStatus)>,
) -> Converted<DomainDocument> {
    let (definition, status) = converted.value;
    domain(DomainDocument::Campaign(Box::new(definition), status), converted.findings)
}

fn contact(converted: Converted<Contact>) -> Converted<DomainDocument> {
    domain(DomainDocument::Contact(converted.value), converted.findings)
}

fn call(converted: Converted<CallAttempt>) -> Converted<DomainDocument> {
    domain(DomainDocument::Call(Box::new(converted.value)), converted.findings)
}

fn domain(value: DomainDocument, findings: Vec<Finding>) -> Converted<DomainDocument> {
    Converted { value, findings }
}
