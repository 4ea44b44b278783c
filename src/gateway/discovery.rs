//! Discovery: what campaigns each account has, kept in the ledger's directory.
//!
//! A run lists an account, *sights* each page (insert or get the public ids, refresh the
//! snapshots), and has what a whole list no longer has asked for by name. Between runs a public id that
//! nobody knows is looked up where the home can be asked for it; ids that nobody knows there either
//! are remembered for a while, so that guessing ids does not become load on the platforms.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::campaign::CampaignStatus;
use crate::domain::ids::{
    AccountSlug, CampaignIdentity, CampaignKey, CampaignPart, propose_campaign_uuid,
};
use crate::gateway::campaigns::CampaignView;
use crate::gateway::error::{GatewayError, Noun, Refusal};
use crate::gateway::{Asked, Home, Shared, WorkerGateway};
use crate::ledger::directory::Snapshot;
use crate::ledger::identity::{PairSource, Sighting};
use crate::ledger::journal::JournalEntry;
use crate::ledger::steering::Recorded;
use crate::platforms::{Adapter, FetchedCampaign, PlatformError, PlatformErrorKind};
use crate::transport::pacing::Lane;

/// How long an id that nobody knows is not looked up again.
pub const UNKNOWN_ID_REMEMBERED: Duration = Duration::from_secs(10);
/// Ids remembered as unknown; then all are forgotten.
const MAX_UNKNOWN_IDS: usize = 10_000;
/// Campaigns whose last seen status and name are remembered; then all are forgotten.
const MAX_REMEMBERED_SIGHTS: usize = 2_000_000;
/// Pages of one account's list that a run reads.
const MAX_PAGES: u32 = 10_000;

/// Campaigns that a list lacks and that are asked for after it; the next one goes on.
const MAX_MISSING: u32 = 1000;
/// Longest wait after a listing that failed, unless the interval is longer.
pub const MAX_BACKOFF: Duration = Duration::from_secs(900);

/// The discovery of one account. Each has its own, so that one that is slow or down holds nobody up.
pub struct Discovery {
    gateway: WorkerGateway,
    account: AccountSlug,
    /// From the end of one listing to the next.
    interval: Duration,
    /// Listings in a row that failed.
    failures: u32,
    /// When this process recorded its last whole listing.
    recorded_at: Option<Timestamp>,
}

/// What a listing met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Listed {
    campaigns: u64,
    /// Known, and not in the list.
    missing: u64,
}

/// Why a listing did not come to its end.
enum Unlisted {
    Platform(PlatformError),
    Gateway(GatewayError),
    Endless,
}

/// What is remembered between requests: ids that nobody knows, and what snapshots say.
#[derive(Default)]
pub(super) struct Memory {
    /// By client, for what one may look up another may not; since when, and what was answered.
    unknown: Mutex<HashMap<(String, LookedFor), (Timestamp, GatewayError)>>,
    /// A digest of what lists show of a campaign.
    sights: std::sync::RwLock<HashMap<Uuid, u64>>,
}

/// What a look-up is about.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum LookedFor {
    Campaign(CampaignKey),
    Part(CampaignPart, Uuid),
    Call(Uuid),
}

impl Discovery {
    pub(super) fn new(gateway: WorkerGateway, account: AccountSlug, interval: Duration) -> Self {
        Self { gateway, account, interval, failures: 0, recorded_at: None }
    }

    /// Lists the account to its end, unless another replica just did, and answers how long to wait
    /// for the next time. A failure is logged and recorded, and waits longer each time.
    pub async fn run_once(&mut self) -> Duration {
        if let Some(left) = self.fresh_by_another().await {
            return left;
        }
        let outcome = self.list().await;
        let now = self.gateway.shared.clock.now();
        let account = &self.account;
        let (error, wait) = match &outcome {
            Ok(listed) => {
                tracing::debug!(%account, ?listed, "discovery has listed the account");
                self.failures = 0;
                self.recorded_at = Some(now);
                (None, self.interval)
            }
            Err(error) => {
                let wait = self.backoff(error.retry_after());
                self.failures = self.failures.saturating_add(1);
                tracing::warn!(%account, %error, ?wait,
                    "discovery could not list the account; it tries again after the wait");
                (Some(error.to_string()), wait)
            }
        };
        let ledger = &self.gateway.shared.ledger;
        if let Err(error) = ledger.record_reading(account.clone(), error, now).await {
            tracing::warn!(%account, %error,
                "discovery could not record when it listed the account; the next listing does");
        }
        self.gateway.shared.was_tried(account);
        wait
    }

    /// What is left of the interval since another replica listed the account.
    async fn fresh_by_another(&self) -> Option<Duration> {
        let own = self.recorded_at?;
        let readings = self.gateway.shared.ledger.account_readings().await.ok()?;
        let mut readings = readings.into_iter();
        let listed_at = readings.find(|reading| reading.account == self.account)?.listed_at?;
        let age = Duration::try_from(self.gateway.shared.clock.now().duration_since(listed_at));
        (listed_at > own)
            .then(|| self.interval.saturating_sub(age.unwrap_or_default()))
            .filter(|left| !left.is_zero())
    }

    /// The interval, doubled for every failure before this one, and a random part of it less, so that
    /// what failed together does not come back together.
    fn backoff(&self, retry_after: Option<Duration>) -> Duration {
        let doubled = self.interval.saturating_mul(1 << self.failures.min(16));
        let wait = doubled.min(MAX_BACKOFF.max(self.interval));
        let part = 0.5 + self.gateway.shared.clock.random_fraction() / 2.0;
        wait.mul_f64(part).max(retry_after.unwrap_or_default())
    }

    async fn list(&self) -> Result<Listed, Unlisted> {
        let clock = &self.gateway.shared.clock;
        let Some(Home { adapter, .. }) = self.gateway.homes.get(&self.account) else {
            return Err(GatewayError::unavailable("the account is not configured").into());
        };
        let since = clock.now();
        let mut listed = Listed::default();
        let mut cursor: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let asked_at = clock.now();
            let page = adapter.list_campaigns(Lane::Enrichment, cursor.as_deref()).await?;
            listed.campaigns += page.campaigns.len() as u64;
            self.gateway.sight(&self.account, adapter, page.campaigns, asked_at).await?;
            cursor = page.next;
            if cursor.is_none() {
                listed.missing = self.ask_for_missing(since).await?;
                return Ok(listed);
            }
        }
        Err(Unlisted::Endless)
    }
}

impl Discovery {
    /// Has every campaign asked for by its name that the list lacks. Only its home's own word makes it
    /// gone: a list whose pages shift while it is read leaves rows out, and some rows are unreadable.
    async fn ask_for_missing(&self, since: Timestamp) -> Result<u64, GatewayError> {
        let Shared { ledger, stale, .. } = &*self.gateway.shared;
        let account = &self.account;
        let missing = ledger.unseen_campaigns(account.clone(), since, MAX_MISSING).await?;
        let count = missing.len() as u64;
        for identity in missing {
            if !stale.add(account, identity.native) {
                tracing::warn!(%account, count, "the next discovery asks for what is missing");
                break;
            }
        }
        Ok(count)
    }
}

impl Unlisted {
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Unlisted::Platform(error) => error.retry_after,
            Unlisted::Gateway(_) | Unlisted::Endless => None,
        }
    }
}

impl std::fmt::Display for Unlisted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unlisted::Platform(error) => error.fmt(f),
            Unlisted::Gateway(error) => error.fmt(f),
            Unlisted::Endless => write!(f, "its list has no end within {MAX_PAGES} pages"),
        }
    }
}

impl From<PlatformError> for Unlisted {
    fn from(error: PlatformError) -> Self {
        Unlisted::Platform(error)
    }
}

impl From<GatewayError> for Unlisted {
    fn from(error: GatewayError) -> Self {
        Unlisted::Gateway(error)
    }
}

impl WorkerGateway {
    /// The campaign of a public id that is known here: from memory, else from the ledger.
    pub(super) async fn find(
        &self,
        key: CampaignKey,
    ) -> Result<Option<Arc<CampaignIdentity>>, GatewayError> {
        if let Some(identity) = self.shared.id_cache.resolve(key).await {
            return Ok(Some(identity));
        }
        match self.shared.ledger.find_campaign(key).await? {
            Some(identity) => Ok(Some(self.shared.id_cache.insert(identity))),
            None => Ok(None),
        }
    }

    /// Asks the client's accounts for a public id that nobody knows yet.
    ///
    /// # Errors
    /// `NotFound` when none of them has it, `Forbidden` when a platform says that it is somebody
    /// else's, `Unavailable` when one that may have it does not answer.
    pub(super) async fn look_up(
        &self,
        asked: &Asked,
        key: CampaignKey,
    ) -> Result<Arc<CampaignIdentity>, GatewayError> {
        let looked_for = LookedFor::Campaign(key);
        self.known_as_unknown(asked, &looked_for)?;
        let mut answer = GatewayError::NotFound(Noun::Campaign);
        for account in &asked.client.accounts {
            let Some(home) = self.homes.get(account) else { continue };
            let adapter = &home.adapter;
            let Some(native) = adapter.native_of(key) else { continue };
            let asked_at = self.shared.clock.now();
            match adapter.campaign(Lane::FacadeRead, &native).await {
                Ok(fetched) => {
                    let sighted = self.sight(account, adapter, vec![fetched], asked_at).await?;
                    // The home may know it under an id that is not the public one.
                    if let Some(identity) = sighted.into_iter().find(|found| is_called(found, key))
                    {
                        return Ok(identity);
                    }
                }
                Err(error) if error.kind == PlatformErrorKind::NotFound => {}
                Err(error) if error.kind == PlatformErrorKind::Forbidden => {
                    answer = GatewayError::Forbidden(Refusal::ForeignAccount);
                }
                Err(error) => {
                    tracing::warn!(%account, %error,
                        "the home did not show a campaign that it may have; the client is told to ask again");
                    let job = self.shared.clock.new_uuid();
                    return Err(home.refusal(asked.platform, &error, (Noun::Campaign, job)));
                }
            }
        }
        Err(self.remember_unknown(asked, looked_for, answer))
    }

    /// # Errors
    /// What a look-up of the same answered a moment ago.
    pub(super) fn known_as_unknown(
        &self,
        asked: &Asked,
        looked_for: &LookedFor,
    ) -> Result<(), GatewayError> {
        let key = (asked.client.name.clone(), looked_for.clone());
        let now = self.shared.clock.now();
        let unknown = self.shared.memory.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        match unknown.get(&key) {
            Some((since, answer)) if now < *since + UNKNOWN_ID_REMEMBERED => Err(answer.clone()),
            _ => Ok(()),
        }
    }

    /// Gives the answer back.
    pub(super) fn remember_unknown(
        &self,
        asked: &Asked,
        looked_for: LookedFor,
        answer: GatewayError,
    ) -> GatewayError {
        let now = self.shared.clock.now();
        let mut unknown = self.shared.memory.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        if unknown.len() >= MAX_UNKNOWN_IDS {
            unknown.clear();
        }
        unknown.insert((asked.client.name.clone(), looked_for), (now, answer.clone()));
        answer
    }

    /// Makes campaigns public: their ids and snapshots are in the ledger when this returns.
    /// `asked_at` is when the platform was asked: what we changed since then is newer than the answer.
    pub(super) async fn sight(
        &self,
        account: &AccountSlug,
        adapter: &Adapter,
        campaigns: Vec<FetchedCampaign>,
        asked_at: Timestamp,
    ) -> Result<Vec<Arc<CampaignIdentity>>, GatewayError> {
        if campaigns.is_empty() {
            return Ok(Vec::new());
        }
        let seen: Vec<_> =
            campaigns.iter().map(|found| (digest(found), found.status.clone())).collect();
        let sightings = campaigns
            .into_iter()
            .map(|campaign| self.sighting(account, adapter, campaign))
            .collect::<Result<Vec<_>, _>>()?;
        let ledger = &self.shared.ledger;
        let entries = ledger.sight_campaigns(account.clone(), sightings, asked_at).await?;
        let mut identities = Vec::with_capacity(entries.len());
        for (entry, (digest, status)) in entries.into_iter().zip(seen) {
            let uuid = entry.identity.uuid;
            // While it is started or stopped, what is seen of it is not kept: it is looked at again.
            let digest = if entry.snapshot.status == status { digest } else { !digest };
            let is_news = self.shared.memory.sight(uuid) != Some(digest);
            if self.shared.memory.remember_sight(uuid, digest) {
                let CampaignIdentity { home, native, .. } = &entry.identity;
                self.shared.reads.drop_campaign(home, native);
            }
            self.shared.shown.forget(uuid);
            let dials = entry.snapshot.status == CampaignStatus::Running;
            if is_news
                && dials
                && self.must_look_at_running(&entry.identity)
                && !self.look_at_found_running(&entry.identity).await
            {
                self.shared.memory.forget_sight(uuid);
            }
            identities.push(self.shared.id_cache.insert(entry.identity));
        }
        Ok(identities)
    }

    /// Keeps the directory in step with a detail that shows another status or name than it has.
    pub(super) async fn notice(
        &self,
        identity: &CampaignIdentity,
        fetched: &FetchedCampaign,
        asked_at: Timestamp,
    ) -> Result<(), GatewayError> {
        if self.shared.memory.sight(identity.uuid) == Some(digest(fetched)) {
            return Ok(());
        }
        let adapter = &self.home(identity)?.adapter;
        self.sight(&identity.home, adapter, vec![fetched.clone()], asked_at).await.map(drop)
    }

    /// The directory shows how a campaign was found after it was changed; the entry says by whom. Ends
    /// the `turn`.
    pub(super) async fn record_outcome(
        &self,
        identity: &CampaignIdentity,
        found: &FetchedCampaign,
        entry: JournalEntry,
        turn: Option<Uuid>,
    ) -> Result<Recorded, GatewayError> {
        let Shared { ledger, shown, memory, .. } = &*self.shared;
        let recorded = ledger.record_outcome(identity.uuid, snapshot(found), entry, turn).await?;
        shown.forget(identity.uuid);
        memory.remember_sight(identity.uuid, digest(found));
        Ok(recorded)
    }

    /// The directory shows the campaign so.
    pub(super) fn remember(&self, view: &CampaignView) {
        self.shared.memory.remember_sight(view.identity.uuid, digest(&view.as_found()));
    }

    fn sighting(
        &self,
        account: &AccountSlug,
        adapter: &Adapter,
        campaign: FetchedCampaign,
    ) -> Result<Sighting, GatewayError> {
        let names = adapter.public_names(&campaign.native);
        let pair = match (names.pair, self.shared.account(account)?.virtual_vdn()) {
            (Some(pair), _) => PairSource::Given(pair),
            (None, Some(vdn)) => PairSource::Assigned(vdn),
            (None, None) => {
                return Err(GatewayError::Internal(format!("account {account} has no VDN")));
            }
        };
        Ok(Sighting {
            proposed_uuid: names
                .uuid
                .unwrap_or_else(|| propose_campaign_uuid(account, &campaign.native)),
            pair,
            // A platform that gives no UUIDs gives unique names.
            is_known_by_name: names.uuid.is_none(),
            snapshot: snapshot(&campaign),
            native: campaign.native,
        })
    }
}

fn snapshot(campaign: &FetchedCampaign) -> Snapshot {
    Snapshot {
        name: campaign.definition.name.clone(),
        status: campaign.status.clone(),
        document: String::from_utf8_lossy(&campaign.raw).into_owned(),
        created_at: campaign.created_at,
        deleted: campaign.deleted,
    }
}

fn is_called(identity: &CampaignIdentity, key: CampaignKey) -> bool {
    match key {
        CampaignKey::Uuid(uuid) => identity.uuid == uuid,
        CampaignKey::Pair(pair) => identity.pair == Some(pair),
    }
}

impl Memory {
    fn sight(&self, campaign: Uuid) -> Option<u64> {
        self.sights.read().unwrap_or_else(PoisonError::into_inner).get(&campaign).copied()
    }

    /// The campaign is looked at as if it were seen for the first time.
    fn forget_sight(&self, campaign: Uuid) {
        self.sights.write().unwrap_or_else(PoisonError::into_inner).remove(&campaign);
    }

    /// True when something else was remembered.
    fn remember_sight(&self, campaign: Uuid, digest: u64) -> bool {
        let mut sights = self.sights.write().unwrap_or_else(PoisonError::into_inner);
        if sights.len() >= MAX_REMEMBERED_SIGHTS {
            sights.clear();
        }
        sights.insert(campaign, digest).is_some_and(|before| before != digest)
    }
}

/// What lists show of a campaign, as a number. Only compared within this process.
fn digest(campaign: &FetchedCampaign) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (&campaign.definition.name, &campaign.status, campaign.deleted).hash(&mut hasher);
    hasher.finish()
}
