//! The tables themselves: total over what the platforms have, and honest about mistakes.

use std::collections::BTreeSet;
use std::fs;

use dialbridge::cli::mappings;
use dialbridge::domain::call::Disposition;
use dialbridge::domain::campaign::CampaignStatus;
use dialbridge::mapping::check::TableSource;
use dialbridge::mapping::engine::Outcome;
use dialbridge::mapping::engine::path::{leaves, pattern};
use dialbridge::mapping::table::{Kind, Table, Tables};
use dialbridge::platforms::PlatformKind;
use serde_json::json;

use super::{Isales, NEUTRAL, Voipbin, fixture, translate};

const PLATFORMS: [&str; 2] = ["voipbin", "isales"];

fn tables() -> Tables {
    Tables::embedded().unwrap_or_else(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"))
    })
}

#[test]
fn every_row_has_a_note_and_every_kind_a_table() {
    let tables = tables();
    for platform in PLATFORMS {
        for kind in Kind::ALL {
            let table = tables.get(platform, kind);
            assert!(table.fields.len() > 10, "{platform} {}", kind.as_str());
            for row in &table.fields {
                assert!(row.note.len() > 5, "{platform} {}", row.path);
            }
            for code in table.sets.iter().flat_map(|set| &set.codes) {
                assert!(code.note.len() > 3, "{platform} {}", code.native);
            }
        }
    }
}

#[test]
fn every_member_of_the_wire_structs_has_a_row() {
    let tables = tables();
    for (platform, file) in [
        ("voipbin", include_str!("../../../src/platforms/voipbin/wire.rs")),
        ("isales", include_str!("../../../src/platforms/isales/wire.rs")),
    ] {
        let rows: BTreeSet<&str> = tables
            .iter()
            .filter(|table| table.platform == platform)
            .flat_map(|table| &table.fields)
            .filter_map(|row| row.path.rsplit(['.', ']']).next())
            .collect();
        for name in members(file, platform == "isales") {
            assert!(rows.contains(name.as_str()), "{platform}: no row for {name}");
        }
    }
}

/// Public members of the structs that stand for documents, as they are called on the wire.
fn members(source: &str, is_camel: bool) -> BTreeSet<String> {
    let skipped = ["Envelope", "Page<T>", "ErrorEnvelope", "ErrorBody"];
    let mut found = BTreeSet::new();
    for part in source.split("pub struct ").skip(1) {
        let (name, rest) = part.split_once(' ').expect("a struct");
        let body = rest.split("\n}").next().unwrap_or_default();
        if skipped.contains(&name) {
            continue;
        }
        for line in body.lines().filter_map(|line| line.trim().strip_prefix("pub ")) {
            let member = line.split(':').next().unwrap_or_default();
            let wire = match member {
                "extra" => continue,
                "kind" => "type".to_owned(),
                other if is_camel => camel(other),
                other => other.to_owned(),
            };
            found.insert(wire);
        }
    }
    found
}

fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| {
        let (head, tail) = part.split_at(1);
        name + &head.to_uppercase() + tail
    })
}

#[test]
fn every_leaf_of_the_samples_has_a_row() {
    for (kind, from, name) in [
        (Kind::Campaign, Isales, "isales/campaign-detail.lizhan_test.json"),
        (Kind::Campaign, Isales, "isales/campaign-create.v2.json"),
        (Kind::Contact, Isales, "isales/calldata-add.v2.json"),
        (Kind::Call, Isales, "isales/call-result.campaign-3.json"),
        (Kind::Call, Isales, "isales/call-result-callback.sample.json"),
        (Kind::Campaign, Voipbin, "voipbin/campaign-bundle.test-campaign.json"),
        (Kind::Contact, Voipbin, "voipbin/target.json"),
        (Kind::Call, Voipbin, "voipbin/campaigncall-call.busy.json"),
    ] {
        for field in translate(&NEUTRAL, kind, from, fixture(name)).fields {
            assert!(!field.reason.contains("unknown"), "{name}: {field:?}");
        }
    }
    let outplan = fixture("voipbin/outplan.json");
    for leaf in leaves(&outplan) {
        let path = format!("outplan.{}", pattern(&leaf.steps).0);
        let known = NEUTRAL.tables.get("voipbin", Kind::Campaign).field(&path).is_some();
        assert!(known, "{path}");
    }
}

#[test]
fn every_documented_code_has_a_row() {
    let tables = tables();
    let set = |platform: &str, kind, name: &str, codes: &[&str]| {
        let table: &Table = tables.get(platform, kind);
        let set = table.set(name).unwrap_or_else(|| panic!("no set {name}"));
        for code in codes {
            assert!(set.code(code).is_some(), "{platform} {name}: no {code}");
        }
        assert_eq!(set.codes.len(), codes.len(), "{platform} {name}");
    };
    // CC 6.1, all rows; the empty text is ours.
    set(
        "isales",
        Kind::Call,
        "fail_code",
        &[
            "00000", "0", "00531", "00537", "00538", "00548", "00549", "00551", "00601", "00603",
            "00604", "00701", "00702", "01040", "01043", "01046", "01049", "34601", "34605",
            "34606", "34608", "00602", "00605", "01048", "00606", "34611", "",
        ],
    );
    // VB 9.6, the complete set, and the spelling of the published text.
    set(
        "voipbin",
        Kind::Call,
        "hangup_reason",
        &[
            "",
            "normal",
            "failed",
            "busy",
            "cancel",
            "timeout",
            "noanswer",
            "no_answer",
            "dialout",
            "amd",
        ],
    );
    set("voipbin", Kind::Call, "status", &["dialing", "progressing", "done"]);
    set("voipbin", Kind::Call, "result", &["", "success", "fail"]);
    set("voipbin", Kind::Campaign, "status", &["run", "stop", "stopping"]);
    set("voipbin", Kind::Contact, "status", &["idle", "progressing", "done"]);
    set("isales", Kind::Campaign, "status", &["2", "3", "4"]);
    set("isales", Kind::Campaign, "device_type", &["1", "2", "3", "5", "6"]);
    set("isales", Kind::Campaign, "predict_method", &["1", "2", "3", "5"]);
    set("isales", Kind::Campaign, "util_rate_method", &["1", "2"]);
    set("isales", Kind::Campaign, "policy_type", &["0", "1"]);
    set("isales", Kind::Campaign, "call_type", &["0", "1"]);
    set("isales", Kind::Campaign, "choose_type", &["0", "1"]);
}

#[test]
fn the_domain_knows_every_term() {
    let tables = tables();
    for table in tables.iter() {
        for set in &table.sets {
            for term in set.codes.iter().filter_map(|code| code.term.as_deref()) {
                match set.terms.as_deref() {
                    Some("disposition") => {
                        assert!(Disposition::from_term(term).is_some(), "{term}");
                    }
                    Some("campaign_status") => {
                        let status = CampaignStatus::from_term(term);
                        assert!(!matches!(status, CampaignStatus::Unknown(_)), "{term}");
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Each member by which a document limits whom, when or how often, and which the other platform has no
/// word for, says that its loss widens. One is excused, with its reason.
#[test]
fn the_loss_of_a_rule_widens() {
    let limits =
        |domain: &str| ["retry.", "window.", "pacing."].iter().any(|r| domain.starts_with(r));
    for from in PlatformKind::ALL {
        let table = NEUTRAL.tables.get(from.as_str(), Kind::Campaign);
        let rules = table.fields.iter().filter(|row| row.domain.as_deref().is_some_and(limits));
        let mut seen = 0;
        for row in rules {
            seen += 1;
            let without = row.without.unwrap_or(row.outcome);
            // Without it one line per agent is dialled, and there is no rate for fewer.
            let is_excused = row.path.ends_with("offHookRate");
            assert!(
                !without.is_loss() || row.widens || is_excused,
                "{} {}",
                from.as_str(),
                row.path
            );
        }
        assert!(seen > 6, "{}", from.as_str());
        // A code that is lost by itself in such a row, too.
        for set in &table.sets {
            let lost = set.codes.iter().filter(|code| code.outcome.is_some_and(Outcome::is_loss));
            for code in lost.filter(|_| {
                ["policy_type", "call_type", "choose_type", "type"].contains(&&*set.name)
            }) {
                assert!(code.widens, "{} {} {}", from.as_str(), set.name, code.native);
            }
        }
    }
}

#[test]
fn a_row_that_can_be_lost_says_whether_that_widens() {
    let domain = TableSource { file: "domain.toml", text: "" };
    for (kind, expected) in [("campaign", true), ("contact", true), ("call", false)] {
        let text = format!(
            "platform = \"x\"\nkind = \"{kind}\"\n[[field]]\npath = \"d\"\nholds = \"text\"\n\
             outcome = \"dropped\"\nnote = \"n\"\n"
        );
        let table = TableSource { file: "x/table.toml", text: &text };
        let problems = Tables::from_sources(&domain, &[table], &[]).err().unwrap_or_default();
        let told = "x/table.toml:3: `d` does not say whether its loss lets more be called";
        let is_told = problems.iter().any(|problem| problem.to_string().contains(told));
        assert_eq!(is_told, expected, "{kind}: {problems:?}");
    }
}

#[test]
fn mistakes_are_reported_all_at_once_with_their_lines() {
    let domain = TableSource {
        file: "domain.toml",
        text: r#"
[[path]]
kind = "campaign"
path = "name"
note = "n"
[[terms]]
name = "campaign_status"
terms = ["running", "stopped"]
note = "n"
"#,
    };
    let table = TableSource {
        file: "x/campaign.toml",
        text: r#"platform = "x"
kind = "campaign"
[[set]]
name = "status"
terms = "campaign_status"
note = "n"
[[code]]
set = "status"
native = "1"
term = "running"
note = "n"
[[field]]
path = "a"
holds = "text"
outcome = "wonderful"
note = "n"
[[field]]
path = "b"
holds = "text"
domain = "nome"
outcome = "mapped"
without = "dropped"
note = "n"
[[field]]
path = "b"
holds = "text"
outcome = "mapped"
note = "n"
colour = "red"
[[field]]
path = "c"
holds = 7
outcome = "mapped"
"#,
    };
    let problems = Tables::from_sources(&domain, &[table], &[]).expect_err("mistakes");
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for expected in [
        "x/campaign.toml:3: `status` has no code for the term \"stopped\"",
        "x/campaign.toml:15: `outcome` is \"wonderful\"",
        "x/campaign.toml:17: the domain has no path `nome`",
        "x/campaign.toml:24: field `b` stands twice; expected once; line 17 has it",
        "x/campaign.toml:29: `colour` is not a member of this row",
        "x/campaign.toml:32: `holds` is of type integer; expected a text",
        "x/campaign.toml:30: `note` is missing",
    ] {
        assert!(texts.iter().any(|text| text.starts_with(expected)), "{expected}\n{texts:#?}");
    }
    let broken = TableSource { file: "y.toml", text: "platform = \n" };
    let problems = Tables::from_sources(&domain, &[broken], &[]).expect_err("mistakes");
    assert!(problems.iter().any(|p| p.file == "y.toml" && p.line == 1), "{problems:?}");
}

#[test]
fn an_overlay_changes_what_happens() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("isales/campaign.toml");
    fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    fs::write(
        &file,
        r#"platform = "isales"
kind = "campaign"
[[code]]
set = "status"
native = "7"
term = "running"
read_only = true
note = "Drafts run here."
[[field]]
path = "maxAlertingTime"
default = 33
"#,
    )
    .expect("an overlay");
    let mut account = NEUTRAL.clone();
    let before = translate(&account, Kind::Campaign, Isales, json!({"name": "x", "status": 7}));
    assert_eq!(before.value["campaign"]["status"], "stop");
    let overlaid = Tables::with_overlay(directory.path()).expect("no mistakes");
    assert_ne!(overlaid.version(), account.tables.version());
    account.tables = overlaid.into();
    let after = translate(&account, Kind::Campaign, Isales, json!({"name": "x", "status": 7}));
    assert_eq!(after.value["campaign"]["status"], "run");
    let back = translate(&account, Kind::Campaign, Voipbin, json!({"name": "x"}));
    assert_eq!(back.value["maxAlertingTime"], 33);

    fs::write(&file, "platform = \"isales\"\nkind = \"campaign\"\n[[field]]\npath = \"nmae\"\n")
        .expect("an overlay");
    let problems = Tables::with_overlay(directory.path()).expect_err("mistakes");
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].line, 3);
    assert!(problems[0].problem.contains("nmae"));
}

#[test]
fn the_page_of_mappings_is_current() {
    let tables = tables();
    let page = mappings::page(&tables.iter().collect::<Vec<&Table>>());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mapping.md");
    let committed = fs::read_to_string(path).unwrap_or_default();
    let hint = "run: cargo run -- mappings show --markdown > docs/mapping.md";
    assert!(committed.trim_end() == page.trim_end(), "{hint}");
}
