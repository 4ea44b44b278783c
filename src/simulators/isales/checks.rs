//! Rules on the raw JSON of a request: types matter, so nothing is read through tolerant structs.
//!
//! All findings of a request are collected and the one that the documented order (reference 15.2)
//! puts first is answered: not JSON or wrong type, missing, characters, length, value, combination.
//! Fields can therefore be checked in whatever order reads best.

use jiff::civil;
use serde_json::{Map, Value};

use super::answer::{
    COMBINATION, CONVERSION, EMPTY, HOUR_AND_MINUTE, ILLEGAL_CHARACTERS, LENGTH_OUT_OF_RANGE,
    Refusal, TOO_LONG, TOO_MANY, TOO_SHORT, WRONG_TYPE, WRONG_VALUE,
};

/// Longest number, called or calling (sections 3.1 and 4.1).
pub(super) const NUMBER_CHARS: usize = 24;
/// What may not stand in a description (3.1).
pub(super) const DESCRIPTION_FORBIDDEN: &str = "\"[]=;<>";
/// What may not stand in `customField` (4.2).
pub(super) const CUSTOM_FIELD_FORBIDDEN: &str = "`~!@#$%^&*()+=|{}'\":;<>/?.[]\\";

/// The finding that is to be answered, if there is any.
#[derive(Debug, Default)]
pub(super) struct Findings {
    first: Option<(u8, Refusal)>,
}

/// One JSON object of a request with the path that descriptions name.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    path: String,
    object: &'a Map<String, Value>,
}

/// The rule of a text member.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    required: bool,
    max_chars: usize,
    allowed: fn(char) -> bool,
}

/// The rule of an integer member.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole {
    required: bool,
    min: i64,
    max: i64,
}

impl Findings {
    pub(super) fn note(&mut self, code: &'static str, field: &str, why: &str) {
        let rank = rank(code);
        if self.first.as_ref().is_none_or(|(first, _)| rank < *first) {
            self.first = Some((rank, Refusal::new(code, format!("{field}: {why}"))));
        }
    }

    pub(super) fn done(self) -> Result<(), Refusal> {
        self.first.map_or(Ok(()), |(_, refusal)| Err(refusal))
    }
}

impl<'a> Fields<'a> {
    /// The body as an object; anything else is a conversion or type error.
    pub(super) fn of_body(body: &'a Result<Value, String>) -> Result<Self, Refusal> {
        match body {
            Err(why) => Err(Refusal::new(CONVERSION, format!("body: {why}"))),
            Ok(Value::Object(object)) => Ok(Self { path: String::new(), object }),
            Ok(Value::Null) => Err(Refusal::new(EMPTY, "body: must be given")),
            Ok(_) => Err(Refusal::new(WRONG_TYPE, "body: must be an object")),
        }
    }

    pub(super) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Null counts as absent everywhere, as in the answers' unused members.
    pub(super) fn raw(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|value| value != "")
    }

    /// The text, or nothing when it is absent, empty or was found wrong.
    pub(super) fn text(&self, found: &mut Findings, name: &str, rule: Text) -> Option<&'a str> {
        let text = match self.raw(name) {
            None => None,
            Some(Value::String(text)) => Some(text.as_str()).filter(|text| !text.is_empty()),
            Some(_) => {
                found.note(WRONG_TYPE, &self.path_of(name), "must be a string");
                return None;
            }
        };
        let Some(text) = text else {
            if rule.required {
                found.note(EMPTY, &self.path_of(name), "must be given");
            }
            return None;
        };
        rule.check(found, &self.path_of(name), text).then_some(text)
    }

    pub(super) fn whole(&self, found: &mut Findings, name: &str, rule: Whole) -> Option<i64> {
        let Some(value) = self.raw(name) else {
            if rule.required {
                found.note(EMPTY, &self.path_of(name), "must be given");
            }
            return None;
        };
        let Some(number) = value.as_i64() else {
            found.note(WRONG_TYPE, &self.path_of(name), "must be an integer");
            return None;
        };
        rule.check(found, &self.path_of(name), number).then_some(number)
    }

    /// An integer out of a short list of meanings.
    pub(super) fn choice(
        &self,
        found: &mut Findings,
        name: &str,
        (required, choices): (bool, &[i64]),
    ) -> Option<i64> {
        let rule = Whole { required, min: i64::MIN, max: i64::MAX };
        let number = self.whole(found, name, rule)?;
        if choices.contains(&number) {
            return Some(number);
        }
        found.note(WRONG_VALUE, &self.path_of(name), &format!("must be one of {choices:?}"));
        None
    }

    /// A nested object. Whether it must be there is conditional nearly everywhere, so the code for
    /// its absence is the caller's.
    pub(super) fn object(
        &self,
        found: &mut Findings,
        name: &str,
        missing: Option<&'static str>,
    ) -> Option<Fields<'a>> {
        match self.raw(name) {
            Some(Value::Object(object)) => Some(Fields { path: self.path_of(name), object }),
            Some(_) => {
                found.note(WRONG_TYPE, &self.path_of(name), "must be an object");
                None
            }
            None => {
                if let Some(code) = missing {
                    found.note(code, &self.path_of(name), "must be given");
                }
                None
            }
        }
    }

    /// A list; an empty one counts as missing.
    pub(super) fn list(
        &self,
        found: &mut Findings,
        name: &str,
        required: bool,
    ) -> Option<&'a [Value]> {
        match self.raw(name) {
            Some(Value::Array(items)) if !items.is_empty() => Some(items),
            Some(Value::Array(_)) | None => {
                if required {
                    found.note(EMPTY, &self.path_of(name), "must be given");
                }
                None
            }
            Some(_) => {
                found.note(WRONG_TYPE, &self.path_of(name), "must be a list");
                None
            }
        }
    }

    /// A list of objects.
    pub(super) fn objects(
        &self,
        found: &mut Findings,
        name: &str,
        required: bool,
    ) -> Vec<Fields<'a>> {
        let items = self.list(found, name, required).unwrap_or_default();
        let mut objects = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let path = format!("{}[{index}]", self.path_of(name));
            match item {
                Value::Object(object) => objects.push(Fields { path, object }),
                _ => found.note(WRONG_TYPE, &path, "must be an object"),
            }
        }
        objects
    }

    /// `yyyy-MM-dd HH:mm:ss`; `code` is what a text in another form is answered with.
    pub(super) fn datetime(
        &self,
        found: &mut Findings,
        name: &str,
        (required, code): (bool, &'static str),
    ) -> Option<civil::DateTime> {
        let rule = if required { Text::required(64) } else { Text::optional(64) };
        let text = self.text(found, name, rule)?;
        let parsed = datetime(text);
        if parsed.is_none() {
            found.note(code, &self.path_of(name), "must be yyyy-MM-dd HH:mm:ss");
        }
        parsed
    }

    /// `HH:mm`, both parts needed.
    pub(super) fn clock_time(&self, found: &mut Findings, name: &str) -> Option<civil::Time> {
        let text = self.text(found, name, Text::optional(5))?;
        let path = self.path_of(name);
        let parts: Vec<&str> = text.split(':').collect();
        if parts.len() < 2 || parts.iter().any(|part| part.is_empty()) {
            found.note(HOUR_AND_MINUTE, &path, "hour and minute must both be given");
            return None;
        }
        if text.chars().count() < 5 {
            found.note(TOO_SHORT, &path, "must be HH:mm");
            return None;
        }
        let parsed = civil::Time::strptime("%H:%M", text).ok();
        if parsed.is_none() {
            found.note(WRONG_VALUE, &path, "must be HH:mm");
        }
        parsed
    }
}

impl Text {
    pub(super) fn required(max_chars: usize) -> Self {
        Self { required: true, max_chars, allowed: |_| true }
    }

    pub(super) fn optional(max_chars: usize) -> Self {
        Self { required: false, ..Self::required(max_chars) }
    }

    /// A telephone number, calling or called: at most 24 of `0–9 * #`.
    pub(super) fn number() -> Self {
        Self { allowed: is_number_char, ..Self::required(NUMBER_CHARS) }
    }

    pub(super) fn allowing(self, allowed: fn(char) -> bool) -> Self {
        Self { allowed, ..self }
    }

    /// Checks a text that was found elsewhere than in an object (a list item, a query parameter).
    pub(super) fn check(self, found: &mut Findings, path: &str, text: &str) -> bool {
        if !text.chars().all(self.allowed) {
            found.note(ILLEGAL_CHARACTERS, path, "has characters that are not allowed");
            return false;
        }
        if text.chars().count() > self.max_chars {
            let why = format!("at most {} characters", self.max_chars);
            found.note(TOO_LONG, path, &why);
            return false;
        }
        true
    }
}

impl Whole {
    pub(super) fn required(min: i64, max: i64) -> Self {
        Self { required: true, min, max }
    }

    pub(super) fn optional(min: i64, max: i64) -> Self {
        Self { required: false, min, max }
    }

    /// Positive, as far as the pages say anything (sub-tables were not seen: section 13).
    pub(super) fn positive() -> Self {
        Self::required(1, i64::from(i32::MAX))
    }

    pub(super) fn check(self, found: &mut Findings, path: &str, number: i64) -> bool {
        let fits = (self.min..=self.max).contains(&number);
        if !fits {
            let why = format!("must be from {} to {}", self.min, self.max);
            found.note(WRONG_VALUE, path, &why);
        }
        fits
    }
}

pub(super) fn is_number_char(c: char) -> bool {
    c.is_ascii_digit() || c == '*' || c == '#'
}

/// `yyyy-MM-dd HH:mm:ss`, nothing shorter or longer.
pub(super) fn datetime(text: &str) -> Option<civil::DateTime> {
    (text.len() == 19).then(|| civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()).flatten()
}

/// `yyyy-MM-dd`, nothing shorter or longer.
pub(super) fn date(text: &str) -> Option<civil::Date> {
    (text.len() == 10).then(|| civil::Date::strptime("%Y-%m-%d", text).ok()).flatten()
}

/// JSON inside a string, double-quoted or, as the vendor's sample has it, single-quoted.
pub(super) fn quoted_json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().or_else(|| serde_json::from_str(&text.replace('\'', "\"")).ok())
}

/// Place of a code in the documented order of checks.
fn rank(code: &str) -> u8 {
    match code {
        CONVERSION => 0,
        WRONG_TYPE => 1,
        EMPTY => 2,
        ILLEGAL_CHARACTERS => 3,
        TOO_LONG | TOO_SHORT | LENGTH_OUT_OF_RANGE | TOO_MANY => 4,
        COMBINATION | HOUR_AND_MINUTE => 6,
        // Values, and an operation's own code for a malformed one.
        _ => 5,
    }
}
