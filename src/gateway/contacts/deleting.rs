//! Taking contacts out of a campaign: whoever asks for that is not to be called again.

use std::time::Duration;

use uuid::Uuid;

use super::{ContactView, as_sent};
use crate::domain::ids::CampaignIdentity;
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::route::{Route, route};
use crate::gateway::{Asked, Home, Shared, WorkerGateway};
use crate::ledger::contacts::{ContactRow, ContactState};
use crate::platforms::{ContactName, Effect, Operation, Released};
use crate::transport::pacing::Lane;

/// For how long a home is asked that does not let go of a contact: a call may be under way.
const PATIENCE: Duration = Duration::from_secs(8);
/// A contact that was recorded so long ago and is still being added: whoever added it was interrupted.
const ADDING_AT_MOST: Duration = Duration::from_secs(3600);
/// How often.
const ASK_INTERVAL: Duration = Duration::from_secs(1);

impl WorkerGateway {
    /// Takes a contact out of a campaign, on its home first.
    ///
    /// # Errors
    /// `NotFound` when the campaign has no such contact, `Unavailable` while it is being called or added, and
    /// whatever the home refuses.
    pub async fn delete_contact(
        &self,
        asked: &Asked,
        identity: &CampaignIdentity,
        contact: Uuid,
    ) -> Result<ContactView, GatewayError> {
        let identity = self.for_writing(asked, identity.uuid).await?;
        let home = self.home(&identity)?;
        let operation = Operation::ContactDelete;
        let route = route(operation, home.adapter.platform(), asked.platform);
        if let Route::Unsupported(reason) = route {
            return Err(GatewayError::Unsupported(reason));
        }
        let row = self.settled_contact(&identity, contact).await?;
        let entry = self.operation_entry(asked, operation, Some(&identity), contact);
        self.shared.ledger.append_journal(entry).await?;
        let _writing = self.shared.reads.writing(&identity);
        if row.state != ContactState::Deleted && !self.is_kept_here(&identity, home, &row).await? {
            // Kept off the caller's stack: it is large.
            Box::pin(self.withdraw(asked, (&identity, home), &row)).await?;
        }
        self.note_deleted_contact(contact).await?;
        self.contact(&identity, contact).await
    }

    /// A contact that is not on its way to the home: it would come there after it was deleted.
    async fn settled_contact(
        &self,
        identity: &CampaignIdentity,
        contact: Uuid,
    ) -> Result<ContactRow, GatewayError> {
        let Shared { ledger, clock, .. } = &*self.shared;
        let deadline = clock.now() + PATIENCE;
        loop {
            let row = ledger.find_contact(contact).await?;
            let row = row.filter(|row| row.campaign == identity.uuid);
            let row = row.ok_or(GatewayError::NotFound(Noun::Contact))?;
            let now = clock.now();
            if row.state != ContactState::Adding || now >= row.list_at + ADDING_AT_MOST {
                return Ok(row);
            }
            if now >= deadline {
                let reason =
                    "the contact is still being added to its home; ask again when it is there";
                return Err(GatewayError::unavailable(reason));
            }
            clock.sleep(ASK_INTERVAL).await;
        }
    }

    /// Has the home let go of a contact. Where it does so only for a campaign that stands still, this one
    /// stands still for it; a contact that it is done with is as good as gone.
    async fn withdraw(
        &self,
        asked: &Asked,
        (identity, home): (&CampaignIdentity, &Home),
        row: &ContactRow,
    ) -> Result<(), GatewayError> {
        let Self { shared, .. } = self;
        let (lane, native, contact) = (Lane::FacadeWrite, &identity.native, row.uuid);
        let reference = contact.simple().to_string();
        let deadline = shared.clock.now() + PATIENCE;
        loop {
            self.hold_for(Operation::ContactDelete, asked, identity).await?;
            let name = ContactName { native: row.native.as_ref(), reference: &reference };
            let released = home.adapter.delete_contact(lane, native, name).await;
            let is_over = shared.clock.now() >= deadline;
            match released {
                Ok(Released::Gone | Released::Done) => return Ok(()),
                Ok(Released::NotYet) if is_over => return Err(not_yet(row.state)),
                Err(error) if is_over || error.effect != Effect::Unclear => {
                    tracing::warn!(campaign = %identity.uuid, %contact, %error,
                        "the home did not delete the contact; the client is told");
                    return Err(home.refusal(asked.platform, &error, (Noun::Contact, contact)));
                }
                Ok(Released::NotYet) | Err(_) => shared.clock.sleep(ASK_INTERVAL).await,
            }
        }
    }

    /// Whether a contact never went to the home, because nobody may be called of it.
    async fn is_kept_here(
        &self,
        identity: &CampaignIdentity,
        home: &Home,
        row: &ContactRow,
    ) -> Result<bool, GatewayError> {
        match self.stated_retry(identity, home).await {
            Ok(retry) => Ok(!as_sent(row.uuid, &row.contact, &retry).has_numbers()),
            // What nobody understands keeps nobody from taking a contact out.
            Err(GatewayError::Unenforced(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Why a home did not let go of a contact in time.
fn not_yet(state: ContactState) -> GatewayError {
    GatewayError::unavailable(match state {
        ContactState::Unclear => {
            "its home never confirmed the contact and does not say now whether it has it; it may be \
             called at the moment: ask again in some minutes"
        }
        _ => {
            "its home does not let go of a contact that is being called; ask again when the call is \
             over"
        }
    })
}
