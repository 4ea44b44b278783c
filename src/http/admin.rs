//! The operator's listener: is it alive, is it ready.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig, get};

use crate::gateway::Gateway;

pub(super) fn configure(cfg: &mut ServiceConfig) {
    cfg.route("/livez", get().to(livez)).route("/readyz", get().to(readyz));
}

/// The process answers at all.
async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"status": "alive"}))
}

/// The ledger answers and every account has been listed once (or was tried).
async fn readyz(gateway: Data<Gateway>) -> HttpResponse {
    if gateway.is_ready().await {
        HttpResponse::Ok().json(serde_json::json!({"status": "ready"}))
    } else {
        HttpResponse::ServiceUnavailable().json(serde_json::json!({"status": "starting"}))
    }
}
