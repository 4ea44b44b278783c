//! Taking over where platforms push results to, and giving it back.
//!
//! To adopt an account is to have its results pushed here and from here to where they went before;
//! to leave it is to put every address back. Both are jobs, campaign by campaign: the client's own
//! address is kept before the home is told of ours, and forgotten after it has it back, so whatever
//! breaks in between, no result is without somebody to take it.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

use crate::config::WritePolicy;
use crate::domain::campaign::CampaignStatus;
use crate::domain::destination::shown_address;
use crate::domain::ids::{AccountSlug, CampaignIdentity};
use crate::domain::listing::Window;
use crate::gateway::destinations::OperatorView;
use crate::gateway::error::{GatewayError, Refusal};
use crate::gateway::following::is_pushed_here;
use crate::gateway::jobs::{JobKind, Run, Stop};
use crate::gateway::{Home, Shared, WorkerGateway, settling};
use crate::ledger::directory::{DirectoryEntry, DirectoryFilter};
use crate::ledger::jobs::{JobFilter, JobRow, JobState, NewJob};
use crate::ledger::journal::JournalEntry;
use crate::platforms::{FetchedCampaign, PlatformError, PlatformErrorKind};
use crate::transport::pacing::Lane;

/// Of the names of the jobs.
const JOBS: Uuid = Uuid::from_u128(0x9c0e_51d4_27b8_4a6f_b1f3_60d2_8e7a_43c5);
const CAMPAIGNS_AT_ONCE: u32 = 100;
/// Campaigns that did not work out and are named; more are counted.
const MAX_NAMED: usize = 1000;

/// What is to become of an account's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakeOver {
    Adopt,
    Leave,
}

/// What would be done with an address, by what the directory knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Results go elsewhere, or nowhere, and would come here.
    TakeOver,
    /// They come here, and would go where their client wants them.
    PutBack,
    Keep,
}

/// One address and what would be done with it.
#[derive(Debug, Clone)]
pub struct Planned {
    /// None: the account's own address.
    pub campaign: Option<CampaignIdentity>,
    pub name: String,
    pub plan: Plan,
    /// Where results go now, without what may be secret in it; None: nowhere.
    pub now: Option<String>,
}

/// How far a job is; its answer in the end.
#[derive(Default, Clone, Serialize, Deserialize)]
struct Progress {
    /// The account's own address is done, where it has one.
    is_account_done: bool,
    /// The place in lists of the last campaign that was looked at.
    looked_to: Option<Timestamp>,
    changed: u64,
    kept: u64,
    failed: u64,
    failures: Vec<Failure>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Failure {
    /// None: the account's own address.
    campaign: Option<Uuid>,
    reason: String,
}

/// What came of one address.
enum Done {
    Changed,
    Kept,
    Failed(String),
}

impl TakeOver {
    fn kind(self) -> JobKind {
        match self {
            TakeOver::Adopt => JobKind::Adopt,
            TakeOver::Leave => JobKind::Leave,
        }
    }
}

impl Plan {
    pub fn as_str(self) -> &'static str {
        match self {
            Plan::TakeOver => "take-over",
            Plan::PutBack => "put-back",
            Plan::Keep => "keep",
        }
    }
}

impl WorkerGateway {
    /// Begins to take an account's addresses over, or to put them back; answers the job.
    ///
    /// # Errors
    /// `Forbidden` while the account may not be written to, `State` when nobody said what platforms
    /// reach the gateway by.
    pub async fn take_over(
        &self,
        operator: OperatorView<'_>,
        account: &AccountSlug,
        what: TakeOver,
    ) -> Result<JobRow, GatewayError> {
        let home = self.home_of(operator, account)?;
        if self.shared.account(account)?.writes == WritePolicy::Deny {
            return Err(GatewayError::Forbidden(Refusal::WritesDenied));
        }
        if what == TakeOver::Adopt && home.adapter.callbacks().address(None).is_none() {
            return Err(GatewayError::State(NO_ADDRESS.to_owned()));
        }
        let Shared { ledger, clock, .. } = &*self.shared;
        let subject = Uuid::new_v5(&JOBS, account.as_str().as_bytes());
        let under_way = JobFilter {
            accounts: vec![account.clone()],
            states: vec![JobState::Waiting, JobState::Running],
            subject: Some(subject),
            before: None,
        };
        let under_way = ledger.list_jobs(under_way, 1).await?;
        if under_way.iter().any(|job| job.kind != what.kind().as_str()) {
            let why = "the account's addresses are being changed the other way";
            return Err(GatewayError::State(why.to_owned()));
        }
        let entry = JournalEntry {
            after: Some(account.to_string()),
            ..JournalEntry::new(clock.now(), operator.name, what.kind().as_str())
        };
        ledger.append_journal(entry).await?;
        let job = NewJob {
            uuid: clock.new_uuid(),
            kind: what.kind().into(),
            subject: Some(subject),
            account: account.clone(),
            actor: operator.name.to_owned(),
            request_id: None,
            input: "{}".to_owned(),
            run_at: clock.now(),
        };
        self.submit(job).await
    }

    /// What would be done, from the directory: no platform is written to, and only the account's own
    /// address is asked for.
    ///
    /// # Errors
    /// As [`WorkerGateway::take_over`], and when the account's own address is not told.
    pub async fn plan_take_over(
        &self,
        operator: OperatorView<'_>,
        account: &AccountSlug,
        what: TakeOver,
    ) -> Result<Vec<Planned>, GatewayError> {
        let home = self.home_of(operator, account)?;
        if !home.adapter.pushes_by_campaign() {
            let address = home.adapter.push_address(Lane::FacadeRead).await;
            let address = address.map_err(|error| GatewayError::unavailable(&error.to_string()))?;
            let address = address.map(|address| address.url);
            let is_here =
                address.as_deref().is_some_and(|url| home.adapter.callbacks().is_own(url));
            let planned = Planned {
                campaign: None,
                name: account.to_string(),
                plan: plan(what, is_here),
                now: address.as_deref().and_then(shown),
            };
            return Ok(vec![planned]);
        }
        let (mut planned, mut before) = (Vec::new(), None);
        loop {
            let entries = self.campaigns_on(account, before).await?;
            let Some(last) = entries.last() else { return Ok(planned) };
            before = Some(last.identity.list_at);
            for entry in entries {
                let document = Bytes::from(entry.snapshot.document);
                let fetched = home.adapter.read_campaign(&entry.identity.native, document);
                let Ok(fetched) = fetched else { continue };
                let is_over = fetched.status == CampaignStatus::Ended;
                let is_here = is_pushed_here(home, &fetched);
                planned.push(Planned {
                    campaign: Some(entry.identity),
                    name: entry.snapshot.name,
                    plan: if is_over { Plan::Keep } else { plan(what, is_here) },
                    now: fetched.definition.result_url.as_deref().and_then(shown),
                });
            }
        }
    }

    fn home_of(
        &self,
        operator: OperatorView<'_>,
        account: &AccountSlug,
    ) -> Result<&Home, GatewayError> {
        let home = self.homes.get(account).filter(|_| operator.accounts.contains(account));
        home.ok_or_else(|| GatewayError::invalid("account", "one of the token's is expected"))
    }

    async fn campaigns_on(
        &self,
        account: &AccountSlug,
        before: Option<Timestamp>,
    ) -> Result<Vec<DirectoryEntry>, GatewayError> {
        let filter =
            DirectoryFilter { accounts: vec![account.clone()], ..DirectoryFilter::default() };
        let window = Window::Before { list_at: before, limit: CAMPAIGNS_AT_ONCE };
        Ok(self.shared.ledger.list_directory(filter, window).await?.entries)
    }
}

const NO_ADDRESS: &str = "listeners.callbacks_url is not set, or keys.master_key is not";

fn plan(what: TakeOver, is_here: bool) -> Plan {
    match (what, is_here) {
        (TakeOver::Adopt, false) => Plan::TakeOver,
        (TakeOver::Leave, true) => Plan::PutBack,
        _ => Plan::Keep,
    }
}

/// An address without what may be secret in it.
fn shown(address: &str) -> Option<String> {
    Url::parse(address).ok().as_ref().map(shown_address)
}

/// One turn of either job: goes on where the last one stood.
pub(super) async fn run(run: &mut Run<'_>, what: TakeOver) -> Result<Option<String>, Stop> {
    let gateway = run.gateway;
    let account = run.row.account.clone();
    // With the rights that the operator has now: a turn may come long after the order.
    settling::check_rights(run, &account)?;
    let home = gateway.homes.get(&account);
    let home = home.ok_or_else(|| Stop::Failed("the account is not configured".to_owned()))?;
    let work = Work { gateway, home, account: &account, actor: run.row.actor.clone(), what };
    let mut progress: Progress = run.checkpoint()?;
    if !home.adapter.pushes_by_campaign() && !progress.is_account_done {
        let before = progress.clone();
        progress = run
            .step("account", async |_| {
                let done = work.account().await?;
                Ok(Progress { is_account_done: true, ..before.with(None, done) })
            })
            .await?;
    }
    while home.adapter.pushes_by_campaign() {
        let entries = gateway.campaigns_on(&account, progress.looked_to).await;
        let entries = entries?;
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            let before = progress.clone();
            let identity = &entry.identity;
            // Doing it twice does no harm: how the home stands is asked first.
            progress = run
                .step("campaign", async |_| {
                    let done = work.campaign(identity).await?;
                    let looked_to = Some(identity.list_at);
                    Ok(Progress { looked_to, ..before.with(Some(identity.uuid), done) })
                })
                .await?;
        }
    }
    let Progress { changed, kept, failed, failures, .. } = progress;
    let answer = serde_json::json!({
        "changed": changed, "kept": kept, "failed": failed, "failures": failures,
    });
    Ok(Some(answer.to_string()))
}

impl Progress {
    fn with(mut self, campaign: Option<Uuid>, done: Done) -> Self {
        match done {
            Done::Changed => self.changed += 1,
            Done::Kept => self.kept += 1,
            Done::Failed(reason) => {
                self.failed += 1;
                if self.failures.len() < MAX_NAMED {
                    self.failures.push(Failure { campaign, reason });
                }
            }
        }
        self
    }
}

struct Work<'a> {
    gateway: &'a WorkerGateway,
    home: &'a Home,
    account: &'a AccountSlug,
    actor: String,
    what: TakeOver,
}

impl Work<'_> {
    async fn campaign(&self, identity: &CampaignIdentity) -> Result<Done, PlatformError> {
        let fetched = match self.home.adapter.campaign(Lane::FacadeWrite, &identity.native).await {
            Ok(fetched) => fetched,
            Err(error) if error.kind == PlatformErrorKind::NotFound => return Ok(Done::Kept),
            Err(error) => return Err(error),
        };
        // What has ended pushes nothing, and takes no change (reference CC 3.3).
        if fetched.deleted || fetched.status == CampaignStatus::Ended {
            return Ok(Done::Kept);
        }
        let done = match self.what {
            TakeOver::Adopt => self.adopt(identity, &fetched).await,
            TakeOver::Leave => self.leave(identity, &fetched).await,
        };
        Ok(done.unwrap_or_else(Done::Failed))
    }

    async fn adopt(
        &self,
        identity: &CampaignIdentity,
        fetched: &FetchedCampaign,
    ) -> Result<Done, String> {
        let ours = self.home.adapter.callbacks().address(Some(&fetched.native));
        let ours = ours.ok_or(NO_ADDRESS)?;
        let now = fetched.definition.result_url.as_deref().filter(|address| !address.is_empty());
        if now == Some(&ours) {
            return Ok(Done::Kept);
        }
        let was_here = is_pushed_here(self.home, fetched);
        if !was_here {
            let client = match now {
                Some(address) => Some(self.sendable(address).await?),
                None => None,
            };
            self.set_receiver(identity, client).await?;
        }
        match self.gateway.push_results_to(self.home, fetched, Some(&ours)).await {
            Ok(found) => self.changed(found).await,
            Err(why) => {
                if !was_here {
                    self.undo(identity).await;
                }
                Err(why)
            }
        }
    }

    async fn leave(
        &self,
        identity: &CampaignIdentity,
        fetched: &FetchedCampaign,
    ) -> Result<Done, String> {
        if !is_pushed_here(self.home, fetched) {
            return Ok(Done::Kept);
        }
        let ledger = &self.gateway.shared.ledger;
        let mut known = ledger.receivers(vec![identity.uuid]).await.map_err(text)?;
        let client = known.remove(&identity.uuid);
        let client = client.as_ref().map(Url::as_str);
        let found = self.gateway.push_results_to(self.home, fetched, client).await?;
        let changed = self.changed(found).await?;
        self.set_receiver(identity, None).await?;
        Ok(changed)
    }

    /// The home did not take our address; results go where they went. Unless it did after all: then
    /// the next run finds that out, and until then what is passed on is too much, not too little.
    async fn undo(&self, identity: &CampaignIdentity) {
        let found = self.home.adapter.campaign(Lane::FacadeWrite, &identity.native).await;
        if found.is_ok_and(|found| !is_pushed_here(self.home, &found))
            && let Err(error) = self.set_receiver(identity, None).await
        {
            tracing::warn!(campaign = %identity.uuid, error, "a receiver is left over");
        }
    }

    /// The account's own address, where campaigns have none.
    async fn account(&self) -> Result<Done, PlatformError> {
        let (adapter, lane) = (&self.home.adapter, Lane::FacadeWrite);
        let now = adapter.push_address(lane).await?;
        let is_here = now.as_ref().is_some_and(|now| adapter.callbacks().is_own(&now.url));
        let done = async {
            match self.what {
                TakeOver::Adopt => {
                    let ours = adapter.callbacks().address(None).ok_or(NO_ADDRESS)?;
                    if now.as_ref().is_some_and(|now| now.url == ours) {
                        return Ok(Done::Kept);
                    }
                    if !is_here {
                        let client = match &now {
                            Some(now) if now.method != "POST" => {
                                let why = format!("it is pushed by {}, not by POST", now.method);
                                return Err(why);
                            }
                            Some(now) => Some(self.sendable(&now.url).await?),
                            None => None,
                        };
                        self.set_account_receiver(client).await?;
                    }
                    adapter.set_push_address(lane, Some(&ours)).await.map_err(text)?;
                }
                TakeOver::Leave if !is_here => return Ok(Done::Kept),
                TakeOver::Leave => {
                    let ledger = &self.gateway.shared.ledger;
                    let client = ledger.account_receiver(self.account.clone()).await;
                    let client = client.map_err(text)?;
                    let client = client.as_ref().map(Url::as_str);
                    adapter.set_push_address(lane, client).await.map_err(text)?;
                    self.set_account_receiver(None).await?;
                }
            }
            Ok(Done::Changed)
        };
        Ok(done.await.unwrap_or_else(Done::Failed))
    }

    async fn sendable(&self, address: &str) -> Result<Url, String> {
        let checked = self.gateway.check_result_address(address).await;
        checked.map_err(|why| format!("its present address would not be sent to: {why}"))
    }

    async fn set_receiver(
        &self,
        identity: &CampaignIdentity,
        url: Option<Url>,
    ) -> Result<(), String> {
        let by = (&*self.actor, self.home.adapter.platform());
        self.gateway.set_receiver(identity, by, url).await.map_err(text)
    }

    async fn set_account_receiver(&self, url: Option<Url>) -> Result<(), String> {
        let by = (&*self.actor, self.home.adapter.platform());
        self.gateway.set_account_receiver(self.account, by, url).await.map_err(text)
    }

    /// The directory shows the campaign as it is now.
    async fn changed(&self, found: FetchedCampaign) -> Result<Done, String> {
        let (adapter, now) = (&self.home.adapter, self.gateway.shared.clock.now());
        let sighted = self.gateway.sight(self.account, adapter, vec![found], now).await;
        sighted.map(|_| Done::Changed).map_err(text)
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Campaigns by all their names, page by page.
impl WorkerGateway {
    /// The ids of campaigns of the operator's accounts in the order in which they were met, after a
    /// number; with each its number, to go on from.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn exported_ids(
        &self,
        operator: OperatorView<'_>,
        after: i64,
        limit: u32,
    ) -> Result<(Vec<CampaignIdentity>, Option<i64>), GatewayError> {
        let rows = self.shared.ledger.export_identities(after, limit).await?;
        let next = rows.last().map(|(number, _)| *number);
        let own = rows.into_iter().map(|(_, identity)| identity);
        let own = own.filter(|identity| operator.accounts.contains(&identity.home));
        Ok((own.collect(), next))
    }
}
