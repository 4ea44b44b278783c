//! What is remembered of campaigns for a moment, so that not every request asks the ledger.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

/// Another replica may have written; what is older than this is looked up again.
const REMEMBERED_FOR: Duration = Duration::from_secs(5);

pub(super) struct Remembered<T> {
    /// Campaigns remembered; then all are forgotten.
    most: usize,
    by_campaign: Mutex<HashMap<Uuid, (Timestamp, T)>>,
}

impl<T: Clone> Remembered<T> {
    pub fn new(most: usize) -> Self {
        Self { most, by_campaign: Mutex::default() }
    }

    pub fn recall(&self, campaign: Uuid, now: Timestamp) -> Option<T> {
        let known = self.by_campaign.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, value) = known.get(&campaign)?;
        (now < *since + REMEMBERED_FOR).then(|| value.clone())
    }

    pub fn remember(&self, campaign: Uuid, value: T, now: Timestamp) {
        let mut known = self.by_campaign.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= self.most {
            known.clear();
        }
        known.insert(campaign, (now, value));
    }

    pub fn forget_all(&self) {
        self.by_campaign.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub fn forget(&self, campaign: Uuid) {
        self.by_campaign.lock().unwrap_or_else(PoisonError::into_inner).remove(&campaign);
    }
}
