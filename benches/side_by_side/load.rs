//! The load generator: keep-alive HTTP/1.1 over raw sockets, so that it costs little and treats every
//! server alike. Loopback only, bounded in count and time.

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
}

/// As fast as `connections` callers can, each asking the next of `requests` when it has its answer.
pub fn saturate(
    server: SocketAddr,
    requests: &[Vec<u8>],
    connections: usize,
    time: Duration,
) -> Measured {
    drive(server, requests, connections, time, None)
}

/// `per_second` requests on a fixed schedule: latency counts from when a request was due.
pub fn paced(
    server: SocketAddr,
    requests: &[Vec<u8>],
    connections: usize,
    time: Duration,
    per_second: u32,
) -> Measured {
    drive(server, requests, connections, time, Some(per_second))
}

fn drive(
    server: SocketAddr,
    requests: &[Vec<u8>],
    connections: usize,
    time: Duration,
    per_second: Option<u32>,
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
                tokio::spawn(call(server, requests, next, begin, time, per_second))
            })
            .collect();
        let mut all = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3).unwrap();
        for caller in callers {
            all.add(caller.await.unwrap()).unwrap();
        }
        let seconds = begin.elapsed().as_secs_f64();
        Measured {
            requests_per_second: all.len() as f64 / seconds,
            p50_us: all.value_at_quantile(0.50) as f64,
            p99_us: all.value_at_quantile(0.99) as f64,
        }
    })
}

async fn call(
    server: SocketAddr,
    requests: Arc<Vec<Vec<u8>>>,
    next: Arc<AtomicU64>,
    begin: Instant,
    time: Duration,
    per_second: Option<u32>,
) -> Histogram<u64> {
    let mut seen = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3).unwrap();
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = Vec::with_capacity(64 * 1024);
    while begin.elapsed() < time {
        let order = next.fetch_add(1, Ordering::Relaxed);
        let due = match per_second {
            None => Instant::now(),
            Some(rate) => {
                let due = begin + Duration::from_secs_f64(order as f64 / f64::from(rate));
                tokio::time::sleep_until(due.into()).await;
                // The timer is coarse; what counts is when the request left, unless it was late.
                Instant::now()
            }
        };
        let request = &requests[order as usize % requests.len()];
        stream.write_all(request).await.unwrap();
        read_answer(&mut stream, &mut buffer).await;
        seen.record((due.elapsed().as_micros() as u64).max(1)).unwrap();
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
    assert!(
        buffer.starts_with(b"HTTP/1.1 200"),
        "unexpected answer: {}",
        String::from_utf8_lossy(&buffer[..buffer.len().min(400)])
    );
    while buffer.len() < head + length {
        assert!(stream.read_buf(buffer).await.unwrap() > 0, "the answer was cut short");
    }
}

fn content_length(head: &[u8]) -> usize {
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
