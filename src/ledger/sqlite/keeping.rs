//! Copies of the ledger's file, nothing left behind in it, and what it shows to whoever only looks.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::files::{
    check_log, check_sound, hold_shared, open_unchanged, private_file, resolved, unavailable,
};
use super::statements::ledger_error;
use super::{ReadJob, SqliteLedger, closing, connect, read_in_snapshot, schema_version, submit};
use crate::ledger::keys::{Check, KeyFingerprint};
use crate::ledger::{LedgerError, schema};

/// How often the log is asked to be emptied before its readers are believed not to let go of it.
const SCRUB_ATTEMPTS: u32 = 20;
const SCRUB_INTERVAL: Duration = Duration::from_millis(50);

/// What a ledger's file shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// A process has it open, which may be a gateway that serves.
    pub is_in_use: bool,
    /// Whether the master keys are those that it was used with.
    pub keys: Result<(), LedgerError>,
}

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
        .await?;
        self.threads.watch.sync_index()
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
        let (path, watch) = (self.threads.path.clone(), Arc::clone(&self.threads.watch));
        let job: ReadJob = Box::new(move |_| {
            answer.send(watch.judge(work(&path))).ok();
        });
        self.threads.watch.trusted()?;
        submit(self.threads.reads.as_ref(), job)?;
        answered.await.unwrap_or_else(|_| Err(closing()))
    }
}

/// Reads a whole ledger, also one that a gateway serves from. Nothing is changed, and nothing is made
/// beside it: whoever looks may be somebody else than whoever serves.
pub fn inspect(path: &Path, keys: Vec<KeyFingerprint>) -> Result<Inspection, LedgerError> {
    let itself = resolved(path);
    let file = match fs::File::open(&itself) {
        Ok(file) => file,
        Err(error) => {
            let has_folder = itself.parent().is_some_and(Path::is_dir);
            if has_folder && error.kind() == ErrorKind::NotFound {
                schema::check_usable(0)?;
            }
            return Err(unavailable(path, &error));
        }
    };
    // Shared, and held to the end: nobody begins to write while the file is read as one that is at rest.
    let is_in_use = !hold_shared(&file, path)?;
    if !is_in_use {
        check_log(path)?;
    }
    let mut connection = open_unchanged(&itself)?;
    check_sound(&connection, path, "integrity_check")?;
    schema::check_usable(schema_version(&connection)?)?;
    let keys = read_in_snapshot(&mut connection, &Check { keys });
    Ok(Inspection { is_in_use, keys })
}
