//! Faults, the journal and the rate limit: what goes wrong, and what it looks like to a client.

use dialbridge::simulators::faults::{Faults, Gate, RequestPlan};
use dialbridge::simulators::journal::Pace;
use dialbridge::simulators::voipbin::{Options, RateLimits};
use reqwest::Method;
use serde_json::json;

use super::{KEY, OTHER_KEY, Sim, options};

#[test]
fn the_same_seed_gives_the_same_faults() {
    let faults: Faults = "5xx@0.3,drop@0.2,delay=10ms..50ms@0.5,lost-answer@0.5".parse().unwrap();
    let draw = |seed| -> Vec<RequestPlan> {
        let gate = Gate::new(faults.clone(), seed);
        (0..200).map(|number| gate.plan_request(number % 2 == 0)).collect()
    };
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
}

#[test]
fn a_mistake_in_the_faults_is_one_clear_line() {
    for (text, expected) in [
        ("nonsense", "fault `nonsense`: is unknown; known are delay, 5xx"),
        ("5xx@2", "fault `5xx@2`: `@2` is not a probability between 0 and 1"),
        ("delay=200ms..50ms", "fault `delay=200ms..50ms`: `200ms..50ms` is not a range"),
        ("drop, skew=later", "fault `skew=later`: `later` is not a duration such as 30s"),
        ("401#x", "fault `401#x`: `#x` is not a count"),
    ] {
        let error = text.parse::<Faults>().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}

#[test]
fn a_fault_with_a_count_stops_after_it() {
    let gate = Gate::new("401#2".parse().unwrap(), 1);
    let hits = (0..10).filter(|_| gate.plan_request(false).trouble.is_some()).count();
    assert_eq!(hits, 2);
}

/// Puts faults in force while the simulator runs.
async fn set(sim: &Sim, faults: &str) {
    let reply = sim.raw(Method::POST, "/_sim/faults", Some(faults.into())).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, faults));
}

#[tokio::test]
async fn each_fault_looks_to_the_client_as_it_should() {
    let sim = Sim::start(options()).await;
    let path = format!("/v1.0/outplans?accesskey={KEY}");
    let create = || Some(json!({"name": "n"}).to_string());
    let count = async || sim.get("/outplans").await["result"].as_array().unwrap().len();

    set(&sim, "429#1").await;
    let reply = sim.raw(Method::POST, &path, create()).await;
    assert_eq!((reply.status, reply.reason().as_str()), (429, "RATE_LIMIT_EXCEEDED"));
    assert_eq!(reply.headers["retry-after"], "1");
    set(&sim, "401#1").await;
    let reply = sim.raw(Method::POST, &path, create()).await;
    assert_eq!((reply.status, reply.reason().as_str()), (401, "INVALID_CREDENTIALS"));
    set(&sim, "5xx#1").await;
    let reply = sim.raw(Method::POST, &path, create()).await;
    assert!((500..=503).contains(&reply.status), "{}", reply.status);
    set(&sim, "drop#1").await;
    assert!(sim.try_raw(Method::POST, &path, create()).await.is_err());
    assert_eq!(count().await, 0, "nothing of that was done");

    set(&sim, "lost-answer#1").await;
    assert!(sim.try_raw(Method::POST, &path, create()).await.is_err());
    assert_eq!(count().await, 1, "it was done, only the answer is lost");
    set(&sim, "truncated#1").await;
    assert!(sim.try_raw(Method::POST, &path, create()).await.is_err());
    set(&sim, "malformed#1").await;
    let reply = sim.raw(Method::POST, &path, create()).await;
    assert_eq!(reply.status, 200);
    assert!(serde_json::from_str::<serde_json::Value>(&reply.text).is_err());
    assert_eq!(count().await, 3);

    let writes = sim.running.journal.writes();
    let shown: Vec<_> = writes.iter().map(|write| (write.status, write.answered)).collect();
    assert_eq!(shown[3..], [(200, false), (200, true), (200, true)]);
    assert!(writes.iter().all(|write| write.path == "/v1.0/outplans"), "no query, no key");

    set(&sim, "skew=-1h").await;
    let plan = sim.post("/outplans", json!({"name": "n"})).await;
    let shown = plan["tm_create"].as_str().unwrap();
    assert!(shown.starts_with("2026-02-28T23:00:00"), "{shown}");
    let wrong = sim.raw(Method::POST, "/_sim/faults", Some("nonsense".into())).await;
    assert_eq!(wrong.status, 400);
}

#[tokio::test]
async fn a_delay_lasts_on_the_simulators_clock() {
    let sim = Sim::start(options()).await;
    set(&sim, "delay=30s").await;
    let asked = sim.get("/outplans");
    tokio::pin!(asked);
    // The answer comes only when the clock moves, in steps until the request has arrived.
    let moved = async {
        loop {
            sim.clock.advance(std::time::Duration::from_secs(10)).await;
        }
    };
    tokio::select! {
        _ = &mut asked => {}
        () = moved => {}
    }
    assert!(sim.clock.now() >= super::start_of_time() + jiff::SignedDuration::from_secs(30));
}

#[tokio::test]
async fn the_seventeenth_second_request_waits_and_customers_do_not_share() {
    let sim = Sim::start(Options { rate_limits: Some(RateLimits::default()), ..options() }).await;
    for _ in 0..33 {
        sim.get("/outplans").await;
    }
    let reply = sim.ask(Method::GET, "/outplans", None).await;
    assert_eq!((reply.status, reply.reason().as_str()), (429, "RATE_LIMIT_EXCEEDED"));
    assert_eq!(reply.json()["error"]["details"][0]["limited_by"], "customer");
    assert_eq!(reply.headers["retry-after"], "1");
    let path = format!("/v1.0/outplans?accesskey={OTHER_KEY}");
    assert_eq!(sim.raw(Method::GET, &path, None).await.status, 200);
    sim.at(1.0).await;
    for _ in 0..17 {
        sim.get("/outplans").await;
    }
    assert_eq!(sim.ask(Method::GET, "/outplans", None).await.status, 429);
    let journal = &sim.running.journal;
    assert_eq!(journal.pace(), Pace { requests: 53, max_per_second: 35, max_concurrent: 1 });
    assert_eq!(journal.calls("GET", "/v1.0/outplans"), 53);
}

#[tokio::test]
async fn a_stopped_simulator_answers_no_more() {
    let sim = Sim::start(options()).await;
    sim.get("/outplans").await;
    sim.running.stop().await;
    let path = format!("/v1.0/outplans?accesskey={KEY}");
    assert!(sim.try_raw(Method::GET, &path, None).await.is_err());
    sim.running.stop().await;
}
