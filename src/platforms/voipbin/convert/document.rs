//! JSON documents of any kind ↔ domain: a campaign with or without its parts, a campaigncall with or
//! without its call.

use serde::Deserialize;
use serde_json::Value;

use crate::mapping::table::Kind;
use crate::platforms::documents::{DomainDocument, Unreadable, read, written};
use crate::platforms::voipbin::convert::{
    call_from_domain, call_to_domain, campaign_from_domain, campaign_to_domain,
    contact_from_domain, contact_to_domain,
};
use crate::platforms::voipbin::wire;
use crate::platforms::{ConvertContext, Converted};

#[derive(Deserialize)]
struct CallWithReason {
    campaigncall: wire::Campaigncall,
    #[serde(default)]
    call: Option<CallObject>,
}

/// What matters here of the object behind `reference_id` (reference 4.1).
#[derive(Deserialize)]
struct CallObject {
    #[serde(default)]
    hangup_reason: Option<String>,
}

/// What a document says.
///
/// # Errors
/// When its members have types that the platform never uses.
pub fn document_to_domain(
    kind: Kind,
    document: &Value,
    ctx: &ConvertContext,
) -> Result<Converted<DomainDocument>, Unreadable> {
    Ok(match kind {
        Kind::Campaign if document.get("campaign").is_some() => {
            campaign_to_domain(&read(document)?, ctx).into_document()
        }
        Kind::Campaign => {
            let campaign = read(document)?;
            let bundle = wire::CampaignBundle { campaign, outplan: None, outdial: None };
            campaign_to_domain(&bundle, ctx).into_document()
        }
        Kind::Contact => contact_to_domain(&read(document)?, ctx).into_document(),
        Kind::Call if document.get("campaigncall").is_some() => {
            let with_reason: CallWithReason = read(document)?;
            let reason = with_reason.call.and_then(|call| call.hangup_reason);
            call_to_domain(&with_reason.campaigncall, reason.as_deref(), ctx).into_document()
        }
        Kind::Call => call_to_domain(&read(document)?, None, ctx).into_document(),
    })
}

/// The document that says it: a campaign with its parts, a target, a campaigncall.
///
/// # Errors
/// When JSON refuses a value; ours it does not.
pub fn document_from_domain(
    document: &DomainDocument,
    ctx: &ConvertContext,
) -> Result<Converted<Value>, Unreadable> {
    match document {
        DomainDocument::Campaign(definition, status) => {
            written(campaign_from_domain(definition, status, ctx))
        }
        DomainDocument::Contact(contact) => written(contact_from_domain(contact, ctx)),
        DomainDocument::Call(attempt) => written(call_from_domain(attempt, ctx)),
    }
}
