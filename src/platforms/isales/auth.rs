//! How we prove who we are to CC-iSales: every request carries a C2 signature (reference 2).

use crate::clock::Clock;
use crate::config::PlatformSettings;
use crate::signing::c2::{self, AuthProblem, Credentials, SignOptions, SignedHeaders};
use crate::transport::{Request, failure::Failure, failure::FailureKind};

/// Mandatory on every request (reference 1); signed byte for byte as sent when it is signed.
pub const CONTENT_TYPE: &str = "application/json; charset=UTF-8";

/// Signs an account's requests.
#[derive(Debug, Clone)]
pub struct Signer {
    credentials: Credentials,
    signed_headers: SignedHeaders,
    empty_query_line: bool,
}

impl Signer {
    /// # Errors
    /// When the access key or the list of signed headers cannot be used, or the settings are
    /// another platform's.
    pub fn new(settings: &PlatformSettings) -> Result<Self, AuthProblem> {
        let PlatformSettings::Isales {
            access_key,
            secret_key,
            empty_query_line,
            signed_headers,
            ..
        } = settings
        else {
            return Err(AuthProblem::AccessKey);
        };
        let signed_headers = if signed_headers.is_empty() {
            SignedHeaders::host_only()
        } else {
            SignedHeaders::new(signed_headers)?
        };
        let credentials = Credentials::new(access_key, secret_key)?;
        Ok(Self { credentials, signed_headers, empty_query_line: *empty_query_line })
    }

    /// Adds the headers and the signature. The time is the wall's: a signature made with scaled
    /// time would be refused.
    pub fn authenticate(
        &self,
        request: &mut Request,
        host: &str,
        clock: &Clock,
    ) -> Result<(), Failure> {
        request.headers.push(("content-type", CONTENT_TYPE.to_owned()));
        // Otherwise the HTTP client writes it, or leaves it out when there is no body.
        let length_signed = self.signed_headers.as_str().split(';').any(|n| n == "content-length");
        if length_signed {
            request.headers.push(("content-length", request.body.len().to_string()));
        }
        request.headers.push(("host", host.to_owned()));
        let signed = c2::Request {
            method: request.method,
            path: request.target.path(),
            raw_query: request.target.query(),
            headers: &request.headers,
            body: &request.body,
        };
        let options = SignOptions {
            timestamp: clock.wall(),
            millis: true,
            signed_headers: &self.signed_headers,
            empty_query_line: self.empty_query_line,
        };
        let value = c2::sign(&self.credentials, &signed, &options).map_err(|missing| Failure {
            kind: FailureKind::Unsendable,
            may_have_acted: false,
            retry_after: None,
            source: Some(Box::new(missing)),
        })?;
        request.headers.push(("authorization", value));
        Ok(())
    }

    /// A keyed fingerprint, by which a number is known again without being stored.
    pub fn fingerprint(&self, bytes: &[u8]) -> String {
        self.credentials.fingerprint(bytes)
    }
}
