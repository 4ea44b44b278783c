//! Native reads: what a facade tells of a home of its own platform is what the platform itself tells,
//! but for the public ids, credentials and times that the gateway puts in (design 8).

use serde_json::{Value, json};

use crate::support::{TestApp, VDN, VIRTUAL_VDN, until};

const PAGE: &str = "?pageSize=10&pageNum=1";

/// Takes out what may differ, wherever it stands.
fn without(mut document: Value, names: &[&str]) -> Value {
    match &mut document {
        Value::Object(members) => {
            members.retain(|name, _| !names.contains(&name.as_str()));
            for value in members.values_mut() {
                *value = without(value.take(), names);
            }
        }
        Value::Array(elements) => {
            for value in elements {
                *value = without(value.take(), names);
            }
        }
        _ => {}
    }
    document
}

/// Runs until somebody was called, then stands still, so that nothing changes between two reads.
async fn called_on_voipbin(app: &TestApp) -> (String, String, String) {
    let row = app.row_of("native").await;
    let text = |name: &str| row[name].as_str().unwrap().to_owned();
    let (campaign, outplan, outdial) = (text("id"), text("outplan_id"), text("outdial_id"));
    let target = json!({"name": "n", "detail": "d", "data": "x",
        "destination_0": {"type": "tel", "target": "+8613100000001", "target_name": "A"}});
    let added = app.vb("POST", &format!("/outdials/{outdial}/targets"), Some(target)).await;
    assert_eq!(added.status, 200, "{}", added.text);
    let path = format!("/campaigns/{campaign}");
    let steer = async |status: &str| {
        let body = Some(json!({ "status": status }));
        assert_eq!(app.vb("PUT", &format!("{path}/status"), body).await.status, 200);
    };
    steer("run").await;
    let calls = format!("{path}/campaigncalls");
    until(async || app.vb_get(&calls).await["result"][0]["status"] == "done").await;
    steer("stop").await;
    until(async || app.vb_get(&path).await["status"] == "stop").await;
    (campaign, outplan, outdial)
}

#[tokio::test]
async fn what_voipbin_says_goes_through() {
    let app = TestApp::simulators(|config| {
        config.clients[0].accounts.retain(|slug| slug.as_str() == "vb");
    })
    .await;
    app.voipbin_campaign("native").await;
    let app = app.serve().await;
    let (campaign, outplan, outdial) = called_on_voipbin(&app).await;
    let call =
        app.vb_get(&format!("/campaigns/{campaign}/campaigncalls")).await["result"][0].clone();
    let (id, reference) = (call["id"].as_str().unwrap(), call["reference_id"].as_str().unwrap());
    let queue = app.vb_get("/queues").await["result"][0]["id"].as_str().unwrap().to_owned();
    // Targets have public ids; the webhook's secret is the gateway's to know.
    let rows: [(String, &[&str]); 13] = [
        ("/campaigns".to_owned(), &["next_page_token"]),
        (format!("/campaigns/{campaign}"), &[]),
        (format!("/campaigns/{campaign}/campaigncalls"), &["outdial_target_id", "next_page_token"]),
        ("/campaigncalls".to_owned(), &["outdial_target_id", "next_page_token"]),
        (format!("/campaigncalls/{id}"), &["outdial_target_id"]),
        ("/outplans".to_owned(), &["next_page_token"]),
        (format!("/outplans/{outplan}"), &[]),
        ("/outdials".to_owned(), &["next_page_token"]),
        (format!("/outdials/{outdial}"), &[]),
        ("/queues".to_owned(), &["next_page_token"]),
        (format!("/queues/{queue}"), &[]),
        (format!("/calls/{reference}"), &[]),
        ("/customer".to_owned(), &["webhook_secret"]),
    ];
    for (path, but_for) in rows {
        let theirs = without(app.on_voipbin("GET", &path, None).await, but_for);
        let ours = without(app.vb_get(&path).await, but_for);
        assert_eq!(ours, theirs, "{path}");
    }
    let targets = format!("/outdials/{outdial}/targets");
    let (ours, theirs) = (app.vb_get(&targets).await, app.on_voipbin("GET", &targets, None).await);
    let but_for = ["id", "next_page_token"];
    assert_eq!(without(ours.clone(), &but_for), without(theirs, &but_for), "{targets}");
    assert_eq!(ours["result"][0]["id"], call["outdial_target_id"], "one public id everywhere");
    assert_eq!(app.number_of(VIRTUAL_VDN, "native").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn what_isales_says_goes_through() {
    let app = TestApp::simulators(|_| {}).await;
    let number = app.isales_campaign("native").await;
    let app = app.serve().await;
    let at = |version: &str, rest: &str| format!("{version}/openapi/campaigns/{VDN}{rest}");
    let record =
        json!({"callDataList": [{"sessionId": "one", "called": [{"calledNo": "13800138001"}]}]});
    let added = app.cc_ok("POST", &at("v2", &format!("/calldata/{number}")), Some(record)).await;
    let data = added["returnObject"]["dataIdList"][0]["dataId"].as_str().unwrap().to_owned();
    app.cc_ok("PUT", &at("v1", &format!("/{number}/resume")), None).await;
    let results = at("v1", &format!("/callresult/{number}"));
    let query = |detail: i64| json!({"showDetail": detail, "pageSize": 100, "pageNum": 1});
    until(async || app.cc_ok("POST", &results, Some(query(0))).await["totalCount"] == 1).await;
    app.cc_ok("PUT", &at("v1", &format!("/{number}/pause")), None).await;
    let call = app.cc_ok("POST", &results, Some(query(0))).await["data"][0]["callId"].clone();
    let call = call.as_str().unwrap().to_owned();
    let date = json!({"name": "rest", "type": 1, "week": "7"});
    app.cc_ok("POST", &at("v1", &format!("/holiday/{number}")), Some(date)).await;
    let blocked = json!({"blocklist": ["13900000001"]});
    app.cc_ok("POST", &at("v1", "/blocklist/add"), Some(blocked)).await;
    let business = json!({"name": "interested", "code": "001"});
    app.cc_ok("POST", &at("v1", "/addBusinessResult"), Some(business)).await;

    let codes = app.cc_ok("GET", &at("v1", &format!("/queryOBSResults{PAGE}")), None).await;
    let code = codes["data"][0]["defId"].to_string().replace('"', "");
    let list = json!({"offset": 0, "limit": 10});
    let rows: Vec<(&str, String, Option<Value>)> = vec![
        ("GET", at("v1", &format!("/{number}")), None),
        ("GET", at("v1", "?status=0&deviceType=0&curPage=1&rowsPerPage=10"), None),
        ("GET", at("v1", &format!("/retryPolicy/{number}")), None),
        ("POST", results.clone(), Some(query(0))),
        ("POST", results.clone(), Some(query(1))),
        ("GET", at("v1", &format!("/callresultdetail/{call}")), None),
        ("GET", at("v1", &format!("/holiday/{number}")), None),
        ("POST", at("v1", "/blocklist/query"), Some(list.clone())),
        ("GET", at("v1", &format!("/queryOBSResultCode{PAGE}")), None),
        ("GET", at("v1", &format!("/queryOBSResults{PAGE}")), None),
        ("GET", at("v1", &format!("/{code}/queryObsResultDetail")), None),
        ("GET", at("v1", &format!("/queryBusinessResults{PAGE}")), None),
        ("GET", at("v1", &format!("/callbatch/{number}/list")), Some(list)),
    ];
    for (method, path, body) in rows {
        let ours = app.cc_ok(method, &path, body.clone()).await;
        let theirs = app.on_isales(method, &path, body).await;
        assert_eq!(ours, theirs, "{method} {path}");
    }
    // A record is asked for by its public id.
    let one = app.cc_ok("GET", &at("v1", &format!("/calldata/{number}/{data}")), None).await;
    assert_eq!(one["data"]["calledNos"][0]["calledNo"], "13800138001");
    app.finish().await;
}
