//! The callbacks listener: VoIPBin's webhooks keep the directory and kept details fresh, and nobody
//! else gets anything from it.

use std::time::Duration;

use dialbridge::config::{Config, PlatformSettings};
use dialbridge::signing::keys::MasterKeys;
use dialbridge::signing::webhook;
use dialbridge::simulators::voipbin;
use futures_util::future::join_all;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use uuid::Uuid;

use crate::facades::isales_life::{bound, document};
use crate::support::sink::Sink;
use crate::support::{MASTER_KEY, Reply, TestApp, VIRTUAL_VDN, until};

pub(super) const SECRET: &str = "a configured secret";

/// Discovery looks once, at start; what is fresh afterwards is so by webhooks.
pub(super) fn configured(config: &mut Config) {
    config.discovery_interval = Duration::from_secs(86_400);
    for account in &mut config.accounts {
        if let PlatformSettings::Voipbin { webhook_secret, .. } = &mut account.platform {
            *webhook_secret = Some(SecretString::from(SECRET));
        }
    }
}

fn event(kind: &str, campaign: &str) -> String {
    // What a webhook says of the campaign beside its id is not believed.
    json!({"type": kind, "data": {"id": campaign, "name": "a lie", "status": "run"}}).to_string()
}

fn signed(secret: &str, body: &str) -> (&'static str, String) {
    let secret = SecretString::from(secret);
    (webhook::SIGNATURE_HEADER, webhook::sign(&secret, body.as_bytes()))
}

pub(super) async fn push(app: &TestApp, secret: &str, body: &str) -> Reply {
    let url = format!("{}/callbacks/voipbin/vb", app.callbacks());
    app.send("POST", &url, &[signed(secret, body)], Some(body.to_owned())).await
}

fn secret_reads(app: &TestApp) -> u64 {
    app.voipbin.journal.calls("GET", "/v1.0/customer")
}

async fn names(app: &TestApp) -> Vec<String> {
    let page = app.vb_get("/campaigns").await;
    let rows = page["result"].as_array().unwrap().iter();
    rows.map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

/// Has the simulated platform push to the gateway.
async fn subscribe(app: &TestApp) {
    let customer = json!({"name": "n", "detail": "d", "email": "e", "phone_number": "p",
        "address": "a", "webhook_method": "POST",
        "webhook_uri": format!("{}/callbacks/voipbin/vb", app.callbacks())});
    app.on_voipbin("PUT", "/customer", Some(customer)).await;
}

/// The simulated platform pushes to the gateway, with its own secret, twice and in any order.
#[tokio::test]
async fn the_platforms_own_webhooks_keep_lists_and_kept_details_fresh() {
    let app = TestApp::simulators(|config| {
        config.discovery_interval = Duration::from_secs(86_400);
        for account in &mut config.accounts {
            account.cache_ttl = Duration::from_secs(60);
        }
    });
    let app = app.await.serve().await;
    app.voipbin.faults.set("duplicate,reorder@0.5".parse().unwrap());
    subscribe(&app).await;
    let ids = app.voipbin_campaign("spring").await;
    until(async || names(&app).await == ["spring"]).await;
    let path = format!("/campaigns/{}", ids.campaign);
    assert_eq!(app.vb_get(&path).await["name"], "spring");
    let renamed = json!({"name": "autumn", "detail": "d", "type": "call", "service_level": 100,
        "end_handle": "continue"});
    app.on_voipbin("PUT", &path, Some(renamed)).await;
    until(async || names(&app).await == ["autumn"]).await;
    until(async || app.vb_get(&path).await["name"] == "autumn").await;
    app.on_voipbin("DELETE", &path, None).await;
    until(async || app.row_of("autumn").await["tm_delete"].is_string()).await;
    assert_eq!(secret_reads(&app), 1, "the secret is read once");
    app.finish().await;
}

/// The webhook of a campaign that is being made arrives before the job that makes it goes on.
#[actix_web::test]
async fn a_campaign_that_is_made_through_the_gateway_and_pushed_meanwhile_is_one() {
    let app = TestApp::simulators(bound).await.serve().await;
    subscribe(&app).await;
    let path = format!("v2/openapi/campaigns/{VIRTUAL_VDN}");
    let mut made = Vec::new();
    for name in ["spring", "autumn", "winter"] {
        let answer = app.cc_ok("POST", &path, Some(document(&app, name))).await;
        made.push((name, answer["returnObject"]["id"].as_i64().unwrap()));
    }
    let pushed = async || app.voipbin.journal.events().iter().filter(|e| e.delivered).count();
    until(async || pushed().await >= made.len()).await;
    assert_eq!(names(&app).await, ["winter", "autumn", "spring"]);
    for (name, number) in made {
        assert_eq!(app.number_of(VIRTUAL_VDN, name).await, number);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_push_is_believed_only_as_far_as_its_name() {
    let app = TestApp::simulators(configured).await;
    let app = app.serve().await;
    let ids = app.voipbin_campaign("made meanwhile").await;
    // One that nobody has, and one of another customer, hold nobody up.
    let foreign = app.foreign_voipbin_campaign().await;
    for other in [Uuid::from_u128(7).to_string(), foreign] {
        let body = event("campaign_updated", &other);
        assert_eq!(push(&app, SECRET, &body).await.status, 200);
    }
    let body = event("campaign_deleted", &ids.campaign);
    assert_eq!(push(&app, SECRET, &body).await.status, 200);
    until(async || names(&app).await == ["made meanwhile"]).await;
    let row = app.row_of("made meanwhile").await;
    assert_eq!((row["status"].as_str(), row["tm_delete"].is_null()), (Some("stop"), true));
    app.finish().await;
}

#[tokio::test]
async fn a_storm_of_copies_costs_a_few_reads() {
    let app = TestApp::simulators(configured).await;
    let ids = app.voipbin_campaign("hot").await;
    let app = app.serve().await;
    let path = format!("/v1.0/campaigns/{}", ids.campaign);
    let before = app.voipbin.journal.calls("GET", &path);
    // The first read hangs, and everything that comes meanwhile is one more.
    app.voipbin.faults.set("delay=20s#1".parse().unwrap());
    let body = event("campaign_updated", &ids.campaign);
    let pushes = join_all((0..100).map(|_| push(&app, SECRET, &body))).await;
    assert!(pushes.iter().all(|reply| reply.status == 200));
    until(async || app.voipbin.journal.calls("GET", &path) > before).await;
    app.voipbin.faults.set("".parse().unwrap());
    let made = app.voipbin_campaign("the last").await;
    assert_eq!(push(&app, SECRET, &event("campaign_created", &made.campaign)).await.status, 200);
    until(async || names(&app).await.len() == 2).await;
    let reads = app.voipbin.journal.calls("GET", &path) - before;
    assert!(reads < 50, "{reads} reads for 100 pushes");
    app.finish().await;
}

#[tokio::test]
async fn what_is_not_genuine_is_refused_for_good_and_touches_nothing() {
    let app = TestApp::simulators(configured).await.serve().await;
    let campaign = Uuid::from_u128(7).to_string();
    let body = event("campaign_updated", &campaign);
    let requests = || app.isales.journal.pace().requests + app.voipbin.journal.pace().requests;
    let before = requests();
    let url = |path: &str| format!("{}{path}", app.callbacks());
    let (name, good) = signed(SECRET, &body);
    let changed = good.replace("sha256=", "sha256=0");
    let cases = [
        ("POST", "/callbacks/voipbin/vb", vec![], 401),
        ("POST", "/callbacks/voipbin/vb", vec![(name, String::new())], 401),
        ("POST", "/callbacks/voipbin/vb", vec![(name, "sha256=".to_owned())], 401),
        ("POST", "/callbacks/voipbin/vb", vec![(name, changed)], 401),
        ("POST", "/callbacks/voipbin/vb", vec![(name, good.to_uppercase())], 401),
        ("POST", "/callbacks/voipbin/vb", vec![signed("another secret", &body)], 401),
        ("POST", "/callbacks/voipbin/vb", vec![signed(SECRET, "another body")], 401),
        ("POST", "/callbacks/voipbin/vb", vec![(name, good.clone()), (name, good.clone())], 401),
        ("POST", "/callbacks/voipbin/nobody", vec![(name, good.clone())], 404),
        ("POST", "/callbacks/voipbin/VB", vec![(name, good.clone())], 404),
        ("POST", "/callbacks/voipbin/cc", vec![(name, good.clone())], 404),
        ("POST", "/callbacks/voipbin/..%2fvb", vec![(name, good.clone())], 404),
        ("POST", "/callbacks/voipbin/", vec![(name, good.clone())], 404),
        ("POST", "/callbacks/isales/vb", vec![(name, good.clone())], 404),
        ("GET", "/callbacks/voipbin/vb", vec![(name, good.clone())], 405),
        ("PUT", "/callbacks/voipbin/vb", vec![(name, good.clone())], 405),
        ("GET", "/v1.0/campaigns", vec![], 404),
        ("GET", "/readyz", vec![], 404),
    ];
    for (method, path, headers, status) in cases {
        let reply = app.send(method, &url(path), &headers, Some(body.clone())).await;
        assert_eq!((reply.status, reply.text.as_str()), (status, ""), "{method} {path}");
    }
    let long = "x".repeat(70 * 1024);
    assert_eq!(push(&app, SECRET, &long).await.status, 413);
    assert_eq!(requests(), before, "nobody was asked");
    // What a wrong signature came with is kept for who vouches for it.
    until(async || app.inbox("vb").await["unproved"] == 6).await;
    assert_eq!(app.inbox("vb").await["quarantined"], 0);
    app.finish().await;
}

#[tokio::test]
async fn a_genuine_push_that_says_nothing_is_received_and_kept() {
    let app = TestApp::simulators(configured).await.serve().await;
    let before = app.voipbin.journal.pace().requests;
    for body in [
        "",
        "[]",
        "{",
        "null",
        "\u{0}",
        r#"{"type":"campaign_updated"}"#,
        r#"{"type":"campaign_updated","data":{}}"#,
        r#"{"type":"campaign_updated","data":{"id":"../customer"}}"#,
        r#"{"type":"campaign_updated","data":{"id":7}}"#,
        r#"{"type":"campaign_updated","data":[]}"#,
        r#"{"type":7,"data":{}}"#,
        r#"{"type":"call_hangup","data":{"id":"x"}}"#,
        r#"{"type":"campaigncall_updated","data":{"id":"x","status":"done"}}"#,
        &"[".repeat(60_000),
    ] {
        assert_eq!(push(&app, SECRET, body).await.status, 200, "{body:.40}");
    }
    // All of them but the end of a call that is nobody's.
    until(async || app.inbox("vb").await["quarantined"] == 13).await;
    assert_eq!(app.voipbin.journal.pace().requests, before);
    // Another kind of event is no loss: it is counted.
    let other = json!({"type": "call_ringing", "data": {"id": "x"}}).to_string();
    assert_eq!(push(&app, SECRET, &other).await.status, 200);
    let metrics = app.send("GET", &format!("{}/metrics", app.admin()), &[], None).await.text;
    assert!(metrics.contains("dialbridge_foreign_pushes_total{account=\"vb\"} 1\n"), "{metrics}");
    assert_eq!(app.inbox("vb").await["quarantined"], 13);
    app.finish().await;
}

/// Gives the account another secret at its platform.
async fn rotate(app: &TestApp, secret: &str) {
    let account = voipbin::Account::numbered(1);
    let seed = json!({"customers": [{"id": account.customer_id, "webhook_secret": secret}]});
    let url = format!("{}/_sim/seed", app.voipbin.base_url());
    let seeded = app.send("POST", &url, &[], Some(seed.to_string())).await;
    assert!(seeded.status < 300, "{}", seeded.text);
}

/// The platform takes 401 for its last word, so it is said only of what does not fit a secret that was
/// read after the push had come.
#[tokio::test]
async fn a_secret_that_may_have_changed_is_read_again_before_a_push_is_refused_for_good() {
    let app = TestApp::simulators(|_| {}).await.serve().await;
    let account = voipbin::Account::numbered(1);
    let body = event("campaigncall_updated", &Uuid::from_u128(7).to_string());
    let good = account.webhook_secret.expose_secret();
    assert_eq!(push(&app, "a guess", &body).await.status, 401, "it was read for this one");
    assert_eq!(secret_reads(&app), 1);
    // Guesses cost no further reading, whatever comes, and what is genuine is taken meanwhile.
    let wrong = join_all((0..20).map(|_| push(&app, "a guess", &body))).await;
    assert!(wrong.iter().all(|reply| reply.status == 503));
    assert_eq!(push(&app, good, &body).await.status, 200);
    // Changed since: who comes with the new one is told when to come again, not that it is forged.
    rotate(&app, "rotated").await;
    let early = push(&app, "rotated", &body).await;
    assert_eq!(early.status, 503);
    let wait: u64 = early.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=11).contains(&wait), "{wait}");
    assert_eq!(secret_reads(&app), 1);
    app.finish().await;
}

#[tokio::test]
async fn a_secret_that_changed_is_read_again_once() {
    let app = TestApp::simulators(|_| {}).await.serve().await;
    let body = event("campaigncall_updated", &Uuid::from_u128(7).to_string());
    // Many at once wait for one reading, and what came before it is judged by it.
    let account = voipbin::Account::numbered(1);
    let (guesses, genuine) = tokio::join!(
        join_all((0..20).map(|_| push(&app, "a guess", &body))),
        push(&app, account.webhook_secret.expose_secret(), &body),
    );
    assert!(guesses.iter().all(|reply| matches!(reply.status, 401 | 503)));
    assert!(guesses.iter().any(|reply| reply.status == 401));
    assert_eq!(genuine.status, 200);
    assert_eq!(secret_reads(&app), 1);
    rotate(&app, "rotated").await;
    // A process that has not read it yet does so once, for all of them.
    let app = app.stopped().await.serve().await;
    let both = join_all((0..20).map(|_| push(&app, "rotated", &body))).await;
    assert!(both.iter().all(|reply| reply.status == 200));
    assert_eq!(secret_reads(&app), 2);
    app.finish().await;
}

#[tokio::test]
async fn while_the_secret_cannot_be_read_the_platform_is_told_to_come_back() {
    let app = TestApp::simulators(|_| {}).await.serve().await;
    app.voipbin.faults.set("5xx".parse().unwrap());
    let body = event("campaigncall_updated", &Uuid::from_u128(7).to_string());
    let account = voipbin::Account::numbered(1);
    for _ in 0..3 {
        let reply = push(&app, account.webhook_secret.expose_secret(), &body).await;
        assert_eq!(reply.status, 503);
        assert!(reply.headers.contains_key("retry-after"));
    }
    app.voipbin.faults.set("".parse().unwrap());
    app.finish().await;
}

/// A call of a campaign, as a webhook tells it.
fn call_event(kind: &str, campaign: &str, call: Uuid, status: &str) -> String {
    let destination = json!({"type": "tel", "target": "+8613100000001", "target_name": "",
        "name": "", "detail": ""});
    json!({"type": kind, "data": {"id": call, "campaign_id": campaign, "status": status,
        "result": if status == "done" { "success" } else { "" }, "reference_type": "call",
        "destination": destination, "destination_index": 0, "try_count": 1,
        "tm_create": "2026-10-01T08:00:00.123456Z", "tm_update": "2026-10-01T08:00:30.5Z",
        "tm_delete": null}})
    .to_string()
}

#[tokio::test]
async fn calls_are_kept_as_webhooks_tell_them() {
    let app = TestApp::simulators(configured).await;
    let ids = app.voipbin_campaign("calling").await;
    let app = app.serve().await;
    let call = Uuid::from_u128(77);
    // In any order, several times, and one of a campaign that nobody knows.
    for (kind, campaign, status) in [
        ("campaigncall_updated", &ids.campaign, "done"),
        ("campaigncall_created", &ids.campaign, "dialing"),
        ("campaigncall_updated", &ids.campaign, "progressing"),
        ("campaigncall_updated", &ids.campaign, "done"),
        ("campaigncall_updated", &Uuid::from_u128(4242).to_string(), "done"),
    ] {
        assert_eq!(push(&app, SECRET, &call_event(kind, campaign, call, status)).await.status, 200);
    }
    let calls = format!("/campaigns/{}/campaigncalls", ids.campaign);
    until(async || app.vb_get(&calls).await["result"][0]["status"] == "done").await;
    let rows = app.vb_get(&calls).await["result"].take();
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!((&rows[0]["id"], &rows[0]["result"]), (&json!(call), &json!("success")));
    // The CC-iSales client sees it as a result row, and what means nothing is kept apart.
    let number = app.number_of(VIRTUAL_VDN, "calling").await;
    let query = format!("v1/openapi/campaigns/{VIRTUAL_VDN}/callresult/{number}");
    let page = json!({"showDetail": 1, "pageSize": 10, "pageNum": 1});
    assert_eq!(app.cc_ok("POST", &query, Some(page)).await["totalCount"], 1);
    until(async || {
        let row = app.inbox("vb").await;
        (&row["waiting"], &row["quarantined"]) == (&json!(0), &json!(1))
    })
    .await;
    app.finish().await;
}

/// A customer that signs nothing is told by its address.
#[tokio::test]
async fn webhooks_of_a_customer_without_a_secret_prove_themselves_by_the_address() {
    let app = TestApp::start().await;
    let (ids, own) = (
        app.voipbin_campaign("unsigned").await,
        app.on_voipbin("GET", "/customer", None).await["id"].clone(),
    );
    let body = event("campaign_created", &ids.campaign);
    let keys = MasterKeys::parse(&SecretString::from(MASTER_KEY)).unwrap();
    let url = |token: &str| format!("{}/callbacks/voipbin/vb/{token}", app.callbacks());
    let push = async |url: &str| app.send("POST", url, &[], Some(body.clone())).await.status;
    let good = url(&keys.callback_token("vb", None));
    assert_eq!(push(&good).await, 401, "it has a secret, so it would sign");
    let seed = json!({"customers": [{"id": own, "webhook_secret": ""}]});
    let at = format!("{}/_sim/seed", app.voipbin.base_url());
    assert_eq!(app.send("POST", &at, &[], Some(seed.to_string())).await.status, 204);
    let app = app.stopped().await.serve().await;
    let url = |token: &str| format!("{}/callbacks/voipbin/vb/{token}", app.callbacks());
    let push = async |url: &str| app.send("POST", url, &[], Some(body.clone())).await.status;
    assert_eq!(push(&url(&keys.callback_token("vb", None))).await, 200);
    for token in ["1-0000", &keys.callback_token("cc", None), &keys.callback_token("vb", Some("x"))]
    {
        assert_eq!(push(&url(token)).await, 401, "{token}");
    }
    let plain = format!("{}/callbacks/voipbin/vb", app.callbacks());
    assert_eq!(push(&plain).await, 401);
    until(async || names(&app).await.contains(&"unsigned".to_owned())).await;
    app.finish().await;
}

/// Why a call ended is told by an event of the call; it may come before the attempt is known.
#[tokio::test]
async fn the_reason_why_a_call_ended_comes_with_its_event() {
    let app = TestApp::simulators(configured).await;
    let ids = app.voipbin_campaign("explained").await;
    let app = app.serve().await;
    let sink = Sink::taking();
    let order =
        json!({"name": "crm", "shape": "standard", "url": sink.url("/"), "accounts": ["vb"]});
    assert_eq!(app.ask_api("operator", ("POST", "/destinations"), Some(order)).await.status, 200);
    let target = json!({"name": "a", "detail": "d", "data": "x",
        "destination_0": {"type": "tel", "target": "+8613100000001"}});
    app.vb("POST", &format!("/outdials/{}/targets", ids.outdial), Some(target)).await;
    let status = format!("/campaigns/{}/status", ids.campaign);
    app.on_voipbin("PUT", &status, Some(json!({"status": "run"}))).await;
    let calls = format!("/campaigns/{}/campaigncalls", ids.campaign);
    let mut row = json!(null);
    until(async || {
        row = app.on_voipbin("GET", &calls, None).await["result"][0].clone();
        row["status"] == "done"
    })
    .await;
    let path = format!("/calls/{}", row["reference_id"].as_str().unwrap());
    let mut call = app.on_voipbin("GET", &path, None).await;
    call["hangup_reason"] = json!("busy");
    row["result"] = json!("fail");
    // The event first: nobody knows the attempt yet.
    let ended = json!({"type": "call_hangup", "data": call}).to_string();
    assert_eq!(push(&app, SECRET, &ended).await.status, 200);
    let done = json!({"type": "campaigncall_updated", "data": row}).to_string();
    assert_eq!(push(&app, SECRET, &done).await.status, 200);
    let told = || {
        let of = |got: crate::support::sink::Received| {
            got.json()["data"]["disposition"].as_str().unwrap().to_owned()
        };
        sink.received().into_iter().map(of).collect::<Vec<_>>()
    };
    until(async || told().contains(&"busy".to_owned())).await;
    assert_eq!(told(), ["failed", "busy"]);
    let books = app.api("/inbox").await;
    let books =
        books["items"].as_array().unwrap().iter().find(|row| row["account"] == "vb").unwrap();
    assert_eq!((&books["waiting"], &books["rows"]["merged"]), (&json!(0), &json!(1)), "{books}");
    app.finish().await;
}
