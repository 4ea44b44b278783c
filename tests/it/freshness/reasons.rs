//! A failed call is pushed once to a receiver that knows no revisions, with the reason why it failed: the
//! platform tells that apart from the result, a moment later.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::pushes::{SECRET, configured, push};
use crate::support::sink::Sink;
use crate::support::{TestApp, VIRTUAL_VDN, until};

/// A campaign on VoIPBin whose results go to a receiver that was written for CC-iSales.
struct Scene {
    app: TestApp,
    sink: Sink,
    number: i64,
    campaign: String,
}

impl Scene {
    async fn begin(app: TestApp, outcomes: &str) -> Self {
        let url = format!("{}/_sim/outcomes", app.voipbin.base_url());
        let set = app.send("POST", &url, &[], Some(outcomes.to_owned())).await;
        assert!((200..300).contains(&set.status), "{}", set.text);
        let ids = app.voipbin_campaign("explained").await;
        let app = app.serve().await;
        let sink = Sink::taking();
        let order =
            json!({"name": "crm", "shape": "isales", "url": sink.url("/"), "accounts": ["vb"]});
        let made = app.ask_api("operator", ("POST", "/destinations"), Some(order)).await;
        assert_eq!(made.status, 200, "{}", made.text);
        let number = app.number_of(VIRTUAL_VDN, "explained").await;
        Self { app, sink, number, campaign: ids.campaign }
    }

    async fn add(&self, session: &str, called: &str) {
        let path = format!("v2/openapi/campaigns/{VIRTUAL_VDN}/calldata/{}", self.number);
        let record = json!({"sessionId": session, "customField": format!("batch of {session}"),
            "called": [{"calledNo": called}], "callData": "{}"});
        self.app.cc_ok("POST", &path, Some(json!({"callDataList": [record]}))).await;
    }

    async fn run(&self) {
        let status = format!("/campaigns/{}/status", self.campaign);
        self.app.on_voipbin("PUT", &status, Some(json!({"status": "run"}))).await;
    }

    /// The platform's rows of calls that are over, once there are so many.
    async fn over(&self, count: usize) -> Vec<Value> {
        let path = format!("/campaigns/{}/campaigncalls?page_size=100", self.campaign);
        let mut over = Vec::new();
        until(async || {
            let calls = self.app.on_voipbin("GET", &path, None).await;
            let calls = calls["result"].as_array().unwrap().clone();
            over = calls.into_iter().filter(|call| call["status"] == "done").collect();
            over.len() >= count
        })
        .await;
        over
    }

    /// The events that tell how these calls ended.
    async fn ends(&self, calls: &[Value]) -> Vec<String> {
        let mut events = Vec::new();
        for call in calls {
            let path = format!("/calls/{}", call["reference_id"].as_str().unwrap());
            let ended = self.app.on_voipbin("GET", &path, None).await;
            events.push(json!({"type": "call_hangup", "data": ended}).to_string());
        }
        events
    }

    fn told(&self) -> Vec<Value> {
        self.sink.received().iter().map(|got| got.json()[0].clone()).collect()
    }

    fn codes(&self) -> Vec<String> {
        let code = |row: &Value| row["failCode"].as_str().unwrap().to_owned();
        self.told().iter().map(code).collect()
    }

    async fn pending(&self) -> Value {
        self.app.api("/destinations").await["items"][0]["pending"].clone()
    }

    /// The gateway ends, the time of all deliveries comes, and another gateway begins.
    async fn later(self) -> Self {
        let app = self.app.stopped().await;
        let ledger = rusqlite::Connection::open(app.ledger()).unwrap();
        let sql = "UPDATE delivery SET due_at = created_at WHERE state = 'pending'";
        ledger.execute(sql, []).unwrap();
        drop(ledger);
        let scene = Self { app: app.serve().await, ..self };
        until(async || scene.pending().await == 0).await;
        scene
    }
}

#[tokio::test]
async fn each_failure_is_pushed_once_with_its_reason() {
    let app = TestApp::simulators(configured).await;
    let outcomes = "0001=busy:2s,0002=noanswer:20s,0003=normal:20s";
    let scene = Box::pin(Scene::begin(app, outcomes)).await;
    for (session, called) in [("a", "13100000001"), ("b", "13100000002"), ("c", "13100000003")] {
        scene.add(session, called).await;
    }
    scene.run().await;
    let calls = scene.over(4).await;
    let ended = scene.ends(&calls).await;
    for (place, (call, ended)) in calls.iter().zip(&ended).enumerate() {
        let done = json!({"type": "campaigncall_updated", "data": call}).to_string();
        // The platform sends them in either order.
        let events = if place % 2 == 0 { [&done, ended] } else { [ended, &done] };
        for event in events {
            assert_eq!(push(&scene.app, SECRET, event).await.status, 200);
        }
    }
    until(async || scene.told().len() == calls.len()).await;
    let codes: HashSet<String> = scene.codes().into_iter().collect();
    assert_eq!(codes, ["00537", "00603", "00000"].map(str::to_owned).into());
    for row in scene.told() {
        let session = row["sessionId"].as_str().unwrap();
        assert_eq!(row["customField"], format!("batch of {session}"), "{row}");
    }
    // What waited for the reason is out of date.
    let scene = scene.later().await;
    assert_eq!(scene.told().len(), calls.len());
    scene.app.finish().await;
}

#[tokio::test]
async fn a_failure_that_stays_unexplained_is_pushed_in_the_end_and_put_right_later() {
    let app = TestApp::simulators(configured).await;
    let scene = Box::pin(Scene::begin(app, "0001=busy:2s")).await;
    scene.add("order-17", "13100000001").await;
    scene.run().await;
    let call = scene.over(1).await.pop().unwrap();
    let done = json!({"type": "campaigncall_updated", "data": call}).to_string();
    assert_eq!(push(&scene.app, SECRET, &done).await.status, 200);
    until(async || scene.pending().await == 1).await;
    assert_eq!(scene.codes(), [""; 0], "it waits for its reason");
    let scene = scene.later().await;
    assert_eq!(scene.codes(), ["34608"], "the wait is durable, and has an end");
    let ended = scene.ends(&[call]).await.remove(0);
    assert_eq!(push(&scene.app, SECRET, &ended).await.status, 200);
    until(async || scene.codes().len() == 2).await;
    assert_eq!(scene.codes(), ["34608", "00537"]);
    let [first, second] = &scene.told()[..] else { panic!("two") };
    for name in ["campaignId", "callId", "callTimeStr", "sessionId", "customField", "called"] {
        assert_eq!(first[name], second[name], "{name}");
    }
    scene.app.finish().await;
}

/// An answer that cannot be read says nothing of the call, so the call is asked for again.
#[tokio::test]
async fn a_broken_answer_does_not_leave_a_failure_unexplained_for_good() {
    let app = TestApp::simulators(|config| {
        configured(config);
        config.reconcile_interval = Some(Duration::from_secs(1));
    })
    .await;
    let scene = Box::pin(Scene::begin(app, "0001=busy:2s")).await;
    scene.add("order-17", "13100000001").await;
    scene.run().await;
    let call = scene.over(1).await.pop().unwrap();
    let done = json!({"type": "campaigncall_updated", "data": call}).to_string();
    assert_eq!(push(&scene.app, SECRET, &done).await.status, 200);
    until(async || scene.pending().await == 1).await;
    let app = scene.app.stopped().await;
    let of_ledger = |app: &TestApp, sql: &str| -> bool {
        let ledger = rusqlite::Connection::open(app.ledger()).unwrap();
        ledger.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    // It ended a minute ago and more.
    let past = jiff::Timestamp::now() - Duration::from_secs(3600);
    let sql =
        format!("UPDATE attempt SET ended_at = {} RETURNING is_explained", past.as_microsecond());
    assert!(!of_ledger(&app, &sql));
    app.voipbin.faults.set("malformed".parse().unwrap());
    let path = format!("/v1.0/calls/{}", call["reference_id"].as_str().unwrap());
    let before = app.voipbin.journal.calls("GET", &path);
    let app = app.serve().await;
    until(async || app.voipbin.journal.calls("GET", &path) >= before + 2).await;
    let app = app.stopped().await;
    assert!(!of_ledger(&app, "SELECT is_explained FROM attempt"));
    app.voipbin.faults.set("".parse().unwrap());
    app.finish().await;
}
