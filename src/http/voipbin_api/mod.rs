//! The VoIPBin-shaped facade: `/v1.0/...`, `/auth/login`, `/auth/logout` and `/ping` (reference 1–8).
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

use std::borrow::Cow;
use std::future::Future;

use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::web::{self, Data, ServiceConfig, delete, get, post, put};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, Resource};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::Config;
use crate::config::PassRule;
use crate::gateway::error::GatewayError;
use crate::gateway::{Arrival, Asked, WorkerGateway};
use crate::http::entrance::{self, Admits, Doorway, Kind, Reason, Terms};
use crate::http::voipbin_api::auth::{Caller, Keys, Stranger};
use crate::http::voipbin_api::error::{Doing, Refused};
use crate::http::voipbin_api::login::Failures;
use crate::http::voipbin_api::profile::Profile;
use crate::http::{ANSWER_DEADLINE, Facades, keyed};
use crate::platforms::PlatformKind;

/// Who may call this facade.
pub struct Callers {
    keys: Keys,
    failures: Failures,
    clock: Clock,
}

impl Callers {
    pub fn new(config: &Config, clock: &Clock) -> Self {
        Self { keys: Keys::new(config), failures: Failures::default(), clock: clock.clone() }
    }

    /// Who may log in: a client's name, and what its sessions are bound to.
    pub fn logins(&self) -> Vec<(String, String)> {
        self.keys.logins()
    }
}

/// What a handler of this facade works with, one per worker.
struct Facade {
    callers: std::sync::Arc<Callers>,
    gateway: WorkerGateway,
    doorway: Doorway,
}

/// One authenticated request.
struct Call<'a> {
    gateway: &'a WorkerGateway,
    asked: Asked,
    profile: &'static Profile,
    /// What the client may pass on to its own account.
    pass_through: std::sync::Arc<[PassRule]>,
    request: &'a HttpRequest,
}

/// A body, of a known client alone.
type Body = entrance::Body<Facade>;

/// Who a request is from, found out before its body was read.
struct Recognised(Result<Caller, Refused>);

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(super) fn configure(cfg: &mut ServiceConfig, facades: &Facades, gateway: &WorkerGateway) {
    let facade = Facade {
        callers: facades.voipbin.clone(),
        gateway: gateway.clone(),
        doorway: facades.doorway.clone(),
    };
    let facade = Data::new(facade);
    let login =
        resource("/auth/login").app_data(facade.clone()).route(web::post().to(login::login));
    let logout =
        resource("/auth/logout").app_data(facade.clone()).route(web::post().to(login::logout));
    let scope = web::scope("/v1.0")
        .app_data(facade)
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
    cfg.service(login).service(logout).service(scope).route("/ping", get().to(ping));
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
        let (profile, outcome) = match self.caller(request).await {
            Err(refused) => (self.callers.keys.profile_of_strangers, Err(refused)),
            Ok(caller) => {
                let asked = Asked {
                    client: caller.client.clone(),
                    platform: PlatformKind::Voipbin,
                    request_id: request_id.clone(),
                    arrival: self.arrival(request),
                };
                let call = Call {
                    gateway: &self.gateway,
                    asked,
                    profile: caller.profile,
                    pass_through: caller.pass_through.clone(),
                    request,
                };
                let outcome = tokio::time::timeout(ANSWER_DEADLINE, work(call)).await;
                (caller.profile, outcome.unwrap_or(Err(Refused::TookTooLong)))
            }
        };
        let response = outcome.unwrap_or_else(|refused| {
            tracing::debug!(request_id, ?doing, reason = ?refused, "a request was refused");
            if let Refused::Gateway(error) = &refused {
                error.log_untold();
            }
            error::render(&refused, doing, profile, &request_id)
        });
        with_request_id(response, &request_id)
    }

    /// Whose request it is; who proves nothing is counted, and told to wait when that is too often.
    async fn caller(&self, request: &HttpRequest) -> Result<Cow<'_, Caller>, Refused> {
        let recognised = request.extensions_mut().remove::<Recognised>();
        match recognised {
            Some(Recognised(recognised)) => recognised.map(Cow::Owned),
            None => self.recognise(request).await.map(Cow::Borrowed),
        }
    }

    /// When the request came: before anybody asked whose it is, which may take a while.
    fn arrival(&self, request: &HttpRequest) -> Arrival {
        let mut extensions = request.extensions_mut();
        if let Some(arrival) = extensions.get::<Arrival>() {
            return *arrival;
        }
        let arrival = self.gateway.arrive();
        extensions.insert(arrival);
        arrival
    }

    async fn recognise(&self, request: &HttpRequest) -> Result<&Caller, Refused> {
        self.arrival(request);
        let waits = || self.doorway.waits(request);
        let caller = self.callers.keys.authenticate(request, &self.gateway, waits).await;
        match caller {
            Ok(caller) => {
                self.doorway.proved(request);
                Ok(caller)
            }
            Err(Stranger::Gateway(error)) => Err(Refused::Gateway(error)),
            Err(Stranger::Waits(retry_after)) => {
                self.doorway.refused(request, Reason::TooManyRefusals);
                Err(Refused::TooOften { retry_after })
            }
            Err(Stranger::Unproved(reason)) => Err(match self.doorway.unproved(request, reason) {
                Some(retry_after) => Refused::TooOften { retry_after },
                None if reason == Reason::NoCredential => Refused::AuthenticationRequired,
                None => Refused::InvalidCredentials,
            }),
        }
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

impl Admits for Facade {
    async fn admit(&self, request: &HttpRequest) -> Option<Terms> {
        let recognised = self.recognise(request).await.cloned();
        let limit_bytes = self.doorway.body_limit_bytes;
        let terms = recognised.is_ok().then_some(Terms { kind: Kind::Client, limit_bytes });
        request.extensions_mut().insert(Recognised(recognised));
        terms
    }

    fn doorway(&self) -> &Doorway {
        &self.doorway
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
    #[expect(clippy::unused_self, reason = "a body belongs to a call whose sender is known")]
    fn bytes(&self, body: Body) -> Result<Bytes, Refused> {
        body.read.map(|received| received.bytes).map_err(Refused::Unread)
    }

    /// The body as JSON of that shape.
    #[expect(clippy::unused_self, reason = "a body belongs to a call whose sender is known")]
    fn body<T: DeserializeOwned>(&self, body: &Body) -> Result<T, Refused> {
        let body = body.read.as_ref().map_err(|unread| Refused::Unread(*unread))?;
        // The parser's own message could quote a member's value.
        let unreadable = |member: String, error: &serde_json::Error| {
            Refused::InvalidBody(format!(
                "the body is not the JSON that is expected ({member}line {}, column {})",
                error.line(),
                error.column()
            ))
        };
        let mut json = serde_json::Deserializer::from_slice(&body.bytes);
        let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let member = shown(error.path()).map(|path| path + ", ").unwrap_or_default();
            unreadable(member, error.inner())
        })?;
        json.end().map_err(|error| unreadable(String::new(), &error))?;
        Ok(read)
    }
}

/// More digits than this make a name a number.
const MAX_NAME_DIGITS: usize = 4;
const MAX_NAME_CHARS: usize = 64;

/// The path of a member; None for the body itself. A client may call a member what it likes, also by a
/// phone number, and what is answered is logged, too: only what looks like a name is told.
fn shown(path: &Path) -> Option<String> {
    let parts = path.iter().map(|segment| match segment {
        Segment::Seq { index } => format!("[{index}]"),
        Segment::Map { key: name } | Segment::Enum { variant: name } if is_name(name) => {
            format!(".{name}")
        }
        _ => ".…".to_owned(),
    });
    let shown: String = parts.collect();
    (!shown.is_empty()).then(|| shown.trim_start_matches('.').to_owned())
}

fn is_name(text: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(is_of_name)
        && text.len() <= MAX_NAME_CHARS
        && text.chars().filter(char::is_ascii_digit).count() <= MAX_NAME_DIGITS
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
