//! Stops while the ledger is away or does not answer: in doubt nobody is called.

use crate::domain::ids::CampaignIdentity;
use crate::gateway::error::GatewayError;
use crate::gateway::{Asked, WorkerGateway};
use crate::transport::pacing::Lane;

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
