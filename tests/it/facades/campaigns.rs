//! Campaigns are listed, shown, started and stopped on both facades, wherever they live.

use serde_json::{Value, json};

use crate::support::{Caller, TestApp, VDN, VIRTUAL_VDN};

async fn app() -> TestApp {
    let app = TestApp::simulators(|_| {}).await;
    app.voipbin_campaign("made on voipbin").await;
    app.isales_campaign("made-on-isales").await;
    app.serve().await
}

#[tokio::test]
async fn both_facades_list_campaigns_of_both_homes() {
    let app = app().await;
    let page = app.vb_get("/campaigns").await;
    let names: Vec<&str> =
        page["result"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 2);
    assert!(names.contains(&"made on voipbin") && names.contains(&"made-on-isales"), "{names:?}");
    for (vdn, name) in [(VDN, "made-on-isales"), (VIRTUAL_VDN, "made on voipbin")] {
        let path =
            format!("v1/openapi/campaigns/{vdn}?status=0&deviceType=0&curPage=1&rowsPerPage=10");
        let page = app.cc_ok("GET", &path, None).await;
        assert_eq!(page["totalSize"], 1, "{page}");
        assert_eq!(page["data"][0]["name"], name);
        assert_eq!(page["data"][0]["status"], 3);
        // The other one is answered by a script.
        let queued = i64::from(vdn == VDN);
        assert_eq!(page["curSkillQueueCount"], queued, "{page}");
        assert_eq!(page["curIvrCount"], 1 - queued);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_native_detail_equals_the_platforms_own() {
    let app = TestApp::simulators(|_| {}).await;
    let ids = app.voipbin_campaign("native").await;
    let number = app.isales_campaign("native").await;
    let app = app.serve().await;

    let path = format!("/campaigns/{}", ids.campaign);
    assert_eq!(app.vb_get(&path).await, app.on_voipbin("GET", &path, None).await);
    for path in [format!("/outplans/{}", ids.outplan), format!("/outdials/{}", ids.outdial)] {
        assert_eq!(app.vb_get(&path).await, app.on_voipbin("GET", &path, None).await, "{path}");
    }

    let path = format!("v1/openapi/campaigns/{VDN}/{number}");
    let shown = app.cc_ok("GET", &path, None).await;
    let own = app.on_isales("GET", &path, None).await;
    assert_eq!(shown["returnObject"], own["returnObject"]);
    app.finish().await;
}

#[tokio::test]
async fn what_one_facade_shows_can_be_used_on_the_other() {
    let app = app().await;
    // A CC-iSales campaign under its UUID, with parts that can be followed.
    let row = app.row_of("made-on-isales").await;
    let path = format!("/campaigns/{}", row["id"].as_str().unwrap());
    let shown = app.vb_get(&path).await;
    assert_eq!(shown, row, "list and detail agree");
    assert_eq!(shown["status"], "stop");
    let outplan = app.vb_get(&format!("/outplans/{}", shown["outplan_id"].as_str().unwrap())).await;
    assert_eq!(outplan["source"], json!({"type": "tel", "target": "+862061000000"}));
    assert_eq!(outplan["dial_timeout"], 20_000);
    let outdial = app.vb_get(&format!("/outdials/{}", shown["outdial_id"].as_str().unwrap())).await;
    assert_eq!(outdial["campaign_id"], shown["id"]);
    // A VoIPBin campaign under its pair.
    let number = app.number_of(VIRTUAL_VDN, "made on voipbin").await;
    let path = format!("v1/openapi/campaigns/{VIRTUAL_VDN}/{number}");
    let shown = app.cc_ok("GET", &path, None).await["returnObject"].clone();
    assert_eq!(shown["name"], "made on voipbin");
    assert_eq!(shown["id"], number);
    assert_eq!(shown["maxAlertingTime"], 30);
    app.finish().await;
}

#[tokio::test]
async fn campaigns_start_and_stop_through_the_other_platforms_api() {
    let app = app().await;
    // Started as a VoIPBin campaign, it runs on CC-iSales.
    let uuid = app.uuid_of("made-on-isales").await;
    let path = format!("/campaigns/{uuid}/status");
    let requests = || app.isales.journal.pace().requests;
    let before = requests();
    let run = app.vb("PUT", &path, Some(json!({"status": "run"}))).await;
    assert_eq!((run.status, &run.json()["status"]), (200, &json!("run")));
    assert_eq!(run.json()["name"], "made-on-isales", "as the directory has it");
    assert_eq!(requests(), before + 1, "its home said yes, and is asked nothing more");
    let rows = format!("v1/openapi/campaigns/{VDN}?status=2&deviceType=0&curPage=1&rowsPerPage=10");
    let rows = app.cc_ok("GET", &rows, None).await;
    assert_eq!(rows["data"][0]["status"], 2, "its own platform's clients see it at once: {rows}");
    // Again is no mistake here: its home refuses it, and shows that it is so already.
    let again = app.vb("PUT", &path, Some(json!({"status": "run"}))).await;
    assert_eq!((again.status, &again.json()["status"]), (200, &json!("run")));
    assert_eq!(app.row_of("made-on-isales").await["status"], "run");
    let stop = app.vb("PUT", &path, Some(json!({"status": "stop"}))).await;
    assert_eq!(stop.json()["status"], "stop");

    // Resumed as a CC-iSales campaign, it runs on VoIPBin.
    let number = app.number_of(VIRTUAL_VDN, "made on voipbin").await;
    let campaign = format!("v1/openapi/campaigns/{VIRTUAL_VDN}/{number}");
    app.cc_ok("PUT", &format!("{campaign}/resume"), None).await;
    assert_eq!(app.row_of("made on voipbin").await["status"], "run");
    let again = app.cc("PUT", &format!("{campaign}/resume"), None).await;
    assert_eq!((again.status, again.code().as_str()), (200, "0200011"));
    app.cc_ok("PUT", &format!("{campaign}/pause"), None).await;
    assert_eq!(app.cc_ok("GET", &campaign, None).await["returnObject"]["status"], 3);
    app.finish().await;
}

#[tokio::test]
async fn pages_go_over_both_homes_and_end_empty() {
    let app = TestApp::simulators(|_| {}).await;
    for index in 0..4 {
        app.voipbin_campaign(&format!("v{index}")).await;
        app.isales_campaign(&format!("i{index}")).await;
    }
    let app = app.serve().await;
    let mut names: Vec<String> = Vec::new();
    let mut token = String::new();
    let mut pages = 0;
    loop {
        let path = format!("/campaigns?page_size=3&page_token={}", token.replace(':', "%3A"));
        let page = app.vb_get(&path).await;
        let rows = page["result"].as_array().unwrap().clone();
        token = page["next_page_token"].as_str().unwrap().to_owned();
        if rows.is_empty() {
            assert_eq!(token, "");
            break;
        }
        assert!(!token.is_empty(), "only the empty page has no token");
        names.extend(rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()));
        pages += 1;
    }
    assert_eq!(pages, 3);
    names.sort();
    assert_eq!(names, ["i0", "i1", "i2", "i3", "v0", "v1", "v2", "v3"]);

    let page = |number: i64| {
        format!("v1/openapi/campaigns/{VDN}?status=3&deviceType=2&curPage={number}&rowsPerPage=3")
    };
    let sizes = [1, 2, 3].map(async |number| {
        let page = app.cc_ok("GET", &page(number), None).await;
        assert_eq!(page["totalSize"], 4);
        page["data"].as_array().unwrap().len()
    });
    assert_eq!(futures_util::future::join_all(sizes).await, [3, 1, 0]);
    app.finish().await;
}

#[tokio::test]
async fn the_older_generation_has_its_own_timestamps_sentinels_and_pages() {
    let app = TestApp::simulators(|_| {}).await;
    for index in 0..11 {
        app.isales_campaign(&format!("i{index}")).await;
    }
    app.voipbin_campaign("v").await;
    let app = app.serve().await;
    let first = app.vb_as(Caller::Seed, "GET", "/campaigns", None).await.json();
    let rows = first["result"].as_array().unwrap();
    assert_eq!(rows.len(), 10);
    let token = first["next_page_token"].as_str().unwrap();
    let path = format!("/campaigns?page_token={}", token.replace(' ', "%20").replace(':', "%3A"));
    let rest = app.vb_as(Caller::Seed, "GET", &path, None).await.json();
    assert_eq!(rest["result"].as_array().unwrap().len(), 2);
    for row in rows.iter().chain(rest["result"].as_array().unwrap()) {
        assert_eq!(row["tm_delete"], "9999-01-01 00:00:00.000000", "{row}");
        let created = row["tm_create"].as_str().unwrap();
        assert_eq!((created.len(), &created[10..11]), (26, " "), "{created}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_campaign_made_since_the_last_discovery_is_found_by_its_id() {
    let app = TestApp::start().await;
    let ids = app.voipbin_campaign("new on voipbin").await;
    let number = app.isales_campaign("new-on-isales").await;
    assert_eq!(app.vb_get(&format!("/campaigns/{}", ids.campaign)).await["name"], "new on voipbin");
    let path = format!("v1/openapi/campaigns/{VDN}/{number}");
    assert_eq!(app.cc_ok("GET", &path, None).await["returnObject"]["name"], "new-on-isales");
    // Now both are listed.
    let page: Value = app.vb_get("/campaigns").await;
    assert_eq!(page["result"].as_array().unwrap().len(), 2);
    app.finish().await;
}
