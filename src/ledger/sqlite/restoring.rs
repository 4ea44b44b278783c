//! A copy takes the place of a ledger. The ledger that it replaces, and others that were restored from the same
//! copy before, have handed out epochs and numbers since the copy was made; the restored one hands out none
//! of them again. How far the others had come is read from the file that is replaced, from what the last
//! restore remembered beside it, and where neither is there from the clock
//! (docs/decisions/0042-a-copy-takes-a-ledgers-place.md).

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::files::{
    COMPANIONS, damage, lock, log_damage, open_unchanged, private_file, resolved, unavailable,
    with_suffix,
};
use super::statements::ledger_error;
use super::{connect, schema_version};
use crate::clock::Clock;
use crate::ledger::{LedgerError, restores, schema};

/// Numbers that a restored ledger skips: a ledger hands out fewer than these between two restores.
const SKIPPED_NUMBERS: i64 = 100_000;
/// The beginning of 2026 in seconds since 1970. A restored ledger counts at least from the number of seconds
/// since then, which is another one at each restore, even where nothing is remembered.
const COUNTED_FROM_S: i64 = 1_767_225_600;
/// How every file of SQLite begins.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// What a copy may take the place of.
#[derive(Debug, Clone, Copy, Default)]
pub struct RestoreOptions {
    /// Of the ledger that is there, whose file is kept under another name.
    pub replace: bool,
    /// Also of another ledger than the one that was copied.
    pub another_ledger: bool,
}

/// What a restore has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    pub epoch: i64,
    /// The newest time that the copy holds. None when nothing was ever done with it.
    pub newest: Option<Timestamp>,
    /// What the file is called now that was there before.
    pub kept: Option<PathBuf>,
}

/// Which ledger a file is, and how far it has come.
#[derive(Debug, Clone, Copy)]
struct Known {
    schema: i64,
    ledger_id: Uuid,
    epoch: i64,
    next_number: i64,
    newest: Option<Timestamp>,
}

/// What the last restore gave the ledger, kept in `NAME.restored` beside it: the ledger itself may be lost.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Remembered {
    ledger_id: Uuid,
    epoch: i64,
    next_number: i64,
}

/// Why a file cannot be taken for a ledger.
enum Flaw {
    Missing,
    NoLedger,
    Damaged(String),
    Failed(LedgerError),
}

/// What is there before.
enum Present {
    Nothing,
    Ledger(Known),
    /// And why it is of no use.
    Useless(String),
}

pub fn restore(
    copy: &Path,
    path: &Path,
    options: RestoreOptions,
    clock: &Clock,
) -> Result<Restored, LedgerError> {
    let wanted = known_of_copy(copy)?;
    let lock = lock(path)?;
    let itself = resolved(path);
    let present = Present::at(&itself);
    let remembered = Remembered::beside(&itself)?;
    permit(options, (copy, &wanted), (path, &present), remembered)?;
    let now = clock.wall();
    let next = next(&wanted, &present, remembered, now)?;
    let beside = copied(copy, &itself)?;
    renumber(&beside, next, &restores::counter(wanted.newest, now))?;
    // Before anything is replaced: what is remembered too early costs numbers, too late gives them out twice.
    next.remember(&itself)?;
    let owner = owner(&itself)?;
    let kept = put_aside(&itself, now)?;
    fs::rename(&beside, &itself).map_err(|error| unavailable(&itself, &error))?;
    for name in [&itself, &with_suffix(&itself, ".lock"), &remembered_in(&itself)] {
        give(name, &owner)?;
    }
    sync_folder(&itself)?;
    drop(lock);
    Ok(Restored { epoch: next.epoch, newest: wanted.newest, kept })
}

/// Of a sound copy that this program can bring up to date.
fn known_of_copy(copy: &Path) -> Result<Known, LedgerError> {
    let shown = copy.display();
    let known = look(copy).map_err(|flaw| match flaw {
        Flaw::Missing => LedgerError::Conflict(format!("{shown}: no such file")),
        Flaw::NoLedger => LedgerError::Conflict(format!("{shown} is not a copy of a ledger")),
        Flaw::Damaged(why) => {
            LedgerError::Damaged(format!("{shown} is damaged ({why}); take another copy"))
        }
        Flaw::Failed(error) => error,
    })?;
    schema::check_restorable(known.schema).map(|()| known)
}

impl Present {
    /// What cannot be read, whatever the reason, is what somebody restores for.
    fn at(itself: &Path) -> Self {
        if !itself.exists() {
            return Self::Nothing;
        }
        // First: whoever reads it with its log makes a new index, by which nothing is missing.
        match log_damage(itself) {
            Ok(None) => {}
            Ok(Some(why)) => return Self::Useless(why),
            Err(error) => return Self::Useless(error.to_string()),
        }
        match look(itself) {
            Ok(known) => Self::Ledger(known),
            Err(Flaw::Missing) => Self::Nothing,
            Err(Flaw::NoLedger) => Self::Useless("it holds no ledger".to_owned()),
            Err(Flaw::Damaged(why)) => Self::Useless(why),
            Err(Flaw::Failed(error)) => Self::Useless(error.to_string()),
        }
    }

    fn known(&self) -> Option<&Known> {
        match self {
            Self::Ledger(known) => Some(known),
            Self::Nothing | Self::Useless(_) => None,
        }
    }
}

fn permit(
    options: RestoreOptions,
    (copy, wanted): (&Path, &Known),
    (path, present): (&Path, &Present),
    remembered: Option<Remembered>,
) -> Result<(), LedgerError> {
    let shown = path.display();
    let refused = match present {
        Present::Ledger(known) => Some(format!(
            "{shown} is a sound ledger, whose newest entry is of {}; what it recorded after {} is not in \
             the copy and would be lost to the gateway. Add --replace to restore the copy all the same \
             (the file that is there is kept under another name)",
            said(known.newest),
            said(wanted.newest)
        )),
        Present::Useless(why) => Some(format!(
            "{shown} is of no use ({why}); add --replace to put the copy in its place (the file that is \
             there is kept under another name)"
        )),
        Present::Nothing => None,
    };
    if let Some(why) = refused.filter(|_| !options.replace) {
        return Err(LedgerError::Conflict(why));
    }
    let before = present.known().map(|known| known.ledger_id);
    let before = before.or(remembered.map(|remembered| remembered.ledger_id));
    match before {
        Some(before) if before != wanted.ledger_id && !options.another_ledger => {
            Err(LedgerError::Conflict(format!(
                "{} is a copy of another ledger ({}) than the one of {shown} ({before}): its campaigns \
                 have other ids and other numbers. Add --another-ledger if that is wanted",
                copy.display(),
                wanted.ledger_id
            )))
        }
        _ => Ok(()),
    }
}

/// A time for messages.
pub fn said(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "no time".to_owned(), |time| format!("{time:.0}"))
}

/// What no ledger in this place has handed out.
fn next(
    wanted: &Known,
    present: &Present,
    remembered: Option<Remembered>,
    now: Timestamp,
) -> Result<Remembered, LedgerError> {
    let mut before = vec![(wanted.epoch, wanted.next_number)];
    before.extend(present.known().map(|known| (known.epoch, known.next_number)));
    before.extend(remembered.map(|last| (last.epoch, last.next_number)));
    let epoch = before.iter().map(|(epoch, _)| epoch + 1).max().unwrap_or_default();
    let number = before.iter().map(|(_, number)| *number).max().unwrap_or_default();
    let next_number = number.max(now.as_second() - COUNTED_FROM_S) + SKIPPED_NUMBERS;
    if next_number > i64::from(i32::MAX) {
        return Err(LedgerError::Conflict(format!(
            "campaigns would be numbered from {next_number} on, and there are no such numbers; is the \
             clock right ({now:.0})?"
        )));
    }
    Ok(Remembered { ledger_id: wanted.ledger_id, epoch: epoch.max(now.as_second()), next_number })
}

/// Reads a file through that is perhaps a ledger, and changes nothing.
fn look(path: &Path) -> Result<Known, Flaw> {
    let failed = |error: &io::Error| Flaw::Failed(unavailable(path, error));
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(Flaw::Missing),
        Err(error) => return Err(failed(&error)),
    };
    let mut head = Vec::new();
    file.take(MAGIC.len() as u64).read_to_end(&mut head).map_err(|error| failed(&error))?;
    if head != MAGIC {
        return Err(Flaw::NoLedger);
    }
    let connection = open_unchanged(&resolved(path)).map_err(Flaw::Failed)?;
    if let Some(why) = damage(&connection, "integrity_check").map_err(Flaw::Failed)? {
        return Err(Flaw::Damaged(why));
    }
    let schema = schema_version(&connection).map_err(Flaw::Failed)?;
    if schema == 0 {
        return Err(Flaw::NoLedger);
    }
    let known = known(&connection, schema).map_err(|error| Flaw::Failed(ledger_error(&error)))?;
    known.ok_or(Flaw::NoLedger)
}

/// None when the ledger was never given an id.
fn known(connection: &Connection, schema: i64) -> rusqlite::Result<Option<Known>> {
    let sql = "SELECT ledger_id, epoch FROM meta";
    let meta = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((ledger_id, epoch)): Option<([u8; 16], i64)> = meta else { return Ok(None) };
    let sql = "SELECT COALESCE(MAX(next), 1) FROM counter WHERE name LIKE 'vdn%'";
    let next_number = connection.query_row(sql, [], |row| row.get(0))?;
    let sql = "SELECT MAX(t) FROM (SELECT MAX(fetched_at) AS t FROM campaign_state \
               UNION ALL SELECT MAX(at) FROM journal)";
    let newest: Option<i64> = connection.query_row(sql, [], |row| row.get(0))?;
    let newest = newest.and_then(|micros| Timestamp::from_microsecond(micros).ok());
    let ledger_id = Uuid::from_bytes(ledger_id);
    Ok(Some(Known { schema, ledger_id, epoch, next_number, newest }))
}

/// Copies by SQLite, with the log that may stand beside the copy; answers the new file.
fn copied(copy: &Path, itself: &Path) -> Result<PathBuf, LedgerError> {
    let beside = with_suffix(itself, "-restoring");
    for left in COMPANIONS.map(|suffix| with_suffix(&beside, suffix)).iter().chain([&beside]) {
        remove(left)?;
    }
    private_file(&beside).map_err(|error| unavailable(&beside, &error))?;
    let text = beside
        .to_str()
        .ok_or_else(|| LedgerError::Conflict("the ledger's name must be UTF-8".to_owned()))?;
    let written = open_unchanged(&resolved(copy))?.execute("VACUUM INTO $1", [text]);
    written.map_err(|error| ledger_error(&error))?;
    Ok(beside)
}

/// `restored` names the counter of this restore.
fn renumber(path: &Path, next: Remembered, restored: &str) -> Result<(), LedgerError> {
    let failed = |error: rusqlite::Error| ledger_error(&error);
    let mut connection = connect(path)?;
    let transaction = connection.transaction().map_err(failed)?;
    transaction.execute("UPDATE meta SET epoch = $1", [next.epoch]).map_err(failed)?;
    let sql = "UPDATE counter SET next = $1 WHERE name LIKE 'vdn/%'";
    transaction.execute(sql, [next.next_number]).map_err(failed)?;
    // From where virtual VDNs count that this copy has not met.
    let sql = "INSERT INTO counter (name, next) VALUES ('vdn', $1) \
               ON CONFLICT (name) DO UPDATE SET next = excluded.next";
    transaction.execute(sql, [next.next_number]).map_err(failed)?;
    let sql = "INSERT INTO counter (name, next) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    transaction.execute(sql, (restored, next.next_number)).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
    connection.query_row(sql, [], |_| Ok(())).map_err(failed)?;
    drop(connection);
    COMPANIONS.iter().try_for_each(|suffix| remove(&with_suffix(path, suffix)))
}

impl Remembered {
    /// None when nothing was restored here.
    fn beside(itself: &Path) -> Result<Option<Self>, LedgerError> {
        let name = remembered_in(itself);
        let text = match fs::read_to_string(&name) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unavailable(&name, &error)),
        };
        serde_json::from_str(&text).map(Some).map_err(|error| {
            let shown = name.display();
            LedgerError::Corrupt(format!("{shown}: {error}; move it away, and restore again"))
        })
    }

    /// Written anew and put in the place of the old one, so that no half of it is ever there.
    fn remember(self, itself: &Path) -> Result<(), LedgerError> {
        let name = remembered_in(itself);
        let new = with_suffix(&name, "-new");
        let write = || -> io::Result<()> {
            remove_file(&new)?;
            let mut file = private_file(&new)?;
            file.write_all(serde_json::to_string(&self)?.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &name)
        };
        write().map_err(|error| unavailable(&name, &error))
    }
}

fn remembered_in(itself: &Path) -> PathBuf {
    with_suffix(itself, ".restored")
}

/// Renames what is there, with the log that belongs to it: somebody may still read something out of it. A
/// log that stayed would be taken for the new file's.
fn put_aside(itself: &Path, now: Timestamp) -> Result<Option<PathBuf>, LedgerError> {
    let name = |n: i64| {
        let at = now + SignedDuration::from_micros(n);
        with_suffix(itself, &format!(".replaced-{}", at.strftime("%Y%m%dT%H%M%S.%6fZ")))
    };
    let mut micros = 0;
    while name(micros).exists() {
        micros += 1;
    }
    let (kept, log) = (name(micros), with_suffix(itself, "-wal"));
    let mut is_kept = false;
    for (from, to) in [(itself, &kept), (log.as_path(), &with_suffix(&kept, "-wal"))] {
        match fs::rename(from, to) {
            Ok(()) => is_kept = true,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(unavailable(from, &error)),
        }
    }
    // The index of the log is made anew by whoever opens the log.
    remove(&with_suffix(itself, "-shm"))?;
    Ok(is_kept.then_some(kept))
}

/// Whose file the ledger is; whose folder, where there is none.
fn owner(itself: &Path) -> Result<Metadata, LedgerError> {
    let folder = itself.parent().unwrap_or(Path::new("/"));
    let named = fs::metadata(itself).or_else(|_| fs::metadata(folder));
    named.map_err(|error| unavailable(itself, &error))
}

/// A ledger that the superuser restores is still its gateway's.
fn give(path: &Path, owner: &Metadata) -> Result<(), LedgerError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let given = chown(path, Some(owner.uid()), Some(owner.gid()));
    given.map_err(|error| unavailable(path, &error))
}

fn sync_folder(itself: &Path) -> Result<(), LedgerError> {
    let folder = itself.parent().unwrap_or(Path::new("/"));
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| unavailable(folder, &error))
}

fn remove(path: &Path) -> Result<(), LedgerError> {
    remove_file(path).map_err(|error| unavailable(path, &error))
}

/// It need not be there.
fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
