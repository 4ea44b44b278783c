//! What VoIPBin's own ids say about public ones, and reading what was kept of its documents.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::client::Client;
use super::requests::segment;
use super::wire;
use crate::domain::ids::{CampaignKey, CampaignPart, NativeId};
use crate::platforms::{
    AddedContacts, FetchedCampaign, FetchedPart, Operation, PlatformError, PlatformErrorKind,
    PublicNames,
};
use crate::transport::pacing::Lane;

/// A campaign's UUID is its public one; the pair is assigned.
pub fn public_names(native: &NativeId) -> PublicNames {
    PublicNames { uuid: Uuid::try_parse(native.as_str()).ok(), pair: None }
}

pub fn native_of(key: CampaignKey) -> Option<NativeId> {
    match key {
        CampaignKey::Uuid(uuid) => Some(NativeId::new(uuid.to_string())),
        CampaignKey::Pair(_) => None,
    }
}

/// What a campaign's document names as its next one.
pub fn next_campaign(document: &[u8]) -> Option<Uuid> {
    let campaign: wire::Campaign = serde_json::from_slice(document).ok()?;
    Uuid::try_parse(&campaign.next_campaign_id).ok().filter(|id| !id.is_nil())
}

#[derive(Deserialize)]
struct Belongs {
    #[serde(default)]
    campaign_id: Option<String>,
}

impl Client {
    /// A campaign from a document of its own, without its parts.
    pub fn read_campaign(&self, raw: Bytes) -> Result<FetchedCampaign, PlatformError> {
        let campaign: wire::Campaign = serde_json::from_slice(&raw).map_err(|_| {
            let detail = "a kept document is no campaign";
            PlatformError::new(Operation::CampaignDetail, PlatformErrorKind::Malformed, detail)
        })?;
        let bundle = wire::CampaignBundle { campaign, ..wire::CampaignBundle::default() };
        Ok(self.fetched(&bundle, raw))
    }

    /// Adds contacts from documents of the platform's own.
    pub async fn add_documents(
        &self,
        lane: Lane,
        native: &NativeId,
        documents: &[Bytes],
    ) -> Result<AddedContacts, PlatformError> {
        let targets: Vec<wire::Target> = documents
            .iter()
            .map(|document| serde_json::from_slice(document))
            .collect::<Result<_, _>>()
            .map_err(|_| {
                let detail = "a contact's document cannot be read";
                PlatformError::new(Operation::ContactAdd, PlatformErrorKind::Invalid, detail)
            })?;
        self.add_targets(lane, native, &targets).await
    }

    /// An outplan, outdial or queue. A queue belongs to no campaign.
    pub async fn part(
        &self,
        lane: Lane,
        part: CampaignPart,
        id: Uuid,
    ) -> Result<Option<FetchedPart>, PlatformError> {
        let path = match part {
            CampaignPart::DialingRules => format!("/outplans/{}", segment(&id.to_string())),
            CampaignPart::ContactList => format!("/outdials/{}", segment(&id.to_string())),
            CampaignPart::AgentGroup => format!("/queues/{}", segment(&id.to_string())),
        };
        let raw = self.get(Operation::CampaignDetail, lane, &path, None).await?;
        let belongs: Belongs = serde_json::from_slice(&raw).map_err(|_| {
            let detail = "status 200 with a body that is not the object";
            PlatformError::new(Operation::CampaignDetail, PlatformErrorKind::Malformed, detail)
        })?;
        let campaign = belongs.campaign_id.filter(|id| !wire::is_unset(id)).map(NativeId::new);
        Ok(Some(FetchedPart { campaign, raw }))
    }
}

/// A campaign and its outplan in one document, as `translate` reads them.
pub fn campaign_document(campaign: &Value, outplan: Option<&Value>) -> Value {
    json!({ "campaign": campaign, "outplan": outplan })
}

/// The campaign of such a document.
pub fn campaign_of_document(mut document: Value) -> Value {
    match document.get_mut("campaign") {
        Some(campaign) => campaign.take(),
        None => document,
    }
}

/// Outplan, outdial and queue that a campaign names.
pub fn parts_of(campaign: &Value) -> Vec<(CampaignPart, Uuid)> {
    let named = [
        (CampaignPart::DialingRules, "outplan_id"),
        (CampaignPart::ContactList, "outdial_id"),
        (CampaignPart::AgentGroup, "queue_id"),
    ];
    let id = |name: &str| Uuid::try_parse(campaign.get(name)?.as_str()?).ok();
    named
        .into_iter()
        .filter_map(|(part, name)| Some((part, id(name).filter(|id| !id.is_nil())?)))
        .collect()
}
