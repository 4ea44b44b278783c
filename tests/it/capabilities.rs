//! `dialbridge capabilities`: what routing does, as data.

use std::process::Command;

use dialbridge::http::{isales_api, voipbin_api};
use dialbridge::platforms::Operation;

fn capabilities(format: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_dialbridge"))
        .args(["capabilities", format])
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_page_is_current() {
    let page = std::fs::read_to_string("docs/capabilities.md").unwrap();
    assert_eq!(capabilities("--markdown"), page, "stale: run `make docs`");
}

/// Every operation and every endpoint has a route for each facade over each home, and what is
/// refused says why.
#[test]
fn every_operation_is_accounted_for() {
    let all: serde_json::Value = serde_json::from_str(&capabilities("--json")).unwrap();
    let operations = all["operations"].as_array().unwrap();
    assert_eq!(operations.len(), Operation::all().count() * 2 * 2);
    let endpoints = all["endpoints"].as_array().unwrap();
    let offered = voipbin_api::ENDPOINTS.len() + isales_api::ENDPOINTS.len();
    assert_eq!(endpoints.len(), offered * 2);
    for row in operations.iter().chain(endpoints) {
        let refused = row["route"] == "unsupported";
        assert_eq!(refused, row["reason"].is_string(), "{row}");
        if row["route"] == "native" {
            assert_eq!(row["facade"], row["home"], "{row}");
        }
    }
}
