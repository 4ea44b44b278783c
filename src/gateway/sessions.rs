//! Sessions of clients that log in: a random token, of which only the hash is kept.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::gateway::WorkerGateway;
use crate::gateway::error::GatewayError;
use crate::gateway::patience::answered_soon;
use crate::ledger::sessions::SessionRow;

/// How long a session lasts.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// How long a session that was found is not looked up again; one that ends meanwhile lives so much
/// longer.
const SESSION_REMEMBERED: Duration = Duration::from_secs(5);
/// Sessions remembered; then all are forgotten, which costs a look-up each.
const MAX_REMEMBERED_SESSIONS: usize = 10_000;

/// Whose session it is, and the fingerprint of the login that opened it: without that login there is no
/// session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub client: String,
    pub login: String,
}

/// Sessions that were found here, by hash.
#[derive(Default)]
pub(super) struct SessionMemory {
    found: Mutex<HashMap<String, Found>>,
}

struct Found {
    /// None when it has ended.
    session: Option<Session>,
    /// It is looked up again from then on.
    until: Timestamp,
}

impl WorkerGateway {
    /// Opens a session and answers its token, which is kept nowhere.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn open_session(&self, session: Session) -> Result<String, GatewayError> {
        let mut random = [0; TOKEN_BYTES];
        self.shared.clock.fill_random(&mut random);
        let token = const_hex::encode(random);
        let now = self.shared.clock.now();
        let Session { client, login } = session;
        let row = SessionRow { token_hash: hash(&token), client, login };
        self.shared.ledger.create_session(row, now + SESSION_LIFETIME, now).await?;
        Ok(token)
    }

    /// Whose session this is; None when there is no such session any more. While the ledger is away one that
    /// was found before and not ended here is believed: a stop must not wait for that.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn session(&self, token: &str) -> Result<Option<Session>, GatewayError> {
        if token.len() != 2 * TOKEN_BYTES {
            return Ok(None);
        }
        let hash = hash(token);
        let now = self.shared.clock.now();
        if let Some(session) = self.shared.sessions.find(&hash, now) {
            return Ok(Some(session));
        }
        let sessions = &self.shared.sessions;
        match answered_soon(self.shared.ledger.find_session(hash.clone(), now)).await {
            Ok(Some(SessionRow { client, login, .. })) => {
                let session = Session { client, login };
                sessions.remember(hash, session.clone(), now + SESSION_REMEMBERED);
                Ok(Some(session))
            }
            Ok(None) => {
                sessions.end(&hash);
                Ok(None)
            }
            Err(error) if error.is_of_the_store() => match sessions.believed(&hash) {
                Some(session) => Ok(Some(session)),
                None => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Whether this was the token of a session a while ago: whoever bears it does not guess.
    pub fn was_session(&self, token: &str) -> bool {
        self.shared.sessions.was_found(&hash(token))
    }

    /// Ends one session, here at once and on other replicas within seconds.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn end_session(&self, token: &str) -> Result<(), GatewayError> {
        let hash = hash(token);
        self.shared.ledger.end_session(hash.clone()).await?;
        self.shared.sessions.end(&hash);
        Ok(())
    }
}

impl SessionMemory {
    fn find(&self, hash: &str, now: Timestamp) -> Option<Session> {
        self.lock().get(hash).filter(|found| now < found.until)?.session.clone()
    }

    /// As far as is known here, whenever it was found.
    fn believed(&self, hash: &str) -> Option<Session> {
        self.lock().get(hash)?.session.clone()
    }

    fn was_found(&self, hash: &str) -> bool {
        self.lock().contains_key(hash)
    }

    fn remember(&self, hash: String, session: Session, until: Timestamp) {
        let mut found = self.lock();
        if found.len() >= MAX_REMEMBERED_SESSIONS {
            found.clear();
        }
        found.insert(hash, Found { session: Some(session), until });
    }

    fn end(&self, hash: &str) {
        if let Some(found) = self.lock().get_mut(hash) {
            found.session = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Found>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// SHA-256, in hexadecimal.
fn hash(token: &str) -> String {
    const_hex::encode(Sha256::digest(token.as_bytes()))
}
