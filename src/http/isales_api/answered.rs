//! Writes under one signature: done once, and answered again as the first time.

use std::time::Duration;

use actix_web::body::to_bytes;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::domain::ids::CampaignKey;
use crate::gateway::error::GatewayError;
use crate::gateway::idempotency::{Again, Keyed};
use crate::gateway::{Asked, WorkerGateway};
use crate::http::isales_api::error::{self, Doing, Refused};
use crate::http::isales_api::fields;

/// What of a campaign or VDN is changed without the rest, as it stands in the path.
const ASPECTS: [&str; 4] = ["/calldata/", "/callbatch/", "/blocklist", "/holiday/"];

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    /// Answers are JSON, which is text.
    body: String,
}

/// Whether a request changes something, so that one signature is good for it once. What only asks by
/// `POST` is asked again.
pub(super) fn writes(request: &HttpRequest, doing: Doing) -> bool {
    let asks =
        matches!(doing, Doing::Detail | Doing::List | Doing::QueryResults | Doing::ResultDetail);
    !(asks || request.method() == Method::GET || request.path().ends_with("/blocklist/query"))
}

/// The signature as a key, which is good for twice `window`. Its time may be in whole seconds, and then
/// pause, resume and pause of one second are two signatures.
pub(super) fn keyed(
    request: &HttpRequest,
    doing: Doing,
    (signature, window): (&str, Duration),
) -> Keyed {
    let pair = fields::pair(request);
    let thing = match (&pair, fields::vdn(request)) {
        (Ok(pair), _) => Some(pair.to_string()),
        (Err(_), Ok(vdn)) => Some(vdn.to_string()),
        // It is refused.
        (Err(_), Err(_)) => None,
    };
    let aspect = match doing {
        Doing::PauseOrResume => "/steering",
        _ => ASPECTS.into_iter().find(|aspect| request.path().contains(aspect)).unwrap_or_default(),
    };
    let subject = thing.map(|thing| thing + aspect);
    let again = match (doing, pair) {
        (Doing::Create | Doing::AddNumbers, _) => Again::Told,
        (Doing::PauseOrResume, Ok(pair)) if request.path().ends_with("/pause") => {
            Again::ToldOrStopped(CampaignKey::Pair(pair))
        }
        _ if keeps_from_calling(request.path()) => Again::ToldOrDone,
        _ => Again::ToldOrRefused,
    };
    Keyed::signed(signature, window, subject, again)
}

/// Whether all that a write does is that fewer people are called.
fn keeps_from_calling(path: &str) -> bool {
    path.ends_with("/pause")
        || path.ends_with("/blocklist/add")
        || path.contains("/calldata/") && path.ends_with("/delete")
}

/// Does a write that arrives for the first time, and keeps its answer, a refusal too. Errors are what
/// says that it may come again: nothing was done, or it is not known what.
pub(super) async fn once(
    gateway: &WorkerGateway,
    asked: &Asked,
    (signed, doing): (Keyed, Doing),
    work: impl Future<Output = Result<HttpResponse, Refused>>,
) -> Result<HttpResponse, Refused> {
    let work = async {
        let response = match work.await {
            Ok(response) => response,
            Err(Refused::Gateway(
                error @ (GatewayError::Unavailable { .. }
                | GatewayError::Unclear { .. }
                | GatewayError::InPart { .. }
                | GatewayError::Quota { .. }
                | GatewayError::Ledger(_)
                | GatewayError::Internal(_)),
            )) => return Err(error),
            Err(refused) => {
                tracing::debug!(?doing, reason = ?refused, "a request was refused");
                error::render(&refused, doing)
            }
        };
        keep(response).await
    };
    told(&gateway.once(asked, Some(signed), Box::pin(work)).await?)
}

async fn keep(response: HttpResponse) -> Result<Bytes, GatewayError> {
    let status = response.status().as_u16();
    let header = |(name, value): (&HeaderName, &HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    let headers = response.headers().iter().filter_map(header).collect();
    let unreadable = || GatewayError::Internal("an answer cannot be kept".to_owned());
    let body = to_bytes(response.into_body()).await.map_err(|_| unreadable())?;
    // What was done is done, whatever its answer says.
    let body = String::from_utf8_lossy(&body).into_owned();
    let kept = serde_json::to_vec(&Answer { status, headers, body });
    kept.map(Bytes::from).map_err(|_| unreadable())
}

fn told(kept: &[u8]) -> Result<HttpResponse, Refused> {
    let unreadable = || GatewayError::Internal("a kept answer cannot be read".to_owned());
    let answer: Answer = serde_json::from_slice(kept).map_err(|_| unreadable())?;
    let status = StatusCode::from_u16(answer.status).map_err(|_| unreadable())?;
    let mut response = HttpResponse::build(status);
    for header in answer.headers {
        response.append_header(header);
    }
    Ok(response.body(answer.body))
}
