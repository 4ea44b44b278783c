//! C2, the request signature of CC-iSales (reference section 2): our client signs, the facade and
//! the simulator verify.
//!
//! The *prefix* is `auth-v2/AK/time/signed headers`; its MAC under the secret, **as hex text**, is
//! the key for the MAC over the *canonical request*: method, path, query, signed-header names,
//! header lines and the percent-encoded body. `Authorization` is the prefix and that MAC.
//!
//! The pages leave open whether the query line is written when there is no query, whether times
//! have a fraction, and whether the port belongs to the host (2.3): we send one form, chosen by
//! options, and accept all.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::hex;

const VERSION: &str = "auth-v2";
/// Longest `Authorization` value that is looked at, in bytes.
pub const MAX_AUTHORIZATION_BYTES: usize = 2048;
/// Longest access key, in bytes.
pub const MAX_ACCESS_KEY_BYTES: usize = 128;
/// Most headers that one signature covers.
pub const MAX_SIGNED_HEADERS: usize = 32;
/// Most hosts that a verifier tries; what is beyond is ignored.
pub const MAX_HOST_CANDIDATES: usize = 8;
/// How far a request's time may be from ours, unless told otherwise (2.3).
pub const DEFAULT_WINDOW: Duration = Duration::from_secs(15 * 60);

/// An access key and its secret, keyed once: signing starts from the prepared MAC state.
#[derive(Clone)]
pub struct Credentials {
    access_key: String,
    keyed: Hmac<Sha256>,
}

/// What is signed of a request. All of it is bytes as they go over the wire.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub method: &'a str,
    /// The path alone, exactly as requested: beginning with `/`, neither decoded nor re-encoded.
    pub path: &'a str,
    /// What follows `?`, still encoded.
    pub raw_query: Option<&'a str>,
    pub headers: &'a dyn Headers,
    pub body: &'a [u8],
}

/// The headers of a request, whatever holds them.
pub trait Headers {
    /// The value of the header with this lower-case name.
    fn value(&self, lower_case_name: &str) -> Option<&[u8]>;
}

/// The names that a signature covers: lower-case, sorted, joined by `;`, among them `host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeaders(String);

#[derive(Debug, Clone, Copy)]
pub struct SignOptions<'a> {
    pub timestamp: Timestamp,
    /// Write the time with three digits of fraction.
    pub millis: bool,
    pub signed_headers: &'a SignedHeaders,
    /// Write the query line even when there is no query (2.3).
    pub empty_query_line: bool,
}

/// A well-formed `Authorization` value; nothing in it has been verified yet.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization<'a> {
    pub access_key: &'a str,
    /// The time as written, for it is signed as written.
    pub timestamp_text: &'a str,
    pub timestamp: Timestamp,
    pub signed_headers: &'a str,
    signature: &'a str,
}

#[derive(Debug, Clone, Copy)]
pub struct VerifyOptions<'a> {
    /// Hosts under which the caller may have signed, most likely first; each is tried as it is and
    /// with and without port. The request's own `host` header is used when there are none.
    pub host_candidates: &'a [&'a str],
    /// None accepts any time.
    pub window: Option<Duration>,
    pub now: Timestamp,
}

/// A signature that was made with the secret, and the form in which it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// The signer wrote the query line although there was no query.
    pub empty_query_line: bool,
    /// The signer signed a host candidate as it is (false: with a port added or removed).
    pub host_as_given: bool,
}

/// Why an `Authorization` value, an access key or a list of header names cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthProblem {
    #[error("longer than {MAX_AUTHORIZATION_BYTES} bytes")]
    TooLong,
    #[error("not five fields separated by `/`: auth-v2/access key/time/signed headers/signature")]
    Fields,
    #[error("the version is not `{VERSION}`")]
    Version,
    #[error("the access key is empty, too long, or has a `/`, a blank or a control character")]
    AccessKey,
    #[error("the time is neither `yyyy-MM-ddTHH:mm:ssZ` nor `yyyy-MM-ddTHH:mm:ss.SSSZ`")]
    Timestamp,
    #[error("the signed headers are not lower-case header names joined by `;`, or are too many")]
    SignedHeaders,
    #[error("`host` is not among the signed headers")]
    HostNotSigned,
    #[error("the signature is not 64 lower-case hex digits")]
    Signature,
}

/// A header that is to be signed and that the request does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the request has no header `{0}`, which is to be signed")]
pub struct MissingHeader(pub String);

/// Why a well-formed signature is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    #[error("the access key is another one")]
    AccessKey,
    #[error("the time is outside the window")]
    OutsideWindow,
    #[error(transparent)]
    MissingHeader(#[from] MissingHeader),
    #[error("the signature belongs to another request, another host or another secret")]
    Signature,
}

impl Credentials {
    /// # Errors
    /// [`AuthProblem::AccessKey`] when the access key cannot stand in an `Authorization` value.
    pub fn new(access_key: &str, secret: &SecretString) -> Result<Self, AuthProblem> {
        check_access_key(access_key)?;
        Ok(Self { access_key: access_key.to_owned(), keyed: keyed(secret.expose_secret()) })
    }

    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// A keyed fingerprint of some bytes, in hex: the same bytes give the same text, and without the
    /// secret nobody can try out which bytes they were. No signature can be made of it, for every
    /// signed prefix begins with the version.
    pub fn fingerprint(&self, bytes: &[u8]) -> String {
        let mut mac = self.keyed.clone();
        mac.update(b"fingerprint/");
        mac.update(bytes);
        hex(&mac.finalize().into_bytes())[..32].iter().map(|&digit| char::from(digit)).collect()
    }

    /// The MAC, keyed for one prefix.
    fn signing_mac(&self, prefix: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(prefix);
        keyed_bytes(&hex(&mac.finalize().into_bytes()))
    }

    pub(super) fn signature(&self, prefix: &[u8], canonical: &[&[u8]]) -> [u8; 64] {
        let mut mac = self.signing_mac(prefix);
        for part in canonical {
            mac.update(part);
        }
        hex(&mac.finalize().into_bytes())
    }
}

impl SignedHeaders {
    /// `host` alone: the form with the fewest ways to fail (2.2).
    pub fn host_only() -> Self {
        Self("host".to_owned())
    }

    /// # Errors
    /// When a name is not a header name, there are too many, or `host` is missing.
    pub fn new<S: AsRef<str>>(names: &[S]) -> Result<Self, AuthProblem> {
        let mut names: Vec<String> =
            names.iter().map(|name| name.as_ref().trim().to_ascii_lowercase()).collect();
        names.sort_unstable();
        names.dedup();
        let joined = names.join(";");
        check_signed_headers(&joined)?;
        Ok(Self(joined))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'a> Authorization<'a> {
    /// # Errors
    /// The first thing wrong with the form.
    pub fn parse(value: &'a str) -> Result<Self, AuthProblem> {
        if value.len() > MAX_AUTHORIZATION_BYTES {
            return Err(AuthProblem::TooLong);
        }
        let mut fields = value.split('/');
        let mut field = || fields.next().ok_or(AuthProblem::Fields);
        let (version, access_key, timestamp_text) = (field()?, field()?, field()?);
        let (signed_headers, signature) = (field()?, field()?);
        if fields.next().is_some() {
            return Err(AuthProblem::Fields);
        }
        if version != VERSION {
            return Err(AuthProblem::Version);
        }
        check_access_key(access_key)?;
        let timestamp = parse_timestamp(timestamp_text).ok_or(AuthProblem::Timestamp)?;
        check_signed_headers(signed_headers)?;
        let hex_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if signature.len() != 64 || !signature.bytes().all(hex_digit) {
            return Err(AuthProblem::Signature);
        }
        Ok(Self { access_key, timestamp_text, timestamp, signed_headers, signature })
    }

    /// As it came; it covers the whole request.
    pub fn signature(&self) -> &'a str {
        self.signature
    }

    pub(super) fn prefix(&self) -> Vec<u8> {
        prefix(self.access_key, self.timestamp_text, self.signed_headers).into_bytes()
    }

    pub(super) fn carries(&self, signature: &[u8; 64]) -> bool {
        self.signature.as_bytes().ct_eq(signature).into()
    }
}

/// The `Authorization` value for a request.
///
/// # Errors
/// When the request lacks a header that is to be signed.
pub fn sign(
    credentials: &Credentials,
    request: &Request<'_>,
    options: &SignOptions<'_>,
) -> Result<String, MissingHeader> {
    let time = format_timestamp(options.timestamp, options.millis);
    let names = options.signed_headers.as_str();
    let mut value = prefix(&credentials.access_key, &time, names);
    let parts = Parts::of(request, names);
    let head = parts.head(None, options.empty_query_line)?;
    let signature = credentials.signature(value.as_bytes(), &[&head, &parts.body]);
    value.push('/');
    value.extend(signature.iter().map(|&digit| char::from(digit)));
    Ok(value)
}

/// Checks a signature in every form that the pages leave open; compares in constant time.
///
/// # Errors
/// Why it is refused. A caller over the network is told nothing but 401.
pub fn verify(
    credentials: &Credentials,
    authorization: &Authorization<'_>,
    request: &Request<'_>,
    options: &VerifyOptions<'_>,
) -> Result<Verified, Mismatch> {
    if authorization.access_key != credentials.access_key {
        return Err(Mismatch::AccessKey);
    }
    if let Some(window) = options.window
        && options.now.duration_since(authorization.timestamp).unsigned_abs() > window
    {
        return Err(Mismatch::OutsideWindow);
    }
    let parts = Parts::of(request, authorization.signed_headers);
    // Derived once: every form is tried with the same key.
    let keyed = credentials.signing_mac(&authorization.prefix());
    let matches = |host: &[u8], empty_query_line: bool| -> Result<bool, MissingHeader> {
        let mut mac = keyed.clone();
        mac.update(&parts.head(Some(host), empty_query_line)?);
        mac.update(&parts.body);
        Ok(authorization.carries(&hex(&mac.finalize().into_bytes())))
    };
    let received = [request.headers.value("host").unwrap_or_default()];
    let given = options.host_candidates.iter().map(|host| host.as_bytes());
    let hosts: Vec<&[u8]> = if options.host_candidates.is_empty() {
        received.to_vec()
    } else {
        given.take(MAX_HOST_CANDIDATES).collect()
    };
    let query_lines: &[bool] = if parts.query.is_empty() { &[false, true] } else { &[false] };
    for host in &hosts {
        for &empty_query_line in query_lines {
            if matches(host, empty_query_line)? {
                return Ok(Verified { empty_query_line, host_as_given: true });
            }
        }
    }
    for host in hosts.iter().flat_map(|host| other_port_forms(host)) {
        for &empty_query_line in query_lines {
            if matches(&host, empty_query_line)? {
                return Ok(Verified { empty_query_line, host_as_given: false });
            }
        }
    }
    Err(Mismatch::Signature)
}

/// The text that is signed, for people who look for a difference. It holds the request's body, and
/// therefore must not be logged.
///
/// # Errors
/// When the request lacks a header that is to be signed.
pub fn canonical_request(
    request: &Request<'_>,
    signed_headers: &str,
    empty_query_line: bool,
) -> Result<Vec<u8>, MissingHeader> {
    let parts = Parts::of(request, signed_headers);
    let mut text = parts.head(None, empty_query_line)?;
    text.extend_from_slice(&parts.body);
    Ok(text)
}

/// The parts of the canonical request that do not depend on the form in which it was signed.
pub(super) struct Parts<'a> {
    pub(super) request: &'a Request<'a>,
    names: &'a str,
    /// Canonical query; empty without parameters.
    pub(super) query: Vec<u8>,
    /// The body, percent-encoded.
    pub(super) body: Vec<u8>,
}

impl<'a> Parts<'a> {
    pub(super) fn of(request: &'a Request<'a>, names: &'a str) -> Self {
        // Most of a JSON body is letters and quotes: half as much again is a fair guess.
        let mut body = Vec::with_capacity(request.body.len() * 3 / 2);
        encode(&mut body, request.body);
        let query = canonical_query(request.raw_query.unwrap_or_default().as_bytes());
        Self { request, names, query, body }
    }

    /// Everything before the body. `host` replaces the header of that name.
    pub(super) fn head(
        &self,
        host: Option<&[u8]>,
        empty_query_line: bool,
    ) -> Result<Vec<u8>, MissingHeader> {
        let Request { method, path, headers, .. } = self.request;
        let mut out = Vec::with_capacity(256 + path.len() + self.query.len());
        out.extend(method.bytes().map(|b| b.to_ascii_uppercase()));
        out.push(b'\n');
        out.extend_from_slice(path.as_bytes());
        out.push(b'\n');
        if !self.query.is_empty() || empty_query_line {
            out.extend_from_slice(&self.query);
            out.push(b'\n');
        }
        out.extend_from_slice(self.names.as_bytes());
        out.push(b'\n');
        let mut lines = SortedPieces::default();
        for name in self.names.split(';') {
            let value = match host {
                Some(host) if name == "host" => host,
                _ => headers.value(name).ok_or_else(|| MissingHeader(name.to_owned()))?,
            };
            lines.add(|line| {
                encode(line, name.as_bytes());
                line.push(b':');
                encode(line, value.trim_ascii());
            });
        }
        lines.join_into(&mut out, b'\n');
        out.push(b'\n');
        Ok(out)
    }
}

/// Pieces of text in one buffer, to be sorted and joined.
#[derive(Default)]
struct SortedPieces {
    buffer: Vec<u8>,
    pieces: Vec<Range<usize>>,
}

impl SortedPieces {
    fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.buffer.len();
        write(&mut self.buffer);
        self.pieces.push(start..self.buffer.len());
    }

    /// Identical pieces collapse, as in the sorted set of the demo (2.1 step 6).
    fn join_into(mut self, out: &mut Vec<u8>, separator: u8) {
        let buffer = &self.buffer;
        self.pieces.sort_unstable_by(|a, b| buffer[a.clone()].cmp(&buffer[b.clone()]));
        self.pieces.dedup_by(|a, b| buffer[a.clone()] == buffer[b.clone()]);
        for (index, piece) in self.pieces.into_iter().enumerate() {
            if index > 0 {
                out.push(separator);
            }
            out.extend_from_slice(&buffer[piece]);
        }
    }
}

/// Decodes the received query (`+` is a space) and encodes it the signer's way (2.1 step 6, 2.3).
fn canonical_query(raw: &[u8]) -> Vec<u8> {
    let mut pairs = SortedPieces::default();
    let mut decoded = Vec::new();
    for pair in raw.split(|&b| b == b'&').filter(|pair| !pair.is_empty()) {
        let equals = pair.iter().position(|&b| b == b'=').unwrap_or(pair.len());
        let (name, value) = (&pair[..equals], pair.get(equals + 1..).unwrap_or_default());
        pairs.add(|out| {
            decode_form(&mut decoded, name);
            encode(out, &decoded);
            out.push(b'=');
            decode_form(&mut decoded, value);
            encode(out, &decoded);
        });
    }
    let mut out = Vec::with_capacity(pairs.buffer.len() + pairs.pieces.len());
    pairs.join_into(&mut out, b'&');
    out
}

/// `+` becomes a space and `%XX` a byte; an incomplete or wrong escape stays as it is.
fn decode_form(out: &mut Vec<u8>, text: &[u8]) {
    out.clear();
    let start = out.len();
    out.extend(text.iter().map(|&b| if b == b'+' { b' ' } else { b }));
    if text.contains(&b'%') {
        let decoded: Vec<u8> = percent_encoding::percent_decode(&out[start..]).collect();
        out.truncate(start);
        out.extend_from_slice(&decoded);
    }
}

/// `PathUtils.normalize` of the demo: unreserved characters stay, every other byte becomes `%XX`.
fn encode(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte);
        } else {
            let escape = [b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
            out.extend_from_slice(&escape);
        }
    }
}

/// The same host with its port taken away, or with the default ports put there (2.3).
pub(super) fn other_port_forms(host: &[u8]) -> Vec<Vec<u8>> {
    let digits = host.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let name = host.get(..host.len().saturating_sub(digits + 1)).unwrap_or_default();
    let has_port = digits > 0 && host[..host.len() - digits].ends_with(b":")
        // An unbracketed IPv6 address ends in digits after a colon, too.
        && (!name.contains(&b':') || name.ends_with(b"]"));
    if has_port {
        vec![name.to_vec()]
    } else {
        vec![[host, b":443"].concat(), [host, b":80"].concat()]
    }
}

fn prefix(access_key: &str, timestamp: &str, signed_headers: &str) -> String {
    // Room for `/` and the signature, so that `sign` appends without moving the text.
    let length = VERSION.len() + access_key.len() + timestamp.len() + signed_headers.len();
    let mut text = String::with_capacity(length + 3 + 65);
    for (index, part) in [VERSION, access_key, timestamp, signed_headers].into_iter().enumerate() {
        if index > 0 {
            text.push('/');
        }
        text.push_str(part);
    }
    text
}

fn format_timestamp(timestamp: Timestamp, millis: bool) -> String {
    let text = if millis { format!("{timestamp:.3}") } else { format!("{timestamp:.0}") };
    debug_assert!(parse_timestamp(&text).is_some());
    text
}

fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let shape: &[u8] = match text.len() {
        20 => b"dddd-dd-ddTdd:dd:ddZ",
        24 => b"dddd-dd-ddTdd:dd:dd.dddZ",
        _ => return None,
    };
    let fits = text.bytes().zip(shape).all(|(byte, &expected)| match expected {
        b'd' => byte.is_ascii_digit(),
        _ => byte == expected,
    });
    if fits { text.parse().ok() } else { None }
}

fn check_access_key(access_key: &str) -> Result<(), AuthProblem> {
    let ok = (1..=MAX_ACCESS_KEY_BYTES).contains(&access_key.len())
        && access_key.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
    if ok { Ok(()) } else { Err(AuthProblem::AccessKey) }
}

fn check_signed_headers(joined: &str) -> Result<(), AuthProblem> {
    let name_byte =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&b);
    let mut names = joined.split(';');
    let ok = joined.split(';').count() <= MAX_SIGNED_HEADERS
        && names.all(|name| !name.is_empty() && name.bytes().all(name_byte));
    if !ok {
        return Err(AuthProblem::SignedHeaders);
    }
    if joined.split(';').any(|name| name == "host") {
        Ok(())
    } else {
        Err(AuthProblem::HostNotSigned)
    }
}

fn keyed(secret: &str) -> Hmac<Sha256> {
    keyed_bytes(secret.as_bytes())
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
pub(super) fn keyed_bytes(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

/// Pairs with lower-case names.
impl<N: AsRef<str>, V: AsRef<[u8]>> Headers for Vec<(N, V)> {
    fn value(&self, lower_case_name: &str) -> Option<&[u8]> {
        self.iter().find(|(name, _)| name.as_ref() == lower_case_name).map(|(_, v)| v.as_ref())
    }
}

impl Headers for reqwest::header::HeaderMap {
    fn value(&self, lower_case_name: &str) -> Option<&[u8]> {
        self.get(lower_case_name).map(reqwest::header::HeaderValue::as_bytes)
    }
}

impl Headers for actix_web::http::header::HeaderMap {
    fn value(&self, lower_case_name: &str) -> Option<&[u8]> {
        self.get(lower_case_name).map(actix_web::http::header::HeaderValue::as_bytes)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

impl fmt::Debug for Authorization<'_> {
    /// Without the signature, which is good for the whole window.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization")
            .field("access_key", &self.access_key)
            .field("timestamp", &self.timestamp_text)
            .field("signed_headers", &self.signed_headers)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Request<'_> {
    /// Neither the query nor the body: they hold phone numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
