//! Reads one TOML table member by member and collects every mistake instead of stopping at the first.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::{Range, RangeInclusive};
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::decoding;

/// A mistake in a settings file: where, what was expected, what was found. Never a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file as the user named it, or the environment variable.
    pub source: String,
    /// 1-based; None when the mistake has no line (an environment variable, a whole file).
    pub line: Option<usize>,
    pub message: String,
}

/// Where text and overriding variables come from, and where mistakes go.
pub struct Reader<'a> {
    pub file: &'a str,
    pub text: &'a str,
    /// The environment, or a test's stand-in for it.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    pub mistakes: Vec<Mistake>,
}

/// A table being read. Members that nobody asked for are mistakes.
pub struct Section<'t> {
    /// Dotted, such as `listeners.facades`; names the overriding variables.
    path: String,
    table: Option<&'t DeTable<'t>>,
    span: Range<usize>,
    asked: BTreeSet<String>,
}

/// A value and where it stands, so that later checks can point at it.
#[derive(Debug, Clone)]
pub struct At<T> {
    pub value: T,
    pub place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Span(Range<usize>),
    Variable(String),
}

impl Reader<'_> {
    pub fn mistake(&mut self, place: &Place, message: impl Into<String>) {
        let (source, line) = match place {
            Place::Span(span) => (self.file.to_owned(), Some(line_of(self.text, span.start))),
            Place::Variable(name) => (name.clone(), None),
        };
        self.mistakes.push(Mistake { source, line, message: message.into() });
    }

    /// A sub-table; when it is absent, its members may still come from the environment.
    pub fn section<'t>(&mut self, parent: &mut Section<'t>, key: &str) -> Section<'t> {
        let path = parent.member_path(key);
        let found = parent.take(key);
        let (table, span) = match found.map(|value| (value.get_ref(), value.span())) {
            None => (None, parent.span.clone()),
            Some((DeValue::Table(table), span)) => (Some(table), span),
            Some((other, span)) => {
                let message = format!("{path}: expected a table, found {}", kind(other));
                self.mistake(&Place::Span(span.clone()), message);
                (None, span)
            }
        };
        Section { path, table, span, asked: BTreeSet::new() }
    }

    /// The tables of `[[key]]`, each with `name_key`'s value in its path when it has one.
    pub fn sections<'t>(
        &mut self,
        parent: &mut Section<'t>,
        key: &str,
        name_key: &str,
    ) -> Vec<Section<'t>> {
        let path = parent.member_path(key);
        let Some(value) = parent.take(key) else { return Vec::new() };
        let DeValue::Array(rows) = value.get_ref() else {
            let message =
                format!("{path}: expected [[{path}]] tables, found {}", kind(value.get_ref()));
            self.mistake(&Place::Span(value.span()), message);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for row in rows {
            if let DeValue::Table(table) = row.get_ref() {
                let name = table.get(name_key).and_then(|v| v.get_ref().as_str()).unwrap_or("?");
                sections.push(Section {
                    path: format!("{path}.{name}"),
                    table: Some(table),
                    span: row.span(),
                    asked: BTreeSet::new(),
                });
            } else {
                let message = format!("{path}: expected a table, found {}", kind(row.get_ref()));
                self.mistake(&Place::Span(row.span()), message);
            }
        }
        sections
    }

    pub fn text(&mut self, section: &mut Section<'_>, key: &str) -> Option<At<String>> {
        if let Some(at) = self.overridden(section, key) {
            return Some(at);
        }
        let value = section.take(key)?;
        let place = Place::Span(value.span());
        match value.get_ref() {
            DeValue::String(text) => Some(At { value: text.clone().into_owned(), place }),
            other => {
                let message =
                    format!("{}: expected a text, found {}", section.member_path(key), kind(other));
                self.mistake(&place, message);
                None
            }
        }
    }

    /// A text that must be there; its absence is a mistake.
    pub fn required_text(
        &mut self,
        section: &mut Section<'_>,
        key: &str,
        expected: &str,
    ) -> Option<At<String>> {
        let before = self.mistakes.len();
        let found = self.text(section, key);
        if found.is_none() && self.mistakes.len() == before {
            self.missing(section, key, expected);
        }
        found
    }

    pub fn missing(&mut self, section: &Section<'_>, key: &str, expected: &str) {
        let message = format!("{}: missing; expected {expected}", section.member_path(key));
        self.mistake(&section.place(), message);
    }

    pub fn integer(
        &mut self,
        section: &mut Section<'_>,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Option<At<u64>> {
        let path = section.member_path(key);
        let (place, number, found) = if let Some(at) = self.overridden(section, key) {
            let number = at.value.trim().parse().ok();
            (at.place, number, format!("{:?}", at.value))
        } else {
            let value = section.take(key)?;
            let number = value
                .get_ref()
                .as_integer()
                .and_then(|n| u64::from_str_radix(n.as_str(), n.radix()).ok());
            let found = match value.get_ref() {
                DeValue::Integer(n) => n.to_string(),
                other => kind(other).to_owned(),
            };
            (Place::Span(value.span()), number, found)
        };
        match number {
            Some(value) if range.contains(&value) => Some(At { value, place }),
            _ => {
                let (low, high) = range.into_inner();
                self.mistake(
                    &place,
                    format!("{path}: expected an integer from {low} to {high}, found {found}"),
                );
                None
            }
        }
    }

    pub fn boolean(&mut self, section: &mut Section<'_>, key: &str) -> Option<bool> {
        let path = section.member_path(key);
        if let Some(at) = self.overridden(section, key) {
            let parsed = at.value.parse().ok();
            if parsed.is_none() {
                self.mistake(&at.place, format!("{path}: expected true or false"));
            }
            return parsed;
        }
        let value = section.take(key)?;
        let parsed = value.get_ref().as_bool();
        if parsed.is_none() {
            let message =
                format!("{path}: expected true or false, found {}", kind(value.get_ref()));
            self.mistake(&Place::Span(value.span()), message);
        }
        parsed
    }

    /// One of a few words.
    pub fn choice<T: Copy>(
        &mut self,
        section: &mut Section<'_>,
        key: &str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let at = self.text(section, key)?;
        let found = choices.iter().find(|(word, _)| *word == at.value).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let message = format!(
                "{}: expected one of {}, found {:?}",
                section.member_path(key),
                words.join(", "),
                at.value
            );
            self.mistake(&at.place, message);
        }
        found
    }

    pub fn texts(&mut self, section: &mut Section<'_>, key: &str) -> Option<Vec<At<String>>> {
        let path = section.member_path(key);
        let value = section.take(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            let message =
                format!("{path}: expected a list of texts, found {}", kind(value.get_ref()));
            self.mistake(&Place::Span(value.span()), message);
            return None;
        };
        let mut texts = Vec::new();
        for item in items {
            match item.get_ref() {
                DeValue::String(text) => {
                    texts.push(At {
                        value: text.clone().into_owned(),
                        place: Place::Span(item.span()),
                    });
                }
                other => {
                    let message = format!("{path}: expected a text, found {}", kind(other));
                    self.mistake(&Place::Span(item.span()), message);
                }
            }
        }
        Some(texts)
    }

    pub fn integers(&mut self, section: &mut Section<'_>, key: &str) -> Option<Vec<At<i64>>> {
        let path = section.member_path(key);
        let value = section.take(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            let message =
                format!("{path}: expected a list of integers, found {}", kind(value.get_ref()));
            self.mistake(&Place::Span(value.span()), message);
            return None;
        };
        let mut integers = Vec::new();
        for item in items {
            let number = item
                .get_ref()
                .as_integer()
                .and_then(|n| i64::from_str_radix(n.as_str(), n.radix()).ok());
            if let Some(value) = number {
                integers.push(At { value, place: Place::Span(item.span()) });
            } else {
                let message =
                    format!("{path}: expected an integer, found {}", kind(item.get_ref()));
                self.mistake(&Place::Span(item.span()), message);
            }
        }
        Some(integers)
    }

    /// Ends the reading of a table: what nobody asked for is a mistake.
    pub fn finish(&mut self, section: &Section<'_>) {
        let Some(table) = section.table else { return };
        for (key, _) in table {
            if !section.asked.contains(key.get_ref().as_ref()) {
                let known: Vec<&str> = section.asked.iter().map(String::as_str).collect();
                let message = format!(
                    "{}: unknown setting; expected one of {}",
                    section.member_path(key.get_ref()),
                    known.join(", ")
                );
                self.mistake(&Place::Span(key.span()), message);
            }
        }
    }

    fn overridden(&mut self, section: &mut Section<'_>, key: &str) -> Option<At<String>> {
        let name = variable_name(&section.member_path(key));
        let value = (self.variable)(&name)?;
        section.asked.insert(key.to_owned());
        Some(At { value, place: Place::Variable(name) })
    }
}

impl<'t> Section<'t> {
    pub fn root(table: &'t Spanned<DeTable<'t>>) -> Self {
        Self {
            path: String::new(),
            table: Some(table.get_ref()),
            span: 0..0,
            asked: BTreeSet::new(),
        }
    }

    pub fn place(&self) -> Place {
        Place::Span(self.span.clone())
    }

    /// Whether the file says nothing about `key`.
    pub fn lacks(&self, key: &str) -> bool {
        self.table.is_none_or(|table| table.get(key).is_none())
    }

    /// Nothing in here is judged any more.
    pub fn ignore_the_rest(&mut self) {
        let keys = self.table.into_iter().flatten().map(|(key, _)| key.get_ref().to_string());
        self.asked.extend(keys);
    }

    pub fn is_present(&self) -> bool {
        self.table.is_some()
    }

    fn member_path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn take(&mut self, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.asked.insert(key.to_owned());
        self.table?.get(key)
    }
}

/// `ledger.url` is overridden by `DIALBRIDGE_LEDGER_URL`, a member of the account `acme-hw` by
/// `DIALBRIDGE_ACCOUNTS_ACME_HW_…`.
pub fn variable_name(path: &str) -> String {
    let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("DIALBRIDGE_{}", path.chars().map(upper).collect::<String>())
}

/// Reads a file of at most `limit_bytes`, also one that does not say how long it is, without the byte
/// order mark that some editors put before it.
///
/// # Errors
/// The file cannot be read, is not UTF-8, or is larger.
pub fn read_limited(path: &Path, limit_bytes: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit_bytes + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit_bytes {
        return Err(io::Error::other(format!("expected at most {limit_bytes} bytes")));
    }
    decoding::file_text(bytes).ok_or_else(|| io::Error::other("expected UTF-8"))
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes().iter().take(offset).filter(|b| **b == b'\n').count()
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.source, self.message),
            None => write!(f, "{}: {}", self.source, self.message),
        }
    }
}
