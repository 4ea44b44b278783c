//! What can go wrong between a facade and a home, in terms of neither: each facade alone decides how
//! its platform would say it.

use std::time::Duration;

use uuid::Uuid;

use crate::domain::ids::CampaignPart;
use crate::ledger::LedgerError;
use crate::platforms::{Effect, Member, PlatformError, PlatformErrorKind, Said};

/// Why the gateway did not do what it was asked. Texts never hold a secret, a number or a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    #[error("{0} does not exist")]
    NotFound(Noun),
    #[error("refused: {0}")]
    Forbidden(Refusal),
    /// What was asked is wrong in itself.
    #[error("{field}: {rule}")]
    Invalid { field: String, rule: String },
    /// Right in itself, but not as things stand.
    #[error("the state does not allow it: {0}")]
    State(String),
    /// It states a rule that nobody would enforce where it runs.
    #[error("refused for safety: {0}")]
    Unenforced(String),
    #[error("it exists already: {0}")]
    Duplicate(String),
    /// More than the home takes, or, with `retry_after`, faster than it takes it.
    #[error("over a limit: {reason}")]
    Quota { reason: String, retry_after: Option<Duration> },
    /// Decided from capabilities, without asking the home.
    #[error("not possible: {0}")]
    Unsupported(&'static str),
    /// Nothing was changed; worth another try.
    #[error("unavailable: {reason}")]
    Unavailable { reason: String, retry_after: Option<Duration> },
    /// The home was asked and its answer is not known; `job` names what is to be looked up.
    #[error("the outcome is not known yet ({job})")]
    Unclear { job: Uuid },
    /// Several things were to be changed and some are; the same request again changes the others.
    #[error("{}", in_part(*.done, *.of, .why))]
    InPart { done: usize, of: usize, why: Box<GatewayError> },
    /// The home's own no, for a client that speaks its language.
    #[error("refused by the campaign's home ({})", said.code)]
    Refused { kind: PlatformErrorKind, said: Box<Said>, retry_after: Option<Duration> },
    /// The ledger did not do it. Which disk, folder or database that is, is the operator's to know:
    /// clients are told [`GatewayError::told`].
    #[error("{0}")]
    Ledger(LedgerError),
    #[error("internal error: {0}")]
    Internal(String),
}

/// What was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    Campaign,
    /// A campaign that its home does not have: the gateway keeps its document.
    Draft,
    Contact,
    Attempt,
    Part(CampaignPart),
}

/// Whose rule forbids it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It belongs to an account that the client has no right to.
    ForeignAccount,
    /// The client may only read.
    ReadOnlyClient,
    /// The operator has not allowed writes on the account.
    WritesDenied,
    /// Whoever asked for it is not configured any more.
    UnknownActor,
    /// The operator has not listed the request among those that go through to the account.
    NotPassedThrough,
}

/// How long a client is told to wait where nobody said how long.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(5);

impl GatewayError {
    pub fn invalid(field: &str, rule: &str) -> Self {
        GatewayError::Invalid { field: field.to_owned(), rule: rule.to_owned() }
    }

    pub fn unavailable(reason: &str) -> Self {
        GatewayError::Unavailable {
            reason: reason.to_owned(),
            retry_after: Some(DEFAULT_RETRY_AFTER),
        }
    }

    /// What an error comes to when something was changed before it: the outcome is not known, and
    /// asking again could do it twice.
    #[must_use]
    pub fn after_a_write(self, job: Uuid) -> Self {
        tracing::error!(%job, error = %self,
            "what was changed on the home could not be recorded; look the job up before asking again");
        GatewayError::Unclear { job }
    }

    /// What an error comes to that stopped a change of several things after some of them.
    #[must_use]
    pub fn after_some(self, (done, of): (usize, usize)) -> Self {
        if done == 0 { self } else { GatewayError::InPart { done, of, why: Box::new(self) } }
    }

    /// What a client is told.
    pub fn told(&self) -> String {
        match self {
            GatewayError::Ledger(error) => match error {
                LedgerError::Unclear(_) => "unavailable: the ledger did not confirm",
                error if error.is_of_the_store() => {
                    "unavailable: the ledger is not available; the gateway's log says why"
                }
                _ => "internal error: the ledger does not take it; the gateway's log says why",
            }
            .to_owned(),
            GatewayError::InPart { done, of, why } => in_part(*done, *of, &why.told()),
            error => error.to_string(),
        }
    }

    /// Whether the ledger is away. A verb that may have been done is safe to ask again: every verb is
    /// insert-or-get or writes the same value.
    pub fn is_of_the_store(&self) -> bool {
        matches!(self, GatewayError::Ledger(error) if error.is_of_the_store())
    }

    /// Whether the same may succeed later though nobody changes what was asked.
    pub fn passes(&self) -> bool {
        match self {
            GatewayError::Ledger(error) => error.is_of_the_store(),
            GatewayError::Unavailable { .. }
            | GatewayError::Unclear { .. }
            | GatewayError::Quota { .. } => true,
            GatewayError::Refused { retry_after, .. } => retry_after.is_some(),
            GatewayError::InPart { why, .. } => why.passes(),
            GatewayError::NotFound(_)
            | GatewayError::Forbidden(_)
            | GatewayError::Invalid { .. }
            | GatewayError::State(_)
            | GatewayError::Unenforced(_)
            | GatewayError::Duplicate(_)
            | GatewayError::Unsupported(_)
            | GatewayError::Internal(_) => false,
        }
    }

    /// How long a client is told to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            GatewayError::Quota { retry_after, .. }
            | GatewayError::Unavailable { retry_after, .. }
            | GatewayError::Refused { retry_after, .. } => *retry_after,
            GatewayError::Ledger(error) if error.is_of_the_store() => Some(DEFAULT_RETRY_AFTER),
            _ => None,
        }
    }

    /// Tells the operator what its client is not told.
    pub fn log_untold(&self) {
        match self {
            GatewayError::Ledger(error) => {
                tracing::error!(%error, "the ledger did not do what a request needs");
            }
            GatewayError::InPart { why, .. } => why.log_untold(),
            _ => {}
        }
    }

    /// As [`GatewayError::from_platform`], for a client that speaks the home's language: what the
    /// home said goes through, but that it refuses *our* credentials or is out of order.
    pub fn from_exchange(error: &PlatformError, noun: Noun, job: Uuid) -> Self {
        use PlatformErrorKind as K;
        let said = error.said.as_ref().filter(|said| {
            let is_said = !said.code.is_empty() || error.kind == K::RateLimited;
            let is_out_of_order = error.kind == K::Unavailable && said.status != 200;
            is_said && !is_out_of_order && error.kind != K::Unauthenticated
        });
        match said {
            Some(said) if error.effect == Effect::None => GatewayError::Refused {
                kind: error.kind,
                said: said.clone(),
                retry_after: error.retry_after,
            },
            _ => Self::from_platform(error, noun, job),
        }
    }

    /// Whether the campaign's state is what forbids it.
    pub fn is_of_state(&self) -> bool {
        matches!(
            self,
            GatewayError::State(_) | GatewayError::Refused { kind: PlatformErrorKind::State, .. }
        )
    }

    /// The facade's view of an adapter's error. `noun` is what the operation was about, `job` what
    /// an unclear outcome can be looked up by.
    pub fn from_platform(error: &PlatformError, noun: Noun, job: Uuid) -> Self {
        if error.effect == Effect::Unclear {
            return GatewayError::Unclear { job };
        }
        match error.kind {
            PlatformErrorKind::NotFound => GatewayError::NotFound(noun),
            PlatformErrorKind::Invalid => GatewayError::Invalid {
                field: named_elsewhere(error).to_owned(),
                rule: format!("refused by the campaign's home{}", code_of(error)),
            },
            PlatformErrorKind::State => {
                GatewayError::State(format!("the campaign's home refuses it{}", code_of(error)))
            }
            PlatformErrorKind::Duplicate => {
                GatewayError::Duplicate(format!("on the campaign's home{}", code_of(error)))
            }
            PlatformErrorKind::Quota => GatewayError::Quota {
                reason: format!("of the campaign's home{}", code_of(error)),
                retry_after: error.retry_after,
            },
            PlatformErrorKind::RateLimited => GatewayError::Quota {
                reason: format!("the campaign's home takes requests slower{}", code_of(error)),
                retry_after: error.retry_after.or(Some(DEFAULT_RETRY_AFTER)),
            },
            PlatformErrorKind::WritesDenied => GatewayError::Forbidden(Refusal::WritesDenied),
            PlatformErrorKind::Unconfigured => GatewayError::State(error.detail.clone()),
            PlatformErrorKind::Unsupported => {
                GatewayError::Unsupported("the campaign's home has no such operation")
            }
            // The home refusing *our* credentials is the operator's matter, not the client's.
            PlatformErrorKind::Unauthenticated
            | PlatformErrorKind::Forbidden
            | PlatformErrorKind::Unavailable
            | PlatformErrorKind::Timeout
            | PlatformErrorKind::Malformed
            | PlatformErrorKind::TooLarge => GatewayError::Unavailable {
                reason: "the campaign's home does not answer usefully".to_owned(),
                retry_after: error.retry_after.or(Some(DEFAULT_RETRY_AFTER)),
            },
        }
    }
}

fn in_part(done: usize, of: usize, why: &impl std::fmt::Display) -> String {
    format!("{done} of {of} are changed; send the request again for the others: {why}")
}

/// The member that the home calls wrong, as a client of another platform calls it.
fn named_elsewhere(error: &PlatformError) -> &str {
    error
        .member
        .as_deref()
        .map_or("request", |Member { own, elsewhere }| elsewhere.as_deref().unwrap_or(own))
}

fn code_of(error: &PlatformError) -> String {
    if error.native_code.is_empty() { String::new() } else { format!(" ({})", error.native_code) }
}

impl From<LedgerError> for GatewayError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Conflict(reason) => GatewayError::Duplicate(reason),
            LedgerError::Moved => GatewayError::unavailable("the campaign has moved; ask again"),
            // Who has the job goes on: nothing of it has failed, and nothing may be taken away.
            error @ LedgerError::NotLeased(_) => GatewayError::unavailable(&error.to_string()),
            LedgerError::Missing("campaign") => GatewayError::NotFound(Noun::Campaign),
            error => GatewayError::Ledger(error),
        }
    }
}

impl std::fmt::Display for Noun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Noun::Campaign | Noun::Draft => "campaign",
            Noun::Contact => "contact",
            Noun::Attempt => "attempt",
            Noun::Part(part) => part.as_str(),
        })
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Refusal::ForeignAccount => "it belongs to another account",
            Refusal::ReadOnlyClient => "this client may only read",
            Refusal::UnknownActor => "the client that asked for it is not configured any more",
            Refusal::WritesDenied => {
                "the account is configured with writes = \"deny\"; an operator may allow them"
            }
            Refusal::NotPassedThrough => {
                "the client's pass_through does not list this request; an operator may add it"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_store_it_is_is_told_to_the_operator_alone() {
        let away = GatewayError::from(LedgerError::Unavailable("/secret/disk is full".to_owned()));
        let corrupt = GatewayError::from(LedgerError::Corrupt("/secret/disk".to_owned()));
        for error in [away.clone(), corrupt.clone(), away.clone().after_some((1, 2))] {
            assert!(error.to_string().contains("/secret/disk"), "{error}");
            assert!(!error.told().contains("/secret/disk"), "{}", error.told());
        }
        assert!(away.is_of_the_store() && !corrupt.is_of_the_store());
        assert!(away.retry_after().is_some() && corrupt.retry_after().is_none());
        let schema = LedgerError::Schema { found: 1, supported: "2".to_owned() };
        assert!(GatewayError::from(schema).is_of_the_store(), "it waits for whoever migrates");
        let of_client = GatewayError::from(LedgerError::Conflict("a name".to_owned()));
        assert_eq!(of_client.told(), of_client.to_string());
    }
}
