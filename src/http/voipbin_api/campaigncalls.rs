//! Being built.

use actix_web::HttpResponse;

pub async fn list() -> HttpResponse {
    HttpResponse::NotImplemented().finish()
}

pub async fn list_of_campaign() -> HttpResponse {
    HttpResponse::NotImplemented().finish()
}

pub async fn detail() -> HttpResponse {
    HttpResponse::NotImplemented().finish()
}
