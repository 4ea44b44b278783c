//! A client of either API, as a customer's program would be: it knows a base address and a
//! credential, and neither whether a simulator or a facade answers nor where a campaign lives.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use reqwest::Method;
use serde_json::Value;
use url::Url;

use crate::clock::Clock;
use crate::signing::c2;

/// A request that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Answers of the demo are small.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// CC-iSales' code of success.
const SUCCESS: &str = "0200000";

/// Speaks VoIPBin's API.
pub struct VoipbinCaller {
    http: reqwest::Client,
    /// Up to and without `/v1.0`.
    base: String,
    access_key: String,
}

/// Speaks CC-iSales' API.
pub struct IsalesCaller {
    http: reqwest::Client,
    /// Up to and without `/rest`.
    base: String,
    keys: c2::Credentials,
    clock: Clock,
}

struct Host(String);

impl VoipbinCaller {
    pub fn new(base: String, access_key: &str) -> anyhow::Result<Self> {
        Ok(Self { http: http_client()?, base, access_key: access_key.to_owned() })
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::PUT, path, Some(body)).await
    }

    /// Where a path of the API is, with the credential.
    pub fn url(&self, path: &str) -> String {
        format!("{}/v1.0/{path}?accesskey={}", self.base, self.access_key)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let mut request = self.http.request(method.clone(), self.url(path));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        answer(request).await.with_context(|| format!("{method} /v1.0/{path}"))
    }
}

impl IsalesCaller {
    pub fn new(base: String, keys: c2::Credentials, clock: Clock) -> anyhow::Result<Self> {
        Ok(Self { http: http_client()?, base, keys, clock })
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::PUT, path, None).await
    }

    /// Where a path of the API is.
    pub fn url(&self, path: &str) -> String {
        format!("{}/rest/isales/{path}", self.base)
    }

    /// A fresh `Authorization` value.
    pub fn authorization(&self, method: &str, url: &str, body: &str) -> anyhow::Result<String> {
        let url = Url::parse(url)?;
        let host = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => bail!("an address without a host"),
        };
        let request = c2::Request {
            method,
            path: url.path(),
            raw_query: url.query(),
            headers: &Host(host),
            body: body.as_bytes(),
        };
        let options = c2::SignOptions {
            timestamp: self.clock.wall(),
            millis: true,
            signed_headers: &c2::SignedHeaders::host_only(),
            empty_query_line: false,
        };
        c2::sign(&self.keys, &request, &options).context("signing")
    }

    /// Answers are 200 with a code; any but that of success is a failure.
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let url = self.url(path);
        let body = body.map(Value::to_string).unwrap_or_default();
        let authorization = self.authorization(method.as_str(), &url, &body)?;
        let request = self
            .http
            .request(method.clone(), url)
            .header("authorization", authorization)
            .header("content-type", "application/json; charset=UTF-8")
            .body(body);
        let doing = || format!("{method} /rest/isales/{path}");
        let answer = answer(request).await.with_context(doing)?;
        let code = answer["resultCode"].as_str().unwrap_or_default();
        let why = answer["resultDesc"].as_str().unwrap_or_default();
        ensure!(code == SUCCESS, "{}: answered {code} {why}", doing());
        Ok(answer)
    }
}

impl c2::Headers for Host {
    fn value(&self, lower_case_name: &str) -> Option<&[u8]> {
        (lower_case_name == "host").then_some(self.0.as_bytes())
    }
}

async fn answer(request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
    // The address carries the credential, so it stays out of the error.
    let mut response = request.send().await.map_err(reqwest::Error::without_url)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(reqwest::Error::without_url)? {
        ensure!(body.len() + part.len() <= MAX_ANSWER_BYTES, "the answer is too long");
        body.extend_from_slice(&part);
    }
    let text = String::from_utf8_lossy(&body);
    ensure!(status.is_success(), "answered {status} {text}");
    serde_json::from_slice(&body).context("the answer is no JSON")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the demo is a customer of the facades; transport is for the gateway's own calls"
)]
fn http_client() -> anyhow::Result<reqwest::Client> {
    // Another part of the process may have installed one already; either will do.
    rustls::crypto::ring::default_provider().install_default().ok();
    Ok(reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build()?)
}
