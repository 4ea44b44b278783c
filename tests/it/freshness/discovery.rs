//! The discovery worker: each account on its own, failures recorded and shown, what is gone marked.

use std::process::Command;
use std::time::Duration;

use dialbridge::config::Config;
use serde_json::{Value, json};

use crate::support::{TestApp, VDN, until};

fn often(config: &mut Config) {
    config.discovery_interval = Duration::from_millis(50);
}

async fn names(app: &TestApp) -> Vec<String> {
    let page = app.vb_get("/campaigns").await;
    let rows = page["result"].as_array().unwrap().iter();
    rows.map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

/// The account's freshness by the operator's listener.
async fn freshness(app: &TestApp, account: &str) -> Value {
    let reply = app.send("GET", &format!("{}/readyz", app.admin()), &[], None).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let answer = reply.json();
    let accounts = answer["accounts"].as_array().unwrap();
    accounts.iter().find(|row| row["account"] == account).unwrap().clone()
}

#[tokio::test]
async fn an_account_that_does_not_answer_holds_nobody_up() {
    let app = TestApp::simulators(often).await.serve().await;
    app.isales.faults.set("delay=10m".parse().unwrap());
    app.voipbin_campaign("made meanwhile").await;
    until(async || names(&app).await == ["made meanwhile"]).await;
    app.isales.faults.set("".parse().unwrap());
    app.finish().await;
}

#[tokio::test]
async fn a_failing_account_is_shown_with_its_age_and_comes_back() {
    let app = TestApp::simulators(often).await.serve().await;
    until(async || freshness(&app, "vb").await["listed_at"].is_string()).await;
    app.voipbin.faults.set("401".parse().unwrap());
    until(async || freshness(&app, "vb").await["failed_since"].is_string()).await;
    let failing = freshness(&app, "vb").await;
    assert!(failing["stale_s"].is_u64(), "{failing}");
    let error = failing["error"].as_str().unwrap();
    assert!(error.starts_with("campaign-list: Unauthenticated"), "{error}");
    assert!(freshness(&app, "cc").await["failed_since"].is_null());
    app.voipbin.faults.set("".parse().unwrap());
    until(async || freshness(&app, "vb").await["failed_since"].is_null()).await;
    assert!(freshness(&app, "vb").await["error"].is_null());
    app.finish().await;
}

#[tokio::test]
async fn a_campaign_that_is_gone_leaves_the_lists() {
    let app = TestApp::simulators(often).await;
    let number = app.isales_campaign("short-lived").await;
    let app = app.serve().await;
    assert_eq!(names(&app).await, ["short-lived"]);
    let path = format!("v1/openapi/campaigns/{VDN}/{number}");
    app.on_isales("DELETE", &path, Some(json!({}))).await;
    let list = format!("v1/openapi/campaigns/{VDN}?status=0&deviceType=0&curPage=1");
    until(async || app.cc_ok("GET", &list, None).await["totalSize"] == 0).await;
    let row = app.row_of("short-lived").await;
    assert!(row["tm_delete"].is_string(), "this generation goes on listing it: {row}");
    app.finish().await;
}

/// `dialbridge capabilities --config` asks the gateway that serves.
async fn capabilities(address: &str, json: bool) -> std::process::Output {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("dialbridge.toml");
    std::fs::write(&file, format!("[listeners.admin]\naddress = \"{address}\"\n")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dialbridge"));
    command.args(["capabilities", "--config"]).arg(&file);
    if json {
        command.arg("--json");
    }
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn capabilities_show_how_fresh_each_list_is() {
    let app = TestApp::start().await;
    let admin = app.admin().replace("http://", "");
    let shown = capabilities(&admin, true).await;
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let accounts = shown["accounts"].as_array().unwrap();
    assert_eq!(accounts.len(), 4);
    assert!(accounts.iter().all(|row| row["stale_s"].is_u64() && row["error"].is_null()));
    let shown = capabilities(&admin, false).await;
    let text = String::from_utf8(shown.stdout).unwrap();
    assert_eq!(text.lines().filter(|line| line.contains(" s ago")).count(), 4, "{text}");
    let nobody = capabilities("127.0.0.1:1", true).await;
    assert_eq!(nobody.status.code(), Some(1));
    let said = String::from_utf8(nobody.stderr).unwrap();
    assert!(said.contains("no gateway answers on 127.0.0.1:1"), "{said}");
    app.finish().await;
}
