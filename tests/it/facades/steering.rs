//! A stop is not lost, whatever is under way when it comes; and the journal knows what was ours.

use std::time::Duration;

use dialbridge::clock::Clock;
use dialbridge::domain::campaign::CampaignStatus;
use dialbridge::domain::ids::CampaignKey;
use dialbridge::ledger::Ledger;
use dialbridge::ledger::journal::JournalEntry;
use dialbridge::ledger::steering::Claim;
use serde_json::{Value, json};
use uuid::Uuid;

use super::voipbin_draft::{QUEUE, on_isales};
use super::widening::{self, refused_for};
use crate::ledger_story::cluster::Database;
use crate::support::{Caller, Reply, TestApp, VDN, until};

async fn steer(app: &TestApp, campaign: &str, status: &str) -> Reply {
    steer_at(app, &app.facades(), campaign, status).await
}

async fn steer_at(app: &TestApp, facades: &str, campaign: &str, status: &str) -> Reply {
    let key = Caller::Both.key();
    let url = format!("{facades}/v1.0/campaigns/{campaign}/status?accesskey={key}");
    app.send("PUT", &url, &[], Some(json!({"status": status}).to_string())).await
}

async fn history(app: &TestApp, campaign: &str) -> Vec<Value> {
    let history = app.api(&format!("/campaigns/{campaign}/history")).await;
    history["items"].as_array().unwrap().clone()
}

async fn no_job_is_left(app: &TestApp) {
    until(async || {
        let jobs = app.api("/jobs").await;
        let jobs = jobs["items"].as_array().unwrap();
        jobs.iter().all(|job| job["state"] != "waiting" && job["state"] != "running")
    })
    .await;
}

async fn status_there(app: &TestApp, number: i64) -> i64 {
    let path = format!("v1/openapi/campaigns/{VDN}/{number}");
    app.on_isales("GET", &path, None).await["returnObject"]["status"].as_i64().unwrap()
}

/// A draft that calls one person, as its client made it.
async fn draft(app: &TestApp, name: &str) -> String {
    let ok = async |method: &str, path: &str, body: Value| {
        let reply = app.vb(method, path, Some(body)).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply.json()["id"].as_str().unwrap().to_owned()
    };
    let outplan = json!({"name": "p", "detail": "d", "dial_timeout": 30_000, "try_interval": 60_000,
        "source": {"type": "tel", "target": "+862061000000"}, "max_try_count_0": 2});
    let outplan = ok("POST", "/outplans", outplan).await;
    let campaign = json!({"name": name, "detail": "d", "type": "call", "service_level": 100,
        "end_handle": "continue", "actions": []});
    let campaign = ok("POST", "/campaigns", campaign).await;
    let outdial = json!({"campaign_id": campaign, "name": "n", "detail": "d", "data": "x"});
    let outdial = ok("POST", "/outdials", outdial).await;
    let target = json!({"name": "n", "detail": "d", "data": "x",
        "destination_0": {"type": "tel", "target": "+8613100000001"}});
    ok("POST", &format!("/outdials/{outdial}/targets"), target).await;
    let parts = json!({"outplan_id": outplan, "outdial_id": outdial, "queue_id": QUEUE});
    ok("PUT", &format!("/campaigns/{campaign}/resource_info"), parts).await
}

#[tokio::test]
async fn a_draft_that_is_stopped_while_it_is_made_does_not_dial() {
    let app = TestApp::simulators(on_isales).await.serve().await;
    for (round, wait_ms) in [0, 20, 100, 400].into_iter().enumerate() {
        let campaign = draft(&app, &format!("draft {round}")).await;
        app.isales.faults.set("delay=3s..9s".parse().unwrap());
        let stop = async {
            // From here on it is being made.
            until(async || app.vb_get(&format!("/campaigns/{campaign}")).await["status"] == "run")
                .await;
            tokio::time::sleep(std::time::Duration::from_millis(wait_ms)).await;
            steer(&app, &campaign, "stop").await
        };
        let (run, stop) = tokio::join!(steer(&app, &campaign, "run"), stop);
        assert!(run.status == 200 || run.status == 503, "{}", run.text);
        assert_eq!((stop.status, &stop.json()["status"]), (200, &json!("stop")), "{}", stop.text);
        let dialled = app.isales.journal.dials().len();
        no_job_is_left(&app).await;
        app.isales.faults.set("".parse().unwrap());
        let shown = app.vb_get(&format!("/campaigns/{campaign}")).await;
        assert_eq!(shown["status"], "stop", "{wait_ms}");
        assert_eq!(app.isales.journal.dials().len(), dialled, "{wait_ms}");
        let outside = history(&app, &campaign).await.iter().any(|e| e["actor"] == "outside");
        assert!(!outside, "{:?}", history(&app, &campaign).await);
        if app.isales.journal.contacts().len() <= round {
            app.one_target_is_a_draft();
        }
    }
    app.finish().await;
}

/// It would be refused each time; that the ledger is away passes.
#[tokio::test]
async fn a_job_whose_contacts_the_ledger_refuses_ends_with_the_reason() {
    let app = TestApp::simulators(on_isales).await.serve().await;
    let ledger = rusqlite::Connection::open(app.ledger()).unwrap();
    let refuse =
        "CREATE TRIGGER refuse BEFORE INSERT ON contact BEGIN SELECT RAISE(ABORT, 'no'); END";
    ledger.execute_batch(refuse).unwrap();
    let campaign = draft(&app, "refused").await;
    assert_eq!(steer(&app, &campaign, "run").await.status, 200);
    no_job_is_left(&app).await;
    let jobs = app.api("/jobs").await;
    let made =
        jobs["items"].as_array().unwrap().iter().find(|job| job["kind"] == "campaign.create");
    let made = made.unwrap();
    assert_eq!(made["state"], "failed", "{made}");
    assert!(made["error"].as_str().unwrap().contains("the ledger does not take it"), "{made}");
    assert_eq!(app.vb_get(&format!("/campaigns/{campaign}")).await["status"], "stop");
    assert!(app.isales.journal.dials().is_empty());
    app.one_target_is_a_draft();
    app.finish().await;
}

/// Sent at whatever moment of the making, with a home that takes its time.
#[tokio::test]
async fn a_stop_soon_after_a_drafts_run_is_the_last_word() {
    for (faults, wait_ms) in [
        ("delay=9s..15s", 60),
        ("delay=9s..15s", 200),
        ("", 0),
        ("", 2),
        ("", 8),
        ("", 15),
        ("", 25),
        ("", 60),
    ] {
        let app = TestApp::simulators(on_isales).await.serve().await;
        let campaign = draft(&app, "soon").await;
        for home in [&app.isales, &app.voipbin] {
            home.faults.set(faults.parse().unwrap());
        }
        let stop = async {
            // Before that is known, a stop that was sent later may come first.
            until(async || wish_for_draft(&app, &campaign) == Some(true)).await;
            tokio::time::sleep(std::time::Duration::from_millis(wait_ms)).await;
            steer(&app, &campaign, "stop").await
        };
        let (_, stopped) = tokio::join!(steer(&app, &campaign, "run"), stop);
        // Either it is stopped, or its client is told to ask again.
        assert!(matches!(stopped.status, 200 | 503), "{faults} {wait_ms}: {}", stopped.text);
        let dialled = app.isales.journal.dials().len();
        no_job_is_left(&app).await;
        let shown = app.vb_get(&format!("/campaigns/{campaign}")).await;
        assert_eq!(
            shown["status"],
            "stop",
            "{faults} {wait_ms}: {:?}",
            history(&app, &campaign).await
        );
        assert_eq!(app.isales.journal.dials().len(), dialled, "{faults} {wait_ms}");
        if app.isales.journal.contacts().is_empty() {
            app.one_target_is_a_draft();
        }
        app.finish().await;
    }
}

#[tokio::test]
async fn a_drafts_own_start_is_nobody_elses() {
    let app = TestApp::simulators(on_isales).await.serve().await;
    let campaign = draft(&app, "own").await;
    assert_eq!(steer(&app, &campaign, "run").await.status, 200);
    no_job_is_left(&app).await;
    let number = app.number_of(VDN, "own").await;
    until(async || status_there(&app, number).await == 2).await;
    app.vb_get(&format!("/campaigns/{campaign}")).await;
    let entries = history(&app, &campaign).await;
    assert!(entries.iter().all(|entry| entry["actor"] == "both"), "{entries:?}");
    assert!(entries.iter().any(|entry| entry["after"] == "running"), "{entries:?}");
    // What is done on the platform itself is.
    let path = format!("v1/openapi/campaigns/{VDN}/{number}/pause");
    app.on_isales("PUT", &path, None).await;
    app.vb_get(&format!("/campaigns/{campaign}")).await;
    assert_eq!(history(&app, &campaign).await.last().unwrap()["actor"], "outside");
    app.finish().await;
}

/// Starts that are on their way when the last stop comes, in whatever order the home gets them.
#[tokio::test]
async fn after_the_last_stop_nothing_dials() {
    let app = TestApp::simulators(|_| {}).await;
    let there = with_people(&app).await;
    let app = app.serve().await;
    let own = app.facades();
    stops_win(&app, &there, (&own, &own)).await;
    app.finish().await;
}

/// The same with stops that another process of the same ledger is asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_through_another_process_is_not_lost_either() {
    let database = Database::create();
    let app = TestApp::simulators(|config| {
        config.ledger = database.ledger();
    })
    .await;
    let there = with_people(&app).await;
    let app = app.serve().await;
    let replica = app.replica().await;
    let (own, other) = (app.facades(), format!("http://{}", replica.facades));
    stops_win(&app, &there, (&own, &other)).await;
    stops_win(&app, &there, (&other, &own)).await;
    replica.stop().await;
    app.finish().await;
}

/// What was changed through one process counts at once for a start through another, on either home.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_another_process_was_told_counts_at_once() {
    let database = Database::create();
    let app = TestApp::simulators(|config| {
        on_isales(config);
        config.ledger = database.ledger();
    })
    .await;
    let app = app.serve().await;
    let id = widening::draft(&app, &json!({}), &json!({})).await;
    let replica = app.replica().await;
    let (own, other) = (app.facades(), format!("http://{}", replica.facades));
    for at in [&other, &own] {
        assert_eq!(steer_at(&app, at, &id, "run").await.status, 200);
        assert_eq!(steer_at(&app, at, &id, "stop").await.status, 200);
    }
    // Both have read what the client stated a moment ago.
    let slower = Some(json!({"service_level": 50}));
    let changed = app.vb("PUT", &format!("/campaigns/{id}/service_level"), slower).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let refused = steer_at(&app, &other, &id, "run").await;
    refused_for(&refused, "service_level");
    replica.stop().await;
    app.finish().await;
}

/// The start has read the rules, and its home answers after they were changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_a_change_of_rules_overtook_is_stopped() {
    let database = Database::create();
    let app = TestApp::simulators(|config| {
        on_isales(config);
        config.ledger = database.ledger();
    })
    .await;
    let app = app.serve().await;
    let id = widening::draft(&app, &json!({}), &json!({})).await;
    assert_eq!(steer(&app, &id, "run").await.status, 200);
    no_job_is_left(&app).await;
    assert_eq!(steer(&app, &id, "stop").await.status, 200);
    let number = app.number_of(VDN, "c").await;
    until(async || status_there(&app, number).await == 3).await;

    // Another process has begun a start.
    let ledger = Ledger::open_postgres(&database.url(), 1).await.unwrap();
    let key = CampaignKey::Uuid(id.parse().unwrap());
    let identity = ledger.find_campaign(key).await.unwrap().unwrap();
    let now = Clock::real().now();
    let (by, until_then) = (Uuid::from_u128(1), now + Duration::from_secs(60));
    let claim = Claim { by, until: until_then };
    let entry = JournalEntry::new(now, "both", "campaign-start");
    let running = CampaignStatus::Running;
    ledger.record_desired_status(&identity, running, entry, Some(claim)).await.unwrap();

    let slower = Some(json!({"service_level": 50}));
    let changed = app.vb("PUT", &format!("/campaigns/{id}/service_level"), slower).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let job = async || {
        let jobs = app.api("/jobs").await["items"].as_array().unwrap().clone().into_iter();
        jobs.filter(|job| job["kind"] == "campaign.unkept_rule").collect::<Vec<_>>()
    };
    until(async || job().await.iter().any(|job| job["attempts"] != 0)).await;
    assert_ne!(job().await[0]["state"], "done", "the start is not answered yet");
    let resume = format!("v1/openapi/campaigns/{VDN}/{number}/resume");
    app.on_isales("PUT", &resume, None).await;
    ledger.end_steering(identity.uuid, by, None).await.unwrap();
    until(async || status_there(&app, number).await == 3).await;
    no_job_is_left(&app).await;
    assert_eq!(job().await[0]["state"], "done");
    app.finish().await;
}

/// A campaign of each home; one has people to call, the other's id is answered.
async fn with_people(app: &TestApp) -> String {
    let number = app.isales_campaign("steered").await;
    let ids = app.voipbin_campaign("there").await;
    let records: Vec<Value> =
        (0..20).map(|n| json!({"called": format!("131000000{n:02}")})).collect();
    let path = format!("v1/openapi/campaigns/{VDN}/calldata/{number}");
    app.on_isales("POST", &path, Some(json!({"callDataList": records}))).await;
    (0..20).for_each(|_| app.one_in_doubt());
    ids.campaign
}

/// Starts are asked for at one place, stops at another.
async fn stops_win(app: &TestApp, there: &str, (starts, stops): (&str, &str)) {
    let campaign = app.uuid_of("steered").await;
    for faults in ["delay=0s..20s", "delay=2s..9s", "delay=0s..12s,lost-answer@0.3"] {
        for (home, campaign) in [(&app.isales, &*campaign), (&app.voipbin, there)] {
            home.faults.set(faults.parse().unwrap());
            let before = history(app, campaign).await.len();
            let all_starts = async {
                let (a, b) = (
                    steer_at(app, starts, campaign, "run"),
                    steer_at(app, stops, campaign, "stop"),
                );
                tokio::join!(a, b, steer_at(app, starts, campaign, "run"))
            };
            let stop = async {
                until(async || history(app, campaign).await.len() >= before + 2).await;
                steer_at(app, stops, campaign, "stop").await
            };
            let (_, mut last) = tokio::join!(all_starts, stop);
            // Whatever was recorded after it, the next one is the last.
            if last.status == 200 {
                last = steer_at(app, stops, campaign, "stop").await;
            }
            let dialled = home.journal.dials().len();
            assert!(last.status == 200 || last.status == 503, "{faults}: {}", last.text);
            no_job_is_left(app).await;
            home.faults.set("".parse().unwrap());
            let shown = app.vb_get(&format!("/campaigns/{campaign}")).await;
            assert_ne!(shown["status"], "run", "{faults}: {:?}", history(app, campaign).await);
            if last.status == 200 {
                assert_eq!(home.journal.dials().len(), dialled, "{faults}");
            }
            let entries = history(app, campaign).await;
            assert!(entries.iter().all(|e| e["actor"] != "outside"), "{faults}: {entries:?}");
        }
    }
}

#[tokio::test]
async fn a_pause_that_was_lost_is_repeated() {
    let app = TestApp::simulators(|_| {}).await;
    let number = app.isales_campaign("lost").await;
    let ids = app.voipbin_campaign("there").await;
    let app = app.serve().await;
    let campaign = app.uuid_of("lost").await;
    for (home, campaign) in [(&app.isales, &campaign), (&app.voipbin, &ids.campaign)] {
        assert_eq!(steer(&app, campaign, "run").await.status, 200);
        home.faults.set("drop#2".parse().unwrap());
        let reply = steer(&app, campaign, "stop").await;
        assert_eq!((reply.status, reply.reason().as_str()), (503, "OUTCOME_UNKNOWN"));
        let job = reply.json()["error"]["details"][0]["job_id"].clone();
        until(async || app.vb_get(&format!("/campaigns/{campaign}")).await["status"] == "stop")
            .await;
        let job = app.api(&format!("/jobs/{}", job.as_str().unwrap())).await;
        assert_eq!((&job["kind"], &job["subject"]), (&json!("campaign.settle"), &json!(campaign)));
        let entries = history(&app, campaign).await;
        assert!(entries.iter().all(|entry| entry["actor"] != "outside"), "{entries:?}");
    }
    assert_eq!(status_there(&app, number).await, 3);
    app.finish().await;
}

/// The home has the campaign under a name that is not all of what its client said.
#[tokio::test]
async fn a_lost_creation_is_found_by_the_name_that_was_sent() {
    let app = TestApp::simulators(on_isales).await.serve().await;
    let name = "n".repeat(120);
    let campaign = draft(&app, &name).await;
    app.isales.faults.set("lost-answer#1".parse().unwrap());
    let run = steer(&app, &campaign, "run").await;
    assert_eq!((run.status, &run.json()["id"]), (200, &json!(campaign)), "{}", run.text);
    assert_eq!(run.json()["name"], name.as_str());
    no_job_is_left(&app).await;
    let path = format!("v1/openapi/campaigns/{VDN}?status=0&deviceType=0&curPage=1&rowsPerPage=10");
    assert_eq!(app.on_isales("GET", &path, None).await["totalSize"], 1);
    until(async || app.vb_get(&format!("/campaigns/{campaign}")).await["status"] == "run").await;
    assert_eq!(app.vb_get("/campaigns").await["result"].as_array().unwrap().len(), 1);
    app.finish().await;
}

/// Every place for work is taken by campaigns that are made slowly; a stop in doubt is settled beside them.
#[tokio::test]
async fn a_stop_does_not_wait_behind_what_makes_and_loads() {
    const PLACES: usize = 32;
    let app = TestApp::simulators(on_isales).await;
    let there = with_people(&app).await;
    let app = app.serve().await;
    assert_eq!(steer(&app, &there, "run").await.status, 200);
    let mut drafts = Vec::new();
    for n in 0..PLACES {
        drafts.push(draft(&app, &format!("slow {n}")).await);
    }
    let made = async || {
        let jobs = app.api("/jobs").await;
        let jobs = jobs["items"].as_array().unwrap().clone().into_iter();
        let state = |job: Value| job["state"].as_str().unwrap().to_owned();
        let made = jobs.filter(|job| job["kind"] == "campaign.create").map(state);
        made.collect::<Vec<_>>()
    };
    app.isales.faults.set("delay=4m".parse().unwrap());
    let stop = async {
        until(async || made().await == vec!["running"; PLACES]).await;
        app.voipbin.faults.set("drop#2".parse().unwrap());
        let reply = steer(&app, &there, "stop").await;
        assert_eq!((reply.status, reply.reason().as_str()), (503, "OUTCOME_UNKNOWN"));
        let job = reply.json()["error"]["details"][0]["job_id"].as_str().unwrap().to_owned();
        until(async || app.api(&format!("/jobs/{job}")).await["state"] == "done").await;
        let shown = app.vb_get(&format!("/campaigns/{there}")).await;
        assert_ne!(shown["status"], "run");
        assert_eq!(made().await, vec!["running"; PLACES], "they have their places still");
        app.isales.faults.set("".parse().unwrap());
    };
    let runs = drafts.iter().map(|draft| steer(&app, draft, "run"));
    tokio::join!(futures_util::future::join_all(runs), stop);
    no_job_is_left(&app).await;
    // The platform takes 20 campaigns of this kind; the others stay drafts.
    let refused = made().await.into_iter().filter(|state| state == "failed");
    refused.for_each(|_| app.one_target_is_a_draft());
    app.finish().await;
}

/// What the ledger keeps of a client's wish for a draft.
fn wish_for_draft(app: &TestApp, draft: &str) -> Option<bool> {
    let ledger = rusqlite::Connection::open(app.ledger()).unwrap();
    let sql = "SELECT wanted FROM object WHERE lower(hex(uuid)) = ?1 OR uuid = ?2";
    let hexadecimal = draft.replace('-', "");
    let wanted: Option<String> =
        ledger.query_row(sql, [&hexadecimal, draft], |row| row.get(0)).unwrap();
    wanted.map(|wanted| wanted == "running")
}

/// Of two who ask at once, one may be refused after the other's stop.
#[tokio::test]
async fn a_refusal_takes_no_wish_for_a_draft_away() {
    let app = TestApp::simulators(on_isales).await.serve().await;
    let campaign = draft(&app, "refused").await;
    let level = |level: i64| Some(json!({"service_level": level}));
    let path = format!("/campaigns/{campaign}/service_level");
    assert_eq!(app.vb("PUT", &path, level(80)).await.status, 200);
    assert_eq!(steer(&app, &campaign, "run").await.status, 409);
    assert_eq!(wish_for_draft(&app, &campaign), Some(true), "as its client said");
    assert_eq!(steer(&app, &campaign, "stop").await.status, 200);
    assert_eq!(wish_for_draft(&app, &campaign), Some(false));

    // And it runs when its client wants it to.
    assert_eq!(app.vb("PUT", &path, level(100)).await.status, 200);
    assert_eq!(steer(&app, &campaign, "run").await.status, 200);
    no_job_is_left(&app).await;
    assert_eq!(app.vb_get(&format!("/campaigns/{campaign}")).await["status"], "run");
    app.finish().await;
}

#[tokio::test]
async fn a_client_that_was_removed_has_nothing_done() {
    let app = TestApp::simulators(on_isales).await.serve().await;
    let campaign = draft(&app, "removed").await;
    app.isales.faults.set("5xx".parse().unwrap());
    let run = async {
        tokio::select! {
            reply = steer(&app, &campaign, "run") => panic!("{}", reply.text),
            () = until(async || {
                let jobs = app.api("/jobs").await;
                jobs["items"].as_array().unwrap().iter().any(|job| job["attempts"] != 0)
            }) => {}
        }
    };
    run.await;
    let app = app.stopped().await.reconfigured(|config| {
        config.clients.retain(|client| client.name != "both");
    });
    app.isales.faults.set("".parse().unwrap());
    let app = app.serve().await;
    until(async || {
        let jobs = app.api("/jobs").await;
        let jobs = jobs["items"].as_array().unwrap();
        jobs.iter().any(|job| {
            job["state"] == "failed"
                && job["error"].as_str().unwrap_or_default().contains("not configured any more")
        })
    })
    .await;
    assert!(app.isales.journal.contacts().is_empty());
    app.one_target_is_a_draft();
    app.finish().await;
}
