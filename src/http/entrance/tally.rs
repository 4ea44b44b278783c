//! How often something happened to each of many, within a window of time.

use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use moka::sync::Cache;

/// Keys that are counted at once; past it those give way that came rarely or long ago.
const MAX_KEYS: u64 = 20_000;

/// Counts by key; each begins anew a window after it began.
pub struct Tally<K> {
    counts: Cache<K, Arc<Mutex<Count>>>,
    window: Duration,
}

#[derive(Clone, Copy)]
struct Count {
    since: Timestamp,
    times: u32,
}

impl<K: Hash + Eq + Send + Sync + 'static> Tally<K> {
    pub fn new(window: Duration) -> Self {
        Self { counts: Cache::new(MAX_KEYS), window }
    }

    /// Counts once more, and says how often it was in this window and how often in the last one when
    /// a new one begins.
    pub fn count(&self, key: K, now: Timestamp) -> (u32, Option<u32>) {
        let fresh = || Arc::new(Mutex::new(Count { since: now, times: 0 }));
        let count = self.counts.get_with(key, fresh);
        let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = None;
        if now >= count.since + self.window {
            before = Some(count.times);
            *count = Count { since: now, times: 0 };
        }
        count.times = count.times.saturating_add(1);
        (count.times, before)
    }

    /// How long it is until a key is free again that was counted `most` times; None when it is free.
    pub fn waits(&self, key: &K, most: u32, now: Timestamp) -> Option<Duration> {
        let count = *self.counts.get(key)?.lock().unwrap_or_else(PoisonError::into_inner);
        let left = Duration::try_from((count.since + self.window).duration_since(now)).ok()?;
        (count.times >= most && !left.is_zero()).then_some(left)
    }

    pub fn forget(&self, key: &K) {
        self.counts.invalidate(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_too_often_waits_until_the_window_ends_and_others_do_not() {
        let window = Duration::from_secs(60);
        let tally = Tally::new(window);
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        for times in 1..=10 {
            assert_eq!(tally.waits(&1, 10, now), None);
            assert_eq!(tally.count(1, now), (times, None));
        }
        assert_eq!(tally.waits(&1, 10, now), Some(window));
        assert_eq!(tally.waits(&2, 10, now), None);
        let later = now + window;
        assert_eq!(tally.waits(&1, 10, later), None);
        assert_eq!(tally.count(1, later), (1, Some(10)));
        assert_eq!(tally.waits(&1, 10, later), None);
    }

    #[test]
    fn there_are_never_more_keys_than_there_is_room_for() {
        let tally = Tally::new(Duration::from_secs(60));
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        for key in 0..5 * MAX_KEYS {
            tally.count(key, now);
        }
        tally.counts.run_pending_tasks();
        assert!(tally.counts.entry_count() <= MAX_KEYS);
    }
}
