//! Bad input on both facades: the platform's own error shape and code, never a panic.

use serde_json::{Value, json};

use dialbridge::domain::ids::CampaignPart;
use dialbridge::signing::c2;
use secrecy::SecretString;

use crate::support::{Caller, Reply, TestApp, VDN, VIRTUAL_VDN, signature};

const NIL: &str = "00000000-0000-0000-0000-000000000000";
const UNKNOWN: &str = "11111111-1111-4111-8111-111111111111";

async fn app() -> (TestApp, String) {
    let app = TestApp::simulators(|_| {}).await;
    app.isales_campaign("a").await;
    app.voipbin_campaign("v").await;
    let app = app.serve().await;
    let uuid = app.uuid_of("a").await;
    (app, uuid)
}

/// Method, path, body; status and reason of the answer.
type VbCase = (&'static str, String, Option<Value>, u16, &'static str);

fn vb_cases(uuid: &str, outdial: &str) -> Vec<VbCase> {
    let status = format!("/campaigns/{uuid}/status");
    let run = || Some(json!({"status": "run"}));
    vec![
        ("GET", "/campaigns/x".into(), None, 400, "INVALID_ID"),
        ("GET", format!("/campaigns/{NIL}"), None, 400, "INVALID_ID"),
        ("GET", format!("/campaigns/{UNKNOWN}"), None, 404, "CAMPAIGN_NOT_FOUND"),
        ("GET", "/campaigns?page_size=ten".into(), None, 400, "INVALID_REQUEST_PARAMETER"),
        ("PUT", "/campaigns/x/status".into(), Some(json!({})), 400, "INVALID_ID"),
        ("PUT", status.clone(), Some(json!({})), 400, "INVALID_ARGUMENT"),
        ("PUT", status.clone(), Some(json!({"status": null})), 400, "INVALID_ARGUMENT"),
        ("PUT", status.clone(), Some(json!({"status": "stopping"})), 400, "INVALID_ARGUMENT"),
        ("PUT", status.clone(), Some(json!({"status": "RUN"})), 400, "INVALID_ARGUMENT"),
        ("PUT", status.clone(), Some(json!({"status": 1})), 400, "INVALID_JSON_BODY"),
        ("PUT", status.clone(), Some(json!([1])), 400, "INVALID_JSON_BODY"),
        ("PUT", status, None, 400, "INVALID_JSON_BODY"),
        ("PUT", format!("/campaigns/{UNKNOWN}/status"), run(), 404, "CAMPAIGN_NOT_FOUND"),
        ("GET", format!("/campaigns/{UNKNOWN}/campaigncalls"), None, 404, "CAMPAIGN_NOT_FOUND"),
        ("GET", "/campaigncalls/1".into(), None, 400, "INVALID_ID"),
        ("GET", format!("/campaigncalls/{UNKNOWN}"), None, 404, "CAMPAIGNCALL_NOT_FOUND"),
        ("GET", format!("/outplans/{UNKNOWN}"), None, 404, "OUTPLAN_NOT_FOUND"),
        ("GET", format!("/outdials/{UNKNOWN}"), None, 404, "OUTDIAL_NOT_FOUND"),
        ("GET", format!("/outdials/{UNKNOWN}/targets"), None, 404, "OUTDIAL_NOT_FOUND"),
        // The id of a part of another kind is no id of this kind.
        ("GET", format!("/outplans/{outdial}"), None, 404, "OUTPLAN_NOT_FOUND"),
        ("PATCH", "/campaigns".into(), None, 404, "ROUTE_NOT_FOUND"),
        ("GET", "/".into(), None, 404, "ROUTE_NOT_FOUND"),
    ]
}

/// Targets with one member changed.
fn target_cases(outdial: &str) -> Vec<VbCase> {
    let changes = [
        (json!({"name": ""}), "INVALID_ARGUMENT"),
        (json!({"detail": null}), "INVALID_ARGUMENT"),
        (json!({"data": {}}), "INVALID_JSON_BODY"),
        (json!({"destination_0": null}), "INVALID_ARGUMENT"),
        (json!({"destination_0": "+86"}), "INVALID_JSON_BODY"),
        (json!({"destination_0": {"target": "60584"}}), "INVALID_ARGUMENT"),
        (json!({"destination_1": {"type": "sip", "target": "bob@host"}}), "INVALID_ARGUMENT"),
    ];
    let case = |(change, reason): (Value, &'static str)| {
        let mut body = json!({"name": "n", "detail": "d", "data": "x",
            "destination_0": {"type": "tel", "target": "+8613100000001"}});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        ("POST", format!("/outdials/{outdial}/targets"), Some(body), 400, reason)
    };
    changes.map(case).to_vec()
}

#[tokio::test]
async fn the_voipbin_facade_refuses_bad_input_its_own_way() {
    let (app, uuid) = app().await;
    let outdial = app.row_of("a").await["outdial_id"].as_str().unwrap().to_owned();
    for (method, path, body, status, reason) in
        vb_cases(&uuid, &outdial).into_iter().chain(target_cases(&outdial))
    {
        let reply = app.vb(method, &path, body.clone()).await;
        assert_eq!(reply.status, status, "{method} {path} {body:?}: {}", reply.text);
        assert_eq!(reply.reason(), reason, "{method} {path} {body:?}: {}", reply.text);
        // The older generation says 400 to nearly everything, and nothing more.
        let reply = app.vb_as(Caller::Seed, method, &path, body).await;
        assert_eq!((reply.status, reply.text.as_str()), (400, ""), "{method} {path}");
    }
    assert_eq!(app.isales.journal.contacts().len(), 0);
    app.finish().await;
}

#[tokio::test]
async fn voipbin_credentials_are_taken_in_the_platforms_order() {
    let (app, _) = app().await;
    let good = Caller::Both.key();
    let url = |query: &str| format!("{}/v1.0/campaigns{query}", app.facades());
    let cookie = |value: &str| vec![("cookie", value.to_owned())];
    let none: Vec<(&str, String)> = Vec::new();
    let cases = [
        (none.clone(), String::new(), 401, "AUTHENTICATION_REQUIRED"),
        (none.clone(), "?accesskey=".to_owned(), 401, "AUTHENTICATION_REQUIRED"),
        (none.clone(), "?accesskey=vb_wrong".to_owned(), 401, "INVALID_CREDENTIALS"),
        (none.clone(), format!("?accesskey={good}"), 200, ""),
        (cookie(&format!("accesskey={good}")), String::new(), 200, ""),
        // No fall-through: the cookie comes first, and so does a log-in token, which we never gave.
        (cookie("accesskey=vb_wrong"), format!("?accesskey={good}"), 401, "INVALID_CREDENTIALS"),
        (cookie(&format!("accesskey={good}")), "?accesskey=vb_wrong".to_owned(), 200, ""),
        (none.clone(), format!("?token=t&accesskey={good}"), 401, "INVALID_CREDENTIALS"),
        (cookie("token=t"), format!("?accesskey={good}"), 401, "INVALID_CREDENTIALS"),
        (
            vec![("authorization", "Bearer t".to_owned())],
            format!("?accesskey={good}"),
            401,
            "INVALID_CREDENTIALS",
        ),
        (vec![("authorization", good.to_owned())], String::new(), 401, "AUTHENTICATION_REQUIRED"),
    ];
    for (headers, query, status, reason) in cases {
        let reply = app.send("GET", &url(&query), &headers, None).await;
        assert_eq!(reply.status, status, "{headers:?} {query}: {}", reply.text);
        if status != 200 {
            assert_eq!(reply.reason(), reason, "{headers:?} {query}");
        }
    }
    // A sound request id is given back, another one is replaced.
    for (given, kept) in [("my-id_1", true), ("", false), ("a b", false), (&"x".repeat(65), false)]
    {
        let headers = [("x-request-id", given.to_owned())];
        let reply = app.send("GET", &url(""), &headers, None).await;
        let id = reply.headers["x-request-id"].to_str().unwrap();
        assert_eq!(id == given, kept, "{given}");
        assert!(kept || (id.starts_with("req_") && id.len() == 30), "{id}");
    }
    assert_eq!(app.send("GET", &format!("{}/ping", app.facades()), &[], None).await.status, 200);
    app.finish().await;
}

/// Method, path, body; code of the answer and what its description names.
type CcCase = (&'static str, String, Option<Value>, &'static str, &'static str);

fn path_cases(number: i64) -> Vec<CcCase> {
    let own = format!("v1/openapi/campaigns/{VDN}");
    let record = || Some(json!({"callDataList": [{"called": "13100000001"}]}));
    vec![
        ("GET", "v1/openapi/campaigns/0/1".into(), None, "02000007", "vdnId"),
        ("GET", "v1/openapi/campaigns/10000/1".into(), None, "02000007", "vdnId"),
        ("GET", "v1/openapi/campaigns/x/1".into(), None, "02000006", "vdnId"),
        ("GET", "v1/openapi/campaigns/99999999999999999999/1".into(), None, "02000007", "vdnId"),
        ("GET", format!("{own}/x"), None, "02000006", "campaignId"),
        ("GET", format!("{own}/0"), None, "02000007", "campaignId"),
        ("GET", format!("{own}/9223372036854775808"), None, "02000007", "campaignId"),
        ("GET", format!("{own}/999999"), None, "0200007", ""),
        ("GET", format!("v1/openapi/campaigns/22/{number}"), None, "0200007", ""),
        ("PUT", format!("{own}/999999/resume"), None, "0200007", ""),
        ("PUT", format!("{own}/{number}/pause"), None, "0200011", ""),
        ("POST", format!("{own}/calldata/999999"), record(), "0200007", ""),
        ("GET", format!("{own}/callresultdetail/nothing"), None, "0200001", ""),
    ]
}

fn list_cases() -> Vec<CcCase> {
    let long = format!("status=0&deviceType=0&curPage=1&name={}", "n".repeat(31));
    let queries = [
        ("status=0&deviceType=0", "02000001", "curPage"),
        ("deviceType=0&curPage=1", "02000001", "status"),
        ("status=0&curPage=1", "02000001", "deviceType"),
        ("status=1&deviceType=0&curPage=1", "02000007", "status"),
        ("status=x&deviceType=0&curPage=1", "02000006", "status"),
        ("status=0&deviceType=4&curPage=1", "02000007", "deviceType"),
        ("status=0&deviceType=0&curPage=1&rowsPerPage=101", "02000007", "rowsPerPage"),
        (&long, "02000003", "name"),
        ("status=0&deviceType=0&curPage=1&beginTime=2026", "02000007", "beginTime"),
    ];
    let case = |(query, code, field): (&str, &'static str, &'static str)| {
        ("GET", format!("v1/openapi/campaigns/{VDN}?{query}"), None, code, field)
    };
    let mut cases = queries.map(case).to_vec();
    let foreign = "v1/openapi/campaigns/22?status=0&deviceType=0&curPage=1";
    cases.push(("GET", foreign.to_owned(), None, "0200001", ""));
    cases
}

fn number_cases(number: i64) -> Vec<CcCase> {
    let list = |records: Value| json!({ "callDataList": records });
    let one = |record: Value| json!({ "callDataList": [record] });
    let with = |name: &str, value: String| {
        let mut record = json!({"called": "1"});
        record[name] = json!(value);
        json!({ "callDataList": [record] })
    };
    let twice = json!([{"called": "13100000001"}, {"called": "13100000001"}]);
    let many: Vec<Value> = (0..21).map(|i| json!({"called": format!("131000001{i:02}")})).collect();
    let bodies = [
        (json!({}), "02000001", "callDataList"),
        (json!([]), "02000006", "body"),
        (list(json!([])), "02000001", "callDataList"),
        (list(json!({})), "02000006", "callDataList"),
        (one(json!(1)), "02000006", "callDataList"),
        (one(json!({})), "02000001", "called"),
        (one(json!({"called": ""})), "02000001", "called"),
        (one(json!({"called": []})), "02000006", "called"),
        (one(json!({"called": "+8613"})), "02000002", "called"),
        (one(json!({"called": "1".repeat(25)})), "02000003", "called"),
        (with("sessionId", "s".repeat(33)), "02000003", "sessionId"),
        (with("caller", "abc".to_owned()), "02000002", "caller"),
        (with("callData", "x".repeat(1025)), "02000003", "callData"),
        (with("recycleTime", "soon".to_owned()), "0200030", "recycleTime"),
        (list(twice), "0200018", ""),
        (list(json!(many)), "0200029", "callDataList"),
    ];
    let path = format!("v1/openapi/campaigns/{VDN}/calldata/{number}");
    bodies.map(|(body, code, field)| ("POST", path.clone(), Some(body), code, field)).to_vec()
}

fn number_v2_cases(number: i64) -> Vec<CcCase> {
    let called = json!([{"calledNo": "13100000001"}]);
    let records = [
        (json!({"called": "13100000001"}), "02000006", "called"),
        (json!({"called": [{}]}), "02000001", "calledNo"),
        (json!({"called": [{"calledNo": "1", "delayTime": "7201"}]}), "02000007", "delayTime"),
        (json!({"called": called, "customField": "a;b"}), "02000002", "customField"),
        (json!({"called": [called[0], called[0]]}), "0200018", ""),
    ];
    let path = format!("v2/openapi/campaigns/{VDN}/calldata/{number}");
    let case = |(record, code, field): (Value, &'static str, &'static str)| {
        ("POST", path.clone(), Some(json!({ "callDataList": [record] })), code, field)
    };
    records.map(case).to_vec()
}

fn result_cases(number: i64) -> Vec<CcCase> {
    let days = |begin: &str, end: &str| json!({"beginTime": begin, "endTime": end});
    let bodies = [
        (json!({"pageSize": 501}), "02000007", "pageSize"),
        (json!({"pageSize": 101, "showDetail": 1}), "02000007", "pageSize"),
        (json!({"pageNum": 0}), "02000007", "pageNum"),
        (json!({"showDetail": 2}), "02000007", "showDetail"),
        (json!({"sessionId": {}}), "02000006", "sessionId"),
        (json!({"beginTime": "2026-01-01"}), "0200008", "endTime"),
        (days("yesterday", "2026-01-02"), "0200009", "beginTime"),
        (days("2026-01-02", "2026-01-02"), "0200010", "beginTime"),
        (days("2026-01-01", "2026-02-01"), "0200011", "endTime"),
    ];
    let path = format!("v1/openapi/campaigns/{VDN}/callresult/{number}");
    bodies.map(|(body, code, field)| ("POST", path.clone(), Some(body), code, field)).to_vec()
}

#[tokio::test]
async fn the_isales_facade_refuses_bad_input_with_documented_codes() {
    let (app, _) = app().await;
    let number = app.number_of(VDN, "a").await;
    let cases = path_cases(number).into_iter().chain(list_cases());
    let cases = cases.chain(number_cases(number)).chain(number_v2_cases(number));
    for (method, path, body, code, field) in cases.chain(result_cases(number)) {
        let reply = app.cc(method, &path, body.clone()).await;
        assert_eq!(reply.status, 200, "{method} {path} {body:?}: {}", reply.text);
        assert_eq!(reply.code(), code, "{method} {path} {body:?}: {}", reply.text);
        let description = reply.json()["resultDesc"].as_str().unwrap().to_owned();
        assert!(description.contains(field), "{path} {body:?}: {description}");
    }
    // What is not JSON at all has a code of its own.
    let path = format!("v1/openapi/campaigns/{VDN}/callresult/{number}");
    let url = format!("{}/rest/isales/{path}", app.facades());
    let (access_key, secret) = Caller::Both.keys();
    let keys = c2::Credentials::new(access_key, &SecretString::from(secret)).unwrap();
    let signed = [("authorization", signature(&keys, "POST", &url, "{\"a\""))];
    let reply = app.send("POST", &url, &signed, Some("{\"a\"".to_owned())).await;
    assert_eq!(reply.code(), "02000008");
    assert_eq!(app.isales.journal.contacts().len(), 0);
    app.finish().await;
}

#[tokio::test]
async fn isales_signatures_are_verified_over_everything() {
    let (app, _) = app().await;
    let url = format!("{}/rest/isales/v1/openapi/campaigns/{VIRTUAL_VDN}/1", app.facades());
    let keys = |secret: &str| {
        c2::Credentials::new(Caller::Both.keys().0, &SecretString::from(secret)).unwrap()
    };
    let good = keys(Caller::Both.keys().1);
    let signed = signature(&good, "GET", &url, "");
    let ask = async |url: &str, header: Option<&str>, body: Option<&str>| -> Reply {
        let headers: Vec<_> = header.map(|h| ("authorization", h.to_owned())).into_iter().collect();
        app.send("GET", url, &headers, body.map(str::to_owned)).await
    };
    assert_eq!(ask(&url, Some(&signed), None).await.status, 200);
    let other_path = format!("{}/rest/isales/v1/openapi/campaigns/{VIRTUAL_VDN}/2", app.facades());
    let old = signed.replacen("/20", "/19", 1);
    let refused = [
        (url.as_str(), None, None),
        (url.as_str(), Some("auth-v2/x"), None),
        (url.as_str(), Some(""), None),
        (other_path.as_str(), Some(signed.as_str()), None),
        (url.as_str(), Some(signed.as_str()), Some("{}")),
        (url.as_str(), Some(old.as_str()), None),
    ];
    for (url, header, body) in refused {
        let reply = ask(url, header, body).await;
        assert_eq!((reply.status, reply.text.as_str()), (401, ""), "{header:?} {body:?}");
    }
    let wrong = signature(&keys("another secret"), "GET", &url, "");
    assert_eq!(ask(&url, Some(&wrong), None).await.status, 401);
    let stranger = app.cc_as(Caller::Stranger, "GET", "v1/openapi/campaigns/11/1", None).await;
    assert_eq!((stranger.status, stranger.text.as_str()), (401, ""));
    // A name of ours that a proxy in front is called by.
    let public = url.replace(&app.facades(), "http://dialbridge.example.com:8443");
    let signed = signature(&good, "GET", &public, "");
    assert_eq!(ask(&url, Some(&signed), None).await.status, 200);
    app.finish().await;
}

#[tokio::test]
async fn what_belongs_to_another_account_is_refused_as_the_platform_does() {
    let app = TestApp::simulators(|config| {
        // The gateway knows nothing of the other customer's account.
        config.accounts.retain(|account| account.slug.as_str() != "vb-other");
    })
    .await;
    let number = app.isales_campaign("ours").await;
    let ids = app.voipbin_campaign("ours too").await;
    let app = app.serve().await;
    let uuid = app.uuid_of("ours").await;
    for path in [
        format!("/campaigns/{uuid}"),
        format!("/campaigns/{}", ids.campaign),
        format!("/campaigns/{uuid}/campaigncalls"),
        format!("/outplans/{}", CampaignPart::DialingRules.public_id(uuid.parse().unwrap())),
    ] {
        let reply = app.vb_as(Caller::Other, "GET", &path, None).await;
        assert_eq!((reply.status, reply.reason().as_str()), (403, "PERMISSION_DENIED"), "{path}");
    }
    let path = format!("/campaigns/{uuid}/status");
    let reply = app.vb_as(Caller::Other, "PUT", &path, Some(json!({"status": "run"}))).await;
    assert_eq!(reply.status, 403);
    let path = format!("v1/openapi/campaigns/{VDN}/{number}");
    assert_eq!(app.cc_as(Caller::Other, "GET", &path, None).await.code(), "0200007");
    let path = format!("v1/openapi/campaigns/{VDN}/callresult/{number}");
    assert_eq!(app.cc_as(Caller::Other, "POST", &path, None).await.code(), "0200007");
    let page = app.vb_as(Caller::Other, "GET", "/campaigns", None).await.json();
    assert_eq!(page, json!({"result": [], "next_page_token": ""}));

    // A campaign of a customer that only the platform knows: it says 403, and so do we.
    let theirs = app.foreign_voipbin_campaign().await;
    let reply = app.vb("GET", &format!("/campaigns/{theirs}"), None).await;
    assert_eq!((reply.status, reply.reason().as_str()), (403, "PERMISSION_DENIED"));
    app.finish().await;
}

#[tokio::test]
async fn bodies_over_the_limit_are_refused_in_the_platforms_shape() {
    let (app, uuid) = app().await;
    let large = json!({"status": "x".repeat(70_000)});
    let reply = app.vb("PUT", &format!("/campaigns/{uuid}/status"), Some(large.clone())).await;
    assert_eq!((reply.status, reply.reason().as_str()), (400, "INVALID_JSON_BODY"));
    let path = format!("v1/openapi/campaigns/{VDN}/callresult/1");
    assert_eq!(app.cc("POST", &path, Some(large.clone())).await.code(), "02000003");
    let stranger = app.cc_as(Caller::Stranger, "POST", &path, Some(large)).await;
    assert_eq!(stranger.status, 401);
    app.finish().await;
}
