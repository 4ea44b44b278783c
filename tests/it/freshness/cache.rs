//! Details told again without asking the home (`cache_ttl_ms`): once for many, never to a stranger,
//! never after a write.

use std::time::Duration;

use dialbridge::config::Config;
use futures_util::future::join_all;
use serde_json::json;

use crate::support::{Caller, TestApp, VDN, VIRTUAL_VDN, until};

/// The longest that can be configured: nothing runs out while a test runs.
fn kept(config: &mut Config) {
    for account in &mut config.accounts {
        account.cache_ttl = Duration::from_secs(60);
    }
}

#[tokio::test]
async fn two_hundred_readers_cost_one_call_and_strangers_get_nothing() {
    let app = TestApp::simulators(kept).await;
    let number = app.isales_campaign("hot").await;
    let app = app.serve().await;
    let uuid = app.uuid_of("hot").await;
    let upstream = format!("/rest/isales/v1/openapi/campaigns/{VDN}/{number}");
    let before = app.isales.journal.calls("GET", &upstream);
    let path = format!("/campaigns/{uuid}");
    let answers = join_all((0..200).map(|_| app.vb("GET", &path, None))).await;
    let first = &answers[0].text;
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.text == *first));
    for caller in [Caller::Both, Caller::Reader] {
        assert_eq!(app.vb_as(caller, "GET", &path, None).await.text, *first);
    }
    assert_eq!(app.isales.journal.calls("GET", &upstream), before + 1);

    let foreign = app.vb_as(Caller::Other, "GET", &path, None).await;
    assert_eq!((foreign.status, foreign.reason().as_str()), (403, "PERMISSION_DENIED"));
    let pair = format!("v1/openapi/campaigns/{VDN}/{number}");
    let known = app.cc_ok("GET", &pair, None).await;
    assert_eq!(known["returnObject"]["name"], "hot");
    assert_eq!(app.cc_as(Caller::Other, "GET", &pair, None).await.code(), "0200007");
    // Another language and another generation are other answers.
    let seed = app.vb_as(Caller::Seed, "GET", &path, None).await;
    assert_ne!(seed.text, *first);
    assert_eq!(app.isales.journal.calls("GET", &upstream), before + 3);
    app.finish().await;
}

#[tokio::test]
async fn after_a_write_the_fresh_state_is_seen_in_both_languages() {
    let app = TestApp::simulators(kept).await;
    let number = app.isales_campaign("paired").await;
    let ids = app.voipbin_campaign("numbered").await;
    let app = app.serve().await;
    let campaigns = [
        (app.uuid_of("paired").await, VDN, number),
        (ids.campaign.clone(), VIRTUAL_VDN, app.number_of(VIRTUAL_VDN, "numbered").await),
    ];
    for (uuid, vdn, number) in campaigns {
        let (vb, cc) =
            (format!("/campaigns/{uuid}"), format!("v1/openapi/campaigns/{vdn}/{number}"));
        let shown = async || {
            let campaign = app.vb_get(&vb).await;
            let pair = app.cc_ok("GET", &cc, None).await;
            (campaign["status"].clone(), pair["returnObject"]["status"].clone())
        };
        assert_eq!(shown().await, (json!("stop"), json!(3)));
        let run = Some(json!({"status": "run"}));
        let started = app.vb("PUT", &format!("{vb}/status"), run).await;
        assert_eq!(started.status, 200, "{}", started.text);
        assert_eq!(shown().await, (json!("run"), json!(2)));
        app.cc_ok("PUT", &format!("{cc}/pause"), None).await;
        // A campaign that is still stopping is not kept.
        until(async || shown().await == (json!("stop"), json!(3))).await;
        let renamed = json!({"name": "renamed", "detail": "d", "type": "call",
            "service_level": 100, "end_handle": "continue"});
        let renamed = app.vb("PUT", &vb, Some(renamed)).await;
        assert_eq!(renamed.status, 200, "{}", renamed.text);
        assert_eq!(app.vb_get(&vb).await["name"], "renamed");
        let pair = app.cc_ok("GET", &cc, None).await;
        assert_eq!(pair["returnObject"]["name"], "renamed");
    }
    app.finish().await;
}

#[tokio::test]
async fn what_changes_past_the_gateway_is_seen_when_the_time_is_over() {
    let app = TestApp::simulators(|config| {
        for account in &mut config.accounts {
            account.cache_ttl = Duration::from_millis(200);
        }
    });
    let app = app.await;
    let ids = app.voipbin_campaign("spring").await;
    let app = app.serve().await;
    let path = format!("/campaigns/{}", ids.campaign);
    assert_eq!(app.vb_get(&path).await["name"], "spring");
    let renamed = json!({"name": "autumn", "detail": "d", "type": "call", "service_level": 100,
        "end_handle": "continue"});
    app.on_voipbin("PUT", &path, Some(renamed)).await;
    until(async || app.vb_get(&path).await["name"] == "autumn").await;
    app.finish().await;
}

#[tokio::test]
async fn without_the_setting_every_read_is_live() {
    let app = TestApp::simulators(|_| {}).await;
    let ids = app.voipbin_campaign("live").await;
    let app = app.serve().await;
    let path = format!("/campaigns/{}", ids.campaign);
    let calls = || app.voipbin.journal.calls("GET", &format!("/v1.0{path}"));
    let before = calls();
    for _ in 0..3 {
        app.vb_get(&path).await;
    }
    assert_eq!(calls(), before + 3);
    app.finish().await;
}
