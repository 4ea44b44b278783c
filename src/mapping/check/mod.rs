//! Mistakes in tables: file, line, what was expected, all at once.
//!
//! Reading is checking: a table that loads has no duplicate rows, names only domain paths and terms
//! that exist, and can say every term of its sets.

mod rows;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use crate::decoding;
use crate::mapping::check::rows::{Reader, Row};
use crate::mapping::engine::Outcome;
use crate::mapping::engine::path::without_indexes;
use crate::mapping::table::{
    Code, CodeFlags, CodeSet, Envelope, FieldRow, Holds, Kind, Precision, Table, TableProblem,
};

/// Larger overlay files are refused.
const OVERLAY_LIMIT_BYTES: u64 = 1024 * 1024;

/// The text of a table and the name it is reported under.
#[derive(Debug, Clone, Copy)]
pub struct TableSource<'a> {
    pub file: &'a str,
    pub text: &'a str,
}

/// The words that tables meet on: `mappings/domain.toml`.
#[derive(Debug, Default)]
struct DomainWords {
    paths: HashMap<Kind, Vec<String>>,
    terms: BTreeMap<String, Vec<String>>,
}

/// Where each row stands, to report two that clash.
#[derive(Debug, Default)]
struct Lines {
    fields: HashMap<String, usize>,
    codes: HashMap<(String, String), usize>,
    sets: HashMap<String, usize>,
}

const FIELD_KEYS: [&str; 12] = [
    "path",
    "holds",
    "domain",
    "outcome",
    "without",
    "widens",
    "read_only",
    "codes",
    "default",
    "examples",
    "source",
    "note",
];
const CODE_KEYS: [&str; 13] = [
    "set",
    "native",
    "term",
    "also",
    "read_only",
    "outcome",
    "widens",
    "note",
    "live_person",
    "number_reusable",
    "contact_reusable",
    "counts_as_attempt",
    "is_final",
];
const SET_KEYS: [&str; 5] = ["name", "terms", "fallback", "open", "note"];
/// The set of dispositions: its codes state the four flags and the finality.
const DISPOSITION: &str = "disposition";

/// The files of an overlay directory, by the names of ours.
pub(super) fn read_overlay(
    directory: &Path,
    known: &[&str],
) -> Result<Vec<(String, String)>, Vec<TableProblem>> {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    if !directory.is_dir() {
        problems.push(file_problem(directory, "not a directory", "a directory with tables"));
    }
    for name in known {
        let path = directory.join(name);
        let Ok(data) = fs::metadata(&path) else { continue };
        if data.len() > OVERLAY_LIMIT_BYTES {
            problems.push(file_problem(&path, "larger than 1 MiB", "a table"));
            continue;
        }
        match fs::read(&path).map(decoding::file_text) {
            Ok(None) => problems.push(file_problem(&path, "not UTF-8", "a text file")),
            Ok(Some(text)) => files.push((path.display().to_string(), text)),
            Err(error) => problems.push(file_problem(&path, &error.to_string(), "a text file")),
        }
    }
    let folders: BTreeSet<&Path> = known.iter().filter_map(|n| Path::new(n).parent()).collect();
    let found: usize = folders
        .iter()
        .filter_map(|folder| fs::read_dir(directory.join(folder)).ok())
        .map(|entries| entries.filter_map(Result::ok).filter(is_toml).count())
        .sum();
    if problems.is_empty() && found != files.len() {
        problems.push(file_problem(directory, "a table of another name", &known.join(", ")));
    }
    if problems.is_empty() && files.is_empty() {
        problems.push(file_problem(directory, "holds no tables", &known.join(", ")));
    }
    if problems.is_empty() { Ok(files) } else { Err(problems) }
}

fn file_problem(file: &Path, problem: &str, expected: &str) -> TableProblem {
    TableProblem {
        file: file.display().to_string(),
        line: 0,
        problem: problem.to_owned(),
        expected: expected.to_owned(),
    }
}

fn is_toml(entry: &fs::DirEntry) -> bool {
    entry.path().extension().is_some_and(|extension| extension == "toml")
}

/// Reads everything, and reports everything that is wrong with it.
pub(super) fn load(
    domain: &TableSource<'_>,
    sources: &[TableSource<'_>],
    overlays: &[TableSource<'_>],
) -> Result<Vec<Table>, Vec<TableProblem>> {
    let mut problems = Vec::new();
    let words = read_domain(domain, &mut problems);
    let mut tables: Vec<Table> = Vec::new();
    for source in sources {
        let mut reader = Reader::new(source);
        if let Some(table) = read_table(&mut reader, &words) {
            if tables.iter().any(|t| t.platform == table.platform && t.kind == table.kind) {
                reader.problem(1, "platform and kind have a table already", "one table for each");
            }
            tables.push(table);
        }
        problems.append(&mut reader.problems);
    }
    for source in overlays {
        let mut reader = Reader::new(source);
        overlay_table(&mut reader, &words, &mut tables);
        problems.append(&mut reader.problems);
    }
    if problems.is_empty() { Ok(tables) } else { Err(problems) }
}

fn read_domain(source: &TableSource<'_>, problems: &mut Vec<TableProblem>) -> DomainWords {
    let mut words = DomainWords::default();
    let mut reader = Reader::new(source);
    if let Some(parsed) = reader.parse() {
        let top = Row::top(parsed.get_ref());
        reader.only(&top, &["path", "terms"]);
        for row in reader.rows(&top, "path") {
            reader.only(&row, &["kind", "path", "note"]);
            reader.required_text(&row, "note");
            let kind = kind_of(&mut reader, &row);
            if let (Some(kind), Some(path)) = (kind, reader.required_text(&row, "path")) {
                words.paths.entry(kind).or_default().push(path);
            }
        }
        for row in reader.rows(&top, "terms") {
            reader.only(&row, &["name", "terms", "note"]);
            reader.required_text(&row, "note");
            let terms = reader.texts(&row, "terms");
            if let Some(name) = reader.required_text(&row, "name") {
                words.terms.insert(name, terms);
            }
        }
    }
    problems.append(&mut reader.problems);
    words
}

fn read_table(reader: &mut Reader<'_>, words: &DomainWords) -> Option<Table> {
    let parsed = reader.parse()?;
    let top = Row::top(parsed.get_ref());
    reader.only(&top, &["platform", "kind", "wrap", "envelopes", "field", "set", "code"]);
    let mut table = Table {
        platform: reader.required_text(&top, "platform").unwrap_or_default(),
        kind: kind_of(reader, &top),
        wrap: reader.text(&top, "wrap"),
        envelopes: reader.texts(&top, "envelopes").into_iter().map(envelope).collect(),
        ..Table::default()
    };
    let mut lines = Lines::default();
    let mut fallbacks = HashMap::new();
    for row in reader.rows(&top, "set") {
        table.sets.extend(read_set(reader, &row, words, &mut lines, &mut fallbacks));
    }
    for row in reader.rows(&top, "code") {
        if let Some((set, code)) = read_code(reader, &row, &table, words) {
            let place = (set.clone(), code.native.clone());
            if let Some(first) = lines.codes.insert(place, row.line) {
                let problem = format!("code \"{}\" of `{set}` stands twice", code.native);
                reader.problem(row.line, problem, format!("once; line {first} has it"));
            }
            table
                .sets
                .iter_mut()
                .filter(|s| s.name == set)
                .for_each(|s| s.codes.push(code.clone()));
        }
    }
    for row in reader.rows(&top, "field") {
        if let Some(field) = read_field(reader, &row, &table, words) {
            if let Some(first) = lines.fields.insert(field.path.clone(), row.line) {
                let problem = format!("field `{}` stands twice", field.path);
                reader.problem(row.line, problem, format!("once; line {first} has it"));
            }
            table.fields.push(field);
        }
    }
    for set in &mut table.sets {
        let fallback = fallbacks.get(&set.name).and_then(Option::as_deref);
        set.index(fallback);
        let line = lines.sets.get(&set.name).copied().unwrap_or(1);
        check_set(reader, set, fallback, words, line);
    }
    table.index();
    Some(table)
}

fn kind_of(reader: &mut Reader<'_>, row: &Row<'_>) -> Option<Kind> {
    let choices = Kind::ALL.map(|kind| (kind.as_str(), kind));
    reader.required_text(row, "kind")?;
    reader.one_of(row, "kind", &choices)
}

fn envelope(path: String) -> Envelope {
    match path.strip_suffix("[]") {
        Some(member) => Envelope { member: member.to_owned(), is_list: true },
        None => Envelope { member: path, is_list: false },
    }
}

fn read_set(
    reader: &mut Reader<'_>,
    row: &Row<'_>,
    words: &DomainWords,
    lines: &mut Lines,
    fallbacks: &mut HashMap<String, Option<String>>,
) -> Option<CodeSet> {
    reader.only(row, &SET_KEYS);
    let set = CodeSet {
        name: reader.required_text(row, "name")?,
        terms: reader.text(row, "terms"),
        is_open: reader.flag(row, "open").unwrap_or(false),
        note: reader.required_text(row, "note")?,
        ..CodeSet::default()
    };
    if let Some(terms) = &set.terms
        && !words.terms.contains_key(terms)
    {
        let known: Vec<&str> = words.terms.keys().map(String::as_str).collect();
        let problem = format!("the domain has no terms `{terms}`");
        reader.problem(row.line, problem, format!("one of {}", known.join(", ")));
    }
    if lines.sets.insert(set.name.clone(), row.line).is_some() {
        reader.problem(row.line, format!("set `{}` stands twice", set.name), "once");
        return None;
    }
    fallbacks.insert(set.name.clone(), reader.text(row, "fallback"));
    Some(set)
}

fn read_code(
    reader: &mut Reader<'_>,
    row: &Row<'_>,
    table: &Table,
    words: &DomainWords,
) -> Option<(String, Code)> {
    reader.only(row, &CODE_KEYS);
    let set_name = reader.required_text(row, "set")?;
    let Some(set) = table.sets.iter().find(|set| set.name == set_name) else {
        reader.problem(row.line, format!("no set `{set_name}`"), "a [[set]] of that name");
        return None;
    };
    let mut code = Code {
        native: reader.required_text(row, "native")?,
        term: reader.text(row, "term"),
        also: reader.texts(row, "also"),
        is_read_only: reader.flag(row, "read_only").unwrap_or(false),
        outcome: outcome(reader, row, "outcome"),
        widens: reader.flag(row, "widens").unwrap_or(false),
        note: reader.required_text(row, "note")?,
        ..Code::default()
    };
    let is_lost = code.outcome.is_some_and(Outcome::is_loss) || !code.also.is_empty();
    check_widens(reader, row, (table.kind, is_lost), &code.native);
    let Some(terms) = set.terms.as_ref().and_then(|terms| words.terms.get(terms)) else {
        if code.term.is_some() || !code.also.is_empty() {
            let problem = format!("set `{set_name}` stands for no terms");
            reader.problem(row.line, problem, "no `term` and no `also`");
        }
        return Some((set_name, code));
    };
    if code.term.is_none() {
        let problem = format!("code \"{}\" has no term", code.native);
        reader.problem(row.line, problem, format!("one of {}", terms.join(", ")));
    }
    for term in code.term.iter().chain(&code.also).filter(|term| !terms.contains(term)) {
        let problem = format!("the domain has no term \"{term}\"");
        reader.problem(row.line, problem, format!("one of {}", terms.join(", ")));
    }
    if set.terms.as_deref() == Some(DISPOSITION) {
        code.flags = read_flags(reader, row);
    }
    Some((set_name, code))
}

fn read_flags(reader: &mut Reader<'_>, row: &Row<'_>) -> Option<CodeFlags> {
    let mut required = |key: &str| {
        let flag = reader.flag(row, key);
        if flag.is_none() {
            reader.problem(row.line, format!("`{key}` is missing"), "true or false");
        }
        flag
    };
    let (live_person, number_reusable) = (required("live_person"), required("number_reusable"));
    let (contact_reusable, counts) = (required("contact_reusable"), required("counts_as_attempt"));
    let is_final = required("is_final");
    Some(CodeFlags {
        live_person: live_person?,
        number_reusable: number_reusable?,
        contact_reusable: contact_reusable?,
        counts_as_attempt: counts?,
        is_final: is_final?,
    })
}

fn read_field(
    reader: &mut Reader<'_>,
    row: &Row<'_>,
    table: &Table,
    words: &DomainWords,
) -> Option<FieldRow> {
    reader.only(row, &FIELD_KEYS);
    reader.required_text(row, "holds");
    if !row.has("outcome") {
        reader.required_text(row, "outcome");
    }
    // All members are read before any is missed, so that every mistake is reported.
    let holds = reader.one_of(row, "holds", &Holds::ALL.map(|holds| (holds.as_str(), holds)));
    let (path, says) = (reader.required_text(row, "path"), outcome(reader, row, "outcome"));
    let note = reader.required_text(row, "note");
    let field = FieldRow {
        path: path?,
        holds: holds?,
        domain: reader.text(row, "domain"),
        outcome: says?,
        without: outcome(reader, row, "without"),
        widens: reader.flag(row, "widens").unwrap_or(false),
        is_read_only: reader.flag(row, "read_only").unwrap_or(false),
        codes: reader.text(row, "codes"),
        default: reader.scalar(row, "default"),
        examples: reader.list(row, "examples"),
        source: reader.text(row, "source"),
        note: note?,
    };
    let is_lost = [Some(field.outcome), field.without].into_iter().flatten().any(Outcome::is_loss);
    check_widens(reader, row, (table.kind, is_lost), &field.path);
    if let Some(domain) = &field.domain {
        let known = table.kind.and_then(|kind| words.paths.get(&kind));
        if !known.is_some_and(|paths| paths.contains(&without_indexes(domain))) {
            let problem = format!("the domain has no path `{domain}` for this kind");
            reader.problem(row.line, problem, "a path of domain.toml");
        }
        if field.without.is_none() {
            let problem = format!("`{}` does not say what is lost elsewhere", field.path);
            reader.problem(row.line, problem, "without = \"preserved\" or \"dropped\"");
        }
    } else if field.without.is_some() {
        reader.problem(row.line, "`without` on a row without `domain`", "`outcome` alone");
    }
    if let Some(set) = &field.codes
        && !table.sets.iter().any(|known| known.name == *set)
    {
        reader.problem(row.line, format!("no set `{set}`"), "a [[set]] of that name");
    }
    Some(field)
}

/// Whoever adds a row that can be lost says what that does to the people who are called: without it, a
/// restriction could be lost unseen. A call is over, so nothing that is lost of it lets anybody be called.
fn check_widens(
    reader: &mut Reader<'_>,
    row: &Row<'_>,
    (kind, is_lost): (Option<Kind>, bool),
    name: &str,
) {
    let limits = matches!(kind, Some(Kind::Campaign | Kind::Contact));
    if limits && is_lost && !row.has("widens") {
        let problem = format!("`{name}` does not say whether its loss lets more be called");
        reader.problem(row.line, problem, "widens = true or false");
    }
}

/// Every term can be said, each by one code; the fallback exists.
fn check_set(
    reader: &mut Reader<'_>,
    set: &CodeSet,
    fallback: Option<&str>,
    words: &DomainWords,
    line: usize,
) {
    if set.codes.is_empty() && !set.is_open {
        reader.problem(line, format!("set `{}` has no codes", set.name), "[[code]] rows");
    }
    if fallback.is_some() && set.fallback().is_none() {
        let problem = format!("the fallback of `{}` is not a code of it", set.name);
        reader.problem(line, problem, "the native text of one of its codes");
    }
    let terms = set.terms.as_ref().and_then(|terms| words.terms.get(terms));
    for term in terms.into_iter().flatten() {
        let writers =
            set.codes.iter().filter(|c| !c.is_read_only && c.term.as_ref() == Some(term)).count();
        if writers > 1 {
            let problem = format!("{writers} codes of `{}` write the term \"{term}\"", set.name);
            reader.problem(line, problem, "read_only = true on all but one");
        }
        let said = set.say(term).is_some_and(|said| said.precision != Precision::Fallback);
        if !said && set.fallback().is_none() {
            let problem = format!("`{}` has no code for the term \"{term}\"", set.name);
            reader.problem(line, problem, "a code with that term or `also`, or a fallback");
        }
    }
}

fn outcome(reader: &mut Reader<'_>, row: &Row<'_>, key: &str) -> Option<Outcome> {
    reader.text(row, key)?;
    reader.one_of(row, key, &Outcome::ALL.map(|outcome| (outcome.as_str(), outcome)))
}

/// Replaces defaults and codes by those of an operator.
fn overlay_table(reader: &mut Reader<'_>, words: &DomainWords, tables: &mut [Table]) {
    let Some(parsed) = reader.parse() else { return };
    let top = Row::top(parsed.get_ref());
    reader.only(&top, &["platform", "kind", "field", "code"]);
    let platform = reader.required_text(&top, "platform");
    let kind = kind_of(reader, &top);
    let (Some(platform), Some(kind)) = (platform, kind) else { return };
    let found = tables.iter().position(|t| t.platform == platform && t.kind == Some(kind));
    let Some(table) = found.and_then(|found| tables.get_mut(found)) else {
        let known: Vec<&str> = tables.iter().map(|table| table.platform.as_str()).collect();
        reader.problem(1, format!("no platform `{platform}`"), known.join(", "));
        return;
    };
    for row in reader.rows(&top, "field") {
        reader.only(&row, &["path", "default", "note"]);
        let default = reader.scalar(&row, "default");
        let note = reader.text(&row, "note");
        let Some(path) = reader.required_text(&row, "path") else { continue };
        match table.fields.iter_mut().find(|field| field.path == path) {
            Some(field) => {
                field.default = default.or(field.default.take());
                field.note = note.unwrap_or_else(|| std::mem::take(&mut field.note));
            }
            None => reader.problem(row.line, format!("no field `{path}`"), "a field of the table"),
        }
    }
    for row in reader.rows(&top, "code") {
        let Some((name, code)) = read_code(reader, &row, table, words) else { continue };
        for set in table.sets.iter_mut().filter(|set| set.name == name) {
            set.codes.retain(|old| old.native != code.native);
            set.codes.push(code.clone());
        }
    }
    for set in &mut table.sets {
        let fallback = set.fallback_native();
        set.index(fallback.as_deref());
        check_set(reader, set, fallback.as_deref(), words, 1);
    }
    table.index();
}
