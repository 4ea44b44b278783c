//! Requests that a client may send again: with a key they are done once, and told again.
//!
//! A request that was begun and whose end nobody knows is never repeated: it is in doubt, and says
//! so until its key is forgotten. The client looks what there is, and asks with a new key.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::campaign::CampaignStatus;
use crate::domain::ids::CampaignKey;
use crate::gateway::error::GatewayError;
use crate::gateway::patience::answered_soon;
use crate::gateway::{Asked, WorkerGateway};
use crate::ledger::LedgerError;
use crate::ledger::idempotency::{Idempotency, KEPT, KeyedRequest};
use crate::ledger::journal::JournalEntry;

/// Longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 255;
/// How long a client is told to wait while its first request is under way.
const UNDER_WAY_RETRY_AFTER: Duration = Duration::from_secs(2);
/// After so long a client signs the same request with another time, though it counts whole seconds.
const SIGNED_ANEW_AFTER: Duration = Duration::from_secs(1);
/// The name under which a client knows its key.
const FIELD: &str = "Idempotency-Key";

/// Of the names of jobs that do keyed requests.
const JOBS: Uuid = Uuid::from_u128(0x8a1f_5b0e_2c67_4d39_9f84_61d2_0c3b_7e15);

/// A client's key for a request, and what the request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    key: String,
    fingerprint: String,
    /// For how long the answer is told again.
    kept: Duration,
    /// What the request changes, if that matters to others that change the same.
    subject: Option<String>,
    again: Again,
}

/// What a request gets that comes again under its key, when the first one was answered. A key that
/// cannot tell a repetition from the wish to have the same once more (a signature over a time in whole
/// seconds) must not leave undone what keeps people from being called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// What the first one was told.
    Told,
    /// The same, unless something else was asked of its subject since: then nobody can say what is
    /// wanted now, and the client is asked to say it.
    ToldOrRefused,
    /// The same, unless something else was asked of its subject since: then it is done again, for all
    /// that it does is that fewer are called.
    ToldOrDone,
    /// A stop of this campaign: the same, while the campaign is also wanted stopped and seen so,
    /// whoever may have it started; else it is done again.
    ToldOrStopped(CampaignKey),
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
        let fingerprint = const_hex::encode(digest.finalize());
        let (key, kept) = (key.to_owned(), KEPT);
        Ok(Self { key, fingerprint, kept, subject: None, again: Again::Told })
    }

    /// For a signed request: the signature is the key, and says what the request says. It is kept for as
    /// long as the signature is good, which is at most twice the window: a clock may be ahead by one.
    pub fn signed(
        signature: &str,
        window: Duration,
        subject: Option<String>,
        again: Again,
    ) -> Self {
        // No key of a client's choice has a control character.
        let key = format!("signature\n{signature}");
        Self { key, fingerprint: String::new(), kept: 2 * window, subject, again }
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
        let Keyed { key, fingerprint, kept, subject, again } = keyed;
        let (client, now) = (asked.client.name.clone(), self.shared.clock.now());
        let request = KeyedRequest { client, key: key.clone(), fingerprint, subject, kept };
        let ledger = &self.shared.ledger;
        let begun = async {
            let known = ledger.begin_idempotent(request.clone(), now).await?;
            if !self.is_due_again(asked, again, &known).await {
                return Ok::<_, LedgerError>(known);
            }
            ledger.begin_idempotent_again(request, now).await?;
            Ok(Idempotency::New)
        };
        let is_stop = matches!(again, Again::ToldOrStopped(_));
        let begun = if is_stop { answered_soon(begun).await } else { begun.await };
        let known = match begun {
            // Whether it came before cannot be told, or not be kept; a stop may be done again.
            Err(error) if is_stop && error.is_of_the_store() => return work.await,
            known => known?,
        };
        match known {
            Idempotency::New => {}
            Idempotency::UnderWay => {
                return Err(GatewayError::Unavailable {
                    reason: "the first request with this key or signature is not answered yet"
                        .to_owned(),
                    retry_after: Some(UNDER_WAY_RETRY_AFTER),
                });
            }
            Idempotency::InDoubt => return Err(self.in_doubt(asked, key).await?),
            Idempotency::Overtaken(_) if again == Again::ToldOrRefused => {
                return Err(GatewayError::Unavailable {
                    reason: "a request with this signature was answered, and something else was \
                             asked since; sign it anew if it is wanted now"
                        .to_owned(),
                    retry_after: Some(SIGNED_ANEW_AFTER),
                });
            }
            Idempotency::Answered(kept) | Idempotency::Overtaken(kept) => return told_again(&kept),
            Idempotency::Mismatch => {
                return Err(GatewayError::invalid(FIELD, "it was used for another request"));
            }
        }
        let outcome = work.await;
        let kept = match &outcome {
            Ok(answer) => Some(Kept::Answer(String::from_utf8_lossy(answer).into_owned())),
            Err(GatewayError::Unclear { job }) => Some(Kept::Unclear(*job)),
            // Of what was done before it, it tells nothing.
            Err(error @ (GatewayError::Internal(_) | GatewayError::Ledger(_)))
                if !error.is_of_the_store() =>
            {
                Some(Kept::Unclear(self.shared.clock.new_uuid()))
            }
            Err(_) => None,
        };
        if let Err(error) = self.keep(asked, key, kept).await {
            // The outcome is true whether or not it can be told again: without a record the key
            // comes to be in doubt.
            tracing::error!(request_id = asked.request_id, %error,
                "the ledger did not keep the outcome of a request; a repetition of it is in doubt");
        }
        outcome
    }

    /// Whether a request that was begun before is done once more.
    async fn is_due_again(&self, asked: &Asked, again: Again, known: &Idempotency) -> bool {
        use Idempotency as I;
        match (again, known) {
            // What came since may be a start that is on its way.
            (Again::ToldOrDone | Again::ToldOrStopped(_), I::InDoubt | I::Overtaken(_)) => true,
            (Again::ToldOrStopped(key), I::UnderWay | I::Answered(_)) => {
                let is_under_way = *known == I::UnderWay;
                // If that cannot be told, it is stopped.
                !self.stands_still(asked, key, is_under_way).await.unwrap_or(false)
            }
            _ => false,
        }
    }

    /// Whether a campaign is wanted stopped and, unless the stop is still under way, seen so.
    async fn stands_still(
        &self,
        asked: &Asked,
        key: CampaignKey,
        is_under_way: bool,
    ) -> Result<bool, GatewayError> {
        let campaign = self.resolve(asked, key).await?.uuid;
        let entry = self.shared.ledger.find_entry(campaign).await?;
        Ok(entry.is_some_and(|entry| {
            entry.desired != CampaignStatus::Running
                && (is_under_way || entry.snapshot.status != CampaignStatus::Running)
        }))
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
    tracing::error!(
        line = error.line(),
        column = error.column(),
        "the kept outcome of a request cannot be read or written; its client is told"
    );
    GatewayError::Internal("a kept outcome cannot be read or written".to_owned())
}
