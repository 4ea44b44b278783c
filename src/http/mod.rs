//! Being talked to: one facade per platform, what platforms push, and the operator's listener with the
//! gateway's own API.
//!
//! A handler makes four moves: authenticate, parse, call the gateway, render. It never asks where a
//! campaign lives. Each facade has one `render(error, operation)`.

pub mod admin;
mod api;
pub mod callbacks;
pub mod endpoints;
pub mod entrance;
pub mod isales_api;
mod metrics;
mod traced;
pub mod voipbin_api;

pub use traced::traced;

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::verbatim as document;
use crate::gateway::error::GatewayError;
use crate::gateway::idempotency::Keyed;
use crate::gateway::{Gateway, WorkerGateway};
use crate::http::entrance::{Doorway, Entrance, Side};

/// A facade answers within this time; what takes longer is told to come back.
pub const ANSWER_DEADLINE: Duration = Duration::from_secs(25);

/// Tells how many campaigns a change of shared dialling rules has touched.
static TOUCHED: HeaderName = HeaderName::from_static("x-dialbridge-campaigns-touched");

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What both facades need beside a gateway: who may call, and how they prove it. Made once, cloned
/// into every worker.
#[derive(Clone)]
pub struct Facades {
    voipbin: Arc<voipbin_api::Callers>,
    isales: Arc<isales_api::Callers>,
    doorway: Doorway,
}

impl Facades {
    /// # Errors
    /// When a client's keys cannot be used.
    pub fn new(config: &Config, entrance: &Arc<Entrance>, clock: &Clock) -> anyhow::Result<Self> {
        Ok(Self {
            voipbin: Arc::new(voipbin_api::Callers::new(config, clock)),
            isales: Arc::new(isales_api::Callers::new(config, clock)?),
            doorway: Doorway::new(Side::Facades, entrance, &config.listeners),
        })
    }

    /// Who may log in: a client's name, and what its sessions are bound to.
    pub fn logins(&self) -> Vec<(String, String)> {
        self.voipbin.logins()
    }
}

/// Registers both facades; called in each worker's app factory.
pub fn configure_facades(cfg: &mut ServiceConfig, facades: &Facades, gateway: &WorkerGateway) {
    voipbin_api::configure(cfg, facades, gateway);
    isales_api::configure(cfg, facades, gateway);
}

/// Who may use the gateway's own API. Made once, cloned into every worker.
#[derive(Clone)]
pub struct Administration {
    operators: Arc<api::Operators>,
    doorway: Doorway,
    entrance: Arc<Entrance>,
}

impl Administration {
    pub fn new(config: &Config, entrance: &Arc<Entrance>) -> Self {
        Self {
            operators: Arc::new(api::Operators::new(&config.api_tokens)),
            doorway: Doorway::new(Side::Admin, entrance, &config.listeners),
            entrance: Arc::clone(entrance),
        }
    }
}

/// Registers what tells whether the gateway lives.
pub fn configure_probes(
    cfg: &mut ServiceConfig,
    administration: &Administration,
    gateway: &Gateway,
) {
    cfg.app_data(Data::new(gateway.clone()));
    cfg.app_data(Data::from(Arc::clone(&administration.entrance)));
    admin::configure(cfg);
}

/// Registers the gateway's own API; called in each worker's app factory.
pub fn configure_api(
    cfg: &mut ServiceConfig,
    administration: &Administration,
    gateway: &WorkerGateway,
) {
    let Administration { operators, doorway, .. } = administration;
    api::configure(cfg, (Arc::clone(operators), doorway.clone()), gateway);
}

/// The client's key for a request that it may send again, if it gives one.
///
/// # Errors
/// `Invalid` when it is no key, or there are several.
fn keyed(request: &HttpRequest, body: &[u8]) -> Result<Option<Keyed>, GatewayError> {
    let mut keys = request.headers().get_all(&IDEMPOTENCY_KEY);
    match (keys.next(), keys.next()) {
        (None, _) => Ok(None),
        (Some(key), None) => Keyed::new(key.as_bytes(), request.path(), body).map(Some),
        (Some(_), Some(_)) => Err(GatewayError::invalid("Idempotency-Key", "one is expected")),
    }
}

/// An answer to a change of dialling rules that so many campaigns use.
fn touching(mut response: HttpResponse, campaigns: usize) -> HttpResponse {
    response.headers_mut().insert(TOUCHED.clone(), HeaderValue::from(campaigns));
    response
}
