//! The load generator: keep-alive HTTP/1.1 over raw sockets, so that it costs little and treats every
//! server alike. Loopback only, bounded in count and time.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What one run measured.
pub struct Measured {
    pub requests_per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub max_us: f64,
    pub requests: u64,
}

/// `per_second` requests on a fixed schedule, evenly spaced: a thread per connection with a blocking
/// socket, because an async timer ticks in milliseconds and would send them in bursts.
pub fn paced(
    server: SocketAddr,
    requests: &[Vec<u8>],
    connections: usize,
    time: Duration,
    per_second: u32,
) -> Measured {
    assert!(server.ip().is_loopback(), "load goes to loopback only");
    let next = AtomicU64::new(0);
    let begin = Instant::now();
    let mut all = new_histogram();
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..connections)
            .map(|_| {
                scope.spawn(|| call_on_schedule(server, requests, &next, begin, time, per_second))
            })
            .collect();
        for caller in callers {
            all.add(caller.join().unwrap()).unwrap();
        }
    });
    measured(&all, begin)
}

fn call_on_schedule(
    server: SocketAddr,
    requests: &[Vec<u8>],
    next: &AtomicU64,
    begin: Instant,
    time: Duration,
    per_second: u32,
) -> Histogram<u64> {
    let mut seen = new_histogram();
    let mut stream = std::net::TcpStream::connect(server).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let order = next.fetch_add(1, Ordering::Relaxed);
        let due = Duration::from_secs_f64(order as f64 / f64::from(per_second));
        if due >= time {
            return seen;
        }
        std::thread::sleep(due.saturating_sub(begin.elapsed()));
        let sent = Instant::now();
        stream.write_all(&requests[order as usize % requests.len()]).unwrap();
        read_whole_answer(&mut stream, &mut buffer);
        seen.record((sent.elapsed().as_micros() as u64).max(1)).unwrap();
    }
}

/// One request, which is answered 200.
pub fn once(server: SocketAddr, request: &[u8]) {
    let mut stream = std::net::TcpStream::connect(server).unwrap();
    stream.write_all(request).unwrap();
    read_whole_answer(&mut stream, &mut vec![0; 64 * 1024]);
}

fn read_whole_answer(stream: &mut std::net::TcpStream, buffer: &mut [u8]) {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).unwrap();
        assert!(read > 0, "the server closed the connection");
        filled += read;
        let Some(at) = find(&buffer[..filled], b"\r\n\r\n") else { continue };
        if filled >= at + 4 + content_length(&buffer[..at]) {
            insist_on_200(&buffer[..filled]);
            return;
        }
    }
}

fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).unwrap()
}

fn measured(all: &Histogram<u64>, begin: Instant) -> Measured {
    Measured {
        requests_per_second: all.len() as f64 / begin.elapsed().as_secs_f64(),
        p50_us: all.value_at_quantile(0.50) as f64,
        p99_us: all.value_at_quantile(0.99) as f64,
        max_us: all.max() as f64,
        requests: all.len(),
    }
}

/// As fast as `connections` callers can, each asking the next of `requests` when it has its answer.
pub fn saturate(
    server: SocketAddr,
    requests: &[Vec<u8>],
    connections: usize,
    time: Duration,
) -> Measured {
    assert!(server.ip().is_loopback(), "load goes to loopback only");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let requests: Arc<Vec<Vec<u8>>> = Arc::new(requests.to_vec());
    let next = Arc::new(AtomicU64::new(0));
    runtime.block_on(async {
        let begin = Instant::now();
        let callers: Vec<_> = (0..connections)
            .map(|_| {
                let (requests, next) = (Arc::clone(&requests), Arc::clone(&next));
                tokio::spawn(call(server, requests, next, begin, time))
            })
            .collect();
        let mut all = new_histogram();
        for caller in callers {
            all.add(caller.await.unwrap()).unwrap();
        }
        measured(&all, begin)
    })
}

async fn call(
    server: SocketAddr,
    requests: Arc<Vec<Vec<u8>>>,
    next: Arc<AtomicU64>,
    begin: Instant,
    time: Duration,
) -> Histogram<u64> {
    let mut seen = new_histogram();
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = Vec::with_capacity(64 * 1024);
    while begin.elapsed() < time {
        let order = next.fetch_add(1, Ordering::Relaxed);
        let request = &requests[order as usize % requests.len()];
        let sent = Instant::now();
        stream.write_all(request).await.unwrap();
        read_answer(&mut stream, &mut buffer).await;
        seen.record((sent.elapsed().as_micros() as u64).max(1)).unwrap();
    }
    seen
}

/// Reads one answer with a content length and insists on status 200.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) {
    buffer.clear();
    let (head, length) = loop {
        let read = stream.read_buf(buffer).await.unwrap();
        assert!(read > 0, "the server closed the connection");
        if let Some(at) = find(buffer, b"\r\n\r\n") {
            break (at + 4, content_length(&buffer[..at]));
        }
    };
    insist_on_200(buffer);
    while buffer.len() < head + length {
        assert!(stream.read_buf(buffer).await.unwrap() > 0, "the answer was cut short");
    }
}

fn insist_on_200(answer: &[u8]) {
    assert!(
        answer.starts_with(b"HTTP/1.1 200"),
        "unexpected answer: {}",
        String::from_utf8_lossy(&answer[..answer.len().min(400)])
    );
}

pub fn content_length(head: &[u8]) -> usize {
    let head = std::str::from_utf8(head).unwrap();
    head.lines()
        .find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
        })
        .expect("answers have a content length")
}

pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// A GET as bytes.
pub fn get(path_and_query: &str) -> Vec<u8> {
    format!("GET {path_and_query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").into_bytes()
}

/// A PUT as bytes.
pub fn put(path_and_query: &str, body: &str) -> Vec<u8> {
    with_body("PUT", path_and_query, body)
}

/// A POST as bytes.
pub fn post(path_and_query: &str, body: &str) -> Vec<u8> {
    with_body("POST", path_and_query, body)
}

fn with_body(method: &str, path_and_query: &str, body: &str) -> Vec<u8> {
    let head = format!("{method} {path_and_query} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    let length = format!("Content-Type: application/json\r\nContent-Length: {}", body.len());
    format!("{head}{length}\r\n\r\n{body}").into_bytes()
}
