//! The tables in `mappings/`: loaded and checked once, then looked up.
//!
//! A table says, for one platform and one kind of document, what every field is (`[[field]]`), what
//! every code means (`[[code]]` in a `[[set]]`) and where documents sit in an answer. Tables of two
//! platforms meet on the domain path, so there is one table per platform and kind and none per pair.
//! `mappings/README.md` is the format.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use crate::mapping::check::{self, TableSource};
use crate::mapping::engine::{Outcome, path};

/// All tables, by platform and kind.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    tables: Vec<Table>,
    version: String,
}

/// What a document describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Campaign,
    Contact,
    Call,
}

/// One file of `mappings/`.
#[derive(Debug, Clone, Default)]
pub struct Table {
    pub platform: String,
    pub kind: Option<Kind>,
    /// Member that a document of several objects keeps its main object in; a document without that
    /// member is taken to be the main object alone.
    pub wrap: Option<String>,
    /// Where documents sit in an answer: `returnObject`, or `data[]` for a list of them.
    pub envelopes: Vec<Envelope>,
    pub fields: Vec<FieldRow>,
    pub sets: Vec<CodeSet>,
    pub(super) by_path: HashMap<String, usize>,
    pub(super) by_domain: HashMap<String, Vec<usize>>,
    pub(super) set_by_name: HashMap<String, usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub member: String,
    pub is_list: bool,
}

/// What one field is.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldRow {
    /// In the document, `[]` for each element of a list, `.*` for everything below.
    pub path: String,
    pub holds: Holds,
    /// Where it goes in the domain; a field without it never leaves its platform.
    pub domain: Option<String>,
    pub outcome: Outcome,
    /// Instead of `outcome`, when the other platform has no field for the domain path.
    pub without: Option<Outcome>,
    /// Its loss lets more people, numbers, hours or tries be called than the document allows. Stated by
    /// each row that can be lost.
    pub widens: bool,
    /// Understood when it comes, but never written.
    pub is_read_only: bool,
    /// Name of the set that its values belong to.
    pub codes: Option<String>,
    /// Written when the domain says nothing.
    pub default: Option<DefaultValue>,
    /// Valid values, for generated documents and for the reader.
    pub examples: Vec<DefaultValue>,
    /// Where the vendor says so: number in the seed document, page, section of the reference.
    pub source: Option<String>,
    pub note: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultValue {
    Integer(i64),
    Text(String),
}

/// What JSON a field may hold besides null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// A text.
    String,
    /// An integer of 64 bits.
    Number,
    /// A text, or a number read as text.
    Text,
    /// An integer of 64 bits, or a text that is one.
    Integer,
    /// An identifier: a text or an integer of any size.
    Id,
    Object,
    List,
    /// A text, a number read as text, or a list.
    TextOrList,
    /// Anything; the note says what.
    Any,
}

/// Codes that belong together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CodeSet {
    pub name: String,
    /// The domain's list of terms that these codes stand for; None when the codes have no meaning
    /// outside their platform.
    pub terms: Option<String>,
    /// Values outside the set are the customer's own and no surprise.
    pub is_open: bool,
    pub note: String,
    pub codes: Vec<Code>,
    pub(super) fallback: Option<usize>,
    pub(super) by_native: HashMap<String, usize>,
    pub(super) by_number: HashMap<i64, usize>,
    pub(super) by_term: HashMap<String, (usize, bool)>,
}

/// One value of a set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Code {
    pub native: String,
    pub term: Option<String>,
    /// Further terms that this code is the nearest thing for.
    pub also: Vec<String>,
    /// Understood, but never written: another code of the set is, for the same term.
    pub is_read_only: bool,
    /// What becomes of a field with this value, when it is worse than what the field's row says.
    pub outcome: Option<Outcome>,
    /// As [`FieldRow::widens`], for this value, and for the terms in `also`.
    pub widens: bool,
    pub flags: Option<CodeFlags>,
    pub note: String,
    pub(super) number: Option<i64>,
}

/// The four flags and the finality of a disposition (design 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeFlags {
    pub live_person: bool,
    pub number_reusable: bool,
    pub contact_reusable: bool,
    pub counts_as_attempt: bool,
    pub is_final: bool,
}

/// How a set says a term.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    pub code: &'a Code,
    pub precision: Precision,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    Exact,
    /// The nearest thing.
    Near,
    /// The set's fallback: the term itself cannot be said.
    Fallback,
}

/// A mistake in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableProblem {
    pub file: String,
    /// From 1; 0 when the mistake is the file's.
    pub line: usize,
    pub problem: String,
    pub expected: String,
}

const EMBEDDED: [TableSource<'static>; 6] = [
    embedded("voipbin/campaign.toml", include_str!("../../mappings/voipbin/campaign.toml")),
    embedded("voipbin/contact.toml", include_str!("../../mappings/voipbin/contact.toml")),
    embedded("voipbin/call.toml", include_str!("../../mappings/voipbin/call.toml")),
    embedded("isales/campaign.toml", include_str!("../../mappings/isales/campaign.toml")),
    embedded("isales/contact.toml", include_str!("../../mappings/isales/contact.toml")),
    embedded("isales/call.toml", include_str!("../../mappings/isales/call.toml")),
];

const DOMAIN: TableSource<'static> =
    embedded("domain.toml", include_str!("../../mappings/domain.toml"));

const fn embedded(file: &'static str, text: &'static str) -> TableSource<'static> {
    TableSource { file, text }
}

impl Tables {
    /// The tables that the program was built with.
    ///
    /// # Errors
    /// All mistakes in them (which a test of ours would have found before).
    pub fn embedded() -> Result<Self, Vec<TableProblem>> {
        Self::from_sources(&DOMAIN, &EMBEDDED, &[])
    }

    /// The embedded tables with an operator's rows in place of those they name. Files have the same
    /// names as ours below `directory`; each may hold `[[field]]` rows (path and default) and
    /// `[[code]]` rows.
    ///
    /// # Errors
    /// All mistakes in those files, and files that cannot be read.
    pub fn with_overlay(directory: &Path) -> Result<Self, Vec<TableProblem>> {
        let files = check::read_overlay(directory, &EMBEDDED.map(|source| source.file))?;
        let overlays: Vec<TableSource<'_>> =
            files.iter().map(|(file, text)| TableSource { file, text }).collect();
        Self::from_sources(&DOMAIN, &EMBEDDED, &overlays)
    }

    /// Tables from texts: the domain's words, the tables, and overlays on them.
    ///
    /// # Errors
    /// All mistakes in all of them.
    pub fn from_sources(
        domain: &TableSource<'_>,
        sources: &[TableSource<'_>],
        overlays: &[TableSource<'_>],
    ) -> Result<Self, Vec<TableProblem>> {
        let tables = check::load(domain, sources, overlays)?;
        let mut digest = Sha256::new();
        for source in std::iter::once(domain).chain(sources).chain(overlays) {
            digest.update(source.text.as_bytes());
            digest.update([0]);
        }
        let version = const_hex::encode(&digest.finalize()[..6]);
        Ok(Self { tables, version })
    }

    /// Changes whenever a row changes.
    pub fn version(&self) -> &str {
        &self.version
    }

    pub fn iter(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter()
    }

    /// The table of a platform and kind; an empty one when there is none.
    pub fn get(&self, platform: &str, kind: Kind) -> &Table {
        static EMPTY: LazyLock<Table> = LazyLock::new(Table::default);
        self.tables
            .iter()
            .find(|table| table.kind == Some(kind) && table.platform == platform)
            .unwrap_or(&EMPTY)
    }
}

impl Table {
    /// The row for a path such as `callerNo[].accessCode`: its own, or the nearest `.*` above it.
    pub fn field(&self, path: &str) -> Option<&FieldRow> {
        if let Some(row) = self.by_path.get(path) {
            return self.fields.get(*row);
        }
        let mut above = path;
        while let Some((parent, _)) = above.rsplit_once('.') {
            if let Some(row) = self.by_path.get(&format!("{parent}.*")) {
                return self.fields.get(*row);
            }
            above = parent;
        }
        None
    }

    /// True when rows exist below the path.
    pub fn is_container(&self, path: &str) -> bool {
        self.fields
            .iter()
            .any(|row| row.path.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '['])))
    }

    /// The rows for a domain path: those for exactly this element, or those for every element.
    pub fn fields_for(&self, domain: &str) -> impl Iterator<Item = &FieldRow> {
        let pattern = || self.by_domain.get(&path::without_indexes(domain));
        let rows = self.by_domain.get(domain).or_else(pattern);
        rows.into_iter().flatten().filter_map(|row| self.fields.get(*row))
    }

    pub fn set(&self, name: &str) -> Option<&CodeSet> {
        self.set_by_name.get(name).and_then(|set| self.sets.get(*set))
    }

    /// What a code means, by the set's name.
    pub fn term(&self, set: &str, native: &str) -> Option<&str> {
        self.set(set)?.code(native)?.term.as_deref()
    }

    /// How a set says a term: exactly, nearly, or by its fallback.
    pub fn say(&self, set: &str, term: &str) -> Option<Said<'_>> {
        self.set(set)?.say(term)
    }

    pub fn default_integer(&self, path: &str) -> Option<i64> {
        match self.field(path)?.default {
            Some(DefaultValue::Integer(value)) => Some(value),
            _ => None,
        }
    }

    pub fn default_text(&self, path: &str) -> Option<&str> {
        match &self.field(path)?.default {
            Some(DefaultValue::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Builds the indexes after all rows are in place.
    pub(crate) fn index(&mut self) {
        self.by_path = index_of(&self.fields, |row| row.path.clone());
        self.set_by_name = index_of(&self.sets, |set| set.name.clone());
        self.by_domain = HashMap::new();
        for (at, row) in self.fields.iter().enumerate() {
            if let Some(domain) = &row.domain
                && !row.is_read_only
            {
                self.by_domain.entry(domain.clone()).or_default().push(at);
            }
        }
    }
}

impl CodeSet {
    pub fn code(&self, native: &str) -> Option<&Code> {
        self.by_native.get(native).and_then(|code| self.codes.get(*code))
    }

    /// As [`CodeSet::code`], for codes that are numbers.
    pub fn code_number(&self, native: i64) -> Option<&Code> {
        self.by_number.get(&native).and_then(|code| self.codes.get(*code))
    }

    pub fn say(&self, term: &str) -> Option<Said<'_>> {
        if let Some((code, is_exact)) = self.by_term.get(term) {
            let precision = if *is_exact { Precision::Exact } else { Precision::Near };
            return self.codes.get(*code).map(|code| Said { code, precision });
        }
        let code = self.codes.get(self.fallback?)?;
        Some(Said { code, precision: Precision::Fallback })
    }

    pub fn fallback(&self) -> Option<&Code> {
        self.codes.get(self.fallback?)
    }

    /// Builds the indexes after all codes are in place.
    pub(crate) fn index(&mut self, fallback: Option<&str>) {
        for code in &mut self.codes {
            code.number = code.native.parse().ok();
        }
        self.by_native = index_of(&self.codes, |code| code.native.clone());
        self.by_number = self
            .codes
            .iter()
            .enumerate()
            .filter_map(|(at, code)| code.number.map(|number| (number, at)))
            .collect();
        self.by_term = HashMap::new();
        for (at, code) in self.codes.iter().enumerate().filter(|(_, code)| !code.is_read_only) {
            if let Some(term) = &code.term {
                self.by_term.insert(term.clone(), (at, true));
            }
        }
        for (at, code) in self.codes.iter().enumerate() {
            for term in &code.also {
                self.by_term.entry(term.clone()).or_insert((at, false));
            }
        }
        if let Some(native) = fallback {
            self.fallback = self.by_native.get(native).copied();
        }
    }

    pub(crate) fn fallback_native(&self) -> Option<String> {
        self.fallback().map(|code| code.native.clone())
    }
}

impl Code {
    /// The code as a number, where it is one.
    pub fn number(&self) -> Option<i64> {
        self.number
    }
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Campaign, Kind::Contact, Kind::Call];

    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Campaign => "campaign",
            Kind::Contact => "contact",
            Kind::Call => "call",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl Holds {
    pub const ALL: [Holds; 9] = [
        Holds::String,
        Holds::Number,
        Holds::Text,
        Holds::Integer,
        Holds::Id,
        Holds::Object,
        Holds::List,
        Holds::TextOrList,
        Holds::Any,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Holds::String => "string",
            Holds::Number => "number",
            Holds::Text => "text",
            Holds::Integer => "integer",
            Holds::Id => "id",
            Holds::Object => "object",
            Holds::List => "list",
            Holds::TextOrList => "text-or-list",
            Holds::Any => "any",
        }
    }
}

impl fmt::Display for DefaultValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DefaultValue::Integer(value) => value.fmt(f),
            DefaultValue::Text(text) => write!(f, "\"{text}\""),
        }
    }
}

impl fmt::Display for TableProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; expected {}", self.file, self.line, self.problem, self.expected)
    }
}

fn index_of<T>(rows: &[T], key: impl Fn(&T) -> String) -> HashMap<String, usize> {
    rows.iter().enumerate().map(|(at, row)| (key(row), at)).collect()
}
