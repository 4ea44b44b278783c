//! The outbox: deliveries of what was told (`telling.rs`), one for each destination that takes it,
//! leased, tried and recorded.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::call::CallAttempt;
use crate::domain::ids::{AccountSlug, PublicPair};
use crate::ledger::inbox::Content;
use crate::ledger::quarantine::decoded;
use crate::ledger::snapshot;
use crate::ledger::statements::{Haste, Row, Statements, Value, Verb, placeholders};
use crate::ledger::{Ledger, LedgerError, MAX_WINDOW_ROWS};

/// So long a failure waits for its reason, where its receiver is told ends alone; then it is told without
/// (docs/decisions/0020-what-results-come-to.md).
pub const REASON_WAITS: Duration = Duration::from_secs(150);

/// When a delivery is due that waits for another in its lane.
pub(super) const NEVER: i64 = i64::MAX;

/// A delivery that this process may send until its lease ends.
#[derive(Debug, Clone)]
pub struct LeasedDelivery {
    pub number: i64,
    pub fence: i64,
    /// How often it was tried before.
    pub tries: i64,
    pub is_redrive: bool,
    pub event: Event,
}

/// What is told.
#[derive(Clone)]
pub struct Event {
    pub number: i64,
    pub account: AccountSlug,
    pub at: Timestamp,
    pub what: Told,
    /// The `traceparent` of what told it.
    pub trace: Option<String>,
}

#[derive(Clone)]
pub enum Told {
    Attempt(Box<ToldAttempt>),
    /// A push as it came, with the signature that came with it.
    Push {
        body: Vec<u8>,
        proof: Option<String>,
        content: Content,
    },
    /// What is stored of it cannot be read, and why: it can never be sent.
    Unreadable(String),
}

/// An attempt as it was in one revision.
#[derive(Clone)]
pub struct ToldAttempt {
    pub uuid: Uuid,
    pub revision: i64,
    /// That it has by now.
    pub newest_revision: i64,
    pub list_at: Timestamp,
    pub campaign: Uuid,
    pub pair: Option<PublicPair>,
    /// The contact, where the home told which one was called.
    pub contact: Option<Uuid>,
    pub attempt: CallAttempt,
    /// The platform's own words, where somebody who is told speaks as it does.
    pub raw: Option<String>,
}

/// How a try of a delivery went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    pub number: i64,
    pub fence: i64,
    pub verdict: Verdict,
    /// The receiver's status, if it answered.
    pub status: Option<u16>,
    pub error: Option<String>,
    /// The beginning of what it answered.
    pub answer: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Delivered,
    /// Nothing was sent: a newer revision says it better.
    Replaced,
    Again(Timestamp),
    /// It was tried often enough, or never will be taken.
    Dead,
    /// Nothing was sent; it does not count as a try.
    PutBack(Timestamp),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    Pending,
    Delivered,
    Dead,
}

impl DeliveryState {
    pub fn as_str(self) -> &'static str {
        match self {
            DeliveryState::Pending => "pending",
            DeliveryState::Delivered => "delivered",
            DeliveryState::Dead => "dead",
        }
    }

    pub fn from_term(term: &str) -> Option<Self> {
        use DeliveryState::{Dead, Delivered, Pending};
        [Pending, Delivered, Dead].into_iter().find(|state| state.as_str() == term)
    }
}

impl Ledger {
    /// Leases deliveries of one destination that are due, oldest first, until then, but those that
    /// the caller holds, until then each. What is sent again on request comes only when it is asked for with
    /// `redriven`. On a store that one process has for itself nothing is written: who asks is the
    /// only one, and what it holds is gone when it is.
    pub async fn lease_deliveries(
        &self,
        destination: Uuid,
        (redriven, limit): (bool, u32),
        held: HashMap<i64, Timestamp>,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<Vec<LeasedDelivery>, LedgerError> {
        let limit = limit.min(MAX_WINDOW_ROWS);
        match self {
            Ledger::Sqlite(_) => {
                let held = held.into_keys().collect();
                self.read(Due { destination, redriven, limit, held, now }).await
            }
            Ledger::Postgres(_) => {
                let is_over = |until: Timestamp| until.as_microsecond() <= now.as_microsecond();
                let over = held.into_iter().filter(|(_, until)| is_over(*until));
                let held = over.map(|(number, _)| number).collect();
                self.write(Lease { destination, redriven, limit, held, now, until }).await
            }
        }
    }

    /// Whether of a newer revision of this attempt a dead letter was made for a destination after this
    /// delivery. So many others may have died since that it is not looked for: then it is true, too.
    pub async fn newer_may_be_dead(
        &self,
        destination: Uuid,
        after: i64,
        (attempt, revision): (Uuid, i64),
    ) -> Result<bool, LedgerError> {
        self.read(NewerDead { destination, after, attempt, revision }).await
    }

    /// Records how tries went. One whose lease was taken over counts for nothing.
    pub async fn record_tries(&self, tries: Vec<Tried>, now: Timestamp) -> Result<(), LedgerError> {
        self.write(Record { tries, now }).await
    }

    /// Ends what waits for destinations that were removed.
    pub async fn abandon_removed(&self, now: Timestamp) -> Result<(), LedgerError> {
        while self.write(Abandon { now }).await? > 0 {}
        Ok(())
    }

    /// When the next delivery of a destination is due; None when nothing waits.
    pub async fn next_delivery(&self, destination: Uuid) -> Result<Option<Timestamp>, LedgerError> {
        self.read(Next { destination }).await
    }
}

/// Lets the next in each of these lanes go.
async fn advance<S: Statements>(
    store: &mut S,
    lanes: BTreeSet<i64>,
    now: Timestamp,
) -> Result<(), LedgerError> {
    if lanes.is_empty() {
        return Ok(());
    }
    // Somebody may be about to join them. All are taken before the first goes on (`turns.rs`).
    let mut parameters: Vec<Value> = lanes.into_iter().map(Value::from).collect();
    // A power of two of places, so that there are few different statements.
    parameters.resize(parameters.len().next_power_of_two(), Value::Null);
    let lock = format!(
        "SELECT id FROM lane WHERE id IN ({}) ORDER BY destination_id, campaign_id{}",
        placeholders(1, parameters.len()),
        S::ROW_LOCK
    );
    let locked = store.rows(&lock, &parameters).await?;
    let locked: Result<Vec<i64>, _> = locked.into_iter().map(|mut row| row.int()).collect();
    for lane in locked? {
        let sql = "UPDATE delivery SET due_at = $2 WHERE id = (SELECT id FROM delivery \
                   WHERE lane_id = $1 AND state = 'pending' ORDER BY sequence LIMIT 1)";
        store.execute(sql, &[lane.into(), now.into()]).await?;
    }
    Ok(())
}

/// Deliveries of a removed destination that one verb ends at most.
const ABANDONED_AT_ONCE: i64 = 500;

/// Ends some of what waits for one destination that was removed.
struct Abandon {
    now: Timestamp,
}

impl Verb for Abandon {
    type Answer = u64;

    const HASTE: Haste = Haste::Background;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<u64, LedgerError> {
        let sql = "SELECT n.id FROM destination n WHERE n.state = 'removed' \
                   AND n.created_total > n.delivered_total + n.dead_total AND EXISTS (SELECT 1 \
                   FROM delivery d WHERE d.destination_id = n.id AND d.state = 'pending') \
                   ORDER BY n.id LIMIT 1";
        let Some(mut removed) = store.row(sql, &[]).await? else { return Ok(0) };
        let id = removed.int()?;
        // One whose outcome is being recorded is passed over; what is left of it is ended at the next look.
        let sql = format!(
            "UPDATE delivery SET state = 'dead', ended_at = $2, fence = fence + 1, \
             is_leased = FALSE, error = 'the destination was removed' \
             WHERE state = 'pending' AND id IN (SELECT id FROM delivery \
             WHERE destination_id = $1 AND state = 'pending' LIMIT $3{})",
            S::ROW_LOCK_OR_SKIP
        );
        let parameters = [id.into(), self.now.into(), ABANDONED_AT_ONCE.into()];
        let ended = store.execute(&sql, &parameters).await?;
        let dead = i64::try_from(ended).unwrap_or(i64::MAX);
        let sql = "UPDATE destination SET dead_total = dead_total + $2 WHERE id = $1";
        store.execute(sql, &[id.into(), dead.into()]).await?;
        Ok(ended)
    }
}

struct Due {
    destination: Uuid,
    redriven: bool,
    limit: u32,
    held: HashSet<i64>,
    now: Timestamp,
}

impl Verb for Due {
    type Answer = Vec<LeasedDelivery>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<LeasedDelivery>, LedgerError> {
        let sql = "SELECT d.id, d.fence, d.tries, d.event_id FROM delivery d \
                   WHERE d.destination_id = (SELECT id FROM destination WHERE uuid = $1) \
                   AND d.state = 'pending' AND d.is_redrive = $2 AND d.due_at <= $3 \
                   ORDER BY d.due_at, d.id LIMIT $4";
        let wanted = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let looked_at = i64::try_from(wanted + self.held.len()).unwrap_or(i64::MAX);
        let parameters =
            [self.destination.into(), self.redriven.into(), self.now.into(), looked_at.into()];
        let mut due = Vec::new();
        for mut row in store.rows(sql, &parameters).await? {
            let (number, fence, tries, event) = (row.int()?, row.int()?, row.int()?, row.int()?);
            if due.len() == wanted || self.held.contains(&number) {
                continue;
            }
            let event = find_event(store, event).await?;
            let is_redrive = self.redriven;
            due.push(LeasedDelivery { number, fence, tries, is_redrive, event });
        }
        Ok(due)
    }
}

struct Lease {
    destination: Uuid,
    redriven: bool,
    limit: u32,
    /// Whose leases are over.
    held: Vec<i64>,
    now: Timestamp,
    until: Timestamp,
}

impl Verb for Lease {
    type Answer = Vec<LeasedDelivery>;

    const HASTE: Haste = Haste::Background;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<LeasedDelivery>, LedgerError> {
        // Of few lengths, for a statement is kept prepared for each: no delivery has the number 0.
        let mut held = self.held.clone();
        held.resize(held.len().next_power_of_two(), 0);
        let sql = format!(
            "UPDATE delivery SET due_at = $4, is_leased = TRUE, fence = fence + 1 WHERE id IN \
             (SELECT d.id FROM delivery d WHERE d.destination_id = \
             (SELECT id FROM destination WHERE uuid = $1) AND d.state = 'pending' \
             AND d.is_redrive = $2 AND d.due_at <= $3 AND d.id NOT IN ({}) \
             ORDER BY d.due_at, d.id LIMIT $5{}) RETURNING id, fence, tries, event_id",
            placeholders(6, held.len()),
            S::ROW_LOCK_OR_SKIP
        );
        let mut parameters: Vec<Value> = vec![
            self.destination.into(),
            self.redriven.into(),
            self.now.into(),
            self.until.into(),
            i64::from(self.limit).into(),
        ];
        parameters.extend(held.into_iter().map(Value::from));
        let mut leased = Vec::new();
        for mut row in store.rows(&sql, &parameters).await? {
            let (number, fence, tries, event) = (row.int()?, row.int()?, row.int()?, row.int()?);
            let event = find_event(store, event).await?;
            let is_redrive = self.redriven;
            leased.push(LeasedDelivery { number, fence, tries, is_redrive, event });
        }
        leased.sort_by_key(|delivery| delivery.number);
        Ok(leased)
    }
}

/// Dead letters that are looked through for one.
const DEAD_LOOKED_AT: i64 = 1000;

struct NewerDead {
    destination: Uuid,
    after: i64,
    attempt: Uuid,
    revision: i64,
}

impl Verb for NewerDead {
    type Answer = bool;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<bool, LedgerError> {
        let sql = "SELECT COUNT(*), COUNT(CASE WHEN t.uuid = $3 AND e.revision > $4 THEN 1 END) \
                   FROM (SELECT d.event_id FROM delivery d WHERE d.destination_id = \
                   (SELECT id FROM destination WHERE uuid = $1) AND d.state = 'dead' AND d.id > $2 \
                   ORDER BY d.id LIMIT $5) n JOIN event e ON e.id = n.event_id \
                   LEFT JOIN attempt t ON t.id = e.attempt_id";
        let parameters = [
            self.destination.into(),
            self.after.into(),
            self.attempt.into(),
            self.revision.into(),
            DEAD_LOOKED_AT.into(),
        ];
        let Some(mut row) = store.row(sql, &parameters).await? else { return Ok(false) };
        Ok(row.int()? >= DEAD_LOOKED_AT || row.int()? > 0)
    }
}

async fn find_event<S: Statements>(store: &mut S, event: i64) -> Result<Event, LedgerError> {
    let sql = "SELECT e.id, a.slug, e.at, e.body, e.proof, e.revision, e.trace, t.uuid, t.list_at, \
               c.uuid, e.raw, c.vdn, c.number, k.uuid, e.encoding, e.content_type, \
               e.content_encoding, t.revision \
               FROM event e JOIN account a ON a.id = e.account_id \
               LEFT JOIN attempt t ON t.id = e.attempt_id \
               LEFT JOIN campaign c ON c.id = e.campaign_id \
               LEFT JOIN contact k ON k.id = t.contact_id WHERE e.id = $1";
    let row = store.row(sql, &[event.into()]).await?;
    let mut row = row.ok_or(LedgerError::Missing("event"))?;
    let (number, account) = (row.int()?, row.slug()?);
    match read_event(&mut row) {
        Ok((at, what, trace)) => Ok(Event { number, account, at, what, trace }),
        // It ends by itself: the others of its batch are none the worse.
        Err(LedgerError::Corrupt(why)) => {
            let (at, what) = (Timestamp::UNIX_EPOCH, Told::Unreadable(why));
            Ok(Event { number, account, at, what, trace: None })
        }
        Err(error) => Err(error),
    }
}

/// What stands behind an event's number and account: when, what, and its `traceparent`.
fn read_event(row: &mut Row) -> Result<(Timestamp, Told, Option<String>), LedgerError> {
    let at = row.time()?;
    let (body, proof, revision) = (row.text()?, row.optional_text()?, row.int()?);
    let trace = row.optional_text()?;
    let (attempt, list_at, campaign) =
        (row.optional_uuid()?, row.optional_time()?, row.optional_uuid()?);
    let raw = row.optional_text()?;
    let (pair, contact) = (row.pair()?, row.optional_uuid()?);
    let encoding = row.optional_text()?.unwrap_or_default();
    let content = Content { kind: row.optional_text()?, packing: row.optional_text()? };
    let newest_revision = row.optional_int()?.unwrap_or(revision);
    let what = if let (Some(uuid), Some(list_at), Some(campaign)) = (attempt, list_at, campaign) {
        let attempt = snapshot::read(&body).ok_or_else(|| row.corrupt("an attempt"))?;
        Told::Attempt(Box::new(ToldAttempt {
            uuid,
            revision,
            newest_revision,
            list_at,
            campaign,
            pair,
            contact,
            attempt,
            raw,
        }))
    } else {
        let body = decoded(&encoding, body).ok_or_else(|| row.corrupt("a push"))?;
        Told::Push { body, proof, content }
    };
    Ok((at, what, trace))
}

struct Record {
    tries: Vec<Tried>,
    now: Timestamp,
}

impl Verb for Record {
    type Answer = ();

    const HASTE: Haste = Haste::Background;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        // How many of each destination were delivered, and are dead.
        let mut ended: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
        let mut lanes = BTreeSet::new();
        let mut tries: Vec<&Tried> = self.tries.iter().collect();
        tries.sort_unstable_by_key(|tried| tried.number);
        for tried in tries {
            let Some((destination, lane)) = self.record(store, tried).await? else { continue };
            let books = ended.entry(destination).or_default();
            match tried.verdict {
                Verdict::Delivered | Verdict::Replaced => books.0 += 1,
                Verdict::Dead => books.1 += 1,
                Verdict::Again(_) | Verdict::PutBack(_) => continue,
            }
            lanes.extend(lane);
        }
        advance(store, lanes, self.now).await?;
        for (destination, (delivered, dead)) in ended {
            let sql = "UPDATE destination SET delivered_total = delivered_total + $2, \
                       dead_total = dead_total + $3 WHERE id = $1";
            store.execute(sql, &[destination.into(), delivered.into(), dead.into()]).await?;
        }
        Ok(())
    }
}

impl Record {
    /// The delivery's destination and lane; None when its lease was taken over.
    async fn record<S: Statements>(
        &self,
        store: &mut S,
        tried: &Tried,
    ) -> Result<Option<(i64, Option<i64>)>, LedgerError> {
        let (state, due_at, ended_at, counts) = match tried.verdict {
            Verdict::Delivered => (DeliveryState::Delivered, self.now, Some(self.now), 1),
            Verdict::Replaced => (DeliveryState::Delivered, self.now, Some(self.now), 0),
            Verdict::Dead => (DeliveryState::Dead, self.now, Some(self.now), 1),
            Verdict::Again(at) => (DeliveryState::Pending, at, None, 1),
            Verdict::PutBack(at) => (DeliveryState::Pending, at, None, 0),
        };
        let status = tried.status.map(i64::from);
        let error = Value::optional_text(tried.error.as_deref());
        let answer = Value::optional_text(tried.answer.as_deref());
        let sql = "UPDATE delivery SET state = $3, due_at = $4, ended_at = $5, \
                   tries = tries + $6, status = $7, error = $8, answer = $9, is_leased = FALSE \
                   WHERE id = $1 AND fence = $2 AND state = 'pending' \
                   RETURNING destination_id, lane_id";
        let parameters = [
            tried.number.into(),
            tried.fence.into(),
            state.as_str().into(),
            due_at.into(),
            Value::optional_time(ended_at),
            counts.into(),
            status.into(),
            error.clone(),
            answer.clone(),
        ];
        let Some(mut row) = store.row(sql, &parameters).await? else { return Ok(None) };
        if matches!(tried.verdict, Verdict::Again(_) | Verdict::Dead) {
            let sql = "INSERT INTO delivery_attempt (delivery_id, at, status, error, answer) \
                       VALUES ($1, $2, $3, $4, $5)";
            let parameters = [tried.number.into(), self.now.into(), status.into(), error, answer];
            store.execute(sql, &parameters).await?;
        }
        Ok(Some((row.int()?, row.optional_int()?)))
    }
}

struct Next {
    destination: Uuid,
}

impl Verb for Next {
    type Answer = Option<Timestamp>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Option<Timestamp>, LedgerError> {
        let mut next: Option<i64> = None;
        for redriven in [false, true] {
            let sql = "SELECT due_at FROM delivery WHERE destination_id = \
                       (SELECT id FROM destination WHERE uuid = $1) AND state = 'pending' \
                       AND is_redrive = $2 ORDER BY due_at LIMIT 1";
            if let Some(mut row) =
                store.row(sql, &[self.destination.into(), redriven.into()]).await?
            {
                let due = row.int()?;
                next = Some(next.map_or(due, |next| next.min(due)));
            }
        }
        Ok(next.filter(|due| *due != NEVER).and_then(|due| Timestamp::from_microsecond(due).ok()))
    }
}

/// Without what is told: it holds phone numbers.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("number", &self.number)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}
