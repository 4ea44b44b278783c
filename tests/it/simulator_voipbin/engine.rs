//! The status machine, the tick and the life of an attempt (VB 9), on a virtual clock.

use dialbridge::simulators::voipbin::{Defects, Options, ServiceLevelFormula, Switches};
use reqwest::Method;
use serde_json::json;

use super::{Sim, options, seconds};

fn row(
    slot: i64,
    number: i64,
    status: &str,
    result: &str,
    times: (f64, f64),
) -> (i64, i64, String, String, f64, f64) {
    (slot, number, status.into(), result.into(), times.0, times.1)
}

#[tokio::test]
async fn the_worked_timeline_comes_out_to_the_millisecond() {
    let outcomes = "0001=busy:19s/noanswer:18.5s, 0002=normal:38s".parse().unwrap();
    let sim = Sim::start(Options { outcomes, ..options() }).await;
    let ids = sim.campaign("continue", [2, 1], &["+14155550001", "+14155550002"]).await;
    let target = format!("/outdials/{}/targets/{}", ids.outdial, ids.target);
    sim.set_status(&ids.campaign, "run").await;

    sim.at(0.9).await;
    assert!(sim.attempts(&ids.campaign).await.is_empty());
    sim.at(1.6).await;
    let shown = sim.get(&target).await;
    assert_eq!((&shown["status"], &shown["try_count_0"]), (&json!("progressing"), &json!(1)));
    assert_eq!(sim.attempts(&ids.campaign).await, [row(0, 1, "dialing", "", (1.0, 1.0))]);
    sim.at(20.0).await;
    let shown = sim.get(&target).await;
    assert_eq!((&shown["status"], seconds(&shown["tm_update"])), (&json!("idle"), 20.0));
    sim.at(300.0).await;
    assert_eq!(
        sim.attempts(&ids.campaign).await,
        [
            row(0, 1, "done", "fail", (1.0, 20.0)),
            row(0, 2, "done", "fail", (81.5, 100.0)),
            row(1, 1, "done", "success", (162.0, 200.0)),
        ]
    );
    let shown = sim.get(&target).await;
    assert_eq!(
        (&shown["status"], &shown["try_count_0"], &shown["try_count_1"]),
        (&json!("done"), &json!(2), &json!(1))
    );
    assert_eq!(sim.status(&ids.campaign).await, "run");
    let outcomes: Vec<_> = sim.running.journal.dials().into_iter().map(|d| d.outcome).collect();
    assert_eq!(outcomes, [Some("busy".into()), Some("noanswer".into()), Some("normal".into())]);
}

#[tokio::test]
async fn with_end_handle_stop_the_last_attempt_is_not_tried_again_unless_asked() {
    for (retry_last_target, attempts) in [(false, 1), (true, 3)] {
        let outcomes = "0001=busy:19s/noanswer:18.5s, 0002=normal:38s".parse().unwrap();
        let switches = Switches { retry_last_target, ..Switches::default() };
        let sim = Sim::start(Options { outcomes, switches, ..options() }).await;
        let ids = sim.campaign("stop", [2, 1], &["+14155550001", "+14155550002"]).await;
        sim.set_status(&ids.campaign, "run").await;
        sim.at(1.4).await;
        assert_eq!(sim.status(&ids.campaign).await, "run");
        sim.at(1.5).await;
        let expected = if retry_last_target { "run" } else { "stopping" };
        assert_eq!(sim.status(&ids.campaign).await, expected);
        sim.at(300.0).await;
        let campaign = sim.get(&format!("/campaigns/{}", ids.campaign)).await;
        assert_eq!(campaign["status"], "stop");
        if !retry_last_target {
            assert_eq!(campaign["tm_update"], "2026-03-01T00:00:20Z");
        }
        assert_eq!(sim.attempts(&ids.campaign).await.len(), attempts);
    }
}

#[tokio::test]
async fn an_idle_campaign_wakes_nobody_and_keeps_its_rhythm() {
    let sim = Sim::start(Options { outcomes: "*=busy:1s".parse().unwrap(), ..options() }).await;
    let ids = sim.campaign("continue", [1, 0], &[]).await;
    sim.set_status(&ids.campaign, "run").await;
    // A hundred days are some two million ticks; waking for each would take an hour.
    let days = 100.0 * 86400.0;
    sim.at(days + 2.5).await;
    sim.target(&ids.outdial, &["+14155550001"]).await;
    sim.at(days + 10.0).await;
    let attempts = sim.attempts(&ids.campaign).await;
    assert_eq!(attempts, [row(0, 1, "done", "fail", (days + 6.0, days + 7.0))]);
}

#[tokio::test]
async fn the_status_machine_is_idempotent_and_drains() {
    let sim = Sim::start(Options { outcomes: "*=normal:60s".parse().unwrap(), ..options() }).await;
    let ids = sim.campaign("continue", [1, 0], &["+14155550001"]).await;
    let id = &ids.campaign;
    let status = async |wanted: &str| {
        let reply = sim.set_status(id, wanted).await;
        (reply.status, reply.json()["status"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(status("stop").await, (200, "stop".into()));
    assert_eq!(status("run").await, (200, "run".into()));
    assert_eq!(status("run").await, (200, "run".into()));
    for wrong in ["stopping", "pause", ""] {
        let reply = sim.set_status(id, wrong).await;
        assert_eq!((reply.status, reply.reason().as_str()), (400, "INVALID_ARGUMENT"));
    }
    sim.at(2.0).await;
    assert_eq!(status("stop").await, (200, "stopping".into()));
    assert_eq!(status("stop").await, (200, "stopping".into()));
    // Back to run while the old tick is pending: it is reused, nothing starts twice.
    assert_eq!(status("run").await, (200, "run".into()));
    assert_eq!(status("stop").await, (200, "stopping".into()));
    sim.at(30.0).await;
    assert_eq!(sim.status(id).await, "stopping");
    sim.at(61.0).await;
    assert_eq!(sim.status(id).await, "stop", "the call has ended, nothing is ongoing");
    // With nothing ongoing the next tick stops it, at most five seconds later.
    assert_eq!(status("run").await, (200, "run".into()));
    sim.at(62.5).await;
    assert_eq!(status("stop").await, (200, "stopping".into()));
    sim.at(68.0).await;
    assert_eq!(sim.status(id).await, "stop");
}

#[tokio::test]
async fn a_campaign_without_outplan_runs_for_one_second() {
    let sim = Sim::start(options()).await;
    let campaign = sim.post("/campaigns", json!({"name": "n", "type": "call"})).await;
    let id = campaign["id"].as_str().unwrap();
    assert_eq!(sim.set_status(id, "run").await.json()["status"], "run");
    sim.at(1.0).await;
    assert_eq!(sim.status(id).await, "stop");
}

#[tokio::test]
async fn the_switches_choose_between_documents_and_code() {
    // Answer makes progressing; the next campaign starts; a failed creation ends the loop.
    let switches =
        Switches { progressing_on_answer: true, chain_next: true, ..Switches::default() };
    let outcomes = "0001=normal:30s, 0003=create-failed".parse().unwrap();
    let sim = Sim::start(Options { switches, outcomes, ..options() }).await;
    let first = sim.campaign("stop", [1, 0], &["+14155550001"]).await;
    let second = sim.campaign("continue", [1, 0], &["+14155550003"]).await;
    let path = format!("/campaigns/{}/next_campaign_id", first.campaign);
    sim.put(&path, json!({"next_campaign_id": second.campaign})).await;
    sim.set_status(&first.campaign, "run").await;
    sim.at(20.0).await;
    assert_eq!(sim.attempts(&first.campaign).await[0].2, "progressing");
    sim.at(31.0).await;
    assert_eq!(sim.status(&first.campaign).await, "stop");
    assert_eq!(sim.status(&second.campaign).await, "run");
    sim.at(33.0).await;
    assert_eq!(sim.attempts(&second.campaign).await[0].3, "fail");
    assert_eq!(sim.status(&second.campaign).await, "stop", "creating the call failed");
}

#[tokio::test]
async fn the_service_level_follows_the_code_or_the_documents() {
    // Two agents, level 50: by the code one line in all, by the documents up to three.
    for (formula, lines) in [(ServiceLevelFormula::Code, 1), (ServiceLevelFormula::Docs, 4)] {
        let switches = Switches { service_level: formula, ..Switches::default() };
        let outcomes = "*=noanswer:1h".parse().unwrap();
        let sim = Sim::start(Options { switches, outcomes, ..options() }).await;
        let queue = "99bf739a-932f-433c-b1bf-103d33d7e9bb";
        sim.seed(json!({"queues": [{"id": queue, "available_agents": 2}]})).await;
        let ids = sim.campaign("continue", [1, 0], &["+14155550000"]).await;
        for number in 1..10 {
            sim.target(&ids.outdial, &[&format!("+1415555000{number}")]).await;
        }
        let campaign = sim.get(&format!("/campaigns/{}", ids.campaign)).await;
        sim.put(
            &format!("/campaigns/{}/resource_info", ids.campaign),
            json!({"outplan_id": campaign["outplan_id"], "outdial_id": ids.outdial,
                "queue_id": queue}),
        )
        .await;
        sim.put(
            &format!("/campaigns/{}/service_level", ids.campaign),
            json!({"service_level": 50}),
        )
        .await;
        sim.set_status(&ids.campaign, "run").await;
        sim.at(120.0).await;
        assert_eq!(sim.attempts(&ids.campaign).await.len(), lines, "{formula:?}");
    }
}

#[tokio::test]
async fn the_marked_defects_are_off_unless_asked_for() {
    for (defects, deleted, dialled) in [("", 409, 1), ("pretend-to-delete", 200, 1)] {
        let defects: Defects = defects.parse().unwrap();
        let sim = Sim::start(Options { defects, ..options() }).await;
        let ids = sim.campaign("continue", [1, 1], &["+14155550001"]).await;
        sim.set_status(&ids.campaign, "run").await;
        sim.at(1.5).await;
        let path = format!("/campaigns/{}", ids.campaign);
        let reply = sim.ask(Method::DELETE, &path, None).await;
        assert_eq!(reply.status, deleted, "{defects:?}");
        if deleted == 200 {
            assert_eq!(reply.json()["id"], "00000000-0000-0000-0000-000000000000");
            assert!(reply.json()["actions"].is_null());
        }
        assert!(sim.get(&path).await["tm_delete"].is_null());
        assert_eq!(sim.attempts(&ids.campaign).await.len(), dialled);
    }
}

#[tokio::test]
async fn a_deleted_target_is_dialled_only_by_the_defect() {
    for (defects, dialled) in [("", 0), ("dial-deleted-targets", 1), ("head", 0)] {
        let defects: Defects = defects.parse().unwrap();
        let sim = Sim::start(Options { defects, ..options() }).await;
        let ids = sim.campaign("continue", [1, 0], &["+14155550001"]).await;
        let path = format!("/outdials/{}/targets", ids.outdial);
        let deleted = sim.ask(Method::DELETE, &format!("{path}/{}", ids.target), None).await;
        assert_eq!(deleted.json()["tm_delete"], deleted.json()["tm_update"]);
        assert_eq!(sim.get(&path).await["result"], json!([]), "deleted targets are not listed");
        sim.set_status(&ids.campaign, "run").await;
        sim.at(120.0).await;
        assert_eq!(sim.attempts(&ids.campaign).await.len(), dialled, "{defects:?}");
    }
}

#[tokio::test]
async fn an_attempt_without_reason_fails_or_by_the_defect_never_ends() {
    for (defects, status) in [("", "done"), ("lose-unknown-results", "dialing")] {
        let defects: Defects = defects.parse().unwrap();
        let outcomes = "*=none:5s".parse().unwrap();
        let sim = Sim::start(Options { defects, outcomes, ..options() }).await;
        let ids = sim.campaign("stop", [1, 0], &["+14155550001"]).await;
        sim.set_status(&ids.campaign, "run").await;
        sim.at(30.0).await;
        assert_eq!(sim.attempts(&ids.campaign).await[0].2, status, "{defects:?}");
        let expected = if status == "done" { "stop" } else { "stopping" };
        assert_eq!(sim.status(&ids.campaign).await, expected);
    }
}

#[tokio::test]
async fn an_empty_slot_with_tries_is_dialled_and_ends_the_loop() {
    // Its one number is called once; the second slot is empty, and has tries or none.
    for (tries, attempts, status) in [([1, 1], 2, "stop"), ([1, 0], 1, "run")] {
        let outcomes = "*=busy:1s".parse().unwrap();
        let sim = Sim::start(Options { outcomes, ..options() }).await;
        let ids = sim.campaign("continue", tries, &["+14155550001"]).await;
        let path = format!("/outdials/{}/targets/{}", ids.outdial, ids.target);
        assert_eq!(sim.get(&path).await["destination_1"], json!({}), "left out at creation");
        sim.set_status(&ids.campaign, "run").await;
        sim.at(600.0).await;
        let rows = sim.attempts(&ids.campaign).await;
        assert_eq!(rows.len(), attempts, "{tries:?}");
        assert_eq!(sim.status(&ids.campaign).await, status, "{tries:?}");
        let target = sim.get(&path).await;
        assert_eq!((&target["status"], &target["try_count_1"]), (&json!("idle"), &json!(tries[1])));
        // Nobody else is called then.
        sim.target(&ids.outdial, &["+14155550002"]).await;
        sim.at(700.0).await;
        let more = usize::from(status == "run");
        assert_eq!(sim.attempts(&ids.campaign).await.len(), attempts + more);
    }
}

#[tokio::test]
async fn a_slot_that_was_never_written_is_not_dialled() {
    let outcomes = "*=busy:1s".parse().unwrap();
    let sim = Sim::start(Options { outcomes, ..options() }).await;
    let ids = sim.campaign("continue", [1, 1], &[]).await;
    let unwritten = json!({
        "id": "5e4a0680-0000-4000-8000-00000000000a", "outdial_id": ids.outdial, "name": "n",
        "detail": "d", "data": "x",
        "destination_0": {"type": "tel", "target": "+14155550001"},
    });
    sim.seed(json!({"targets": [unwritten]})).await;
    sim.set_status(&ids.campaign, "run").await;
    sim.at(600.0).await;
    assert_eq!(sim.attempts(&ids.campaign).await.len(), 1);
    assert_eq!(sim.status(&ids.campaign).await, "run");
}

#[tokio::test]
async fn an_address_that_is_no_number_ends_the_campaign() {
    let sim = Sim::start(options()).await;
    let ids = sim.campaign("continue", [1, 0], &[]).await;
    let target = json!({"name": "n", "detail": "d", "data": "x",
        "destination_0": {"type": "email", "target": "someone@example.org"}});
    sim.post(&format!("/outdials/{}/targets", ids.outdial), target).await;
    sim.set_status(&ids.campaign, "run").await;
    sim.at(1.0).await;
    assert_eq!(sim.status(&ids.campaign).await, "stop");
    assert_eq!(sim.attempts(&ids.campaign).await[0].3, "fail");
}

#[tokio::test]
async fn the_call_tells_the_reason_and_a_flow_has_no_call() {
    let outcomes = "*=normal:30s".parse().unwrap();
    let sim = Sim::start(Options { outcomes, ..options() }).await;
    let ids = sim.campaign("stop", [1, 0], &["+14155550001"]).await;
    sim.set_status(&ids.campaign, "run").await;
    sim.at(1.0).await;
    let path = format!("/campaigns/{}/campaigncalls", ids.campaign);
    let shown = sim.get(&path).await["result"][0].clone();
    let call = format!("/calls/{}", shown["reference_id"].as_str().unwrap());
    assert_eq!(sim.get(&call).await.get("tm_hangup"), None, "what has not come is left out");
    sim.at(31.0).await;
    let ended = sim.get(&call).await;
    assert_eq!((&ended["hangup_reason"], seconds(&ended["tm_hangup"])), (&json!("normal"), 31.0));
    assert_eq!(ended["activeflow_id"], shown["activeflow_id"]);

    let flow = sim.campaign("stop", [1, 0], &["+14155550002"]).await;
    let body = json!({"name": "n", "type": "flow", "end_handle": "stop"});
    sim.put(&format!("/campaigns/{}", flow.campaign), body).await;
    sim.set_status(&flow.campaign, "run").await;
    sim.at(33.0).await;
    let path = format!("/campaigns/{}/campaigncalls", flow.campaign);
    let shown = sim.get(&path).await["result"][0].clone();
    assert_eq!(
        (&shown["reference_type"], &shown["status"]),
        (&json!("flow"), &json!("progressing"))
    );
    sim.at(63.0).await;
    assert_eq!(sim.attempts(&flow.campaign).await[0].3, "success");
}

#[tokio::test]
async fn the_seed_decides_outcomes_whatever_the_order() {
    let outcomes = async |seed, numbers: &[u32]| {
        let sim = Sim::start(Options { seed, ..options() }).await;
        let ids = sim.campaign("continue", [1, 0], &[]).await;
        for number in numbers {
            sim.target(&ids.outdial, &[&format!("+1415555{number:04}")]).await;
        }
        sim.set_status(&ids.campaign, "run").await;
        sim.at(600.0).await;
        let dials = sim.running.journal.dials();
        let mut ended: Vec<_> = dials
            .into_iter()
            .map(|dial| (dial.number.reveal().to_owned(), dial.outcome.unwrap()))
            .collect();
        ended.sort();
        ended
    };
    let numbers: Vec<u32> = (0..20).collect();
    let backwards: Vec<u32> = (0..20).rev().collect();
    let first = outcomes(5, &numbers).await;
    assert_eq!(first, outcomes(5, &backwards).await);
    assert_ne!(first, outcomes(6, &numbers).await);
    assert_eq!(first.len(), 20);
}
