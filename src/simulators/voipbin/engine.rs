//! What happens by itself: the campaign state machine (VB 9.1), the tick (9.2 to 9.4) and the life
//! of an attempt (9.5, 9.6).

use jiff::SignedDuration;
use uuid::Uuid;

use super::outcomes::{CREATE_FAILED, NO_REASON, Outcome, result_of};
use super::world::{
    Address, Call, Campaign, Campaigncall, DialInfo, Due, Fate, MAX_ROWS, References, Status,
    Target, Times, World,
};
use super::{ServiceLevelFormula, references};
use crate::domain::phone::PhoneNumber;
use crate::simulators::journal::Dial;

/// The first tick after a start, the next after an attempt, the next after nothing could be done.
const FIRST_TICK: SignedDuration = SignedDuration::from_secs(1);
const NEXT_TICK: SignedDuration = SignedDuration::from_millis(500);
const IDLE_TICK: SignedDuration = SignedDuration::from_secs(5);
/// Dialing campaigncalls are counted up to here (VB 9.3).
const MAX_COUNTED: i64 = 100;

/// The slot of a target that is dialled next.
struct Pick {
    target: Uuid,
    slot: usize,
}

/// What one tick decided.
enum Step {
    Again(SignedDuration),
    /// Again later, but time alone will not change anything.
    Idle,
    /// The loop ends; `natural` when there was nothing left to dial.
    End {
        natural: bool,
    },
}

pub fn handle(world: &mut World, due: Due) {
    match due {
        Due::Tick { campaign } => tick(world, campaign),
        Due::Ring { call } => ring(world, call),
        Due::Answer { call } => answer(world, call),
        Due::End { campaigncall } => end_attempt(world, campaigncall),
    }
}

/// PUT status=run on an existing campaign; false when its references cannot be used.
pub fn run(world: &mut World, id: Uuid) -> bool {
    let Some(campaign) = world.campaigns.get(id) else { return false };
    if campaign.status == Status::Run {
        return true;
    }
    if !references::usable(world, campaign.customer_id, id, campaign.refs) {
        return false;
    }
    set_status(world, id, Status::Run, "campaign_status_run");
    let mut needs_tick = false;
    if let Some(campaign) = world.campaigns.get_mut(id) {
        campaign.ended_naturally = false;
        // A tick that is still pending from before is reused.
        needs_tick = !std::mem::replace(&mut campaign.execute, true);
    }
    if needs_tick {
        world.schedule(FIRST_TICK, Due::Tick { campaign: id });
    }
    true
}

/// PUT status=stop.
pub fn stop(world: &mut World, id: Uuid) {
    let Some(campaign) = world.campaigns.get(id) else { return };
    if campaign.status == Status::Run {
        set_status(world, id, Status::Stopping, "campaign_status_stopping");
    } else if campaign.status == Status::Stopping {
        stop_if_drained(world, id);
    }
}

fn tick(world: &mut World, id: Uuid) {
    let Some(campaign) = world.campaigns.get(id) else { return };
    let step = if campaign.status == Status::Run {
        step(world, &campaign.clone())
    } else {
        Step::End { natural: false }
    };
    match step {
        Step::Again(after) => world.schedule(after, Due::Tick { campaign: id }),
        Step::Idle => world.schedule_lazily(IDLE_TICK, Due::Tick { campaign: id }),
        Step::End { natural } => end_loop(world, id, natural),
    }
}

/// Steps 2 to 9 of VB 9.2.
fn step(world: &mut World, campaign: &Campaign) -> Step {
    let Some(outplan) = world.outplans.get(campaign.refs.outplan_id) else {
        return Step::End { natural: false };
    };
    let dial = outplan.dial.clone();
    let Some(pick) = available_target(world, campaign.refs.outdial_id, &dial) else {
        let waits = world.options.switches.retry_last_target
            && has_retries_in_progress(world, campaign, &dial);
        return match campaign.end_handle.as_str() {
            "stop" if !waits => Step::End { natural: true },
            _ => Step::Idle,
        };
    };
    if !may_dial(world, campaign) {
        return Step::Idle;
    }
    if !is_due(world, pick.target, &dial) {
        return Step::Again(IDLE_TICK);
    }
    if start_attempt(world, campaign, &dial, &pick) {
        Step::Again(NEXT_TICK)
    } else {
        Step::End { natural: false }
    }
}

/// The loop of a campaign ends (any row of VB 9.1 that says execute=stop).
fn end_loop(world: &mut World, id: Uuid, natural: bool) {
    let Some(campaign) = world.campaigns.get_mut(id) else { return };
    campaign.execute = false;
    campaign.ended_naturally |= natural;
    if !campaign.ongoing.is_empty() {
        if campaign.status == Status::Run {
            set_status(world, id, Status::Stopping, "campaign_status_stopping");
        }
        return;
    }
    become_stopped(world, id);
}

fn stop_if_drained(world: &mut World, id: Uuid) {
    let drained = world.campaigns.get(id).is_some_and(|campaign| {
        campaign.status == Status::Stopping && !campaign.execute && campaign.ongoing.is_empty()
    });
    if drained {
        become_stopped(world, id);
    }
}

fn become_stopped(world: &mut World, id: Uuid) {
    set_status(world, id, Status::Stop, "campaign_status_stop");
    let Some(campaign) = world.campaigns.get_mut(id) else { return };
    let (natural, next) = (campaign.ended_naturally, campaign.refs.next_campaign_id);
    campaign.ended_naturally = false;
    if natural && world.options.switches.chain_next && !next.is_nil() {
        run(world, next);
    }
}

fn set_status(world: &mut World, id: Uuid, status: Status, event: &'static str) {
    let now = world.now();
    let Some(campaign) = world.campaigns.get_mut(id) else { return };
    if campaign.status == status {
        return;
    }
    campaign.status = status;
    campaign.times.update = Some(now);
    world.publish_campaign(id, event);
}

/// The first idle target with a slot that has tries left (VB 9.4).
fn available_target(world: &World, outdial: Uuid, dial: &DialInfo) -> Option<Pick> {
    let defects = world.options.defects;
    if defects.no_available_target {
        return None;
    }
    world.idle.get(&outdial)?.iter().find_map(|(_, id)| {
        let target = world.targets.get(*id)?;
        if target.times.delete.is_some() && !defects.dial_deleted_targets {
            return None;
        }
        let slot = free_slot(target, dial)?;
        Some(Pick { target: *id, slot })
    })
}

/// The lowest slot with a destination and a try left. One that was left out at creation counts: it is an
/// empty address, which the platform dials, and that fails (VB 16).
fn free_slot(target: &Target, dial: &DialInfo) -> Option<usize> {
    (0..target.destinations.len()).find(|slot| {
        let is_set = target.destinations[*slot].is_some();
        is_set && target.try_counts[*slot] < dial.max_try_counts[*slot]
    })
}

/// Whether an attempt in progress could come back to be tried again.
fn has_retries_in_progress(world: &World, campaign: &Campaign, dial: &DialInfo) -> bool {
    campaign.ongoing.iter().any(|call| {
        let target = world.campaigncalls.get(*call).map(|call| call.outdial_target_id);
        let target = target.and_then(|target| world.targets.get(target));
        target.is_some_and(|target| free_slot(target, dial).is_some())
    })
}

/// The capacity rule (VB 9.3); it holds only with a queue.
fn may_dial(world: &World, campaign: &Campaign) -> bool {
    if campaign.refs.queue_id.is_nil() {
        return true;
    }
    let queue = world.queues.get(campaign.refs.queue_id);
    let agents = queue.map_or(0, |queue| queue.available_agents);
    let dialing = campaign
        .ongoing
        .iter()
        .filter_map(|call| world.campaigncalls.get(*call))
        .filter(|call| call.status == "dialing")
        .count();
    let dialing = i64::try_from(dialing).unwrap_or(MAX_COUNTED).min(MAX_COUNTED);
    let level = campaign.service_level;
    match world.options.switches.service_level {
        ServiceLevelFormula::Code => agents.saturating_mul(level).div_euclid(100) > dialing,
        // agents > dialing × level / 100, without rounding.
        ServiceLevelFormula::Docs => agents.saturating_mul(100) > dialing.saturating_mul(level),
    }
}

fn is_due(world: &World, target: Uuid, dial: &DialInfo) -> bool {
    let Some(target) = world.targets.get(target) else { return false };
    let update = target.times.update.unwrap_or(target.times.create);
    let interval = SignedDuration::from_millis(dial.try_interval_ms);
    update == target.times.create || world.now().duration_since(update) >= interval
}

/// Creates the campaigncall and starts the call or the flow; false when that failed.
fn start_attempt(world: &mut World, campaign: &Campaign, dial: &DialInfo, pick: &Pick) -> bool {
    let is_flow = campaign.kind == "flow";
    // HEAD has no executor for another type and would crash on it (VB 9.7): nothing is created.
    let is_known = is_flow || campaign.kind == "call";
    if !is_known || world.campaigncalls.len() >= MAX_ROWS {
        return false;
    }
    let Some(target) = world.targets.get_mut(pick.target) else { return false };
    target.try_counts[pick.slot] += 1;
    let try_count = target.try_counts[pick.slot];
    let destination = target.destinations[pick.slot].clone().unwrap_or_default();
    let outcome = decide(world, &destination, is_flow);
    let call = new_campaigncall(world, campaign, pick, (dial.source.clone(), destination));
    let (id, call_id) = (call.id, call.reference_id);
    let call =
        Campaigncall { try_count, fate: Some(record(world, &call, try_count, outcome)), ..call };
    world.campaigncalls.insert(call);
    if let Some(campaign) = world.campaigns.get_mut(campaign.id) {
        campaign.ongoing.insert(id);
    }
    world.publish_campaigncall(id, "campaigncall_created");
    world.set_target_status(pick.target, "progressing");
    if outcome.reason == CREATE_FAILED {
        end_attempt(world, id);
        return false;
    }
    if is_flow {
        set_campaigncall_status(world, id, "progressing");
    } else {
        start_call(world, id, call_id, outcome);
    }
    world.schedule(outcome.lasts, Due::End { campaigncall: id });
    true
}

fn decide(world: &mut World, destination: &Address, is_flow: bool) -> Outcome {
    let count = world.attempts.entry(destination.target.clone()).or_default();
    let number = *count;
    *count += 1;
    let mut outcome = world.outcomes.decide(&world.dice, &destination.target, number);
    // A flow has no hangup reason; it ends well.
    if is_flow && outcome.reason != CREATE_FAILED {
        outcome.reason = "normal";
    }
    // Calls go to tel and sip only; any other type fails at dial time (VB 2.1).
    if !is_flow && (destination.target.is_empty() || !is_dialable(&destination.kind)) {
        outcome.reason = CREATE_FAILED;
    }
    outcome
}

fn is_dialable(kind: &str) -> bool {
    matches!(kind, "tel" | "sip")
}

fn new_campaigncall(
    world: &World,
    campaign: &Campaign,
    pick: &Pick,
    (source, destination): (Option<Address>, Address),
) -> Campaigncall {
    let is_flow = campaign.kind == "flow";
    Campaigncall {
        id: world.new_id(),
        customer_id: campaign.customer_id,
        campaign_id: campaign.id,
        refs: References { next_campaign_id: Uuid::nil(), ..campaign.refs },
        outdial_target_id: pick.target,
        activeflow_id: world.new_id(),
        flow_id: campaign.flow_id,
        reference_type: campaign.kind.clone(),
        reference_id: if is_flow { Uuid::nil() } else { world.new_id() },
        status: "dialing".into(),
        result: String::new(),
        source,
        destination: Some(destination),
        destination_index: pick.slot,
        try_count: 1,
        times: Times::created(world.campaigncalls.fresh_time(world.now())),
        fate: None,
    }
}

fn record(world: &World, call: &Campaigncall, try_count: i64, outcome: Outcome) -> Fate {
    let number = call.destination.as_ref().map_or("", |destination| &destination.target);
    let dial = world.journal.dial(Dial {
        at: world.now(),
        campaign: call.campaign_id.to_string(),
        contact: call.outdial_target_id.to_string(),
        number: PhoneNumber::new(number),
        attempt: u64::try_from(try_count).unwrap_or(0),
        outcome: None,
    });
    Fate { reason: outcome.reason, dial }
}

fn start_call(world: &mut World, campaigncall: Uuid, id: Uuid, outcome: Outcome) {
    let Some(of) = world.campaigncalls.get(campaigncall) else { return };
    let call = Call {
        id,
        customer_id: of.customer_id,
        flow_id: of.flow_id,
        activeflow_id: of.activeflow_id,
        campaigncall_id: campaigncall,
        source: of.source.clone().unwrap_or_default(),
        destination: of.destination.clone().unwrap_or_default(),
        status: "dialing",
        hangup_by: "",
        hangup_reason: "",
        times: Times::created(world.now()),
        ringing: None,
        progressing: None,
        hangup: None,
    };
    world.calls.insert(id, call);
    world.publish_call(id, "call_created");
    // What never reached the network does not ring.
    if !matches!(outcome.reason, "failed" | "busy") {
        world.schedule(SignedDuration::ZERO, Due::Ring { call: id });
    }
    if let Some(after) = outcome.answered_after {
        world.schedule(after, Due::Answer { call: id });
    }
}

fn ring(world: &mut World, id: Uuid) {
    let now = world.now();
    let Some(call) = world.calls.get_mut(&id) else { return };
    (call.status, call.ringing, call.times.update) = ("ringing", Some(now), Some(now));
    world.publish_call(id, "call_ringing");
}

fn answer(world: &mut World, id: Uuid) {
    let now = world.now();
    let Some(call) = world.calls.get_mut(&id) else { return };
    (call.status, call.progressing, call.times.update) = ("progressing", Some(now), Some(now));
    let campaigncall = call.campaigncall_id;
    world.publish_call(id, "call_progressing");
    if world.options.switches.progressing_on_answer {
        set_campaigncall_status(world, campaigncall, "progressing");
    }
}

fn end_attempt(world: &mut World, id: Uuid) {
    let Some(call) = world.campaigncalls.get(id) else { return };
    let (campaign, target, call_id) = (call.campaign_id, call.outdial_target_id, call.reference_id);
    let is_flow = call.reference_type == "flow";
    let Some(Fate { reason, dial }) = call.fate else { return };
    let result = if is_flow { Some("success") } else { result_of(reason) };
    hang_up(world, call_id, reason);
    world.journal.dial_ended(dial, reason);
    if result.is_none() && world.options.defects.lose_unknown_results {
        // HEAD's handler errors out: the campaigncall stays as it is, for ever.
        return;
    }
    let result = result.unwrap_or("fail");
    if let Some(call) = world.campaigncalls.get_mut(id) {
        result.clone_into(&mut call.result);
    }
    set_campaigncall_status(world, id, "done");
    world.set_target_status(target, if result == "success" { "done" } else { "idle" });
    if let Some(campaign) = world.campaigns.get_mut(campaign) {
        campaign.ongoing.remove(&id);
    }
    stop_if_drained(world, campaign);
}

fn hang_up(world: &mut World, id: Uuid, reason: &'static str) {
    let now = world.now();
    let Some(call) = world.calls.get_mut(&id) else { return };
    (call.status, call.hangup, call.times.update) = ("hangup", Some(now), Some(now));
    call.hangup_reason = if reason == NO_REASON { "" } else { reason };
    call.hangup_by =
        if matches!(reason, "cancel" | "dialout" | "timeout" | "amd") { "local" } else { "remote" };
    world.publish_call(id, "call_hangup");
}

fn set_campaigncall_status(world: &mut World, id: Uuid, status: &str) {
    let now = world.now();
    let Some(call) = world.campaigncalls.get_mut(id) else { return };
    status.clone_into(&mut call.status);
    call.times.update = Some(now);
    world.publish_campaigncall(id, "campaigncall_updated");
}
