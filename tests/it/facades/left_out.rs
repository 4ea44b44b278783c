//! What a modify leaves out stays as it was, and a rule that was never stated is not taken for the freest
//! one, judged by what the campaign's home has then.

use serde_json::{Value, json};

use super::isales_life::{bound, document};
use crate::support::sink::Sink;
use crate::support::{TestApp, VIRTUAL_VDN};

const NO_RETRY: &str = "OB00001";

/// A client of CC-iSales, and one of its campaigns on VoIPBin.
struct Campaign<'a> {
    app: &'a TestApp,
    name: &'a str,
    number: i64,
}

impl<'a> Campaign<'a> {
    async fn made(app: &'a TestApp, name: &'a str, change: &Value) -> Self {
        let path = format!("v2/openapi/campaigns/{VIRTUAL_VDN}");
        let made = app.cc_ok("POST", &path, Some(with(document(app, name), change))).await;
        Self { app, name, number: made["returnObject"]["id"].as_i64().unwrap() }
    }

    fn path(&self, version: &str) -> String {
        format!("{version}/openapi/campaigns/{VIRTUAL_VDN}/{}", self.number)
    }

    /// Modifies it by a document that has no optional member but these.
    async fn modify(&self, version: &str, change: &Value) {
        let mut whole = document(self.app, self.name);
        let members = whole.as_object_mut().unwrap();
        for name in ["description", "initStatus", "priority", "retryPolicy"] {
            members.remove(name);
        }
        if version == "v1" {
            members.insert("callerNo".to_owned(), json!("02061000000"));
        }
        self.app.cc_ok("PUT", &self.path(version), Some(with(whole, change))).await;
    }

    async fn shown(&self) -> Value {
        self.app.cc_ok("GET", &self.path("v1"), None).await["returnObject"].clone()
    }

    /// The path of its outplan on VoIPBin.
    async fn outplan(&self) -> String {
        let page = self.app.on_voipbin("GET", "/campaigns", None).await;
        let rows = page["result"].as_array().unwrap();
        let row = rows.iter().find(|row| row["name"] == self.name).unwrap();
        format!("/outplans/{}", row["outplan_id"].as_str().unwrap())
    }

    /// Tries of the first number and the wait between them, as VoIPBin has them.
    async fn rules(&self) -> (i64, i64) {
        let outplan = self.app.on_voipbin("GET", &self.outplan().await, None).await;
        let number = |name: &str| outplan[name].as_i64().unwrap();
        (number("max_try_count_0"), number("try_interval"))
    }

    async fn start(&self) -> String {
        let path = format!("{}/resume", self.path("v1"));
        self.app.cc("PUT", &path, None).await.code()
    }
}

fn with(mut document: Value, change: &Value) -> Value {
    for (name, value) in change.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

#[actix_web::test]
async fn a_policy_that_is_given_in_part_keeps_its_other_part() {
    let app = TestApp::simulators(bound).await.serve().await;
    let policy = json!({"policyType": 0, "retryDay": 1, "retryTimes": 2, "callInterval": 600,
        "noRetryPolicy": [NO_RETRY]});
    let campaign = Campaign::made(&app, "policy", &json!({ "retryPolicy": policy })).await;
    assert_eq!(campaign.rules().await, (2, 600_000));
    for given in [
        json!({}),
        json!({"retryPolicy": null}),
        json!({"retryPolicy": {"policyType": 0, "noRetryPolicy": [NO_RETRY]}}),
        json!({"retryPolicy": {"policyType": 0, "retryDay": 1, "retryTimes": 2, "callInterval": 600}}),
    ] {
        campaign.modify("v2", &given).await;
        assert_eq!(campaign.rules().await, (2, 600_000), "{given}");
        let shown = campaign.shown().await["retryPolicy"].clone();
        assert_eq!(shown["noRetryPolicy"], json!([NO_RETRY]), "{given}: {shown}");
        assert_eq!(campaign.start().await, "0200011", "{given}");
    }
    let more = json!({"policyType": 0, "retryDay": 1, "retryTimes": 3, "callInterval": 900});
    campaign.modify("v2", &json!({ "retryPolicy": more })).await;
    campaign.modify("v1", &json!({})).await;
    assert_eq!(campaign.rules().await, (3, 900_000));
    // A rule is taken away by saying so.
    campaign.modify("v2", &json!({"retryPolicy": {"policyType": 0, "noRetryPolicy": []}})).await;
    assert_eq!(campaign.start().await, "0200000");
    app.finish().await;
}

/// The end of a campaign, its begin and where its results go may be left out of version 1.
#[actix_web::test]
async fn times_and_the_address_that_are_left_out_stay() {
    let app = TestApp::simulators(bound).await.serve().await;
    let sink = Sink::taking();
    let stated = json!({"strBeginTime": "2098-01-01 08:00:00", "strEndTime": "2099-12-31 20:00:00",
        "callBackUrl": sink.url("/results")});
    let campaign = Campaign::made(&app, "times", &stated).await;
    let mut whole = document(&app, "times");
    for name in ["strBeginTime", "strEndTime", "callBackUrl"] {
        whole.as_object_mut().unwrap().remove(name);
    }
    whole["callerNo"] = json!("02061000000");
    app.cc_ok("PUT", &campaign.path("v1"), Some(whole)).await;
    let shown = campaign.shown().await;
    for (name, value) in stated.as_object().unwrap() {
        assert_eq!(&shown[name], value, "{name}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn other_rules_that_are_left_out_stay_too() {
    let app = TestApp::simulators(bound).await.serve().await;
    let rounds = json!({"callType": 1, "chooseType": 0, "turns": [{"turnType": "SI"}]});
    let hours = json!({"workdayBeginTime1": "00:00", "workdayEndTime1": "23:59",
        "holidayBeginTime2": "10:00", "holidayEndTime2": "11:00"});
    let rules = json!({"callPolicy": rounds, "scheduleParam": hours});
    let campaign = Campaign::made(&app, "rules", &rules).await;
    for (version, given) in [
        ("v2", json!({})),
        ("v1", json!({})),
        ("v2", json!({"callPolicy": {}})),
        ("v2", json!({"callPolicy": {"chooseType": 0}})),
    ] {
        campaign.modify(version, &given).await;
        let shown = campaign.shown().await;
        assert_eq!(shown["callPolicy"], rounds, "{given}");
        let schedule = &shown["scheduleParam"];
        assert_eq!(schedule["holidayEndTime2"], "11:00", "{given}: {schedule}");
        assert_eq!(
            (&shown["description"], &shown["priority"]),
            (&json!("d"), &json!(4)),
            "{given}"
        );
    }
    // Hours of one kind of day belong together: those that are given are all.
    let mut fewer = hours.clone();
    for (name, time) in [("holidayBeginTime1", "08:00"), ("holidayEndTime1", "09:00")] {
        fewer[name] = json!(time);
        fewer.as_object_mut().unwrap().remove(&name.replace('1', "2"));
    }
    campaign.modify("v2", &json!({ "scheduleParam": fewer })).await;
    let schedule = campaign.shown().await["scheduleParam"].clone();
    assert_eq!(schedule["holidayEndTime1"], "09:00", "{schedule}");
    assert_eq!(schedule["holidayEndTime2"], Value::Null, "{schedule}");
    assert_eq!(campaign.start().await, "0200011");
    let none = json!({"callType": 0});
    let open = json!({"workdayBeginTime1": "00:00", "workdayEndTime1": "23:59",
        "holidayBeginTime1": "", "holidayEndTime1": ""});
    campaign.modify("v2", &json!({"callPolicy": none, "scheduleParam": open})).await;
    assert_eq!(campaign.start().await, "0200000");
    app.finish().await;
}

/// No page says how long CC-iSales waits then, and VoIPBin would not wait at all.
#[actix_web::test]
async fn without_a_wait_there_is_one_try() {
    let app = TestApp::simulators(bound).await.serve().await;
    let campaign = Campaign::made(&app, "no wait", &json!({"retryPolicy": null})).await;
    assert_eq!(campaign.rules().await.0, 1);
    let policy = json!({"policyType": 0,
        "policyJson": "[{'dataType':'SI','type':0,'policy':{'retryDay':1,'retryTimes':5}}]"});
    let path = format!("v1/openapi/campaigns/{VIRTUAL_VDN}/retryPolicy/{}", campaign.number);
    app.cc_ok("POST", &path, Some(policy)).await;
    assert_eq!(campaign.rules().await.0, 1);
    let wait = json!({"policyType": 0, "retryDay": 1, "retryTimes": 5, "callInterval": 60});
    campaign.modify("v2", &json!({ "retryPolicy": wait })).await;
    assert_eq!(campaign.rules().await, (5, 60_000));
    app.finish().await;
}

/// Somebody closed all places at the platform itself: what says nothing of tries opens none.
#[actix_web::test]
async fn places_that_were_closed_at_the_platform_stay_closed() {
    let app = TestApp::simulators(bound).await.serve().await;
    let policy = json!({"policyType": 0, "retryDay": 1, "retryTimes": 2, "callInterval": 600});
    let campaign = Campaign::made(&app, "closed", &json!({ "retryPolicy": policy })).await;
    assert_eq!(campaign.rules().await, (2, 600_000));
    let outplan = campaign.outplan().await;
    let mut dial = app.on_voipbin("GET", &outplan, None).await;
    for place in 0..5 {
        dial[format!("max_try_count_{place}")] = json!(0);
    }
    app.on_voipbin("PUT", &format!("{outplan}/dial_info"), Some(dial)).await;
    assert_eq!(campaign.rules().await.0, 0);
    for version in ["v2", "v1"] {
        campaign.modify(version, &json!({"description": "said anew"})).await;
        assert_eq!(campaign.rules().await.0, 0, "{version}");
    }
    app.finish().await;
}
