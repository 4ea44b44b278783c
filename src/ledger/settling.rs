//! Settling: what came of pushes is kept. A large push is kept by many verbs, each of which leaves behind
//! how far it came, so that nobody who is in a hurry waits for all of it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::ids::AccountSlug;
use crate::ledger::attempts::{Recorded, SeenAttempt};
use crate::ledger::inbox::{InboxRow, Processed, Waiting};
use crate::ledger::quarantine::{self, Place};
use crate::ledger::recording::{About, Ready, Recorder};
use crate::ledger::statements::{Haste, Statements, Value, Verb};
use crate::ledger::{Ledger, LedgerError};

/// Rows that one verb keeps at most.
pub const ROWS_AT_ONCE: usize = 64;

impl Ledger {
    /// Keeps what came of pushes. One that somebody else settled since it was read is passed over; answers
    /// how many were. What a crash interrupts is done again from the start: no row is stored, told or
    /// counted twice.
    ///
    /// # Errors
    /// When the ledger does not answer; what was kept before stays.
    pub async fn settle_inbox(
        &self,
        settled: impl Into<Arc<[(InboxRow, Processed)]>>,
        now: Timestamp,
    ) -> Result<usize, LedgerError> {
        let settled = settled.into();
        let mut from = Reached::default();
        while from.push < settled.len() {
            from = self.write(Settle { settled: Arc::clone(&settled), from, now }).await?;
        }
        Ok(from.passed_over)
    }

    /// Lets a push wait that cannot be processed yet.
    pub async fn postpone_inbox(&self, id: i64, until: Timestamp) -> Result<(), LedgerError> {
        self.write(Postpone { id, until }).await
    }
}

/// How far the verbs came that keep several pushes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Reached {
    /// The push that is next.
    push: usize,
    /// Of its attempts, the one that is next.
    attempt: usize,
    /// Pushes before it that were somebody else's.
    passed_over: usize,
}

impl Reached {
    /// After the attempts up to `end` of the push, which `is_done` with them.
    fn after(self, end: usize, is_done: bool) -> Self {
        if is_done {
            Self { push: self.push + 1, attempt: 0, ..self }
        } else {
            Self { attempt: end, ..self }
        }
    }
}

/// What one verb may still keep.
struct Room {
    most: usize,
    left: usize,
}

impl Room {
    fn new(most: usize) -> Self {
        Self { most, left: most }
    }

    /// The end of the attempts, from that one on, that go in; None when the next verb, which has all the
    /// room, is to begin with it.
    fn take(&mut self, processed: &Processed, from: usize) -> Option<usize> {
        let rows = processed.rows().saturating_sub(from);
        if rows > self.left && self.left < self.most {
            return None;
        }
        let end = processed.attempts.len().min(from + self.left);
        self.left = self.left.saturating_sub(rows);
        Some(end)
    }
}

/// A push of which a verb keeps something.
struct InHand<'a> {
    row: &'a InboxRow,
    processed: &'a Processed,
    /// Its attempts that are kept, the rest of them or not.
    attempts: Range<usize>,
    is_all: bool,
    /// Of its attempts, so many are in the books already.
    counted: usize,
}

struct Settle {
    settled: Arc<[(InboxRow, Processed)]>,
    from: Reached,
    now: Timestamp,
}

impl Verb for Settle {
    /// Where the next one goes on.
    type Answer = Reached;

    const HASTE: Haste = Haste::Background;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Reached, LedgerError> {
        let ready = Ready::read(store).await?;
        let (in_hand, reached) = self.take_in_hand(store, ready.rows_at_once()).await?;
        let mut all = About::default();
        for push in &in_hand {
            let About { campaigns, attempts } = about(push.processed, push.attempts.clone());
            all.campaigns.extend(campaigns);
            all.attempts.extend(attempts);
        }
        let mut recorder = ready.begin(store, all, self.now).await?;
        let mut books: BTreeMap<i64, [i64; 3]> = BTreeMap::new();
        for InHand { row, processed, attempts, is_all, counted } in in_hand {
            recorder.trace(processed.trace.clone());
            let account = recorder.account(store, &row.account).await?.id;
            let [stored, merged, quarantined] = books.entry(account).or_default();
            let some =
                processed.attempts.iter().enumerate().take(attempts.end).skip(attempts.start);
            let [new, known] = record(store, &mut recorder, &row.account, (some, counted)).await?;
            *stored += new;
            *merged += known;
            if !is_all {
                continue;
            }
            *merged += explain(store, &mut recorder, processed).await?;
            for what in &processed.quarantined {
                let place = Place { account, campaign: row.campaign.as_ref(), is_proved: true };
                quarantine::keep(store, place, what, row.received_at).await?;
            }
            *quarantined += i64::try_from(processed.quarantined_rows()).unwrap_or(i64::MAX);
        }
        recorder.close(store).await?;
        for account in books.iter().filter(|(_, rows)| rows[2] > 0).map(|(account, _)| *account) {
            quarantine::trim(store, account).await?;
        }
        // Last: all results of an account meet in this row.
        for (account, rows) in books {
            count(store, account, rows).await?;
        }
        Ok(reached)
    }
}

impl Settle {
    /// Marks pushes from where it is to go on, up to so many rows; answers them, and where the next verb
    /// goes on. One that was processed meanwhile is passed over.
    async fn take_in_hand<S: Statements>(
        &self,
        store: &mut S,
        rows: usize,
    ) -> Result<(Vec<InHand<'_>>, Reached), LedgerError> {
        let mut room = Room::new(rows);
        let (mut in_hand, mut reached) = (Vec::new(), self.from);
        while let Some((row, processed)) = self.settled.get(reached.push) {
            let from = reached.attempt;
            let Some(end) = room.take(processed, from) else { break };
            let is_all = end == processed.attempts.len();
            let counted = if is_all {
                mark(store, row, processed, self.now).await?
            } else {
                advance(store, row, end).await?
            };
            reached = reached.after(end, is_all || counted.is_none());
            let Some(counted) = counted else {
                reached.passed_over += 1;
                continue;
            };
            in_hand.push(InHand { row, processed, attempts: from..end, is_all, counted });
            if !is_all {
                break;
            }
        }
        Ok((in_hand, reached))
    }
}

/// Whose results some attempts of a push are, and what it explains.
pub(super) fn about(processed: &Processed, attempts: Range<usize>) -> About {
    let some = processed.attempts.get(attempts).unwrap_or_default();
    About {
        campaigns: some.iter().map(|(campaign, _)| *campaign).collect(),
        attempts: processed.explained.iter().map(|(attempt, _)| *attempt).collect(),
    }
}

/// Records attempts, each with its place; answers how many were stored and merged of those from `counted`
/// on. Which one has which place may change between two readings of a push, so those that are counted
/// are recorded again: they are known then.
pub(super) async fn record<'a, S: Statements>(
    store: &mut S,
    recorder: &mut Recorder,
    account: &AccountSlug,
    (attempts, counted): (impl Iterator<Item = (usize, &'a (Uuid, SeenAttempt))> + Send, usize),
) -> Result<[i64; 2], LedgerError> {
    let [mut stored, mut merged] = [0, 0];
    for (place, (campaign, seen)) in attempts {
        let recorded = recorder.record(store, (account, *campaign), std::slice::from_ref(seen));
        for (_, recorded) in recorded.await? {
            if place >= counted {
                *if recorded == Recorded::New { &mut stored } else { &mut merged } += 1;
            }
        }
    }
    Ok([stored, merged])
}

/// Keeps what a closer look found out; answers how many rows are merged by it.
pub(super) async fn explain<S: Statements>(
    store: &mut S,
    recorder: &mut Recorder,
    processed: &Processed,
) -> Result<i64, LedgerError> {
    for (attempt, explained) in &processed.explained {
        recorder.explain(store, *attempt, Some(explained)).await?;
    }
    Ok(i64::try_from(processed.explained.len()).unwrap_or(i64::MAX))
}

/// Attempts of a push that are in the books already; None when it was processed meanwhile, or some of it
/// was. Who settles a part of it counts a try.
async fn counted<S: Statements>(
    store: &mut S,
    row: &InboxRow,
) -> Result<Option<usize>, LedgerError> {
    let sql = format!("SELECT settled FROM inbox {UNCHANGED}{}", S::ROW_LOCK);
    let known = store.row(&sql, &[row.id.into(), row.tries.into()]).await?;
    known.map(|mut row| row.index()).transpose()
}

const UNCHANGED: &str = "WHERE id = $1 AND processed_at IS NULL AND tries = $2";

/// A push is recorded and counted up to there; answers as [`counted`] does, of the time before.
async fn advance<S: Statements>(
    store: &mut S,
    row: &InboxRow,
    end: usize,
) -> Result<Option<usize>, LedgerError> {
    let before = counted(store, row).await?;
    if before.is_some_and(|before| before < end) {
        let end = i64::try_from(end).unwrap_or(i64::MAX);
        store
            .execute("UPDATE inbox SET settled = $2 WHERE id = $1", &[row.id.into(), end.into()])
            .await?;
    }
    Ok(before)
}

/// A push is processed, or waits for what is left of it; answers as [`counted`] does.
async fn mark<S: Statements>(
    store: &mut S,
    row: &InboxRow,
    processed: &Processed,
    now: Timestamp,
) -> Result<Option<usize>, LedgerError> {
    let (id, tries): (Value, Value) = (row.id.into(), row.tries.into());
    let marked = match &processed.waiting {
        Some(Waiting { rows, until }) => {
            let before = counted(store, row).await?;
            // Of those that are in the books, the others are still to come.
            let sql = format!(
                "UPDATE inbox SET waiting = $3, due_at = $4, tries = tries + 1, \
                 settled = CASE WHEN settled > $5 THEN settled - $5 ELSE 0 END {UNCHANGED}"
            );
            let here = i64::try_from(processed.attempts.len()).unwrap_or(i64::MAX);
            let places = serde_json::to_string(rows)
                .map_err(|_| LedgerError::Corrupt("places cannot be written down".to_owned()))?;
            let parameters = [id, tries, places.as_str().into(), (*until).into(), here.into()];
            store.execute(&sql, &parameters).await?;
            return Ok(before);
        }
        None if processed.is_foreign => {
            let sql = format!("DELETE FROM inbox {UNCHANGED} RETURNING settled");
            store.row(&sql, &[id, tries]).await?
        }
        None => {
            let sql = format!("UPDATE inbox SET processed_at = $3 {UNCHANGED} RETURNING settled");
            store.row(&sql, &[id, tries, now.into()]).await?
        }
    };
    marked.map(|mut row| row.index()).transpose()
}

/// Adds rows that were stored, merged and quarantined to the account's books.
pub(super) async fn count<S: Statements>(
    store: &mut S,
    account: i64,
    [stored, merged, quarantined]: [i64; 3],
) -> Result<(), LedgerError> {
    let sql = "INSERT INTO account_tally (account_id, received, stored, merged, quarantined) \
               VALUES ($1, $2, $3, $4, $5) ON CONFLICT (account_id) DO UPDATE SET \
               received = account_tally.received + $2, stored = account_tally.stored + $3, \
               merged = account_tally.merged + $4, \
               quarantined = account_tally.quarantined + $5";
    let received = stored + merged + quarantined;
    let parameters: [Value; 5] =
        [account.into(), received.into(), stored.into(), merged.into(), quarantined.into()];
    store.execute(sql, &parameters).await?;
    Ok(())
}

struct Postpone {
    id: i64,
    until: Timestamp,
}

impl Verb for Postpone {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        let sql = "UPDATE inbox SET due_at = $2, tries = tries + 1 WHERE id = $1";
        store.execute(sql, &[self.id.into(), self.until.into()]).await?;
        Ok(())
    }
}
