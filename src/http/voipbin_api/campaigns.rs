//! Being built.

use actix_web::HttpResponse;

pub async fn list() -> HttpResponse {
    HttpResponse::NotImplemented().finish()
}

pub async fn detail() -> HttpResponse {
    HttpResponse::NotImplemented().finish()
}

pub async fn set_status() -> HttpResponse {
    HttpResponse::NotImplemented().finish()
}
