//! The operations on CC-iSales over the transport (reference 3–5, limits 12.1).
//!
//! A native campaign id is the text `vdnId/campaignId`, for an account may own several VDNs. Every
//! answer is HTTP 200 with a code, or 401; there is no start and no stop, but resume and pause.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::SemaphorePermit;

use super::answer::Answer;
use super::auth::Signer;
use super::requests::{self, CampaignPath};
use super::{callback, convert, refusal, wire};
use crate::clock::Clock;
use crate::config::{AccountConfig, IsalesRelease, PlatformSettings};
use crate::domain::campaign::{CampaignDefinition, CampaignStatus};
use crate::domain::contact::Contact;
use crate::domain::ids::{NativeId, VdnId};
use crate::domain::json;
use crate::platforms::merge::merge;
use crate::platforms::{
    AddedContacts, AttemptPage, AttemptQuery, CallbackAddresses, CampaignPage, ContactPage,
    ConvertContext, CreationDefaults, Exchange, FetchedAttempt, FetchedCampaign, Operation,
    PlatformError, PlatformErrorKind, PlatformKind, PushedRow, Steered, isales,
};
use crate::transport::pacing::Lane;
use crate::transport::spacing::{Batches, Spacing};
use crate::transport::{Access, Connection, Endpoint, Request, SetupError};

/// Rows of the largest campaign list page (3.6).
const LIST_ROWS: u64 = 100;
/// Rows of the largest result page with every attempt (5.1).
const RESULT_ROWS: u64 = 100;
/// Contacts in one request (4.1).
const CONTACTS_PER_REQUEST: usize = 20;
/// Between two requests that add contacts to one campaign: "≥ 1 second" (4.1) and a margin for the
/// way there.
const CONTACT_GAP: Duration = Duration::from_millis(1_050);
/// Result queries at once (5.1).
const RESULT_BATCH: usize = 10;
/// Between two batches of them: "> 1 s" (5.1).
const RESULT_BATCH_GAP: Duration = Duration::from_millis(1_100);

/// One account as all workers share it.
#[derive(Debug)]
pub struct Shared {
    endpoint: Arc<Endpoint>,
    signer: Signer,
    /// In the order in which they are listed.
    vdns: Vec<VdnId>,
    creation: CreationDefaults,
    release: IsalesRelease,
    callbacks: CallbackAddresses,
    context: ConvertContext,
    contact_spacing: Spacing,
    result_batches: Batches,
}

/// One worker's client of an account.
#[derive(Debug, Clone)]
pub struct Client {
    connection: Connection,
    shared: Arc<Shared>,
}

/// One request: for which operation, in which lane, and what. Some reads are POSTs.
struct Ask<'a> {
    operation: Operation,
    access: Access,
    lane: Lane,
    method: &'static str,
    path: &'a str,
    query: Option<&'a str>,
    body: Bytes,
}

/// What adding contacts answers. The table calls the list `datalist`, the sample `dataIdList`.
#[derive(Deserialize)]
struct Added {
    #[serde(rename = "dataIdList", alias = "datalist", default)]
    ids: Vec<AddedId>,
}

#[derive(Deserialize)]
struct AddedId {
    #[serde(rename = "dataId", default, deserialize_with = "wire::opt_text")]
    id: Option<String>,
}

impl Shared {
    /// # Errors
    /// When the account's address, certificate file or keys cannot be used, or it is another
    /// platform's.
    pub fn new(
        config: &AccountConfig,
        context: ConvertContext,
        clock: Clock,
    ) -> Result<Self, SetupError> {
        let fail = |problem: String| SetupError { account: config.slug.clone(), problem };
        let PlatformSettings::Isales { vdns, creation, release, .. } = &config.platform else {
            return Err(fail("not an account of this platform".to_owned()));
        };
        let signer = Signer::new(&config.platform).map_err(|problem| fail(problem.to_string()))?;
        let callbacks = CallbackAddresses::new("isales", false, config)
            .map_err(|problem| fail(format!("keys.master_key: {problem}")))?;
        Ok(Self {
            endpoint: Arc::new(Endpoint::new(config, clock)?),
            signer,
            callbacks,
            vdns: vdns.clone(),
            creation: creation.clone(),
            release: *release,
            context,
            contact_spacing: Spacing::new(CONTACT_GAP),
            result_batches: Batches::new(RESULT_BATCH, RESULT_BATCH_GAP),
        })
    }
}

impl Client {
    pub fn context(&self) -> &ConvertContext {
        &self.shared.context
    }

    pub fn callbacks(&self) -> &CallbackAddresses {
        &self.shared.callbacks
    }

    pub fn allows_while_dialling(&self, operation: Operation) -> bool {
        match operation {
            Operation::ContactAdd => self.shared.release == IsalesRelease::R2025_11,
            Operation::ContactDelete => false,
            _ => true,
        }
    }

    pub(super) fn creation_defaults(&self) -> &CreationDefaults {
        &self.shared.creation
    }

    pub(super) fn first_vdn(&self) -> Option<VdnId> {
        self.shared.vdns.first().copied()
    }

    pub fn owns(&self, vdn: VdnId) -> bool {
        self.shared.vdns.contains(&vdn)
    }

    /// # Errors
    /// When the HTTP client cannot be made from the account's settings.
    pub fn new(shared: &Arc<Shared>) -> Result<Self, SetupError> {
        Ok(Self { connection: shared.endpoint.connect()?, shared: Arc::clone(shared) })
    }

    /// One VDN after the other; the cursor is `place of the VDN:page`.
    pub async fn list_campaigns(
        &self,
        lane: Lane,
        cursor: Option<&str>,
    ) -> Result<CampaignPage, PlatformError> {
        let operation = Operation::CampaignList;
        let (place, page) = requests::read_list_cursor(operation, cursor)?;
        let Some(vdn) = self.shared.vdns.get(place) else {
            return Ok(CampaignPage { campaigns: Vec::new(), next: None });
        };
        let path = requests::vdn_path("v1", *vdn);
        // `status` and `deviceType` are mandatory; 0 means all.
        let query = format!("status=0&deviceType=0&curPage={page}&rowsPerPage={LIST_ROWS}");
        let answer = self.get(operation, lane, &path, Some(&query)).await?;
        let rows = answer.rows()?;
        let campaigns: Vec<FetchedCampaign> = rows
            .iter()
            .filter_map(|raw| {
                let row: wire::Campaign = serde_json::from_slice(raw).ok()?;
                let native = CampaignPath { vdn: *vdn, id: row.id.as_ref()?.to_string() };
                Some(self.fetched(&native, &row, raw.clone()))
            })
            .collect();
        self.report_unreadable(operation, rows.len() - campaigns.len());
        let has_more = !rows.is_empty() && more(answer.total_size, page, LIST_ROWS);
        let next = if has_more {
            Some(format!("{place}:{}", page + 1))
        } else {
            (place + 1 < self.shared.vdns.len()).then(|| format!("{}:1", place + 1))
        };
        Ok(CampaignPage { campaigns, next })
    }

    pub async fn campaign(
        &self,
        lane: Lane,
        native: &NativeId,
    ) -> Result<FetchedCampaign, PlatformError> {
        let operation = Operation::CampaignDetail;
        let path = self.campaign_path(operation, native)?;
        let (campaign, raw) = self.detail(operation, lane, &path).await?;
        Ok(self.fetched(&path, &campaign, raw))
    }

    pub async fn campaign_document(
        &self,
        lane: Lane,
        native: &NativeId,
    ) -> Result<Bytes, PlatformError> {
        let operation = Operation::CampaignDetail;
        let path = self.campaign_path(operation, native)?;
        Ok(self.detail(operation, lane, &path).await?.1)
    }

    pub async fn modify_campaign(
        &self,
        lane: Lane,
        native: &NativeId,
        definition: &CampaignDefinition,
    ) -> Result<(), PlatformError> {
        let operation = Operation::CampaignModify;
        let context = &self.shared.context;
        let path = self.campaign_path(operation, native)?;
        let (current, _) = self.detail(operation, lane, &path).await?;
        let (before, status) = convert::campaign_to_domain(&current, context).value;
        let base = convert::campaign_from_domain(&before, &status, context).value;
        let edited = convert::campaign_from_domain(definition, &status, context).value;
        let merged = merge(&current, &base, &edited).map_err(|error| {
            PlatformError::new(operation, PlatformErrorKind::Malformed, error.to_string())
        })?;
        if merged == current {
            return Ok(());
        }
        let body = requests::modify_body(operation, merged)?;
        self.write(operation, lane, "PUT", &path.url("v2", ""), body).await?;
        Ok(())
    }

    pub async fn start_campaign(
        &self,
        lane: Lane,
        native: &NativeId,
    ) -> Result<Steered, PlatformError> {
        let operation = Operation::CampaignStart;
        let path = self.campaign_path(operation, native)?.url("v1", "/resume");
        self.write(operation, lane, "PUT", &path, Bytes::new()).await?;
        Ok(Steered { status: CampaignStatus::Running, document: None })
    }

    pub async fn stop_campaign(
        &self,
        lane: Lane,
        native: &NativeId,
    ) -> Result<Steered, PlatformError> {
        let operation = Operation::CampaignStop;
        let path = self.campaign_path(operation, native)?.url("v1", "/pause");
        self.write(operation, lane, "PUT", &path, Bytes::new()).await?;
        Ok(Steered { status: CampaignStatus::Stopped, document: None })
    }

    /// Moves the campaign's results to history; the other choice loses them.
    pub async fn delete_campaign(
        &self,
        lane: Lane,
        native: &NativeId,
    ) -> Result<(), PlatformError> {
        let operation = Operation::CampaignDelete;
        let path = self.campaign_path(operation, native)?.url("v1", "");
        let body = Bytes::from_static(br#"{"archiveHistory":1}"#);
        self.write(operation, lane, "DELETE", &path, body).await?;
        Ok(())
    }

    pub async fn add_contacts(
        &self,
        lane: Lane,
        native: &NativeId,
        contacts: &[Contact],
    ) -> Result<AddedContacts, PlatformError> {
        let records: Vec<wire::CallData> = contacts
            .iter()
            .map(|contact| convert::contact_from_domain(contact, &self.shared.context).value)
            .collect();
        self.add_records(lane, native, &records).await
    }

    /// Adds records as they are, in the V2 form.
    pub(super) async fn add_records(
        &self,
        lane: Lane,
        native: &NativeId,
        records: &[wire::CallData],
    ) -> Result<AddedContacts, PlatformError> {
        let operation = Operation::ContactAdd;
        let path = self.campaign_path(operation, native)?;
        if records.iter().any(|record| !requests::has_number(record)) {
            let detail = "a contact has no number that can be written for the platform";
            return Err(PlatformError::new(operation, PlatformErrorKind::Invalid, detail));
        }
        let url = path.url("v2", "/calldata");
        let mut added = Vec::with_capacity(records.len());
        for chunk in records.chunks(CONTACTS_PER_REQUEST) {
            match self.add_chunk(lane, native, &url, chunk).await {
                Ok(ids) => added.extend(ids),
                Err(error) => return Ok(AddedContacts { added, error: Some(error) }),
            }
        }
        Ok(AddedContacts { added, error: None })
    }

    /// # Errors
    /// Always: the platform has no such operation, and nothing is sent.
    #[expect(clippy::unused_async, reason = "the same form as the operations that send something")]
    pub async fn list_contacts(
        &self,
        _lane: Lane,
        _native: &NativeId,
        _cursor: Option<&str>,
        _limit: u32,
    ) -> Result<ContactPage, PlatformError> {
        let operation = Operation::ContactList;
        Err(PlatformError::unsupported(operation, isales::support(operation)))
    }

    /// Rows of VDNs that are the account's; a result that does not say when and by which code is kept
    /// nowhere (reference 6).
    pub fn read_results(&self, body: &str) -> Option<Vec<PushedRow>> {
        let read = |body: &str| -> Option<Vec<PushedRow>> {
            let rows = callback::parse(body.as_bytes()).ok()?;
            Some(rows.iter().map(|pushed| self.pushed(pushed)).collect())
        };
        read(body).or_else(|| read(&json::mended(body)))
    }

    fn pushed(&self, pushed: &callback::PushedRow<'_>) -> PushedRow {
        let raw = Bytes::copy_from_slice(pushed.raw.as_bytes());
        let Some(row) = &pushed.row else {
            return PushedRow::Unusable { reason: "it is no result row", raw };
        };
        let vdn = match (row.vdn_id, &self.shared.vdns[..]) {
            (Some(vdn), ours) => VdnId::new(vdn).ok().filter(|vdn| ours.contains(vdn)),
            (None, [only]) => Some(*only),
            (None, _) => {
                return PushedRow::Unusable { reason: "it names none of the account's VDNs", raw };
            }
        };
        let Some(vdn) = vdn else {
            return PushedRow::Unusable { reason: "its vdnId is not the account's", raw };
        };
        let campaign = row.campaign_id.as_ref().map(|id| NativeId::new(format!("{vdn}/{id}")));
        let Some(path) = campaign.as_ref().and_then(CampaignPath::parse) else {
            return PushedRow::Unusable { reason: "it names no campaign", raw };
        };
        if !row.is_result() {
            return PushedRow::Unusable {
                reason: "it does not say when, or with what result",
                raw,
            };
        }
        let attempt = FetchedAttempt {
            native: requests::attempt_id(&path, row, &self.shared.signer),
            contact: None,
            call: requests::call_of(row),
            attempt: convert::call_to_domain(row, &self.shared.context).value,
            raw,
        };
        PushedRow::Result { campaign: NativeId::new(path.to_string()), attempt: Box::new(attempt) }
    }

    /// Every attempt (`showDetail` 1); the cursor is the page number.
    pub async fn attempts(
        &self,
        lane: Lane,
        native: &NativeId,
        query: &AttemptQuery,
    ) -> Result<AttemptPage, PlatformError> {
        let operation = Operation::ResultQuery;
        let path = self.campaign_path(operation, native)?;
        let page = requests::read_page_cursor(operation, query.cursor.as_deref())?;
        let body = requests::results_body(query, page, RESULT_ROWS);
        let answer = self.ask_results(lane, &path, body).await?;
        let rows = answer.rows()?;
        let attempts: Vec<FetchedAttempt> = rows
            .iter()
            .filter_map(|raw| {
                let row: wire::ResultRow = json::read(std::str::from_utf8(raw).ok()?)?;
                row.is_result().then(|| FetchedAttempt {
                    native: requests::attempt_id(&path, &row, &self.shared.signer),
                    contact: None,
                    call: requests::call_of(&row),
                    attempt: convert::call_to_domain(&row, &self.shared.context).value,
                    raw: raw.clone(),
                })
            })
            .collect();
        self.report_unreadable(operation, rows.len() - attempts.len());
        let total = answer.total_count.and_then(|count| u64::try_from(count).ok());
        let has_more = !rows.is_empty() && more(answer.total_count, page, RESULT_ROWS);
        Ok(AttemptPage { attempts, next: has_more.then(|| (page + 1).to_string()), total })
    }

    /// A request in CC-iSales' own words: `{vdn}` and `{campaign}` in the path stand for the parts
    /// of the campaign's native id.
    pub async fn exchange(
        &self,
        lane: Lane,
        native: Option<&NativeId>,
        exchange: Exchange,
    ) -> Result<Bytes, PlatformError> {
        let operation = exchange.operation;
        let exchange = match native {
            Some(native) => {
                let path = self.campaign_path(operation, native)?;
                let mut exchange = exchange.about(&path.id);
                exchange.path = exchange.path.replace("{vdn}", &path.vdn.to_string());
                exchange
            }
            None => exchange,
        };
        let Exchange { method, path, query, body, .. } = exchange;
        let is_write = operation.is_write() && method != "GET";
        let access = if is_write { Access::Write } else { Access::Read };
        let _place = match operation {
            Operation::ResultQuery => Some(self.result_turn(lane).await?),
            _ => None,
        };
        let ask =
            Ask { operation, access, lane, method, path: &path, query: query.as_deref(), body };
        self.call(ask).await.map(|answer| answer.body)
    }

    /// A result query, when it has its place among all of them.
    pub(super) async fn ask_results(
        &self,
        lane: Lane,
        path: &CampaignPath,
        body: Bytes,
    ) -> Result<Answer, PlatformError> {
        let _place = self.result_turn(lane).await?;
        let (operation, access, url) =
            (Operation::ResultQuery, Access::Read, path.url("v1", "/callresult"));
        self.call(Ask { operation, access, lane, method: "POST", path: &url, query: None, body })
            .await
    }

    /// A place among the result queries, whoever asks (5.1).
    async fn result_turn(&self, lane: Lane) -> Result<SemaphorePermit<'_>, PlatformError> {
        let clock = self.shared.endpoint.clock();
        let turn = self.shared.result_batches.turn(clock, lane.max_wait()).await;
        turn.map_err(|wait| PlatformError::from_spacing(Operation::ResultQuery, wait))
    }

    /// All or nothing (4.2): a bad number rejects the request.
    async fn add_chunk(
        &self,
        lane: Lane,
        native: &NativeId,
        url: &str,
        records: &[wire::CallData],
    ) -> Result<Vec<Option<NativeId>>, PlatformError> {
        let operation = Operation::ContactAdd;
        let clock = self.shared.endpoint.clock();
        let spacing = &self.shared.contact_spacing;
        spacing
            .turn(native.as_str(), clock, lane.max_wait())
            .await
            .map_err(|wait| PlatformError::from_spacing(operation, wait))?;
        let body = Bytes::from(json!({ "callDataList": records }).to_string());
        let answer = self.write(operation, lane, "POST", url, body).await;
        // The gap is the platform's, and how long a request takes to get there varies.
        spacing.push_back(native.as_str(), clock);
        let answer = answer.map_err(|error| match &*error.native_code {
            // Another program of the customer adds, too.
            refusal::TOO_FAST => error.with_retry_after(Some(CONTACT_GAP)),
            _ => error,
        })?;
        // The records are in, whether or not their ids can be read.
        let ids = answer.object::<Added>().map(|(made, _)| made.ids).unwrap_or_default();
        // One id per record, in order; any other count cannot be told apart.
        Ok(if ids.len() == records.len() {
            ids.into_iter().map(|made| made.id.map(NativeId::new)).collect()
        } else {
            vec![None; records.len()]
        })
    }

    async fn detail(
        &self,
        operation: Operation,
        lane: Lane,
        path: &CampaignPath,
    ) -> Result<(wire::Campaign, Bytes), PlatformError> {
        self.get(operation, lane, &path.url("v1", ""), None).await?.object()
    }

    pub(super) fn fetched(
        &self,
        path: &CampaignPath,
        wire: &wire::Campaign,
        raw: Bytes,
    ) -> FetchedCampaign {
        let (definition, status) = convert::campaign_to_domain(wire, &self.shared.context).value;
        FetchedCampaign {
            native: NativeId::new(path.to_string()),
            definition,
            status,
            // The platform tells neither.
            created_at: None,
            deleted: false,
            raw,
        }
    }

    /// A campaign's address. What is no `vdnId/campaignId` of this account names no campaign.
    pub(super) fn campaign_path(
        &self,
        operation: Operation,
        native: &NativeId,
    ) -> Result<CampaignPath, PlatformError> {
        CampaignPath::parse(native).filter(|path| self.shared.vdns.contains(&path.vdn)).ok_or_else(
            || {
                let detail = "the native id is not vdnId/campaignId with a VDN of the account";
                PlatformError::new(operation, PlatformErrorKind::NotFound, detail)
            },
        )
    }

    fn report_unreadable(&self, operation: Operation, unreadable: usize) {
        if unreadable > 0 {
            tracing::warn!(
                account = %self.shared.endpoint.account(),
                operation = operation.as_str(),
                unreadable,
                "rows of a list cannot be read and are left out"
            );
        }
    }

    pub(super) async fn get(
        &self,
        operation: Operation,
        lane: Lane,
        path: &str,
        query: Option<&str>,
    ) -> Result<Answer, PlatformError> {
        let (access, method, body) = (Access::Read, "GET", Bytes::new());
        self.call(Ask { operation, access, lane, method, path, query, body }).await
    }

    pub(super) async fn write(
        &self,
        operation: Operation,
        lane: Lane,
        method: &'static str,
        path: &str,
        body: Bytes,
    ) -> Result<Answer, PlatformError> {
        let access = Access::Write;
        self.call(Ask { operation, access, lane, method, path, query: None, body }).await
    }

    async fn call(&self, ask: Ask<'_>) -> Result<Answer, PlatformError> {
        let Ask { operation, access, lane, method, path, query, body } = ask;
        let failed = |failure| PlatformError::from_failure(operation, failure);
        let endpoint = &self.shared.endpoint;
        let admitted = self.connection.admit(access, lane).await.map_err(failed)?;
        let target = endpoint.target(path, query);
        let mut request = Request { method, target, headers: Vec::with_capacity(4), body };
        self.shared
            .signer
            .authenticate(&mut request, endpoint.host(), endpoint.clock())
            .map_err(failed)?;
        let answer = admitted.send(request).await.map_err(failed)?;
        let read = Answer::read(operation, access, &answer);
        read.map_err(|error| error.naming(PlatformKind::Isales, &self.shared.context.tables))
    }
}

/// True when pages after `page` hold more. Without a total one asks until a page is empty.
fn more(total: Option<i64>, page: u64, rows_per_page: u64) -> bool {
    total.is_none_or(|total| {
        u64::try_from(total).is_ok_and(|total| page.saturating_mul(rows_per_page) < total)
    })
}
