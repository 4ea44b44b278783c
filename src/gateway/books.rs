//! The books: what came in and what became of it, what left and what waits.

use std::collections::HashMap;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::ids::AccountSlug;
use crate::gateway::Gateway;
use crate::gateway::error::GatewayError;
use crate::gateway::overview::AccountOverview;
use crate::ledger::destinations::DestinationRow;
pub use crate::ledger::held::BOUNDS_MS;
use crate::ledger::held::HeldTimes;
use crate::ledger::inbox::InboxCounts;
use crate::ledger::outcomes::UnknownCode;

/// All of it, at one time.
pub struct Books {
    pub at: Timestamp,
    /// Pushes are not made durable in time.
    pub is_failing: bool,
    pub inbox: Vec<InboxCounts>,
    /// Genuine pushes about other things, since the program started.
    pub foreign: HashMap<AccountSlug, u64>,
    pub accounts: Vec<AccountOverview>,
    pub destinations: Vec<DestinationRow>,
    /// Since when each destination has something pending.
    pub pending_since: HashMap<Uuid, Timestamp>,
    /// Outcomes that no table knows.
    pub unknown: Vec<UnknownCode>,
    /// For how long verbs held the ledger's writer in this process.
    pub held: HeldTimes,
}

impl Books {
    pub fn age_s(&self, since: Timestamp) -> f64 {
        self.at.duration_since(since).as_secs_f64().max(0.0)
    }
}

impl Gateway {
    /// # Errors
    /// When the ledger does not answer.
    pub async fn books(&self) -> Result<Books, GatewayError> {
        let ledger = &self.shared.ledger;
        Ok(Books {
            at: self.shared.clock.now(),
            is_failing: self.inbox_failing_since().is_some(),
            inbox: ledger.inbox_counts().await?,
            foreign: self.foreign_pushes(),
            accounts: self.accounts().await?,
            destinations: ledger.destinations().await?,
            pending_since: ledger.oldest_pending().await?,
            held: ledger.held_times(),
            unknown: ledger.unknown_codes(self.shared.accounts.keys().cloned().collect()).await?,
        })
    }
}
