//! Webhooks of VoIPBin (reference 10.2): any event of one customer, signed over the body.

use std::time::Duration;

use actix_web::http::header::HeaderMap;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::{ANSWER_DEADLINE, Receiver, not_now, refuse};
use crate::domain::ids::AccountSlug;
use crate::gateway::pushes::PushRefused;
use crate::platforms::{PlatformKind, Push};
use crate::signing::webhook::SIGNATURE_HEADER;

pub async fn receive(
    receiver: Data<Receiver>,
    request: HttpRequest,
    body: Payload,
) -> HttpResponse {
    let address = request.match_info();
    let (account, token) = (AccountSlug::new(address.query("account")).ok(), address.get("token"));
    let known = |slug: &AccountSlug| receiver.gateway.takes_pushes(PlatformKind::Voipbin, slug);
    let Some(account) = account.filter(known) else {
        return refuse(PushRefused::UnknownAccount);
    };
    let Ok(proof) = signature(request.headers()) else {
        return refuse(PushRefused::NotGenuine);
    };
    if proof.is_none() && token.is_none() {
        return refuse(PushRefused::NotGenuine);
    }
    let taken = async {
        // Never closed.
        let _turn = receiver.turns.acquire().await;
        let body = match body.to_bytes_limited(receiver.body_limit_bytes).await {
            Ok(Ok(body)) => body,
            // It broke off; the whole of it may come next time.
            Ok(Err(_)) => return not_now(Duration::ZERO),
            Err(_) => return HttpResponse::PayloadTooLarge().finish(),
        };
        let sent_to = (PlatformKind::Voipbin, &account);
        match receiver.gateway.receive_push(sent_to, Push { body: &body, proof, token }).await {
            Ok(()) => HttpResponse::Ok().finish(),
            Err(refused) => refuse(refused),
        }
    };
    tokio::time::timeout(ANSWER_DEADLINE, taken).await.unwrap_or_else(|_| not_now(Duration::ZERO))
}

/// Two of them prove nothing.
struct Ambiguous;

/// The one signature of a request, if it has one.
fn signature(headers: &HeaderMap) -> Result<Option<&str>, Ambiguous> {
    let mut given = headers.get_all(SIGNATURE_HEADER);
    match (given.next(), given.next()) {
        (None, _) => Ok(None),
        (Some(signature), None) => signature.to_str().map(Some).map_err(|_| Ambiguous),
        _ => Err(Ambiguous),
    }
}
