//! One dial and what came of it.

use jiff::Timestamp;

use crate::domain::ids::NativeId;
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
    pub result: CallResult,
    pub disposition: Disposition,
    pub flags: DispositionFlags,
    /// The platform's own outcome code, always kept beside the disposition.
    pub native_code: String,
    pub try_number: Option<i64>,
    pub recording: Option<String>,
}

/// The call behind an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRef {
    /// What its platform calls it.
    pub native: NativeId,
    /// Whether it is an object of its own there, which tells more of the attempt when it is over.
    pub is_object: bool,
}

/// When a call rang and was answered, and who ended it, as far as its platform tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallMoments {
    pub ringing_at: Option<Timestamp>,
    pub answered_at: Option<Timestamp>,
    pub ended_by: Option<EndedBy>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// Who was called.
    Callee,
    /// The platform, or whoever speaks for it.
    Platform,
}

/// What a closer look at a call tells, beside its attempt's row.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    pub attempt: CallAttempt,
    pub moments: CallMoments,
}

impl CallMoments {
    /// What one look told, and the other where it told nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            ringing_at: self.ringing_at.or(other.ringing_at),
            answered_at: self.answered_at.or(other.answered_at),
            ended_by: self.ended_by.or(other.ended_by),
        }
    }
}

impl EndedBy {
    pub fn as_str(self) -> &'static str {
        match self {
            EndedBy::Callee => "callee",
            EndedBy::Platform => "platform",
        }
    }

    pub fn from_term(term: &str) -> Option<Self> {
        [EndedBy::Callee, EndedBy::Platform].into_iter().find(|by| by.as_str() == term)
    }
}

/// Whether the platform calls the attempt a success.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum CallResult {
    InProgress,
    Success,
    Fail,
    /// Over, and nobody says how.
    #[default]
    Unknown,
}

/// The normalised outcome of an attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
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
    #[default]
    Unknown,
}

/// What a disposition means for what may happen next. Stated per native code in `mappings/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DispositionFlags {
    /// A person was on the line.
    pub live_person: bool,
    /// The same number may be tried again.
    pub number_reusable: bool,
    /// Another number of the contact may be tried.
    pub contact_reusable: bool,
    /// Uses up one of the attempts that the retry policy allows.
    pub counts_as_attempt: bool,
    /// The platform will not report another outcome for this attempt.
    pub is_final: bool,
}

impl Default for DispositionFlags {
    /// What holds for a code that no table knows: it used up an attempt and is not retried by us.
    fn default() -> Self {
        Self {
            live_person: false,
            number_reusable: false,
            contact_reusable: false,
            counts_as_attempt: true,
            is_final: true,
        }
    }
}

impl CallResult {
    pub fn as_str(self) -> &'static str {
        match self {
            CallResult::InProgress => "in-progress",
            CallResult::Success => "success",
            CallResult::Fail => "fail",
            CallResult::Unknown => "unknown",
        }
    }

    pub fn from_term(term: &str) -> Self {
        match term {
            "in-progress" => CallResult::InProgress,
            "success" => CallResult::Success,
            "fail" => CallResult::Fail,
            _ => CallResult::Unknown,
        }
    }

    /// The disposition when the platform gives no reason.
    pub fn disposition(self) -> Disposition {
        match self {
            CallResult::InProgress => Disposition::InProgress,
            CallResult::Success => Disposition::Answered,
            CallResult::Fail => Disposition::Failed,
            CallResult::Unknown => Disposition::Unknown,
        }
    }
}

impl Disposition {
    pub const ALL: [Disposition; 17] = [
        Disposition::InProgress,
        Disposition::Answered,
        Disposition::Busy,
        Disposition::NoAnswer,
        Disposition::Rejected,
        Disposition::Unreachable,
        Disposition::SwitchedOff,
        Disposition::WrongNumber,
        Disposition::HungUpEarly,
        Disposition::AbandonedInQueue,
        Disposition::Machine,
        Disposition::PlatformTimeout,
        Disposition::NoCapacity,
        Disposition::PlatformError,
        Disposition::Cancelled,
        Disposition::Failed,
        Disposition::Unknown,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Disposition::InProgress => "in-progress",
            Disposition::Answered => "answered",
            Disposition::Busy => "busy",
            Disposition::NoAnswer => "no-answer",
            Disposition::Rejected => "rejected",
            Disposition::Unreachable => "unreachable",
            Disposition::SwitchedOff => "switched-off",
            Disposition::WrongNumber => "wrong-number",
            Disposition::HungUpEarly => "hung-up-early",
            Disposition::AbandonedInQueue => "abandoned-in-queue",
            Disposition::Machine => "machine",
            Disposition::PlatformTimeout => "platform-timeout",
            Disposition::NoCapacity => "no-capacity",
            Disposition::PlatformError => "platform-error",
            Disposition::Cancelled => "cancelled",
            Disposition::Failed => "failed",
            Disposition::Unknown => "unknown",
        }
    }

    /// The disposition of that name; None when there is none.
    pub fn from_term(term: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|disposition| disposition.as_str() == term)
    }
}
