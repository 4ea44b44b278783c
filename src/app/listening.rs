//! Listening: sockets that stay open while the configuration is read again, and what answers on them.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_server::{Server, ServerHandle};
use actix_service::IntoServiceFactory as _;
use actix_tls::accept::{max_concurrent_tls_connect, rustls_0_23::Acceptor};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::middleware::{Condition, from_fn};
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpResponse};
use anyhow::Context as _;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use socket2::{Domain, Protocol, Socket, Type};

use super::{Task, incoming, spawn};
use crate::config::{Listener, Listeners, TlsFiles};
use crate::gateway::Gateway;
use crate::http::entrance::{Connection, Doorway, Gate};
use crate::http::{self, Administration, Facades};
use crate::telemetry::traces;

/// Requests in progress get this long when the program stops.
const DRAIN_S: u64 = 20;
/// Connections that wait to be accepted, per listener.
const LISTEN_BACKLOG: i32 = 1024;
/// Sockets per worker beyond those that its gate lets in: one that is not accepted cannot make room for
/// itself, and would hide the ones behind it. More would use up files that nobody counts.
const UNGATED_SOCKETS: usize = 16;
/// TLS handshakes at a time; the gate is what limits them.
const MAX_HANDSHAKES: usize = 1 << 20;

/// The open sockets.
pub(super) struct Doors {
    facades: Door,
    admin: Door,
    callbacks: Door,
}

struct Door {
    /// As configured; its port may be 0.
    configured: SocketAddr,
    socket: TcpListener,
}

/// Where the listeners are.
pub(super) struct Addresses {
    pub facades: SocketAddr,
    pub admin: SocketAddr,
    pub callbacks: SocketAddr,
}

/// What the listeners prove themselves with; plain HTTP without.
pub(super) struct Certificates {
    pub facades: Option<ServerConfig>,
    pub admin: Option<ServerConfig>,
    pub callbacks: Option<ServerConfig>,
}

/// Reads what the listeners prove themselves with, as `serve` does.
///
/// # Errors
/// Which file of which listener cannot be read, or that its certificate and its key do not fit.
pub fn check_certificates(listeners: &Listeners) -> anyhow::Result<()> {
    Certificates::read(listeners).map(drop)
}

/// Servers that are listening.
#[derive(Default)]
pub(super) struct Opened {
    pub servers: Vec<ServerHandle>,
    pub listeners: Vec<Task>,
    /// Set when they are about to stop: from then on each answer is the last of its connection.
    pub retires: Arc<AtomicBool>,
}

impl Doors {
    pub fn open(listeners: &Listeners) -> anyhow::Result<Self> {
        let open = |name: &str, listener: &Listener| {
            let at = listener.address;
            Door::open(at).with_context(|| format!("listening on {at} ({name})"))
        };
        Ok(Self {
            callbacks: open("callbacks", &listeners.callbacks)?,
            facades: open("facades", &listeners.facades)?,
            admin: open("admin", &listeners.admin)?,
        })
    }

    pub fn are_of(&self, listeners: &Listeners) -> bool {
        self.facades.configured == listeners.facades.address
            && self.admin.configured == listeners.admin.address
            && self.callbacks.configured == listeners.callbacks.address
    }

    pub fn addresses(&self) -> anyhow::Result<Addresses> {
        Ok(Addresses {
            facades: self.facades.socket.local_addr()?,
            admin: self.admin.socket.local_addr()?,
            callbacks: self.callbacks.socket.local_addr()?,
        })
    }

    pub fn facades(&self) -> anyhow::Result<TcpListener> {
        Ok(self.facades.socket.try_clone()?)
    }

    pub fn admin(&self) -> anyhow::Result<TcpListener> {
        Ok(self.admin.socket.try_clone()?)
    }

    pub fn callbacks(&self) -> anyhow::Result<TcpListener> {
        Ok(self.callbacks.socket.try_clone()?)
    }
}

impl Door {
    fn open(at: SocketAddr) -> std::io::Result<Self> {
        let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.bind(&at.into())?;
        socket.listen(LISTEN_BACKLOG)?;
        Ok(Self { configured: at, socket: socket.into() })
    }
}

impl Certificates {
    pub fn read(listeners: &Listeners) -> anyhow::Result<Self> {
        let read = |name: &str, listener: &Listener| {
            let config = listener.tls.as_ref().map(tls).transpose();
            config.with_context(|| format!("listeners.{name}: its certificate cannot be used"))
        };
        Ok(Self {
            facades: read("facades", &listeners.facades)?,
            admin: read("admin", &listeners.admin)?,
            callbacks: read("callbacks", &listeners.callbacks)?,
        })
    }
}

impl Opened {
    /// Begins to answer on a socket; its workers each configure themselves with `configure`.
    pub fn serve<F>(
        &mut self,
        gate: &Arc<Gate>,
        (socket, tls): (TcpListener, Option<ServerConfig>),
        workers: Option<usize>,
        configure: F,
    ) -> anyhow::Result<()>
    where
        F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        let retires = Arc::clone(&self.retires);
        let app = move || {
            let traced = Condition::new(traces::are_on(), from_fn(http::traced));
            let retires = Arc::clone(&retires);
            // A client that is told so sends nothing on a connection that is about to be closed.
            let closing = move |request: ServiceRequest, service: &_| {
                let under_way = request.conn_data::<Arc<Connection>>().map(Connection::begin);
                let answer = Service::<ServiceRequest>::call(service, request);
                let is_last = retires.load(Ordering::Relaxed);
                async move {
                    let mut answer: ServiceResponse<_> = answer.await?;
                    drop(under_way);
                    if is_last {
                        let head = answer.response_mut().head_mut();
                        head.set_connection_type(ConnectionType::Close);
                    }
                    Ok(answer)
                }
            };
            App::new().wrap(traced).wrap_fn(closing).configure(|cfg| configure(cfg))
        };
        max_concurrent_tls_connect(MAX_HANDSHAKES);
        let server = Server::build()
            .disable_signals()
            .shutdown_timeout(DRAIN_S)
            .max_concurrent_connections(gate.limits().connections + UNGATED_SOCKETS);
        let server = match workers {
            Some(workers) => server.workers(workers),
            None => server,
        };
        let (of_workers, gate) = (Arc::clone(gate), Arc::clone(gate));
        let shutdown = server.graceful_shutdown_signal();
        let (name, tls) = (gate.name(), tls.map(Acceptor::new));
        let server = server.listen(name, socket, move || {
            incoming::serve(&of_workers, tls.clone(), shutdown.clone(), app().into_factory())
        })?;
        let server = server.run();
        self.servers.push(server.handle());
        self.listeners.push(spawn(name, async move {
            tokio::select! {
                ended = server => if let Err(error) = ended {
                    tracing::error!(listener = name, %error, "a listener failed; the process stops");
                },
                never = gate.close_quiet() => match never {},
            }
        }));
        Ok(())
    }
}

/// One worker's facades; a worker without connections to the platforms says so to every caller.
pub(super) fn configure_worker(cfg: &mut ServiceConfig, gateway: &Gateway, facades: &Facades) {
    match gateway.for_worker() {
        Ok(worker) => http::configure_facades(cfg, facades, &worker),
        Err(error) => say_unavailable(cfg, &error),
    }
}

/// What takes what platforms push; without connections nothing can be proved, and the platforms are
/// told to come back.
pub(super) fn configure_receiver(
    cfg: &mut ServiceConfig,
    gateway: &Gateway,
    (doorway, sources): (&Doorway, &http::callbacks::Sources),
) {
    match gateway.for_worker() {
        Ok(worker) => http::callbacks::configure(cfg, (doorway, sources), &worker),
        Err(error) => say_unavailable(cfg, &error),
    }
}

fn say_unavailable(cfg: &mut ServiceConfig, error: &anyhow::Error) {
    tracing::error!(%error, "a worker cannot reach the platforms and answers 503; the error says why; start again when it is mended");
    cfg.default_service(web::to(async || HttpResponse::ServiceUnavailable()));
}

/// The operator's listener; the probes answer also while the rest cannot.
pub(super) fn configure_operators(
    cfg: &mut ServiceConfig,
    gateway: &Gateway,
    administration: &Administration,
) {
    http::configure_probes(cfg, administration, gateway);
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
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .context("the certificate and the key do not fit")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Files that are not connections: the ledger, the id cache, connections to platforms and receivers.
const OWN_FILES: u64 = 256;

/// How many connections each listener may have with the files that this process may open: those who
/// push and those who watch keep their part when the facades take all of theirs.
pub(super) fn connections(listeners: &Listeners) -> [usize; 3] {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // The soft limit is there for programs that cannot handle many files; this one can.
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let files = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let wanted = [&listeners.facades, &listeners.callbacks, &listeners.admin]
        .map(|listener| listener.limits.connections);
    let given = divided(wanted, files);
    if given != wanted {
        let [facades, callbacks, admin] = given;
        tracing::warn!(
            files,
            facades,
            callbacks,
            admin,
            "the process may open too few files for listeners.*.max_connections, so fewer connections \
             are taken; raise `ulimit -n`"
        );
    }
    given
}

/// Connections of facades, callbacks and admin out of so many files; None: as many as there be.
fn divided([facades, callbacks, admin]: [usize; 3], files: Option<u64>) -> [usize; 3] {
    let Some(files) = files else { return [facades, callbacks, admin] };
    let free = files.saturating_sub(OWN_FILES).max(files / 2);
    let free = usize::try_from(free).unwrap_or(usize::MAX);
    let admin = admin.min((free / 16).max(1));
    let callbacks = callbacks.min((free / 3).max(1));
    let facades = facades.min(free.saturating_sub(admin + callbacks).max(1));
    [facades, callbacks, admin]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_push_and_watch_keep_their_part_of_few_files() {
        let wanted = [2048, 1024, 64];
        assert_eq!(divided(wanted, None), wanted);
        assert_eq!(divided(wanted, Some(20_000)), wanted);
        assert_eq!(divided(wanted, Some(1024)), [464, 256, 48]);
        for files in [0, 1, 16, 64, 256, 300, 1024, 4096] {
            let given = divided(wanted, Some(files));
            assert!(given.iter().all(|&connections| connections >= 1), "{files}: {given:?}");
            let all = given.iter().sum::<usize>() as u64;
            assert!(all <= files.max(6), "{files}: {given:?}");
        }
    }
}
