//! Results that CC-iSales pushes: answered when they are durable, kept once however often they come,
//! and shown to clients of either API.

use dialbridge::signing::keys::MasterKeys;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::{MASTER_KEY, Reply, TestApp, VDN, until};

const ACCEPTED: &str = r#"{"retCode":"0","retMsg":"success"}"#;

fn token(account: &str) -> String {
    let keys = SecretString::from(MASTER_KEY);
    MasterKeys::parse(&keys).unwrap().callback_token(account, None)
}

fn address(app: &TestApp) -> String {
    app.results_address("cc")
}

async fn push(app: &TestApp, body: &str) -> Reply {
    // The platform states no content type.
    app.send("POST", &address(app), &[], Some(body.to_owned())).await
}

fn row(campaign: i64, call: u32) -> Value {
    json!({"campaignId": campaign.to_string(), "sessionId": format!("order-{call}"),
        "called": "013100000001", "callTimeStr": "2026-10-01 08:00:00", "callStatus": 5,
        "failCode": "00501", "vdnId": VDN, "callId": format!("1644464743-{call}"),
        "customField": "autumn"})
}

/// Pushes that wait, and what is in quarantine.
async fn counts(app: &TestApp) -> (u64, u64) {
    let inbox = app.api("/inbox").await;
    let rows = inbox["items"].as_array().unwrap();
    let row = rows.iter().find(|row| row["account"] == "cc").unwrap();
    (row["waiting"].as_u64().unwrap(), row["quarantined"].as_u64().unwrap())
}

#[tokio::test]
async fn a_pushed_result_is_kept_once_and_shown_on_both_facades() {
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("autumn").await;
    let app = app.serve().await;
    // Bare, wrapped, alone, with numbers as text, and the same again and again.
    let mut as_text = row(campaign, 4);
    as_text["vdnId"] = json!(VDN.to_string());
    as_text["callStatus"] = json!("5");
    as_text["unheardOf"] = json!({"and": "kept"});
    for body in [
        json!([row(campaign, 1), row(campaign, 2)]),
        json!({"callResultList": [row(campaign, 3), row(campaign, 1)]}),
        as_text,
        json!([]),
    ] {
        for _ in 0..3 {
            let reply = push(&app, &body.to_string()).await;
            assert_eq!((reply.status, reply.text.as_str()), (200, ACCEPTED), "{body}");
        }
    }
    until(async || app.recorded(campaign).await.len() == 4).await;
    let rows = app.recorded(campaign).await;
    assert!(rows.iter().all(|row| row["customField"] == "autumn" && row["failCode"] == "00501"));
    assert!(rows.iter().any(|row| row["unheardOf"]["and"] == "kept"));
    let calls = format!("/campaigns/{}/campaigncalls", app.uuid_of("autumn").await);
    let calls = app.vb_get(&calls).await["result"].take();
    let calls = calls.as_array().unwrap();
    assert_eq!(calls.len(), 4);
    assert!(calls.iter().all(|call| call["result"] == "fail" && call["status"] == "done"));
    until(async || counts(&app).await == (0, 0)).await;
    app.finish().await;
}

#[tokio::test]
async fn what_is_not_pushed_to_the_right_address_is_not_taken() {
    let app = TestApp::simulators(|config| {
        config.listeners.callbacks.body_limit_bytes = 4096;
    })
    .await;
    let campaign = app.isales_campaign("autumn").await;
    let app = app.serve().await;
    let body = json!([row(campaign, 1)]).to_string();
    let at = |rest: &str| format!("{}/callbacks/isales/{rest}", app.callbacks());
    for (method, url, status) in [
        ("POST", at(&format!("cc/{}", token("cc-other"))), 401),
        ("POST", at("cc/1-0000000000000000000000000000000000000000"), 401),
        ("POST", at("cc/none"), 401),
        ("POST", at(&format!("nobody/{}", token("nobody"))), 404),
        ("POST", at(&format!("vb/{}", token("vb"))), 404),
        ("POST", at(&format!("NOT%20A%20SLUG/{}", token("cc"))), 404),
        ("POST", at("cc"), 404),
        ("GET", at(&format!("cc/{}", token("cc"))), 405),
    ] {
        let reply = app.send(method, &url, &[], Some(body.clone())).await;
        assert_eq!((reply.status, reply.text.as_str()), (status, ""), "{method} {url}");
    }
    let long = format!("[{}]", " ".repeat(4096));
    assert_eq!(push(&app, &long).await.status, 413);
    until(async || counts(&app).await == (0, 0)).await;
    assert!(app.recorded(campaign).await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn what_means_nothing_is_kept_apart_and_harms_no_neighbour() {
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("autumn").await;
    let app = app.serve().await;
    let with = |name: &str, value: Value| {
        let mut row = row(campaign, 9);
        row[name] = value;
        row
    };
    let rows = json!([
        with("vdnId", json!(22)),
        with("vdnId", json!("22")),
        with("campaignId", json!("999999")),
        with("campaignId", json!("../11")),
        with("callTimeStr", json!("")),
        with("callStatus", Value::Null),
        7,
        row(campaign, 1),
    ]);
    assert_eq!(push(&app, &rows.to_string()).await.text, ACCEPTED);
    for body in ["", "no JSON", "{", "7", "\0"] {
        assert_eq!(push(&app, body).await.text, ACCEPTED, "{body:?}");
    }
    let nested = "[".repeat(50_000);
    assert_eq!(push(&app, &nested).await.text, ACCEPTED);
    until(async || app.recorded(campaign).await.len() == 1).await;
    until(async || counts(&app).await == (0, 7 + 5 + 1)).await;
    let app = app.stopped().await.serve().await;
    assert_eq!(counts(&app).await, (0, 13));
    app.finish().await;
}

#[tokio::test]
async fn what_was_answered_survives_a_restart() {
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("autumn").await;
    let mut app = app.serve().await;
    for call in 0..5 {
        let body = json!([row(campaign, call)]).to_string();
        assert_eq!(push(&app, &body).await.text, ACCEPTED);
        app = app.stopped().await.serve().await;
    }
    until(async || app.recorded(campaign).await.len() == 5).await;
    app.finish().await;
}

/// The simulated platform pushes what it calls, several times, and is asked for it as well.
#[tokio::test]
async fn what_the_platform_pushes_and_tells_is_one_attempt() {
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("pushed").await;
    let app = app.serve().await;
    let path = format!("v1/openapi/campaigns/{VDN}/{campaign}");
    let mut document = app.on_isales("GET", &path, None).await["returnObject"].take();
    document["callerNo"] = json!([{"accessCode": "02061000000", "priority": 3}]);
    document["callBackUrl"] = json!(address(&app));
    let modify = format!("v2/openapi/campaigns/{VDN}/{campaign}");
    app.on_isales("PUT", &modify, Some(document)).await;
    let numbers: Vec<Value> = (1..=5)
        .map(|n| {
            json!({"sessionId": format!("s{n}"), "customField": "c",
            "called": format!("01310000000{n}")})
        })
        .collect();
    let add = format!("v1/openapi/campaigns/{VDN}/calldata/{campaign}");
    app.cc_ok("POST", &add, Some(json!({"callDataList": numbers}))).await;
    app.cc_ok("PUT", &format!("{path}/resume"), None).await;
    // Only a push says the one, only a query the other, which a client of the other platform has made.
    let calls = format!("/campaigns/{}/campaigncalls", app.uuid_of("pushed").await);
    until(async || {
        app.vb_get(&calls).await;
        let rows = app.recorded(campaign).await;
        let both = |row: &Value| row["customField"] == "c" && row["resultCode"].is_string();
        rows.len() == 5 && rows.iter().all(both)
    })
    .await;
    assert_eq!(app.vb_get(&calls).await["result"].as_array().unwrap().len(), 5);
    app.finish().await;
}

/// Somebody else holds the ledger's file: nothing is answered as received, and all is well when they
/// let go.
#[tokio::test]
async fn what_cannot_be_made_durable_is_not_taken() {
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("autumn").await;
    let app = app.serve().await;
    let body = json!([row(campaign, 1)]).to_string();
    let ready = format!("{}/readyz", app.admin());
    let other = rusqlite::Connection::open(app.ledger()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = push(&app, &body).await;
    assert_eq!((refused.status, refused.text.as_str()), (503, ""));
    assert_eq!(refused.headers["retry-after"], "1");
    let not_ready = app.send("GET", &ready, &[], None).await;
    assert_eq!((not_ready.status, &not_ready.json()["status"]), (503, &json!("not durable")));
    other.execute_batch("ROLLBACK").unwrap();
    until(async || push(&app, &body).await.status == 200).await;
    assert_eq!(app.send("GET", &ready, &[], None).await.status, 200);
    until(async || app.recorded(campaign).await.len() == 1).await;
    app.finish().await;
}

#[tokio::test]
async fn pushes_come_from_known_networks_where_the_operator_names_them() {
    let app = TestApp::simulators(|config| {
        config.listeners.callback_sources = vec!["192.0.2.0/24".parse().unwrap()];
        config.listeners.callbacks.trusted_proxies = vec!["127.0.0.1".to_owned()];
    })
    .await;
    let campaign = app.isales_campaign("autumn").await;
    let app = app.serve().await;
    let body = json!([row(campaign, 1)]).to_string();
    for (forwarded, status) in
        [(None, 404), (Some("198.51.100.1"), 404), (Some("198.51.100.1, 192.0.2.9"), 200)]
    {
        let headers: Vec<_> =
            forwarded.map(|hops| ("x-forwarded-for", hops.to_owned())).into_iter().collect();
        let reply = app.send("POST", &address(&app), &headers, Some(body.clone())).await;
        assert_eq!(reply.status, status, "{forwarded:?}");
    }
    until(async || app.recorded(campaign).await.len() == 1).await;
    app.finish().await;
}
