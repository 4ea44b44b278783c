//! A platform's own document with a limit that nobody understands: it is a rule of its own kind, it is
//! told by its member's name, and it comes back as it was written.

use dialbridge::mapping::engine::Outcome::Dropped;
use dialbridge::mapping::table::Kind;
use dialbridge::platforms::documents::DomainDocument;
use dialbridge::platforms::{self, PlatformKind};
use serde_json::{Value, json};

use super::{Isales, NEUTRAL, QUEUE, Voipbin, other, try_translate};
use crate::facades::limits::{is_understood_in_documents, malformed};

const NOT_STARTED: &str = "campaign is not started";

/// The rules of a document that its reader does not understand.
fn unreadable(platform: PlatformKind, document: &Value) -> Vec<&'static str> {
    let read = platforms::document_to_domain(platform, Kind::Campaign, document, &NEUTRAL);
    let DomainDocument::Campaign(definition, _) = read.expect("a document").value else {
        panic!("it is no campaign: {document}");
    };
    definition.unreadable().map(|(rule, _)| rule).collect()
}

fn is_told(platform: PlatformKind, member: &str, document: &Value) {
    let translated = match try_translate(&NEUTRAL, Kind::Campaign, platform, document.clone()) {
        // Something of another type than the page says is no such document.
        Err(error) => {
            let said = error.to_string();
            assert!(said.contains(member), "{member}: {said}");
            return;
        }
        Ok(translated) => translated,
    };
    assert!(!unreadable(platform, document).is_empty(), "{member} is read as no rule: {document}");
    let told = translated.fields.iter().find(|field| {
        field.field.contains(member)
            && field.outcome == Dropped
            && field.reason.contains(NOT_STARTED)
    });
    assert!(told.is_some(), "{member} {document}: {:#?}", translated.fields);
    let back = try_translate(&NEUTRAL, Kind::Campaign, other(platform), translated.into_json());
    assert_eq!(back.expect("the way back").value, *document, "{member}");
}

#[test]
fn each_malformed_member_is_told_and_kept() {
    let not_understood = |(_, change): &(_, Value)| !is_understood_in_documents(change);
    for (member, change) in malformed().into_iter().filter(not_understood) {
        let mut document = json!({"name": "odd", "description": "d", "deviceType": 2});
        document.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        is_told(Isales, member, &document);
    }
    let outplan = json!({"dial_timeout": 30_000, "try_interval": 60_000, "max_try_count_0": 2,
        "max_try_count_1": 2, "max_try_count_2": 2, "max_try_count_3": 2, "max_try_count_4": 2});
    for member in ["dial_timeout", "try_interval", "max_try_count_0"] {
        let mut odd = outplan.clone();
        odd[member] = json!(-1);
        let document = json!({"campaign": {"name": "odd", "type": "call"}, "outplan": odd});
        is_told(Voipbin, member, &document);
    }
    // A further number is dialled while its tries are fewer: below 0 is as good as 0.
    let [below, never] = [-1, 0].map(|tries| {
        let mut outplan = outplan.clone();
        outplan["max_try_count_4"] = json!(tries);
        let document = json!({"campaign": {"name": "odd", "type": "call"}, "outplan": outplan});
        try_translate(&NEUTRAL, Kind::Campaign, Voipbin, document).expect("a translation").value
    });
    assert_eq!(below, never);
    let document = json!({"campaign": {"name": "odd", "type": "call", "service_level": -1,
            "queue_id": QUEUE},
        "outplan": outplan});
    is_told(Voipbin, "service_level", &document);
    assert!(unreadable(Voipbin, &json!({"campaign": {"name": "whole"}})).is_empty());
}
