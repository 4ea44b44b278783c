//! What an operator sees: campaigns of all accounts and drafts in one list, what a campaign would
//! lose elsewhere, its history, jobs, and how each account stands.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::config::ClientScope;
use crate::domain::campaign::CampaignStatus;
use crate::domain::ids::{AccountSlug, CampaignKey, PublicPair};
use crate::domain::listing::Window;
use crate::gateway::drafts::NOT_MADE;
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::merged::{Listed, Source, SourcePage, merged};
use crate::gateway::patience::answered_soon;
use crate::gateway::route::{Route, route};
use crate::gateway::steering::{Desire, Repeat};
use crate::gateway::{Asked, Client, Gateway, Shared, WorkerGateway};
use crate::ledger::directory::{DirectoryEntry, DirectoryFilter};
use crate::ledger::jobs::JobFilter;
use crate::ledger::objects::{ObjectFilter, ObjectKind, ObjectRow};
use crate::ledger::readings::AccountReading;
use crate::mapping::table::Kind;
use crate::platforms::translation::Direction;
use crate::platforms::{Operation, PlatformKind};

pub use crate::ledger::jobs::{JobRow, JobState, JobStepRow};
pub use crate::ledger::journal::JournalEntry;

/// Entries of a history that are shown: the newest.
pub const HISTORY_ROWS: u32 = 1000;

/// A campaign or a draft as the ledger knows it.
#[derive(Debug, Clone)]
pub struct CampaignOverview {
    pub uuid: Uuid,
    /// None for a draft.
    pub pair: Option<PublicPair>,
    pub account: AccountSlug,
    pub home: PlatformKind,
    pub name: String,
    pub state: OverviewState,
    /// Its place in lists.
    pub list_at: Timestamp,
}

/// How a campaign stands.
#[derive(Debug, Clone)]
pub enum OverviewState {
    /// The gateway keeps it; its home does not have it.
    Draft,
    Made {
        desired: CampaignStatus,
        actual: CampaignStatus,
        /// When its home was asked, and how long ago that is.
        fetched_at: Timestamp,
        stale_s: u64,
        /// Deleted on its home, or no longer met there.
        gone: bool,
    },
}

/// Which campaigns an operator wants of those of their accounts. All conditions hold together.
#[derive(Debug, Clone, Default)]
pub struct OverviewFilter {
    /// Part of the name, in any case.
    pub name: Option<String>,
    pub account: Option<AccountSlug>,
    /// Its actual status; drafts have none.
    pub status: Option<CampaignStatus>,
}

/// A leaf of a campaign's document that another platform does not get, or not as it is.
#[derive(Debug, Clone)]
pub struct Loss {
    pub platform: PlatformKind,
    pub field: String,
    pub outcome: &'static str,
    pub reason: String,
}

/// What translations of a campaign lose.
#[derive(Debug, Clone, Default)]
pub struct Losses {
    pub rows: Vec<Loss>,
    /// Why they are not known, where the document cannot be translated at all.
    pub unknown: Option<String>,
}

/// How an account stands.
#[derive(Debug, Clone)]
pub struct AccountOverview {
    pub account: AccountSlug,
    pub platform: PlatformKind,
    /// When its campaigns were last listed to the end, and how long ago that is; None: never.
    pub listed_at: Option<Timestamp>,
    pub stale_s: Option<u64>,
    /// Since when listing fails, and with what.
    pub failed_since: Option<Timestamp>,
    pub error: Option<String>,
}

/// How an operation asked for in a platform's words is done on an account.
#[derive(Debug, Clone, Copy)]
pub struct Capability {
    pub operation: Operation,
    pub asked_as: PlatformKind,
    pub route: Route,
}

enum Rows<'a> {
    Directory(&'a WorkerGateway, DirectoryFilter),
    Drafts(&'a WorkerGateway, ObjectFilter, Option<String>),
}

impl WorkerGateway {
    /// Campaigns and drafts of these accounts, newest first, older than `before`; empty only at the
    /// end.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn overview(
        &self,
        accounts: &[AccountSlug],
        filter: OverviewFilter,
        before: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<CampaignOverview>, GatewayError> {
        let wanted = |slug: &&AccountSlug| filter.account.as_ref().is_none_or(|a| a == *slug);
        let accounts: Vec<AccountSlug> = accounts.iter().filter(wanted).cloned().collect();
        let mut rows = vec![Rows::Directory(
            self,
            DirectoryFilter {
                accounts: accounts.clone(),
                name_contains: filter.name.clone(),
                status: filter.status.clone(),
                ..DirectoryFilter::default()
            },
        )];
        if filter.status.is_none() {
            let name = filter.name.map(|name| name.to_lowercase());
            rows.push(Rows::Drafts(self, drafts_of(accounts), name));
        }
        let sources: Vec<_> = rows
            .iter()
            .map(|rows| async move |before, limit| rows.page(before, limit).await)
            .collect();
        let sources: Vec<&dyn Source<CampaignOverview>> =
            sources.iter().map(|source| source as _).collect();
        let listed = merged(&sources, before, limit).await?;
        Ok(listed.into_iter().map(|listed| listed.row).collect())
    }

    /// One campaign or draft of these accounts, and what its translations lose.
    ///
    /// # Errors
    /// `NotFound`, also where it belongs to another account: who may not see it learns nothing.
    pub async fn overview_of(
        &self,
        accounts: &[AccountSlug],
        key: CampaignKey,
    ) -> Result<(CampaignOverview, Losses), GatewayError> {
        let id = match key {
            CampaignKey::Uuid(uuid) => uuid,
            CampaignKey::Pair(_) => {
                let identity = self.find(key).await?;
                identity.ok_or(GatewayError::NotFound(Noun::Campaign))?.uuid
            }
        };
        if let Some(entry) = self.shared.ledger.find_entry(id).await? {
            if !accounts.contains(&entry.identity.home) {
                return Err(GatewayError::NotFound(Noun::Campaign));
            }
            let losses = self.losses(accounts, &entry);
            return Ok((self.of_entry(entry)?, losses));
        }
        let row = self.shared.ledger.find_object(id).await?.filter(|row| {
            row.kind == ObjectKind::Campaign
                && NOT_MADE.contains(&row.state)
                && row.deleted_at.is_none()
                && accounts.contains(&row.account)
        });
        let row = row.ok_or(GatewayError::NotFound(Noun::Campaign))?;
        let unknown = Some("a draft is not on any home yet".to_owned());
        Ok((self.of_draft(row)?, Losses { rows: Vec::new(), unknown }))
    }

    /// The newest [`HISTORY_ROWS`] entries of a campaign's journal, oldest first; a draft has none
    /// of its own.
    ///
    /// # Errors
    /// As [`WorkerGateway::overview_of`].
    pub async fn history_of(
        &self,
        accounts: &[AccountSlug],
        key: CampaignKey,
    ) -> Result<Vec<JournalEntry>, GatewayError> {
        let (known, _) = self.overview_of(accounts, key).await?;
        match known.state {
            OverviewState::Draft => Ok(Vec::new()),
            OverviewState::Made { .. } => {
                Ok(self.shared.ledger.history(known.uuid, HISTORY_ROWS).await?)
            }
        }
    }

    /// Starts or stops a campaign on its home for an operator, and answers how it stands then.
    ///
    /// # Errors
    /// `State` for a draft, which its own client starts; else as [`WorkerGateway::set_desired`].
    pub async fn operate(
        &self,
        (operator, accounts): (&str, &[AccountSlug]),
        key: CampaignKey,
        desire: Desire,
    ) -> Result<CampaignOverview, GatewayError> {
        let arrival = self.arrive();
        let looked_up = match desire {
            Desire::Run => self.overview_of(accounts, key).await,
            Desire::Stop => answered_soon(self.overview_of(accounts, key)).await,
        };
        let (campaign, platform) = match looked_up {
            Ok((known, _)) if matches!(known.state, OverviewState::Draft) => {
                return Err(GatewayError::State("a draft is started by its client".to_owned()));
            }
            Ok((known, _)) => (known.uuid, known.home),
            // A stop is sent also while the ledger is away, to a campaign that is remembered.
            Err(error) if desire == Desire::Stop && error.is_of_the_store() => {
                let identity = self.find(key).await?.ok_or(error)?;
                (identity.uuid, self.home(&identity)?.adapter.platform())
            }
            Err(error) => return Err(error),
        };
        let client = Client {
            name: operator.to_owned(),
            accounts: accounts.to_vec(),
            scope: ClientScope::Write,
            create_on: None,
        };
        let asked = Asked {
            client: Arc::new(client),
            platform,
            request_id: self.shared.clock.new_uuid().to_string(),
            arrival,
        };
        let key = CampaignKey::Uuid(campaign);
        self.set_desired(&asked, key, desire, Repeat::Done).await?;
        Ok(self.overview_of(accounts, key).await?.0)
    }

    /// Jobs of these accounts, newest first, older than the one with the number `before`.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn jobs(
        &self,
        accounts: &[AccountSlug],
        states: Vec<JobState>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<JobRow>, GatewayError> {
        let filter = JobFilter { accounts: accounts.to_vec(), states, subject: None, before };
        Ok(self.shared.ledger.list_jobs(filter, limit).await?)
    }

    /// A job of these accounts with its steps; None where there is none.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn job(
        &self,
        accounts: &[AccountSlug],
        id: Uuid,
    ) -> Result<Option<(JobRow, Vec<JobStepRow>)>, GatewayError> {
        let job = self.shared.ledger.find_job(id).await?;
        let Some(job) = job.filter(|job| accounts.contains(&job.account)) else { return Ok(None) };
        let steps = self.shared.ledger.job_steps(id).await?;
        Ok(Some((job, steps)))
    }

    /// How these accounts stand, by name.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn accounts(
        &self,
        accounts: &[AccountSlug],
    ) -> Result<Vec<AccountOverview>, GatewayError> {
        let mut all = self.shared.account_overviews().await?;
        all.retain(|overview| accounts.contains(&overview.account));
        Ok(all)
    }

    fn of_entry(&self, entry: DirectoryEntry) -> Result<CampaignOverview, GatewayError> {
        Ok(CampaignOverview {
            uuid: entry.identity.uuid,
            pair: entry.identity.pair,
            home: self.shared.account(&entry.identity.home)?.kind(),
            account: entry.identity.home,
            name: entry.snapshot.name,
            state: OverviewState::Made {
                desired: entry.desired,
                actual: entry.snapshot.status,
                fetched_at: entry.fetched_at,
                stale_s: self.shared.seconds_since(entry.fetched_at),
                gone: entry.gone || entry.snapshot.deleted,
            },
            list_at: entry.identity.list_at,
        })
    }

    fn of_draft(&self, row: ObjectRow) -> Result<CampaignOverview, GatewayError> {
        Ok(CampaignOverview {
            uuid: row.uuid,
            pair: None,
            home: self.shared.account(&row.account)?.kind(),
            account: row.account,
            name: row.name,
            state: OverviewState::Draft,
            list_at: row.list_at,
        })
    }

    /// By the document that the directory has. Numbers and names of the other side are those of the
    /// operator's first account there, else of the home.
    fn losses(&self, accounts: &[AccountSlug], entry: &DirectoryEntry) -> Losses {
        let mut losses = Losses::default();
        let Some(home) = self.homes.get(&entry.identity.home) else { return losses };
        let from = home.adapter.platform();
        for to in PlatformKind::ALL.into_iter().filter(|platform| *platform != from) {
            let there = accounts
                .iter()
                .filter_map(|slug| self.homes.get(slug))
                .find(|other| other.adapter.platform() == to);
            let direction = Direction {
                kind: Kind::Campaign,
                from,
                to,
                from_account: &home.context,
                to_account: &there.unwrap_or(home).context,
            };
            let translation = serde_json::from_str(&entry.snapshot.document)
                .map_err(|_| "its document is not JSON".to_owned())
                .and_then(|document| {
                    direction.translate(document).map_err(|error| error.to_string())
                });
            match translation {
                Ok(translation) => losses.rows.extend(translation.losses().map(|field| Loss {
                    platform: to,
                    field: field.field.clone(),
                    outcome: field.outcome.as_str(),
                    reason: field.reason.clone(),
                })),
                Err(reason) => losses.unknown = Some(reason),
            }
        }
        losses
    }
}

impl Gateway {
    /// How every account stands, by name.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn accounts(&self) -> Result<Vec<AccountOverview>, GatewayError> {
        self.shared.account_overviews().await
    }
}

impl Shared {
    /// Of accounts that were configured once and are no longer, nothing is said.
    async fn account_overviews(&self) -> Result<Vec<AccountOverview>, GatewayError> {
        let readings = self.ledger.account_readings().await?;
        let overview = |reading: AccountReading| {
            let platform = self.account(&reading.account).ok()?.kind();
            Some(AccountOverview {
                account: reading.account,
                platform,
                listed_at: reading.listed_at,
                stale_s: reading.listed_at.map(|at| self.seconds_since(at)),
                failed_since: reading.failed_since,
                error: reading.error,
            })
        };
        Ok(readings.into_iter().filter_map(overview).collect())
    }

    fn seconds_since(&self, at: Timestamp) -> u64 {
        let age = self.clock.now().duration_since(at).as_secs();
        u64::try_from(age).unwrap_or(0)
    }
}

/// Every operation in either platform's words on a home of `platform`.
pub fn capabilities(platform: PlatformKind) -> impl Iterator<Item = Capability> {
    Operation::all().flat_map(move |operation| {
        PlatformKind::ALL.into_iter().map(move |asked_as| Capability {
            operation,
            asked_as,
            route: route(operation, platform, asked_as),
        })
    })
}

impl Rows<'_> {
    async fn page(
        &self,
        before: Option<Timestamp>,
        limit: u32,
    ) -> Result<SourcePage<CampaignOverview>, GatewayError> {
        let window = Window::Before { list_at: before, limit };
        let (found, rows, last) = match self {
            Rows::Directory(gateway, filter) => {
                let page = gateway.shared.ledger.list_directory(filter.clone(), window).await?;
                let last = page.entries.last().map(|entry| entry.identity.list_at);
                let found = page.entries.len();
                let rows = page.entries.into_iter().map(|entry| gateway.of_entry(entry));
                (found, rows.collect::<Result<Vec<_>, _>>()?, last)
            }
            Rows::Drafts(gateway, filter, name) => {
                let page = gateway.shared.ledger.list_objects(filter.clone(), window).await?;
                let last = page.objects.last().map(|row| row.list_at);
                let found = page.objects.len();
                let is_wanted = |row: &ObjectRow| {
                    name.as_ref().is_none_or(|name| row.name.to_lowercase().contains(name))
                };
                let rows = page.objects.into_iter().filter(is_wanted);
                let rows = rows.map(|row| gateway.of_draft(row)).collect::<Result<Vec<_>, _>>()?;
                (found, rows, last)
            }
        };
        let listed = |row: CampaignOverview| Listed { list_at: row.list_at, id: row.uuid, row };
        let next = last.filter(|_| found >= limit as usize);
        Ok(SourcePage { rows: rows.into_iter().map(listed).collect(), next })
    }
}

fn drafts_of(accounts: Vec<AccountSlug>) -> ObjectFilter {
    ObjectFilter {
        kind: ObjectKind::Campaign,
        accounts,
        parent: None,
        uses: None,
        states: NOT_MADE.to_vec(),
        include_deleted: false,
    }
}
