//! Pushing events to whoever the simulated platform was told to call.
//!
//! A simulator is a server of its own, not part of the gateway, so it does not go through
//! `transport/`: that door's address checks, lanes and breakers are ours, the platforms have others.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Url};

/// Answers are read up to here; a platform looks at little more than the status.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// A client with one platform's habits.
#[derive(Debug, Clone)]
pub struct Pusher {
    client: Client,
    allow_private: bool,
}

#[derive(Debug, Clone)]
pub struct Push {
    pub method: String,
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub body: Bytes,
}

/// Why there was no answer. The address is not named: it may carry a token.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    #[error("the event's address or headers cannot be used")]
    Unusable,
    #[error("the address is not public")]
    Blocked,
    #[error("no answer")]
    NoAnswer(#[source] reqwest::Error),
}

#[derive(Debug, Clone, Copy)]
pub struct PushOptions {
    /// Time for one attempt, real time.
    pub timeout: Duration,
    pub max_redirects: usize,
    /// Allows loopback and private targets, which the real platforms may refuse.
    pub allow_private: bool,
}

impl Pusher {
    /// Fails only when the TLS parts cannot be set up.
    #[expect(clippy::disallowed_methods, reason = "a simulator is not the gateway; see the module")]
    pub fn new(options: PushOptions) -> std::io::Result<Self> {
        // Another part of the process may have installed one already; either will do.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = Client::builder()
            .timeout(options.timeout)
            .redirect(Policy::limited(options.max_redirects))
            .no_proxy()
            // A receiver under test has a certificate of its own making.
            .tls_danger_accept_invalid_certs(true)
            .build()
            .map_err(std::io::Error::other)?;
        Ok(Self { client, allow_private: options.allow_private })
    }

    /// One attempt.
    pub async fn send(&self, push: &Push) -> Result<Answer, PushError> {
        let url = Url::parse(&push.url).map_err(|_| PushError::Unusable)?;
        if !self.allow_private && is_private_literal(&url) {
            return Err(PushError::Blocked);
        }
        let method: Method = push.method.parse().map_err(|_| PushError::Unusable)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &push.headers {
            let value = HeaderValue::from_str(value).map_err(|_| PushError::Unusable)?;
            headers.insert(HeaderName::from_static(name), value);
        }
        let request = self.client.request(method, url).headers(headers).body(push.body.clone());
        let mut response = request.send().await.map_err(without_url)?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(without_url)? {
            let room = MAX_ANSWER_BYTES - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == MAX_ANSWER_BYTES {
                break;
            }
        }
        Ok(Answer { status, body: body.into() })
    }
}

fn without_url(error: reqwest::Error) -> PushError {
    PushError::NoAnswer(error.without_url())
}

/// Names are not resolved here: a simulator that is told to block needs this for literals only.
fn is_private_literal(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => {
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_documentation()
        }
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()
        }
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}
