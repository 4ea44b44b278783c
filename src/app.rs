//! The composition root: configuration → ledger, id cache, gateway, workers, servers. The only
//! spawner: every task has a name, its end is noticed, and shutdown has a hard deadline.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, ServiceConfig};
use actix_web::{App as ActixApp, HttpResponse, HttpServer};
use anyhow::Context as _;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::ExposeSecret as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{
    AccountConfig, Config, IdCacheConfig, LedgerConfig, Listener, Listeners, TlsFiles,
};
use crate::forwarding::Courier;
use crate::gateway::discovery::Discovery;
use crate::gateway::inbox::InboxProcessor;
use crate::gateway::jobs::JobWorker;
use crate::gateway::outbox::OutboxWorker;
use crate::gateway::pushes::Refresher;
use crate::gateway::{Gateway, GatewayParts};
use crate::http::{self, Administration, Facades};
use crate::idcache::{CacheOwner, IdCache};
use crate::ledger::Ledger;
use crate::ledger::identity::AccountRow;
use crate::mapping::table::Tables;
use crate::transport::outward::AllowedNetworks;

/// Requests in progress get this long when the program stops.
const DRAIN_S: u64 = 20;
/// After that, whatever still runs is left behind.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(25);
/// Ids read from the ledger at a time when the id cache is filled again.
const REFILL_PAGE: u32 = 10_000;
const REFILL_RETRY: Duration = Duration::from_secs(30);
/// Connections that wait to be accepted, per listener.
const LISTEN_BACKLOG: u32 = 1024;
/// Open connections per worker.
const MAX_CONNECTIONS: usize = 10_000;
/// A client that is slower than this with its request head is disconnected.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// A program that is serving.
#[derive(Debug)]
pub struct Running {
    /// Where the facades listen: the configured address, with the port that the system chose for 0.
    pub facades: SocketAddr,
    pub admin: SocketAddr,
    pub callbacks: SocketAddr,
    servers: Vec<ServerHandle>,
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
    let tables = load_tables(&config)?;
    let ledger = open_ledger(&config.ledger, &clock, options.migrate).await?;
    let accounts = config.accounts.iter().map(account_row).collect();
    ledger.register_accounts(accounts, clock.now()).await.context("registering accounts")?;
    let id_cache = open_id_cache(&config.id_cache, &ledger).await?;
    let allowed = AllowedNetworks::new(config.allowed_networks.clone());
    let courier = Courier::new(config.master_keys.as_ref(), allowed, clock.clone())?;
    let gateway = Gateway::new(GatewayParts {
        courier,
        reconcile_interval: config.reconcile_interval,
        backup_directory: config.backup_directory.clone(),
        accounts: config.accounts.clone(),
        bindings: Arc::new(config.bindings.clone()),
        tables,
        ledger: ledger.clone(),
        id_cache: id_cache.clone(),
        clock: clock.clone(),
    })?;
    let facades = Facades::new(&config, &clock)?;

    let stop = CancellationToken::new();
    let mut tasks = vec![
        spawn("id cache refill", refill(id_cache, ledger, clock.clone(), stop.clone())),
        spawn("jobs", work(gateway.job_worker()?, stop.clone())),
        spawn("outbox", forward(gateway.outbox_worker(config.outbox_retention)?, stop.clone())),
        spawn("inbox", process(gateway.inbox_processor(config.inbox_retention)?, stop.clone())),
    ];
    for discovery in gateway.discoveries(config.discovery_interval)? {
        tasks.push(spawn("discovery", discover(discovery, clock.clone(), stop.clone())));
    }
    for refresher in gateway.refreshers()? {
        tasks.push(spawn("refresher", refresh(refresher, stop.clone())));
    }
    let mut servers = Vec::new();
    // Found out here, where it can still be said, rather than in a worker.
    gateway.for_worker().context("connecting the accounts")?;
    let Listeners { facades: facing, callbacks: called, admin: own, .. } = &config.listeners;
    // What platforms push is taken before anything else is.
    let (shared, limit_bytes) = (gateway.clone(), called.body_limit_bytes);
    let sources = http::callbacks::Sources::new(&config.listeners);
    let configure =
        move |cfg: &mut ServiceConfig| configure_receiver(cfg, &shared, (limit_bytes, &sources));
    let into = (&mut servers, &mut tasks);
    let callbacks_at = serve("callbacks", called, Some(1), configure, into)?;
    let shared = gateway.clone();
    let configure = move |cfg: &mut ServiceConfig| configure_worker(cfg, &shared, &facades);
    let into = (&mut servers, &mut tasks);
    let facades_at = serve("facades", facing, options.workers, configure, into)?;
    let administration = Administration::new(&config);
    let configure =
        move |cfg: &mut ServiceConfig| configure_operators(cfg, &gateway, &administration);
    let into = (&mut servers, &mut tasks);
    let admin_at = serve("admin", own, Some(1), configure, into)?;
    tracing::info!(
        facades = %facades_at, admin = %admin_at, callbacks = %callbacks_at, "serving"
    );
    Ok(Running {
        facades: facades_at,
        admin: admin_at,
        callbacks: callbacks_at,
        servers,
        tasks,
        stop,
    })
}

impl Running {
    /// Serves until SIGTERM or ctrl-c, or until a task ends that never should.
    ///
    /// # Errors
    /// When a task ended by itself.
    pub async fn until_stopped(mut self) -> anyhow::Result<()> {
        let failed = tokio::select! {
            () = asked_to_stop() => None,
            name = first_end(&mut self.tasks) => Some(name),
        };
        self.stop().await;
        match failed {
            None => Ok(()),
            Some(name) => anyhow::bail!("the task {name} ended by itself"),
        }
    }

    /// Stops accepting, lets requests in progress end, and returns at the deadline at the latest.
    pub async fn stop(self) {
        self.stop.cancel();
        let drain = async {
            futures_util::future::join_all(self.servers.iter().map(|server| server.stop(true)))
                .await;
            for task in self.tasks {
                if let Err(error) = task.handle.await {
                    tracing::error!(task = task.name, %error, "task failed");
                }
            }
        };
        #[expect(clippy::disallowed_methods, reason = "the shutdown deadline is real time")]
        let deadline = tokio::time::sleep(SHUTDOWN_DEADLINE);
        tokio::select! {
            () = drain => tracing::info!("stopped"),
            () = deadline => tracing::warn!("stopped at the deadline with work in progress"),
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

/// Opens the configured ledger, after bringing its schema up to date when asked to.
///
/// # Errors
/// When it cannot be opened, or its schema is not one that this program works with.
pub async fn open_ledger(
    settings: &LedgerConfig,
    clock: &Clock,
    migrate: bool,
) -> anyhow::Result<Ledger> {
    match settings {
        LedgerConfig::Sqlite { path } => {
            if migrate {
                Ledger::migrate_sqlite(path, clock).context("migrating the ledger")?;
            }
            Ledger::open_sqlite(path)
        }
        LedgerConfig::Postgres { url, connections } => {
            if migrate {
                let migrated = Ledger::migrate_postgres(url.expose_secret(), clock).await;
                migrated.context("migrating the ledger")?;
            }
            Ledger::open_postgres(url.expose_secret(), *connections).await
        }
    }
    .context("opening the ledger")
}

async fn open_id_cache(settings: &IdCacheConfig, ledger: &Ledger) -> anyhow::Result<IdCache> {
    let meta = ledger.meta().await.context("reading the ledger's id")?;
    let owner = CacheOwner { ledger_id: meta.ledger_id, epoch: meta.epoch };
    IdCache::open(&settings.directory, settings.capacity_mb, owner).context("opening the id cache")
}

fn account_row(account: &AccountConfig) -> AccountRow {
    AccountRow {
        slug: account.slug.clone(),
        platform: account.kind().as_str().to_owned(),
        virtual_vdn: account.virtual_vdn(),
    }
}

/// Opens a listener whose workers each configure themselves with `configure`.
fn serve<F>(
    name: &'static str,
    listener: &Listener,
    workers: Option<usize>,
    configure: F,
    (servers, tasks): (&mut Vec<ServerHandle>, &mut Vec<Task>),
) -> anyhow::Result<SocketAddr>
where
    F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    let server = HttpServer::new(move || ActixApp::new().configure(|cfg| configure(cfg)))
        .disable_signals()
        .shutdown_timeout(DRAIN_S)
        .backlog(LISTEN_BACKLOG)
        .max_connections(MAX_CONNECTIONS)
        .client_request_timeout(HEAD_TIMEOUT);
    let server = match workers {
        Some(workers) => server.workers(workers),
        None => server,
    };
    let bound = match &listener.tls {
        None => server.bind(listener.address),
        Some(files) => server.bind_rustls_0_23(listener.address, tls(files)?),
    };
    let bound = bound.with_context(|| format!("listening on {} ({name})", listener.address))?;
    let address = bound.addrs().first().copied().context("a listener without an address")?;
    let server = bound.run();
    servers.push(server.handle());
    tasks.push(spawn(name, async move {
        if let Err(error) = server.await {
            tracing::error!(listener = name, %error, "listener failed");
        }
    }));
    Ok(address)
}

/// One worker's facades; a worker without connections to the platforms says so to every caller.
fn configure_worker(cfg: &mut ServiceConfig, gateway: &Gateway, facades: &Facades) {
    match gateway.for_worker() {
        Ok(worker) => http::configure_facades(cfg, facades, &worker),
        Err(error) => say_unavailable(cfg, &error),
    }
}

/// What takes what platforms push; without connections nothing can be proved, and the platforms are
/// told to come back.
fn configure_receiver(
    cfg: &mut ServiceConfig,
    gateway: &Gateway,
    limits: (usize, &http::callbacks::Sources),
) {
    match gateway.for_worker() {
        Ok(worker) => http::callbacks::configure(cfg, limits, &worker),
        Err(error) => say_unavailable(cfg, &error),
    }
}

fn say_unavailable(cfg: &mut ServiceConfig, error: &anyhow::Error) {
    tracing::error!(%error, "a worker has no connection to the platforms");
    cfg.default_service(web::to(async || HttpResponse::ServiceUnavailable()));
}

/// The operator's listener; the probes answer also while the rest cannot.
fn configure_operators(
    cfg: &mut ServiceConfig,
    gateway: &Gateway,
    administration: &Administration,
) {
    http::configure_probes(cfg, gateway);
    match gateway.for_worker() {
        Ok(worker) => http::configure_api(cfg, administration, &worker),
        Err(error) => tracing::error!(%error, "the API has no connection to the platforms"),
    }
}

fn tls(files: &TlsFiles) -> anyhow::Result<ServerConfig> {
    let certificates = CertificateDer::pem_file_iter(&files.certificate_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("reading {}", files.certificate_file.display()))?;
    let key = PrivateKeyDer::from_pem_file(&files.key_file)
        .with_context(|| format!("reading {}", files.key_file.display()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .context("the certificate and the key do not fit")
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

/// Waits for the first task that ends, takes it out, and says which.
async fn first_end(tasks: &mut Vec<Task>) -> &'static str {
    let (ended, at, _) =
        futures_util::future::select_all(tasks.iter_mut().map(|task| &mut task.handle)).await;
    let task = tasks.remove(at);
    if let Err(error) = ended {
        tracing::error!(task = task.name, %error, "task failed");
    }
    task.name
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
