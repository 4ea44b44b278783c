//! The writer thread: takes what waits in its queue, runs each verb in a savepoint, commits once,
//! then answers all of them. Checkpoints run beside it.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::ledger::LedgerError;
use crate::ledger::statements::{Haste, Verb};

use super::statements::ledger_error;
use super::{control, run_verb};

/// Verbs that share one commit at most.
const MAX_BATCH_JOBS: usize = 1024;
/// From this size of the WAL on, every commit asks for a checkpoint.
const CHECKPOINT_FROM_BYTES: u64 = 16 * 1024 * 1024;
/// Jobs that are looked at together to find the urgent ones.
const MAX_QUEUED_JOBS: usize = 4096;
/// After so many transactions without an urgent job the next one is not expected any more.
const CALM_AFTER: usize = 32;
/// Jobs of either kind that go into a transaction while urgent ones are expected: these wait for all
/// of it.
const SOON_BESIDE_URGENT: usize = 8;
const BACKGROUND_BESIDE_URGENT: usize = 1;
/// While urgent jobs wait all the time, there is one in the background for so many of them.
const URGENT_FOR_BACKGROUND: usize = 512;
/// A WAL that grew past this, because checkpoints could not keep up, is emptied by the writer itself.
const WAL_MAX_BYTES: u64 = 256 * 1024 * 1024;
/// The WAL file is cut to this when it is emptied.
pub const WAL_KEPT_BYTES: i64 = 64 * 1024 * 1024;

/// Runs a verb in the open transaction, or learns why there is none; what it returns is called with
/// the outcome of the commit.
pub type WriteJob = Box<dyn FnOnce(Result<&mut Connection, LedgerError>) -> Done + Send>;

type Done = Box<dyn FnOnce(&Result<(), LedgerError>) + Send>;

/// The job that runs `verb` and sends its answer once it is durable.
pub fn job<V: Verb>(verb: V, answer: oneshot::Sender<Result<V::Answer, LedgerError>>) -> WriteJob {
    Box::new(move |transaction| {
        let result = transaction.and_then(|connection| run_in_savepoint(connection, &verb));
        Box::new(move |committed| {
            let result = match committed {
                Ok(()) => result,
                // A verb that failed by itself says why.
                Err(error) => result.and(Err(error.clone())),
            };
            // Whoever asked may have gone meanwhile; then nobody needs the answer.
            answer.send(result).ok();
        })
    })
}

fn run_in_savepoint<V: Verb>(
    connection: &mut Connection,
    verb: &V,
) -> Result<V::Answer, LedgerError> {
    let statement =
        |connection: &Connection, sql| control(connection, sql).map_err(|e| ledger_error(&e));
    statement(connection, "SAVEPOINT verb")?;
    match run_verb(connection, verb) {
        Ok(answer) => statement(connection, "RELEASE verb").map(|()| answer),
        // When the disk is full SQLite may have rolled everything back, the savepoint with it.
        Err(error) if connection.is_autocommit() => Err(error),
        Err(error) => {
            let undone = statement(connection, "ROLLBACK TO verb")
                .and_then(|()| statement(connection, "RELEASE verb"));
            if undone.is_err() {
                // Half a verb must not be committed: give up the whole batch.
                statement(connection, "ROLLBACK")?;
            }
            Err(error)
        }
    }
}

/// A job that waits for the writer.
pub struct Waiting {
    pub job: WriteJob,
    pub haste: Haste,
}

/// What waits.
#[derive(Default)]
struct Queue {
    urgent: VecDeque<WriteJob>,
    soon: VecDeque<WriteJob>,
    background: VecDeque<WriteJob>,
    /// How many more of these the transaction takes.
    room: (usize, usize),
    /// Transactions since the last urgent job.
    calm: usize,
    /// Urgent jobs since the last one in the background.
    earned: usize,
}

impl Queue {
    /// Waits for something to do; false when nobody can ask for anything any more.
    fn wait(&mut self, jobs: &Receiver<Waiting>) -> bool {
        if self.len() == 0 {
            match jobs.recv() {
                Ok(waiting) => self.put(waiting),
                Err(_) => return false,
            }
        }
        while self.len() < MAX_QUEUED_JOBS {
            match jobs.try_recv() {
                Ok(waiting) => self.put(waiting),
                Err(_) => break,
            }
        }
        true
    }

    fn len(&self) -> usize {
        self.urgent.len() + self.soon.len() + self.background.len()
    }

    fn put(&mut self, waiting: Waiting) {
        let queue = match waiting.haste {
            Haste::Urgent => &mut self.urgent,
            Haste::Soon => &mut self.soon,
            Haste::Background => &mut self.background,
        };
        queue.push_back(waiting.job);
    }

    /// A transaction begins.
    fn begin(&mut self) {
        let urgent = self.urgent.len();
        self.calm = if urgent == 0 { self.calm.saturating_add(1) } else { 0 };
        self.earned = self.earned.saturating_add(urgent);
        self.room = if self.calm > CALM_AFTER {
            (MAX_BATCH_JOBS, MAX_BATCH_JOBS)
        } else if urgent == 0 || self.earned >= URGENT_FOR_BACKGROUND {
            self.earned = 0;
            (SOON_BESIDE_URGENT, BACKGROUND_BESIDE_URGENT)
        } else {
            (SOON_BESIDE_URGENT, 0)
        };
    }

    fn next(&mut self) -> Option<WriteJob> {
        if let Some(job) = self.urgent.pop_front() {
            return Some(job);
        }
        let Queue { soon, background, room, .. } = self;
        for (queue, room) in [(soon, &mut room.0), (background, &mut room.1)] {
            if *room > 0
                && let Some(job) = queue.pop_front()
            {
                *room -= 1;
                return Some(job);
            }
        }
        None
    }
}

pub struct Writer {
    connection: Connection,
    wal: PathBuf,
    checkpoints: SyncSender<()>,
}

impl Writer {
    pub fn new(connection: Connection, wal: PathBuf, checkpoints: SyncSender<()>) -> Self {
        Self { connection, wal, checkpoints }
    }

    /// Works until every sender is gone and the queue is empty.
    pub fn run(&mut self, jobs: &Receiver<Waiting>) {
        let mut queue = Queue::default();
        while queue.wait(jobs) {
            queue.begin();
            self.commit_together(|| queue.next());
            self.look_after_wal();
        }
    }

    fn commit_together(&mut self, mut next: impl FnMut() -> Option<WriteJob>) {
        if let Err(error) = control(&self.connection, "BEGIN IMMEDIATE") {
            let error = ledger_error(&error);
            for job in std::iter::from_fn(next).take(MAX_BATCH_JOBS) {
                job(Err(error.clone()))(&Err(error.clone()));
            }
            return;
        }
        let mut done = Vec::new();
        let mut lost = false;
        while done.len() < MAX_BATCH_JOBS && !lost {
            let Some(job) = next() else { break };
            done.push(job(Ok(&mut self.connection)));
            lost = self.connection.is_autocommit();
        }
        let outcome = if lost {
            Err(LedgerError::Unavailable("the transaction was rolled back".to_owned()))
        } else {
            self.commit()
        };
        for answer in done {
            answer(&outcome);
        }
    }

    fn commit(&mut self) -> Result<(), LedgerError> {
        let Err(error) = control(&self.connection, "COMMIT") else { return Ok(()) };
        let rolled_back =
            self.connection.is_autocommit() || control(&self.connection, "ROLLBACK").is_ok();
        match error.sqlite_error_code() {
            // The log may or may not have reached the disk.
            Some(rusqlite::ErrorCode::SystemIoFailure) => {
                Err(LedgerError::Unclear(error.to_string()))
            }
            _ if rolled_back => Err(ledger_error(&error)),
            _ => Err(LedgerError::Unclear(error.to_string())),
        }
    }

    fn look_after_wal(&self) {
        let bytes = self.wal.metadata().map_or(0, |file| file.len());
        if bytes >= WAL_MAX_BYTES {
            checkpoint(&self.connection, "RESTART");
        } else if bytes >= CHECKPOINT_FROM_BYTES {
            // A full queue means that one is asked for already.
            self.checkpoints.try_send(()).ok();
        }
    }
}

/// Runs checkpoints, as far as readers and the writer let them, until the writer ends.
pub fn run_checkpointer(connection: &Connection, requests: &Receiver<()>) {
    while requests.recv().is_ok() {
        checkpoint(connection, "PASSIVE");
    }
}

fn checkpoint(connection: &Connection, mode: &str) {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    if let Err(error) = connection.query_row(&sql, [], |_| Ok(())) {
        tracing::warn!(%error, mode, "ledger checkpoint failed; it will be tried again");
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rusqlite::Connection;
    use uuid::Uuid;

    use crate::clock::Clock;
    use crate::ledger::journal::JournalEntry;
    use crate::ledger::sqlite::{SqliteLedger, migrate, submit};
    use crate::ledger::{Ledger, LedgerError};

    use super::{Done, WriteJob};

    /// The writer's own limit stands in for a full disk.
    #[tokio::test]
    async fn a_full_disk_refuses_what_does_not_fit_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.db");
        migrate(&path, &Clock::virtual_at(Timestamp::UNIX_EPOCH, 1)).unwrap();
        let sqlite = SqliteLedger::open(&path).unwrap();
        let ledger = Ledger::Sqlite(sqlite.clone());
        limit_pages(&sqlite, 60);
        let (small, big) = (entry(100), entry(1_000_000));
        let (before, refused, after) = tokio::join!(
            ledger.append_journal(small.clone()),
            ledger.append_journal(big.clone()),
            ledger.append_journal(small.clone()),
        );
        assert!(matches!(refused, Err(LedgerError::Unavailable(_))), "{refused:?}");
        // They may have shared the transaction that was lost; then they say so.
        for shared in [before, after] {
            assert!(matches!(shared, Ok(()) | Err(LedgerError::Unavailable(_))), "{shared:?}");
        }
        ledger.append_journal(small).await.unwrap();
        limit_pages(&sqlite, 1_000_000);
        ledger.append_journal(big).await.unwrap();
    }

    fn limit_pages(ledger: &SqliteLedger, pages: i64) {
        let job: WriteJob = Box::new(move |transaction| {
            let connection: &mut Connection = transaction.unwrap();
            connection.pragma_update(None, "max_page_count", pages).unwrap();
            let done: Done = Box::new(|_| ());
            done
        });
        let waiting = super::Waiting { job, haste: crate::ledger::statements::Haste::Soon };
        submit(ledger.threads.writes.as_ref(), waiting).unwrap();
    }

    fn entry(bytes: usize) -> JournalEntry {
        JournalEntry {
            at: Timestamp::UNIX_EPOCH,
            actor: "a test".to_owned(),
            action: "note".to_owned(),
            request_id: Some(Uuid::nil().to_string()),
            campaign: None,
            before: None,
            after: None,
            reason: Some("x".repeat(bytes)),
        }
    }
}
