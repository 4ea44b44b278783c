//! One dial and what came of it.

use jiff::Timestamp;

use crate::domain::phone::PhoneNumber;

#[derive(Debug, Clone, PartialEq)]
pub struct CallAttempt {
    /// The contact's client reference as the platform returns it.
    pub contact_reference: Option<String>,
    pub called: Option<PhoneNumber>,
    pub caller: Option<PhoneNumber>,
    /// None while the platform has not said when it dialled.
    pub dialed_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub disposition: Disposition,
    /// The platform's own outcome code, always kept beside the disposition.
    pub native_code: String,
    pub try_number: Option<i64>,
    pub recording: Option<String>,
}

/// The normalised outcome of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// Not over yet.
    InProgress,
    Answered,
    Busy,
    NoAnswer,
    Rejected,
    Unreachable,
    SwitchedOff,
    WrongNumber,
    HungUpEarly,
    AbandonedInQueue,
    Machine,
    PlatformTimeout,
    NoCapacity,
    PlatformError,
    Cancelled,
    /// Failed, and the platform does not say why.
    Failed,
    /// A code that no table knows.
    Unknown,
}
