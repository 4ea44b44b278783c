//! The ledger: the durable store of truth, a port in domain verbs over SQLite and PostgreSQL.
//!
//! Every verb is atomic, takes owned values and an explicit `now`, and is durable when it returns.
//! Inside, rows have i64 surrogates and times are microseconds UTC; outside, everything is named by
//! public ids. One story suite (`tests/it/ledger_story.rs`) runs on both implementations.
//!
//! The verbs stand in a file per noun: `identity` (accounts, campaigns and their ids), `directory`
//! (lists of campaigns and their status), `contacts`, `counters`, `attempts`, `attempt_search`,
//! `objects` (emulated documents), `jobs`, `idempotency`, `sessions`, `keys` (of the operator),
//! `readings` (when accounts were listed), `inbox`, `outbox`, `destinations`, `deliveries`,
//! `reconcile`, `restores`, `numbers` (finding and erasing them), `journal`; `turns` says in which order they take
//! rows. Each verb is written once, in portable SQL over the few calls of [`statements::Statements`];
//! `sqlite/` and `postgres/` know how to run a verb and nothing of what it does
//! (docs/decisions/0001-ledger-and-identity.md).

use std::path::Path;

use crate::clock::Clock;

pub mod attempt_search;
pub mod attempts;
pub mod contacts;
pub mod counters;
pub mod deliveries;
pub mod destinations;
pub mod directory;
mod handing_over;
pub mod held;
pub mod idempotency;
pub mod identity;
pub mod inbox;
pub mod jobs;
pub mod journal;
pub mod keys;
pub mod numbers;
pub mod objects;
pub mod outbox;
pub mod outcomes;
pub mod postgres;
mod progress;
pub mod quarantine;
pub mod readings;
pub mod receivers;
pub mod reconcile;
mod recording;
mod restores;
pub mod schema;
pub mod sessions;
pub mod settling;
mod snapshot;
pub mod sqlite;
mod statements;
pub mod steering;
mod telling;
mod turns;

use keys::KeyFingerprint;
use sqlite::keeping::Inspection;
use sqlite::restoring::{RestoreOptions, Restored};
use statements::Verb;

/// Rows that one list call returns at most, whatever its window asks for.
pub const MAX_WINDOW_ROWS: u32 = 1000;

/// Why a verb could not be done. Nothing was changed, unless `Unclear`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Busy, full, or not reachable: worth another try later.
    #[error("the ledger is unavailable: {0}")]
    Unavailable(String),
    /// The commit was sent and its outcome is not known.
    #[error("the outcome of a ledger commit is unknown: {0}")]
    Unclear(String),
    /// `found` 0: the store has no schema yet. `serve --migrate` brings it up to date.
    #[error("the ledger has schema {found}; this program works with {supported}")]
    Schema { found: i64, supported: String },
    /// The verb names a row that does not exist.
    #[error("the ledger knows no such {0}")]
    Missing(&'static str),
    /// The campaign's home is another than the verb was told.
    #[error("the campaign has moved")]
    Moved,
    /// The lease that the verb was told is not the job's any more: somebody else works on it, or may.
    #[error("job {0} is somebody else's by now")]
    NotLeased(uuid::Uuid),
    #[error("{0}")]
    Conflict(String),
    /// The store takes none such, whoever asks and however often.
    #[error("the ledger does not take it: {0}")]
    Refused(String),
    /// A row, or a column of one.
    #[error("what is stored cannot be read: {0}")]
    Corrupt(String),
    /// A file of the store, and with it perhaps anything: nothing may be written there any more.
    #[error("the ledger is damaged: {0}")]
    Damaged(String),
}

impl LedgerError {
    /// Whether it is the store that fails, and not what it was given: the same may succeed later.
    pub fn is_of_the_store(&self) -> bool {
        match self {
            LedgerError::Unavailable(_)
            | LedgerError::Unclear(_)
            | LedgerError::Schema { .. }
            | LedgerError::Damaged(_) => true,
            LedgerError::Missing(_)
            | LedgerError::Moved
            | LedgerError::NotLeased(_)
            | LedgerError::Conflict(_)
            | LedgerError::Refused(_)
            | LedgerError::Corrupt(_) => false,
        }
    }
}

/// An enum, not a trait: there are two, and everybody sees every verb. A cheap handle; the store is
/// closed when the last clone is dropped.
#[derive(Clone)]
pub enum Ledger {
    Sqlite(sqlite::SqliteLedger),
    Postgres(postgres::PostgresLedger),
}

impl Ledger {
    /// Opens an existing ledger file. Blocks for a few milliseconds: call it while starting.
    ///
    /// # Errors
    /// `Schema` when the file has no schema or one that this program does not know; `Unavailable`
    /// when it cannot be opened or another process has it open.
    pub fn open_sqlite(path: &Path) -> Result<Self, LedgerError> {
        sqlite::SqliteLedger::open(path).map(Ledger::Sqlite)
    }

    /// Connects to a database; `connections` (at least 1) is the size of the pool.
    ///
    /// # Errors
    /// `Schema` as above; `Unavailable` when the URL is wrong or the server does not answer.
    pub async fn open_postgres(url: &str, connections: u32) -> Result<Self, LedgerError> {
        postgres::PostgresLedger::open(url, connections).await.map(Ledger::Postgres)
    }

    /// Where a database is, for messages: hosts, ports and its name, never a password.
    pub fn place_of_postgres(url: &str) -> String {
        postgres::place(url)
    }

    /// Creates the file or brings its schema up to date; a new ledger gets its id from `clock`.
    ///
    /// # Errors
    /// `Unavailable` when another process has it open, `Schema` when it is newer than this program.
    pub fn migrate_sqlite(path: &Path, clock: &Clock) -> Result<(), LedgerError> {
        sqlite::migrate(path, clock)
    }

    /// Creates or updates the schema in an existing database, behind a lock row: of several replicas
    /// that start together one migrates and the others wait.
    ///
    /// # Errors
    /// As [`Ledger::migrate_sqlite`].
    pub async fn migrate_postgres(url: &str, clock: &Clock) -> Result<(), LedgerError> {
        postgres::migrate(url, clock).await
    }

    /// Empties the store's own log into the store, so that what was overwritten is nowhere. On
    /// PostgreSQL that is the operator's to do: only VACUUM (FULL, ANALYZE) writes tables and their
    /// statistics anew, and it locks each of them meanwhile.
    ///
    /// # Errors
    /// `Unavailable` when readers do not let go of it in time.
    pub async fn scrub(&self) -> Result<(), LedgerError> {
        match self {
            Ledger::Sqlite(ledger) => ledger.scrub().await,
            Ledger::Postgres(_) => Ok(()),
        }
    }

    /// Copies the ledger as it is now into a file that must not exist, while it is in use.
    ///
    /// # Errors
    /// `Conflict` when the file exists, or the ledger is on PostgreSQL, which has its own tools.
    pub async fn backup(&self, to: &Path) -> Result<(), LedgerError> {
        match self {
            Ledger::Sqlite(ledger) => ledger.backup(to).await,
            Ledger::Postgres(_) => {
                Err(LedgerError::Conflict("a PostgreSQL ledger is copied by pg_dump".to_owned()))
            }
        }
    }

    /// Reads a whole ledger file, also one that a gateway serves from; changes nothing and makes no file. It
    /// takes about a second for each gigabyte or two.
    ///
    /// # Errors
    /// `Damaged` with what is wrong first; `Schema` as for [`Ledger::open_sqlite`].
    pub fn inspect_sqlite(
        path: &Path,
        keys: Vec<KeyFingerprint>,
    ) -> Result<Inspection, LedgerError> {
        sqlite::keeping::inspect(path, keys)
    }

    /// Puts a copy in the place of a ledger that nobody has open. Its epoch is none that was met before,
    /// and the numbers that it hands out are none that were handed out before.
    ///
    /// # Errors
    /// `Conflict` when what is there is not to be replaced or the copy is none, `Damaged` for a damaged copy.
    pub fn restore_sqlite(
        copy: &Path,
        path: &Path,
        options: RestoreOptions,
        clock: &Clock,
    ) -> Result<Restored, LedgerError> {
        sqlite::restoring::restore(copy, path, options, clock)
    }

    /// For how long verbs have held the writer, or a transaction, in this process.
    pub fn held_times(&self) -> held::HeldTimes {
        match self {
            Ledger::Sqlite(ledger) => ledger.held.times(),
            Ledger::Postgres(ledger) => ledger.held.times(),
        }
    }

    async fn read<V: Verb>(&self, verb: V) -> Result<V::Answer, LedgerError> {
        match self {
            Ledger::Sqlite(ledger) => ledger.read(verb).await,
            // Boxed: its room is many times that of the other, and every caller would have it, too.
            Ledger::Postgres(ledger) => Box::pin(ledger.read(verb)).await,
        }
    }

    async fn write<V: Verb>(&self, verb: V) -> Result<V::Answer, LedgerError> {
        match self {
            Ledger::Sqlite(ledger) => ledger.write(verb).await,
            Ledger::Postgres(ledger) => Box::pin(ledger.write(verb)).await,
        }
    }
}
