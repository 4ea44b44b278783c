//! The journal: append-only, from the first release. Every change of desired or actual state and
//! every operator action, with who, what was asked, before, after and why.

use jiff::Timestamp;
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    pub at: Timestamp,
    /// A client's name, `operator`, or `outside` for a change found on a platform.
    pub actor: String,
    /// What was asked, e.g. `campaign.start`.
    pub action: String,
    /// The request that asked, if any.
    pub request_id: Option<String>,
    pub campaign: Option<Uuid>,
    pub before: Option<String>,
    pub after: Option<String>,
    pub reason: Option<String>,
}
