//! Requests that go through to a home of this platform as they are; a home of another platform
//! cannot do what they ask for, and says so without being asked.

use actix_web::HttpResponse;
use actix_web::http::Method;
use bytes::Bytes;

use crate::domain::ids::CampaignKey;
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::exchange::Target;
use crate::http::isales_api::error::Refused;
use crate::http::isales_api::fields::{self, Fields};
use crate::http::isales_api::{Call, unknown_route};
use crate::platforms::{Exchange, Operation};

/// A request about one campaign. What the path names besides is in it already.
pub async fn campaign(call: Call<'_>, operation: Operation) -> Result<HttpResponse, Refused> {
    if operation == Operation::ContactBatch && !call.profile.has_batches {
        return Ok(unknown_route().await);
    }
    let key = CampaignKey::Pair(fields::pair(call.request)?);
    call.gateway.route_of(&call.asked, key, operation).await?;
    pass(&call, Target::Campaign(key), operation).await
}

/// A request about a VDN as a whole.
pub async fn vdn(call: Call<'_>, operation: Operation) -> Result<HttpResponse, Refused> {
    let vdn = fields::vdn(call.request)?;
    let account = call.gateway.account_of_vdn(&call.asked, vdn);
    let account = account.ok_or(GatewayError::NotFound(Noun::Campaign))?;
    call.gateway.route_on(&call.asked, &account, operation)?;
    pass(&call, Target::Account(account), operation).await
}

/// Sends it as it came, under the home's own ids.
pub async fn pass(
    call: &Call<'_>,
    target: Target,
    operation: Operation,
) -> Result<HttpResponse, Refused> {
    Ok(super::json(ask(call, target, operation).await?))
}

/// The same; the platform's answer as it came.
pub async fn ask(call: &Call<'_>, target: Target, operation: Operation) -> Result<Bytes, Refused> {
    let answer = call.gateway.exchange(&call.asked, target, exchange(call, operation)?).await?;
    Ok(answer.body)
}

/// The request in the platform's own words.
///
/// # Errors
/// When the body is not one JSON object: nothing else is sent anywhere.
pub fn exchange(call: &Call<'_>, operation: Operation) -> Result<Exchange, Refused> {
    Fields::of_body(&call.body)?;
    let method = match *call.request.method() {
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "GET",
    };
    let matched = call.request.match_info();
    let names = ["vdn", "campaign"];
    // Segment by segment, for a campaign's number may stand elsewhere in the path, too.
    let pattern = call.request.match_pattern().unwrap_or_default();
    let path: Vec<&str> = pattern
        .split('/')
        .map(|segment| match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if names.contains(&name) && matched.get("campaign").is_some() => segment,
            Some(name) => matched.query(name),
            None => segment,
        })
        .collect();
    let mut exchange = Exchange::new(operation, method, path.join("/"));
    if !call.request.query_string().is_empty() {
        exchange = exchange.with_query(call.request.query_string());
    }
    Ok(exchange.with_body(call.body.clone()))
}
