//! Documents that the gateway keeps for clients whose home lacks the thing: campaigns that are not
//! made yet, and the parts and contacts that they will be made of.

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::domain::ids::{AccountSlug, CampaignKey};
use crate::domain::listing::Window;
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::merged::{Listed, SourcePage};
use crate::gateway::{Asked, WorkerGateway};
use crate::ledger::journal::JournalEntry;
use crate::ledger::objects::{NewObject, ObjectFilter, ObjectPage};
use crate::platforms::Operation;

pub use crate::ledger::objects::{ObjectChange, ObjectKind, ObjectRow, ObjectState};

/// A document that a client wants to have kept.
pub struct NewDocument {
    pub account: AccountSlug,
    pub kind: ObjectKind,
    /// A contact's list, a list's campaign.
    pub parent: Option<Uuid>,
    /// A campaign's dialling rules.
    pub uses: Option<Uuid>,
    pub name: String,
    pub document: Value,
}

/// Which documents a list wants.
#[derive(Debug, Clone)]
pub struct DocumentsWanted {
    pub kind: ObjectKind,
    pub parent: Option<Uuid>,
    pub states: Vec<ObjectState>,
    pub include_deleted: bool,
}

/// States of a campaign that its home does not have.
pub const NOT_MADE: [ObjectState; 2] = [ObjectState::Draft, ObjectState::Creating];

impl WorkerGateway {
    /// A document of this kind, if the gateway keeps one under this id.
    ///
    /// # Errors
    /// `Forbidden` when it belongs to another account.
    pub async fn document(
        &self,
        asked: &Asked,
        kind: ObjectKind,
        id: Uuid,
    ) -> Result<Option<ObjectRow>, GatewayError> {
        let row = self.shared.ledger.find_object(id).await?;
        let Some(row) = row.filter(|row| row.kind == kind && row.shape == asked.platform.as_str())
        else {
            return Ok(None);
        };
        asked.client.check_account(&row.account)?;
        Ok(Some(row))
    }

    /// A campaign that its home does not have yet.
    ///
    /// # Errors
    /// `NotFound` when it is none.
    pub async fn draft(&self, asked: &Asked, id: Uuid) -> Result<ObjectRow, GatewayError> {
        let row = self.document(asked, ObjectKind::Campaign, id).await?;
        row.filter(|row| NOT_MADE.contains(&row.state))
            .ok_or(GatewayError::NotFound(Noun::Campaign))
    }

    /// # Errors
    /// `Forbidden` when client or account may not write.
    pub async fn create_document(
        &self,
        asked: &Asked,
        new: NewDocument,
    ) -> Result<ObjectRow, GatewayError> {
        asked.client.check_account(&new.account)?;
        self.may_write(asked, &new.account)?;
        let (now, uuid) = (self.shared.clock.now(), self.shared.clock.new_uuid());
        let object = NewObject {
            uuid,
            kind: new.kind,
            account: new.account,
            shape: asked.platform.as_str().to_owned(),
            parent: new.parent,
            uses: new.uses,
            name: new.name,
            document: new.document.to_string(),
            base: None,
            state: ObjectState::Draft,
        };
        let row = self.shared.ledger.insert_object(object, now).await?;
        self.journal_document(asked, created(new.kind), &row).await?;
        Ok(row)
    }

    /// # Errors
    /// `Forbidden` when client or account may not write, `NotFound` when it is deleted.
    pub async fn change_document(
        &self,
        asked: &Asked,
        row: &ObjectRow,
        change: ObjectChange,
    ) -> Result<ObjectRow, GatewayError> {
        self.may_write(asked, &row.account)?;
        if row.deleted_at.is_some() {
            return Err(GatewayError::State("it is deleted".to_owned()));
        }
        self.journal_document(asked, modified(row.kind), row).await?;
        let now = self.shared.clock.now();
        let row = self.shared.ledger.change_object(row.uuid, change, now).await?;
        self.shared.written.forget(row.uuid);
        Ok(row)
    }

    /// Marks it as deleted; it stays readable.
    ///
    /// # Errors
    /// `Forbidden` when client or account may not write.
    pub async fn delete_document(
        &self,
        asked: &Asked,
        row: &ObjectRow,
    ) -> Result<ObjectRow, GatewayError> {
        self.may_write(asked, &row.account)?;
        self.journal_document(asked, deleted(row.kind), row).await?;
        let now = self.shared.clock.now();
        Ok(self.shared.ledger.delete_object(row.uuid, now).await?)
    }

    /// Documents of the client's accounts strictly older than `before`, newest first.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn list_documents(
        &self,
        asked: &Asked,
        wanted: DocumentsWanted,
        before: Option<Timestamp>,
        limit: u32,
    ) -> Result<SourcePage<ObjectRow>, GatewayError> {
        let filter = ObjectFilter {
            kind: wanted.kind,
            accounts: asked.client.accounts.clone(),
            parent: wanted.parent,
            uses: None,
            states: wanted.states,
            include_deleted: wanted.include_deleted,
        };
        let window = Window::Before { list_at: before, limit };
        let ObjectPage { objects, .. } = self.shared.ledger.list_objects(filter, window).await?;
        let is_full = objects.len() >= limit as usize;
        let next = objects.last().map(|row| row.list_at).filter(|_| is_full);
        let own = objects.into_iter().filter(|row| row.shape == asked.platform.as_str());
        let rows = own.map(|row| Listed { list_at: row.list_at, id: row.uuid, row });
        Ok(SourcePage { rows: rows.collect(), next })
    }

    /// Campaigns on their homes that use these dialling rules.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn users_of(
        &self,
        asked: &Asked,
        rules: Uuid,
    ) -> Result<Vec<CampaignKey>, GatewayError> {
        let filter = ObjectFilter {
            kind: ObjectKind::Campaign,
            accounts: asked.client.accounts.clone(),
            parent: None,
            uses: Some(rules),
            states: vec![ObjectState::Bound],
            include_deleted: false,
        };
        let window = Window::Offset { offset: 0, limit: MAX_USERS };
        let page = self.shared.ledger.list_objects(filter, window).await?;
        if page.total > u64::from(MAX_USERS) {
            let reason = format!("more than {MAX_USERS} campaigns use it");
            return Err(GatewayError::Quota { reason, retry_after: None });
        }
        Ok(page.objects.into_iter().map(|row| CampaignKey::Uuid(row.uuid)).collect())
    }

    async fn journal_document(
        &self,
        asked: &Asked,
        operation: Operation,
        row: &ObjectRow,
    ) -> Result<(), GatewayError> {
        let entry = JournalEntry {
            at: self.shared.clock.now(),
            actor: asked.client.name.clone(),
            action: operation.as_str().to_owned(),
            request_id: Some(asked.request_id.clone()),
            campaign: None,
            before: None,
            after: Some(format!("{} {}", row.kind.as_str(), row.uuid)),
            reason: None,
        };
        Ok(self.shared.ledger.append_journal(entry).await?)
    }
}

/// Campaigns that one change of shared dialling rules may touch.
const MAX_USERS: u32 = 200;

fn created(kind: ObjectKind) -> Operation {
    match kind {
        ObjectKind::Campaign => Operation::CampaignCreate,
        ObjectKind::DialingRules | ObjectKind::ContactList => Operation::PartCreate,
        ObjectKind::Contact => Operation::ContactAdd,
    }
}

fn modified(kind: ObjectKind) -> Operation {
    match kind {
        ObjectKind::Campaign => Operation::CampaignModify,
        ObjectKind::DialingRules | ObjectKind::ContactList => Operation::PartModify,
        ObjectKind::Contact => Operation::ContactAdd,
    }
}

fn deleted(kind: ObjectKind) -> Operation {
    match kind {
        ObjectKind::Campaign => Operation::CampaignDelete,
        ObjectKind::DialingRules | ObjectKind::ContactList => Operation::PartDelete,
        ObjectKind::Contact => Operation::ContactDelete,
    }
}
