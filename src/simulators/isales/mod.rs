//! A CC-iSales server to test against and to demonstrate with: campaigns that dial on a clock,
//! results, callbacks, error codes in the documented order, quotas, C2 authentication.
//!
//! *Requests* are recognised ([`routes`]), authenticated ([`auth`]) and answered from the *world*
//! under one lock, brought up to the present first. The *engine* lets calls begin and end; the
//! *outbox* holds callbacks until they are taken or given up. What no page states is a switch.
//!
//! Besides the API and the shared `/_sim/` paths: `GET|POST /_sim/switches`, `POST /_sim/outcomes`,
//! `POST /_sim/seeds`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::web;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

mod answer;
mod auth;
mod batches;
mod blacklist;
mod callbacks;
mod campaign_rules;
mod campaigns;
mod checks;
mod contacts;
mod control;
mod definitions;
mod engine;
pub mod outcome;
mod policies;
mod results;
mod retry;
mod routes;
mod schedule;
pub mod seeds;
mod server;
mod simulation;
mod special_dates;
mod world;

use super::faults::{Faults, Gate};
use super::journal::Journal;
use super::{Harness, Running};
use crate::clock::Clock;
use outcome::Rule;
use seeds::Seeds;
use simulation::{Simulation, injected, is_write};
use world::World;

/// Longest request body.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
/// The first tenant's keys: those of the signing vectors (reference 2.4).
pub const ACCESS_KEY: &str = "AKEXAMPLE000001";
pub const SECRET_KEY: &str = "SKexampleSecret0000000000000001";
/// The second tenant, so that a VDN of somebody else can be tried.
pub const OTHER_ACCESS_KEY: &str = "AKEXAMPLE000002";
pub const OTHER_SECRET_KEY: &str = "SKexampleSecret0000000000000002";

/// Everything that a simulator starts with.
#[derive(Debug, Clone)]
pub struct Options {
    /// None: a free port on 127.0.0.1.
    pub listen: Option<SocketAddr>,
    /// Outcomes of calls and injected faults follow from it.
    pub seed: u64,
    pub clock: Clock,
    /// The tenant's zone: schedules, special dates, days of statistics, `callTimeStr`.
    pub time_zone: TimeZone,
    pub release: Release,
    pub faults: Faults,
    pub switches: Switches,
    pub limits: Limits,
    pub tenants: Vec<Tenant>,
    /// Skill queues that every VDN has.
    pub skill_queues: Vec<SkillQueue>,
    /// IVR access codes that every VDN has.
    pub ivr_codes: Vec<String>,
    /// How often a call is answered, 0 to 1, where no rule forces the outcome.
    pub answer_rate: f64,
    /// Rules that force outcomes; more can be posted to `/_sim/outcomes`.
    pub outcomes: Vec<Rule>,
    /// Documents and result rows that are there from the start.
    pub seeds: Seeds,
}

#[derive(Debug, Clone)]
pub struct Tenant {
    pub access_key: String,
    pub secret_key: SecretString,
    /// 1–9999 each.
    pub vdns: Vec<i64>,
}

#[derive(Debug, Clone)]
pub struct SkillQueue {
    pub id: i64,
    pub name: String,
    /// Predicted and preempted campaigns keep at most this many calls up at once.
    pub agents: usize,
}

/// The two documented behaviours (reference 3.14, 9.1, 15.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Up to 2025-04: no adding to running or ended campaigns, block list with `restrictTimes`, no
    /// batches.
    Y2024,
    /// From 2025-11: adding any time before the end of the data, batches, `validityTimeUnit`.
    Y2025,
}

/// Facts that no page states, one switch each. All can be changed by `POST /_sim/switches`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// What `initStatus` 0, or none, means (3.14).
    pub init_status: InitStatus,
    /// Push only the result that ends a record, not every attempt (6).
    pub final_only_pushes: bool,
    /// Pushes of one record before giving up: 6 on the older pages, 2 on the newest (6).
    pub push_limit: u32,
    /// The immediate repeat counts towards `push_limit` (6).
    pub repeat_counts: bool,
    /// 200 with a `retCode` other than "0" is pushed again (6).
    pub retry_on_ret_code: bool,
    /// Rows in one push (6).
    pub push_batch_size: usize,
    /// With showDetail 1, attempts show only when their record has ended (5.1).
    pub results_when_record_ends: bool,
    /// The day `endTime` belongs to the span of a result query (5.1).
    pub end_day_included: bool,
    /// How the line of an empty query is signed (2.3).
    pub empty_query_line: EmptyQueryLine,
    /// Seconds that a request's time may be off; 0 accepts any time (2.3).
    pub timestamp_window_s: u64,
    /// Beginnings of callback addresses that the administrator allowed; none allows all (6).
    pub callback_allow_list: Vec<String>,
    /// An address off the list fails the create or modify; otherwise nothing is pushed (14).
    pub refuse_unlisted_callback: bool,
    /// What an item of the campaign list holds (3.6).
    pub list_item: ListItem,
    /// What `callerNo` of a campaign with several calling numbers shows (3.5).
    pub shown_callers: ShownCallers,
    /// How numbers are deleted; the page's list of errors was not seen (4.3).
    pub delete_numbers: DeleteNumbers,
    /// A VDN of another tenant fails authentication instead of giving 0200001.
    pub foreign_vdn_unauthorized: bool,
    /// Result queries beyond ten at once are refused with 429; they are always counted (5.1).
    pub limit_result_queries: bool,
    /// Time one result query takes, in milliseconds of the simulator's clock.
    pub result_query_ms: u64,
    /// Success is written `0`, as in the samples, instead of `00000` (6.1).
    pub short_success_code: bool,
    /// Recordings exist (SaaS); otherwise `recordPath` is empty (5.1).
    pub recordings: bool,
    /// Leave out the members that the samples leave out (1).
    pub sample_envelopes: bool,
    /// The server's own database fails: 0200006 where it is documented.
    pub database_down: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitStatus {
    /// 0 or absent is started, 1 is paused.
    ZeroStarts,
    /// 0 or absent is paused, 1 is started.
    ZeroPauses,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeleteNumbers {
    /// A request that names no record succeeds.
    Lenient,
    /// It gives 0200001.
    Strict,
    /// A `sessionId` alone is not enough: 02000009.
    Combined,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmptyQueryLine {
    Either,
    Required,
    Forbidden,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListItem {
    /// The fields of the detail.
    Full,
    /// id, name, status, times and device type.
    Brief,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShownCallers {
    /// The one of the highest priority.
    First,
    /// All of them with commas between.
    Joined,
}

/// Quotas of section 12.1; a test may lower them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Campaigns not ended, of each class.
    pub active_campaigns: usize,
    /// Records not finished, per campaign.
    pub unfinished_records: usize,
    pub records_per_request: usize,
    /// Between two adds to one campaign.
    pub add_spacing: Duration,
    pub concurrent_result_queries: usize,
    pub statistics_spacing: Duration,
    /// Per add or delete request.
    pub callers_per_request: usize,
    /// In all, per campaign; the vendor's parameter is not published.
    pub callers: usize,
    pub blocks_per_request: usize,
    pub special_dates: usize,
    pub batches: usize,
    /// Of the blacklist and of definitions per VDN: ours, so that nothing grows without bound.
    pub entries_per_vdn: usize,
}

/// Serves until stopped; listens when this returns.
///
/// # Errors
/// When the address cannot be listened on, or an option is wrong: an access key that cannot stand in
/// a signature, a VDN outside 1–9999, a bad rule, a seed for a VDN that no tenant has.
#[expect(clippy::unused_async, reason = "as the other simulator's, which may wait")]
pub async fn start(options: Options) -> std::io::Result<Running> {
    let invalid = |why: String| std::io::Error::new(std::io::ErrorKind::InvalidInput, why);
    options.check().map_err(invalid)?;
    let journal = Journal::default();
    let faults = Gate::new(options.faults.clone(), options.seed);
    let mut world = World::new(&options, journal.clone(), options.clock.now());
    world.plant(&options.seeds).map_err(invalid)?;
    let tenants = options.tenants.iter().map(auth::Keys::new).collect::<Result<_, _>>();
    let simulation = Arc::new(Simulation {
        clock: options.clock.clone(),
        faults: faults.clone(),
        tenants: tenants.map_err(|problem| invalid(problem.to_string()))?,
        world: Mutex::new(world),
        changed: Notify::new(),
    });
    let behind = Arc::downgrade(&simulation);
    journal.before_reading(move || {
        if let Some(simulation) = behind.upgrade() {
            simulation.world().run_until(simulation.now());
        }
    });
    let harness =
        Harness { name: "sim-isales", clock: options.clock, journal, faults, injected, is_write };
    let pusher = callbacks::pusher()?;
    let served = Arc::clone(&simulation);
    let routes = move |config: &mut web::ServiceConfig| {
        config
            .app_data(web::PayloadConfig::new(MAX_BODY_BYTES))
            .app_data(web::Data::from(Arc::clone(&served)))
            .configure(control::routes)
            .default_service(web::to(server::handle));
    };
    let engine = move || async move { simulation.run(&pusher).await };
    super::serve(harness, options.listen, routes, engine)
}

impl Options {
    /// What is wrong, in one line.
    fn check(&self) -> Result<(), String> {
        let vdns = self.tenants.iter().flat_map(|tenant| tenant.vdns.iter());
        if let Some(vdn) = vdns.into_iter().find(|vdn| !(1..=9_999).contains(*vdn)) {
            return Err(format!("VDN {vdn}: must be from 1 to 9999"));
        }
        if !(0.0..=1.0).contains(&self.answer_rate) {
            return Err("answer rate: must be from 0 to 1".to_owned());
        }
        if self.outcomes.len() > outcome::MAX_RULES {
            return Err(format!("outcomes: at most {} rules", outcome::MAX_RULES));
        }
        match self.outcomes.iter().find_map(Rule::problem) {
            Some(problem) => Err(format!("outcomes: {problem}")),
            None => Ok(()),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        let tenant = |access_key: &str, secret_key: &str, vdns| Tenant {
            access_key: access_key.to_owned(),
            secret_key: SecretString::from(secret_key),
            vdns,
        };
        Self {
            listen: None,
            seed: 1,
            clock: Clock::real(),
            time_zone: TimeZone::UTC,
            release: Release::Y2025,
            faults: Faults::default(),
            switches: Switches::default(),
            limits: Limits::default(),
            tenants: vec![
                tenant(ACCESS_KEY, SECRET_KEY, vec![11]),
                tenant(OTHER_ACCESS_KEY, OTHER_SECRET_KEY, vec![22]),
            ],
            skill_queues: vec![
                SkillQueue { id: 1, name: "Voice Skill Queue".to_owned(), agents: 5 },
                SkillQueue { id: 5, name: "Voice Skill Queue".to_owned(), agents: 10 },
            ],
            ivr_codes: vec!["179080000537636".to_owned(), "66001".to_owned()],
            answer_rate: 0.6,
            outcomes: Vec::new(),
            seeds: Seeds::default(),
        }
    }
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            init_status: InitStatus::ZeroStarts,
            final_only_pushes: false,
            push_limit: 6,
            repeat_counts: false,
            retry_on_ret_code: false,
            push_batch_size: 1,
            results_when_record_ends: false,
            end_day_included: true,
            empty_query_line: EmptyQueryLine::Either,
            timestamp_window_s: 0,
            callback_allow_list: Vec::new(),
            refuse_unlisted_callback: false,
            list_item: ListItem::Full,
            shown_callers: ShownCallers::First,
            delete_numbers: DeleteNumbers::Lenient,
            foreign_vdn_unauthorized: false,
            limit_result_queries: false,
            result_query_ms: 0,
            short_success_code: false,
            recordings: true,
            sample_envelopes: false,
            database_down: false,
        }
    }
}

impl Switches {
    pub(super) fn allows_callback(&self, url: &str) -> bool {
        self.callback_allow_list.is_empty()
            || self.callback_allow_list.iter().any(|allowed| url.starts_with(allowed))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            active_campaigns: 20,
            unfinished_records: 200_000,
            records_per_request: 20,
            add_spacing: Duration::from_secs(1),
            concurrent_result_queries: 10,
            statistics_spacing: Duration::from_mins(5),
            callers_per_request: 100,
            callers: 1_000,
            blocks_per_request: 20,
            // "Fewer than 20" (section 10).
            special_dates: 19,
            batches: 100,
            entries_per_vdn: 100_000,
        }
    }
}
