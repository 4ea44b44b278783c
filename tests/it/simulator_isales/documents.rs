//! What is served, byte for byte as the pages have it.

use super::*;
use dialbridge::simulators::isales::seeds::Seeds;

fn samples() -> Seeds {
    let detail = fixture("campaign-detail.lizhan_test.json");
    let rows = fixture("call-result.campaign-3.json");
    let seeds = json!({
        "vdnId": 11, "campaigns": [detail["returnObject"]], "results": rows["data"],
    });
    serde_json::from_value(seeds).unwrap()
}

#[tokio::test]
async fn the_vendors_samples_are_served_exactly() {
    let sim = Sim::virtual_with(|options| options.seeds = samples()).await;
    let (_, text) = sim.raw("GET", "v1/openapi/campaigns/11/146", None).await;
    assert_eq!(text, fixture("campaign-detail.lizhan_test.json").to_string());
    let body = r#"{"sessionId":"1202_test013","pageSize":500,"pageNum":1}"#;
    let (_, text) = sim.raw("POST", "v1/openapi/campaigns/11/callresult/3", Some(body)).await;
    assert_eq!(text, fixture("call-result.campaign-3.json").to_string());
}

#[tokio::test]
async fn seeds_can_be_planted_later_and_wrong_ones_are_refused() {
    let sim = Sim::virtual_clock().await;
    assert_eq!(sim.code("GET", "v1/openapi/campaigns/11/146", None).await, "0200007");
    let detail = fixture("campaign-detail.lizhan_test.json");
    let seeds = json!({ "vdnId": 11, "campaigns": [detail["returnObject"]] });
    assert_eq!(sim.control("seeds", seeds).await.0, 204);
    let (_, text) = sim.raw("GET", "v1/openapi/campaigns/11/146", None).await;
    assert_eq!(text, detail.to_string());
    for bad in [
        json!({ "vdnId": 12, "campaigns": [{ "id": 1 }] }),
        json!({ "vdnId": 11, "campaigns": [{ "name": "without id" }] }),
        json!({ "vdnId": 11, "results": [{ "campaignId": "x" }] }),
        json!("seeds"),
    ] {
        let (status, why) = sim.control("seeds", bad).await;
        assert_eq!(status, 400);
        assert_eq!(why.lines().count(), 1);
    }
}

#[tokio::test]
async fn the_create_samples_are_accepted_and_shown_in_full() {
    let sim = Sim::virtual_clock().await;
    for (version, sample) in [("v1", "campaign-create.v1.json"), ("v2", "campaign-create.v2.json")]
    {
        let document = with(fixture(sample), json!({ "name": version, "unknownMember": 1 }));
        let path = format!("{version}/openapi/campaigns/11");
        let (_, text) = sim.raw("POST", &path, Some(&document.to_string())).await;
        let id = serde_json::from_str::<Value>(&text).unwrap()["returnObject"]["id"].clone();
        let expected = fixture("campaign-created.46.json").to_string();
        assert_eq!(text, expected.replace("46", &id.to_string()));
        assert!(id.as_i64().is_some_and(|id| i32::try_from(id).is_ok_and(|id| id > 0)));
        let path = format!("v1/openapi/campaigns/11/{id}");
        let shown = sim.ok("GET", &path, None).await["returnObject"].clone();
        assert_eq!(shown["id"], id);
        assert_eq!(shown["status"], 2);
        assert_eq!(shown["scheduleParam"]["workdayEndTime2"], "17:30");
        assert_eq!(shown["scheduleParam"]["workdayBeginTime3"], Value::Null);
        assert_eq!(shown["ivrParam"], Value::Null);
        assert!(shown.get("initStatus").is_none());
        assert!(shown.get("unknownMember").is_none());
        assert_eq!(shown.get("retryPolicy").is_some(), version == "v2");
        let caller = if version == "v1" { "10085" } else { "88889527" };
        assert_eq!(shown["callerNo"], caller);
    }
}

#[tokio::test]
async fn added_numbers_are_answered_as_the_sample() {
    let sim = Sim::virtual_clock().await;
    let campaign = sim.create(always("numbers")).await;
    let path = format!("v2/openapi/campaigns/11/calldata/{campaign}");
    let body = fixture("calldata-add.v2.json").to_string();
    let (_, text) = sim.raw("POST", &path, Some(&body)).await;
    assert_eq!(text, fixture("calldata-added.v2.json").to_string());
    let path = format!("v1/openapi/campaigns/11/calldata/{campaign}/11330737561851183104");
    let shown = sim.ok("GET", &path, None).await;
    assert_eq!(shown["resultDesc"], "query data success");
    let numbers = json!([
        { "calledNo": "008613800138000", "type": "SI" }, { "calledNo": "60584", "type": null },
    ]);
    assert_eq!(shown["data"]["calledNos"], numbers);
    let session = json!(
        { "propCode": "sessionId", "propName": "sessionId", "propValue": "1202_test013" });
    assert_eq!(shown["data"]["properties"][0], session);
}

#[tokio::test]
async fn the_list_filters_pages_and_counts() {
    let sim = Sim::virtual_clock().await;
    for nth in 0..12 {
        sim.create(always(&format!("ivr {nth:02}"))).await;
    }
    let skill = with(fixture("campaign-create.v2.json"), json!({ "initStatus": 1 }));
    let paused = sim.create(skill).await;
    let path = "v1/openapi/campaigns/11?status=0&deviceType=0&curPage=0&rowsPerPage=10";
    let first = sim.ok("GET", path, None).await;
    let figures = ["curPage", "totalSize", "rowsPerPage", "curSkillQueueCount", "curIvrCount"];
    assert_eq!(figures.map(|name| first[name].as_i64().unwrap()), [1, 13, 10, 1, 12]);
    assert_eq!(first["data"].as_array().unwrap().len(), 10);
    let path = "v1/openapi/campaigns/11?status=0&deviceType=0&curPage=2&rowsPerPage=10";
    assert_eq!(sim.ok("GET", path, None).await["data"].as_array().unwrap().len(), 3);
    let path = "v1/openapi/campaigns/11?status=3&deviceType=2";
    let only = sim.ok("GET", path, None).await;
    assert_eq!((&only["totalSize"], &only["data"][0]["id"]), (&json!(1), &json!(paused)));
    sim.switch(json!({ "list_item": "brief" })).await;
    let brief = sim.ok("GET", path, None).await["data"][0].clone();
    assert!(brief.get("scheduleParam").is_none() && brief["status"] == 3);
    let path = "v1/openapi/campaigns/11?status=0&deviceType=0&name=ivr%2003";
    assert_eq!(sim.ok("GET", path, None).await["totalSize"], 1);
    let path = "v1/openapi/campaigns/11?status=0&deviceType=0&beginTime=2020-09-11%2000:00:00";
    assert_eq!(sim.ok("GET", path, None).await["totalSize"], 0);
}

#[tokio::test]
async fn definitions_are_listed_and_added() {
    let sim = Sim::virtual_clock().await;
    let vdn = "v1/openapi/campaigns/11";
    let codes =
        sim.ok("GET", &format!("{vdn}/queryOBSResultCode?pageSize=1&pageNum=1"), None).await;
    assert_eq!(codes["obsCodes"][0]["obsCode"], "OB99999");
    let created = json!({ "resultCode": "OB5", "displayResult": "asked to call later" });
    let created = sim.ok("POST", &format!("{vdn}/createObResult"), created).await;
    let id = created["returnObject"]["defId"].clone();
    let detail = sim.ok("GET", &format!("{vdn}/{id}/queryObsResultDetail"), None).await;
    assert_eq!(detail["obResult"]["displayResult"], "asked to call later");
    let listed = sim.ok("GET", &format!("{vdn}/queryOBSResults?pageSize=50&pageNum=1"), None).await;
    assert_eq!(listed["data"].as_array().unwrap().last().unwrap()["defId"], id);
    let first = listed["data"][0]["defId"].clone();
    let detail = sim.ok("GET", &format!("{vdn}/{first}/queryObsResultDetail"), None).await;
    assert_eq!(detail["obResult"]["resultMapList"][0]["failCode"], "00000");
    let business = json!({
        "name": "interested", "code": "001", "children": [{ "name": "call back", "code": "001-1" }],
    });
    sim.ok("POST", &format!("{vdn}/addBusinessResult"), business).await;
    let path = format!("{vdn}/queryBusinessResults?pageSize=10&pageNum=1");
    let listed = sim.ok("GET", &path, None).await;
    assert_eq!(listed["totalCount"], 1);
    assert_eq!(listed["data"][0]["children"][0]["defLevel"], "2");
}

#[tokio::test]
async fn samples_may_leave_envelope_members_out() {
    let sim = Sim::virtual_clock().await;
    let campaign = sim.create(always("samples")).await;
    sim.switch(json!({ "sample_envelopes": true })).await;
    let path = format!("v2/openapi/campaigns/11/statistics?campaignId={campaign}");
    let (_, text) = sim.raw("GET", &path, None).await;
    assert!(text.starts_with(r#"{"countDetail":"#), "{text}");
    let path = format!("v1/openapi/campaigns/11/holiday/{campaign}");
    let (_, text) = sim.raw("DELETE", &path, None).await;
    assert_eq!(text, r#"{"resultCode":"0200000","resultDesc":""}"#);
}
