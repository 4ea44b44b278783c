//! The life of a campaign as a VoIPBin client lives it, on either home (reference 11.3): nothing in
//! the script knows on which platform the campaign runs.

use dialbridge::config::{Config, PlatformSettings};
use dialbridge::domain::ids::AccountSlug;
use dialbridge::domain::policy::DayPeriod;
use dialbridge::platforms::{Binding, CreationDefaults};
use jiff::civil::time;
use serde_json::{Value, json};

use crate::support::{TestApp, until};

const QUEUE: &str = "99bf739a-932f-433c-b1bf-103d33d7e9bb";
const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// New campaigns are made on this account, and the operator has said what CC-iSales needs.
pub fn creating_on(account: &str) -> impl FnOnce(&mut Config) {
    let slug = AccountSlug::new(account).unwrap();
    move |config| {
        for client in &mut config.clients {
            client.create_on = client.accounts.contains(&slug).then(|| slug.clone());
        }
        config.bindings.agent_groups =
            vec![Binding { voipbin: QUEUE.to_owned(), isales: "5".to_owned() }];
        for account in &mut config.accounts {
            if let PlatformSettings::Isales { creation, .. } = &mut account.platform {
                *creation = CreationDefaults {
                    span_days: Some(30),
                    workday: vec![DayPeriod { begin: time(0, 0, 0, 0), end: time(23, 59, 0, 0) }],
                    caller_number: Some("02061000000".to_owned()),
                    ..CreationDefaults::default()
                };
            }
        }
    }
}

pub fn outplan() -> Value {
    json!({
        "name": "plan", "detail": "d", "source": {"type": "tel", "target": "+862061000000"},
        "dial_timeout": 30_000, "try_interval": 60_000, "max_try_count_0": 2,
        "max_try_count_1": 2, "max_try_count_2": 2, "max_try_count_3": 2, "max_try_count_4": 2,
    })
}

pub fn target(number: u32) -> Value {
    json!({
        "name": format!("person {number}"), "detail": "d", "data": "x",
        "destination_0": {"type": "tel", "target": format!("+86138001380{number:02}")},
    })
}

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}

async fn ok(app: &TestApp, method: &str, path: &str, body: Option<Value>) -> Value {
    let reply = app.vb(method, path, body).await;
    assert_eq!(reply.status, 200, "{method} {path}: {}", reply.text);
    reply.json()
}

async fn plan(app: &TestApp) -> Value {
    let plan = ok(app, "POST", "/outplans", Some(outplan())).await;
    let changed = json!({"source": {"type": "tel", "target": "+862061000000"},
        "dial_timeout": 20_000, "try_interval": 120_000, "max_try_count_0": 3,
        "max_try_count_1": 3, "max_try_count_2": 3, "max_try_count_3": 3, "max_try_count_4": 3});
    let path = format!("/outplans/{}/dial_info", id(&plan));
    let changed = ok(app, "PUT", &path, Some(changed)).await;
    assert_eq!(changed["try_interval"], 120_000);
    changed
}

async fn live_on(home: &str, queue: &str) {
    let app = TestApp::simulators(creating_on(home)).await.serve().await;
    let plan = plan(&app).await;
    let campaign = json!({
        "name": "spring", "detail": "first wave", "type": "call", "service_level": 100,
        "end_handle": "continue", "actions": [], "outplan_id": "", "outdial_id": "",
        "queue_id": "", "next_campaign_id": "",
    });
    let campaign = ok(&app, "POST", "/campaigns", Some(campaign)).await;
    let path = format!("/campaigns/{}", id(&campaign));
    assert_eq!((&campaign["status"], &campaign["outplan_id"]), (&json!("stop"), &json!(NIL)));
    let outdial = json!({"campaign_id": campaign["id"], "name": "n", "detail": "d", "data": "x"});
    let outdial = ok(&app, "POST", "/outdials", Some(outdial)).await;
    let targets = format!("/outdials/{}/targets", id(&outdial));
    for number in 0..3 {
        let made = ok(&app, "POST", &targets, Some(target(number))).await;
        assert_eq!((&made["status"], &made["outdial_id"]), (&json!("idle"), &outdial["id"]));
    }
    let parts = json!({"outplan_id": plan["id"], "outdial_id": outdial["id"], "queue_id": queue,
        "next_campaign_id": NIL});
    let joined = ok(&app, "PUT", &format!("{path}/resource_info"), Some(parts)).await;
    assert_eq!((&joined["outplan_id"], &joined["outdial_id"]), (&plan["id"], &outdial["id"]));
    assert_eq!(app.row_of("spring").await["id"], campaign["id"], "drafts are listed, too");

    let running = ok(&app, "PUT", &format!("{path}/status"), Some(json!({"status": "run"}))).await;
    assert_eq!((&running["id"], &running["status"]), (&campaign["id"], &json!("run")));
    for member in ["name", "detail", "outplan_id", "outdial_id", "queue_id", "end_handle"] {
        assert_eq!(running[member], joined[member], "{member}");
    }
    let calls = format!("{path}/campaigncalls");
    until(async || {
        let page = app.vb_get(&calls).await;
        let rows = page["result"].as_array().unwrap();
        rows.iter().filter(|row| row["status"] == "done").count() >= 3
    })
    .await;
    let page = app.vb_get(&calls).await;
    let call = &page["result"][0];
    assert_eq!((&call["campaign_id"], &call["outdial_id"]), (&campaign["id"], &outdial["id"]));
    let attempt = format!("/campaigncalls/{}", id(call));
    assert_eq!(ok(&app, "GET", &attempt, None).await["id"], call["id"]);

    let listed = app.vb_get(&targets).await;
    assert_eq!(listed["result"].as_array().unwrap().len(), 3);
    let one = format!("{targets}/{}", id(&listed["result"][0]));
    assert_eq!(app.vb_get(&one).await["id"], listed["result"][0]["id"]);

    ok(&app, "PUT", &format!("{path}/status"), Some(json!({"status": "stop"}))).await;
    until(async || app.vb_get(&path).await["status"] == "stop").await;
    let renamed = json!({"name": "summer", "detail": "second", "type": "call",
        "service_level": 50, "end_handle": "stop"});
    let renamed = ok(&app, "PUT", &path, Some(renamed)).await;
    assert_eq!((&renamed["name"], &renamed["end_handle"]), (&json!("summer"), &json!("stop")));
    assert_eq!(renamed["outplan_id"], plan["id"], "what was not said stays");
    assert_eq!(app.row_of("summer").await["id"], campaign["id"]);
    let level = Some(json!({"service_level": 200}));
    let level = ok(&app, "PUT", &format!("{path}/service_level"), level).await;
    assert_eq!((&level["service_level"], &level["name"]), (&json!(200), &json!("summer")));

    assert_eq!(ok(&app, "DELETE", &attempt, None).await["id"], call["id"]);
    let deleted = ok(&app, "DELETE", &path, None).await;
    assert_eq!(deleted["id"], campaign["id"]);
    assert!(deleted["tm_delete"].is_string(), "{deleted}");
    ok(&app, "DELETE", &format!("/outplans/{}", id(&plan)), None).await;
    ok(&app, "DELETE", &format!("/outdials/{}", id(&outdial)), None).await;
    app.finish().await;
}

#[actix_web::test]
async fn on_an_account_of_the_same_platform() {
    live_on("vb", NIL).await;
}

#[actix_web::test]
async fn on_an_account_of_the_other_platform() {
    live_on("cc", QUEUE).await;
}

/// The platform's command line sends an object where text is due (reference 11.2).
#[actix_web::test]
async fn an_outdials_data_may_be_an_object() {
    for slug in ["vb", "cc"] {
        let app = TestApp::simulators(|config| {
            config.clients[0].create_on = Some(AccountSlug::new(slug).unwrap());
        });
        let app = app.await.serve().await;
        let campaign = ok(&app, "POST", "/campaigns", Some(json!({"name": "n"}))).await;
        let outdial = json!({"campaign_id": campaign["id"], "name": "n", "detail": "d",
            "data": {"a": 1}});
        let outdial = ok(&app, "POST", "/outdials", Some(outdial)).await;
        assert_eq!(outdial["data"], r#"{"a":1}"#, "on {slug}");
        let path = format!("/outdials/{}/data", id(&outdial));
        assert_eq!(ok(&app, "PUT", &path, Some(json!({"data": {}}))).await["data"], "{}");
        app.finish().await;
    }
}
