//! `dialbridge find` and `dialbridge erase`: a person's number, everywhere in the gateway.

use std::process::ExitCode;

use serde_json::json;

use crate::cli::operator::Gateway;
use crate::cli::{Exit, block_on};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// In E.164, as in +8613100000001.
    #[arg(long)]
    number: String,
    #[command(flatten)]
    gateway: Gateway,
}

pub fn find(args: &Args) -> anyhow::Result<ExitCode> {
    ask(args, "numbers/find")
}

pub fn erase(args: &Args) -> anyhow::Result<ExitCode> {
    ask(args, "numbers/erase")
}

fn ask(args: &Args, path: &str) -> anyhow::Result<ExitCode> {
    let order = json!({"number": args.number});
    block_on(args.gateway.show(("POST", path), &[], Some(order), &[]))?;
    Ok(Exit::Done.into())
}
