//! Destinations: where results are passed on to.

use std::time::Duration;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::config::ApiScope;
use crate::domain::call::Disposition;
use crate::domain::destination::{Destination as Known, OldSecret as KnownSecret};
use crate::domain::ids::AccountSlug;
use crate::gateway::destinations::{
    DEFAULT_OVERLAP, DestinationAction, DestinationEdit, DestinationRow, NewDestination,
};
use crate::http::api::bodies::ProblemDocument;
use crate::http::api::error::Problem;
use crate::http::api::{Api, Body, Call, Takes, read};

/// Longest time that an old secret may go on signing, in hours.
const MAX_OVERLAP_HOURS: u64 = 30 * 24;
const MAX_OVERLAP: Duration = Duration::from_hours(MAX_OVERLAP_HOURS);

/// What is to be made. What is left out takes everything, or its default.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DestinationOrder {
    /// 1 to 64 letters, digits, `-`, `_` or `.`; unique.
    pub name: String,
    /// `standard`, `voipbin`, `isales` or `raw`.
    pub shape: String,
    /// `http` or `https`; it must not lead to a network that is not public, unless
    /// `destinations.allowed_networks` says so.
    pub url: String,
    /// Of the token's; all of them when none is named.
    #[serde(default)]
    pub accounts: Vec<String>,
    #[serde(default)]
    pub campaigns: Vec<Uuid>,
    /// `answered`, `busy`, `no-answer` …
    #[serde(default)]
    pub dispositions: Vec<String>,
    /// Whether a campaign's results arrive in the order in which they were first heard of.
    #[serde(default)]
    pub ordered: bool,
    /// Deliveries a second, 1 to 10,000; as fast as it takes them when it is left out.
    pub rate_per_s: Option<u32>,
    /// Deliveries under way at a time, 1 to 256; 16.
    pub concurrency: Option<u32>,
    /// Waits between tries in seconds, at most 50 of at most 604,800; ten over three days.
    pub retry_waits_s: Option<Vec<u32>>,
    /// Whether a status of success counts only with `retCode` 0 in the answer: for receivers of the shape
    /// `isales`, or `raw` from CC-iSales, that refuse a push by another `retCode`.
    #[serde(default)]
    pub require_ret_code: bool,
}

/// What is to be otherwise. What is left out stays; an empty list takes everything.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DestinationEditOrder {
    pub url: Option<String>,
    pub accounts: Option<Vec<String>>,
    pub campaigns: Option<Vec<Uuid>>,
    pub dispositions: Option<Vec<String>>,
    /// `null`: as fast as it takes them.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>)]
    #[expect(clippy::option_option, reason = "left out and `null` differ")]
    pub rate_per_s: Option<Option<u32>>,
    pub concurrency: Option<u32>,
    pub retry_waits_s: Option<Vec<u32>>,
    pub require_ret_code: Option<bool>,
}

/// A member that is there, `null` included.
fn given<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

#[derive(Serialize, ToSchema)]
pub struct Destination {
    pub id: Uuid,
    pub name: String,
    pub shape: String,
    /// Without its path, which may be secret.
    pub url: String,
    pub accounts: Vec<String>,
    pub campaigns: Vec<Uuid>,
    pub dispositions: Vec<String>,
    pub ordered: bool,
    pub rate_per_s: Option<u32>,
    pub concurrency: u32,
    pub retry_waits_s: Vec<u32>,
    /// `active`, `paused`, or `disabled` when the receiver wanted no more.
    pub state: String,
    pub reason: Option<String>,
    /// The version of its secret.
    pub secret_version: u32,
    /// Until when older secrets sign too, newest first.
    pub old_secrets: Vec<OldSecret>,
    pub require_ret_code: bool,
}

/// An older secret that still signs.
#[derive(Serialize, ToSchema)]
pub struct OldSecret {
    pub secret_version: u32,
    pub until: Timestamp,
}

/// A destination with its books: created = delivered + dead + pending.
#[derive(Serialize, ToSchema)]
pub struct DestinationDetail {
    #[serde(flatten)]
    pub destination: Destination,
    pub created_at: Timestamp,
    pub created: u64,
    pub delivered: u64,
    /// Dead letters.
    pub dead: u64,
    pub pending: u64,
}

#[derive(Serialize, ToSchema)]
pub struct Destinations {
    pub items: Vec<DestinationDetail>,
}

/// What the receiver verifies signatures with. Store it there and nowhere else.
#[derive(Serialize, ToSchema)]
pub struct DestinationSecret {
    pub name: String,
    pub secret_version: u32,
    pub secret: String,
}

/// How a trial went.
#[derive(Serialize, ToSchema)]
pub struct Trial {
    pub taken: bool,
    /// The receiver's status, if it answered.
    pub status: Option<u16>,
    pub error: Option<String>,
    /// The beginning of what it answered, with numbers masked.
    pub answer: Option<String>,
}

/// Where results are passed on to, with what became of it in numbers.
#[utoipa::path(get, path = "/api/v1/destinations", tag = "destinations", responses(
    (status = 200, body = Destinations),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn list(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    api.answer(&request, ApiScope::Read, async |call| {
        let rows = call.gateway.destinations(call.view()).await?;
        Ok(Destinations { items: rows.into_iter().map(DestinationDetail::from).collect() })
    })
    .await
}

/// Makes a destination. Its secret is read at `/secret`.
#[utoipa::path(post, path = "/api/v1/destinations", tag = "destinations",
    request_body = DestinationOrder, responses(
    (status = 200, body = Destination),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn add(api: Data<Api>, request: HttpRequest, body: Body) -> HttpResponse {
    api.answer(&request, Takes::body(ApiScope::Operate), async |call| {
        let order: DestinationOrder = read(&body)?;
        let made = call.gateway.add_destination(call.view(), asked(order)?).await?;
        Ok(Destination::from(made))
    })
    .await
}

#[utoipa::path(get, path = "/api/v1/destinations/{name}", tag = "destinations", params(
    ("name" = String, Path, description = "The destination's name."),
), responses(
    (status = 200, body = DestinationDetail),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn detail(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    api.answer(&request, ApiScope::Read, async |call| {
        let found = call.gateway.destination(call.view(), name(&call)).await?;
        found.map(DestinationDetail::from).ok_or(Problem::NotFound("the destination"))
    })
    .await
}

/// Sets a destination otherwise. Its secret, its id and what waits for it stay.
#[utoipa::path(patch, path = "/api/v1/destinations/{name}", tag = "destinations", params(
    ("name" = String, Path, description = "The destination's name."),
), request_body = DestinationEditOrder, responses(
    (status = 200, body = Destination),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn set(api: Data<Api>, request: HttpRequest, body: Body) -> HttpResponse {
    api.answer(&request, Takes::body(ApiScope::Operate), async |call| {
        let order: DestinationEditOrder = read(&body)?;
        let set = call.gateway.set_destination(call.view(), name(&call), edit_of(order)?).await?;
        set.map(Destination::from).ok_or(Problem::NotFound("the destination"))
    })
    .await
}

/// Takes a destination away. What waits for it becomes dead letters.
#[utoipa::path(delete, path = "/api/v1/destinations/{name}", tag = "destinations", params(
    ("name" = String, Path, description = "The destination's name."),
), responses(
    (status = 200, body = Destination),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn remove(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    change(api, request, ApiScope::Operate, |_| Ok(DestinationAction::Remove)).await
}

/// Lets deliveries wait; no try is used up.
#[utoipa::path(post, path = "/api/v1/destinations/{name}/pause", tag = "destinations", params(
    ("name" = String, Path, description = "The destination's name."),
), responses(
    (status = 200, body = Destination),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn pause(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    change(api, request, ApiScope::Operate, |_| Ok(DestinationAction::Pause)).await
}

/// Lets deliveries leave again, also after the receiver wanted no more.
#[utoipa::path(post, path = "/api/v1/destinations/{name}/resume", tag = "destinations", params(
    ("name" = String, Path, description = "The destination's name."),
), responses(
    (status = 200, body = Destination),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn resume(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    change(api, request, ApiScope::Operate, |_| Ok(DestinationAction::Resume)).await
}

/// Makes a new secret. The one before it signs beside it for `overlap_hours`, and those before that as long
/// as was said then; with `revoke` no older one signs any more.
#[utoipa::path(post, path = "/api/v1/destinations/{name}/rotate", tag = "destinations", params(
    ("name" = String, Path, description = "The destination's name."),
    ("overlap_hours" = Option<u64>, Query, description = "0 to 720; 24."),
    ("revoke" = Option<bool>, Query, description = "Whether all older secrets end now; false."),
), responses(
    (status = 200, body = Destination),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn rotate(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    let takes = Takes::words(ApiScope::Operate, &["overlap_hours", "revoke"]);
    change(api, request, takes, |call| {
        let overlap = match (call.word("overlap_hours"), call.word("revoke")) {
            (None, Some("true")) => None,
            (Some(_), Some("true")) => {
                let rule = "it says how long an older secret signs, and revoke that none does";
                return Err(Problem::invalid("overlap_hours", rule));
            }
            (_, Some(word)) if word != "false" => {
                return Err(Problem::invalid("revoke", "true or false is expected"));
            }
            (None, _) => Some(DEFAULT_OVERLAP),
            (Some(word), _) => {
                let hours = word.parse().ok().filter(|hours| *hours <= MAX_OVERLAP_HOURS);
                let hours = hours
                    .ok_or_else(|| Problem::invalid("overlap_hours", "0 to 720 is expected"))?;
                Some(Duration::from_hours(hours).min(MAX_OVERLAP))
            }
        };
        Ok(DestinationAction::Rotate { overlap })
    })
    .await
}

/// What the receiver verifies signatures with.
#[utoipa::path(get, path = "/api/v1/destinations/{name}/secret", tag = "destinations", params(
    ("name" = String, Path, description = "The destination's name."),
), responses(
    (status = 200, body = DestinationSecret),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn secret(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    api.answer(&request, ApiScope::Operate, async |call| {
        let found = call.gateway.destination(call.view(), name(&call)).await?;
        let row = found.ok_or(Problem::NotFound("the destination"))?;
        let secret = call.gateway.destination_secret(&row.destination)?;
        Ok(DestinationSecret {
            name: row.destination.name,
            secret_version: row.destination.secret.version,
            secret: secret.expose_secret().to_owned(),
        })
    })
    .await
}

/// Sends the receiver a trial, through the same checks as a delivery.
#[utoipa::path(post, path = "/api/v1/destinations/{name}/test", tag = "destinations", params(
    ("name" = String, Path, description = "The destination's name."),
), responses(
    (status = 200, body = Trial),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub async fn test(api: Data<Api>, request: HttpRequest) -> HttpResponse {
    api.answer(&request, ApiScope::Operate, async |call| {
        let sent = call.gateway.try_destination(call.view(), name(&call)).await?;
        let sent = sent.ok_or(Problem::NotFound("the destination"))?;
        Ok(Trial {
            taken: sent.is_taken(),
            status: sent.status,
            error: sent.error,
            answer: sent.answer,
        })
    })
    .await
}

async fn change(
    api: Data<Api>,
    request: HttpRequest,
    takes: impl Into<Takes>,
    action: impl FnOnce(&Call<'_>) -> Result<DestinationAction, Problem>,
) -> HttpResponse {
    api.answer(&request, takes, async |call| {
        let action = action(&call)?;
        let changed = call.gateway.change_destination(call.view(), name(&call), action).await?;
        changed.map(Destination::from).ok_or(Problem::NotFound("the destination"))
    })
    .await
}

fn name<'a>(call: &Call<'a>) -> &'a str {
    call.request.match_info().query("name")
}

fn accounts_of(slugs: &[String]) -> Result<Vec<AccountSlug>, Problem> {
    let accounts = slugs.iter().map(|slug| AccountSlug::new(slug)).collect::<Result<_, _>>();
    accounts.map_err(|_| Problem::invalid("accounts", "known ones are expected"))
}

fn dispositions_of(terms: &[String]) -> Result<Vec<Disposition>, Problem> {
    let dispositions = terms.iter().map(|term| Disposition::from_term(term)).collect::<Option<_>>();
    dispositions.ok_or_else(|| Problem::invalid("dispositions", "known ones are expected"))
}

fn edit_of(order: DestinationEditOrder) -> Result<DestinationEdit, Problem> {
    Ok(DestinationEdit {
        url: order.url,
        accounts: order.accounts.as_deref().map(accounts_of).transpose()?,
        campaigns: order.campaigns,
        dispositions: order.dispositions.as_deref().map(dispositions_of).transpose()?,
        rate_per_s: order.rate_per_s,
        concurrency: order.concurrency,
        retry_waits_s: order.retry_waits_s,
        requires_receipt: order.require_ret_code,
    })
}

fn asked(order: DestinationOrder) -> Result<NewDestination, Problem> {
    let accounts = accounts_of(&order.accounts)?;
    let dispositions = dispositions_of(&order.dispositions)?;
    Ok(NewDestination {
        name: order.name,
        shape: order.shape,
        url: order.url,
        accounts,
        campaigns: order.campaigns,
        dispositions,
        is_ordered: order.ordered,
        rate_per_s: order.rate_per_s,
        concurrency: order.concurrency,
        retry_waits_s: order.retry_waits_s,
        requires_receipt: order.require_ret_code,
    })
}

impl From<&KnownSecret> for OldSecret {
    fn from(known: &KnownSecret) -> Self {
        Self { secret_version: known.version, until: known.until }
    }
}

impl From<Known> for Destination {
    fn from(known: Known) -> Self {
        let url = known.shown_url();
        Self {
            id: known.uuid,
            name: known.name,
            shape: known.shape,
            url,
            accounts: known.filter.accounts.iter().map(ToString::to_string).collect(),
            campaigns: known.filter.campaigns,
            dispositions: known.filter.dispositions.iter().map(|d| d.as_str().to_owned()).collect(),
            ordered: known.is_ordered,
            rate_per_s: known.rate_per_s,
            concurrency: known.concurrency,
            retry_waits_s: known.retry_waits_s,
            state: known.state.as_str().to_owned(),
            reason: known.reason,
            secret_version: known.secret.version,
            old_secrets: known.secret.old.iter().map(OldSecret::from).collect(),
            require_ret_code: known.requires_receipt,
        }
    }
}

impl From<DestinationRow> for DestinationDetail {
    fn from(row: DestinationRow) -> Self {
        let pending = row.pending();
        Self {
            destination: row.destination.into(),
            created_at: row.created_at,
            created: row.created,
            delivered: row.delivered,
            dead: row.dead,
            pending,
        }
    }
}
