//! The inbox: what platforms push, durable before it is answered, and processed afterwards.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::call::CallAttempt;
use crate::domain::destination::RAW;
use crate::domain::ids::{AccountSlug, NativeId};
use crate::ledger::attempts::{Recorded, SeenAttempt};
use crate::ledger::quarantine::{self, Place};
use crate::ledger::recording::Recorder;
use crate::ledger::statements::{Haste, Row, Statements, Value, Verb};
use crate::ledger::telling::{IS_WANTED, PushNews, announce_pushes};
use crate::ledger::{Ledger, LedgerError, MAX_WINDOW_ROWS};

/// A push that has come.
pub struct NewPush {
    pub account: AccountSlug,
    /// What it says.
    pub body: String,
    /// How it came, where that is not the body in UTF-8.
    pub original: Option<Original>,
    /// The signature that came with it.
    pub proof: Option<String>,
    /// The only campaign of which results may come to the address that it came to.
    pub campaign: Option<NativeId>,
    /// The `traceparent` of its arrival.
    pub trace: Option<String>,
}

impl NewPush {
    pub(super) fn news(&self) -> PushNews<'_> {
        let (proof, trace) = (self.proof.as_deref(), self.trace.as_deref());
        PushNews { body: &self.body, original: self.original.as_ref(), proof, trace }
    }
}

/// A body as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct Original {
    pub bytes: Vec<u8>,
    pub content: Content,
}

/// What a sender declared about a body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// `Content-Type`.
    pub kind: Option<String>,
    /// `Content-Encoding`.
    pub packing: Option<String>,
}

/// A push that waits to be processed.
#[derive(Clone, PartialEq, Eq)]
pub struct InboxRow {
    pub id: i64,
    pub account: AccountSlug,
    pub received_at: Timestamp,
    pub body: String,
    /// How often it could not be processed.
    pub tries: i64,
    /// The places of its rows that are not settled yet; None: none is.
    pub waiting: Option<Vec<usize>>,
    /// The only campaign of which it may tell.
    pub campaign: Option<NativeId>,
    /// The `traceparent` of its arrival.
    pub trace: Option<String>,
}

/// What is kept because it means nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Quarantined {
    pub reason: String,
    pub body: Vec<u8>,
    pub content: Content,
}

impl Quarantined {
    /// Text, as it was read.
    pub fn new(reason: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { reason: reason.into(), body: body.into(), content: Content::default() }
    }
}

/// Rows of a push that may be processed later.
#[derive(Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Their places in the push.
    pub rows: Vec<usize>,
    pub until: Timestamp,
}

/// What came of a push.
#[derive(Default, Clone)]
pub struct Processed {
    /// Attempts of campaigns of the account.
    pub attempts: Vec<(Uuid, SeenAttempt)>,
    pub quarantined: Vec<Quarantined>,
    /// What a closer look at calls found out about attempts.
    pub explained: Vec<(Uuid, CallAttempt)>,
    /// It is about nothing of ours, and not kept.
    pub is_foreign: bool,
    /// What is not settled by this.
    pub waiting: Option<Waiting>,
    /// The `traceparent` of its processing.
    pub trace: Option<String>,
}

/// How much of an account is where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxCounts {
    pub account: AccountSlug,
    /// Pushes that are not processed yet.
    pub waiting: u64,
    /// Bodies and rows in quarantine that were proved to be the platform's.
    pub quarantined: u64,
    /// Bodies in quarantine that were not.
    pub unproved: u64,
    pub oldest_waiting: Option<Timestamp>,
    pub rows: RowTally,
}

/// Rows that were pushed, by what became of them: received = stored + merged + quarantined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowTally {
    pub received: u64,
    pub stored: u64,
    pub merged: u64,
    pub quarantined: u64,
}

impl Ledger {
    /// Appends a push; it is durable when this returns, and so is that those are told who want
    /// everything as it comes, with the signature that came with it. Answers whether there is somebody.
    /// On PostgreSQL, where a transaction is a conversation, those that come together share one.
    ///
    /// # Errors
    /// `Missing` when the account is not registered.
    pub async fn append_inbox(&self, push: NewPush, now: Timestamp) -> Result<bool, LedgerError> {
        match self {
            Ledger::Sqlite(_) => self.write(Append { pushes: vec![Arc::new(push)], now }).await,
            Ledger::Postgres(ledger) => {
                let append = async |pushes: Vec<_>| {
                    let at_once = AppendUntold { pushes: pushes.clone(), now };
                    if ledger.write_at_once(at_once).await? {
                        return Ok(false);
                    }
                    self.write(Append { pushes, now }).await
                };
                Box::pin(ledger.pushes.join(push, append)).await
            }
        }
    }

    /// Pushes that are due, oldest first. Whoever reads them may not be alone.
    pub async fn due_inbox(
        &self,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<InboxRow>, LedgerError> {
        self.read(Due { limit: limit.min(MAX_WINDOW_ROWS), now }).await
    }

    /// Keeps what came of pushes, all of it or nothing. One that was processed before is passed over.
    pub async fn settle_inbox(
        &self,
        settled: impl Into<Arc<[(InboxRow, Processed)]>>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.write(Settle { settled: settled.into(), now }).await
    }

    /// Lets a push wait that cannot be processed yet.
    pub async fn postpone_inbox(&self, id: i64, until: Timestamp) -> Result<(), LedgerError> {
        self.write(Postpone { id, until }).await
    }

    /// Forgets pushes that were processed before then, at most `limit`; answers how many.
    pub async fn forget_processed(
        &self,
        before: Timestamp,
        limit: u32,
    ) -> Result<u64, LedgerError> {
        self.write(Forget { before, limit }).await
    }

    /// Of every registered account, by name.
    pub async fn inbox_counts(&self) -> Result<Vec<InboxCounts>, LedgerError> {
        self.read(Count).await
    }
}

/// Pushes that are appended together at most, by one statement.
pub(super) const MAX_ROWS_TOGETHER: usize = 256;

struct Append {
    pushes: Vec<Arc<NewPush>>,
    now: Timestamp,
}

impl Verb for Append {
    type Answer = bool;

    const HASTE: Haste = Haste::Urgent;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<bool, LedgerError> {
        let sql = format!("{} RETURNING {IS_WANTED}", insert_rows(self.pushes.len()));
        let mut inserted = store.rows(&sql, &parameters(&self.pushes, self.now)).await?;
        if inserted.len() != self.pushes.len() {
            return Err(LedgerError::Missing("account"));
        }
        let mut is_told = false;
        for row in &mut inserted {
            is_told |= row.bool()?;
        }
        if is_told {
            announce_pushes(store, &self.pushes, self.now).await?;
        }
        Ok(is_told)
    }
}

/// Appends pushes that nobody takes as they come, as mostly nobody does, with one statement. False when
/// somebody does, or an account is not registered.
struct AppendUntold {
    pushes: Vec<Arc<NewPush>>,
    now: Timestamp,
}

impl Verb for AppendUntold {
    type Answer = bool;

    const HASTE: Haste = Haste::Urgent;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<bool, LedgerError> {
        let sql = format!("{} WHERE NOT {IS_WANTED}", insert_rows(self.pushes.len()));
        let inserted = store.execute(&sql, &parameters(&self.pushes, self.now)).await?;
        Ok(usize::try_from(inserted) == Ok(self.pushes.len()))
    }
}

/// Rows are inserted in powers of two, so that there are few different statements: one of an account
/// that is none is not inserted.
fn insert_rows(count: usize) -> String {
    let row = |n: usize| {
        let first = 3 + n * 4;
        format!("(${first}, ${}, ${}, ${})", first + 1, first + 2, first + 3)
    };
    let rows: Vec<String> = (0..count.next_power_of_two()).map(row).collect();
    format!(
        "INSERT INTO inbox (account_id, received_at, body, due_at, tries, only_campaign, trace) \
         SELECT a.id, $2, v.column2, $2, 0, v.column3, v.column4 FROM (VALUES {}) v \
         JOIN account a ON a.slug = v.column1",
        rows.join(", ")
    )
}

fn parameters(together: &[Arc<NewPush>], now: Timestamp) -> Vec<Value> {
    let mut parameters = vec![RAW.into(), now.into()];
    for push in together {
        let NewPush { account, body, campaign, trace, .. } = &**push;
        parameters.extend([
            account.into(),
            body.as_str().into(),
            Value::optional_text(campaign.as_ref().map(NativeId::as_str)),
            Value::optional_text(trace.as_deref()),
        ]);
    }
    parameters.resize(2 + together.len().next_power_of_two() * 4, Value::Null);
    parameters
}

struct Due {
    limit: u32,
    now: Timestamp,
}

impl Verb for Due {
    type Answer = Vec<InboxRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<InboxRow>, LedgerError> {
        let sql = "SELECT i.id, a.slug, i.received_at, i.body, i.tries, i.waiting, i.only_campaign, \
                   i.trace \
                   FROM inbox i JOIN account a ON a.id = i.account_id \
                   WHERE i.processed_at IS NULL AND i.due_at <= $1 ORDER BY i.due_at, i.id LIMIT $2";
        let rows = store.rows(sql, &[self.now.into(), i64::from(self.limit).into()]).await?;
        let read = |mut row: Row| {
            Ok(InboxRow {
                id: row.int()?,
                account: row.slug()?,
                received_at: row.time()?,
                body: row.text()?,
                tries: row.int()?,
                waiting: read_places(&mut row)?,
                campaign: row.optional_text()?.map(NativeId::new),
                trace: row.optional_text()?,
            })
        };
        rows.into_iter().map(read).collect()
    }
}

struct Settle {
    settled: Arc<[(InboxRow, Processed)]>,
    now: Timestamp,
}

impl Verb for Settle {
    type Answer = ();

    const HASTE: Haste = Haste::Background;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        let mut recorder = Recorder::new(store, self.now).await?;
        let mut books: BTreeMap<i64, [i64; 3]> = BTreeMap::new();
        for (row, processed) in self.settled.iter() {
            if !mark(store, row, processed, self.now).await? {
                continue;
            }
            recorder.trace(processed.trace.clone());
            let account = recorder.account(store, &row.account).await?.id;
            let [stored, merged, quarantined] = books.entry(account).or_default();
            for (campaign, seen) in &processed.attempts {
                let place = (&row.account, *campaign);
                for (_, recorded) in
                    recorder.record(store, place, std::slice::from_ref(seen)).await?
                {
                    *if recorded == Recorded::New { &mut *stored } else { &mut *merged } += 1;
                }
            }
            for (attempt, explained) in &processed.explained {
                recorder.explain(store, *attempt, Some(explained)).await?;
                *merged += 1;
            }
            for what in &processed.quarantined {
                let place = Place { account, campaign: row.campaign.as_ref(), is_proved: true };
                quarantine::keep(store, place, what, row.received_at).await?;
                *quarantined += 1;
            }
        }
        recorder.close(store).await?;
        for account in books.iter().filter(|(_, rows)| rows[2] > 0).map(|(account, _)| *account) {
            quarantine::trim(store, account).await?;
        }
        // Last: all results of an account meet in this row.
        for (account, rows) in books {
            count(store, account, rows).await?;
        }
        Ok(())
    }
}

/// False when it was processed meanwhile, or some of it was.
async fn mark<S: Statements>(
    store: &mut S,
    row: &InboxRow,
    processed: &Processed,
    now: Timestamp,
) -> Result<bool, LedgerError> {
    // Who settles a part of it counts a try.
    let unchanged = "WHERE id = $1 AND processed_at IS NULL AND tries = $2";
    let (id, tries): (Value, Value) = (row.id.into(), row.tries.into());
    let changed = match &processed.waiting {
        Some(Waiting { rows, until }) => {
            let sql = format!(
                "UPDATE inbox SET waiting = $3, due_at = $4, tries = tries + 1 {unchanged}"
            );
            let places = serde_json::to_string(rows)
                .map_err(|_| LedgerError::Corrupt("places cannot be written down".to_owned()))?;
            store.execute(&sql, &[id, tries, places.as_str().into(), (*until).into()]).await?
        }
        None if processed.is_foreign => {
            store.execute(&format!("DELETE FROM inbox {unchanged}"), &[id, tries]).await?
        }
        None => {
            let sql = format!("UPDATE inbox SET processed_at = $3 {unchanged}");
            store.execute(&sql, &[id, tries, now.into()]).await?
        }
    };
    Ok(changed > 0)
}

fn read_places(row: &mut Row) -> Result<Option<Vec<usize>>, LedgerError> {
    let Some(text) = row.optional_text()? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|_| row.corrupt("places of rows"))
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

struct Forget {
    before: Timestamp,
    limit: u32,
}

impl Verb for Forget {
    type Answer = u64;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<u64, LedgerError> {
        let sql = "DELETE FROM inbox WHERE id IN (SELECT id FROM inbox WHERE processed_at IS NOT \
                   NULL AND processed_at < $1 ORDER BY id LIMIT $2)";
        store.execute(sql, &[self.before.into(), i64::from(self.limit).into()]).await
    }
}

struct Count;

impl Verb for Count {
    type Answer = Vec<InboxCounts>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<InboxCounts>, LedgerError> {
        let waiting = "FROM inbox i WHERE i.account_id = a.id AND i.processed_at IS NULL";
        let sql = format!(
            "SELECT a.slug, (SELECT COUNT(*) {waiting}), (SELECT MIN(i.received_at) {waiting}), \
             (SELECT COUNT(*) FROM quarantine q WHERE q.account_id = a.id AND q.is_proved), \
             (SELECT COUNT(*) FROM quarantine q WHERE q.account_id = a.id AND NOT q.is_proved), \
             COALESCE(y.received, 0), COALESCE(y.stored, 0), COALESCE(y.merged, 0), \
             COALESCE(y.quarantined, 0) FROM account a \
             LEFT JOIN account_tally y ON y.account_id = a.id ORDER BY a.slug"
        );
        let read = |mut row: Row| {
            Ok(InboxCounts {
                account: row.slug()?,
                waiting: row.count()?,
                oldest_waiting: row.optional_time()?,
                quarantined: row.count()?,
                unproved: row.count()?,
                rows: RowTally {
                    received: row.count()?,
                    stored: row.count()?,
                    merged: row.count()?,
                    quarantined: row.count()?,
                },
            })
        };
        store.rows(&sql, &[]).await?.into_iter().map(read).collect()
    }
}

/// Without the body: it holds phone numbers.
impl fmt::Debug for InboxRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboxRow")
            .field("id", &self.id)
            .field("account", &self.account)
            .field("received_at", &self.received_at)
            .field("body_bytes", &self.body.len())
            .field("tries", &self.tries)
            .field("waiting", &self.waiting)
            .field("campaign", &self.campaign)
            .field("trace", &self.trace)
            .finish()
    }
}

impl fmt::Debug for Quarantined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quarantined")
            .field("reason", &self.reason)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
