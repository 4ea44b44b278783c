//! Being built.

use actix_web::HttpResponse;

pub async fn list() -> HttpResponse {
    HttpResponse::NotImplemented().finish()
}

pub async fn add() -> HttpResponse {
    HttpResponse::NotImplemented().finish()
}
