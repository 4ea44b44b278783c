//! A small HTTP server that plays a script, for tests of what is sent and what comes of answers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with one request.
#[derive(Clone)]
pub enum Script {
    /// These bytes, then the connection is closed.
    Say(String),
    /// A body without end.
    Endless,
    /// Reads the request and says nothing.
    Silence,
    /// Reads the request and closes the connection.
    HangUp,
}

/// A server that plays one script after the other, the last one for ever.
pub struct Server {
    pub address: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Script {
    pub fn say(text: impl Into<String>) -> Self {
        Script::Say(text.into())
    }
}

impl Server {
    pub async fn start(scripts: &[Script]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let scripts = Arc::new(Mutex::new(VecDeque::from(scripts.to_vec())));
        let record = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(play(stream, Arc::clone(&scripts), Arc::clone(&record)));
            }
        });
        Self { address, seen }
    }

    /// The requests so far, as they came: head and body.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn play(
    mut stream: TcpStream,
    scripts: Arc<Mutex<VecDeque<Script>>>,
    seen: Arc<Mutex<Vec<String>>>,
) {
    let request = read_request(&mut stream).await;
    let script = {
        let mut scripts = scripts.lock().unwrap();
        seen.lock().unwrap().push(request);
        if scripts.len() > 1 { scripts.pop_front().unwrap() } else { scripts[0].clone() }
    };
    match script {
        Script::Say(text) => {
            stream.write_all(text.as_bytes()).await.ok();
            stream.shutdown().await.ok();
        }
        Script::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.ok();
            while stream.write_all(b"8\r\n01234567\r\n").await.is_ok() {}
        }
        // Ends when the client goes away.
        Script::Silence => drop(stream.read(&mut [0; 1]).await),
        Script::HangUp => {}
    }
}

/// Head and body, as far as content-length says.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = stream.read(&mut chunk).await.unwrap_or(0);
        text.extend_from_slice(&chunk[..read]);
        let whole = String::from_utf8_lossy(&text);
        if let Some((head, body)) = whole.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return whole.into_owned();
            }
        }
        if read == 0 {
            return String::from_utf8_lossy(&text).into_owned();
        }
    }
}
