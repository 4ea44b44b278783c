//! Campaigns: found by their public ids, listed from the ledger's directory, shown live.
//!
//! A detail goes to the home every time, but identical reads under way at once share one upstream
//! call and one rendered answer.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::config::{ClientScope, WritePolicy};
use crate::domain::campaign::CampaignStatus;
use crate::domain::ids::{AccountSlug, CampaignIdentity, CampaignKey, VdnId};
use crate::domain::listing::Window;
use crate::gateway::error::{GatewayError, Noun, Refusal};
use crate::gateway::following::ResultsGo;
use crate::gateway::route::{Route, route};
use crate::gateway::{Asked, Home, Shared, WorkerGateway};
use crate::ledger::directory::{DirectoryEntry, DirectoryFilter};
use crate::platforms::{
    ConvertContext, FetchedCampaign, Operation, PlatformError, PlatformErrorKind, PlatformKind,
};
use crate::transport::pacing::Lane;

/// A campaign as its home tells it now, or told it last.
pub struct CampaignView {
    pub identity: Arc<CampaignIdentity>,
    pub route: Route,
    /// As it is shown.
    pub fetched: FetchedCampaign,
    /// How its home has it: one that is loaded is shown running. Only this is recorded ([`Self::as_found`]).
    pub(super) found: CampaignStatus,
    /// What conversions need to know of the home account.
    pub context: Arc<ConvertContext>,
    /// The campaign's document in the asker's words as far as a client wrote it.
    pub written: Option<Value>,
    /// Where its results go, of one that is shown in its home's own words.
    pub results: ResultsGo,
    /// When it was found to be deleted, of one that its home does not show any more.
    pub deleted_at: Option<Timestamp>,
}

impl CampaignView {
    /// As its home has it, whatever is shown.
    pub(super) fn as_found(&self) -> FetchedCampaign {
        FetchedCampaign { status: self.found.clone(), ..self.fetched.clone() }
    }
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
            // Boxed, because every request moves the room for it and few need it.
            Box::pin(self.look_up_unless_draft(asked, key)).await?
        };
        asked.client.check_account(&identity.home)?;
        Ok(identity)
    }

    /// A draft is on no home, so no home is asked for it.
    async fn look_up_unless_draft(
        &self,
        asked: &Asked,
        key: CampaignKey,
    ) -> Result<Arc<CampaignIdentity>, GatewayError> {
        if let CampaignKey::Uuid(uuid) = key {
            match self.draft(asked, uuid).await {
                Ok(_) => return Err(GatewayError::NotFound(Noun::Draft)),
                Err(GatewayError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
            // It may have been made since it was looked for.
            if let Some(made) = self.find(key).await? {
                return Ok(made);
            }
        }
        self.look_up(asked, key).await
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
        let view = self.view_of_entry(asked.platform, entry)?;
        self.with_what_clients_said(asked.platform, view).await
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
        let (native, foreign): (Vec<_>, Vec<_>) =
            campaigns.iter().partition(|view| view.route == Route::Native);
        let written = foreign.iter().map(|view| view.identity.uuid).collect();
        let written = self.written_of(written).await?;
        let shown = native.iter().map(|view| (&*view.identity, &view.fetched));
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

    /// The campaign's identity as the ledger has it now: homes change, and a write that was decided
    /// on a remembered one could reach the wrong platform.
    pub(super) async fn for_writing(
        &self,
        asked: &Asked,
        campaign: Uuid,
    ) -> Result<Arc<CampaignIdentity>, GatewayError> {
        let identity = self.shared.ledger.find_campaign(CampaignKey::Uuid(campaign)).await?;
        let identity = identity.ok_or(GatewayError::NotFound(Noun::Campaign))?;
        let identity = self.shared.id_cache.insert(identity);
        self.check_may_write(asked, &identity)?;
        Ok(identity)
    }

    pub(super) fn check_may_write(
        &self,
        asked: &Asked,
        identity: &CampaignIdentity,
    ) -> Result<(), GatewayError> {
        if asked.client.scope == ClientScope::Read {
            return Err(GatewayError::Forbidden(Refusal::ReadOnlyClient));
        }
        asked.client.check_account(&identity.home)?;
        if self.shared.account(&identity.home)?.writes == WritePolicy::Deny {
            return Err(GatewayError::Forbidden(Refusal::WritesDenied));
        }
        Ok(())
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
        let view = self.read(Lane::FacadeRead, asked_as, identity).await?;
        self.notice(&view.identity, &view.as_found(), asked_at).await?;
        Ok(view)
    }

    pub(super) async fn read(
        &self,
        lane: Lane,
        asked_as: PlatformKind,
        identity: Arc<CampaignIdentity>,
    ) -> Result<CampaignView, GatewayError> {
        let home = self.home(&identity)?;
        let route = route(Operation::CampaignDetail, home.adapter.platform(), asked_as);
        let fetched = match route {
            // Whoever speaks the home's language needs its document and none of its parts.
            Route::Native => {
                let document = home.adapter.campaign_document(lane, &identity.native).await;
                document.and_then(|document| home.adapter.read_campaign(&identity.native, document))
            }
            _ => home.adapter.campaign(lane, &identity.native).await,
        };
        let fetched = fetched.map_err(|error| home.unread(asked_as, &error, &identity))?;
        let view = self.view_of(asked_as, identity, fetched)?;
        self.with_what_clients_said(asked_as, view).await
    }

    pub(super) fn view_of_entry(
        &self,
        asked_as: PlatformKind,
        entry: DirectoryEntry,
    ) -> Result<CampaignView, GatewayError> {
        let is_deleted = entry.gone || entry.snapshot.deleted;
        let deleted_at = is_deleted.then_some(entry.fetched_at);
        let document = Bytes::from(entry.snapshot.document);
        let fetched = self.home(&entry.identity)?.read_known(&entry.identity, document)?;
        // It may have been started or stopped since its document was read.
        let status = entry.snapshot.status;
        let view = self.view_with_status(asked_as, Arc::new(entry.identity), (fetched, status))?;
        Ok(CampaignView { deleted_at, ..view })
    }

    /// A campaign as the directory has it, but for the status, which is known.
    pub(super) async fn view_as_listed(
        &self,
        asked_as: PlatformKind,
        identity: Arc<CampaignIdentity>,
        status: CampaignStatus,
    ) -> Result<CampaignView, GatewayError> {
        let Shared { shown, ledger, clock, .. } = &*self.shared;
        let now = clock.now();
        let fetched = if let Some(fetched) = shown.recall(identity.uuid, now) {
            fetched
        } else {
            let entry = ledger.find_entry(identity.uuid).await?;
            let entry = entry.ok_or(GatewayError::NotFound(Noun::Campaign))?;
            let fetched = Arc::new(self.view_of_entry(asked_as, entry)?.fetched);
            shown.remember(identity.uuid, Arc::clone(&fetched), now);
            fetched
        };
        let fetched = FetchedCampaign::clone(&fetched);
        let view = self.view_with_status(asked_as, identity, (fetched, status))?;
        self.remember(&view);
        Ok(view)
    }

    fn view_with_status(
        &self,
        asked_as: PlatformKind,
        identity: Arc<CampaignIdentity>,
        (fetched, status): (FetchedCampaign, CampaignStatus),
    ) -> Result<CampaignView, GatewayError> {
        let read = fetched.status.clone();
        let fetched = FetchedCampaign { status, ..fetched };
        let mut view = self.view_of(asked_as, identity, fetched)?;
        if view.route == Route::Native && view.fetched.status != read {
            let adapter = &self.home(&view.identity)?.adapter;
            view.fetched.raw = adapter.document_with_status(&view.fetched);
        }
        Ok(view)
    }

    /// Without what clients said of it.
    pub(super) fn view_of(
        &self,
        asked_as: PlatformKind,
        identity: Arc<CampaignIdentity>,
        mut fetched: FetchedCampaign,
    ) -> Result<CampaignView, GatewayError> {
        let found = fetched.status.clone();
        if found == CampaignStatus::Stopped && self.shared.loading.is_loading(identity.uuid) {
            // It was asked to run and will, as soon as its contacts are there.
            fetched.status = CampaignStatus::Running;
        }
        let home = self.home(&identity)?;
        Ok(CampaignView {
            route: route(Operation::CampaignDetail, home.adapter.platform(), asked_as),
            context: Arc::clone(&home.context),
            fetched,
            found,
            identity,
            written: None,
            results: ResultsGo::AsSaid,
            deleted_at: None,
        })
    }

    /// With the document that a client wrote, and the address that it gave for results.
    pub(super) async fn with_what_clients_said(
        &self,
        asked_as: PlatformKind,
        mut view: CampaignView,
    ) -> Result<CampaignView, GatewayError> {
        let CampaignView { identity, fetched, context, .. } = &view;
        match view.route {
            // The home's document names where its results go, and is shown as it is but for that.
            Route::Native => view.results = self.results_go(identity, fetched).await?,
            _ => view.written = self.written(asked_as, identity, fetched, context).await?,
        }
        Ok(view)
    }
}

/// The facade's view of a read that the home did not answer.
pub(super) fn failed(error: &PlatformError, identity: &CampaignIdentity) -> GatewayError {
    say_unread(error, identity);
    GatewayError::from_platform(error, Noun::Campaign, identity.uuid)
}

fn say_unread(error: &PlatformError, identity: &CampaignIdentity) {
    tracing::warn!(campaign = %identity.uuid, home = %identity.home, %error,
        "the home did not show the campaign; whoever asked is told so");
}

impl Home {
    /// A campaign by its document in the directory.
    ///
    /// # Errors
    /// `Internal` when the document cannot be read.
    pub(super) fn read_known(
        &self,
        identity: &CampaignIdentity,
        document: Bytes,
    ) -> Result<FetchedCampaign, GatewayError> {
        self.adapter.read_campaign(&identity.native, document).map_err(|error| {
            tracing::error!(campaign = %identity.uuid, %error,
                "the directory's document of the campaign cannot be read; the next discovery replaces it");
            GatewayError::Internal("a document in the directory cannot be read".to_owned())
        })
    }

    /// What the home's no comes to for a client: its own words where both speak one language.
    pub(super) fn refusal(
        &self,
        asked_as: PlatformKind,
        error: &PlatformError,
        (noun, job): (Noun, Uuid),
    ) -> GatewayError {
        if self.adapter.platform() == asked_as {
            GatewayError::from_exchange(error, noun, job)
        } else {
            GatewayError::from_platform(error, noun, job)
        }
    }

    /// The same of a read; of what is not there the facade speaks.
    pub(super) fn unread(
        &self,
        asked_as: PlatformKind,
        error: &PlatformError,
        identity: &CampaignIdentity,
    ) -> GatewayError {
        if error.kind == PlatformErrorKind::NotFound {
            return failed(error, identity);
        }
        say_unread(error, identity);
        self.refusal(asked_as, error, (Noun::Campaign, identity.uuid))
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
