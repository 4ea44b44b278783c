//! A span for each request: what was asked, by the pattern of its route, and what was answered. Neither
//! path nor query is told, for they may hold a number or a credential.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;

use crate::telemetry::traces::{self, Kind, TRACEPARENT};

/// What no route answers.
const UNMATCHED: &str = "unmatched";

/// # Errors
/// Those of the request.
pub async fn traced(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let parent = request.headers().get(TRACEPARENT).and_then(|parent| parent.to_str().ok());
    let method = request.method().as_str().to_owned();
    let mut span = traces::begin(method.clone(), Kind::Received, parent);
    let answer = span.scope(next.call(request)).await?;
    let route = answer.request().match_pattern().unwrap_or_else(|| UNMATCHED.to_owned());
    span.rename(format!("{method} {route}"));
    span.set("http.request.method", method);
    span.set("http.route", route);
    span.status(Some(answer.status().as_u16()));
    if answer.status().is_server_error() {
        span.failed();
    }
    Ok(answer)
}
