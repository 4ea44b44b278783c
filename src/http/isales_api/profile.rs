//! Which edition of the pages a client program was written for, as one value.

use crate::config::IsalesRelease;

/// What an edition does otherwise than the others.
#[derive(Debug, PartialEq, Eq)]
pub struct Profile {
    /// Numbers may be added to campaigns that are started or have ended; until 2025-04 the pages
    /// forbid it (reference 3.14).
    pub adds_to_running: bool,
    /// Batches of numbers exist (reference 11.1).
    pub has_batches: bool,
    /// Longest name that a modification may give, in characters (reference 3.1).
    pub max_modified_name: usize,
}

const R2024: Profile =
    Profile { adds_to_running: false, has_batches: false, max_modified_name: 32 };
const R2025_11: Profile =
    Profile { adds_to_running: true, has_batches: true, max_modified_name: 100 };

impl Profile {
    pub fn of(release: IsalesRelease) -> &'static Self {
        match release {
            IsalesRelease::R2024 => &R2024,
            IsalesRelease::R2025_11 => &R2025_11,
        }
    }
}
