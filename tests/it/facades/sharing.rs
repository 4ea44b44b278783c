//! What the platforms are spared: identical reads share one call, and what cannot be costs none.

use futures_util::future::join_all;
use serde_json::json;
use uuid::Uuid;

use dialbridge::config::WritePolicy;

use crate::support::{Caller, TestApp, VDN};

#[tokio::test]
async fn identical_reads_under_way_share_one_upstream_call() {
    let app = TestApp::simulators(|_| {}).await;
    let number = app.isales_campaign("hot").await;
    let app = app.serve().await;
    let uuid = app.uuid_of("hot").await;
    app.isales.faults.set("delay=20s".parse().unwrap());
    let path = format!("/rest/isales/v1/openapi/campaigns/{VDN}/{number}");
    let before = app.isales.journal.calls("GET", &path);
    let path_of_facade = format!("/campaigns/{uuid}");
    let answers = join_all((0..200).map(|_| app.vb("GET", &path_of_facade, None))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert!(answers.windows(2).all(|pair| pair[0].text == pair[1].text));
    assert_eq!(app.isales.journal.calls("GET", &path), before + 1);
    // Authorisation comes first: who may not see it does not fly along.
    let foreign = app.vb_as(Caller::Other, "GET", &path_of_facade, None).await;
    assert_eq!((foreign.status, foreign.reason().as_str()), (403, "PERMISSION_DENIED"));
    app.isales.faults.set("".parse().unwrap());
    app.finish().await;
}

#[tokio::test]
async fn refused_writes_and_unknown_paths_cost_no_upstream_call() {
    let app = TestApp::simulators(|config| {
        for account in &mut config.accounts {
            account.writes = WritePolicy::Deny;
        }
    })
    .await;
    let number = app.isales_campaign("denied").await;
    let ids = app.voipbin_campaign("denied").await;
    let app = app.serve().await;
    let requests = || app.isales.journal.pace().requests + app.voipbin.journal.pace().requests;
    let before = requests();
    let uuid = app.uuid_of("denied").await;
    let path = format!("/campaigns/{uuid}/status");
    let reply = app.vb("PUT", &path, Some(json!({"status": "run"}))).await;
    assert_eq!((reply.status, reply.reason().as_str()), (403, "PERMISSION_DENIED"));
    let path = format!("v1/openapi/campaigns/{VDN}/{number}/resume");
    assert_eq!(app.cc("PUT", &path, None).await.code(), "0200001");
    for (method, path) in [
        ("GET", "/calls"),
        ("DELETE", "/campaigns"),
        ("POST", "/campaigns/x/status"),
        ("GET", "/campaigns/a/b/c"),
    ] {
        let reply = app.vb(method, path, None).await;
        assert_eq!((reply.status, reply.reason().as_str()), (404, "ROUTE_NOT_FOUND"), "{path}");
    }
    let reply = app
        .vb_as(
            Caller::Reader,
            "PUT",
            &format!("/campaigns/{uuid}/status"),
            Some(json!({"status": "run"})),
        )
        .await;
    assert_eq!(reply.status, 403);
    assert_eq!(requests(), before, "nobody was asked");
    drop(ids);
    app.finish().await;
}

#[tokio::test]
async fn an_id_that_nobody_knows_is_not_looked_up_again_at_once() {
    let app = TestApp::start().await;
    let path = format!("/campaigns/{}", Uuid::from_u128(0x1234_5678));
    for _ in 0..3 {
        let reply = app.vb("GET", &path, None).await;
        assert_eq!((reply.status, reply.reason().as_str()), (404, "CAMPAIGN_NOT_FOUND"));
    }
    let upstream = format!("/v1.0{path}");
    assert_eq!(app.voipbin.journal.calls("GET", &upstream), 1);
    let path = format!("/outdials/{}", Uuid::from_u128(0x1234_5678));
    for _ in 0..3 {
        let reply = app.vb("GET", &path, None).await;
        assert_eq!((reply.status, reply.reason().as_str()), (404, "OUTDIAL_NOT_FOUND"));
    }
    assert_eq!(app.voipbin.journal.calls("GET", &format!("/v1.0{path}")), 1);
    app.finish().await;
}
