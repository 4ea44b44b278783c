//! Result queries. Where client and home speak one language the home answers, and where it cannot, the
//! ledger, which says so; of other homes the ledger tells what this platform would.

use dialbridge::config::{Config, PlatformSettings};
use dialbridge::signing::webhook;
use dialbridge::simulators::voipbin;
use futures_util::future::join_all;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::results::source;
use crate::support::{TestApp, VDN, VIRTUAL_VDN, until};

/// The rows of the vendor's page: two calls of one subscriber.
const SAMPLE: &str = include_str!("../../../fixtures/isales/call-result.campaign-3.json");

fn sample() -> Value {
    serde_json::from_str(SAMPLE).unwrap()
}

/// The request of the vendor's page.
fn asked() -> Value {
    json!({"sessionId": "1202_test013", "pageSize": 500, "pageNum": 1})
}

fn results(vdn: i64, campaign: i64) -> String {
    format!("v1/openapi/campaigns/{vdn}/callresult/{campaign}")
}

async fn control(app: &TestApp, what: &str, body: Value) {
    let url = format!("{}/_sim/{what}", app.isales.base_url());
    let reply = app.send("POST", &url, &[], Some(body.to_string())).await;
    assert!(matches!(reply.status, 200 | 204), "{what}: {}", reply.text);
}

/// The campaign of the vendor's page with its two rows, and one without any.
async fn with_the_sample(change: impl FnOnce(&mut Config)) -> (TestApp, i64) {
    let app = TestApp::simulators(change).await;
    control(&app, "seeds", json!({"vdnId": VDN, "results": sample()["data"]})).await;
    let empty = app.isales_campaign("empty").await;
    (app.serve().await, empty)
}

/// Has both rows recorded: a client of the other platform has the home asked.
async fn learn(app: &TestApp) {
    let uuid = app.uuid_of("campaign 3").await;
    let calls = app.vb_get(&format!("/campaigns/{uuid}/campaigncalls")).await;
    assert_eq!(calls["result"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_request_of_the_vendors_page_gives_its_answer() {
    let (app, _) = with_the_sample(|_| {}).await;
    let reply = app.cc("POST", &results(VDN, 3), Some(asked())).await;
    assert_eq!((&reply.text, source(&reply)), (&sample().to_string(), None));
    app.finish().await;
}

#[tokio::test]
async fn queries_right_and_wrong_are_answered_in_the_platforms_words() {
    let (app, empty) = with_the_sample(|_| {}).await;
    let days = |begin: &str, end: &str| json!({"beginTime": begin, "endTime": end});
    let bodies = [
        Some(json!({})),
        None,
        Some(json!({"sessionId": "nobody"})),
        Some(json!({"customField": "none"})),
        Some(json!({"pageSize": 1, "pageNum": 2})),
        Some(json!({"pageSize": 1, "pageNum": 3, "showDetail": 1})),
        Some(json!({"showDetail": 1, "unheardOf": [1, 2]})),
        Some(days("2020-08-30", "2020-08-31")),
        Some(days("2020-08-28", "2020-08-29")),
        Some(json!({"pageSize": 501})),
        Some(json!({"pageSize": 101, "showDetail": 1})),
        Some(json!({"pageNum": 0})),
        Some(json!({"showDetail": 2})),
        Some(json!({"sessionId": "x".repeat(33)})),
        Some(json!({"beginTime": "2020-08-30"})),
        Some(days("yesterday", "2020-08-31")),
        Some(days("2020-08-31", "2020-08-31")),
        Some(days("2020-07-01", "2020-08-31")),
    ];
    let at = |rest: &str| format!("v1/openapi/campaigns/{VDN}/{rest}");
    let queries = bodies.into_iter().map(|body| ("POST", results(VDN, 3), body));
    let others = [
        ("POST", results(VDN, empty), Some(json!({}))),
        ("GET", at("callresultdetail/0023-134864174"), None),
        ("GET", at("callresultdetail/nobody-knows"), None),
    ];
    for (method, path, body) in queries.chain(others) {
        let ours = app.cc(method, &path, body.clone()).await;
        let theirs = app.try_on_isales(method, &path, body.clone()).await;
        assert_eq!((ours.status, &ours.text), (200, &theirs.text), "{path} {body:?}");
        assert_eq!(source(&ours), None, "{path} {body:?}");
    }
    app.finish().await;
}

/// Without its platform a campaign's results are those that the gateway has: they say so, and none is
/// made up where there is none.
#[tokio::test]
async fn where_the_platform_cannot_answer_the_ledger_does_and_says_so() {
    let (app, empty) = with_the_sample(|_| {}).await;
    learn(&app).await;
    let detail = format!("v1/openapi/campaigns/{VDN}/callresultdetail/0023-134864893");
    for fault in ["malformed", "truncated", "drop", "401", "429", "5xx"] {
        app.isales.faults.set(fault.parse().unwrap());
        let reply = app.cc("POST", &results(VDN, 3), Some(asked())).await;
        assert_eq!(
            (reply.status, source(&reply)),
            (200, Some("ledger")),
            "{fault}: {}",
            reply.text
        );
        assert_eq!(reply.json(), sample(), "{fault}");
        let reply = app.cc("GET", &detail, None).await;
        assert_eq!(
            (reply.status, source(&reply)),
            (200, Some("ledger")),
            "{fault}: {}",
            reply.text
        );
        assert_eq!(reply.json()["data"]["recordPath"], "Y:/1/11/20200830/3408/0942113.V3");
        // Nothing is known of the other one: that nobody was called there cannot be said.
        let reply = app.cc("POST", &results(VDN, empty), Some(json!({}))).await;
        assert_eq!(
            (reply.status == 200 && reply.code() == "0200000", source(&reply)),
            (false, None)
        );
    }
    app.isales.faults.set("".parse().unwrap());
    app.finish().await;
}

#[tokio::test]
async fn a_query_that_is_wrong_is_not_answered_from_the_ledger() {
    let (app, _) = with_the_sample(|_| {}).await;
    learn(&app).await;
    let wrong = Some(json!({"pageSize": 501}));
    let ask = async || app.cc("POST", &results(VDN, 3), wrong).await;
    let reply = app.without_isales(ask).await;
    assert_eq!((reply.status, source(&reply)), (503, None), "{}", reply.text);
    app.finish().await;
}

/// At most ten at once reach the platform, and who asks the same while it is asked shares its answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_queries_are_shared_and_paced() {
    let (app, _) = with_the_sample(|_| {}).await;
    let path = format!("/rest/isales/{}", results(VDN, 3));
    let count = || app.isales.journal.calls("POST", &path);
    // Each takes a second of ours.
    control(&app, "switches", json!({"result_query_ms": 60_000})).await;
    let same = join_all((0..15).map(|_| app.cc_ok("POST", &path[13..], Some(asked())))).await;
    assert!(same.iter().all(|answer| *answer == sample()));
    let asked_for_same = count();
    assert!(asked_for_same < 15, "{asked_for_same}");
    let different = (0..15).map(|n| json!({"pageSize": 10 + n, "pageNum": 1}));
    let different = different.map(|query| app.cc_ok("POST", &path[13..], Some(query)));
    assert!(join_all(different).await.iter().all(|answer| *answer == sample()));
    assert_eq!(count(), asked_for_same + 15);
    assert!(app.isales.journal.events().is_empty(), "more than ten at once");
    app.finish().await;
}

/// A campaign on VoIPBin whose two people a CC-iSales client added as one subscriber.
struct Pair {
    app: TestApp,
    campaign: String,
    number: i64,
    outdial: String,
    /// Ids of the two as VoIPBin calls them.
    targets: [String; 2],
}

impl Pair {
    async fn begin() -> Self {
        let app = TestApp::simulators(|config| {
            let own = voipbin::Account::numbered(1).webhook_secret;
            for account in &mut config.accounts {
                if let PlatformSettings::Voipbin { webhook_secret, .. } = &mut account.platform {
                    *webhook_secret = Some(own.clone());
                }
            }
        })
        .await;
        let ids = app.voipbin_campaign("pair").await;
        let app = app.serve().await;
        let number = app.number_of(VIRTUAL_VDN, "pair").await;
        let add = format!("v1/openapi/campaigns/{VIRTUAL_VDN}/calldata/{number}");
        let mut targets = Vec::new();
        for (called, field) in [("13100000001", "spring"), ("13100000002", "autumn")] {
            let record = json!({"sessionId": "s", "called": called, "customField": field});
            app.cc_ok("POST", &add, Some(json!({"callDataList": [record]}))).await;
            let list = format!("/outdials/{}/targets", ids.outdial);
            let there = app.on_voipbin("GET", &list, None).await;
            let target = |row: &Value| row["id"].as_str().unwrap().to_owned();
            let mut ids = there["result"].as_array().unwrap().iter().map(target);
            targets.push(ids.find(|id| !targets.contains(id)).unwrap());
        }
        let (campaign, outdial) = (ids.campaign, ids.outdial);
        Self { app, campaign, number, outdial, targets: targets.try_into().unwrap() }
    }

    /// The platform tells how a call to one of them ended, or with "" that it is under way.
    async fn call(&self, (call, whom): (u128, usize), minute: u32, result: &str) {
        let number = format!("+861310000000{}", whom + 1);
        let status = if result.is_empty() { "dialing" } else { "done" };
        let body = json!({"type": "campaigncall_updated", "data": {"id": Uuid::from_u128(call),
            "campaign_id": self.campaign, "outdial_target_id": self.targets[whom],
            "status": status, "result": result, "reference_type": "call",
            "destination": {"type": "tel", "target": number}, "destination_index": 0,
            "try_count": 1, "tm_create": format!("2026-10-01T08:{minute:02}:00.000000Z"),
            "tm_update": format!("2026-10-01T08:{minute:02}:30.000000Z")}})
        .to_string();
        let secret = voipbin::Account::numbered(1).webhook_secret;
        let secret = secrecy::SecretString::from(secret.expose_secret());
        let proof = [(webhook::SIGNATURE_HEADER, webhook::sign(&secret, body.as_bytes()))];
        let url = format!("{}/callbacks/voipbin/vb", self.app.callbacks());
        assert_eq!(self.app.send("POST", &url, &proof, Some(body)).await.status, 200);
        until(async || self.app.inbox("vb").await["waiting"] == 0).await;
    }

    /// Minutes of the calls that a query shows, in its order.
    async fn shown(&self, query: Value) -> Vec<String> {
        let path = results(VIRTUAL_VDN, self.number);
        let answer = self.app.cc_ok("POST", &path, Some(query)).await;
        let rows = answer["data"].as_array().unwrap();
        assert_eq!(answer["totalCount"], rows.len());
        rows.iter().map(|row| row["callTimeStr"].as_str().unwrap()[14..16].to_owned()).collect()
    }
}

#[tokio::test]
async fn of_a_campaign_elsewhere_finished_contacts_are_told_oldest_first() {
    let pair = Pair::begin().await;
    let every = || json!({"showDetail": 1});
    // Two tries each: the first is nobody's final result.
    pair.call((0xa3, 0), 10, "fail").await;
    pair.call((0xa1, 1), 5, "fail").await;
    assert_eq!(
        pair.shown(every()).await,
        ["05", "10"],
        "as they were called, not as they were told"
    );
    assert_eq!(pair.shown(json!({})).await, [""; 0]);
    pair.call((0xa2, 0), 20, "fail").await;
    assert_eq!(pair.shown(json!({})).await, ["20"]);
    pair.call((0xa0, 1), 15, "success").await;
    assert_eq!(pair.shown(json!({"showDetail": 0})).await, ["15", "20"]);
    assert_eq!(pair.shown(every()).await, ["05", "10", "15", "20"]);
    // They are one subscriber, and each has a custom field of their own.
    assert_eq!(pair.shown(json!({"sessionId": "s"})).await, ["15", "20"]);
    let field = |text: &str| json!({"customField": text, "showDetail": 1});
    assert_eq!(pair.shown(field("spring")).await, ["10", "20"]);
    assert_eq!(pair.shown(field("autumn")).await, ["05", "15"]);
    assert_eq!(pair.shown(field("winter")).await, [""; 0]);
    // To a client of the other platform they are two people, too.
    let calls = pair.app.vb_get(&format!("/campaigns/{}/campaigncalls", pair.campaign)).await;
    let called = |row: &Value| json!([row["destination"]["target"], row["outdial_target_id"]]);
    let called: Vec<Value> = calls["result"].as_array().unwrap().iter().map(called).collect();
    let people = pair.app.vb_get(&format!("/outdials/{}/targets", pair.outdial)).await;
    let person = |row: &Value| json!([row["destination_0"]["target"], row["id"]]);
    for person in people["result"].as_array().unwrap().iter().map(person) {
        assert_eq!(called.iter().filter(|call| **call == person).count(), 2, "{calls} {people}");
    }
    assert_eq!(called.len(), 4);
    pair.app.finish().await;
}

#[tokio::test]
async fn a_failure_that_nobody_explains_has_a_code() {
    let pair = Pair::begin().await;
    pair.call((0xa1, 0), 10, "fail").await;
    pair.call((0xa2, 1), 20, "success").await;
    let path = results(VIRTUAL_VDN, pair.number);
    let answer = pair.app.cc_ok("POST", &path, Some(json!({"showDetail": 1}))).await;
    let codes = |row: &Value| json!([row["callStatus"], row["failCode"], row["resultCode"]]);
    let codes: Vec<Value> = answer["data"].as_array().unwrap().iter().map(codes).collect();
    assert_eq!(codes, [json!([5, "34608", "OB34608"]), json!([6, "00000", "OB99999"])]);
    let call = &answer["data"][0]["callId"].as_str().unwrap();
    let path = format!("v1/openapi/campaigns/{VIRTUAL_VDN}/callresultdetail/{call}");
    assert_eq!(pair.app.cc_ok("GET", &path, None).await["data"]["failCode"], "34608");
    pair.app.finish().await;
}

/// What the home refuses, it refuses in its own words: they name the record that is wrong.
#[tokio::test]
async fn refusals_of_the_clients_own_platform_go_through() {
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("refusing").await;
    let app = app.serve().await;
    let at = |version: &str, rest: &str| format!("{version}/openapi/campaigns/{VDN}{rest}");
    let blocked = json!({"blocklist": ["13800138002"]});
    app.on_isales("POST", &at("v1", "/blocklist/add"), Some(blocked)).await;
    let two = |called: &str| json!({"sessionId": called, "called": [{"calledNo": called}]});
    let numbers = json!([{"calledNo": "13800138001"}, {"calledNo": "13800138001"}]);
    let twice = json!({"sessionId": "s", "called": numbers});
    let mut batched = two("13800138003");
    batched["batchId"] = json!("nobody's");
    let list = |records: [Value; 2]| Some(json!({ "callDataList": records }));
    let calldata = format!("/calldata/{campaign}");
    let date = json!({"name": "x".repeat(300), "type": 1, "week": "7"});
    let cases = [
        ("POST", at("v2", &calldata), list([two("13800138001"), two("13800138002")]), "0200024"),
        ("POST", at("v2", &calldata), list([twice, two("13800138003")]), "0200018"),
        ("POST", at("v2", &calldata), list([two("13800138001"), batched]), "0200001"),
        ("POST", at("v1", &format!("/holiday/{campaign}")), Some(date), "02000003"),
    ];
    for (method, path, body, code) in cases {
        let ours = app.cc(method, &path, body.clone()).await;
        // Adding too soon after the one before is another refusal.
        let theirs = async || app.try_on_isales(method, &path, body.clone()).await;
        let mut said = theirs().await;
        until(async || {
            if said.code() == "0200022" {
                said = theirs().await;
            }
            said.code() != "0200022"
        })
        .await;
        assert_eq!((ours.status, ours.code()), (200, code.to_owned()), "{path}: {}", ours.text);
        assert_eq!(ours.text, said.text, "{path}");
        assert!(code != "0200024" || ours.text.contains("callDataList[1]"), "{}", ours.text);
    }
    app.finish().await;
}

#[tokio::test]
async fn statistics_that_are_asked_for_too_often_are_429() {
    let app = TestApp::simulators(|_| {}).await;
    app.isales_campaign("counted").await;
    app.voipbin_campaign("counted").await;
    let app = app.serve().await;
    let at = |vdn: i64| format!("v2/openapi/campaigns/{vdn}/statistics");
    let seldom = app.cc("GET", &at(VDN), None).await;
    assert_eq!(seldom.code(), "0200000", "{}", seldom.text);
    let often = app.cc("GET", &at(VDN), None).await;
    let theirs = app.try_on_isales("GET", &at(VDN), None).await;
    assert_eq!((often.status, &often.text), (429, &theirs.text));
    // Elsewhere the gateway counts, and keeps the same rule.
    assert_eq!(app.cc("GET", &at(VIRTUAL_VDN), None).await.code(), "0200000");
    let often = app.cc("GET", &at(VIRTUAL_VDN), None).await;
    assert_eq!((often.status, often.headers.contains_key("retry-after")), (429, true));
    app.finish().await;
}
