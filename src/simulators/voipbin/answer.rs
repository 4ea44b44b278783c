//! Saying no the platform's way (VB 1.3), and what every answer carries.

use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Profile;
use crate::simulators::faults::Injected;

const REQUEST_ID: &str = "x-request-id";
const MAX_REQUEST_ID_CHARS: usize = 64;
/// The request id of an answer that a fault gave.
const FAULT_REQUEST_ID: &str = "req_FAULTFAULTFAULTFAULTFAULTF";
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

#[derive(Debug, Clone)]
pub struct ApiError {
    http: u16,
    status: &'static str,
    reason: &'static str,
    message: String,
    details: Vec<Value>,
    retry_after_s: Option<u64>,
}

impl ApiError {
    fn new(http: u16, status: &'static str, reason: &'static str, message: &str) -> Self {
        let message = message.to_owned();
        Self { http, status, reason, message, details: Vec::new(), retry_after_s: None }
    }

    pub fn no_credential() -> Self {
        let message = "Authentication is required.";
        Self::new(401, "UNAUTHENTICATED", "AUTHENTICATION_REQUIRED", message)
    }

    pub fn bad_credential() -> Self {
        Self::new(401, "UNAUTHENTICATED", "INVALID_CREDENTIALS", "The credential is not valid.")
    }

    pub fn forbidden(reason: &'static str) -> Self {
        Self::new(403, "PERMISSION_DENIED", reason, "The caller may not do this.")
    }

    pub fn frozen(scheduled_at: &Value) -> Self {
        let mut error = Self::forbidden("ACCOUNT_FROZEN");
        error.details.push(json!({
            "deletion_scheduled_at": scheduled_at,
            "deletion_effective_at": scheduled_at,
            "recovery_endpoint": "POST /v1.0/customer/recover",
        }));
        error
    }

    /// A request that cannot be used, for one of the reasons of VB 1.3.
    pub fn invalid(reason: &'static str, message: &str) -> Self {
        Self::new(400, "INVALID_ARGUMENT", reason, message)
    }

    pub fn invalid_argument() -> Self {
        Self::invalid("INVALID_ARGUMENT", "The request has an argument that cannot be used.")
    }

    pub fn not_found(reason: &'static str) -> Self {
        Self::new(404, "NOT_FOUND", reason, "There is no such resource.")
    }

    /// What an honest server answers where HEAD pretends to have deleted (VB 3.4).
    pub fn wrong_state() -> Self {
        let message = "The resource's state does not allow this.";
        Self::new(409, "FAILED_PRECONDITION", "STATE_INVALID", message)
    }

    pub fn too_many(limited_by: &str, retry_after_s: u64) -> Self {
        let mut error =
            Self::new(429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED", "Too many requests.");
        error.details.push(json!({"limited_by": limited_by}));
        error.retry_after_s = Some(retry_after_s);
        error
    }

    pub fn internal(message: &str) -> Self {
        Self::new(500, "INTERNAL", "INTERNAL", message)
    }

    fn injected(kind: Injected) -> Self {
        match kind {
            Injected::Unauthorized => Self::bad_credential(),
            Injected::TooMany { retry_after_s } => Self::too_many("customer", retry_after_s),
            Injected::ServerError(503) => Self::new(
                503,
                "UNAVAILABLE",
                "SERVICE_UNAVAILABLE",
                "The service is not available.",
            ),
            // A gateway in between has no envelope; the closest is the platform's own 500.
            Injected::ServerError(http) => Self { http, ..Self::internal("An injected failure.") },
        }
    }

    /// The status in a profile: until 2026-04 nearly everything was 400.
    fn http_in(&self, profile: Profile) -> u16 {
        match (profile, self.http) {
            (Profile::Seed, 403) if self.reason != "ACCOUNT_FROZEN" => 400,
            (Profile::Seed, 404) if self.reason != "ROUTE_NOT_FOUND" => 400,
            (Profile::Seed, 409) => 400,
            (_, http) => http,
        }
    }

    fn to_response(&self, profile: Profile, request_id: &str) -> HttpResponse {
        let status = StatusCode::from_u16(self.http_in(profile))
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::build(status);
        response.insert_header((REQUEST_ID, request_id));
        if let Some(seconds) = self.retry_after_s {
            response.insert_header(("retry-after", seconds.to_string()));
        }
        if profile == Profile::Seed {
            return response.finish();
        }
        let mut error = json!({
            "status": self.status,
            "reason": self.reason,
            "message": self.message,
            "request_id": request_id,
        });
        if !self.details.is_empty() {
            error["details"] = json!(self.details);
        }
        response.content_type(ContentType::json()).body(json!({"error": error}).to_string())
    }
}

/// A result of an operation as the platform answers it.
pub fn respond(
    result: Result<Value, ApiError>,
    profile: Profile,
    request_id: &str,
) -> HttpResponse {
    match result {
        Ok(body) => HttpResponse::Ok()
            .insert_header((REQUEST_ID, request_id))
            .content_type(ContentType::json())
            .body(body.to_string()),
        Err(error) => error.to_response(profile, request_id),
    }
}

pub fn injected_head(request: &HttpRequest, kind: Injected) -> HttpResponse {
    let id = given_request_id(request).unwrap_or(FAULT_REQUEST_ID);
    ApiError::injected(kind).to_response(Profile::Head, id)
}

pub fn injected_seed(request: &HttpRequest, kind: Injected) -> HttpResponse {
    let id = given_request_id(request).unwrap_or(FAULT_REQUEST_ID);
    ApiError::injected(kind).to_response(Profile::Seed, id)
}

/// The client's own request id, if it is one that the platform echoes.
pub fn given_request_id(request: &HttpRequest) -> Option<&str> {
    let id = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    ((1..=MAX_REQUEST_ID_CHARS).contains(&id.len()) && id.bytes().all(allowed)).then_some(id)
}

/// `req_` and 26 base32 characters.
pub fn new_request_id(number: uuid::Uuid) -> String {
    let digest = Sha256::digest(number.as_bytes());
    let letters = digest.iter().take(26).map(|byte| char::from(BASE32[usize::from(byte % 32)]));
    format!("req_{}", letters.collect::<String>())
}
