//! For how long verbs hold the writer, or on PostgreSQL a transaction: everybody else waits for them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Stopwatch;

/// Upper bounds of the classes that times are counted in; the last class has none.
pub const BOUNDS_MS: [u64; 8] = [1, 5, 10, 25, 50, 100, 250, 1000];

/// The times of this process, since it has the ledger open.
#[derive(Default)]
pub(super) struct Held {
    classes: [AtomicU64; BOUNDS_MS.len() + 1],
    sum_us: AtomicU64,
    longest_us: AtomicU64,
    repeats: AtomicU64,
}

/// The same at one time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HeldTimes {
    /// Verbs by how long they took: up to each of [`BOUNDS_MS`], and longer than all of them.
    pub classes: [u64; BOUNDS_MS.len() + 1],
    pub sum: Duration,
    pub longest: Duration,
    /// Runs that the database ended because two waited for each other; they were begun again.
    pub repeats: u64,
}

impl Held {
    /// A verb has ended that began then.
    pub fn note(&self, began: Stopwatch) {
        let took = began.elapsed();
        let place = BOUNDS_MS.iter().position(|bound| took <= Duration::from_millis(*bound));
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.classes[place.unwrap_or(BOUNDS_MS.len())].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(took_us, Ordering::Relaxed);
        self.longest_us.fetch_max(took_us, Ordering::Relaxed);
    }

    /// The database asks for a verb again.
    pub fn note_repeat(&self) {
        self.repeats.fetch_add(1, Ordering::Relaxed);
    }

    pub fn times(&self) -> HeldTimes {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        HeldTimes {
            classes: std::array::from_fn(|place| read(&self.classes[place])),
            sum: Duration::from_micros(read(&self.sum_us)),
            longest: Duration::from_micros(read(&self.longest_us)),
            repeats: read(&self.repeats),
        }
    }
}
