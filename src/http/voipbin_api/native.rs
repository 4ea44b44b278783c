//! Requests that go through to a VoIPBin account as they are, and what comes back.

use bytes::Bytes;
use uuid::Uuid;

use crate::gateway::error::GatewayError;
use crate::gateway::exchange::Target;
use crate::http::document::Document;
use crate::http::voipbin_api::profile::Profile;
use crate::http::voipbin_api::{Call, unreadable};
use crate::platforms::{Exchange, Operation, PlatformErrorKind, Said};

/// Sends it and gives the platform's object in the client's generation, with the addresses that
/// such an object has.
///
/// # Errors
/// As every request to a home.
pub async fn pass(
    call: &Call<'_>,
    target: Target,
    exchange: Exchange,
    addresses: &[&str],
) -> Result<Bytes, GatewayError> {
    let answer = call.gateway.exchange(&call.asked, target, exchange).await?;
    restated(&answer.body, addresses, call.profile)
}

/// Deletes one object and looks whether it was that one: the platform answers 200 with an empty
/// object when it deleted nothing (reference 3.4).
///
/// # Errors
/// `Refused` when nothing was deleted.
pub async fn delete(
    call: &Call<'_>,
    target: Target,
    (operation, path, id): (Operation, String, Uuid),
    addresses: &[&str],
) -> Result<Bytes, GatewayError> {
    let exchange = Exchange::new(operation, "DELETE", path);
    let answer = call.gateway.exchange(&call.asked, target, exchange).await?;
    let document = Document::parse(&answer.body).map_err(unreadable)?;
    let deleted = document.text("id").and_then(|id| Uuid::try_parse(&id).ok());
    if deleted != Some(id) {
        let text = "nothing was deleted: its state does not allow it".to_owned();
        // The platform says 200 and nothing.
        let code = "STATE_INVALID".to_owned();
        let said = Box::new(Said { status: 409, code, text, ..Said::default() });
        let kind = PlatformErrorKind::State;
        return Err(GatewayError::Refused { kind, said, retry_after: None });
    }
    restated(&answer.body, addresses, call.profile)
}

/// The platform's object in the client's generation.
///
/// # Errors
/// When it is not the object that it should be.
pub fn restated(
    object: &[u8],
    addresses: &[&str],
    profile: &Profile,
) -> Result<Bytes, GatewayError> {
    let mut document = Document::parse(object).map_err(unreadable)?;
    profile.restate_addresses(&mut document, addresses)?;
    profile.restate_document(&mut document)?;
    Ok(serde_json::to_vec(&document).map_err(unreadable)?.into())
}
