//! `dialbridge inbox`: what was pushed, what became of it, and taking through again what was not
//! understood.

use std::process::ExitCode;

use anyhow::ensure;
use serde_json::{Value, json};

use crate::cli::operator::{Column, Gateway, Operator, list_query};
use crate::cli::{Exit, block_on};
use crate::config::ApiScope;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    gateway: Gateway,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// What is in quarantine, oldest first; never what it says.
    List {
        /// Of this account.
        #[arg(long)]
        account: Option<String>,
        /// Rows, 1 to 200.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// `next_cursor` of the page before.
        #[arg(long)]
        cursor: Option<String>,
        #[command(flatten)]
        gateway: Gateway,
    },
    /// Take bodies in quarantine through processing again. What is understood leaves it.
    Reprocess {
        /// These; `inbox list` shows their ids.
        ids: Vec<i64>,
        /// All that were proved to be the platform's.
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        /// Also those named that were not: you vouch for them.
        #[arg(long, conflicts_with = "all")]
        unproved: bool,
        /// Look, and change nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        gateway: Gateway,
    },
}

const COLUMNS: [Column; 8] = [
    ("ACCOUNT", "/account"),
    ("WAITING", "/waiting"),
    ("SINCE", "/waiting_since"),
    ("ROWS", "/rows/received"),
    ("STORED", "/rows/stored"),
    ("MERGED", "/rows/merged"),
    ("QUARANTINED", "/rows/quarantined"),
    ("UNPROVED", "/unproved"),
];

const QUARANTINE: [Column; 6] = [
    ("ID", "/id"),
    ("ACCOUNT", "/account"),
    ("RECEIVED AT", "/received_at"),
    ("BYTES", "/bytes"),
    ("PROVED", "/proved"),
    ("REASON", "/reason"),
];

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    block_on(act(args))?;
    Ok(Exit::Done.into())
}

async fn act(args: &Args) -> anyhow::Result<()> {
    match &args.action {
        None => args.gateway.show(("GET", "inbox"), &[], None, &COLUMNS).await,
        Some(Action::List { account, limit, cursor, gateway }) => {
            let words = [("account", account.clone()), ("cursor", cursor.clone())];
            let query = list_query(*limit, &words);
            gateway.show(("GET", "inbox/quarantine"), &query, None, &QUARANTINE).await
        }
        Some(Action::Reprocess { ids, all, unproved, dry_run, gateway }) => {
            ensure!(*all || !ids.is_empty(), "say which: ids, or --all");
            let operator = gateway.connect(ApiScope::Operate)?;
            let done = if *all {
                reprocess_all(&operator, *dry_run).await?
            } else {
                let order = json!({"ids": ids, "unproved": unproved, "dry_run": dry_run});
                operator.ask(("POST", "inbox/reprocess"), &[], Some(order)).await?
            };
            gateway.tell(&done, told)
        }
    }
}

/// Call after call, for each takes only so many.
async fn reprocess_all(operator: &Operator, dry_run: bool) -> anyhow::Result<Value> {
    let (mut sums, mut after) = ([0; 3], Value::Null);
    loop {
        let order = json!({"all": true, "after": after, "dry_run": dry_run});
        let done = operator.ask(("POST", "inbox/reprocess"), &[], Some(order)).await?;
        for (sum, name) in sums.iter_mut().zip(["bodies", "left", "rows"]) {
            *sum += done[name].as_u64().unwrap_or_default();
        }
        after = done["next"].clone();
        if after.is_null() {
            break;
        }
    }
    let [bodies, left, rows] = sums;
    Ok(json!({"dry_run": dry_run, "bodies": bodies, "left": left, "rows": rows}))
}

/// What became of the bodies, in words: `left` alone may be read as what is left over.
fn told(done: &Value) -> String {
    let number = |name: &str| done[name].as_u64().unwrap_or_default();
    let (bodies, left, rows) = (number("bodies"), number("left"), number("rows"));
    let stay = bodies.saturating_sub(left);
    let mut text = if done["dry_run"] == true {
        format!(
            "bodies looked at: {bodies}; {left} would leave the quarantine with {rows} results, {stay} \
             would stay in it; nothing was changed"
        )
    } else {
        format!(
            "bodies looked at: {bodies}; {left} left the quarantine with {rows} results, {stay} stay in it"
        )
    };
    if stay > 0 {
        text += "\n`dialbridge inbox list` says why they stay";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_is_not_taken_for_what_left() {
        let done = |dry_run: bool, left: u64| {
            told(
                &json!({"dry_run": dry_run, "bodies": 3, "left": left, "rows": left, "next": null}),
            )
        };
        let stays = "bodies looked at: 3; 0 left the quarantine with 0 results, 3 stay in it\n\
                     `dialbridge inbox list` says why they stay";
        assert_eq!(done(false, 0), stays);
        let leaves = "bodies looked at: 3; 3 left the quarantine with 3 results, 0 stay in it";
        assert_eq!(done(false, 3), leaves);
        assert!(
            done(true, 2).contains("2 would leave the quarantine with 2 results, 1 would stay")
        );
        assert!(done(true, 2).contains("nothing was changed"));
    }
}
