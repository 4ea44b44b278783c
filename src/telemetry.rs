//! Log output: one line per event on stderr, as text or JSON, filtered by `RUST_LOG`.
//!
//! What is logged never contains a secret, a phone number, a body or a URL's query: callers log
//! route patterns and public ids, and the types that hold numbers and secrets print masked.

pub mod traces;

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// Starts logging for the process; a second call does nothing (several servers in one test process).
pub fn start(format: LogFormat, default_filter: &str) {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default_filter));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // Where a line cannot be written (full disk, closed pipe) saying so would panic in its writer.
        .log_internal_errors(false)
        .with_span_events(FmtSpan::NONE);
    let started = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    // An error means that somebody set a subscriber before; theirs stays.
    started.ok();
}
