//! Campaign, outplan and outdial ↔ campaign definition and status.

use serde_json::{Map, Value};

use crate::domain::campaign::{
    Answering, CallerNumber, CampaignDefinition, CampaignStatus, WhenDone,
};
use crate::domain::policy::{CallingWindow, DayPeriod, Pacing, RetryPolicy, Rule};
use crate::mapping::engine::{Finding, Outcome};
use crate::mapping::table::{Kind, Table};
use crate::platforms::voipbin::convert::{PLATFORM, address, filled, read_address, rules};
use crate::platforms::voipbin::wire::{self, NIL_UUID, is_unset};
use crate::platforms::{ConvertContext, Converted};

/// A `dial_timeout` below this was most likely written in seconds (reference 5.1): the struct says
/// milliseconds, one page of the vendor and its command line say seconds.
const DIAL_TIMEOUT_MIN_MS: i64 = 5000;
/// The action that runs a stored flow, and the option that names it.
const FETCH_FLOW: &str = "fetch_flow";
const FLOW_ID: &str = "flow_id";
const LINES: &str = "pacing.lines_per_agent_percent";

/// What a campaign and its parts say.
pub fn campaign_to_domain(
    bundle: &wire::CampaignBundle,
    ctx: &ConvertContext,
) -> Converted<(CampaignDefinition, CampaignStatus)> {
    let table = ctx.tables.get(PLATFORM, Kind::Campaign);
    let campaign = &bundle.campaign;
    let mut findings = Vec::new();
    report_unstarted(bundle, &mut findings);
    let answering = answering(campaign, ctx, &mut findings);
    let mut definition = CampaignDefinition {
        name: campaign.name.clone(),
        description: filled(&campaign.detail),
        pacing: pacing(campaign, &mut findings),
        answering,
        when_done: when_done(campaign, table),
        window: CallingWindow::default(),
        ..CampaignDefinition::default()
    };
    if let Some(outplan) = &bundle.outplan {
        let source = read_address(
            Some(&outplan.source),
            || "caller_numbers[0].number".into(),
            &mut findings,
        );
        let caller = source.map(|number| CallerNumber { number, place: 0, priority: None });
        definition.caller_numbers = caller.into_iter().collect();
        definition.ring_timeout_ms = ring_timeout(outplan.dial_timeout, &mut findings);
        definition.retry = retry(outplan, &mut findings);
    }
    let status = match table.term("status", &campaign.status) {
        Some(term) => CampaignStatus::from_term(term),
        None if campaign.status.is_empty() => CampaignStatus::Stopped,
        None => CampaignStatus::Unknown(campaign.status.clone()),
    };
    Converted { value: (definition, status), findings }
}

/// The objects that say it. Ids and timestamps are the caller's to fill in.
pub fn campaign_from_domain(
    definition: &CampaignDefinition,
    status: &CampaignStatus,
    ctx: &ConvertContext,
) -> Converted<wire::CampaignBundle> {
    let table = ctx.tables.get(PLATFORM, Kind::Campaign);
    let mut findings = Vec::new();
    let say = |set: &str, term: &str| {
        table.say(set, term).map(|said| said.code.native.clone()).unwrap_or_default()
    };
    let end = match definition.when_done {
        WhenDone::Stop => "stop",
        WhenDone::Wait => "wait",
    };
    let (queue_id, actions) = answered_by(&definition.answering);
    let campaign = wire::Campaign {
        kind: table.default_text("campaign.type").unwrap_or_default().to_owned(),
        name: definition.name.clone(),
        detail: definition.description.clone().unwrap_or_default(),
        status: say("status", status_now(definition, status, ctx, &mut findings).as_str()),
        service_level: service_level(definition, table, &mut findings),
        end_handle: say("end_handle", end),
        actions,
        outplan_id: NIL_UUID.to_owned(),
        outdial_id: NIL_UUID.to_owned(),
        queue_id: queue_id.unwrap_or(NIL_UUID).to_owned(),
        next_campaign_id: NIL_UUID.to_owned(),
        ..wire::Campaign::default()
    };
    report_open_hours(&definition.window, &mut findings);
    let outplan = outplan(definition, table, &mut findings);
    let outdial = wire::Outdial {
        campaign_id: NIL_UUID.to_owned(),
        name: definition.name.clone(),
        ..wire::Outdial::default()
    };
    let bundle = wire::CampaignBundle { campaign, outplan: Some(outplan), outdial: Some(outdial) };
    Converted { value: bundle, findings }
}

/// A campaign that is past its end calls nobody, also while it is shown as started (reference 16 of
/// CC-iSales); VoIPBin knows no end.
fn status_now<'s>(
    definition: &CampaignDefinition,
    status: &'s CampaignStatus,
    ctx: &ConvertContext,
    findings: &mut Vec<Finding>,
) -> &'s CampaignStatus {
    if *status != CampaignStatus::Running || !definition.window.is_over(ctx.clock.now()) {
        return status;
    }
    let reason = "its end is past, so it calls nobody any more; VoIPBin shows it as stopped";
    findings.push(Finding::domain("status", Outcome::Approximated, reason).wide());
    &CampaignStatus::Stopped
}

/// VoIPBin knows no hours. Those of a campaign that may call all day limit nothing.
fn report_open_hours(window: &CallingWindow, findings: &mut Vec<Finding>) {
    for (at, hours) in
        [("window.workday", &window.workday), ("window.special_day", &window.special_day)]
    {
        if let Rule::Stated(periods) = hours
            && periods.iter().any(DayPeriod::is_all_day)
        {
            let reason = "VoIPBin knows no hours; these are the whole day";
            findings.push(Finding::domain(at, Outcome::Dropped, reason).narrow());
        }
    }
}

/// What keeps a campaign from calling anybody on its own platform (reference 9.2, 9.5): it has no type, or
/// no outplan that says how often.
fn report_unstarted(bundle: &wire::CampaignBundle, findings: &mut Vec<Finding>) {
    if bundle.campaign.kind.is_empty() {
        let reason = "a campaign without a type calls nobody; elsewhere it would call";
        findings.push(Finding::source("campaign.type", Outcome::Dropped, reason).wide());
    }
    if bundle.outplan.is_none() && is_unset(&bundle.campaign.outplan_id) {
        let reason = "without an outplan it calls nobody, and nothing says how often elsewhere";
        findings.push(Finding::source("campaign.outplan_id", Outcome::Dropped, reason).wide());
    }
}

fn answering(
    campaign: &wire::Campaign,
    ctx: &ConvertContext,
    findings: &mut Vec<Finding>,
) -> Answering {
    let has_queue = !is_unset(&campaign.queue_id);
    let script = fetched_flow(&campaign.actions)
        .filter(|flow| ctx.bindings.access_code_of_script(flow).is_some());
    if !campaign.actions.is_empty() && (has_queue || script.is_none()) {
        let reason = if has_queue {
            "elsewhere a campaign with agents plays nothing before they answer"
        } else {
            "no binding says which access code these actions are (bindings, scripts)"
        };
        findings.push(Finding::domain("answering.script", Outcome::Dropped, reason));
    }
    if !has_queue {
        return match (campaign.actions.is_empty(), script) {
            (true, _) => Answering::Nothing,
            (false, name) => Answering::Script { name: name.map(str::to_owned) },
        };
    }
    let is_bound = ctx.bindings.skill_of_group(&campaign.queue_id).is_some();
    if !is_bound {
        findings.push(Finding::domain(
            "answering.group",
            Outcome::Dropped,
            "no binding says which skill this queue is (bindings, agent_groups)",
        ));
    }
    Answering::Agents { group: is_bound.then(|| campaign.queue_id.clone()) }
}

/// The flow of a campaign that does nothing but run a stored flow.
fn fetched_flow(actions: &[wire::Action]) -> Option<&str> {
    let [action] = actions else { return None };
    let is_plain = action.kind == FETCH_FLOW
        && is_unset(&action.next_id)
        && action.option.len() == 1
        && action.extra.values().all(Value::is_null);
    if is_plain { action.option.get(FLOW_ID)?.as_str() } else { None }
}

/// Queue and actions of a campaign.
fn answered_by(answering: &Answering) -> (Option<&str>, Vec<wire::Action>) {
    match answering {
        Answering::Agents { group } => (group.as_deref(), Vec::new()),
        Answering::Script { name: Some(flow) } => {
            let mut option = Map::new();
            option.insert(FLOW_ID.to_owned(), Value::String(flow.clone()));
            let action = wire::Action {
                id: NIL_UUID.to_owned(),
                next_id: NIL_UUID.to_owned(),
                kind: FETCH_FLOW.to_owned(),
                option,
                ..wire::Action::default()
            };
            (None, vec![action])
        }
        Answering::Script { name: None } | Answering::Nothing => (None, Vec::new()),
    }
}

fn pacing(campaign: &wire::Campaign, findings: &mut Vec<Finding>) -> Pacing {
    if is_unset(&campaign.queue_id) {
        let reason = "without a queue the service level decides nothing";
        findings.push(Finding::domain(LINES, Outcome::Preserved, reason));
        return Pacing::default();
    }
    Pacing { lines_per_agent_percent: limit(LINES, campaign.service_level, findings) }
}

fn service_level(
    definition: &CampaignDefinition,
    table: &Table,
    findings: &mut Vec<Finding>,
) -> i64 {
    let default = table.default_integer("campaign.service_level").unwrap_or(100);
    let lines = match definition.pacing.lines_per_agent_percent {
        Rule::Absent => return default,
        Rule::Stated(lines) => lines,
        // Lets nobody be called.
        Rule::Unreadable(_) => 0,
    };
    if matches!(definition.answering, Answering::Agents { group: Some(_) }) {
        return lines;
    }
    let reason = "without a bound queue VoIPBin does not pace by agents";
    findings.push(Finding::domain(LINES, Outcome::Dropped, reason));
    default
}

fn when_done(campaign: &wire::Campaign, table: &Table) -> WhenDone {
    match table.term("end_handle", &campaign.end_handle) {
        Some("stop") => WhenDone::Stop,
        _ => WhenDone::Wait,
    }
}

fn ring_timeout(ms: i64, findings: &mut Vec<Finding>) -> Rule<i64> {
    if !(0..DIAL_TIMEOUT_MIN_MS).contains(&ms) {
        return limit("ring_timeout_ms", ms, findings);
    }
    let reason = if ms == 0 {
        "0 states no time; the other side's default is used"
    } else {
        "below 5000 ms it was most likely written in seconds; the other side's default is used"
    };
    findings.push(Finding::domain("ring_timeout_ms", Outcome::Approximated, reason));
    Rule::Absent
}

fn limit(at: &'static str, number: i64, findings: &mut Vec<Finding>) -> Rule<i64> {
    let limit = rules::limit(number);
    if let Some(why) = limit.why_unread() {
        let reason = format!("{why}; the campaign is not started on another home");
        findings.push(Finding::domain(at, Outcome::Dropped, reason));
    }
    limit
}

fn retry(outplan: &wire::Outplan, findings: &mut Vec<Finding>) -> RetryPolicy {
    RetryPolicy {
        attempts_per_day: limit("retry.attempts_per_day", outplan.max_try_count_0, findings),
        days: Rule::Absent,
        interval_ms: limit("retry.interval_ms", outplan.try_interval, findings),
        attempts_by_place: [
            outplan.max_try_count_0,
            outplan.max_try_count_1,
            outplan.max_try_count_2,
            outplan.max_try_count_3,
            outplan.max_try_count_4,
        ]
        .into_iter()
        // A slot is dialled while its tries are fewer (reference 9.4): below 0 means never, too.
        .map(|tries: i64| tries.max(0))
        .collect(),
        exceptions: Rule::Absent,
    }
}

/// A wait between tries that nobody states is none to VoIPBin, and no page of CC-iSales says how long its
/// own is then: there is one try, which waits for nothing.
fn tries_at_most(retry: &RetryPolicy, findings: &mut Vec<Finding>) -> i64 {
    if !retry.interval_ms.is_absent() {
        return i64::MAX;
    }
    if let Rule::Stated(tries) = retry.attempts_per_day
        && tries > 1
    {
        let reason = "VoIPBin would try again at once where no wait is stated: one try is made";
        let finding = Finding::domain("retry.attempts_per_day", Outcome::Approximated, reason);
        findings.push(finding.narrow());
    }
    1
}

/// VoIPBin counts attempts per number without regard to days: the daily allowance is taken once, so
/// that nobody is called more often than allowed.
fn outplan(
    definition: &CampaignDefinition,
    table: &Table,
    findings: &mut Vec<Finding>,
) -> wire::Outplan {
    let retry = &definition.retry;
    match retry.days {
        Rule::Stated(days) if days > 1 => {
            let reason = "VoIPBin knows no days: the attempts of one day are made, and no more";
            findings.push(Finding::domain("retry.days", Outcome::Dropped, reason).narrow());
        }
        // Whoever read what cannot be understood has told it.
        Rule::Stated(1) | Rule::Absent | Rule::Unreadable(_) => {}
        Rule::Stated(_) => {
            let reason = "VoIPBin knows no days, and so no campaign without a day to call on";
            findings.push(Finding::domain("retry.days", Outcome::Dropped, reason));
        }
    }
    let most = tries_at_most(retry, findings);
    let tries = |place: usize, path: &str| {
        let allowed = match (retry.attempts_by_place.get(place), retry.attempts_per_day) {
            (Some(allowed), _) => *allowed,
            (None, Rule::Stated(allowed)) => allowed,
            (None, Rule::Absent) => table.default_integer(path).unwrap_or(1),
            // How often nobody knows: never.
            (None, Rule::Unreadable(_)) => 0,
        };
        allowed.min(most)
    };
    let or_default = |value: Rule<i64>, path: &str| match value {
        Rule::Stated(value) => value,
        Rule::Absent | Rule::Unreadable(_) => table.default_integer(path).unwrap_or_default(),
    };
    let caller = definition.caller_numbers.first().filter(|caller| caller.place == 0);
    wire::Outplan {
        name: definition.name.clone(),
        source: caller.map(|caller| address(&caller.number)).unwrap_or_default(),
        dial_timeout: or_default(definition.ring_timeout_ms, "outplan.dial_timeout"),
        try_interval: or_default(retry.interval_ms, "outplan.try_interval"),
        max_try_count_0: tries(0, "outplan.max_try_count_0"),
        max_try_count_1: tries(1, "outplan.max_try_count_1"),
        max_try_count_2: tries(2, "outplan.max_try_count_2"),
        max_try_count_3: tries(3, "outplan.max_try_count_3"),
        max_try_count_4: tries(4, "outplan.max_try_count_4"),
        ..wire::Outplan::default()
    }
}
