//! Whose address platforms push to: the gateway's, in campaigns that it creates and in those that it
//! takes over, while every client goes on seeing its own.

use dialbridge::config::{ApiScope, CallbackSettings};
use dialbridge::domain::ids::AccountSlug;
use dialbridge::platforms::{Binding, Bindings};
use dialbridge::simulators::voipbin;
use serde_json::{Value, json};

use crate::commands::Operator;
use crate::support::relay::Relay;
use crate::support::sink::{Received, Sink};
use crate::support::{Caller, TestApp, VDN, until};

/// A gateway that platforms reach by the relay.
async fn simulators(relay: &Relay, per_campaign: bool) -> TestApp {
    let public_url = Some(relay.url().parse().unwrap());
    TestApp::simulators(move |config| {
        for account in &mut config.accounts {
            let public_url = public_url.clone();
            let callbacks = account.callbacks.clone();
            account.callbacks = CallbackSettings { public_url, per_campaign, ..callbacks };
        }
        let queue = voipbin::Account::numbered(1).queue_id.to_string();
        let skill = Binding { voipbin: queue, isales: "5".to_owned() };
        config.bindings = Bindings { agent_groups: vec![skill], scripts: Vec::new() };
        config.clients[0].create_on = Some(AccountSlug::new("cc").unwrap());
        config.clients[3].accounts = vec![AccountSlug::new("cc").unwrap()];
    })
    .await
}

async fn serve(app: TestApp, relay: &Relay) -> TestApp {
    let app = app.serve().await;
    relay.lead_to(app.callbacks()["http://".len()..].parse().unwrap());
    app
}

async fn served() -> (TestApp, Relay) {
    let relay = Relay::new();
    let app = serve(simulators(&relay, false).await, &relay).await;
    (app, relay)
}

fn at(number: i64) -> String {
    format!("v1/openapi/campaigns/{VDN}/{number}")
}

/// Where the platform itself pushes a campaign's results.
async fn at_home(app: &TestApp, number: i64) -> String {
    let shown = app.on_isales("GET", &at(number), None).await;
    shown["returnObject"]["callBackUrl"].as_str().unwrap_or_default().to_owned()
}

/// Where its client is told that they go, in the detail and in the list.
async fn shown(app: &TestApp, number: i64) -> String {
    let detail = app.cc_ok("GET", &at(number), None).await["returnObject"].clone();
    let list =
        format!("v1/openapi/campaigns/{VDN}?status=0&deviceType=0&curPage=1&rowsPerPage=100");
    let list = app.cc_ok("GET", &list, None).await;
    let rows = list["data"].as_array().unwrap();
    let row = rows.iter().find(|row| row["id"] == number).unwrap();
    assert_eq!(row["callBackUrl"], detail["callBackUrl"], "{row}");
    detail["callBackUrl"].as_str().unwrap_or_default().to_owned()
}

fn document(app: &TestApp, name: &str, url: Option<&str>) -> Value {
    let today = app.simulated.now().strftime("%Y-%m-%d 00:00:00").to_string();
    let mut document = json!({
        "name": name, "description": "d", "deviceType": 2, "strBeginTime": today,
        "strEndTime": "2099-01-01 00:00:00", "maxAlertingTime": 20,
        "callerNo": [{"accessCode": "02061000000", "priority": 3}],
        "scheduleParam": {"workdayBeginTime1": "00:00", "workdayEndTime1": "23:59"},
        "skillParam": {"skillId": 5, "skillName": "Voice Skill Queue", "outBoundType": 2,
            "predictParam": {"predictMethod": 5, "offhookPredictParam": {"offHookRate": 100}}},
    });
    if let Some(url) = url {
        document["callBackUrl"] = json!(url);
    }
    document
}

/// Has a campaign call one number, through the facade.
async fn call(app: &TestApp, number: i64, session: &str) {
    let add = format!("v1/openapi/campaigns/{VDN}/calldata/{number}");
    let contact = json!([{"sessionId": session, "called": "013100000001"}]);
    app.cc_ok("POST", &add, Some(json!({"callDataList": contact}))).await;
    app.cc("PUT", &format!("{}/resume", at(number)), None).await;
}

async fn results(sink: &Sink, session: &str) -> Vec<Received> {
    let is_of = |got: &Received| got.json()[0]["sessionId"] == session;
    until(async || sink.received().iter().any(is_of)).await;
    sink.received().into_iter().filter(is_of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn campaigns_are_taken_over_and_put_back() {
    let relay = Relay::new();
    let app = simulators(&relay, false).await;
    let (own, other) = (Sink::taking(), Sink::taking());
    let create = format!("v2/openapi/campaigns/{VDN}");
    let body = document(&app, "pushed", Some(&own.url("/secret-path")));
    let made = app.on_isales("POST", &create, Some(body)).await;
    let number = made["returnObject"]["id"].as_i64().unwrap();
    let silent = app.isales_campaign("silent").await;
    let app = serve(app, &relay).await;
    let operator = Operator::new(&app);

    let plan = operator.ok("adopt --account cc --dry-run").await;
    assert!(plan.contains("take-over") && !plan.contains("secret-path"), "{plan}");
    assert_eq!(at_home(&app, number).await, own.url("/secret-path"));
    let done = operator.json("adopt --account cc").await;
    assert_eq!((&done["items"][0]["changed"], &done["items"][0]["failed"]), (&json!(2), &json!(0)));
    for number in [number, silent] {
        assert!(at_home(&app, number).await.starts_with(&relay.url()), "ours");
    }
    assert_eq!(shown(&app, number).await, own.url("/secret-path"));
    assert_eq!(shown(&app, silent).await, "");
    // Again: nothing is left to do.
    let again = operator.json("adopt --account cc").await;
    assert_eq!((&again["items"][0]["changed"], &again["items"][0]["kept"]), (&json!(0), &json!(2)));

    call(&app, number, "s1").await;
    let told = results(&own, "s1").await;
    assert_eq!(told[0].json()[0]["campaignId"], number.to_string());
    // The client moves its receiver: the home is not told.
    let mut body = document(&app, "pushed", Some(&other.url("/moved")));
    body["description"] = json!("changed");
    app.cc_ok("PUT", &format!("v2/openapi/campaigns/{VDN}/{number}"), Some(body)).await;
    assert!(at_home(&app, number).await.starts_with(&relay.url()));
    assert_eq!(shown(&app, number).await, other.url("/moved"));
    assert_eq!(
        app.on_isales("GET", &at(number), None).await["returnObject"]["description"],
        "changed"
    );
    call(&app, number, "s2").await;
    results(&other, "s2").await;
    assert_eq!(own.received().len(), told.len(), "it is told no more");

    let ids = app.ledger().with_file_name("ids.jsonl");
    let left = operator.json(&format!("leave --account cc --ids {}", ids.display())).await;
    assert_eq!((&left["items"][0]["changed"], &left["items"][0]["failed"]), (&json!(2), &json!(0)));
    assert_eq!(at_home(&app, number).await, other.url("/moved"));
    assert_eq!(at_home(&app, silent).await, "");
    assert_eq!(shown(&app, number).await, other.url("/moved"));
    let ids = std::fs::read_to_string(ids).unwrap();
    let native = format!("{VDN}/{number}");
    let rows: Vec<Value> = ids.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rows.iter().any(|row| row["native_id"] == *native && row["campaign_id"] == number));
    until(async || destinations(&app).await.iter().all(|row| row["pending"] == 0)).await;
    app.finish().await;
}

async fn destinations(app: &TestApp) -> Vec<Value> {
    app.api("/destinations").await["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn campaigns_that_are_created_here_are_pushed_here() {
    let (app, relay) = served().await;
    let (own, second) = (Sink::taking(), Sink::taking());
    let create = format!("v2/openapi/campaigns/{VDN}");
    let body = document(&app, "created", Some(&own.url("/own")));
    let made = app.cc_ok("POST", &create, Some(body)).await;
    let number = made["returnObject"]["id"].as_i64().unwrap();
    assert!(at_home(&app, number).await.starts_with(&relay.url()));
    assert_eq!(shown(&app, number).await, own.url("/own"));
    call(&app, number, "s1").await;
    results(&own, "s1").await;
    // Campaigns with one address share a receiver; one without an address has none.
    for (name, url) in [("second", Some(own.url("/own"))), ("third", None)] {
        let body = document(&app, name, url.as_deref());
        let made = app.cc_ok("POST", &create, Some(body)).await;
        let number = made["returnObject"]["id"].as_i64().unwrap();
        assert!(at_home(&app, number).await.starts_with(&relay.url()));
        assert_eq!(shown(&app, number).await, url.unwrap_or_default());
    }
    assert_eq!(destinations(&app).await.len(), 1);
    // What the platform refuses leaves nothing behind: its name is taken.
    let body = document(&app, "created", Some(&second.url("/x")));
    assert_ne!(app.cc("POST", &create, Some(body)).await.code(), "0200000");
    assert_eq!(destinations(&app).await.len(), 1);
    // An address that must not be dialled is refused here.
    let body = document(&app, "fourth", Some("http://169.254.169.254/latest"));
    let refused = app.cc("POST", &create, Some(body)).await;
    assert!(refused.code() != "0200000" && refused.text.contains("callBackUrl"));
    app.finish().await;
}

/// A VoIPBin-shaped client has no say in callBackUrl: its webhook is its account's.
#[tokio::test]
async fn a_webhook_set_through_the_facade_tells_what_runs_elsewhere() {
    let (app, relay) = served().await;
    let sink = Sink::taking();
    let settings = json!({"name": "other", "detail": "", "email": "", "phone_number": "",
        "address": "", "webhook_method": "POST", "webhook_uri": sink.url("/hook")});
    for (member, value) in
        [("webhook_method", "GET"), ("webhook_method", "NO"), ("webhook_uri", "http://10.0.0.1/")]
    {
        let mut wrong = settings.clone();
        wrong[member] = json!(value);
        let reply = app.vb_as(Caller::Other, "PUT", "/customer", Some(wrong)).await;
        assert_eq!(reply.status, 400, "{member}: {}", reply.text);
    }
    let set = app.vb_as(Caller::Other, "PUT", "/customer", Some(settings)).await;
    assert_eq!((set.status, &set.json()["webhook_uri"]), (200, &json!(sink.url("/hook"))));
    let customer = app.vb_as(Caller::Other, "GET", "/customer", None).await.json();
    assert_eq!(customer["webhook_uri"], sink.url("/hook"));
    let create = format!("v2/openapi/campaigns/{VDN}");
    let made = app.cc_ok("POST", &create, Some(document(&app, "elsewhere", None))).await;
    let number = made["returnObject"]["id"].as_i64().unwrap();
    assert!(at_home(&app, number).await.starts_with(&relay.url()));
    call(&app, number, "s1").await;
    until(async || !sink.received().is_empty()).await;
    let told = sink.received()[0].json();
    assert_eq!(told["type"], "campaigncall_updated");
    let campaign = app.uuid_of("elsewhere").await;
    assert_eq!(told["data"]["campaign_id"], campaign.as_str());
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accounts_webhook_is_taken_over_and_put_back() {
    let (app, relay) = served().await;
    let (sink, moved) = (Sink::taking(), Sink::taking());
    let settings = |url: &str| {
        json!({"name": "n", "detail": "d", "email": "e@example.com",
        "phone_number": "+12025550100", "address": "a", "webhook_method": "POST",
        "webhook_uri": url})
    };
    app.on_voipbin("PUT", "/customer", Some(settings(&sink.url("/hook")))).await;
    let operator = Operator::new(&app);
    let done = operator.json("adopt --account vb").await;
    assert_eq!((&done["items"][0]["changed"], &done["items"][0]["failed"]), (&json!(1), &json!(0)));
    let own = app.on_voipbin("GET", "/customer", None).await;
    assert!(own["webhook_uri"].as_str().unwrap().starts_with(&relay.url()), "{own}");
    assert_eq!((&own["name"], &own["phone_number"]), (&json!("n"), &json!("+12025550100")));
    let shown = app.vb_get("/customer").await;
    assert_eq!(
        (&shown["webhook_uri"], &shown["webhook_method"]),
        (&json!(sink.url("/hook")), &json!("POST"))
    );
    // What comes is passed on byte for byte, with the platform's own signature.
    let ids = app.voipbin_campaign("hooked").await;
    until(async || {
        sink.received().iter().any(|got| got.json()["data"]["id"] == ids.campaign.as_str())
    })
    .await;
    let secret = own["webhook_secret"].as_str().unwrap();
    for got in sink.received() {
        let signature = &got.headers["x-voipbin-signature"];
        assert!(dialbridge::signing::webhook::verify(&secret.into(), signature, &got.body));
    }
    // The client moves it; its other settings are not its to change.
    let reply = app.vb("PUT", "/customer", Some(settings(&moved.url("/hook")))).await;
    assert_eq!((reply.status, &reply.json()["webhook_uri"]), (200, &json!(moved.url("/hook"))));
    let own = app.on_voipbin("GET", "/customer", None).await;
    assert!(own["webhook_uri"].as_str().unwrap().starts_with(&relay.url()), "{own}");
    let mut renamed = settings(&moved.url("/hook"));
    renamed["name"] = json!("somebody else");
    let reply = app.vb("PUT", "/customer", Some(renamed)).await;
    assert_eq!((reply.status, reply.reason().as_str()), (403, "PERMISSION_DENIED"));
    let ids = app.voipbin_campaign("moved").await;
    until(async || {
        moved.received().iter().any(|got| got.json()["data"]["id"] == ids.campaign.as_str())
    })
    .await;
    let left = operator.json("leave --account vb").await;
    assert_eq!(left["items"][0]["changed"], 1, "{left}");
    let own = app.on_voipbin("GET", "/customer", None).await;
    assert_eq!(own["webhook_uri"], moved.url("/hook"));
    app.finish().await;
}

#[tokio::test]
async fn an_address_of_one_campaign_takes_no_results_of_another() {
    let relay = Relay::new();
    let app = serve(simulators(&relay, true).await, &relay).await;
    let create = format!("v2/openapi/campaigns/{VDN}");
    let mut numbers = Vec::new();
    for name in ["one", "two"] {
        let made = app.cc_ok("POST", &create, Some(document(&app, name, None))).await;
        numbers.push(made["returnObject"]["id"].as_i64().unwrap());
    }
    let (first, second) = (at_home(&app, numbers[0]).await, at_home(&app, numbers[1]).await);
    assert_ne!(first, second);
    let row = |call: &str| {
        json!([{"campaignId": numbers[1].to_string(), "sessionId": "s", "called": "013100000001",
            "callTimeStr": "2026-01-01 10:00:00", "callStatus": 6, "failCode": "0", "vdnId": VDN,
            "callId": call}])
    };
    for (address, call) in [(&first, "1-1"), (&second, "1-2")] {
        let reply = app.send("POST", address, &[], Some(row(call).to_string())).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
    let inbox = async || app.api("/inbox").await["items"][0]["rows"].clone();
    until(async || inbox().await["received"] == 2).await;
    let rows = inbox().await;
    assert_eq!((&rows["stored"], &rows["quarantined"]), (&json!(1), &json!(1)), "{rows}");
    // Another's name in the address is nobody's.
    let forged = first.replace(&format!(".{}-", numbers[0]), &format!(".{}-", numbers[1]));
    assert_eq!(app.send("POST", &forged, &[], Some(row("1-3").to_string())).await.status, 401);
    app.finish().await;
}

/// The order stands for days where the home does not answer; the right to it may end before.
#[tokio::test]
async fn an_order_of_an_operator_without_the_account_is_not_carried_out() {
    let relay = Relay::new();
    let app = simulators(&relay, false).await;
    let own = Sink::taking();
    let create = format!("v2/openapi/campaigns/{VDN}");
    let body = document(&app, "pushed", Some(&own.url("/own")));
    let made = app.on_isales("POST", &create, Some(body)).await;
    let number = made["returnObject"]["id"].as_i64().unwrap();
    let app = serve(app, &relay).await;
    app.isales.faults.set("5xx".parse().unwrap());
    let order = ("POST", "/adopt");
    let begun = app.ask_api("operator", order, Some(json!({"account": "cc"}))).await;
    assert_eq!(begun.status, 200, "{}", begun.text);
    let job = format!("/jobs/{}", begun.json()["job"].as_str().unwrap());
    until(async || app.api(&job).await["attempts"] != 0).await;
    let app = app.stopped().await.reconfigured(|config| {
        for token in config.api_tokens.iter_mut().filter(|token| token.name == "operator") {
            token.scopes = vec![ApiScope::Read];
        }
    });
    app.isales.faults.set("".parse().unwrap());
    let app = app.serve().await;
    until(async || app.api(&job).await["state"] == "failed").await;
    let why = app.api(&job).await["error"].as_str().unwrap().to_owned();
    assert!(why.contains("may only read"), "{why}");
    assert_eq!(at_home(&app, number).await, own.url("/own"));
    app.finish().await;
}
