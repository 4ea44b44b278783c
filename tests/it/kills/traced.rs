//! Traces: one from a push to its deliveries, over the store, without a path, a number or a secret.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::Gateway;
use crate::support::sink::Sink;
use crate::support::{Caller, TestApp, until};

/// All spans that came, by their names.
fn spans(collector: &Sink) -> HashMap<String, Vec<Value>> {
    let mut all: HashMap<String, Vec<Value>> = HashMap::new();
    for got in collector.received() {
        let batch = got.json();
        for resource in batch["resourceSpans"].as_array().unwrap() {
            for scope in resource["scopeSpans"].as_array().unwrap() {
                for span in scope["spans"].as_array().unwrap() {
                    let name = span["name"].as_str().unwrap().to_owned();
                    all.entry(name).or_default().push(span.clone());
                }
            }
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_and_its_deliveries_are_one_trace() {
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("traced").await;
    let (collector, sink) = (Sink::taking(), Sink::taking());
    let mut gateway = Gateway::new(&app, "cc");
    gateway.edit(|text| {
        let url = collector.url("/v1/traces");
        format!("telemetry.traces_url = \"{url}\"\n{text}")
    });
    gateway.start().await;
    let order = json!({"name": "crm", "shape": "standard", "url": sink.url("/")});
    gateway.ask("POST", "destinations", Some(order)).await;
    let pusher = gateway.pusher(campaign);
    pusher.push_some("traced", 1).await;
    until(async || sink.received().len() == 1).await;
    let key = Caller::Both.key();
    let url = format!("http://127.0.0.1:{}/v1.0/campaigns?accesskey={key}", gateway.facades);
    assert_eq!(app.send("GET", &url, &[], None).await.status, 200);
    let arrival = "POST /callbacks/isales/{account}/{token}";
    until(async || {
        let spans = spans(&collector);
        ["process push", "deliver", arrival, "GET /v1.0/campaigns"]
            .iter()
            .all(|name| spans.contains_key(*name))
    })
    .await;
    let spans = spans(&collector);
    let (arrived, processed) = (&spans[arrival][0], &spans["process push"][0]);
    let delivered = &spans["deliver"][0];
    assert_eq!(processed["traceId"], arrived["traceId"]);
    assert_eq!(delivered["traceId"], arrived["traceId"]);
    assert_eq!(processed["parentSpanId"], arrived["spanId"]);
    assert_eq!(delivered["parentSpanId"], processed["spanId"]);
    // The receiver can go on with it.
    let header = &sink.received()[0].headers["traceparent"];
    assert!(header.contains(delivered["traceId"].as_str().unwrap()), "{header}");
    let token = pusher.url.rsplit('/').next().unwrap();
    for got in collector.received() {
        let text = String::from_utf8(got.body).unwrap();
        for secret in [token, key, "13100000001", "accesskey"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
    gateway.kill();
    drop(gateway);
    app.finish().await;
}
