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
        let mut ended = 0;
        for login in self.read(Logins).await? {
            if logins.contains(&login) {
                continue;
            }
            loop {
                match self.write(EndOfLogin { login: login.clone() }).await? {
                    0 => break,
                    some => ended += some,
                }
            }
        }
        Ok(ended)
    }
}

/// Sessions that are over and that each new one removes at most.
const FORGOTTEN_AT_ONCE: i64 = 20;

struct CreateSession {
    session: SessionRow,
    expires_at: Timestamp,
    now: Timestamp,
}

impl Verb for CreateSession {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        // A few each time: more than there are new ones.
        let over = "DELETE FROM session WHERE token_hash IN (SELECT token_hash FROM session \
                    WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
        store.execute(over, &[self.now.into(), FORGOTTEN_AT_ONCE.into()]).await?;
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

/// The logins (client and fingerprint) that opened sessions.
struct Logins;

impl Verb for Logins {
    type Answer = Vec<(String, String)>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Self::Answer, LedgerError> {
        let rows = store.rows("SELECT DISTINCT client, login FROM session", &[]).await?;
        rows.into_iter().map(|mut row| Ok((row.text()?, row.text()?))).collect()
    }
}

/// Sessions of one login that one verb ends at most.
const ENDED_AT_ONCE: i64 = 500;

/// Ends some sessions of a login; answers how many.
struct EndOfLogin {
    login: (String, String),
}

impl Verb for EndOfLogin {
    type Answer = u64;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<u64, LedgerError> {
        let (client, login) = &self.login;
        let sql = "DELETE FROM session WHERE token_hash IN (SELECT token_hash FROM session \
                   WHERE client = $1 AND login = $2 LIMIT $3)";
        let of = [client.as_str().into(), login.as_str().into(), ENDED_AT_ONCE.into()];
        store.execute(sql, &of).await
    }
}
