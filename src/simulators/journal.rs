//! What a simulator did and was asked, served under `/_sim/` and read by tests.
//!
//! Lists keep their newest [`MAX_ROWS`] entries; totals count everything.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::domain::phone::PhoneNumber;

/// Entries that each list keeps.
pub const MAX_ROWS: usize = 20_000;
/// Distinct `METHOD path` texts that are counted by themselves; the rest share [`OTHER_CALLS`].
pub const MAX_PATHS: usize = 10_000;
/// The name under which calls beyond [`MAX_PATHS`] are counted.
pub const OTHER_CALLS: &str = "other";
/// Requests that the pace window remembers; a faster client is simply "this many or more".
const MAX_WINDOW: usize = 100_000;

/// A cheap handle on the shared record.
#[derive(Clone, Default)]
pub struct Journal {
    record: Arc<Mutex<Record>>,
    catch_up: Arc<OnceLock<CatchUp>>,
}

type CatchUp = Box<dyn Fn() + Send + Sync>;

/// One attempt to reach a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Dial {
    pub at: Timestamp,
    /// Native ids, as text.
    pub campaign: String,
    pub contact: String,
    pub number: PhoneNumber,
    /// 1 for the first try of this number.
    pub attempt: u64,
    /// The platform's own word, once the attempt has ended.
    pub outcome: Option<String>,
}

/// Names a dial that was recorded, to record its outcome later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DialNumber(u64);

/// A person who was added to a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactAdded {
    pub at: Timestamp,
    /// The native id of what holds the contacts.
    pub campaign: String,
    pub contact: String,
}

/// A request that was meant to change something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    pub at: Timestamp,
    pub method: String,
    /// Without the query, which may hold a credential.
    pub path: String,
    /// What the platform answered, whether or not the answer arrived.
    pub status: u16,
    /// False when a fault kept the answer from the client.
    pub answered: bool,
}

/// The end of pushing one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub at: Timestamp,
    /// The platform's name of the event, and the native id of what it is about.
    pub kind: String,
    pub subject: String,
    pub attempts: u32,
    /// The last HTTP status; None when there was no answer.
    pub status: Option<u16>,
    /// False: the simulator has given up.
    pub delivered: bool,
}

/// How hard clients pressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    pub requests: u64,
    /// The most requests within any second of the simulator's clock.
    pub max_per_second: usize,
    /// The most requests that were being answered at once.
    pub max_concurrent: usize,
}

#[derive(Debug, Default)]
struct Record {
    dials: Rows<Dial>,
    contacts: Rows<ContactAdded>,
    writes: Rows<Write>,
    events: Rows<Event>,
    given_up: u64,
    pace: Pace,
    concurrent: usize,
    window: VecDeque<Timestamp>,
    calls: BTreeMap<String, u64>,
}

#[derive(Debug)]
struct Rows<T> {
    total: u64,
    kept: VecDeque<T>,
}

impl Journal {
    /// What to do before the journal is read: a simulator brings itself up to the present, so that a
    /// reader in the same process does not depend on how soon the simulator's thread wakes. Only the
    /// first call counts.
    pub fn before_reading(&self, catch_up: impl Fn() + Send + Sync + 'static) {
        self.catch_up.set(Box::new(catch_up)).ok();
    }

    pub fn dial(&self, dial: Dial) -> DialNumber {
        DialNumber(self.lock().dials.push(dial))
    }

    /// Records how a dial ended; a dial that is no longer kept is left alone.
    pub fn dial_ended(&self, number: DialNumber, outcome: &str) {
        if let Some(dial) = self.lock().dials.at(number.0) {
            dial.outcome = Some(outcome.to_owned());
        }
    }

    pub fn contact(&self, contact: ContactAdded) {
        self.lock().contacts.push(contact);
    }

    pub fn write(&self, write: Write) {
        self.lock().writes.push(write);
    }

    pub fn event(&self, event: Event) {
        let mut record = self.lock();
        record.given_up += u64::from(!event.delivered);
        record.events.push(event);
    }

    /// A request arrives; [`Journal::request_ended`] follows.
    pub fn request_began(&self, now: Timestamp, method: &str, path: &str) {
        let mut record = self.lock();
        record.concurrent += 1;
        record.pace.requests += 1;
        record.pace.max_concurrent = record.pace.max_concurrent.max(record.concurrent);
        let second_ago = now - SignedDuration::from_secs(1);
        while record.window.front().is_some_and(|at| *at <= second_ago)
            || record.window.len() >= MAX_WINDOW
        {
            record.window.pop_front();
        }
        record.window.push_back(now);
        record.pace.max_per_second = record.pace.max_per_second.max(record.window.len());
        let call = format!("{method} {path}");
        if record.calls.len() < MAX_PATHS || record.calls.contains_key(&call) {
            *record.calls.entry(call).or_default() += 1;
        } else {
            *record.calls.entry(OTHER_CALLS.to_owned()).or_default() += 1;
        }
    }

    pub fn request_ended(&self) {
        let mut record = self.lock();
        record.concurrent = record.concurrent.saturating_sub(1);
    }

    pub fn dials(&self) -> Vec<Dial> {
        self.read().dials.to_vec()
    }

    pub fn contacts(&self) -> Vec<ContactAdded> {
        self.read().contacts.to_vec()
    }

    pub fn writes(&self) -> Vec<Write> {
        self.lock().writes.to_vec()
    }

    /// Events whose pushing has ended, delivered or given up.
    pub fn events(&self) -> Vec<Event> {
        self.read().events.to_vec()
    }

    pub fn pace(&self) -> Pace {
        self.lock().pace
    }

    /// How often this was asked, e.g. `calls("GET", "/v1.0/campaigns")`.
    pub fn calls(&self, method: &str, path: &str) -> u64 {
        self.lock().calls.get(&format!("{method} {path}")).copied().unwrap_or(0)
    }

    /// Forgets everything but the requests being answered now.
    pub fn clear(&self) {
        let mut record = self.lock();
        *record = Record { concurrent: record.concurrent, ..Record::default() };
    }

    /// The record as `GET /_sim/journal` shows it. Numbers are shown: they are the simulator's own
    /// data, which its API shows as well.
    pub fn to_json(&self) -> Value {
        let record = self.read();
        json!({
            "totals": {
                "dials": record.dials.total,
                "contacts": record.contacts.total,
                "writes": record.writes.total,
                "events": record.events.total,
                "events_given_up": record.given_up,
            },
            "pace": {
                "requests": record.pace.requests,
                "max_per_second": record.pace.max_per_second,
                "max_concurrent": record.pace.max_concurrent,
            },
            "calls": record.calls,
            "dials": record.dials.to_json(|dial| json!({
                "at": dial.at.to_string(), "campaign": dial.campaign, "contact": dial.contact,
                "number": dial.number.reveal(), "attempt": dial.attempt, "outcome": dial.outcome,
            })),
            "contacts": record.contacts.to_json(|contact| json!({
                "at": contact.at.to_string(), "campaign": contact.campaign,
                "contact": contact.contact,
            })),
            "writes": record.writes.to_json(|write| json!({
                "at": write.at.to_string(), "method": write.method, "path": write.path,
                "status": write.status, "answered": write.answered,
            })),
            "events": record.events.to_json(|event| json!({
                "at": event.at.to_string(), "kind": event.kind, "subject": event.subject,
                "attempts": event.attempts, "status": event.status, "delivered": event.delivered,
            })),
        })
    }

    fn read(&self) -> MutexGuard<'_, Record> {
        if let Some(catch_up) = self.catch_up.get() {
            catch_up();
        }
        self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("record", &self.record).finish_non_exhaustive()
    }
}

impl<T: Clone> Rows<T> {
    /// Returns the number of the row, counted from 0 over everything that was ever recorded.
    fn push(&mut self, row: T) -> u64 {
        if self.kept.len() >= MAX_ROWS {
            self.kept.pop_front();
        }
        self.kept.push_back(row);
        self.total += 1;
        self.total - 1
    }

    fn at(&mut self, number: u64) -> Option<&mut T> {
        let first = self.total - u64::try_from(self.kept.len()).unwrap_or(self.total);
        self.kept.get_mut(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    fn to_vec(&self) -> Vec<T> {
        self.kept.iter().cloned().collect()
    }

    fn to_json(&self, row: impl Fn(&T) -> Value) -> Value {
        self.kept.iter().map(row).collect()
    }
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { total: 0, kept: VecDeque::new() }
    }
}
