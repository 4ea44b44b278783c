//! Campaigncalls (reference 4): the attempts, as recorded.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;

use crate::domain::ids::{CampaignKey, CampaignPart};
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::exchange::Target;
use crate::gateway::results::AttemptView;
use crate::gateway::route::Route;
use crate::http::document::Document;
use crate::http::voipbin_api::error::Doing;
use crate::http::voipbin_api::paging::{self, Asks, Row};
use crate::http::voipbin_api::profile::{Profile, is_sentinel};
use crate::http::voipbin_api::{Facade, json, native, unreadable};
use crate::platforms::Operation;
use crate::platforms::voipbin::convert;
use crate::platforms::voipbin::wire::NIL_UUID;

pub async fn list(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Campaigncall, |call| async move {
            let asks = Asks::of(&call)?;
            let listing = call.gateway.attempts(&call.asked, asks.attempts(call.profile)).await?;
            Ok(paging::page(&rows(&listing, call.profile)?, call.profile))
        })
        .await
}

pub async fn list_of_campaign(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Campaign, |call| async move {
            let key = CampaignKey::Uuid(call.id()?);
            let asks = Asks::of(&call)?;
            match call.gateway.attempts_of(&call.asked, key, asks.attempts(call.profile)).await {
                // Nobody was called yet.
                Err(GatewayError::NotFound(Noun::Draft)) => Ok(paging::page(&[], call.profile)),
                listing => Ok(paging::page(&rows(&listing?, call.profile)?, call.profile)),
            }
        })
        .await
}

pub async fn detail(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Campaigncall, |call| async move {
            let view = call.gateway.attempt(&call.asked, call.id()?).await?;
            Ok(json(render(&view, call.profile)?))
        })
        .await
}

pub async fn delete(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Campaigncall, |call| async move {
            let id = call.id()?;
            let view = call.gateway.attempt(&call.asked, id).await?;
            if view.route == Route::Native {
                let path = format!("/campaigncalls/{}", view.row.native);
                let what = (Operation::ResultDelete, path, id);
                let target = Target::Campaign(CampaignKey::Uuid(view.identity.uuid));
                let addresses = ["source", "destination"];
                let body = native::delete(&call, target, what, &addresses).await?;
                call.gateway.note_deleted_attempt(id).await?;
                let mut document = Document::parse(&body).map_err(unreadable)?;
                if let Some(contact) = view.contact {
                    document.replace("outdial_target_id", &contact).map_err(unreadable)?;
                }
                return Ok(json(serde_json::to_vec(&document).map_err(unreadable)?.into()));
            }
            let view = call.gateway.delete_attempt(&call.asked, id).await?;
            Ok(json(render(&view, call.profile)?))
        })
        .await
}

fn rows(listing: &[AttemptView], profile: &Profile) -> Result<Vec<Row>, GatewayError> {
    let row =
        |view: &AttemptView| Ok(Row { list_at: view.row.list_at, json: render(view, profile)? });
    listing.iter().map(row).collect()
}

fn render(view: &AttemptView, profile: &Profile) -> Result<Bytes, GatewayError> {
    let campaign = view.identity.uuid;
    let made;
    let source = if view.route == Route::Native {
        view.row.raw.as_bytes()
    } else {
        made = translated(view, profile)?;
        &made
    };
    let mut document = Document::parse(source).map_err(unreadable)?;
    document.set("id", &view.row.uuid).map_err(unreadable)?;
    document.set("campaign_id", &campaign).map_err(unreadable)?;
    if let (Route::Native, Some(contact)) = (view.route, view.contact) {
        document.replace("outdial_target_id", &contact).map_err(unreadable)?;
    }
    if let (Route::Native, Some(at)) = (view.route, view.row.deleted_at)
        && document.text("tm_delete").is_none_or(|known| known.is_empty() || is_sentinel(&known))
    {
        // Deleted since the home was read last.
        for name in ["tm_update", "tm_delete"] {
            document.replace(name, &profile.timestamp(at)).map_err(unreadable)?;
        }
    }
    profile.restate_addresses(&mut document, &["source", "destination"])?;
    profile.restate_document(&mut document)?;
    Ok(serde_json::to_vec(&document).map_err(unreadable)?.into())
}

fn translated(view: &AttemptView, profile: &Profile) -> Result<Vec<u8>, GatewayError> {
    let campaign = view.identity.uuid;
    let mut call = convert::call_from_domain(&view.row.attempt, &view.context).value;
    NIL_UUID.clone_into(&mut call.customer_id);
    let part = |part: CampaignPart| {
        let named = view.parts.iter().find(|(named, _)| *named == part).map(|(_, id)| *id);
        named.unwrap_or_else(|| part.public_id(campaign)).to_string()
    };
    call.outplan_id = part(CampaignPart::DialingRules);
    call.outdial_id = part(CampaignPart::ContactList);
    if let Some((_, queue)) = view.parts.iter().find(|(part, _)| *part == CampaignPart::AgentGroup)
    {
        call.queue_id = queue.to_string();
    }
    if let Some(at) = view.row.deleted_at {
        call.tm_delete = Some(profile.timestamp(at));
        call.tm_update.clone_from(&call.tm_delete);
    }
    call.outdial_target_id = view.contact.unwrap_or_default().to_string();
    call.destination_index = convert::destination_index(view.place);
    // `GET /calls/{id}` knows the attempt by the same id.
    call.reference_id = view.row.uuid.to_string();
    // The place in the list is what pages are cut by, so it is what the row shows.
    call.tm_create = Some(profile.timestamp(view.row.list_at));
    serde_json::to_vec(&call).map_err(unreadable)
}
