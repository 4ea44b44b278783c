//! A person's number is found however it was written, and erased from everything that is kept: no byte
//! of the store has it afterwards, and what counted before counts still.

use std::io::Write as _;
use std::path::Path;

use dialbridge::clock::Clock;
use dialbridge::domain::ids::AccountSlug;
use dialbridge::ledger::Ledger;
use dialbridge::ledger::sqlite::restoring::RestoreOptions;
use encoding_rs::GBK;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::support::sink::Sink;
use crate::support::{Reply, TestApp, VDN, until};

const NUMBER: &str = "+8613155577799";
/// Its digits, as they stand in every spelling without separators.
const DIGITS: &[u8] = b"13155577799";

async fn ask(app: &TestApp, path: &str, body: Value) -> Reply {
    app.ask_api("operator", ("POST", &format!("/{path}")), Some(body)).await
}

async fn certificate(app: &TestApp, action: &str) -> Value {
    let reply = ask(app, &format!("numbers/{action}"), json!({"number": NUMBER})).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json()
}

fn row(campaign: i64, call: u32, called: &str, field: &str) -> Value {
    json!({"campaignId": campaign.to_string(), "sessionId": format!("order-{call}"),
        "called": called, "callTimeStr": "2026-10-01 08:00:00", "callStatus": 5,
        "failCode": "00603", "vdnId": VDN, "callId": format!("1644464743-{call}"),
        "customField": field})
}

async fn push(app: &TestApp, body: &Value) {
    let url = app.results_address("cc");
    assert_eq!(app.send("POST", &url, &[], Some(body.to_string())).await.status, 200);
    until(async || {
        let inbox = app.api("/inbox").await;
        inbox["items"].as_array().unwrap().iter().all(|row| row["waiting"] == 0)
    })
    .await;
}

/// The store's files that hold these bytes.
fn holding(ledger: &Path, bytes: &[u8]) -> Vec<String> {
    let directory = ledger.parent().unwrap();
    let files = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    let holds = |file: &std::path::PathBuf| {
        file.is_file()
            && std::fs::read(file).unwrap().windows(bytes.len()).any(|window| window == bytes)
    };
    files.filter(holds).map(|file| file.display().to_string()).collect()
}

/// A draft whose client noted the number, and that has it as a target.
async fn noted_draft(app: &TestApp) -> String {
    let asked = "asked by 131\u{2013}5557\u{2013}7799";
    let draft = json!({"name": "draft", "detail": asked, "type": "call", "service_level": 100,
        "end_handle": "continue", "actions": []});
    let draft = app.vb("POST", "/campaigns", Some(draft)).await.json();
    let outdial = json!({"campaign_id": draft["id"], "name": "n", "detail": "d", "data": "x"});
    let outdial = app.vb("POST", "/outdials", Some(outdial)).await.json();
    let target = json!({"name": "n", "detail": "d", "data": "x",
        "destination_0": {"type": "tel", "target": NUMBER}});
    let targets = format!("/outdials/{}/targets", outdial["id"].as_str().unwrap());
    assert_eq!(app.vb("POST", &targets, Some(target)).await.status, 200);
    draft["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_erased_number_is_nowhere_and_everything_still_counts() {
    let app = TestApp::simulators(|config| {
        config.clients[0].create_on = Some(AccountSlug::new("cc").unwrap());
    })
    .await;
    let campaign = app.isales_campaign("autumn").await;
    let app = app.serve().await;
    let sink = Sink::taking();
    let order = json!({"name": "crm", "shape": "standard", "url": sink.url("/")});
    assert_eq!(ask(&app, "destinations", order).await.status, 200);
    // Dialled, noted in a free text, and one of somebody else.
    let noted = "call back on (0131) 5557-7799, please";
    let rows = json!([
        row(campaign, 1, "013155577799", ""),
        row(campaign, 2, "008613155577799", "vip"),
        row(campaign, 3, "013100000001", noted),
        row(campaign, 4, "013100000002", "other"),
    ]);
    push(&app, &rows).await;
    push(&app, &json!({"what": "no result of +86 131 5557 7799"})).await;
    // A draft's contact, under a key whose answer is kept.
    let draft = noted_draft(&app).await;
    app.one_target_is_a_draft();
    until(async || app.api("/destinations").await["items"][0]["delivered"] == 4).await;
    assert!(!holding(&app.ledger(), DIGITS).is_empty(), "it is there before");

    let shown_draft = format!("/campaigns/{draft}");
    assert!(app.vb_get(&shown_draft).await.to_string().contains("5557"), "and shown");

    let found = certificate(&app, "find").await;
    assert_eq!(found["rows"]["attempts"], 3, "{found}");
    assert_eq!((&found["rows"]["pushes"], &found["rows"]["quarantine"]), (&json!(2), &json!(1)));
    assert_eq!((&found["rows"]["events"], &found["told"]), (&json!(2), &json!(["crm"])));
    assert_eq!(found["still_at"][0]["account"], "cc");
    assert_eq!(found["erased_before"], Value::Null);
    let erased = certificate(&app, "erase").await;
    assert_eq!(erased["rows"], found["rows"]);
    assert_eq!(holding(&app.ledger(), DIGITS), Vec::<String>::new());
    assert_eq!(holding(&app.ledger(), b"5557-7799"), Vec::<String>::new());
    assert_eq!(holding(&app.ledger(), b"5557 7799"), Vec::<String>::new());

    // Nor does the gateway remember it.
    let now_shown = app.vb_get(&shown_draft).await.to_string();
    assert!(now_shown.contains("asked by erased-") && !now_shown.contains("5557"), "{now_shown}");
    // It is nowhere, and known to have been erased.
    let again = certificate(&app, "find").await;
    assert_eq!((&again["rows"], &again["number_hash"]), (&json!({}), &erased["number_hash"]));
    assert!(again["erased_before"].is_string(), "{again}");
    // Where else it is, is still known: who lost the first answer learns it from the next one.
    for again in [again, certificate(&app, "erase").await] {
        let elsewhere = ["still_at", "told"].map(|member| again[member].clone());
        assert_eq!(elsewhere, [erased["still_at"].clone(), erased["told"].clone()], "{again}");
    }
    // Both calls of one person are still one person's.
    let rows = app.recorded(campaign).await;
    assert_eq!(rows.len(), 4);
    let called = |call: &str| {
        let row = rows.iter().find(|row| row["callId"].as_str().unwrap().ends_with(call));
        row.unwrap()["called"].as_str().unwrap().to_owned()
    };
    assert!(called("-1").starts_with("erased-"), "{rows:?}");
    assert_eq!((called("-1"), called("-4")), (called("-2"), "013100000002".to_owned()));
    // Told again, it does not come back.
    push(&app, &json!([row(campaign, 1, "013155577799", "again")])).await;
    let rows = app.recorded(campaign).await;
    let again = rows.iter().filter(|row| row["called"].as_str().unwrap().contains("5557"));
    assert_eq!(again.count(), 0, "{rows:?}");
    app.finish().await;
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// Escapes of JSON, an invisible character, an address, tabs, letters; and what is no number.
fn written_in_many_ways(campaign: i64, stays: &str) -> [String; 7] {
    let escaped = row(campaign, 1, "013100000001", "131\u{2013}5557\u{2013}7799").to_string();
    let escaped = escaped.replace('\u{2013}', "\\u2013");
    [
        escaped,
        row(campaign, 2, "013100000002", "13155577\u{200b}799").to_string(),
        row(campaign, 3, "013100000003", "/?tel=%2B86%20131%205557%207799&n=1").to_string(),
        row(campaign, 4, "013100000004", stays).to_string(),
        row(campaign, 5, "013100000005", "131\t5557|7799").to_string(),
        row(campaign, 6, "013100000006", "1;3;1:5;5;5;7=7;7~9;9").to_string(),
        row(campaign, 7, "013100000007", "tel13155577799x").to_string(),
    ]
}

/// However it was written and packed; and what only has its digits stays as it was.
#[tokio::test]
async fn what_is_erased_is_the_number_and_nothing_else() {
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("autumn").await;
    let app = app.serve().await;
    let (url, sink) = (app.results_address("cc"), Sink::taking());
    let order = json!({"name": "raw", "shape": "raw", "url": sink.url("/")});
    assert_eq!(ask(&app, "destinations", order).await.status, 200);
    let stays = "20131555-77799 13155577799-1644464743 913155577799 2013-15-55 77799";
    let rows = written_in_many_ways(campaign, stays);
    let rows = format!("[{}]", rows.join(","));
    assert_eq!(app.push_bytes(&url, &[], rows.into_bytes()).await, 200);
    // Bodies that mean nothing: packed, in another charset, in none, and broken.
    let nothing = "{\"what\":\"\u{79cb} 13155577799\"}";
    let (packed, gbk) = (gzip(nothing.as_bytes()), GBK.encode(nothing).0.into_owned());
    for (headers, body) in [
        (&[("content-encoding", "gzip")][..], packed.clone()),
        (&[("content-type", "application/json; charset=GBK")], gbk.clone()),
        (&[("content-type", "application/json")], [&b"\xff"[..], nothing.as_bytes()].concat()),
        (&[("content-encoding", "gzip")], b"\x1f\x8b\x08 broken".to_vec()),
    ] {
        assert_eq!(app.push_bytes(&url, headers, body).await, 200, "{headers:?}");
    }
    until(async || app.inbox("cc").await["quarantined"] == 4).await;
    until(async || app.inbox("cc").await["waiting"] == 0).await;
    until(async || app.api("/destinations").await["items"][0]["delivered"] == 5).await;
    let bytes = [hexadecimal(&packed), hexadecimal(&gbk), hexadecimal(DIGITS)];
    for kept in &bytes[..2] {
        assert!(!holding(&app.ledger(), kept.as_bytes()).is_empty(), "they are kept as they came");
    }

    let found = certificate(&app, "find").await;
    assert_eq!(found["rows"]["attempts"], 6, "{found}");
    assert_eq!(found["told"], json!(["raw"]));
    let erased = certificate(&app, "erase").await;
    assert_eq!(erased["rows"], found["rows"]);
    assert_eq!(certificate(&app, "find").await["rows"], json!({}));
    for kept in &bytes {
        assert_eq!(holding(&app.ledger(), kept.as_bytes()), Vec::<String>::new(), "{kept}");
    }
    for kept in [
        "131\\u20135557",
        "131\u{2013}5557",
        "13155577\u{200b}799",
        "131%205557",
        "131\t5557",
        "131\\t5557",
        "1;3;1:5",
        "tel1315557",
    ] {
        assert_eq!(holding(&app.ledger(), kept.as_bytes()), Vec::<String>::new(), "{kept}");
    }
    let told = erased["not_covered"].as_array().unwrap();
    let is_told = |line: &str| told.iter().any(|told| told.as_str().unwrap().contains(line));
    assert!(is_told("bodies in quarantine that cannot be read: 1"), "{told:?}");
    assert!(is_told("copies of the ledger") && is_told("keys of requests"), "{told:?}");
    assert!(is_told("VACUUM (FULL, ANALYZE)") && is_told("pg_stats"), "{told:?}");
    assert!(is_told("WAL, archives, backups and replicas"), "{told:?}");
    assert!(is_told("with a letter") && is_told("16 hexadecimal digits"), "{told:?}");
    assert!(!is_told("does not know"), "{told:?}");
    let rows = app.recorded(campaign).await;
    let field = |call: &str| {
        let row = rows.iter().find(|row| row["callId"].as_str().unwrap().ends_with(call));
        row.unwrap()["customField"].as_str().unwrap().to_owned()
    };
    assert_eq!(field("-4"), stays);
    assert!(field("-3").starts_with("/?tel=erased-") && field("-3").ends_with("&n=1"), "{rows:?}");
    assert!(rows.iter().all(|row| row["callTimeStr"] == "2026-10-01 08:00:00"), "{rows:?}");
    app.finish().await;
}

#[tokio::test]
async fn what_is_no_number_is_refused_without_being_quoted() {
    let app = TestApp::start().await;
    for number in ["13155577799", "+1", "+86131555777990000", "+86 131", "", "+abc"] {
        let reply = ask(&app, "numbers/find", json!({"number": number})).await;
        assert_eq!(reply.status, 400, "{number}");
        assert!(number.is_empty() || !reply.text.contains(number), "{}", reply.text);
    }
    for body in [json!({}), json!({"number": 8_613_155_577_799_i64}), json!({"numbers": []})] {
        assert_eq!(ask(&app, "numbers/erase", body).await.status, 400);
    }
    let viewer = app.api_as("viewer", "POST", "/numbers/find").await;
    assert_eq!(viewer.status, 403);
    app.finish().await;
}

#[tokio::test]
async fn a_copy_that_is_put_back_has_a_new_epoch_and_gives_out_no_old_number() {
    let app = TestApp::simulators(|_| {}).await;
    app.voipbin_campaign("first").await;
    let app = app.serve().await;
    let copied = app.ask_api("operator", ("POST", "/backup"), None).await;
    assert_eq!(copied.status, 200, "{}", copied.text);
    let copy = std::path::PathBuf::from(copied.json()["file"].as_str().unwrap());
    let first = app.row_of("first").await;
    let app = app.stopped().await;
    let path = app.ledger();
    let restore = |replace| {
        let options = RestoreOptions { replace, another_ledger: false };
        Ledger::restore_sqlite(&copy, &path, options, &Clock::real())
    };
    let refused = restore(false).unwrap_err();
    assert!(refused.to_string().contains("--replace"), "{refused}");
    let restored = restore(true).unwrap();
    assert!(restored.epoch > 1 && restored.kept.is_some_and(|kept| kept.exists()));
    app.voipbin_campaign("second").await;
    let app = app.serve().await;
    assert_eq!(app.row_of("first").await["id"], first["id"], "what was there is there");
    let second = app.number_of(crate::support::VIRTUAL_VDN, "second").await;
    assert!(second > 100_000, "{second} may be another campaign's");
    app.finish().await;
}

#[tokio::test]
async fn a_copy_that_has_no_folder_says_which() {
    let app = TestApp::simulators(|config| {
        config.backup_directory = Some("/no/such/folder".into());
    })
    .await;
    let app = app.serve().await;
    let refused = app.ask_api("operator", ("POST", "/backup"), None).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    for said in ["/no/such/folder", "backup.directory", "create it"] {
        assert!(refused.text.contains(said), "{}", refused.text);
    }
    assert!(!refused.text.contains("busy"), "{}", refused.text);
    app.finish().await;
}
