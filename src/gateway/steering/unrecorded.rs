//! Stops while the ledger is away or does not answer: in doubt nobody is called.

use crate::domain::campaign::CampaignStatus;
use crate::domain::ids::{CampaignIdentity, CampaignKey};
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::steering::{Desire, Steering};
use crate::gateway::{Arrival, Asked, WorkerGateway};
use crate::ledger::journal::JournalEntry;
use crate::platforms::{Operation, PlatformErrorKind};
use crate::transport::pacing::Lane;

/// Who records what was sent unrecorded.
const ACTOR: &str = "gateway";

impl WorkerGateway {
    /// When a request comes: of a start and a stop the later one counts, whatever becomes of them.
    pub fn arrive(&self) -> Arrival {
        self.shared.stops.arrive()
    }

    /// Whether a stop came after the start, and so it is not to be sent.
    pub(super) fn is_overtaken(&self, steering: &Steering) -> bool {
        let Steering { asked, identity, desire, .. } = steering;
        *desire == Desire::Run && self.shared.stops.overtook(identity.uuid, asked.arrival)
    }

    /// Records the stops that the ledger did not take when they were sent, now that it may.
    pub(in crate::gateway) async fn record_stops(&self) {
        for (campaign, came) in self.shared.stops.all_unrecorded() {
            let recorded = async {
                // Not between the wish of a newer start and its sending.
                let _turn = self.shared.turns.take(campaign).await;
                match self.shared.ledger.find_campaign(CampaignKey::Uuid(campaign)).await? {
                    Some(identity) => self.record_stop(&identity).await,
                    None => Err(GatewayError::NotFound(Noun::Campaign)),
                }
            };
            match recorded.await {
                Ok(()) => {}
                Err(error) if error.is_of_the_store() => {
                    tracing::warn!(%campaign, %error,
                        "a stop could not be recorded after it was sent; it is tried again in 5 s");
                    return;
                }
                // It would be the same the next time, and others wait behind it.
                Err(error) => {
                    tracing::error!(%campaign, %error,
                        "a stop was sent and cannot be recorded; stop the campaign once more");
                    self.shared.stops.recorded(campaign, came);
                }
            }
        }
    }

    /// Records a stop that the ledger did not take when it was sent, if there is one, and has somebody look
    /// whether the campaign stands.
    ///
    /// # Errors
    /// While the ledger still does not take it.
    pub(in crate::gateway) async fn record_stop(
        &self,
        identity: &CampaignIdentity,
    ) -> Result<(), GatewayError> {
        let campaign = identity.uuid;
        let Some(came) = self.shared.stops.unrecorded(campaign) else { return Ok(()) };
        let now = self.shared.clock.now();
        if self.shared.ledger.wish(campaign).await?.desired == CampaignStatus::Running {
            let action = Operation::CampaignStop.as_str();
            let entry = JournalEntry {
                campaign: Some(campaign),
                reason: Some("a stop that the ledger did not take when it was sent".to_owned()),
                ..JournalEntry::new(now, ACTOR, action)
            };
            let stopped = CampaignStatus::Stopped;
            self.shared.ledger.record_desired_status(identity, stopped, entry, None).await?;
        }
        let job = self.shared.clock.new_uuid();
        self.settle_later((ACTOR, None), identity, (job, now)).await?;
        self.shared.stops.recorded(campaign, came);
        Ok(())
    }

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
            Err(error) if error.kind == PlatformErrorKind::State => {
                "the platform says that the campaign does not run, and the ledger cannot keep that it is to \
                 stand; stop it again later"
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
