//! What a translation says does not widen, does not: nobody who may not be called by the source may be
//! called by what it became, no number more often or sooner, and no line more is dialled. Both documents are
//! read here by what their platforms make of them (references 9 of VoIPBin, 3.5 of CC-iSales), not by the
//! program's own conversions.

use std::collections::BTreeSet;

use dialbridge::clock::Clock;
use dialbridge::mapping::engine::path;
use dialbridge::mapping::table::Kind;
use dialbridge::platforms::{ConvertContext, PlatformKind};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::generate::document;
use super::{CONFIGURED, Isales, NEUTRAL, Voipbin, fixture, outcome, reason, translate};

const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// What a campaign document allows at most.
#[derive(Debug)]
struct Allowed {
    /// It dials now.
    runs: bool,
    /// Tries of the number in each place; None: nothing is said of it.
    tries: [Option<i64>; 5],
    interval_ms: i64,
    /// Lines dialled at once per free agent, in percent; None: nothing paces them.
    pace: Option<i64>,
}

fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn of_isales(document: &Value) -> Allowed {
    let retry = &document["retryPolicy"];
    let days = integer(&retry["retryDay"]).unwrap_or(1);
    let tries = integer(&retry["retryTimes"]).map(|times| times * days);
    let is_by_agents = matches!(integer(&document["deviceType"]), Some(2 | 5 | 6));
    let skill = &document["skillParam"];
    let rate = integer(&skill["predictParam"]["offhookPredictParam"]["offHookRate"]);
    // 100 / rate lines reach one person. Other predictions have a line per agent at least.
    let lines = rate.filter(|rate| *rate > 0).map_or(100, |rate| (10_000 / rate).max(100));
    Allowed {
        runs: integer(&document["status"]) == Some(2),
        tries: [tries; 5],
        interval_ms: integer(&retry["callInterval"]).unwrap_or(0) * 1000,
        pace: is_by_agents.then_some(lines),
    }
}

fn of_voipbin(bundle: &Value) -> Allowed {
    let (campaign, outplan) = (&bundle["campaign"], &bundle["outplan"]);
    // What is missing is 0 (reference 3.2).
    let number = |value: &Value| value.as_i64().unwrap_or(0);
    let calls = campaign["type"] == "call" && outplan.is_object();
    let slots = [0, 1, 2, 3, 4].map(|slot| number(&outplan[format!("max_try_count_{slot}")]));
    let queue = campaign["queue_id"].as_str().unwrap_or_default();
    let has_queue = !queue.is_empty() && queue != NIL;
    Allowed {
        runs: calls && campaign["status"] == "run",
        tries: slots.map(|tries| Some(if calls { tries.max(0) } else { 0 })),
        interval_ms: number(&outplan["try_interval"]),
        pace: has_queue.then(|| number(&campaign["service_level"]).max(0)),
    }
}

/// The document without what widens, so that only what is said not to is left of its losses.
fn narrowed(account: &ConvertContext, kind: Kind, from: PlatformKind, mut source: Value) -> Value {
    for _ in 0..40 {
        let t = translate(account, kind, from, source.clone());
        let lost: Vec<String> = t.widening().map(|field| field.field.clone()).collect();
        if lost.is_empty() {
            return source;
        }
        for field in lost {
            match &*field {
                "campaign.type" => source["campaign"]["type"] = json!("call"),
                "campaign.service_level" => source["campaign"]["service_level"] = json!(100),
                "campaign.outplan_id" | "outplan.max_try_count_0" => {
                    source["outplan"]["max_try_count_0"] = json!(1);
                }
                "skillParam.skillId" => source["skillParam"]["skillId"] = json!(5),
                "deviceType" => source["deviceType"] = json!(2),
                _ => without(&mut source, &field),
            }
        }
    }
    panic!("it widens without end: {source:#}")
}

fn without(document: &mut Value, field: &str) {
    // A list of policies is understood or lost as a whole.
    if let Some((list, _)) = field.strip_prefix("retryPolicy.").and_then(|at| at.split_once('[')) {
        document["retryPolicy"][list] = Value::Null;
        return;
    }
    let leaves = path::leaves(document);
    let leaf = leaves.iter().find(|leaf| path::text(&leaf.steps) == field);
    match leaf.map(|leaf| leaf.steps.clone()) {
        Some(steps) => assert!(path::set(document, &steps, Value::Null), "{field}"),
        // Half a period: the other half is left out.
        None => document["scheduleParam"] = Value::Null,
    }
}

fn check(from: PlatformKind, hold: fn(&Value, &Value)) {
    let config = ProptestConfig { cases: 1500, failure_persistence: None, ..Default::default() };
    proptest!(config, |(seed in any::<u64>())| {
        let mut random = StdRng::seed_from_u64(seed);
        // Without bindings, agents are nobody's to pace, and that widens.
        let account: &ConvertContext = if from == Voipbin && random.random_bool(0.5) {
            &NEUTRAL
        } else {
            &CONFIGURED
        };
        let table = account.tables.get(from.as_str(), Kind::Campaign);
        let source = narrowed(account, Kind::Campaign, from, document(table, &mut random));
        let target = translate(account, Kind::Campaign, from, source.clone()).value;
        hold(&source, &target);
    });
}

#[test]
fn isales_campaigns_do_not_widen() {
    check(Isales, |source, target| {
        let context = || format!("{source:#}\n{target:#}");
        let (may, does) = (of_isales(source), of_voipbin(target));
        assert!(may.runs || !does.runs, "{}", context());
        for (may, does) in may.tries.iter().zip(does.tries) {
            assert!(does <= Some(may.unwrap_or(1)), "{}", context());
        }
        assert!(does.interval_ms >= may.interval_ms, "{}", context());
        if let Some(lines) = may.pace {
            assert!(does.pace.is_some_and(|pace| pace <= lines), "{}", context());
        }
        // VoIPBin knows no hours: there are none left, or the whole day.
        let schedule = source["scheduleParam"].as_object();
        let hours = schedule.into_iter().flatten().filter(|(_, at)| !path::is_empty(at));
        assert_eq!(hours.count(), 0, "{}", context());
    });
}

#[test]
fn voipbin_campaigns_do_not_widen() {
    check(Voipbin, |source, target| {
        let context = || format!("{source:#}\n{target:#}");
        let (may, does) = (of_voipbin(source), of_isales(target));
        assert!(may.runs || !does.runs, "{}", context());
        // A number in a place without tries is not handed over.
        for may in may.tries.iter().filter(|tries| **tries != Some(0)) {
            assert!(does.tries[0].is_some_and(|does| Some(does) <= *may), "{}", context());
        }
        assert!(does.interval_ms >= may.interval_ms, "{}", context());
        if let (Some(may), true) = (may.pace, target["skillParam"].is_object()) {
            assert!(does.pace.is_some_and(|does| does <= may), "{}", context());
        }
    });
}

#[test]
fn contacts_do_not_widen() {
    let numbers = |document: &Value| -> BTreeSet<String> {
        let of = |leaf: &path::Leaf<'_>| {
            let name = path::text(&leaf.steps);
            let is_number =
                name.starts_with("called") && !name.ends_with("Time") && !name.ends_with("type")
                    || name.starts_with("destination_") && name.ends_with(".target");
            let digits: Vec<char> =
                leaf.value.as_str()?.chars().filter(char::is_ascii_digit).collect();
            is_number.then(|| digits[digits.len().saturating_sub(11)..].iter().collect())
        };
        path::leaves(document).iter().filter_map(of).collect()
    };
    for from in PlatformKind::ALL {
        let mut random = StdRng::seed_from_u64(11);
        let table = CONFIGURED.tables.get(from.as_str(), Kind::Contact);
        for _ in 0..1500 {
            let source = document(table, &mut random);
            let source = narrowed(&CONFIGURED, Kind::Contact, from, source);
            let target = translate(&CONFIGURED, Kind::Contact, from, source.clone()).value;
            assert!(numbers(&target).is_subset(&numbers(&source)), "{source:#}\n{target:#}");
            for item in source["called"].as_array().into_iter().flatten() {
                let is_called = numbers(&json!({ "called": [item] })).is_subset(&numbers(&target));
                let delay =
                    integer(&item["delayTime"]).filter(|_| !path::is_empty(&item["calledNo"]));
                assert!(!is_called || matches!(delay, None | Some(0)), "{source:#}");
            }
            let leaves = path::leaves(&source);
            for leaf in leaves.iter().filter(|leaf| !path::is_empty(leaf.value)) {
                let name = path::text(&leaf.steps);
                if name.starts_with("try_count_") {
                    assert_eq!(*leaf.value, json!(0), "{source:#}");
                }
                if name == "status" {
                    assert_eq!(*leaf.value, json!("idle"), "{source:#}");
                }
            }
        }
    }
}

/// Started, and past its end (reference 16 of CC-iSales).
#[test]
fn a_campaign_past_its_end_does_not_read_as_running() {
    let detail = fixture("isales/campaign-detail.lizhan_test.json");
    assert_eq!(detail["returnObject"]["status"], 2);
    for (now, status) in [
        ("2018-12-01T23:59:59Z", "run"),
        ("2018-12-02T00:00:00Z", "stop"),
        ("2026-11-30T00:00:00Z", "stop"),
    ] {
        let clock = Clock::virtual_at(now.parse().unwrap(), 1);
        let account = ConvertContext { clock, ..NEUTRAL.clone() };
        let t = translate(&account, Kind::Campaign, Isales, detail.clone());
        assert_eq!(t.value["campaign"]["status"], status, "{now}");
        let widens = t.widening().any(|field| field.field == "returnObject.status");
        assert_eq!(widens, status == "stop", "run there, it would call again");
    }
}

/// Rules that differ by what stands beside them.
#[test]
fn what_decides_is_what_the_platform_goes_by() {
    // A stale skillParam beside an IVR, and the tries of a policy that does not count.
    let t = translate(
        &CONFIGURED,
        Kind::Campaign,
        Isales,
        json!({"name": "x", "deviceType": 3,
        "ivrParam": {"deviceSign": "900"}, "skillParam": {"skillId": 5, "predictParam": {"predictMethod": 5,
        "offhookPredictParam": {"offHookRate": 50}}}}),
    );
    assert_eq!(t.value["campaign"]["queue_id"], NIL);
    assert_eq!(t.value["campaign"]["actions"][0]["type"], "fetch_flow");
    let t = translate(
        &CONFIGURED,
        Kind::Campaign,
        Isales,
        json!({"name": "x",
        "retryPolicy": {"policyType": 1, "retryTimes": 9}}),
    );
    assert_eq!(t.value["outplan"]["max_try_count_0"], 1, "and not 9");
    assert!(t.widening().any(|field| field.field == "retryPolicy.policyType"));
    // The fewest tries of the places that may be called, whichever place that is.
    let plan = |tries: [i64; 5]| {
        let outplan = json!({"max_try_count_0": tries[0], "max_try_count_1": tries[1],
            "max_try_count_2": tries[2], "max_try_count_3": tries[3], "max_try_count_4": tries[4]});
        let campaign = json!({"name": "x", "type": "call", "service_level": 100});
        let bundle = json!({"campaign": campaign, "outplan": outplan});
        translate(&CONFIGURED, Kind::Campaign, Voipbin, bundle)
    };
    for (tries, expected) in [([3, 2, 0, 0, 0], 2), ([0, 0, 4, 0, 1], 1), ([2; 5], 2)] {
        let t = plan(tries);
        assert_eq!(t.value["retryPolicy"]["retryTimes"], expected, "{tries:?}");
        assert_eq!(t.widening().count(), 0, "{tries:?}");
    }
    let t = plan([0; 5]);
    assert!(outcome(&t, "outplan.max_try_count_0").is_loss());
    assert!(reason(&t, "outplan.max_try_count_0").contains("no number may be called"));
    assert!(t.widening().any(|field| field.field == "outplan.max_try_count_0"));
}
