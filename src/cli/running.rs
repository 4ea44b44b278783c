//! What a gateway that serves says of itself: commands ask it, for the ledger is open in one process.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use url::Url;

use crate::config::{Config, Listener};

/// A gateway on the same machine that takes longer does not serve.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Probes are small: a few hundred bytes for each account.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// How each account of the serving gateway stands, as its `/readyz` says.
///
/// # Errors
/// When no gateway of this configuration answers.
pub async fn accounts(config: &Config) -> anyhow::Result<Value> {
    let admin = &config.listeners.admin;
    let answer = ask(admin, "/readyz").await;
    let answer = answer.with_context(|| format!("no gateway answers on {}", admin.address))?;
    Ok(answer["accounts"].clone())
}

/// Where the gateway of this configuration is reached from this machine.
///
/// # Errors
/// When the address makes no URL.
pub fn admin_url(config: &Config) -> anyhow::Result<Url> {
    Ok(Url::parse(&base(&config.listeners.admin))?)
}

fn base(listener: &Listener) -> String {
    let scheme = if listener.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{}", reachable(listener.address))
}

#[expect(clippy::disallowed_methods, reason = "this is our own gateway, and no platform")]
async fn ask(listener: &Listener, path: &str) -> anyhow::Result<Value> {
    // Another part of the process may have installed one already; either will do.
    rustls::crypto::ring::default_provider().install_default().ok();
    let client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        // The certificate names the host that operators know; nothing secret is sent.
        .tls_danger_accept_invalid_certs(true)
        .build()?;
    let mut response = client.get(base(listener) + path).send().await?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        ensure!(body.len() + chunk.len() <= MAX_ANSWER_BYTES, "its answer is too long");
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).context("its answer is not JSON")
}

/// Who listens on every address is reached on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let loopback: IpAddr = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(loopback, address.port())
}
