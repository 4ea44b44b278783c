//! What many ask for at the same time is done together: while one group is under way the next gathers.
//! Whoever is first of a group does it for all of them; there is no task for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use crate::ledger::LedgerError;

/// So many together are a burst.
const BURST: usize = 16;

pub struct Gathering<T, A> {
    /// Items that are done together at most.
    most: usize,
    state: Mutex<State<T, A>>,
    /// A burst is over.
    calms: Notify,
}

struct State<T, A> {
    is_led: bool,
    /// Of the last group.
    size: usize,
    waiting: VecDeque<Waiting<T, A>>,
}

struct Waiting<T, A> {
    item: Arc<T>,
    told: oneshot::Sender<Told<T, A>>,
}

enum Told<T, A> {
    Done(Result<A, LedgerError>),
    /// It is this one's turn to do it for all that wait.
    Lead(Leadership<T, A>),
}

/// Goes to the next who waits when it is dropped, whatever became of its holder. Empty once it went.
struct Leadership<T, A>(Option<Arc<Gathering<T, A>>>);

impl<T, A: Clone> Gathering<T, A> {
    pub fn new(most: usize) -> Arc<Self> {
        let state = State { is_led: false, size: 0, waiting: VecDeque::new() };
        Arc::new(Self { most, state: Mutex::new(state), calms: Notify::new() })
    }

    /// Does `work` with this item and those that others brought meanwhile, or lets one of them do it.
    /// When that one goes away half-way it is done again.
    ///
    /// # Errors
    /// Those of the work; all of a group learn the same.
    pub async fn join(
        self: &Arc<Self>,
        item: Arc<T>,
        work: impl AsyncFnOnce(Vec<Arc<T>>) -> Result<A, LedgerError>,
    ) -> Result<A, LedgerError> {
        let leadership = loop {
            let tells = match self.enter(&item) {
                Ok(leadership) => break leadership,
                Err(tells) => tells,
            };
            match tells.await {
                Ok(Told::Done(answer)) => return answer,
                Ok(Told::Lead(leadership)) => break leadership,
                Err(_) => {}
            }
        };
        let group = self.take();
        let others = group.iter().map(|one| Arc::clone(&one.item));
        let answer = work(std::iter::once(item).chain(others).collect()).await;
        drop(leadership);
        for one in group {
            // Whoever asked may have gone meanwhile; then nobody needs the answer.
            one.told.send(Told::Done(answer.clone())).ok();
        }
        answer
    }

    /// Returns when there is no burst.
    pub async fn calm(&self) {
        loop {
            let calms = self.calms.notified();
            if self.state().is_calm() {
                return;
            }
            calms.await;
        }
    }

    /// Leads where nobody does, and waits to be told otherwise.
    fn enter(
        self: &Arc<Self>,
        item: &Arc<T>,
    ) -> Result<Leadership<T, A>, oneshot::Receiver<Told<T, A>>> {
        let mut state = self.state();
        if !state.is_led {
            state.is_led = true;
            return Ok(Leadership(Some(Arc::clone(self))));
        }
        let (told, tells) = oneshot::channel();
        state.waiting.push_back(Waiting { item: Arc::clone(item), told });
        Err(tells)
    }

    fn take(&self) -> Vec<Waiting<T, A>> {
        let mut state = self.state();
        let others = state.waiting.len().min(self.most - 1);
        state.size = 1 + others;
        if state.is_calm() {
            self.calms.notify_waiters();
        }
        state.waiting.drain(..others).collect()
    }
}

impl<T, A> Gathering<T, A> {
    fn state(&self) -> MutexGuard<'_, State<T, A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next who waits; None, and nobody leads, when nobody does.
    fn next(&self) -> Option<Waiting<T, A>> {
        let mut state = self.state();
        let next = state.waiting.pop_front();
        state.is_led = next.is_some();
        if next.is_none() {
            self.calms.notify_waiters();
        }
        next
    }
}

impl<T, A> State<T, A> {
    fn is_calm(&self) -> bool {
        !self.is_led || self.size < BURST
    }
}

impl<T, A> Drop for Leadership<T, A> {
    fn drop(&mut self) {
        let Some(gathering) = self.0.take() else { return };
        while let Some(next) = gathering.next() {
            match next.told.send(Told::Lead(Leadership(Some(Arc::clone(&gathering))))) {
                Ok(()) => return,
                Err(Told::Lead(mut refused)) => drop(refused.0.take()),
                Err(Told::Done(_)) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::{join_all, pending};
    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn who_comes_while_one_works_is_done_together_afterwards() {
        let gathering = Gathering::new(9);
        let groups = Mutex::new(Vec::new());
        let done = join_all((0..5).map(|n| {
            gathering.join(Arc::new(n), async |group: Vec<Arc<i32>>| {
                tokio::task::yield_now().await;
                groups.lock().unwrap().push(group.len());
                Ok(group.iter().map(|n| **n).sum::<i32>())
            })
        }));
        assert_eq!(done.await, [Ok(0), Ok(10), Ok(10), Ok(10), Ok(10)]);
        assert_eq!(*groups.lock().unwrap(), [1, 4]);
    }

    #[tokio::test]
    async fn who_leads_and_goes_away_is_replaced_and_loses_nothing() {
        let gathering = Gathering::new(9);
        let whole = async |group: Vec<Arc<i32>>| Ok(group.len());
        let mut stuck = Box::pin(gathering.join(Arc::new(1), async |_| pending().await));
        assert!(poll!(stuck.as_mut()).is_pending());
        let mut second = Box::pin(gathering.join(Arc::new(2), async |_| pending().await));
        let mut third = Box::pin(gathering.join(Arc::new(3), whole));
        assert!(poll!(second.as_mut()).is_pending() && poll!(third.as_mut()).is_pending());
        drop(stuck);
        // It leads the third, and goes away as well.
        assert!(poll!(second.as_mut()).is_pending());
        drop(second);
        assert_eq!(third.await, Ok(1));
        gathering.calm().await;
        assert_eq!(gathering.join(Arc::new(4), whole).await, Ok(1));
    }
}
