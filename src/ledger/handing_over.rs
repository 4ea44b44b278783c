//! Jobs that somebody else wants by now.

use uuid::Uuid;

use crate::ledger::statements::{Statements, Value, Verb};
use crate::ledger::{Ledger, LedgerError};

impl Ledger {
    /// From now on a job that is not over is wanted by `actor`. One that is over stays as it is.
    pub async fn hand_over_job(
        &self,
        job: Uuid,
        actor: String,
        request_id: Option<String>,
    ) -> Result<(), LedgerError> {
        self.write(HandOverJob { job, actor, request_id }).await
    }
}

struct HandOverJob {
    job: Uuid,
    actor: String,
    request_id: Option<String>,
}

impl Verb for HandOverJob {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        let sql = "UPDATE job SET actor = $2, request_id = $3 WHERE uuid = $1 \
                   AND state IN ('waiting', 'running')";
        let parameters = [
            self.job.into(),
            self.actor.as_str().into(),
            Value::optional_text(self.request_id.as_deref()),
        ];
        store.execute(sql, &parameters).await.map(drop)
    }
}
