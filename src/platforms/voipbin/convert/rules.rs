//! What limits calls in VoIPBin's documents, read in one place: numbers, all of them. The platform
//! checks none (reference 5.2), and no page says what a negative one would mean.

use crate::domain::policy::Rule;
use crate::platforms::voipbin::wire::{Campaign, Outplan};

/// Why a negative number is no limit.
pub const NEGATIVE: &str = "a number that is not negative is expected";

/// A limit that is a number.
pub fn limit(number: i64) -> Rule<i64> {
    if number >= 0 { Rule::Stated(number) } else { Rule::unreadable(NEGATIVE) }
}

/// The member of an outplan whose number cannot be understood.
pub fn misread_outplan(outplan: &Outplan) -> Option<&'static str> {
    misread([
        ("dial_timeout", outplan.dial_timeout),
        ("try_interval", outplan.try_interval),
        ("max_try_count_0", outplan.max_try_count_0),
        ("max_try_count_1", outplan.max_try_count_1),
        ("max_try_count_2", outplan.max_try_count_2),
        ("max_try_count_3", outplan.max_try_count_3),
        ("max_try_count_4", outplan.max_try_count_4),
    ])
}

/// The same of a campaign.
pub fn misread_campaign(campaign: &Campaign) -> Option<&'static str> {
    misread([("service_level", campaign.service_level)])
}

fn misread<const N: usize>(limits: [(&'static str, i64); N]) -> Option<&'static str> {
    limits.into_iter().find_map(|(member, number)| limit(number).why_unread().map(|_| member))
}
