//! Whoever is taken out of a campaign is not called again, also by a home that takes nobody out while the
//! campaign dials. Who was called is judged by the platform's own journal.

use serde_json::{Value, json};

use crate::support::{TestApp, VDN, until};

/// Seconds of the simulated platform between two tries of a number.
const INTERVAL_S: u32 = 90;

/// A campaign on CC-iSales that dials, as a VoIPBin client sees it. It calls each number up to four times.
struct Dialling {
    app: TestApp,
    number: i64,
    campaign: String,
    targets: String,
}

impl Dialling {
    async fn begin(outcomes: Value) -> Self {
        let app = TestApp::simulators(|_| {}).await;
        let url = format!("{}/_sim/outcomes", app.isales.base_url());
        let set = app.send("POST", &url, &[], Some(outcomes.to_string())).await;
        assert_eq!(set.status, 204, "{}", set.text);
        let number = app.isales_campaign("dialling").await;
        let policy = format!(
            "[{{'dataType':'SI','type':0,'retryDay':1,'retryTimes':4,'callInterval':{INTERVAL_S}}}]"
        );
        let policy = json!({"policyType": 0, "policyJson": policy});
        let path = format!("v1/openapi/campaigns/{VDN}/retryPolicy/{number}");
        app.on_isales("POST", &path, Some(policy)).await;
        let app = app.serve().await;
        let row = app.row_of("dialling").await;
        let campaign = format!("/campaigns/{}", row["id"].as_str().unwrap());
        let targets = format!("/outdials/{}/targets", row["outdial_id"].as_str().unwrap());
        let dialling = Self { app, number, campaign, targets };
        dialling.steer("run").await;
        dialling
    }

    async fn steer(&self, status: &str) {
        let path = format!("{}/status", self.campaign);
        let reply = self.app.vb("PUT", &path, Some(json!({"status": status}))).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }

    /// The path of a new target.
    async fn add(&self, number: &str) -> String {
        let destination = json!({"type": "tel", "target": format!("+86{number}")});
        let body = json!({"name": "n", "detail": "d", "data": "x", "destination_0": destination});
        let reply = self.app.vb("POST", &self.targets, Some(body)).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        format!("{}/{}", self.targets, reply.json()["id"].as_str().unwrap())
    }

    /// Calls to a number that began, and that ended.
    fn dials(&self, number: &str) -> (usize, usize) {
        let all = self.app.isales.journal.dials();
        let to: Vec<_> = all.iter().filter(|dial| dial.number.reveal().ends_with(number)).collect();
        (to.len(), to.iter().filter(|dial| dial.outcome.is_some()).count())
    }

    async fn take_out(&self, target: &str) {
        let reply = self.app.vb("DELETE", target, None).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let deleted = reply.json();
        assert!(deleted["tm_delete"].is_string(), "{deleted}");
        // It stays readable as deleted, is not listed, and can be deleted again.
        assert_eq!(self.app.vb_get(target).await, deleted);
        let listed = self.app.vb_get(&self.targets).await;
        let mut rows = listed["result"].as_array().unwrap().iter();
        assert!(rows.all(|row| row["id"] != deleted["id"]), "{listed}");
        assert_eq!(self.app.vb("DELETE", target, None).await.status, 200);
    }

    /// How the platform deletes numbers, where its pages leave that open.
    async fn deletes(&self, way: &str) {
        let url = format!("{}/_sim/switches", self.app.isales.base_url());
        let body = json!({ "delete_numbers": way }).to_string();
        let set = self.app.send("POST", &url, &[], Some(body)).await;
        assert_eq!(set.status, 200, "{}", set.text);
    }

    /// The platform's own client deletes a target.
    async fn delete_there(&self, target: &str) {
        let id = target.rsplit('/').next().unwrap().replace('-', "");
        let path = format!("v1/openapi/campaigns/{VDN}/calldata/{}/delete", self.number);
        self.app.on_isales("POST", &path, Some(json!({ "sessionId": id }))).await;
    }

    fn asked_to_delete(&self) -> u64 {
        let path =
            format!("/rest/isales/v1/openapi/campaigns/{VDN}/calldata/{}/delete", self.number);
        self.app.isales.journal.calls("POST", &path)
    }

    async fn status_there(&self) -> i64 {
        let path = format!("v1/openapi/campaigns/{VDN}/{}", self.number);
        let found = self.app.on_isales("GET", &path, None).await;
        found["returnObject"]["status"].as_i64().unwrap()
    }
}

const GONE: &str = "13100000001";
const STAYS: &str = "13100000002";

fn busy(suffix: &str, ring_s: u32) -> Value {
    json!({"suffix": suffix, "codes": ["00537"], "ringS": ring_s})
}

#[tokio::test]
async fn nobody_is_called_again_who_is_taken_out_between_two_tries() {
    let dialling = Dialling::begin(json!([busy(GONE, 1), busy(STAYS, 1)])).await;
    let gone = dialling.add(GONE).await;
    dialling.add(STAYS).await;
    until(async || dialling.dials(GONE).1 >= 1).await;
    dialling.take_out(&gone).await;
    let (calls, _) = dialling.dials(GONE);
    assert!(calls < 4, "it was taken out between two tries");
    assert_eq!(dialling.app.vb_get(&dialling.campaign).await["status"], "run");
    // The others are called as they would have been.
    until(async || dialling.dials(STAYS).1 == 4).await;
    assert_eq!(dialling.dials(GONE).0, calls);
    assert_eq!(dialling.status_there().await, 2);
    dialling.app.finish().await;
}

#[tokio::test]
async fn one_who_is_being_called_is_not_called_again() {
    let dialling = Dialling::begin(json!([busy(GONE, 120), busy(STAYS, 1)])).await;
    let gone = dialling.add(GONE).await;
    until(async || dialling.dials(GONE).0 >= 1).await;
    dialling.take_out(&gone).await;
    let calls = dialling.dials(GONE).0;
    dialling.add(STAYS).await;
    until(async || dialling.dials(STAYS).1 == 4).await;
    assert_eq!(dialling.dials(GONE).0, calls);
    dialling.app.finish().await;
}

#[tokio::test]
async fn one_who_was_reached_can_be_taken_out_at_any_time() {
    let dialling = Dialling::begin(json!([])).await;
    let (while_it_runs, after_it) = (dialling.add(GONE).await, dialling.add(STAYS).await);
    until(async || dialling.dials(GONE).1 == 1 && dialling.dials(STAYS).1 == 1).await;
    dialling.take_out(&while_it_runs).await;
    dialling.steer("stop").await;
    dialling.take_out(&after_it).await;
    assert!(dialling.asked_to_delete() >= 2);
    assert_eq!((dialling.dials(GONE).0, dialling.dials(STAYS).0), (1, 1));
    dialling.app.finish().await;
}

#[tokio::test]
async fn a_stop_while_somebody_is_taken_out_stays() {
    let dialling = Dialling::begin(json!([busy(GONE, 1), busy(STAYS, 1)])).await;
    let gone = dialling.add(GONE).await;
    dialling.add(STAYS).await;
    until(async || dialling.dials(GONE).1 >= 1).await;
    tokio::join!(dialling.take_out(&gone), dialling.steer("stop"));
    until(async || {
        let jobs = dialling.app.api("/jobs").await;
        let rows = jobs["items"].as_array().unwrap();
        rows.iter().all(|job| job["kind"] != "contacts.hold" || job["state"] == "done")
    })
    .await;
    assert_eq!(dialling.status_there().await, 3);
    assert_eq!(dialling.app.vb_get(&dialling.campaign).await["status"], "stop");
    dialling.app.finish().await;
}

/// A record that a CC-iSales client added is known to the home by what that client says of it, and by
/// nothing that the gateway made up.
#[tokio::test]
async fn one_whom_a_client_of_the_home_added_is_taken_out_alone() {
    let dialling = Dialling::begin(json!([busy(GONE, 1), busy(STAYS, 1)])).await;
    let path = format!("v1/openapi/campaigns/{VDN}/calldata/{}", dialling.number);
    let record = |number: &str| json!({"sessionId": "one person", "called": format!("0{number}")});
    let records = json!({"callDataList": [record(GONE), record(STAYS)]});
    dialling.app.cc_ok("POST", &path, Some(records)).await;
    until(async || dialling.dials(GONE).1 >= 1).await;
    let listed = dialling.app.vb_get(&dialling.targets).await;
    let called = |row: &&Value| row["destination_0"]["target"] == format!("+86{GONE}");
    let gone = listed["result"].as_array().unwrap().iter().find(called).unwrap();
    let gone = format!("{}/{}", dialling.targets, gone["id"].as_str().unwrap());
    dialling.take_out(&gone).await;
    let calls = dialling.dials(GONE).0;
    assert!(calls < 4);
    until(async || dialling.dials(STAYS).1 == 4).await;
    assert_eq!(dialling.dials(GONE).0, calls);
    dialling.app.finish().await;
}

#[tokio::test]
async fn one_who_stays_in_a_call_is_not_taken_out_and_the_client_is_told_why() {
    let dialling = Dialling::begin(json!([busy(GONE, 3000)])).await;
    let gone = dialling.add(GONE).await;
    until(async || dialling.dials(GONE).0 >= 1).await;
    let reply = dialling.app.vb("DELETE", &gone, None).await;
    assert_eq!((reply.status, reply.reason().as_str()), (503, "SERVICE_UNAVAILABLE"));
    assert!(reply.text.contains("is being called"), "{}", reply.text);
    assert!(dialling.app.vb_get(&gone).await["tm_delete"].is_null());
    dialling.app.finish().await;
}

/// What a home will refuse again is not asked for again, and its client is told at once.
#[tokio::test]
async fn what_is_refused_for_good_is_asked_once() {
    let dialling = Dialling::begin(json!([])).await;
    dialling.steer("stop").await;
    let kept = dialling.add(STAYS).await;
    dialling.deletes("combined").await;
    let before = dialling.asked_to_delete();
    let reply = dialling.app.vb("DELETE", &kept, None).await;
    assert_eq!(reply.status, 400, "{}", reply.text);
    assert!(reply.text.contains("02000009"), "{}", reply.text);
    assert_eq!(dialling.asked_to_delete() - before, 1);
    assert!(dialling.app.vb_get(&kept).await["tm_delete"].is_null());
    dialling.app.finish().await;
}

/// It would come there after it was taken out. Whoever added it may have been interrupted, though.
#[tokio::test]
async fn one_who_is_still_being_added_is_not_taken_out_yet() {
    let dialling = Dialling::begin(json!([])).await;
    dialling.steer("stop").await;
    let added = dialling.add(STAYS).await;
    let ledger = rusqlite::Connection::open(dialling.app.ledger()).unwrap();
    ledger.execute_batch("UPDATE contact SET state = 'adding'").unwrap();
    let before = dialling.asked_to_delete();
    let reply = dialling.app.vb("DELETE", &added, None).await;
    assert_eq!(reply.status, 503, "{}", reply.text);
    assert!(reply.text.contains("still being added"), "{}", reply.text);
    assert_eq!(dialling.asked_to_delete(), before);
    ledger.execute_batch("UPDATE contact SET list_at = list_at - 4000000000").unwrap();
    dialling.take_out(&added).await;
    assert_eq!(dialling.asked_to_delete(), before + 1);
    dialling.app.finish().await;
}

/// A platform may have no word of its own for a record that it does not have.
#[tokio::test]
async fn one_whom_the_home_has_no_more_is_taken_out() {
    let dialling = Dialling::begin(json!([])).await;
    dialling.steer("stop").await;
    let gone = dialling.add(GONE).await;
    dialling.delete_there(&gone).await;
    dialling.deletes("strict").await;
    dialling.take_out(&gone).await;
    assert_eq!(dialling.dials(GONE), (0, 0));
    dialling.app.finish().await;
}

/// Nobody said whether the home has it. It is deleted once the home says that it has none such; a word
/// that may also mean a call under way is no such answer.
#[tokio::test]
async fn one_in_doubt_is_taken_out_when_the_home_says_that_it_is_gone() {
    let dialling = Dialling::begin(json!([])).await;
    dialling.steer("stop").await;
    dialling.app.isales.faults.set("lost-answer#1".parse().unwrap());
    let destination = json!({"type": "tel", "target": format!("+86{GONE}")});
    let body = json!({"name": "n", "detail": "d", "data": "x", "destination_0": destination});
    let reply = dialling.app.vb("POST", &dialling.targets, Some(body)).await;
    assert_eq!(reply.reason(), "OUTCOME_UNKNOWN", "{}", reply.text);
    dialling.app.one_in_doubt();
    let id = reply.json()["error"]["details"][0]["job_id"].as_str().unwrap().to_owned();
    let target = format!("{}/{id}", dialling.targets);
    dialling.delete_there(&target).await;
    dialling.deletes("strict").await;
    let reply = dialling.app.vb("DELETE", &target, None).await;
    assert_eq!(reply.status, 503, "{}", reply.text);
    assert!(reply.text.contains("never confirmed"), "{}", reply.text);
    dialling.deletes("lenient").await;
    dialling.take_out(&target).await;
    dialling.app.finish().await;
}

/// Another process has the turn to start or stop the campaign; how much else is started and stopped
/// meanwhile does not end the wait for it.
#[tokio::test]
async fn the_turn_is_waited_for_whatever_other_campaigns_do() {
    let dialling = Dialling::begin(json!([busy(GONE, 1)])).await;
    let gone = dialling.add(GONE).await;
    let ids = dialling.app.voipbin_campaign("other").await;
    let other = format!("/campaigns/{}", ids.campaign);
    until(async || dialling.app.vb("GET", &other, None).await.status == 200).await;
    let until_us = (jiff::Timestamp::now() + std::time::Duration::from_secs(6)).as_microsecond();
    let ledger = rusqlite::Connection::open(dialling.app.ledger()).unwrap();
    let turn = "UPDATE campaign_state SET steered_by = randomblob(16), steered_until = ?1 \
                WHERE campaign_id = (SELECT id FROM campaign WHERE name = 'dialling')";
    assert_eq!(ledger.execute(turn, [until_us]).unwrap(), 1);
    let other = format!("{other}/status");
    let steering = async {
        for status in ["run", "stop"].into_iter().cycle() {
            dialling.app.vb("PUT", &other, Some(json!({"status": status}))).await;
        }
    };
    tokio::select! {
        () = dialling.take_out(&gone) => {}
        () = steering => {}
    }
    dialling.app.finish().await;
}
