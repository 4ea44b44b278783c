//! The id cache on sled: immutable pairs, in front of the ledger, rebuilt from it when in doubt.

#[derive(Clone)]
pub struct IdCache {}
