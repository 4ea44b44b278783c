//! Contacts are added, listed and called, and their results read back, on both facades.

use serde_json::{Value, json};

use crate::support::{TestApp, VDN, VIRTUAL_VDN, until};

fn target(name: &str, number: &str) -> Value {
    json!({"name": name, "detail": "d", "data": "x",
        "destination_0": {"type": "tel", "target": number}})
}

fn record(session: &str, number: &str) -> Value {
    json!({"sessionId": session, "called": [{"calledNo": number}], "callData": "{}"})
}

#[tokio::test]
async fn contacts_added_as_targets_are_called_on_isales() {
    let app = TestApp::simulators(|_| {}).await;
    app.isales_campaign("calls").await;
    let app = app.serve().await;
    let campaign = app.row_of("calls").await;
    let (uuid, outdial) =
        (campaign["id"].as_str().unwrap(), campaign["outdial_id"].as_str().unwrap());
    let targets = format!("/outdials/{outdial}/targets");
    let added = app.vb("POST", &targets, Some(target("alice", "+8613100000001"))).await;
    assert_eq!(added.status, 200, "{}", added.text);
    let added = added.json();
    assert_eq!(added["outdial_id"], outdial);
    assert_eq!(added["status"], "idle");
    assert_eq!(added["destination_0"]["target"], "+8613100000001");
    // CC-iSales cannot list: the gateway does.
    let listed = app.vb_get(&targets).await;
    assert_eq!(listed["result"][0]["id"], added["id"], "{listed}");
    assert_eq!(listed["result"][0]["name"], "alice");

    let status = format!("/campaigns/{uuid}/status");
    assert_eq!(app.vb("PUT", &status, Some(json!({"status": "run"}))).await.status, 200);
    let calls = format!("/campaigns/{uuid}/campaigncalls");
    let mut row = Value::Null;
    until(async || {
        row = app.vb_get(&calls).await["result"][0].clone();
        !row.is_null()
    })
    .await;
    assert_eq!((&row["status"], &row["result"]), (&json!("done"), &json!("success")), "{row}");
    assert_eq!(row["campaign_id"], uuid);
    assert_eq!(row["outdial_target_id"], added["id"], "the contact is found again");
    assert_eq!(row["destination"]["target"], "+8613100000001");
    let call = app.vb_get(&format!("/campaigncalls/{}", row["id"].as_str().unwrap())).await;
    assert_eq!(call, row);
    assert_eq!(app.vb_get("/campaigncalls").await["result"][0], row);
    app.finish().await;
}

#[tokio::test]
async fn records_added_as_numbers_are_called_on_voipbin() {
    let app = TestApp::simulators(|_| {}).await;
    let ids = app.voipbin_campaign("calls").await;
    let app = app.serve().await;
    let number = app.number_of(VIRTUAL_VDN, "calls").await;
    let add = format!("v2/openapi/campaigns/{VIRTUAL_VDN}/calldata/{number}");
    let records = json!({"callDataList": [
        record("order-17", "13100000001"), record("order-18", "008613100000002"),
    ]});
    let added = app.cc_ok("POST", &add, Some(records)).await["returnObject"].clone();
    assert_eq!(added["totalSize"], 2);
    assert_eq!(added["dataIdList"][0]["called"], "13100000001");
    assert!(added["dataIdList"][1]["dataId"].as_str().unwrap().parse::<u64>().is_ok(), "{added}");
    // The VoIPBin client sees them as targets, with the numbers that VoIPBin dials.
    let listed = app.vb_get(&format!("/outdials/{}/targets", ids.outdial)).await;
    let mut numbers: Vec<&str> = listed["result"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["destination_0"]["target"].as_str().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, ["+8613100000001", "+8613100000002"]);

    let campaign = format!("v1/openapi/campaigns/{VIRTUAL_VDN}/{number}");
    app.cc_ok("PUT", &format!("{campaign}/resume"), None).await;
    let query = format!("v1/openapi/campaigns/{VIRTUAL_VDN}/callresult/{number}");
    let body = json!({"sessionId": "order-17", "pageSize": 10, "pageNum": 1, "showDetail": 1});
    let mut page = Value::Null;
    until(async || {
        page = app.cc_ok("POST", &query, Some(body.clone())).await;
        page["totalCount"] != 0
    })
    .await;
    let row = &page["data"][0];
    assert_eq!(row["sessionId"], "order-17");
    assert_eq!(row["called"], "13100000001", "the number as the account writes it: {row}");
    assert_eq!(
        (&row["campaignId"], &row["vdnId"]),
        (&json!(number.to_string()), &json!(VIRTUAL_VDN))
    );
    let detail_path = format!(
        "v1/openapi/campaigns/{VIRTUAL_VDN}/callresultdetail/{}",
        row["callId"].as_str().unwrap()
    );
    let detail = app.cc_ok("GET", &detail_path, None).await;
    let detail = &detail["data"];
    // When it rang and was answered is the call object's to tell.
    let calls = format!("/campaigns/{}/campaigncalls", ids.campaign);
    let calls = app.on_voipbin("GET", &calls, None).await;
    let of = calls["result"].as_array().unwrap().iter().find(|call| call["id"] == row["callId"]);
    let call_path = format!("/calls/{}", of.unwrap()["reference_id"].as_str().unwrap());
    let call = app.on_voipbin("GET", &call_path, None).await;
    for (shown, own) in [
        ("ackBeginTime", "tm_ringing"),
        ("callBeginTime", "tm_progressing"),
        ("callEndTime", "tm_hangup"),
    ] {
        let own = call[own].as_str().map(|at| at[..19].replace('T', " "));
        assert_eq!(detail[shown], own.unwrap_or_default(), "{shown}: {call}");
    }
    // Why it ended, too, and from now on in every row.
    let again = app.cc_ok("POST", &query, Some(body)).await;
    assert_eq!(detail["failCode"], again["data"][0]["failCode"]);
    let asked = || app.voipbin.journal.calls("GET", &format!("/v1.0{call_path}"));
    let before = asked();
    assert_eq!(app.cc_ok("GET", &detail_path, None).await["data"], *detail);
    assert_eq!(asked(), before, "what the call told is kept");
    app.finish().await;
}

#[tokio::test]
async fn native_contacts_go_through_as_written() {
    let app = TestApp::simulators(|_| {}).await;
    let number = app.isales_campaign("native").await;
    let ids = app.voipbin_campaign("native").await;
    let app = app.serve().await;
    // A short code means something to the home, and to nobody else.
    let add = format!("v1/openapi/campaigns/{VDN}/calldata/{number}");
    let records = json!({"callDataList": [{"sessionId": "s1", "called": "60584",
        "customField": "batch", "callData": "{}"}]});
    app.cc_ok("POST", &add, Some(records)).await;
    // So does a SIP address.
    let body = json!({"name": "n", "detail": "d", "data": "x",
        "destination_0": {"type": "sip", "target": "bob@example.com", "target_name": "Bob"}});
    let targets = format!("/outdials/{}/targets", ids.outdial);
    let added = app.vb("POST", &targets, Some(body)).await.json();
    assert_eq!(added["destination_0"]["target_name"], "Bob");
    let own = app.on_voipbin("GET", &targets, None).await;
    assert_eq!(own["result"][0]["destination_0"]["target"], "bob@example.com");
    assert_eq!(app.vb_get(&targets).await["result"][0]["destination_0"]["type"], "sip");
    // Results of a native campaign are the platform's own rows.
    app.cc_ok("PUT", &format!("v1/openapi/campaigns/{VDN}/{number}/resume"), None).await;
    let query = format!("v1/openapi/campaigns/{VDN}/callresult/{number}");
    let body = json!({"showDetail": 1, "pageSize": 100});
    until(async || app.cc_ok("POST", &query, Some(body.clone())).await["totalCount"] != 0).await;
    let shown = app.cc_ok("POST", &query, Some(body.clone())).await;
    let own = app.on_isales("POST", &query, Some(body)).await;
    assert_eq!(shown["data"][0], own["data"][0]);
    assert_eq!(shown["data"][0]["called"], "60584");
    app.finish().await;
}

#[tokio::test]
async fn a_number_that_the_home_cannot_dial_is_refused_before_anything_is_sent() {
    let app = TestApp::simulators(|_| {}).await;
    app.voipbin_campaign("calls").await;
    let app = app.serve().await;
    let number = app.number_of(VIRTUAL_VDN, "calls").await;
    let add = format!("v2/openapi/campaigns/{VIRTUAL_VDN}/calldata/{number}");
    let before = app.voipbin.journal.writes().len();
    let reply = app.cc("POST", &add, Some(json!({"callDataList": [record("s", "60584")]}))).await;
    assert_eq!(reply.code(), "0200001");
    assert!(reply.text.contains("called") && !reply.text.contains("60584"), "{}", reply.text);
    assert_eq!(app.voipbin.journal.writes().len(), before);
    app.finish().await;
}
