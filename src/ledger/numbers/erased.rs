//! What is kept of numbers that were erased, by their keyed hashes: when, and where else they are.

use std::collections::BTreeSet;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::ids::AccountSlug;
use crate::ledger::journal::{self, JournalEntry};
use crate::ledger::statements::{Statements, Verb};
use crate::ledger::{Ledger, LedgerError};

/// Where a number is beside this ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// Campaigns whose platforms have it, with their homes.
    pub campaigns: BTreeSet<(Uuid, AccountSlug)>,
    /// Destinations that were told it.
    pub destinations: BTreeSet<String>,
}

impl Ledger {
    /// Keeps that a number was erased, by its keyed hash.
    pub async fn suppress(
        &self,
        hash: String,
        reason: String,
        entry: JournalEntry,
    ) -> Result<(), LedgerError> {
        self.write(Suppress { hash, reason, entry }).await
    }

    /// When the number with this keyed hash was erased.
    pub async fn suppressed_at(&self, hash: String) -> Result<Option<Timestamp>, LedgerError> {
        self.read(SuppressedAt { hash }).await
    }

    /// Where the number with this keyed hash was when it was erased here.
    pub async fn known_elsewhere(&self, hash: String) -> Result<Elsewhere, LedgerError> {
        self.read(KnownElsewhere { hash }).await
    }
}

/// Keeps where a number is, before it is erased here and nothing else tells.
pub(super) struct KeepElsewhere {
    pub hashes: Vec<String>,
    pub found: Elsewhere,
}

impl Verb for KeepElsewhere {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        for hash in &self.hashes {
            for (campaign, _) in &self.found.campaigns {
                let sql = "INSERT INTO suppression_holder (hash, campaign_id) \
                           SELECT $1, id FROM campaign WHERE uuid = $2 ON CONFLICT DO NOTHING";
                store.execute(sql, &[hash.as_str().into(), (*campaign).into()]).await?;
            }
            for destination in &self.found.destinations {
                let sql = "INSERT INTO suppression_told (hash, destination_id) \
                           SELECT $1, id FROM destination WHERE name = $2 AND state <> 'removed' \
                           ON CONFLICT DO NOTHING";
                store.execute(sql, &[hash.as_str().into(), destination.as_str().into()]).await?;
            }
        }
        Ok(())
    }
}

struct KnownElsewhere {
    hash: String,
}

impl Verb for KnownElsewhere {
    type Answer = Elsewhere;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Elsewhere, LedgerError> {
        let mut found = Elsewhere::default();
        let sql = "SELECT c.uuid, a.slug FROM suppression_holder s JOIN campaign c ON c.id = s.campaign_id \
                   JOIN account a ON a.id = c.home_id WHERE s.hash = $1";
        for mut row in store.rows(sql, &[self.hash.as_str().into()]).await? {
            found.campaigns.insert((row.uuid()?, row.slug()?));
        }
        let sql = "SELECT n.name FROM suppression_told s JOIN destination n ON n.id = s.destination_id \
                   WHERE s.hash = $1";
        for mut row in store.rows(sql, &[self.hash.as_str().into()]).await? {
            found.destinations.insert(row.text()?);
        }
        Ok(found)
    }
}

struct Suppress {
    hash: String,
    reason: String,
    entry: JournalEntry,
}

impl Verb for Suppress {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        let sql = "INSERT INTO suppression (hash, reason, at) VALUES ($1, $2, $3) \
                   ON CONFLICT (hash) DO UPDATE SET at = $3, reason = $2";
        let parameters =
            [self.hash.as_str().into(), self.reason.as_str().into(), self.entry.at.into()];
        store.execute(sql, &parameters).await?;
        journal::append(store, None, &self.entry).await.map(drop)
    }
}

struct SuppressedAt {
    hash: String,
}

impl Verb for SuppressedAt {
    type Answer = Option<Timestamp>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Option<Timestamp>, LedgerError> {
        let sql = "SELECT at FROM suppression WHERE hash = $1";
        store.row(sql, &[self.hash.as_str().into()]).await?.map(|mut row| row.time()).transpose()
    }
}
