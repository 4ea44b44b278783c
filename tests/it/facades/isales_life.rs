//! The life of a campaign as a CC-iSales client lives it, on either home: nothing in the script
//! knows on which platform the campaign runs.

use dialbridge::config::Config;
use dialbridge::platforms::Binding;
use dialbridge::simulators::voipbin;
use serde_json::{Value, json};

use crate::support::{TestApp, VDN, VIRTUAL_VDN, until};

pub fn bound(config: &mut Config) {
    let queue = voipbin::Account::numbered(1).queue_id.to_string();
    config.bindings.agent_groups = vec![Binding { voipbin: queue, isales: "5".to_owned() }];
}

/// May call all day until 2099.
pub fn document(app: &TestApp, name: &str) -> Value {
    let today = app.simulated.now().strftime("%Y-%m-%d 00:00:00").to_string();
    json!({
        "name": name, "description": "d", "deviceType": 2, "strBeginTime": today,
        "strEndTime": "2099-01-01 00:00:00", "maxAlertingTime": 20, "priority": 4,
        "callerNo": [{"accessCode": "02061000000", "priority": 3},
            {"accessCode": "02061000001", "priority": 4}],
        "scheduleParam": {"workdayBeginTime1": "00:00", "workdayEndTime1": "23:59"},
        "skillParam": {"skillId": 5, "skillName": "Voice Skill Queue", "outBoundType": 2,
            "predictParam": {"predictMethod": 5, "offhookPredictParam": {"offHookRate": 100}}},
        "retryPolicy": {"policyType": 0, "retryDay": 1, "retryTimes": 2, "callInterval": 60},
        "initStatus": 1,
    })
}

fn record(number: u32) -> Value {
    json!({"sessionId": format!("session-{number}"), "customField": "north",
        "called": [{"calledNo": format!("138001380{number:02}")}]})
}

async fn live_in(vdn: i64) {
    let app = TestApp::simulators(bound).await.serve().await;
    let v1 = |rest: &str| format!("v1/openapi/campaigns/{vdn}{rest}");
    let v2 = |rest: &str| format!("v2/openapi/campaigns/{vdn}{rest}");
    let made = app.cc_ok("POST", &v2(""), Some(document(&app, "autumn"))).await;
    let number = made["returnObject"]["id"].as_i64().unwrap();
    let at = format!("/{number}");
    let shown = app.cc_ok("GET", &v1(&at), None).await;
    let shown = &shown["returnObject"];
    assert_eq!((&shown["name"], &shown["status"]), (&json!("autumn"), &json!(3)), "{shown}");
    assert_eq!(shown["strEndTime"], "2099-01-01 00:00:00");
    assert_eq!(shown["scheduleParam"]["workdayEndTime1"], "23:59");
    assert_eq!(app.number_of(vdn, "autumn").await, number);

    let records = json!({"callDataList": [record(1), record(2), record(3)]});
    let added = app.cc_ok("POST", &v2(&format!("/calldata{at}")), Some(records)).await;
    let data_id = added["returnObject"]["dataIdList"][0]["dataId"].as_str().unwrap().to_owned();
    let one = app.cc_ok("GET", &v1(&format!("/calldata{at}/{data_id}")), None).await;
    assert_eq!(one["data"]["calledNos"][0]["calledNo"], "13800138001", "{one}");

    app.cc_ok("PUT", &v1(&format!("{at}/resume")), None).await;
    assert_eq!(app.cc_ok("GET", &v1(&at), None).await["returnObject"]["status"], 2);
    let query = json!({"showDetail": 0, "pageSize": 100, "pageNum": 1});
    let results = v1(&format!("/callresult{at}"));
    until(async || {
        let answer = app.cc_ok("POST", &results, Some(query.clone())).await;
        answer["totalCount"].as_i64().unwrap() >= 3
    })
    .await;
    let answer = app.cc_ok("POST", &results, Some(query)).await;
    let row = &answer["data"][0];
    assert_eq!(row["campaignId"], number.to_string());
    assert!(row["resultCode"].as_str().is_some_and(|code| code.starts_with("OB")), "{row}");
    let detail = v1(&format!("/callresultdetail/{}", row["callId"].as_str().unwrap()));
    assert_eq!(app.cc_ok("GET", &detail, None).await["data"]["callId"], row["callId"]);

    app.cc_ok("PUT", &v1(&format!("{at}/pause")), None).await;
    until(async || app.cc_ok("GET", &v1(&at), None).await["returnObject"]["status"] == 3).await;
    let counted = v2(&format!("/statistics?campaignId={number}"));
    let counted = app.cc("GET", &counted, None).await;
    assert_eq!(counted.json()["countDetail"][0]["totalCount"], 3, "{}", counted.text);

    change(&app, vdn, number).await;
    // Calls in progress may still run out; until then it counts as running.
    until(async || app.cc("DELETE", &v1(&at), None).await.code() == "0200000").await;
    assert_eq!(app.cc("GET", &v1(&at), None).await.code(), "0200007");
    app.finish().await;
}

/// What can be changed while it is paused.
async fn change(app: &TestApp, vdn: i64, number: i64) {
    let v1 = |rest: &str| format!("v1/openapi/campaigns/{vdn}{rest}");
    let at = format!("/{number}");
    let mut edited = document(app, "winter");
    edited["maxAlertingTime"] = json!(30);
    edited.as_object_mut().unwrap().remove("initStatus");
    app.cc_ok("PUT", &format!("v2/openapi/campaigns/{vdn}{at}"), Some(edited)).await;
    let shown = app.cc_ok("GET", &v1(&at), None).await;
    assert_eq!(shown["returnObject"]["name"], "winter");
    assert_eq!(shown["returnObject"]["maxAlertingTime"], 30, "{shown}");

    let policy = json!({"policyType": 0,
        "policyJson": "[{'dataType':'SI','type':0,'policy':{'retryDay':1,'retryTimes':3}}]"});
    let path = v1(&format!("/retryPolicy{at}"));
    app.cc_ok("POST", &path, Some(policy)).await;
    let policy = app.cc_ok("GET", &path, None).await;
    assert!(policy["data"]["policyJson"].as_str().unwrap().contains("retryTimes"), "{policy}");

    let callers = v1(&format!("/callerNo{at}"));
    let another = json!({"callerNo": [{"accessCode": "02061000002", "priority": 1}]});
    app.cc_ok("POST", &callers, Some(another.clone())).await;
    app.cc_ok("DELETE", &callers, Some(another)).await;
    let gone = json!({"sessionId": "session-3"});
    let deleted = app.cc("POST", &v1(&format!("/calldata{at}/delete")), Some(gone)).await;
    assert!(["0200000", "0200001"].contains(&&*deleted.code()), "{}", deleted.text);
}

#[actix_web::test]
async fn in_a_vdn_of_the_same_platform() {
    live_in(VDN).await;
}

#[actix_web::test]
async fn in_a_vdn_of_the_other_platform() {
    live_in(VIRTUAL_VDN).await;
}

/// Hours that the home would not keep: the campaign is made, and starting it says why not.
#[actix_web::test]
async fn a_campaign_whose_hours_nobody_would_keep_is_not_started() {
    let app = TestApp::simulators(bound).await.serve().await;
    let mut hours = document(&app, "office hours");
    hours["scheduleParam"] = json!({"workdayBeginTime1": "09:00", "workdayEndTime1": "17:00"});
    let path = format!("v2/openapi/campaigns/{VIRTUAL_VDN}");
    let made = app.cc_ok("POST", &path, Some(hours)).await;
    let number = made["returnObject"]["id"].as_i64().unwrap();
    let resume = format!("v1/openapi/campaigns/{VIRTUAL_VDN}/{number}/resume");
    let refused = app.cc("PUT", &resume, None).await;
    assert_eq!(refused.code(), "0200011", "{}", refused.text);
    assert!(refused.text.contains("hours"), "{}", refused.text);
    let uuid = app.uuid_of("office hours").await;
    let path = format!("/campaigns/{uuid}/status");
    let refused = app.vb("PUT", &path, Some(json!({"status": "run"}))).await;
    assert_eq!((refused.status, &*refused.reason()), (409, "RULE_NOT_ENFORCED"));
    app.finish().await;
}
