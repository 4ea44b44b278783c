//! The disk is full: what cannot be made durable is refused, what was answered is there, and when there
//! is room again the service goes on by itself.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::json;

use super::Gateway;
use crate::support::{TestApp, VDN, until};

/// Of the store's own file system, and of the file that takes up its room.
const DISK_BYTES: usize = 96 * 1024 * 1024;
/// Without it there is room for all that was pushed, in the log and again in the store.
const FILLER_BYTES: usize = 64 * 1024 * 1024;

impl Gateway<'_> {
    /// Starts it with its store on a small file system that only it sees; answers where the file lies
    /// that takes up room, as seen from here.
    async fn start_on_small_disk(&mut self) -> PathBuf {
        let root = self.directory.path().join("small");
        fs::create_dir(&root).unwrap();
        let config = self.directory.path().join("dialbridge.toml");
        let text = fs::read_to_string(&config).unwrap();
        let outside = self.directory.path().display().to_string();
        let text = text.replace(&outside, &root.display().to_string());
        fs::write(&config, text).unwrap();
        let log = fs::File::create(self.directory.path().join("log")).unwrap();
        let script = format!(
            "mount -t tmpfs -o size={DISK_BYTES} tmpfs {root} && \
             head -c {FILLER_BYTES} /dev/zero > {root}/filler && \
             exec {binary} serve --migrate --config {config}",
            root = root.display(),
            binary = env!("CARGO_BIN_EXE_dialbridge"),
            config = config.display(),
        );
        // A name space of its own needs no privilege.
        let child = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
            .env("RUST_LOG", "info")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let process = child.id();
        self.child = Some(child);
        self.await_ports().await;
        PathBuf::from(format!("/proc/{process}/root{}", root.join("filler").display()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_and_forgets_nothing() {
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("pushed").await;
    let mut gateway = Gateway::new(&app, "cc");
    let filler = gateway.start_on_small_disk().await;
    let pusher = gateway.pusher(campaign);
    let (mut answered, mut refused) = (Vec::new(), 0);
    for call in 0.. {
        let name = format!("full-{call}");
        let row = json!([{"campaignId": campaign.to_string(), "sessionId": "s",
            "called": "013100000001", "callTimeStr": "2026-10-01 08:00:00", "callStatus": 5,
            "failCode": "00501", "vdnId": VDN, "callId": name, "customField": "x".repeat(20_000)}]);
        let reply = app.send("POST", &pusher.url, &[], Some(row.to_string())).await;
        match reply.status {
            200 => answered.push(name),
            503 => refused += 1,
            other => panic!("{other}: {}", reply.text),
        }
        if refused == 3 {
            break;
        }
        assert!(call < 5000, "the disk does not fill up");
    }
    let ready = format!("http://127.0.0.1:{}/readyz", gateway.admin);
    assert_eq!(app.send("GET", &ready, &[], None).await.status, 503);
    fs::remove_file(&filler).unwrap();
    answered.extend(pusher.push_some("after", 5).await);
    until(async || app.send("GET", &ready, &[], None).await.status == 200).await;
    until(async || gateway.inbox().await["waiting"] == 0).await;
    let kept = gateway.kept(campaign).await;
    let lost = answered.iter().filter(|call| !kept.contains(call)).count();
    assert_eq!(lost, 0, "of {}: {}", answered.len(), gateway.log());
    assert!(answered.len() > 20, "{}", answered.len());
}
