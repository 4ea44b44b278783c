//! The way back: three-way merge of an edited translation into the document it came from.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::mapping::engine::account::{domain_of, domain_pattern_of};
use crate::mapping::engine::path::{self, Step};
use crate::mapping::table::Table;

/// An edited translation and the document it came from.
pub struct Edit<'a> {
    pub source: &'a Value,
    /// The translation as it was, converted back.
    pub base: &'a Value,
    /// The translation as it is now, converted back.
    pub edited: &'a Value,
    pub table: &'a Table,
    /// Domain paths of what was edited.
    pub domains: &'a HashSet<String>,
    /// Which leaves of the source the translation had: a number that could not be carried leaves a gap
    /// in the source, over which the list has closed on its way.
    pub is_carried: &'a dyn Fn(&[Step]) -> bool,
}

impl Edit<'_> {
    /// The source with those leaves taken from `edited` that were edited. What nobody edited stays
    /// exactly as the source has it.
    pub fn merge(&self) -> Value {
        let wrap = self.table.wrap.as_ref().filter(|wrap| self.source.get(wrap).is_none());
        let mut merge = Merge {
            result: wrapped(self.source, self.table),
            base: wrapped(self.base, self.table),
            edited: wrapped(self.edited, self.table),
            origins: HashMap::new(),
            added: usize::from(wrap.is_some()),
            table: self.table,
        };
        let mut changes = merge.changes(self.domains);
        merge.align(&mut changes, self.is_carried);
        for change in changes {
            merge.apply(&change);
        }
        match (wrap, merge.result) {
            // A main object alone stays alone, unless one of its parts was edited and is beside it.
            (Some(wrap), Value::Object(mut members)) if members.len() == 1 => {
                members.remove(wrap).unwrap_or_default()
            }
            (_, result) => result,
        }
    }
}

struct Merge<'a> {
    result: Value,
    base: Value,
    edited: Value,
    /// Where the source keeps the element of a list that the base has elsewhere.
    origins: HashMap<Vec<Step>, Vec<Step>>,
    /// Steps that the paths of `result` have before those of the source.
    added: usize,
    table: &'a Table,
}

/// One leaf that was edited.
struct Change {
    steps: Vec<Step>,
    /// None when it was taken away; then `steps` leads to the highest thing that is gone.
    value: Option<Value>,
}

/// The document in the form that the table's paths are for.
fn wrapped(document: &Value, table: &Table) -> Value {
    match &table.wrap {
        Some(wrap) if document.get(wrap).is_none() => {
            Value::Object([(wrap.clone(), document.clone())].into_iter().collect())
        }
        _ => document.clone(),
    }
}

impl Merge<'_> {
    fn changes(&self, domains: &HashSet<String>) -> Vec<Change> {
        // What was edited is written even when it says what the base had by default.
        let is_edited = |steps: &[Step]| {
            domain_of(&self.edited, steps, self.table).is_some_and(|d| domains.contains(&d))
        };
        let mut changes: Vec<Change> = path::leaves(&self.edited)
            .into_iter()
            .filter(|leaf| {
                path::get(&self.base, &leaf.steps) != Some(leaf.value) || is_edited(&leaf.steps)
            })
            .map(|leaf| Change { steps: leaf.steps, value: Some(leaf.value.clone()) })
            .collect();
        // From the end, so that elements of a list keep their places until their turn.
        for leaf in path::leaves(&self.base).into_iter().rev() {
            let gone = (1..=leaf.steps.len())
                .filter_map(|depth| leaf.steps.get(..depth))
                .find(|steps| path::get(&self.edited, steps).is_none());
            if let Some(steps) = gone
                && !changes.iter().any(|change| change.value.is_none() && change.steps == steps)
            {
                changes.push(Change { steps: steps.to_vec(), value: None });
            }
        }
        changes
    }

    fn apply(&mut self, change: &Change) {
        match &change.value {
            Some(value) => self.put(&change.steps, value),
            None => path::remove(&mut self.result, &change.steps),
        }
    }

    /// Finds for every element of a list where the source keeps it; a list over whose gaps elements
    /// were added or taken away is taken whole.
    fn align(&mut self, changes: &mut Vec<Change>, is_carried: &dyn Fn(&[Step]) -> bool) {
        let mut meanings: Vec<Meaning> = Vec::new();
        for change in changes.iter() {
            let meaning = meaning(&self.edited, &change.steps, self.table)
                .or_else(|| meaning(&self.base, &change.steps, self.table));
            meanings.extend(meaning.filter(|found| !meanings.contains(found)));
        }
        for meaning in meanings {
            let is_filled = |document: &Value, steps: &[Step]| {
                path::get(document, steps).is_some_and(|value| !path::is_empty(value))
            };
            let mut kept = self.places(&self.result, &meaning);
            kept.retain(|steps| {
                is_filled(&self.result, steps)
                    && is_carried(steps.get(self.added..).unwrap_or_default())
            });
            let mut based = self.places(&self.base, &meaning);
            based.retain(|steps| is_filled(&self.base, steps));
            let mut edited = self.places(&self.edited, &meaning);
            edited.retain(|steps| is_filled(&self.edited, steps));
            if kept == based || kept.len() != based.len() {
                continue;
            }
            if based.len() == edited.len() {
                self.origins.extend(based.into_iter().zip(kept));
                continue;
            }
            let whole: Vec<Vec<Step>> =
                [kept, based, edited].concat().iter().map(|steps| whole(steps)).collect();
            for steps in &whole {
                path::remove(&mut self.result, steps);
                if let Some(value) = path::get(&self.edited, steps) {
                    path::set(&mut self.result, steps, value.clone());
                }
            }
            changes.retain(|change| !whole.iter().any(|steps| change.steps.starts_with(steps)));
        }
    }

    /// The leaves of that meaning.
    fn places(&self, document: &Value, wanted: &Meaning) -> Vec<Vec<Step>> {
        let leaves = path::leaves(document).into_iter().map(|leaf| leaf.steps);
        leaves
            .filter(|steps| meaning(document, steps, self.table).as_ref() == Some(wanted))
            .collect()
    }

    fn put(&mut self, steps: &[Step], value: &Value) {
        let target = self.origins.get(steps).map_or(steps, Vec::as_slice);
        let is_leaf = path::get(&self.result, target).is_none_or(path::is_leaf);
        if (is_leaf || path::is_empty(value)) && path::set(&mut self.result, target, value.clone())
        {
            return;
        }
        // The source writes the same thing in another shape: `callerNo` as a text or as a list.
        if let Some(twin) = self.twin(steps)
            && path::set(&mut self.result, &twin, value.clone())
        {
            return;
        }
        // Else the smallest thing around it that fits.
        for depth in (1..=steps.len()).rev() {
            let Some(above) = steps.get(..depth) else { continue };
            if let Some(whole) = path::get(&self.edited, above)
                && path::set(&mut self.result, above, whole.clone())
            {
                return;
            }
        }
    }

    /// The leaf of the source that stands for the same domain path.
    fn twin(&self, steps: &[Step]) -> Option<Vec<Step>> {
        let domain = domain_of(&self.edited, steps, self.table)?;
        path::leaves(&self.result)
            .into_iter()
            .find(|leaf| domain_of(&self.result, &leaf.steps, self.table).as_ref() == Some(&domain))
            .map(|leaf| leaf.steps)
    }
}

/// What an element of a list stands for, whichever element it is: its domain path, and the member
/// that says it where several say it together.
type Meaning = (String, String);

fn meaning(document: &Value, steps: &[Step], table: &Table) -> Option<Meaning> {
    let domain = domain_pattern_of(document, steps, table).filter(|path| path.contains("[]"))?;
    let last = steps.iter().rev().find_map(|step| match step {
        Step::Member(name) => Some(name.clone()),
        Step::Element(_) => None,
    });
    Some((domain, last?))
}

/// The list that an element is in, or the member that holds it alone.
fn whole(steps: &[Step]) -> Vec<Step> {
    let list = steps.iter().position(|step| matches!(step, Step::Element(_)));
    let depth = list.unwrap_or_else(|| steps.len().saturating_sub(1).max(1));
    steps.get(..depth).unwrap_or_default().to_vec()
}
