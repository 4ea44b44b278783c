//! Reading what a client sent, in the order of reference 15.2: type, presence, characters, length,
//! value. The first broken rule is answered with its code and the parameter's name.

use std::borrow::Cow;

use actix_web::HttpRequest;
use serde_json::{Map, Value};

use crate::domain::ids::{CampaignNumber, PublicPair, VdnId};
use crate::http::isales_api::error::{
    BAD_CHARACTERS, BrokenRule, EMPTY, TOO_LONG, UNREADABLE, WRONG_TYPE, WRONG_VALUE,
};

type Checked<T> = Result<T, BrokenRule>;

/// A request's parameters by name, whether they came in the query or in the body.
pub struct Fields {
    values: Map<String, Value>,
    /// Where they stand in the body; empty outside of any object or list.
    path: String,
    /// A query has nothing but texts. In a body an integer is a JSON number.
    are_texts: bool,
}

impl Fields {
    /// The query's parameters, decoded; of repeated ones the last.
    pub fn of_query(request: &HttpRequest) -> Self {
        let values = url::form_urlencoded::parse(request.query_string().as_bytes())
            .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
            .collect();
        Self { values, path: String::new(), are_texts: true }
    }

    /// The body's members; an empty body has none.
    pub fn of_body(body: &[u8]) -> Checked<Self> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::of_object(Map::new(), String::new()));
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(values)) => Ok(Self::of_object(values, String::new())),
            Ok(_) => Err(BrokenRule::new(WRONG_TYPE, "body", "a JSON object is expected")),
            Err(_) => Err(BrokenRule::new(UNREADABLE, "body", "it is not JSON")),
        }
    }

    fn of_object(values: Map<String, Value>, path: String) -> Self {
        Self { values, path, are_texts: false }
    }

    /// The members of an element of one of these fields' lists.
    pub fn of_element(&self, value: Value, (list, place): (&str, usize)) -> Checked<Self> {
        let path = format!("{}[{place}]", self.path_of(list));
        match value {
            Value::Object(values) => Ok(Self::of_object(values, path)),
            _ => Err(BrokenRule::new(WRONG_TYPE, &path, "it must be an object")),
        }
    }

    pub fn into_inner(self) -> Map<String, Value> {
        self.values
    }

    /// The member as refusals name it.
    pub fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub fn broken(&self, code: &'static str, name: &str, rule: &str) -> BrokenRule {
        BrokenRule::new(code, &self.path_of(name), rule)
    }

    pub fn missing(&self, name: &str) -> BrokenRule {
        self.broken(EMPTY, name, "it must be given")
    }

    /// Whether the member says anything. Null and `""` do not.
    pub fn has(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|value| !value.is_null() && value != "")
    }

    /// The names of the members.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// A text of at most `max` characters; a number counts as text. Absent, null and `""` are None.
    pub fn text(&self, name: &str, max: usize) -> Checked<Option<Cow<'_, str>>> {
        let text: Cow<'_, str> = match self.values.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => Cow::Borrowed(text),
            Some(Value::Number(number)) => Cow::Owned(number.to_string()),
            Some(_) => return Err(self.broken(WRONG_TYPE, name, "a text is expected")),
        };
        if text.is_empty() {
            return Ok(None);
        }
        if text.chars().count() > max {
            let rule = format!("at most {max} characters are allowed");
            return Err(self.broken(TOO_LONG, name, &rule));
        }
        Ok(Some(text))
    }

    /// An integer. Absent and null are None, and so is `""` in a query.
    pub fn integer(&self, name: &str) -> Checked<Option<i64>> {
        match self.values.get(name) {
            Some(Value::String(_)) if !self.are_texts => {
                Err(self.broken(WRONG_TYPE, name, "an integer is expected, and no text"))
            }
            _ => self.integer_or_text(name),
        }
    }

    /// An integer that the platform's own pages declare as a text.
    fn integer_or_text(&self, name: &str) -> Checked<Option<i64>> {
        let text = match self.values.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) if text.is_empty() => return Ok(None),
            Some(Value::String(text)) => Cow::Borrowed(text.as_str()),
            Some(Value::Number(number)) => Cow::Owned(number.to_string()),
            Some(_) => return Err(self.broken(WRONG_TYPE, name, "an integer is expected")),
        };
        parse_integer(&self.path_of(name), &text).map(Some)
    }

    /// An integer that must be given and be one of `allowed`.
    pub fn one_of(&self, name: &str, allowed: &[i64]) -> Checked<i64> {
        let value = self.integer(name)?.ok_or_else(|| self.missing(name))?;
        if allowed.contains(&value) {
            Ok(value)
        } else {
            Err(self.broken(WRONG_VALUE, name, &format!("one of {allowed:?} is expected")))
        }
    }

    /// An integer between two bounds, both allowed.
    pub fn within(&self, name: &str, bounds: (i64, i64)) -> Checked<Option<i64>> {
        self.bounded(name, self.integer(name)?, bounds)
    }

    /// The same of an integer that the platform's own pages declare as a text.
    pub fn text_within(&self, name: &str, bounds: (i64, i64)) -> Checked<Option<i64>> {
        self.bounded(name, self.integer_or_text(name)?, bounds)
    }

    /// The same of an integer that must be given.
    pub fn required_within(&self, name: &str, bounds: (i64, i64)) -> Checked<i64> {
        self.within(name, bounds)?.ok_or_else(|| self.missing(name))
    }

    fn bounded(
        &self,
        name: &str,
        value: Option<i64>,
        (least, most): (i64, i64),
    ) -> Checked<Option<i64>> {
        if value.is_some_and(|value| value < least || value > most) {
            let rule = format!("an integer from {least} to {most} is expected");
            return Err(self.broken(WRONG_VALUE, name, &rule));
        }
        Ok(value)
    }

    /// The member as it came.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// An object. Absent and null are None.
    pub fn object(&self, name: &str) -> Checked<Option<Fields>> {
        match self.values.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(values)) => {
                Ok(Some(Self::of_object(values.clone(), self.path_of(name))))
            }
            Some(_) => Err(self.broken(WRONG_TYPE, name, "an object is expected")),
        }
    }

    /// The elements of a list that must be given and have one.
    pub fn elements(&self, name: &str) -> Checked<&[Value]> {
        match self.values.get(name) {
            Some(Value::Array(list)) if !list.is_empty() => Ok(list),
            None | Some(Value::Null | Value::Array(_)) => Err(self.missing(name)),
            Some(_) => Err(self.broken(WRONG_TYPE, name, "a list is expected")),
        }
    }

    /// A list that must be given and have an element.
    pub fn list(&mut self, name: &str) -> Checked<Vec<Value>> {
        match self.values.remove(name) {
            None | Some(Value::Null) => Err(self.missing(name)),
            Some(Value::Array(list)) if list.is_empty() => Err(self.missing(name)),
            Some(Value::Array(list)) => Ok(list),
            Some(_) => Err(self.broken(WRONG_TYPE, name, "a list is expected")),
        }
    }
}

/// A dialled number: at most 24 of `0-9 * #` (reference 4.1).
pub fn check_number(name: &str, number: &str) -> Checked<()> {
    if !number.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#') {
        return Err(BrokenRule::new(BAD_CHARACTERS, name, "only 0-9, * and # are allowed"));
    }
    if number.len() > MAX_NUMBER_LENGTH {
        return Err(BrokenRule::new(TOO_LONG, name, "at most 24 characters are allowed"));
    }
    Ok(())
}

/// Longest number in any request (reference 4.1).
pub const MAX_NUMBER_LENGTH: usize = 24;

/// `vdnId` of the path: 1–9999 (reference 1).
pub fn vdn(request: &HttpRequest) -> Checked<VdnId> {
    let value = parse_integer("vdnId", request.match_info().query("vdn"))?;
    VdnId::new(value).map_err(|invalid| BrokenRule::new(WRONG_VALUE, "vdnId", invalid.rule))
}

/// `vdnId` and `campaignId` of the path.
pub fn pair(request: &HttpRequest) -> Checked<PublicPair> {
    let vdn = vdn(request)?;
    let value = parse_integer("campaignId", request.match_info().query("campaign"))?;
    let number = CampaignNumber::new(value)
        .map_err(|invalid| BrokenRule::new(WRONG_VALUE, "campaignId", invalid.rule))?;
    Ok(PublicPair { vdn, number })
}

/// Digits beyond 64 bits are an integer too, and out of any range.
fn parse_integer(name: &str, text: &str) -> Checked<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(BrokenRule::new(WRONG_TYPE, name, "an integer is expected"));
    }
    text.parse().map_err(|_| BrokenRule::new(WRONG_VALUE, name, "the integer is out of range"))
}
