//! What results come to.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::config::ApiScope;
use crate::gateway::outcomes::{ContactTotals, Rollup, UnknownCode};
use crate::http::api::bodies::ProblemDocument;
use crate::http::api::error::Problem;
use crate::http::api::{Api, Call, Takes};

/// What is shown when no beginning is named.
const DEFAULT_SPAN: SignedDuration = SignedDuration::from_hours(24);

/// A campaign's results in quarters of an hour.
#[derive(Serialize, ToSchema)]
pub struct Outcomes {
    /// Those that have attempts, oldest first, at most 1,000 rows.
    pub items: Vec<Quarter>,
    /// As they are now, whatever the span.
    pub contacts: Contacts,
}

/// Attempts of one account and outcome, dialled in one quarter of an hour.
#[derive(Serialize, ToSchema)]
pub struct Quarter {
    /// Its beginning.
    pub at: Timestamp,
    pub account: String,
    pub disposition: String,
    pub attempts: i64,
    /// In which a person was on the line.
    pub live_persons: i64,
    /// That use up one of those that the retry policy allows.
    pub counted: i64,
    pub successes: i64,
    /// From dialling to the end in milliseconds, summed up over `timed` of them.
    pub duration_ms: i64,
    /// Of how many both are known.
    pub timed: i64,
}

/// How far the contacts are that attempts name.
#[derive(Serialize, ToSchema)]
pub struct Contacts {
    /// That attempts name.
    pub known: u64,
    /// A person was on the line at least once.
    pub reached: u64,
    pub with_success: u64,
    /// After the last attempt, one of their numbers may be tried again.
    pub reusable: u64,
}

/// A code that no table knows.
#[derive(Serialize, ToSchema)]
pub struct UnknownOutcome {
    pub account: String,
    /// As the platform says it, long runs of digits masked.
    pub code: String,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    /// Attempts whose outcome is unknown for it now.
    pub attempts: u64,
}

#[derive(Serialize, ToSchema)]
pub struct UnknownOutcomes {
    pub items: Vec<UnknownOutcome>,
}

/// A campaign's results in quarters of an hour, and how far its contacts are.
#[utoipa::path(get, path = "/api/v1/campaigns/{id}/outcomes", tag = "results", params(
    ("id" = Uuid, Path, description = "The campaign's UUID."),
    ("from" = Option<String>, Query, description = "The first quarter begins then or later; 24 hours ago."),
    ("until" = Option<String>, Query, description = "The last quarter begins before that; now."),
), responses(
    (status = 200, body = Outcomes),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn of_campaign(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    let takes = Takes::words(ApiScope::Read, &["from", "until"]);
    api.answer(&request, takes, async |call| {
        let id = call.id()?;
        let until = time(&call, "until")?.unwrap_or_else(|| call.gateway.now());
        let from = time(&call, "from")?.unwrap_or(until - DEFAULT_SPAN);
        let found = call.gateway.outcomes(call.view(), id, (from, until)).await?;
        let (rollups, contacts) = found.ok_or(Problem::NotFound("the campaign"))?;
        let items = rollups.into_iter().map(Quarter::from).collect();
        Ok(Outcomes { items, contacts: contacts.into() })
    })
    .await
}

/// Codes of outcomes that no table knows, those with the most attempts first.
#[utoipa::path(get, path = "/api/v1/unknown-codes", tag = "results", responses(
    (status = 200, body = UnknownOutcomes),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn unknown(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    api.answer(&request, ApiScope::Read, async |call| {
        let codes = call.gateway.unknown_codes(call.view()).await?;
        Ok(UnknownOutcomes { items: codes.into_iter().map(UnknownOutcome::from).collect() })
    })
    .await
}

fn time(call: &Call<'_>, name: &str) -> Result<Option<Timestamp>, Problem> {
    let Some(word) = call.word(name) else { return Ok(None) };
    let time =
        word.parse().map_err(|_| Problem::invalid(name, "a time is expected, in RFC 3339"))?;
    Ok(Some(time))
}

impl From<Rollup> for Quarter {
    fn from(rollup: Rollup) -> Self {
        let counts = rollup.counts;
        Self {
            at: rollup.bucket_at,
            account: rollup.account.to_string(),
            disposition: rollup.disposition.as_str().to_owned(),
            attempts: counts.attempts,
            live_persons: counts.live_persons,
            counted: counts.counted,
            successes: counts.successes,
            duration_ms: counts.duration_ms,
            timed: counts.timed,
        }
    }
}

impl From<ContactTotals> for Contacts {
    fn from(totals: ContactTotals) -> Self {
        let ContactTotals { contacts, reached, with_success, reusable } = totals;
        Self { known: contacts, reached, with_success, reusable }
    }
}

impl From<UnknownCode> for UnknownOutcome {
    fn from(code: UnknownCode) -> Self {
        let UnknownCode { account, code, first_at, last_at, attempts } = code;
        Self { account: account.to_string(), code, first_at, last_at, attempts }
    }
}
