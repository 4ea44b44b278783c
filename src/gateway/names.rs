//! Names of campaigns that are made: whoever creates a campaign at once knows it by its name, and
//! looks for it by that when an answer was lost.

use crate::domain::ids::AccountSlug;
use crate::domain::listing::Window;
use crate::gateway::WorkerGateway;
use crate::gateway::error::GatewayError;
use crate::ledger::MAX_WINDOW_ROWS;
use crate::ledger::directory::DirectoryFilter;
use crate::ledger::objects::{ObjectFilter, ObjectKind, ObjectState};

impl WorkerGateway {
    /// # Errors
    /// `Duplicate` when a campaign of the account has the name, or one that is being made.
    pub(super) async fn refuse_known_name(
        &self,
        account: &AccountSlug,
        name: &str,
    ) -> Result<(), GatewayError> {
        let being_made = ObjectFilter {
            kind: ObjectKind::Campaign,
            accounts: vec![account.clone()],
            parent: None,
            uses: None,
            states: vec![ObjectState::Creating],
            include_deleted: false,
        };
        let window = Window::Before { list_at: None, limit: MAX_WINDOW_ROWS };
        let page = self.shared.ledger.list_objects(being_made, window).await?;
        let mut known = page.objects.iter().any(|row| row.name == name);
        let filter = DirectoryFilter {
            accounts: vec![account.clone()],
            name_contains: Some(name.to_owned()),
            ..DirectoryFilter::default()
        };
        let mut before = None;
        while !known {
            let window = Window::Before { list_at: before, limit: MAX_WINDOW_ROWS };
            let page = self.shared.ledger.list_directory(filter.clone(), window).await?;
            let Some(last) = page.entries.last() else { break };
            before = Some(last.identity.list_at);
            known = page.entries.iter().any(|entry| entry.snapshot.name == name);
        }
        if known {
            return Err(GatewayError::Duplicate("another campaign has the name".to_owned()));
        }
        Ok(())
    }
}
