//! Requests that a client may send again: with a key they are done once, and told again.
//!
//! A request that was begun and whose end nobody knows is never repeated: it is in doubt, and says
//! so until its key is forgotten. The client looks what there is, and asks with a new key.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::gateway::error::GatewayError;
use crate::gateway::sessions::hexadecimal;
use crate::gateway::{Asked, WorkerGateway};
use crate::ledger::idempotency::Idempotency;
use crate::ledger::journal::JournalEntry;

/// Longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 255;
/// How long a client is told to wait while its first request is under way.
const UNDER_WAY_RETRY_AFTER: Duration = Duration::from_secs(2);
/// The name under which a client knows its key.
const FIELD: &str = "Idempotency-Key";

/// Of the names of jobs that do keyed requests.
const JOBS: Uuid = Uuid::from_u128(0x8a1f_5b0e_2c67_4d39_9f84_61d2_0c3b_7e15);

/// A client's key for a request, and what the request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    key: String,
    fingerprint: String,
}

impl Keyed {
    /// `path` and `body` are what two requests with one key must have in common.
    ///
    /// # Errors
    /// `Invalid` when the key is not 1 to [`MAX_KEY_BYTES`] printable ASCII characters.
    pub fn new(key: &[u8], path: &str, body: &[u8]) -> Result<Self, GatewayError> {
        let sound = (1..=MAX_KEY_BYTES).contains(&key.len())
            && key.iter().all(|byte| matches!(byte, b' '..=b'~'));
        let key = str::from_utf8(key).ok().filter(|_| sound).ok_or_else(|| {
            GatewayError::invalid(FIELD, "1 to 255 printable ASCII characters are expected")
        })?;
        // A path holds no line end.
        let digest = Sha256::new().chain_update(path).chain_update(b"\n").chain_update(body);
        let fingerprint = hexadecimal(&digest.finalize());
        Ok(Self { key: key.to_owned(), fingerprint })
    }

    /// What a job is called that does the request for this client: by it the request is found again
    /// when the process that took it is gone.
    pub fn job(&self, client: &str) -> Uuid {
        let name = format!("{client}\n{}\n{}", self.key, self.fingerprint);
        Uuid::new_v5(&JOBS, name.as_bytes())
    }
}

/// What became of a request, as it is kept with its key. Answers are JSON, which is text.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kept {
    Answer(String),
    Unclear(Uuid),
}

impl WorkerGateway {
    /// Does the work; under one key of a client once. A success is told again, and so is an outcome
    /// that is not known; after any other error the key is free again.
    ///
    /// # Errors
    /// `Invalid` when the key was used for another request, `Unavailable` while the first request
    /// with it is under way, and the work's own.
    pub async fn once(
        &self,
        asked: &Asked,
        keyed: Option<Keyed>,
        work: impl Future<Output = Result<Bytes, GatewayError>>,
    ) -> Result<Bytes, GatewayError> {
        let Some(keyed) = keyed else { return work.await };
        let (client, now) = (asked.client.name.clone(), self.shared.clock.now());
        let Keyed { key, fingerprint } = keyed;
        let ledger = &self.shared.ledger;
        match ledger.begin_idempotent(client, key.clone(), fingerprint, now).await? {
            Idempotency::New => {}
            Idempotency::UnderWay => {
                return Err(GatewayError::Unavailable {
                    reason: format!("the first request with this {FIELD} is not answered yet"),
                    retry_after: Some(UNDER_WAY_RETRY_AFTER),
                });
            }
            Idempotency::InDoubt => return Err(self.in_doubt(asked, key).await?),
            Idempotency::Answered(kept) => return told_again(&kept),
            Idempotency::Mismatch => {
                return Err(GatewayError::invalid(FIELD, "it was used for another request"));
            }
        }
        let outcome = work.await;
        let kept = match &outcome {
            Ok(answer) => Some(Kept::Answer(String::from_utf8_lossy(answer).into_owned())),
            Err(GatewayError::Unclear { job }) => Some(Kept::Unclear(*job)),
            // Of what was done before it, it tells nothing.
            Err(GatewayError::Internal(_)) => Some(Kept::Unclear(self.shared.clock.new_uuid())),
            Err(_) => None,
        };
        if let Err(error) = self.keep(asked, key, kept).await {
            // The outcome is true whether or not it can be told again: without a record the key
            // comes to be in doubt.
            tracing::error!(request_id = asked.request_id, %error, "an outcome was not kept");
        }
        outcome
    }

    async fn keep(
        &self,
        asked: &Asked,
        key: String,
        kept: Option<Kept>,
    ) -> Result<(), GatewayError> {
        let kept = kept.map(|kept| serde_json::to_string(&kept)).transpose().map_err(unkept)?;
        Ok(self.shared.ledger.end_idempotent(asked.client.name.clone(), key, kept).await?)
    }

    /// Gives a request that was left half-way a name to look it up by in the journal.
    async fn in_doubt(&self, asked: &Asked, key: String) -> Result<GatewayError, GatewayError> {
        let job = self.shared.clock.new_uuid();
        let entry = JournalEntry {
            at: self.shared.clock.now(),
            actor: asked.client.name.clone(),
            action: "request.in-doubt".to_owned(),
            request_id: Some(asked.request_id.clone()),
            campaign: None,
            before: None,
            after: None,
            reason: Some(format!("job {job}: an earlier request with the same key had no end")),
        };
        self.shared.ledger.append_journal(entry).await?;
        self.keep(asked, key, Some(Kept::Unclear(job))).await?;
        Ok(GatewayError::Unclear { job })
    }
}

fn told_again(kept: &str) -> Result<Bytes, GatewayError> {
    match serde_json::from_str(kept).map_err(unkept)? {
        Kept::Answer(answer) => Ok(answer.into()),
        Kept::Unclear(job) => Err(GatewayError::Unclear { job }),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn unkept(error: serde_json::Error) -> GatewayError {
    // Without the parser's own message, which could quote an answer.
    tracing::error!(line = error.line(), column = error.column(), "a kept outcome");
    GatewayError::Internal("a kept outcome cannot be read or written".to_owned())
}
