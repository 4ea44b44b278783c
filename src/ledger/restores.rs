//! What is known of the copies that took this ledger's place (docs/decisions/0042-a-copy-takes-a-ledgers-place.md).

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::ledger::statements::{Statements, Verb};
use crate::ledger::{Ledger, LedgerError};

/// Platforms have clocks of their own.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_hours(24);
/// The counters of restores: one is called after the time between the copy's newest entry and the restore, and
/// says from which number on campaigns were met after it.
const COUNTER: &str = "restored/";

impl Ledger {
    /// Whether a campaign was made after a copy that took this ledger's place, and met again after that: what
    /// was kept of it, the rules that its client stated among it, is lost.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn may_have_been_forgotten(&self, campaign: Uuid) -> Result<bool, LedgerError> {
        self.read(MayBeForgotten { campaign }).await
    }
}

/// The counter of a restore of a copy whose newest entry is of `newest`.
pub(super) fn counter(newest: Option<Timestamp>, now: Timestamp) -> String {
    let newest = newest.unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{COUNTER}{}/{}", newest.as_microsecond(), now.as_microsecond())
}

/// The times of a counter's name.
fn period(name: &str) -> Option<(Timestamp, Timestamp)> {
    let (from, until) = name.strip_prefix(COUNTER)?.split_once('/')?;
    let time = |micros: &str| Timestamp::from_microsecond(micros.parse().ok()?).ok();
    let from = time(from)?.checked_sub(CLOCKS_DIFFER).unwrap_or(Timestamp::MIN);
    Some((from, time(until)?.checked_add(CLOCKS_DIFFER).unwrap_or(Timestamp::MAX)))
}

struct MayBeForgotten {
    campaign: Uuid,
}

impl Verb for MayBeForgotten {
    type Answer = bool;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<bool, LedgerError> {
        let sql = "SELECT r.name, c.created_at FROM campaign c JOIN counter r ON r.name LIKE 'restored/%' \
                   AND r.next <= c.number WHERE c.uuid = $1";
        for mut row in store.rows(sql, &[self.campaign.into()]).await? {
            let (name, created_at) = (row.text()?, row.optional_time()?);
            let (from, until) = period(&name).ok_or_else(|| row.corrupt("times"))?;
            if created_at.is_none_or(|at| (from..=until).contains(&at)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
