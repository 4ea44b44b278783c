//! What is received is passed on: once for each revision at least, in each receiver's shape, signed,
//! again when it fails, and never where it must not go. Every test ends with the books balanced.

use dialbridge::signing::{standard, webhook};
use futures_util::future::join_all;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::sink::{Says, Sink};
use crate::support::{Reply, TestApp, VDN, until};

mod own_words;
mod receivers;
mod recorded;
mod unreadable;

/// A gateway with a campaign on CC-iSales, whose results are pushed.
struct Scene {
    app: TestApp,
    campaign: i64,
    uuid: String,
}

impl Scene {
    async fn new() -> Self {
        let app = TestApp::simulators(|_| {}).await;
        let campaign = app.isales_campaign("autumn").await;
        let app = app.serve().await;
        let uuid = app.uuid_of("autumn").await;
        Self { app, campaign, uuid }
    }

    /// The gateway ends, the ledger is changed, and another gateway begins.
    async fn tampered(self, sql: &str) -> Self {
        let app = self.app.stopped().await;
        let ledger = rusqlite::Connection::open(app.ledger()).unwrap();
        ledger.execute_batch(sql).unwrap();
        drop(ledger);
        Self { app: app.serve().await, ..self }
    }

    fn row(&self, call: u32, code: &str) -> Value {
        let status = if code == "00000" { 6 } else { 5 };
        json!({"campaignId": self.campaign.to_string(), "sessionId": format!("order-{call}"),
            "called": "013100000001", "callTimeStr": "2026-10-01 08:00:00", "callStatus": status,
            "failCode": code, "vdnId": VDN, "callId": format!("1644464743-{call}")})
    }

    async fn push(&self, rows: &[Value]) {
        let url = self.app.results_address("cc");
        let reply = self.app.send("POST", &url, &[], Some(json!(rows).to_string())).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }

    async fn api(&self, method: &str, path: &str, body: Option<Value>) -> Reply {
        self.app.ask_api("operator", (method, path), body).await
    }

    async fn ok(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let reply = self.api(method, path, body).await;
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.text);
        reply.json()
    }

    /// A destination; `more` says what differs.
    async fn destination(&self, name: &str, shape: &str, url: &str, more: Value) {
        let mut order = json!({"name": name, "shape": shape, "url": url, "retry_waits_s": [0, 0]});
        for (member, value) in more.as_object().unwrap() {
            order[member] = value.clone();
        }
        self.ok("POST", "/destinations", Some(order)).await;
    }

    async fn secret(&self, name: &str) -> SecretString {
        let secret = self.ok("GET", &format!("/destinations/{name}/secret"), None).await;
        SecretString::from(secret["secret"].as_str().unwrap())
    }

    async fn change(&self, name: &str, action: &str) -> Value {
        self.ok("POST", &format!("/destinations/{name}/{action}"), None).await
    }

    async fn row_of(&self, name: &str) -> Value {
        self.ok("GET", &format!("/destinations/{name}"), None).await
    }

    /// Waits until a destination has this many delivered and dead, and nothing pending.
    async fn settled(&self, name: &str, delivered: u64, dead: u64) {
        let want = json!([delivered, dead, 0, delivered + dead]);
        until(async || {
            let row = self.row_of(name).await;
            json!([row["delivered"], row["dead"], row["pending"], row["created"]]) == want
        })
        .await;
    }

    /// Waits until a destination has delivered something.
    async fn settled_one(&self, name: &str) {
        until(async || self.row_of(name).await["delivered"] == 1).await;
    }

    async fn deliveries(&self, query: &str) -> Vec<Value> {
        let page = self.ok("GET", &format!("/deliveries?limit=200&{query}"), None).await;
        page["items"].as_array().unwrap().clone()
    }

    /// Ends with the books balanced: rows that came in, and deliveries that were counted.
    async fn finish(self) {
        let inbox = self.app.api("/inbox").await;
        for row in inbox["items"].as_array().unwrap() {
            let rows = &row["rows"];
            let count = |name: &str| rows[name].as_u64().unwrap();
            let parts = count("stored") + count("merged") + count("quarantined");
            assert_eq!(count("received"), parts, "{row}");
        }
        let all = self.app.api("/destinations").await;
        for row in all["items"].as_array().unwrap() {
            let name = row["name"].as_str().unwrap();
            for state in ["delivered", "dead", "pending"] {
                let there = self.deliveries(&format!("destination={name}&state={state}")).await;
                assert_eq!(row[state], there.len(), "{name} {state}");
            }
        }
        self.metrics_balance().await;
        self.app.finish().await;
    }

    async fn metrics_balance(&self) {
        let url = format!("{}/metrics", self.app.admin());
        let reply = self.app.send("GET", &url, &[], None).await;
        assert_eq!(reply.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        let sum = |name: &str, label: &str| -> f64 {
            let of = |line: &&str| line.starts_with(&format!("{name}{{")) && line.contains(label);
            let value = |line: &str| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
            reply.text.lines().filter(of).map(value).sum()
        };
        let same = |left: f64, right: f64, what: &str| {
            assert!((left - right).abs() < 0.5, "{what}: {left} {right}");
        };
        let account = "account=\"cc\"";
        let (all, parts) = ("dialbridge_pushed_rows_total", "dialbridge_processed_rows_total");
        assert!(
            sum(all, account) > 0.0 || sum("dialbridge_deliveries", "") < 0.5,
            "{}",
            reply.text
        );
        same(sum(all, account), sum(parts, account), "rows");
        let destinations = self.app.api("/destinations").await;
        for row in destinations["items"].as_array().unwrap() {
            let label = format!("destination=\"{}\"", row["name"].as_str().unwrap());
            let created = sum("dialbridge_deliveries_created_total", &label);
            same(created, sum("dialbridge_deliveries", &label), &label);
            same(created, row["created"].as_f64().unwrap(), &label);
        }
        assert!(!reply.text.contains("01310000"), "a number: {}", reply.text);
    }
}

#[tokio::test]
async fn a_hundred_copies_of_a_push_are_passed_on_once() {
    let scene = Scene::new().await;
    let sink = Sink::taking();
    scene.destination("crm", "standard", &sink.url("/hooks"), json!({})).await;
    let row = scene.row(1, "00603");
    let rows = [row];
    join_all((0..100).map(|_| scene.push(&rows))).await;
    scene.settled("crm", 1, 0).await;
    let inbox = scene.app.api("/inbox").await;
    let cc = inbox["items"].as_array().unwrap().iter().find(|row| row["account"] == "cc").unwrap();
    until(async || scene.app.api("/inbox").await["items"][0]["waiting"] == 0).await;
    assert!(cc["rows"]["stored"] == 1, "{cc}");
    let received = sink.received();
    assert_eq!(received.len(), 1);
    let (got, body) = (&received[0], received[0].json());
    assert_eq!((got.path.as_str(), &body["type"]), ("/hooks", &json!("call_attempt.created")));
    let data = &body["data"];
    assert_eq!(data["campaign"]["id"], scene.uuid.as_str());
    assert_eq!(data["campaign"]["vdn_id"], VDN);
    assert_eq!(
        (&data["called"], &data["disposition"]),
        (&json!("+8613100000001"), &json!("no-answer"))
    );
    assert_eq!((&data["contact_reference"], &data["revision"]), (&json!("order-1"), &json!(1)));
    let at: i64 = got.headers["webhook-timestamp"].parse().unwrap();
    let secret = scene.secret("crm").await;
    let signature = &got.headers["webhook-signature"];
    assert!(standard::verify(&secret, (got.id(), at), signature, &got.body));
    assert!(!standard::verify(&secret, (got.id(), at), signature, b"{}"));
    scene.finish().await;
}

#[tokio::test]
async fn each_shape_says_it_as_its_receiver_knows_it() {
    let scene = Scene::new().await;
    let sink = Sink::taking();
    for shape in ["standard", "isales", "voipbin", "raw"] {
        scene.destination(shape, shape, &sink.url(&format!("/{shape}")), json!({})).await;
    }
    let busy = json!({"dispositions": ["busy"]});
    scene.destination("busy", "standard", &sink.url("/busy"), busy).await;
    let nobody = json!({"campaigns": ["183c0d5c-691e-42f3-af2b-9bffc2740f83"]});
    scene.destination("nobody", "standard", &sink.url("/nobody"), nobody).await;
    let (answered, busy) = (scene.row(1, "00000"), scene.row(2, "00537"));
    scene.push(&[answered.clone(), busy.clone()]).await;
    for (name, count) in
        [("standard", 2), ("isales", 2), ("voipbin", 2), ("raw", 1), ("busy", 1), ("nobody", 0)]
    {
        scene.settled(name, count, 0).await;
    }
    let received = sink.received();
    let at = |path: &str| received.iter().filter(|got| got.path == path).collect::<Vec<_>>();
    assert_eq!(at("/raw")[0].json(), json!([answered, busy]), "as it came");
    let pushed: Vec<Value> = at("/isales").iter().map(|got| got.json()[0].clone()).collect();
    let answered = pushed.iter().find(|row| row["callStatus"] == 6).unwrap();
    assert_eq!(answered["campaignId"], scene.campaign.to_string());
    assert_eq!((&answered["vdnId"], &answered["failCode"]), (&json!(VDN), &json!("00000")));
    assert_eq!(answered["callTimeStr"], "2026-10-01 08:00:00");
    let got = at("/voipbin")[0];
    let event = got.json();
    assert_eq!(event["type"], "campaigncall_updated");
    assert_eq!(
        (&event["data"]["campaign_id"], &event["data"]["status"]),
        (&json!(scene.uuid), &json!("done"))
    );
    let secret = scene.secret("voipbin").await;
    assert!(webhook::verify(&secret, &got.headers["x-voipbin-signature"], &got.body));
    assert_eq!(at("/busy")[0].json()["data"]["disposition"], "busy");
    scene.finish().await;
}

#[tokio::test]
async fn what_fails_is_sent_again_and_is_a_dead_letter_in_the_end() {
    let scene = Scene::new().await;
    // Every delivery fails once; the one of order-2 for ever, until it is redriven.
    let flaky = Sink::new(|before, got| {
        let is_lost = got.json()["data"]["contact_reference"] == "order-2";
        let is_redrive = got.headers.contains_key("webhook-redrive");
        match (is_lost && !is_redrive, before) {
            (true, _) | (_, 0) => Says { body: "called 0131 0000-0001, no", ..Says::status(500) },
            _ => Says::status(204),
        }
    });
    scene.destination("crm", "standard", &flaky.url("/"), json!({"concurrency": 1})).await;
    scene.push(&[scene.row(1, "00603")]).await;
    scene.settled("crm", 1, 0).await;
    scene.push(&[scene.row(2, "00603")]).await;
    scene.settled("crm", 1, 1).await;
    assert_eq!(flaky.received().len(), 2 + 3, "two waits, three tries");
    let dead = scene.deliveries("state=dead").await;
    let number = dead[0]["number"].as_i64().unwrap();
    assert_eq!((&dead[0]["tries"], &dead[0]["status"]), (&json!(3), &json!(500)));
    assert_eq!(dead[0]["answer"], "called ***, no", "no number is kept");
    let detail = scene.ok("GET", &format!("/deliveries/{number}"), None).await;
    assert_eq!(detail["failed"].as_array().unwrap().len(), 3);
    // Counted, and then sent again under the same id.
    let order = json!({"state": "dead", "dry_run": true});
    let dry = scene.ok("POST", "/deliveries/redrive", Some(order)).await;
    assert_eq!(dry, json!({"dry_run": true, "deliveries": 1}));
    assert_eq!(flaky.received().len(), 5);
    let order = json!({"destination": "crm", "campaign": scene.uuid, "rate_per_s": 50});
    let done = scene.ok("POST", "/deliveries/redrive", Some(order)).await;
    assert_eq!(done, json!({"dry_run": false, "deliveries": 2}));
    scene.settled("crm", 2, 0).await;
    let received = flaky.received();
    let again: Vec<_> =
        received.iter().filter(|got| got.headers.contains_key("webhook-redrive")).collect();
    assert_eq!(again.len(), 2);
    assert!(again.iter().all(|got| received[..5].iter().any(|first| first.id() == got.id())));
    let journal_free =
        scene.api("POST", "/deliveries/redrive", Some(json!({"state": "pending"}))).await;
    assert_eq!(journal_free.status, 400);
    scene.finish().await;
}

#[tokio::test]
async fn a_receiver_that_wants_no_more_is_left_alone() {
    let scene = Scene::new().await;
    let gone = Sink::new(|before, _| match before {
        0 => Says::status(500).with("webhook-delivery", "abort-message"),
        1 => Says::status(410),
        _ => Says::status(200),
    });
    scene.destination("crm", "standard", &gone.url("/"), json!({})).await;
    scene.push(&[scene.row(1, "00603")]).await;
    scene.settled("crm", 0, 1).await;
    assert_eq!(scene.row_of("crm").await["state"], "active");
    scene.push(&[scene.row(2, "00603")]).await;
    scene.settled("crm", 0, 2).await;
    until(async || scene.row_of("crm").await["state"] == "disabled").await;
    assert!(scene.row_of("crm").await["reason"].as_str().unwrap().contains("no more"));
    // What comes now is not lost: it is a dead letter.
    scene.push(&[scene.row(3, "00603")]).await;
    scene.settled("crm", 0, 3).await;
    assert_eq!(gone.received().len(), 2);
    assert_eq!(scene.change("crm", "resume").await["state"], "active");
    scene.ok("POST", "/deliveries/redrive", Some(json!({"state": "dead"}))).await;
    scene.settled("crm", 3, 0).await;
    scene.finish().await;
}

#[tokio::test]
async fn results_of_a_campaign_keep_their_order_where_it_is_asked_for() {
    let scene = Scene::new().await;
    let slow = Sink::new(|before, _| Says::status(if before < 2 { 503 } else { 200 }));
    let order = json!({"ordered": true, "retry_waits_s": [0, 0, 0], "concurrency": 8});
    scene.destination("crm", "standard", &slow.url("/"), order).await;
    let rows: Vec<Value> = (1..=12).map(|call| scene.row(call, "00603")).collect();
    scene.push(&rows).await;
    scene.settled("crm", 12, 0).await;
    let heard: Vec<String> = slow
        .received()
        .iter()
        .map(|got| got.json()["data"]["contact_reference"].as_str().unwrap().to_owned())
        .collect();
    let in_order: Vec<String> = (1..=12).map(|call| format!("order-{call}")).collect();
    assert_eq!(heard[..2], ["order-1", "order-1"], "the first was refused twice");
    assert_eq!(heard[2..], in_order);
    scene.finish().await;
}

#[tokio::test]
async fn a_pause_uses_up_no_tries_and_a_new_secret_signs_beside_the_old_one() {
    let scene = Scene::new().await;
    let sink = Sink::taking();
    scene.destination("crm", "standard", &sink.url("/"), json!({"rate_per_s": 100})).await;
    assert_eq!(scene.change("crm", "pause").await["state"], "paused");
    let old = scene.secret("crm").await;
    scene.push(&[scene.row(1, "00603"), scene.row(2, "00603")]).await;
    until(async || scene.row_of("crm").await["pending"] == 2).await;
    assert_eq!(scene.change("crm", "rotate").await["secret_version"], 2);
    let new = scene.secret("crm").await;
    let trial = scene.change("crm", "test").await;
    assert_eq!((&trial["taken"], &trial["status"]), (&json!(true), &json!(200)));
    assert_eq!(sink.received().len(), 1, "nothing but the trial");
    scene.change("crm", "resume").await;
    scene.settled("crm", 2, 0).await;
    for got in sink.received() {
        let at: i64 = got.headers["webhook-timestamp"].parse().unwrap();
        let signatures = &got.headers["webhook-signature"];
        assert_eq!(signatures.split(' ').count(), 2);
        for secret in [&old, &new] {
            assert!(standard::verify(secret, (got.id(), at), signatures, &got.body));
        }
    }
    let tries = scene.deliveries("state=delivered").await;
    assert!(tries.iter().all(|delivery| delivery["tries"] == 1));
    // What a rotation promised to an older secret is kept by the next one.
    let secrets = async |rotation: &str, call: u32| {
        scene.ok("POST", &format!("/destinations/crm/rotate?{rotation}"), None).await;
        let newest = scene.secret("crm").await;
        scene.push(&[scene.row(call, "00603")]).await;
        scene.settled("crm", call.into(), 0).await;
        let got = sink.received().pop().unwrap();
        let at: i64 = got.headers["webhook-timestamp"].parse().unwrap();
        let signatures = got.headers["webhook-signature"].clone();
        let by = [&old, &new, &newest]
            .map(|secret| standard::verify(secret, (got.id(), at), &signatures, &got.body));
        (signatures.split(' ').count(), by)
    };
    assert_eq!(secrets("overlap_hours=0", 3).await, (2, [true, false, true]));
    assert_eq!(secrets("overlap_hours=1", 4).await, (3, [true, false, true]));
    assert_eq!(secrets("revoke=true", 5).await, (1, [false, false, true]));
    scene.ok("DELETE", "/destinations/crm", None).await;
    assert_eq!(scene.api("GET", "/destinations/crm", None).await.status, 404);
    scene.finish().await;
}

#[tokio::test]
async fn an_attempt_that_is_told_again_differently_is_an_update() {
    let scene = Scene::new().await;
    let sink = Sink::taking();
    scene.destination("crm", "standard", &sink.url("/"), json!({})).await;
    // The end, the end again, nothing certain, another end.
    for code in ["00603", "00603", "99999", "00537"] {
        scene.push(&[scene.row(1, code)]).await;
        until(async || {
            let inbox = scene.app.api("/inbox").await;
            inbox["items"].as_array().unwrap().iter().all(|row| row["waiting"] == 0)
        })
        .await;
    }
    scene.settled("crm", 2, 0).await;
    // Without an order they may overtake each other; the revision tells which is newer.
    let mut received = sink.received();
    received.sort_by_key(|got| got.json()["data"]["revision"].as_i64());
    let told: Vec<(Value, Value)> = received
        .iter()
        .map(|got| (got.json()["type"].clone(), got.json()["data"]["disposition"].clone()))
        .collect();
    let want = [("call_attempt.created", "no-answer"), ("call_attempt.updated", "busy")];
    let want: Vec<(Value, Value)> = want.map(|(kind, what)| (json!(kind), json!(what))).into();
    assert_eq!(told, want);
    let ids: Vec<String> = received.iter().map(|got| got.id().to_owned()).collect();
    assert!(ids[0].ends_with("-1") && ids[1].ends_with("-2"), "{ids:?}");
    scene.finish().await;
}

#[tokio::test]
async fn what_is_no_destination_is_refused_with_its_field() {
    let scene = Scene::new().await;
    let sound = json!({"name": "a", "shape": "standard", "url": "http://127.0.0.1:9/"});
    let with = |member: &str, value: Value| {
        let mut order = sound.clone();
        order[member] = value;
        order
    };
    for (order, field) in [
        (with("name", json!("")), "name"),
        (with("name", json!("a b")), "name"),
        (with("name", json!("x".repeat(65))), "name"),
        (with("shape", json!("xml")), "shape"),
        (with("url", json!("no address")), "url"),
        (with("url", json!("ftp://example.com/")), "url"),
        (with("url", json!("http://169.254.169.254/latest")), "url"),
        (with("url", json!("http://[::ffff:10.0.0.1]/")), "url"),
        (with("url", json!("http://user:pass@127.0.0.1/")), "url"),
        (with("url", json!("http://0x0a000001/")), "url"),
        (with("accounts", json!(["cc-other"])), "accounts"),
        (with("accounts", json!(["NO SLUG"])), "accounts"),
        (with("dispositions", json!(["happy"])), "dispositions"),
        (with("rate_per_s", json!(0)), "rate_per_s"),
        (with("concurrency", json!(257)), "concurrency"),
        (with("retry_waits_s", json!([604_801])), "retry_waits_s"),
        (with("retry_waits_s", json!(vec![1; 51])), "retry_waits_s"),
        (with("colour", json!("red")), "the body"),
        (with("name", json!(7)), "the body"),
        (json!([]), "the body"),
        (
            json!({"name": "a", "shape": "raw", "url": "http://127.0.0.1/", "ordered": true}),
            "ordered",
        ),
        (
            json!({"name": "a", "shape": "raw", "url": "http://127.0.0.1/", "dispositions": ["busy"]}),
            "shape",
        ),
    ] {
        let reply = scene.api("POST", "/destinations", Some(order.clone())).await;
        assert_eq!(reply.status, 400, "{order}: {}", reply.text);
        let detail = reply.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with(&format!("{field}: ")), "{order}: {detail}");
    }
    scene.ok("POST", "/destinations", Some(sound.clone())).await;
    assert_eq!(scene.api("POST", "/destinations", Some(sound)).await.status, 409);
    // Others see neither it nor its secret.
    for (operator, method, path, status) in [
        ("other", "GET", "/destinations/a", 404),
        ("other", "GET", "/destinations/a/secret", 404),
        ("other", "DELETE", "/destinations/a", 404),
        ("viewer", "GET", "/destinations/a", 200),
        ("viewer", "GET", "/destinations/a/secret", 403),
        ("viewer", "POST", "/destinations/a/pause", 403),
        ("operator", "GET", "/deliveries?state=lost", 400),
        ("operator", "GET", "/deliveries?destination=nobody", 400),
        ("operator", "GET", "/deliveries/1", 404),
        ("operator", "GET", "/deliveries/x", 400),
        ("operator", "POST", "/destinations/a/rotate?overlap_hours=721", 400),
    ] {
        let reply = scene.app.api_as(operator, method, path).await;
        assert_eq!(reply.status, status, "{operator} {method} {path}: {}", reply.text);
    }
    assert_eq!(scene.app.api_as("other", "GET", "/destinations").await.json()["items"], json!([]));
    scene.finish().await;
}
