//! How deliveries went is kept. A ledger that is away is waited for. What it refuses while it takes
//! everything else stands alone, and holds up nobody (docs/decisions/0037-what-the-ledger-refuses.md).

use super::{Done, LOOK_INTERVAL, OutboxWorker, Recorded};
use crate::gateway::Shared;
use crate::ledger::LedgerError;
use crate::ledger::outbox::Tried;

/// Is kept in the place of what was said of a try, where the ledger does not take that.
const NO_WORDS: &str = "the ledger did not take what the receiver said, or why nothing was sent";

impl OutboxWorker {
    /// Keeps how deliveries went, together if that can be. The halves of what is refused are kept by
    /// themselves, and halved again, until what is refused stands alone; then the outcome is kept without
    /// words of the receiver's. So many deliveries at most are held meanwhile that a destination gets no more.
    pub(super) async fn record(&self, done: Vec<Done>) -> Recorded {
        let gone = done.iter().filter(|done| done.is_gone).map(|done| done.destination).collect();
        let mut recorded = Recorded { ended: Vec::new(), gone, refused: Vec::new() };
        let mut parts = vec![done];
        while let Some(mut part) = parts.pop() {
            let Some(error) = self.refusal(&part).await else {
                recorded
                    .ended
                    .extend(part.iter().map(|done| (done.destination, done.tried.number)));
                continue;
            };
            if part.len() > 1 {
                let second = part.split_off(part.len() / 2);
                parts.extend([second, part]);
                continue;
            }
            for mut one in part {
                if one.tried.forget_words() {
                    parts.push(vec![one]);
                    continue;
                }
                tracing::error!(
                    delivery = one.tried.number, verdict = ?one.tried.verdict, %error,
                    "the ledger does not take how a delivery went; it is asked again in 60 s, and the \
                     delivery is sent again only when this gateway has ended before"
                );
                // Its destination is disabled once, not each minute.
                one.is_gone = false;
                recorded.refused.push(one);
            }
        }
        recorded
    }

    /// Why the ledger does not take these outcomes. While it is away it is waited for: what was delivered
    /// is not sent again because the ledger takes nothing now.
    async fn refusal(&self, done: &[Done]) -> Option<LedgerError> {
        let Shared { ledger, clock, .. } = &*self.gateway.shared;
        loop {
            let tries = done.iter().map(|done| done.tried.clone()).collect();
            match ledger.record_tries(tries, clock.now()).await {
                Ok(()) => return None,
                Err(error) if error.is_of_the_store() => {
                    tracing::error!(%error,
                        "the outcome of deliveries could not be recorded; it is tried again in 1 s");
                    clock.sleep(LOOK_INTERVAL).await;
                }
                Err(error) => return Some(error),
            }
        }
    }
}

impl Tried {
    /// Takes out what was said; false when that was done before, or nothing was.
    fn forget_words(&mut self) -> bool {
        if self.answer.is_none() && self.error.as_deref().is_none_or(|error| error == NO_WORDS) {
            return false;
        }
        (self.error, self.answer) = (Some(NO_WORDS.to_owned()), None);
        true
    }
}
