//! What a worker has under way, and how it waits for anything else.
//!
//! A future that is not polled stands still, and what it holds stays held: a connection, a place in a
//! pace, a lock. A loop that awaits one thing while its set stands still may wait for what its own set
//! holds, for ever. So this is the only set of its kind in the gateway, and whatever else the loop waits
//! for it waits for [`UnderWay::beside`] the set.

use std::collections::VecDeque;
use std::pin::pin;

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};

pub(super) struct UnderWay<F: Future> {
    futures: FuturesUnordered<F>,
    /// Of those that ended while something else was waited for.
    ended: VecDeque<F::Output>,
}

impl<F: Future> UnderWay<F> {
    pub fn new() -> Self {
        Self { futures: FuturesUnordered::new(), ended: VecDeque::new() }
    }

    pub fn push(&mut self, future: F) {
        self.futures.push(future);
    }

    /// Those that are under way, and those whose end nobody has taken note of.
    pub fn len(&self) -> usize {
        self.futures.len() + self.ended.len()
    }

    /// Waits for something else while these go on.
    pub async fn beside<T>(&mut self, other: impl Future<Output = T>) -> T {
        let mut other = pin!(other);
        loop {
            tokio::select! {
                answer = &mut other => return answer,
                Some(ended) = self.futures.next() => self.ended.push_back(ended),
            }
        }
    }

    /// The next that ends; waits for ever when there is none, so that it may stand in a `select!`.
    pub async fn next(&mut self) -> F::Output {
        if let Some(ended) = self.ended.pop_front() {
            return ended;
        }
        match self.futures.next().await {
            Some(ended) => ended,
            None => std::future::pending().await,
        }
    }

    /// One that has ended by now.
    pub fn next_now(&mut self) -> Option<F::Output> {
        self.next().now_or_never()
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn what_waits_for_a_place_that_the_set_holds_gets_it() {
        let places = Semaphore::new(1);
        let mut under_way = UnderWay::new();
        let work = async {
            let _place = places.acquire().await.unwrap();
            // The place is held across a wait, as a connection is.
            tokio::task::yield_now().await;
        };
        under_way.push(work);
        assert!(under_way.next_now().is_none(), "it holds the only place now");
        let place = under_way.beside(places.acquire()).await.unwrap();
        assert_eq!(under_way.len(), 1, "its end is kept until somebody takes note of it");
        under_way.next().await;
        assert_eq!(under_way.len(), 0);
        drop(place);
    }
}
