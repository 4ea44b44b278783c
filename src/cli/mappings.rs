//! `dialbridge mappings check|show|unknown`: the tables, checked and shown, and what they lack.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::{Value, json};

use crate::cli::operator::{Column, Gateway};
use crate::cli::translate::{KindArg, PlatformArg};
use crate::cli::{Exit, block_on};
use crate::mapping::engine::Outcome;
use crate::mapping::table::{CodeSet, FieldRow, Kind, Table, TableProblem, Tables};
use crate::platforms::PlatformKind;

const WRONG_TABLES: u8 = 2;

/// Check or show the mapping tables.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Report every mistake in the tables: file, line, what was expected.
    Check {
        /// Directory with rows that replace rows of the built-in tables.
        #[arg(long, value_name = "DIR")]
        mappings: Option<PathBuf>,
        /// Machine-readable output.
        #[arg(long)]
        json: bool,
    },
    /// Print the tables.
    Show {
        #[arg(long, value_enum)]
        platform: Option<PlatformArg>,
        #[arg(long, value_enum)]
        kind: Option<KindArg>,
        #[arg(long, value_name = "DIR")]
        mappings: Option<PathBuf>,
        /// As the page docs/mapping.md.
        #[arg(long)]
        markdown: bool,
        /// Machine-readable output.
        #[arg(long, conflicts_with = "markdown")]
        json: bool,
    },
    /// Codes that platforms have told and no table knows.
    Unknown {
        #[command(flatten)]
        gateway: Gateway,
    },
}

const UNKNOWN: [Column; 5] = [
    ("ACCOUNT", "/account"),
    ("CODE", "/code"),
    ("ATTEMPTS", "/attempts"),
    ("FIRST", "/first_at"),
    ("LAST", "/last_at"),
];

/// Runs the command.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Check { mappings, json } => with_tables(mappings.as_ref(), *json, |tables| {
            if *json { json!({"ok": true, "problems": []}).to_string() } else { summary(tables) }
        }),
        Command::Show { platform, kind, mappings, markdown, json } => {
            with_tables(mappings.as_ref(), *json, |tables| {
                let platform = platform.map(PlatformKind::from).map(PlatformKind::as_str);
                let kind = kind.map(Kind::from);
                let is_wanted = |table: &&Table| {
                    platform.is_none_or(|platform| table.platform == platform)
                        && kind.is_none_or(|kind| table.kind == Some(kind))
                };
                let wanted: Vec<&Table> = tables.iter().filter(is_wanted).collect();
                match (*markdown, *json) {
                    (true, _) => page(&wanted),
                    (_, true) => {
                        wanted.iter().map(|t| table_json(t)).collect::<Value>().to_string()
                    }
                    _ => wanted.iter().map(|t| plain(t)).collect::<Vec<String>>().join("\n"),
                }
            })
        }
        Command::Unknown { gateway } => {
            block_on(gateway.show(("GET", "unknown-codes"), &[], None, &UNKNOWN))?;
            Ok(Exit::Done.into())
        }
    }
}

/// Prints what is told of the tables, or every mistake in them.
fn with_tables(
    directory: Option<&PathBuf>,
    json: bool,
    tell: impl FnOnce(&Tables) -> String,
) -> anyhow::Result<ExitCode> {
    let loaded = directory.map_or_else(Tables::embedded, |path| Tables::with_overlay(path));
    let tables = match loaded {
        Ok(tables) => tables,
        Err(problems) => return report(&problems, json),
    };
    writeln!(io::stdout(), "{}", tell(&tables).trim_end()).context("standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// The page docs/mapping.md: every field and code of every table.
pub fn page(tables: &[&Table]) -> String {
    let mut page = String::from(
        "# What becomes of every field\n\n\
         Generated from `mappings/` by `dialbridge mappings show --markdown`; do not edit.\n\
         `outcome` holds when the other platform has a field for the same domain path, `elsewhere` \
         when it has none.\n\
         A value can make it worse: an unknown code, a number that does not parse, a missing binding.\n",
    );
    for table in tables {
        let kind = table.kind.map_or("", Kind::as_str);
        let _ = write!(page, "\n## {} {kind}\n\n", table.platform);
        page.push_str(
            "| field | domain | outcome | elsewhere | widens | note |\n|---|---|---|---|---|---|\n",
        );
        for row in &table.fields {
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} | {} | {} |",
                row.path,
                row.domain.as_ref().map_or_else(String::new, |path| format!("`{path}`")),
                row.outcome.as_str(),
                row.without.map_or("", |outcome| outcome.as_str()),
                if row.widens { "yes" } else { "" },
                cell(&note_of(row)),
            );
        }
        for set in &table.sets {
            let _ =
                write!(page, "\n### {} {kind}: {}\n\n{}\n\n", table.platform, set.name, set.note);
            page.push_str("| code | term | widens | note |\n|---|---|---|---|\n");
            for code in &set.codes {
                let term = code.term.as_deref().unwrap_or("");
                let native = if code.native.is_empty() { "(empty)" } else { &code.native };
                let (widens, note) = (if code.widens { "yes" } else { "" }, cell(&code.note));
                let _ = writeln!(page, "| `{native}` | {term} | {widens} | {note} |");
            }
        }
    }
    page
}

fn report(problems: &[TableProblem], json: bool) -> anyhow::Result<ExitCode> {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    writeln!(io::stderr(), "{}", lines.join("\n")).context("standard error")?;
    if json {
        let rows: Vec<Value> = problems
            .iter()
            .map(|p| {
                json!({
                    "file": p.file, "line": p.line, "problem": p.problem, "expected": p.expected,
                })
            })
            .collect();
        let value = json!({"ok": false, "problems": rows});
        writeln!(io::stdout(), "{value}").context("standard output")?;
    }
    Ok(ExitCode::from(WRONG_TABLES))
}

fn summary(tables: &Tables) -> String {
    let mut text = String::new();
    for table in tables.iter() {
        let codes: usize = table.sets.iter().map(|set| set.codes.len()).sum();
        let kind = table.kind.map_or("", Kind::as_str);
        let (platform, fields) = (&table.platform, table.fields.len());
        let _ = writeln!(text, "{platform} {kind}: {fields} fields, {codes} codes");
    }
    let _ = writeln!(text, "version {}", tables.version());
    text
}

fn plain(table: &Table) -> String {
    let mut text = format!("{} {}\n", table.platform, table.kind.map_or("", Kind::as_str));
    for row in &table.fields {
        let domain = row.domain.as_deref().unwrap_or("-");
        let elsewhere = row.without.map_or("-", |outcome| outcome.as_str());
        let outcome = row.outcome.as_str();
        let _ =
            writeln!(text, "  {} | {domain} | {outcome} | {elsewhere} | {}", row.path, row.note);
    }
    for set in &table.sets {
        for code in &set.codes {
            let term = code.term.as_deref().unwrap_or("-");
            let _ = writeln!(text, "  {} = {:?} | {term} | {}", set.name, code.native, code.note);
        }
    }
    text
}

fn table_json(table: &Table) -> Value {
    let field = |row: &FieldRow| {
        json!({
            "path": row.path,
            "holds": row.holds.as_str(),
            "domain": row.domain,
            "outcome": row.outcome.as_str(),
            "without": row.without.map(Outcome::as_str),
            "widens": row.widens,
            "codes": row.codes,
            "default": row.default.as_ref().map(ToString::to_string),
            "note": row.note,
        })
    };
    let set = |set: &CodeSet| {
        let codes: Vec<Value> = set
            .codes
            .iter()
            .map(|code| {
                json!({
                    "native": code.native, "term": code.term, "widens": code.widens,
                    "note": code.note,
                })
            })
            .collect();
        json!({"name": set.name, "codes": codes, "note": set.note})
    };
    json!({
        "platform": table.platform,
        "kind": table.kind.map(Kind::as_str),
        "fields": table.fields.iter().map(field).collect::<Vec<Value>>(),
        "sets": table.sets.iter().map(set).collect::<Vec<Value>>(),
    })
}

fn note_of(row: &FieldRow) -> String {
    let mut note = row.note.clone();
    if let Some(default) = &row.default {
        let _ = write!(note, " Default {default}.");
    }
    if let Some(source) = &row.source {
        let _ = write!(note, " ({source})");
    }
    note
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
