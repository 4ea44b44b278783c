//! Single flight: identical reads that are asked for at the same time share one upstream call and
//! one rendered answer, on whichever worker they arrive.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::gateway::error::GatewayError;

/// Reads under way, by what identifies them. An entry lives as long as its leader works.
pub struct Flights<K, V> {
    under_way: Mutex<HashMap<K, watch::Receiver<Answer<V>>>>,
}

/// None until the leader has it.
type Answer<V> = Option<Result<V, GatewayError>>;

/// Removes the entry when the leader is done or its client went away.
struct Landing<'a, K: Eq + Hash + Clone, V> {
    flights: &'a Flights<K, V>,
    key: &'a K,
}

enum Seat<V> {
    Leader(watch::Sender<Answer<V>>),
    Passenger(watch::Receiver<Answer<V>>),
}

impl<K: Eq + Hash + Clone, V: Clone> Flights<K, V> {
    pub fn new() -> Self {
        Self { under_way: Mutex::new(HashMap::new()) }
    }

    /// Runs `work`, or waits for the one who already runs it. A leader whose client goes away is
    /// replaced by the next who waits.
    pub async fn share(
        &self,
        key: K,
        work: impl AsyncFnOnce() -> Result<V, GatewayError>,
    ) -> Result<V, GatewayError> {
        loop {
            match self.board(&key) {
                Seat::Leader(sender) => {
                    let landing = Landing { flights: self, key: &key };
                    let answer = work().await;
                    // The entry goes first: who comes later must not get an old answer.
                    drop(landing);
                    sender.send_replace(Some(answer.clone()));
                    return answer;
                }
                Seat::Passenger(mut receiver) => {
                    if let Ok(answer) = receiver.wait_for(Option::is_some).await
                        && let Some(answer) = answer.as_ref()
                    {
                        return answer.clone();
                    }
                }
            }
        }
    }

    fn board(&self, key: &K) -> Seat<V> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(receiver) = under_way.get(key) {
            return Seat::Passenger(receiver.clone());
        }
        let (sender, receiver) = watch::channel(None);
        under_way.insert(key.clone(), receiver);
        Seat::Leader(sender)
    }
}

impl<K: Eq + Hash + Clone, V> Drop for Landing<'_, K, V> {
    fn drop(&mut self) {
        self.flights.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn who_waits_shares_the_answer_and_who_comes_later_asks_again() {
        let flights = Arc::new(Flights::<u32, u32>::new());
        let calls = Arc::new(AtomicU32::new(0));
        let ask = || {
            let (flights, calls) = (Arc::clone(&flights), Arc::clone(&calls));
            async move {
                flights
                    .share(7, async || {
                        tokio::task::yield_now().await;
                        Ok(calls.fetch_add(1, Ordering::SeqCst))
                    })
                    .await
            }
        };
        let (a, b, c) = tokio::join!(ask(), ask(), ask());
        assert_eq!((a, b, c), (Ok(0), Ok(0), Ok(0)));
        assert_eq!(ask().await, Ok(1));
    }

    #[tokio::test]
    async fn a_leader_that_goes_away_is_replaced() {
        let flights = Flights::<u32, u32>::new();
        let stuck = flights.share(7, async || std::future::pending().await);
        let mut stuck = Box::pin(stuck);
        assert!(futures_util::poll!(stuck.as_mut()).is_pending());
        let waiting = flights.share(7, async || Ok(2));
        let mut waiting = Box::pin(waiting);
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        drop(stuck);
        assert_eq!(waiting.await, Ok(2));
    }
}
