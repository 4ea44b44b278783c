//! How VoIPBin says no (reference 1.3): the status decides, the reason refines. Answers of the seed
//! generation have no body, and 400 for nearly everything.

use super::wire::ErrorEnvelope;
use crate::platforms::error::unclear;
use crate::platforms::{Effect, Operation, PlatformError, PlatformErrorKind, Said};
use crate::transport::{Access, Answer};

/// The error that an answer with a status other than 200 stands for.
pub fn read(operation: Operation, access: Access, answer: &Answer) -> PlatformError {
    // The reason is the thing to branch on; the message may quote what was sent.
    let (reason, message) = match serde_json::from_slice::<ErrorEnvelope>(&answer.body) {
        Ok(envelope) => (envelope.error.reason, envelope.error.message),
        Err(_) => (String::new(), String::new()),
    };
    let kind = kind(operation, access, answer.status, &reason);
    let effect = match answer.status {
        500.. => unclear(access),
        _ => Effect::None,
    };
    PlatformError::new(operation, kind, format!("status {} {reason}", answer.status))
        .with_effect(effect)
        .with_said(Said {
            status: answer.status,
            code: reason,
            text: message,
            body: answer.body.clone(),
            content_type: answer.content_type.clone(),
        })
        .with_retry_after(answer.retry_after)
}

fn kind(operation: Operation, access: Access, status: u16, reason: &str) -> PlatformErrorKind {
    match (status, reason) {
        // A campaign whose outplan, outdial or queue cannot be used (3.3) does not start.
        (400, "INVALID_ARGUMENT") if operation == Operation::CampaignStart => {
            PlatformErrorKind::State
        }
        // Seed generation: a read by id has nothing else to be wrong about.
        (400, "") if reads_by_id(operation) && access == Access::Read => {
            PlatformErrorKind::NotFound
        }
        (401, _) => PlatformErrorKind::Unauthenticated,
        (402, _) => PlatformErrorKind::Quota,
        (403, _) => PlatformErrorKind::Forbidden,
        // ROUTE_NOT_FOUND: not the thing, but the path is wrong: base_url points elsewhere.
        (404, "ROUTE_NOT_FOUND") | (500.., _) => PlatformErrorKind::Unavailable,
        (400, "INVALID_ID") | (404, _) => PlatformErrorKind::NotFound,
        (409, "ALREADY_EXISTS") => PlatformErrorKind::Duplicate,
        (409, _) => PlatformErrorKind::State,
        (413, _) => PlatformErrorKind::TooLarge,
        (429, _) => PlatformErrorKind::RateLimited,
        (400..=499, _) => PlatformErrorKind::Invalid,
        // 1xx–3xx: no success that the platform knows, and redirects are not followed.
        _ => PlatformErrorKind::Malformed,
    }
}

fn reads_by_id(operation: Operation) -> bool {
    use Operation as O;
    matches!(operation, O::CampaignDetail | O::PartDetail | O::ContactDetail | O::ResultDetail)
}
