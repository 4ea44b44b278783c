//! Who calls, as CC-iSales finds out: C2 request signing (reference 2). Whatever is wrong, the
//! caller is told 401 and nothing else.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HOST};

use crate::clock::Clock;
use crate::config::Config;
use crate::gateway::Client;
use crate::http::isales_api::profile::Profile;
use crate::signing::c2::{self, Authorization, Credentials, VerifyOptions};

/// The clients of this facade by access key, and under which names this server is called.
pub struct Keys {
    by_access_key: HashMap<String, Known>,
    public_hosts: Vec<String>,
    trusted_proxies: Vec<IpAddr>,
    clock: Clock,
}

/// A client, what its signatures are checked with, and which edition it was written for.
struct Known {
    credentials: Credentials,
    client: Arc<Client>,
    profile: &'static Profile,
}

/// The request is not from a client of ours, or cannot be shown to be.
#[derive(Debug)]
pub struct NotAuthentic;

impl Keys {
    /// # Errors
    /// When a client's access key cannot stand in a signature, or a trusted proxy is no address.
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
            trusted_proxies: listener
                .trusted_proxies
                .iter()
                .map(|address| address.parse())
                .collect::<Result<_, _>>()?,
            clock: clock.clone(),
        })
    }

    /// # Errors
    /// When the signature is missing, malformed, of an unknown key, too old or wrong.
    pub fn authenticate(
        &self,
        request: &HttpRequest,
        body: &[u8],
    ) -> Result<(&Arc<Client>, &'static Profile), NotAuthentic> {
        let authorization = authorization(request)?;
        let known = self.by_access_key.get(authorization.access_key).ok_or(NotAuthentic)?;
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
            window: Some(c2::DEFAULT_WINDOW),
            now: self.clock.wall(),
        };
        match c2::verify(&known.credentials, &authorization, &signed, &options) {
            Ok(_) => Ok((&known.client, known.profile)),
            Err(mismatch) => {
                tracing::debug!(client = known.client.name, %mismatch, "signature refused");
                Err(NotAuthentic)
            }
        }
    }

    /// Whether the request at least names a key of ours, for answers to bodies that are too large
    /// to be verified.
    pub fn names_a_client(&self, request: &HttpRequest) -> bool {
        authorization(request)
            .is_ok_and(|authorization| self.by_access_key.contains_key(authorization.access_key))
    }

    /// What a trusted proxy says the caller called us.
    fn forwarded_host<'a>(&self, request: &'a HttpRequest) -> Option<&'a str> {
        let peer = request.peer_addr()?.ip();
        if !self.trusted_proxies.contains(&peer) {
            return None;
        }
        request.headers().get("x-forwarded-host")?.to_str().ok()
    }
}

fn authorization(request: &HttpRequest) -> Result<Authorization<'_>, NotAuthentic> {
    let value = request.headers().get(AUTHORIZATION).ok_or(NotAuthentic)?;
    let value = value.to_str().map_err(|_| NotAuthentic)?;
    Authorization::parse(value).map_err(|_| NotAuthentic)
}

/// The Host header, or in HTTP/2 the authority that takes its place.
fn received_host(request: &HttpRequest) -> Option<&str> {
    match request.headers().get(HOST) {
        Some(host) => host.to_str().ok(),
        None => request.uri().authority().map(actix_web::http::uri::Authority::as_str),
    }
}
