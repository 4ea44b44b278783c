//! Daily statistics of a campaign whose home counts nothing, from the ledger.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::ids::{CampaignIdentity, CampaignKey, VdnId};
use crate::domain::listing::Window;
use crate::gateway::campaigns::Wanted;
use crate::gateway::error::GatewayError;
use crate::gateway::{Asked, WorkerGateway};
use crate::ledger::counters::Counting;

pub use crate::ledger::counters::{Counted, Counters};

/// A campaign's contacts by how far they are.
pub struct CampaignStatistics {
    pub identity: Arc<CampaignIdentity>,
    pub counted: Counted,
}

/// When each client last asked for the statistics of a VDN.
#[derive(Default)]
pub(super) struct LastCounts {
    by_client: Mutex<HashMap<(String, VdnId), Timestamp>>,
}

/// "Once per five minutes" (CC-iSales reference 4.5).
pub const STATISTICS_GAP: Duration = Duration::from_secs(300);
/// Campaigns that one question counts; each is read from its home.
const MAX_COUNTED: u32 = 50;
/// Askers remembered; then all are forgotten.
const MAX_ASKERS: usize = 10_000;

impl WorkerGateway {
    /// Counts one campaign of a VDN, or its newest ones.
    ///
    /// # Errors
    /// `Quota` with the time to wait when this client asked for the VDN a moment ago, and as
    /// [`WorkerGateway::statistics`].
    pub async fn statistics_of_vdn(
        &self,
        asked: &Asked,
        vdn: VdnId,
        campaign: Option<CampaignKey>,
        label: Option<String>,
    ) -> Result<Vec<CampaignStatistics>, GatewayError> {
        let mut keys = Vec::new();
        if let Some(key) = campaign {
            self.resolve(asked, key).await?;
            keys.push(key);
        }
        self.take_turn(asked, vdn)?;
        if campaign.is_none() {
            let wanted = Wanted { vdn: Some(vdn), ..Wanted::default() };
            let window = Window::Offset { offset: 0, limit: MAX_COUNTED };
            let listing = self.list_campaigns(asked, wanted, window).await?;
            keys.extend(listing.campaigns.iter().map(|v| CampaignKey::Uuid(v.identity.uuid)));
        }
        let mut counted = Vec::with_capacity(keys.len());
        for key in keys {
            counted.push(self.statistics(asked, key, label.clone()).await?);
        }
        Ok(counted)
    }

    fn take_turn(&self, asked: &Asked, vdn: VdnId) -> Result<(), GatewayError> {
        let now = self.shared.clock.now();
        let mut last = self.shared.counts.by_client.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (asked.client.name.clone(), vdn);
        if let Some(next) = last.get(&key).map(|at| *at + STATISTICS_GAP).filter(|next| now < *next)
        {
            let wait = Duration::try_from(next.duration_since(now)).unwrap_or(STATISTICS_GAP);
            let reason = "statistics are given once in five minutes".to_owned();
            return Err(GatewayError::Quota { reason, retry_after: Some(wait) });
        }
        if last.len() >= MAX_ASKERS {
            last.clear();
        }
        last.insert(key, now);
        Ok(())
    }

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
