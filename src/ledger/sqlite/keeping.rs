//! Copies of the ledger's file, and nothing left behind in it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;

use super::files::{COMPANIONS, check_sound, lock, private_file, unavailable, with_suffix};
use super::{ReadJob, SqliteLedger, closing, connect, schema_version, submit};
use crate::ledger::sqlite::statements::ledger_error;
use crate::ledger::{LedgerError, schema};

/// How often the log is asked to be emptied before its readers are believed not to let go of it.
const SCRUB_ATTEMPTS: u32 = 20;
const SCRUB_INTERVAL: Duration = Duration::from_millis(50);
/// Numbers that a restored ledger skips: others may have been given out since the copy was made.
const COUNTER_JUMP: i64 = 100_000;

impl SqliteLedger {
    pub async fn scrub(&self) -> Result<(), LedgerError> {
        self.beside(|path| {
            let connection = connect(path)?;
            for _ in 0..SCRUB_ATTEMPTS {
                let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
                let busy: i64 = connection
                    .query_row(sql, [], |row| row.get(0))
                    .map_err(|error| ledger_error(&error))?;
                if busy == 0 {
                    return Ok(());
                }
                std::thread::sleep(SCRUB_INTERVAL);
            }
            Err(LedgerError::Unavailable("its log is in use".to_owned()))
        })
        .await
    }

    /// A copy as it is now, in a file that must not exist.
    pub async fn backup(&self, to: &Path) -> Result<(), LedgerError> {
        let to = to.to_owned();
        self.beside(move |path| {
            if to.exists() {
                return Err(LedgerError::Conflict(format!("{} exists", to.display())));
            }
            private_file(&to).map_err(|error| unavailable(&to, &error))?;
            let text = to
                .to_str()
                .ok_or_else(|| LedgerError::Conflict("the copy's name must be UTF-8".to_owned()))?;
            let copied = connect(path)?.execute("VACUUM INTO $1", [text]);
            let copied = copied.map(drop).map_err(|error| ledger_error(&error));
            if copied.is_err() {
                fs::remove_file(&to).ok();
            }
            copied?;
            let file = fs::File::open(&to).map_err(|error| unavailable(&to, &error))?;
            file.sync_all().map_err(|error| unavailable(&to, &error))
        })
        .await
    }

    /// Works on a reader's thread with a connection of its own.
    async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (answer, answered) = oneshot::channel();
        let path = self.threads.path.clone();
        let job: ReadJob = Box::new(move |_| {
            answer.send(work(&path)).ok();
        });
        self.threads.watch.trusted()?;
        submit(self.threads.reads.as_ref(), job)?;
        answered.await.unwrap_or_else(|_| Err(closing()))
    }
}

/// Puts a copy in the ledger's place. What it hands out from now on is nothing that the ledger before it
/// may have handed out since the copy was made.
pub fn restore(copy: &Path, path: &Path, replace: bool) -> Result<i64, LedgerError> {
    let lock = lock(path)?;
    let before = path.exists().then(|| epoch_of(path)).transpose();
    let before = match before {
        Ok(Some(_)) if !replace => {
            return Err(LedgerError::Conflict(format!("{} exists", path.display())));
        }
        Ok(epoch) => epoch.unwrap_or(0),
        // What cannot be read is what is to be replaced.
        Err(_) if replace => 0,
        Err(error) => return Err(error),
    };
    let wanted = epoch_of(copy)?;
    let beside = with_suffix(path, "-restoring");
    fs::remove_file(&beside).ok();
    private_file(&beside).map_err(|error| unavailable(&beside, &error))?;
    fs::copy(copy, &beside).map_err(|error| unavailable(copy, &error))?;
    let epoch = before.max(wanted) + 1;
    renumber(&beside, epoch)?;
    for suffix in COMPANIONS {
        fs::remove_file(with_suffix(path, suffix)).ok();
        fs::remove_file(with_suffix(&beside, suffix)).ok();
    }
    fs::rename(&beside, path).map_err(|error| unavailable(path, &error))?;
    drop(lock);
    Ok(epoch)
}

fn renumber(path: &Path, epoch: i64) -> Result<(), LedgerError> {
    let failed = |error: rusqlite::Error| ledger_error(&error);
    let mut connection = connect(path)?;
    let transaction = connection.transaction().map_err(failed)?;
    transaction.execute("UPDATE meta SET epoch = $1", [epoch]).map_err(failed)?;
    let sql = "UPDATE counter SET next = next + $1";
    transaction.execute(sql, [COUNTER_JUMP]).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
    connection.query_row(sql, [], |_| Ok(())).map_err(failed)
}

/// Reads a whole ledger, also one that a gateway serves from, and changes nothing.
pub fn verify(path: &Path) -> Result<(), LedgerError> {
    if !path.is_file() {
        return Err(LedgerError::Missing("file"));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|error| ledger_error(&error))?;
    check_sound(&connection, path, "integrity_check")
}

/// Of a sound ledger that this program knows.
fn epoch_of(path: &Path) -> Result<i64, LedgerError> {
    if !path.is_file() {
        return Err(LedgerError::Missing("file"));
    }
    let failed = |error: rusqlite::Error| ledger_error(&error);
    let connection = Connection::open(path).map_err(failed)?;
    check_sound(&connection, path, "integrity_check")?;
    schema::check_restorable(schema_version(&connection)?)?;
    connection.query_row("SELECT epoch FROM meta", [], |row| row.get(0)).map_err(failed)
}
