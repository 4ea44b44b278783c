//! Campaigns that follow one another: neither platform does it, the gateway does where the operator
//! opted in.

use dialbridge::config::Config;
use serde_json::{Value, json};

use crate::support::{TestApp, VDN, until};

fn chained(config: &mut Config) {
    for account in &mut config.accounts {
        account.chain_campaigns = true;
    }
}

/// A campaign that stops when nobody is left to call, and has nobody yet; its outdial.
async fn short_campaign(app: &TestApp, name: &str) -> (String, String) {
    let ids = app.voipbin_campaign(name).await;
    let basic = json!({"name": name, "detail": "d", "type": "call", "service_level": 100,
        "end_handle": "stop"});
    app.on_voipbin("PUT", &format!("/campaigns/{}", ids.campaign), Some(basic)).await;
    (ids.campaign, ids.outdial)
}

async fn add_target(app: &TestApp, outdial: &str) {
    let target = json!({"name": "n", "detail": "d", "data": "x",
        "destination_0": {"type": "tel", "target": "+8613100000001"}});
    let reply = app.vb("POST", &format!("/outdials/{outdial}/targets"), Some(target)).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
}

async fn follows(app: &TestApp, first: &str, next: &str) {
    let body = Some(json!({"next_campaign_id": next}));
    let reply = app.vb("PUT", &format!("/campaigns/{first}/next_campaign_id"), body).await;
    assert_eq!((reply.status, &reply.json()["next_campaign_id"]), (200, &json!(next)));
}

async fn steer(app: &TestApp, campaign: &str, status: &str) {
    let body = Some(json!({"status": status}));
    let reply = app.vb("PUT", &format!("/campaigns/{campaign}/status"), body).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
}

async fn calls(app: &TestApp, campaign: &str) -> usize {
    let page = app.on_voipbin("GET", &format!("/campaigns/{campaign}/campaigncalls"), None).await;
    page["result"].as_array().unwrap().len()
}

/// The jobs that watch campaigns for their ends.
async fn watchers(app: &TestApp) -> Vec<Value> {
    let jobs = app.api("/jobs").await;
    let rows = jobs["items"].as_array().unwrap().clone();
    rows.into_iter().filter(|job| job["kind"] == "campaign.chain").collect()
}

#[tokio::test]
async fn the_next_campaign_starts_when_nobody_is_left_to_call() {
    let app = TestApp::simulators(chained).await;
    let (first, first_outdial) = short_campaign(&app, "first").await;
    let (second, second_outdial) = short_campaign(&app, "second").await;
    let app = app.serve().await;
    add_target(&app, &first_outdial).await;
    add_target(&app, &second_outdial).await;
    follows(&app, &first, &second).await;
    follows(&app, &second, &first).await;
    steer(&app, &first, "run").await;
    until(async || calls(&app, &second).await > 0).await;
    assert!(calls(&app, &first).await > 0);
    // A circle is gone through once.
    until(async || {
        let jobs = watchers(&app).await;
        jobs.len() == 2 && jobs.iter().any(|job| job["state"] == "failed")
    })
    .await;
    app.finish().await;
}

#[tokio::test]
async fn a_stop_is_no_end() {
    let app = TestApp::simulators(chained).await;
    let (first, first_outdial) = short_campaign(&app, "first").await;
    let (second, second_outdial) = short_campaign(&app, "second").await;
    let app = app.serve().await;
    add_target(&app, &first_outdial).await;
    add_target(&app, &second_outdial).await;
    follows(&app, &first, &second).await;
    steer(&app, &first, "run").await;
    steer(&app, &first, "stop").await;
    until(async || watchers(&app).await.iter().all(|job| job["state"] == "done")).await;
    assert_eq!(app.vb_get(&format!("/campaigns/{second}")).await["status"], "stop");
    app.finish().await;
}

#[tokio::test]
async fn nothing_follows_unless_opted_in() {
    let app = TestApp::simulators(|_| {}).await;
    let (first, first_outdial) = short_campaign(&app, "first").await;
    let (second, second_outdial) = short_campaign(&app, "second").await;
    let app = app.serve().await;
    add_target(&app, &first_outdial).await;
    add_target(&app, &second_outdial).await;
    follows(&app, &first, &second).await;
    steer(&app, &first, "run").await;
    assert!(watchers(&app).await.is_empty());
    app.finish().await;
}

/// A CC-iSales campaign is over when its time is.
#[tokio::test]
async fn a_campaign_elsewhere_is_followed_when_its_time_is_over() {
    let app = TestApp::simulators(chained).await;
    let number = app.isales_campaign("first").await;
    let (second, outdial) = short_campaign(&app, "second").await;
    let app = app.serve().await;
    add_target(&app, &outdial).await;
    let first = app.uuid_of("first").await;
    follows(&app, &first, &second).await;
    steer(&app, &first, "run").await;
    let path = format!("v1/openapi/campaigns/{VDN}/{number}");
    let mut document = app.on_isales("GET", &path, None).await["returnObject"].take();
    let soon = app.simulated.now() + std::time::Duration::from_secs(90);
    document["callerNo"] = json!([{"accessCode": "02061000000", "priority": 3}]);
    document["strEndTime"] = json!(soon.strftime("%Y-%m-%d %H:%M:%S").to_string());
    let path = format!("v2/openapi/campaigns/{VDN}/{number}");
    app.on_isales("PUT", &path, Some(document)).await;
    until(async || calls(&app, &second).await > 0).await;
    app.finish().await;
}
