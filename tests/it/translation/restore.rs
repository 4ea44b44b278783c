//! The way back: an unedited translation restores its source exactly, edits are merged into it.

use dialbridge::mapping::engine::Outcome::{Dropped, Preserved};
use dialbridge::mapping::table::Kind;
use dialbridge::platforms::PlatformKind;
use dialbridge::platforms::translation::TranslateError;
use serde_json::{Value, json};

use super::{Isales, NEUTRAL, Voipbin, fixture, json, other, outcome, translate, try_translate};

fn forward(kind: Kind, from: PlatformKind, source: &Value) -> Value {
    translate(&NEUTRAL, kind, from, source.clone()).into_json()
}

fn back(kind: Kind, from: PlatformKind, output: Value) -> Value {
    translate(&NEUTRAL, kind, other(from), output).value
}

#[test]
fn unedited_outputs_restore_their_source() {
    for (kind, from, name) in [
        (Kind::Campaign, Isales, "isales/campaign-detail.lizhan_test.json"),
        (Kind::Campaign, Isales, "isales/campaign-create.v2.json"),
        (Kind::Contact, Isales, "isales/calldata-add.v2.json"),
        (Kind::Call, Isales, "isales/call-result.campaign-3.json"),
        (Kind::Call, Isales, "isales/call-result-callback.sample.json"),
        (Kind::Campaign, Voipbin, "voipbin/campaign.test-campaign.json"),
        (Kind::Campaign, Voipbin, "voipbin/campaign-bundle.test-campaign.json"),
        (Kind::Contact, Voipbin, "voipbin/target.json"),
        (Kind::Call, Voipbin, "voipbin/campaigncall.json"),
        (Kind::Call, Voipbin, "voipbin/campaigncall-call.busy.json"),
    ] {
        let source = fixture(name);
        let output = json(&forward(kind, from, &source).to_string());
        assert_eq!(back(kind, from, output).to_string(), source.to_string(), "{name}");
    }
}

#[test]
fn an_edit_changes_its_leaf_and_nothing_else() {
    let source = fixture("isales/campaign-detail.lizhan_test.json");
    let mut output = forward(Kind::Campaign, Isales, &source);
    output["value"]["campaign"]["name"] = "renamed".into();
    output["value"]["outplan"]["dial_timeout"] = 25_000.into();
    let mut expected = source;
    expected["returnObject"]["name"] = "renamed".into();
    expected["returnObject"]["maxAlertingTime"] = 25.into();
    assert_eq!(back(Kind::Campaign, Isales, output), expected);
}

#[test]
fn an_edit_finds_its_place_in_another_shape() {
    // The list stays a list, its priorities and second number stay.
    let source = json!({"name": "x", "callerNo": [
        {"accessCode": "008613800138000", "priority": 3},
        {"accessCode": "0015559876543", "priority": 4},
    ]});
    let mut output = forward(Kind::Campaign, Isales, &source);
    output["value"]["outplan"]["source"]["target"] = "+821021656521".into();
    let mut expected = source;
    expected["callerNo"][0]["accessCode"] = "00821021656521".into();
    assert_eq!(back(Kind::Campaign, Isales, output), expected);

    let source = json!({"sessionId": "s", "called": "008613800138000", "caller": "1"});
    let mut output = forward(Kind::Contact, Isales, &source);
    output["value"]["destination_0"]["target"] = "+821021656521".into();
    let restored = back(Kind::Contact, Isales, output.clone());
    assert_eq!(restored, json!({"sessionId": "s", "called": "00821021656521", "caller": "1"}));
    // Two numbers do not fit a text: the smallest thing around it gives way.
    output["value"]["destination_1"] = json!({"type": "tel", "target": "+15559876543"});
    let restored = back(Kind::Contact, Isales, output);
    assert_eq!(restored["called"][1]["calledNo"], "0015559876543");
    assert_eq!(restored["caller"], "1");
}

#[test]
fn removed_and_added_parts() {
    let source = json!({"sessionId": "s", "called": [
        {"calledNo": "008613800138000", "type": "SI"}, {"calledNo": "0015559876543", "type": "X"},
    ]});
    let mut output = forward(Kind::Contact, Isales, &source);
    output["value"]["destination_1"] = Value::Null;
    let mut expected = source;
    expected["called"].as_array_mut().expect("a list").pop();
    assert_eq!(back(Kind::Contact, Isales, output), expected);

    // A campaign alone gets the part that was edited beside it.
    let source = fixture("voipbin/campaign.test-campaign.json");
    let mut output = forward(Kind::Campaign, Voipbin, &source);
    output["value"]["maxAlertingTime"] = 25.into();
    let restored = back(Kind::Campaign, Voipbin, output);
    assert_eq!(restored["campaign"], source);
    assert_eq!(restored["outplan"]["dial_timeout"], 25_000);
}

#[test]
fn an_edit_that_cannot_be_taken_back_is_reported() {
    let source = json!({"name": "x", "status": 2});
    let mut output = forward(Kind::Campaign, Isales, &source);
    output["value"]["campaign"]["end_handle"] = "stop".into();
    let t = translate(&NEUTRAL, Kind::Campaign, Voipbin, output);
    assert_eq!(outcome(&t, "campaign.end_handle"), Dropped);
    assert_eq!(outcome(&t, "campaign.name"), Preserved);
    assert_eq!(t.losses().count(), 1);
    assert_eq!(t.value, source);
}

#[test]
fn an_edit_that_says_what_was_the_default_is_written() {
    let source = json!({"name": "x", "maxAlertingTime": null});
    let mut output = forward(Kind::Campaign, Isales, &source);
    output["value"]["outplan"]["dial_timeout"] = 60_000.into();
    assert_eq!(back(Kind::Campaign, Isales, output)["maxAlertingTime"], 60);
}

#[test]
fn an_edit_of_one_row_leaves_the_others_alone() {
    let source = fixture("isales/call-result-callback.sample.json");
    let mut output = forward(Kind::Call, Isales, &source);
    output["value"][1]["tm_create"] = "2020-08-30T21:00:00Z".into();
    let mut expected = source;
    expected[1]["callTimeStr"] = "2020-08-30 21:00:00".into();
    assert_eq!(back(Kind::Call, Isales, output), expected);
}

#[test]
fn an_edit_finds_its_number_behind_a_gap() {
    let source = json!({"sessionId": "s", "called": [
        {"calledNo": "60584", "type": "SI"}, {"calledNo": "008613800138000"},
        {"calledNo": "0015559876543"},
    ]});
    let mut output = forward(Kind::Contact, Isales, &source);
    output["value"]["destination_1"]["target"] = "+821021656521".into();
    let mut expected = source.clone();
    expected["called"][1]["calledNo"] = "00821021656521".into();
    assert_eq!(back(Kind::Contact, Isales, output), expected);

    // Filling the gap renews the list: nothing is called in the place of something else.
    let mut output = forward(Kind::Contact, Isales, &source);
    output["value"]["destination_0"] = json!({"type": "tel", "target": "+821021656521"});
    let called = &back(Kind::Contact, Isales, output)["called"];
    let numbers: Vec<&str> = (0..3).filter_map(|n| called[n]["calledNo"].as_str()).collect();
    assert_eq!(numbers, ["00821021656521", "008613800138000", "0015559876543"]);
}

#[test]
fn lists_must_keep_their_length() {
    let source = fixture("isales/call-result.campaign-3.json");
    let mut output = forward(Kind::Call, Isales, &source);
    output["value"].as_array_mut().expect("a list").pop();
    let error = try_translate(&NEUTRAL, Kind::Call, Voipbin, output).expect_err("refused");
    assert_eq!(error, TranslateError::OtherCount { edited: 1, source_has: 2 });
}
