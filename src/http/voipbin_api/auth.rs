//! Who calls, as VoIPBin finds out (reference 1.2): the first credential that is present decides,
//! and an invalid one is not passed over for another.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::config::{Config, PassRule};
use crate::gateway::error::GatewayError;
use crate::gateway::sessions::Session;
use crate::gateway::{Client, WorkerGateway};
use crate::http::entrance::Reason;
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
    by_digest: HashMap<Secret, Caller>,
    /// Clients that may log in, by name.
    by_name: HashMap<String, Caller>,
    logins: Vec<LoginDigests>,
    /// The generation in which a caller is answered whom nobody knows.
    pub profile_of_strangers: &'static Profile,
}

/// SHA-256 of a secret.
type Secret = [u8; 32];

struct LoginDigests {
    username: Secret,
    password: Secret,
    client: String,
    /// What sessions of this login are bound to.
    fingerprint: String,
}

/// Why nobody is recognised.
pub enum Stranger {
    Unproved(Reason),
    /// Nobody is looked for, because the sender was refused too often.
    Waits(Duration),
    Gateway(GatewayError),
}

/// The credential that decides.
enum Credential<'a> {
    Token(Cow<'a, str>),
    AccessKey(Cow<'a, str>),
}

impl Keys {
    pub fn new(config: &Config) -> Self {
        let mut keys = Self {
            by_digest: HashMap::new(),
            by_name: HashMap::new(),
            logins: Vec::new(),
            profile_of_strangers: &HEAD,
        };
        for client in &config.clients {
            let Some(settings) = &client.voipbin else { continue };
            let caller = Caller {
                client: Arc::new(Client::of(client)),
                profile: Profile::of(settings.profile),
                pass_through: settings.pass_through.as_slice().into(),
            };
            if let Some(login) = &settings.login {
                keys.logins.push(LoginDigests {
                    username: digest(&login.username),
                    password: digest(login.password.expose_secret()),
                    client: client.name.clone(),
                    fingerprint: login.fingerprint(),
                });
                keys.by_name.insert(client.name.clone(), caller.clone());
            }
            keys.by_digest.insert(digest(settings.access_key.expose_secret()), caller);
        }
        let mut profiles = keys.by_digest.values().map(|caller| caller.profile);
        if let Some(first) = profiles.next()
            && profiles.all(|other| other == first)
        {
            keys.profile_of_strangers = first;
        }
        keys
    }

    pub fn logins(&self) -> Vec<(String, String)> {
        let login = |login: &LoginDigests| (login.client.clone(), login.fingerprint.clone());
        self.logins.iter().map(login).collect()
    }

    pub fn callers(&self) -> impl Iterator<Item = &Caller> {
        self.by_digest.values()
    }

    /// # Errors
    /// When there is no credential, or the one that decides is neither an access key of a client
    /// nor the token of a session; when the ledger cannot be asked for sessions. Nobody for whom `waits`
    /// has a time has it asked for a token that was never seen here.
    pub async fn authenticate(
        &self,
        request: &HttpRequest,
        gateway: &WorkerGateway,
        waits: impl Fn() -> Option<Duration>,
    ) -> Result<&Caller, Stranger> {
        match credential(request).ok_or(Stranger::Unproved(Reason::NoCredential))? {
            Credential::AccessKey(key) => {
                let caller = self.by_digest.get(&digest(&key));
                caller.ok_or(Stranger::Unproved(Reason::UnknownAccessKey))
            }
            Credential::Token(token) => {
                if let Some(retry_after) = waits()
                    && !gateway.was_session(&token)
                {
                    return Err(Stranger::Waits(retry_after));
                }
                let found = gateway.session(&token).await.map_err(Stranger::Gateway)?;
                let login = found.and_then(|session| self.login_of(&session));
                login.ok_or(Stranger::Unproved(Reason::UnknownSession))
            }
        }
    }

    /// The caller whose session it is, if its login is still what it was when the session began.
    fn login_of(&self, session: &Session) -> Option<&Caller> {
        let login = self.logins.iter().find(|login| login.client == session.client)?;
        let is_same: bool = login.fingerprint.as_bytes().ct_eq(session.login.as_bytes()).into();
        is_same.then(|| self.by_name.get(&session.client)).flatten()
    }

    /// The name of the client whose user name and password these are. Every client's are compared, in
    /// a time that does not depend on what they are.
    pub fn login(&self, username: &str, password: &str) -> Option<Session> {
        let (username, password) = (digest(username), digest(password));
        let mut found = None;
        for login in &self.logins {
            let fits = login.username.ct_eq(&username) & login.password.ct_eq(&password);
            if fits.into() {
                found = Some(login);
            }
        }
        found
            .map(|login| Session { client: login.client.clone(), login: login.fingerprint.clone() })
    }
}

/// The first place that holds one decides; there is no falling through to the next.
fn credential(request: &HttpRequest) -> Option<Credential<'_>> {
    let owned = |name| cookie(request, name).map(Cow::Owned);
    owned("token")
        .or_else(|| query(request, "token"))
        .or_else(|| bearer(request).map(Cow::Borrowed))
        .map(Credential::Token)
        .or_else(|| {
            let key = owned("accesskey").or_else(|| query(request, "accesskey"));
            key.map(Credential::AccessKey)
        })
}

/// The token of a session that a request bears, if that is the credential which decides.
pub fn token(request: &HttpRequest) -> Option<Cow<'_, str>> {
    match credential(request)? {
        Credential::Token(token) => Some(token),
        Credential::AccessKey(_) => None,
    }
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let token = request.headers().get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
    Some(token.trim()).filter(|token| !token.is_empty())
}

pub fn digest(text: &str) -> Secret {
    Sha256::digest(text.as_bytes()).into()
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
