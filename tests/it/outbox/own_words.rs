//! Where receiver and home speak the same language, the home's own words arrive: members, order, spelling
//! of numbers and texts, and what nobody here knows.

use dialbridge::config::PlatformSettings;
use dialbridge::signing::webhook;
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Scene;
use crate::support::sink::Sink;
use crate::support::{TestApp, VDN, until};

const SECRET: &str = "a configured secret";

#[tokio::test]
async fn a_pushed_row_arrives_as_it_was_sent() {
    let scene = Scene::new().await;
    let sink = Sink::taking();
    scene.destination("own", "isales", &sink.url("/own"), json!({})).await;
    let row = format!(
        r#"{{"first":{{"x":[1,2.50]}},"campaignId":"{}","sessionId":"s","called":"60584","callTimeStr":"2026-10-01 08:00:00","callStatus":5,"failCode":"01119","vdnId":{VDN},"callId":"0023-134864174","customField":"\u5317\/b","recordPath":"Y:/1/11/3408.V3","big":12345678901234567890123,"ratio":1.0}}"#,
        scene.campaign
    );
    let url = scene.app.results_address("cc");
    let reply = scene.app.send("POST", &url, &[], Some(format!("[{row}]"))).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    scene.settled("own", 1, 0).await;
    let got = String::from_utf8(sink.received()[0].body.clone()).unwrap();
    assert_eq!(got, format!("[{row}]"));
    // A revision is told in the words that made it one, whatever else is known by now.
    let busy = row.replace("01119", "00537").replace(r#","recordPath":"Y:/1/11/3408.V3""#, "");
    scene.app.send("POST", &url, &[], Some(format!("[{busy}]"))).await;
    scene.settled("own", 2, 0).await;
    let got = String::from_utf8(sink.received()[1].body.clone()).unwrap();
    assert_eq!(got, format!("[{busy}]"));
    scene.finish().await;
}

#[tokio::test]
async fn a_row_that_was_asked_for_is_told_as_a_push_has_it() {
    let scene = Scene::new().await;
    let sink = Sink::taking();
    scene.destination("own", "isales", &sink.url("/own"), json!({})).await;
    let at = |rest: &str| format!("v1/openapi/campaigns/{VDN}{rest}");
    let records = json!({"callDataList": [{"sessionId": "s1", "called": "60584"}]});
    let number = scene.campaign;
    scene.app.cc_ok("POST", &at(&format!("/calldata/{number}")), Some(records)).await;
    scene.app.cc_ok("PUT", &at(&format!("/{number}/resume")), None).await;
    let results = at(&format!("/callresult/{number}"));
    let every = json!({"showDetail": 1, "pageSize": 100, "pageNum": 1});
    let told = async || scene.app.on_isales("POST", &results, Some(every.clone())).await;
    until(async || told().await["totalCount"] == 1).await;
    // A client of the other platform has the home asked.
    let path = format!("/campaigns/{}/campaigncalls", scene.uuid);
    until(async || {
        scene.app.vb_get(&path).await;
        scene.row_of("own").await["delivered"] == 1
    })
    .await;
    let mut row: Value = told().await["data"][0].take();
    assert!(row.as_object_mut().unwrap().shift_remove("resultCode").is_some(), "only asked for");
    let got = String::from_utf8(sink.received()[0].body.clone()).unwrap();
    assert_eq!(got, json!([row]).to_string());
    scene.app.finish().await;
}

#[tokio::test]
async fn a_pushed_event_arrives_as_it_was_sent() {
    let app = TestApp::simulators(|config| {
        for account in &mut config.accounts {
            if let PlatformSettings::Voipbin { webhook_secret, .. } = &mut account.platform {
                *webhook_secret = Some(SecretString::from(SECRET));
            }
        }
    })
    .await;
    let native = app.voipbin_campaign("own").await.campaign;
    let app = app.serve().await;
    let uuid = app.uuid_of("own").await;
    let scene = Scene { app, campaign: 0, uuid };
    let sink = Sink::taking();
    scene.destination("own", "voipbin", &sink.url("/own"), json!({})).await;
    let id = Uuid::from_u128(0x5634_7901_5bb9_422d_add5_5a2c_a47f_a737);
    let event = format!(
        r#"{{"type":"campaigncall_updated","data":{{"new":[1.0,"\u00e9"],"id":"{id}","campaign_id":"{native}","reference_type":"call","reference_id":"a69189aa-7295-4c3a-b51f-df1dbbded5f6","status":"done","result":"success","destination":{{"type":"tel","target":"+8613100000001","who":null}},"try_count":1,"tm_create":"2026-10-01T08:00:00.000000Z"}}}}"#
    );
    let signature = webhook::sign(&SecretString::from(SECRET), event.as_bytes());
    let proof = [(webhook::SIGNATURE_HEADER, signature)];
    let url = format!("{}/callbacks/voipbin/vb", scene.app.callbacks());
    let reply = scene.app.send("POST", &url, &proof, Some(event.clone())).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    scene.settled("own", 1, 0).await;
    let got = String::from_utf8(sink.received()[0].body.clone()).unwrap();
    assert_eq!(got, event);
    scene.app.finish().await;
}
