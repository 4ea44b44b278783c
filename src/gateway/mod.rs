//! What the product does, in terms of neither platform: resolve a public id, decide how the asked
//! operation can be done on the campaign's home, do it, and keep the ledger's account of it.
//!
//! [`Gateway`] is shared by all workers; [`WorkerGateway`] is one worker's handle on it, with
//! adapters of its own (one HTTP client per worker, `limits.md` B2). Nothing here asks *which*
//! platform a home is: what differs is in the home's capabilities and in its adapter.

mod actors;
pub mod adoption;
mod backup;
pub mod books;
pub mod campaigns;
mod chaining;
pub mod changes;
pub mod contacts;
pub mod creation;
pub mod destinations;
pub mod discovery;
pub mod drafts;
mod endings;
pub mod error;
pub mod exchange;
mod flight;
pub mod following;
pub mod groups;
mod holding;
pub mod idempotency;
pub mod inbox;
pub mod jobs;
pub mod merged;
mod names;
pub mod numbers;
pub mod outbox;
pub mod outcomes;
pub mod overview;
pub mod parts;
pub mod passthrough;
mod patience;
pub mod pushes;
mod read_cache;
pub mod reconcile;
mod remembered;
pub mod results;
mod retry;
pub mod route;
pub mod rules;
pub mod sessions;
mod settling;
mod sharing;
pub mod statistics;
pub mod steering;
mod stops;
mod under_way;
mod unkept;
mod written;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::Notify;
use url::Url;
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::{AccountConfig, ClientConfig, ClientScope};
use crate::domain::ids::AccountSlug;
use crate::forwarding::Courier;
pub use crate::gateway::actors::Actors;
use crate::gateway::changes::Turns;
use crate::gateway::creation::Loading;
use crate::gateway::discovery::{Discovery, Memory};
use crate::gateway::error::GatewayError;
use crate::gateway::flight::Flights;
use crate::gateway::holding::Holds;
use crate::gateway::inbox::{Asker, InboxNews, InboxProcessor, Questions};
use crate::gateway::jobs::{Board, JobWorker};
use crate::gateway::outbox::{OutboxNews, OutboxWorker};
use crate::gateway::outcomes::Unknown;
use crate::gateway::pushes::{Refresher, Stale};
use crate::gateway::read_cache::{ReadCache, Stamp, Wanted};
use crate::gateway::reconcile::AskedUpTo;
use crate::gateway::remembered::Remembered;
use crate::gateway::results::Sweeps;
use crate::gateway::sessions::SessionMemory;
use crate::gateway::statistics::LastCounts;
pub use crate::gateway::stops::Arrival;
use crate::gateway::stops::Stops;
use crate::gateway::written::Written;
use crate::idcache::IdCache;
use crate::ledger::Ledger;
use crate::mapping::table::Tables;
use crate::platforms::{
    Account, Adapter, Bindings, ConvertContext, Exchange, FetchedCampaign, PlatformKind,
};

/// What a gateway is made of.
pub struct GatewayParts {
    pub accounts: Vec<AccountConfig>,
    /// Who may have jobs done.
    pub actors: Actors,
    pub bindings: Arc<Bindings>,
    pub tables: Arc<Tables>,
    pub ledger: Ledger,
    pub id_cache: IdCache,
    pub courier: Courier,
    /// How often open days are asked for; None: never by itself.
    pub reconcile_interval: Option<Duration>,
    /// Where copies of the ledger are put.
    pub backup_directory: Option<PathBuf>,
    pub clock: Clock,
}

/// After this the gateway is ready even if an account is still being listed for the first time.
pub const READY_AT_LATEST: Duration = Duration::from_secs(120);

/// The part that all workers share. Clones are cheap.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

/// One worker's gateway: the shared part and adapters with a client of their own. Clones share it
/// within the worker.
#[derive(Clone)]
pub struct WorkerGateway {
    shared: Arc<Shared>,
    homes: Arc<HashMap<AccountSlug, Home>>,
}

/// One worker's way to an account.
struct Home {
    adapter: Adapter,
    context: Arc<ConvertContext>,
}

/// A program that calls, and what it may.
#[derive(Debug)]
pub struct Client {
    pub name: String,
    pub accounts: Vec<AccountSlug>,
    pub scope: ClientScope,
    /// Where its new campaigns are made when the request names no account.
    pub create_on: Option<AccountSlug>,
}

/// Who asks, in whose words, under which request id.
#[derive(Debug, Clone)]
pub struct Asked {
    pub client: Arc<Client>,
    pub platform: PlatformKind,
    pub request_id: String,
    pub arrival: Arrival,
}

impl Client {
    pub fn of(settings: &ClientConfig) -> Self {
        Self {
            name: settings.name.clone(),
            accounts: settings.accounts.clone(),
            scope: settings.scope,
            create_on: settings.create_on.clone(),
        }
    }
}

/// Campaigns of which a client's document or address is remembered.
const MAX_REMEMBERED: usize = 100_000;
/// Campaigns that are remembered with all their home says of them, some kilobytes each.
const MAX_REMEMBERED_DOCUMENTS: usize = 2_048;

struct Shared {
    accounts: HashMap<AccountSlug, ConfiguredAccount>,
    ledger: Ledger,
    id_cache: IdCache,
    clock: Clock,
    /// Details under way, by where the campaign stood when they were asked for.
    flights: Flights<(Wanted, Stamp), Bytes>,
    /// Reads in a home's own words under way: campaign, epoch of its home, where it stood, and what is asked.
    exchanges: Flights<(Uuid, i64, Stamp, Exchange), Bytes>,
    reads: ReadCache,
    /// Campaigns that pushes have named and that are not read again yet.
    stale: Stale,
    /// Readings of attempts under way.
    sweeping: Flights<(Uuid, i64), ()>,
    sweeps: Sweeps,
    memory: Memory,
    turns: Turns,
    board: Board,
    loading: Loading,
    /// Told when a start or stop came to its end.
    steered: Notify,
    actors: Actors,
    holds: Holds,
    stops: Stops,
    inbox: InboxNews,
    /// Campaigns that pushes have named and that nobody knows yet.
    questions: Questions,
    outbox: OutboxNews,
    courier: Courier,
    reconcile_interval: Option<Duration>,
    asked_up_to: AskedUpTo,
    backup_directory: Option<PathBuf>,
    counts: LastCounts,
    /// None: nobody wrote of the campaign.
    written: Remembered<Option<Arc<Written>>>,
    /// Clients' own addresses.
    receivers: Remembered<Option<Url>>,
    /// Campaigns as the directory shows them.
    shown: Remembered<Arc<FetchedCampaign>>,
    unknown: Unknown,
    sessions: SessionMemory,
    started_at: Timestamp,
}

/// An account's settings, and its connection as all workers share it.
struct ConfiguredAccount {
    settings: AccountConfig,
    connection: Account,
    /// It has been listed once, or that was tried.
    was_tried: AtomicBool,
}

impl Gateway {
    /// # Errors
    /// When an account's settings cannot be turned into a connection (a bad trust anchor, say).
    pub fn new(parts: GatewayParts) -> anyhow::Result<Self> {
        let kept_for = |account: &AccountConfig| (account.slug.clone(), account.cache_ttl);
        let reads = ReadCache::new(parts.accounts.iter().map(kept_for));
        let stale = Stale::new(parts.accounts.iter().map(|account| account.slug.clone()));
        let questions = Questions::new(parts.accounts.iter().map(|account| account.slug.clone()));
        let mut accounts = HashMap::new();
        for settings in parts.accounts {
            let (tables, bindings) = (Arc::clone(&parts.tables), Arc::clone(&parts.bindings));
            let connection = Account::new(&settings, tables, bindings, parts.clock.clone())?;
            let slug = settings.slug.clone();
            let was_tried = AtomicBool::new(false);
            accounts.insert(slug, ConfiguredAccount { settings, connection, was_tried });
        }
        let board = Board::new(parts.clock.new_uuid());
        let started_at = parts.clock.now();
        let shared = Shared {
            accounts,
            ledger: parts.ledger,
            id_cache: parts.id_cache,
            clock: parts.clock,
            flights: Flights::new(),
            exchanges: Flights::new(),
            reads,
            stale,
            sweeping: Flights::new(),
            sweeps: Sweeps::default(),
            memory: Memory::default(),
            turns: Turns::default(),
            board,
            loading: Loading::default(),
            steered: Notify::new(),
            actors: parts.actors,
            holds: Holds::default(),
            stops: Stops::default(),
            inbox: InboxNews::default(),
            questions,
            outbox: OutboxNews::default(),
            courier: parts.courier,
            reconcile_interval: parts.reconcile_interval,
            asked_up_to: AskedUpTo::default(),
            backup_directory: parts.backup_directory,
            counts: LastCounts::default(),
            written: Remembered::new(MAX_REMEMBERED),
            receivers: Remembered::new(MAX_REMEMBERED),
            shown: Remembered::new(MAX_REMEMBERED_DOCUMENTS),
            unknown: Unknown::default(),
            sessions: SessionMemory::default(),
            started_at,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// A handle for one worker; call it on the worker's own thread.
    ///
    /// # Errors
    /// When a client for one of the accounts cannot be built.
    pub fn for_worker(&self) -> anyhow::Result<WorkerGateway> {
        let mut homes = HashMap::new();
        for (slug, account) in &self.shared.accounts {
            let adapter = account.connection.adapter()?;
            let context = Arc::new(adapter.context().clone());
            homes.insert(slug.clone(), Home { adapter, context });
        }
        Ok(WorkerGateway { shared: Arc::clone(&self.shared), homes: Arc::new(homes) })
    }

    /// The discovery of each account; `app` gives each a task.
    ///
    /// # Errors
    /// When a client for one of the accounts cannot be built.
    pub fn discoveries(&self, interval: Duration) -> anyhow::Result<Vec<Discovery>> {
        let worker = self.for_worker()?;
        let of = |slug: &AccountSlug| Discovery::new(worker.clone(), slug.clone(), interval);
        Ok(self.shared.accounts.keys().map(of).collect())
    }

    /// What processes the inbox; `app` gives it a task.
    ///
    /// # Errors
    /// When a client for one of the accounts cannot be built.
    pub fn inbox_processor(&self, retention: Duration) -> anyhow::Result<InboxProcessor> {
        Ok(InboxProcessor::new(self.for_worker()?, retention))
    }

    /// What sends to destinations; `app` gives it a task.
    ///
    /// # Errors
    /// When a client for one of the accounts cannot be built.
    pub fn outbox_worker(&self, retention: Duration) -> anyhow::Result<OutboxWorker> {
        Ok(OutboxWorker::new(self.for_worker()?, retention))
    }

    /// What reads each account's campaigns again that pushes name; `app` gives each a task.
    ///
    /// # Errors
    /// When a client for one of the accounts cannot be built.
    pub fn refreshers(&self) -> anyhow::Result<Vec<Refresher>> {
        let worker = self.for_worker()?;
        let of = |slug: &AccountSlug| Refresher::new(worker.clone(), slug.clone());
        Ok(self.shared.accounts.keys().map(of).collect())
    }

    /// What asks for each account's campaigns that pushes name and nobody knows; `app` gives each a task.
    ///
    /// # Errors
    /// When a client for one of the accounts cannot be built.
    pub fn askers(&self) -> anyhow::Result<Vec<Asker>> {
        let worker = self.for_worker()?;
        let of = |slug: &AccountSlug| Asker::new(worker.clone(), slug.clone());
        Ok(self.shared.accounts.keys().map(of).collect())
    }

    /// The worker of jobs; `app` gives it a task.
    ///
    /// # Errors
    /// When a client for one of the accounts cannot be built.
    pub fn job_worker(&self, retention: Duration) -> anyhow::Result<JobWorker> {
        Ok(JobWorker::new(self.for_worker()?, retention))
    }

    /// True once every account has been listed or that was tried; one that takes longer than
    /// [`READY_AT_LATEST`] is not waited for.
    pub fn has_begun(&self) -> bool {
        let Shared { accounts, started_at, clock, .. } = &*self.shared;
        let was_tried = |account: &ConfiguredAccount| account.was_tried.load(Ordering::Acquire);
        let in_time = clock.now() < *started_at + READY_AT_LATEST;
        !in_time || accounts.values().all(was_tried)
    }

    /// Whether a push would be made durable now.
    pub async fn is_durable(&self) -> bool {
        self.inbox_failing_since().is_none() && self.shared.ledger.check_writable().await.is_ok()
    }
}

impl Shared {
    fn was_tried(&self, account: &AccountSlug) {
        if let Some(account) = self.accounts.get(account) {
            account.was_tried.store(true, Ordering::Release);
        }
    }

    fn account(&self, slug: &AccountSlug) -> Result<&AccountConfig, GatewayError> {
        match self.accounts.get(slug) {
            Some(account) => Ok(&account.settings),
            None => Err(GatewayError::unavailable("the campaign's account is not configured")),
        }
    }
}
