//! The campaign document ↔ campaign definition and status.

use std::borrow::Cow;

use jiff::civil::{DateTime, Time};

use crate::domain::campaign::{
    Answering, CallerNumber, CampaignDefinition, CampaignStatus, WhenDone,
};
use crate::domain::policy::{CallingWindow, DayPeriod, Pacing, Rule, Unread};
use crate::mapping::engine::{Finding, Outcome};
use crate::mapping::table::{Kind, Table};
use crate::platforms::isales::convert::rules::{self, Day, Flaw};
use crate::platforms::isales::convert::rules::{retry, retry_policy};
use crate::platforms::isales::convert::{
    PLATFORM, filled, milliseconds, read_number, whole_seconds,
};
use crate::platforms::isales::wire;
use crate::platforms::{ConvertContext, Converted};

/// Page 4001: name at most 100 characters, description at most 200 and without some punctuation.
const NAME_MAX_CHARS: usize = 100;
const DESCRIPTION_MAX_CHARS: usize = 200;
const DESCRIPTION_FORBIDDEN: [char; 7] = ['"', '[', ']', '=', ';', '<', '>'];
/// Reference 3.1, `maxAlertingTime`.
const RING_SECONDS: std::ops::RangeInclusive<i64> = 5..=120;
/// Off-hook rates in percent whose lines per agent (100 / rate) are whole percents, and the reverse.
const EXACT_RATES: [i64; 13] = [1, 2, 4, 5, 8, 10, 16, 20, 25, 40, 50, 80, 100];
const RATE_TIMES_LINES: i64 = 10_000;
/// `predictMethod` off-hook rate; `outBoundType` predicted.
const OFF_HOOK: i64 = 5;
const PREDICTED: i64 = 2;

const LINES: &str = "pacing.lines_per_agent_percent";
/// Why a value that cannot be understood is not passed over.
pub(super) const NOT_STARTED: &str =
    "cannot be understood; the campaign is not started where its home does not keep this rule";

/// What a campaign document says.
pub fn campaign_to_domain(
    wire: &wire::Campaign,
    ctx: &ConvertContext,
) -> Converted<(CampaignDefinition, CampaignStatus)> {
    let table = ctx.tables.get(PLATFORM, Kind::Campaign);
    let mut findings = Vec::new();
    let definition = CampaignDefinition {
        name: wire.name.clone().unwrap_or_default(),
        description: filled(wire.description.as_ref()).map(str::to_owned),
        caller_numbers: caller_numbers(&wire.caller_no, ctx, &mut findings),
        ring_timeout_ms: ring_timeout(wire.max_alerting_time, &mut findings),
        answering: answering(wire, ctx, table, &mut findings),
        pacing: pacing(wire, connects(wire, table), &mut findings),
        retry: retry(wire.retry_policy.as_ref(), &mut findings),
        window: window(wire, &mut findings),
        when_done: WhenDone::Wait,
        result_url: filled(wire.call_back_url.as_ref()).map(str::to_owned),
    };
    let status = wire.status.map_or(CampaignStatus::Stopped, |native| {
        let code = table.set("status").and_then(|set| set.code_number(native));
        match code.and_then(|code| code.term.as_deref()) {
            Some(term) => CampaignStatus::from_term(term),
            None => CampaignStatus::Unknown(native.to_string()),
        }
    });
    Converted { value: (definition, status), findings }
}

/// The document that says it. Ids are the caller's to fill in.
pub fn campaign_from_domain(
    definition: &CampaignDefinition,
    status: &CampaignStatus,
    ctx: &ConvertContext,
) -> Converted<wire::Campaign> {
    let table = ctx.tables.get(PLATFORM, Kind::Campaign);
    let mut findings = Vec::new();
    let kind = match definition.answering {
        Answering::Nothing => "nothing",
        Answering::Agents { .. } => "agents",
        Answering::Script { .. } => "script",
    };
    let number_of = |set: &str, term: &str| table.say(set, term).and_then(|s| s.code.number());
    let window = &definition.window;
    let campaign = wire::Campaign {
        name: Some(name(&definition.name, &mut findings)),
        description: description(definition.description.as_deref(), &mut findings),
        status: number_of("status", status.as_str()),
        str_begin_time: said(&window.begin).copied().map(date_time_text),
        str_end_time: said(&window.end).copied().map(date_time_text),
        device_type: number_of("device_type", kind),
        caller_no: caller_no(&definition.caller_numbers, ctx),
        max_alerting_time: Some(alerting_time(&definition.ring_timeout_ms, table, &mut findings)),
        schedule_param: schedule(window),
        ivr_param: ivr_param(&definition.answering, ctx),
        skill_param: skill_param(definition, ctx, &mut findings),
        call_back_url: definition.result_url.clone(),
        retry_policy: retry_policy(&definition.retry, table, &mut findings),
        ..wire::Campaign::default()
    };
    Converted { value: campaign, findings }
}

fn caller_numbers(
    wire: &wire::CallerNo,
    ctx: &ConvertContext,
    findings: &mut Vec<Finding>,
) -> Vec<CallerNumber> {
    let mut read = |place: usize, text: &str, priority| {
        let at = || match place {
            0 => Cow::Borrowed("caller_numbers[0].number"),
            _ => Cow::Owned(format!("caller_numbers[{place}].number")),
        };
        read_number(&ctx.numbers, text, at, findings).map(|number| CallerNumber {
            number,
            place,
            priority,
        })
    };
    match wire {
        wire::CallerNo::Absent => Vec::new(),
        wire::CallerNo::One(text) => read(0, text, None).into_iter().collect(),
        wire::CallerNo::Many(items) => items
            .iter()
            .enumerate()
            .filter_map(|(place, item)| read(place, &item.access_code, item.priority))
            .collect(),
    }
}

fn caller_no(numbers: &[CallerNumber], ctx: &ConvertContext) -> wire::CallerNo {
    match numbers {
        [] => wire::CallerNo::Absent,
        [one] if one.priority.is_none() => wire::CallerNo::One(ctx.numbers.format(&one.number)),
        many => wire::CallerNo::Many(
            many.iter()
                .map(|number| wire::CallerNoItem {
                    access_code: ctx.numbers.format(&number.number),
                    priority: number.priority,
                    ..wire::CallerNoItem::default()
                })
                .collect(),
        ),
    }
}

fn ring_timeout(seconds: Option<i64>, findings: &mut Vec<Finding>) -> Rule<i64> {
    let Some(seconds) = seconds else { return Rule::Absent };
    let allowed = seconds.clamp(*RING_SECONDS.start(), *RING_SECONDS.end());
    if allowed != seconds {
        findings.push(Finding::domain(
            "ring_timeout_ms",
            Outcome::Approximated,
            "outside 5 to 120 seconds, which the platform does not accept; the nearest is taken",
        ));
    }
    Rule::Stated(allowed * 1000)
}

/// What is stated. A document has no words for what could not be understood; on the way back that
/// keeps its own, and a campaign that has it is made nowhere.
pub(super) fn said<T>(rule: &Rule<T>) -> Option<&T> {
    match rule {
        Rule::Stated(value) => Some(value),
        Rule::Absent | Rule::Unreadable(_) => None,
    }
}

fn alerting_time(ring_timeout_ms: &Rule<i64>, table: &Table, findings: &mut Vec<Finding>) -> i64 {
    let Some(&ms) = said(ring_timeout_ms) else {
        return table.default_integer("maxAlertingTime").unwrap_or(*RING_SECONDS.end() / 2);
    };
    let seconds = whole_seconds(ms).clamp(*RING_SECONDS.start(), *RING_SECONDS.end());
    if milliseconds(seconds) != Some(ms) {
        findings.push(Finding::domain(
            "ring_timeout_ms",
            Outcome::Approximated,
            "CC-iSales has whole seconds from 5 to 120; the next such is taken",
        ));
    }
    seconds
}

/// What a person who answers is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connects {
    Agents,
    Script,
    Nothing,
}

/// `deviceType` decides: it can never be changed (reference 3.1), and parameters of the other kind are
/// left over from a document that was copied. Where it is missing or of no kind, what is filled in does.
fn connects(wire: &wire::Campaign, table: &Table) -> Connects {
    let code = table.set("device_type").zip(wire.device_type).and_then(|(s, n)| s.code_number(n));
    match code.and_then(|code| code.term.as_deref()) {
        Some("agents") => Connects::Agents,
        Some("script") => Connects::Script,
        _ if wire.skill_param.as_ref().is_some_and(|skill| skill.skill_id.is_some()) => {
            Connects::Agents
        }
        _ if script_of(wire).is_some() => Connects::Script,
        _ => Connects::Nothing,
    }
}

fn script_of(wire: &wire::Campaign) -> Option<&str> {
    filled(wire.ivr_param.as_ref()?.device_sign.as_ref())
}

fn answering(
    wire: &wire::Campaign,
    ctx: &ConvertContext,
    table: &Table,
    findings: &mut Vec<Finding>,
) -> Answering {
    let connects = connects(wire, table);
    let skill = wire.skill_param.as_ref().and_then(|skill| skill.skill_id);
    if connects != Connects::Agents && skill.is_some() {
        let reason = "the campaign runs a script, so it connects no agents";
        findings.push(Finding::domain("answering.group", Outcome::Dropped, reason));
    }
    if connects == Connects::Agents {
        if script_of(wire).is_some() {
            let reason = "the campaign connects agents, so its script is not run";
            findings.push(Finding::domain("answering.script", Outcome::Dropped, reason));
        }
        let Some(skill) = skill else {
            let reason = "no skill is named, so nothing paces the calls by its agents";
            findings.push(Finding::domain("answering.group", Outcome::Dropped, reason).wide());
            return Answering::Agents { group: None };
        };
        let group = ctx.bindings.group_of_skill(&skill.to_string()).map(str::to_owned);
        if group.is_none() {
            // Without a queue nothing paces the calls by the agents.
            let reason = "no binding says which queue this skill is (bindings, agent_groups)";
            findings.push(Finding::domain("answering.group", Outcome::Dropped, reason).wide());
        }
        return Answering::Agents { group };
    }
    if let Some(code) = script_of(wire) {
        let name = ctx.bindings.script_of_access_code(code).map(str::to_owned);
        if name.is_none() {
            findings.push(Finding::domain(
                "answering.script",
                Outcome::Dropped,
                "no binding says which script this access code is (bindings, scripts)",
            ));
        }
        return Answering::Script { name };
    }
    match connects {
        Connects::Script => Answering::Script { name: None },
        Connects::Agents | Connects::Nothing => Answering::Nothing,
    }
}

fn ivr_param(answering: &Answering, ctx: &ConvertContext) -> Option<wire::IvrParam> {
    let Answering::Script { name: Some(script) } = answering else { return None };
    let code = ctx.bindings.access_code_of_script(script)?;
    Some(wire::IvrParam { device_sign: Some(code.to_owned()), ..wire::IvrParam::default() })
}

fn skill_param(
    definition: &CampaignDefinition,
    ctx: &ConvertContext,
    findings: &mut Vec<Finding>,
) -> Option<wire::SkillParam> {
    let skill = match &definition.answering {
        Answering::Agents { group: Some(group) } => ctx.bindings.skill_of_group(group),
        _ => None,
    };
    let skill_id = skill.and_then(|skill| skill.parse().ok());
    if skill.is_some() && skill_id.is_none() {
        findings.push(Finding::domain(
            "answering.group",
            Outcome::Dropped,
            "the binding of this queue names no skill id, which is an integer",
        ));
    }
    let lines = said(&definition.pacing.lines_per_agent_percent).copied();
    if skill_id.is_none() {
        if lines.is_some() {
            // Without a skill nobody is dialled: such a campaign cannot be made.
            let reason =
                "the pace means something only with agents, and no skill is bound to this queue";
            findings.push(Finding::domain(LINES, Outcome::Dropped, reason).narrow());
        }
        return None;
    }
    let rate = lines.map(|lines| rate_of(lines, findings));
    let prediction = rate.map(|rate| wire::PredictParam {
        predict_method: Some(OFF_HOOK),
        offhook_predict_param: Some(wire::AlgorithmParam {
            off_hook_rate: Some(rate),
            ..wire::AlgorithmParam::default()
        }),
        ..wire::PredictParam::default()
    });
    Some(wire::SkillParam {
        skill_id,
        out_bound_type: Some(PREDICTED),
        predict_param: prediction,
        ..wire::SkillParam::default()
    })
}

/// Lines per agent from the off-hook rate: the rate is the share of calls that are answered, so
/// 100 / rate lines reach one person [inferred]. In-between rates take the next higher exact one,
/// which dials fewer lines. `predictMethod` does not decide: only its own parameter is filled.
fn pacing(wire: &wire::Campaign, connects: Connects, findings: &mut Vec<Finding>) -> Pacing {
    let rate = wire
        .skill_param
        .as_ref()
        .and_then(|skill| skill.predict_param.as_ref())
        .and_then(|predict| predict.offhook_predict_param.as_ref())
        .and_then(|off_hook| off_hook.off_hook_rate);
    let Some(rate) = rate else { return Pacing::default() };
    if connects != Connects::Agents {
        let reason = "the campaign connects no agents, so their number sets no pace";
        findings.push(Finding::domain(LINES, Outcome::Preserved, reason));
        return Pacing::default();
    }
    let exact = EXACT_RATES.into_iter().find(|exact| *exact >= rate && rate > 0);
    match exact {
        Some(exact) if exact == rate => {}
        Some(_) => {
            let reason =
                "100 / rate lines per agent is no whole percent; the next smaller one that is";
            findings.push(Finding::domain(LINES, Outcome::Approximated, reason).narrow());
        }
        None => findings.push(Finding::domain(
            LINES,
            Outcome::Dropped,
            format!("{}; {NOT_STARTED}", "an off-hook rate is a percentage from 1 to 100"),
        )),
    }
    let lines = exact.map(|exact| RATE_TIMES_LINES / exact);
    let unread = Unread("an off-hook rate is a percentage from 1 to 100");
    Pacing { lines_per_agent_percent: lines.map_or(Rule::Unreadable(unread), Rule::Stated) }
}

fn rate_of(lines_percent: i64, findings: &mut Vec<Finding>) -> i64 {
    // The largest number of lines that can be said and is not more than asked for.
    let exact = EXACT_RATES.into_iter().find(|rate| RATE_TIMES_LINES / rate <= lines_percent);
    let rate = exact.unwrap_or(100);
    if RATE_TIMES_LINES / rate != lines_percent {
        let outcome = if lines_percent <= 0 { Outcome::Dropped } else { Outcome::Approximated };
        let reason =
            "CC-iSales has no off-hook rate for so many lines per agent; the nearest is taken";
        let finding = Finding::domain(LINES, outcome, reason);
        // It has no rate for less than one line per agent: then it dials more.
        let is_less = RATE_TIMES_LINES / rate < lines_percent;
        findings.push(if is_less { finding.narrow() } else { finding });
    }
    rate
}

/// About a member that cannot be understood.
pub(super) fn unread(path: &str, flaw: Flaw) -> Finding {
    let reason = format!("{}: {NOT_STARTED}", flaw.rule());
    Finding::source(path.to_owned(), Outcome::Dropped, reason).wide()
}

fn window(wire: &wire::Campaign, findings: &mut Vec<Finding>) -> CallingWindow {
    let mut date =
        |text: Option<&String>, member: &str| match rules::moment(text.map(String::as_str)) {
            Ok(moment) => moment.map_or(Rule::Absent, |moment| Rule::Stated(moment.at)),
            Err(flaw) => {
                findings.push(unread(member, flaw));
                Rule::Unreadable(Unread(flaw.rule()))
            }
        };
    let begin = date(wire.str_begin_time.as_ref(), "strBeginTime");
    let end = date(wire.str_end_time.as_ref(), "strEndTime");
    let (workday, special_day) = match &wire.schedule_param {
        Some(schedule) => {
            (periods(schedule, Day::Work, findings), periods(schedule, Day::Special, findings))
        }
        None => (Rule::Absent, Rule::Absent),
    };
    CallingWindow { begin, end, workday, special_day }
}

/// The hours of one kind of day; one period that cannot be understood makes them all unreadable.
fn periods(
    schedule: &wire::ScheduleParam,
    of: Day,
    findings: &mut Vec<Finding>,
) -> Rule<Vec<DayPeriod>> {
    let mut periods = Vec::new();
    let mut why = None;
    for ((day, names), texts) in rules::PERIODS.into_iter().zip(rules::period_texts(schedule)) {
        if day != of {
            continue;
        }
        match rules::period(names, texts) {
            Ok(period) => periods.extend(period),
            Err(misread) => {
                // A half that is missing is told at the half that is there.
                let member = match misread.flaw {
                    Flaw::HalfAPeriod => names.into_iter().find(|name| *name != misread.member),
                    _ => None,
                };
                let path = format!("scheduleParam.{}", member.unwrap_or(misread.member));
                findings.push(unread(&path, misread.flaw));
                why = Some(Unread(misread.flaw.rule()));
            }
        }
    }
    match why {
        Some(why) => Rule::Unreadable(why),
        // A schedule has hours of workdays (reference 3.5); without any, no call is allowed.
        None if periods.is_empty() && of == Day::Special => Rule::Absent,
        None => Rule::Stated(periods),
    }
}

fn schedule(window: &CallingWindow) -> Option<wire::ScheduleParam> {
    let (work, special) = (said(&window.workday), said(&window.special_day));
    if work.is_none() && special.is_none() {
        return None;
    }
    let text = |periods: &[DayPeriod], at: usize, of: fn(&DayPeriod) -> Time| {
        periods.get(at).map(|period| of(period).strftime("%H:%M").to_string())
    };
    let begin = |periods: &[DayPeriod], at| text(periods, at, |period| period.begin);
    let end = |periods: &[DayPeriod], at| text(periods, at, |period| period.end);
    let (work, special) =
        (work.map_or(&[][..], Vec::as_slice), special.map_or(&[][..], Vec::as_slice));
    Some(wire::ScheduleParam {
        workday_begin_time1: begin(work, 0),
        workday_end_time1: end(work, 0),
        workday_begin_time2: begin(work, 1),
        workday_end_time2: end(work, 1),
        workday_begin_time3: begin(work, 2),
        workday_end_time3: end(work, 2),
        holiday_begin_time1: begin(special, 0),
        holiday_end_time1: end(special, 0),
        holiday_begin_time2: begin(special, 1),
        holiday_end_time2: end(special, 1),
        holiday_begin_time3: begin(special, 2),
        holiday_end_time3: end(special, 2),
        ..wire::ScheduleParam::default()
    })
}

fn date_time_text(at: DateTime) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn name(name: &str, findings: &mut Vec<Finding>) -> String {
    let sent = name_as_sent(name);
    if sent != name {
        let reason = "CC-iSales allows 100 characters; cut";
        findings.push(Finding::domain("name", Outcome::Approximated, reason));
    }
    sent
}

/// The name under which the platform has the campaign, and lists it.
pub fn name_as_sent(name: &str) -> String {
    name.chars().take(NAME_MAX_CHARS).collect()
}

fn description(text: Option<&str>, findings: &mut Vec<Finding>) -> Option<String> {
    let text = text?;
    let problem = if text.chars().count() > DESCRIPTION_MAX_CHARS {
        "CC-iSales allows 200 characters"
    } else if text.contains(DESCRIPTION_FORBIDDEN) {
        "CC-iSales refuses texts with any of \" [ ] = ; < >"
    } else {
        return Some(text.to_owned());
    };
    findings.push(Finding::domain("description", Outcome::Dropped, problem));
    None
}
