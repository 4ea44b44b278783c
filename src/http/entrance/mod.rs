//! What every request meets before anything is done for it, on each listener in the same order: how
//! many connections its sender holds ([`Gate`]), its head, its credential or token, the length that it
//! announces, and its body, which has a deadline and a place among the bytes in memory ([`Room`]).
//! Whoever is refused is counted and logged by reason ([`Refusals`]).
//!
//! A *place* is memory that a body holds until nobody has the body any more. A connection or body that
//! has *proved* nothing makes room for others when a limit is reached: the oldest connection of the
//! address that has most of them, the body that holds most bytes. So whoever is quick and small is
//! served also while others keep all they can get.

mod body;
mod connections;
mod peers;
mod refusals;
mod room;
mod tally;

pub use body::{Admits, Body, Received, Terms, Unread};
pub use connections::{Admission, Connection, Gate, Request};
pub use peers::{Proxies, network};
pub use refusals::{Reason, Refusals};
pub use room::{Kind, Room};
pub use tally::Tally;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::dev::RequestHead;

use crate::clock::Clock;
use crate::config::{Listener, ListenerLimits, Listeners};

/// The listeners, as they are called in logs and measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    Facades,
    Callbacks,
    Admin,
}

impl Side {
    pub const ALL: [Self; 3] = [Self::Facades, Self::Callbacks, Self::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Side::Facades => "facades",
            Side::Callbacks => "callbacks",
            Side::Admin => "admin",
        }
    }

    fn of(self, listeners: &Listeners) -> &Listener {
        match self {
            Side::Facades => &listeners.facades,
            Side::Callbacks => &listeners.callbacks,
            Side::Admin => &listeners.admin,
        }
    }
}

/// What all listeners share; it lives as long as the program, over every reading of the configuration.
pub struct Entrance {
    gates: [Arc<Gate>; 3],
    pub room: Arc<Room>,
    pub refusals: Arc<Refusals>,
    clock: Clock,
}

impl Entrance {
    pub fn new(clock: &Clock) -> Arc<Self> {
        let refusals = Arc::new(Refusals::new(clock));
        Arc::new(Self {
            gates: Side::ALL.map(|side| Arc::new(Gate::new(side, Arc::clone(&refusals)))),
            room: Arc::new(Room::default()),
            refusals,
            clock: clock.clone(),
        })
    }

    pub fn gate(&self, side: Side) -> &Arc<Gate> {
        &self.gates[side as usize]
    }

    /// Takes over the limits of a configuration; `connections` is what the process has files for.
    pub fn limit(&self, listeners: &Listeners, connections: [usize; 3]) {
        self.room.limit(listeners.bodies_in_flight_bytes);
        for (side, connections) in Side::ALL.into_iter().zip(connections) {
            let limits = ListenerLimits { connections, ..side.of(listeners).limits };
            self.gate(side).limit(limits, Proxies::of(side.of(listeners)));
        }
    }
}

/// The entrance of one listener under the present configuration.
#[derive(Clone)]
pub struct Doorway {
    side: Side,
    entrance: Arc<Entrance>,
    proxies: Proxies,
    limits: ListenerLimits,
    pub body_limit_bytes: usize,
}

impl Doorway {
    pub fn new(side: Side, entrance: &Arc<Entrance>, listeners: &Listeners) -> Self {
        let listener = side.of(listeners);
        Self {
            side,
            entrance: Arc::clone(entrance),
            proxies: Proxies::of(listener),
            limits: listener.limits,
            body_limit_bytes: listener.body_limit_bytes,
        }
    }

    /// Who sends a request: the nearest address that no trusted proxy vouches for another.
    pub fn sender(&self, request: &HttpRequest) -> Option<IpAddr> {
        self.proxies.sender(request.peer_addr()?.ip(), request.headers())
    }

    /// Counts and logs a refusal.
    pub fn refused(&self, request: &HttpRequest, reason: Reason) {
        self.entrance.refusals.note(self.side, reason, self.sender(request));
    }

    /// Counts and logs a request from outside the networks that requests may come from.
    pub fn foreign(&self, head: &RequestHead) {
        let peer = head.peer_addr.map(|peer| peer.ip());
        let sender = peer.and_then(|peer| self.proxies.sender(peer, head.headers()));
        self.entrance.refusals.note(self.side, Reason::ForeignSource, sender);
    }

    /// Counts and logs a request that proved nothing; says how long its sender has to wait when it was
    /// refused too often.
    pub fn unproved(&self, request: &HttpRequest, reason: Reason) -> Option<Duration> {
        let sender = self.sender(request);
        self.entrance.refusals.note(self.side, reason, sender);
        self.entrance.refusals.count(sender?, self.limits.refusals_per_peer)
    }

    /// How long the sender of a request has to wait that was refused too often, for what costs more
    /// than a look at the request.
    pub fn waits(&self, request: &HttpRequest) -> Option<Duration> {
        self.entrance.refusals.waits(self.sender(request)?, self.limits.refusals_per_peer)
    }

    /// A request has shown that it is from somebody known: its connection stays.
    pub fn proved(&self, request: &HttpRequest) {
        if let Some(connection) = request.conn_data::<Arc<Connection>>() {
            connection.prove();
        }
    }
}
