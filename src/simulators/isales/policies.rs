//! Retry policy and calling numbers of a campaign (reference 3.9–3.12).

use serde_json::{Value, json};

use super::answer::{
    Answer, GENERIC, Outcome, RETRY_POLICY_NO_CAMPAIGN, Refusal, TOO_MANY, WRONG_VALUE,
};
use super::campaign_rules::caller_list;
use super::checks::{Fields, Findings, Text};
use super::retry::Rules;
use super::server::Request;
use super::world::World;
use crate::platforms::isales::wire;

pub(super) fn set_retry(world: &mut World, request: &Request) -> Outcome {
    let fields = Fields::of_body(&request.body)?;
    let mut found = Findings::default();
    fields.text(&mut found, "policyJson", Text::required(8_000));
    let rules = Rules::read(&fields, &mut found);
    found.done()?;
    let text = |name: &str| match fields.raw(name) {
        Some(Value::Array(items)) => {
            let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            Some(Value::from(items.join(",")))
        }
        other => other.cloned(),
    };
    let policy = wire::RetryPolicy {
        policy_type: fields.raw("policyType").and_then(Value::as_i64),
        policy_json: text("policyJson"),
        busi_policy: fields.raw("busiPolicy").cloned(),
        no_retry_policy: text("noRetryPolicy"),
        ..wire::RetryPolicy::default()
    };
    let campaign = world.campaign_mut(request.vdn, request.campaign).map_err(|_| no_campaign())?;
    let id = campaign.document.retry_policy.take().and_then(|old| old.retry_policy_id);
    let retry_policy_id = id.or_else(|| Some(request.campaign.to_string()));
    campaign.document.retry_policy = Some(wire::RetryPolicy { retry_policy_id, ..policy });
    campaign.retry = rules;
    Ok(Answer::new(""))
}

pub(super) fn query_retry(world: &mut World, request: &Request) -> Outcome {
    let campaign = world.campaign(request.vdn, request.campaign).map_err(|_| no_campaign())?;
    let policy = campaign.document.retry_policy.clone().unwrap_or_default();
    let data = json!({
        "retryPolicyId": policy.retry_policy_id,
        "policyType": policy.policy_type,
        "policyJson": policy.policy_json,
        "noRetryPolicy": policy.no_retry_policy,
        "busiPolicy": policy.busi_policy,
    });
    Ok(Answer::new("").with("data", data))
}

pub(super) fn add_callers(world: &mut World, request: &Request) -> Outcome {
    let mut found = Findings::default();
    let added = caller_list(&Fields::of_body(&request.body)?, &mut found);
    found.done()?;
    let max = world.setup.limits.callers;
    let campaign = world.campaign_mut(request.vdn, request.campaign)?;
    let has = |code: &str| campaign.callers.iter().any(|known| known.access_code == code);
    if added.iter().any(|caller| has(&caller.access_code)) {
        return Err(Refusal::new(WRONG_VALUE, "callerNo: the campaign has one of them already"));
    }
    if campaign.callers.len() + added.len() > max {
        return Err(Refusal::new(TOO_MANY, format!("callerNo: at most {max} per campaign")));
    }
    campaign.callers.extend(added);
    campaign.callers.sort_by_key(|caller| caller.priority);
    Ok(Answer::new(""))
}

/// The item table was not seen: the list of 3.11 is read, and bare numbers as well.
pub(super) fn delete_callers(world: &mut World, request: &Request) -> Outcome {
    let fields = Fields::of_body(&request.body)?;
    let mut found = Findings::default();
    let items = fields.list(&mut found, "callerNo", true).unwrap_or_default();
    if items.len() > world.setup.limits.callers_per_request {
        found.note(TOO_MANY, "callerNo", "at most 100");
    }
    let mut codes: Vec<&str> = Vec::with_capacity(items.len());
    for item in items {
        match item.as_str().or_else(|| item.get("accessCode")?.as_str()) {
            Some(code) => codes.push(code),
            None => found.note(super::answer::EMPTY, "callerNo.accessCode", "must be given"),
        }
    }
    found.done()?;
    let campaign = world.campaign_mut(request.vdn, request.campaign)?;
    let mut left = campaign.callers.clone();
    left.retain(|caller| !codes.contains(&caller.access_code.as_str()));
    if left.len() + codes.len() != campaign.callers.len() {
        return Err(Refusal::new(WRONG_VALUE, "callerNo: the campaign does not have one of them"));
    }
    if left.is_empty() {
        return Err(Refusal::new(GENERIC, "callerNo: one must remain"));
    }
    campaign.callers = left;
    Ok(Answer::new(""))
}

fn no_campaign() -> Refusal {
    Refusal::new(RETRY_POLICY_NO_CAMPAIGN, "campaignId: the campaign does not exist")
}
