//! What is told leaves from here: deliveries that are due are leased, sent, and their outcome is
//! recorded. What a crash interrupts is sent again, under the same id.
//!
//! Each destination has a pace, a breaker and a number of deliveries under way of its own, so that
//! one that is slow or down holds up nobody else. What is sent again on request leaves only when
//! nothing new is due there.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::decoding::Declared;
use crate::domain::destination::{Destination, DestinationState};
use crate::forwarding::{Label, Outcome, Parcel, Sent, Shape};
use crate::gateway::retry::{self, Decision};
use crate::gateway::under_way::UnderWay;
use crate::gateway::{Shared, WorkerGateway};
use crate::ledger::LedgerError;
use crate::ledger::destinations::{DestinationChange, DestinationRow};
use crate::ledger::journal::JournalEntry;
use crate::ledger::outbox::{LeasedDelivery, Told, Tried, Verdict};
use crate::platforms::notice;
use crate::telemetry::traces;
use crate::transport::breaker::Breaker;

mod recording;
mod wording;

use wording::notice_of;

/// Longer than a delivery takes whose receiver and ledger answer. This process leases none that it holds
/// still; another one may when this is over, for it cannot tell an outage from a crash.
const LEASE: Duration = Duration::from_secs(60);
/// How often destinations are looked at when nobody said that there is news: another process may
/// have made some.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Deliveries that are leased from one destination at a time.
const LEASED_AT_ONCE: u32 = 256;
/// Tries that are recorded in one transaction.
const RECORDED_AT_ONCE: usize = 64;
/// Such transactions that are asked for at a time.
const RECORDINGS: usize = 16;
/// Deliveries of one destination that are leased and not recorded, at most.
const MAX_HELD: usize = 1024;
/// Events that are forgotten at a time.
const FORGOTTEN_AT_ONCE: u32 = 500;
/// How often old events are forgotten, and outcomes are recorded again that the ledger refused.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(60);

/// Says that there may be something to send.
#[derive(Default)]
pub(super) struct OutboxNews {
    came: Notify,
    /// A destination is not what it was.
    has_changed: AtomicBool,
}

impl OutboxNews {
    pub fn tell(&self) {
        self.came.notify_one();
    }

    pub fn tell_change(&self) {
        self.has_changed.store(true, Ordering::Release);
        self.tell();
    }
}

/// Sends what is told; `app` gives it a task.
pub struct OutboxWorker {
    gateway: WorkerGateway,
    /// For how long what was delivered can be sent again.
    retention: Duration,
}

/// How a destination is doing, in this process.
struct Traffic {
    destination: Arc<Destination>,
    breaker: Arc<Breaker>,
    /// The deliveries that are leased and not recorded yet, and until when their leases hold.
    held: HashMap<i64, Timestamp>,
    /// How many of them are under way.
    sending: u32,
    /// When something may be due; None: when there is news.
    look_at: Option<Timestamp>,
    /// The next delivery's turn, where a rate is set.
    turn_at: Timestamp,
}

/// Deliveries whose outcome the ledger was given.
struct Recorded {
    /// Destinations and numbers of those that are in the books.
    ended: Vec<(Uuid, i64)>,
    /// Destinations that want nothing any more.
    gone: Vec<Uuid>,
    /// Outcomes that the ledger does not take.
    refused: Vec<Done>,
}

/// What was under way.
enum Ended {
    Delivery(Done),
    Recording(Recorded),
}

/// A delivery that was tried.
struct Done {
    destination: Uuid,
    tried: Tried,
    /// The receiver wants nothing any more.
    is_gone: bool,
}

impl OutboxWorker {
    pub(super) fn new(gateway: WorkerGateway, retention: Duration) -> Self {
        Self { gateway, retention }
    }

    /// Works until dropped.
    pub async fn run(&self) {
        let Shared { clock, outbox, .. } = &*self.gateway.shared;
        let mut traffic: HashMap<Uuid, Traffic> = HashMap::new();
        let mut under_way: UnderWay<BoxFuture<'_, Ended>> = UnderWay::new();
        // Tries that are to be recorded, those that the ledger refused, and how many recordings are under
        // way.
        let (mut done, mut refused, mut recordings) = (Vec::new(), Vec::new(), 0);
        let (mut looks_at, mut upkeep_at) = (clock.now(), clock.now());
        loop {
            let now = clock.now();
            if now >= looks_at || outbox.has_changed.swap(false, Ordering::AcqRel) {
                under_way.beside(self.look(&mut traffic)).await;
                looks_at = now + LOOK_INTERVAL;
            }
            if now >= upkeep_at {
                under_way.beside(self.forget(now)).await;
                done.append(&mut refused);
                upkeep_at = now + UPKEEP_INTERVAL;
            }
            for traffic in traffic.values_mut() {
                for delivery in under_way.beside(self.lease(traffic)).await {
                    let (destination, breaker) =
                        (Arc::clone(&traffic.destination), Arc::clone(&traffic.breaker));
                    let delivered = self.deliver(destination, breaker, delivery);
                    under_way.push(Box::pin(async { Ended::Delivery(delivered.await) }));
                }
            }
            let soonest = traffic.values().filter_map(|traffic| traffic.wakes_at(now)).min();
            let wake_at = soonest.map_or(looks_at, |soonest| soonest.min(looks_at));
            tokio::select! {
                ended = under_way.next() => {
                    // What has ended by now is recorded together.
                    let mut next = Some(ended);
                    while let Some(ended) = next {
                        match ended {
                            Ended::Delivery(one) => {
                                if let Some(traffic) = traffic.get_mut(&one.destination) {
                                    traffic.sending -= 1;
                                    traffic.look_at = Some(now);
                                }
                                done.push(one);
                            }
                            Ended::Recording(mut recorded) => {
                                recordings -= 1;
                                refused.append(&mut recorded.refused);
                                under_way.beside(self.let_go(recorded, &mut traffic)).await;
                            }
                        }
                        next = under_way.next_now();
                    }
                }
                () = outbox.came.notified() => {
                    for traffic in traffic.values_mut() {
                        traffic.look_at = Some(now);
                    }
                }
                () = clock.sleep_until(wake_at) => {}
            }
            while recordings < RECORDINGS && !done.is_empty() {
                let rest = done.split_off(done.len().min(RECORDED_AT_ONCE));
                let recorded = self.record(std::mem::replace(&mut done, rest));
                under_way.push(Box::pin(async { Ended::Recording(recorded.await) }));
                recordings += 1;
            }
        }
    }

    /// Meets new destinations, and forgets those that send no more.
    async fn look(&self, traffic: &mut HashMap<Uuid, Traffic>) {
        let Shared { ledger, clock, .. } = &*self.gateway.shared;
        let rows = match ledger.destinations().await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::error!(%error, "the destinations cannot be read; it is tried again");
                return;
            }
        };
        let now = clock.now();
        let active: HashMap<Uuid, DestinationRow> = rows
            .into_iter()
            .filter(|row| row.destination.is_active())
            .map(|row| (row.destination.uuid, row))
            .collect();
        // One with deliveries under way is kept until they are recorded.
        traffic.retain(|uuid, traffic| active.contains_key(uuid) || !traffic.held.is_empty());
        for (uuid, known) in traffic.iter_mut() {
            if !active.contains_key(uuid) {
                known.look_at = None;
            }
        }
        for (uuid, row) in active {
            let pending = row.pending();
            let traffic = traffic.entry(uuid).or_insert_with(|| Traffic::new(&row, now));
            if *traffic.destination != row.destination {
                traffic.destination = Arc::new(row.destination);
            }
            if pending > 0 && traffic.look_at.is_none() {
                traffic.look_at = Some(now);
            }
        }
    }

    /// Leases what is due and is to be sent now, as far as the destination may be sent to.
    async fn lease(&self, traffic: &mut Traffic) -> Vec<LeasedDelivery> {
        let Shared { ledger, clock, .. } = &*self.gateway.shared;
        let now = clock.now();
        let room = traffic.room(now);
        if room == 0 || traffic.look_at.is_none_or(|at| now < at) {
            return Vec::new();
        }
        let (uuid, until) = (traffic.destination.uuid, now + LEASE);
        let lease = async |redriven: bool| {
            let held = traffic.held.clone();
            ledger.lease_deliveries(uuid, (redriven, room), held, (now, until)).await
        };
        let leased = match lease(false).await {
            Ok(leased) if leased.is_empty() => lease(true).await,
            leased => leased,
        };
        let leased = match leased {
            Ok(leased) => leased,
            Err(error) => {
                tracing::error!(%error, "deliveries cannot be leased; it is tried again");
                traffic.look_at = Some(now + LOOK_INTERVAL);
                return Vec::new();
            }
        };
        if leased.is_empty() {
            // Until there is news, or what waits for its time is due.
            let later = now + LOOK_INTERVAL;
            // The ends of those under way are news by themselves.
            let next = if traffic.held.is_empty() {
                ledger.next_delivery(uuid).await.unwrap_or(Some(later))
            } else {
                Some(later)
            };
            // Beside what waits long another process may tell something that is due at once.
            traffic.look_at = next.map(|next| next.min(later));
            return leased;
        }
        let count = u32::try_from(leased.len()).unwrap_or(u32::MAX);
        traffic.held.extend(leased.iter().map(|delivery| (delivery.number, until)));
        traffic.sending += count;
        traffic.take_turns(count, now);
        leased
    }

    async fn deliver(
        &self,
        destination: Arc<Destination>,
        breaker: Arc<Breaker>,
        delivery: LeasedDelivery,
    ) -> Done {
        let clock = &self.gateway.shared.clock;
        let delivery = match self.renewed(&destination, delivery).await {
            Ok(delivery) => delivery,
            Err(unsent) => return *unsent,
        };
        let passage = match breaker.enter(clock.now(), false) {
            Ok(passage) => passage,
            Err(wait) => {
                let why = "the receiver failed repeatedly and is left alone for now";
                return unsent(
                    &destination,
                    &delivery,
                    (Verdict::PutBack(clock.now() + wait), why),
                );
            }
        };
        let trace = delivery.event.trace.as_deref();
        let mut span = traces::begin_behind("deliver", traces::Kind::Sent, trace);
        span.set("dialbridge.destination", destination.name.clone());
        span.set("dialbridge.tries", delivery.tries);
        let sent = self.send(&destination, &delivery, span.context()).await;
        span.status(sent.status);
        let now = clock.now();
        match &sent.outcome {
            Outcome::Failed { is_outage: true, .. } => passage.failed(now),
            _ => passage.succeeded(),
        }
        let verdict = match &sent.outcome {
            Outcome::Taken => Verdict::Delivered,
            Outcome::Aborted | Outcome::Gone | Outcome::Unsendable => Verdict::Dead,
            Outcome::Failed { retry_after, .. } => {
                let (waits, tried) = (&destination.retry_waits_s, delivery.tries);
                let chance = clock.random_fraction();
                match retry::decide_delivery(waits, tried, (*retry_after, chance), now) {
                    Decision::Again(at) => Verdict::Again(at),
                    Decision::GiveUp => Verdict::Dead,
                }
            }
        };
        if verdict != Verdict::Delivered {
            span.failed();
            tracing::warn!(
                destination = %destination.name,
                delivery = delivery.number,
                tries = delivery.tries + 1,
                status = sent.status,
                error = sent.error.as_deref(),
                ?verdict,
                "a delivery failed"
            );
        }
        Done {
            destination: destination.uuid,
            is_gone: sent.outcome == Outcome::Gone,
            tried: Tried {
                number: delivery.number,
                fence: delivery.fence,
                verdict,
                status: sent.status,
                error: sent.error,
                answer: sent.answer,
            },
        }
    }

    async fn send(
        &self,
        destination: &Destination,
        delivery: &LeasedDelivery,
        trace: Option<String>,
    ) -> Sent {
        let shared = &self.gateway.shared;
        let event = &delivery.event;
        let Some(home) = self.gateway.homes.get(&event.account) else {
            return Sent::not_sent("the account is not configured");
        };
        match &event.what {
            Told::Attempt(told) => {
                let id = format!("{}-{}", told.uuid.simple(), told.revision);
                let Some(mut notice) = notice_of(told, home.adapter.platform()) else {
                    return Sent::not_sent("its campaign has no public pair");
                };
                let (mut person, mut parts) = (None, Vec::new());
                if let Some(Shape::Platform(platform)) = Shape::from_term(&destination.shape)
                    && notice::is_said_anew(platform, &notice)
                {
                    person = self.person_of(&notice).await;
                    parts = self.parts_of(platform, &notice).await;
                }
                if let Some(row) = &person {
                    (notice.contact, notice.person) = (Some(row.uuid), Some(&row.contact));
                }
                notice.parts = &parts;
                let parcel = Parcel::Attempt {
                    account: &event.account,
                    at: event.at,
                    notice,
                    context: &home.context,
                };
                let label = Label { id: &id, is_redrive: delivery.is_redrive, trace };
                shared.courier.send(destination, label, parcel).await
            }
            Told::Push { body, proof, content } => {
                // After a restore numbers may come again, at another time.
                let id = format!("push-{}-{}", event.number, event.at.as_microsecond());
                let (platform, proof) = (home.adapter.platform(), proof.as_deref());
                let declared = Declared {
                    content_type: content.kind.as_deref(),
                    content_encoding: content.packing.as_deref(),
                };
                let parcel = Parcel::Push { platform, body, proof, declared };
                let label = Label { id: &id, is_redrive: delivery.is_redrive, trace };
                shared.courier.send(destination, label, parcel).await
            }
            Told::Unreadable(why) => {
                Sent::unsendable(&format!("what is stored of it cannot be read: {why}"))
            }
        }
    }

    /// Deliveries whose outcome is recorded may be leased again.
    async fn let_go(
        &self,
        Recorded { ended, gone, .. }: Recorded,
        traffic: &mut HashMap<Uuid, Traffic>,
    ) {
        let now = self.gateway.shared.clock.now();
        for (destination, number) in ended {
            if let Some(traffic) = traffic.get_mut(&destination) {
                traffic.held.remove(&number);
                // The next in its lane is due now.
                traffic.look_at = Some(now);
            }
        }
        for uuid in gone {
            if let Some(gone) = traffic.get_mut(&uuid) {
                gone.look_at = None;
                self.disable(&gone.destination).await;
            }
        }
    }

    /// The receiver has said that it wants nothing any more.
    async fn disable(&self, destination: &Destination) {
        let Shared { ledger, clock, .. } = &*self.gateway.shared;
        let reason = "the receiver wants no more deliveries".to_owned();
        tracing::error!(
            destination = %destination.name,
            "a receiver wants no more deliveries: the destination is disabled until it is resumed"
        );
        let entry = JournalEntry {
            after: Some(destination.name.clone()),
            reason: Some(reason.clone()),
            ..JournalEntry::new(clock.now(), "receiver", "destination-disable")
        };
        let change =
            DestinationChange::State { state: DestinationState::Disabled, reason: Some(reason) };
        if let Err(error) = ledger.change_destination(destination.uuid, change, entry).await {
            tracing::error!(destination = %destination.name, %error,
                "the ledger did not disable the destination; the next refusal does");
        }
    }

    async fn forget(&self, now: Timestamp) {
        let ledger = &self.gateway.shared.ledger;
        if let Err(error) = ledger.abandon_removed(now).await {
            tracing::warn!(%error,
                "deliveries of removed destinations could not be closed; it is tried again in 60 s");
        }
        let before = now - self.retention;
        let all = u64::from(FORGOTTEN_AT_ONCE);
        let forgotten = async {
            while ledger.forget_events(before, FORGOTTEN_AT_ONCE).await? == all {}
            Ok::<_, LedgerError>(())
        };
        if let Err(error) = forgotten.await {
            tracing::warn!(%error, "old deliveries could not be forgotten; it is tried again in 60 s");
        }
    }
}

fn unsent(
    destination: &Destination,
    delivery: &LeasedDelivery,
    (verdict, why): (Verdict, &str),
) -> Done {
    Done {
        destination: destination.uuid,
        is_gone: false,
        tried: Tried {
            number: delivery.number,
            fence: delivery.fence,
            verdict,
            status: None,
            error: Some(why.to_owned()),
            answer: None,
        },
    }
}

impl Traffic {
    fn new(row: &DestinationRow, now: Timestamp) -> Self {
        Self {
            destination: Arc::new(row.destination.clone()),
            breaker: Arc::default(),
            held: HashMap::new(),
            sending: 0,
            look_at: Some(now),
            turn_at: now,
        }
    }

    /// How many more may be under way.
    fn free(&self) -> u32 {
        let more = MAX_HELD.saturating_sub(self.held.len());
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        self.destination.concurrency.saturating_sub(self.sending).min(more)
    }

    /// How many more may be sent now.
    fn room(&self, now: Timestamp) -> u32 {
        if self.breaker.refuses_for(now).is_some() {
            return 0;
        }
        let room = self.free().min(LEASED_AT_ONCE);
        match self.destination.rate_per_s {
            None => room,
            Some(_) if now < self.turn_at => 0,
            // One at a time, each at its turn.
            Some(_) => room.min(1),
        }
    }

    fn take_turns(&mut self, count: u32, now: Timestamp) {
        if let Some(rate) = self.destination.rate_per_s {
            let gap = Duration::from_secs(1) / rate.max(1);
            // What was missed in a pause is not made up for, but for a second of it.
            self.turn_at = self.turn_at.max(now - Duration::from_secs(1)) + gap * count;
        }
    }

    /// When this destination has to be looked at; None when only news would change anything.
    fn wakes_at(&self, now: Timestamp) -> Option<Timestamp> {
        let at = self.look_at?;
        if self.free() == 0 {
            return None;
        }
        let at = match self.breaker.refuses_for(now) {
            Some(wait) => at.max(now + wait),
            None => at,
        };
        Some(if self.destination.rate_per_s.is_some() { at.max(self.turn_at) } else { at })
    }
}
