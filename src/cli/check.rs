//! `dialbridge check`: everything that can be known before serving, and nothing changed.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;

use crate::app;
use crate::cli::{Exit, block_on, print_out};
use crate::clock::Clock;
use crate::config::{self, AccountConfig, Config, LedgerConfig, WritePolicy};
use crate::ledger::Ledger;
use crate::ledger::keys::KeyFingerprint;
use crate::ledger::sqlite::keeping::Inspection;
use crate::mapping::table::Tables;
use crate::platforms::{Account, Operation};
use crate::transport::pacing::Lane;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration to check.
    #[arg(long)]
    config: PathBuf,
    /// Open no connection to any platform.
    #[arg(long)]
    offline: bool,
}

/// What `writes = "deny"` keeps from happening on a platform.
const WRITES: [Operation; 6] = [
    Operation::CampaignCreate,
    Operation::CampaignModify,
    Operation::CampaignStart,
    Operation::CampaignStop,
    Operation::CampaignDelete,
    Operation::ContactAdd,
];

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = config::load_file(&args.config)?;
    let tables = app::load_tables(&config)?;
    let clock = Clock::real();
    block_on(async {
        let mut report = String::new();
        writeln!(
            report,
            "configuration  ok: {} accounts, {} clients; mapping tables {}",
            config.accounts.len(),
            config.clients.len(),
            tables.version()
        )?;
        let mut all_well = check_certificates(&config, &mut report)?;
        all_well &= check_ledger(&config, &clock, &mut report).await?;
        for account in &config.accounts {
            say_held_back(account, &mut report)?;
            if !args.offline {
                all_well &= reach(&config, account, &tables, &clock, &mut report).await?;
            }
        }
        if config.clients.is_empty() {
            writeln!(report, "clients        none: nobody can call the facades")?;
        }
        print_out(report.trim_end())?;
        Ok(if all_well { Exit::Done } else { Exit::Failed }.into())
    })
}

/// Whether the listeners could prove themselves; says nothing where none is to.
fn check_certificates(config: &Config, report: &mut String) -> anyhow::Result<bool> {
    let listeners = &config.listeners;
    let all = [&listeners.facades, &listeners.admin, &listeners.callbacks];
    let with_tls = all.iter().filter(|listener| listener.tls.is_some()).count();
    match app::check_certificates(listeners) {
        Ok(()) if with_tls == 0 => Ok(true),
        Ok(()) => {
            writeln!(report, "certificates   ok: {with_tls} of {} listeners use TLS", all.len())?;
            Ok(true)
        }
        Err(error) => {
            writeln!(report, "certificates   {error:#}")?;
            Ok(false)
        }
    }
}

/// Whether the ledger can be served from, and with these master keys: the ones that it has met under their
/// versions. Looks alone: whoever checks may be somebody else than whoever serves.
async fn check_ledger(config: &Config, clock: &Clock, report: &mut String) -> anyhow::Result<bool> {
    let prints = app::key_fingerprints(config)?;
    let inspected = match &config.ledger {
        LedgerConfig::Sqlite { path } => Ledger::inspect_sqlite(path, prints)
            .with_context(|| format!("opening the ledger {} (ledger.url)", path.display())),
        LedgerConfig::Postgres { .. } => inspect_database(&config.ledger, clock, prints).await,
    };
    let found = match inspected {
        Ok(found) => found,
        Err(error) => {
            writeln!(report, "ledger         not ready: {error:#}")?;
            return Ok(false);
        }
    };
    let in_use = if found.is_in_use { ": in use by a running gateway; read only" } else { "" };
    writeln!(report, "ledger         ok{in_use}")?;
    if let Err(error) = &found.keys {
        writeln!(report, "master keys    {error}")?;
    }
    Ok(found.keys.is_ok())
}

async fn inspect_database(
    settings: &LedgerConfig,
    clock: &Clock,
    prints: Vec<KeyFingerprint>,
) -> anyhow::Result<Inspection> {
    let ledger = app::open_ledger(settings, clock, false).await?;
    // A database that may only be read can be opened.
    ledger.check_writable().await?;
    Ok(Inspection { is_in_use: false, keys: ledger.check_keys(prints).await })
}

fn say_held_back(account: &AccountConfig, report: &mut String) -> std::fmt::Result {
    if account.writes == WritePolicy::Allow {
        return writeln!(report, "account        {}: writes allowed", account.slug);
    }
    let held: Vec<String> = WRITES.iter().map(|operation| format!("{operation:?}")).collect();
    writeln!(
        report,
        "account        {}: writes = \"deny\" holds back {}",
        account.slug,
        held.join(", ")
    )
}

/// Asks for the first page of the account's campaigns.
async fn reach(
    config: &Config,
    account: &AccountConfig,
    tables: &Arc<Tables>,
    clock: &Clock,
    report: &mut String,
) -> anyhow::Result<bool> {
    let bindings = Arc::new(config.bindings.clone());
    let connected = Account::new(account, Arc::clone(tables), bindings, clock.clone())
        .and_then(|connected| connected.adapter());
    let adapter = match connected {
        Ok(adapter) => adapter,
        Err(error) => {
            writeln!(report, "account        {}: cannot connect: {error}", account.slug)?;
            return Ok(false);
        }
    };
    // Where the platform may push results to; the address is as secret as a password.
    let callbacks = adapter.callbacks();
    if let Some(address) = callbacks.address(None).or_else(|| callbacks.path()) {
        writeln!(report, "callbacks      {}: POST {address}", account.slug)?;
    }
    match adapter.list_campaigns(Lane::FacadeRead, None).await {
        Ok(page) => {
            let more = if page.next.is_some() { " and more" } else { "" };
            writeln!(
                report,
                "account        {}: reached, {} campaigns{more}",
                account.slug,
                page.campaigns.len()
            )?;
            Ok(true)
        }
        Err(error) => {
            writeln!(report, "account        {}: not reached: {error}", account.slug)?;
            Ok(false)
        }
    }
}
