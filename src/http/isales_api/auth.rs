//! Who calls, as CC-iSales finds out: C2 request signing (reference 2). Whatever is wrong, the
//! caller is told 401 and nothing else.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HOST};

use crate::clock::Clock;
use crate::config::Config;
use crate::gateway::Client;
use crate::http::entrance::{Proxies, Reason};
use crate::http::isales_api::profile::Profile;
use crate::signing::c2::{self, Authorization, Credentials, Mismatch, VerifyOptions};

/// The clients of this facade by access key, and under which names this server is called.
pub struct Keys {
    by_access_key: HashMap<String, Known>,
    public_hosts: Vec<String>,
    proxies: Proxies,
    window: Duration,
    clock: Clock,
}

/// A client, what its signatures are checked with, and which edition it was written for.
struct Known {
    credentials: Credentials,
    client: Arc<Client>,
    profile: &'static Profile,
}

/// The request is not from a client of ours, or cannot be shown to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAuthentic(pub Reason);

/// Whose request it is.
pub struct Authentic<'a> {
    pub client: &'a Arc<Client>,
    pub profile: &'static Profile,
    pub signature: &'a str,
}

impl Keys {
    /// # Errors
    /// When a client's access key cannot stand in a signature.
    pub fn new(config: &Config, clock: &Clock) -> anyhow::Result<Self> {
        let mut by_access_key = HashMap::new();
        for client in &config.clients {
            if let Some(settings) = &client.isales {
                let credentials = Credentials::new(&settings.access_key, &settings.secret_key)?;
                let client = Arc::new(Client::of(client));
                let known = Known { credentials, client, profile: Profile::of(settings.release) };
                by_access_key.insert(settings.access_key.clone(), known);
            }
        }
        let listener = &config.listeners.facades;
        Ok(Self {
            by_access_key,
            public_hosts: listener.public_hosts.clone(),
            proxies: Proxies::of(listener),
            window: config.listeners.signature_window,
            clock: clock.clone(),
        })
    }

    /// For how long a signature is good, before its time and after it.
    pub fn window(&self) -> Duration {
        self.window
    }

    /// What can be found out without the body, which is signed, too: the form, the key, the time.
    ///
    /// # Errors
    /// When the signature is missing, malformed, of an unknown key or too old.
    pub fn recognise(&self, request: &HttpRequest) -> Result<(), NotAuthentic> {
        self.known(request).map(drop)
    }

    fn known<'a>(
        &'a self,
        request: &'a HttpRequest,
    ) -> Result<(&'a Known, Authorization<'a>), NotAuthentic> {
        let authorization = authorization(request)?;
        let known = self.by_access_key.get(authorization.access_key);
        let known = known.ok_or(NotAuthentic(Reason::UnknownSigner))?;
        let off = self.clock.wall().duration_since(authorization.timestamp).unsigned_abs();
        if off > self.window {
            return Err(NotAuthentic(Reason::OutsideWindow));
        }
        Ok((known, authorization))
    }

    /// # Errors
    /// When the signature is missing, malformed, of an unknown key, too old or wrong.
    pub fn authenticate<'a>(
        &'a self,
        request: &'a HttpRequest,
        body: &[u8],
    ) -> Result<Authentic<'a>, NotAuthentic> {
        let (known, authorization) = self.known(request)?;
        let received = received_host(request);
        let forwarded = self.forwarded_host(request);
        let hosts: Vec<&str> = received
            .into_iter()
            .chain(self.public_hosts.iter().map(String::as_str))
            .chain(forwarded)
            .collect();
        let signed = c2::Request {
            method: request.method().as_str(),
            path: request.uri().path(),
            raw_query: request.uri().query(),
            headers: request.headers(),
            body,
        };
        let options = VerifyOptions {
            host_candidates: &hosts,
            window: Some(self.window),
            now: self.clock.wall(),
        };
        match c2::verify(&known.credentials, &authorization, &signed, &options) {
            Ok(_) => Ok(Authentic {
                client: &known.client,
                profile: known.profile,
                signature: authorization.signature(),
            }),
            Err(mismatch) => {
                tracing::debug!(client = known.client.name, %mismatch, "a signature was refused");
                Err(NotAuthentic(match mismatch {
                    Mismatch::AccessKey => Reason::UnknownSigner,
                    Mismatch::OutsideWindow => Reason::OutsideWindow,
                    Mismatch::MissingHeader(_) => Reason::MissingHeader,
                    Mismatch::Signature => Reason::WrongSignature,
                }))
            }
        }
    }

    /// What a trusted proxy says the caller called us.
    fn forwarded_host<'a>(&self, request: &'a HttpRequest) -> Option<&'a str> {
        let peer = request.peer_addr()?.ip();
        if !self.proxies.trust(peer) {
            return None;
        }
        request.headers().get("x-forwarded-host")?.to_str().ok()
    }
}

fn authorization(request: &HttpRequest) -> Result<Authorization<'_>, NotAuthentic> {
    let value = request.headers().get(AUTHORIZATION).ok_or(NotAuthentic(Reason::NoCredential))?;
    let malformed = NotAuthentic(Reason::MalformedSignature);
    let value = value.to_str().map_err(|_| malformed)?;
    Authorization::parse(value).map_err(|_| malformed)
}

/// The Host header, or in HTTP/2 the authority that takes its place.
fn received_host(request: &HttpRequest) -> Option<&str> {
    match request.headers().get(HOST) {
        Some(host) => host.to_str().ok(),
        None => request.uri().authority().map(actix_web::http::uri::Authority::as_str),
    }
}
