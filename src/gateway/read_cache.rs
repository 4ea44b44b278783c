//! Rendered details kept for a moment, for accounts whose operator asks for it (`cache_ttl_ms`).
//!
//! A campaign, and an account as a whole, has a *stamp* that every write through this process and
//! every push about it moves on. An answer is kept under the stamp that was read before its home was
//! asked, and is told again only while the stamp is the same: a write drops what was kept before it
//! and what is being read during it. Reads that share a flight share it under the same stamp, so who
//! asks after a write never gets what was read before it, kept or not.
//!
//! Who may see an answer is decided before this is asked. A write by another replica or past the
//! gateway, of which no push tells, is seen when the time is over.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use moka::sync::Cache;
use uuid::Uuid;

use crate::domain::ids::{AccountSlug, CampaignIdentity, NativeId};
use crate::gateway::campaigns::Rendering;

/// What is kept over all accounts, in bytes of answers; what is asked for least goes first.
pub const MAX_KEPT_BYTES: u64 = 64 * 1024 * 1024;
/// What an answer counts for at least, so that small ones are bounded in number, too.
pub const MIN_COUNTED_BYTES: u32 = 1024;
/// Stamps of campaigns. Two campaigns that share one drop each other's answers, no more.
const STAMPS: usize = 16_384;

/// Which answer: campaign, epoch of its home, and in whose words.
pub(super) type Wanted = (Uuid, i64, Rendering);

/// Where a campaign and its account stood before a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Stamp {
    campaign: u64,
    account: u64,
}

/// Answers of all accounts that keep any.
pub(super) struct ReadCache {
    kept: Cache<Wanted, Kept>,
    campaigns: Box<[AtomicU64]>,
    accounts: HashMap<AccountSlug, OfAccount>,
}

/// A write under way; what was kept or read until it is dropped is not told any more.
pub(super) struct Writing<'a> {
    stamp: Option<&'a AtomicU64>,
}

#[derive(Clone)]
struct Kept {
    stamp: Stamp,
    until: Timestamp,
    body: Bytes,
}

struct OfAccount {
    /// Zero: nothing is kept.
    ttl: Duration,
    stamp: AtomicU64,
}

impl ReadCache {
    /// For accounts with the time for which each keeps answers.
    pub fn new(accounts: impl Iterator<Item = (AccountSlug, Duration)>) -> Self {
        let accounts: HashMap<_, _> = accounts
            .map(|(slug, ttl)| (slug, OfAccount { ttl, stamp: AtomicU64::new(0) }))
            .collect();
        let longest = accounts.values().map(|account| account.ttl).max().unwrap_or_default();
        let weigh = |_: &Wanted, kept: &Kept| {
            u32::try_from(kept.body.len()).unwrap_or(u32::MAX).max(MIN_COUNTED_BYTES)
        };
        Self {
            // What is over time is looked at by our clock; this gives its memory back.
            kept: Cache::builder()
                .max_capacity(MAX_KEPT_BYTES)
                .weigher(weigh)
                .time_to_live(longest)
                .build(),
            campaigns: (0..STAMPS).map(|_| AtomicU64::new(0)).collect(),
            accounts,
        }
    }

    /// To be taken before the home is asked.
    pub fn stamp(&self, identity: &CampaignIdentity) -> Stamp {
        let account = self.accounts.get(&identity.home);
        Stamp {
            campaign: self.slot(&identity.home, &identity.native).load(Ordering::SeqCst),
            account: account.map_or(0, |account| account.stamp.load(Ordering::SeqCst)),
        }
    }

    /// The answer that was kept under the same stamp, if its time is not over.
    pub fn recall(
        &self,
        account: &AccountSlug,
        wanted: &Wanted,
        stamp: Stamp,
        now: Timestamp,
    ) -> Option<Bytes> {
        if self.ttl(account).is_zero() {
            return None;
        }
        let kept = self.kept.get(wanted)?;
        (kept.stamp == stamp && now < kept.until).then_some(kept.body)
    }

    /// Keeps an answer that was asked for at `asked_at`.
    pub fn keep(
        &self,
        account: &AccountSlug,
        wanted: Wanted,
        (stamp, asked_at): (Stamp, Timestamp),
        body: &Bytes,
    ) {
        let ttl = self.ttl(account);
        if !ttl.is_zero() {
            let kept = Kept { stamp, until: asked_at + ttl, body: body.clone() };
            self.kept.insert(wanted, kept);
        }
    }

    /// A write to a campaign, or anything else that may change how it is shown.
    pub fn writing(&self, identity: &CampaignIdentity) -> Writing<'_> {
        Writing { stamp: Some(self.slot(&identity.home, &identity.native)) }
    }

    /// A write on an account of which nobody here knows what campaigns it touches.
    pub fn writing_on(&self, account: &AccountSlug) -> Writing<'_> {
        Writing { stamp: self.accounts.get(account).map(|account| &account.stamp) }
    }

    /// The campaign that the account's platform calls so has changed.
    pub fn drop_campaign(&self, account: &AccountSlug, native: &NativeId) {
        self.slot(account, native).fetch_add(1, Ordering::SeqCst);
    }

    fn ttl(&self, account: &AccountSlug) -> Duration {
        self.accounts.get(account).map_or(Duration::ZERO, |account| account.ttl)
    }

    fn slot(&self, account: &AccountSlug, native: &NativeId) -> &AtomicU64 {
        let mut hasher = DefaultHasher::new();
        (account, native).hash(&mut hasher);
        #[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
        let index = hasher.finish() as usize % self.campaigns.len();
        &self.campaigns[index]
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if let Some(stamp) = self.stamp {
            stamp.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platforms::PlatformKind;

    const KEPT_FOR: Duration = Duration::from_secs(1);

    fn cache() -> ReadCache {
        let ttls = [("kept", KEPT_FOR), ("live", Duration::ZERO)];
        ReadCache::new(ttls.into_iter().map(|(slug, ttl)| (AccountSlug::new(slug).unwrap(), ttl)))
    }

    fn identity(home: &str, native: &str) -> CampaignIdentity {
        CampaignIdentity {
            uuid: Uuid::from_u128(7),
            pair: None,
            home: AccountSlug::new(home).unwrap(),
            home_epoch: 0,
            native: NativeId::new(native.to_owned()),
            list_at: Timestamp::UNIX_EPOCH,
        }
    }

    const WANTED: Wanted = (Uuid::from_u128(7), 0, (PlatformKind::ALL[0], "head"));

    fn keep(cache: &ReadCache, identity: &CampaignIdentity, stamp: Stamp) {
        let body = Bytes::from_static(b"{}");
        cache.keep(&identity.home, WANTED, (stamp, Timestamp::UNIX_EPOCH), &body);
    }

    fn recall(cache: &ReadCache, identity: &CampaignIdentity, now: Timestamp) -> Option<Bytes> {
        cache.recall(&identity.home, &WANTED, cache.stamp(identity), now)
    }

    #[test]
    fn an_answer_is_told_again_until_its_time_is_over_and_only_where_wanted() {
        let cache = cache();
        for (home, expected) in [("kept", true), ("live", false)] {
            let campaign = identity(home, "1");
            keep(&cache, &campaign, cache.stamp(&campaign));
            let told = recall(&cache, &campaign, Timestamp::UNIX_EPOCH);
            assert_eq!(told.is_some(), expected, "{home}");
            assert_eq!(recall(&cache, &campaign, Timestamp::UNIX_EPOCH + KEPT_FOR), None);
        }
    }

    #[test]
    fn what_was_read_before_or_during_a_write_is_not_told_after_it() {
        let cache = cache();
        let campaign = identity("kept", "1");
        let now = Timestamp::UNIX_EPOCH;
        let before = cache.stamp(&campaign);
        keep(&cache, &campaign, before);
        let writing = cache.writing(&campaign);
        let during = cache.stamp(&campaign);
        drop(writing);
        assert_eq!(recall(&cache, &campaign, now), None);
        keep(&cache, &campaign, during);
        assert_eq!(recall(&cache, &campaign, now), None);
        keep(&cache, &campaign, cache.stamp(&campaign));
        assert!(recall(&cache, &campaign, now).is_some());
        drop(cache.writing_on(&campaign.home));
        assert_eq!(recall(&cache, &campaign, now), None);
        keep(&cache, &campaign, cache.stamp(&campaign));
        cache.drop_campaign(&campaign.home, &campaign.native);
        assert_eq!(recall(&cache, &campaign, now), None);
    }
}
