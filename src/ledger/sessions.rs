//! Log-in sessions: by the hash of a token that is nowhere kept.

use jiff::Timestamp;

use crate::ledger::statements::{Statements, Verb};
use crate::ledger::{Ledger, LedgerError};

impl Ledger {
    /// Keeps a session of a client, and forgets those that are over.
    pub async fn create_session(
        &self,
        token_hash: String,
        client: String,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.write(CreateSession { token_hash, client, expires_at, now }).await
    }

    /// The client whose session it is, while it lasts.
    pub async fn find_session(
        &self,
        token_hash: String,
        now: Timestamp,
    ) -> Result<Option<String>, LedgerError> {
        self.read(FindSession { token_hash, now }).await
    }
}

struct CreateSession {
    token_hash: String,
    client: String,
    expires_at: Timestamp,
    now: Timestamp,
}

impl Verb for CreateSession {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        store.execute("DELETE FROM session WHERE expires_at <= $1", &[self.now.into()]).await?;
        store
            .execute(
                "INSERT INTO session (token_hash, client, expires_at) VALUES ($1, $2, $3)",
                &[
                    self.token_hash.as_str().into(),
                    self.client.as_str().into(),
                    self.expires_at.into(),
                ],
            )
            .await?;
        Ok(())
    }
}

struct FindSession {
    token_hash: String,
    now: Timestamp,
}

impl Verb for FindSession {
    type Answer = Option<String>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Option<String>, LedgerError> {
        let row = store
            .row(
                "SELECT client FROM session WHERE token_hash = $1 AND expires_at > $2",
                &[self.token_hash.as_str().into(), self.now.into()],
            )
            .await?;
        row.map(|mut row| row.text()).transpose()
    }
}
