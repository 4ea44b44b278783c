//! `dialbridge demo`: the whole story in one process, with nothing configured. Both platforms are
//! simulated, the gateway stands between them, and a client of either API sees and steers every
//! campaign. All that is shown was asked for over HTTP.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context as _;

mod caller;
mod campaigns;
mod show;
mod stage;
mod story;

use show::Teller;
use stage::Stage;

/// Show both platforms, the gateway between them, and calls that happen.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// End after the summary instead of serving until interrupted.
    #[arg(long)]
    once: bool,
    /// Print the summary as JSON, and the story on standard error.
    #[arg(long)]
    json: bool,
    /// Port of the facades; a free one when absent.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
}

/// Runs the command: success when everything that the story expects was seen.
///
/// # Errors
/// When a part cannot be started or standard output cannot be written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    runtime.block_on(perform(args))
}

async fn perform(args: &Args) -> anyhow::Result<ExitCode> {
    let teller = Teller::new(args.json);
    teller.say("Dialbridge demo: VoIPBin and CC-iSales, simulated, and the gateway between them.");
    let stage = Stage::build(args.port, &teller).await?;
    let summary = story::tell(&stage, &teller).await?;
    if args.json {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{}", summary.to_json()).context("standard output")?;
        stdout.flush().context("standard output")?;
    } else {
        teller.say(&summary.to_table());
    }
    for failure in &summary.failures {
        writeln!(io::stderr(), "dialbridge: demo: {failure}").ok();
    }
    if args.once {
        stage.end().await;
    } else {
        teller.say(&show::invitation(&stage, &summary)?);
        stage.until_interrupted().await?;
    }
    Ok(if summary.ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
