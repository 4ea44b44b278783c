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
    /// What its results come to, by quarters of an hour.
    Outcomes {
        /// Its UUID.
        id: String,
        /// The first quarter begins then or later, as in 2026-11-01T00:00:00Z; 24 hours ago.
        #[arg(long)]
        from: Option<String>,
        /// The last quarter begins before that; now.
        #[arg(long)]
        until: Option<String>,
        #[command(flatten)]
        gateway: Gateway,
    },
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

const QUARTERS: [Column; 6] = [
    ("AT", "/at"),
    ("ACCOUNT", "/account"),
    ("DISPOSITION", "/disposition"),
    ("ATTEMPTS", "/attempts"),
    ("LIVE", "/live_persons"),
    ("SUCCESSES", "/successes"),
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
        Action::Outcomes { id, from, until, gateway } => {
            let words = [("from", from.clone()), ("until", until.clone())];
            let given = words.into_iter().filter_map(|(name, word)| Some((name, word?)));
            let query: Vec<_> = given.collect();
            let path = format!("campaigns/{id}/outcomes");
            gateway.show(("GET", &path), &query, None, &QUARTERS).await
        }
        Action::History(One { id, gateway }) => {
            gateway.show(("GET", &format!("campaigns/{id}/history")), &[], None, &EVENTS).await
        }
    }
}
