//! Outdialtargets (reference 7): the contacts of a campaign.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use serde_json::value::{RawValue, to_raw_value};
use url::form_urlencoded;
use uuid::Uuid;

use crate::domain::contact::ContactNumber;
use crate::domain::ids::{AccountSlug, CampaignIdentity, CampaignKey, CampaignPart};
use crate::domain::phone::PhoneNumber;
use crate::gateway::contacts::{
    AddedTo, ContactListing, ContactView, ContactWindow, Distinct, Incoming, ListName, NextPage,
};
use crate::gateway::drafts::{DocumentsWanted, NewDocument, ObjectKind, ObjectRow, ObjectState};
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::exchange;
use crate::gateway::parts::PartHome;
use crate::gateway::route::Route;
use crate::http::document::Document;
use crate::http::voipbin_api::auth::query;
use crate::http::voipbin_api::error::{Doing, Refused};
use crate::http::voipbin_api::paging::{self, Asks, Row};
use crate::http::voipbin_api::profile::Profile;
use crate::http::voipbin_api::{Body, Call, Facade, json, native, unreadable};
use crate::platforms::ConvertContext;
use crate::platforms::voipbin::convert;
use crate::platforms::voipbin::wire::{Address, Page, Target};
use crate::platforms::{Exchange, Operation};

const DESTINATIONS: [&str; 5] =
    ["destination_0", "destination_1", "destination_2", "destination_3", "destination_4"];

pub async fn list(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Target, |call| async move {
            let id = call.id()?;
            let asks = Asks::of(&call)?;
            let window = ContactWindow {
                cursor: query(call.request, "page_token").map(String::from),
                before: asks.before,
                limit: asks.size,
            };
            match place(&call, id).await? {
                Place::Waiting(list) | Place::Aside(list) => waiting(&call, &list, asks).await,
                Place::Own { account, campaign } => {
                    let campaign = campaign.map(|identity| identity.uuid);
                    Ok(json(own_page(&call, account, (id, campaign), &window).await?))
                }
                Place::On(identity) => {
                    let listing = call.gateway.list_contacts(&call.asked, identity, window).await?;
                    Ok(json(page(&listing, id, call.profile)?))
                }
            }
        })
        .await
}

pub async fn add(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade
        .answer(&request, Doing::Target, |call| async move {
            let id = call.id()?;
            let target: Target = call.body(&body)?;
            let bytes = call.bytes(body)?;
            call.once(&bytes, Box::pin(put_on(&call, id, &target))).await
        })
        .await
}

pub async fn detail(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Target, |call| async move {
            let (id, target) = (call.id()?, target_id(&call)?);
            match place(&call, id).await? {
                Place::Waiting(list) | Place::Aside(list) => {
                    let row = waiting_target(&call, &list, target).await?;
                    Ok(json(shown_waiting(&row, call.profile)?))
                }
                Place::Own { account, campaign } => {
                    let native = own_name(&call, campaign.as_deref(), target).await?;
                    let path = format!("{}/{native}", targets_of(id));
                    let exchange = Exchange::new(Operation::ContactDetail, "GET", path);
                    let place = exchange::Target::Account(account);
                    let body = native::pass(&call, place, exchange, &DESTINATIONS).await?;
                    Ok(json(named(&body, target)?))
                }
                Place::On(identity) => {
                    let view = call.gateway.contact(&identity, target).await;
                    let view = or_of_another(&call, target, view).await?;
                    Ok(json(show_elsewhere(&call, &view, &identity, id)?))
                }
            }
        })
        .await
}

pub async fn delete(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Target, |call| async move {
            let (id, target) = (call.id()?, target_id(&call)?);
            match place(&call, id).await? {
                Place::Waiting(list) | Place::Aside(list) => {
                    let row = waiting_target(&call, &list, target).await?;
                    let row = call.gateway.delete_document(&call.asked, &row).await?;
                    Ok(json(shown_waiting(&row, call.profile)?))
                }
                Place::Own { account, campaign } => {
                    let native = own_name(&call, campaign.as_deref(), target).await?;
                    let path = format!("{}/{native}", targets_of(id));
                    let place = exchange::Target::Account(account);
                    let what = (Operation::ContactDelete, path, native);
                    let body = native::delete(&call, place, what, &DESTINATIONS).await?;
                    call.gateway.note_deleted_contact(target).await?;
                    Ok(json(named(&body, target)?))
                }
                Place::On(identity) => {
                    let known = call.gateway.contact(&identity, target).await;
                    or_of_another(&call, target, known).await?;
                    let view = call.gateway.delete_contact(&call.asked, &identity, target).await?;
                    Ok(json(show_elsewhere(&call, &view, &identity, id)?))
                }
            }
        })
        .await
}

/// The platform's target under the id that clients hold.
fn named(target: &[u8], id: Uuid) -> Result<Bytes, GatewayError> {
    let mut document = Document::parse(target).map_err(unreadable)?;
    document.set("id", &id).map_err(unreadable)?;
    Ok(serde_json::to_vec(&document).map_err(unreadable)?.into())
}

/// Where the contacts of a list are.
enum Place {
    /// With a campaign on a home of another platform.
    On(Arc<CampaignIdentity>),
    /// In an outdial of a VoIPBin account's own, which may belong to a campaign.
    Own { account: AccountSlug, campaign: Option<Arc<CampaignIdentity>> },
    /// With the gateway, until the campaign is made.
    Waiting(Box<ObjectRow>),
    /// With the gateway, where they stay: the campaign that the list names is made, and calls others.
    Aside(Box<ObjectRow>),
}

async fn place(call: &Call<'_>, id: Uuid) -> Result<Place, GatewayError> {
    let home = call.gateway.part_home(&call.asked, CampaignPart::ContactList, id).await?;
    place_in(call, id, home).await
}

async fn place_in(call: &Call<'_>, id: Uuid, home: PartHome) -> Result<Place, GatewayError> {
    match home {
        PartHome::Derived(identity) => {
            // Beside an outdial that its client named, a campaign has none of its own.
            let list = ListName::Derived(id);
            if call.gateway.calls_list(&call.asked, identity.uuid, &list).await? {
                Ok(Place::On(identity))
            } else {
                Err(GatewayError::NotFound(Noun::Part(CampaignPart::ContactList)))
            }
        }
        PartHome::Own { account, fetched } => {
            let campaign = call.gateway.campaign_of(&account, &fetched).await?;
            Ok(Place::Own { account, campaign })
        }
        PartHome::Kept(row) => {
            let Some(campaign) = row.parent else { return Ok(Place::Waiting(Box::new(row))) };
            match call.gateway.resolve(&call.asked, CampaignKey::Uuid(campaign)).await {
                Ok(identity) => {
                    // Only the outdial that the campaign has is called (reference 16).
                    let list = ListName::Kept(id);
                    if call.gateway.calls_list(&call.asked, identity.uuid, &list).await? {
                        Ok(Place::On(identity))
                    } else {
                        Ok(Place::Aside(Box::new(row)))
                    }
                }
                Err(GatewayError::NotFound(_)) => Ok(Place::Waiting(Box::new(row))),
                Err(error) => Err(error),
            }
        }
    }
}

fn targets_of(outdial: Uuid) -> String {
    format!("/outdials/{outdial}/targets")
}

/// What the platform calls a target.
async fn own_name(
    call: &Call<'_>,
    campaign: Option<&CampaignIdentity>,
    target: Uuid,
) -> Result<Uuid, GatewayError> {
    let Some(identity) = campaign else { return Ok(target) };
    let native = call.gateway.native_contact(identity, target).await?;
    Ok(Uuid::try_parse(native.as_str()).unwrap_or(target))
}

/// A page of an outdial's targets as its platform tells it, under the ids that clients hold.
async fn own_page(
    call: &Call<'_>,
    account: AccountSlug,
    (outdial, campaign): (Uuid, Option<Uuid>),
    window: &ContactWindow,
) -> Result<Bytes, GatewayError> {
    let mut query = form_urlencoded::Serializer::new(format!("page_size={}", window.limit));
    if let Some(token) = &window.cursor {
        query.append_pair("page_token", token);
    }
    let exchange = Exchange::new(Operation::ContactList, "GET", targets_of(outdial));
    let exchange = exchange.with_query(query.finish());
    let target = exchange::Target::Account(account);
    let answer = call.gateway.exchange(&call.asked, target, exchange).await?;
    let page: Page<&RawValue> = serde_json::from_slice(&answer.body).map_err(unreadable)?;
    let rows = page.result.iter().map(|row| Document::parse(row.get().as_bytes()));
    let rows: Vec<Document> = rows.collect::<Result<_, _>>().map_err(unreadable)?;
    let known = match campaign {
        Some(campaign) => {
            let natives = rows.iter().filter_map(|row| row.text("id"));
            call.gateway.public_contacts(campaign, natives).await?
        }
        None => HashMap::new(),
    };
    let shown = rows.into_iter().map(|mut document| {
        if let Some(id) = document.text("id").and_then(|id| known.get(&id)) {
            document.set("id", id).map_err(unreadable)?;
        }
        call.profile.restate_addresses(&mut document, &DESTINATIONS)?;
        call.profile.restate_document(&mut document)?;
        to_raw_value(&document).map_err(unreadable)
    });
    let result: Vec<Box<RawValue>> = shown.collect::<Result<_, _>>()?;
    let page = Page { result, next_page_token: page.next_page_token };
    Ok(serde_json::to_vec(&page).map_err(unreadable)?.into())
}

/// The members of a client's new target; slots without a target are left out, for the platform would
/// dial them (reference 9.4).
fn new_target(target: &Target) -> serde_json::Value {
    let (name, detail, data) = (&target.name, &target.detail, &target.data);
    let mut body = serde_json::json!({ "name": name, "detail": detail, "data": data });
    for (name, slot) in DESTINATIONS.iter().zip(slots(target)) {
        if let Some(address) = slot.filter(|address| !address.target.is_empty()) {
            body[*name] = serde_json::json!(address);
        }
    }
    body
}

fn target_id(call: &Call<'_>) -> Result<Uuid, Refused> {
    match Uuid::try_parse(call.request.match_info().query("target")) {
        Ok(id) if !id.is_nil() => Ok(id),
        _ => Err(Refused::InvalidId),
    }
}

async fn put_on(call: &Call<'_>, id: Uuid, target: &Target) -> Result<Bytes, GatewayError> {
    check(target)?;
    let home = call.gateway.part_home(&call.asked, CampaignPart::ContactList, id).await?;
    if matches!(&home, PartHome::Kept(list) if list.deleted_at.is_some()) {
        return Err(GatewayError::invalid(
            "id",
            "the outdial is deleted, and nobody is called of it",
        ));
    }
    match place_in(call, id, home).await? {
        Place::Waiting(list) => wait(call, &list, target).await,
        Place::Aside(_) => {
            let rule = "its campaign calls another outdial, and takes no other now; \
                        give the outdial to another campaign first";
            Err(GatewayError::invalid("id", rule))
        }
        Place::Own { account, campaign: None } => {
            let exchange = Exchange::new(Operation::ContactAdd, "POST", targets_of(id))
                .with_body(serde_json::to_vec(&new_target(target)).map_err(unreadable)?);
            let place = exchange::Target::Account(account);
            native::pass(call, place, exchange, &DESTINATIONS).await
        }
        Place::On(identity) | Place::Own { campaign: Some(identity), .. } => {
            let key = CampaignKey::Uuid(identity.uuid);
            let read =
                |route, context: &ConvertContext| Ok(vec![read(target, id, route, context)?]);
            let added = call.gateway.add_contacts(&call.asked, key, Distinct::No, read).await?;
            one(&added, target, id, call.profile)
        }
    }
}

/// Keeps a contact until the campaign of its list is made.
async fn wait(call: &Call<'_>, list: &ObjectRow, target: &Target) -> Result<Bytes, GatewayError> {
    if let Some(campaign) = list.parent
        && let Ok(draft) = call.gateway.draft(&call.asked, campaign).await
        && draft.state == ObjectState::Creating
    {
        return Err(GatewayError::unavailable("the campaign is being made on its home"));
    }
    refuse_other_than_numbers(target)?;
    let sent = serde_json::to_vec(target).map_err(unreadable)?;
    call.gateway.check_contact(&call.asked, &list.account, &sent)?;
    let fresh = Target { status: "idle".to_owned(), ..target.clone() };
    let new = NewDocument {
        account: list.account.clone(),
        kind: ObjectKind::Contact,
        parent: Some(list.uuid),
        uses: None,
        name: target.name.clone(),
        document: serde_json::to_value(&fresh).map_err(unreadable)?,
    };
    let row = call.gateway.create_document(&call.asked, new).await?;
    shown_waiting(&row, call.profile)
}

/// The campaign's home dials nothing else.
fn refuse_other_than_numbers(target: &Target) -> Result<(), GatewayError> {
    for (place, slot) in slots(target).into_iter().enumerate() {
        let Some(address) = slot.filter(|address| !address.target.is_empty()) else { continue };
        let is_number = matches!(address.kind.as_str(), "" | "tel" | "whatsapp")
            && PhoneNumber::from_e164(&address.target).is_ok();
        if !is_number {
            let rule = "the campaign's home dials phone numbers in E.164 only";
            return Err(GatewayError::invalid(DESTINATIONS[place], rule));
        }
    }
    Ok(())
}

async fn waiting(call: &Call<'_>, list: &ObjectRow, asks: Asks) -> Result<HttpResponse, Refused> {
    let wanted = DocumentsWanted {
        kind: ObjectKind::Contact,
        parent: Some(list.uuid),
        states: Vec::new(),
        include_deleted: false,
    };
    let page = call.gateway.list_documents(&call.asked, wanted, asks.before, asks.size).await?;
    let rows = page.rows.iter().map(|listed| {
        Ok(Row { list_at: listed.list_at, json: shown_waiting(&listed.row, call.profile)? })
    });
    let rows: Vec<Row> = rows.collect::<Result<_, GatewayError>>()?;
    Ok(paging::page(&rows, call.profile))
}

async fn waiting_target(
    call: &Call<'_>,
    list: &ObjectRow,
    id: Uuid,
) -> Result<ObjectRow, GatewayError> {
    let row = call.gateway.document(&call.asked, ObjectKind::Contact, id).await?;
    let row = row.filter(|row| row.parent == Some(list.uuid));
    or_of_another(call, id, row.ok_or(GatewayError::NotFound(Noun::Contact))).await
}

/// What is not there may be in another outdial: then the platform calls the request wrong (reference 16).
async fn or_of_another<T>(
    call: &Call<'_>,
    target: Uuid,
    found: Result<T, GatewayError>,
) -> Result<T, GatewayError> {
    match found {
        Err(GatewayError::NotFound(Noun::Contact))
            if call.gateway.knows_contact(&call.asked, target).await? =>
        {
            Err(GatewayError::invalid("target_id", "it belongs to another outdial"))
        }
        found => found,
    }
}

fn shown_waiting(row: &ObjectRow, profile: &Profile) -> Result<Bytes, GatewayError> {
    let mut target: Target = serde_json::from_str(&row.document).map_err(unreadable)?;
    let created = profile.timestamp(row.list_at);
    target.tm_create = Some(created.clone());
    // A fresh target says that it was updated when it was made (reference 1.5).
    target.tm_update = row.updated_at.map_or(Some(created), |at| Some(profile.timestamp(at)));
    target.tm_delete = profile.at_or_never(row.deleted_at);
    let made = serde_json::to_vec(&target).map_err(unreadable)?;
    let mut document = Document::parse(&made).map_err(unreadable)?;
    document.set("outdial_id", &row.parent.unwrap_or_default()).map_err(unreadable)?;
    document.set("id", &row.uuid).map_err(unreadable)?;
    profile.restate_addresses(&mut document, &DESTINATIONS)?;
    profile.restate_document(&mut document)?;
    Ok(serde_json::to_vec(&document).map_err(unreadable)?.into())
}

fn show_elsewhere(
    call: &Call<'_>,
    view: &ContactView,
    identity: &CampaignIdentity,
    outdial: Uuid,
) -> Result<Bytes, GatewayError> {
    let context = call.gateway.context_of(identity)?;
    show(view, outdial, &context, call.profile).map(Bytes::from)
}

/// What the platform enforces (reference 7.2).
fn check(target: &Target) -> Result<(), GatewayError> {
    for (name, text) in [("name", &target.name), ("detail", &target.detail), ("data", &target.data)]
    {
        if text.is_empty() {
            return Err(GatewayError::invalid(name, "it must not be empty"));
        }
    }
    if slots(target).iter().all(|slot| slot.is_none_or(|address| address.target.is_empty())) {
        return Err(GatewayError::invalid("destination_0", "one destination needs a target"));
    }
    Ok(())
}

fn slots(target: &Target) -> [Option<&Address>; 5] {
    let Target { destination_0, destination_1, destination_2, destination_3, .. } = target;
    [
        destination_0.as_ref(),
        destination_1.as_ref(),
        destination_2.as_ref(),
        destination_3.as_ref(),
        target.destination_4.as_ref(),
    ]
}

/// The contact that a target means: with its destinations as written for a home of this platform's
/// own, with phone numbers alone for another.
fn read(
    target: &Target,
    outdial: Uuid,
    route: Route,
    context: &ConvertContext,
) -> Result<Incoming, GatewayError> {
    let mut contact = convert::contact_to_domain(target, context).value;
    for (place, slot) in slots(target).into_iter().enumerate() {
        let Some(address) = slot.filter(|address| !address.target.is_empty()) else { continue };
        if contact.numbers.iter().any(|number| number.place == place) {
            continue;
        }
        if route != Route::Native {
            let rule = "the campaign's home dials phone numbers in E.164 only";
            return Err(GatewayError::invalid(DESTINATIONS[place], rule));
        }
        let number = PhoneNumber::new(address.target.clone());
        contact.numbers.push(ContactNumber { number, place, category: None, delay_ms: None });
    }
    let target = Target { outdial_id: outdial.to_string(), ..target.clone() };
    let document = serde_json::to_vec(&target).map_err(unreadable)?.into();
    Ok(Incoming { contact, document })
}

fn page(listing: &ContactListing, outdial: Uuid, profile: &Profile) -> Result<Bytes, GatewayError> {
    let result: Vec<Box<serde_json::value::RawValue>> = listing
        .contacts
        .iter()
        .map(|view| {
            let shown = show(view, outdial, &listing.context, profile)?;
            serde_json::value::RawValue::from_string(shown).map_err(unreadable)
        })
        .collect::<Result<_, _>>()?;
    let next_page_token = match &listing.next {
        NextPage::End => String::new(),
        NextPage::Cursor(token) => token.clone(),
        NextPage::After(at) => profile.page_token(*at),
    };
    let page = Page { result, next_page_token };
    Ok(serde_json::to_vec(&page).map_err(unreadable)?.into())
}

/// What creating a target answers: the target.
fn one(
    added: &AddedTo,
    target: &Target,
    outdial: Uuid,
    profile: &Profile,
) -> Result<Bytes, GatewayError> {
    let Some(row) = added.contacts.first() else {
        return Err(GatewayError::Internal("no contact was added".to_owned()));
    };
    let at = profile.timestamp(row.list_at);
    let fresh = Target {
        status: "idle".to_owned(),
        tm_create: Some(at.clone()),
        tm_update: Some(at),
        ..target.clone()
    };
    let native = (added.route == Route::Native)
        .then(|| serde_json::to_vec(&fresh).map(Bytes::from).map_err(unreadable))
        .transpose()?;
    let view = ContactView {
        uuid: row.uuid,
        contact: row.contact.clone(),
        native_document: native,
        list_at: Some(row.list_at),
        state: row.state,
        deleted_at: None,
    };
    show(&view, outdial, &added.context, profile).map(Bytes::from)
}

/// A target as this facade shows it.
fn show(
    view: &ContactView,
    outdial: Uuid,
    context: &ConvertContext,
    profile: &Profile,
) -> Result<String, GatewayError> {
    let made;
    let source = if let Some(document) = &view.native_document {
        &document[..]
    } else {
        let mut target = convert::contact_from_domain(&view.contact, context).value;
        target.tm_create = view.list_at.map(|at| profile.timestamp(at));
        // A fresh target says that it was updated when it was made (reference 1.5).
        let deleted = view.deleted_at.map(|at| profile.timestamp(at));
        target.tm_update = deleted.or_else(|| target.tm_create.clone());
        target.tm_delete = profile.at_or_never(view.deleted_at);
        made = serde_json::to_vec(&target).map_err(unreadable)?;
        &made
    };
    let mut document = Document::parse(source).map_err(unreadable)?;
    document.set("outdial_id", &outdial).map_err(unreadable)?;
    document.set("id", &view.uuid).map_err(unreadable)?;
    profile.restate_addresses(&mut document, &DESTINATIONS)?;
    profile.restate_document(&mut document)?;
    serde_json::to_string(&document).map_err(unreadable)
}
