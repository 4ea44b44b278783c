//! What came of pushes is kept. A ledger that is away is waited for, and nothing goes to quarantine for
//! that. What it refuses while it takes everything else waits alone, ever longer, and is quarantined in
//! the end.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::processing::{InboxProcessor, WAITS_AT_MOST, waiting};
use crate::gateway::Shared;
use crate::gateway::error::GatewayError;
use crate::gateway::retry;
use crate::ledger::LedgerError;
use crate::ledger::inbox::{InboxRow, Processed, Quarantined, Waiting};
use crate::platforms::PushedRow;

/// A push whose rows are settled bit by bit.
struct Apart {
    push: InboxRow,
    /// Its rows as they came.
    raw: Vec<Bytes>,
    /// Places that are still to be settled together, the next ones last.
    open: Vec<Vec<usize>>,
    /// Places that wait for something else than the ledger.
    later: Vec<usize>,
    /// Places that the ledger refuses, and why.
    refused: Vec<(usize, LedgerError)>,
    /// What waits is due then.
    until: Timestamp,
}

impl InboxProcessor {
    /// Keeps what came of pushes, together if that can be; answers whether none of them is due still.
    pub(super) async fn settle(&self, together: Arc<[(InboxRow, Processed)]>) -> bool {
        let Shared { ledger, clock, outbox, .. } = &*self.gateway.shared;
        let kept = ledger.settle_inbox(Arc::clone(&together), clock.now()).await;
        outbox.tell();
        let Err(error) = kept else { return true };
        if let [(row, _)] = &*together {
            let settled = if error.is_of_the_store() {
                Err(GatewayError::from(error))
            } else {
                self.settle_apart(row.clone(), error).await
            };
            outbox.tell();
            let Err(error) = settled else { return true };
            tracing::error!(push = row.id, %error, "what came of a push is not kept yet");
            return false;
        }
        // One of them may be what keeps the others from it.
        let mut are_kept = true;
        for one in together.iter().cloned() {
            are_kept &= Box::pin(self.settle(Arc::new([one]))).await;
        }
        are_kept
    }

    /// Settles a push of which the ledger refuses something. The halves are settled by themselves, and
    /// halved again where they are refused, until what is refused stands alone.
    async fn settle_apart(&self, push: InboxRow, refusal: LedgerError) -> Result<(), GatewayError> {
        let Shared { ledger, clock, .. } = &*self.gateway.shared;
        let wait = retry::push_wait(push.tries, clock.random_fraction());
        let home = self.gateway.homes.get(&push.account);
        let rows = home.and_then(|home| home.adapter.read_results(&push.body)).unwrap_or_default();
        let raw: Vec<Bytes> = rows.into_iter().map(raw_of).collect();
        let places = push.waiting.clone().unwrap_or_else(|| (0..raw.len()).collect());
        let until = clock.now() + wait;
        let (open, later, refused) = (Vec::new(), Vec::new(), Vec::new());
        let mut apart = Apart { push, raw, open, later, refused, until };
        apart.refuse(&places, refusal);
        while let Some(part) = apart.open.pop() {
            self.settle_part(&mut apart, part).await?;
        }
        let id = apart.push.id;
        let is_kept = self.end_apart(apart).await?;
        if !is_kept {
            // Not even the quarantine takes it.
            ledger.postpone_inbox(id, until).await?;
        }
        Ok(())
    }

    /// Settles some of the rows; the others wait meanwhile.
    async fn settle_part(&self, apart: &mut Apart, part: Vec<usize>) -> Result<(), GatewayError> {
        let Shared { ledger, clock, .. } = &*self.gateway.shared;
        let some = InboxRow { waiting: Some(part.clone()), ..apart.push.clone() };
        let reading = self.gateway.read_rows(&some).await?;
        let mut processed = waiting(reading, apart.until, self.is_old(&some)).gathered(&some.body);
        let own = processed.waiting.take();
        if let Some(own) = &own {
            apart.until = apart.until.max(own.until);
        }
        let later = own.map(|own| own.rows).unwrap_or_default();
        apart.hold(&mut processed, &later);
        let (is_over, now) = (processed.waiting.is_none(), clock.now());
        match ledger.settle_inbox(vec![(apart.push.clone(), processed)], now).await {
            Ok(()) => {
                apart.later.extend(later);
                // Whoever settles a part counts a try, by which the next one is known to be ours.
                apart.push.tries += i64::from(!is_over);
            }
            Err(error) if error.is_of_the_store() => return Err(error.into()),
            Err(error) => apart.refuse(&part, error),
        }
        Ok(())
    }

    /// What is refused waits, or has waited long enough. False when the ledger refuses that, too.
    async fn end_apart(&self, mut apart: Apart) -> Result<bool, GatewayError> {
        let Shared { ledger, clock, .. } = &*self.gateway.shared;
        let (account, push) = (apart.push.account.clone(), apart.push.id);
        if apart.raw.is_empty() {
            return Ok(false);
        }
        if apart.refused.is_empty() {
            return Ok(true);
        }
        for (row, error) in &apart.refused {
            tracing::error!(%account, push, row, %error, "a pushed row is not taken by the ledger");
        }
        let mut processed = Processed::default();
        if self.is_old(&apart.push) {
            for (place, error) in std::mem::take(&mut apart.refused) {
                let raw = apart.raw.get(place).map(|raw| raw.to_vec()).unwrap_or_default();
                let reason = format!("it could not be kept: {error}");
                tracing::warn!(%account, push, row = place, reason, "a pushed row is in quarantine");
                processed.quarantined.push(Quarantined::new(reason, raw));
            }
        }
        let mut processed = processed.gathered(&apart.push.body);
        apart.hold(&mut processed, &[]);
        match ledger.settle_inbox(vec![(apart.push, processed)], clock.now()).await {
            Ok(()) => Ok(true),
            Err(error) if error.is_of_the_store() => Err(error.into()),
            Err(_) => Ok(false),
        }
    }

    /// Whether what cannot be processed of it is given up.
    pub(super) fn is_old(&self, push: &InboxRow) -> bool {
        self.gateway.shared.clock.now() >= push.received_at + WAITS_AT_MOST
    }
}

impl Apart {
    /// The ledger does not take these: their halves are next, or it is known which one it is.
    fn refuse(&mut self, part: &[usize], error: LedgerError) {
        match *part {
            [] => {}
            [place] => self.refused.push((place, error)),
            _ => {
                let (first, second) = part.split_at(part.len() / 2);
                self.open.extend([second.to_vec(), first.to_vec()]);
            }
        }
    }

    /// What is not settled with this waits: these and all that are known to be left.
    fn hold(&self, processed: &mut Processed, these: &[usize]) {
        let open = self.open.iter().flatten().chain(&self.later).chain(these).copied();
        let mut rows: Vec<usize> =
            open.chain(self.refused.iter().map(|(place, _)| *place)).collect();
        rows.sort_unstable();
        if !rows.is_empty() {
            processed.is_foreign = false;
            processed.waiting = Some(Waiting { rows, until: self.until });
        }
    }
}

fn raw_of(row: PushedRow) -> Bytes {
    match row {
        PushedRow::Result { attempt, .. } => attempt.raw,
        PushedRow::Call { raw, .. } | PushedRow::Unusable { raw, .. } => raw,
    }
}
