//! The dialling job. Identity (who), definition (what to do), status (how it stands) have different
//! owners, so they are different types; nothing carries all of them.

use crate::domain::phone::PhoneNumber;
use crate::domain::policy::{CallingWindow, Pacing, RetryPolicy, Rule, Unread};

/// What a campaign does, in terms of neither platform.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CampaignDefinition {
    pub name: String,
    pub description: Option<String>,
    pub caller_numbers: Vec<CallerNumber>,
    pub ring_timeout_ms: Rule<i64>,
    pub answering: Answering,
    pub pacing: Pacing,
    pub retry: RetryPolicy,
    pub window: CallingWindow,
    pub when_done: WhenDone,
    pub result_url: Option<String>,
}

impl CampaignDefinition {
    /// Rules that are said and cannot be understood, by their names. All are looked at: a field that
    /// is added must be sorted into one of the two kinds here.
    pub fn unreadable(&self) -> impl Iterator<Item = (&'static str, Unread)> {
        let Self {
            ring_timeout_ms,
            pacing: Pacing { lines_per_agent_percent },
            retry:
                RetryPolicy { attempts_per_day, days, interval_ms, exceptions, attempts_by_place: _ },
            window: CallingWindow { begin, end, workday, special_day },
            name: _,
            description: _,
            caller_numbers: _,
            answering: _,
            when_done: _,
            result_url: _,
        } = self;
        let rules = [
            ("begin", begin.why_unread()),
            ("end", end.why_unread()),
            ("hours of workdays", workday.why_unread()),
            ("hours of special dates", special_day.why_unread()),
            ("tries", attempts_per_day.why_unread()),
            ("days of tries", days.why_unread()),
            ("wait between tries", interval_ms.why_unread()),
            ("rules for some outcomes or numbers", exceptions.why_unread()),
            ("time to ring", ring_timeout_ms.why_unread()),
            ("pace", lines_per_agent_percent.why_unread()),
        ];
        rules.into_iter().filter_map(|(name, why)| Some((name, why?)))
    }

    /// This definition with what differs between two others: an edit that was made in words which
    /// cannot say everything changes only what it says.
    #[must_use]
    pub fn with_edit(mut self, before: &Self, after: Self) -> Self {
        fn take<T: PartialEq>(mine: &mut T, before: &T, after: T) {
            if *before != after {
                *mine = after;
            }
        }
        take(&mut self.name, &before.name, after.name);
        take(&mut self.description, &before.description, after.description);
        take(&mut self.caller_numbers, &before.caller_numbers, after.caller_numbers);
        take(&mut self.ring_timeout_ms, &before.ring_timeout_ms, after.ring_timeout_ms);
        take(&mut self.answering, &before.answering, after.answering);
        take(&mut self.pacing, &before.pacing, after.pacing);
        take(&mut self.retry, &before.retry, after.retry);
        take(&mut self.window, &before.window, after.window);
        take(&mut self.when_done, &before.when_done, after.when_done);
        take(&mut self.result_url, &before.result_url, after.result_url);
        self
    }
}

/// A number that the called person sees. Smaller priority = preferred.
#[derive(Debug, Clone, PartialEq)]
pub struct CallerNumber {
    pub number: PhoneNumber,
    /// Position in the campaign's list, from 0; a number that cannot be read leaves a gap.
    pub place: usize,
    pub priority: Option<i64>,
}

/// What a person who answers is connected to. Names are those of the operator's bindings (the left
/// member of the pair); None when the campaign names something that no binding knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Answering {
    #[default]
    Nothing,
    /// Agents of a group.
    Agents { group: Option<String> },
    /// A script that talks by itself.
    Script { name: Option<String> },
}

/// What happens when no contact is left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WhenDone {
    Stop,
    /// Wait for more contacts.
    #[default]
    Wait,
}

/// How a campaign stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CampaignStatus {
    Running,
    /// No new calls; calls in progress run out.
    Stopping,
    /// Never run, or paused.
    Stopped,
    /// Over for good.
    Ended,
    /// A code that no table knows, kept as received.
    Unknown(String),
}

impl CampaignStatus {
    pub fn as_str(&self) -> &str {
        match self {
            CampaignStatus::Running => "running",
            CampaignStatus::Stopping => "stopping",
            CampaignStatus::Stopped => "stopped",
            CampaignStatus::Ended => "ended",
            CampaignStatus::Unknown(code) => code,
        }
    }

    pub fn from_term(term: &str) -> Self {
        match term {
            "running" => CampaignStatus::Running,
            "stopping" => CampaignStatus::Stopping,
            "stopped" => CampaignStatus::Stopped,
            "ended" => CampaignStatus::Ended,
            other => CampaignStatus::Unknown(other.to_owned()),
        }
    }
}
