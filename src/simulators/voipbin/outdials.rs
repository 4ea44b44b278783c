//! `/outdials` and their targets (VB 6, 7).

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::Profile;
use super::answer::ApiError;
use super::routes::{AddressBody, Request, has_room, owned, uuid_or_nil};
use super::world::{Address, Outdial, Row, Target, Times, World};
use crate::simulators::journal::ContactAdded;

type Answer = Result<Value, ApiError>;

#[derive(Deserialize)]
struct OutdialBody {
    campaign_id: Option<String>,
    name: Option<String>,
    detail: Option<String>,
    data: Option<String>,
}

#[derive(Deserialize)]
struct TargetBody {
    name: Option<String>,
    detail: Option<String>,
    data: Option<String>,
    destination_0: Option<AddressBody>,
    destination_1: Option<AddressBody>,
    destination_2: Option<AddressBody>,
    destination_3: Option<AddressBody>,
    destination_4: Option<AddressBody>,
}

#[derive(Deserialize)]
struct NameBody {
    name: Option<String>,
    detail: Option<String>,
}

#[derive(Deserialize)]
struct CampaignIdBody {
    campaign_id: Option<String>,
}

#[derive(Deserialize)]
struct DataBody {
    data: Option<String>,
}

pub fn list(world: &mut World, request: &Request) -> Answer {
    let view = world.view();
    let list = (&world.outdials, request.caller.customer);
    request.page(world, list, |_| true, |row| view.outdial(row))
}

/// All four members must say something (since 2026-08-05); the campaign need not exist.
pub fn create(world: &mut World, request: &Request) -> Answer {
    let body: OutdialBody = request.body()?;
    let campaign_id = uuid_or_nil(body.campaign_id.as_ref());
    let (name, detail, data) = (body.name, body.detail, body.data);
    let (Some(name), Some(detail), Some(data)) = (said(name), said(detail), said(data)) else {
        return Err(ApiError::invalid_argument());
    };
    if campaign_id.is_nil() {
        return Err(ApiError::invalid_argument());
    }
    has_room(&world.outdials)?;
    let id = world.new_id();
    let times = Times::created(world.outdials.fresh_time(world.now()));
    let customer_id = request.caller.customer;
    world.outdials.insert(Outdial { id, customer_id, campaign_id, name, detail, data, times });
    world.publish_outdial(id, "outdial_created");
    show(world, request, id)
}

pub fn get(world: &mut World, request: &Request) -> Answer {
    show(world, request, request.id(1)?)
}

pub fn put(world: &mut World, request: &Request) -> Answer {
    let id = request.id(1)?;
    let NameBody { name, detail } = request.body()?;
    change(world, request, id, |outdial| {
        outdial.name = name.unwrap_or_default();
        outdial.detail = detail.unwrap_or_default();
    })
}

/// Bad text or nil detaches; whose campaign it is, is not asked.
pub fn put_campaign_id(world: &mut World, request: &Request) -> Answer {
    let id = request.id(1)?;
    let body: CampaignIdBody = request.body()?;
    let campaign = uuid_or_nil(body.campaign_id.as_ref());
    change(world, request, id, |outdial| outdial.campaign_id = campaign)
}

pub fn put_data(world: &mut World, request: &Request) -> Answer {
    let id = request.id(1)?;
    let body: DataBody = request.body()?;
    change(world, request, id, |outdial| outdial.data = body.data.unwrap_or_default())
}

/// The targets are left as they are.
pub fn delete(world: &mut World, request: &Request) -> Answer {
    let id = request.id(1)?;
    owned(&world.outdials, id, &request.caller)?;
    let now = world.now();
    world.outdials.delete(id, now);
    world.publish_outdial(id, "outdial_deleted");
    show(world, request, id)
}

pub fn list_targets(world: &mut World, request: &Request) -> Answer {
    let id = request.id(1)?;
    owned(&world.outdials, id, &request.caller)?;
    let view = world.view();
    request.page(world, (&world.targets, id), |row| !row.deleted(), |row| view.target(row))
}

pub fn create_target(world: &mut World, request: &Request) -> Answer {
    let outdial_id = request.id(1)?;
    let body: TargetBody = request.body()?;
    owned(&world.outdials, outdial_id, &request.caller)?;
    // A slot that is left out is an empty address since it was null (VB 7.1, 16).
    let unset = match world.options.profile {
        Profile::Head => Some(Address::default()),
        Profile::Seed => None,
    };
    let destinations = [
        body.destination_0,
        body.destination_1,
        body.destination_2,
        body.destination_3,
        body.destination_4,
    ]
    .map(|address| address.map_or_else(|| unset.clone(), |address| Some(address.into())));
    let (name, detail, data) = (said(body.name), said(body.detail), said(body.data));
    let (Some(name), Some(detail), Some(data)) = (name, detail, data) else {
        return Err(ApiError::invalid_argument());
    };
    if destinations.iter().flatten().all(|address| address.target.is_empty()) {
        return Err(ApiError::invalid_argument());
    }
    has_room(&world.targets)?;
    let id = world.new_id();
    let created = world.targets.fresh_time(world.now());
    world.insert_target(Target {
        id,
        outdial_id,
        name,
        detail,
        data,
        status: "idle".into(),
        destinations,
        try_counts: [0; 5],
        // A fresh target's update is its creation: that is how the engine knows it is untried.
        times: Times { create: created, update: Some(created), delete: None },
    });
    world.journal.contact(ContactAdded {
        at: world.now(),
        campaign: outdial_id.to_string(),
        contact: id.to_string(),
    });
    show_target(world, id)
}

pub fn get_target(world: &mut World, request: &Request) -> Answer {
    let id = target_id(world, request)?;
    show_target(world, id)
}

pub fn delete_target(world: &mut World, request: &Request) -> Answer {
    let id = target_id(world, request)?;
    let (now, status) = (world.now(), world.targets.get(id).map(|row| row.status.clone()));
    // Through the engine's order, since deleting counts as an update.
    world.set_target_status(id, &status.unwrap_or_default());
    world.targets.delete(id, now);
    show_target(world, id)
}

/// The target of the path, once it is known to be in the outdial of the path.
fn target_id(world: &World, request: &Request) -> Result<Uuid, ApiError> {
    let (outdial_id, id) = (request.id(1)?, request.id(3)?);
    owned(&world.outdials, outdial_id, &request.caller)?;
    let target = world.targets.get(id).ok_or_else(|| ApiError::not_found(Target::NOT_FOUND))?;
    if target.outdial_id != outdial_id {
        return Err(ApiError::invalid_argument());
    }
    Ok(id)
}

fn said(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn change(
    world: &mut World,
    request: &Request,
    id: Uuid,
    edit: impl FnOnce(&mut Outdial),
) -> Answer {
    owned(&world.outdials, id, &request.caller)?;
    let now = world.now();
    if let Some(outdial) = world.outdials.get_mut(id) {
        edit(outdial);
        outdial.times.update = Some(now);
    }
    world.publish_outdial(id, "outdial_updated");
    show(world, request, id)
}

fn show(world: &World, request: &Request, id: Uuid) -> Answer {
    let outdial = owned(&world.outdials, id, &request.caller)?;
    Ok(world.view().outdial(outdial))
}

fn show_target(world: &World, id: Uuid) -> Answer {
    let target = world.targets.get(id);
    target
        .map(|target| world.view().target(target))
        .ok_or_else(|| ApiError::not_found(Target::NOT_FOUND))
}
