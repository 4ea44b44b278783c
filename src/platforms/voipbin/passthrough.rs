//! Everything that VoIPBin documents and nobody here translates: calls, numbers, recordings …

use bytes::Bytes;
use url::Url;

use super::client::Client;
use crate::platforms::{Operation, PassThrough, PassedBack, PlatformError};
use crate::transport::pacing::Lane;
use crate::transport::streaming::Streamed;
use crate::transport::{Access, Request};

/// What a client may learn of an answer's head. The others speak of the platform's own connection,
/// cookies or servers.
const HEADERS_SHOWN: [&str; 9] = [
    "content-type",
    "content-encoding",
    "content-disposition",
    "content-range",
    "accept-ranges",
    "etag",
    "last-modified",
    "cache-control",
    "retry-after",
];
const LOCATION: &str = "location";

impl Client {
    /// Sends the request with the account's credentials; its bodies are streamed.
    ///
    /// # Errors
    /// When no answer came. One of any status is not an error.
    pub async fn pass_through(&self, request: PassThrough) -> Result<PassedBack, PlatformError> {
        let (access, lane) = if request.is_write() {
            (Access::Write, Lane::FacadeWrite)
        } else {
            (Access::Read, Lane::FacadeRead)
        };
        let failed = |failure| PlatformError::from_failure(Operation::PassThrough, failure);
        let admitted = self.connection().admit_stream(access, lane).await.map_err(failed)?;
        let PassThrough { method, path, query, headers, body: upload } = request;
        let mut target = self.connection().endpoint().target(&path, query.as_deref());
        self.key().authenticate(&mut target);
        let head = Request { method, target, headers, body: Bytes::new() };
        let answer = admitted.send(head, upload).await.map_err(failed)?;
        let header = |name| Some((name, answer.header(name)?.to_owned()));
        let mut headers: Vec<_> = HEADERS_SHOWN.into_iter().filter_map(header).collect();
        headers.extend(header(LOCATION).filter(|(_, location)| self.leads_away(location)));
        let Streamed { status, length_bytes, body, .. } = answer;
        Ok(PassedBack { status, headers, length_bytes, body: body.into_stream() })
    }

    /// Whether a client may follow a redirect by itself: somewhere else than to the platform, where
    /// it has no credentials, and without ours.
    fn leads_away(&self, location: &str) -> bool {
        let endpoint = self.connection().endpoint();
        let away = Url::parse(location).is_ok_and(|url| !endpoint.is_at(&url));
        away && !self.key().is_in(location)
    }
}
