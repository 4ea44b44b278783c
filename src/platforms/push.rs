//! What a platform pushes, once it is proved genuine, in the gateway's words. Of what a push says
//! about a campaign only its name is taken: pushes come late, twice and in any order, so how things
//! stand is asked of the platform.

use crate::domain::ids::NativeId;
use crate::platforms::PlatformError;

/// A genuine push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// Something about this campaign has changed.
    Campaign(NativeId),
    /// The outcome of calls, or that they have begun: to be kept as it came.
    Results,
    /// Of no concern here.
    Other,
    /// Not what the platform sends; the text says why, without quoting it.
    Unreadable(&'static str),
}

/// A push that is not taken.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    #[error("not proved to be the platform's")]
    NotGenuine,
    /// Whether it is genuine cannot be found out now.
    #[error("cannot be proved now")]
    Unproved(#[source] Box<PlatformError>),
}
