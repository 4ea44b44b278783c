//! Outbound numbers: add, delete, query one, daily statistics (reference 4.1–4.5).

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use serde_json::{Map, Value, json};

use super::answer::{
    Answer, BAD_TIME, BLACKLISTED, COMBINATION, CONVERSION, DUPLICATE_NUMBER, GENERIC, Operation,
    Outcome, Refusal, STATE_FORBIDS_ADDING, TOO_FAST, TOO_MANY_IN_REQUEST, TOO_MANY_RECORDS,
    WRONG_VALUE,
};
use super::checks::{
    CUSTOM_FIELD_FORBIDDEN, Fields, Findings, NUMBER_CHARS, Text, datetime, is_number_char,
};
use super::server::Request;
use super::world::{COMPLETED, Campaign, Due, Number, Record, RecordState, STARTED, Setup, World};
use super::{DeleteNumbers, Release};
use crate::platforms::isales::wire::{self, CallPolicy, Called, CalledNo};
use crate::simulators::journal::ContactAdded;

/// Lengths of section 12.1.
const SESSION_ID_CHARS: usize = 32;
const CUSTOM_FIELD_CHARS: usize = 200;
const CALL_DATA_CHARS: usize = 1_024;
/// Longest wait between the numbers of a record, in seconds (4.2).
const MAX_DELAY_S: i64 = 7_200;

/// Adds all records or none.
pub(super) fn add(world: &mut World, request: &Request) -> Outcome {
    let is_v2 = request.operation == Operation::AddNumbersV2;
    let records = read_records(request, is_v2)?;
    let campaign = world.campaign(request.vdn, request.campaign)?;
    check_state(campaign, request, world.setup.release)?;
    check_quota(campaign, records.len(), &world.setup)?;
    if campaign.last_add.is_some_and(|at| {
        request.now.duration_since(at)
            < jiff::SignedDuration::try_from(world.setup.limits.add_spacing).unwrap_or_default()
    }) {
        return Err(Refusal::new(TOO_FAST, "callDataList: one request a second"));
    }
    world.campaign_mut(request.vdn, request.campaign)?.last_add = Some(request.now);
    let campaign = world.campaign(request.vdn, request.campaign)?;
    check_duplicates(&records, is_v2)?;
    check_content(world, campaign, request, &records)?;
    let mut list = Vec::with_capacity(records.len());
    for data in records {
        let data_id = world.new_data_id();
        world.journal.contact(ContactAdded {
            at: request.now,
            campaign: request.campaign.to_string(),
            contact: data_id.clone(),
        });
        let today = world.today(request.now);
        let campaign = world.campaign_mut(request.vdn, request.campaign)?;
        let numbers = numbers(&data, campaign.document.call_policy.as_ref(), request.now);
        let first = numbers.first().map(|number| number.called.clone());
        list.push(json!({ "called": first, "dataId": data_id }));
        campaign.records.push(Record {
            data_id,
            data,
            numbers,
            state: RecordState::Finished,
            added: today,
            dialled: None,
            succeeded: None,
            finished: None,
        });
        let index = campaign.records.len() - 1;
        campaign.park(index, today);
    }
    let returned = json!({ "totalSize": list.len(), "dataIdList": list });
    Ok(Answer::new("create data succeeded").with("returnObject", returned))
}

/// Deletes what matches every given member. What is being called or has been is left; when only
/// such records match, the request fails.
pub(super) fn delete(world: &mut World, request: &Request) -> Outcome {
    let wanted = Wanted::read(request)?;
    let switch = world.switches.delete_numbers;
    let campaign = world.campaign_mut(request.vdn, request.campaign)?;
    if switch == DeleteNumbers::Combined && wanted.is_session_alone() {
        return Err(Refusal::new(COMBINATION, "called: expected beside sessionId"));
    }
    if campaign.status(request.now) == STARTED {
        return Err(Refusal::new(GENERIC, "campaignId: the campaign is running"));
    }
    let (mut matched, mut deleted) = (0, 0);
    let Campaign { records, waiting, .. } = campaign;
    for (index, record) in records.iter_mut().enumerate() {
        if record.state == RecordState::Deleted || !wanted.matches(record) {
            continue;
        }
        matched += 1;
        if let RecordState::Waiting { due } = record.state {
            waiting.remove(&(due, index));
            record.state = RecordState::Deleted;
            deleted += 1;
        }
    }
    if matched == 0 && switch == DeleteNumbers::Strict {
        return Err(Refusal::new(GENERIC, "no such record"));
    }
    if matched > 0 && deleted == 0 {
        return Err(Refusal::new(GENERIC, "called or finished records cannot be deleted"));
    }
    Ok(Answer::new(""))
}

pub(super) fn query(world: &mut World, request: &Request) -> Outcome {
    let campaign = world.campaign(request.vdn, request.campaign)?;
    let exists = |r: &&Record| r.data_id == request.item && r.state != RecordState::Deleted;
    let Some(record) = campaign.records.iter().find(exists) else {
        return Err(Refusal::new(GENERIC, "dataId: the record does not exist"));
    };
    let data = &record.data;
    let properties = [
        ("sessionId", &data.session_id),
        ("caller", &data.caller),
        ("customField", &data.custom_field),
        ("recycleTime", &data.recycle_time),
        ("callData", &data.call_data),
    ];
    let properties: Vec<Value> = properties
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_ref()?)))
        .map(|(name, value)| json!({ "propCode": name, "propName": name, "propValue": value }))
        .collect();
    let numbers: Vec<Value> = record
        .numbers
        .iter()
        .map(|number| json!({ "calledNo": number.called, "type": number.kind }))
        .collect();
    let data = json!({ "dataId": record.data_id, "properties": properties, "calledNos": numbers });
    Ok(Answer::new("query data success").with("data", data))
}

/// Once per five minutes and VDN; a refused request does not start the time again.
pub(super) fn may_count(world: &mut World, request: &Request) -> bool {
    let spacing = world.setup.limits.statistics_spacing;
    let Ok(vdn) = world.vdn_mut(request.vdn) else { return true };
    if vdn.statistics_at.is_some_and(|at| request.now < at + spacing) {
        return false;
    }
    vdn.statistics_at = Some(request.now);
    true
}

pub(super) fn statistics(world: &mut World, request: &Request) -> Outcome {
    let mut found = Findings::default();
    let wanted = request.integer(&mut found, "campaignId");
    let batch = request.parameter("batchId");
    if batch.is_some() && wanted.is_none() {
        found.note(COMBINATION, "batchId", "needs campaignId");
    }
    found.done()?;
    let today = world.today(request.now);
    let held = &world.vdn_mut(request.vdn)?.campaigns;
    if wanted.is_some_and(|id| !held.contains_key(&id)) {
        return Err(Refusal::new(GENERIC, "campaignId: the campaign does not exist"));
    }
    let counted: Vec<Value> = held
        .values()
        .filter(|campaign| wanted.is_none_or(|id| id == campaign.id))
        .map(|campaign| count(campaign, batch, today))
        .collect();
    Ok(Answer::new("").with("countDetail", counted))
}

fn read_records(request: &Request, is_v2: bool) -> Result<Vec<wire::CallData>, Refusal> {
    let fields = Fields::of_body(&request.body)?;
    let mut found = Findings::default();
    let mut records = Vec::new();
    for item in fields.objects(&mut found, "callDataList", true) {
        let custom = Text::optional(CUSTOM_FIELD_CHARS);
        let custom =
            if is_v2 { custom.allowing(|c| !CUSTOM_FIELD_FORBIDDEN.contains(c)) } else { custom };
        let caller = Text::optional(NUMBER_CHARS).allowing(is_number_char);
        let mut text = |name, rule| item.text(&mut found, name, rule).map(str::to_owned);
        records.push(wire::CallData {
            session_id: text("sessionId", Text::optional(SESSION_ID_CHARS)),
            batch_id: text("batchId", Text::optional(64)).filter(|_| is_v2),
            caller: text("caller", caller),
            custom_field: text("customField", custom),
            call_data: text("callData", Text::optional(CALL_DATA_CHARS)),
            recycle_time: item
                .datetime(&mut found, "recycleTime", (false, BAD_TIME))
                .map(|time| time.strftime("%Y-%m-%d %H:%M:%S").to_string()),
            called: if is_v2 {
                Called::Many(read_called(&item, &mut found))
            } else {
                let called = item.text(&mut found, "called", Text::number());
                Called::One(called.unwrap_or_default().to_owned())
            },
            extra: Map::new(),
        });
    }
    found.done()?;
    Ok(records)
}

fn read_called(item: &Fields<'_>, found: &mut Findings) -> Vec<CalledNo> {
    let mut numbers = Vec::new();
    for number in item.objects(found, "called", true) {
        let called = number.text(found, "calledNo", Text::number());
        // Seconds, as a string.
        let delay = number.text(found, "delayTime", Text::optional(NUMBER_CHARS));
        let fits = |text: &str| text.parse().is_ok_and(|s| (0..=MAX_DELAY_S).contains(&s));
        if delay.is_some_and(|text| !fits(text)) {
            found.note(WRONG_VALUE, &number.path_of("delayTime"), "must be from 0 to 7200");
        }
        let kind = number.text(found, "type", Text::optional(NUMBER_CHARS));
        numbers.push(CalledNo {
            called_no: called.unwrap_or_default().to_owned(),
            delay_time: delay.map(str::to_owned),
            kind: kind.map(str::to_owned),
            extra: Map::new(),
        });
    }
    numbers
}

/// Editions up to 2025-04 forbid running and ended campaigns, the newest neither (3.14).
fn check_state(campaign: &Campaign, request: &Request, release: Release) -> Result<(), Refusal> {
    let status = campaign.status(request.now);
    if release == Release::Y2024 && matches!(status, STARTED | COMPLETED) {
        let why = format!("campaignId: status {status} does not allow adding");
        return Err(Refusal::new(STATE_FORBIDS_ADDING, why));
    }
    Ok(())
}

fn check_quota(campaign: &Campaign, added: usize, setup: &Setup) -> Result<(), Refusal> {
    let limits = setup.limits;
    if campaign.unfinished() + added > limits.unfinished_records {
        let why = format!("callDataList: more than {} records", limits.unfinished_records);
        return Err(Refusal::new(TOO_MANY_RECORDS, why));
    }
    if added > limits.records_per_request {
        let why = format!("callDataList: at most {} per request", limits.records_per_request);
        return Err(Refusal::new(TOO_MANY_IN_REQUEST, why));
    }
    Ok(())
}

/// V1: once in a request. V2: once in a session.
fn check_duplicates(records: &[wire::CallData], is_v2: bool) -> Result<(), Refusal> {
    let mut seen = std::collections::BTreeSet::new();
    for (index, data) in records.iter().enumerate() {
        let session = data.session_id.as_deref().filter(|_| is_v2);
        // V2 records without a session are sessions of their own.
        let own = index + 1;
        let scope = if is_v2 && session.is_none() { own } else { 0 };
        for called in called_numbers(data) {
            if !seen.insert((scope, session, called)) {
                let why = format!("callDataList[{index}].called: a number is there twice");
                return Err(Refusal::new(DUPLICATE_NUMBER, why));
            }
        }
    }
    Ok(())
}

fn check_content(
    world: &World,
    campaign: &Campaign,
    request: &Request,
    records: &[wire::CallData],
) -> Result<(), Refusal> {
    let vdn = world.vdns.get(&request.vdn);
    for (index, data) in records.iter().enumerate() {
        let path = |name: &str| format!("callDataList[{index}].{name}");
        let mut numbers = called_numbers(data);
        if numbers.any(|n| vdn.is_some_and(|vdn| vdn.blocks(n, request.now, &world.setup))) {
            let why = format!("{}: a number is on the blacklist", path("called"));
            return Err(Refusal::new(BLACKLISTED, why));
        }
        // The intelligent robot reads it (4.1).
        let call_data = data.call_data.as_deref().filter(|_| campaign.device_type() == 1);
        if call_data.is_some_and(|text| serde_json::from_str::<Value>(text).is_err()) {
            return Err(Refusal::new(CONVERSION, format!("{}: must be JSON", path("callData"))));
        }
        let batch = data.batch_id.as_deref();
        if batch.is_some_and(|id| !campaign.batches.iter().any(|batch| batch.id == id)) {
            return Err(Refusal::new(GENERIC, format!("{}: does not exist", path("batchId"))));
        }
    }
    Ok(())
}

fn called_numbers(data: &wire::CallData) -> impl Iterator<Item = &str> {
    let (one, many) = match &data.called {
        Called::Absent => (None, &[][..]),
        Called::One(number) => (Some(number.as_str()), &[][..]),
        Called::Many(numbers) => (None, numbers.as_slice()),
    };
    one.into_iter().chain(many.iter().map(|number| number.called_no.as_str()))
}

/// The numbers in calling order: as given, or by rounds (3.5, callPolicy).
fn numbers(data: &wire::CallData, policy: Option<&CallPolicy>, now: Timestamp) -> Vec<Number> {
    let given: Vec<CalledNo> = match &data.called {
        Called::Many(numbers) => numbers.clone(),
        _ => called_numbers(data)
            .map(|number| CalledNo { called_no: number.to_owned(), ..CalledNo::default() })
            .collect(),
    };
    let mut ordered: Vec<(usize, CalledNo)> = given
        .into_iter()
        .enumerate()
        .map(|(index, number)| (round(policy, index, number.kind.as_deref()), number))
        .collect();
    ordered.sort_by_key(|(round, _)| *round);
    ordered
        .into_iter()
        .enumerate()
        .map(|(index, (_, number))| Number {
            called: number.called_no,
            delay_s: number.delay_time.and_then(|text| text.parse().ok()).unwrap_or(0),
            kind: number.kind,
            due: if index == 0 { Due::At(now) } else { Due::NotYet },
            calls: 0,
            today: None,
            days: 0,
            by_result: std::collections::BTreeMap::new(),
        })
        .collect()
}

/// The place of a number's round; without a round of its own it comes last.
fn round(policy: Option<&CallPolicy>, index: usize, kind: Option<&str>) -> usize {
    let Some(policy) = policy.filter(|policy| policy.call_type == Some(1)) else { return 0 };
    let turns = match &policy.turns {
        Some(Value::String(text)) => super::checks::quoted_json(text),
        other => other.clone(),
    };
    let turns = turns.as_ref().and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let by_sequence = policy.choose_type == Some(1);
    let turn_of = |turn: &Value| {
        if by_sequence {
            let order = turn.get("turnOrder").and_then(Value::as_u64);
            order.and_then(|order| usize::try_from(order).ok()) == Some(index + 1)
        } else {
            kind.is_some() && turn.get("turnType").and_then(Value::as_str) == kind
        }
    };
    let place = |(place, turn): (usize, &Value)| {
        let number = turn.get("orderNo").and_then(Value::as_u64);
        number.and_then(|number| usize::try_from(number).ok()).unwrap_or(place + 1)
    };
    turns.iter().enumerate().find(|(_, turn)| turn_of(turn)).map_or(usize::MAX, place)
}

/// The body of a deletion: every member narrows it.
struct Wanted {
    session_id: Option<String>,
    called: Option<String>,
    custom_field: Option<String>,
    recycle: Option<(DateTime, i64)>,
}

impl Wanted {
    fn read(request: &Request) -> Result<Self, Refusal> {
        let fields = Fields::of_body(&request.body)?;
        let mut found = Findings::default();
        let called = Text::optional(NUMBER_CHARS).allowing(is_number_char);
        let mut text = |name, rule| fields.text(&mut found, name, rule).map(str::to_owned);
        let session_id = text("sessionId", Text::optional(SESSION_ID_CHARS));
        let called = text("called", called);
        let custom_field = text("customField", Text::optional(CUSTOM_FIELD_CHARS));
        let kind = text("recycleType", Text::optional(1));
        let time = fields.datetime(&mut found, "recycleTime", (false, WRONG_VALUE));
        if kind.is_some() && !fields.has("recycleTime") {
            found.note(COMBINATION, "recycleType", "only with recycleTime");
        }
        let kind = match kind.as_deref() {
            None | Some("3") => 3,
            Some("1") => 1,
            Some("2") => 2,
            Some(_) => {
                found.note(WRONG_VALUE, "recycleType", "must be 1, 2 or 3");
                3
            }
        };
        fields.choice(&mut found, "archiveHistory", (false, &[0, 1]));
        let nothing = session_id.is_none() && called.is_none() && custom_field.is_none();
        if nothing && !fields.has("recycleTime") {
            found.note(COMBINATION, "body", "says nothing about what to delete");
        }
        found.done()?;
        Ok(Self { session_id, called, custom_field, recycle: time.map(|time| (time, kind)) })
    }

    fn is_session_alone(&self) -> bool {
        self.called.is_none() && self.custom_field.is_none() && self.recycle.is_none()
    }

    fn matches(&self, record: &Record) -> bool {
        let data = &record.data;
        let same =
            |wanted: &Option<String>, given: &Option<String>| wanted.is_none() || wanted == given;
        let recycled = self.recycle.is_none_or(|(wanted, kind)| {
            data.recycle_time.as_deref().and_then(datetime).is_some_and(|given| match kind {
                1 => given.date() <= wanted.date(),
                2 => given.date() == wanted.date(),
                _ => given == wanted,
            })
        });
        let called = self.called.as_deref();
        same(&self.session_id, &data.session_id)
            && same(&self.custom_field, &data.custom_field)
            && called.is_none_or(|called| called_numbers(data).any(|number| number == called))
            && recycled
    }
}

/// The counters of a campaign and of its batches; a batch is what shares a `customField`.
fn count(campaign: &Campaign, batch: Option<&str>, today: Date) -> Value {
    let records = || campaign.records.iter().filter(|r| r.state != RecordState::Deleted);
    let all: Vec<&Record> =
        records().filter(|r| batch.is_none() || r.data.custom_field.as_deref() == batch).collect();
    let mut batches: std::collections::BTreeMap<&str, Vec<&Record>> =
        std::collections::BTreeMap::new();
    for record in &all {
        if let Some(custom_field) = record.data.custom_field.as_deref() {
            batches.entry(custom_field).or_default().push(record);
        }
    }
    let detail: Vec<Value> = batches
        .into_iter()
        .map(|(batch, records)| {
            let mut counters = Map::new();
            counters.insert("batchId".to_owned(), batch.into());
            counters.extend(counters_of(&records, today));
            Value::Object(counters)
        })
        .collect();
    let mut counters = Map::new();
    counters.insert("campaignId".to_owned(), campaign.id.to_string().into());
    counters.extend(counters_of(&all, today));
    counters.insert("batchDetail".to_owned(), detail.into());
    Value::Object(counters)
}

fn counters_of(records: &[&Record], today: Date) -> Map<String, Value> {
    let count = |is: &dyn Fn(&Record) -> bool| records.iter().filter(|r| is(r)).count();
    let on = |day: Option<Date>| day == Some(today);
    let finished = |r: &Record| r.state == RecordState::Finished;
    let counters = [
        ("unCallCount", count(&|r| r.dialled.is_none() && !finished(r))),
        ("calledCount", count(&|r| on(r.dialled))),
        ("finishCount", count(&|r| on(r.finished))),
        ("totalCalledCount", count(&|r| r.dialled.is_some())),
        ("totalCallSucc", count(&|r| r.succeeded.is_some())),
        ("totalFinishCount", count(&finished)),
        ("totalCount", records.len()),
        ("dailyCalledCount", count(&|r| on(r.dialled))),
        ("dailyCallSucc", count(&|r| on(r.succeeded))),
        ("dailyFinishCount", count(&|r| on(r.finished))),
        ("dailyCount", count(&|r| r.added == today)),
    ];
    counters.into_iter().map(|(name, count)| (name.to_owned(), count.into())).collect()
}
