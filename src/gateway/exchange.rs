//! Requests that go through in the asker's own words, because the home speaks them too: checked,
//! journalled, and with the directory kept in step.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use crate::config::{ClientScope, WritePolicy};
use crate::domain::ids::{AccountSlug, CampaignIdentity, CampaignKey, VdnId};
use crate::gateway::error::{GatewayError, Noun, Refusal};
use crate::gateway::patience::answered_soon;
use crate::gateway::route::{Route, route};
use crate::gateway::{Asked, WorkerGateway};
use crate::ledger::journal::JournalEntry;
use crate::platforms::{ConvertContext, Effect, Exchange, Operation};
use crate::transport::pacing::Lane;

/// What a request is about.
#[derive(Debug, Clone)]
pub enum Target {
    Campaign(CampaignKey),
    /// The account as a whole.
    Account(AccountSlug),
}

/// The home's answer, a success, as it sent it.
pub struct Exchanged {
    /// The campaign that it is about, if it is about one.
    pub identity: Option<Arc<CampaignIdentity>>,
    pub body: Bytes,
}

impl WorkerGateway {
    /// How an operation would be done on a campaign's home for this client.
    ///
    /// # Errors
    /// As [`WorkerGateway::resolve`]; `Unsupported` where it cannot be done.
    pub async fn route_of(
        &self,
        asked: &Asked,
        key: CampaignKey,
        operation: Operation,
    ) -> Result<(Arc<CampaignIdentity>, Route), GatewayError> {
        let identity = self.resolve(asked, key).await?;
        let route = route(operation, self.home(&identity)?.adapter.platform(), asked.platform);
        match route {
            Route::Unsupported(reason) => Err(GatewayError::Unsupported(reason)),
            route => Ok((identity, route)),
        }
    }

    /// Whether a campaign is still there, as far as is known: some homes go on showing what was deleted.
    /// While the ledger is away nobody knows; a stop must not wait for that.
    ///
    /// # Errors
    /// `NotFound` when it is known to be deleted.
    pub async fn check_exists(&self, identity: &CampaignIdentity) -> Result<(), GatewayError> {
        match answered_soon(self.shared.ledger.find_entry(identity.uuid)).await {
            Ok(Some(entry)) if entry.snapshot.deleted => {
                Err(GatewayError::NotFound(Noun::Campaign))
            }
            Ok(_) => Ok(()),
            Err(error) if error.is_of_the_store() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// How an operation about a whole account would be done for this client.
    ///
    /// # Errors
    /// `Forbidden` when the account is none of the client's, `Unsupported` where it cannot be done.
    pub fn route_on(
        &self,
        asked: &Asked,
        account: &AccountSlug,
        operation: Operation,
    ) -> Result<Route, GatewayError> {
        asked.client.check_account(account)?;
        match route(operation, self.shared.account(account)?.kind(), asked.platform) {
            Route::Unsupported(reason) => Err(GatewayError::Unsupported(reason)),
            route => Ok(route),
        }
    }

    /// What conversions need to know of a campaign's home.
    ///
    /// # Errors
    /// When the home is not configured.
    pub fn context_of(
        &self,
        identity: &CampaignIdentity,
    ) -> Result<Arc<ConvertContext>, GatewayError> {
        Ok(Arc::clone(&self.home(identity)?.context))
    }

    /// What conversions need to know of an account.
    ///
    /// # Errors
    /// When it is not configured.
    pub fn context_on(&self, account: &AccountSlug) -> Result<Arc<ConvertContext>, GatewayError> {
        let home = self.homes.get(account);
        home.map(|home| Arc::clone(&home.context))
            .ok_or_else(|| GatewayError::unavailable("the account is not configured"))
    }

    /// The present, by the program's clock.
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// The client's account to which a VDN belongs.
    pub fn account_of_vdn(&self, asked: &Asked, vdn: VdnId) -> Option<AccountSlug> {
        let owns = |slug: &&AccountSlug| {
            self.shared.account(slug).is_ok_and(|account| account.vdns().contains(&vdn))
        };
        asked.client.accounts.iter().find(owns).cloned()
    }

    /// The client's accounts whose platform speaks the client's language.
    pub fn accounts_of_own_platform(&self, asked: &Asked) -> Vec<AccountSlug> {
        let speaks = |slug: &&AccountSlug| {
            self.shared.account(slug).is_ok_and(|account| account.kind() == asked.platform)
        };
        asked.client.accounts.iter().filter(speaks).cloned().collect()
    }

    /// The account on which this client makes something new, and how that is done there.
    ///
    /// # Errors
    /// `State` when the client has several accounts and the configuration chooses none, `Unsupported`
    /// where it cannot be done.
    pub fn account_for_creating(
        &self,
        asked: &Asked,
        operation: Operation,
    ) -> Result<(AccountSlug, Route), GatewayError> {
        if asked.client.scope == ClientScope::Read {
            return Err(GatewayError::Forbidden(Refusal::ReadOnlyClient));
        }
        let Some(slug) = asked.client.create_on.clone() else {
            let reason = "the client has several accounts and none is set as create_on";
            return Err(GatewayError::State(reason.to_owned()));
        };
        let route = self.route_on(asked, &slug, operation)?;
        Ok((slug, route))
    }

    /// Passes a request on to a home of the asker's own platform.
    ///
    /// # Errors
    /// `Forbidden` when client or account may not write, `Refused` with the home's own words,
    /// `Unclear` when the answer to a write was lost, `Unsupported` when the home is of another
    /// platform.
    pub async fn exchange(
        &self,
        asked: &Asked,
        target: Target,
        exchange: Exchange,
    ) -> Result<Exchanged, GatewayError> {
        let operation = exchange.operation;
        let is_write = operation.is_write() && exchange.method != "GET";
        let (account, identity) = match target {
            Target::Account(account) => {
                asked.client.check_account(&account)?;
                if is_write {
                    self.may_write(asked, &account)?;
                }
                (account, None)
            }
            Target::Campaign(key) => {
                let known = self.resolve(asked, key).await?;
                let identity =
                    if is_write { self.for_writing(asked, known.uuid).await? } else { known };
                (identity.home.clone(), Some(identity))
            }
        };
        let home = self
            .homes
            .get(&account)
            .ok_or_else(|| GatewayError::unavailable("the campaign's account is not configured"))?;
        match route(operation, home.adapter.platform(), asked.platform) {
            Route::Native => {}
            Route::Unsupported(reason) => return Err(GatewayError::Unsupported(reason)),
            Route::Translated | Route::Emulated => {
                return Err(GatewayError::Internal(format!(
                    "{} does not go through on this home",
                    operation.as_str()
                )));
            }
        }
        let job = self.shared.clock.new_uuid();
        let reads = &self.shared.reads;
        let _writing = is_write.then(|| match &identity {
            Some(identity) => reads.writing(identity),
            None => reads.writing_on(&account),
        });
        if is_write {
            let entry = self.operation_entry(asked, operation, identity.as_deref(), job);
            self.shared.ledger.append_journal(entry).await?;
        }
        let lane = if is_write { Lane::FacadeWrite } else { Lane::FacadeRead };
        let native = identity.as_ref().map(|identity| &identity.native);
        let shared = identity.as_ref().filter(|_| !is_write);
        let shared = shared.map(|identity| (reads.stamp(identity), exchange.clone()));
        let ask = async || {
            home.adapter.exchange(lane, native, exchange).await.map_err(|error| {
                let unclear = error.effect == Effect::Unclear;
                tracing::warn!(%account, %job, unclear, %error, "the home did not do what was asked");
                GatewayError::from_exchange(&error, Noun::Campaign, job)
            })
        };
        let body = match (&identity, shared) {
            (Some(identity), Some((stamp, words))) => {
                let asked = (identity.uuid, identity.home_epoch, stamp, words);
                self.shared.exchanges.share(asked, ask).await?
            }
            _ => ask().await?,
        };
        if is_write && let Some(identity) = &identity {
            self.changed(identity, operation).await?;
        }
        Ok(Exchanged { identity, body })
    }

    /// Makes a campaign public that was just made on a home of the asker's own platform, which
    /// calls it so.
    ///
    /// # Errors
    /// `Unclear` whatever fails: the campaign is there, and discovery will find it.
    pub async fn made(
        &self,
        account: &AccountSlug,
        key: CampaignKey,
    ) -> Result<Arc<CampaignIdentity>, GatewayError> {
        let sighted = self.sight_new(account, key).await;
        let made = sighted.map_err(|error| error.after_a_write(self.shared.clock.new_uuid()))?;
        self.give_own_address(&made).await;
        Ok(made)
    }

    async fn sight_new(
        &self,
        account: &AccountSlug,
        key: CampaignKey,
    ) -> Result<Arc<CampaignIdentity>, GatewayError> {
        let asked_at = self.shared.clock.now();
        let home = self
            .homes
            .get(account)
            .ok_or_else(|| GatewayError::unavailable("the campaign's account is not configured"))?;
        let native = home.adapter.native_of(key).ok_or(GatewayError::NotFound(Noun::Campaign))?;
        let fetched = home.adapter.campaign(Lane::FacadeRead, &native).await;
        let fetched = fetched.map_err(|error| {
            tracing::warn!(%account, %error,
                "the home did not show a new campaign; the next discovery finds it");
            GatewayError::from_platform(&error, Noun::Campaign, self.shared.clock.new_uuid())
        })?;
        let sighted = self.sight(account, &home.adapter, vec![fetched], asked_at).await?;
        sighted.into_iter().next().ok_or(GatewayError::NotFound(Noun::Campaign))
    }

    /// # Errors
    /// `Forbidden` when the client may only read, or the operator allows no writes there.
    pub(super) fn may_write(
        &self,
        asked: &Asked,
        account: &AccountSlug,
    ) -> Result<(), GatewayError> {
        if asked.client.scope == ClientScope::Read {
            return Err(GatewayError::Forbidden(Refusal::ReadOnlyClient));
        }
        if self.shared.account(account)?.writes == WritePolicy::Deny {
            return Err(GatewayError::Forbidden(Refusal::WritesDenied));
        }
        Ok(())
    }

    /// The journal's line about an operation that a client asks for.
    pub(super) fn operation_entry(
        &self,
        asked: &Asked,
        operation: Operation,
        identity: Option<&CampaignIdentity>,
        job: uuid::Uuid,
    ) -> JournalEntry {
        JournalEntry {
            at: self.shared.clock.now(),
            actor: asked.client.name.clone(),
            action: operation.as_str().to_owned(),
            request_id: Some(asked.request_id.clone()),
            campaign: identity.map(|identity| identity.uuid),
            before: None,
            after: None,
            reason: Some(format!("job {job}")),
        }
    }
}
