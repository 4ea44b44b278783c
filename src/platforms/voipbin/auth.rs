//! How we prove who we are to VoIPBin, and how VoIPBin proves it to us.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};

use crate::transport::Target;

/// The access key goes into the query: there is no header form (reference 1.2).
#[derive(Debug, Clone)]
pub struct AccessKey(SecretString);

/// Whatever signatures arrive, the secret is not read again sooner.
pub const SECRET_READ_PAUSE: Duration = Duration::from_secs(10);

/// What signs an account's webhooks: configured, or read at the platform and kept (reference 10.2).
#[derive(Debug)]
pub struct WebhookSecret {
    pub configured: Option<SecretString>,
    read: RwLock<Option<SecretString>>,
    /// When the platform was asked last. Whoever holds it asks; the others wait for what comes of it.
    pub(super) reading: tokio::sync::Mutex<Option<Reading>>,
}

/// When the platform was asked for the secret, and whether it answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub at: Timestamp,
    pub answered: bool,
}

impl WebhookSecret {
    pub fn new(configured: Option<SecretString>) -> Self {
        Self { configured, read: RwLock::default(), reading: tokio::sync::Mutex::default() }
    }

    /// What was read last.
    pub(super) fn known(&self) -> Option<SecretString> {
        self.read.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn keep(&self, secret: Option<SecretString>) {
        *self.read.write().unwrap_or_else(PoisonError::into_inner) = secret;
    }
}

impl AccessKey {
    pub fn new(key: SecretString) -> Self {
        Self(key)
    }

    pub fn authenticate(&self, target: &mut Target) {
        target.add_query("accesskey", self.0.expose_secret());
    }

    /// Whether a text, percent-encoded or not, gives the key away.
    pub fn is_in(&self, text: &str) -> bool {
        let key = self.0.expose_secret();
        text.contains(key) || percent_decode_str(text).decode_utf8_lossy().contains(key)
    }
}
