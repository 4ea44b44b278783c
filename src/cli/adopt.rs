//! `dialbridge adopt` and `dialbridge leave`: taking over where platforms push results to, and putting
//! it back.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::cli::operator::{Column, Gateway, Operator};
use crate::cli::{Exit, block_on};
use crate::clock::Clock;
use crate::config::ApiScope;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// This account only; all of the token's when it is left out.
    #[arg(long)]
    account: Option<String>,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    gateway: Gateway,
}

#[derive(Debug, clap::Args)]
pub struct LeaveArgs {
    /// Write all names of all campaigns to this file first, a JSON object a line.
    #[arg(long)]
    ids: Option<PathBuf>,
    #[command(flatten)]
    rest: Args,
}

const PLANNED: [Column; 5] = [
    ("ACCOUNT", "/account"),
    ("CAMPAIGN", "/campaign"),
    ("NAME", "/name"),
    ("PLAN", "/plan"),
    ("NOW", "/now"),
];
const DONE: [Column; 6] = [
    ("ACCOUNT", "/account"),
    ("STATE", "/state"),
    ("CHANGED", "/changed"),
    ("KEPT", "/kept"),
    ("FAILED", "/failed"),
    ("WHY", "/why"),
];
/// How often the gateway is asked how far it is.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
const IDS_PER_PAGE: u32 = 200;

pub fn adopt(args: &Args) -> anyhow::Result<ExitCode> {
    block_on(act(args, "adopt"))
}

pub fn leave(args: &LeaveArgs) -> anyhow::Result<ExitCode> {
    block_on(async {
        if let Some(file) = &args.ids {
            export(&args.rest.gateway.connect(ApiScope::Read)?, file).await?;
        }
        act(&args.rest, "leave").await
    })
}

async fn act(args: &Args, what: &str) -> anyhow::Result<ExitCode> {
    let operator = args.gateway.connect(ApiScope::Operate)?;
    let accounts = match &args.account {
        Some(account) => vec![account.clone()],
        None => accounts(&operator).await?,
    };
    let mut items = Vec::new();
    for account in accounts {
        let order = json!({"account": account, "dry_run": args.dry_run});
        let begun = operator.ask(("POST", what), &[], Some(order)).await;
        let begun = begun.with_context(|| format!("account {account}"))?;
        match begun["job"].as_str() {
            Some(job) => items.push(outcome(&account, &ended(&operator, job).await?)),
            None => {
                for item in begun["items"].as_array().into_iter().flatten() {
                    let mut item = item.clone();
                    item["account"] = json!(account);
                    items.push(item);
                }
            }
        }
    }
    let is_well = |item: &Value| args.dry_run || item["state"] == "done" && item["failed"] == 0;
    let all_well = items.iter().all(is_well);
    let columns = if args.dry_run { &PLANNED[..] } else { &DONE[..] };
    args.gateway.print(&json!({ "items": items }), columns)?;
    Ok(if all_well { Exit::Done } else { Exit::Failed }.into())
}

async fn accounts(operator: &Operator) -> anyhow::Result<Vec<String>> {
    let known = operator.ask(("GET", "accounts"), &[], None).await?;
    let known = known["items"].as_array().into_iter().flatten();
    Ok(known.filter_map(|account| account["account"].as_str()).map(str::to_owned).collect())
}

/// The job when it has ended.
async fn ended(operator: &Operator, job: &str) -> anyhow::Result<Value> {
    let clock = Clock::real();
    loop {
        let found = operator.ask(("GET", &format!("jobs/{job}")), &[], None).await?;
        if !matches!(found["state"].as_str(), Some("waiting" | "running")) {
            return Ok(found);
        }
        clock.sleep(LOOK_INTERVAL).await;
    }
}

fn outcome(account: &str, job: &Value) -> Value {
    let answer = &job["answer"];
    let first = &answer["failures"][0]["reason"];
    let why = if first.is_null() { &job["error"] } else { first };
    json!({
        "account": account,
        "state": job["state"],
        "changed": answer["changed"],
        "kept": answer["kept"],
        "failed": answer["failed"],
        "why": why,
        "failures": answer["failures"],
    })
}

async fn export(operator: &Operator, path: &Path) -> anyhow::Result<()> {
    let file = File::create_new(path).with_context(|| path.display().to_string())?;
    let mut file = BufWriter::new(file);
    let mut cursor: Option<String> = None;
    loop {
        let mut query = vec![("limit", IDS_PER_PAGE.to_string())];
        query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let page = operator.ask(("GET", "ids"), &query, None).await?;
        for ids in page["items"].as_array().into_iter().flatten() {
            writeln!(file, "{ids}")?;
        }
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    Ok(())
}
