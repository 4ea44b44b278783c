//! Where results are passed on to, and in which form.

use std::fmt;

use jiff::Timestamp;
use url::Url;
use uuid::Uuid;

use crate::domain::call::Disposition;
use crate::domain::ids::AccountSlug;

/// The shape of destinations that get every verified push of an account, byte for byte.
pub const RAW: &str = "raw";

/// The shape of the gateway's own notification. Every other is the form of a platform.
pub const STANDARD: &str = "standard";

/// Whether deliveries leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DestinationState {
    Active,
    /// They wait, and no try is used up.
    Paused,
    /// The receiver said that it wants no more; what comes is a dead letter at once.
    Disabled,
    /// Taken away by the operator; kept for the books.
    Removed,
}

/// What a destination takes; an empty list takes all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DestinationFilter {
    pub accounts: Vec<AccountSlug>,
    pub campaigns: Vec<Uuid>,
    pub dispositions: Vec<Disposition>,
}

/// Which secret signs, and until when its predecessors sign too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretVersions {
    /// The version of the master key that it is derived from.
    pub key: u32,
    pub version: u32,
    /// Newest first.
    pub old: Vec<OldSecret>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OldSecret {
    pub key: u32,
    pub version: u32,
    pub until: Timestamp,
}

#[derive(Clone, PartialEq, Eq)]
pub struct Destination {
    pub uuid: Uuid,
    /// Unique; letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// The form of what is sent: [`RAW`], or one that the gateway knows.
    pub shape: String,
    /// It may hold a secret, so it is never shown whole.
    pub url: Url,
    pub filter: DestinationFilter,
    /// It takes only results of campaigns and accounts that name it as where their client wants them.
    pub is_receiver: bool,
    /// Whether an answer of success must also be in the words of the shape's platform.
    pub requires_receipt: bool,
    /// Whether a campaign's results arrive in the order in which they were first heard of.
    pub is_ordered: bool,
    /// None: as fast as it takes them.
    pub rate_per_s: Option<u32>,
    /// Deliveries under way at a time, from 1.
    pub concurrency: u32,
    /// The waits between tries, in seconds; after the last one a delivery is a dead letter.
    pub retry_waits_s: Vec<u32>,
    pub secret: SecretVersions,
    pub state: DestinationState,
    /// Why it is not active.
    pub reason: Option<String>,
}

impl DestinationState {
    pub fn as_str(self) -> &'static str {
        match self {
            DestinationState::Active => "active",
            DestinationState::Paused => "paused",
            DestinationState::Disabled => "disabled",
            DestinationState::Removed => "removed",
        }
    }

    pub fn from_term(term: &str) -> Option<Self> {
        use DestinationState::{Active, Disabled, Paused, Removed};
        [Active, Paused, Disabled, Removed].into_iter().find(|state| state.as_str() == term)
    }
}

impl DestinationFilter {
    pub fn takes_account(&self, account: &AccountSlug) -> bool {
        self.accounts.is_empty() || self.accounts.contains(account)
    }

    pub fn takes(&self, campaign: Uuid, disposition: Disposition) -> bool {
        (self.campaigns.is_empty() || self.campaigns.contains(&campaign))
            && (self.dispositions.is_empty() || self.dispositions.contains(&disposition))
    }
}

/// Whether a destination of this shape is told in words of a platform.
pub fn speaks_natively(shape: &str) -> bool {
    shape != STANDARD && shape != RAW
}

/// Whether a destination of this shape is told the end of each attempt alone, in words of a platform: its
/// receiver knows no revisions, so that what it is told first should be what is meant.
pub fn tells_ends_alone(shape: &str, filter: &DestinationFilter) -> bool {
    let wanted = &filter.dispositions;
    speaks_natively(shape) && !wanted.is_empty() && !wanted.contains(&Disposition::InProgress)
}

impl Destination {
    pub fn is_active(&self) -> bool {
        self.state == DestinationState::Active
    }

    /// The address without what may be secret in it: no path, no query.
    pub fn shown_url(&self) -> String {
        shown_address(&self.url)
    }
}

/// An address without what may be secret in it: no path, no query.
pub fn shown_address(url: &Url) -> String {
    format!("{}/…", url.origin().ascii_serialization())
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination")
            .field("name", &self.name)
            .field("shape", &self.shape)
            .field("url", &self.shown_url())
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
