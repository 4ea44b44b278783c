//! Where people's phone numbers stand in the ledger, and taking one out of all of it.
//!
//! A number may stand in any text that came from a platform or a client. So every such column is
//! looked through, row by row, and what is found is replaced by a token: rows and counts stay. The
//! caller says what a text becomes; what is looked for never gets here as SQL.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::ids::AccountSlug;
use crate::ledger::journal::{self, JournalEntry};
use crate::ledger::outcomes::refresh_contact;
use crate::ledger::statements::{Statements, Value, Verb, placeholders};
use crate::ledger::{Ledger, LedgerError};

/// Rows that are looked through at a time.
const AT_ONCE: i64 = 500;

/// What a text becomes without the number; None when it is not there.
pub type Mask = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A table whose texts may hold numbers.
struct Place {
    /// As an operator knows it.
    name: &'static str,
    table: &'static str,
    columns: &'static [&'static str],
    /// The account of a row `x`.
    account: &'static str,
    /// What is set besides when a row is masked.
    also: &'static str,
}

const PLACES: [Place; 8] = [
    Place {
        name: "contacts",
        table: "contact",
        columns: &["reference", "label", "data"],
        account: "(SELECT c.home_id FROM campaign c WHERE c.id = x.campaign_id)",
        also: "",
    },
    Place {
        name: "attempts",
        table: "attempt",
        columns: &["contact_reference", "called", "caller", "native_code", "recording", "raw"],
        account: "x.account_id",
        also: ", erased_at = COALESCE(erased_at, $2)",
    },
    Place {
        name: "events",
        table: "event",
        columns: &["body", "raw"],
        account: "x.account_id",
        also: "",
    },
    Place { name: "pushes", table: "inbox", columns: &["body"], account: "x.account_id", also: "" },
    Place {
        name: "quarantine",
        table: "quarantine",
        columns: &["body"],
        account: "x.account_id",
        also: "",
    },
    Place {
        name: "documents",
        table: "object",
        columns: &["name", "document", "base"],
        account: "x.account_id",
        also: "",
    },
    Place {
        name: "jobs",
        table: "job",
        columns: &["input", "checkpoint", "error", "answer"],
        account: "x.account_id",
        also: "",
    },
    Place {
        name: "campaigns",
        table: "campaign",
        columns: &["name", "name_folded", "document"],
        account: "x.home_id",
        also: "",
    },
];

/// What was found or taken out, by place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traced {
    pub rows: BTreeMap<&'static str, u64>,
    /// Campaigns whose contacts or attempts had it.
    pub campaigns: Vec<(Uuid, AccountSlug)>,
    /// Destinations that were told of it.
    pub destinations: Vec<String>,
}

impl Ledger {
    /// Looks through everything that belongs to these accounts. With `erase`, what is found is
    /// replaced, in many transactions; when it fails half-way, it is to be asked for again.
    pub async fn trace(
        &self,
        accounts: &[AccountSlug],
        mask: &Mask,
        erase: Option<Timestamp>,
    ) -> Result<Traced, LedgerError> {
        let mut traced = Traced::default();
        let places = (0..PLACES.len()).map(Where::Place);
        for at in places.chain([Where::ContactNumbers, Where::KeptAnswers]) {
            let mut after = Some(0);
            while let Some(from) = after {
                let accounts = accounts.to_vec();
                let mask = Arc::clone(mask);
                let step = Step { at, accounts, from, mask, erase };
                let found = match erase {
                    Some(_) => self.write(step).await?,
                    None => self.read(step).await?,
                };
                if found.rows > 0 {
                    *traced.rows.entry(at.name()).or_default() += found.rows;
                }
                traced.campaigns.extend(found.campaigns);
                traced.destinations.extend(found.destinations);
                after = found.next;
            }
        }
        traced.campaigns.sort();
        traced.campaigns.dedup();
        traced.destinations.sort();
        traced.destinations.dedup();
        Ok(traced)
    }

    /// Keeps that a number was erased, by its keyed hash.
    pub async fn suppress(
        &self,
        hash: String,
        reason: String,
        entry: JournalEntry,
    ) -> Result<(), LedgerError> {
        self.write(Suppress { hash, reason, entry }).await
    }

    /// When the number with this keyed hash was erased.
    pub async fn suppressed_at(&self, hash: String) -> Result<Option<Timestamp>, LedgerError> {
        self.read(SuppressedAt { hash }).await
    }
}

#[derive(Clone, Copy)]
enum Where {
    Place(usize),
    ContactNumbers,
    /// Answers that are kept for requests with a key; they belong to clients, not to accounts.
    KeptAnswers,
}

impl Where {
    fn name(self) -> &'static str {
        match self {
            Where::Place(place) => PLACES[place].name,
            Where::ContactNumbers => "contact numbers",
            Where::KeptAnswers => "kept answers",
        }
    }
}

struct Step {
    at: Where,
    accounts: Vec<AccountSlug>,
    /// Rows behind this one.
    from: i64,
    mask: Mask,
    erase: Option<Timestamp>,
}

#[derive(Default)]
struct Found {
    rows: u64,
    campaigns: Vec<(Uuid, AccountSlug)>,
    destinations: Vec<String>,
    /// The last row that was looked at; None at the end.
    next: Option<i64>,
}

impl Verb for Step {
    type Answer = Found;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Found, LedgerError> {
        match self.at {
            Where::Place(place) => self.look_through(store, &PLACES[place]).await,
            Where::ContactNumbers => self.contact_numbers(store).await,
            Where::KeptAnswers => self.kept_answers(store).await,
        }
    }
}

impl Step {
    /// `IN (…)` with the accounts' ids, and the parameters before which two others stand.
    fn of_accounts(&self) -> (String, Vec<Value>) {
        let mut parameters: Vec<Value> = vec![self.from.into(), AT_ONCE.into()];
        parameters.extend(self.accounts.iter().map(Value::from));
        let slugs = match self.accounts.len() {
            0 => "''".to_owned(),
            count => placeholders(3, count),
        };
        (format!("IN (SELECT id FROM account WHERE slug IN ({slugs}))"), parameters)
    }

    async fn look_through<S: Statements>(
        &self,
        store: &mut S,
        place: &Place,
    ) -> Result<Found, LedgerError> {
        let (of_accounts, parameters) = self.of_accounts();
        let sql = format!(
            "SELECT x.id, {} FROM {} x WHERE x.id > $1 AND {} {of_accounts} ORDER BY x.id LIMIT $2",
            place.columns.join(", "),
            place.table,
            place.account,
        );
        let rows = store.rows(&sql, &parameters).await?;
        let is_last = i64::try_from(rows.len()).unwrap_or(0) < AT_ONCE;
        let mut found = Found::default();
        for mut row in rows {
            let number = row.int()?;
            found.next = Some(number).filter(|_| !is_last);
            let mut changed = Vec::new();
            for column in place.columns {
                let text = row.optional_text()?;
                if let Some(masked) = text.as_deref().and_then(|text| self.masked(place, text)) {
                    changed.push((*column, masked));
                }
            }
            if changed.is_empty() {
                continue;
            }
            found.rows += 1;
            if matches!(place.table, "contact" | "attempt") {
                let id = format!("(SELECT campaign_id FROM {} WHERE id = $1)", place.table);
                found.campaigns.extend(campaign(store, &id, number).await?);
            }
            found.destinations.extend(told(store, place, number).await?);
            if let Some(now) = self.erase {
                replace(store, place, number, &changed, now).await?;
            }
        }
        Ok(found)
    }

    async fn contact_numbers<S: Statements>(&self, store: &mut S) -> Result<Found, LedgerError> {
        let (of_accounts, parameters) = self.of_accounts();
        let sql = format!(
            "SELECT x.contact_id, x.place, x.number FROM contact_number x WHERE x.contact_id IN \
             (SELECT p.id FROM contact p JOIN campaign c ON c.id = p.campaign_id WHERE p.id > $1 \
             AND c.home_id {of_accounts} ORDER BY p.id LIMIT $2) ORDER BY x.contact_id"
        );
        let mut found = Found::default();
        for mut row in store.rows(&sql, &parameters).await? {
            let (contact, place, number) = (row.int()?, row.int()?, row.text()?);
            found.next = Some(contact);
            let Some(masked) = (self.mask)(&number) else { continue };
            found.rows += 1;
            let id = "(SELECT campaign_id FROM contact WHERE id = $1)";
            found.campaigns.extend(campaign(store, id, contact).await?);
            if self.erase.is_some() {
                let sql = "UPDATE contact_number SET number = $3 \
                           WHERE contact_id = $1 AND place = $2";
                let parameters = [contact.into(), place.into(), masked.as_str().into()];
                store.execute(sql, &parameters).await?;
            }
        }
        Ok(found)
    }

    async fn kept_answers<S: Statements>(&self, store: &mut S) -> Result<Found, LedgerError> {
        let sql = "SELECT client, request_key, body FROM idempotency WHERE body IS NOT NULL";
        let mut found = Found::default();
        for mut row in store.rows(sql, &[]).await? {
            let (client, key, body) = (row.text()?, row.text()?, row.text()?);
            let Some(masked) = (self.mask)(&body) else { continue };
            found.rows += 1;
            if self.erase.is_some() {
                let sql = "UPDATE idempotency SET body = $3 WHERE client = $1 AND request_key = $2";
                let parameters =
                    [client.as_str().into(), key.as_str().into(), masked.as_str().into()];
                store.execute(sql, &parameters).await?;
            }
        }
        Ok(found)
    }

    /// Bodies that are no text are kept as hexadecimal digits.
    fn masked(&self, place: &Place, text: &str) -> Option<String> {
        if place.name == "quarantine"
            && let Some(bytes) = super::quarantine::from_hex(text)
        {
            let masked = (self.mask)(&String::from_utf8_lossy(&bytes))?;
            return Some(super::quarantine::in_hex(masked.as_bytes()));
        }
        (self.mask)(text)
    }
}

async fn replace<S: Statements>(
    store: &mut S,
    place: &Place,
    number: i64,
    changed: &[(&str, String)],
    now: Timestamp,
) -> Result<(), LedgerError> {
    let mut parameters: Vec<Value> = vec![number.into()];
    if !place.also.is_empty() {
        parameters.push(now.into());
    }
    let mut set = Vec::new();
    for (column, masked) in changed {
        parameters.push(masked.as_str().into());
        set.push(format!("{column} = ${}", parameters.len()));
    }
    let sql = format!("UPDATE {} SET {}{} WHERE id = $1", place.table, set.join(", "), place.also);
    let renamed = changed.iter().find(|(column, _)| *column == "contact_reference");
    let Some((_, masked)) = renamed else {
        store.execute(&sql, &parameters).await?;
        return Ok(());
    };
    // How far the contact is stands under its reference.
    let before = "SELECT campaign_id, contact_reference FROM attempt WHERE id = $1";
    let before = store.row(before, &[number.into()]).await?;
    store.execute(&sql, &parameters).await?;
    if let Some(mut before) = before {
        let (campaign, reference) = (before.int()?, before.text()?);
        refresh_contact(store, campaign, &reference).await?;
        refresh_contact(store, campaign, masked).await?;
    }
    Ok(())
}

async fn campaign<S: Statements>(
    store: &mut S,
    id: &str,
    number: i64,
) -> Result<Option<(Uuid, AccountSlug)>, LedgerError> {
    let sql = format!(
        "SELECT c.uuid, a.slug FROM campaign c JOIN account a ON a.id = c.home_id WHERE c.id = {id}"
    );
    let row = store.row(&sql, &[number.into()]).await?;
    row.map(|mut row| Ok((row.uuid()?, row.slug()?))).transpose()
}

/// Who has been told of an event, or may have been.
async fn told<S: Statements>(
    store: &mut S,
    place: &Place,
    number: i64,
) -> Result<Vec<String>, LedgerError> {
    if place.table != "event" {
        return Ok(Vec::new());
    }
    let sql = "SELECT DISTINCT n.name FROM delivery d JOIN destination n ON \
               n.id = d.destination_id WHERE d.event_id = $1 AND (d.tries > 0 OR d.is_leased \
               OR d.state = 'delivered')";
    let rows = store.rows(sql, &[number.into()]).await?;
    rows.into_iter().map(|mut row| row.text()).collect()
}

struct Suppress {
    hash: String,
    reason: String,
    entry: JournalEntry,
}

impl Verb for Suppress {
    type Answer = ();

    async fn run<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        let sql = "INSERT INTO suppression (hash, reason, at) VALUES ($1, $2, $3) \
                   ON CONFLICT (hash) DO UPDATE SET at = $3, reason = $2";
        let parameters =
            [self.hash.as_str().into(), self.reason.as_str().into(), self.entry.at.into()];
        store.execute(sql, &parameters).await?;
        journal::append(store, None, &self.entry).await.map(drop)
    }
}

struct SuppressedAt {
    hash: String,
}

impl Verb for SuppressedAt {
    type Answer = Option<Timestamp>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Option<Timestamp>, LedgerError> {
        let sql = "SELECT at FROM suppression WHERE hash = $1";
        store.row(sql, &[self.hash.as_str().into()]).await?.map(|mut row| row.time()).transpose()
    }
}
