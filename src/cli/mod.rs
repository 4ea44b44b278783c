//! The command line: one file per command; machine output on stdout, everything else on stderr.

mod campaigns;
mod capabilities;
mod check;
mod demo;
mod mappings;
mod serve;
mod sign;
mod simulate;
mod translate;

use std::ffi::OsString;
use std::process::ExitCode;

/// Parses `args` and runs the command.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let _args: Vec<OsString> = args.into_iter().collect();
    ExitCode::from(2)
}
