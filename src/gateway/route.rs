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

/// Operations that the gateway does itself, from the ledger, where the home cannot.
const EMULATED: [Operation; 13] = [
    Operation::CampaignChain,
    Operation::PartList,
    Operation::PartDetail,
    Operation::PartCreate,
    Operation::PartModify,
    Operation::PartDelete,
    Operation::AgentGroupList,
    Operation::ContactList,
    Operation::ResultDelete,
    Operation::Statistics,
    Operation::ResultCodeQuery,
    Operation::AccountDetail,
    Operation::AccountModify,
];

/// Operations whose native form is of no use to a client that speaks otherwise: it asks by ids that
/// the home does not know, so it is answered from the ledger.
const FROM_LEDGER: [Operation; 2] = [Operation::ContactDetail, Operation::ResultDetail];

/// The route of `operation` from a client that speaks `asked_as` to a campaign at home on `home`.
pub fn route(operation: Operation, home: PlatformKind, asked_as: PlatformKind) -> Route {
    match platforms::support(home, operation) {
        _ if operation == Operation::PassThrough && home != asked_as => {
            Route::Unsupported("passes only to a home that speaks the client's language")
        }
        Support::Unsupported(_) if EMULATED.contains(&operation) => Route::Emulated,
        Support::Unsupported(reason) => Route::Unsupported(reason),
        Support::Native | Support::Composed(_) if home == asked_as => Route::Native,
        Support::Native | Support::Composed(_) if FROM_LEDGER.contains(&operation) => {
            Route::Emulated
        }
        Support::Native | Support::Composed(_) => Route::Translated,
    }
}

impl Route {
    pub fn as_str(self) -> &'static str {
        match self {
            Route::Native => "native",
            Route::Translated => "translated",
            Route::Emulated => "emulated",
            Route::Unsupported(_) => "unsupported",
        }
    }

    /// Why not, where it is not.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Route::Unsupported(reason) => Some(reason),
            Route::Native | Route::Translated | Route::Emulated => None,
        }
    }
}
