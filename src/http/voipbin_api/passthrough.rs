//! Every other path of a VoIPBin account: passed on as it is, if the client's settings allow it.
//! Bodies are streamed both ways and never kept.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use actix_web::http::{Method, Version};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::{Stream, StreamExt};
use percent_encoding::percent_decode_str;
use url::form_urlencoded;

use crate::config::PassRule;
use crate::gateway::Asked;
use crate::gateway::error::GatewayError;
use crate::http::entrance::{Connection, Reason, Unread};
use crate::http::voipbin_api::auth::Caller;
use crate::http::voipbin_api::error::{self, Doing, Refused};
use crate::http::voipbin_api::{Facade, with_request_id};
use crate::platforms::PlatformKind;
use crate::platforms::passthrough::{BrokenOff, PassThrough, PassedBack, Upload};

/// What the platform learns of a client's head, besides the body's length and the request id.
/// Credentials, cookies and what belongs to one connection stay here.
const HEADERS_PASSED: [&str; 8] = [
    "accept",
    "accept-language",
    "content-type",
    "content-encoding",
    "range",
    "if-match",
    "if-none-match",
    "if-modified-since",
];
/// The two names under which the query may hold a credential (reference 1.2).
const CREDENTIALS: [&str; 2] = ["token", "accesskey"];
/// Longest path and query that pass; longer than anything documented.
const MAX_TARGET_BYTES: usize = 8 * 1024;

/// Anything that no other route answers. What may not pass does not exist.
pub async fn pass(
    facade: Data<Facade>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let request_id = facade.request_id(&request);
    let keys = &facade.callers.keys;
    let (profile, outcome) = match facade.recognise(&request).await {
        Ok(caller) => {
            (caller.profile, facade.pass(caller, &request, payload, request_id.clone()).await)
        }
        // Who is nobody learns whether a path exists only where it might for somebody.
        Err(refused) => {
            let exists = keys.callers().any(|caller| rule_of(caller, &request).is_some());
            (keys.profile_of_strangers, Err(if exists { refused } else { Refused::RouteNotFound }))
        }
    };
    let response = outcome.unwrap_or_else(|refused| {
        tracing::debug!(request_id, reason = ?refused, "a request was refused");
        if let Refused::Gateway(error) = &refused {
            error.log_untold();
        }
        error::render(&refused, Doing::Account, profile, &request_id)
    });
    with_request_id(response, &request_id)
}

impl Facade {
    async fn pass(
        &self,
        caller: &Caller,
        request: &HttpRequest,
        payload: web::Payload,
        request_id: String,
    ) -> Result<HttpResponse, Refused> {
        let (rule, path) = rule_of(caller, request).ok_or(Refused::RouteNotFound)?;
        let too_large = Rc::new(Cell::new(false));
        let limit_bytes = self.doorway.body_limit_bytes;
        let refused = || {
            self.doorway.refused(request, Reason::BodyTooLong);
            Refused::Unread(Unread::TooLong)
        };
        let length = announced_length(request);
        if length.is_some_and(|length| length > limit_bytes as u64) {
            return Err(refused());
        }
        let body = has_body(request, length).then(|| {
            let chunks = self.doorway.in_time(payload.into_inner());
            limited(chunks, limit_bytes, Rc::clone(&too_large))
        });
        let mut headers = headers(request);
        headers.push(("x-request-id", request_id.clone()));
        headers
            .extend(length.filter(|_| body.is_some()).map(|n| ("content-length", n.to_string())));
        let asked = Asked {
            client: caller.client.clone(),
            platform: PlatformKind::Voipbin,
            request_id,
            arrival: self.gateway.arrive(),
        };
        let (method, query) = (rule.method(), query(request.query_string()));
        let passed = PassThrough { method, path: path.to_owned(), query, headers, body };
        match self.gateway.pass_through(&asked, rule.as_str(), passed).await {
            Ok(back) => answer(back, request),
            Err(_) if too_large.get() => Err(refused()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The rule by which a request of this caller may pass, and the path behind the prefix.
fn rule_of<'a>(caller: &'a Caller, request: &'a HttpRequest) -> Option<(&'a PassRule, &'a str)> {
    let path = request.path().strip_prefix("/v1.0")?;
    let query_bytes = request.query_string().len();
    if caller.pass_through.is_empty() || path.len() + query_bytes > MAX_TARGET_BYTES {
        return None;
    }
    let segments = segments(path)?;
    let allows = |rule: &&PassRule| rule.allows(request.method().as_str(), &segments);
    caller.pass_through.iter().find(allows).map(|rule| (rule, path))
}

/// The decoded segments of a path; None for a path that two servers could read differently.
fn segments(path: &str) -> Option<Vec<String>> {
    let decode = |raw: &str| {
        let malformed = raw.split('%').skip(1).any(|after| {
            !after.as_bytes().get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
        });
        let text = percent_decode_str(raw).decode_utf8().ok()?;
        let odd = |c: char| c.is_control() || matches!(c, '/' | '\\' | '?' | '#' | '%');
        let sound = !malformed && !matches!(&*text, "" | "." | "..") && !text.contains(odd);
        sound.then(|| text.into_owned())
    };
    path.strip_prefix('/')?.split('/').map(decode).collect()
}

/// The query without the client's credentials, otherwise as it came.
fn query(raw: &str) -> Option<String> {
    let is_credential = |pair: &&str| {
        form_urlencoded::parse(pair.as_bytes()).any(|(name, _)| CREDENTIALS.contains(&&*name))
    };
    let kept: Vec<&str> = raw.split('&').filter(|pair| !is_credential(pair)).collect();
    Some(kept.join("&")).filter(|query| !query.is_empty())
}

fn headers(request: &HttpRequest) -> Vec<(&'static str, String)> {
    let passed =
        |&name: &&'static str| Some((name, request.headers().get(name)?.to_str().ok()?.to_owned()));
    HEADERS_PASSED.iter().filter_map(passed).collect()
}

fn announced_length(request: &HttpRequest) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// HTTP/1 says whether a body follows; HTTP/2 need not.
fn has_body(request: &HttpRequest, length: Option<u64>) -> bool {
    let bodiless = matches!(*request.method(), Method::GET | Method::HEAD);
    match length {
        Some(length) => length > 0,
        None => {
            request.headers().contains_key(TRANSFER_ENCODING)
                || (request.version() == Version::HTTP_2 && !bodiless)
        }
    }
}

/// The body, broken off where it is larger than it may be.
fn limited(
    chunks: impl Stream<Item = Result<web::Bytes, Unread>> + 'static,
    limit_bytes: usize,
    too_large: Rc<Cell<bool>>,
) -> Upload {
    let mut left_bytes = limit_bytes;
    let count = move |chunk: Result<web::Bytes, _>| {
        let chunk = chunk.map_err(|_| BrokenOff)?;
        left_bytes = left_bytes.checked_sub(chunk.len()).ok_or_else(|| {
            too_large.set(true);
            BrokenOff
        })?;
        Ok(chunk)
    };
    chunks.map(count).boxed_local()
}

/// The request is being answered until all of the body was passed on, however slowly it comes.
fn answer(back: PassedBack, request: &HttpRequest) -> Result<HttpResponse, Refused> {
    let PassedBack { status, headers, length_bytes, body } = back;
    let status = StatusCode::from_u16(status).map_err(|_| {
        GatewayError::Internal("the home answers with a status that is none".to_owned())
    })?;
    let mut response = HttpResponse::build(status);
    for header in headers {
        response.insert_header(header);
    }
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Ok(response.finish());
    }
    if let Some(length) = length_bytes {
        response.no_chunking(length);
    }
    let answering = request.conn_data::<Arc<Connection>>().map(Connection::begin);
    Ok(response.streaming(body.inspect(move |_| {
        let _until_the_end = &answering;
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_can_be_read_in_two_ways_is_no_path() {
        assert_eq!(segments("/calls/%2B4912"), Some(vec!["calls".to_owned(), "+4912".to_owned()]));
        for path in [
            "",
            "/",
            "calls",
            "//calls",
            "/calls/",
            "/calls//1",
            "/calls/.",
            "/calls/..",
            "/calls/%2e%2e",
            "/calls/%2E%2e/x",
            "/calls/a%2Fb",
            "/calls/a%5cb",
            "/calls/a%00",
            "/calls/a%0a",
            "/calls/%",
            "/calls/%4",
            "/calls/%zz",
            "/calls/%ff",
            "/calls/a%3Fb",
            "/calls/a%23b",
            "/calls/%252e",
        ] {
            assert_eq!(segments(path), None, "{path}");
        }
    }

    #[test]
    fn a_query_loses_its_credentials_and_nothing_else() {
        for (given, passed) in [
            ("", None),
            ("accesskey=vb_x", None),
            ("a=%2B1&accesskey=vb_x&b=c+d", Some("a=%2B1&b=c+d")),
            ("token=t&page_size=2", Some("page_size=2")),
            ("access%6Bey=vb_x&%74oken=t&x=1", Some("x=1")),
            ("accesskeys=1", Some("accesskeys=1")),
        ] {
            assert_eq!(query(given).as_deref(), passed, "{given}");
        }
    }
}
