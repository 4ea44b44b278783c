//! Campaigns under both their ids.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use jiff::Timestamp;
use uuid::Uuid;

use crate::config::ApiScope;
use crate::domain::campaign::CampaignStatus;
use crate::domain::ids::{AccountSlug, CampaignKey, CampaignNumber, PublicPair, VdnId};
use crate::gateway::overview::OverviewFilter;
use crate::gateway::steering::Desire;
use crate::http::api::bodies::{Campaign, CampaignDetail, History, Page, ProblemDocument};
use crate::http::api::error::Problem;
use crate::http::api::{Api, Call, Takes};

/// Campaigns and drafts of the token's accounts, newest first.
#[utoipa::path(get, path = "/api/v1/campaigns", tag = "campaigns", params(
    ("account" = Option<String>, Query, description = "Of this account only."),
    ("name" = Option<String>, Query, description = "Part of the name, in any case."),
    ("status" = Option<String>, Query, description = "Its actual status: `running`, `stopped`, `stopping` or `ended`."),
    ("limit" = Option<u32>, Query, description = "Rows at most, 1 to 200; 50."),
    ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
), responses(
    (status = 200, body = Page<Campaign>),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn list(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    let takes = Takes::words(ApiScope::Read, &["account", "name", "status", "limit", "cursor"]);
    api.answer(&request, takes, async |call| {
        let (filter, before) = (filter(&call)?, call.cursor()?);
        let before = before.map(Timestamp::from_microsecond).transpose();
        let before = before.map_err(|_| Problem::invalid("cursor", "a page's own is expected"))?;
        let rows =
            call.gateway.overview(&call.operator.accounts, filter, before, call.limit()?).await?;
        let last = rows.last().map(|row| row.list_at.as_microsecond().to_string());
        let items = rows.into_iter().map(Campaign::from).collect();
        Ok(Page { items, next_cursor: last })
    })
    .await
}

/// One campaign or draft, and what its translations lose.
#[utoipa::path(get, path = "/api/v1/campaigns/{id}", tag = "campaigns", params(
    ("id" = String, Path, description = "Its UUID, or `vdnId:campaignId`."),
), responses(
    (status = 200, body = CampaignDetail),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn detail(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    api.answer(&request, ApiScope::Read, async |call| {
        let (row, losses) = call.gateway.overview_of(&call.operator.accounts, key(&call)?).await?;
        Ok(CampaignDetail {
            campaign: row.into(),
            losses: losses.rows.into_iter().map(Into::into).collect(),
            losses_unknown: losses.unknown,
        })
    })
    .await
}

/// What happened to it and who did it: the newest 1,000 entries, oldest first.
#[utoipa::path(get, path = "/api/v1/campaigns/{id}/history", tag = "campaigns", params(
    ("id" = String, Path, description = "Its UUID, or `vdnId:campaignId`."),
), responses(
    (status = 200, body = History),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn history(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    api.answer(&request, ApiScope::Read, async |call| {
        let entries = call.gateway.history_of(&call.operator.accounts, key(&call)?).await?;
        Ok(History { items: entries.into_iter().map(Into::into).collect() })
    })
    .await
}

/// Lets it dial. Asking for what is so already changes nothing.
#[utoipa::path(post, path = "/api/v1/campaigns/{id}/start", tag = "campaigns", params(
    ("id" = String, Path, description = "Its UUID, or `vdnId:campaignId`."),
), responses(
    (status = 200, body = Campaign, description = "As its home then shows it."),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn start(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    operate(&api, &request, Desire::Run).await
}

/// Lets it dial no further; calls in progress run out.
#[utoipa::path(post, path = "/api/v1/campaigns/{id}/stop", tag = "campaigns", params(
    ("id" = String, Path, description = "Its UUID, or `vdnId:campaignId`."),
), responses(
    (status = 200, body = Campaign, description = "As its home then shows it."),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn stop(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    operate(&api, &request, Desire::Stop).await
}

async fn operate(api: &Api, request: &HttpRequest, desire: Desire) -> HttpResponse {
    api.answer(request, ApiScope::Operate, async |call| {
        let by = (call.operator.name.as_str(), call.operator.accounts.as_slice());
        let row = Box::pin(call.gateway.operate(by, key(&call)?, desire)).await?;
        Ok(Campaign::from(row))
    })
    .await
}

/// The path's id, in either platform's words.
fn key(call: &Call<'_>) -> Result<CampaignKey, Problem> {
    let id = call.request.match_info().query("id");
    if let Ok(uuid) = Uuid::try_parse(id) {
        return Ok(CampaignKey::Uuid(uuid));
    }
    let pair = id.split_once(':').and_then(|(vdn, number)| {
        let vdn = VdnId::new(vdn.parse().ok()?).ok()?;
        let number = CampaignNumber::new(number.parse().ok()?).ok()?;
        Some(PublicPair { vdn, number })
    });
    pair.map(CampaignKey::Pair)
        .ok_or_else(|| Problem::invalid("id", "a UUID or vdnId:campaignId is expected"))
}

fn filter(call: &Call<'_>) -> Result<OverviewFilter, Problem> {
    let account = call.word("account").map(|word| {
        let slug = AccountSlug::new(word).ok();
        let mine = slug.filter(|slug| call.operator.accounts.contains(slug));
        mine.ok_or_else(|| Problem::invalid("account", "one of the token's accounts is expected"))
    });
    let status = call.word("status").map(|word| match CampaignStatus::from_term(word) {
        CampaignStatus::Unknown(_) => {
            Err(Problem::invalid("status", "running, stopped, stopping or ended is expected"))
        }
        known => Ok(known),
    });
    Ok(OverviewFilter {
        name: call.word("name").map(str::to_owned),
        account: account.transpose()?,
        status: status.transpose()?,
    })
}
