//! How an operation that is asked for in one platform's words is done on a campaign's home.

use crate::platforms::{self, Operation, PlatformKind, Support};

/// What the gateway does with an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// The home is of the asker's own platform: documents go through but for ids and credentials.
    Native,
    /// Done by the home, said in the asker's words.
    Translated,
    /// Done by the gateway, from the ledger.
    Emulated,
    /// Costs no upstream call; the text says why.
    Unsupported(&'static str),
}

/// Operations that the gateway does itself where the home cannot.
const EMULATED: [Operation; 1] = [Operation::ContactList];

/// The route of `operation` from a client that speaks `asked_as` to a campaign at home on `home`.
pub fn route(operation: Operation, home: PlatformKind, asked_as: PlatformKind) -> Route {
    match platforms::support(home, operation) {
        Support::Unsupported(_) if EMULATED.contains(&operation) => Route::Emulated,
        Support::Unsupported(reason) => Route::Unsupported(reason),
        Support::Native | Support::Composed(_) if home == asked_as => Route::Native,
        Support::Native | Support::Composed(_) => Route::Translated,
    }
}
