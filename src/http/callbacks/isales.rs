//! Results that CC-iSales pushes (reference 6): rows of one or several attempts, not signed, so the
//! address has a token. Anything but the one answer makes the platform push again.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::Receiver;
use crate::domain::ids::AccountSlug;
use crate::gateway::pushes::PushRefused;
use crate::platforms::PlatformKind;

/// The only answer that the platform takes for a success, with status 200. Any other status makes it
/// push again.
const ACCEPTED: &str = r#"{"retCode":"0","retMsg":"success"}"#;

pub async fn receive(
    receiver: Data<Receiver>,
    request: HttpRequest,
    address: Path<(String, String)>,
    body: Payload,
) -> HttpResponse {
    let (account, token) = address.into_inner();
    let account = AccountSlug::new(&account).ok();
    let known = |slug: &AccountSlug| receiver.gateway.takes_pushes(PlatformKind::Isales, slug);
    let Some(account) = account.filter(known) else {
        return receiver.refuse(&request, PushRefused::UnknownAccount);
    };
    let proof_by = receiver.proof_at(&account, &token);
    let sent_to = (PlatformKind::Isales, &account);
    let hand_on = async |body: Bytes| {
        let arrived = receiver.arrived(&request, &body);
        receiver.gateway.receive_results(sent_to, &token, arrived).await
    };
    let accepted = || {
        HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, "application/json;charset=UTF-8"))
            .body(ACCEPTED)
    };
    receiver.take((&request, body, proof_by), hand_on, accepted).await
}
