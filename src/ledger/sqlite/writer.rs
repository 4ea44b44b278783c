//! The writer thread: takes what waits in its queue, runs each verb, commits once, then answers all
//! of them. Checkpoints run beside it.
//!
//! A savepoint costs as much as a small verb, and few verbs fail after they have written. So there are
//! none until one does; then the transaction is begun again, with a savepoint for each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::clock::Stopwatch;
use crate::ledger::LedgerError;
use crate::ledger::held::Held;
use crate::ledger::statements::Verb;

use super::contents::Mark;
use super::files::{Watch, leave};
use super::queue::{MAX_BATCH_JOBS, Queue, Waiting};
use super::statements::ledger_error;
use super::{BUSY_TIMEOUT, control, run_verb};

/// From so many pages in the WAL on a checkpoint is asked for, and again whenever it has grown by so
/// many more: each costs two syncs that commits wait behind.
const CHECKPOINT_FROM_PAGES: i32 = 8192;
const CHECKPOINT_AGAIN_PAGES: i32 = 1024;
/// While a burst lasts, which would wait for their syncs, none is asked for before this.
const CHECKPOINT_IN_BURST_PAGES: i32 = 49_152;
/// Pages that the writer copies by itself, so that all are copied and the WAL begins anew.
const LAST_PAGES: i64 = 64;
/// How often the checkpointer goes over what was written meanwhile.
const CHECKPOINT_PASSES: u32 = 8;
/// A WAL that grew past this, because checkpoints could not keep up, is emptied by the writer itself.
const WAL_MAX_PAGES: i32 = 65_536;
/// How often the files are looked at while nothing is written.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The WAL file is cut to this when it is emptied.
pub const WAL_KEPT_BYTES: i64 = 64 * 1024 * 1024;

/// A verb that waits.
pub trait Job: Send {
    /// Runs it in the open transaction, in a savepoint if it is to undo itself when it fails. It may
    /// be run again when the transaction is.
    fn run(&mut self, transaction: &mut Connection, in_savepoint: bool) -> Ran;

    /// Answers it: the transaction ended so.
    fn end(self: Box<Self>, committed: &Result<(), LedgerError>);
}

/// What a run of a verb left in the transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    /// All of it, or nothing.
    Whole,
    /// A part of it, which must not be committed.
    InPart,
}

struct VerbJob<V: Verb> {
    verb: V,
    watch: Arc<Watch>,
    result: Option<Result<V::Answer, LedgerError>>,
    answer: oneshot::Sender<Result<V::Answer, LedgerError>>,
}

/// The job that runs `verb` and sends its answer once it is durable.
pub fn job<V: Verb>(
    verb: V,
    answer: oneshot::Sender<Result<V::Answer, LedgerError>>,
    watch: Arc<Watch>,
) -> Box<dyn Job> {
    Box::new(VerbJob { verb, watch, result: None, answer })
}

impl<V: Verb> Job for VerbJob<V> {
    fn run(&mut self, transaction: &mut Connection, in_savepoint: bool) -> Ran {
        let before = transaction.total_changes();
        let result = if in_savepoint {
            run_in_savepoint(transaction, &self.verb)
        } else {
            run_verb(transaction, &self.verb)
        };
        let result = self.watch.judge(result);
        let has_changed = transaction.total_changes() != before;
        let ran =
            if result.is_err() && has_changed && !in_savepoint { Ran::InPart } else { Ran::Whole };
        self.result = Some(result);
        ran
    }

    fn end(self: Box<Self>, committed: &Result<(), LedgerError>) {
        let result = match (self.result, committed) {
            (Some(result), Ok(())) => result,
            // A verb that failed by itself says why.
            (Some(Err(error)), Err(_)) => Err(error),
            (_, Err(error)) => Err(error.clone()),
            (None, Ok(())) => Err(LedgerError::Unavailable("it was not its turn".to_owned())),
        };
        // Whoever asked may have gone meanwhile; then nobody needs the answer.
        self.answer.send(result).ok();
    }
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

pub struct Writer {
    connection: Connection,
    wal: Arc<Wal>,
    watch: Arc<Watch>,
    checkpoints: SyncSender<()>,
    held: Arc<Held>,
    /// The mark that is in the ledger, and the one that the open transaction puts there.
    marked: Option<Mark>,
    marking: Option<Mark>,
    /// The size of the WAL at which the next checkpoint is asked for.
    asks_at_pages: i32,
    /// The size at which the writer tries the next time to empty it.
    empties_at_pages: i32,
}

/// What the writer and the checkpointer tell each other about the WAL.
#[derive(Default)]
pub struct Wal {
    /// In it, after the last commit.
    pages: AtomicI32,
    /// A checkpoint is asked for or under way.
    is_asked: AtomicBool,
    /// It left so little that the writer may do the rest.
    is_nearly_copied: AtomicBool,
}

impl Writer {
    pub fn new(
        mut connection: Connection,
        (wal, watch): (Arc<Wal>, Arc<Watch>),
        (checkpoints, held): (SyncSender<()>, Arc<Held>),
    ) -> Result<Self, LedgerError> {
        let counted = Arc::clone(&wal);
        let count = move |_: &mut rusqlite::hooks::Wal, pages| {
            counted.pages.store(pages, Ordering::Relaxed);
            Ok(())
        };
        connection.wal_hook(Some(count)).map_err(|error| ledger_error(&error))?;
        Ok(Self {
            connection,
            wal,
            watch,
            checkpoints,
            held,
            marked: None,
            marking: None,
            asks_at_pages: CHECKPOINT_FROM_PAGES,
            empties_at_pages: WAL_MAX_PAGES,
        })
    }

    /// Works until every sender is gone and the queue is empty.
    pub fn run(&mut self, jobs: &Receiver<Waiting>) {
        let mut queue = Queue::default();
        while queue.wait(jobs) {
            queue.begin();
            self.commit_together(&mut queue, jobs);
            self.look_after_wal(queue.is_burst());
        }
        leave(&self.connection, &self.watch);
    }

    fn commit_together(&mut self, queue: &mut Queue, waiting: &Receiver<Waiting>) {
        let mut outcome = self.begin();
        let began = Stopwatch::start();
        let next = || {
            queue.look_for_company(waiting);
            queue.next(began.elapsed())
        };
        let mut next = std::iter::from_fn(next).take(MAX_BATCH_JOBS);
        let mut jobs = Vec::new();
        if outcome.is_err() {
            jobs.extend(next);
        } else {
            let mut ran = Ran::Whole;
            while ran == Ran::Whole && !self.is_lost() {
                let Some(mut job) = next.next() else { break };
                ran = self.run_one(&mut job, false);
                jobs.push(job);
            }
            if ran == Ran::InPart && !self.is_lost() {
                outcome = self.begin_again(&mut jobs);
            }
            outcome = outcome.and_then(|()| self.commit());
        }
        for job in jobs {
            job.end(&outcome);
        }
    }

    fn run_one(&mut self, job: &mut Box<dyn Job>, in_savepoint: bool) -> Ran {
        let began = Stopwatch::start();
        let ran = job.run(&mut self.connection, in_savepoint);
        self.held.note(began);
        ran
    }

    /// The first transaction after a checkpoint marks the ledger file.
    fn begin(&mut self) -> Result<(), LedgerError> {
        self.watch.trusted()?;
        self.control("BEGIN IMMEDIATE")?;
        self.marking = Some(self.watch.mark()).filter(|mark| self.marked != Some(*mark));
        let Some(mark) = self.marking else { return Ok(()) };
        let sql = format!("PRAGMA user_version = {}", mark.number);
        let marked = self.connection.execute_batch(&sql).map_err(|error| ledger_error(&error));
        if marked.is_err() && !self.is_lost() {
            self.control("ROLLBACK")?;
        }
        self.watch.judge(marked)
    }

    fn control(&self, sql: &str) -> Result<(), LedgerError> {
        self.watch.judge(control(&self.connection, sql).map_err(|error| ledger_error(&error)))
    }

    /// The same jobs in a new transaction, each of which undoes itself when it fails.
    fn begin_again(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), LedgerError> {
        self.control("ROLLBACK")?;
        self.begin()?;
        for job in jobs {
            if self.is_lost() {
                break;
            }
            self.run_one(job, true);
        }
        Ok(())
    }

    /// SQLite itself has rolled the transaction back.
    fn is_lost(&self) -> bool {
        self.connection.is_autocommit()
    }

    fn commit(&mut self) -> Result<(), LedgerError> {
        if self.is_lost() {
            return Err(LedgerError::Unavailable("the transaction was rolled back".to_owned()));
        }
        if let Err(lost) = self.watch.trusted() {
            self.control("ROLLBACK")?;
            return Err(lost);
        }
        let Err(error) = control(&self.connection, "COMMIT") else {
            self.marked = self.marking.take().or(self.marked);
            // It is durable in the file that is open, and only that.
            return self.watch.look().map_err(|error| LedgerError::Unclear(error.to_string()));
        };
        let rolled_back =
            self.connection.is_autocommit() || control(&self.connection, "ROLLBACK").is_ok();
        match error.sqlite_error_code() {
            // The log may or may not have reached the disk.
            Some(rusqlite::ErrorCode::SystemIoFailure) => {
                Err(LedgerError::Unclear(error.to_string()))
            }
            _ if rolled_back => self.watch.judge(Err(ledger_error(&error))),
            _ => Err(LedgerError::Unclear(error.to_string())),
        }
    }

    /// A reader that stays, as a copy of the ledger does, is not waited for: everybody would wait behind it.
    fn empty_wal(&self) {
        let set = self.connection.busy_timeout(Duration::ZERO);
        checkpoint((&self.connection, &self.watch), "RESTART");
        if let Err(error) = set.and(self.connection.busy_timeout(BUSY_TIMEOUT)) {
            tracing::warn!(%error, "how long the ledger waits for others could not be set");
        }
    }

    /// A checkpoint beside the writer never ends where commits never do: what it leaves is copied here,
    /// and as soon as no reader needs the WAL it begins anew, in the same place on the disk.
    fn look_after_wal(&mut self, is_burst: bool) {
        let pages = self.wal.pages.load(Ordering::Relaxed);
        if pages < WAL_MAX_PAGES {
            self.empties_at_pages = WAL_MAX_PAGES;
        }
        if pages >= self.empties_at_pages {
            self.empties_at_pages = pages + CHECKPOINT_AGAIN_PAGES;
            self.empty_wal();
        } else if self.wal.is_nearly_copied.swap(false, Ordering::AcqRel) {
            checkpoint((&self.connection, &self.watch), "PASSIVE");
        }
        let can_wait = is_burst && pages < CHECKPOINT_IN_BURST_PAGES;
        if pages < CHECKPOINT_FROM_PAGES {
            self.asks_at_pages = CHECKPOINT_FROM_PAGES;
        } else if pages >= self.asks_at_pages
            && !can_wait
            && !self.wal.is_asked.swap(true, Ordering::AcqRel)
        {
            self.asks_at_pages = pages + CHECKPOINT_AGAIN_PAGES;
            self.checkpoints.try_send(()).ok();
        }
    }
}

/// Runs checkpoints, as far as readers and the writer let them, until the writer ends; in between it
/// looks at the files, for nobody else does while nothing is written.
pub fn run_checkpointer(
    connection: &Connection,
    (wal, watch): (&Wal, &Watch),
    requests: &Receiver<()>,
) {
    loop {
        match requests.recv_timeout(LOOK_INTERVAL) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => {
                if let Err(error) = watch.look() {
                    tracing::debug!(%error,
                        "the ledger's files could not be looked at; it is tried again");
                }
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
        let mut left = None;
        for _ in 0..CHECKPOINT_PASSES {
            left = checkpoint((connection, watch), "PASSIVE");
            if left.is_none_or(|left| left <= LAST_PAGES) {
                break;
            }
        }
        let is_nearly_copied = left.is_some_and(|left| left <= LAST_PAGES);
        wal.is_nearly_copied.store(is_nearly_copied, Ordering::Release);
        wal.is_asked.store(false, Ordering::Release);
    }
    leave(connection, watch);
}

/// Pages of the WAL that are not copied into the file yet. A file that is not what it was left as is not
/// written any more.
fn checkpoint((connection, watch): (&Connection, &Watch), mode: &str) -> Option<i64> {
    watch.look().ok()?;
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    let left = connection.query_row(&sql, [], |row| {
        let (all, copied): (i64, i64) = (row.get(1)?, row.get(2)?);
        Ok(all - copied)
    });
    match watch.judge(left.map_err(|error| ledger_error(&error))) {
        Ok(left) => Some(left),
        Err(error) => {
            tracing::warn!(%error, mode, "the ledger could not write a checkpoint; it tries again");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use jiff::Timestamp;
    use rusqlite::Connection;
    use tempfile::TempDir;
    use uuid::Uuid;

    use crate::clock::Clock;
    use crate::ledger::journal::JournalEntry;
    use crate::ledger::sqlite::{SqliteLedger, migrate, submit};
    use crate::ledger::statements::{Haste, Statements, Verb};
    use crate::ledger::{Ledger, LedgerError};

    use super::{Job, Ran, Waiting};

    /// The writer's own limit stands in for a full disk.
    #[tokio::test]
    async fn a_full_disk_refuses_what_does_not_fit_and_nothing_else() {
        let (_dir, sqlite) = opened();
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

    /// Writes, and then fails.
    struct Half;

    impl Verb for Half {
        type Answer = ();

        async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
            store.execute("UPDATE meta SET epoch = epoch + 1", &[]).await?;
            Err(LedgerError::Missing("other half"))
        }
    }

    #[tokio::test]
    async fn a_verb_that_fails_half_way_leaves_nothing_and_the_others_all() {
        let (dir, sqlite) = opened();
        let ledger = Ledger::Sqlite(sqlite.clone());
        let (go, told) = channel::<()>();
        ask(&sqlite, move |_| {
            told.recv().ok();
        });
        // All of them are asked for before the writer goes on, and share a transaction. It may begin again
        // with this errand in it, which finds nobody to wait for then.
        let together = async move { drop(go) };
        let (before, half, again, after, ()) = tokio::join!(
            ledger.append_journal(entry(1)),
            ledger.write(Half),
            ledger.write(Half),
            ledger.append_journal(entry(1)),
            together,
        );
        assert_eq!((before, after), (Ok(()), Ok(())));
        let missing = Err(LedgerError::Missing("other half"));
        assert_eq!((half, again), (missing.clone(), missing));
        let file = Connection::open(dir.path().join("ledger.db")).unwrap();
        let count = |sql| file.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT COUNT(*) FROM journal"), 2);
        assert_eq!(count("SELECT epoch FROM meta"), 1);
    }

    fn opened() -> (TempDir, SqliteLedger) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.db");
        migrate(&path, &Clock::virtual_at(Timestamp::UNIX_EPOCH, 1)).unwrap();
        let sqlite = SqliteLedger::open(&path).unwrap();
        (dir, sqlite)
    }

    /// Done on the writer's thread.
    struct Errand<F>(F);

    impl<F: FnMut(&mut Connection) + Send> Job for Errand<F> {
        fn run(&mut self, transaction: &mut Connection, _in_savepoint: bool) -> Ran {
            (self.0)(transaction);
            Ran::Whole
        }

        /// What it did is no part of the transaction.
        fn end(self: Box<Self>, _committed: &Result<(), LedgerError>) {}
    }

    fn ask(ledger: &SqliteLedger, errand: impl FnMut(&mut Connection) + Send + 'static) {
        let waiting = Waiting { job: Box::new(Errand(errand)), haste: Haste::Soon };
        submit(ledger.threads.writes.as_ref(), waiting).unwrap();
    }

    fn limit_pages(ledger: &SqliteLedger, pages: i64) {
        ask(ledger, move |connection| {
            connection.pragma_update(None, "max_page_count", pages).unwrap();
        });
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
