//! How the story is told: progress lines, the summary as table and as JSON, lines to go on with.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde_json::{Value, json};

use super::caller::{IsalesCaller, VoipbinCaller};
use super::stage::{CLIENT_ISALES_ACCESS_KEY, CLIENT_VOIPBIN_KEY, Stage, client_secret};
use crate::signing::c2;

/// Longest reason in the table, in characters; the JSON has them whole.
const REASON_MAX_CHARS: usize = 70;

/// Where progress goes: standard output belongs to the summary when that is JSON.
pub struct Teller {
    to_stderr: bool,
}

/// What the story came to.
pub struct Summary {
    pub campaigns: Vec<Shown>,
    /// Attempts of all campaigns that were read back.
    pub attempts: usize,
    /// Expectations that were not met.
    pub failures: Vec<String>,
}

/// One campaign as both facades show it at the end.
pub struct Shown {
    pub uuid: String,
    pub vdn_id: u16,
    pub campaign_id: u64,
    /// The slug of the account on which it runs.
    pub home: &'static str,
    pub name: &'static str,
    pub status_voipbin: String,
    pub status_isales: i64,
    pub attempts: usize,
    pub losses: Vec<Loss>,
}

/// A field that the other platform's document does not carry, or not as it is.
pub struct Loss {
    pub field: String,
    pub outcome: &'static str,
    pub reason: String,
}

impl Teller {
    pub fn new(to_stderr: bool) -> Self {
        Self { to_stderr }
    }

    /// A reader that went away does not end the story.
    pub fn say(&self, text: &str) {
        if self.to_stderr {
            writeln!(io::stderr(), "{text}").ok();
        } else {
            let mut stdout = io::stdout().lock();
            writeln!(stdout, "{text}").and_then(|()| stdout.flush()).ok();
        }
    }
}

impl Summary {
    pub fn ok(&self) -> bool {
        self.failures.is_empty()
    }

    pub fn to_json(&self) -> Value {
        let loss = |loss: &Loss| json!({ "field": loss.field, "outcome": loss.outcome, "reason": loss.reason });
        let campaign = |shown: &Shown| {
            json!({
                "uuid": shown.uuid,
                "vdn_id": shown.vdn_id,
                "campaign_id": shown.campaign_id,
                "home": shown.home,
                "name": shown.name,
                "status_voipbin": shown.status_voipbin,
                "status_isales": shown.status_isales,
                "losses": shown.losses.iter().map(loss).collect::<Value>(),
            })
        };
        json!({
            "campaigns": self.campaigns.iter().map(campaign).collect::<Value>(),
            "attempts": self.attempts,
            "ok": self.ok(),
        })
    }

    pub fn to_table(&self) -> String {
        let mut table = format!(
            "\n4. What both APIs say now ({} attempts read back through each):\n\n   \
             {:<18} {:<11} {:<38} {:<12} {:>8} {:>9} {:>9} {:>7}\n",
            self.attempts,
            "campaign",
            "home",
            "VoIPBin id",
            "CC-iSales id",
            "VoIPBin",
            "CC-iSales",
            "attempts",
            "losses"
        );
        for shown in &self.campaigns {
            let pair = format!("{} / {}", shown.vdn_id, shown.campaign_id);
            writeln!(
                table,
                "   {:<18} {:<11} {:<38} {pair:<12} {:>8} {:>9} {:>9} {:>7}",
                shown.name,
                shown.home,
                shown.uuid,
                shown.status_voipbin,
                shown.status_isales,
                shown.attempts,
                shown.losses.len()
            )
            .ok();
        }
        table.push_str("\n5. Losses: what each translation approximates or drops\n");
        let losses = self.campaigns.iter().flat_map(|shown| &shown.losses);
        let width = losses.map(|loss| loss.field.len()).max().unwrap_or(0);
        for shown in &self.campaigns {
            writeln!(table, "\n   {}", shown.name).ok();
            for loss in &shown.losses {
                let reason: String = loss.reason.chars().take(REASON_MAX_CHARS).collect();
                let more = if reason.len() < loss.reason.len() { "…" } else { "" };
                writeln!(table, "     {:<width$}  {:<12} {reason}{more}", loss.field, loss.outcome)
                    .ok();
            }
        }
        let verdict = if self.ok() { "All of it was as expected." } else { "NOT all as expected." };
        writeln!(table, "\n{verdict}").ok();
        table
    }
}

/// What to try next: addresses and lines that work as they are.
///
/// # Errors
/// When nothing can be signed.
pub fn invitation(stage: &Stage, summary: &Summary) -> anyhow::Result<String> {
    let voipbin = VoipbinCaller::new(stage.facades(), CLIENT_VOIPBIN_KEY)?;
    let keys = c2::Credentials::new(CLIENT_ISALES_ACCESS_KEY, &client_secret())?;
    let isales = IsalesCaller::new(stage.facades(), keys, stage.clock.clone())?;
    let mut text = format!(
        "\nStill serving: facades {}, health {}/livez, simulators {} and {} (/_sim/journal).\n",
        stage.facades(),
        stage.admin(),
        stage.voipbin.base_url(),
        stage.isales.base_url()
    );
    let Some(first) = summary.campaigns.first() else { return Ok(text) };
    let path = format!("v1/openapi/campaigns/{}/{}", first.vdn_id, first.campaign_id);
    let url = isales.url(&path);
    let header = isales.authorization("GET", &url, "")?;
    let status = voipbin.url(&format!("campaigns/{}/status", first.uuid));
    writeln!(
        text,
        "\nAs a client of VoIPBin:\n  curl '{}'\n  curl '{}'\n  curl -X PUT '{status}' -d \
         '{{\"status\":\"stop\"}}'\n\nAs a client of CC-iSales (this signature is good for some \
         minutes):\n  curl -H 'Authorization: {header}' '{url}'\n\nAnother signature:\n  dialbridge \
         sign --platform isales --access-key {CLIENT_ISALES_ACCESS_KEY} --secret-key-file '{}' \
         --method GET --url '{url}'\n\nStop with ctrl-c.",
        voipbin.url("campaigns"),
        voipbin.url(&format!("campaigns/{}/campaigncalls", first.uuid)),
        stage.secret_file().display(),
    )
    .ok();
    Ok(text)
}
