//! Campaigns that pushes name and that nobody knows yet: each is asked for once, however many rows and
//! pushes name it, and what came of that is remembered for a while.
//!
//! One [`Asker`] per account asks, within the account's pace. So nobody who processes a push waits for
//! a platform longer than a moment, and a campaign that cannot be read costs ever fewer requests.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::domain::ids::{AccountSlug, NativeId};
use crate::gateway::error::GatewayError;
use crate::gateway::retry::{self, Decision};
use crate::gateway::{Home, Shared, WorkerGateway};
use crate::platforms::{PlatformError, PlatformErrorKind};
use crate::transport::pacing::Lane;

/// Campaigns of one account that wait to be asked for; rows that name one more wait.
const MAX_OPEN: usize = 1000;
/// Answers of one account that are remembered.
const MAX_ANSWERS: usize = 10_000;
/// Campaigns that are remembered by their native ids; then all are forgotten.
const MAX_MET: usize = 10_000;
/// How long a platform's no is believed, and a yes: then the ledger knows the campaign.
const BELIEVED_FOR: Duration = Duration::from_secs(60);
/// When those come again for whom there was no room, or no answer in time.
const LATER: Duration = Duration::from_secs(1);

/// What is known about a campaign that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The ledger knows it now.
    Met,
    /// It never will be met; the reason.
    Never(String),
    /// It may be met then; why it is not now.
    Later(Timestamp, String),
}

/// By account.
pub(in crate::gateway) struct Questions {
    accounts: HashMap<AccountSlug, Desk>,
    /// What native ids name never changes.
    met: Mutex<HashMap<(AccountSlug, NativeId), Uuid>>,
}

#[derive(Default)]
struct Desk {
    state: Mutex<State>,
    asked: Notify,
    answered: Notify,
}

#[derive(Default)]
struct State {
    order: VecDeque<NativeId>,
    known: HashMap<NativeId, Known>,
}

struct Known {
    /// How often it was asked for in vain.
    tries: i64,
    /// None: it is being asked for.
    answer: Option<(Answer, Timestamp)>,
}

/// Asks for one account's campaigns.
pub struct Asker {
    gateway: WorkerGateway,
    account: AccountSlug,
}

impl Questions {
    pub fn new(accounts: impl Iterator<Item = AccountSlug>) -> Self {
        let accounts = accounts.map(|slug| (slug, Desk::default())).collect();
        Self { accounts, met: Mutex::default() }
    }

    /// A campaign that was met before.
    pub(super) fn met(&self, account: &AccountSlug, native: &NativeId) -> Option<Uuid> {
        self.remembered().get(&(account.clone(), native.clone())).copied()
    }

    pub(super) fn meet(&self, account: &AccountSlug, native: &NativeId, uuid: Uuid) {
        let mut met = self.remembered();
        if met.len() >= MAX_MET {
            met.clear();
        }
        met.insert((account.clone(), native.clone()), uuid);
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<(AccountSlug, NativeId), Uuid>> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known about a campaign, which is asked for if need be; waits until `deadline` for it.
    pub(super) async fn ask(
        &self,
        account: &AccountSlug,
        native: &NativeId,
        (now, deadline): (Timestamp, tokio::time::Instant),
    ) -> Answer {
        let late = || Answer::Later(now + LATER, "its campaign is being asked for".to_owned());
        let Some(desk) = self.accounts.get(account) else { return late() };
        loop {
            let answered = desk.answered.notified();
            tokio::pin!(answered);
            // From here on no answer is missed.
            answered.as_mut().enable();
            if let Some(answer) = desk.look_up(native, now) {
                return answer;
            }
            if tokio::time::timeout_at(deadline, answered).await.is_err() {
                return late();
            }
        }
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer; None while it is awaited.
    fn look_up(&self, native: &NativeId, now: Timestamp) -> Option<Answer> {
        let mut state = self.state();
        let tries = match state.known.get(native) {
            Some(Known { answer: None, .. }) => return None,
            Some(Known { answer: Some((answer, until)), .. }) if now < *until => {
                return Some(answer.clone());
            }
            Some(Known { tries, .. }) => *tries,
            None => 0,
        };
        if state.known.len() >= MAX_ANSWERS {
            state
                .known
                .retain(|_, known| known.answer.as_ref().is_none_or(|(_, until)| now < *until));
        }
        if state.order.len() >= MAX_OPEN || state.known.len() >= MAX_ANSWERS {
            let reason = "too many unknown campaigns are asked for".to_owned();
            return Some(Answer::Later(now + LATER, reason));
        }
        state.known.insert(native.clone(), Known { tries, answer: None });
        state.order.push_back(native.clone());
        drop(state);
        self.asked.notify_one();
        None
    }

    async fn next(&self) -> (NativeId, i64) {
        loop {
            {
                let mut state = self.state();
                if let Some(native) = state.order.pop_front() {
                    let tries = state.known.get(&native).map_or(0, |known| known.tries);
                    return (native, tries);
                }
            }
            // A call that came in between is remembered by the notice.
            self.asked.notified().await;
        }
    }

    fn answer(&self, native: NativeId, tries: i64, (answer, until): (Answer, Timestamp)) {
        let tries = if matches!(answer, Answer::Later(..)) { tries + 1 } else { 0 };
        self.state().known.insert(native, Known { tries, answer: Some((answer, until)) });
        self.answered.notify_waiters();
    }
}

/// Why a campaign is not met.
enum Unmet {
    Platform(PlatformError),
    Gateway(GatewayError),
}

impl Asker {
    pub(in crate::gateway) fn new(gateway: WorkerGateway, account: AccountSlug) -> Self {
        Self { gateway, account }
    }

    /// Waits until a campaign is named that nobody knows, and asks for it.
    pub async fn run_once(&self) {
        let Shared { questions, clock, .. } = &*self.gateway.shared;
        let Some(desk) = questions.accounts.get(&self.account) else {
            return std::future::pending().await;
        };
        let (native, tries) = desk.next().await;
        let met = self.meet(&native).await;
        let now = clock.now();
        let believed = now + BELIEVED_FOR;
        let never = |reason: String| (Answer::Never(reason), believed);
        let later = |at: Timestamp, reason: String| (Answer::Later(at, reason), at);
        let answer = match met {
            Ok(()) => (Answer::Met, believed),
            Err(Unmet::Platform(error)) if error.kind == PlatformErrorKind::NotFound => {
                never("the platform knows no such campaign".to_owned())
            }
            Err(Unmet::Platform(error)) => {
                let reason = format!("its campaign cannot be read: {error}");
                match retry::decide(&error, tries, clock.random_fraction(), now) {
                    Decision::Again(at) => later(at, reason),
                    Decision::GiveUp => never(reason),
                }
            }
            // Whatever it is that we cannot do, the rows wait for it; they do not wait for ever.
            Err(Unmet::Gateway(error)) => {
                let reason = format!("its campaign cannot be kept: {error}");
                later(now + retry::push_wait(tries, clock.random_fraction()), reason)
            }
        };
        let account = &self.account;
        match &answer {
            (Answer::Later(_, reason), _) => tracing::warn!(%account, %native, reason,
                "a push names a campaign that could not be read; its rows wait"),
            (Answer::Never(reason), _) => tracing::warn!(%account, %native, reason,
                "a push names a campaign that cannot be read; its rows go to quarantine (`dialbridge inbox`)"),
            _ => {}
        }
        desk.answer(native, tries, answer);
    }

    async fn meet(&self, native: &NativeId) -> Result<(), Unmet> {
        let Some(Home { adapter, .. }) = self.gateway.homes.get(&self.account) else {
            return Err(Unmet::Gateway(GatewayError::unavailable("the account is not configured")));
        };
        let asked_at = self.gateway.shared.clock.now();
        let document = adapter.campaign_document(Lane::Reconcile, native).await;
        let fetched = document
            .and_then(|document| adapter.read_campaign(native, document))
            .map_err(Unmet::Platform)?;
        let sighted = self.gateway.sight(&self.account, adapter, vec![fetched], asked_at).await;
        sighted.map(drop).map_err(Unmet::Gateway)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native(name: &str) -> NativeId {
        NativeId::new(name.to_owned())
    }

    #[tokio::test]
    async fn a_campaign_is_asked_for_once_and_a_no_is_believed_for_a_while() {
        let (desk, start) = (Desk::default(), Timestamp::UNIX_EPOCH);
        for _ in 0..3 {
            assert_eq!(desk.look_up(&native("7/1"), start), None);
        }
        assert_eq!(desk.next().await, (native("7/1"), 0));
        assert!(
            futures_util::poll!(Box::pin(desk.next()).as_mut()).is_pending(),
            "asked for twice"
        );
        let no = Answer::Never("no".to_owned());
        desk.answer(native("7/1"), 0, (no.clone(), start + BELIEVED_FOR));
        assert_eq!(desk.look_up(&native("7/1"), start), Some(no));
        assert_eq!(desk.look_up(&native("7/1"), start + BELIEVED_FOR), None, "asked for again");
    }

    #[tokio::test]
    async fn what_fails_is_counted_and_too_many_wait() {
        let (desk, start) = (Desk::default(), Timestamp::UNIX_EPOCH);
        for tries in 0..3 {
            assert_eq!(desk.look_up(&native("a"), start), None);
            assert_eq!(desk.next().await, (native("a"), tries));
            desk.answer(native("a"), tries, (Answer::Later(start, String::new()), start));
        }
        for number in 0..MAX_OPEN {
            assert_eq!(desk.look_up(&native(&number.to_string()), start), None);
        }
        assert!(matches!(desk.look_up(&native("b"), start), Some(Answer::Later(..))));
    }
}
