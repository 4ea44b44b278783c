//! When a campaign may dial (reference 3.14): its periods in the tenant's zone, the holiday ones on
//! special dates (section 10), the workday ones on all other days.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// How far ahead an opening is looked for; a campaign without one in a year never dials.
const LOOK_AHEAD_DAYS: usize = 366;

/// Periods as begin (in) and end (out), sorted.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Schedule {
    pub workday: Vec<(Time, Time)>,
    pub holiday: Vec<(Time, Time)>,
}

/// A special date of a campaign.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SpecialDate {
    pub id: i64,
    pub name: String,
    pub rule: DateRule,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum DateRule {
    /// Weekdays, 1 Monday to 7 Sunday.
    Weekly(Vec<i8>),
    Between(Date, Date),
    /// (month, day) to (month, day) of every year; may run over New Year.
    Yearly((i8, i8), (i8, i8)),
}

impl Schedule {
    /// The first instant from `from` on at which dialling is allowed.
    pub(super) fn next_open(
        &self,
        from: Timestamp,
        zone: &TimeZone,
        special: &[SpecialDate],
    ) -> Option<Timestamp> {
        let first = zone.to_datetime(from).date();
        first.series(1.day()).take(LOOK_AHEAD_DAYS).find_map(|date| {
            self.periods(date, special).iter().find_map(|(begin, end)| {
                let begin = zone.to_timestamp(date.to_datetime(*begin)).ok()?;
                let end = zone.to_timestamp(date.to_datetime(*end)).ok()?;
                (end > from).then_some(begin.max(from))
            })
        })
    }

    fn periods(&self, date: Date, special: &[SpecialDate]) -> &[(Time, Time)] {
        if special.iter().any(|day| day.rule.covers(date)) { &self.holiday } else { &self.workday }
    }
}

impl DateRule {
    fn covers(&self, date: Date) -> bool {
        match self {
            DateRule::Weekly(days) => days.contains(&date.weekday().to_monday_one_offset()),
            DateRule::Between(begin, end) => (*begin..=*end).contains(&date),
            DateRule::Yearly(begin, end) => {
                let day = (date.month(), date.day());
                if begin <= end {
                    (*begin..=*end).contains(&day)
                } else {
                    day >= *begin || day <= *end
                }
            }
        }
    }
}
