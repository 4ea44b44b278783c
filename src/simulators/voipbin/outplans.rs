//! `/outplans` (VB 5). No event is published for them.

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::answer::ApiError;
use super::routes::{AddressBody, Request, has_room, owned};
use super::world::{DialInfo, Outplan, Times, World};

type Answer = Result<Value, ApiError>;

#[derive(Deserialize)]
struct NameBody {
    name: Option<String>,
    detail: Option<String>,
}

#[derive(Deserialize)]
struct DialBody {
    source: Option<AddressBody>,
    dial_timeout: Option<i64>,
    try_interval: Option<i64>,
    max_try_count_0: Option<i64>,
    max_try_count_1: Option<i64>,
    max_try_count_2: Option<i64>,
    max_try_count_3: Option<i64>,
    max_try_count_4: Option<i64>,
}

pub fn list(world: &mut World, request: &Request) -> Answer {
    let view = world.view();
    let list = (&world.outplans, request.caller.customer);
    request.page(world, list, |_| true, |row| view.outplan(row))
}

pub fn create(world: &mut World, request: &Request) -> Answer {
    let NameBody { name, detail } = request.body()?;
    let dial: DialBody = request.body()?;
    has_room(&world.outplans)?;
    let id = world.new_id();
    let outplan = Outplan {
        id,
        customer_id: request.caller.customer,
        name: name.unwrap_or_default(),
        detail: detail.unwrap_or_default(),
        dial: dial.into(),
        times: Times::created(world.outplans.fresh_time(world.now())),
    };
    world.outplans.insert(outplan);
    show(world, request, id)
}

pub fn get(world: &mut World, request: &Request) -> Answer {
    show(world, request, request.id(1)?)
}

pub fn put(world: &mut World, request: &Request) -> Answer {
    let id = request.id(1)?;
    let NameBody { name, detail } = request.body()?;
    change(world, request, id, |outplan| {
        outplan.name = name.unwrap_or_default();
        outplan.detail = detail.unwrap_or_default();
    })
}

pub fn put_dial_info(world: &mut World, request: &Request) -> Answer {
    let id = request.id(1)?;
    let dial: DialBody = request.body()?;
    change(world, request, id, |outplan| outplan.dial = dial.into())
}

pub fn delete(world: &mut World, request: &Request) -> Answer {
    let id = request.id(1)?;
    owned(&world.outplans, id, &request.caller)?;
    let now = world.now();
    world.outplans.delete(id, now);
    show(world, request, id)
}

impl From<DialBody> for DialInfo {
    fn from(body: DialBody) -> Self {
        Self {
            // An absent source is stored as an empty address and prints as `{}`.
            source: Some(body.source.unwrap_or_default().into()),
            dial_timeout_ms: body.dial_timeout.unwrap_or_default(),
            try_interval_ms: body.try_interval.unwrap_or_default(),
            max_try_counts: [
                body.max_try_count_0,
                body.max_try_count_1,
                body.max_try_count_2,
                body.max_try_count_3,
                body.max_try_count_4,
            ]
            .map(Option::unwrap_or_default),
        }
    }
}

fn change(
    world: &mut World,
    request: &Request,
    id: Uuid,
    edit: impl FnOnce(&mut Outplan),
) -> Answer {
    owned(&world.outplans, id, &request.caller)?;
    let now = world.now();
    if let Some(outplan) = world.outplans.get_mut(id) {
        edit(outplan);
        outplan.times.update = Some(now);
    }
    show(world, request, id)
}

fn show(world: &World, request: &Request, id: Uuid) -> Answer {
    let outplan = owned(&world.outplans, id, &request.caller)?;
    Ok(world.view().outplan(outplan))
}
