//! Requests with an idempotency key: answered once, then told again.

use std::time::Duration;

use jiff::Timestamp;

use crate::ledger::statements::{Statements, Value, Verb};
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
    /// The same, and another request with the same subject began since.
    Overtaken(String),
    /// It was used for another request.
    Mismatch,
}

/// A request that is done once.
#[derive(Debug, Clone)]
pub struct KeyedRequest {
    pub client: String,
    pub key: String,
    pub fingerprint: String,
    /// What it changes, if that matters to others that change the same.
    pub subject: Option<String>,
    /// For how long its answer is told again.
    pub kept: Duration,
}

/// A request that is not answered after this long never will be, if its process may be alive. Well over
/// the time that a facade gives to an answer.
pub const UNDER_WAY_AT_MOST: Duration = Duration::from_secs(120);
/// In place of an answer that never will be given; no answer is empty.
const NO_END: &str = "";
/// Answers to a key of the client's choice are told again for this long.
pub const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Keys that are forgotten when one is taken: more than one, so they never grow in number, and few, so
/// that taking one is quick also after a flood.
const FORGOTTEN_AT_ONCE: i64 = 50;

impl Ledger {
    /// Takes a client's key for a request.
    pub async fn begin_idempotent(
        &self,
        request: KeyedRequest,
        now: Timestamp,
    ) -> Result<Idempotency, LedgerError> {
        self.write(Begin { request, now }).await
    }

    /// A request that began before is done once more: it begins now, and has no answer yet.
    pub async fn begin_idempotent_again(
        &self,
        request: KeyedRequest,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.write(BeginAgain { request, now }).await
    }

    /// Puts in doubt what a process began that is gone, and answers how many requests. On a store that many
    /// processes share nobody knows whether another one still answers; there [`UNDER_WAY_AT_MOST`] decides.
    pub async fn doubt_orphaned_requests(&self) -> Result<u64, LedgerError> {
        match self {
            Ledger::Sqlite(_) => self.write(DoubtOrphaned).await,
            Ledger::Postgres(_) => Ok(0),
        }
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
    request: KeyedRequest,
    now: Timestamp,
}

impl Verb for Begin {
    type Answer = Idempotency;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Idempotency, LedgerError> {
        let Self { request, now } = self;
        let (client, key) = (request.client.as_str(), request.key.as_str());
        self.forget(store).await?;
        let inserted = store
            .execute(
                "INSERT INTO idempotency \
                 (client, request_key, fingerprint, begun_at, expires_at, subject) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                &[
                    client.into(),
                    key.into(),
                    request.fingerprint.as_str().into(),
                    (*now).into(),
                    (*now + request.kept).into(),
                    Value::optional_text(request.subject.as_deref()),
                ],
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
        if row.text()? != request.fingerprint {
            return Ok(Idempotency::Mismatch);
        }
        let (body, begun_at) = (row.optional_text()?, row.time()?);
        Ok(match body {
            Some(body) if body == NO_END => Idempotency::InDoubt,
            Some(body) if self.is_overtaken(store, begun_at).await? => Idempotency::Overtaken(body),
            Some(body) => Idempotency::Answered(body),
            None if begun_at < *now - UNDER_WAY_AT_MOST => Idempotency::InDoubt,
            None => Idempotency::UnderWay,
        })
    }
}

impl Begin {
    /// Forgets the key if its time is over, and some others whose time is.
    async fn forget<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        let KeyedRequest { client, key, .. } = &self.request;
        store
            .execute(
                "DELETE FROM idempotency \
                 WHERE client = $1 AND request_key = $2 AND expires_at <= $3",
                &[client.as_str().into(), key.as_str().into(), self.now.into()],
            )
            .await?;
        store
            .execute(
                "DELETE FROM idempotency WHERE (client, request_key) IN \
                 (SELECT client, request_key FROM idempotency WHERE expires_at <= $1 \
                  ORDER BY expires_at LIMIT $2)",
                &[self.now.into(), FORGOTTEN_AT_ONCE.into()],
            )
            .await?;
        Ok(())
    }

    async fn is_overtaken<S: Statements>(
        &self,
        store: &mut S,
        begun_at: Timestamp,
    ) -> Result<bool, LedgerError> {
        let KeyedRequest { client, key, subject: Some(subject), .. } = &self.request else {
            return Ok(false);
        };
        let row = store
            .row(
                "SELECT 1 FROM idempotency WHERE subject = $1 AND begun_at >= $2 \
                 AND NOT (client = $3 AND request_key = $4) LIMIT 1",
                &[
                    subject.as_str().into(),
                    begun_at.into(),
                    client.as_str().into(),
                    key.as_str().into(),
                ],
            )
            .await?;
        Ok(row.is_some())
    }
}

struct BeginAgain {
    request: KeyedRequest,
    now: Timestamp,
}

impl Verb for BeginAgain {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        let KeyedRequest { client, key, kept, .. } = &self.request;
        store
            .execute(
                "UPDATE idempotency SET begun_at = $3, expires_at = $4, body = NULL \
                 WHERE client = $1 AND request_key = $2",
                &[
                    client.as_str().into(),
                    key.as_str().into(),
                    self.now.into(),
                    (self.now + *kept).into(),
                ],
            )
            .await?;
        Ok(())
    }
}

struct DoubtOrphaned;

impl Verb for DoubtOrphaned {
    type Answer = u64;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<u64, LedgerError> {
        let orphaned = "UPDATE idempotency SET body = $1 WHERE body IS NULL";
        store.execute(orphaned, &[NO_END.into()]).await
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
