//! Outdialtargets (reference 7): the contacts of a campaign.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use uuid::Uuid;

use crate::domain::contact::ContactNumber;
use crate::domain::ids::{CampaignKey, CampaignPart};
use crate::domain::phone::PhoneNumber;
use crate::gateway::contacts::{
    AddedTo, ContactListing, ContactView, ContactWindow, Distinct, Incoming, NextPage,
};
use crate::gateway::error::GatewayError;
use crate::gateway::route::Route;
use crate::http::document::Document;
use crate::http::voipbin_api::auth::query;
use crate::http::voipbin_api::error::Doing;
use crate::http::voipbin_api::paging::Asks;
use crate::http::voipbin_api::profile::Profile;
use crate::http::voipbin_api::{Body, Facade, json, unreadable};
use crate::platforms::ConvertContext;
use crate::platforms::voipbin::convert;
use crate::platforms::voipbin::wire::{Address, Page, Target};

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
            let identity =
                call.gateway.resolve_part(&call.asked, CampaignPart::ContactList, id).await?;
            let listing = call.gateway.list_contacts(&call.asked, identity, window).await?;
            Ok(json(page(&listing, id, call.profile)?))
        })
        .await
}

pub async fn add(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade
        .answer(&request, Doing::Target, |call| async move {
            let id = call.id()?;
            let target: Target = call.body(body)?;
            check(&target)?;
            let part = CampaignPart::ContactList;
            let identity = call.gateway.resolve_part(&call.asked, part, id).await?;
            let key = CampaignKey::Uuid(identity.uuid);
            let read = |route, context: &ConvertContext| Ok(vec![read(&target, route, context)?]);
            let added = call.gateway.add_contacts(&call.asked, key, Distinct::No, read).await?;
            Ok(json(one(&added, &target, id, call.profile)?))
        })
        .await
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
fn read(target: &Target, route: Route, context: &ConvertContext) -> Result<Incoming, GatewayError> {
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
    let document = (route == Route::Native)
        .then(|| serde_json::to_vec(target).map(Bytes::from).map_err(unreadable))
        .transpose()?;
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
        target.tm_update = target.tm_create.clone();
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
