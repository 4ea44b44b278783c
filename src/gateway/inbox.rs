//! Results that are pushed: taken into the inbox before they are answered, processed afterwards.
//!
//! A push is judged by its address or its signature alone; what its sender declares about its bytes is
//! done, and what then says nothing is kept in quarantine. What it holds is looked at by the
//! [`InboxProcessor`], which may do so again and again: copies are merged where attempts are kept.

mod keeping;
mod processing;
mod quarantine;
mod questions;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::decoding::{self, Declared, Text};
use crate::domain::ids::{AccountSlug, NativeId};
use crate::gateway::error::GatewayError;
use crate::gateway::pushes::PushRefused;
use crate::gateway::{Gateway, Home, Shared, WorkerGateway};
use crate::ledger::LedgerError;
use crate::ledger::inbox::{Content, InboxCounts, NewPush, Original, Quarantined};
use crate::platforms::Pushed;
use crate::telemetry::traces;

pub use processing::InboxProcessor;
pub use quarantine::{QuarantineFilter, QuarantineRow, Reprocessed};
pub use questions::Asker;
pub(super) use questions::Questions;

/// A push that is not durable after this is answered 503.
pub const ACCEPT_DEADLINE: Duration = Duration::from_secs(2);
/// How long a platform is told to wait with a push that is not taken now.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Unproved bodies are kept at most so often, each account by itself: anybody may send them, and each
/// costs a write.
const UNPROVED_GAP: Duration = Duration::from_secs(1);
/// Unproved bodies that may come at once.
const UNPROVED_AT_ONCE: u32 = 20;

/// What the inbox shares with those who fill it.
#[derive(Default)]
pub(super) struct InboxNews {
    came: Notify,
    /// Since when nothing could be made durable in time.
    failing_since: Mutex<Option<Timestamp>>,
    strangers: Mutex<HashMap<AccountSlug, Strangers>>,
}

/// What came to one account and is not its business.
#[derive(Default)]
struct Strangers {
    /// Genuine pushes about other things, since the program started.
    foreign: u64,
    /// When the next unproved body may be kept, as if they came one at a time.
    unproved_at: Option<Timestamp>,
}

/// A body as it came, and what was declared about it.
#[derive(Clone, Copy)]
pub struct Arrived<'a> {
    pub body: &'a [u8],
    pub declared: Declared<'a>,
    /// How long a body may be, packed or not.
    pub limit_bytes: usize,
}

/// What is genuine.
#[derive(Clone)]
pub(super) struct Genuine<'a> {
    pub arrived: Arrived<'a>,
    /// The signature that came with it.
    pub proof: Option<&'a str>,
    /// The only campaign of which results may come to the address that it came to.
    pub campaign: Option<NativeId>,
}

impl InboxNews {
    fn note(&self, is_kept: bool, now: Timestamp) {
        let mut since = self.failing_since.lock().unwrap_or_else(PoisonError::into_inner);
        *since = if is_kept { None } else { since.or(Some(now)) };
    }

    fn count_foreign(&self, account: &AccountSlug) {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        strangers.entry(account.clone()).or_default().foreign += 1;
    }

    /// Whether another unproved body may be kept.
    fn has_room(&self, account: &AccountSlug, now: Timestamp) -> bool {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        let next = &mut strangers.entry(account.clone()).or_default().unproved_at;
        let at = next.map_or(now, |next| next.max(now));
        let has_room = at <= now + UNPROVED_GAP * UNPROVED_AT_ONCE;
        if has_room {
            *next = Some(at + UNPROVED_GAP);
        }
        has_room
    }
}

impl Gateway {
    /// Since when pushes are not made durable in time; None while they are.
    pub fn inbox_failing_since(&self) -> Option<Timestamp> {
        *self.shared.inbox.failing_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Genuine pushes about things that are no business of the gateway's, since the program started.
    pub fn foreign_pushes(&self) -> HashMap<AccountSlug, u64> {
        let strangers = self.shared.inbox.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        strangers.iter().map(|(account, strangers)| (account.clone(), strangers.foreign)).collect()
    }
}

impl Genuine<'_> {
    fn new_push(&self, account: &AccountSlug, text: &str) -> NewPush {
        let Arrived { body, declared, .. } = self.arrived;
        // No database keeps NUL in a text.
        let original = (body != text.as_bytes() || text.contains('\0'))
            .then(|| Original { bytes: body.to_vec(), content: content(declared) });
        NewPush {
            account: account.clone(),
            body: text.to_owned(),
            original,
            proof: self.proof.map(str::to_owned),
            campaign: self.campaign.clone(),
            trace: traces::current(),
        }
    }

    /// The push as it came, for the quarantine.
    fn unread(&self, reason: &str) -> Quarantined {
        self.arrived.unread(reason)
    }
}

impl Arrived<'_> {
    fn unread(&self, reason: &str) -> Quarantined {
        let content = content(self.declared);
        Quarantined { reason: reason.to_owned(), body: self.body.to_vec(), content }
    }
}

fn content(Declared { content_type, content_encoding }: Declared<'_>) -> Content {
    Content { kind: content_type.map(str::to_owned), packing: content_encoding.map(str::to_owned) }
}

impl WorkerGateway {
    /// Takes a push that is genuine, and answers when what is kept of it is durable.
    pub(super) async fn take_in(
        &self,
        (account, home): (&AccountSlug, &Home),
        genuine: Genuine<'_>,
    ) -> Result<(), PushRefused> {
        let Arrived { body, declared, limit_bytes } = genuine.arrived;
        let Text { text, is_exact } = match decoding::decode(body, declared, limit_bytes) {
            Ok(read) => read,
            Err(packed) => {
                return self.set_aside(account, &genuine, (&packed.to_string(), "")).await;
            }
        };
        match home.adapter.read_push(&text) {
            Pushed::Unreadable(why) => self.set_aside(account, &genuine, (why, &text)).await,
            Pushed::Results if is_exact => self.append(account, &genuine, &text).await,
            Pushed::Results if home.adapter.read_results(&text).is_none() => {
                self.set_aside(account, &genuine, ("it is no text", &text)).await
            }
            Pushed::Results => {
                // Its rows are worth what can be read of them, and its bytes are not lost.
                let reason = "some of its bytes are no text; its rows were read without them";
                let Shared { ledger, clock, .. } = &*self.shared;
                let copy = genuine.unread(reason);
                self.in_time(account, ledger.quarantine_copy(account.clone(), copy, clock.now()))
                    .await?;
                self.append(account, &genuine, &text).await
            }
            Pushed::Campaign(native) => {
                self.pass_on(genuine.new_push(account, &text)).await?;
                self.shared.reads.drop_campaign(account, &native);
                if self.shared.stale.add(account, native) {
                    return Ok(());
                }
                tracing::warn!(%account, "too many campaigns wait to be read again");
                Err(PushRefused::NotNow { retry_after: RETRY_AFTER })
            }
            Pushed::Other => {
                self.shared.inbox.count_foreign(account);
                self.pass_on(genuine.new_push(account, &text)).await
            }
        }
    }

    /// Keeps a genuine push in quarantine: it would not become readable by being sent again.
    async fn set_aside(
        &self,
        account: &AccountSlug,
        genuine: &Genuine<'_>,
        (reason, text): (&str, &str),
    ) -> Result<(), PushRefused> {
        let Shared { ledger, clock, outbox, .. } = &*self.shared;
        let bytes = genuine.arrived.body.len();
        tracing::warn!(%account, reason, bytes, "a genuine push cannot be read and is in quarantine");
        let push = genuine.new_push(account, text);
        let told = async {
            if ledger.quarantine(push, genuine.unread(reason), clock.now()).await? {
                outbox.tell();
            }
            Ok(())
        };
        self.in_time(account, told).await
    }

    /// Keeps a body that was not proved to be the platform's, as long as there are not too many.
    pub async fn keep_unproved(&self, account: &AccountSlug, arrived: Arrived<'_>, reason: &str) {
        let Shared { ledger, clock, inbox, .. } = &*self.shared;
        if !inbox.has_room(account, clock.now()) {
            return;
        }
        let kept = ledger.quarantine_unproved(account.clone(), arrived.unread(reason), clock.now());
        match tokio::time::timeout(ACCEPT_DEADLINE, kept).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%account, %error, "an unproved push is not kept"),
            Err(_) => tracing::warn!(%account, "an unproved push is not kept in time"),
        }
    }

    /// Tells a push that is kept nowhere else to those who want everything as it comes.
    async fn pass_on(&self, push: NewPush) -> Result<(), PushRefused> {
        let Shared { ledger, clock, outbox, .. } = &*self.shared;
        let account = push.account.clone();
        let told = async {
            if ledger.announce_push(push, clock.now()).await? {
                outbox.tell();
            }
            Ok(())
        };
        self.in_time(&account, told).await
    }

    async fn append(
        &self,
        account: &AccountSlug,
        genuine: &Genuine<'_>,
        text: &str,
    ) -> Result<(), PushRefused> {
        let Shared { ledger, clock, inbox, outbox, .. } = &*self.shared;
        let appended = async {
            let push = genuine.new_push(account, text);
            let is_told = match ledger.append_inbox(push, clock.now()).await {
                // Sent again it would be refused again.
                Err(error) if !error.is_of_the_store() => {
                    tracing::error!(%account, %error,
                        "the inbox does not take a genuine push; it is in quarantine");
                    let copy = genuine.unread(&format!("the inbox does not take it: {error}"));
                    ledger.quarantine(genuine.new_push(account, text), copy, clock.now()).await?
                }
                appended => appended?,
            };
            inbox.came.notify_one();
            if is_told {
                outbox.tell();
            }
            Ok(())
        };
        self.in_time(account, appended).await
    }

    async fn in_time(
        &self,
        account: &AccountSlug,
        kept: impl Future<Output = Result<(), LedgerError>>,
    ) -> Result<(), PushRefused> {
        let kept = tokio::time::timeout(ACCEPT_DEADLINE, kept).await;
        self.shared.inbox.note(matches!(kept, Ok(Ok(()))), self.shared.clock.now());
        match kept {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::error!(%account, %error, "a push could not be stored and was answered 503");
                Err(PushRefused::NotNow { retry_after: RETRY_AFTER })
            }
            Err(_) => {
                tracing::error!(%account, "a push could not be stored in time and was answered 503");
                Err(PushRefused::NotNow { retry_after: RETRY_AFTER })
            }
        }
    }

    /// How much waits and how much means nothing, of these accounts.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn inbox_counts(
        &self,
        accounts: &[AccountSlug],
    ) -> Result<Vec<InboxCounts>, GatewayError> {
        let mut counts = self.shared.ledger.inbox_counts().await?;
        counts.retain(|row| accounts.contains(&row.account));
        Ok(counts)
    }
}
