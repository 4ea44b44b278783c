//! Pacing: how many requests per second an account sends, and whose turn it is.
//!
//! An account's rate is split over three *shares*: stops, the facades, and background work. A lane
//! takes from its own share first and borrows from another one that nobody waits for; nobody
//! borrows from the stops, and while a stop waits every place is its. So stops go out at once even
//! while a burst of reads waits, background work is never starved by the facades, and an idle share
//! is not wasted. Within a share the lanes have an order.

use std::num::NonZeroU32;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use jiff::Timestamp;

use crate::clock::Clock;

/// Most requests of one lane that wait for their turn; one more is refused at once.
pub const MAX_WAITING_PER_LANE: usize = 1024;
/// Longest wait for a turn, by lane: a facade answers within 25 s altogether.
pub const MAX_WAIT_STOP: Duration = Duration::from_secs(20);
pub const MAX_WAIT_FACADE: Duration = Duration::from_secs(10);
pub const MAX_WAIT_BACKGROUND: Duration = Duration::from_secs(60);
/// The part of the rate that each share is sure of, in percent (they add up to 100).
pub const STOP_SHARE_PERCENT: u32 = 20;
pub const FACADE_SHARE_PERCENT: u32 = 60;
pub const BACKGROUND_SHARE_PERCENT: u32 = 20;
/// Longest pause that a platform may impose with Retry-After.
pub const MAX_PAUSE: Duration = Duration::from_secs(300);

/// For what a request is sent, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Stopping a campaign, by hand or by the guard.
    Stop,
    FacadeWrite,
    FacadeRead,
    Reconcile,
    Migration,
    Enrichment,
}

/// The turn did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotYourTurn {
    pub retry_after: Duration,
}

/// Shared by all workers.
#[derive(Debug)]
pub struct Pacer {
    clock: Clock,
    /// None: the platform states no rate.
    shares: Option<[Share; 3]>,
    lanes: [Waiting; Lane::COUNT],
    paused_until: Mutex<Option<Timestamp>>,
}

#[derive(Debug)]
struct Share {
    limiter: RateLimiter<NotKeyed, InMemoryState, PaceClock, NoOpMiddleware<Duration>>,
    /// Between two places.
    period: Duration,
}

/// Time for the rate limiter, counted from when the pacer was made.
#[derive(Debug, Clone)]
struct PaceClock {
    clock: Clock,
    origin: Timestamp,
}

/// The requests of one lane that wait. Only the one that holds `turn` asks for a place.
#[derive(Debug, Default)]
struct Waiting {
    count: AtomicUsize,
    turn: tokio::sync::Mutex<()>,
}

struct Counted<'a>(&'a AtomicUsize);

impl Lane {
    const COUNT: usize = 6;

    fn index(self) -> usize {
        self as usize
    }

    /// Index of the share that the lane lives on.
    fn share(self) -> usize {
        match self {
            Lane::Stop => 0,
            Lane::FacadeWrite | Lane::FacadeRead => 1,
            Lane::Reconcile | Lane::Migration | Lane::Enrichment => 2,
        }
    }

    /// Lanes that live on a share, as a range of indices.
    fn of_share(share: usize) -> std::ops::Range<usize> {
        match share {
            0 => 0..1,
            1 => 1..3,
            _ => 3..Lane::COUNT,
        }
    }

    pub fn max_wait(self) -> Duration {
        match self {
            Lane::Stop => MAX_WAIT_STOP,
            Lane::FacadeWrite | Lane::FacadeRead => MAX_WAIT_FACADE,
            Lane::Reconcile | Lane::Migration | Lane::Enrichment => MAX_WAIT_BACKGROUND,
        }
    }
}

impl Pacer {
    /// `requests_per_second` over all lanes; None = no limit.
    pub fn new(requests_per_second: Option<u32>, clock: Clock) -> Self {
        let pace = PaceClock { origin: clock.now(), clock: clock.clone() };
        let shares = requests_per_second.filter(|&rate| rate > 0).map(|rate| {
            [STOP_SHARE_PERCENT, FACADE_SHARE_PERCENT, BACKGROUND_SHARE_PERCENT]
                .map(|percent| Share::new(rate, percent, pace.clone()))
        });
        Self { clock, shares, lanes: Default::default(), paused_until: Mutex::new(None) }
    }

    /// Returns when a request of this lane may be sent.
    ///
    /// # Errors
    /// When too many wait already, or the lane's longest wait is over.
    pub async fn turn(&self, lane: Lane) -> Result<(), NotYourTurn> {
        let waiting = &self.lanes[lane.index()];
        // Nobody before us: most requests end here, without a timer.
        if waiting.count.load(Ordering::Acquire) == 0 && self.try_take(lane).is_ok() {
            return Ok(());
        }
        let max_wait = lane.max_wait();
        if waiting.count.fetch_add(1, Ordering::AcqRel) >= MAX_WAITING_PER_LANE {
            waiting.count.fetch_sub(1, Ordering::AcqRel);
            return Err(NotYourTurn { retry_after: max_wait });
        }
        let _counted = Counted(&waiting.count);
        let place = std::pin::pin!(async {
            let _turn = waiting.turn.lock().await;
            while let Err(wait) = self.try_take(lane) {
                self.clock.sleep(wait).await;
            }
        });
        match select(place, std::pin::pin!(self.clock.sleep(max_wait))).await {
            Either::Left(_) => Ok(()),
            Either::Right(_) => Err(NotYourTurn { retry_after: max_wait }),
        }
    }

    /// The platform asked to be left alone for `pause` (Retry-After); stops wait, too.
    pub fn pause(&self, pause: Duration) {
        let until = self.clock.now() + pause.min(MAX_PAUSE);
        let mut paused_until = self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        *paused_until = (*paused_until).max(Some(until));
    }

    /// Takes a place now, or says when to ask again.
    fn try_take(&self, lane: Lane) -> Result<(), Duration> {
        if let Some(left) = self.pause_left() {
            return Err(left);
        }
        let Some(shares) = &self.shares else { return Ok(()) };
        let own = lane.share();
        let stop_waits = lane != Lane::Stop && self.anyone_waits(Lane::of_share(0));
        let outranked = stop_waits || self.anyone_waits(Lane::of_share(own).start..lane.index());
        if outranked {
            // The lane before us takes the next place; look again after one has come.
            return Err(shares[own].period);
        }
        let Err(mut soonest) = shares[own].take() else { return Ok(()) };
        for (index, share) in shares.iter().enumerate().skip(1).filter(|(index, _)| *index != own) {
            // Only a stop may take what others wait for.
            if lane == Lane::Stop || !self.anyone_waits(Lane::of_share(index)) {
                match share.take() {
                    Ok(()) => return Ok(()),
                    Err(wait) => soonest = soonest.min(wait),
                }
            }
        }
        Err(soonest)
    }

    fn anyone_waits(&self, lanes: std::ops::Range<usize>) -> bool {
        self.lanes[lanes].iter().any(|lane| lane.count.load(Ordering::Acquire) > 0)
    }

    fn pause_left(&self) -> Option<Duration> {
        let mut paused_until = self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        let left = Duration::try_from((*paused_until)?.duration_since(self.clock.now())).ok();
        let left = left.filter(|left| !left.is_zero());
        if left.is_none() {
            *paused_until = None;
        }
        left
    }
}

impl Share {
    /// `percent` of `rate` per second, with a burst of one second's worth.
    fn new(rate: u32, percent: u32, clock: PaceClock) -> Self {
        let per_second = f64::from(rate) * f64::from(percent) / 100.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "<= rate")]
        let burst = NonZeroU32::new(per_second as u32).unwrap_or(NonZeroU32::MIN);
        let period = Duration::from_secs_f64(1.0 / per_second);
        // The period is never zero: rates are 32-bit.
        let quota = Quota::with_period(period).unwrap_or(Quota::per_second(burst));
        let limiter = RateLimiter::direct_with_clock(quota.allow_burst(burst), clock);
        Self { limiter, period }
    }

    /// Takes a place now, or says when there will be one.
    fn take(&self) -> Result<(), Duration> {
        self.limiter.check().map_err(|not_until| {
            let now = governor::clock::Clock::now(self.limiter.clock());
            // Our clock has microseconds: asking a little late beats asking twice.
            not_until.wait_time_from(now) + Duration::from_micros(1)
        })
    }
}

impl governor::clock::Clock for PaceClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::try_from(self.clock.now().duration_since(self.origin)).unwrap_or_default()
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
