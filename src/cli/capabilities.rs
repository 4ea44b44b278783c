//! `dialbridge capabilities`: what each facade does on each home, from the data that routing uses.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::{Exit, print_out};
use crate::gateway::route::{Route, route};
use crate::platforms::{Operation, PlatformKind};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Print the page `docs/capabilities.md`.
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

struct Row {
    operation: Operation,
    facade: PlatformKind,
    home: PlatformKind,
    route: Route,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let rows = rows();
    let text = if args.json {
        serde_json::to_string_pretty(&as_json(&rows))?
    } else if args.markdown {
        as_markdown(&rows)?
    } else {
        as_text(&rows)?
    };
    print_out(text.trim_end())?;
    Ok(Exit::Done.into())
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for operation in Operation::all() {
        for facade in PlatformKind::ALL {
            for home in PlatformKind::ALL {
                rows.push(Row { operation, facade, home, route: route(operation, home, facade) });
            }
        }
    }
    rows
}

fn as_json(rows: &[Row]) -> Value {
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "operation": row.operation.as_str(),
                "facade": row.facade.as_str(),
                "home": row.home.as_str(),
                "route": row.route.as_str(),
                "reason": row.route.reason(),
            })
        })
        .collect();
    Value::Array(rows)
}

fn as_text(rows: &[Row]) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for row in rows {
        writeln!(
            text,
            "{:<16} {:<8} → {:<8} {:<12} {}",
            row.operation.as_str(),
            row.facade.as_str(),
            row.home.as_str(),
            row.route.as_str(),
            row.route.reason().unwrap_or_default()
        )?;
    }
    Ok(text)
}

fn as_markdown(rows: &[Row]) -> Result<String, std::fmt::Error> {
    let mut text = String::from(
        "# Capabilities\n\nWhat each facade does on each home. Made from the data that routing uses by `make docs`.\n\n\
         | Operation | Facade | Home | Route | Reason |\n|---|---|---|---|---|\n",
    );
    for row in rows {
        writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            row.operation.as_str(),
            row.facade.as_str(),
            row.home.as_str(),
            row.route.as_str(),
            row.route.reason().unwrap_or_default()
        )?;
    }
    Ok(text)
}
