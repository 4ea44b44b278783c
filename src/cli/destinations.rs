//! `dialbridge destinations`: where results are passed on to.

use std::process::ExitCode;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::operator::{Column, Gateway};
use crate::cli::{Exit, block_on};
use crate::config::ApiScope;

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
    /// Set one otherwise; its secret and what waits for it stay. What is left out stays, too.
    Set(Box<Set>),
    /// Send a trial, through the same checks as a delivery.
    Test(Named),
    /// Let deliveries wait; no try is used up.
    Pause(Named),
    /// Let deliveries leave again, also after the receiver wanted no more.
    Resume(Named),
    /// Make a new secret; the one before signs beside it for a while.
    Rotate {
        #[command(flatten)]
        named: Named,
        /// How long, 0 to 720; 24.
        #[arg(long)]
        overlap_hours: Option<u64>,
        /// No older secret signs any more.
        #[arg(long, conflicts_with = "overlap_hours")]
        revoke: bool,
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
    /// Take an answer of success for one only with `retCode` 0 in it (shapes isales and raw).
    #[arg(long)]
    require_ret_code: bool,
    #[command(flatten)]
    gateway: Gateway,
}

#[derive(Debug, clap::Args)]
struct Set {
    name: String,
    /// Where to post to from now on. (Not --url, which says which gateway.)
    #[arg(long)]
    to: Option<String>,
    /// Results of these accounts, in place of those before.
    #[arg(long = "account")]
    accounts: Vec<String>,
    /// Results of all of the token's accounts.
    #[arg(long, conflicts_with = "accounts")]
    all_accounts: bool,
    /// Results of these campaigns, in place of those before.
    #[arg(long = "campaign")]
    campaigns: Vec<Uuid>,
    /// Results of all campaigns.
    #[arg(long, conflicts_with = "campaigns")]
    all_campaigns: bool,
    /// Results with these dispositions, in place of those before.
    #[arg(long = "disposition")]
    dispositions: Vec<String>,
    /// Results with any disposition.
    #[arg(long, conflicts_with = "dispositions")]
    all_dispositions: bool,
    /// Deliveries a second, 1 to 10000.
    #[arg(long)]
    rate_per_s: Option<u32>,
    /// As fast as it takes them.
    #[arg(long, conflicts_with = "rate_per_s")]
    any_rate: bool,
    /// Deliveries under way at a time, 1 to 256.
    #[arg(long)]
    concurrency: Option<u32>,
    /// Waits between tries in seconds, as in 5,60,3600.
    #[arg(long, value_delimiter = ',')]
    retry_waits_s: Option<Vec<u32>>,
    /// Whether an answer of success counts only with `retCode` 0 in it (shapes isales and raw).
    #[arg(long)]
    require_ret_code: Option<bool>,
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
        Action::Set(set) => {
            let path = format!("destinations/{}", set.name);
            set.gateway.show(("PATCH", &path), &[], Some(edit(set)), &[]).await
        }
        Action::Test(named) => test(named).await,
        Action::Pause(named) => change(named, "POST", "/pause", &[]).await,
        Action::Resume(named) => change(named, "POST", "/resume", &[]).await,
        Action::Rotate { named, overlap_hours, revoke } => {
            let hours = overlap_hours.map(|hours| ("overlap_hours", hours.to_string()));
            let revoke = revoke.then(|| ("revoke", "true".to_owned()));
            let query: Vec<_> = hours.into_iter().chain(revoke).collect();
            change(named, "POST", "/rotate", &query).await
        }
        Action::Secret(named) => secret(named).await,
        Action::Remove(named) => change(named, "DELETE", "", &[]).await,
    }
}

/// A receiver that does not take it is a failure, for scripts, too.
async fn test(named: &Named) -> anyhow::Result<()> {
    let path = format!("destinations/{}/test", named.name);
    let answer = named.gateway.connect(ApiScope::Operate)?.ask(("POST", &path), &[], None).await?;
    named.gateway.print(&answer, &[])?;
    anyhow::ensure!(answer["taken"] == true, "{} did not take it", named.name);
    Ok(())
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
        "require_ret_code": add.require_ret_code,
    })
}

/// Only what was given.
fn edit(set: &Set) -> Value {
    let some = |value: Value| (!value.is_null()).then_some(value);
    let list = |items: Value, all: bool| {
        (all || items.as_array().is_some_and(|items| !items.is_empty())).then_some(items)
    };
    let rate = if set.any_rate { Some(Value::Null) } else { some(json!(set.rate_per_s)) };
    let members = [
        ("url", some(json!(set.to))),
        ("accounts", list(json!(set.accounts), set.all_accounts)),
        ("campaigns", list(json!(set.campaigns), set.all_campaigns)),
        ("dispositions", list(json!(set.dispositions), set.all_dispositions)),
        ("rate_per_s", rate),
        ("concurrency", some(json!(set.concurrency))),
        ("retry_waits_s", some(json!(set.retry_waits_s))),
        ("require_ret_code", some(json!(set.require_ret_code))),
    ];
    let given = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(given.collect())
}
