//! A home that fails, lies or falls silent: said in the asker's words, looked up and never guessed.

use serde_json::json;

use crate::support::{TestApp, VDN, VIRTUAL_VDN};

#[tokio::test]
async fn a_home_in_trouble_is_unavailable_and_not_missing() {
    let app = TestApp::simulators(|_| {}).await;
    let number = app.isales_campaign("a").await;
    let app = app.serve().await;
    let uuid = app.uuid_of("a").await;
    for faults in ["5xx", "malformed", "truncated", "drop", "401"] {
        app.isales.faults.set(faults.parse().unwrap());
        let reply = app.vb("GET", &format!("/campaigns/{uuid}"), None).await;
        assert_eq!(reply.status, 503, "{faults}: {}", reply.text);
        assert_eq!(reply.reason(), "SERVICE_UNAVAILABLE", "{faults}");
        assert!(reply.headers.contains_key("retry-after"), "{faults}");
        let path = format!("v1/openapi/campaigns/{VDN}/{number}");
        let reply = app.cc("GET", &path, None).await;
        assert_eq!((reply.status, reply.code().as_str()), (503, "0200006"), "{faults}");
    }
    // Lists need no home.
    assert_eq!(app.row_of("a").await["id"], uuid.as_str());
    app.finish().await;
}

#[tokio::test]
async fn a_lost_answer_to_start_is_looked_up() {
    let app = TestApp::simulators(|_| {}).await;
    app.isales_campaign("i").await;
    app.voipbin_campaign("v").await;
    let app = app.serve().await;
    let uuid = app.uuid_of("i").await;
    app.isales.faults.set("lost-answer#1".parse().unwrap());
    let path = format!("/campaigns/{uuid}/status");
    let reply = app.vb("PUT", &path, Some(json!({"status": "run"}))).await;
    assert_eq!((reply.status, &reply.json()["status"]), (200, &json!("run")), "{}", reply.text);

    let number = app.number_of(VIRTUAL_VDN, "v").await;
    app.voipbin.faults.set("lost-answer#1".parse().unwrap());
    let path = format!("v1/openapi/campaigns/{VIRTUAL_VDN}/{number}/resume");
    app.cc_ok("PUT", &path, None).await;
    assert_eq!(app.row_of("v").await["status"], "run");
    app.finish().await;
}

#[tokio::test]
async fn a_contact_whose_answer_was_lost_is_in_doubt_and_kept() {
    let app = TestApp::simulators(|_| {}).await;
    app.isales_campaign("i").await;
    let app = app.serve().await;
    let row = app.row_of("i").await;
    let targets = format!("/outdials/{}/targets", row["outdial_id"].as_str().unwrap());
    app.isales.faults.set("lost-answer#1".parse().unwrap());
    let body = json!({"name": "n", "detail": "d", "data": "x",
        "destination_0": {"type": "tel", "target": "+8613100000001"}});
    let reply = app.vb("POST", &targets, Some(body)).await;
    assert_eq!((reply.status, reply.reason().as_str()), (503, "OUTCOME_UNKNOWN"));
    let job = reply.json()["error"]["details"][0]["job_id"].clone();
    assert!(!reply.text.contains("13100000001"), "{}", reply.text);
    app.one_in_doubt();
    // What is in doubt is in the list, under the id that the answer named.
    let listed = app.vb_get(&targets).await;
    assert_eq!(listed["result"][0]["id"], job, "{listed}");
    app.finish().await;
}

#[tokio::test]
async fn what_the_home_refuses_is_refused_in_the_askers_words() {
    let app = TestApp::simulators(|_| {}).await;
    app.isales_campaign("i").await;
    let app = app.serve().await;
    let row = app.row_of("i").await;
    let uuid = row["id"].as_str().unwrap();
    // Somebody deletes the campaign on the platform itself.
    let number = app.number_of(VDN, "i").await;
    app.on_isales("DELETE", &format!("v1/openapi/campaigns/{VDN}/{number}"), None).await;
    let reply = app.vb("GET", &format!("/campaigns/{uuid}"), None).await;
    assert_eq!((reply.status, reply.reason().as_str()), (404, "CAMPAIGN_NOT_FOUND"));
    let path = format!("/campaigns/{uuid}/status");
    let reply = app.vb("PUT", &path, Some(json!({"status": "run"}))).await;
    assert_eq!((reply.status, reply.reason().as_str()), (404, "CAMPAIGN_NOT_FOUND"));
    let path = format!("v1/openapi/campaigns/{VDN}/{number}/resume");
    assert_eq!(app.cc("PUT", &path, None).await.code(), "0200007");
    app.finish().await;
}
