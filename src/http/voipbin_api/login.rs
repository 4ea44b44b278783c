//! `POST /auth/login` (reference 1.2): a user name and a password for a session's token.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::gateway::sessions::SESSION_LIFETIME;
use crate::http::voipbin_api::error::{self, Doing, Refused};
use crate::http::voipbin_api::{Body, Facade, with_request_id};

/// Longest body of a login.
pub const MAX_LOGIN_BYTES: usize = 4 * 1024;
/// Failed logins that one address has within [`FAILURE_WINDOW`]; then it has to wait.
pub const MAX_LOGIN_FAILURES: u32 = 10;
pub const FAILURE_WINDOW: Duration = Duration::from_secs(60);
/// Addresses whose failures are counted; then all begin anew.
const MAX_COUNTED_ADDRESSES: usize = 10_000;

/// Failed logins by the address that they came from.
#[derive(Default)]
pub struct Failures {
    by_address: Mutex<HashMap<IpAddr, Count>>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    since: Timestamp,
    failures: u32,
}

#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
}

#[derive(Serialize)]
struct Session<'a> {
    username: &'a str,
    token: &'a str,
}

/// Any failure is a bare 400, but for the one that a client must not repeat at once.
pub async fn login(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    let request_id = facade.request_id(&request);
    let response = match facade.open_session(&request, body).await {
        Ok(response) => response,
        Err(refused @ Refused::TooManyLogins { .. }) => {
            let profile = facade.callers.keys.profile_of_strangers;
            error::render(&refused, Doing::Account, profile, &request_id)
        }
        Err(refused) => {
            tracing::debug!(request_id, reason = ?refused, "login refused");
            HttpResponse::BadRequest().finish()
        }
    };
    with_request_id(response, &request_id)
}

impl Facade {
    async fn open_session(
        &self,
        request: &HttpRequest,
        body: Body,
    ) -> Result<HttpResponse, Refused> {
        let callers = &self.callers;
        let address = callers.address_of(request);
        let now = callers.clock.now();
        if let Some(retry_after) = callers.failures.refuses_for(address, now) {
            return Err(Refused::TooManyLogins { retry_after });
        }
        let login: Option<Login> = body.ok().and_then(|body| serde_json::from_slice(&body).ok());
        let client =
            login.as_ref().and_then(|login| callers.keys.login(&login.username, &login.password));
        let (Some(login), Some(client)) = (login, client) else {
            callers.failures.count(address, now);
            return Err(Refused::InvalidCredentials);
        };
        let token = self.gateway.open_session(client).await?;
        let cookie = Cookie::build("token", token.as_str())
            .path("/")
            .secure(true)
            .http_only(true)
            .same_site(SameSite::Strict)
            .max_age(time::Duration::try_from(SESSION_LIFETIME).unwrap_or(time::Duration::WEEK))
            .finish();
        let session = Session { username: &login.username, token: &token };
        Ok(HttpResponse::Ok().cookie(cookie).json(session))
    }
}

impl Failures {
    /// How long the address has to wait; None when it may try.
    fn refuses_for(&self, address: Option<IpAddr>, now: Timestamp) -> Option<Duration> {
        let by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_address.get(&network(address?))?;
        let waits = count.failures >= MAX_LOGIN_FAILURES;
        let left = Duration::try_from((count.since + FAILURE_WINDOW).duration_since(now)).ok()?;
        (waits && !left.is_zero()).then_some(left)
    }

    fn count(&self, address: Option<IpAddr>, now: Timestamp) {
        let Some(address) = address.map(network) else { return };
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if by_address.len() >= MAX_COUNTED_ADDRESSES && !by_address.contains_key(&address) {
            by_address.clear();
        }
        let count = by_address.entry(address).or_insert(Count { since: now, failures: 0 });
        if now >= count.since + FAILURE_WINDOW {
            *count = Count { since: now, failures: 0 };
        }
        count.failures += 1;
    }
}

/// What one attacker has addresses of for nothing: an IPv6 network of 64 bits counts as one.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = address.to_bits() >> 64 << 64;
            std::net::Ipv6Addr::from_bits(prefix).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_too_often_waits_and_others_do_not() {
        let failures = Failures::default();
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let address = |text: &str| Some(text.parse::<IpAddr>().expect("an address"));
        for _ in 0..MAX_LOGIN_FAILURES {
            assert_eq!(failures.refuses_for(address("2001:db8::1"), now), None);
            failures.count(address("2001:db8::1"), now);
        }
        assert_eq!(failures.refuses_for(address("2001:db8::2"), now), Some(FAILURE_WINDOW));
        assert_eq!(failures.refuses_for(address("2001:db8:0:1::1"), now), None);
        assert_eq!(failures.refuses_for(address("192.0.2.1"), now), None);
        let later = now + FAILURE_WINDOW;
        assert_eq!(failures.refuses_for(address("2001:db8::1"), later), None);
        failures.count(address("2001:db8::1"), later);
        assert_eq!(failures.refuses_for(address("2001:db8::1"), later), None);
    }

    #[test]
    fn an_address_in_either_form_is_one() {
        let failures = Failures::default();
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        for _ in 0..MAX_LOGIN_FAILURES {
            failures.count("::ffff:192.0.2.1".parse().ok(), now);
        }
        assert!(failures.refuses_for("192.0.2.1".parse().ok(), now).is_some());
    }
}
