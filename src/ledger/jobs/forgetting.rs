//! Jobs that are over are kept for a while.

use jiff::Timestamp;

use crate::ledger::statements::{Haste, Statements, Verb};
use crate::ledger::{Ledger, LedgerError};

impl Ledger {
    /// Forgets jobs that have been over since then, steps first; answers how many rows went, at most
    /// `limit`.
    pub async fn forget_jobs(&self, before: Timestamp, limit: u32) -> Result<u64, LedgerError> {
        self.write(ForgetJobs { before, limit }).await
    }
}

struct ForgetJobs {
    before: Timestamp,
    limit: u32,
}

impl Verb for ForgetJobs {
    type Answer = u64;

    const HASTE: Haste = Haste::Background;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<u64, LedgerError> {
        let limit = i64::from(self.limit);
        // A job may have many thousand steps: they go a share at a time, and the job after its last.
        let steps = "DELETE FROM job_step WHERE id IN (SELECT s.id FROM job j \
                     JOIN job_step s ON s.job_id = j.id \
                     WHERE j.state IN ('done', 'failed', 'cancelled') AND j.changed_at < $1 \
                     ORDER BY j.changed_at, s.id LIMIT $2)";
        let steps = store.execute(steps, &[self.before.into(), limit.into()]).await?;
        let left = u64::from(self.limit).saturating_sub(steps);
        let jobs = "DELETE FROM job WHERE id IN (SELECT j.id FROM job j \
                    WHERE j.state IN ('done', 'failed', 'cancelled') AND j.changed_at < $1 \
                    AND NOT EXISTS (SELECT 1 FROM job_step s WHERE s.job_id = j.id) \
                    ORDER BY j.changed_at LIMIT $2)";
        let left = i64::try_from(left).unwrap_or(limit);
        Ok(steps + store.execute(jobs, &[self.before.into(), left.into()]).await?)
    }
}
