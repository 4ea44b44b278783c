//! Pushes that are not quite what the platforms document: nothing of them is lost, what can be read is,
//! and no row of theirs holds another back or keeps the platform busy.

use std::io::Write;

use dialbridge::signing::webhook;
use encoding_rs::GBK;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::support::{TestApp, VDN, until};

fn row(campaign: &str, call: &str, custom: &str) -> Value {
    json!({"campaignId": campaign, "sessionId": format!("order-{call}"), "called": "013100000001",
        "callTimeStr": "2026-10-01 08:00:00", "callStatus": 5, "failCode": "00501", "vdnId": VDN,
        "callId": call, "customField": custom})
}

async fn push(app: &TestApp, body: &str) {
    let reply = app.send("POST", &app.results_address("cc"), &[], Some(body.to_owned())).await;
    assert_eq!(reply.text, r#"{"retCode":"0","retMsg":"success"}"#, "{body:.80}");
}

/// Attempts of a campaign, as a VoIPBin client sees them.
async fn attempts(app: &TestApp, name: &str) -> usize {
    let calls = format!("/campaigns/{}/campaigncalls", app.uuid_of(name).await);
    app.vb_get(&calls).await["result"].as_array().unwrap().len()
}

async fn order(app: &TestApp, order: Value) -> Value {
    let reply = app.ask_api("operator", ("POST", "/inbox/reprocess"), Some(order)).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json()
}

#[tokio::test]
async fn one_odd_member_costs_neither_its_row_nor_its_push() {
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("autumn").await.to_string();
    let app = app.serve().await;
    let odd = [
        r#""customField":"\ud83d""#,
        r#""customField":"\uZZZZ""#,
        r#""customField":"a\qb""#,
        "\"customField\":\"tab\tand \u{1}\"",
        r#""customField":"\u0000""#,
        r#""customField":{"a":1}"#,
        r#""unheardOf":1e400"#,
        r#""recordPath":[7]"#,
        r#""sessionId":"a","sessionId":"b""#,
        &format!(r#""deep":{}{}"#, "[".repeat(300), "]".repeat(300)),
    ];
    let rows: Vec<String> = odd
        .iter()
        .enumerate()
        .map(|(call, odd)| {
            let row = row(&campaign, &call.to_string(), "x").to_string();
            format!("{},{odd}}}", row.strip_suffix('}').unwrap())
        })
        .collect();
    let mut bare = row(&campaign, "bare", "x");
    bare.as_object_mut().unwrap().remove("vdnId");
    push(&app, &format!("[{},{bare}]", rows.join(","))).await;
    until(async || attempts(&app, "autumn").await == odd.len() + 1).await;
    assert_eq!(app.inbox("cc").await["quarantined"], 0);
    let calls = format!("/campaigns/{}/campaigncalls", app.uuid_of("autumn").await);
    let calls = app.vb_get(&calls).await["result"].take();
    assert!(calls.as_array().unwrap().iter().all(|call| call["result"] == "fail"), "{calls}");
    app.finish().await;
}

#[tokio::test]
async fn what_is_declared_is_decoded() {
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("autumn").await.to_string();
    let app = app.serve().await;
    let (url, said) = (app.results_address("cc"), "\u{79cb}\u{5929}");
    let body = |call: &str| json!([row(&campaign, call, said)]).to_string();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(body("gzip").as_bytes()).unwrap();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(body("zlib").as_bytes()).unwrap();
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&vec![b' '; 20 * 1024 * 1024]).unwrap();
    let gbk = |call: &str| GBK.encode(&body(call)).0.into_owned();
    for (headers, body) in [
        (&[][..], [b"\xef\xbb\xbf", body("marked").as_bytes()].concat()),
        (&[("content-type", "application/json; charset=GBK")], gbk("gbk")),
        (&[("content-type", "application/json;charset=\"GB18030\"")], gbk("gb18030")),
        (&[("content-encoding", "gzip")], gzip.finish().unwrap()),
        (&[("content-encoding", "deflate")], zlib.finish().unwrap()),
        // Without a charset its bytes are no text: the row is read without them, and they are kept.
        (&[("content-type", "application/json")], gbk("undeclared")),
        (&[("content-encoding", "gzip")], bomb.finish().unwrap()),
    ] {
        assert_eq!(app.push_bytes(&url, headers, body).await, 200, "{headers:?}");
    }
    until(async || attempts(&app, "autumn").await == 6).await;
    until(async || app.inbox("cc").await["quarantined"] == 2).await;
    let rows = app.recorded(campaign.parse().unwrap()).await;
    assert_eq!(rows.iter().filter(|row| row["customField"] == said).count(), 5, "{rows:?}");
    app.finish().await;
}

/// The signature is over the bytes as they were sent, or over what was packed afterwards.
#[tokio::test]
async fn a_packed_webhook_is_verified_packed_or_unpacked() {
    let app = TestApp::simulators(|_| {}).await.serve().await;
    let account = dialbridge::simulators::voipbin::Account::numbered(1);
    let secret = SecretString::from(account.webhook_secret.expose_secret());
    let body = r#"{"type":"call_ringing","data":{}}"#.as_bytes();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(body).unwrap();
    let packed = gzip.finish().unwrap();
    let url = format!("{}/callbacks/voipbin/vb", app.callbacks());
    // The secret was read a moment ago, and may have changed since.
    for (signed, status) in [(&packed[..], 200), (body, 200), (b"another", 503)] {
        let signature = webhook::sign(&secret, signed);
        let headers = [(webhook::SIGNATURE_HEADER, &*signature), ("content-encoding", "gzip")];
        assert_eq!(app.push_bytes(&url, &headers, packed.clone()).await, status);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_row_that_cannot_be_kept_holds_nobody_back_and_costs_nothing_for_ever() {
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("autumn").await.to_string();
    let app = app.serve().await;
    until(async || app.inbox("cc").await["waiting"] == 0).await;
    let rows = json!([
        row(&campaign, "1", "x"),
        row("01006", "2", "x"),
        row("999999", "3", "x"),
        row("999999", "4", "x"),
        row(&campaign, "5", "x"),
    ]);
    let asked = || {
        app.isales.journal.calls("GET", &format!("/rest/isales/v1/openapi/campaigns/{VDN}/999999"))
    };
    for _ in 0..5 {
        push(&app, &rows.to_string()).await;
    }
    until(async || app.inbox("cc").await["quarantined"] == 15).await;
    assert_eq!(attempts(&app, "autumn").await, 2);
    assert_eq!(app.inbox("cc").await["waiting"], 0);
    assert_eq!(asked(), 1, "one question, however many rows and pushes name it");
    // Nothing of it is understood now, either: it stays, and the books balance.
    let done = order(&app, json!({"all": true})).await;
    assert_eq!((&done["bodies"], &done["left"], &done["rows"]), (&json!(15), &json!(0), &json!(0)));
    assert_eq!(app.inbox("cc").await["quarantined"], 15);
    let list = app.api("/inbox/quarantine?account=cc&limit=1").await;
    assert!(!list.to_string().contains("013100000001"), "{list}");
    assert_eq!(list["items"][0]["reason"], "it names no campaign");
    app.finish().await;
}

/// Changes pushes that wait, behind the ledger's back: that long have passed, and they are due.
fn age(ledger: &rusqlite::Connection, hours: i64) {
    let sql =
        "UPDATE inbox SET received_at = received_at - ?1, due_at = 0 WHERE processed_at IS NULL";
    ledger.execute(sql, [hours * 3_600_000_000]).unwrap();
}

fn number(ledger: &rusqlite::Connection, sql: &str) -> i64 {
    ledger.query_row(sql, (), |row| row.get(0)).unwrap()
}

const TRIES: &str = "SELECT COALESCE(MIN(tries), 0) FROM inbox WHERE processed_at IS NULL";

/// Neither the push in which it stands nor another waits for it; after three days it is in quarantine,
/// where it can be taken through again.
#[tokio::test]
async fn a_row_that_the_ledger_refuses_waits_alone_and_has_an_end() {
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("autumn").await.to_string();
    let app = app.serve().await;
    let ledger = rusqlite::Connection::open(app.ledger()).unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON attempt WHEN NEW.native LIKE '%/poison%' \
                  BEGIN SELECT RAISE(ABORT, 'refused'); END";
    ledger.execute_batch(refuse).unwrap();
    push(&app, &json!([row(&campaign, "poison alone", "x")]).to_string()).await;
    let rows: Vec<Value> = (0..9)
        .map(|call| {
            let name = if call == 4 { "poison".to_owned() } else { format!("beside {call}") };
            row(if call == 7 { "01006" } else { &campaign }, &name, "x")
        })
        .collect();
    push(&app, &json!(rows).to_string()).await;
    for call in 0..3 {
        push(&app, &json!([row(&campaign, &format!("good {call}"), "x")]).to_string()).await;
    }
    until(async || app.inbox("cc").await["rows"]["stored"] == 7 + 3).await;
    until(async || app.inbox("cc").await["quarantined"] == 1).await;
    let inbox = app.inbox("cc").await;
    assert_eq!((&inbox["waiting"], &inbox["rows"]["received"]), (&json!(2), &json!(7 + 3 + 1)));
    let waiting = "SELECT COUNT(*) FROM inbox WHERE processed_at IS NULL AND waiting = '[4]'";
    assert_eq!(number(&ledger, waiting), 1, "no row of the push but the refused one waits");

    // Nearly three days later it is tried again, and waits on.
    let tries = number(&ledger, TRIES);
    age(&ledger, 71);
    until(async || number(&ledger, TRIES) > tries).await;
    assert_eq!(app.inbox("cc").await["quarantined"], 1);
    age(&ledger, 1);
    until(async || app.inbox("cc").await["quarantined"] == 1 + 2).await;
    assert_eq!(app.inbox("cc").await["waiting"], 0);
    let list = app.api("/inbox/quarantine?account=cc").await["items"].take();
    let reasons: Vec<&str> =
        list.as_array().unwrap().iter().map(|row| row["reason"].as_str().unwrap()).collect();
    let refused = |reason: &&&str| {
        reason.starts_with("it could not be kept: the ledger does not take it: a row contradicts")
    };
    assert_eq!(reasons.iter().filter(refused).count(), 2, "{reasons:?}");
    assert!(list.as_array().unwrap().iter().all(|row| row["bytes"].as_u64() < Some(400)));

    // It is refused still, and nobody says that it was done.
    let done = order(&app, json!({"all": true})).await;
    assert_eq!((&done["bodies"], &done["left"], &done["rows"]), (&json!(3), &json!(0), &json!(0)));
    ledger.execute_batch("DROP TRIGGER refuse").unwrap();
    let done = order(&app, json!({"all": true})).await;
    assert_eq!((&done["bodies"], &done["left"], &done["rows"]), (&json!(3), &json!(2), &json!(2)));
    assert_eq!(attempts(&app, "autumn").await, 7 + 3 + 2);
    assert_eq!(app.inbox("cc").await["quarantined"], 1);
    let left = "SELECT COUNT(*) FROM journal WHERE action = 'inbox-reprocess' \
                AND after_value = '{\"left\":true,\"rows\":1}'";
    assert_eq!(number(&ledger, left), 2);
    app.finish().await;
}

/// Until then somebody may configure it again.
#[tokio::test]
async fn a_push_of_an_account_that_is_not_configured_has_an_end_after_a_day() {
    let app = TestApp::start().await;
    let ledger = rusqlite::Connection::open(app.ledger()).unwrap();
    let now_us = jiff::Timestamp::now().as_microsecond();
    let sql = format!(
        "INSERT INTO account (slug, platform, registered_at) VALUES ('gone', 'isales', 0); \
         INSERT INTO inbox (account_id, received_at, body, due_at, tries) \
         SELECT id, {now_us}, '[{{}}]', 0, 0 FROM account WHERE slug = 'gone'"
    );
    ledger.execute_batch(&sql).unwrap();
    age(&ledger, 23);
    let tries = number(&ledger, TRIES);
    until(async || number(&ledger, TRIES) > tries).await;
    let quarantined = "SELECT COUNT(*) FROM quarantine \
                       WHERE reason = 'its account is not configured' AND body = '[{}]'";
    assert_eq!(number(&ledger, quarantined), 0);
    age(&ledger, 1);
    until(async || number(&ledger, quarantined) == 1).await;
    app.finish().await;
}

/// The ledger is out of order for longer than anything waits: nothing is in quarantine for that.
#[tokio::test]
async fn what_waits_for_the_ledger_is_not_given_up() {
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("autumn").await.to_string();
    let app = app.serve().await;
    let ledger = rusqlite::Connection::open(app.ledger()).unwrap();
    ledger.execute_batch("ALTER TABLE contact_state RENAME TO away").unwrap();
    push(&app, &json!([row(&campaign, "1", "x")]).to_string()).await;
    age(&ledger, 100);
    let tried = async || {
        let (tries, quarantined) = (TRIES, "SELECT COUNT(*) FROM quarantine");
        (number(&ledger, tries), number(&ledger, quarantined))
    };
    // Long enough for some tries, which leave nothing behind.
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    assert_eq!(tried().await, (0, 0));
    assert_eq!(app.inbox("cc").await["waiting"], 1);
    ledger.execute_batch("ALTER TABLE away RENAME TO contact_state").unwrap();
    until(async || attempts(&app, "autumn").await == 1).await;
    assert_eq!(app.inbox("cc").await["quarantined"], 0);
    app.finish().await;
}

/// The same while it is asked what pushes mean: that is no try of theirs.
#[tokio::test]
async fn a_ledger_that_cannot_be_asked_counts_no_try() {
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("autumn").await.to_string();
    let app = app.serve().await;
    app.row_of("autumn").await;
    let ledger = rusqlite::Connection::open(app.ledger()).unwrap();
    ledger.execute_batch("ALTER TABLE external_ref RENAME TO away").unwrap();
    push(&app, &json!([row(&campaign, "1", "x")]).to_string()).await;
    age(&ledger, 100);
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    assert_eq!(number(&ledger, TRIES), 0);
    assert_eq!(number(&ledger, "SELECT COUNT(*) FROM quarantine"), 0);
    assert_eq!(app.inbox("cc").await["waiting"], 1);
    ledger.execute_batch("ALTER TABLE away RENAME TO external_ref").unwrap();
    until(async || attempts(&app, "autumn").await == 1).await;
    app.finish().await;
}

/// What is stored about one campaign cannot be read, and that will not change: its row waits alone, and is
/// in quarantine alone in the end.
#[tokio::test]
async fn a_row_about_which_the_ledger_says_nothing_takes_no_other_along() {
    let app = TestApp::simulators(|_| {}).await;
    let good = app.isales_campaign("good").await.to_string();
    let spoiled = app.isales_campaign("spoiled").await.to_string();
    let app = app.serve().await;
    app.row_of("good").await;
    app.row_of("spoiled").await;
    let ledger = rusqlite::Connection::open(app.ledger()).unwrap();
    let spoil = "UPDATE campaign SET list_at = 9223372036854775807 WHERE name = 'spoiled'";
    assert_eq!(ledger.execute(spoil, ()).unwrap(), 1);
    push(&app, &json!([row(&spoiled, "1", "x"), row(&good, "2", "x")]).to_string()).await;
    until(async || app.inbox("cc").await["rows"]["stored"] == 1).await;
    let inbox = app.inbox("cc").await;
    assert_eq!((&inbox["waiting"], &inbox["quarantined"]), (&json!(1), &json!(0)));
    let tries = number(&ledger, TRIES);
    age(&ledger, 71);
    until(async || number(&ledger, TRIES) > tries).await;
    assert_eq!(app.inbox("cc").await["quarantined"], 0);
    age(&ledger, 1);
    until(async || app.inbox("cc").await["quarantined"] == 1).await;
    assert_eq!(app.inbox("cc").await["waiting"], 0);
    let list = app.api("/inbox/quarantine?account=cc").await;
    let reason = list["items"][0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("it could not be read: what is stored cannot be read"), "{reason}");
    assert!(list["items"][0]["bytes"].as_u64() < Some(400), "the row alone: {list}");
    app.finish().await;
}

/// The platform is out of order: good rows are kept, the others wait for it ever longer.
#[tokio::test]
async fn rows_wait_for_the_platform_and_not_for_each_other() {
    let app = TestApp::simulators(|_| {}).await;
    let known = app.isales_campaign("known").await.to_string();
    let app = app.serve().await;
    until(async || attempts(&app, "known").await == 0).await;
    let late = app.isales_campaign("late").await.to_string();
    app.isales.faults.set("5xx".parse().unwrap());
    let path = format!("/rest/isales/v1/openapi/campaigns/{VDN}/{late}");
    let before = app.isales.journal.calls("GET", &path);
    for call in 0..20 {
        let rows =
            json!([row(&known, &format!("k{call}"), "x"), row(&late, &format!("l{call}"), "x")]);
        push(&app, &rows.to_string()).await;
    }
    until(async || app.inbox("cc").await["rows"]["stored"] == 20).await;
    assert_eq!(app.inbox("cc").await["waiting"], 20);
    let asked = app.isales.journal.calls("GET", &path) - before;
    assert!(asked <= 5, "{asked} questions for 20 rows");
    app.isales.faults.set("".parse().unwrap());
    until(async || app.inbox("cc").await["waiting"] == 0).await;
    assert_eq!(attempts(&app, "late").await, 20);
    app.finish().await;
}

#[tokio::test]
async fn what_was_quarantined_is_taken_through_again() {
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("autumn").await.to_string();
    let app = app.serve().await;
    // A push to a wrong address is kept, and told to be unproved.
    let url = format!("{}/callbacks/isales/cc/none", app.callbacks());
    let body = json!([row(&campaign, "1", "x"), row("01006", "2", "x")]).to_string();
    assert_eq!(app.send("POST", &url, &[], Some(body)).await.status, 401);
    until(async || app.inbox("cc").await["unproved"] == 1).await;
    let list = app.api("/inbox/quarantine").await["items"].take();
    assert_eq!((&list[0]["account"], &list[0]["proved"]), (&json!("cc"), &json!(false)));
    let id = list[0]["id"].clone();
    let refused = async |order: Value, operator: &str| {
        let reply = app.ask_api(operator, ("POST", "/inbox/reprocess"), Some(order)).await;
        assert_ne!(reply.status, 200, "{}", reply.text);
    };
    for bad in [
        json!({"ids": [id]}),
        json!({"all": true, "unproved": true}),
        json!({}),
        json!({"ids": [id], "all": true}),
        json!({"ids": []}),
        json!({"ids": [4242], "unproved": true}),
        json!({"all": true, "everything": true}),
    ] {
        refused(bad, "operator").await;
    }
    refused(json!({"all": true}), "reader").await;
    assert_eq!(order(&app, json!({"all": true})).await["bodies"], 0, "not by --all");
    let mut named = json!({"ids": [id], "unproved": true, "dry_run": true});
    let would = order(&app, named.clone()).await;
    assert_eq!(
        (&would["bodies"], &would["left"], &would["rows"]),
        (&json!(1), &json!(0), &json!(1))
    );
    assert_eq!(attempts(&app, "autumn").await, 0, "it was a dry run");
    named["dry_run"] = json!(false);
    for stored in [1, 1] {
        order(&app, named.clone()).await;
        assert_eq!(attempts(&app, "autumn").await, stored, "once, however often");
    }
    let left = app.api("/inbox/quarantine").await["items"].take();
    assert_eq!((&left[0]["id"], &left[0]["reason"]), (&id, &json!("it names no campaign")));
    let inbox = app.inbox("cc").await;
    assert_eq!((&inbox["unproved"], &inbox["rows"]["stored"]), (&json!(1), &json!(1)));
    app.finish().await;
}
