//! When each account's campaigns were last listed to the end: how old lists may be.

use jiff::Timestamp;

use crate::domain::ids::AccountSlug;
use crate::ledger::identity::account_id;
use crate::ledger::statements::{Row, Statements, Value, Verb};
use crate::ledger::{Ledger, LedgerError};

/// How an account's list stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountReading {
    pub account: AccountSlug,
    /// None: never.
    pub listed_at: Option<Timestamp>,
    /// Since when listing fails, and with what.
    pub failed_since: Option<Timestamp>,
    pub error: Option<String>,
}

impl Ledger {
    /// Records that an account was listed to the end, or with what that failed.
    ///
    /// # Errors
    /// `Missing` when the account is not registered.
    pub async fn record_reading(
        &self,
        account: AccountSlug,
        error: Option<String>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.write(RecordReading { account, error, now }).await
    }

    /// Every registered account, by name.
    pub async fn account_readings(&self) -> Result<Vec<AccountReading>, LedgerError> {
        self.read(ListReadings).await
    }
}

struct RecordReading {
    account: AccountSlug,
    error: Option<String>,
    now: Timestamp,
}

impl Verb for RecordReading {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        let account = account_id(store, &self.account).await?;
        store
            .execute(
                "INSERT INTO account_reading (account_id) VALUES ($1) ON CONFLICT DO NOTHING",
                &[account.into()],
            )
            .await?;
        match &self.error {
            None => {
                store
                    .execute(
                        "UPDATE account_reading SET listed_at = $2, failed_since = NULL, \
                         error = NULL WHERE account_id = $1",
                        &[account.into(), self.now.into()],
                    )
                    .await?;
            }
            Some(error) => {
                store
                    .execute(
                        "UPDATE account_reading SET error = $3, \
                         failed_since = COALESCE(failed_since, $2) WHERE account_id = $1",
                        &[
                            account.into(),
                            self.now.into(),
                            Value::optional_text(Some(error.as_str())),
                        ],
                    )
                    .await?;
            }
        }
        Ok(())
    }
}

struct ListReadings;

impl Verb for ListReadings {
    type Answer = Vec<AccountReading>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<AccountReading>, LedgerError> {
        let rows = store
            .rows(
                "SELECT a.slug, r.listed_at, r.failed_since, r.error FROM account a \
                 LEFT JOIN account_reading r ON r.account_id = a.id ORDER BY a.slug",
                &[],
            )
            .await?;
        let reading = |mut row: Row| {
            Ok(AccountReading {
                account: row.slug()?,
                listed_at: row.optional_time()?,
                failed_since: row.optional_time()?,
                error: row.optional_text()?,
            })
        };
        rows.into_iter().map(reading).collect()
    }
}
