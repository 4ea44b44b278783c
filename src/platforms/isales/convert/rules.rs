//! What limits calls in a CC-iSales document, read in one place: the facade refuses what this calls
//! wrong, and in a platform's own document it is a rule that cannot be understood.

use jiff::civil::{DateTime, Time};
use serde_json::{Map, Value};

use crate::domain::moment;
use crate::domain::policy::DayPeriod;
use crate::platforms::isales::wire;

/// Longest JSON inside a text that is read (no page states one).
const MAX_JSON_CHARS: usize = 2000;
/// Longest wait after a business result, in seconds (reference 3.5).
const BUSINESS_WAIT_S: std::ops::RangeInclusive<i64> = 1..=3600;

/// Why a value cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    HalfATime,
    NotATime,
    HalfAPeriod,
    EndsFirst,
    NotADateTime,
    NotJson,
    NotAList,
    NotACount,
    NotACode,
    NotAPolicyType,
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NumberPolicy {
    pub number_type: Option<String>,
    pub days: Option<i64>,
    pub tries_per_day: Option<i64>,
    pub interval_s: Option<i64>,
    pub by_result: Vec<ResultPolicy>,
}

/// How often a call that ended with one type of result is repeated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResultPolicy {
    pub result: Option<i64>,
    pub repeats: Option<i64>,
    pub interval_s: Option<i64>,
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
        Some(text) if !text.contains(':') => Err(Flaw::HalfATime),
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

fn number_policy(item: &Map<String, Value>) -> Result<NumberPolicy, Flaw> {
    let by_result = match (count(item.get("type"))?, item.get("policy")) {
        (Some(1), policy) => {
            let one_or_many = match policy {
                Some(Value::Object(one)) => Some(Value::Array(vec![Value::Object(one.clone())])),
                many => many.cloned(),
            };
            result_policies(one_or_many.as_ref())?
        }
        (None | Some(0), _) => Vec::new(),
        (Some(_), _) => return Err(Flaw::NotAPolicyType),
    };
    let inner = match item.get("policy") {
        Some(Value::Object(inner)) => Some(inner),
        Some(Value::Array(list)) if by_result.is_empty() => match list.as_slice() {
            [] => None,
            [Value::Object(only)] => Some(only),
            _ => return Err(Flaw::NotAList),
        },
        None | Some(Value::Null | Value::Array(_)) => None,
        Some(_) => return Err(Flaw::NotAList),
    };
    let said = |name: &str| {
        let inside = count(inner.and_then(|inner| inner.get(name)))?;
        Ok(inside.or(count(item.get(name))?))
    };
    Ok(NumberPolicy {
        number_type: item.get("dataType").and_then(Value::as_str).map(str::to_owned),
        days: said("retryDay")?,
        tries_per_day: said("retryTimes")?,
        interval_s: said("callInterval")?,
        by_result,
    })
}

fn result_policy(item: &Map<String, Value>) -> Result<ResultPolicy, Flaw> {
    Ok(ResultPolicy {
        result: count(item.get("result"))?,
        repeats: count(item.get("retryNumber"))?,
        interval_s: count(item.get("callInterval"))?,
    })
}

fn check_business(json: Option<&Value>) -> Result<(), Flaw> {
    for item in objects(json)? {
        match count(item.get("busiResultPolicy"))? {
            Some(0..=2) => {}
            _ => return Err(Flaw::NotAPolicyType),
        }
        if count(item.get("callInterval"))?.is_some_and(|s| !BUSINESS_WAIT_S.contains(&s)) {
            return Err(Flaw::NotACount);
        }
    }
    Ok(())
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
            Flaw::NotATime => "HH:mm is expected, 00:00 to 23:59",
            Flaw::HalfAPeriod => "begin and end of a period belong together",
            Flaw::EndsFirst => "it must be later than its begin",
            Flaw::NotADateTime => "yyyy-MM-dd HH:mm:ss is expected",
            Flaw::NotJson => "it is not JSON",
            Flaw::NotAList => "a list of objects is expected",
            Flaw::NotACount => "a whole number that is not negative is expected",
            Flaw::NotACode => "a list of codes is expected",
            Flaw::NotAPolicyType => "no such kind of policy exists",
        }
    }
}
