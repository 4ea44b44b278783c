//! What a delivery says when it leaves: of an attempt what is known by then.

use uuid::Uuid;

use super::{Done, LOOK_INTERVAL, OutboxWorker, unsent};
use crate::domain::destination::{Destination, tells_ends_alone};
use crate::domain::ids::CampaignPart;
use crate::gateway::Shared;
use crate::ledger::LedgerError;
use crate::ledger::contacts::{ContactNames, ContactRow};
use crate::ledger::outbox::{LeasedDelivery, Told, ToldAttempt, Verdict};
use crate::platforms::PlatformKind;
use crate::platforms::notice::{Notice, Words};

impl OutboxWorker {
    /// Who was called, as the contact is known here: by its id, or by a reference that nobody else has.
    pub(super) async fn person_of(&self, notice: &Notice<'_>) -> Option<ContactRow> {
        let ledger = &self.gateway.shared.ledger;
        let found = async {
            if let Some(contact) = notice.contact
                && let Some(row) = ledger.find_contact(contact).await?
                && row.campaign == notice.campaign
            {
                return Ok::<_, LedgerError>(Some(row));
            }
            let Some(reference) = &notice.attempt.contact_reference else { return Ok(None) };
            let names = ContactNames::Reference(vec![reference.clone()]);
            Ok(ledger.contacts_named(notice.campaign, names).await?.pop())
        };
        found.await.unwrap_or_else(|error| {
            tracing::warn!(attempt = %notice.attempt_id, %error,
                "the contact of an attempt could not be read; the push leaves it out");
            None
        })
    }

    pub(super) async fn parts_of(
        &self,
        platform: PlatformKind,
        notice: &Notice<'_>,
    ) -> Vec<(CampaignPart, Uuid)> {
        let parts = self.gateway.written_parts(platform, notice.campaign).await;
        parts.unwrap_or_else(|error| {
            tracing::warn!(attempt = %notice.attempt_id, %error,
                "the named parts of a campaign could not be read; the push leaves them out");
            Vec::new()
        })
    }

    /// A receiver that knows no revisions keeps of an attempt what it hears first, or last: it is told the
    /// newest alone. What is out of date is not sent, unless the newest would not be told then: the
    /// receiver may be named no more, its filter may not take it, or it was told while nothing was
    /// delivered there. Then the newest takes the place of this.
    pub(super) async fn renewed(
        &self,
        destination: &Destination,
        mut delivery: LeasedDelivery,
    ) -> Result<LeasedDelivery, Box<Done>> {
        let Shared { ledger, clock, .. } = &*self.gateway.shared;
        let account = delivery.event.account.clone();
        let Told::Attempt(told) = &mut delivery.event.what else { return Ok(delivery) };
        if told.revision >= told.newest_revision
            || !tells_ends_alone(&destination.shape, &destination.filter)
        {
            return Ok(delivery);
        }
        let looked = async {
            let named = [
                ledger.receivers(vec![told.campaign]).await?.remove(&told.campaign),
                ledger.account_receiver(account).await?,
            ];
            let is_named =
                !destination.is_receiver || named.contains(&Some(destination.url.clone()));
            let Some(newest) = ledger.find_attempt(told.uuid).await? else {
                return Ok::<_, LedgerError>(None);
            };
            let filter = &destination.filter;
            let is_taken = is_named
                && filter.takes_account(&newest.account)
                && filter.takes(told.campaign, newest.attempt.disposition);
            let newer = (told.uuid, told.revision);
            let is_told = is_taken
                && !ledger.newer_may_be_dead(destination.uuid, delivery.number, newer).await?;
            Ok((!is_told).then_some(newest))
        };
        match looked.await {
            Ok(Some(newest)) => {
                // Under the newest one's id: an id names one content.
                told.revision = newest.revision;
                (told.attempt, told.raw) = (newest.attempt, Some(newest.raw));
                Ok(delivery)
            }
            Ok(None) => {
                let why = "not sent: a newer revision of the attempt is told";
                Err(Box::new(unsent(destination, &delivery, (Verdict::Replaced, why))))
            }
            Err(error) if !error.is_of_the_store() => {
                tracing::error!(attempt = %told.uuid, %error,
                    "the newest revision of an attempt cannot be read; its delivery is a dead letter");
                let why = "what is stored of the attempt cannot be read";
                Err(Box::new(unsent(destination, &delivery, (Verdict::Dead, why))))
            }
            Err(error) => {
                tracing::error!(%error,
                    "the newest revision of an attempt could not be read; the delivery is tried again in 1 s");
                let later = Verdict::PutBack(clock.now() + LOOK_INTERVAL);
                let why = "the ledger did not answer";
                Err(Box::new(unsent(destination, &delivery, (later, why))))
            }
        }
    }
}

pub(super) fn notice_of(told: &ToldAttempt, platform: PlatformKind) -> Option<Notice<'_>> {
    let reference = told.attempt.contact_reference.as_deref();
    Some(Notice {
        attempt_id: told.uuid,
        revision: told.revision,
        list_at: told.list_at,
        campaign: told.campaign,
        pair: told.pair?,
        // Contacts that were added without a reference are called by their ids.
        contact: told.contact.or_else(|| reference.and_then(|name| Uuid::try_parse(name).ok())),
        person: None,
        parts: &[],
        attempt: &told.attempt,
        words: told.raw.as_deref().map(|row| Words { platform, row }),
    })
}
