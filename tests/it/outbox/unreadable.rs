//! What is stored of an event is broken.

use serde_json::{Value, json};

use super::Scene;
use crate::support::sink::Sink;
use crate::support::until;

/// It can never be told, and holds up nothing that can.
#[tokio::test]
async fn an_event_that_cannot_be_read_is_a_dead_letter_and_the_others_are_delivered() {
    let scene = Scene::new().await;
    let sink = Sink::taking();
    scene.destination("crm", "standard", &sink.url("/"), json!({})).await;
    scene.change("crm", "pause").await;
    let rows: Vec<Value> = (1..=20).map(|call| scene.row(call, "00603")).collect();
    scene.push(&rows).await;
    until(async || scene.row_of("crm").await["pending"] == 20).await;
    let ledger = rusqlite::Connection::open(scene.app.ledger()).unwrap();
    let broken = "UPDATE event SET body = '[\"[erased' WHERE id IN \
                  (SELECT event_id FROM delivery ORDER BY id LIMIT 2 OFFSET 3)";
    assert_eq!(ledger.execute(broken, []).unwrap(), 2);
    scene.change("crm", "resume").await;
    scene.settled("crm", 18, 2).await;
    assert_eq!(sink.received().len(), 18);
    for dead in scene.deliveries("destination=crm&state=dead").await {
        let error = dead["error"].as_str().unwrap();
        assert!(error.starts_with("what is stored of it cannot be read: column"), "{dead}");
        assert_eq!(dead["tries"], 1, "{dead}");
    }
    scene.finish().await;
}
