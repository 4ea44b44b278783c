//! The operator's listener: is it alive, is it ready.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig, get};
use futures_util::future::join;
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::gateway::overview::AccountOverview;
use crate::http::metrics;

pub(super) fn configure(cfg: &mut ServiceConfig) {
    cfg.route("/livez", get().to(livez))
        .route("/readyz", get().to(readyz))
        .route("/metrics", get().to(metrics::scrape));
}

/// The process answers at all.
async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "alive"}))
}

/// What asks whether the gateway is ready mostly waits a few seconds; it is to see the answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// The ledger takes changes, as what platforms push needs, and every account has been listed once (or
/// was tried). A ledger that does not answer in time takes none. How fresh the lists are is said and decides nothing: an account that is down is no reason
/// to turn clients away.
async fn readyz(gateway: Data<Gateway>) -> HttpResponse {
    let asked = join(gateway.is_durable(), gateway.accounts());
    let (is_durable, accounts) = match tokio::time::timeout(ANSWERS_WITHIN, asked).await {
        Ok((is_durable, accounts)) => (is_durable, accounts.unwrap_or_default()),
        Err(_) => (false, Vec::new()),
    };
    let accounts: Vec<_> = accounts.iter().map(freshness).collect();
    let failing_since = gateway.inbox_failing_since();
    let status = match (is_durable, gateway.has_begun()) {
        (true, true) => "ready",
        (true, false) => "starting",
        (false, _) => "not durable",
    };
    let mut answer = match status {
        "ready" => HttpResponse::Ok(),
        _ => HttpResponse::ServiceUnavailable(),
    };
    answer.json(json!({
        "status": status,
        "inbox_failing_since": failing_since.map(|at| at.to_string()),
        "accounts": accounts,
    }))
}

fn freshness(account: &AccountOverview) -> Value {
    json!({
        "account": account.account.as_str(),
        "platform": account.platform.as_str(),
        "listed_at": account.listed_at.map(|at| at.to_string()),
        "stale_s": account.stale_s,
        "failed_since": account.failed_since.map(|at| at.to_string()),
        "error": account.error,
    })
}
