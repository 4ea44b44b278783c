//! What is wrong before a body is read: credentials, signatures, keys, sizes.

use serde_json::json;

use super::{UNKNOWN, app, check_text, everything};
use crate::support::Caller;

type Headers = Vec<(&'static str, String)>;

#[tokio::test]
async fn credentials_and_keys() {
    let (app, places) = app("cc").await;
    let before = everything(&app).await;
    let key = Caller::Both.key();
    let base = format!("{}/v1.0/outplans", app.facades());
    let with = |name: &'static str, value: String| vec![(name, value)];
    let rows: Vec<(Headers, String, u16)> = vec![
        (vec![], String::new(), 401),
        (vec![], "?accesskey".to_owned(), 401),
        (vec![], format!("?accesskey={key}x"), 401),
        (vec![], format!("?accesskey=%20{key}"), 401),
        (vec![], format!("?ACCESSKEY={key}"), 401),
        (vec![], format!("?accesskey={}", "k".repeat(4_000)), 401),
        (vec![], format!("?accesskey={UNKNOWN}"), 401),
        (with("authorization", format!("Bearer {key}")), String::new(), 401),
        (with("authorization", "Bearer ".to_owned()), String::new(), 401),
        (with("authorization", "Basic YTpi".to_owned()), String::new(), 401),
        (with("cookie", format!("accesskey={key}; token=x")), String::new(), 401),
        (with("cookie", "accesskey=\u{e9}".to_owned()), String::new(), 401),
        (with("idempotency-key", String::new()), format!("?accesskey={key}"), 400),
        (with("idempotency-key", "k".repeat(300)), format!("?accesskey={key}"), 400),
        (with("idempotency-key", "a\tb".to_owned()), format!("?accesskey={key}"), 400),
        (
            [with("idempotency-key", "a".to_owned()), with("idempotency-key", "b".to_owned())]
                .concat(),
            format!("?accesskey={key}"),
            400,
        ),
    ];
    for (headers, query, status) in rows {
        let body = json!({"name": "n"}).to_string();
        let reply = app.send("POST", &format!("{base}{query}"), &headers, Some(body)).await;
        assert_eq!(reply.status, status, "{headers:?} {query}: {}", reply.text);
        check_text("headers", &reply);
    }
    // Over the limit, on every kind of path.
    let large = json!({"name": "n".repeat(70_000)});
    let [on_voipbin, _] = &places;
    for path in [
        "/campaigns".to_owned(),
        "/outplans".to_owned(),
        format!("/campaigns/{}", on_voipbin.campaign),
        format!("/outdials/{}/targets", on_voipbin.outdial),
    ] {
        let method = if path.matches('/').count() == 2 { "PUT" } else { "POST" };
        let reply = app.vb(method, &path, Some(large.clone())).await;
        assert_eq!((reply.status, reply.reason().as_str()), (400, "INVALID_JSON_BODY"), "{path}");
    }
    assert_eq!(everything(&app).await, before, "something was changed");
    app.finish().await;
}

/// Who may only read is refused each write, and none gets through.
#[tokio::test]
async fn readers_change_nothing() {
    let (app, places) = app("cc").await;
    let before = everything(&app).await;
    for place in &places {
        let rows = [
            ("POST", "/campaigns", json!({"name": "n"})),
            ("PUT", "/campaigns/{c}", json!({"name": "n"})),
            ("PUT", "/campaigns/{c}/status", json!({"status": "run"})),
            ("PUT", "/campaigns/{c}/service_level", json!({"service_level": 1})),
            ("PUT", "/campaigns/{c}/actions", json!({"actions": []})),
            ("PUT", "/campaigns/{c}/resource_info", json!({"outplan_id": "{p}"})),
            ("PUT", "/campaigns/{c}/next_campaign_id", json!({"next_campaign_id": ""})),
            ("DELETE", "/campaigns/{c}", json!({})),
            ("POST", "/outplans", json!({"name": "n"})),
            ("PUT", "/outplans/{p}", json!({"name": "n"})),
            ("PUT", "/outplans/{p}/dial_info", json!({})),
            ("DELETE", "/outplans/{p}", json!({})),
            ("PUT", "/outdials/{d}", json!({"name": "n"})),
            ("PUT", "/outdials/{d}/data", json!({"data": "n"})),
            ("PUT", "/outdials/{d}/campaign_id", json!({"campaign_id": ""})),
            ("DELETE", "/outdials/{d}", json!({})),
            (
                "POST",
                "/outdials/{d}/targets",
                json!({"name": "n", "detail": "d", "data": "x",
                    "destination_0": {"type": "tel", "target": "+8613100000001"}}),
            ),
        ];
        for (method, path, body) in rows {
            let body = place.fill(&body.to_string());
            let path = place.fill(path);
            let url = format!("{}/v1.0{path}?accesskey={}", app.facades(), Caller::Reader.key());
            let reply = app.send(method, &url, &[], Some(body)).await;
            // Parts that the home does not have as objects cannot be changed by anybody.
            let said = (reply.status, &*reply.reason());
            let expected = [(403, "PERMISSION_DENIED"), (409, "UNSUPPORTED_BY_HOME")];
            assert!(expected.contains(&said), "{method} {path}: {}", reply.text);
        }
        let at = format!("v1/openapi/campaigns/{}/{}", place.vdn, place.number);
        for (method, path) in [
            ("PUT", format!("{at}/resume")),
            ("PUT", format!("{at}/pause")),
            ("DELETE", at.clone()),
        ] {
            let reply = app.cc_as(Caller::Reader, method, &path, None).await;
            assert_eq!((reply.status, &*reply.code()), (200, "0200001"), "{path}: {}", reply.text);
        }
    }
    assert_eq!(everything(&app).await, before, "something was changed");
    app.finish().await;
}
