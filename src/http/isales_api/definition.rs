//! What a campaign document must be (reference 3.1 to 3.3, 3.5), in the order of reference 15.2.
//! Homes of this platform check for themselves; this is for homes that know nothing of it.

use jiff::civil::DateTime;
use jiff::{Timestamp, tz::TimeZone};
use serde_json::Map;

use crate::http::isales_api::error::{
    BAD_CHARACTERS, BEGINS_BEFORE_TODAY, BrokenRule, COMBINATION, EMPTY, HALF_A_TIME, TOO_MANY,
    TOO_SHORT, UNREADABLE, WRONG_VALUE,
};
use crate::http::isales_api::fields::{Fields, MAX_NUMBER_LENGTH, check_number};
use crate::http::isales_api::policies;
use crate::http::isales_api::profile::Profile;
use crate::platforms::isales::convert::rules::{self, Day, Flaw, Misread};
use crate::platforms::isales::wire;

/// Longest texts (reference 3.1; no page states a length for an address).
const MAX_NAME: usize = 100;
const MAX_DESCRIPTION: usize = 200;
const MAX_URL: usize = 512;
/// `HH:mm`.
const TIME_CHARS: usize = 5;
/// Numbers in one list (reference 3.11).
const MAX_CALLERS: usize = 100;
/// What a description must not hold.
const NOT_IN_DESCRIPTION: &str = "\"[]=;<>";
const PREVIEW: i64 = 5;
const POSITIVE: (i64, i64) = (1, i32::MAX as i64);
/// A rate; 0 would be a share of calls that nobody answers.
const PERCENT: (i64, i64) = (1, 100);

/// The two versions of the document: V2 has a list of numbers, and policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    One,
    Two,
}

/// What the document is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Create,
    Modify,
}

/// Reads and checks a document.
///
/// # Errors
/// The first broken rule.
pub fn read(
    body: &[u8],
    (version, purpose): (Version, Purpose),
    profile: &Profile,
    today: Timestamp,
) -> Result<wire::Campaign, BrokenRule> {
    let fields = Fields::of_body(body)?;
    let max_name = match purpose {
        Purpose::Create => MAX_NAME,
        Purpose::Modify => profile.max_modified_name,
    };
    required(&fields, "name", max_name)?;
    if let Some(description) = fields.text("description", MAX_DESCRIPTION)?
        && description.contains(|c| NOT_IN_DESCRIPTION.contains(c))
    {
        let rule = "none of \" [ ] = ; < > is allowed";
        return Err(BrokenRule::new(BAD_CHARACTERS, "description", rule));
    }
    let times_required = purpose == Purpose::Create || version == Version::Two;
    if !times_required {
        not_emptied(&fields)?;
    }
    let (begin, end) = (time(&fields, "strBeginTime")?, time(&fields, "strEndTime")?);
    if times_required && begin.is_none() {
        return Err(fields.missing("strBeginTime"));
    }
    if times_required && end.is_none() {
        return Err(fields.missing("strEndTime"));
    }
    let device = fields.one_of("deviceType", &[1, 2, 3, 5, 6])?;
    callers(&fields, version)?;
    let least = if device == PREVIEW { 9 } else { 5 };
    let most = if (version, purpose) == (Version::Two, Purpose::Modify) { 60 } else { 120 };
    fields.required_within("maxAlertingTime", (least, most))?;
    schedule(&fields)?;
    match device {
        1 | 3 => ivr(&fields)?,
        _ => skill(&fields, device)?,
    }
    fields.within("initStatus", (0, 1))?;
    if let Some(url) = fields.text("callBackUrl", MAX_URL)? {
        let is_usable = url::Url::parse(&url)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !is_usable {
            let rule = "an http or https address is expected";
            return Err(BrokenRule::new(WRONG_VALUE, "callBackUrl", rule));
        }
    }
    if version == Version::Two {
        fields.within("priority", (1, 5))?;
        policies::check_calls(&fields)?;
        if let Some(policy) = fields.object("retryPolicy")? {
            policies::check_retry(&policy)?;
        }
    }
    if let (Some(begin), Some(end)) = (begin, end)
        && end <= begin
    {
        let rule = "it must be later than strBeginTime";
        return Err(BrokenRule::new(COMBINATION, "strEndTime", rule));
    }
    if purpose == Purpose::Create && begin.is_some_and(|begin| utc(begin) < Some(today)) {
        let rule = "it is before today's midnight";
        return Err(BrokenRule::new(BEGINS_BEFORE_TODAY, "strBeginTime", rule));
    }
    document(body, version, device)
}

/// `callerNo` of V2, and of the operations that add and take away numbers.
///
/// # Errors
/// The first broken rule.
pub fn caller_list(fields: &Fields) -> Result<Vec<wire::CallerNoItem>, BrokenRule> {
    let list = fields.elements("callerNo")?;
    if list.len() > MAX_CALLERS {
        return Err(BrokenRule::new(TOO_MANY, "callerNo", "at most 100 numbers are allowed"));
    }
    let mut callers: Vec<wire::CallerNoItem> = Vec::with_capacity(list.len());
    for (place, element) in list.iter().enumerate() {
        let item = fields.of_element(element.clone(), ("callerNo", place))?;
        let number = required(&item, "accessCode", MAX_NUMBER_LENGTH)?;
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(item.broken(BAD_CHARACTERS, "accessCode", "only 0-9 are allowed"));
        }
        let priority = item.within("priority", (1, 5))?;
        if callers.iter().any(|known| known.access_code == number) {
            return Err(item.broken(WRONG_VALUE, "accessCode", "it is given twice"));
        }
        callers.push(wire::CallerNoItem {
            access_code: number,
            priority,
            ..wire::CallerNoItem::default()
        });
    }
    Ok(callers)
}

fn callers(fields: &Fields, version: Version) -> Result<(), BrokenRule> {
    if version == Version::One {
        return check_number("callerNo", &required(fields, "callerNo", MAX_NUMBER_LENGTH)?);
    }
    for (place, caller) in caller_list(fields)?.iter().enumerate() {
        let name = || format!("callerNo[{place}].priority");
        caller.priority.ok_or_else(|| fields.missing(&name()))?;
    }
    Ok(())
}

/// Left out, a time stays as it is; an empty one would take it away.
fn not_emptied(fields: &Fields) -> Result<(), BrokenRule> {
    let is_empty = |name: &&str| fields.get(name).is_some_and(|text| text == "");
    match ["strBeginTime", "strEndTime"].into_iter().find(is_empty) {
        Some(name) => Err(broken(name, Flaw::NotADateTime)),
        None => Ok(()),
    }
}

fn time(fields: &Fields, name: &str) -> Result<Option<DateTime>, BrokenRule> {
    let Some(text) = fields.text(name, 64)? else { return Ok(None) };
    match rules::moment(Some(&text)) {
        Ok(Some(moment)) if !moment.is_bare_date => Ok(Some(moment.at)),
        _ => Err(broken(name, Flaw::NotADateTime)),
    }
}

/// A member that cannot be understood, by the code for its kind of mistake.
pub fn broken(member: &str, flaw: Flaw) -> BrokenRule {
    let code = match flaw {
        Flaw::HalfATime => HALF_A_TIME,
        Flaw::TooShort => TOO_SHORT,
        Flaw::Incomplete => EMPTY,
        Flaw::HalfAPeriod | Flaw::EndsFirst => COMBINATION,
        Flaw::NotJson => UNREADABLE,
        Flaw::NotATime
        | Flaw::NotADateTime
        | Flaw::NotAList
        | Flaw::NotACount
        | Flaw::NotACode
        | Flaw::NotAPolicyType => WRONG_VALUE,
    };
    BrokenRule::new(code, member, flaw.rule())
}

fn utc(at: DateTime) -> Option<Timestamp> {
    TimeZone::UTC.to_timestamp(at).ok()
}

fn schedule(fields: &Fields) -> Result<(), BrokenRule> {
    let schedule =
        fields.object("scheduleParam")?.ok_or_else(|| fields.missing("scheduleParam"))?;
    let mut workdays = 0;
    for (day, [begin, end]) in rules::PERIODS {
        let (from, to) = (schedule.text(begin, TIME_CHARS)?, schedule.text(end, TIME_CHARS)?);
        let period = rules::period([begin, end], [from.as_deref(), to.as_deref()]);
        let period =
            period.map_err(|Misread { member, flaw }| broken(&schedule.path_of(member), flaw))?;
        workdays += i32::from(day == Day::Work && period.is_some());
    }
    if workdays == 0 {
        let rule = "at least one workday period is needed";
        return Err(BrokenRule::new(COMBINATION, "scheduleParam", rule));
    }
    Ok(())
}

fn ivr(fields: &Fields) -> Result<(), BrokenRule> {
    let ivr = with_device(fields, "ivrParam")?;
    required(&ivr, "deviceSign", 64)?;
    for name in ["callCount", "callInterval"] {
        ivr.required_within(name, POSITIVE)?;
    }
    Ok(())
}

fn skill(fields: &Fields, device: i64) -> Result<(), BrokenRule> {
    let skill = with_device(fields, "skillParam")?;
    skill.required_within("skillId", POSITIVE)?;
    skill.text("skillName", MAX_NAME)?;
    let kind = skill.one_of("outBoundType", &[2, 5, 6])?;
    if kind != device {
        return Err(skill.broken(COMBINATION, "outBoundType", "it must match deviceType"));
    }
    match kind {
        2 => prediction(&with_device(&skill, "predictParam")?),
        PREVIEW => {
            let preview = with_device(&skill, "previewParam")?;
            for name in ["failInterval", "obCallCount", "autoCallTime"] {
                preview.required_within(name, POSITIVE)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Each way to predict has a member with its own numbers.
fn prediction(predict: &Fields) -> Result<(), BrokenRule> {
    let (name, members): (&str, &[&str]) = match predict.one_of("predictMethod", &[1, 2, 3, 5])? {
        1 => ("expPredictParam", &["outBoundRate"]),
        2 => ("agentPredictParam", &["lossRate", "utilRate", "utilRateMethod"]),
        3 => ("connectPredictParam", &["lossRate", "waitTime", "connRate"]),
        _ => ("offhookPredictParam", &["offHookRate"]),
    };
    let algorithm = with_device(predict, name)?;
    for member in members {
        let bounds = if *member == "offHookRate" { PERCENT } else { (0, POSITIVE.1) };
        algorithm.required_within(member, bounds)?;
    }
    if name == "offhookPredictParam" {
        return Ok(());
    }
    let most = algorithm.required_within("maxAvgCallTime", POSITIVE)?;
    // The tables print `mim`, the V2 sample sends `min`.
    let least = match algorithm.within("minAvgCallTime", POSITIVE)? {
        Some(least) => Some(least),
        None => algorithm.within("mimAvgCallTime", POSITIVE)?,
    };
    if least.ok_or_else(|| algorithm.missing("minAvgCallTime"))? > most {
        let rule = "it is above maxAvgCallTime";
        return Err(algorithm.broken(COMBINATION, "minAvgCallTime", rule));
    }
    Ok(())
}

/// An object that the device type needs.
fn with_device(fields: &Fields, name: &str) -> Result<Fields, BrokenRule> {
    let rule = || fields.broken(COMBINATION, name, "the kind of campaign needs it");
    fields.object(name)?.ok_or_else(rule)
}

fn required(fields: &Fields, name: &str, max: usize) -> Result<String, BrokenRule> {
    let text = fields.text(name, max)?;
    text.map(String::from).ok_or_else(|| fields.missing(name))
}

/// The document without what belongs to another kind or version, and without unknown members.
fn document(body: &[u8], version: Version, device: i64) -> Result<wire::Campaign, BrokenRule> {
    let read: Result<wire::Campaign, _> = serde_json::from_slice(body);
    let mut document =
        read.map_err(|_| BrokenRule::new(UNREADABLE, "body", "a member cannot be read"))?;
    document.id = None;
    document.status = None;
    document.extra = Map::new();
    if matches!(device, 1 | 3) {
        document.skill_param = None;
    } else {
        document.ivr_param = None;
    }
    if version == Version::One {
        (document.priority, document.retry_policy, document.call_policy) = (None, None, None);
    }
    Ok(document)
}
