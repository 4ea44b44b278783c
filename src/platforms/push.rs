//! What a platform pushes, once it is proved genuine, in the gateway's words. Of what a push says
//! about a campaign only its name is taken: pushes come late, twice and in any order, so how things
//! stand is asked of the platform.

use std::time::Duration;

use crate::domain::ids::NativeId;
use crate::platforms::PlatformError;

/// A push as it came.
#[derive(Clone, Copy)]
pub struct Push<'a> {
    pub body: &'a [u8],
    /// The signature that came with it.
    pub proof: Option<&'a str>,
    /// The token in the address that it came to.
    pub token: Option<&'a str>,
}

/// Where a platform pushes an account's events to.
#[derive(Clone, PartialEq, Eq)]
pub struct PushAddress {
    /// It may hold a secret.
    pub url: String,
    /// `POST`, which is how we push, too, or another method.
    pub method: String,
}

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
    /// It does not fit what the platform said before it came, and the platform is not asked again yet.
    #[error("cannot be proved before the platform may be asked again")]
    TooSoon { again_in: Duration },
}
