//! What a client states and its campaign's home would lose, so that more people, numbers, hours or tries
//! came of it: the campaign is not run, and whoever wants it run learns why.

use dialbridge::config::Config;
use dialbridge::platforms::Binding;
use serde_json::{Value, json};

use crate::facades::isales_life::{bound, document};
use crate::facades::voipbin_draft::{QUEUE, on_isales};
use crate::support::{Reply, TestApp, VDN, VIRTUAL_VDN};

/// Script 900 is a flow, too.
fn scripted(config: &mut Config) {
    bound(config);
    let flow = "decc2634-0b2a-11eb-b38d-87a8f1051188".to_owned();
    config.bindings.scripts = vec![Binding { voipbin: flow, isales: "900".to_owned() }];
}

fn with(mut document: Value, change: &Value) -> Value {
    for (name, value) in change.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

/// Members of a CC-iSales campaign that VoIPBin cannot keep.
fn lost_on_voipbin() -> [(&'static str, Value); 5] {
    let policy = |more: Value| {
        let plain = json!({"policyType": 0, "retryDay": 1, "retryTimes": 2, "callInterval": 60});
        json!({ "retryPolicy": with(plain, &more) })
    };
    let by_type =
        "[{'dataType':'SI','type':1,'policy':[{'result':4,'retryNumber':1,'callInterval':600}]}]";
    [
        (
            "resultRetry",
            policy(json!({"resultRetry": "[{'result':4,'callInterval':600,'retryNumber':1}]"})),
        ),
        (
            "busiPolicy",
            policy(json!({"busiPolicy": "[{'busiResultCode':'001','busiResultPolicy':0}]"})),
        ),
        ("noRetryPolicy", policy(json!({"noRetryPolicy": ["OB00001"]}))),
        ("policyType", json!({"retryPolicy": {"policyType": 1, "policyJson": by_type}})),
        (
            "callType",
            json!({"callPolicy": {"callType": 1, "chooseType": 0, "turns": [{"turnType": "SI"}]}}),
        ),
    ]
}

/// A campaign that could never run there, because what it connects can never be changed, is not made.
#[tokio::test]
async fn a_kind_of_campaign_that_voipbin_cannot_run_is_not_made_there() {
    let app = TestApp::simulators(scripted).await.serve().await;
    let rounds = json!({"deviceSign": "900", "callCount": 1, "callInterval": 600});
    let preview = json!({"failInterval": 10, "obCallCount": 1, "autoCallTime": 15});
    let previewed =
        json!({"skillId": 5, "skillName": "s", "outBoundType": 5, "previewParam": preview});
    for (member, change) in [
        ("ivrParam.callCount", json!({"deviceType": 3, "ivrParam": rounds, "skillParam": null})),
        ("deviceType", json!({"deviceType": 5, "skillParam": previewed, "maxAlertingTime": 20})),
    ] {
        let body = with(document(&app, "never"), &change);
        let path = format!("v2/openapi/campaigns/{VIRTUAL_VDN}");
        let refused = app.cc("POST", &path, Some(body)).await;
        assert_eq!(refused.code(), "02000007", "{member}: {}", refused.text);
        assert!(refused.text.contains(&format!("\"{member}: ")), "{}", refused.text);
    }
    let page = app.on_voipbin("GET", "/campaigns", None).await;
    assert_eq!(page["result"], json!([]));
    app.finish().await;
}

#[tokio::test]
async fn what_voipbin_cannot_keep_is_not_run_there() {
    let app = TestApp::simulators(scripted).await.serve().await;
    let path =
        |version: &str, rest: &str| format!("{version}/openapi/campaigns/{VIRTUAL_VDN}{rest}");
    for (place, (member, change)) in lost_on_voipbin().into_iter().enumerate() {
        // Created as started or as paused, it stands, and does not run.
        let start = json!({"initStatus": place % 2});
        let body = with(with(document(&app, member), &change), &start);
        let made = app.cc_ok("POST", &path("v2", ""), Some(body)).await;
        let at = format!("/{}", made["returnObject"]["id"]);
        let record = json!({"called": [{"calledNo": format!("1380013800{place}")}]});
        let records = json!({"callDataList": [record]});
        app.cc_ok("POST", &path("v2", &format!("/calldata{at}")), Some(records)).await;
        let refused = app.cc("PUT", &path("v1", &format!("{at}/resume")), None).await;
        assert_eq!(refused.code(), "0200011", "{member}: {}", refused.text);
        assert!(refused.text.contains(member), "{member}: {}", refused.text);
        let status = format!("/campaigns/{}/status", app.uuid_of(member).await);
        let refused = app.vb("PUT", &status, Some(json!({"status": "run"}))).await;
        refused_for(&refused, member);
        let shown = app.cc_ok("GET", &path("v1", &at), None).await;
        assert_eq!(shown["returnObject"]["status"], 3, "{member}");
    }
    assert_eq!(app.voipbin.journal.contacts().len(), 5, "the campaigns and their people are there");
    assert_eq!(app.voipbin.journal.dials().len(), 0);
    app.finish().await;
}

/// It dials already; then its client wants rounds.
#[tokio::test]
async fn a_running_campaign_is_not_changed_to_what_voipbin_cannot_keep() {
    let app = TestApp::simulators(scripted).await.serve().await;
    let path =
        |version: &str, rest: &str| format!("{version}/openapi/campaigns/{VIRTUAL_VDN}{rest}");
    let made = app.cc_ok("POST", &path("v2", ""), Some(document(&app, "runs"))).await;
    let at = format!("/{}", made["returnObject"]["id"]);
    app.cc_ok("PUT", &path("v1", &format!("{at}/resume")), None).await;
    let before = app.cc_ok("GET", &path("v1", &at), None).await;
    assert_eq!(before["returnObject"]["status"], 2);
    let rounds =
        json!({"callPolicy": {"callType": 1, "chooseType": 0, "turns": [{"turnType": "SI"}]}});
    let refused =
        app.cc("PUT", &path("v2", &at), Some(with(document(&app, "runs"), &rounds))).await;
    assert_eq!(refused.code(), "0200011", "{}", refused.text);
    assert!(refused.text.contains("callType"), "{}", refused.text);
    assert_eq!(app.cc_ok("GET", &path("v1", &at), None).await, before);
    app.finish().await;
}

/// A draft with one person, whose campaign and outplan are as usual but for these members.
pub(super) async fn draft(app: &TestApp, campaign: &Value, outplan: &Value) -> String {
    let made = async |path: &str, body: Value| {
        let reply = app.vb("POST", path, Some(body)).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply.json()["id"].as_str().unwrap().to_owned()
    };
    let plan = json!({"name": "p", "detail": "d", "source": {"type": "tel", "target": "+862061000000"},
        "dial_timeout": 30_000, "try_interval": 60_000, "max_try_count_0": 1, "max_try_count_1": 0,
        "max_try_count_2": 0, "max_try_count_3": 0, "max_try_count_4": 0});
    let plan = made("/outplans", with(plan, outplan)).await;
    let usual = json!({"name": "c", "detail": "d", "type": "call", "service_level": 100,
        "end_handle": "continue", "actions": [], "outplan_id": plan, "queue_id": QUEUE});
    let id = made("/campaigns", with(usual, campaign)).await;
    let list = json!({"campaign_id": id, "name": "l", "detail": "d", "data": "x"});
    let outdial = made("/outdials", list).await;
    let person = json!({"name": "a", "detail": "d", "data": "x",
        "destination_0": {"type": "tel", "target": "+8613100000001"}});
    made(&format!("/outdials/{outdial}/targets"), person).await;
    let shown = app.vb_get(&format!("/campaigns/{id}")).await;
    let parts = json!({"outplan_id": shown["outplan_id"], "outdial_id": outdial,
        "queue_id": shown["queue_id"], "next_campaign_id": ""});
    let reply = app.vb("PUT", &format!("/campaigns/{id}/resource_info"), Some(parts)).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    id
}

async fn run(app: &TestApp, id: &str) -> Reply {
    app.vb("PUT", &format!("/campaigns/{id}/status"), Some(json!({"status": "run"}))).await
}

pub(super) fn refused_for(reply: &Reply, member: &str) {
    let said = (reply.status, &*reply.reason(), reply.text.contains(member));
    assert_eq!(said, (409, "RULE_NOT_ENFORCED", true), "{member}: {}", reply.text);
}

#[tokio::test]
async fn what_isales_cannot_keep_is_not_run_there() {
    let app = TestApp::simulators(on_isales).await.serve().await;
    let none = json!({});
    for (member, campaign, outplan) in [
        ("service_level", json!({"service_level": 80}), &none),
        // Left out, it is 0, which with a queue lets nobody be called.
        ("service_level", json!({"service_level": null}), &none),
        ("type", json!({"type": "flow"}), &none),
        ("type", json!({"type": "fax"}), &none),
        ("type", json!({"type": null}), &none),
        ("outplan", json!({"outplan_id": null}), &none),
        ("max_try_count_0", none.clone(), &json!({"max_try_count_0": 0})),
        ("max_try_count_0", none.clone(), &json!({"max_try_count_0": null})),
    ] {
        let id = draft(&app, &campaign, outplan).await;
        refused_for(&run(&app, &id).await, member);
        app.one_target_is_a_draft();
        assert_eq!(app.vb_get(&format!("/campaigns/{id}")).await["status"], "stop", "{member}");
    }
    assert_eq!(app.isales.journal.writes().len(), 0, "nothing was made of them");

    // As usual it runs, and then keeps to what can be kept.
    let id = draft(&app, &none, &none).await;
    let running = run(&app, &id).await;
    assert_eq!((running.status, &running.json()["status"]), (200, &json!("run")));
    let detail = format!("v1/openapi/campaigns/{VDN}/{}", app.number_of(VDN, "c").await);
    let rate = async || {
        let own = app.on_isales("GET", &detail, None).await;
        own["returnObject"]["skillParam"]["predictParam"]["offhookPredictParam"].clone()
    };
    assert_eq!(rate().await, json!({"offHookRate": 100}));
    let slower = Some(json!({"service_level": 50}));
    let refused = app.vb("PUT", &format!("/campaigns/{id}/service_level"), slower).await;
    refused_for(&refused, "service_level");
    assert_eq!(rate().await, json!({"offHookRate": 100}));
    let shown = app.vb_get(&format!("/campaigns/{id}")).await;
    assert_eq!((&shown["service_level"], &shown["status"]), (&json!(100), &json!("run")));
    app.finish().await;
}

#[tokio::test]
async fn a_contact_whose_limits_are_lost_is_refused_by_name() {
    let app = TestApp::simulators(on_isales).await;
    app.voipbin_campaign("there").await;
    let app = app.serve().await;
    let number = app.number_of(VIRTUAL_VDN, "there").await;
    let add = format!("v2/openapi/campaigns/{VIRTUAL_VDN}/calldata/{number}");
    let record = |delay: &str| {
        let called = [("13100000001", "0"), ("13100000002", delay)];
        let called = called.map(|(no, delay)| json!({"calledNo": no, "delayTime": delay}));
        json!({"callDataList": [{"called": called}]})
    };
    let refused = app.cc("POST", &add, Some(record("600"))).await;
    assert!(refused.code() != "0200000" && refused.text.contains("delayTime"), "{}", refused.text);
    assert_eq!(app.voipbin.journal.contacts().len(), 0);
    app.cc_ok("POST", &add, Some(record("0"))).await;

    // Tries that were used up count elsewhere from the beginning: in a draft's list, and on the home.
    let used = json!({"name": "a", "detail": "d", "data": "x", "try_count_0": 2,
        "destination_0": {"type": "tel", "target": "+8613100000003"}});
    let id = draft(&app, &json!({}), &json!({})).await;
    let targets = async || {
        let outdial = app.vb_get(&format!("/campaigns/{id}")).await["outdial_id"].clone();
        format!("/outdials/{}/targets", outdial.as_str().unwrap())
    };
    for is_made in [false, true] {
        if is_made {
            assert_eq!(run(&app, &id).await.status, 200);
        }
        let refused = app.vb("POST", &targets().await, Some(used.clone())).await;
        let said = (refused.status, refused.text.contains("try_count_0"));
        assert_eq!(said, (400, true), "{is_made}: {}", refused.text);
    }
    assert_eq!(app.isales.journal.contacts().len(), 1, "the one without");
    app.finish().await;
}

/// What limits a campaign may stand in its outplan alone, and that was kept by an older program.
#[tokio::test]
async fn a_kept_outplan_that_is_malformed_keeps_its_campaign_still() {
    let app = TestApp::simulators(on_isales).await.serve().await;
    let id = draft(&app, &json!({}), &json!({})).await;
    assert_eq!(run(&app, &id).await.status, 200);
    let stop = json!({"status": "stop"});
    let stopped = app.vb("PUT", &format!("/campaigns/{id}/status"), Some(stop)).await;
    assert_eq!(stopped.status, 200, "{}", stopped.text);
    let app = app.stopped().await;
    let ledger = rusqlite::Connection::open(app.ledger()).unwrap();
    let sql =
        "UPDATE object SET document = json_set(document, '$.try_interval', -1) WHERE name = 'p'";
    assert_eq!(ledger.execute(sql, []).unwrap(), 1);
    drop(ledger);
    let app = app.serve().await;
    refused_for(&run(&app, &id).await, "wait between tries");
    let path = format!("v1/openapi/campaigns/{VDN}/{}/resume", app.number_of(VDN, "c").await);
    let refused = app.cc("PUT", &path, None).await;
    assert_eq!(refused.code(), "0200011", "{}", refused.text);
    app.finish().await;
}

/// Its home calls a member wrong that has another name there.
#[tokio::test]
async fn a_member_that_the_home_refuses_is_named_in_the_clients_words() {
    let app = TestApp::simulators(on_isales).await.serve().await;
    let hasty = json!({"try_interval": 0, "max_try_count_0": 2});
    let id = draft(&app, &json!({}), &hasty).await;
    let refused = run(&app, &id).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    assert!(refused.text.contains("outplan.try_interval"), "{}", refused.text);
    app.one_target_is_a_draft();

    let id = draft(&app, &json!({"name": "runs"}), &json!({})).await;
    assert_eq!(run(&app, &id).await.status, 200);
    let outplan = app.vb_get(&format!("/campaigns/{id}")).await["outplan_id"].clone();
    let path = format!("/outplans/{}/dial_info", outplan.as_str().unwrap());
    let mut change = app.vb_get(&format!("/outplans/{}", outplan.as_str().unwrap())).await;
    change["try_interval"] = json!(0);
    let refused = app.vb("PUT", &path, Some(change)).await;
    let said = (refused.status, refused.text.contains("outplan.try_interval: "));
    assert_eq!(said, (400, true), "{}", refused.text);
    app.finish().await;
}
