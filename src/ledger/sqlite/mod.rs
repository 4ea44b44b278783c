//! The ledger on SQLite: one writer thread, reader threads, WAL, `synchronous=FULL`.

#[derive(Clone)]
pub struct SqliteLedger {}
