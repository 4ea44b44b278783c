//! What limits calls in VoIPBin's documents, read in one place: numbers, all of them. The platform
//! checks none (reference 5.2), and no page says what a negative one would mean.

use serde_json::Value;

use crate::domain::policy::Rule;
use crate::platforms::DialingRules;
use crate::platforms::voipbin::wire::{Campaign, Outplan};

/// Why a negative number is no limit.
pub const NEGATIVE: &str = "a number that is not negative is expected";

/// The type of campaigns that call people and do what their actions say.
const CALL: &str = "call";
const MAX_TRY_COUNTS: [&str; 5] =
    ["max_try_count_0", "max_try_count_1", "max_try_count_2", "max_try_count_3", "max_try_count_4"];

/// Whether a campaign can be run on another platform: a limit that it lacks must not become that
/// platform's default.
///
/// # Errors
/// The reason why not.
pub fn check_portable(campaign: &Value, outplan: &DialingRules) -> Result<(), &'static str> {
    // Without an outplan the server stops at once; a flow calls nobody; an unknown type has no executor
    // (reference 9.1, 9.5, 9.7).
    if campaign["type"].as_str() != Some(CALL) {
        return Err("its type is not call, and only VoIPBin itself runs another");
    }
    let outplan = match outplan {
        DialingRules::Document(outplan) => outplan,
        DialingRules::OfHome => return Ok(()),
        DialingRules::Missing => {
            return Err("it has no outplan, so nothing says how often a number may be called");
        }
    };
    let allows = |member: &str| outplan[member].as_i64().is_some_and(|tries| tries > 0);
    if !MAX_TRY_COUNTS.into_iter().any(allows) {
        return Err("max_try_count_0 to max_try_count_4 are all 0, so nobody may be called");
    }
    Ok(())
}

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
