//! Requests in a platform's own words, passed on for a client that speaks them.

use std::fmt;

use bytes::Bytes;

use crate::platforms::Operation;

/// A request in the words of the home's platform. The path begins behind the account's base
/// address; [`CAMPAIGN`] in it and in the query stands for the campaign's own id there.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Exchange {
    pub operation: Operation,
    pub method: &'static str,
    pub path: String,
    pub query: Option<String>,
    pub body: Bytes,
}

/// What a platform said when it refused. The text may quote what was sent, a phone number say, so it is
/// shown to the client that sent it and printed nowhere.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// The HTTP status.
    pub status: u16,
    /// Its own code; empty when it gave none.
    pub code: String,
    pub text: String,
    /// All of it, as it came, and what it said to be.
    pub body: Bytes,
    pub content_type: Option<String>,
}

/// Stands for the campaign's own id on its home.
pub const CAMPAIGN: &str = "{campaign}";

impl Exchange {
    pub fn new(operation: Operation, method: &'static str, path: impl Into<String>) -> Self {
        Self { operation, method, path: path.into(), query: None, body: Bytes::new() }
    }

    #[must_use]
    pub fn with_query(mut self, query: impl Into<String>) -> Self {
        self.query = Some(query.into());
        self
    }

    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The request with the campaign's own id where the client named it.
    #[must_use]
    pub fn about(mut self, campaign: &str) -> Self {
        self.path = self.path.replace(CAMPAIGN, campaign);
        self.query = self.query.map(|query| query.replace(CAMPAIGN, campaign));
        self
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Said({})", self.code)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exchange({} {})", self.operation.as_str(), self.method)
    }
}
