//! Promises that hold for every document, over 10,000 generated ones each way.

use dialbridge::mapping::engine::Outcome::{self, Approximated, Converted, Mapped};
use dialbridge::mapping::engine::path::{self, Step};
use dialbridge::mapping::table::{Holds, Kind, Table};
use dialbridge::platforms::{ConvertContext, PlatformKind};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::generate::{document, value};
use super::{CONFIGURED, Isales, NEUTRAL, Voipbin, json, other, try_translate};

/// Documents per kind and direction: 10,000 in all each way.
const CAMPAIGNS: u32 = 4000;
const CONTACTS: u32 = 3000;
const CALLS: u32 = 3000;
/// What decides which other members count; `traps.rs` follows those.
const SWITCHES: [&str; 2] = ["deviceType", "retryPolicy.policyType"];
/// Leaves of each document that are perturbed.
const PERTURBED: usize = 1;

fn check(kind: Kind, from: PlatformKind, cases: u32) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(seed in any::<u64>())| {
        let mut random = StdRng::seed_from_u64(seed);
        let account: &ConvertContext = if random.random_bool(0.5) { &NEUTRAL } else { &CONFIGURED };
        let table = account.tables.get(from.as_str(), kind);
        let source = document(table, &mut random);
        let case = Case { account, table, kind, from, source };
        case.every_leaf_once();
        case.there_and_back();
        for _ in 0..PERTURBED {
            case.perturb(&mut random);
        }
        case.edit(&mut random);
    });
}

#[test]
fn isales_campaigns() {
    check(Kind::Campaign, Isales, CAMPAIGNS);
}

#[test]
fn isales_contacts() {
    check(Kind::Contact, Isales, CONTACTS);
}

#[test]
fn isales_calls() {
    check(Kind::Call, Isales, CALLS);
}

#[test]
fn voipbin_campaigns() {
    check(Kind::Campaign, Voipbin, CAMPAIGNS);
}

#[test]
fn voipbin_contacts() {
    check(Kind::Contact, Voipbin, CONTACTS);
}

#[test]
fn voipbin_calls() {
    check(Kind::Call, Voipbin, CALLS);
}

#[test]
fn values_of_wrong_types_are_refused_and_never_quoted() {
    let wrong =
        ["true", "1.5", "\"13800138000x\"", "[]", "[1]", "{\"a\": 1}", "-13800138000138001380"];
    for from in PlatformKind::ALL {
        for kind in Kind::ALL {
            let table = NEUTRAL.tables.get(from.as_str(), kind);
            let mut random = StdRng::seed_from_u64(7);
            for _ in 0..20 {
                let source = document(table, &mut random);
                for leaf in path::leaves(&source) {
                    let mut document = source.clone();
                    let value = json(wrong[random.random_range(0..wrong.len())]);
                    path::set(&mut document, &leaf.steps, value);
                    if let Err(error) = try_translate(&NEUTRAL, kind, from, document) {
                        assert!(!error.to_string().contains("138001"), "{error}");
                    }
                }
            }
        }
    }
}

struct Case<'a> {
    account: &'a ConvertContext,
    table: &'a Table,
    kind: Kind,
    from: PlatformKind,
    source: Value,
}

/// A translation, reduced to what these tests look at.
struct Seen {
    value: Value,
    outcomes: Vec<(String, Outcome)>,
}

impl Case<'_> {
    fn see(&self, source: &Value) -> Seen {
        let t = try_translate(self.account, self.kind, self.from, source.clone())
            .unwrap_or_else(|error| panic!("{error}\n{source:#}"));
        let outcomes = t.fields.into_iter().map(|f| (f.field, f.outcome)).collect();
        Seen { value: t.value, outcomes }
    }

    /// Fields = leaves, counted by a walk of this test's own.
    fn every_leaf_once(&self) {
        let mut expected = Vec::new();
        walk(&self.source, String::new(), &mut expected);
        let found: Vec<String> = self.see(&self.source).outcomes.into_iter().map(|o| o.0).collect();
        assert_eq!(found, expected, "{:#}", self.source);
    }

    /// A → B → A restores A.
    fn there_and_back(&self) {
        let t = try_translate(self.account, self.kind, self.from, self.source.clone());
        let output = json(&t.expect("a translation").into_json().to_string());
        let back = try_translate(self.account, self.kind, other(self.from), output);
        let back = back.expect("the way back");
        assert_eq!(back.value.to_string(), self.source.to_string());
        assert_eq!(back.losses().count(), 0, "nothing was edited");
    }

    /// What is mapped or converted changes the output, and nothing else does.
    fn perturb(&self, random: &mut StdRng) {
        let before = self.see(&self.source);
        let leaves = path::leaves(&self.source);
        let at = random.random_range(0..leaves.len());
        let leaf = &leaves[at];
        let Some(row) = self.row(&leaf.steps) else { return };
        if SWITCHES.contains(&row.path.as_str()) {
            return;
        }
        if path::is_empty(leaf.value) || row.holds == Holds::Object {
            return;
        }
        let changed = |value: Value| {
            let mut document = self.source.clone();
            path::set(&mut document, &leaf.steps, value);
            document
        };
        let other_document = changed(value(self.table, row, random));
        if path::get(&other_document, &leaf.steps).map(canonical) == Some(canonical(leaf.value)) {
            return;
        }
        let after = self.see(&other_document);
        let ((field, was), (_, is)) = (&before.outcomes[at], &after.outcomes[at]);
        let context = || {
            let new = path::get(&other_document, &leaf.steps);
            format!("{field}: {was:?} → {is:?}: {} → {new:?}\n{:#}", leaf.value, self.source)
        };
        match (is_carried(*was), is_carried(*is)) {
            (true, true) => assert_ne!(before.value, after.value, "{}", context()),
            (false, false) if *was != Approximated && *is != Approximated => {
                assert_eq!(before.value, after.value, "{}", context());
            }
            _ => {}
        }
        if is_carried(*was) {
            self.comes_back(&before.value, &leaf.steps, leaf.value);
        }
        if *was == Approximated {
            self.next_neighbour(&before, at, leaf.value, &changed);
        }
    }

    /// What is mapped or converted comes back the same.
    fn comes_back(&self, translated: &Value, steps: &[Step], value: &Value) {
        let back = self.back(translated);
        // A list of numbers may come back as a text; `restore.rs` follows those.
        if let Some(found) = path::get(&back, steps).filter(|found| path::is_leaf(found)) {
            let (found, expected) = (canonical(found), canonical(value));
            let where_ = path::text(steps);
            if !where_.starts_with("destination_") {
                assert_eq!(found, expected, "{where_}\n{:#}", self.source);
            }
        }
    }

    /// What is approximated stands for all values that become the same.
    fn next_neighbour(
        &self,
        before: &Seen,
        at: usize,
        value: &Value,
        changed: &dyn Fn(Value) -> Value,
    ) {
        let steps = &path::leaves(&self.source)[at].steps.clone();
        let back = self.back(&before.value);
        if let Some(neighbour) = path::get(&back, steps)
            && !path::is_empty(neighbour)
        {
            let after = self.see(&changed(neighbour.clone()));
            assert_eq!(before.value, after.value, "{}\n{:#}", path::text(steps), self.source);
        }
        // And the next integer is approximated by the same, except where whole steps are too wide
        // (docs/decisions/0002-translation.md).
        let field = &before.outcomes[at].0;
        if let Some(number) = value.as_i64()
            && !field.ends_with("service_level")
            // The tries of all places decide together.
            && !field.contains("max_try_count_")
        {
            let after = self.see(&changed(json!(number + 1)));
            if after.outcomes[at].1 == Approximated {
                assert_eq!(before.value, after.value, "{field} {number}\n{:#}", self.source);
            }
        }
    }

    /// An edit of the translation that can be taken back is: translating again gives the edited one.
    fn edit(&self, random: &mut StdRng) {
        let t = try_translate(self.account, self.kind, self.from, self.source.clone());
        let mut output = t.expect("a translation").into_json();
        let value_before = output["value"].clone();
        let leaves = path::leaves(&value_before);
        let leaf = &leaves[random.random_range(0..leaves.len())];
        let table = self.account.tables.get(other(self.from).as_str(), self.kind);
        let Some(row) = row_of(table, &value_before, &leaf.steps) else { return };
        if path::is_empty(leaf.value) {
            return;
        }
        // A policy by number type stays as it is, whatever is edited beside it.
        let is_by_type = ["/retryPolicy/policyType", "/returnObject/retryPolicy/policyType"]
            .iter()
            .any(|at| self.source.pointer(at).is_some_and(|kind| canonical(kind) == "1"));
        if is_by_type && row.domain.as_deref().is_some_and(|path| path.starts_with("retry.")) {
            return;
        }
        path::set(&mut output["value"], &leaf.steps, value(table, row, random));
        let edited = output["value"].clone();
        if canonical(&edited) == canonical(&value_before) {
            return;
        }
        let back = try_translate(self.account, self.kind, other(self.from), output);
        let back = back.unwrap_or_else(|error| panic!("{error}\n{edited:#}"));
        let field = path::text(&leaf.steps);
        let outcome = back.fields.iter().find(|f| f.field == field).map(|f| f.outcome);
        if outcome.is_some_and(is_carried) {
            let again = self.see(&back.value).value;
            let found = path::get(&again, &leaf.steps).map(canonical);
            let expected = path::get(&edited, &leaf.steps).map(canonical);
            assert_eq!(found, expected, "{field}\n{edited:#}\n{:#}", back.value);
        } else if outcome == Some(Outcome::Preserved) {
            assert_eq!(back.value.to_string(), self.source.to_string(), "{field}");
        }
    }

    fn back(&self, translated: &Value) -> Value {
        try_translate(self.account, self.kind, other(self.from), translated.clone())
            .expect("the way back")
            .value
    }

    fn row(&self, steps: &[Step]) -> Option<&dialbridge::mapping::table::FieldRow> {
        row_of(self.table, &self.source, steps)
    }
}

fn row_of<'t>(
    table: &'t Table,
    document: &Value,
    steps: &[Step],
) -> Option<&'t dialbridge::mapping::table::FieldRow> {
    let (pattern, _) = path::pattern(steps);
    match &table.wrap {
        Some(wrap) if document.get(wrap).is_none() => table.field(&format!("{wrap}.{pattern}")),
        _ => table.field(&pattern),
    }
}

fn is_carried(outcome: Outcome) -> bool {
    matches!(outcome, Mapped | Converted)
}

/// Equal for values that mean the same to their platform: an integer as text, a timestamp in either
/// family, nothing in any spelling, a Chinese number with or without its country code.
fn canonical(value: &Value) -> String {
    match value {
        _ if path::is_empty(value) => String::new(),
        Value::String(text) if text.starts_with("20") && text.len() >= 19 => {
            text.replace('T', " ").trim_end_matches('Z').trim_end_matches(['0', '.']).to_owned()
        }
        Value::String(text) if text.starts_with("0086") => text[4..].to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn walk(node: &Value, at: String, found: &mut Vec<String>) {
    match node {
        Value::Object(members) if !members.is_empty() => {
            for (name, child) in members {
                let dot = if at.is_empty() { "" } else { "." };
                walk(child, format!("{at}{dot}{name}"), found);
            }
        }
        Value::Array(list) if list.iter().any(|e| e.is_object() || e.is_array()) => {
            for (index, child) in list.iter().enumerate() {
                walk(child, format!("{at}[{index}]"), found);
            }
        }
        _ => found.push(at),
    }
}
