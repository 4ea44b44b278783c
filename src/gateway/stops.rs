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
    stands: Stands,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// Whoever took it is still asking the ledger to keep it.
    Coming,
    Recorded,
    /// Nobody asks the ledger any more, which does not have it.
    Unrecorded,
}

/// A stop that came; unless it was recorded, somebody else has to record it when this is dropped: its client
/// may have gone, and what it waited for with it.
pub(super) struct Coming<'a> {
    stops: &'a Stops,
    campaign: Uuid,
    came: Arrival,
}

/// Stops that are remembered; then those are forgotten that the ledger has.
const MAX_REMEMBERED: usize = 100_000;

impl Stops {
    pub fn arrive(&self) -> Arrival {
        Arrival(self.arrived.fetch_add(1, Ordering::Relaxed))
    }

    /// A stop came, and is not recorded yet.
    pub fn came(&self, campaign: Uuid, came: Arrival) -> Coming<'_> {
        let mut newest = self.lock();
        if newest.len() >= MAX_REMEMBERED {
            newest.retain(|_, stop| stop.stands != Stands::Recorded);
        }
        let coming = || Newest { came, stands: Stands::Coming };
        let stop = newest.entry(campaign).or_insert_with(coming);
        if stop.came <= came {
            *stop = coming();
        }
        Coming { stops: self, campaign, came }
    }

    /// The ledger has the stop, and with it those before.
    pub fn recorded(&self, campaign: Uuid, came: Arrival) {
        if let Some(stop) = self.lock().get_mut(&campaign)
            && stop.came <= came
        {
            stop.stands = Stands::Recorded;
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

    /// Whether a stop of the campaign is about to be recorded.
    pub fn is_coming(&self, campaign: Uuid) -> bool {
        self.lock().get(&campaign).is_some_and(|stop| stop.stands == Stands::Coming)
    }

    /// Whether the ledger does not have the campaign's newest stop.
    pub fn is_ahead(&self, campaign: Uuid) -> bool {
        self.lock().get(&campaign).is_some_and(|stop| stop.stands != Stands::Recorded)
    }

    /// The stop of a campaign that the ledger does not have, and nobody asks it to keep.
    pub fn unrecorded(&self, campaign: Uuid) -> Option<Arrival> {
        let newest = self.lock();
        newest.get(&campaign).filter(|stop| stop.stands == Stands::Unrecorded).map(|stop| stop.came)
    }

    /// All such stops, by their campaigns.
    pub fn all_unrecorded(&self) -> Vec<(Uuid, Arrival)> {
        let newest = self.lock();
        let unrecorded = newest.iter().filter(|(_, stop)| stop.stands == Stands::Unrecorded);
        unrecorded.map(|(campaign, stop)| (*campaign, stop.came)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Newest>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        if let Some(stop) = self.stops.lock().get_mut(&self.campaign)
            && (stop.came, stop.stands) == (self.came, Stands::Coming)
        {
            stop.stands = Stands::Unrecorded;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_unrecorded_when_nobody_records_it_any_more() {
        let (stops, campaign) = (Stops::default(), Uuid::nil());
        let start = stops.arrive();
        let came = stops.arrive();
        let coming = stops.came(campaign, came);
        assert!(stops.overtook(campaign, start) && stops.is_coming(campaign));
        assert!(stops.all_unrecorded().is_empty(), "whoever took it is at it");
        drop(coming);
        assert_eq!(stops.all_unrecorded(), [(campaign, came)]);
        stops.recorded(campaign, came);
        assert!(stops.all_unrecorded().is_empty() && stops.overtook(campaign, start));
        let newer = stops.arrive();
        assert!(!stops.overtook(campaign, newer));
        stops.followed(campaign, newer);
        assert!(!stops.overtook(campaign, start), "a newer start has been sent");
    }

    #[test]
    fn what_was_recorded_stays_so_when_its_request_ends() {
        let (stops, campaign) = (Stops::default(), Uuid::nil());
        let (first, second) = (stops.arrive(), stops.arrive());
        let coming = [stops.came(campaign, second), stops.came(campaign, first)];
        stops.recorded(campaign, first);
        assert!(stops.is_coming(campaign), "the newer one is not kept yet");
        stops.recorded(campaign, second);
        drop(coming);
        assert!(stops.all_unrecorded().is_empty() && !stops.is_coming(campaign));
    }
}
