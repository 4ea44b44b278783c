//! When a number is called again (reference 3.5, 3.9): retry policies read from their JSON texts,
//! and the decision after a call.
//!
//! How the two kinds of policy work together is not described. Here a result policy that names the
//! call's result decides alone; otherwise the ordinary policy does: so many calls a day, on so many
//! days. Both count per number.

use std::collections::BTreeMap;

use serde_json::Value;

use super::answer::{COMBINATION, CONVERSION, EMPTY, WRONG_VALUE};
use super::checks::{Fields, Findings, Text, Whole, quoted_json};

/// Longest policy text, in characters; no page states one.
const MAX_POLICY_CHARS: usize = 8_000;
/// Seconds between calls where a policy has none of its own (type policies: 3.5).
const DEFAULT_INTERVAL_S: i64 = 600;

/// All rules of a campaign.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Rules {
    global: Policy,
    /// By number type; when present, they replace the global ones.
    typed: Option<BTreeMap<String, Policy>>,
    /// External codes after which a number is not called again.
    no_retry: Vec<String>,
    business: Vec<BusinessRule>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Policy {
    ordinary: Option<Ordinary>,
    results: Vec<ResultRule>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Ordinary {
    days: i64,
    calls_per_day: i64,
    interval_s: i64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct ResultRule {
    result: i64,
    interval_s: i64,
    calls_again: i64,
}

#[derive(Debug, Clone, PartialEq)]
struct BusinessRule {
    code: String,
    sub_code: String,
    policy: i64,
    interval_s: i64,
}

/// What is known of a number when its call has failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tried<'a> {
    pub number_type: Option<&'a str>,
    pub result: i64,
    pub external_code: &'a str,
    /// Calls to this number that ended with this result, this one included.
    pub with_result: i64,
    pub today: i64,
    /// Days on which it was called, today included.
    pub days: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Stop,
    AfterSeconds(i64),
    /// As soon as calls are allowed tomorrow.
    Tomorrow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterBusiness {
    Stop,
    NextNumber { after_s: i64 },
    SameNumber { after_s: i64 },
}

impl Rules {
    /// Checks and reads a retry policy: `retryPolicy` of V2, or the body of 3.9.
    pub(super) fn read(fields: &Fields<'_>, found: &mut Findings) -> Self {
        let by_type = fields.choice(found, "policyType", (true, &[0, 1])) == Some(1);
        let business = json_list(fields, found, "busiPolicy", false)
            .iter()
            .filter_map(|item| BusinessRule::read(item, fields, found))
            .collect();
        let no_retry = read_no_retry(fields, found);
        if by_type && !no_retry.is_empty() {
            found.note(COMBINATION, &fields.path_of("noRetryPolicy"), "not with policyType 1");
        }
        if by_type {
            let typed = read_typed(fields, found);
            return Self { global: Policy::default(), typed: Some(typed), no_retry, business };
        }
        let results: Vec<ResultRule> = json_list(fields, found, "resultRetry", false)
            .iter()
            .filter_map(|item| ResultRule::read(item, ("resultRetry", fields), found))
            .collect();
        let ordinary = read_ordinary(fields, found);
        // 3.9 carries a global policy in policyJson too.
        let global = if fields.has("policyJson") {
            let mut typed = read_typed(fields, found);
            typed.pop_first().map_or_else(Policy::default, |(_, policy)| policy)
        } else {
            Policy { ordinary, results }
        };
        if global.ordinary.is_none() && global.results.is_empty() && business_only(fields) {
            let why = "retryDay, retryTimes and callInterval, or resultRetry";
            found.note(COMBINATION, &fields.path_of("policyType"), why);
        }
        Self { global, typed: None, no_retry, business }
    }

    pub(super) fn decide(&self, tried: &Tried<'_>) -> Next {
        if self.no_retry.iter().any(|code| code == tried.external_code) {
            return Next::Stop;
        }
        let policy = match (&self.typed, tried.number_type) {
            (Some(typed), Some(kind)) => typed.get(kind),
            (Some(_), None) => None,
            (None, _) => Some(&self.global),
        };
        let Some(policy) = policy else { return Next::Stop };
        if let Some(rule) = policy.results.iter().find(|rule| rule.result == tried.result) {
            return if tried.with_result <= rule.calls_again {
                Next::AfterSeconds(rule.interval_s)
            } else {
                Next::Stop
            };
        }
        match policy.ordinary {
            Some(ordinary) if tried.today < ordinary.calls_per_day => {
                Next::AfterSeconds(ordinary.interval_s)
            }
            Some(ordinary) if tried.days < ordinary.days => Next::Tomorrow,
            _ => Next::Stop,
        }
    }

    /// What a business result that was written back leads to, if the campaign has a rule for it.
    pub(super) fn after_business(&self, code: &str, sub_code: &str) -> Option<AfterBusiness> {
        let rule = self.business.iter().find(|rule| {
            rule.code == code && (rule.sub_code.is_empty() || rule.sub_code == sub_code)
        })?;
        Some(match rule.policy {
            0 => AfterBusiness::Stop,
            1 => AfterBusiness::NextNumber { after_s: rule.interval_s },
            _ => AfterBusiness::SameNumber { after_s: rule.interval_s },
        })
    }
}

/// Whether nothing but business rules could be meant; then the ordinary ones must be there.
fn business_only(fields: &Fields<'_>) -> bool {
    !fields.has("busiPolicy") && !fields.has("noRetryPolicy")
}

fn read_ordinary(fields: &Fields<'_>, found: &mut Findings) -> Option<Ordinary> {
    let rule = Whole::optional(1, i64::from(i32::MAX));
    let days = fields.whole(found, "retryDay", rule);
    let calls_per_day = fields.whole(found, "retryTimes", rule);
    let interval_s = fields.whole(found, "callInterval", rule);
    match (days, calls_per_day, interval_s) {
        (Some(days), Some(calls_per_day), Some(interval_s)) => {
            Some(Ordinary { days, calls_per_day, interval_s })
        }
        (None, None, _) => None,
        _ => {
            let why = "retryDay, retryTimes and callInterval belong together";
            found.note(COMBINATION, &fields.path_of("retryDay"), why);
            None
        }
    }
}

/// A list of strings in requests (3.9), one text in answers (3.5); both are read.
fn read_no_retry(fields: &Fields<'_>, found: &mut Findings) -> Vec<String> {
    if let Some(Value::String(text)) = fields.raw("noRetryPolicy") {
        return text
            .split(',')
            .map(str::trim)
            .filter(|c| !c.is_empty())
            .map(str::to_owned)
            .collect();
    }
    let items = fields.list(found, "noRetryPolicy", false).unwrap_or_default();
    let codes = items.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
    if codes.len() != items.len() {
        let path = fields.path_of("noRetryPolicy");
        found.note(super::answer::WRONG_TYPE, &path, "must hold strings");
    }
    codes
}

/// `policyJson`: ordinary and result policies per number type.
fn read_typed(fields: &Fields<'_>, found: &mut Findings) -> BTreeMap<String, Policy> {
    let mut typed: BTreeMap<String, Policy> = BTreeMap::new();
    let path = fields.path_of("policyJson");
    for item in json_list(fields, found, "policyJson", true) {
        let kind = item.get("dataType").and_then(Value::as_str).unwrap_or_default();
        let policy = typed.entry(kind.to_owned()).or_default();
        // The 2023 edition of 3.9 writes the members beside `type` instead of inside `policy`.
        let inner = item.get("policy").unwrap_or(&item);
        let parts = inner.as_array().map_or_else(|| vec![inner], |parts| parts.iter().collect());
        match item.get("type").and_then(Value::as_i64) {
            Some(0) => {
                let part = parts.first().copied().unwrap_or(&item);
                match (int(part, "retryDay"), int(part, "retryTimes")) {
                    (Some(days), Some(calls_per_day)) => {
                        let interval_s = int(part, "callInterval").unwrap_or(DEFAULT_INTERVAL_S);
                        policy.ordinary = Some(Ordinary { days, calls_per_day, interval_s });
                    }
                    _ => found.note(EMPTY, &path, "retryDay and retryTimes must be given"),
                }
            }
            Some(1) => policy.results.extend(
                parts
                    .iter()
                    .filter_map(|part| ResultRule::read(part, ("policyJson", fields), found)),
            ),
            _ => found.note(WRONG_VALUE, &path, "type must be 0 or 1"),
        }
    }
    typed
}

/// The items of a JSON text (or, as the samples also have it, of a real list).
fn json_list(fields: &Fields<'_>, found: &mut Findings, name: &str, required: bool) -> Vec<Value> {
    if let Some(Value::Array(items)) = fields.raw(name) {
        return items.clone();
    }
    let rule = Text::optional(MAX_POLICY_CHARS);
    let Some(text) = fields.text(found, name, rule) else {
        // Only for the type policies is the text mandatory, so a combination.
        if required && !fields.has(name) {
            found.note(COMBINATION, &fields.path_of(name), "must be given with policyType 1");
        }
        return Vec::new();
    };
    match quoted_json(text) {
        Some(Value::Array(items)) => items,
        Some(item @ Value::Object(_)) => vec![item],
        _ => {
            found.note(CONVERSION, &fields.path_of(name), "must be a JSON list");
            Vec::new()
        }
    }
}

impl ResultRule {
    fn read(
        item: &Value,
        (name, fields): (&str, &Fields<'_>),
        found: &mut Findings,
    ) -> Option<Self> {
        let read = (int(item, "result"), int(item, "callInterval"), int(item, "retryNumber"));
        if let (Some(result), Some(interval_s), Some(calls_again)) = read {
            return Some(Self { result, interval_s, calls_again });
        }
        let why = "result, callInterval and retryNumber must be given";
        found.note(EMPTY, &fields.path_of(name), why);
        None
    }
}

impl BusinessRule {
    fn read(item: &Value, fields: &Fields<'_>, found: &mut Findings) -> Option<Self> {
        let path = fields.path_of("busiPolicy");
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
        let (code, policy) = (text("busiResultCode"), int(item, "busiResultPolicy"));
        let Some(policy) = policy.filter(|_| !code.is_empty()) else {
            found.note(EMPTY, &path, "busiResultCode and busiResultPolicy must be given");
            return None;
        };
        let interval_s = int(item, "callInterval");
        let fits = match policy {
            0 => interval_s.is_none_or(|s| s == 0),
            1 | 2 => interval_s.is_some_and(|s| (1..=3600).contains(&s)),
            _ => false,
        };
        if !fits {
            found.note(WRONG_VALUE, &path, "busiResultPolicy 0–2 with callInterval 1–3600");
            return None;
        }
        let sub_code = text("busiResultSubCode").to_owned();
        let interval_s = interval_s.unwrap_or(0);
        Some(Self { code: code.to_owned(), sub_code, policy, interval_s })
    }
}

/// An integer, also one written as text.
fn int(item: &Value, name: &str) -> Option<i64> {
    let value = item.get(name)?;
    value.as_i64().or_else(|| value.as_str()?.parse().ok()).filter(|number| *number >= 0)
}
