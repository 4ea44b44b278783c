//! The real binary is killed at every write of making a campaign, before it is sent and before its
//! answer arrives, on either home. Started again, it finishes: one campaign with one of each part,
//! every contact once, and a client that asks again is told so.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use dialbridge::signing::c2;
use dialbridge::simulators::{isales, voipbin};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::support::{Caller, MASTER_KEY, Reply, TestApp, VDN, VIRTUAL_VDN, signature, until};
use cut::{Cut, When};

mod canary;
mod crowd;
mod cut;
mod disk;
mod received;
mod refused;
mod reload;
mod traced;

const TOKEN: &str = "operator-of-the-kill-tests";
/// More than one batch of 20.
const CONTACTS: usize = 25;
/// A queue that is bound to skill 5.
const QUEUE: &str = "99bf739a-932f-433c-b1bf-103d33d7e9bb";

/// The binary on a ledger of its own, its platforms behind a proxy that can be cut.
struct Gateway<'a> {
    app: &'a TestApp,
    voipbin: Cut,
    isales: Cut,
    directory: tempfile::TempDir,
    child: Option<Child>,
    /// What it logs.
    filter: String,
    /// Ports that the system chose at the last start: one that a test chose itself may be taken by
    /// another before the gateway has it.
    facades: u16,
    admin: u16,
    callbacks: u16,
}

impl<'a> Gateway<'a> {
    fn new(app: &'a TestApp, create_on: &str) -> Self {
        let address = |url: String| url.trim_start_matches("http://").parse().unwrap();
        let gateway = Self {
            app,
            voipbin: Cut::before(address(app.voipbin.base_url())),
            isales: Cut::before(address(app.isales.base_url())),
            directory: tempfile::tempdir().unwrap(),
            child: None,
            filter: "info".to_owned(),
            facades: 0,
            admin: 0,
            callbacks: 0,
        };
        let text = gateway.config(create_on);
        std::fs::write(gateway.directory.path().join("dialbridge.toml"), text).unwrap();
        gateway
    }

    fn config(&self, create_on: &str) -> String {
        let root = self.directory.path().display();
        let (voipbin, isales) = (self.voipbin.address, self.isales.address);
        let account = voipbin::Account::numbered(1);
        let (key, secret) = Caller::Both.keys();
        // The home creates at; a queue of VoIPBin's own where that is the home.
        let queue = if create_on == "vb" { account.queue_id.to_string() } else { QUEUE.to_owned() };
        format!(
            r#"
keys.master_key = "{MASTER_KEY}"
destinations.allowed_networks = ["127.0.0.0/8"]
ledger.url = "sqlite:{root}/ledger.db"
id_cache.directory = "{root}/ids"
[listeners.facades]
address = "127.0.0.1:0"
[listeners.admin]
address = "127.0.0.1:0"
[listeners.callbacks]
address = "127.0.0.1:0"
[[accounts]]
slug = "vb"
platform = "voipbin"
base_url = "http://{voipbin}/v1.0"
writes = "allow"
time_zone = "UTC"
access_key = "{vb_key}"
virtual_vdn = {VIRTUAL_VDN}
requests_per_second = 500
[[accounts]]
slug = "cc"
platform = "isales"
base_url = "http://{isales}"
writes = "allow"
time_zone = "Asia/Shanghai"
number_region = "CN"
trunk_prefix = "0"
international_prefix = "00"
access_key = "{cc_key}"
secret_key = "{cc_secret}"
vdns = [{VDN}]
[accounts.creation]
span_days = 3650
workday = ["00:00-23:59"]
[[clients]]
name = "both"
accounts = ["vb", "cc"]
scope = "write"
create_on = "{create_on}"
[clients.voipbin]
access_key = "{client_key}"
[clients.isales]
access_key = "{key}"
secret_key = "{secret}"
[[api_tokens]]
name = "operator"
token = "{TOKEN}"
scopes = ["read", "operate"]
accounts = ["vb", "cc"]
[[bindings.agent_groups]]
voipbin = "{queue}"
isales = "5"
"#,
            vb_key = account.access_key.expose_secret(),
            cc_key = isales::ACCESS_KEY,
            cc_secret = isales::SECRET_KEY,
            client_key = Caller::Both.key(),
        )
    }

    async fn start(&mut self) {
        let log = std::fs::File::create(self.directory.path().join("log")).unwrap();
        self.child = Some(self.spawn(log.into()));
        self.await_ports().await;
        let url = format!("http://127.0.0.1:{}/readyz", self.admin);
        until(async || {
            self.app.try_send("GET", &url, &[], None).await.is_some_and(|r| r.status == 200)
        })
        .await;
    }

    fn spawn(&self, log: Stdio) -> Child {
        let config = self.directory.path().join("dialbridge.toml");
        Command::new(env!("CARGO_BIN_EXE_dialbridge"))
            .args([Path::new("serve"), Path::new("--migrate"), Path::new("--config"), &config])
            .env("RUST_LOG", &self.filter)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// Learns where it listens.
    async fn await_ports(&mut self) {
        let mut line = None;
        until(async || {
            if let Some(ended) = self.child.as_mut().unwrap().try_wait().unwrap() {
                panic!("{ended}: {}", self.log());
            }
            line = self.log().lines().find(|line| line.contains(" serving ")).map(str::to_owned);
            line.is_some()
        })
        .await;
        let line = line.unwrap();
        self.facades = port(&line, "facades");
        self.admin = port(&line, "admin");
        self.callbacks = port(&line, "callbacks");
    }

    /// SIGKILL: it has no chance to say anything.
    fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// None when the gateway died over it.
    async fn try_vb(&self, method: &str, path: &str, body: Value) -> Option<Reply> {
        let key = Caller::Both.key();
        let url = format!("http://127.0.0.1:{}/v1.0{path}?accesskey={key}", self.facades);
        self.app.try_send(method, &url, &[], Some(body.to_string())).await
    }

    async fn vb(&self, method: &str, path: &str, body: Value) -> Value {
        let reply = self.try_vb(method, path, body).await.unwrap();
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.text);
        reply.json()
    }

    /// The address of a request in CC-iSales' words, and its signature.
    fn signed(&self, method: &str, path: &str, body: &str) -> (String, String) {
        let url = format!("http://127.0.0.1:{}/rest/isales/{path}", self.facades);
        let (key, secret) = Caller::Both.keys();
        let keys = c2::Credentials::new(key, &SecretString::from(secret)).unwrap();
        let signed = signature(&keys, method, &url, body);
        (url, signed)
    }

    async fn try_cc(&self, path: &str, body: &Value) -> Option<Reply> {
        let (url, signed) = self.signed("POST", path, &body.to_string());
        let headers = [("authorization", signed), ("idempotency-key", "the-one".to_owned())];
        self.app.try_send("POST", &url, &headers, Some(body.to_string())).await
    }

    /// Waits until the campaign is made.
    async fn settle(&self) {
        let url = format!("http://127.0.0.1:{}/api/v1/jobs", self.admin);
        let token = [("authorization", format!("Bearer {TOKEN}"))];
        until(async || {
            let jobs = self.app.send("GET", &url, &token, None).await.json();
            // One that waits for the campaign's end goes on waiting.
            let is_creation = |job: &&Value| job["kind"] == "campaign.create";
            let jobs: Vec<&Value> =
                jobs["items"].as_array().unwrap().iter().filter(is_creation).collect();
            assert!(jobs.iter().all(|job| job["state"] != "failed"), "{jobs:?}: {}", self.log());
            !jobs.is_empty() && jobs.iter().all(|job| job["state"] == "done")
        })
        .await;
    }

    /// Asks, and waits also for what goes on after the answer.
    async fn finish(&self, ask: impl AsyncFn(&Self) -> Option<Reply>) {
        let reply = ask(self).await.unwrap();
        assert_eq!(reply.status, 200, "{}: {}", reply.text, self.log());
        self.settle().await;
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Has the gateway killed at the write, once the asking has come so far. False when it never did.
    async fn kill_at(
        &mut self,
        (write, when): (usize, When),
        home: &str,
        ask: impl AsyncFn(&Self) -> Option<Reply>,
    ) -> bool {
        let cut = if home == "vb" { self.voipbin.clone() } else { self.isales.clone() };
        cut.arm(write, when);
        let was_cut = {
            let reached = cut.reached();
            tokio::select! {
                () = reached => true,
                () = self.finish(ask) => false,
            }
        };
        if was_cut {
            self.kill();
        }
        cut.disarm();
        was_cut
    }
}

impl Drop for Gateway<'_> {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// The port of a listener, by what the gateway logs when it serves.
fn port(line: &str, listener: &str) -> u16 {
    let (_, address) = line.split_once(&format!("{listener}=127.0.0.1:")).expect(line);
    address.split(' ').next().unwrap().parse().expect(line)
}

/// A draft with its contacts, made as a VoIPBin client makes it, is run.
async fn a_draft_is_run(write: usize, when: When) -> bool {
    let app = TestApp::simulators(|_| {}).await;
    let mut gateway = Gateway::new(&app, "cc");
    gateway.start().await;
    let source = json!({"type": "tel", "target": "+862061000000"});
    let outplan = json!({"name": "rules", "detail": "d", "source": source, "dial_timeout": 30_000,
        "try_interval": 600_000, "max_try_count_0": 1});
    let outplan = gateway.vb("POST", "/outplans", outplan).await;
    let campaign = json!({"name": "killed", "detail": "d", "type": "call", "service_level": 100,
        "end_handle": "continue", "actions": [], "outplan_id": outplan["id"], "queue_id": QUEUE});
    let campaign = gateway.vb("POST", "/campaigns", campaign).await;
    let outdial = json!({"campaign_id": campaign["id"], "name": "n", "detail": "d", "data": "x"});
    let outdial = gateway.vb("POST", "/outdials", outdial).await;
    let id = campaign["id"].as_str().unwrap();
    let parts =
        json!({"outplan_id": outplan["id"], "outdial_id": outdial["id"], "queue_id": QUEUE});
    gateway.vb("PUT", &format!("/campaigns/{id}/resource_info"), parts).await;
    let targets = format!("/outdials/{}/targets", outdial["id"].as_str().unwrap());
    for n in 0..CONTACTS {
        let target = json!({"name": "n", "detail": "d", "data": "x",
            "destination_0": {"type": "tel", "target": format!("+86131000000{n:02}")}});
        gateway.vb("POST", &targets, target).await;
    }
    let status = format!("/campaigns/{id}/status");
    let run = async |gateway: &Gateway<'_>| {
        gateway.try_vb("PUT", &status, json!({"status": "run"})).await
    };
    let was_cut = gateway.kill_at((write, when), "cc", run).await;
    if was_cut {
        gateway.start().await;
    }
    gateway.settle().await;
    let again = gateway.vb("PUT", &status, json!({"status": "run"})).await;
    assert_eq!((&again["id"], &again["status"]), (&campaign["id"], &json!("run")));
    let list = format!("v1/openapi/campaigns/{VDN}?status=0&deviceType=0&curPage=1&rowsPerPage=10");
    let made = app.on_isales("GET", &list, None).await;
    assert_eq!(made["totalSize"], 1, "write {write}, {when:?}: {made}");
    let counted =
        format!("v2/openapi/campaigns/{VDN}/statistics?campaignId={}", made["data"][0]["id"]);
    let counted = app.on_isales("GET", &counted, None).await;
    assert_eq!(counted["countDetail"][0]["totalCount"], CONTACTS, "write {write}, {when:?}");
    drop(gateway);
    books(app).await;
    was_cut
}

/// A campaign as a CC-iSales client makes it: all at once, with a key by which it may ask again.
async fn a_campaign_is_created(write: usize, when: When) -> bool {
    let app = TestApp::simulators(|_| {}).await;
    let mut gateway = Gateway::new(&app, "vb");
    gateway.start().await;
    let today = app.simulated.now().strftime("%Y-%m-%d 00:00:00").to_string();
    let document = json!({
        "name": "killed", "description": "d", "deviceType": 2, "strBeginTime": today,
        "strEndTime": "2099-01-01 00:00:00", "maxAlertingTime": 20,
        "callerNo": [{"accessCode": "02061000000", "priority": 3}],
        "scheduleParam": {"workdayBeginTime1": "00:00", "workdayEndTime1": "23:59"},
        "skillParam": {"skillId": 5, "skillName": "Voice Skill Queue", "outBoundType": 2,
            "predictParam": {"predictMethod": 5, "offhookPredictParam": {"offHookRate": 100}}},
    });
    let path = format!("v2/openapi/campaigns/{VIRTUAL_VDN}");
    let create = async |gateway: &Gateway<'_>| gateway.try_cc(&path, &document).await;
    let was_cut = gateway.kill_at((write, when), "vb", create).await;
    if was_cut {
        gateway.start().await;
        gateway.settle().await;
    }
    let again = gateway.try_cc(&path, &document).await.unwrap();
    assert_eq!(again.code(), "0200000", "{}: {}", again.text, gateway.log());
    for (kind, parts) in [("/campaigns", 1), ("/outplans", 1), ("/outdials", 1)] {
        let found = app.on_voipbin("GET", kind, None).await;
        let found = found["result"].as_array().unwrap();
        let there = found.iter().filter(|row| row["tm_delete"].is_null()).count();
        assert_eq!(there, parts, "{kind}, write {write}, {when:?}: {found:?}");
    }
    drop(gateway);
    books(app).await;
    was_cut
}

/// The gateway under test is another process: what it confirmed is not counted here. Contacts whose
/// arrival was in doubt may have been taken out and added again.
async fn books(app: TestApp) {
    for _ in 0..app.isales.journal.contacts().len() + app.voipbin.journal.contacts().len() {
        app.one_in_doubt();
    }
    app.finish().await;
}

/// Goes on to the next write until there is none; there were at least so many.
async fn at_every_write(least: usize, when: When, story: impl AsyncFn(usize, When) -> bool) {
    let mut write = 0;
    while story(write, when).await {
        write += 1;
    }
    assert!(write >= least, "{write} writes");
}

#[tokio::test]
async fn a_draft_is_run_and_killed_before_a_write_is_sent() {
    at_every_write(5, When::Unsent, a_draft_is_run).await;
}

#[tokio::test]
async fn a_draft_is_run_and_killed_before_an_answer_arrives() {
    at_every_write(5, When::Unanswered, a_draft_is_run).await;
}

#[tokio::test]
async fn a_campaign_is_created_and_killed_before_a_write_is_sent() {
    at_every_write(6, When::Unsent, a_campaign_is_created).await;
}

#[tokio::test]
async fn a_campaign_is_created_and_killed_before_an_answer_arrives() {
    at_every_write(6, When::Unanswered, a_campaign_is_created).await;
}
