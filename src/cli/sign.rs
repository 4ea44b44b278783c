//! `dialbridge sign` and `dialbridge verify`: one signature, offline.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use clap::ValueEnum;
use jiff::Timestamp;
use url::Url;

use crate::clock::Clock;
use crate::config::read_secret;
use crate::signing::c2::{
    self, Authorization, Credentials, Headers as _, SignOptions, SignedHeaders, VerifyOptions,
};
use crate::signing::diagnose::{Diagnosis, diagnose};
use crate::signing::webhook;

/// Larger bodies are refused.
const BODY_LIMIT_BYTES: u64 = 8 * 1024 * 1024;
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

/// Print the signature of a request.
///
/// isales: the Authorization value (C2). Host and content-length are taken from the URL and the body
/// unless given. voipbin: the X-VoIPBIN-Signature value of a webhook's body.
#[derive(Debug, clap::Args)]
pub struct SignArgs {
    #[command(flatten)]
    request: RequestArgs,
    /// Names of the headers that are signed, joined by ";"; host must be among them.
    #[arg(long, value_name = "NAMES", default_value = "host")]
    signed_headers: String,
    /// Time of signing, 2024-01-02T03:04:05Z or 2024-01-02T03:04:05.678Z; now, when absent.
    #[arg(long, value_name = "TIME")]
    timestamp: Option<String>,
    /// Write the query line also when there is no query.
    #[arg(long)]
    empty_query_line: bool,
}

/// Check the signature of a request, and explain the first difference.
///
/// Prints the canonical request, never the key. The canonical request holds the body.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    request: RequestArgs,
    /// The value to check: of Authorization (isales) or X-VoIPBIN-Signature (voipbin).
    #[arg(long, value_name = "VALUE")]
    authorization: String,
    /// Another host under which the request may have been signed. May be repeated.
    #[arg(long, value_name = "HOST")]
    host_candidate: Vec<String>,
    /// Refuse times that are further than this from now; any time is accepted when absent.
    #[arg(long, value_name = "MINUTES")]
    window_minutes: Option<u32>,
}

/// What both commands say about the request.
#[derive(Debug, clap::Args)]
struct RequestArgs {
    /// Whose signature.
    #[arg(long, value_enum)]
    platform: Scheme,
    /// The access key (isales).
    #[arg(long, value_name = "KEY", required_if_eq("platform", "isales"))]
    access_key: Option<String>,
    /// File with the secret key; blanks around it do not count.
    #[arg(long, value_name = "FILE")]
    secret_key_file: PathBuf,
    /// HTTP method (isales).
    #[arg(long, value_name = "METHOD", required_if_eq("platform", "isales"))]
    method: Option<String>,
    /// The whole URL as it is requested (isales).
    #[arg(long, value_name = "URL", required_if_eq("platform", "isales"))]
    url: Option<String>,
    /// A header of the request, "name: value". May be repeated.
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,
    /// File with the request's body; no body, when absent.
    #[arg(long, value_name = "FILE")]
    body_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scheme {
    Isales,
    Voipbin,
}

/// A request as the arguments tell it.
struct Told {
    method: String,
    path: String,
    query: Option<String>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// Runs `dialbridge sign`.
///
/// # Errors
/// When standard output cannot be written. Wrong usage is reported here, on one line, with exit 2.
pub fn run_sign(args: &SignArgs) -> anyhow::Result<ExitCode> {
    finish("sign", signed(args).map(|value| (value, ExitCode::SUCCESS)))
}

/// Runs `dialbridge verify`.
///
/// # Errors
/// As [`run_sign`]. A signature that does not hold is exit 1.
pub fn run_verify(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    finish("verify", verified(args))
}

fn finish(command: &str, result: anyhow::Result<(String, ExitCode)>) -> anyhow::Result<ExitCode> {
    match result {
        Ok((text, code)) => {
            writeln!(io::stdout(), "{text}").context("standard output")?;
            Ok(code)
        }
        Err(error) => {
            writeln!(io::stderr(), "{command}: {error:#}").context("standard error")?;
            Ok(ExitCode::from(WRONG_USAGE))
        }
    }
}

fn signed(args: &SignArgs) -> anyhow::Result<String> {
    let told = args.request.told()?;
    if args.request.platform == Scheme::Voipbin {
        return Ok(webhook::sign(&args.request.secret()?, &told.body));
    }
    let names: Vec<&str> = args.signed_headers.split(';').collect();
    let signed_headers = SignedHeaders::new(&names)
        .map_err(|problem| anyhow!("--signed-headers {:?}: {problem}", args.signed_headers))?;
    let (timestamp, millis) = match &args.timestamp {
        None => (Clock::real().wall(), true),
        Some(text) => read_time(text)?,
    };
    let options = SignOptions {
        timestamp,
        millis,
        signed_headers: &signed_headers,
        empty_query_line: args.empty_query_line,
    };
    c2::sign(&args.request.credentials()?, &told.request(), &options)
        .map_err(|missing| anyhow!("{missing}; add it with --header"))
}

fn verified(args: &VerifyArgs) -> anyhow::Result<(String, ExitCode)> {
    let told = args.request.told()?;
    if args.request.platform == Scheme::Voipbin {
        let secret = args.request.secret()?;
        return Ok(if webhook::verify(&secret, &args.authorization, &told.body) {
            ("holds".to_owned(), ExitCode::SUCCESS)
        } else if args.authorization.starts_with("sha256=") {
            ("differs: the secret or the body".to_owned(), ExitCode::from(FAILED))
        } else {
            ("differs: the value does not begin with sha256=".to_owned(), ExitCode::from(FAILED))
        });
    }
    let authorization = match Authorization::parse(&args.authorization) {
        Ok(authorization) => authorization,
        Err(problem) => {
            return Ok((format!("differs: authorization: {problem}"), ExitCode::from(FAILED)));
        }
    };
    let request = told.request();
    let mut hosts = vec![told.headers.value("host").unwrap_or_default()];
    hosts.extend(args.host_candidate.iter().map(String::as_bytes));
    let hosts: Vec<&str> = hosts.into_iter().filter_map(|h| std::str::from_utf8(h).ok()).collect();
    let options = VerifyOptions {
        host_candidates: &hosts,
        window: args.window_minutes.map(|minutes| Duration::from_secs(u64::from(minutes) * 60)),
        now: Clock::real().wall(),
    };
    let diagnosis = diagnose(&args.request.credentials()?, &authorization, &request, &options);
    let (mut text, empty_query_line, code) = match diagnosis {
        Diagnosis::Holds(None) => ("holds".to_owned(), false, ExitCode::SUCCESS),
        Diagnosis::Holds(Some(form)) => {
            let empty_query_line = form.contains("query line");
            (format!("holds: {form}"), empty_query_line, ExitCode::SUCCESS)
        }
        Diagnosis::Differs(why) => (format!("differs: {why}"), false, ExitCode::from(FAILED)),
    };
    match c2::canonical_request(&request, authorization.signed_headers, empty_query_line) {
        Ok(canonical) => {
            let canonical = String::from_utf8_lossy(&canonical);
            write!(text, "\ncanonical request, line by line:")?;
            for (number, line) in canonical.split('\n').enumerate() {
                write!(text, "\n{:>3} | {line}", number + 1)?;
            }
        }
        Err(missing) => write!(text, "\nno canonical request: {missing}; add it with --header")?,
    }
    Ok((text, code))
}

impl RequestArgs {
    fn secret(&self) -> anyhow::Result<secrecy::SecretString> {
        read_secret(&self.secret_key_file)
            .with_context(|| format!("--secret-key-file {}", self.secret_key_file.display()))
    }

    fn credentials(&self) -> anyhow::Result<Credentials> {
        let access_key = self.access_key.as_deref().unwrap_or_default();
        Credentials::new(access_key, &self.secret()?)
            .map_err(|problem| anyhow!("--access-key: {problem}"))
    }

    fn told(&self) -> anyhow::Result<Told> {
        let body = match &self.body_file {
            None => Vec::new(),
            Some(file) => {
                let name = || format!("--body-file {}", file.display());
                let size = std::fs::metadata(file).with_context(name)?.len();
                ensure!(size <= BODY_LIMIT_BYTES, "{}: over {BODY_LIMIT_BYTES} bytes", name());
                std::fs::read(file).with_context(name)?
            }
        };
        let mut headers = self.headers()?;
        let Some(url) = &self.url else {
            let (method, path, query) = (String::new(), String::new(), None);
            return Ok(Told { method, path, query, headers, body });
        };
        let (host, path, query) = split_url(url)?;
        if headers.value("host").is_none() {
            headers.push(("host".to_owned(), host));
        }
        if headers.value("content-length").is_none() {
            headers.push(("content-length".to_owned(), body.len().to_string()));
        }
        let method = self.method.clone().unwrap_or_default();
        let is_token = !method.is_empty() && method.bytes().all(|b| b.is_ascii_alphabetic());
        ensure!(is_token, "--method: expected letters such as GET");
        Ok(Told { method, path, query, headers, body })
    }

    fn headers(&self) -> anyhow::Result<Vec<(String, String)>> {
        let read = |text: &String| {
            let (name, value) = text.split_once(':').ok_or_else(|| {
                // The value may be a credential: only the form is told.
                anyhow!("--header: expected \"name: value\", found no colon")
            })?;
            Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        };
        self.header.iter().map(read).collect()
    }
}

impl Told {
    fn request(&self) -> c2::Request<'_> {
        c2::Request {
            method: &self.method,
            path: &self.path,
            raw_query: self.query.as_deref(),
            headers: &self.headers,
            body: &self.body,
        }
    }
}

/// Host header, path and query. The path and the query stay as they are written, because that is
/// what is signed.
fn split_url(text: &str) -> anyhow::Result<(String, String, Option<String>)> {
    let url = Url::parse(text).map_err(|error| anyhow!("--url: {error}"))?;
    let Some((name, (scheme, rest))) = url.host_str().zip(text.split_once("://")) else {
        bail!("--url: expected https://host/path");
    };
    ensure!(matches!(scheme, "http" | "https"), "--url: expected http:// or https://");
    let host = url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
    let begin = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let target = rest[begin..].split('#').next().unwrap_or_default();
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    let path = if path.is_empty() { "/" } else { path };
    Ok((host, path.to_owned(), query))
}

/// The time, and whether it was written with a fraction.
fn read_time(text: &str) -> anyhow::Result<(Timestamp, bool)> {
    let time = text.parse().ok().filter(|_| matches!(text.len(), 20 | 24) && text.ends_with('Z'));
    let time = time.ok_or_else(|| {
        anyhow!("--timestamp: expected 2024-01-02T03:04:05Z or 2024-01-02T03:04:05.678Z")
    })?;
    Ok((time, text.len() == 24))
}
