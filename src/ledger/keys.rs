//! Which master keys have been used: another key under a known version is found before it signs.

use jiff::Timestamp;

use crate::ledger::statements::{Statements, Verb};
use crate::ledger::{Ledger, LedgerError};

/// A version of the master key and its keyed hash, from which no key can be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFingerprint {
    pub version: u32,
    pub fingerprint: String,
}

impl Ledger {
    /// Remembers versions that are new, and compares the others.
    ///
    /// # Errors
    /// `Conflict` when a version that is known stands for another key, or the ledger was used with a key and
    /// there is none; nothing is remembered then.
    pub async fn register_keys(
        &self,
        keys: Vec<KeyFingerprint>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.write(Register { keys, now }).await
    }

    /// Compares without remembering anything.
    ///
    /// # Errors
    /// As [`Ledger::register_keys`].
    pub async fn check_keys(&self, keys: Vec<KeyFingerprint>) -> Result<(), LedgerError> {
        self.read(Check { keys }).await
    }
}

struct Register {
    keys: Vec<KeyFingerprint>,
    now: Timestamp,
}

impl Verb for Register {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        for key in &self.keys {
            let sql = "INSERT INTO master_key (version, fingerprint, seen_at) VALUES ($1, $2, $3) \
                       ON CONFLICT DO NOTHING";
            let parameters =
                [i64::from(key.version).into(), key.fingerprint.as_str().into(), self.now.into()];
            store.execute(sql, &parameters).await?;
        }
        compare(store, &self.keys).await
    }
}

pub(super) struct Check {
    pub keys: Vec<KeyFingerprint>,
}

impl Verb for Check {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        compare(store, &self.keys).await
    }
}

async fn compare<S: Statements>(store: &mut S, keys: &[KeyFingerprint]) -> Result<(), LedgerError> {
    if keys.is_empty() {
        let known = store.row("SELECT MAX(version) FROM master_key", &[]).await?;
        let known = known.map(|mut row| row.optional_int()).transpose()?.flatten();
        return known.map_or(Ok(()), |version| Err(no_key(version)));
    }
    for KeyFingerprint { version, fingerprint } in keys {
        let sql = "SELECT fingerprint FROM master_key WHERE version = $1";
        let known = store.row(sql, &[i64::from(*version).into()]).await?;
        let known = known.map(|mut row| row.text()).transpose()?;
        if known.is_some_and(|known| known != *fingerprint) {
            return Err(LedgerError::Conflict(format!(
                "version {version} of the master key is another key than the one that the ledger \
                 was used with; put the former key back (keys.master_key_file), or give the new \
                 one a version of its own (`dialbridge keys rotate`)"
            )));
        }
    }
    Ok(())
}

/// Without its key a gateway would refuse every genuine push and fail every delivery until it is dead.
fn no_key(version: i64) -> LedgerError {
    LedgerError::Conflict(format!(
        "the ledger was used with version {version} of a master key, and none is configured: put the \
         key back (keys.master_key, or keys.master_key_file)"
    ))
}
