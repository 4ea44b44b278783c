//! Whom a campaign calls and how often, judged by what the platforms dialled: the contacts that it has,
//! in the places that may be called, and never more often than its client allowed.

use std::collections::BTreeMap;

use dialbridge::config::{Config, LedgerConfig};
use dialbridge::simulators::Running;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::isales_life::{bound, document};
use super::voipbin_draft::{QUEUE, on_isales};
use crate::ledger_story::cluster::Database;
use crate::support::sink::Sink;
use crate::support::{Reply, TestApp, VDN, VIRTUAL_VDN, until};

const UNKNOWN: &str = "183c0d5c-691e-42f3-af2b-9bffc2740f83";
const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// How often each number was dialled, by its last five digits; a slot without a number is 0.
fn dialled(platform: &Running) -> BTreeMap<u32, usize> {
    let mut dialled = BTreeMap::new();
    for dial in platform.journal.dials() {
        *dialled.entry(tail(dial.number.reveal())).or_default() += 1;
    }
    dialled
}

fn tail(number: &str) -> u32 {
    number.get(number.len().saturating_sub(5)..).unwrap().parse().unwrap_or(0)
}

fn e164(number: u32) -> String {
    format!("+86131000{number:05}")
}

fn dial_info(tries: [i64; 5]) -> Value {
    let mut body = json!({
        "source": {"type": "tel", "target": "+862061000000"}, "dial_timeout": 30_000,
        "try_interval": 60_000,
    });
    for (place, tries) in tries.into_iter().enumerate() {
        body[format!("max_try_count_{place}")] = json!(tries);
    }
    body
}

fn tries_of(outplan: &Value) -> Vec<i64> {
    let tries = |place| outplan[format!("max_try_count_{place}")].as_i64().unwrap();
    (0..5).map(tries).collect()
}

fn id(made: &Value) -> String {
    made["id"].as_str().unwrap().to_owned()
}

/// A client of VoIPBin's.
struct Client<'a>(&'a TestApp);

impl Client<'_> {
    async fn ok(&self, method: &str, path: &str, body: Value) -> Value {
        let reply = self.0.vb(method, path, Some(body)).await;
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.text);
        reply.json()
    }

    async fn refused(&self, method: &str, path: &str, body: Option<Value>) -> String {
        let reply = self.0.vb(method, path, body).await;
        let told = (reply.status, reply.reason());
        assert_eq!(told, (400, "INVALID_ARGUMENT".to_owned()), "{method} {path}: {}", reply.text);
        reply.json()["error"]["message"].as_str().unwrap().to_owned()
    }

    async fn outplan(&self, tries: [i64; 5]) -> String {
        let mut body = dial_info(tries);
        (body["name"], body["detail"]) = (json!("plan"), json!("d"));
        id(&self.ok("POST", "/outplans", body).await)
    }

    async fn campaign(&self, name: &str, outplan: &str) -> String {
        let body = json!({
            "name": name, "detail": "d", "type": "call", "service_level": 100,
            "end_handle": "continue", "actions": [], "outplan_id": outplan, "outdial_id": "",
            "queue_id": "", "next_campaign_id": "",
        });
        id(&self.ok("POST", "/campaigns", body).await)
    }

    async fn outdial(&self, campaign: &str) -> String {
        let body = json!({"campaign_id": campaign, "name": "people", "detail": "d", "data": "x"});
        id(&self.ok("POST", "/outdials", body).await)
    }

    async fn target(&self, outdial: &str, numbers: &[(usize, u32)]) -> String {
        id(&self.ok("POST", &format!("/outdials/{outdial}/targets"), target(numbers)).await)
    }

    async fn attach(&self, campaign: &str, outplan: &str, outdial: &str) -> Reply {
        let parts = parts(outplan, outdial);
        self.0.vb("PUT", &format!("/campaigns/{campaign}/resource_info"), Some(parts)).await
    }

    async fn run(&self, campaign: &str) -> Reply {
        let path = format!("/campaigns/{campaign}/status");
        self.0.vb("PUT", &path, Some(json!({"status": "run"}))).await
    }

    /// A campaign with an outplan and an outdial, in this order.
    async fn whole(&self, name: &str, tries: [i64; 5]) -> (String, String, String) {
        let outplan = self.outplan(tries).await;
        let campaign = self.campaign(name, &outplan).await;
        let outdial = self.outdial(&campaign).await;
        assert_eq!(self.attach(&campaign, &outplan, &outdial).await.status, 200);
        (campaign, outplan, outdial)
    }
}

fn parts(outplan: &str, outdial: &str) -> Value {
    json!({"outplan_id": outplan, "outdial_id": outdial, "queue_id": QUEUE, "next_campaign_id": ""})
}

fn target(numbers: &[(usize, u32)]) -> Value {
    let mut body = json!({"name": "person", "detail": "d", "data": "x"});
    for (slot, number) in numbers {
        body[format!("destination_{slot}")] = json!({"type": "tel", "target": e164(*number)});
    }
    body
}

/// Nobody answers on either platform but numbers that end in 9.
async fn everybody_is_busy(app: &TestApp) {
    let rules = json!([{"suffix": "", "codes": ["00537"], "ringS": 1},
        {"suffix": "9", "codes": ["00000"], "ringS": 1, "talkS": 1}]);
    let isales = format!("{}/_sim/outcomes", app.isales.base_url());
    let reply = app.send("POST", &isales, &[], Some(rules.to_string())).await;
    assert_eq!(reply.status, 204, "{}", reply.text);
    let voipbin = format!("{}/_sim/outcomes", app.voipbin.base_url());
    let reply = app.send("POST", &voipbin, &[], Some("*=busy:1s,9=normal:2s".to_owned())).await;
    assert!(reply.status < 300, "{}", reply.text);
}

async fn only_the_outdial_that_a_campaign_has(change: impl FnOnce(&mut Config)) {
    let app = TestApp::simulators(|config| {
        on_isales(config);
        change(config);
    });
    let app = app.await.serve().await;
    let client = Client(&app);
    let plan = client.outplan([1, 0, 0, 0, 0]).await;
    let campaign = client.campaign("own", &plan).await;
    let (own, other) = (client.outdial(&campaign).await, client.outdial(&campaign).await);
    let gone = client.outdial(&campaign).await;
    let first = client.target(&own, &[(0, 1)]).await;
    let waits = client.target(&other, &[(0, 2)]).await;
    client.target(&gone, &[(0, 3)]).await;
    client.ok("DELETE", &format!("/outdials/{gone}"), Value::Null).await;
    client.refused("POST", &format!("/outdials/{gone}/targets"), Some(target(&[(0, 4)]))).await;
    // Before it is made, the outdial that it has last counts.
    assert_eq!(client.attach(&campaign, &plan, &other).await.status, 200);
    assert_eq!(client.attach(&campaign, &plan, &own).await.status, 200);
    let run = client.run(&campaign).await;
    assert_eq!(run.status, 200, "{}", run.text);
    until(async || dialled(&app.isales).contains_key(&1)).await;
    let late = client.target(&own, &[(0, 5)]).await;
    until(async || dialled(&app.isales).contains_key(&5)).await;

    let targets = |outdial: &str, rest: &str| format!("/outdials/{outdial}/targets{rest}");
    for (outdial, theirs) in [(&other, &first), (&other, &late), (&own, &waits)] {
        for method in ["GET", "DELETE"] {
            client.refused(method, &targets(outdial, &format!("/{theirs}")), None).await;
        }
    }
    for outdial in [&own, &other] {
        let nobody = app.vb("GET", &targets(outdial, &format!("/{UNKNOWN}")), None).await;
        assert_eq!(nobody.status, 404, "{}", nobody.text);
    }
    client.refused("POST", &targets(&other, ""), Some(target(&[(0, 6)]))).await;
    let resources = format!("/campaigns/{campaign}/resource_info");
    for outdial in [&*other, NIL] {
        client.refused("PUT", &resources, Some(parts(&plan, outdial))).await;
    }
    let next = client.campaign("next", &plan).await;
    let move_to_next = |outdial: &str| format!("/outdials/{outdial}/campaign_id");
    let to_next = json!({"campaign_id": next});
    client.refused("PUT", &move_to_next(&own), Some(to_next.clone())).await;
    assert_eq!(app.vb_get(&targets(&own, &format!("/{first}"))).await["id"], *first);
    let left = app.vb_get(&targets(&other, "")).await;
    assert_eq!((&left["result"][0]["id"], &left["result"][1]), (&json!(waits), &Value::Null));

    // What waits is called when its outdial becomes a campaign's.
    client.ok("PUT", &move_to_next(&other), to_next).await;
    assert_eq!(client.attach(&next, &plan, &other).await.status, 200);
    assert_eq!(client.run(&next).await.status, 200);
    until(async || dialled(&app.isales).contains_key(&2)).await;
    assert_eq!(dialled(&app.isales), BTreeMap::from([(1, 1), (2, 1), (5, 1)]));
    // The one in the deleted outdial.
    app.one_target_is_a_draft();
    app.finish().await;
}

#[tokio::test]
async fn only_the_outdial_that_a_campaign_has_is_dialled() {
    only_the_outdial_that_a_campaign_has(|_| {}).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_outdial_that_a_campaign_has_is_dialled_on_postgresql() {
    let database = Database::create();
    let url = SecretString::from(database.url());
    only_the_outdial_that_a_campaign_has(|config| {
        config.ledger = LedgerConfig::Postgres { url, connections: 8 };
    })
    .await;
}

#[tokio::test]
async fn an_outdial_of_a_campaign_that_is_gone_is_not_called_again() {
    let app = TestApp::simulators(on_isales).await.serve().await;
    let client = Client(&app);
    let (campaign, outplan, outdial) = client.whole("gone", [1, 0, 0, 0, 0]).await;
    client.target(&outdial, &[(0, 1)]).await;
    assert_eq!(client.run(&campaign).await.status, 200);
    until(async || dialled(&app.isales).contains_key(&1)).await;
    client.ok("PUT", &format!("/campaigns/{campaign}/status"), json!({"status": "stop"})).await;
    client.ok("DELETE", &format!("/campaigns/{campaign}"), Value::Null).await;
    let next = client.campaign("next", &outplan).await;
    let to_next = json!({"campaign_id": next});
    let why =
        client.refused("PUT", &format!("/outdials/{outdial}/campaign_id"), Some(to_next)).await;
    assert!(why.contains("on the campaign's home already"), "{why}");
    app.finish().await;
}

#[tokio::test]
async fn a_slot_without_tries_is_never_sent() {
    let app = TestApp::simulators(on_isales).await.serve().await;
    everybody_is_busy(&app).await;
    let sink = Sink::taking();
    let order = json!({"name": "crm", "shape": "voipbin", "url": sink.url("/")});
    let made = app.ask_api("operator", ("POST", "/destinations"), Some(order)).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let client = Client(&app);
    let (campaign, outplan, outdial) = client.whole("slots", [0, 2, 1, 0, 0]).await;
    let all = client.target(&outdial, &[(0, 11), (1, 12), (2, 13), (4, 14)]).await;
    let before = client.target(&outdial, &[(0, 15)]).await;
    let run = client.run(&campaign).await;
    assert_eq!(run.status, 200, "{}", run.text);
    until(async || dialled(&app.isales).len() == 2).await;
    let after = client.target(&outdial, &[(3, 16)]).await;
    let last = client.target(&outdial, &[(1, 17)]).await;
    until(async || dialled(&app.isales).contains_key(&17)).await;
    // As often as the number that may be called least.
    let expected = BTreeMap::from([(12, 1), (13, 1), (17, 1)]);
    assert_eq!(dialled(&app.isales), expected);

    let calls = format!("/campaigns/{campaign}/campaigncalls");
    let places = BTreeMap::from([(12, (1, &all)), (13, (2, &all)), (17, (1, &last))]);
    until(async || app.vb_get(&calls).await["result"].as_array().unwrap().len() == 3).await;
    let told = |row: &Value| {
        let number = tail(row["destination"]["target"].as_str().unwrap());
        let (place, target) = places[&number];
        assert_eq!(row["destination_index"], place, "{row}");
        assert_eq!(row["outdial_target_id"], **target, "{row}");
    };
    app.vb_get(&calls).await["result"].as_array().unwrap().iter().for_each(told);
    until(async || sink.received().len() == 3).await;
    sink.received().iter().for_each(|push| told(&push.json()["data"]));

    // Those of whom nobody may be called are shown, and go when they are told to.
    let targets = format!("/outdials/{outdial}/targets");
    assert_eq!(app.vb_get(&targets).await["result"].as_array().unwrap().len(), 4);
    for kept in [&before, &after] {
        client.ok("DELETE", &format!("{targets}/{kept}"), Value::Null).await;
        app.one_target_is_a_draft();
    }
    assert_eq!(app.vb_get(&targets).await["result"].as_array().unwrap().len(), 2);
    assert_eq!(app.isales.journal.contacts().len(), 2);

    // The home has numbers of the places 1 and 2, and would go on calling them.
    let path = format!("/outplans/{outplan}/dial_info");
    for closed in [[0, 2, 0, 0, 0], [2, 0, 1, 0, 0], [0; 5]] {
        client.refused("PUT", &path, Some(dial_info(closed))).await;
    }
    let another = client.outplan([1, 0, 0, 0, 0]).await;
    let resources = format!("/campaigns/{campaign}/resource_info");
    client.refused("PUT", &resources, Some(parts(&another, &outdial))).await;
    assert_eq!(tries_of(&app.vb_get(&format!("/outplans/{outplan}")).await), [0, 2, 1, 0, 0]);
    let retry_times = async || {
        let number = app.number_of(VDN, "slots").await;
        let path = format!("v1/openapi/campaigns/{VDN}/{number}");
        let own = app.on_isales("GET", &path, None).await;
        own["returnObject"]["retryPolicy"]["retryTimes"].as_i64().unwrap()
    };
    assert_eq!(retry_times().await, 1);
    client.ok("PUT", &path, dial_info([0, 3, 2, 0, 0])).await;
    assert_eq!(retry_times().await, 2);
    app.finish().await;
}

#[tokio::test]
async fn a_campaign_that_says_too_little_is_refused_by_name() {
    let app = TestApp::simulators(on_isales).await.serve().await;
    let client = Client(&app);
    let (campaign, outplan, outdial) = client.whole("little", [0; 5]).await;
    client.target(&outdial, &[(0, 21)]).await;
    let status = format!("/campaigns/{campaign}/status");
    let run = Some(json!({"status": "run"}));
    let refused = async |member: &str| {
        let reply = app.vb("PUT", &status, run.clone()).await;
        let told = (reply.status, reply.reason(), reply.text.contains(member));
        assert_eq!(told, (409, "RULE_NOT_ENFORCED".to_owned(), true), "{member}: {}", reply.text);
        let shown = app.vb_get(&format!("/campaigns/{campaign}")).await;
        assert_eq!(shown["status"], "stop", "a draft still");
        assert_eq!(app.isales.journal.writes().len(), 0, "nothing was made");
    };
    refused("max_try_count_0").await;
    client.attach(&campaign, "", &outdial).await;
    refused("outplan").await;
    client.attach(&campaign, &outplan, &outdial).await;
    client.ok("PUT", &format!("/outplans/{outplan}/dial_info"), dial_info([1, 0, 0, 0, 0])).await;
    let basic = |kind: &str| {
        json!({"name": "little", "detail": "d", "type": kind, "service_level": 100,
            "end_handle": "continue"})
    };
    let path = format!("/campaigns/{campaign}");
    for kind in ["flow", "", "sms"] {
        client.ok("PUT", &path, basic(kind)).await;
        refused("type").await;
    }
    client.ok("PUT", &path, basic("call")).await;
    let started = client.run(&campaign).await;
    assert_eq!(started.status, 200, "{}", started.text);
    until(async || dialled(&app.isales).contains_key(&21)).await;
    // While it runs, neither is taken away from it.
    let resources = format!("{path}/resource_info");
    for (path, body) in [(&path, basic("flow")), (&resources, parts("", &outdial))] {
        let reply = app.vb("PUT", path, Some(body)).await;
        let told = (reply.status, reply.reason());
        assert_eq!(told, (409, "RULE_NOT_ENFORCED".to_owned()), "{path}: {}", reply.text);
    }
    let shown = app.vb_get(&path).await;
    assert_eq!((&shown["type"], &shown["outplan_id"]), (&json!("call"), &json!(outplan)));
    app.finish().await;
}

/// A client of CC-iSales whose campaigns live on VoIPBin.
struct Elsewhere<'a>(&'a TestApp);

impl Elsewhere<'_> {
    async fn campaign(&self, name: &str, retry_times: i64) -> i64 {
        let mut document = document(self.0, name);
        document["retryPolicy"]["retryTimes"] = json!(retry_times);
        let path = format!("v2/openapi/campaigns/{VIRTUAL_VDN}");
        let made = self.0.cc_ok("POST", &path, Some(document)).await;
        made["returnObject"]["id"].as_i64().unwrap()
    }

    async fn add(&self, campaign: i64, contacts: &[&[u32]]) {
        let called = |number: &u32| json!({"calledNo": format!("131000{number:05}")});
        let record = |numbers: &&[u32]| {
            let called: Vec<Value> = numbers.iter().map(called).collect();
            json!({"sessionId": format!("session-{}", numbers[0]), "called": called})
        };
        let records: Vec<Value> = contacts.iter().map(record).collect();
        let path = format!("v2/openapi/campaigns/{VIRTUAL_VDN}/calldata/{campaign}");
        self.0.cc_ok("POST", &path, Some(json!({"callDataList": records}))).await;
    }

    async fn resume(&self, campaign: i64) {
        let path = format!("v1/openapi/campaigns/{VIRTUAL_VDN}/{campaign}/resume");
        self.0.cc_ok("PUT", &path, None).await;
    }

    /// The campaign as VoIPBin has it.
    async fn own(&self, name: &str) -> Value {
        let page = self.0.on_voipbin("GET", "/campaigns", None).await;
        let rows = page["result"].as_array().unwrap();
        rows.iter().find(|row| row["name"] == name).unwrap().clone()
    }

    async fn tries(&self, name: &str) -> Vec<i64> {
        let outplan = self.own(name).await["outplan_id"].as_str().unwrap().to_owned();
        tries_of(&self.0.on_voipbin("GET", &format!("/outplans/{outplan}"), None).await)
    }

    /// Requests that changed something, as far as they matter here.
    fn writes(&self) -> Vec<&'static str> {
        let kind = |path: &str| match path.rsplit('/').next() {
            Some("dial_info") => Some("dial_info"),
            Some("targets") => Some("targets"),
            _ => None,
        };
        self.0.voipbin.journal.writes().iter().filter_map(|write| kind(&write.path)).collect()
    }
}

#[tokio::test]
async fn a_slot_that_no_contact_uses_has_no_tries() {
    let app = TestApp::simulators(bound).await.serve().await;
    everybody_is_busy(&app).await;
    let client = Elsewhere(&app);
    let campaign = client.campaign("short", 2).await;
    assert_eq!(client.tries("short").await, [2, 0, 0, 0, 0]);
    client.add(campaign, &[&[31]]).await;
    client.resume(campaign).await;
    until(async || dialled(&app.voipbin).get(&31) == Some(&2)).await;
    // Its loop goes on: no empty slot was dialled, whose failure would have ended it.
    client.add(campaign, &[&[32], &[33]]).await;
    until(async || {
        let dialled = dialled(&app.voipbin);
        dialled.get(&32) == Some(&2) && dialled.get(&33) == Some(&2)
    })
    .await;
    assert_eq!(client.own("short").await["status"], "run");
    assert_eq!(client.writes(), ["targets"; 3], "no slot was opened for that");
    assert_eq!(dialled(&app.voipbin), BTreeMap::from([(31, 2), (32, 2), (33, 2)]));
    app.finish().await;
}

#[tokio::test]
async fn a_slot_is_opened_before_the_first_contact_that_uses_it() {
    let app = TestApp::simulators(bound).await.serve().await;
    everybody_is_busy(&app).await;
    let client = Elsewhere(&app);
    let campaign = client.campaign("long", 2).await;
    client.add(campaign, &[&[49]]).await;
    client.add(campaign, &[&[41, 42, 43]]).await;
    assert_eq!(client.tries("long").await, [2, 2, 2, 0, 0]);
    client.add(campaign, &[&[44, 45, 46]]).await;
    assert_eq!(client.writes(), ["targets", "dial_info", "targets", "targets"]);
    // An edit changes the slots that are open, and opens none.
    let mut edited = document(&app, "long");
    edited.as_object_mut().unwrap().remove("initStatus");
    edited["retryPolicy"]["retryTimes"] = json!(3);
    let path = format!("v2/openapi/campaigns/{VIRTUAL_VDN}/{campaign}");
    app.cc_ok("PUT", &path, Some(edited)).await;
    assert_eq!(client.tries("long").await, [3, 3, 3, 0, 0]);
    client.resume(campaign).await;
    let expected: BTreeMap<u32, usize> =
        (41..47).map(|number| (number, 3)).chain([(49, 1)]).collect();
    until(async || dialled(&app.voipbin) == expected).await;
    assert_eq!(client.own("long").await["status"], "run");
    app.finish().await;
}

/// No client of CC-iSales can state no tries; the outplan that was made for one can have none all the same.
#[tokio::test]
async fn tries_after_none_open_what_a_new_campaign_would() {
    let app = TestApp::simulators(bound).await.serve().await;
    let client = Elsewhere(&app);
    let campaign = client.campaign("none", 2).await;
    client.add(campaign, &[&[71], &[72, 73]]).await;
    let outplan = client.own("none").await["outplan_id"].as_str().unwrap().to_owned();
    let none = json!({"dial_timeout": 30_000, "try_interval": 600_000, "max_try_count_0": 0,
        "max_try_count_1": 0, "max_try_count_2": 0, "max_try_count_3": 0, "max_try_count_4": 0});
    app.on_voipbin("PUT", &format!("/outplans/{outplan}/dial_info"), Some(none)).await;
    assert_eq!(client.tries("none").await, [0; 5]);
    let mut edited = document(&app, "none");
    edited.as_object_mut().unwrap().remove("initStatus");
    edited["retryPolicy"]["retryTimes"] = json!(3);
    let path = format!("v2/openapi/campaigns/{VIRTUAL_VDN}/{campaign}");
    app.cc_ok("PUT", &path, Some(edited)).await;
    assert_eq!(client.tries("none").await, [3, 3, 0, 0, 0]);
    app.finish().await;
}

#[tokio::test]
async fn what_somebody_else_closed_stays_closed() {
    let app = TestApp::simulators(bound).await;
    everybody_is_busy(&app).await;
    let ids = app.voipbin_campaign("theirs").await;
    let app = app.serve().await;
    let client = Elsewhere(&app);
    let campaign = app.number_of(VIRTUAL_VDN, "theirs").await;
    client.add(campaign, &[&[51, 52, 53]]).await;
    assert_eq!(client.tries("theirs").await, [2, 1, 0, 0, 0]);
    app.on_voipbin(
        "PUT",
        &format!("/campaigns/{}/status", ids.campaign),
        Some(json!({"status": "run"})),
    )
    .await;
    let expected = BTreeMap::from([(51, 2), (52, 1)]);
    until(async || dialled(&app.voipbin) == expected).await;
    assert_eq!(client.writes(), ["targets"]);
    app.finish().await;
}

#[tokio::test]
async fn nobody_is_called_more_often_than_a_client_of_voipbin_allowed() {
    let app = TestApp::simulators(on_isales).await.serve().await;
    everybody_is_busy(&app).await;
    let client = Client(&app);
    let mut random = StdRng::seed_from_u64(7);
    let mut number = 100;
    let mut expected = BTreeMap::new();
    let mut tried = 0;
    while tried < 8 {
        let tries: [i64; 5] = std::array::from_fn(|_| random.random_range(0..=2));
        let Some(least) = tries.into_iter().filter(|tries| *tries > 0).min() else { continue };
        tried += 1;
        let (campaign, _, outdial) = client.whole(&format!("random {tried}"), tries).await;
        for _ in 0..2 {
            let mut numbers = Vec::new();
            for slot in (0..5).filter(|_| random.random_bool(0.6)) {
                // Never one that answers.
                number += if number % 10 == 8 { 2 } else { 1 };
                numbers.push((slot, number));
            }
            if numbers.is_empty() {
                continue;
            }
            client.target(&outdial, &numbers).await;
            let callable: Vec<u32> =
                numbers.iter().filter(|(slot, _)| tries[*slot] > 0).map(|it| it.1).collect();
            if callable.is_empty() {
                app.one_target_is_a_draft();
            }
            for number in callable {
                expected.insert(number, usize::try_from(least).unwrap());
            }
        }
        let run = client.run(&campaign).await;
        assert_eq!(run.status, 200, "{}", run.text);
    }
    assert!(expected.len() > 20, "{expected:?}");
    until(async || dialled(&app.isales) == expected).await;
    app.finish().await;
}

#[tokio::test]
async fn nobody_is_called_more_often_than_a_client_of_cc_isales_allowed() {
    let app = TestApp::simulators(bound).await.serve().await;
    everybody_is_busy(&app).await;
    let client = Elsewhere(&app);
    let mut random = StdRng::seed_from_u64(11);
    let mut number = 100;
    let mut expected = BTreeMap::new();
    for nth in 0..8 {
        let (retry_times, size) = (random.random_range(1..=2), random.random_range(1..=4));
        let campaign = client.campaign(&format!("random {nth}"), retry_times).await;
        for _ in 0..2 {
            let mut numbers = Vec::new();
            while numbers.len() < size {
                number += if number % 10 == 8 { 2 } else { 1 };
                numbers.push(number);
            }
            client.add(campaign, &[&numbers]).await;
            let times = usize::try_from(retry_times).unwrap();
            expected.extend(numbers.into_iter().map(|number| (number, times)));
        }
        client.resume(campaign).await;
    }
    assert!(expected.len() > 20, "{expected:?}");
    until(async || dialled(&app.voipbin) == expected).await;
    app.finish().await;
}
