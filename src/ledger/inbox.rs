//! The inbox: what platforms push, durable before it is answered, and processed afterwards.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::call::Explained;
use crate::domain::destination::RAW;
use crate::domain::ids::{AccountSlug, NativeId};
use crate::ledger::attempts::SeenAttempt;
use crate::ledger::statements::{Haste, Row, Statements, Value, Verb, placeholders};
use crate::ledger::telling::{IS_WANTED, PushNews, announce_pushes};
use crate::ledger::{Ledger, LedgerError};

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
    /// Rows for which one body in quarantine stands, beside itself.
    pub gathered: usize,
    /// What a closer look at calls found out about attempts.
    pub explained: Vec<(Uuid, Explained)>,
    /// It is about nothing of ours, and not kept.
    pub is_foreign: bool,
    /// What is not settled by this.
    pub waiting: Option<Waiting>,
    /// The `traceparent` of its processing.
    pub trace: Option<String>,
}

/// Rows of one push that are quarantined one by one, at most.
const MAX_QUARANTINED_ROWS: usize = 64;

impl Processed {
    /// Where so much means nothing that each of it would be dear to keep, all that came is kept instead,
    /// once.
    #[must_use]
    pub fn gathered(mut self, body: &str) -> Self {
        let rows = self.quarantined.len();
        if rows > MAX_QUARANTINED_ROWS {
            let first = &self.quarantined[0].reason;
            let reason = format!("{rows} of its rows mean nothing, the first: {first}");
            self.quarantined = vec![Quarantined::new(reason, body)];
            self.gathered = rows - 1;
        }
        self
    }

    /// Rows of the push that are in quarantine then.
    pub(super) fn quarantined_rows(&self) -> usize {
        self.quarantined.len() + self.gathered
    }

    /// What keeping it takes.
    pub fn rows(&self) -> usize {
        self.attempts.len() + self.explained.len() + self.quarantined.len()
    }
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
                let push = Arc::new(push);
                let append = async |pushes: Vec<_>| {
                    let at_once = AppendUntold { pushes: pushes.clone(), now };
                    if ledger.write_at_once(at_once).await? {
                        return Ok(false);
                    }
                    self.write(Append { pushes, now }).await
                };
                match Box::pin(ledger.pushes.join(Arc::clone(&push), append)).await {
                    // Another one of the group may be what is refused.
                    Err(error) if !error.is_of_the_store() => {
                        self.write(Append { pushes: vec![push], now }).await
                    }
                    appended => appended,
                }
            }
        }
    }

    /// Pushes that are due, oldest first. Whoever reads them may not be alone. One whose row cannot be
    /// read stays, and keeps none of the others from being read.
    pub async fn due_inbox(
        &self,
        page: DuePage,
        now: Timestamp,
    ) -> Result<Vec<InboxRow>, LedgerError> {
        let (due, unreadable) = self.read(Due { page, now }).await?;
        for (push, why) in unreadable {
            tracing::error!(
                push,
                why,
                "a stored push cannot be read; it stays in the inbox and is read again in an hour"
            );
            self.postpone_inbox(push, now + UNREADABLE_WAITS).await?;
        }
        Ok(due)
    }

    /// Forgets pushes that were processed before then, at most `limit`; answers how many.
    pub async fn forget_processed(
        &self,
        before: Timestamp,
        limit: u32,
    ) -> Result<u64, LedgerError> {
        // Looked for by a reader: those that wait may be many.
        let old = self.read(Old { before, limit }).await?;
        for ids in old.chunks(FORGOTTEN_AT_ONCE) {
            self.write(Forget { ids: ids.to_vec() }).await?;
        }
        Ok(old.len() as u64)
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

/// Of the pushes that are due, how many to read.
#[derive(Debug, Clone, Default)]
pub struct DuePage {
    /// At most.
    pub rows: usize,
    /// Their bodies together; one that is longer is read alone.
    pub bytes: u64,
    /// These are left out.
    pub but: HashSet<i64>,
}

/// So long a push waits whose row cannot be read.
const UNREADABLE_WAITS: Duration = Duration::from_secs(3600);

struct Due {
    page: DuePage,
    now: Timestamp,
}

impl Due {
    /// Those that go in, looked for without their bodies.
    async fn chosen<S: Statements>(&self, store: &mut S) -> Result<Vec<i64>, LedgerError> {
        let DuePage { rows, bytes, but } = &self.page;
        let sql = "SELECT i.id, OCTET_LENGTH(i.body) FROM inbox i WHERE i.processed_at IS NULL \
                   AND i.due_at <= $1 ORDER BY i.due_at, i.id LIMIT $2";
        let looked_at = i64::try_from(rows + but.len()).unwrap_or(i64::MAX);
        let (mut chosen, mut left) = (Vec::new(), *bytes);
        for mut row in store.rows(sql, &[self.now.into(), looked_at.into()]).await? {
            let (id, length) = (row.int()?, row.count()?);
            if but.contains(&id) {
                continue;
            }
            if chosen.len() == *rows || (length > left && !chosen.is_empty()) {
                break;
            }
            left = left.saturating_sub(length);
            chosen.push(id);
        }
        Ok(chosen)
    }
}

impl Verb for Due {
    /// Those that are read, and why the others cannot be.
    type Answer = (Vec<InboxRow>, Vec<(i64, String)>);

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Self::Answer, LedgerError> {
        let mut ids: Vec<Value> = self.chosen(store).await?.into_iter().map(Value::from).collect();
        if ids.is_empty() {
            return Ok(Self::Answer::default());
        }
        // A power of two of places, so that there are few different statements.
        ids.resize(ids.len().next_power_of_two(), Value::Null);
        let sql = format!(
            "SELECT i.id, a.slug, i.received_at, i.body, i.tries, i.waiting, i.only_campaign, \
             i.trace FROM inbox i JOIN account a ON a.id = i.account_id \
             WHERE i.id IN ({}) ORDER BY i.due_at, i.id",
            placeholders(1, ids.len())
        );
        let read = |id: i64, row: &mut Row| {
            Ok(InboxRow {
                id,
                account: row.slug()?,
                received_at: row.time()?,
                body: row.text()?,
                tries: row.int()?,
                waiting: read_places(row)?,
                campaign: row.optional_text()?.map(NativeId::new),
                trace: row.optional_text()?,
            })
        };
        let (mut due, mut unreadable) = Self::Answer::default();
        for mut row in store.rows(&sql, &ids).await? {
            let id = row.int()?;
            match read(id, &mut row) {
                Ok(push) => due.push(push),
                Err(LedgerError::Corrupt(why)) => unreadable.push((id, why)),
                Err(error) => return Err(error),
            }
        }
        Ok((due, unreadable))
    }
}

fn read_places(row: &mut Row) -> Result<Option<Vec<usize>>, LedgerError> {
    let Some(text) = row.optional_text()? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|_| row.corrupt("places of rows"))
}

/// Pushes that were processed long ago.
struct Old {
    before: Timestamp,
    limit: u32,
}

impl Verb for Old {
    type Answer = Vec<i64>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<i64>, LedgerError> {
        // Numbers grow with time, so the first that came later ends the search.
        let sql = "SELECT i.id FROM inbox i WHERE i.id < COALESCE((SELECT n.id FROM inbox n \
                   WHERE n.received_at >= $1 ORDER BY n.id LIMIT 1), $3) \
                   AND i.processed_at < $1 ORDER BY i.id LIMIT $2";
        let parameters = [self.before.into(), i64::from(self.limit).into(), i64::MAX.into()];
        store.rows(sql, &parameters).await?.iter_mut().map(Row::int).collect()
    }
}

/// Pushes that one verb forgets at most.
const FORGOTTEN_AT_ONCE: usize = 250;

struct Forget {
    ids: Vec<i64>,
}

impl Verb for Forget {
    type Answer = ();

    const HASTE: Haste = Haste::Background;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        for id in &self.ids {
            store.execute("DELETE FROM inbox WHERE id = $1", &[(*id).into()]).await?;
        }
        Ok(())
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
