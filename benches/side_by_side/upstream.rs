//! The platform that both nginx and the gateway stand in front of: a raw socket loop that answers the
//! documented CC-iSales campaign detail, the campaign list that discovery needs, and pause and resume.
//! Not a simulator: it must cost next to nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::load::find;

/// Distinct campaigns that exist.
pub const CAMPAIGNS: usize = 200;
pub const VDN: u16 = 11;
const FIRST_ID: usize = 1000;
/// Statuses of a campaign (cc-isales.md 3.14).
const RUNNING: u8 = 2;
const PAUSED: u8 = 3;

const DETAIL: &str = include_str!("../../fixtures/isales/campaign-detail.lizhan_test.json");

/// Serves on a loopback port, on a thread of its own, until the process ends.
pub fn start() -> SocketAddr {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::Builder::new()
        .name("upstream".into())
        .spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let answers = Arc::new(Answers::new());
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, Arc::clone(&answers)));
                }
            });
        })
        .unwrap();
    told.recv().unwrap()
}

/// The paths of the details, as a CC-iSales client asks for them.
pub fn detail_paths() -> Vec<String> {
    (0..CAMPAIGNS)
        .map(|n| format!("/rest/isales/v1/openapi/campaigns/{VDN}/{}", FIRST_ID + n))
        .collect()
}

/// One campaign after the other.
pub fn campaign_id(n: usize) -> usize {
    FIRST_ID + n % CAMPAIGNS
}

/// The paths that pause (`false`) or resume them.
pub fn status_paths(runs: bool) -> Vec<String> {
    let verb = if runs { "resume" } else { "pause" };
    detail_paths().into_iter().map(|path| format!("{path}/{verb}")).collect()
}

struct Answers {
    /// While it is paused and while it runs.
    details: Vec<[Vec<u8>; 2]>,
    runs: Vec<AtomicBool>,
    done: Vec<u8>,
    list: Vec<u8>,
    empty_list: Vec<u8>,
}

impl Answers {
    fn new() -> Self {
        let envelope: serde_json::Value = serde_json::from_str(DETAIL).unwrap();
        let documents: Vec<serde_json::Value> = (0..CAMPAIGNS)
            .map(|n| {
                let mut document = envelope["returnObject"].clone();
                document["id"] = (FIRST_ID + n).into();
                document["name"] = format!("campaign {n}").into();
                document["status"] = PAUSED.into();
                document
            })
            .collect();
        let details = documents
            .iter()
            .map(|document| {
                [PAUSED, RUNNING].map(|status| {
                    let mut answer = envelope.clone();
                    answer["returnObject"] = document.clone();
                    answer["returnObject"]["status"] = status.into();
                    http(&answer)
                })
            })
            .collect();
        let mut done = envelope.clone();
        done["returnObject"] = serde_json::Value::Null;
        let runs = (0..CAMPAIGNS).map(|_| AtomicBool::new(false)).collect();
        let page = |rows: &[serde_json::Value]| {
            http(&serde_json::json!({
                "resultCode": "0200000", "resultDesc": "", "returnCode": "0200000", "returnDesc": "",
                "curPage": 1, "rowsPerPage": rows.len(), "totalSize": CAMPAIGNS,
                "curSkillQueueCount": 0, "curIvrCount": 0, "data": rows,
            }))
        };
        Self { details, runs, done: http(&done), list: page(&documents), empty_list: page(&[]) }
    }

    fn find(&self, request_line: &str) -> &[u8] {
        let target = request_line.split(' ').nth(1).unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (path, runs) = match path.rsplit_once('/') {
            Some((path, "resume")) => (path, Some(true)),
            Some((path, "pause")) => (path, Some(false)),
            _ => (path, None),
        };
        let id = path.rsplit('/').next().and_then(|id| id.parse::<usize>().ok());
        let number = id.and_then(|id| id.checked_sub(FIRST_ID)).filter(|n| *n < CAMPAIGNS);
        match (number, runs) {
            (Some(number), Some(runs)) => {
                self.runs[number].store(runs, Ordering::Relaxed);
                &self.done
            }
            (Some(number), None) => {
                &self.details[number][usize::from(self.runs[number].load(Ordering::Relaxed))]
            }
            _ if query.contains("curPage=1&") || query.ends_with("curPage=1") => &self.list,
            _ => &self.empty_list,
        }
    }
}

fn http(body: &serde_json::Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

async fn serve(mut stream: TcpStream, answers: Arc<Answers>) {
    stream.set_nodelay(true).ok();
    let mut buffer = Vec::with_capacity(8 * 1024);
    loop {
        match stream.read_buf(&mut buffer).await {
            Ok(read) if read > 0 => {}
            _ => return,
        }
        // Only requests without a body come here; answer each complete head.
        while let Some(at) = find(&buffer, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..at]).into_owned();
            buffer.drain(..at + 4);
            let line = head.lines().next().unwrap_or_default();
            if stream.write_all(answers.find(line)).await.is_err() {
                return;
            }
        }
    }
}
