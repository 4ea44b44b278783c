//! An outplan that several campaigns use: whoever changes it is told how many it touches, and each of
//! them has it in its history.

use serde_json::json;

use crate::support::{Reply, TestApp, VIRTUAL_VDN};

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
