//! How we prove who we are to VoIPBin, and how VoIPBin proves it to us.

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};

use crate::signing::webhook;
use crate::transport::Target;

/// The access key goes into the query: there is no header form (reference 1.2).
#[derive(Debug, Clone)]
pub struct AccessKey(SecretString);

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

/// The bytes of a webhook whose signature held. Only [`verify_webhook`] makes one.
#[derive(Clone, Copy)]
pub struct VerifiedWebhook<'a>(&'a [u8]);

/// Checks `X-VoIPBIN-Signature` (reference 10.2).
pub fn verify_webhook<'a>(
    secret: &SecretString,
    signature: &str,
    body: &'a [u8],
) -> Option<VerifiedWebhook<'a>> {
    webhook::verify(secret, signature, body).then_some(VerifiedWebhook(body))
}

impl<'a> VerifiedWebhook<'a> {
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }
}
