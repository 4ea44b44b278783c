//! What a simulator did and was asked, served under `/_sim/` and read by tests.

/// A cheap handle on the shared record.
#[derive(Clone, Default)]
pub struct Journal {}
