//! Wrong and hostile requests, as tables: each gets the documented code on whichever home, changes
//! nothing anywhere, and is followed by a right one that works.

use dialbridge::domain::ids::AccountSlug;
use dialbridge::platforms::Binding;
use dialbridge::simulators::voipbin::Account;
use serde_json::{Value, json};

use crate::support::{Reply, TestApp, VDN, VIRTUAL_VDN};

mod headers;
mod isales;
mod voipbin;

/// A number that no answer may repeat; rows that need a number have it.
const CANARY: &str = "13155512345";
const NIL: &str = "00000000-0000-0000-0000-000000000000";
/// An id that nobody has.
const UNKNOWN: &str = "11111111-1111-4111-8111-111111111111";

/// One campaign per home. What tables call by names in braces is filled in by [`Place::fill`].
struct Place {
    campaign: String,
    outplan: String,
    outdial: String,
    vdn: i64,
    number: i64,
}

impl Place {
    async fn of(app: &TestApp, name: &str, vdn: i64) -> Self {
        let row = app.row_of(name).await;
        let text = |member: &str| row[member].as_str().unwrap().to_owned();
        Self {
            campaign: text("id"),
            outplan: text("outplan_id"),
            outdial: text("outdial_id"),
            vdn,
            number: app.number_of(vdn, name).await,
        }
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{c}", &self.campaign)
            .replace("{p}", &self.outplan)
            .replace("{d}", &self.outdial)
            .replace("{vdn}", &self.vdn.to_string())
            .replace("{n}", &self.number.to_string())
            .replace("{unknown}", UNKNOWN)
            .replace("{nil}", NIL)
            .replace("{canary}", CANARY)
            .replace("{deep}", &"[".repeat(20_000))
            .replace("{long}", &"x".repeat(2_100))
    }
}

/// A campaign on either home; clients create on the account `create_on`.
async fn app(create_on: &str) -> (TestApp, [Place; 2]) {
    let queue = Account::numbered(1).queue_id.to_string();
    let app = TestApp::simulators(|config| {
        let skill = Binding { voipbin: queue.clone(), isales: "5".to_owned() };
        config.bindings.agent_groups = vec![skill];
        for client in &mut config.clients[..3] {
            client.create_on = Some(AccountSlug::new(create_on).unwrap());
        }
    })
    .await;
    app.isales_campaign("on isales").await;
    let ids = app.voipbin_campaign("on voipbin").await;
    let parts = json!({"outplan_id": ids.outplan, "outdial_id": ids.outdial, "queue_id": queue});
    app.on_voipbin("PUT", &format!("/campaigns/{}/resource_info", ids.campaign), Some(parts)).await;
    let app = app.serve().await;
    let places =
        [Place::of(&app, "on voipbin", VIRTUAL_VDN).await, Place::of(&app, "on isales", VDN).await];
    (app, places)
}

/// Everything that a request could have changed, on the platforms and here.
async fn everything(app: &TestApp) -> Value {
    let mut seen = Vec::new();
    for path in ["/campaigns", "/outplans", "/outdials", "/campaigncalls"] {
        seen.push(app.on_voipbin("GET", path, None).await);
        seen.push(app.vb_get(path).await);
    }
    let list =
        format!("v1/openapi/campaigns/{VDN}?status=0&deviceType=0&curPage=1&rowsPerPage=100");
    let page = app.on_isales("GET", &list, None).await;
    for row in page["data"].as_array().unwrap() {
        let path = format!("v1/openapi/campaigns/{VDN}/{}", row["id"]);
        seen.push(app.on_isales("GET", &path, None).await);
    }
    seen.push(page);
    seen.push(json!(app.voipbin.journal.contacts().len() + app.isales.journal.contacts().len()));
    json!(seen)
}

/// What holds for every refusal.
fn check_text(what: &str, reply: &Reply) {
    for secret in [CANARY, "SKexample", "vb_", "panicked", "src/"] {
        assert!(!reply.text.contains(secret), "{what}: {secret} in {}", reply.text);
    }
    assert!(reply.text.len() < 2_000, "{what}: {} bytes", reply.text.len());
}
