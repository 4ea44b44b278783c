//! What a facade offers, as data: the pages of `dialbridge capabilities` and a test that walks every
//! endpoint are made from it.

use crate::platforms::Operation;

/// One documented request of a facade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    pub method: &'static str,
    /// With `{…}` for what differs from request to request.
    pub path: &'static str,
    /// What it asks for; by this it is routed.
    pub operation: Operation,
}

impl Endpoint {
    pub(super) const fn new(
        method: &'static str,
        path: &'static str,
        operation: Operation,
    ) -> Self {
        Self { method, path, operation }
    }
}
