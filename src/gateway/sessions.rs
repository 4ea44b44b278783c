//! Sessions of clients that log in: a random token, of which only the hash is kept.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::gateway::WorkerGateway;
use crate::gateway::error::GatewayError;

/// How long a session lasts.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// How long a session that was found is not looked up again; one that ends meanwhile lives so much
/// longer.
const SESSION_REMEMBERED: Duration = Duration::from_secs(30);
/// Sessions remembered; then all are forgotten, which costs a look-up each.
const MAX_REMEMBERED_SESSIONS: usize = 10_000;

/// Sessions that were found lately, by hash: whose they are, and until when that is believed.
#[derive(Default)]
pub(super) struct SessionMemory {
    found: Mutex<HashMap<String, (String, Timestamp)>>,
}

impl WorkerGateway {
    /// Opens a session of the client of that name and answers its token, which is kept nowhere.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn open_session(&self, client: &str) -> Result<String, GatewayError> {
        let mut random = [0; TOKEN_BYTES];
        self.shared.clock.fill_random(&mut random);
        let token = hexadecimal(&random);
        let now = self.shared.clock.now();
        let (hash, client) = (hash(&token), client.to_owned());
        self.shared.ledger.create_session(hash, client, now + SESSION_LIFETIME, now).await?;
        Ok(token)
    }

    /// The name of the client whose session this is; None when there is no such session any more.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn client_of_session(&self, token: &str) -> Result<Option<String>, GatewayError> {
        if token.len() != 2 * TOKEN_BYTES {
            return Ok(None);
        }
        let hash = hash(token);
        let now = self.shared.clock.now();
        if let Some(client) = self.shared.sessions.find(&hash, now) {
            return Ok(Some(client));
        }
        let client = self.shared.ledger.find_session(hash.clone(), now).await?;
        if let Some(client) = &client {
            self.shared.sessions.remember(hash, client.clone(), now + SESSION_REMEMBERED);
        }
        Ok(client)
    }
}

impl SessionMemory {
    fn find(&self, hash: &str, now: Timestamp) -> Option<String> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(hash).filter(|(_, until)| now < *until).map(|(client, _)| client.clone())
    }

    fn remember(&self, hash: String, client: String, until: Timestamp) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() >= MAX_REMEMBERED_SESSIONS {
            found.clear();
        }
        found.insert(hash, (client, until));
    }
}

/// SHA-256, in hexadecimal.
fn hash(token: &str) -> String {
    hexadecimal(&Sha256::digest(token.as_bytes()))
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a text never fails.
        write!(text, "{byte:02x}").ok();
        text
    })
}
