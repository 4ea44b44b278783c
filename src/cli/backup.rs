//! `dialbridge backup` and `dialbridge restore`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;

use crate::cli::operator::Gateway;
use crate::cli::{Exit, block_on, print_out};
use crate::clock::Clock;
use crate::config::{self, LedgerConfig};
use crate::ledger::Ledger;
use crate::ledger::sqlite::restoring::{RestoreOptions, Restored, said};

#[derive(Debug, clap::Args)]
pub struct BackupArgs {
    #[command(flatten)]
    gateway: Gateway,
}

#[derive(Debug, clap::Args)]
pub struct RestoreArgs {
    /// A copy that `dialbridge backup` made.
    file: PathBuf,
    /// The configuration whose ledger it becomes; no gateway may be using it.
    #[arg(long)]
    config: PathBuf,
    /// Replace the ledger that is there; its file is kept beside it under another name.
    #[arg(long)]
    replace: bool,
    /// Also when the file is a copy of another ledger than the one that is, or was, there.
    #[arg(long)]
    another_ledger: bool,
}

pub fn backup(args: &BackupArgs) -> anyhow::Result<ExitCode> {
    block_on(args.gateway.show(("POST", "backup"), &[], None, &[]))?;
    Ok(Exit::Done.into())
}

pub fn restore(args: &RestoreArgs) -> anyhow::Result<ExitCode> {
    let config = config::load_file(&args.config)?;
    let LedgerConfig::Sqlite { path } = &config.ledger else {
        bail!("a PostgreSQL ledger is restored by pg_restore");
    };
    let options = RestoreOptions { replace: args.replace, another_ledger: args.another_ledger };
    let done = Ledger::restore_sqlite(&args.file, path, options, &Clock::real())?;
    print_out(&told(&args.file, path, &done))?;
    Ok(Exit::Done.into())
}

/// What was done, and what is left to do.
fn told(copy: &Path, path: &Path, done: &Restored) -> String {
    let Restored { epoch, newest, kept } = done;
    let (copy, path, newest) = (copy.display(), path.display(), said(*newest));
    let kept = kept.as_ref().map_or_else(String::new, |kept| {
        format!("\nwhat was there before is kept as {}", kept.display())
    });
    format!(
        "restored {path} from {copy} (epoch {epoch})\n\
         the newest entry of the copy is of {newest}; what was recorded later is not in it{kept}\n\
         numbers that were erased later are in it again: run `dialbridge erase` for each of them once more\n\
         campaigns that were made later are met again under new numbers, without the hours, days and ends that \
         their clients stated: where their platform keeps none, look at those that run (`dialbridge campaigns \
         list`); they are started for clients of the other platform when these have stated them anew"
    )
}
