//! The operations on VoIPBin over the transport (reference 3–7, checklist 13).
//!
//! Every PUT there replaces all its members, so edits are read, merged and written. A delete that
//! did not happen answers 200 with an empty object, so the returned id is compared. Lists end at
//! an empty page, not at an empty token.

use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::answer::{Page, happened};
use super::auth::{AccessKey, WebhookSecret};
use super::requests::{
    campaign_parts, campaign_path, has_destination, segment, target_body, with_dial_info,
};
use super::wire::{self, is_unset};
use super::{answer, convert, creation, refusal};
use crate::clock::Clock;
use crate::config::{AccountConfig, PlatformSettings};
use crate::decoding;
use crate::domain::call::Explained;
use crate::domain::campaign::CampaignDefinition;
use crate::domain::contact::Contact;
use crate::domain::ids::NativeId;
use crate::domain::json;
use crate::platforms::merge::merge;
use crate::platforms::{
    AddedContacts, AttemptPage, AttemptQuery, CallbackAddresses, CampaignPage, ContactPage,
    ConvertContext, Exchange, FetchedAttempt, FetchedCampaign, FetchedContact, Operation,
    PlatformError, PlatformErrorKind, PlatformKind, Steered,
};
use crate::transport::pacing::Lane;
use crate::transport::{Access, Connection, Endpoint, Request, SetupError};

/// The platform's largest page (1.4).
const PAGE_SIZE: u32 = 100;

/// One account as all workers share it.
#[derive(Debug)]
pub struct Shared {
    endpoint: Arc<Endpoint>,
    key: AccessKey,
    webhook_secret: WebhookSecret,
    callbacks: CallbackAddresses,
    context: ConvertContext,
}

/// One worker's client of an account.
#[derive(Debug, Clone)]
pub struct Client {
    connection: Connection,
    shared: Arc<Shared>,
}

/// One request: for which operation, in which lane, and what.
pub(super) struct Ask<'a> {
    pub operation: Operation,
    pub lane: Lane,
    pub method: &'static str,
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub body: Bytes,
}

impl Shared {
    /// # Errors
    /// When the account's address or certificate file cannot be used, or it is another platform's.
    pub fn new(
        config: &AccountConfig,
        context: ConvertContext,
        clock: Clock,
    ) -> Result<Self, SetupError> {
        let PlatformSettings::Voipbin { access_key, webhook_secret, .. } = &config.platform else {
            let problem = "not an account of this platform".to_owned();
            return Err(SetupError { account: config.slug.clone(), problem });
        };
        let callbacks = CallbackAddresses::new("voipbin", true, config).map_err(|problem| {
            let problem = format!("keys.master_key: {problem}");
            SetupError { account: config.slug.clone(), problem }
        })?;
        let key = AccessKey::new(access_key.clone());
        let webhook_secret = WebhookSecret::new(webhook_secret.clone());
        let endpoint = Arc::new(Endpoint::new(config, clock)?);
        Ok(Self { endpoint, key, webhook_secret, callbacks, context })
    }
}

impl Client {
    pub fn context(&self) -> &ConvertContext {
        &self.shared.context
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn key(&self) -> &AccessKey {
        &self.shared.key
    }

    pub fn callbacks(&self) -> &CallbackAddresses {
        &self.shared.callbacks
    }

    pub(super) fn webhook_secret(&self) -> &WebhookSecret {
        &self.shared.webhook_secret
    }

    /// # Errors
    /// When the HTTP client cannot be made from the account's settings.
    pub fn new(shared: &Arc<Shared>) -> Result<Self, SetupError> {
        Ok(Self { connection: shared.endpoint.connect()?, shared: Arc::clone(shared) })
    }

    pub async fn list_campaigns(
        &self,
        lane: Lane,
        cursor: Option<&str>,
    ) -> Result<CampaignPage, PlatformError> {
        let page =
            self.page(Operation::CampaignList, lane, "/campaigns", (cursor, PAGE_SIZE)).await?;
        let campaigns = page
            .rows
            .into_iter()
            .map(|(campaign, raw)| {
                let bundle = wire::CampaignBundle { campaign, ..wire::CampaignBundle::default() };
                self.fetched(&bundle, raw)
            })
            .collect();
        Ok(CampaignPage { campaigns, next: page.next })
    }

    pub async fn campaign(
        &self,
        lane: Lane,
        native: &NativeId,
    ) -> Result<FetchedCampaign, PlatformError> {
        let (bundle, raw) = self.bundle(Operation::CampaignDetail, lane, native).await?;
        Ok(self.fetched(&bundle, raw))
    }

    pub async fn campaign_document(
        &self,
        lane: Lane,
        native: &NativeId,
    ) -> Result<Bytes, PlatformError> {
        let operation = Operation::CampaignDetail;
        let path = campaign_path(operation, native, "")?;
        let body = self.get(operation, lane, &path, None).await?;
        // An answer that is no campaign must not reach a client as one.
        answer::object::<wire::Campaign>(operation, Access::Read, &body)?;
        Ok(body)
    }

    pub async fn modify_campaign(
        &self,
        lane: Lane,
        native: &NativeId,
        definition: &CampaignDefinition,
    ) -> Result<Option<NativeId>, PlatformError> {
        let operation = Operation::CampaignModify;
        let context = &self.shared.context;
        let (current, _) = self.bundle(operation, lane, native).await?;
        let (before, status) = convert::campaign_to_domain(&current, context).value;
        let base = convert::campaign_from_domain(&before, &status, context).value;
        let edited = convert::campaign_from_domain(definition, &status, context).value;
        let merged = |error: serde_json::Error| {
            PlatformError::new(operation, PlatformErrorKind::Malformed, error.to_string())
        };
        let campaign =
            merge(&current.campaign, &base.campaign, &edited.campaign).map_err(merged)?;
        let outplan = match (&current.outplan, &base.outplan, &edited.outplan) {
            (Some(current), Some(base), Some(edited)) => {
                let contacts = self.contacts_of_closed(lane, native, (current, edited)).await?;
                let (edited, retry) = (edited.clone(), &definition.retry);
                let edited = creation::edited_outplan(current, edited, retry, &contacts);
                Some(merge(current, base, &edited).map_err(merged)?)
            }
            _ => None,
        };
        let current_parts = campaign_parts(&current.campaign);
        let mut written = false;
        let path = campaign_path(operation, native, "")?;
        for ((part, body), (_, before)) in campaign_parts(&campaign).iter().zip(&current_parts) {
            if body != before {
                let path = format!("{path}{part}");
                let result =
                    self.write::<wire::Campaign>(operation, lane, "PUT", &path, body).await;
                result.map_err(|e| if written { e.after_writes() } else { e })?;
                written = true;
            }
        }
        if let Some((new, old)) = outplan.as_ref().zip(current.outplan.as_ref()) {
            // The outplan's own name is not the campaign's.
            let body = with_dial_info(json!({}), new);
            if body != with_dial_info(json!({}), old) {
                let path = format!("/outplans/{}/dial_info", segment(&old.id));
                let result =
                    self.write::<wire::Outplan>(operation, lane, "PUT", &path, &body).await;
                result.map_err(|e| if written { e.after_writes() } else { e })?;
                return Ok(Some(NativeId::new(old.id.clone())));
            }
        }
        Ok(None)
    }

    pub async fn start_campaign(
        &self,
        lane: Lane,
        native: &NativeId,
    ) -> Result<Steered, PlatformError> {
        self.set_status(Operation::CampaignStart, lane, native, "run").await
    }

    pub async fn stop_campaign(
        &self,
        lane: Lane,
        native: &NativeId,
    ) -> Result<Steered, PlatformError> {
        self.set_status(Operation::CampaignStop, lane, native, "stop").await
    }

    pub async fn delete_campaign(
        &self,
        lane: Lane,
        native: &NativeId,
    ) -> Result<(), PlatformError> {
        let operation = Operation::CampaignDelete;
        let path = campaign_path(operation, native, "")?;
        let ask =
            Ask { operation, lane, method: "DELETE", path: &path, query: None, body: Bytes::new() };
        let body = self.call(ask).await?;
        let gone: wire::Campaign = answer::object(operation, Access::Write, &body)?;
        if gone.id.eq_ignore_ascii_case(native.as_str()) {
            return Ok(());
        }
        // 200 with an empty object: nothing was deleted, because the campaign runs (3.4).
        let detail = "the platform deleted nothing; the campaign is not stopped";
        Err(PlatformError::new(operation, PlatformErrorKind::State, detail))
    }

    pub async fn add_contacts(
        &self,
        lane: Lane,
        native: &NativeId,
        contacts: &[Contact],
    ) -> Result<AddedContacts, PlatformError> {
        let targets: Vec<wire::Target> = contacts
            .iter()
            .map(|contact| convert::contact_from_domain(contact, &self.shared.context).value)
            .collect();
        self.add_targets(lane, native, &targets).await
    }

    /// Adds targets as they are.
    pub(super) async fn add_targets(
        &self,
        lane: Lane,
        native: &NativeId,
        targets: &[wire::Target],
    ) -> Result<AddedContacts, PlatformError> {
        let operation = Operation::ContactAdd;
        if !targets.iter().all(has_destination) {
            let detail = "a contact has no number that can be written for the platform";
            return Err(PlatformError::new(operation, PlatformErrorKind::Invalid, detail));
        }
        // A target that names its outdial goes there; a campaign need not have joined it yet.
        let outdial = match targets.first().filter(|target| !is_unset(&target.outdial_id)) {
            Some(target) => target.outdial_id.clone(),
            None => self.outdial_of(operation, lane, native).await?,
        };
        let path = format!("/outdials/{}/targets", segment(&outdial));
        let mut added = Vec::with_capacity(targets.len());
        for target in targets {
            let body = target_body(target);
            match self.write::<wire::Target>(operation, lane, "POST", &path, &body).await {
                Ok(made) => added.push(Some(NativeId::new(made.id))),
                Err(error) => return Ok(AddedContacts { added, error: Some(error) }),
            }
        }
        Ok(AddedContacts { added, error: None })
    }

    pub async fn list_contacts(
        &self,
        lane: Lane,
        native: &NativeId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<ContactPage, PlatformError> {
        let operation = Operation::ContactList;
        let outdial = self.outdial_of(operation, lane, native).await?;
        let path = format!("/outdials/{}/targets", segment(&outdial));
        let size = limit.clamp(1, PAGE_SIZE);
        let page = self.page::<wire::Target>(operation, lane, &path, (cursor, size)).await?;
        let contacts = page
            .rows
            .into_iter()
            .map(|(target, raw)| FetchedContact {
                contact: convert::contact_to_domain(&target, &self.shared.context).value,
                native: NativeId::new(target.id),
                raw,
            })
            .collect();
        Ok(ContactPage { contacts, next: page.next })
    }

    /// Selecting by day or by reference is not offered: the platform has no filters (1.4).
    pub async fn attempts(
        &self,
        lane: Lane,
        native: &NativeId,
        query: &AttemptQuery,
    ) -> Result<AttemptPage, PlatformError> {
        let operation = Operation::ResultQuery;
        let path = campaign_path(operation, native, "/campaigncalls")?;
        let query = page_query(query.cursor.as_deref(), PAGE_SIZE);
        let body = self.get(operation, lane, &path, Some(&query)).await?;
        // Unlike rules, a result is worth what can be read of it.
        let read =
            |row: &str| json::read(row).filter(|call: &wire::Campaigncall| !is_unset(&call.id));
        let page = answer::page_of(operation, &body, read)?;
        self.report_unreadable(operation, page.unreadable);
        let attempts = page
            .rows
            .into_iter()
            .map(|(call, raw)| FetchedAttempt {
                attempt: convert::call_to_domain(&call, None, &self.shared.context).value,
                call: convert::call_behind(&call),
                contact: (!is_unset(&call.outdial_target_id))
                    .then(|| NativeId::new(call.outdial_target_id)),
                native: NativeId::new(call.id),
                raw,
            })
            .collect();
        Ok(AttemptPage { attempts, next: page.next, total: None })
    }

    /// A request in VoIPBin's own words; the campaign's id stands in for its name in the path.
    /// It stops when nobody is left, and no target waits for its first call. One that waits for a
    /// second may be left behind: the platform stops while its last calls are still in progress, and
    /// does not retry those that fail (reference 9.7).
    pub async fn is_exhausted(&self, lane: Lane, native: &NativeId) -> Result<bool, PlatformError> {
        let operation = Operation::ContactList;
        let (bundle, _) = self.bundle(operation, lane, native).await?;
        let wire::CampaignBundle { campaign, outplan: Some(outplan), .. } = bundle else {
            return Ok(false);
        };
        if campaign.end_handle != STOPS_AT_END || is_unset(&campaign.outdial_id) {
            return Ok(false);
        }
        let path = format!("/outdials/{}/targets", segment(&campaign.outdial_id));
        let mut cursor = None;
        loop {
            let asked = (cursor.as_deref(), PAGE_SIZE);
            let page = self.page::<wire::Target>(operation, lane, &path, asked).await?;
            if page.rows.iter().any(|(target, _)| target.awaits_first_try(&outplan)) {
                return Ok(false);
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(true),
            }
        }
    }

    /// The reason and the times are the call object's (reference 4.1), which outlives campaigncalls
    /// and is asked for on demand.
    pub async fn explain_attempt(
        &self,
        lane: Lane,
        row: &[u8],
    ) -> Result<Option<Explained>, PlatformError> {
        let operation = Operation::ResultDetail;
        let row: wire::Campaigncall = read_row(row).ok_or_else(|| {
            PlatformError::malformed(operation, Access::Read, "the attempt's row is no object")
        })?;
        let Some(call) = convert::call_behind(&row) else { return Ok(None) };
        let path = format!("/calls/{}", segment(call.native.as_str()));
        match self.get(operation, lane, &path, None).await {
            Ok(body) => {
                let call: wire::Call = read_row(&body).ok_or_else(|| {
                    PlatformError::malformed(operation, Access::Read, "the call is no object")
                })?;
                Ok(Some(convert::explained(&row, &call, &self.shared.context)))
            }
            Err(error) if error.kind == PlatformErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The same from the call as it was pushed.
    pub fn explain_by(&self, row: &[u8], call: &[u8]) -> Option<Explained> {
        let (row, call) = (read_row::<wire::Campaigncall>(row)?, read_row::<wire::Call>(call)?);
        Some(convert::explained(&row, &call, &self.shared.context))
    }

    pub async fn exchange(
        &self,
        lane: Lane,
        native: Option<&NativeId>,
        exchange: Exchange,
    ) -> Result<Bytes, PlatformError> {
        let exchange = match native {
            Some(native) => exchange.about(&segment(native.as_str()).to_string()),
            None => exchange,
        };
        let Exchange { operation, method, path, query, body } = exchange;
        let ask = Ask { operation, lane, method, path: &path, query: query.as_deref(), body };
        self.call(ask).await
    }

    pub(super) fn fetched(&self, bundle: &wire::CampaignBundle, raw: Bytes) -> FetchedCampaign {
        let (definition, status) = convert::campaign_to_domain(bundle, &self.shared.context).value;
        FetchedCampaign {
            native: NativeId::new(bundle.campaign.id.clone()),
            definition,
            status,
            created_at: happened(bundle.campaign.tm_create.as_deref()),
            deleted: happened(bundle.campaign.tm_delete.as_deref()).is_some(),
            raw,
        }
    }

    /// A campaign, its own bytes, and its outplan where it has one that can be read.
    pub(super) async fn bundle(
        &self,
        operation: Operation,
        lane: Lane,
        native: &NativeId,
    ) -> Result<(wire::CampaignBundle, Bytes), PlatformError> {
        let path = campaign_path(operation, native, "")?;
        let raw = self.get(operation, lane, &path, None).await?;
        let campaign: wire::Campaign = answer::object(operation, Access::Read, &raw)?;
        let mut bundle = wire::CampaignBundle { campaign, outplan: None, outdial: None };
        if !is_unset(&bundle.campaign.outplan_id) {
            let path = format!("/outplans/{}", segment(&bundle.campaign.outplan_id));
            match self.get(operation, lane, &path, None).await {
                Ok(body) => bundle.outplan = Some(answer::object(operation, Access::Read, &body)?),
                // A campaign may refer to what is gone; it is still a campaign.
                Err(error) if error.kind == PlatformErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok((bundle, raw))
    }

    pub(super) async fn outdial_of(
        &self,
        operation: Operation,
        lane: Lane,
        native: &NativeId,
    ) -> Result<String, PlatformError> {
        let path = campaign_path(operation, native, "")?;
        let body = self.get(operation, lane, &path, None).await?;
        let campaign: wire::Campaign = answer::object(operation, Access::Read, &body)?;
        if is_unset(&campaign.outdial_id) {
            let detail = "the campaign has no outdial to keep contacts in";
            return Err(PlatformError::new(operation, PlatformErrorKind::State, detail));
        }
        Ok(campaign.outdial_id)
    }

    async fn set_status(
        &self,
        operation: Operation,
        lane: Lane,
        native: &NativeId,
        status: &str,
    ) -> Result<Steered, PlatformError> {
        let path = &campaign_path(operation, native, "/status")?;
        let body = Bytes::from(json!({ "status": status }).to_string());
        let document =
            self.call(Ask { operation, lane, method: "PUT", path, query: None, body }).await?;
        let campaign: wire::Campaign = answer::object(operation, Access::Write, &document)?;
        // What is not about this campaign does not show it.
        let is_it = campaign.id.eq_ignore_ascii_case(native.as_str());
        let bundle = wire::CampaignBundle { campaign, ..wire::CampaignBundle::default() };
        let status = convert::campaign_to_domain(&bundle, &self.shared.context).value.1;
        Ok(Steered { status, document: is_it.then_some(document) })
    }

    /// A page of a list. A row that cannot be read is left out and counted in the log: one broken
    /// object must not hide the others.
    pub(super) async fn page<T: DeserializeOwned>(
        &self,
        operation: Operation,
        lane: Lane,
        path: &str,
        (cursor, size): (Option<&str>, u32),
    ) -> Result<Page<T>, PlatformError> {
        let query = page_query(cursor, size);
        let body = self.get(operation, lane, path, Some(&query)).await?;
        let page = answer::page(operation, &body)?;
        self.report_unreadable(operation, page.unreadable);
        Ok(page)
    }

    fn report_unreadable(&self, operation: Operation, unreadable: usize) {
        if unreadable > 0 {
            tracing::warn!(
                account = %self.connection.endpoint().account(),
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
    ) -> Result<Bytes, PlatformError> {
        let ask = Ask { operation, lane, method: "GET", path, query, body: Bytes::new() };
        Ok(decoding::readable(&self.call(ask).await?, None))
    }

    pub(super) async fn write<T: DeserializeOwned>(
        &self,
        operation: Operation,
        lane: Lane,
        method: &'static str,
        path: &str,
        body: &Value,
    ) -> Result<T, PlatformError> {
        let body = Bytes::from(body.to_string());
        let answer = self.call(Ask { operation, lane, method, path, query: None, body }).await?;
        answer::object(operation, Access::Write, &answer)
    }

    pub(super) async fn call(&self, ask: Ask<'_>) -> Result<Bytes, PlatformError> {
        let Ask { operation, lane, method, path, query, body } = ask;
        let access = if method == "GET" { Access::Read } else { Access::Write };
        let failed = |failure| PlatformError::from_failure(operation, failure);
        let admitted = self.connection.admit(access, lane).await.map_err(failed)?;
        let mut target = self.shared.endpoint.target(path, query);
        self.shared.key.authenticate(&mut target);
        let headers = if body.is_empty() {
            Vec::new()
        } else {
            vec![("content-type", "application/json".to_owned())]
        };
        let answer =
            admitted.send(Request { method, target, headers, body }).await.map_err(failed)?;
        if answer.status == 200 {
            return Ok(answer.body);
        }
        let refused = refusal::read(operation, access, &answer);
        Err(refused.naming(PlatformKind::Voipbin, &self.shared.context.tables))
    }
}

fn read_row<T: DeserializeOwned>(row: &[u8]) -> Option<T> {
    json::read(std::str::from_utf8(row).ok()?)
}

fn page_query(cursor: Option<&str>, size: u32) -> String {
    let token = cursor.map(|token| format!("&page_token={}", segment(token))).unwrap_or_default();
    format!("page_size={size}{token}")
}

/// The end handling of a campaign that stops when nobody is left (reference 3.1).
const STOPS_AT_END: &str = "stop";

/// The outplan that a campaign's document names.
pub fn outplan_of(document: &[u8]) -> Option<NativeId> {
    let campaign: wire::Campaign = serde_json::from_slice(document).ok()?;
    (!is_unset(&campaign.outplan_id)).then(|| NativeId::new(campaign.outplan_id))
}
