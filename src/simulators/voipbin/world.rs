//! What the simulated platform knows: customers, campaigns and their parts, and what is due when.
//!
//! Time moves by *due* entries: [`World::advance_to`] handles each at exactly the moment for which
//! it was set, however late it is called. So results do not depend on how busy the machine is, and
//! handlers that call it first always see the state as of now.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::auth::Door;
use super::outcomes::Outcomes;
use super::render::View;
use super::{Options, engine};
use crate::simulators::dice::Dice;
use crate::simulators::faults::Gate;
use crate::simulators::journal::{DialNumber, Journal};

/// Events that wait for their delivery task; more are given up at once.
pub const MAX_PENDING_PUSHES: usize = 10_000;
/// Rows of each kind; creating more is refused as an internal error.
pub const MAX_ROWS: usize = 1_000_000;

pub struct World {
    pub options: Options,
    pub dice: Dice,
    pub outcomes: Outcomes,
    pub journal: Journal,
    pub faults: Gate,
    pub door: Door,
    pub customers: BTreeMap<Uuid, Customer>,
    pub campaigns: Table<Campaign>,
    pub campaigncalls: Table<Campaigncall>,
    pub outplans: Table<Outplan>,
    pub outdials: Table<Outdial>,
    pub targets: Table<Target>,
    pub queues: Table<Queue>,
    pub calls: HashMap<Uuid, Call>,
    /// Idle targets by outdial, ordered as the engine takes them.
    pub idle: HashMap<Uuid, BTreeSet<(Timestamp, Uuid)>>,
    /// Attempts started per number: which entry of its outcome rule comes next.
    pub attempts: HashMap<String, u64>,
    pushes: VecDeque<PushWork>,
    due: BTreeMap<(Timestamp, u64), Due>,
    /// Ticks that will find nothing to do unless something else happens first. They are handled with
    /// the next thing that does, so that an idle campaign wakes nobody.
    lazy: BTreeSet<(Timestamp, u64)>,
    next_due_number: u64,
    now: Timestamp,
}

#[derive(Clone, Copy)]
pub enum Due {
    Tick { campaign: Uuid },
    Ring { call: Uuid },
    Answer { call: Uuid },
    End { campaigncall: Uuid },
}

/// An event on its way to a customer's webhook.
pub struct PushWork {
    pub kind: &'static str,
    pub subject: Uuid,
    pub url: String,
    pub method: String,
    pub secret: SecretString,
    pub body: Bytes,
}

#[derive(Clone, Default)]
pub struct Customer {
    pub id: Uuid,
    pub name: String,
    pub detail: String,
    pub email: String,
    pub phone_number: String,
    pub address: String,
    pub webhook_method: String,
    pub webhook_uri: String,
    pub webhook_secret: SecretString,
    pub frozen: bool,
    pub times: Times,
}

/// `tm_create`, `tm_update`, `tm_delete`.
#[derive(Clone, Copy, Default)]
pub struct Times {
    pub create: Timestamp,
    pub update: Option<Timestamp>,
    pub delete: Option<Timestamp>,
}

#[derive(Clone, Default)]
pub struct Address {
    pub kind: String,
    pub target: String,
    pub target_name: String,
    pub name: String,
    pub detail: String,
}

#[derive(Clone, Default)]
pub struct Action {
    pub id: Uuid,
    pub next_id: Uuid,
    pub kind: String,
    pub option: Map<String, Value>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Stop,
    Stopping,
    Run,
}

#[derive(Clone)]
pub struct Campaign {
    pub id: Uuid,
    pub customer_id: Uuid,
    pub kind: String,
    pub name: String,
    pub detail: String,
    pub status: Status,
    pub service_level: i64,
    pub end_handle: String,
    pub actions: Vec<Action>,
    pub refs: References,
    pub times: Times,
    /// The hidden flow that holds the actions.
    pub flow_id: Uuid,
    /// Whether a tick is pending.
    pub execute: bool,
    /// The loop ended because nothing was left to dial: what chaining waits for.
    pub ended_naturally: bool,
    /// Attempts that are dialing or progressing.
    pub ongoing: BTreeSet<Uuid>,
}

#[derive(Clone, Copy, Default)]
#[expect(clippy::struct_field_names, reason = "the names on the wire")]
pub struct References {
    pub outplan_id: Uuid,
    pub outdial_id: Uuid,
    pub queue_id: Uuid,
    pub next_campaign_id: Uuid,
}

#[derive(Clone)]
pub struct Campaigncall {
    pub id: Uuid,
    pub customer_id: Uuid,
    pub campaign_id: Uuid,
    pub refs: References,
    pub outdial_target_id: Uuid,
    pub activeflow_id: Uuid,
    pub flow_id: Uuid,
    pub reference_type: String,
    pub reference_id: Uuid,
    /// `dialing`, `progressing` or `done`.
    pub status: String,
    /// Empty, `success` or `fail`.
    pub result: String,
    pub source: Option<Address>,
    pub destination: Option<Address>,
    pub destination_index: usize,
    pub try_count: i64,
    pub times: Times,
    /// How it will end; None for a seeded one.
    pub fate: Option<Fate>,
}

/// How an attempt will end, and where the journal keeps it.
#[derive(Clone, Copy)]
pub struct Fate {
    pub reason: &'static str,
    pub dial: DialNumber,
}

#[derive(Clone)]
pub struct Call {
    pub id: Uuid,
    pub customer_id: Uuid,
    pub flow_id: Uuid,
    pub activeflow_id: Uuid,
    pub campaigncall_id: Uuid,
    pub source: Address,
    pub destination: Address,
    pub status: &'static str,
    pub hangup_by: &'static str,
    pub hangup_reason: &'static str,
    pub times: Times,
    pub ringing: Option<Timestamp>,
    pub progressing: Option<Timestamp>,
    pub hangup: Option<Timestamp>,
}

#[derive(Clone)]
pub struct Outplan {
    pub id: Uuid,
    pub customer_id: Uuid,
    pub name: String,
    pub detail: String,
    pub dial: DialInfo,
    pub times: Times,
}

#[derive(Clone, Default)]
pub struct DialInfo {
    pub source: Option<Address>,
    pub dial_timeout_ms: i64,
    pub try_interval_ms: i64,
    pub max_try_counts: [i64; 5],
}

#[derive(Clone)]
pub struct Outdial {
    pub id: Uuid,
    pub customer_id: Uuid,
    pub campaign_id: Uuid,
    pub name: String,
    pub detail: String,
    pub data: String,
    pub times: Times,
}

#[derive(Clone)]
pub struct Target {
    pub id: Uuid,
    pub outdial_id: Uuid,
    pub name: String,
    pub detail: String,
    pub data: String,
    /// `idle`, `progressing` or `done`.
    pub status: String,
    pub destinations: [Option<Address>; 5],
    pub try_counts: [i64; 5],
    pub times: Times,
}

#[derive(Clone)]
pub struct Queue {
    pub id: Uuid,
    pub customer_id: Uuid,
    pub name: String,
    pub detail: String,
    /// Agents that are free; the simulator does not make them busy.
    pub available_agents: i64,
    pub times: Times,
}

/// A row of a [`Table`].
pub trait Row {
    /// The reason that an unknown id is refused with.
    const NOT_FOUND: &'static str;
    fn id(&self) -> Uuid;
    fn times(&mut self) -> &mut Times;
    fn created(&self) -> Timestamp;
    fn deleted(&self) -> bool;
    /// The lists in which the row appears: ids of its customer, campaign or outdial.
    fn lists(&self) -> [Uuid; 2];
    /// The customer that owns it; nil for a target, which its outdial's customer owns.
    fn owner(&self) -> Uuid;
}

/// Rows by id, and lists of them ordered by creation.
pub struct Table<T> {
    rows: HashMap<Uuid, T>,
    lists: HashMap<Uuid, BTreeSet<(Timestamp, Uuid)>>,
    newest: Timestamp,
}

impl World {
    pub fn new(options: Options, now: Timestamp, journal: Journal, faults: Gate) -> Self {
        let mut world = Self {
            dice: Dice::new(options.seed),
            outcomes: options.outcomes.clone(),
            options,
            journal,
            faults,
            door: Door::default(),
            customers: BTreeMap::new(),
            campaigns: Table::default(),
            campaigncalls: Table::default(),
            outplans: Table::default(),
            outdials: Table::default(),
            targets: Table::default(),
            queues: Table::default(),
            calls: HashMap::new(),
            idle: HashMap::new(),
            attempts: HashMap::new(),
            pushes: VecDeque::new(),
            due: BTreeMap::new(),
            lazy: BTreeSet::new(),
            next_due_number: 0,
            now,
        };
        super::seed::default_objects(&mut world);
        world
    }

    /// The moment that is being handled.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Handles everything that is due up to `now`, each at its own moment.
    pub fn advance_to(&mut self, now: Timestamp) {
        while let Some(entry) = self.due.first_entry() {
            let (at, _) = *entry.key();
            if at > now {
                break;
            }
            let (key, due) = entry.remove_entry();
            self.lazy.remove(&key);
            if !matches!(due, Due::Tick { .. }) {
                self.lazy.clear();
            }
            self.now = self.now.max(at);
            engine::handle(self, due);
        }
        self.now = self.now.max(now);
    }

    /// When the world must be advanced next, if nobody asks for anything before.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.keys().find(|key| !self.lazy.contains(key)).map(|(at, _)| *at)
    }

    pub fn schedule(&mut self, after: SignedDuration, due: Due) {
        self.due.insert((self.now + after, self.next_due_number), due);
        self.next_due_number += 1;
    }

    /// Like [`World::schedule`], for a tick that only something else can give work.
    pub fn schedule_lazily(&mut self, after: SignedDuration, due: Due) {
        self.lazy.insert((self.now + after, self.next_due_number));
        self.schedule(after, due);
    }

    /// Something has changed from outside: every tick may have work again.
    pub fn expect_work(&mut self) {
        self.lazy.clear();
    }

    pub fn new_id(&self) -> Uuid {
        self.dice.next_uuid()
    }

    pub fn view(&self) -> View {
        View { profile: self.options.profile, skew: self.faults.skew() }
    }

    /// Hands an event to the customer's webhook, if there is one.
    pub fn publish(&mut self, customer: Uuid, kind: &'static str, subject: Uuid, data: &Value) {
        let Some(customer) = self.customers.get(&customer) else { return };
        if customer.webhook_uri.is_empty() {
            return;
        }
        if self.pushes.len() >= MAX_PENDING_PUSHES {
            self.journal.event(super::webhooks::given_up(self.now, kind, subject));
            return;
        }
        self.pushes.push_back(PushWork {
            kind,
            subject,
            url: customer.webhook_uri.clone(),
            method: customer.webhook_method.clone(),
            secret: customer.webhook_secret.clone(),
            body: serde_json::json!({"type": kind, "data": data}).to_string().into(),
        });
    }

    pub fn publish_campaign(&mut self, id: Uuid, kind: &'static str) {
        let Some(campaign) = self.campaigns.get(id) else { return };
        let (customer, data) = (campaign.customer_id, self.view().campaign(campaign));
        self.publish(customer, kind, id, &data);
    }

    pub fn publish_campaigncall(&mut self, id: Uuid, kind: &'static str) {
        let Some(call) = self.campaigncalls.get(id) else { return };
        let (customer, data) = (call.customer_id, self.view().campaigncall(call));
        self.publish(customer, kind, id, &data);
    }

    pub fn publish_outdial(&mut self, id: Uuid, kind: &'static str) {
        let Some(outdial) = self.outdials.get(id) else { return };
        let (customer, data) = (outdial.customer_id, self.view().outdial(outdial));
        self.publish(customer, kind, id, &data);
    }

    /// Call events are published only where the option asks for them.
    pub fn publish_call(&mut self, id: Uuid, kind: &'static str) {
        if !self.options.switches.call_events {
            return;
        }
        let Some(call) = self.calls.get(&id) else { return };
        let (customer, data) = (call.customer_id, self.view().call(call));
        self.publish(customer, kind, id, &data);
    }

    /// Puts other rules in force; every rule starts with its first outcome.
    pub fn set_outcomes(&mut self, outcomes: Outcomes) {
        self.outcomes = outcomes;
        self.attempts.clear();
    }

    pub fn has_pushes(&self) -> bool {
        !self.pushes.is_empty()
    }

    pub fn take_pushes(&mut self) -> VecDeque<PushWork> {
        std::mem::take(&mut self.pushes)
    }

    /// Puts a changed target where the engine looks for idle ones, or takes it away.
    pub fn set_target_status(&mut self, id: Uuid, status: &str) {
        let now = self.now;
        let Some(target) = self.targets.get_mut(id) else { return };
        let idle = self.idle.entry(target.outdial_id).or_default();
        idle.remove(&(target.times.update.unwrap_or(target.times.create), id));
        target.times.update = Some(now);
        status.clone_into(&mut target.status);
        if status == "idle" {
            idle.insert((now, id));
        }
    }

    pub fn insert_target(&mut self, target: Target) {
        if target.status == "idle" {
            let order = target.times.update.unwrap_or(target.times.create);
            self.idle.entry(target.outdial_id).or_default().insert((order, target.id));
        }
        self.targets.insert(target);
    }
}

impl<T: Row> Table<T> {
    pub fn get(&self, id: Uuid) -> Option<&T> {
        self.rows.get(&id)
    }

    pub fn get_mut(&mut self, id: Uuid) -> Option<&mut T> {
        self.rows.get_mut(&id)
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// A creation time that no other row has: rows that share one are lost at page borders, which a
    /// real platform sees rarely, and a clock that stands still always.
    pub fn fresh_time(&self, now: Timestamp) -> Timestamp {
        now.max(self.newest + SignedDuration::from_micros(1))
    }

    pub fn insert(&mut self, row: T) {
        let (created, id) = (row.created(), row.id());
        self.newest = self.newest.max(created);
        for list in row.lists() {
            self.lists.entry(list).or_default().insert((created, id));
        }
        self.rows.insert(id, row);
    }

    /// Rows of a list created before `before`, newest first, then by id downwards.
    pub fn page(&self, list: Uuid, before: Option<Timestamp>) -> impl Iterator<Item = &T> {
        let end = before.map_or((Timestamp::MAX, Uuid::max()), |before| (before, Uuid::nil()));
        self.lists
            .get(&list)
            .into_iter()
            .flat_map(move |keys| keys.range(..end).rev())
            .filter_map(|(_, id)| self.rows.get(id))
    }

    /// Marks as deleted, at one instant with the change.
    pub fn delete(&mut self, id: Uuid, now: Timestamp) {
        if let Some(row) = self.rows.get_mut(&id) {
            let times = row.times();
            times.delete = Some(now);
            times.update = Some(now);
        }
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: HashMap::new(), lists: HashMap::new(), newest: Timestamp::MIN }
    }
}

impl Times {
    pub fn created(create: Timestamp) -> Self {
        Self { create, update: None, delete: None }
    }
}

macro_rules! row {
    ($type:ty, $not_found:literal, $row:ident, $owner:expr, $lists:expr) => {
        impl Row for $type {
            const NOT_FOUND: &'static str = $not_found;
            fn id(&self) -> Uuid {
                self.id
            }
            fn times(&mut self) -> &mut Times {
                &mut self.times
            }
            fn created(&self) -> Timestamp {
                self.times.create
            }
            fn deleted(&self) -> bool {
                self.times.delete.is_some()
            }
            fn lists(&self) -> [Uuid; 2] {
                let $row = self;
                $lists
            }
            fn owner(&self) -> Uuid {
                let $row = self;
                $owner
            }
        }
    };
}

row!(Campaign, "CAMPAIGN_NOT_FOUND", row, row.customer_id, [row.customer_id; 2]);
row!(
    Campaigncall,
    "CAMPAIGNCALL_NOT_FOUND",
    row,
    row.customer_id,
    [row.customer_id, row.campaign_id]
);
row!(Outplan, "OUTPLAN_NOT_FOUND", row, row.customer_id, [row.customer_id; 2]);
row!(Outdial, "OUTDIAL_NOT_FOUND", row, row.customer_id, [row.customer_id; 2]);
row!(Target, "OUTDIAL_TARGET_NOT_FOUND", _row, Uuid::nil(), [_row.outdial_id; 2]);
row!(Queue, "QUEUE_NOT_FOUND", row, row.customer_id, [row.customer_id; 2]);
