//! Receivers: where the client of a campaign, or of a whole account, wants its results told. Each is
//! a destination that takes only what names it; campaigns of one account with one address share one.

use std::collections::HashMap;

use url::Url;
use uuid::Uuid;

use crate::domain::destination::Destination;
use crate::domain::ids::AccountSlug;
use crate::ledger::destinations::{account_list, insert, remove};
use crate::ledger::identity::{account_id, campaign_id};
use crate::ledger::journal::{self, JournalEntry};
use crate::ledger::statements::{Row, Statements, Value, Verb, placeholders};
use crate::ledger::{Ledger, LedgerError};

/// Who names a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    Campaign(Uuid),
    /// A campaign that its home is being asked to make. It takes the receiver over when it is met.
    NewCampaign(AccountSlug, String),
    Account(AccountSlug),
}

/// How long a campaign that was to be made may take to be met.
const INTENDED_FOR_S: i64 = 86_400;

impl Ledger {
    /// Names a receiver, or none. One that nobody names any more is removed when nothing waits for it.
    ///
    /// # Errors
    /// `Missing` when there is no such campaign or account; `Conflict` when there are too many
    /// destinations.
    pub async fn name_receiver(
        &self,
        names: Names,
        receiver: Option<Destination>,
        entry: JournalEntry,
    ) -> Result<(), LedgerError> {
        self.write(NameReceiver { names, receiver, entry }).await
    }

    /// The addresses of the receivers that these campaigns name.
    pub async fn receivers(&self, campaigns: Vec<Uuid>) -> Result<HashMap<Uuid, Url>, LedgerError> {
        self.read(Receivers { campaigns }).await
    }

    /// The address of the receiver that an account names.
    pub async fn account_receiver(&self, account: AccountSlug) -> Result<Option<Url>, LedgerError> {
        self.read(AccountReceiver { account }).await
    }
}

/// The campaign is met for the first time: it names the receiver that was meant for it.
pub(super) async fn bind_intended<S: Statements>(
    store: &mut S,
    account: i64,
    (campaign, name): (i64, &str),
) -> Result<(), LedgerError> {
    let sql = "DELETE FROM intended_receiver WHERE account_id = $1 AND name = $2 \
               RETURNING receiver_id";
    if let Some(mut row) = store.row(sql, &[account.into(), Value::key(name)]).await? {
        let sql = "UPDATE campaign SET receiver_id = $2 WHERE id = $1";
        store.execute(sql, &[campaign.into(), row.int()?.into()]).await?;
    }
    Ok(())
}

struct NameReceiver {
    names: Names,
    receiver: Option<Destination>,
    entry: JournalEntry,
}

impl Verb for NameReceiver {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        let receiver = match &self.receiver {
            Some(receiver) => Some(self.insert_or_get(store, receiver).await?),
            None => None,
        };
        let before = match &self.names {
            Names::Campaign(uuid) => {
                let campaign = campaign_id(store, *uuid).await?;
                // How it stands is taken before its row (`turns.rs`).
                journal::append(store, Some(campaign), &self.entry).await?;
                replace(store, "campaign", campaign, receiver).await?
            }
            Names::Account(slug) => {
                let account = account_id(store, slug).await?;
                journal::append(store, None, &self.entry).await?;
                replace(store, "account", account, receiver).await?
            }
            Names::NewCampaign(slug, name) => {
                let account = account_id(store, slug).await?;
                journal::append(store, None, &self.entry).await?;
                self.intend(store, (account, name), receiver).await?
            }
        };
        if let Some(before) = before.filter(|before| Some(*before) != receiver) {
            self.release(store, before).await?;
        }
        Ok(())
    }
}

impl NameReceiver {
    async fn insert_or_get<S: Statements>(
        &self,
        store: &mut S,
        receiver: &Destination,
    ) -> Result<i64, LedgerError> {
        let sql = "SELECT id FROM destination WHERE is_receiver AND shape = $1 AND url = $2 \
                   AND accounts = $3 AND state <> 'removed'";
        let parameters = [
            receiver.shape.as_str().into(),
            receiver.url.as_str().into(),
            account_list(&receiver.filter.accounts),
        ];
        match store.row(sql, &parameters).await? {
            Some(mut known) => known.int(),
            None => insert(store, receiver, self.entry.at).await,
        }
    }

    /// Answers what was meant before.
    async fn intend<S: Statements>(
        &self,
        store: &mut S,
        (account, name): (i64, &str),
        receiver: Option<i64>,
    ) -> Result<Option<i64>, LedgerError> {
        let oldest = self.entry.at.as_microsecond() - INTENDED_FOR_S * 1_000_000;
        store.execute("DELETE FROM intended_receiver WHERE at < $1", &[oldest.into()]).await?;
        let sql = "DELETE FROM intended_receiver WHERE account_id = $1 AND name = $2 \
                   RETURNING receiver_id";
        let before = store.row(sql, &[account.into(), Value::key(name)]).await?;
        if let Some(receiver) = receiver {
            let sql = "INSERT INTO intended_receiver (account_id, name, receiver_id, at) \
                       VALUES ($1, $2, $3, $4)";
            let at: Value = self.entry.at.into();
            store.execute(sql, &[account.into(), Value::key(name), receiver.into(), at]).await?;
        }
        before.map(|mut row| row.int()).transpose()
    }

    /// Removes a receiver that nobody names and nothing waits for.
    async fn release<S: Statements>(&self, store: &mut S, id: i64) -> Result<(), LedgerError> {
        let sql = "SELECT uuid FROM destination n WHERE id = $1 AND is_receiver \
                   AND created_total = delivered_total + dead_total \
                   AND NOT EXISTS (SELECT 1 FROM campaign c WHERE c.receiver_id = n.id) \
                   AND NOT EXISTS (SELECT 1 FROM account a WHERE a.receiver_id = n.id) \
                   AND NOT EXISTS (SELECT 1 FROM intended_receiver i WHERE i.receiver_id = n.id)";
        match store.row(sql, &[id.into()]).await? {
            Some(mut row) => remove(store, row.uuid()?, "nothing names it").await,
            None => Ok(()),
        }
    }
}

/// Answers what was named before. `table` is one of ours.
async fn replace<S: Statements>(
    store: &mut S,
    table: &str,
    id: i64,
    receiver: Option<i64>,
) -> Result<Option<i64>, LedgerError> {
    let sql = format!("SELECT receiver_id FROM {table} WHERE id = $1{}", S::ROW_LOCK);
    let before = store.row(&sql, &[id.into()]).await?;
    let before = before.map_or(Ok(None), |mut row| row.optional_int())?;
    let sql = format!("UPDATE {table} SET receiver_id = $2 WHERE id = $1");
    store.execute(&sql, &[id.into(), receiver.into()]).await?;
    Ok(before)
}

struct Receivers {
    campaigns: Vec<Uuid>,
}

impl Verb for Receivers {
    type Answer = HashMap<Uuid, Url>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Self::Answer, LedgerError> {
        let mut found = HashMap::new();
        for some in self.campaigns.chunks(NAMED_AT_ONCE) {
            let sql = format!(
                "SELECT c.uuid, n.url FROM campaign c JOIN destination n ON n.id = c.receiver_id \
                 WHERE n.state <> 'removed' AND c.uuid IN ({})",
                placeholders(1, some.len())
            );
            let parameters: Vec<Value> = some.iter().map(|uuid| (*uuid).into()).collect();
            for mut row in store.rows(&sql, &parameters).await? {
                found.insert(row.uuid()?, address(&mut row)?);
            }
        }
        Ok(found)
    }
}

/// Campaigns that one statement names.
const NAMED_AT_ONCE: usize = 500;

struct AccountReceiver {
    account: AccountSlug,
}

impl Verb for AccountReceiver {
    type Answer = Option<Url>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Option<Url>, LedgerError> {
        let sql = "SELECT n.url FROM account a JOIN destination n ON n.id = a.receiver_id \
                   WHERE n.state <> 'removed' AND a.slug = $1";
        let row = store.row(sql, &[(&self.account).into()]).await?;
        row.map(|mut row| address(&mut row)).transpose()
    }
}

fn address(row: &mut Row) -> Result<Url, LedgerError> {
    Url::parse(&row.text()?).map_err(|_| row.corrupt("an address"))
}
