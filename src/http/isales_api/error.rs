//! How CC-iSales says no (reference 12.2): HTTP 200 and a code that means different things per
//! operation, with both code pairs filled; 401 and nothing for who is not authentic.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};

use crate::gateway::error::{GatewayError, Noun, Refusal};
use crate::http::entrance::Unread;
use crate::platforms::Said;
use crate::platforms::isales::wire::Envelope;

/// Why a request is not done.
#[derive(Debug)]
pub enum Refused {
    NotAuthentic,
    /// Found wrong by the facade, in the order of reference 15.2.
    Rule(BrokenRule),
    /// Of somebody unknown who was refused too often.
    TooOften {
        retry_after: Duration,
    },
    /// The body is not there.
    Unread(Unread),
    /// The answer took longer than a facade may take.
    TookTooLong,
    Gateway(GatewayError),
}

/// A parameter that breaks a rule: the code for that kind of rule, and the parameter's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenRule {
    pub code: &'static str,
    pub field: String,
    pub rule: String,
}

/// What the facade was doing: the same code means different things per operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    Detail,
    List,
    PauseOrResume,
    AddNumbers,
    QueryResults,
    ResultDetail,
    Create,
    Modify,
    Delete,
    /// Reading or setting it; the pages of both have one code of their own.
    RetryPolicy,
    /// About one campaign, with no codes of its own.
    Campaign,
    /// About a VDN as a whole.
    Vdn,
    Statistics,
}

pub const GENERIC: &str = "0200001";
pub const BEGINS_BEFORE_TODAY: &str = "0200002";
pub const DUPLICATE_NAME: &str = "0200005";
pub const STILL_RUNNING: &str = "0200009";
pub const HAS_ENDED: &str = "0200016";
pub const NO_SKILL_QUEUE: &str = "0200017";
/// "Campaign does not exist", printed like that on the page of the retry policy (reference 3.9).
pub const NO_CAMPAIGN_FOR_POLICY: &str = "0200-01";
pub const SYSTEM: &str = "0200006";
pub const NO_CAMPAIGN: &str = "0200007";
pub const WRONG_STATE: &str = "0200011";
pub const DUPLICATE_NUMBERS: &str = "0200018";
pub const STATE_FORBIDS_NUMBERS: &str = "0200019";
pub const TOO_MANY_UNFINISHED: &str = "0200020";
pub const TOO_FAST: &str = "0200022";
pub const TOO_MANY_RECORDS: &str = "0200029";
pub const BAD_RECYCLE_TIME: &str = "0200030";
pub const EMPTY: &str = "02000001";
pub const BAD_CHARACTERS: &str = "02000002";
pub const TOO_LONG: &str = "02000003";
pub const TOO_SHORT: &str = "02000004";
pub const WRONG_TYPE: &str = "02000006";
pub const WRONG_VALUE: &str = "02000007";
pub const UNREADABLE: &str = "02000008";
pub const COMBINATION: &str = "02000009";
pub const HALF_A_TIME: &str = "02000010";
pub const TOO_MANY: &str = "02000011";

impl BrokenRule {
    pub fn new(code: &'static str, field: &str, rule: &str) -> Self {
        Self { code, field: field.to_owned(), rule: rule.to_owned() }
    }
}

impl From<BrokenRule> for Refused {
    fn from(rule: BrokenRule) -> Self {
        Refused::Rule(rule)
    }
}

impl From<GatewayError> for Refused {
    fn from(error: GatewayError) -> Self {
        Refused::Gateway(error)
    }
}

/// The answer to a refused request.
pub fn render(refused: &Refused, doing: Doing) -> HttpResponse {
    let (code, desc) = match refused {
        Refused::NotAuthentic => return HttpResponse::Unauthorized().finish(),
        Refused::TooOften { retry_after } => {
            let wait = (RETRY_AFTER, retry_after.as_secs().max(1));
            return HttpResponse::TooManyRequests().insert_header(wait).finish();
        }
        Refused::Unread(Unread::NoRoom) => (SYSTEM, Unread::NoRoom.to_string()),
        Refused::Unread(unread @ Unread::TooLong) => (TOO_LONG, format!("body: {unread}")),
        Refused::Unread(unread) => (UNREADABLE, format!("body: {unread}")),
        Refused::Rule(broken) => (broken.code, format!("{}: {}", broken.field, broken.rule)),
        Refused::TookTooLong => (SYSTEM, "it took too long; what was begun may go on".to_owned()),
        Refused::Gateway(GatewayError::Refused { said, retry_after, .. }) => {
            return as_said(said, *retry_after);
        }
        Refused::Gateway(error) => (code(error, doing), error.told()),
    };
    let mut response =
        HttpResponse::build(status(refused, doing)).json(Envelope::both(code, &desc));
    if let Refused::Unread(unread) = refused
        && let Some(after) = unread.retry_after()
    {
        tell_wait(&mut response, after);
    }
    if let Refused::Gateway(error) = refused
        && let Some(after) = error.retry_after()
    {
        tell_wait(&mut response, after);
    }
    response
}

/// The home's own no.
fn as_said(said: &Said, retry_after: Option<Duration>) -> HttpResponse {
    let status = StatusCode::from_u16(said.status).unwrap_or(StatusCode::OK);
    let mut response = HttpResponse::build(status);
    if let Some(content_type) = &said.content_type {
        response.insert_header((CONTENT_TYPE, &**content_type));
    }
    let mut response = response.body(said.body.clone());
    if let Some(after) = retry_after {
        tell_wait(&mut response, after);
    }
    response
}

fn tell_wait(response: &mut HttpResponse, wait: Duration) {
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
}

/// Business errors are 200 (reference 1). A home that cannot be reached, or whose answer is in
/// doubt, is none: the status says so to clients that look at nothing else.
fn status(refused: &Refused, doing: Doing) -> StatusCode {
    match refused {
        Refused::TookTooLong
        | Refused::Gateway(
            GatewayError::Unavailable { .. }
            | GatewayError::Unclear { .. }
            | GatewayError::InPart { .. },
        ) => StatusCode::SERVICE_UNAVAILABLE,
        Refused::Gateway(error) if error.is_of_the_store() => StatusCode::SERVICE_UNAVAILABLE,
        Refused::Unread(unread) => unread.status(),
        // "Do not operate so often" (reference 4.5).
        Refused::Gateway(GatewayError::Quota { .. }) if doing == Doing::Statistics => {
            StatusCode::TOO_MANY_REQUESTS
        }
        _ => StatusCode::OK,
    }
}

fn code(error: &GatewayError, doing: Doing) -> &'static str {
    use GatewayError as E;
    let names_a_campaign = !matches!(
        doing,
        Doing::List | Doing::ResultDetail | Doing::Create | Doing::Vdn | Doing::Statistics
    );
    match error {
        // Another tenant's campaign does not exist for this one. The pages document no code for a
        // list of somebody else's VDN, or for a result that is not there: the generic one.
        E::NotFound(Noun::Campaign) | E::Forbidden(Refusal::ForeignAccount) => {
            if doing == Doing::RetryPolicy {
                NO_CAMPAIGN_FOR_POLICY
            } else if names_a_campaign {
                NO_CAMPAIGN
            } else {
                GENERIC
            }
        }
        E::State(_) if doing == Doing::Delete => STILL_RUNNING,
        E::State(_) if doing == Doing::Modify => HAS_ENDED,
        E::Unenforced(_) if doing != Doing::AddNumbers => WRONG_STATE,
        E::State(_) | E::Unenforced(_) => match doing {
            Doing::PauseOrResume => WRONG_STATE,
            Doing::AddNumbers => STATE_FORBIDS_NUMBERS,
            _ => GENERIC,
        },
        E::Duplicate(_) if matches!(doing, Doing::Create | Doing::Modify) => DUPLICATE_NAME,
        E::Duplicate(_) if doing == Doing::AddNumbers => DUPLICATE_NUMBERS,
        E::Quota { retry_after: Some(_), .. } if doing == Doing::AddNumbers => TOO_FAST,
        E::Quota { .. } if doing == Doing::AddNumbers => TOO_MANY_UNFINISHED,
        E::Unavailable { .. }
        | E::Unclear { .. }
        | E::InPart { .. }
        | E::Quota { .. }
        | E::Ledger(_)
        | E::Internal(_) => SYSTEM,
        E::NotFound(_)
        | E::Forbidden(
            Refusal::ReadOnlyClient
            | Refusal::WritesDenied
            | Refusal::UnknownActor
            | Refusal::NotPassedThrough,
        )
        | E::Duplicate(_)
        | E::Invalid { .. }
        | E::Unsupported(_)
        | E::Refused { .. } => GENERIC,
    }
}
