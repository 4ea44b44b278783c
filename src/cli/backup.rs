//! `dialbridge backup` and `dialbridge restore`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use crate::cli::operator::Gateway;
use crate::cli::{Exit, block_on, print_out};
use crate::config::{self, LedgerConfig};
use crate::ledger::Ledger;

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
    /// Replace the ledger that is there.
    #[arg(long)]
    replace: bool,
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
    let epoch = Ledger::restore_sqlite(&args.file, path, args.replace);
    let epoch = epoch.with_context(|| format!("restoring {}", args.file.display()))?;
    print_out(&format!("restored {} (epoch {epoch})", path.display()))?;
    Ok(Exit::Done.into())
}
