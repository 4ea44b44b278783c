//! The id cache: public ids → where the campaign lives, in memory in front of sled, with the ledger
//! behind both. It is never the truth: it may be empty, late, or thrown away, and is refilled from
//! the ledger.
//!
//! What it keeps of a campaign never changes: its UUID and pair name each other for good, and home
//! and native id are kept together with the `home_epoch` under which they hold. Which epoch is the
//! current one only the ledger knows, so every write reads that there
//! (docs/decisions/0001-ledger-and-identity.md). sled is read and written on threads of this module
//! alone (see `idcache/disk.rs` for the care that it needs).

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use uuid::Uuid;

use crate::domain::ids::{CampaignIdentity, CampaignKey};

mod disk;
mod memory;
mod record;

use disk::Disk;
use memory::Memory;

/// How long a look-up waits for sled before the ledger is asked instead.
const READ_TIMEOUT: Duration = Duration::from_millis(50);
/// After so many look-ups in a row that waited in vain sled is taken for stuck and left alone.
const MAX_TIMEOUTS_IN_A_ROW: u32 = 100;

/// Whose ids they are. A cache made under another owner is void.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheOwner {
    pub ledger_id: Uuid,
    pub epoch: i64,
}

/// Why there is no cache at all. Damage is no reason: a damaged cache is replaced by an empty one.
#[derive(Debug, thiserror::Error)]
pub enum IdCacheError {
    #[error("the id cache in {} is open in another process", .0.display())]
    InUse(PathBuf),
    #[error("no id cache can be made in {}: {reason}", path.display())]
    Unusable { path: PathBuf, reason: String },
}

/// A cheap handle; sled is closed when the last clone is dropped.
#[derive(Clone)]
pub struct IdCache {
    inner: Arc<Inner>,
}

struct Inner {
    memory: Memory,
    disk: Disk,
    needs_refill: AtomicBool,
    timeouts_in_a_row: AtomicU32,
}

impl IdCache {
    /// Opens or makes the cache in `directory`. `capacity_mb` of memory is what sled may keep of it;
    /// it must be more than the whole set needs (512 for a million campaigns), or sled's memory
    /// grows without bound. A cache that does not open is moved aside to `<directory>.broken`, one of
    /// another owner is deleted; either is said in the log, and [`IdCache::needs_refill`] is then
    /// true. Blocks, for up to seconds with a million campaigns: call it while starting.
    ///
    /// # Errors
    /// When another process has the directory open, or it cannot be made or written.
    pub fn open(
        directory: &Path,
        capacity_mb: u64,
        owner: CacheOwner,
    ) -> Result<Self, IdCacheError> {
        let (disk, complete) = Disk::open(directory, capacity_mb, owner)?;
        let inner = Inner {
            memory: Memory::default(),
            disk,
            needs_refill: AtomicBool::new(!complete),
            timeouts_in_a_row: AtomicU32::new(0),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Whether there is a cache in `directory`, whoever's.
    pub fn is_in(directory: &Path) -> bool {
        directory.join("db").is_file()
    }

    /// The campaign of a public id, from memory or else from sled. None: not here, ask the ledger
    /// (and [`IdCache::insert`] what it says).
    pub async fn resolve(&self, key: CampaignKey) -> Option<Arc<CampaignIdentity>> {
        if let Some(identity) = self.get(key) {
            return Some(identity);
        }
        let answer = self.inner.disk.ask(key)?;
        let Ok(answer) = tokio::time::timeout(READ_TIMEOUT, answer).await else {
            self.count_timeout();
            return None;
        };
        self.inner.timeouts_in_a_row.store(0, Ordering::Relaxed);
        let identity = Arc::new(answer.ok()??);
        self.inner.memory.insert(&identity);
        Some(identity)
    }

    /// The memory layer alone: what was used lately.
    pub fn get(&self, key: CampaignKey) -> Option<Arc<CampaignIdentity>> {
        self.inner.memory.get(key)
    }

    /// The sled layer alone, on the caller's thread: for measurements, not for async code.
    pub fn read_sled(&self, key: CampaignKey) -> Option<CampaignIdentity> {
        self.inner.disk.read(key)
    }

    /// Keeps an identity that is committed in the ledger. Of two for one campaign the later
    /// `home_epoch` stays; answers the one that stays in memory. sled follows on its own thread; under
    /// a flood of new ids it may miss some, which the ledger then answers.
    pub fn insert(&self, identity: CampaignIdentity) -> Arc<CampaignIdentity> {
        if let Some(known) = self.inner.memory.get(CampaignKey::Uuid(identity.uuid))
            && *known == identity
        {
            return known;
        }
        let kept = self.inner.memory.insert(&Arc::new(identity));
        self.inner.disk.insert_later(&kept);
        kept
    }

    /// Whether sled may lack campaigns that the ledger has, so that [`IdCache::refill`] is due. False
    /// when sled has failed: nothing can be written to it before the next start.
    pub fn needs_refill(&self) -> bool {
        self.inner.needs_refill.load(Ordering::Relaxed) && !self.inner.disk.is_given_up()
    }

    /// Copies every identity into sled. `next(after)` answers the identities behind surrogate
    /// `after`, with their surrogates, in order; an empty answer is the end. Look-ups work meanwhile.
    /// Answers how many were copied.
    ///
    /// # Errors
    /// The first error of `next`; the cache then still needs a refill.
    pub async fn refill<E, F>(&self, mut next: impl FnMut(i64) -> F) -> Result<u64, E>
    where
        F: Future<Output = Result<Vec<(i64, CampaignIdentity)>, E>>,
    {
        let mut after = 0;
        let mut copied = 0;
        loop {
            let page = next(after).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            copied += page.len() as u64;
            let page = page.into_iter().map(|(_, identity)| identity).collect();
            if !self.inner.disk.insert_page(page).await {
                return Ok(copied);
            }
        }
        if self.inner.disk.mark_complete().await {
            self.inner.needs_refill.store(false, Ordering::Relaxed);
            tracing::info!(campaigns = copied, "id cache refilled from the ledger");
        }
        Ok(copied)
    }

    /// Bytes that sled takes on the disk.
    pub fn bytes_on_disk(&self) -> u64 {
        self.inner.disk.bytes_on_disk()
    }

    fn count_timeout(&self) {
        let before = self.inner.timeouts_in_a_row.fetch_add(1, Ordering::Relaxed);
        if before + 1 == MAX_TIMEOUTS_IN_A_ROW {
            self.inner.disk.give_up("sled does not answer");
        }
    }
}
