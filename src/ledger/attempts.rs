//! Call attempts: inserted once per business key, whoever reports them.

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::call::CallAttempt;
use crate::domain::ids::NativeId;

/// An attempt as reported now.
#[derive(Debug, Clone)]
pub struct SeenAttempt {
    /// The public id if it is seen for the first time.
    pub proposed_uuid: Uuid,
    /// The business key within its account (design: account, campaign, call id, time).
    pub native: NativeId,
    pub attempt: CallAttempt,
    /// The row as the platform sent it.
    pub raw: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRow {
    pub uuid: Uuid,
    pub native: NativeId,
    pub attempt: CallAttempt,
    pub raw: String,
    /// Immutable and unique within the campaign.
    pub list_at: Timestamp,
}
