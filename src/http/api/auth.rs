//! Who asks: a bearer token (RFC 6750), known by its SHA-256 only, so that a look-up tells nobody how
//! much of a guessed token was right.

use std::collections::HashMap;

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use crate::config::{ApiScope, ApiToken};
use crate::domain::ids::AccountSlug;
use crate::http::api::error::Problem;

/// Whom a token names.
#[derive(Debug)]
pub struct Operator {
    pub name: String,
    pub scopes: Vec<ApiScope>,
    pub accounts: Vec<AccountSlug>,
}

/// The operators by their tokens. Made once, shared by all workers.
pub struct Operators {
    by_digest: HashMap<[u8; 32], Operator>,
}

impl Operators {
    pub fn new(tokens: &[ApiToken]) -> Self {
        let operator = |token: &ApiToken| Operator {
            name: token.name.clone(),
            scopes: token.scopes.clone(),
            accounts: token.accounts.clone(),
        };
        let digest = |token: &ApiToken| Sha256::digest(token.token.expose_secret()).into();
        let by_digest = tokens.iter().map(|token| (digest(token), operator(token))).collect();
        Self { by_digest }
    }

    /// # Errors
    /// `Unauthenticated` without exactly one token that is known.
    pub(super) fn authenticate(&self, request: &HttpRequest) -> Result<&Operator, Problem> {
        let mut values = request.headers().get_all(AUTHORIZATION);
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(Problem::Unauthenticated);
        };
        let token = value.to_str().ok().and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
        });
        let digest = |token: &str| -> [u8; 32] { Sha256::digest(token).into() };
        let known = token.and_then(|token| self.by_digest.get(&digest(token)));
        known.ok_or(Problem::Unauthenticated)
    }
}
