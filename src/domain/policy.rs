//! Dialling rules: when to call, how often, how fast.
//!
//! A rule that is said and not understood is not a rule that is absent. It is a value of its own,
//! and who wants the rule has to say what happens then: see [`Rule`].

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;

/// One rule as a document states it. There is no way to the stated value that leaves the other two
/// cases out, so a restriction cannot be lost by forgetting that it may be unreadable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rule<T> {
    /// Nothing is said, in a spelling by which the document's platform says nothing.
    #[default]
    Absent,
    Stated(T),
    /// Something is said that cannot be understood: what it allows is not known.
    Unreadable(Unread),
}

/// Why a rule cannot be understood. Never holds the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unread(pub &'static str);

/// How often a contact's number is tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts allowed per number and day.
    pub attempts_per_day: Rule<i64>,
    /// Days over which attempts may be made; absent when the platform knows no days.
    pub days: Rule<i64>,
    /// Time between the end of an attempt and the next one.
    pub interval_ms: Rule<i64>,
    /// Attempts per number by its place in the contact, where a platform counts them that way.
    pub attempts_by_place: Vec<i64>,
    /// What a platform states beside these, by outcome or by kind of number. No other platform has
    /// words for it, so it matters only that it was understood.
    pub exceptions: Rule<()>,
}

/// When calls may be placed. Times of day are in the account's zone, begin and end are UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallingWindow {
    pub begin: Rule<DateTime>,
    pub end: Rule<DateTime>,
    /// Stated without a period, no call is allowed.
    pub workday: Rule<Vec<DayPeriod>>,
    pub special_day: Rule<Vec<DayPeriod>>,
}

/// A period of the day, both ends included to the minute; it ends after it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayPeriod {
    pub begin: Time,
    pub end: Time,
}

/// How fast calls are placed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pacing {
    /// Lines dialled at once per free agent, in percent; 0 lets nobody be called.
    pub lines_per_agent_percent: Rule<i64>,
}

impl<T> Rule<T> {
    pub fn unreadable(why: &'static str) -> Self {
        Rule::Unreadable(Unread(why))
    }

    /// The stated value; None when nothing is said.
    ///
    /// # Errors
    /// When something is said that cannot be understood.
    pub fn read(&self) -> Result<Option<&T>, Unread> {
        match self {
            Rule::Absent => Ok(None),
            Rule::Stated(value) => Ok(Some(value)),
            Rule::Unreadable(why) => Err(*why),
        }
    }

    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Rule<U> {
        match self {
            Rule::Absent => Rule::Absent,
            Rule::Stated(value) => Rule::Stated(change(value)),
            Rule::Unreadable(why) => Rule::Unreadable(why),
        }
    }

    pub fn is_absent(&self) -> bool {
        matches!(self, Rule::Absent)
    }

    /// Why it cannot be understood, if so.
    pub fn why_unread(&self) -> Option<Unread> {
        match self {
            Rule::Unreadable(why) => Some(*why),
            Rule::Absent | Rule::Stated(_) => None,
        }
    }
}

/// What was read: a value, nothing, or something that cannot be understood.
impl<T> From<Result<Option<T>, Unread>> for Rule<T> {
    fn from(read: Result<Option<T>, Unread>) -> Self {
        match read {
            Ok(Some(value)) => Rule::Stated(value),
            Ok(None) => Rule::Absent,
            Err(why) => Rule::Unreadable(why),
        }
    }
}

impl RetryPolicy {
    /// Whether the number in this place of a contact may be called at all.
    pub fn allows_place(&self, place: usize) -> bool {
        self.attempts_by_place.get(place).is_none_or(|attempts| *attempts != 0)
    }

    /// Whether numbers in a place may not be called by this that may be called by the other.
    pub fn closes_a_place_of(&self, other: &Self) -> bool {
        let mut places = 0..self.attempts_by_place.len();
        places.any(|place| other.allows_place(place) && !self.allows_place(place))
    }

    /// The same for a home that tries every number of a contact equally often: as often as the number
    /// that may be called least. A number that may not be called at all does not count, for it never
    /// gets there.
    #[must_use]
    pub fn for_equal_numbers(self) -> Self {
        let allowed = self.attempts_by_place.iter().copied().filter(|attempts| *attempts != 0);
        match (&self.attempts_per_day, allowed.min()) {
            (Rule::Stated(_) | Rule::Absent, Some(least)) => {
                Self { attempts_per_day: Rule::Stated(least), ..self }
            }
            _ => self,
        }
    }

    /// Whether a home that tries every number of a contact equally often has the same tries and waits by
    /// both.
    pub fn is_kept_alike(&self, other: &Self) -> bool {
        let kept = |policy: &Self| {
            let equal = policy.clone().for_equal_numbers();
            (equal.attempts_per_day, equal.interval_ms)
        };
        kept(self) == kept(other)
    }

    /// True when nothing is said of it.
    pub fn is_silent(&self) -> bool {
        *self == Self::default()
    }
}

impl CallingWindow {
    /// Whether no call is allowed any more.
    pub fn is_over(&self, now: Timestamp) -> bool {
        matches!(self.end, Rule::Stated(end) if end <= now.to_zoned(TimeZone::UTC).datetime())
    }
}

impl DayPeriod {
    /// The minute before midnight is the last that such schedules can say.
    pub fn is_all_day(&self) -> bool {
        self.begin == Time::MIN && self.end >= Time::constant(23, 59, 0, 0)
    }
}
