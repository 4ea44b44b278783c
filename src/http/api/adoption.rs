//! Taking over where platforms push results to, putting it back, and every campaign's ids.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::config::ApiScope;
use crate::domain::ids::CampaignIdentity;
use crate::gateway::adoption::{Planned, TakeOver};
use crate::http::api::bodies::{Page, ProblemDocument};
use crate::http::api::{Api, Body, Takes, account, read};

/// Whose addresses are to be changed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeOverOrder {
    pub account: String,
    /// Only say what would be done.
    #[serde(default)]
    pub dry_run: bool,
}

/// What was begun, or would be done.
#[derive(Serialize, ToSchema)]
pub struct TakeOverBegun {
    pub account: String,
    /// The job that does it; null of a dry run.
    pub job: Option<Uuid>,
    /// What would be done; empty but of a dry run.
    pub items: Vec<PlannedAddress>,
}

/// One address and what would be done with it.
#[derive(Serialize, ToSchema)]
pub struct PlannedAddress {
    /// Null: the account's own address.
    pub campaign: Option<Uuid>,
    pub name: String,
    /// `take-over`, `put-back` or `keep`.
    pub plan: String,
    /// Where results go now, without what may be secret in it; null: nowhere.
    pub now: Option<String>,
}

/// Every name of a campaign.
#[derive(Serialize, ToSchema)]
pub struct CampaignIds {
    pub id: Uuid,
    pub vdn_id: Option<u16>,
    pub campaign_id: Option<i32>,
    pub account: String,
    /// What its platform calls it.
    pub native_id: String,
}

/// Has an account's results pushed here, and from here to where they go now.
#[utoipa::path(post, path = "/api/v1/adopt", tag = "results",
    request_body = TakeOverOrder, responses(
    (status = 200, body = TakeOverBegun),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn adopt(api: Data<Api>, request: HttpRequest, body: Body) -> HttpResponse {
    begin(&api, &request, &body, TakeOver::Adopt).await
}

/// Has an account's results pushed to where its clients want them, and no more here.
#[utoipa::path(post, path = "/api/v1/leave", tag = "results",
    request_body = TakeOverOrder, responses(
    (status = 200, body = TakeOverBegun),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn leave(api: Data<Api>, request: HttpRequest, body: Body) -> HttpResponse {
    begin(&api, &request, &body, TakeOver::Leave).await
}

async fn begin(api: &Api, request: &HttpRequest, body: &Body, what: TakeOver) -> HttpResponse {
    api.answer(request, Takes::body(ApiScope::Operate), async |call| {
        let order: TakeOverOrder = read(body)?;
        let account = account(&order.account)?;
        let mut begun = TakeOverBegun { account: order.account, job: None, items: Vec::new() };
        if order.dry_run {
            let plan = call.gateway.plan_take_over(call.view(), &account, what).await?;
            begun.items = plan.into_iter().map(PlannedAddress::from).collect();
        } else {
            begun.job = Some(call.gateway.take_over(call.view(), &account, what).await?.uuid);
        }
        Ok(begun)
    })
    .await
}

/// All names of the campaigns of the token's accounts, in the order in which they were met.
#[utoipa::path(get, path = "/api/v1/ids", tag = "campaigns", params(
    ("limit" = Option<u32>, Query, description = "Rows looked at, 1 to 200; 50. A page may show fewer."),
    ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
), responses(
    (status = 200, body = Page<CampaignIds>),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn ids(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    let takes = Takes::words(ApiScope::Read, &["limit", "cursor"]);
    api.answer(&request, takes, async |call| {
        let (after, limit) = (call.cursor()?.unwrap_or(0), call.limit()?);
        let (rows, next) = call.gateway.exported_ids(call.view(), after, limit).await?;
        let next_cursor = next.map(|next| next.to_string());
        Ok(Page { items: rows.into_iter().map(CampaignIds::from).collect(), next_cursor })
    })
    .await
}

impl From<Planned> for PlannedAddress {
    fn from(planned: Planned) -> Self {
        Self {
            campaign: planned.campaign.map(|identity| identity.uuid),
            name: planned.name,
            plan: planned.plan.as_str().to_owned(),
            now: planned.now,
        }
    }
}

impl From<CampaignIdentity> for CampaignIds {
    fn from(identity: CampaignIdentity) -> Self {
        Self {
            id: identity.uuid,
            vdn_id: identity.pair.map(|pair| pair.vdn.get()),
            campaign_id: identity.pair.map(|pair| pair.number.get()),
            account: identity.home.to_string(),
            native_id: identity.native.to_string(),
        }
    }
}
