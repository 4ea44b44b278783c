//! The walk over the VoIPBin-shaped facade.

use dialbridge::http::endpoints::Endpoint;
use dialbridge::http::voipbin_api::ENDPOINTS;
use dialbridge::platforms::{Operation, PlatformKind};
use serde_json::{Value, json};

use super::{Ask, QUEUE, Step, only_on};
use crate::conformance;
use crate::support::{Caller, TestApp, until};

struct Walk {
    app: TestApp,
    home: PlatformKind,
    /// A campaign that the home had before anybody created one here.
    campaign: Value,
    /// One that is going to be deleted.
    doomed: String,
    /// A campaigncall that is done.
    call: Value,
    made: u32,
}

#[tokio::test]
async fn every_endpoint_on_voipbin() {
    Box::pin(walk(PlatformKind::Voipbin)).await;
}

#[tokio::test]
async fn every_endpoint_on_isales() {
    Box::pin(walk(PlatformKind::Isales)).await;
}

async fn walk(home: PlatformKind) {
    let mut walk = Box::pin(Walk::begin(home)).await;
    for endpoint in ENDPOINTS {
        let ask = walk.ask(endpoint).await;
        let method = if endpoint.method == "*" { "GET" } else { endpoint.method };
        let step = Step::begin(&walk.app, (PlatformKind::Voipbin, home), endpoint);
        let reply = walk.app.vb(method, &ask.path, ask.body.clone()).await;
        // What passes is asked of a platform that has no such path: that it was asked is enough.
        let passed = endpoint.operation == Operation::PassThrough
            && home == PlatformKind::Voipbin
            && reply.status == 404;
        step.check(&ask, reply.status == 200 || passed, &reply);
        conformance::check_voipbin(Caller::Both, endpoint, &reply);
        if endpoint.method == "GET" {
            let older = walk.app.vb_as(Caller::Seed, "GET", &ask.path, None).await;
            conformance::check_voipbin(Caller::Seed, endpoint, &older);
        }
    }
    walk.app.finish().await;
}

impl Walk {
    /// A campaign that has called somebody and is stopped.
    async fn begin(home: PlatformKind) -> Self {
        let app = TestApp::simulators(only_on(home)).await;
        for name in ["walked", "doomed"] {
            match home {
                PlatformKind::Voipbin => drop(app.voipbin_campaign(name).await),
                PlatformKind::Isales => drop(app.isales_campaign(name).await),
            }
        }
        let app = app.serve().await;
        let (campaign, doomed) = (app.row_of("walked").await, app.uuid_of("doomed").await);
        let mut walk = Self { app, home, campaign, doomed, call: Value::Null, made: 0 };
        walk.target(&id(&walk.campaign["outdial_id"])).await;
        walk.steer("run").await;
        let calls = format!("{}/campaigncalls", walk.path());
        until(async || {
            walk.call = walk.app.vb_get(&calls).await["result"][0].clone();
            walk.call["status"] == "done"
        })
        .await;
        walk.steer("stop").await;
        walk
    }

    fn path(&self) -> String {
        format!("/campaigns/{}", id(&self.campaign["id"]))
    }

    async fn steer(&self, status: &str) {
        let path = format!("{}/status", self.path());
        self.ok("PUT", &path, json!({ "status": status })).await;
        until(async || self.app.vb_get(&self.path()).await["status"] == status).await;
    }

    async fn ok(&self, method: &str, path: &str, body: Value) -> Value {
        let reply = self.app.vb(method, path, Some(body)).await;
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.text);
        reply.json()
    }

    fn target_body(&mut self) -> Value {
        self.made += 1;
        let number = format!("+86131000000{:02}", self.made);
        json!({"name": "n", "detail": "d", "data": "x",
            "destination_0": {"type": "tel", "target": number}})
    }

    async fn target(&mut self, outdial: &str) -> String {
        let body = self.target_body();
        id(&self.ok("POST", &format!("/outdials/{outdial}/targets"), body).await["id"])
    }

    async fn outplan(&self) -> String {
        id(&self.ok("POST", "/outplans", outplan()).await["id"])
    }

    async fn outdial(&self) -> String {
        let campaign = id(&self.ok("POST", "/campaigns", campaign("for an outdial")).await["id"]);
        id(&self.ok("POST", "/outdials", outdial(&campaign)).await["id"])
    }

    /// The request for an endpoint, with what it needs made before.
    async fn ask(&mut self, endpoint: &Endpoint) -> Ask {
        let below = endpoint.path.strip_prefix("/v1.0").unwrap();
        let (path, body) = match below.split('/').nth(1).unwrap() {
            "campaigns" => self.about_campaigns(endpoint.method, below).await,
            "campaigncalls" | "calls" => self.about_calls(below),
            "outplans" => self.about_outplans(endpoint.method, below).await,
            "outdials" => self.about_outdials(endpoint.method, below).await,
            "queues" if below.ends_with("{id}") => {
                (format!("/queues/{}", self.queue().await), None)
            }
            "customer" if endpoint.method == "PUT" => {
                let mut customer = self.app.vb_get("/customer").await;
                customer["webhook_method"] = json!("POST");
                customer["webhook_uri"] = json!("http://127.0.0.1:9/");
                (below.to_owned(), Some(customer))
            }
            "**" => ("/numbers".to_owned(), None),
            _ => (below.to_owned(), None),
        };
        let (path, body) = match (endpoint.operation, body) {
            (Operation::CampaignStart, _) => (path, Some(json!({"status": "run"}))),
            (Operation::CampaignStop, _) => (path, Some(json!({"status": "stop"}))),
            (_, body) => (path, body),
        };
        let writes = endpoint.operation.is_write()
            && endpoint.method != "*"
            && !(self.home == PlatformKind::Isales && says_nothing_there(endpoint));
        Ask { path, body, writes }
    }

    async fn queue(&self) -> String {
        match self.home {
            PlatformKind::Voipbin => id(&self.app.vb_get("/queues").await["result"][0]["id"]),
            PlatformKind::Isales => QUEUE.to_owned(),
        }
    }

    async fn about_campaigns(&self, method: &str, below: &str) -> (String, Option<Value>) {
        let path = below.replace("{id}", &id(&self.campaign["id"]));
        let last = below.rsplit('/').next().unwrap();
        let now = self.app.vb_get(&self.path()).await;
        let body = match (method, last) {
            ("POST", _) => campaign("created"),
            ("PUT", "{id}") => json!({"name": "walked on", "detail": "d", "type": "call",
                "service_level": now["service_level"], "end_handle": "continue"}),
            ("PUT", "service_level") => json!({"service_level": 200}),
            ("PUT", "actions") => {
                json!({"actions": [{"type": "talk", "option": {"text": "Hello."}}]})
            }
            ("PUT", "resource_info") => json!({"outplan_id": now["outplan_id"],
                "outdial_id": now["outdial_id"], "queue_id": now["queue_id"], "next_campaign_id": ""}),
            ("PUT", "next_campaign_id") => json!({"next_campaign_id": ""}),
            ("DELETE", _) => return (format!("/campaigns/{}", self.doomed), None),
            _ => return (path, None),
        };
        (path, Some(body))
    }

    fn about_calls(&self, below: &str) -> (String, Option<Value>) {
        let call = if below.starts_with("/calls") { "reference_id" } else { "id" };
        (below.replace("{id}", &id(&self.call[call])), None)
    }

    async fn about_outplans(&self, method: &str, below: &str) -> (String, Option<Value>) {
        let body = match (method, below.rsplit('/').next().unwrap()) {
            ("POST", _) => return (below.to_owned(), Some(outplan())),
            (_, "outplans") => return (below.to_owned(), None),
            ("PUT", "dial_info") => Some(outplan()),
            ("PUT", _) => Some(json!({"name": "n", "detail": "other"})),
            _ => None,
        };
        (below.replace("{id}", &self.outplan().await), body)
    }

    async fn about_outdials(&mut self, method: &str, below: &str) -> (String, Option<Value>) {
        if below.contains("/targets") {
            let outdial = id(&self.campaign["outdial_id"]);
            let mut path = below.replace("{id}", &outdial);
            if path.contains("{target_id}") {
                path = path.replace("{target_id}", &self.target(&outdial).await);
            }
            let body = (method == "POST").then(|| self.target_body());
            return (path, body);
        }
        let body = match (method, below.rsplit('/').next().unwrap()) {
            ("POST", _) => Some(outdial(&id(&self.campaign["id"]))),
            (_, "outdials") => None,
            ("PUT", "campaign_id") => Some(json!({"campaign_id": ""})),
            ("PUT", "data") => Some(json!({"data": "other"})),
            ("PUT", _) => Some(json!({"name": "n", "detail": "other"})),
            _ => None,
        };
        let path = if below.contains("{id}") {
            below.replace("{id}", &self.outdial().await)
        } else {
            below.to_owned()
        };
        (path, body)
    }
}

fn id(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn campaign(name: &str) -> Value {
    json!({"name": name, "detail": "d", "type": "call", "service_level": 100,
        "end_handle": "continue", "actions": [], "outplan_id": "", "outdial_id": "", "queue_id": "",
        "next_campaign_id": ""})
}

fn outplan() -> Value {
    json!({"name": "plan", "detail": "d", "source": {"type": "tel", "target": "+862061000000"},
        "dial_timeout": 30_000, "try_interval": 60_000, "max_try_count_0": 2, "max_try_count_1": 0,
        "max_try_count_2": 0, "max_try_count_3": 0, "max_try_count_4": 0})
}

fn outdial(campaign: &str) -> Value {
    json!({"campaign_id": campaign, "name": "people", "detail": "d", "data": "x"})
}

/// Changes of what CC-iSales has no word for, and a campaign that is a draft until it is run.
fn says_nothing_there(endpoint: &Endpoint) -> bool {
    endpoint.operation == Operation::CampaignCreate
        || endpoint.path.ends_with("/actions")
        || endpoint.path.ends_with("/resource_info")
        || endpoint.operation == Operation::AccountModify
}
