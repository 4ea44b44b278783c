//! The VoIPBin-shaped facade: `/v1.0/...`, `/auth/login` and `/ping` (reference 1–8).
//!
//! Checks stand in the platform's order: credential, id in the path, body, the thing itself, its
//! owner; so somebody else's campaign is 403 and an unknown one 404.

mod account;
mod auth;
mod calls;
mod campaigncalls;
mod campaigns;
mod edits;
mod endpoints;
mod error;
mod live;
mod login;
mod native;
mod outdials;
mod outplans;
mod paging;
mod passthrough;
mod profile;
mod queues;
mod references;
mod targets;

pub use endpoints::ENDPOINTS;

use std::future::Future;
use std::net::IpAddr;

use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::web::{self, Data, ServiceConfig, delete, get, post, put};
use actix_web::{HttpRequest, HttpResponse, Resource};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::Config;
use crate::config::PassRule;
use crate::gateway::error::GatewayError;
use crate::gateway::{Asked, WorkerGateway};
use crate::http::voipbin_api::auth::Keys;
use crate::http::voipbin_api::error::{Doing, Refused};
use crate::http::voipbin_api::login::Failures;
use crate::http::voipbin_api::profile::Profile;
use crate::http::{ANSWER_DEADLINE, Facades, keyed};
use crate::platforms::PlatformKind;

/// Who may call this facade.
pub struct Callers {
    keys: Keys,
    failures: Failures,
    trusted_proxies: Vec<IpAddr>,
    clock: Clock,
}

impl Callers {
    pub fn new(config: &Config, clock: &Clock) -> Self {
        let proxies = config.listeners.facades.trusted_proxies.iter();
        Self {
            keys: Keys::new(config),
            failures: Failures::default(),
            trusted_proxies: proxies.filter_map(|proxy| proxy.parse().ok()).collect(),
            clock: clock.clone(),
        }
    }

    /// Where a request comes from: the peer, or the last address that a trusted proxy names.
    fn address_of(&self, request: &HttpRequest) -> Option<IpAddr> {
        let peer = request.peer_addr()?.ip();
        let forwarded = request.headers().get_all("x-forwarded-for").last();
        match forwarded
            .and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok())
        {
            Some(address) if self.trusted_proxies.contains(&peer.to_canonical()) => Some(address),
            _ => Some(peer),
        }
    }
}

/// What a handler of this facade works with, one per worker.
struct Facade {
    callers: std::sync::Arc<Callers>,
    gateway: WorkerGateway,
    body_limit_bytes: usize,
}

/// One authenticated request.
struct Call<'a> {
    gateway: &'a WorkerGateway,
    asked: Asked,
    profile: &'static Profile,
    /// What the client may pass on to its own account.
    pass_through: &'a [PassRule],
    request: &'a HttpRequest,
    body_limit_bytes: usize,
}

/// A body as received; one that is over the limit is an error that the handler renders.
type Body = Result<web::Bytes, actix_web::Error>;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(super) fn configure(cfg: &mut ServiceConfig, facades: &Facades, gateway: &WorkerGateway) {
    let facade = Facade {
        callers: facades.voipbin.clone(),
        gateway: gateway.clone(),
        body_limit_bytes: facades.body_limit_bytes,
    };
    let facade = Data::new(facade);
    let login = resource("/auth/login")
        .app_data(facade.clone())
        .app_data(web::PayloadConfig::new(login::MAX_LOGIN_BYTES))
        .route(web::post().to(login::login));
    let scope = web::scope("/v1.0")
        .app_data(facade)
        .app_data(web::PayloadConfig::new(facades.body_limit_bytes))
        .service(
            resource("/campaigns")
                .route(get().to(campaigns::list))
                .route(post().to(campaigns::create)),
        )
        .service(
            resource("/campaigns/{id}")
                .route(get().to(campaigns::detail))
                .route(put().to(campaigns::set_basic))
                .route(delete().to(campaigns::delete)),
        )
        .service(resource("/campaigns/{id}/status").route(put().to(campaigns::set_status)))
        .service(resource("/campaigns/{id}/service_level").route(put().to(campaigns::set_level)))
        .service(resource("/campaigns/{id}/actions").route(put().to(campaigns::set_actions)))
        .service(
            resource("/campaigns/{id}/resource_info").route(put().to(campaigns::set_resources)),
        )
        .service(resource("/campaigns/{id}/next_campaign_id").route(put().to(campaigns::set_next)))
        .service(
            resource("/campaigns/{id}/campaigncalls")
                .route(get().to(campaigncalls::list_of_campaign)),
        )
        .service(resource("/campaigncalls").route(get().to(campaigncalls::list)))
        .service(
            resource("/campaigncalls/{id}")
                .route(get().to(campaigncalls::detail))
                .route(delete().to(campaigncalls::delete)),
        )
        .configure(outplans::configure)
        .configure(outdials::configure)
        .service(resource("/me").route(get().to(account::me)))
        .service(
            resource("/customer")
                .route(get().to(account::customer))
                .route(put().to(account::set_customer)),
        )
        .service(resource("/queues").route(get().to(queues::list)))
        .service(resource("/queues/{id}").route(get().to(queues::detail)))
        .service(resource("/calls/{id}").route(get().to(calls::detail)))
        .default_service(web::to(passthrough::pass));
    cfg.service(login).service(scope).route("/ping", get().to(ping));
}

/// A path; methods that it does not have pass, or are as unknown as the path itself would be.
fn resource(path: &str) -> Resource {
    web::resource(path).default_service(web::to(passthrough::pass))
}

async fn ping() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"message": "pong"}))
}

impl Facade {
    /// Authenticates, works within the deadline, renders what went wrong, says which request it was.
    async fn answer<'a, W>(
        &'a self,
        request: &'a HttpRequest,
        doing: Doing,
        work: impl FnOnce(Call<'a>) -> W,
    ) -> HttpResponse
    where
        W: Future<Output = Result<HttpResponse, Refused>>,
    {
        let request_id = self.request_id(request);
        let (profile, outcome) = match self.callers.keys.authenticate(request, &self.gateway).await
        {
            Err(refused) => (self.callers.keys.profile_of_strangers, Err(refused)),
            Ok(caller) => {
                let asked = Asked {
                    client: caller.client.clone(),
                    platform: PlatformKind::Voipbin,
                    request_id: request_id.clone(),
                };
                let call = Call {
                    gateway: &self.gateway,
                    asked,
                    profile: caller.profile,
                    pass_through: &caller.pass_through,
                    request,
                    body_limit_bytes: self.body_limit_bytes,
                };
                let outcome = tokio::time::timeout(ANSWER_DEADLINE, work(call)).await;
                (caller.profile, outcome.unwrap_or(Err(Refused::TookTooLong)))
            }
        };
        let response = outcome.unwrap_or_else(|refused| {
            tracing::debug!(request_id, ?doing, reason = ?refused, "refused");
            error::render(&refused, doing, profile, &request_id)
        });
        with_request_id(response, &request_id)
    }

    /// The client's own id for the request if it is a sound one, else a new one (reference 1.3).
    fn request_id(&self, request: &HttpRequest) -> String {
        let sound = |id: &&str| {
            (1..=64).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        };
        let given = request.headers().get(&REQUEST_ID).and_then(|id| id.to_str().ok());
        given.filter(sound).map_or_else(|| new_request_id(&self.callers.clock), str::to_owned)
    }
}

impl Call<'_> {
    /// The path's id.
    fn id(&self) -> Result<Uuid, Refused> {
        match Uuid::try_parse(self.request.match_info().query("id")) {
            Ok(id) if !id.is_nil() => Ok(id),
            _ => Err(Refused::InvalidId),
        }
    }

    /// The body as it came.
    fn bytes(&self, body: Body) -> Result<Bytes, Refused> {
        body.map_err(|_| self.cut_off())
    }

    /// The body as JSON of that shape.
    fn body<T: DeserializeOwned>(&self, body: &Body) -> Result<T, Refused> {
        let body = body.as_ref().map_err(|_| self.cut_off())?;
        // The parser's own message could quote a member's value.
        let unreadable = |member: String, error: &serde_json::Error| {
            Refused::InvalidBody(format!(
                "the body is not the JSON that is expected ({member}line {}, column {})",
                error.line(),
                error.column()
            ))
        };
        let mut json = serde_json::Deserializer::from_slice(body);
        let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path();
            let is_member = path.iter().next().is_some();
            let member = if is_member { format!("{path}, ") } else { String::new() };
            unreadable(member, error.inner())
        })?;
        json.end().map_err(|error| unreadable(String::new(), &error))?;
        Ok(read)
    }
}

impl Call<'_> {
    /// Does what a client may ask for again, once per idempotency key of the client.
    async fn once(
        &self,
        body: &[u8],
        work: impl Future<Output = Result<Bytes, GatewayError>>,
    ) -> Result<HttpResponse, Refused> {
        let keyed = keyed(self.request, body)?;
        Ok(json(self.gateway.once(&self.asked, keyed, work).await?))
    }

    fn cut_off(&self) -> Refused {
        let limit = self.body_limit_bytes;
        Refused::InvalidBody(format!("the body is over {limit} bytes or was cut off"))
    }
}

/// A stored or fetched document is not what its platform sends.
#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn unreadable(error: serde_json::Error) -> GatewayError {
    tracing::error!(line = error.line(), column = error.column(), "a document cannot be read");
    GatewayError::Internal("a document of the campaign's home cannot be read".to_owned())
}

fn json(body: Bytes) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(body)
}

fn with_request_id(mut response: HttpResponse, request_id: &str) -> HttpResponse {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID.clone(), value);
    }
    response
}

/// `req_` and 26 characters of base32, 128 random bits.
fn new_request_id(clock: &Clock) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut bits = clock.new_uuid().as_u128();
    let mut id = String::with_capacity(30);
    id.push_str("req_");
    for _ in 0..26 {
        id.push(char::from(ALPHABET[(bits & 31) as usize]));
        bits >>= 5;
    }
    id
}
