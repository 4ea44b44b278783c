//! Minimum gaps that a platform asks for besides its rate: between requests about one thing, and
//! between batches of requests.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use jiff::Timestamp;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::clock::Clock;

/// Things remembered before those whose gap is over are forgotten.
const MAX_REMEMBERED: usize = 4096;

/// At least `gap` between two requests about the same key.
#[derive(Debug)]
pub struct Spacing {
    gap: Duration,
    /// When the next request about a key may be sent.
    next: Mutex<HashMap<String, Timestamp>>,
}

/// At most `size` requests at once, and at most `size` begun in any `gap`.
#[derive(Debug)]
pub struct Batches {
    size: usize,
    gap: Duration,
    slots: Semaphore,
    /// Start of the current batch and how many requests it has had.
    current: Mutex<Option<(Timestamp, usize)>>,
}

/// Waiting for a gap would take too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong {
    pub wait: Duration,
}

impl Spacing {
    pub fn new(gap: Duration) -> Self {
        Self { gap, next: Mutex::default() }
    }

    /// Reserves the next moment for `key` and waits for it.
    ///
    /// # Errors
    /// When it is more than `max_wait` away; nothing is reserved then.
    pub async fn turn(&self, key: &str, clock: &Clock, max_wait: Duration) -> Result<(), TooLong> {
        let due = {
            let now = clock.now();
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            if next.len() >= MAX_REMEMBERED {
                next.retain(|_, due| *due > now);
            }
            let due = next.get(key).copied().unwrap_or(now).max(now);
            let wait = Duration::try_from(due.duration_since(now)).unwrap_or_default();
            if wait > max_wait {
                return Err(TooLong { wait });
            }
            next.insert(key.to_owned(), due + self.gap);
            due
        };
        clock.sleep_until(due).await;
        Ok(())
    }

    /// The platform has answered a request about `key`: the next one waits a full gap from now.
    pub fn push_back(&self, key: &str, clock: &Clock) {
        let due = clock.now() + self.gap;
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let next = next.entry(key.to_owned()).or_insert(due);
        *next = due.max(*next);
    }
}

impl Batches {
    pub fn new(size: usize, gap: Duration) -> Self {
        Self { size, gap, slots: Semaphore::new(size), current: Mutex::new(None) }
    }

    /// Waits for a place in a batch; the place is free again when the permit is dropped.
    ///
    /// # Errors
    /// When none came within `max_wait`.
    pub async fn turn(
        &self,
        clock: &Clock,
        max_wait: Duration,
    ) -> Result<SemaphorePermit<'_>, TooLong> {
        let too_long = TooLong { wait: max_wait };
        let place = std::pin::pin!(async {
            // The semaphore is never closed.
            let permit = self.slots.acquire().await.map_err(|_| too_long)?;
            while let Some(due) = self.join_batch(clock.now()) {
                clock.sleep_until(due).await;
            }
            Ok(permit)
        });
        match select(place, std::pin::pin!(clock.sleep(max_wait))).await {
            Either::Left((permit, _)) => permit,
            Either::Right(_) => Err(too_long),
        }
    }

    /// Takes a place in the current batch or a new one; else when the next may begin.
    fn join_batch(&self, now: Timestamp) -> Option<Timestamp> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match *current {
            Some((begun, used)) if now < begun + self.gap => {
                if used >= self.size {
                    return Some(begun + self.gap);
                }
                *current = Some((begun, used + 1));
            }
            _ => *current = Some((now, 1)),
        }
        None
    }
}
