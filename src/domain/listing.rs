//! What a list is asked for: which rows, and which window of them.

use jiff::Timestamp;

/// A window of a list, newest `list_at` first. The ledger caps `limit` at its own maximum.
#[derive(Debug, Clone, Copy)]
pub enum Window {
    /// Rows strictly older than this (None: from the newest), at most so many.
    Before { list_at: Option<Timestamp>, limit: u32 },
    /// Skip so many, then at most so many.
    Offset { offset: u64, limit: u32 },
}

/// A window of a list of attempts, newest first.
#[derive(Debug, Clone, Copy)]
pub struct AttemptWindow {
    /// Strictly older than this; None: from the newest.
    pub before: Option<Timestamp>,
    /// The ledger caps it at its own maximum.
    pub limit: u32,
    /// Also those that a client deleted.
    pub include_deleted: bool,
}

/// Which attempts of a campaign are wanted, among those that are over. All conditions hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttemptFilter {
    /// The contact's reference.
    pub reference: Option<String>,
    /// The label of the contact.
    pub label: Option<String>,
    /// Dialled at this time or later.
    pub from: Option<Timestamp>,
    /// Dialled before this time.
    pub until: Option<Timestamp>,
    pub finals: Finals,
}

/// Which attempts of a contact are wanted; of those without a contact all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Finals {
    #[default]
    Every,
    /// Successes and the last one: how often a number is tried is not known, or nobody is called any more.
    Last,
    /// Successes, and the last one of a contact that is not called again: an outcome that ends it, or the
    /// last of its tries, which a number has by its place in the contact.
    Finished { attempts_by_place: Vec<i64> },
}
