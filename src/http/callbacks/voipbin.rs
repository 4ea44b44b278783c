//! Webhooks of VoIPBin (reference 10.2): any event of one customer, signed over the body.

use actix_web::http::header::HeaderMap;
use actix_web::web::{Bytes, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::{ProofBy, Receiver};
use crate::domain::ids::AccountSlug;
use crate::gateway::pushes::PushRefused;
use crate::http::entrance::Reason;
use crate::platforms::PlatformKind;
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
        return receiver.refuse(&request, PushRefused::UnknownAccount);
    };
    let Ok(proof) = signature(request.headers()) else {
        return receiver.not_genuine(&request, Reason::NoProof);
    };
    // Who bears a signature proves itself by the body, whatever the address says.
    let proof_by = match (proof, token) {
        (Some(_), _) => ProofBy::Body,
        (None, Some(token)) => receiver.proof_at(&account, token),
        (None, None) => return receiver.not_genuine(&request, Reason::NoProof),
    };
    let sent_to = (PlatformKind::Voipbin, &account);
    let hand_on = async |body: Bytes| {
        let arrived = receiver.arrived(&request, &body);
        receiver.gateway.receive_push(sent_to, (proof, token), arrived).await
    };
    receiver.take((&request, body, proof_by), hand_on, || HttpResponse::Ok().finish()).await
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
