//! Making of [`PlatformError`]s.

use std::time::Duration;

use super::{Effect, Operation, PlatformError, PlatformErrorKind, Said, Support};
use crate::transport::Access;
use crate::transport::failure::{Failure, FailureKind};
use crate::transport::spacing::TooLong;

impl PlatformError {
    /// An error without effect, code or cause; the `with_` functions add them.
    pub fn new(operation: Operation, kind: PlatformErrorKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            effect: Effect::None,
            retry_after: None,
            operation,
            native_code: String::new(),
            detail: detail.into(),
            said: None,
            member: None,
            source: None,
        }
    }

    #[must_use]
    pub fn with_effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// What the platform said.
    #[must_use]
    pub fn with_said(mut self, said: Said) -> Self {
        self.native_code.clone_from(&said.code);
        self.said = Some(Box::new(said));
        self
    }

    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.retry_after = retry_after;
        self
    }

    #[must_use]
    pub(super) fn with_source(
        mut self,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// The answer cannot be read: what a write did is unclear then.
    pub(super) fn malformed(operation: Operation, access: Access, detail: &str) -> Self {
        Self::new(operation, PlatformErrorKind::Malformed, detail).with_effect(unclear(access))
    }

    /// An earlier request of the same operation has changed something already.
    #[must_use]
    pub(super) fn after_writes(mut self) -> Self {
        if self.effect == Effect::None {
            self.effect = Effect::Done;
        }
        self
    }

    /// The platform has no such operation.
    pub(super) fn unsupported(operation: Operation, support: Support) -> Self {
        let reason = match support {
            Support::Unsupported(reason) => reason,
            Support::Native | Support::Composed(_) => "not offered",
        };
        Self::new(operation, PlatformErrorKind::Unsupported, reason)
    }

    pub(super) fn from_failure(operation: Operation, failure: Failure) -> Self {
        let kind = match failure.kind {
            FailureKind::WritesDenied => PlatformErrorKind::WritesDenied,
            FailureKind::Paced => PlatformErrorKind::RateLimited,
            FailureKind::BreakerOpen | FailureKind::Connect | FailureKind::Dropped => {
                PlatformErrorKind::Unavailable
            }
            FailureKind::Timeout => PlatformErrorKind::Timeout,
            FailureKind::TooLarge => PlatformErrorKind::TooLarge,
            FailureKind::BrokenOff | FailureKind::Unsendable | FailureKind::AddressRefused => {
                PlatformErrorKind::Invalid
            }
        };
        Self {
            kind,
            effect: if failure.may_have_acted { Effect::Unclear } else { Effect::None },
            retry_after: failure.retry_after,
            operation,
            native_code: String::new(),
            detail: failure.kind.to_string(),
            said: None,
            member: None,
            source: Some(Box::new(failure)),
        }
    }

    pub(super) fn from_spacing(operation: Operation, too_long: TooLong) -> Self {
        let detail = "too many requests about this campaign wait for the platform's minimum gap";
        Self::new(operation, PlatformErrorKind::RateLimited, detail)
            .with_retry_after(Some(too_long.wait))
    }
}

/// The effect of a request whose outcome the answer leaves open.
pub(super) fn unclear(access: Access) -> Effect {
    match access {
        Access::Read => Effect::None,
        Access::Write => Effect::Unclear,
    }
}
