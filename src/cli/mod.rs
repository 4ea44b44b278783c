//! The command line: one file per command; machine output on stdout, everything else on stderr.

mod campaigns;
mod capabilities;
mod check;
mod demo;
pub mod mappings;
mod serve;
mod sign;
mod simulate;
mod translate;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

/// Adapter gateway between the outbound-calling platforms VoIPBin and Huawei CC-iSales.
#[derive(Debug, clap::Parser)]
#[command(name = "dialbridge", version, about)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Translate(translate::Args),
    Mappings(mappings::Args),
}

/// Parses `args` and runs the command.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match CommandLine::try_parse_from(args) {
        Ok(line) => line.command,
        Err(error) => {
            let is_question = !error.use_stderr();
            let _ = error.print();
            return if is_question { ExitCode::SUCCESS } else { ExitCode::from(WRONG_USAGE) };
        }
    };
    let done = match &command {
        Command::Translate(args) => translate::run(args),
        Command::Mappings(args) => mappings::run(args),
    };
    done.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "dialbridge: {error:#}");
        ExitCode::from(FAILED)
    })
}
