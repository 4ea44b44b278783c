//! Single outbound records: read by the id that adding them gave (reference 4.4), and deleted by
//! what they have in common (4.3).

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::campaign::CampaignStatus;
use crate::domain::moment;
use crate::gateway::contacts::{ContactMatch, ContactView};
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::exchange::Target;
use crate::gateway::route::Route;
use crate::http::isales_api::answer::Success;
use crate::http::isales_api::error::{BrokenRule, COMBINATION, Doing, WRONG_VALUE};
use crate::http::isales_api::fields::{self, Fields, MAX_NUMBER_LENGTH, check_number};
use crate::http::isales_api::{Body, Existing, Facade, relay};
use crate::platforms::isales::convert;
use crate::platforms::isales::wire::Called;
use crate::platforms::{ConvertContext, Operation};

const MAX_SESSION_ID: usize = 32;
const MAX_CUSTOM_FIELD: usize = 200;
/// The members of a deletion (reference 4.3).
const CONDITIONS: [&str; 6] =
    ["sessionId", "called", "customField", "recycleTime", "recycleType", "archiveHistory"];

pub async fn detail(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade
        .answer(&request, body, Doing::Campaign, |call| async move {
            let operation = Operation::ContactDetail;
            let found = call.existing(fields::pair(call.request)?, operation).await?;
            let Existing { key, identity, route } = found;
            if route == Route::Native {
                return relay::pass(&call, Target::Campaign(key), operation).await;
            }
            let text = call.request.match_info().query("data").to_owned();
            let half = text.parse::<u64>().map_err(|_| GatewayError::NotFound(Noun::Contact))?;
            let contact = call.gateway.contact_by_half(&identity, half).await?;
            let context = call.gateway.context_of(&identity)?;
            let data = shown(&text, &contact, &context);
            let answer = Success::new("query data success")?.with("data", &data)?;
            Ok(super::json(answer.bytes()))
        })
        .await
}

pub async fn delete(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade
        .answer(&request, body, Doing::Campaign, |call| async move {
            let pair = fields::pair(call.request)?;
            let operation = Operation::ContactDelete;
            let wanted = Fields::of_body(&call.body).and_then(|fields| read(&fields));
            let found = call.existing(pair, operation).await;
            // A home of this platform judges by itself what is to go.
            if let Ok(Existing { key, route: Route::Native, .. }) = found {
                return relay::pass(&call, Target::Campaign(key), operation).await;
            }
            let (wanted, Existing { key, identity, .. }) = (wanted?, found?);
            let view = call.gateway.campaign_at_rest(&call.asked, key).await?;
            if matches!(view.fetched.status, CampaignStatus::Running | CampaignStatus::Stopping) {
                return Err(GatewayError::State("the campaign is running".to_owned()).into());
            }
            let number = wanted.called.as_deref().map(|text| view.context.numbers.parse(text));
            let matching = ContactMatch {
                reference: wanted.session_id,
                label: wanted.custom_field,
                number: number.transpose().map_err(|_| {
                    GatewayError::invalid("called", "it is no complete phone number")
                })?,
            };
            let ids: Vec<Uuid> = call.gateway.matching_contacts(&identity, &matching).await?;
            for (done, id) in ids.iter().enumerate() {
                let deleted = call.gateway.delete_contact(&call.asked, &identity, *id).await;
                deleted.map_err(|error| error.after_some((done, ids.len())))?;
            }
            Ok(super::json(Success::new("")?.bytes()))
        })
        .await
}

/// What is to be deleted, checked.
struct Wanted {
    session_id: Option<String>,
    called: Option<String>,
    custom_field: Option<String>,
}

/// Every condition narrows what is deleted, so one that nobody here can judge is refused and never left
/// out: other homes know no clean-up time, and no member that is not on the page.
fn read(fields: &Fields) -> Result<Wanted, BrokenRule> {
    let session_id = fields.text("sessionId", MAX_SESSION_ID)?.map(String::from);
    let called = fields.text("called", MAX_NUMBER_LENGTH)?.map(String::from);
    if let Some(called) = &called {
        check_number("called", called)?;
    }
    let custom_field = fields.text("customField", MAX_CUSTOM_FIELD)?.map(String::from);
    fields.within("archiveHistory", (0, 1))?;
    recycling(fields)?;
    if let Some(unknown) = fields.names().find(|name| !CONDITIONS.contains(name)) {
        let rule = "no such condition exists, and nothing is deleted without regard to it";
        return Err(BrokenRule::new(WRONG_VALUE, unknown, rule));
    }
    if session_id.is_none() && called.is_none() && custom_field.is_none() {
        let rule = "sessionId, called or customField must say which";
        return Err(BrokenRule::new(COMBINATION, "sessionId", rule));
    }
    Ok(Wanted { session_id, called, custom_field })
}

fn recycling(fields: &Fields) -> Result<(), BrokenRule> {
    let time = fields.text("recycleTime", 64)?;
    let kind = fields.text_within("recycleType", (1, 3))?;
    match time {
        Some(time) if moment::date_time(&time).is_none() => {
            let rule = "yyyy-MM-dd HH:mm:ss is expected";
            Err(BrokenRule::new(WRONG_VALUE, "recycleTime", rule))
        }
        Some(_) => {
            let rule =
                "the campaign's home keeps no recycleTime, so it cannot tell which are meant";
            Err(BrokenRule::new(COMBINATION, "recycleTime", rule))
        }
        None if kind.is_some() => {
            Err(BrokenRule::new(COMBINATION, "recycleType", "it needs recycleTime"))
        }
        None => Ok(()),
    }
}

/// Numbers and attributes; no call status (reference 4.4).
fn shown(id: &str, view: &ContactView, context: &ConvertContext) -> Value {
    let record = convert::contact_from_domain(&view.contact, context).value;
    let numbers: Vec<Value> = match record.called {
        Called::Absent => Vec::new(),
        Called::One(number) => vec![json!({"calledNo": number, "type": ""})],
        Called::Many(numbers) => numbers
            .into_iter()
            .map(|number| {
                json!({"calledNo": number.called_no, "type": number.kind.unwrap_or_default()})
            })
            .collect(),
    };
    let properties = [
        ("sessionId", view.contact.reference.as_deref()),
        ("customField", view.contact.label.as_deref()),
        ("callData", view.contact.data.as_deref()),
    ];
    let properties: Vec<Value> = properties
        .into_iter()
        .filter_map(|(name, value)| {
            Some(json!({"propCode": name, "propName": name, "propValue": value?}))
        })
        .collect();
    json!({"dataId": id, "properties": properties, "calledNos": numbers})
}
