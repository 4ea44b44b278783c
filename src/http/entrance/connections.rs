//! Open connections of a listener: so many in all, so many from one address. Past a limit the oldest
//! that has proved nothing makes room for the new one; a flood of silent connections closes its own.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::task::AtomicWaker;

use super::Side;
use super::peers::{Proxies, network};
use super::refusals::{Reason, Refusals};
use crate::clock::Stopwatch;
use crate::config::ListenerLimits;

/// Where connections of one listener come in.
pub struct Gate {
    side: Side,
    refusals: Arc<Refusals>,
    open: Mutex<Open>,
}

struct Open {
    limits: ListenerLimits,
    proxies: Proxies,
    next: u64,
    count: usize,
    peers: HashMap<IpAddr, BTreeMap<u64, Present>>,
}

/// A connection that is open, and since when it has been seen without any happening.
struct Present {
    connection: Arc<Connection>,
    activity: u64,
    quiet: Stopwatch,
}

/// What is known of a connection.
#[derive(Default)]
pub struct Connection {
    is_proved: AtomicBool,
    /// Bodies of it that are complete and not done with.
    complete: AtomicU32,
    /// Requests that are being answered.
    requests: AtomicU32,
    /// Grows whenever something happens that a silent client does not bring about.
    activity: AtomicU64,
    closed: Closed,
}

/// Whether a connection has to end. Whoever serves it asks at each of its wakings, so that asking has to
/// cost next to nothing.
#[derive(Default)]
struct Closed {
    is_so: AtomicBool,
    waker: AtomicWaker,
}

/// A connection that may stay; it is closed and forgotten when this is dropped.
pub struct Admission {
    gate: Arc<Gate>,
    peer: IpAddr,
    number: u64,
    pub connection: Arc<Connection>,
}

/// A request that is being answered.
pub struct Request(Arc<Connection>);

/// A body that is complete and not done with: its connection stays.
pub(super) struct Complete(Arc<Connection>);

impl Gate {
    pub(super) fn new(side: Side, refusals: Arc<Refusals>) -> Self {
        let open = Open {
            limits: ListenerLimits::of(0, 0),
            proxies: Proxies::default(),
            next: 0,
            count: 0,
            peers: HashMap::new(),
        };
        Self { side, refusals, open: Mutex::new(open) }
    }

    pub(super) fn limit(&self, limits: ListenerLimits, proxies: Proxies) {
        let mut open = self.lock();
        (open.limits, open.proxies) = (limits, proxies);
    }

    /// Of its listener.
    pub fn name(&self) -> &'static str {
        self.side.as_str()
    }

    pub fn limits(&self) -> ListenerLimits {
        self.lock().limits
    }

    /// Connections that are open now.
    pub fn count(&self) -> usize {
        self.lock().count
    }

    /// Lets a connection in, if need be in the place of another; None when all others stay.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Admission> {
        let mut open = self.lock();
        // Behind a proxy are many: their requests are counted, not its connections.
        let (peer, most) = if open.proxies.trust(address) {
            (address, open.limits.connections)
        } else {
            (network(address), open.limits.connections_per_peer)
        };
        let of_peer = open.peers.get(&peer).map_or(0, BTreeMap::len);
        let makes_room = if of_peer >= most {
            Some(open.close_oldest(peer))
        } else if open.count >= open.limits.connections {
            Some(open.heaviest().is_some_and(|heaviest| open.close_oldest(heaviest)))
        } else {
            None
        };
        if makes_room == Some(false) {
            drop(open);
            self.refusals.note(self.side, Reason::TooManyConnections, Some(address));
            return None;
        }
        let number = open.next;
        open.next += 1;
        open.count += 1;
        let connection = Arc::<Connection>::default();
        let present = Present::new(&connection);
        open.peers.entry(peer).or_default().insert(number, present);
        drop(open);
        if makes_room.is_some() {
            self.refusals.note(self.side, Reason::MadeRoom, Some(address));
        }
        Some(Admission { gate: Arc::clone(self), peer, number, connection })
    }

    /// Closes the connections on which nothing happens for the listener's `idle_timeout` (at most twice
    /// that), for as long as this is polled. What a client sends is no happening: a head that never ends
    /// keeps nothing open. A request that is being answered has deadlines of its own.
    #[expect(clippy::disallowed_methods, reason = "sockets live in the machine's time")]
    pub async fn close_quiet(&self) -> Infallible {
        loop {
            let idle = self.limits().idle_timeout;
            tokio::time::sleep(idle).await;
            self.lock().close_quiet(idle);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// The address that has most connections that could make room.
    fn heaviest(&self) -> Option<IpAddr> {
        let closable = self.peers.iter().map(|(peer, connections)| {
            let closable = connections.values().filter(|of| of.connection.may_be_closed());
            (closable.count(), *peer)
        });
        closable.max().filter(|(count, _)| *count > 0).map(|(_, peer)| peer)
    }

    fn close_oldest(&mut self, peer: IpAddr) -> bool {
        let Some(connections) = self.peers.get(&peer) else { return false };
        let mut closable = connections.iter().filter(|(_, of)| of.connection.may_be_closed());
        let Some((&number, _)) = closable.next() else { return false };
        if let Some(present) = self.remove(peer, number) {
            present.connection.closed.close();
        }
        true
    }

    fn close_quiet(&mut self, idle: Duration) {
        for present in self.peers.values_mut().flat_map(BTreeMap::values_mut) {
            if present.is_quiet(idle) {
                present.connection.closed.close();
            }
        }
    }

    fn remove(&mut self, peer: IpAddr, number: u64) -> Option<Present> {
        let connections = self.peers.get_mut(&peer)?;
        let removed = connections.remove(&number)?;
        if connections.is_empty() {
            self.peers.remove(&peer);
        }
        self.count -= 1;
        Some(removed)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.gate.lock().remove(self.peer, self.number);
    }
}

impl Admission {
    /// Ends when the connection has to make room, or was quiet for too long.
    pub async fn over(&self) {
        self.connection.closed.wait().await;
    }
}

impl Present {
    fn new(connection: &Arc<Connection>) -> Self {
        Self { connection: Arc::clone(connection), activity: 0, quiet: Stopwatch::start() }
    }

    /// Whether nothing has happened since it was seen so, `idle` ago.
    fn is_quiet(&mut self, idle: Duration) -> bool {
        let activity = self.connection.activity.load(Ordering::Relaxed);
        if activity != self.activity {
            (self.activity, self.quiet) = (activity, Stopwatch::start());
        }
        let is_answered = self.connection.requests.load(Ordering::Relaxed) > 0;
        !is_answered && self.quiet.elapsed() >= idle
    }
}

impl Closed {
    fn close(&self) {
        self.is_so.store(true, Ordering::Release);
        self.waker.wake();
    }

    fn is_so(&self) -> bool {
        self.is_so.load(Ordering::Acquire)
    }

    async fn wait(&self) {
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            if self.is_so() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl Connection {
    pub fn prove(&self) {
        // Most requests come on a connection that is known.
        if !self.is_proved.load(Ordering::Relaxed) {
            self.is_proved.store(true, Ordering::Relaxed);
        }
    }

    /// Something was written, or a request began or ended.
    pub fn happens(&self) {
        self.activity.fetch_add(1, Ordering::Relaxed);
    }

    /// A request begins.
    pub fn begin(self: &Arc<Self>) -> Request {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Request(Arc::clone(self))
    }

    pub(super) fn complete(self: &Arc<Self>) -> Complete {
        self.complete.fetch_add(1, Ordering::Relaxed);
        Complete(Arc::clone(self))
    }

    fn may_be_closed(&self) -> bool {
        !self.is_proved.load(Ordering::Relaxed) && self.complete.load(Ordering::Relaxed) == 0
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
        self.0.happens();
    }
}

impl Drop for Complete {
    fn drop(&mut self) {
        self.0.complete.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn gate(connections: usize, per_peer: usize) -> Arc<Gate> {
        let refusals = Arc::new(Refusals::new(&Clock::real()));
        let gate = Arc::new(Gate::new(Side::Callbacks, refusals));
        gate.limit(ListenerLimits::of(connections, per_peer), Proxies::default());
        gate
    }

    fn admit(gate: &Arc<Gate>, address: &str) -> Option<Admission> {
        gate.admit(address.parse().unwrap())
    }

    fn is_closed(admission: &Admission) -> bool {
        admission.connection.closed.is_so()
    }

    #[test]
    fn an_address_closes_its_own_oldest_connection() {
        let gate = gate(10, 2);
        let other = admit(&gate, "192.0.2.1").unwrap();
        let first = admit(&gate, "2001:db8::1").unwrap();
        let second = admit(&gate, "2001:db8::2").unwrap();
        first.connection.prove();
        let third = admit(&gate, "2001:db8::3").unwrap();
        let closed = [&other, &first, &second, &third].map(is_closed);
        assert_eq!(closed, [false, false, true, false]);
        // What is being worked on stays, and so nobody else is let in.
        let complete = third.connection.complete();
        assert!(admit(&gate, "2001:db8::4").is_none());
        drop(complete);
        assert!(admit(&gate, "2001:db8::4").is_some());
        drop((first, second, third));
        assert_eq!(gate.count(), 1);
    }

    #[test]
    fn a_full_listener_has_room_for_who_comes_alone() {
        let gate = gate(4, 4);
        let _alone = admit(&gate, "192.0.2.1").unwrap();
        let flood: Vec<_> = (0..3).map(|_| admit(&gate, "192.0.2.66").unwrap()).collect();
        let genuine = admit(&gate, "192.0.2.2").unwrap();
        assert!(is_closed(&flood[0]) && !is_closed(&flood[1]) && !is_closed(&genuine));
        assert_eq!(gate.count(), 4);
    }

    #[tokio::test]
    async fn a_silent_connection_ends_and_one_that_is_answered_stays() {
        let gate = gate(4, 4);
        let idle_timeout = std::time::Duration::from_millis(5);
        let limits = ListenerLimits { idle_timeout, ..gate.limits() };
        gate.limit(limits, Proxies::default());
        let quiet = admit(&gate, "192.0.2.1").unwrap();
        let busy = admit(&gate, "192.0.2.1").unwrap();
        let request = busy.connection.begin();
        let story = async {
            quiet.over().await;
            assert!(tokio::time::timeout(20 * idle_timeout, busy.over()).await.is_err());
            drop(request);
            busy.over().await;
        };
        tokio::select! {
            () = story => {}
            never = gate.close_quiet() => match never {},
        }
    }
}
