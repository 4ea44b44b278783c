//! `X-VoIPBIN-Signature`: HMAC-SHA256 over the raw body of a webhook (VoIPBin reference 10.2).

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::hex;

pub const SIGNATURE_HEADER: &str = "x-voipbin-signature";

const SCHEME: &str = "sha256=";

/// The header value for exactly these bytes.
pub fn sign(secret: &SecretString, body: &[u8]) -> String {
    let signature = signature(secret, body);
    let mut value = String::with_capacity(SCHEME.len() + signature.len());
    value.push_str(SCHEME);
    value.extend(signature.iter().map(|&digit| char::from(digit)));
    value
}

/// True when the header value was made over exactly these bytes; compares in constant time.
pub fn verify(secret: &SecretString, header: &str, body: &[u8]) -> bool {
    header
        .strip_prefix(SCHEME)
        .is_some_and(|given| bool::from(given.as_bytes().ct_eq(&signature(secret, body))))
}

fn signature(secret: &SecretString, body: &[u8]) -> [u8; 64] {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(body);
    hex(&mac.finalize().into_bytes())
}
