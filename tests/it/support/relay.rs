//! An address that is known before there is anybody behind it, as an operator's public one is.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::sink::named;

/// Lives as long as the test's process.
#[derive(Clone)]
pub struct Relay {
    address: SocketAddr,
    target: Arc<OnceLock<SocketAddr>>,
    is_cut: Arc<AtomicBool>,
}

impl Relay {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let relay = Self { address, target: Arc::default(), is_cut: Arc::default() };
        let (target, is_cut) = (Arc::clone(&relay.target), Arc::clone(&relay.is_cut));
        named("relay", move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let Some(target) = target.get().copied() else { continue };
                if is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                named("relay-connection", move || drop(pass(&stream, target)));
            }
        });
        relay
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whether what comes is dropped from now on.
    pub fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::SeqCst);
    }

    /// From now on what comes goes there.
    pub fn lead_to(&self, target: SocketAddr) {
        self.target.set(target).unwrap();
    }
}

fn pass(client: &TcpStream, target: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(target)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    named("relay-up", move || {
        io::copy(&mut from_client, &mut to_server).ok();
        to_server.shutdown(Shutdown::Write).ok();
    });
    io::copy(&mut &server, &mut &*client)?;
    client.shutdown(Shutdown::Write)
}
