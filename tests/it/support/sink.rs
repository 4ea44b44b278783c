//! A receiver of deliveries: it keeps what comes and answers as it is told.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

/// What a receiver has got.
#[derive(Debug, Clone)]
pub struct Received {
    pub path: String,
    /// Lower-case names.
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }
}

/// A complete answer.
#[derive(Debug, Clone)]
pub struct Says {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: &'static str,
}

impl Says {
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: "{}" }
    }

    pub fn body(body: &'static str) -> Self {
        Self { status: 200, headers: Vec::new(), body }
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

type Behaviour = dyn Fn(usize, &Received) -> Says + Send + Sync;

/// Lives as long as the test's process.
#[derive(Clone)]
pub struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    received: Mutex<Vec<Received>>,
    behaviour: Box<Behaviour>,
}

impl Sink {
    /// `behaviour` is told how many came before.
    pub fn new(behaviour: impl Fn(usize, &Received) -> Says + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared { received: Mutex::default(), behaviour: Box::new(behaviour) };
        let sink = Self { address, shared: Arc::new(shared) };
        let shared = Arc::clone(&sink.shared);
        named("sink", move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                named("sink-connection", move || shared.serve(stream));
            }
        });
        sink
    }

    /// Takes everything, as every shape's receiver does.
    pub fn taking() -> Self {
        Self::new(|_, _| Says::body(r#"{"retCode":"0","retMsg":"success"}"#))
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) {
        while let Some(request) = read(&mut stream) {
            let before = {
                let mut received = self.received.lock().unwrap();
                received.push(request.clone());
                received.len() - 1
            };
            let says = (self.behaviour)(before, &request);
            let mut answer = format!("HTTP/1.1 {} X\r\n", says.status);
            for (name, value) in &says.headers {
                write!(answer, "{name}: {value}\r\n").unwrap();
            }
            write!(answer, "content-length: {}\r\n\r\n{}", says.body.len(), says.body).unwrap();
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
            let mut lines = head.lines();
            let path = lines.next()?.split(' ').nth(1)?.to_owned();
            let headers: HashMap<String, String> = lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect();
            let length: usize = headers.get("content-length").map_or(0, |l| l.parse().unwrap());
            if bytes.len() >= at + 4 + length {
                let body = bytes[at + 4..at + 4 + length].to_vec();
                return Some(Received { path, headers, body });
            }
        }
        match stream.read(&mut piece) {
            Ok(read) if read > 0 => bytes.extend_from_slice(&piece[..read]),
            _ => return None,
        }
    }
}

/// A thread that lives as long as the test's process needs it.
pub fn named(name: &str, run: impl FnOnce() + Send + 'static) {
    thread::Builder::new().name(name.to_owned()).spawn(run).unwrap();
}
