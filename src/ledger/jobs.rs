//! Jobs: durable work of several writes. A job is worked on by who leased it; the *fence* grows with
//! every lease, and whoever comes with an older one is turned away.

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::ids::AccountSlug;
use crate::ledger::identity::account_id;
use crate::ledger::statements::{Row, Statements, Value, Verb, placeholders};
use crate::ledger::{Ledger, LedgerError, MAX_WINDOW_ROWS};

mod forgetting;

#[derive(Debug, Clone)]
pub struct NewJob {
    pub uuid: Uuid,
    pub kind: String,
    /// What it is about; a kind of job has one unfinished job for each subject.
    pub subject: Option<Uuid>,
    pub account: AccountSlug,
    /// The client or operator that wanted it.
    pub actor: String,
    pub request_id: Option<String>,
    /// JSON, without phone numbers.
    pub input: String,
    pub run_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    Waiting,
    Running,
    Done,
    Failed,
    Cancelled,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    pub uuid: Uuid,
    pub kind: String,
    pub subject: Option<Uuid>,
    pub account: AccountSlug,
    pub actor: String,
    pub request_id: Option<String>,
    pub input: String,
    pub checkpoint: Option<String>,
    /// A step was begun and its end is not recorded: what it wrote may have been written.
    pub in_doubt: bool,
    pub state: JobState,
    /// Turns that ended without a result since the last step that succeeded.
    pub attempt: i64,
    pub run_at: Timestamp,
    pub fence: i64,
    pub error: Option<String>,
    pub answer: Option<String>,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
    /// Place in lists.
    pub number: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStepRow {
    pub name: String,
    pub begun_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

/// Which jobs a list wants. All conditions hold together.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// None named, none seen.
    pub accounts: Vec<AccountSlug>,
    /// None named: all.
    pub states: Vec<JobState>,
    pub subject: Option<Uuid>,
    /// Jobs older than the one with this number.
    pub before: Option<i64>,
}

/// How a turn of a job ended.
#[derive(Debug, Clone)]
pub enum Turn {
    /// It goes on at that time.
    Postponed {
        run_at: Timestamp,
        error: String,
    },
    Done {
        answer: Option<String>,
    },
    Failed {
        error: String,
    },
}

impl Ledger {
    /// Insert-or-get; an unfinished job of the same kind about the same subject is answered instead
    /// of a second one.
    ///
    /// # Errors
    /// `Missing` when the account is not registered.
    pub async fn submit_job(&self, new: NewJob, now: Timestamp) -> Result<JobRow, LedgerError> {
        self.write(SubmitJob { new, now }).await
    }

    /// Jobs of these kinds that are due and nobody works on, oldest first: they are `owner`'s until
    /// `until`.
    pub async fn lease_jobs(
        &self,
        owner: Uuid,
        kinds: Vec<&'static str>,
        limit: u32,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<JobRow>, LedgerError> {
        self.write(LeaseJobs { owner, kinds, limit, until, now }).await
    }

    /// Gives back what `owner` has leased; the jobs are due at once.
    pub async fn release_leases(&self, owner: Uuid, now: Timestamp) -> Result<u64, LedgerError> {
        self.write(ReleaseLeases { owner: Some(owner), now }).await
    }

    /// Gives back what processes before this one had leased and cannot be working on any more: on a
    /// store that one process has for itself that is every lease; on a shared one it is for the
    /// leases to run out.
    pub async fn release_orphaned_leases(&self, now: Timestamp) -> Result<u64, LedgerError> {
        match self {
            Ledger::Sqlite(_) => self.write(ReleaseLeases { owner: None, now }).await,
            Ledger::Postgres(_) => Ok(0),
        }
    }

    /// Keeps a lease until then.
    ///
    /// # Errors
    /// `NotLeased` when it is somebody else's now.
    pub async fn renew_lease(&self, job: (Uuid, i64), until: Timestamp) -> Result<(), LedgerError> {
        self.write(RenewLease { job, until }).await
    }

    /// Makes a job that waits longer due at that time; answers it as it is then, None when there is
    /// none.
    pub async fn hasten_job(
        &self,
        uuid: Uuid,
        run_at: Timestamp,
    ) -> Result<Option<JobRow>, LedgerError> {
        self.write(HastenJob { uuid, run_at }).await
    }

    /// Records that a write is about to be made, and keeps the lease until `until`.
    ///
    /// # Errors
    /// `NotLeased` when the job is somebody else's by now.
    pub async fn begin_step(
        &self,
        job: (Uuid, i64),
        name: String,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.write(BeginStep { job, name, until, now }).await
    }

    /// Records that the write was made, and how far the job is.
    ///
    /// # Errors
    /// As [`Ledger::begin_step`].
    pub async fn end_step(
        &self,
        job: (Uuid, i64),
        checkpoint: String,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.write(EndStep { job, checkpoint, now }).await
    }

    /// Records how a turn ended, and gives the lease back.
    ///
    /// # Errors
    /// As [`Ledger::begin_step`].
    pub async fn end_turn(
        &self,
        job: (Uuid, i64),
        turn: Turn,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.write(EndTurn { job, turn, now }).await
    }

    pub async fn find_job(&self, uuid: Uuid) -> Result<Option<JobRow>, LedgerError> {
        self.read(FindJob { uuid }).await
    }

    /// Jobs, newest first, at most `limit` (and [`MAX_WINDOW_ROWS`]).
    pub async fn list_jobs(
        &self,
        filter: JobFilter,
        limit: u32,
    ) -> Result<Vec<JobRow>, LedgerError> {
        self.read(ListJobs { filter, limit }).await
    }

    /// The steps of a job in the order in which they were begun, at most [`MAX_WINDOW_ROWS`].
    pub async fn job_steps(&self, uuid: Uuid) -> Result<Vec<JobStepRow>, LedgerError> {
        self.read(JobSteps { uuid }).await
    }
}

impl JobState {
    const ALL: [JobState; 5] = [
        JobState::Waiting,
        JobState::Running,
        JobState::Done,
        JobState::Failed,
        JobState::Cancelled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            JobState::Waiting => "waiting",
            JobState::Running => "running",
            JobState::Done => "done",
            JobState::Failed => "failed",
            JobState::Cancelled => "cancelled",
        }
    }

    pub fn from_term(term: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == term)
    }

    /// Nothing more will be done.
    pub fn is_over(self) -> bool {
        !matches!(self, JobState::Waiting | JobState::Running)
    }
}

const COLUMNS: &str = "j.uuid, j.kind, j.subject, a.slug, j.actor, j.request_id, j.input, \
     j.checkpoint, j.in_doubt, j.state, j.attempt, j.run_at, j.fence, j.error, j.answer, \
     j.created_at, j.changed_at, j.id";
const TABLES: &str = "job j JOIN account a ON a.id = j.account_id";

fn read(mut row: Row) -> Result<JobRow, LedgerError> {
    Ok(JobRow {
        uuid: row.uuid()?,
        kind: row.text()?,
        subject: row.optional_uuid()?,
        account: row.slug()?,
        actor: row.text()?,
        request_id: row.optional_text()?,
        input: row.text()?,
        checkpoint: row.optional_text()?,
        in_doubt: row.bool()?,
        state: JobState::from_term(&row.text()?).ok_or_else(|| row.corrupt("a state"))?,
        attempt: row.int()?,
        run_at: row.time()?,
        fence: row.int()?,
        error: row.optional_text()?,
        answer: row.optional_text()?,
        created_at: row.time()?,
        changed_at: row.time()?,
        number: row.int()?,
    })
}

type Found = Result<Option<JobRow>, LedgerError>;
async fn find<S: Statements>(store: &mut S, uuid: Uuid) -> Found {
    find_by(store, "j.uuid", uuid.into()).await
}

async fn find_by<S: Statements>(store: &mut S, column: &str, value: Value) -> Found {
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE {column} = $1");
    store.row(&sql, &[value]).await?.map(read).transpose()
}

/// The job's row, if the lease with this fence is the one that counts.
async fn leased<S: Statements>(
    store: &mut S,
    (uuid, fence): (Uuid, i64),
) -> Result<i64, LedgerError> {
    let sql = format!(
        "SELECT id FROM job WHERE uuid = $1 AND fence = $2 AND state = 'running'{}",
        S::ROW_LOCK
    );
    let row = store.row(&sql, &[uuid.into(), fence.into()]).await?;
    row.map_or(Err(LedgerError::NotLeased(uuid)), |mut row| row.int())
}

struct SubmitJob {
    new: NewJob,
    now: Timestamp,
}

impl Verb for SubmitJob {
    type Answer = JobRow;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<JobRow, LedgerError> {
        let new = &self.new;
        let account = account_id(store, &new.account).await?;
        store
            .execute(
                "INSERT INTO job (uuid, kind, subject, account_id, actor, request_id, input, \
                 in_doubt, state, attempt, run_at, fence, created_at, changed_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, FALSE, 'waiting', 0, $8, 0, $9, $9) \
                 ON CONFLICT DO NOTHING",
                &[
                    new.uuid.into(),
                    new.kind.as_str().into(),
                    new.subject.into(),
                    account.into(),
                    new.actor.as_str().into(),
                    Value::optional_text(new.request_id.as_deref()),
                    new.input.as_str().into(),
                    new.run_at.into(),
                    self.now.into(),
                ],
            )
            .await?;
        if let Some(known) = find(store, new.uuid).await? {
            return Ok(known);
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM {TABLES} WHERE j.kind = $1 AND j.subject = $2 \
             AND j.state IN ('waiting', 'running')"
        );
        let row = store.row(&sql, &[new.kind.as_str().into(), new.subject.into()]).await?;
        // The one that was in the way has ended between the two statements.
        let ended = || LedgerError::Unavailable("a job about the same has just ended".to_owned());
        row.map(read).transpose()?.ok_or_else(ended)
    }
}

const FAIL_UNREADABLE: &str = "UPDATE job SET state = 'failed', lease_owner = NULL, changed_at = $2, \
     error = 'what is stored of it cannot be read', lease_until = NULL WHERE id = $1";

struct LeaseJobs {
    owner: Uuid,
    kinds: Vec<&'static str>,
    limit: u32,
    until: Timestamp,
    now: Timestamp,
}

impl Verb for LeaseJobs {
    type Answer = Vec<JobRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<JobRow>, LedgerError> {
        let limit = i64::from(self.limit.min(MAX_WINDOW_ROWS));
        let mut parameters: Vec<Value> = vec![self.now.into(), limit.into()];
        let named = placeholders(parameters.len() + 1, self.kinds.len());
        parameters.extend(self.kinds.iter().map(|kind| Value::from(*kind)));
        let sql = format!(
            "SELECT id FROM job WHERE ((state = 'waiting' AND run_at <= $1) \
             OR (state = 'running' AND lease_until <= $1)) AND kind IN ({named}) \
             ORDER BY run_at, id LIMIT $2{}",
            S::ROW_LOCK_OR_SKIP
        );
        let due = store.rows(&sql, &parameters).await?;
        let mut jobs = Vec::with_capacity(due.len());
        for mut row in due {
            let id = row.int()?;
            let sql = "UPDATE job SET state = 'running', lease_owner = $2, lease_until = $3, \
                       fence = fence + 1 WHERE id = $1";
            store.execute(sql, &[id.into(), self.owner.into(), self.until.into()]).await?;
            match find_by(store, "j.id", id.into()).await {
                Ok(job) => jobs.extend(job),
                // It ends by itself: the others that are due are none the worse.
                Err(LedgerError::Corrupt(why)) => {
                    tracing::error!(job = id, why, "a stored job cannot be read; it has failed");
                    store.execute(FAIL_UNREADABLE, &[id.into(), self.now.into()]).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(jobs)
    }
}

struct RenewLease {
    job: (Uuid, i64),
    until: Timestamp,
}

impl Verb for RenewLease {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        let id = leased(store, self.job).await?;
        let sql = "UPDATE job SET lease_until = $2 WHERE id = $1";
        store.execute(sql, &[id.into(), self.until.into()]).await.map(drop)
    }
}

struct HastenJob {
    uuid: Uuid,
    run_at: Timestamp,
}

impl Verb for HastenJob {
    type Answer = Option<JobRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Option<JobRow>, LedgerError> {
        let sql =
            "UPDATE job SET run_at = $2 WHERE uuid = $1 AND state = 'waiting' AND run_at > $2";
        store.execute(sql, &[self.uuid.into(), self.run_at.into()]).await?;
        find(store, self.uuid).await
    }
}

struct ReleaseLeases {
    /// None: whoever's.
    owner: Option<Uuid>,
    now: Timestamp,
}

impl Verb for ReleaseLeases {
    type Answer = u64;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<u64, LedgerError> {
        let sql = "UPDATE job SET state = 'waiting', lease_owner = NULL, lease_until = NULL, \
                   fence = fence + 1, run_at = $2 WHERE state = 'running' \
                   AND lease_owner = COALESCE($1, lease_owner)";
        store.execute(sql, &[self.owner.map_or(Value::Null, Value::Uuid), self.now.into()]).await
    }
}

struct BeginStep {
    job: (Uuid, i64),
    name: String,
    until: Timestamp,
    now: Timestamp,
}

impl Verb for BeginStep {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        let id = leased(store, self.job).await?;
        store
            .execute(
                "UPDATE job SET in_doubt = TRUE, lease_until = $2, changed_at = $3 WHERE id = $1",
                &[id.into(), self.until.into(), self.now.into()],
            )
            .await?;
        store
            .execute(
                "INSERT INTO job_step (job_id, name, begun_at) VALUES ($1, $2, $3)",
                &[id.into(), self.name.as_str().into(), self.now.into()],
            )
            .await?;
        Ok(())
    }
}

struct EndStep {
    job: (Uuid, i64),
    checkpoint: String,
    now: Timestamp,
}

impl Verb for EndStep {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        let id = leased(store, self.job).await?;
        store
            .execute(
                "UPDATE job SET in_doubt = FALSE, attempt = 0, checkpoint = $2, changed_at = $3 \
                 WHERE id = $1",
                &[id.into(), self.checkpoint.as_str().into(), self.now.into()],
            )
            .await?;
        // The newest step is the one that was done; those in doubt before it are settled with it.
        store
            .execute(
                "UPDATE job_step SET ended_at = $2, checkpoint = $3 \
                 WHERE id = (SELECT MAX(id) FROM job_step WHERE job_id = $1)",
                &[id.into(), self.now.into(), self.checkpoint.as_str().into()],
            )
            .await?;
        Ok(())
    }
}

struct EndTurn {
    job: (Uuid, i64),
    turn: Turn,
    now: Timestamp,
}

impl Verb for EndTurn {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        let id = leased(store, self.job).await?;
        let (state, run_at, error, answer) = match &self.turn {
            Turn::Postponed { run_at, error } => {
                (JobState::Waiting, Some(*run_at), Some(error), None)
            }
            Turn::Done { answer } => (JobState::Done, None, None, answer.as_ref()),
            Turn::Failed { error } => (JobState::Failed, None, Some(error), None),
        };
        store
            .execute(
                "UPDATE job SET state = $2, run_at = COALESCE($3, run_at), error = $4, \
                 answer = $5, attempt = attempt + 1, lease_owner = NULL, lease_until = NULL, \
                 changed_at = $6 WHERE id = $1",
                &[
                    id.into(),
                    state.as_str().into(),
                    Value::optional_time(run_at),
                    Value::optional_text(error.map(String::as_str)),
                    Value::optional_text(answer.map(String::as_str)),
                    self.now.into(),
                ],
            )
            .await?;
        Ok(())
    }
}

struct FindJob {
    uuid: Uuid,
}

impl Verb for FindJob {
    type Answer = Option<JobRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Option<JobRow>, LedgerError> {
        find(store, self.uuid).await
    }
}

struct ListJobs {
    filter: JobFilter,
    limit: u32,
}

impl Verb for ListJobs {
    type Answer = Vec<JobRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<JobRow>, LedgerError> {
        let filter = &self.filter;
        if filter.accounts.is_empty() {
            return Ok(Vec::new());
        }
        let mut parameters: Vec<Value> = filter.accounts.iter().map(Value::from).collect();
        let mut condition = format!("a.slug IN ({})", placeholders(1, parameters.len()));
        if !filter.states.is_empty() {
            let states = placeholders(parameters.len() + 1, filter.states.len());
            parameters.extend(filter.states.iter().map(|state| Value::from(state.as_str())));
            condition = format!("{condition} AND j.state IN ({states})");
        }
        if let Some(subject) = filter.subject {
            parameters.push(subject.into());
            condition = format!("{condition} AND j.subject = ${}", parameters.len());
        }
        if let Some(before) = filter.before {
            parameters.push(before.into());
            condition = format!("{condition} AND j.id < ${}", parameters.len());
        }
        parameters.push(i64::from(self.limit.min(MAX_WINDOW_ROWS)).into());
        let sql = format!(
            "SELECT {COLUMNS} FROM {TABLES} WHERE {condition} ORDER BY j.id DESC LIMIT ${}",
            parameters.len()
        );
        let rows = store.rows(&sql, &parameters).await?;
        rows.into_iter().map(read).collect()
    }
}

struct JobSteps {
    uuid: Uuid,
}

impl Verb for JobSteps {
    type Answer = Vec<JobStepRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<JobStepRow>, LedgerError> {
        let rows = store
            .rows(
                "SELECT s.name, s.begun_at, s.ended_at FROM job_step s \
                 JOIN job j ON j.id = s.job_id WHERE j.uuid = $1 ORDER BY s.id LIMIT $2",
                &[self.uuid.into(), i64::from(MAX_WINDOW_ROWS).into()],
            )
            .await?;
        let step = |mut row: Row| {
            Ok(JobStepRow {
                name: row.text()?,
                begun_at: row.time()?,
                ended_at: row.optional_time()?,
            })
        };
        rows.into_iter().map(step).collect()
    }
}
