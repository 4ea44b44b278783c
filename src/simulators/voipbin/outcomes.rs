//! How attempts end: by rule where a test or an operator says so, else by chance from the seed.
//!
//! Text: rules separated by commas, each `suffix=outcome[:duration][/outcome[:duration]]…`. The rule
//! with the longest suffix of the dialled address wins; `*` is the empty suffix. The outcomes of a
//! rule come one per attempt at that address, the last repeats. Example:
//! `0001=busy:19s/noanswer, *=normal:8s`.

use std::str::FromStr;

use jiff::SignedDuration;

use crate::simulators::dice::Dice;

/// The reason under which "creating the call failed" is stated (VB 9.6, last paragraph).
pub const CREATE_FAILED: &str = "create-failed";
/// The reason under which the empty hangup reason is stated.
pub const NO_REASON: &str = "none";
/// An attempt lasts at most this long.
const MAX_DURATION: SignedDuration = SignedDuration::from_hours(24);

/// Rules in force; the default has none, so that everything is drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcomes {
    text: String,
    /// Longest suffix first.
    rules: Vec<Rule>,
}

/// How one attempt goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// A hangup reason of VB 9.6, [`NO_REASON`] or [`CREATE_FAILED`].
    pub reason: &'static str,
    /// From the start of the attempt to its end.
    pub lasts: SignedDuration,
    /// From the start of the attempt to the answer; None when nobody answers.
    pub answered_after: Option<SignedDuration>,
}

/// Why a text does not state outcomes; one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("outcome `{item}`: {problem}")]
pub struct OutcomesError {
    item: String,
    problem: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    suffix: String,
    steps: Vec<(Habit, Option<SignedDuration>)>,
}

/// How often a reason is drawn, and how long its attempts last, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Habit {
    reason: &'static str,
    percent: u64,
    answered: bool,
    lasts_s: (u64, u64),
}

const fn habit(reason: &'static str, percent: u64, answered: bool, lasts_s: (u64, u64)) -> Habit {
    Habit { reason, percent, answered, lasts_s }
}

/// Percentages are invented; the simulator's aim is that every reason occurs.
const HABITS: [Habit; 10] = [
    habit("normal", 60, true, (15, 150)),
    habit("noanswer", 14, false, (20, 45)),
    habit("busy", 10, false, (1, 5)),
    habit("failed", 5, false, (1, 3)),
    habit("dialout", 4, false, (60, 60)),
    habit("cancel", 2, false, (5, 20)),
    habit("amd", 3, true, (10, 20)),
    habit("timeout", 2, true, (120, 180)),
    habit(NO_REASON, 0, false, (1, 5)),
    habit(CREATE_FAILED, 0, false, (0, 0)),
];

/// The result of a campaigncall by hangup reason; None where the platform has none.
pub fn result_of(reason: &str) -> Option<&'static str> {
    match reason {
        "normal" => Some("success"),
        "" | NO_REASON => None,
        _ => Some("fail"),
    }
}

impl Outcomes {
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The outcome of attempt `number` (from 0) at `address`.
    pub fn decide(&self, dice: &Dice, address: &str, number: u64) -> Outcome {
        let rule = self.rules.iter().find(|rule| address.ends_with(&rule.suffix));
        let step = rule.and_then(|rule| {
            let index = usize::try_from(number).unwrap_or(usize::MAX);
            rule.steps.get(index).or(rule.steps.last())
        });
        let (habit, lasts) = step.copied().unwrap_or_else(|| (drawn(dice, address, number), None));
        let lasts = lasts.unwrap_or_else(|| {
            let (low, high) = habit.lasts_s;
            milliseconds(dice.between(&format!("lasts {address}"), number, low * 1000, high * 1000))
        });
        let ringing = milliseconds(dice.between(&format!("rings {address}"), number, 2000, 12_000));
        let answered_after = habit.answered.then(|| ringing.min(lasts / 2));
        Outcome { reason: habit.reason, lasts, answered_after }
    }
}

impl FromStr for Outcomes {
    type Err = OutcomesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut rules = Vec::new();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let rule = parse_rule(item)
                .map_err(|problem| OutcomesError { item: item.to_owned(), problem })?;
            rules.push(rule);
        }
        rules.sort_by_key(|rule: &Rule| std::cmp::Reverse(rule.suffix.len()));
        Ok(Self { text: text.trim().to_owned(), rules })
    }
}

fn parse_rule(item: &str) -> Result<Rule, String> {
    let (suffix, steps) = item.split_once('=').ok_or("is not suffix=outcome")?;
    let suffix = suffix.trim().trim_start_matches('*').to_owned();
    let steps = steps.split('/').map(parse_step).collect::<Result<_, _>>()?;
    Ok(Rule { suffix, steps })
}

fn parse_step(text: &str) -> Result<(Habit, Option<SignedDuration>), String> {
    let (reason, lasts) = match text.split_once(':') {
        Some((reason, lasts)) => (reason.trim(), Some(lasts.trim())),
        None => (text.trim(), None),
    };
    let habit = HABITS.into_iter().find(|habit| habit.reason == reason).ok_or_else(|| {
        let known: Vec<&str> = HABITS.iter().map(|habit| habit.reason).collect();
        format!("`{reason}` is unknown; known are {}", known.join(", "))
    })?;
    let lasts = lasts.map(|text| match text.parse::<SignedDuration>() {
        Ok(lasts) if !lasts.is_negative() && lasts <= MAX_DURATION => Ok(lasts),
        _ => Err(format!("`{text}` is not a duration up to 24h such as 19s")),
    });
    Ok((habit, lasts.transpose()?))
}

fn drawn(dice: &Dice, address: &str, number: u64) -> Habit {
    let mut left = dice.between(&format!("outcome {address}"), number, 0, 99);
    for habit in HABITS {
        match left.checked_sub(habit.percent) {
            Some(rest) => left = rest,
            None => return habit,
        }
    }
    HABITS[0]
}

fn milliseconds(count: u64) -> SignedDuration {
    SignedDuration::from_millis(i64::try_from(count).unwrap_or(i64::MAX))
}
