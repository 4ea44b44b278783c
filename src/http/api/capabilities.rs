//! What is possible where, and how fresh what lists show is.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::config::ApiScope;
use crate::gateway::overview;
use crate::http::api::bodies::{Account, Accounts, Capabilities, OperationRoute, ProblemDocument};
use crate::http::api::error::Problem;
use crate::http::api::{Api, Call};
use crate::platforms::PlatformKind;

/// How each of the token's accounts stands.
#[utoipa::path(get, path = "/api/v1/accounts", tag = "accounts", responses(
    (status = 200, body = Accounts),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn accounts(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    api.answer(&request, ApiScope::Read, async |call| Ok(Accounts { items: mine(&call).await? }))
        .await
}

/// What can be done on the token's accounts in either platform's words, and how.
#[utoipa::path(get, path = "/api/v1/capabilities", tag = "accounts", responses(
    (status = 200, body = Capabilities),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn list(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    api.answer(&request, ApiScope::Read, async |call| {
        let accounts = mine(&call).await?;
        let homes = PlatformKind::ALL.into_iter().filter(|platform| {
            accounts.iter().any(|account| account.platform == platform.as_str())
        });
        let operations = homes.flat_map(|home| {
            overview::capabilities(home)
                .map(move |capability| OperationRoute::new(home.as_str(), capability))
        });
        Ok(Capabilities { operations: operations.collect(), accounts })
    })
    .await
}

async fn mine(call: &Call<'_>) -> Result<Vec<Account>, Problem> {
    let rows = call.gateway.accounts(&call.operator.accounts).await?;
    Ok(rows.into_iter().map(Account::from).collect())
}
