//! Results of a campaign that its client wants pushed to an address of its own, while its home cannot:
//! the gateway passes them on, in the shape that the client's platform pushes.

use serde_json::Value;
use url::Url;
use uuid::Uuid;

use crate::domain::destination::{
    Destination, DestinationFilter, DestinationState, SecretVersions,
};
use crate::domain::ids::CampaignIdentity;
use crate::forwarding::Shape;
use crate::gateway::WorkerGateway;
use crate::gateway::destinations::{DEFAULT_CONCURRENCY, DEFAULT_RETRY_WAITS_S, told};
use crate::gateway::error::GatewayError;
use crate::ledger::destinations::{DestinationChange, DestinationRow};
use crate::ledger::journal::JournalEntry;
use crate::mapping::table::Kind;
use crate::platforms::documents::DomainDocument;
use crate::platforms::{self, PlatformKind};

impl WorkerGateway {
    /// Whether results may be passed on to an address.
    ///
    /// # Errors
    /// Why not, as a text.
    pub async fn check_result_address(&self, address: &str) -> Result<(), String> {
        let url = Url::parse(address).map_err(|_| "it is no address".to_owned())?;
        self.shared.courier.check(&url).await.map_err(|why| why.to_string())
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
        let Some(url) = definition.result_url.and_then(|url| Url::parse(&url).ok()) else {
            return Ok(());
        };
        let ledger = &self.shared.ledger;
        let entry = self.gateway_entry("destination-add", identity.uuid);
        let known = self.follower_of(identity.uuid).await?;
        match known.map(|row| row.destination) {
            Some(known) if known.url == url => return Ok(()),
            Some(known) => {
                let change = DestinationChange::Url(url);
                ledger.change_destination(known.uuid, change, entry).await?;
            }
            None => {
                let destination = self.follower(identity, shape, url);
                ledger.add_destination(destination, entry).await?;
            }
        }
        self.shared.outbox.tell_change();
        Ok(())
    }

    /// The campaign is gone. What waits for its client is still sent.
    pub(super) async fn stop_following(&self, campaign: Uuid) -> Result<(), GatewayError> {
        let known = self.follower_of(campaign).await?;
        if let Some(row) = known.filter(|row| row.pending() == 0) {
            let state = DestinationState::Removed;
            let reason = Some("its campaign was deleted".to_owned());
            let entry = self.gateway_entry("destination-remove", campaign);
            let change = DestinationChange::State { state, reason };
            let uuid = row.destination.uuid;
            self.shared.ledger.change_destination(uuid, change, entry).await?;
            self.shared.outbox.tell_change();
        }
        Ok(())
    }

    fn follower(
        &self,
        identity: &CampaignIdentity,
        platform: PlatformKind,
        url: Url,
    ) -> Destination {
        let shape = Shape::Platform(platform);
        Destination {
            uuid: self.shared.clock.new_uuid(),
            name: name_of(identity.uuid),
            shape: platform.as_str().to_owned(),
            url,
            filter: DestinationFilter {
                accounts: vec![identity.home.clone()],
                campaigns: vec![identity.uuid],
                dispositions: told(shape, &[]),
            },
            is_ordered: false,
            rate_per_s: None,
            concurrency: DEFAULT_CONCURRENCY,
            retry_waits_s: DEFAULT_RETRY_WAITS_S.to_vec(),
            // A platform that signs nothing needs no key.
            secret: SecretVersions {
                key: self.shared.courier.newest_key().unwrap_or_default(),
                version: 1,
                old: None,
            },
            state: DestinationState::Active,
            reason: None,
        }
    }

    /// The destination that was made for a campaign, if one was.
    async fn follower_of(&self, campaign: Uuid) -> Result<Option<DestinationRow>, GatewayError> {
        let name = name_of(campaign);
        let known = self.shared.ledger.destinations().await?;
        Ok(known.into_iter().find(|row| row.destination.name == name))
    }

    fn gateway_entry(&self, action: &str, campaign: Uuid) -> JournalEntry {
        JournalEntry {
            campaign: Some(campaign),
            after: Some(name_of(campaign)),
            ..JournalEntry::new(self.shared.clock.now(), "gateway", action)
        }
    }
}

fn name_of(campaign: Uuid) -> String {
    format!("campaign-{campaign}")
}
