//! Results: attempts are read from the home, recorded in the ledger, and answered from there.
//!
//! A reading (*sweep*) of a campaign is shared by all who ask at the same time, is not repeated
//! within [`SWEEP_GAP`], and stops when its time is up; the next one goes on where it stopped. So
//! clients that poll cost the home no more than its limits allow.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::call::{CallMoments, CallResult, Disposition};
use crate::domain::campaign::CampaignStatus;
use crate::domain::contact::Contact;
use crate::domain::ids::{AccountSlug, CampaignIdentity, CampaignKey, CampaignPart, NativeId};
use crate::domain::listing::{AttemptFilter, AttemptWindow, Finals, Window};
use crate::gateway::campaigns::failed;
use crate::gateway::discovery::LookedFor;
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::route::{Route, route};
use crate::gateway::{Asked, Home, Shared, WorkerGateway};
use crate::ledger::attempts::{AttemptRow, AttemptScope, Recorded, SeenAttempt};
use crate::ledger::contacts::{ContactNames, ContactRow};
use crate::ledger::directory::DirectoryFilter;
use crate::platforms::{
    AttemptQuery, ConvertContext, Exchange, FetchedAttempt, Operation, PlatformErrorKind,
};
use crate::transport::pacing::Lane;

/// A recorded attempt with what it takes to show it.
pub struct AttemptView {
    pub identity: Arc<CampaignIdentity>,
    pub route: Route,
    pub context: Arc<ConvertContext>,
    pub row: AttemptRow,
    /// Public id of the contact, when it is known which.
    pub contact: Option<Uuid>,
    /// The place of the called number among the contact's.
    pub place: Option<usize>,
    /// The parts that the asker's client named for the campaign.
    pub parts: Vec<(CampaignPart, Uuid)>,
}

/// The call behind an attempt.
pub enum CallView {
    /// An object of a home's own.
    Native(Bytes),
    /// All that is known of it is the attempt; its id is the attempt's.
    Recorded(Box<AttemptView>),
}

/// Some of a campaign's attempts, oldest first.
pub struct AttemptListing {
    pub attempts: Vec<AttemptView>,
    /// Attempts that meet the filter in all.
    pub total: u64,
}

/// A campaign is not read again sooner than this.
pub const SWEEP_GAP: Duration = Duration::from_secs(2);
/// A sweep begins no page after this; what is left is for the next one.
pub const SWEEP_BUDGET: Duration = Duration::from_secs(10);
/// Campaigns that a list over all campaigns reads anew; the others are as they were read last.
pub const MAX_SWEPT_PER_LIST: usize = 20;
/// Campaigns whose last sweep is remembered; then all are forgotten, which costs a reading each.
const MAX_REMEMBERED_SWEEPS: usize = 100_000;
/// A list over all campaigns reads one anew that was not read for so long, whether it dials or not:
/// calls end after a campaign has stopped.
pub const SWEEP_STALE: Duration = Duration::from_secs(60);
/// Newest campaigns among which a list over all looks for ones to read.
const CAMPAIGNS_LOOKED_AT: u32 = 1000;

/// When each campaign was last read, and where reading goes on.
#[derive(Default)]
pub(super) struct Sweeps {
    last: Mutex<HashMap<Uuid, Sweep>>,
    /// When each client's list over all campaigns was last preceded by news, by the client's name.
    listed: Mutex<HashMap<String, Timestamp>>,
}

#[derive(Clone)]
struct Sweep {
    at: Timestamp,
    /// Where the home's list goes on, if the sweep ran out of time.
    resume: Option<String>,
    /// The list was read to its end at least once.
    complete: bool,
}

impl WorkerGateway {
    /// A campaign's attempts, newest first.
    ///
    /// # Errors
    /// Whatever keeps the home from answering while the campaign was never read to its end.
    pub async fn attempts_of(
        &self,
        asked: &Asked,
        key: CampaignKey,
        window: AttemptWindow,
    ) -> Result<Vec<AttemptView>, GatewayError> {
        let identity = self.swept(asked, key).await?;
        self.recorded(asked, AttemptScope::Campaign(identity.uuid), window).await
    }

    /// A campaign's attempts that are over and meet a filter.
    ///
    /// # Errors
    /// As [`WorkerGateway::attempts_of`].
    pub async fn search_attempts(
        &self,
        asked: &Asked,
        key: CampaignKey,
        filter: impl FnOnce(&ConvertContext) -> AttemptFilter,
        window: (u64, u32),
    ) -> Result<AttemptListing, GatewayError> {
        let identity = self.swept(asked, key).await?;
        let home = self.home(&identity)?;
        let mut filter = filter(&home.context);
        if filter.finals == Finals::Last {
            filter.finals = self.finals(&identity, home).await?;
        }
        self.found(asked, &identity, filter, window).await
    }

    /// The same from what was recorded until now, without asking the home.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn search_recorded(
        &self,
        asked: &Asked,
        key: CampaignKey,
        filter: impl FnOnce(&ConvertContext) -> AttemptFilter,
        window: (u64, u32),
    ) -> Result<AttemptListing, GatewayError> {
        let identity = self.resolve(asked, key).await?;
        let filter = filter(&self.home(&identity)?.context);
        self.found(asked, &identity, filter, window).await
    }

    async fn found(
        &self,
        asked: &Asked,
        identity: &CampaignIdentity,
        filter: AttemptFilter,
        window: (u64, u32),
    ) -> Result<AttemptListing, GatewayError> {
        let page = self.shared.ledger.search_attempts(identity.uuid, filter, window).await?;
        let attempts = self.show_all(asked, page.attempts).await?;
        Ok(AttemptListing { attempts, total: page.total })
    }

    /// Which attempts are final: while the campaign may still dial, those of contacts that have no try
    /// left; its home says how many there are.
    async fn finals(
        &self,
        identity: &CampaignIdentity,
        home: &Home,
    ) -> Result<Finals, GatewayError> {
        let fetched = home.adapter.campaign(Lane::FacadeRead, &identity.native).await;
        match fetched {
            Err(error) if error.kind == PlatformErrorKind::NotFound => Ok(Finals::Last),
            Err(error) => Err(failed(&error, identity)),
            Ok(fetched) if fetched.status == CampaignStatus::Ended || fetched.deleted => {
                Ok(Finals::Last)
            }
            Ok(fetched) => {
                let attempts_by_place = fetched.definition.retry.attempts_by_place;
                Ok(Finals::Finished { attempts_by_place })
            }
        }
    }

    /// Attempts of all campaigns of the client, newest first. Campaigns that may have news are read first, as far
    /// as the time allows; one whose home does not answer is shown as it was read last.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn attempts(
        &self,
        asked: &Asked,
        window: AttemptWindow,
    ) -> Result<Vec<AttemptView>, GatewayError> {
        if self.shared.sweeps.list_is_due(&asked.client.name, self.shared.clock.now()) {
            self.sweep_news(asked).await?;
        }
        let scope = AttemptScope::Accounts(asked.client.accounts.clone());
        self.recorded(asked, scope, window).await
    }

    /// One recorded attempt by its public id.
    ///
    /// # Errors
    /// `NotFound` when nobody reported it, `Forbidden` when it is another account's.
    pub async fn attempt(&self, asked: &Asked, id: Uuid) -> Result<AttemptView, GatewayError> {
        let row = self.shared.ledger.find_attempt(id).await?;
        self.show_one(asked, row).await
    }

    /// The call of that id: of a recorded attempt whose home has no such objects, else looked for
    /// with `ask` on the client's accounts that have.
    ///
    /// # Errors
    /// `NotFound` when nobody knows it, `Forbidden` when it is another account's.
    pub async fn call(
        &self,
        asked: &Asked,
        id: Uuid,
        ask: &Exchange,
    ) -> Result<CallView, GatewayError> {
        match self.attempt(asked, id).await {
            Ok(view) if view.route != Route::Native => {
                return Ok(CallView::Recorded(Box::new(view)));
            }
            Ok(_) | Err(GatewayError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
        let looked_for = LookedFor::Call(id);
        self.find_on_own_accounts(asked, looked_for, Noun::Attempt, ask).await.map(CallView::Native)
    }

    /// Deletes a recorded attempt for the clients; it stays readable, and results still count it.
    ///
    /// # Errors
    /// `State` while the call is not over, and as [`WorkerGateway::attempt`].
    pub async fn delete_attempt(
        &self,
        asked: &Asked,
        id: Uuid,
    ) -> Result<AttemptView, GatewayError> {
        let view = self.attempt(asked, id).await?;
        self.may_write(asked, &view.identity.home)?;
        if view.row.attempt.result == CallResult::InProgress {
            return Err(GatewayError::State("the call is not over".to_owned()));
        }
        let operation = Operation::ResultDelete;
        let entry = self.operation_entry(asked, operation, Some(&view.identity), id);
        self.shared.ledger.append_journal(entry).await?;
        self.shared.ledger.delete_attempt(id, self.shared.clock.now()).await?;
        self.attempt(asked, id).await
    }

    /// Records that an attempt is deleted on its home.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn note_deleted_attempt(&self, id: Uuid) -> Result<(), GatewayError> {
        self.shared.ledger.delete_attempt(id, self.shared.clock.now()).await?;
        Ok(())
    }

    /// One recorded attempt by its public id, or by the name that its platform gave the call.
    ///
    /// # Errors
    /// As [`WorkerGateway::attempt`].
    pub async fn attempt_by_call(
        &self,
        asked: &Asked,
        call: &str,
    ) -> Result<AttemptView, GatewayError> {
        if let Ok(id) = Uuid::try_parse(call) {
            return self.attempt(asked, id).await;
        }
        let accounts = asked.client.accounts.clone();
        let row = self.shared.ledger.find_attempt_by_call(accounts, NativeId::new(call)).await?;
        self.show_one(asked, row).await
    }

    /// The attempt with what only the call itself tells: when it rang and was answered, who ended it and
    /// why. It is kept, so the home is asked once. Where that does not answer, with what is known.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn explained(&self, mut view: AttemptView) -> Result<AttemptView, GatewayError> {
        let row = &view.row;
        let is_known = row.moments != CallMoments::default();
        let home = self.homes.get(&row.account);
        let Some(home) = home.filter(|_| !is_known && row.attempt.result != CallResult::InProgress)
        else {
            return Ok(view);
        };
        let explained = home.adapter.explain_attempt(Lane::FacadeRead, row.raw.as_bytes()).await;
        let explained = explained.unwrap_or_else(|error| {
            tracing::warn!(attempt = %row.uuid, %error, "the call is not explained");
            None
        });
        if explained.is_none() {
            return Ok(view);
        }
        let Shared { ledger, clock, outbox, .. } = &*self.shared;
        if let Some(row) = ledger.explain_attempt(row.uuid, explained, clock.now()).await? {
            view.row = row;
        }
        outbox.tell();
        Ok(view)
    }

    /// The campaign, with everything that its home reports on it in the ledger.
    pub(super) async fn swept(
        &self,
        asked: &Asked,
        key: CampaignKey,
    ) -> Result<Arc<CampaignIdentity>, GatewayError> {
        let identity = self.resolve(asked, key).await?;
        let home = self.home(&identity)?;
        if let Route::Unsupported(reason) =
            route(Operation::ResultQuery, home.adapter.platform(), asked.platform)
        {
            return Err(GatewayError::Unsupported(reason));
        }
        self.sweep(&identity).await?;
        Ok(identity)
    }

    async fn recorded(
        &self,
        asked: &Asked,
        scope: AttemptScope,
        window: AttemptWindow,
    ) -> Result<Vec<AttemptView>, GatewayError> {
        let rows = self.shared.ledger.list_attempts(scope, window).await?;
        self.show_all(asked, rows).await
    }

    async fn show_all(
        &self,
        asked: &Asked,
        rows: Vec<AttemptRow>,
    ) -> Result<Vec<AttemptView>, GatewayError> {
        let mut references: HashMap<Uuid, HashSet<&str>> = HashMap::new();
        for row in &rows {
            let reference = row.attempt.contact_reference.as_deref();
            references.entry(row.campaign).or_default().extend(reference);
        }
        let mut contacts = HashMap::with_capacity(references.len());
        for (campaign, references) in references {
            contacts.insert(campaign, self.contact_index(campaign, references).await?);
        }
        let mut attempts = Vec::with_capacity(rows.len());
        for row in rows {
            // A reference names a subscriber, of whom there may be several contacts.
            let named = contacts.get(&row.campaign).and_then(|known| known.contact_of(&row));
            let called = match row.contact {
                Some(uuid) => Some(CalledContact { uuid, place: None }),
                None => named,
            };
            attempts.push(self.show(asked, row, called).await?);
        }
        Ok(attempts)
    }

    async fn show_one(
        &self,
        asked: &Asked,
        row: Option<AttemptRow>,
    ) -> Result<AttemptView, GatewayError> {
        let shown = self.show_all(asked, row.into_iter().collect()).await?.pop();
        shown.ok_or(GatewayError::NotFound(Noun::Attempt))
    }

    async fn show(
        &self,
        asked: &Asked,
        row: AttemptRow,
        called: Option<CalledContact>,
    ) -> Result<AttemptView, GatewayError> {
        let identity = self.resolve(asked, CampaignKey::Uuid(row.campaign)).await?;
        let home = self.home(&identity)?;
        // After a move the attempt is still in the words of the account that reported it.
        let reporter = self.shared.account(&row.account)?.kind();
        let route = route(Operation::ResultQuery, reporter, asked.platform);
        let parts = match route {
            Route::Native => Vec::new(),
            _ => self.written_parts(asked.platform, identity.uuid).await?,
        };
        let context = Arc::clone(&home.context);
        let (contact, place) = (called.map(|called| called.uuid), called.and_then(|it| it.place));
        Ok(AttemptView { identity, route, context, row, contact, place, parts })
    }

    /// Brings the ledger up to date with what the home reports on a campaign.
    pub(super) async fn sweep(&self, identity: &Arc<CampaignIdentity>) -> Result<(), GatewayError> {
        let last = self.shared.sweeps.last(identity.uuid);
        let now = self.shared.clock.now();
        if last.as_ref().is_some_and(|last| now < last.at + SWEEP_GAP && last.complete) {
            return Ok(());
        }
        let flight = (identity.uuid, identity.home_epoch);
        let read = self.shared.sweeping.share(flight, async || self.read_pages(identity).await);
        match read.await {
            Err(_) if last.is_some_and(|last| last.complete) => Ok(()),
            outcome => outcome,
        }
    }

    async fn read_pages(&self, identity: &CampaignIdentity) -> Result<(), GatewayError> {
        let home = self.home(identity)?;
        let began = self.shared.clock.now();
        let last = self.shared.sweeps.last(identity.uuid);
        let mut complete = last.as_ref().is_some_and(|last| last.complete);
        let mut query =
            AttemptQuery { cursor: last.and_then(|last| last.resume), ..AttemptQuery::default() };
        loop {
            let page = home
                .adapter
                .attempts(Lane::FacadeRead, &identity.native, &query)
                .await
                .map_err(|error| failed(&error, identity))?;
            let now = self.shared.clock.now();
            self.record_page((&identity.home, identity.uuid), page.attempts).await?;
            query.cursor = page.next;
            complete |= query.cursor.is_none();
            if query.cursor.is_none() || now >= began + SWEEP_BUDGET {
                break;
            }
        }
        let sweep = Sweep { at: self.shared.clock.now(), resume: query.cursor, complete };
        self.shared.sweeps.remember(identity.uuid, sweep);
        Ok(())
    }

    /// Keeps what a home told of a campaign's attempts; answers what is kept, and what was news.
    pub(super) async fn record_page(
        &self,
        (account, campaign): (&AccountSlug, Uuid),
        attempts: Vec<FetchedAttempt>,
    ) -> Result<Vec<(AttemptRow, Recorded)>, GatewayError> {
        if attempts.is_empty() {
            return Ok(Vec::new());
        }
        let Shared { ledger, clock, outbox, .. } = &*self.shared;
        let natives = attempts.iter().filter_map(|fetched| fetched.contact.clone());
        let contacts = self.contacts_by_native(campaign, natives).await?;
        let seen =
            attempts.into_iter().map(|fetched| self.seen(account, fetched, &contacts)).collect();
        let recorded = ledger.record_attempts(account.clone(), campaign, seen, clock.now()).await?;
        outbox.tell();
        Ok(recorded)
    }

    /// The attempt as the ledger keeps it. Where the home names the contact by its own id, the
    /// contact's reference is put in, so that every client finds the contact that it added.
    pub(super) fn seen(
        &self,
        account: &AccountSlug,
        fetched: FetchedAttempt,
        contacts: &HashMap<NativeId, ContactRow>,
    ) -> SeenAttempt {
        let mut attempt = fetched.attempt;
        if attempt.disposition == Disposition::Unknown {
            self.shared.unknown.alert(account, &attempt.native_code);
        }
        let contact = fetched.contact.as_ref().and_then(|native| contacts.get(native));
        if let Some(row) = contact {
            let reference = row.contact.reference.clone();
            attempt.contact_reference = reference.or_else(|| Some(row.uuid.simple().to_string()));
        }
        let native_uuid = Uuid::try_parse(fetched.native.as_str()).ok();
        SeenAttempt {
            proposed_uuid: native_uuid.unwrap_or_else(|| self.shared.clock.new_ordered_uuid()),
            native: fetched.native,
            attempt,
            raw: String::from_utf8_lossy(&fetched.raw).into_owned(),
            call: fetched.call,
            contact: contact.map(|row| row.uuid),
        }
    }

    async fn sweep_news(&self, asked: &Asked) -> Result<(), GatewayError> {
        let deadline = self.shared.clock.now() + SWEEP_BUDGET;
        let mut silent = HashSet::new();
        for identity in self.with_news(asked).await? {
            if self.shared.clock.now() >= deadline {
                break;
            }
            // Logged where it failed; the list shows what is known, and the account's other
            // campaigns wait for the next list.
            if !silent.contains(&identity.home) && self.sweep(&identity).await.is_err() {
                silent.insert(identity.home.clone());
            }
        }
        Ok(())
    }

    /// Campaigns of the client that dial now or were not read for a while, longest unread first.
    async fn with_news(&self, asked: &Asked) -> Result<Vec<Arc<CampaignIdentity>>, GatewayError> {
        let filter = DirectoryFilter {
            accounts: asked.client.accounts.clone(),
            ..DirectoryFilter::default()
        };
        let window = Window::Offset { offset: 0, limit: CAMPAIGNS_LOOKED_AT };
        let page = self.shared.ledger.list_directory(filter, window).await?;
        let now = self.shared.clock.now();
        let mut candidates: Vec<_> = page
            .entries
            .into_iter()
            .filter_map(|entry| {
                let last = self.shared.sweeps.last(entry.identity.uuid);
                let dials = matches!(
                    entry.snapshot.status,
                    CampaignStatus::Running | CampaignStatus::Stopping
                );
                let read =
                    last.as_ref().is_some_and(|last| last.complete && now < last.at + SWEEP_STALE);
                (dials || !read).then(|| (last.map(|last| last.at), Arc::new(entry.identity)))
            })
            .collect();
        candidates.sort_by_key(|(last, _)| *last);
        Ok(candidates.into_iter().take(MAX_SWEPT_PER_LIST).map(|(_, identity)| identity).collect())
    }

    async fn contact_index(
        &self,
        campaign: Uuid,
        references: HashSet<&str>,
    ) -> Result<ContactIndex, GatewayError> {
        let names = references.into_iter().map(str::to_owned).collect();
        let names = ContactNames::Reference(names);
        let mut index = ContactIndex::default();
        for row in self.shared.ledger.contacts_named(campaign, names).await? {
            if let Some(reference) = &row.contact.reference {
                index.by_reference.insert(reference.clone(), row.uuid);
            }
            index.by_uuid.insert(row.uuid, row.contact);
        }
        Ok(index)
    }
}

/// Whom an attempt called.
#[derive(Clone, Copy)]
struct CalledContact {
    uuid: Uuid,
    place: Option<usize>,
}

/// A campaign's contacts by what attempts call them.
#[derive(Default)]
struct ContactIndex {
    by_uuid: HashMap<Uuid, Contact>,
    by_reference: HashMap<String, Uuid>,
}

impl ContactIndex {
    fn contact_of(&self, row: &AttemptRow) -> Option<CalledContact> {
        let reference = row.attempt.contact_reference.as_deref()?;
        let own = Uuid::try_parse(reference).ok().filter(|uuid| self.by_uuid.contains_key(uuid));
        let uuid = own.or_else(|| self.by_reference.get(reference).copied())?;
        let (contact, called) = (self.by_uuid.get(&uuid), row.attempt.called.as_ref());
        let place = contact.zip(called).and_then(|(contact, called)| contact.place_of(called));
        Some(CalledContact { uuid, place })
    }
}

impl Sweeps {
    fn last(&self, campaign: Uuid) -> Option<Sweep> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).get(&campaign).cloned()
    }

    /// Whether a client's list looks for news; the pages of one list do it together.
    fn list_is_due(&self, client: &str, now: Timestamp) -> bool {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = listed.get(client).is_none_or(|last| now >= *last + SWEEP_GAP);
        if is_due {
            listed.insert(client.to_owned(), now);
        }
        is_due
    }

    fn remember(&self, campaign: Uuid, sweep: Sweep) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= MAX_REMEMBERED_SWEEPS {
            last.clear();
        }
        last.insert(campaign, sweep);
    }
}
