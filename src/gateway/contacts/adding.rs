//! Adding contacts: recorded first, then sent to the home as far as they may be called.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;

use crate::domain::contact::Contact;
use crate::domain::ids::{AccountSlug, CampaignIdentity, CampaignKey};
use crate::domain::policy::RetryPolicy;
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::route::{Route, route};
use crate::gateway::{Asked, Home, WorkerGateway, creation};
use crate::ledger::contacts::{ContactRow, ContactState, NewContact, SettledContact};
use crate::mapping::table::Kind;
use crate::platforms::{
    AddedContacts, ConvertContext, Effect, Operation, PlatformError, PlatformErrorKind,
};
use crate::transport::pacing::Lane;

/// A contact that a client wants to add.
pub struct Incoming {
    pub contact: Contact,
    /// What the client sent. It goes through when the home is of the client's own platform.
    pub document: Bytes,
}

/// Contacts that were added, and the campaign that they were added to.
pub struct AddedTo {
    pub identity: Arc<CampaignIdentity>,
    pub route: Route,
    pub context: Arc<ConvertContext>,
    pub contacts: Vec<ContactRow>,
}

/// Which numbers of a request must differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distinct {
    No,
    /// Those of contacts with one reference; a contact without one stands alone.
    InReference,
    InRequest,
}

/// What is added to a home.
enum Addition {
    /// In the words of its own platform, as the client sent them.
    Documents(Vec<Bytes>),
    Contacts(Vec<Contact>),
}

impl WorkerGateway {
    /// Adds contacts to a campaign. `read` makes them from what the client sent: as written when
    /// the home is of the client's own platform, translated otherwise.
    ///
    /// # Errors
    /// `Duplicate` when numbers repeat that must not, `Unclear` when the home's answer was lost, and
    /// whatever the home refuses. What the home took before it refused the rest stays added.
    pub async fn add_contacts(
        &self,
        asked: &Asked,
        key: CampaignKey,
        distinct: Distinct,
        read: impl FnOnce(Route, &ConvertContext) -> Result<Vec<Incoming>, GatewayError>,
    ) -> Result<AddedTo, GatewayError> {
        let known = self.resolve(asked, key).await?;
        let identity = self.for_writing(asked, known.uuid).await?;
        let home = self.home(&identity)?;
        let context = Arc::clone(&home.context);
        let route = route(Operation::ContactAdd, home.adapter.platform(), asked.platform);
        if let Route::Unsupported(reason) = route {
            return Err(GatewayError::Unsupported(reason));
        }
        let incoming = read(route, &context)?;
        // A home of the client's platform checks each contact itself, but not all words in which a client may
        // add them ask it to compare contacts.
        if route != Route::Native || distinct == Distinct::InRequest {
            check_distinct(&incoming, distinct)?;
        }
        if route != Route::Native {
            for Incoming { document, .. } in &incoming {
                self.check_contact(asked, &identity.home, document)?;
            }
        }
        let documents: Vec<Bytes> = incoming.iter().map(|i| i.document.clone()).collect();
        let contacts = incoming.into_iter().map(|incoming| NewContact {
            uuid: self.shared.clock.new_uuid(),
            contact: incoming.contact,
        });
        let new: Vec<NewContact> = contacts.collect();
        let sent = if route == Route::Native {
            Addition::Documents(documents)
        } else {
            let retry = self.stated_retry(&identity, home).await?;
            let sent = new.iter().map(|new| as_sent(new.uuid, &new.contact, &retry)).collect();
            Addition::Contacts(sent)
        };
        if sent.is_for_another_platform() {
            self.hold_for(Operation::ContactAdd, asked, &identity).await?;
        }
        let now = self.shared.clock.now();
        let rows = self.shared.ledger.record_contacts(identity.uuid, new, now).await?;
        let _writing = self.shared.reads.writing(&identity);
        // Kept off the caller's stack: it is large.
        let outcome = Box::pin(self.add(asked, (&identity, home), sent)).await;
        let outcome =
            outcome.unwrap_or_else(|error| AddedContacts { added: Vec::new(), error: Some(error) });
        let settled = settle(&rows, &outcome);
        let noted =
            self.shared.ledger.settle_contacts(settled.clone(), self.shared.clock.now()).await;
        noted.map_err(|error| GatewayError::from(error).after_a_write(identity.uuid))?;
        if let Some(error) = &outcome.error {
            // What is in doubt is found again by the first contact that is not settled.
            let job = rows.get(outcome.added.len()).map_or(identity.uuid, |row| row.uuid);
            tracing::warn!(campaign = %identity.uuid, %job, added = outcome.added.len(),
                of = rows.len(), %error, "the home did not take all contacts; their client is told");
            return Err(home.refusal(asked.platform, error, (Noun::Campaign, job)));
        }
        let contacts = rows.into_iter().zip(settled).map(|(row, settled)| ContactRow {
            native: settled.native,
            state: settled.state,
            ..row
        });
        Ok(AddedTo { context, route, contacts: contacts.collect(), identity })
    }

    /// Whether a home keeps what a client's document says of a contact, so that nobody is called more
    /// often or sooner than it allows.
    ///
    /// # Errors
    /// `Invalid` with the member that the home would lose.
    pub fn check_contact(
        &self,
        asked: &Asked,
        account: &AccountSlug,
        document: &[u8],
    ) -> Result<(), GatewayError> {
        let unreadable = |_| GatewayError::Internal("a contact cannot be read".to_owned());
        let document: Value = serde_json::from_slice(document).map_err(unreadable)?;
        self.check_kept(asked, account, (Kind::Contact, &document))
    }

    /// How often a campaign's numbers may be called by the words of its client, where its home was told
    /// of them as far as it has words for that.
    pub(super) async fn stated_retry(
        &self,
        identity: &CampaignIdentity,
        home: &Home,
    ) -> Result<RetryPolicy, GatewayError> {
        let row = self.shared.ledger.find_object(identity.uuid).await?;
        let platform = home.adapter.platform();
        let Some(row) = row.filter(|row| row.shape != platform.as_str()) else {
            return Ok(RetryPolicy::default());
        };
        Ok(creation::definition_of(self, &row, home).await?.retry)
    }

    /// Adds them on the home. A contact of which nobody may be called stays with the gateway.
    async fn add(
        &self,
        asked: &Asked,
        (identity, home): (&CampaignIdentity, &Home),
        addition: Addition,
    ) -> Result<AddedContacts, PlatformError> {
        let (lane, native) = (Lane::FacadeWrite, &identity.native);
        let contacts = match addition {
            Addition::Documents(documents) => {
                return home.adapter.add_contact_documents(lane, native, &documents).await;
            }
            Addition::Contacts(contacts) => contacts,
        };
        let callable: Vec<Contact> =
            contacts.iter().filter(|contact| contact.has_numbers()).cloned().collect();
        let outcome = if callable.is_empty() {
            AddedContacts { added: Vec::new(), error: None }
        } else {
            self.add_translated(asked, (identity, home), &callable).await?
        };
        Ok(spread(&contacts, outcome))
    }

    /// Lets the campaign dial every place in which these contacts have a number.
    pub(in crate::gateway) async fn open_places(
        &self,
        identity: &CampaignIdentity,
        home: &Home,
        contacts: &[Contact],
    ) -> Result<(), PlatformError> {
        let mut numbers = contacts.iter().flat_map(|contact| &contact.numbers);
        if !home.adapter.opens_places() || numbers.all(|number| number.place == 0) {
            return Ok(());
        }
        // What is open is read, added to and written back.
        let _turn = self.shared.turns.take(identity.uuid).await;
        let opened = home.adapter.open_places(Lane::FacadeWrite, &identity.native, contacts).await;
        // Whatever came of it, no contact was added.
        opened.map_err(|error| error.with_effect(Effect::None))
    }

    async fn add_translated(
        &self,
        asked: &Asked,
        (identity, home): (&CampaignIdentity, &Home),
        contacts: &[Contact],
    ) -> Result<AddedContacts, PlatformError> {
        let (lane, native) = (Lane::FacadeWrite, &identity.native);
        self.open_places(identity, home, contacts).await?;
        let outcome = home.adapter.add_contacts(lane, native, contacts).await;
        let went_on = match &outcome {
            Ok(AddedContacts { added, error: Some(error) }) if added.is_empty() => {
                error.kind == PlatformErrorKind::State
            }
            Ok(_) => false,
            Err(error) => error.kind == PlatformErrorKind::State,
        };
        // It went on dialling between being held and this.
        if went_on && self.hold_for(Operation::ContactAdd, asked, identity).await.is_ok() {
            return home.adapter.add_contacts(lane, native, contacts).await;
        }
        outcome
    }
}

/// The contact as it goes to a home that speaks another language: without numbers that its campaign does
/// not let be called at all. Those that are left keep their places.
pub(in crate::gateway) fn as_sent(uuid: Uuid, contact: &Contact, retry: &RetryPolicy) -> Contact {
    let mut sent = Contact { reference: Some(uuid.simple().to_string()), ..contact.clone() };
    sent.numbers.retain(|number| retry.allows_place(number.place));
    sent
}

/// The outcome for all of `sent`, by that of those which could be called, up to the first that the home
/// stumbled over.
fn spread(sent: &[Contact], outcome: AddedContacts) -> AddedContacts {
    let mut taken = outcome.added.into_iter();
    let added = sent
        .iter()
        .map_while(|contact| if contact.has_numbers() { taken.next() } else { Some(None) });
    AddedContacts { added: added.collect(), error: outcome.error }
}

impl Addition {
    /// Whether something is sent in other words than the client's.
    fn is_for_another_platform(&self) -> bool {
        match self {
            Addition::Documents(_) => false,
            Addition::Contacts(contacts) => contacts.iter().any(Contact::has_numbers),
        }
    }
}

fn check_distinct(contacts: &[Incoming], distinct: Distinct) -> Result<(), GatewayError> {
    let mut seen = HashSet::new();
    for (place, Incoming { contact, .. }) in contacts.iter().enumerate() {
        let among = match (distinct, contact.reference.as_deref()) {
            (Distinct::No, _) => return Ok(()),
            (Distinct::InRequest, _) => (None, None),
            (Distinct::InReference, None) => (Some(place), None),
            (Distinct::InReference, reference) => (None, reference),
        };
        if !contact.numbers.iter().all(|number| seen.insert((among, &number.number))) {
            return Err(GatewayError::Duplicate("a number is given twice".to_owned()));
        }
    }
    Ok(())
}

/// What became of each recorded contact: those that the home took, the one that it stumbled over,
/// and those that it never saw.
fn settle(rows: &[ContactRow], outcome: &AddedContacts) -> Vec<SettledContact> {
    let failed = match &outcome.error {
        Some(error) if error.effect == Effect::Unclear => ContactState::Unclear,
        _ => ContactState::Refused,
    };
    rows.iter()
        .enumerate()
        .map(|(index, row)| match outcome.added.get(index) {
            Some(native) => SettledContact {
                uuid: row.uuid,
                state: ContactState::Added,
                native: native.clone(),
            },
            None => SettledContact { uuid: row.uuid, state: failed, native: None },
        })
        .collect()
}
