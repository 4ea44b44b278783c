//! The rules of the fuzz targets, with fixtures that were cut, doubled and spoiled. The fuzzer itself
//! (`make fuzz`) needs a nightly compiler; this runs everywhere.

#[path = "../../fuzz/rules.rs"]
mod rules;

use std::fs;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const CASES: u32 = 1500;

/// A piece that replaces another, where, and how much of what stands there.
#[derive(Debug, Clone)]
struct Spoil {
    at: usize,
    takes: usize,
    with: Vec<u8>,
}

fn spoil() -> impl Strategy<Value = Spoil> {
    let pieces = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..8),
        prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\\",
            "null",
            "true",
            "-1",
            "1e999",
            "0.5",
            "18446744073709551616",
            "\\u0000",
            "\u{202e}",
            "é",
            "[[[[",
            "/",
            "sha256=",
            "\n",
            "=",
            "[[code]]",
            "013100000001",
        ])
        .prop_map(|piece| piece.as_bytes().to_vec()),
    ];
    (any::<u16>(), 0..40_usize, pieces).prop_map(|(at, takes, with)| Spoil {
        at: usize::from(at),
        takes,
        with,
    })
}

fn spoiled(mut bytes: Vec<u8>, spoils: Vec<Spoil>) -> Vec<u8> {
    for Spoil { at, takes, with } in spoils {
        let at = at % (bytes.len() + 1);
        let end = (at + takes).min(bytes.len());
        bytes.splice(at..end, with);
    }
    bytes
}

/// Holds a rule against spoiled samples.
fn hold(samples: Vec<Vec<u8>>, rule: fn(&[u8])) {
    let mut runner =
        TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(CASES) });
    for sample in &samples {
        rule(sample);
    }
    let strategy = (prop::sample::select(samples), prop::collection::vec(spoil(), 0..6));
    let outcome = runner.run(&strategy, |(sample, spoils)| {
        rule(&spoiled(sample, spoils));
        Ok(())
    });
    outcome.unwrap();
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn what_is_pushed_to_an_isales_account() {
    let wrapped = [
        b"{\"callResultList\":".to_vec(),
        fixture("isales/callback.campaign-3.json"),
        b"}".to_vec(),
    ];
    let samples = vec![
        fixture("isales/callback.campaign-3.json"),
        fixture("isales/call-result-callback.sample.json"),
        wrapped.concat(),
    ];
    hold(samples, rules::isales_callback);
}

#[test]
fn what_is_pushed_to_a_voipbin_account() {
    let event = |kind: &str, data: &str| {
        let data = String::from_utf8(fixture(data)).unwrap();
        format!("{{\"type\":\"{kind}\",\"data\":{data}}}").into_bytes()
    };
    let samples = vec![
        event("campaigncall_updated", "voipbin/campaigncall-get.head.json"),
        event("campaigncall_created", "voipbin/campaigncall-get.seed.json"),
        event("campaign_updated", "voipbin/campaign-get.head.json"),
        event("campaign_deleted", "voipbin/campaign-get.seed.json"),
        event("call_hangup", "voipbin/campaigncall-call.busy.json"),
    ];
    hold(samples, rules::voipbin_callback);
}

#[test]
fn who_calls_without_a_key() {
    let digits = "0123456789abcdef".repeat(4);
    let samples = [
        format!("auth-v2/AKEXAMPLE000001/2024-01-02T03:04:05.678Z/host/{digits}"),
        format!("auth-v2/AK/2024-01-02T03:04:05Z/content-length;content-type;host/{digits}"),
        format!("sha256={digits}"),
        format!("1-{}", &digits[..40]),
        format!("1.11.146-{}", &digits[..40]),
    ];
    hold(samples.map(String::into_bytes).to_vec(), rules::authorization);
}

#[test]
fn tables_that_an_operator_has_written() {
    let table =
        |name: &str| fs::read(format!("{}/mappings/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let overlay = b"[[code]]\nset = \"fail_code\"\nnative = \"00538\"\nterm = \"busy\"\n".to_vec();
    hold(vec![overlay, table("isales/contact.toml")], rules::tables);
}
