//! Deliveries as the operator sees them: lists, tries, sending again, forgetting.

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::ids::AccountSlug;
use crate::ledger::outbox::{DeliveryState, NEVER};
use crate::ledger::statements::{Haste, Row, Statements, Value, Verb, placeholders};
use crate::ledger::{Ledger, LedgerError, MAX_WINDOW_ROWS};

/// Which deliveries are meant; what is None is not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Of these accounts' events; none named, none seen.
    pub accounts: Vec<AccountSlug>,
    pub destination: Option<Uuid>,
    pub state: Option<DeliveryState>,
    pub campaign: Option<Uuid>,
    /// Of events from then on.
    pub from: Option<Timestamp>,
    /// Of events before then.
    pub until: Option<Timestamp>,
    pub number: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    pub number: i64,
    pub destination: String,
    pub account: AccountSlug,
    pub campaign: Option<Uuid>,
    /// None for a push that is passed on as it came.
    pub attempt: Option<Uuid>,
    pub revision: i64,
    pub event: i64,
    pub event_at: Timestamp,
    pub state: DeliveryState,
    pub is_redrive: bool,
    pub tries: i64,
    /// None when it waits for another in its lane.
    pub due_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub status: Option<i64>,
    pub error: Option<String>,
    pub answer: Option<String>,
}

/// A try that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedTry {
    pub at: Timestamp,
    pub status: Option<i64>,
    pub error: Option<String>,
    pub answer: Option<String>,
}

impl Ledger {
    /// Deliveries with a smaller number than `before`, newest first.
    pub async fn list_deliveries(
        &self,
        filter: DeliveryFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>, LedgerError> {
        self.read(List { filter, before, limit: limit.min(MAX_WINDOW_ROWS) }).await
    }

    /// The tries of a delivery that failed, oldest first.
    pub async fn failed_tries(&self, number: i64) -> Result<Vec<FailedTry>, LedgerError> {
        self.read(FailedTries { number }).await
    }

    /// How many deliveries that have ended a redrive would send again.
    pub async fn count_redrivable(&self, filter: DeliveryFilter) -> Result<u64, LedgerError> {
        self.read(CountRedrivable { filter }).await
    }

    /// Sends up to `limit` deliveries again that have ended, each `gap_us` after the one before,
    /// from `from` on. Answers how many, and the smallest number that was looked at: the next call
    /// goes on below it.
    pub async fn redrive(
        &self,
        filter: DeliveryFilter,
        before: Option<i64>,
        limit: u32,
        (from, gap_us): (Timestamp, i64),
    ) -> Result<(u64, Option<i64>), LedgerError> {
        // Looked for by a reader: that may walk over many.
        let limit = limit.min(REDRIVEN_AT_ONCE);
        let ended = self.read(Redrivable { filter, before, limit }).await?;
        let last = ended.last().map(|ended| ended.number);
        Ok((self.write(Redrive { ended, from, gap_us }).await?, last))
    }

    /// Forgets events from before then all of whose deliveries have ended; answers how many.
    pub async fn forget_events(&self, before: Timestamp, limit: u32) -> Result<u64, LedgerError> {
        // Looked for by a reader: a receiver that is down may keep many.
        let old = self.read(Old { before, limit }).await?;
        for events in old.chunks(FORGOTTEN_AT_ONCE) {
            self.write(Forget { events: events.to_vec() }).await?;
        }
        Ok(old.len() as u64)
    }
}

const TABLES: &str = "delivery d JOIN destination n ON n.id = d.destination_id \
     JOIN event e ON e.id = d.event_id JOIN account a ON a.id = e.account_id \
     LEFT JOIN campaign c ON c.id = e.campaign_id LEFT JOIN attempt t ON t.id = e.attempt_id";

impl DeliveryFilter {
    /// The condition, and its parameters from `$1` on.
    fn condition(&self) -> (String, Vec<Value>) {
        let mut parameters: Vec<Value> = self.accounts.iter().map(Value::from).collect();
        let mut condition = match parameters.len() {
            0 => "1 = 0".to_owned(),
            count => format!("a.slug IN ({})", placeholders(1, count)),
        };
        let wanted = [
            ("n.uuid =", self.destination.map(Value::from)),
            ("d.state =", self.state.map(|state| Value::from(state.as_str()))),
            ("c.uuid =", self.campaign.map(Value::from)),
            ("e.at >=", self.from.map(Value::from)),
            ("e.at <", self.until.map(Value::from)),
            ("d.id =", self.number.map(Value::from)),
        ];
        for (test, value) in wanted {
            if let Some(value) = value {
                parameters.push(value);
                condition = format!("{condition} AND {test} ${}", parameters.len());
            }
        }
        (condition, parameters)
    }

    fn below(&self, before: Option<i64>) -> (String, Vec<Value>) {
        let (condition, mut parameters) = self.condition();
        let Some(before) = before else { return (condition, parameters) };
        parameters.push(before.into());
        (format!("{condition} AND d.id < ${}", parameters.len()), parameters)
    }
}

struct List {
    filter: DeliveryFilter,
    before: Option<i64>,
    limit: u32,
}

impl Verb for List {
    type Answer = Vec<DeliveryRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<DeliveryRow>, LedgerError> {
        let (condition, mut parameters) = self.filter.below(self.before);
        parameters.push(i64::from(self.limit).into());
        let sql = format!(
            "SELECT d.id, n.name, a.slug, c.uuid, t.uuid, e.revision, e.id, e.at, d.state, \
             d.is_redrive, d.tries, d.due_at, d.created_at, d.ended_at, d.status, d.error, \
             d.answer FROM {TABLES} WHERE {condition} ORDER BY d.id DESC LIMIT ${}",
            parameters.len()
        );
        store.rows(&sql, &parameters).await?.into_iter().map(|mut row| read(&mut row)).collect()
    }
}

fn read(row: &mut Row) -> Result<DeliveryRow, LedgerError> {
    Ok(DeliveryRow {
        number: row.int()?,
        destination: row.text()?,
        account: row.slug()?,
        campaign: row.optional_uuid()?,
        attempt: row.optional_uuid()?,
        revision: row.int()?,
        event: row.int()?,
        event_at: row.time()?,
        state: DeliveryState::from_term(&row.text()?).ok_or_else(|| row.corrupt("a state"))?,
        is_redrive: row.bool()?,
        tries: row.int()?,
        due_at: Some(row.int()?)
            .filter(|due| *due != NEVER)
            .and_then(|due| Timestamp::from_microsecond(due).ok()),
        created_at: row.time()?,
        ended_at: row.optional_time()?,
        status: row.optional_int()?,
        error: row.optional_text()?,
        answer: row.optional_text()?,
    })
}

struct FailedTries {
    number: i64,
}

impl Verb for FailedTries {
    type Answer = Vec<FailedTry>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<FailedTry>, LedgerError> {
        let sql = "SELECT at, status, error, answer FROM delivery_attempt WHERE delivery_id = $1 \
                   ORDER BY id LIMIT $2";
        let limit = i64::from(MAX_WINDOW_ROWS);
        let read = |mut row: Row| {
            Ok(FailedTry {
                at: row.time()?,
                status: row.optional_int()?,
                error: row.optional_text()?,
                answer: row.optional_text()?,
            })
        };
        store.rows(sql, &[self.number.into(), limit.into()]).await?.into_iter().map(read).collect()
    }
}

struct CountRedrivable {
    filter: DeliveryFilter,
}

/// Of a destination that still is one.
const REDRIVABLE: &str = "d.state <> 'pending' AND n.state <> 'removed'";

impl Verb for CountRedrivable {
    type Answer = u64;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<u64, LedgerError> {
        let (condition, parameters) = self.filter.condition();
        let sql = format!("SELECT COUNT(*) FROM {TABLES} WHERE {condition} AND {REDRIVABLE}");
        store.row(&sql, &parameters).await?.map_or(Ok(0), |mut row| row.count())
    }
}

/// Deliveries that one verb sends again, and events that one forgets, at most.
const REDRIVEN_AT_ONCE: u32 = 250;
const FORGOTTEN_AT_ONCE: usize = 100;

/// A delivery that has ended.
struct Ended {
    number: i64,
    destination: i64,
    state: String,
}

struct Redrivable {
    filter: DeliveryFilter,
    before: Option<i64>,
    limit: u32,
}

impl Verb for Redrivable {
    type Answer = Vec<Ended>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<Ended>, LedgerError> {
        let (condition, mut parameters) = self.filter.below(self.before);
        parameters.push(i64::from(self.limit).into());
        let sql = format!(
            "SELECT d.id, d.destination_id, d.state FROM {TABLES} WHERE {condition} AND \
             {REDRIVABLE} ORDER BY d.id DESC LIMIT ${}",
            parameters.len()
        );
        let read = |mut row: Row| {
            Ok(Ended { number: row.int()?, destination: row.int()?, state: row.text()? })
        };
        store.rows(&sql, &parameters).await?.into_iter().map(read).collect()
    }
}

struct Redrive {
    ended: Vec<Ended>,
    from: Timestamp,
    gap_us: i64,
}

impl Verb for Redrive {
    type Answer = u64;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<u64, LedgerError> {
        // All are taken before the first is changed, in the order of `turns.rs`.
        let mut numbers: Vec<Value> =
            self.ended.iter().map(|ended| Value::from(ended.number)).collect();
        // A power of two of places, so that there are few different statements.
        numbers.resize(numbers.len().next_power_of_two(), Value::Null);
        let lock = format!(
            "SELECT id FROM delivery WHERE id IN ({}) ORDER BY id{}",
            placeholders(1, numbers.len()),
            S::ROW_LOCK
        );
        store.rows(&lock, &numbers).await?;
        let mut due_at = self.from.as_microsecond();
        let mut redriven = 0;
        // How many of each destination are not delivered any more, and not dead.
        let mut reopened: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
        for Ended { number, destination, state } in &self.ended {
            // It may have been sent again, and its destination removed, since it was looked for.
            let sql = "UPDATE delivery SET state = 'pending', is_redrive = TRUE, tries = 0, \
                       due_at = $2, is_leased = FALSE, lane_id = NULL, sequence = NULL, \
                       ended_at = NULL, fence = fence + 1 WHERE id = $1 AND state = $3 \
                       AND destination_id IN (SELECT id FROM destination WHERE state <> 'removed')";
            let parameters = [(*number).into(), due_at.into(), state.as_str().into()];
            if store.execute(sql, &parameters).await? == 0 {
                continue;
            }
            let (delivered, dead) = reopened.entry(*destination).or_default();
            *if *state == DeliveryState::Dead.as_str() { dead } else { delivered } += 1;
            redriven += 1;
            due_at = due_at.saturating_add(self.gap_us);
        }
        for (destination, (delivered, dead)) in reopened {
            let sql = "UPDATE destination SET delivered_total = delivered_total - $2, \
                       dead_total = dead_total - $3 WHERE id = $1";
            store.execute(sql, &[destination.into(), delivered.into(), dead.into()]).await?;
        }
        Ok(redriven)
    }
}

/// Events that are old and all of whose deliveries have ended.
struct Old {
    before: Timestamp,
    limit: u32,
}

impl Verb for Old {
    type Answer = Vec<i64>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<i64>, LedgerError> {
        // Numbers grow with time, so the first that is not old ends the search.
        let sql = "SELECT e.id FROM event e WHERE e.id < COALESCE((SELECT f.id FROM event f \
                   WHERE f.at >= $1 ORDER BY f.id LIMIT 1), $3) AND e.at < $1 AND NOT EXISTS \
                   (SELECT 1 FROM delivery d WHERE d.event_id = e.id AND d.state = 'pending') \
                   ORDER BY e.id LIMIT $2";
        let parameters = [self.before.into(), i64::from(self.limit).into(), i64::MAX.into()];
        store.rows(sql, &parameters).await?.iter_mut().map(Row::int).collect()
    }
}

struct Forget {
    events: Vec<i64>,
}

impl Verb for Forget {
    type Answer = ();

    const HASTE: Haste = Haste::Background;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        for event in &self.events {
            // One that is sent again meanwhile stays.
            let sql = "SELECT 1 FROM delivery WHERE event_id = $1 AND state = 'pending' LIMIT 1";
            if store.row(sql, &[(*event).into()]).await?.is_some() {
                continue;
            }
            for sql in [
                "DELETE FROM delivery_attempt WHERE delivery_id IN \
                 (SELECT id FROM delivery WHERE event_id = $1)",
                "DELETE FROM delivery WHERE event_id = $1",
                "DELETE FROM event WHERE id = $1",
            ] {
                store.execute(sql, &[(*event).into()]).await?;
            }
        }
        Ok(())
    }
}
