//! Telling: events and their deliveries, written in the transaction in which something is news.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::call::Disposition;
use crate::domain::destination::{
    DestinationFilter, DestinationState, RAW, speaks_natively, tells_ends_alone,
};
use crate::domain::ids::AccountSlug;
use crate::ledger::attempts::AttemptRow;
use crate::ledger::destinations::read_filter;
use crate::ledger::inbox::{NewPush, Original};
use crate::ledger::outbox::{DeliveryState, NEVER, REASON_WAITS};
use crate::ledger::statements::{Row, Statements, Value, Verb};
use crate::ledger::{Ledger, LedgerError};
use crate::ledger::{quarantine, snapshot};

impl Ledger {
    /// A push that is told to those who want everything as it comes, and nobody else. Answers whether
    /// there is somebody.
    pub async fn announce_push(&self, push: NewPush, now: Timestamp) -> Result<bool, LedgerError> {
        self.write(AnnouncePush { push: Arc::new(push), now }).await
    }
}

/// A destination, as far as it decides what it takes.
struct Taker {
    id: i64,
    is_raw: bool,
    /// It speaks as a platform does.
    speaks_natively: bool,
    tells_ends_alone: bool,
    /// It takes only what names it.
    is_receiver: bool,
    is_ordered: bool,
    state: DestinationState,
    filter: DestinationFilter,
}

/// The destinations, while a transaction tells them things; it ends with [`Takers::close`].
pub(super) struct Takers {
    /// By id.
    all: Vec<Taker>,
    /// What they are told, in this order; nothing of it is in the store before the end.
    told: Vec<Telling>,
    /// The `traceparent` of what is told.
    pub trace: Option<String>,
}

/// An event for a taker, by its place among them.
struct Telling {
    taker: usize,
    event: i64,
    due: Due,
}

/// A push as it came.
#[derive(Clone, Copy)]
pub(super) struct PushNews<'a> {
    pub body: &'a str,
    /// How it came, where that is not the body in UTF-8.
    pub original: Option<&'a Original>,
    /// The signature that came with it.
    pub proof: Option<&'a str>,
    pub trace: Option<&'a str>,
}

/// A campaign or an account, and the receiver that it names.
#[derive(Clone, Copy)]
pub(super) struct Named {
    pub id: i64,
    pub receiver: Option<i64>,
}

impl Named {
    pub async fn account<S: Statements>(
        store: &mut S,
        slug: &AccountSlug,
    ) -> Result<Self, LedgerError> {
        let sql = "SELECT id, receiver_id FROM account WHERE slug = $1";
        Self::read(store.row(sql, &[slug.into()]).await?, "account")
    }

    pub async fn campaign<S: Statements>(store: &mut S, uuid: Uuid) -> Result<Self, LedgerError> {
        let sql = "SELECT id, receiver_id FROM campaign WHERE uuid = $1";
        Self::read(store.row(sql, &[uuid.into()]).await?, "campaign")
    }

    fn read(row: Option<Row>, noun: &'static str) -> Result<Self, LedgerError> {
        let mut row = row.ok_or(LedgerError::Missing(noun))?;
        Ok(Self { id: row.int()?, receiver: row.optional_int()? })
    }
}

/// An attempt that is told, in the revision that it has now.
#[derive(Clone, Copy)]
pub(super) struct AttemptNews<'a> {
    pub row: &'a AttemptRow,
    /// The platform's own, by which it became known.
    pub words: &'a str,
    /// A closer look at the call may tell more.
    pub may_be_explained: bool,
}

impl AttemptNews<'_> {
    fn lacks_reason(&self) -> bool {
        self.may_be_explained && self.row.attempt.disposition == Disposition::Failed
    }
}

/// The surrogates of what is told.
#[derive(Clone, Copy)]
pub(super) struct Subject {
    pub account: Named,
    pub campaign: Named,
    pub attempt: i64,
}

impl Takers {
    pub async fn read<S: Statements>(store: &mut S) -> Result<Self, LedgerError> {
        let sql = "SELECT id, shape, is_receiver, is_ordered, state, accounts, campaigns, \
                   dispositions FROM destination WHERE state <> 'removed' ORDER BY id";
        let mut all = Vec::new();
        for mut row in store.rows(sql, &[]).await? {
            let (id, shape) = (row.int()?, row.text()?);
            let (is_receiver, is_ordered) = (row.bool()?, row.bool()?);
            let state = DestinationState::from_term(&row.text()?);
            let state = state.ok_or_else(|| row.corrupt("a state"))?;
            let filter = read_filter(&mut row)?;
            all.push(Taker {
                id,
                is_raw: shape == RAW,
                speaks_natively: speaks_natively(&shape),
                tells_ends_alone: tells_ends_alone(&shape, &filter),
                is_receiver,
                is_ordered,
                state,
                filter,
            });
        }
        Ok(Self { all, told: Vec::new(), trace: None })
    }

    /// How many take results.
    pub fn of_results(&self) -> usize {
        self.all.iter().filter(|taker| !taker.is_raw).count()
    }

    /// Tells an attempt. What waits for its reason and is not told until then is told in the next revision.
    pub async fn announce<S: Statements>(
        &mut self,
        store: &mut S,
        news: AttemptNews<'_>,
        of: Subject,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let AttemptNews { row, words, .. } = news;
        let names = [of.campaign.receiver, of.account.receiver];
        let takes = |(_, taker): &(usize, &Taker)| {
            !taker.is_raw
                && (!taker.is_receiver || names.contains(&Some(taker.id)))
                && taker.filter.takes_account(&row.account)
                && taker.filter.takes(row.campaign, row.attempt.disposition)
        };
        let takers: Vec<(usize, &Taker)> = self.all.iter().enumerate().filter(takes).collect();
        if takers.is_empty() {
            return Ok(());
        }
        let words = takers.iter().any(|(_, taker)| taker.speaks_natively).then_some(words);
        let body = snapshot::write(&row.attempt)
            .ok_or_else(|| LedgerError::Corrupt("an attempt cannot be written down".to_owned()))?;
        let sql = "INSERT INTO event (account_id, campaign_id, attempt_id, revision, at, body, \
                   trace, raw) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let parameters = [
            of.account.id.into(),
            of.campaign.id.into(),
            of.attempt.into(),
            row.revision.into(),
            now.into(),
            body.as_str().into(),
            Value::optional_text(self.trace.as_deref()),
            Value::optional_text(words),
        ];
        let event = store.insert(sql, &parameters).await?;
        let event = event.ok_or(LedgerError::Missing("event"))?;
        for (place, taker) in takers {
            let waits = taker.tells_ends_alone && news.lacks_reason();
            let due =
                if waits { Due::Then(now + REASON_WAITS) } else { Due::InLane(of.campaign.id) };
            self.told.push(Telling { taker: place, event, due });
        }
        Ok(())
    }

    async fn announce_push<S: Statements>(
        &mut self,
        store: &mut S,
        (account, slug): (Named, &AccountSlug),
        PushNews { body, original, proof, trace }: PushNews<'_>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let takes = |(_, taker): &(usize, &Taker)| {
            taker.is_raw
                && (!taker.is_receiver || account.receiver == Some(taker.id))
                && taker.filter.takes_account(slug)
        };
        let takers: Vec<(usize, &Taker)> = self.all.iter().enumerate().filter(takes).collect();
        if takers.is_empty() {
            return Ok(());
        }
        let sql = "INSERT INTO event (account_id, revision, at, body, proof, trace, encoding, \
                   content_type, content_encoding) VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8)";
        let came = original.map(|came| (quarantine::encoded(&came.bytes), &came.content));
        let (encoding, body, content) = match &came {
            Some(((encoding, body), content)) => (Some(*encoding), body.as_str(), Some(*content)),
            None => (None, body, None),
        };
        let parameters = [
            account.id.into(),
            now.into(),
            body.into(),
            Value::optional_text(proof),
            Value::optional_text(trace),
            Value::optional_text(encoding),
            Value::optional_text(content.and_then(|content| content.kind.as_deref())),
            Value::optional_text(content.and_then(|content| content.packing.as_deref())),
        ];
        let event = store.insert(sql, &parameters).await?;
        let event = event.ok_or(LedgerError::Missing("event"))?;
        for (place, _) in takers {
            self.told.push(Telling { taker: place, event, due: Due::Then(now) });
        }
        Ok(())
    }

    /// Makes the deliveries of what was told, and enters them into the destinations' books: all lanes
    /// are joined at once, in the order of `turns.rs`.
    pub async fn close<S: Statements>(
        self,
        store: &mut S,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let mut lanes = self.join_lanes(store).await?;
        // How many were made, and how many of them are dead.
        let mut made: BTreeMap<usize, (i64, i64)> = BTreeMap::new();
        for told in &self.told {
            let taker = &self.all[told.taker];
            let lane = told.lane(taker).and_then(|lane| lanes.get_mut(&lane));
            deliver(store, (taker, told, lane.map(Lane::next_place)), now).await?;
            let (all, dead) = made.entry(told.taker).or_default();
            *all += 1;
            *dead += i64::from(taker.is_disabled());
        }
        for (taker, (all, dead)) in made {
            let sql = "UPDATE destination SET created_total = created_total + $2, \
                       dead_total = dead_total + $3 WHERE id = $1";
            store.execute(sql, &[self.all[taker].id.into(), all.into(), dead.into()]).await?;
        }
        Ok(())
    }

    /// The lanes of all that was told, by destination and campaign, with room for it.
    async fn join_lanes<S: Statements>(
        &self,
        store: &mut S,
    ) -> Result<BTreeMap<(i64, i64), Lane>, LedgerError> {
        let mut counts: BTreeMap<(i64, i64), i64> = BTreeMap::new();
        for lane in self.told.iter().filter_map(|told| told.lane(&self.all[told.taker])) {
            *counts.entry(lane).or_default() += 1;
        }
        let mut lanes = BTreeMap::new();
        for (lane, count) in counts {
            lanes.insert(lane, Lane::join(store, lane, count).await?);
        }
        Ok(lanes)
    }
}

impl Taker {
    fn is_disabled(&self) -> bool {
        self.state == DestinationState::Disabled
    }
}

impl Telling {
    /// The destination and the campaign whose deliveries it is kept in order with, if any.
    fn lane(&self, taker: &Taker) -> Option<(i64, i64)> {
        match self.due {
            Due::InLane(campaign) if taker.is_ordered && !taker.is_disabled() => {
                Some((taker.id, campaign))
            }
            Due::InLane(_) | Due::Then(_) => None,
        }
    }
}

/// Whether somebody takes pushes as they come; $1 is [`RAW`].
pub(super) const IS_WANTED: &str =
    "EXISTS (SELECT 1 FROM destination WHERE shape = $1 AND state <> 'removed')";

/// Tells pushes as they came to those who take pushes, if there are any; answers whether there are.
pub(super) async fn announce_if_wanted<S: Statements>(
    store: &mut S,
    pushes: &[Arc<NewPush>],
    now: Timestamp,
) -> Result<bool, LedgerError> {
    let row = store.row(&format!("SELECT {IS_WANTED}"), &[RAW.into()]).await?;
    let is_told = row.map_or(Ok(false), |mut row| row.bool())?;
    if is_told {
        announce_pushes(store, pushes, now).await?;
    }
    Ok(is_told)
}

/// Tells pushes as they came to those who take pushes.
pub(super) async fn announce_pushes<S: Statements>(
    store: &mut S,
    pushes: &[Arc<NewPush>],
    now: Timestamp,
) -> Result<(), LedgerError> {
    let mut takers = Takers::read(store).await?;
    for push in pushes {
        let account = Named::account(store, &push.account).await?;
        takers.announce_push(store, (account, &push.account), push.news(), now).await?;
    }
    takers.close(store, now).await
}

/// When a delivery leaves.
#[derive(Clone, Copy)]
enum Due {
    /// Now, or after those of the campaign that were told before, where they are kept in order.
    InLane(i64),
    /// Then, and holds nobody up until then.
    Then(Timestamp),
}

async fn deliver<S: Statements>(
    store: &mut S,
    (taker, told, place): (&Taker, &Telling, Option<Place>),
    now: Timestamp,
) -> Result<(), LedgerError> {
    let due_at = match (&place, told.due) {
        (Some(Place { is_first: false, .. }), _) => NEVER,
        (_, Due::Then(then)) => then.as_microsecond(),
        (_, Due::InLane(_)) => now.as_microsecond(),
    };
    let (state, ended_at, error) = if taker.is_disabled() {
        (DeliveryState::Dead, Some(now), Some("the destination is disabled"))
    } else {
        (DeliveryState::Pending, None, None)
    };
    let sql = "INSERT INTO delivery (event_id, destination_id, lane_id, sequence, state, \
               is_redrive, tries, due_at, is_leased, fence, created_at, ended_at, error) \
               VALUES ($1, $2, $3, $4, $5, FALSE, 0, $6, FALSE, 0, $7, $8, $9)";
    let parameters = [
        told.event.into(),
        taker.id.into(),
        place.as_ref().map(|place| place.lane).into(),
        place.as_ref().map(|place| place.sequence).into(),
        state.as_str().into(),
        due_at.into(),
        now.into(),
        Value::optional_time(ended_at),
        Value::optional_text(error),
    ];
    store.execute(sql, &parameters).await.map(drop)
}

struct Place {
    lane: i64,
    sequence: i64,
    /// Nothing else waits in the lane.
    is_first: bool,
}

/// A lane in which places were taken.
struct Lane {
    id: i64,
    /// Of those places.
    next_sequence: i64,
    /// Nothing waits in it.
    is_empty: bool,
}

impl Lane {
    /// Takes so many places in a row at the end of a lane.
    async fn join<S: Statements>(
        store: &mut S,
        (destination, campaign): (i64, i64),
        count: i64,
    ) -> Result<Self, LedgerError> {
        let sql = "INSERT INTO lane (destination_id, campaign_id, next_sequence) \
                   VALUES ($1, $2, CAST($3 AS BIGINT) + 1) ON CONFLICT (destination_id, campaign_id) \
                   DO UPDATE SET next_sequence = lane.next_sequence + $3 \
                   RETURNING id, next_sequence";
        let row = store.row(sql, &[destination.into(), campaign.into(), count.into()]).await?;
        let mut row = row.ok_or(LedgerError::Missing("lane"))?;
        let (id, next_sequence) = (row.int()?, row.int()? - count);
        let sql = "SELECT 1 FROM delivery WHERE lane_id = $1 AND state = 'pending' LIMIT 1";
        let is_empty = store.row(sql, &[id.into()]).await?.is_none();
        Ok(Self { id, next_sequence, is_empty })
    }

    fn next_place(&mut self) -> Place {
        let place = Place { lane: self.id, sequence: self.next_sequence, is_first: self.is_empty };
        self.next_sequence += 1;
        self.is_empty = false;
        place
    }
}

struct AnnouncePush {
    push: Arc<NewPush>,
    now: Timestamp,
}

impl Verb for AnnouncePush {
    type Answer = bool;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<bool, LedgerError> {
        announce_if_wanted(store, std::slice::from_ref(&self.push), self.now).await
    }
}
