//! `dialbridge campaigns`: the directory, and what happened to a campaign.

use std::process::ExitCode;

use crate::cli::operator::{Column, Gateway, list_query};
use crate::cli::{Exit, block_on};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Campaigns and drafts, newest first.
    List {
        /// Of this account only.
        #[arg(long)]
        account: Option<String>,
        /// Part of the name.
        #[arg(long)]
        name: Option<String>,
        /// running, stopped, stopping or ended.
        #[arg(long)]
        status: Option<String>,
        /// Rows, 1 to 200.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// `next_cursor` of the page before.
        #[arg(long)]
        cursor: Option<String>,
        #[command(flatten)]
        gateway: Gateway,
    },
    /// One campaign, and what its translations lose.
    Show(One),
    /// What happened to it, who did it, and why.
    History(One),
}

#[derive(Debug, clap::Args)]
struct One {
    /// Its UUID, or vdnId:campaignId.
    id: String,
    #[command(flatten)]
    gateway: Gateway,
}

const COLUMNS: [Column; 8] = [
    ("ID", "/id"),
    ("VDN", "/vdn_id"),
    ("NUMBER", "/campaign_id"),
    ("ACCOUNT", "/account"),
    ("STATE", "/state"),
    ("DESIRED", "/desired"),
    ("ACTUAL", "/actual"),
    ("NAME", "/name"),
];

const EVENTS: [Column; 6] = [
    ("AT", "/at"),
    ("ACTOR", "/actor"),
    ("ACTION", "/action"),
    ("BEFORE", "/before"),
    ("AFTER", "/after"),
    ("REASON", "/reason"),
];

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    block_on(act(&args.action))?;
    Ok(Exit::Done.into())
}

async fn act(action: &Action) -> anyhow::Result<()> {
    match action {
        Action::List { account, name, status, limit, cursor, gateway } => {
            let words = [
                ("account", account.clone()),
                ("name", name.clone()),
                ("status", status.clone()),
                ("cursor", cursor.clone()),
            ];
            let query = list_query(*limit, &words);
            gateway.show(("GET", "campaigns"), &query, None, &COLUMNS).await
        }
        Action::Show(One { id, gateway }) => {
            gateway.show(("GET", &format!("campaigns/{id}")), &[], None, &[]).await
        }
        Action::History(One { id, gateway }) => {
            gateway.show(("GET", &format!("campaigns/{id}/history")), &[], None, &EVENTS).await
        }
    }
}
