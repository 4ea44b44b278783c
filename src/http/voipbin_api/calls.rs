//! `GET /calls/{id}`: the call behind a campaigncall (reference 4.1), of a VoIPBin account from there,
//! of another home made from the recorded attempt.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use serde::Serialize;
use uuid::Uuid;

use crate::domain::call::CallResult;
use crate::gateway::error::GatewayError;
use crate::gateway::results::{AttemptView, CallView};
use crate::http::document::Document;
use crate::http::voipbin_api::error::Doing;
use crate::http::voipbin_api::profile::{Profile, ShownAddress};
use crate::http::voipbin_api::{Facade, json, unreadable};
use crate::platforms::Exchange;
use crate::platforms::Operation;
use crate::platforms::voipbin::convert;

/// A call that no VoIPBin account has. Times that have not come, or that nobody told, are left out.
#[derive(Serialize)]
struct ShownCall<'a> {
    id: Uuid,
    customer_id: Uuid,
    flow_id: Uuid,
    activeflow_id: Uuid,
    #[serde(rename = "type")]
    kind: &'static str,
    master_call_id: Uuid,
    chained_call_ids: [Uuid; 0],
    source: ShownAddress<'a>,
    destination: ShownAddress<'a>,
    status: &'static str,
    direction: &'static str,
    hangup_by: &'static str,
    hangup_reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tm_hangup: Option<String>,
    tm_create: String,
}

/// The times of a call object.
const TIMES: [&str; 6] =
    ["tm_progressing", "tm_ringing", "tm_hangup", "tm_create", "tm_update", "tm_delete"];

pub async fn detail(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Call, |call| async move {
            let id = call.id()?;
            let ask = Exchange::new(Operation::ResultDetail, "GET", format!("/calls/{id}"));
            let body = match call.gateway.call(&call.asked, id, &ask).await? {
                CallView::Native(document) => native(&document, call.profile)?,
                CallView::Recorded(view) => recorded(&view, call.profile)?,
            };
            Ok(json(body))
        })
        .await
}

fn native(document: &[u8], profile: &Profile) -> Result<Bytes, GatewayError> {
    let mut document = Document::parse(document).map_err(unreadable)?;
    for name in TIMES {
        if let Some(restated) = document.text(name).and_then(|at| profile.restate(Some(&at))) {
            document.set(name, &restated).map_err(unreadable)?;
        }
    }
    profile.restate_addresses(&mut document, &["source", "destination"])?;
    Ok(serde_json::to_vec(&document).map_err(unreadable)?.into())
}

fn recorded(view: &AttemptView, profile: &Profile) -> Result<Bytes, GatewayError> {
    let attempt = &view.row.attempt;
    let source = convert::shown_address(attempt.caller.as_ref());
    let destination = convert::shown_address(attempt.called.as_ref());
    let is_over = attempt.result != CallResult::InProgress;
    let shown = ShownCall {
        id: view.row.uuid,
        customer_id: Uuid::nil(),
        flow_id: Uuid::nil(),
        activeflow_id: Uuid::nil(),
        kind: "flow",
        master_call_id: Uuid::nil(),
        chained_call_ids: [],
        source: profile.address(&source),
        destination: profile.address(&destination),
        status: if is_over { "hangup" } else { "dialing" },
        direction: "outgoing",
        // Nobody tells.
        hangup_by: "",
        hangup_reason: convert::hangup_reason(attempt, &view.context),
        tm_hangup: attempt.ended_at.map(|at| profile.timestamp(at)),
        // As the campaigncall shows it.
        tm_create: profile.timestamp(view.row.list_at),
    };
    Ok(serde_json::to_vec(&shown).map_err(unreadable)?.into())
}
