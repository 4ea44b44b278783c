//! This simulator's own part of `/_sim/`: switches, outcomes and seeds. The shared part (journal,
//! faults) is served by the parent module.

use actix_web::{HttpResponse, web};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Simulation;
use super::Switches;
use super::outcome::{MAX_RULES, Rule};
use super::seeds::Seeds;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/_sim/switches", web::get().to(show_switches))
        .route("/_sim/switches", web::post().to(set_switches))
        .route("/_sim/outcomes", web::post().to(add_outcomes))
        .route("/_sim/seeds", web::post().to(plant));
}

async fn show_switches(simulation: web::Data<Simulation>) -> HttpResponse {
    HttpResponse::Ok().json(&simulation.world().switches)
}

/// Changes the given switches, leaves the others.
async fn set_switches(simulation: web::Data<Simulation>, body: Bytes) -> HttpResponse {
    let mut world = simulation.world();
    let changed = merge(&world.switches, &body);
    match changed {
        Ok(switches) => {
            world.switches = switches;
            HttpResponse::Ok().json(&world.switches)
        }
        Err(why) => HttpResponse::BadRequest().body(why),
    }
}

/// A list of rules; the newest matching one decides. An empty list removes all.
async fn add_outcomes(simulation: web::Data<Simulation>, body: Bytes) -> HttpResponse {
    let rules: Vec<Rule> = match read(&body) {
        Ok(rules) => rules,
        Err(why) => return HttpResponse::BadRequest().body(why),
    };
    if let Some(problem) = rules.iter().find_map(Rule::problem) {
        return HttpResponse::BadRequest().body(problem);
    }
    let mut world = simulation.world();
    if world.rules.len() + rules.len() > MAX_RULES {
        return HttpResponse::BadRequest().body(format!("at most {MAX_RULES} rules"));
    }
    if rules.is_empty() {
        world.rules.clear();
    }
    world.rules.extend(rules);
    HttpResponse::NoContent().finish()
}

async fn plant(simulation: web::Data<Simulation>, body: Bytes) -> HttpResponse {
    let planted = read::<Seeds>(&body).and_then(|seeds| simulation.world().plant(&seeds));
    match planted {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(why) => HttpResponse::BadRequest().body(why),
    }
}

fn merge(switches: &Switches, body: &[u8]) -> Result<Switches, String> {
    let changes: serde_json::Map<String, Value> = read(body)?;
    let Ok(Value::Object(mut merged)) = serde_json::to_value(switches) else {
        return Err("switches cannot be written".to_owned());
    };
    merged.extend(changes);
    serde_json::from_value(Value::Object(merged)).map_err(|error| error.to_string())
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}
