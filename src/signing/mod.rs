//! The only user of HMAC keys: C2 request signing (CC-iSales), webhook signatures (VoIPBin),
//! and what is derived from the operator's master key.
//!
//! Nothing here reads a clock or a file, and no type prints a key.

pub mod c2;
pub mod diagnose;
pub mod keys;
pub mod standard;
pub mod webhook;

use hmac::digest::Output;
use sha2::Sha256;

/// Lower-case hex of a MAC, without an allocation: it is compared and written on every request.
fn hex(mac: &Output<Sha256>) -> [u8; 64] {
    let mut text = [0; 64];
    #[expect(clippy::expect_used, reason = "a MAC has 32 bytes")]
    const_hex::encode_to_slice(mac, &mut text).expect("a MAC has 32 bytes");
    text
}
