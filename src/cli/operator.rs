//! Commands that ask the gateway that serves, through `/api/v1`: the ledger is open in one process.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use crate::cli::{print_out, running};
use crate::config::{self, ApiScope, ApiToken};

/// The API itself answers within 25 s.
const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Which gateway is asked, and as whom.
#[derive(Debug, clap::Args)]
pub struct Gateway {
    /// The configuration of the gateway that serves on this machine.
    #[arg(long, required_unless_present = "url")]
    config: Option<PathBuf>,
    /// Which of its `api_tokens`; the first that may do it.
    #[arg(long = "as", requires = "config")]
    operator: Option<String>,
    /// Another gateway's admin listener, as in https://dialbridge.internal:8081.
    #[arg(long, conflicts_with = "config", requires = "token_file")]
    url: Option<Url>,
    /// A file that holds an API token.
    #[arg(long, conflicts_with = "config")]
    token_file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A column of a table: its head, and where its value is.
pub type Column = (&'static str, &'static str);

/// A gateway that can be asked.
pub struct Operator {
    base: Url,
    token: SecretString,
    client: reqwest::Client,
}

impl Gateway {
    /// Asks for one document and prints it; `columns` are of the rows in its `items`.
    ///
    /// # Errors
    /// When the gateway does not answer, or refuses.
    pub async fn show(
        &self,
        (method, path): (&str, &str),
        query: &[(&str, String)],
        body: Option<Value>,
        columns: &[Column],
    ) -> anyhow::Result<()> {
        let scope = if method == "GET" { ApiScope::Read } else { ApiScope::Operate };
        let answer = self.connect(scope)?.ask((method, path), query, body).await?;
        self.print(&answer, columns)
    }

    /// Prints an answer; `columns` are of the rows in its `items`.
    ///
    /// # Errors
    /// When it cannot be printed.
    pub fn print(&self, answer: &Value, columns: &[Column]) -> anyhow::Result<()> {
        let text = match answer["items"].as_array() {
            _ if self.json => serde_json::to_string_pretty(answer)?,
            Some(items) => table(items, columns),
            None => lines(answer, 0),
        };
        print_out(text.trim_end())?;
        Ok(())
    }

    /// Prints an answer in words, or as the JSON that it is.
    ///
    /// # Errors
    /// When it cannot be printed.
    pub fn tell(&self, answer: &Value, words: impl FnOnce(&Value) -> String) -> anyhow::Result<()> {
        let text = if self.json { serde_json::to_string_pretty(answer)? } else { words(answer) };
        print_out(&text)?;
        Ok(())
    }

    /// Prints a document that only who may operate may read.
    ///
    /// # Errors
    /// As [`Gateway::show`].
    pub async fn show_secret(&self, path: &str) -> anyhow::Result<()> {
        let answer = self.connect(ApiScope::Operate)?.ask(("GET", path), &[], None).await?;
        let text = if self.json {
            serde_json::to_string_pretty(&answer)?
        } else {
            answer["secret"].as_str().unwrap_or_default().to_owned()
        };
        print_out(&text)?;
        Ok(())
    }

    /// A token that may do what `scope` allows.
    ///
    /// # Errors
    /// When no token may.
    pub fn connect(&self, scope: ApiScope) -> anyhow::Result<Operator> {
        let (base, token) = match (&self.config, &self.url, &self.token_file) {
            (Some(path), ..) => {
                let config = config::load_file(path)?;
                let wanted = |token: &&ApiToken| match &self.operator {
                    Some(name) => token.name == *name,
                    None => token.scopes.contains(&scope),
                };
                let token = config.api_tokens.iter().find(wanted);
                let token = token.context("no such token among the configured api_tokens")?;
                (running::admin_url(&config)?, token.token.clone())
            }
            (None, Some(url), Some(file)) => (url.clone(), config::read_secret(file)?),
            _ => bail!("--config, or --url and --token-file are expected"),
        };
        Ok(Operator { client: client(self.config.is_some())?, base, token })
    }
}

/// The certificate of a gateway on this machine names the host that operators know.
#[expect(clippy::disallowed_methods, reason = "this is our own gateway, and no platform")]
fn client(is_local: bool) -> anyhow::Result<reqwest::Client> {
    rustls::crypto::ring::default_provider().install_default().ok();
    let client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none());
    let client = if is_local {
        client.tls_danger_accept_invalid_certs(true)
    } else {
        let roots = webpki_roots::TLS_SERVER_ROOTS.to_vec();
        let tls = rustls::ClientConfig::builder()
            .with_root_certificates(rustls::RootCertStore { roots })
            .with_no_client_auth();
        client.tls_backend_preconfigured(tls)
    };
    Ok(client.build()?)
}

impl Operator {
    /// # Errors
    /// When the gateway does not answer, or refuses: with its words.
    pub async fn ask(
        &self,
        (method, path): (&str, &str),
        query: &[(&str, String)],
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let mut url = self.base.join("/api/v1/").and_then(|base| base.join(path))?;
        for (name, value) in query {
            url.query_pairs_mut().append_pair(name, value);
        }
        let method = reqwest::Method::from_bytes(method.as_bytes())?;
        let mut request = self.client.request(method, url).bearer_auth(self.token.expose_secret());
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.map_err(reqwest::Error::without_url);
        let mut answer = answer.with_context(|| format!("no gateway answers at {}", self.base))?;
        let status = answer.status();
        let mut text = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
            ensure!(text.len() + piece.len() <= MAX_ANSWER_BYTES, "its answer is too long");
            text.extend_from_slice(&piece);
        }
        let document: Value = serde_json::from_slice(&text).context("its answer is not JSON")?;
        match document["detail"].as_str() {
            _ if status.is_success() => Ok(document),
            Some(detail) => bail!("refused ({status}): {detail}"),
            None => bail!("refused ({status})"),
        }
    }
}

/// The words of a list's query; what is None is not asked for.
pub fn list_query<'a>(limit: u32, words: &[(&'a str, Option<String>)]) -> Vec<(&'a str, String)> {
    let given = words.iter().filter_map(|(name, value)| Some((*name, value.clone()?)));
    std::iter::once(("limit", limit.to_string())).chain(given).collect()
}

/// Rows under heads, as wide as they need to be.
fn table(rows: &[Value], columns: &[Column]) -> String {
    let mut cells: Vec<Vec<String>> =
        vec![columns.iter().map(|(head, _)| (*head).to_owned()).collect()];
    for row in rows {
        let cell = |(_, path): &Column| row.pointer(path).map_or_else(String::new, plain);
        cells.push(columns.iter().map(cell).collect());
    }
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..columns.len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &cells {
        for (cell, width) in row.iter().zip(&widths) {
            write!(text, "{cell:<width$}  ").ok();
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// A document, one member a line.
fn lines(document: &Value, depth: usize) -> String {
    let mut text = String::new();
    for (name, value) in document.as_object().into_iter().flatten() {
        let indent = " ".repeat(depth * 2);
        let nested: Vec<&Value> = match value {
            Value::Array(items) if items.iter().any(Value::is_object) => items.iter().collect(),
            Value::Object(_) => vec![value],
            _ => {
                writeln!(text, "{indent}{name:<18} {}", plain(value)).ok();
                continue;
            }
        };
        for item in nested {
            writeln!(text, "{indent}{name}:").ok();
            text.push_str(&lines(item, depth + 1));
        }
    }
    text
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
