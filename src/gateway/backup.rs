//! A copy of the ledger while it is in use.

use std::path::PathBuf;

use crate::gateway::WorkerGateway;
use crate::gateway::destinations::OperatorView;
use crate::gateway::error::GatewayError;
use crate::ledger::LedgerError;
use crate::ledger::journal::JournalEntry;

impl WorkerGateway {
    /// Copies the ledger into the configured directory, under a name with the time.
    ///
    /// # Errors
    /// `State` when no directory is configured or it is not there, or the ledger is one that other tools
    /// copy; `Unavailable` with the reason when the copy cannot be written.
    pub async fn backup(&self, operator: OperatorView<'_>) -> Result<PathBuf, GatewayError> {
        let shared = &self.shared;
        let directory = shared
            .backup_directory
            .as_ref()
            .ok_or_else(|| GatewayError::State("backup.directory is not configured".to_owned()))?;
        if !directory.is_dir() {
            let shown = directory.display();
            let why =
                format!("the folder {shown} does not exist; create it, or set backup.directory");
            return Err(GatewayError::State(why));
        }
        let now = shared.clock.wall();
        let name = format!("dialbridge-{}.db", now.strftime("%Y%m%dT%H%M%S.%6fZ"));
        let file = directory.join(name);
        match shared.ledger.backup(&file).await {
            Err(LedgerError::Conflict(why)) => return Err(GatewayError::State(why)),
            // Only operators ask for copies, and they know their disks.
            Err(LedgerError::Unavailable(why)) => {
                tracing::error!(%why, "no copy of the ledger was made");
                return Err(GatewayError::unavailable(&format!("no copy was made: {why}")));
            }
            copied => copied?,
        }
        let entry = JournalEntry {
            after: Some(file.display().to_string()),
            ..JournalEntry::new(shared.clock.now(), operator.name, "backup")
        };
        shared.ledger.append_journal(entry).await?;
        Ok(file)
    }
}
