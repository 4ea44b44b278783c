//! An outplan that several campaigns use: whoever changes it is told how many it touches, and each of
//! them has it in its history.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::voipbin_draft::{QUEUE, on_isales};
use crate::support::{Reply, TestApp, VDN, VIRTUAL_VDN, until};

const TOUCHED: &str = "x-dialbridge-campaigns-touched";

fn touched(reply: &Reply) -> &str {
    reply.headers[TOUCHED].to_str().unwrap()
}

#[tokio::test]
async fn a_change_of_a_shared_outplan_says_whom_it_touches() {
    let app = TestApp::simulators(|_| {}).await;
    let first = app.voipbin_campaign("first").await;
    let second = app.voipbin_campaign("second").await;
    let alone = app.voipbin_campaign("alone").await;
    let parts = json!({"outplan_id": first.outplan, "outdial_id": second.outdial});
    let path = format!("/campaigns/{}/resource_info", second.campaign);
    app.on_voipbin("PUT", &path, Some(parts)).await;
    let app = app.serve().await;
    let history = async |campaign: &str| {
        let found = app.api(&format!("/campaigns/{campaign}/history")).await;
        let rows = found["items"].as_array().unwrap().clone();
        rows.into_iter()
            .map(|row| row["reason"].to_string())
            .filter(|why| why.contains("rules"))
            .count()
    };

    let number = app.number_of(VIRTUAL_VDN, "first").await;
    let path = format!("v1/openapi/campaigns/{VIRTUAL_VDN}/retryPolicy/{number}");
    let rule = "[{'dataType':'SI','type':0,'policy':{'retryDay':1,'retryTimes':5}}]";
    let policy = json!({"policyType": 0, "policyJson": rule});
    let reply = app.cc("POST", &path, Some(policy)).await;
    assert_eq!((reply.code().as_str(), touched(&reply)), ("0200000", "2"), "{}", reply.text);
    assert_eq!(history(&second.campaign).await, 1);
    assert_eq!(history(&alone.campaign).await, 0);

    let dial_info = json!({
        "source": {"type": "tel", "target": "+862061000000"}, "dial_timeout": 20_000,
        "try_interval": 30_000, "max_try_count_0": 4, "max_try_count_1": 0, "max_try_count_2": 0,
        "max_try_count_3": 0, "max_try_count_4": 0,
    });
    let path = format!("/outplans/{}/dial_info", first.outplan);
    let reply = app.vb("PUT", &path, Some(dial_info.clone())).await;
    assert_eq!((reply.status, touched(&reply)), (200, "2"), "{}", reply.text);
    assert_eq!(history(&second.campaign).await, 2);
    let path = format!("/outplans/{}/dial_info", alone.outplan);
    assert_eq!(touched(&app.vb("PUT", &path, Some(dial_info)).await), "1");
    app.finish().await;
}

/// How a campaign stands at CC-iSales.
async fn own(app: &TestApp, name: &str) -> Value {
    let detail = format!("v1/openapi/campaigns/{VDN}/{}", app.number_of(VDN, name).await);
    app.on_isales("GET", &detail, None).await["returnObject"].clone()
}

/// From now on its home refuses every change of it.
async fn end(app: &TestApp, name: &str) {
    let mut whole = own(app, name).await;
    let soon = Timestamp::now() + SignedDuration::from_secs(2);
    whole["strEndTime"] = json!(soon.strftime("%Y-%m-%d %H:%M:%S").to_string());
    whole["callerNo"] = json!([{"accessCode": whole["callerNo"], "priority": 3}]);
    for member in ["id", "status"] {
        whole.as_object_mut().unwrap().remove(member);
    }
    let path = format!("v2/openapi/campaigns/{VDN}/{}", app.number_of(VDN, name).await);
    app.on_isales("PUT", &path, Some(whole)).await;
    until(async || own(app, name).await["status"] == 4).await;
}

/// The home refuses one of the changes, after it took another.
#[tokio::test]
async fn a_change_that_is_done_in_part_says_so_and_can_be_asked_again() {
    let app = TestApp::simulators(on_isales).await.serve().await;
    let made = async |path: &str, body: Value| {
        let reply = app.vb("POST", path, Some(body)).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply.json()["id"].as_str().unwrap().to_owned()
    };
    let rules = |tries: i64, interval_ms: i64| {
        json!({"name": "p", "detail": "d", "source": {"type": "tel", "target": "+862061000000"},
            "dial_timeout": 30_000, "try_interval": interval_ms, "max_try_count_0": tries,
            "max_try_count_1": 0, "max_try_count_2": 0, "max_try_count_3": 0, "max_try_count_4": 0})
    };
    let outplan = made("/outplans", rules(1, 600_000)).await;
    let mut campaigns = Vec::new();
    for name in ["one", "two"] {
        let body = json!({"name": name, "detail": "d", "type": "call", "service_level": 100,
            "end_handle": "continue", "actions": [], "outplan_id": outplan, "queue_id": QUEUE});
        let id = made("/campaigns", body).await;
        for status in ["run", "stop"] {
            let path = format!("/campaigns/{id}/status");
            let reply = app.vb("PUT", &path, Some(json!({ "status": status }))).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
        }
        campaigns.push((id, name));
    }
    // They are changed in the order of their ids.
    campaigns.sort_unstable();
    let [(_, first), (_, last)] = campaigns[..] else { panic!("two campaigns were made") };
    end(&app, last).await;

    let dial_info = format!("/outplans/{outplan}/dial_info");
    let tries = async |name| own(&app, name).await["retryPolicy"]["retryTimes"].clone();
    for _ in 0..2 {
        let refused = app.vb("PUT", &dial_info, Some(rules(3, 600_000))).await;
        assert_eq!((refused.status, &*refused.reason()), (503, "CHANGED_IN_PART"));
        assert!(refused.text.contains("1 of 2"), "{}", refused.text);
        assert_eq!((tries(first).await, tries(last).await), (json!(3), json!(1)));
        let shown = app.vb_get(&format!("/outplans/{outplan}")).await;
        assert_eq!(shown["max_try_count_0"], 1, "the outplan is changed last");
    }
    // Nor does what was done in part outlive the wish.
    let back = app.vb("PUT", &dial_info, Some(rules(1, 600_000))).await;
    assert_eq!((back.status, touched(&back)), (200, "2"), "{}", back.text);
    assert_eq!((tries(first).await, tries(last).await), (json!(1), json!(1)));
    app.finish().await;
}
