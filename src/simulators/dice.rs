//! Chance that a seed reproduces: the same seed, label and index always give the same draw, on any
//! machine and in any order of asking. (A sequence generator would make one outcome depend on how
//! many others were drawn before it, so on the timing of requests.)

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A cheap handle; clones count on together, so that no two ids are equal.
#[derive(Debug, Clone)]
pub struct Dice {
    seed: u64,
    issued: Arc<AtomicU64>,
}

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self { seed, issued: Arc::default() }
    }

    /// A number in `0.0..1.0` that belongs to this label and index.
    pub fn fraction(&self, label: &str, index: u64) -> f64 {
        let digest = self.digest(label, index);
        let bits = digest.iter().take(6).fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
        // 48 bits are exact in an f64.
        #[expect(clippy::cast_precision_loss, reason = "48 bits fit the 53 of an f64")]
        let fraction = bits as f64 / (1_u64 << 48) as f64;
        fraction
    }

    /// A number in `low..=high` that belongs to this label and index; `low` when the range is empty.
    pub fn between(&self, label: &str, index: u64, low: u64, high: u64) -> u64 {
        let width = high.saturating_sub(low).saturating_add(1);
        let digest = self.digest(label, index);
        let bits = digest.iter().take(8).fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
        low + bits % width
    }

    /// The next id, shaped as a version 4 UUID.
    pub fn next_uuid(&self) -> Uuid {
        let digest = self.digest("uuid", self.issued.fetch_add(1, Ordering::Relaxed));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    fn digest(&self, label: &str, index: u64) -> [u8; 32] {
        Sha256::new()
            .chain_update(self.seed.to_be_bytes())
            .chain_update(index.to_be_bytes())
            .chain_update(label)
            .finalize()
            .into()
    }
}
