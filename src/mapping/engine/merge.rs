//! The way back: three-way merge of an edited translation into the document it came from.

use serde_json::Value;

use crate::mapping::engine::account::{domain_of, wrap_of};
use crate::mapping::engine::path::{self, Leaf, Step};
use crate::mapping::table::Table;

/// The source document with those leaves taken from `edited` in which it differs from `base`.
///
/// `base` and `edited` are the same kind of document as `source`: the translation as it was and as it
/// is now, both converted back. What nobody edited stays exactly as the source has it.
pub fn merge(source: &Value, base: &Value, edited: &Value, table: &Table) -> Value {
    let changes = changes(base, edited);
    if changes.is_empty() {
        return source.clone();
    }
    let mut result = source.clone();
    // A main object alone is put beside its parts when one of those was edited.
    let bare = wrap_of(source, table).filter(|wrap| edited.get(wrap).is_some());
    if let Some(wrap) = bare {
        let is_inside =
            |change: &Change| change.steps.first() == Some(&Step::Member(wrap.to_owned()));
        if changes.iter().all(is_inside) {
            let inner = |document: &Value| document.get(wrap).cloned().unwrap_or_default();
            let (base, edited) = (inner(base), inner(edited));
            return merge_inner(&result, &base, &edited, wrap, table);
        }
        result = Value::Object([(wrap.to_owned(), result)].into_iter().collect());
    }
    apply(&mut result, &changes, edited, table);
    result
}

/// One leaf that was edited.
struct Change {
    steps: Vec<Step>,
    /// None when it was taken away; then `steps` leads to the highest thing that is gone.
    value: Option<Value>,
}

fn merge_inner(source: &Value, base: &Value, edited: &Value, wrap: &str, table: &Table) -> Value {
    let wrapped = |document: &Value| {
        Value::Object([(wrap.to_owned(), document.clone())].into_iter().collect())
    };
    let mut result = wrapped(source);
    let (base, edited) = (wrapped(base), wrapped(edited));
    apply(&mut result, &changes(&base, &edited), &edited, table);
    result.get_mut(wrap).map(Value::take).unwrap_or_default()
}

fn changes(base: &Value, edited: &Value) -> Vec<Change> {
    let mut changes: Vec<Change> = path::leaves(edited)
        .into_iter()
        .filter(|leaf| path::get(base, &leaf.steps) != Some(leaf.value))
        .map(|leaf| Change { steps: leaf.steps, value: Some(leaf.value.clone()) })
        .collect();
    // From the end, so that elements of a list keep their places until their turn.
    for leaf in path::leaves(base).into_iter().rev() {
        let gone = (1..=leaf.steps.len())
            .filter_map(|depth| leaf.steps.get(..depth))
            .find(|steps| path::get(edited, steps).is_none());
        if let Some(steps) = gone
            && !changes.iter().any(|change| change.value.is_none() && change.steps == steps)
        {
            changes.push(Change { steps: steps.to_vec(), value: None });
        }
    }
    changes
}

fn apply(result: &mut Value, changes: &[Change], edited: &Value, table: &Table) {
    for change in changes {
        match &change.value {
            Some(value) => put(result, &change.steps, value, edited, table),
            None => path::remove(result, &change.steps),
        }
    }
}

fn put(result: &mut Value, steps: &[Step], value: &Value, edited: &Value, table: &Table) {
    let is_same_shape = |node: Option<&Value>| node.is_none_or(path::is_leaf);
    if (path::is_empty(value) || is_same_shape(path::get(result, steps)))
        && path::set(result, steps, value.clone())
    {
        return;
    }
    // The source writes the same thing in another place: `callerNo` as a text or as a list.
    if let Some(twin) = twin_of(result, steps, edited, table)
        && path::set(result, &twin, value.clone())
    {
        return;
    }
    // Else the smallest thing around it that fits.
    for depth in (1..=steps.len()).rev() {
        let Some(above) = steps.get(..depth) else { continue };
        if let Some(whole) = path::get(edited, above)
            && path::set(result, above, whole.clone())
        {
            return;
        }
    }
}

/// The leaf of `result` that stands for the same domain path as the one at `steps` in `edited`.
fn twin_of(result: &Value, steps: &[Step], edited: &Value, table: &Table) -> Option<Vec<Step>> {
    let domain = domain_of(edited, steps, table)?;
    path::leaves(result)
        .into_iter()
        .find(|Leaf { steps, .. }| domain_of(result, steps, table).as_ref() == Some(&domain))
        .map(|leaf| leaf.steps)
}
