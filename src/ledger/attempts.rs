//! Call attempts: inserted once per business key, whoever reports them.

use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::call::{
    CallAttempt, CallMoments, CallRef, CallResult, Disposition, DispositionFlags, EndedBy,
    Explained,
};
use crate::domain::ids::{AccountSlug, NativeId};
use crate::domain::listing::{AttemptWindow, Window};
use crate::domain::phone::PhoneNumber;
use crate::ledger::identity;
use crate::ledger::recording::{About, Ready, RecordAttempts};
use crate::ledger::statements::{Row, Statements, Value, Verb};
use crate::ledger::{Ledger, LedgerError, MAX_WINDOW_ROWS};

/// An attempt as reported now.
#[derive(Clone)]
pub struct SeenAttempt {
    /// The public id if it is seen for the first time.
    pub proposed_uuid: Uuid,
    /// The business key within its account (design: account, campaign, call id, time).
    pub native: NativeId,
    pub attempt: CallAttempt,
    /// The row as the platform sent it.
    pub raw: String,
    pub call: Option<CallRef>,
    /// The contact that was called, where the home names it by an id of its own.
    pub contact: Option<Uuid>,
}

#[derive(Clone, PartialEq)]
pub struct AttemptRow {
    pub uuid: Uuid,
    /// The account that reported it; after a move not always the campaign's home.
    pub account: AccountSlug,
    pub campaign: Uuid,
    pub native: NativeId,
    /// The contact that was called, where the home told which one it was.
    pub contact: Option<Uuid>,
    pub attempt: CallAttempt,
    /// What a closer look at its call told.
    pub moments: CallMoments,
    /// The row that gave the disposition, as the platform sent it.
    pub raw: String,
    /// Immutable and unique among all attempts: when it was dialled, or first heard of, made unique
    /// in its microseconds.
    pub list_at: Timestamp,
    /// 1 when new; grows when the disposition changes.
    pub revision: i64,
    /// When a client deleted it; it stays readable.
    pub deleted_at: Option<Timestamp>,
    /// Its number was erased: later reports, which have it, are not taken over.
    pub is_erased: bool,
}

/// What a report made of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    New,
    /// It was known, and something about it was not.
    Changed,
    Known,
}

/// Whose attempts a list wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptScope {
    Campaign(Uuid),
    /// Everything that these accounts reported; none named, none seen.
    Accounts(Vec<AccountSlug>),
}

#[derive(Debug, Clone, Default)]
pub struct AttemptPage {
    pub attempts: Vec<AttemptRow>,
    /// Attempts of the scope in all.
    pub total: u64,
}

impl Ledger {
    /// Inserts attempts once per business key; a later report completes what is missing, and
    /// replaces the outcome when it is more final (known over unknown over still in progress) or
    /// says otherwise with equal finality. Answers in the order given.
    ///
    /// # Errors
    /// `Missing` when the account or campaign is not known. What was recorded before stays.
    pub async fn record_attempts(
        &self,
        account: AccountSlug,
        campaign: Uuid,
        attempts: Vec<SeenAttempt>,
        now: Timestamp,
    ) -> Result<Vec<(AttemptRow, Recorded)>, LedgerError> {
        let attempts: Arc<[SeenAttempt]> = attempts.into();
        let mut recorded = Vec::with_capacity(attempts.len());
        loop {
            let (account, attempts, from) =
                (account.clone(), Arc::clone(&attempts), recorded.len());
            let all = attempts.len();
            let some = RecordAttempts { account, campaign, attempts, from, now };
            recorded.extend(self.write(some).await?);
            if recorded.len() >= all {
                return Ok(recorded);
            }
        }
    }

    /// Attempts, newest first. Nothing is counted, so that a page of a long list costs what a page of a short one does.
    pub async fn list_attempts(
        &self,
        scope: AttemptScope,
        window: AttemptWindow,
    ) -> Result<Vec<AttemptRow>, LedgerError> {
        self.read(ListAttempts { scope, window }).await
    }

    /// Keeps what a closer look at the call found out; None: that there is nothing more to find out.
    /// Answers the attempt as it is now; None when there is none.
    pub async fn explain_attempt(
        &self,
        uuid: Uuid,
        explained: Option<Explained>,
        now: Timestamp,
    ) -> Result<Option<AttemptRow>, LedgerError> {
        self.write(ExplainAttempt { uuid, explained, now }).await
    }

    /// Marks an attempt as deleted; doing it again changes nothing. False when there is none.
    pub async fn delete_attempt(&self, uuid: Uuid, now: Timestamp) -> Result<bool, LedgerError> {
        self.write(DeleteAttempt { uuid, now }).await
    }

    pub async fn find_attempt(&self, uuid: Uuid) -> Result<Option<AttemptRow>, LedgerError> {
        self.read(FindAttempt { uuid }).await
    }
}

pub(super) async fn update<S: Statements>(
    store: &mut S,
    row: &AttemptRow,
) -> Result<(), LedgerError> {
    let mut parameters = vec![row.uuid.into(), row.revision.into()];
    parameters.extend(attempt_values(&row.attempt, &row.raw));
    store
        .execute(
            "UPDATE attempt SET revision = $2, contact_reference = $3, called = $4, caller = $5, \
             dialed_at = $6, ended_at = $7, result = $8, disposition = $9, live_person = $10, \
             number_reusable = $11, contact_reusable = $12, counts_as_attempt = $13, \
             is_final = $14, native_code = $15, try_number = $16, recording = $17, raw = $18 \
             WHERE uuid = $1",
            &parameters,
        )
        .await?;
    Ok(())
}

pub(super) fn attempt_values(attempt: &CallAttempt, raw: &str) -> [Value; 16] {
    let phone = |number: &Option<PhoneNumber>| {
        Value::optional_text(number.as_ref().map(PhoneNumber::reveal))
    };
    let flags = attempt.flags;
    [
        Value::optional_text(attempt.contact_reference.as_deref()),
        phone(&attempt.called),
        phone(&attempt.caller),
        Value::optional_time(attempt.dialed_at),
        Value::optional_time(attempt.ended_at),
        attempt.result.as_str().into(),
        attempt.disposition.as_str().into(),
        flags.live_person.into(),
        flags.number_reusable.into(),
        flags.contact_reusable.into(),
        flags.counts_as_attempt.into(),
        flags.is_final.into(),
        attempt.native_code.as_str().into(),
        attempt.try_number.into(),
        Value::optional_text(attempt.recording.as_deref()),
        raw.into(),
    ]
}

const TABLES: &str = "attempt t JOIN account a ON a.id = t.account_id JOIN campaign c ON c.id = t.campaign_id \
     LEFT JOIN contact k ON k.id = t.contact_id";

const COLUMNS: &str = "t.uuid, a.slug, c.uuid, t.native, k.uuid, t.raw, t.list_at, t.revision, \
     t.deleted_at, t.erased_at IS NOT NULL, t.contact_reference, t.called, t.caller, t.dialed_at, t.ended_at, t.result, t.disposition, \
     t.live_person, t.number_reusable, t.contact_reusable, t.counts_as_attempt, t.is_final, \
     t.native_code, t.try_number, t.recording, t.ringing_at, t.answered_at, t.ended_by";

pub(super) async fn find<S: Statements>(
    store: &mut S,
    uuid: Uuid,
) -> Result<Option<AttemptRow>, LedgerError> {
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE t.uuid = $1");
    let row = store.row(&sql, &[uuid.into()]).await?;
    row.map(|mut row| read_attempt(&mut row)).transpose()
}

fn read_attempt(row: &mut Row) -> Result<AttemptRow, LedgerError> {
    Ok(AttemptRow {
        uuid: row.uuid()?,
        account: row.slug()?,
        campaign: row.uuid()?,
        native: row.native()?,
        contact: row.optional_uuid()?,
        raw: row.text()?,
        list_at: row.time()?,
        revision: row.int()?,
        deleted_at: row.optional_time()?,
        is_erased: row.bool()?,
        attempt: CallAttempt {
            contact_reference: row.optional_text()?,
            called: row.optional_phone()?,
            caller: row.optional_phone()?,
            dialed_at: row.optional_time()?,
            ended_at: row.optional_time()?,
            result: CallResult::from_term(&row.text()?),
            disposition: read_disposition(row)?,
            flags: DispositionFlags {
                live_person: row.bool()?,
                number_reusable: row.bool()?,
                contact_reusable: row.bool()?,
                counts_as_attempt: row.bool()?,
                is_final: row.bool()?,
            },
            native_code: row.text()?,
            try_number: row.optional_int()?,
            recording: row.optional_text()?,
        },
        moments: CallMoments {
            ringing_at: row.optional_time()?,
            answered_at: row.optional_time()?,
            ended_by: row.optional_text()?.as_deref().and_then(EndedBy::from_term),
        },
    })
}

fn read_disposition(row: &mut Row) -> Result<Disposition, LedgerError> {
    let term = row.text()?;
    Disposition::from_term(&term).ok_or_else(|| row.corrupt("a disposition"))
}

struct ListAttempts {
    scope: AttemptScope,
    window: AttemptWindow,
}

impl Verb for ListAttempts {
    type Answer = Vec<AttemptRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<AttemptRow>, LedgerError> {
        let AttemptWindow { before, limit, include_deleted } = self.window;
        let limit = limit.min(MAX_WINDOW_ROWS);
        let newest = Window::Before { list_at: before, limit };
        let and = if include_deleted { "" } else { " AND t.deleted_at IS NULL" };
        let slugs = match &self.scope {
            AttemptScope::Campaign(uuid) => {
                let id = identity::campaign_id(store, *uuid).await?;
                let of = format!("t.campaign_id = $1{and}");
                return window(store, &of, vec![id.into()], newest).await;
            }
            AttemptScope::Accounts(slugs) => slugs,
        };
        // One walk along the index for each account: no database merges several by itself.
        let mut rows = Vec::new();
        for slug in slugs {
            let of = format!("t.account_id = (SELECT id FROM account WHERE slug = $1){and}");
            rows.extend(window(store, &of, vec![slug.into()], newest).await?);
        }
        rows.sort_by_key(|row| Reverse(row.list_at));
        rows.truncate(limit as usize);
        Ok(rows)
    }
}

/// The attempts `t` that meet a condition, newest first.
pub(super) async fn window<S: Statements>(
    store: &mut S,
    condition: &str,
    parameters: Vec<Value>,
    window: Window,
) -> Result<Vec<AttemptRow>, LedgerError> {
    let select = format!("SELECT {COLUMNS} FROM {TABLES} WHERE {condition}");
    let (sql, parameters) = window.cut(&select, "t", parameters);
    let rows = store.rows(&sql, &parameters).await?;
    rows.into_iter().map(|mut row| read_attempt(&mut row)).collect()
}

/// The same from the oldest on, with their number in all.
pub(super) async fn oldest<S: Statements>(
    store: &mut S,
    condition: &str,
    mut parameters: Vec<Value>,
    (offset, limit): (u64, u32),
) -> Result<AttemptPage, LedgerError> {
    let total = count(store, condition, &parameters).await?;
    parameters.push(i64::from(limit).into());
    parameters.push(i64::try_from(offset).unwrap_or(i64::MAX).into());
    let (limit, offset) = (parameters.len() - 1, parameters.len());
    let sql = format!(
        "SELECT {COLUMNS} FROM {TABLES} WHERE {condition} ORDER BY t.list_at LIMIT ${limit} \
         OFFSET ${offset}"
    );
    let rows = store.rows(&sql, &parameters).await?;
    let attempts = rows.into_iter().map(|mut row| read_attempt(&mut row));
    Ok(AttemptPage { attempts: attempts.collect::<Result<_, _>>()?, total })
}

async fn count<S: Statements>(
    store: &mut S,
    condition: &str,
    parameters: &[Value],
) -> Result<u64, LedgerError> {
    let sql = format!("SELECT COUNT(*) FROM {TABLES} WHERE {condition}");
    store.row(&sql, parameters).await?.map_or(Ok(0), |mut row| row.count())
}

struct ExplainAttempt {
    uuid: Uuid,
    explained: Option<Explained>,
    now: Timestamp,
}

impl Verb for ExplainAttempt {
    type Answer = Option<AttemptRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Option<AttemptRow>, LedgerError> {
        let about = About { campaigns: Vec::new(), attempts: vec![self.uuid] };
        let mut recorder = Ready::read(store).await?.begin(store, about, self.now).await?;
        let explained = recorder.explain(store, self.uuid, self.explained.as_ref()).await?;
        recorder.close(store).await?;
        Ok(explained)
    }
}

struct DeleteAttempt {
    uuid: Uuid,
    now: Timestamp,
}

impl Verb for DeleteAttempt {
    type Answer = bool;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<bool, LedgerError> {
        let changed = store
            .execute(
                "UPDATE attempt SET deleted_at = COALESCE(deleted_at, $2) WHERE uuid = $1",
                &[self.uuid.into(), self.now.into()],
            )
            .await?;
        Ok(changed == 1)
    }
}

struct FindAttempt {
    uuid: Uuid,
}

impl Verb for FindAttempt {
    type Answer = Option<AttemptRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Option<AttemptRow>, LedgerError> {
        find(store, self.uuid).await
    }
}

/// Without the raw row: it holds phone numbers.
impl fmt::Debug for SeenAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeenAttempt")
            .field("proposed_uuid", &self.proposed_uuid)
            .field("native", &self.native)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AttemptRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptRow")
            .field("uuid", &self.uuid)
            .field("account", &self.account)
            .field("campaign", &self.campaign)
            .field("native", &self.native)
            .field("disposition", &self.attempt.disposition)
            .field("list_at", &self.list_at)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}
