//! Where a client wants the results of its campaigns: the gateway passes them on, in the shape that
//! the client's platform pushes, where the home cannot or is told to push to the gateway.
//!
//! Campaigns whose results are pushed here have the gateway's address at home. Their clients are shown
//! their own, which is a receiver's: a destination that takes what names it.

use std::collections::HashMap;

use serde_json::Value;
use url::Url;
use uuid::Uuid;

use crate::config::ClientScope;
use crate::domain::destination::{
    Destination, DestinationFilter, DestinationState, SecretVersions,
};
use crate::domain::ids::{AccountSlug, CampaignIdentity, CampaignKey};
use crate::forwarding::Shape;
use crate::gateway::destinations::{DEFAULT_CONCURRENCY, told};
use crate::gateway::error::{GatewayError, Refusal};
use crate::gateway::retry::DEFAULT_DELIVERY_WAITS_S;
use crate::gateway::{Asked, Home, WorkerGateway};
use crate::ledger::journal::JournalEntry;
use crate::ledger::receivers::Names;
use crate::mapping::table::Kind;
use crate::platforms::documents::DomainDocument;
use crate::platforms::{self, FetchedCampaign, PlatformKind};
use crate::transport::pacing::Lane;

/// Where a campaign's home pushes its results, and where its client is told that they go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResultsGo {
    /// Where the home's document says, or nowhere.
    AsSaid,
    /// To the gateway, and from there to the client's own address, if it has one.
    Here { client: Option<Url> },
}

impl WorkerGateway {
    /// Whether results may be passed on to an address.
    ///
    /// # Errors
    /// Why not, as a text.
    pub async fn check_result_address(&self, address: &str) -> Result<Url, String> {
        let url = Url::parse(address).map_err(|_| "it is no address".to_owned())?;
        self.shared.courier.check(&url).await.map_err(|why| why.to_string())?;
        Ok(url)
    }

    /// The address that new campaigns of an account get, in place of their client's own. None where
    /// the account's home does not push by campaign, or nobody said what it reaches the gateway by.
    pub fn callback_address(&self, account: &AccountSlug) -> Option<String> {
        let adapter = &self.homes.get(account)?.adapter;
        adapter.pushes_by_campaign().then(|| adapter.callbacks().address(None)).flatten()
    }

    /// The address that a campaign has at home, if its results are pushed to the gateway.
    ///
    /// # Errors
    /// When its home does not show it.
    pub async fn pushed_here(
        &self,
        asked: &Asked,
        key: CampaignKey,
    ) -> Result<Option<String>, GatewayError> {
        let view = self.campaign(asked, key).await?;
        let here = matches!(view.results, ResultsGo::Here { .. });
        Ok(view.fetched.definition.result_url.filter(|_| here))
    }

    /// A campaign of this name is going to be made whose results are pushed here: this is its
    /// client's own address. It counts from the campaign's first sight on, however that comes about.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn intend_receiver(
        &self,
        asked: &Asked,
        (account, name): (&AccountSlug, &str),
        url: Option<Url>,
    ) -> Result<(), GatewayError> {
        let receiver = url.map(|url| self.receiver(account, Shape::Platform(asked.platform), url));
        let names = Names::NewCampaign(account.clone(), name.to_owned());
        let entry = JournalEntry {
            request_id: Some(asked.request_id.clone()),
            ..self.receiver_entry(&asked.client.name)
        };
        self.shared.ledger.name_receiver(names, receiver, entry).await?;
        self.shared.outbox.tell_change();
        Ok(())
    }

    /// Has a campaign's results passed on to its client's own address, in the client's shape.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn set_receiver(
        &self,
        identity: &CampaignIdentity,
        (by, shape): (&str, PlatformKind),
        url: Option<Url>,
    ) -> Result<(), GatewayError> {
        let ledger = &self.shared.ledger;
        let known = ledger.receivers(vec![identity.uuid]).await?.remove(&identity.uuid);
        if known == url {
            return Ok(());
        }
        let shape = Shape::Platform(shape);
        let receiver = url.map(|url| self.receiver(&identity.home, shape, url));
        let entry = JournalEntry { campaign: Some(identity.uuid), ..self.receiver_entry(by) };
        ledger.name_receiver(Names::Campaign(identity.uuid), receiver, entry).await?;
        self.shared.receivers.forget(identity.uuid);
        self.shared.reads.drop_campaign(&identity.home, &identity.native);
        self.shared.outbox.tell_change();
        Ok(())
    }

    /// Has everything that an account's home pushes passed on as it comes, or its results in the
    /// client's shape where the home speaks otherwise.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub(super) async fn set_account_receiver(
        &self,
        account: &AccountSlug,
        (by, speaks): (&str, PlatformKind),
        url: Option<Url>,
    ) -> Result<(), GatewayError> {
        let home = self.homes.get(account);
        let is_own = home.is_some_and(|home| home.adapter.platform() == speaks);
        let shape = if is_own { Shape::Raw } else { Shape::Platform(speaks) };
        let receiver = url.map(|url| self.receiver(account, shape, url));
        let entry = self.receiver_entry(by);
        self.shared.ledger.name_receiver(Names::Account(account.clone()), receiver, entry).await?;
        self.shared.outbox.tell_change();
        Ok(())
    }

    /// Where a client wants everything of its accounts told, as far as the gateway does that.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn account_results(&self, asked: &Asked) -> Result<Option<Url>, GatewayError> {
        for account in self.accounts_by_own_first(asked) {
            if let Some(url) = self.shared.ledger.account_receiver(account).await? {
                return Ok(Some(url));
            }
        }
        Ok(None)
    }

    /// Has everything of a client's accounts told to its address; of its own platform's accounts only
    /// where they push `here`, for they push to it themselves otherwise.
    ///
    /// # Errors
    /// `Forbidden` when the client may only read.
    pub async fn set_account_results(
        &self,
        asked: &Asked,
        url: Option<Url>,
        here: bool,
    ) -> Result<(), GatewayError> {
        if asked.client.scope == ClientScope::Read {
            return Err(GatewayError::Forbidden(Refusal::ReadOnlyClient));
        }
        let by = (&*asked.client.name, asked.platform);
        let own = self.accounts_of_own_platform(asked);
        for account in &asked.client.accounts {
            let url = url.clone().filter(|_| here || !own.contains(account));
            if self.shared.ledger.account_receiver(account.clone()).await? != url {
                self.set_account_receiver(account, by, url).await?;
            }
        }
        Ok(())
    }

    /// Whether an address that a client's own account shows is the gateway's.
    ///
    /// # Errors
    /// As [`WorkerGateway::own_account`].
    pub fn is_pushed_here(&self, asked: &Asked, address: &str) -> Result<bool, GatewayError> {
        let home = self.homes.get(&self.own_account(asked)?);
        Ok(home.is_some_and(|home| home.adapter.callbacks().is_own(address)))
    }

    /// The gateway's address that a client's own account has, or gets with its next change; None
    /// where it pushes to its client itself.
    ///
    /// # Errors
    /// As [`WorkerGateway::own_account`].
    pub fn own_push_address(
        &self,
        asked: &Asked,
        present: &str,
    ) -> Result<Option<String>, GatewayError> {
        if self.is_pushed_here(asked, present)? {
            return Ok(Some(present.to_owned()));
        }
        let home = self.homes.get(&self.own_account(asked)?);
        Ok(home.and_then(|home| home.adapter.callbacks().address(None)))
    }

    fn accounts_by_own_first(&self, asked: &Asked) -> Vec<AccountSlug> {
        let mut accounts = self.accounts_of_own_platform(asked);
        let others = asked.client.accounts.iter().filter(|slug| !accounts.contains(slug));
        let others: Vec<AccountSlug> = others.cloned().collect();
        accounts.extend(others);
        accounts
    }

    /// Passes a campaign's results on to the address that its client's document names, if its home
    /// does not do that itself.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub(super) async fn follow_results(
        &self,
        identity: &CampaignIdentity,
        shape: PlatformKind,
        document: &Value,
    ) -> Result<(), GatewayError> {
        let home = self.home(identity)?;
        if home.adapter.platform() == shape {
            return Ok(());
        }
        let read = platforms::document_to_domain(shape, Kind::Campaign, document, &home.context);
        let Ok(DomainDocument::Campaign(definition, _)) = read.map(|read| read.value) else {
            return Ok(());
        };
        let url = definition.result_url.and_then(|url| Url::parse(&url).ok());
        self.set_receiver(identity, ("gateway", shape), url).await
    }

    /// The campaign is gone. What waits for its client is still sent.
    pub(super) async fn stop_following(
        &self,
        identity: &CampaignIdentity,
    ) -> Result<(), GatewayError> {
        let platform = self.home(identity)?.adapter.platform();
        self.set_receiver(identity, ("gateway", platform), None).await
    }

    /// Where results go of a campaign that its home shows so.
    pub(super) async fn results_go(
        &self,
        identity: &CampaignIdentity,
        fetched: &FetchedCampaign,
    ) -> Result<ResultsGo, GatewayError> {
        if !is_pushed_here(self.home(identity)?, fetched) {
            return Ok(ResultsGo::AsSaid);
        }
        let now = self.shared.clock.now();
        let memory = &self.shared.receivers;
        if let Some(client) = memory.recall(identity.uuid, now) {
            return Ok(ResultsGo::Here { client });
        }
        let mut known = self.shared.ledger.receivers(vec![identity.uuid]).await?;
        let client = known.remove(&identity.uuid);
        memory.remember(identity.uuid, client.clone(), now);
        Ok(ResultsGo::Here { client })
    }

    /// The same of several campaigns: one question for all.
    pub(super) async fn results_go_of(
        &self,
        campaigns: impl Iterator<Item = (&CampaignIdentity, &FetchedCampaign)>,
    ) -> Result<HashMap<Uuid, ResultsGo>, GatewayError> {
        let mut here = Vec::new();
        for (identity, fetched) in campaigns {
            if is_pushed_here(self.home(identity)?, fetched) {
                here.push(identity.uuid);
            }
        }
        if here.is_empty() {
            return Ok(HashMap::new());
        }
        let mut known = self.shared.ledger.receivers(here.clone()).await?;
        let go = |uuid| (uuid, ResultsGo::Here { client: known.remove(&uuid) });
        Ok(here.into_iter().map(go).collect())
    }

    /// Has the home push a campaign's results elsewhere, and looks whether it does. None: nowhere.
    ///
    /// # Errors
    /// A text that says why not, without the address.
    pub(super) async fn push_results_to(
        &self,
        home: &Home,
        fetched: &FetchedCampaign,
        address: Option<&str>,
    ) -> Result<FetchedCampaign, String> {
        let (lane, native) = (Lane::FacadeWrite, &fetched.native);
        let mut definition = fetched.definition.clone();
        // Only a text without letters takes an address away: one that is left out stays.
        definition.result_url = Some(address.unwrap_or_default().to_owned());
        let written = Box::pin(home.adapter.modify_campaign(lane, native, &definition)).await;
        let found = home.adapter.campaign(lane, native).await.map_err(|error| error.to_string())?;
        if found.definition.result_url.as_deref() == address.filter(|address| !address.is_empty()) {
            return Ok(found);
        }
        match written {
            Err(error) => Err(error.to_string()),
            Ok(_) => Err("the home says that it was written, and shows another address".to_owned()),
        }
    }

    /// A new campaign gets its own address in place of the account's, where that is wanted. What does
    /// not work out now is left to `adopt`.
    pub(super) async fn give_own_address(&self, identity: &CampaignIdentity) {
        let Some(home) = self.homes.get(&identity.home) else { return };
        let callbacks = home.adapter.callbacks();
        if !callbacks.is_per_campaign() {
            return;
        }
        let done = async {
            let fetched = home.adapter.campaign(Lane::FacadeWrite, &identity.native).await;
            let fetched = fetched.map_err(|error| error.to_string())?;
            let own = callbacks.address(Some(&identity.native));
            if is_pushed_here(home, &fetched) && fetched.definition.result_url != own {
                self.push_results_to(home, &fetched, own.as_deref()).await?;
            }
            Ok::<(), String>(())
        };
        if let Err(why) = Box::pin(done).await {
            tracing::warn!(campaign = %identity.uuid, why,
                "the campaign keeps the account's address for its results");
        }
    }

    fn receiver(&self, account: &AccountSlug, shape: Shape, url: Url) -> Destination {
        let uuid = self.shared.clock.new_uuid();
        Destination {
            uuid,
            name: format!("receiver-{uuid}"),
            shape: shape.as_str().to_owned(),
            url,
            filter: DestinationFilter {
                accounts: vec![account.clone()],
                campaigns: Vec::new(),
                dispositions: match shape {
                    Shape::Raw => Vec::new(),
                    shape => told(shape, &[]),
                },
            },
            is_receiver: true,
            requires_receipt: false,
            is_ordered: false,
            rate_per_s: None,
            concurrency: DEFAULT_CONCURRENCY,
            retry_waits_s: DEFAULT_DELIVERY_WAITS_S.to_vec(),
            // A platform that signs nothing needs no key.
            secret: SecretVersions {
                key: self.shared.courier.newest_key().unwrap_or_default(),
                version: 1,
                old: Vec::new(),
            },
            state: DestinationState::Active,
            reason: None,
        }
    }

    fn receiver_entry(&self, by: &str) -> JournalEntry {
        JournalEntry::new(self.shared.clock.now(), by, "receiver-set")
    }
}

/// Whether the gateway's address stands in a campaign.
pub(super) fn is_pushed_here(home: &Home, fetched: &FetchedCampaign) -> bool {
    let address = fetched.definition.result_url.as_deref();
    address.is_some_and(|address| home.adapter.callbacks().is_own(address))
}
