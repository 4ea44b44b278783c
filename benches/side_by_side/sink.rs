//! A local receiver of deliveries that costs next to nothing and counts distinct ids.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::load::{content_length, find};

pub struct Sink {
    address: SocketAddr,
    ids: Arc<Mutex<HashSet<Vec<u8>>>>,
}

impl Sink {
    /// On a thread of its own, until the process ends.
    pub fn start() -> Self {
        let ids = Arc::new(Mutex::new(HashSet::new()));
        let (tell, told) = std::sync::mpsc::channel();
        let kept = Arc::clone(&ids);
        std::thread::Builder::new()
            .name("sink".into())
            .spawn(move || {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                    tell.send(listener.local_addr().unwrap()).unwrap();
                    while let Ok((stream, _)) = listener.accept().await {
                        tokio::spawn(serve(stream, Arc::clone(&kept)));
                    }
                });
            })
            .unwrap();
        Self { address: told.recv().unwrap(), ids }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub fn distinct(&self) -> usize {
        self.ids.lock().unwrap().len()
    }
}

async fn serve(mut stream: TcpStream, ids: Arc<Mutex<HashSet<Vec<u8>>>>) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        if let Some(at) = find(&buffer, b"\r\n\r\n") {
            let end = at + 4 + content_length(&buffer[..at]);
            if buffer.len() >= end {
                let id = find(&buffer[..at], b"webhook-id: ").map(|from| {
                    let rest = &buffer[from + 12..at];
                    let end = find(rest, b"\r\n").unwrap_or(rest.len());
                    rest[..end].to_vec()
                });
                ids.lock().unwrap().extend(id);
                buffer.drain(..end);
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                if stream.write_all(answer).await.is_err() {
                    return;
                }
                continue;
            }
        }
        match stream.read_buf(&mut buffer).await {
            Ok(read) if read > 0 => {}
            _ => return,
        }
    }
}
