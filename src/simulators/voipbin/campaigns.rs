//! `/campaigns` (VB 3).

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::ApiError;
use super::engine;
use super::references::{attach_outdial, usable};
use super::routes::{ActionBody, Request, has_room, owned, uuid_or_nil};
use super::world::{Campaign, References, Status, Times, World};

type Answer = Result<Value, ApiError>;

#[derive(Deserialize)]
struct CampaignBody {
    name: Option<String>,
    detail: Option<String>,
    r#type: Option<String>,
    service_level: Option<i64>,
    end_handle: Option<String>,
    actions: Option<Vec<ActionBody>>,
    #[serde(flatten)]
    refs: ReferencesBody,
}

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names on the wire")]
struct ReferencesBody {
    outplan_id: Option<String>,
    outdial_id: Option<String>,
    queue_id: Option<String>,
    next_campaign_id: Option<String>,
}

/// The five members that a PUT replaces; the real server ignores the others there.
#[derive(Deserialize)]
struct InfoBody {
    name: Option<String>,
    detail: Option<String>,
    r#type: Option<String>,
    service_level: Option<i64>,
    end_handle: Option<String>,
}

#[derive(Deserialize)]
struct StatusBody {
    status: Option<String>,
}

#[derive(Deserialize)]
struct ServiceLevelBody {
    service_level: Option<i64>,
}

#[derive(Deserialize)]
struct ActionsBody {
    actions: Option<Vec<ActionBody>>,
}

#[derive(Deserialize)]
struct NextCampaignBody {
    next_campaign_id: Option<String>,
}

pub fn list(world: &mut World, request: &Request) -> Answer {
    let view = world.view();
    let list = (&world.campaigns, request.caller.customer);
    request.page(world, list, |_| true, |row| view.campaign(row))
}

pub fn create(world: &mut World, request: &Request) -> Answer {
    let body: CampaignBody = request.body()?;
    has_room(&world.campaigns)?;
    let refs = References::from(&body.refs);
    if !usable(world, request.caller.customer, Uuid::nil(), refs) {
        return Err(ApiError::invalid_argument());
    }
    let id = world.new_id();
    let campaign = Campaign {
        id,
        customer_id: request.caller.customer,
        kind: body.r#type.unwrap_or_default(),
        name: body.name.unwrap_or_default(),
        detail: body.detail.unwrap_or_default(),
        status: Status::Stop,
        service_level: body.service_level.unwrap_or_default(),
        end_handle: body.end_handle.unwrap_or_default(),
        actions: body.actions.unwrap_or_default().into_iter().map(Into::into).collect(),
        refs,
        times: Times::created(world.campaigns.fresh_time(world.now())),
        flow_id: world.new_id(),
        execute: false,
        ended_naturally: false,
        ongoing: std::collections::BTreeSet::new(),
    };
    world.campaigns.insert(campaign);
    world.publish_campaign(id, "campaign_created");
    attach_outdial(world, id, refs.outdial_id);
    show(world, id)
}

pub fn get(world: &mut World, request: &Request) -> Answer {
    let campaign = owned(&world.campaigns, request.id(1)?, &request.caller)?;
    Ok(world.view().campaign(campaign))
}

pub fn put(world: &mut World, request: &Request) -> Answer {
    let id = request.id(1)?;
    let body: InfoBody = request.body()?;
    change(world, request, id, |campaign| {
        campaign.name = body.name.unwrap_or_default();
        campaign.detail = body.detail.unwrap_or_default();
        campaign.kind = body.r#type.unwrap_or_default();
        campaign.service_level = body.service_level.unwrap_or_default();
        campaign.end_handle = body.end_handle.unwrap_or_default();
    })
}

pub fn delete(world: &mut World, request: &Request) -> Answer {
    let id = request.id(1)?;
    let campaign = owned(&world.campaigns, id, &request.caller)?;
    if campaign.status != Status::Stop {
        let pretends = world.options.defects.pretend_to_delete;
        return if pretends { Ok(zero_campaign()) } else { Err(ApiError::wrong_state()) };
    }
    let now = world.now();
    world.campaigns.delete(id, now);
    world.publish_campaign(id, "campaign_deleted");
    show(world, id)
}

pub fn put_status(world: &mut World, request: &Request) -> Answer {
    let id = request.id(1)?;
    let body: StatusBody = request.body()?;
    owned(&world.campaigns, id, &request.caller)?;
    match body.status.as_deref() {
        Some("run") if engine::run(world, id) => {}
        Some("stop") => engine::stop(world, id),
        _ => return Err(ApiError::invalid_argument()),
    }
    show(world, id)
}

pub fn put_service_level(world: &mut World, request: &Request) -> Answer {
    let id = request.id(1)?;
    let body: ServiceLevelBody = request.body()?;
    change(world, request, id, |campaign| {
        campaign.service_level = body.service_level.unwrap_or_default();
    })
}

pub fn put_actions(world: &mut World, request: &Request) -> Answer {
    let id = request.id(1)?;
    let body: ActionsBody = request.body()?;
    change(world, request, id, |campaign| {
        campaign.actions = body.actions.unwrap_or_default().into_iter().map(Into::into).collect();
    })
}

pub fn put_resource_info(world: &mut World, request: &Request) -> Answer {
    let id = request.id(1)?;
    let body: ReferencesBody = request.body()?;
    let refs = References::from(&body);
    owned(&world.campaigns, id, &request.caller)?;
    if !usable(world, request.caller.customer, id, refs) {
        return Err(ApiError::invalid_argument());
    }
    let answer = change(world, request, id, |campaign| campaign.refs = refs)?;
    attach_outdial(world, id, refs.outdial_id);
    Ok(answer)
}

/// Unlike elsewhere, text that is not a UUID is refused; whether the campaign exists is not asked.
pub fn put_next_campaign_id(world: &mut World, request: &Request) -> Answer {
    let id = request.id(1)?;
    let body: NextCampaignBody = request.body()?;
    let next = body.next_campaign_id.unwrap_or_default();
    let next = match next.as_str() {
        "" => Uuid::nil(),
        text => Uuid::try_parse(text).map_err(|_| ApiError::invalid_argument())?,
    };
    change(world, request, id, |campaign| campaign.refs.next_campaign_id = next)
}

pub fn list_campaigncalls(world: &mut World, request: &Request) -> Answer {
    let id = request.id(1)?;
    owned(&world.campaigns, id, &request.caller)?;
    let view = world.view();
    request.page(world, (&world.campaigncalls, id), |_| true, |row| view.campaigncall(row))
}

impl From<&ReferencesBody> for References {
    fn from(body: &ReferencesBody) -> Self {
        Self {
            outplan_id: uuid_or_nil(body.outplan_id.as_ref()),
            outdial_id: uuid_or_nil(body.outdial_id.as_ref()),
            queue_id: uuid_or_nil(body.queue_id.as_ref()),
            next_campaign_id: uuid_or_nil(body.next_campaign_id.as_ref()),
        }
    }
}

/// Changes a campaign of the caller's and says so to the webhook. No change is refused for running.
fn change(
    world: &mut World,
    request: &Request,
    id: Uuid,
    edit: impl FnOnce(&mut Campaign),
) -> Answer {
    owned(&world.campaigns, id, &request.caller)?;
    let now = world.now();
    if let Some(campaign) = world.campaigns.get_mut(id) {
        edit(campaign);
        campaign.times.update = Some(now);
    }
    world.publish_campaign(id, "campaign_updated");
    show(world, id)
}

fn show(world: &World, id: Uuid) -> Answer {
    let campaign = world.campaigns.get(id);
    campaign
        .map(|campaign| world.view().campaign(campaign))
        .ok_or_else(|| ApiError::internal("The campaign has gone."))
}

/// What HEAD answers, with 200, when it has deleted nothing (VB 3.4).
fn zero_campaign() -> Value {
    let nil = Uuid::nil();
    json!({
        "id": nil, "customer_id": nil, "type": "", "name": "", "detail": "", "status": "",
        "service_level": 0, "end_handle": "", "actions": null, "outplan_id": nil,
        "outdial_id": nil, "queue_id": nil, "next_campaign_id": nil,
        "tm_create": null, "tm_update": null, "tm_delete": null,
    })
}
