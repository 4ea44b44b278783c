//! What is read around campaigns: `/me`, `/customer`, `/queues`, `/calls` and `/campaigncalls`
//! (VB 4, 8, 10.2).

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::ApiError;
use super::auth::CallerKind;
use super::routes::{Request, owned};
use super::world::World;

type Answer = Result<Value, ApiError>;

#[derive(Deserialize)]
struct CustomerBody {
    name: Option<String>,
    detail: Option<String>,
    email: Option<String>,
    phone_number: Option<String>,
    address: Option<String>,
    webhook_method: Option<String>,
    webhook_uri: Option<String>,
}

/// Only people have a self: access keys are refused (since 2026-05-04).
pub fn me(world: &mut World, request: &Request) -> Answer {
    if request.caller.kind != CallerKind::Agent {
        return Err(ApiError::forbidden("AGENT_AUTH_REQUIRED"));
    }
    let customer = request.caller.customer;
    let account = world.options.accounts.iter().find(|account| account.customer_id == customer);
    Ok(json!({
        // The simulator has one agent per customer, under the customer's id.
        "id": customer,
        "customer_id": customer,
        "username": account.map(|account| &account.username),
        "name": "", "detail": "", "ring_method": "ringall", "status": "available",
        "permission": 32, "tag_ids": [], "addresses": [],
        "tm_create": null, "tm_update": null, "tm_delete": null,
    }))
}

pub fn get_customer(world: &mut World, request: &Request) -> Answer {
    let customer = world.customers.get(&request.caller.customer);
    let customer = customer.ok_or_else(|| ApiError::not_found("CUSTOMER_NOT_FOUND"))?;
    Ok(world.view().customer(customer))
}

/// Full replacement: a member left out becomes empty, and an empty webhook address is "off".
pub fn put_customer(world: &mut World, request: &Request) -> Answer {
    let body: CustomerBody = request.body()?;
    let now = world.now();
    if let Some(customer) = world.customers.get_mut(&request.caller.customer) {
        customer.name = body.name.unwrap_or_default();
        customer.detail = body.detail.unwrap_or_default();
        customer.email = body.email.unwrap_or_default();
        customer.phone_number = body.phone_number.unwrap_or_default();
        customer.address = body.address.unwrap_or_default();
        customer.webhook_method = body.webhook_method.unwrap_or_default();
        customer.webhook_uri = body.webhook_uri.unwrap_or_default();
        customer.times.update = Some(now);
    }
    get_customer(world, request)
}

pub fn list_queues(world: &mut World, request: &Request) -> Answer {
    let view = world.view();
    let list = (&world.queues, request.caller.customer);
    request.page(world, list, |_| true, |row| view.queue(row))
}

pub fn get_queue(world: &mut World, request: &Request) -> Answer {
    let queue = owned(&world.queues, request.id(1)?, &request.caller)?;
    Ok(world.view().queue(queue))
}

pub fn get_call(world: &mut World, request: &Request) -> Answer {
    let call = world.calls.get(&request.id(1)?);
    let call = call.ok_or_else(|| ApiError::not_found("CALL_NOT_FOUND"))?;
    if call.customer_id != request.caller.customer {
        return Err(ApiError::forbidden("PERMISSION_DENIED"));
    }
    Ok(world.view().call(call))
}

pub fn list_campaigncalls(world: &mut World, request: &Request) -> Answer {
    let view = world.view();
    let list = (&world.campaigncalls, request.caller.customer);
    request.page(world, list, |_| true, |row| view.campaigncall(row))
}

pub fn get_campaigncall(world: &mut World, request: &Request) -> Answer {
    let call = owned(&world.campaigncalls, request.id(1)?, &request.caller)?;
    Ok(world.view().campaigncall(call))
}

/// Only when done.
pub fn delete_campaigncall(world: &mut World, request: &Request) -> Answer {
    let id = request.id(1)?;
    let call = owned(&world.campaigncalls, id, &request.caller)?;
    if call.status != "done" {
        let pretends = world.options.defects.pretend_to_delete;
        return if pretends { Ok(zero_campaigncall()) } else { Err(ApiError::wrong_state()) };
    }
    let now = world.now();
    world.campaigncalls.delete(id, now);
    world.publish_campaigncall(id, "campaigncall_deleted");
    get_campaigncall(world, request)
}

/// What HEAD answers, with 200, when it has deleted nothing (VB 4.2).
fn zero_campaigncall() -> Value {
    let nil = Uuid::nil();
    json!({
        "id": nil, "customer_id": nil, "campaign_id": nil, "outplan_id": nil, "outdial_id": nil,
        "outdial_target_id": nil, "queue_id": nil, "activeflow_id": nil, "flow_id": nil,
        "reference_type": "", "reference_id": nil, "status": "", "result": "",
        "source": null, "destination": null, "destination_index": 0, "try_count": 0,
        "tm_create": null, "tm_update": null, "tm_delete": null,
    })
}
