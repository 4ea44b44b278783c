//! What is in quarantine, and taking it through processing again: because the platform knows a campaign
//! now, an account is configured again, or a newer program reads more.

use serde_json::json;

use super::processing::Reading;
use crate::decoding::{self, Declared, Text};
use crate::domain::ids::AccountSlug;
use crate::gateway::destinations::OperatorView;
use crate::gateway::error::GatewayError;
use crate::gateway::{Shared, WorkerGateway};
use crate::ledger::inbox::{InboxRow, Processed, Quarantined};
use crate::ledger::journal::JournalEntry;

pub use crate::ledger::quarantine::{QuarantineFilter, QuarantineRow};

/// Bodies that one call takes through at most.
pub const REPROCESSED_AT_ONCE: u32 = 100;

/// A body that an operator names may unpack to more than one that a platform pushes.
const MAX_UNPACKED_BYTES: usize = 64 * 1024 * 1024;

/// What came of taking bodies through again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reprocessed {
    /// Bodies that were looked at.
    pub bodies: u64,
    /// Of these, how many leave the quarantine.
    pub left: u64,
    /// Results that were read in them.
    pub rows: u64,
    /// Where the next call goes on; None at the end.
    pub next: Option<i64>,
}

impl WorkerGateway {
    /// What is in quarantine, oldest first, without its bodies.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn quarantined(
        &self,
        filter: QuarantineFilter,
        limit: u32,
    ) -> Result<Vec<QuarantineRow>, GatewayError> {
        Ok(self.shared.ledger.quarantined(filter, false, limit).await?)
    }

    /// Takes bodies in quarantine through processing again, the oldest first and
    /// [`REPROCESSED_AT_ONCE`] at most, one at a time: they may be large. What is understood is merged as
    /// if it had just come, leaves, and is journalled with that; the rest stays with its new reason. A dry
    /// run changes nothing, but unknown campaigns are asked for.
    ///
    /// # Errors
    /// When the ledger does not answer; what was taken through before stays so.
    pub async fn reprocess(
        &self,
        operator: OperatorView<'_>,
        filter: QuarantineFilter,
        dry_run: bool,
    ) -> Result<Reprocessed, GatewayError> {
        let ledger = &self.shared.ledger;
        let listed = ledger.quarantined(filter, false, REPROCESSED_AT_ONCE).await?;
        let mut done = Reprocessed::default();
        if listed.len() == usize::try_from(REPROCESSED_AT_ONCE).unwrap_or(usize::MAX) {
            done.next = listed.last().map(|row| row.id);
        }
        for QuarantineRow { id, account, .. } in listed {
            let one = QuarantineFilter {
                accounts: vec![account],
                ids: Some(vec![id]),
                with_unproved: true,
                after: 0,
            };
            // Somebody else may have taken it meanwhile.
            let Some(row) = ledger.quarantined(one, true, 1).await?.pop() else { continue };
            let mut processed = self.read_again(&row).await?;
            if !dry_run {
                match self.settle_again(operator, &row, processed).await? {
                    Some(settled) => processed = settled,
                    None => continue,
                }
            }
            done.bodies += 1;
            done.left += u64::from(processed.quarantined.is_empty());
            done.rows += rows_of(&processed);
        }
        Ok(done)
    }

    /// Keeps and journals what came of a body; answers what that was, None when somebody else took the
    /// body meanwhile. What the ledger does not take stays in quarantine and says so.
    async fn settle_again(
        &self,
        operator: OperatorView<'_>,
        row: &QuarantineRow,
        processed: Processed,
    ) -> Result<Option<Processed>, GatewayError> {
        let Shared { ledger, clock, outbox, .. } = &*self.shared;
        let settle = async |processed: &Processed| {
            let mut entry = JournalEntry::new(clock.now(), operator.name, "inbox-reprocess");
            entry.before = Some(json!({ "id": row.id }).to_string());
            let (left, rows) = (processed.quarantined.is_empty(), rows_of(processed));
            entry.after = Some(json!({"left": left, "rows": rows}).to_string());
            ledger.settle_quarantined(row.clone(), processed.clone(), entry).await
        };
        let settled = match settle(&processed).await {
            Err(error) if !error.is_of_the_store() => {
                tracing::warn!(id = row.id, %error, "a body in quarantine is not taken by the ledger");
                let stays = stays(row, &format!("it could not be kept: {error}"));
                settle(&stays).await?.then_some(stays)
            }
            settled => settled?.then_some(processed),
        };
        outbox.tell();
        Ok(settled)
    }

    async fn read_again(&self, row: &QuarantineRow) -> Result<Processed, GatewayError> {
        if !self.homes.contains_key(&row.account) {
            return Ok(stays(row, "its account is not configured"));
        }
        let declared = Declared {
            content_type: row.content.kind.as_deref(),
            content_encoding: row.content.packing.as_deref(),
        };
        let text = match decoding::decode(&row.body, declared, MAX_UNPACKED_BYTES) {
            Ok(Text { text, .. }) => text.into_owned(),
            Err(packed) => return Ok(stays(row, &packed.to_string())),
        };
        let push = InboxRow {
            id: row.id,
            account: row.account.clone(),
            received_at: row.received_at,
            body: text,
            tries: 0,
            waiting: None,
            campaign: row.campaign.clone(),
            trace: None,
        };
        // A call's end waits for its attempt no more.
        let Reading { mut processed, later } = self.read_rows(&push, None, None).await?;
        processed
            .quarantined
            .extend(later.into_iter().map(|row| Quarantined::new(row.reason, row.raw.to_vec())));
        let processed = processed.gathered(&push.body);
        let understood = !processed.attempts.is_empty() || !processed.explained.is_empty();
        match processed.quarantined.first() {
            // Nothing of it is understood: it stays as it came.
            Some(first) if !understood && processed.quarantined.len() == 1 => {
                Ok(stays(row, &first.reason.clone()))
            }
            _ => Ok(processed),
        }
    }

    /// Those of these that are in quarantine, of these accounts.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn named_quarantined(
        &self,
        accounts: &[AccountSlug],
        ids: &[i64],
    ) -> Result<Vec<QuarantineRow>, GatewayError> {
        let filter = QuarantineFilter {
            accounts: accounts.to_vec(),
            ids: Some(ids.to_vec()),
            with_unproved: true,
            after: 0,
        };
        let limit = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        Ok(self.shared.ledger.quarantined(filter, false, limit).await?)
    }
}

/// All of the body, as it came.
fn stays(row: &QuarantineRow, reason: &str) -> Processed {
    let (body, content) = (row.body.clone(), row.content.clone());
    let quarantined = vec![Quarantined { reason: reason.to_owned(), body, content }];
    Processed { quarantined, ..Processed::default() }
}

/// Results that were read.
fn rows_of(processed: &Processed) -> u64 {
    (processed.attempts.len() + processed.explained.len()) as u64
}
