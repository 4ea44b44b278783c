//! Stand-in servers for both platforms: servers, not platforms. Each knows only its own platform's
//! wire types and authentication, and is tested against `fixtures/`, never against our adapters.
//!
//! Every simulator runs on a thread of its own, so that it serves a test, the demo and the command
//! alike. Besides the platform's API it answers `/_sim/`: `GET /_sim/journal`, `DELETE
//! /_sim/journal`, `GET /_sim/faults`, and `POST /_sim/faults` with the text that `faults` reads.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actix_web::body::{BoxBody, SizedStream, to_bytes};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_LENGTH, ContentType};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

pub mod dice;
pub mod faults;
pub mod isales;
pub mod journal;
pub mod push;
pub mod voipbin;

use faults::{Faults, Gate, Injected, Trouble};
use journal::{Journal, Write};

/// Connections that one simulator keeps at a time; more wait to be accepted.
const MAX_CONNECTIONS: usize = 4_096;
/// The text of faults is short.
const MAX_FAULTS_BYTES: usize = 4 * 1024;
/// Time that requests in progress get when a simulator stops.
const STOP_TIMEOUT_S: u64 = 1;

/// A simulator that is serving; it stops when told to or when dropped.
#[derive(Debug)]
pub struct Running {
    pub address: SocketAddr,
    pub journal: Journal,
    pub faults: Gate,
    stop: CancellationToken,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

/// What the two simulators have in common, and where they differ in answering.
#[derive(Clone)]
pub struct Harness {
    /// Names the thread, e.g. `sim-voipbin`.
    pub name: &'static str,
    pub clock: Clock,
    pub journal: Journal,
    pub faults: Gate,
    /// Gives an injected failure the platform's shape.
    pub injected: fn(&HttpRequest, Injected) -> HttpResponse,
    /// Whether this request is meant to change something (not every POST is).
    pub is_write: fn(&HttpRequest) -> bool,
}

impl Running {
    /// `http://127.0.0.1:port`, without a slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops serving and waits until the thread has ended.
    pub async fn stop(&self) {
        self.stop.cancel();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended {
            // An error says the same: the thread is gone.
            ended.await.ok();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Serves `routes` on `listen` (None: a free port on 127.0.0.1) and runs `engine` beside it, on the
/// same thread, until stopped. The engine may spawn local tasks; all end with it.
pub fn serve<R, E, F>(
    harness: Harness,
    listen: Option<SocketAddr>,
    routes: R,
    engine: E,
) -> std::io::Result<Running>
where
    R: Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
    E: FnOnce() -> F + Send + 'static,
    F: Future<Output = ()> + 'static,
{
    let listen = listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let listener = TcpListener::bind(listen)?;
    let address = listener.local_addr()?;
    let stop = CancellationToken::new();
    let (end, ended) = oneshot::channel();
    let running = Running {
        address,
        journal: harness.journal.clone(),
        faults: harness.faults.clone(),
        stop: stop.clone(),
        ended: Mutex::new(Some(ended)),
    };
    let name = harness.name;
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            if let Err(error) = serve_until(harness, listener, routes, engine(), stop).await {
                tracing::error!(%error, simulator = name, "a simulator failed and is stopped");
            }
        });
        end.send(()).ok();
    })?;
    Ok(running)
}

async fn serve_until<R>(
    harness: Harness,
    listener: TcpListener,
    routes: R,
    engine: impl Future<Output = ()>,
    stop: CancellationToken,
) -> std::io::Result<()>
where
    R: Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
{
    let server = HttpServer::new(move || {
        let harness = harness.clone();
        let control = harness.clone();
        let hook = move |request: ServiceRequest, next: Next<BoxBody>| {
            pass(harness.clone(), request, next)
        };
        App::new()
            .configure(|config| control_routes(config, control))
            .service(web::scope("").wrap(from_fn(hook)).configure(routes.clone()))
    })
    .workers(1)
    .max_connections(MAX_CONNECTIONS)
    .disable_signals()
    .shutdown_timeout(STOP_TIMEOUT_S)
    .listen(listener)?
    .run();
    let handle = server.handle();
    tokio::pin!(server);
    tokio::select! {
        result = &mut server => return result,
        () = async { engine.await; std::future::pending().await } => {}
        () = stop.cancelled() => {}
    }
    // Gracefully, since otherwise idle connections are served for a moment longer; a request in the
    // middle of a long simulated delay is waited for no longer than the time-out.
    let ((), result) = tokio::join!(handle.stop(true), server);
    result
}

fn control_routes(config: &mut web::ServiceConfig, harness: Harness) {
    let journal = harness.journal.clone();
    let cleared = harness.journal;
    let shown = harness.faults.clone();
    let changed = harness.faults;
    config
        .route("/_sim/journal", web::get().to(move || ready(json(journal.to_json().to_string()))))
        .route(
            "/_sim/journal",
            web::delete().to(move || {
                cleared.clear();
                ready(HttpResponse::NoContent().finish())
            }),
        )
        .route("/_sim/faults", web::get().to(move || ready(HttpResponse::Ok().body(shown.text()))))
        .service(
            web::resource("/_sim/faults")
                .app_data(web::PayloadConfig::new(MAX_FAULTS_BYTES))
                .route(web::post().to(move |text: String| ready(change_faults(&changed, &text)))),
        );
}

fn change_faults(gate: &Gate, text: &str) -> HttpResponse {
    match text.parse::<Faults>() {
        Ok(faults) => {
            gate.set(faults);
            HttpResponse::Ok().body(gate.text())
        }
        Err(error) => HttpResponse::BadRequest().body(error.to_string()),
    }
}

fn json(text: String) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(text)
}

/// The one place through which every request goes: journal, faults, the platform, faults again.
async fn pass(
    harness: Harness,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    // A simulator's own controls, beyond those of every simulator.
    if request.path().starts_with("/_sim/") {
        return next.call(request).await;
    }
    let Harness { clock, journal, faults, .. } = &harness;
    let is_write = (harness.is_write)(request.request());
    let (method, path) = (request.method().to_string(), request.path().to_owned());
    journal.request_began(clock.now(), &method, &path);
    let _ended = EndRequest(journal.clone());
    let plan = faults.plan_request(is_write);
    if plan.delay > Duration::ZERO {
        clock.sleep(plan.delay).await;
    }
    let response = match plan.trouble {
        Some(Trouble::Answer(injected)) => {
            let answer = (harness.injected)(request.request(), injected);
            request.into_response(answer)
        }
        Some(Trouble::Drop) => return Ok(request.into_response(without_answer())),
        _ => next.call(request).await?,
    };
    let lost = plan.trouble == Some(Trouble::LoseAnswer);
    if is_write {
        let status = response.status().as_u16();
        journal.write(Write { at: clock.now(), method, path, status, answered: !lost });
    }
    match plan.trouble {
        Some(Trouble::LoseAnswer) => Ok(response.into_response(without_answer())),
        Some(Trouble::Malform) => spoil(response, malformed).await,
        Some(Trouble::Truncate) => spoil(response, truncated).await,
        _ => Ok(response),
    }
}

/// Tells the journal even when the client goes away in the middle.
struct EndRequest(Journal);

impl Drop for EndRequest {
    fn drop(&mut self) {
        self.0.request_ended();
    }
}

/// A body that fails before its first byte: the server then closes the connection without having
/// flushed the head, which is what a client sees when a server dies.
fn without_answer() -> HttpResponse {
    let failing = stream::once(std::future::ready(Err::<Bytes, _>(cut())));
    HttpResponse::Ok().body(SizedStream::new(1, failing))
}

async fn spoil(
    response: ServiceResponse<BoxBody>,
    how: fn(&Bytes) -> BoxBody,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let (request, response) = response.into_parts();
    let (mut head, body) = response.into_parts();
    head.headers_mut().remove(CONTENT_LENGTH);
    let body = to_bytes(body).await.map_err(actix_web::error::ErrorInternalServerError)?;
    Ok(ServiceResponse::new(request, head.set_body(how(&body))))
}

/// Something that no JSON reader takes, whatever the answer was.
fn malformed(body: &Bytes) -> BoxBody {
    let mut spoiled = body.to_vec();
    spoiled.truncate(body.len().saturating_sub(1));
    spoiled.extend_from_slice(b",}{");
    BoxBody::new(Bytes::from(spoiled))
}

/// The first half of the announced length, then the end of the connection.
fn truncated(body: &Bytes) -> BoxBody {
    let half = body.slice(..body.len() / 2);
    let announced = u64::try_from(body.len()).unwrap_or(u64::MAX).max(1);
    let rest = stream::once(async {
        // One turn of the server, in which it flushes the first half.
        tokio::task::yield_now().await;
        Err(cut())
    });
    let body = stream::once(std::future::ready(Ok::<_, std::io::Error>(half))).chain(rest);
    BoxBody::new(SizedStream::new(announced, Box::pin(body)))
}

fn cut() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::ConnectionAborted, "cut by a fault")
}

fn ready<T>(value: T) -> std::future::Ready<T> {
    std::future::ready(value)
}
