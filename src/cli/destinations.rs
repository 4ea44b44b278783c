//! `dialbridge destinations`: where results are passed on to.

use std::process::ExitCode;

use serde_json::{Value, json};
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
    /// All of them, with what became of their deliveries.
    List {
        #[command(flatten)]
        gateway: Gateway,
    },
    /// One of them.
    Show(Named),
    /// Make one.
    Add(Box<Add>),
    /// Send a trial, through the same checks as a delivery.
    Test(Named),
    /// Let deliveries wait; no try is used up.
    Pause(Named),
    /// Let deliveries leave again, also after the receiver wanted no more.
    Resume(Named),
    /// Make a new secret; the old one signs beside it for a while.
    Rotate {
        #[command(flatten)]
        named: Named,
        /// How long, 0 to 720.
        #[arg(long, default_value_t = 24)]
        overlap_hours: u64,
    },
    /// Print what the receiver verifies signatures with.
    Secret(Named),
    /// Take it away; what waits for it becomes dead letters.
    Remove(Named),
}

#[derive(Debug, clap::Args)]
struct Named {
    name: String,
    #[command(flatten)]
    gateway: Gateway,
}

#[derive(Debug, clap::Args)]
struct Add {
    /// 1 to 64 letters, digits, -, _ or .
    #[arg(long)]
    name: String,
    /// standard, voipbin, isales or raw.
    #[arg(long, default_value = "standard")]
    shape: String,
    /// Where to post to. (Not --url, which says which gateway.)
    #[arg(long)]
    to: String,
    /// Results of this account; all of the token's when none is named.
    #[arg(long = "account")]
    accounts: Vec<String>,
    /// Results of this campaign only.
    #[arg(long = "campaign")]
    campaigns: Vec<Uuid>,
    /// Results with this disposition only.
    #[arg(long = "disposition")]
    dispositions: Vec<String>,
    /// A campaign's results in the order in which they were first heard of.
    #[arg(long)]
    ordered: bool,
    /// Deliveries a second, 1 to 10000.
    #[arg(long)]
    rate_per_s: Option<u32>,
    /// Deliveries under way at a time, 1 to 256.
    #[arg(long)]
    concurrency: Option<u32>,
    /// Waits between tries in seconds, as in 5,60,3600.
    #[arg(long, value_delimiter = ',')]
    retry_waits_s: Option<Vec<u32>>,
    #[command(flatten)]
    gateway: Gateway,
}

const COLUMNS: [Column; 8] = [
    ("NAME", "/name"),
    ("SHAPE", "/shape"),
    ("URL", "/url"),
    ("STATE", "/state"),
    ("CREATED", "/created"),
    ("DELIVERED", "/delivered"),
    ("PENDING", "/pending"),
    ("DEAD", "/dead"),
];

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    block_on(act(&args.action))?;
    Ok(Exit::Done.into())
}

async fn act(action: &Action) -> anyhow::Result<()> {
    let change = async |named: &Named, method: &str, below: &str, query: &[(&str, String)]| {
        let path = format!("destinations/{}{below}", named.name);
        named.gateway.show((method, &path), query, None, &[]).await
    };
    match action {
        Action::List { gateway } => {
            gateway.show(("GET", "destinations"), &[], None, &COLUMNS).await
        }
        Action::Show(named) => change(named, "GET", "", &[]).await,
        Action::Add(add) => {
            add.gateway.show(("POST", "destinations"), &[], Some(order(add)), &[]).await
        }
        Action::Test(named) => change(named, "POST", "/test", &[]).await,
        Action::Pause(named) => change(named, "POST", "/pause", &[]).await,
        Action::Resume(named) => change(named, "POST", "/resume", &[]).await,
        Action::Rotate { named, overlap_hours } => {
            let query = [("overlap_hours", overlap_hours.to_string())];
            change(named, "POST", "/rotate", &query).await
        }
        Action::Secret(named) => secret(named).await,
        Action::Remove(named) => change(named, "DELETE", "", &[]).await,
    }
}

/// The one reading that needs the scope `operate`.
async fn secret(named: &Named) -> anyhow::Result<()> {
    let path = format!("destinations/{}/secret", named.name);
    named.gateway.show_secret(&path).await
}

fn order(add: &Add) -> Value {
    json!({
        "name": add.name,
        "shape": add.shape,
        "url": add.to,
        "accounts": add.accounts,
        "campaigns": add.campaigns,
        "dispositions": add.dispositions,
        "ordered": add.ordered,
        "rate_per_s": add.rate_per_s,
        "concurrency": add.concurrency,
        "retry_waits_s": add.retry_waits_s,
    })
}
