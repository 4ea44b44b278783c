//! Being built.

use actix_web::HttpResponse;

pub async fn list() -> HttpResponse {
    HttpResponse::NotImplemented().finish()
}

pub async fn detail() -> HttpResponse {
    HttpResponse::NotImplemented().finish()
}

pub async fn pause() -> HttpResponse {
    HttpResponse::NotImplemented().finish()
}

pub async fn resume() -> HttpResponse {
    HttpResponse::NotImplemented().finish()
}
