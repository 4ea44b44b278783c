//! The directory of campaigns: what lists are answered from, and how each campaign stands.

use std::fmt;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::campaign::CampaignStatus;
use crate::domain::ids::{AccountSlug, CampaignIdentity, VdnId};
use crate::domain::listing::Window;
use crate::ledger::identity::{self, IDENTITY_COLUMNS, IDENTITY_TABLES};
use crate::ledger::journal::{self, JournalEntry};
use crate::ledger::statements::{Row, Statements, Value, Verb, placeholders};
use crate::ledger::{Ledger, LedgerError, MAX_WINDOW_ROWS};

/// What lists show; details go live.
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub name: String,
    pub status: CampaignStatus,
    /// The campaign document as the platform sent it (JSON).
    pub document: String,
    /// When the platform made it, if it says so; becomes the immutable `list_at` where it is free.
    pub created_at: Option<Timestamp>,
    /// Deleted on the platform but still shown there.
    pub deleted: bool,
}

/// A row of the directory; its place in lists is `identity.list_at`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryEntry {
    pub identity: CampaignIdentity,
    pub snapshot: Snapshot,
    /// What clients want of the campaign, or last found on its platform.
    pub desired: CampaignStatus,
    pub fetched_at: Timestamp,
    /// Set when a full discovery of the account no longer met the campaign.
    pub gone: bool,
}

/// Which directory rows a list wants. All conditions hold together.
#[derive(Debug, Clone, Default)]
pub struct DirectoryFilter {
    /// Homes whose campaigns may be seen: none named, none seen.
    pub accounts: Vec<AccountSlug>,
    pub vdn: Option<VdnId>,
    /// Part of the name, in any case.
    pub name_contains: Option<String>,
    pub status: Option<CampaignStatus>,
    /// Also campaigns that are deleted or gone.
    pub include_deleted: bool,
}

#[derive(Debug, Clone, Default)]
pub struct DirectoryPage {
    pub entries: Vec<DirectoryEntry>,
    /// Rows that match the filter in all, whatever the window.
    pub total: u64,
}

impl Ledger {
    pub async fn list_directory(
        &self,
        filter: DirectoryFilter,
        window: Window,
    ) -> Result<DirectoryPage, LedgerError> {
        self.read(ListDirectory { filter, window }).await
    }

    /// The directory row of one campaign.
    pub async fn find_entry(&self, campaign: Uuid) -> Result<Option<DirectoryEntry>, LedgerError> {
        self.read(FindEntry { campaign }).await
    }

    /// Campaigns at home on the account that were not met since then and are neither gone nor deleted,
    /// those first that were not met for longest; at most `limit` (and [`MAX_WINDOW_ROWS`]).
    pub async fn unseen_campaigns(
        &self,
        account: AccountSlug,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<CampaignIdentity>, LedgerError> {
        self.read(UnseenCampaigns { account, since, limit }).await
    }

    /// Marks a campaign as gone that its home did not know when it was asked at `asked_at`, and
    /// journals it, unless it was met after that or is gone already. Answers whether it was marked.
    pub async fn mark_as_gone(
        &self,
        campaign: Uuid,
        asked_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, LedgerError> {
        self.write(MarkAsGone { campaign, asked_at, now }).await
    }
}

/// The journal's word for a campaign that was made here and is met for the first time.
pub const MADE: &str = "campaign.made";

/// A name as searches compare it.
pub(super) fn fold(name: &str) -> String {
    name.to_lowercase()
}

/// How a campaign stands that is seen for the first time. One that was made here is wanted stopped, by
/// `maker` and the request, until somebody wishes something else; of others, what is found is wanted.
pub(super) async fn insert_state<S: Statements>(
    store: &mut S,
    id: i64,
    (status, maker): (&CampaignStatus, Option<(String, Option<String>)>),
    now: Timestamp,
) -> Result<(), LedgerError> {
    let stopped = CampaignStatus::Stopped;
    let desired = if maker.is_some() { &stopped } else { status };
    let sql = "INSERT INTO campaign_state (campaign_id, desired, actual, wanted_at, fetched_at) \
               VALUES ($1, $2, $3, $4, $4)";
    let parameters = [id.into(), desired.as_str().into(), status.as_str().into(), now.into()];
    store.execute(sql, &parameters).await?;
    if let Some((actor, request_id)) = maker {
        let entry = JournalEntry {
            request_id,
            after: Some(desired.as_str().to_owned()),
            ..JournalEntry::new(now, &actor, MADE)
        };
        let entry = journal::append(store, Some(id), &entry).await?;
        let sql = "UPDATE campaign_state SET wish = $2 WHERE campaign_id = $1";
        store.execute(sql, &[id.into(), entry.into()]).await?;
    }
    Ok(())
}

/// Replaces the snapshot of a campaign that was seen again, and journals what changed: as `by` says,
/// as what came of a wish, or as a change from outside, which then is what is desired. While somebody
/// starts or stops it, how it stands is for them to record.
pub(super) async fn refresh<S: Statements>(
    store: &mut S,
    id: i64,
    snapshot: &Snapshot,
    now: Timestamp,
    by: Option<&JournalEntry>,
) -> Result<(), LedgerError> {
    let sql = format!(
        "SELECT desired, actual, wanted_at, fetched_at, gone_at, wish, steered_until \
         FROM campaign_state WHERE campaign_id = $1{}",
        S::ROW_LOCK
    );
    let row = store.row(&sql, &[id.into()]).await?;
    let mut row = row.ok_or(LedgerError::Missing("campaign"))?;
    let desired = CampaignStatus::from_term(&row.text()?);
    let actual = CampaignStatus::from_term(&row.text()?);
    let (wanted_at, fetched_at) = (row.time()?, row.time()?);
    // A wish makes older sightings void; an outcome is one of somebody's own, and says so.
    if fetched_at > now || (by.is_none() && wanted_at > now) {
        return Ok(());
    }
    let is_gone = row.optional_time()?.is_some();
    let (mut wish, steered_until) = (row.optional_int()?, row.optional_time()?);
    if by.is_some() || steered_until.is_none() {
        let mut wanted = desired.clone();
        if is_gone {
            journal::append_outside(store, id, "campaign.seen-again", None, now).await?;
        }
        if actual != snapshot.status {
            let change = (actual.as_str(), snapshot.status.as_str());
            if let Some(entry) = by {
                journal::append(store, Some(id), &entry.of_change(change.0, change.1)).await?;
            } else if identity::desired_after(&snapshot.status).as_ref() == Some(&desired) {
                arrived(store, (id, wish), change, now).await?;
            } else {
                let entry =
                    journal::append_outside(store, id, "campaign.status", Some(change), now)
                        .await?;
                if let Some(found) = identity::desired_after(&snapshot.status) {
                    (wanted, wish) = (found, Some(entry));
                }
            }
        }
        let sql = "UPDATE campaign_state SET desired = $2, actual = $3, fetched_at = $4, \
                   gone_at = NULL, wish = $5 WHERE campaign_id = $1";
        let (wanted, actual) = (wanted.as_str(), snapshot.status.as_str());
        let parameters = [id.into(), wanted.into(), actual.into(), now.into(), wish.into()];
        store.execute(sql, &parameters).await?;
    }
    // A row that says the same is not written again: most that discovery meets do.
    store
        .execute(
            "UPDATE campaign SET name = $2, name_folded = $3, document = $4, deleted = $5 \
             WHERE id = $1 AND NOT (document = $4 AND name = $2 AND deleted = $5)",
            &[
                id.into(),
                snapshot.name.as_str().into(),
                fold(&snapshot.name).as_str().into(),
                snapshot.document.as_str().into(),
                snapshot.deleted.into(),
            ],
        )
        .await?;
    Ok(())
}

/// Journals that a campaign came to stand as it is wanted, in the name of whoever wanted it.
async fn arrived<S: Statements>(
    store: &mut S,
    (id, wish): (i64, Option<i64>),
    change: (&str, &str),
    now: Timestamp,
) -> Result<(), LedgerError> {
    let sql = "SELECT actor, request_id FROM journal WHERE id = $1";
    let row = match wish {
        Some(wish) => store.row(sql, &[wish.into()]).await?,
        None => None,
    };
    let Some(mut row) = row else {
        return journal::append_outside(store, id, "campaign.status", Some(change), now)
            .await
            .map(drop);
    };
    let actor = row.text()?;
    let entry = JournalEntry {
        request_id: row.optional_text()?,
        reason: Some("it stands as it was wanted".to_owned()),
        ..JournalEntry::new(now, &actor, "campaign.status")
    };
    journal::append(store, Some(id), &entry.of_change(change.0, change.1)).await.map(drop)
}

pub(super) async fn entry<S: Statements>(
    store: &mut S,
    id: i64,
) -> Result<DirectoryEntry, LedgerError> {
    let sql = format!("{} WHERE c.id = $1", select_entries());
    let row = store.row(&sql, &[id.into()]).await?;
    read_entry(&mut row.ok_or(LedgerError::Missing("campaign"))?)
}

/// How a campaign `c` stands.
pub(super) const WITH_STATE: &str = "JOIN campaign_state s ON s.campaign_id = c.id";

/// How the campaign with the UUID $1 stands; its state alone is locked where rows are.
pub(super) const OF_CAMPAIGN: &str =
    "FROM campaign_state WHERE campaign_id = (SELECT id FROM campaign WHERE uuid = $1)";

fn select_entries() -> String {
    format!(
        "SELECT {IDENTITY_COLUMNS}, c.name, s.actual, c.document, c.created_at, c.deleted, \
         s.desired, s.fetched_at, s.gone_at FROM {IDENTITY_TABLES} {WITH_STATE}"
    )
}

fn read_entry(row: &mut Row) -> Result<DirectoryEntry, LedgerError> {
    Ok(DirectoryEntry {
        identity: identity::read_identity(row)?,
        snapshot: Snapshot {
            name: row.text()?,
            status: CampaignStatus::from_term(&row.text()?),
            document: row.text()?,
            created_at: row.optional_time()?,
            deleted: row.bool()?,
        },
        desired: CampaignStatus::from_term(&row.text()?),
        fetched_at: row.time()?,
        gone: row.optional_time()?.is_some(),
    })
}

struct ListDirectory {
    filter: DirectoryFilter,
    window: Window,
}

impl Verb for ListDirectory {
    type Answer = DirectoryPage;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<DirectoryPage, LedgerError> {
        let Some((condition, parameters)) = self.filter.condition() else {
            return Ok(DirectoryPage::default());
        };
        let sql = format!("SELECT COUNT(*) FROM {IDENTITY_TABLES} {WITH_STATE} WHERE {condition}");
        let total = store.row(&sql, &parameters).await?.map_or(Ok(0), |mut row| row.count())?;
        let (sql, parameters) =
            self.window.cut(&format!("{} WHERE {condition}", select_entries()), "c", parameters);
        let rows = store.rows(&sql, &parameters).await?;
        let entries =
            rows.into_iter().map(|mut row| read_entry(&mut row)).collect::<Result<_, _>>()?;
        Ok(DirectoryPage { entries, total })
    }
}

impl DirectoryFilter {
    /// The WHERE and its parameters; None when nothing can match.
    fn condition(&self) -> Option<(String, Vec<Value>)> {
        if self.accounts.is_empty() {
            return None;
        }
        let mut parameters: Vec<Value> = self.accounts.iter().map(Value::from).collect();
        let mut conditions = vec![format!("a.slug IN ({})", placeholders(1, parameters.len()))];
        let mut and = |left: &str, value: Value, right: &str| {
            parameters.push(value);
            conditions.push(format!("{left} ${}{right}", parameters.len()));
        };
        if let Some(vdn) = self.vdn {
            and("c.vdn =", vdn.into(), "");
        }
        if let Some(status) = &self.status {
            and("s.actual =", status.as_str().into(), "");
        }
        if let Some(part) = &self.name_contains {
            // A longer pattern is an error on SQLite; no platform keeps such names.
            if part.len() > MAX_NAME_FILTER_BYTES {
                return None;
            }
            and("c.name_folded LIKE", like_pattern(part).as_str().into(), " ESCAPE '!'");
        }
        if !self.include_deleted {
            conditions.push("NOT c.deleted AND s.gone_at IS NULL".to_owned());
        }
        let sql = conditions.join(" AND ");
        Some((sql, parameters))
    }
}

/// Longest part of a name that is searched for.
const MAX_NAME_FILTER_BYTES: usize = 4096;

/// A pattern that matches names with `part` in them, `%` and `_` standing for themselves.
fn like_pattern(part: &str) -> String {
    let mut pattern = String::from("%");
    for c in fold(part).chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

impl Window {
    /// Adds this window to a SELECT that ends in its WHERE; `table` has the `list_at`.
    pub(super) fn cut(
        self,
        select: &str,
        table: &str,
        mut parameters: Vec<Value>,
    ) -> (String, Vec<Value>) {
        let mut older = String::new();
        let (limit, offset) = match self {
            Window::Before { list_at, limit } => {
                if let Some(list_at) = list_at {
                    parameters.push(list_at.into());
                    older = format!(" AND {table}.list_at < ${}", parameters.len());
                }
                (limit, 0)
            }
            Window::Offset { offset, limit } => (limit, i64::try_from(offset).unwrap_or(i64::MAX)),
        };
        parameters.push(i64::from(limit.min(MAX_WINDOW_ROWS)).into());
        parameters.push(offset.into());
        let (limit, offset) = (parameters.len() - 1, parameters.len());
        let sql = format!(
            "{select}{older} ORDER BY {table}.list_at DESC LIMIT ${limit} OFFSET ${offset}"
        );
        (sql, parameters)
    }
}

struct FindEntry {
    campaign: Uuid,
}

impl Verb for FindEntry {
    type Answer = Option<DirectoryEntry>;

    async fn run<S: Statements>(
        &self,
        store: &mut S,
    ) -> Result<Option<DirectoryEntry>, LedgerError> {
        let sql = format!("{} WHERE c.uuid = $1", select_entries());
        let row = store.row(&sql, &[self.campaign.into()]).await?;
        row.map(|mut row| read_entry(&mut row)).transpose()
    }
}

struct UnseenCampaigns {
    account: AccountSlug,
    since: Timestamp,
    limit: u32,
}

impl Verb for UnseenCampaigns {
    type Answer = Vec<CampaignIdentity>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Self::Answer, LedgerError> {
        let sql = format!(
            "SELECT {IDENTITY_COLUMNS} FROM {IDENTITY_TABLES} {WITH_STATE} WHERE a.slug = $1 \
             AND s.fetched_at < $2 AND s.gone_at IS NULL AND NOT c.deleted \
             ORDER BY s.fetched_at, c.id LIMIT $3"
        );
        let limit = i64::from(self.limit.min(MAX_WINDOW_ROWS));
        let parameters = [(&self.account).into(), self.since.into(), limit.into()];
        let rows = store.rows(&sql, &parameters).await?;
        rows.into_iter().map(|mut row| identity::read_identity(&mut row)).collect()
    }
}

struct MarkAsGone {
    campaign: Uuid,
    asked_at: Timestamp,
    now: Timestamp,
}

impl Verb for MarkAsGone {
    type Answer = bool;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<bool, LedgerError> {
        let sql = format!(
            "SELECT campaign_id {OF_CAMPAIGN} AND fetched_at < $2 AND gone_at IS NULL{}",
            S::ROW_LOCK
        );
        let row = store.row(&sql, &[self.campaign.into(), self.asked_at.into()]).await?;
        let Some(mut row) = row else { return Ok(false) };
        let id = row.int()?;
        let sql = "UPDATE campaign_state SET gone_at = $2 WHERE campaign_id = $1";
        store.execute(sql, &[id.into(), self.now.into()]).await?;
        journal::append_outside(store, id, "campaign.gone", None, self.now).await?;
        Ok(true)
    }
}

/// Without the document: it may hold phone numbers.
impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("name", &self.name)
            .field("status", &self.status)
            .field("document_bytes", &self.document.len())
            .field("created_at", &self.created_at)
            .field("deleted", &self.deleted)
            .finish()
    }
}
