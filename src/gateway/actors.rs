//! What whoever wanted a job may have done, by the configuration as it is now: a client that was taken
//! out of it, or lost an account, has no right to what it asked for before.

use std::collections::HashMap;

use crate::config::{ApiScope, ApiToken, ClientConfig, ClientScope, WritePolicy};
use crate::domain::ids::AccountSlug;
use crate::gateway::WorkerGateway;
use crate::gateway::error::{GatewayError, Refusal};

/// The accounts that clients and operators may write to, by their names.
#[derive(Debug, Default)]
pub struct Actors {
    writable: HashMap<String, Vec<AccountSlug>>,
}

impl Actors {
    pub fn of(clients: &[ClientConfig], tokens: &[ApiToken]) -> Self {
        let mut writable: HashMap<String, Vec<AccountSlug>> = HashMap::new();
        let clients = clients
            .iter()
            .map(|client| (&client.name, client.scope == ClientScope::Write, &client.accounts));
        let operators = tokens
            .iter()
            .map(|token| (&token.name, token.scopes.contains(&ApiScope::Operate), &token.accounts));
        for (name, may_write, accounts) in clients.chain(operators) {
            let own = writable.entry(name.clone()).or_default();
            own.extend(may_write.then_some(accounts).into_iter().flatten().cloned());
        }
        Self { writable }
    }
}

impl WorkerGateway {
    /// Whether whoever wanted a job may have something done on an account now.
    ///
    /// # Errors
    /// `Forbidden`, with what is missing.
    pub(super) fn check_actor(
        &self,
        actor: &str,
        account: &AccountSlug,
    ) -> Result<(), GatewayError> {
        let refused = |why| Err(GatewayError::Forbidden(why));
        match self.shared.actors.writable.get(actor) {
            None => refused(Refusal::UnknownActor),
            Some(own) if own.is_empty() => refused(Refusal::ReadOnlyClient),
            Some(own) if !own.contains(account) => refused(Refusal::ForeignAccount),
            Some(_) if self.shared.account(account)?.writes == WritePolicy::Deny => {
                refused(Refusal::WritesDenied)
            }
            Some(_) => Ok(()),
        }
    }
}
