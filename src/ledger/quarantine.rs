//! The quarantine: what platforms pushed and means nothing, and what was pushed and not proved to be
//! theirs. It is capped, the oldest give way; what is understood later leaves it.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::ids::{AccountSlug, NativeId};
use crate::ledger::identity::account_id;
use crate::ledger::inbox::{Content, NewPush, Processed, Quarantined};
use crate::ledger::journal::{self, JournalEntry};
use crate::ledger::recording::Ready;
use crate::ledger::settling::{self, count};
use crate::ledger::statements::{Haste, Row, Statements, Value, Verb, placeholders};
use crate::ledger::telling::announce_if_wanted;
use crate::ledger::{Ledger, LedgerError, MAX_WINDOW_ROWS};

/// Proved bodies and rows of one account.
pub const MAX_QUARANTINED: i64 = 10_000;
/// Unproved bodies of one account, which anybody may send.
pub const MAX_UNPROVED: i64 = 200;
/// Bytes of all of an account's unproved bodies.
pub const MAX_UNPROVED_BYTES: i64 = 4 * 1024 * 1024;

/// Something in quarantine.
#[derive(Clone, PartialEq, Eq)]
pub struct QuarantineRow {
    pub id: i64,
    pub account: AccountSlug,
    pub received_at: Timestamp,
    pub reason: String,
    pub bytes: u64,
    pub is_proved: bool,
    /// The only campaign of which it may tell.
    pub campaign: Option<NativeId>,
    pub content: Content,
    /// As it was kept; empty in a list.
    pub body: Vec<u8>,
}

/// Which of it.
#[derive(Debug, Clone, Default)]
pub struct QuarantineFilter {
    pub accounts: Vec<AccountSlug>,
    /// None: all of them.
    pub ids: Option<Vec<i64>>,
    pub with_unproved: bool,
    /// Behind this one.
    pub after: i64,
}

impl Ledger {
    /// Keeps a push that cannot be read, and tells it to those who want everything as it comes. Answers
    /// whether there is somebody.
    pub async fn quarantine(
        &self,
        push: NewPush,
        what: Quarantined,
        now: Timestamp,
    ) -> Result<bool, LedgerError> {
        self.write(Quarantine { push: Arc::new(push), what, now }).await
    }

    /// Keeps the bytes of a push whose rows are processed all the same.
    pub async fn quarantine_copy(
        &self,
        account: AccountSlug,
        what: Quarantined,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.write(QuarantineOnly { account, what, is_proved: true, now }).await
    }

    /// Keeps a body that was not proved to be the platform's: told to nobody, and no row that was
    /// received.
    pub async fn quarantine_unproved(
        &self,
        account: AccountSlug,
        what: Quarantined,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.write(QuarantineOnly { account, what, is_proved: false, now }).await
    }

    /// What is in quarantine, oldest first, with its bodies where they are asked for.
    pub async fn quarantined(
        &self,
        filter: QuarantineFilter,
        with_bodies: bool,
        limit: u32,
    ) -> Result<Vec<QuarantineRow>, LedgerError> {
        self.read(ListQuarantined { filter, with_bodies, limit: limit.min(MAX_WINDOW_ROWS) }).await
    }

    /// Keeps what came of a body when it was taken through again: what is understood leaves the
    /// quarantine, the rest stays with its new reason; in the end it is journalled. False when somebody
    /// else took it meanwhile.
    ///
    /// # Errors
    /// What was recorded before stays, and the body stays in quarantine.
    pub async fn settle_quarantined(
        &self,
        row: QuarantineRow,
        processed: Processed,
        entry: JournalEntry,
    ) -> Result<bool, LedgerError> {
        let settled = Arc::new((row, processed));
        let mut from = 0;
        loop {
            let (settled, entry) = (Arc::clone(&settled), entry.clone());
            match self.write(SettleQuarantined { settled, from, entry }).await? {
                Settled::UpTo(end) => from = end,
                Settled::All => return Ok(true),
                Settled::Gone => return Ok(false),
            }
        }
    }
}

/// Whose it is, and whether that is certain.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub account: i64,
    pub campaign: Option<&'a NativeId>,
    pub is_proved: bool,
}

struct Quarantine {
    push: Arc<NewPush>,
    what: Quarantined,
    now: Timestamp,
}

impl Verb for Quarantine {
    type Answer = bool;

    const HASTE: Haste = Haste::Urgent;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<bool, LedgerError> {
        let account = account_id(store, &self.push.account).await?;
        let campaign = self.push.campaign.as_ref();
        keep(store, Place { account, campaign, is_proved: true }, &self.what, self.now).await?;
        trim(store, account).await?;
        let push = std::slice::from_ref(&self.push);
        let is_told = announce_if_wanted(store, push, self.now).await?;
        count(store, account, [0, 0, 1]).await?;
        Ok(is_told)
    }
}

struct QuarantineOnly {
    account: AccountSlug,
    what: Quarantined,
    is_proved: bool,
    now: Timestamp,
}

impl Verb for QuarantineOnly {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        let account = account_id(store, &self.account).await?;
        let place = Place { account, campaign: None, is_proved: self.is_proved };
        keep(store, place, &self.what, self.now).await?;
        if self.is_proved {
            trim(store, account).await?;
            return count(store, account, [0, 0, 1]).await;
        }
        trim_unproved(store, account).await
    }
}

/// Puts something into quarantine; [`trim`] follows.
pub(super) async fn keep<S: Statements>(
    store: &mut S,
    place: Place<'_>,
    what: &Quarantined,
    at: Timestamp,
) -> Result<(), LedgerError> {
    let sql = "INSERT INTO quarantine (account_id, received_at, reason, encoding, body, bytes, \
               is_proved, only_campaign, content_type, content_encoding) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let mut parameters: Vec<Value> = vec![place.account.into(), at.into()];
    parameters.extend(written(what));
    parameters.extend([
        place.is_proved.into(),
        Value::optional_text(place.campaign.map(NativeId::as_str)),
        Value::optional_text(what.content.kind.as_deref()),
        Value::optional_text(what.content.packing.as_deref()),
    ]);
    store.execute(sql, &parameters).await?;
    Ok(())
}

/// Reason, encoding, body and its length.
fn written(what: &Quarantined) -> [Value; 4] {
    let (encoding, body) = encoded(&what.body);
    let bytes = i64::try_from(what.body.len()).unwrap_or(i64::MAX);
    [what.reason.as_str().into(), encoding.into(), body.as_str().into(), bytes.into()]
}

/// How bytes are kept in a column of text.
pub(super) fn encoded(bytes: &[u8]) -> (&'static str, String) {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => ("text", text.to_owned()),
        _ => ("hex", const_hex::encode(bytes)),
    }
}

/// The bytes that were kept so; None when they are not.
pub(super) fn decoded(encoding: &str, body: String) -> Option<Vec<u8>> {
    if encoding == "hex" { const_hex::decode(body).ok() } else { Some(body.into_bytes()) }
}

/// The oldest give way where there is too much.
pub(super) async fn trim<S: Statements>(store: &mut S, account: i64) -> Result<(), LedgerError> {
    trim_to(store, (account, true), MAX_QUARANTINED).await
}

async fn trim_to<S: Statements>(
    store: &mut S,
    (account, is_proved): (i64, bool),
    most: i64,
) -> Result<(), LedgerError> {
    // One that somebody has in hand is passed over.
    let surplus = format!(
        "DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine WHERE account_id = $1 \
         AND is_proved = $2 AND id <= (SELECT id FROM quarantine WHERE account_id = $1 \
         AND is_proved = $2 ORDER BY id DESC LIMIT 1 OFFSET $3){})",
        S::ROW_LOCK_OR_SKIP
    );
    store.execute(&surplus, &[account.into(), is_proved.into(), most.into()]).await?;
    Ok(())
}

async fn trim_unproved<S: Statements>(store: &mut S, account: i64) -> Result<(), LedgerError> {
    trim_to(store, (account, false), MAX_UNPROVED).await?;
    let sql = "SELECT id, bytes FROM quarantine WHERE account_id = $1 AND is_proved = FALSE ORDER BY id DESC";
    let mut bytes = 0;
    for mut row in store.rows(sql, &[account.into()]).await? {
        let id = row.int()?;
        bytes += row.int()?;
        if bytes > MAX_UNPROVED_BYTES {
            let sql = format!(
                "DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine \
                 WHERE account_id = $1 AND NOT is_proved AND id <= $2{})",
                S::ROW_LOCK_OR_SKIP
            );
            store.execute(&sql, &[account.into(), id.into()]).await?;
            break;
        }
    }
    Ok(())
}

struct ListQuarantined {
    filter: QuarantineFilter,
    with_bodies: bool,
    limit: u32,
}

impl Verb for ListQuarantined {
    type Answer = Vec<QuarantineRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<QuarantineRow>, LedgerError> {
        let QuarantineFilter { accounts, ids, with_unproved, after } = &self.filter;
        if accounts.is_empty() || ids.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let mut parameters: Vec<Value> = vec![(*after).into(), i64::from(self.limit).into()];
        parameters.extend(accounts.iter().map(Value::from));
        let mut wanted = format!("a.slug IN ({})", placeholders(3, accounts.len()));
        if let Some(ids) = ids {
            let list = placeholders(parameters.len() + 1, ids.len());
            wanted.extend([" AND q.id IN (", &list, ")"]);
            parameters.extend(ids.iter().map(|id| Value::from(*id)));
        }
        if !with_unproved {
            wanted.push_str(" AND q.is_proved");
        }
        let body = if self.with_bodies { "q.body" } else { "''" };
        let sql = format!(
            "SELECT q.id, a.slug, q.received_at, q.reason, q.bytes, q.is_proved, q.only_campaign, \
             q.content_type, q.content_encoding, q.encoding, {body} FROM quarantine q \
             JOIN account a ON a.id = q.account_id WHERE q.id > $1 AND {wanted} ORDER BY q.id LIMIT $2"
        );
        store.rows(&sql, &parameters).await?.into_iter().map(read_row).collect()
    }
}

fn read_row(mut row: Row) -> Result<QuarantineRow, LedgerError> {
    let mut read = QuarantineRow {
        id: row.int()?,
        account: row.slug()?,
        received_at: row.time()?,
        reason: row.text()?,
        bytes: row.count()?,
        is_proved: row.bool()?,
        campaign: row.optional_text()?.map(NativeId::new),
        content: Content { kind: row.optional_text()?, packing: row.optional_text()? },
        body: Vec::new(),
    };
    let (encoding, body) = (row.text()?, row.text()?);
    read.body = decoded(&encoding, body).ok_or_else(|| row.corrupt("a quarantined body"))?;
    Ok(read)
}

/// How far the verbs came that keep a body.
enum Settled {
    /// The attempts before this one.
    UpTo(usize),
    All,
    /// It is not in quarantine any more.
    Gone,
}

struct SettleQuarantined {
    settled: Arc<(QuarantineRow, Processed)>,
    /// The first of its attempts that is not recorded.
    from: usize,
    entry: JournalEntry,
}

impl Verb for SettleQuarantined {
    type Answer = Settled;

    const HASTE: Haste = Haste::Background;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Settled, LedgerError> {
        let (row, processed) = &*self.settled;
        let ready = Ready::read(store).await?;
        let account = account_id(store, &row.account).await?;
        let end = processed.attempts.len().min(self.from + ready.rows_at_once());
        let is_all = end == processed.attempts.len();
        // It stays in quarantine until all of it is recorded.
        let is_there = if is_all {
            leave(store, row, account, processed).await?
        } else {
            let sql = format!("SELECT 1 FROM quarantine WHERE id = $1{}", S::ROW_LOCK);
            store.row(&sql, &[row.id.into()]).await?.is_some()
        };
        if !is_there {
            return Ok(Settled::Gone);
        }
        // A row that is taken through again is received again, so the books balance and only grow.
        let about = settling::about(processed, self.from..end);
        let mut recorder = ready.begin(store, about, self.entry.at).await?;
        let some = processed.attempts.iter().enumerate().take(end).skip(self.from);
        let [stored, mut merged] =
            settling::record(store, &mut recorder, &row.account, (some, 0)).await?;
        if is_all {
            merged += settling::explain(store, &mut recorder, processed).await?;
        }
        recorder.close(store).await?;
        count(store, account, [stored, merged, 0]).await?;
        if !is_all {
            return Ok(Settled::UpTo(end));
        }
        journal::append(store, None, &self.entry).await?;
        Ok(Settled::All)
    }
}

/// Takes a body out of quarantine, but for what is not understood. False when it is not there any more.
async fn leave<S: Statements>(
    store: &mut S,
    row: &QuarantineRow,
    account: i64,
    processed: &Processed,
) -> Result<bool, LedgerError> {
    let Some((first, more)) = processed.quarantined.split_first() else {
        let sql = "DELETE FROM quarantine WHERE id = $1";
        return Ok(store.execute(sql, &[row.id.into()]).await? > 0);
    };
    let sql = "UPDATE quarantine SET reason = $2, encoding = $3, body = $4, bytes = $5, \
               content_type = $6, content_encoding = $7 WHERE id = $1";
    let mut parameters: Vec<Value> = vec![row.id.into()];
    parameters.extend(written(first));
    parameters.extend([
        Value::optional_text(first.content.kind.as_deref()),
        Value::optional_text(first.content.packing.as_deref()),
    ]);
    if store.execute(sql, &parameters).await? == 0 {
        return Ok(false);
    }
    let place = Place { account, campaign: row.campaign.as_ref(), is_proved: row.is_proved };
    for what in more {
        keep(store, place, what, row.received_at).await?;
    }
    if row.is_proved {
        trim(store, account).await?;
    } else {
        trim_unproved(store, account).await?;
    }
    Ok(true)
}

/// Without the body: it holds phone numbers.
impl fmt::Debug for QuarantineRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuarantineRow")
            .field("id", &self.id)
            .field("account", &self.account)
            .field("received_at", &self.received_at)
            .field("reason", &self.reason)
            .field("bytes", &self.bytes)
            .field("is_proved", &self.is_proved)
            .finish_non_exhaustive()
    }
}
