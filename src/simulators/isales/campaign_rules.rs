//! What a campaign document must be (reference 3.1–3.3, 3.5), V1 and V2, create and modify.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::answer::{
    BEGINS_BEFORE_TODAY, COMBINATION, EMPTY, NO_SKILL_QUEUE, Operation, Refusal, WRONG_TYPE,
    WRONG_VALUE,
};
use super::checks::{
    DESCRIPTION_FORBIDDEN, Fields, Findings, Text, Whole, is_number_char, quoted_json,
};
use super::retry::Rules;
use super::schedule::Schedule;
use super::server::Request;
use super::world::{Campaign, Setup};
use super::{Release, Switches};
use crate::platforms::isales::wire::{self, CallerNo, CallerNoItem};

/// Longest callback address; no page states a length.
const MAX_URL_CHARS: usize = 512;
/// Longest JSON text of rounds; no page states a length.
const MAX_TURNS_CHARS: usize = 2_000;
/// Numbers per list (3.11).
const MAX_CALLERS: usize = 100;

/// A document that has passed, with what follows from it.
pub(super) struct Draft {
    pub document: wire::Campaign,
    pub callers: Vec<CallerNoItem>,
    pub begin: Timestamp,
    pub end: Timestamp,
    pub schedule: Schedule,
    pub retry: Rules,
}

/// What the rules depend on.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub setup: &'a Setup,
    pub switches: &'a Switches,
    /// The campaign being modified.
    pub current: Option<&'a Campaign>,
}

/// What the checks of single members leave for the checks across them.
struct Times {
    begin: Option<Timestamp>,
    end: Option<Timestamp>,
}

/// Checks the body in the documented order: its members, then what they name.
pub(super) fn read(request: &Request, context: Context<'_>) -> Result<Draft, Refusal> {
    let is_v2 = matches!(request.operation, Operation::CreateV2 | Operation::ModifyV2);
    let is_modify = context.current.is_some();
    let fields = Fields::of_body(&request.body)?;
    let mut found = Findings::default();
    let max_name = if is_modify && context.setup.release == Release::Y2024 { 32 } else { 100 };
    fields.text(&mut found, "name", Text::required(max_name));
    let description = Text::optional(200).allowing(|c| !DESCRIPTION_FORBIDDEN.contains(c));
    fields.text(&mut found, "description", description);
    let times = times(&fields, &mut found, !is_modify || is_v2);
    let device_type = fields.choice(&mut found, "deviceType", (true, &[1, 2, 3, 5, 6]));
    let callers = callers(&fields, &mut found, (is_v2, !is_modify || is_v2));
    alerting_time(&fields, &mut found, (device_type, is_v2 && is_modify));
    let schedule = schedule(&fields, &mut found);
    match device_type {
        Some(1 | 3) => ivr(&fields, &mut found, context.setup),
        Some(2 | 5 | 6) => skill(&fields, &mut found, device_type),
        _ => {}
    }
    fields.choice(&mut found, "initStatus", (false, &[0, 1]));
    callback(&fields, &mut found, context.switches);
    let retry = if is_v2 { policies(&fields, &mut found) } else { None };
    if let Some(current) = context.current
        && device_type.is_some_and(|device_type| device_type != current.device_type())
    {
        found.note(WRONG_VALUE, "deviceType", "can never be changed");
    }
    let begin = times.begin.or(context.current.map(|campaign| campaign.begin));
    let end = times.end.or(context.current.map(|campaign| campaign.end));
    if let (Some(begin), Some(end)) = (begin, end)
        && end <= begin
    {
        found.note(COMBINATION, "strEndTime", "must be later than strBeginTime");
    }
    found.done()?;
    let (Some(begin), Some(end)) = (begin, end) else {
        return Err(Refusal::new(EMPTY, "strBeginTime: must be given"));
    };
    check_begin(begin, request.now, context)?;
    let mut document = document(&request.body, is_v2)?;
    skill_queue_exists(&document, context.setup)?;
    complete(&mut document, context.current);
    let callers = if callers.is_empty() {
        context.current.map(|campaign| campaign.callers.clone()).unwrap_or_default()
    } else {
        callers
    };
    let retry = retry.or_else(|| context.current.map(|campaign| campaign.retry.clone()));
    Ok(Draft { document, callers, begin, end, schedule, retry: retry.unwrap_or_default() })
}

/// A list of calling numbers, sorted by priority; the first of equals stays first.
pub(super) fn caller_list(fields: &Fields<'_>, found: &mut Findings) -> Vec<CallerNoItem> {
    let items = fields.objects(found, "callerNo", true);
    if items.len() > MAX_CALLERS {
        found.note(super::answer::TOO_MANY, "callerNo", "at most 100");
    }
    let mut callers: Vec<CallerNoItem> = Vec::with_capacity(items.len());
    for item in items {
        let digits = Text::number().allowing(|c| c.is_ascii_digit());
        let access_code = item.text(found, "accessCode", digits);
        let priority = item.whole(found, "priority", Whole::required(1, 5));
        let Some(access_code) = access_code else { continue };
        if callers.iter().any(|known| known.access_code == access_code) {
            found.note(WRONG_VALUE, &item.path_of("accessCode"), "is there twice");
        }
        let access_code = access_code.to_owned();
        callers.push(CallerNoItem { access_code, priority, ..CallerNoItem::default() });
    }
    callers.sort_by_key(|caller| caller.priority);
    callers
}

fn times(fields: &Fields<'_>, found: &mut Findings, required: bool) -> Times {
    let mut utc = |name| {
        let time = fields.datetime(found, name, (required, WRONG_VALUE))?;
        TimeZone::UTC.to_timestamp(time).ok()
    };
    Times { begin: utc("strBeginTime"), end: utc("strEndTime") }
}

/// Not before today's midnight, which is taken to be the tenant's. A begin that is sent back
/// unchanged passes: otherwise no running campaign could be modified with V2, which demands it.
fn check_begin(begin: Timestamp, now: Timestamp, context: Context<'_>) -> Result<(), Refusal> {
    let unchanged = context.current.is_some_and(|campaign| campaign.begin == begin);
    let today = context.setup.day(now).to_datetime(Time::MIN);
    let midnight = context.setup.time_zone.to_timestamp(today).unwrap_or(now);
    if begin < midnight && !unchanged {
        return Err(Refusal::new(BEGINS_BEFORE_TODAY, "strBeginTime: before today's midnight"));
    }
    Ok(())
}

/// One text in V1, a list in V2.
fn callers(
    fields: &Fields<'_>,
    found: &mut Findings,
    (is_v2, required): (bool, bool),
) -> Vec<CallerNoItem> {
    if is_v2 {
        return caller_list(fields, found);
    }
    let rule = if required { Text::required(24) } else { Text::optional(24) };
    let number = fields.text(found, "callerNo", rule.allowing(is_number_char));
    let item =
        |number: &str| CallerNoItem { access_code: number.to_owned(), ..CallerNoItem::default() };
    number.map(item).into_iter().collect()
}

/// Preview from 9, others from 5; at most 120, on the V2 modify page 60.
fn alerting_time(
    fields: &Fields<'_>,
    found: &mut Findings,
    (device_type, is_v2_modify): (Option<i64>, bool),
) {
    let min = if device_type == Some(5) { 9 } else { 5 };
    let max = if is_v2_modify { 60 } else { 120 };
    fields.whole(found, "maxAlertingTime", Whole::required(min, max));
}

fn schedule(fields: &Fields<'_>, found: &mut Findings) -> Schedule {
    let Some(periods) = fields.object(found, "scheduleParam", Some(EMPTY)) else {
        return Schedule::default();
    };
    let mut read = |kind: &str| {
        let mut all: Vec<(Time, Time)> = Vec::new();
        for nth in 1..=3 {
            let (begin, end) = (format!("{kind}BeginTime{nth}"), format!("{kind}EndTime{nth}"));
            if periods.has(&begin) != periods.has(&end) {
                let why = "begin and end of a period belong together";
                found.note(COMBINATION, &periods.path_of(&begin), why);
            }
            let times = (periods.clock_time(found, &begin), periods.clock_time(found, &end));
            let (Some(from), Some(to)) = times else { continue };
            if to <= from {
                found.note(COMBINATION, &periods.path_of(&end), "must be later than its begin");
            }
            all.push((from, to));
        }
        all.sort_unstable();
        all
    };
    let schedule = Schedule { workday: read("workday"), holiday: read("holiday") };
    if !periods.has("workdayBeginTime1")
        && !periods.has("workdayBeginTime2")
        && !periods.has("workdayBeginTime3")
    {
        found.note(COMBINATION, "scheduleParam", "needs at least one workday period");
    }
    schedule
}

fn ivr(fields: &Fields<'_>, found: &mut Findings, setup: &Setup) {
    let Some(ivr) = fields.object(found, "ivrParam", Some(COMBINATION)) else { return };
    let code = ivr.text(found, "deviceSign", Text::required(64));
    // No code is documented for an access code that does not exist.
    if code.is_some_and(|code| !setup.ivr_codes.iter().any(|known| known == code)) {
        found.note(WRONG_VALUE, "ivrParam.deviceSign", "is not an IVR access code of this VDN");
    }
    ivr.whole(found, "callCount", Whole::positive());
    ivr.whole(found, "callInterval", Whole::positive());
}

fn skill(fields: &Fields<'_>, found: &mut Findings, device_type: Option<i64>) {
    let Some(skill) = fields.object(found, "skillParam", Some(COMBINATION)) else { return };
    skill.whole(found, "skillId", Whole::positive());
    skill.text(found, "skillName", Text::optional(100));
    let out_bound_type = skill.choice(found, "outBoundType", (true, &[2, 5, 6]));
    if out_bound_type.is_some() && out_bound_type != device_type {
        found.note(COMBINATION, "skillParam.outBoundType", "must match deviceType");
    }
    let needed = |when: i64| (out_bound_type == Some(when)).then_some(COMBINATION);
    if let Some(predict) = skill.object(found, "predictParam", needed(2)) {
        predicted(&predict, found);
    }
    if let Some(preview) = skill.object(found, "previewParam", needed(5)) {
        for name in ["failInterval", "obCallCount", "autoCallTime"] {
            preview.whole(found, name, Whole::positive());
        }
    }
}

fn predicted(predict: &Fields<'_>, found: &mut Findings) {
    let method = predict.choice(found, "predictMethod", (true, &[1, 2, 3, 5]));
    let algorithms: [(i64, &str, &[&str]); 4] = [
        (1, "expPredictParam", &["outBoundRate"]),
        (2, "agentPredictParam", &["lossRate", "utilRate", "utilRateMethod"]),
        (3, "connectPredictParam", &["lossRate", "waitTime", "connRate"]),
        (5, "offhookPredictParam", &["offHookRate"]),
    ];
    for (number, name, members) in algorithms {
        let missing = (method == Some(number)).then_some(COMBINATION);
        let Some(algorithm) = predict.object(found, name, missing) else { continue };
        for member in members {
            algorithm.whole(found, member, Whole::required(0, i64::from(i32::MAX)));
        }
        if number == 5 {
            continue;
        }
        let max = algorithm.whole(found, "maxAvgCallTime", Whole::positive());
        // The tables print `mim`, the V2 sample sends `min`.
        let spelt =
            if algorithm.has("mimAvgCallTime") { "mimAvgCallTime" } else { "minAvgCallTime" };
        let min = algorithm.whole(found, spelt, Whole::positive());
        if min.zip(max).is_some_and(|(min, max)| min > max) {
            found.note(COMBINATION, &algorithm.path_of(spelt), "is above maxAvgCallTime");
        }
    }
}

fn callback(fields: &Fields<'_>, found: &mut Findings, switches: &Switches) {
    let Some(url) = fields.text(found, "callBackUrl", Text::optional(MAX_URL_CHARS)) else {
        return;
    };
    let usable = url::Url::parse(url)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !usable {
        found.note(WRONG_VALUE, "callBackUrl", "must be an http or https address");
    } else if switches.refuse_unlisted_callback && !switches.allows_callback(url) {
        found.note(WRONG_VALUE, "callBackUrl", "is not on the address allow-list");
    }
}

/// The members that only V2 has.
fn policies(fields: &Fields<'_>, found: &mut Findings) -> Option<Rules> {
    fields.whole(found, "priority", Whole::optional(1, 5));
    if let Some(policy) = fields.object(found, "callPolicy", None) {
        let call_type = policy.choice(found, "callType", (false, &[0, 1])).unwrap_or(0);
        let by_round = call_type == 1;
        if by_round && !policy.has("chooseType") {
            found.note(COMBINATION, "callPolicy.chooseType", "must be given with callType 1");
        }
        policy.choice(found, "chooseType", (false, &[0, 1]));
        match policy.raw("turns") {
            None if by_round => {
                found.note(COMBINATION, "callPolicy.turns", "must be given with callType 1");
            }
            // A list in the sample, a JSON text in the tables.
            None | Some(Value::Array(_)) => {}
            Some(Value::String(text)) if text.chars().count() <= MAX_TURNS_CHARS => {
                if quoted_json(text).is_none() {
                    found.note(super::answer::CONVERSION, "callPolicy.turns", "must be JSON");
                }
            }
            Some(_) => found.note(WRONG_TYPE, "callPolicy.turns", "must be a list"),
        }
    }
    let policy = fields.object(found, "retryPolicy", None)?;
    Some(Rules::read(&policy, found))
}

/// The document without what the platform does not know, and without what belongs to another
/// device type or to V2 only.
fn document(body: &Result<Value, String>, is_v2: bool) -> Result<wire::Campaign, Refusal> {
    let body = body.clone().unwrap_or_default();
    let read = serde_json::from_value::<wire::Campaign>(body);
    let mut document =
        read.map_err(|_| Refusal::new(super::answer::CONVERSION, "body: cannot be read"))?;
    document.id = None;
    document.status = None;
    if matches!(document.device_type, Some(1 | 3)) {
        document.skill_param = None;
    } else {
        document.ivr_param = None;
    }
    if !is_v2 {
        (document.priority, document.retry_policy, document.call_policy) = (None, None, None);
    }
    document.call_back_url = document.call_back_url.filter(|url| !url.is_empty());
    document.description = document.description.filter(|text| !text.is_empty());
    if let Some(schedule) = &mut document.schedule_param {
        for slot in slots(schedule) {
            *slot = slot.take().filter(|time| !time.is_empty());
        }
    }
    let no_retry =
        document.retry_policy.as_mut().and_then(|policy| policy.no_retry_policy.as_mut());
    if let Some(no_retry) = no_retry
        && let Value::Array(codes) = &*no_retry
    {
        let codes: Vec<&str> = codes.iter().filter_map(Value::as_str).collect();
        *no_retry = codes.join(",").into();
    }
    forget_unknown(&mut document);
    Ok(document)
}

fn forget_unknown(document: &mut wire::Campaign) {
    document.extra.clear();
    document.schedule_param.iter_mut().for_each(|schedule| schedule.extra.clear());
    document.ivr_param.iter_mut().for_each(|ivr| ivr.extra.clear());
    document.retry_policy.iter_mut().for_each(|policy| policy.extra.clear());
    document.call_policy.iter_mut().for_each(|policy| policy.extra.clear());
    let Some(skill) = &mut document.skill_param else { return };
    skill.extra.clear();
    skill.preview_param.iter_mut().for_each(|preview| preview.extra.clear());
    let Some(predict) = &mut skill.predict_param else { return };
    predict.extra.clear();
    let algorithms = [
        &mut predict.exp_predict_param,
        &mut predict.agent_predict_param,
        &mut predict.connect_predict_param,
        &mut predict.offhook_predict_param,
    ];
    algorithms.into_iter().flatten().for_each(|algorithm| algorithm.extra.clear());
}

/// Unused periods are answered as null (3.5).
fn slots(schedule: &mut wire::ScheduleParam) -> [&mut Option<String>; 12] {
    [
        &mut schedule.workday_begin_time1,
        &mut schedule.workday_end_time1,
        &mut schedule.workday_begin_time2,
        &mut schedule.workday_end_time2,
        &mut schedule.workday_begin_time3,
        &mut schedule.workday_end_time3,
        &mut schedule.holiday_begin_time1,
        &mut schedule.holiday_end_time1,
        &mut schedule.holiday_begin_time2,
        &mut schedule.holiday_end_time2,
        &mut schedule.holiday_begin_time3,
        &mut schedule.holiday_end_time3,
    ]
}

fn skill_queue_exists(document: &wire::Campaign, setup: &Setup) -> Result<(), Refusal> {
    let id = document.skill_param.as_ref().and_then(|skill| skill.skill_id);
    let exists = |id| setup.skill_queues.iter().any(|queue| queue.id == id);
    if matches!(document.device_type, Some(2 | 5 | 6)) && !id.is_some_and(exists) {
        return Err(Refusal::new(NO_SKILL_QUEUE, "skillParam.skillId: does not exist"));
    }
    Ok(())
}

/// What a modification may leave out keeps its value; `callerNo` is kept apart from the document.
fn complete(document: &mut wire::Campaign, current: Option<&Campaign>) {
    document.caller_no = CallerNo::Absent;
    document.init_status = None;
    let Some(current) = current.map(|campaign| &campaign.document) else { return };
    document.str_begin_time =
        document.str_begin_time.take().or_else(|| current.str_begin_time.clone());
    document.str_end_time = document.str_end_time.take().or_else(|| current.str_end_time.clone());
    document.priority = document.priority.or(current.priority);
    document.retry_policy = document.retry_policy.take().or_else(|| current.retry_policy.clone());
    document.call_policy = document.call_policy.take().or_else(|| current.call_policy.clone());
}
