//! How calls end: forced by a rule on the number's last digits, else drawn from the seed.

use serde::Deserialize;

use super::Switches;
use crate::simulators::dice::Dice;

/// Rules that can be in force at once.
pub const MAX_RULES: usize = 1_000;
/// The code of success (6.1).
pub const SUCCESS: &str = "00000";
/// The longest ringing or talking that a rule can ask for, in seconds.
const MAX_RULE_S: u32 = 7_200;

/// Forces the outcome of calls to numbers that end in `suffix`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    pub suffix: String,
    /// Fail codes of the first, second … call to the number; the last one holds from then on.
    pub codes: Vec<String>,
    /// Seconds of ringing; drawn when left out.
    #[serde(default)]
    pub ring_s: Option<u32>,
    /// Seconds of talking after an answer; drawn when left out.
    #[serde(default)]
    pub talk_s: Option<u32>,
}

/// How one call goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub code: String,
    pub ring_s: u32,
    /// 0 when nobody answered.
    pub talk_s: u32,
}

/// Which call of the campaign this is; the draw belongs to it, whenever it is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallKey<'a> {
    pub campaign: i64,
    pub record: usize,
    pub number: usize,
    /// 0 for the first call to the number.
    pub attempt: u32,
    pub called: &'a str,
    /// Ringing longer than this is released.
    pub max_alerting_s: u32,
}

/// One external result and the fail codes that show as it (section 7: many to one).
#[derive(Debug)]
pub(super) struct External {
    pub code: &'static str,
    pub display: &'static str,
    result_type: i64,
    pub fail_codes: &'static [&'static str],
}

/// What a drawn failure is, with its weight.
const FAILURES: [(&str, u64); 8] = [
    ("00603", 40),
    ("00537", 20),
    ("00548", 10),
    ("00538", 8),
    ("00549", 7),
    ("00604", 6),
    ("01040", 5),
    ("00601", 4),
];

/// External codes of the fail codes of 6.1. Only `OB99999` is the vendor's; the factory list is not
/// published, so the others are this simulator's own.
pub(super) const EXTERNAL: [External; 12] = [
    External::new("OB99999", "Success", 0, &["00000", "0"]),
    External::new("OB00001", "No answer", 4, &["00603", "01040"]),
    External::new("OB00002", "Busy", 1, &["00537"]),
    External::new("OB00003", "Vacant or wrong number", 3, &["00538"]),
    External::new("OB00004", "Switched off", 5, &["00548"]),
    External::new("OB00005", "Out of coverage", 5, &["00549"]),
    External::new("OB00006", "Rejected", 2, &["00604"]),
    External::new("OB00007", "User hung up", 6, &["00531", "00551", "00601", "00701"]),
    External::new("OB00008", "Queue timeout", 7, &["00702", "01046"]),
    External::new("OB00009", "Internal timeout", 7, &["01043", "01049", "34608"]),
    External::new("OB00010", "Resources short", 7, &["00602", "00605", "01048", "34606"]),
    External::new("OB00011", "System error", 8, &["00606", "34601", "34605", "34611"]),
];

/// The external code of anything that no row maps.
pub(super) const OTHER_EXTERNAL: &str = "OB00012";

impl Rule {
    /// What is wrong with the rule, if anything.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let five_digits =
            |code: &String| code.len() == 5 && code.bytes().all(|b| b.is_ascii_digit());
        if self.codes.is_empty() || !self.codes.iter().all(five_digits) {
            return Some("codes: one or more fail codes of five digits");
        }
        if self.ring_s.max(self.talk_s).is_some_and(|s| s > MAX_RULE_S) {
            return Some("ringS, talkS: at most 7200");
        }
        None
    }
}

impl Outcome {
    /// The newest matching rule, else the draw.
    pub(super) fn of(call: &CallKey<'_>, rules: &[Rule], dice: &Dice, answer_rate: f64) -> Self {
        let rule = rules.iter().rev().find(|rule| call.called.ends_with(&rule.suffix));
        let draw = Draw { label: call.label(), attempt: u64::from(call.attempt), dice };
        let code = match rule {
            Some(rule) => {
                let last = rule.codes.len().saturating_sub(1);
                let nth = usize::try_from(call.attempt).unwrap_or(last).min(last);
                rule.codes.get(nth).map_or(SUCCESS, String::as_str)
            }
            None if draw.fraction("answer") < answer_rate => SUCCESS,
            None => draw.failure(),
        };
        let drawn_ring_s = match code {
            "00603" | "01040" => call.max_alerting_s,
            "00537" | "00538" | "00548" | "00549" => draw.between("ring", 1, 4),
            _ => draw.between("ring", 3, call.max_alerting_s.clamp(3, 15)),
        };
        let drawn_talk_s = || draw.between("talk", 10, 60);
        let rule_s = |member: fn(&Rule) -> Option<u32>| rule.and_then(member);
        let talk_s = if is_success(code) {
            rule_s(|rule| rule.talk_s).unwrap_or_else(drawn_talk_s)
        } else {
            0
        };
        Self {
            code: code.to_owned(),
            ring_s: rule_s(|rule| rule.ring_s).unwrap_or(drawn_ring_s),
            talk_s,
        }
    }
}

pub(super) fn is_success(code: &str) -> bool {
    code == SUCCESS || code == "0"
}

/// The code as this installation writes it.
pub(super) fn shown(code: &str, switches: &Switches) -> String {
    if is_success(code) && switches.short_success_code { "0".to_owned() } else { code.to_owned() }
}

pub(super) fn external_code(fail_code: &str) -> &'static str {
    row(fail_code).map_or(OTHER_EXTERNAL, |row| row.code)
}

/// The result type that retry policies name. The vendor's numbers are not published; only 4 is seen
/// in a sample, and which result it means is not said.
pub(super) fn result_type(fail_code: &str) -> i64 {
    row(fail_code).map_or(9, |row| row.result_type)
}

fn row(fail_code: &str) -> Option<&'static External> {
    EXTERNAL.iter().find(|row| row.fail_codes.contains(&fail_code))
}

impl External {
    const fn new(
        code: &'static str,
        display: &'static str,
        result_type: i64,
        fail_codes: &'static [&'static str],
    ) -> Self {
        Self { code, display, result_type, fail_codes }
    }
}

impl CallKey<'_> {
    fn label(&self) -> String {
        format!("{}/{}/{}", self.campaign, self.record, self.number)
    }
}

struct Draw<'a> {
    label: String,
    attempt: u64,
    dice: &'a Dice,
}

impl Draw<'_> {
    fn fraction(&self, what: &str) -> f64 {
        self.dice.fraction(&format!("{what} {}", self.label), self.attempt)
    }

    fn between(&self, what: &str, low: u32, high: u32) -> u32 {
        let label = format!("{what} {}", self.label);
        let drawn = self.dice.between(&label, self.attempt, low.into(), high.into());
        u32::try_from(drawn).unwrap_or(high)
    }

    fn failure(&self) -> &'static str {
        let total = FAILURES.iter().map(|(_, weight)| weight).sum::<u64>();
        let label = format!("failure {}", self.label);
        let mut left = self.dice.between(&label, self.attempt, 1, total);
        for (code, weight) in FAILURES {
            if left <= weight {
                return code;
            }
            left -= weight;
        }
        FAILURES[0].0
    }
}
