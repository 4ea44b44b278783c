//! A client written for CC-iSales gets the results of its campaign pushed to its `callBackUrl`,
//! although the campaign runs on VoIPBin, which has no such thing.

use dialbridge::domain::ids::AccountSlug;
use dialbridge::platforms::{Binding, Bindings};
use dialbridge::simulators::voipbin;
use serde_json::{Value, json};

use crate::support::sink::Sink;
use crate::support::{TestApp, VIRTUAL_VDN, until};

async fn app() -> TestApp {
    TestApp::simulators(|config| {
        let queue = voipbin::Account::numbered(1).queue_id.to_string();
        let skill = Binding { voipbin: queue, isales: "5".to_owned() };
        config.bindings = Bindings { agent_groups: vec![skill], scripts: Vec::new() };
        config.clients[0].create_on = Some(AccountSlug::new("vb").unwrap());
    })
    .await
    .serve()
    .await
}

fn document(app: &TestApp, url: &str) -> Value {
    let today = app.simulated.now().strftime("%Y-%m-%d 00:00:00").to_string();
    json!({
        "name": "pushed", "description": "d", "deviceType": 2, "strBeginTime": today,
        "strEndTime": "2099-01-01 00:00:00", "maxAlertingTime": 20, "callBackUrl": url,
        "callerNo": [{"accessCode": "02061000000", "priority": 3}], "initStatus": 1,
        "scheduleParam": {"workdayBeginTime1": "00:00", "workdayEndTime1": "23:59"},
        "skillParam": {"skillId": 5, "skillName": "Voice Skill Queue", "outBoundType": 2,
            "predictParam": {"predictMethod": 5, "offhookPredictParam": {"offHookRate": 100}}},
    })
}

async fn destinations(app: &TestApp) -> Vec<Value> {
    app.api("/destinations").await["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn results_are_pushed_where_the_client_wants_them() {
    let app = app().await;
    let (first, second) = (Sink::taking(), Sink::taking());
    let create = format!("v2/openapi/campaigns/{VIRTUAL_VDN}");
    let body = document(&app, &first.url("/first"));
    let made = app.cc_ok("POST", &create, Some(body)).await;
    let number = made["returnObject"]["id"].as_i64().unwrap();
    let at = format!("{VIRTUAL_VDN}/{number}");
    let shown = app.cc_ok("GET", &format!("v1/openapi/campaigns/{at}"), None).await;
    assert_eq!(shown["returnObject"]["callBackUrl"], first.url("/first").as_str());
    let there = destinations(&app).await;
    assert_eq!((there.len(), &there[0]["shape"]), (1, &json!("isales")));
    // Nobody waits for the reason of a success.
    let outcomes = format!("{}/_sim/outcomes", app.voipbin.base_url());
    app.send("POST", &outcomes, &[], Some("*=normal:8s".to_owned())).await;
    // It moves, and then people are called.
    let body = document(&app, &second.url("/second"));
    app.cc_ok("PUT", &format!("v2/openapi/campaigns/{at}"), Some(body)).await;
    assert_eq!(destinations(&app).await.len(), 1);
    let numbers = json!([{"sessionId": "s1", "called": "013100000001"},
        {"sessionId": "s2", "called": "013100000002"}]);
    let add = format!("v1/openapi/campaigns/{VIRTUAL_VDN}/calldata/{number}");
    app.cc_ok("POST", &add, Some(json!({"callDataList": numbers}))).await;
    app.cc_ok("PUT", &format!("v1/openapi/campaigns/{at}/resume"), None).await;
    let results = format!("v1/openapi/campaigns/{VIRTUAL_VDN}/callresult/{number}");
    let query = json!({"showDetail": 1, "pageSize": 100, "pageNum": 1});
    let mut told = Vec::new();
    until(async || {
        // Nobody pushes to the gateway here: it learns of results by being asked for them.
        app.cc_ok("POST", &results, Some(query.clone())).await;
        told = second.received().iter().map(|got| got.json()[0].clone()).collect();
        told.len() >= 2
    })
    .await;
    let shown = app.cc_ok("POST", &results, Some(query)).await;
    for row in &told {
        let same = |shown: &&Value| shown["callId"] == row["callId"];
        let shown = shown["data"].as_array().unwrap().iter().find(same).unwrap();
        for member in ["campaignId", "vdnId", "sessionId", "called", "callStatus", "failCode"] {
            assert_eq!(row[member], shown[member], "{member}");
        }
        assert_eq!(row["campaignId"], number.to_string());
    }
    assert_eq!(first.received().len(), 0);
    app.cc_ok("PUT", &format!("v1/openapi/campaigns/{at}/pause"), None).await;
    until(async || destinations(&app).await[0]["pending"] == 0).await;
    until(async || {
        let path = format!("v1/openapi/campaigns/{at}");
        app.cc("DELETE", &path, None).await.code() == "0200000"
    })
    .await;
    assert_eq!(destinations(&app).await, Vec::<Value>::new(), "it goes with its campaign");
    app.finish().await;
}

#[tokio::test]
async fn an_address_that_must_not_be_dialled_is_refused_before_anything_is_made() {
    let app = app().await;
    let create = format!("v2/openapi/campaigns/{VIRTUAL_VDN}");
    for url in ["http://169.254.169.254/latest", "http://10.0.0.1/", "http://[::1]/"] {
        let refused = app.cc("POST", &create, Some(document(&app, url))).await;
        assert_ne!(refused.code(), "0200000", "{url}");
        assert!(refused.text.contains("callBackUrl"), "{}", refused.text);
    }
    assert_eq!(app.voipbin.journal.writes().len(), 0);
    assert_eq!(destinations(&app).await, Vec::<Value>::new());
    app.finish().await;
}
