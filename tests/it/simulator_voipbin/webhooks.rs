//! What customers are told (VB 10): names, order of keys, signature, three attempts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dialbridge::signing;
use dialbridge::simulators::voipbin::Options;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Sim, options};

/// A receiver that answers with the given statuses in turn (the last repeats) and keeps requests.
struct Receiver {
    url: String,
    got: Arc<Mutex<Vec<String>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Receiver {
    #[expect(clippy::disallowed_methods, reason = "a test's own server")]
    async fn start(statuses: &'static [u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let got: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&got);
        let serving = tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !is_complete(&request) {
                    let mut buffer = [0; 4096];
                    let read = socket.read(&mut buffer).await.unwrap();
                    assert!(read > 0, "the simulator hung up");
                    request.extend_from_slice(&buffer[..read]);
                }
                let number = {
                    let mut kept = kept.lock().unwrap();
                    kept.push(String::from_utf8(request).unwrap());
                    kept.len()
                };
                let status = statuses[(number - 1).min(statuses.len() - 1)];
                let answer = format!(
                    "HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, got, serving }
    }

    fn got(&self) -> Vec<String> {
        self.got.lock().unwrap().clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn is_complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.trim().parse().unwrap())
}

fn body(request: &str) -> &str {
    request.split_once("\r\n\r\n").unwrap().1
}

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = request.lines();
    lines.find_map(|line| line.strip_prefix(name).and_then(|rest| rest.strip_prefix(": ")))
}

/// Sends the customer's events to `url`.
async fn subscribe(sim: &Sim, url: &str) {
    let mut customer = sim.get("/customer").await;
    customer["webhook_method"] = json!("POST");
    customer["webhook_uri"] = json!(url);
    sim.put("/customer", customer).await;
}

/// Lets the simulator's thread work until `count` events have ended, moving the clock so that
/// retries come. Gives up after some real seconds.
async fn wait_for_events(sim: &Sim, count: usize) {
    for _ in 0..2_000 {
        if sim.running.journal.events().len() >= count {
            return;
        }
        sim.clock.advance(Duration::from_millis(250)).await;
    }
    panic!("only {} events ended", sim.running.journal.events().len());
}

#[tokio::test]
async fn events_are_signed_over_the_bytes_and_show_the_object() {
    let receiver = Receiver::start(&[200]).await;
    let sim = Sim::start(options()).await;
    subscribe(&sim, &receiver.url).await;
    let campaign = sim.post("/campaigns", json!({"name": "n", "type": "call"})).await;
    wait_for_events(&sim, 1).await;
    let request = &receiver.got()[0];
    let expected = format!(r#"{{"type":"campaign_created","data":{campaign}}}"#);
    assert_eq!(body(request), expected);
    let secret = sim.get("/customer").await["webhook_secret"].as_str().unwrap().to_owned();
    assert_eq!(secret.len(), 32);
    let signature = header(request, "x-voipbin-signature").unwrap();
    assert!(signing::webhook::verify(&secret.into(), signature, expected.as_bytes()));
    assert_eq!(header(request, "content-type"), Some("application/json"));
}

#[tokio::test]
async fn an_attempt_is_told_from_beginning_to_end() {
    let receiver = Receiver::start(&[204]).await;
    let outcomes = "*=busy:3s".parse().unwrap();
    let sim = Sim::start(Options { outcomes, ..options() }).await;
    let ids = sim.campaign("stop", [1, 0], &["+14155550001"]).await;
    subscribe(&sim, &receiver.url).await;
    sim.set_status(&ids.campaign, "run").await;
    sim.at(10.0).await;
    wait_for_events(&sim, 5).await;
    let got = receiver.got();
    let mut kinds: Vec<String> = got
        .iter()
        .map(|request| {
            let event: Value = serde_json::from_str(body(request)).unwrap();
            let (kind, data) = (event["type"].as_str().unwrap(), &event["data"]);
            format!("{kind} {} {}", data["status"], data["result"]).replace('"', "")
        })
        .collect();
    // Each event is sent by a task of its own: the order is not promised.
    kinds.sort();
    assert_eq!(
        kinds,
        [
            "campaign_status_run run null",
            "campaign_status_stop stop null",
            "campaign_status_stopping stopping null",
            "campaigncall_created dialing ",
            "campaigncall_updated done fail",
        ]
    );
}

#[tokio::test]
async fn three_attempts_then_the_event_is_given_up_and_a_refusal_is_final() {
    let events = async |statuses| {
        let receiver = Receiver::start(statuses).await;
        let sim = Sim::start(options()).await;
        subscribe(&sim, &receiver.url).await;
        sim.post("/campaigns", json!({"name": "n"})).await;
        wait_for_events(&sim, 1).await;
        let event = sim.running.journal.events().remove(0);
        let shown: Value = {
            let reply = sim.raw(reqwest::Method::GET, "/_sim/journal", None).await;
            reply.json()["totals"]["events_given_up"].clone()
        };
        let bodies: Vec<String> = receiver.got().iter().map(|got| body(got).to_owned()).collect();
        assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "the same bytes each time");
        (event.attempts, event.status, event.delivered, shown)
    };
    assert_eq!(events(&[500, 503, 502]).await, (3, Some(502), false, json!(1)));
    assert_eq!(events(&[500, 200]).await, (2, Some(200), true, json!(0)));
    assert_eq!(events(&[400]).await, (1, Some(400), true, json!(0)));
}

#[tokio::test]
async fn faults_repeat_and_reorder_events_and_the_real_address_rule_can_be_kept() {
    let receiver = Receiver::start(&[200]).await;
    let sim = Sim::start(Options { faults: "duplicate".parse().unwrap(), ..options() }).await;
    subscribe(&sim, &receiver.url).await;
    sim.post("/campaigns", json!({"name": "n"})).await;
    wait_for_events(&sim, 2).await;
    let got = receiver.got();
    assert_eq!(body(&got[0]), body(&got[1]));

    let sim = Sim::start(Options { faults: "reorder#1".parse().unwrap(), ..options() }).await;
    subscribe(&sim, &receiver.url).await;
    sim.post("/campaigns", json!({"name": "first"})).await;
    sim.post("/campaigns", json!({"name": "second"})).await;
    wait_for_events(&sim, 2).await;
    let got = receiver.got();
    assert!(body(&got[2]).contains("second") && body(&got[3]).contains("first"));

    let sim = Sim::start(Options { allow_private_webhooks: false, ..options() }).await;
    subscribe(&sim, &receiver.url).await;
    sim.post("/campaigns", json!({"name": "n"})).await;
    wait_for_events(&sim, 1).await;
    let event = sim.running.journal.events().remove(0);
    assert_eq!((event.attempts, event.status, event.delivered), (3, None, false));
}
