//! Results that callbacks missed: asked for until nothing more comes, merged with what was pushed,
//! passed on once, within the platforms' limits.

use std::collections::HashSet;
use std::time::Duration;

use dialbridge::simulators;
use serde_json::{Value, json};

use crate::support::sink::Sink;
use crate::support::{Reply, TestApp, VDN, until};

const PEOPLE: usize = 130;

async fn order(app: &TestApp, operator: &str, body: Value) -> Reply {
    app.ask_api(operator, ("POST", "/reconcile"), Some(body)).await
}

async fn destination(app: &TestApp, sink: &Sink) {
    let dispositions = ["answered", "busy", "no-answer", "rejected", "failed", "unknown"];
    let order = json!({"name": "crm", "shape": "standard", "url": sink.url("/"),
        "dispositions": dispositions});
    let made = app.ask_api("operator", ("POST", "/destinations"), Some(order)).await;
    assert_eq!(made.status, 200, "{}", made.text);
}

/// Dials that have ended.
fn ended(platform: &simulators::Running) -> usize {
    platform.journal.dials().iter().filter(|dial| dial.outcome.is_some()).count()
}

/// A campaign on CC-iSales that has called everybody, and whose pushes nobody took.
async fn dialled_on_isales(app: &TestApp) -> i64 {
    let number = app.isales_campaign("unheard").await;
    for start in (0..PEOPLE).step_by(20) {
        let numbers: Vec<Value> = (start..PEOPLE.min(start + 20))
            .map(|n| json!({"sessionId": format!("s{n}"), "called": format!("0131000{n:05}")}))
            .collect();
        (0..numbers.len()).for_each(|_| app.one_in_doubt());
        let add = format!("v1/openapi/campaigns/{VDN}/calldata/{number}");
        until(async || {
            let body = json!({"callDataList": numbers});
            app.try_on_isales("POST", &add, Some(body)).await.code() == "0200000"
        })
        .await;
    }
    let path = format!("v1/openapi/campaigns/{VDN}/{number}");
    let mut document = app.on_isales("GET", &path, None).await["returnObject"].take();
    document["callerNo"] = json!([{"accessCode": "02061000000", "priority": 3}]);
    // Nobody listens on the discard port.
    document["callBackUrl"] = json!("http://127.0.0.1:9/");
    let modify = format!("v2/openapi/campaigns/{VDN}/{number}");
    app.on_isales("PUT", &modify, Some(document)).await;
    app.on_isales("PUT", &format!("{path}/resume"), None).await;
    until(async || ended(&app.isales) >= PEOPLE).await;
    number
}

/// The same on VoIPBin, with no webhook at all.
async fn dialled_on_voipbin(app: &TestApp) {
    let ids = app.voipbin_campaign("unheard too").await;
    for n in 0..PEOPLE {
        let target = json!({"name": "n", "detail": "d", "data": "x",
            "destination_0": {"type": "tel", "target": format!("+8613200{n:06}")}});
        app.on_voipbin("POST", &format!("/outdials/{}/targets", ids.outdial), Some(target)).await;
        app.one_in_doubt();
    }
    let status = format!("/campaigns/{}/status", ids.campaign);
    app.on_voipbin("PUT", &status, Some(json!({"status": "run"}))).await;
    until(async || ended(&app.voipbin) >= PEOPLE).await;
    app.on_voipbin("PUT", &status, Some(json!({"status": "stop"}))).await;
    until(async || app.voipbin.journal.dials().iter().all(|dial| dial.outcome.is_some())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_outage_every_attempt_is_there_once_and_was_passed_on_once() {
    let app = TestApp::simulators(|config| {
        config.reconcile_interval = Some(Duration::from_secs(1));
    })
    .await;
    tokio::join!(dialled_on_isales(&app), dialled_on_voipbin(&app));
    let app = app.serve().await;
    let sink = Sink::taking();
    destination(&app, &sink).await;
    let today = app.simulated.now().strftime("%Y-%m-%d").to_string();
    for account in ["cc", "vb"] {
        // Those that were read before the destination was there are not told it.
        let since = if account == "cc" { Some(&today) } else { None };
        let begun = order(&app, "operator", json!({"account": account, "since": since})).await;
        assert_eq!(begun.status, 200, "{}", begun.text);
    }
    let dials = ended(&app.isales) + ended(&app.voipbin);
    let attempts = async || {
        let mut seen = Vec::new();
        for name in ["unheard", "unheard too"] {
            let id = app.uuid_of(name).await;
            let mut token = String::new();
            loop {
                let encoded = token.replace(':', "%3A").replace('+', "%2B");
                let path =
                    format!("/campaigns/{id}/campaigncalls?page_size=100&page_token={encoded}");
                let page = app.vb_get(&path).await;
                let rows = page["result"].as_array().unwrap().clone();
                if rows.is_empty() {
                    break;
                }
                seen.extend(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
                page["next_page_token"].as_str().unwrap().clone_into(&mut token);
            }
        }
        seen
    };
    // No client has asked: that would read them, too.
    let ledger = rusqlite::Connection::open(app.ledger()).unwrap();
    let count = |sql: &str| ledger.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap();
    let over = "SELECT COUNT(*) FROM attempt WHERE result <> 'in-progress'";
    until(async || usize::try_from(count(over)).unwrap() == dials).await;
    assert_eq!(attempts().await.len(), dials);
    let seen = attempts().await;
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), dials, "an attempt is there twice");
    until(async || {
        let states = app.api("/reconcile").await;
        states["items"].as_array().unwrap().iter().all(|row| row["unread"] == 0)
    })
    .await;
    // Told once each, or not at all where they were met before the destination was.
    until(async || app.api("/destinations").await["items"][0]["pending"] == 0).await;
    let told: Vec<String> = sink.received().iter().map(|got| got.id().to_owned()).collect();
    assert_eq!(told.iter().collect::<HashSet<_>>().len(), told.len(), "told twice");
    let pace = app.isales.journal.pace();
    assert!(pace.max_concurrent <= 10, "{pace:?}");
    app.finish().await;
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused() {
    let app = TestApp::start().await;
    for (operator, body, status) in [
        ("operator", json!({"account": "nobody"}), 400),
        ("operator", json!({"account": "cc-other"}), 400),
        ("operator", json!({"account": "NO SLUG"}), 400),
        ("operator", json!({"account": "cc", "since": "2001-01-01"}), 400),
        ("operator", json!({"account": "cc", "since": "2999-01-01"}), 400),
        ("operator", json!({"account": "cc", "since": "today"}), 400),
        ("operator", json!({"account": "cc", "colour": "red"}), 400),
        ("viewer", json!({"account": "cc"}), 403),
        ("operator", json!({"account": "cc"}), 200),
    ] {
        let reply = order(&app, operator, body.clone()).await;
        assert_eq!(reply.status, status, "{body}: {}", reply.text);
    }
    let states = app.api("/reconcile").await;
    assert_eq!(states["items"].as_array().unwrap().len(), 2, "{states}");
    app.finish().await;
}
