//! Adding and deleting contacts on a home that does not do that while the campaign dials: it is paused
//! for that, and goes on when no contact was changed for a moment.
//!
//! A job that is durable before the pause lets it go on again, so a crash in between costs some
//! seconds. It does so only while the campaign is wanted running: a stop that a client asks for
//! meanwhile stays. While it is held, clients see it running.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::campaign::CampaignStatus;
use crate::domain::ids::{CampaignIdentity, CampaignKey};
use crate::gateway::campaigns::failed;
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::jobs::{JobKind, Run, Stop};
use crate::gateway::{Asked, WorkerGateway, settling};
use crate::ledger::jobs::NewJob;
use crate::ledger::journal::JournalEntry;
use crate::ledger::steering::SteeringTurn;
use crate::platforms::{Operation, PlatformErrorKind};
use crate::transport::pacing::Lane;

/// A held campaign goes on when none of its contacts was changed for so long.
const QUIET: Duration = Duration::from_secs(2);
/// A campaign is not held longer than this, however much is changed; the next change holds it anew.
const MAX_HELD: Duration = Duration::from_secs(60);
/// How long the turn to pause it is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// When a contact of each held campaign was last changed.
#[derive(Default)]
pub(super) struct Holds {
    changed: Mutex<HashMap<Uuid, Timestamp>>,
}

impl WorkerGateway {
    /// Sees to it that this may be done to contacts of the campaign now.
    ///
    /// # Errors
    /// Whatever keeps the home from telling how the campaign stands, or from pausing it.
    pub(super) async fn hold_for(
        &self,
        operation: Operation,
        asked: &Asked,
        identity: &CampaignIdentity,
    ) -> Result<(), GatewayError> {
        let home = self.home(identity)?;
        if home.adapter.allows_while_dialling(operation) {
            return Ok(());
        }
        let now = self.shared.clock.now();
        if self.shared.loading.is_loading(identity.uuid) {
            self.shared.holds.changed_at(identity.uuid, now);
            return Ok(());
        }
        let native = &identity.native;
        let found = home.adapter.campaign(Lane::FacadeWrite, native).await;
        let found = found.map_err(|error| failed(&error, identity))?;
        self.notice(identity, &found, now).await?;
        if found.status != CampaignStatus::Running {
            return Ok(());
        }
        let job = NewJob {
            uuid: self.shared.clock.new_uuid(),
            kind: JobKind::Hold.into(),
            subject: Some(identity.uuid),
            account: identity.home.clone(),
            actor: asked.client.name.clone(),
            request_id: Some(asked.request_id.clone()),
            input: "{}".to_owned(),
            run_at: now + QUIET,
        };
        // Before the pause: whatever happens, it goes on.
        let job = self.submit(job).await?.uuid;
        if !self.turn_to_hold(identity, job).await? {
            return Ok(());
        }
        self.shared.loading.begin(identity.uuid);
        self.shared.holds.changed_at(identity.uuid, now);
        let paused = match home.adapter.stop_campaign(Lane::FacadeWrite, native).await {
            Ok(paused) => paused.status,
            // It stopped by itself meanwhile, or another process holds it.
            Err(error) if error.kind == PlatformErrorKind::State => CampaignStatus::Stopped,
            Err(error) => return Err(GatewayError::from_platform(&error, Noun::Campaign, job)),
        };
        let entry = JournalEntry {
            request_id: Some(asked.request_id.clone()),
            campaign: Some(identity.uuid),
            reason: Some(format!("paused while contacts are changed, job {job}")),
            ..JournalEntry::new(self.shared.clock.now(), &asked.client.name, operation.as_str())
        };
        let ledger = &self.shared.ledger;
        ledger.record_actual_status(identity.uuid, paused, entry, Some(job)).await?;
        self.shared.steered.notify_waiters();
        Ok(())
    }

    /// Takes the turn to pause a campaign that is wanted running; false when it is not wanted so any
    /// more.
    async fn turn_to_hold(
        &self,
        identity: &CampaignIdentity,
        job: Uuid,
    ) -> Result<bool, GatewayError> {
        let running = Some(CampaignStatus::Running);
        match self.await_claim(identity, (job, running), PATIENCE).await?.0 {
            SteeringTurn::Ours => Ok(true),
            SteeringTurn::NotWanted => Ok(false),
            SteeringTurn::Others(_) => {
                let reason = "a start or stop of the campaign is not answered yet";
                Err(GatewayError::unavailable(reason))
            }
        }
    }
}

/// One turn: waits for what is still being changed, then lets the campaign go on.
pub(super) async fn run(run: &mut Run<'_>) -> Result<Option<String>, Stop> {
    let gateway = run.gateway;
    let subject = run.row.subject.ok_or_else(|| Stop::Failed("a job about nothing".to_owned()))?;
    let now = gateway.shared.clock.now();
    let quiet = gateway.shared.holds.last(subject).map(|changed| changed + QUIET);
    if let Some(at) = quiet.filter(|at| *at > now && now < run.row.created_at + MAX_HELD) {
        return Err(Stop::Later { at, why: "contacts are being changed".to_owned() });
    }
    let outcome = go_on(run, subject).await;
    if !outcome.as_ref().is_err_and(Stop::goes_on) {
        gateway.shared.loading.end(subject);
        gateway.shared.holds.forget(subject);
    }
    outcome.map(|()| None)
}

async fn go_on(run: &mut Run<'_>, subject: Uuid) -> Result<(), Stop> {
    let gateway = run.gateway;
    let ledger = &gateway.shared.ledger;
    let Some(identity) = ledger.find_campaign(CampaignKey::Uuid(subject)).await? else {
        return Ok(());
    };
    if ledger.wish(subject).await?.desired != CampaignStatus::Running {
        return Ok(());
    }
    let _turn = gateway.shared.turns.take(subject).await;
    match gateway.kept_rules(&identity).await {
        Ok(_) => {}
        Err(GatewayError::Unenforced(why)) => return Err(Stop::Failed(why)),
        Err(error) => return Err(error.into()),
    }
    let entry = JournalEntry {
        campaign: Some(subject),
        reason: Some(format!("contacts are changed, job {}", run.row.uuid)),
        ..JournalEntry::new(
            gateway.shared.clock.now(),
            &run.row.actor,
            Operation::CampaignStart.as_str(),
        )
    };
    // Refused: it has ended, or is no more. Each is how it should stand.
    settling::start(run, &identity, entry, ()).await.map(drop)
}

impl Holds {
    fn changed_at(&self, campaign: Uuid, now: Timestamp) {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).insert(campaign, now);
    }

    fn last(&self, campaign: Uuid) -> Option<Timestamp> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).get(&campaign).copied()
    }

    fn forget(&self, campaign: Uuid) {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).remove(&campaign);
    }
}
