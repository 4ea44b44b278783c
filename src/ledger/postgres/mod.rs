//! The ledger on PostgreSQL.

#[derive(Clone)]
pub struct PostgresLedger {}
