//! Contacts that were added through the gateway: their public ids and what became of them.

use std::collections::HashMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::contact::{Contact, ContactNumber};
use crate::domain::ids::NativeId;
use crate::domain::listing::Window;
use crate::domain::phone::PhoneNumber;
use crate::ledger::identity;
use crate::ledger::statements::{Row, Statements, Value, Verb, placeholders};
use crate::ledger::{Ledger, LedgerError};

/// A contact to be kept. It is recorded before the platform is called, so that an answer that is
/// lost leaves a row to look for.
#[derive(Clone)]
pub struct NewContact {
    pub uuid: Uuid,
    pub contact: Contact,
}

#[derive(Clone, PartialEq)]
pub struct ContactRow {
    pub uuid: Uuid,
    pub campaign: Uuid,
    pub contact: Contact,
    pub native: Option<NativeId>,
    pub state: ContactState,
    /// Immutable and unique within the campaign.
    pub list_at: Timestamp,
    /// When it was taken out of the campaign; it stays readable.
    pub deleted_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContactState {
    /// Recorded; the platform has not confirmed it.
    Adding,
    Added,
    /// The platform refused it.
    Refused,
    /// Sent, and the answer never came.
    Unclear,
    Deleted,
}

/// What became of a contact that was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettledContact {
    pub uuid: Uuid,
    pub state: ContactState,
    /// The platform's own name for it, where it gives one.
    pub native: Option<NativeId>,
}

#[derive(Debug, Clone, Default)]
pub struct ContactPage {
    pub contacts: Vec<ContactRow>,
    /// Contacts of the campaign in all, but for deleted ones.
    pub total: u64,
}

/// What contacts are looked for by; no limit but the request's own.
#[derive(Debug, Clone)]
pub enum ContactNames {
    /// Their home's ids.
    Native(Vec<NativeId>),
    /// The clients' references, or UUIDs as text where a contact has none.
    Reference(Vec<String>),
}

impl Ledger {
    /// Keeps contacts in state `Adding`, in the order given (the last one is the newest). A contact
    /// whose UUID is known is left as it is, so that a request may be repeated. Answers every one as
    /// it is kept.
    ///
    /// # Errors
    /// `Missing` when there is no such campaign; `Conflict` when a UUID is a contact of another one. What
    /// was kept before stays.
    pub async fn record_contacts(
        &self,
        campaign: Uuid,
        contacts: Vec<NewContact>,
        now: Timestamp,
    ) -> Result<Vec<ContactRow>, LedgerError> {
        let mut rows = Vec::with_capacity(contacts.len());
        let mut contacts = contacts.into_iter().peekable();
        loop {
            let some = contacts.by_ref().take(KEPT_AT_ONCE).collect();
            rows.extend(self.write(RecordContacts { campaign, contacts: some, now }).await?);
            if contacts.peek().is_none() {
                return Ok(rows);
            }
        }
    }

    /// Records what the platform made of contacts. States are monotone: `Adding` and `Unclear` may
    /// become anything later, `Added` only `Deleted`, the others nothing; what may not be is ignored.
    /// Answers how many rows changed.
    pub async fn settle_contacts(
        &self,
        contacts: Vec<SettledContact>,
        now: Timestamp,
    ) -> Result<u64, LedgerError> {
        let mut changed = 0;
        for contacts in contacts.chunks(KEPT_AT_ONCE) {
            changed += self.write(SettleContacts { contacts: contacts.to_vec(), now }).await?;
        }
        Ok(changed)
    }

    /// Contacts of a campaign but for deleted ones, newest first.
    pub async fn list_contacts(
        &self,
        campaign: Uuid,
        window: Window,
    ) -> Result<ContactPage, LedgerError> {
        self.read(ListContacts { campaign, window }).await
    }

    pub async fn find_contact(&self, uuid: Uuid) -> Result<Option<ContactRow>, LedgerError> {
        self.read(FindContact::Id(uuid)).await
    }

    /// The newest contact of the campaign with this client reference that was not refused or deleted.
    pub async fn find_contact_by_reference(
        &self,
        campaign: Uuid,
        reference: String,
    ) -> Result<Option<ContactRow>, LedgerError> {
        self.read(FindContact::Reference(campaign, reference)).await
    }

    /// The contacts of the campaign that are called so, deleted ones too. A reference that several
    /// contacts share names none of them.
    pub async fn contacts_named(
        &self,
        campaign: Uuid,
        names: ContactNames,
    ) -> Result<Vec<ContactRow>, LedgerError> {
        self.read(ContactsNamed { campaign, names }).await
    }

    /// The newest contact of the campaign whose UUID begins with these 64 bits: a name for clients
    /// whose platform knows ids only as numbers.
    pub async fn find_contact_by_half(
        &self,
        campaign: Uuid,
        half: u64,
    ) -> Result<Option<ContactRow>, LedgerError> {
        self.read(FindContact::Half(campaign, half)).await
    }
}

impl ContactState {
    const ALL: [ContactState; 5] = [
        ContactState::Adding,
        ContactState::Added,
        ContactState::Refused,
        ContactState::Unclear,
        ContactState::Deleted,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            ContactState::Adding => "adding",
            ContactState::Added => "added",
            ContactState::Refused => "refused",
            ContactState::Unclear => "unclear",
            ContactState::Deleted => "deleted",
        }
    }

    fn may_become(self, next: ContactState) -> bool {
        match self {
            ContactState::Adding => next != ContactState::Adding,
            ContactState::Unclear => !matches!(next, ContactState::Adding | ContactState::Unclear),
            ContactState::Added => next == ContactState::Deleted,
            ContactState::Refused | ContactState::Deleted => false,
        }
    }
}

/// Contacts that one verb keeps or settles at most.
const KEPT_AT_ONCE: usize = 100;

struct RecordContacts {
    campaign: Uuid,
    contacts: Vec<NewContact>,
    now: Timestamp,
}

impl Verb for RecordContacts {
    type Answer = Vec<ContactRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<ContactRow>, LedgerError> {
        let campaign = identity::campaign_id(store, self.campaign).await?;
        let count = i64::try_from(self.contacts.len()).unwrap_or(i64::MAX);
        // The campaign's row hands out places in its list, so that two requests never share one.
        let row = store
            .row(
                "UPDATE campaign SET last_contact_at = $3 + \
                 CASE WHEN last_contact_at < $2 THEN $2 ELSE last_contact_at END \
                 WHERE id = $1 RETURNING last_contact_at",
                &[campaign.into(), self.now.into(), count.into()],
            )
            .await?;
        let last = row.ok_or(LedgerError::Missing("campaign"))?.time()?;
        let mut list_at = last - SignedDuration::from_micros(count);
        for new in &self.contacts {
            list_at += SignedDuration::from_micros(1);
            insert(store, campaign, new, list_at).await?;
        }
        let uuids: Vec<Uuid> = self.contacts.iter().map(|new| new.uuid).collect();
        let mut kept: HashMap<Uuid, ContactRow> =
            read_by_uuids(store, &uuids).await?.into_iter().map(|row| (row.uuid, row)).collect();
        uuids
            .iter()
            .map(|uuid| match kept.remove(uuid) {
                Some(row) if row.campaign == self.campaign => Ok(row),
                _ => Err(LedgerError::Conflict(format!(
                    "contact {uuid} is given twice or belongs to another campaign"
                ))),
            })
            .collect()
    }
}

async fn insert<S: Statements>(
    store: &mut S,
    campaign: i64,
    new: &NewContact,
    list_at: Timestamp,
) -> Result<(), LedgerError> {
    let contact = &new.contact;
    let id = store
        .insert(
            "INSERT INTO contact (uuid, campaign_id, list_at, reference, label, data, state, \
             changed_at) VALUES ($1, $2, $3, $4, $5, $6, 'adding', $3) \
             ON CONFLICT (uuid) DO NOTHING",
            &[
                new.uuid.into(),
                campaign.into(),
                list_at.into(),
                Value::optional_key(contact.reference.as_deref()),
                Value::optional_text(contact.label.as_deref()),
                Value::optional_text(contact.data.as_deref()),
            ],
        )
        .await?;
    let Some(id) = id else { return Ok(()) };
    for number in &contact.numbers {
        let place = i64::try_from(number.place).unwrap_or(i64::MAX);
        store
            .execute(
                "INSERT INTO contact_number (contact_id, place, number, category, delay_ms) \
                 VALUES ($1, $2, $3, $4, $5)",
                &[
                    id.into(),
                    place.into(),
                    number.number.reveal().into(),
                    Value::optional_text(number.category.as_deref()),
                    number.delay_ms.into(),
                ],
            )
            .await?;
    }
    Ok(())
}

struct SettleContacts {
    contacts: Vec<SettledContact>,
    now: Timestamp,
}

impl Verb for SettleContacts {
    type Answer = u64;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<u64, LedgerError> {
        // One order for all, so that two settlements never wait for each other in a circle.
        let mut order: Vec<&SettledContact> = self.contacts.iter().collect();
        order.sort_by_key(|settled| settled.uuid);
        let mut changed = 0;
        for settled in order {
            let before: Vec<&str> = ContactState::ALL
                .into_iter()
                .filter(|state| state.may_become(settled.state))
                .map(ContactState::as_str)
                .collect();
            let mut parameters = vec![
                settled.uuid.into(),
                settled.state.as_str().into(),
                Value::optional_text(settled.native.as_ref().map(NativeId::as_str)),
                self.now.into(),
            ];
            parameters.extend(before.iter().map(|state| Value::from(*state)));
            let states = placeholders(5, before.len());
            let sql = format!(
                "UPDATE contact SET state = $2, native = COALESCE($3, native), changed_at = $4 \
                 WHERE uuid = $1 AND state IN ({states})"
            );
            // Nothing becomes `Adding`.
            if !before.is_empty() {
                changed += store.execute(&sql, &parameters).await?;
            }
        }
        Ok(changed)
    }
}

const SELECT: &str = "SELECT t.id, t.uuid, c.uuid, t.reference, t.label, t.data, t.native, \
     t.state, t.list_at, CASE WHEN t.state = 'deleted' THEN t.changed_at END \
     FROM contact t JOIN campaign c ON c.id = t.campaign_id WHERE ";

struct ListContacts {
    campaign: Uuid,
    window: Window,
}

impl Verb for ListContacts {
    type Answer = ContactPage;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<ContactPage, LedgerError> {
        let campaign = identity::campaign_id(store, self.campaign).await?;
        let condition = "t.campaign_id = $1 AND t.state <> 'deleted'";
        let sql = format!("SELECT COUNT(*) FROM contact t WHERE {condition}");
        let total = store.row(&sql, &[campaign.into()]).await?;
        let total = total.map_or(Ok(0), |mut row| row.count())?;
        let (sql, parameters) =
            self.window.cut(&format!("{SELECT}{condition}"), "t", vec![campaign.into()]);
        let rows = store.rows(&sql, &parameters).await?;
        Ok(ContactPage { contacts: with_numbers(store, rows).await?, total })
    }
}

enum FindContact {
    Id(Uuid),
    Reference(Uuid, String),
    Half(Uuid, u64),
}

impl Verb for FindContact {
    type Answer = Option<ContactRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Option<ContactRow>, LedgerError> {
        let rows = match self {
            FindContact::Id(uuid) => read_by_uuids(store, &[*uuid]).await?,
            FindContact::Reference(campaign, reference) => {
                let sql = format!(
                    "{SELECT} c.uuid = $1 AND t.reference = $2 \
                     AND t.state NOT IN ('refused', 'deleted') ORDER BY t.list_at DESC LIMIT 1"
                );
                let parameters = [(*campaign).into(), Value::key(reference)];
                let rows = store.rows(&sql, &parameters).await?;
                with_numbers(store, rows).await?
            }
            FindContact::Half(campaign, half) => {
                let sql = format!(
                    "{SELECT} t.uuid BETWEEN $2 AND $3 AND c.uuid = $1 \
                     ORDER BY t.list_at DESC LIMIT 1"
                );
                let (first, last) =
                    (Uuid::from_u64_pair(*half, 0), Uuid::from_u64_pair(*half, u64::MAX));
                let rows =
                    store.rows(&sql, &[(*campaign).into(), first.into(), last.into()]).await?;
                with_numbers(store, rows).await?
            }
        };
        Ok(rows.into_iter().next())
    }
}

struct ContactsNamed {
    campaign: Uuid,
    names: ContactNames,
}

impl Verb for ContactsNamed {
    type Answer = Vec<ContactRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<ContactRow>, LedgerError> {
        let campaign = self.campaign.into();
        match &self.names {
            ContactNames::Native(ids) => {
                let names: Vec<Value> = ids.iter().map(Value::from).collect();
                read_named(store, "t.native", &names, "", campaign).await
            }
            ContactNames::Reference(references) => {
                let names: Vec<Value> = references.iter().map(|name| Value::key(name)).collect();
                let alone = " AND t.state <> 'deleted' AND NOT EXISTS (SELECT 1 FROM contact o \
                             WHERE o.campaign_id = t.campaign_id AND o.reference = t.reference \
                             AND o.state <> 'deleted' AND o.id <> t.id)";
                let mut found =
                    read_named(store, "t.reference", &names, alone, campaign.clone()).await?;
                let uuids = references.iter().filter_map(|name| Uuid::try_parse(name).ok());
                let uuids: Vec<Value> = uuids.map(Value::from).collect();
                found.extend(read_named(store, "t.uuid", &uuids, "", campaign).await?);
                Ok(found)
            }
        }
    }
}

/// Contacts of a campaign by the values of one column.
async fn read_named<S: Statements>(
    store: &mut S,
    column: &str,
    names: &[Value],
    and: &str,
    campaign: Value,
) -> Result<Vec<ContactRow>, LedgerError> {
    let mut found = Vec::with_capacity(names.len());
    for names in names.chunks(IN_LIST_ROWS) {
        let list = placeholders(2, names.len());
        let sql = format!(
            "{SELECT} t.campaign_id = (SELECT id FROM campaign WHERE uuid = $1) \
             AND {column} IN ({list}){and}"
        );
        let parameters: Vec<Value> = [std::slice::from_ref(&campaign), names].concat();
        let rows = store.rows(&sql, &parameters).await?;
        found.extend(with_numbers(store, rows).await?);
    }
    // Not by the database: SQLite would walk along the whole campaign to get this order.
    found.sort_by_key(|row| row.list_at);
    Ok(found)
}

/// How many rows one IN list names; SQLite allows 32766 parameters.
const IN_LIST_ROWS: usize = 1000;

async fn read_by_uuids<S: Statements>(
    store: &mut S,
    uuids: &[Uuid],
) -> Result<Vec<ContactRow>, LedgerError> {
    let mut found = Vec::with_capacity(uuids.len());
    for uuids in uuids.chunks(IN_LIST_ROWS) {
        let sql = format!("{SELECT} t.uuid IN ({})", placeholders(1, uuids.len()));
        let parameters: Vec<Value> = uuids.iter().map(|uuid| Value::from(*uuid)).collect();
        let rows = store.rows(&sql, &parameters).await?;
        found.extend(with_numbers(store, rows).await?);
    }
    Ok(found)
}

/// Completes at most [`IN_LIST_ROWS`] rows of [`SELECT`] with their numbers.
async fn with_numbers<S: Statements>(
    store: &mut S,
    rows: Vec<Row>,
) -> Result<Vec<ContactRow>, LedgerError> {
    let mut contacts = Vec::with_capacity(rows.len());
    let mut ids = Vec::with_capacity(rows.len());
    for mut row in rows {
        ids.push(row.int()?);
        contacts.push(read_contact(&mut row)?);
    }
    if ids.is_empty() {
        return Ok(contacts);
    }
    let sql = format!(
        "SELECT contact_id, place, number, category, delay_ms FROM contact_number \
         WHERE contact_id IN ({}) ORDER BY contact_id, place",
        placeholders(1, ids.len())
    );
    let parameters: Vec<Value> = ids.iter().map(|id| Value::from(*id)).collect();
    let mut numbers: HashMap<i64, Vec<ContactNumber>> = HashMap::new();
    for mut row in store.rows(&sql, &parameters).await? {
        numbers.entry(row.int()?).or_default().push(ContactNumber {
            place: row.index()?,
            number: PhoneNumber::new(row.text()?),
            category: row.optional_text()?,
            delay_ms: row.optional_int()?,
        });
    }
    for (id, contact) in ids.iter().zip(&mut contacts) {
        contact.contact.numbers = numbers.remove(id).unwrap_or_default();
    }
    Ok(contacts)
}

fn read_contact(row: &mut Row) -> Result<ContactRow, LedgerError> {
    Ok(ContactRow {
        uuid: row.uuid()?,
        campaign: row.uuid()?,
        contact: Contact {
            reference: row.optional_text()?,
            label: row.optional_text()?,
            data: row.optional_text()?,
            numbers: Vec::new(),
        },
        native: row.optional_text()?.map(NativeId::new),
        state: read_state(row)?,
        list_at: row.time()?,
        deleted_at: row.optional_time()?,
    })
}

fn read_state(row: &mut Row) -> Result<ContactState, LedgerError> {
    let term = row.text()?;
    let state = ContactState::ALL.into_iter().find(|state| state.as_str() == term);
    state.ok_or_else(|| row.corrupt("a contact's state"))
}

/// Without the contact: what a client says of a person is not for logs.
impl fmt::Debug for NewContact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewContact").field("uuid", &self.uuid).finish_non_exhaustive()
    }
}

impl fmt::Debug for ContactRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContactRow")
            .field("uuid", &self.uuid)
            .field("campaign", &self.campaign)
            .field("state", &self.state)
            .field("list_at", &self.list_at)
            .finish_non_exhaustive()
    }
}
