//! Objects that are there without having been created through the API: the default customers and
//! queues, and what `POST /_sim/seed` puts in with ids and times of its own.

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use uuid::Uuid;

use super::engine;
use super::render::parse_time;
use super::world::{
    Action, Address, Campaign, Campaigncall, Customer, DialInfo, Outdial, Outplan, Queue,
    References, Status, Target, Times, World,
};
use crate::platforms::voipbin::wire;

/// Agents of a default queue that are free.
const DEFAULT_AGENTS: i64 = 10;

/// What `POST /_sim/seed` takes: objects as they are on the wire, of either profile. An object of an
/// id that exists replaces it; a missing owner is the first customer.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
pub struct Seed {
    customers: Vec<CustomerSeed>,
    queues: Vec<QueueSeed>,
    outplans: Vec<wire::Outplan>,
    campaigns: Vec<wire::Campaign>,
    outdials: Vec<wire::Outdial>,
    targets: Vec<wire::Target>,
    campaigncalls: Vec<wire::Campaigncall>,
}

/// Changes of a customer that the API does not offer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CustomerSeed {
    id: Uuid,
    frozen: Option<bool>,
    webhook_secret: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QueueSeed {
    id: Uuid,
    customer_id: Option<Uuid>,
    #[serde(default)]
    name: String,
    available_agents: i64,
}

/// Every account's customer, with one queue each.
pub fn default_objects(world: &mut World) {
    let now = world.now();
    for account in world.options.accounts.clone() {
        let customer = Customer {
            id: account.customer_id,
            name: "Simulated customer".into(),
            webhook_method: "POST".into(),
            webhook_secret: account.webhook_secret.clone(),
            times: Times::created(now),
            ..Customer::default()
        };
        world.customers.insert(customer.id, customer);
        let times = Times::created(world.queues.fresh_time(now));
        world.queues.insert(Queue {
            id: account.queue_id,
            customer_id: account.customer_id,
            name: "Simulated queue".into(),
            detail: String::new(),
            available_agents: DEFAULT_AGENTS,
            times,
        });
    }
}

/// Puts everything in, or says what cannot be used, in one line.
pub fn apply(world: &mut World, seed: Seed) -> Result<(), String> {
    for change in seed.customers {
        let customer = world.customers.get_mut(&change.id);
        let customer = customer.ok_or_else(|| format!("customer {} is unknown", change.id))?;
        customer.frozen = change.frozen.unwrap_or(customer.frozen);
        if let Some(secret) = change.webhook_secret {
            customer.webhook_secret = SecretString::from(secret);
        }
    }
    for queue in seed.queues {
        let customer_id = queue.customer_id.unwrap_or_else(|| first_customer(world));
        let times = Times::created(world.queues.fresh_time(world.now()));
        let QueueSeed { id, name, available_agents, .. } = queue;
        let detail = String::new();
        world.queues.insert(Queue { id, customer_id, name, detail, available_agents, times });
    }
    for row in seed.outplans {
        let row = outplan(world, row)?;
        world.outplans.insert(row);
    }
    for row in seed.outdials {
        let row = outdial(world, row)?;
        world.outdials.insert(row);
    }
    for row in seed.targets {
        let row = target(world, row)?;
        world.insert_target(row);
    }
    for row in seed.campaigncalls {
        let row = campaigncall(world, row)?;
        world.campaigncalls.insert(row);
    }
    for row in seed.campaigns {
        let starts = row.status == "run";
        let row = campaign(world, row)?;
        let id = row.id;
        world.campaigns.insert(row);
        if starts && !engine::run(world, id) {
            return Err(format!("campaign {id} cannot run: its references are not usable"));
        }
    }
    Ok(())
}

fn outplan(world: &World, row: wire::Outplan) -> Result<Outplan, String> {
    Ok(Outplan {
        id: id(&row.id)?,
        customer_id: owner(world, &row.customer_id)?,
        name: row.name,
        detail: row.detail,
        dial: DialInfo {
            source: Some(address(row.source)),
            dial_timeout_ms: row.dial_timeout,
            try_interval_ms: row.try_interval,
            max_try_counts: [
                row.max_try_count_0,
                row.max_try_count_1,
                row.max_try_count_2,
                row.max_try_count_3,
                row.max_try_count_4,
            ],
        },
        times: times(world, row.tm_create, row.tm_update, row.tm_delete),
    })
}

fn outdial(world: &World, row: wire::Outdial) -> Result<Outdial, String> {
    Ok(Outdial {
        id: id(&row.id)?,
        customer_id: owner(world, &row.customer_id)?,
        campaign_id: id_or_nil(&row.campaign_id)?,
        name: row.name,
        detail: row.detail,
        data: row.data,
        times: times(world, row.tm_create, row.tm_update, row.tm_delete),
    })
}

fn target(world: &World, row: wire::Target) -> Result<Target, String> {
    let mut times = times(world, row.tm_create, row.tm_update, row.tm_delete);
    times.update = times.update.or(Some(times.create));
    Ok(Target {
        id: id(&row.id)?,
        outdial_id: id(&row.outdial_id)?,
        name: row.name,
        detail: row.detail,
        data: row.data,
        status: if row.status.is_empty() { "idle".into() } else { row.status },
        destinations: [
            row.destination_0,
            row.destination_1,
            row.destination_2,
            row.destination_3,
            row.destination_4,
        ]
        .map(|destination| destination.map(address)),
        try_counts: [
            row.try_count_0,
            row.try_count_1,
            row.try_count_2,
            row.try_count_3,
            row.try_count_4,
        ],
        times,
    })
}

fn campaigncall(world: &World, row: wire::Campaigncall) -> Result<Campaigncall, String> {
    Ok(Campaigncall {
        id: id(&row.id)?,
        customer_id: owner(world, &row.customer_id)?,
        campaign_id: id(&row.campaign_id)?,
        refs: References {
            outplan_id: id_or_nil(&row.outplan_id)?,
            outdial_id: id_or_nil(&row.outdial_id)?,
            queue_id: id_or_nil(&row.queue_id)?,
            next_campaign_id: Uuid::nil(),
        },
        outdial_target_id: id_or_nil(&row.outdial_target_id)?,
        activeflow_id: id_or_nil(&row.activeflow_id)?,
        flow_id: id_or_nil(&row.flow_id)?,
        reference_type: row.reference_type,
        reference_id: id_or_nil(&row.reference_id)?,
        status: row.status,
        result: row.result,
        source: row.source.map(address),
        destination: row.destination.map(address),
        destination_index: usize::try_from(row.destination_index).unwrap_or(0),
        try_count: row.try_count,
        times: times(world, row.tm_create, row.tm_update, row.tm_delete),
        fate: None,
    })
}

fn campaign(world: &World, row: wire::Campaign) -> Result<Campaign, String> {
    let actions = row.actions.into_iter().map(|action| {
        Ok(Action {
            id: id_or_nil(&action.id)?,
            next_id: id_or_nil(&action.next_id)?,
            kind: action.kind,
            option: action.option,
        })
    });
    Ok(Campaign {
        id: id(&row.id)?,
        customer_id: owner(world, &row.customer_id)?,
        kind: row.kind,
        name: row.name,
        detail: row.detail,
        status: Status::Stop,
        service_level: row.service_level,
        end_handle: row.end_handle,
        actions: actions.collect::<Result<_, String>>()?,
        refs: References {
            outplan_id: id_or_nil(&row.outplan_id)?,
            outdial_id: id_or_nil(&row.outdial_id)?,
            queue_id: id_or_nil(&row.queue_id)?,
            next_campaign_id: id_or_nil(&row.next_campaign_id)?,
        },
        times: times(world, row.tm_create, row.tm_update, row.tm_delete),
        flow_id: world.new_id(),
        execute: false,
        ended_naturally: false,
        ongoing: std::collections::BTreeSet::new(),
    })
}

fn address(row: wire::Address) -> Address {
    let wire::Address { kind, target, target_name, name, detail, extra: _ } = row;
    Address { kind, target, target_name, name, detail }
}

fn times(
    world: &World,
    create: Option<String>,
    update: Option<String>,
    delete: Option<String>,
) -> Times {
    let read = |text: Option<String>| -> Option<Timestamp> { parse_time(&text?) };
    Times {
        create: read(create).unwrap_or(world.now()),
        update: read(update),
        delete: read(delete),
    }
}

fn owner(world: &World, text: &str) -> Result<Uuid, String> {
    let owner = id_or_nil(text)?;
    Ok(if owner.is_nil() { first_customer(world) } else { owner })
}

fn first_customer(world: &World) -> Uuid {
    world.options.accounts.first().map_or(Uuid::nil(), |account| account.customer_id)
}

fn id(text: &str) -> Result<Uuid, String> {
    Uuid::try_parse(text).map_err(|_| format!("`{text}` is not a UUID"))
}

fn id_or_nil(text: &str) -> Result<Uuid, String> {
    if text.is_empty() { Ok(Uuid::nil()) } else { id(text) }
}
