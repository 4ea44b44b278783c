//! What results come to: quarters of an hour, how far each contact is, and codes that no table knows.
//! They are kept in the transaction in which a result is, and can be made anew from attempts.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::domain::call::{CallResult, Disposition};
use crate::domain::ids::AccountSlug;
use crate::ledger::attempts::AttemptRow;
use crate::ledger::identity::campaign_id;
use crate::ledger::progress::Contacts;
use crate::ledger::statements::{Row, Statements, Value, Verb, placeholders};
use crate::ledger::telling::Subject;
use crate::ledger::{Ledger, LedgerError, MAX_WINDOW_ROWS};

/// The span of a rollup.
pub const BUCKET: SignedDuration = SignedDuration::from_mins(15);

/// Longest code that is kept as one that no table knows.
const MAX_CODE_CHARS: usize = 64;
/// So many digits in a row may be a phone number.
const MANY_DIGITS: usize = 7;

/// Attempts of one campaign, account and outcome, dialled in one quarter of an hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollup {
    /// Its beginning, UTC.
    pub bucket_at: Timestamp,
    pub account: AccountSlug,
    pub disposition: Disposition,
    pub counts: Counts,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub attempts: i64,
    /// In which a person was on the line.
    pub live_persons: i64,
    /// That use up one of those that the retry policy allows.
    pub counted: i64,
    pub successes: i64,
    /// From dialling to the end, summed up over those of which both are known.
    pub duration_ms: i64,
    /// Of how many both are known.
    pub timed: i64,
}

/// How far a campaign's contacts are, of those that attempts name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContactTotals {
    pub contacts: u64,
    /// A person was on the line at least once.
    pub reached: u64,
    pub with_success: u64,
    /// After the last attempt, one of their numbers may be tried again.
    pub reusable: u64,
}

/// A code that no table knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownCode {
    pub account: AccountSlug,
    /// Long runs of digits masked.
    pub code: String,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    /// Attempts whose outcome is unknown for it now.
    pub attempts: u64,
}

impl Ledger {
    /// A campaign's attempts by quarters of an hour that begin in a span, at most [`MAX_WINDOW_ROWS`]
    /// rows.
    ///
    /// # Errors
    /// `Missing` when there is no such campaign.
    pub async fn rollups(
        &self,
        campaign: Uuid,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Rollup>, LedgerError> {
        self.read(Rollups { campaign, from, until }).await
    }

    /// # Errors
    /// `Missing` when there is no such campaign.
    pub async fn contact_totals(&self, campaign: Uuid) -> Result<ContactTotals, LedgerError> {
        self.read(Totals { campaign }).await
    }

    /// Codes that no table knows, of these accounts, those with the most attempts first; at most
    /// [`MAX_WINDOW_ROWS`].
    pub async fn unknown_codes(
        &self,
        accounts: Vec<AccountSlug>,
    ) -> Result<Vec<UnknownCode>, LedgerError> {
        self.read(UnknownCodes { accounts }).await
    }
}

/// What changes in one transaction; it ends with [`Tally::close`].
#[derive(Default)]
pub(super) struct Tally {
    cells: BTreeMap<(i64, i64, i64, &'static str), Counts>,
    pub contacts: Contacts,
    codes: BTreeMap<(i64, String), i64>,
}

impl Tally {
    pub fn add(&mut self, of: Subject, row: &AttemptRow) {
        self.count(of, row, 1);
    }

    /// Takes back what an attempt came to until now.
    pub fn remove(&mut self, of: Subject, row: &AttemptRow) {
        self.count(of, row, -1);
    }

    fn count(&mut self, of: Subject, row: &AttemptRow, sign: i64) {
        let attempt = &row.attempt;
        let bucket = bucket_of(row.list_at);
        let key = (of.campaign.id, bucket, of.account.id, attempt.disposition.as_str());
        let cell = self.cells.entry(key).or_default();
        cell.attempts += sign;
        cell.live_persons += sign * i64::from(attempt.flags.live_person);
        cell.counted += sign * i64::from(attempt.flags.counts_as_attempt);
        cell.successes += sign * i64::from(attempt.result == CallResult::Success);
        if let (Some(begin), Some(end)) = (attempt.dialed_at, attempt.ended_at) {
            let spent = (end.as_microsecond() - begin.as_microsecond()) / 1000;
            cell.duration_ms += sign * spent;
            cell.timed += sign;
        }
        if attempt.disposition == Disposition::Unknown && !attempt.native_code.is_empty() {
            *self.codes.entry((of.account.id, code(&attempt.native_code))).or_default() += sign;
        }
        self.contacts.count(of.campaign.id, row, sign);
    }

    pub async fn close<S: Statements>(
        self,
        store: &mut S,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        for ((campaign, bucket, account, disposition), cell) in self.cells {
            if cell == Counts::default() {
                continue;
            }
            let parameters: [Value; 10] = [
                campaign.into(),
                bucket.into(),
                account.into(),
                disposition.into(),
                cell.attempts.into(),
                cell.live_persons.into(),
                cell.counted.into(),
                cell.successes.into(),
                cell.duration_ms.into(),
                cell.timed.into(),
            ];
            store.execute(ADD_CELL, &parameters).await?;
        }
        self.contacts.close(store).await?;
        for ((account, code), attempts) in self.codes {
            if attempts != 0 {
                let sql = "INSERT INTO unknown_code (account_id, code, first_at, last_at, attempts) \
                           VALUES ($1, $2, $3, $3, $4) ON CONFLICT (account_id, code) DO UPDATE \
                           SET last_at = $3, attempts = unknown_code.attempts + $4";
                let parameters: [Value; 4] =
                    [account.into(), code.as_str().into(), now.into(), attempts.into()];
                store.execute(sql, &parameters).await?;
            }
        }
        Ok(())
    }
}

const ADD_CELL: &str = "INSERT INTO rollup (campaign_id, bucket_at, account_id, disposition, \
     attempts, live_persons, counted, successes, duration_ms, timed) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
     ON CONFLICT (campaign_id, bucket_at, account_id, disposition) DO UPDATE SET \
     attempts = rollup.attempts + $5, live_persons = rollup.live_persons + $6, \
     counted = rollup.counted + $7, successes = rollup.successes + $8, \
     duration_ms = rollup.duration_ms + $9, timed = rollup.timed + $10";

fn bucket_of(at: Timestamp) -> i64 {
    let span = i64::try_from(BUCKET.as_micros()).unwrap_or(i64::MAX);
    let at = at.as_microsecond();
    at - at.rem_euclid(span)
}

/// A code as it is kept: a platform may put anything there.
fn code(native: &str) -> String {
    let mut kept = String::new();
    let mut digits = 0;
    for c in native.chars().take(MAX_CODE_CHARS) {
        digits = if c.is_ascii_digit() { digits + 1 } else { 0 };
        kept.push(c);
        if digits >= MANY_DIGITS {
            let from = kept.len() - digits;
            kept.replace_range(from.., &"#".repeat(digits));
        }
    }
    kept
}

struct Rollups {
    campaign: Uuid,
    from: Timestamp,
    until: Timestamp,
}

impl Verb for Rollups {
    type Answer = Vec<Rollup>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<Rollup>, LedgerError> {
        let campaign = campaign_id(store, self.campaign).await?;
        let sql = "SELECT r.bucket_at, a.slug, r.disposition, r.attempts, r.live_persons, \
                   r.counted, r.successes, r.duration_ms, r.timed FROM rollup r \
                   JOIN account a ON a.id = r.account_id WHERE r.campaign_id = $1 \
                   AND r.bucket_at >= $2 AND r.bucket_at < $3 AND r.attempts <> 0 \
                   ORDER BY r.bucket_at, a.slug, r.disposition LIMIT $4";
        let parameters: [Value; 4] = [
            campaign.into(),
            self.from.into(),
            self.until.into(),
            i64::from(MAX_WINDOW_ROWS).into(),
        ];
        let read = |mut row: Row| {
            Ok(Rollup {
                bucket_at: row.time()?,
                account: row.slug()?,
                disposition: {
                    let term = row.text()?;
                    Disposition::from_term(&term).ok_or_else(|| row.corrupt("a disposition"))?
                },
                counts: Counts {
                    attempts: row.int()?,
                    live_persons: row.int()?,
                    counted: row.int()?,
                    successes: row.int()?,
                    duration_ms: row.int()?,
                    timed: row.int()?,
                },
            })
        };
        store.rows(sql, &parameters).await?.into_iter().map(read).collect()
    }
}

struct Totals {
    campaign: Uuid,
}

impl Verb for Totals {
    type Answer = ContactTotals;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<ContactTotals, LedgerError> {
        let campaign = campaign_id(store, self.campaign).await?;
        let sql = "SELECT COUNT(*), COUNT(CASE WHEN reached > 0 THEN 1 END), \
                   COUNT(CASE WHEN successes > 0 THEN 1 END), \
                   COUNT(CASE WHEN number_reusable OR contact_reusable THEN 1 END) \
                   FROM contact_state WHERE campaign_id = $1";
        let row = store.row(sql, &[campaign.into()]).await?;
        let mut row = row.ok_or(LedgerError::Missing("campaign"))?;
        Ok(ContactTotals {
            contacts: row.count()?,
            reached: row.count()?,
            with_success: row.count()?,
            reusable: row.count()?,
        })
    }
}

struct UnknownCodes {
    accounts: Vec<AccountSlug>,
}

impl Verb for UnknownCodes {
    type Answer = Vec<UnknownCode>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<UnknownCode>, LedgerError> {
        if self.accounts.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT a.slug, u.code, u.first_at, u.last_at, u.attempts FROM unknown_code u \
             JOIN account a ON a.id = u.account_id WHERE u.attempts <> 0 AND a.slug IN ({}) \
             ORDER BY u.attempts DESC, a.slug, u.code LIMIT {MAX_WINDOW_ROWS}",
            placeholders(1, self.accounts.len())
        );
        let parameters: Vec<Value> = self.accounts.iter().map(Value::from).collect();
        let read = |mut row: Row| {
            Ok(UnknownCode {
                account: row.slug()?,
                code: row.text()?,
                first_at: row.time()?,
                last_at: row.time()?,
                attempts: row.count()?,
            })
        };
        store.rows(&sql, &parameters).await?.into_iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_holds_no_number() {
        for (native, kept) in [
            ("00538", "00538"),
            ("SIP/486", "SIP/486"),
            ("013100000001", "############"),
            ("x0131000x0001", "x#######x0001"),
        ] {
            assert_eq!(code(native), kept);
        }
        assert_eq!(code(&"é".repeat(100)).chars().count(), MAX_CODE_CHARS);
    }

    #[test]
    fn quarters_of_an_hour_begin_on_the_quarter() {
        for (at, begin) in [
            ("2026-01-01T10:00:00Z", "2026-01-01T10:00:00Z"),
            ("2026-01-01T10:14:59.999999Z", "2026-01-01T10:00:00Z"),
            ("1969-12-31T23:59:59Z", "1969-12-31T23:45:00Z"),
        ] {
            let at: Timestamp = at.parse().unwrap();
            let begin: Timestamp = begin.parse().unwrap();
            assert_eq!(bucket_of(at), begin.as_microsecond());
        }
    }
}
