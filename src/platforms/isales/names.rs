//! What CC-iSales' own ids say about public ones, and reading what was kept of its documents.

use bytes::Bytes;

use super::client::Client;
use super::requests::CampaignPath;
use super::wire;
use crate::domain::ids::{CampaignKey, CampaignNumber, NativeId, PublicPair};
use crate::platforms::{
    AddedContacts, FetchedCampaign, Operation, PlatformError, PlatformErrorKind, PublicNames,
};
use crate::transport::pacing::Lane;

/// A campaign's VDN and number are its public pair, as far as clients with 31-bit integers can hold
/// the number; the UUID is proposed.
pub fn public_names(native: &NativeId) -> PublicNames {
    let pair = CampaignPath::parse(native).and_then(|path| {
        let number = CampaignNumber::new(path.id.parse().ok()?).ok()?;
        Some(PublicPair { vdn: path.vdn, number })
    });
    PublicNames { uuid: None, pair }
}

impl Client {
    /// None for ids that cannot be a campaign of this account.
    pub fn native_of(&self, key: CampaignKey) -> Option<NativeId> {
        match key {
            CampaignKey::Pair(pair) if self.owns(pair.vdn) => Some(NativeId::new(pair.to_string())),
            CampaignKey::Pair(_) | CampaignKey::Uuid(_) => None,
        }
    }

    /// Adds contacts from documents of the platform's own, of either version.
    pub async fn add_documents(
        &self,
        lane: Lane,
        native: &NativeId,
        documents: &[Bytes],
    ) -> Result<AddedContacts, PlatformError> {
        let mut records: Vec<wire::CallData> = documents
            .iter()
            .map(|document| serde_json::from_slice(document))
            .collect::<Result<_, _>>()
            .map_err(|_| {
                let detail = "a contact's document cannot be read";
                PlatformError::new(Operation::ContactAdd, PlatformErrorKind::Invalid, detail)
            })?;
        for record in &mut records {
            // The second version takes a list of numbers where the first takes one.
            if let wire::Called::One(number) = &mut record.called {
                let called_no = std::mem::take(number);
                let only = wire::CalledNo { called_no, ..wire::CalledNo::default() };
                record.called = wire::Called::Many(vec![only]);
            }
        }
        self.add_records(lane, native, &records).await
    }

    /// A campaign from a document of its own.
    pub fn read_campaign(
        &self,
        native: &NativeId,
        raw: Bytes,
    ) -> Result<FetchedCampaign, PlatformError> {
        let operation = Operation::CampaignDetail;
        let path = self.campaign_path(operation, native)?;
        let campaign: wire::Campaign = serde_json::from_slice(&raw).map_err(|_| {
            let detail = "a kept document is no campaign";
            PlatformError::new(operation, PlatformErrorKind::Malformed, detail)
        })?;
        Ok(self.fetched(&path, &campaign, raw))
    }
}
