//! Rules that a campaign states and its home cannot enforce. Until the gateway enforces them
//! itself, a campaign with such a rule is not started: nobody is called outside a window because of
//! where a campaign runs.

use jiff::Timestamp;
use jiff::civil::time;
use jiff::tz::TimeZone;

use crate::domain::policy::{CallingWindow, DayPeriod};

/// Why a campaign with this window may not dial now on a home that knows no windows; None when it
/// may. An end alone is kept by stopping the campaign then.
pub fn unenforced(window: &CallingWindow, now: Timestamp) -> Option<String> {
    let begins_later = window
        .begin
        .and_then(|begin| TimeZone::UTC.to_timestamp(begin).ok())
        .is_some_and(|begin| begin > now);
    if begins_later {
        return Some("it begins later, and its home knows no begin".to_owned());
    }
    if !window.workday.is_empty() && !window.workday.iter().any(is_all_day) {
        return Some("it may call at certain hours only, and its home knows no hours".to_owned());
    }
    if !window.special_day.is_empty() && !window.special_day.iter().any(is_all_day) {
        let reason = "it has hours for special dates, and its home knows no special dates";
        return Some(reason.to_owned());
    }
    None
}

/// The minute before midnight is the last that such schedules can say.
fn is_all_day(period: &DayPeriod) -> bool {
    period.begin == time(0, 0, 0, 0) && period.end >= time(23, 59, 0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn hours(begin: i8, end: (i8, i8)) -> DayPeriod {
        DayPeriod { begin: time(begin, 0, 0, 0), end: time(end.0, end.1, 0, 0) }
    }

    #[test]
    fn only_what_nobody_would_keep_is_refused() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let refused = |window: CallingWindow| unenforced(&window, now).is_some();
        let at = |day| Some(date(2026, 11, day).at(0, 0, 0, 0));
        let all_day = || vec![hours(0, (23, 59))];
        assert!(!refused(CallingWindow::default()));
        let open = CallingWindow { begin: at(20), end: at(30), workday: all_day(), ..default() };
        assert!(!refused(open));
        assert!(refused(CallingWindow { begin: at(22), ..default() }));
        assert!(refused(CallingWindow { workday: vec![hours(8, (17, 0))], ..default() }));
        assert!(refused(CallingWindow { special_day: vec![hours(10, (11, 0))], ..default() }));
    }

    fn default() -> CallingWindow {
        CallingWindow::default()
    }
}
