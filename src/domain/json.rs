//! JSON that is not quite JSON: one odd member costs neither its row nor its neighbours.
//!
//! Platforms hand on what people typed: half a surrogate pair, an escape that is none, a number where
//! text belongs. A document that reads as it should is read at once; else what can be read of it is,
//! member by member.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Objects within objects whose members are looked at one by one; what lies deeper counts as a whole.
const MAX_DEPTH: usize = 4;

/// The members of an object in their order, each with its own bytes.
pub struct Members<'a>(Vec<(String, &'a RawValue)>);

/// What can be read of an object: a member that does not fit is as if it were not there. Of members
/// with one name the last counts, as it does for most programs. `T` must not insist on any member.
pub fn read<T: DeserializeOwned>(raw: &str) -> Option<T> {
    if !raw.trim_start().starts_with('{') {
        // A derived reader would take the items of a list for its members.
        return None;
    }
    if let Ok(read) = serde_json::from_str(raw) {
        return Some(read);
    }
    let fits = |text: &str| serde_json::from_str::<T>(text).is_ok();
    serde_json::from_str(&sound(&legible(raw), &fits, MAX_DEPTH)?).ok()
}

/// The object with those of its members that fit; None when it is none.
fn sound(object: &str, fits: &dyn Fn(&str) -> bool, depth: usize) -> Option<String> {
    let members: Members<'_> = serde_json::from_str(object).ok()?;
    let mut text = String::from("{");
    for (name, value) in members.latest() {
        let name = serde_json::to_string(name).ok()?;
        let alone = |value: &str| fits(&format!("{{{name}:{value}}}"));
        let part = if alone(value.get()) {
            Some(Cow::Borrowed(value.get()))
        } else if depth > 1 {
            sound(value.get(), &alone, depth - 1).map(Cow::Owned).filter(|part| alone(part))
        } else {
            None
        };
        if let Some(part) = part {
            if text.len() > 1 {
                text.push(',');
            }
            text.extend([&name, ":", &part]);
        }
    }
    text.push('}');
    Some(text)
}

/// A document whose grammar a parser takes: an escape that is none stands for itself, and a control
/// character is escaped.
pub fn mended(text: &str) -> Cow<'_, str> {
    repaired(text, false)
}

/// The same, with U+FFFD for half a surrogate pair, which no text can hold.
pub fn legible(text: &str) -> Cow<'_, str> {
    repaired(text, true)
}

fn repaired(text: &str, mends_surrogates: bool) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut repaired = String::new();
    let (mut at, mut copied, mut in_string) = (0, 0, false);
    while let Some(byte) = bytes.get(at) {
        let (length, instead): (usize, Option<Cow<'static, str>>) = match byte {
            b'"' => {
                in_string = !in_string;
                (1, None)
            }
            b'\\' if in_string => escape(&bytes[at..], mends_surrogates),
            0..0x20 if in_string => (1, Some(format!("\\u{byte:04x}").into())),
            _ => (1, None),
        };
        if let Some(instead) = instead {
            repaired.extend([&text[copied..at], &instead]);
            copied = at + length;
        }
        at += length;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    repaired.push_str(&text[copied..]);
    Cow::Owned(repaired)
}

/// The length of the escape that these bytes begin with, and what is to stand there instead.
fn escape(bytes: &[u8], mends_surrogates: bool) -> (usize, Option<Cow<'static, str>>) {
    match bytes.get(1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => (2, None),
        Some(b'u') => match (code_unit(bytes), bytes.get(6..).and_then(code_unit)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => (12, None),
            (Some(0xd800..0xe000), _) if mends_surrogates => (6, Some("\\ufffd".into())),
            (Some(_), _) => (6, None),
            (None, _) => (1, Some("\\\\".into())),
        },
        _ => (1, Some("\\\\".into())),
    }
}

/// What a `\uXXXX` stands for.
fn code_unit(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, digit| {
        Some(unit * 16 + u16::try_from(char::from(*digit).to_digit(16)?).ok()?)
    })
}

impl<'a> Members<'a> {
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// In their order, of those with one name the last.
    fn latest(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        let last: HashMap<&str, usize> =
            self.0.iter().enumerate().map(|(place, (name, _))| (name.as_str(), place)).collect();
        self.0.iter().enumerate().filter_map(move |(place, (name, value))| {
            (last.get(name.as_str()) == Some(&place)).then_some((name.as_str(), *value))
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Gather;
        impl<'de> Visitor<'de> for Gather {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Gather).map(Members)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Row {
        key: String,
        code: i64,
        note: Option<String>,
        place: Place,
        #[serde(flatten)]
        extra: Map<String, Value>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Place {
        number: String,
        name: String,
    }

    fn row(note: Option<&str>) -> Row {
        let note = note.map(str::to_owned);
        Row { key: "k".into(), code: 7, note, ..Row::default() }
    }

    #[test]
    fn one_odd_member_costs_itself() {
        let with = |odd: &str| read::<Row>(&format!(r#"{{"key":"k",{odd},"code":7}}"#)).unwrap();
        for (odd, note) in [
            (r#""note":"a""#, Some("a")),
            (r#""note":"\ud83d""#, Some("\u{fffd}")),
            (r#""note":"\ud83d\ude00""#, Some("\u{1f600}")),
            (r#""note":"\ude00\ud83d!""#, Some("\u{fffd}\u{fffd}!")),
            (r#""note":"\uZZ""#, Some("\\uZZ")),
            (r#""note":"a\qb\\""#, Some("a\\qb\\")),
            ("\"note\":\"a\tb\u{1}\"", Some("a\tb\u{1}")),
            (r#""note":"\u0000""#, Some("\0")),
            (r#""note":{"a":1}"#, None),
            (r#""note":7"#, None),
            (r#""note":"first","note":"last""#, Some("last")),
            (r#""code":1e400"#, None),
            (r#""code":"six""#, None),
            (r#""place":7"#, None),
        ] {
            assert_eq!(with(odd), row(note), "{odd}");
        }
        assert_eq!(with(r#""other":1e400"#).extra["other"].to_string(), "1e+400");
        let deep = format!(r#""other":{}{}"#, "[".repeat(500), "]".repeat(500));
        assert_eq!(with(&deep), row(None));
        let nested = with(r#""place":{"number":"+86","name":{"odd":[]},"more":"\ud83d"}"#);
        assert_eq!((&*nested.place.number, &*nested.place.name), ("+86", ""));
    }

    #[test]
    fn what_is_no_object_is_none() {
        for text in ["", "7", "[]", "[\"k\",7]", "null", "{", "{\"key\"}", "\u{0}", "\\"] {
            assert_eq!(read::<Row>(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_well_is_not_copied() {
        for text in [r#"{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}"#, "[]", "", "\t{\n}"] {
            assert!(matches!(legible(text), Cow::Borrowed(_)), "{text}");
        }
        assert!(matches!(mended(r#"{"a":"\ud83d"}"#), Cow::Borrowed(_)), "a parser takes it");
    }
}
