//! Results that are pushed: taken into the inbox before they are answered, processed afterwards.
//!
//! A push is judged by its address or its signature alone; what it holds is looked at by the
//! [`InboxProcessor`], which may do so again and again: copies are merged where attempts are kept.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::domain::call::CallResult;
use crate::domain::ids::{AccountSlug, NativeId};
use crate::gateway::error::GatewayError;
use crate::gateway::pushes::PushRefused;
use crate::gateway::retry::{self, Decision};
use crate::gateway::under_way::UnderWay;
use crate::gateway::{Gateway, Home, Shared, WorkerGateway};
use crate::ledger::LedgerError;
use crate::ledger::attempts::AttemptRow;
use crate::ledger::inbox::{InboxCounts, InboxRow, NewPush, Processed, Quarantined};
use crate::platforms::{PlatformError, PlatformErrorKind, PlatformKind, PushedRow, PushedTo};
use crate::telemetry::traces;
use crate::transport::pacing::Lane;

/// A push that is not durable after this is answered 503.
pub const ACCEPT_DEADLINE: Duration = Duration::from_secs(2);
/// How long a platform is told to wait with a push that is not taken now.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How often the inbox is looked at when nobody said that something has come.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Pushes that are processed at a time: they share a commit where nobody is in a hurry, and the more of
/// them do the fewer pages are written for each.
const AT_ONCE: usize = 512;
/// Pushes whose outcomes are kept by one verb: those who push may have to wait for it.
const SETTLED_AT_ONCE: usize = 8;
/// Campaigns that are remembered by their native ids; then all are forgotten.
const MAX_REMEMBERED_CAMPAIGNS: usize = 10_000;
/// Processed pushes that are forgotten at a time.
const FORGOTTEN_AT_ONCE: u32 = 1000;
/// How long the end of a call waits for its attempt, time after time; then it is let go.
const CALL_WAITS: [Duration; 3] =
    [Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(20)];
/// How often processed pushes are looked through for ones to forget.
const FORGET_INTERVAL: Duration = Duration::from_secs(60);

/// What the inbox shares with those who fill it.
#[derive(Default)]
pub(super) struct InboxNews {
    came: Notify,
    /// Since when nothing could be made durable in time.
    failing_since: Mutex<Option<Timestamp>>,
}

impl InboxNews {
    fn note(&self, is_kept: bool, now: Timestamp) {
        let mut since = self.failing_since.lock().unwrap_or_else(PoisonError::into_inner);
        *since = if is_kept { None } else { since.or(Some(now)) };
    }
}

impl Gateway {
    /// Since when pushes are not made durable in time; None while they are.
    pub fn inbox_failing_since(&self) -> Option<Timestamp> {
        *self.shared.inbox.failing_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is genuine, and is to be kept as it came.
pub(super) struct Taken<'a> {
    pub body: &'a [u8],
    /// The signature that came with it.
    pub proof: Option<&'a str>,
    /// The only campaign of which results may come to the address that it came to.
    pub campaign: Option<NativeId>,
}

/// Processes what is in the inbox; `app` gives it a task.
pub struct InboxProcessor {
    gateway: WorkerGateway,
    /// For how long a processed push is kept as it came.
    retention: Duration,
    /// What native ids name never changes.
    campaigns: Mutex<HashMap<(AccountSlug, NativeId), Uuid>>,
}

/// Why a push is not processed now.
enum Trouble {
    /// What it is about is not known yet.
    NotYet(Duration),
    Platform(PlatformError),
    Gateway(GatewayError),
}

impl WorkerGateway {
    /// Takes results that `platform` pushes to one of its accounts, at the address with this token.
    ///
    /// # Errors
    /// `NotNow` when they could not be made durable in time.
    pub async fn receive_results(
        &self,
        (platform, account): (PlatformKind, &AccountSlug),
        token: &str,
        body: &[u8],
    ) -> Result<(), PushRefused> {
        let home = self.homes.get(account);
        let home = home.filter(|home| home.adapter.platform() == platform);
        let home = home.ok_or(PushRefused::UnknownAccount)?;
        let campaign = match home.adapter.callbacks().verify(token) {
            Some(PushedTo::Account) => None,
            Some(PushedTo::Campaign(native)) => Some(native),
            None => {
                tracing::warn!(%account, bytes = body.len(), "a push to a wrong address");
                return Err(PushRefused::NotGenuine);
            }
        };
        self.take_in(account, Taken { body, proof: None, campaign }).await
    }

    /// Appends a push that is genuine, and answers when it is durable.
    pub(super) async fn take_in(
        &self,
        account: &AccountSlug,
        taken: Taken<'_>,
    ) -> Result<(), PushRefused> {
        self.in_time(account, self.append(account, taken)).await
    }

    /// Tells a push that is kept nowhere else to those who want everything as it comes.
    pub(super) async fn pass_on(
        &self,
        account: &AccountSlug,
        body: &[u8],
        proof: Option<&str>,
    ) -> Result<(), PushRefused> {
        let Shared { ledger, clock, outbox, .. } = &*self.shared;
        let Ok(text) = std::str::from_utf8(body) else { return Ok(()) };
        let push = NewPush {
            account: account.clone(),
            body: text.to_owned(),
            proof: proof.map(str::to_owned),
            campaign: None,
            trace: traces::current(),
        };
        let told = ledger.announce_push(push, clock.now());
        let told = async {
            if told.await? {
                outbox.tell();
            }
            Ok(())
        };
        self.in_time(account, told).await
    }

    async fn in_time(
        &self,
        account: &AccountSlug,
        appended: impl Future<Output = Result<(), LedgerError>>,
    ) -> Result<(), PushRefused> {
        let appended = tokio::time::timeout(ACCEPT_DEADLINE, appended).await;
        self.shared.inbox.note(matches!(appended, Ok(Ok(()))), self.shared.clock.now());
        match appended {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::error!(%account, %error, "a push is not kept");
                Err(PushRefused::NotNow { retry_after: RETRY_AFTER })
            }
            Err(_) => {
                tracing::error!(%account, "a push is not durable in time");
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

    async fn append(
        &self,
        account: &AccountSlug,
        Taken { body, proof, campaign }: Taken<'_>,
    ) -> Result<(), LedgerError> {
        let Shared { ledger, clock, inbox, outbox, .. } = &*self.shared;
        match std::str::from_utf8(body) {
            Ok(text) if !text.contains('\0') => {
                let push = NewPush {
                    account: account.clone(),
                    body: text.to_owned(),
                    proof: proof.map(str::to_owned),
                    campaign,
                    trace: traces::current(),
                };
                let is_told = ledger.append_inbox(push, clock.now()).await?;
                inbox.came.notify_one();
                if is_told {
                    outbox.tell();
                }
                Ok(())
            }
            _ => {
                let what = Quarantined { reason: "it is no text".to_owned(), body: body.to_vec() };
                ledger.quarantine(account.clone(), what, clock.now()).await
            }
        }
    }
}

impl InboxProcessor {
    pub(super) fn new(gateway: WorkerGateway, retention: Duration) -> Self {
        Self { gateway, retention, campaigns: Mutex::default() }
    }

    /// Works until dropped. What is under way then is done again by whoever comes next.
    pub async fn run(&self) {
        let Shared { clock, inbox, .. } = &*self.gateway.shared;
        let mut forgets_at = clock.now();
        // Pushes whose outcome is on its way into the ledger; the next are read meanwhile.
        let mut held = HashSet::new();
        let mut settling = UnderWay::new();
        let mut may_be_more = true;
        loop {
            if clock.now() >= forgets_at {
                settling.beside(self.forget()).await;
                forgets_at = clock.now() + FORGET_INTERVAL;
            }
            if may_be_more && held.len() < AT_ONCE {
                let read = settling.beside(self.read_due(&held)).await;
                may_be_more = !read.is_empty();
                held.extend(read.iter().map(|(row, _)| row.id));
                for part in parts(read) {
                    settling.push(async move { (self.settle(Arc::clone(&part)).await, part) });
                }
            }
            tokio::select! {
                (is_kept, part) = settling.next() => {
                    // What is not kept is due still, and read again after a pause.
                    may_be_more &= is_kept;
                    for (row, _) in part.iter() {
                        held.remove(&row.id);
                    }
                }
                () = inbox.came.notified(), if !may_be_more => may_be_more = true,
                () = clock.sleep(LOOK_INTERVAL) => may_be_more = true,
            }
        }
    }

    /// What pushes that are due and not held say.
    async fn read_due(&self, held: &HashSet<i64>) -> Vec<(InboxRow, Processed)> {
        let Shared { ledger, clock, .. } = &*self.gateway.shared;
        let looked_at = u32::try_from(AT_ONCE + held.len()).unwrap_or(u32::MAX);
        let mut due = match ledger.due_inbox(looked_at, clock.now()).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, "the inbox cannot be read; it is tried again");
                return Vec::new();
            }
        };
        due.retain(|row| !held.contains(&row.id));
        due.truncate(AT_ONCE);
        let read = join_all(due.into_iter().map(|row| self.process(row))).await;
        read.into_iter().flatten().collect()
    }

    /// What is to be kept of a push; None when it cannot be processed yet.
    async fn process(&self, row: InboxRow) -> Option<(InboxRow, Processed)> {
        let Shared { ledger, clock, .. } = &*self.gateway.shared;
        let (id, account) = (row.id, row.account.clone());
        let (trace, kind) = (row.trace.as_deref(), traces::Kind::Stored);
        let mut span = traces::begin_behind("process push", kind, trace);
        span.set("dialbridge.account", account.to_string());
        let read = span.scope(self.read(&row)).await;
        let postponed = match read {
            Ok(mut processed) => {
                processed.trace = span.context();
                if !processed.quarantined.is_empty() {
                    let rows = processed.quarantined.len();
                    tracing::warn!(%account, rows, "pushed rows are in quarantine");
                }
                return Some((row, processed));
            }
            Err(Trouble::NotYet(wait)) => ledger.postpone_inbox(id, clock.now() + wait).await,
            Err(Trouble::Platform(error)) => {
                let decision =
                    retry::decide(&error, row.tries, clock.random_fraction(), clock.now());
                tracing::warn!(%account, push = id, %error, "a push cannot be processed yet");
                match decision {
                    Decision::Again(at) => ledger.postpone_inbox(id, at).await,
                    Decision::GiveUp => {
                        let reason = format!("its campaign cannot be read: {error}");
                        let body = row.body.clone().into_bytes();
                        let quarantined = vec![Quarantined { reason, body }];
                        return Some((row, Processed { quarantined, ..Processed::default() }));
                    }
                }
            }
            Err(Trouble::Gateway(error)) => {
                tracing::error!(%account, push = id, %error, "a push cannot be processed yet");
                ledger.postpone_inbox(id, clock.now() + LOOK_INTERVAL).await
            }
        };
        if let Err(error) = postponed {
            tracing::error!(%account, push = id, %error, "a push that has to wait does not yet");
        }
        None
    }

    /// Keeps what came of pushes, together if that can be; answers whether all of it is kept.
    async fn settle(&self, together: Arc<[(InboxRow, Processed)]>) -> bool {
        let Shared { ledger, clock, outbox, .. } = &*self.gateway.shared;
        let kept = ledger.settle_inbox(Arc::clone(&together), clock.now()).await;
        outbox.tell();
        let Err(error) = kept else { return true };
        if let [(row, _)] = &*together {
            tracing::error!(push = row.id, %error, "what came of a push is not kept yet");
            return false;
        }
        // One of them may be what keeps the others from it.
        let mut are_kept = true;
        for one in together.iter().cloned() {
            are_kept &= Box::pin(self.settle(Arc::new([one]))).await;
        }
        are_kept
    }

    /// What a push says, row by row.
    async fn read(&self, row: &InboxRow) -> Result<Processed, Trouble> {
        let mut processed = Processed::default();
        let Some(home) = self.gateway.homes.get(&row.account) else {
            let error = GatewayError::unavailable("the account is not configured");
            return Err(Trouble::Gateway(error));
        };
        let Some(rows) = home.adapter.read_results(row.body.as_bytes()) else {
            let reason = "it holds no result rows".to_owned();
            let body = row.body.clone().into_bytes();
            processed.quarantined.push(Quarantined { reason, body });
            return Ok(processed);
        };
        let mut campaigns: HashMap<NativeId, Option<Uuid>> = HashMap::new();
        for pushed in rows {
            let (native, fetched) = match pushed {
                PushedRow::Result { campaign, attempt } => (campaign, attempt),
                PushedRow::Call { call, raw } => {
                    self.read_call(home, row, (&call, &raw), &mut processed).await?;
                    continue;
                }
                PushedRow::Unusable { reason, raw } => {
                    let (reason, body) = (reason.to_owned(), raw.to_vec());
                    processed.quarantined.push(Quarantined { reason, body });
                    continue;
                }
            };
            if row.campaign.as_ref().is_some_and(|only| *only != native) {
                let reason = "it came to another campaign's address".to_owned();
                let body = fetched.raw.to_vec();
                processed.quarantined.push(Quarantined { reason, body });
                continue;
            }
            let campaign = if let Some(known) = campaigns.get(&native) {
                *known
            } else {
                let found = self.campaign(home, &row.account, &native).await?;
                campaigns.insert(native, found);
                found
            };
            if let Some(campaign) = campaign {
                let names = fetched.contact.clone().into_iter();
                let contacts = self.gateway.contacts_by_native(campaign, names).await;
                let contacts = contacts.map_err(Trouble::Gateway)?;
                let seen = self.gateway.seen(&row.account, *fetched, &contacts);
                processed.attempts.push((campaign, seen));
            } else {
                let reason = "the platform knows no such campaign".to_owned();
                let body = fetched.raw.to_vec();
                processed.quarantined.push(Quarantined { reason, body });
            }
        }
        Ok(processed)
    }

    /// How a call ended. It may come before its attempt is known, or known to be over; a call that is
    /// no campaign's is nobody's business here.
    async fn read_call(
        &self,
        home: &Home,
        row: &InboxRow,
        (call, raw): (&NativeId, &[u8]),
        processed: &mut Processed,
    ) -> Result<(), Trouble> {
        let ledger = &self.gateway.shared.ledger;
        let known = ledger.attempt_of_call(row.account.clone(), call.clone()).await?;
        let is_over = |known: &AttemptRow| known.attempt.result != CallResult::InProgress;
        match known {
            Some(known) if is_over(&known) => {
                let explained = home.adapter.explain_by(known.raw.as_bytes(), raw);
                let attempt = explained.map(|explained| explained.attempt);
                processed.explained.extend(attempt.map(|attempt| (known.uuid, attempt)));
            }
            known => match usize::try_from(row.tries).ok().and_then(|n| CALL_WAITS.get(n)) {
                Some(wait) => return Err(Trouble::NotYet(*wait)),
                None => processed.is_foreign = known.is_none(),
            },
        }
        Ok(())
    }

    /// The campaign of that native id, which the directory may not have met yet.
    async fn campaign(
        &self,
        home: &Home,
        account: &AccountSlug,
        native: &NativeId,
    ) -> Result<Option<Uuid>, Trouble> {
        let Shared { ledger, clock, .. } = &*self.gateway.shared;
        let name = (account.clone(), native.clone());
        if let Some(known) = self.remembered().get(&name) {
            return Ok(Some(*known));
        }
        let find = async || ledger.find_by_native(account.clone(), native.clone()).await;
        if let Some(known) = find().await? {
            let mut remembered = self.remembered();
            if remembered.len() >= MAX_REMEMBERED_CAMPAIGNS {
                remembered.clear();
            }
            remembered.insert(name, known.uuid);
            return Ok(Some(known.uuid));
        }
        let asked_at = clock.now();
        let document = home.adapter.campaign_document(Lane::Reconcile, native).await;
        match document.and_then(|document| home.adapter.read_campaign(native, document)) {
            Ok(fetched) => {
                let sighted =
                    self.gateway.sight(account, &home.adapter, vec![fetched], asked_at).await;
                sighted.map_err(Trouble::Gateway)?;
                Ok(find().await?.map(|known| known.uuid))
            }
            Err(error) if error.kind == PlatformErrorKind::NotFound => Ok(None),
            Err(error) => Err(Trouble::Platform(error)),
        }
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<(AccountSlug, NativeId), Uuid>> {
        self.campaigns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn forget(&self) {
        let Shared { ledger, clock, .. } = &*self.gateway.shared;
        let before = clock.now() - self.retention;
        loop {
            match ledger.forget_processed(before, FORGOTTEN_AT_ONCE).await {
                Ok(forgotten) if forgotten == u64::from(FORGOTTEN_AT_ONCE) => {}
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(%error, "old pushes are not forgotten yet");
                    return;
                }
            }
        }
    }
}

/// What is kept by one verb each.
fn parts(read: Vec<(InboxRow, Processed)>) -> impl Iterator<Item = Arc<[(InboxRow, Processed)]>> {
    let mut read = read.into_iter();
    std::iter::from_fn(move || {
        let part: Arc<[_]> = read.by_ref().take(SETTLED_AT_ONCE).collect();
        (!part.is_empty()).then_some(part)
    })
}

impl From<LedgerError> for Trouble {
    fn from(error: LedgerError) -> Self {
        Trouble::Gateway(error.into())
    }
}
