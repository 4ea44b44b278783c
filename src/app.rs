//! The composition root: configuration → ledger, id cache, gateway, workers, servers. The only
//! spawner: every task has a name, its end is noticed, and shutdown has a hard deadline.
//!
//! Ledger, id cache and open listeners are the ground; the rest is made from the configuration, and
//! made anew when that is read again.

mod incoming;
mod listening;
mod stores;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_server::ServerHandle;
use actix_web::web::ServiceConfig;
use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use crate::app::listening::check_certificates;
use crate::app::listening::{
    Certificates, Doors, Opened, configure_operators, configure_receiver, configure_worker,
    connections,
};
pub use crate::app::stores::open_ledger;
use crate::app::stores::{ensure_not_lost, open_id_cache};
use crate::clock::Clock;
use crate::config::{AccountConfig, Config, IdCacheConfig, LedgerConfig, Listeners};
use crate::forwarding::Courier;
use crate::gateway::discovery::Discovery;
use crate::gateway::inbox::{Asker, InboxProcessor};
use crate::gateway::jobs::JobWorker;
use crate::gateway::outbox::OutboxWorker;
use crate::gateway::pushes::Refresher;
use crate::gateway::{Actors, Gateway, GatewayParts};
use crate::http::entrance::{Doorway, Entrance, Side};
use crate::http::{self, Administration, Facades};
use crate::idcache::IdCache;
use crate::ledger::Ledger;
use crate::ledger::identity::AccountRow;
use crate::ledger::keys::KeyFingerprint;
use crate::mapping::table::Tables;
use crate::signing::keys::MasterKeys;
use crate::telemetry::traces;
use crate::transport::outward::AllowedNetworks;

/// After that, whatever still runs is left behind.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(25);
/// A connection that was accepted is with a worker by then, and most have had their last answer.
const ON_THE_WAY: Duration = Duration::from_secs(1);
/// Ids read from the ledger at a time when the id cache is filled again.
const REFILL_PAGE: u32 = 10_000;
const REFILL_RETRY: Duration = Duration::from_secs(30);

/// A program that is serving.
pub struct Running {
    /// Where the facades listen: the configured address, with the port that the system chose for 0.
    pub facades: SocketAddr,
    pub admin: SocketAddr,
    pub callbacks: SocketAddr,
    ground: Ground,
    service: Service,
    /// Listeners of services that were replaced, which let their last requests end.
    retiring: Vec<Task>,
}

/// What stays when the configuration is read again.
struct Ground {
    ledger: Ledger,
    id_cache: IdCache,
    clock: Clock,
    doors: Doors,
    entrance: Arc<Entrance>,
    /// Who may log in by the newest configuration.
    logins: watch::Sender<Vec<(String, String)>>,
    /// Of the configuration, what the ground was made from.
    ledger_config: LedgerConfig,
    id_cache_config: IdCacheConfig,
    workers: Option<usize>,
    tasks: Vec<Task>,
    stop: CancellationToken,
}

/// What a configuration is made into.
struct Service {
    servers: Vec<ServerHandle>,
    listeners: Vec<Task>,
    retires: Arc<AtomicBool>,
    tasks: Vec<Task>,
    stop: CancellationToken,
}

/// Choices that are made on the command line, not in the configuration.
#[derive(Debug, Clone, Copy)]
pub struct StartOptions {
    /// Bring the ledger's schema up to date first.
    pub migrate: bool,
    /// Threads that serve the facades; None = one per core.
    pub workers: Option<usize>,
}

#[derive(Debug)]
struct Task {
    name: &'static str,
    handle: JoinHandle<()>,
}

/// Builds everything and begins to serve; returns when the listeners are open. Must be called inside a
/// tokio runtime.
///
/// # Errors
/// The first part that cannot be built, with its name.
pub async fn start(config: Config, clock: Clock, options: StartOptions) -> anyhow::Result<Running> {
    let ground = Ground::new(&config, clock, options).await?;
    let plan = ground.plan(config).await?;
    let service = plan.begin(&ground)?;
    let at = ground.doors.addresses()?;
    tracing::info!(facades = %at.facades, admin = %at.admin, callbacks = %at.callbacks, "serving");
    Ok(Running {
        facades: at.facades,
        admin: at.admin,
        callbacks: at.callbacks,
        ground,
        service,
        retiring: Vec::new(),
    })
}

impl Running {
    /// Serves until SIGTERM or ctrl-c, or until a task ends that never should. With `load` SIGHUP has
    /// the configuration read again.
    ///
    /// # Errors
    /// When a task ended by itself, or the new configuration does not serve.
    pub async fn until_stopped(
        mut self,
        load: Option<&(dyn Fn() -> anyhow::Result<Config> + Sync)>,
    ) -> anyhow::Result<()> {
        let mut hangups = load.is_some().then(Hangups::new).flatten();
        let failed = loop {
            tokio::select! {
                () = asked_to_stop() => break None,
                name = self.first_end() => break Some(name),
                () = hangup(hangups.as_mut()) => {}
            }
            let Some(load) = load else { continue };
            match load() {
                Ok(config) => self.reload(config).await?,
                Err(error) => tracing::error!("the configuration stays as it was: {error:#}"),
            }
        };
        self.stop().await;
        match failed {
            None => Ok(()),
            Some(name) => anyhow::bail!("the task {name} ended by itself"),
        }
    }

    /// Goes on with another configuration, on the same listeners and the same ledger: requests in
    /// progress end as they began. One that cannot be served changes nothing, and the log says why.
    ///
    /// # Errors
    /// When it could be prepared and not be begun: nothing is served any more.
    pub async fn reload(&mut self, config: Config) -> anyhow::Result<()> {
        let plan = match self.ground.plan(config).await {
            Ok(plan) => plan,
            Err(error) => {
                tracing::error!("the configuration stays as it was: {error:#}");
                return Ok(());
            }
        };
        // Of what works in the background there is one at a time; listeners overlap.
        self.service.stop.cancel();
        await_all(std::mem::take(&mut self.service.tasks)).await;
        // What is not accepted yet waits for the new listeners.
        self.service.retire().await;
        let Ground { clock, ledger, logins, .. } = &self.ground;
        logins.send_replace(plan.facades.logins());
        let (clock, ledger, logins) = (clock.clone(), ledger.clone(), logins.subscribe());
        let old = std::mem::replace(&mut self.service, plan.begin(&self.ground)?);
        let drained = async move {
            // What is accepted already is on its way to a worker.
            clock.sleep(ON_THE_WAY).await;
            old.drain().await;
            await_all(old.listeners).await;
            // Until now somebody may have logged in as it was before.
            let logins = logins.borrow().clone();
            if let Err(error) = end_sessions(&ledger, logins).await {
                tracing::error!("read the configuration again, or restart: {error:#}");
            }
        };
        self.retiring.retain(|task| !task.handle.is_finished());
        self.retiring.push(spawn("retiring listeners", drained));
        tracing::info!("the configuration was read again");
        Ok(())
    }

    /// Stops accepting, lets requests in progress end, and returns at the deadline at the latest.
    pub async fn stop(self) {
        self.service.stop.cancel();
        self.ground.stop.cancel();
        let drain = async {
            self.service.drain().await;
            await_all(self.service.listeners).await;
            await_all(self.service.tasks).await;
            await_all(self.ground.tasks).await;
            await_all(self.retiring).await;
            traces::flush().await;
        };
        #[expect(clippy::disallowed_methods, reason = "the shutdown deadline is real time")]
        let deadline = tokio::time::sleep(SHUTDOWN_DEADLINE);
        tokio::select! {
            () = drain => tracing::info!("stopped"),
            () = deadline => tracing::warn!("stopped at the deadline with work in progress"),
        }
    }

    /// Waits for the first task that ends and never should, takes it out, and says which.
    async fn first_end(&mut self) -> &'static str {
        let Service { listeners, tasks, .. } = &mut self.service;
        let all = listeners.iter_mut().chain(tasks).chain(&mut self.ground.tasks);
        let named = all.map(|task| {
            let Task { name, handle } = task;
            let name = *name;
            Box::pin(async move { (name, handle.await) })
        });
        let ((name, ended), ..) = futures_util::future::select_all(named).await;
        if let Err(error) = ended {
            tracing::error!(task = name, %error,
                "a task of the process panicked; the process stops");
        }
        for tasks in [&mut self.service.listeners, &mut self.service.tasks, &mut self.ground.tasks]
        {
            tasks.retain(|task| !task.handle.is_finished());
        }
        name
    }
}

impl Ground {
    async fn new(config: &Config, clock: Clock, options: StartOptions) -> anyhow::Result<Self> {
        if let Some(collector) = &config.traces {
            traces::start(collector)?;
        }
        if options.migrate {
            ensure_not_lost(config)?;
        }
        let ledger = open_ledger(&config.ledger, &clock, options.migrate).await?;
        // Before the first request of this process, and never again while it runs.
        let doubted = ledger.doubt_orphaned_requests().await;
        doubted.context("looking for requests that had no end")?;
        let id_cache = open_id_cache(&config.id_cache, &ledger).await?;
        let stop = CancellationToken::new();
        let refill = refill(id_cache.clone(), ledger.clone(), clock.clone(), stop.clone());
        Ok(Self {
            doors: Doors::open(&config.listeners)?,
            entrance: Entrance::new(&clock),
            logins: watch::Sender::default(),
            ledger_config: config.ledger.clone(),
            id_cache_config: config.id_cache.clone(),
            workers: options.workers,
            tasks: vec![spawn("id cache refill", refill)],
            ledger,
            id_cache,
            clock,
            stop,
        })
    }

    /// Everything that can fail of serving a configuration, done beforehand.
    async fn plan(&self, config: Config) -> anyhow::Result<Plan> {
        anyhow::ensure!(
            self.is_made_from(&config),
            "another ledger, id cache or listener address needs a restart"
        );
        let Self { ledger, id_cache, clock, .. } = self;
        let tables = load_tables(&config)?;
        let accounts = config.accounts.iter().map(account_row).collect();
        ledger.register_accounts(accounts, clock.now()).await.context("registering accounts")?;
        let keys = key_fingerprints(&config)?;
        ledger.register_keys(keys, clock.now()).await.context("comparing the master keys")?;
        let allowed = AllowedNetworks::new(config.allowed_networks.clone());
        let courier = Courier::new(config.master_keys.as_ref(), allowed, clock.clone())?;
        let gateway = Gateway::new(GatewayParts {
            courier,
            reconcile_interval: config.reconcile_interval,
            backup_directory: config.backup_directory.clone(),
            accounts: config.accounts.clone(),
            actors: Actors::of(&config.clients, &config.api_tokens),
            bindings: Arc::new(config.bindings.clone()),
            tables,
            ledger: ledger.clone(),
            id_cache: id_cache.clone(),
            clock: clock.clone(),
        })?;
        // Found out here, where it can still be said, rather than in a worker.
        gateway.for_worker().context("connecting the accounts")?;
        let facades = Facades::new(&config, &self.entrance, clock)?;
        let certificates = Certificates::read(&config.listeners)?;
        end_sessions(ledger, facades.logins()).await?;
        Ok(Plan { config, gateway, facades, certificates })
    }

    fn is_made_from(&self, config: &Config) -> bool {
        config.ledger.is_same(&self.ledger_config)
            && config.id_cache == self.id_cache_config
            && self.doors.are_of(&config.listeners)
    }
}

/// Ends the sessions that no login of the configuration opened, for good.
async fn end_sessions(ledger: &Ledger, logins: Vec<(String, String)>) -> anyhow::Result<()> {
    let ended = ledger.end_sessions_without_login(logins).await;
    let ended = ended.context("ending sessions whose login was changed or removed")?;
    if ended > 0 {
        tracing::info!(ended, "ended the sessions whose login was changed or removed");
    }
    Ok(())
}

/// What is ready to be served.
struct Plan {
    config: Config,
    gateway: Gateway,
    facades: Facades,
    certificates: Certificates,
}

impl Plan {
    fn begin(self, ground: &Ground) -> anyhow::Result<Service> {
        let Self { config, gateway, facades, certificates } = self;
        let (clock, stop) = (&ground.clock, CancellationToken::new());
        let mut tasks = vec![
            spawn("jobs", work(gateway.job_worker(config.job_retention)?, stop.clone())),
            spawn("outbox", forward(gateway.outbox_worker(config.outbox_retention)?, stop.clone())),
            spawn("inbox", process(gateway.inbox_processor(config.inbox_retention)?, stop.clone())),
        ];
        for discovery in gateway.discoveries(config.discovery_interval)? {
            tasks.push(spawn("discovery", discover(discovery, clock.clone(), stop.clone())));
        }
        for refresher in gateway.refreshers()? {
            tasks.push(spawn("refresher", refresh(refresher, stop.clone())));
        }
        for asker in gateway.askers()? {
            tasks.push(spawn("asker", ask(asker, stop.clone())));
        }
        let Listeners { facades: facing, admin: own, .. } = &config.listeners;
        let entrance = &ground.entrance;
        entrance.limit(&config.listeners, connections(&config.listeners));
        let mut open = Opened::default();
        // What platforms push is taken before anything else is.
        let shared = gateway.clone();
        let doorway = Doorway::new(Side::Callbacks, entrance, &config.listeners);
        let sources = http::callbacks::Sources::new(&config.listeners);
        let configure = move |cfg: &mut ServiceConfig| {
            configure_receiver(cfg, &shared, (&doorway, &sources));
        };
        let door = (ground.doors.callbacks()?, certificates.callbacks);
        open.serve(entrance.gate(Side::Callbacks), door, Some(1), configure)?;
        let (shared, keep) = (gateway.clone(), facing.address);
        let configure = move |cfg: &mut ServiceConfig| configure_worker(cfg, &shared, &facades);
        let door = (ground.doors.facades()?, certificates.facades);
        open.serve(entrance.gate(Side::Facades), door, ground.workers, configure)
            .with_context(|| format!("listening on {keep}"))?;
        let administration = Administration::new(&config, entrance);
        let configure =
            move |cfg: &mut ServiceConfig| configure_operators(cfg, &gateway, &administration);
        let door = (ground.doors.admin()?, certificates.admin);
        open.serve(entrance.gate(Side::Admin), door, Some(1), configure)
            .with_context(|| format!("listening on {}", own.address))?;
        let Opened { servers, listeners, retires } = open;
        Ok(Service { servers, listeners, retires, tasks, stop })
    }
}

impl Service {
    /// Accepts nothing more, and answers once more on each connection.
    async fn retire(&self) {
        self.retires.store(true, Ordering::Relaxed);
        futures_util::future::join_all(self.servers.iter().map(ServerHandle::pause)).await;
    }

    /// Stops accepting, and lets requests in progress end.
    async fn drain(&self) {
        futures_util::future::join_all(self.servers.iter().map(|server| server.stop(true))).await;
    }
}

async fn await_all(tasks: Vec<Task>) {
    for task in tasks {
        if let Err(error) = task.handle.await {
            tracing::error!(task = task.name, %error,
                "a task of the process panicked while the process stopped");
        }
    }
}

/// The tables, with the configured overlay.
///
/// # Errors
/// Every mistake in the tables at once.
pub fn load_tables(config: &Config) -> anyhow::Result<Arc<Tables>> {
    let loaded = match &config.mappings_dir {
        None => Tables::embedded(),
        Some(directory) => Tables::with_overlay(directory),
    };
    loaded.map(Arc::new).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("mistakes in the mapping tables:\n{}", lines.join("\n"))
    })
}

/// What the ledger knows the configured master keys by.
///
/// # Errors
/// When the text holds no keys.
pub fn key_fingerprints(config: &Config) -> anyhow::Result<Vec<KeyFingerprint>> {
    let keys = config.master_keys.as_ref().map(MasterKeys::parse).transpose();
    let keys = keys.context("keys.master_key")?;
    let prints = keys.iter().flat_map(MasterKeys::fingerprints);
    Ok(prints.map(|(version, fingerprint)| KeyFingerprint { version, fingerprint }).collect())
}

fn account_row(account: &AccountConfig) -> AccountRow {
    AccountRow {
        slug: account.slug.clone(),
        platform: account.kind().as_str().to_owned(),
        virtual_vdn: account.virtual_vdn(),
    }
}

/// Fills a new or discarded id cache from the ledger. Look-ups work meanwhile, the ledger answers them.
async fn refill(id_cache: IdCache, ledger: Ledger, clock: Clock, stop: CancellationToken) {
    while id_cache.needs_refill() && !stop.is_cancelled() {
        let page = |after| ledger.export_identities(after, REFILL_PAGE);
        let refilled = tokio::select! {
            () = stop.cancelled() => return,
            refilled = id_cache.refill(page) => refilled,
        };
        if let Err(error) = refilled {
            tracing::warn!(%error, "refilling the id cache failed; it is tried again");
        }
        if id_cache.needs_refill() {
            tokio::select! {
                () = stop.cancelled() => return,
                () = clock.sleep(REFILL_RETRY) => {}
            }
        }
    }
    stop.cancelled().await;
}

/// Lists one account again and again. A listing may be broken off anywhere: each page is whole.
async fn discover(mut discovery: Discovery, clock: Clock, stop: CancellationToken) {
    let again_and_again = async {
        loop {
            clock.sleep(discovery.run_once().await).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = again_and_again => {}
    }
}

/// Reads one account's campaigns again as they are named. What still waits is met by discovery.
async fn refresh(refresher: Refresher, stop: CancellationToken) {
    let again_and_again = async {
        loop {
            refresher.run_once().await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = again_and_again => {}
    }
}

/// Asks for campaigns that pushes name and nobody knows. Rows that wait for one are due again.
async fn ask(asker: Asker, stop: CancellationToken) {
    let again_and_again = async {
        loop {
            asker.run_once().await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = again_and_again => {}
    }
}

/// Processes what was pushed; what is under way at the end is done again.
async fn process(processor: InboxProcessor, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = processor.run() => {}
    }
}

/// Sends to destinations; what is under way at the end is sent again.
async fn forward(worker: OutboxWorker, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = worker.run() => {}
    }
}

/// Runs jobs; what is under way at the end is given back to whoever comes next.
async fn work(worker: JobWorker, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = worker.run() => {}
    }
    worker.release().await;
}

#[expect(clippy::disallowed_methods, reason = "app is the only spawner")]
fn spawn(name: &'static str, work: impl Future<Output = ()> + Send + 'static) -> Task {
    Task { name, handle: tokio::spawn(work) }
}

/// SIGHUP, as often as it comes.
struct Hangups(tokio::signal::unix::Signal);

impl Hangups {
    /// None where the system has no such signal to give.
    fn new() -> Option<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::hangup()) {
            Ok(signal) => Some(Self(signal)),
            Err(error) => {
                tracing::warn!(%error, "SIGHUP does not have the configuration read again");
                None
            }
        }
    }
}

/// The next SIGHUP; never where none is listened for.
async fn hangup(hangups: Option<&mut Hangups>) {
    let heard = match hangups {
        Some(Hangups(signal)) => signal.recv().await,
        None => None,
    };
    if heard.is_none() {
        std::future::pending::<()>().await;
    }
}

async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        // Without a handler SIGTERM ends the process by itself; ctrl-c is still waited for.
        tokio::signal::ctrl_c().await.ok();
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
