//! Contacts that were added through the gateway: their public ids and what became of them.

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::contact::Contact;
use crate::domain::ids::NativeId;

/// A contact to be kept. It is recorded before the platform is called, so that an answer that is
/// lost leaves a row to look for.
#[derive(Debug, Clone)]
pub struct NewContact {
    pub uuid: Uuid,
    pub contact: Contact,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ContactRow {
    pub uuid: Uuid,
    pub contact: Contact,
    pub native: Option<NativeId>,
    pub state: ContactState,
    /// Immutable and unique within the campaign.
    pub list_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactState {
    /// Recorded; the platform has not confirmed it.
    Adding,
    Added,
    /// The platform refused it.
    Refused,
    /// Sent, and the answer never came.
    Unclear,
    Deleted,
}
