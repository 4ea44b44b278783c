//! Documents of either platform as JSON values: what `translate` and tests work on. Requests between
//! programs go through the typed wire structs instead.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::call::CallAttempt;
use crate::domain::campaign::{CampaignDefinition, CampaignStatus};
use crate::domain::contact::Contact;
use crate::platforms::Converted;

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

impl Converted<(CampaignDefinition, CampaignStatus)> {
    pub(super) fn into_document(self) -> Converted<DomainDocument> {
        let (definition, status) = self.value;
        let value = DomainDocument::Campaign(Box::new(definition), status);
        Converted { value, findings: self.findings }
    }
}

impl Converted<Contact> {
    pub(super) fn into_document(self) -> Converted<DomainDocument> {
        Converted { value: DomainDocument::Contact(self.value), findings: self.findings }
    }
}

impl Converted<CallAttempt> {
    pub(super) fn into_document(self) -> Converted<DomainDocument> {
        Converted { value: DomainDocument::Call(Box::new(self.value)), findings: self.findings }
    }
}

pub(super) fn read<'de, T: Deserialize<'de>>(document: &'de Value) -> Result<T, Unreadable> {
    // The error of serde_json quotes the value, which may be a phone number.
    T::deserialize(document).map_err(|_| Unreadable)
}

pub(super) fn written<T: Serialize>(wire: Converted<T>) -> Result<Converted<Value>, Unreadable> {
    let value = serde_json::to_value(wire.value).map_err(|_| Unreadable)?;
    Ok(Converted { value, findings: wire.findings })
}
