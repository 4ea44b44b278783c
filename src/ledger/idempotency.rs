//! Requests with an idempotency key: answered once, then told again.

use std::time::Duration;

use jiff::Timestamp;

use crate::ledger::statements::{Statements, Verb};
use crate::ledger::{Ledger, LedgerError};

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Idempotency {
    /// Not seen: it is the caller's now.
    New,
    /// The first request with it is not answered yet.
    UnderWay,
    /// The first request with it never will be answered: its process died, or gave up half-way. What
    /// it did is not known, so the key is nobody's.
    InDoubt,
    Answered(String),
    /// It was used for another request.
    Mismatch,
}

/// A request that is not answered after this long never will be. Well over the time that a facade
/// gives to an answer.
pub const UNDER_WAY_AT_MOST: Duration = Duration::from_secs(120);
/// Answers are told again for this long.
pub const KEPT: Duration = Duration::from_secs(24 * 3600);

impl Ledger {
    /// Takes a client's key for a request with this fingerprint.
    pub async fn begin_idempotent(
        &self,
        client: String,
        key: String,
        fingerprint: String,
        now: Timestamp,
    ) -> Result<Idempotency, LedgerError> {
        self.write(Begin { client, key, fingerprint, now }).await
    }

    /// Keeps the answer; without one the key is free again.
    pub async fn end_idempotent(
        &self,
        client: String,
        key: String,
        body: Option<String>,
    ) -> Result<(), LedgerError> {
        self.write(End { client, key, body }).await
    }
}

struct Begin {
    client: String,
    key: String,
    fingerprint: String,
    now: Timestamp,
}

impl Verb for Begin {
    type Answer = Idempotency;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Idempotency, LedgerError> {
        let (client, key) = (self.client.as_str(), self.key.as_str());
        store
            .execute("DELETE FROM idempotency WHERE begun_at < $1", &[(self.now - KEPT).into()])
            .await?;
        let inserted = store
            .execute(
                "INSERT INTO idempotency (client, request_key, fingerprint, begun_at) \
                 VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                &[client.into(), key.into(), self.fingerprint.as_str().into(), self.now.into()],
            )
            .await?;
        if inserted == 1 {
            return Ok(Idempotency::New);
        }
        let row = store
            .row(
                "SELECT fingerprint, body, begun_at FROM idempotency \
                 WHERE client = $1 AND request_key = $2",
                &[client.into(), key.into()],
            )
            .await?;
        let mut row = row.ok_or(LedgerError::Missing("idempotency key"))?;
        if row.text()? != self.fingerprint {
            return Ok(Idempotency::Mismatch);
        }
        let (body, begun_at) = (row.optional_text()?, row.time()?);
        Ok(match body {
            Some(body) => Idempotency::Answered(body),
            None if begun_at < self.now - UNDER_WAY_AT_MOST => Idempotency::InDoubt,
            None => Idempotency::UnderWay,
        })
    }
}

struct End {
    client: String,
    key: String,
    body: Option<String>,
}

impl Verb for End {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        let names = [self.client.as_str().into(), self.key.as_str().into()];
        match &self.body {
            Some(body) => {
                let [client, key] = names;
                store
                    .execute(
                        "UPDATE idempotency SET body = $3 WHERE client = $1 AND request_key = $2",
                        &[client, key, body.as_str().into()],
                    )
                    .await?;
            }
            None => {
                store
                    .execute(
                        "DELETE FROM idempotency WHERE client = $1 AND request_key = $2",
                        &names,
                    )
                    .await?;
            }
        }
        Ok(())
    }
}
