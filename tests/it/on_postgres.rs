//! A gateway whose ledger is on PostgreSQL, with as many connections as it has by itself and with as
//! few as it may have: what is pushed in a row is taken, processed and passed on to the end.

use dialbridge::config::LedgerConfig;
use futures_util::future::join_all;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::ledger_story::cluster::Database;
use crate::support::sink::Sink;
use crate::support::{TestApp, VDN, until};

const PUSHES: u64 = 60;

async fn everything_is_passed_on(connections: u32) {
    let database = Database::create();
    let url = SecretString::from(database.url());
    let app = TestApp::simulators(|config| {
        config.ledger = LedgerConfig::Postgres { url, connections };
    })
    .await;
    let campaign = app.isales_campaign("autumn").await;
    let app = app.serve().await;
    let sink = Sink::taking();
    let order = json!({"name": "crm", "shape": "standard", "url": sink.url("/")});
    let made = app.ask_api("operator", ("POST", "/destinations"), Some(order)).await;
    assert_eq!(made.status, 200, "{}", made.text);

    let address = app.results_address("cc");
    // In a row, and then at once: pushes are accepted while others are processed.
    let push = async |call: u64| {
        let row = json!([{"campaignId": campaign.to_string(), "sessionId": format!("order-{call}"),
            "called": "013100000001", "callTimeStr": "2026-10-01 08:00:00", "callStatus": 5,
            "failCode": "00501", "vdnId": VDN, "callId": format!("1644464743-{call}")}]);
        let reply = app.send("POST", &address, &[], Some(row.to_string())).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    };
    for call in 0..PUSHES {
        push(call).await;
    }
    join_all((PUSHES..2 * PUSHES).map(push)).await;
    let figure = |row: &Value, name: &str| row[name].as_u64().unwrap();
    until(async || {
        let row = app.api("/destinations/crm").await;
        figure(&row, "delivered") == 2 * PUSHES && figure(&row, "pending") == 0
    })
    .await;
    let mut told: Vec<String> = sink
        .received()
        .iter()
        .map(|got| got.json()["data"]["contact_reference"].as_str().unwrap().to_owned())
        .collect();
    told.sort();
    told.dedup();
    assert_eq!(told.len() as u64, 2 * PUSHES, "each arrived");
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
