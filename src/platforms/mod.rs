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
use crate::domain::call::{CallAttempt, CallRef, Disposition, DispositionFlags};
use crate::domain::campaign::{CampaignDefinition, CampaignStatus};
use crate::domain::contact::Contact;
use crate::domain::ids::{CampaignPart, NativeId, PublicPair};
use crate::domain::phone::NumberPlan;
use crate::mapping::engine::Finding;
use crate::mapping::engine::account::FieldOutcome;
use crate::mapping::table::{Code, Kind, TableProblem, Tables};
use crate::platforms::documents::{DomainDocument, Unreadable};

mod adapter;
mod callback_address;
mod creation;
pub mod documents;
mod error;
pub mod exchange;
pub mod isales;
pub mod merge;
mod named;
pub mod notice;
mod operation;
pub mod passthrough;
mod push;
pub mod translation;
pub mod voipbin;

pub use adapter::{Account, Adapter};
pub use callback_address::{CallbackAddresses, PushedTo};
pub use creation::{CreationDefaults, Made, NewCampaign};
pub use exchange::{Exchange, Said};
pub use named::Member;
pub use operation::{Operation, Support};
pub use passthrough::{PassThrough, PassedBack};
pub use push::{Push, PushAddress, PushError, Pushed};

/// The platforms that Dialbridge knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PlatformKind {
    Voipbin,
    Isales,
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
    /// What the platform said, for a client that speaks its language and for nobody else.
    pub said: Option<Box<Said>>,
    /// The member that the platform calls wrong, where it names one that the tables know.
    pub member: Option<Box<Member>>,
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
    /// The operator's configuration lacks what this needs; the detail says what.
    Unconfigured,
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
    /// Tells which campaigns are over.
    pub clock: Clock,
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

/// How a campaign stands that was started or stopped, as far as its platform tells.
#[derive(Debug, Clone)]
pub struct Steered {
    pub status: CampaignStatus,
    /// The campaign, where the platform answers with its document.
    pub document: Option<Bytes>,
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

/// How a platform may know a contact.
#[derive(Debug, Clone, Copy)]
pub struct ContactName<'a> {
    pub native: Option<&'a NativeId>,
    /// Under which it was added.
    pub reference: &'a str,
}

/// Whether a platform has a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// Certainly not.
    Absent,
    /// With its native id, where the platform tells it.
    There(Option<NativeId>),
}

/// What became of a contact that a platform was to let go of; whatever else it says is its no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// The platform has it no more, or never had it.
    Gone,
    /// The platform keeps it and calls it no more.
    Done,
    /// It may be gone when a call of it is over, or when the campaign stands still.
    NotYet,
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
    pub call: Option<CallRef>,
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

/// A row of results that were pushed.
#[derive(Debug, Clone)]
pub enum PushedRow {
    Result {
        campaign: NativeId,
        attempt: Box<FetchedAttempt>,
    },
    /// How a call ended that may be behind an attempt; any call of the account's.
    Call {
        call: NativeId,
        raw: Bytes,
    },
    /// It says nothing that can be kept as an attempt of the account.
    Unusable {
        reason: &'static str,
        raw: Bytes,
    },
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
        clock: Clock::real(),
    })
}

impl Bindings {
    /// The agent group that CC-iSales calls so, by the name used in the domain (VoIPBin's).
    pub fn group_of_skill(&self, skill: &str) -> Option<&str> {
        self.agent_groups.iter().find(|b| b.isales == skill).map(|b| b.voipbin.as_str())
    }

    /// Every bound agent group, by the name used in the domain.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.agent_groups.iter().map(|b| b.voipbin.as_str())
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

/// A campaign's document with its dialling rules where `platform` keeps those apart.
pub fn campaign_document(
    platform: PlatformKind,
    campaign: Value,
    dialing_rules: Option<&Value>,
) -> Value {
    match platform {
        PlatformKind::Voipbin => voipbin::names::campaign_document(&campaign, dialing_rules),
        PlatformKind::Isales => campaign,
    }
}

/// What a home of `to` loses of a document of `from`, beside a campaign's calling window, by which more
/// may be called than it allows.
///
/// # Errors
/// When the document cannot be read.
pub fn widening(
    (from, to): (PlatformKind, PlatformKind),
    kind: Kind,
    document: &Value,
    ctx: &ConvertContext,
) -> Result<Option<FieldOutcome>, Unreadable> {
    if from == to {
        return Ok(None);
    }
    let (from_account, to_account) = (ctx, ctx);
    let way = translation::Direction { kind, from, to, from_account, to_account };
    way.widening(document).map_err(|_| Unreadable)
}

/// The campaign that is to follow, by a document of `platform`.
pub fn next_campaign(platform: PlatformKind, document: &[u8]) -> Option<Uuid> {
    match platform {
        PlatformKind::Voipbin => voipbin::names::next_campaign(document),
        PlatformKind::Isales => None,
    }
}

/// The dialling rules of a campaign, where a platform keeps them apart.
#[derive(Debug)]
pub enum DialingRules {
    Missing,
    /// Those that the campaign has on its home, as they are there.
    OfHome,
    Document(Value),
}

impl DialingRules {
    pub fn document(&self) -> Option<&Value> {
        match self {
            DialingRules::Document(document) => Some(document),
            DialingRules::Missing | DialingRules::OfHome => None,
        }
    }
}

/// Whether a campaign that a client of `platform` wrote so can be run on a home of another one.
///
/// # Errors
/// The reason why not, in the platform's words.
pub fn check_portable(
    platform: PlatformKind,
    campaign: &Value,
    dialing_rules: &DialingRules,
) -> Result<(), &'static str> {
    match platform {
        PlatformKind::Voipbin => voipbin::convert::check_portable(campaign, dialing_rules),
        PlatformKind::Isales => Ok(()),
    }
}

/// Whether `platform` itself keeps a campaign's begin, end, hours and special dates.
pub fn keeps_windows(platform: PlatformKind) -> bool {
    match platform {
        PlatformKind::Voipbin => voipbin::KEEPS_WINDOWS,
        PlatformKind::Isales => isales::KEEPS_WINDOWS,
    }
}

/// The campaign alone, out of a document with its parts.
pub fn campaign_of_document(platform: PlatformKind, document: Value) -> Value {
    match platform {
        PlatformKind::Voipbin => voipbin::names::campaign_of_document(document),
        PlatformKind::Isales => document,
    }
}

/// A campaign's document as the platform sent it, but for the status, which has changed since.
pub(super) fn document_with_status(
    platform: PlatformKind,
    campaign: &FetchedCampaign,
    ctx: &ConvertContext,
) -> Bytes {
    let FetchedCampaign { definition, status, raw, .. } = campaign;
    let said = DomainDocument::Campaign(Box::new(definition.clone()), status.clone());
    let said = document_from_domain(platform, &said, ctx);
    let said = said.map(|said| campaign_of_document(platform, said.value));
    match (said, serde_json::from_slice(raw)) {
        (Ok(mut said), Ok(Value::Object(mut document))) => {
            // Both platforms call it so.
            document.insert("status".to_owned(), said["status"].take());
            Value::Object(document).to_string().into()
        }
        _ => raw.clone(),
    }
}

/// The parts that a campaign's document names.
pub fn parts_of(platform: PlatformKind, campaign: &Value) -> Vec<(CampaignPart, Uuid)> {
    match platform {
        PlatformKind::Voipbin => voipbin::names::parts_of(campaign),
        PlatformKind::Isales => Vec::new(),
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

/// How `platform` supports `operation`, as data: asked before acting, shown by `dialbridge
/// capabilities`, and by which the behaviour suite selects its cases.
pub fn support(platform: PlatformKind, operation: Operation) -> Support {
    match platform {
        PlatformKind::Voipbin => voipbin::support(operation),
        PlatformKind::Isales => isales::support(operation),
    }
}
