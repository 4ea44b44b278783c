//! Statements on a SQLite connection.

use std::borrow::Cow;
use std::future::{Future, ready};

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode};
use uuid::Uuid;

use crate::ledger::LedgerError;
use crate::ledger::statements::{Row, Statements, UNREADABLE, Value};

pub struct SqliteStatements<'c> {
    connection: &'c mut Connection,
}

impl<'c> SqliteStatements<'c> {
    pub fn new(connection: &'c mut Connection) -> Self {
        Self { connection }
    }

    fn prepare(&self, sql: &str, parameters: &[Value]) -> rusqlite::Result<CachedStatement<'_>> {
        // SQLite takes `$1` for a name, to be looked up, and `?1` for a place.
        let sql = match parameters {
            [] => Cow::Borrowed(sql),
            _ => Cow::Owned(sql.replace('$', "?")),
        };
        let mut statement = self.connection.prepare_cached(&sql)?;
        for (n, value) in parameters.iter().enumerate() {
            statement.raw_bind_parameter(n + 1, value)?;
        }
        Ok(statement)
    }

    fn read(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, LedgerError> {
        let mut statement = self.prepare(sql, parameters).map_err(|e| ledger_error(&e))?;
        let columns = statement.column_count();
        let mut rows = statement.raw_query();
        let mut answer = Vec::new();
        while let Some(row) = rows.next().map_err(|e| ledger_error(&e))? {
            let values =
                (0..columns).map(|n| row.get_ref(n).map(read_value).map_err(|e| ledger_error(&e)));
            answer.push(Row::new(values.collect::<Result<_, _>>()?));
        }
        Ok(answer)
    }

    fn change(&self, sql: &str, parameters: &[Value]) -> Result<u64, LedgerError> {
        let mut statement = self.prepare(sql, parameters).map_err(|e| ledger_error(&e))?;
        let changed = statement.raw_execute().map_err(|e| ledger_error(&e))?;
        Ok(u64::try_from(changed).unwrap_or(u64::MAX))
    }
}

impl Statements for SqliteStatements<'_> {
    // The one writer needs no row locks.
    const ROW_LOCK: &'static str = "";
    const ROW_LOCK_OR_SKIP: &'static str = "";
    const TAKE_TURN: Option<&'static str> = None;
    const UUID_DIGITS: (&'static str, &'static str) = ("lower(hex(", "))");
    const TEXT_COLUMNS: &'static str = "SELECT t.name, c.name FROM sqlite_schema t \
         JOIN pragma_table_xinfo(t.name) c WHERE t.type = 'table' \
         AND (upper(c.type) LIKE '%CHAR%' OR upper(c.type) LIKE '%TEXT%' OR upper(c.type) LIKE '%CLOB%') \
         ORDER BY t.name, c.cid";

    fn rows(
        &mut self,
        sql: &str,
        parameters: &[Value],
    ) -> impl Future<Output = Result<Vec<Row>, LedgerError>> + Send {
        ready(self.read(sql, parameters))
    }

    /// The connection knows the id; a RETURNING would put it into a table and read it from there.
    fn insert(
        &mut self,
        sql: &str,
        parameters: &[Value],
    ) -> impl Future<Output = Result<Option<i64>, LedgerError>> + Send {
        let inserted = self.change(sql, parameters);
        ready(inserted.map(|rows| (rows > 0).then(|| self.connection.last_insert_rowid())))
    }

    fn execute(
        &mut self,
        sql: &str,
        parameters: &[Value],
    ) -> impl Future<Output = Result<u64, LedgerError>> + Send {
        ready(self.change(sql, parameters))
    }
}

fn read_value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Int(value),
        ValueRef::Text(bytes) => {
            String::from_utf8(bytes.to_vec()).map_or(Value::Unreadable, Value::Text)
        }
        ValueRef::Blob(bytes) => Uuid::from_slice(bytes).map_or(Value::Unreadable, Value::Uuid),
        ValueRef::Real(_) => Value::Unreadable,
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Unreadable => {
                return Err(rusqlite::Error::ToSqlConversionFailure(UNREADABLE.into()));
            }
            Value::Null => ValueRef::Null,
            Value::Int(value) => ValueRef::Integer(*value),
            Value::Bool(value) => ValueRef::Integer(i64::from(*value)),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Uuid(uuid) => ValueRef::Blob(uuid.as_bytes()),
        }))
    }
}

/// SQLite names constraints and files in its messages, never values.
pub fn ledger_error(error: &rusqlite::Error) -> LedgerError {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => {
            LedgerError::Refused(format!("a row contradicts what is kept: {error}"))
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            LedgerError::Damaged(error.to_string())
        }
        Some(ErrorCode::TooBig | ErrorCode::TypeMismatch | ErrorCode::ParameterOutOfRange) => {
            LedgerError::Refused(error.to_string())
        }
        _ => LedgerError::Unavailable(error.to_string()),
    }
}
