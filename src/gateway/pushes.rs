//! Campaigns that are read again, because a push says that they have changed, or because a list no
//! longer has them.
//!
//! A push is proved genuine by its platform's adapter; then the campaign that it names joins its
//! account's queue, where it stands once however often it is named, and kept details of it are told
//! no more. One [`Refresher`] per account reads what waits, within the account's pace. Nothing that a
//! push says is believed but the name, so copies, late ones and wrong orders do no harm. What is not
//! read in the end is met by the next discovery.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::decoding;
use crate::domain::ids::{AccountSlug, NativeId};
use crate::gateway::error::GatewayError;
use crate::gateway::inbox::{Arrived, Genuine};
use crate::gateway::retry::{self, Decision};
use crate::gateway::{Home, Shared, WorkerGateway};
use crate::platforms::{PlatformError, PlatformErrorKind, PlatformKind, Push, PushError, PushedTo};
use crate::transport::pacing::Lane;

/// Campaigns of one account that wait to be read again; a push for one more is refused for now.
pub const MAX_WAITING_CAMPAIGNS: usize = 10_000;
/// How often a campaign is read that does not answer; then it is left to discovery.
const MAX_TRIES: i64 = 4;
/// How long a platform is told to wait with a push that is not taken now.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a push is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PushRefused {
    #[error("there is no such account on this platform")]
    UnknownAccount,
    #[error("not proved to be the platform's")]
    NotGenuine,
    #[error("not now")]
    NotNow { retry_after: Duration },
}

/// Reads campaigns of one account again that were named.
pub struct Refresher {
    gateway: WorkerGateway,
    account: AccountSlug,
}

/// What waits to be read again, by account.
pub(super) struct Stale {
    accounts: HashMap<AccountSlug, Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    news: Notify,
}

/// In the order in which they were named first.
#[derive(Default)]
struct Waiting {
    order: VecDeque<NativeId>,
    members: HashSet<NativeId>,
}

impl WorkerGateway {
    /// Whether pushes of `platform` to this account can be taken at all.
    pub fn takes_pushes(&self, platform: PlatformKind, account: &AccountSlug) -> bool {
        self.homes.get(account).is_some_and(|home| home.adapter.platform() == platform)
    }

    /// Whether pushes to an address of this account with this token prove themselves by it.
    pub fn knows_address(&self, account: &AccountSlug, token: &str) -> bool {
        let home = self.homes.get(account);
        home.is_some_and(|home| home.adapter.callbacks().verify(token).is_some())
    }

    /// Takes a push of `platform` to one of its accounts, which came with this signature to the address
    /// with this token.
    ///
    /// # Errors
    /// `NotNow` when it may be genuine and cannot be proved or kept at present.
    pub async fn receive_push(
        &self,
        (platform, account): (PlatformKind, &AccountSlug),
        (proof, token): (Option<&str>, Option<&str>),
        arrived: Arrived<'_>,
    ) -> Result<(), PushRefused> {
        let home = self.home_of_pushes(platform, account)?;
        let proved = home.adapter.prove_push(Push { body: arrived.body, proof, token }).await;
        let proved = match proved {
            Err(refused @ (PushError::NotGenuine | PushError::TooSoon { .. })) => {
                // The platform signs what it sends; a proxy may have packed it afterwards.
                let packing = arrived.declared.content_encoding;
                match decoding::unpack(arrived.body, packing, arrived.limit_bytes) {
                    Ok(Cow::Owned(body)) => {
                        let push = Push { body: &body, proof, token };
                        home.adapter.prove_push(push).await.map_err(|_| refused)
                    }
                    Ok(Cow::Borrowed(_)) | Err(_) => Err(refused),
                }
            }
            proved => proved,
        };
        match proved {
            Ok(()) => {
                self.take_in((account, home), Genuine { arrived, proof, campaign: None }).await
            }
            Err(PushError::NotGenuine) => {
                tracing::debug!(%account, bytes = arrived.body.len(),
                    "a push is not genuine; it is kept as unproved");
                self.keep_unproved(account, arrived, "its signature does not hold").await;
                Err(PushRefused::NotGenuine)
            }
            Err(PushError::Unproved(error)) => {
                tracing::warn!(%account, %error, "a push cannot be proved genuine now");
                Err(PushRefused::NotNow { retry_after: RETRY_AFTER })
            }
            Err(PushError::TooSoon { again_in }) => {
                tracing::debug!(%account, bytes = arrived.body.len(),
                    "a push fits no secret known a moment ago");
                // In whole seconds, and not before it is asked again.
                Err(PushRefused::NotNow { retry_after: again_in + RETRY_AFTER })
            }
        }
    }

    /// Takes results that `platform` pushes to one of its accounts, at the address with this token.
    ///
    /// # Errors
    /// `NotNow` when they could not be made durable in time.
    pub async fn receive_results(
        &self,
        (platform, account): (PlatformKind, &AccountSlug),
        token: &str,
        arrived: Arrived<'_>,
    ) -> Result<(), PushRefused> {
        let home = self.home_of_pushes(platform, account)?;
        let campaign = match home.adapter.callbacks().verify(token) {
            Some(PushedTo::Account) => None,
            Some(PushedTo::Campaign(native)) => Some(native),
            None => {
                tracing::debug!(%account, bytes = arrived.body.len(),
                    "a push came to a wrong address; it is kept as unproved");
                self.keep_unproved(account, arrived, "it came to a wrong address").await;
                return Err(PushRefused::NotGenuine);
            }
        };
        self.take_in((account, home), Genuine { arrived, proof: None, campaign }).await
    }

    fn home_of_pushes(
        &self,
        platform: PlatformKind,
        account: &AccountSlug,
    ) -> Result<&Home, PushRefused> {
        let home = self.homes.get(account);
        let home = home.filter(|home| home.adapter.platform() == platform);
        home.ok_or(PushRefused::UnknownAccount)
    }
}

impl Refresher {
    pub(super) fn new(gateway: WorkerGateway, account: AccountSlug) -> Self {
        Self { gateway, account }
    }

    /// Waits until a campaign is named, and brings the directory up to date with it.
    pub async fn run_once(&self) {
        let account = &self.account;
        let Shared { stale, clock, .. } = &*self.gateway.shared;
        let native = stale.next(account).await;
        for attempt in 0..MAX_TRIES {
            let error = match self.refresh(&native).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error,
                Err(error) => {
                    tracing::warn!(%account, %native, %error,
                        "the campaign could not be read again; the next discovery does it");
                    return;
                }
            };
            match retry::decide(&error, attempt, clock.random_fraction(), clock.now()) {
                Decision::Again(at) if attempt + 1 < MAX_TRIES => clock.sleep_until(at).await,
                _ => tracing::warn!(%account, %native, %error,
                        "the campaign could not be read again; the next discovery does it"),
            }
        }
    }

    async fn refresh(&self, native: &NativeId) -> Result<Result<(), PlatformError>, GatewayError> {
        let account = &self.account;
        let Shared { clock, ledger, .. } = &*self.gateway.shared;
        let Some(Home { adapter, .. }) = self.gateway.homes.get(account) else {
            return Err(GatewayError::unavailable("the account is not configured"));
        };
        let asked_at = clock.now();
        let document = adapter.campaign_document(Lane::Enrichment, native).await;
        match document.and_then(|document| adapter.read_campaign(native, document)) {
            Ok(fetched) => {
                self.gateway.sight(account, adapter, vec![fetched], asked_at).await?;
                Ok(Ok(()))
            }
            Err(error) if error.kind == PlatformErrorKind::NotFound => {
                let known = ledger.find_by_native(account.clone(), native.clone()).await?;
                if let Some(known) = known {
                    ledger.mark_as_gone(known.uuid, asked_at, clock.now()).await?;
                }
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(error)),
        }
    }
}

impl Stale {
    pub fn new(accounts: impl Iterator<Item = AccountSlug>) -> Self {
        Self { accounts: accounts.map(|slug| (slug, Queue::default())).collect() }
    }

    /// False when there is no room for one more.
    pub fn add(&self, account: &AccountSlug, native: NativeId) -> bool {
        let Some(queue) = self.accounts.get(account) else { return false };
        {
            let mut waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.members.contains(&native) {
                return true;
            }
            if waiting.order.len() >= MAX_WAITING_CAMPAIGNS {
                return false;
            }
            waiting.members.insert(native.clone());
            waiting.order.push_back(native);
        }
        queue.news.notify_one();
        true
    }

    /// The one that waits longest. What is named from now on is read again after this.
    async fn next(&self, account: &AccountSlug) -> NativeId {
        let Some(queue) = self.accounts.get(account) else { return std::future::pending().await };
        loop {
            {
                let mut waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(native) = waiting.order.pop_front() {
                    waiting.members.remove(&native);
                    return native;
                }
            }
            // A call that came in between is remembered by the notice.
            queue.news.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_campaign_waits_once_and_again_after_it_was_taken() {
        let account = AccountSlug::new("acme").unwrap();
        let stale = Stale::new(std::iter::once(account.clone()));
        let native = |name: &str| NativeId::new(name.to_owned());
        for name in ["a", "b", "a"] {
            assert!(stale.add(&account, native(name)));
        }
        assert_eq!(stale.next(&account).await, native("a"));
        assert!(stale.add(&account, native("a")));
        assert_eq!(stale.next(&account).await, native("b"));
        assert_eq!(stale.next(&account).await, native("a"));
        let mut empty = Box::pin(stale.next(&account));
        assert!(futures_util::poll!(empty.as_mut()).is_pending());
    }

    #[test]
    fn a_full_queue_refuses_what_is_new_and_knows_what_waits() {
        let account = AccountSlug::new("acme").unwrap();
        let stale = Stale::new(std::iter::once(account.clone()));
        let native = |number: usize| NativeId::new(number.to_string());
        assert!((0..MAX_WAITING_CAMPAIGNS).all(|number| stale.add(&account, native(number))));
        assert!(!stale.add(&account, native(MAX_WAITING_CAMPAIGNS)));
        assert!(stale.add(&account, native(7)));
    }
}
