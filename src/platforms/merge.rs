//! Writing an edit back to a platform that only knows full replacement: what the edit did not touch
//! keeps the platform's own value, also where our words cannot say it.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Three documents of one platform: as `current` on the platform, and `base` and `edited` as our
/// words put it before and after the edit. A value that the edit left alone stays as it is.
///
/// # Errors
/// When a document cannot be written as JSON or the merged one cannot be read back, which no
/// document that came from the platform does.
pub fn merge<T>(current: &T, base: &T, edited: &T) -> Result<T, serde_json::Error>
where
    T: Serialize + DeserializeOwned,
{
    let mut merged = serde_json::to_value(current)?;
    apply(&mut merged, &serde_json::to_value(base)?, &serde_json::to_value(edited)?);
    serde_json::from_value(merged)
}

fn apply(current: &mut Value, base: &Value, edited: &Value) {
    if base == edited {
        return;
    }
    match (&mut *current, base, edited) {
        (Value::Object(current), Value::Object(base), Value::Object(edited)) => {
            for (name, edited) in edited {
                let base = base.get(name).unwrap_or(&Value::Null);
                apply(current.entry(name.as_str()).or_insert(Value::Null), base, edited);
            }
            // A member that the edit took away; one that our words never said stays.
            current.retain(|name, _| edited.contains_key(name) || !base.contains_key(name));
        }
        (current, _, edited) => current.clone_from(edited),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_edit_left_alone_keeps_the_platforms_value() {
        let current = json!({"a": "007", "b": {"x": 1, "own": 2}, "c": [1, 2], "gone": 1});
        let base = json!({"a": "7", "b": {"x": 1}, "c": [1], "gone": 1});
        let edited = json!({"a": "7", "b": {"x": 9}, "c": [1], "new": 3});
        let merged: Value = merge(&current, &base, &edited).unwrap();
        assert_eq!(merged, json!({"a": "007", "b": {"x": 9, "own": 2}, "c": [1, 2], "new": 3}));
    }
}
