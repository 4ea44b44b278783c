//! How this API says no: problem documents (RFC 9457) with a `code` that programs can rely on.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use uuid::Uuid;

use crate::config::ApiScope;
use crate::gateway::error::GatewayError;
use crate::http::api::bodies::ProblemDocument;
use crate::http::entrance::Unread;
use crate::platforms::PlatformErrorKind;

/// Why a request got no answer.
#[derive(Debug)]
pub enum Problem {
    Unauthenticated,
    /// The token lacks this scope.
    Scope(ApiScope),
    NotFound(&'static str),
    /// `field` and the rule that it breaks; never what was sent.
    Invalid {
        field: String,
        rule: String,
    },
    TookTooLong,
    /// The body is not there.
    Unread(Unread),
    /// Refused too often.
    TooOften {
        retry_after: Duration,
    },
    Gateway(GatewayError),
}

/// What a problem comes to.
struct Verdict {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    retry_after: Option<Duration>,
    job: Option<Uuid>,
}

impl Problem {
    pub fn invalid(field: &str, rule: &str) -> Self {
        Problem::Invalid { field: field.to_owned(), rule: rule.to_owned() }
    }

    pub fn response(&self) -> HttpResponse {
        let verdict = self.verdict();
        let mut response = HttpResponse::build(verdict.status);
        if let Some(after) = verdict.retry_after {
            response.insert_header((RETRY_AFTER, after.as_secs().max(1)));
        }
        if verdict.status == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        let body = ProblemDocument {
            title: verdict.title.to_owned(),
            status: verdict.status.as_u16(),
            code: verdict.code.to_owned(),
            detail: self.detail(),
            job: verdict.job,
        };
        response.insert_header((CONTENT_TYPE, "application/problem+json"));
        match serde_json::to_vec(&body) {
            Ok(body) => response.body(body),
            Err(_) => response.finish(),
        }
    }

    fn detail(&self) -> String {
        match self {
            Problem::Unauthenticated => "a known bearer token is expected".to_owned(),
            Problem::Scope(scope) => format!("the token has no scope {}", scope.as_str()),
            Problem::NotFound(what) => format!("{what} does not exist"),
            Problem::Invalid { field, rule } => format!("{field}: {rule}"),
            Problem::TookTooLong => "it took too long; what was begun may go on".to_owned(),
            Problem::Unread(unread) => unread.to_string(),
            Problem::TooOften { .. } => "too many requests were refused".to_owned(),
            Problem::Gateway(error) => error.told(),
        }
    }

    fn verdict(&self) -> Verdict {
        let plain =
            |status, code, title| Verdict { status, code, title, retry_after: None, job: None };
        match self {
            Problem::Unauthenticated => {
                plain(StatusCode::UNAUTHORIZED, "unauthenticated", "Who asks is not known")
            }
            Problem::Scope(_) => plain(StatusCode::FORBIDDEN, "scope", "The token may not do this"),
            Problem::NotFound(_) => plain(StatusCode::NOT_FOUND, "not_found", "Not found"),
            Problem::Invalid { .. } => {
                plain(StatusCode::BAD_REQUEST, "invalid", "The request is wrong")
            }
            Problem::TookTooLong => {
                plain(StatusCode::SERVICE_UNAVAILABLE, "too_slow", "No answer in time")
            }
            Problem::Unread(unread) => Verdict {
                retry_after: unread.retry_after(),
                ..plain(unread.status(), "body", "The body cannot be read")
            },
            Problem::TooOften { retry_after } => Verdict {
                retry_after: Some(*retry_after),
                ..plain(StatusCode::TOO_MANY_REQUESTS, "too_often", "Refused too often")
            },
            Problem::Gateway(error) => of_gateway(error),
        }
    }
}

const INTERNAL: (StatusCode, &str, &str) =
    (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Our mistake");

fn of_gateway(error: &GatewayError) -> Verdict {
    let (status, code, title) = match error {
        GatewayError::NotFound(_) => (StatusCode::NOT_FOUND, "not_found", "Not found"),
        GatewayError::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden", "Not allowed"),
        GatewayError::Invalid { .. } => {
            (StatusCode::BAD_REQUEST, "invalid", "The request is wrong")
        }
        GatewayError::State(_) | GatewayError::Duplicate(_) => {
            (StatusCode::CONFLICT, "state", "Not as things stand")
        }
        GatewayError::Unenforced(_) => {
            (StatusCode::CONFLICT, "unenforced", "Nobody would keep its rules")
        }
        GatewayError::Quota { .. } => (StatusCode::TOO_MANY_REQUESTS, "quota", "Over a limit"),
        GatewayError::Unsupported(_) => {
            (StatusCode::NOT_IMPLEMENTED, "unsupported", "Not possible there")
        }
        GatewayError::Ledger(error) if !error.is_of_the_store() => INTERNAL,
        GatewayError::Unavailable { .. } | GatewayError::Ledger(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available now")
        }
        GatewayError::Unclear { .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, "unclear", "The outcome is not known yet")
        }
        GatewayError::InPart { .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, "in_part", "Changed in part")
        }
        // This API is no platform's: what the home says counts by its kind.
        GatewayError::Refused { kind, .. } => match kind {
            PlatformErrorKind::NotFound => (StatusCode::NOT_FOUND, "not_found", "Not found"),
            PlatformErrorKind::Invalid => {
                (StatusCode::BAD_REQUEST, "invalid", "The request is wrong")
            }
            PlatformErrorKind::State | PlatformErrorKind::Duplicate => {
                (StatusCode::CONFLICT, "state", "Not as things stand")
            }
            PlatformErrorKind::Quota | PlatformErrorKind::RateLimited => {
                (StatusCode::TOO_MANY_REQUESTS, "quota", "Over a limit")
            }
            _ => (StatusCode::BAD_GATEWAY, "refused", "The campaign's home refused it"),
        },
        GatewayError::Internal(_) => INTERNAL,
    };
    let job = match error {
        GatewayError::Unclear { job } => Some(*job),
        _ => None,
    };
    Verdict { status, code, title, retry_after: error.retry_after(), job }
}

impl From<GatewayError> for Problem {
    fn from(error: GatewayError) -> Self {
        Problem::Gateway(error)
    }
}

impl ApiScope {
    fn as_str(self) -> &'static str {
        match self {
            ApiScope::Read => "read",
            ApiScope::Operate => "operate",
        }
    }
}
