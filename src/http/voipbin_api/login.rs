//! `POST /auth/login` (reference 1.2): a user name and a password for a session's token.

use std::net::IpAddr;
use std::time::Duration;

use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use jiff::Timestamp;
use moka::sync::Cache;
use serde::{Deserialize, Serialize};

use crate::gateway::sessions::SESSION_LIFETIME;
use crate::http::entrance::{Kind, Reason, Tally, Terms, Unread, network};
use crate::http::voipbin_api::auth::{self, digest};
use crate::http::voipbin_api::error::{self, Doing, Refused};
use crate::http::voipbin_api::{Facade, with_request_id};

/// Longest body of a login.
pub const MAX_LOGIN_BYTES: usize = 4 * 1024;
/// Failed logins that one address has within [`FAILURE_WINDOW`]; then it has to wait.
pub const MAX_FAILURES_PER_ADDRESS: u32 = 10;
/// Failed logins that one user name has within [`FAILURE_WINDOW`], wherever they come from; then
/// everybody has to wait who has not logged in under it before.
pub const MAX_FAILURES_PER_USER: u32 = 20;
pub const FAILURE_WINDOW: Duration = Duration::from_secs(60);
/// Addresses and users that logged in, remembered since the program began.
const MAX_KNOWN: u64 = 20_000;

/// Failed logins, by where they came from and by whom they name, whether or not there is such a user.
pub struct Failures {
    by_address: Tally<IpAddr>,
    by_user: Tally<[u8; 32]>,
    /// Where users logged in from: they may from there while others guess elsewhere.
    known: Cache<([u8; 32], IpAddr), ()>,
}

#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
}

#[derive(Serialize)]
struct Opened<'a> {
    username: &'a str,
    token: &'a str,
}

/// Any failure is a bare 400, but for the one that a client must not repeat at once, and for those that say
/// nothing of its password.
pub async fn login(facade: Data<Facade>, request: HttpRequest, body: Payload) -> HttpResponse {
    let request_id = facade.request_id(&request);
    let response = match facade.open_session(&request, body).await {
        Ok(response) => response,
        Err(refused @ (Refused::TooManyLogins { .. } | Refused::Unread(_))) => {
            let profile = facade.callers.keys.profile_of_strangers;
            error::render(&refused, Doing::Account, profile, &request_id)
        }
        Err(Refused::Gateway(error)) if error.is_of_the_store() => {
            error.log_untold();
            let profile = facade.callers.keys.profile_of_strangers;
            error::render(&Refused::Gateway(error), Doing::Account, profile, &request_id)
        }
        Err(refused) => {
            tracing::debug!(request_id, reason = ?refused, "a login was refused");
            if let Refused::Gateway(error) = &refused {
                error.log_untold();
            }
            HttpResponse::BadRequest().finish()
        }
    };
    with_request_id(response, &request_id)
}

/// Ends the session whose token the request bears, and takes the cookie back.
pub async fn logout(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    let request_id = facade.request_id(&request);
    let outcome = async {
        let caller = facade.recognise(&request).await?;
        let token = auth::token(&request).ok_or(Refused::InvalidCredentials)?;
        facade.gateway.end_session(&token).await?;
        tracing::info!(request_id, client = caller.client.name, "a session was ended");
        let cookie = Cookie::build("token", "").path("/").secure(true).http_only(true);
        let cookie = cookie.same_site(SameSite::Strict).max_age(time::Duration::ZERO).finish();
        Ok(HttpResponse::Ok().cookie(cookie).json(serde_json::json!({})))
    };
    let response = outcome.await.unwrap_or_else(|refused: Refused| {
        let profile = facade.callers.keys.profile_of_strangers;
        error::render(&refused, Doing::Account, profile, &request_id)
    });
    with_request_id(response, &request_id)
}

impl Facade {
    async fn open_session(
        &self,
        request: &HttpRequest,
        body: Payload,
    ) -> Result<HttpResponse, Refused> {
        let callers = &self.callers;
        let address = self.doorway.sender(request);
        let now = callers.clock.now();
        if let Some(retry_after) = callers.failures.refuses_address(address, now) {
            self.doorway.refused(request, Reason::TooManyLogins);
            return Err(Refused::TooManyLogins { retry_after, limited_by: "ip" });
        }
        let terms = Terms { kind: Kind::Unproved, limit_bytes: MAX_LOGIN_BYTES };
        let body = self.doorway.read(request, body.into_inner(), terms).await;
        if let Err(Unread::NoRoom) = body {
            return Err(Refused::Unread(Unread::NoRoom));
        }
        let login: Option<Login> =
            body.ok().and_then(|body| serde_json::from_slice(&body.bytes).ok());
        if let Some(login) = &login
            && let Some(retry_after) = callers.failures.refuses_user(&login.username, address, now)
        {
            self.doorway.refused(request, Reason::TooManyLogins);
            return Err(Refused::TooManyLogins { retry_after, limited_by: "customer" });
        }
        let session =
            login.as_ref().and_then(|login| callers.keys.login(&login.username, &login.password));
        let (Some(login), Some(session)) = (&login, session) else {
            let username = login.as_ref().map(|login| login.username.as_str());
            callers.failures.count(username, address, now);
            self.doorway.refused(request, Reason::WrongLogin);
            return Err(Refused::InvalidCredentials);
        };
        callers.failures.succeeded(&login.username, address);
        self.doorway.proved(request);
        let token = self.gateway.open_session(session).await?;
        let cookie = Cookie::build("token", token.as_str())
            .path("/")
            .secure(true)
            .http_only(true)
            .same_site(SameSite::Strict)
            .max_age(time::Duration::try_from(SESSION_LIFETIME).unwrap_or(time::Duration::WEEK))
            .finish();
        let session = Opened { username: &login.username, token: &token };
        Ok(HttpResponse::Ok().cookie(cookie).json(session))
    }
}

impl Default for Failures {
    fn default() -> Self {
        Self {
            by_address: Tally::new(FAILURE_WINDOW),
            by_user: Tally::new(FAILURE_WINDOW),
            known: Cache::new(MAX_KNOWN),
        }
    }
}

impl Failures {
    /// How long the address has to wait; None when it may try.
    fn refuses_address(&self, address: Option<IpAddr>, now: Timestamp) -> Option<Duration> {
        self.by_address.waits(&network(address?), MAX_FAILURES_PER_ADDRESS, now)
    }

    /// How long logins of this user have to wait from there.
    fn refuses_user(
        &self,
        username: &str,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Option<Duration> {
        let user = digest(username);
        let is_known =
            address.is_some_and(|address| self.known.contains_key(&(user, network(address))));
        if is_known { None } else { self.by_user.waits(&user, MAX_FAILURES_PER_USER, now) }
    }

    fn count(&self, username: Option<&str>, address: Option<IpAddr>, now: Timestamp) {
        if let Some(username) = username {
            self.by_user.count(digest(username), now);
        }
        if let Some(address) = address {
            self.by_address.count(network(address), now);
        }
    }

    fn succeeded(&self, username: &str, address: Option<IpAddr>) {
        if let Some(address) = address {
            self.known.insert((digest(username), network(address)), ());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_user_guessed_at_from_everywhere_waits_but_where_it_is_known() {
        let failures = Failures::default();
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        failures.succeeded("ann", Some(address("192.0.2.1")));
        for guess in 0..MAX_FAILURES_PER_USER {
            assert_eq!(failures.refuses_user("ann", Some(address("192.0.2.9")), now), None);
            failures.count(Some("ann"), Some(address(&format!("198.51.100.{guess}"))), now);
        }
        let elsewhere = Some(address("192.0.2.9"));
        assert_eq!(failures.refuses_user("ann", elsewhere, now), Some(FAILURE_WINDOW));
        assert_eq!(failures.refuses_user("ann", Some(address("192.0.2.1")), now), None);
        assert_eq!(failures.refuses_user("bob", elsewhere, now), None);
        assert_eq!(failures.refuses_user("ann", elsewhere, now + FAILURE_WINDOW), None);
    }

    #[test]
    fn an_address_in_either_form_is_one() {
        let failures = Failures::default();
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        for _ in 0..MAX_FAILURES_PER_ADDRESS {
            failures.count(None, Some(address("::ffff:192.0.2.1")), now);
        }
        assert!(failures.refuses_address(Some(address("192.0.2.1")), now).is_some());
        assert!(failures.refuses_address(Some(address("192.0.2.2")), now).is_none());
    }
}
