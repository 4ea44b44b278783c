//! Stand-in servers for both platforms: servers, not platforms. Each knows only its own platform's
//! wire types and authentication, and is tested against `fixtures/`, never against our adapters.

use std::net::SocketAddr;

pub mod faults;
pub mod isales;
pub mod journal;
pub mod voipbin;

/// A simulator that is serving; it stops when told to or when dropped.
pub struct Running {
    pub address: SocketAddr,
    pub journal: journal::Journal,
}
