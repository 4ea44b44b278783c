//! In which order transactions take rows. On PostgreSQL they run side by side: a row that one of them
//! changes is its own until it ends. Two that take the same rows in different orders wait for each
//! other, and the server ends one of them (40P01). So there is one order for all:
//!
//! 1. what is taken in hand, the first statements of a verb: pushes of the inbox as they are due, a
//!    body in quarantine, a request to repeat, a job, the counter behind which ids are given out;
//! 2. the turns of campaigns, by their ids ([`take`]). Who has a campaign's turn is alone with its
//!    attempts, the states of its contacts and its rollups, and may take them in any order;
//! 3. codes that no table knows, by account and code;
//! 4. deliveries that are there already, by number;
//! 5. lanes, by destination and campaign, each once and for all that joins or leaves it;
//!    then the deliveries that are new, or next in one of these lanes;
//! 6. the counters of destinations, by id;
//! 7. the tallies of accounts, by id;
//! 8. how campaigns stand, and with it the journal; then the row of the campaign itself.
//!
//! A row that may be left alone is passed over where somebody has it
//! ([`Statements::ROW_LOCK_OR_SKIP`]), which needs no order. A row that is referred to is not taken by that
//! ([`Statements::ROW_LOCK`] lets references be made). Campaigns that are sighted together are taken by
//! their native ids (docs/decisions/0040-in-which-order-rows-are-taken.md).

use std::collections::BTreeSet;

use crate::ledger::LedgerError;
use crate::ledger::statements::Statements;

/// Waits until nobody else has the turn of one of these campaigns, and keeps them until the transaction
/// ends.
pub(super) async fn take<S: Statements>(
    store: &mut S,
    campaigns: BTreeSet<i64>,
) -> Result<(), LedgerError> {
    let Some(take) = S::TAKE_TURN else { return Ok(()) };
    for campaign in campaigns {
        store.execute(take, &[campaign.into()]).await?;
    }
    Ok(())
}
