//! One campaign after another, where the operator opted in: neither platform does what its field for
//! the next campaign says.
//!
//! From its start on a job watches the campaign. The next one is started when it has come to its end
//! by itself: it is over for good, or it stopped with nobody left who was never called. A stop that
//! somebody asked for is no end, and who stops it at the platform before everybody was called once has
//! stopped the chain.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::campaign::CampaignStatus;
use crate::domain::ids::{AccountSlug, CampaignIdentity, CampaignKey};
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::jobs::{JobKind, Run, Stop};
use crate::gateway::settling::{self, Started};
use crate::gateway::{Asked, Home, WorkerGateway};
use crate::ledger::jobs::NewJob;
use crate::ledger::journal::JournalEntry;
use crate::platforms::{self, Operation, PlatformError, PlatformErrorKind, PlatformKind};
use crate::transport::pacing::Lane;

/// A campaign is looked at after an eighth of the time that it has been watched for, between these.
const LOOK_FIRST: Duration = Duration::from_secs(1);
const LOOK_LAST: Duration = Duration::from_secs(60);

/// The journal's word for a status that was found on a platform.
const FOUND_OTHERWISE: &str = "campaign.status";

/// What the job is given.
#[derive(Default, Serialize, Deserialize)]
struct Input {
    /// The campaigns that came before in this chain; none of them is started again.
    #[serde(default)]
    before: Vec<Uuid>,
}

impl WorkerGateway {
    /// Whether the gateway starts the campaigns that follow those of an account.
    pub fn chains(&self, account: &AccountSlug) -> bool {
        self.shared.account(account).is_ok_and(|account| account.chain_campaigns)
    }

    /// Whether a client may name a campaign as the one that follows.
    ///
    /// # Errors
    /// `NotFound` when there is none or it is deleted, `Forbidden` when it is another client's.
    pub async fn check_next(&self, asked: &Asked, next: Uuid) -> Result<(), GatewayError> {
        let missing = Err(GatewayError::NotFound(Noun::Campaign));
        match self.resolve(asked, CampaignKey::Uuid(next)).await {
            Ok(identity) => match self.shared.ledger.find_entry(identity.uuid).await? {
                Some(entry) if !entry.gone && !entry.snapshot.deleted => Ok(()),
                _ => missing,
            },
            Err(GatewayError::NotFound(Noun::Draft)) => {
                let draft = self.draft(asked, next).await?;
                if draft.deleted_at.is_none() { Ok(()) } else { missing }
            }
            Err(error) => Err(error),
        }
    }

    /// Watches a campaign that is about to start, if its account chains campaigns.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub(super) async fn watch_end(
        &self,
        (actor, request_id): (&str, Option<&str>),
        identity: &CampaignIdentity,
        before: Vec<Uuid>,
    ) -> Result<(), GatewayError> {
        if !self.shared.account(&identity.home)?.chain_campaigns {
            return Ok(());
        }
        let clock = &self.shared.clock;
        let job = NewJob {
            uuid: clock.new_uuid(),
            kind: JobKind::Chain.into(),
            subject: Some(identity.uuid),
            account: identity.home.clone(),
            actor: actor.to_owned(),
            request_id: request_id.map(str::to_owned),
            input: serde_json::to_string(&Input { before })
                .map_err(|_| GatewayError::Internal("a job's input".to_owned()))?,
            run_at: clock.now() + LOOK_FIRST,
        };
        let uuid = job.uuid;
        let watching = self.submit(job).await?;
        if watching.uuid != uuid {
            // What follows is started for whoever started this one last.
            let (actor, request_id) = (actor.to_owned(), request_id.map(str::to_owned));
            self.shared.ledger.hand_over_job(watching.uuid, actor, request_id).await?;
        }
        Ok(())
    }

    /// The campaign that a client wants to follow this one, by what it wrote or by the home's document.
    async fn next_of(
        &self,
        identity: &CampaignIdentity,
        home: &Home,
        document: &[u8],
    ) -> Result<Option<Uuid>, Stop> {
        let written = self.shared.ledger.find_object(identity.uuid).await?;
        let written = written.and_then(|row| {
            let shape = PlatformKind::ALL.into_iter().find(|kind| kind.as_str() == row.shape)?;
            platforms::next_campaign(shape, row.document.as_bytes())
        });
        Ok(written.or_else(|| platforms::next_campaign(home.adapter.platform(), document)))
    }

    /// Whether somebody asked for a stop, or the start was refused: a campaign that is wanted running,
    /// or was found otherwise on its platform, was not stopped by anybody here.
    async fn was_stopped(&self, campaign: Uuid) -> Result<bool, Stop> {
        let wish = self.shared.ledger.wish(campaign).await?;
        Ok(wish.desired != CampaignStatus::Running
            && wish.action.as_deref() != Some(FOUND_OTHERWISE))
    }
}

/// One turn: looks whether the campaign has ended, and if so starts what follows.
pub(super) async fn run(run: &mut Run<'_>) -> Result<Option<String>, Stop> {
    let gateway = run.gateway;
    let subject = run.row.subject.ok_or_else(|| Stop::Failed("a job about nothing".to_owned()))?;
    let Some(identity) = gateway.shared.ledger.find_campaign(CampaignKey::Uuid(subject)).await?
    else {
        return Ok(None);
    };
    let home = gateway.homes.get(&identity.home);
    let home = home.ok_or_else(|| Stop::Failed("the account is not configured".to_owned()))?;
    let found = match home.adapter.campaign(Lane::Enrichment, &identity.native).await {
        Ok(found) => found,
        Err(error) if error.kind == PlatformErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(run.stop_for(&error)),
    };
    if found.deleted || gateway.was_stopped(subject).await? {
        return Ok(None);
    }
    let has_ended = match found.status {
        CampaignStatus::Ended => true,
        CampaignStatus::Stopped if !gateway.shared.loading.is_loading(subject) => {
            let exhausted = home.adapter.is_exhausted(Lane::Enrichment, &identity.native).await;
            exhausted.map_err(|error| run.stop_for(&error))?
        }
        _ => false,
    };
    if !has_ended {
        let now = gateway.shared.clock.now();
        let watched = Duration::try_from(now.duration_since(run.row.created_at));
        let wait = (watched.unwrap_or_default() / 8).clamp(LOOK_FIRST, LOOK_LAST);
        return Err(Stop::Later { at: now + wait, why: "the campaign has not ended".to_owned() });
    }
    match gateway.next_of(&identity, home, &found.raw).await? {
        Some(next) => start_next(run, next, subject).await,
        None => Ok(None),
    }
}

async fn start_next(run: &mut Run<'_>, next: Uuid, after: Uuid) -> Result<Option<String>, Stop> {
    let gateway = run.gateway;
    let ledger = &gateway.shared.ledger;
    let missing = || Stop::Failed("the next campaign is not there, or a draft".to_owned());
    let identity = ledger.find_campaign(CampaignKey::Uuid(next)).await?.ok_or_else(missing)?;
    let entry = ledger.find_entry(next).await?.ok_or_else(missing)?;
    if entry.gone || entry.snapshot.deleted {
        return Err(missing());
    }
    let opted_in = gateway.shared.account(&identity.home);
    if !opted_in.is_ok_and(|account| account.chain_campaigns) {
        return Err(Stop::Failed("the next campaign's account does not chain".to_owned()));
    }
    // Of the configuration as it is now, for whoever started the one before.
    settling::check_rights(run, &run.row.account)?;
    settling::check_rights(run, &identity.home)?;
    let mut before = run.input::<Input>()?.before;
    before.push(after);
    if before.contains(&next) {
        return Err(Stop::Failed("the chain comes back to where it was".to_owned()));
    }
    let by = (&*run.row.actor, run.row.request_id.as_deref());
    let watched = gateway.watch_end(by, &identity, before).await;
    watched?;
    let _turn = gateway.shared.turns.take(next).await;
    match gateway.check_rules(by, &identity).await {
        Ok(()) => {}
        Err(error @ (GatewayError::Unenforced(_) | GatewayError::State(_))) => {
            return Err(Stop::Failed(error.to_string()));
        }
        Err(error) => return Err(error.into()),
    }
    let entry = JournalEntry {
        request_id: run.row.request_id.clone(),
        campaign: Some(next),
        reason: Some(format!("it follows {after}, job {}", run.row.uuid)),
        ..JournalEntry::new(
            gateway.shared.clock.now(),
            &run.row.actor,
            Operation::CampaignStart.as_str(),
        )
    };
    let wished = want(run, &identity, entry.clone()).await?;
    match settling::start(run, &identity, entry, wished).await? {
        Started::Running => Ok(Some(format!("{{\"campaign\":\"{next}\"}}"))),
        Started::NotWanted => Ok(None),
        Started::Refused(error) => Err(Stop::Failed(error.to_string())),
    }
}

/// Wants the campaign running, once: a stop that comes after that is newer, whenever the job goes on.
async fn want(
    run: &mut Run<'_>,
    identity: &CampaignIdentity,
    entry: JournalEntry,
) -> Result<Option<i64>, Stop> {
    if let Some(wished) = run.checkpoint::<Option<i64>>()? {
        return Ok(Some(wished));
    }
    let ledger = &run.gateway.shared.ledger;
    run.step("want", async |in_doubt| {
        let number = if in_doubt {
            ledger.wish(identity.uuid).await.map(|wish| wish.number)
        } else {
            let running = CampaignStatus::Running;
            let wished = ledger.record_desired_status(identity, running, entry, None).await;
            wished.map(|wished| Some(wished.number))
        };
        number.map_err(|error| {
            let kind = PlatformErrorKind::Unavailable;
            PlatformError::new(Operation::CampaignStart, kind, error.to_string())
        })
    })
    .await
}
