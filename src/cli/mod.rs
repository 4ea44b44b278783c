//! The command line: one file per command; machine output on stdout, everything else on stderr.

mod adopt;
mod backup;
mod campaigns;
mod capabilities;
mod check;
mod deliveries;
mod demo;
mod destinations;
mod inbox;
mod keys;
pub mod mappings;
mod numbers;
mod operator;
mod reconcile;
mod running;
mod serve;
mod sign;
mod simulate;
mod translate;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;

use crate::config::Mistakes;
use crate::telemetry::{self, LogFormat};

/// How a command ended (design: commands).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
    /// Wrong usage or configuration.
    Usage,
    /// Losses, and `--fail-on-loss` was given.
    Losses,
}

/// Adapter gateway between the outbound-calling platforms VoIPBin and Huawei CC-iSales.
#[derive(Debug, Parser)]
#[command(name = "dialbridge", version, arg_required_else_help = true)]
struct Arguments {
    /// How log lines on stderr look.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show the whole story: both platforms simulated, the gateway between them, calls happening.
    Demo(demo::Args),
    /// Serve the facades.
    Serve(serve::Args),
    /// Check a configuration, the ledger and every account, changing nothing.
    Check(check::Args),
    /// Stand in for a platform.
    Simulate(simulate::Args),
    /// Translate a document and account for every field.
    Translate(translate::Args),
    /// Make the Authorization value of a request.
    Sign(sign::SignArgs),
    /// Explain why an Authorization value does or does not verify.
    Verify(sign::VerifyArgs),
    /// Check or show the mapping tables.
    Mappings(mappings::Args),
    /// What works on which home, and why not where it does not.
    Capabilities(capabilities::Args),
    /// Campaigns of the gateway that serves, and what happened to them.
    Campaigns(campaigns::Args),
    /// What platforms have pushed, and what became of it.
    Inbox(inbox::Args),
    /// Where results are passed on to.
    Destinations(destinations::Args),
    /// What was passed on, what failed, and sending again.
    Deliveries(deliveries::Args),
    /// The versions of the master key.
    Keys(keys::Args),
    /// Copy the ledger of the gateway that serves.
    Backup(backup::BackupArgs),
    /// Put a copy in the place of a ledger that nobody uses.
    Restore(backup::RestoreArgs),
    /// Where a person's number stands.
    Find(numbers::Args),
    /// Erase a person's number; prints what was removed, and who else has it.
    Erase(numbers::Args),
    /// Results that callbacks missed.
    Reconcile(reconcile::Args),
    /// Have accounts' results pushed here, and from here to where they go now.
    Adopt(adopt::Args),
    /// Put every address back that `adopt`, or a campaign's creation, has changed.
    Leave(adopt::LeaveArgs),
}

/// Parses `args` and runs the command.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(args) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are answers, everything else is wrong usage.
            let wrong = error.use_stderr();
            error.print().ok();
            return if wrong { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    // The demo tells its story itself.
    let level = match arguments.command {
        Command::Demo(_) => "warn",
        _ => "info,actix_server=warn,refinery_core=warn",
    };
    telemetry::start(arguments.log_format, level);
    let outcome = match arguments.command {
        Command::Demo(args) => demo::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Simulate(args) => Ok(simulate::run(args)),
        Command::Translate(args) => translate::run(&args),
        Command::Sign(args) => sign::run_sign(&args),
        Command::Verify(args) => sign::run_verify(&args),
        Command::Mappings(args) => mappings::run(&args),
        Command::Capabilities(args) => capabilities::run(&args),
        Command::Campaigns(args) => campaigns::run(&args),
        Command::Inbox(args) => inbox::run(&args),
        Command::Destinations(args) => destinations::run(&args),
        Command::Deliveries(args) => deliveries::run(&args),
        Command::Keys(args) => keys::run(&args),
        Command::Backup(args) => backup::backup(&args),
        Command::Restore(args) => backup::restore(&args),
        Command::Find(args) => numbers::find(&args),
        Command::Erase(args) => numbers::erase(&args),
        Command::Reconcile(args) => reconcile::run(&args),
        Command::Adopt(args) => adopt::adopt(&args),
        Command::Leave(args) => adopt::leave(&args),
    };
    outcome.unwrap_or_else(|error| report(&error).into())
}

/// Says on stderr what went wrong. Configuration mistakes have a line each; anything else is one line.
fn report(error: &anyhow::Error) -> Exit {
    if error.downcast_ref::<std::io::Error>().is_some_and(is_broken_pipe) {
        // The reader of our output has seen enough.
        return Exit::Done;
    }
    let mut stderr = std::io::stderr().lock();
    if let Some(mistakes) = error.downcast_ref::<Mistakes>() {
        writeln!(stderr, "{mistakes}").ok();
        return Exit::Usage;
    }
    writeln!(stderr, "dialbridge: {error:#}").ok();
    Exit::Failed
}

fn is_broken_pipe(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::BrokenPipe
}

/// Writes machine output; a reader that went away is reported as the error that it is.
fn print_out(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}

/// Runs a command that talks to others on a runtime of its own.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Losses => 3,
        })
    }
}
