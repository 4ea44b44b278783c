//! Parts of a campaign that one platform shows as objects and another lacks.
//!
//! A campaign whose home lacks them has parts with ids derived from its own; the ledger knows those.
//! Any other id is looked for on the client's accounts, whose objects it may be.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use crate::domain::ids::{AccountSlug, CampaignIdentity, CampaignKey, CampaignPart};
use crate::gateway::campaigns::CampaignView;
use crate::gateway::discovery::LookedFor;
use crate::gateway::drafts::{ObjectKind, ObjectRow};
use crate::gateway::error::{GatewayError, Noun, Refusal};
use crate::gateway::{Asked, Home, WorkerGateway};
use crate::platforms::{FetchedPart, PlatformErrorKind};
use crate::transport::pacing::Lane;

/// A part of a campaign as it is shown.
pub enum PartView {
    /// An object of the home's own.
    Native { document: Bytes, campaign: Option<Uuid> },
    /// Made from the campaign, live.
    Derived { campaign: Box<CampaignView>, part: CampaignPart },
    /// Kept by the gateway.
    Kept(ObjectRow),
}

/// Where a part is.
pub enum PartHome {
    /// An object of this account's platform.
    Own {
        account: AccountSlug,
        fetched: FetchedPart,
    },
    /// Derived from a campaign on a home without such objects.
    Derived(Arc<CampaignIdentity>),
    Kept(ObjectRow),
}

impl WorkerGateway {
    /// A part by its id.
    ///
    /// # Errors
    /// `NotFound` when nobody has it, `Forbidden` when its campaign is another account's, and
    /// whatever keeps the home from answering.
    pub async fn part(
        &self,
        asked: &Asked,
        part: CampaignPart,
        id: Uuid,
    ) -> Result<PartView, GatewayError> {
        match self.part_home(asked, part, id).await? {
            PartHome::Derived(identity) => {
                let key = CampaignKey::Uuid(identity.uuid);
                let campaign = Box::new(self.campaign(asked, key).await?);
                Ok(PartView::Derived { campaign, part })
            }
            PartHome::Kept(row) => Ok(PartView::Kept(row)),
            PartHome::Own { account, fetched } => {
                let campaign = self.campaign_of(&account, &fetched).await?;
                let campaign = campaign.map(|identity| identity.uuid);
                Ok(PartView::Native { document: fetched.raw, campaign })
            }
        }
    }

    /// Where a part is.
    ///
    /// # Errors
    /// As [`WorkerGateway::part`].
    pub async fn part_home(
        &self,
        asked: &Asked,
        part: CampaignPart,
        id: Uuid,
    ) -> Result<PartHome, GatewayError> {
        if let Some((identity, found)) = self.shared.ledger.find_part(id).await?
            && found == part
        {
            asked.client.check_account(&identity.home)?;
            return Ok(PartHome::Derived(Arc::new(identity)));
        }
        if let Some(row) = self.document(asked, kind_of(part), id).await? {
            return Ok(PartHome::Kept(row));
        }
        let (account, fetched) = self.look_up_part(asked, part, id).await?;
        Ok(PartHome::Own { account, fetched })
    }

    /// The campaign that a part belongs to.
    ///
    /// # Errors
    /// As [`WorkerGateway::part`], and `State` when the part belongs to no campaign.
    pub async fn resolve_part(
        &self,
        asked: &Asked,
        part: CampaignPart,
        id: Uuid,
    ) -> Result<Arc<CampaignIdentity>, GatewayError> {
        if let Some((identity, found)) = self.shared.ledger.find_part(id).await?
            && found == part
        {
            asked.client.check_account(&identity.home)?;
            return Ok(Arc::new(identity));
        }
        if let Some(row) = self.document(asked, kind_of(part), id).await? {
            let none = || GatewayError::State("it belongs to no campaign".to_owned());
            return self.resolve(asked, CampaignKey::Uuid(row.parent.ok_or_else(none)?)).await;
        }
        let (account, fetched) = self.look_up_part(asked, part, id).await?;
        match self.campaign_of(&account, &fetched).await? {
            Some(identity) => Ok(identity),
            None => {
                Err(GatewayError::State(format!("the {} belongs to no campaign", part.as_str())))
            }
        }
    }

    /// The campaign to which an object of a home's own says that it belongs.
    ///
    /// # Errors
    /// Whatever keeps the home or the ledger from answering.
    pub async fn campaign_of(
        &self,
        account: &AccountSlug,
        fetched: &FetchedPart,
    ) -> Result<Option<Arc<CampaignIdentity>>, GatewayError> {
        let Some(native) = &fetched.campaign else { return Ok(None) };
        let known = self.shared.ledger.find_by_native(account.clone(), native.clone()).await?;
        if let Some(identity) = known {
            return Ok(Some(Arc::new(identity)));
        }
        // Made since the last discovery.
        let Some(Home { adapter, .. }) = self.homes.get(account) else { return Ok(None) };
        let asked_at = self.shared.clock.now();
        match adapter.campaign(Lane::FacadeRead, native).await {
            Ok(campaign) => Ok(self.sight(account, adapter, vec![campaign], asked_at).await?.pop()),
            Err(error) if error.kind == PlatformErrorKind::NotFound => Ok(None),
            Err(error) => {
                tracing::warn!(%account, %error,
                    "the home did not show the campaign of a part; the client is told to ask again");
                let job = self.shared.clock.new_uuid();
                Err(GatewayError::from_platform(&error, Noun::Campaign, job))
            }
        }
    }

    async fn look_up_part(
        &self,
        asked: &Asked,
        part: CampaignPart,
        id: Uuid,
    ) -> Result<(AccountSlug, FetchedPart), GatewayError> {
        let looked_for = LookedFor::Part(part, id);
        self.known_as_unknown(asked, &looked_for)?;
        let mut answer = GatewayError::NotFound(Noun::Part(part));
        for account in &asked.client.accounts {
            let Some(home) = self.homes.get(account) else { continue };
            match home.adapter.part(Lane::FacadeRead, part, id).await {
                Ok(Some(fetched)) => return Ok((account.clone(), fetched)),
                Ok(None) => {}
                Err(error) if error.kind == PlatformErrorKind::NotFound => {}
                Err(error) if error.kind == PlatformErrorKind::Forbidden => {
                    answer = GatewayError::Forbidden(Refusal::ForeignAccount);
                }
                Err(error) => {
                    tracing::warn!(%account, %error,
                        "the home did not show a part; the client is told to ask again");
                    return Err(home.refusal(asked.platform, &error, (Noun::Part(part), id)));
                }
            }
        }
        Err(self.remember_unknown(asked, looked_for, answer))
    }
}

fn kind_of(part: CampaignPart) -> ObjectKind {
    match part {
        CampaignPart::DialingRules => ObjectKind::DialingRules,
        CampaignPart::ContactList | CampaignPart::AgentGroup => ObjectKind::ContactList,
    }
}
