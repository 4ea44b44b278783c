//! Rules that a campaign states and its home cannot enforce. Until the gateway enforces them
//! itself, a campaign with such a rule does not dial: nobody is called outside a window because of
//! where a campaign runs, and nobody because a rule could not be understood.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::domain::campaign::CampaignDefinition;
use crate::domain::policy::{DayPeriod, Rule, Unread};
use crate::mapping::engine::account::FieldOutcome;

/// What a client stated of a campaign in words that its home does not speak.
#[derive(Debug, Clone, PartialEq)]
pub struct Stated {
    pub definition: CampaignDefinition,
    /// The home itself keeps begin, end, hours and special dates.
    pub windows_are_kept: bool,
    /// What of it, beside the calling window, was lost on the way to its home by which more may be
    /// called than it allows.
    pub widening: Option<FieldOutcome>,
}

/// When a campaign stops by the gateway's hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Nobody stated one, or the home keeps it.
    Never,
    At(Timestamp),
    /// One is stated and nobody knows when: it has come.
    Unknown(Unread),
}

/// Why a campaign may not dial now; None when it may. An end alone is kept by stopping the campaign
/// then.
pub fn unenforced(stated: &Stated, now: Timestamp) -> Option<String> {
    let Stated { definition, windows_are_kept, widening } = stated;
    if let Some((rule, why)) = definition.unreadable().next() {
        return Some(format!("its {rule} cannot be understood ({why}); state them anew"));
    }
    if let Some(lost) = widening {
        return Some(format!("its home cannot keep what it states: {lost}"));
    }
    if *windows_are_kept {
        return None;
    }
    let window = &definition.window;
    if let Rule::Stated(begin) = window.begin
        && begin > now.to_zoned(TimeZone::UTC).datetime()
    {
        return Some("it begins later, and its home knows no begin".to_owned());
    }
    if is_limited(&window.workday) {
        return Some("it may call at certain hours only, and its home knows no hours".to_owned());
    }
    if is_limited(&window.special_day) {
        let reason = "it has hours for special dates, and its home knows no special dates";
        return Some(reason.to_owned());
    }
    None
}

impl Stated {
    /// When the gateway stops the campaign.
    pub fn end(&self) -> End {
        if self.windows_are_kept {
            return End::Never;
        }
        match self.definition.window.end {
            Rule::Absent => End::Never,
            Rule::Stated(end) => utc(end),
            Rule::Unreadable(why) => End::Unknown(why),
        }
    }
}

/// An end so late that no clock shows it does not come.
fn utc(end: DateTime) -> End {
    match TimeZone::UTC.to_timestamp(end) {
        Ok(end) => End::At(end),
        Err(_) if end > DateTime::constant(2026, 1, 1, 0, 0, 0, 0) => End::Never,
        Err(_) => End::At(Timestamp::MIN),
    }
}

fn is_limited(hours: &Rule<Vec<DayPeriod>>) -> bool {
    match hours {
        Rule::Absent => false,
        Rule::Stated(periods) => !periods.iter().any(DayPeriod::is_all_day),
        Rule::Unreadable(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::CallingWindow;
    use crate::mapping::engine::Outcome;
    use jiff::civil::{date, time};

    fn hours(begin: i8, end: (i8, i8)) -> DayPeriod {
        DayPeriod { begin: time(begin, 0, 0, 0), end: time(end.0, end.1, 0, 0) }
    }

    fn stated(window: CallingWindow) -> Stated {
        let definition = CampaignDefinition { window, ..CampaignDefinition::default() };
        Stated { definition, windows_are_kept: false, widening: None }
    }

    #[test]
    fn only_what_nobody_would_keep_is_refused() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let refused = |window: CallingWindow| unenforced(&stated(window), now).is_some();
        let at = |day| Rule::Stated(date(2026, 11, day).at(0, 0, 0, 0));
        let all_day = || Rule::Stated(vec![hours(0, (23, 59))]);
        let default = CallingWindow::default;
        assert!(!refused(default()));
        let open = CallingWindow { begin: at(20), end: at(30), workday: all_day(), ..default() };
        assert!(!refused(open));
        assert!(refused(CallingWindow { begin: at(22), ..default() }));
        // No timestamp is so late; it is a begin all the same.
        let last = Rule::Stated(date(9999, 12, 31).at(23, 59, 59, 0));
        assert!(refused(CallingWindow { begin: last, ..default() }));
        assert_eq!(stated(CallingWindow { end: last, ..default() }).end(), End::Never);
        let office = || Rule::Stated(vec![hours(8, (17, 0))]);
        assert!(refused(CallingWindow { workday: office(), ..default() }));
        assert!(refused(CallingWindow { special_day: office(), ..default() }));
        assert!(refused(CallingWindow { workday: Rule::Stated(Vec::new()), ..default() }));
    }

    #[test]
    fn what_is_lost_and_limits_is_refused_wherever_windows_are_kept() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let mut known = stated(CallingWindow::default());
        known.windows_are_kept = true;
        known.widening = Some(FieldOutcome {
            field: "turns".to_owned(),
            outcome: Outcome::Dropped,
            reason: "no rounds".to_owned(),
            widens: true,
        });
        assert!(unenforced(&known, now).is_some_and(|reason| reason.ends_with("turns: no rounds")));
    }

    #[test]
    fn a_rule_that_nobody_understands_is_refused_wherever_it_is_kept() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let why = "it is not a time";
        let mut known = stated(CallingWindow::default());
        known.windows_are_kept = true;
        known.definition.window.workday = Rule::Stated(vec![hours(8, (17, 0))]);
        assert_eq!(unenforced(&known, now), None);
        known.definition.retry.attempts_per_day = Rule::unreadable(why);
        assert!(unenforced(&known, now).is_some_and(|reason| reason.contains(why)));
        let end = CallingWindow { end: Rule::unreadable(why), ..CallingWindow::default() };
        assert!(unenforced(&stated(end.clone()), now).is_some());
        assert!(matches!(stated(end).end(), End::Unknown(_)));
    }
}
