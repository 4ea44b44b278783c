//! Campaigns: found by their public ids, listed from the ledger's directory, shown live, started
//! and stopped.
//!
//! A detail goes to the home every time, but identical reads under way at once share one upstream
//! call and one rendered answer. A start or stop re-reads the campaign's home, journals what is
//! wanted, asks the home, and records what the home then says; an answer that is lost is looked up
//! and never guessed.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use uuid::Uuid;

use crate::config::{ClientScope, WritePolicy};
use crate::domain::campaign::CampaignStatus;
use crate::domain::ids::{AccountSlug, CampaignIdentity, CampaignKey, VdnId};
use crate::domain::listing::Window;
use crate::gateway::error::{GatewayError, Noun, Refusal};
use crate::gateway::following::ResultsGo;
use crate::gateway::route::{Route, route};
use crate::gateway::{Asked, Home, Shared, WorkerGateway, rules};
use crate::ledger::directory::{DirectoryEntry, DirectoryFilter};
use crate::ledger::journal::JournalEntry;
use crate::platforms::{
    ConvertContext, Effect, FetchedCampaign, Operation, PlatformError, PlatformKind,
};
use crate::transport::pacing::Lane;

/// A campaign as its home tells it now, or told it last.
pub struct CampaignView {
    pub identity: Arc<CampaignIdentity>,
    pub route: Route,
    pub fetched: FetchedCampaign,
    /// What conversions need to know of the home account.
    pub context: Arc<ConvertContext>,
    /// The campaign's document in the asker's words as far as a client wrote it.
    pub written: Option<Value>,
    /// Where its results go.
    pub results: ResultsGo,
    /// When it was found to be deleted, of one that its home does not show any more.
    pub deleted_at: Option<Timestamp>,
}

/// Which campaigns a list wants of those that the client may see.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub vdn: Option<VdnId>,
    pub name_contains: Option<String>,
    pub include_deleted: bool,
}

/// A window of the directory.
pub struct Listing {
    pub campaigns: Vec<CampaignView>,
    /// Rows that match in all.
    pub total: u64,
}

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

/// Marks a rendered answer: the asker's platform and its generation.
pub type Rendering = (PlatformKind, &'static str);

impl WorkerGateway {
    /// The campaign of a public id, if the client may see it.
    ///
    /// # Errors
    /// `NotFound` when nobody knows it, `Forbidden` when it belongs to another account.
    pub async fn resolve(
        &self,
        asked: &Asked,
        key: CampaignKey,
    ) -> Result<Arc<CampaignIdentity>, GatewayError> {
        let identity = if let Some(identity) = self.find(key).await? {
            identity
        } else {
            self.refuse_draft(asked, key).await?;
            self.look_up(asked, key).await?
        };
        asked.client.check_account(&identity.home)?;
        Ok(identity)
    }

    /// A draft is on no home, so no home is asked for it.
    async fn refuse_draft(&self, asked: &Asked, key: CampaignKey) -> Result<(), GatewayError> {
        let CampaignKey::Uuid(uuid) = key else { return Ok(()) };
        match self.draft(asked, uuid).await {
            Ok(_) => Err(GatewayError::NotFound(Noun::Draft)),
            Err(GatewayError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether a VDN is one of the client's accounts.
    pub fn owns_vdn(&self, asked: &Asked, vdn: VdnId) -> bool {
        let owns = |slug| self.shared.account(slug).is_ok_and(|a| a.vdns().contains(&vdn));
        asked.client.accounts.iter().any(owns)
    }

    /// The campaign, live.
    ///
    /// # Errors
    /// As [`WorkerGateway::resolve`], and whatever keeps the home from answering.
    pub async fn campaign(
        &self,
        asked: &Asked,
        key: CampaignKey,
    ) -> Result<CampaignView, GatewayError> {
        let identity = self.resolve(asked, key).await?;
        self.view(asked.platform, identity).await
    }

    /// The campaign rendered, live or as its account lets it be kept; identical reads under way
    /// share the call and the answer.
    ///
    /// # Errors
    /// As [`WorkerGateway::campaign`], and those of `render`.
    pub async fn campaign_rendered(
        &self,
        asked: &Asked,
        key: CampaignKey,
        generation: &'static str,
        render: impl FnOnce(&CampaignView) -> Result<Bytes, GatewayError>,
    ) -> Result<Bytes, GatewayError> {
        let identity = self.resolve(asked, key).await?;
        let wanted = (identity.uuid, identity.home_epoch, (asked.platform, generation));
        let Shared { reads, flights, clock, .. } = &*self.shared;
        let (stamp, asked_at) = (reads.stamp(&identity), clock.now());
        if let Some(kept) = reads.recall(&identity.home, &wanted, stamp, asked_at) {
            return Ok(kept);
        }
        let work = async || {
            let view = self.view(asked.platform, Arc::clone(&identity)).await?;
            let body = render(&view)?;
            // A campaign that is stopping will have stopped in a moment, and nobody tells us.
            if view.fetched.status != CampaignStatus::Stopping {
                reads.keep(&identity.home, wanted, (stamp, asked_at), &body);
            }
            Ok(body)
        };
        flights.share((wanted, stamp), work).await
    }

    /// A campaign that is deleted on its home, as it was seen last.
    ///
    /// # Errors
    /// As [`WorkerGateway::resolve`]; `NotFound` too when it is not known to be deleted.
    pub async fn deleted_campaign(
        &self,
        asked: &Asked,
        key: CampaignKey,
    ) -> Result<CampaignView, GatewayError> {
        let identity = self.resolve(asked, key).await?;
        let entry = self.shared.ledger.find_entry(identity.uuid).await?;
        let entry = entry.filter(|entry| entry.gone || entry.snapshot.deleted);
        let entry = entry.ok_or(GatewayError::NotFound(Noun::Campaign))?;
        let mut view = self.view_of_entry(asked.platform, entry)?;
        view.results = self.results_go(&identity, &view.fetched).await?;
        let written = self.written_of(vec![identity.uuid]).await?;
        if let Some(written) = written.get(&identity.uuid) {
            view.written = written.shown(asked.platform, &view.fetched, &view.context);
        }
        Ok(view)
    }

    /// Campaigns of the client's accounts, newest first, as the directory has them.
    ///
    /// # Errors
    /// When the ledger does not answer or has a document that cannot be read.
    pub async fn list_campaigns(
        &self,
        asked: &Asked,
        wanted: Wanted,
        window: Window,
    ) -> Result<Listing, GatewayError> {
        let filter = DirectoryFilter {
            accounts: asked.client.accounts.clone(),
            vdn: wanted.vdn,
            name_contains: wanted.name_contains,
            include_deleted: wanted.include_deleted,
            ..DirectoryFilter::default()
        };
        let page = self.shared.ledger.list_directory(filter, window).await?;
        let mut campaigns = page
            .entries
            .into_iter()
            .map(|entry| self.view_of_entry(asked.platform, entry))
            .collect::<Result<Vec<_>, _>>()?;
        let foreign = campaigns.iter().filter(|view| view.route != Route::Native);
        let written = self.written_of(foreign.map(|view| view.identity.uuid).collect()).await?;
        let shown = campaigns.iter().map(|view| (&*view.identity, &view.fetched));
        let mut results = self.results_go_of(shown).await?;
        for view in &mut campaigns {
            if let Some(results) = results.remove(&view.identity.uuid) {
                view.results = results;
            }
            if let Some(written) = written.get(&view.identity.uuid) {
                view.written = written.shown(asked.platform, &view.fetched, &view.context);
            }
        }
        Ok(Listing { campaigns, total: page.total })
    }

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
        let known = self.resolve(asked, key).await?;
        let identity = self.for_writing(asked, known.uuid).await?;
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
            return self.view(asked.platform, identity).await;
        }
        // Where the home looks after that itself, asking it costs nothing but the question.
        if repeat == Repeat::Refused || !self.home(&identity)?.adapter.guards_its_states() {
            let before = self.view(asked.platform, Arc::clone(&identity)).await?;
            if desire.needs_no_write(&before.fetched, repeat)? {
                return Ok(before);
            }
        }
        if desire == Desire::Run {
            let by = (&*asked.client.name, Some(&*asked.request_id));
            self.check_rules(by, &identity).await?;
        }
        let wanted_before = self.record_desire(asked, desire, &identity, job).await?;
        let written = self.write_status(&identity, desire, job).await;
        let after = self.read(asked.platform, Arc::clone(&identity)).await;
        let entry = self.journal_entry(asked, desire, &identity, job);
        if let Ok(after) = &after {
            self.record_outcome(&identity, &after.fetched, entry.clone()).await?;
        }
        match (written, after) {
            (Ok(()), Ok(after)) => Ok(after),
            // What was asked was done; only how things stand now is not known.
            (Ok(()), Err(_)) => Err(GatewayError::Unclear { job }),
            (Err(GatewayError::State(_) | GatewayError::Unclear { .. }), Ok(after))
                if desire.is_met_by(&after.fetched.status) =>
            {
                Ok(after)
            }
            (Err(error @ GatewayError::Unclear { .. }), _) => Err(error),
            (Err(error), after) => {
                let refused = JournalEntry { reason: Some(format!("refused, job {job}")), ..entry };
                self.shared
                    .ledger
                    .record_desired_status(identity.uuid, wanted_before, refused)
                    .await?;
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
        Ok(ledger.record_desired_status(identity.uuid, desire.status(), entry).await?)
    }

    /// A campaign with a rule that nobody would enforce is not started; one with an end is stopped
    /// then, one that another may follow is watched. `by` is who starts it, and the request.
    pub(super) async fn check_rules(
        &self,
        by: (&str, Option<&str>),
        identity: &CampaignIdentity,
    ) -> Result<(), GatewayError> {
        if let Some(window) = self.stated_window(identity).await? {
            if let Some(reason) = rules::unenforced(&window, self.shared.clock.now()) {
                return Err(GatewayError::Unenforced(reason));
            }
            if let Some(end) = window.end.and_then(|end| TimeZone::UTC.to_timestamp(end).ok()) {
                self.see_to_end(by, identity, end).await?;
            }
        }
        self.watch_end(by, identity, Vec::new()).await
    }

    /// The campaign's identity as the ledger has it now: homes change, and a write that was decided
    /// on a remembered one could reach the wrong platform.
    pub(super) async fn for_writing(
        &self,
        asked: &Asked,
        campaign: Uuid,
    ) -> Result<Arc<CampaignIdentity>, GatewayError> {
        if asked.client.scope == ClientScope::Read {
            return Err(GatewayError::Forbidden(Refusal::ReadOnlyClient));
        }
        let identity = self.shared.ledger.find_campaign(CampaignKey::Uuid(campaign)).await?;
        let identity = identity.ok_or(GatewayError::NotFound(Noun::Campaign))?;
        asked.client.check_account(&identity.home)?;
        if self.shared.account(&identity.home)?.writes == WritePolicy::Deny {
            return Err(GatewayError::Forbidden(Refusal::WritesDenied));
        }
        Ok(Arc::new(identity))
    }

    pub(super) fn home(&self, identity: &CampaignIdentity) -> Result<&Home, GatewayError> {
        self.homes
            .get(&identity.home)
            .ok_or_else(|| GatewayError::unavailable("the campaign's account is not configured"))
    }

    /// The campaign live, with the directory kept in step.
    pub(super) async fn view(
        &self,
        asked_as: PlatformKind,
        identity: Arc<CampaignIdentity>,
    ) -> Result<CampaignView, GatewayError> {
        let asked_at = self.shared.clock.now();
        let view = self.read(asked_as, identity).await?;
        self.notice(&view.identity, &view.fetched, asked_at).await?;
        Ok(view)
    }

    async fn read(
        &self,
        asked_as: PlatformKind,
        identity: Arc<CampaignIdentity>,
    ) -> Result<CampaignView, GatewayError> {
        let home = self.home(&identity)?;
        let route = route(Operation::CampaignDetail, home.adapter.platform(), asked_as);
        let fetched = match route {
            // Whoever speaks the home's language needs its document and none of its parts.
            Route::Native => {
                let document =
                    home.adapter.campaign_document(Lane::FacadeRead, &identity.native).await;
                document.and_then(|document| home.adapter.read_campaign(&identity.native, document))
            }
            _ => home.adapter.campaign(Lane::FacadeRead, &identity.native).await,
        };
        let mut fetched = fetched.map_err(|error| failed(&error, &identity))?;
        if fetched.status == CampaignStatus::Stopped
            && self.shared.loading.is_loading(identity.uuid)
        {
            // It was asked to run and will, as soon as its contacts are there.
            fetched.status = CampaignStatus::Running;
        }
        let context = Arc::clone(&home.context);
        let written = match route {
            Route::Native => None,
            _ => self.written(asked_as, &identity, &fetched, &context).await?,
        };
        let results = self.results_go(&identity, &fetched).await?;
        Ok(CampaignView { identity, route, fetched, context, written, results, deleted_at: None })
    }

    pub(super) fn view_of_entry(
        &self,
        asked_as: PlatformKind,
        entry: DirectoryEntry,
    ) -> Result<CampaignView, GatewayError> {
        let home = self.home(&entry.identity)?;
        let is_deleted = entry.gone || entry.snapshot.deleted;
        let deleted_at = is_deleted.then_some(entry.fetched_at);
        let document = Bytes::from(entry.snapshot.document);
        let fetched =
            home.adapter.read_campaign(&entry.identity.native, document).map_err(|error| {
                tracing::error!(campaign = %entry.identity.uuid, %error, "directory");
                GatewayError::Internal("a document in the directory cannot be read".to_owned())
            })?;
        Ok(CampaignView {
            route: route(Operation::CampaignList, home.adapter.platform(), asked_as),
            context: Arc::clone(&home.context),
            fetched,
            identity: Arc::new(entry.identity),
            written: None,
            results: ResultsGo::AsSaid,
            deleted_at,
        })
    }

    async fn write_status(
        &self,
        identity: &CampaignIdentity,
        desire: Desire,
        job: Uuid,
    ) -> Result<(), GatewayError> {
        let home = self.home(identity)?;
        let written = match desire {
            Desire::Run => home.adapter.start_campaign(Lane::FacadeWrite, &identity.native).await,
            Desire::Stop => home.adapter.stop_campaign(Lane::Stop, &identity.native).await,
        };
        written.map(drop).map_err(|error| {
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

/// The facade's view of a read that the home did not answer.
pub(super) fn failed(error: &PlatformError, identity: &CampaignIdentity) -> GatewayError {
    tracing::warn!(campaign = %identity.uuid, home = %identity.home, %error, "read from home");
    GatewayError::from_platform(error, Noun::Campaign, identity.uuid)
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

impl crate::gateway::Client {
    /// # Errors
    /// `Forbidden` when the client has no right to the account.
    pub fn check_account(&self, account: &AccountSlug) -> Result<(), GatewayError> {
        if self.accounts.contains(account) {
            Ok(())
        } else {
            Err(GatewayError::Forbidden(Refusal::ForeignAccount))
        }
    }
}
