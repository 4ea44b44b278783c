//! A CC-iSales client is told the same on a VoIPBin home as on its own platform, and what is refused changes
//! nothing: whatever is half said, misspelt or given twice must not let more be called.

use dialbridge::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::isales_life::{bound, document};
use crate::support::{Reply, TestApp, VDN, VIRTUAL_VDN, until};

const BOTH: [i64; 2] = [VDN, VIRTUAL_VDN];

fn with(mut document: Value, change: &Value) -> Value {
    for (name, value) in change.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

fn v1(vdn: i64, rest: &str) -> String {
    format!("v1/openapi/campaigns/{vdn}{rest}")
}

fn v2(vdn: i64, rest: &str) -> String {
    format!("v2/openapi/campaigns/{vdn}{rest}")
}

/// A paused campaign; its number.
async fn made(app: &TestApp, vdn: i64, name: &str, change: &Value) -> i64 {
    let body = with(document(app, name), change);
    let made = app.cc_ok("POST", &v2(vdn, ""), Some(body)).await;
    made["returnObject"]["id"].as_i64().unwrap()
}

fn description(reply: &Reply) -> String {
    reply.json()["resultDesc"].as_str().unwrap().to_owned()
}

/// Tries of the first number and the wait between them, as VoIPBin has them.
async fn tries_on_voipbin(app: &TestApp, name: &str) -> (i64, i64) {
    let page = app.on_voipbin("GET", "/campaigns", None).await;
    let rows = page["result"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == name).unwrap();
    let path = format!("/outplans/{}", row["outplan_id"].as_str().unwrap());
    let outplan = app.on_voipbin("GET", &path, None).await;
    let number = |name: &str| outplan[name].as_i64().unwrap();
    (number("max_try_count_0"), number("try_interval"))
}

/// Retry policies that are refused: code, member, policy.
fn half_policies() -> Vec<(&'static str, &'static str, Value)> {
    let by_type = |json: &str| json!({"policyType": 1, "policyJson": json});
    let plain = json!({"policyType": 0, "retryDay": 1, "retryTimes": 3, "callInterval": 60});
    let but = |name: &str, value: Value| with(plain.clone(), &json!({ name: value }));
    let without = |name: &str| {
        let mut policy = plain.clone();
        policy.as_object_mut().unwrap().remove(name);
        policy
    };
    let misspelt = with(without("callInterval"), &json!({"CallInterval": 600}));
    let whole = "[{'dataType':'SI','type':0,'policy':{'retryDay':1,'retryTimes':3}}]";
    let codes = json!({"noRetryPolicy": ["OB00001"]});
    let lists = [
        ("02000001", "resultRetry", "[{'result':4,'callInterval':600}]"),
        ("02000001", "busiPolicy", "[{'busiResultPolicy':0}]"),
        ("02000007", "busiPolicy", "[{'busiResultCode':'1','busiResultPolicy':1}]"),
    ];
    let number_lists = [
        ("02000001", "[{'dataType':'SI','type':0,'policy':{'retryDay':1}}]"),
        ("02000001", "[{'dataType':'SI','type':1,'policy':[{'result':4}]}]"),
        ("02000007", "[{'dataType':'SI','policy':{'retryDay':1,'retryTimes':3}}]"),
    ];
    let mut found = vec![
        ("02000009", "retryDay", json!({"policyType": 0, "retryTimes": 3})),
        ("02000009", "retryDay", without("callInterval")),
        ("02000009", "retryDay", without("retryTimes")),
        ("02000009", "retryDay", but("callInterval", Value::Null)),
        ("02000009", "retryDay", misspelt),
        ("02000006", "callInterval", but("callInterval", json!(""))),
        ("02000006", "callInterval", but("callInterval", json!("600"))),
        ("02000007", "callInterval", but("callInterval", json!(0))),
        ("02000007", "retryDay", but("retryDay", json!(0))),
        ("02000006", "policyType", but("policyType", json!("0"))),
        ("02000001", "policyType", without("policyType")),
        ("02000001", "policyType", json!({})),
        ("02000009", "policyType", json!({"policyType": 0})),
        ("02000009", "policyType", json!({"policyType": 0, "callInterval": 60})),
        ("02000009", "policyJson", json!({"policyType": 1})),
        ("02000009", "noRetryPolicy", with(by_type(whole), &codes)),
    ];
    found.extend(number_lists.map(|(code, list)| (code, "policyJson", by_type(list))));
    found
        .extend(lists.map(|(code, name, list)| (code, name, json!({"policyType": 0, name: list}))));
    found
}

/// Other members that are refused: code, member, change.
fn odd_members() -> Vec<(&'static str, &'static str, Value)> {
    let hours = |begin: &str| json!({"scheduleParam": {"workdayBeginTime1": begin, "workdayEndTime1": "23:59"}});
    let begin = "scheduleParam.workdayBeginTime1";
    let skill = |change: Value| {
        let predict = json!({"predictMethod": 5, "offhookPredictParam": {"offHookRate": 100}});
        let plain = json!({"skillId": 5, "outBoundType": 2, "predictParam": predict});
        json!({ "skillParam": with(plain, &change) })
    };
    let text_rate = json!({"predictMethod": 5, "offhookPredictParam": {"offHookRate": "100"}});
    vec![
        ("02000006", "maxAlertingTime", json!({"maxAlertingTime": "20"})),
        ("02000006", "deviceType", json!({"deviceType": "2"})),
        ("02000006", "priority", json!({"priority": "4"})),
        ("02000004", begin, hours("9:00")),
        ("02000003", begin, hours(" 09:00")),
        ("02000003", begin, hours("09:00:00")),
        ("02000010", begin, hours("09:")),
        ("02000010", begin, hours("0900")),
        ("02000007", begin, hours("24:00")),
        ("02000006", "skillParam.skillId", skill(json!({"skillId": "5"}))),
        (
            "02000006",
            "skillParam.predictParam.offhookPredictParam.offHookRate",
            skill(json!({ "predictParam": text_rate })),
        ),
        ("02000009", "callPolicy.turns", json!({"callPolicy": {"callType": 1, "chooseType": 0}})),
        (
            "02000008",
            "callPolicy.turns",
            json!({"callPolicy": {"callType": 1, "chooseType": 0, "turns": "[{"}}),
        ),
    ]
}

#[actix_web::test]
async fn half_a_rule_is_refused_as_on_the_platform_itself() {
    let app = TestApp::simulators(bound).await.serve().await;
    let policies = half_policies().into_iter().map(|(code, member, policy)| {
        (code, format!("retryPolicy.{member}"), json!({ "retryPolicy": policy }))
    });
    let others =
        odd_members().into_iter().map(|(code, member, odd)| (code, member.to_owned(), odd));
    let cases: Vec<_> = policies.chain(others).collect();
    for vdn in BOTH {
        let number = made(&app, vdn, "whole", &json!({})).await;
        let at = format!("/{number}");
        let before = app.cc_ok("GET", &v1(vdn, &at), None).await;
        for (code, member, change) in &cases {
            let create = with(document(&app, "half"), change);
            let mut modify = with(document(&app, "whole"), change);
            modify.as_object_mut().unwrap().remove("initStatus");
            for (method, path, body) in
                [("POST", v2(vdn, ""), create), ("PUT", v2(vdn, &at), modify)]
            {
                let refused = app.cc(method, &path, Some(body)).await;
                assert_eq!(&refused.code(), code, "{path} {change}: {}", refused.text);
                let named = description(&refused);
                assert!(named.starts_with(&format!("{member}: ")), "{path} {change}: {named}");
            }
        }
        assert_eq!(app.cc_ok("GET", &v1(vdn, &at), None).await, before);
        let all = v1(vdn, "?status=0&deviceType=0&curPage=1");
        assert_eq!(app.cc_ok("GET", &all, None).await["totalSize"], 1);
    }
    assert_eq!(tries_on_voipbin(&app, "whole").await, (2, 60_000));
    app.finish().await;
}

#[actix_web::test]
async fn a_number_that_one_session_has_twice_is_refused() {
    let app = TestApp::simulators(bound).await.serve().await;
    let record =
        |session: Value| json!({"sessionId": session, "called": [{"calledNo": "13800138001"}]});
    for vdn in BOTH {
        let number = made(&app, vdn, "sessions", &json!({})).await;
        let path = v2(vdn, &format!("/calldata/{number}"));
        let twice = json!({"callDataList": [record(json!("same")), record(json!("same"))]});
        let refused = app.cc("POST", &path, Some(twice)).await;
        assert_eq!(refused.code(), "0200018", "{vdn}: {}", refused.text);
    }
    assert_eq!(app.isales.journal.contacts().len(), 0);
    assert_eq!(app.voipbin.journal.contacts().len(), 0);
    for (vdn, journal) in [(VDN, &app.isales.journal), (VIRTUAL_VDN, &app.voipbin.journal)] {
        let number = made(&app, vdn, "others", &json!({})).await;
        let path = v2(vdn, &format!("/calldata/{number}"));
        let alone = [json!("one"), json!("two"), Value::Null, Value::Null].map(record);
        app.cc_ok("POST", &path, Some(json!({ "callDataList": alone }))).await;
        assert_eq!(journal.contacts().len(), 4, "{vdn}");
    }
    app.finish().await;
}

/// A condition that is left out would widen a deletion.
#[actix_web::test]
async fn a_condition_that_nobody_can_judge_deletes_nothing() {
    let app = TestApp::simulators(bound).await.serve().await;
    let record = json!({"customField": "rcy", "called": [{"calledNo": "13800138001"}]});
    let until_then = json!({"customField": "rcy", "recycleTime": "2026-12-01 00:00:00",
        "recycleType": "3"});
    for vdn in BOTH {
        let number = made(&app, vdn, "rcy", &json!({})).await;
        let added = v2(vdn, &format!("/calldata/{number}"));
        let added = app.cc_ok("POST", &added, Some(json!({"callDataList": [record]}))).await;
        let data_id = added["returnObject"]["dataIdList"][0]["dataId"].as_str().unwrap();
        let one = v1(vdn, &format!("/calldata/{number}/{data_id}"));
        let delete = v1(vdn, &format!("/calldata/{number}/delete"));
        let alone = json!({"recycleTime": "2026-12-01 00:00:00"});
        let misspelt = json!({"customField": "rcy", "RecycleTime": "2026-12-01 00:00:00"});
        let mut conditions = vec![until_then.clone(), alone];
        if vdn == VIRTUAL_VDN {
            conditions.push(misspelt);
        }
        for condition in conditions {
            let reply = app.cc("POST", &delete, Some(condition.clone())).await;
            if vdn == VIRTUAL_VDN {
                assert!(["02000009", "02000007"].contains(&&*reply.code()), "{}", reply.text);
                assert!(description(&reply).to_lowercase().starts_with("recycletime: "));
            } else {
                // Its own platform keeps the time, and this record has none.
                assert_eq!(reply.code(), "0200000", "{condition}: {}", reply.text);
            }
            assert_eq!(app.cc("GET", &one, None).await.code(), "0200000", "{vdn} {condition}");
        }
        let gone = json!({"customField": "rcy", "archiveHistory": 0});
        app.cc_ok("POST", &delete, Some(gone)).await;
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_deleted_campaign_does_not_exist_for_any_verb() {
    let app = TestApp::simulators(bound).await.serve().await;
    let rule = "[{'dataType':'SI','type':0,'policy':{'retryDay':1,'retryTimes':3}}]";
    let records = json!({"callDataList": [{"called": [{"calledNo": "13800138001"}]}]});
    let mut modified = document(&app, "gone");
    modified.as_object_mut().unwrap().remove("initStatus");
    let caller = json!({"callerNo": [{"accessCode": "02061000002", "priority": 1}]});
    for vdn in BOTH {
        let number = made(&app, vdn, "gone", &json!({})).await;
        let at = format!("/{number}");
        app.cc_ok("DELETE", &v1(vdn, &at), None).await;
        let policy = v1(vdn, &format!("/retryPolicy{at}"));
        let set = json!({"policyType": 0, "policyJson": rule});
        let callers = v1(vdn, &format!("/callerNo{at}"));
        let session = json!({"sessionId": "s"});
        for (method, path, body, code) in [
            ("GET", v1(vdn, &at), None, "0200007"),
            ("POST", v2(vdn, &format!("/calldata{at}")), Some(records.clone()), "0200007"),
            ("POST", v1(vdn, &format!("/calldata{at}/delete")), Some(session), "0200007"),
            ("GET", v1(vdn, &format!("/calldata{at}/1")), None, "0200007"),
            ("PUT", v2(vdn, &at), Some(modified.clone()), "0200007"),
            ("GET", policy.clone(), None, "0200-01"),
            ("POST", policy, Some(set), "0200-01"),
            ("POST", callers.clone(), Some(caller.clone()), "0200007"),
            ("DELETE", callers, Some(caller.clone()), "0200007"),
            ("PUT", v1(vdn, &format!("{at}/pause")), None, "0200007"),
            ("PUT", v1(vdn, &format!("{at}/resume")), None, "0200007"),
            ("DELETE", v1(vdn, &at), None, "0200007"),
        ] {
            let reply = app.cc(method, &path, body).await;
            assert_eq!(reply.code(), code, "{method} {path}: {}", reply.text);
        }
    }
    assert_eq!(app.voipbin.journal.contacts().len(), 0);
    app.finish().await;
}

/// Reading a policy and writing it back changes nothing, not even whether the campaign may start.
#[actix_web::test]
async fn a_policy_that_was_read_can_be_written_back() {
    let app = TestApp::simulators(bound).await.serve().await;
    for vdn in BOTH {
        let number = made(&app, vdn, "policy", &json!({})).await;
        let path = v1(vdn, &format!("/retryPolicy/{number}"));
        let read = app.cc_ok("GET", &path, None).await["data"].clone();
        assert_eq!((&read["policyType"], &read["policyJson"]), (&json!(0), &Value::Null), "{read}");
        assert_eq!(read["noRetryPolicy"], Value::Null, "{read}");
        // Tries that nobody stated as such a list are none that could be written back.
        assert_eq!(app.cc("POST", &path, Some(read)).await.code(), "02000001", "{vdn}");
        let rule = "[{'dataType':'SI','type':0,'policy':{'retryDay':1,'retryTimes':3}}]";
        app.cc_ok("POST", &path, Some(json!({"policyType": 0, "policyJson": rule}))).await;
        let read = app.cc_ok("GET", &path, None).await["data"].clone();
        assert_eq!(read["policyJson"], rule);
        let back = json!({"policyType": read["policyType"], "policyJson": read["policyJson"]});
        app.cc_ok("POST", &path, Some(back)).await;
        assert_eq!(app.cc_ok("GET", &path, None).await["data"], read);
        app.cc_ok("PUT", &v1(vdn, &format!("/{number}/resume")), None).await;
        app.cc_ok("PUT", &v1(vdn, &format!("/{number}/pause")), None).await;
    }
    assert_eq!(tries_on_voipbin(&app, "policy").await, (3, 60_000), "the stated wait is kept");
    // Numbers that are given later take the place of the list.
    let number = made(&app, VIRTUAL_VDN, "later", &json!({})).await;
    let path = v1(VIRTUAL_VDN, &format!("/retryPolicy/{number}"));
    let rule = "[{'dataType':'SI','type':0,'policy':{'retryDay':1,'retryTimes':9}}]";
    app.cc_ok("POST", &path, Some(json!({"policyType": 0, "policyJson": rule}))).await;
    assert_eq!(tries_on_voipbin(&app, "later").await, (9, 60_000));
    let policy = json!({"policyType": 0, "retryDay": 1, "retryTimes": 4, "callInterval": 90});
    let mut body = with(document(&app, "later"), &json!({ "retryPolicy": policy }));
    body.as_object_mut().unwrap().remove("initStatus");
    app.cc_ok("PUT", &v2(VIRTUAL_VDN, &format!("/{number}")), Some(body)).await;
    assert_eq!(tries_on_voipbin(&app, "later").await, (4, 90_000));
    // What is not to be tried again is not lost, either.
    let rule = "[{'dataType':'SI','type':0,'policy':{'retryDay':1,'retryTimes':2}}]";
    let codes = json!({"policyType": 0, "policyJson": rule, "noRetryPolicy": ["OB00001"]});
    app.cc_ok("POST", &path, Some(codes)).await;
    let refused = app.cc("PUT", &v1(VIRTUAL_VDN, &format!("/{number}/resume")), None).await;
    assert_eq!(refused.code(), "0200011", "{}", refused.text);
    assert!(refused.text.contains("noRetryPolicy"), "{}", refused.text);
    app.finish().await;
}

#[actix_web::test]
async fn a_campaign_past_its_end_is_completed_on_either_home() {
    let app = TestApp::simulators(bound).await.serve().await;
    let soon = Timestamp::now() + SignedDuration::from_secs(2);
    let soon = json!({"strEndTime": soon.strftime("%Y-%m-%d %H:%M:%S").to_string()});
    for vdn in BOTH {
        let number = made(&app, vdn, "short", &soon).await;
        let at = format!("/{number}");
        until(async || app.cc_ok("GET", &v1(vdn, &at), None).await["returnObject"]["status"] == 4)
            .await;
        let completed = v1(vdn, "?status=4&deviceType=0&curPage=1");
        until(async || app.cc_ok("GET", &completed, None).await["totalSize"] == 1).await;
        let paused = v1(vdn, "?status=3&deviceType=0&curPage=1");
        let listed = app.cc_ok("GET", &paused, None).await;
        assert_eq!((&listed["totalSize"], &listed["curSkillQueueCount"]), (&json!(0), &json!(0)));
        let mut later = document(&app, "short");
        later.as_object_mut().unwrap().remove("initStatus");
        let refused = app.cc("PUT", &v2(vdn, &at), Some(later)).await;
        assert_eq!(refused.code(), "0200016", "{vdn}: {}", refused.text);
        for verb in ["pause", "resume"] {
            let refused = app.cc("PUT", &v1(vdn, &format!("{at}/{verb}")), None).await;
            assert_eq!(refused.code(), "0200011", "{vdn} {verb}: {}", refused.text);
        }
        app.cc_ok("DELETE", &v1(vdn, &at), None).await;
    }
    app.finish().await;
}

/// A paused campaign may be deleted at once, though its home takes a moment to stop.
#[actix_web::test]
async fn what_was_paused_can_be_deleted_at_once() {
    let app = TestApp::simulators(bound).await.serve().await;
    for vdn in BOTH {
        let number = made(&app, vdn, "paused", &json!({})).await;
        let at = format!("/{number}");
        app.cc_ok("PUT", &v1(vdn, &format!("{at}/resume")), None).await;
        app.cc_ok("PUT", &v1(vdn, &format!("{at}/pause")), None).await;
        assert_eq!(app.cc_ok("GET", &v1(vdn, &at), None).await["returnObject"]["status"], 3);
        app.cc_ok("DELETE", &v1(vdn, &at), None).await;
        assert_eq!(app.cc("GET", &v1(vdn, &at), None).await.code(), "0200007");
    }
    app.finish().await;
}

/// The ledger was restored from a copy that is older than the campaign: what its client had stated is lost,
/// and its home knows no hours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_copy_has_forgotten_is_not_started_until_it_is_stated_anew() {
    let app = TestApp::simulators(bound).await.serve().await;
    let number = made(&app, VIRTUAL_VDN, "met again", &json!({})).await;
    let restored_at = Clock::real().wall() + SignedDuration::from_hours(1);
    let ledger = rusqlite::Connection::open(app.ledger()).unwrap();
    let restored = format!("restored/0/{}", restored_at.as_microsecond());
    ledger.execute("INSERT INTO counter (name, next) VALUES ($1, 1)", [restored]).unwrap();
    ledger.execute_batch("DELETE FROM object WHERE kind = 'campaign'").unwrap();
    let path = format!("/{number}");
    let resume = v1(VIRTUAL_VDN, &format!("{path}/resume"));
    let refused = app.cc("PUT", &resume, None).await;
    assert_eq!(refused.json()["resultCode"], "0200011", "{}", refused.text);
    assert!(description(&refused).contains("state them anew"), "{}", refused.text);
    let starts = |app: &TestApp| {
        app.voipbin.journal.writes().iter().filter(|write| write.path.ends_with("/status")).count()
    };
    assert_eq!(starts(&app), 0, "nobody was called");
    let mut body = document(&app, "met again");
    body.as_object_mut().unwrap().remove("initStatus");
    app.cc_ok("PUT", &v2(VIRTUAL_VDN, &path), Some(body)).await;
    app.cc_ok("PUT", &resume, None).await;
    assert_eq!(starts(&app), 1);
    app.finish().await;
}
