//! What platforms push: `POST /callbacks/voipbin/{account}`, with a token behind it from an account
//! that signs nothing, and results to `POST /callbacks/isales/{account}/{token}`. The listener is open
//! to the world, so a request is looked at before its body is read, and only what proves itself genuine
//! goes further; a little of what came to a wrong address is kept in quarantine.
//!
//! What is answered decides whether a push comes again. A platform that takes any 4xx for its last
//! word gets one only when the same bytes would never be taken: no such account, no good signature,
//! too long. What may be genuine and cannot be judged or kept at present is answered 503.

mod isales;
mod sources;
mod voipbin;

use std::time::Duration;

use actix_web::guard::{Guard, fn_guard};
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use actix_web::web::{self, Bytes, Data, Payload, ServiceConfig, post};
use actix_web::{HttpRequest, HttpResponse, Route};

use crate::decoding::Declared;
use crate::domain::ids::AccountSlug;
use crate::gateway::WorkerGateway;
use crate::gateway::inbox::Arrived;
use crate::gateway::pushes::PushRefused;
use crate::http::entrance::{Doorway, Kind, Reason, Terms, Unread};

pub use sources::Sources;

/// A push is answered within this time: the platform that waits longest for it gives up after 30 s.
const ANSWER_DEADLINE: Duration = Duration::from_secs(20);
/// Longest body that is read although it came to a wrong address: it may be the platform's, under an
/// address that was changed, and is kept in quarantine. What is longer is refused unread.
const MISDIRECTED_BYTES: usize = 64 * 1024;

/// What a worker of this listener works with.
struct Receiver {
    gateway: WorkerGateway,
    doorway: Doorway,
}

/// What a push is proved the platform's by.
#[derive(Clone, Copy)]
enum ProofBy {
    /// It came to an address that only the platform was told.
    Address,
    /// It is signed, which can be checked when the body is there.
    Body,
    /// It came to a wrong address, and is read for the quarantine alone.
    Nothing,
}

impl Receiver {
    /// A body with what its sender declared about it.
    fn arrived<'a>(&self, request: &'a HttpRequest, body: &'a [u8]) -> Arrived<'a> {
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let declared = Declared {
            content_type: header(CONTENT_TYPE),
            content_encoding: header(CONTENT_ENCODING),
        };
        Arrived { body, declared, limit_bytes: self.doorway.body_limit_bytes }
    }

    /// Whether the token in an address proves what comes to it.
    fn proof_at(&self, account: &AccountSlug, token: &str) -> ProofBy {
        let is_ours = self.gateway.knows_address(account, token);
        if is_ours { ProofBy::Address } else { ProofBy::Nothing }
    }

    /// Reads a body and hands it on; `accepted` is the answer when it is taken.
    async fn take(
        &self,
        (request, body, proof_by): (&HttpRequest, Payload, ProofBy),
        hand_on: impl AsyncFnOnce(Bytes) -> Result<(), PushRefused>,
        accepted: impl FnOnce() -> HttpResponse,
    ) -> HttpResponse {
        let terms = proof_by.terms(self.doorway.body_limit_bytes);
        let taken = async {
            let received =
                match (self.doorway.read(request, body.into_inner(), terms).await, proof_by) {
                    (Ok(received), _) => received,
                    (Err(Unread::TooLong), ProofBy::Nothing) => {
                        return self.not_genuine(request, Reason::WrongAddress);
                    }
                    (Err(Unread::TooLong), _) => return HttpResponse::PayloadTooLarge().finish(),
                    // It broke off, or came too slowly; the whole of it may come next time.
                    (Err(_), _) => return not_now(Duration::ZERO),
                };
            match (hand_on(received.bytes).await, proof_by) {
                (Ok(()), _) => {
                    self.doorway.proved(request);
                    accepted()
                }
                (Err(PushRefused::NotGenuine), ProofBy::Nothing) => {
                    self.not_genuine(request, Reason::WrongAddress)
                }
                (Err(refused), _) => self.refuse(request, refused),
            }
        };
        let answer = tokio::time::timeout(ANSWER_DEADLINE, taken).await;
        answer.unwrap_or_else(|_| not_now(Duration::ZERO))
    }

    /// The answer to a push that is not taken.
    fn refuse(&self, request: &HttpRequest, refused: PushRefused) -> HttpResponse {
        match refused {
            PushRefused::UnknownAccount => {
                self.doorway.refused(request, Reason::UnknownAccount);
                HttpResponse::NotFound().finish()
            }
            PushRefused::NotGenuine => self.not_genuine(request, Reason::NotGenuine),
            PushRefused::NotNow { retry_after } => {
                self.doorway.refused(request, Reason::NotNow);
                not_now(retry_after)
            }
        }
    }

    fn not_genuine(&self, request: &HttpRequest, reason: Reason) -> HttpResponse {
        self.doorway.refused(request, reason);
        HttpResponse::Unauthorized().finish()
    }
}

impl ProofBy {
    fn terms(self, limit_bytes: usize) -> Terms {
        match self {
            ProofBy::Address => Terms { kind: Kind::Platform, limit_bytes },
            ProofBy::Body => Terms { kind: Kind::Unproved, limit_bytes },
            ProofBy::Nothing => {
                Terms { kind: Kind::Unproved, limit_bytes: limit_bytes.min(MISDIRECTED_BYTES) }
            }
        }
    }
}

/// Registers the paths that platforms push to; called in each worker's app factory.
pub fn configure(
    cfg: &mut ServiceConfig,
    (doorway, sources): (&Doorway, &Sources),
    gateway: &WorkerGateway,
) {
    let receiver = Receiver { gateway: gateway.clone(), doorway: doorway.clone() };
    let resource = |path: &str, receive: Route| {
        web::resource(path)
            .guard(from(sources, doorway))
            .route(receive)
            .default_service(web::to(HttpResponse::MethodNotAllowed))
    };
    let voipbin = || post().to(voipbin::receive);
    cfg.app_data(Data::new(receiver))
        .service(resource("/callbacks/voipbin/{account}", voipbin()))
        .service(resource("/callbacks/voipbin/{account}/{token}", voipbin()))
        .service(resource("/callbacks/isales/{account}/{token}", post().to(isales::receive)));
}

/// Who comes from elsewhere finds nothing here.
fn from(sources: &Sources, doorway: &Doorway) -> impl Guard + use<> {
    let (sources, doorway) = (sources.clone(), doorway.clone());
    fn_guard(move |request| {
        let allowed = sources.allow(request);
        if !allowed {
            doorway.foreign(request.head());
        }
        allowed
    })
}

fn not_now(retry_after: Duration) -> HttpResponse {
    let seconds = retry_after.as_secs().max(1).to_string();
    HttpResponse::ServiceUnavailable().insert_header((RETRY_AFTER, seconds)).finish()
}
