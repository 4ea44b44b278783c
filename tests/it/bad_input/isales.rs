//! Rows of the CC-iSales facade (reference 3 to 5, 7, 12.2, and the order of checks in 15.2).

use dialbridge::signing::c2;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{Place, app, check_text, everything};
use crate::conformance;
use crate::support::{Caller, Reply, TestApp, signature};

/// Method, path below `/rest/isales/`, body as it is sent; code of the answer.
type Row = (&'static str, &'static str, &'static str, &'static str);

const PATHS: &[Row] = &[
    ("GET", "v1/openapi/campaigns/0/1", "", "02000007"),
    ("GET", "v1/openapi/campaigns/-1/1", "", "02000007"),
    ("GET", "v1/openapi/campaigns/10000/1", "", "02000007"),
    ("GET", "v1/openapi/campaigns/x/1", "", "02000006"),
    ("GET", "v1/openapi/campaigns/1.5/1", "", "02000006"),
    ("GET", "v1/openapi/campaigns/99999999999999999999/1", "", "02000007"),
    ("GET", "v1/openapi/campaigns/{vdn}/x", "", "02000006"),
    ("GET", "v1/openapi/campaigns/{vdn}/0", "", "02000007"),
    ("GET", "v1/openapi/campaigns/{vdn}/-5", "", "02000007"),
    ("GET", "v1/openapi/campaigns/{vdn}/9223372036854775808", "", "02000007"),
    ("GET", "v1/openapi/campaigns/{vdn}/999999", "", "0200007"),
    ("GET", "v1/openapi/campaigns/{vdn}/{unknown}", "", "02000006"),
    ("GET", "v1/openapi/campaigns/22/{n}", "", "0200007"),
    ("DELETE", "v1/openapi/campaigns/{vdn}/999999", "", "0200007"),
    ("DELETE", "v1/openapi/campaigns/22/{n}", "", "0200007"),
    ("PUT", "v1/openapi/campaigns/{vdn}/999999/resume", "", "0200007"),
    ("PUT", "v1/openapi/campaigns/{vdn}/999999/pause", "", "0200007"),
    ("PUT", "v1/openapi/campaigns/{vdn}/{n}/pause", "", "0200011"),
    ("PUT", "v1/openapi/campaigns/22/{n}/pause", "", "0200007"),
    ("GET", "v1/openapi/campaigns/{vdn}/callresultdetail/nothing", "", "0200001"),
    ("GET", "v1/openapi/campaigns/{vdn}/calldata/{n}/77777777", "", "0200001"),
    ("GET", "v1/openapi/campaigns/{vdn}/calldata/999999/1", "", "0200007"),
    ("GET", "v1/openapi/campaigns/{vdn}/retryPolicy/999999", "", "0200-01"),
    (
        "POST",
        "v1/openapi/campaigns/{vdn}/callresult/999999",
        r#"{"pageSize":1,"pageNum":1}"#,
        "0200007",
    ),
];

const LISTS: &[Row] = &[
    ("GET", "v1/openapi/campaigns/{vdn}", "", "02000001"),
    ("GET", "v1/openapi/campaigns/{vdn}?deviceType=0&curPage=1&rowsPerPage=1", "", "02000001"),
    ("GET", "v1/openapi/campaigns/{vdn}?status=0&curPage=1&rowsPerPage=1", "", "02000001"),
    ("GET", "v1/openapi/campaigns/{vdn}?status=1&deviceType=0&curPage=1", "", "02000007"),
    ("GET", "v1/openapi/campaigns/{vdn}?status=x&deviceType=0&curPage=1", "", "02000006"),
    ("GET", "v1/openapi/campaigns/{vdn}?status=0&deviceType=4&curPage=1", "", "02000007"),
    ("GET", "v1/openapi/campaigns/{vdn}?status=0&deviceType=0&curPage=x", "", "02000006"),
    (
        "GET",
        "v1/openapi/campaigns/{vdn}?status=0&deviceType=0&curPage=1&rowsPerPage=101",
        "",
        "02000007",
    ),
    (
        "GET",
        "v1/openapi/campaigns/{vdn}?status=0&deviceType=0&curPage=1&beginTime=2026",
        "",
        "02000007",
    ),
    (
        "GET",
        "v1/openapi/campaigns/{vdn}?status=0&deviceType=0&curPage=1&endTime=never",
        "",
        "02000007",
    ),
    ("GET", "v2/openapi/campaigns/{vdn}/statistics?batchId=a", "", "02000009"),
    ("GET", "v2/openapi/campaigns/{vdn}/statistics?campaignId=x", "", "02000006"),
    ("GET", "v1/openapi/campaigns/{vdn}/queryOBSResultCode?pageSize=51&pageNum=1", "", "02000007"),
    ("GET", "v1/openapi/campaigns/{vdn}/queryOBSResultCode?pageSize=0&pageNum=1", "", "02000007"),
    ("GET", "v1/openapi/campaigns/{vdn}/queryOBSResultCode?pageSize=1&pageNum=0", "", "02000007"),
    ("GET", "v1/openapi/campaigns/{vdn}/queryOBSResults?pageSize=1", "", "02000001"),
    ("GET", "v1/openapi/campaigns/{vdn}/queryOBSResults?pageSize=x&pageNum=1", "", "02000006"),
];

const CALLDATA: &[(&str, &str)] = &[
    ("", "02000001"),
    ("{}", "02000001"),
    ("[]", "02000006"),
    ("nothing", "02000008"),
    (r#"{"callDataList""#, "02000008"),
    ("{deep}", "02000008"),
    (r#"{"callDataList":[]}"#, "02000001"),
    (r#"{"callDataList":{}}"#, "02000006"),
    (r#"{"callDataList":[1]}"#, "02000006"),
    (r#"{"callDataList":[{}]}"#, "02000001"),
    (r#"{"callDataList":[{"called":""}]}"#, "02000001"),
    (r#"{"callDataList":[{"called":[]}]}"#, "02000006"),
    (r#"{"callDataList":[{"called":{"a":"{canary}"}}]}"#, "02000006"),
    (r#"{"callDataList":[{"called":"+86{canary}"}]}"#, "02000002"),
    (r#"{"callDataList":[{"called":"{canary}; DROP TABLE"}]}"#, "02000002"),
    (r#"{"callDataList":[{"called":"{canary}{canary}{canary}"}]}"#, "02000003"),
    (r#"{"callDataList":[{"called":"{canary}","caller":"abc"}]}"#, "02000002"),
    (r#"{"callDataList":[{"called":"{canary}","sessionId":[]}]}"#, "02000006"),
    (r#"{"callDataList":[{"called":"{canary}","sessionId":"{unknown}"}]}"#, "02000003"),
    (r#"{"callDataList":[{"called":"{canary}","callData":"{long}"}]}"#, "02000003"),
    (r#"{"callDataList":[{"called":"{canary}","customField":"{long}"}]}"#, "02000003"),
    (r#"{"callDataList":[{"called":"{canary}","recycleTime":"soon"}]}"#, "0200030"),
    (r#"{"callDataList":[{"called":"{canary}"},{"called":"{canary}"}]}"#, "0200018"),
];

const CALLDATA_V2: &[(&str, &str)] = &[
    (r#"{"callDataList":[{"called":"{canary}"}]}"#, "02000006"),
    (r#"{"callDataList":[{"called":[{}]}]}"#, "02000001"),
    (r#"{"callDataList":[{"called":["{canary}"]}]}"#, "02000006"),
    (r#"{"callDataList":[{"called":[{"calledNo":"{canary}","delayTime":"7201"}]}]}"#, "02000007"),
    (r#"{"callDataList":[{"called":[{"calledNo":"{canary}"}],"customField":"a;b"}]}"#, "02000002"),
    (
        r#"{"callDataList":[{"called":[{"calledNo":"{canary}"},{"calledNo":"{canary}"}]}]}"#,
        "0200018",
    ),
];

const RESULTS: &[(&str, &str)] = &[
    ("[]", "02000006"),
    ("x", "02000008"),
    (r#"{"pageSize":501,"pageNum":1}"#, "02000007"),
    (r#"{"pageSize":101,"pageNum":1,"showDetail":1}"#, "02000007"),
    (r#"{"pageSize":0,"pageNum":1}"#, "02000007"),
    (r#"{"pageSize":"ten","pageNum":1}"#, "02000006"),
    (r#"{"pageSize":1,"pageNum":0}"#, "02000007"),
    (r#"{"pageSize":1,"pageNum":1,"showDetail":2}"#, "02000007"),
    (r#"{"pageSize":1,"pageNum":1,"sessionId":{}}"#, "02000006"),
    (r#"{"pageSize":1,"pageNum":1,"beginTime":"2026-01-01"}"#, "0200008"),
    (r#"{"pageSize":1,"pageNum":1,"endTime":"2026-01-01"}"#, "0200008"),
    (r#"{"pageSize":1,"pageNum":1,"beginTime":"yesterday","endTime":"2026-01-02"}"#, "0200009"),
    (r#"{"pageSize":1,"pageNum":1,"beginTime":"2026-01-02","endTime":"2026-01-02"}"#, "0200010"),
    (r#"{"pageSize":1,"pageNum":1,"beginTime":"2026-01-01","endTime":"2026-02-01"}"#, "0200011"),
];

type Change = (&'static str, Value, &'static str);

/// What is wrong with a campaign: the member, what it becomes (null: it is left out), the code.
fn documents() -> Vec<Change> {
    let many: Vec<Value> =
        (0..101).map(|n| json!({"accessCode": format!("0{n}"), "priority": 1})).collect();
    let caller =
        |number: &str, priority: i64| json!([{"accessCode": number, "priority": priority}]);
    vec![
        ("name", Value::Null, "02000001"),
        ("name", json!(""), "02000001"),
        ("name", json!([]), "02000006"),
        ("name", json!("n".repeat(101)), "02000003"),
        ("description", json!("d".repeat(201)), "02000003"),
        ("description", json!("a;b"), "02000002"),
        ("description", json!("<script>"), "02000002"),
        ("strBeginTime", Value::Null, "02000001"),
        ("strEndTime", Value::Null, "02000001"),
        ("strBeginTime", json!("tomorrow"), "02000007"),
        ("strBeginTime", json!("2026-13-01 00:00:00"), "02000007"),
        ("strBeginTime", json!("2020-01-01 00:00:00"), "0200002"),
        ("strEndTime", json!("2020-01-01 00:00:00"), "02000009"),
        ("deviceType", Value::Null, "02000001"),
        ("deviceType", json!(4), "02000007"),
        ("deviceType", json!("two"), "02000006"),
        ("deviceType", json!(3), "02000009"),
        ("callerNo", Value::Null, "02000001"),
        ("callerNo", json!([]), "02000001"),
        ("callerNo", json!("02061000000"), "02000006"),
        ("callerNo", json!(many), "02000011"),
        ("callerNo", caller("abc", 1), "02000002"),
        ("callerNo", caller("1234567890123456789012345", 1), "02000003"),
        ("callerNo", caller("02061000000", 6), "02000007"),
        ("callerNo", caller("02061000000", 0), "02000007"),
        ("callerNo", json!([{"accessCode": "1"}]), "02000001"),
    ]
}

/// The same for when and how it calls.
fn dialling() -> Vec<Change> {
    let skill = |change: Value| {
        let mut skill = json!({"skillId": 5, "skillName": "s", "outBoundType": 2,
            "predictParam": {"predictMethod": 5, "offhookPredictParam": {"offHookRate": 100}}});
        skill.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        skill.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        skill
    };
    vec![
        ("maxAlertingTime", Value::Null, "02000001"),
        ("maxAlertingTime", json!(4), "02000007"),
        ("maxAlertingTime", json!(121), "02000007"),
        ("maxAlertingTime", json!("20 s"), "02000006"),
        ("scheduleParam", Value::Null, "02000001"),
        ("scheduleParam", json!([]), "02000006"),
        (
            "scheduleParam",
            json!({"workdayBeginTime1": "25:00", "workdayEndTime1": "26:00"}),
            "02000007",
        ),
        (
            "scheduleParam",
            json!({"workdayBeginTime1": "8", "workdayEndTime1": "17:00"}),
            "02000010",
        ),
        (
            "scheduleParam",
            json!({"workdayBeginTime1": "09:00", "workdayEndTime1": "08:00"}),
            "02000009",
        ),
        ("scheduleParam", json!({"workdayBeginTime1": "09:00"}), "02000009"),
        ("skillParam", Value::Null, "02000009"),
        ("skillParam", json!(5), "02000006"),
        ("skillParam", skill(json!({"skillId": null})), "02000001"),
        ("skillParam", skill(json!({"skillId": 99})), "0200017"),
        ("skillParam", skill(json!({"predictParam": null})), "02000009"),
        ("skillParam", skill(json!({"predictParam": {"predictMethod": 4}})), "02000007"),
        ("skillParam", skill(json!({"outBoundType": 1})), "02000007"),
        ("initStatus", json!(2), "02000007"),
        ("callBackUrl", json!("ftp://example.com"), "02000007"),
        ("callBackUrl", json!("nowhere"), "02000007"),
        ("priority", json!(0), "02000007"),
        ("priority", json!(6), "02000007"),
        ("priority", json!("high"), "02000006"),
        ("retryPolicy", json!([]), "02000006"),
        ("retryPolicy", json!({"policyType": 2}), "02000007"),
        ("retryPolicy", json!({"policyType": 1, "noRetryPolicy": "OB1"}), "02000009"),
        ("callPolicy", json!({"callType": 2}), "02000007"),
        ("callPolicy", json!({"callType": 1}), "02000009"),
    ]
}

fn document(app: &TestApp) -> Value {
    let today = app.simulated.now().strftime("%Y-%m-%d 00:00:00").to_string();
    json!({
        "name": "wrong", "description": "d", "deviceType": 2, "strBeginTime": today,
        "strEndTime": "2099-01-01 00:00:00", "maxAlertingTime": 20, "priority": 4,
        "callerNo": [{"accessCode": "02061000000", "priority": 3}],
        "scheduleParam": {"workdayBeginTime1": "00:00", "workdayEndTime1": "23:59"},
        "skillParam": {"skillId": 5, "skillName": "Voice Skill Queue", "outBoundType": 2,
            "predictParam": {"predictMethod": 5, "offhookPredictParam": {"offHookRate": 100}}},
        "initStatus": 1,
    })
}

/// A signed request with a body that need not be JSON.
async fn send(app: &TestApp, method: &str, path: &str, body: &str) -> Reply {
    let url = format!("{}/rest/isales/{path}", app.facades());
    let (access_key, secret) = Caller::Both.keys();
    let keys = c2::Credentials::new(access_key, &SecretString::from(secret)).unwrap();
    let signed = [("authorization", signature(&keys, method, &url, body))];
    let body = (!body.is_empty()).then(|| body.to_owned());
    app.send(method, &url, &signed, body).await
}

struct Table<'a> {
    app: &'a TestApp,
    place: &'a Place,
    rows: usize,
    wrong: Vec<String>,
}

impl Table<'_> {
    async fn check(&mut self, (method, path, body, code): (&str, &str, &str, &str)) {
        let (path, body) = (self.place.fill(path), self.place.fill(body));
        let reply = send(self.app, method, &path, &body).await;
        let shown: String = body.chars().take(200).collect();
        let what = format!("{method} {path} {shown}");
        check_text(&what, &reply);
        conformance::check_isales(&what, &reply);
        self.rows += 1;
        // Seen together: a rule that is broken is broken in several rows.
        if (reply.status, reply.code().as_str()) != (200, code) {
            self.wrong.push(format!("{what}\n  {code} expected: {} {}", reply.status, reply.text));
        }
    }
}

async fn every_row(app: TestApp, place: &Place) {
    let before = everything(&app).await;
    let mut table = Table { app: &app, place, rows: 0, wrong: Vec::new() };
    for row in PATHS.iter().chain(LISTS) {
        table.check(*row).await;
    }
    for (body, code) in CALLDATA {
        table.check(("POST", "v1/openapi/campaigns/{vdn}/calldata/{n}", body, code)).await;
    }
    for (body, code) in CALLDATA_V2 {
        table.check(("POST", "v2/openapi/campaigns/{vdn}/calldata/{n}", body, code)).await;
    }
    for (body, code) in RESULTS {
        table.check(("POST", "v1/openapi/campaigns/{vdn}/callresult/{n}", body, code)).await;
    }
    for (member, value, code) in documents().into_iter().chain(dialling()) {
        let mut wrong = document(&app);
        wrong[member] = value;
        wrong.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        table.check(("POST", "v2/openapi/campaigns/{vdn}", &wrong.to_string(), code)).await;
    }
    let mut twice = document(&app);
    twice["name"] =
        json!(if place.vdn == crate::support::VDN { "on isales" } else { "on voipbin" });
    table.check(("POST", "v2/openapi/campaigns/{vdn}", &twice.to_string(), "0200005")).await;
    table
        .check(("PUT", "v2/openapi/campaigns/{vdn}/999999", &document(&app).to_string(), "0200007"))
        .await;
    assert!(table.wrong.is_empty(), "{} rows:\n{}", table.wrong.len(), table.wrong.join("\n"));
    assert!(table.rows >= 130, "{} rows", table.rows);
    assert_eq!(everything(&app).await, before, "something was changed");
    app.finish().await;
}

#[tokio::test]
async fn every_row_where_the_campaign_is_on_voipbin() {
    let (app, [place, _]) = app("vb").await;
    every_row(app, &place).await;
}

#[tokio::test]
async fn every_row_where_the_campaign_is_on_isales() {
    let (app, [_, place]) = app("cc").await;
    every_row(app, &place).await;
}
