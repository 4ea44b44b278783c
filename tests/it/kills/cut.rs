//! A proxy between the gateway and a platform that stops at a chosen write.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::support::sink::named;

/// What the platform has had of the write when the gateway is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Nothing.
    Unsent,
    /// All of it; its answer does not arrive.
    Unanswered,
}

/// The proxy, and copies of its handle; it lives as long as the test's process.
#[derive(Clone)]
pub struct Cut {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    platform: SocketAddr,
    /// How many writes still pass, and what becomes of the next.
    plan: Mutex<Option<(usize, When)>>,
    reached: Notify,
}

impl Cut {
    pub fn before(platform: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { platform, plan: Mutex::new(None), reached: Notify::new() });
        let serving = Arc::clone(&shared);
        named("cut", move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&serving);
                named("cut-connection", move || shared.serve(stream));
            }
        });
        Self { address, shared }
    }

    /// From now on `writes` pass, and the next is the last.
    pub fn arm(&self, writes: usize, when: When) {
        *self.shared.plan.lock().unwrap() = Some((writes, when));
    }

    pub fn disarm(&self) {
        *self.shared.plan.lock().unwrap() = None;
    }

    /// Waits for the last write.
    pub async fn reached(&self) {
        self.shared.reached.notified().await;
    }
}

impl Shared {
    fn serve(&self, mut client: TcpStream) {
        while let Some(request) = read_message(&mut client) {
            let is_write = !request.starts_with(b"GET ");
            let cut = if is_write { self.next_write() } else { None };
            if cut == Some(When::Unsent) {
                self.reached.notify_one();
                return hold(&mut client);
            }
            let Ok(mut platform) = TcpStream::connect(self.platform) else { return };
            if platform.write_all(&request).is_err() {
                return;
            }
            let Some(answer) = read_message(&mut platform) else { return };
            if cut == Some(When::Unanswered) {
                self.reached.notify_one();
                return hold(&mut client);
            }
            if client.write_all(&answer).is_err() {
                return;
            }
        }
    }

    fn next_write(&self) -> Option<When> {
        let mut plan = self.plan.lock().unwrap();
        match &mut *plan {
            None => None,
            Some((0, when)) => Some(*when),
            Some((left, _)) => {
                *left -= 1;
                None
            }
        }
    }
}

/// Keeps silent until the other side is gone.
fn hold(client: &mut TcpStream) {
    let mut rest = [0; 1024];
    while client.read(&mut rest).is_ok_and(|read| read > 0) {}
}

/// A request or an answer, head and body; None at the end of the connection.
fn read_message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        if let Some(at) = message.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&message[..at]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
            if message.len() >= at + 4 + length {
                return Some(message);
            }
        }
        match stream.read(&mut piece) {
            Ok(read) if read > 0 => message.extend_from_slice(&piece[..read]),
            _ => return None,
        }
    }
}
