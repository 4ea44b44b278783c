//! `dialbridge inbox`: what was pushed, and what became of it.

use std::process::ExitCode;

use crate::cli::operator::{Column, Gateway};
use crate::cli::{Exit, block_on};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    gateway: Gateway,
}

const COLUMNS: [Column; 7] = [
    ("ACCOUNT", "/account"),
    ("WAITING", "/waiting"),
    ("SINCE", "/waiting_since"),
    ("ROWS", "/rows/received"),
    ("STORED", "/rows/stored"),
    ("MERGED", "/rows/merged"),
    ("QUARANTINED", "/rows/quarantined"),
];

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    block_on(args.gateway.show(("GET", "inbox"), &[], None, &COLUMNS))?;
    Ok(Exit::Done.into())
}
