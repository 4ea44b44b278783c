//! A campaign that dials although its client stated a rule that nobody keeps: started at the platform
//! itself, or while the rule was being changed by another process. A job stops it, once for each time
//! that it is found so, and says why (docs/decisions/0024-rules-that-nobody-keeps.md).

use uuid::Uuid;

use crate::domain::campaign::CampaignStatus;
use crate::domain::ids::{CampaignIdentity, CampaignKey};
use crate::gateway::error::GatewayError;
use crate::gateway::jobs::{JobKind, Run, Stop};
use crate::gateway::rules::{self, End, Stated};
use crate::gateway::{Asked, WorkerGateway, settling};
use crate::ledger::jobs::NewJob;
use crate::ledger::journal::JournalEntry;
use crate::ledger::steering::SteeringTurn;
use crate::platforms::{self, Operation, PlatformErrorKind};
use crate::transport::pacing::Lane;

/// Who stops a campaign that nobody asked to stop.
const ACTOR: &str = "gateway";

impl WorkerGateway {
    /// What was stated of a campaign, if all of it is kept now.
    ///
    /// # Errors
    /// `Unenforced` when the campaign may not dial.
    pub(super) async fn kept_rules(
        &self,
        identity: &CampaignIdentity,
    ) -> Result<Option<Stated>, GatewayError> {
        let stated = self.stated(identity).await?;
        let reason = stated.as_ref().and_then(|s| rules::unenforced(s, self.shared.clock.now()));
        reason.map_or(Ok(stated), |reason| Err(GatewayError::Unenforced(reason)))
    }

    /// Of a campaign that dials or is wanted to, when its rules were changed or it was found so: it stops
    /// at its end, and at once where a rule is not kept.
    pub(super) async fn see_to_rules(
        &self,
        by: (&str, Option<&str>),
        identity: &CampaignIdentity,
    ) -> Result<(), GatewayError> {
        match self.kept_rules(identity).await {
            Ok(Some(stated)) => match stated.end() {
                End::At(end) => self.stop_at(by, identity, end).await,
                End::Never | End::Unknown(_) => Ok(()),
            },
            Ok(None) => Ok(()),
            Err(GatewayError::Unenforced(why)) => self.stop_unkept(identity, &why).await,
            Err(error) => Err(error),
        }
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

    /// Whether nothing is kept of a campaign because nothing was ever stated in the asker's words. After a
    /// copy took the ledger's place that may be otherwise.
    ///
    /// # Errors
    /// `Unenforced` when its rules may be lost, and its home knows none.
    pub(super) async fn check_not_forgotten(
        &self,
        asked: &Asked,
        identity: &CampaignIdentity,
    ) -> Result<(), GatewayError> {
        let home = self.home(identity)?.adapter.platform();
        let knows_all = asked.platform == home || platforms::keeps_windows(home);
        if knows_all || !self.shared.ledger.may_have_been_forgotten(identity.uuid).await? {
            return Ok(());
        }
        let why = "the ledger was restored from a copy that is older than the campaign, so its hours and days \
                   may be lost, and its home knows none; state them anew";
        Err(GatewayError::Unenforced(why.to_owned()))
    }

    /// Looks at a campaign that was found dialling where its home keeps no windows; false when that did
    /// not succeed.
    pub(super) async fn look_at_found_running(&self, identity: &CampaignIdentity) -> bool {
        let seen = self.see_to_rules((ACTOR, None), identity).await;
        if let Err(error) = &seen {
            tracing::warn!(campaign = %identity.uuid, %error,
                "the rules of a running campaign could not be checked; the next discovery does it");
        }
        seen.is_ok()
    }

    /// True where the home leaves it to the gateway to look at the rules of what dials.
    pub(super) fn must_look_at_running(&self, identity: &CampaignIdentity) -> bool {
        let home = self.homes.get(&identity.home);
        home.is_some_and(|home| !platforms::keeps_windows(home.adapter.platform()))
    }

    async fn stop_unkept(
        &self,
        identity: &CampaignIdentity,
        why: &str,
    ) -> Result<(), GatewayError> {
        tracing::warn!(campaign = %identity.uuid, why,
            "a campaign dials against a rule that nobody keeps; it is stopped");
        let job = NewJob {
            uuid: self.shared.clock.new_uuid(),
            kind: JobKind::Unkept.into(),
            subject: Some(identity.uuid),
            account: identity.home.clone(),
            actor: ACTOR.to_owned(),
            request_id: None,
            input: "{}".to_owned(),
            run_at: self.shared.clock.now(),
        };
        self.submit(job).await.map(drop)
    }
}

/// One turn: stops the campaign if it still dials and its rules are still not kept.
pub(super) async fn run(run: &mut Run<'_>) -> Result<Option<String>, Stop> {
    let gateway = run.gateway;
    let subject = run.row.subject.ok_or_else(|| Stop::Failed("a job about nothing".to_owned()))?;
    let Some(identity) = found(gateway, subject).await? else { return Ok(None) };
    let why = match gateway.kept_rules(&identity).await {
        Ok(_) => return Ok(None),
        Err(GatewayError::Unenforced(why)) => why,
        Err(error) if error.passes() => return Err(error.into()),
        Err(error) => error.to_string(),
    };
    let home = gateway.homes.get(&identity.home);
    let home = home.ok_or_else(|| Stop::Failed("the account is not configured".to_owned()))?;
    let (ledger, native) = (&gateway.shared.ledger, &identity.native);
    // What its home shows says nothing while a start is on its way that read the rules before they changed.
    let (claim, now) = (gateway.claim(&identity, run.row.uuid)?, gateway.shared.clock.now());
    let (turn, _) = ledger.claim_steering(&identity, claim, None, now).await?;
    if let SteeringTurn::Others(until) = turn {
        return Err(settling::not_yet(until, now));
    }
    let found = home.adapter.campaign(Lane::Stop, native).await;
    if !found.as_ref().is_ok_and(|found| found.status == CampaignStatus::Running) {
        ledger.end_steering(subject, run.row.uuid, None).await?;
        gateway.shared.steered.notify_waiters();
    }
    match found {
        Ok(found) if found.status == CampaignStatus::Running => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind == PlatformErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(run.stop_for(&error)),
    }
    let entry = JournalEntry {
        at: gateway.shared.clock.now(),
        actor: run.row.actor.clone(),
        action: Operation::CampaignStop.as_str().to_owned(),
        request_id: None,
        campaign: Some(subject),
        before: None,
        after: None,
        reason: Some(format!("found dialling, but {why}; job {}", run.row.uuid)),
    };
    settling::stop(run, &identity, entry).await.map(|()| None)
}

async fn found(gateway: &WorkerGateway, subject: Uuid) -> Result<Option<CampaignIdentity>, Stop> {
    Ok(gateway.shared.ledger.find_campaign(CampaignKey::Uuid(subject)).await?)
}
