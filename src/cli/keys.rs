//! `dialbridge keys`: the file of the operator's master key in its versions.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::cli::{Exit, print_out};
use crate::clock::Clock;
use crate::config;
use crate::signing::keys::MasterKeys;

/// What `openssl rand -hex 32` prints.
const KEY_BYTES: usize = 32;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// The versions, newest first; never a key.
    List(File),
    /// Add a version. The old ones hold until their lines are taken out; a gateway reads the file
    /// when it starts, and again on SIGHUP.
    Rotate(File),
}

#[derive(Debug, clap::Args)]
struct File {
    /// The file that `keys.master_key_file` names; `rotate` makes it if it is not there.
    #[arg(long)]
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (File { file, json }, rotates) = match &args.action {
        Action::List(file) => (file, false),
        Action::Rotate(file) => (file, true),
    };
    if rotates {
        rotate(file)?;
    }
    let versions = read(file)?.map(|keys| keys.versions()).unwrap_or_default();
    let text = if *json {
        serde_json::to_string_pretty(&json!({"versions": versions}))?
    } else {
        let lines = versions.iter().enumerate().map(|(place, version)| {
            let what = if place == 0 { "makes what is new" } else { "holds for what it made" };
            format!("{version:<6} {what}")
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    print_out(&text)?;
    Ok(Exit::Done.into())
}

/// None when there is no file.
fn read(file: &Path) -> anyhow::Result<Option<MasterKeys>> {
    if !file.exists() {
        return Ok(None);
    }
    let shown = || format!("{}", file.display());
    let text: SecretString = config::read_secret(file).with_context(shown)?;
    Ok(Some(MasterKeys::parse(&text).with_context(shown)?))
}

/// Writes the file anew beside the old one, so that no half of it is ever there.
fn rotate(file: &Path) -> anyhow::Result<()> {
    let newest = read(file)?.map_or(0, |keys| keys.newest_version());
    let mut text = if newest > 0 {
        config::read_secret(file)?.expose_secret().to_owned()
    } else {
        String::new()
    };
    ensure!(newest < u32::MAX, "there is no higher version");
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let mut key = [0; KEY_BYTES];
    Clock::real().fill_random(&mut key);
    writeln!(text, "{} {}", newest + 1, const_hex::encode(key))?;
    let beside = file.with_extension("new");
    let mut options = OpenOptions::new();
    let mut written = options.write(true).create_new(true).mode(0o600).open(&beside)?;
    written.write_all(text.as_bytes())?;
    written.sync_all()?;
    fs::rename(&beside, file)?;
    Ok(())
}
