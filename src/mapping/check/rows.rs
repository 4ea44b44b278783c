//! Reading rows out of TOML so that every mistake is reported, not only the first.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::mapping::check::TableSource;
use crate::mapping::table::{DefaultValue, TableProblem};

/// Collects the mistakes of one file.
pub(super) struct Reader<'a> {
    source: &'a TableSource<'a>,
    pub problems: Vec<TableProblem>,
}

/// One `[[row]]`, or the top of a file.
pub(super) struct Row<'a> {
    table: &'a DeTable<'a>,
    pub line: usize,
}

impl<'t> Row<'t> {
    pub fn top(table: &'t DeTable<'t>) -> Self {
        Self { table, line: 1 }
    }

    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }
}

impl<'a> Reader<'a> {
    pub fn new(source: &'a TableSource<'a>) -> Self {
        Self { source, problems: Vec::new() }
    }

    pub fn problem(
        &mut self,
        line: usize,
        problem: impl Into<String>,
        expected: impl Into<String>,
    ) {
        self.problems.push(TableProblem {
            file: self.source.file.to_owned(),
            line,
            problem: problem.into(),
            expected: expected.into(),
        });
    }

    /// Parses the text; None when it is not TOML at all (then that is the problem).
    pub fn parse(&mut self) -> Option<Spanned<DeTable<'a>>> {
        let (table, errors) = DeTable::parse_recoverable(self.source.text);
        for error in &errors {
            let line = error.span().map_or(1, |span| self.line_of(&span));
            self.problem(line, error.message().to_owned(), "TOML");
        }
        errors.is_empty().then_some(table)
    }

    /// The rows of `[[name]]`.
    pub fn rows<'t>(&mut self, top: &Row<'t>, name: &str) -> Vec<Row<'t>> {
        let Some(value) = top.table.get(name) else { return Vec::new() };
        let line = self.line_of(&value.span());
        let Some(list) = value.get_ref().as_array() else {
            self.problem(line, format!("`{name}` is no list"), format!("rows headed [[{name}]]"));
            return Vec::new();
        };
        let mut rows = Vec::new();
        for element in list {
            let line = self.line_of(&element.span());
            match element.get_ref().as_table() {
                Some(table) => rows.push(Row { table, line }),
                None => self.problem(line, format!("`{name}` holds no row"), "a table"),
            }
        }
        rows
    }

    /// Reports the members of `row` that nobody reads.
    pub fn only(&mut self, row: &Row<'_>, known: &[&str]) {
        for (key, _) in row.table {
            if !known.contains(&key.get_ref().as_ref()) {
                let line = self.line_of(&key.span());
                let problem = format!("`{}` is not a member of this row", key.get_ref());
                self.problem(line, problem, format!("one of {}", known.join(", ")));
            }
        }
    }

    pub fn text(&mut self, row: &Row<'_>, key: &str) -> Option<String> {
        let value = row.table.get(key)?;
        let text = value.get_ref().as_str().map(str::to_owned);
        if text.is_none() {
            self.wrong_type(value, key, "a text");
        }
        text
    }

    pub fn required_text(&mut self, row: &Row<'_>, key: &str) -> Option<String> {
        if row.table.get(key).is_none() {
            self.problem(row.line, format!("`{key}` is missing"), format!("{key} = \"…\""));
        }
        self.text(row, key)
    }

    pub fn flag(&mut self, row: &Row<'_>, key: &str) -> Option<bool> {
        let value = row.table.get(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong_type(value, key, "true or false");
        }
        flag
    }

    pub fn texts(&mut self, row: &Row<'_>, key: &str) -> Vec<String> {
        self.list(row, key)
            .into_iter()
            .filter_map(|value| match value {
                DefaultValue::Text(text) => Some(text),
                DefaultValue::Integer(number) => {
                    let problem = format!("`{key}` holds the number {number}");
                    self.problem(row.line, problem, "texts");
                    None
                }
            })
            .collect()
    }

    /// A list of integers and texts.
    pub fn list(&mut self, row: &Row<'_>, key: &str) -> Vec<DefaultValue> {
        let Some(value) = row.table.get(key) else { return Vec::new() };
        let Some(list) = value.get_ref().as_array() else {
            self.wrong_type(value, key, "a list");
            return Vec::new();
        };
        list.iter().filter_map(|element| self.scalar_of(element, key)).collect()
    }

    pub fn scalar(&mut self, row: &Row<'_>, key: &str) -> Option<DefaultValue> {
        self.scalar_of(row.table.get(key)?, key)
    }

    /// A text that must be one of a few.
    pub fn one_of<T: Copy>(
        &mut self,
        row: &Row<'_>,
        key: &str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let value = row.table.get(key)?;
        let text = value.get_ref().as_str()?;
        let found = choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let line = self.line_of(&value.span());
            let problem = format!("`{key}` is \"{text}\"");
            self.problem(line, problem, format!("one of {}", names.join(", ")));
        }
        found
    }

    fn scalar_of(&mut self, value: &Spanned<DeValue<'_>>, key: &str) -> Option<DefaultValue> {
        let scalar = match value.get_ref() {
            DeValue::String(text) => Some(DefaultValue::Text(text.to_string())),
            DeValue::Integer(number) => {
                i64::from_str_radix(number.as_str(), number.radix()).ok().map(DefaultValue::Integer)
            }
            _ => None,
        };
        if scalar.is_none() {
            self.wrong_type(value, key, "a text or an integer");
        }
        scalar
    }

    fn wrong_type(&mut self, value: &Spanned<DeValue<'_>>, key: &str, expected: &str) {
        let line = self.line_of(&value.span());
        let problem = format!("`{key}` is of type {}", value.get_ref().type_str());
        self.problem(line, problem, expected);
    }

    fn line_of(&self, span: &Range<usize>) -> usize {
        1 + self.source.text.get(..span.start).unwrap_or_default().matches('\n').count()
    }
}
