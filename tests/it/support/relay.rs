//! An address that is known before there is anybody behind it, as an operator's public one is.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use super::sink::named;

/// Lives as long as the test's process.
#[derive(Clone)]
pub struct Relay {
    address: SocketAddr,
    target: Arc<OnceLock<SocketAddr>>,
    is_cut: Arc<AtomicBool>,
    /// Connections of clients, as they came.
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Relay {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let relay =
            Self { address, target: Arc::default(), is_cut: Arc::default(), open: Arc::default() };
        let Self { target, is_cut, open, .. } = relay.clone();
        named("relay", move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let Some(target) = target.get().copied() else { continue };
                let mut open = open.lock().unwrap();
                if is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                open.push(stream.try_clone().unwrap());
                named("relay-connection", move || drop(pass(&stream, target)));
            }
        });
        relay
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whether what comes is dropped from now on, also on connections that are open already.
    pub fn cut(&self, is_cut: bool) {
        let mut open = self.open.lock().unwrap();
        self.is_cut.store(is_cut, Ordering::SeqCst);
        if is_cut {
            for stream in open.drain(..) {
                stream.shutdown(Shutdown::Both).ok();
            }
        }
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
