//! Finding and erasing a person's number. It stands in the body: addresses are logged.

use std::collections::BTreeMap;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::config::ApiScope;
use crate::gateway::numbers::NumberReport;
use crate::http::api::bodies::ProblemDocument;
use crate::http::api::{Api, Body, Takes, read};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NumberOrder {
    /// In E.164, with its `+`.
    pub number: String,
}

/// Where a number stands in the token's accounts, or stood before it was erased.
#[derive(Serialize, ToSchema)]
pub struct NumberCertificate {
    /// A keyed hash, by which the number is known when it is nowhere any more.
    pub number_hash: String,
    pub at: Timestamp,
    /// When it was erased before.
    pub erased_before: Option<Timestamp>,
    /// Rows by what they are: `attempts`, `contacts`, `pushes` …
    pub rows: BTreeMap<String, u64>,
    /// Campaigns whose platforms have the number, as far as is known here: it is to be erased there,
    /// too.
    pub still_at: Vec<NumberHolder>,
    /// Destinations that were told it.
    pub told: Vec<String>,
    /// Where it may stand all the same: what this certificate does not speak for.
    pub not_covered: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub struct NumberHolder {
    pub account: String,
    pub campaign: Uuid,
}

/// Looks a number up in everything that is kept.
#[utoipa::path(post, path = "/api/v1/numbers/find", tag = "numbers",
    request_body = NumberOrder, responses(
    (status = 200, body = NumberCertificate),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn find(api: Data<Api>, request: HttpRequest, body: Body) -> HttpResponse {
    api.answer(&request, Takes::body(ApiScope::Operate), async |call| {
        let NumberOrder { number } = read(&body)?;
        Ok(NumberCertificate::from(call.gateway.find_number(call.view(), &number).await?))
    })
    .await
}

/// Erases a number from everything that is kept. Rows stay, with a token in its place.
#[utoipa::path(post, path = "/api/v1/numbers/erase", tag = "numbers",
    request_body = NumberOrder, responses(
    (status = 200, body = NumberCertificate),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn erase(api: Data<Api>, request: HttpRequest, body: Body) -> HttpResponse {
    api.answer(&request, Takes::body(ApiScope::Operate), async |call| {
        let NumberOrder { number } = read(&body)?;
        Ok(NumberCertificate::from(call.gateway.erase_number(call.view(), &number).await?))
    })
    .await
}

impl From<NumberReport> for NumberCertificate {
    fn from(report: NumberReport) -> Self {
        let holder = |(campaign, account): (Uuid, _)| NumberHolder {
            account: ToString::to_string(&account),
            campaign,
        };
        let row = |(name, count): (&str, u64)| (name.to_owned(), count);
        Self {
            number_hash: report.hash,
            at: report.at,
            erased_before: report.erased_before,
            rows: report.rows.into_iter().map(row).collect(),
            still_at: report.campaigns.into_iter().map(|(c, a)| holder((c, a))).collect(),
            told: report.destinations,
            not_covered: report.not_covered,
        }
    }
}
