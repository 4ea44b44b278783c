//! The codes of reference 12.2 per operation, and the documented order of checks.

use super::*;
use serde_json::Value::Null;

const VDN: &str = "v1/openapi/campaigns/11";
const V1: &str = "v1/openapi/campaigns/11";
const V2: &str = "v2/openapi/campaigns/11";

fn long(chars: usize) -> String {
    "x".repeat(chars)
}

#[tokio::test]
async fn creating_names_the_first_mistake() {
    let sim = Sim::virtual_clock().await;
    let (v1, v2) = (fixture("campaign-create.v1.json"), fixture("campaign-create.v2.json"));
    let schedule = |slots: Value| json!({ "scheduleParam": slots });
    let both: Vec<(Value, &str)> = vec![
        (json!({ "name": 5 }), "02000006"),
        (json!({ "deviceType": "2" }), "02000006"),
        (json!({ "scheduleParam": [] }), "02000006"),
        (json!({ "name": null }), "02000001"),
        (json!({ "name": "" }), "02000001"),
        (json!({ "scheduleParam": null }), "02000001"),
        (json!({ "description": "a=b" }), "02000002"),
        (json!({ "name": long(101) }), "02000003"),
        (json!({ "description": long(201) }), "02000003"),
        (json!({ "deviceType": 4 }), "02000007"),
        (json!({ "maxAlertingTime": 121 }), "02000007"),
        (json!({ "maxAlertingTime": 4 }), "02000007"),
        (json!({ "strBeginTime": "2020-09-10" }), "02000007"),
        (json!({ "callBackUrl": "ftp://x" }), "02000007"),
        (json!({ "initStatus": 2 }), "02000007"),
        (json!({ "skillParam": null }), "02000009"),
        (json!({ "deviceType": 3 }), "02000009"),
        (json!({ "deviceType": 5 }), "02000009"),
        (json!({ "strEndTime": "2020-09-10 00:00:00" }), "02000009"),
        (schedule(json!({ "holidayBeginTime1": "08:00", "holidayEndTime1": "09:00" })), "02000009"),
        (schedule(json!({ "workdayBeginTime1": "08:00" })), "02000009"),
        (schedule(json!({ "workdayBeginTime1": "09:00", "workdayEndTime1": "08:00" })), "02000009"),
        (json!({ "skillParam": { "skillId": 5, "outBoundType": 2 } }), "02000009"),
        (json!({ "strBeginTime": "2020-09-09 23:59:59" }), "0200002"),
        (
            json!({ "skillParam": { "skillId": 9, "outBoundType": 2, "predictParam": {
            "predictMethod": 5, "offhookPredictParam": { "offHookRate": 100 } } } }),
            "0200017",
        ),
    ];
    for (change, code) in both {
        for (path, document) in [(V1, &v1), (V2, &v2)] {
            let body = with(document.clone(), change.clone());
            let answer = sim.call("POST", path, body).await;
            assert_eq!(answer["resultCode"], code, "{path} {change}: {answer}");
        }
    }
    let only_v2: Vec<(Value, &str)> = vec![
        (json!({ "callerNo": "10085" }), "02000006"),
        (json!({ "callerNo": [] }), "02000001"),
        (json!({ "callerNo": [{ "accessCode": "10#", "priority": 1 }] }), "02000002"),
        (json!({ "callerNo": [{ "accessCode": "1", "priority": 6 }] }), "02000007"),
        (json!({ "callerNo": vec![json!({ "accessCode": "1", "priority": 1 }); 101] }), "02000011"),
        (json!({ "priority": 0 }), "02000007"),
        (schedule(json!({ "workdayBeginTime1": "8:00", "workdayEndTime1": "09:00" })), "02000004"),
        (schedule(json!({ "workdayBeginTime1": "08", "workdayEndTime1": "09:00" })), "02000010"),
        (json!({ "retryPolicy": { "policyType": 1, "policyJson": "[{" } }), "02000008"),
        (json!({ "retryPolicy": { "policyType": 1 } }), "02000009"),
        (json!({ "retryPolicy": { "policyType": 0, "retryDay": 1 } }), "02000009"),
        (
            json!({ "retryPolicy": { "policyType": 1, "noRetryPolicy": ["OB1"],
            "policyJson": "[{'dataType':'SI','type':0,'policy':{'retryDay':1,'retryTimes':1}}]" } }),
            "02000009",
        ),
        (json!({ "callPolicy": { "callType": 1, "chooseType": 0 } }), "02000009"),
        (json!({ "callPolicy": { "callType": 1, "chooseType": 0, "turns": "[" } }), "02000008"),
    ];
    for (change, code) in only_v2 {
        let answer = sim.call("POST", V2, with(v2.clone(), change.clone())).await;
        assert_eq!(answer["resultCode"], code, "{change}: {answer}");
    }
    assert_eq!(sim.code("POST", V1, with(v1, json!({ "callerNo": "+1" }))).await, "02000002");
}

#[tokio::test]
async fn a_code_that_a_page_does_not_list_becomes_the_generic_one() {
    let sim = Sim::virtual_clock().await;
    let (_, text) = sim.raw("POST", V1, Some("{")).await;
    assert!(text.contains(r#""resultCode":"0200001""#), "V1 does not list 02000008: {text}");
    let (_, text) = sim.raw("POST", V2, Some("{")).await;
    assert!(text.contains(r#""resultCode":"02000008""#), "{text}");
    let (_, text) = sim.raw("POST", V2, Some("[]")).await;
    assert!(text.contains(r#""resultCode":"02000006""#), "{text}");
    let short = json!({ "workdayBeginTime1": "8:00", "workdayEndTime1": "09:00" });
    let body = with(fixture("campaign-create.v1.json"), json!({ "scheduleParam": short }));
    assert_eq!(sim.code("POST", V1, body).await, "0200001");
}

#[tokio::test]
async fn mistakes_are_named_in_the_documented_order() {
    let sim = Sim::virtual_clock().await;
    let mut document = with(
        fixture("campaign-create.v2.json"),
        json!({ "skillParam": null, "deviceType": 2, "maxAlertingTime": 500,
            "description": "a=b", "name": null, "priority": "4" }),
    );
    for (code, member, repaired) in [
        ("02000006", "priority", json!(4)),
        ("02000001", "name", json!(long(101))),
        ("02000002", "description", json!("fine")),
        ("02000003", "name", json!("fine")),
        ("02000007", "maxAlertingTime", json!(20)),
    ] {
        let answer = sim.call("POST", V2, document.clone()).await;
        assert_eq!(answer["resultCode"], code, "{answer}");
        assert!(answer["resultDesc"].as_str().unwrap().starts_with(member), "{answer}");
        document[member] = repaired;
    }
    assert_eq!(sim.code("POST", V2, document).await, "02000009");
}

#[tokio::test]
async fn quotas_names_and_states() {
    let sim = Sim::virtual_with(|options| {
        options.limits.active_campaigns = 1;
        options.limits.unfinished_records = 3;
    })
    .await;
    let ivr = sim.create(always("one")).await;
    assert_eq!(sim.code("POST", V2, always("two")).await, "0200004");
    let skill = fixture("campaign-create.v2.json");
    sim.create(skill.clone()).await;
    assert_eq!(sim.code("POST", V2, with(skill, json!({ "name": "b" }))).await, "0200003");
    assert_eq!(sim.code("POST", V2, always("one")).await, "0200005");
    let path = format!("{V2}/calldata/{ivr}");
    let add = |records: Value| json!({ "callDataList": records });
    let many: Vec<String> = (0..21).map(|n| format!("13{n:03}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(sim.code("POST", &path, add(numbers(&many[..4]))).await, "0200020");
    let sim = Sim::virtual_clock().await;
    let ivr = sim.create(always("one")).await;
    let path = format!("{V2}/calldata/{ivr}");
    assert_eq!(sim.code("POST", &path, add(numbers(&many))).await, "0200029");
    let twice = json!([{ "sessionId": "s", "called": [{ "calledNo": "1" }, { "calledNo": "1" }] }]);
    assert_eq!(sim.code("POST", &path, add(twice)).await, "0200018");
    for (record, code) in [
        (json!({ "called": [{ "calledNo": "1" }], "recycleTime": "tomorrow" }), "0200030"),
        (json!({ "called": "1" }), "02000006"),
        (json!({ "called": [] }), "02000001"),
        (json!({ "called": [{ "calledNo": "1", "delayTime": "7201" }] }), "02000007"),
        (json!({ "called": [{ "calledNo": "1" }], "customField": "a;b" }), "02000002"),
        (json!({ "called": [{ "calledNo": "1" }], "sessionId": long(33) }), "02000003"),
        (json!({ "called": [{ "calledNo": "1" }], "callData": long(1_025) }), "02000003"),
        (json!({ "called": [{ "calledNo": "1".repeat(25) }] }), "02000003"),
    ] {
        let answer = sim.call("POST", &path, add(json!([record]))).await;
        assert_eq!(answer["resultCode"], code, "{record}: {answer}");
    }
    let missing = format!("{V2}/calldata/999");
    assert_eq!(sim.code("POST", &missing, add(numbers(&["1"]))).await, "0200007");
}

#[tokio::test]
async fn modifying_checks_existence_state_and_what_cannot_change() {
    let sim = Sim::virtual_clock().await;
    let campaign = sim.create(always("first")).await;
    sim.create(always("second")).await;
    let path = format!("{V2}/{campaign}");
    sim.ok("PUT", &path, with(always("renamed"), json!({ "maxAlertingTime": 60 }))).await;
    let shown = sim.ok("GET", &format!("{V1}/{campaign}"), None).await;
    assert_eq!(shown["returnObject"]["name"], "renamed");
    assert_eq!(sim.code("PUT", &format!("{V2}/999"), always("x")).await, "0200007");
    assert_eq!(sim.code("PUT", &path, always("second")).await, "0200005");
    let changed = with(always("x"), json!({ "maxAlertingTime": 61 }));
    assert_eq!(sim.code("PUT", &path, changed).await, "02000007");
    let changed = with(always("x"), json!({ "deviceType": 1 }));
    assert_eq!(sim.code("PUT", &path, changed).await, "02000007");
    let earlier = with(always("x"), json!({ "strBeginTime": "2020-09-09 00:00:00" }));
    assert_eq!(sim.code("PUT", &path, earlier).await, "0200002");
    // V1 needs neither times nor numbers, and a begun campaign can send its begin back.
    sim.advance_s(5 * 86_400).await;
    let short = with(
        always("short"),
        json!({
        "strBeginTime": null, "strEndTime": null, "callerNo": null }),
    );
    sim.ok("PUT", &format!("{V1}/{campaign}"), short).await;
    sim.ok("PUT", &path, always("again")).await;
    sim.advance_s(40 * 86_400).await;
    assert_eq!(sim.code("PUT", &path, always("again")).await, "0200016");
}

#[tokio::test]
async fn result_queries_have_a_code_for_each_mistake_with_dates() {
    let sim = Sim::virtual_clock().await;
    let campaign = sim.create(always("dates")).await;
    let path = format!("{VDN}/callresult/{campaign}");
    for (body, code) in [
        (json!({ "beginTime": "2020-09-01" }), "0200008"),
        (json!({ "beginTime": "2020-09-01", "endTime": "yesterday" }), "0200009"),
        (json!({ "beginTime": "2020-09-02", "endTime": "2020-09-02" }), "0200010"),
        (json!({ "beginTime": "2020-09-01", "endTime": "2020-10-02" }), "0200011"),
        (json!({ "pageSize": 101, "showDetail": 1 }), "02000007"),
        (json!({ "pageSize": 501 }), "02000007"),
        (json!({ "pageSize": "5" }), "02000006"),
        (json!({ "showDetail": 2 }), "02000007"),
        (json!({ "sessionId": long(33) }), "02000003"),
    ] {
        let answer = sim.call("POST", &path, body.clone()).await;
        assert_eq!(answer["resultCode"], code, "{body}: {answer}");
    }
    sim.ok("POST", &path, json!({ "beginTime": "2020-09-01", "endTime": "2020-10-01" })).await;
    assert_eq!(sim.code("POST", &format!("{VDN}/callresult/999"), json!({})).await, "0200007");
}

#[tokio::test]
async fn paths_lists_and_definitions() {
    let sim = Sim::virtual_clock().await;
    for (path, code) in [
        ("v1/openapi/campaigns/0/1", "02000007"),
        ("v1/openapi/campaigns/10000/1", "02000007"),
        ("v1/openapi/campaigns/x/1", "02000006"),
        ("v1/openapi/campaigns/11/x", "02000006"),
        ("v1/openapi/campaigns/11/99999999999", "0200007"),
        ("v1/openapi/campaigns/11?status=0", "02000001"),
        ("v1/openapi/campaigns/11?status=1&deviceType=0", "02000007"),
        ("v1/openapi/campaigns/11?status=a&deviceType=0", "02000006"),
        ("v1/openapi/campaigns/11?status=0&deviceType=0&rowsPerPage=101", "02000007"),
        ("v1/openapi/campaigns/11?status=0&deviceType=0&beginTime=2020", "02000007"),
        ("v1/openapi/campaigns/11/queryOBSResultCode?pageSize=51&pageNum=1", "02000007"),
        ("v1/openapi/campaigns/11/queryOBSResults?pageSize=1", "02000001"),
        ("v1/openapi/campaigns/11/queryBusinessResults?pageSize=51&pageNum=1", "0200001"),
        ("v1/openapi/campaigns/11/77/queryObsResultDetail", "0200001"),
        ("v2/openapi/campaigns/11/statistics?batchId=a", "02000009"),
    ] {
        assert_eq!(sim.code("GET", path, None).await, code, "{path}");
    }
    let name = format!("{VDN}?status=0&deviceType=0&name={}", long(31));
    assert_eq!(sim.code("GET", &name, None).await, "02000005");
    assert_eq!(sim.raw("GET", "v1/openapi/nothing", None).await.0, 404);
    assert_eq!(sim.raw("PATCH", "v1/openapi/campaigns/11/1", None).await.0, 404);
    let add = format!("{VDN}/addBusinessResult");
    assert_eq!(sim.code("POST", &add, json!({ "name": "a*b" })).await, "02000002");
    assert_eq!(sim.code("POST", &add, json!({ "name": long(51) })).await, "02000003");
    let external = json!({ "resultCode": "OB123456", "displayResult": "x" });
    assert_eq!(sim.code("POST", &format!("{VDN}/createObResult"), external).await, "02000003");
}

#[tokio::test]
async fn write_back_blacklist_batches_and_special_dates() {
    let sim = Sim::virtual_clock().await;
    sim.force("", &["00603"]).await;
    let campaign = sim.create(always("rest")).await;
    let data = sim.add(campaign, numbers(&["13001"])).await.remove(0);
    let back = |data: &str| format!("{VDN}/callBusiResult/{data}");
    let body = json!({ "busiResult": "001", "subStatus": "9" });
    assert_eq!(sim.code("POST", &back("5"), body.clone()).await, "0200033");
    assert_eq!(sim.code("POST", &back(&data), body.clone()).await, "0200999");
    let defined =
        json!({ "name": "known", "code": "001", "children": [{ "name": "a", "code": "1" }] });
    sim.ok("POST", &format!("{VDN}/addBusinessResult"), defined).await;
    assert_eq!(sim.code("POST", &back(&data), body).await, "0200034");
    assert_eq!(sim.code("POST", &back(&data), json!({})).await, "02000001");
    let block = format!("{VDN}/blocklist/add");
    for (body, code) in [
        (json!({ "blocklist": [] }), "02000001"),
        (json!({ "blocklist": [5] }), "02000006"),
        (json!({ "blocklist": ["1", "1"] }), "02000007"),
        (json!({ "blocklist": vec!["1"; 21] }), "02000011"),
        (json!({ "blocklist": ["1"], "validityTime": 121 }), "02000007"),
        (json!({ "blocklist": ["1"], "relCategoryId": "x" }), "02000013"),
        (json!({ "blocklist": ["1"], "typeId": "x" }), "02000015"),
    ] {
        assert_eq!(sim.code("POST", &block, body.clone()).await, code, "{body}");
    }
    let both = json!({ "blocklist": ["1"], "offset": 0, "limit": 1 });
    assert_eq!(sim.code("POST", &format!("{VDN}/blocklist/query"), both).await, "02000009");
    batches_and_dates(&sim, campaign).await;
}

async fn batches_and_dates(sim: &Sim, campaign: i64) {
    let batch = format!("{VDN}/callbatch/{campaign}");
    let create = format!("{batch}/create");
    sim.ok("POST", &create, json!({ "name": "a", "status": 1 })).await;
    assert_eq!(sim.code("POST", &create, json!({ "name": "a" })).await, "03000001");
    assert_eq!(sim.code("POST", &create, json!({ "name": "a/b" })).await, "02000002");
    let unknown = json!({ "id": "1" });
    assert_eq!(sim.code("POST", &format!("{batch}/resume"), unknown).await, "03000004");
    for nth in 1..100 {
        sim.ok("POST", &create, json!({ "name": format!("b{nth}") })).await;
    }
    assert_eq!(sim.code("POST", &create, json!({ "name": "full" })).await, "03000003");
    let dates = format!("{VDN}/holiday/{campaign}");
    for (body, code) in [
        (json!({ "name": "a", "type": 4 }), "02000007"),
        (json!({ "name": "a", "type": 1 }), "02000009"),
        (json!({ "name": "a", "type": 1, "week": "8" }), "02000007"),
        (json!({ "name": long(31), "type": 1, "week": "1" }), "02000003"),
        (json!({ "name": "a", "type": 2, "beginTime": "09-10", "endTime": "09-11" }), "02000007"),
    ] {
        assert_eq!(sim.code("POST", &dates, body.clone()).await, code, "{body}");
    }
    let modified = json!({ "id": 77, "name": "a", "type": 1, "week": "1" });
    assert_eq!(sim.code("PUT", &dates, modified).await, "0200014");
    for nth in 1..20 {
        let date = json!({ "name": format!("d{nth}"), "type": 1, "week": "7" });
        sim.ok("POST", &dates, date).await;
    }
    let date = json!({ "name": "one too many", "type": 1, "week": "7" });
    assert_eq!(sim.code("POST", &dates, date).await, "0200001");
    sim.advance_s(40 * 86_400).await;
    assert_eq!(sim.code("POST", &create, json!({ "name": "late" })).await, "03000002");
}

#[tokio::test]
async fn a_failing_database_has_its_code_where_documented() {
    let sim = Sim::virtual_clock().await;
    let campaign = sim.create(always("db")).await;
    sim.switch(json!({ "database_down": true })).await;
    assert_eq!(sim.code("GET", &format!("{VDN}/{campaign}"), None).await, "0200006");
    assert_eq!(sim.code("POST", V2, always("x")).await, "0200001");
    sim.switch(json!({ "database_down": false })).await;
    let (status, _) = sim.control("switches", json!({ "no_such_switch": true })).await;
    assert_eq!(status, 400);
    let (status, why) = sim.control("outcomes", json!([{ "suffix": "1", "codes": ["5"] }])).await;
    assert_eq!((status, why.lines().count()), (400, 1));
    assert_eq!(sim.control("outcomes", Null).await.0, 400);
}

#[tokio::test]
async fn wrong_options_are_refused_in_one_line() {
    let wrong: [fn(&mut Options); 4] = [
        |options| options.tenants[0].vdns = vec![10_000],
        |options| options.tenants[0].access_key = "a/b".to_owned(),
        |options| options.answer_rate = 1.5,
        |options| {
            options.seeds = serde_json::from_str(r#"{"vdnId":7,"campaigns":[{"id":1}]}"#).unwrap();
        },
    ];
    for change in wrong {
        let mut options = Options::default();
        change(&mut options);
        let problem = start(options).await.unwrap_err();
        assert_eq!(problem.to_string().lines().count(), 1);
    }
}

#[tokio::test]
async fn long_bodies_are_read() {
    let sim = Sim::virtual_clock().await;
    let long_name = with(always("x"), json!({ "name": long(1_000_000) }));
    assert_eq!(sim.code("POST", V2, long_name).await, "02000003");
}
