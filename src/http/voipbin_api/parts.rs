//! Being built.

use actix_web::HttpResponse;

pub async fn outplan() -> HttpResponse {
    HttpResponse::NotImplemented().finish()
}

pub async fn outdial() -> HttpResponse {
    HttpResponse::NotImplemented().finish()
}
