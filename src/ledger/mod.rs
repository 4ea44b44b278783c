//! The ledger: the durable store of truth, a port in domain verbs over SQLite and PostgreSQL.
//!
//! Every verb is atomic, takes owned values and an explicit `now`, and is durable when it returns.
//! Inside, rows have i64 surrogates and times are microseconds UTC; outside, everything is named by
//! public ids. One story suite (`tests/it/ledger_story.rs`) runs on both implementations.
//!
//! The verbs stand in a file per noun: `identity` (accounts, campaigns and their ids, the directory),
//! `contacts`, `attempts`, `journal`.

pub mod attempts;
pub mod contacts;
pub mod identity;
pub mod journal;
pub mod postgres;
pub mod sqlite;

/// Why a verb could not be done. Nothing was changed, unless `Unclear`.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Busy, full, or not reachable: worth another try later.
    #[error("the ledger is unavailable: {0}")]
    Unavailable(String),
    /// The commit was sent and its outcome is not known.
    #[error("the outcome of a ledger commit is unknown: {0}")]
    Unclear(String),
    #[error("the ledger has schema {found}; this program works with {supported}")]
    Schema { found: i64, supported: String },
    #[error("{0}")]
    Conflict(String),
    #[error("a stored row cannot be read: {0}")]
    Corrupt(String),
}

/// An enum, not a trait: there are two, and everybody sees every verb.
#[derive(Clone)]
pub enum Ledger {
    Sqlite(sqlite::SqliteLedger),
    Postgres(postgres::PostgresLedger),
}
