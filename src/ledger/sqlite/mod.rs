//! The ledger on SQLite: one writer thread with group commit, reader threads, checkpoints on a
//! thread of their own; WAL, `synchronous=FULL`.
//!
//! Only one process opens a ledger: it holds a lock on `<file>.lock` and on the file itself as long as it
//! runs. The threads end, and the file is closed, when the last handle is dropped.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use futures_util::FutureExt;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::ledger::held::Held;
use crate::ledger::statements::Verb;
use crate::ledger::{LedgerError, schema};

mod contents;
mod files;
pub mod keeping;
mod log;
mod queue;
pub mod restoring;
mod statements;
mod writer;

use files::{Lock, Watch, leave, lock, private_file, unavailable};
use queue::Waiting;
use statements::{SqliteStatements, ledger_error};
use writer::{Wal, Writer};

/// Verbs that wait for the writer; more are refused as unavailable.
const WRITE_QUEUE_JOBS: usize = 4096;
/// Verbs that wait for a reader; more are refused as unavailable.
const READ_QUEUE_JOBS: usize = 4096;
const READERS: usize = 3;
/// How long a statement waits for another process that holds the file (`sqlite3`, a backup).
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// Prepared statements kept per connection; more than there are different ones.
const STATEMENT_CACHE: usize = 128;
/// Rows of readers and pages of the writer are kept in this much memory per connection.
const PAGE_CACHE_KIB: i64 = 8 * 1024;

const DIALECT: schema::Dialect = schema::Dialect {
    surrogate: "INTEGER PRIMARY KEY",
    public_id: "BLOB",
    position: "instr",
    clustered: " WITHOUT ROWID",
};

/// A cheap handle on an open ledger file.
#[derive(Clone)]
pub struct SqliteLedger {
    threads: Arc<Threads>,
    pub(super) held: Arc<Held>,
}

type ReadJob = Box<dyn FnOnce(&mut Connection) + Send>;

struct Threads {
    /// None while closing.
    writes: Option<SyncSender<Waiting>>,
    reads: Option<SyncSender<ReadJob>>,
    joins: Vec<JoinHandle<()>>,
    path: PathBuf,
    watch: Arc<Watch>,
    /// Held until the threads have ended.
    _lock: Lock,
}

impl SqliteLedger {
    pub(super) fn open(path: &Path) -> Result<Self, LedgerError> {
        let lock = lock(path)?;
        if !path.exists() {
            schema::check_usable(0)?;
        }
        files::check_log(path)?;
        let connection = connect(path)?;
        schema::check_usable(schema_version(&connection)?)?;
        files::check_when_opened(&connection, path)?;
        let checkpointer = connect(path)?;
        let readers = (0..READERS).map(|_| {
            let reader = connect(path)?;
            reader.pragma_update(None, "query_only", true).map_err(|e| ledger_error(&e))?;
            Ok(reader)
        });
        let readers: Vec<Connection> = readers.collect::<Result<_, LedgerError>>()?;
        let watch = Arc::new(Watch::new(path, &lock)?);
        let mut threads = Threads {
            writes: None,
            reads: None,
            joins: Vec::new(),
            path: path.to_owned(),
            watch: Arc::clone(&watch),
            _lock: lock,
        };
        let wal = Arc::new(Wal::default());
        let held = Arc::new(Held::default());
        let (checkpoints, checkpoint_requests) = sync_channel(1);
        let (copied, watched) = (Arc::clone(&wal), Arc::clone(&watch));
        threads.start("ledger-checkpoint", move || {
            writer::run_checkpointer(&checkpointer, (&copied, &watched), &checkpoint_requests);
        })?;
        let (writes, write_jobs) = sync_channel(WRITE_QUEUE_JOBS);
        let of_writer = (wal, Arc::clone(&watch));
        let mut writer = Writer::new(connection, of_writer, (checkpoints, Arc::clone(&held)))?;
        threads.start("ledger-writer", move || writer.run(&write_jobs))?;
        threads.writes = Some(writes);
        let (reads, read_jobs) = sync_channel(READ_QUEUE_JOBS);
        let read_jobs = Arc::new(Mutex::new(read_jobs));
        for (n, mut connection) in readers.into_iter().enumerate() {
            let (jobs, watch) = (Arc::clone(&read_jobs), Arc::clone(&watch));
            threads.start(&format!("ledger-reader-{n}"), move || {
                run_reader(&mut connection, &jobs);
                leave(&connection, &watch);
            })?;
        }
        threads.reads = Some(reads);
        Ok(Self { threads: Arc::new(threads), held })
    }

    pub(super) async fn read<V: Verb>(&self, verb: V) -> Result<V::Answer, LedgerError> {
        let (answer, answered) = oneshot::channel();
        let watch = Arc::clone(&self.threads.watch);
        let job: ReadJob = Box::new(move |connection| {
            // Whoever asked may have gone meanwhile; then nobody needs the answer.
            answer.send(watch.judge(read_in_snapshot(connection, &verb))).ok();
        });
        self.threads.watch.trusted()?;
        submit(self.threads.reads.as_ref(), job)?;
        answered.await.unwrap_or_else(|_| Err(closing()))
    }

    pub(super) async fn write<V: Verb>(&self, verb: V) -> Result<V::Answer, LedgerError> {
        let (answer, answered) = oneshot::channel();
        let watch = Arc::clone(&self.threads.watch);
        let waiting = Waiting { job: writer::job(verb, answer, watch), haste: V::HASTE };
        self.threads.watch.trusted()?;
        submit(self.threads.writes.as_ref(), waiting)?;
        answered.await.unwrap_or_else(|_| Err(closing()))
    }
}

/// Creates the file or brings its schema up to date.
pub(super) fn migrate(path: &Path, clock: &Clock) -> Result<(), LedgerError> {
    // Made before it is locked: what is locked is the file.
    private_file(path).map_err(|error| unavailable(path, &error))?;
    let _lock = lock(path)?;
    files::check_log(path)?;
    let mut connection = connect(path)?;
    if schema::needs_migration(schema_version(&connection)?)? {
        let runner = schema::runner(&DIALECT)?;
        runner.run(&mut connection).map_err(|error| schema::migration_failed(&error))?;
    }
    connection
        .execute(
            "INSERT INTO meta (one, ledger_id, epoch) VALUES (1, $1, 1) ON CONFLICT DO NOTHING",
            [clock.new_uuid().into_bytes()],
        )
        .map_err(|error| ledger_error(&error))?;
    Ok(())
}

impl Threads {
    fn start(
        &mut self,
        name: &str,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), LedgerError> {
        let thread = Builder::new().name(name.to_owned()).spawn(run);
        self.joins.push(thread.map_err(|e| LedgerError::Unavailable(format!("{name}: {e}")))?);
        Ok(())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        drop(self.writes.take());
        drop(self.reads.take());
        for thread in self.joins.drain(..) {
            // A thread that panicked has reported that itself.
            thread.join().ok();
        }
    }
}

/// Runs a verb on an open transaction. Statements on SQLite answer at once, so its future never
/// waits.
fn run_verb<V: Verb>(connection: &mut Connection, verb: &V) -> Result<V::Answer, LedgerError> {
    let mut statements = SqliteStatements::new(connection);
    verb.run(&mut statements).now_or_never().unwrap_or_else(|| {
        Err(LedgerError::Unavailable("a verb waited for something else than the store".to_owned()))
    })
}

/// All statements of a reading verb see one state of the file.
fn read_in_snapshot<V: Verb>(
    connection: &mut Connection,
    verb: &V,
) -> Result<V::Answer, LedgerError> {
    control(connection, "BEGIN").map_err(|error| ledger_error(&error))?;
    let answer = run_verb(connection, verb);
    control(connection, "ROLLBACK").map_err(|error| ledger_error(&error))?;
    answer
}

/// A statement that begins or ends something, parsed once per connection.
fn control(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.raw_execute().map(drop)
}

fn run_reader(connection: &mut Connection, jobs: &Mutex<Receiver<ReadJob>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(connection),
            Err(_) => return,
        }
    }
}

fn submit<J>(queue: Option<&SyncSender<J>>, job: J) -> Result<(), LedgerError> {
    let queue = queue.ok_or_else(closing)?;
    queue.try_send(job).map_err(|error| match error {
        TrySendError::Full(_) => LedgerError::Unavailable("its queue is full".to_owned()),
        TrySendError::Disconnected(_) => closing(),
    })
}

fn closing() -> LedgerError {
    LedgerError::Unavailable("it is closing".to_owned())
}

fn connect(path: &Path) -> Result<Connection, LedgerError> {
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        // What is deleted or replaced is overwritten with zeros: it may have been a number.
        connection.pragma_update(None, "secure_delete", true)?;
        connection.pragma_update(None, "journal_size_limit", writer::WAL_KEPT_BYTES)?;
        connection.pragma_update(None, "cache_size", -PAGE_CACHE_KIB)?;
        // A plan that depends on the values bound is made anew for each of them.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
        Ok(connection)
    };
    open().map_err(|error| match ledger_error(&error) {
        LedgerError::Unavailable(reason) => {
            LedgerError::Unavailable(format!("{}: {reason}", path.display()))
        }
        other => other,
    })
}

/// The version of the last migration; 0 when there was none.
fn schema_version(connection: &Connection) -> Result<i64, LedgerError> {
    let read = || -> rusqlite::Result<i64> {
        let history: Option<i64> = connection
            .query_row(
                "SELECT 1 FROM sqlite_master WHERE name = 'refinery_schema_history'",
                [],
                |row| row.get(0),
            )
            .optional()?;
        match history {
            None => Ok(0),
            Some(_) => connection.query_row(
                "SELECT COALESCE(MAX(version), 0) FROM refinery_schema_history",
                [],
                |row| row.get(0),
            ),
        }
    };
    read().map_err(|error| ledger_error(&error))
}
