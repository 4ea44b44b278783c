//! Contacts: added to the home after they are recorded, listed from whoever knows them.
//!
//! A contact gets its public id when it is recorded, before the home is called, so that an answer
//! that is lost leaves a row to look for. To a home that speaks another language the contact goes
//! under that id as its reference: names are not unique, and results must find their contact.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::contact::Contact;
use crate::domain::ids::{CampaignIdentity, CampaignKey, CampaignPart, NativeId};
use crate::domain::listing::Window;
use crate::domain::phone::PhoneNumber;
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::route::{Route, route};
use crate::gateway::{Asked, WorkerGateway};
use crate::ledger::contacts::{ContactNames, ContactRow, ContactState, SettledContact};
use crate::ledger::objects::ObjectKind;
use crate::ledger::{LedgerError, MAX_WINDOW_ROWS};
use crate::platforms::{self, ConvertContext, FetchedContact, Operation};
use crate::transport::pacing::Lane;

mod adding;
mod deleting;

pub(super) use adding::as_sent;
pub use adding::{AddedTo, Distinct, Incoming};

/// A contact of a list: as the home has it, or as the ledger has it where the home cannot list.
pub struct ContactView {
    pub uuid: Uuid,
    pub contact: Contact,
    /// The home's own document, when it is of the asker's platform.
    pub native_document: Option<Bytes>,
    /// Place in the list, where the ledger keeps one.
    pub list_at: Option<Timestamp>,
    pub state: ContactState,
    /// When it was taken out of the campaign; it stays readable.
    pub deleted_at: Option<Timestamp>,
}

/// A page of contacts.
pub struct ContactListing {
    pub identity: Arc<CampaignIdentity>,
    pub context: Arc<ConvertContext>,
    pub contacts: Vec<ContactView>,
    pub next: NextPage,
}

/// Which contacts a list wants.
pub struct ContactWindow {
    /// The client's own word for where to go on, understood by the home.
    pub cursor: Option<String>,
    /// The same as a place in the ledger's list.
    pub before: Option<Timestamp>,
    pub limit: u32,
}

/// Where the next page begins.
pub enum NextPage {
    End,
    /// In the home's words.
    Cursor(String),
    /// After this place in the ledger's list.
    After(Timestamp),
}

/// A list of contacts, by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListName {
    /// That the gateway keeps.
    Kept(Uuid),
    /// That comes with a campaign whose home has no lists.
    Derived(Uuid),
}

/// Which contacts are meant. All that is stated must hold.
#[derive(Default)]
pub struct ContactMatch {
    pub reference: Option<String>,
    pub label: Option<String>,
    pub number: Option<PhoneNumber>,
}

/// Contacts that one request may delete: each costs the home a request, and the client waits.
const MAX_MATCHES: usize = 200;

impl WorkerGateway {
    /// Whether these are the contacts that a campaign calls: those of the list that its client named, or
    /// of its own where none was named.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn calls_list(
        &self,
        asked: &Asked,
        campaign: Uuid,
        list: &ListName,
    ) -> Result<bool, GatewayError> {
        // Not from memory: another process may have attached another one a moment ago.
        let row = self.shared.ledger.find_object(campaign).await?;
        let row =
            row.filter(|row| row.shape == asked.platform.as_str() && row.deleted_at.is_none());
        let document = row.and_then(|row| serde_json::from_str(&row.document).ok());
        let named = document.and_then(|document| {
            let parts = platforms::parts_of(asked.platform, &document);
            let list = parts.into_iter().find(|(part, _)| *part == CampaignPart::ContactList);
            list.map(|(_, id)| id)
        });
        Ok(match list {
            ListName::Kept(id) => named == Some(*id),
            ListName::Derived(id) => named.is_none_or(|named| named == *id),
        })
    }

    /// The campaign's contacts: live where the home can list them, else what was added through the
    /// gateway.
    ///
    /// # Errors
    /// Whatever keeps the home or the ledger from answering.
    pub async fn list_contacts(
        &self,
        asked: &Asked,
        identity: Arc<CampaignIdentity>,
        window: ContactWindow,
    ) -> Result<ContactListing, GatewayError> {
        let home = self.home(&identity)?;
        let route = route(Operation::ContactList, home.adapter.platform(), asked.platform);
        let (contacts, next) = match route {
            Route::Unsupported(reason) => return Err(GatewayError::Unsupported(reason)),
            Route::Emulated => self.recorded_contacts(&identity, &window).await?,
            Route::Native | Route::Translated => {
                let page = home
                    .adapter
                    .list_contacts(
                        Lane::FacadeRead,
                        &identity.native,
                        window.cursor.as_deref(),
                        window.limit,
                    )
                    .await
                    .map_err(|error| home.unread(asked.platform, &error, &identity))?;
                let natives = page.contacts.iter().map(|fetched| fetched.native.clone());
                let known = self.contacts_by_native(identity.uuid, natives).await?;
                let live = page.contacts.into_iter();
                let live = live.map(|fetched| view_of(fetched, &known, route)).collect();
                (live, page.next.map_or(NextPage::End, NextPage::Cursor))
            }
        };
        Ok(ContactListing { context: Arc::clone(&home.context), identity, contacts, next })
    }

    /// One contact of a campaign that was added through the gateway.
    ///
    /// # Errors
    /// `NotFound` when the campaign has no such contact.
    pub async fn contact(
        &self,
        identity: &CampaignIdentity,
        contact: Uuid,
    ) -> Result<ContactView, GatewayError> {
        let row = self.shared.ledger.find_contact(contact).await?;
        let row = row.filter(|row| row.campaign == identity.uuid);
        row.map(view_of_row).ok_or(GatewayError::NotFound(Noun::Contact))
    }

    /// The same by the first half of its id, as platforms name it whose ids are numbers.
    ///
    /// # Errors
    /// As [`WorkerGateway::contact`].
    pub async fn contact_by_half(
        &self,
        identity: &CampaignIdentity,
        half: u64,
    ) -> Result<ContactView, GatewayError> {
        let row = self.shared.ledger.find_contact_by_half(identity.uuid, half).await?;
        let row = row.filter(|row| row.state != ContactState::Deleted);
        row.map(view_of_row).ok_or(GatewayError::NotFound(Noun::Contact))
    }

    /// The campaign's contacts that meet the conditions, oldest first.
    ///
    /// # Errors
    /// `NotFound` when there are none, `Quota` when there are more than one request may touch.
    pub async fn matching_contacts(
        &self,
        identity: &CampaignIdentity,
        wanted: &ContactMatch,
    ) -> Result<Vec<Uuid>, GatewayError> {
        let mut found = Vec::new();
        let mut before = None;
        loop {
            let window = Window::Before { list_at: before, limit: MAX_WINDOW_ROWS };
            let page = self.shared.ledger.list_contacts(identity.uuid, window).await?;
            let Some(last) = page.contacts.last() else { break };
            before = Some(last.list_at);
            found.extend(page.contacts.iter().filter(|row| wanted.is_met_by(row)).map(|r| r.uuid));
            if found.len() > MAX_MATCHES {
                let reason = format!("more than {MAX_MATCHES} contacts are meant");
                return Err(GatewayError::Quota { reason, retry_after: None });
            }
        }
        found.reverse();
        if found.is_empty() { Err(GatewayError::NotFound(Noun::Contact)) } else { Ok(found) }
    }

    /// The ids that clients hold of a campaign's contacts, by what the home calls them.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn public_contacts(
        &self,
        campaign: Uuid,
        natives: impl Iterator<Item = String>,
    ) -> Result<HashMap<String, Uuid>, GatewayError> {
        let natives = natives.map(NativeId::new);
        let known = self.contacts_by_native(campaign, natives).await?.into_iter();
        Ok(known.map(|(native, row)| (native.as_str().to_owned(), row.uuid)).collect())
    }

    /// What the home calls a contact: what it told when the contact was added, or the id itself.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn native_contact(
        &self,
        identity: &CampaignIdentity,
        contact: Uuid,
    ) -> Result<NativeId, GatewayError> {
        let row = self.shared.ledger.find_contact(contact).await?;
        let row = row.filter(|row| row.campaign == identity.uuid);
        let native = row.and_then(|row| row.native);
        Ok(native.unwrap_or_else(|| NativeId::new(contact.to_string())))
    }

    /// Records that a contact is no more on its home; one that was not added through the gateway
    /// has no record.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn note_deleted_contact(&self, contact: Uuid) -> Result<(), GatewayError> {
        let settled = SettledContact { uuid: contact, state: ContactState::Deleted, native: None };
        self.shared.ledger.settle_contacts(vec![settled], self.shared.clock.now()).await?;
        Ok(())
    }

    /// Whether a contact is one of the client's, of whichever campaign or list.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn knows_contact(&self, asked: &Asked, contact: Uuid) -> Result<bool, GatewayError> {
        let campaign = match self.document(asked, ObjectKind::Contact, contact).await {
            Ok(Some(_)) => return Ok(true),
            Ok(None) => self.shared.ledger.find_contact(contact).await?.map(|row| row.campaign),
            Err(GatewayError::Forbidden(_)) => None,
            Err(error) => return Err(error),
        };
        let Some(campaign) = campaign else { return Ok(false) };
        match self.resolve(asked, CampaignKey::Uuid(campaign)).await {
            Ok(_) => Ok(true),
            Err(GatewayError::NotFound(_) | GatewayError::Forbidden(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The campaign's contacts of these ids of the home's, as far as they were added through the
    /// gateway.
    pub(super) async fn contacts_by_native(
        &self,
        campaign: Uuid,
        natives: impl Iterator<Item = NativeId>,
    ) -> Result<HashMap<NativeId, ContactRow>, LedgerError> {
        let natives: Vec<NativeId> = natives.collect();
        if natives.is_empty() {
            return Ok(HashMap::new());
        }
        let names = ContactNames::Native(natives);
        let named = self.shared.ledger.contacts_named(campaign, names).await?.into_iter();
        Ok(named.filter_map(|row| Some((row.native.clone()?, row))).collect())
    }

    async fn recorded_contacts(
        &self,
        identity: &CampaignIdentity,
        window: &ContactWindow,
    ) -> Result<(Vec<ContactView>, NextPage), GatewayError> {
        let window = Window::Before { list_at: window.before, limit: window.limit };
        let page = self.shared.ledger.list_contacts(identity.uuid, window).await?;
        let next = page.contacts.last().map_or(NextPage::End, |row| NextPage::After(row.list_at));
        let contacts = page.contacts.into_iter().filter(|row| row.state != ContactState::Refused);
        Ok((contacts.map(view_of_row).collect(), next))
    }
}

impl ContactMatch {
    fn is_met_by(&self, row: &ContactRow) -> bool {
        let contact = &row.contact;
        let is_there =
            matches!(row.state, ContactState::Added | ContactState::Adding | ContactState::Unclear);
        is_there
            && (self.reference.is_none() || self.reference == contact.reference)
            && (self.label.is_none() || self.label == contact.label)
            && self
                .number
                .as_ref()
                .is_none_or(|wanted| contact.numbers.iter().any(|known| known.number == *wanted))
    }
}

fn view_of_row(row: ContactRow) -> ContactView {
    ContactView {
        uuid: row.uuid,
        contact: row.contact,
        native_document: None,
        list_at: Some(row.list_at),
        state: row.state,
        deleted_at: row.deleted_at,
    }
}

fn view_of(
    fetched: FetchedContact,
    known: &HashMap<NativeId, ContactRow>,
    route: Route,
) -> ContactView {
    let row = known.get(&fetched.native);
    // A contact that was not added through the gateway has no row; where the home's own id is a
    // UUID it is the public one.
    let uuid = row.map(|row| row.uuid).or_else(|| Uuid::try_parse(fetched.native.as_str()).ok());
    ContactView {
        uuid: uuid.unwrap_or_default(),
        contact: row.map_or(fetched.contact, |row| row.contact.clone()),
        native_document: (route == Route::Native).then_some(fetched.raw),
        list_at: row.map(|row| row.list_at),
        state: ContactState::Added,
        deleted_at: None,
    }
}
