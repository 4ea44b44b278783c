//! The API's description, made from the handlers, and a page to read it with. Both need no token: they
//! hold what the source shows anyway.

use std::sync::Arc;

use actix_web::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use actix_web::web::{self, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::http::api::{
    adoption, backup, campaigns, capabilities, deliveries, destinations, inbox, jobs, numbers,
    outcomes, ready, reconcile,
};

/// The page's own scripts and styles and nothing else; Swagger UI sets styles inline and draws its
/// icons from data URLs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

const DOCUMENT_PATH: &str = "/api/v1/openapi.json";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Dialbridge",
        description = "The gateway's own API: campaigns of every account under both their ids, \
                       jobs, and what is possible where."
    ),
    paths(
        campaigns::list,
        campaigns::detail,
        campaigns::history,
        campaigns::start,
        campaigns::stop,
        jobs::list,
        jobs::detail,
        capabilities::accounts,
        inbox::overview,
        inbox::quarantine,
        inbox::reprocess,
        capabilities::list,
        destinations::list,
        destinations::add,
        destinations::set,
        destinations::detail,
        destinations::remove,
        destinations::pause,
        destinations::resume,
        destinations::rotate,
        destinations::secret,
        destinations::test,
        deliveries::list,
        deliveries::detail,
        deliveries::redrive,
        backup::start,
        numbers::find,
        numbers::erase,
        adoption::adopt,
        adoption::leave,
        adoption::ids,
        outcomes::of_campaign,
        outcomes::unknown,
        reconcile::show,
        reconcile::start,
    ),
    security(("token" = [])),
    modifiers(&BearerTokens)
)]
struct Document;

/// How a caller says who it is.
struct BearerTokens;

impl Modify for BearerTokens {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token of `[[api_tokens]]`."))
            .build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

pub async fn document() -> HttpResponse {
    ready(HttpResponse::Ok().json(Document::openapi()))
}

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.route("/docs", web::get().to(to_page)).route("/docs/{file:.*}", web::get().to(page));
}

/// The page's files lie beside it.
async fn to_page(_: HttpRequest) -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish()
}

async fn page(file: Path<String>) -> HttpResponse {
    let config = utoipa_swagger_ui::Config::from(DOCUMENT_PATH);
    match utoipa_swagger_ui::serve(&file, Arc::new(config)) {
        Ok(Some(file)) => ready(
            HttpResponse::Ok()
                .insert_header((CONTENT_TYPE, file.content_type))
                .insert_header((CONTENT_SECURITY_POLICY, POLICY))
                .body(file.bytes.into_owned()),
        ),
        Ok(None) => HttpResponse::NotFound().finish(),
        Err(error) => {
            tracing::error!(%error, "a page of the API's description cannot be made");
            HttpResponse::InternalServerError().finish()
        }
    }
}
