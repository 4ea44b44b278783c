//! The state of the simulated platform. Nothing here waits or sends: requests and the engine change
//! it under one lock, at a time that they are given.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::answer::{NO_CAMPAIGN, Refusal};
use super::callbacks::Outbox;
use super::outcome::{Outcome, Rule};
use super::retry::Rules;
use super::schedule::{Schedule, SpecialDate};
use super::{Limits, Options, Release, SkillQueue, Switches};
use crate::platforms::isales::wire;
use crate::simulators::dice::Dice;
use crate::simulators::journal::{DialNumber, Journal};

/// Campaign status on the wire (3.5).
pub(super) const STARTED: i64 = 2;
pub(super) const PAUSED: i64 = 3;
pub(super) const COMPLETED: i64 = 4;

/// The first ids; every object of the platform is numbered from here.
const FIRST_CAMPAIGN_ID: i64 = 1_001;
/// `dataId` has 19 or 20 digits, the longer ones beyond 2^63 (section 1): both kinds are issued.
const FIRST_SHORT_DATA_ID: u64 = 1_803_096_731_904_991_234;
const FIRST_LONG_DATA_ID: u64 = 11_330_737_561_851_183_104;
const FIRST_CALL: u64 = 1_388;
/// A batch id has 30 digits (11.1), which no integer type holds; the rest is counted.
const BATCH_ID_PREFIX: &str = "1747120342114332";

pub(super) struct World {
    pub setup: Setup,
    pub switches: Switches,
    pub rules: Vec<Rule>,
    pub vdns: BTreeMap<i64, Vdn>,
    pub outbox: Outbox,
    pub journal: Journal,
    /// Everything up to here has happened.
    pub reached: Timestamp,
    /// Result queries being answered, and refused or not, the most there ever were.
    pub result_queries: usize,
    ids: Ids,
}

/// What does not change while the simulator runs.
pub(super) struct Setup {
    pub time_zone: TimeZone,
    pub release: Release,
    pub limits: Limits,
    pub dice: Dice,
    pub answer_rate: f64,
    pub skill_queues: Vec<SkillQueue>,
    pub ivr_codes: Vec<String>,
}

#[derive(Debug, Clone)]
struct Ids {
    campaign: i64,
    data: u64,
    call: u64,
    definition: i64,
    special_date: i64,
    batch: u64,
}

/// What belongs to one VDN.
#[derive(Default)]
pub(super) struct Vdn {
    pub campaigns: BTreeMap<i64, Campaign>,
    /// Blocked numbers; an entry without time holds until it is removed.
    pub blacklist: BTreeMap<String, Block>,
    pub business: Vec<BusinessResult>,
    pub external: Vec<ExternalResult>,
    pub statistics_at: Option<Timestamp>,
}

/// A blocked number.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    pub until: Option<Timestamp>,
    /// Calls that are still allowed, per hour or day (up to 2025-04): times, period "0" or "1".
    pub allowance: Option<(i64, String)>,
    /// Calls made in the period that began then.
    pub used: Option<(Timestamp, i64)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct BusinessResult {
    pub name: String,
    pub code: String,
    pub description: String,
    pub children: Vec<BusinessResult>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct ExternalResult {
    pub def_id: i64,
    pub result_code: String,
    pub display: String,
    pub fail_codes: Vec<String>,
}

pub(super) struct Campaign {
    pub id: i64,
    pub vdn: i64,
    /// As the detail shows it, without `status`.
    pub document: wire::Campaign,
    /// By priority.
    pub callers: Vec<wire::CallerNoItem>,
    pub begin: Timestamp,
    pub end: Timestamp,
    pub paused: bool,
    /// A seeded document keeps the status it came with and is never dialled.
    pub exhibit: Option<i64>,
    pub schedule: Schedule,
    pub special_dates: Vec<SpecialDate>,
    pub retry: Rules,
    pub batches: Vec<Batch>,
    pub last_add: Option<Timestamp>,
    pub records: Vec<Record>,
    /// Records with something to call, by the time from which they may be called.
    pub waiting: BTreeSet<(Timestamp, usize)>,
    /// Records with a call up, by the time at which it ends.
    pub in_flight: BTreeSet<(Timestamp, usize)>,
    /// When the next round of calls may begin (IVR and preview).
    pub next_round: Timestamp,
    pub placed_in_round: usize,
    pub rows: Vec<Row>,
}

#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub id: String,
    pub name: String,
    pub paused: bool,
}

/// One record: a person with numbers in calling order, complete at the first success (3.14).
#[derive(Debug)]
pub(super) struct Record {
    pub data_id: String,
    pub data: wire::CallData,
    pub numbers: Vec<Number>,
    pub state: RecordState,
    pub added: Date,
    pub dialled: Option<Date>,
    pub succeeded: Option<Date>,
    pub finished: Option<Date>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RecordState {
    Waiting { due: Timestamp },
    Calling(Call),
    Finished,
    Deleted,
}

/// A call that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub number: usize,
    pub began: Timestamp,
    pub ends: Timestamp,
    pub outcome: Outcome,
    pub journalled: DialNumber,
}

#[derive(Debug)]
pub(super) struct Number {
    pub called: String,
    pub delay_s: i64,
    pub kind: Option<String>,
    pub due: Due,
    pub calls: u32,
    /// The local day of the last call, and the calls on it.
    pub today: Option<(Date, i64)>,
    pub days: i64,
    /// Calls by how they ended.
    pub by_result: BTreeMap<i64, i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// The number before it has not been tried yet.
    NotYet,
    At(Timestamp),
    Exhausted,
}

/// A finished call.
pub(super) struct Row {
    /// As the result query shows it, with `resultCode` and `customField`.
    pub shown: wire::ResultRow,
    /// None: a seeded row.
    pub record: Option<usize>,
    pub number: usize,
    /// Local day, for the date filter.
    pub day: Option<Date>,
    /// This call ended its record.
    pub is_final: bool,
    pub ack_begin: String,
    pub call_begin: String,
    pub call_end: String,
}

impl World {
    pub(super) fn new(options: &Options, journal: Journal, now: Timestamp) -> Self {
        let vdns = options.tenants.iter().flat_map(|tenant| tenant.vdns.iter());
        Self {
            setup: Setup {
                time_zone: options.time_zone.clone(),
                release: options.release,
                limits: options.limits,
                dice: Dice::new(options.seed),
                answer_rate: options.answer_rate,
                skill_queues: options.skill_queues.clone(),
                ivr_codes: options.ivr_codes.clone(),
            },
            switches: options.switches.clone(),
            rules: options.outcomes.clone(),
            vdns: vdns.map(|vdn| (*vdn, Vdn::new())).collect(),
            outbox: Outbox::default(),
            journal,
            reached: now,
            result_queries: 0,
            ids: Ids {
                campaign: FIRST_CAMPAIGN_ID,
                data: 0,
                call: FIRST_CALL,
                definition: 1_000,
                special_date: 1,
                batch: 1,
            },
        }
    }

    pub(super) fn campaign(&self, vdn: i64, id: i64) -> Result<&Campaign, Refusal> {
        let found = self.vdns.get(&vdn).and_then(|vdn| vdn.campaigns.get(&id));
        found.ok_or_else(no_campaign)
    }

    pub(super) fn campaign_mut(&mut self, vdn: i64, id: i64) -> Result<&mut Campaign, Refusal> {
        let found = self.vdns.get_mut(&vdn).and_then(|vdn| vdn.campaigns.get_mut(&id));
        found.ok_or_else(no_campaign)
    }

    pub(super) fn vdn_mut(&mut self, vdn: i64) -> Result<&mut Vdn, Refusal> {
        let why = "vdnId: does not belong to this access key";
        self.vdns.get_mut(&vdn).ok_or_else(|| Refusal::new(super::answer::GENERIC, why))
    }

    /// A positive 32-bit integer that no seeded campaign has.
    pub(super) fn new_campaign_id(&mut self) -> i64 {
        while self.vdns.values().any(|vdn| vdn.campaigns.contains_key(&self.ids.campaign)) {
            self.ids.campaign += 1;
        }
        self.ids.campaign += 1;
        self.ids.campaign - 1
    }

    pub(super) fn new_data_id(&mut self) -> String {
        let nth = self.ids.data;
        self.ids.data += 1;
        let first = if nth.is_multiple_of(2) { FIRST_LONG_DATA_ID } else { FIRST_SHORT_DATA_ID };
        (first + nth).to_string()
    }

    /// Shaped like `1644464743-1388`: seconds of the call's begin, then a running number.
    pub(super) fn new_call_id(&mut self, began: Timestamp) -> String {
        self.ids.call += 1;
        format!("{}-{}", began.as_second(), self.ids.call - 1)
    }

    pub(super) fn new_definition_id(&mut self) -> i64 {
        self.ids.definition += 1;
        self.ids.definition
    }

    pub(super) fn new_special_date_id(&mut self) -> i64 {
        self.ids.special_date += 1;
        self.ids.special_date
    }

    pub(super) fn new_batch_id(&mut self) -> String {
        self.ids.batch += 1;
        format!("{BATCH_ID_PREFIX}{:014}", self.ids.batch)
    }

    pub(super) fn today(&self, now: Timestamp) -> Date {
        self.setup.day(now)
    }
}

impl Setup {
    pub(super) fn day(&self, at: Timestamp) -> Date {
        self.time_zone.to_datetime(at).date()
    }

    /// `yyyy-MM-dd HH:mm:ss` in the tenant's zone, where `callTimeStr` is assumed to be (6).
    pub(super) fn local_text(&self, at: Timestamp) -> String {
        self.time_zone.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// The first instant of the local day after `at`.
    pub(super) fn tomorrow(&self, at: Timestamp) -> Timestamp {
        let midnight = self.day(at).tomorrow().map(|day| day.to_datetime(jiff::civil::Time::MIN));
        midnight
            .and_then(|midnight| self.time_zone.to_timestamp(midnight))
            .unwrap_or(Timestamp::MAX)
    }
}

impl Vdn {
    fn new() -> Self {
        let external =
            super::outcome::EXTERNAL.iter().zip(1..).map(|(row, def_id)| ExternalResult {
                def_id,
                result_code: row.code.to_owned(),
                display: row.display.to_owned(),
                fail_codes: row.fail_codes.iter().map(|&code| code.to_owned()).collect(),
            });
        Self { external: external.collect(), ..Self::default() }
    }

    /// Blocked at `now`, with no allowance left.
    pub(super) fn blocks(&self, called: &str, now: Timestamp, setup: &Setup) -> bool {
        self.blacklist.get(called).is_some_and(|block| block.holds(now, setup))
    }
}

impl Block {
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    pub(super) fn holds(&self, now: Timestamp, setup: &Setup) -> bool {
        if self.is_over(now) {
            return false;
        }
        let Some((times, period)) = &self.allowance else { return true };
        let used = self.used.filter(|(at, _)| setup.same_period(*at, now, period));
        used.is_some_and(|(_, used)| used >= *times)
    }

    /// Counts a call against the allowance.
    pub(super) fn count(&mut self, now: Timestamp, setup: &Setup) {
        let Some((_, period)) = &self.allowance else { return };
        let used = self.used.filter(|(at, _)| setup.same_period(*at, now, period));
        self.used = Some((now, used.map_or(0, |(_, used)| used) + 1));
    }
}

impl Setup {
    /// The same clock hour ("0") or calendar day ("1").
    fn same_period(&self, a: Timestamp, b: Timestamp, period: &str) -> bool {
        let (a, b) = (self.time_zone.to_datetime(a), self.time_zone.to_datetime(b));
        a.date() == b.date() && (period == "1" || a.hour() == b.hour())
    }
}

impl Campaign {
    pub(super) fn status(&self, now: Timestamp) -> i64 {
        match self.exhibit {
            Some(status) => status,
            None if now >= self.end => COMPLETED,
            None if self.paused => PAUSED,
            None => STARTED,
        }
    }

    pub(super) fn device_type(&self) -> i64 {
        self.document.device_type.unwrap_or_default()
    }

    /// IVR campaigns and skill-queue campaigns have quotas of their own.
    pub(super) fn is_ivr(&self) -> bool {
        matches!(self.device_type(), 1 | 3)
    }

    /// The detail (3.5): `callerNo` is one text even for V2 campaigns.
    pub(super) fn shown(&self, now: Timestamp, switches: &Switches) -> wire::Campaign {
        use super::ShownCallers;
        let mut callers = self.callers.iter().map(|item| item.access_code.as_str());
        let caller = match switches.shown_callers {
            ShownCallers::First => callers.next().unwrap_or_default().to_owned(),
            ShownCallers::Joined => callers.collect::<Vec<_>>().join(","),
        };
        wire::Campaign {
            id: Some(self.id.into()),
            status: Some(self.status(now)),
            caller_no: wire::CallerNo::One(caller),
            priority: None,
            init_status: None,
            ..self.document.clone()
        }
    }

    /// Records that are neither finished nor deleted.
    pub(super) fn unfinished(&self) -> usize {
        self.waiting.len() + self.in_flight.len()
    }

    pub(super) fn batch_paused(&self, record: &Record) -> bool {
        let batch = record.data.batch_id.as_deref();
        batch.is_some_and(|id| self.batches.iter().any(|batch| batch.id == id && batch.paused))
    }

    /// Makes a record wait for its earliest number, or finishes it when there is none.
    pub(super) fn park(&mut self, index: usize, today: Date) {
        let Some(record) = self.records.get_mut(index) else { return };
        let due = record.numbers.iter().filter_map(|number| match number.due {
            Due::At(due) => Some(due),
            Due::NotYet | Due::Exhausted => None,
        });
        if let Some(due) = due.min() {
            record.state = RecordState::Waiting { due };
            record.finished = None;
            self.waiting.insert((due, index));
        } else {
            record.state = RecordState::Finished;
            record.finished = Some(today);
        }
    }
}

impl Record {
    pub(super) fn session_id(&self) -> &str {
        self.data.session_id.as_deref().unwrap_or_default()
    }
}

fn no_campaign() -> Refusal {
    Refusal::new(NO_CAMPAIGN, "campaignId: the campaign does not exist")
}
