//! The CC-iSales-shaped facade: `/rest/isales/v{1,2}/openapi/campaigns/...` (reference 1–5).
//!
//! Checks stand in the order of reference 15: signature (401 and nothing else), then types,
//! presence, characters, length and values, then existence, state, quota and content.

mod answer;
mod answered;
mod auth;
mod calldata;
mod callresult;
mod campaigns;
mod codes;
mod definition;
mod edits;
mod endpoints;
mod error;
mod fields;
mod policies;
mod profile;
mod records;
mod relay;
mod statistics;
mod writes;

pub use endpoints::ENDPOINTS;

use std::future::Future;
use std::sync::Arc;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, Data, ServiceConfig, delete, get, post, put};
use actix_web::{HttpRequest, HttpResponse, Resource, Route};
use bytes::Bytes;

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::ids::{CampaignIdentity, CampaignKey, PublicPair};
use crate::gateway::error::GatewayError;
use crate::gateway::{self, Asked, WorkerGateway};
use crate::http::entrance::{self, Admits, Doorway, Kind, Terms};
use crate::http::isales_api::auth::{Keys, NotAuthentic};
use crate::http::isales_api::error::{Doing, Refused};
use crate::http::isales_api::profile::Profile;
use crate::http::{ANSWER_DEADLINE, Facades};
use crate::platforms::{Operation, PlatformKind};

/// Who may call this facade.
pub struct Callers {
    keys: Keys,
    clock: Clock,
}

impl Callers {
    /// # Errors
    /// When a client's access key cannot stand in a signature.
    pub fn new(config: &Config, clock: &Clock) -> anyhow::Result<Self> {
        Ok(Self { keys: Keys::new(config, clock)?, clock: clock.clone() })
    }
}

/// What a handler of this facade works with, one per worker.
struct Facade {
    callers: Arc<Callers>,
    gateway: WorkerGateway,
    doorway: Doorway,
}

/// One authenticated request.
struct Call<'a> {
    gateway: &'a WorkerGateway,
    asked: Asked,
    profile: &'static Profile,
    request: &'a HttpRequest,
    body: web::Bytes,
}

/// A campaign that a request is about, and how the request would be done there.
struct Existing {
    key: CampaignKey,
    identity: Arc<CampaignIdentity>,
    route: gateway::route::Route,
}

impl Call<'_> {
    /// The campaign of the request's path, for every operation that needs one. What is deleted is none on
    /// this platform, though its home may still have it; a home of this platform says so itself.
    async fn existing(
        &self,
        pair: PublicPair,
        operation: Operation,
    ) -> Result<Existing, GatewayError> {
        let key = CampaignKey::Pair(pair);
        let (identity, route) = self.gateway.route_of(&self.asked, key, operation).await?;
        if route != gateway::route::Route::Native {
            self.gateway.check_exists(&identity).await?;
        }
        Ok(Existing { key, identity, route })
    }
}

/// A body, of who names a client and a time that can be right.
type Body = entrance::Body<Facade>;

pub(super) fn configure(cfg: &mut ServiceConfig, facades: &Facades, gateway: &WorkerGateway) {
    let facade = Data::new(Facade {
        callers: facades.isales.clone(),
        gateway: gateway.clone(),
        doorway: facades.doorway.clone(),
    });
    let v1 = web::scope("/rest/isales/v1/openapi/campaigns")
        .app_data(facade.clone())
        .configure(contacts_and_results)
        .configure(lists)
        .configure(campaigns_v1)
        .default_service(web::to(unknown_route));
    let v2 = web::scope("/rest/isales/v2/openapi/campaigns")
        .app_data(facade)
        .service(resource("/{vdn}/calldata/{campaign}").route(post().to(calldata::add_v2)))
        .service(resource("/{vdn}/statistics").route(get().to(statistics::daily)))
        .service(resource("/{vdn}/{campaign}").route(put().to(writes::modify_v2)))
        .service(resource("/{vdn}").route(post().to(writes::create_v2)))
        .default_service(web::to(unknown_route));
    cfg.service(v1).service(v2);
}

fn contacts_and_results(cfg: &mut ServiceConfig) {
    cfg.service(resource("/{vdn}/callresult/{campaign}").route(post().to(callresult::query)))
        .service(resource("/{vdn}/callresultdetail/{call}").route(get().to(callresult::detail)))
        .service(resource("/{vdn}/calldata/{campaign}").route(post().to(calldata::add_v1)))
        .service(resource("/{vdn}/calldata/{campaign}/delete").route(post().to(records::delete)))
        .service(resource("/{vdn}/calldata/{campaign}/{data}").route(get().to(records::detail)));
}

/// What belongs to a VDN as a whole or comes in lists, and is for homes of this platform alone
/// where nothing else is named.
fn lists(cfg: &mut ServiceConfig) {
    use Operation as O;
    cfg.service(resource("/{vdn}/queryOBSResultCode").route(get().to(codes::list_codes)))
        .service(resource("/{vdn}/queryOBSResults").route(get().to(codes::list_results)))
        .service(resource("/{vdn}/{def}/queryObsResultDetail").route(get().to(codes::detail)))
        .service(of_vdn("/{vdn}/createObResult", &[(post, O::ResultCodeModify)]))
        .service(of_vdn("/{vdn}/addBusinessResult", &[(post, O::BusinessResult)]))
        .service(of_vdn("/{vdn}/queryBusinessResults", &[(get, O::BusinessResult)]))
        .service(of_vdn("/{vdn}/callBusiResult/{data}", &[(post, O::BusinessResult)]))
        .service(of_vdn("/{vdn}/blocklist/add", &[(post, O::DoNotCallModify)]))
        .service(of_vdn("/{vdn}/blocklist/delete", &[(post, O::DoNotCallModify)]))
        .service(of_vdn("/{vdn}/blocklist/query", &[(post, O::DoNotCallQuery)]))
        .service(of_vdn("/{vdn}/blocklist", &[(delete, O::DoNotCallModify)]))
        .service(of_campaign(
            "/{vdn}/holiday/{campaign}",
            &[
                (get, O::SpecialDateQuery),
                (post, O::SpecialDateModify),
                (put, O::SpecialDateModify),
                (delete, O::SpecialDateModify),
            ],
        ))
        .service(of_campaign("/{vdn}/holiday/{campaign}/{date}", &[(delete, O::SpecialDateModify)]))
        .service(of_campaign("/{vdn}/callbatch/{campaign}/create", &[(post, O::ContactBatch)]))
        .service(of_campaign("/{vdn}/callbatch/{campaign}/pause", &[(post, O::ContactBatch)]))
        .service(of_campaign("/{vdn}/callbatch/{campaign}/resume", &[(post, O::ContactBatch)]))
        .service(of_campaign("/{vdn}/callbatch/{campaign}/list", &[(get, O::ContactBatch)]));
}

fn campaigns_v1(cfg: &mut ServiceConfig) {
    cfg.service(
        resource("/{vdn}/retryPolicy/{campaign}")
            .route(get().to(writes::retry_policy))
            .route(post().to(writes::set_retry_policy)),
    )
    .service(
        resource("/{vdn}/callerNo/{campaign}")
            .route(post().to(writes::add_callers))
            .route(delete().to(writes::remove_callers)),
    )
    .service(resource("/{vdn}/{campaign}/pause").route(put().to(campaigns::pause)))
    .service(resource("/{vdn}/{campaign}/resume").route(put().to(campaigns::resume)))
    .service(
        resource("/{vdn}/{campaign}")
            .route(get().to(campaigns::detail))
            .route(put().to(writes::modify_v1))
            .route(delete().to(writes::delete)),
    )
    .service(
        resource("/{vdn}").route(get().to(campaigns::list)).route(post().to(writes::create_v1)),
    );
}

/// A method of a path, and what it asks for.
type Offer = (fn() -> Route, Operation);

/// A path below a VDN, each of whose methods asks for one operation and goes through as it is.
fn of_vdn(path: &str, methods: &[Offer]) -> Resource {
    methods.iter().fold(resource(path), |resource, (method, operation)| {
        let operation = *operation;
        resource.route(method().to(
            move |facade: Data<Facade>, request: HttpRequest, body: Body| async move {
                let work = |call| relay::vdn(call, operation);
                facade.answer(&request, body, Doing::Vdn, work).await
            },
        ))
    })
}

/// The same below a campaign.
fn of_campaign(path: &str, methods: &[Offer]) -> Resource {
    methods.iter().fold(resource(path), |resource, (method, operation)| {
        let operation = *operation;
        resource.route(method().to(
            move |facade: Data<Facade>, request: HttpRequest, body: Body| async move {
                let work = |call| relay::campaign(call, operation);
                facade.answer(&request, body, Doing::Campaign, work).await
            },
        ))
    })
}

fn resource(path: &str) -> Resource {
    web::resource(path).default_service(web::to(unknown_route))
}

/// The pages say nothing about paths that do not exist; a web server's own answer is the least
/// surprising.
async fn unknown_route() -> HttpResponse {
    HttpResponse::NotFound().finish()
}

/// A stored or fetched document is not what its platform sends.
#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn unreadable(error: serde_json::Error) -> GatewayError {
    tracing::error!(line = error.line(), column = error.column(), "a document cannot be read");
    GatewayError::Internal("a document of the campaign's home cannot be read".to_owned())
}

fn json(body: Bytes) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json;charset=UTF-8")).body(body)
}

impl Facade {
    /// Authenticates, works within the deadline, renders what went wrong.
    async fn answer<'a, W>(
        &'a self,
        request: &'a HttpRequest,
        body: Body,
        doing: Doing,
        work: impl FnOnce(Call<'a>) -> W,
    ) -> HttpResponse
    where
        W: Future<Output = Result<HttpResponse, Refused>>,
    {
        let outcome = match self.authenticate(request, body) {
            Err(refused) => Err(refused),
            Ok((call, signature)) if answered::writes(request, doing) => {
                let asked = call.asked.clone();
                let signed =
                    answered::keyed(request, doing, (signature, self.callers.keys.window()));
                let answered = answered::once(&self.gateway, &asked, (signed, doing), work(call));
                let outcome = tokio::time::timeout(ANSWER_DEADLINE, answered).await;
                outcome.unwrap_or(Err(Refused::TookTooLong))
            }
            Ok((call, _)) => {
                let outcome = tokio::time::timeout(ANSWER_DEADLINE, work(call)).await;
                outcome.unwrap_or(Err(Refused::TookTooLong))
            }
        };
        outcome.unwrap_or_else(|refused| {
            tracing::debug!(?doing, reason = ?refused, "a request was refused");
            if let Refused::Gateway(error) = &refused {
                error.log_untold();
            }
            error::render(&refused, doing)
        })
    }

    /// The signature covers the body, so a body that was not read cannot be authentic; who names a key
    /// of ours is told why it was not read.
    fn authenticate<'a>(
        &'a self,
        request: &'a HttpRequest,
        body: Body,
    ) -> Result<(Call<'a>, &'a str), Refused> {
        let keys = &self.callers.keys;
        let received = match body.read {
            Ok(received) => received,
            Err(unread) => {
                keys.recognise(request).map_err(|stranger| self.refused(request, stranger))?;
                return Err(Refused::Unread(unread));
            }
        };
        let authentic = keys.authenticate(request, &received.bytes);
        let authentic = authentic.map_err(|stranger| self.refused(request, stranger))?;
        received.prove(Kind::Client);
        self.doorway.proved(request);
        let asked = Asked {
            client: authentic.client.clone(),
            platform: PlatformKind::Isales,
            request_id: self.callers.clock.new_uuid().simple().to_string(),
            arrival: self.gateway.arrive(),
        };
        let (profile, body) = (authentic.profile, received.bytes);
        let call = Call { gateway: &self.gateway, asked, profile, request, body };
        Ok((call, authentic.signature))
    }

    /// Counts who is not authentic; who comes too often is told to wait.
    fn refused(&self, request: &HttpRequest, NotAuthentic(reason): NotAuthentic) -> Refused {
        match self.doorway.unproved(request, reason) {
            Some(retry_after) => Refused::TooOften { retry_after },
            None => Refused::NotAuthentic,
        }
    }
}

impl Admits for Facade {
    async fn admit(&self, request: &HttpRequest) -> Option<Terms> {
        self.callers.keys.recognise(request).ok()?;
        let limit_bytes = self.doorway.body_limit_bytes;
        Some(Terms { kind: Kind::Unproved, limit_bytes })
    }

    fn doorway(&self) -> &Doorway {
        &self.doorway
    }
}
