//! What came of pushes is kept. A ledger that is away is waited for, and nothing goes to quarantine for
//! that. What it refuses while it takes everything else waits alone, ever longer, and is quarantined in
//! the end. What not even the quarantine takes stays in the inbox, and is told in the log each time.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::processing::{InboxProcessor, WAITS_AT_MOST, call_look, raw_of, waiting};
use crate::gateway::Shared;
use crate::gateway::retry;
use crate::ledger::LedgerError;
use crate::ledger::inbox::{InboxRow, Processed, Quarantined, Waiting};

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
        let pushes = together.len();
        let kept = self.keep(together).await;
        self.gateway.shared.outbox.tell();
        if let Err(error) = &kept {
            tracing::error!(pushes, %error,
                "what came of pushes could not be stored; they are processed again");
        }
        kept.is_ok()
    }

    /// # Errors
    /// When the ledger is away: the others would fail the same way.
    async fn keep(&self, together: Arc<[(InboxRow, Processed)]>) -> Result<(), LedgerError> {
        let Shared { ledger, clock, .. } = &*self.gateway.shared;
        match ledger.settle_inbox(Arc::clone(&together), clock.now()).await {
            Err(error) if !error.is_of_the_store() => {
                if let [(row, _)] = &*together {
                    return self.settle_apart(row.clone(), error).await;
                }
                // One of them may be what keeps the others from it.
                for one in together.iter().cloned() {
                    Box::pin(self.keep(Arc::new([one]))).await?;
                }
                Ok(())
            }
            kept => kept.map(drop),
        }
    }

    /// Settles a push of which the ledger refuses something. The halves are settled by themselves, and
    /// halved again where they are refused, until what is refused stands alone.
    async fn settle_apart(&self, push: InboxRow, refusal: LedgerError) -> Result<(), LedgerError> {
        let Shared { ledger, clock, .. } = &*self.gateway.shared;
        let wait = retry::push_wait(push.tries, clock.random_fraction());
        let home = self.gateway.homes.get(&push.account);
        let rows = home.and_then(|home| home.adapter.read_results(&push.body)).unwrap_or_default();
        let raw: Vec<Bytes> = rows.iter().map(|row| raw_of(row).clone()).collect();
        let places = push.waiting.clone().unwrap_or_else(|| (0..raw.len()).collect());
        let until = clock.now() + wait;
        let (open, later, refused) = (Vec::new(), Vec::new(), Vec::new());
        let mut apart = Apart { push, raw, open, later, refused, until };
        apart.refuse(&places, refusal);
        while let Some(part) = apart.open.pop() {
            if !self.settle_part(&mut apart, part).await? {
                return Ok(());
            }
        }
        let (id, account) = (apart.push.id, apart.push.account.clone());
        let is_kept = self.end_apart(apart).await?;
        if !is_kept {
            tracing::error!(%account, push = id, %until,
                "what is left of a push can be put nowhere; it stays in the inbox and is tried again");
            ledger.postpone_inbox(id, until).await?;
        }
        Ok(())
    }

    /// Settles some of the rows; the others wait meanwhile. False when somebody else has settled any of the
    /// push since it was read: then all that is left is theirs.
    async fn settle_part(&self, apart: &mut Apart, part: Vec<usize>) -> Result<bool, LedgerError> {
        let Shared { ledger, clock, .. } = &*self.gateway.shared;
        let push = &apart.push;
        let call_at = call_look(push, clock.now());
        let reading = self.gateway.read_rows(push, Some(&part), call_at).await?;
        let mut processed = waiting(reading, apart.until, self.is_old(push)).gathered(&push.body);
        let own = processed.waiting.take();
        if let Some(own) = &own {
            apart.until = apart.until.max(own.until);
        }
        let later = own.map(|own| own.rows).unwrap_or_default();
        apart.hold(&mut processed, &later);
        let (is_over, now) = (processed.waiting.is_none(), clock.now());
        match ledger.settle_inbox(vec![(apart.push.clone(), processed)], now).await {
            Ok(1..) => return Ok(false),
            Ok(0) => {
                apart.later.extend(later);
                // Whoever settles a part counts a try, by which the next one is known to be ours.
                apart.push.tries += i64::from(!is_over);
            }
            Err(error) if error.is_of_the_store() => return Err(error),
            Err(error) => apart.refuse(&part, error),
        }
        Ok(true)
    }

    /// What is refused waits, or has waited long enough. False when the ledger refuses that, too.
    async fn end_apart(&self, mut apart: Apart) -> Result<bool, LedgerError> {
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
            Ok(_) => Ok(true),
            Err(error) if error.is_of_the_store() => Err(error),
            Err(error) => {
                tracing::error!(%account, push, %error, "the quarantine does not take pushed rows");
                Ok(false)
            }
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
