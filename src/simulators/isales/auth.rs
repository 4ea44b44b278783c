//! Who asks: C2 in the documented order (reference 15.1). A failure is told to nobody but the log.

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use jiff::Timestamp;
use std::time::Duration;

use super::{EmptyQueryLine, Switches, Tenant};
use crate::signing::c2;

/// A tenant's keys, made ready to verify with.
pub(super) struct Keys {
    credentials: c2::Credentials,
    pub vdns: Vec<i64>,
}

struct Received<'a>(&'a HeaderMap);

impl Keys {
    pub(super) fn new(tenant: &Tenant) -> Result<Self, c2::AuthProblem> {
        let credentials = c2::Credentials::new(&tenant.access_key, &tenant.secret_key)?;
        Ok(Self { credentials, vdns: tenant.vdns.clone() })
    }
}

/// The tenant whose signature the request carries.
pub(super) fn authenticate<'a>(
    tenants: &'a [Keys],
    request: &HttpRequest,
    body: &[u8],
    (switches, now): (&Switches, Timestamp),
) -> Option<&'a Keys> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let authorization = match c2::Authorization::parse(value) {
        Ok(authorization) => authorization,
        Err(problem) => {
            tracing::debug!(%problem, "an authorization was refused");
            return None;
        }
    };
    let keys =
        tenants.iter().find(|keys| keys.credentials.access_key() == authorization.access_key)?;
    let received = Received(request.headers());
    let signed = c2::Request {
        method: request.method().as_str(),
        path: request.uri().path(),
        raw_query: request.uri().query(),
        headers: &received,
        body,
    };
    let window_s = switches.timestamp_window_s;
    let options = c2::VerifyOptions {
        host_candidates: &[],
        window: (window_s > 0).then(|| Duration::from_secs(window_s)),
        now,
    };
    match c2::verify(&keys.credentials, &authorization, &signed, &options) {
        Ok(verified) => {
            let has_query = request.uri().query().is_some_and(|query| !query.is_empty());
            let allowed = match switches.empty_query_line {
                EmptyQueryLine::Either => true,
                EmptyQueryLine::Required => has_query || verified.empty_query_line,
                EmptyQueryLine::Forbidden => has_query || !verified.empty_query_line,
            };
            allowed.then_some(keys)
        }
        Err(mismatch) => {
            tracing::debug!(%mismatch, "a signature was refused");
            None
        }
    }
}

impl c2::Headers for Received<'_> {
    fn value(&self, lower_case_name: &str) -> Option<&[u8]> {
        self.0.get(lower_case_name).map(actix_web::http::header::HeaderValue::as_bytes)
    }
}
