//! Results that CC-iSales pushes (reference 6): rows of one or several attempts, not signed, so the
//! address has a token. Anything but the one answer makes the platform push again.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Data, Path, Payload};

use super::{ANSWER_DEADLINE, Receiver, not_now, refuse};
use crate::domain::ids::AccountSlug;
use crate::gateway::pushes::PushRefused;
use crate::platforms::PlatformKind;

/// The only answer that the platform takes for a success, with status 200. Any other status makes it
/// push again.
const ACCEPTED: &str = r#"{"retCode":"0","retMsg":"success"}"#;

pub async fn receive(
    receiver: Data<Receiver>,
    address: Path<(String, String)>,
    body: Payload,
) -> HttpResponse {
    let (account, token) = address.into_inner();
    let account = AccountSlug::new(&account).ok();
    let known = |slug: &AccountSlug| receiver.gateway.takes_pushes(PlatformKind::Isales, slug);
    let Some(account) = account.filter(known) else {
        return refuse(PushRefused::UnknownAccount);
    };
    let taken = async {
        // Never closed.
        let _turn = receiver.turns.acquire().await;
        let body = match body.to_bytes_limited(receiver.body_limit_bytes).await {
            Ok(Ok(body)) => body,
            // It broke off; the whole of it may come next time.
            Ok(Err(_)) => return not_now(Duration::ZERO),
            Err(_) => return HttpResponse::PayloadTooLarge().finish(),
        };
        let sent_to = (PlatformKind::Isales, &account);
        match receiver.gateway.receive_results(sent_to, &token, &body).await {
            Ok(()) => HttpResponse::Ok()
                .insert_header((CONTENT_TYPE, "application/json;charset=UTF-8"))
                .body(ACCEPTED),
            Err(refused) => refuse(refused),
        }
    };
    tokio::time::timeout(ANSWER_DEADLINE, taken).await.unwrap_or_else(|_| not_now(Duration::ZERO))
}
