//! One story, told on both implementations of the ledger. PostgreSQL is a cluster of our own, made
//! from Debian's binaries; without them the tests fail.

use dialbridge::clock::Clock;
use dialbridge::domain::campaign::CampaignStatus;
use dialbridge::domain::ids::{
    AccountSlug, CampaignKey, CampaignNumber, NativeId, PublicPair, VdnId,
};
use dialbridge::ledger::directory::{DirectoryEntry, Snapshot};
use dialbridge::ledger::identity::{AccountRow, PairSource, Sighting};
use dialbridge::ledger::{Ledger, LedgerError};
use jiff::Timestamp;
use tempfile::TempDir;
use uuid::Uuid;

pub mod cluster;
mod counters;
mod files;
mod identity;
mod inbox;
mod indexed;
mod keys;
mod lists;
mod numbers;
mod objects;
mod one_store;
mod opening;
mod outcomes;
mod people;
mod receivers;
mod restoring;
mod search;
mod side_by_side;
mod steering;
mod unreadable;
mod unusable;
mod work;

/// Makes two tests of every story: one per implementation.
macro_rules! stories {
    ($($story:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(crate::ledger_story::Place::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(crate::ledger_story::Place::postgres()).await;
            })*
        }
    };
}
use stories;

/// Where a ledger is, open or not.
struct Place {
    at: At,
    clock: Clock,
}

enum At {
    File(TempDir),
    Database(cluster::Database),
}

impl Place {
    fn sqlite() -> Self {
        Self { at: At::File(tempfile::tempdir().unwrap()), clock: clock() }
    }

    fn postgres() -> Self {
        Self { at: At::Database(cluster::Database::create()), clock: clock() }
    }

    /// A new ledger with two accounts: `pairs`, which names campaigns by pair, and `uuids`, which has
    /// the virtual VDN 900.
    async fn ledger(&self) -> Ledger {
        self.migrate().await.unwrap();
        let ledger = self.open().await.unwrap();
        let accounts = vec![account("pairs", None), account("uuids", Some(900))];
        ledger.register_accounts(accounts, self.clock.now()).await.unwrap();
        ledger
    }

    async fn migrate(&self) -> Result<(), LedgerError> {
        match &self.at {
            At::File(dir) => Ledger::migrate_sqlite(&dir.path().join("ledger.db"), &self.clock),
            At::Database(database) => Ledger::migrate_postgres(&database.url(), &self.clock).await,
        }
    }

    async fn open(&self) -> Result<Ledger, LedgerError> {
        match &self.at {
            At::File(dir) => Ledger::open_sqlite(&dir.path().join("ledger.db")),
            At::Database(database) => Ledger::open_postgres(&database.url(), 8).await,
        }
    }

    /// Changes rows behind the ledger's back.
    fn tamper(&self, sql: &str) {
        match &self.at {
            At::File(dir) => {
                let file = rusqlite::Connection::open(dir.path().join("ledger.db")).unwrap();
                file.execute_batch(sql).unwrap();
            }
            At::Database(database) => database.run(sql),
        }
    }
}

/// Stands still, so that every story knows its times.
fn clock() -> Clock {
    Clock::virtual_at(at(0), 42)
}

/// `micros` after the beginning of the story.
fn at(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(1_800_000_000_000_000 + micros).unwrap()
}

fn slug(name: &str) -> AccountSlug {
    AccountSlug::new(name).unwrap()
}

fn vdn(number: i64) -> VdnId {
    VdnId::new(number).unwrap()
}

fn pair(vdn_id: i64, number: i64) -> PublicPair {
    PublicPair { vdn: vdn(vdn_id), number: CampaignNumber::new(number).unwrap() }
}

fn account(name: &str, virtual_vdn: Option<i64>) -> AccountRow {
    AccountRow {
        slug: slug(name),
        platform: "a platform".to_owned(),
        virtual_vdn: virtual_vdn.map(vdn),
    }
}

fn snapshot(name: &str, status: CampaignStatus) -> Snapshot {
    Snapshot {
        name: name.to_owned(),
        status,
        document: format!("{{\"name\":\"{name}\"}}"),
        created_at: None,
        deleted: false,
    }
}

/// A stopped campaign of `pairs` with the pair 7/n.
fn paired(n: i64) -> Sighting {
    Sighting {
        native: NativeId::new(format!("7/{n}")),
        proposed_uuid: uuid(n),
        pair: PairSource::Given(pair(7, n)),
        is_known_by_name: false,
        snapshot: snapshot(&format!("Campaign {n}"), CampaignStatus::Stopped),
    }
}

/// A stopped campaign of `uuids`, whose native id is a UUID.
fn unpaired(n: i64) -> Sighting {
    Sighting {
        native: NativeId::new(uuid(1000 + n).to_string()),
        proposed_uuid: uuid(1000 + n),
        pair: PairSource::Assigned(vdn(900)),
        is_known_by_name: false,
        snapshot: snapshot(&format!("Campaign {n}"), CampaignStatus::Stopped),
    }
}

fn uuid(n: i64) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &n.to_be_bytes())
}

async fn sight(ledger: &Ledger, account: &str, sighting: Sighting) -> DirectoryEntry {
    let mut seen = ledger.sight_campaigns(slug(account), vec![sighting], at(0)).await.unwrap();
    seen.remove(0)
}

fn by_uuid(entry: &DirectoryEntry) -> CampaignKey {
    CampaignKey::Uuid(entry.identity.uuid)
}
