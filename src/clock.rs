//! The door to time, randomness and new ids. Nothing else in the crate reads them.
//!
//! Three kinds: *real*; *scaled* (durations and pacing run faster, the time of day does not: a
//! signature made with scaled time would be refused elsewhere, so `wall` is always real); *virtual*
//! (time stands until a test or a rehearsal moves it).

use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use tokio::sync::oneshot;
use uuid::Uuid;

/// A cheap handle; clones share the same time and the same randomness.
#[derive(Clone)]
pub struct Clock {
    inner: Arc<Inner>,
}

/// Measures what the machine takes, whatever the clock says.
#[derive(Clone, Copy)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "the clock is the door to time")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

struct Inner {
    kind: Kind,
    random: Mutex<StdRng>,
}

enum Kind {
    Real,
    Scaled { factor: f64, origin: Timestamp },
    Virtual(Mutex<VirtualTime>),
}

struct VirtualTime {
    now: Timestamp,
    sleepers: BinaryHeap<Sleeper>,
    next_order: u64,
}

/// Ordered so that the heap's top is the sleeper that is due first, earliest caller first.
struct Sleeper {
    due: Timestamp,
    order: u64,
    wake: oneshot::Sender<()>,
}

impl Clock {
    pub fn real() -> Self {
        Self::new(Kind::Real, StdRng::from_os_rng())
    }

    /// Time that passes `factor` times as fast from now on (`factor` > 0). For simulators, pacing
    /// and the demo; signatures use [`Clock::wall`].
    #[expect(clippy::disallowed_methods, reason = "the clock is the door to time")]
    pub fn scaled(factor: f64, seed: Option<u64>) -> Self {
        let random = seed.map_or_else(StdRng::from_os_rng, StdRng::seed_from_u64);
        Self::new(Kind::Scaled { factor, origin: Timestamp::now() }, random)
    }

    /// Time that stands at `start` until [`Clock::advance`]; randomness from `seed`.
    pub fn virtual_at(start: Timestamp, seed: u64) -> Self {
        let time = VirtualTime { now: start, sleepers: BinaryHeap::new(), next_order: 0 };
        Self::new(Kind::Virtual(Mutex::new(time)), StdRng::seed_from_u64(seed))
    }

    fn new(kind: Kind, random: StdRng) -> Self {
        Self { inner: Arc::new(Inner { kind, random: Mutex::new(random) }) }
    }

    /// The time by which work is scheduled and recorded, in microseconds resolution.
    pub fn now(&self) -> Timestamp {
        let now = match &self.inner.kind {
            Kind::Real => self.wall(),
            Kind::Scaled { factor, origin } => {
                let real = self.wall().duration_since(*origin).as_secs_f64();
                *origin + SignedDuration::from_secs_f64(real * factor)
            }
            Kind::Virtual(time) => time.lock().unwrap_or_else(PoisonError::into_inner).now,
        };
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    /// The time of day that other machines would agree with; only a virtual clock differs.
    #[expect(clippy::disallowed_methods, reason = "the clock is the door to time")]
    pub fn wall(&self) -> Timestamp {
        match &self.inner.kind {
            Kind::Virtual(_) => self.now(),
            Kind::Real | Kind::Scaled { .. } => Timestamp::now(),
        }
    }

    /// Waits for `duration` of this clock's time.
    #[expect(clippy::disallowed_methods, reason = "the clock is the door to time")]
    pub async fn sleep(&self, duration: Duration) {
        match &self.inner.kind {
            Kind::Real => tokio::time::sleep(duration).await,
            Kind::Scaled { factor, .. } => {
                tokio::time::sleep(Duration::from_secs_f64(duration.as_secs_f64() / factor)).await;
            }
            Kind::Virtual(time) => {
                let woken = {
                    let mut time = time.lock().unwrap_or_else(PoisonError::into_inner);
                    let due = time.now + duration;
                    time.park(due)
                };
                // An error means that the clock is gone, and with it everybody who could wait.
                woken.await.ok();
            }
        }
    }

    /// Waits until this clock shows `due`; returns at once when it already does.
    pub async fn sleep_until(&self, due: Timestamp) {
        let left = due.duration_since(self.now());
        if let Ok(left) = Duration::try_from(left)
            && !left.is_zero()
        {
            self.sleep(left).await;
        }
    }

    /// Moves a virtual clock forward, waking sleepers in the order in which they are due and letting
    /// each run (and sleep again) before the next. Does nothing on the other kinds.
    pub async fn advance(&self, duration: Duration) {
        let Kind::Virtual(time) = &self.inner.kind else { return };
        let target = time.lock().unwrap_or_else(PoisonError::into_inner).now + duration;
        loop {
            settle().await;
            let next = {
                let mut time = time.lock().unwrap_or_else(PoisonError::into_inner);
                match time.sleepers.peek().map(|sleeper| sleeper.due) {
                    Some(due) if due <= target => {
                        time.now = time.now.max(due);
                        time.sleepers.pop()
                    }
                    _ => {
                        time.now = target;
                        None
                    }
                }
            };
            match next {
                // The sleeper may have been cancelled meanwhile; then nobody is woken.
                Some(sleeper) => drop(sleeper.wake.send(())),
                None => break,
            }
        }
        settle().await;
    }

    pub fn is_virtual(&self) -> bool {
        matches!(self.inner.kind, Kind::Virtual(_))
    }

    pub fn new_uuid(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.fill_random(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// One that is greater than those made in milliseconds before: many of them stand together in an
    /// index.
    pub fn new_ordered_uuid(&self) -> Uuid {
        let mut bytes = [0; 10];
        self.fill_random(&mut bytes);
        let millis = u64::try_from(self.now().as_millisecond()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }

    pub fn fill_random(&self, bytes: &mut [u8]) {
        self.inner.random.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }

    /// A number in `0.0..1.0`, for jitter and simulated outcomes.
    pub fn random_fraction(&self) -> f64 {
        self.inner.random.lock().unwrap_or_else(PoisonError::into_inner).random()
    }
}

impl VirtualTime {
    fn park(&mut self, due: Timestamp) -> oneshot::Receiver<()> {
        let (wake, woken) = oneshot::channel();
        let order = self.next_order;
        self.next_order += 1;
        self.sleepers.push(Sleeper { due, order, wake });
        woken
    }
}

/// Lets woken tasks run until they wait again. Real sockets need real time to move, so a few
/// scheduler rounds are followed by a short real pause.
#[expect(clippy::disallowed_methods, reason = "the clock is the door to time")]
async fn settle() {
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
}

impl PartialEq for Sleeper {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Sleeper {}
impl PartialOrd for Sleeper {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Sleeper {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.due, other.order).cmp(&(self.due, self.order))
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.inner.kind {
            Kind::Real => "real",
            Kind::Scaled { .. } => "scaled",
            Kind::Virtual(_) => "virtual",
        };
        f.debug_tuple("Clock").field(&kind).finish()
    }
}
