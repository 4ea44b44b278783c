//! Emulated documents: what a client wrote in its platform's words and the home has no object for.
//!
//! A campaign that is not made yet is a *draft*; while it is being made it is *creating*; then it is
//! *bound* to the campaign of the same UUID, and its document says what the client wrote beside what
//! the home can say.

use std::fmt;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::ids::AccountSlug;
use crate::domain::listing::Window;
use crate::ledger::identity::{account_id, free_list_at, lock};
use crate::ledger::statements::{Row, Statements, Value, Verb, placeholders};
use crate::ledger::{Ledger, LedgerError, MAX_WINDOW_ROWS};
use crate::ledger::{journal, steering};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    Campaign,
    DialingRules,
    ContactList,
    Contact,
}

/// How far a campaign is; other kinds stay drafts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectState {
    Draft,
    /// A job makes it on its home.
    Creating,
    /// The campaign with this UUID is it.
    Bound,
}

#[derive(Clone)]
pub struct NewObject {
    pub uuid: Uuid,
    pub kind: ObjectKind,
    pub account: AccountSlug,
    /// The platform in whose words it is.
    pub shape: String,
    /// A contact's list, a list's campaign.
    pub parent: Option<Uuid>,
    /// A campaign's dialling rules.
    pub uses: Option<Uuid>,
    pub name: String,
    /// JSON; it may hold phone numbers.
    pub document: String,
    pub base: Option<String>,
    pub state: ObjectState,
}

#[derive(Clone, PartialEq, Eq)]
pub struct ObjectRow {
    pub uuid: Uuid,
    pub kind: ObjectKind,
    pub account: AccountSlug,
    pub shape: String,
    pub parent: Option<Uuid>,
    pub uses: Option<Uuid>,
    pub name: String,
    pub document: String,
    /// How our rendering of the bound campaign looked when `document` was written.
    pub base: Option<String>,
    pub state: ObjectState,
    /// Of a campaign that is being made: what its client wants of it by now; None: what its job was
    /// told.
    pub is_wanted_running: Option<bool>,
    /// Immutable, and unique over objects and campaigns.
    pub list_at: Timestamp,
    pub updated_at: Option<Timestamp>,
    pub deleted_at: Option<Timestamp>,
}

/// What is to be different; None leaves it as it is.
#[derive(Clone, Default)]
pub struct ObjectChange {
    pub name: Option<String>,
    pub document: Option<String>,
    pub base: Option<Option<String>>,
    pub parent: Option<Option<Uuid>>,
    pub uses: Option<Option<Uuid>>,
    pub state: Option<ObjectState>,
    pub is_wanted_running: Option<Option<bool>>,
}

/// Which objects a list wants. All conditions hold together.
#[derive(Debug, Clone)]
pub struct ObjectFilter {
    pub kind: ObjectKind,
    /// None named, none seen.
    pub accounts: Vec<AccountSlug>,
    pub parent: Option<Uuid>,
    pub uses: Option<Uuid>,
    /// None named: all.
    pub states: Vec<ObjectState>,
    pub include_deleted: bool,
}

#[derive(Clone, Default)]
pub struct ObjectPage {
    pub objects: Vec<ObjectRow>,
    /// Rows that match in all.
    pub total: u64,
}

impl Ledger {
    /// Insert-or-get.
    ///
    /// # Errors
    /// `Missing` when the account is not registered.
    pub async fn insert_object(
        &self,
        new: NewObject,
        now: Timestamp,
    ) -> Result<ObjectRow, LedgerError> {
        self.write(InsertObject { new, now }).await
    }

    pub async fn find_object(&self, uuid: Uuid) -> Result<Option<ObjectRow>, LedgerError> {
        self.read(FindObject { uuid }).await
    }

    /// Those of these objects that there are.
    pub async fn objects_named(&self, uuids: Vec<Uuid>) -> Result<Vec<ObjectRow>, LedgerError> {
        self.read(ObjectsNamed { uuids }).await
    }

    /// A window of objects, newest first.
    pub async fn list_objects(
        &self,
        filter: ObjectFilter,
        window: Window,
    ) -> Result<ObjectPage, LedgerError> {
        self.read(ListObjects { filter, window }).await
    }

    /// The oldest objects of a parent after a place in its list, for work that goes through all of
    /// them; deleted ones are left out.
    pub async fn objects_after(
        &self,
        parent: Uuid,
        after: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<ObjectRow>, LedgerError> {
        self.read(ObjectsAfter { parent, after, limit }).await
    }

    /// # Errors
    /// `Missing` when there is no such object, or it is deleted.
    pub async fn change_object(
        &self,
        uuid: Uuid,
        change: ObjectChange,
        now: Timestamp,
    ) -> Result<ObjectRow, LedgerError> {
        self.write(ChangeObject { uuid, change, now }).await
    }

    /// Marks an object as deleted; it stays readable. Doing it again changes nothing.
    ///
    /// # Errors
    /// `Missing` when there is no such object.
    pub async fn delete_object(
        &self,
        uuid: Uuid,
        now: Timestamp,
    ) -> Result<ObjectRow, LedgerError> {
        self.write(DeleteObject { uuid, now }).await
    }
}

/// What a client wants of a campaign that is being made.
const RUNNING: &str = "running";
const STOPPED: &str = "stopped";

/// The campaign that is being made on this account under this name, with its UUID and its place in
/// lists; it is bound from now on. The caller holds the identity lock.
pub(super) async fn claim<S: Statements>(
    store: &mut S,
    account: i64,
    name: &str,
    now: Timestamp,
) -> Result<Option<(Uuid, Timestamp)>, LedgerError> {
    let row = store
        .row(
            "UPDATE object SET state = 'bound', updated_at = $3 WHERE id = (SELECT id FROM object \
             WHERE account_id = $1 AND name = $2 AND state = 'creating' AND kind = 'campaign' \
             AND deleted_at IS NULL ORDER BY id LIMIT 1) RETURNING uuid, list_at",
            &[account.into(), Value::key(name), now.into()],
        )
        .await?;
    row.map(|mut row| Ok((row.uuid()?, row.time()?))).transpose()
}

/// Who wanted the object to be made, and the request: the actor of the newest job about it.
pub(super) async fn maker<S: Statements>(
    store: &mut S,
    object: Uuid,
) -> Result<(String, Option<String>), LedgerError> {
    let sql = "SELECT actor, request_id FROM job WHERE subject = $1 ORDER BY id DESC LIMIT 1";
    match store.row(sql, &[object.into()]).await? {
        Some(mut row) => Ok((row.text()?, row.optional_text()?)),
        None => Ok((journal::OUTSIDE.to_owned(), None)),
    }
}

impl ObjectKind {
    const ALL: [ObjectKind; 4] = [
        ObjectKind::Campaign,
        ObjectKind::DialingRules,
        ObjectKind::ContactList,
        ObjectKind::Contact,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            ObjectKind::Campaign => "campaign",
            ObjectKind::DialingRules => "dialing-rules",
            ObjectKind::ContactList => "contact-list",
            ObjectKind::Contact => "contact",
        }
    }

    fn from_term(term: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == term)
    }
}

impl ObjectState {
    const ALL: [ObjectState; 3] = [ObjectState::Draft, ObjectState::Creating, ObjectState::Bound];

    pub fn as_str(self) -> &'static str {
        match self {
            ObjectState::Draft => "draft",
            ObjectState::Creating => "creating",
            ObjectState::Bound => "bound",
        }
    }

    fn from_term(term: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == term)
    }
}

const COLUMNS: &str = "o.uuid, o.kind, a.slug, o.shape, o.parent, o.uses, o.name, o.document, \
     o.base, o.state, o.wanted, o.list_at, o.updated_at, o.deleted_at";
const TABLES: &str = "object o JOIN account a ON a.id = o.account_id";

fn read(mut row: Row) -> Result<ObjectRow, LedgerError> {
    Ok(ObjectRow {
        uuid: row.uuid()?,
        kind: ObjectKind::from_term(&row.text()?).ok_or_else(|| row.corrupt("a kind"))?,
        account: row.slug()?,
        shape: row.text()?,
        parent: row.optional_uuid()?,
        uses: row.optional_uuid()?,
        name: row.text()?,
        document: row.text()?,
        base: row.optional_text()?,
        state: ObjectState::from_term(&row.text()?).ok_or_else(|| row.corrupt("a state"))?,
        is_wanted_running: row.optional_text()?.map(|wanted| wanted == RUNNING),
        list_at: row.time()?,
        updated_at: row.optional_time()?,
        deleted_at: row.optional_time()?,
    })
}

/// In whose words a client's document of a campaign is kept; that never changes.
pub(super) async fn shape_of_campaign<S: Statements>(
    store: &mut S,
    campaign: Uuid,
) -> Result<Option<String>, LedgerError> {
    let sql =
        "SELECT shape FROM object WHERE uuid = $1 AND kind = 'campaign' AND deleted_at IS NULL";
    store.row(sql, &[campaign.into()]).await?.map(|mut row| row.text()).transpose()
}

async fn find<S: Statements>(store: &mut S, uuid: Uuid) -> Result<Option<ObjectRow>, LedgerError> {
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE o.uuid = $1");
    store.row(&sql, &[uuid.into()]).await?.map(read).transpose()
}

struct InsertObject {
    new: NewObject,
    now: Timestamp,
}

impl Verb for InsertObject {
    type Answer = ObjectRow;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<ObjectRow, LedgerError> {
        let new = &self.new;
        let account = account_id(store, &new.account).await?;
        lock(store).await?;
        if let Some(known) = find(store, new.uuid).await? {
            return Ok(known);
        }
        if new.kind == ObjectKind::Campaign {
            steering::hold(store, new.uuid).await?;
        }
        let list_at = free_list_at(store, self.now).await?;
        store
            .execute(
                "INSERT INTO object (uuid, kind, account_id, shape, parent, uses, name, document, \
                 base, state, list_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                &[
                    new.uuid.into(),
                    new.kind.as_str().into(),
                    account.into(),
                    new.shape.as_str().into(),
                    new.parent.into(),
                    new.uses.into(),
                    Value::key(&new.name),
                    new.document.as_str().into(),
                    Value::optional_text(new.base.as_deref()),
                    new.state.as_str().into(),
                    list_at.into(),
                ],
            )
            .await?;
        find(store, new.uuid).await?.ok_or(LedgerError::Missing("object"))
    }
}

struct FindObject {
    uuid: Uuid,
}

impl Verb for FindObject {
    type Answer = Option<ObjectRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Option<ObjectRow>, LedgerError> {
        find(store, self.uuid).await
    }
}

struct ObjectsNamed {
    uuids: Vec<Uuid>,
}

impl Verb for ObjectsNamed {
    type Answer = Vec<ObjectRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<ObjectRow>, LedgerError> {
        let mut objects = Vec::new();
        for uuids in self.uuids.chunks(MAX_WINDOW_ROWS as usize) {
            let named = placeholders(1, uuids.len());
            let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE o.uuid IN ({named})");
            let parameters: Vec<Value> = uuids.iter().map(|uuid| Value::from(*uuid)).collect();
            let rows = store.rows(&sql, &parameters).await?;
            objects.extend(rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(objects)
    }
}

struct ListObjects {
    filter: ObjectFilter,
    window: Window,
}

impl Verb for ListObjects {
    type Answer = ObjectPage;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<ObjectPage, LedgerError> {
        let filter = &self.filter;
        if filter.accounts.is_empty() {
            return Ok(ObjectPage::default());
        }
        let mut parameters: Vec<Value> = vec![filter.kind.as_str().into()];
        let slugs = placeholders(parameters.len() + 1, filter.accounts.len());
        parameters.extend(filter.accounts.iter().map(Value::from));
        let mut condition = format!("o.kind = $1 AND a.slug IN ({slugs})");
        for (column, wanted) in [("parent", filter.parent), ("uses", filter.uses)] {
            if let Some(uuid) = wanted {
                parameters.push(uuid.into());
                condition = format!("{condition} AND o.{column} = ${}", parameters.len());
            }
        }
        if !filter.states.is_empty() {
            let states = placeholders(parameters.len() + 1, filter.states.len());
            parameters.extend(filter.states.iter().map(|state| Value::from(state.as_str())));
            condition = format!("{condition} AND o.state IN ({states})");
        }
        if !filter.include_deleted {
            condition.push_str(" AND o.deleted_at IS NULL");
        }
        let count = format!("SELECT COUNT(*) FROM {TABLES} WHERE {condition}");
        let total = store.row(&count, &parameters).await?;
        let total = total.map_or(Ok(0), |mut row| row.count())?;
        let select = format!("SELECT {COLUMNS} FROM {TABLES} WHERE {condition}");
        let (sql, parameters) = self.window.cut(&select, "o", parameters);
        let rows = store.rows(&sql, &parameters).await?;
        Ok(ObjectPage { objects: rows.into_iter().map(read).collect::<Result<_, _>>()?, total })
    }
}

struct ObjectsAfter {
    parent: Uuid,
    after: Option<Timestamp>,
    limit: u32,
}

impl Verb for ObjectsAfter {
    type Answer = Vec<ObjectRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<ObjectRow>, LedgerError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM {TABLES} WHERE o.parent = $1 AND o.list_at > $2 \
             AND o.deleted_at IS NULL ORDER BY o.list_at LIMIT $3"
        );
        let after = self.after.map_or(Value::Int(i64::MIN), Value::from);
        let limit = i64::from(self.limit.min(MAX_WINDOW_ROWS));
        let rows = store.rows(&sql, &[self.parent.into(), after, limit.into()]).await?;
        rows.into_iter().map(read).collect()
    }
}

struct ChangeObject {
    uuid: Uuid,
    change: ObjectChange,
    now: Timestamp,
}

impl Verb for ChangeObject {
    type Answer = ObjectRow;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<ObjectRow, LedgerError> {
        let sql =
            format!("SELECT id FROM object WHERE uuid = $1 AND deleted_at IS NULL{}", S::ROW_LOCK);
        let id = store.row(&sql, &[self.uuid.into()]).await?;
        let id = id.ok_or(LedgerError::Missing("object"))?.int()?;
        let known = find(store, self.uuid).await?.ok_or(LedgerError::Missing("object"))?;
        let change = self.change.clone();
        let wanted = change.is_wanted_running.unwrap_or(known.is_wanted_running);
        let wanted = wanted.map(|runs| if runs { RUNNING } else { STOPPED });
        store
            .execute(
                "UPDATE object SET name = $2, document = $3, base = $4, parent = $5, uses = $6, \
                 state = $7, updated_at = $8, wanted = $9 WHERE id = $1",
                &[
                    id.into(),
                    Value::key(&change.name.unwrap_or(known.name)),
                    change.document.unwrap_or(known.document).as_str().into(),
                    Value::optional_text(change.base.unwrap_or(known.base).as_deref()),
                    change.parent.unwrap_or(known.parent).into(),
                    change.uses.unwrap_or(known.uses).into(),
                    change.state.unwrap_or(known.state).as_str().into(),
                    self.now.into(),
                    Value::optional_text(wanted),
                ],
            )
            .await?;
        find(store, self.uuid).await?.ok_or(LedgerError::Missing("object"))
    }
}

struct DeleteObject {
    uuid: Uuid,
    now: Timestamp,
}

impl Verb for DeleteObject {
    type Answer = ObjectRow;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<ObjectRow, LedgerError> {
        store
            .execute(
                "UPDATE object SET deleted_at = $2, updated_at = $2 \
                 WHERE uuid = $1 AND deleted_at IS NULL",
                &[self.uuid.into(), self.now.into()],
            )
            .await?;
        find(store, self.uuid).await?.ok_or(LedgerError::Missing("object"))
    }
}

impl fmt::Debug for ObjectRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectRow")
            .field("uuid", &self.uuid)
            .field("kind", &self.kind)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
