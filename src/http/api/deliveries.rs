//! Deliveries: what was passed on, what failed, and sending again.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::config::ApiScope;
use crate::gateway::destinations::{DeliveryFilter, DeliveryRow, DeliveryState, FailedTry};
use crate::http::api::bodies::{Page, ProblemDocument};
use crate::http::api::error::Problem;
use crate::http::api::{Api, Body, Call, Takes, read};

/// One event on its way to one destination.
#[derive(Serialize, ToSchema)]
pub struct Delivery {
    pub number: i64,
    pub destination: String,
    pub account: String,
    pub campaign: Option<Uuid>,
    /// The call attempt that it tells; null for a push that is passed on as it came.
    pub attempt: Option<Uuid>,
    /// Of the attempt.
    pub revision: i64,
    pub event_at: Timestamp,
    /// `pending`, `delivered` or `dead`.
    pub state: String,
    /// Somebody asked for it to be sent again.
    pub redrive: bool,
    pub tries: i64,
    /// When it is sent next; null when it has ended, or waits for another of its campaign.
    pub due_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// The receiver's last status.
    pub status: Option<i64>,
    pub error: Option<String>,
    /// The beginning of its last answer, with numbers masked.
    pub answer: Option<String>,
}

/// A delivery with the tries that failed, oldest first.
#[derive(Serialize, ToSchema)]
pub struct DeliveryDetail {
    #[serde(flatten)]
    pub delivery: Delivery,
    pub failed: Vec<DeliveryTry>,
}

#[derive(Serialize, ToSchema)]
pub struct DeliveryTry {
    pub at: Timestamp,
    pub status: Option<i64>,
    pub error: Option<String>,
    pub answer: Option<String>,
}

/// Which deliveries are sent again: those that have ended and meet all that is said here.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedriveOrder {
    /// A destination's name.
    pub destination: Option<String>,
    pub number: Option<i64>,
    /// `dead`, or `delivered`; both when it is left out.
    pub state: Option<String>,
    pub campaign: Option<Uuid>,
    /// Of events from then on, and before then.
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// Deliveries a second, 1 to 10,000; at once when it is left out.
    pub rate_per_s: Option<u32>,
    /// Count, and send nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// How many deliveries are sent again, or would be. A call sends 100,000 at most.
#[derive(Serialize, ToSchema)]
pub struct Redrive {
    pub dry_run: bool,
    pub deliveries: u64,
}

/// Deliveries of the token's accounts, newest first.
#[utoipa::path(get, path = "/api/v1/deliveries", tag = "deliveries", params(
    ("destination" = Option<String>, Query, description = "A destination's name."),
    ("state" = Option<String>, Query, description = "`pending`, `delivered` or `dead`."),
    ("campaign" = Option<Uuid>, Query, description = "A campaign's UUID."),
    ("limit" = Option<u32>, Query, description = "Rows at most, 1 to 200; 50."),
    ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
), responses(
    (status = 200, body = Page<Delivery>),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn list(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    let takes =
        Takes::words(ApiScope::Read, &["destination", "state", "campaign", "limit", "cursor"]);
    api.answer(&request, takes, async |call| {
        let campaign = call.word("campaign").map(|word| {
            Uuid::try_parse(word).map_err(|_| Problem::invalid("campaign", "a UUID is expected"))
        });
        let filter = DeliveryFilter {
            accounts: call.operator.accounts.clone(),
            destination: destination(&call, call.word("destination")).await?,
            state: state(call.word("state"))?,
            campaign: campaign.transpose()?,
            ..DeliveryFilter::default()
        };
        let rows = call.gateway.deliveries(filter, call.cursor()?, call.limit()?).await?;
        let last = rows.last().map(|row| row.number.to_string());
        Ok(Page { items: rows.into_iter().map(Delivery::from).collect(), next_cursor: last })
    })
    .await
}

/// One delivery with the tries that failed.
#[utoipa::path(get, path = "/api/v1/deliveries/{number}", tag = "deliveries", params(
    ("number" = i64, Path, description = "The delivery's number."),
), responses(
    (status = 200, body = DeliveryDetail),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn detail(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    api.answer(&request, ApiScope::Read, async |call| {
        let number = call.request.match_info().query("number").parse();
        let number = number.map_err(|_| Problem::invalid("number", "a number is expected"))?;
        let filter = DeliveryFilter {
            accounts: call.operator.accounts.clone(),
            number: Some(number),
            ..DeliveryFilter::default()
        };
        let found = call.gateway.deliveries(filter, None, 1).await?.pop();
        let delivery = found.ok_or(Problem::NotFound("the delivery"))?.into();
        let failed = call.gateway.failed_tries(number).await?;
        Ok(DeliveryDetail { delivery, failed: failed.into_iter().map(Into::into).collect() })
    })
    .await
}

/// Sends deliveries again that have ended. They never overtake what is new.
#[utoipa::path(post, path = "/api/v1/deliveries/redrive", tag = "deliveries",
    request_body = RedriveOrder, responses(
    (status = 200, body = Redrive),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn redrive(api: Data<Api>, request: HttpRequest, body: Body) -> HttpResponse {
    api.answer(&request, Takes::body(ApiScope::Operate), async |call| {
        let order: RedriveOrder = read(&body)?;
        let wanted = state(order.state.as_deref())?;
        if wanted == Some(DeliveryState::Pending) {
            return Err(Problem::invalid("state", "dead or delivered is expected"));
        }
        let filter = DeliveryFilter {
            accounts: call.operator.accounts.clone(),
            destination: destination(&call, order.destination.as_deref()).await?,
            state: wanted,
            campaign: order.campaign,
            from: order.from,
            until: order.until,
            number: order.number,
        };
        let dry_run = order.dry_run;
        let deliveries = if dry_run {
            call.gateway.count_redrivable(filter).await?
        } else {
            call.gateway.redrive(call.view(), filter, order.rate_per_s).await?
        };
        Ok(Redrive { dry_run, deliveries })
    })
    .await
}

async fn destination(call: &Call<'_>, name: Option<&str>) -> Result<Option<Uuid>, Problem> {
    let Some(name) = name else { return Ok(None) };
    let found = call.gateway.destination(call.view(), name).await?;
    let found = found.ok_or_else(|| Problem::invalid("destination", "there is none of that name"));
    Ok(Some(found?.destination.uuid))
}

fn state(word: Option<&str>) -> Result<Option<DeliveryState>, Problem> {
    let known = |word| {
        DeliveryState::from_term(word)
            .ok_or_else(|| Problem::invalid("state", "pending, delivered or dead is expected"))
    };
    word.map(known).transpose()
}

impl From<DeliveryRow> for Delivery {
    fn from(row: DeliveryRow) -> Self {
        Self {
            number: row.number,
            destination: row.destination,
            account: row.account.to_string(),
            campaign: row.campaign,
            attempt: row.attempt,
            revision: row.revision,
            event_at: row.event_at,
            state: row.state.as_str().to_owned(),
            redrive: row.is_redrive,
            tries: row.tries,
            due_at: row.due_at.filter(|_| row.state == DeliveryState::Pending),
            created_at: row.created_at,
            ended_at: row.ended_at,
            status: row.status,
            error: row.error,
            answer: row.answer,
        }
    }
}

impl From<FailedTry> for DeliveryTry {
    fn from(failed: FailedTry) -> Self {
        Self { at: failed.at, status: failed.status, error: failed.error, answer: failed.answer }
    }
}
