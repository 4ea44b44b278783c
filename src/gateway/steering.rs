//! Starts and stops (docs/decisions/0009-starts-and-stops.md). What is wanted is journalled, the home
//! asked, and what the home answers recorded; an answer that is lost is looked up and never guessed.

use std::sync::Arc;

use uuid::Uuid;

use crate::domain::campaign::CampaignStatus;
use crate::domain::ids::{CampaignIdentity, CampaignKey};
use crate::gateway::campaigns::{CampaignView, failed};
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::route::{Route, route};
use crate::gateway::rules::End;
use crate::gateway::{Asked, WorkerGateway};
use crate::ledger::LedgerError;
use crate::ledger::journal::JournalEntry;
use crate::platforms::{Effect, FetchedCampaign, Operation, PlatformKind, Steered};
use crate::transport::pacing::Lane;

/// What a client wants a campaign to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Desire {
    Run,
    Stop,
}

/// What asking for the state that the campaign has already means to the asker's platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Nothing to do.
    Done,
    /// A mistake.
    Refused,
}

/// A start or stop that did not succeed.
struct Refused {
    error: GatewayError,
    wanted_before: CampaignStatus,
    entry: JournalEntry,
    job: Uuid,
}

impl WorkerGateway {
    /// Starts or stops a campaign, and answers how it stands afterwards.
    ///
    /// # Errors
    /// `Forbidden` when the client or the account may not write, `State` when the campaign's state
    /// does not allow it, `Unclear` when the home's answer was lost and looking it up did not help.
    pub async fn set_desired(
        &self,
        asked: &Asked,
        key: CampaignKey,
        desire: Desire,
        repeat: Repeat,
    ) -> Result<CampaignView, GatewayError> {
        // Boxed is what few of them need, or not for long: every request moves the room for it, and
        // holds it while it waits for the disk.
        let identity = self.resolve(asked, key).await?;
        self.check_may_write(asked, &identity)?;
        let _writing = self.shared.reads.writing(&identity);
        if let Route::Unsupported(reason) =
            route(desire.operation(), self.home(&identity)?.adapter.platform(), asked.platform)
        {
            return Err(GatewayError::Unsupported(reason));
        }
        let job = self.shared.clock.new_uuid();
        if desire == Desire::Stop && self.shared.loading.end(identity.uuid) {
            // It stands still while its contacts are loaded; it must not go on afterwards.
            self.record_desire(asked, desire, &identity, job).await?;
            return Box::pin(self.view(asked.platform, identity)).await;
        }
        // Where the home looks after that itself, asking it costs nothing but the question.
        if repeat == Repeat::Refused || !self.home(&identity)?.adapter.guards_its_states() {
            let before = Box::pin(self.view(asked.platform, Arc::clone(&identity))).await?;
            if desire.needs_no_write(&before.fetched, repeat)? {
                return Ok(before);
            }
        }
        // A start and a change of rules go one after the other; a stop waits for nobody.
        let _turn = match desire {
            Desire::Run => Some(self.shared.turns.take(identity.uuid).await),
            Desire::Stop => None,
        };
        let wanted_before = self.record_desire(asked, desire, &identity, job).await?;
        if desire == Desire::Run {
            // The wish is in the ledger before the rules are read: of a start here and a change in
            // another process, one sees the other.
            let by = (&*asked.client.name, Some(&*asked.request_id));
            if let Err(error) = Box::pin(self.check_rules(by, &identity)).await {
                let entry = self.journal_entry(asked, desire, &identity, job);
                let refused = JournalEntry { reason: Some(format!("refused, job {job}")), ..entry };
                let ledger = &self.shared.ledger;
                ledger.record_desired_status(&identity, wanted_before, refused).await?;
                return Err(error);
            }
        }
        let written = Box::pin(self.write_status(&identity, desire, job)).await;
        let entry = self.journal_entry(asked, desire, &identity, job);
        match written {
            Ok(steered) => self.keep_steered(asked.platform, identity, steered, entry).await,
            Err(error) => {
                let refused = Refused { error, wanted_before, entry, job };
                let wish = (desire, repeat);
                Box::pin(self.look_after_refusal(asked.platform, identity, wish, refused)).await
            }
        }
    }

    /// Keeps and shows how a campaign stands that its home has started or stopped: by the document
    /// that the home answered with, or by the one that the directory has.
    async fn keep_steered(
        &self,
        asked_as: PlatformKind,
        identity: Arc<CampaignIdentity>,
        steered: Steered,
        entry: JournalEntry,
    ) -> Result<CampaignView, GatewayError> {
        let view = if let Some(document) = steered.document {
            let adapter = &self.home(&identity)?.adapter;
            let fetched = adapter.read_campaign(&identity.native, document);
            let fetched = fetched.map_err(|error| failed(&error, &identity))?;
            self.record_outcome(&identity, &fetched, entry).await?;
            self.view_of(asked_as, identity, fetched)?
        } else {
            let ledger = &self.shared.ledger;
            let kept = ledger.record_actual_status(identity.uuid, steered.status, entry).await?;
            self.view_as_listed(asked_as, identity, kept).await?
        };
        self.with_what_clients_said(asked_as, view).await
    }

    /// A start or stop that was refused, or whose answer was lost: only a look at the campaign tells
    /// what came of it. It may stand as it should; else the wish is taken back, unless that is unclear.
    async fn look_after_refusal(
        &self,
        asked_as: PlatformKind,
        identity: Arc<CampaignIdentity>,
        (desire, repeat): (Desire, Repeat),
        Refused { error, wanted_before, entry, job }: Refused,
    ) -> Result<CampaignView, GatewayError> {
        let after = self.read(asked_as, Arc::clone(&identity)).await;
        if let Ok(after) = &after {
            self.record_outcome(&identity, &after.fetched, entry.clone()).await?;
        }
        match (error, after) {
            (GatewayError::State(_) | GatewayError::Unclear { .. }, Ok(after))
                if desire.is_met_by(&after.fetched.status) =>
            {
                Ok(after)
            }
            (error @ GatewayError::Unclear { .. }, _) => Err(error),
            (error, after) => {
                let refused = JournalEntry { reason: Some(format!("refused, job {job}")), ..entry };
                let ledger = &self.shared.ledger;
                ledger.record_desired_status(&identity, wanted_before, refused).await?;
                match after {
                    Ok(after) => desire.needs_no_write(&after.fetched, repeat).and(Err(error)),
                    Err(_) => Err(error),
                }
            }
        }
    }

    /// Journals what is wanted before anybody is asked for it; answers what was wanted until now.
    async fn record_desire(
        &self,
        asked: &Asked,
        desire: Desire,
        identity: &CampaignIdentity,
        job: Uuid,
    ) -> Result<CampaignStatus, GatewayError> {
        let entry = self.journal_entry(asked, desire, identity, job);
        let ledger = &self.shared.ledger;
        let recorded = ledger.record_desired_status(identity, desire.status(), entry).await;
        if recorded == Err(LedgerError::Moved) {
            // What was remembered is put right, for whoever asks again.
            self.for_writing(asked, identity.uuid).await?;
        }
        Ok(recorded?)
    }

    /// A campaign with a rule that nobody would enforce is not started; one with an end is stopped
    /// then, one that another may follow is watched. `by` is who starts it, and the request.
    pub(super) async fn check_rules(
        &self,
        by: (&str, Option<&str>),
        identity: &CampaignIdentity,
    ) -> Result<(), GatewayError> {
        if let Some(stated) = self.kept_rules(identity).await? {
            match stated.end() {
                End::Never => {}
                End::At(end) => self.see_to_end(by, identity, end).await?,
                End::Unknown(why) => return Err(GatewayError::Unenforced(why.to_string())),
            }
        }
        self.watch_end(by, identity, Vec::new()).await
    }

    async fn write_status(
        &self,
        identity: &CampaignIdentity,
        desire: Desire,
        job: Uuid,
    ) -> Result<Steered, GatewayError> {
        let home = self.home(identity)?;
        let written = match desire {
            Desire::Run => home.adapter.start_campaign(Lane::FacadeWrite, &identity.native).await,
            Desire::Stop => home.adapter.stop_campaign(Lane::Stop, &identity.native).await,
        };
        written.map_err(|error| {
            let unclear = error.effect == Effect::Unclear;
            tracing::warn!(campaign = %identity.uuid, %job, unclear, %error, "start or stop");
            GatewayError::from_platform(&error, Noun::Campaign, job)
        })
    }

    fn journal_entry(
        &self,
        asked: &Asked,
        desire: Desire,
        identity: &CampaignIdentity,
        job: Uuid,
    ) -> JournalEntry {
        JournalEntry {
            at: self.shared.clock.now(),
            actor: asked.client.name.clone(),
            action: desire.operation().as_str().to_owned(),
            request_id: Some(asked.request_id.clone()),
            campaign: Some(identity.uuid),
            before: None,
            after: None,
            reason: Some(format!("job {job}")),
        }
    }
}

impl Desire {
    fn operation(self) -> Operation {
        match self {
            Desire::Run => Operation::CampaignStart,
            Desire::Stop => Operation::CampaignStop,
        }
    }

    fn status(self) -> CampaignStatus {
        match self {
            Desire::Run => CampaignStatus::Running,
            Desire::Stop => CampaignStatus::Stopped,
        }
    }

    fn is_met_by(self, status: &CampaignStatus) -> bool {
        match self {
            Desire::Run => *status == CampaignStatus::Running,
            Desire::Stop => {
                matches!(
                    status,
                    CampaignStatus::Stopped | CampaignStatus::Stopping | CampaignStatus::Ended
                )
            }
        }
    }

    /// Whether the campaign stands as wanted already, as far as the asker's platform calls that
    /// right; an ended campaign never runs again.
    fn needs_no_write(
        self,
        campaign: &FetchedCampaign,
        repeat: Repeat,
    ) -> Result<bool, GatewayError> {
        let status = &campaign.status;
        if self == Desire::Run && *status == CampaignStatus::Ended {
            return Err(GatewayError::State("the campaign has ended".to_owned()));
        }
        if self == Desire::Run && campaign.deleted {
            return Err(GatewayError::State("the campaign is deleted".to_owned()));
        }
        match (self.is_met_by(status), repeat) {
            (true, Repeat::Refused) => {
                Err(GatewayError::State(format!("the campaign is {} already", status.as_str())))
            }
            (met, _) => Ok(met),
        }
    }
}
