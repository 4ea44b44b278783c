//! JSON documents of any kind ↔ domain.

use serde_json::Value;

use crate::mapping::table::Kind;
use crate::platforms::documents::{DomainDocument, Unreadable, read, written};
use crate::platforms::isales::convert::{
    call_from_domain, call_to_domain, campaign_from_domain, campaign_to_domain,
    contact_from_domain, contact_to_domain,
};
use crate::platforms::{ConvertContext, Converted};

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
        Kind::Campaign => campaign_to_domain(&read(document)?, ctx).into_document(),
        Kind::Contact => contact_to_domain(&read(document)?, ctx).into_document(),
        Kind::Call => call_to_domain(&read(document)?, ctx).into_document(),
    })
}

/// The document that says it.
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
