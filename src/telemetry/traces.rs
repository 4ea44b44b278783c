//! Traces: what became of one request, or of one push from its arrival to its deliveries. They go to an
//! OpenTelemetry collector; where none is configured nothing is made and nothing is kept.
//!
//! A span says which route, account, destination and status, never a path, a query, a body or an id
//! that a client chose. What goes on later, in another task or after a restart, is joined by the
//! `traceparent` that is stored with the work.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{
    Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;

use crate::config::Collector;

/// The header, and the text, that names a span to whoever goes on with its work.
pub const TRACEPARENT: &str = "traceparent";

const SERVICE: &str = "dialbridge";
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// Of a collector's answer.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

static TRACES: OnceLock<Traces> = OnceLock::new();

tokio::task_local! {
    /// The `traceparent` of what this task works on.
    static CURRENT: Option<String>;
}

/// Something that takes a while; it ends when it is dropped.
pub struct Span(Option<opentelemetry_sdk::trace::Span>);

/// What is passed on: a request that came, work that was stored, a request that goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Received,
    Stored,
    Sent,
}

/// Begins to send spans to a collector, for the rest of the process. Must be called inside a tokio
/// runtime.
///
/// # Errors
/// When the exporter cannot be made.
pub fn start(collector: &Collector) -> anyhow::Result<()> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpJson)
        .with_endpoint(collector.url.as_str())
        .with_http_client(Exporting::new()?)
        .build()
        .context("telemetry.traces_url")?;
    let share = Sampler::TraceIdRatioBased(f64::from(collector.percent) / 100.0);
    let provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(share)))
        .with_resource(Resource::builder().with_service_name(SERVICE).build())
        .with_batch_exporter(exporter)
        .build();
    let tracer = provider.tracer(SERVICE);
    TRACES.set(Traces { provider, tracer }).ok();
    Ok(())
}

/// Sends what is not sent yet.
pub async fn flush() {
    let Some(traces) = TRACES.get() else { return };
    let provider = traces.provider.clone();
    // The exporter's thread waits for this runtime; so must not the other way round.
    let flushed = tokio::task::spawn_blocking(move || provider.force_flush()).await;
    if !matches!(flushed, Ok(Ok(()))) {
        tracing::warn!("some traces were not sent");
    }
}

pub fn are_on() -> bool {
    TRACES.get().is_some()
}

/// Begins a span behind `parent`, a `traceparent`, or a new trace.
pub fn begin(name: impl Into<Cow<'static, str>>, kind: Kind, parent: Option<&str>) -> Span {
    let Some(Traces { tracer, .. }) = TRACES.get() else { return Span(None) };
    let kind = match kind {
        Kind::Received => SpanKind::Server,
        Kind::Stored => SpanKind::Consumer,
        Kind::Sent => SpanKind::Client,
    };
    let parent = parent.map_or_else(Context::new, |parent| {
        let carrier = HashMap::from([(TRACEPARENT.to_owned(), parent.to_owned())]);
        TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier)
    });
    let builder = tracer.span_builder(name).with_kind(kind);
    Span(Some(tracer.build_with_context(builder, &parent)))
}

/// The `traceparent` of what this task works on.
pub fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}

/// Begins a span behind `parent`; none without one.
pub fn begin_behind(name: &'static str, kind: Kind, parent: Option<&str>) -> Span {
    match parent {
        Some(_) => begin(name, kind, parent),
        None => Span(None),
    }
}

/// Begins a span of what this task works on; none where it works on nothing that is traced.
pub fn begin_within(name: &'static str, kind: Kind) -> Span {
    begin_behind(name, kind, current().as_deref())
}

impl Span {
    /// Its `traceparent`.
    pub fn context(&self) -> Option<String> {
        let context = self.0.as_ref()?.span_context().clone();
        let mut carrier = HashMap::new();
        let context = Context::new().with_remote_span_context(context);
        TraceContextPropagator::new().inject_context(&context, &mut carrier);
        carrier.remove(TRACEPARENT)
    }

    /// Does work whose spans, and what it stores, are behind this one.
    pub async fn scope<T>(&self, work: impl Future<Output = T>) -> T {
        match self.context() {
            Some(context) => CURRENT.scope(Some(context), work).await,
            None => work.await,
        }
    }

    pub fn rename(&mut self, name: String) {
        if let Some(span) = &mut self.0 {
            span.update_name(name);
        }
    }

    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new(key, value));
        }
    }

    /// The status of an answer, if there was one.
    pub fn status(&mut self, status: Option<u16>) {
        match status {
            Some(status) => self.set("http.response.status_code", i64::from(status)),
            None => self.failed(),
        }
    }

    pub fn failed(&mut self) {
        if let Some(span) = &mut self.0 {
            span.set_status(Status::error(""));
        }
    }
}

/// What the exporter's own thread sends with: the program's runtime.
#[derive(Debug)]
struct Exporting {
    client: reqwest::Client,
    runtime: Handle,
}

impl Exporting {
    #[expect(clippy::disallowed_methods, reason = "a collector is no platform")]
    fn new() -> anyhow::Result<Self> {
        rustls::crypto::ring::default_provider().install_default().ok();
        let roots = webpki_roots::TLS_SERVER_ROOTS.to_vec();
        let tls = rustls::ClientConfig::builder()
            .with_root_certificates(rustls::RootCertStore { roots })
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .timeout(EXPORT_TIMEOUT)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .tls_backend_preconfigured(tls)
            .build()?;
        Ok(Self { client, runtime: Handle::current() })
    }
}

#[async_trait]
impl HttpClient for Exporting {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let mut sent = self.client.request(head.method, head.uri.to_string()).body(body);
        sent = sent.headers(head.headers);
        let answer = self.runtime.spawn(async move {
            let mut answer = sent.send().await.map_err(reqwest::Error::without_url)?;
            let status = answer.status();
            let mut body = Vec::new();
            while let Some(piece) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
                body.extend_from_slice(&piece);
                if body.len() > MAX_ANSWER_BYTES {
                    break;
                }
            }
            Ok::<_, reqwest::Error>((status, body))
        });
        let (status, body) = answer.await??;
        Ok(Response::builder().status(status).body(body.into())?)
    }
}
