//! Jobs: what the gateway is at, step by step.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::config::ApiScope;
use crate::gateway::overview::JobState;
use crate::http::api::bodies::{Job, JobDetail, Page, ProblemDocument};
use crate::http::api::error::Problem;
use crate::http::api::{Api, Takes};

/// Jobs of the token's accounts, newest first.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", params(
    ("state" = Option<String>, Query, description = "`waiting`, `running`, `done`, `failed` or `cancelled`."),
    ("limit" = Option<u32>, Query, description = "Rows at most, 1 to 200; 50."),
    ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
), responses(
    (status = 200, body = Page<Job>),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn list(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    let takes = Takes::words(ApiScope::Read, &["state", "limit", "cursor"]);
    api.answer(&request, takes, async |call| {
        let states = call.word("state").map(|word| {
            JobState::from_term(word).map(|state| vec![state]).ok_or_else(|| {
                let rule = "waiting, running, done, failed or cancelled is expected";
                Problem::invalid("state", rule)
            })
        });
        let states = states.transpose()?.unwrap_or_default();
        let accounts = &call.operator.accounts;
        let rows = call.gateway.jobs(accounts, states, call.cursor()?, call.limit()?).await?;
        let last = rows.last().map(|row| row.number.to_string());
        Ok(Page { items: rows.into_iter().map(Job::from).collect(), next_cursor: last })
    })
    .await
}

/// One job with its steps; what a 503 names as `job` is looked up here.
#[utoipa::path(get, path = "/api/v1/jobs/{id}", tag = "jobs", params(
    ("id" = Uuid, Path, description = "The job's id."),
), responses(
    (status = 200, body = JobDetail),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn detail(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    api.answer(&request, ApiScope::Read, async |call| {
        let id = call.id()?;
        let found = call.gateway.job(&call.operator.accounts, id).await?;
        let (row, steps) = found.ok_or(Problem::NotFound("the job"))?;
        Ok(JobDetail { job: row.into(), steps: steps.into_iter().map(Into::into).collect() })
    })
    .await
}
