//! What a verb may do: run a statement, get rows. Both stores offer exactly this.

use std::future::Future;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::ids::{AccountSlug, CampaignNumber, NativeId, PublicPair, VdnId, key};
use crate::domain::phone::PhoneNumber;
use crate::ledger::LedgerError;

/// One atomic piece of work on the ledger. A store may run it again from the start when the
/// database asks for that, so it must not keep anything between runs.
pub trait Verb: Send + Sync + 'static {
    type Answer: Send + 'static;

    const HASTE: Haste = Haste::Soon;

    fn run<S: Statements>(
        &self,
        store: &mut S,
    ) -> impl Future<Output = Result<Self::Answer, LedgerError>> + Send;
}

/// Who goes first where many wait to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Haste {
    /// Somebody gives up who is not answered at once.
    Urgent,
    /// Somebody waits.
    Soon,
    /// Nobody waits; while urgent ones come, as little of it as keeps it going.
    Background,
}

/// An open transaction. Statements use `$1`, `$2` … each at least once; parameters and columns are
/// of the five types of [`Value`].
pub trait Statements: Send {
    /// Appended to a SELECT whose rows the verb is about to change, but not their keys.
    const ROW_LOCK: &'static str;
    /// The same, but rows that somebody else holds are passed over.
    const ROW_LOCK_OR_SKIP: &'static str;
    /// Takes the turn of campaign $1 until the transaction ends; None where there is one writer.
    const TAKE_TURN: Option<&'static str>;
    /// What stands before and behind a UUID to make it text: 32 small hexadecimal digits.
    const UUID_DIGITS: (&'static str, &'static str);
    /// Answers table and name of every column of text that the schema has.
    const TEXT_COLUMNS: &'static str;

    fn rows(
        &mut self,
        sql: &str,
        parameters: &[Value],
    ) -> impl Future<Output = Result<Vec<Row>, LedgerError>> + Send;

    /// Inserts one row, whose id the store assigns, and answers that; None when a conflict kept it out.
    fn insert(
        &mut self,
        sql: &str,
        parameters: &[Value],
    ) -> impl Future<Output = Result<Option<i64>, LedgerError>> + Send;

    /// Runs a statement and tells how many rows it changed.
    fn execute(
        &mut self,
        sql: &str,
        parameters: &[Value],
    ) -> impl Future<Output = Result<u64, LedgerError>> + Send;

    /// The first row, if any.
    fn row(
        &mut self,
        sql: &str,
        parameters: &[Value],
    ) -> impl Future<Output = Result<Option<Row>, LedgerError>> + Send {
        async move { Ok(self.rows(sql, parameters).await?.into_iter().next()) }
    }
}

/// Why no statement is given [`Value::Unreadable`].
pub const UNREADABLE: &str = "a column that could not be read names no row";

/// A parameter or a column.
#[derive(Clone, PartialEq)]
pub enum Value {
    Null,
    Int(i64),
    Bool(bool),
    Text(String),
    Uuid(Uuid),
    /// A column that holds none of these. Whoever takes it gets an error, and the other rows of the answer
    /// are read all the same.
    Unreadable,
}

/// A row whose columns are taken from left to right, each as the type that it must have.
pub struct Row {
    columns: std::vec::IntoIter<Value>,
    taken: usize,
}

impl Row {
    pub fn new(columns: Vec<Value>) -> Self {
        Self { columns: columns.into_iter(), taken: 0 }
    }

    /// Whatever it is: a key, by which the row is named again.
    pub fn value(&mut self) -> Result<Value, LedgerError> {
        self.next().ok_or_else(|| self.corrupt("there"))
    }

    pub fn int(&mut self) -> Result<i64, LedgerError> {
        self.optional_int()?.ok_or_else(|| self.corrupt("a number"))
    }

    pub fn optional_int(&mut self) -> Result<Option<i64>, LedgerError> {
        match self.next() {
            Some(Value::Null) => Ok(None),
            Some(Value::Int(value)) => Ok(Some(value)),
            _ => Err(self.corrupt("a number")),
        }
    }

    pub fn count(&mut self) -> Result<u64, LedgerError> {
        u64::try_from(self.int()?).map_err(|_| self.corrupt("a count"))
    }

    pub fn index(&mut self) -> Result<usize, LedgerError> {
        usize::try_from(self.int()?).map_err(|_| self.corrupt("a position"))
    }

    pub fn bool(&mut self) -> Result<bool, LedgerError> {
        match self.next() {
            Some(Value::Bool(value)) => Ok(value),
            // SQLite keeps truth as 0 and 1.
            Some(Value::Int(value @ (0 | 1))) => Ok(value == 1),
            _ => Err(self.corrupt("a truth value")),
        }
    }

    pub fn text(&mut self) -> Result<String, LedgerError> {
        self.optional_text()?.ok_or_else(|| self.corrupt("text"))
    }

    pub fn optional_text(&mut self) -> Result<Option<String>, LedgerError> {
        match self.next() {
            Some(Value::Null) => Ok(None),
            Some(Value::Text(value)) => Ok(Some(value)),
            _ => Err(self.corrupt("text")),
        }
    }

    pub fn uuid(&mut self) -> Result<Uuid, LedgerError> {
        self.optional_uuid()?.ok_or_else(|| self.corrupt("a UUID"))
    }

    pub fn optional_uuid(&mut self) -> Result<Option<Uuid>, LedgerError> {
        match self.next() {
            Some(Value::Null) => Ok(None),
            Some(Value::Uuid(value)) => Ok(Some(value)),
            _ => Err(self.corrupt("a UUID")),
        }
    }

    pub fn time(&mut self) -> Result<Timestamp, LedgerError> {
        self.optional_time()?.ok_or_else(|| self.corrupt("a time"))
    }

    pub fn optional_time(&mut self) -> Result<Option<Timestamp>, LedgerError> {
        match self.optional_int()? {
            None => Ok(None),
            Some(micros) => match Timestamp::from_microsecond(micros) {
                Ok(time) => Ok(Some(time)),
                Err(_) => Err(self.corrupt("a time")),
            },
        }
    }

    pub fn slug(&mut self) -> Result<AccountSlug, LedgerError> {
        AccountSlug::new(&self.text()?).map_err(|_| self.corrupt("an account"))
    }

    pub fn optional_slug(&mut self) -> Result<Option<AccountSlug>, LedgerError> {
        let slug = self.optional_text()?.map(|slug| AccountSlug::new(&slug));
        slug.transpose().map_err(|_| self.corrupt("an account"))
    }

    pub fn native(&mut self) -> Result<NativeId, LedgerError> {
        self.text().map(NativeId::new)
    }

    pub fn optional_phone(&mut self) -> Result<Option<PhoneNumber>, LedgerError> {
        Ok(self.optional_text()?.map(PhoneNumber::new))
    }

    pub fn optional_vdn(&mut self) -> Result<Option<VdnId>, LedgerError> {
        match self.optional_int()?.map(VdnId::new) {
            None => Ok(None),
            Some(Ok(vdn)) => Ok(Some(vdn)),
            Some(Err(_)) => Err(self.corrupt("a VDN")),
        }
    }

    /// Two columns: both null, or a pair.
    pub fn pair(&mut self) -> Result<Option<PublicPair>, LedgerError> {
        let vdn = self.optional_vdn()?;
        match (vdn, self.optional_int()?.map(CampaignNumber::new)) {
            (None, None) => Ok(None),
            (Some(vdn), Some(Ok(number))) => Ok(Some(PublicPair { vdn, number })),
            _ => Err(self.corrupt("a public pair")),
        }
    }

    /// The error for the column taken last. It tells its place, never what was found there.
    pub fn corrupt(&self, expected: &str) -> LedgerError {
        LedgerError::Corrupt(format!("column {} is not {expected}", self.taken))
    }

    fn next(&mut self) -> Option<Value> {
        self.taken += 1;
        self.columns.next()
    }
}

/// `$first, $first+1 …`: the list for an IN with `count` parameters.
pub fn placeholders(first: usize, count: usize) -> String {
    (first..first + count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
}

impl Value {
    pub fn optional_text(text: Option<&str>) -> Self {
        text.map_or(Value::Null, Value::from)
    }

    /// Text in a column that has an index: written and looked for as its [`key`].
    pub fn key(text: &str) -> Self {
        Value::from(&*key(text.to_owned()))
    }

    pub fn optional_key(text: Option<&str>) -> Self {
        text.map_or(Value::Null, Value::key)
    }

    pub fn optional_time(time: Option<Timestamp>) -> Self {
        time.map_or(Value::Null, Value::from)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        value.map_or(Value::Null, Value::Int)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<&str> for Value {
    /// PostgreSQL keeps no NUL in text. It is replaced on both stores, so that they stay alike and
    /// one odd name from a platform does not stop a discovery.
    fn from(text: &str) -> Self {
        Value::Text(text.replace('\0', "\u{fffd}"))
    }
}

impl From<Uuid> for Value {
    fn from(value: Uuid) -> Self {
        Value::Uuid(value)
    }
}

impl From<Option<Uuid>> for Value {
    fn from(value: Option<Uuid>) -> Self {
        value.map_or(Value::Null, Value::Uuid)
    }
}

impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Self {
        Value::Int(value.as_microsecond())
    }
}

impl From<&AccountSlug> for Value {
    fn from(value: &AccountSlug) -> Self {
        Value::from(value.as_str())
    }
}

impl From<&NativeId> for Value {
    fn from(value: &NativeId) -> Self {
        Value::from(value.as_str())
    }
}

impl From<VdnId> for Value {
    fn from(value: VdnId) -> Self {
        Value::Int(i64::from(value.get()))
    }
}

impl From<CampaignNumber> for Value {
    fn from(value: CampaignNumber) -> Self {
        Value::Int(i64::from(value.get()))
    }
}
