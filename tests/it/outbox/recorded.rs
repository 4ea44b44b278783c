//! What the ledger refuses of how deliveries went holds up no other, and is not sent again.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::Scene;
use crate::support::sink::{Says, Sink};
use crate::support::until;

#[tokio::test]
async fn an_outcome_that_the_ledger_refuses_holds_up_no_other() {
    let scene = Scene::new().await;
    let sink = Sink::taking();
    scene.destination("crm", "standard", &sink.url("/"), json!({"concurrency": 200})).await;
    let poison = "CREATE TRIGGER poison BEFORE UPDATE ON delivery WHEN NEW.id % 4 = 0 \
                  BEGIN SELECT RAISE(ABORT, 'refused'); END";
    let scene = scene.tampered(poison).await;
    let rows: Vec<Value> = (1..=128).map(|call| scene.row(call, "00603")).collect();
    scene.push(&rows[..120]).await;
    let books = async |delivered: u64, pending: u64| {
        until(async || {
            let row = scene.row_of("crm").await;
            row["delivered"] == delivered && row["pending"] == pending
        })
        .await;
    };
    books(90, 30).await;
    // As many are held as could keep all that comes after them.
    scene.push(&rows[120..]).await;
    books(96, 32).await;
    assert_eq!(sink.received().len(), 128, "each was sent once");
    // It is not known any more how they went when the gateway has ended.
    let scene = scene.tampered("DROP TRIGGER poison").await;
    scene.settled("crm", 128, 0).await;
    let ids: HashSet<String> = sink.received().iter().map(|got| got.id().to_owned()).collect();
    assert_eq!((sink.received().len(), ids.len()), (160, 128));
    scene.finish().await;
}

#[tokio::test]
async fn an_outcome_is_kept_without_words_that_the_ledger_refuses() {
    let scene = Scene::new().await;
    let sink = Sink::new(|_, _| Says { status: 500, ..Says::body("poison") });
    scene.destination("crm", "standard", &sink.url("/"), json!({"retry_waits_s": [0]})).await;
    let poison = "CREATE TRIGGER poison BEFORE UPDATE ON delivery WHEN NEW.answer = 'poison' \
                  BEGIN SELECT RAISE(ABORT, 'refused'); END";
    let scene = scene.tampered(poison).await;
    scene.push(&[scene.row(1, "00603")]).await;
    scene.settled("crm", 0, 1).await;
    let row = scene.deliveries("destination=crm").await.remove(0);
    assert_eq!(
        (&row["tries"], &row["status"], &row["answer"]),
        (&json!(2), &json!(500), &Value::Null)
    );
    assert!(row["error"].as_str().unwrap().contains("did not take what"), "{row}");
    assert_eq!(sink.received().len(), 2);
    scene.finish().await;
}
