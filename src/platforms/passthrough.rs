//! Requests of which only the credentials are changed: they go to the platform as they come and
//! back, body and all, without being kept.

use std::fmt;

use bytes::Bytes;
use futures_util::stream::LocalBoxStream;

use crate::transport::failure::Failure;
pub use crate::transport::streaming::{BrokenOff, Upload};

/// A request for the platform itself. The path begins behind the account's base address and is
/// percent-encoded; the query holds no credential.
pub struct PassThrough {
    /// Upper case.
    pub method: &'static str,
    pub path: String,
    pub query: Option<String>,
    /// Lower-case names.
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<Upload>,
}

/// The platform's answer, of any status, with its body still to come.
pub struct PassedBack {
    pub status: u16,
    /// Lower-case names; nothing that speaks of the account's credentials.
    pub headers: Vec<(&'static str, String)>,
    /// As announced; None when the platform did not say.
    pub length_bytes: Option<u64>,
    pub body: LocalBoxStream<'static, Result<Bytes, Failure>>,
}

impl PassThrough {
    pub fn is_write(&self) -> bool {
        !matches!(self.method, "GET" | "HEAD")
    }
}

/// Neither path nor query nor headers: they hold phone numbers.
impl fmt::Debug for PassThrough {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PassThrough({})", self.method)
    }
}

impl fmt::Debug for PassedBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PassedBack({})", self.status)
    }
}
