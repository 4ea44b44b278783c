//! The disk is full: what cannot be made durable is refused, what was answered is there, and when there
//! is room again the service goes on by itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::Gateway;
use crate::support::sink::{Says, Sink};
use crate::support::{MASTER_KEY, TestApp, VDN, until};

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

    /// Starts it with its log in a pipe; answers who reads that.
    async fn start_with_reader(&mut self) -> Child {
        let mut child = self.spawn(Stdio::piped());
        let mut reader = Command::new("cat");
        reader.stdin(child.stderr.take().unwrap());
        reader.stdout(fs::File::create(self.directory.path().join("log")).unwrap());
        self.child = Some(child);
        let reader = reader.spawn().unwrap();
        self.await_ports().await;
        reader
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

/// Neither the ledger nor the log can be written: what the platform says is all that the client learns,
/// and the same request that comes again is sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_is_sent_though_nothing_can_be_written() {
    let app = TestApp::simulators(|_| {}).await;
    let number = app.isales_campaign("running").await;
    let mut gateway = Gateway::new(&app, "cc");
    let mut reader = gateway.start_with_reader().await;
    let request = |verb: &str| {
        let path = format!("v1/openapi/campaigns/{VDN}/{number}/{verb}");
        let (url, signed) = gateway.signed("PUT", &path, "");
        (url, [("authorization", signed)])
    };
    let (url, signed) = request("resume");
    until(async || app.send("PUT", &url, &signed, None).await.status == 200).await;
    reader.kill().unwrap();
    reader.wait().unwrap();
    fs::remove_file(gateway.directory.path().join("ledger.db")).unwrap();
    let sent = || app.isales.journal.writes().iter().filter(|w| w.path.ends_with("/pause")).count();
    let (url, signed) = request("pause");
    let before = sent();
    for n in 1..4 {
        let said = app.send("PUT", &url, &signed, None).await;
        assert_eq!((said.status, sent()), (503, before + n), "{}", said.text);
    }
    let ended = gateway.child.as_mut().unwrap().try_wait().unwrap();
    assert!(ended.is_none(), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_was_removed_takes_no_push_and_is_not_ready() {
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("pushed").await;
    let mut gateway = Gateway::new(&app, "cc");
    gateway.start().await;
    let pusher = gateway.pusher(campaign);
    pusher.push_some("before", 2).await;
    let ready = format!("http://127.0.0.1:{}/readyz", gateway.admin);
    until(async || app.send("GET", &ready, &[], None).await.status == 200).await;
    fs::remove_file(gateway.directory.path().join("ledger.db")).unwrap();
    let push = app.send("POST", &pusher.url, &[], Some(json!([]).to_string())).await;
    assert_eq!(push.status, 503, "{}", push.text);
    until(async || app.send("GET", &ready, &[], None).await.status == 503).await;
    let log = gateway.log();
    assert!(log.contains("ledger.db was removed while it was in use"), "{log}");
}

/// Overwrites a file of the ledger in its place; of the ledger file it is given an older copy.
type Overwrite = fn(&Path, &[u8]);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_was_overwritten_takes_no_push_and_is_not_ready() {
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("pushed").await;
    let cases: [(&str, Overwrite); 3] = [
        ("ledger.db", |file, older| fs::write(file, older).unwrap()),
        ("ledger.db", |file, _| fs::write(file, []).unwrap()),
        ("ledger.db-wal", |file, _| fs::write(file.with_file_name("ledger.db-wal"), []).unwrap()),
    ];
    for (name, overwrite) in cases {
        let mut gateway = Gateway::new(&app, "cc");
        gateway.start().await;
        let pusher = gateway.pusher(campaign);
        let file = gateway.directory.path().join("ledger.db");
        let older = fs::read(&file).unwrap();
        pusher.push_some("before", 2).await;
        let other = rusqlite::Connection::open(&file).unwrap();
        other.execute_batch("PRAGMA wal_checkpoint(PASSIVE)").unwrap();
        pusher.push_some("between", 2).await;
        overwrite(&file, &older);
        for _ in 0..3 {
            let push = app.send("POST", &pusher.url, &[], Some(json!([]).to_string())).await;
            assert_eq!(push.status, 503, "{name}: {}", push.text);
        }
        let ready = format!("http://127.0.0.1:{}/readyz", gateway.admin);
        until(async || app.send("GET", &ready, &[], None).await.status == 503).await;
        let log = gateway.log();
        assert!(log.contains(name) && log.contains("the ledger file is lost"), "{name}: {log}");
        assert!(log.contains("put the file or a copy of it back"), "{name}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_empty_ledger_is_made_beside_the_id_cache_of_one_that_is_gone() {
    let app = TestApp::simulators(|_| {}).await;
    let mut gateway = Gateway::new(&app, "cc");
    gateway.start().await;
    gateway.kill();
    let directory = gateway.directory.path().to_owned();
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        fs::remove_file(directory.join(name)).unwrap();
    }
    for is_empty in [false, true] {
        if is_empty {
            fs::write(directory.join("ledger.db"), []).unwrap();
        }
        let (code, said) = command(&gateway, &["serve", "--migrate"]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("was filled from one; put the ledger or a copy"), "{said}");
    }
    fs::remove_dir_all(directory.join("ids")).unwrap();
    gateway.start().await;
}

/// The receiver has taken it, and the ledger cannot say so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_recorded_as_delivered_is_not_sent_again() {
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("pushed").await;
    let mut gateway = Gateway::new(&app, "cc");
    gateway.start().await;
    let ledger = gateway.directory.path().join("ledger.db");
    let sink = Sink::new(move |_, _| {
        fs::remove_file(&ledger).ok();
        Says::status(200)
    });
    let order = json!({"name": "crm", "shape": "standard", "url": sink.url("/")});
    gateway.ask("POST", "destinations", Some(order)).await;
    gateway.pusher(campaign).push_some("one", 1).await;
    let unrecorded =
        || gateway.log().matches("the outcome of deliveries could not be recorded").count();
    until(async || unrecorded() >= 3).await;
    assert_eq!(sink.received().len(), 1);
}

/// What a command of the real binary says, with its exit code.
fn command(gateway: &Gateway<'_>, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_dialbridge"))
        .args(arguments)
        .arg("--config")
        .arg(gateway.directory.path().join("dialbridge.toml"))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_ledger_and_another_master_key_are_found_before_serving() {
    let app = TestApp::simulators(|_| {}).await;
    let mut gateway = Gateway::new(&app, "cc");
    gateway.start().await;
    let check = ["check", "--offline"];
    let (code, said) = command(&gateway, &check);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("ledger         ok: in use by a running gateway; read only"), "{said}");
    gateway.kill();
    let (code, said) = command(&gateway, &check);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("ledger         ok\n"), "{said}");
    let key_line = format!("keys.master_key = \"{MASTER_KEY}\"\n");
    gateway.edit(|text| text.replace(&key_line, ""));
    for arguments in [&check[..], &["serve"]] {
        let (code, said) = command(&gateway, arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {said}");
        assert!(said.contains("put the key back (keys.master_key"), "{said}");
    }
    gateway.edit(|text| key_line.clone() + &text);
    let other_key = format!("1 {}", "8".repeat(32));
    gateway.edit(|text| text.replace(MASTER_KEY, &other_key));
    for arguments in [&check[..], &["serve"]] {
        let (code, said) = command(&gateway, arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {said}");
        assert!(said.contains("version 1 of the master key is another key"), "{said}");
    }
    gateway.edit(|text| text.replace(&other_key, MASTER_KEY));
    let file = gateway.directory.path().join("ledger.db");
    let mut bytes = fs::read(&file).unwrap();
    bytes[10 * 4096..11 * 4096].fill(0);
    fs::write(&file, bytes).unwrap();
    for arguments in [&check[..], &["serve"]] {
        let (code, said) = command(&gateway, arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {said}");
        assert!(said.contains("ledger.db is damaged"), "{said}");
    }
}

/// What is kept together fails together, and is told once: no push is tried again by itself meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_the_store_is_not_multiplied() {
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("pushed").await;
    let mut gateway = Gateway::new(&app, "cc");
    gateway.start().await;
    let ledger = rusqlite::Connection::open(gateway.directory.path().join("ledger.db")).unwrap();
    ledger.execute_batch("ALTER TABLE contact_state RENAME TO away").unwrap();
    gateway.pusher(campaign).push_some("waits", 8).await;
    let told = || {
        let log = gateway.log();
        let lines = log.lines().filter(|line| line.contains("came of push")).map(str::to_owned);
        lines.skip_while(|line| !line.contains("pushes=8")).collect::<Vec<_>>()
    };
    until(async || told().len() >= 3).await;
    let told = told();
    assert!(told.iter().all(|line| line.contains("pushes=8")), "{told:#?}");
    ledger.execute_batch("ALTER TABLE away RENAME TO contact_state").unwrap();
    until(async || gateway.inbox().await["waiting"] == 0).await;
    assert_eq!(gateway.kept(campaign).await.len(), 8);
}
