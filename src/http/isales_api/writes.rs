//! Creating, modifying and deleting campaigns (reference 3.1 to 3.4), their retry policy (3.9,
//! 3.10) and calling numbers (3.11, 3.12).

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, json};
use url::Url;

use crate::domain::campaign::{Answering, CampaignDefinition, CampaignStatus};
use crate::domain::ids::{
    AccountSlug, CampaignIdentity, CampaignKey, CampaignNumber, PublicPair, VdnId,
};
use crate::gateway::changes::Change;
use crate::gateway::creation::Creating;
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::exchange::Target;
use crate::gateway::idempotency::Keyed;
use crate::gateway::route::Route;
use crate::http::document::Document;
use crate::http::isales_api::answer::Success;
use crate::http::isales_api::campaigns::{has_ended, shown};
use crate::http::isales_api::definition::{self, Purpose, Version, caller_list};
use crate::http::isales_api::edits;
use crate::http::isales_api::error::{
    BrokenRule, Doing, NO_SKILL_QUEUE, Refused, UNREADABLE, WRONG_VALUE,
};
use crate::http::isales_api::fields::{self, Fields};
use crate::http::isales_api::{Body, Call, Existing, Facade, policies, relay, unreadable};
use crate::http::{keyed, touching};
use crate::platforms::isales::convert;
use crate::platforms::isales::wire;
use crate::platforms::{ConvertContext, Exchange, Operation};

/// Created as paused, by the assumption of reference 3.14.
const INIT_PAUSED: i64 = 1;
/// Longest text of a retry policy (no page states one).
const MAX_POLICY: usize = 2000;

#[derive(Deserialize)]
struct Made {
    #[serde(rename = "returnObject")]
    object: MadeObject,
}

#[derive(Deserialize)]
struct MadeObject {
    id: i64,
}

pub async fn create_v1(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade.answer(&request, body, Doing::Create, |call| create(call, Version::One)).await
}

pub async fn create_v2(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade.answer(&request, body, Doing::Create, |call| create(call, Version::Two)).await
}

pub async fn modify_v1(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade.answer(&request, body, Doing::Modify, |call| Box::pin(modify(call, Version::One))).await
}

pub async fn modify_v2(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade.answer(&request, body, Doing::Modify, |call| Box::pin(modify(call, Version::Two))).await
}

/// `archiveHistory` chooses between moving results to history and losing them; the ledger keeps
/// them either way.
pub async fn delete(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade
        .answer(&request, body, Doing::Delete, |call| async move {
            let pair = fields::pair(call.request)?;
            Fields::of_body(&call.body)?.within("archiveHistory", (0, 1))?;
            let operation = Operation::CampaignDelete;
            let Existing { key, route, .. } = call.existing(pair, operation).await?;
            if route == Route::Native {
                return relay::pass(&call, Target::Campaign(key), operation).await;
            }
            let view = call.gateway.campaign_at_rest(&call.asked, key).await?;
            if matches!(view.fetched.status, CampaignStatus::Running | CampaignStatus::Stopping) {
                return Err(GatewayError::State("the campaign is running".to_owned()).into());
            }
            call.gateway.delete_campaign(&call.asked, key).await?;
            Ok(super::json(Success::new("")?.bytes()))
        })
        .await
}

pub async fn retry_policy(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade
        .answer(&request, body, Doing::RetryPolicy, |call| async move {
            let operation = Operation::RetryPolicyQuery;
            let found = call.existing(fields::pair(call.request)?, operation).await?;
            let Existing { key, route, .. } = found;
            if route == Route::Native {
                return relay::pass(&call, Target::Campaign(key), operation).await;
            }
            let view = call.gateway.campaign(&call.asked, key).await?;
            // As it was stated: what nobody stated could be written back as if somebody had.
            let policy = shown(&view)?.retry_policy.unwrap_or_default();
            let data = json!({
                "retryPolicyId": policy.retry_policy_id,
                "policyType": policy.policy_type,
                "policyJson": policy.policy_json,
                "noRetryPolicy": policy.no_retry_policy,
                "busiPolicy": policy.busi_policy,
            });
            Ok(super::json(Success::new("")?.with("data", &data)?.bytes()))
        })
        .await
}

pub async fn set_retry_policy(
    facade: Data<Facade>,
    request: HttpRequest,
    body: Body,
) -> HttpResponse {
    facade
        .answer(&request, body, Doing::RetryPolicy, |call| async move {
            let pair = fields::pair(call.request)?;
            let operation = Operation::RetryPolicyModify;
            let policy = set_policy(&call.body);
            let found = call.existing(pair, operation).await;
            if let Ok(Existing { key, route: Route::Native, .. }) = found {
                return relay::pass(&call, Target::Campaign(key), operation).await;
            }
            let (mut policy, Existing { key, .. }) = (policy?, found?);
            let change = Box::pin(call.gateway.begin_change(&call.asked, key, operation)).await?;
            let mut after = shown(&change.before)?;
            let before = after.retry_policy.take().unwrap_or_default();
            edits::keep_of_retry_policy(&mut policy, before);
            after.retry_policy = Some(policy);
            Box::pin(write(&change, after)).await
        })
        .await
}

/// The body that sets a retry policy: the policy itself, whose tries are in `policyJson`.
fn set_policy(body: &[u8]) -> Result<wire::RetryPolicy, BrokenRule> {
    let fields = Fields::of_body(body)?;
    fields.text("policyJson", MAX_POLICY)?.ok_or_else(|| fields.missing("policyJson"))?;
    policies::check_retry(&fields)?;
    let policy: Result<wire::RetryPolicy, _> = serde_json::from_slice(body);
    let policy = policy.map_err(|_| BrokenRule::new(UNREADABLE, "body", "it cannot be read"))?;
    Ok(wire::RetryPolicy { extra: Map::new(), ..policy })
}

pub async fn add_callers(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade
        .answer(&request, body, Doing::Campaign, |call| {
            Box::pin(change_callers(call, |known, given| {
                for caller in given {
                    if known.iter().any(|k| k.access_code == caller.access_code) {
                        let rule = "the campaign has this number already";
                        return Err(BrokenRule::new(WRONG_VALUE, "accessCode", rule));
                    }
                    known.push(caller);
                }
                Ok(())
            }))
        })
        .await
}

/// One number must remain (reference 3.12).
pub async fn remove_callers(
    facade: Data<Facade>,
    request: HttpRequest,
    body: Body,
) -> HttpResponse {
    facade
        .answer(&request, body, Doing::Campaign, |call| {
            Box::pin(change_callers(call, |known, given| {
                for caller in given {
                    let place = known.iter().position(|k| k.access_code == caller.access_code);
                    let Some(place) = place else {
                        let rule = "the campaign has no such number";
                        return Err(BrokenRule::new(WRONG_VALUE, "accessCode", rule));
                    };
                    known.remove(place);
                }
                if known.is_empty() {
                    let rule = "one number must remain";
                    return Err(BrokenRule::new(WRONG_VALUE, "callerNo", rule));
                }
                Ok(())
            }))
        })
        .await
}

/// Makes a campaign, under one idempotency key of a client once.
async fn create(call: Call<'_>, version: Version) -> Result<HttpResponse, Refused> {
    let vdn = fields::vdn(call.request)?;
    let operation = Operation::CampaignCreate;
    let account = call.gateway.account_of_vdn(&call.asked, vdn);
    let account = account.ok_or(GatewayError::NotFound(Noun::Campaign))?;
    let keyed = keyed(call.request, &call.body)?;
    let body = if call.gateway.route_on(&call.asked, &account, operation)? == Route::Native {
        let (exchange, own) = own_address(&call, &account, operation).await?;
        let work = Box::pin(pass_on(&call, (account, vdn), (exchange, own)));
        call.gateway.once(&call.asked, keyed, work).await?
    } else {
        let (new, results_to) = creating(&call, account, version)?;
        checked_address(&call, results_to.as_deref()).await?;
        make(&call, new, keyed).await?
    };
    Ok(super::json(body))
}

/// Has the gateway make the campaign. A request with a key that was taken before, by a process that
/// may be gone, gets what came of it.
async fn make(
    call: &Call<'_>,
    mut new: Creating,
    keyed: Option<Keyed>,
) -> Result<Bytes, GatewayError> {
    if let Some(keyed) = &keyed {
        if let Some(made) = call.gateway.made_before(&call.asked, keyed).await? {
            return made_as(made.identity.pair);
        }
        new.job = Some(keyed.job(&call.asked.client.name));
    }
    let work = Box::pin(async {
        let made = call.gateway.create_campaign(&call.asked, new).await?;
        made_as(made.identity.pair)
    });
    call.gateway.once(&call.asked, keyed, work).await
}

/// Whose results go to the gateway first: the campaign's name, and its client's own address.
struct Meant {
    name: String,
    client: Option<Url>,
}

/// The request with the gateway's address in place of the client's own, where the operator wants
/// that. What the platform is going to refuse goes through as it is.
async fn own_address(
    call: &Call<'_>,
    account: &AccountSlug,
    operation: Operation,
) -> Result<(Exchange, Option<Meant>), Refused> {
    let exchange = relay::exchange(call, operation)?;
    let (Some(ours), Ok(mut document)) =
        (call.gateway.callback_address(account), Document::parse(&call.body))
    else {
        return Ok((exchange, None));
    };
    let Some(name) = document.text("name") else { return Ok((exchange, None)) };
    let client = document.text("callBackUrl").filter(|address| !address.is_empty());
    let client = checked_address(call, client.as_deref()).await?;
    document.set("callBackUrl", &ours).map_err(unreadable)?;
    let body = serde_json::to_vec(&document).map_err(unreadable)?;
    Ok((exchange.with_body(body), Some(Meant { name, client })))
}

/// Has a home of this platform make the campaign.
async fn pass_on(
    call: &Call<'_>,
    (account, vdn): (AccountSlug, VdnId),
    (exchange, meant): (Exchange, Option<Meant>),
) -> Result<Bytes, GatewayError> {
    let target = Target::Account(account.clone());
    // Before the campaign can be there: whoever meets it first knows whom to tell.
    if let Some(Meant { name, client }) = &meant {
        let named = (&account, name.as_str());
        call.gateway.intend_receiver(&call.asked, named, client.clone()).await?;
    }
    let answer = call.gateway.exchange(&call.asked, target, exchange).await;
    if let (Err(error), Some(Meant { name, .. })) = (&answer, &meant)
        && !matches!(error, GatewayError::Unclear { .. })
    {
        call.gateway.intend_receiver(&call.asked, (&account, name), None).await?;
    }
    let answer = answer?;
    let made: Made = serde_json::from_slice(&answer.body).map_err(unreadable)?;
    let number = CampaignNumber::new(made.object.id)
        .map_err(|invalid| GatewayError::Internal(invalid.to_string()))?;
    let key = CampaignKey::Pair(PublicPair { vdn, number });
    made_as(call.gateway.made(&account, key).await?.pair)
}

/// What a home of another platform is to make, checked.
fn creating(
    call: &Call<'_>,
    account: AccountSlug,
    version: Version,
) -> Result<(Creating, Option<String>), Refused> {
    let context = call.gateway.context_on(&account)?;
    let today = today(&context, call.gateway.now());
    let mut document =
        definition::read(&call.body, (version, Purpose::Create), call.profile, today)?;
    check_answering(&document, &context)?;
    check_kind(call, &account, &document)?;
    as_v2(&mut document);
    let run = document.init_status != Some(INIT_PAUSED);
    document.init_status = None;
    let results_to = document.call_back_url.clone();
    let new = Creating {
        account,
        vdn: None,
        name: document.name.clone().unwrap_or_default(),
        document: serde_json::to_string(&document).map_err(unreadable)?,
        run,
        job: None,
    };
    Ok((new, results_to))
}

/// The gateway itself passes results on to it: not to networks that are not public.
async fn checked_address(call: &Call<'_>, address: Option<&str>) -> Result<Option<Url>, Refused> {
    let Some(address) = address.filter(|address| !address.is_empty()) else { return Ok(None) };
    match call.gateway.check_result_address(address).await {
        Ok(url) => Ok(Some(url)),
        Err(why) => Err(BrokenRule::new(WRONG_VALUE, "callBackUrl", &why).into()),
    }
}

fn made_as(pair: Option<PublicPair>) -> Result<Bytes, GatewayError> {
    let pair = pair.ok_or(GatewayError::NotFound(Noun::Campaign))?;
    let made = json!({"id": pair.number.get()});
    Ok(Success::new("")?.with("returnObject", &made)?.bytes())
}

async fn modify(call: Call<'_>, version: Version) -> Result<HttpResponse, Refused> {
    let pair = fields::pair(call.request)?;
    let operation = Operation::CampaignModify;
    let purpose = (version, Purpose::Modify);
    let read = definition::read(&call.body, purpose, call.profile, Timestamp::UNIX_EPOCH);
    let found = call.existing(pair, operation).await;
    if let Ok(Existing { key, identity, route: Route::Native }) = found {
        return Box::pin(modify_native(&call, key, &identity)).await;
    }
    let (mut after, Existing { key, .. }) = (read?, found?);
    checked_address(&call, after.call_back_url.as_deref()).await?;
    let change = Box::pin(call.gateway.begin_change(&call.asked, key, operation)).await?;
    if has_ended(&change.before, call.gateway.now())? {
        return Err(GatewayError::State("the campaign has ended".to_owned()).into());
    }
    check_answering(&after, &change.before.context)?;
    let before = shown(&change.before)?;
    if before.device_type.is_some() && after.device_type != before.device_type {
        return Err(BrokenRule::new(WRONG_VALUE, "deviceType", "it can never be changed").into());
    }
    as_v2(&mut after);
    edits::keep_what_is_left_out(&mut after, before);
    after.init_status = None;
    Box::pin(write(&change, after)).await
}

/// Goes through as it is; but a campaign whose results come here keeps the gateway's address, and what
/// the client names is where they are passed on to.
async fn modify_native(
    call: &Call<'_>,
    key: CampaignKey,
    identity: &CampaignIdentity,
) -> Result<HttpResponse, Refused> {
    let exchange = relay::exchange(call, Operation::CampaignModify)?;
    let ours = call.gateway.pushed_here(&call.asked, key).await?;
    let (Some(ours), Ok(mut document)) = (ours, Document::parse(&call.body)) else {
        return relay::pass(call, Target::Campaign(key), Operation::CampaignModify).await;
    };
    let client = document.text("callBackUrl");
    let url = checked_address(call, client.as_deref()).await?;
    document.set("callBackUrl", &ours).map_err(unreadable)?;
    let body = serde_json::to_vec(&document).map_err(unreadable)?;
    let target = Target::Campaign(key);
    let answer = call.gateway.exchange(&call.asked, target, exchange.with_body(body)).await?;
    if client.is_some() {
        let by = (&*call.asked.client.name, call.asked.platform);
        call.gateway.set_receiver(identity, by, url).await?;
    }
    Ok(super::json(answer.body))
}

async fn change_callers(
    call: Call<'_>,
    edit: impl FnOnce(&mut Vec<wire::CallerNoItem>, Vec<wire::CallerNoItem>) -> Result<(), BrokenRule>,
) -> Result<HttpResponse, Refused> {
    let pair = fields::pair(call.request)?;
    let operation = Operation::CallerNumberModify;
    let given = Fields::of_body(&call.body).and_then(|fields| caller_list(&fields));
    let found = call.existing(pair, operation).await;
    if let Ok(Existing { key, route: Route::Native, .. }) = found {
        return relay::pass(&call, Target::Campaign(key), operation).await;
    }
    let (given, Existing { key, .. }) = (given?, found?);
    let change = Box::pin(call.gateway.begin_change(&call.asked, key, operation)).await?;
    let mut after = shown(&change.before)?;
    as_v2(&mut after);
    let mut callers = match after.caller_no {
        wire::CallerNo::Many(callers) => callers,
        _ => Vec::new(),
    };
    edit(&mut callers, given)?;
    after.caller_no = wire::CallerNo::Many(callers);
    Box::pin(write(&change, after)).await
}

/// Writes what the document says to the home, and keeps the document beside the campaign.
async fn write(change: &Change<'_>, after: wire::Campaign) -> Result<HttpResponse, Refused> {
    let before = shown(&change.before)?;
    let context = &change.before.context;
    let said = |wire: &wire::Campaign| -> CampaignDefinition {
        convert::campaign_to_domain(&sorted(wire), context).value.0
    };
    let definition = change.before.fetched.definition.clone();
    let definition = definition.with_edit(&said(&before), said(&after));
    let source = serde_json::to_value(&after).map_err(unreadable)?;
    change.check_document(&source, None).await?;
    let changed = Box::pin(change.write(&definition)).await?;
    change.keep(changed.after, source, None).await?;
    Ok(touching(super::json(Success::new("")?.bytes()), changed.touched))
}

/// The most preferred number first: homes that show one number show that.
fn sorted(wire: &wire::Campaign) -> wire::Campaign {
    let mut wire = wire.clone();
    if let wire::CallerNo::Many(callers) = &mut wire.caller_no {
        callers.sort_by_key(|caller| caller.priority.unwrap_or(DEFAULT_PRIORITY));
    }
    wire
}

/// Priority of a number that states none (reference 3.2).
const DEFAULT_PRIORITY: i64 = 3;

/// One form of the document is kept: numbers as a list.
fn as_v2(document: &mut wire::Campaign) {
    if let wire::CallerNo::One(number) = &document.caller_no {
        let only = wire::CallerNoItem {
            access_code: number.clone(),
            priority: Some(DEFAULT_PRIORITY),
            ..wire::CallerNoItem::default()
        };
        document.caller_no = wire::CallerNo::Many(vec![only]);
    }
}

/// The skill queue or access code must be one that the operator has bound.
fn check_answering(document: &wire::Campaign, context: &ConvertContext) -> Result<(), BrokenRule> {
    match convert::campaign_to_domain(document, context).value.0.answering {
        Answering::Agents { group: None } => {
            let rule = "no binding says which queue of the home it is";
            Err(BrokenRule::new(NO_SKILL_QUEUE, "skillParam.skillId", rule))
        }
        Answering::Script { name: None } => {
            let rule = "no binding says which script of the home it is";
            Err(BrokenRule::new(WRONG_VALUE, "ivrParam.deviceSign", rule))
        }
        _ => Ok(()),
    }
}

/// What a campaign connects can never be changed: one that its home could never run is not made there.
fn check_kind(
    call: &Call<'_>,
    account: &AccountSlug,
    document: &wire::Campaign,
) -> Result<(), Refused> {
    // How calls are predicted can be changed.
    let skill = document.skill_param.clone();
    let connects = wire::Campaign {
        device_type: document.device_type,
        ivr_param: document.ivr_param.clone(),
        skill_param: skill.map(|skill| wire::SkillParam { predict_param: None, ..skill }),
        ..wire::Campaign::default()
    };
    let connects = serde_json::to_value(&connects).map_err(unreadable)?;
    match call.gateway.check_campaign(&call.asked, account, &connects) {
        Err(GatewayError::Invalid { field, rule }) => {
            Err(BrokenRule::new(WRONG_VALUE, &field, &rule).into())
        }
        checked => Ok(checked?),
    }
}

/// Today's midnight in the account's zone.
fn today(context: &ConvertContext, now: Timestamp) -> Timestamp {
    let day = now.to_zoned(context.zone.clone()).date();
    day.to_zoned(context.zone.clone()).map_or(now, |midnight| midnight.timestamp())
}
