//! Dialling rules: when to call, how often, how fast.

use jiff::civil::{DateTime, Time};

/// How often a contact's number is tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts allowed per number and day; None when the platform states none.
    pub attempts_per_day: Option<i64>,
    /// Days over which attempts may be made; None when the platform knows no days.
    pub days: Option<i64>,
    /// Time between the end of an attempt and the next one.
    pub interval_ms: Option<i64>,
    /// Attempts per number by its place in the contact, where a platform counts them that way.
    pub attempts_by_place: Vec<i64>,
}

/// When calls may be placed. Times of day are in the account's zone, begin and end are UTC.
/// A period that was not stated, or not understood, is absent: its place in a list means nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallingWindow {
    pub begin: Option<DateTime>,
    pub end: Option<DateTime>,
    pub workday: Vec<DayPeriod>,
    pub special_day: Vec<DayPeriod>,
}

/// A period of the day, both ends included to the minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayPeriod {
    pub begin: Time,
    pub end: Time,
}

/// How fast calls are placed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pacing {
    /// Lines dialled at once per free agent, in percent.
    pub lines_per_agent_percent: Option<i64>,
}
