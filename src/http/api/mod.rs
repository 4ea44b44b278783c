//! The gateway's own API, `/api/v1`, on the operator's listener: campaigns under both their ids, jobs,
//! accounts and what is possible where. A bearer token says who asks, for which accounts, and whether
//! they may start and stop.
//!
//! Errors are problem documents (RFC 9457), lists have cursors, times are RFC 3339 in UTC.

mod adoption;
mod auth;
mod backup;
mod bodies;
mod campaigns;
mod capabilities;
mod deliveries;
mod destinations;
mod error;
mod inbox;
mod jobs;
mod numbers;
mod openapi;
mod outcomes;
mod reconcile;

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue,
    TRANSFER_ENCODING,
};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::config::ApiScope;
use crate::decoding;
use crate::domain::ids::AccountSlug;
use crate::gateway::WorkerGateway;
use crate::gateway::destinations::OperatorView;
use crate::http::ANSWER_DEADLINE;
use crate::http::entrance::{self, Admits, Doorway, Kind, Reason, Terms};

pub use auth::Operators;

use auth::Operator;
use error::Problem;

/// Rows of a page when the request does not say how many, and at most.
const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;

static NO_SNIFFING: HeaderName = HeaderName::from_static("x-content-type-options");

/// What a handler works with, one per worker.
struct Api {
    operators: Arc<Operators>,
    doorway: Doorway,
    gateway: WorkerGateway,
}

/// What a path takes of a request; anything else is refused, for a misspelt filter must not list
/// everything, and what is not read must not look as if it counted.
#[derive(Clone, Copy)]
struct Takes {
    scope: ApiScope,
    /// Words of the query; None: whatever comes.
    words: Option<&'static [&'static str]>,
    has_body: bool,
}

/// A body, of an operator alone.
type Body = entrance::Body<Api>;

/// One authenticated request.
struct Call<'a> {
    gateway: &'a WorkerGateway,
    operator: &'a Operator,
    request: &'a HttpRequest,
    query: HashMap<String, String>,
}

pub(super) fn configure(
    cfg: &mut ServiceConfig,
    (operators, doorway): (Arc<Operators>, Doorway),
    gateway: &WorkerGateway,
) {
    let api = Data::new(Api { operators, doorway, gateway: gateway.clone() });
    let scope = web::scope("/api/v1")
        .app_data(api)
        .service(resource("/openapi.json").route(web::get().to(openapi::document)))
        .service(resource("/campaigns").route(web::get().to(campaigns::list)))
        .service(resource("/campaigns/{id}").route(web::get().to(campaigns::detail)))
        .service(resource("/campaigns/{id}/history").route(web::get().to(campaigns::history)))
        .service(resource("/campaigns/{id}/outcomes").route(web::get().to(outcomes::of_campaign)))
        .service(resource("/unknown-codes").route(web::get().to(outcomes::unknown)))
        .service(resource("/campaigns/{id}/start").route(web::post().to(campaigns::start)))
        .service(resource("/campaigns/{id}/stop").route(web::post().to(campaigns::stop)))
        .service(resource("/jobs").route(web::get().to(jobs::list)))
        .service(resource("/jobs/{id}").route(web::get().to(jobs::detail)))
        .service(resource("/accounts").route(web::get().to(capabilities::accounts)))
        .service(resource("/inbox").route(web::get().to(inbox::overview)))
        .service(resource("/inbox/quarantine").route(web::get().to(inbox::quarantine)))
        .service(resource("/inbox/reprocess").route(web::post().to(inbox::reprocess)))
        .service(
            resource("/destinations")
                .route(web::get().to(destinations::list))
                .route(web::post().to(destinations::add)),
        )
        .service(
            resource("/destinations/{name}")
                .route(web::get().to(destinations::detail))
                .route(web::patch().to(destinations::set))
                .route(web::delete().to(destinations::remove)),
        )
        .service(resource("/destinations/{name}/pause").route(web::post().to(destinations::pause)))
        .service(
            resource("/destinations/{name}/resume").route(web::post().to(destinations::resume)),
        )
        .service(
            resource("/destinations/{name}/rotate").route(web::post().to(destinations::rotate)),
        )
        .service(resource("/destinations/{name}/secret").route(web::get().to(destinations::secret)))
        .service(resource("/destinations/{name}/test").route(web::post().to(destinations::test)))
        .service(resource("/backup").route(web::post().to(backup::start)))
        .service(resource("/numbers/find").route(web::post().to(numbers::find)))
        .service(resource("/numbers/erase").route(web::post().to(numbers::erase)))
        .service(resource("/adopt").route(web::post().to(adoption::adopt)))
        .service(resource("/leave").route(web::post().to(adoption::leave)))
        .service(resource("/ids").route(web::get().to(adoption::ids)))
        .service(
            resource("/reconcile")
                .route(web::get().to(reconcile::show))
                .route(web::post().to(reconcile::start)),
        )
        .service(resource("/deliveries").route(web::get().to(deliveries::list)))
        .service(resource("/deliveries/redrive").route(web::post().to(deliveries::redrive)))
        .service(resource("/deliveries/{number}").route(web::get().to(deliveries::detail)))
        .service(resource("/capabilities").route(web::get().to(capabilities::list)))
        .default_service(web::to(nothing));
    cfg.service(scope);
    openapi::configure(cfg);
}

/// A path; a method that it does not have is as unknown as a path that is not there.
fn resource(path: &str) -> Resource {
    web::resource(path).default_service(web::to(nothing))
}

/// Which paths exist is nobody's business without a token.
async fn nothing(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    let anything = Takes { words: None, has_body: true, ..ApiScope::Read.into() };
    api.answer(&request, anything, async |_| Err::<(), _>(Problem::NotFound("the path"))).await
}

/// A path that takes nothing but the request itself.
impl From<ApiScope> for Takes {
    fn from(scope: ApiScope) -> Self {
        Self { scope, words: Some(&[]), has_body: false }
    }
}

impl Takes {
    fn words(scope: ApiScope, words: &'static [&'static str]) -> Self {
        Self { words: Some(words), ..scope.into() }
    }

    fn body(scope: ApiScope) -> Self {
        Self { has_body: true, ..scope.into() }
    }

    fn check(self, request: &HttpRequest, query: &HashMap<String, String>) -> Result<(), Problem> {
        let Some(known) = self.words else { return Ok(()) };
        if query.keys().any(|name| !known.contains(&name.as_str())) {
            let rule = match known {
                [] => "none is expected here".to_owned(),
                known => format!("only {} are known here", known.join(", ")),
            };
            return Err(Problem::invalid("the query", &rule));
        }
        let headers = request.headers();
        let has_body = headers.contains_key(TRANSFER_ENCODING)
            || headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
        if has_body && !self.has_body {
            return Err(Problem::invalid("the body", "none is expected here"));
        }
        Ok(())
    }
}

impl Api {
    /// Authenticates, works within the deadline, renders the answer or what went wrong.
    async fn answer<'a, T: Serialize>(
        &'a self,
        request: &'a HttpRequest,
        takes: impl Into<Takes>,
        work: impl AsyncFnOnce(Call<'a>) -> Result<T, Problem>,
    ) -> HttpResponse {
        let outcome = async {
            let operator = self.operators.authenticate(request)?;
            let takes: Takes = takes.into();
            if !operator.scopes.contains(&takes.scope) {
                return Err(Problem::Scope(takes.scope));
            }
            let query = words(request.query_string())?;
            takes.check(request, &query)?;
            let call = Call { gateway: &self.gateway, operator, request, query };
            let answer = tokio::time::timeout(ANSWER_DEADLINE, work(call)).await;
            answer.unwrap_or(Err(Problem::TookTooLong))
        };
        match outcome.await {
            Ok(answer) => ready(HttpResponse::Ok().json(answer)),
            Err(problem) => {
                tracing::debug!(reason = ?problem, "a request was refused");
                if let Problem::Gateway(error) = &problem {
                    error.log_untold();
                }
                ready(self.counted(request, problem).response())
            }
        }
    }
}

impl Api {
    /// Counts a refusal of somebody unknown; who comes too often is told to wait.
    fn counted(&self, request: &HttpRequest, problem: Problem) -> Problem {
        let reason = match &problem {
            Problem::Unauthenticated if request.headers().contains_key(AUTHORIZATION) => {
                Reason::UnknownToken
            }
            Problem::Unauthenticated => Reason::NoCredential,
            Problem::Scope(_) => {
                self.doorway.refused(request, Reason::MissingScope);
                return problem;
            }
            _ => return problem,
        };
        match self.doorway.unproved(request, reason) {
            Some(retry_after) => Problem::TooOften { retry_after },
            None => problem,
        }
    }
}

impl Admits for Api {
    async fn admit(&self, request: &HttpRequest) -> Option<Terms> {
        self.operators.authenticate(request).ok()?;
        let limit_bytes = self.doorway.body_limit_bytes;
        Some(Terms { kind: Kind::Operator, limit_bytes })
    }

    fn doorway(&self) -> &Doorway {
        &self.doorway
    }
}

impl Call<'_> {
    /// The operator, as the gateway wants to know them.
    fn view(&self) -> OperatorView<'_> {
        OperatorView { name: &self.operator.name, accounts: &self.operator.accounts }
    }

    /// The path's id.
    fn id(&self) -> Result<Uuid, Problem> {
        let id = Uuid::try_parse(self.request.match_info().query("id"));
        id.map_err(|_| Problem::invalid("id", "a UUID is expected"))
    }

    /// A word of the query, of those that the path takes.
    fn word(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    fn limit(&self) -> Result<u32, Problem> {
        let Some(word) = self.word("limit") else { return Ok(DEFAULT_LIMIT) };
        let limit = word.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
        limit.ok_or_else(|| Problem::invalid("limit", &format!("1 to {MAX_LIMIT} is expected")))
    }

    /// Where the page begins: the cursor that the page before it gave.
    fn cursor(&self) -> Result<Option<i64>, Problem> {
        let Some(word) = self.word("cursor") else { return Ok(None) };
        let cursor = word.parse().ok().filter(|cursor: &i64| *cursor >= 0);
        cursor.map(Some).ok_or_else(|| Problem::invalid("cursor", "a page's own is expected"))
    }
}

/// The words of a query; a word that is there twice says nothing.
fn words(query: &str) -> Result<HashMap<String, String>, Problem> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(query)
        .map_err(|_| Problem::invalid("the query", "it cannot be read"))?;
    let mut words = HashMap::new();
    for (name, value) in pairs.into_inner() {
        if words.insert(name, value).is_some() {
            return Err(Problem::invalid("the query", "a word is there twice"));
        }
    }
    Ok(words)
}

/// A document of the request; what is wrong with it is told by its place, for a value may be secret.
fn read<T: DeserializeOwned>(body: &Body) -> Result<T, Problem> {
    let received = body.read.as_ref().map_err(|unread| Problem::Unread(*unread))?;
    serde_json::from_slice(decoding::without_mark(&received.bytes)).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Problem::invalid("the body", &format!("it is no such document at {place}"))
    })
}

/// An account that an order names.
fn account(name: &str) -> Result<AccountSlug, Problem> {
    AccountSlug::new(name).map_err(|_| unknown_account())
}

fn unknown_account() -> Problem {
    Problem::invalid("account", "one of the token's is expected")
}

/// Answers hold what is now, and belong to one operator.
fn ready(mut response: HttpResponse) -> HttpResponse {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(NO_SNIFFING.clone(), HeaderValue::from_static("nosniff"));
    if !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}
