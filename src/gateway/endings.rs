//! The end of a campaign on a home that knows no end: a job that waits for the time and stops it.

use crate::domain::ids::{CampaignIdentity, CampaignKey};
use crate::gateway::error::GatewayError;
use crate::gateway::jobs::{JobKind, Run, Stop};
use crate::gateway::rules::End;
use crate::gateway::{WorkerGateway, settling};
use crate::ledger::jobs::NewJob;
use crate::ledger::journal::JournalEntry;
use crate::platforms::Operation;
use jiff::Timestamp;

impl WorkerGateway {
    /// Sees to it that the campaign stops at its end, where its home does not.
    ///
    /// # Errors
    /// `State` when the end has passed, and when the ledger does not answer.
    pub(super) async fn see_to_end(
        &self,
        by: (&str, Option<&str>),
        identity: &CampaignIdentity,
        end: Timestamp,
    ) -> Result<(), GatewayError> {
        if end <= self.shared.clock.now() {
            return Err(GatewayError::State("the campaign has ended".to_owned()));
        }
        self.stop_at(by, identity, end).await
    }

    /// Has the campaign stopped then. A job that waits for a later end wakes in time: what it is to
    /// wait for it reads again.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub(super) async fn stop_at(
        &self,
        (actor, request_id): (&str, Option<&str>),
        identity: &CampaignIdentity,
        end: Timestamp,
    ) -> Result<(), GatewayError> {
        let job = NewJob {
            uuid: self.shared.clock.new_uuid(),
            kind: JobKind::End.into(),
            subject: Some(identity.uuid),
            account: identity.home.clone(),
            actor: actor.to_owned(),
            request_id: request_id.map(str::to_owned),
            input: "{}".to_owned(),
            run_at: end,
        };
        let waiting = self.submit(job).await?;
        if waiting.run_at > end {
            self.shared.ledger.hasten_job(waiting.uuid, end).await?;
            self.shared.tell_jobs();
        }
        Ok(())
    }
}

/// One turn: by now the end may be another, which the client's document says.
pub(super) async fn run(run: &mut Run<'_>) -> Result<Option<String>, Stop> {
    let gateway = run.gateway;
    let subject = run.row.subject.ok_or_else(|| Stop::Failed("a job about nothing".to_owned()))?;
    let ledger = &gateway.shared.ledger;
    let Some(identity) = ledger.find_campaign(CampaignKey::Uuid(subject)).await? else {
        return Ok(None);
    };
    let now = gateway.shared.clock.now();
    let end = match gateway.stated(&identity).await {
        Ok(stated) => stated.map_or(End::Never, |stated| stated.end()),
        Err(error) if error.passes() => return Err(error.into()),
        // What was stated can no longer be understood or read: the end that was known counts.
        Err(_) => End::At(now),
    };
    match end {
        End::Never => return Ok(None),
        End::At(end) if end > now => {
            return Err(Stop::Later { at: end, why: "the end was put off".to_owned() });
        }
        End::At(_) | End::Unknown(_) => {}
    }
    let entry = JournalEntry {
        at: now,
        actor: run.row.actor.clone(),
        action: Operation::CampaignStop.as_str().to_owned(),
        request_id: None,
        campaign: Some(identity.uuid),
        before: None,
        after: None,
        reason: Some(format!("its end has come, job {}", run.row.uuid)),
    };
    settling::stop(run, &identity, entry).await.map(|()| None)
}
