//! Daily statistics of a campaign whose home counts nothing, from the ledger.

use std::sync::Arc;

use crate::domain::ids::{CampaignIdentity, CampaignKey};
use crate::gateway::error::GatewayError;
use crate::gateway::{Asked, WorkerGateway};
use crate::ledger::counters::Counting;

pub use crate::ledger::counters::{Counted, Counters};

/// A campaign's contacts by how far they are.
pub struct CampaignStatistics {
    pub identity: Arc<CampaignIdentity>,
    pub counted: Counted,
}

impl WorkerGateway {
    /// Counts the contacts that were added through the gateway, after reading what the home reports;
    /// `label` names those to count. The day is the account's.
    ///
    /// # Errors
    /// As [`WorkerGateway::campaign`].
    pub async fn statistics(
        &self,
        asked: &Asked,
        key: CampaignKey,
        label: Option<String>,
    ) -> Result<CampaignStatistics, GatewayError> {
        let identity = self.swept(asked, key).await?;
        let view = self.campaign(asked, key).await?;
        let now = self.shared.clock.now().to_zoned(view.context.zone.clone());
        let day_begin = now.start_of_day().map_err(|error| {
            GatewayError::Internal(format!("the account's day has no beginning: {error}"))
        })?;
        let counting = Counting {
            campaign: identity.uuid,
            day_begin: day_begin.timestamp(),
            label,
            attempts_by_place: view.fetched.definition.retry.attempts_by_place,
        };
        let counted = self.shared.ledger.count_contacts(counting).await?;
        Ok(CampaignStatistics { identity, counted })
    }
}
