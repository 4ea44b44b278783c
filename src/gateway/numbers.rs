//! Finding a person's number everywhere in the gateway, and erasing it.
//!
//! Rows stay, with a token in place of the number that is the same wherever it stood, so that counts
//! stay true. What remains of the number is a keyed hash. What platforms and receivers have is theirs to
//! erase: the certificate names them.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::ids::AccountSlug;
use crate::domain::phone::{NumberPlan, PhoneNumber};
use crate::domain::traces::{Setting, Trace};
use crate::forwarding::NoKey;
use crate::gateway::WorkerGateway;
use crate::gateway::destinations::OperatorView;
use crate::gateway::error::GatewayError;
use crate::ledger::journal::JournalEntry;
use crate::ledger::numbers::{Mask, Traced};

/// Characters of the hash that stand in for a number.
const TOKEN_CHARS: usize = 16;

/// Where a number stands, or stood.
#[derive(Debug, Clone)]
pub struct NumberReport {
    /// What the number is known by when it is nowhere any more.
    pub hash: String,
    pub at: Timestamp,
    /// When it was erased before.
    pub erased_before: Option<Timestamp>,
    /// Rows by what they are.
    pub rows: BTreeMap<&'static str, u64>,
    /// Campaigns whose platforms have it, as far as is known here.
    pub campaigns: Vec<(Uuid, AccountSlug)>,
    /// Destinations that were told it.
    pub destinations: Vec<String>,
}

impl WorkerGateway {
    /// # Errors
    /// `Invalid` for what is no number in E.164, `State` without master keys.
    pub async fn find_number(
        &self,
        operator: OperatorView<'_>,
        text: &str,
    ) -> Result<NumberReport, GatewayError> {
        let (hashes, mask) = self.looked_for(text)?;
        let traced = self.shared.ledger.trace(operator.accounts, &mask, None).await?;
        self.report(hashes, traced).await
    }

    /// Erases a number of the operator's accounts. Asked again, it goes on where it was interrupted.
    ///
    /// # Errors
    /// As [`WorkerGateway::find_number`].
    pub async fn erase_number(
        &self,
        operator: OperatorView<'_>,
        text: &str,
    ) -> Result<NumberReport, GatewayError> {
        let (hashes, mask) = self.looked_for(text)?;
        let ledger = &self.shared.ledger;
        let now = self.shared.clock.now();
        let traced = ledger.trace(operator.accounts, &mask, Some(now)).await?;
        let report = self.report(hashes.clone(), traced).await?;
        let entry = JournalEntry {
            reason: Some(format!("hash {}", report.hash)),
            ..JournalEntry::new(now, operator.name, "number-erase")
        };
        for hash in hashes {
            ledger.suppress(hash, "erased".to_owned(), entry.clone()).await?;
        }
        // What the store has overwritten is still in its log until then.
        ledger.scrub().await?;
        Ok(report)
    }

    /// The number's hashes, newest key first, and what replaces it.
    fn looked_for(&self, text: &str) -> Result<(Vec<String>, Mask), GatewayError> {
        let invalid =
            || GatewayError::invalid("number", "+ and 7 to 15 digits are expected (E.164)");
        let number = PhoneNumber::from_e164(text).map_err(|_| invalid())?;
        let plans: Vec<NumberPlan> =
            self.shared.accounts.values().map(|account| account.settings.numbers.clone()).collect();
        let trace = Trace::of(&number, &plans).ok_or_else(invalid)?;
        let hashes = self.shared.courier.number_hashes(&number);
        let hashes = hashes.map_err(|why: NoKey| GatewayError::State(why.to_string()))?;
        let hash = hashes.first().cloned().unwrap_or_default();
        let token = format!("erased-{}", &hash[..TOKEN_CHARS.min(hash.len())]);
        let setting = Setting { plan: None, is_number: false };
        let mask: Mask = Arc::new(move |text: &str| trace.masked(text, &token, setting));
        Ok((hashes, mask))
    }

    async fn report(
        &self,
        hashes: Vec<String>,
        traced: Traced,
    ) -> Result<NumberReport, GatewayError> {
        let mut erased_before = None;
        for hash in &hashes {
            let at = self.shared.ledger.suppressed_at(hash.clone()).await?;
            erased_before = erased_before.max(at);
        }
        Ok(NumberReport {
            hash: hashes.into_iter().next().unwrap_or_default(),
            at: self.shared.clock.now(),
            erased_before,
            rows: traced.rows,
            campaigns: traced.campaigns,
            destinations: traced.destinations,
        })
    }
}
