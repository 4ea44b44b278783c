//! How VoIPBin says no (reference 1.3): an envelope with status and reason, or, in the older
//! generation, a bare status.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use serde_json::{Value, json};

use crate::domain::ids::CampaignPart;
use crate::gateway::error::{GatewayError, Noun, Refusal};
use crate::http::entrance::Unread;
use crate::http::voipbin_api::profile::Profile;
use crate::platforms::voipbin::wire::{ErrorBody, ErrorEnvelope};
use crate::platforms::{self, PlatformErrorKind};

/// Why a request is not answered with 200: found out by the facade, or told by the gateway.
#[derive(Debug)]
pub enum Refused {
    AuthenticationRequired,
    InvalidCredentials,
    /// The id in the path is not a UUID, or is the nil UUID.
    InvalidId,
    /// Empty, not JSON, over the limit, or with a member of a wrong type; says which rule.
    InvalidBody(String),
    InvalidParameter(&'static str),
    RouteNotFound,
    /// Too many failed logins from one address, or of one user.
    TooManyLogins {
        retry_after: Duration,
        /// `ip`, or `customer` when too many named the same user.
        limited_by: &'static str,
    },
    /// The address was refused too often.
    TooOften {
        retry_after: Duration,
    },
    /// The body is not there.
    Unread(Unread),
    /// The answer took longer than a facade may take.
    TookTooLong,
    Gateway(GatewayError),
}

/// What the facade was doing; reasons differ by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    Campaign,
    Campaigncall,
    Outplan,
    Outdial,
    Target,
    Queue,
    Call,
    Account,
}

impl From<GatewayError> for Refused {
    fn from(error: GatewayError) -> Self {
        Refused::Gateway(error)
    }
}

/// Status word, its HTTP status, reason and message of a refusal.
struct Said {
    status: Cow<'static, str>,
    http: StatusCode,
    reason: Cow<'static, str>,
    message: String,
    retry_after: Option<Duration>,
    details: Vec<Value>,
}

/// The answer to a refused request, in the client's generation.
pub fn render(
    refused: &Refused,
    doing: Doing,
    profile: &Profile,
    request_id: &str,
) -> HttpResponse {
    let said = say(refused, doing);
    let mut response = if profile.error_envelope {
        let body = ErrorBody {
            status: said.status.into_owned(),
            reason: said.reason.into_owned(),
            message: said.message,
            request_id: request_id.to_owned(),
            details: said.details,
        };
        HttpResponse::build(said.http).json(ErrorEnvelope { error: body })
    } else {
        HttpResponse::build(seed_status(said.http)).finish()
    };
    if let Some(after) = said.retry_after {
        // Whole seconds, never 0: a client would come back at once.
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    if !profile.error_envelope {
        response.headers_mut().remove(CONTENT_TYPE);
    }
    response
}

/// The older generation knew hardly any status but 400; being overloaded is said anyway, because a
/// client that retries must know.
fn seed_status(status: StatusCode) -> StatusCode {
    match status {
        StatusCode::BAD_REQUEST
        | StatusCode::NOT_FOUND
        | StatusCode::FORBIDDEN
        | StatusCode::CONFLICT => StatusCode::BAD_REQUEST,
        other => other,
    }
}

fn say(refused: &Refused, doing: Doing) -> Said {
    match refused {
        Refused::AuthenticationRequired => said(
            ("UNAUTHENTICATED", StatusCode::UNAUTHORIZED, "AUTHENTICATION_REQUIRED"),
            "Authentication is required.",
        ),
        Refused::InvalidCredentials => said(
            ("UNAUTHENTICATED", StatusCode::UNAUTHORIZED, "INVALID_CREDENTIALS"),
            "The provided credentials are invalid.",
        ),
        Refused::InvalidId => said(
            ("INVALID_ARGUMENT", StatusCode::BAD_REQUEST, "INVALID_ID"),
            "The id in the path must be a UUID other than the nil UUID.",
        ),
        Refused::InvalidBody(rule) => {
            said(("INVALID_ARGUMENT", StatusCode::BAD_REQUEST, "INVALID_JSON_BODY"), rule)
        }
        Refused::InvalidParameter(name) => said(
            ("INVALID_ARGUMENT", StatusCode::BAD_REQUEST, "INVALID_REQUEST_PARAMETER"),
            &format!("The parameter {name} must be an integer."),
        ),
        Refused::RouteNotFound => {
            said(("NOT_FOUND", StatusCode::NOT_FOUND, "ROUTE_NOT_FOUND"), "No such path or method.")
        }
        Refused::TooManyLogins { retry_after, limited_by } => Said {
            retry_after: Some(*retry_after),
            details: vec![json!({"limited_by": limited_by})],
            ..said(
                ("RESOURCE_EXHAUSTED", StatusCode::TOO_MANY_REQUESTS, "RATE_LIMIT_EXCEEDED"),
                "Too many failed logins.",
            )
        },
        Refused::TooOften { retry_after } => Said {
            retry_after: Some(*retry_after),
            details: vec![json!({"limited_by": "ip"})],
            ..said(
                ("RESOURCE_EXHAUSTED", StatusCode::TOO_MANY_REQUESTS, "RATE_LIMIT_EXCEEDED"),
                "Too many requests were refused.",
            )
        },
        Refused::Unread(unread @ Unread::NoRoom) => Said {
            retry_after: unread.retry_after(),
            ..said(("UNAVAILABLE", unread.status(), "SERVICE_UNAVAILABLE"), &unread.to_string())
        },
        // A body that cannot be used is one thing to this platform, and its status word says 400.
        Refused::Unread(unread) => said(
            ("INVALID_ARGUMENT", StatusCode::BAD_REQUEST, "INVALID_JSON_BODY"),
            &unread.to_string(),
        ),
        Refused::TookTooLong => Said {
            retry_after: Some(Duration::from_secs(5)),
            ..said(
                ("UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE, "REQUEST_TIMEOUT"),
                "The campaign's home did not answer in time.",
            )
        },
        Refused::Gateway(error) => say_gateway(error, doing),
    }
}

fn say_gateway(error: &GatewayError, doing: Doing) -> Said {
    let message = error.told();
    match error {
        GatewayError::NotFound(noun) => {
            said(("NOT_FOUND", StatusCode::NOT_FOUND, not_found(*noun, doing)), &message)
        }
        GatewayError::Forbidden(
            Refusal::ForeignAccount
            | Refusal::ReadOnlyClient
            | Refusal::WritesDenied
            | Refusal::UnknownActor
            | Refusal::NotPassedThrough,
        ) => said(("PERMISSION_DENIED", StatusCode::FORBIDDEN, "PERMISSION_DENIED"), &message),
        // The platform's managers refuse a state with the same untyped 400 as bad members.
        GatewayError::Invalid { .. } | GatewayError::State(_) => {
            said(("INVALID_ARGUMENT", StatusCode::BAD_REQUEST, "INVALID_ARGUMENT"), &message)
        }
        GatewayError::Duplicate(_) => {
            said(("ALREADY_EXISTS", StatusCode::CONFLICT, "ALREADY_EXISTS"), &message)
        }
        GatewayError::Quota { retry_after, .. } => Said {
            retry_after: *retry_after,
            ..said(
                ("RESOURCE_EXHAUSTED", StatusCode::TOO_MANY_REQUESTS, "RATE_LIMIT_EXCEEDED"),
                &message,
            )
        },
        GatewayError::Unenforced(_) => {
            said(("FAILED_PRECONDITION", StatusCode::CONFLICT, "RULE_NOT_ENFORCED"), &message)
        }
        GatewayError::Unsupported(_) => {
            said(("FAILED_PRECONDITION", StatusCode::CONFLICT, "UNSUPPORTED_BY_HOME"), &message)
        }
        GatewayError::Ledger(error) if !error.is_of_the_store() => internal(),
        GatewayError::Unavailable { .. } | GatewayError::Ledger(_) => Said {
            retry_after: error.retry_after(),
            ..said(
                ("UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE"),
                &message,
            )
        },
        GatewayError::Unclear { job } => Said {
            details: vec![json!({"job_id": job})],
            ..said(("UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE, "OUTCOME_UNKNOWN"), &message)
        },
        GatewayError::InPart { .. } => {
            said(("UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE, "CHANGED_IN_PART"), &message)
        }
        GatewayError::Refused { kind, said: home, retry_after } => {
            Said { retry_after: *retry_after, ..say_home(*kind, home) }
        }
        GatewayError::Internal(_) => internal(),
    }
}

fn internal() -> Said {
    said(("INTERNAL", StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"), "An internal error occurred.")
}

/// What the home said, with its status and details; of one that said nothing but a code, under the status
/// that this code has.
fn say_home(kind: PlatformErrorKind, home: &platforms::Said) -> Said {
    use PlatformErrorKind as K;
    if let Ok(ErrorEnvelope { error }) = serde_json::from_slice(&home.body)
        && let Ok(http) = StatusCode::from_u16(home.status)
    {
        return Said {
            status: Cow::Owned(error.status),
            http,
            reason: Cow::Owned(error.reason),
            message: error.message,
            retry_after: None,
            details: error.details,
        };
    }
    let (status, http) = match kind {
        K::NotFound => ("NOT_FOUND", StatusCode::NOT_FOUND),
        K::Duplicate => ("ALREADY_EXISTS", StatusCode::CONFLICT),
        K::State if home.code != "INVALID_ARGUMENT" => {
            ("FAILED_PRECONDITION", StatusCode::CONFLICT)
        }
        K::Quota => ("PAYMENT_REQUIRED", StatusCode::PAYMENT_REQUIRED),
        K::RateLimited => ("RESOURCE_EXHAUSTED", StatusCode::TOO_MANY_REQUESTS),
        _ => ("INVALID_ARGUMENT", StatusCode::BAD_REQUEST),
    };
    let reason = if home.code.is_empty() { "RATE_LIMIT_EXCEEDED" } else { &*home.code };
    Said { reason: Cow::Owned(reason.to_owned()), ..said((status, http, ""), &home.text) }
}

fn said((status, http, reason): (&'static str, StatusCode, &'static str), message: &str) -> Said {
    let message = message.to_owned();
    Said {
        status: Cow::Borrowed(status),
        http,
        reason: Cow::Borrowed(reason),
        message,
        retry_after: None,
        details: Vec::new(),
    }
}

/// Under which name the thing is missing: the path's, where the gateway speaks of the campaign that
/// the thing belongs to.
fn not_found(noun: Noun, doing: Doing) -> &'static str {
    match (noun, doing) {
        (Noun::Attempt, Doing::Call) => "CALL_NOT_FOUND",
        (Noun::Attempt, _) => "CAMPAIGNCALL_NOT_FOUND",
        (Noun::Contact, _) => "OUTDIAL_TARGET_NOT_FOUND",
        (Noun::Part(CampaignPart::DialingRules), _) | (_, Doing::Outplan) => "OUTPLAN_NOT_FOUND",
        (Noun::Part(CampaignPart::ContactList), _) | (_, Doing::Outdial | Doing::Target) => {
            "OUTDIAL_NOT_FOUND"
        }
        (Noun::Part(CampaignPart::AgentGroup), _) => "QUEUE_NOT_FOUND",
        (Noun::Campaign | Noun::Draft, _) => "CAMPAIGN_NOT_FOUND",
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn what_a_home_says_goes_through_with_its_status_and_details() {
        let body = r#"{"error":{"status":"FAILED_PRECONDITION","reason":"CAMPAIGN_NOT_STOPPED","message":"Stop it.","request_id":"theirs","details":[{"a":1}]}}"#;
        let home = platforms::Said {
            status: 409,
            code: "CAMPAIGN_NOT_STOPPED".to_owned(),
            body: Bytes::from_static(body.as_bytes()),
            ..platforms::Said::default()
        };
        let said = say_home(PlatformErrorKind::State, &home);
        assert_eq!((said.http.as_u16(), &*said.status), (409, "FAILED_PRECONDITION"));
        assert_eq!((&*said.reason, &*said.message), ("CAMPAIGN_NOT_STOPPED", "Stop it."));
        assert_eq!(said.details, [json!({"a": 1})]);
        let code_alone = platforms::Said { body: Bytes::new(), ..home };
        let said = say_home(PlatformErrorKind::State, &code_alone);
        assert_eq!((said.http.as_u16(), &*said.reason), (409, "CAMPAIGN_NOT_STOPPED"));
        let nothing = platforms::Said { status: 429, ..platforms::Said::default() };
        let said = say_home(PlatformErrorKind::RateLimited, &nothing);
        assert_eq!((said.http.as_u16(), &*said.reason), (429, "RATE_LIMIT_EXCEEDED"));
    }
}
