//! `dialbridge translate`: a document of one platform as one of the other, offline.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::ValueEnum;
use serde_json::Value;

use crate::decoding;
use crate::mapping::table::{Kind, TableProblem, Tables};
use crate::platforms::translation::Direction;
use crate::platforms::{ConvertContext, PlatformKind, neutral_context};

/// Larger documents are refused.
const INPUT_LIMIT_BYTES: u64 = 8 * 1024 * 1024;
const WRONG_INPUT: u8 = 2;
const LOSSES: u8 = 3;
const REFUSED: u8 = 4;

/// Translate a document between the platforms and say what becomes of every field.
///
/// Prints {"value", "fields", "losses", "preserved"}. Such an output, edited or not, is accepted as
/// input of the opposite direction and restores its source. Without configuration the account is
/// neutral: times in UTC, trunk prefix 0, international prefix 00, no bindings.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What the document describes.
    #[arg(value_enum)]
    kind: KindArg,
    /// Platform that the document comes from.
    #[arg(long, value_enum)]
    from: PlatformArg,
    /// Platform that it is for.
    #[arg(long, value_enum)]
    to: PlatformArg,
    /// The document; standard input when absent or "-".
    file: Option<PathBuf>,
    /// One line instead of indented JSON, and no summary on standard error.
    #[arg(long)]
    json: bool,
    /// Exit with 3 when something is approximated or dropped.
    #[arg(long)]
    fail_on_loss: bool,
    /// Exit with 4 when a loss lets more people, numbers, hours or tries be called than the source allows.
    #[arg(long)]
    fail_on_widening: bool,
    /// ISO 3166 region of numbers without country code, such as CN.
    #[arg(long, value_name = "REGION")]
    number_region: Option<String>,
    /// Directory with rows that replace rows of the built-in tables.
    #[arg(long, value_name = "DIR")]
    mappings: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum KindArg {
    Campaign,
    Contact,
    Call,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum PlatformArg {
    Voipbin,
    Isales,
}

impl From<KindArg> for Kind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Campaign => Kind::Campaign,
            KindArg::Contact => Kind::Contact,
            KindArg::Call => Kind::Call,
        }
    }
}

impl From<PlatformArg> for PlatformKind {
    fn from(platform: PlatformArg) -> Self {
        match platform {
            PlatformArg::Voipbin => PlatformKind::Voipbin,
            PlatformArg::Isales => PlatformKind::Isales,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When standard output cannot be written. Wrong input is reported here, on one line, with exit 2.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let translation = match translate(args) {
        Ok(translation) => translation,
        Err(error) => {
            tell(&format!("translate: {error:#}"));
            return Ok(ExitCode::from(WRONG_INPUT));
        }
    };
    let lost: Vec<String> = translation
        .losses()
        .map(|loss| {
            let widens = if loss.widens { ", widens" } else { "" };
            format!("  {}{widens} {}: {}", loss.outcome.as_str(), loss.field, loss.reason)
        })
        .collect();
    let widening = translation.widening().count();
    let value = translation.into_json();
    let text = if args.json { value.to_string() } else { format!("{value:#}") };
    writeln!(io::stdout(), "{text}").context("standard output")?;
    if !args.json && !lost.is_empty() {
        tell(&format!(
            "{} of the fields are lost in part or whole:\n{}",
            lost.len(),
            lost.join("\n")
        ));
    }
    if !args.json && widening > 0 {
        tell(&format!(
            "{widening} of them widen: more may be called than the source allows, so the campaign is not \
             run on such a home"
        ));
    }
    Ok(match (args.fail_on_widening && widening > 0, args.fail_on_loss && !lost.is_empty()) {
        // The graver one is told.
        (true, _) => ExitCode::from(REFUSED),
        (false, true) => ExitCode::from(LOSSES),
        (false, false) => ExitCode::SUCCESS,
    })
}

fn translate(args: &Args) -> anyhow::Result<crate::platforms::translation::Translation> {
    let document = read_document(args.file.as_ref())?;
    let account = account(args)?;
    let direction = Direction {
        kind: args.kind.into(),
        from: args.from.into(),
        to: args.to.into(),
        from_account: &account,
        to_account: &account,
    };
    Ok(direction.translate(document)?)
}

fn account(args: &Args) -> anyhow::Result<ConvertContext> {
    let mut account =
        neutral_context(args.number_region.as_deref()).map_err(|problems| anyhow_of(&problems))?;
    if args.number_region.is_some() && !account.numbers.has_known_region() {
        bail!("--number-region: expected an ISO 3166 region such as CN");
    }
    if let Some(directory) = &args.mappings {
        let tables = Tables::with_overlay(directory).map_err(|problems| anyhow_of(&problems))?;
        account.tables = Arc::new(tables);
    }
    Ok(account)
}

fn read_document(file: Option<&PathBuf>) -> anyhow::Result<Value> {
    let path = file.filter(|path| path.as_os_str() != "-");
    let mut text = Vec::new();
    let read = match path {
        Some(path) => File::open(path)
            .and_then(|file| file.take(INPUT_LIMIT_BYTES + 1).read_to_end(&mut text)),
        None => io::stdin().lock().take(INPUT_LIMIT_BYTES + 1).read_to_end(&mut text),
    };
    let name = path.map_or_else(|| "standard input".to_owned(), |path| path.display().to_string());
    let length = read.with_context(|| name.clone())?;
    if u64::try_from(length).is_ok_and(|length| length > INPUT_LIMIT_BYTES) {
        bail!("{name}: larger than {INPUT_LIMIT_BYTES} bytes");
    }
    let text = decoding::file_text(text).with_context(|| format!("{name}: not UTF-8"))?;
    serde_json::from_str(&text).with_context(|| format!("{name}: not JSON"))
}

fn anyhow_of(problems: &[TableProblem]) -> anyhow::Error {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    anyhow::anyhow!("{}", lines.join("\n"))
}

/// To the person at the terminal; a closed standard error is nobody to tell.
fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
