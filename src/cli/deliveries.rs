//! `dialbridge deliveries`: what was passed on, what failed, and sending again.

use std::process::ExitCode;

use serde_json::json;
use uuid::Uuid;

use crate::cli::operator::{Column, Gateway, list_query};
use crate::cli::{Exit, block_on};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// The newest ones.
    List {
        /// To this destination.
        #[arg(long)]
        destination: Option<String>,
        /// pending, delivered or dead.
        #[arg(long)]
        state: Option<String>,
        /// About this campaign.
        #[arg(long)]
        campaign: Option<Uuid>,
        /// Rows, 1 to 200.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// `next_cursor` of the page before.
        #[arg(long)]
        cursor: Option<String>,
        #[command(flatten)]
        gateway: Gateway,
    },
    /// One, with the tries that failed.
    Show {
        number: i64,
        #[command(flatten)]
        gateway: Gateway,
    },
    /// Send again those that have ended and meet all that is said.
    Redrive {
        /// To this destination.
        #[arg(long)]
        destination: Option<String>,
        /// This one.
        #[arg(long)]
        number: Option<i64>,
        /// dead, delivered or both.
        #[arg(long, default_value = "dead")]
        state: String,
        /// About this campaign.
        #[arg(long)]
        campaign: Option<Uuid>,
        /// Of events from then on, as in 2026-11-01T00:00:00Z.
        #[arg(long)]
        from: Option<jiff::Timestamp>,
        /// Of events before then.
        #[arg(long)]
        until: Option<jiff::Timestamp>,
        /// Deliveries a second, 1 to 10000.
        #[arg(long)]
        rate_per_s: Option<u32>,
        /// Count, and send nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        gateway: Gateway,
    },
}

const COLUMNS: [Column; 8] = [
    ("NUMBER", "/number"),
    ("DESTINATION", "/destination"),
    ("STATE", "/state"),
    ("TRIES", "/tries"),
    ("STATUS", "/status"),
    ("EVENT AT", "/event_at"),
    ("ATTEMPT", "/attempt"),
    ("ERROR", "/error"),
];

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    block_on(act(&args.action))?;
    Ok(Exit::Done.into())
}

async fn act(action: &Action) -> anyhow::Result<()> {
    match action {
        Action::List { destination, state, campaign, limit, cursor, gateway } => {
            let words = [
                ("destination", destination.clone()),
                ("state", state.clone()),
                ("campaign", campaign.map(|campaign| campaign.to_string())),
                ("cursor", cursor.clone()),
            ];
            let query = list_query(*limit, &words);
            gateway.show(("GET", "deliveries"), &query, None, &COLUMNS).await
        }
        Action::Show { number, gateway } => {
            gateway.show(("GET", &format!("deliveries/{number}")), &[], None, &[]).await
        }
        Action::Redrive {
            destination,
            number,
            state,
            campaign,
            from,
            until,
            rate_per_s,
            dry_run,
            gateway,
        } => {
            let state = Some(state).filter(|state| *state != "both");
            let order = json!({
                "destination": destination, "number": number, "state": state,
                "campaign": campaign, "from": from, "until": until, "rate_per_s": rate_per_s,
                "dry_run": dry_run,
            });
            gateway.show(("POST", "deliveries/redrive"), &[], Some(order), &[]).await
        }
    }
}
