//! Places in a JSON document: its leaves, and reading and writing at a path.

use std::fmt::Write as _;

use serde_json::Value;

/// One step into a document.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    Member(String),
    Element(usize),
}

/// What is accounted for as a whole: a scalar, null, an empty object or list, or a list of scalars.
#[derive(Debug, Clone)]
pub struct Leaf<'a> {
    pub steps: Vec<Step>,
    pub value: &'a Value,
}

/// All leaves of a document, in its order.
pub fn leaves(document: &Value) -> Vec<Leaf<'_>> {
    let mut found = Vec::new();
    collect(document, &mut Vec::new(), &mut found);
    found
}

/// `callerNo[0].accessCode`. A member whose name would read as more than one step is quoted.
pub fn text(steps: &[Step]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Member(name) if name.is_empty() || name.contains(['.', '[', ']', '"']) => {
                let _ = write!(path, "[{}]", Value::String(name.clone()));
            }
            Step::Member(name) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
            }
            Step::Element(index) => {
                let _ = write!(path, "[{index}]");
            }
        }
    }
    path
}

/// `callerNo[].accessCode`, the form of the tables, and the indexes that it leaves out.
pub fn pattern(steps: &[Step]) -> (String, Vec<usize>) {
    let mut path = String::new();
    let mut indexes = Vec::new();
    for step in steps {
        match step {
            Step::Member(name) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
            }
            Step::Element(index) => {
                path.push_str("[]");
                indexes.push(*index);
            }
        }
    }
    (path, indexes)
}

/// Puts indexes into the empty brackets of a pattern, in order.
pub fn with_indexes(pattern: &str, indexes: &[usize]) -> String {
    let mut path = String::with_capacity(pattern.len() + 4);
    let mut indexes = indexes.iter();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("[]") {
        path.push_str(before);
        match indexes.next() {
            Some(index) => {
                let _ = write!(path, "[{index}]");
            }
            None => path.push_str("[]"),
        }
        rest = after;
    }
    path.push_str(rest);
    path
}

/// `numbers[3].number` → `numbers[].number`.
pub fn without_indexes(path: &str) -> String {
    let mut pattern = String::with_capacity(path.len());
    let mut is_index = false;
    for c in path.chars() {
        is_index = is_index && c != ']';
        if !is_index {
            pattern.push(c);
        }
        is_index = is_index || c == '[';
    }
    pattern
}

pub fn get<'a>(document: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    steps.iter().try_fold(document, |node, step| match step {
        Step::Member(name) => node.get(name.as_str()),
        Step::Element(index) => node.get(*index),
    })
}

pub fn get_mut<'a>(document: &'a mut Value, steps: &[Step]) -> Option<&'a mut Value> {
    steps.iter().try_fold(document, |node, step| match step {
        Step::Member(name) => node.get_mut(name.as_str()),
        Step::Element(index) => node.get_mut(*index),
    })
}

/// Writes at a path whose parent exists and is of the right shape; false when it is not.
pub fn set(document: &mut Value, steps: &[Step], value: Value) -> bool {
    let Some((last, parent)) = steps.split_last() else {
        *document = value;
        return true;
    };
    match (get_mut(document, parent), last) {
        (Some(Value::Object(members)), Step::Member(name)) => {
            members.insert(name.clone(), value);
            true
        }
        (Some(Value::Array(elements)), Step::Element(index)) if *index < elements.len() => {
            elements[*index] = value;
            true
        }
        (Some(Value::Array(elements)), Step::Element(index)) if *index == elements.len() => {
            elements.push(value);
            true
        }
        _ => false,
    }
}

/// Takes away what is at a path, if it is there.
pub fn remove(document: &mut Value, steps: &[Step]) {
    let Some((last, parent)) = steps.split_last() else { return };
    match (get_mut(document, parent), last) {
        (Some(Value::Object(members)), Step::Member(name)) => {
            members.shift_remove(name);
        }
        (Some(Value::Array(elements)), Step::Element(index)) if *index < elements.len() => {
            elements.remove(*index);
        }
        _ => {}
    }
}

pub fn is_leaf(value: &Value) -> bool {
    match value {
        Value::Array(elements) => !elements.iter().any(|e| e.is_array() || e.is_object()),
        Value::Object(members) => members.is_empty(),
        _ => true,
    }
}

/// True when a leaf says nothing: null, an empty text, object or list, or the nil UUID.
pub fn is_empty(value: &Value) -> bool {
    const NIL_UUID: &str = "00000000-0000-0000-0000-000000000000";
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty() || text == NIL_UUID,
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Recursion is bounded: serde_json refuses documents nested deeper than 128.
fn collect<'a>(node: &'a Value, steps: &mut Vec<Step>, found: &mut Vec<Leaf<'a>>) {
    if is_leaf(node) {
        found.push(Leaf { steps: steps.clone(), value: node });
        return;
    }
    let mut visit = |step, child, steps: &mut Vec<Step>| {
        steps.push(step);
        collect(child, steps, found);
        steps.pop();
    };
    match node {
        Value::Object(members) => {
            for (name, child) in members {
                visit(Step::Member(name.clone()), child, steps);
            }
        }
        Value::Array(elements) => {
            for (index, child) in elements.iter().enumerate() {
                visit(Step::Element(index), child, steps);
            }
        }
        _ => {}
    }
}
