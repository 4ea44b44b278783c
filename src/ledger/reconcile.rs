//! Which attempts have been asked for at their platforms, and up to when that is complete.

use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use crate::domain::ids::{AccountSlug, NativeId};
use crate::ledger::directory::WITH_STATE;
use crate::ledger::identity::campaign_id;
use crate::ledger::statements::{Row, Statements, Value, Verb};
use crate::ledger::{Ledger, LedgerError, MAX_WINDOW_ROWS};

/// Where the platform cannot select by day.
const ALL: &str = "all";

/// A part of a campaign's attempts that is read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// Those of one day in the account's zone.
    Day(Date),
    All,
}

/// A campaign that may have attempts which are not asked for yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub campaign: Uuid,
    pub created_at: Option<Timestamp>,
    /// It dials now, as far as the directory knows.
    pub is_active: bool,
    /// Its last day that was opened; None when none was.
    pub last: Option<Unit>,
    pub number: i64,
}

/// A unit that is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueUnit {
    pub campaign: Uuid,
    pub native: NativeId,
    pub unit: Unit,
    pub is_active: bool,
    /// What the reading before this one found.
    pub total: Option<u64>,
    pub active_at: Option<Timestamp>,
}

/// What a reading found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitReading {
    pub campaign: Uuid,
    pub unit: Unit,
    pub total: u64,
    pub was_active: bool,
    pub is_complete: bool,
}

/// How far an account is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconcileState {
    pub account: AccountSlug,
    /// Units that are read again until nothing more comes.
    pub open: u64,
    /// Of these, how many were never read.
    pub unread: u64,
    /// The first day that is not complete.
    pub open_from: Option<Date>,
    pub oldest_reading: Option<Timestamp>,
}

impl Unit {
    fn text(self) -> String {
        match self {
            Unit::Day(day) => day.to_string(),
            Unit::All => ALL.to_owned(),
        }
    }

    fn read(row: &Row, text: &str) -> Result<Self, LedgerError> {
        match text {
            ALL => Ok(Unit::All),
            day => day.parse().map(Unit::Day).map_err(|_| row.corrupt("a day")),
        }
    }
}

impl Ledger {
    /// Campaigns of an account that dial, did so when they were last asked about, or were never
    /// asked about; those behind `after`, in the order of their numbers.
    pub async fn reconcile_candidates(
        &self,
        account: AccountSlug,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Candidate>, LedgerError> {
        self.read(Candidates { account, after, limit: limit.min(MAX_WINDOW_ROWS) }).await
    }

    /// Opens units; one that is closed is opened again. Answers how many were not open before.
    pub async fn open_units(&self, units: Vec<(Uuid, Unit)>) -> Result<u64, LedgerError> {
        let mut opened = 0;
        for units in units.chunks(OPENED_AT_ONCE) {
            opened += self.write(Open { units: units.to_vec() }).await?;
        }
        Ok(opened)
    }

    /// Units that were not read since `recent` (of days from `today` on, or without a day) or
    /// `older` (of days before), longest unread first.
    pub async fn due_units(
        &self,
        account: AccountSlug,
        today: Date,
        (recent, older): (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<Vec<DueUnit>, LedgerError> {
        let limit = limit.min(MAX_WINDOW_ROWS);
        self.read(Due { account, today, recent, older, limit }).await
    }

    pub async fn settle_unit(
        &self,
        reading: UnitReading,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.write(Settle { reading, now }).await
    }

    /// Where the oldest attempt of a campaign stands in lists that is not over yet.
    pub async fn oldest_open_attempt(
        &self,
        campaign: Uuid,
    ) -> Result<Option<Timestamp>, LedgerError> {
        self.read(OldestOpen { campaign }).await
    }

    /// How far every account is, by name.
    pub async fn reconcile_states(&self) -> Result<Vec<ReconcileState>, LedgerError> {
        self.read(States).await
    }
}

struct Candidates {
    account: AccountSlug,
    after: i64,
    limit: u32,
}

impl Verb for Candidates {
    type Answer = Vec<Candidate>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<Candidate>, LedgerError> {
        let sql = format!(
            "SELECT c.uuid, c.created_at, s.actual IN ('running', 'stopping'), c.id, \
             (SELECT MAX(r.day) FROM reconcile_day r WHERE r.campaign_id = c.id) \
             FROM campaign c {WITH_STATE} \
             WHERE c.home_id = (SELECT id FROM account WHERE slug = $1) \
             AND c.id > $2 AND s.gone_at IS NULL AND (s.actual IN ('running', 'stopping') \
             OR NOT EXISTS (SELECT 1 FROM reconcile_day r WHERE r.campaign_id = c.id) \
             OR EXISTS (SELECT 1 FROM reconcile_day r WHERE r.campaign_id = c.id \
             AND r.closed_at IS NULL AND r.active_at = r.read_at)) ORDER BY c.id LIMIT $3"
        );
        let limit = i64::from(self.limit);
        let rows =
            store.rows(&sql, &[(&self.account).into(), self.after.into(), limit.into()]).await?;
        let read = |mut row: Row| {
            Ok(Candidate {
                campaign: row.uuid()?,
                created_at: row.optional_time()?,
                is_active: row.bool()?,
                number: row.int()?,
                last: match row.optional_text()? {
                    None => None,
                    Some(text) => Some(Unit::read(&row, &text)?),
                },
            })
        };
        rows.into_iter().map(read).collect()
    }
}

/// Units that one verb opens at most.
const OPENED_AT_ONCE: usize = 500;

struct Open {
    units: Vec<(Uuid, Unit)>,
}

impl Verb for Open {
    type Answer = u64;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<u64, LedgerError> {
        let mut opened = 0;
        for (campaign, unit) in &self.units {
            let campaign = campaign_id(store, *campaign).await?;
            let sql = "INSERT INTO reconcile_day (campaign_id, day) VALUES ($1, $2) \
                       ON CONFLICT (campaign_id, day) DO UPDATE SET closed_at = NULL, \
                       read_at = NULL, total = NULL WHERE reconcile_day.closed_at IS NOT NULL";
            let unit = unit.text();
            opened += store.execute(sql, &[campaign.into(), unit.as_str().into()]).await?;
        }
        Ok(opened)
    }
}

struct Due {
    account: AccountSlug,
    today: Date,
    recent: Timestamp,
    older: Timestamp,
    limit: u32,
}

impl Verb for Due {
    type Answer = Vec<DueUnit>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<DueUnit>, LedgerError> {
        // 'all' is greater than every day.
        let sql = format!(
            "SELECT c.uuid, e.native, r.day, s.actual IN ('running', 'stopping'), r.total, \
             r.active_at FROM reconcile_day r JOIN campaign c ON c.id = r.campaign_id \
             {WITH_STATE} \
             JOIN external_ref e ON e.campaign_id = c.id AND e.kind = 'campaign' \
             AND e.is_current WHERE c.home_id = (SELECT id FROM account WHERE slug = $1) \
             AND s.gone_at IS NULL AND r.closed_at IS NULL AND (r.read_at IS NULL \
             OR (r.day >= $2 AND r.read_at <= $3) OR (r.day < $2 AND r.read_at <= $4)) \
             ORDER BY COALESCE(r.read_at, 0), r.id LIMIT $5"
        );
        let today = self.today.to_string();
        let parameters = [
            (&self.account).into(),
            today.as_str().into(),
            self.recent.into(),
            self.older.into(),
            i64::from(self.limit).into(),
        ];
        let read = |mut row: Row| {
            Ok(DueUnit {
                campaign: row.uuid()?,
                native: row.native()?,
                unit: {
                    let text = row.text()?;
                    Unit::read(&row, &text)?
                },
                is_active: row.bool()?,
                total: row.optional_int()?.and_then(|total| u64::try_from(total).ok()),
                active_at: row.optional_time()?,
            })
        };
        store.rows(&sql, &parameters).await?.into_iter().map(read).collect()
    }
}

struct Settle {
    reading: UnitReading,
    now: Timestamp,
}

impl Verb for Settle {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        let UnitReading { campaign, unit, total, was_active, is_complete } = self.reading;
        let campaign = campaign_id(store, campaign).await?;
        let sql = "UPDATE reconcile_day SET total = $3, read_at = $4, \
                   active_at = COALESCE($5, active_at), closed_at = $6 \
                   WHERE campaign_id = $1 AND day = $2";
        let total = i64::try_from(total).unwrap_or(i64::MAX);
        let parameters: [Value; 6] = [
            campaign.into(),
            unit.text().as_str().into(),
            total.into(),
            self.now.into(),
            Value::optional_time(was_active.then_some(self.now)),
            Value::optional_time(is_complete.then_some(self.now)),
        ];
        store.execute(sql, &parameters).await?;
        Ok(())
    }
}

struct OldestOpen {
    campaign: Uuid,
}

impl Verb for OldestOpen {
    type Answer = Option<Timestamp>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Option<Timestamp>, LedgerError> {
        let sql = "SELECT t.list_at FROM attempt t WHERE t.campaign_id = \
                   (SELECT id FROM campaign WHERE uuid = $1) AND t.result = 'in-progress' \
                   ORDER BY t.list_at LIMIT 1";
        store.row(sql, &[self.campaign.into()]).await?.map(|mut row| row.time()).transpose()
    }
}

struct States;

impl Verb for States {
    type Answer = Vec<ReconcileState>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<ReconcileState>, LedgerError> {
        let open = format!(
            "FROM reconcile_day r JOIN campaign c ON c.id = r.campaign_id \
             {WITH_STATE} \
             WHERE c.home_id = a.id AND s.gone_at IS NULL AND r.closed_at IS NULL"
        );
        let sql = format!(
            "SELECT a.slug, (SELECT COUNT(*) {open}), \
             (SELECT COUNT(*) {open} AND r.read_at IS NULL), \
             (SELECT MIN(r.day) {open} AND r.day <> '{ALL}'), (SELECT MIN(r.read_at) {open}) \
             FROM account a ORDER BY a.slug"
        );
        let read = |mut row: Row| {
            Ok(ReconcileState {
                account: row.slug()?,
                open: row.count()?,
                unread: row.count()?,
                open_from: match row.optional_text()? {
                    None => None,
                    Some(day) => Some(day.parse().map_err(|_| row.corrupt("a day"))?),
                },
                oldest_reading: row.optional_time()?,
            })
        };
        store.rows(&sql, &[]).await?.into_iter().map(read).collect()
    }
}
