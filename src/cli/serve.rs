//! `dialbridge serve`: the gateway, until it is told to stop.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::app::{self, StartOptions};
use crate::cli::{Exit, block_on};
use crate::clock::Clock;
use crate::config;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration; `dialbridge.default.toml` lists every setting.
    #[arg(long)]
    config: PathBuf,
    /// Create the ledger or bring its schema up to date first.
    #[arg(long)]
    migrate: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = config::load_file(&args.config)?;
    let options = StartOptions { migrate: args.migrate, workers: None };
    block_on(async {
        let running = app::start(config, Clock::real(), options).await?;
        let load = || Ok(config::load_file(&args.config)?);
        running.until_stopped(Some(&load)).await?;
        Ok(Exit::Done.into())
    })
}
