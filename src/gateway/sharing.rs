//! Dialling rules that several campaigns of a home use: a change touches all of them, and says so.

use uuid::Uuid;

use crate::domain::ids::{AccountSlug, NativeId};
use crate::domain::listing::Window;
use crate::gateway::error::GatewayError;
use crate::gateway::{Asked, WorkerGateway};
use crate::ledger::MAX_WINDOW_ROWS;
use crate::ledger::directory::DirectoryFilter;
use crate::platforms::Operation;

impl WorkerGateway {
    /// Takes note that a home's dialling rules were changed, by a request about `through` or about
    /// the rules themselves: every other campaign that uses them gets an entry in its history and is
    /// read again. Answers how many campaigns use them, by what the directory knows.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn note_changed_rules(
        &self,
        asked: &Asked,
        (account, rules): (&AccountSlug, &NativeId),
        through: Option<Uuid>,
    ) -> Result<usize, GatewayError> {
        let Some(home) = self.homes.get(account) else { return Ok(0) };
        let mut users = 0;
        let mut before = None;
        loop {
            let filter =
                DirectoryFilter { accounts: vec![account.clone()], ..DirectoryFilter::default() };
            let window = Window::Before { list_at: before, limit: MAX_WINDOW_ROWS };
            let page = self.shared.ledger.list_directory(filter, window).await?;
            let Some(last) = page.entries.last() else { return Ok(users) };
            before = Some(last.identity.list_at);
            for entry in page.entries {
                let document = entry.snapshot.document.as_bytes();
                if home.adapter.shared_rules(document).as_ref() != Some(rules) {
                    continue;
                }
                users += 1;
                let identity = entry.identity;
                if Some(identity.uuid) == through {
                    continue;
                }
                let operation = Operation::RetryPolicyModify;
                let subject = through.unwrap_or(identity.uuid);
                let mut note = self.operation_entry(asked, operation, Some(&identity), subject);
                note.reason = Some(match through {
                    Some(campaign) => {
                        format!("it uses the dialling rules that were changed with {campaign}")
                    }
                    None => "the dialling rules that it uses were changed".to_owned(),
                });
                self.shared.ledger.append_journal(note).await?;
                // Without room it is met by the next discovery.
                self.shared.stale.add(account, identity.native);
            }
        }
    }
}
