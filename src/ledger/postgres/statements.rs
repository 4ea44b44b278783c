//! Statements in a PostgreSQL transaction, or one by itself.

use std::error::Error;

use bytes::BytesMut;
use deadpool_postgres::{Object, Transaction};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::ledger::LedgerError;
use crate::ledger::statements::{Row, Statements, UNREADABLE, Value};

use super::{Remedy, remedy};

pub struct PostgresStatements<'c> {
    on: On<'c>,
    /// Of the statements that failed.
    remedy: Remedy,
}

/// Where statements run.
pub enum On<'c> {
    Transaction(&'c Transaction<'c>),
    /// Each by itself.
    Connection(&'c Object),
}

impl<'c> PostgresStatements<'c> {
    pub fn new(on: On<'c>) -> Self {
        Self { on, remedy: Remedy::None }
    }

    /// What lets another run succeed where a statement failed.
    pub fn remedy(&self) -> Remedy {
        self.remedy
    }

    fn failed(&mut self, error: &tokio_postgres::Error) -> LedgerError {
        self.remedy = self.remedy.max(remedy(error));
        ledger_error(error)
    }
}

impl Statements for PostgresStatements<'_> {
    // Not FOR UPDATE: for that, whoever inserts a row that refers to this one would wait.
    const ROW_LOCK: &'static str = " FOR NO KEY UPDATE";
    const ROW_LOCK_OR_SKIP: &'static str = " FOR NO KEY UPDATE SKIP LOCKED";
    // Migrations have a number above 0.
    const TAKE_TURN: Option<&'static str> =
        Some("SELECT pg_advisory_xact_lock(-CAST($1 AS BIGINT))");
    const UUID_DIGITS: (&'static str, &'static str) = ("replace(CAST(", " AS TEXT), '-', '')");
    const TEXT_COLUMNS: &'static str = "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT) \
         FROM information_schema.columns WHERE table_schema = current_schema() \
         AND data_type NOT IN ('bigint', 'integer', 'boolean', 'uuid') \
         ORDER BY table_name, ordinal_position";

    async fn rows(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, LedgerError> {
        let parameters: Vec<&(dyn ToSql + Sync)> =
            parameters.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        let answer = async {
            match &self.on {
                On::Transaction(on) => on.query(&on.prepare_cached(sql).await?, &parameters).await,
                On::Connection(on) => on.query(&on.prepare_cached(sql).await?, &parameters).await,
            }
        };
        match answer.await {
            Ok(rows) => Ok(rows.iter().map(read_row).collect()),
            Err(error) => Err(self.failed(&error)),
        }
    }

    async fn insert(
        &mut self,
        sql: &str,
        parameters: &[Value],
    ) -> Result<Option<i64>, LedgerError> {
        let row = self.row(&format!("{sql} RETURNING id"), parameters).await?;
        row.map(|mut row| row.int()).transpose()
    }

    async fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64, LedgerError> {
        let parameters: Vec<&(dyn ToSql + Sync)> =
            parameters.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        let answer = async {
            match &self.on {
                On::Transaction(on) => {
                    on.execute(&on.prepare_cached(sql).await?, &parameters).await
                }
                On::Connection(on) => on.execute(&on.prepare_cached(sql).await?, &parameters).await,
            }
        };
        answer.await.map_err(|error| self.failed(&error))
    }
}

fn read_row(row: &tokio_postgres::Row) -> Row {
    let values = row.columns().iter().enumerate().map(|(n, column)| {
        let value = match *column.type_() {
            Type::INT8 => row.try_get::<_, Option<i64>>(n).map(|v| v.map(Value::Int)),
            // Only `SELECT 1` has this type.
            Type::INT4 => row.try_get::<_, Option<i32>>(n).map(|v| v.map(|v| Value::Int(v.into()))),
            Type::BOOL => row.try_get::<_, Option<bool>>(n).map(|v| v.map(Value::Bool)),
            Type::UUID => row.try_get(n).map(|v: Option<_>| v.map(Value::Uuid)),
            _ => row.try_get::<_, Option<String>>(n).map(|v| v.map(Value::Text)),
        };
        value.map_or(Value::Unreadable, |value| value.unwrap_or(Value::Null))
    });
    Row::new(values.collect())
}

impl ToSql for Value {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Value::Unreadable => Err(UNREADABLE.into()),
            Value::Null => Ok(IsNull::Yes),
            Value::Int(value) => value.to_sql_checked(ty, out),
            Value::Bool(value) => value.to_sql_checked(ty, out),
            Value::Text(text) => text.to_sql_checked(ty, out),
            Value::Uuid(uuid) => uuid.to_sql_checked(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // Each variant checks for itself.
        true
    }

    to_sql_checked!();
}

impl std::fmt::Debug for Value {
    /// Without the value: it may be a phone number.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Value::Unreadable => "Unreadable",
            Value::Null => "Null",
            Value::Int(_) => "Int",
            Value::Bool(_) => "Bool",
            Value::Text(_) => "Text",
            Value::Uuid(_) => "Uuid",
        })
    }
}

const READ_ONLY: &str = "PostgreSQL takes no changes (25006): it is a standby, or may only be read; \
                         name the primary in ledger.url, or set default_transaction_read_only = off";

/// The server's message and detail may quote values, so in general only the code and the constraint
/// are told.
pub fn ledger_error(error: &tokio_postgres::Error) -> LedgerError {
    let Some(database) = error.as_db_error() else {
        let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
        return LedgerError::Unavailable(format!("PostgreSQL: {error}{cause}"));
    };
    if *database.code() == SqlState::READ_ONLY_SQL_TRANSACTION {
        return LedgerError::Unavailable(READ_ONLY.to_owned());
    }
    let code = database.code().code();
    let constraint = database.constraint().unwrap_or("no constraint");
    match &code[..2.min(code.len())] {
        "23" => {
            LedgerError::Refused(format!("a row contradicts what is kept: {code} ({constraint})"))
        }
        // Bad data, too large for an index or a row, against a check of a view, or refused by a trigger.
        "21" | "22" | "44" | "54" | "P0" => LedgerError::Refused(format!("PostgreSQL says {code}")),
        "XX" => LedgerError::Corrupt(format!("PostgreSQL says {code}")),
        // About the server or who may use it, never about a row.
        "08" | "28" | "3D" | "53" | "57" => {
            LedgerError::Unavailable(format!("PostgreSQL says {code}: {}", database.message()))
        }
        _ => LedgerError::Unavailable(format!("PostgreSQL says {code}")),
    }
}
