//! Where people's phone numbers stand in the ledger, and taking one out of all of it.
//!
//! A number may stand in any text that came from a platform or a client. So every such text is looked
//! through (`places` has the list), and what is found is replaced by a token: rows and counts stay. The
//! caller says what a text becomes; what is looked for never gets here as SQL.
//!
//! Readers look; the writer is given only rows that are to be changed, a few at a time, with what they
//! had when they were looked at. A row that has changed since is left alone and looked at again.

mod erased;
mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::ids::AccountSlug;
use crate::ledger::attempts;
use crate::ledger::inbox::Content;
use crate::ledger::progress::Contacts;
use crate::ledger::statements::{Haste, Row, Statements, Value, Verb, placeholders};
use crate::ledger::turns;
use crate::ledger::{Ledger, LedgerError};
pub use erased::Elsewhere;
use erased::KeepElsewhere;
use places::{Also, EXCUSED, Excused, Holds, PLACES, Place};

/// Rows that are looked through at a time, and about how many bytes of them.
const LOOK_ROWS: i64 = 500;
const LOOK_BYTES: i64 = 512 * 1024;
/// Rows that are replaced in one transaction, and about how many bytes of them: others wait behind it.
const REPLACE_ROWS: usize = 32;
const REPLACE_BYTES: usize = 256 * 1024;
/// So often rows are looked at again that change while they are looked at.
const MAX_LOOKS: u32 = 100;

/// A text that is looked through.
#[derive(Clone, Copy)]
pub struct Cell<'a> {
    /// Whose it is; None: nobody's.
    pub account: Option<&'a AccountSlug>,
    pub says: Said<'a>,
}

#[derive(Clone, Copy)]
pub enum Said<'a> {
    /// One number and nothing else, if it is one.
    Number(&'a str),
    Text(&'a str),
    /// Bytes that are no text as they are, and what their sender declared.
    Bytes(&'a [u8], &'a Content),
}

/// What a look at a text brought.
pub enum Seen {
    Nothing,
    /// What the text becomes without the number.
    Masked(String),
    /// It cannot be read.
    Unreadable,
}

pub type Mask = Arc<dyn Fn(Cell<'_>) -> Seen + Send + Sync>;

/// What was found or taken out, by place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traced {
    pub rows: BTreeMap<&'static str, u64>,
    /// Whose contacts, attempts or documents had it, and who was told it.
    pub elsewhere: Elsewhere,
    /// Texts that cannot be read, by place.
    pub unreadable: BTreeMap<&'static str, u64>,
}

impl Traced {
    /// What another look found besides.
    pub fn extend(&mut self, other: Self) {
        for (place, rows) in other.rows {
            *self.rows.entry(place).or_default() += rows;
        }
        self.elsewhere.campaigns.extend(other.elsewhere.campaigns);
        self.elsewhere.destinations.extend(other.elsewhere.destinations);
        // The same texts as the look before.
        self.unreadable = other.unreadable;
    }
}

/// Every column that is looked through, with its table.
pub fn looked_through() -> impl Iterator<Item = (&'static str, &'static str)> {
    let columns =
        |place: &'static Place| place.columns.iter().map(move |column| (place.table, column.name));
    PLACES.iter().flat_map(columns)
}

/// Every column that is not looked through, with its table and the reason.
pub fn excused() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let columns = |excused: &'static Excused| {
        excused.columns.iter().map(move |column| (excused.table, *column, excused.why))
    };
    EXCUSED.iter().flat_map(columns)
}

impl Ledger {
    /// Looks through everything that belongs to these accounts, or to none. With `erase`, what is found
    /// is replaced, in many transactions; when it fails half-way, it is to be asked for again. Where else
    /// the number is, is kept under its hashes first.
    ///
    /// # Errors
    /// `Conflict` when rows change all the time while they are looked at.
    pub async fn trace(
        &self,
        accounts: &[AccountSlug],
        mask: &Mask,
        erase: Option<(&[String], Timestamp)>,
    ) -> Result<Traced, LedgerError> {
        let mut traced = Traced::default();
        for place in &PLACES {
            let (mut after, mut looks) = (None, 0);
            loop {
                let (accounts, mask) = (accounts.to_vec(), Arc::clone(mask));
                let look = Look { place, accounts, after: after.clone(), mask };
                let found = self.read(look).await?;
                let hits = u64::try_from(found.hits.len()).unwrap_or(u64::MAX);
                let replaced = match erase {
                    Some((hashes, now)) => {
                        let (hashes, found_at) = (hashes.to_vec(), found.elsewhere.clone());
                        if found_at != Elsewhere::default() {
                            self.write(KeepElsewhere { hashes, found: found_at }).await?;
                        }
                        self.replace(place, found.hits, now).await?
                    }
                    None => hits,
                };
                if replaced > 0 {
                    *traced.rows.entry(place.name).or_default() += replaced;
                }
                traced.elsewhere.campaigns.extend(found.elsewhere.campaigns);
                traced.elsewhere.destinations.extend(found.elsewhere.destinations);
                if replaced < hits {
                    looks += 1;
                    if looks > MAX_LOOKS {
                        let what = format!("{} change while they are looked through", place.name);
                        return Err(LedgerError::Conflict(what));
                    }
                    continue;
                }
                if found.unreadable > 0 {
                    *traced.unreadable.entry(place.name).or_default() += found.unreadable;
                }
                looks = 0;
                after = found.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(traced)
    }

    /// Columns of text that nobody has said of whether a number may stand there: `table.column`.
    pub async fn unlisted_texts(&self) -> Result<Vec<String>, LedgerError> {
        self.read(Unlisted).await
    }

    /// Accounts that are kept and are not among these.
    pub async fn other_accounts(
        &self,
        accounts: &[AccountSlug],
    ) -> Result<Vec<AccountSlug>, LedgerError> {
        self.read(Others { accounts: accounts.to_vec() }).await
    }

    /// Answers how many rows were as they had been when they were looked at.
    async fn replace(
        &self,
        place: &'static Place,
        hits: Vec<Hit>,
        now: Timestamp,
    ) -> Result<u64, LedgerError> {
        let mut replaced = 0;
        let mut hits = hits.into_iter().peekable();
        while hits.peek().is_some() {
            let (mut few, mut bytes) = (Vec::new(), 0);
            while let Some(hit) =
                hits.next_if(|_| few.len() < REPLACE_ROWS && bytes < REPLACE_BYTES)
            {
                bytes += hit.changes.iter().map(|change| change.before.len()).sum::<usize>();
                few.push(hit);
            }
            replaced += self.write(Replace { place, hits: few, now }).await?;
        }
        Ok(replaced)
    }
}

/// A row that has the number.
struct Hit {
    key: Vec<Value>,
    changes: Vec<Change>,
}

struct Change {
    column: &'static str,
    before: String,
    after: String,
    /// It was packed or in another charset, and is plain text from now on.
    is_unpacked: bool,
}

struct Look {
    place: &'static Place,
    accounts: Vec<AccountSlug>,
    /// The key of the row behind which to look.
    after: Option<Vec<Value>>,
    mask: Mask,
}

#[derive(Default)]
struct Found {
    hits: Vec<Hit>,
    elsewhere: Elsewhere,
    unreadable: u64,
    /// The key of the last row that was looked at; None at the end.
    next: Option<Vec<Value>>,
}

impl Verb for Look {
    type Answer = Found;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Found, LedgerError> {
        let mut found = Found::default();
        let Some((last, is_end)) = self.end(store).await? else { return Ok(found) };
        let columns: Vec<String> = self.place.columns.iter().map(selected).collect();
        let (condition, mut parameters) = self.condition();
        let upto = placeholders(parameters.len() + 1, last.len());
        parameters.extend(last.iter().cloned());
        let Place { table, campaign, .. } = self.place;
        let key = self.key();
        let sql = format!(
            "SELECT {key}, a.slug, c.uuid, h.slug, {} FROM {table} x {} \
             LEFT JOIN campaign c ON c.id = {campaign} LEFT JOIN account h ON h.id = c.home_id \
             WHERE {condition} AND ({key}) <= ({upto}) ORDER BY {key}",
            columns.join(", "),
            self.join(),
        );
        for row in store.rows(&sql, &parameters).await? {
            self.look_at(store, row, &mut found).await?;
        }
        found.next = Some(last).filter(|_| !is_end);
        Ok(found)
    }
}

impl Look {
    /// The key of the last row of this look, and whether none is behind it; None when there is no row.
    async fn end<S: Statements>(
        &self,
        store: &mut S,
    ) -> Result<Option<(Vec<Value>, bool)>, LedgerError> {
        let (condition, mut parameters) = self.condition();
        let key = self.key();
        let lengths = self
            .place
            .columns
            .iter()
            .map(|column| format!("COALESCE(octet_length(x.{}), 0)", column.name));
        let sql = format!(
            "SELECT {key}, CAST({} AS BIGINT) FROM {} x {} WHERE {condition} ORDER BY {key} LIMIT ${}",
            lengths.collect::<Vec<_>>().join(" + "),
            self.place.table,
            self.join(),
            parameters.len() + 1,
        );
        parameters.push(LOOK_ROWS.into());
        let rows = store.rows(&sql, &parameters).await?;
        let count = rows.len();
        let (mut last, mut bytes) = (None, 0);
        for (at, mut row) in rows.into_iter().enumerate() {
            let key = self.read_key(&mut row)?;
            bytes += row.int()?;
            let is_end = at + 1 == count && i64::try_from(count).unwrap_or(LOOK_ROWS) < LOOK_ROWS;
            last = Some((key, is_end));
            if bytes >= LOOK_BYTES {
                break;
            }
        }
        Ok(last)
    }

    fn key(&self) -> String {
        let columns = self.place.key.iter().map(|column| format!("x.{column}"));
        columns.collect::<Vec<_>>().join(", ")
    }

    fn read_key(&self, row: &mut Row) -> Result<Vec<Value>, LedgerError> {
        self.place.key.iter().map(|_| row.value()).collect()
    }

    fn join(&self) -> String {
        format!("LEFT JOIN account a ON a.id = {}", self.place.account)
    }

    /// Rows of the accounts, and of none, behind the last look.
    fn condition(&self) -> (String, Vec<Value>) {
        let mut parameters: Vec<Value> = self.accounts.iter().map(Value::from).collect();
        let mut condition = match self.accounts.len() {
            0 => "a.id IS NULL".to_owned(),
            count => format!("(a.id IS NULL OR a.slug IN ({}))", placeholders(1, count)),
        };
        if let Some(after) = &self.after {
            let first = placeholders(parameters.len() + 1, after.len());
            condition = format!("{condition} AND ({}) > ({first})", self.key());
            parameters.extend(after.iter().cloned());
        }
        (condition, parameters)
    }

    async fn look_at<S: Statements>(
        &self,
        store: &mut S,
        mut row: Row,
        found: &mut Found,
    ) -> Result<(), LedgerError> {
        let key = self.read_key(&mut row)?;
        let account = row.optional_slug()?;
        let (campaign, home) = (row.optional_uuid()?, row.optional_slug()?);
        let mut changes = Vec::new();
        for column in self.place.columns {
            let content = (column.holds == Holds::Body).then(|| read_content(&mut row));
            let content = content.transpose()?.flatten();
            let before = match row.optional_text() {
                Ok(Some(before)) => before,
                Ok(None) => continue,
                Err(_) => {
                    found.unreadable += 1;
                    continue;
                }
            };
            let bytes = content.as_ref().and_then(|_| const_hex::decode(&before).ok());
            let says = match (&content, &bytes) {
                (Some(content), Some(bytes)) => Said::Bytes(bytes, content),
                _ if column.holds == Holds::Number => Said::Number(&before),
                _ => Said::Text(&before),
            };
            let is_unpacked = bytes.is_some();
            match (self.mask)(Cell { account: account.as_ref(), says }) {
                Seen::Nothing => {}
                Seen::Unreadable => found.unreadable += 1,
                Seen::Masked(after) => {
                    changes.push(Change { column: column.name, before, after, is_unpacked });
                }
            }
        }
        if changes.is_empty() {
            return Ok(());
        }
        found.elsewhere.campaigns.extend(campaign.zip(home));
        if let ("event", [Value::Int(event)]) = (self.place.table, key.as_slice()) {
            found.elsewhere.destinations.extend(told(store, *event).await?);
        }
        found.hits.push(Hit { key, changes });
        Ok(())
    }
}

fn selected(column: &places::Column) -> String {
    let name = column.name;
    match column.holds {
        Holds::Number | Holds::Text => format!("x.{name}"),
        Holds::Body => format!("x.encoding, x.content_type, x.content_encoding, x.{name}"),
    }
}

/// What was declared of a body that is kept in hexadecimal digits; None for one that is text.
fn read_content(row: &mut Row) -> Result<Option<Content>, LedgerError> {
    let encoding = row.optional_text()?;
    let content = Content { kind: row.optional_text()?, packing: row.optional_text()? };
    Ok(Some(content).filter(|_| encoding.as_deref() == Some("hex")))
}

/// Who has been told of an event, or may have been.
async fn told<S: Statements>(store: &mut S, event: i64) -> Result<Vec<String>, LedgerError> {
    let sql = "SELECT DISTINCT n.name FROM delivery d JOIN destination n ON \
               n.id = d.destination_id WHERE d.event_id = $1 AND (d.tries > 0 OR d.is_leased \
               OR d.state = 'delivered')";
    let rows = store.rows(sql, &[event.into()]).await?;
    rows.into_iter().map(|mut row| row.text()).collect()
}

struct Replace {
    place: &'static Place,
    hits: Vec<Hit>,
    now: Timestamp,
}

impl Verb for Replace {
    /// Rows that were as they had been when they were looked at.
    type Answer = u64;

    const HASTE: Haste = Haste::Background;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<u64, LedgerError> {
        self.take_turns(store).await?;
        let mut replaced = 0;
        let mut contacts = Contacts::default();
        for hit in &self.hits {
            let (sql, parameters) = self.update(hit);
            if store.execute(&sql, &parameters).await? == 0 {
                continue;
            }
            replaced += 1;
            let renamed = hit.changes.iter().find(|change| change.column == "contact_reference");
            if let Some(Change { before, after, .. }) = renamed {
                // How far a contact is stands under its reference.
                let of = "SELECT campaign_id, uuid FROM attempt WHERE id = $1";
                let of = store.row(of, &hit.key).await?;
                let mut of = of.ok_or(LedgerError::Missing("attempt"))?;
                let (campaign, uuid) = (of.int()?, of.uuid()?);
                let row = attempts::find(store, uuid).await?;
                let mut row = row.ok_or(LedgerError::Missing("attempt"))?;
                for (reference, sign) in [(before, -1), (after, 1)] {
                    row.attempt.contact_reference = Some(reference.clone());
                    contacts.count(campaign, &row, sign);
                }
            }
        }
        contacts.close(store).await?;
        Ok(replaced)
    }
}

impl Replace {
    /// Waits until nobody else is at the campaigns whose attempts it changes.
    async fn take_turns<S: Statements>(&self, store: &mut S) -> Result<(), LedgerError> {
        if self.place.table != "attempt" {
            return Ok(());
        }
        let mut campaigns = BTreeSet::new();
        for hit in &self.hits {
            let sql = "SELECT campaign_id FROM attempt WHERE id = $1";
            if let Some(mut row) = store.row(sql, &hit.key).await? {
                campaigns.insert(row.int()?);
            }
        }
        turns::take(store, campaigns).await
    }

    /// Replaces texts that are still what they were when they were looked at.
    fn update(&self, hit: &Hit) -> (String, Vec<Value>) {
        let Place { table, key, also, .. } = self.place;
        let mut parameters: Vec<Value> = Vec::new();
        let mut parameter = |value: Value| {
            parameters.push(value);
            format!("${}", parameters.len())
        };
        let mut set = Vec::new();
        match also {
            Also::Nothing => {}
            Also::Unsigned => set.push("proof = NULL".to_owned()),
            Also::Closed => {
                let now = parameter(self.now.into());
                set.push(format!("erased_at = COALESCE(erased_at, {now})"));
            }
        }
        let mut is_same = Vec::new();
        for (column, value) in key.iter().zip(&hit.key) {
            is_same.push(format!("{column} = {}", parameter(value.clone())));
        }
        for Change { column, before, after, is_unpacked } in &hit.changes {
            set.push(format!("{column} = {}", parameter(after.as_str().into())));
            is_same.push(format!("{column} = {}", parameter(before.as_str().into())));
            if *is_unpacked {
                let plain = "encoding = 'text', content_type = NULL, content_encoding = NULL";
                set.push(plain.to_owned());
            }
        }
        let (set, is_same) = (set.join(", "), is_same.join(" AND "));
        (format!("UPDATE {table} SET {set} WHERE {is_same}"), parameters)
    }
}

struct Unlisted;

impl Verb for Unlisted {
    type Answer = Vec<String>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<String>, LedgerError> {
        let mut unlisted = Vec::new();
        for mut row in store.rows(S::TEXT_COLUMNS, &[]).await? {
            let (table, column) = (row.text()?, row.text()?);
            let is_looked_through = looked_through().any(|known| known == (&*table, &*column));
            let is_excused = excused().any(|known| (known.0, known.1) == (&*table, &*column));
            if !is_looked_through && !is_excused {
                unlisted.push(format!("{table}.{column}"));
            }
        }
        Ok(unlisted)
    }
}

struct Others {
    accounts: Vec<AccountSlug>,
}

impl Verb for Others {
    type Answer = Vec<AccountSlug>;

    async fn run<S: Statements>(&self, store: &mut S) -> Result<Vec<AccountSlug>, LedgerError> {
        let rows = store.rows("SELECT slug FROM account ORDER BY slug", &[]).await?;
        let all: Result<Vec<AccountSlug>, _> = rows.into_iter().map(|mut row| row.slug()).collect();
        Ok(all?.into_iter().filter(|account| !self.accounts.contains(account)).collect())
    }
}
