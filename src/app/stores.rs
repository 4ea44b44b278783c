//! The stores that a program works on: the ledger, and the id cache beside it.

use anyhow::Context as _;
use secrecy::ExposeSecret as _;

use crate::clock::Clock;
use crate::config::{Config, IdCacheConfig, LedgerConfig};
use crate::idcache::{CacheOwner, IdCache};
use crate::ledger::Ledger;

/// Opens the configured ledger, after bringing its schema up to date when asked to.
///
/// # Errors
/// When it cannot be opened, or its schema is not one that this program works with.
pub async fn open_ledger(
    settings: &LedgerConfig,
    clock: &Clock,
    migrate: bool,
) -> anyhow::Result<Ledger> {
    match settings {
        LedgerConfig::Sqlite { path } => {
            if migrate {
                Ledger::migrate_sqlite(path, clock).context("migrating the ledger")?;
            }
            Ledger::open_sqlite(path)
        }
        LedgerConfig::Postgres { url, connections } => {
            if migrate {
                let migrated = Ledger::migrate_postgres(url.expose_secret(), clock).await;
                migrated.context("migrating the ledger")?;
            }
            Ledger::open_postgres(url.expose_secret(), *connections).await
        }
    }
    .with_context(|| format!("opening the ledger {} (ledger.url)", place_of(settings)))
}

/// A file that is not there although an id cache was filled from it was lost, or is looked for in the
/// wrong place: an empty one in its place would answer as if nothing had ever been.
pub fn ensure_not_lost(config: &Config) -> anyhow::Result<()> {
    let LedgerConfig::Sqlite { path } = &config.ledger else { return Ok(()) };
    let directory = &config.id_cache.directory;
    let is_there = std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0);
    anyhow::ensure!(
        is_there || !IdCache::is_in(directory),
        "there is no ledger {}, but the id cache {} was filled from one; put the ledger or a copy of it \
         back (`dialbridge restore`), or delete the id cache to begin with an empty ledger",
        path.display(),
        directory.display()
    );
    Ok(())
}

pub async fn open_id_cache(settings: &IdCacheConfig, ledger: &Ledger) -> anyhow::Result<IdCache> {
    let meta = ledger.meta().await.context("reading the ledger's id")?;
    let owner = CacheOwner { ledger_id: meta.ledger_id, epoch: meta.epoch };
    IdCache::open(&settings.directory, settings.capacity_mb, owner).context("opening the id cache")
}

fn place_of(settings: &LedgerConfig) -> String {
    match settings {
        LedgerConfig::Sqlite { path } => path.display().to_string(),
        LedgerConfig::Postgres { url, .. } => Ledger::place_of_postgres(url.expose_secret()),
    }
}
