//! The real binary is killed at any moment while results are pushed to it and passed on: what it
//! answered with success is there afterwards, once, and was passed on at least once.

use std::collections::HashSet;
use std::time::Duration;

use dialbridge::clock::Clock;
use dialbridge::signing::keys::MasterKeys;
use futures_util::future::join_all;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{Gateway, TOKEN};
use crate::support::results::recorded_rows;
use crate::support::sink::Sink;
use crate::support::{MASTER_KEY, TestApp, VDN, until};

/// Kills, where `DIALBRIDGE_KILL_CYCLES` names no other number.
const CYCLES: u32 = 20;
const SENDERS: u32 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_there_once_after_any_kill() {
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("pushed").await;
    let mut gateway = Gateway::new(&app, "cc");
    gateway.start().await;
    let sink = Sink::taking();
    gateway.make_destination(&sink.url("/")).await;
    let chance = Clock::virtual_at(jiff::Timestamp::UNIX_EPOCH, 42);
    let mut answered: HashSet<String> = HashSet::new();
    let mut sent = 0;
    let cycles = std::env::var("DIALBRIDGE_KILL_CYCLES").map_or(CYCLES, |n| n.parse().unwrap());
    for cycle in 0..cycles {
        let until_kill = Duration::from_millis(20).mul_f64(1.0 + 9.0 * chance.random_fraction());
        let mut child = gateway.child.take().unwrap();
        let pusher = gateway.pusher(campaign);
        let pushing = join_all((0..SENDERS).map(|sender| {
            let pusher = &pusher;
            async move { pusher.push_on(&format!("{cycle}-{sender}")).await }
        }));
        let killing = async {
            Clock::real().sleep(until_kill).await;
            child.kill().unwrap();
            child.wait().unwrap();
        };
        let (outcomes, ()) = tokio::join!(pushing, killing);
        for (calls, attempts) in outcomes {
            answered.extend(calls);
            sent += attempts;
        }
        gateway.start().await;
    }
    until(async || gateway.inbox().await["waiting"] == 0).await;
    let kept = gateway.kept(campaign).await;
    let once: HashSet<&String> = kept.iter().collect();
    assert_eq!(once.len(), kept.len(), "an attempt is there twice");
    let lost: Vec<&String> = answered.iter().filter(|call| !once.contains(call)).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), answered.len());
    assert!(!answered.is_empty() && kept.len() <= sent, "{} {} {sent}", answered.len(), kept.len());
    assert_eq!(gateway.inbox().await["quarantined"], 0);
    let mut books = Value::Null;
    until(async || {
        books = gateway.ask("GET", "destinations/crm", None).await;
        books["pending"] == 0
    })
    .await;
    let told: HashSet<String> = sink.received().iter().map(|got| got.id().to_owned()).collect();
    assert_eq!((told.len(), sink.received().len() >= kept.len()), (kept.len(), true));
    assert_eq!((&books["created"], &books["delivered"]), (&json!(kept.len()), &json!(kept.len())));
}

/// One that is killed between two parts of a large push: the rows that were kept before are counted and
/// told once like those after.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_push_is_there_once_after_a_kill_in_its_midst() {
    const ROWS: i64 = 3000;
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("pushed").await;
    let mut gateway = Gateway::new(&app, "cc");
    gateway.start().await;
    let sink = Sink::taking();
    gateway.make_destination(&sink.url("/")).await;
    let pusher = gateway.pusher(campaign);
    let rows: Vec<Value> = (0..ROWS).map(|n| pusher.row(&format!("large-{n}"))).collect();
    let body = Value::Array(rows).to_string();
    let reply = app.send("POST", &pusher.url, &[], Some(body)).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    for _ in 0..2 {
        let before = gateway.inbox().await["rows"]["stored"].clone();
        until(async || gateway.inbox().await["rows"]["stored"] != before).await;
        gateway.kill();
        let (kept, settled) = gateway.half_settled();
        assert!(kept > 0 && kept < ROWS && settled == kept, "{settled} of {kept} are counted");
        gateway.start().await;
    }
    until(async || gateway.inbox().await["waiting"] == 0).await;
    let books = gateway.inbox().await["rows"].take();
    let wanted = json!({"received": ROWS, "stored": ROWS, "merged": 0, "quarantined": 0});
    assert_eq!(books, wanted);
    let once: HashSet<String> = gateway.kept(campaign).await.into_iter().collect();
    assert_eq!(once.len(), usize::try_from(ROWS).unwrap());
    until(async || gateway.ask("GET", "destinations/crm", None).await["pending"] == 0).await;
    let books = gateway.ask("GET", "destinations/crm", None).await;
    assert_eq!((&books["created"], &books["delivered"]), (&json!(ROWS), &json!(ROWS)));
    let told: HashSet<String> = sink.received().iter().map(|got| got.id().to_owned()).collect();
    assert_eq!(told.len(), once.len());
}

/// Pushes results of one campaign to where the gateway is, or was.
pub struct ResultPusher<'a> {
    app: &'a TestApp,
    pub url: String,
    campaign: i64,
}

impl ResultPusher<'_> {
    /// Pushes until so many were taken; their calls.
    pub async fn push_some(&self, sender: &str, count: usize) -> Vec<String> {
        let mut answered = Vec::new();
        for sent in 0..10_000 {
            if answered.len() == count {
                return answered;
            }
            let call = format!("{sender}-{sent}");
            // One whose connection breaks is pushed again by the platform.
            let reply = self.app.try_send("POST", &self.url, &[], Some(self.body(&call))).await;
            if reply.is_some_and(|reply| reply.status == 200) {
                answered.push(call);
            }
        }
        panic!("{} of {count} were taken", answered.len())
    }

    fn row(&self, call: &str) -> Value {
        json!({"campaignId": self.campaign.to_string(), "sessionId": "s",
            "called": "013100000001", "callTimeStr": "2026-10-01 08:00:00", "callStatus": 5,
            "failCode": "00501", "vdnId": VDN, "callId": call})
    }

    pub fn body(&self, call: &str) -> String {
        json!([self.row(call)]).to_string()
    }

    /// Pushes one result after the other until the gateway is gone; the calls whose push was answered,
    /// and how many were sent.
    async fn push_on(&self, sender: &str) -> (Vec<String>, usize) {
        let mut answered = Vec::new();
        let mut sent = 0;
        loop {
            let call = format!("{sender}-{sent}");
            sent += 1;
            match self.app.try_send("POST", &self.url, &[], Some(self.body(&call))).await {
                Some(reply) if reply.status == 200 => answered.push(call),
                Some(reply) => assert_eq!(reply.status, 503, "{}", reply.text),
                None => return (answered, sent),
            }
        }
    }
}

impl Gateway<'_> {
    pub fn pusher(&self, campaign: i64) -> ResultPusher<'_> {
        let keys = MasterKeys::parse(&SecretString::from(MASTER_KEY)).unwrap();
        let (port, token) = (self.callbacks, keys.callback_token("cc", None));
        let url = format!("http://127.0.0.1:{port}/callbacks/isales/cc/{token}");
        ResultPusher { app: self.app, url, campaign }
    }

    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let url = format!("http://127.0.0.1:{}/api/v1/{path}", self.admin);
        let token = [("authorization", format!("Bearer {TOKEN}"))];
        let body = body.map(|body| body.to_string());
        let reply = self.app.send(method, &url, &token, body).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply.json()
    }

    async fn make_destination(&self, url: &str) {
        let order = json!({"name": "crm", "shape": "standard", "url": url, "concurrency": 64});
        self.ask("POST", "destinations", Some(order)).await;
    }

    pub async fn inbox(&self) -> Value {
        let inbox = self.ask("GET", "inbox", None).await;
        let rows = inbox["items"].as_array().unwrap().clone();
        rows.into_iter().find(|row| row["account"] == "cc").unwrap()
    }

    /// Attempts in the ledger of one that was killed, and rows that its only push counts.
    fn half_settled(&self) -> (i64, i64) {
        let ledger = rusqlite::Connection::open(self.directory.path().join("ledger.db")).unwrap();
        let count = |sql: &str| ledger.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        (count("SELECT COUNT(*) FROM attempt"), count("SELECT settled FROM inbox"))
    }

    /// The call ids of all recorded attempts of a campaign.
    pub async fn kept(&self, campaign: i64) -> Vec<String> {
        let path = format!("v1/openapi/campaigns/{VDN}/callresult/{campaign}");
        let mut kept = Vec::new();
        for page in 1.. {
            let query = json!({"showDetail": 1, "pageSize": 100, "pageNum": page});
            let ask = async || self.try_cc(&path, &query).await.unwrap();
            let rows = recorded_rows(&self.app.without_isales(ask).await);
            if rows.is_empty() {
                break;
            }
            kept.extend(rows.iter().map(|row| row["callId"].as_str().unwrap().to_owned()));
        }
        kept
    }
}
