//! Destinations: where results are passed on to, and what became of it in numbers.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use url::Url;
use uuid::Uuid;

use crate::domain::call::Disposition;
use crate::domain::destination::{
    Destination, DestinationFilter, DestinationState, OldSecret, SecretVersions,
};
use crate::domain::ids::AccountSlug;
use crate::ledger::journal::{self, JournalEntry};
use crate::ledger::statements::{Row, Statements, Value, Verb};
use crate::ledger::{Ledger, LedgerError};

/// Destinations that a ledger holds at most; those that were removed take no place.
pub const MAX_DESTINATIONS: i64 = 1000;

/// A destination with its books: created = delivered + dead + pending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationRow {
    pub destination: Destination,
    pub created_at: Timestamp,
    pub created: u64,
    pub delivered: u64,
    pub dead: u64,
}

/// What is done to a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DestinationChange {
    State {
        state: DestinationState,
        reason: Option<String>,
    },
    /// Of the version that follows the present one.
    Secret(SecretVersions),
    /// What an operator sets; its id, secret, state and what waits for it stay.
    Settings(Box<DestinationSettings>),
}

/// What is to be otherwise. None stays as it is then, whoever set it meanwhile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DestinationSettings {
    pub url: Option<Url>,
    pub accounts: Option<Vec<AccountSlug>>,
    pub campaigns: Option<Vec<Uuid>>,
    pub dispositions: Option<Vec<Disposition>>,
    /// None inside: as fast as it takes them.
    pub rate_per_s: Option<Option<u32>>,
    pub concurrency: Option<u32>,
    pub retry_waits_s: Option<Vec<u32>>,
    pub requires_receipt: Option<bool>,
}

impl DestinationChange {
    fn is_removal(&self) -> bool {
        matches!(self, Self::State { state: DestinationState::Removed, .. })
    }
}

impl DestinationRow {
    pub fn pending(&self) -> u64 {
        self.created.saturating_sub(self.delivered + self.dead)
    }
}

impl Ledger {
    /// # Errors
    /// `Conflict` when the name is taken, or there are [`MAX_DESTINATIONS`] already.
    pub async fn add_destination(
        &self,
        destination: Destination,
        entry: JournalEntry,
    ) -> Result<(), LedgerError> {
        self.write(Add { destination, entry }).await
    }

    /// All of them but those that were removed, by name.
    pub async fn destinations(&self) -> Result<Vec<DestinationRow>, LedgerError> {
        self.read(List).await
    }

    /// When the oldest pending delivery of each destination came to be that has one. It walks over all
    /// that is pending.
    pub async fn oldest_pending(&self) -> Result<HashMap<Uuid, Timestamp>, LedgerError> {
        self.read(OldestPending).await
    }

    /// Changes a destination, with a line in the journal. What waits for one that is removed is a dead
    /// letter.
    ///
    /// # Errors
    /// `Missing` when there is none of that id, or it was removed; `Conflict` when another secret was made
    /// meanwhile.
    pub async fn change_destination(
        &self,
        uuid: Uuid,
        change: DestinationChange,
        entry: JournalEntry,
    ) -> Result<(), LedgerError> {
        let (now, is_removed) = (entry.at, change.is_removal());
        self.write(Change { uuid, what: change, entry }).await?;
        if is_removed && let Err(error) = self.abandon_removed(now).await {
            // It is removed; whoever sends deliveries ends what is left.
            tracing::warn!(%error, "not all that waits for a removed destination is ended yet");
        }
        Ok(())
    }
}

struct Add {
    destination: Destination,
    entry: JournalEntry,
}

impl Verb for Add {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        insert(store, &self.destination, self.entry.at).await?;
        journal::append(store, None, &self.entry).await.map(drop)
    }
}

/// Answers its surrogate.
pub(super) async fn insert<S: Statements>(
    store: &mut S,
    it: &Destination,
    now: Timestamp,
) -> Result<i64, LedgerError> {
    let row = store.row("SELECT COUNT(*) FROM destination WHERE state <> 'removed'", &[]).await?;
    let there = row.map_or(Ok(0), |mut row| row.int())?;
    if there >= MAX_DESTINATIONS {
        return Err(LedgerError::Conflict("there are too many destinations".to_owned()));
    }
    let sql = "INSERT INTO destination (uuid, name, shape, url, accounts, campaigns, \
               dispositions, is_ordered, rate_per_s, concurrency, retry_waits_s, key_version, \
               secret_version, state, created_at, is_receiver, requires_receipt, created_total, \
               delivered_total, dead_total) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, \
               $12, $13, $14, $15, $16, $17, 0, 0, 0) ON CONFLICT DO NOTHING";
    let parameters = [
        it.uuid.into(),
        it.name.as_str().into(),
        it.shape.as_str().into(),
        it.url.as_str().into(),
        account_list(&it.filter.accounts),
        list(&it.filter.campaigns),
        disposition_list(&it.filter.dispositions),
        it.is_ordered.into(),
        it.rate_per_s.map(i64::from).into(),
        i64::from(it.concurrency).into(),
        list(&it.retry_waits_s),
        i64::from(it.secret.key).into(),
        i64::from(it.secret.version).into(),
        it.state.as_str().into(),
        now.into(),
        it.is_receiver.into(),
        it.requires_receipt.into(),
    ];
    let id = store.insert(sql, &parameters).await?;
    id.ok_or_else(|| LedgerError::Conflict("another destination has this name".to_owned()))
}

/// The accounts that it takes from, as its column holds them.
pub(super) fn account_list(accounts: &[AccountSlug]) -> Value {
    list(&accounts.iter().map(AccountSlug::as_str).collect::<Vec<_>>())
}

fn disposition_list(dispositions: &[Disposition]) -> Value {
    list(&dispositions.iter().map(|disposition| disposition.as_str()).collect::<Vec<_>>())
}

fn list<T: Serialize>(items: &[T]) -> Value {
    let text = serde_json::to_string(items).unwrap_or_else(|_| "[]".to_owned());
    Value::from(text.as_str())
}

struct List;

impl Verb for List {
    type Answer = Vec<DestinationRow>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<DestinationRow>, LedgerError> {
        let sql = "SELECT uuid, name, shape, url, accounts, campaigns, dispositions, is_ordered, \
                   rate_per_s, concurrency, retry_waits_s, key_version, secret_version, \
                   old_secrets, state, reason, is_receiver, requires_receipt, created_at, \
                   created_total, delivered_total, dead_total FROM destination WHERE state <> 'removed' \
                   ORDER BY name";
        let mut readable = Vec::new();
        for mut row in store.rows(sql, &[]).await? {
            match read(&mut row) {
                Ok(row) => readable.push(row),
                // What it is to get waits; the others are none the worse.
                Err(LedgerError::Corrupt(why)) => {
                    tracing::error!(
                        why,
                        "a stored destination cannot be read; nothing is sent there"
                    );
                }
                Err(error) => return Err(error),
            }
        }
        Ok(readable)
    }
}

struct OldestPending;

impl Verb for OldestPending {
    type Answer = HashMap<Uuid, Timestamp>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Self::Answer, LedgerError> {
        let sql = "SELECT n.uuid, MIN(d.created_at) FROM delivery d JOIN destination n \
                   ON n.id = d.destination_id WHERE d.state = 'pending' GROUP BY n.uuid";
        let read = |mut row: Row| Ok((row.uuid()?, row.time()?));
        store.rows(sql, &[]).await?.into_iter().map(read).collect()
    }
}

fn read(row: &mut Row) -> Result<DestinationRow, LedgerError> {
    let destination = Destination {
        uuid: row.uuid()?,
        name: row.text()?,
        shape: row.text()?,
        url: Url::parse(&row.text()?).map_err(|_| row.corrupt("an address"))?,
        filter: read_filter(row)?,
        is_ordered: row.bool()?,
        rate_per_s: row.optional_int()?.map(|rate| small(row, rate)).transpose()?,
        concurrency: {
            let most = row.int()?;
            small(row, most)?
        },
        retry_waits_s: read_list(row)?,
        secret: SecretVersions {
            key: {
                let key = row.int()?;
                small(row, key)?
            },
            version: {
                let version = row.int()?;
                small(row, version)?
            },
            old: read_secrets(row)?,
        },
        state: DestinationState::from_term(&row.text()?).ok_or_else(|| row.corrupt("a state"))?,
        reason: row.optional_text()?,
        is_receiver: row.bool()?,
        requires_receipt: row.bool()?,
    };
    Ok(DestinationRow {
        destination,
        created_at: row.time()?,
        created: row.count()?,
        delivered: row.count()?,
        dead: row.count()?,
    })
}

/// Three columns: accounts, campaigns, dispositions.
pub(super) fn read_filter(row: &mut Row) -> Result<DestinationFilter, LedgerError> {
    let accounts: Vec<String> = read_list(row)?;
    let accounts = accounts.iter().map(|slug| AccountSlug::new(slug));
    let accounts =
        accounts.collect::<Result<_, _>>().map_err(|_| row.corrupt("a list of accounts"))?;
    let campaigns = read_list(row)?;
    let dispositions: Vec<String> = read_list(row)?;
    let dispositions = dispositions.iter().map(|term| Disposition::from_term(term));
    let dispositions = dispositions.collect::<Option<_>>();
    let dispositions = dispositions.ok_or_else(|| row.corrupt("a list of dispositions"))?;
    Ok(DestinationFilter { accounts, campaigns, dispositions })
}

fn read_list<T: DeserializeOwned>(row: &mut Row) -> Result<Vec<T>, LedgerError> {
    let text = row.text()?;
    let list = serde_json::from_str::<Json>(&text).and_then(serde_json::from_value);
    list.map_err(|_| row.corrupt("a list"))
}

/// A secret that still signs, as its column holds it.
#[derive(Serialize, Deserialize)]
struct Kept {
    key: u32,
    version: u32,
    until_us: i64,
}

fn secret_list(secrets: &[OldSecret]) -> Value {
    let kept = |old: &OldSecret| {
        let OldSecret { key, version, until } = *old;
        Kept { key, version, until_us: until.as_microsecond() }
    };
    list(&secrets.iter().map(kept).collect::<Vec<_>>())
}

fn read_secrets(row: &mut Row) -> Result<Vec<OldSecret>, LedgerError> {
    let kept: Vec<Kept> = read_list(row)?;
    let read = |Kept { key, version, until_us }| {
        let until = Timestamp::from_microsecond(until_us).ok()?;
        Some(OldSecret { key, version, until })
    };
    kept.into_iter()
        .map(read)
        .collect::<Option<_>>()
        .ok_or_else(|| row.corrupt("a list of secrets"))
}

fn small(row: &Row, number: i64) -> Result<u32, LedgerError> {
    u32::try_from(number).map_err(|_| row.corrupt("a small number"))
}

/// Answers how many were changed.
async fn set_state<S: Statements>(
    store: &mut S,
    uuid: Uuid,
    state: DestinationState,
    reason: Option<&str>,
) -> Result<u64, LedgerError> {
    // The name of one that is taken away may be given again.
    let sql = "UPDATE destination SET state = $2, reason = $3, name = CASE WHEN \
               $2 = 'removed' THEN name || '.' || id ELSE name END \
               WHERE uuid = $1 AND state <> 'removed'";
    let parameters = [uuid.into(), state.as_str().into(), Value::optional_text(reason)];
    store.execute(sql, &parameters).await
}

/// Answers how many were changed.
async fn set<S: Statements>(
    store: &mut S,
    uuid: Uuid,
    settings: &DestinationSettings,
) -> Result<u64, LedgerError> {
    let DestinationSettings { url, accounts, campaigns, dispositions, .. } = settings;
    let named = [
        ("url", url.as_ref().map(|url| url.as_str().into())),
        ("accounts", accounts.as_deref().map(account_list)),
        ("campaigns", campaigns.as_deref().map(list)),
        ("dispositions", dispositions.as_deref().map(disposition_list)),
        ("rate_per_s", settings.rate_per_s.map(|rate| rate.map(i64::from).into())),
        ("concurrency", settings.concurrency.map(|most| i64::from(most).into())),
        ("retry_waits_s", settings.retry_waits_s.as_deref().map(list)),
        ("requires_receipt", settings.requires_receipt.map(Value::from)),
    ];
    // Only what is named is written, so that two who name different members do not undo each other.
    let (mut changes, mut parameters) = (vec!["uuid = $1".to_owned()], vec![Value::from(uuid)]);
    for (column, value) in named {
        let Some(value) = value else { continue };
        parameters.push(value);
        changes.push(format!("{column} = ${}", parameters.len()));
    }
    let sql = format!(
        "UPDATE destination SET {} WHERE uuid = $1 AND state <> 'removed'",
        changes.join(", ")
    );
    store.execute(&sql, &parameters).await
}

/// Takes a destination away for which nothing waits.
pub(super) async fn remove<S: Statements>(
    store: &mut S,
    uuid: Uuid,
    reason: &str,
) -> Result<(), LedgerError> {
    set_state(store, uuid, DestinationState::Removed, Some(reason)).await.map(drop)
}

struct Change {
    uuid: Uuid,
    what: DestinationChange,
    entry: JournalEntry,
}

impl Verb for Change {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        let changed = match &self.what {
            DestinationChange::State { state, reason } => {
                set_state(store, self.uuid, *state, reason.as_deref()).await?
            }
            DestinationChange::Secret(secret) => {
                let sql = "UPDATE destination SET key_version = $2, secret_version = $3, \
                           old_secrets = $4 WHERE uuid = $1 AND state <> 'removed' \
                           AND secret_version = $3 - 1";
                let parameters = [
                    self.uuid.into(),
                    i64::from(secret.key).into(),
                    i64::from(secret.version).into(),
                    secret_list(&secret.old),
                ];
                store.execute(sql, &parameters).await?
            }
            DestinationChange::Settings(settings) => set(store, self.uuid, settings).await?,
        };
        if changed == 0 {
            let sql = "SELECT id FROM destination WHERE uuid = $1 AND state <> 'removed'";
            if store.row(sql, &[self.uuid.into()]).await?.is_some() {
                let why = "another secret was made meanwhile; look at it and ask again";
                return Err(LedgerError::Conflict(why.to_owned()));
            }
            return Err(LedgerError::Missing("destination"));
        }
        journal::append(store, None, &self.entry).await.map(drop)
    }
}
