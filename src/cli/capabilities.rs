//! `dialbridge capabilities`: what each facade does on each home, from the data that routing uses.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::{Exit, block_on, print_out, running};
use crate::config;
use crate::gateway::route::{Route, route};
use crate::http::endpoints::Endpoint;
use crate::http::{isales_api, voipbin_api};
use crate::platforms::{Operation, PlatformKind};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Print the page `docs/capabilities.md`.
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// Also show how fresh each account's list is, as the gateway says that serves this
    /// configuration.
    #[arg(long, conflicts_with = "markdown")]
    config: Option<PathBuf>,
}

struct Row {
    operation: Operation,
    facade: PlatformKind,
    home: PlatformKind,
    route: Route,
}

struct EndpointRow {
    endpoint: &'static Endpoint,
    facade: PlatformKind,
    home: PlatformKind,
    route: Route,
}

/// Each facade with what it offers.
const FACADES: [(PlatformKind, &[Endpoint]); 2] = [
    (PlatformKind::Voipbin, voipbin_api::ENDPOINTS),
    (PlatformKind::Isales, isales_api::ENDPOINTS),
];

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (rows, endpoints) = (rows(), endpoints());
    let accounts = match &args.config {
        None => None,
        Some(path) => {
            let config = config::load_file(path)?;
            Some(block_on(running::accounts(&config))?)
        }
    };
    let text = if args.json {
        let mut document = as_json(&rows, &endpoints);
        if let Some(accounts) = accounts {
            document["accounts"] = accounts;
        }
        serde_json::to_string_pretty(&document)?
    } else if args.markdown {
        as_markdown(&rows, &endpoints)?
    } else {
        as_text(&rows)? + &accounts.map_or_else(String::new, |accounts| freshness(&accounts))
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

fn endpoints() -> Vec<EndpointRow> {
    let mut rows = Vec::new();
    for (facade, endpoints) in FACADES {
        for endpoint in endpoints {
            for home in PlatformKind::ALL {
                let route = route(endpoint.operation, home, facade);
                rows.push(EndpointRow { endpoint, facade, home, route });
            }
        }
    }
    rows
}

fn as_json(rows: &[Row], endpoints: &[EndpointRow]) -> Value {
    let operations = rows.iter().map(|row| {
        json!({
            "operation": row.operation.as_str(),
            "facade": row.facade.as_str(),
            "home": row.home.as_str(),
            "route": row.route.as_str(),
            "reason": row.route.reason(),
        })
    });
    let endpoints = endpoints.iter().map(|row| {
        json!({
            "method": row.endpoint.method,
            "path": row.endpoint.path,
            "operation": row.endpoint.operation.as_str(),
            "facade": row.facade.as_str(),
            "home": row.home.as_str(),
            "route": row.route.as_str(),
            "reason": row.route.reason(),
        })
    });
    json!({
        "operations": operations.collect::<Vec<_>>(),
        "endpoints": endpoints.collect::<Vec<_>>(),
    })
}

fn as_text(rows: &[Row]) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for row in rows {
        writeln!(
            text,
            "{:<20} {:<8} → {:<8} {:<12} {}",
            row.operation.as_str(),
            row.facade.as_str(),
            row.home.as_str(),
            row.route.as_str(),
            row.route.reason().unwrap_or_default()
        )?;
    }
    Ok(text)
}

/// A line for each account.
fn freshness(accounts: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let line = |account: &Value| {
        let age = account["stale_s"].as_u64();
        let age = age.map_or("never listed".to_owned(), |age| format!("listed {age} s ago"));
        let failing = match text(&account["failed_since"]).as_str() {
            "" => String::new(),
            since => format!("; failing since {since}: {}", text(&account["error"])),
        };
        let (slug, platform) = (text(&account["account"]), text(&account["platform"]));
        format!("account {slug:<32} {platform:<8} {age}{failing}\n")
    };
    accounts.as_array().into_iter().flatten().map(line).collect()
}

fn as_markdown(rows: &[Row], endpoints: &[EndpointRow]) -> Result<String, std::fmt::Error> {
    let mut text = String::from(
        "# Capabilities\n\nWhat each facade does on each home. Made from the data that routing uses by `make docs`.\n\n\
         *native*: the home speaks the client's language and gets the request as it is, but for ids and credentials. \
         *translated*: done by the home, said in the client's words. *emulated*: done by the gateway, from what it keeps. \
         *unsupported*: refused without a request to the home.\n",
    );
    for (facade, _) in FACADES {
        write!(
            text,
            "\n## Endpoints of the {facade}-shaped facade\n\n\
             | Request | Operation | On voipbin | On isales |\n|---|---|---|---|\n",
            facade = facade.as_str()
        )?;
        let of_facade = endpoints.iter().filter(|row| row.facade == facade);
        for homes in of_facade.collect::<Vec<_>>().chunks(PlatformKind::ALL.len()) {
            let Endpoint { method, path, operation } = homes[0].endpoint;
            write!(text, "| {method} `{path}` | {} |", operation.as_str())?;
            for row in homes {
                write!(text, " {} |", row.route.as_str())?;
            }
            text.push('\n');
        }
    }
    text.push_str(
        "\n## Operations\n\n| Operation | Facade | Home | Route | Reason |\n|---|---|---|---|---|\n",
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
