//! Talking TO a platform: the enum over the two adapters, what each can do, and how it says no.
//!
//! The two adapter folders have the same files and never know each other:
//! `wire` (what goes over the wire) · `auth` (how we prove who we are) · `convert` (wire ↔ domain) ·
//! `client` (the operations over the one transport) · `callback` (what the platform pushes).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::{AccountConfig, PlatformSettings};
use crate::domain::call::{CallAttempt, Disposition, DispositionFlags};
use crate::domain::campaign::{CampaignDefinition, CampaignStatus};
use crate::domain::contact::Contact;
use crate::domain::ids::{CampaignKey, CampaignPart, NativeId, PublicPair, VdnId};
use crate::domain::phone::NumberPlan;
use crate::mapping::engine::Finding;
use crate::mapping::table::{Code, Kind, TableProblem, Tables};
use crate::platforms::documents::{DomainDocument, Unreadable};
use crate::transport::SetupError;
use crate::transport::pacing::Lane;

pub mod documents;
mod error;
pub mod isales;
mod merge;
pub mod translation;
pub mod voipbin;

/// The platforms that Dialbridge knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PlatformKind {
    Voipbin,
    Isales,
}

/// What can be asked of a platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    CampaignList,
    CampaignDetail,
    CampaignCreate,
    CampaignModify,
    CampaignStart,
    CampaignStop,
    CampaignDelete,
    ContactAdd,
    ContactList,
    ResultQuery,
}

/// How a platform supports an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// One operation of the platform's own.
    Native,
    /// Composed of several of its operations; the text says how.
    Composed(&'static str),
    /// Not at all; the text says why.
    Unsupported(&'static str),
}

/// Why an operation on a platform did not succeed.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind:?}: {detail}", operation.as_str())]
pub struct PlatformError {
    pub kind: PlatformErrorKind,
    pub effect: Effect,
    pub retry_after: Option<Duration>,
    pub operation: Operation,
    /// The platform's own code, e.g. `0200007` or `CAMPAIGN_NOT_FOUND`; empty when it gave none.
    pub native_code: String,
    /// For the operator's log: never a secret, a number, a URL query or a body. The platform's own
    /// text is not in it, for it may quote a phone number.
    pub detail: String,
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlatformErrorKind {
    NotFound,
    /// The platform refuses our credentials.
    Unauthenticated,
    Forbidden,
    /// The platform calls the request wrong.
    Invalid,
    /// The state of the thing does not allow it.
    State,
    Duplicate,
    Quota,
    RateLimited,
    /// Not reached, refused, or answered 5xx.
    Unavailable,
    Timeout,
    /// Answered, but what it said cannot be read.
    Malformed,
    TooLarge,
    /// The account is configured with `writes = "deny"`.
    WritesDenied,
    Unsupported,
}

/// Whether a failed request may have changed something. An unclear effect is never repeated blindly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    None,
    Done,
    Unclear,
}

/// What a conversion needs to know about the account that a document belongs to.
#[derive(Debug, Clone)]
pub struct ConvertContext {
    pub tables: Arc<Tables>,
    /// Zone of the platform's zone-less local times.
    pub zone: TimeZone,
    pub numbers: NumberPlan,
    pub bindings: Arc<Bindings>,
}

/// What no translation can guess and an operator therefore configures.
#[derive(Debug, Clone, Default)]
pub struct Bindings {
    /// Agent group: VoIPBin queue id ↔ CC-iSales skill id.
    pub agent_groups: Vec<Binding>,
    /// Script: VoIPBin flow id ↔ CC-iSales IVR access code. In a VoIPBin campaign a script is one
    /// `fetch_flow` action.
    pub scripts: Vec<Binding>,
}

/// One pair of names for the same thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    pub voipbin: String,
    pub isales: String,
}

/// A converted value and what the conversion has to say about it.
#[derive(Debug, Clone)]
pub struct Converted<T> {
    pub value: T,
    pub findings: Vec<Finding>,
}

/// A campaign as its home tells it now.
#[derive(Debug, Clone)]
pub struct FetchedCampaign {
    pub native: NativeId,
    pub definition: CampaignDefinition,
    pub status: CampaignStatus,
    /// When the platform made it, if it says so.
    pub created_at: Option<Timestamp>,
    /// Deleted, and still shown by the platform.
    pub deleted: bool,
    /// The campaign document exactly as the platform sent it, without its envelope.
    pub raw: Bytes,
}

/// One page of a platform's campaign list.
#[derive(Debug, Clone)]
pub struct CampaignPage {
    pub campaigns: Vec<FetchedCampaign>,
    /// Give it back to get the next page; None at the end.
    pub next: Option<String>,
}

/// A contact as the home tells it.
#[derive(Debug, Clone)]
pub struct FetchedContact {
    pub native: NativeId,
    pub contact: Contact,
    pub raw: Bytes,
}

#[derive(Debug, Clone)]
pub struct ContactPage {
    pub contacts: Vec<FetchedContact>,
    pub next: Option<String>,
}

/// What became of contacts that were to be added. They are sent in their order; the first failure
/// ends it.
#[derive(Debug)]
pub struct AddedContacts {
    /// One entry for each contact that the platform took, from the first on: its native id, where
    /// the platform gave one.
    pub added: Vec<Option<NativeId>>,
    /// Why the contacts after those were not added. With [`Effect::Unclear`] some may have been.
    pub error: Option<PlatformError>,
}

/// Which attempts to read.
#[derive(Debug, Clone, Default)]
pub struct AttemptQuery {
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// First and last day in the account's zone, both included, where the platform can select by
    /// day (at most 30); the platform that cannot gives all.
    pub days: Option<(Date, Date)>,
    /// Only attempts of the contact with this reference, where the platform can select by it.
    pub reference: Option<String>,
}

/// An attempt as the home tells it.
#[derive(Debug, Clone)]
pub struct FetchedAttempt {
    /// Identifies the attempt on its account (the ledger's business key is made from it).
    pub native: NativeId,
    pub attempt: CallAttempt,
    /// The contact that was called, by the platform's own id, where attempts tell it.
    pub contact: Option<NativeId>,
    pub raw: Bytes,
}

/// What the platform's own name for a campaign says about its public ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicNames {
    /// None: one is proposed.
    pub uuid: Option<Uuid>,
    /// None: one is assigned.
    pub pair: Option<PublicPair>,
}

/// A part of a campaign that is an object of the platform's own.
#[derive(Debug, Clone)]
pub struct FetchedPart {
    /// The campaign that it belongs to, if it says so.
    pub campaign: Option<NativeId>,
    pub raw: Bytes,
}

#[derive(Debug, Clone)]
pub struct AttemptPage {
    pub attempts: Vec<FetchedAttempt>,
    pub next: Option<String>,
    /// Over all pages, where the platform counts them.
    pub total: Option<u64>,
}

/// One account as all workers share it.
#[derive(Debug, Clone)]
pub enum Account {
    Voipbin(Arc<voipbin::client::Shared>),
    Isales(Arc<isales::client::Shared>),
}

/// One worker's client of an account. Clones share it. Every function takes the lane that its
/// requests go in, and may wait for the account's pace.
#[derive(Debug, Clone)]
pub enum Adapter {
    Voipbin(voipbin::client::Client),
    Isales(isales::client::Client),
}

/// The account that `translate` assumes without configuration: times in UTC, trunk prefix `0`,
/// international prefix `00`, the given region for national numbers, no bindings.
///
/// # Errors
/// The mistakes in the embedded tables.
pub fn neutral_context(number_region: Option<&str>) -> Result<ConvertContext, Vec<TableProblem>> {
    Ok(ConvertContext {
        tables: Arc::new(Tables::embedded()?),
        zone: TimeZone::UTC,
        numbers: NumberPlan {
            region: number_region.map(str::to_owned),
            trunk_prefix: "0".to_owned(),
            international_prefix: "00".to_owned(),
        },
        bindings: Arc::default(),
    })
}

impl Bindings {
    /// The agent group that CC-iSales calls so, by the name used in the domain (VoIPBin's).
    pub fn group_of_skill(&self, skill: &str) -> Option<&str> {
        self.agent_groups.iter().find(|b| b.isales == skill).map(|b| b.voipbin.as_str())
    }

    /// The skill of an agent group.
    pub fn skill_of_group(&self, group: &str) -> Option<&str> {
        self.agent_groups.iter().find(|b| b.voipbin == group).map(|b| b.isales.as_str())
    }

    /// The script behind an IVR access code, by the name used in the domain (VoIPBin's flow id).
    pub fn script_of_access_code(&self, code: &str) -> Option<&str> {
        self.scripts.iter().find(|b| b.isales == code).map(|b| b.voipbin.as_str())
    }

    /// The IVR access code of a script.
    pub fn access_code_of_script(&self, script: &str) -> Option<&str> {
        self.scripts.iter().find(|b| b.voipbin == script).map(|b| b.isales.as_str())
    }
}

/// What a code of a set of dispositions stands for.
fn disposition_of(code: &Code) -> (Disposition, DispositionFlags) {
    let disposition = code.term.as_deref().and_then(Disposition::from_term).unwrap_or_default();
    let flags = code.flags.map_or_else(DispositionFlags::default, |flags| DispositionFlags {
        live_person: flags.live_person,
        number_reusable: flags.number_reusable,
        contact_reusable: flags.contact_reusable,
        counts_as_attempt: flags.counts_as_attempt,
        is_final: flags.is_final,
    });
    (disposition, flags)
}

/// What a JSON document of `platform` says.
///
/// # Errors
/// When its members have types that the platform never uses.
pub fn document_to_domain(
    platform: PlatformKind,
    kind: Kind,
    document: &Value,
    ctx: &ConvertContext,
) -> Result<Converted<DomainDocument>, Unreadable> {
    match platform {
        PlatformKind::Voipbin => voipbin::convert::document_to_domain(kind, document, ctx),
        PlatformKind::Isales => isales::convert::document_to_domain(kind, document, ctx),
    }
}

/// The JSON document of `platform` that says it.
///
/// # Errors
/// When JSON refuses a value; ours it does not.
pub fn document_from_domain(
    platform: PlatformKind,
    document: &DomainDocument,
    ctx: &ConvertContext,
) -> Result<Converted<Value>, Unreadable> {
    match platform {
        PlatformKind::Voipbin => voipbin::convert::document_from_domain(document, ctx),
        PlatformKind::Isales => isales::convert::document_from_domain(document, ctx),
    }
}

impl PlatformKind {
    pub const ALL: [PlatformKind; 2] = [PlatformKind::Voipbin, PlatformKind::Isales];

    /// The name used on the command line, in `mappings/` and in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            PlatformKind::Voipbin => "voipbin",
            PlatformKind::Isales => "isales",
        }
    }
}

impl Operation {
    pub const ALL: [Operation; 10] = [
        Operation::CampaignList,
        Operation::CampaignDetail,
        Operation::CampaignCreate,
        Operation::CampaignModify,
        Operation::CampaignStart,
        Operation::CampaignStop,
        Operation::CampaignDelete,
        Operation::ContactAdd,
        Operation::ContactList,
        Operation::ResultQuery,
    ];

    /// As written in tables, logs and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::CampaignList => "campaign-list",
            Operation::CampaignDetail => "campaign-detail",
            Operation::CampaignCreate => "campaign-create",
            Operation::CampaignModify => "campaign-modify",
            Operation::CampaignStart => "campaign-start",
            Operation::CampaignStop => "campaign-stop",
            Operation::CampaignDelete => "campaign-delete",
            Operation::ContactAdd => "contact-add",
            Operation::ContactList => "contact-list",
            Operation::ResultQuery => "result-query",
        }
    }

    /// True when the operation changes something on the platform.
    pub fn is_write(self) -> bool {
        match self {
            Operation::CampaignList
            | Operation::CampaignDetail
            | Operation::ContactList
            | Operation::ResultQuery => false,
            Operation::CampaignCreate
            | Operation::CampaignModify
            | Operation::CampaignStart
            | Operation::CampaignStop
            | Operation::CampaignDelete
            | Operation::ContactAdd => true,
        }
    }
}

impl Support {
    pub fn is_supported(self) -> bool {
        !matches!(self, Support::Unsupported(_))
    }
}

/// How `platform` supports `operation`, as data: asked before acting, shown by `dialbridge
/// capabilities`, and by which the behaviour suite selects its cases.
pub fn support(platform: PlatformKind, operation: Operation) -> Support {
    match platform {
        PlatformKind::Voipbin => voipbin::support(operation),
        PlatformKind::Isales => isales::support(operation),
    }
}

impl Account {
    /// # Errors
    /// When the account's address, certificate file or credentials cannot be used.
    pub fn new(
        config: &AccountConfig,
        tables: Arc<Tables>,
        bindings: Arc<Bindings>,
        clock: Clock,
    ) -> Result<Self, SetupError> {
        let context = ConvertContext {
            tables,
            zone: config.time_zone.clone(),
            numbers: config.numbers.clone(),
            bindings,
        };
        Ok(match config.platform {
            PlatformSettings::Voipbin { .. } => {
                Account::Voipbin(Arc::new(voipbin::client::Shared::new(config, context, clock)?))
            }
            PlatformSettings::Isales { .. } => {
                Account::Isales(Arc::new(isales::client::Shared::new(config, context, clock)?))
            }
        })
    }

    pub fn platform(&self) -> PlatformKind {
        match self {
            Account::Voipbin(_) => PlatformKind::Voipbin,
            Account::Isales(_) => PlatformKind::Isales,
        }
    }

    /// A client for one worker.
    ///
    /// # Errors
    /// When the HTTP client cannot be made from the account's settings.
    pub fn adapter(&self) -> Result<Adapter, SetupError> {
        Ok(match self {
            Account::Voipbin(shared) => Adapter::Voipbin(voipbin::client::Client::new(shared)?),
            Account::Isales(shared) => Adapter::Isales(isales::client::Client::new(shared)?),
        })
    }
}

impl Adapter {
    pub fn platform(&self) -> PlatformKind {
        match self {
            Adapter::Voipbin(_) => PlatformKind::Voipbin,
            Adapter::Isales(_) => PlatformKind::Isales,
        }
    }

    /// What conversions need to know of the account.
    pub fn context(&self) -> &ConvertContext {
        match self {
            Adapter::Voipbin(client) => client.context(),
            Adapter::Isales(client) => client.context(),
        }
    }

    /// What a campaign's native id says about its public ones.
    pub fn public_names(&self, native: &NativeId) -> PublicNames {
        match self {
            Adapter::Voipbin(_) => voipbin::names::public_names(native),
            Adapter::Isales(_) => isales::names::public_names(native),
        }
    }

    /// The native id under which this account would have a campaign that nobody knows yet; None
    /// when the public id cannot be one of its own.
    pub fn native_of(&self, key: CampaignKey) -> Option<NativeId> {
        match self {
            Adapter::Voipbin(_) => voipbin::names::native_of(key),
            Adapter::Isales(client) => client.native_of(key),
        }
    }

    /// A campaign from its document alone, as this platform sent it once. Parts that are objects of
    /// their own are not in it.
    ///
    /// # Errors
    /// `Malformed` when it is no campaign of this platform.
    pub fn read_campaign(
        &self,
        native: &NativeId,
        document: Bytes,
    ) -> Result<FetchedCampaign, PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.read_campaign(document),
            Adapter::Isales(client) => client.read_campaign(native, document),
        }
    }

    /// A part of a campaign by its own id; None where parts are no objects of their own.
    ///
    /// # Errors
    /// `NotFound` when there is none of this id, and as for every read.
    pub async fn part(
        &self,
        lane: Lane,
        part: CampaignPart,
        id: Uuid,
    ) -> Result<Option<FetchedPart>, PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.part(lane, part, id).await,
            Adapter::Isales(_) => Ok(None),
        }
    }

    pub fn support(&self, operation: Operation) -> Support {
        support(self.platform(), operation)
    }

    /// A page of the account's campaigns; begin without a cursor. Platforms list less than their
    /// details say, so a definition from here may lack dialling rules.
    pub async fn list_campaigns(
        &self,
        lane: Lane,
        cursor: Option<&str>,
    ) -> Result<CampaignPage, PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.list_campaigns(lane, cursor).await,
            Adapter::Isales(client) => client.list_campaigns(lane, cursor).await,
        }
    }

    pub async fn campaign(
        &self,
        lane: Lane,
        native: &NativeId,
    ) -> Result<FetchedCampaign, PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.campaign(lane, native).await,
            Adapter::Isales(client) => client.campaign(lane, native).await,
        }
    }

    /// The campaign document alone, as the platform sent it: for callers who speak its language.
    pub async fn campaign_document(
        &self,
        lane: Lane,
        native: &NativeId,
    ) -> Result<Bytes, PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.campaign_document(lane, native).await,
            Adapter::Isales(client) => client.campaign_document(lane, native).await,
        }
    }

    /// Creates a stopped campaign. `vdn` chooses among the account's VDNs where it has several.
    pub async fn create_campaign(
        &self,
        lane: Lane,
        vdn: Option<VdnId>,
        definition: &CampaignDefinition,
    ) -> Result<NativeId, PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.create_campaign(lane, vdn, definition).await,
            Adapter::Isales(client) => client.create_campaign(lane, vdn, definition).await,
        }
    }

    /// Writes the changed parts of a definition; what our words cannot say stays as it is.
    pub async fn modify_campaign(
        &self,
        lane: Lane,
        native: &NativeId,
        definition: &CampaignDefinition,
    ) -> Result<(), PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.modify_campaign(lane, native, definition).await,
            Adapter::Isales(client) => client.modify_campaign(lane, native, definition).await,
        }
    }

    /// Lets a campaign dial. Gives the status after it, as far as the platform tells.
    pub async fn start_campaign(
        &self,
        lane: Lane,
        native: &NativeId,
    ) -> Result<CampaignStatus, PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.start_campaign(lane, native).await,
            Adapter::Isales(client) => client.start_campaign(lane, native).await,
        }
    }

    /// Lets a campaign dial no further; calls in progress run out.
    pub async fn stop_campaign(
        &self,
        lane: Lane,
        native: &NativeId,
    ) -> Result<CampaignStatus, PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.stop_campaign(lane, native).await,
            Adapter::Isales(client) => client.stop_campaign(lane, native).await,
        }
    }

    pub async fn delete_campaign(
        &self,
        lane: Lane,
        native: &NativeId,
    ) -> Result<(), PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.delete_campaign(lane, native).await,
            Adapter::Isales(client) => client.delete_campaign(lane, native).await,
        }
    }

    /// # Errors
    /// When nothing was sent: a contact has no number that can be written for the platform, or the
    /// campaign cannot take contacts. Later failures are in the answer.
    pub async fn add_contacts(
        &self,
        lane: Lane,
        native: &NativeId,
        contacts: &[Contact],
    ) -> Result<AddedContacts, PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.add_contacts(lane, native, contacts).await,
            Adapter::Isales(client) => client.add_contacts(lane, native, contacts).await,
        }
    }

    /// As [`Adapter::add_contacts`], from documents in the platform's own words, whose members go
    /// through as they are.
    pub async fn add_contact_documents(
        &self,
        lane: Lane,
        native: &NativeId,
        documents: &[Bytes],
    ) -> Result<AddedContacts, PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.add_documents(lane, native, documents).await,
            Adapter::Isales(client) => client.add_documents(lane, native, documents).await,
        }
    }

    /// A page of at most `limit` contacts, newest first.
    pub async fn list_contacts(
        &self,
        lane: Lane,
        native: &NativeId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<ContactPage, PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.list_contacts(lane, native, cursor, limit).await,
            Adapter::Isales(client) => client.list_contacts(lane, native, cursor, limit).await,
        }
    }

    /// A page of a campaign's attempts.
    pub async fn attempts(
        &self,
        lane: Lane,
        native: &NativeId,
        query: &AttemptQuery,
    ) -> Result<AttemptPage, PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.attempts(lane, native, query).await,
            Adapter::Isales(client) => client.attempts(lane, native, query).await,
        }
    }
}
