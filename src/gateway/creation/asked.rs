//! What facades ask of the job that makes campaigns.

use std::time::Duration;

use uuid::Uuid;

use super::{Input, progress};
use crate::domain::ids::{AccountSlug, CampaignKey, VdnId};
use crate::gateway::campaigns::CampaignView;
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::idempotency::Keyed;
use crate::gateway::jobs::JobKind;
use crate::gateway::steering::{Desire, Repeat};
use crate::gateway::{Asked, Shared, WorkerGateway};
use crate::ledger::jobs::{JobFilter, JobRow, JobState, NewJob};
use crate::ledger::journal::JournalEntry;
use crate::ledger::objects::{NewObject, ObjectChange, ObjectKind, ObjectRow, ObjectState};
use crate::platforms::Operation;

/// A facade answers within 25 s; this is what it waits for a campaign to be made.
const PATIENCE: Duration = Duration::from_secs(18);

/// A campaign that a client creates on a home that speaks another language.
pub struct Creating {
    pub account: AccountSlug,
    pub vdn: Option<VdnId>,
    pub name: String,
    /// In the client's words; it is what the job reads, and what the client is shown.
    pub document: String,
    /// Whether it is to dial as soon as it is there.
    pub run: bool,
    /// What the job is to be called, for a client that may ask again ([`Keyed::job`]).
    pub job: Option<Uuid>,
}

impl WorkerGateway {
    /// Creates a campaign on a home of another platform and waits until it is there.
    ///
    /// # Errors
    /// `Forbidden` when client or account may not write, `Duplicate` when the account has the name,
    /// what the home refuses, and `Unclear` with the job's id when it takes longer than a facade may.
    pub async fn create_campaign(
        &self,
        asked: &Asked,
        new: Creating,
    ) -> Result<CampaignView, GatewayError> {
        asked.client.check_account(&new.account)?;
        self.may_write(asked, &new.account)?;
        let clock = &self.shared.clock;
        let name = self.name_on(&new.account, &new.name)?;
        self.refuse_known_name(&new.account, &name).await?;
        let object = NewObject {
            uuid: clock.new_uuid(),
            kind: ObjectKind::Campaign,
            account: new.account,
            shape: asked.platform.as_str().to_owned(),
            parent: None,
            uses: None,
            name,
            document: new.document,
            base: None,
            state: ObjectState::Creating,
        };
        let object = self.shared.ledger.insert_object(object, clock.now()).await?;
        let job = match new.job {
            // One that failed keeps its name.
            Some(job) if self.shared.ledger.find_job(job).await?.is_none() => job,
            _ => clock.new_uuid(),
        };
        let job = self.submit_creation(asked, &object, (new.vdn, new.run), job).await?;
        self.made_by(asked, job).await
    }

    /// The campaign that an earlier request with this key has made, or is making; None when there
    /// was none, or it failed.
    ///
    /// # Errors
    /// `Unclear` with the job's id when it takes longer than a facade may.
    pub async fn made_before(
        &self,
        asked: &Asked,
        keyed: &Keyed,
    ) -> Result<Option<CampaignView>, GatewayError> {
        let job = self.shared.ledger.find_job(keyed.job(&asked.client.name)).await?;
        match job {
            Some(job) if !matches!(job.state, JobState::Failed | JobState::Cancelled) => {
                match self.made_by(asked, job).await {
                    // Deleted since: its answer may be kept.
                    Err(GatewayError::NotFound(_)) => Ok(None),
                    made => made.map(Some),
                }
            }
            _ => Ok(None),
        }
    }

    /// Runs a draft: it is made on its account and dials when its contacts are there.
    ///
    /// # Errors
    /// As [`WorkerGateway::create_campaign`].
    pub async fn run_draft(
        &self,
        asked: &Asked,
        draft: &ObjectRow,
    ) -> Result<CampaignView, GatewayError> {
        asked.client.check_account(&draft.account)?;
        self.may_write(asked, &draft.account)?;
        // What is wanted comes first: a stop that comes while the home is asked is the newer wish.
        let Shared { ledger, clock, .. } = &*self.shared;
        let wanted =
            ObjectChange { is_wanted_running: Some(Some(true)), ..ObjectChange::default() };
        ledger.change_object(draft.uuid, wanted, clock.now()).await?;
        // The job looks again; here the client learns why before anything is begun. The wish stays: by
        // now it may be a stop's, which nobody takes back, and a draft that is not run makes nothing of it.
        if let Some(home) = self.homes.get(&draft.account) {
            super::refuse_widening(self, draft, home).await?;
        }
        let change = ObjectChange {
            state: (draft.state == ObjectState::Draft).then_some(ObjectState::Creating),
            name: Some(self.name_on(&draft.account, &draft.name)?),
            ..ObjectChange::default()
        };
        let now = clock.now();
        let object = self.shared.ledger.change_object(draft.uuid, change, now).await?;
        let job = self.shared.clock.new_uuid();
        let job = self.submit_creation(asked, &object, (None, true), job).await?;
        self.made_by(asked, job).await
    }

    /// Stops a draft that is being made: it does not dial when it is there. Waits for that, and answers
    /// the campaign; None when there is none, because it could not be made.
    ///
    /// # Errors
    /// `Forbidden` when client or account may not write, `Unclear` with the job's id when it takes
    /// longer than a facade may.
    pub async fn stop_draft(
        &self,
        asked: &Asked,
        draft: &ObjectRow,
    ) -> Result<Option<CampaignView>, GatewayError> {
        self.may_write(asked, &draft.account)?;
        let Shared { ledger, clock, .. } = &*self.shared;
        let entry = JournalEntry {
            request_id: Some(asked.request_id.clone()),
            after: Some(format!("{} {}", draft.kind.as_str(), draft.uuid)),
            reason: Some("stopped while it is being made".to_owned()),
            ..JournalEntry::new(clock.now(), &asked.client.name, Operation::CampaignStop.as_str())
        };
        ledger.append_journal(entry).await?;
        let change =
            ObjectChange { is_wanted_running: Some(Some(false)), ..ObjectChange::default() };
        ledger.change_object(draft.uuid, change, clock.now()).await?;
        let under_way = JobFilter {
            accounts: vec![draft.account.clone()],
            states: vec![JobState::Waiting, JobState::Running],
            subject: Some(draft.uuid),
            before: None,
        };
        let job = ledger.list_jobs(under_way, 1).await?.pop();
        if let Some(job) = job.filter(|job| job.kind == JobKind::Create.as_str()) {
            match self.made_by(asked, job).await {
                // It cannot be made, so nothing dials.
                Ok(_) | Err(GatewayError::State(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let now = ledger.find_object(draft.uuid).await?;
        let now = now.ok_or(GatewayError::NotFound(Noun::Campaign))?;
        let key = CampaignKey::Uuid(draft.uuid);
        match (now.state, now.is_wanted_running) {
            (ObjectState::Draft, _) => Ok(None),
            (ObjectState::Creating, _) => {
                Err(GatewayError::unavailable("the campaign is being made on its home"))
            }
            (ObjectState::Bound, Some(true)) => self.campaign(asked, key).await.map(Some),
            (ObjectState::Bound, _) => {
                self.set_desired(asked, key, Desire::Stop, Repeat::Done).await.map(Some)
            }
        }
    }

    /// A campaign's name as it is sent to the account's platform, which may allow less.
    fn name_on(&self, account: &AccountSlug, name: &str) -> Result<String, GatewayError> {
        let home = self.homes.get(account);
        let home =
            home.ok_or_else(|| GatewayError::unavailable("the account is not configured"))?;
        Ok(home.adapter.name_as_sent(name))
    }

    async fn submit_creation(
        &self,
        asked: &Asked,
        object: &ObjectRow,
        (vdn, run): (Option<VdnId>, bool),
        job: Uuid,
    ) -> Result<JobRow, GatewayError> {
        let clock = &self.shared.clock;
        let input = Input { vdn: vdn.map(|vdn| i64::from(vdn.get())), run };
        let input = serde_json::to_string(&input)
            .map_err(|_| GatewayError::Internal("a job's input".to_owned()))?;
        let job = NewJob {
            uuid: job,
            kind: JobKind::Create.into(),
            subject: Some(object.uuid),
            account: object.account.clone(),
            actor: asked.client.name.clone(),
            request_id: Some(asked.request_id.clone()),
            input,
            run_at: clock.now(),
        };
        self.submit(job).await
    }

    /// The campaign that a job makes, as soon as it is there.
    async fn made_by(&self, asked: &Asked, job: JobRow) -> Result<CampaignView, GatewayError> {
        let there = |row: &JobRow| progress(row).campaign.is_some();
        let row = self.await_job(job.uuid, PATIENCE, there).await?;
        if let Some(campaign) = progress(&row).campaign {
            return self.campaign(asked, CampaignKey::Uuid(campaign)).await;
        }
        match row.state {
            JobState::Failed => Err(refusal_of(row.error.as_deref())),
            JobState::Cancelled => Err(GatewayError::State("the job was cancelled".to_owned())),
            _ => {
                tracing::warn!(campaign = ?row.subject, job = %row.uuid,
                    "the job has not made the campaign in time; it goes on, and the client can look it up");
                Err(GatewayError::Unclear { job: row.uuid })
            }
        }
    }
}

/// The home refused, or the operator has not said what it needs; the job's text names it.
fn refusal_of(error: Option<&str>) -> GatewayError {
    GatewayError::State(error.unwrap_or("the campaign could not be made").to_owned())
}
