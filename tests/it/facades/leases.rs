//! Jobs that another process took over while the first one was still at work.

use serde_json::Value;

use super::isales_life::{bound, document};
use crate::ledger_story::cluster::Database;
use crate::support::{TestApp, VIRTUAL_VDN, until};

/// Whoever makes the campaign loses the lease between two of its writes; then both are at it. The one
/// without the lease writes no more and takes nothing away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_lease_takes_nothing_away_that_was_made() {
    let database = Database::create();
    let app = TestApp::simulators(|config| {
        bound(config);
        config.ledger = database.ledger();
    });
    let app = app.await.serve().await;
    let replica = app.replica().await;
    let made = |path: &str| {
        let writes = app.voipbin.journal.writes().into_iter();
        writes.filter(|w| w.method == "POST" && w.path == path && w.status == 200).count()
    };

    app.voipbin.faults.set("delay=90s".parse().unwrap());
    let path = format!("v2/openapi/campaigns/{VIRTUAL_VDN}");
    let create = app.cc_ok("POST", &path, Some(document(&app, "twice begun")));
    let lose = async {
        until(async || made("/v1.0/outplans") == 1).await;
        until(async || steps(&app).await == 2).await;
        database.run("UPDATE job SET lease_until = 0 WHERE kind = 'campaign.create'");
        until(async || steps(&app).await > 2).await;
        app.voipbin.faults.set("".parse().unwrap());
    };
    tokio::join!(create, lose);

    let job = create_job(&app).await;
    assert_eq!(job["state"], "done", "{job}");
    for path in ["/v1.0/outplans", "/v1.0/campaigns", "/v1.0/outdials"] {
        assert_eq!(made(path), 1, "{path}");
    }
    let deleted = app.voipbin.journal.writes().into_iter().filter(|w| w.method == "DELETE").count();
    assert_eq!(deleted, 0, "nothing that was made is taken away");
    app.uuid_of("twice begun").await;
    replica.stop().await;
    app.finish().await;
}

async fn create_job(app: &TestApp) -> Value {
    let jobs = app.api("/jobs").await["items"].as_array().unwrap().clone().into_iter();
    let creates: Vec<Value> = jobs.filter(|job| job["kind"] == "campaign.create").collect();
    let [job] = &creates[..] else { panic!("{creates:?}") };
    app.api(&format!("/jobs/{}", job["id"].as_str().unwrap())).await
}

/// Steps that somebody has begun of the campaign that is being made.
async fn steps(app: &TestApp) -> usize {
    create_job(app).await["steps"].as_array().unwrap().len()
}
