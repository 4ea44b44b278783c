//! Changes to a campaign that are said in another platform's words: read, edited, written back with
//! what the words cannot say left as it is.
//!
//! Neither platform knows versions of its documents, so changes of one campaign go one after the
//! other here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use crate::domain::campaign::{CampaignDefinition, CampaignStatus};
use crate::domain::ids::{CampaignIdentity, CampaignKey};
use crate::domain::policy::RetryPolicy;
use crate::gateway::campaigns::CampaignView;
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::read_cache::Writing;
use crate::gateway::route::{Route, route};
use crate::gateway::rules::{self, Stated};
use crate::gateway::written::KeptOf;
use crate::gateway::{Asked, WorkerGateway};
use crate::platforms::{self, Effect, Operation, PlatformErrorKind};
use crate::transport::pacing::Lane;

/// A change under way: nobody else changes the campaign until this is dropped.
pub struct Change<'a> {
    gateway: &'a WorkerGateway,
    asked: &'a Asked,
    operation: Operation,
    /// The campaign as it is before the change.
    pub before: CampaignView,
    _writing: Writing<'a>,
    _turn: OwnedMutexGuard<()>,
}

/// A campaign after a change.
pub struct Changed {
    pub after: CampaignView,
    /// Campaigns that the change touches, this one included: they use the same dialling rules.
    pub touched: usize,
}

/// A campaign that is no more.
pub struct Deleted {
    pub before: CampaignView,
    pub at: Timestamp,
}

/// Whose turn it is to change a campaign.
#[derive(Default)]
pub(super) struct Turns {
    by_campaign: Mutex<HashMap<Uuid, Arc<tokio::sync::Mutex<()>>>>,
}

const NOT_WHILE_IT_RUNS: &str = "while it runs it cannot be changed so";
/// How long somebody waits for a campaign that is about to stop, and how often its home is asked. A facade
/// answers within 25 s.
const REST_PATIENCE: Duration = Duration::from_secs(12);
const REST_INTERVAL: Duration = Duration::from_millis(500);
/// Campaigns whose turns are remembered; those that nobody waits for are forgotten first.
const MAX_TURNS: usize = 10_000;

impl WorkerGateway {
    /// Begins a change of a campaign on a home that speaks another language.
    ///
    /// # Errors
    /// `Forbidden` when client or account may not write, `Unsupported` where it cannot be done, and
    /// whatever keeps the home from answering.
    pub async fn begin_change<'a>(
        &'a self,
        asked: &'a Asked,
        key: CampaignKey,
        operation: Operation,
    ) -> Result<Change<'a>, GatewayError> {
        let known = self.resolve(asked, key).await?;
        let turn = self.shared.turns.take(known.uuid).await;
        let identity = self.for_writing(asked, known.uuid).await?;
        let home = self.home(&identity)?;
        if let Route::Unsupported(reason) =
            route(operation, home.adapter.platform(), asked.platform)
        {
            return Err(GatewayError::Unsupported(reason));
        }
        let writing = self.shared.reads.writing(&identity);
        let before = Box::pin(self.view(asked.platform, identity)).await?;
        if before.fetched.deleted {
            return Err(GatewayError::NotFound(Noun::Campaign));
        }
        Ok(Change { gateway: self, asked, operation, before, _writing: writing, _turn: turn })
    }

    /// The campaign as soon as it dials no more, where it is about to stop: a home takes a moment for that,
    /// and for nothing else is waited. One whose calls last longer is shown as it is.
    ///
    /// # Errors
    /// As [`WorkerGateway::campaign`].
    pub async fn campaign_at_rest(
        &self,
        asked: &Asked,
        key: CampaignKey,
    ) -> Result<CampaignView, GatewayError> {
        let clock = &self.shared.clock;
        let until = clock.now() + REST_PATIENCE;
        loop {
            let view = self.campaign(asked, key).await?;
            if view.fetched.status != CampaignStatus::Stopping || clock.now() >= until {
                return Ok(view);
            }
            clock.sleep(REST_INTERVAL).await;
        }
    }

    /// Deletes a campaign on its home; its results stay in the ledger. Answers how it stood before.
    ///
    /// # Errors
    /// `State` when the campaign runs, `Unclear` when the answer was lost and looking it up did not
    /// help.
    pub async fn delete_campaign(
        &self,
        asked: &Asked,
        key: CampaignKey,
    ) -> Result<Deleted, GatewayError> {
        let operation = Operation::CampaignDelete;
        let change = self.begin_change(asked, key, operation).await?;
        let identity = Arc::clone(&change.before.identity);
        let job = self.shared.clock.new_uuid();
        let entry = self.operation_entry(asked, operation, Some(&identity), job);
        self.shared.ledger.append_journal(entry).await?;
        let adapter = &self.home(&identity)?.adapter;
        if let Err(error) = adapter.delete_campaign(Lane::FacadeWrite, &identity.native).await {
            tracing::warn!(campaign = %identity.uuid, %job, %error,
                "the home did not confirm that it deleted the campaign; it is asked whether it is gone");
            let gone = error.effect == Effect::Unclear
                && self.is_gone(&identity).await.unwrap_or_default();
            if !gone {
                let home = self.home(&identity)?;
                return Err(home.refusal(asked.platform, &error, (Noun::Campaign, job)));
            }
        }
        let at = self.shared.clock.now();
        self.mark_deleted(&identity, at).await?;
        Ok(Deleted { at, before: change.before })
    }

    /// Brings the directory up to date after a write.
    pub(super) async fn changed(
        &self,
        identity: &CampaignIdentity,
        operation: Operation,
    ) -> Result<(), GatewayError> {
        match operation {
            // A platform may answer with success and have deleted nothing.
            Operation::CampaignDelete if self.is_gone(identity).await? => {
                self.mark_deleted(identity, self.shared.clock.now()).await
            }
            Operation::CampaignModify | Operation::CampaignChain => {
                let adapter = &self.home(identity)?.adapter;
                let asked_at = self.shared.clock.now();
                match adapter.campaign(Lane::FacadeRead, &identity.native).await {
                    Ok(fetched) => {
                        self.sight(&identity.home, adapter, vec![fetched], asked_at).await.map(drop)
                    }
                    // The write is done; lists follow with the next discovery.
                    Err(error) => {
                        tracing::warn!(campaign = %identity.uuid, %error,
                            "the changed campaign could not be read; the next discovery shows it");
                        Ok(())
                    }
                }
            }
            _ => Ok(()),
        }
    }

    async fn is_gone(&self, identity: &CampaignIdentity) -> Result<bool, GatewayError> {
        let adapter = &self.home(identity)?.adapter;
        match adapter.campaign(Lane::FacadeRead, &identity.native).await {
            Ok(fetched) => Ok(fetched.deleted),
            Err(error) => Ok(error.kind == PlatformErrorKind::NotFound),
        }
    }

    /// The directory shows the campaign as deleted from now on.
    async fn mark_deleted(
        &self,
        identity: &CampaignIdentity,
        at: Timestamp,
    ) -> Result<(), GatewayError> {
        let Some(entry) = self.shared.ledger.find_entry(identity.uuid).await? else {
            return Ok(());
        };
        let home = self.home(identity)?;
        let mut fetched = home.read_known(identity, entry.snapshot.document.into())?;
        fetched.deleted = true;
        self.sight(&identity.home, &home.adapter, vec![fetched], at).await?;
        self.stop_following(identity).await
    }
}

impl Change<'_> {
    /// Whether the campaign may be changed so: while it dials, to nothing that nobody would keep.
    /// Nothing is changed yet.
    ///
    /// # Errors
    /// `Unenforced` with the rule.
    pub fn check(&self, definition: &CampaignDefinition) -> Result<(), GatewayError> {
        let identity = &self.before.identity;
        let gateway = self.gateway;
        if !self.dials() {
            return Ok(());
        }
        let platform = gateway.home(identity)?.adapter.platform();
        let windows_are_kept = platforms::keeps_windows(platform);
        let stated = Stated { definition: definition.clone(), windows_are_kept, widening: None };
        let unenforced = rules::unenforced(&stated, gateway.shared.clock.now());
        unenforced.map_or(Ok(()), |reason| {
            Err(GatewayError::Unenforced(format!("{NOT_WHILE_IT_RUNS}: {reason}")))
        })
    }

    /// The same of the client's document and the dialling rules that it names: its home must be able to
    /// run the campaign by them, and what it would lose of them must not let more be called. While the
    /// campaign does not dial, that is seen when it is started.
    ///
    /// # Errors
    /// `Unenforced` with what is missing, or would be lost.
    pub async fn check_document(
        &self,
        document: &Value,
        uses: Option<Uuid>,
    ) -> Result<(), GatewayError> {
        if !self.dials() {
            return Ok(());
        }
        let (gateway, campaign) = (self.gateway, self.before.identity.uuid);
        let home = gateway.home(&self.before.identity)?;
        let kept = KeptOf { campaign, shape: self.asked.platform.as_str(), uses };
        let refused = |why| GatewayError::Unenforced(format!("{NOT_WHILE_IT_RUNS}: {why}"));
        let lost = match gateway.documents(kept, document.clone(), home).await {
            Ok(documents) => documents.widening()?,
            Err(GatewayError::Unenforced(why)) => return Err(refused(why)),
            Err(error) => return Err(error),
        };
        lost.map_or(Ok(()), |lost| {
            Err(refused(format!("its home cannot keep what it states: {lost}")))
        })
    }

    /// Whether the campaign's numbers may be called by `after`. A number that may not be called stays
    /// with the gateway, and one that the home has already is called there.
    ///
    /// # Errors
    /// `State` when a place is closed of which the home has numbers.
    pub fn check_places(
        &self,
        before: &RetryPolicy,
        after: &RetryPolicy,
    ) -> Result<(), GatewayError> {
        if after.closes_a_place_of(before) {
            let reason = "the campaign's home has the numbers that must not be called by this, and \
                          would go on calling them; delete their contacts and use another campaign";
            return Err(GatewayError::State(reason.to_owned()));
        }
        Ok(())
    }

    fn dials(&self) -> bool {
        let CampaignView { identity, fetched, .. } = &self.before;
        fetched.status == CampaignStatus::Running
            || self.gateway.shared.loading.is_loading(identity.uuid)
    }

    /// Writes the edited definition and answers how the campaign stands then.
    ///
    /// # Errors
    /// `Refused`-like errors of the home in the gateway's words; `Unclear` when an answer was lost:
    /// a change that may have been made in part is not guessed at.
    pub async fn write(&self, definition: &CampaignDefinition) -> Result<Changed, GatewayError> {
        let Change { gateway, asked, operation, .. } = *self;
        let identity = &self.before.identity;
        self.check(definition)?;
        let job = gateway.shared.clock.new_uuid();
        let entry = gateway.operation_entry(asked, operation, Some(identity), job);
        gateway.shared.ledger.append_journal(entry).await?;
        let home = gateway.home(identity)?;
        let adapter = &home.adapter;
        // Kept off the caller's stack: it is large.
        let modify =
            Box::pin(adapter.modify_campaign(Lane::FacadeWrite, &identity.native, definition));
        let rules = modify.await.map_err(|error| {
            tracing::warn!(campaign = %identity.uuid, %job, %error,
                "the home did not change the campaign; its client is told");
            home.refusal(asked.platform, &error, (Noun::Campaign, job))
        })?;
        let after = Box::pin(gateway.view(asked.platform, Arc::clone(identity))).await?;
        let fetched = vec![after.as_found()];
        gateway.sight(&identity.home, adapter, fetched, gateway.shared.clock.now()).await?;
        let touched = match rules {
            Some(rules) => {
                let through = Some(identity.uuid);
                let noted = gateway.note_changed_rules(asked, (&identity.home, &rules), through);
                noted.await.map_err(|error| error.after_a_write(job))?
            }
            None => 1,
        };
        Ok(Changed { after, touched })
    }

    /// Keeps the client's document beside the campaign as it stands after the change, and answers
    /// the campaign with it. `uses` are the dialling rules that the document names.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn keep(
        &self,
        after: CampaignView,
        source: Value,
        uses: Option<Uuid>,
    ) -> Result<CampaignView, GatewayError> {
        let seen = (&*after.identity, &after.fetched, &*after.context);
        self.gateway.keep_written(self.asked, seen, source.clone(), uses).await?;
        self.see_to_rules(&after).await?;
        Ok(CampaignView { written: Some(source), ..after })
    }
}

impl Change<'_> {
    /// What was changed holds for a campaign that dials by now, too.
    async fn see_to_rules(&self, after: &CampaignView) -> Result<(), GatewayError> {
        let Change { gateway, asked, .. } = *self;
        let identity = &after.identity;
        let is_running = after.fetched.status == CampaignStatus::Running;
        let entry = gateway.shared.ledger.find_entry(identity.uuid).await?;
        if is_running || entry.is_some_and(|entry| entry.desired == CampaignStatus::Running) {
            let by = (&*asked.client.name, Some(&*asked.request_id));
            gateway.see_to_rules(by, identity).await?;
        }
        Ok(())
    }
}

impl Turns {
    pub(super) async fn take(&self, campaign: Uuid) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.by_campaign.lock().unwrap_or_else(PoisonError::into_inner);
            if turns.len() >= MAX_TURNS {
                turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            }
            Arc::clone(turns.entry(campaign).or_default())
        };
        turn.lock_owned().await
    }
}
