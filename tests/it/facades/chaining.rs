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

/// The id of another client's campaign can be guessed.
#[tokio::test]
async fn another_clients_campaign_does_not_follow() {
    let app = TestApp::simulators(chained).await;
    let (first, outdial) = short_campaign(&app, "first").await;
    let foreign = app.foreign_voipbin_campaign().await;
    let app = app.serve().await;
    add_target(&app, &outdial).await;
    let unknown = "183c0d5c-691e-42f3-af2b-9bffc2740f83";
    for next in [&*foreign, unknown] {
        let parts = json!({"outdial_id": outdial, "next_campaign_id": next});
        let made = json!({"name": "n", "detail": "d", "type": "call", "service_level": 100,
            "end_handle": "stop", "actions": [], "next_campaign_id": next});
        let cases = [
            (
                "PUT",
                format!("/campaigns/{first}/next_campaign_id"),
                json!({"next_campaign_id": next}),
            ),
            ("PUT", format!("/campaigns/{first}/resource_info"), parts),
            ("POST", "/campaigns".to_owned(), made),
        ];
        for (method, path, body) in cases {
            let reply = app.vb(method, &path, Some(body)).await;
            assert_eq!((reply.status, &*reply.reason()), (400, "INVALID_ARGUMENT"), "{path}");
        }
    }
    // Said on the platform itself, it is not done either.
    steer(&app, &first, "run").await;
    let body = Some(json!({"next_campaign_id": foreign}));
    app.on_voipbin("PUT", &format!("/campaigns/{first}/next_campaign_id"), body).await;
    until(async || watchers(&app).await.iter().any(|job| job["state"] == "failed")).await;
    let why = watchers(&app).await[0]["error"].as_str().unwrap().to_owned();
    assert!(why.contains("another account"), "{why}");
    assert!(app.voipbin.journal.dials().iter().all(|dial| dial.campaign == first));
    app.finish().await;
}

/// What a job does is done with the rights that its client has then.
#[tokio::test]
async fn nothing_follows_for_a_client_that_was_removed() {
    let app = TestApp::simulators(chained).await;
    let (first, first_outdial) = short_campaign(&app, "first").await;
    let (second, second_outdial) = short_campaign(&app, "second").await;
    let app = app.serve().await;
    add_target(&app, &second_outdial).await;
    follows(&app, &first, &second).await;
    // It waits for somebody to call, and has its end with the next gateway.
    let basic = json!({"name": "first", "detail": "d", "type": "call", "service_level": 100,
        "end_handle": "continue"});
    app.on_voipbin("PUT", &format!("/campaigns/{first}"), Some(basic.clone())).await;
    steer(&app, &first, "run").await;
    add_target(&app, &first_outdial).await;
    let app = app.stopped().await.reconfigured(|config| {
        config.clients.retain(|client| client.name != "both");
    });
    let mut basic = basic;
    basic["end_handle"] = json!("stop");
    app.on_voipbin("PUT", &format!("/campaigns/{first}"), Some(basic)).await;
    let app = app.serve().await;
    until(async || watchers(&app).await.iter().any(|job| job["state"] == "failed")).await;
    let why = watchers(&app).await[0]["error"].as_str().unwrap().to_owned();
    assert!(why.contains("not configured any more"), "{why}");
    assert_eq!(calls(&app, &second).await, 0);
    app.finish().await;
}
