//! The API's documents. Their comments are what the OpenAPI document says of them.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::gateway::overview::{
    AccountOverview, CampaignOverview, Capability, JobRow, JobStepRow, JournalEntry, Loss,
    OverviewState,
};

/// A list's page. The next one is asked for with `cursor`; there is none when it is null.
#[derive(Serialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next_cursor: Option<String>,
}

/// A campaign, or a draft that its home does not have yet.
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the ids are named as the platform names them")]
pub struct Campaign {
    /// Its id on the VoIPBin-shaped facade, whatever its home.
    pub id: Uuid,
    /// Its ids on the CC-iSales-shaped facade; null for a draft.
    pub vdn_id: Option<u16>,
    pub campaign_id: Option<i32>,
    pub name: String,
    /// The account where it lives.
    pub account: String,
    /// That account's platform: `voipbin` or `isales`.
    pub home: String,
    /// `draft`, `made`, or `gone` when its home has it no more.
    pub state: String,
    /// What clients want of it: `running`, `stopped` …; null for a draft.
    pub desired: Option<String>,
    /// How its home showed it last.
    pub actual: Option<String>,
    /// When its home was asked last.
    pub fetched_at: Option<Timestamp>,
    /// How long ago that is, in seconds.
    pub stale_s: Option<u64>,
    /// Its place in lists.
    pub listed_at: Timestamp,
}

/// A campaign with what its translations lose.
#[derive(Serialize, ToSchema)]
pub struct CampaignDetail {
    #[serde(flatten)]
    pub campaign: Campaign,
    pub losses: Vec<CampaignLoss>,
    /// Why the losses are not known.
    pub losses_unknown: Option<String>,
}

/// A field of the campaign that another platform's document does not have, or not as it is.
#[derive(Serialize, ToSchema)]
pub struct CampaignLoss {
    /// The platform in whose words it is lost.
    pub platform: String,
    pub field: String,
    /// `approximated`, `dropped` …, as in docs/mapping.md.
    pub outcome: String,
    pub reason: String,
}

/// What happened to a campaign, oldest first.
#[derive(Serialize, ToSchema)]
pub struct History {
    pub items: Vec<HistoryEntry>,
}

#[derive(Serialize, ToSchema)]
pub struct HistoryEntry {
    pub at: Timestamp,
    /// A client, an operator, or `outside` for a change found on the platform.
    pub actor: String,
    pub action: String,
    pub request_id: Option<String>,
    pub before: Option<String>,
    pub after: Option<String>,
    pub reason: Option<String>,
}

/// Durable work of several writes.
#[derive(Serialize, ToSchema)]
pub struct Job {
    pub id: Uuid,
    pub kind: String,
    /// The campaign that it is about.
    pub subject: Option<Uuid>,
    pub account: String,
    pub actor: String,
    pub request_id: Option<String>,
    /// `waiting`, `running`, `done`, `failed` or `cancelled`.
    pub state: String,
    /// A step was begun and its outcome is not known; it is looked up, never repeated blindly.
    pub in_doubt: bool,
    /// Turns without a result since the last step that succeeded.
    pub attempt: u32,
    pub run_at: Timestamp,
    pub error: Option<String>,
    /// What came of it, of a job that is done.
    pub answer: Option<serde_json::Value>,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
}

#[derive(Serialize, ToSchema)]
pub struct JobDetail {
    #[serde(flatten)]
    pub job: Job,
    pub steps: Vec<JobStep>,
}

#[derive(Serialize, ToSchema)]
pub struct JobStep {
    pub name: String,
    pub begun_at: Timestamp,
    /// Null while it is under way, or in doubt.
    pub ended_at: Option<Timestamp>,
}

/// How an account stands.
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "an account is named so everywhere")]
pub struct Account {
    pub account: String,
    pub platform: String,
    /// When its campaigns were last listed to the end; null: never.
    pub listed_at: Option<Timestamp>,
    /// How long ago that is, in seconds: lists may be that old.
    pub stale_s: Option<u64>,
    /// Since when listing fails.
    pub failed_since: Option<Timestamp>,
    pub error: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct Accounts {
    pub items: Vec<Account>,
}

/// What an account's platform has pushed and is not an attempt yet, or never will be.
#[derive(Serialize, ToSchema)]
pub struct InboxOverview {
    pub account: String,
    /// Pushes that are kept and not processed yet.
    pub waiting: u64,
    /// Since when the oldest of them waits.
    pub waiting_since: Option<Timestamp>,
    /// Bodies and rows that mean nothing, at most 10,000.
    pub quarantined: u64,
    /// Bodies that were not proved to be the platform's, and were answered 401.
    pub unproved: u64,
    /// Rows that were pushed so far: received = stored + merged + quarantined.
    pub rows: RowTally,
}

#[derive(Serialize, ToSchema)]
pub struct RowTally {
    pub received: u64,
    /// Attempts that were new.
    pub stored: u64,
    /// Of attempts that were known.
    pub merged: u64,
    pub quarantined: u64,
}

#[derive(Serialize, ToSchema)]
pub struct Inbox {
    pub items: Vec<InboxOverview>,
}

/// What can be done where, and how fresh each account's directory is.
#[derive(Serialize, ToSchema)]
pub struct Capabilities {
    pub accounts: Vec<Account>,
    pub operations: Vec<OperationRoute>,
}

/// How an operation that is asked for in a platform's words is done on a home.
#[derive(Serialize, ToSchema)]
pub struct OperationRoute {
    pub operation: String,
    /// In whose words: `voipbin` or `isales`.
    pub facade: String,
    pub home: String,
    /// `native`, `translated`, `emulated` or `unsupported`.
    pub route: String,
    /// Why it is unsupported.
    pub reason: Option<String>,
}

/// Why a request got no answer (RFC 9457, `application/problem+json`).
#[derive(Serialize, ToSchema)]
pub struct ProblemDocument {
    pub title: String,
    pub status: u16,
    /// What a program can rely on: `unauthenticated`, `scope`, `not_found`, `invalid`, `state`,
    /// `unenforced`, `forbidden`, `quota`, `unsupported`, `unavailable`, `unclear`, `refused`,
    /// `too_slow` or `internal`.
    pub code: String,
    pub detail: String,
    /// By which an outcome that is not known yet can be looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<Uuid>,
}

impl From<CampaignOverview> for Campaign {
    fn from(row: CampaignOverview) -> Self {
        let mut campaign = Self {
            id: row.uuid,
            vdn_id: row.pair.map(|pair| pair.vdn.get()),
            campaign_id: row.pair.map(|pair| pair.number.get()),
            name: row.name,
            account: row.account.as_str().to_owned(),
            home: row.home.as_str().to_owned(),
            state: "draft".to_owned(),
            desired: None,
            actual: None,
            fetched_at: None,
            stale_s: None,
            listed_at: row.list_at,
        };
        if let OverviewState::Made { desired, actual, fetched_at, stale_s, gone } = row.state {
            let state = if gone { "gone" } else { "made" };
            state.clone_into(&mut campaign.state);
            campaign.desired = Some(desired.as_str().to_owned());
            campaign.actual = Some(actual.as_str().to_owned());
            campaign.fetched_at = Some(fetched_at);
            campaign.stale_s = Some(stale_s);
        }
        campaign
    }
}

impl From<Loss> for CampaignLoss {
    fn from(loss: Loss) -> Self {
        Self {
            platform: loss.platform.as_str().to_owned(),
            field: loss.field,
            outcome: loss.outcome.to_owned(),
            reason: loss.reason,
        }
    }
}

impl From<JournalEntry> for HistoryEntry {
    fn from(entry: JournalEntry) -> Self {
        Self {
            at: entry.at,
            actor: entry.actor,
            action: entry.action,
            request_id: entry.request_id,
            before: entry.before,
            after: entry.after,
            reason: entry.reason,
        }
    }
}

impl From<JobRow> for Job {
    fn from(row: JobRow) -> Self {
        Self {
            id: row.uuid,
            kind: row.kind,
            subject: row.subject,
            account: row.account.as_str().to_owned(),
            actor: row.actor,
            request_id: row.request_id,
            state: row.state.as_str().to_owned(),
            in_doubt: row.in_doubt,
            attempt: u32::try_from(row.attempt).unwrap_or(u32::MAX),
            run_at: row.run_at,
            error: row.error,
            answer: row.answer.and_then(|answer| serde_json::from_str(&answer).ok()),
            created_at: row.created_at,
            changed_at: row.changed_at,
        }
    }
}

impl From<JobStepRow> for JobStep {
    fn from(step: JobStepRow) -> Self {
        Self { name: step.name, begun_at: step.begun_at, ended_at: step.ended_at }
    }
}

impl From<AccountOverview> for Account {
    fn from(row: AccountOverview) -> Self {
        Self {
            account: row.account.as_str().to_owned(),
            platform: row.platform.as_str().to_owned(),
            listed_at: row.listed_at,
            stale_s: row.stale_s,
            failed_since: row.failed_since,
            error: row.error,
        }
    }
}

impl OperationRoute {
    pub fn new(home: &str, capability: Capability) -> Self {
        Self {
            operation: capability.operation.as_str().to_owned(),
            facade: capability.asked_as.as_str().to_owned(),
            home: home.to_owned(),
            route: capability.route.as_str().to_owned(),
            reason: capability.route.reason().map(str::to_owned),
        }
    }
}
