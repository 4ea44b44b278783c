//! A gateway whose ledger is on PostgreSQL, with as many connections as it has by itself and with as
//! few as it may have: what is pushed in a row is taken, processed and passed on to the end. One that takes
//! no changes, or hangs, is not ready.

use std::process::Command;
use std::time::Duration;

use dialbridge::clock::Clock;
use dialbridge::config::LedgerConfig;
use dialbridge::ledger::Ledger;
use futures_util::future::join_all;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::facades::login::{logins, token};
use crate::ledger_story::cluster::Database;
use crate::support::sink::Sink;
use crate::support::{Reply, TestApp, VDN, VIRTUAL_VDN, until};

const PUSHES: u64 = 60;

async fn gateway(database: &Database, connections: u32) -> TestApp {
    let url = SecretString::from(database.url());
    TestApp::simulators(|config| {
        config.ledger = LedgerConfig::Postgres { url, connections };
        logins(config);
    })
    .await
}

/// One after the other and in no order; each push tells of two campaigns.
async fn everything_is_passed_on(connections: u32) {
    let database = Database::create();
    let app = gateway(&database, connections).await;
    let campaigns = [app.isales_campaign("autumn").await, app.isales_campaign("winter").await];
    let app = app.serve().await;
    let names = ["crm", "in-order"];
    let sinks = names.map(|_| Sink::taking());
    for (name, sink) in names.iter().zip(&sinks) {
        let order = json!({"name": name, "shape": "standard", "url": sink.url("/"),
            "ordered": *name == "in-order"});
        let made = app.ask_api("operator", ("POST", "/destinations"), Some(order)).await;
        assert_eq!(made.status, 200, "{}", made.text);
    }

    let address = app.results_address("cc");
    // In a row, and then at once: pushes are accepted while others are processed.
    let push = async |call: u64| {
        let row = |campaign: &i64| {
            json!({"campaignId": campaign.to_string(), "sessionId": format!("{campaign}-{call}"),
                "called": "013100000001", "callTimeStr": "2026-10-01 08:00:00", "callStatus": 5,
                "failCode": "00501", "vdnId": VDN, "callId": format!("1644464743-{campaign}{call:03}")})
        };
        let mut rows: Vec<Value> = campaigns.iter().map(row).collect();
        if call % 2 == 1 {
            rows.reverse();
        }
        let reply = app.send("POST", &address, &[], Some(json!(rows).to_string())).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    };
    for call in 0..PUSHES {
        push(call).await;
    }
    join_all((PUSHES..2 * PUSHES).map(push)).await;
    let figure = |row: &Value, name: &str| row[name].as_u64().unwrap();
    for (name, sink) in names.iter().zip(&sinks) {
        until(async || {
            let row = app.api(&format!("/destinations/{name}")).await;
            figure(&row, "delivered") == 4 * PUSHES && figure(&row, "pending") == 0
        })
        .await;
        let mut told: Vec<String> = sink
            .received()
            .iter()
            .map(|got| got.json()["data"]["contact_reference"].as_str().unwrap().to_owned())
            .collect();
        told.sort();
        told.dedup();
        assert_eq!(told.len() as u64, 4 * PUSHES, "each arrived at {name}");
    }
    let metrics = app.send("GET", &format!("{}/metrics", app.admin()), &[], None).await;
    let repeats = metrics.text.lines().find(|line| line.starts_with("dialbridge_ledger_repeats"));
    assert_eq!(repeats, Some("dialbridge_ledger_repeats_total 0"), "no change was a deadlock");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_default_connections_nothing_stops() {
    everything_is_passed_on(8).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_one_connection_nothing_stops() {
    everything_is_passed_on(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_takes_no_changes_or_hangs_is_not_ready() {
    let database = Database::create();
    let app = gateway(&database, 8).await.serve().await;
    let is_ready = async |status: u16| {
        let reply = app.send("GET", &format!("{}/readyz", app.admin()), &[], None).await;
        assert!(reply.status == 200 || reply.json()["status"] == "not durable", "{}", reply.text);
        reply.status == status
    };
    assert!(is_ready(200).await);
    database.set_read_only(true);
    database.end_sessions();
    until(async || is_ready(503).await).await;
    database.set_read_only(false);
    until(async || is_ready(200).await).await;
    // As a server that stands still: the answer would come when this ends.
    let hold = database.begin("LOCK TABLE meta IN ACCESS EXCLUSIVE MODE");
    until(async || is_ready(503).await).await;
    drop(hold);
    until(async || is_ready(200).await).await;
    app.finish().await;
}

/// A ledger that takes no changes keeps nobody from stopping a campaign, in either language; a start is
/// not sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_that_cannot_be_recorded_is_sent() {
    let database = Database::create();
    let app = gateway(&database, 8).await;
    let names = ["autumn", "winter", "still"];
    let mut numbers = Vec::new();
    for name in names {
        numbers.push(app.isales_campaign(name).await);
    }
    let app = app.serve().await;
    let path = |number: i64, verb: &str| format!("v1/openapi/campaigns/{VDN}/{number}{verb}");
    for number in &numbers[..2] {
        app.cc_ok("PUT", &path(*number, "/resume"), None).await;
    }
    let status_there = async |number: i64| {
        let there = app.on_isales("GET", &path(number, ""), None).await;
        there["returnObject"]["status"].as_i64().unwrap()
    };
    let uuid = app.uuid_of("autumn").await;
    let still = app.uuid_of("still").await;
    let steer = async |uuid: &str, status: &str| {
        app.vb("PUT", &format!("/campaigns/{uuid}/status"), Some(json!({"status": status}))).await
    };
    database.set_read_only(true);
    database.end_sessions();
    let said = steer(&uuid, "stop").await;
    assert_eq!(said.status, 503, "{}", said.text);
    assert!(said.text.contains("the platform stopped the campaign"), "{}", said.text);
    let said = app.cc("PUT", &path(numbers[1], "/pause"), None).await;
    assert_eq!(said.status, 503, "{}", said.text);
    assert_eq!(steer(&still, "run").await.status, 503);
    for number in &numbers {
        assert_eq!(status_there(*number).await, 3, "{number}");
    }
    database.set_read_only(false);
    database.end_sessions();
    assert_eq!(steer(&uuid, "stop").await.status, 200);
    app.cc_ok("PUT", &path(numbers[1], "/pause"), None).await;
    for (name, number) in names.iter().zip(&numbers) {
        assert_eq!(status_there(*number).await, 3, "{name}");
        assert_eq!(app.row_of(name).await["status"], "stop", "{name}");
    }
    app.finish().await;
}

/// A campaign on either home, both running: one that a client of the other language steers, and one for
/// the operator.
struct Running {
    app: TestApp,
    there: String,
    autumn: String,
    pause: String,
}

impl Running {
    async fn on(database: &Database) -> Self {
        let app = gateway(database, 8).await;
        app.voipbin_campaign("there").await;
        let number = app.isales_campaign("autumn").await;
        let app = app.serve().await;
        let (there, autumn) = (app.uuid_of("there").await, app.uuid_of("autumn").await);
        let away = app.number_of(VIRTUAL_VDN, "there").await;
        let path = |verb: &str| format!("v1/openapi/campaigns/{VIRTUAL_VDN}/{away}{verb}");
        app.cc_ok("PUT", &path("/resume"), None).await;
        app.cc_ok("PUT", &format!("v1/openapi/campaigns/{VDN}/{number}/resume"), None).await;
        let pause = path("/pause");
        Self { app, there, autumn, pause }
    }

    async fn operate(&self, id: &str, verb: &str) -> Reply {
        self.app.ask_api("operator", ("POST", &format!("/campaigns/{id}/{verb}")), None).await
    }

    /// Starts and stops that the homes were sent.
    fn sent(&self) -> usize {
        let Self { app, .. } = self;
        let writes = app.voipbin.journal.writes().into_iter().chain(app.isales.journal.writes());
        let steers =
            |path: &str| ["/status", "/pause", "/resume"].iter().any(|end| path.ends_with(end));
        writes.filter(|write| steers(&write.path)).count()
    }
}

/// While the ledger is away: a client of the other language than the campaign's home, and an operator.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_is_sent_while_the_ledger_is_away() {
    let database = Database::create();
    let running = Running::on(&database).await;
    let Running { app, there, autumn, pause } = &running;
    database.set_away(true);
    database.end_sessions();
    let before = running.sent();
    let said = app.cc("PUT", pause, None).await;
    assert_eq!((said.status, running.sent()), (503, before + 1), "{}", said.text);
    for (n, id) in [there, autumn].into_iter().enumerate() {
        let said = running.operate(id, "stop").await;
        assert_eq!((said.status, running.sent()), (503, before + 2 + n), "{}", said.text);
        assert_eq!(running.operate(id, "start").await.status, 503);
    }
    assert_eq!(running.sent(), before + 3, "no start was sent");
    database.set_away(false);
    until(async || running.operate(there, "stop").await.status == 200).await;
    assert_eq!(running.operate(autumn, "stop").await.status, 200);
    running.app.finish().await;
}

/// The server is there and does not answer: somebody holds the tables, for a migration or by mistake.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_is_sent_while_the_ledger_does_not_answer() {
    let database = Database::create();
    let running = Running::on(&database).await;
    let token = token(&running.app).await;
    let status =
        format!("{}/v1.0/campaigns/{}/status?token={token}", running.app.facades(), running.autumn);
    let ask = async |status: &str, url: &str| {
        let body = json!({"status": status}).to_string();
        running.app.send("PUT", url, &[], Some(body)).await
    };
    assert_eq!(ask("run", &status).await.status, 200);
    let held = database.begin("LOCK TABLE campaign, campaign_state, idempotency, meta, session");
    let ready = format!("{}/readyz", running.app.admin());
    until(async || running.app.send("GET", &ready, &[], None).await.status == 503).await;
    let before = running.sent();
    let (paused, stopped) = tokio::join!(
        running.app.cc("PUT", &running.pause, None),
        running.operate(&running.autumn, "stop")
    );
    for (n, said) in [&paused, &stopped].into_iter().enumerate() {
        assert_eq!(said.status, 503, "{}", said.text);
        assert!(said.text.contains("the platform stopped the campaign"), "{n}: {}", said.text);
    }
    assert_eq!(running.sent(), before + 2);
    // By now nobody knows whether the session has ended elsewhere; one that was never seen opens nothing.
    let stopped = ask("stop", &status).await;
    assert_eq!((stopped.status, running.sent()), (503, before + 3), "{}", stopped.text);
    let unknown = status.replace(&token, &"0".repeat(token.len()));
    assert_eq!((ask("stop", &unknown).await.status, running.sent()), (503, before + 3));
    drop(held);
    // What was sent is recorded, so that nobody takes it for somebody else's.
    for id in [&running.there, &running.autumn] {
        let path = format!("/campaigns/{id}/history");
        let history = async || running.app.ask_api("operator", ("GET", &path), None).await.text;
        until(async || history().await.contains("did not take when it was sent")).await;
    }
    running.app.finish().await;
}

/// A start that waits for the ledger is not sent when a stop came after it, recorded or not; and the stop is
/// recorded when the ledger is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_a_stop_overtook_at_the_ledger_is_not_sent() {
    let database = Database::create();
    let running = Running::on(&database).await;
    let Running { app, there, autumn, .. } = &running;
    // A start has a path of its own on one platform, and the one of stops on the other.
    let voipbin =
        || app.voipbin.journal.writes().iter().filter(|w| w.path.ends_with("/status")).count();
    let isales =
        || app.isales.journal.writes().iter().filter(|w| w.path.ends_with("/resume")).count();
    for (id, sent, stops) in [(there, &voipbin as &dyn Fn() -> usize, 1), (autumn, &isales, 0)] {
        assert_eq!(running.operate(id, "stop").await.status, 200);
        let held = database.begin("LOCK TABLE campaign_state, meta");
        let ready = format!("{}/readyz", app.admin());
        until(async || app.send("GET", &ready, &[], None).await.status == 503).await;
        let before = sent();
        let (started, stopped) = tokio::join!(running.operate(id, "start"), async {
            // The start came first, and waits.
            tokio::time::sleep(Duration::from_millis(300)).await;
            let stopped = running.operate(id, "stop").await;
            drop(held);
            stopped
        });
        assert_eq!(stopped.status, 503, "{}", stopped.text);
        assert_ne!(started.status, 500, "{}", started.text);
        assert_eq!(sent(), before + stops, "{}", started.text);
        // Whoever starts it now means it.
        assert_eq!(running.operate(id, "start").await.status, 200);
        assert_eq!(sent(), before + stops + 1);
    }
    running.app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_says_that_it_takes_no_changes() {
    let database = Database::create();
    Ledger::migrate_postgres(&database.url(), &Clock::real()).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("dialbridge.toml");
    std::fs::write(&config, format!("ledger.url = \"{}\"\n", database.url())).unwrap();
    for (is_read_only, code, says) in [
        (false, 0, "ledger         ok"),
        (
            true,
            1,
            "ledger         not ready: the ledger is unavailable: PostgreSQL takes no changes",
        ),
    ] {
        database.set_read_only(is_read_only);
        let mut command = Command::new(env!("CARGO_BIN_EXE_dialbridge"));
        command.args(["check", "--offline", "--config"]).arg(&config);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(says), "{said}");
    }
}
