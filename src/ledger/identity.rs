//! Accounts, campaigns, their ids, and the directory that lists are answered from.

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::campaign::CampaignStatus;
use crate::domain::ids::{AccountSlug, CampaignIdentity, NativeId, PublicPair, VdnId};
use crate::ledger::{Ledger, LedgerError};

/// What the ledger knows of itself; a copy of ids made under another pair is void.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerMeta {
    pub ledger_id: Uuid,
    pub epoch: i64,
}

/// How the public pair of a campaign seen for the first time comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairSource {
    /// The platform names campaigns by pair: this is it.
    Given(PublicPair),
    /// It does not: take this virtual VDN and the next number of its counter.
    Assigned(VdnId),
}

/// A campaign as a platform showed it: identity to insert or get, snapshot to keep.
#[derive(Debug, Clone)]
pub struct Sighting {
    pub native: NativeId,
    /// The public UUID if this is the first sight.
    pub proposed_uuid: Uuid,
    pub pair: PairSource,
    pub snapshot: Snapshot,
}

/// What lists show; details go live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub name: String,
    pub status: CampaignStatus,
    /// The campaign document as the platform sent it (JSON).
    pub document: String,
    /// When the platform made it, if it says so; becomes part of the immutable `list_at`.
    pub created_at: Option<Timestamp>,
    /// Deleted on the platform but still shown there.
    pub deleted: bool,
}

/// A row of the directory; its place in lists is `identity.list_at`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryEntry {
    pub identity: CampaignIdentity,
    pub snapshot: Snapshot,
    pub fetched_at: Timestamp,
    /// Set when a full discovery of the account no longer met the campaign.
    pub gone: bool,
}

/// Which directory rows a list wants. All conditions hold together.
#[derive(Debug, Clone, Default)]
pub struct DirectoryFilter {
    pub accounts: Vec<AccountSlug>,
    pub vdn: Option<VdnId>,
    pub name_contains: Option<String>,
    pub status: Option<CampaignStatus>,
    pub include_deleted: bool,
}

/// A window of a list, newest `list_at` first.
#[derive(Debug, Clone, Copy)]
pub enum Window {
    /// Rows strictly older than this, at most so many.
    Before { list_at: Option<Timestamp>, limit: u32 },
    /// Skip so many, then at most so many.
    Offset { offset: u64, limit: u32 },
}

#[derive(Debug, Clone, Default)]
pub struct DirectoryPage {
    pub entries: Vec<DirectoryEntry>,
    /// Rows that match the filter in all.
    pub total: u64,
}

/// Which account a name is for; the slug never changes, the platform neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    pub slug: AccountSlug,
    pub platform: String,
    pub virtual_vdn: Option<VdnId>,
}

/// How a client names a campaign, or one of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CampaignKey {
    Uuid(Uuid),
    Pair(PublicPair),
    /// A part that the home does not have as an object of its own, by its derived UUID.
    Part(Uuid),
}

/// Verbs (each a thin dispatch to the implementation):
impl Ledger {
    pub async fn meta(&self) -> Result<LedgerMeta, LedgerError> {
        todo!()
    }

    /// Insert-or-check: a slug that is known with another platform or virtual VDN is a conflict.
    pub async fn register_accounts(
        &self,
        _accounts: Vec<AccountRow>,
        _now: Timestamp,
    ) -> Result<(), LedgerError> {
        todo!()
    }

    /// Insert-or-get every campaign seen, refresh its snapshot, journal a status that changed as
    /// `outside`. Answers in the order given. No id is public before this has returned.
    pub async fn sight_campaigns(
        &self,
        _account: AccountSlug,
        _sightings: Vec<Sighting>,
        _now: Timestamp,
    ) -> Result<Vec<DirectoryEntry>, LedgerError> {
        todo!()
    }

    /// Marks campaigns of the account that a full discovery begun at `since` did not meet as gone.
    pub async fn mark_unseen_as_gone(
        &self,
        _account: AccountSlug,
        _since: Timestamp,
        _now: Timestamp,
    ) -> Result<u64, LedgerError> {
        todo!()
    }

    pub async fn find_campaign(
        &self,
        _key: CampaignKey,
    ) -> Result<Option<CampaignIdentity>, LedgerError> {
        todo!()
    }

    pub async fn list_directory(
        &self,
        _filter: DirectoryFilter,
        _window: Window,
    ) -> Result<DirectoryPage, LedgerError> {
        todo!()
    }

    /// Every pair of ids, for the id cache: (uuid, pair, home, epoch, native, list_at) in surrogate order after
    /// `after`, at most `limit`; the i64 is the surrogate to go on from.
    pub async fn export_identities(
        &self,
        _after: i64,
        _limit: u32,
    ) -> Result<Vec<(i64, CampaignIdentity)>, LedgerError> {
        todo!()
    }

    /// Journals what a client wants of a campaign before the platform is asked.
    pub async fn record_desired_status(
        &self,
        _campaign: Uuid,
        _desired: CampaignStatus,
        _entry: crate::ledger::journal::JournalEntry,
    ) -> Result<(), LedgerError> {
        todo!()
    }

    /// Keeps what the platform says the campaign's status is now, and journals the change.
    pub async fn record_actual_status(
        &self,
        _campaign: Uuid,
        _actual: CampaignStatus,
        _entry: crate::ledger::journal::JournalEntry,
    ) -> Result<(), LedgerError> {
        todo!()
    }
}
