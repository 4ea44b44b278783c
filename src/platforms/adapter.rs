//! The enum over the two adapters. Each function is one match; what is different about the platforms
//! is in their folders.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::{AccountConfig, PlatformSettings};
use crate::domain::call::Explained;
use crate::domain::campaign::CampaignDefinition;
use crate::domain::contact::Contact;
use crate::domain::ids::{CampaignKey, CampaignPart, NativeId};
use crate::mapping::table::Tables;
use crate::platforms::{
    self, AddedContacts, AttemptPage, AttemptQuery, Bindings, CallbackAddresses, CampaignPage,
    ContactName, ContactPage, ConvertContext, Exchange, FetchedCampaign, FetchedPart, Made,
    NewCampaign, Operation, PassThrough, PassedBack, PlatformError, PlatformKind, Presence,
    PublicNames, Push, PushAddress, PushError, Pushed, PushedRow, Released, Steered, Support,
    isales, support, voipbin,
};
use crate::transport::SetupError;
use crate::transport::pacing::Lane;

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
            clock: clock.clone(),
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

    /// Whether the platform itself refuses a start or a stop that the campaign's state does not allow
    /// (CC-iSales: reference 3.7, 3.8). Another one does as it is told, also where that is wrong.
    pub fn guards_its_states(&self) -> bool {
        match self {
            Adapter::Voipbin(_) => false,
            Adapter::Isales(_) => true,
        }
    }

    /// A campaign's name as it is sent: the platform may allow less than a client's does.
    pub fn name_as_sent(&self, name: &str) -> String {
        match self {
            Adapter::Voipbin(_) => name.to_owned(),
            Adapter::Isales(_) => isales::convert::name_as_sent(name),
        }
    }

    /// Whether this may be done to contacts while their campaign dials. CC-iSales deletes none then
    /// (reference 4.3), and installations before 2025-11 take none (3.14).
    pub fn allows_while_dialling(&self, operation: Operation) -> bool {
        match self {
            Adapter::Voipbin(_) => true,
            Adapter::Isales(client) => client.allows_while_dialling(operation),
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

    /// The dialling rules that a campaign names in its document and that others may use, too.
    pub fn shared_rules(&self, document: &[u8]) -> Option<NativeId> {
        match self {
            Adapter::Voipbin(_) => voipbin::client::outplan_of(document),
            Adapter::Isales(_) => None,
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

    /// The campaign's document, which says another status, with the campaign's own.
    pub fn document_with_status(&self, campaign: &FetchedCampaign) -> Bytes {
        platforms::document_with_status(self.platform(), campaign, self.context())
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

    /// Makes a campaign in one go: for callers who need not survive a crash in between.
    ///
    /// # Errors
    /// With effect `Done` when something was made before the error.
    pub async fn create_campaign(
        &self,
        lane: Lane,
        new: &NewCampaign,
    ) -> Result<NativeId, PlatformError> {
        let mut made = Made::default();
        while self.next_step(&made).is_some() {
            let steps = made.steps;
            let next = self.make_next(lane, new, made, false).await;
            made = next.map_err(|error| if steps > 0 { error.after_writes() } else { error })?;
        }
        Ok(NativeId::new(made.campaign.unwrap_or_default()))
    }

    /// The name of the next write that makes the campaign; None when it is made.
    pub fn next_step(&self, made: &Made) -> Option<&'static str> {
        let steps = match self {
            Adapter::Voipbin(_) => &voipbin::creation::STEPS[..],
            Adapter::Isales(_) => &isales::creation::STEPS[..],
        };
        steps.get(made.steps).copied()
    }

    /// Does the next write. With `in_doubt` it may have been done before, and is looked for first.
    /// The new campaign does not dial.
    ///
    /// # Errors
    /// `Unconfigured` when the operator must say something first; then and after every other error
    /// without effect the making stands where it stood.
    pub async fn make_next(
        &self,
        lane: Lane,
        new: &NewCampaign,
        made: Made,
        in_doubt: bool,
    ) -> Result<Made, PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.make_next(lane, new, made, in_doubt).await,
            Adapter::Isales(client) => client.make_next(lane, new, made, in_doubt).await,
        }
    }

    /// Takes away what was made; what is gone already is no error.
    pub async fn unmake(&self, lane: Lane, made: &Made) -> Result<(), PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.unmake(lane, made).await,
            Adapter::Isales(client) => client.unmake(lane, made).await,
        }
    }

    /// Which of these contacts the platform has, after an addition whose answer was lost. The
    /// contacts carry references that are nobody else's, and the campaign is stopped.
    pub async fn settle_contacts(
        &self,
        lane: Lane,
        native: &NativeId,
        contacts: &[Contact],
    ) -> Result<Vec<Presence>, PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.settle_contacts(lane, native, contacts).await,
            Adapter::Isales(client) => client.settle_contacts(lane, native, contacts).await,
        }
    }

    /// Takes a contact out of a campaign: by the platform's own id, or by its reference. Doing so again
    /// does no harm.
    ///
    /// # Errors
    /// What the platform would say again.
    pub async fn delete_contact(
        &self,
        lane: Lane,
        native: &NativeId,
        contact: ContactName<'_>,
    ) -> Result<Released, PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.delete_contact(lane, native, contact).await,
            Adapter::Isales(client) => client.delete_contact(lane, native, contact).await,
        }
    }

    /// Writes the changed parts of a definition; what our words cannot say stays as it is. Answers
    /// which dialling rules were changed that other campaigns may use, too.
    pub async fn modify_campaign(
        &self,
        lane: Lane,
        native: &NativeId,
        definition: &CampaignDefinition,
    ) -> Result<Option<NativeId>, PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.modify_campaign(lane, native, definition).await,
            Adapter::Isales(client) => {
                client.modify_campaign(lane, native, definition).await.map(|()| None)
            }
        }
    }

    /// Lets a campaign dial.
    pub async fn start_campaign(
        &self,
        lane: Lane,
        native: &NativeId,
    ) -> Result<Steered, PlatformError> {
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
    ) -> Result<Steered, PlatformError> {
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

    /// Whether a platform dials only the places of contacts' numbers that were opened for the campaign.
    pub fn opens_places(&self) -> bool {
        match self {
            Adapter::Voipbin(_) => true,
            Adapter::Isales(_) => false,
        }
    }

    /// Lets the campaign dial every place in which these contacts have a number, unless somebody else
    /// decides on that.
    pub async fn open_places(
        &self,
        lane: Lane,
        native: &NativeId,
        contacts: &[Contact],
    ) -> Result<(), PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.open_places(lane, native, contacts).await,
            Adapter::Isales(_) => Ok(()),
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

    /// Proves a push of the platform's by what came with it. What checks that may have to be asked of
    /// the platform.
    ///
    /// # Errors
    /// `NotGenuine` always where pushes are not signed: such prove themselves by their address.
    pub async fn prove_push(&self, push: Push<'_>) -> Result<(), PushError> {
        match self {
            Adapter::Voipbin(client) => client.prove_push(push).await,
            Adapter::Isales(_) => Err(PushError::NotGenuine),
        }
    }

    /// What a push is about that was proved.
    pub fn read_push(&self, body: &str) -> Pushed {
        match self {
            Adapter::Voipbin(_) => voipbin::client::Client::read_push(body),
            Adapter::Isales(_) => Pushed::Results,
        }
    }

    /// Where the platform pushes the account's results to.
    pub fn callbacks(&self) -> &CallbackAddresses {
        match self {
            Adapter::Voipbin(client) => client.callbacks(),
            Adapter::Isales(client) => client.callbacks(),
        }
    }

    /// Whether each campaign names where its results are pushed to; elsewhere the account does.
    pub fn pushes_by_campaign(&self) -> bool {
        match self {
            Adapter::Voipbin(_) => false,
            Adapter::Isales(_) => true,
        }
    }

    /// Where the account's events are pushed to; None: nowhere.
    ///
    /// # Errors
    /// `Unsupported` where each campaign names it.
    pub async fn push_address(&self, lane: Lane) -> Result<Option<PushAddress>, PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.push_address(lane).await,
            Adapter::Isales(_) => Err(no_account_address(Operation::AccountDetail)),
        }
    }

    /// Has the account's events pushed elsewhere; None: nowhere.
    ///
    /// # Errors
    /// `Unsupported` where each campaign names it.
    pub async fn set_push_address(
        &self,
        lane: Lane,
        address: Option<&str>,
    ) -> Result<(), PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.set_push_address(lane, address).await,
            Adapter::Isales(_) => Err(no_account_address(Operation::AccountModify)),
        }
    }

    /// The results that a push holds, which was proved genuine when it came. None when it holds none.
    pub fn read_results(&self, body: &str) -> Option<Vec<PushedRow>> {
        match self {
            Adapter::Voipbin(client) => client.read_results(body),
            Adapter::Isales(client) => client.read_results(body),
        }
    }

    /// Whether a campaign that stands has come to its end, as far as its platform tells.
    pub async fn is_exhausted(&self, lane: Lane, native: &NativeId) -> Result<bool, PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.is_exhausted(lane, native).await,
            // One that has called everybody goes on to its end, which its status tells.
            Adapter::Isales(_) => Ok(false),
        }
    }

    /// Asks for the call behind an attempt, whose row the platform sent once. None where the row is
    /// all that there is, or the call is not known any more.
    pub async fn explain_attempt(
        &self,
        lane: Lane,
        row: &[u8],
    ) -> Result<Option<Explained>, PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.explain_attempt(lane, row).await,
            Adapter::Isales(_) => Ok(None),
        }
    }

    /// The same from the call as the platform pushed it.
    pub fn explain_by(&self, row: &[u8], call: &[u8]) -> Option<Explained> {
        match self {
            Adapter::Voipbin(client) => client.explain_by(row, call),
            Adapter::Isales(_) => None,
        }
    }

    /// A request in the platform's own words, about the campaign `native` where the request speaks
    /// of one. Answers the platform's whole answer, which is a success.
    pub async fn exchange(
        &self,
        lane: Lane,
        native: Option<&NativeId>,
        exchange: Exchange,
    ) -> Result<Bytes, PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.exchange(lane, native, exchange).await,
            Adapter::Isales(client) => client.exchange(lane, native, exchange).await,
        }
    }

    /// A request in the platform's own words of which nobody here knows more; its bodies are
    /// streamed. An answer of any status is a success.
    pub async fn pass_through(&self, request: PassThrough) -> Result<PassedBack, PlatformError> {
        match self {
            Adapter::Voipbin(client) => client.pass_through(request).await,
            Adapter::Isales(client) => client.pass_through(request).await,
        }
    }

    /// Whether attempts can be asked for by day.
    pub fn selects_attempts_by_day(&self) -> bool {
        match self {
            Adapter::Voipbin(_) => false,
            Adapter::Isales(_) => true,
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

fn no_account_address(operation: Operation) -> PlatformError {
    let support = Support::Unsupported("each campaign names where its results are pushed to");
    PlatformError::unsupported(operation, support)
}
