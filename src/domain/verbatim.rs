//! A platform's JSON object passed on as it is but for a few members: native answers equal the
//! platform's own, down to unknown members and the spelling of numbers.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// An object's members in their order; values are not looked into.
#[derive(Debug)]
pub struct Document<'a> {
    members: Vec<(String, Cow<'a, RawValue>)>,
}

impl<'a> Document<'a> {
    /// # Errors
    /// When the bytes are not one JSON object.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The member's JSON as it stands.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.members.iter().find(|(member, _)| member == name).map(|(_, value)| value.get())
    }

    /// The member's text; None when it is absent, null or not a text.
    pub fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.get(name)?).ok()
    }

    /// Replaces a member in its place; an absent one is put first, where ids stand.
    ///
    /// # Errors
    /// When the value has no JSON form.
    pub fn set(&mut self, name: &str, value: &impl Serialize) -> Result<(), serde_json::Error> {
        let value = Cow::Owned(to_raw_value(value)?);
        match self.members.iter_mut().find(|(member, _)| member == name) {
            Some((_, old)) => *old = value,
            None => self.members.insert(0, (name.to_owned(), value)),
        }
        Ok(())
    }

    /// Replaces an id that is there and is another one, in the form that it has: a text stays a text,
    /// a number a number. Answers whether it did.
    ///
    /// # Errors
    /// When a number is to be replaced by something else.
    pub fn rename(&mut self, name: &str, id: &str) -> Result<bool, serde_json::Error> {
        let Some(known) = self.get(name) else { return Ok(false) };
        if known.trim_matches('"') == id || !known.starts_with(is_id) {
            return Ok(false);
        }
        let renamed = if known.starts_with('"') {
            to_raw_value(id)?
        } else {
            RawValue::from_string(id.to_owned())?
        };
        self.set(name, &renamed)?;
        Ok(true)
    }

    /// Takes a member out; answers whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let known = self.members.len();
        self.members.retain(|(member, _)| member != name);
        self.members.len() < known
    }

    /// Takes over the members of another that are not here; answers whether there were any.
    pub fn complete_with(&mut self, other: Document<'a>) -> bool {
        let known = self.members.len();
        for (name, value) in other.members {
            if self.get(&name).is_none() {
                self.members.push((name, value));
            }
        }
        self.members.len() > known
    }

    /// Replaces a member that is there.
    ///
    /// # Errors
    /// When the value has no JSON form.
    pub fn replace(&mut self, name: &str, value: &impl Serialize) -> Result<(), serde_json::Error> {
        if self.get(name).is_some() { self.set(name, value) } else { Ok(()) }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Document<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Document<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(map.size_hint().unwrap_or(20).min(64));
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if members.len() == MAX_MEMBERS {
                        return Err(de::Error::custom("too many members"));
                    }
                    members.push((name, Cow::Borrowed(value)));
                }
                Ok(Document { members })
            }
        }
        deserializer.deserialize_map(Members)
    }
}

fn is_id(first: char) -> bool {
    first == '"' || first.is_ascii_digit()
}

/// More members than any platform's object has.
const MAX_MEMBERS: usize = 1024;

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.members.len()))?;
        for (name, value) in &self.members {
            map.serialize_entry(name, value.as_ref())?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_set_changes() {
        let source = br#"{"id":"a","n":1e3,"unknown":{"x":[1, 2]},"tm":null}"#;
        let mut document = Document::parse(source).expect("parses");
        document.set("id", &"b").expect("sets");
        document.replace("absent", &1).expect("does nothing");
        document.replace("tm", &"now").expect("sets");
        let out = serde_json::to_string(&document).expect("writes");
        assert_eq!(out, r#"{"id":"b","n":1e3,"unknown":{"x":[1, 2]},"tm":"now"}"#);
        assert_eq!(document.text("id").as_deref(), Some("b"));
    }

    #[test]
    fn an_id_is_replaced_in_its_own_form_and_only_by_another() {
        let source = br#"{"text":"3","number":11,"none":null,"odd":"\ud83d","big":1.0}"#;
        let mut document = Document::parse(source).expect("parses");
        for (name, id) in [("text", "3"), ("number", "11"), ("none", "7"), ("absent", "7")] {
            assert!(!document.rename(name, id).expect("compares"), "{name}");
        }
        assert!(document.rename("text", "46").expect("renames"));
        assert!(document.rename("number", "901").expect("renames"));
        let out = serde_json::to_string(&document).expect("writes");
        let expected = r#"{"text":"46","number":901,"none":null,"odd":"\ud83d","big":1.0}"#;
        assert_eq!(out, expected);
    }

    #[test]
    fn another_completes_what_is_not_there() {
        let mut document = Document::parse(br#"{"a":1.0,"b":"\/"}"#).expect("parses");
        let other = Document::parse(br#"{"b":2,"c":1e3}"#).expect("parses");
        assert!(document.complete_with(other));
        let out = serde_json::to_string(&document).expect("writes");
        assert_eq!(out, r#"{"a":1.0,"b":"\/","c":1e3}"#);
        assert!(document.remove("c") && !document.remove("c"));
    }

    #[test]
    fn what_is_not_an_object_is_refused() {
        for source in ["[]", "1", "", "{", "{\"a\":}"] {
            assert!(Document::parse(source.as_bytes()).is_err(), "{source}");
        }
    }
}
