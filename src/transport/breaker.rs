//! The breaker: a platform that fails again and again is left alone, then tried with one request.
//!
//! *Closed*: requests pass. *Open*: they are refused until a time. *Half open*: one passes as a
//! probe; its success closes the breaker, its failure opens it again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// So many failures in a row open the breaker.
pub const FAILURES_TO_OPEN: u32 = 5;
/// How long an open breaker refuses before it lets a probe through.
pub const OPEN_FOR: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Timestamp,
    },
    /// A probe is under way.
    HalfOpen,
}

/// A request that was let through. Dropped without a verdict (the caller went away), a probe
/// leaves the breaker open for the next one.
#[derive(Debug)]
pub struct Passage<'a> {
    breaker: &'a Breaker,
    is_probe: bool,
    now: Timestamp,
    judged: bool,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: Mutex::new(State::Closed { failures: 0 }) }
    }
}

impl Breaker {
    /// How long the breaker will still refuse; None when it lets a request through.
    pub fn refuses_for(&self, now: Timestamp) -> Option<Duration> {
        match *self.state() {
            State::Closed { .. } => None,
            State::Open { until } => positive(until, now),
            State::HalfOpen => Some(OPEN_FOR),
        }
    }

    /// Lets a request through, or says how long to wait. An urgent request always passes.
    pub fn enter(&self, now: Timestamp, urgent: bool) -> Result<Passage<'_>, Duration> {
        let mut state = self.state();
        let is_probe = match *state {
            State::Closed { .. } => false,
            State::Open { until } => match positive(until, now) {
                Some(wait) if !urgent => return Err(wait),
                _ => true,
            },
            State::HalfOpen if !urgent => return Err(OPEN_FOR),
            State::HalfOpen => true,
        };
        if is_probe {
            *state = State::HalfOpen;
        }
        Ok(Passage { breaker: self, is_probe, now, judged: false })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Passage<'_> {
    /// The platform answered like a working server, whatever it said.
    pub fn succeeded(mut self) {
        self.judged = true;
        *self.breaker.state() = State::Closed { failures: 0 };
    }

    /// The platform was not reached or is out of order.
    pub fn failed(mut self, now: Timestamp) {
        self.judged = true;
        let mut state = self.breaker.state();
        *state = match *state {
            State::Closed { failures } if failures + 1 < FAILURES_TO_OPEN => {
                State::Closed { failures: failures + 1 }
            }
            State::Closed { .. } | State::HalfOpen => State::Open { until: now + OPEN_FOR },
            // Stragglers from before it opened do not prolong it.
            open @ State::Open { .. } => open,
        };
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        if self.is_probe && !self.judged {
            *self.breaker.state() = State::Open { until: self.now };
        }
    }
}

fn positive(until: Timestamp, now: Timestamp) -> Option<Duration> {
    Duration::try_from(until.duration_since(now)).ok().filter(|left| !left.is_zero())
}
