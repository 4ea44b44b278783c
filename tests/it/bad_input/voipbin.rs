//! Rows of the VoIPBin facade (reference 1.3, 3 to 7).

use super::{Place, app, check_text, everything};
use crate::conformance;
use crate::support::{Caller, TestApp};

/// Method, path, body as it is sent; status and reason (empty: any of that status).
type Row = (&'static str, &'static str, &'static str, u16, &'static str);

const PATHS: &[Row] = &[
    ("GET", "/campaigns/x", "", 400, "INVALID_ID"),
    ("GET", "/campaigns/{nil}", "", 400, "INVALID_ID"),
    ("GET", "/campaigns/{c}0", "", 400, "INVALID_ID"),
    ("GET", "/campaigns/{c}%00", "", 400, "INVALID_ID"),
    ("GET", "/campaigns/'%20OR%201=1--", "", 400, "INVALID_ID"),
    ("GET", "/campaigns/%F0%9F%92%A9", "", 400, "INVALID_ID"),
    ("GET", "/campaigns/%FF%FE", "", 400, "INVALID_ID"),
    ("GET", "/campaigns/{long}", "", 400, "INVALID_ID"),
    ("GET", "/campaigns/{unknown}", "", 404, "CAMPAIGN_NOT_FOUND"),
    ("GET", "/campaigns/{p}", "", 404, "CAMPAIGN_NOT_FOUND"),
    ("GET", "/campaigns/{c}/nothing", "", 404, "ROUTE_NOT_FOUND"),
    ("GET", "/campaigns/{c}/status", "", 404, "ROUTE_NOT_FOUND"),
    ("GET", "/campaign", "", 404, "ROUTE_NOT_FOUND"),
    ("DELETE", "/campaigns", "", 404, "ROUTE_NOT_FOUND"),
    ("POST", "/campaigns/{c}", "{}", 404, "ROUTE_NOT_FOUND"),
    ("PATCH", "/campaigns/{c}", "{}", 404, "ROUTE_NOT_FOUND"),
    ("PUT", "/campaigns/{c}/campaigncalls", "{}", 404, "ROUTE_NOT_FOUND"),
    ("GET", "/campaigns/{unknown}/campaigncalls", "", 404, "CAMPAIGN_NOT_FOUND"),
    ("GET", "/campaigns/x/campaigncalls", "", 400, "INVALID_ID"),
    ("DELETE", "/campaigns/{unknown}", "", 404, "CAMPAIGN_NOT_FOUND"),
    ("DELETE", "/campaigns/{nil}", "", 400, "INVALID_ID"),
    ("GET", "/campaigncalls/1", "", 400, "INVALID_ID"),
    ("GET", "/campaigncalls/{unknown}", "", 404, "CAMPAIGNCALL_NOT_FOUND"),
    ("DELETE", "/campaigncalls/{unknown}", "", 404, "CAMPAIGNCALL_NOT_FOUND"),
    ("GET", "/campaigncalls/{c}", "", 404, "CAMPAIGNCALL_NOT_FOUND"),
    ("POST", "/campaigncalls", "{}", 404, "ROUTE_NOT_FOUND"),
    ("GET", "/outplans/x", "", 400, "INVALID_ID"),
    ("GET", "/outplans/{unknown}", "", 404, "OUTPLAN_NOT_FOUND"),
    ("GET", "/outplans/{d}", "", 404, "OUTPLAN_NOT_FOUND"),
    ("GET", "/outplans/{c}", "", 404, "OUTPLAN_NOT_FOUND"),
    ("DELETE", "/outplans/{unknown}", "", 404, "OUTPLAN_NOT_FOUND"),
    ("GET", "/outdials/x", "", 400, "INVALID_ID"),
    ("GET", "/outdials/{unknown}", "", 404, "OUTDIAL_NOT_FOUND"),
    ("GET", "/outdials/{p}", "", 404, "OUTDIAL_NOT_FOUND"),
    ("GET", "/outdials/{unknown}/targets", "", 404, "OUTDIAL_NOT_FOUND"),
    ("GET", "/outdials/{d}/targets/x", "", 400, "INVALID_ID"),
    ("GET", "/outdials/{d}/targets/{unknown}", "", 404, "OUTDIAL_TARGET_NOT_FOUND"),
    ("DELETE", "/outdials/{d}/targets/{unknown}", "", 404, "OUTDIAL_TARGET_NOT_FOUND"),
    ("PUT", "/outdials/{d}/targets/{unknown}", "{}", 404, "ROUTE_NOT_FOUND"),
    ("DELETE", "/outdials/{unknown}", "", 404, "OUTDIAL_NOT_FOUND"),
    ("GET", "/queues/x", "", 400, "INVALID_ID"),
    ("GET", "/queues/{unknown}", "", 404, "QUEUE_NOT_FOUND"),
    ("GET", "/calls/x", "", 400, "INVALID_ID"),
    // Nothing passes unless the operator says so.
    ("GET", "/calls", "", 404, "ROUTE_NOT_FOUND"),
    ("POST", "/calls", "{}", 404, "ROUTE_NOT_FOUND"),
    ("GET", "/numbers/..%2fcampaigns", "", 404, "ROUTE_NOT_FOUND"),
    ("GET", "//campaigns", "", 404, "ROUTE_NOT_FOUND"),
    ("GET", "/accesskeys", "", 404, "ROUTE_NOT_FOUND"),
    ("DELETE", "/customer", "", 404, "ROUTE_NOT_FOUND"),
    ("PUT", "/customer", "{}", 400, "INVALID_JSON_BODY"),
    ("PUT", "/customer", r#"{"name":7}"#, 400, "INVALID_JSON_BODY"),
];

const PAGES: &[Row] = &[
    ("GET", "/campaigns?page_size=ten", "", 400, "INVALID_REQUEST_PARAMETER"),
    ("GET", "/campaigns?page_size=1.5", "", 400, "INVALID_REQUEST_PARAMETER"),
    ("GET", "/campaigns?page_size=0x10", "", 400, "INVALID_REQUEST_PARAMETER"),
    ("GET", "/campaigns?page_size=99999999999999999999", "", 400, "INVALID_REQUEST_PARAMETER"),
    ("GET", "/campaigns/{c}/campaigncalls?page_size=ten", "", 400, "INVALID_REQUEST_PARAMETER"),
    ("GET", "/campaigncalls?page_size=ten", "", 400, "INVALID_REQUEST_PARAMETER"),
    ("GET", "/outplans?page_size=ten", "", 400, "INVALID_REQUEST_PARAMETER"),
    ("GET", "/outdials?page_size=ten", "", 400, "INVALID_REQUEST_PARAMETER"),
    ("GET", "/outdials/{d}/targets?page_size=ten", "", 400, "INVALID_REQUEST_PARAMETER"),
    ("GET", "/queues?page_size=ten", "", 400, "INVALID_REQUEST_PARAMETER"),
];

const STATUS: &[Row] = &[
    ("PUT", "/campaigns/{c}/status", "{}", 400, "INVALID_ARGUMENT"),
    ("PUT", "/campaigns/{c}/status", r#"{"status":null}"#, 400, "INVALID_ARGUMENT"),
    ("PUT", "/campaigns/{c}/status", r#"{"status":""}"#, 400, "INVALID_ARGUMENT"),
    ("PUT", "/campaigns/{c}/status", r#"{"status":"stopping"}"#, 400, "INVALID_ARGUMENT"),
    ("PUT", "/campaigns/{c}/status", r#"{"status":"RUN"}"#, 400, "INVALID_ARGUMENT"),
    ("PUT", "/campaigns/{c}/status", r#"{"status":"run "}"#, 400, "INVALID_ARGUMENT"),
    ("PUT", "/campaigns/{c}/status", r#"{"status":"{canary}"}"#, 400, "INVALID_ARGUMENT"),
    ("PUT", "/campaigns/{c}/status", r#"{"status":1}"#, 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}/status", r#"{"status":true}"#, 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}/status", r#"{"status":["run"]}"#, 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}/status", r#"{"status":{"a":"run"}}"#, 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}/status", "", 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}/status", " ", 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}/status", "run", 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}/status", "[1]", 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}/status", r#""run""#, 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}/status", r#"{"status":"run""#, 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}/status", "{'status':'run'}", 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}/status", r#"{"status":NaN}"#, 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}/status", "<status>run</status>", 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}/status", "status=run", 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}/status", "{deep}", 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}/status", "{\"status\":\"ru\u{0}n\"}", 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{unknown}/status", r#"{"status":"run"}"#, 404, "CAMPAIGN_NOT_FOUND"),
    ("PUT", "/campaigns/{nil}/status", r#"{"status":"run"}"#, 400, "INVALID_ID"),
    ("PUT", "/campaigns/x/status", "", 400, "INVALID_ID"),
];

const CAMPAIGNS: &[Row] = &[
    ("POST", "/campaigns", "", 400, "INVALID_JSON_BODY"),
    ("POST", "/campaigns", "[]", 400, "INVALID_JSON_BODY"),
    ("POST", "/campaigns", "{deep}", 400, "INVALID_JSON_BODY"),
    ("POST", "/campaigns", r#"{"name":5}"#, 400, "INVALID_JSON_BODY"),
    ("POST", "/campaigns", r#"{"service_level":"100"}"#, 400, "INVALID_JSON_BODY"),
    ("POST", "/campaigns", r#"{"service_level":1.5}"#, 400, "INVALID_JSON_BODY"),
    ("POST", "/campaigns", r#"{"service_level":99999999999999999999}"#, 400, "INVALID_JSON_BODY"),
    ("POST", "/campaigns", r#"{"actions":"talk"}"#, 400, "INVALID_JSON_BODY"),
    ("POST", "/campaigns", r#"{"actions":[1]}"#, 400, "INVALID_JSON_BODY"),
    ("POST", "/campaigns", r#"{"actions":[{"type":5}]}"#, 400, "INVALID_JSON_BODY"),
    ("POST", "/campaigns", r#"{"name":"n","outplan_id":"{unknown}"}"#, 400, "INVALID_ARGUMENT"),
    ("POST", "/campaigns", r#"{"name":"n","outdial_id":"{unknown}"}"#, 400, "INVALID_ARGUMENT"),
    ("POST", "/campaigns", r#"{"name":"n","outdial_id":"{d}"}"#, 400, "INVALID_ARGUMENT"),
    ("POST", "/campaigns", r#"{"name":"n","queue_id":"{unknown}"}"#, 400, "INVALID_ARGUMENT"),
    (
        "POST",
        "/campaigns",
        r#"{"name":"n","next_campaign_id":"{unknown}"}"#,
        400,
        "INVALID_ARGUMENT",
    ),
    ("PUT", "/campaigns/{c}", "", 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}", "[]", 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}", r#"{"name":5}"#, 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}", r#"{"name":"n","service_level":"x"}"#, 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{unknown}", r#"{"name":"n"}"#, 404, "CAMPAIGN_NOT_FOUND"),
    ("PUT", "/campaigns/{c}/service_level", r#"{"service_level":"x"}"#, 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}/service_level", r#"{"service_level":1e400}"#, 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}/service_level", r#"{"service_level":[]}"#, 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}/service_level", "", 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}/actions", r#"{"actions":{}}"#, 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}/actions", r#"{"actions":[[]]}"#, 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}/actions", r#"{"actions":[{"id":5}]}"#, 400, "INVALID_JSON_BODY"),
    ("PUT", "/campaigns/{c}/resource_info", r#"{"outplan_id":5}"#, 400, "INVALID_JSON_BODY"),
    (
        "PUT",
        "/campaigns/{c}/resource_info",
        r#"{"outplan_id":"{unknown}"}"#,
        400,
        "INVALID_ARGUMENT",
    ),
    (
        "PUT",
        "/campaigns/{c}/resource_info",
        r#"{"outdial_id":"{unknown}"}"#,
        400,
        "INVALID_ARGUMENT",
    ),
    ("PUT", "/campaigns/{c}/resource_info", r#"{"queue_id":"{unknown}"}"#, 400, "INVALID_ARGUMENT"),
    (
        "PUT",
        "/campaigns/{c}/next_campaign_id",
        r#"{"next_campaign_id":"x"}"#,
        400,
        "INVALID_ARGUMENT",
    ),
    (
        "PUT",
        "/campaigns/{c}/next_campaign_id",
        r#"{"next_campaign_id":5}"#,
        400,
        "INVALID_JSON_BODY",
    ),
];

const PARTS: &[Row] = &[
    ("POST", "/outplans", "", 400, "INVALID_JSON_BODY"),
    ("POST", "/outplans", "[]", 400, "INVALID_JSON_BODY"),
    ("POST", "/outplans", r#"{"name":{}}"#, 400, "INVALID_JSON_BODY"),
    ("POST", "/outplans", r#"{"source":"{canary}"}"#, 400, "INVALID_JSON_BODY"),
    ("POST", "/outplans", r#"{"dial_timeout":"30000"}"#, 400, "INVALID_JSON_BODY"),
    ("POST", "/outplans", r#"{"max_try_count_0":1.5}"#, 400, "INVALID_JSON_BODY"),
    ("POST", "/outplans", r#"{"try_interval":1e99}"#, 400, "INVALID_JSON_BODY"),
    ("PUT", "/outplans/{p}", r#"{"name":5}"#, 400, "INVALID_JSON_BODY"),
    ("PUT", "/outplans/{unknown}", r#"{"name":"n"}"#, 404, "OUTPLAN_NOT_FOUND"),
    ("PUT", "/outplans/{p}/dial_info", r#"{"dial_timeout":"30"}"#, 400, "INVALID_JSON_BODY"),
    ("PUT", "/outplans/{p}/dial_info", r#"{"source":[]}"#, 400, "INVALID_JSON_BODY"),
    ("PUT", "/outplans/{p}/dial_info", "", 400, "INVALID_JSON_BODY"),
    ("PUT", "/outplans/{unknown}/dial_info", "{}", 404, "OUTPLAN_NOT_FOUND"),
    ("POST", "/outdials", "", 400, "INVALID_JSON_BODY"),
    ("POST", "/outdials", "{}", 400, "INVALID_ARGUMENT"),
    (
        "POST",
        "/outdials",
        r#"{"campaign_id":"{c}","name":"","detail":"d","data":"x"}"#,
        400,
        "INVALID_ARGUMENT",
    ),
    (
        "POST",
        "/outdials",
        r#"{"campaign_id":"{nil}","name":"n","detail":"d","data":"x"}"#,
        400,
        "INVALID_ARGUMENT",
    ),
    (
        "POST",
        "/outdials",
        r#"{"campaign_id":"x","name":"n","detail":"d","data":"x"}"#,
        400,
        "INVALID_ARGUMENT",
    ),
    ("PUT", "/outdials/{d}/data", r#"{"data""#, 400, "INVALID_JSON_BODY"),
    ("PUT", "/outdials/{d}", r#"{"name":[]}"#, 400, "INVALID_JSON_BODY"),
    ("PUT", "/outdials/{unknown}/data", r#"{"data":"x"}"#, 404, "OUTDIAL_NOT_FOUND"),
    ("PUT", "/outdials/{unknown}/campaign_id", r#"{"campaign_id":""}"#, 404, "OUTDIAL_NOT_FOUND"),
];

const TARGETS: &[(&str, &str)] = &[
    ("", "INVALID_JSON_BODY"),
    ("[]", "INVALID_JSON_BODY"),
    ("{}", "INVALID_ARGUMENT"),
    (r#"{"name":"n","detail":"d","data":"x"}"#, "INVALID_ARGUMENT"),
    (r#"{"name":"n","detail":"d","data":"x","destination_0":null}"#, "INVALID_ARGUMENT"),
    (r#"{"name":"n","detail":"d","data":"x","destination_0":{"target":""}}"#, "INVALID_ARGUMENT"),
    (r#"{"name":"n","detail":"d","data":"x","destination_0":"{canary}"}"#, "INVALID_JSON_BODY"),
    (r#"{"name":"n","detail":"d","data":"x","destination_0":{"target":5}}"#, "INVALID_JSON_BODY"),
    (r#"{"name":"n","detail":"d","data":"x","destination_0":["{canary}"]}"#, "INVALID_JSON_BODY"),
    (
        r#"{"name":"","detail":"d","data":"x","destination_0":{"type":"tel","target":"+86{canary}"}}"#,
        "INVALID_ARGUMENT",
    ),
    (
        r#"{"name":"n","detail":"","data":"x","destination_0":{"type":"tel","target":"+86{canary}"}}"#,
        "INVALID_ARGUMENT",
    ),
    (
        r#"{"name":"n","detail":"d","data":"","destination_0":{"type":"tel","target":"+86{canary}"}}"#,
        "INVALID_ARGUMENT",
    ),
    (
        r#"{"name":"n","detail":"d","data":{},"destination_0":{"type":"tel","target":"+86{canary}"}}"#,
        "INVALID_JSON_BODY",
    ),
];

/// What only a home that dials nothing but numbers refuses.
const TARGETS_ELSEWHERE: &[&str] = &[
    r#"{"name":"n","detail":"d","data":"x","destination_0":{"type":"tel","target":"{canary}"}}"#,
    r#"{"name":"n","detail":"d","data":"x","destination_0":{"type":"tel","target":"+86 x"}}"#,
    r#"{"name":"n","detail":"d","data":"x","destination_0":{"type":"sip","target":"bob@host"}}"#,
    r#"{"name":"n","detail":"d","data":"x","destination_0":{"type":"agent","target":"{unknown}"}}"#,
];

/// Clients call a member what they like. A name that may be a number is told nowhere.
#[tokio::test]
async fn a_member_that_is_called_by_a_number_is_not_named() {
    let (app, places) = app("cc").await;
    let names = [
        "+8613876543219",
        "8613876543219",
        "n8613876543219",
        "+86 138-7654-3219",
        "a138.b7654.c3219",
        "\u{ff18}\u{ff16}13876543219",
        "tel_138_76",
    ];
    for place in &places {
        let path = format!("/v1.0/outdials/{}/targets", place.outdial);
        let url = format!("{}{path}?accesskey={}", app.facades(), Caller::Both.key());
        for name in names {
            for body in [
                format!(r#"{{"{name}": [}}"#),
                format!(r#"{{"name": "n", "destination_0": {{"{name}": {{"b": [}}}}}}"#),
            ] {
                let reply = app.send("POST", &url, &[], Some(body)).await;
                assert_eq!((reply.status, &*reply.reason()), (400, "INVALID_JSON_BODY"), "{name}");
                let said = reply.json()["error"]["message"].as_str().unwrap().to_owned();
                assert!(said.contains("line 1, column"), "{name}: {said}");
                assert!(!said.contains("138") && !said.contains("3219"), "{name}: {said}");
            }
        }
        let body = format!(r#"{{"{}": [}}"#, "x".repeat(65));
        let reply = app.send("POST", &url, &[], Some(body)).await;
        assert!(reply.text.contains("(…[0], line 1"), "{}", reply.text);
    }
    let row: Row = ("POST", "/outplans", r#"{"max_try_count_0":1.5}"#, 400, "INVALID_JSON_BODY");
    let reply = send(&app, &places[0], &row, Caller::Both).await;
    assert!(reply.text.contains("(max_try_count_0, line 1"), "a name is told: {}", reply.text);
    app.finish().await;
}

async fn send(app: &TestApp, place: &Place, row: &Row, caller: Caller) -> crate::support::Reply {
    let (method, path, body, _, _) = row;
    let path = place.fill(path);
    let joint = if path.contains('?') { '&' } else { '?' };
    let url = format!("{}/v1.0{path}{joint}accesskey={}", app.facades(), caller.key());
    let body = (!body.is_empty()).then(|| place.fill(body));
    app.send(method, &url, &[], body).await
}

async fn check(app: &TestApp, place: &Place, row: &Row) {
    let (method, path, body, status, reason) = row;
    let what = format!("{method} {path} {body} on {}", place.vdn);
    let reply = send(app, place, row, Caller::Both).await;
    assert_eq!(reply.status, *status, "{what}: {}", reply.text);
    assert_eq!(reply.reason(), *reason, "{what}: {}", reply.text);
    check_text(&what, &reply);
    conformance::check_refusal(&what, &reply);
    // The older generation says 400 to nearly everything, and nothing more.
    let reply = send(app, place, row, Caller::Seed).await;
    assert_eq!((reply.status, reply.text.as_str()), (400, ""), "{what}, older");
    if *reason == "ROUTE_NOT_FOUND" {
        // The platform itself tells anybody which paths it does not have.
        return;
    }
    let reply = send(app, place, row, Caller::Stranger).await;
    assert_eq!((reply.status, reply.reason().as_str()), (401, "INVALID_CREDENTIALS"), "{what}");
}

#[tokio::test]
async fn every_row_where_the_campaign_is_on_voipbin() {
    let (app, [place, _]) = app("vb").await;
    every_row(app, &place, &[]).await;
}

#[tokio::test]
async fn every_row_where_the_campaign_is_on_isales() {
    let (app, [_, place]) = app("cc").await;
    every_row(app, &place, TARGETS_ELSEWHERE).await;
}

async fn every_row(app: TestApp, place: &Place, targets: &[&'static str]) {
    let before = everything(&app).await;
    let tables = [PATHS, PAGES, STATUS, CAMPAIGNS, PARTS];
    for row in tables.into_iter().flatten() {
        check(&app, place, row).await;
    }
    let targets = targets.iter().map(|body| (*body, "INVALID_ARGUMENT"));
    for (body, reason) in TARGETS.iter().copied().chain(targets) {
        check(&app, place, &("POST", "/outdials/{d}/targets", body, 400, reason)).await;
    }
    assert_eq!(everything(&app).await, before, "something was changed");
    let rows = tables.into_iter().flatten().count() + TARGETS.len();
    assert!(rows >= 150, "{rows} rows");
    app.finish().await;
}
