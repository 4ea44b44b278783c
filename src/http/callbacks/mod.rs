//! What platforms push: `POST /callbacks/voipbin/{account}`, with a token behind it from an account
//! that signs nothing, and results to `POST /callbacks/isales/{account}/{token}`. The listener is open to the world, so a
//! request is looked at before its body is read, and only what proves itself genuine goes further.
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
use tokio::sync::Semaphore;

use crate::decoding::Declared;
use crate::gateway::WorkerGateway;
use crate::gateway::inbox::Arrived;
use crate::gateway::pushes::PushRefused;

pub use sources::Sources;

/// A push is answered within this time: the platform that waits longest for it gives up after 30 s.
const ANSWER_DEADLINE: Duration = Duration::from_secs(20);
/// Bodies that are in memory at once; what comes meanwhile waits for its turn.
const MAX_BODIES: usize = 128;

/// What a worker of this listener works with.
struct Receiver {
    gateway: WorkerGateway,
    body_limit_bytes: usize,
    turns: Semaphore,
}

impl Receiver {
    /// A body with what its sender declared about it.
    fn arrived<'a>(&self, request: &'a HttpRequest, body: &'a [u8]) -> Arrived<'a> {
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let declared = Declared {
            content_type: header(CONTENT_TYPE),
            content_encoding: header(CONTENT_ENCODING),
        };
        Arrived { body, declared, limit_bytes: self.body_limit_bytes }
    }

    /// Reads a body in its turn and hands it on; `accepted` is the answer when it is taken.
    async fn take(
        &self,
        body: Payload,
        hand_on: impl AsyncFnOnce(Bytes) -> Result<(), PushRefused>,
        accepted: impl FnOnce() -> HttpResponse,
    ) -> HttpResponse {
        let taken = async {
            // Never closed.
            let _turn = self.turns.acquire().await;
            let body = match body.to_bytes_limited(self.body_limit_bytes).await {
                Ok(Ok(body)) => body,
                // It broke off; the whole of it may come next time.
                Ok(Err(_)) => return not_now(Duration::ZERO),
                Err(_) => return HttpResponse::PayloadTooLarge().finish(),
            };
            match hand_on(body).await {
                Ok(()) => accepted(),
                Err(refused) => refuse(refused),
            }
        };
        let answer = tokio::time::timeout(ANSWER_DEADLINE, taken).await;
        answer.unwrap_or_else(|_| not_now(Duration::ZERO))
    }
}

/// Registers the paths that platforms push to; called in each worker's app factory.
pub fn configure(
    cfg: &mut ServiceConfig,
    (body_limit_bytes, sources): (usize, &Sources),
    gateway: &WorkerGateway,
) {
    let turns = Semaphore::new(MAX_BODIES);
    let receiver = Receiver { gateway: gateway.clone(), body_limit_bytes, turns };
    let resource = |path: &str, receive: Route| {
        web::resource(path)
            .guard(from(sources))
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
fn from(sources: &Sources) -> impl Guard + use<> {
    let sources = sources.clone();
    fn_guard(move |request| sources.allow(request))
}

/// The answer to a push that is not taken.
fn refuse(refused: PushRefused) -> HttpResponse {
    match refused {
        PushRefused::UnknownAccount => HttpResponse::NotFound().finish(),
        PushRefused::NotGenuine => HttpResponse::Unauthorized().finish(),
        PushRefused::NotNow { retry_after } => not_now(retry_after),
    }
}

fn not_now(retry_after: Duration) -> HttpResponse {
    let seconds = retry_after.as_secs().max(1).to_string();
    HttpResponse::ServiceUnavailable().insert_header((RETRY_AFTER, seconds)).finish()
}
