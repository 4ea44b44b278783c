//! The demo, with the real binary: what a newcomer sees first must hold together.

use std::collections::HashSet;
use std::process::{Command, Output};

use serde_json::Value;

fn demo(flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dialbridge"))
        .args(["demo", "--once"])
        .args(flags)
        .env_remove("RUST_LOG")
        .output()
        .unwrap()
}

#[test]
fn the_summary_as_json() {
    let output = demo(&["--json"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let members: Vec<&String> = summary.as_object().unwrap().keys().collect();
    assert_eq!(members, ["campaigns", "attempts", "ok"]);
    assert_eq!(summary["ok"], true);
    assert!(summary["attempts"].as_u64().unwrap() > 0, "calls happened");

    let campaigns = summary["campaigns"].as_array().unwrap();
    let mut homes = HashSet::new();
    let mut ids = HashSet::new();
    for campaign in campaigns {
        assert!(campaign["uuid"].as_str().unwrap().parse::<uuid::Uuid>().is_ok());
        let pair =
            (campaign["vdn_id"].as_u64().unwrap(), campaign["campaign_id"].as_u64().unwrap());
        assert!(ids.insert(pair), "{pair:?} names two campaigns");
        assert!(ids.len() <= campaigns.len());
        homes.insert(campaign["home"].as_str().unwrap());
        assert!(!campaign["losses"].as_array().unwrap().is_empty());
        let (voipbin, isales) = (&campaign["status_voipbin"], &campaign["status_isales"]);
        let agree = (voipbin == "run" && isales == 2) || (voipbin == "stop" && isales == 3);
        assert!(agree, "the facades disagree: {campaign}");
    }
    assert_eq!(homes.len(), 2, "campaigns run on both platforms");
    // One of each home was started, and only through the other platform's API.
    for home in homes {
        let started = |c: &&Value| c["home"] == home && c["status_voipbin"] == "run";
        assert_eq!(campaigns.iter().filter(started).count(), 1, "{home}");
    }
}

#[test]
fn the_story_as_text() {
    let output = demo(&[]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    for expected in ["lizhan_test", "test campaign", "vdnId 11", "vdnId 9001", "dropped"] {
        assert!(said.contains(expected), "{expected:?} is missing in\n{said}");
    }
}
