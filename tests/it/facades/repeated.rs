//! Requests that a client sends again under the same idempotency key: done once, told again.

use std::fmt::Write as _;

use dialbridge::clock::Clock;
use dialbridge::config::LedgerConfig;
use dialbridge::ledger::Ledger;
use dialbridge::ledger::idempotency::{Idempotency, KEPT, KeyedRequest};
use dialbridge::signing::c2;
use futures_util::future::join_all;
use secrecy::SecretString;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::isales_life::{bound, document};
use super::voipbin_life::{creating_on, outplan, target};
use crate::ledger_story::cluster::Database;
use crate::support::{Caller, Host, Reply, TestApp, VDN, VIRTUAL_VDN, signature, until};

const KEY: &str = "order 4711";

async fn post(app: &TestApp, caller: Caller, key: &str, path: &str, body: &Value) -> Reply {
    let url = format!("{}/v1.0{path}?accesskey={}", app.facades(), caller.key());
    let headers = [("idempotency-key", key.to_owned())];
    app.send("POST", &url, &headers, Some(body.to_string())).await
}

async fn made(app: &TestApp, key: &str, path: &str, body: &Value) -> Value {
    let reply = post(app, Caller::Both, key, path, body).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text);
    reply.json()
}

/// How many rows a list has.
async fn rows(app: &TestApp, path: &str) -> usize {
    app.vb_get(path).await["result"].as_array().unwrap().len()
}

fn campaign(name: &str) -> Value {
    json!({"name": name, "detail": "d", "type": "call", "service_level": 100,
        "end_handle": "continue", "actions": []})
}

async fn every_create_is_done_once_on(home: &str) {
    let app = TestApp::simulators(creating_on(home)).await.serve().await;
    let plan = made(&app, "plan", "/outplans", &outplan()).await;
    let spring = made(&app, "spring", "/campaigns", &campaign("spring")).await;
    let list = json!({"campaign_id": spring["id"], "name": "n", "detail": "d", "data": "x"});
    let outdial = made(&app, "list", "/outdials", &list).await;
    let parts = json!({"outplan_id": plan["id"], "outdial_id": outdial["id"]});
    let path = format!("/campaigns/{}/resource_info", spring["id"].as_str().unwrap());
    assert_eq!(app.vb("PUT", &path, Some(parts)).await.status, 200);
    let targets = format!("/outdials/{}/targets", outdial["id"].as_str().unwrap());
    let person = made(&app, "person", &targets, &target(1)).await;

    assert_eq!(made(&app, "plan", "/outplans", &outplan()).await, plan);
    assert_eq!(made(&app, "spring", "/campaigns", &campaign("spring")).await, spring);
    assert_eq!(made(&app, "list", "/outdials", &list).await, outdial);
    assert_eq!(made(&app, "person", &targets, &target(1)).await, person);
    for path in ["/outplans", "/campaigns", "/outdials", &targets] {
        assert_eq!(rows(&app, path).await, 1, "{path}");
    }
    if home == "vb" {
        app.one_in_doubt();
    }
    app.finish().await;
}

#[actix_web::test]
async fn every_create_is_done_once_on_an_account_of_the_same_platform() {
    every_create_is_done_once_on("vb").await;
}

#[actix_web::test]
async fn every_create_is_done_once_on_an_account_of_the_other_platform() {
    every_create_is_done_once_on("cc").await;
}

#[actix_web::test]
async fn many_at_once_make_one() {
    for home in ["vb", "cc"] {
        let app = TestApp::simulators(creating_on(home)).await.serve().await;
        let body = campaign("spring");
        let all = (0..16).map(|_| post(&app, Caller::Both, KEY, "/campaigns", &body));
        let replies = join_all(all).await;
        let spring = made(&app, KEY, "/campaigns", &body).await;
        assert!(replies.iter().any(|reply| reply.status == 200));
        for reply in replies {
            if reply.status == 200 {
                assert_eq!(reply.json(), spring);
            } else {
                let said = (reply.status, reply.reason());
                assert_eq!(said, (503, "SERVICE_UNAVAILABLE".to_owned()));
                assert!(reply.headers.contains_key("retry-after"));
            }
        }
        assert_eq!(rows(&app, "/campaigns").await, 1);
        app.finish().await;
    }
}

#[actix_web::test]
async fn a_key_is_for_one_request_of_one_client() {
    let app = TestApp::simulators(creating_on("cc")).await.serve().await;
    let spring = made(&app, KEY, "/campaigns", &campaign("spring")).await;
    for (path, body) in [("/campaigns", campaign("autumn")), ("/outplans", campaign("spring"))] {
        let reply = post(&app, Caller::Both, KEY, path, &body).await;
        assert_eq!((reply.status, reply.reason().as_str()), (400, "INVALID_ARGUMENT"), "{path}");
    }
    let other = post(&app, Caller::Seed, KEY, "/campaigns", &campaign("spring")).await;
    assert_eq!(other.status, 200, "{}", other.text);
    assert_ne!(other.json()["id"], spring["id"]);
    let long = "k".repeat(256);
    for key in ["", "tab\there", &long] {
        let reply = post(&app, Caller::Both, key, "/campaigns", &campaign("winter")).await;
        assert_eq!((reply.status, reply.reason().as_str()), (400, "INVALID_ARGUMENT"), "{key}");
    }
    assert_eq!(rows(&app, "/campaigns").await, 2);
    app.finish().await;
}

#[actix_web::test]
async fn a_refusal_gives_the_key_back() {
    let app = TestApp::simulators(creating_on("cc")).await.serve().await;
    let mut wrong = campaign("spring");
    wrong["outplan_id"] = json!("7c4d2f3a-1b8e-4f5c-9a6d-3e2f1a0b9c8d");
    let reply = post(&app, Caller::Both, KEY, "/campaigns", &wrong).await;
    assert_eq!((reply.status, reply.reason().as_str()), (400, "INVALID_ARGUMENT"));
    made(&app, KEY, "/campaigns", &campaign("spring")).await;
    app.finish().await;
}

#[actix_web::test]
async fn a_create_whose_answer_was_lost_is_not_sent_again() {
    let app = TestApp::simulators(creating_on("vb")).await.serve().await;
    app.voipbin.faults.set("lost-answer#1".parse().unwrap());
    let first = post(&app, Caller::Both, KEY, "/outplans", &outplan()).await;
    assert_eq!((first.status, first.reason().as_str()), (503, "OUTCOME_UNKNOWN"), "{}", first.text);
    let second = post(&app, Caller::Both, KEY, "/outplans", &outplan()).await;
    assert_eq!((second.status, second.reason().as_str()), (503, "OUTCOME_UNKNOWN"));
    let job = |reply: &Reply| reply.json()["error"]["details"][0]["job_id"].clone();
    assert!(job(&first).is_string());
    assert_eq!(job(&first), job(&second));
    assert_eq!(rows(&app, "/outplans").await, 1, "the first was taken, the second not sent");
    made(&app, "another key", "/outplans", &outplan()).await;
    assert_eq!(rows(&app, "/outplans").await, 2);
    app.finish().await;
}

#[actix_web::test]
async fn what_a_dead_process_left_half_way_is_in_doubt() {
    let mut ledger = None;
    let app = TestApp::simulators(|config| {
        creating_on("cc")(config);
        ledger = Some(config.ledger.clone());
    });
    let app = app.await;
    let Some(LedgerConfig::Sqlite { path }) = ledger else { panic!("a file is expected") };
    let body = campaign("spring");
    let mut fingerprint = String::new();
    for byte in Sha256::digest(format!("/v1.0/campaigns\n{body}")) {
        write!(fingerprint, "{byte:02x}").unwrap();
    }
    let clock = Clock::real();
    Ledger::migrate_sqlite(&path, &clock).unwrap();
    let of_the_dead = Ledger::open_sqlite(&path).unwrap();
    let (client, key) = ("both".to_owned(), KEY.to_owned());
    let request = KeyedRequest { client, key, fingerprint, subject: None, kept: KEPT };
    // A moment ago.
    let begin = of_the_dead.begin_idempotent(request, clock.now());
    assert_eq!(begin.await.unwrap(), Idempotency::New);
    drop(of_the_dead);

    let app = app.serve().await;
    let mut jobs = Vec::new();
    for _ in 0..2 {
        let reply = post(&app, Caller::Both, KEY, "/campaigns", &body).await;
        assert_eq!((reply.status, reply.reason().as_str()), (503, "OUTCOME_UNKNOWN"));
        jobs.push(reply.json()["error"]["details"][0]["job_id"].clone());
    }
    assert_eq!(jobs[0], jobs[1]);
    assert_eq!(rows(&app, "/campaigns").await, 0, "nothing is repeated blindly");
    app.finish().await;
}

#[actix_web::test]
async fn records_are_added_once_under_a_key() {
    let app = TestApp::simulators(|_| {}).await;
    let paired = app.isales_campaign("paired").await;
    app.voipbin_campaign("numbered").await;
    let app = app.serve().await;
    let numbered = app.number_of(VIRTUAL_VDN, "numbered").await;
    let (access_key, secret) = Caller::Both.keys();
    let keys = c2::Credentials::new(access_key, &SecretString::from(secret)).unwrap();
    for (vdn, number) in [(VDN, paired), (VIRTUAL_VDN, numbered)] {
        let path = format!("v2/openapi/campaigns/{vdn}/calldata/{number}");
        let record = json!({"sessionId": "s", "called": [{"calledNo": "13100000001"}]});
        let body = json!({"callDataList": [record]}).to_string();
        let url = format!("{}/rest/isales/{path}", app.facades());
        let mut answers = Vec::new();
        for _ in 0..2 {
            let headers = [
                ("authorization", signature(&keys, "POST", &url, &body)),
                ("idempotency-key", format!("{KEY} {vdn}")),
            ];
            let reply = app.send("POST", &url, &headers, Some(body.clone())).await;
            assert_eq!(reply.code(), "0200000", "{}", reply.text);
            answers.push(reply.json());
        }
        assert_eq!(answers[0], answers[1]);
        app.one_in_doubt();
    }
    app.finish().await;
}

/// A signed create of a CC-iSales-shaped campaign under a key.
async fn post_pair(app: &TestApp, caller: Caller, key: &str, vdn: i64, body: &Value) -> Reply {
    let url = format!("{}/rest/isales/v2/openapi/campaigns/{vdn}", app.facades());
    let (access_key, secret) = caller.keys();
    let keys = c2::Credentials::new(access_key, &SecretString::from(secret)).unwrap();
    let body = body.to_string();
    let authorization = ("authorization", signature(&keys, "POST", &url, &body));
    let headers = [authorization, ("idempotency-key", key.to_owned())];
    app.send("POST", &url, &headers, Some(body)).await
}

/// How many campaigns a VDN has.
async fn campaigns_of(app: &TestApp, vdn: i64) -> Value {
    let path = format!("v1/openapi/campaigns/{vdn}?status=0&deviceType=0&curPage=1");
    app.cc_ok("GET", &path, None).await["totalSize"].clone()
}

#[actix_web::test]
async fn a_pair_shaped_campaign_is_made_once_on_either_home() {
    let app = TestApp::simulators(bound).await.serve().await;
    for vdn in [VDN, VIRTUAL_VDN] {
        let (key, body) = (format!("{KEY} {vdn}"), document(&app, "spring"));
        let all = (0..8).map(|_| post_pair(&app, Caller::Both, &key, vdn, &body));
        let replies = join_all(all).await;
        let made = post_pair(&app, Caller::Both, &key, vdn, &body).await;
        assert_eq!(made.code(), "0200000", "{}", made.text);
        assert!(made.json()["returnObject"]["id"].is_i64(), "{}", made.text);
        for reply in replies {
            if reply.text != made.text {
                assert_eq!(reply.status, 503, "{}", reply.text);
                assert!(reply.headers.contains_key("retry-after"));
            }
        }
        assert_eq!(campaigns_of(&app, vdn).await, 1);
        // The key is for this request of this client.
        let other = post_pair(&app, Caller::Both, &key, vdn, &document(&app, "autumn")).await;
        assert_eq!(other.code(), "0200001", "{}", other.text);
        let long = "k".repeat(256);
        let unsound = post_pair(&app, Caller::Both, &long, vdn, &document(&app, "autumn")).await;
        assert_eq!(unsound.code(), "0200001", "{}", unsound.text);
        let theirs = post_pair(&app, Caller::Seed, &key, vdn, &document(&app, "autumn")).await;
        assert_eq!(theirs.code(), "0200000", "{}", theirs.text);
        assert_eq!(campaigns_of(&app, vdn).await, 2);
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_refused_pair_shaped_create_gives_the_key_back() {
    let app = TestApp::simulators(bound).await.serve().await;
    for vdn in [VDN, VIRTUAL_VDN] {
        let key = format!("{KEY} {vdn}");
        let mut wrong = document(&app, "spring");
        wrong["skillParam"]["skillId"] = json!(0);
        let refused = post_pair(&app, Caller::Both, &key, vdn, &wrong).await;
        assert_ne!(refused.code(), "0200000", "{}", refused.text);
        let made = post_pair(&app, Caller::Both, &key, vdn, &document(&app, "spring")).await;
        assert_eq!(made.code(), "0200000", "{}", made.text);
        assert_eq!(campaigns_of(&app, vdn).await, 1);
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_pair_shaped_create_whose_answer_was_lost_is_not_sent_again() {
    let app = TestApp::simulators(bound).await.serve().await;
    app.isales.faults.set("lost-answer#1".parse().unwrap());
    let body = document(&app, "spring");
    let first = post_pair(&app, Caller::Both, KEY, VDN, &body).await;
    assert_eq!(first.status, 503, "{}", first.text);
    let second = post_pair(&app, Caller::Both, KEY, VDN, &body).await;
    assert_eq!((second.status, &second.text), (503, &first.text));
    let made =
        app.isales.journal.calls("POST", &format!("/rest/isales/v2/openapi/campaigns/{VDN}"));
    assert_eq!(made, 1);
    app.finish().await;
}

/// A request that is signed once, and may be sent as often as anybody likes.
struct Signed {
    method: &'static str,
    path: String,
    body: String,
    authorization: String,
}

/// Signed under the gateway's public name, so that it is good also after a restart, at a time in whole
/// seconds, so that the same request of one second has the same signature.
fn signed(method: &'static str, path: &str, body: Option<&Value>) -> Signed {
    let (access_key, secret) = Caller::Both.keys();
    let keys = c2::Credentials::new(access_key, &SecretString::from(secret)).unwrap();
    let body = body.map(Value::to_string).unwrap_or_default();
    let path = format!("/rest/isales/{path}");
    let request = c2::Request {
        method,
        path: &path,
        raw_query: None,
        headers: &Host("dialbridge.example.com:8443".to_owned()),
        body: body.as_bytes(),
    };
    let options = c2::SignOptions {
        timestamp: Clock::real().wall(),
        millis: false,
        signed_headers: &c2::SignedHeaders::host_only(),
        empty_query_line: false,
    };
    let authorization = c2::sign(&keys, &request, &options).unwrap();
    Signed { method, path, body, authorization }
}

impl Signed {
    async fn send(&self, app: &TestApp) -> Reply {
        self.send_to(app, &app.facades()).await
    }

    async fn send_to(&self, app: &TestApp, facades: &str) -> Reply {
        let url = format!("{facades}{}", self.path);
        let headers = [("authorization", self.authorization.clone())];
        app.send(self.method, &url, &headers, Some(self.body.clone())).await
    }

    async fn succeeds(&self, app: &TestApp) -> Reply {
        let reply = self.send(app).await;
        assert_eq!(reply.code(), "0200000", "{} {}: {}", self.method, self.path, reply.text);
        reply
    }
}

#[actix_web::test]
async fn a_signed_write_that_arrives_twice_is_done_once() {
    let app = TestApp::simulators(bound).await.serve().await;
    let path = format!("v2/openapi/campaigns/{VDN}");
    let spring = document(&app, "spring");
    let create = signed("POST", &path, Some(&spring));
    let first = create.succeeds(&app).await;
    let again = create.send(&app).await;
    assert_eq!((again.status, &again.text), (200, &first.text));
    assert_eq!(again.headers["content-type"], first.headers["content-type"]);
    // Another process remembers it, too.
    let app = app.stopped().await.serve().await;
    assert_eq!(create.send(&app).await.text, first.text);
    // Of another time it is another request, which is refused, and refused again in the same words.
    let refused = app.cc("POST", &path, Some(spring)).await;
    assert_eq!(refused.code(), "0200005");
    assert_eq!(sent(&app, &create.path), 2);
    app.finish().await;
}

#[actix_web::test]
async fn one_of_many_copies_of_a_signed_write_is_done() {
    let app = TestApp::simulators(bound).await.serve().await;
    let path = format!("v2/openapi/campaigns/{VDN}");
    let create = signed("POST", &path, Some(&document(&app, "spring")));
    app.isales.faults.set("delay=30s".parse().unwrap());
    let replies = join_all((0..8).map(|_| create.send(&app))).await;
    app.isales.faults.set("".parse().unwrap());
    let of = |code: &str| replies.iter().filter(|reply| reply.code() == code).count();
    assert_eq!((of("0200000"), of("0200006")), (1, 7), "{replies:?}");
    assert_eq!(sent(&app, &create.path), 1);
    let told = create.succeeds(&app).await;
    assert!(replies.iter().any(|reply| reply.text == told.text));
    app.finish().await;
}

/// A campaign in the VDN that calls one person, and does.
async fn running(app: &TestApp) -> String {
    let path = format!("v2/openapi/campaigns/{VDN}");
    let made = app.cc_ok("POST", &path, Some(document(app, "spring"))).await;
    let number = made["returnObject"]["id"].as_i64().unwrap();
    let records =
        json!({"callDataList": [{"sessionId": "s", "called": [{"calledNo": "13800138001"}]}]});
    app.cc_ok("POST", &format!("{path}/calldata/{number}"), Some(records)).await;
    let campaign = format!("v1/openapi/campaigns/{VDN}/{number}");
    app.cc_ok("PUT", &format!("{campaign}/resume"), None).await;
    campaign
}

async fn status_is(app: &TestApp, campaign: &str, status: i64) {
    until(async || app.on_isales("GET", campaign, None).await["returnObject"]["status"] == status)
        .await;
}

fn sent(app: &TestApp, end: &str) -> usize {
    app.isales.journal.writes().iter().filter(|write| write.path.ends_with(end)).count()
}

#[actix_web::test]
async fn pause_resume_and_pause_of_one_second_leave_it_paused() {
    let app = TestApp::simulators(bound).await.serve().await;
    let campaign = running(&app).await;
    let [pause, resume] =
        ["pause", "resume"].map(|what| signed("PUT", &format!("{campaign}/{what}"), None));
    for _ in 0..3 {
        pause.succeeds(&app).await;
    }
    let mut change = document(&app, "spring");
    change.as_object_mut().unwrap().remove("initStatus");
    app.cc_ok("PUT", &campaign.replace("v1", "v2"), Some(change)).await;
    pause.succeeds(&app).await;
    assert_eq!(sent(&app, "/pause"), 1, "it arrived four times and is done once");
    resume.succeeds(&app).await;
    status_is(&app, &campaign, 2).await;
    // Whether it is meant anew or only arrives again, nobody can say: it is stopped.
    pause.succeeds(&app).await;
    status_is(&app, &campaign, 3).await;
    // A start is not repeated, and its client is not told that it was.
    let refused = resume.send(&app).await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "0200006"), "{}", refused.text);
    assert!(refused.headers.contains_key("retry-after"));
    // The same when somebody else had it started.
    app.on_isales("PUT", &format!("{campaign}/resume"), None).await;
    app.cc_ok("GET", &campaign, None).await;
    status_is(&app, &campaign, 2).await;
    pause.succeeds(&app).await;
    status_is(&app, &campaign, 3).await;
    app.finish().await;
}

#[actix_web::test]
async fn a_pause_that_arrives_while_its_like_is_under_way_is_not_lost() {
    let app = TestApp::simulators(bound).await.serve().await;
    let campaign = running(&app).await;
    let pause = signed("PUT", &format!("{campaign}/pause"), None);
    app.isales.faults.set("delay=60s".parse().unwrap());
    let again = async {
        until(async || sent(&app, "/pause") > 0).await;
        pause.send(&app).await
    };
    let (first, again) = tokio::join!(pause.send(&app), again);
    app.isales.faults.set("".parse().unwrap());
    assert_eq!(first.code(), "0200000", "{}", first.text);
    assert!(["0200000", "0200006"].contains(&&*again.code()), "{}", again.text);
    status_is(&app, &campaign, 3).await;
    pause.succeeds(&app).await;
    assert_eq!(sent(&app, "/pause"), 1);
    app.finish().await;
}

#[actix_web::test]
async fn a_change_that_another_overtook_is_not_told_as_done() {
    let app = TestApp::simulators(bound).await.serve().await;
    let campaign = running(&app).await;
    app.cc_ok("PUT", &format!("{campaign}/pause"), None).await;
    let path = campaign.replace("v1", "v2");
    let hours = |end: &str| {
        let mut document = document(&app, "spring");
        document["scheduleParam"]["workdayEndTime1"] = json!(end);
        document.as_object_mut().unwrap().remove("initStatus");
        signed("PUT", &path, Some(&document))
    };
    let (short, long) = (hours("18:00"), hours("23:59"));
    let shown = async || {
        let shown = app.cc_ok("GET", &campaign, None).await;
        shown["returnObject"]["scheduleParam"]["workdayEndTime1"].clone()
    };
    short.succeeds(&app).await;
    let written = sent(&app, &path);
    assert_eq!(written, 1);
    short.succeeds(&app).await;
    assert_eq!(sent(&app, &path), written);
    long.succeeds(&app).await;
    let refused = short.send(&app).await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "0200006"), "{}", refused.text);
    assert_eq!(shown().await, "23:59");
    long.succeeds(&app).await;
    app.finish().await;
}

#[actix_web::test]
async fn numbers_that_were_added_are_not_added_again_whatever_came_since() {
    let app = TestApp::simulators(bound).await.serve().await;
    let campaign = running(&app).await;
    let path =
        campaign.replace("v1", "v2").replace(&format!("{VDN}/"), &format!("{VDN}/calldata/"));
    let add = |n: u32| {
        let record = json!({"sessionId": n.to_string(), "called": [{"calledNo": "13800138002"}]});
        signed("POST", &path, Some(&json!({"callDataList": [record]})))
    };
    let (first, second) = (add(1), add(2));
    let told = first.succeeds(&app).await;
    second.succeeds(&app).await;
    app.cc_ok("PUT", &format!("{campaign}/pause"), None).await;
    assert_eq!(first.succeeds(&app).await.text, told.text);
    assert_eq!(app.isales.journal.contacts().len(), 3);
    for _ in 0..2 {
        app.one_in_doubt();
    }
    app.finish().await;
}

#[actix_web::test]
async fn of_two_processes_one_does_a_signed_write() {
    let database = Database::create();
    let app = TestApp::simulators(|config| {
        bound(config);
        config.ledger = database.ledger();
    });
    let app = app.await.serve().await;
    let replica = app.replica().await;
    let processes = [app.facades(), format!("http://{}", replica.facades)];
    let create =
        signed("POST", &format!("v2/openapi/campaigns/{VDN}"), Some(&document(&app, "spring")));
    app.isales.faults.set("delay=30s".parse().unwrap());
    let copies = processes.iter().cycle().take(8);
    let replies = join_all(copies.map(|process| create.send_to(&app, process))).await;
    app.isales.faults.set("".parse().unwrap());
    let of = |code: &str| replies.iter().filter(|reply| reply.code() == code).count();
    assert_eq!((of("0200000"), of("0200006")), (1, 7), "{replies:?}");
    let told = join_all(processes.iter().map(|process| create.send_to(&app, process))).await;
    assert_eq!((told[0].code().as_str(), &told[0].text), ("0200000", &told[1].text));
    assert_eq!(sent(&app, &create.path), 1);

    let number = told[0].json()["returnObject"]["id"].as_i64().unwrap();
    let campaign = format!("v1/openapi/campaigns/{VDN}/{number}");
    let [pause, resume] =
        ["pause", "resume"].map(|what| signed("PUT", &format!("{campaign}/{what}"), None));
    for (write, process, status) in [(&resume, 0, 2), (&pause, 1, 3), (&pause, 0, 3)] {
        let reply = write.send_to(&app, &processes[process]).await;
        assert_eq!(reply.code(), "0200000", "{}: {}", write.path, reply.text);
        status_is(&app, &campaign, status).await;
    }
    assert_eq!(sent(&app, "/pause"), 1);
    // Started again through one process, it is stopped through the other.
    app.cc_ok("PUT", &format!("{campaign}/resume"), None).await;
    assert_eq!(pause.send_to(&app, &processes[1]).await.code(), "0200000");
    status_is(&app, &campaign, 3).await;
    replica.stop().await;
    app.finish().await;
}
