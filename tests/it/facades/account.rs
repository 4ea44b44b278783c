//! What surrounds campaigns: who one is, queues, and the calls behind campaigncalls.

use dialbridge::config::Config;
use dialbridge::domain::ids::AccountSlug;
use dialbridge::platforms::{Binding, Bindings};
use dialbridge::simulators::voipbin;
use serde_json::{Value, json};

use crate::support::{Caller, TestApp, VDN, until};

const NIL: &str = "00000000-0000-0000-0000-000000000000";
/// A queue that is bound and that no account has.
const BOUND: &str = "99bf739a-932f-433c-b1bf-103d33d7e9bb";

/// The client with the other accounts has only the one on CC-iSales.
fn without_voipbin(config: &mut Config) {
    config.clients[3].accounts = vec![AccountSlug::new("cc").unwrap()];
}

/// Skill 5 is one that nobody has bound.
fn bound(config: &mut Config) {
    let own = voipbin::Account::numbered(1).queue_id.to_string();
    config.bindings = Bindings {
        agent_groups: vec![
            Binding { voipbin: own, isales: "1".to_owned() },
            Binding { voipbin: BOUND.to_owned(), isales: "2".to_owned() },
        ],
        scripts: Vec::new(),
    };
}

#[tokio::test]
async fn a_client_learns_who_it_is() {
    let app = TestApp::simulators(without_voipbin).await.serve().await;
    let me = app.vb_get("/me").await;
    assert_eq!((&me["name"], &me["username"]), (&json!("both"), &json!("both")));
    assert_eq!((&me["permission"], &me["customer_id"]), (&json!(32), &json!(NIL)));
    assert_eq!(me["tm_create"], Value::Null);
    assert_eq!(me, app.vb_get("/me").await, "its id stays");
    let seed = app.vb_as(Caller::Seed, "GET", "/me", None).await.json();
    assert_eq!(seed["tm_create"], "9999-01-01 00:00:00.000000");
    assert_ne!(seed["id"], me["id"]);
    // Without an account on VoIPBin a client is its own customer.
    let me = app.vb_as(Caller::Other, "GET", "/me", None).await.json();
    let customer = app.vb_as(Caller::Other, "GET", "/customer", None).await.json();
    assert_eq!(me["customer_id"], customer["id"]);
    assert_eq!((&customer["name"], &customer["webhook_uri"]), (&json!("other"), &json!("")));
    assert_eq!(app.vb_as(Caller::Stranger, "GET", "/me", None).await.status, 401);
    app.finish().await;
}

#[tokio::test]
async fn a_customer_is_the_platforms_but_for_its_secret() {
    let app = TestApp::simulators(|config| {
        let rule = "PUT /customer".parse().unwrap();
        config.clients[1].voipbin.as_mut().unwrap().pass_through = vec![rule];
    });
    let app = app.await.serve().await;
    let settings = json!({"name": "n", "detail": "", "email": "", "phone_number": "",
        "address": "", "webhook_method": "POST", "webhook_uri": "https://hooks.example.com/"});
    // Only for the client that may.
    let reply = app.vb("PUT", "/customer", Some(settings.clone())).await;
    assert_eq!((reply.status, reply.reason().as_str()), (403, "PERMISSION_DENIED"));
    let reply = app.vb_as(Caller::Seed, "PUT", "/customer", Some(settings)).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let mut own = app.on_voipbin("GET", "/customer", None).await;
    assert_ne!(own["webhook_secret"], "");
    own["webhook_secret"] = json!("");
    assert_eq!(app.vb_get("/customer").await, own);
    assert_eq!(own["webhook_uri"], "https://hooks.example.com/");
    app.finish().await;
}

#[tokio::test]
async fn queues_of_every_kind_are_listed_once() {
    let app = TestApp::simulators(bound).await;
    app.isales_campaign("with agents").await;
    app.isales_campaign("with others").await;
    let app = app.serve().await;
    let whole = app.vb_get("/queues").await;
    let whole = whole["result"].as_array().unwrap();
    assert_eq!(whole.len(), 4, "{whole:?}");
    let own = voipbin::Account::numbered(1).queue_id.to_string();
    let names: Vec<&Value> = whole.iter().map(|queue| &queue["name"]).collect();
    assert!(names.contains(&&json!("with agents")) && names.contains(&&json!("Simulated queue")));
    assert_eq!(whole.iter().filter(|queue| queue["id"] == own.as_str()).count(), 1);
    assert_eq!(whole[3]["id"], BOUND, "the oldest");
    let native = whole.iter().find(|queue| queue["id"] == own.as_str()).unwrap();
    assert_eq!(*native, app.on_voipbin("GET", "/queues", None).await["result"][0]);
    for size in [1, 2, 3] {
        let mut paged = Vec::new();
        let mut token = String::new();
        loop {
            let page = app.vb_get(&format!("/queues?page_size={size}&page_token={token}")).await;
            let rows = page["result"].as_array().unwrap();
            assert!(rows.len() <= size);
            token = page["next_page_token"].as_str().unwrap().to_owned();
            assert_eq!(rows.is_empty(), token.is_empty());
            if rows.is_empty() {
                break;
            }
            paged.extend(rows.clone());
        }
        assert_eq!(paged, *whole, "pages of {size}");
    }
    for queue in whole {
        let shown = app.vb_get(&format!("/queues/{}", queue["id"].as_str().unwrap())).await;
        assert_eq!(shown, *queue);
    }
    // The ids that campaigns show can be followed.
    let campaign = app.row_of("with agents").await;
    let queue = app.vb_get(&format!("/queues/{}", campaign["queue_id"].as_str().unwrap())).await;
    assert_eq!(queue["name"], "with agents");
    app.finish().await;
}

#[tokio::test]
async fn queues_of_others_and_of_nobody() {
    let app = TestApp::simulators(bound).await;
    app.isales_campaign("with agents").await;
    let app = app.serve().await;
    let theirs = voipbin::Account::numbered(2).queue_id;
    let campaign = app.row_of("with agents").await;
    let derived = campaign["queue_id"].as_str().unwrap();
    for (caller, path, status, reason) in [
        (Caller::Both, format!("/queues/{theirs}"), 403, "PERMISSION_DENIED"),
        (Caller::Both, format!("/queues/{VDN:032}"), 404, "QUEUE_NOT_FOUND"),
        (Caller::Both, "/queues/x".to_owned(), 400, "INVALID_ID"),
        (Caller::Other, format!("/queues/{derived}"), 403, "PERMISSION_DENIED"),
        (Caller::Both, "/queues?page_size=x".to_owned(), 400, "INVALID_REQUEST_PARAMETER"),
    ] {
        let reply = app.vb_as(caller, "GET", &path, None).await;
        assert_eq!((reply.status, reply.reason().as_str()), (status, reason), "{path}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_call_on_isales_is_what_its_attempt_tells() {
    let app = TestApp::simulators(|_| {}).await;
    app.isales_campaign("calls").await;
    let app = app.serve().await;
    let campaign = app.row_of("calls").await;
    let targets = format!("/outdials/{}/targets", campaign["outdial_id"].as_str().unwrap());
    let target = json!({"name": "a", "detail": "d", "data": "x",
        "destination_0": {"type": "tel", "target": "+8613100000001"}});
    assert_eq!(app.vb("POST", &targets, Some(target)).await.status, 200);
    let path = format!("/campaigns/{}", campaign["id"].as_str().unwrap());
    let run = Some(json!({"status": "run"}));
    assert_eq!(app.vb("PUT", &format!("{path}/status"), run).await.status, 200);
    let mut row = Value::Null;
    until(async || {
        row = app.vb_get(&format!("{path}/campaigncalls")).await["result"][0].clone();
        row["status"] == "done"
    })
    .await;
    assert_eq!(row["reference_type"], "call");
    let path = format!("/calls/{}", row["reference_id"].as_str().unwrap());
    let call = app.vb_get(&path).await;
    assert_eq!((&call["id"], &call["status"]), (&row["reference_id"], &json!("hangup")));
    assert_eq!((&row["result"], &call["hangup_reason"]), (&json!("success"), &json!("normal")));
    assert_eq!(call["destination"], row["destination"]);
    assert_eq!(call["tm_create"], row["tm_create"]);
    // CC-iSales tells none of these; what has not come is left out here, not null.
    for absent in ["tm_ringing", "tm_progressing", "tm_hangup"] {
        assert!(call.get(absent).is_none(), "{call}");
    }
    let seed = app.vb_as(Caller::Seed, "GET", &path, None).await.json();
    assert_eq!(seed["destination"]["target_name"], "");
    let reply = app.vb_as(Caller::Other, "GET", &path, None).await;
    assert_eq!((reply.status, reply.reason().as_str()), (403, "PERMISSION_DENIED"));
    app.finish().await;
}

#[tokio::test]
async fn a_call_on_voipbin_is_the_platforms_own() {
    let app = TestApp::simulators(|_| {}).await;
    let ids = app.voipbin_campaign("calls").await;
    let app = app.serve().await;
    let target = json!({"name": "a", "detail": "d", "data": "x",
        "destination_0": {"type": "tel", "target": "+8613100000001"}});
    let targets = format!("/outdials/{}/targets", ids.outdial);
    assert_eq!(app.vb("POST", &targets, Some(target)).await.status, 200);
    let path = format!("/campaigns/{}", ids.campaign);
    let run = Some(json!({"status": "run"}));
    assert_eq!(app.vb("PUT", &format!("{path}/status"), run).await.status, 200);
    let mut row = Value::Null;
    until(async || {
        row = app.vb_get(&format!("{path}/campaigncalls")).await["result"][0].clone();
        row["status"] == "done"
    })
    .await;
    let path = format!("/calls/{}", row["reference_id"].as_str().unwrap());
    assert_eq!(app.vb_get(&path).await, app.on_voipbin("GET", &path, None).await);
    let reply = app.vb_as(Caller::Other, "GET", &path, None).await;
    assert_eq!((reply.status, reply.reason().as_str()), (403, "PERMISSION_DENIED"));
    // A campaigncall is no call.
    let path = format!("/calls/{}", row["id"].as_str().unwrap());
    let reply = app.vb("GET", &path, None).await;
    assert_eq!((reply.status, reply.reason().as_str()), (404, "CALL_NOT_FOUND"));
    app.finish().await;
}
