//! Campaign management (reference 3.1–3.8).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::answer::{
    Answer, BEGINS_BEFORE_TODAY, CAMPAIGN_ENDED, DUPLICATE_NAME, EMPTY, LENGTH_OUT_OF_RANGE,
    Outcome, Refusal, STATE_FORBIDS, STILL_RUNNING, TOO_MANY_IVR_CAMPAIGNS,
    TOO_MANY_SKILL_CAMPAIGNS, WRONG_VALUE,
};
use super::campaign_rules::{self, Context, Draft};
use super::checks::{self, Fields, Findings};
use super::server::Request;
use super::world::{COMPLETED, Campaign, PAUSED, STARTED, World};
use super::{InitStatus, ListItem};

/// Rows of a campaign list page (3.6).
const DEFAULT_LIST_ROWS: usize = 10;
const MAX_LIST_ROWS: i64 = 100;
/// Longest name to look for (3.6).
const MAX_LIST_NAME_CHARS: usize = 30;

pub(super) fn create(world: &mut World, request: &Request) -> Outcome {
    let context = Context { setup: &world.setup, switches: &world.switches, current: None };
    let draft = campaign_rules::read(request, context)?;
    name_is_free(world, request.vdn, &draft, None)?;
    quota_left(world, request, &draft)?;
    let init_status = Fields::of_body(&request.body)?.raw("initStatus").and_then(Value::as_i64);
    let starts = match world.switches.init_status {
        InitStatus::ZeroStarts => init_status.unwrap_or(0) == 0,
        InitStatus::ZeroPauses => init_status.unwrap_or(0) != 0,
    };
    let id = world.new_campaign_id();
    let campaign = Campaign {
        id,
        vdn: request.vdn,
        document: draft.document,
        callers: draft.callers,
        begin: draft.begin,
        end: draft.end,
        paused: !starts,
        exhibit: None,
        schedule: draft.schedule,
        special_dates: Vec::new(),
        retry: draft.retry,
        batches: Vec::new(),
        last_add: None,
        records: Vec::new(),
        waiting: BTreeSet::new(),
        in_flight: BTreeSet::new(),
        next_round: draft.begin,
        placed_in_round: 0,
        rows: Vec::new(),
    };
    world.vdn_mut(request.vdn)?.campaigns.insert(id, campaign);
    Ok(Answer::new("").with("returnObject", json!({ "id": id })))
}

pub(super) fn modify(world: &mut World, request: &Request) -> Outcome {
    let current = world.campaign(request.vdn, request.campaign);
    let context = Context {
        setup: &world.setup,
        switches: &world.switches,
        current: current.as_ref().ok().copied(),
    };
    let read = campaign_rules::read(request, context);
    // Parameters come before existence (15.2), but a begin is only too early for a campaign that
    // exists.
    let draft = match (read, current) {
        (Err(refusal), Err(missing)) if refusal.code == BEGINS_BEFORE_TODAY => return Err(missing),
        (read, _) => read?,
    };
    if world.campaign(request.vdn, request.campaign)?.status(request.now) == COMPLETED {
        return Err(Refusal::new(CAMPAIGN_ENDED, "campaignId: the campaign has ended"));
    }
    name_is_free(world, request.vdn, &draft, Some(request.campaign))?;
    let campaign = world.campaign_mut(request.vdn, request.campaign)?;
    campaign.document = draft.document;
    campaign.callers = draft.callers;
    campaign.begin = draft.begin;
    campaign.end = draft.end;
    campaign.schedule = draft.schedule;
    campaign.retry = draft.retry;
    Ok(Answer::new(""))
}

pub(super) fn delete(world: &mut World, request: &Request) -> Outcome {
    // The body is optional.
    if !matches!(request.body, Ok(Value::Null)) {
        let mut found = Findings::default();
        let fields = Fields::of_body(&request.body)?;
        fields.choice(&mut found, "archiveHistory", (false, &[0, 1]));
        found.done()?;
    }
    if world.campaign(request.vdn, request.campaign)?.status(request.now) == STARTED {
        return Err(Refusal::new(STILL_RUNNING, "campaignId: the campaign is still running"));
    }
    world.vdn_mut(request.vdn)?.campaigns.remove(&request.campaign);
    Ok(Answer::new(""))
}

pub(super) fn detail(world: &mut World, request: &Request) -> Outcome {
    let campaign = world.campaign(request.vdn, request.campaign)?;
    Ok(Answer::new("").with("returnObject", full(campaign, world, request)))
}

pub(super) fn list(world: &mut World, request: &Request) -> Outcome {
    let wanted = Wanted::read(request)?;
    let held = &world.vdn_mut(request.vdn)?.campaigns;
    let active = |ivr: bool| {
        let counts = |c: &&Campaign| c.is_ivr() == ivr && c.status(request.now) != COMPLETED;
        held.values().filter(counts).count()
    };
    let (ivr_count, skill_count) = (active(true), active(false));
    let found: Vec<&Campaign> = held.values().filter(|c| wanted.matches(c, request)).collect();
    let total = found.len();
    let skip = wanted.rows.saturating_mul(wanted.page - 1);
    let ids: Vec<i64> = found.into_iter().skip(skip).take(wanted.rows).map(|c| c.id).collect();
    let mut data = Vec::with_capacity(ids.len());
    for id in ids {
        let campaign = world.campaign(request.vdn, id)?;
        data.push(match world.switches.list_item {
            ListItem::Full => full(campaign, world, request),
            ListItem::Brief => brief(campaign, request),
        });
    }
    Ok(Answer::new("")
        .with("curPage", wanted.page)
        .with("totalSize", total)
        .with("rowsPerPage", wanted.rows)
        .with("curSkillQueueCount", skill_count)
        .with("curIvrCount", ivr_count)
        .with("data", data))
}

/// Needs a started campaign.
pub(super) fn pause(world: &mut World, request: &Request) -> Outcome {
    set_paused(world, request, (STARTED, true))
}

/// Needs a paused campaign.
pub(super) fn resume(world: &mut World, request: &Request) -> Outcome {
    set_paused(world, request, (PAUSED, false))
}

fn set_paused(world: &mut World, request: &Request, (needed, paused): (i64, bool)) -> Outcome {
    let campaign = world.campaign_mut(request.vdn, request.campaign)?;
    let status = campaign.status(request.now);
    if status != needed {
        let why = format!("campaignId: status {status} does not allow it");
        return Err(Refusal::new(STATE_FORBIDS, why));
    }
    campaign.paused = paused;
    campaign.exhibit = campaign.exhibit.map(|_| if paused { PAUSED } else { STARTED });
    Ok(Answer::new(""))
}

fn name_is_free(
    world: &World,
    vdn: i64,
    draft: &Draft,
    current: Option<i64>,
) -> Result<(), Refusal> {
    let held = world.vdns.get(&vdn).into_iter().flat_map(|held| held.campaigns.values());
    let taken = held
        .filter(|campaign| Some(campaign.id) != current)
        .any(|campaign| campaign.document.name == draft.document.name);
    if taken {
        return Err(Refusal::new(DUPLICATE_NAME, "name: a campaign has it already"));
    }
    Ok(())
}

/// At most 20 active campaigns of each class (3.1); active is every one that has not ended.
fn quota_left(world: &World, request: &Request, draft: &Draft) -> Result<(), Refusal> {
    let ivr = matches!(draft.document.device_type, Some(1 | 3));
    let active = world
        .vdns
        .get(&request.vdn)
        .into_iter()
        .flat_map(|held| held.campaigns.values())
        .filter(|c| c.is_ivr() == ivr && c.status(request.now) != COMPLETED && c.exhibit.is_none())
        .count();
    let max = world.setup.limits.active_campaigns;
    if active < max {
        return Ok(());
    }
    let code = if ivr { TOO_MANY_IVR_CAMPAIGNS } else { TOO_MANY_SKILL_CAMPAIGNS };
    Err(Refusal::new(code, format!("deviceType: {max} active campaigns of its class")))
}

fn full(campaign: &Campaign, world: &World, request: &Request) -> Value {
    let shown = campaign.shown(request.now, &world.switches);
    serde_json::to_value(shown).unwrap_or_default()
}

fn brief(campaign: &Campaign, request: &Request) -> Value {
    json!({
        "id": campaign.id,
        "name": campaign.document.name,
        "status": campaign.status(request.now),
        "strBeginTime": campaign.document.str_begin_time,
        "strEndTime": campaign.document.str_end_time,
        "deviceType": campaign.document.device_type,
    })
}

/// The query of the campaign list.
struct Wanted {
    name: Option<String>,
    status: i64,
    device_type: i64,
    begin: Option<jiff::Timestamp>,
    end: Option<jiff::Timestamp>,
    page: usize,
    rows: usize,
}

impl Wanted {
    fn read(request: &Request) -> Result<Self, Refusal> {
        let mut found = Findings::default();
        let mut choice = |name: &str, choices: &[i64]| {
            if request.parameter(name).is_none() {
                found.note(EMPTY, name, "must be given");
            }
            let number = request.integer(&mut found, name)?;
            if !choices.contains(&number) {
                found.note(WRONG_VALUE, name, &format!("must be one of {choices:?}"));
            }
            Some(number)
        };
        let status = choice("status", &[0, 2, 3, 4]);
        let device_type = choice("deviceType", &[0, 1, 2, 3, 5, 6]);
        let name = request.parameter("name").map(str::to_owned);
        if name.as_ref().is_some_and(|name| name.chars().count() > MAX_LIST_NAME_CHARS) {
            found.note(LENGTH_OUT_OF_RANGE, "name", "must have 0 to 30 characters");
        }
        let mut time = |name: &str| {
            let text = request.parameter(name)?;
            let utc = jiff::tz::TimeZone::UTC;
            let parsed = checks::datetime(text).and_then(|time| utc.to_timestamp(time).ok());
            if parsed.is_none() {
                found.note(WRONG_VALUE, name, "must be yyyy-MM-dd HH:mm:ss");
            }
            parsed
        };
        let (begin, end) = (time("beginTime"), time("endTime"));
        // Mandatory, yet with a default: a missing one takes it.
        let page = request.integer(&mut found, "curPage").unwrap_or(1).max(1);
        let rows = request.integer(&mut found, "rowsPerPage");
        if rows.is_some_and(|rows| !(1..=MAX_LIST_ROWS).contains(&rows)) {
            found.note(WRONG_VALUE, "rowsPerPage", "must be from 1 to 100");
        }
        found.done()?;
        Ok(Self {
            name,
            status: status.unwrap_or(0),
            device_type: device_type.unwrap_or(0),
            begin,
            end,
            page: usize::try_from(page).unwrap_or(1),
            rows: rows.and_then(|rows| usize::try_from(rows).ok()).unwrap_or(DEFAULT_LIST_ROWS),
        })
    }

    fn matches(&self, campaign: &Campaign, request: &Request) -> bool {
        let named = campaign.document.name.as_deref().unwrap_or_default();
        (self.status == 0 || self.status == campaign.status(request.now))
            && (self.device_type == 0 || self.device_type == campaign.device_type())
            && self.name.as_ref().is_none_or(|name| named.contains(name.as_str()))
            && self.begin.is_none_or(|begin| campaign.begin >= begin)
            && self.end.is_none_or(|end| campaign.end <= end)
    }
}
