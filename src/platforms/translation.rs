//! A document of one platform as one of the other, with an account of every leaf, and the way back.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::mapping::engine::Outcome;
use crate::mapping::engine::account::{self, FieldOutcome, Item, Mistake};
use crate::mapping::engine::merge::Edit;
use crate::mapping::engine::path::{self, Step};
use crate::mapping::table::{Kind, Table};
use crate::platforms::{ConvertContext, PlatformKind, document_from_domain, document_to_domain};

/// Reason of a leaf that nobody edited, on the way back.
const UNCHANGED: &str = "unchanged since the translation; the source's own is restored";

/// What of the domain is judged by the time at which a campaign starts.
const WINDOW: &str = "window.";

/// Which way a document goes, and the two accounts it belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Direction<'a> {
    pub kind: Kind,
    pub from: PlatformKind,
    pub to: PlatformKind,
    pub from_account: &'a ConvertContext,
    pub to_account: &'a ConvertContext,
}

/// What came of a translation.
#[derive(Debug, Clone, PartialEq)]
pub struct Translation {
    /// The document of the other platform; a list of them when the source held a list.
    pub value: Value,
    /// Every leaf of the source, once.
    pub fields: Vec<FieldOutcome>,
    /// What widens and no leaf shows, for the source limits by leaving it out.
    pub left_out: Vec<FieldOutcome>,
    /// Kept beside the value, it restores the source.
    pub preserved: Preserved,
}

/// What restores a source: itself, and the translation as it was before anybody edited it.
#[derive(Debug, Clone, PartialEq)]
pub struct Preserved {
    pub source: Value,
    pub base: Value,
    /// Version of the tables that made `base`.
    pub tables: String,
}

/// Why a document cannot be translated. Says nothing of the values in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TranslateError {
    #[error("source and target are the same platform")]
    SamePlatform,
    #[error("holds no {kind} document of {platform}")]
    NoDocument { platform: &'static str, kind: &'static str },
    #[error("{at}: has no member of the {kind} document of {platform}")]
    OtherDocument { at: String, platform: &'static str, kind: &'static str },
    #[error("{}", list(.0))]
    WrongTypes(Vec<Mistake>),
    #[error("{at}: cannot be read as the {kind} document of {platform}")]
    Unreadable { at: String, platform: &'static str, kind: &'static str },
    #[error("the edited value holds {edited} documents, its source {source_has}")]
    OtherCount { edited: usize, source_has: usize },
}

/// Converted documents and where each stood.
struct Converted {
    value: Value,
    items: Vec<Item>,
}

impl Direction<'_> {
    /// Translates a document, or restores the source of an earlier translation whose output
    /// (`{"value", "preserved", …}`, edited or not) is given.
    ///
    /// # Errors
    /// When the document is not what the direction says it is.
    pub fn translate(&self, document: Value) -> Result<Translation, TranslateError> {
        if self.from == self.to {
            return Err(TranslateError::SamePlatform);
        }
        match Output::parse(document) {
            Ok(output) => self.restore(output),
            Err(document) => self.forward(document),
        }
    }

    /// What is lost of a document on the way, by which more may be called than it allows. A campaign's
    /// calling window is passed over, for whether it limits anything depends on the time.
    ///
    /// # Errors
    /// As [`Direction::translate`].
    pub fn widening(&self, document: &Value) -> Result<Option<FieldOutcome>, TranslateError> {
        let items = self.convert(document)?.items;
        let table = self.source_table();
        let fields = account::account(document, &items, table, self.target_table());
        let leaves = path::leaves(document);
        let mut widening = leaves.iter().zip(fields).filter(|(_, field)| field.widens);
        let shown = widening.find(|(leaf, _)| {
            let domain = account::domain_at(document, &items, table, &leaf.steps);
            !domain.is_some_and(|(_, path)| path.starts_with(WINDOW))
        });
        let shown = shown.map(|(_, field)| field);
        Ok(shown.or_else(|| account::left_out(document, &items, table).into_iter().next()))
    }

    fn forward(&self, document: Value) -> Result<Translation, TranslateError> {
        let Converted { value, items } = self.convert(&document)?;
        let fields = account::account(&document, &items, self.source_table(), self.target_table());
        let left_out = account::left_out(&document, &items, self.source_table());
        Ok(self.translation(value, (fields, left_out), document))
    }

    fn restore(&self, output: Output) -> Result<Translation, TranslateError> {
        let Output { value, source, base } = output;
        let Converted { value: edited_back, items } = self.convert(&value)?;
        let Converted { value: base_back, items: base_items } = self.convert(&base)?;
        let mut fields = account::account(&value, &items, self.source_table(), self.target_table());
        let mut domains = vec![HashSet::new(); items.len()];
        for (field, leaf) in fields.iter_mut().zip(path::leaves(&value)) {
            if path::get(&base, &leaf.steps) == Some(leaf.value) {
                field.outcome = Outcome::Preserved;
                UNCHANGED.clone_into(&mut field.reason);
                field.widens = false;
                continue;
            }
            let domain = account::domain_at(&value, &items, self.source_table(), &leaf.steps);
            // Elements of lists are told apart by their places, not by their paths.
            if let Some((item, domain)) = domain.filter(|(_, path)| !path.contains('['))
                && let Some(domains) = domains.get_mut(item)
            {
                domains.insert(domain);
            }
        }
        let restored = self.merge(&source, &base_back, &edited_back, &domains)?;
        // What the translation itself left out was there before anybody edited it.
        let known = account::left_out(&base, &base_items, self.source_table());
        let mut left_out = account::left_out(&value, &items, self.source_table());
        left_out.retain(|field| !known.contains(field));
        Ok(self.translation(restored, (fields, left_out), value))
    }

    /// Merges document by document into the envelope of the source.
    fn merge(
        &self,
        source: &Value,
        base: &Value,
        edited: &Value,
        domains: &[HashSet<String>],
    ) -> Result<Value, TranslateError> {
        let table = self.target_table();
        let places = account::items(source, table);
        let is_list = is_list(source, &places);
        let one_or_many =
            |value| if is_list { elements(value) } else { std::slice::from_ref(value) };
        let (bases, edits) = (one_or_many(base), one_or_many(edited));
        if edits.len() != places.len() || bases.len() != places.len() {
            let (edited, source_has) = (edits.len(), places.len());
            return Err(TranslateError::OtherCount { edited, source_has });
        }
        let carried = self.reversed().carried(source)?;
        let mut result = source.clone();
        for (((at, base), edited), domains) in places.iter().zip(bases).zip(edits).zip(domains) {
            let inner = path::get(source, at).unwrap_or(&Value::Null);
            let is_carried = |steps: &[Step]| carried.contains(&[at.as_slice(), steps].concat());
            let edit =
                Edit { source: inner, base, edited, table, domains, is_carried: &is_carried };
            path::set(&mut result, at, edit.merge());
        }
        Ok(result)
    }

    /// The leaves that a document's translation has.
    fn carried(&self, document: &Value) -> Result<HashSet<Vec<Step>>, TranslateError> {
        let items = self.convert(document)?.items;
        let fields = account::account(document, &items, self.source_table(), self.target_table());
        let leaves = path::leaves(document).into_iter().zip(fields);
        Ok(leaves.filter(|(_, field)| !field.outcome.is_loss()).map(|(l, _)| l.steps).collect())
    }

    fn reversed(&self) -> Self {
        Self {
            kind: self.kind,
            from: self.to,
            to: self.from,
            from_account: self.to_account,
            to_account: self.from_account,
        }
    }

    fn convert(&self, document: &Value) -> Result<Converted, TranslateError> {
        let table = self.source_table();
        let places = account::items(document, table);
        let as_list = is_list(document, &places);
        let (platform, kind) = (self.from.as_str(), self.kind.as_str());
        if places.is_empty() && !as_list {
            return Err(TranslateError::NoDocument { platform, kind });
        }
        let mut items: Vec<Item> =
            places.into_iter().map(|at| Item { at, findings: Vec::new() }).collect();
        for item in &items {
            if !account::is_known(document, item, table) {
                let at = place_text(&item.at);
                return Err(TranslateError::OtherDocument { at, platform, kind });
            }
        }
        let mistakes = account::mistakes(document, &items, table);
        if !mistakes.is_empty() {
            return Err(TranslateError::WrongTypes(mistakes));
        }
        let mut values = Vec::with_capacity(items.len());
        for item in &mut items {
            let at = place_text(&item.at);
            let inner = path::get(document, &item.at).unwrap_or(&Value::Null);
            let unreadable = |_| TranslateError::Unreadable { at: at.clone(), platform, kind };
            let domain = document_to_domain(self.from, self.kind, inner, self.from_account)
                .map_err(unreadable)?;
            let written = document_from_domain(self.to, &domain.value, self.to_account)
                .map_err(unreadable)?;
            item.findings = domain.findings;
            item.findings.extend(written.findings);
            values.push(written.value);
        }
        let value =
            if as_list { Value::Array(values) } else { values.pop().unwrap_or(Value::Null) };
        Ok(Converted { value, items })
    }

    fn translation(
        &self,
        value: Value,
        (fields, left_out): (Vec<FieldOutcome>, Vec<FieldOutcome>),
        source: Value,
    ) -> Translation {
        let tables = self.from_account.tables.version().to_owned();
        let preserved = Preserved { source, base: value.clone(), tables };
        Translation { value, fields, left_out, preserved }
    }

    fn source_table(&self) -> &Table {
        self.from_account.tables.get(self.from.as_str(), self.kind)
    }

    fn target_table(&self) -> &Table {
        self.to_account.tables.get(self.to.as_str(), self.kind)
    }
}

impl Translation {
    /// The leaves that the other side does not get, or not as they are.
    pub fn losses(&self) -> impl Iterator<Item = &FieldOutcome> {
        self.fields.iter().filter(|field| field.outcome.is_loss()).chain(&self.left_out)
    }

    /// The losses by which more people, numbers, hours or tries may be called than the source allows.
    pub fn widening(&self) -> impl Iterator<Item = &FieldOutcome> {
        self.fields.iter().filter(|field| field.widens).chain(&self.left_out)
    }

    /// `{"value", "fields", "losses", "preserved"}`.
    pub fn into_json(self) -> Value {
        let row = |field: &FieldOutcome| {
            json!({
                "field": field.field,
                "outcome": field.outcome.as_str(),
                "reason": field.reason,
                "widens": field.widens,
            })
        };
        let losses: Vec<Value> = self.losses().map(row).collect();
        let fields: Vec<Value> = self.fields.iter().map(row).collect();
        let Preserved { source, base, tables } = self.preserved;
        json!({
            "value": self.value,
            "fields": fields,
            "losses": losses,
            "preserved": { "source": source, "base": base, "tables": tables },
        })
    }
}

/// The parts of an earlier output that the way back needs.
struct Output {
    value: Value,
    source: Value,
    base: Value,
}

impl Output {
    /// The document itself when it is no such output.
    fn parse(document: Value) -> Result<Self, Value> {
        let is_output = document.get("value").is_some()
            && document.get("preserved").is_some_and(|preserved| {
                preserved.get("source").is_some() && preserved.get("base").is_some()
            });
        let Value::Object(mut members) = document else { return Err(document) };
        if !is_output {
            return Err(Value::Object(members));
        }
        let mut preserved = members.remove("preserved").unwrap_or_default();
        let mut take = |name: &str| preserved.get_mut(name).map(Value::take).unwrap_or_default();
        let (source, base) = (take("source"), take("base"));
        Ok(Self { value: members.remove("value").unwrap_or_default(), source, base })
    }
}

fn is_list(document: &Value, places: &[Vec<Step>]) -> bool {
    document.is_array()
        || places.iter().any(|at| matches!(at.last(), Some(Step::Element(_))))
        || (places.is_empty() && members(document).values().any(|v| v == &Value::Array(vec![])))
}

fn members(document: &Value) -> &Map<String, Value> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    document.as_object().unwrap_or(&NONE)
}

fn elements(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn place_text(at: &[Step]) -> String {
    if at.is_empty() { "the document".to_owned() } else { path::text(at) }
}

fn list(mistakes: &[Mistake]) -> String {
    let texts: Vec<String> =
        mistakes.iter().map(|m| format!("{}: expected {}", m.field, m.expected)).collect();
    texts.join("; ")
}
