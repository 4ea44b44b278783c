//! How long the ledger is waited for by what must not wait for it: a stop, and what leads to one.

use std::future::Future;
use std::time::Duration;

use crate::ledger::LedgerError;

/// For each answer. A stop asks a few times before it is sent, and its client is answered within 25 s; a
/// database that is locked or hangs takes longer than that.
const LEDGER_PATIENCE: Duration = Duration::from_secs(3);

/// What the ledger answers; one that does not answer soon is away.
///
/// # Errors
/// `Unclear` when it did not answer: what was asked may still be done.
pub(super) async fn answered_soon<T, E: From<LedgerError>>(
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tokio::time::timeout(LEDGER_PATIENCE, asked).await.unwrap_or_else(|_| {
        let why = format!("it did not answer within {} s", LEDGER_PATIENCE.as_secs());
        Err(LedgerError::Unclear(why).into())
    })
}
