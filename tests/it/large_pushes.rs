//! A push with very many rows is kept little by little: who pushes or changes something meanwhile is not
//! kept waiting for all of it, which the order of events shows.

use dialbridge::config::Config;
use serde_json::{Value, json};

use crate::support::{TestApp, VDN, until};

/// Calls of one contact, each a minute after the one before.
fn of_one_session(campaign: i64, rows: u64) -> String {
    let begin: jiff::Timestamp = "2026-02-01T00:00:00Z".parse().unwrap();
    let rows = (0..rows).map(|n| {
        let at = begin + jiff::SignedDuration::from_mins(i64::try_from(n).unwrap());
        json!({"campaignId": campaign.to_string(), "sessionId": "one", "called": "013100000001",
            "callTimeStr": at.strftime("%Y-%m-%d %H:%M:%S").to_string(), "callStatus": 5,
            "failCode": "00501", "vdnId": VDN, "callId": format!("1644464743-{n}")})
    });
    Value::Array(rows.collect()).to_string()
}

fn with_large_bodies(config: &mut Config) {
    config.listeners.callbacks.body_limit_bytes = 8 * 1024 * 1024;
}

async fn push(app: &TestApp, body: String) {
    let reply = app.send("POST", &app.results_address("cc"), &[], Some(body)).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
}

async fn rows(app: &TestApp, figure: &str) -> u64 {
    app.inbox("cc").await["rows"][figure].as_u64().unwrap()
}

async fn steer(app: &TestApp, campaign: &str, status: &str) {
    let path = format!("/campaigns/{campaign}/status");
    let reply = app.vb("PUT", &path, Some(json!({"status": status}))).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
}

/// Changes of the ledger that this process has made.
async fn verbs(app: &TestApp) -> u64 {
    let metrics = app.send("GET", &format!("{}/metrics", app.admin()), &[], None).await.text;
    let mut lines = metrics.lines();
    let count =
        |line: &str| line.strip_prefix("dialbridge_ledger_verb_seconds_count ")?.parse().ok();
    lines.find_map(count).unwrap_or_else(|| panic!("{metrics}"))
}

#[tokio::test]
async fn nobody_waits_for_all_rows_of_a_large_push() {
    // So many that they take longer than what is asked for beside them, also on a busy machine.
    const LARGE: u64 = 20_000;
    let app = TestApp::simulators(with_large_bodies).await;
    let (large, small) = (app.isales_campaign("large").await, app.isales_campaign("small").await);
    let app = app.serve().await;
    let campaign = app.uuid_of("small").await;
    push(&app, of_one_session(large, LARGE)).await;
    until(async || rows(&app, "stored").await > 0).await;
    push(&app, of_one_session(small, 1)).await;
    steer(&app, &campaign, "run").await;
    steer(&app, &campaign, "stop").await;
    let stored = rows(&app, "stored").await;
    assert!(stored < LARGE, "the start and the stop were there before {stored} of its rows");
    let calls = format!("/campaigns/{campaign}/campaigncalls");
    until(async || app.vb_get(&calls).await["result"].as_array().unwrap().len() == 1).await;
    let stored = rows(&app, "stored").await;
    assert!(stored < LARGE, "so was the other push before {stored} of its rows");
    until(async || app.inbox("cc").await["waiting"] == 0).await;
    assert_eq!((rows(&app, "received").await, rows(&app, "stored").await), (LARGE + 1, LARGE + 1));
    app.finish().await;
}

#[tokio::test]
async fn a_hundred_thousand_rows_that_mean_nothing_are_few_changes() {
    let app = TestApp::simulators(with_large_bodies).await;
    let small = app.isales_campaign("small").await;
    let app = app.serve().await;
    let campaign = app.uuid_of("small").await;
    let before = verbs(&app).await;
    push(&app, format!("[{}]", vec!["{}"; 100_000].join(","))).await;
    push(&app, of_one_session(small, 1)).await;
    steer(&app, &campaign, "run").await;
    steer(&app, &campaign, "stop").await;
    until(async || app.inbox("cc").await["waiting"] == 0).await;
    let inbox = app.inbox("cc").await;
    assert_eq!(inbox["rows"]["quarantined"], 100_000);
    assert_eq!((&inbox["quarantined"], &inbox["rows"]["stored"]), (&json!(1), &json!(1)));
    let changes = verbs(&app).await - before;
    assert!(changes < 200, "{changes} changes for two pushes, a start and a stop");
    app.finish().await;
}
