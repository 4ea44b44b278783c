//! What is in the inbox becomes attempts. Rows that can be kept are, at once; one that means nothing
//! goes to quarantine alone; one that has to wait does so without the others, ever longer, and in the
//! end it is quarantined, not lost.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use uuid::Uuid;

use super::questions::Answer;
use crate::domain::call::CallResult;
use crate::domain::ids::{AccountSlug, NativeId};
use crate::gateway::retry;
use crate::gateway::under_way::UnderWay;
use crate::gateway::{Home, Shared, WorkerGateway};
use crate::ledger::LedgerError;
use crate::ledger::attempts::AttemptRow;
use crate::ledger::inbox::{DuePage, InboxRow, Processed, Quarantined, Waiting};
use crate::ledger::settling::ROWS_AT_ONCE;
use crate::platforms::{FetchedAttempt, PushedRow};
use crate::telemetry::traces;

/// How often the inbox is looked at when nobody said that something has come.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Pushes that are processed at a time: they share a commit where nobody is in a hurry, and the more of
/// them do the fewer pages are written for each.
const AT_ONCE: usize = 512;
/// Of their bodies together: a page is read while those that are held are shorter than this, and one is
/// no longer than this, or a single push.
const BYTES_AT_ONCE: u64 = 32 * 1024 * 1024;
/// Pushes whose outcomes are kept by one verb: those who push may have to wait for it.
const SETTLED_AT_ONCE: usize = 8;
/// Processed pushes that are forgotten at a time.
const FORGOTTEN_AT_ONCE: u32 = 1000;
/// How long after a push the end of a call that it tells is looked at again whose attempt is not known
/// yet; after the last time it is let go.
const CALL_LOOKS: [Duration; 3] =
    [Duration::from_secs(2), Duration::from_secs(7), CALL_WAITS_AT_MOST];
const CALL_WAITS_AT_MOST: Duration = Duration::from_secs(27);
/// How often processed pushes are looked through for ones to forget.
const FORGET_INTERVAL: Duration = Duration::from_secs(60);
/// How long the processing of a push stands still for campaigns that are being asked for.
const ANSWER_WAIT: Duration = Duration::from_millis(500);
/// Campaigns of one push that are looked up at a time.
const LOOKED_UP_AT_ONCE: usize = 16;
/// A row that could not be processed for so long goes to quarantine.
pub const WAITS_AT_MOST: Duration = Duration::from_secs(3 * 86_400);
/// So does a push of an account that is not configured any more.
pub const UNCONFIGURED_AT_MOST: Duration = Duration::from_secs(86_400);

/// Processes what is in the inbox; `app` gives it a task.
pub struct InboxProcessor {
    pub(super) gateway: WorkerGateway,
    /// For how long a processed push is kept as it came.
    retention: Duration,
}

/// What was read of a push.
#[derive(Default)]
pub(super) struct Reading {
    pub processed: Processed,
    /// Rows that may be understood later.
    pub later: Vec<Later>,
}

/// A row that waits.
pub(super) struct Later {
    /// In the push.
    place: usize,
    at: Timestamp,
    pub reason: String,
    pub raw: Bytes,
}

/// How a call ended, as a push tells it.
struct CallEnd {
    /// In the push.
    place: usize,
    call: NativeId,
    raw: Bytes,
    /// When it is looked at again if its attempt is not known yet; None: then it is let go.
    look_at: Option<Timestamp>,
}

/// A campaign that a push names.
enum Found {
    Here(Uuid),
    Nowhere(String),
    Perhaps(Timestamp, String),
}

impl Reading {
    fn unusable(&mut self, reason: impl Into<String>, raw: &[u8]) {
        self.processed.quarantined.push(Quarantined::new(reason, raw));
    }
}

impl InboxProcessor {
    pub(in crate::gateway) fn new(gateway: WorkerGateway, retention: Duration) -> Self {
        Self { gateway, retention }
    }

    /// Works until dropped. What is under way then is done again by whoever comes next.
    pub async fn run(&self) {
        let Shared { clock, inbox, .. } = &*self.gateway.shared;
        let mut forgets_at = clock.now();
        // Pushes whose outcome is on its way into the ledger, with the lengths of their bodies; the next
        // are read meanwhile.
        let mut held: HashMap<i64, u64> = HashMap::new();
        let mut settling = UnderWay::new();
        let mut may_be_more = true;
        loop {
            if clock.now() >= forgets_at {
                settling.beside(self.forget()).await;
                forgets_at = clock.now() + FORGET_INTERVAL;
            }
            let has_room = held.len() < AT_ONCE && held.values().sum::<u64>() < BYTES_AT_ONCE;
            if may_be_more && has_room {
                let read = settling.beside(self.read_due(held.keys().copied().collect())).await;
                may_be_more = !read.is_empty();
                held.extend(read.iter().map(|(row, _)| (row.id, row.body.len() as u64)));
                for part in parts(read) {
                    settling.push(async move { (self.settle(Arc::clone(&part)).await, part) });
                }
            }
            tokio::select! {
                (is_kept, part) = settling.next() => {
                    // A push that is not kept is still due, and the next look would find it again at
                    // once. So the next look waits until a push comes or some time has passed.
                    may_be_more &= is_kept;
                    for (row, _) in part.iter() {
                        held.remove(&row.id);
                    }
                }
                () = inbox.came.notified(), if !may_be_more => may_be_more = true,
                () = clock.sleep(LOOK_INTERVAL) => may_be_more = true,
            }
        }
    }

    /// What pushes that are due and not held say.
    async fn read_due(&self, held: HashSet<i64>) -> Vec<(InboxRow, Processed)> {
        let Shared { ledger, clock, .. } = &*self.gateway.shared;
        let page = DuePage { rows: AT_ONCE, bytes: BYTES_AT_ONCE, but: held };
        let due = match ledger.due_inbox(page, clock.now()).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, "the inbox cannot be read; it is tried again");
                return Vec::new();
            }
        };
        let (mut read, mut failed) = (Vec::new(), None);
        for row in join_all(due.into_iter().map(|row| self.process(row))).await {
            match row {
                Ok(row) => read.extend(row),
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            tracing::error!(%error,
                "the ledger did not say what some pushes need; they are processed again");
        }
        read
    }

    /// What is to be kept of a push; None when nothing of it can be processed yet.
    ///
    /// # Errors
    /// When the ledger is away. That counts no try.
    async fn process(&self, row: InboxRow) -> Result<Option<(InboxRow, Processed)>, LedgerError> {
        let Shared { ledger, clock, .. } = &*self.gateway.shared;
        let (id, account) = (row.id, row.account.clone());
        let (trace, kind) = (row.trace.as_deref(), traces::Kind::Stored);
        let mut span = traces::begin_behind("process push", kind, trace);
        span.set("dialbridge.account", account.to_string());
        let now = clock.now();
        let wait = retry::push_wait(row.tries, clock.random_fraction());
        if self.gateway.homes.contains_key(&account) {
            let reading =
                self.gateway.read_rows(&row, row.waiting.as_deref(), call_look(&row, now));
            let reading = span.scope(reading).await?;
            let mut processed = waiting(reading, now + wait, self.is_old(&row));
            processed.trace = span.context();
            let rows = processed.quarantined.len();
            if rows > 0 {
                tracing::warn!(%account, rows, "pushed rows are in quarantine");
            }
            let processed = processed.gathered(&row.body);
            return Ok(Some((row, processed)));
        }
        if now >= row.received_at + UNCONFIGURED_AT_MOST {
            let reason = "its account is not configured";
            tracing::warn!(%account, push = id, reason, "a push is in quarantine");
            let quarantined = vec![Quarantined::new(reason, row.body.clone())];
            return Ok(Some((row, Processed { quarantined, ..Processed::default() })));
        }
        ledger.postpone_inbox(id, now + wait).await?;
        Ok(None)
    }

    async fn forget(&self) {
        let Shared { ledger, clock, .. } = &*self.gateway.shared;
        let before = clock.now() - self.retention;
        loop {
            match ledger.forget_processed(before, FORGOTTEN_AT_ONCE).await {
                Ok(forgotten) if forgotten == u64::from(FORGOTTEN_AT_ONCE) => {}
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(%error, "old pushes are not forgotten yet");
                    return;
                }
            }
        }
    }
}

/// What is kept together: so few pushes, and beside a large one, which takes many verbs, nothing else.
fn parts(read: Vec<(InboxRow, Processed)>) -> impl Iterator<Item = Arc<[(InboxRow, Processed)]>> {
    let mut read = read.into_iter().peekable();
    std::iter::from_fn(move || {
        let mut part = vec![read.next()?];
        let mut rows = part[0].1.rows();
        while part.len() < SETTLED_AT_ONCE
            && let Some(next) = read.next_if(|(_, next)| rows + next.rows() <= ROWS_AT_ONCE)
        {
            rows += next.1.rows();
            part.push(next);
        }
        Some(part.into())
    })
}

/// When the end of a call whose attempt is not known is looked at again; None: it has waited enough. What
/// comes late to be processed, because the ledger was away or its account not configured, waits all the
/// same: its attempt may be as late.
pub(super) fn call_look(row: &InboxRow, now: Timestamp) -> Option<Timestamp> {
    if row.waiting.is_none() && now >= row.received_at + CALL_LOOKS[0] {
        return Some(now + CALL_WAITS_AT_MOST);
    }
    CALL_LOOKS.iter().map(|after| row.received_at + *after).find(|at| now < *at)
}

/// A row as it came.
pub(super) fn raw_of(row: &PushedRow) -> &Bytes {
    match row {
        PushedRow::Result { attempt, .. } => &attempt.raw,
        PushedRow::Call { raw, .. } | PushedRow::Unusable { raw, .. } => raw,
    }
}

/// Why a row waits about which a ledger that is not away says nothing.
fn unread(error: &LedgerError) -> String {
    format!("it could not be read: {error}")
}

/// What is settled of a push, and what waits until then or, when it has waited long enough, is
/// quarantined.
pub(super) fn waiting(reading: Reading, until: Timestamp, is_enough: bool) -> Processed {
    let Reading { mut processed, later } = reading;
    if later.is_empty() {
        return processed;
    }
    if is_enough {
        let given_up = later.into_iter().map(|row| Quarantined::new(row.reason, row.raw.to_vec()));
        processed.quarantined.extend(given_up);
        return processed;
    }
    let first = later.iter().map(|row| row.at).min().unwrap_or(until);
    let rows = later.iter().map(|row| row.place).collect();
    processed.is_foreign = false;
    processed.waiting = Some(Waiting { rows, until: until.max(first) });
    processed
}

impl WorkerGateway {
    /// What a push says, row by row: only those at the places that are `open`, if not all. The end of a
    /// call waits until then for its attempt. A row that the ledger does not let be read waits alone.
    ///
    /// # Errors
    /// When the ledger is away.
    pub(super) async fn read_rows(
        &self,
        row: &InboxRow,
        open: Option<&[usize]>,
        call_at: Option<Timestamp>,
    ) -> Result<Reading, LedgerError> {
        let mut reading = Reading::default();
        let home = self.homes.get(&row.account);
        let rows = home.and_then(|home| Some((home, home.adapter.read_results(&row.body)?)));
        let Some((home, rows)) = rows else {
            reading.unusable("it holds no result rows", row.body.as_bytes());
            return Ok(reading);
        };
        let open: Option<HashSet<usize>> = open.map(|open| open.iter().copied().collect());
        let is_open = |place: &usize| open.as_ref().is_none_or(|open| open.contains(place));
        let rows: Vec<(usize, PushedRow)> =
            rows.into_iter().enumerate().filter(|(place, _)| is_open(place)).collect();
        let found = self.find_campaigns(&row.account, &rows, row.campaign.as_ref()).await?;
        for (place, pushed) in rows {
            let raw = raw_of(&pushed).clone();
            let read = match pushed {
                PushedRow::Result { campaign, attempt } => {
                    let named = (found.get(&campaign), place);
                    self.read_result(&row.account, named, attempt, &mut reading).await
                }
                PushedRow::Call { call, raw } => {
                    let end = CallEnd { place, call, raw, look_at: call_at };
                    self.read_call(home, &row.account, end, &mut reading).await
                }
                PushedRow::Unusable { reason, raw } => {
                    reading.unusable(reason, &raw);
                    Ok(())
                }
            };
            match read {
                Ok(()) => {}
                Err(error) if error.is_of_the_store() => return Err(error),
                Err(error) => {
                    let (at, reason) = (self.shared.clock.now(), unread(&error));
                    reading.later.push(Later { place, at, reason, raw });
                }
            }
        }
        Ok(reading)
    }

    async fn read_result(
        &self,
        account: &AccountSlug,
        (found, place): (Option<&Found>, usize),
        fetched: Box<FetchedAttempt>,
        reading: &mut Reading,
    ) -> Result<(), LedgerError> {
        match found {
            Some(Found::Here(campaign)) => {
                let names = fetched.contact.clone().into_iter();
                let contacts = self.contacts_by_native(*campaign, names).await?;
                let seen = self.seen(account, *fetched, &contacts);
                reading.processed.attempts.push((*campaign, seen));
            }
            Some(Found::Nowhere(reason)) => reading.unusable(reason.as_str(), &fetched.raw),
            Some(Found::Perhaps(at, reason)) => {
                let (reason, raw) = (reason.clone(), fetched.raw);
                reading.later.push(Later { place, at: *at, reason, raw });
            }
            None => reading.unusable("it came to another campaign's address", &fetched.raw),
        }
        Ok(())
    }

    /// How a call ended. It may come before its attempt is known, or known to be over; a call that is
    /// no campaign's is nobody's business here.
    async fn read_call(
        &self,
        home: &Home,
        account: &AccountSlug,
        CallEnd { place, call, raw, look_at }: CallEnd,
        reading: &mut Reading,
    ) -> Result<(), LedgerError> {
        let known = self.shared.ledger.attempt_of_call(account.clone(), call).await?;
        let is_over = |known: &AttemptRow| known.attempt.result != CallResult::InProgress;
        match (known, look_at) {
            (Some(known), _) if is_over(&known) => {
                let explained = home.adapter.explain_by(known.raw.as_bytes(), &raw);
                reading
                    .processed
                    .explained
                    .extend(explained.map(|explained| (known.uuid, explained)));
            }
            (_, Some(at)) => {
                let reason = "its attempt is not known yet".to_owned();
                reading.later.push(Later { place, at, reason, raw });
            }
            (known, None) => reading.processed.is_foreign = known.is_none(),
        }
        Ok(())
    }

    /// The campaigns that rows name, each looked up once; none that the push may not tell of.
    async fn find_campaigns(
        &self,
        account: &AccountSlug,
        rows: &[(usize, PushedRow)],
        only: Option<&NativeId>,
    ) -> Result<HashMap<NativeId, Found>, LedgerError> {
        let named = rows.iter().filter_map(|(_, row)| match row {
            PushedRow::Result { campaign, .. } => Some(campaign),
            PushedRow::Call { .. } | PushedRow::Unusable { .. } => None,
        });
        let named: HashSet<&NativeId> =
            named.filter(|native| only.is_none_or(|only| only == *native)).collect();
        let named: Vec<NativeId> = named.into_iter().cloned().collect();
        let deadline = tokio::time::Instant::now() + ANSWER_WAIT;
        let found = stream::iter(named).map(|native| async move {
            match self.find_campaign(account, &native, deadline).await {
                Ok(found) => Ok((native, found)),
                Err(error) if error.is_of_the_store() => Err(error),
                Err(error) => Ok((native, Found::Perhaps(self.shared.clock.now(), unread(&error)))),
            }
        });
        let found: Vec<Result<_, LedgerError>> =
            found.buffer_unordered(LOOKED_UP_AT_ONCE).collect().await;
        found.into_iter().collect()
    }

    /// The campaign of that native id, which the directory may not have met yet.
    async fn find_campaign(
        &self,
        account: &AccountSlug,
        native: &NativeId,
        deadline: tokio::time::Instant,
    ) -> Result<Found, LedgerError> {
        let Shared { ledger, clock, questions, .. } = &*self.shared;
        if let Some(known) = questions.met(account, native) {
            return Ok(Found::Here(known));
        }
        let find = async || ledger.find_by_native(account.clone(), native.clone()).await;
        let mut known = find().await?;
        if known.is_none() {
            match questions.ask(account, native, (clock.now(), deadline)).await {
                Answer::Met => known = find().await?,
                Answer::Never(reason) => return Ok(Found::Nowhere(reason)),
                Answer::Later(at, reason) => return Ok(Found::Perhaps(at, reason)),
            }
        }
        let Some(known) = known else {
            // The platform answered with another campaign.
            return Ok(Found::Nowhere("the platform knows no such campaign".to_owned()));
        };
        questions.meet(account, native, known.uuid);
        Ok(Found::Here(known.uuid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often its push was tried says nothing, for it was tried for other rows, too.
    #[test]
    fn the_end_of_a_call_waits_for_its_attempt_whatever_else_its_push_waited_for() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let push = |tries, waiting| InboxRow {
            id: 1,
            account: "cc".parse().unwrap(),
            received_at: at(0),
            body: String::new(),
            tries,
            waiting,
            campaign: None,
            trace: None,
        };
        for tries in [0, 1, 20] {
            for (now, look) in
                [(0, Some(2)), (2, Some(7)), (7, Some(27)), (26, Some(27)), (27, None)]
            {
                let waited = (now > 0).then(|| vec![0]);
                assert_eq!(call_look(&push(tries, waited), at(now)), look.map(at), "at {now} s");
            }
            assert_eq!(call_look(&push(tries, None), at(2)), Some(at(29)), "it comes late");
            assert_eq!(call_look(&push(tries, None), at(90_000)), Some(at(90_027)));
        }
    }
}
