//! `dialbridge reconcile`: results that callbacks missed.

use std::process::ExitCode;

use jiff::civil::Date;
use serde_json::json;
use uuid::Uuid;

use crate::cli::operator::{Column, Gateway};
use crate::cli::{Exit, block_on};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// How far each account is.
    Show {
        #[command(flatten)]
        gateway: Gateway,
    },
    /// Ask an account's platform again, from a day on.
    Start {
        #[arg(long)]
        account: String,
        /// This campaign only.
        #[arg(long)]
        campaign: Option<Uuid>,
        /// The first day, in the account's zone, as in 2026-11-01; today.
        #[arg(long)]
        since: Option<Date>,
        #[command(flatten)]
        gateway: Gateway,
    },
}

const COLUMNS: [Column; 5] = [
    ("ACCOUNT", "/account"),
    ("OPEN", "/open"),
    ("UNREAD", "/unread"),
    ("OPEN FROM", "/open_from"),
    ("OLDEST READING", "/oldest_reading"),
];

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    block_on(act(&args.action))?;
    Ok(Exit::Done.into())
}

async fn act(action: &Action) -> anyhow::Result<()> {
    match action {
        Action::Show { gateway } => gateway.show(("GET", "reconcile"), &[], None, &COLUMNS).await,
        Action::Start { account, campaign, since, gateway } => {
            let order = json!({"account": account, "campaign": campaign, "since": since});
            gateway.show(("POST", "reconcile"), &[], Some(order), &[]).await
        }
    }
}
