//! A stand-in for VoIPBin: the campaign half of its API, the engine behind it, and its webhooks.
//!
//! *World* holds what the platform knows and moves by due entries; *routes* maps requests to
//! operations on it; *engine* is what happens by itself; *webhooks* tells the customers. Facts: the
//! VoIPBin reference, sections 1 to 10, cited "VB n". Besides `/_sim/` of the harness it answers
//! `GET|POST /_sim/outcomes` (the text that `outcomes` reads) and `POST /_sim/seed` (see `seed`).
//!
//! Not simulated: CORS, WebSocket subscriptions, access-key administration, agents that become busy.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::{AUTHORIZATION, ContentType};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::clock::Clock;
use crate::simulators::faults::{Faults, Gate};
use crate::simulators::journal::Journal;
use crate::simulators::{Harness, Running, serve};

mod account;
mod answer;
mod auth;
mod campaigns;
mod engine;
mod outcomes;
mod outdials;
mod outplans;
mod references;
mod render;
mod routes;
mod seed;
mod webhooks;
mod world;

use answer::{ApiError, given_request_id, new_request_id, respond};
use auth::{Credentials, admit};
use routes::Request;
use world::World;

pub use auth::{Rate, RateLimits};
pub use outcomes::{Outcome, Outcomes, OutcomesError};

/// Bodies of the API, and of `/_sim/seed`.
const MAX_BODY_BYTES: usize = 1024 * 1024;
const MAX_SEED_BYTES: usize = 64 * 1024 * 1024;
const PREFIX: &str = "/v1.0/";

/// What a simulator is started with.
#[derive(Clone)]
pub struct Options {
    /// None: a free port on 127.0.0.1.
    pub listen: Option<SocketAddr>,
    pub seed: u64,
    pub clock: Clock,
    pub profile: Profile,
    pub defects: Defects,
    pub faults: Faults,
    pub outcomes: Outcomes,
    pub switches: Switches,
    /// The customers; the default has two, so that one can be refused the other's objects.
    pub accounts: Vec<Account>,
    /// None: no request is ever refused for coming too fast.
    pub rate_limits: Option<RateLimits>,
    /// The real platform calls public addresses only.
    pub allow_private_webhooks: bool,
}

/// Which generation of the wire to show (VB 0.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Profile {
    /// The source of 2026-08: RFC 3339 or null, sparse addresses, error envelopes, pages of 100.
    #[default]
    Head,
    /// The documents of 2022 to 2025: no `T` and no zone, a sentinel for never, five-key addresses,
    /// empty error bodies, pages of 10.
    Seed,
}

/// Behaviours of HEAD that look like mistakes (VB "\[D\]"); all off by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Defects {
    /// Deleting what may not be deleted answers 200 with a zero-valued object (3.4, 4.2).
    pub pretend_to_delete: bool,
    /// A deleted idle target is still dialled (9.4).
    pub dial_deleted_targets: bool,
    /// An attempt without hangup reason never ends (9.6).
    pub lose_unknown_results: bool,
    /// The engine never finds a target (9.7).
    pub no_available_target: bool,
}

/// Where the documents and the code of the platform disagree; the default follows the code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    pub service_level: ServiceLevelFormula,
    /// The documents: an answered campaigncall becomes `progressing`.
    pub progressing_on_answer: bool,
    /// With `end_handle` stop, wait for attempts in progress that could be tried again.
    pub retry_last_target: bool,
    /// The documents: `next_campaign_id` starts when the campaign ends for lack of targets.
    pub chain_next: bool,
    /// Call events reach the webhook too (which of them really do is unconfirmed, 10.1).
    pub call_events: bool,
}

/// When a campaign with a queue may dial (VB 9.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceLevelFormula {
    /// floor(agents × level / 100) > dialing.
    #[default]
    Code,
    /// agents > dialing × level / 100.
    Docs,
}

/// One customer and how it proves who it is.
#[derive(Clone)]
pub struct Account {
    pub customer_id: Uuid,
    pub access_key: SecretString,
    pub username: String,
    pub password: SecretString,
    /// For `POST /auth/boot`.
    pub direct_hash: String,
    pub webhook_secret: SecretString,
    /// The queue that exists from the start.
    pub queue_id: Uuid,
}

/// Why a name of a profile or a defect is not one; one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is unknown; known are {known}")]
pub struct UnknownName {
    given: String,
    known: &'static str,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: None,
            seed: 1,
            clock: Clock::real(),
            profile: Profile::default(),
            defects: Defects::default(),
            faults: Faults::default(),
            outcomes: Outcomes::default(),
            switches: Switches::default(),
            accounts: vec![Account::numbered(1), Account::numbered(2)],
            rate_limits: Some(RateLimits::default()),
            allow_private_webhooks: true,
        }
    }
}

impl Account {
    /// The nth default account; its credentials are the same in every simulator.
    pub fn numbered(number: u8) -> Self {
        let id = |kind: u128| {
            let base = (0x5e4a_0680 << 96) | (kind << 64) | (0x8000 << 48);
            Uuid::from_u128(base | u128::from(number))
        };
        Self {
            customer_id: id(0x804e_41ec),
            access_key: SecretString::from(format!("vb_simulated_key_{number}")),
            username: format!("admin{number}@localhost"),
            password: SecretString::from(format!("simulated-password-{number}")),
            direct_hash: format!("direct_simulated_{number}"),
            webhook_secret: SecretString::from(format!("simulated-webhook-secret-{number:07}")),
            queue_id: id(0x99bf_4000),
        }
    }
}

impl FromStr for Profile {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "head" => Ok(Self::Head),
            "seed" => Ok(Self::Seed),
            _ => Err(UnknownName { given: text.to_owned(), known: "head, seed" }),
        }
    }
}

impl Defects {
    const NAMES: &str = "head (all), pretend-to-delete, dial-deleted-targets, \
                         lose-unknown-results, no-available-target";

    /// Everything that HEAD does. Its campaigns then dial nobody (9.7), which hides the other
    /// dialling defects: those can be named one by one.
    pub fn head() -> Self {
        Self {
            pretend_to_delete: true,
            dial_deleted_targets: true,
            lose_unknown_results: true,
            no_available_target: true,
        }
    }
}

/// Names separated by commas; `head` is all of them.
impl FromStr for Defects {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut defects = Self::default();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name {
                "head" => defects = Self::head(),
                "pretend-to-delete" => defects.pretend_to_delete = true,
                "dial-deleted-targets" => defects.dial_deleted_targets = true,
                "lose-unknown-results" => defects.lose_unknown_results = true,
                "no-available-target" => defects.no_available_target = true,
                _ => return Err(UnknownName { given: name.to_owned(), known: Self::NAMES }),
            }
        }
        Ok(defects)
    }
}

/// What handlers and the engine share.
struct Shared {
    clock: Clock,
    world: Mutex<World>,
    /// Wakes the engine: something is due earlier than it thinks, or an event waits.
    wake: Notify,
}

/// Starts a simulator; it listens when this returns.
#[expect(clippy::unused_async, reason = "callers wait for simulators; one may need to wait")]
pub async fn start(options: Options) -> std::io::Result<Running> {
    let clock = options.clock.clone();
    let journal = Journal::default();
    let faults = Gate::new(options.faults.clone(), options.seed);
    let courier = webhooks::Courier::new(
        clock.clone(),
        journal.clone(),
        faults.clone(),
        options.allow_private_webhooks,
    )?;
    let (listen, profile) = (options.listen, options.profile);
    let world = World::new(options, clock.now(), journal.clone(), faults.clone());
    let shared =
        Arc::new(Shared { clock: clock.clone(), world: Mutex::new(world), wake: Notify::new() });
    let behind = Arc::downgrade(&shared);
    journal.before_reading(move || {
        if let Some(shared) = behind.upgrade() {
            shared.with(|_| {});
        }
    });
    let harness = Harness {
        name: "sim-voipbin",
        clock,
        journal,
        faults,
        injected: match profile {
            Profile::Head => answer::injected_head,
            Profile::Seed => answer::injected_seed,
        },
        is_write: |request| request.method() != actix_web::http::Method::GET,
    };
    let shared = web::Data::from(shared);
    let served = shared.clone();
    serve(harness, listen, move |config| routes(config, &served), move || engine(shared, courier))
}

fn routes(config: &mut web::ServiceConfig, shared: &web::Data<Shared>) {
    config
        .app_data(shared.clone())
        .route("/_sim/outcomes", web::get().to(show_outcomes))
        .route("/_sim/outcomes", web::post().to(set_outcomes))
        .service(
            web::resource("/_sim/seed")
                .app_data(web::PayloadConfig::new(MAX_SEED_BYTES))
                .route(web::post().to(put_seed)),
        )
        .app_data(web::PayloadConfig::new(MAX_BODY_BYTES))
        .default_service(web::to(answer_request));
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to the world as of now, and wakes the engine if that left it work.
    fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let now = self.clock.now();
        let mut world = self.lock();
        world.advance_to(now);
        let due = world.next_due();
        let result = act(&mut world);
        world.expect_work();
        if world.has_pushes() || world.next_due() != due {
            self.wake.notify_one();
        }
        result
    }
}

/// Moves the world whenever something is due and sends off what it published; idle otherwise.
async fn engine(shared: web::Data<Shared>, courier: webhooks::Courier) {
    loop {
        let now = shared.clock.now();
        let (pushes, due) = {
            let mut world = shared.lock();
            world.advance_to(now);
            (world.take_pushes(), world.next_due())
        };
        for work in pushes {
            courier.start(work);
        }
        let sleep = async {
            match due {
                Some(due) => shared.clock.sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep => {}
            () = shared.wake.notified() => {}
        }
    }
}

async fn show_outcomes(shared: web::Data<Shared>) -> String {
    shared.lock().outcomes.text().to_owned()
}

async fn set_outcomes(shared: web::Data<Shared>, text: String) -> HttpResponse {
    match text.parse() {
        Ok(outcomes) => {
            shared.with(|world| world.set_outcomes(outcomes));
            HttpResponse::Ok().finish()
        }
        Err(error) => HttpResponse::BadRequest().body(OutcomesError::to_string(&error)),
    }
}

async fn put_seed(shared: web::Data<Shared>, body: Bytes) -> HttpResponse {
    let seeded = serde_json::from_slice(&body)
        .map_err(|error| error.to_string())
        .and_then(|seed| shared.with(|world| seed::apply(world, seed)));
    match seeded {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(problem) => HttpResponse::BadRequest().body(problem),
    }
}

/// Every request that is not the harness's.
async fn answer_request(
    request: HttpRequest,
    body: Result<Bytes, actix_web::Error>,
    shared: web::Data<Shared>,
) -> HttpResponse {
    shared.with(|world| {
        let body = body.as_deref().map_err(|_| ());
        let path = request.path();
        match (request.method().as_str(), path) {
            ("GET", "/ping") => HttpResponse::Ok().json(json!({"message": "pong"})),
            ("POST", "/auth/login" | "/auth/boot") => enter(world, &request, body.unwrap_or(&[])),
            _ => {
                let request_id = given_request_id(&request)
                    .map_or_else(|| new_request_id(world.new_id()), str::to_owned);
                let result = call(world, &request, body);
                respond(result, world.options.profile, &request_id)
            }
        }
    })
}

fn call(
    world: &mut World,
    request: &HttpRequest,
    body: Result<&[u8], ()>,
) -> Result<Value, ApiError> {
    let path = request.path().strip_prefix(PREFIX);
    let segments: Vec<&str> = path.unwrap_or_default().split('/').collect();
    let operation = routes::operation(request.method().as_str(), &segments)
        .ok_or_else(|| ApiError::not_found("ROUTE_NOT_FOUND"))?;
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect();
    let address = request.peer_addr().map(|address| address.ip());
    let caller = admit(world, &credentials(request, &query), address)?;
    let body =
        body.map_err(|()| ApiError::invalid("INVALID_JSON_BODY", "The body is too long."))?;
    operation(world, &Request { caller, segments, query, body })
}

fn credentials(request: &HttpRequest, query: &[(String, String)]) -> Credentials {
    let cookie = |name| request.cookie(name).map_or(String::new(), |it| it.value().to_owned());
    let of_query = |name: &str| {
        query.iter().find(|(key, _)| key == name).map_or(String::new(), |(_, it)| it.clone())
    };
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    Credentials {
        cookie_token: cookie("token"),
        query_token: of_query("token"),
        bearer: header.and_then(|it| it.strip_prefix("Bearer ")).unwrap_or_default().to_owned(),
        cookie_accesskey: cookie("accesskey"),
        query_accesskey: of_query("accesskey"),
    }
}

/// `/auth/…`: any failure but the rate is a bare 400.
fn enter(world: &mut World, request: &HttpRequest, body: &[u8]) -> HttpResponse {
    let address = request.peer_addr().map(|address| address.ip());
    let is_login = request.path() == "/auth/login";
    let result =
        if is_login { auth::login(world, body, address) } else { auth::boot(world, body, address) };
    match result {
        Err(error) => {
            let request_id = new_request_id(world.new_id());
            respond(Err(error), world.options.profile, &request_id)
        }
        Ok(None) => HttpResponse::BadRequest().finish(),
        Ok(Some(answer)) => {
            let mut response = HttpResponse::Ok();
            if is_login {
                let token = answer["token"].as_str().unwrap_or_default().to_owned();
                response.cookie(
                    Cookie::build("token", token)
                        .path("/")
                        .secure(true)
                        .http_only(true)
                        .same_site(SameSite::Strict)
                        .max_age(actix_web::cookie::time::Duration::days(7))
                        .finish(),
                );
            }
            response.content_type(ContentType::json()).body(answer.to_string())
        }
    }
}
