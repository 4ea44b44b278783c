//! Documents and rows that are there from the start, served exactly as they were given: the samples
//! of the vendor's pages above all. A seeded campaign keeps its status and is never dialled.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::checks;
use super::retry::Rules;
use super::schedule::Schedule;
use super::world::{Campaign, Row, STARTED, World};
use crate::platforms::isales::wire;

/// Rows and documents in one go.
const MAX_SEEDS: usize = 100_000;

/// The body of `POST /_sim/seeds`. Result rows whose campaign is not there create a bare one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Seeds {
    /// 1–9999; must be a tenant's.
    pub vdn_id: i64,
    /// `returnObject` of details, with `id`.
    pub campaigns: Vec<wire::Campaign>,
    /// Rows of result queries, with `campaignId`.
    pub results: Vec<wire::ResultRow>,
}

impl World {
    /// Plants all seeds or none. The error says in one line what is wrong.
    pub(super) fn plant(&mut self, seeds: &Seeds) -> Result<(), String> {
        if seeds.campaigns.is_empty() && seeds.results.is_empty() {
            return Ok(());
        }
        if seeds.campaigns.len() + seeds.results.len() > MAX_SEEDS {
            return Err(format!("at most {MAX_SEEDS} campaigns and rows at once"));
        }
        let Some(vdn) = self.vdns.get_mut(&seeds.vdn_id) else {
            return Err("vdnId: must be one of a tenant".to_owned());
        };
        let campaigns = seeds.campaigns.iter().map(|document| exhibit(seeds.vdn_id, document));
        let campaigns = campaigns.collect::<Result<Vec<_>, _>>()?;
        let mut rows = Vec::with_capacity(seeds.results.len());
        for row in &seeds.results {
            let id = row.campaign_id.as_deref().and_then(|id| id.parse::<i64>().ok());
            rows.push((id.ok_or("results: campaignId must be a number")?, as_row(row)));
        }
        vdn.campaigns.extend(campaigns.into_iter().map(|campaign| (campaign.id, campaign)));
        for (id, row) in rows {
            let bare = || bare(seeds.vdn_id, id);
            vdn.campaigns.entry(id).or_insert_with(bare).rows.push(row);
        }
        Ok(())
    }
}

fn exhibit(vdn: i64, document: &wire::Campaign) -> Result<Campaign, String> {
    let id = document.id.as_ref().and_then(serde_json::Number::as_i64);
    let id = id.ok_or("campaigns: id must be given, as an integer")?;
    let callers = match &document.caller_no {
        wire::CallerNo::Absent => Vec::new(),
        wire::CallerNo::One(number) => {
            let access_code = number.clone();
            vec![wire::CallerNoItem { access_code, ..wire::CallerNoItem::default() }]
        }
        wire::CallerNo::Many(items) => items.clone(),
    };
    Ok(Campaign {
        document: wire::Campaign {
            id: None,
            status: None,
            caller_no: wire::CallerNo::Absent,
            ..document.clone()
        },
        callers,
        begin: instant(document.str_begin_time.as_deref()).unwrap_or(Timestamp::MIN),
        end: instant(document.str_end_time.as_deref()).unwrap_or(Timestamp::MAX),
        exhibit: Some(document.status.unwrap_or(STARTED)),
        ..bare(vdn, id)
    })
}

fn bare(vdn: i64, id: i64) -> Campaign {
    Campaign {
        id,
        vdn,
        document: wire::Campaign {
            name: Some(format!("campaign {id}")),
            device_type: Some(2),
            ..wire::Campaign::default()
        },
        callers: Vec::new(),
        begin: Timestamp::MIN,
        end: Timestamp::MAX,
        paused: false,
        exhibit: Some(STARTED),
        schedule: Schedule::default(),
        special_dates: Vec::new(),
        retry: Rules::default(),
        batches: Vec::new(),
        last_add: None,
        records: Vec::new(),
        waiting: BTreeSet::new(),
        in_flight: BTreeSet::new(),
        next_round: Timestamp::MIN,
        placed_in_round: 0,
        rows: Vec::new(),
    }
}

fn as_row(row: &wire::ResultRow) -> Row {
    let time = row.call_time_str.clone().unwrap_or_default();
    Row {
        day: checks::datetime(&time).map(jiff::civil::DateTime::date),
        shown: row.clone(),
        record: None,
        number: 0,
        is_final: true,
        ack_begin: time.clone(),
        call_begin: time.clone(),
        call_end: time,
    }
}

/// A time, or a bare date as the 2024 sample has it.
fn instant(text: Option<&str>) -> Option<Timestamp> {
    let text = text?;
    let local = checks::datetime(text)
        .or_else(|| Some(checks::date(text)?.to_datetime(jiff::civil::Time::MIN)));
    TimeZone::UTC.to_timestamp(local?).ok()
}
