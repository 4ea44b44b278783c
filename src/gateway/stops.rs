//! In which order starts and stops came, whatever the ledger does meanwhile. A start may wait for it, and a
//! stop that came later may go past or not be recorded at all: the start is not sent then
//! (docs/decisions/0026-whose-turn-it-is.md).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

/// When a request came, beside others of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival(u64);

/// The newest stop of each campaign. Those of other processes are known by the ledger alone.
#[derive(Default)]
pub(super) struct Stops {
    arrived: AtomicU64,
    newest: Mutex<HashMap<Uuid, Newest>>,
}

struct Newest {
    came: Arrival,
    /// The ledger has it.
    is_recorded: bool,
}

/// Stops that are remembered; then those are forgotten that the ledger has.
const MAX_REMEMBERED: usize = 100_000;

impl Stops {
    pub fn arrive(&self) -> Arrival {
        Arrival(self.arrived.fetch_add(1, Ordering::Relaxed))
    }

    /// A stop came, and is not recorded yet.
    pub fn came(&self, campaign: Uuid, came: Arrival) {
        let mut newest = self.lock();
        if newest.len() >= MAX_REMEMBERED {
            newest.retain(|_, stop| !stop.is_recorded);
        }
        let stop = newest.entry(campaign).or_insert(Newest { came, is_recorded: false });
        if stop.came <= came {
            *stop = Newest { came, is_recorded: false };
        }
    }

    /// The ledger has the stop, and with it those before.
    pub fn recorded(&self, campaign: Uuid, came: Arrival) {
        if let Some(stop) = self.lock().get_mut(&campaign)
            && stop.came <= came
        {
            stop.is_recorded = true;
        }
    }

    /// Whether a stop came after this start.
    pub fn overtook(&self, campaign: Uuid, start: Arrival) -> bool {
        self.lock().get(&campaign).is_some_and(|stop| stop.came > start)
    }

    /// A start is sent: what came before it does not count any more.
    pub fn followed(&self, campaign: Uuid, start: Arrival) {
        let mut newest = self.lock();
        if newest.get(&campaign).is_some_and(|stop| stop.came < start) {
            newest.remove(&campaign);
        }
    }

    /// The stop of a campaign that the ledger does not have.
    pub fn unrecorded(&self, campaign: Uuid) -> Option<Arrival> {
        self.lock().get(&campaign).filter(|stop| !stop.is_recorded).map(|stop| stop.came)
    }

    /// Campaigns with a stop that the ledger does not have.
    pub fn all_unrecorded(&self) -> Vec<Uuid> {
        let newest = self.lock();
        newest.iter().filter(|(_, stop)| !stop.is_recorded).map(|(campaign, _)| *campaign).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Newest>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
