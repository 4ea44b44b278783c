//! The tables in `mappings/`: loaded and checked once, then looked up.

/// All tables, by platform and kind.
#[derive(Debug, Clone, Default)]
pub struct Tables {}
