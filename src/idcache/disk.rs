//! sled 0.34.7, with the care that it needs: one writer thread; `flush` (never `flush_async`, which
//! deadlocks) and only there; reads on threads of their own; a guarded open that first removes
//! half-written snapshots; a memory limit above the size of the set; small values that are written
//! once. A flush of sled does not reach the disk for certain: nothing here has to.

use std::fs;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;
use uuid::Uuid;

use crate::domain::ids::{CampaignIdentity, CampaignKey};

use super::record;
use super::{CacheOwner, IdCacheError};

/// Identities that wait to be written; more are left to the ledger.
const WRITE_QUEUE_JOBS: usize = 8192;
/// Look-ups that wait for a reader; more are left to the ledger.
const READ_QUEUE_JOBS: usize = 1024;
const READERS: usize = 2;
/// A directory that another process is just leaving is waited for.
const OPEN_TRIES: u32 = 20;
const OPEN_RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// In the directory: what is in it must not be used again.
const DISCARD_MARK: &str = "discard";

pub struct Disk {
    store: Arc<Store>,
    /// None while closing.
    writes: Option<SyncSender<Write>>,
    reads: Option<SyncSender<Read>>,
    joins: Vec<JoinHandle<()>>,
}

struct Store {
    db: sled::Db,
    directory: PathBuf,
    owner: CacheOwner,
    /// Set when sled failed; it is then left alone until the next start.
    given_up: AtomicBool,
}

struct Read {
    key: CampaignKey,
    answer: oneshot::Sender<Option<CampaignIdentity>>,
}

enum Write {
    One(Arc<CampaignIdentity>),
    Page(Vec<CampaignIdentity>, oneshot::Sender<()>),
    MarkComplete(oneshot::Sender<()>),
}

impl Disk {
    /// Also tells whether everything of the ledger has been copied into it.
    pub fn open(
        directory: &Path,
        capacity_mb: u64,
        owner: CacheOwner,
    ) -> Result<(Self, bool), IdCacheError> {
        let (db, complete) = open_or_replace(directory, capacity_mb, owner)?;
        let store = Arc::new(Store {
            db,
            directory: directory.to_owned(),
            owner,
            given_up: AtomicBool::new(false),
        });
        let mut disk =
            Self { store: Arc::clone(&store), writes: None, reads: None, joins: Vec::new() };
        let (writes, write_jobs) = sync_channel(WRITE_QUEUE_JOBS);
        let writer = Arc::clone(&store);
        disk.start("idcache-writer", move || writer.write_all(&write_jobs))?;
        disk.writes = Some(writes);
        let (reads, read_jobs) = sync_channel(READ_QUEUE_JOBS);
        let read_jobs = Arc::new(Mutex::new(read_jobs));
        for n in 0..READERS {
            let (reader, jobs) = (Arc::clone(&store), Arc::clone(&read_jobs));
            disk.start(&format!("idcache-reader-{n}"), move || reader.answer_all(&jobs))?;
        }
        disk.reads = Some(reads);
        Ok((disk, complete))
    }

    /// Asks a reader thread. None when there is nobody to ask.
    pub fn ask(&self, key: CampaignKey) -> Option<oneshot::Receiver<Option<CampaignIdentity>>> {
        if self.is_given_up() {
            return None;
        }
        let (answer, answered) = oneshot::channel();
        self.reads.as_ref()?.try_send(Read { key, answer }).ok()?;
        Some(answered)
    }

    pub fn read(&self, key: CampaignKey) -> Option<CampaignIdentity> {
        self.store.read(key)
    }

    pub fn insert_later(&self, identity: &Arc<CampaignIdentity>) {
        if let Some(writes) = &self.writes {
            // A full queue: the ledger answers for it, and the next look-up inserts it again.
            writes.try_send(Write::One(Arc::clone(identity))).ok();
        }
    }

    /// Whether the page was written.
    pub async fn insert_page(&self, page: Vec<CampaignIdentity>) -> bool {
        self.write_and_wait(|written| Write::Page(page, written)).await
    }

    pub async fn mark_complete(&self) -> bool {
        self.write_and_wait(Write::MarkComplete).await
    }

    pub fn bytes_on_disk(&self) -> u64 {
        self.store.db.size_on_disk().unwrap_or(0)
    }

    /// Leaves sled alone from now on, and has it replaced at the next start.
    pub fn give_up(&self, reason: &str) {
        self.store.give_up(reason);
    }

    pub fn is_given_up(&self) -> bool {
        self.store.given_up.load(Ordering::Relaxed)
    }

    async fn write_and_wait(&self, write: impl FnOnce(oneshot::Sender<()>) -> Write) -> bool {
        let (done, written) = oneshot::channel();
        let Some(writes) = &self.writes else { return false };
        // Other inserts may fill the queue, but never for long.
        let mut write = write(done);
        while let Err(error) = writes.try_send(write) {
            match error {
                std::sync::mpsc::TrySendError::Full(returned) => write = returned,
                std::sync::mpsc::TrySendError::Disconnected(_) => return false,
            }
            tokio::task::yield_now().await;
        }
        written.await.is_ok() && !self.is_given_up()
    }

    fn start(
        &mut self,
        name: &str,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), IdCacheError> {
        let thread = Builder::new().name(name.to_owned()).spawn(run);
        let thread = thread.map_err(|error| unusable(&self.store.directory, &error))?;
        self.joins.push(thread);
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.writes.take());
        drop(self.reads.take());
        for thread in self.joins.drain(..) {
            // A thread that panicked has reported that itself.
            thread.join().ok();
        }
    }
}

impl Store {
    fn answer_all(&self, reads: &Mutex<Receiver<Read>>) {
        loop {
            let read = reads.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(Read { key, answer }) = read else { return };
            // Whoever asked may have gone to the ledger meanwhile.
            answer.send(self.read(key)).ok();
        }
    }

    fn read(&self, key: CampaignKey) -> Option<CampaignIdentity> {
        if self.given_up.load(Ordering::Relaxed) {
            return None;
        }
        match self.look_up(key) {
            Ok(found) => found,
            Err(reason) => {
                self.give_up(&reason);
                None
            }
        }
    }

    fn look_up(&self, key: CampaignKey) -> Result<Option<CampaignIdentity>, String> {
        let get = |key| self.db.get(record::key(key)).map_err(|error| error.to_string());
        let uuid = match key {
            CampaignKey::Uuid(uuid) => uuid,
            CampaignKey::Pair(_) => match get(key)? {
                None => return Ok(None),
                Some(bytes) => Uuid::from_slice(&bytes).map_err(|_| "a pair names no UUID")?,
            },
        };
        match get(CampaignKey::Uuid(uuid))? {
            None => Ok(None),
            Some(bytes) => match record::decode(uuid, &bytes) {
                Some(identity) => Ok(Some(identity)),
                None => Err("a record cannot be read".to_owned()),
            },
        }
    }

    fn write_all(&self, writes: &Receiver<Write>) {
        while let Ok(write) = writes.recv() {
            if self.given_up.load(Ordering::Relaxed) {
                continue;
            }
            let (written, done) = match write {
                Write::One(identity) => (self.insert([&*identity]), None),
                Write::Page(page, done) => (self.insert(&page), Some(done)),
                Write::MarkComplete(done) => (self.complete(), Some(done)),
            };
            match (written, done) {
                (Err(error), _) => self.give_up(&error.to_string()),
                // Whoever waited may have been cancelled.
                (Ok(()), Some(done)) => {
                    done.send(()).ok();
                }
                (Ok(()), None) => {}
            }
        }
        if let Err(error) = self.db.flush() {
            tracing::warn!(%error, "id cache: the last flush failed");
        }
    }

    /// Each record once: what is there, of this epoch or a later one, stays.
    fn insert<'i>(
        &self,
        identities: impl IntoIterator<Item = &'i CampaignIdentity>,
    ) -> sled::Result<()> {
        let mut batch = sled::Batch::default();
        let mut has_news = false;
        for identity in identities {
            let key = record::key(CampaignKey::Uuid(identity.uuid));
            let record = record::encode(identity);
            if let Some(known) = self.db.get(&key)? {
                let known_epoch = record::decode(identity.uuid, &known).map(|i| i.home_epoch);
                if *known == *record || known_epoch > Some(identity.home_epoch) {
                    continue;
                }
            }
            has_news = true;
            batch.insert(key, record);
            if let Some(pair) = identity.pair {
                batch.insert(record::key(CampaignKey::Pair(pair)), identity.uuid.as_bytes());
            }
        }
        if has_news { self.db.apply_batch(batch) } else { Ok(()) }
    }

    fn complete(&self) -> sled::Result<()> {
        self.db.flush()?;
        self.db.insert(record::TAG_KEY, record::tag(self.owner, true))?;
        self.db.flush().map(drop)
    }

    fn give_up(&self, reason: &str) {
        if self.given_up.swap(true, Ordering::Relaxed) {
            return;
        }
        tracing::error!(
            directory = %self.directory.display(),
            reason,
            "id cache: sled failed; ids come from the ledger until the next start replaces it"
        );
        // Without the mark the next start finds out by itself, at worst as late as this one.
        fs::write(self.directory.join(DISCARD_MARK), reason).ok();
    }
}

/// Opens what is there if it opens and belongs to `owner`, else an empty one in its place.
fn open_or_replace(
    directory: &Path,
    capacity_mb: u64,
    owner: CacheOwner,
) -> Result<(sled::Db, bool), IdCacheError> {
    fs::create_dir_all(directory).map_err(|error| unusable(directory, &error))?;
    let reason = if directory.join(DISCARD_MARK).exists() {
        "sled failed in an earlier run".to_owned()
    } else {
        remove_half_written_snapshots(directory);
        match open_guarded(directory, capacity_mb)? {
            Ok(db) => match claim(&db, owner) {
                Ok(Claim::Ours { complete }) => return Ok((db, complete)),
                Ok(Claim::Foreign) => {
                    tracing::warn!(
                        directory = %directory.display(),
                        "id cache: it belongs to another ledger or epoch; it is emptied"
                    );
                    drop(db);
                    fs::remove_dir_all(directory).map_err(|error| unusable(directory, &error))?;
                    return open_empty(directory, capacity_mb, owner);
                }
                Err(error) => error.to_string(),
            },
            Err(reason) => reason,
        }
    };
    let aside = with_suffix(directory, ".broken");
    tracing::error!(
        directory = %directory.display(),
        aside = %aside.display(),
        reason,
        "id cache: sled does not open; it is moved aside and refilled from the ledger"
    );
    // Only the last broken one is kept.
    match fs::remove_dir_all(&aside) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(unusable(&aside, &error));
        }
        _ => fs::rename(directory, &aside).map_err(|error| unusable(directory, &error))?,
    }
    open_empty(directory, capacity_mb, owner)
}

fn open_empty(
    directory: &Path,
    capacity_mb: u64,
    owner: CacheOwner,
) -> Result<(sled::Db, bool), IdCacheError> {
    fs::create_dir_all(directory).map_err(|error| unusable(directory, &error))?;
    let db = open_guarded(directory, capacity_mb)?
        .map_err(|reason| IdCacheError::Unusable { path: directory.to_owned(), reason })?;
    claim(&db, owner).map_err(|error| unusable(directory, &error))?;
    Ok((db, false))
}

enum Claim {
    Ours { complete: bool },
    Foreign,
}

/// Writes the owner into an empty cache; tells whose any other is.
fn claim(db: &sled::Db, owner: CacheOwner) -> sled::Result<Claim> {
    let tag = db.get(record::TAG_KEY)?;
    match tag {
        Some(tag) if *tag == *record::tag(owner, true) => Ok(Claim::Ours { complete: true }),
        Some(tag) if *tag == *record::tag(owner, false) => Ok(Claim::Ours { complete: false }),
        None if db.is_empty() => {
            db.insert(record::TAG_KEY, record::tag(owner, false))?;
            Ok(Claim::Ours { complete: false })
        }
        _ => Ok(Claim::Foreign),
    }
}

/// The inner error is damage; the outer one says that this directory cannot be used at all.
fn open_guarded(
    directory: &Path,
    capacity_mb: u64,
) -> Result<Result<sled::Db, String>, IdCacheError> {
    let config =
        sled::Config::new().path(directory).cache_capacity(capacity_mb.saturating_mul(1024 * 1024));
    for _ in 0..OPEN_TRIES {
        // Damage makes sled 0.34 panic in places.
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => return Ok(Ok(db)),
            Ok(Err(sled::Error::Io(error))) if is_lock_error(&error) => {
                std::thread::sleep(OPEN_RETRY_INTERVAL);
            }
            Ok(Err(sled::Error::Io(error))) if error.kind() == ErrorKind::PermissionDenied => {
                return Err(unusable(directory, &error));
            }
            Ok(Err(error)) => return Ok(Err(error.to_string())),
            Err(_) => return Ok(Err("sled panicked".to_owned())),
        }
    }
    Err(IdCacheError::InUse(directory.to_owned()))
}

/// sled has no kind of its own for "another process has it".
fn is_lock_error(error: &std::io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

/// A process that was killed while it wrote a snapshot leaves `snap.*.generating`, on which the next
/// open may fail (sled issues 1533, 1527).
fn remove_half_written_snapshots(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            tracing::warn!(file = %name, "id cache: removing a half-written snapshot");
            // If it cannot be removed the guarded open decides.
            fs::remove_file(entry.path()).ok();
        }
    }
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> IdCacheError {
    IdCacheError::Unusable { path: path.to_owned(), reason: error.to_string() }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
