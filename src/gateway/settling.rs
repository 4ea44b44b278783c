//! Starts and stops whose outcome is not known, and starts in the name of jobs.
//!
//! A job looks at the campaign until it stands as it is wanted: it repeats a stop, and never a start.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::domain::campaign::CampaignStatus;
use crate::domain::ids::{AccountSlug, CampaignIdentity, CampaignKey};
use crate::gateway::error::{GatewayError, Refusal};
use crate::gateway::jobs::{JobKind, Run, Stop};
use crate::gateway::{Home, Shared, WorkerGateway};
use crate::ledger::jobs::NewJob;
use crate::ledger::journal::JournalEntry;
use crate::ledger::steering::{Claim, SteeringTurn};
use crate::platforms::{Effect, FetchedCampaign, Operation, PlatformError, PlatformErrorKind};
use crate::transport::pacing::Lane;

/// The longest wait between two looks at a campaign that is to stop.
const LOOK_LAST: Duration = Duration::from_secs(30);
/// How soon a job asks again whose turn is not there.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// Campaigns that are taken up at once.
const TAKEN_UP_AT_ONCE: u32 = 100;

/// What came of a start in the name of a job.
pub(super) enum Started {
    Running,
    /// Something else is wanted by now, and the campaign stands still.
    NotWanted,
    /// The home says that its state does not allow it, and it does not run.
    Refused(PlatformError),
}

impl WorkerGateway {
    /// Has a job see to a campaign whose start or stop is in doubt; answers what the client is told.
    pub(super) async fn settle_later(
        &self,
        (actor, request_id): (&str, Option<&str>),
        identity: &CampaignIdentity,
        (job, run_at): (Uuid, Timestamp),
    ) -> Result<GatewayError, GatewayError> {
        let job = NewJob {
            uuid: job,
            kind: JobKind::Settle.into(),
            subject: Some(identity.uuid),
            account: identity.home.clone(),
            actor: actor.to_owned(),
            request_id: request_id.map(str::to_owned),
            input: "{}".to_owned(),
            run_at,
        };
        Ok(GatewayError::Unclear { job: self.submit(job).await?.uuid })
    }

    /// Takes up starts and stops that ended without anybody knowing how, because a process ended or a
    /// client went away.
    pub(super) async fn take_up_unsettled(&self) {
        let ledger = &self.shared.ledger;
        self.record_stops().await;
        let accounts = self.homes.keys().cloned().collect();
        let now = self.shared.clock.now();
        let unsettled = match ledger
            .unsettled_campaigns(accounts, JobKind::Settle.as_str(), now, TAKEN_UP_AT_ONCE)
            .await
        {
            Ok(unsettled) => unsettled,
            Err(error) => {
                tracing::warn!(%error,
                    "starts and stops in doubt could not be looked for; they are again in 5 s");
                return;
            }
        };
        for found in unsettled {
            let job = NewJob {
                uuid: self.shared.clock.new_uuid(),
                kind: JobKind::Settle.into(),
                subject: Some(found.campaign),
                account: found.account,
                actor: "gateway".to_owned(),
                request_id: None,
                input: "{}".to_owned(),
                run_at: now,
            };
            if let Err(error) = self.submit(job).await {
                tracing::warn!(campaign = %found.campaign, %error,
                    "no job could be made for a start or stop in doubt; it is tried again in 5 s");
            }
        }
    }
}

/// One turn: looks how the campaign stands, and stops what is wanted stopped.
pub(super) async fn run(run: &mut Run<'_>) -> Result<Option<String>, Stop> {
    let gateway = run.gateway;
    let ledger = &gateway.shared.ledger;
    let subject = run.row.subject.ok_or_else(|| Stop::Failed("a job about nothing".to_owned()))?;
    let Some(identity) = ledger.find_campaign(CampaignKey::Uuid(subject)).await? else {
        return Ok(None);
    };
    let home = home_of(gateway, &identity)?;
    let by = run.row.uuid;
    let claim = gateway.claim(&identity, by)?;
    let now = gateway.shared.clock.now();
    let (turn, wish) = ledger.claim_steering(&identity, claim, None, now).await?;
    if let SteeringTurn::Others(until) = turn {
        return Err(not_yet(until, now));
    }
    let _writing = gateway.shared.reads.writing(&identity);
    // What is to stop does not wait behind what clients load and read.
    let is_stop = wish.desired == CampaignStatus::Stopped;
    let lane = if is_stop { Lane::Stop } else { Lane::FacadeRead };
    let found = match home.adapter.campaign(lane, &identity.native).await {
        Ok(found) => found,
        Err(error) if error.kind == PlatformErrorKind::NotFound => {
            ledger.end_steering(subject, by, None).await?;
            return Ok(None);
        }
        Err(error) => return Err(soon(run, subject, &error).await?),
    };
    match (&wish.desired, &found.status) {
        (CampaignStatus::Stopped, CampaignStatus::Running) => {
            let stopped = home.adapter.stop_campaign(Lane::Stop, &identity.native).await;
            let steered = match stopped {
                Ok(steered) => steered,
                Err(error) => return Err(soon(run, subject, &error).await?),
            };
            let entry = entry_of(run, subject, Operation::CampaignStop, "it was wanted stopped");
            ledger.record_actual_status(subject, steered.status, entry, Some(by)).await?;
        }
        // A start that did not get there in its time is not repeated.
        (CampaignStatus::Running, CampaignStatus::Stopped) => {
            let entry = entry_of(run, subject, Operation::CampaignStart, "it did not get there");
            let found = CampaignStatus::Stopped;
            ledger.replace_wish(subject, wish.number, found, entry, Some(by)).await?;
        }
        _ => {
            let action = if wish.desired == CampaignStatus::Running {
                Operation::CampaignStart
            } else {
                Operation::CampaignStop
            };
            let entry = entry_of(run, subject, action, "it stands as it was wanted");
            record(gateway, (&identity, by), &found, entry).await?;
        }
    }
    gateway.shared.steered.notify_waiters();
    Ok(None)
}

/// Starts a campaign in a step of a job, if it is wanted running; `checkpoint` is what the step leaves.
/// A stop that comes meanwhile is not lost: the campaign is stopped before this returns, or another job
/// sees to it.
pub(super) async fn start<T: Serialize>(
    run: &mut Run<'_>,
    identity: &CampaignIdentity,
    entry: JournalEntry,
    checkpoint: T,
) -> Result<Started, Stop> {
    let gateway = run.gateway;
    let ledger = &gateway.shared.ledger;
    let home = home_of(gateway, identity)?;
    let by = run.row.uuid;
    await_stops(gateway, identity).await?;
    let claim = gateway.claim(identity, by)?;
    let (now, running) = (gateway.shared.clock.now(), CampaignStatus::Running);
    let (turn, wish) = ledger.claim_steering(identity, claim, Some(running.clone()), now).await?;
    match turn {
        SteeringTurn::Ours => {}
        // What an earlier turn of the job may have sent is settled when that turn has run out.
        SteeringTurn::NotWanted => return Ok(Started::NotWanted),
        SteeringTurn::Others(until) => return Err(not_yet(until, now)),
    }
    let _writing = gateway.shared.reads.writing(identity);
    let (mut refused, mut is_in_doubt) = (None, true);
    let done = run.step("start", async |was_begun| {
        let started = home.adapter.start_campaign(Lane::FacadeWrite, &identity.native).await;
        let Err(error) = started else { return Ok(checkpoint) };
        is_in_doubt = was_begun || error.effect != Effect::None;
        if !is_in_doubt
            && !matches!(error.kind, PlatformErrorKind::State | PlatformErrorKind::NotFound)
        {
            return Err(error);
        }
        // It may run already, by a lost answer or by somebody's hand.
        match home.adapter.campaign(Lane::FacadeRead, &identity.native).await {
            Ok(found) if found.status == CampaignStatus::Running => Ok(checkpoint),
            Err(other) if other.kind != PlatformErrorKind::NotFound => Err(error),
            _ if error.effect == Effect::None => {
                refused = Some(error);
                Ok(checkpoint)
            }
            _ => Err(error),
        }
    });
    if let Err(stop) = done.await {
        if !is_in_doubt {
            ledger.end_steering(identity.uuid, by, None).await?;
            gateway.shared.steered.notify_waiters();
        }
        return Err(stop);
    }
    let now = gateway.shared.clock.now();
    if let Some(error) = refused {
        let reason = Some(format!("refused, job {by}"));
        let entry = JournalEntry { at: now, reason, ..entry };
        let stopped = CampaignStatus::Stopped;
        ledger.replace_wish(identity.uuid, wish.number, stopped, entry, Some(by)).await?;
        gateway.shared.steered.notify_waiters();
        return Ok(Started::Refused(error));
    }
    let entry = JournalEntry { at: now, ..entry };
    let recorded = ledger.record_actual_status(identity.uuid, running, entry.clone(), Some(by));
    let came_since = gateway.shared.stops.is_ahead(identity.uuid);
    if !recorded.await?.runs_unwanted && !came_since {
        gateway.shared.steered.notify_waiters();
        return Ok(Started::Running);
    }
    stop_overtaken(run, (home, identity), entry).await?;
    gateway.shared.steered.notify_waiters();
    Ok(Started::NotWanted)
}

/// Before a start: a stop that is not in the ledger counts as well. One that is on its way there is waited
/// for, and one that did not get there, and was sent all the same, is recorded.
async fn await_stops(gateway: &WorkerGateway, identity: &CampaignIdentity) -> Result<(), Stop> {
    if gateway.shared.stops.is_coming(identity.uuid) {
        return Err(not_yet(Timestamp::MAX, gateway.shared.clock.now()));
    }
    Ok(gateway.record_stop(identity).await?)
}

/// Wants a campaign stopped and stops it, in a step of a job. A turn that only waits until a start is
/// answered writes nothing and asks its home for nothing: the wish stands, and the stop was sent.
pub(super) async fn stop(
    run: &mut Run<'_>,
    identity: &CampaignIdentity,
    entry: JournalEntry,
) -> Result<(), Stop> {
    let (gateway, by) = (run.gateway, run.row.uuid);
    let (ledger, home) = (&gateway.shared.ledger, home_of(gateway, identity)?);
    let claim = gateway.claim(identity, by)?;
    let mut status = CampaignStatus::Stopped;
    let turn = match wished(run, identity, claim).await? {
        Some(SteeringTurn::Others(until)) if was_sent(run) => {
            return Err(not_yet(until, gateway.shared.clock.now()));
        }
        Some(turn) => turn,
        None => {
            let (wanted, entry) = (status.clone(), entry.clone());
            ledger.record_desired_status(identity, wanted, entry, Some(claim)).await?.turn
        }
    };
    let _writing = gateway.shared.reads.writing(identity);
    let native = &identity.native;
    // Stopping what stands does no harm, so nothing need be looked up.
    run.step("stop", async |_| match home.adapter.stop_campaign(Lane::Stop, native).await {
        Err(error) if error.kind == PlatformErrorKind::NotFound => Ok(()),
        stopped => {
            status = stopped?.status;
            Ok(())
        }
    })
    .await?;
    let now = gateway.shared.clock.now();
    if let SteeringTurn::Others(until) = turn {
        // A start was on its way: it is stopped again after that.
        return Err(not_yet(until, now));
    }
    let entry = JournalEntry { at: now, ..entry };
    ledger.record_actual_status(identity.uuid, status, entry, Some(by)).await?;
    gateway.shared.steered.notify_waiters();
    Ok(())
}

/// Whether the job has sent its stop: what the step leaves behind is that it was done.
fn was_sent(run: &Run<'_>) -> bool {
    run.row.checkpoint.is_some() && !run.row.in_doubt
}

/// Whose turn it is for a job that wished before, and it is still wanted so; None: it is to wish.
async fn wished(
    run: &Run<'_>,
    identity: &CampaignIdentity,
    claim: Claim,
) -> Result<Option<SteeringTurn>, Stop> {
    if !was_sent(run) && !run.row.in_doubt {
        return Ok(None);
    }
    let Shared { ledger, clock, .. } = &*run.gateway.shared;
    let stopped = Some(CampaignStatus::Stopped);
    let (turn, _) = ledger.claim_steering(identity, claim, stopped, clock.now()).await?;
    Ok(Some(turn).filter(|turn| *turn != SteeringTurn::NotWanted))
}

/// A newer stop overtook the start, whose turn is still the job's.
async fn stop_overtaken(
    run: &Run<'_>,
    (home, identity): (&Home, &CampaignIdentity),
    entry: JournalEntry,
) -> Result<(), Stop> {
    let Run { gateway, row } = run;
    let ledger = &gateway.shared.ledger;
    let now = gateway.shared.clock.now();
    match home.adapter.stop_campaign(Lane::Stop, &identity.native).await {
        Ok(steered) => {
            let action = Operation::CampaignStop.as_str().to_owned();
            let reason = Some(format!("a newer stop overtook the start, job {}", row.uuid));
            let entry = JournalEntry { at: gateway.shared.clock.now(), action, reason, ..entry };
            ledger
                .record_actual_status(identity.uuid, steered.status, entry, Some(row.uuid))
                .await?;
        }
        Err(error) => {
            tracing::warn!(campaign = %identity.uuid, %error,
                "the home did not stop a campaign whose start was overtaken; the stop is repeated");
            ledger.end_steering(identity.uuid, row.uuid, Some(now)).await?;
            let (whom, job) =
                ((&*row.actor, row.request_id.as_deref()), gateway.shared.clock.new_uuid());
            let later = gateway.settle_later(whom, identity, (job, now)).await;
            later?;
        }
    }
    Ok(())
}

async fn record(
    gateway: &WorkerGateway,
    (identity, by): (&CampaignIdentity, Uuid),
    found: &FetchedCampaign,
    entry: JournalEntry,
) -> Result<(), Stop> {
    let recorded = gateway.record_outcome(identity, found, entry, Some(by)).await;
    Ok(recorded.map(drop)?)
}

fn entry_of(run: &Run<'_>, campaign: Uuid, operation: Operation, why: &str) -> JournalEntry {
    JournalEntry {
        request_id: run.row.request_id.clone(),
        campaign: Some(campaign),
        reason: Some(format!("{why}, job {}", run.row.uuid)),
        ..JournalEntry::new(run.gateway.shared.clock.now(), &run.row.actor, operation.as_str())
    }
}

/// The turn is somebody else's.
pub(super) fn not_yet(until: Timestamp, now: Timestamp) -> Stop {
    let why = "another start or stop of the campaign is not answered yet".to_owned();
    Stop::Later { at: until.min(now + ASK_AGAIN), why }
}

/// A campaign that is to stop is looked at again soon, whatever is wrong; others may steer it meanwhile.
async fn soon(run: &Run<'_>, campaign: Uuid, error: &PlatformError) -> Result<Stop, Stop> {
    let gateway = run.gateway;
    let now = gateway.shared.clock.now();
    gateway.shared.ledger.end_steering(campaign, run.row.uuid, Some(now)).await?;
    gateway.shared.steered.notify_waiters();
    let at = now + LOOK_LAST;
    Ok(match run.stop_for(error) {
        Stop::Later { at: later, why } => Stop::Later { at: later.min(at), why },
        // The state does not allow it: it stands otherwise by now.
        Stop::Failed(why) if error.kind == PlatformErrorKind::State => Stop::Later { at, why },
        stop => stop,
    })
}

/// Whether whoever wanted the job may have this done on the account now. What the operator holds back
/// for all is waited for.
pub(super) fn check_rights(run: &Run<'_>, account: &AccountSlug) -> Result<(), Stop> {
    match run.gateway.check_actor(&run.row.actor, account) {
        Ok(()) => Ok(()),
        Err(error @ GatewayError::Forbidden(Refusal::WritesDenied)) => {
            let at = run.gateway.shared.clock.now() + LOOK_LAST;
            Err(Stop::Later { at, why: error.to_string() })
        }
        Err(error) => Err(Stop::Failed(error.to_string())),
    }
}

pub(super) fn home_of<'a>(
    gateway: &'a WorkerGateway,
    identity: &CampaignIdentity,
) -> Result<&'a Home, Stop> {
    let home = gateway.homes.get(&identity.home);
    home.ok_or_else(|| Stop::Failed("the account is not configured".to_owned()))
}
