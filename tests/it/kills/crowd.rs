//! A crowd of connections meets the real binary with as few files as a process often may open.

use std::path::Path;
use std::process::{Command, Stdio};

use dialbridge::clock::Clock;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Gateway;
use crate::support::{Caller, TestApp, until};

const FILES: usize = 1024;
const CROWD: usize = 1100;
/// Of each body that does not end.
const BEGUN_BYTES: usize = 48 * 1024;

impl Gateway<'_> {
    /// Starts it so that it may open so many files and no more.
    async fn start_with_files(&mut self, files: usize) {
        let config = self.directory.path().join("dialbridge.toml");
        let log = std::fs::File::create(self.directory.path().join("log")).unwrap();
        let script = format!("ulimit -n {files} && exec \"$0\" \"$@\"");
        let binary = Path::new(env!("CARGO_BIN_EXE_dialbridge"));
        let child = Command::new("sh")
            .args([Path::new("-c"), Path::new(&script), binary])
            .args([Path::new("serve"), Path::new("--migrate"), Path::new("--config"), &config])
            .env("RUST_LOG", "info")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        self.await_ports().await;
        until(async || self.answers("GET", self.admin, "/readyz", "").await == Some(200)).await;
    }

    /// The status of an answer on a connection of its own.
    async fn answers(&self, method: &str, port: u16, path: &str, body: &str) -> Option<u16> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        answer.get(9..12)?.parse().ok()
    }

    fn open_files(&self) -> usize {
        let process = self.child.as_ref().unwrap().id();
        std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_unfinished_bodies_leaves_files_for_pushes_and_probes() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("pushed").await;
    let mut gateway = Gateway::new(&app, "cc");
    gateway.start_with_files(FILES).await;
    let pusher = gateway.pusher(campaign);
    let path = pusher.url.split_once(&gateway.callbacks.to_string()).unwrap().1;
    let signed = "POST /callbacks/voipbin/vb HTTP/1.1\r\nx-voipbin-signature: x";
    let unsigned = "POST /v1.0/campaigns HTTP/1.1";
    // A client's name and the time can be right; whether the rest is, only the whole body tells.
    let (name, now) = (Caller::Both.keys().0, Clock::real().wall().strftime("%Y-%m-%dT%H:%M:%SZ"));
    let named = format!(
        "POST /rest/isales/v2/openapi/campaigns/11 HTTP/1.1\r\n\
         authorization: auth-v2/{name}/{now}/host/{}",
        "0".repeat(64)
    );
    let begun = "x".repeat(BEGUN_BYTES);
    let mut crowd = Vec::new();
    let mut pushed = Vec::new();
    for (port, head) in [
        (gateway.callbacks, signed),
        (gateway.facades, unsigned),
        (gateway.facades, &*named),
        (gateway.admin, "POST /api/v1/adopt HTTP/1.1"),
    ] {
        for _ in 0..CROWD {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let length = "content-length: 8000000";
            let request = format!("{head}\r\nhost: gateway\r\n{length}\r\n\r\n{begun}");
            stream.write_all(request.as_bytes()).await.ok();
            crowd.push(stream);
        }
        for n in 0..5 {
            let call = format!("{port}-{}-{n}", head.len());
            let status =
                gateway.answers("POST", gateway.callbacks, path, &pusher.body(&call)).await;
            assert_eq!(status, Some(200), "{head}: {}", gateway.log());
            pushed.push(call);
            let ready = gateway.answers("GET", gateway.admin, "/readyz", "").await;
            assert_eq!(ready, Some(200), "{head}: {}", gateway.log());
        }
        until(async || gateway.open_files() < FILES).await;
    }
    until(async || gateway.inbox().await["waiting"] == 0).await;
    let mut kept = gateway.kept(campaign).await;
    kept.sort();
    pushed.sort();
    assert_eq!(kept, pushed);
    gateway.kill();
    drop(gateway);
    app.finish().await;
}
