//! Being built.

use actix_web::HttpResponse;

pub async fn query() -> HttpResponse {
    HttpResponse::NotImplemented().finish()
}

pub async fn detail() -> HttpResponse {
    HttpResponse::NotImplemented().finish()
}
