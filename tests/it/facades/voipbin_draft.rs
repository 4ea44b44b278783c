//! The client of VoIPBin reference 11.3, with the quirks of 11.2: the same requests, whichever
//! platform its campaign comes to live on.

use dialbridge::config::{Config, PlatformSettings};
use dialbridge::domain::ids::AccountSlug;
use dialbridge::domain::policy::DayPeriod;
use dialbridge::platforms::{Binding, Bindings};
use jiff::civil::Time;
use serde_json::{Value, json};

use crate::support::sink::Sink;
use crate::support::{Caller, Reply, TestApp, VDN, until};

const NIL: &str = "00000000-0000-0000-0000-000000000000";
/// An id that nobody has.
const UNKNOWN: &str = "183c0d5c-691e-42f3-af2b-9bffc2740f83";
/// A queue that is bound to skill 5.
pub const QUEUE: &str = "99bf739a-932f-433c-b1bf-103d33d7e9bb";

/// The client creates on the CC-iSales account, whose campaigns may call all day.
pub fn on_isales(config: &mut Config) {
    let skill = Binding { voipbin: QUEUE.to_owned(), isales: "5".to_owned() };
    config.bindings = Bindings { agent_groups: vec![skill], scripts: Vec::new() };
    for account in &mut config.accounts {
        if let PlatformSettings::Isales { creation, .. } = &mut account.platform {
            creation.span_days = Some(3650);
            creation.workday =
                vec![DayPeriod { begin: Time::MIN, end: Time::constant(23, 59, 0, 0) }];
        }
    }
    create_on(config, "cc");
}

fn on_voipbin(config: &mut Config) {
    create_on(config, "vb");
}

fn create_on(config: &mut Config, slug: &str) {
    for client in &mut config.clients[..2] {
        client.create_on = Some(AccountSlug::new(slug).unwrap());
    }
}

/// A client that reads what it is given and compares it with what it wrote.
struct Script<'a> {
    app: &'a TestApp,
    caller: Caller,
    types_addresses: bool,
}

/// What the script has made.
struct Made {
    outplan: String,
    campaign: String,
    outdial: String,
    targets: Vec<String>,
}

impl Script<'_> {
    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Reply {
        self.app.vb_as(self.caller, method, path, body).await
    }

    async fn ok(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let reply = self.ask(method, path, body).await;
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.text);
        reply.json()
    }

    async fn get(&self, path: &str) -> Value {
        self.ok("GET", path, None).await
    }

    /// The rows of a list, read page by page until one is empty.
    async fn all(&self, path: &str) -> Vec<Value> {
        let mut rows: Vec<Value> = Vec::new();
        let mut token = String::new();
        loop {
            let encoded = token.replace(':', "%3A").replace(' ', "%20");
            let page = self.get(&format!("{path}?page_size=2&page_token={encoded}")).await;
            let more = page["result"].as_array().unwrap().clone();
            page["next_page_token"].as_str().unwrap().clone_into(&mut token);
            assert_eq!(more.is_empty(), token.is_empty(), "{page}");
            if more.is_empty() {
                return rows;
            }
            rows.extend(more);
        }
    }

    /// The one row of a list with this id.
    async fn row(&self, path: &str, id: &str) -> Value {
        let rows = self.all(path).await;
        let mut found = rows.iter().filter(|row| row["id"] == id);
        let row = found.next().unwrap_or_else(|| panic!("{path} lacks {id}")).clone();
        assert!(found.next().is_none(), "{path} has {id} twice");
        row
    }

    fn is_never(&self, at: &Value) -> bool {
        match self.caller {
            Caller::Seed => at == "9999-01-01 00:00:00.000000",
            _ => at.is_null(),
        }
    }

    /// Everything up to the first `run`, as the command line client does it.
    async fn prepare(&self, name: &str, queue: &str) -> Made {
        assert_eq!(self.ask("GET", "/me", None).await.status, 200, "the client's login");
        let outplan = self.outplan().await;
        let campaign = self.campaign(name).await;
        let id = campaign["id"].as_str().unwrap().to_owned();
        let outdial = self.outdial(&id).await;
        let targets = self.targets(&outdial).await;
        let parts = json!({
            "outplan_id": outplan, "outdial_id": outdial, "queue_id": queue, "next_campaign_id": "",
        });
        let joined = self.ok("PUT", &format!("/campaigns/{id}/resource_info"), Some(parts)).await;
        assert_eq!(
            (&joined["outplan_id"], &joined["outdial_id"]),
            (&json!(outplan), &json!(outdial))
        );
        let shown_queue = if queue.is_empty() { NIL } else { queue };
        assert_eq!(
            (&joined["queue_id"], &joined["next_campaign_id"]),
            (&json!(shown_queue), &json!(NIL))
        );
        assert_eq!(joined["tm_create"], campaign["tm_create"]);
        let detail = self.get(&format!("/campaigns/{id}")).await;
        assert_eq!(self.row("/campaigns", &id).await, detail, "list and detail agree");
        Made { outplan, campaign: id, outdial, targets }
    }

    /// `outplans create` leaves the tries out and gives an address without a type; `set-dial-info`
    /// with all flags.
    async fn outplan(&self) -> String {
        let body = json!({
            "name": "plan", "detail": "first", "source": {"target": "+862061000000"},
            "dial_timeout": 30, "try_interval": 60,
        });
        let made = self.ok("POST", "/outplans", Some(body)).await;
        let id = made["id"].as_str().unwrap().to_owned();
        assert_ne!(id, NIL);
        assert_eq!(made["max_try_count_0"], 0, "what is missing is 0");
        assert_eq!(
            (&made["source"]["target"], &made["name"]),
            (&json!("+862061000000"), &json!("plan"))
        );
        assert!(self.is_never(&made["tm_update"]) && self.is_never(&made["tm_delete"]), "{made}");
        let body = json!({
            "source": {"type": "tel", "target": "+862061000000"}, "dial_timeout": 30_000,
            "try_interval": 60_000, "max_try_count_0": 2, "max_try_count_1": 1,
            "max_try_count_2": 0, "max_try_count_3": 0, "max_try_count_4": 0,
        });
        let path = format!("/outplans/{id}");
        let set = self.ok("PUT", &format!("{path}/dial_info"), Some(body.clone())).await;
        for (name, value) in body.as_object().unwrap().iter().filter(|(name, _)| *name != "source")
        {
            assert_eq!(set[name], *value, "{name}");
        }
        assert_eq!(set["name"], "plan", "not one of dial_info's");
        let renamed = json!({"name": "the plan", "detail": "second"});
        self.ok("PUT", &path, Some(renamed)).await;
        let shown = self.get(&path).await;
        assert_eq!((&shown["name"], &shown["max_try_count_0"]), (&json!("the plan"), &json!(2)));
        assert!(!self.is_never(&shown["tm_update"]), "{shown}");
        assert_eq!(self.row("/outplans", &id).await, shown);
        id
    }

    /// `campaigns create` sends all ten members, unset ids as empty texts.
    async fn campaign(&self, name: &str) -> Value {
        let body = json!({
            "name": name, "detail": "of the script", "type": "call", "service_level": 100,
            "end_handle": "continue", "actions": [], "outplan_id": "", "outdial_id": "",
            "queue_id": "", "next_campaign_id": "",
        });
        let made = self.ok("POST", "/campaigns", Some(body)).await;
        assert_eq!((&made["status"], &made["name"]), (&json!("stop"), &json!(name)));
        for id in ["outplan_id", "outdial_id", "queue_id", "next_campaign_id"] {
            assert_eq!(made[id], NIL, "{id}");
        }
        assert!(self.is_never(&made["tm_update"]) && self.is_never(&made["tm_delete"]), "{made}");
        made
    }

    async fn outdial(&self, campaign: &str) -> String {
        let body = json!({"campaign_id": campaign, "name": "people", "detail": "d", "data": "x"});
        let made = self.ok("POST", "/outdials", Some(body)).await;
        assert_eq!((&made["campaign_id"], &made["data"]), (&json!(campaign), &json!("x")));
        let id = made["id"].as_str().unwrap().to_owned();
        let path = format!("/outdials/{id}");
        let set = self.ok("PUT", &format!("{path}/data"), Some(json!({"data": "y"}))).await;
        assert_eq!((&set["data"], &set["name"]), (&json!("y"), &json!("people")));
        assert_eq!(self.row("/outdials", &id).await, self.get(&path).await);
        id
    }

    /// `create-target` gives addresses without a type, which VoIPBin itself takes and then cannot dial;
    /// the generated client gives `{}` for slots that it does not use.
    async fn targets(&self, outdial: &str) -> Vec<String> {
        let path = format!("/outdials/{outdial}/targets");
        let mut alice = json!({"target": "+8613100000001"});
        if self.types_addresses {
            alice["type"] = json!("tel");
        }
        let bodies = [
            json!({"name": "alice", "detail": "a", "data": "x", "destination_0": alice}),
            json!({"name": "bob", "detail": "b", "data": "y",
                "destination_0": {"type": "tel", "target": "+8613100000002"},
                "destination_1": {}, "destination_2": {}, "destination_3": {}, "destination_4": {}}),
        ];
        let mut ids = Vec::new();
        for body in bodies {
            let made = self.ok("POST", &path, Some(body.clone())).await;
            for member in ["name", "detail", "data"] {
                assert_eq!(made[member], body[member], "{member}");
            }
            assert_eq!((&made["status"], &made["outdial_id"]), (&json!("idle"), &json!(outdial)));
            assert_eq!(made["tm_update"], made["tm_create"], "reference 1.5");
            let id = made["id"].as_str().unwrap().to_owned();
            let shown = self.get(&format!("{path}/{id}")).await;
            assert_eq!((&shown["id"], &shown["name"]), (&made["id"], &body["name"]));
            assert_eq!(self.row(&path, &id).await["name"], body["name"]);
            ids.push(id);
        }
        assert_eq!(self.all(&path).await.len(), 2);
        ids
    }

    /// Runs the campaign and waits until everybody was called.
    async fn run(&self, made: &Made) {
        let path = format!("/campaigns/{}", made.campaign);
        let before = self.get(&path).await;
        let status = format!("{path}/status");
        let run = self.ok("PUT", &status, Some(json!({"status": "run"}))).await;
        assert_eq!((&run["status"], &run["id"]), (&json!("run"), &before["id"]));
        let again = self.ok("PUT", &status, Some(json!({"status": "run"}))).await;
        assert_eq!(again["status"], "run", "idempotent");
        let calls = format!("{path}/campaigncalls");
        until(async || {
            let rows = self.all(&calls).await;
            let done = |target: &String| {
                let mut of_target = rows.iter().filter(|row| row["outdial_target_id"] == *target);
                of_target.any(|row| row["status"] == "done")
            };
            made.targets.iter().all(done)
        })
        .await;
        for row in self.all(&calls).await {
            assert_eq!(row["campaign_id"], made.campaign.as_str());
            assert_eq!(row["outdial_id"], made.outdial.as_str());
            assert_eq!(row["outplan_id"], made.outplan.as_str());
            let id = row["id"].as_str().unwrap();
            assert_eq!(self.get(&format!("/campaigncalls/{id}")).await["id"], id);
            if row["status"] == "done" {
                assert!(row["result"] == "success" || row["result"] == "fail", "{row}");
                let call = row["reference_id"].as_str().unwrap();
                assert_eq!(self.get(&format!("/calls/{call}")).await["status"], "hangup");
            }
        }
        // What was written is what is shown.
        let mut now = self.get(&path).await;
        for varies in ["status", "tm_update"] {
            now[varies] = before[varies].clone();
        }
        assert_eq!(now, before);
    }

    /// Stops it and takes everything away.
    async fn clean_up(&self, made: &Made) {
        let path = format!("/campaigns/{}", made.campaign);
        let status = format!("{path}/status");
        let stop = self.ok("PUT", &status, Some(json!({"status": "stop"}))).await;
        assert!(stop["status"] == "stopping" || stop["status"] == "stop", "{stop}");
        until(async || self.get(&path).await["status"] == "stop").await;
        let calls = self.all(&format!("{path}/campaigncalls")).await;
        let call = calls.iter().find(|row| row["status"] == "done").unwrap();
        let call_id = call["id"].as_str().unwrap().to_owned();
        let gone = [
            format!("/campaigncalls/{call_id}"),
            path,
            format!("/outdials/{}", made.outdial),
            format!("/outplans/{}", made.outplan),
        ];
        for path in gone {
            let answer = self.ok("DELETE", &path, None).await;
            let id = path.rsplit('/').next().unwrap();
            assert_eq!(answer["id"], id, "the client compares it: {path}");
            assert!(!self.is_never(&answer["tm_delete"]), "{path}: {answer}");
            let shown = self.get(&path).await;
            assert!(!self.is_never(&shown["tm_delete"]), "still readable: {path}: {shown}");
        }
        for (list, id) in [("/campaigns", made.campaign.as_str()), ("/campaigncalls", &call_id)] {
            assert_eq!(
                self.all(list).await.iter().any(|row| row["id"] == id),
                !matches!(self.caller, Caller::Seed),
                "the older generation hides what is deleted: {list}"
            );
        }
    }
}

#[tokio::test]
async fn the_script_on_voipbin() {
    for caller in [Caller::Both, Caller::Seed] {
        let app = TestApp::simulators(on_voipbin).await.serve().await;
        let script = Script { app: &app, caller, types_addresses: true };
        let made = script.prepare("scripted", "").await;
        script.run(&made).await;
        script.clean_up(&made).await;
        app.finish().await;
    }
}

#[tokio::test]
async fn the_script_on_isales() {
    for caller in [Caller::Both, Caller::Seed] {
        let app = TestApp::simulators(on_isales).await.serve().await;
        let script = Script { app: &app, caller, types_addresses: false };
        let made = script.prepare("scripted", QUEUE).await;
        assert_eq!(app.isales.journal.writes().len(), 0, "a draft is nobody's campaign yet");
        let path =
            format!("v1/openapi/campaigns/{VDN}?status=0&deviceType=0&curPage=1&rowsPerPage=10");
        assert_eq!(app.cc_ok("GET", &path, None).await["totalSize"], 0);
        let sink = Sink::taking();
        let order = json!({"name": "crm", "shape": "voipbin", "url": sink.url("/")});
        let order = app.ask_api("operator", ("POST", "/destinations"), Some(order)).await;
        assert_eq!(order.status, 200, "{}", order.text);
        script.run(&made).await;
        until(async || !sink.received().is_empty()).await;
        for told in sink.received().iter().map(|got| got.json()["data"].take()) {
            let parts = [&told["outplan_id"], &told["outdial_id"], &told["queue_id"]];
            assert_eq!(parts, [&*made.outplan, &*made.outdial, QUEUE], "as in lists");
        }
        let number = app.number_of(VDN, "scripted").await;
        let path = format!("v1/openapi/campaigns/{VDN}/{number}");
        let own = app.on_isales("GET", &path, None).await["returnObject"].clone();
        assert_eq!(
            (&own["maxAlertingTime"], &own["skillParam"]["skillId"]),
            (&json!(30), &json!(5))
        );
        assert_eq!(
            (&own["retryPolicy"]["retryTimes"], &own["retryPolicy"]["callInterval"]),
            (&json!(1), &json!(60)),
            "as often as the number that may be tried least"
        );
        script.clean_up(&made).await;
        let contacts = app.isales.journal.contacts();
        assert_eq!(contacts.len(), 2, "each once: {contacts:?}");
        app.finish().await;
    }
}

#[tokio::test]
async fn a_draft_is_edited_as_the_platform_would_let_it() {
    let app = TestApp::simulators(on_isales).await.serve().await;
    let script = Script { app: &app, caller: Caller::Both, types_addresses: false };
    let campaign = script.campaign("draft").await;
    let path = format!("/campaigns/{}", campaign["id"].as_str().unwrap());
    // Every PUT replaces all that it has.
    let edited = script.ok("PUT", &path, Some(json!({"name": "renamed"}))).await;
    assert_eq!(
        (&edited["name"], &edited["detail"], &edited["type"]),
        (&json!("renamed"), &json!(""), &json!(""))
    );
    assert_eq!((&edited["service_level"], &edited["end_handle"]), (&json!(0), &json!("")));
    let full = json!({"name": "n", "detail": "d", "type": "call", "service_level": 80, "end_handle": "stop"});
    script.ok("PUT", &path, Some(full)).await;
    let level = script
        .ok("PUT", &format!("{path}/service_level"), Some(json!({"service_level": 150})))
        .await;
    assert_eq!((&level["service_level"], &level["name"]), (&json!(150), &json!("n")));
    let talk =
        json!([{"id": "", "type": "talk", "option": {"text": "Hello.", "language": "en-US"}}]);
    let actions =
        script.ok("PUT", &format!("{path}/actions"), Some(json!({"actions": talk}))).await;
    assert_eq!(actions["actions"][0]["option"], talk[0]["option"]);
    assert_eq!(
        (&actions["actions"][0]["id"], &actions["actions"][0]["next_id"]),
        (&json!(NIL), &json!(NIL))
    );
    let next = script.campaign("next").await;
    let chained = json!({"next_campaign_id": next["id"]});
    let chain = format!("{path}/next_campaign_id");
    assert_eq!(script.ok("PUT", &chain, Some(chained)).await["next_campaign_id"], next["id"]);
    let other = script.ask("PUT", &chain, Some(json!({"next_campaign_id": "someday"}))).await;
    assert_eq!((other.status, other.reason().as_str()), (400, "INVALID_ARGUMENT"));
    assert_eq!(script.ok("PUT", &chain, Some(json!({}))).await["next_campaign_id"], NIL);
    assert_eq!(script.get(&path).await["actions"], actions["actions"]);
    // Stopping what does not run is nothing; what is no status is refused.
    let status = format!("{path}/status");
    assert_eq!(script.ok("PUT", &status, Some(json!({"status": "stop"}))).await["status"], "stop");
    for wrong in ["stopping", "RUN", ""] {
        let reply = script.ask("PUT", &status, Some(json!({"status": wrong}))).await;
        assert_eq!((reply.status, reply.reason().as_str()), (400, "INVALID_ARGUMENT"), "{wrong}");
    }
    assert!(script.all(&format!("{path}/campaigncalls")).await.is_empty());
    let gone = script.ok("DELETE", &path, None).await;
    assert!(gone["tm_delete"].is_string() && gone["tm_update"] == gone["tm_delete"], "{gone}");
    assert_eq!(script.get(&path).await, gone);
    assert_eq!(script.row("/campaigns", gone["id"].as_str().unwrap()).await, gone);
    assert_eq!(app.isales.journal.writes().len(), 0);
    app.finish().await;
}

#[tokio::test]
async fn a_draft_runs_only_with_what_it_refers_to() {
    let app = TestApp::simulators(on_isales).await.serve().await;
    let script = Script { app: &app, caller: Caller::Both, types_addresses: false };
    let outplan = script.outplan().await;
    let campaign = script.campaign("refers").await;
    let path = format!("/campaigns/{}", campaign["id"].as_str().unwrap());
    let resources = format!("{path}/resource_info");
    for member in ["outplan_id", "outdial_id", "queue_id", "next_campaign_id"] {
        let reply = script.ask("PUT", &resources, Some(json!({member: UNKNOWN}))).await;
        assert_eq!((reply.status, reply.reason().as_str()), (400, "INVALID_ARGUMENT"), "{member}");
    }
    script.ok("PUT", &resources, Some(json!({"outplan_id": outplan, "queue_id": QUEUE}))).await;
    // Deleting what is used is allowed; then it cannot run (reference 5.2).
    script.ok("DELETE", &format!("/outplans/{outplan}"), None).await;
    let run = script.ask("PUT", &format!("{path}/status"), Some(json!({"status": "run"}))).await;
    assert_eq!((run.status, run.reason().as_str()), (400, "INVALID_ARGUMENT"));
    assert_eq!(script.get(&path).await["status"], "stop");
    assert_eq!(app.isales.journal.writes().len(), 0);
    app.finish().await;
}
