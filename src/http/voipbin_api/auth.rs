//! Who calls, as VoIPBin finds out (reference 1.2): the first credential that is present decides,
//! and an invalid one is not passed over for another.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use crate::config::{Config, PassRule};
use crate::gateway::Client;
use crate::http::voipbin_api::error::Refused;
use crate::http::voipbin_api::profile::{HEAD, Profile};

/// A client of this facade.
#[derive(Debug, Clone)]
pub struct Caller {
    pub client: Arc<Client>,
    pub profile: &'static Profile,
    /// What passes to its own account.
    pub pass_through: Arc<[PassRule]>,
}

/// The clients of this facade by the SHA-256 of their access keys: a look-up by digest tells
/// nobody how much of a guessed key was right, and no key is kept in memory for longer than a
/// request.
pub struct Keys {
    by_digest: HashMap<[u8; 32], Caller>,
    /// The generation in which a caller is answered whom nobody knows.
    pub profile_of_strangers: &'static Profile,
}

impl Keys {
    pub fn new(config: &Config) -> Self {
        let by_digest: HashMap<_, _> = config
            .clients
            .iter()
            .filter_map(|client| {
                let settings = client.voipbin.as_ref()?;
                let digest = Sha256::digest(settings.access_key.expose_secret().as_bytes());
                let caller = Caller {
                    client: Arc::new(Client::of(client)),
                    profile: Profile::of(settings.profile),
                    pass_through: settings.pass_through.as_slice().into(),
                };
                Some((digest.into(), caller))
            })
            .collect();
        let mut profiles = by_digest.values().map(|caller| caller.profile);
        let profile_of_strangers = match profiles.next() {
            Some(first) if profiles.all(|other| other == first) => first,
            _ => &HEAD,
        };
        Self { by_digest, profile_of_strangers }
    }

    pub fn callers(&self) -> impl Iterator<Item = &Caller> {
        self.by_digest.values()
    }

    /// # Errors
    /// When there is no credential, or the one that decides is not an access key of a client.
    pub fn authenticate(&self, request: &HttpRequest) -> Result<&Caller, Refused> {
        if bearer_token(request) {
            // A log-in token: we issue none.
            return Err(Refused::InvalidCredentials);
        }
        let key =
            cookie(request, "accesskey").map(Cow::Owned).or_else(|| query(request, "accesskey"));
        let key = key.ok_or(Refused::AuthenticationRequired)?;
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        self.by_digest.get(&digest).ok_or(Refused::InvalidCredentials)
    }
}

/// Whether one of the three places of a log-in token holds one; they come before the access key.
fn bearer_token(request: &HttpRequest) -> bool {
    cookie(request, "token").is_some()
        || query(request, "token").is_some()
        || request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .is_some_and(|token| !token.trim().is_empty())
}

fn cookie(request: &HttpRequest, name: &str) -> Option<String> {
    // Parsing the header allocates; most callers send none.
    request.headers().get(actix_web::http::header::COOKIE)?;
    let cookie = request.cookie(name)?;
    Some(cookie.value().to_owned()).filter(|value| !value.is_empty())
}

/// The first parameter of that name, decoded, unless it is empty.
pub fn query<'a>(request: &'a HttpRequest, name: &str) -> Option<Cow<'a, str>> {
    url::form_urlencoded::parse(request.query_string().as_bytes())
        .find(|(parameter, _)| parameter == name)
        .map(|(_, value)| value)
        .filter(|value| !value.is_empty())
}
