//! What a campaign's results come to, and outcomes that no table knows.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::ids::{AccountSlug, CampaignKey};
use crate::gateway::WorkerGateway;
use crate::gateway::destinations::OperatorView;
use crate::gateway::error::GatewayError;

pub use crate::ledger::outcomes::{ContactTotals, Rollup, UnknownCode};

/// Codes that were warned of; then all are forgotten, and warned of again.
const MAX_ALERTED: usize = 1000;

/// Codes that no table knows and that were warned of.
#[derive(Default)]
pub(super) struct Unknown {
    alerted: Mutex<HashSet<(AccountSlug, String)>>,
}

impl Unknown {
    /// Warns of a code once. The log does not quote it: a platform may put anything there.
    pub(super) fn alert(&self, account: &AccountSlug, code: &str) {
        let mut alerted = self.alerted.lock().unwrap_or_else(PoisonError::into_inner);
        if alerted.len() >= MAX_ALERTED {
            alerted.clear();
        }
        if alerted.insert((account.clone(), code.to_owned())) {
            tracing::warn!(%account,
                "the platform sent an outcome that no table knows; `dialbridge mappings unknown` lists it");
        }
    }
}

impl WorkerGateway {
    /// A campaign's attempts by quarters of an hour that begin in a span, and how far its contacts are;
    /// None when it is none of the operator's.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn outcomes(
        &self,
        operator: OperatorView<'_>,
        campaign: Uuid,
        (from, until): (Timestamp, Timestamp),
    ) -> Result<Option<(Vec<Rollup>, ContactTotals)>, GatewayError> {
        let ledger = &self.shared.ledger;
        let known = ledger.find_campaign(CampaignKey::Uuid(campaign)).await?;
        if !known.is_some_and(|identity| operator.accounts.contains(&identity.home)) {
            return Ok(None);
        }
        let rollups = ledger.rollups(campaign, from, until).await?;
        Ok(Some((rollups, ledger.contact_totals(campaign).await?)))
    }

    /// Codes that no table knows, of the operator's accounts.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn unknown_codes(
        &self,
        operator: OperatorView<'_>,
    ) -> Result<Vec<UnknownCode>, GatewayError> {
        Ok(self.shared.ledger.unknown_codes(operator.accounts.to_vec()).await?)
    }
}
