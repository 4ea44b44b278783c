//! Talking to destinations: what is sent in which shape, signed how, and what an answer means.
//!
//! The [`Courier`] knows nothing of retries or of the ledger; the gateway's outbox tells it what to
//! send where, and it says how that went.

mod standard;

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::clock::Clock;
use crate::decoding::Declared;
use crate::domain::destination::{Destination, RAW, STANDARD, SecretVersions};
use crate::domain::ids::AccountSlug;
use crate::domain::phone::PhoneNumber;
use crate::platforms::notice::{self, Notice};
use crate::platforms::{ConvertContext, PlatformKind};
use crate::signing::keys::{BadKeys, MasterKeys};
use crate::signing::standard as standard_webhooks;
use crate::telemetry::traces::TRACEPARENT;
use crate::transport::failure::{Failure, FailureKind};
use crate::transport::outward::{
    AddressRefused, AllowedNetworks, Lookup, Outward, OutwardAnswer, system_lookup,
};
use crate::transport::retry_after;

pub use crate::transport::outward::AddressRefused as Refusal;

/// Tells a receiver that it gets this again because somebody asked for it.
const REDRIVE_HEADER: &str = "webhook-redrive";
/// Longest wait that a receiver may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);
/// Characters of an answer that are kept.
const KEPT_ANSWER_CHARS: usize = 500;
/// So many digits in a row may be a phone number, and are not kept.
const MANY_DIGITS: usize = 5;

/// The form of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// The gateway's own notification, signed by Standard Webhooks.
    Standard,
    /// As that platform pushes it, with public ids.
    Platform(PlatformKind),
    /// Every verified push of an account, byte for byte, with the signature that it came with.
    Raw,
}

impl Shape {
    pub fn from_term(term: &str) -> Option<Self> {
        match term {
            STANDARD => Some(Shape::Standard),
            RAW => Some(Shape::Raw),
            _ => {
                let named = |kind: &PlatformKind| kind.as_str() == term;
                PlatformKind::ALL.into_iter().find(named).map(Shape::Platform)
            }
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Shape::Standard => STANDARD,
            Shape::Raw => RAW,
            Shape::Platform(platform) => platform.as_str(),
        }
    }

    /// Whether its receivers may be expected to answer in words of their platform.
    pub fn has_receipt(self) -> bool {
        match self {
            Shape::Platform(platform) => notice::has_receipt(platform),
            Shape::Raw => true,
            Shape::Standard => false,
        }
    }

    /// Whether it can say that a call is under way.
    pub fn tells_unfinished(self) -> bool {
        match self {
            Shape::Platform(platform) => notice::tells_unfinished(platform),
            Shape::Standard | Shape::Raw => true,
        }
    }
}

/// What is sent.
pub enum Parcel<'a> {
    Attempt {
        account: &'a AccountSlug,
        at: Timestamp,
        notice: Notice<'a>,
        context: &'a ConvertContext,
    },
    /// A push of that platform as it came.
    Push {
        platform: PlatformKind,
        body: &'a [u8],
        proof: Option<&'a str>,
        /// What its sender declared, where it is not JSON in UTF-8.
        declared: Declared<'a>,
    },
    /// To find out whether a receiver answers.
    Trial,
}

/// What stands on a parcel.
pub struct Label<'a> {
    /// The same whenever it is sent.
    pub id: &'a str,
    /// Somebody asked for it to be sent again.
    pub is_redrive: bool,
    /// The `traceparent` of its sending.
    pub trace: Option<String>,
}

impl<'a> Label<'a> {
    /// Of one that is sent for the first time.
    pub fn of(id: &'a str) -> Self {
        Self { id, is_redrive: false, trace: None }
    }
}

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Taken,
    /// Worth another try, not before the wait that the receiver asked for.
    Failed {
        retry_after: Option<Duration>,
        is_outage: bool,
    },
    /// The receiver wants this one no more.
    Aborted,
    /// The receiver wants nothing any more.
    Gone,
    /// Nothing that can be sent.
    Unsendable,
}

/// How a try went, for the books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub outcome: Outcome,
    pub status: Option<u16>,
    /// Neither an address nor a number.
    pub error: Option<String>,
    /// The beginning of the answer, with digits masked.
    pub answer: Option<String>,
}

/// Sends to destinations. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Courier {
    outward: Outward,
    keys: Option<MasterKeys>,
    clock: Clock,
}

/// Why no courier can be made.
#[derive(Debug, thiserror::Error)]
pub enum CourierError {
    #[error("the master keys: {0}")]
    Keys(#[from] BadKeys),
    #[error("the client for destinations: {0}")]
    Client(String),
}

/// Without a master key nothing can be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the master key that its secret is made from is not configured (keys.master_key_file)")]
pub struct NoKey;

impl Courier {
    /// # Errors
    /// When the text holds no keys, or the client cannot be made.
    pub fn new(
        keys: Option<&SecretString>,
        allowed: AllowedNetworks,
        clock: Clock,
    ) -> Result<Self, CourierError> {
        Self::with_lookup(keys, allowed, system_lookup(), clock)
    }

    /// With another way to look names up.
    ///
    /// # Errors
    /// As [`Courier::new`].
    pub fn with_lookup(
        keys: Option<&SecretString>,
        allowed: AllowedNetworks,
        lookup: Lookup,
        clock: Clock,
    ) -> Result<Self, CourierError> {
        let outward = Outward::new(allowed, lookup).map_err(CourierError::Client)?;
        let keys = keys.map(MasterKeys::parse).transpose()?;
        Ok(Self { outward, keys, clock })
    }

    /// Whether an address may be dialled.
    ///
    /// # Errors
    /// Why not.
    pub async fn check(&self, url: &Url) -> Result<(), AddressRefused> {
        self.outward.check(url).await
    }

    /// The version of the master key that new secrets are made from.
    ///
    /// # Errors
    /// Without master keys.
    pub fn newest_key(&self) -> Result<u32, NoKey> {
        self.keys.as_ref().map(MasterKeys::newest_version).ok_or(NoKey)
    }

    /// Keyed hashes of a number, newest key first.
    ///
    /// # Errors
    /// Without master keys.
    pub fn number_hashes(&self, number: &PhoneNumber) -> Result<Vec<String>, NoKey> {
        let keys = self.keys.as_ref().ok_or(NoKey)?;
        Ok(keys.number_hashes(number.reveal()))
    }

    /// What a receiver verifies with: its newest secret.
    ///
    /// # Errors
    /// When its master key is not configured any more.
    pub fn secret(&self, destination: &Destination) -> Result<SecretString, NoKey> {
        self.secrets(destination)?.into_iter().next().ok_or(NoKey)
    }

    /// The newest secret, and its predecessors as long as they hold, newest first.
    fn secrets(&self, destination: &Destination) -> Result<Vec<SecretString>, NoKey> {
        let keys = self.keys.as_ref().ok_or(NoKey)?;
        let name = destination.uuid.to_string();
        let SecretVersions { key, version, old } = &destination.secret;
        let of = |key: u32, version: u32| {
            let bytes = keys.destination_secret(key, &name, version);
            bytes.map(|bytes| standard_webhooks::secret_of(&bytes))
        };
        let newest = of(*key, *version).ok_or(NoKey)?;
        let now = self.clock.wall();
        let old = old.iter().filter(|old| now < old.until);
        let old = old.filter_map(|old| of(old.key, old.version));
        Ok(std::iter::once(newest).chain(old).collect())
    }

    /// Sends one parcel.
    pub async fn send(
        &self,
        destination: &Destination,
        Label { id, is_redrive, trace }: Label<'_>,
        parcel: Parcel<'_>,
    ) -> Sent {
        let Some(shape) = Shape::from_term(&destination.shape) else {
            return Sent::unsendable("its shape is not known to this program");
        };
        let Some(body) = body(shape, &parcel) else {
            return Sent::unsendable("there is nothing to say in its shape");
        };
        let declared = match &parcel {
            Parcel::Push { declared, .. } => *declared,
            Parcel::Attempt { .. } | Parcel::Trial => Declared::default(),
        };
        let mut headers = vec![
            ("content-type", declared.content_type.unwrap_or("application/json").to_owned()),
            (standard_webhooks::ID_HEADER, id.to_owned()),
        ];
        let packing = declared.content_encoding.map(str::to_owned);
        headers.extend(packing.map(|packing| ("content-encoding", packing)));
        if is_redrive {
            headers.push((REDRIVE_HEADER, "true".to_owned()));
        }
        headers.extend(trace.map(|trace| (TRACEPARENT, trace)));
        match self.proofs(destination, (shape, id), &parcel, &body) {
            Ok(proofs) => headers.extend(proofs),
            Err(NoKey) => return failed(&NoKey.to_string(), false),
        }
        match self.outward.post(&destination.url, headers, body.into()).await {
            Ok(answer) => self.judge(destination, (shape, &parcel), &answer),
            Err(failure) => explain(&failure),
        }
    }

    fn proofs(
        &self,
        destination: &Destination,
        (shape, id): (Shape, &str),
        parcel: &Parcel<'_>,
        body: &[u8],
    ) -> Result<Vec<(&'static str, String)>, NoKey> {
        match (shape, parcel) {
            (_, Parcel::Push { platform, proof, .. }) => {
                let header = notice::proof_header(*platform);
                let proof = header.zip(proof.map(str::to_owned));
                Ok(proof.into_iter().collect())
            }
            (Shape::Standard | Shape::Raw, _) => {
                let timestamp_s = self.clock.wall().as_second();
                let mut signatures = Vec::new();
                for secret in self.secrets(destination)? {
                    let signed = standard_webhooks::sign(&secret, id, timestamp_s, body);
                    signatures.push(signed.map_err(|_| NoKey)?);
                }
                Ok(vec![
                    (standard_webhooks::TIMESTAMP_HEADER, timestamp_s.to_string()),
                    (standard_webhooks::SIGNATURE_HEADER, signatures.join(" ")),
                ])
            }
            (Shape::Platform(platform), _) if notice::proof_header(platform).is_none() => {
                Ok(Vec::new())
            }
            (Shape::Platform(platform), _) => {
                let secrets = self.secrets(destination)?;
                // A platform's form has room for one signature: by the oldest secret that holds, for a
                // receiver learns of a new one after it was made.
                let secret = secrets.last().ok_or(NoKey)?;
                let secret = SecretString::from(secret.expose_secret());
                Ok(notice::proof(platform, &secret, body).into_iter().collect())
            }
        }
    }
}

fn body(shape: Shape, parcel: &Parcel<'_>) -> Option<Vec<u8>> {
    match (shape, parcel) {
        (Shape::Standard, Parcel::Attempt { account, at, notice, .. }) => {
            standard::body(account, *at, notice)
        }
        (Shape::Platform(platform), Parcel::Attempt { notice, context, .. }) => {
            notice::body(platform, notice, context)
        }
        (Shape::Raw, Parcel::Push { body, .. }) => Some(body.to_vec()),
        (Shape::Platform(platform), Parcel::Trial) => Some(notice::trial(platform).to_vec()),
        (Shape::Standard | Shape::Raw, Parcel::Trial) => Some(standard::TRIAL.to_vec()),
        (Shape::Standard | Shape::Platform(_), Parcel::Push { .. })
        | (Shape::Raw, Parcel::Attempt { .. }) => None,
    }
}

impl Courier {
    fn judge(
        &self,
        destination: &Destination,
        (shape, parcel): (Shape, &Parcel<'_>),
        answer: &OutwardAnswer,
    ) -> Sent {
        let platform = match (shape, parcel) {
            (_, Parcel::Push { platform, .. }) => Some(*platform),
            (Shape::Platform(platform), _) => Some(platform),
            _ => None,
        };
        // Who answers with success has it, whatever else the answer says: telling it again could only
        // do harm. An operator whose receiver means it otherwise says so.
        let is_taken = (200..300).contains(&answer.status)
            && (!destination.requires_receipt
                || platform.is_none_or(|platform| notice::is_receipt(platform, &answer.body)));
        let asked = answer.retry_after.as_deref();
        let asked = asked.and_then(|text| retry_after::parse(text, self.clock.wall()));
        judged(is_taken, asked.map(|wait| wait.min(MAX_RETRY_AFTER)), answer)
    }
}

fn judged(is_taken: bool, retry_after: Option<Duration>, answer: &OutwardAnswer) -> Sent {
    let outcome = match answer.control.as_deref() {
        Some("disable") => Outcome::Gone,
        _ if answer.status == 410 => Outcome::Gone,
        _ if is_taken => Outcome::Taken,
        Some("abort-message") => Outcome::Aborted,
        _ => {
            Outcome::Failed { retry_after, is_outage: answer.status >= 500 || answer.status == 429 }
        }
    };
    let error = match &outcome {
        Outcome::Taken => None,
        Outcome::Gone => Some("the receiver wants no more deliveries"),
        Outcome::Aborted => Some("the receiver wants this one no more"),
        _ => Some("the receiver did not take it"),
    };
    Sent {
        outcome,
        status: Some(answer.status),
        error: error.map(str::to_owned),
        answer: kept(&answer.body),
    }
}

fn explain(failure: &Failure) -> Sent {
    let text = match (failure.kind, &failure.source) {
        (FailureKind::AddressRefused, Some(why)) => format!("{}: {why}", failure.kind),
        (kind, _) => kind.to_string(),
    };
    failed(&text, failure.kind != FailureKind::AddressRefused)
}

fn failed(error: &str, is_outage: bool) -> Sent {
    Sent {
        outcome: Outcome::Failed { retry_after: None, is_outage },
        status: None,
        error: Some(error.to_owned()),
        answer: None,
    }
}

impl Sent {
    pub fn is_taken(&self) -> bool {
        self.outcome == Outcome::Taken
    }

    /// It cannot be sent now; it may be later.
    pub fn not_sent(error: &str) -> Self {
        failed(error, false)
    }

    /// It can never be sent.
    pub fn unsendable(error: &str) -> Self {
        let error = Some(error.to_owned());
        Self { outcome: Outcome::Unsendable, status: None, error, answer: None }
    }
}

/// The beginning of an answer without what may be a phone number.
fn kept(body: &Bytes) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let mut kept = String::new();
    let mut digits = String::new();
    let put = |digits: &mut String, kept: &mut String| {
        if digits.len() >= MANY_DIGITS {
            kept.push_str("***");
        } else {
            kept.push_str(digits);
        }
        digits.clear();
    };
    for character in text.chars().filter(|c| !c.is_control()).take(KEPT_ANSWER_CHARS) {
        if character.is_numeric() {
            digits.push(character);
        } else if digits.is_empty() || !matches!(character, ' ' | '-' | '.' | '(' | ')' | '/') {
            put(&mut digits, &mut kept);
            kept.push(character);
        }
    }
    put(&mut digits, &mut kept);
    (!kept.is_empty()).then_some(kept)
}
