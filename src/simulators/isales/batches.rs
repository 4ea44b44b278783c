//! Batches of outbound numbers, from 2025-11 on (reference 11.1).

use serde_json::{Value, json};

use super::answer::{
    Answer, BATCH_NOT_ALLOWED, BATCH_PAUSED, DUPLICATE_BATCH, EMPTY, NO_BATCH, Outcome, Refusal,
    TOO_MANY_BATCHES,
};
use super::checks::{Fields, Findings, Text, Whole};
use super::server::Request;
use super::world::{Batch, COMPLETED, World};

const NAME_CHARS: usize = 255;
const NAME_FORBIDDEN: &str = "<>!@#$%^&*?;\"~/\\";
/// `status` of a batch.
const STARTED: i64 = 1;
const PAUSED: i64 = 2;

pub(super) fn create(world: &mut World, request: &Request) -> Outcome {
    let fields = Fields::of_body(&request.body)?;
    let mut found = Findings::default();
    let rule = Text::required(NAME_CHARS).allowing(|c| !NAME_FORBIDDEN.contains(c));
    let name = fields.text(&mut found, "name", rule);
    let status = fields.choice(&mut found, "status", (false, &[STARTED, PAUSED]));
    found.done()?;
    let max = world.setup.limits.batches;
    let id = world.new_batch_id();
    let campaign = world.campaign_mut(request.vdn, request.campaign)?;
    if campaign.status(request.now) == COMPLETED {
        return Err(Refusal::new(BATCH_NOT_ALLOWED, "campaignId: the campaign has ended"));
    }
    let name = name.unwrap_or_default();
    if campaign.batches.iter().any(|batch| batch.name == name) {
        return Err(Refusal::new(DUPLICATE_BATCH, "name: another batch has it"));
    }
    if campaign.batches.len() >= max {
        return Err(Refusal::new(TOO_MANY_BATCHES, format!("at most {max} per campaign")));
    }
    let paused = status != Some(STARTED);
    campaign.batches.push(Batch { id: id.clone(), name: name.to_owned(), paused });
    Ok(Answer::new("").with("returnObject", json!({ "id": id })))
}

pub(super) fn pause(world: &mut World, request: &Request) -> Outcome {
    let batch = find(world, request)?;
    if batch.paused {
        return Err(Refusal::new(BATCH_PAUSED, "id: the batch is paused already"));
    }
    batch.paused = true;
    Ok(Answer::new(""))
}

/// Resuming a batch that runs has no code of its own (03000005 was not seen); it succeeds.
pub(super) fn resume(world: &mut World, request: &Request) -> Outcome {
    find(world, request)?.paused = false;
    Ok(Answer::new(""))
}

/// A GET with a JSON body.
pub(super) fn list(world: &mut World, request: &Request) -> Outcome {
    let fields = Fields::of_body(&request.body)?;
    let mut found = Findings::default();
    let status = fields.choice(&mut found, "status", (false, &[STARTED, PAUSED]));
    let name = fields.text(&mut found, "name", Text::optional(NAME_CHARS));
    let most = i64::from(i32::MAX);
    let offset = fields.whole(&mut found, "offset", Whole::required(0, most));
    let limit = fields.whole(&mut found, "limit", Whole::required(1, most));
    found.done()?;
    let campaign = world.campaign(request.vdn, request.campaign)?;
    let matching: Vec<&Batch> = campaign
        .batches
        .iter()
        .filter(|batch| status.is_none_or(|status| status == status_of(batch)))
        .filter(|batch| name.is_none_or(|name| batch.name.contains(name)))
        .collect();
    let size = |number: Option<i64>| number.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let data: Vec<Value> = matching
        .iter()
        .skip(size(offset))
        .take(size(limit))
        .map(|batch| json!({ "id": batch.id, "name": batch.name, "status": status_of(batch) }))
        .collect();
    Ok(Answer::new("").with("totalCount", matching.len()).with("data", data))
}

fn find<'a>(world: &'a mut World, request: &Request) -> Result<&'a mut Batch, Refusal> {
    let fields = Fields::of_body(&request.body)?;
    // The page does not say whether the id is text or number; 30 digits only fit text.
    let id = match fields.raw("id") {
        Some(Value::String(id)) if !id.is_empty() => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => return Err(Refusal::new(EMPTY, "id: must be given")),
    };
    let campaign = world.campaign_mut(request.vdn, request.campaign)?;
    let found = campaign.batches.iter_mut().find(|batch| batch.id == id);
    found.ok_or_else(|| Refusal::new(NO_BATCH, "id: the batch does not exist"))
}

fn status_of(batch: &Batch) -> i64 {
    if batch.paused { PAUSED } else { STARTED }
}
