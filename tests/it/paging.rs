//! Long lists: 5,000 campaigns and 100,000 campaigncalls over three accounts, many of one time, while
//! more are added. Every row is met once, newest first, and only the end is an empty page.

use std::collections::HashSet;

use dialbridge::domain::ids::{
    AccountSlug, CampaignKey, CampaignNumber, NativeId, PublicPair, VdnId,
};
use dialbridge::domain::listing::AttemptWindow;
use dialbridge::ledger::Ledger;
use dialbridge::ledger::attempts::{AttemptRow, AttemptScope, SeenAttempt};
use dialbridge::ledger::directory::DirectoryEntry;
use dialbridge::ledger::identity::{PairSource, Sighting};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Caller, OTHER_VIRTUAL_VDN, TestApp, VDN, VIRTUAL_VDN, until};

/// Campaigns of each account, and the campaigncalls of one of them.
const ROWS: [(&str, u32, u32); 3] =
    [("vb", 2_000, 50_000), ("vb-other", 1_500, 30_000), ("cc", 1_500, 20_000)];
const CAMPAIGNS: usize = 5_000;
const CALLS: usize = 100_000;
/// Rows of the same instant.
const AT_ONCE: u32 = 20;
const CHUNK: usize = 1_000;

/// What the platforms really sent, to be multiplied.
struct Samples {
    campaign: DirectoryEntry,
    call: AttemptRow,
}

fn slug(name: &str) -> AccountSlug {
    AccountSlug::new(name).unwrap()
}

fn id_of(kind: &str, account: usize, n: u32) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{kind} {account} {n}").as_bytes())
}

fn moment(n: u32) -> Timestamp {
    let beginning: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    beginning + i64::from(n / AT_ONCE).seconds()
}

/// A campaign on either home that has called somebody, and a ledger that knows it.
async fn sampled() -> (TestApp, [Samples; 2]) {
    let app = TestApp::simulators(|config| {
        config.clients[0].accounts.push(slug("vb-other"));
        config.clients[1].accounts.push(slug("vb-other"));
        config.clients[0].create_on = Some(slug("cc"));
    })
    .await;
    app.voipbin_campaign("on voipbin").await;
    app.isales_campaign("on isales").await;
    let app = app.serve().await;
    let mut ids = Vec::new();
    for name in ["on voipbin", "on isales"] {
        let row = app.row_of(name).await;
        let target = json!({"name": "n", "detail": "d", "data": "x",
            "destination_0": {"type": "tel", "target": "+8613100000001"}});
        let targets = format!("/outdials/{}/targets", row["outdial_id"].as_str().unwrap());
        assert_eq!(app.vb("POST", &targets, Some(target)).await.status, 200);
        let path = format!("/campaigns/{}", row["id"].as_str().unwrap());
        let run = Some(json!({"status": "run"}));
        assert_eq!(app.vb("PUT", &format!("{path}/status"), run).await.status, 200);
        let calls = format!("{path}/campaigncalls");
        until(async || app.vb_get(&calls).await["result"][0]["status"] == "done").await;
        ids.push(Uuid::try_parse(row["id"].as_str().unwrap()).unwrap());
    }
    let app = app.stopped().await;
    let ledger = Ledger::open_sqlite(&app.ledger()).unwrap();
    let mut samples = Vec::new();
    for id in ids {
        let newest = AttemptWindow { before: None, limit: 1, include_deleted: true };
        let calls = ledger.list_attempts(AttemptScope::Campaign(id), newest).await.unwrap();
        samples.push(Samples {
            campaign: ledger.find_entry(id).await.unwrap().unwrap(),
            call: calls.into_iter().next().unwrap(),
        });
    }
    drop(ledger);
    let samples: Result<[Samples; 2], _> = samples.try_into();
    (app, samples.unwrap_or_else(|_| panic!("two samples")))
}

/// The sample as another campaign of the account.
fn campaign(sample: &DirectoryEntry, account: usize, n: u32) -> Sighting {
    let mut snapshot = sample.snapshot.clone();
    snapshot.name = format!("campaign {account} {n}");
    snapshot.created_at = Some(moment(n));
    let mut document: Value = serde_json::from_str(&snapshot.document).unwrap();
    document["name"] = json!(snapshot.name);
    let uuid = id_of("campaign", account, n);
    let (native, pair) = if ROWS[account].0 == "cc" {
        let number = CampaignNumber::new(i64::from(n) + 100_000).unwrap();
        document["id"] = json!(number.get());
        let vdn = VdnId::new(VDN).unwrap();
        let native = format!("{VDN}/{}", number.get());
        (native, PairSource::Given(PublicPair { vdn, number }))
    } else {
        document["id"] = json!(uuid);
        let vdn = if account == 0 { VIRTUAL_VDN } else { OTHER_VIRTUAL_VDN };
        (uuid.to_string(), PairSource::Assigned(VdnId::new(vdn).unwrap()))
    };
    snapshot.document = document.to_string();
    Sighting {
        native: NativeId::new(native),
        proposed_uuid: uuid,
        pair,
        is_known_by_name: false,
        snapshot,
    }
}

/// The sample as another call of the campaign.
fn call(sample: &AttemptRow, account: usize, n: u32) -> SeenAttempt {
    let uuid = id_of("call", account, n);
    let mut attempt = sample.attempt.clone();
    attempt.dialed_at = Some(moment(n));
    let mut raw: Value = serde_json::from_str(&sample.raw).unwrap();
    if raw.get("id").is_some() {
        raw["id"] = json!(uuid);
        raw["tm_create"] = json!(moment(n).to_string());
    }
    let native = NativeId::new(format!("{uuid}"));
    let (raw, call, contact) = (raw.to_string(), None, None);
    SeenAttempt { proposed_uuid: uuid, native, attempt, raw, call, contact }
}

async fn fill(app: &TestApp, samples: &[Samples; 2]) {
    let ledger = Ledger::open_sqlite(&app.ledger()).unwrap();
    for (account, (name, campaigns, calls)) in ROWS.into_iter().enumerate() {
        let sample = &samples[usize::from(name == "cc")];
        let sightings: Vec<Sighting> =
            (0..campaigns).map(|n| campaign(&sample.campaign, account, n)).collect();
        let first = sightings[0].proposed_uuid;
        for chunk in sightings.chunks(CHUNK) {
            let seen = ledger.sight_campaigns(slug(name), chunk.to_vec(), moment(0)).await;
            assert_eq!(seen.unwrap().len(), chunk.len());
        }
        let known = ledger.find_campaign(CampaignKey::Uuid(first)).await.unwrap();
        assert!(known.is_some(), "{name} keeps the UUIDs that are proposed");
        let seen: Vec<SeenAttempt> = (0..calls).map(|n| call(&sample.call, account, n)).collect();
        for chunk in seen.chunks(CHUNK) {
            ledger.record_attempts(slug(name), first, chunk.to_vec(), moment(0)).await.unwrap();
        }
    }
}

/// Reads a list to its end, `between` every two pages; ids and times in the order in which they came.
async fn pages(
    app: &TestApp,
    caller: Caller,
    list: &str,
    mut between: impl AsyncFnMut(usize),
) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let (mut token, mut page) = (String::new(), 0);
    loop {
        let path = format!("{list}?page_size=100&page_token={}", token.replace(' ', "%20"));
        let reply = app.vb_as(caller, "GET", &path, None).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        let reply = reply.json();
        let found = reply["result"].as_array().unwrap();
        let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
        rows.extend(found.iter().map(|row| (text(row, "id"), text(row, "tm_create"))));
        reply["next_page_token"].as_str().unwrap().clone_into(&mut token);
        if found.is_empty() {
            assert_eq!(token, "", "the end has no token");
            return rows;
        }
        assert_ne!(token, "", "page {page} is not the end");
        page += 1;
        between(page).await;
    }
}

/// Every row of before is there once, and what came meanwhile at most once.
fn check(rows: &[(String, String)], expected: &HashSet<String>) {
    let met: HashSet<&String> = rows.iter().map(|(id, _)| id).collect();
    assert_eq!(met.len(), rows.len(), "a row came twice");
    let missing = expected.iter().filter(|id| !met.contains(id)).count();
    assert_eq!(missing, 0, "of {}", expected.len());
}

#[tokio::test]
async fn long_lists_are_read_to_the_end() {
    let (app, samples) = sampled().await;
    fill(&app, &samples).await;
    let app = app.cut_off().serve().await;
    let expected: HashSet<String> = (0..3)
        .flat_map(|account| {
            (0..ROWS[account].1).map(move |n| id_of("campaign", account, n).to_string())
        })
        .collect();
    assert_eq!(expected.len(), CAMPAIGNS);
    for caller in [Caller::Both, Caller::Seed] {
        let rows = pages(&app, caller, "/campaigns", async |page| {
            if page % 5 == 0 {
                let body = json!({"name": format!("meanwhile {page}")});
                assert_eq!(app.vb("POST", "/campaigns", Some(body)).await.status, 200);
            }
        })
        .await;
        check(&rows, &expected);
    }
    let expected: HashSet<String> = (0..3)
        .flat_map(|account| {
            (0..ROWS[account].2).map(move |n| id_of("call", account, n).to_string())
        })
        .collect();
    assert_eq!(expected.len(), CALLS);
    let rows = pages(&app, Caller::Both, "/campaigncalls", async |_| ()).await;
    check(&rows, &expected);
    assert!(rows.is_sorted_by_key(|(_, at)| -second(at)), "newest first");

    // The other facade counts its pages.
    let mut numbers = HashSet::new();
    for page in 1.. {
        let path = format!(
            "v1/openapi/campaigns/{VDN}?status=0&deviceType=0&curPage={page}&rowsPerPage=100"
        );
        let found = app.cc_ok("GET", &path, None).await;
        let rows = found["data"].as_array().unwrap();
        if rows.is_empty() {
            break;
        }
        for row in rows {
            assert!(numbers.insert(row["id"].as_i64().unwrap()), "{}", row["id"]);
        }
    }
    assert!((0..i64::from(ROWS[2].1)).all(|n| numbers.contains(&(n + 100_000))));
    app.finish().await;
}

/// Rows of one second keep an order of their own: platforms tell times as exactly as they like.
fn second(time: &str) -> i64 {
    time.parse::<Timestamp>().unwrap().as_second()
}
