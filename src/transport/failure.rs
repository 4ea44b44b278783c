//! Why a request did not get an answer. Never holds a URL's query, a header value or a body.

use std::fmt;
use std::time::Duration;

/// A request that got no answer, or none that could be taken in.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct Failure {
    pub kind: FailureKind,
    /// A write that left this machine and may have been done.
    pub may_have_acted: bool,
    /// When another try makes sense, where that is known.
    pub retry_after: Option<Duration>,
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The account is configured with `writes = "deny"`; nothing was sent.
    WritesDenied,
    /// Too many requests of this lane wait already, or waiting would take too long.
    Paced,
    /// The platform failed so often lately that it is left alone for a while.
    BreakerOpen,
    /// No connection: refused, unknown host, TLS, or too slow to open.
    Connect,
    /// No complete answer in time.
    Timeout,
    /// The connection ended before the answer did.
    Dropped,
    /// The answer is larger than the account's limit.
    TooLarge,
    /// The request's own body ended before it was whole.
    BrokenOff,
    /// The request cannot be put on the wire (a header value with a line feed, say).
    Unsendable,
    /// A destination's address leads where the gateway may not go; nothing was sent.
    AddressRefused,
}

impl Failure {
    /// Nothing was sent.
    pub(super) fn unsent(kind: FailureKind) -> Self {
        Self { kind, may_have_acted: false, retry_after: None, source: None }
    }

    /// The request left and nothing came for too long.
    pub(super) fn timed_out(is_write: bool) -> Self {
        Self { may_have_acted: is_write, ..Self::unsent(FailureKind::Timeout) }
    }

    /// Reads what the HTTP client says about a request of which at least a part was attempted.
    pub(super) fn from_client(error: reqwest::Error, is_write: bool) -> Self {
        // The error's own text shows the URL, and with it an access key.
        let error = error.without_url();
        let kind = if error.is_connect() {
            FailureKind::Connect
        } else if error.is_timeout() {
            FailureKind::Timeout
        } else if error.is_builder() {
            FailureKind::Unsendable
        } else {
            FailureKind::Dropped
        };
        let sent = matches!(kind, FailureKind::Timeout | FailureKind::Dropped);
        Self {
            kind,
            may_have_acted: is_write && sent,
            retry_after: None,
            source: Some(Box::new(error)),
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FailureKind::WritesDenied => "the account does not allow writes (writes = \"deny\")",
            FailureKind::Paced => "too many requests are waiting for the account's request rate",
            FailureKind::BreakerOpen => "the platform failed repeatedly and is left alone for now",
            FailureKind::Connect => "no connection to the platform",
            FailureKind::Timeout => "no answer in time",
            FailureKind::Dropped => "the connection ended before the answer",
            FailureKind::TooLarge => "the answer is larger than the account's body limit",
            FailureKind::BrokenOff => "the request's body was broken off",
            FailureKind::Unsendable => "the request cannot be put on the wire",
            FailureKind::AddressRefused => "the address may not be dialled",
        })
    }
}
