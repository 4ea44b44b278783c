//! Log-in sessions: by the hash of a token that is nowhere kept, bound to the login that opened them.

use jiff::Timestamp;

use crate::ledger::statements::{Statements, Verb};
use crate::ledger::{Ledger, LedgerError};

/// A session: of which client, and the fingerprint of the login that opened it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    pub token_hash: String,
    pub client: String,
    pub login: String,
}

impl Ledger {
    /// Keeps a session, and forgets those that are over.
    pub async fn create_session(
        &self,
        session: SessionRow,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.write(CreateSession { session, expires_at, now }).await
    }

    /// The session with this token, while it lasts.
    pub async fn find_session(
        &self,
        token_hash: String,
        now: Timestamp,
    ) -> Result<Option<SessionRow>, LedgerError> {
        self.read(FindSession { token_hash, now }).await
    }

    pub async fn end_session(&self, token_hash: String) -> Result<(), LedgerError> {
        self.write(EndSession { token_hash }).await
    }

    /// Ends every session that none of these logins (client and fingerprint) opened: it is over also
    /// when its login comes back.
    pub async fn end_sessions_without_login(
        &self,
        logins: Vec<(String, String)>,
    ) -> Result<u64, LedgerError> {
        self.write(EndWithoutLogin { logins }).await
    }
}

struct CreateSession {
    session: SessionRow,
    expires_at: Timestamp,
    now: Timestamp,
}

impl Verb for CreateSession {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        store.execute("DELETE FROM session WHERE expires_at <= $1", &[self.now.into()]).await?;
        let SessionRow { token_hash, client, login } = &self.session;
        store
            .execute(
                "INSERT INTO session (token_hash, client, login, expires_at) \
                 VALUES ($1, $2, $3, $4)",
                &[
                    token_hash.as_str().into(),
                    client.as_str().into(),
                    login.as_str().into(),
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
    type Answer = Option<SessionRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Self::Answer, LedgerError> {
        let row = store
            .row(
                "SELECT client, login FROM session WHERE token_hash = $1 AND expires_at > $2",
                &[self.token_hash.as_str().into(), self.now.into()],
            )
            .await?;
        let Some(mut row) = row else { return Ok(None) };
        let (client, login) = (row.text()?, row.text()?);
        Ok(Some(SessionRow { token_hash: self.token_hash.clone(), client, login }))
    }
}

struct EndSession {
    token_hash: String,
}

impl Verb for EndSession {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        let token_hash = self.token_hash.as_str().into();
        store.execute("DELETE FROM session WHERE token_hash = $1", &[token_hash]).await?;
        Ok(())
    }
}

struct EndWithoutLogin {
    logins: Vec<(String, String)>,
}

impl Verb for EndWithoutLogin {
    type Answer = u64;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<u64, LedgerError> {
        let rows = store.rows("SELECT DISTINCT client, login FROM session", &[]).await?;
        let mut ended = 0;
        for mut row in rows {
            let login = (row.text()?, row.text()?);
            if !self.logins.contains(&login) {
                let (client, login) = (login.0.as_str().into(), login.1.as_str().into());
                ended += store
                    .execute(
                        "DELETE FROM session WHERE client = $1 AND login = $2",
                        &[client, login],
                    )
                    .await?;
            }
        }
        Ok(ended)
    }
}
