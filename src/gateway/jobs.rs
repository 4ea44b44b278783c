//! The one job engine: durable work of several writes, that a crash or a lost answer does not end.
//!
//! A job belongs to who leased it. Before each write its step is begun in the ledger, after it the
//! checkpoint is stored; a step that was begun and not ended is in doubt, and is looked up by who
//! comes next. A lease that runs out, or a newer one, ends the right to go on.
//!
//! Some kinds of jobs keep people from being called, others load contacts for minutes. Each class has
//! places of its own, so a stop never waits behind work ([`JobKind::class`]).

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::gateway::adoption::TakeOver;
use crate::gateway::error::GatewayError;
use crate::gateway::retry::{self, Decision};
use crate::gateway::under_way::UnderWay;
use crate::gateway::{
    Shared, WorkerGateway, adoption, chaining, creation, endings, holding, reconcile, settling,
    unkept,
};
use crate::ledger::LedgerError;
use crate::ledger::jobs::{JobRow, NewJob, Turn};
use crate::platforms::PlatformError;

/// Jobs of a class that one process works on at a time; most of them wait for a platform.
const AT_ONCE: u32 = 32;
/// How often jobs that are over are looked through for ones to forget, and how many at a time.
const FORGET_INTERVAL: Duration = Duration::from_secs(60);
const FORGOTTEN_AT_ONCE: u32 = 500;
/// A lease is renewed before each write; no write takes longer than this.
pub(super) const LEASE: Duration = Duration::from_secs(90);
/// How often the ledger is asked for jobs that are due, when nobody said that there is one.
pub const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How often starts and stops are looked for that ended without anybody knowing how.
const UNSETTLED_INTERVAL: Duration = Duration::from_secs(5);
/// How often somebody who waits for a job looks at it, besides being told of its end.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// What the engine shares with those who submit.
pub(super) struct Board {
    /// Who holds the leases of this process.
    owner: Uuid,
    /// Told when a job was submitted, moved on or ended.
    news: Notify,
}

/// The kinds of jobs. The ledger keeps their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobKind {
    Adopt,
    Leave,
    Create,
    Hold,
    Chain,
    End,
    Unkept,
    Settle,
    Reconcile,
}

/// What jobs do to who is called. No class waits for a place of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// They keep people from being called.
    Restricts,
    /// They make, load, start, read or change.
    Works,
}

/// Runs jobs; `app` gives it a task.
pub struct JobWorker {
    gateway: WorkerGateway,
    /// For how long a job is kept that is over.
    retention: Duration,
}

/// A job that this process has leased.
pub(super) struct Run<'a> {
    pub gateway: &'a WorkerGateway,
    pub row: JobRow,
}

/// Why a job does not go on now.
#[derive(Debug)]
pub(super) enum Stop {
    /// It goes on at that time, from the last checkpoint.
    Later { at: Timestamp, why: String },
    /// It failed for good; the text says why without a number or a secret.
    Failed(String),
    /// Something passes of which nobody knows when: it goes on after a while, from the last checkpoint.
    /// Where not even that can be recorded, or the job is somebody else's by now, the lease decides.
    Passing(String),
}

impl Board {
    pub(super) fn new(owner: Uuid) -> Self {
        Self { owner, news: Notify::new() }
    }
}

impl WorkerGateway {
    /// Hands a job in. One that is not finished and has the same kind and subject is answered
    /// instead.
    pub(super) async fn submit(&self, job: NewJob) -> Result<JobRow, GatewayError> {
        let row = self.shared.ledger.submit_job(job, self.shared.clock.now()).await?;
        self.shared.board.news.notify_waiters();
        Ok(row)
    }

    /// Waits until the job has ended or `is_enough` holds of it, at most for `patience`; answers how
    /// it stands then.
    pub(super) async fn await_job(
        &self,
        job: Uuid,
        patience: Duration,
        is_enough: impl Fn(&JobRow) -> bool,
    ) -> Result<JobRow, GatewayError> {
        let clock = &self.shared.clock;
        let deadline = clock.now() + patience;
        loop {
            let news = self.shared.board.news.notified();
            let row = self.shared.ledger.find_job(job).await?;
            let row = row.ok_or_else(|| GatewayError::Internal("a job is lost".to_owned()))?;
            if row.state.is_over() || is_enough(&row) || clock.now() >= deadline {
                return Ok(row);
            }
            tokio::select! {
                () = news => {}
                () = clock.sleep(LOOK_INTERVAL) => {}
            }
        }
    }
}

impl Shared {
    /// There is something to do for who works on jobs.
    pub(super) fn tell_jobs(&self) {
        self.board.news.notify_waiters();
    }
}

impl JobKind {
    const ALL: [JobKind; 9] = [
        JobKind::Adopt,
        JobKind::Leave,
        JobKind::Create,
        JobKind::Hold,
        JobKind::Chain,
        JobKind::End,
        JobKind::Unkept,
        JobKind::Settle,
        JobKind::Reconcile,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            JobKind::Adopt => "account.adopt",
            JobKind::Leave => "account.leave",
            JobKind::Create => "campaign.create",
            JobKind::Hold => "contacts.hold",
            JobKind::Chain => "campaign.chain",
            JobKind::End => "campaign.end",
            JobKind::Unkept => "campaign.unkept_rule",
            JobKind::Settle => "campaign.settle",
            JobKind::Reconcile => "account.reconcile",
        }
    }

    fn from_term(term: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == term)
    }

    fn class(self) -> Class {
        match self {
            JobKind::End | JobKind::Unkept | JobKind::Settle => Class::Restricts,
            JobKind::Adopt
            | JobKind::Leave
            | JobKind::Create
            | JobKind::Hold
            | JobKind::Chain
            | JobKind::Reconcile => Class::Works,
        }
    }
}

impl From<JobKind> for String {
    fn from(kind: JobKind) -> Self {
        kind.as_str().to_owned()
    }
}

impl JobWorker {
    pub(super) fn new(gateway: WorkerGateway, retention: Duration) -> Self {
        Self { gateway, retention }
    }

    /// Works until dropped. Jobs under way are given up where they stand; their checkpoints are in
    /// the ledger.
    pub async fn run(&self) {
        let Shared { ledger, clock, .. } = &*self.gateway.shared;
        match ledger.release_orphaned_leases(clock.now()).await {
            Ok(0) => {}
            Ok(jobs) => tracing::info!(jobs, "jobs of a process that ended are taken over"),
            Err(error) => tracing::warn!(%error, "jobs of a process that ended are left to wait"),
        }
        self.gateway.begin_reconciling().await;
        tokio::join!(
            self.serve(Class::Restricts),
            self.serve(Class::Works),
            self.take_up_unsettled(),
            self.forget_over(),
        );
    }

    /// Works on the jobs of a class, in the places of that class.
    async fn serve(&self, class: Class) {
        let kinds = JobKind::ALL.into_iter().filter(|kind| kind.class() == class);
        let kinds: Vec<&'static str> = kinds.map(JobKind::as_str).collect();
        let mut under_way = UnderWay::new();
        loop {
            let free = AT_ONCE.saturating_sub(u32::try_from(under_way.len()).unwrap_or(AT_ONCE));
            let news = self.gateway.shared.board.news.notified();
            for row in under_way.beside(self.lease(&kinds, free)).await {
                under_way.push(self.work(row));
            }
            tokio::select! {
                () = under_way.next() => {}
                () = news => {}
                () = self.gateway.shared.clock.sleep(POLL_INTERVAL) => {}
            }
        }
    }

    async fn take_up_unsettled(&self) {
        loop {
            self.gateway.take_up_unsettled().await;
            self.gateway.shared.clock.sleep(UNSETTLED_INTERVAL).await;
        }
    }

    /// Jobs that are over are of interest for a while.
    async fn forget_over(&self) {
        let Shared { ledger, clock, .. } = &*self.gateway.shared;
        loop {
            let before = clock.now() - self.retention;
            match ledger.forget_jobs(before, FORGOTTEN_AT_ONCE).await {
                Ok(forgotten) if forgotten >= u64::from(FORGOTTEN_AT_ONCE) => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "old jobs are not forgotten yet"),
            }
            clock.sleep(FORGET_INTERVAL).await;
        }
    }

    /// Gives the leases back, so that another process need not wait for their end.
    pub async fn release(&self) {
        let Shared { ledger, board, clock, .. } = &*self.gateway.shared;
        if let Err(error) = ledger.release_leases(board.owner, clock.now()).await {
            tracing::warn!(%error, "leases of jobs are not given back; they run out");
        }
    }

    /// Of these kinds only: what another version of the program knows to do waits for that one.
    async fn lease(&self, kinds: &[&'static str], free: u32) -> Vec<JobRow> {
        if free == 0 {
            return Vec::new();
        }
        let Shared { ledger, board, clock, .. } = &*self.gateway.shared;
        let now = clock.now();
        let leased = ledger.lease_jobs(board.owner, kinds.to_vec(), free, now + LEASE, now).await;
        leased.unwrap_or_else(|error| {
            tracing::warn!(%error, "jobs cannot be leased; it is tried again");
            Vec::new()
        })
    }

    async fn work(&self, row: JobRow) {
        let (job, kind, fence, attempt) = (row.uuid, row.kind.clone(), row.fence, row.attempt);
        tracing::debug!(%job, kind, attempt, "a worker takes up the job");
        let mut run = Run { gateway: &self.gateway, row };
        let outcome = match JobKind::from_term(&kind) {
            Some(JobKind::Adopt) => adoption::run(&mut run, TakeOver::Adopt).await,
            Some(JobKind::Leave) => adoption::run(&mut run, TakeOver::Leave).await,
            Some(JobKind::Create) => creation::run(&mut run).await,
            Some(JobKind::Hold) => holding::run(&mut run).await,
            Some(JobKind::Chain) => chaining::run(&mut run).await,
            Some(JobKind::End) => endings::run(&mut run).await,
            Some(JobKind::Unkept) => unkept::run(&mut run).await,
            Some(JobKind::Settle) => settling::run(&mut run).await,
            Some(JobKind::Reconcile) => reconcile::run(&mut run).await,
            None => Err(Stop::Failed("this program knows no such kind of job".to_owned())),
        };
        let Shared { ledger, clock, board, .. } = &*self.gateway.shared;
        let now = clock.now();
        let turn = match outcome {
            Ok(answer) => Turn::Done { answer },
            Err(Stop::Later { at, why }) => {
                tracing::info!(%job, kind, %why, "the job cannot go on now; it goes on later");
                Turn::Postponed { run_at: at, error: why }
            }
            Err(Stop::Failed(why)) => {
                tracing::warn!(%job, kind, %why, "the job failed and is not tried again");
                Turn::Failed { error: why }
            }
            Err(Stop::Passing(why)) => {
                let run_at = now + retry::job_wait(attempt, clock.random_fraction());
                tracing::warn!(%job, kind, attempt, %run_at, %why,
                    "the job cannot go on now; it goes on then, from its last checkpoint");
                Turn::Postponed { run_at, error: why }
            }
        };
        if let Err(error) = ledger.end_turn((job, fence), turn, now).await {
            tracing::warn!(%job, kind, %error,
                "the end of a job's turn is not recorded; it goes on when its lease has run out");
        }
        board.news.notify_waiters();
    }
}

impl Run<'_> {
    /// What the last checkpoint says.
    pub fn checkpoint<T: DeserializeOwned + Default>(&self) -> Result<T, Stop> {
        match &self.row.checkpoint {
            None => Ok(T::default()),
            Some(text) => serde_json::from_str(text)
                .map_err(|_| Stop::Failed("the job's checkpoint cannot be read".to_owned())),
        }
    }

    /// What the job was given.
    pub fn input<T: DeserializeOwned>(&self) -> Result<T, Stop> {
        serde_json::from_str(&self.row.input)
            .map_err(|_| Stop::Failed("the job's input cannot be read".to_owned()))
    }

    /// One write: begun in the ledger, done, and kept as the new checkpoint. `work` is told whether
    /// the write may have been done before.
    pub async fn step<T: Serialize>(
        &mut self,
        name: &str,
        work: impl AsyncFnOnce(bool) -> Result<T, PlatformError>,
    ) -> Result<T, Stop> {
        let shared = &self.gateway.shared;
        let job = (self.row.uuid, self.row.fence);
        let in_doubt = self.row.in_doubt;
        let now = shared.clock.now();
        shared.ledger.begin_step(job, name.to_owned(), now + LEASE, now).await?;
        self.row.in_doubt = true;
        let done = work(in_doubt).await.map_err(|error| self.stop_for(&error))?;
        let checkpoint = serde_json::to_string(&done)
            .map_err(|_| Stop::Failed("a checkpoint cannot be written".to_owned()))?;
        let now = shared.clock.now();
        shared.ledger.end_step(job, checkpoint.clone(), now).await?;
        self.row.in_doubt = false;
        self.row.checkpoint = Some(checkpoint);
        shared.board.news.notify_waiters();
        Ok(done)
    }

    /// What an error means for the job.
    pub fn stop_for(&self, error: &PlatformError) -> Stop {
        let clock = &self.gateway.shared.clock;
        match retry::decide(error, self.row.attempt, clock.random_fraction(), clock.now()) {
            Decision::Again(at) => Stop::Later { at, why: error.to_string() },
            Decision::GiveUp => Stop::Failed(error.to_string()),
        }
    }
}

impl Stop {
    /// Whether the job goes on by itself.
    pub fn goes_on(&self) -> bool {
        match self {
            Stop::Later { .. } | Stop::Passing(_) => true,
            Stop::Failed(_) => false,
        }
    }
}

/// What the ledger does not take or cannot read it will not the next time; that it is away passes, and that
/// somebody else has the job by now ends this turn only.
impl From<LedgerError> for Stop {
    fn from(error: LedgerError) -> Self {
        GatewayError::from(error).into()
    }
}

impl From<GatewayError> for Stop {
    fn from(error: GatewayError) -> Self {
        let why = error.to_string();
        if error.passes() { Stop::Passing(why) } else { Stop::Failed(why) }
    }
}
