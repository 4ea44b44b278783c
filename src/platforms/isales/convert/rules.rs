//! What limits calls in a CC-iSales document, read in one place: the facade refuses what this calls
//! wrong, and in a platform's own document it is a rule that cannot be understood.

use jiff::civil::{DateTime, Time};
use serde_json::{Map, Value};

use crate::domain::moment;
use crate::domain::policy::{DayPeriod, RetryPolicy, Rule, Unread};
use crate::mapping::engine::{Finding, Outcome};
use crate::mapping::table::Table;
use crate::platforms::isales::convert::campaign::{NOT_STARTED, said, unread};
use crate::platforms::isales::convert::{milliseconds, whole_seconds};
use crate::platforms::isales::wire;

const ATTEMPTS_BY_PLACE: [&str; 5] = [
    // The first number's stands for all where a platform does not tell them apart.
    "retry.attempts_per_day",
    "retry.attempts_by_place[1]",
    "retry.attempts_by_place[2]",
    "retry.attempts_by_place[3]",
    "retry.attempts_by_place[4]",
];
/// Longest JSON inside a text that is read (no page states one).
const MAX_JSON_CHARS: usize = 2000;
/// `policyType`: a policy for each type of number; 0 is one for all.
pub const BY_NUMBER_TYPE: i64 = 1;
/// Longest wait after a business result, in seconds (reference 3.5).
const BUSINESS_WAIT_S: std::ops::RangeInclusive<i64> = 1..=3600;

/// Why a value cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    HalfATime,
    TooShort,
    NotATime,
    HalfAPeriod,
    EndsFirst,
    NotADateTime,
    NotJson,
    NotAList,
    NotACount,
    NotACode,
    NotAPolicyType,
    /// An item of a list lacks what it is useless without.
    Incomplete,
}

/// A member and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misread {
    pub member: &'static str,
    pub flaw: Flaw,
}

/// Which days a period of a schedule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    Work,
    Special,
}

/// The periods of `scheduleParam` by the names of their begin and end (reference 3.5).
pub const PERIODS: [(Day, [&str; 2]); 6] = [
    (Day::Work, ["workdayBeginTime1", "workdayEndTime1"]),
    (Day::Work, ["workdayBeginTime2", "workdayEndTime2"]),
    (Day::Work, ["workdayBeginTime3", "workdayEndTime3"]),
    (Day::Special, ["holidayBeginTime1", "holidayEndTime1"]),
    (Day::Special, ["holidayBeginTime2", "holidayEndTime2"]),
    (Day::Special, ["holidayBeginTime3", "holidayEndTime3"]),
];

/// `strBeginTime` or `strEndTime`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub at: DateTime,
    /// A bare date stands for its first second (reference 16). Answers have it, requests may not.
    pub is_bare_date: bool,
}

/// An item of `policyJson`: how numbers of one type are tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NumberPolicy {
    Ordinary(Tries),
    ByResult(Vec<ResultPolicy>),
}

/// How often a number is tried, whatever came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tries {
    pub days: i64,
    pub per_day: i64,
    pub interval_s: Option<i64>,
}

/// How often a call that ended with one type of result is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResultPolicy {
    pub result: i64,
    pub repeats: i64,
    pub interval_s: i64,
}

/// The times of a schedule in the order of [`PERIODS`].
pub fn period_texts(schedule: &wire::ScheduleParam) -> [[Option<&str>; 2]; 6] {
    let s = schedule;
    [
        [s.workday_begin_time1.as_deref(), s.workday_end_time1.as_deref()],
        [s.workday_begin_time2.as_deref(), s.workday_end_time2.as_deref()],
        [s.workday_begin_time3.as_deref(), s.workday_end_time3.as_deref()],
        [s.holiday_begin_time1.as_deref(), s.holiday_end_time1.as_deref()],
        [s.holiday_begin_time2.as_deref(), s.holiday_end_time2.as_deref()],
        [s.holiday_begin_time3.as_deref(), s.holiday_end_time3.as_deref()],
    ]
}

/// A period by the names and texts of its begin and end; None when it is unused, which null and `""`
/// say (reference 3.5).
///
/// # Errors
/// The member that is wrong: a time, the half that is missing, or an end that is not after its begin.
pub fn period(
    [begin_name, end_name]: [&'static str; 2],
    [begin, end]: [Option<&str>; 2],
) -> Result<Option<DayPeriod>, Misread> {
    let wrong = |member, flaw| Misread { member, flaw };
    let begin = clock(begin).map_err(|flaw| wrong(begin_name, flaw))?;
    let end = clock(end).map_err(|flaw| wrong(end_name, flaw))?;
    match (begin, end) {
        (None, None) => Ok(None),
        (Some(begin), Some(end)) if begin < end => Ok(Some(DayPeriod { begin, end })),
        (Some(_), Some(_)) => Err(wrong(end_name, Flaw::EndsFirst)),
        (Some(_), None) => Err(wrong(end_name, Flaw::HalfAPeriod)),
        (None, Some(_)) => Err(wrong(begin_name, Flaw::HalfAPeriod)),
    }
}

fn clock(text: Option<&str>) -> Result<Option<Time>, Flaw> {
    match text {
        None | Some("") => Ok(None),
        Some(text) if !text.contains(':') || text.split(':').any(str::is_empty) => {
            Err(Flaw::HalfATime)
        }
        Some(text) if text.chars().count() < 5 => Err(Flaw::TooShort),
        Some(text) => moment::clock(text).map(Some).ok_or(Flaw::NotATime),
    }
}

/// A begin or end; None when there is none.
///
/// # Errors
/// When it is no date and time.
pub fn moment(text: Option<&str>) -> Result<Option<Moment>, Flaw> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let full = moment::date_time(text).map(|at| Moment { at, is_bare_date: false });
    let bare = || {
        let at = moment::date(text)?.to_datetime(Time::midnight());
        Some(Moment { at, is_bare_date: true })
    };
    full.or_else(bare).map(Some).ok_or(Flaw::NotADateTime)
}

/// Everything in a retry policy that is not a plain number: its type, and the lists, most of them JSON in
/// a text.
///
/// # Errors
/// The first member that is wrong.
pub fn check_policy(policy: &wire::RetryPolicy) -> Result<(), Misread> {
    let wrong = |member| move |flaw| Misread { member, flaw };
    if !matches!(policy.policy_type, None | Some(0..=1)) {
        return Err(wrong("policyType")(Flaw::NotAPolicyType));
    }
    number_policies(policy.policy_json.as_ref()).map_err(wrong("policyJson"))?;
    result_policies(policy.result_retry.as_ref()).map_err(wrong("resultRetry"))?;
    check_business(policy.busi_policy.as_ref()).map_err(wrong("busiPolicy"))?;
    not_retried(policy.no_retry_policy.as_ref()).map_err(wrong("noRetryPolicy")).map(drop)
}

/// The tries of a policy for all numbers that states them in `policyJson`, as 3.9 does: one item, without
/// regard to results. Where they are there they count, and not the numbers beside them.
pub fn tries_for_all(policy: &wire::RetryPolicy) -> Option<Tries> {
    let Some(json @ Value::String(_)) = &policy.policy_json else { return None };
    if policy.policy_type == Some(BY_NUMBER_TYPE) {
        return None;
    }
    match number_policies(Some(json)).ok()?.as_slice() {
        [NumberPolicy::Ordinary(tries)] => Some(*tries),
        _ => None,
    }
}

/// `policyJson`. Days and tries stand inside `policy`, or beside `type` as in the edition of 2023.
///
/// # Errors
/// When it is no such list.
pub fn number_policies(json: Option<&Value>) -> Result<Vec<NumberPolicy>, Flaw> {
    objects(json)?.iter().map(number_policy).collect()
}

/// `resultRetry`.
///
/// # Errors
/// When it is no such list.
pub fn result_policies(json: Option<&Value>) -> Result<Vec<ResultPolicy>, Flaw> {
    objects(json)?.iter().map(result_policy).collect()
}

/// `noRetryPolicy`: external codes, as a list or as one text of them.
///
/// # Errors
/// When it is neither.
pub fn not_retried(json: Option<&Value>) -> Result<Vec<String>, Flaw> {
    match json {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(codes)) if !codes.trim_start().starts_with('[') => {
            Ok(codes.split([',', ';']).map(|code| code.trim().to_owned()).collect())
        }
        Some(json) => list(json)?
            .into_iter()
            .map(|code| match code {
                Value::String(code) if !code.is_empty() => Ok(code),
                _ => Err(Flaw::NotACode),
            })
            .collect(),
    }
}

/// JSON whose quotes may be single ones (reference 3.2).
///
/// # Errors
/// When it is neither.
pub fn quoted_json(text: &str) -> Result<Value, Flaw> {
    if text.chars().count() > MAX_JSON_CHARS {
        return Err(Flaw::NotJson);
    }
    let strict = serde_json::from_str(text);
    strict.or_else(|_| serde_json::from_str(&text.replace('\'', "\""))).map_err(|_| Flaw::NotJson)
}

pub(super) fn retry(wire: Option<&wire::RetryPolicy>, findings: &mut Vec<Finding>) -> RetryPolicy {
    let Some(wire) = wire else { return RetryPolicy::default() };
    if wire.policy_type == Some(BY_NUMBER_TYPE) {
        return by_number_type(wire, findings);
    }
    let (times, days, interval) = match tries_for_all(wire) {
        Some(tries) => {
            report_numbers_beside(wire, &tries, findings);
            let interval = tries.interval_s.or(wire.call_interval);
            (Some(tries.per_day), Some(tries.days), interval)
        }
        None => (wire.retry_times, wire.retry_day, wire.call_interval),
    };
    let policy = RetryPolicy {
        attempts_per_day: stated("retryTimes", times, findings),
        days: stated("retryDay", days, findings),
        interval_ms: match stated("callInterval", interval, findings) {
            Rule::Stated(seconds) => {
                let ms = milliseconds(seconds);
                ms.map_or(
                    Rule::unreadable("a wait of so many seconds cannot be said"),
                    Rule::Stated,
                )
            }
            other => other,
        },
        attempts_by_place: Vec::new(),
        exceptions: exceptions(wire, findings),
    };
    if let Some(why) = policy.interval_ms.why_unread() {
        let reason = format!("{why}; {NOT_STARTED}");
        findings.push(Finding::domain("retry.interval_ms", Outcome::Dropped, reason));
    }
    policy
}

pub(super) fn retry_policy(
    retry: &RetryPolicy,
    table: &Table,
    findings: &mut Vec<Finding>,
) -> Option<wire::RetryPolicy> {
    if retry.is_silent() {
        return None;
    }
    let equal = retry.clone().for_equal_numbers();
    let per_day = said(&equal.attempts_per_day).copied();
    report_places(&retry.attempts_by_place, findings);
    let interval_ms = said(&retry.interval_ms).copied();
    let call_interval = interval_ms.map(|ms| whole_seconds(ms).max(0));
    if call_interval.and_then(milliseconds) != interval_ms {
        let reason = "CC-iSales has whole seconds; the next such is taken";
        let finding = Finding::domain("retry.interval_ms", Outcome::Approximated, reason);
        findings.push(finding.narrow());
    }
    Some(wire::RetryPolicy {
        policy_type: table.default_integer("retryPolicy.policyType"),
        retry_day: said(&retry.days)
            .copied()
            .or_else(|| table.default_integer("retryPolicy.retryDay")),
        retry_times: per_day,
        call_interval,
        ..wire::RetryPolicy::default()
    })
}

fn number_policy(item: &Map<String, Value>) -> Result<NumberPolicy, Flaw> {
    match count(item.get("type"))? {
        Some(0) => tries(item).map(NumberPolicy::Ordinary),
        Some(1) => {
            let one_or_many = match item.get("policy") {
                Some(Value::Object(one)) => Some(Value::Array(vec![Value::Object(one.clone())])),
                many => many.cloned(),
            };
            result_policies(one_or_many.as_ref()).map(NumberPolicy::ByResult)
        }
        _ => Err(Flaw::NotAPolicyType),
    }
}

fn tries(item: &Map<String, Value>) -> Result<Tries, Flaw> {
    let inner = match item.get("policy") {
        Some(Value::Object(inner)) => Some(inner),
        Some(Value::Array(list)) => match list.as_slice() {
            [] => None,
            [Value::Object(only)] => Some(only),
            _ => return Err(Flaw::NotAList),
        },
        None | Some(Value::Null) => None,
        Some(_) => return Err(Flaw::NotAList),
    };
    let said = |name: &str| {
        let inside = count(inner.and_then(|inner| inner.get(name)))?;
        Ok(inside.or(count(item.get(name))?))
    };
    let must = |name: &str| said(name)?.ok_or(Flaw::Incomplete);
    let (days, per_day) = (must("retryDay")?, must("retryTimes")?);
    Ok(Tries { days, per_day, interval_s: said("callInterval")? })
}

fn result_policy(item: &Map<String, Value>) -> Result<ResultPolicy, Flaw> {
    let must = |name: &str| count(item.get(name))?.ok_or(Flaw::Incomplete);
    Ok(ResultPolicy {
        result: must("result")?,
        repeats: must("retryNumber")?,
        interval_s: must("callInterval")?,
    })
}

fn check_business(json: Option<&Value>) -> Result<(), Flaw> {
    for item in objects(json)? {
        let has_code = item.get("busiResultCode").is_some_and(|code| !code.is_null() && code != "");
        let wait = count(item.get("callInterval"))?;
        match count(item.get("busiResultPolicy"))? {
            None => return Err(Flaw::Incomplete),
            Some(_) if !has_code => return Err(Flaw::Incomplete),
            Some(0) if wait.is_none_or(|s| s == 0) => {}
            Some(1 | 2) if wait.is_some_and(|s| BUSINESS_WAIT_S.contains(&s)) => {}
            Some(0..=2) => return Err(Flaw::NotACount),
            Some(_) => return Err(Flaw::NotAPolicyType),
        }
    }
    Ok(())
}

/// `turns`, the rounds of a `callPolicy`: a list in the sample, JSON in a text in the tables.
///
/// # Errors
/// When it is neither.
pub fn check_turns(turns: &Value) -> Result<(), Flaw> {
    list(turns).map(drop)
}

/// The objects of a list, or of one in a text; null and `""` are an empty list.
fn objects(json: Option<&Value>) -> Result<Vec<Map<String, Value>>, Flaw> {
    let Some(json) = json else { return Ok(Vec::new()) };
    list(json)?
        .into_iter()
        .map(|item| match item {
            Value::Object(item) => Ok(item),
            _ => Err(Flaw::NotAList),
        })
        .collect()
}

fn list(json: &Value) -> Result<Vec<Value>, Flaw> {
    match json {
        Value::Null => Ok(Vec::new()),
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::String(text) => match quoted_json(text)? {
            Value::Array(items) => Ok(items),
            _ => Err(Flaw::NotAList),
        },
        Value::Array(items) => Ok(items.clone()),
        _ => Err(Flaw::NotAList),
    }
}

/// A number of tries, days or seconds, also written as text; None when there is none.
fn count(value: Option<&Value>) -> Result<Option<i64>, Flaw> {
    let text = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(_) => return Err(Flaw::NotACount),
    };
    let is_count = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let count = if is_count { text.parse().ok() } else { None };
    count.map(Some).ok_or(Flaw::NotACount)
}

impl Flaw {
    /// The rule that is broken.
    pub fn rule(self) -> &'static str {
        match self {
            Flaw::HalfATime => "hour and minute must both be given",
            Flaw::TooShort | Flaw::NotATime => "HH:mm is expected, 00:00 to 23:59",
            Flaw::HalfAPeriod => "begin and end of a period belong together",
            Flaw::EndsFirst => "it must be later than its begin",
            Flaw::NotADateTime => "yyyy-MM-dd HH:mm:ss is expected",
            Flaw::NotJson => "it is not JSON",
            Flaw::NotAList => "a list of objects is expected",
            Flaw::NotACount => "a whole number that is not negative is expected",
            Flaw::NotACode => "a list of codes is expected",
            Flaw::NotAPolicyType => "no such kind of policy exists",
            Flaw::Incomplete => "an item lacks a member that must be given",
        }
    }
}

/// The tries that `policyJson` states for all numbers are carried, and the numbers beside it are not.
fn report_numbers_beside(wire: &wire::RetryPolicy, tries: &Tries, findings: &mut Vec<Finding>) {
    let reason = "the tries that it states for all numbers are carried, in other words";
    findings.push(Finding::source("retryPolicy.policyJson", Outcome::Dropped, reason));
    let beside = [
        ("retryTimes", wire.retry_times, Some(tries.per_day)),
        ("retryDay", wire.retry_day, Some(tries.days)),
        ("callInterval", wire.call_interval, tries.interval_s.or(wire.call_interval)),
    ];
    for (member, beside, counts) in beside {
        if beside != counts {
            let reason = "policyJson states it, too, and counts";
            let path = format!("retryPolicy.{member}");
            findings.push(Finding::source(path, Outcome::Preserved, reason));
        }
    }
}

/// A policy by number type (reference 3.5): it alone counts, and what stands beside it for all numbers
/// does not.
fn by_number_type(wire: &wire::RetryPolicy, findings: &mut Vec<Finding>) -> RetryPolicy {
    for member in ["retryTimes", "retryDay", "callInterval"] {
        let reason = "beside a policy by number type it does not count";
        findings.push(Finding::source(format!("retryPolicy.{member}"), Outcome::Preserved, reason));
    }
    RetryPolicy { exceptions: exceptions(wire, findings), ..RetryPolicy::default() }
}

/// What only CC-iSales states of tries: it matters no further than that it was understood.
fn exceptions(wire: &wire::RetryPolicy, findings: &mut Vec<Finding>) -> Rule<()> {
    match check_policy(wire) {
        Ok(()) => Rule::Absent,
        Err(Misread { member, flaw }) => {
            findings.push(unread(&format!("retryPolicy.{member}"), flaw));
            Rule::Unreadable(Unread(flaw.rule()))
        }
    }
}

/// A number of tries, days or seconds.
fn stated(member: &str, value: Option<i64>, findings: &mut Vec<Finding>) -> Rule<i64> {
    match value {
        None => Rule::Absent,
        Some(count) if count >= 0 => Rule::Stated(count),
        Some(_) => {
            findings.push(unread(&format!("retryPolicy.{member}"), Flaw::NotACount));
            Rule::Unreadable(Unread(Flaw::NotACount.rule()))
        }
    }
}

/// What becomes of tries that differ between the numbers of a contact: all of them decide together.
fn report_places(attempts_by_place: &[i64], findings: &mut Vec<Finding>) {
    let mut callable = attempts_by_place.iter().filter(|attempts| **attempts != 0);
    let Some(first) = callable.next() else {
        if !attempts_by_place.is_empty() {
            // What 0 tries mean to CC-iSales, no page says.
            let reason = "no number may be called, and CC-iSales has no word for that";
            findings.push(Finding::domain(ATTEMPTS_BY_PLACE[0], Outcome::Dropped, reason));
        }
        return;
    };
    let differ = callable.any(|attempts| attempts != first);
    for (attempts, at) in attempts_by_place.iter().zip(ATTEMPTS_BY_PLACE) {
        let reason = match (attempts, differ) {
            (0, _) => "the gateway hands over no number of this place, so it is never called",
            (_, true) => {
                "CC-iSales tries every number of a contact equally often: as often as the one that may \
                 be tried least"
            }
            (_, false) if attempts_by_place[0] == 0 => "CC-iSales states tries once for all: these",
            (_, false) => continue,
        };
        findings.push(Finding::domain(at, Outcome::Approximated, reason).narrow());
    }
}
