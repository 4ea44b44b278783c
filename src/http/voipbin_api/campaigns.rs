//! Campaigns (reference 3): list, detail, status.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use serde::Deserialize;

use crate::domain::campaign::{Answering, CampaignDefinition};
use crate::domain::ids::{CampaignIdentity, CampaignKey, CampaignPart};
use crate::gateway::campaigns::{CampaignView, Desire, Repeat, Wanted};
use crate::gateway::error::GatewayError;
use crate::gateway::route::Route;
use crate::http::document::Document;
use crate::http::voipbin_api::error::Doing;
use crate::http::voipbin_api::paging::{self, Asks, Row};
use crate::http::voipbin_api::profile::Profile;
use crate::http::voipbin_api::{Body, Facade, json, unreadable};
use crate::platforms::voipbin::convert;
use crate::platforms::voipbin::wire::{self, NIL_UUID};

/// Body of `PUT /campaigns/{id}/status`.
#[derive(Deserialize)]
struct StatusChange {
    #[serde(default)]
    status: Option<String>,
}

pub async fn list(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Campaign, |call| async move {
            let asks = Asks::of(&call)?;
            // The current generation goes on listing what was deleted (reference 1.5).
            let wanted =
                Wanted { include_deleted: call.profile.lists_deleted, ..Wanted::default() };
            let listing = call.gateway.list_campaigns(&call.asked, wanted, asks.window()).await?;
            let row = |view: &CampaignView| {
                Ok(Row { list_at: view.identity.list_at, json: render(view, call.profile)? })
            };
            let rows: Vec<Row> =
                listing.campaigns.iter().map(row).collect::<Result<_, GatewayError>>()?;
            Ok(paging::page(&rows, call.profile))
        })
        .await
}

pub async fn detail(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Campaign, |call| async move {
            let key = CampaignKey::Uuid(call.id()?);
            let profile = call.profile;
            let body = call
                .gateway
                .campaign_rendered(&call.asked, key, profile.name, |view| render(view, profile))
                .await?;
            Ok(json(body))
        })
        .await
}

/// Start and stop. Asking for what is so already changes nothing (reference 9.1).
pub async fn set_status(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade
        .answer(&request, Doing::Campaign, |call| async move {
            let key = CampaignKey::Uuid(call.id()?);
            let change: StatusChange = call.body(body)?;
            let desire = match change.status.as_deref() {
                Some("run") => Desire::Run,
                Some("stop") => Desire::Stop,
                _ => return Err(GatewayError::invalid("status", "run or stop is expected").into()),
            };
            let view = call.gateway.set_desired(&call.asked, key, desire, Repeat::Done).await?;
            Ok(json(render(&view, call.profile)?))
        })
        .await
}

/// The campaign as this facade shows it.
pub fn render(view: &CampaignView, profile: &Profile) -> Result<Bytes, GatewayError> {
    match view.route {
        Route::Native => native(view, profile),
        _ => translated(view, profile),
    }
}

fn native(view: &CampaignView, profile: &Profile) -> Result<Bytes, GatewayError> {
    let mut document = Document::parse(&view.fetched.raw).map_err(unreadable)?;
    document.set("id", &view.identity.uuid).map_err(unreadable)?;
    profile.restate_document(&mut document)?;
    Ok(serde_json::to_vec(&document).map_err(unreadable)?.into())
}

fn translated(view: &CampaignView, profile: &Profile) -> Result<Bytes, GatewayError> {
    let bundle = bundle(view, profile);
    Ok(serde_json::to_vec(&bundle.campaign).map_err(unreadable)?.into())
}

/// A campaign of another platform with its parts, ids and timestamps filled in.
pub fn bundle(view: &CampaignView, profile: &Profile) -> wire::CampaignBundle {
    let identity = &view.identity;
    let fetched = &view.fetched;
    let mut bundle =
        convert::campaign_from_domain(&fetched.definition, &fetched.status, &view.context).value;
    let campaign = &mut bundle.campaign;
    campaign.id = identity.uuid.to_string();
    NIL_UUID.clone_into(&mut campaign.customer_id);
    campaign.outplan_id = part_id(identity, CampaignPart::DialingRules);
    campaign.outdial_id = part_id(identity, CampaignPart::ContactList);
    if is_answered_by_unnamed_agents(&fetched.definition) {
        campaign.queue_id = part_id(identity, CampaignPart::AgentGroup);
    }
    let created = profile.timestamp(fetched.created_at.unwrap_or(identity.list_at));
    campaign.tm_create = Some(created.clone());
    campaign.tm_update = profile.never();
    campaign.tm_delete = profile.never();
    if let Some(outplan) = &mut bundle.outplan {
        outplan.id = part_id(identity, CampaignPart::DialingRules);
        NIL_UUID.clone_into(&mut outplan.customer_id);
        outplan.tm_create = Some(created.clone());
        outplan.tm_update = profile.never();
        outplan.tm_delete = profile.never();
    }
    if let Some(outdial) = &mut bundle.outdial {
        outdial.id = part_id(identity, CampaignPart::ContactList);
        NIL_UUID.clone_into(&mut outdial.customer_id);
        outdial.campaign_id = identity.uuid.to_string();
        outdial.tm_create = Some(created);
        outdial.tm_update = profile.never();
        outdial.tm_delete = profile.never();
    }
    bundle
}

/// Agents whose group no binding names: they are shown as a queue of the campaign's own.
fn is_answered_by_unnamed_agents(definition: &CampaignDefinition) -> bool {
    matches!(definition.answering, Answering::Agents { group: None })
}

fn part_id(identity: &CampaignIdentity, part: CampaignPart) -> String {
    part.public_id(identity.uuid).to_string()
}
