//! Stops while the ledger is away or does not answer: in doubt nobody is called.

use std::future::Future;
use std::time::Duration;

use crate::domain::ids::CampaignIdentity;
use crate::gateway::error::GatewayError;
use crate::gateway::{Asked, WorkerGateway};
use crate::ledger::LedgerError;
use crate::transport::pacing::Lane;

/// What a stop waits for each answer of the ledger. It asks a few times before it is sent, and its client
/// is answered within 25 s; a database that is locked or hangs takes longer than that.
const LEDGER_PATIENCE: Duration = Duration::from_secs(3);

/// What the ledger answers to a stop; one that does not answer in time is away.
///
/// # Errors
/// `Unclear` when it did not answer in time: what was asked may still be done.
pub(in crate::gateway) async fn in_time<T, E: From<LedgerError>>(
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tokio::time::timeout(LEDGER_PATIENCE, asked).await.unwrap_or_else(|_| {
        let why = format!("it did not answer within {} s", LEDGER_PATIENCE.as_secs());
        Err(LedgerError::Unclear(why).into())
    })
}

impl WorkerGateway {
    /// A stop that the ledger cannot keep is sent all the same: in doubt nobody is called. After that the
    /// campaign stands still though it is wanted running, so its client is asked to stop it once more.
    pub(super) async fn stop_unrecorded(
        &self,
        asked: &Asked,
        identity: &CampaignIdentity,
        error: GatewayError,
    ) -> GatewayError {
        error.log_untold();
        let stopped = match self.home(identity) {
            Ok(home) => home.adapter.stop_campaign(Lane::Stop, &identity.native).await,
            Err(error) => return error,
        };
        let campaign = identity.uuid;
        let told = match stopped {
            Ok(_) => {
                tracing::warn!(%campaign, client = %asked.client.name, request = %asked.request_id,
                    "the home stopped the campaign, and the ledger cannot keep that it is wanted so; \
                     its client is told to stop it again");
                "the platform stopped the campaign, and the ledger cannot keep it; stop it again later"
            }
            Err(error) => {
                tracing::error!(%campaign, client = %asked.client.name, request = %asked.request_id, %error,
                    "the ledger cannot keep a stop, and the home did not confirm it: the campaign may go on \
                     dialling; stop it at its platform");
                "neither the ledger nor the platform took the stop; the campaign may go on dialling"
            }
        };
        GatewayError::unavailable(told)
    }
}
