//! Being built.

use actix_web::HttpResponse;

pub async fn add_v1() -> HttpResponse {
    HttpResponse::NotImplemented().finish()
}

pub async fn add_v2() -> HttpResponse {
    HttpResponse::NotImplemented().finish()
}
