//! How CC-iSales says no: HTTP 401 with a body of no meaning, or HTTP 200 with a code (reference
//! 12.2). The same code means different things in different operations.

use crate::platforms::error::unclear;
use crate::platforms::{Effect, Operation, PlatformError, PlatformErrorKind, Said};
use crate::transport::{Access, Answer};

/// `0200022`: adding numbers, called too fast.
pub const TOO_FAST: &str = "0200022";

/// `0200001`: a parameter is wrong, and all that an operation has no code of its own for.
const UNNAMED: &str = "0200001";

/// Whether the platform says no in its word for what has no other. Deleting a contact, that is one that
/// is being called, one that it is done with, one that is not there, and a campaign that dials (4.3).
pub fn is_unnamed(error: &PlatformError) -> bool {
    error.effect == Effect::None && error.native_code == UNNAMED
}

/// The error that an answer with a status other than 200 stands for.
pub fn read_status(operation: Operation, access: Access, answer: &Answer) -> PlatformError {
    let kind = match answer.status {
        401 => PlatformErrorKind::Unauthenticated,
        403 => PlatformErrorKind::Forbidden,
        413 => PlatformErrorKind::TooLarge,
        429 => PlatformErrorKind::RateLimited,
        404 | 500.. => PlatformErrorKind::Unavailable,
        400..=499 => PlatformErrorKind::Invalid,
        _ => PlatformErrorKind::Malformed,
    };
    let effect = if answer.status >= 500 { unclear(access) } else { Effect::None };
    let said = Said {
        status: answer.status,
        body: answer.body.clone(),
        content_type: answer.content_type.clone(),
        ..Said::default()
    };
    PlatformError::new(operation, kind, format!("status {}", answer.status))
        .with_effect(effect)
        .with_said(said)
        .with_retry_after(answer.retry_after)
}

/// The error that a business code other than success stands for.
pub fn read_code(operation: Operation, access: Access, said: Said) -> PlatformError {
    let code = &*said.code;
    let (kind, meaning) = meaning(operation, code);
    // "Database error" says nothing about what was stored before it.
    let effect = if code == "0200006" { unclear(access) } else { Effect::None };
    PlatformError::new(operation, kind, format!("code {code}: {meaning}"))
        .with_effect(effect)
        .with_said(said)
}

fn meaning(operation: Operation, code: &str) -> (PlatformErrorKind, &'static str) {
    use Operation as O;
    use PlatformErrorKind as K;
    match (operation, code) {
        (_, "0200007" | "0200-01") => (K::NotFound, "the campaign does not exist"),
        (_, "0200006") => (K::Unavailable, "database error of the platform"),
        (O::CampaignCreate | O::CampaignModify, "0200002") => {
            (K::Invalid, "begins before today's midnight")
        }
        (O::CampaignCreate, "0200003") => (K::Quota, "limit of agent-group campaigns reached"),
        (O::CampaignCreate, "0200004") => (K::Quota, "limit of script campaigns reached"),
        (O::CampaignCreate | O::CampaignModify, "0200005") => (K::Duplicate, "name is taken"),
        (O::CampaignModify, "0200016") => (K::State, "the campaign has ended"),
        (O::CampaignCreate | O::CampaignModify, "0200017") => {
            (K::Invalid, "the agent group does not exist")
        }
        (O::CampaignDelete, "0200009") => (K::State, "the campaign is running"),
        (O::CampaignStart | O::CampaignStop, "0200011") => {
            (K::State, "the campaign's state does not allow it")
        }
        (O::ResultQuery, "0200008" | "0200009" | "0200010" | "0200011") => {
            (K::Invalid, "the span of days")
        }
        (O::ContactAdd, "0200018") => (K::Duplicate, "a number is there twice"),
        (O::ContactAdd, "0200019") => (K::State, "the campaign's state does not allow adding"),
        (O::ContactAdd, "0200020") => (K::Quota, "more than 200,000 open contacts"),
        (O::ContactAdd, TOO_FAST) => (K::RateLimited, "less than a second after the one before"),
        (O::ContactAdd, "0200024") => (K::Invalid, "a number is on the block list"),
        (O::ContactAdd, "0200029") => (K::TooLarge, "too many contacts in one request"),
        (O::ContactAdd, "0200030") => (K::Invalid, "a time"),
        // 0200001 and the eight-digit 02000001 to 02000011: parameters.
        (_, code) if code == UNNAMED || code.starts_with("020000") && code.len() == 8 => {
            (K::Invalid, "a parameter")
        }
        _ => (K::Invalid, "not in the list of codes for this operation"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: &str) -> Said {
        Said { status: 200, code: code.to_owned(), ..Said::default() }
    }

    #[test]
    fn codes_are_read_per_operation() {
        let kind = |operation, code| read_code(operation, Access::Write, said(code)).kind;
        assert_eq!(kind(Operation::CampaignDelete, "0200009"), PlatformErrorKind::State);
        assert_eq!(kind(Operation::ResultQuery, "0200009"), PlatformErrorKind::Invalid);
        assert_eq!(kind(Operation::CampaignStop, "0200011"), PlatformErrorKind::State);
        assert_eq!(kind(Operation::ResultQuery, "0200011"), PlatformErrorKind::Invalid);
        assert_eq!(kind(Operation::ContactAdd, "0200001"), PlatformErrorKind::Invalid);
        assert_eq!(kind(Operation::ContactAdd, "02000001"), PlatformErrorKind::Invalid);
    }

    #[test]
    fn only_a_database_error_leaves_a_write_unclear() {
        let effect = |access, code| read_code(Operation::ContactAdd, access, said(code)).effect;
        assert_eq!(effect(Access::Write, "0200006"), Effect::Unclear);
        assert_eq!(effect(Access::Read, "0200006"), Effect::None);
        assert_eq!(effect(Access::Write, "0200018"), Effect::None);
    }
}
