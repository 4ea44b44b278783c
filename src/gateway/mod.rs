//! What the product does, in terms of neither platform: resolve a public id, decide how the asked
//! operation can be done on the campaign's home, do it, and keep the ledger's account of it.
//!
//! [`Gateway`] is shared by all workers; [`WorkerGateway`] is one worker's handle on it, with
//! adapters of its own (one HTTP client per worker, `limits.md` B2). Nothing here asks *which*
//! platform a home is: what differs is in the home's capabilities and in its adapter.

pub mod campaigns;
pub mod contacts;
pub mod discovery;
pub mod error;
mod flight;
pub mod results;
pub mod route;

use std::collections::HashMap;
use std::sync::Arc;

use crate::clock::Clock;
use crate::config::{AccountConfig, ClientConfig, ClientScope};
use crate::domain::ids::AccountSlug;
use crate::gateway::discovery::Discovery;
use crate::idcache::IdCache;
use crate::ledger::Ledger;
use crate::mapping::table::Tables;
use crate::platforms::{Bindings, PlatformKind};

/// What a gateway is made of.
pub struct GatewayParts {
    pub accounts: Vec<AccountConfig>,
    pub bindings: Arc<Bindings>,
    pub tables: Arc<Tables>,
    pub ledger: Ledger,
    pub id_cache: IdCache,
    pub clock: Clock,
}

/// The part that all workers share. Clones are cheap.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

/// One worker's gateway: the shared part and adapters with a client of their own. Clones share it
/// within the worker.
#[derive(Clone)]
pub struct WorkerGateway {
    shared: Arc<Shared>,
}

/// A program that calls, and what it may.
#[derive(Debug)]
pub struct Client {
    pub name: String,
    pub accounts: Vec<AccountSlug>,
    pub scope: ClientScope,
}

/// Who asks, in whose words, under which request id.
#[derive(Debug, Clone)]
pub struct Asked {
    pub client: Arc<Client>,
    pub platform: PlatformKind,
    pub request_id: String,
}

impl Client {
    pub fn of(settings: &ClientConfig) -> Self {
        Self {
            name: settings.name.clone(),
            accounts: settings.accounts.clone(),
            scope: settings.scope,
        }
    }
}

struct Shared {
    accounts: HashMap<AccountSlug, AccountConfig>,
    ledger: Ledger,
    id_cache: IdCache,
    tables: Arc<Tables>,
    bindings: Arc<Bindings>,
    clock: Clock,
}

impl Gateway {
    /// # Errors
    /// When an account's settings cannot be turned into a connection (a bad trust anchor, say).
    pub fn new(parts: GatewayParts) -> anyhow::Result<Self> {
        let accounts =
            parts.accounts.into_iter().map(|account| (account.slug.clone(), account)).collect();
        let shared = Shared {
            accounts,
            ledger: parts.ledger,
            id_cache: parts.id_cache,
            tables: parts.tables,
            bindings: parts.bindings,
            clock: parts.clock,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// A handle for one worker; call it on the worker's own thread.
    ///
    /// # Errors
    /// When a client for one of the accounts cannot be built.
    pub fn for_worker(&self) -> anyhow::Result<WorkerGateway> {
        Ok(WorkerGateway { shared: Arc::clone(&self.shared) })
    }

    /// The discovery step; `app` runs it again and again.
    ///
    /// # Errors
    /// When a client for one of the accounts cannot be built.
    pub fn discovery(&self) -> anyhow::Result<Discovery> {
        Ok(Discovery::new(self.for_worker()?))
    }

    /// True once the first discovery is done and while the ledger answers.
    pub async fn is_ready(&self) -> bool {
        self.shared.ledger.meta().await.is_ok()
    }
}
