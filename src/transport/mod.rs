//! The only opener of sockets to platforms.
//!
//! An [`Endpoint`] is one account's door, shared by all workers: its address, its pacing lanes, its
//! breaker and its limits. A [`Connection`] is one worker's HTTP client to it (one client per worker
//! is 22 % more throughput than one for all, limits.md B2). A request is first *admitted* (write
//! policy, breaker, pace, concurrency), then authenticated, then sent, so that a signature's time is
//! the time of sending.
//!
//! Rejected: HTTP/2 (C2 signs the Host header), redirects and proxies from the environment (both
//! would carry credentials elsewhere). Time-outs of sockets are real time even under a virtual
//! clock, because the other end's are; pacing, breaker and gaps follow the clock.

pub mod breaker;
pub mod failure;
pub mod outward;
pub mod pacing;
pub mod retry_after;
pub mod spacing;
pub mod streaming;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use tokio::sync::{Semaphore, SemaphorePermit};
use url::Url;

use crate::clock::Clock;
use crate::config::{AccountConfig, AccountLimits, WritePolicy};
use crate::domain::ids::AccountSlug;
use crate::telemetry::traces;

use breaker::{Breaker, Passage};
use failure::{Failure, FailureKind};
use pacing::{Lane, Pacer};

/// Requests of one account under way at once, over all workers.
pub const MAX_IN_FLIGHT: usize = 256;
/// As many more for stops alone: a hung platform must not keep them out.
pub const MAX_STOPS_IN_FLIGHT: usize = 8;
/// An idle connection is closed by us before common servers close theirs (5 s is the shortest
/// default known): a write on a connection that just closed has an unclear effect.
pub const IDLE_CONNECTION_TIMEOUT: Duration = Duration::from_secs(4);
/// Longest Retry-After that is believed.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// One account's door, shared by all workers.
#[derive(Debug)]
pub struct Endpoint {
    account: AccountSlug,
    base: Url,
    host: String,
    writes: WritePolicy,
    limits: AccountLimits,
    tls: Option<rustls::ClientConfig>,
    clock: Clock,
    pacer: Pacer,
    breaker: Breaker,
    slots: Semaphore,
    stop_slots: Semaphore,
    streams: Arc<Semaphore>,
}

/// One worker's HTTP client to an account. Clones share it.
#[derive(Debug, Clone)]
pub struct Connection {
    endpoint: Arc<Endpoint>,
    client: reqwest::Client,
}

/// Whether a request may change something on the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

/// Leave to send one request now.
#[derive(Debug)]
pub struct Admitted<'a> {
    connection: &'a Connection,
    passage: Passage<'a>,
    _slot: SemaphorePermit<'a>,
    access: Access,
    lane: Lane,
}

/// Where a request goes; what is signed is read from here, after the URL has its final form.
#[derive(Clone)]
pub struct Target(Url);

/// A request, complete but for the account's address.
#[derive(Clone)]
pub struct Request {
    /// Upper case.
    pub method: &'static str,
    pub target: Target,
    /// Lower-case names.
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

/// A complete answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub retry_after: Option<Duration>,
    pub content_type: Option<String>,
    pub body: Bytes,
}

/// An account's connection settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("account {account}: {problem}")]
pub struct SetupError {
    pub account: AccountSlug,
    pub problem: String,
}

impl Endpoint {
    /// # Errors
    /// When `base_url` has no host or no HTTP scheme, or `ca_file` holds no certificate.
    pub fn new(account: &AccountConfig, clock: Clock) -> Result<Self, SetupError> {
        let fail = |problem: String| SetupError { account: account.slug.clone(), problem };
        let base = account.base_url.clone();
        let host = match base.host_str() {
            Some(host) if matches!(base.scheme(), "http" | "https") => {
                // The URL drops a default port, as the HTTP client does in the Host header.
                base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
            }
            _ => {
                return Err(fail("base_url must begin with http:// or https:// and a host".into()));
            }
        };
        let tls = match base.scheme() {
            "https" => Some(tls::client_config(account.ca_file.as_deref()).map_err(fail)?),
            _ => None,
        };
        Ok(Self {
            account: account.slug.clone(),
            base,
            host,
            writes: account.writes,
            limits: account.limits.clone(),
            tls,
            pacer: Pacer::new(account.limits.requests_per_second, clock.clone()),
            clock,
            breaker: Breaker::default(),
            slots: Semaphore::new(MAX_IN_FLIGHT),
            stop_slots: Semaphore::new(MAX_STOPS_IN_FLIGHT),
            streams: Arc::new(Semaphore::new(streaming::MAX_STREAMS)),
        })
    }

    /// A client of one worker's own.
    ///
    /// # Errors
    /// When the HTTP client cannot be made from the account's settings.
    #[expect(clippy::disallowed_methods, reason = "transport is the door to platforms")]
    pub fn connect(self: &Arc<Self>) -> Result<Connection, SetupError> {
        let mut builder = reqwest::Client::builder()
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            // None at most, or each request would be copied for the retry that never comes.
            .retry(reqwest::retry::never().max_retries_per_request(0))
            .referer(false)
            .tcp_nodelay(true)
            .pool_idle_timeout(IDLE_CONNECTION_TIMEOUT)
            .connect_timeout(Duration::from_millis(self.limits.connect_timeout_ms))
            .timeout(Duration::from_millis(self.limits.request_timeout_ms));
        // A plain-HTTP account needs no trust anchors, but the client wants a TLS setting.
        let tls = match &self.tls {
            Some(tls) => tls.clone(),
            None => tls::trust_nobody().map_err(|problem| self.setup_error(problem))?,
        };
        builder = builder.tls_backend_preconfigured(tls);
        let client = builder.build().map_err(|e| self.setup_error(e.to_string()))?;
        Ok(Connection { endpoint: Arc::clone(self), client })
    }

    pub fn account(&self) -> &AccountSlug {
        &self.account
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The Host header that is sent.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether an address is this account's server.
    pub fn is_at(&self, url: &Url) -> bool {
        url.host() == self.base.host()
            && url.port_or_known_default() == self.base.port_or_known_default()
    }

    /// The account's base URL with `path` (percent-encoded, beginning with `/`) and `query` added.
    pub fn target(&self, path: &str, query: Option<&str>) -> Target {
        let mut url = self.base.clone();
        let prefix = self.base.path().trim_end_matches('/');
        if prefix.is_empty() {
            url.set_path(path);
        } else {
            url.set_path(&format!("{prefix}{path}"));
        }
        url.set_query(query);
        Target(url)
    }

    fn setup_error(&self, problem: String) -> SetupError {
        SetupError { account: self.account.clone(), problem }
    }
}

impl Connection {
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Waits for leave to send one request.
    ///
    /// # Errors
    /// When writes are denied, the breaker is open, or the turn does not come in time. Nothing has
    /// been sent then.
    pub async fn admit(&self, access: Access, lane: Lane) -> Result<Admitted<'_>, Failure> {
        let endpoint = &*self.endpoint;
        if access == Access::Write && endpoint.writes == WritePolicy::Deny {
            return Err(Failure::unsent(FailureKind::WritesDenied));
        }
        let urgent = lane == Lane::Stop;
        if let Some(wait) = endpoint.breaker.refuses_for(endpoint.clock.now())
            && !urgent
        {
            return Err(broken(wait));
        }
        endpoint.pacer.turn(lane).await.map_err(|turn| Failure {
            retry_after: Some(turn.retry_after),
            ..Failure::unsent(FailureKind::Paced)
        })?;
        // Never closed; and requests under way end by their own time-out.
        let slot = if let Ok(slot) = endpoint.slots.try_acquire() {
            slot
        } else {
            let slots = if urgent { &endpoint.stop_slots } else { &endpoint.slots };
            slots.acquire().await.map_err(|_| Failure::unsent(FailureKind::Paced))?
        };
        let passage = endpoint.breaker.enter(endpoint.clock.now(), urgent).map_err(broken)?;
        Ok(Admitted { connection: self, passage, _slot: slot, access, lane })
    }
}

impl Admitted<'_> {
    /// Sends the request and reads the whole answer, up to the account's limit.
    ///
    /// # Errors
    /// When no complete answer came. An answer of any status is not an error here.
    pub async fn send(self, request: Request) -> Result<Answer, Failure> {
        let Connection { endpoint, client } = self.connection;
        let is_write = self.access == Access::Write;
        let request = into_client_request(request, &endpoint.host)?;
        let mut span = traces::begin_within(
            "the platform answered a request, or failed to",
            traces::Kind::Sent,
        );
        span.set("dialbridge.account", endpoint.account.to_string());
        let result = match client.execute(request).await {
            Ok(response) => {
                let limit_bytes = endpoint.limits.body_limit_bytes;
                read(response, (limit_bytes, is_write), &endpoint.clock).await
            }
            Err(error) => Err(Failure::from_client(error, is_write)),
        };
        let now = endpoint.clock.now();
        match &result {
            Ok(answer) if matches!(answer.status, 502..=504) => self.passage.failed(now),
            Err(failure) if failure.kind != FailureKind::TooLarge => self.passage.failed(now),
            _ => self.passage.succeeded(),
        }
        if let Ok(Answer { status: 429, retry_after: Some(pause), .. }) = &result {
            endpoint.pacer.pause(*pause);
        }
        span.status(result.as_ref().ok().map(|answer| answer.status));
        tracing::debug!(
            account = %endpoint.account,
            lane = ?self.lane,
            status = result.as_ref().map_or(0, |answer| answer.status),
            failure = result.as_ref().err().map(|failure| tracing::field::debug(failure.kind)),
            "the platform answered a request, or failed to"
        );
        result
    }
}

impl Target {
    /// As it is sent.
    pub fn path(&self) -> &str {
        self.0.path()
    }

    pub fn query(&self) -> Option<&str> {
        self.0.query()
    }

    /// Adds a parameter, encoded. For credentials that travel in the query.
    pub fn add_query(&mut self, name: &str, value: &str) {
        self.0.query_pairs_mut().append_pair(name, value);
    }
}

fn broken(wait: Duration) -> Failure {
    Failure { retry_after: Some(wait), ..Failure::unsent(FailureKind::BreakerOpen) }
}

fn into_client_request(request: Request, host: &str) -> Result<reqwest::Request, Failure> {
    let unsendable = |_| Failure::unsent(FailureKind::Unsendable);
    let method = reqwest::Method::from_bytes(request.method.as_bytes())
        .map_err(|_| Failure::unsent(FailureKind::Unsendable))?;
    let mut out = reqwest::Request::new(method, request.target.0);
    let headers: &mut HeaderMap = out.headers_mut();
    headers.insert(reqwest::header::HOST, HeaderValue::from_str(host).map_err(unsendable)?);
    for (name, value) in request.headers {
        let mut value = HeaderValue::try_from(value).map_err(unsendable)?;
        value.set_sensitive(name == "authorization");
        headers.insert(HeaderName::from_static(name), value);
    }
    if !request.body.is_empty() {
        *out.body_mut() = Some(request.body.into());
    }
    Ok(out)
}

/// Reads the body chunk by chunk, so that an endless one costs no more than the limit.
async fn read(
    mut response: reqwest::Response,
    (limit_bytes, is_write): (usize, bool),
    clock: &Clock,
) -> Result<Answer, Failure> {
    let too_large =
        || Failure { may_have_acted: is_write, ..Failure::unsent(FailureKind::TooLarge) };
    let announced = response.content_length().unwrap_or(0);
    if usize::try_from(announced).unwrap_or(usize::MAX) > limit_bytes {
        return Err(too_large());
    }
    let status = response.status().as_u16();
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let retry_after = asked_wait(&response, clock);
    let content_type = text(reqwest::header::CONTENT_TYPE).map(str::to_owned);
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let client_failure = |error| Failure::from_client(error, is_write);
    while let Some(next) = response.chunk().await.map_err(client_failure)? {
        if first.len() + rest.len() + next.len() > limit_bytes {
            return Err(too_large());
        }
        // Most answers are one chunk, which is passed on without a copy.
        if first.is_empty() {
            first = next;
        } else {
            rest.extend_from_slice(&next);
        }
    }
    let body = if rest.is_empty() {
        first
    } else {
        let mut whole = BytesMut::with_capacity(first.len() + rest.len());
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&rest);
        whole.freeze()
    };
    Ok(Answer { status, retry_after, content_type, body })
}

/// The wait that a platform asks for, as far as it is believed.
fn asked_wait(response: &reqwest::Response, clock: &Clock) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    Some(retry_after::parse(text, clock.wall())?.min(MAX_RETRY_AFTER))
}

impl std::fmt::Debug for Target {
    /// Without the query.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Target").field(&self.0.path()).finish()
    }
}

impl std::fmt::Debug for Request {
    /// Neither the query nor header values nor the body: they hold secrets and phone numbers.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.target.path())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
