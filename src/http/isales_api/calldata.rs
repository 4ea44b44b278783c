//! Outbound numbers (reference 4.1, 4.2): adding contacts, in both versions of the operation.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::domain::campaign::CampaignStatus;
use crate::domain::contact::ContactNumber;
use crate::domain::ids::CampaignKey;
use crate::domain::moment;
use crate::domain::phone::PhoneNumber;
use crate::gateway::contacts::{AddedTo, Distinct, Incoming};
use crate::gateway::error::GatewayError;
use crate::gateway::route::Route;
use crate::http::isales_api::answer::Success;
use crate::http::isales_api::campaigns::has_ended;
use crate::http::isales_api::error::{
    BAD_CHARACTERS, BAD_RECYCLE_TIME, BrokenRule, Doing, Refused, TOO_MANY_RECORDS, WRONG_TYPE,
};
use crate::http::isales_api::fields::{self, Fields, MAX_NUMBER_LENGTH, check_number};
use crate::http::isales_api::{Body, Call, Facade, unreadable};
use crate::http::keyed;
use crate::platforms::isales::{convert, wire};
use crate::platforms::{ConvertContext, Operation};

/// Records in one request (reference 4.1).
const MAX_RECORDS: usize = 20;
/// Longest texts of a record (reference 4.1).
const MAX_SESSION_ID: usize = 32;
const MAX_CUSTOM_FIELD: usize = 200;
const MAX_CALL_DATA: usize = 1024;
/// What the second version refuses in a custom field (reference 4.2).
const NOT_IN_CUSTOM_FIELD: &str = "`~!@#$%^&*()+=|{}'\":;<>/?.[]\\";
/// Longest gap between two numbers of a record (reference 4.2), in seconds.
const MAX_DELAY_SECONDS: i64 = 7200;

/// The two versions differ in how a record names its numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A checked record: what was sent, and its numbers as written.
struct Record {
    members: Map<String, Value>,
    numbers: Vec<String>,
}

pub async fn add_v1(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade.answer(&request, body, Doing::AddNumbers, |call| add(call, Version::One)).await
}

pub async fn add_v2(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade.answer(&request, body, Doing::AddNumbers, |call| add(call, Version::Two)).await
}

async fn add(call: Call<'_>, version: Version) -> Result<HttpResponse, Refused> {
    let pair = fields::pair(call.request)?;
    let records = records(&call.body, version)?;
    let key = call.existing(pair, Operation::ContactAdd).await?.key;
    let called: Vec<String> = records.iter().map(|record| record.numbers.join(",")).collect();
    if !call.profile.adds_to_running {
        check_state(&call, key).await?;
    }
    let too_many = records.len() > MAX_RECORDS;
    let distinct = match version {
        Version::One => Distinct::InRequest,
        Version::Two => Distinct::InReference,
    };
    let read = |route, context: &ConvertContext| {
        if too_many {
            let reason = "callDataList: at most 20 records are allowed".to_owned();
            return Err(GatewayError::Quota { reason, retry_after: None });
        }
        records.into_iter().map(|record| incoming(record, route, context)).collect()
    };
    let work = async {
        let added = call.gateway.add_contacts(&call.asked, key, distinct, read).await?;
        answer(&added, called)
    };
    let keyed = keyed(call.request, &call.body)?;
    let answered = call.gateway.once(&call.asked, keyed, work).await;
    Ok(super::json(answered.map_err(|error| {
        match error {
            GatewayError::Quota { .. } if too_many => {
                BrokenRule::new(TOO_MANY_RECORDS, "callDataList", "at most 20 records are allowed")
                    .into()
            }
            error => Refused::Gateway(error),
        }
    })?))
}

/// A program of an edition that forbids adding while the campaign dials is told so, wherever the
/// campaign runs: it pauses and resumes by itself.
async fn check_state(call: &Call<'_>, key: CampaignKey) -> Result<(), Refused> {
    let view = call.gateway.campaign(&call.asked, key).await?;
    if view.fetched.status != CampaignStatus::Running && !has_ended(&view, call.gateway.now())? {
        return Ok(());
    }
    let reason = "campaignId: the campaign's status does not allow adding".to_owned();
    Err(GatewayError::State(reason).into())
}

/// What was added: each record's numbers as sent, and its id.
fn answer(added: &AddedTo, called: Vec<String>) -> Result<Bytes, GatewayError> {
    let ids: Vec<Value> = added
        .contacts
        .iter()
        .zip(called)
        .map(|(row, called)| {
            // A home of this platform has an id of its own for the record, by which it is asked.
            let own = row.native.as_ref().filter(|_| added.route == Route::Native);
            let id = own.map_or_else(|| data_id(row.uuid), |id| id.as_str().to_owned());
            json!({"called": called, "dataId": id})
        })
        .collect();
    let answer = Success::new("create data succeeded")?
        .with("returnObject", &json!({"totalSize": ids.len(), "dataIdList": ids}))?;
    Ok(answer.bytes())
}

/// A record's public id in this platform's form: a decimal of 19 to 20 digits, as text. It is the
/// first half of the contact's UUID, by which the ledger finds it.
fn data_id(contact: Uuid) -> String {
    contact.as_u64_pair().0.to_string()
}

fn records(body: &[u8], version: Version) -> Result<Vec<Record>, BrokenRule> {
    let mut fields = Fields::of_body(body)?;
    let list = fields.list("callDataList")?;
    let elements = list.into_iter().enumerate();
    let each = elements.map(|(place, element)| fields.of_element(element, ("callDataList", place)));
    each.map(|element| record(element?, version)).collect()
}

fn record(fields: Fields, version: Version) -> Result<Record, BrokenRule> {
    fields.text("sessionId", MAX_SESSION_ID)?;
    if let Some(caller) = fields.text("caller", MAX_NUMBER_LENGTH)? {
        check_number(&fields.path_of("caller"), &caller)?;
    }
    if let Some(field) = fields.text("customField", MAX_CUSTOM_FIELD)?
        && version == Version::Two
        && field.contains(|c| NOT_IN_CUSTOM_FIELD.contains(c))
    {
        return Err(fields.broken(BAD_CHARACTERS, "customField", "no punctuation is allowed"));
    }
    if let Some(time) = fields.text("recycleTime", 64)?
        && moment::date_time(&time).is_none()
    {
        let rule = "yyyy-MM-dd HH:mm:ss is expected";
        return Err(fields.broken(BAD_RECYCLE_TIME, "recycleTime", rule));
    }
    fields.text("callData", MAX_CALL_DATA)?;
    let numbers = match version {
        Version::One => vec![one_number(&fields)?],
        Version::Two => list_of_numbers(&fields)?,
    };
    Ok(Record { members: fields.into_inner(), numbers })
}

fn one_number(fields: &Fields) -> Result<String, BrokenRule> {
    let number = match fields.get("called") {
        None | Some(Value::Null) => return Err(fields.missing("called")),
        Some(Value::String(number)) => number.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(_) => return Err(fields.broken(WRONG_TYPE, "called", "a text is expected")),
    };
    if number.is_empty() {
        return Err(fields.missing("called"));
    }
    check_number(&fields.path_of("called"), &number)?;
    Ok(number)
}

fn list_of_numbers(fields: &Fields) -> Result<Vec<String>, BrokenRule> {
    let list = fields.elements("called")?;
    let mut numbers = Vec::with_capacity(list.len());
    for (place, element) in list.iter().enumerate() {
        let item = fields.of_element(element.clone(), ("called", place))?;
        let number = item.text("calledNo", 64)?.ok_or_else(|| item.missing("calledNo"))?;
        check_number(&item.path_of("calledNo"), &number)?;
        item.text_within("delayTime", (0, MAX_DELAY_SECONDS))?;
        item.text("type", 32)?;
        numbers.push(number.into_owned());
    }
    Ok(numbers)
}

/// The contact that a record means: with its numbers as written for a home of this platform's own,
/// only with numbers that can be dialled from anywhere for another.
fn incoming(
    record: Record,
    route: Route,
    context: &ConvertContext,
) -> Result<Incoming, GatewayError> {
    let native = route == Route::Native;
    let document = Bytes::from(Value::Object(record.members).to_string());
    let wire: wire::CallData = serde_json::from_slice(&document).map_err(unreadable)?;
    let mut contact = convert::contact_to_domain(&wire, context).value;
    for (place, number) in record.numbers.into_iter().enumerate() {
        if contact.numbers.iter().any(|known| known.place == place) {
            continue;
        }
        if !native {
            let rule = "it is no complete phone number, and the campaign's home dials E.164 only";
            return Err(GatewayError::invalid("called", rule));
        }
        let number = PhoneNumber::new(number);
        contact.numbers.push(ContactNumber { number, place, category: None, delay_ms: None });
    }
    Ok(Incoming { contact, document })
}
