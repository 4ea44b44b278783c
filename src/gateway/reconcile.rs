//! Results that callbacks missed: attempts are asked for at their platforms until nothing more comes.
//!
//! A unit is a campaign's attempts of one day in its account's zone, or all of them where the platform
//! cannot select by day. A unit is open from the time on when its campaign may have dialled; it is read
//! again and again until its number stays the same, and closed only when the day has been over for
//! [`LATE_WINDOW`]. One job for each account does it, for good; its turns are short, and its lease
//! makes it the only one, also among replicas.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use jiff::civil::Date;
use jiff::{Span, Timestamp};
use uuid::Uuid;

use crate::domain::call::CallResult;
use crate::domain::ids::{AccountSlug, CampaignKey};
use crate::domain::listing::Window;
use crate::gateway::destinations::OperatorView;
use crate::gateway::error::GatewayError;
use crate::gateway::jobs::{JobKind, LEASE, Run, Stop};
use crate::gateway::{Home, Shared, WorkerGateway};
use crate::ledger::attempts::{AttemptRow, Recorded};
use crate::ledger::directory::DirectoryFilter;
use crate::ledger::jobs::{JobRow, NewJob};
use crate::ledger::journal::JournalEntry;
use crate::ledger::outbox::REASON_WAITS;
use crate::ledger::reconcile::{Candidate, DueUnit, Unit, UnitReading};
use crate::platforms::{AttemptQuery, PlatformError, PlatformErrorKind};
use crate::transport::pacing::Lane;

pub use crate::ledger::reconcile::ReconcileState;

/// Of the names of the jobs.
const JOBS: Uuid = Uuid::from_u128(0x4d1c_77a2_9b1e_4f0c_8a53_2f6e_90b4_c1d7);
/// A day is complete when it has been over for so long: platforms tell results late.
pub const LATE_WINDOW: Duration = Duration::from_hours(48);
/// How often days before yesterday are read while they are open.
const OLDER_INTERVAL: Duration = Duration::from_hours(6);
/// Days before today that are asked about when a campaign is met for the first time; more on request.
pub const FIRST_DAYS: i32 = 7;
/// Days that a request may go back.
pub const MAX_DAYS_BACK: i32 = 366;
/// A turn begins no unit after this: others wait for their turn.
const TURN: Duration = Duration::from_secs(10);
/// Units that are read at a time.
const UNITS_AT_ONCE: usize = 4;
/// Calls that a turn asks for, and how many at a time.
const CALLS_PER_TURN: u32 = 300;
const CALLS_AT_ONCE: usize = 4;
/// An event that tells how a call ended may come so long after its end.
const EVENTS_MAY_COME: Duration = Duration::from_secs(60);
const UNITS_LISTED: u32 = 100;
const CANDIDATES_AT_ONCE: u32 = 200;
const CAMPAIGNS_AT_ONCE: u32 = 500;
/// How long an account that does not answer is left alone.
const AFTER_TROUBLE: Duration = Duration::from_secs(60);

/// What an operator asks for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// This campaign only.
    pub campaign: Option<Uuid>,
    /// From this day on, in the account's zone.
    pub since: Option<Date>,
}

/// The attempt of each account up to which calls were asked for, in this process.
pub(super) type AskedUpTo = Mutex<HashMap<AccountSlug, Uuid>>;

/// How a unit was read, or a call.
enum Read {
    Done,
    /// The turn is over; the next begins the unit anew, or asks for the call.
    OutOfTime,
    Trouble(PlatformError),
    Lost(GatewayError),
}

impl WorkerGateway {
    /// Makes sure that each account has its job.
    pub(super) async fn begin_reconciling(&self) {
        if self.shared.reconcile_interval.is_none() {
            return;
        }
        for account in self.homes.keys() {
            if let Err(error) = self.submit(self.standing_job(account, "gateway")).await {
                tracing::error!(%account, %error, "missed results are not asked for");
            }
        }
    }

    fn standing_job(&self, account: &AccountSlug, actor: &str) -> NewJob {
        let clock = &self.shared.clock;
        NewJob {
            uuid: clock.new_uuid(),
            kind: JobKind::Reconcile.into(),
            subject: Some(Uuid::new_v5(&JOBS, account.as_str().as_bytes())),
            account: account.clone(),
            actor: actor.to_owned(),
            request_id: None,
            input: "{}".to_owned(),
            run_at: clock.now(),
        }
    }

    /// Asks for attempts again, from a day on; answers how many units were opened, and the job that
    /// reads them.
    ///
    /// # Errors
    /// `Invalid` when the day is too far back or in the future.
    pub async fn reconcile(
        &self,
        operator: OperatorView<'_>,
        account: &AccountSlug,
        wanted: Wanted,
    ) -> Result<Option<(u64, JobRow)>, GatewayError> {
        let Some(home) = self.homes.get(account).filter(|_| operator.accounts.contains(account))
        else {
            return Ok(None);
        };
        let today = home.today(self.shared.clock.now());
        let since = wanted.since.unwrap_or(today);
        if since > today || since < today.saturating_sub(days(MAX_DAYS_BACK)) {
            return Err(GatewayError::invalid("since", "a day of the last 366 is expected"));
        }
        let campaigns = match wanted.campaign {
            None => self.campaigns_of(account).await?,
            Some(uuid) => {
                let found = self.shared.ledger.find_campaign(CampaignKey::Uuid(uuid)).await?;
                let found = found.filter(|identity| identity.home == *account);
                found.map(|identity| identity.uuid).into_iter().collect()
            }
        };
        let mut opened = 0;
        for campaign in campaigns {
            let units = home.units(since, today).map(|unit| (campaign, unit));
            opened += self.shared.ledger.open_units(units.collect()).await?;
        }
        self.journal_request(operator, account, since, opened).await?;
        let job = self.submit(self.standing_job(account, operator.name)).await?;
        let now = self.shared.clock.now();
        let job = self.shared.ledger.hasten_job(job.uuid, now).await?.unwrap_or(job);
        self.shared.tell_jobs();
        Ok(Some((opened, job)))
    }

    /// How far each of the operator's accounts is.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn reconcile_states(
        &self,
        operator: OperatorView<'_>,
    ) -> Result<Vec<ReconcileState>, GatewayError> {
        let mut states = self.shared.ledger.reconcile_states().await?;
        states.retain(|state| operator.accounts.contains(&state.account));
        Ok(states)
    }

    async fn journal_request(
        &self,
        operator: OperatorView<'_>,
        account: &AccountSlug,
        since: Date,
        opened: u64,
    ) -> Result<(), GatewayError> {
        let entry = JournalEntry {
            after: Some(account.to_string()),
            reason: Some(format!("since {since}: {opened} units")),
            ..JournalEntry::new(self.shared.clock.now(), operator.name, "reconcile")
        };
        Ok(self.shared.ledger.append_journal(entry).await?)
    }

    async fn campaigns_of(&self, account: &AccountSlug) -> Result<Vec<Uuid>, GatewayError> {
        let filter =
            DirectoryFilter { accounts: vec![account.clone()], ..DirectoryFilter::default() };
        let mut campaigns = Vec::new();
        let mut before = None;
        loop {
            let window = Window::Before { list_at: before, limit: CAMPAIGNS_AT_ONCE };
            let page = self.shared.ledger.list_directory(filter.clone(), window).await?;
            let Some(last) = page.entries.last() else { return Ok(campaigns) };
            before = Some(last.identity.list_at);
            campaigns.extend(page.entries.iter().map(|entry| entry.identity.uuid));
        }
    }
}

impl Home {
    fn today(&self, now: Timestamp) -> Date {
        now.to_zoned(self.context.zone.clone()).date()
    }

    /// The units from one day to another.
    fn units(&self, from: Date, to: Date) -> Box<dyn Iterator<Item = Unit> + Send> {
        if self.adapter.selects_attempts_by_day() {
            let later = move |day: &Date| day.tomorrow().ok().filter(|day| *day <= to);
            Box::new(std::iter::successors(Some(from.min(to)), later).map(Unit::Day))
        } else {
            Box::new(std::iter::once(Unit::All))
        }
    }
}

/// One turn: opens what may be new, and reads what is due.
pub(super) async fn run(run: &mut Run<'_>) -> Result<Option<String>, Stop> {
    let gateway = run.gateway;
    let account = run.row.account.clone();
    let standing = gateway.shared.reconcile_interval;
    // On request only: then the job ends when nothing is due.
    let interval = standing.unwrap_or(OLDER_INTERVAL);
    let Some(home) = gateway.homes.get(&account) else { return Ok(None) };
    let clock = &gateway.shared.clock;
    let began = clock.now();
    let mut turn = Turn {
        gateway,
        home,
        account: &account,
        interval,
        ends_at: began + TURN,
        job: (run.row.uuid, run.row.fence),
        renews_at: Mutex::new(began + LEASE / 3),
        has_warned: AtomicBool::new(false),
    };
    if standing.is_some() {
        turn.open_news(began).await?;
    }
    let outcome = match turn.read_due().await {
        Ok(is_all) => {
            turn.ends_at = clock.now() + TURN;
            turn.explain().await.map(|explained| explained && is_all)
        }
        outcome => outcome,
    };
    let now = clock.now();
    let (at, why) = match outcome {
        Ok(true) if standing.is_none() => return Ok(None),
        Ok(true) => (now + interval.min(LOOK_FOR_NEWS), "nothing is due".to_owned()),
        Ok(false) => (now, "more is due".to_owned()),
        Err(Trouble::Platform(error)) => {
            let pause = error.retry_after.unwrap_or_default().max(AFTER_TROUBLE);
            (now + pause, error.to_string())
        }
        Err(Trouble::Gateway(error)) => return Err(error.into()),
    };
    Err(Stop::Later { at, why })
}

/// How often campaigns are looked at that may have begun to dial.
const LOOK_FOR_NEWS: Duration = Duration::from_secs(60);
/// Failures whose receivers wait for the reason are explained in time where no event does it, as long as
/// there are not more of them than [`CALLS_PER_TURN`], and no unit takes longer than a turn.
const _: () = assert!(
    EVENTS_MAY_COME.as_secs() + LOOK_FOR_NEWS.as_secs() + 2 * TURN.as_secs()
        < REASON_WAITS.as_secs()
);

/// Why a turn ends early.
enum Trouble {
    Platform(PlatformError),
    Gateway(GatewayError),
}

struct Turn<'a> {
    gateway: &'a WorkerGateway,
    home: &'a Home,
    account: &'a AccountSlug,
    interval: Duration,
    ends_at: Timestamp,
    job: (Uuid, i64),
    renews_at: Mutex<Timestamp>,
    /// The log says once in a turn that calls cannot be read.
    has_warned: AtomicBool,
}

impl Turn<'_> {
    /// Keeps the lease while a long unit is read.
    async fn renew(&self) -> Result<(), Trouble> {
        let Shared { ledger, clock, .. } = &*self.gateway.shared;
        let now = clock.now();
        {
            let mut renews_at = self.renews_at.lock().unwrap_or_else(PoisonError::into_inner);
            if now < *renews_at {
                return Ok(());
            }
            *renews_at = now + LEASE / 3;
        }
        Ok(ledger.renew_lease(self.job, now + LEASE).await?)
    }

    /// Opens the days on which campaigns may have dialled since they were last asked about.
    async fn open_news(&self, now: Timestamp) -> Result<(), Stop> {
        let ledger = &self.gateway.shared.ledger;
        let today = self.home.today(now);
        let mut after = 0;
        loop {
            let found = ledger
                .reconcile_candidates(self.account.clone(), after, CANDIDATES_AT_ONCE)
                .await?;
            let Some(last) = found.last() else { return Ok(()) };
            after = last.number;
            let units = found.iter().flat_map(|candidate| self.news_of(candidate, today));
            ledger.open_units(units.collect()).await?;
        }
    }

    fn news_of(&self, candidate: &Candidate, today: Date) -> Vec<(Uuid, Unit)> {
        let from = match candidate.last {
            // One that still dials is open for as long as it does.
            Some(Unit::All) if !candidate.is_active => return Vec::new(),
            Some(Unit::All) => today,
            Some(Unit::Day(day)) => day.tomorrow().unwrap_or(day).min(today),
            None => {
                let earliest = today.saturating_sub(days(FIRST_DAYS));
                let made = candidate.created_at.map(|at| self.home.today(at));
                made.map_or(earliest, |made| made.clamp(earliest, today))
            }
        };
        let units = self.home.units(from, today);
        units.map(|unit| (candidate.campaign, unit)).collect()
    }

    /// True when nothing more is due.
    async fn read_due(&self) -> Result<bool, Trouble> {
        let Shared { ledger, clock, .. } = &*self.gateway.shared;
        let mut tried: HashSet<(Uuid, Unit)> = HashSet::new();
        loop {
            let now = clock.now();
            let yesterday = self.home.today(now).saturating_sub(days(1));
            let older = OLDER_INTERVAL.max(self.interval);
            let before = (now - self.interval, now - older);
            let due =
                ledger.due_units(self.account.clone(), yesterday, before, UNITS_LISTED).await?;
            let due: Vec<DueUnit> =
                due.into_iter().filter(|due| tried.insert((due.campaign, due.unit))).collect();
            if due.is_empty() {
                return Ok(true);
            }
            let reads: Vec<BoxFuture<'_, Read>> =
                due.iter().map(|due| Box::pin(self.read(due)) as BoxFuture<'_, Read>).collect();
            if !self.all_done(reads, UNITS_AT_ONCE).await? {
                return Ok(false);
            }
        }
    }

    /// Does so many at a time; false when the turn was over before all were done.
    async fn all_done(
        &self,
        reads: Vec<BoxFuture<'_, Read>>,
        at_once: usize,
    ) -> Result<bool, Trouble> {
        let mut reading = stream::iter(reads).buffer_unordered(at_once);
        while let Some(read) = reading.next().await {
            match read {
                Read::Done => {}
                Read::OutOfTime => return Ok(false),
                Read::Trouble(error) => return Err(Trouble::Platform(error)),
                Read::Lost(error) => return Err(Trouble::Gateway(error)),
            }
        }
        Ok(true)
    }

    /// Asks for the calls behind attempts of which no event told how they ended: those first that a
    /// receiver waits for, then the others, after those that were asked for before. True when none is left
    /// for this turn.
    async fn explain(&self) -> Result<bool, Trouble> {
        let Shared { ledger, clock, asked_up_to, .. } = &*self.gateway.shared;
        let (account, now) = (self.account, clock.now());
        let over_before = now - EVENTS_MAY_COME;
        let span = (now, now + REASON_WAITS);
        let awaited =
            ledger.awaited_attempts(account.clone(), over_before, span, CALLS_PER_TURN).await?;
        let ids: HashSet<Uuid> = awaited.iter().map(|row| row.uuid).collect();
        let rest = CALLS_PER_TURN.saturating_sub(u32::try_from(ids.len()).unwrap_or(u32::MAX));
        let known = || asked_up_to.lock().unwrap_or_else(PoisonError::into_inner);
        let after = known().get(account).copied();
        let others = ledger.unexplained_attempts(account.clone(), over_before, after, rest).await?;
        let is_end = others.len() < usize::try_from(rest).unwrap_or(usize::MAX);
        let in_turn = async |row: &AttemptRow| {
            let read = self.explain_one(row).await;
            if matches!(read, Read::Done) {
                known().insert(account.clone(), row.uuid);
            }
            read
        };
        let first =
            awaited.iter().map(|row| -> BoxFuture<'_, Read> { Box::pin(self.explain_one(row)) });
        let then = others.iter().filter(|row| !ids.contains(&row.uuid));
        let then = then.map(|row| -> BoxFuture<'_, Read> { Box::pin(in_turn(row)) });
        let asked: Vec<BoxFuture<'_, Read>> = first.chain(then).collect();
        if !self.all_done(asked, CALLS_AT_ONCE).await? {
            return Ok(false);
        }
        if is_end {
            // The next turn begins with the oldest again: what was not answered may be now.
            known().remove(account);
        }
        Ok(true)
    }

    async fn explain_one(&self, row: &AttemptRow) -> Read {
        let Shared { ledger, clock, outbox, .. } = &*self.gateway.shared;
        let now = clock.now();
        if now >= self.ends_at {
            return Read::OutOfTime;
        }
        let explained = async {
            self.renew().await?;
            let raw = row.raw.as_bytes();
            let explained = match self.home.adapter.explain_attempt(Lane::Enrichment, raw).await {
                Ok(explained) => explained,
                // It says nothing of the call for good: the permission, or what answers, may be mended.
                Err(error) if is_about_one(&error) => {
                    if !self.has_warned.swap(true, Ordering::Relaxed) {
                        tracing::warn!(account = %self.account, attempt = %row.uuid, %error,
                            "why calls ended could not be read; each is asked for again until 48 h after its end");
                    }
                    if now < row.attempt.ended_at.unwrap_or(row.list_at) + LATE_WINDOW {
                        return Ok(());
                    }
                    None
                }
                Err(error) => return Err(Trouble::Platform(error)),
            };
            ledger.explain_attempt(row.uuid, explained, clock.now()).await?;
            outbox.tell();
            Ok(())
        };
        match explained.await {
            Ok(()) => Read::Done,
            Err(Trouble::Platform(error)) => Read::Trouble(error),
            Err(Trouble::Gateway(error)) => Read::Lost(error),
        }
    }

    async fn read(&self, due: &DueUnit) -> Read {
        if self.gateway.shared.clock.now() >= self.ends_at {
            return Read::OutOfTime;
        }
        match self.read_pages(due).await {
            Ok(Some(reading)) => {
                let now = self.gateway.shared.clock.now();
                match self.gateway.shared.ledger.settle_unit(reading, now).await {
                    Ok(()) => Read::Done,
                    Err(error) => Read::Lost(error.into()),
                }
            }
            Ok(None) => Read::Done,
            Err(Trouble::Gateway(error)) => Read::Lost(error),
            Err(Trouble::Platform(error)) if is_about_one(&error) => {
                let (campaign, account) = (due.campaign, self.account);
                tracing::warn!(%account, %campaign, %error, "its attempts cannot be read");
                Read::Done
            }
            Err(Trouble::Platform(error)) => Read::Trouble(error),
        }
    }

    /// Reads a unit to its end, or to what is known and over; None when its campaign is gone.
    async fn read_pages(&self, due: &DueUnit) -> Result<Option<UnitReading>, Trouble> {
        let ledger = &self.gateway.shared.ledger;
        let open_from = ledger.oldest_open_attempt(due.campaign).await?;
        let span = match due.unit {
            Unit::Day(day) => Some((day, day)),
            Unit::All => None,
        };
        let mut query = AttemptQuery { days: span, ..AttemptQuery::default() };
        let (mut read, mut news, mut total) = (0_u64, 0_u64, None);
        loop {
            self.renew().await?;
            let page = self.home.adapter.attempts(Lane::Reconcile, &due.native, &query).await;
            let page = match page {
                Err(error) if error.kind == PlatformErrorKind::NotFound => return Ok(None),
                page => page.map_err(Trouble::Platform)?,
            };
            total = page.total.or(total);
            read += u64::try_from(page.attempts.len()).unwrap_or(u64::MAX);
            let place = (self.account, due.campaign);
            let recorded = self.gateway.record_page(place, page.attempts).await;
            let recorded = recorded.map_err(Trouble::Gateway)?;
            let fresh = recorded.iter().filter(|(_, recorded)| *recorded != Recorded::Known);
            let fresh = fresh.count();
            news += u64::try_from(fresh).unwrap_or(u64::MAX);
            // Lists without days go from the newest to the oldest.
            let is_known = due.unit == Unit::All
                && fresh == 0
                && recorded.iter().all(|(row, _)| {
                    row.attempt.result != CallResult::InProgress
                        && open_from.is_none_or(|from| row.list_at < from)
                });
            match page.next {
                Some(next) if !is_known => query.cursor = Some(next),
                _ => break,
            }
        }
        let has_open = ledger.oldest_open_attempt(due.campaign).await?.is_some();
        let total = total.unwrap_or(read);
        let is_stable = match due.unit {
            Unit::Day(_) => due.total == Some(total) && read >= total && news == 0,
            Unit::All => due.total.is_some() && news == 0,
        };
        Ok(Some(UnitReading {
            campaign: due.campaign,
            unit: due.unit,
            total,
            was_active: due.is_active,
            is_complete: is_stable && !has_open && self.is_past(due),
        }))
    }

    /// Whether nothing is expected of a unit any more.
    fn is_past(&self, due: &DueUnit) -> bool {
        let now = self.gateway.shared.clock.now();
        let is_late = |end: Timestamp| now >= end + LATE_WINDOW;
        match due.unit {
            Unit::Day(day) => {
                let end = day.tomorrow().ok().and_then(|next| {
                    Some(next.to_zoned(self.home.context.zone.clone()).ok()?.timestamp())
                });
                end.is_some_and(is_late)
            }
            Unit::All => !due.is_active && due.active_at.is_none_or(is_late),
        }
    }
}

/// Whether an error may be about one campaign or call, so that the account's others are asked for.
fn is_about_one(error: &PlatformError) -> bool {
    matches!(
        error.kind,
        PlatformErrorKind::Invalid
            | PlatformErrorKind::State
            | PlatformErrorKind::Malformed
            | PlatformErrorKind::TooLarge
            | PlatformErrorKind::Forbidden
            | PlatformErrorKind::Unsupported
    )
}

fn days(count: i32) -> Span {
    Span::new().days(count)
}

impl From<crate::ledger::LedgerError> for Trouble {
    fn from(error: crate::ledger::LedgerError) -> Self {
        Trouble::Gateway(error.into())
    }
}
