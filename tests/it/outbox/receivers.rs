//! What receivers answer, and what operators set of them.

use dialbridge::signing::standard;
use serde_json::{Value, json};

use super::Scene;
use crate::support::sink::{Says, Sink};
use crate::support::{VDN, until};

/// What CC-iSales itself takes for success is success: a receiver that has it is not told again.
#[tokio::test]
async fn a_receiver_that_answers_with_success_has_it_whatever_else_it_says() {
    let scene = Scene::new().await;
    let answers = [
        "{\"retCode\":0}",
        "",
        "ok",
        "{\"retCode\":\"0\"}",
        "\u{feff}{\"retCode\":\"0\"}",
        "{\"retCode\":\"1\",\"retMsg\":\"busy\"}",
    ];
    let rows: Vec<Value> = (1..=6).map(|call| scene.row(call, "00603")).collect();
    for (shape, name, takes) in
        [("isales", "lenient", false), ("raw", "pushes", false), ("isales", "strict", true)]
    {
        let sink = Sink::new(move |before, _| Says::body(answers[before % answers.len()]));
        let more = json!({"concurrency": 1, "require_ret_code": takes, "retry_waits_s": []});
        scene.destination(name, shape, &sink.url("/"), more).await;
        assert_eq!(scene.row_of(name).await["require_ret_code"], takes);
    }
    for row in &rows {
        scene.push(std::slice::from_ref(row)).await;
    }
    scene.settled("lenient", 6, 0).await;
    scene.settled("pushes", 6, 0).await;
    scene.settled("strict", 3, 3).await;
    let order = json!({"name": "x", "shape": "standard", "url": "http://127.0.0.1:1/",
        "require_ret_code": true});
    let refused = scene.api("POST", "/destinations", Some(order)).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text.contains("require_ret_code"), "{}", refused.text);
    scene.finish().await;
}

#[tokio::test]
async fn a_receiver_is_left_alone_for_as_long_as_it_asks() {
    let scene = Scene::new().await;
    let asks = ["7200", "1800.5", "Wed, 21 Oct 2099 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:00 GMT"];
    let slow = Sink::new(move |before, _| match asks.get(before) {
        Some(ask) => Says::status(503).with("retry-after", ask),
        None => Says::status(200),
    });
    let more = json!({"concurrency": 1, "retry_waits_s": [1]});
    scene.destination("crm", "standard", &slow.url("/"), more).await;
    for (call, (at_least_s, at_most_s)) in
        [(1, (7100, 7200)), (2, (1700, 1801)), (3, (86_300, 86_400)), (4, (0, 2))]
    {
        scene.push(&[scene.row(call, "00603")]).await;
        until(async || slow.received().len() >= usize::try_from(call).unwrap()).await;
        let due_in_s = async || {
            let pending = scene.deliveries("state=pending").await;
            let newest = pending.iter().max_by_key(|row| row["number"].as_i64())?;
            let due: jiff::Timestamp = newest["due_at"].as_str()?.parse().ok()?;
            let tried = newest["tries"] == 1;
            tried.then(|| due.duration_since(jiff::Timestamp::now()).as_secs())
        };
        if call == 4 {
            scene.settled_one("crm").await;
        } else {
            until(async || due_in_s().await.is_some()).await;
            let due = due_in_s().await.unwrap();
            assert!((at_least_s..=at_most_s).contains(&due), "{call}: {due}");
        }
    }
    scene.finish().await;
}

#[tokio::test]
async fn a_destination_is_set_otherwise_and_keeps_what_waits_and_its_secret() {
    let scene = Scene::new().await;
    let (old, new) = (Sink::taking(), Sink::taking());
    scene.destination("crm", "standard", &old.url("/"), json!({"rate_per_s": 5})).await;
    scene.change("crm", "pause").await;
    let (before, secret) = (scene.row_of("crm").await, scene.secret("crm").await);
    scene.push(&[scene.row(1, "00603")]).await;
    until(async || scene.row_of("crm").await["pending"] == 1).await;
    let edit = json!({"url": new.url("/new"), "rate_per_s": null, "concurrency": 3,
        "dispositions": ["answered"], "retry_waits_s": [9]});
    let set = scene.ok("PATCH", "/destinations/crm", Some(edit)).await;
    for (member, value) in [
        ("id", &before["id"]),
        ("secret_version", &json!(1)),
        ("state", &json!("paused")),
        ("rate_per_s", &Value::Null),
        ("concurrency", &json!(3)),
        ("dispositions", &json!(["answered"])),
        ("retry_waits_s", &json!([9])),
        ("accounts", &before["accounts"]),
    ] {
        assert_eq!(&set[member], value, "{member}");
    }
    assert_eq!(scene.row_of("crm").await["pending"], 1);
    scene.change("crm", "resume").await;
    scene.settled("crm", 1, 0).await;
    assert!(old.received().is_empty());
    let got = new.received().pop().unwrap();
    assert_eq!(got.path, "/new");
    let at: i64 = got.headers["webhook-timestamp"].parse().unwrap();
    assert!(standard::verify(
        &secret,
        (got.id(), at),
        &got.headers["webhook-signature"],
        &got.body
    ));
    // The filter counts from now on: 00603 is no answer.
    scene.push(&[scene.row(2, "00603"), scene.row(3, "00000")]).await;
    scene.settled("crm", 2, 0).await;
    for (edit, field) in [
        (json!({"url": "http://169.254.169.254/"}), "url"),
        (json!({"rate_per_s": 0}), "rate_per_s"),
        (json!({"concurrency": 0}), "concurrency"),
        (json!({"accounts": ["foreign"]}), "accounts"),
        (json!({"shape": "raw"}), "the body"),
        (json!({"require_ret_code": true}), "require_ret_code"),
    ] {
        let refused = scene.api("PATCH", "/destinations/crm", Some(edit)).await;
        assert_eq!(refused.status, 400, "{field}: {}", refused.text);
        assert!(refused.text.contains(field), "{}", refused.text);
    }
    assert_eq!(scene.row_of("crm").await["concurrency"], 3, "nothing was changed");
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_set_different_members_at_once_do_not_undo_each_other() {
    let scene = Scene::new().await;
    scene.destination("crm", "standard", "http://127.0.0.1:1/", json!({})).await;
    for round in 1..=20 {
        let set = async |edit| scene.ok("PATCH", "/destinations/crm", Some(edit)).await;
        tokio::join!(
            set(json!({"concurrency": round})),
            set(json!({"rate_per_s": round})),
            set(json!({"retry_waits_s": [round], "dispositions": ["answered"]})),
        );
        let row = scene.row_of("crm").await;
        let found = (&row["concurrency"], &row["rate_per_s"], &row["retry_waits_s"]);
        assert_eq!(found, (&json!(round), &json!(round), &json!([round])));
    }
    let kept = scene.row_of("crm").await;
    scene.ok("PATCH", "/destinations/crm", Some(json!({}))).await;
    assert_eq!(scene.row_of("crm").await, kept);
    assert_eq!(kept["dispositions"], json!(["answered"]));
    scene.finish().await;
}

/// What is not read must not look as if it counted.
#[tokio::test]
async fn a_query_or_body_that_means_nothing_is_refused() {
    let scene = Scene::new().await;
    scene.destination("crm", "standard", "http://127.0.0.1:1/", json!({})).await;
    for (method, path, body) in [
        ("POST", "/destinations/crm/rotate?overlap=48", None),
        ("POST", "/destinations/crm/rotate?revoke=yes", None),
        ("POST", "/destinations/crm/rotate?revoke=true&overlap_hours=1", None),
        ("POST", "/destinations/crm/rotate", Some(json!({"overlap_hours": 48}))),
        ("POST", "/destinations/crm/pause?until=tomorrow", None),
        ("DELETE", "/destinations/crm?dry_run=true", None),
        ("GET", "/destinations/crm?x=1", None),
        ("GET", "/inbox?account=cc", None),
        ("PATCH", "/destinations/crm", Some(json!({"rate": 5}))),
        ("POST", "/backup", Some(json!({"to": "elsewhere"}))),
    ] {
        let refused = scene.api(method, path, body).await;
        assert_eq!(refused.status, 400, "{method} {path}: {}", refused.text);
    }
    let row = scene.row_of("crm").await;
    assert_eq!((&row["state"], &row["secret_version"]), (&json!("active"), &json!(1)));
    scene.ok("DELETE", "/destinations/crm", None).await;
    scene.finish().await;
}

/// A receiver that knows no revisions keeps what it hears first, or last: it hears the newest alone.
#[tokio::test]
async fn what_is_out_of_date_when_it_could_leave_is_not_sent_to_who_knows_no_revisions() {
    let scene = Scene::new().await;
    let (own, crm) = (Sink::taking(), Sink::taking());
    scene.destination("own", "isales", &own.url("/"), json!({})).await;
    scene.destination("crm", "standard", &crm.url("/"), json!({"concurrency": 1})).await;
    for name in ["own", "crm"] {
        scene.change(name, "pause").await;
    }
    for code in ["34608", "00537"] {
        scene.push(&[scene.row(1, code)]).await;
        let created = if code == "34608" { 1 } else { 2 };
        until(async || scene.row_of("crm").await["created"] == created).await;
    }
    for name in ["own", "crm"] {
        scene.change(name, "resume").await;
        scene.settled(name, 2, 0).await;
    }
    let codes: Vec<Value> =
        own.received().iter().map(|got| got.json()[0]["failCode"].clone()).collect();
    assert_eq!(codes, ["00537"]);
    let revisions: Vec<Value> =
        crm.received().iter().map(|got| got.json()["data"]["revision"].clone()).collect();
    assert_eq!(revisions, [1, 2]);
    let rows = scene.deliveries("destination=own").await;
    let unsent = rows.iter().find(|row| row["revision"] == 1).unwrap();
    assert!(unsent["error"].as_str().unwrap().contains("newer revision"), "{unsent}");
    scene.finish().await;
}

/// What the newest revision came to is told in the place of one before, where it would not be told else.
#[tokio::test]
async fn what_is_out_of_date_is_sent_as_it_is_now_where_nobody_was_told_that() {
    let scene = Scene::new().await;
    let (choosy, own) = (Sink::taking(), Sink::taking());
    let failed = json!({"dispositions": ["platform-timeout"]});
    scene.destination("choosy", "isales", &choosy.url("/"), failed).await;
    scene.destination("own", "isales", &own.url("/"), json!({})).await;
    scene.change("choosy", "pause").await;
    scene.change("own", "pause").await;
    scene.push(&[scene.row(1, "34608")]).await;
    until(async || scene.row_of("own").await["created"] == 1).await;
    assert_eq!(scene.row_of("choosy").await["created"], 1);
    // What comes meanwhile is a dead letter.
    let scene =
        scene.tampered("UPDATE destination SET state = 'disabled' WHERE name = 'own'").await;
    scene.push(&[scene.row(1, "00537")]).await;
    until(async || scene.row_of("own").await["dead"] == 1).await;
    assert_eq!(scene.row_of("choosy").await["created"], 1, "it takes none that is busy");
    scene.change("choosy", "resume").await;
    scene.change("own", "resume").await;
    scene.settled("choosy", 1, 0).await;
    scene.settled("own", 1, 1).await;
    for sink in [choosy, own] {
        let got = sink.received();
        let codes: Vec<Value> = got.iter().map(|got| got.json()[0]["failCode"].clone()).collect();
        assert_eq!(codes, ["00537"]);
    }
    scene.finish().await;
}

/// Who was called stands in a push as it stands in lists.
#[tokio::test]
async fn a_push_names_the_contact_that_lists_name() {
    let scene = Scene::new().await;
    let sink = Sink::taking();
    scene.destination("vb", "voipbin", &sink.url("/"), json!({})).await;
    let path = format!("v1/openapi/campaigns/{VDN}/calldata/{}", scene.campaign);
    let records = json!([{"sessionId": "order-0", "called": "013100000009"},
        {"sessionId": "order-1", "called": "013100000001"}]);
    scene.app.cc_ok("POST", &path, Some(json!({"callDataList": records}))).await;
    scene.push(&[scene.row(1, "00537")]).await;
    scene.settled("vb", 1, 0).await;
    let told = sink.received()[0].json()["data"].take();
    let path = format!("/campaigns/{}/campaigncalls", scene.uuid);
    let listed = scene.app.vb_get(&path).await["result"][0].take();
    for name in ["id", "outdial_id", "outdial_target_id", "destination_index", "outplan_id"] {
        assert_eq!(told[name], listed[name], "{name}");
    }
    let target = format!(
        "/outdials/{}/targets/{}",
        told["outdial_id"].as_str().unwrap(),
        told["outdial_target_id"].as_str().unwrap()
    );
    let target = scene.app.vb_get(&target).await;
    assert_eq!(target["destination_0"]["target"], "+8613100000001");
    scene.finish().await;
}
