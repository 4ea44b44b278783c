//! The files of a ledger: who holds them, whether the ones that are written are still the ones that the
//! path names, and whether they are sound.
//!
//! A file that is deleted or replaced goes on being written by whoever has it open, and what is written
//! there is lost; so is what goes into one that somebody else overwrites. So the files are known by device
//! and inode and by what stands in them (`contents`), and looked at after every commit and once a second.
//! From the first difference on, or the first page that SQLite finds damaged, the ledger refuses everything
//! until it is opened again.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use url::Url;

use super::BUSY_TIMEOUT;
use super::contents::{Contents, Mark, Overwritten};
use super::log::{self, CutShort, WayOn};
use super::statements::ledger_error;
use crate::ledger::LedgerError;

/// How often the ledger's lock is asked for before another process is believed to hold it.
const LOCK_ATTEMPTS: u32 = 50;
const LOCK_RETRY_INTERVAL: Duration = Duration::from_millis(10);
/// A ledger up to this size is read through when it is opened; a larger one by `dialbridge check` alone,
/// for that takes minutes.
const CHECKED_WHEN_OPENED_BYTES: u64 = 1024 * 1024 * 1024;

/// What SQLite keeps beside a ledger while it is open.
pub const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// The right of this process to open a ledger. Held until every connection is closed: SQLite forgets its
/// own locks when any handle on the file is closed.
pub struct Lock {
    /// Keeps out who opens the ledger under the same name.
    _name: File,
    /// Keeps out who opens the same file under another name, or after the lock file was deleted. None
    /// while there is no file.
    file: Option<File>,
}

/// A file, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

/// The files that are written, under the names by which they were opened.
pub struct Watch {
    /// The ledger file, its log, and the index of that.
    files: [(PathBuf, FileId); 3],
    contents: Contents,
    /// Why they are not to be trusted any more.
    lost: OnceLock<String>,
}

impl FileId {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

impl Watch {
    /// `path` is the name that the ledger was opened by; the companions stand beside the file itself. Call
    /// it when every connection is open.
    pub fn new(path: &Path, lock: &Lock) -> Result<Self, LedgerError> {
        let file = lock.file.as_ref().ok_or_else(|| removed(path))?;
        let held = FileId::of(&file.metadata().map_err(|error| unavailable(path, &error))?);
        let itself = resolved(path);
        let [log, index] = COMPANIONS.map(|suffix| with_suffix(&itself, suffix));
        let contents = Contents::open(file, &log, &index);
        let contents = contents.map_err(|error| unavailable(&itself, &error))?;
        let known = |name: PathBuf| match fs::metadata(&name) {
            Ok(metadata) => Ok((name, FileId::of(&metadata))),
            Err(error) => Err(unavailable(&name, &error)),
        };
        let files = [(path.to_owned(), held), known(log)?, known(index)?];
        let watch = Self { files, contents, lost: OnceLock::new() };
        watch.look().map(|()| watch)
    }

    /// # Errors
    /// `Unavailable` when a file has been removed, replaced or overwritten, now or at an earlier look.
    pub fn look(&self) -> Result<(), LedgerError> {
        self.trusted()?;
        for (name, known) in &self.files {
            match fs::metadata(name) {
                Ok(metadata) if FileId::of(&metadata) == *known => {}
                Ok(_) => return Err(self.lose(name, "was replaced by another file")),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(self.lose(name, "was removed"));
                }
                // A directory that cannot be read for a moment says nothing of the file.
                Err(error) => return Err(unavailable(name, &error)),
            }
        }
        let [(main, _), (log, _), _] = &self.files;
        match self.contents.check() {
            Ok(None) => Ok(()),
            Ok(Some(Overwritten::Main)) => Err(self.lose(main, "was overwritten")),
            Ok(Some(Overwritten::Log)) => Err(self.lose(log, "was overwritten")),
            Err(error) => Err(unavailable(main, &error)),
        }
    }

    /// What the last look said, without another.
    pub fn trusted(&self) -> Result<(), LedgerError> {
        match self.lost.get() {
            None => Ok(()),
            Some(why) => Err(LedgerError::Unavailable(why.clone())),
        }
    }

    /// The same, unless SQLite found a file damaged: that loses the ledger.
    pub fn judge<T>(&self, outcome: Result<T, LedgerError>) -> Result<T, LedgerError> {
        outcome.map_err(|error| match error {
            LedgerError::Damaged(why) => {
                self.lose(&self.files[0].0, &format!("was found damaged ({why})"))
            }
            other => other,
        })
    }

    /// What the next commit is to put into the ledger file, if it is the first after a checkpoint.
    pub fn mark(&self) -> Mark {
        self.contents.mark()
    }

    /// Has the index of an emptied log reach the disk: after a power failure an older one would tell of pages
    /// that are nowhere any more.
    pub fn sync_index(&self) -> Result<(), LedgerError> {
        let [.., (index, _)] = &self.files;
        self.contents.sync_index().map_err(|error| unavailable(index, &error))
    }

    fn lose(&self, name: &Path, what: &str) -> LedgerError {
        let why = format!(
            "{} {what} while it was in use; stop this process, put the file or a copy of it back \
             (`dialbridge restore`), start again",
            name.display()
        );
        if self.lost.set(why.clone()).is_ok() {
            tracing::error!(why, "the ledger file is lost; nothing is answered as done any more");
        }
        LedgerError::Unavailable(self.lost.get().cloned().unwrap_or(why))
    }
}

/// Takes the ledger's lock. A process that is being started holds every open file of its parent for a
/// moment, locks included, so a lock that is held is asked for again a few times before it is believed.
pub fn lock(path: &Path) -> Result<Lock, LedgerError> {
    let itself = resolved(path);
    let lock_path = with_suffix(&itself, ".lock");
    let name = private_file(&lock_path).map_err(|error| unavailable(&lock_path, &error))?;
    hold(&name, path)?;
    for _ in 0..LOCK_ATTEMPTS {
        let file = match File::open(&itself) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Lock { _name: name, file: None });
            }
            Err(error) => return Err(unavailable(&itself, &error)),
        };
        hold(&file, path)?;
        // Somebody may have put another file there in between; that one is not locked.
        let held = file.metadata().map_err(|error| unavailable(&itself, &error))?;
        if fs::metadata(&itself).is_ok_and(|there| FileId::of(&there) == FileId::of(&held)) {
            return Ok(Lock { _name: name, file: Some(file) });
        }
    }
    Err(LedgerError::Unavailable(format!("{} is being replaced", path.display())))
}

fn hold(file: &File, path: &Path) -> Result<(), LedgerError> {
    for _ in 0..LOCK_ATTEMPTS {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_RETRY_INTERVAL),
            Err(TryLockError::Error(error)) => return Err(unavailable(path, &error)),
        }
    }
    Err(LedgerError::Unavailable(format!("{} is open in another process", path.display())))
}

/// Keeps out whoever would write, and nobody who only reads. False when somebody writes already.
pub fn hold_shared(file: &File, path: &Path) -> Result<bool, LedgerError> {
    for _ in 0..LOCK_ATTEMPTS {
        match file.try_lock_shared() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_RETRY_INTERVAL),
            Err(TryLockError::Error(error)) => return Err(unavailable(path, &error)),
        }
    }
    Ok(false)
}

/// A connection that changes nothing. Where no log is beside the file nobody writes it, and it is read
/// without the files that SQLite would make beside it.
pub fn open_unchanged(itself: &Path) -> Result<Connection, LedgerError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let at_rest = !with_suffix(itself, "-wal").exists();
    let opened = match Url::from_file_path(itself) {
        Ok(mut url) if at_rest => {
            url.set_query(Some("immutable=1"));
            Connection::open_with_flags(url.as_str(), flags | OpenFlags::SQLITE_OPEN_URI)
        }
        _ => Connection::open_with_flags(itself, flags),
    };
    let connection = opened.map_err(|error| ledger_error(&error))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(|error| ledger_error(&error))?;
    Ok(connection)
}

/// Reads the log through, before SQLite drops what it cannot read of it. Only under the ledger's lock.
///
/// # Errors
/// `Damaged` when commits that were answered as done cannot be read any more, with what is left to do.
pub fn check_log(path: &Path) -> Result<(), LedgerError> {
    let itself = resolved(path);
    let Some(cut_short) = cut_short(&itself)? else { return Ok(()) };
    let [log, index] = COMPANIONS.map(|suffix| with_suffix(&itself, suffix));
    // A ledger of which something is lost hands out numbers and epochs that clients know already; as a copy
    // that is restored it does not.
    let left = match cut_short.way_on() {
        WayOn::WithLog => Some(format!(
            "move {} and {} (without {}) into another folder and restore the file there, and with it what is left",
            itself.display(),
            log.display(),
            index.display()
        )),
        WayOn::WithoutLog => Some(format!(
            "move {} (without {}) into another folder and restore the file there, and with it what is left",
            itself.display(),
            log.display()
        )),
        WayOn::Nowhere => None,
    };
    let or = left.map_or_else(String::new, |left| format!(", or {left}"));
    let what = said(&log, cut_short);
    Err(LedgerError::Damaged(format!(
        "{what}; restore a copy (`dialbridge restore COPY --replace --config FILE`){or}"
    )))
}

/// What is lost of the log, if anything is.
pub fn log_damage(itself: &Path) -> Result<Option<String>, LedgerError> {
    let log = with_suffix(itself, COMPANIONS[0]);
    Ok(cut_short(itself)?.map(|cut_short| said(&log, cut_short)))
}

fn cut_short(itself: &Path) -> Result<Option<CutShort>, LedgerError> {
    let [log, index] = COMPANIONS.map(|suffix| with_suffix(itself, suffix));
    log::cut_short(&log, &index).map_err(|error| unavailable(&log, &error))
}

fn said(log: &Path, cut_short: CutShort) -> String {
    let CutShort { committed, readable, .. } = cut_short;
    format!(
        "{} was overwritten or removed: {readable} of its {committed} pages can be read, and {} are lost",
        log.display(),
        cut_short.lost()
    )
}

/// What is closed last copies its log into the ledger file and deletes it. Where the file is not what it was
/// left as, that would destroy both: whoever puts the right file back finds the log beside it.
pub fn leave(connection: &Connection, watch: &Watch) {
    if watch.look().is_err() {
        let kept = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        if let Err(error) = kept {
            tracing::error!(%error, "the log of a lost ledger could not be kept");
        }
    }
}

/// Reads the file through, if that takes seconds and not minutes.
pub fn check_when_opened(connection: &Connection, path: &Path) -> Result<(), LedgerError> {
    let size = fs::metadata(path).map_err(|error| unavailable(path, &error))?.len();
    if size > CHECKED_WHEN_OPENED_BYTES {
        tracing::info!(size, "the ledger is not read through now; `dialbridge check` does that");
        return Ok(());
    }
    check_sound(connection, path, "quick_check")
}

/// # Errors
/// `Damaged` with what is wrong first, and what to do.
pub fn check_sound(connection: &Connection, path: &Path, how: &str) -> Result<(), LedgerError> {
    match damage(connection, how)? {
        None => Ok(()),
        Some(why) => Err(LedgerError::Damaged(format!(
            "{} is damaged ({why}); stop the gateway and put a copy in its place with \
             `dialbridge restore COPY --replace`",
            path.display()
        ))),
    }
}

/// What is wrong first, if anything is.
pub fn damage(connection: &Connection, how: &str) -> Result<Option<String>, LedgerError> {
    let found: Result<String, _> =
        connection.query_row(&format!("PRAGMA {how}(1)"), [], |row| row.get(0));
    match found {
        Ok(found) => Ok((found != "ok").then_some(found)),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Ok(Some(error.to_string()))
            }
            _ => Err(ledger_error(&error)),
        },
    }
}

fn removed(path: &Path) -> LedgerError {
    LedgerError::Unavailable(format!("{} does not exist", path.display()))
}

/// The file itself, whatever symbolic links lead to it: SQLite puts its companions beside that.
pub fn resolved(path: &Path) -> PathBuf {
    if let Ok(itself) = fs::canonicalize(path) {
        return itself;
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = fs::canonicalize(parent.unwrap_or(Path::new(".")));
    match (parent, path.file_name()) {
        (Ok(parent), Some(name)) => parent.join(name),
        _ => path.to_owned(),
    }
}

/// Only its owner may read it: it holds phone numbers.
pub fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)
}

/// Names the folder where that is what is missing.
pub fn unavailable(path: &Path, error: &io::Error) -> LedgerError {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir());
    LedgerError::Unavailable(match folder {
        Some(folder) if error.kind() == io::ErrorKind::NotFound => {
            format!(
                "the folder {} does not exist; create it, or change ledger.url",
                folder.display()
            )
        }
        _ => format!("{}: {error}", path.display()),
    })
}

pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
