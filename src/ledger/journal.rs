//! The journal: append-only, from the first release. Every change of desired or actual state and
//! every operator action, with who, what was asked, before, after and why.

use jiff::Timestamp;
use uuid::Uuid;

use crate::ledger::identity;
use crate::ledger::statements::{Statements, Value, Verb};
use crate::ledger::{Ledger, LedgerError, MAX_WINDOW_ROWS};

/// The actor of a change that was found on a platform.
pub const OUTSIDE: &str = "outside";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    pub at: Timestamp,
    /// A client's name, `operator`, or [`OUTSIDE`] for a change found on a platform.
    pub actor: String,
    /// What was asked, e.g. `campaign-start`.
    pub action: String,
    /// The request that asked, if any.
    pub request_id: Option<String>,
    pub campaign: Option<Uuid>,
    pub before: Option<String>,
    pub after: Option<String>,
    pub reason: Option<String>,
}

/// What an entry says of wishes for how a campaign stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wishes {
    /// The wish that this one came after, or goes back to.
    pub replaced: Option<i64>,
    /// The wish that came to nothing.
    pub ended: Option<i64>,
}

impl JournalEntry {
    /// Who did what when; the rest is set where there is more to say.
    pub fn new(at: Timestamp, actor: &str, action: &str) -> Self {
        Self {
            at,
            actor: actor.to_owned(),
            action: action.to_owned(),
            request_id: None,
            campaign: None,
            before: None,
            after: None,
            reason: None,
        }
    }

    /// The same with what it was about before and after.
    pub(super) fn of_change(&self, before: &str, after: &str) -> Self {
        let (before, after) = (Some(before.to_owned()), Some(after.to_owned()));
        Self { before, after, ..self.clone() }
    }
}

impl Ledger {
    /// # Errors
    /// `Missing` when the entry names a campaign that does not exist.
    pub async fn append_journal(&self, entry: JournalEntry) -> Result<(), LedgerError> {
        self.write(Append { entry }).await
    }

    /// The newest `limit` entries about a campaign (at most [`MAX_WINDOW_ROWS`]), oldest first.
    pub async fn history(
        &self,
        campaign: Uuid,
        limit: u32,
    ) -> Result<Vec<JournalEntry>, LedgerError> {
        self.read(History { campaign, limit }).await
    }
}

pub(super) async fn append<S: Statements>(
    store: &mut S,
    campaign: Option<i64>,
    entry: &JournalEntry,
) -> Result<i64, LedgerError> {
    let Some(campaign) = campaign else {
        return insert(store, None, entry, Wishes::default()).await;
    };
    let sql =
        format!("SELECT last_entry FROM campaign_state WHERE campaign_id = $1{}", S::ROW_LOCK);
    let row = store.row(&sql, &[campaign.into()]).await?;
    let previous = row.ok_or(LedgerError::Missing("campaign"))?.optional_int()?;
    let id = insert(store, Some((campaign, previous)), entry, Wishes::default()).await?;
    let sql = "UPDATE campaign_state SET last_entry = $2 WHERE campaign_id = $1";
    store.execute(sql, &[campaign.into(), id.into()]).await?;
    Ok(id)
}

/// Inserts an entry; one about a campaign comes with the campaign's last one, and the caller makes it
/// the last one in its stead.
pub(super) async fn insert<S: Statements>(
    store: &mut S,
    campaign: Option<(i64, Option<i64>)>,
    entry: &JournalEntry,
    wishes: Wishes,
) -> Result<i64, LedgerError> {
    let id = store
        .insert(
            "INSERT INTO journal (at, actor, action, request_id, campaign_id, before_value, \
             after_value, reason, previous, replaced, ended) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            &[
                entry.at.into(),
                entry.actor.as_str().into(),
                entry.action.as_str().into(),
                Value::optional_text(entry.request_id.as_deref()),
                campaign.map(|(id, _)| id).into(),
                Value::optional_text(entry.before.as_deref()),
                Value::optional_text(entry.after.as_deref()),
                Value::optional_text(entry.reason.as_deref()),
                campaign.and_then(|(_, previous)| previous).into(),
                wishes.replaced.into(),
                wishes.ended.into(),
            ],
        )
        .await?;
    id.ok_or_else(|| LedgerError::Corrupt("no row was inserted".to_owned()))
}

/// Journals what was found on a platform; `change` is (before, after).
pub(super) async fn append_outside<S: Statements>(
    store: &mut S,
    campaign: i64,
    action: &str,
    change: Option<(&str, &str)>,
    now: Timestamp,
) -> Result<i64, LedgerError> {
    let entry = JournalEntry {
        at: now,
        actor: OUTSIDE.to_owned(),
        action: action.to_owned(),
        request_id: None,
        campaign: None,
        before: change.map(|(before, _)| before.to_owned()),
        after: change.map(|(_, after)| after.to_owned()),
        reason: None,
    };
    append(store, Some(campaign), &entry).await
}

struct Append {
    entry: JournalEntry,
}

impl Verb for Append {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        let campaign = match self.entry.campaign {
            Some(uuid) => Some(identity::campaign_id(store, uuid).await?),
            None => None,
        };
        append(store, campaign, &self.entry).await.map(drop)
    }
}

struct History {
    campaign: Uuid,
    limit: u32,
}

impl Verb for History {
    type Answer = Vec<JournalEntry>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<JournalEntry>, LedgerError> {
        let limit = i64::from(self.limit.min(MAX_WINDOW_ROWS));
        let rows = store
            .rows(
                "WITH RECURSIVE entry (id, depth) AS (\
                 SELECT s.last_entry, CAST(1 AS BIGINT) FROM campaign_state s JOIN campaign c \
                 ON c.id = s.campaign_id WHERE c.uuid = $1 \
                 UNION ALL SELECT j.previous, e.depth + 1 FROM entry e \
                 JOIN journal j ON j.id = e.id WHERE e.depth < $2) \
                 SELECT j.at, j.actor, j.action, j.request_id, j.before_value, j.after_value, \
                 j.reason FROM entry e JOIN journal j ON j.id = e.id \
                 WHERE e.depth <= $2 ORDER BY e.depth",
                &[self.campaign.into(), limit.into()],
            )
            .await?;
        let entries = rows.into_iter().rev().map(|mut row| {
            Ok(JournalEntry {
                at: row.time()?,
                actor: row.text()?,
                action: row.text()?,
                request_id: row.optional_text()?,
                campaign: Some(self.campaign),
                before: row.optional_text()?,
                after: row.optional_text()?,
                reason: row.optional_text()?,
            })
        });
        entries.collect()
    }
}
