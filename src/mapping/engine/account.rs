//! What became of every leaf of a document.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde_json::Value;

use crate::mapping::engine::path::{self, Leaf, Step};
use crate::mapping::engine::{Finding, Outcome, Place};
use crate::mapping::table::{Code, CodeSet, FieldRow, Holds, Precision, Table};

/// A document in an answer, and what its conversion found out.
#[derive(Debug, Clone, Default)]
pub struct Item {
    /// Where it is; empty when it is the answer itself.
    pub at: Vec<Step>,
    pub findings: Vec<Finding>,
}

/// What became of one leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldOutcome {
    /// Its path in the document that was given.
    pub field: String,
    pub outcome: Outcome,
    pub reason: String,
    /// It is lost, and more people, numbers, hours or tries may be called than it allows.
    pub widens: bool,
}

impl fmt::Display for FieldOutcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.field, self.reason)
    }
}

/// A verdict in the making.
struct Verdict {
    outcome: Outcome,
    reason: Cow<'static, str>,
    widens: bool,
}

/// A value that the table says cannot be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub field: String,
    pub expected: &'static str,
}

/// Where documents are in an answer: the answer itself, an element of a bare list, or what the table
/// names as envelope. Empty when the envelope holds none.
pub fn items(document: &Value, table: &Table) -> Vec<Vec<Step>> {
    let elements = |steps: &[Step], list: &[Value]| {
        let at = |index| [steps, &[Step::Element(index)]].concat();
        (0..list.len()).map(at).collect()
    };
    if let Value::Array(list) = document {
        return elements(&[], list);
    }
    for envelope in &table.envelopes {
        let at = [Step::Member(envelope.member.clone())];
        match (document.get(&envelope.member), envelope.is_list) {
            (Some(Value::Array(list)), true) => return elements(&at, list),
            (Some(Value::Object(_)), false) => return vec![at.to_vec()],
            (Some(Value::Null), _) => return Vec::new(),
            _ => {}
        }
    }
    vec![Vec::new()]
}

/// Every leaf once, in the order of the document.
pub fn account(
    document: &Value,
    items: &[Item],
    source: &Table,
    target: &Table,
) -> Vec<FieldOutcome> {
    path::leaves(document)
        .iter()
        .map(|leaf| {
            let judge = Judge { source, target };
            let Verdict { outcome, reason, widens } =
                match located(document, items, source, &leaf.steps) {
                    Some((item, place)) => judge.leaf(leaf.value, &place, &item.findings),
                    None => judge.leaf(leaf.value, &RowPlace::of(&leaf.steps, None), &[]),
                };
            let (field, reason) = (path::text(&leaf.steps), reason.into_owned());
            FieldOutcome { field, outcome, reason, widens: widens && outcome.is_loss() }
        })
        .collect()
}

/// What a document limits by leaving it out, where its platform reads that as a number or as nothing, and
/// that widens: no leaf shows it.
pub fn left_out(document: &Value, items: &[Item], source: &Table) -> Vec<FieldOutcome> {
    let mut shown = vec![HashSet::new(); items.len()];
    for leaf in path::leaves(document) {
        let Some(at) = items.iter().position(|item| leaf.steps.starts_with(&item.at)) else {
            continue;
        };
        let Some((item, place)) = located(document, items, source, &leaf.steps) else { continue };
        let domain = place.domain(source);
        let here = item.findings.iter().enumerate();
        let here = here.filter(|(_, f)| is_about(f, &place.text(), domain.as_deref()));
        shown[at].extend(here.map(|(number, _)| number));
    }
    let lost = items.iter().zip(shown).flat_map(|(item, shown)| {
        let findings = item.findings.iter().enumerate();
        findings.filter(move |(number, f)| f.widens && !shown.contains(number))
    });
    lost.map(|(_, finding)| FieldOutcome {
        field: field_of(&finding.at, source),
        outcome: finding.outcome,
        reason: finding.reason.clone().into_owned(),
        widens: true,
    })
    .collect()
}

/// Values of a type that the tables do not allow, all of them.
pub fn mistakes(document: &Value, items: &[Item], table: &Table) -> Vec<Mistake> {
    let mut found = Vec::new();
    let mut check = |steps: &[Step], value: &Value| {
        let place = located(document, items, table, steps).map(|(_, place)| place);
        let row = place.and_then(|place| table.field(&place.pattern));
        if let Some(expected) = row.and_then(|row| wrong_type(row.holds, value)) {
            found.push(Mistake { field: path::text(steps), expected });
        }
    };
    for Leaf { steps, value } in path::leaves(document) {
        check(&steps, value);
    }
    for steps in containers(document) {
        if let Some(value) = path::get(document, &steps) {
            check(&steps, value);
        }
    }
    found
}

/// True when at least one member of the item is one whose meaning the table knows, or holds some that
/// are: what only surrounds documents, or is found in any, does not make one.
pub fn is_known(document: &Value, item: &Item, table: &Table) -> bool {
    let Some(node) = path::get(document, &item.at) else { return false };
    let Value::Object(members) = node else { return false };
    let prefix = wrap_of(node, table);
    members.keys().any(|name| {
        let place = RowPlace::of(&[Step::Member(name.clone())], prefix);
        let is_meant =
            |row: &FieldRow| row.domain.is_some() && is_at_or_below(&row.path, &place.pattern);
        table.fields.iter().any(is_meant)
    })
}

/// The domain path that a leaf of a document stands for, and which item it is in.
pub fn domain_at(
    document: &Value,
    items: &[Item],
    table: &Table,
    steps: &[Step],
) -> Option<(usize, String)> {
    let item = items.iter().position(|item| steps.starts_with(&item.at))?;
    let (_, place) = located(document, items, table, steps)?;
    Some((item, place.domain(table)?))
}

/// The domain path that a leaf of an item stands for.
pub(super) fn domain_of(item: &Value, steps: &[Step], table: &Table) -> Option<String> {
    RowPlace::of(steps, wrap_of(item, table)).domain(table)
}

/// As [`domain_of`], whichever element of a list it is.
pub(super) fn domain_pattern_of(item: &Value, steps: &[Step], table: &Table) -> Option<String> {
    domain_of(item, steps, table).map(|domain| path::without_indexes(&domain))
}

/// The member that the table's paths begin with and this document lacks.
fn wrap_of<'t>(item: &Value, table: &'t Table) -> Option<&'t str> {
    table.wrap.as_deref().filter(|wrap| item.get(wrap).is_none())
}

/// A leaf's place in the terms of the table.
struct RowPlace {
    pattern: String,
    indexes: Vec<usize>,
}

struct Judge<'a> {
    source: &'a Table,
    target: &'a Table,
}

impl RowPlace {
    fn of(steps: &[Step], wrap: Option<&str>) -> Self {
        let (pattern, indexes) = path::pattern(steps);
        let pattern = match wrap {
            Some(wrap) => format!("{wrap}.{pattern}"),
            None => pattern,
        };
        Self { pattern, indexes }
    }

    fn text(&self) -> String {
        path::with_indexes(&self.pattern, &self.indexes)
    }

    /// The domain path that it stands for.
    fn domain(&self, table: &Table) -> Option<String> {
        let domain = table.field(&self.pattern)?.domain.as_ref()?;
        Some(path::with_indexes(domain, &self.indexes))
    }
}

/// The item that a path lies in, and its place there.
fn located<'i>(
    document: &Value,
    items: &'i [Item],
    table: &Table,
    steps: &[Step],
) -> Option<(&'i Item, RowPlace)> {
    let item = items.iter().find(|item| steps.starts_with(&item.at))?;
    let below = steps.get(item.at.len()..).filter(|below| !below.is_empty())?;
    let wrap = path::get(document, &item.at).and_then(|node| wrap_of(node, table));
    Some((item, RowPlace::of(below, wrap)))
}

impl Judge<'_> {
    fn leaf(&self, value: &Value, place: &RowPlace, findings: &[Finding]) -> Verdict {
        let Some(row) = self.source.field(&place.pattern) else {
            return if path::is_empty(value) && self.source.is_container(&place.pattern) {
                Verdict::kept("nothing is set here")
            } else {
                Verdict::kept("unknown to the tables; kept as it is")
            };
        };
        let domain = place.domain(self.source);
        let targets: Vec<&FieldRow> =
            domain.iter().flat_map(|domain| self.target.fields_for(domain)).collect();
        let at = place.text();
        let here: Vec<&Finding> =
            findings.iter().filter(|finding| is_about(finding, &at, domain.as_deref())).collect();
        let mut verdict = joined(row, &targets);
        // What a value shows is nearer than what the row says of all values.
        if here.iter().any(|finding| finding.outcome.is_loss()) {
            verdict.widens = false;
        }
        self.codes(row, &targets, value, &mut verdict);
        for finding in &here {
            verdict.worsen(finding.outcome, finding.reason.clone(), finding.widens);
        }
        // Where a platform reads nothing as a number, nothing may be a limit.
        if path::is_empty(value) && !here.iter().any(|finding| finding.widens) {
            if verdict.outcome.is_loss() {
                return Verdict::kept("nothing is set here");
            }
            if targets.iter().any(|target| target.default.is_some()) {
                return Verdict::kept("nothing is set here; the other side gets its default");
            }
        }
        verdict
    }

    /// What the value itself adds, where it is a code.
    fn codes(&self, row: &FieldRow, targets: &[&FieldRow], value: &Value, verdict: &mut Verdict) {
        let Some(set) = row.codes.as_ref().and_then(|set| self.source.set(set)) else { return };
        let text = match value {
            Value::String(text) => Cow::Borrowed(text.trim()),
            Value::Number(number) => Cow::Owned(number.to_string()),
            _ => return,
        };
        let Some(code) = set.code(&text) else {
            if !set.is_open && !text.is_empty() {
                verdict.worsen(Outcome::Dropped, "no table knows this code".into(), row.widens);
            }
            return;
        };
        if let Some(outcome) = code.outcome {
            let (native, note) = (&code.native, &code.note);
            let reason = format!("{note} (code {native}; the other side has nothing like it)");
            verdict.worsen(outcome, reason.into(), code.widens);
        }
        for said in targets.iter().filter_map(|target| self.said(set, code, target)) {
            verdict.worsen(said.0, said.1.note.clone().into(), said.1.widens);
        }
    }

    /// How the target's set says the code's term, when it cannot say it exactly.
    fn said<'s>(
        &'s self,
        set: &CodeSet,
        code: &'s Code,
        target: &FieldRow,
    ) -> Option<(Outcome, &'s Code)> {
        let other = target.codes.as_ref().and_then(|name| self.target.set(name))?;
        if set.terms.is_none() || other.terms != set.terms {
            return None;
        }
        let said = other.say(code.term.as_deref()?)?;
        match said.precision {
            Precision::Exact if code.is_read_only => Some((Outcome::Approximated, code)),
            Precision::Exact => None,
            Precision::Near => Some((Outcome::Approximated, said.code)),
            Precision::Fallback => Some((Outcome::Dropped, said.code)),
        }
    }
}

/// What the two tables say together, whatever the value is.
fn joined(row: &FieldRow, targets: &[&FieldRow]) -> Verdict {
    if targets.is_empty() {
        let outcome = row.without.unwrap_or(row.outcome);
        let widens = outcome.is_loss() && row.widens;
        return Verdict { outcome, reason: row.note.clone().into(), widens };
    }
    let outcome = targets.iter().map(|target| target.outcome).chain([row.outcome]).max();
    let names: Vec<&str> = targets.iter().map(|target| target.path.as_str()).collect();
    let reason = format!("{} → {}", row.note, names.join(", "));
    let widens =
        targets.iter().copied().chain([row]).any(|row| row.outcome.is_loss() && row.widens);
    Verdict { outcome: outcome.unwrap_or(row.outcome), reason: reason.into(), widens }
}

impl Verdict {
    fn kept(reason: &'static str) -> Self {
        Self { outcome: Outcome::Preserved, reason: reason.into(), widens: false }
    }

    /// The worst outcome counts; that something widens is never taken back by something else that does
    /// not, and its reason is the one that is told.
    fn worsen(&mut self, outcome: Outcome, reason: Cow<'static, str>, widens: bool) {
        // At the same level the reason that knows the value tells more.
        let is_worse = outcome > self.outcome || (outcome == self.outcome && outcome.is_loss());
        if is_worse && (widens || !self.widens) {
            self.reason = reason;
        }
        self.outcome = self.outcome.max(outcome);
        self.widens |= widens && outcome.is_loss();
    }
}

/// Where a document would say what a finding is about.
fn field_of(place: &Place, source: &Table) -> String {
    let (Place::Source(path) | Place::Domain(path)) = place;
    let row = match place {
        Place::Source(_) => None,
        Place::Domain(domain) => source.fields_for(domain).next(),
    };
    row.map_or_else(|| path.to_string(), |row| row.path.clone())
}

/// Whether a finding is about the leaf in this place, which stands for this domain path.
fn is_about(finding: &Finding, at: &str, domain: Option<&str>) -> bool {
    match &finding.at {
        Place::Source(path) => is_at_or_below(at, path),
        Place::Domain(path) => domain == Some(path.as_ref()),
    }
}

fn is_at_or_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn wrong_type(holds: Holds, value: &Value) -> Option<&'static str> {
    let integer = |text: &str| text.is_empty() || text.trim().parse::<i64>().is_ok();
    let (ok, expected) = match (holds, value) {
        (_, Value::Null) | (Holds::Any, _) => return None,
        (Holds::String, value) => (value.is_string(), "a text"),
        (Holds::Text | Holds::Id, value) => {
            (value.is_string() || value.is_number(), "a text or a number")
        }
        (Holds::Integer, Value::String(text)) => (integer(text), "an integer of 64 bits"),
        (Holds::Number | Holds::Integer, value) => (value.is_i64(), "an integer of 64 bits"),
        (Holds::Object, value) => (value.is_object(), "an object"),
        (Holds::TextOrList, value) => {
            (value.is_string() || value.is_number() || value.is_array(), "a text or a list")
        }
        (Holds::List, value) => (value.is_array(), "a list"),
    };
    (!ok).then_some(expected)
}

/// Paths of everything that is not a leaf.
fn containers(document: &Value) -> Vec<Vec<Step>> {
    let mut found: Vec<Vec<Step>> = Vec::new();
    for leaf in path::leaves(document) {
        for depth in 1..leaf.steps.len() {
            let above = leaf.steps.get(..depth).unwrap_or_default();
            if found.last().is_none_or(|last| !last.starts_with(above)) {
                found.push(above.to_vec());
            }
        }
    }
    found
}
