//! The editions of the CC-iSales pages: installations that take no numbers while a campaign dials,
//! and programs that were written for them.

use dialbridge::config::{Config, IsalesRelease, PlatformSettings};
use dialbridge::simulators::isales::Release;
use serde_json::{Value, json};

use crate::support::{TestApp, VDN, VIRTUAL_VDN, until};

const STATE_FORBIDS: &str = "0200019";

fn old_installation(config: &mut Config) {
    for account in &mut config.accounts {
        if let PlatformSettings::Isales { release, .. } = &mut account.platform {
            *release = IsalesRelease::R2024;
        }
    }
}

fn old_program(config: &mut Config) {
    for client in &mut config.clients {
        if let Some(settings) = &mut client.isales {
            settings.release = IsalesRelease::R2024;
        }
    }
}

fn target(name: &str, number: &str) -> Value {
    let destination = json!({"type": "tel", "target": number});
    json!({"name": name, "detail": "d", "data": "x", "destination_0": destination})
}

/// A running campaign of an old installation, as a VoIPBin client sees it.
struct Dialling {
    app: TestApp,
    number: i64,
    campaign: String,
    targets: String,
}

impl Dialling {
    async fn begin() -> Self {
        let app = TestApp::simulators_of(Release::Y2024, old_installation).await;
        let number = app.isales_campaign("dialling").await;
        let app = app.serve().await;
        let row = app.row_of("dialling").await;
        let campaign = format!("/campaigns/{}", row["id"].as_str().unwrap());
        let targets = format!("/outdials/{}/targets", row["outdial_id"].as_str().unwrap());
        let dialling = Self { app, number, campaign, targets };
        dialling.steer("run").await;
        assert_eq!(dialling.status_there().await, 2);
        dialling
    }

    async fn steer(&self, status: &str) {
        let path = format!("{}/status", self.campaign);
        let reply = self.app.vb("PUT", &path, Some(json!({"status": status}))).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }

    async fn add(&self, name: &str, number: &str) {
        let reply = self.app.vb("POST", &self.targets, Some(target(name, number))).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }

    async fn status_there(&self) -> i64 {
        let path = format!("v1/openapi/campaigns/{VDN}/{}", self.number);
        let found = self.app.on_isales("GET", &path, None).await;
        found["returnObject"]["status"].as_i64().unwrap()
    }

    /// Whether this number has been called.
    async fn is_called(&self, number: &str) -> bool {
        let calls = self.app.vb_get(&format!("{}/campaigncalls", self.campaign)).await;
        let calls = calls["result"].as_array().unwrap();
        calls.iter().any(|call| call["destination"]["target"] == number)
    }

    /// Why things were done to it, by its history.
    async fn reasons(&self) -> Vec<String> {
        let id = self.campaign.trim_start_matches("/campaigns/");
        let history = self.app.api(&format!("/campaigns/{id}/history")).await;
        let rows = history["items"].as_array().unwrap_or_else(|| panic!("{history}")).clone();
        rows.iter().map(|row| row["reason"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

#[tokio::test]
async fn contacts_are_added_to_a_dialling_campaign_and_it_dials_on() {
    let dialling = Dialling::begin().await;
    dialling.add("first", "+8613100000001").await;
    // Held now, which a client need not know.
    assert_eq!(dialling.status_there().await, 3);
    assert_eq!(dialling.app.vb_get(&dialling.campaign).await["status"], "run");
    dialling.add("second", "+8613100000002").await;
    until(async || dialling.status_there().await == 2).await;
    until(async || {
        dialling.is_called("+8613100000001").await && dialling.is_called("+8613100000002").await
    })
    .await;
    assert!(dialling.reasons().await.iter().any(|why| why.contains("while contacts are changed")));
    dialling.add("third", "+8613100000003").await;
    until(async || dialling.is_called("+8613100000003").await).await;
    dialling.app.finish().await;
}

#[tokio::test]
async fn a_stop_while_contacts_are_added_stays() {
    let dialling = Dialling::begin().await;
    dialling.add("first", "+8613100000001").await;
    assert_eq!(dialling.status_there().await, 3);
    dialling.steer("stop").await;
    // The job comes, finds that it is to stay, and ends.
    until(async || {
        let jobs = dialling.app.api("/jobs").await;
        let rows = jobs["items"].as_array().unwrap();
        rows.iter().any(|job| job["kind"] == "contacts.hold" && job["state"] == "done")
    })
    .await;
    assert_eq!(dialling.status_there().await, 3);
    assert_eq!(dialling.app.vb_get(&dialling.campaign).await["status"], "stop");
    // Adding to what stands is no reason to start it.
    dialling.add("second", "+8613100000002").await;
    assert_eq!(dialling.status_there().await, 3);
    dialling.app.finish().await;
}

#[tokio::test]
async fn a_killed_hold_goes_on_after_a_restart() {
    let dialling = Dialling::begin().await;
    dialling.add("first", "+8613100000001").await;
    assert_eq!(dialling.status_there().await, 3);
    let Dialling { app, number, campaign, targets } = dialling;
    let app = app.stopped().await.serve().await;
    let dialling = Dialling { app, number, campaign, targets };
    until(async || dialling.status_there().await == 2).await;
    dialling.app.finish().await;
}

/// Wherever the campaign runs, an old program is told what its pages say.
#[tokio::test]
async fn a_program_of_2024_pauses_before_it_adds() {
    let app = TestApp::simulators(old_program).await;
    app.isales_campaign("on isales").await;
    app.voipbin_campaign("on voipbin").await;
    let app = app.serve().await;
    for (vdn, name) in [(VDN, "on isales"), (VIRTUAL_VDN, "on voipbin")] {
        let number = app.number_of(vdn, name).await;
        let below = |rest: &str| format!("v1/openapi/campaigns/{vdn}{rest}");
        let data = below(&format!("/calldata/{number}"));
        let record = |called: &str| Some(json!({"callDataList": [{"called": called}]}));
        app.cc_ok("PUT", &below(&format!("/{number}/resume")), None).await;
        let refused = app.cc("POST", &data, record("013100000001")).await;
        assert_eq!(refused.code(), STATE_FORBIDS, "{name}: {}", refused.text);
        app.cc_ok("PUT", &below(&format!("/{number}/pause")), None).await;
        let added = app.cc_ok("POST", &data, record("013100000001")).await;
        assert_eq!(added["returnObject"]["totalSize"], 1, "{name}");

        let create = below(&format!("/callbatch/{number}/create"));
        let batch = Some(json!({"name": "batch", "status": 2}));
        assert_eq!(app.cc("POST", &create, batch).await.status, 404, "{name}: not there yet");
    }
    app.finish().await;
}
