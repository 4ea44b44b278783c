//! `dialbridge simulate`: one simulator in the foreground, until interrupted.

use std::fmt::Display;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::str::FromStr;

use clap::{Subcommand, ValueEnum};
use jiff::tz::TimeZone;
use secrecy::ExposeSecret;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::clock::Clock;
use crate::simulators::Running;
use crate::simulators::faults::Faults;
use crate::simulators::isales::{self, Release};
use crate::simulators::voipbin::{self, Defects, Outcomes, Profile};

/// Usage and configuration mistakes (design, exit codes).
const WRONG_USAGE: u8 = 2;
const FAILED: u8 = 1;

/// Serve a simulated platform until interrupted.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    platform: Platform,
}

#[derive(Debug, Subcommand)]
enum Platform {
    /// CC-iSales with two tenants.
    Isales(IsalesArgs),
    /// VoIPBin with two customers.
    Voipbin(VoipbinArgs),
}

#[derive(Debug, clap::Args)]
struct CommonArgs {
    /// Where to listen, e.g. 127.0.0.1:8090; a free port on 127.0.0.1 when left out.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Outcomes, ids and faults follow from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many times as fast as real time, above 0 and up to 10000.
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR", value_parser = time_scale)]
    time_scale: f64,
    /// E.g. delay=50ms..2s@0.1,5xx@0.05,401,429,drop,duplicate,reorder,malformed,truncated,
    /// lost-answer@0.1,skew=30s; `#3` after an item stops it after three hits.
    #[arg(long, default_value = "", value_parser = Faults::from_str)]
    faults: Faults,
    /// One fact that the vendor leaves open, as name=value; a wrong name lists them all.
    #[arg(long = "switch", value_name = "NAME=VALUE")]
    switches: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct IsalesArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// The documented release: pages up to 2025-04, or from 2025-11.
    #[arg(long, value_enum, default_value_t = IsalesProfile::Y2025)]
    profile: IsalesProfile,
    /// Of the tenants, e.g. Asia/Shanghai.
    #[arg(long, default_value = "UTC", value_parser = TimeZone::get)]
    time_zone: TimeZone,
    /// How often a call is answered where no rule says otherwise, 0 to 1.
    #[arg(long, default_value_t = 0.6, value_name = "RATE", value_parser = rate)]
    answer_rate: f64,
    /// A JSON list of rules: `[{"suffix":"01","codes":["601","0"],"ringS":5,"talkS":20}]`.
    #[arg(long, value_name = "JSON")]
    outcomes: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum IsalesProfile {
    #[value(name = "2024")]
    Y2024,
    #[value(name = "2025")]
    Y2025,
}

#[derive(Debug, clap::Args)]
struct VoipbinArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// head: the source of 2026-08. seed: the documents of 2022 to 2025.
    #[arg(long, default_value = "head", value_parser = Profile::from_str)]
    profile: Profile,
    /// Mistakes of the platform to copy: head for all, or names with commas between.
    #[arg(long, default_value = "", value_parser = Defects::from_str)]
    defects: Defects,
    /// E.g. 0001=busy:19s/noanswer,*=normal:8s (suffix=outcome[:duration][/next attempt's]).
    #[arg(long, default_value = "", value_parser = Outcomes::from_str)]
    outcomes: Outcomes,
    /// Do not refuse requests that come too fast.
    #[arg(long)]
    no_rate_limits: bool,
    /// Send webhooks to public addresses only, as the real platform does.
    #[arg(long)]
    public_webhooks_only: bool,
}

/// Runs the command; blocks until interrupted.
pub fn run(args: Args) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(FAILED, &error),
    };
    runtime.block_on(async {
        match args.platform {
            Platform::Isales(args) => isales(args).await,
            Platform::Voipbin(args) => voipbin(args).await,
        }
    })
}

async fn isales(args: IsalesArgs) -> ExitCode {
    let switches = match switches(&args.common.switches) {
        Ok(switches) => switches,
        Err(problem) => return fail(WRONG_USAGE, &problem),
    };
    let outcomes = args.outcomes.as_deref().map(serde_json::from_str).transpose();
    let outcomes = match outcomes {
        Ok(outcomes) => outcomes.unwrap_or_default(),
        Err(error) => return fail(WRONG_USAGE, &format!("--outcomes: {error}")),
    };
    let options = isales::Options {
        listen: args.common.listen,
        seed: args.common.seed,
        clock: clock(&args.common),
        time_zone: args.time_zone,
        release: match args.profile {
            IsalesProfile::Y2024 => Release::Y2024,
            IsalesProfile::Y2025 => Release::Y2025,
        },
        faults: args.common.faults,
        switches,
        answer_rate: args.answer_rate,
        outcomes,
        ..isales::Options::default()
    };
    let tenants = options.tenants.clone();
    serve(isales::start(options).await, |running| {
        println!("CC-iSales simulator  {}/rest/isales", running.base_url());
        for tenant in tenants {
            let secret = tenant.secret_key.expose_secret();
            println!(
                "tenant  access key {}  secret key {secret}  VDNs {:?}",
                tenant.access_key, tenant.vdns
            );
        }
    })
    .await
}

async fn voipbin(args: VoipbinArgs) -> ExitCode {
    let switches = match switches(&args.common.switches) {
        Ok(switches) => switches,
        Err(problem) => return fail(WRONG_USAGE, &problem),
    };
    let defaults = voipbin::Options::default();
    let options = voipbin::Options {
        listen: args.common.listen,
        seed: args.common.seed,
        clock: clock(&args.common),
        profile: args.profile,
        defects: args.defects,
        faults: args.common.faults,
        outcomes: args.outcomes,
        switches,
        rate_limits: defaults.rate_limits.filter(|_| !args.no_rate_limits),
        allow_private_webhooks: !args.public_webhooks_only,
        ..defaults
    };
    let accounts = options.accounts.clone();
    serve(voipbin::start(options).await, |running| {
        println!("VoIPBin simulator  {}/v1.0", running.base_url());
        for account in accounts {
            println!(
                "customer {}  access key {}  login {} / {}  queue {}",
                account.customer_id,
                account.access_key.expose_secret(),
                account.username,
                account.password.expose_secret(),
                account.queue_id,
            );
        }
    })
    .await
}

/// Shows where the simulator is and waits for the interruption.
async fn serve(started: std::io::Result<Running>, show: impl FnOnce(&Running)) -> ExitCode {
    let running = match started {
        Ok(running) => running,
        Err(error) => return fail(FAILED, &error),
    };
    show(&running);
    println!("journal  {}/_sim/journal", running.base_url());
    if let Err(error) = tokio::signal::ctrl_c().await {
        return fail(FAILED, &error);
    }
    running.stop().await;
    ExitCode::SUCCESS
}

#[expect(clippy::float_cmp, reason = "exactly 1 is what the default gives")]
fn clock(common: &CommonArgs) -> Clock {
    if common.time_scale == 1.0 {
        Clock::real()
    } else {
        Clock::scaled(common.time_scale, Some(common.seed))
    }
}

/// The platform's switches with those that were given changed.
fn switches<S: Default + Serialize + DeserializeOwned>(given: &[String]) -> Result<S, String> {
    let mut members = serde_json::to_value(S::default()).map_err(|error| error.to_string())?;
    for text in given {
        let (name, value) =
            text.split_once('=').ok_or_else(|| format!("--switch {text}: expected name=value"))?;
        let name = name.trim().replace('-', "_");
        // `true`, `2` and `["a"]` are JSON; a bare word is text.
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        members[name] = value;
        S::deserialize(&members).map_err(|error| format!("--switch {text}: {error}"))?;
    }
    S::deserialize(&members).map_err(|error| error.to_string())
}

fn fail(code: u8, problem: &dyn Display) -> ExitCode {
    eprintln!("dialbridge simulate: {problem}");
    ExitCode::from(code)
}

fn time_scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor > 0.0 && factor <= 10_000.0 => Ok(factor),
        _ => Err("expected a number above 0 and up to 10000".to_owned()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}
