//! What a campaign's contacts and attempts come to: the counters of daily statistics.

use jiff::Timestamp;
use uuid::Uuid;

use crate::ledger::statements::{Row, Statements, Value, Verb};
use crate::ledger::{Ledger, LedgerError, MAX_WINDOW_ROWS, identity};

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counting {
    pub campaign: Uuid,
    /// When today began.
    pub day_begin: Timestamp,
    /// Only contacts with this label.
    pub label: Option<String>,
    /// How often a number is tried by its place in the contact; with none it is not known, and no
    /// contact is finished by having been tried often enough.
    pub attempts_by_place: Vec<i64>,
}

/// Contacts that a platform took and nobody deleted, by how far they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    pub contacts: u64,
    pub added_today: u64,
    /// Not dialled yet.
    pub waiting: u64,
    pub dialed: u64,
    pub dialed_today: u64,
    pub succeeded: u64,
    pub succeeded_today: u64,
    /// Nobody will be dialled again: a success, an outcome that ends it, or no try left.
    pub finished: u64,
    pub finished_today: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    pub all: Counters,
    /// Of the contacts that have a label, by label in alphabetical order; at most
    /// [`MAX_WINDOW_ROWS`] labels.
    pub by_label: Vec<(String, Counters)>,
}

impl Ledger {
    /// Counts a campaign's contacts. Attempts that were deleted count: they were made.
    ///
    /// # Errors
    /// `Missing` when there is no such campaign.
    pub async fn count_contacts(&self, counting: Counting) -> Result<Counted, LedgerError> {
        self.read(counting).await
    }
}

impl Verb for Counting {
    type Answer = Counted;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Counted, LedgerError> {
        let campaign = identity::campaign_id(store, self.campaign).await?;
        let mut parameters: Vec<Value> = vec![campaign.into(), self.day_begin.into()];
        let mut contacts = self.contacts::<S>();
        if let Some(label) = &self.label {
            parameters.push(label.as_str().into());
            contacts.push_str(" AND t.label = $3");
        }
        // A contact is finished when an outcome ended it, or with the last of its tries.
        let contacts = format!(
            "SELECT i.label, i.list_at, i.dialed, i.succeeded, COALESCE(i.closed, CASE WHEN \
             i.allowed > 0 AND i.tries >= i.allowed THEN i.ended END) AS finished \
             FROM ({contacts} GROUP BY t.id, t.label, t.list_at) i"
        );
        let sql = format!("SELECT {COUNTS} FROM ({contacts}) o");
        let all = store.row(&sql, &parameters).await?;
        let all = all.map_or(Ok(Counters::default()), |mut row| read(&mut row))?;
        let sql = format!(
            "SELECT o.label, {COUNTS} FROM ({contacts}) o WHERE o.label IS NOT NULL \
             GROUP BY o.label ORDER BY o.label LIMIT {MAX_WINDOW_ROWS}"
        );
        let rows = store.rows(&sql, &parameters).await?;
        let by_label = rows.into_iter().map(|mut row| Ok((row.text()?, read(&mut row)?)));
        Ok(Counted { all, by_label: by_label.collect::<Result<_, LedgerError>>()? })
    }
}

/// Of the contacts `o`; $2 is the beginning of the day.
const COUNTS: &str = "COUNT(*), COUNT(CASE WHEN o.list_at >= $2 THEN 1 END), \
     COUNT(CASE WHEN o.dialed IS NULL THEN 1 END), \
     COUNT(o.dialed), COUNT(CASE WHEN o.dialed >= $2 THEN 1 END), \
     COUNT(o.succeeded), COUNT(CASE WHEN o.succeeded >= $2 THEN 1 END), \
     COUNT(o.finished), COUNT(CASE WHEN o.finished >= $2 THEN 1 END)";

impl Counting {
    /// The contacts of campaign $1 with when they were dialled last, succeeded, were called last,
    /// and were done with; without the grouping, so that conditions can follow.
    fn contacts<S: Statements>(&self) -> String {
        // Attempts name a contact by its reference, or by its id where it went out under that. A reference
        // names a subscriber, of whom there may be several contacts; some homes tell which one it was.
        let (before, after) = S::UUID_DIGITS;
        let end = "COALESCE(n.ended_at, n.dialed_at, n.list_at)";
        let allowed = allowed_tries(&self.attempts_by_place, "t.id");
        format!(
            "SELECT t.label, t.list_at, MAX(COALESCE(n.dialed_at, n.list_at)) AS dialed, \
             MAX(CASE WHEN n.result = 'success' THEN {end} END) AS succeeded, \
             MAX(CASE WHEN n.result <> 'in-progress' THEN {end} END) AS ended, \
             MAX(CASE WHEN n.result = 'success' OR (n.result = 'fail' AND NOT n.contact_reusable) \
             THEN {end} END) AS closed, \
             COUNT(CASE WHEN n.result <> 'in-progress' AND n.counts_as_attempt THEN 1 END) \
             AS tries, {allowed} AS allowed \
             FROM contact t LEFT JOIN attempt n ON n.campaign_id = t.campaign_id \
             AND n.contact_reference IN (t.reference, {before}t.uuid{after}) \
             AND COALESCE(n.contact_id, t.id) = t.id \
             WHERE t.campaign_id = $1 AND t.state = 'added'"
        )
    }
}

/// How often a contact may be tried: its numbers' tries, each by its place; 0 when that is not known.
pub(super) fn allowed_tries(attempts_by_place: &[i64], contact: &str) -> String {
    let places = attempts_by_place.iter().enumerate();
    let tries: Vec<String> = places.map(|(place, n)| format!("WHEN {place} THEN {n}")).collect();
    if tries.is_empty() {
        return "0".to_owned();
    }
    format!(
        "COALESCE((SELECT SUM(CASE q.place {} ELSE 0 END) FROM contact_number q \
         WHERE q.contact_id = {contact}), 0)",
        tries.join(" ")
    )
}

fn read(row: &mut Row) -> Result<Counters, LedgerError> {
    Ok(Counters {
        contacts: row.count()?,
        added_today: row.count()?,
        waiting: row.count()?,
        dialed: row.count()?,
        dialed_today: row.count()?,
        succeeded: row.count()?,
        succeeded_today: row.count()?,
        finished: row.count()?,
        finished_today: row.count()?,
    })
}
