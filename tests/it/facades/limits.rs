//! Values that limit whom, when or how often: refused by name at every door, kept or stopped where a
//! campaign runs, and never lost.

use std::time::Duration;

use dialbridge::config::Config;
use dialbridge::platforms::isales::convert::rules;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::facades::isales_life::{bound, document};
use crate::facades::voipbin_draft::on_isales;
use crate::support::{TestApp, VDN, VIRTUAL_VDN, until};

/// Members of a CC-iSales campaign that limit calls, each with values that it does not allow.
pub fn malformed() -> Vec<(&'static str, Value)> {
    let times = ["9:00", " 09:00", "09:00:00", "24:00", "09:60", "nine:00"];
    let mut found = Vec::new();
    for name in ["workdayBeginTime1", "holidayBeginTime2"] {
        let end = name.replace("Begin", "End");
        for time in times {
            let mut schedule = json!({"workdayBeginTime1": "08:00", "workdayEndTime1": "18:00"});
            schedule[name] = json!(time);
            schedule[&end] = json!("18:00");
            found.push((name, json!({"scheduleParam": schedule})));
        }
        // Half a period, one over midnight, and something that is no text.
        for wrong in
            [json!({name: "09:00"}), json!({name: "22:00", end: "06:00"}), json!({name: [9]})]
        {
            found.push((&name[..7], json!({"scheduleParam": wrong})));
        }
    }
    for name in ["strBeginTime", "strEndTime"] {
        for time in [
            "2099-01-01",
            "2099-1-1 00:00:00",
            "2099-01-01T00:00:00",
            "soon",
            "2099-13-01 00:00:00",
        ] {
            found.push((name, json!({name: time})));
        }
    }
    for time in [json!(-1), json!(4), json!(999), json!(9.5), json!("x"), json!({})] {
        found.push(("maxAlertingTime", json!({"maxAlertingTime": time})));
    }
    for name in ["retryTimes", "retryDay", "callInterval"] {
        for count in [json!(-1), json!(1.5), json!("x"), json!([])] {
            found.push((name, json!({"retryPolicy": {"policyType": 0, name: count}})));
        }
    }
    found.push(("policyType", json!({"retryPolicy": {"policyType": 7}})));
    for policy in [
        "x",
        "{}",
        "[1]",
        "[{'type':0,'policy':{'retryTimes':'x'}}]",
        "[{'type':0,'policy':{'retryTimes':-1}}]",
        "[{'type':3}]",
    ] {
        found.push(("policyJson", json!({"retryPolicy": {"policyType": 1, "policyJson": policy}})));
    }
    found.push((
        "resultRetry",
        json!({"retryPolicy": {"policyType": 0, "resultRetry": "[{'retryNumber':-2}]"}}),
    ));
    found.push((
        "busiPolicy",
        json!({"retryPolicy": {"policyType": 0, "busiPolicy": "[{'busiResultPolicy':9}]"}}),
    ));
    found.push(("noRetryPolicy", json!({"retryPolicy": {"policyType": 0, "noRetryPolicy": [1]}})));
    found
}

/// Refused at a door and understood in a document: a bare date stands for its first second, as in older
/// answers, and a time to ring is brought into its range, which lets nobody be called more.
pub fn is_understood_in_documents(change: &Value) -> bool {
    let is_bare_date = |name| change[name] == "2099-01-01";
    is_bare_date("strBeginTime") || is_bare_date("strEndTime") || change["maxAlertingTime"].is_i64()
}

fn with(mut document: Value, change: &Value) -> Value {
    for (name, value) in change.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

/// The document as V1 has it, without what only V2 has.
fn as_v1(mut document: Value) -> Value {
    let members = document.as_object_mut().unwrap();
    for name in ["retryPolicy", "callPolicy", "priority"] {
        members.remove(name);
    }
    members.insert("callerNo".to_owned(), json!("02061000000"));
    document
}

#[actix_web::test]
async fn what_is_malformed_is_refused_by_name_and_changes_nothing() {
    let app = TestApp::simulators(bound).await.serve().await;
    let doors = |version: &str| format!("{version}/openapi/campaigns/{VIRTUAL_VDN}");
    let made = app.cc_ok("POST", &doors("v2"), Some(document(&app, "whole"))).await;
    let number = made["returnObject"]["id"].as_i64().unwrap();
    let detail = format!("{}/{number}", doors("v1"));
    let before = app.cc_ok("GET", &detail, None).await;
    for (name, change) in malformed() {
        let mut bodies = vec![("v2", with(document(&app, "odd"), &change))];
        if change.get("retryPolicy").is_none() {
            bodies.push(("v1", as_v1(with(document(&app, "odd"), &change))));
        }
        for (version, body) in bodies {
            for (method, path) in
                [("POST", doors(version)), ("PUT", format!("{}/{number}", doors(version)))]
            {
                let reply = app.cc(method, &path, Some(body.clone())).await;
                assert!(
                    reply.code() != "0200000" && reply.text.contains(name),
                    "{method} {path} {name} {change}: {}",
                    reply.text
                );
            }
        }
    }
    // An older modify may leave times out, but not take them away.
    for name in ["strBeginTime", "strEndTime"] {
        let body = as_v1(with(document(&app, "odd"), &json!({name: ""})));
        let reply = app.cc("PUT", &format!("{}/{number}", doors("v1")), Some(body)).await;
        assert!(reply.code() != "0200000" && reply.text.contains(name), "{}", reply.text);
    }
    assert_eq!(app.cc_ok("GET", &detail, None).await, before);
    assert_eq!(app.voipbin.journal.contacts().len(), 0);
    app.finish().await;
}

#[actix_web::test]
async fn a_limit_below_zero_is_refused_by_name_where_another_platform_is_to_keep_it() {
    let app = TestApp::simulators(on_isales).await.serve().await;
    let plan = json!({"name": "p", "detail": "d", "source": {}, "dial_timeout": 30_000,
        "try_interval": 60_000, "max_try_count_0": 1, "max_try_count_1": 0, "max_try_count_2": 0,
        "max_try_count_3": 0, "max_try_count_4": 0});
    let made = app.vb("POST", "/outplans", Some(plan.clone())).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let dial_info = format!("/outplans/{}/dial_info", made.json()["id"].as_str().unwrap());
    for name in ["dial_timeout", "try_interval", "max_try_count_0", "max_try_count_4"] {
        let odd = with(plan.clone(), &json!({name: -1}));
        for (method, path) in [("POST", "/outplans"), ("PUT", &*dial_info)] {
            let reply = app.vb(method, path, Some(odd.clone())).await;
            assert_eq!((reply.status, reply.text.contains(name)), (400, true), "{}", reply.text);
        }
        for other in [json!(1.5), json!("1"), json!(1e300), json!([])] {
            let odd = with(plan.clone(), &json!({name: other}));
            let reply = app.vb("POST", "/outplans", Some(odd)).await;
            assert_eq!((reply.status, reply.text.contains(name)), (400, true), "{}", reply.text);
        }
    }
    let campaign = json!({"name": "c", "detail": "", "type": "call", "service_level": -1,
        "end_handle": "continue", "actions": []});
    let reply = app.vb("POST", "/campaigns", Some(campaign)).await;
    assert_eq!((reply.status, reply.text.contains("service_level")), (400, true), "{}", reply.text);
    app.finish().await;
}

fn office(app: &TestApp, name: &str) -> Value {
    let hours = json!({"workdayBeginTime1": "09:00", "workdayEndTime1": "18:00"});
    with(document(app, name), &json!({"scheduleParam": hours}))
}

/// Begins as it may call all day; then its client wants hours that nobody would keep.
#[actix_web::test]
async fn a_running_campaign_is_not_changed_to_rules_that_nobody_keeps() {
    let app = TestApp::simulators(bound).await.serve().await;
    let path =
        |version: &str, rest: &str| format!("{version}/openapi/campaigns/{VIRTUAL_VDN}{rest}");
    let made = app.cc_ok("POST", &path("v2", ""), Some(document(&app, "day"))).await;
    let at = format!("/{}", made["returnObject"]["id"]);
    app.cc_ok("PUT", &path("v1", &format!("{at}/resume")), None).await;
    let before = app.cc_ok("GET", &path("v1", &at), None).await;
    for (version, body) in [("v1", as_v1(office(&app, "day"))), ("v2", office(&app, "day"))] {
        let refused = app.cc("PUT", &path(version, &at), Some(body)).await;
        assert_eq!(refused.code(), "0200011", "{}", refused.text);
        assert!(refused.text.contains("hours"), "{}", refused.text);
    }
    assert_eq!(app.cc_ok("GET", &path("v1", &at), None).await, before);
    // Paused, it may have them, and does not start again.
    app.cc_ok("PUT", &path("v1", &format!("{at}/pause")), None).await;
    until(async || app.cc_ok("GET", &path("v1", &at), None).await["returnObject"]["status"] == 3)
        .await;
    app.cc_ok("PUT", &path("v2", &at), Some(office(&app, "day"))).await;
    let refused = app.cc("PUT", &path("v1", &format!("{at}/resume")), None).await;
    assert_eq!(refused.code(), "0200011", "{}", refused.text);
    app.finish().await;
}

/// A home that keeps hours itself takes them at any time.
#[actix_web::test]
async fn a_home_that_keeps_hours_takes_them_while_the_campaign_runs() {
    let app = TestApp::simulators(bound).await.serve().await;
    let path = |rest: &str| format!("v2/openapi/campaigns/{VDN}{rest}");
    let made = app.cc_ok("POST", &path(""), Some(document(&app, "day"))).await;
    let at = format!("/{}", made["returnObject"]["id"]);
    app.cc_ok("PUT", &format!("v1/openapi/campaigns/{VDN}{at}/resume"), None).await;
    let mut hours = office(&app, "day");
    hours.as_object_mut().unwrap().remove("initStatus");
    app.cc_ok("PUT", &path(&at), Some(hours)).await;
    app.finish().await;
}

/// Started at the platform itself, against hours that only the gateway knows.
#[actix_web::test]
async fn a_campaign_found_dialling_against_its_hours_is_stopped() {
    let app = TestApp::simulators(bound).await.serve().await;
    let path = format!("v2/openapi/campaigns/{VIRTUAL_VDN}");
    app.cc_ok("POST", &path, Some(office(&app, "office"))).await;
    let uuid = app.uuid_of("office").await;
    let status = format!("/campaigns/{uuid}/status");
    app.on_voipbin("PUT", &status, Some(json!({"status": "run"}))).await;
    // Seen here, if not by a push or a discovery before.
    app.vb_get(&format!("/campaigns/{uuid}")).await;
    let history = format!("/campaigns/{uuid}/history");
    until(async || app.api(&history).await.to_string().contains("found dialling, but")).await;
    until(async || app.vb_get(&format!("/campaigns/{uuid}")).await["status"] == "stop").await;
    app.finish().await;
}

/// Somebody else has the turn for some seconds: the stop is sent at once, and what waits writes nothing.
#[actix_web::test]
async fn a_job_that_waits_for_its_turn_writes_nothing_meanwhile() {
    let app = TestApp::simulators(bound).await.serve().await;
    let create = format!("v2/openapi/campaigns/{VIRTUAL_VDN}");
    app.cc_ok("POST", &create, Some(ending_soon(&app, "ends"))).await;
    let uuid = app.uuid_of("ends").await;
    let status = format!("/campaigns/{uuid}/status");
    app.on_voipbin("PUT", &status, Some(json!({"status": "run"}))).await;
    app.vb_get(&format!("/campaigns/{uuid}")).await;
    let until_us = (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(7)).as_microsecond();
    let ledger = rusqlite::Connection::open(app.ledger()).unwrap();
    let hold = "UPDATE campaign_state SET steered_by = ?1, steered_until = ?2";
    ledger.execute(hold, (&[7_u8; 16][..], until_us)).unwrap();
    it_comes_to_its_end(&app, &uuid).await;
    let of = "FROM job j WHERE j.kind = 'campaign.end'";
    let count = |sql: String| -> i64 { ledger.query_row(&sql, (), |row| row.get(0)).unwrap() };
    until(async || count(format!("SELECT COUNT(*) {of} AND j.state = 'done'")) == 1).await;
    let stops =
        count(format!("SELECT COUNT(*) FROM job_step s WHERE s.job_id IN (SELECT j.id {of})"));
    assert_eq!(stops, 2, "one at once and one in its turn");
    let told = app.api(&format!("/campaigns/{uuid}/history")).await.to_string();
    let told = told.matches("its end has come").count();
    assert!((1..=2).contains(&told), "the wish, and what came of it: {told}");
    app.finish().await;
}

/// Found dialling while what was stated of it cannot be read: it is looked at again until that succeeds.
#[actix_web::test]
async fn a_look_at_the_rules_that_failed_is_repeated() {
    let change = |config: &mut Config| {
        bound(config);
        config.discovery_interval = Duration::from_millis(50);
    };
    let app = TestApp::simulators(change).await.serve().await;
    let path = format!("v2/openapi/campaigns/{VIRTUAL_VDN}");
    app.cc_ok("POST", &path, Some(office(&app, "office"))).await;
    let uuid = app.uuid_of("office").await;
    let file = rusqlite::Connection::open(app.ledger()).unwrap();
    file.busy_timeout(Duration::from_secs(60)).unwrap();
    file.execute_batch("ALTER TABLE object RENAME TO out_of_reach").unwrap();
    let status = format!("/campaigns/{uuid}/status");
    app.on_voipbin("PUT", &status, Some(json!({"status": "run"}))).await;
    let read = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    until(async || read("SELECT COUNT(*) FROM campaign_state WHERE actual = 'running'") == 1).await;
    // The listing that found it has ended when there were two more.
    for _ in 0..2 {
        let ends = "SELECT listed_at FROM account_reading WHERE account_id = \
                    (SELECT id FROM account WHERE slug = 'vb')";
        let before = read(ends);
        until(async || read(ends) > before).await;
    }
    assert_eq!(read("SELECT COUNT(*) FROM job WHERE kind = 'campaign.unkept_rule'"), 0);
    file.execute_batch("ALTER TABLE out_of_reach RENAME TO object").unwrap();
    let history = format!("/campaigns/{uuid}/history");
    until(async || app.api(&history).await.to_string().contains("found dialling, but")).await;
    until(async || app.vb_get(&format!("/campaigns/{uuid}")).await["status"] == "stop").await;
    app.finish().await;
}

fn ending_soon(app: &TestApp, name: &str) -> Value {
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(3);
    let end = json!({"strEndTime": soon.strftime("%Y-%m-%d %H:%M:%S").to_string()});
    let mut document = with(document(app, name), &end);
    document.as_object_mut().unwrap().remove("initStatus");
    document
}

async fn it_comes_to_its_end(app: &TestApp, uuid: &str) {
    let history = format!("/campaigns/{uuid}/history");
    until(async || app.api(&history).await.to_string().contains("its end has come")).await;
    until(async || app.vb_get(&format!("/campaigns/{uuid}")).await["status"] == "stop").await;
}

/// VoIPBin knows no end; the gateway waits for one already when its client wants an earlier one.
#[actix_web::test]
async fn an_earlier_end_holds_for_what_dials_already() {
    let app = TestApp::simulators(bound).await.serve().await;
    let path =
        |version: &str, rest: &str| format!("{version}/openapi/campaigns/{VIRTUAL_VDN}{rest}");
    let made = app.cc_ok("POST", &path("v2", ""), Some(document(&app, "ends"))).await;
    let at = format!("/{}", made["returnObject"]["id"]);
    app.cc_ok("PUT", &path("v1", &format!("{at}/resume")), None).await;
    app.cc_ok("PUT", &path("v2", &at), Some(ending_soon(&app, "ends"))).await;
    it_comes_to_its_end(&app, &app.uuid_of("ends").await).await;
    app.finish().await;
}

#[actix_web::test]
async fn an_end_is_kept_of_what_was_started_at_the_platform_itself() {
    let app = TestApp::simulators(bound).await.serve().await;
    let create = format!("v2/openapi/campaigns/{VIRTUAL_VDN}");
    app.cc_ok("POST", &create, Some(ending_soon(&app, "ends"))).await;
    let uuid = app.uuid_of("ends").await;
    let status = format!("/campaigns/{uuid}/status");
    app.on_voipbin("PUT", &status, Some(json!({"status": "run"}))).await;
    app.vb_get(&format!("/campaigns/{uuid}")).await;
    it_comes_to_its_end(&app, &uuid).await;
    app.finish().await;
}

/// What is kept beside a campaign was taken by an older program, or was damaged.
#[actix_web::test]
async fn a_kept_document_that_is_malformed_keeps_its_campaign_still() {
    let app = TestApp::simulators(bound).await.serve().await;
    let path = |rest: &str| format!("v1/openapi/campaigns/{VIRTUAL_VDN}{rest}");
    let create = format!("v2/openapi/campaigns/{VIRTUAL_VDN}");
    let made = app.cc_ok("POST", &create, Some(document(&app, "kept"))).await;
    let resume = path(&format!("/{}/resume", made["returnObject"]["id"]));
    let uuid = app.uuid_of("kept").await;
    let mut app = app.stopped().await;
    let whole = document(&app, "kept");
    let mut odd: Vec<String> = malformed()
        .into_iter()
        .filter(|(_, change)| !is_understood_in_documents(change))
        .map(|(_, change)| with(whole.clone(), &change).to_string())
        .step_by(7)
        .collect();
    for hours in [json!({}), json!({"workdayBeginTime1": "", "workdayEndTime1": ""})] {
        odd.push(with(whole.clone(), &json!({"scheduleParam": hours})).to_string());
    }
    odd.extend([String::new(), "[]".to_owned(), "null".to_owned()]);
    for document in odd {
        let ledger = rusqlite::Connection::open(app.ledger()).unwrap();
        let sql = "UPDATE object SET document = ?1 WHERE name = 'kept'";
        assert_ne!(ledger.execute(sql, [&document]).unwrap(), 0);
        drop(ledger);
        app = app.serve().await;
        let refused = app.cc("PUT", &resume, None).await;
        assert_eq!(refused.code(), "0200011", "{document}: {}", refused.text);
        let campaign = app.on_voipbin("GET", &format!("/campaigns/{uuid}"), None).await;
        assert_eq!(campaign["status"], "stop", "{document}");
        app = app.stopped().await;
    }
    app.finish().await;
}

proptest! {
    /// Only the vendor's own spellings of nothing are nothing.
    #[test]
    fn no_text_is_read_as_no_rule(text in "[0-9: T.-]{0,20}|\\PC{0,12}") {
        let said = !text.is_empty();
        let moment = rules::moment(Some(&text));
        prop_assert_eq!(matches!(moment, Ok(None)), !said);
        let names = ["begin", "end"];
        let alone = rules::period(names, [Some(&text), None]);
        prop_assert_eq!(alone.is_ok(), !said);
        let both = rules::period(names, [Some(&text), Some("23:59")]);
        prop_assert!(!matches!(both, Ok(None)));
        let json = serde_json::Value::from(text.clone());
        let policies = rules::number_policies(Some(&json));
        prop_assert!(!said || policies.is_err() || text.trim_start().starts_with('['));
    }
}
