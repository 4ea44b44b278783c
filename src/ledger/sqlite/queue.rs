//! What waits for the writer, and what of it joins a transaction: first who gives up when not answered at
//! once, then who waits, and of what nobody waits for as little beside them as keeps it going.

use std::collections::VecDeque;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::ledger::statements::Haste;

use super::writer::Job;

/// Verbs that share one commit at most.
pub const MAX_BATCH_JOBS: usize = 1024;
/// Jobs that are looked at together to find the urgent ones.
const MAX_QUEUED_JOBS: usize = 4096;
/// After so many transactions without an urgent job the next one is not expected any more.
const CALM_AFTER: usize = 32;
/// Jobs of either kind that go into a transaction while urgent ones are expected: these wait for all
/// of it.
const SOON_BESIDE_URGENT: usize = 8;
const BACKGROUND_BESIDE_URGENT: usize = 1;
/// After this long only what is urgent joins a transaction: whoever waits, waits for all of it. As long as
/// nobody does it may take longer, for each commit writes the same pages again.
const TRANSACTION_BUDGET: Duration = Duration::from_millis(20);
const UNAWAITED_BUDGET: Duration = Duration::from_millis(100);
/// So many urgent jobs in the last four transactions or so are a burst. While it lasts there is one job in
/// the background for so many urgent ones; it is over when none comes for so long.
const BURST_JOBS: usize = 32;
const URGENT_FOR_BACKGROUND: usize = 4096;
const QUIET: Duration = Duration::from_millis(1);

/// A job that waits for the writer.
pub struct Waiting {
    pub job: Box<dyn Job>,
    pub haste: Haste,
}

/// What waits.
#[derive(Default)]
pub struct Queue {
    urgent: VecDeque<Box<dyn Job>>,
    soon: VecDeque<Box<dyn Job>>,
    background: VecDeque<Box<dyn Job>>,
    /// How many more of these the transaction takes.
    room: (usize, usize),
    /// Transactions since the last urgent job.
    calm: usize,
    /// Urgent jobs of late.
    recent: usize,
    /// Urgent jobs since the last one in the background.
    earned: usize,
    /// Somebody waits for the end of the transaction.
    is_awaited: bool,
}

impl Queue {
    /// Waits for something to do; false when nobody can ask for anything any more.
    pub fn wait(&mut self, jobs: &Receiver<Waiting>) -> bool {
        if self.len() == 0 {
            match jobs.recv() {
                Ok(waiting) => self.put(waiting),
                Err(_) => return false,
            }
        } else if self.is_burst() && self.urgent.is_empty() && self.soon.is_empty() {
            match jobs.recv_timeout(QUIET) {
                Ok(waiting) => self.put(waiting),
                Err(_) => self.recent = 0,
            }
        }
        self.take_in(jobs);
        true
    }

    /// As long as nobody waits for the transaction, whoever comes now joins it and ends it soon. Where somebody
    /// does, the others wait for the next one: if all were in one, nobody would work while it is synced.
    pub fn look_for_company(&mut self, jobs: &Receiver<Waiting>) {
        if !self.is_awaited {
            self.take_in(jobs);
        }
    }

    /// Takes what has come, and does not wait for more.
    fn take_in(&mut self, jobs: &Receiver<Waiting>) {
        while self.len() < MAX_QUEUED_JOBS
            && let Ok(waiting) = jobs.try_recv()
        {
            self.put(waiting);
        }
    }

    pub fn is_burst(&self) -> bool {
        self.recent >= BURST_JOBS
    }

    fn len(&self) -> usize {
        self.urgent.len() + self.soon.len() + self.background.len()
    }

    fn put(&mut self, waiting: Waiting) {
        self.is_awaited |= waiting.haste != Haste::Background;
        let queue = match waiting.haste {
            Haste::Urgent => &mut self.urgent,
            Haste::Soon => &mut self.soon,
            Haste::Background => &mut self.background,
        };
        queue.push_back(waiting.job);
    }

    /// A transaction begins.
    pub fn begin(&mut self) {
        let urgent = self.urgent.len();
        self.is_awaited = urgent > 0 || !self.soon.is_empty();
        self.calm = if urgent == 0 { self.calm.saturating_add(1) } else { 0 };
        self.recent = self.recent * 3 / 4 + urgent;
        self.earned = self.earned.saturating_add(urgent);
        self.room = if self.calm > CALM_AFTER {
            (MAX_BATCH_JOBS, MAX_BATCH_JOBS)
        } else if !self.is_burst() || self.earned >= URGENT_FOR_BACKGROUND {
            self.earned = 0;
            (SOON_BESIDE_URGENT, BACKGROUND_BESIDE_URGENT)
        } else {
            (SOON_BESIDE_URGENT, 0)
        };
    }

    /// What joins a transaction that has taken so long.
    pub fn next(&mut self, taken: Duration) -> Option<Box<dyn Job>> {
        if let Some(job) = self.urgent.pop_front() {
            return Some(job);
        }
        if taken >= if self.is_awaited { TRANSACTION_BUDGET } else { UNAWAITED_BUDGET } {
            return None;
        }
        let Queue { soon, background, room, .. } = self;
        for (queue, room) in [(soon, &mut room.0), (background, &mut room.1)] {
            if *room > 0
                && let Some(job) = queue.pop_front()
            {
                *room -= 1;
                return Some(job);
            }
        }
        None
    }
}
