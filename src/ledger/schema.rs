//! The schema: embedded migrations, and which versions this program works with.

use refinery::{Migration, Runner};

use crate::ledger::LedgerError;

/// The version that this program brings a ledger to. It also works on the next one, so that a
/// rolling upgrade may migrate before the last replica of the old program has ended; a migration
/// must therefore leave alone what the version before it uses, or leave a number out, so that the old
/// program refuses it.
pub const VERSION: i64 = 30;

const MIGRATIONS: [(&str, &str); 21] = [
    ("V1__identity", include_str!("migrations/V1__identity.sql")),
    ("V2__work", include_str!("migrations/V2__work.sql")),
    ("V3__contacts", include_str!("migrations/V3__contacts.sql")),
    ("V4__inbox", include_str!("migrations/V4__inbox.sql")),
    ("V5__outbox", include_str!("migrations/V5__outbox.sql")),
    ("V6__reconcile", include_str!("migrations/V6__reconcile.sql")),
    ("V7__erasure", include_str!("migrations/V7__erasure.sql")),
    ("V8__receivers", include_str!("migrations/V8__receivers.sql")),
    ("V9__outcomes", include_str!("migrations/V9__outcomes.sql")),
    ("V10__traces", include_str!("migrations/V10__traces.sql")),
    ("V12__campaign_state", include_str!("migrations/V12__campaign_state.sql")),
    ("V13__quarantine", include_str!("migrations/V13__quarantine.sql")),
    ("V15__keys", include_str!("migrations/V15__keys.sql")),
    ("V17__own_words", include_str!("migrations/V17__own_words.sql")),
    ("V18__steering", include_str!("migrations/V18__steering.sql")),
    ("V22__destination_settings", include_str!("migrations/V22__destination_settings.sql")),
    ("V24__sessions", include_str!("migrations/V24__sessions.sql")),
    ("V26__progress", include_str!("migrations/V26__progress.sql")),
    ("V27__wishes", include_str!("migrations/V27__wishes.sql")),
    ("V29__calls", include_str!("migrations/V29__calls.sql")),
    ("V30__still_at", include_str!("migrations/V30__still_at.sql")),
];

/// What the migrations call differently on the two stores.
pub struct Dialect {
    /// An i64 primary key that the store assigns.
    pub surrogate: &'static str,
    /// The type of a UUID column.
    pub public_id: &'static str,
    /// Answers from which character on one text stands in another one; 0: nowhere.
    pub position: &'static str,
    /// What keeps a table's rows in the order of its key; may be nothing.
    pub clustered: &'static str,
}

/// The migrations in the store's dialect, to be run in one transaction.
pub fn runner(dialect: &Dialect) -> Result<Runner, LedgerError> {
    let migrations: Result<Vec<Migration>, _> = MIGRATIONS
        .iter()
        .map(|(name, sql)| {
            let sql = sql
                .replace("SURROGATE", dialect.surrogate)
                .replace("PUBLIC_ID", dialect.public_id)
                .replace("POSITION(", &format!("{}(", dialect.position))
                .replace("CLUSTERED;", &format!("{};", dialect.clustered));
            Migration::unapplied(name, &sql)
        })
        .collect();
    let migrations = migrations.map_err(|error| migration_failed(&error))?;
    Ok(Runner::new(&migrations).set_grouped(true))
}

pub fn migration_failed(error: &refinery::Error) -> LedgerError {
    LedgerError::Unavailable(format!("migration failed: {error}"))
}

/// Whether this program can work on a ledger with schema `found` (0: none).
pub fn check_usable(found: i64) -> Result<(), LedgerError> {
    if (VERSION..=VERSION + 1).contains(&found) { Ok(()) } else { Err(unsupported(found)) }
}

/// Whether a copy with schema `found` can be restored: an older one is migrated when it is opened.
pub fn check_restorable(found: i64) -> Result<(), LedgerError> {
    if found == 0 { Err(unsupported(found)) } else { needs_migration(found).map(drop) }
}

/// Whether the migrations are to be run on a ledger with schema `found` (0: none).
pub fn needs_migration(found: i64) -> Result<bool, LedgerError> {
    match found {
        0..VERSION => Ok(true),
        _ => check_usable(found).map(|()| false),
    }
}

fn unsupported(found: i64) -> LedgerError {
    let hint = if found < VERSION { "; `serve --migrate` updates it" } else { "" };
    LedgerError::Schema { found, supported: format!("schema {VERSION} and {}{hint}", VERSION + 1) }
}
