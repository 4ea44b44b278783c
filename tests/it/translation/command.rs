//! The commands: output, exit codes, one line for what is wrong.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::{fixture, json};

fn run(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dialbridge"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    // A program that refuses its arguments does not read its input.
    child.stdin.take().expect("stdin").write_all(input.as_bytes()).ok();
    child.wait_with_output().expect("an end")
}

fn stdout(output: &Output) -> Value {
    json(std::str::from_utf8(&output.stdout).expect("UTF-8"))
}

const TO_VOIPBIN: [&str; 6] = ["translate", "campaign", "--from", "isales", "--to", "voipbin"];
const TO_ISALES: [&str; 6] = ["translate", "campaign", "--from", "voipbin", "--to", "isales"];

#[test]
fn there_and_back() {
    let file = "fixtures/isales/campaign-detail.lizhan_test.json";
    let forward = run(&[&TO_VOIPBIN[..], &[file, "--json"]].concat(), "");
    assert_eq!(forward.status.code(), Some(0));
    assert!(forward.stderr.is_empty());
    let text = String::from_utf8(forward.stdout).expect("UTF-8");
    assert_eq!(text.lines().count(), 1);
    let names: Vec<String> = json(&text).as_object().expect("object").keys().cloned().collect();
    assert_eq!(names, ["value", "fields", "losses", "preserved"]);

    let back = run(&[&TO_ISALES[..], &["-"]].concat(), &text);
    assert_eq!(back.status.code(), Some(0));
    assert_eq!(stdout(&back)["value"], fixture("isales/campaign-detail.lizhan_test.json"));
}

#[test]
fn losses_fail_on_request() {
    let lossy = r#"{"name": "x", "priority": 1}"#;
    let output = run(&[&TO_VOIPBIN[..], &["--fail-on-loss"]].concat(), lossy);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(stdout(&output)["losses"][0]["field"], "priority");
    assert!(String::from_utf8_lossy(&output.stderr).contains("priority"));
    let clean = run(&[&TO_VOIPBIN[..], &["--fail-on-loss"]].concat(), r#"{"name": "x"}"#);
    assert_eq!(clean.status.code(), Some(0));
}

#[test]
fn a_loss_that_widens_fails_on_request() {
    let rounds = r#"{"name": "x", "callPolicy": {"callType": 1}}"#;
    let strict = [&TO_VOIPBIN[..], &["--fail-on-widening", "--fail-on-loss"]].concat();
    let output = run(&strict, rounds);
    assert_eq!(output.status.code(), Some(4), "the graver one");
    let losses = stdout(&output)["losses"].clone();
    assert_eq!(
        (&losses[0]["field"], &losses[0]["widens"]),
        (&json("\"callPolicy.callType\""), &json("true"))
    );
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("dropped, widens callPolicy.callType"), "{told}");
    assert!(told.contains("1 of them widen"), "{told}");
    // A loss that does not is none to it.
    let narrow = r#"{"name": "x", "priority": 1}"#;
    assert_eq!(run(&strict, narrow).status.code(), Some(3));
    let output = run(&[&TO_VOIPBIN[..], &["--fail-on-widening"]].concat(), narrow);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output)["losses"][0]["widens"], false);
    assert_eq!(run(&TO_VOIPBIN, rounds).status.code(), Some(0));
    // What is left out limits as well: without an outplan VoIPBin calls nobody.
    let alone = r#"{"name": "x", "type": "call", "service_level": 100}"#;
    let output = run(&[&TO_ISALES[..], &["--fail-on-widening"]].concat(), alone);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(stdout(&output)["losses"][0]["field"], "campaign.outplan_id");
}

#[test]
fn a_region_makes_national_numbers_readable() {
    let input = r#"{"name": "x", "callerNo": "13800138000"}"#;
    let output = run(&[&TO_VOIPBIN[..], &["--number-region", "CN"]].concat(), input);
    assert_eq!(stdout(&output)["value"]["outplan"]["source"]["target"], "+8613800138000");
    let output = run(&[&TO_VOIPBIN[..], &["--number-region", "Atlantis"]].concat(), input);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn wrong_input_is_one_line_and_exit_2() {
    let deep = "[".repeat(100_000);
    let number =
        r#"{"name": "x", "callerNo": {"a": "13800138000"}, "maxAlertingTime": "13800138000x"}"#;
    for (input, expected) in [
        ("", "not JSON"),
        ("{", "not JSON"),
        (deep.as_str(), "not JSON"),
        ("{}", "no member of the campaign document of isales"),
        (r#"{"resultCode": "0200007"}"#, "no member of the campaign document of isales"),
        (number, "maxAlertingTime: expected an integer"),
    ] {
        let output = run(&TO_VOIPBIN, input);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains(expected), "{input:.40}: {error}");
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(!error.contains("13800138000"), "{error}");
    }
    let same = ["translate", "campaign", "--from", "isales", "--to", "isales"];
    assert_eq!(run(&same, r#"{"name": "x"}"#).status.code(), Some(2));
    let missing = run(&[&TO_VOIPBIN[..], &["/nonexistent.json"]].concat(), "");
    assert_eq!(missing.status.code(), Some(2));
    assert_eq!(run(&["translate", "galaxy"], "").status.code(), Some(2));
}

#[test]
fn mappings_are_checked_and_shown() {
    let output = run(&["mappings", "check"], "");
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("isales campaign:"));
    let output = run(&["mappings", "show", "--platform", "isales", "--kind", "call", "--json"], "");
    assert_eq!(stdout(&output)[0]["kind"], "call");
    let output = run(&["mappings", "check", "--mappings", "/nonexistent"], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not a directory"));
}
