//! Log output: structured, masked, configured once.
