//! Asking platforms for results that callbacks missed.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::config::ApiScope;
use crate::gateway::reconcile::{ReconcileState, Wanted};
use crate::http::api::bodies::ProblemDocument;
use crate::http::api::{Api, Body, Takes, account, read, unknown_account};

/// What is to be asked for again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReconcileOrder {
    pub account: String,
    /// A campaign's UUID; all of the account's when it is left out.
    pub campaign: Option<Uuid>,
    /// The first day, in the account's zone; today when it is left out.
    #[schema(value_type = Option<String>, format = Date)]
    pub since: Option<Date>,
}

/// What was begun.
#[derive(Serialize, ToSchema)]
pub struct ReconcileBegun {
    pub account: String,
    /// Units that were complete and are read again. (Those that were open are read anyway.)
    pub opened: u64,
    /// The account's job, which goes on for good.
    pub job: Uuid,
}

/// How far an account is.
#[derive(Serialize, ToSchema)]
pub struct Reconciling {
    pub account: String,
    /// Units that are read again until nothing more comes.
    pub open: u64,
    /// Of these, how many were not read yet.
    pub unread: u64,
    /// The first day that is not complete; null where no day is, or the platform has none.
    pub open_from: Option<String>,
    pub oldest_reading: Option<Timestamp>,
}

#[derive(Serialize, ToSchema)]
pub struct ReconcilingAccounts {
    pub items: Vec<Reconciling>,
}

/// How far results were asked for, on each of the token's accounts.
#[utoipa::path(get, path = "/api/v1/reconcile", tag = "results", responses(
    (status = 200, body = ReconcilingAccounts),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn show(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    api.answer(&request, ApiScope::Read, async |call| {
        let states = call.gateway.reconcile_states(call.view()).await?;
        Ok(ReconcilingAccounts { items: states.into_iter().map(Reconciling::from).collect() })
    })
    .await
}

/// Asks an account's platform again for results, from a day on.
#[utoipa::path(post, path = "/api/v1/reconcile", tag = "results",
    request_body = ReconcileOrder, responses(
    (status = 200, body = ReconcileBegun),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn start(api: Data<Api>, request: HttpRequest, body: Body) -> HttpResponse {
    api.answer(&request, Takes::body(ApiScope::Operate), async |call| {
        let order: ReconcileOrder = read(&body)?;
        let account = account(&order.account)?;
        let wanted = Wanted { campaign: order.campaign, since: order.since };
        let begun = call.gateway.reconcile(call.view(), &account, wanted).await?;
        let (opened, job) = begun.ok_or_else(unknown_account)?;
        Ok(ReconcileBegun { account: order.account, opened, job: job.uuid })
    })
    .await
}

impl From<ReconcileState> for Reconciling {
    fn from(state: ReconcileState) -> Self {
        Self {
            account: state.account.to_string(),
            open: state.open,
            unread: state.unread,
            open_from: state.open_from.map(|day| day.to_string()),
            oldest_reading: state.oldest_reading,
        }
    }
}
