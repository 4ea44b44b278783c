//! Standard Webhooks: how the gateway's own notifications are signed (symmetric scheme `v1`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;

pub const ID_HEADER: &str = "webhook-id";
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
pub const SIGNATURE_HEADER: &str = "webhook-signature";

/// Before the key in base64; receivers may have left it out.
const SECRET_PREFIX: &str = "whsec_";
const VERSION: &str = "v1,";

/// A text that is no secret; never what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected whsec_ and a key in base64")]
pub struct BadSecret;

/// The text of a secret whose key these bytes are.
pub fn secret_of(key: &[u8]) -> SecretString {
    SecretString::from(format!("{SECRET_PREFIX}{}", STANDARD.encode(key)))
}

/// One signature over id, time (seconds since 1970) and exactly these bytes.
///
/// # Errors
/// When the secret is none.
pub fn sign(
    secret: &SecretString,
    id: &str,
    timestamp_s: i64,
    body: &[u8],
) -> Result<String, BadSecret> {
    let text = secret.expose_secret();
    let key = text.strip_prefix(SECRET_PREFIX).unwrap_or(text);
    let key = STANDARD.decode(key).map_err(|_| BadSecret)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| BadSecret)?;
    mac.update(format!("{id}.{timestamp_s}.").as_bytes());
    mac.update(body);
    Ok(format!("{VERSION}{}", STANDARD.encode(mac.finalize().into_bytes())))
}

/// Whether one of the signatures of a header, which are separated by spaces, is this secret's;
/// compares in constant time. Whether the time is recent is the caller's to decide.
pub fn verify(
    secret: &SecretString,
    (id, timestamp_s): (&str, i64),
    header: &str,
    body: &[u8],
) -> bool {
    let Ok(expected) = sign(secret, id, timestamp_s, body) else { return false };
    let fits = |given: &str| bool::from(given.as_bytes().ct_eq(expected.as_bytes()));
    header.split(' ').any(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published with the reference implementations.
    #[test]
    fn the_published_vector_is_signed() {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let (id, at) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330);
        let body = br#"{"test": 2432232314}"#;
        let signature = sign(&secret, id, at, body).unwrap();
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let bare = SecretString::from("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        assert_eq!(sign(&bare, id, at, body).unwrap(), signature, "without its prefix");
        let several = format!("v1,AAAA v2,x {signature}");
        assert!(verify(&secret, (id, at), &several, body));
        assert!(!verify(&secret, (id, at + 1), &several, body));
        assert!(!verify(&secret, ("msg_other", at), &several, body));
        assert!(!verify(&secret, (id, at), &several, b"{}"));
    }

    #[test]
    fn what_is_no_key_is_an_error() {
        assert_eq!(sign(&SecretString::from("whsec_*"), "id", 0, b""), Err(BadSecret));
        let made = secret_of(&[7; 32]);
        assert!(made.expose_secret().starts_with("whsec_"));
        assert!(sign(&made, "id", 0, b"").is_ok());
    }
}
