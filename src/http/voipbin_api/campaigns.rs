//! Campaigns (reference 3): list, detail, create, change, delete, status. A campaign on a home of
//! another platform is a draft until it is run.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use crate::domain::campaign::{Answering, CampaignDefinition};
use crate::domain::ids::{CampaignIdentity, CampaignKey, CampaignPart};
use crate::domain::listing::Window;
use crate::gateway::campaigns::{CampaignView, Wanted};
use crate::gateway::drafts::{
    DocumentsWanted, NOT_MADE, NewDocument, ObjectChange, ObjectKind, ObjectRow, ObjectState,
};
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::exchange::Target;
use crate::gateway::merged::{Listed, Reading, Source, SourcePage, merged};
use crate::gateway::route::Route;
use crate::gateway::steering::{Desire, Repeat};
use crate::http::document::Document;
use crate::http::voipbin_api::edits::{self, CampaignEdit, part_of};
use crate::http::voipbin_api::error::{Doing, Refused};
use crate::http::voipbin_api::paging::{self, Asks, Row};
use crate::http::voipbin_api::profile::Profile;
use crate::http::voipbin_api::{Body, Call, Facade, json, native, references, unreadable};
use crate::platforms::voipbin::convert;
use crate::platforms::voipbin::wire::{self, NIL_UUID};
use crate::platforms::{Exchange, Operation};

/// Body of `PUT /campaigns/{id}/status`.
#[derive(Deserialize)]
struct StatusChange {
    #[serde(default)]
    status: Option<String>,
}

/// A row of the list.
enum Shown {
    Campaign(Box<CampaignView>),
    Draft(Box<ObjectRow>),
}

/// The sources of the list.
enum Campaigns<'a> {
    Directory(&'a Call<'a>),
    Drafts(&'a Call<'a>),
}

pub async fn list(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Campaign, |call| async move {
            let asks = Asks::of(&call)?;
            let sources = [Campaigns::Directory(&call), Campaigns::Drafts(&call)];
            let sources: Vec<&dyn Source<Shown>> =
                sources.iter().map(|source| source as _).collect();
            let listed = merged(&sources, asks.before, asks.size).await?;
            let row = |listed: &Listed<Shown>| {
                let json = match &listed.row {
                    Shown::Campaign(view) => render(view, call.profile)?,
                    Shown::Draft(row) => draft(row, call.profile)?,
                };
                Ok(Row { list_at: listed.list_at, json })
            };
            let rows: Vec<Row> = listed.iter().map(row).collect::<Result<_, GatewayError>>()?;
            Ok(paging::page(&rows, call.profile))
        })
        .await
}

pub async fn detail(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Campaign, |call| async move {
            let id = call.id()?;
            let (key, profile) = (CampaignKey::Uuid(id), call.profile);
            let rendered = call
                .gateway
                .campaign_rendered(&call.asked, key, profile.name, |view| render(view, profile))
                .await;
            match rendered {
                Err(GatewayError::NotFound(Noun::Draft)) => {
                    let row = call.gateway.draft(&call.asked, id).await?;
                    Ok(json(draft(&row, profile)?))
                }
                // What is deleted stays readable (reference 1.5), also where the home forgets it.
                Err(GatewayError::NotFound(Noun::Campaign)) => {
                    let view = call.gateway.deleted_campaign(&call.asked, key).await?;
                    Ok(json(render(&view, profile)?))
                }
                rendered => Ok(json(rendered?)),
            }
        })
        .await
}

/// Start and stop. Asking for what is so already changes nothing (reference 9.1).
pub async fn set_status(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade
        .answer(&request, Doing::Campaign, |call| async move {
            let id = call.id()?;
            let change: StatusChange = call.body(&body)?;
            let desire = match change.status.as_deref() {
                Some("run") => Desire::Run,
                Some("stop") => Desire::Stop,
                _ => return Err(GatewayError::invalid("status", "run or stop is expected").into()),
            };
            let key = CampaignKey::Uuid(id);
            match call.gateway.set_desired(&call.asked, key, desire, Repeat::Done).await {
                Err(GatewayError::NotFound(Noun::Draft)) => {
                    Box::pin(steer_draft(&call, id, desire)).await
                }
                view => Ok(json(render(&view?, call.profile)?)),
            }
        })
        .await
}

pub async fn create(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade
        .answer(&request, Doing::Campaign, |call| async move {
            let sent: wire::Campaign = call.body(&body)?;
            let bytes = call.bytes(body)?;
            call.once(&bytes, Box::pin(make(&call, sent, &bytes))).await
        })
        .await
}

pub async fn set_basic(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    change(facade, request, body, CampaignEdit::Basic).await
}

pub async fn set_level(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    change(facade, request, body, CampaignEdit::ServiceLevel).await
}

pub async fn set_actions(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    change(facade, request, body, CampaignEdit::Actions).await
}

pub async fn set_resources(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    change(facade, request, body, CampaignEdit::Resources).await
}

pub async fn set_next(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    change(facade, request, body, CampaignEdit::Next).await
}

pub async fn delete(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Campaign, |call| async move {
            let id = call.id()?;
            let key = CampaignKey::Uuid(id);
            let operation = Operation::CampaignDelete;
            match call.gateway.route_of(&call.asked, key, operation).await {
                Err(GatewayError::NotFound(Noun::Draft)) => {
                    let row = call.gateway.draft(&call.asked, id).await?;
                    if row.state == ObjectState::Creating {
                        return Err(being_made().into());
                    }
                    let row = call.gateway.delete_document(&call.asked, &row).await?;
                    Ok(json(draft(&row, call.profile)?))
                }
                Ok((_, Route::Native)) => {
                    let what = (operation, "/campaigns/{campaign}".to_owned(), id);
                    let body = native::delete(&call, Target::Campaign(key), what, &[]).await?;
                    Ok(json(body))
                }
                routed => {
                    routed?;
                    let deleted = call.gateway.delete_campaign(&call.asked, key).await?;
                    let at = call.profile.timestamp(deleted.at);
                    let mut campaign = bundle(&deleted.before, call.profile).campaign;
                    campaign.tm_delete = Some(at.clone());
                    campaign.tm_update = Some(at);
                    Ok(json(shown(campaign, call.profile)?))
                }
            }
        })
        .await
}

async fn make(call: &Call<'_>, sent: wire::Campaign, bytes: &Bytes) -> Result<Bytes, GatewayError> {
    let operation = Operation::CampaignCreate;
    let (account, route) = call.gateway.account_for_creating(&call.asked, operation)?;
    if route == Route::Native {
        if call.gateway.chains(&account) {
            references::check_next(call, &sent.next_campaign_id).await?;
        }
        let exchange = Exchange::new(operation, "POST", "/campaigns").with_body(bytes.clone());
        let target = Target::Account(account.clone());
        let made = call.gateway.exchange(&call.asked, target, exchange).await?;
        let id = Document::parse(&made.body).map_err(unreadable)?.text("id");
        let id = id.and_then(|id| Uuid::try_parse(&id).ok()).unwrap_or_default();
        let identity = call.gateway.made(&account, CampaignKey::Uuid(id)).await?;
        let mut document = Document::parse(&made.body).map_err(unreadable)?;
        document.set("id", &identity.uuid).map_err(unreadable)?;
        call.profile.restate_document(&mut document)?;
        return Ok(serde_json::to_vec(&document).map_err(unreadable)?.into());
    }
    let campaign = edits::new_campaign(sent);
    edits::check_campaign(&campaign)?;
    references::check(call, &campaign, &account, None).await?;
    let new = NewDocument {
        account,
        kind: ObjectKind::Campaign,
        parent: None,
        uses: part_of(&campaign, CampaignPart::DialingRules),
        name: campaign.name.clone(),
        document: serde_json::to_value(&campaign).map_err(unreadable)?,
    };
    let row = call.gateway.create_document(&call.asked, new).await?;
    let attached = attach(call, &campaign, row.uuid).await;
    attached.map_err(|error| error.after_a_write(row.uuid))?;
    draft(&row, call.profile)
}

async fn change(
    facade: Data<Facade>,
    request: HttpRequest,
    body: Body,
    edit: CampaignEdit,
) -> HttpResponse {
    facade
        .answer(&request, Doing::Campaign, |call| async move {
            let id = call.id()?;
            let sent: wire::Campaign = call.body(&body)?;
            let bytes = call.bytes(body)?;
            if edit == CampaignEdit::Next {
                edits::check_next(&bytes)?;
            }
            let key = CampaignKey::Uuid(id);
            match call.gateway.route_of(&call.asked, key, edit.operation()).await {
                Err(GatewayError::NotFound(Noun::Draft)) => {
                    let row = call.gateway.draft(&call.asked, id).await?;
                    let row = change_draft(&call, row, edit, sent).await?;
                    Ok(json(draft(&row, call.profile)?))
                }
                Ok((identity, Route::Native)) => {
                    // The platform does not look at all of it, nor knows whose campaigns are whose.
                    if edit.names_next() && call.gateway.chains(&identity.home) {
                        references::check_next(&call, &sent.next_campaign_id).await?;
                    }
                    let path = format!("/campaigns/{{campaign}}{}", edit.below());
                    let exchange = Exchange::new(edit.operation(), "PUT", path).with_body(bytes);
                    let target = Target::Campaign(key);
                    Ok(json(native::pass(&call, target, exchange, &[]).await?))
                }
                routed => {
                    routed?;
                    let view = change_elsewhere(&call, key, edit, sent).await?;
                    Ok(json(render(&view, call.profile)?))
                }
            }
        })
        .await
}

/// A campaign on a home of another platform: the document is edited, what it says is written there,
/// and the document stays beside it.
async fn change_elsewhere(
    call: &Call<'_>,
    key: CampaignKey,
    edit: CampaignEdit,
    sent: wire::Campaign,
) -> Result<CampaignView, Refused> {
    let change = call.gateway.begin_change(&call.asked, key, edit.operation()).await?;
    let mut before = bundle(&change.before, call.profile);
    let mut after = before.clone();
    edit.apply(sent, &mut after.campaign);
    edits::check_campaign(&after.campaign)?;
    if edit == CampaignEdit::Resources {
        let identity = &change.before.identity;
        references::check(call, &after.campaign, &identity.home, Some(identity.uuid)).await?;
        refuse_other_contacts(&before.campaign, &after.campaign)?;
    }
    if edit == CampaignEdit::Next {
        references::check_next(call, &after.campaign.next_campaign_id).await?;
    }
    if after.campaign.outplan_id != before.campaign.outplan_id {
        // Another outplan is another set of rules, and they are to hold from now on.
        before.outplan = kept_outplan(call, &before.campaign).await?.or(before.outplan);
        after.outplan = kept_outplan(call, &after.campaign).await?.or(after.outplan);
    }
    let context = &change.before.context;
    let said = |bundle: &wire::CampaignBundle| convert::campaign_to_domain(bundle, context).value.0;
    let (stated, restated) = (said(&before), said(&after));
    change.check_places(&stated.retry, &restated.retry)?;
    let definition = change.before.fetched.definition.clone().with_edit(&stated, restated);
    let source = serde_json::to_value(&after.campaign).map_err(unreadable)?;
    let uses = part_of(&after.campaign, CampaignPart::DialingRules);
    change.check_document(&source, uses).await?;
    let view = change.write(&definition).await?.after;
    Ok(change.keep(view, source, uses).await?)
}

/// Only the outdial that a campaign has is called (reference 16), and its contacts are on the home.
fn refuse_other_contacts(
    before: &wire::Campaign,
    after: &wire::Campaign,
) -> Result<(), GatewayError> {
    let contacts = |campaign| part_of(campaign, CampaignPart::ContactList);
    if contacts(before) == contacts(after) {
        return Ok(());
    }
    let reason = "outdial_id: the campaign's contacts are on its home already, which has no outdials; \
                  make another campaign for another outdial, and stop this one or delete its targets \
                  to have nobody of it called";
    Err(GatewayError::State(reason.to_owned()))
}

/// The outplan that a campaign names, where the gateway keeps it.
async fn kept_outplan(
    call: &Call<'_>,
    campaign: &wire::Campaign,
) -> Result<Option<wire::Outplan>, GatewayError> {
    let Some(id) = part_of(campaign, CampaignPart::DialingRules) else { return Ok(None) };
    let row = call.gateway.document(&call.asked, ObjectKind::DialingRules, id).await?;
    row.map(|row| serde_json::from_str(&row.document).map_err(unreadable)).transpose()
}

async fn change_draft(
    call: &Call<'_>,
    row: ObjectRow,
    edit: CampaignEdit,
    sent: wire::Campaign,
) -> Result<ObjectRow, Refused> {
    if row.state == ObjectState::Creating {
        return Err(being_made().into());
    }
    let mut campaign: wire::Campaign = serde_json::from_str(&row.document).map_err(unreadable)?;
    edit.apply(sent, &mut campaign);
    edits::check_campaign(&campaign)?;
    if matches!(edit, CampaignEdit::Resources | CampaignEdit::Next) {
        references::check(call, &campaign, &row.account, Some(row.uuid)).await?;
    }
    let change = ObjectChange {
        name: Some(campaign.name.clone()),
        document: Some(serde_json::to_string(&campaign).map_err(unreadable)?),
        uses: Some(part_of(&campaign, CampaignPart::DialingRules)),
        ..ObjectChange::default()
    };
    let changed = call.gateway.change_document(&call.asked, &row, change).await?;
    attach(call, &campaign, row.uuid).await?;
    Ok(changed)
}

/// The outdial that a campaign names becomes its own (reference 3.3).
async fn attach(call: &Call<'_>, campaign: &wire::Campaign, id: Uuid) -> Result<(), GatewayError> {
    let Some(list) = part_of(campaign, CampaignPart::ContactList) else { return Ok(()) };
    let row = call.gateway.document(&call.asked, ObjectKind::ContactList, list).await?;
    match row {
        Some(row) if row.parent != Some(id) => {
            let change = ObjectChange { parent: Some(Some(id)), ..ObjectChange::default() };
            call.gateway.change_document(&call.asked, &row, change).await.map(drop)
        }
        _ => Ok(()),
    }
}

async fn steer_draft(call: &Call<'_>, id: Uuid, desire: Desire) -> Result<HttpResponse, Refused> {
    let row = match call.gateway.draft(&call.asked, id).await {
        Ok(row) => row,
        // It was made since it was looked for.
        Err(GatewayError::NotFound(Noun::Campaign)) => {
            let key = CampaignKey::Uuid(id);
            let view = call.gateway.set_desired(&call.asked, key, desire, Repeat::Done).await?;
            return Ok(json(render(&view, call.profile)?));
        }
        Err(error) => return Err(error.into()),
    };
    if row.deleted_at.is_some() {
        return Err(GatewayError::State("it is deleted".to_owned()).into());
    }
    if desire == Desire::Stop {
        if (row.state == ObjectState::Creating || row.is_wanted_running == Some(true))
            && let Some(view) = call.gateway.stop_draft(&call.asked, &row).await?
        {
            return Ok(json(render(&view, call.profile)?));
        }
        let row = call.gateway.draft(&call.asked, id).await?;
        return Ok(json(draft(&row, call.profile)?));
    }
    // References may have gone since they were set (reference 9.1).
    let campaign: wire::Campaign = serde_json::from_str(&row.document).map_err(unreadable)?;
    references::check(call, &campaign, &row.account, Some(id)).await?;
    let view = call.gateway.run_draft(&call.asked, &row).await?;
    Ok(json(render(&view, call.profile)?))
}

fn being_made() -> GatewayError {
    GatewayError::unavailable("the campaign is being made on its home")
}

impl Source<Shown> for Campaigns<'_> {
    fn page(&self, before: Option<Timestamp>, limit: u32) -> Reading<'_, Shown> {
        Box::pin(async move {
            match self {
                Campaigns::Directory(call) => {
                    // The current generation goes on listing what was deleted (reference 1.5).
                    let include_deleted = call.profile.lists_deleted;
                    let wanted = Wanted { include_deleted, ..Wanted::default() };
                    let window = Window::Before { list_at: before, limit };
                    let listing = call.gateway.list_campaigns(&call.asked, wanted, window).await?;
                    let is_full = listing.campaigns.len() >= limit as usize;
                    let rows = listing.campaigns.into_iter().map(|view| Listed {
                        list_at: view.identity.list_at,
                        id: view.identity.uuid,
                        row: Shown::Campaign(Box::new(view)),
                    });
                    let rows: Vec<_> = rows.collect();
                    let next = rows.last().map(|row| row.list_at).filter(|_| is_full);
                    Ok(SourcePage { rows, next })
                }
                Campaigns::Drafts(call) => {
                    let wanted = DocumentsWanted {
                        kind: ObjectKind::Campaign,
                        parent: None,
                        states: NOT_MADE.to_vec(),
                        include_deleted: call.profile.lists_deleted,
                    };
                    let page =
                        call.gateway.list_documents(&call.asked, wanted, before, limit).await?;
                    Ok(page.map(|row| Shown::Draft(Box::new(row))))
                }
            }
        })
    }
}

/// A campaign that its home does not have yet.
fn draft(row: &ObjectRow, profile: &Profile) -> Result<Bytes, GatewayError> {
    let mut campaign: wire::Campaign = serde_json::from_str(&row.document).map_err(unreadable)?;
    campaign.id = row.uuid.to_string();
    NIL_UUID.clone_into(&mut campaign.customer_id);
    // While it is being made it was asked to run.
    let status = if row.state == ObjectState::Creating { "run" } else { "stop" };
    status.clone_into(&mut campaign.status);
    campaign.tm_create = Some(profile.timestamp(row.list_at));
    campaign.tm_update = profile.at_or_never(row.updated_at);
    campaign.tm_delete = profile.at_or_never(row.deleted_at);
    shown(campaign, profile)
}

fn shown(mut campaign: wire::Campaign, profile: &Profile) -> Result<Bytes, GatewayError> {
    profile.restate_actions(&mut campaign.actions);
    Ok(serde_json::to_vec(&campaign).map_err(unreadable)?.into())
}

/// The campaign as this facade shows it.
pub fn render(view: &CampaignView, profile: &Profile) -> Result<Bytes, GatewayError> {
    match view.route {
        Route::Native => native(view, profile),
        _ => translated(view, profile),
    }
}

fn native(view: &CampaignView, profile: &Profile) -> Result<Bytes, GatewayError> {
    let mut document = Document::parse(&view.fetched.raw).map_err(unreadable)?;
    document.set("id", &view.identity.uuid).map_err(unreadable)?;
    profile.restate_document(&mut document)?;
    Ok(serde_json::to_vec(&document).map_err(unreadable)?.into())
}

fn translated(view: &CampaignView, profile: &Profile) -> Result<Bytes, GatewayError> {
    shown(completed(converted(view).campaign, view, profile), profile)
}

/// A campaign of another platform with its parts, ids and timestamps filled in.
pub fn bundle(view: &CampaignView, profile: &Profile) -> wire::CampaignBundle {
    let identity = &view.identity;
    let mut bundle = converted(view);
    bundle.campaign = completed(bundle.campaign, view, profile);
    let created = bundle.campaign.tm_create.clone();
    if let Some(outplan) = &mut bundle.outplan {
        outplan.id = part_id(identity, CampaignPart::DialingRules);
        NIL_UUID.clone_into(&mut outplan.customer_id);
        outplan.tm_create.clone_from(&created);
        outplan.tm_update = profile.never();
        outplan.tm_delete = profile.never();
    }
    if let Some(outdial) = &mut bundle.outdial {
        outdial.id = part_id(identity, CampaignPart::ContactList);
        NIL_UUID.clone_into(&mut outdial.customer_id);
        outdial.campaign_id = identity.uuid.to_string();
        outdial.tm_create = created;
        outdial.tm_update = profile.never();
        outdial.tm_delete = profile.never();
    }
    bundle
}

fn converted(view: &CampaignView) -> wire::CampaignBundle {
    let CampaignView { fetched, context, .. } = view;
    convert::campaign_from_domain(&fetched.definition, &fetched.status, context).value
}

/// The campaign with what its client wrote of it, and with ids and timestamps.
fn completed(
    mut campaign: wire::Campaign,
    view: &CampaignView,
    profile: &Profile,
) -> wire::Campaign {
    let CampaignView { identity, fetched, .. } = view;
    campaign.outplan_id = part_id(identity, CampaignPart::DialingRules);
    campaign.outdial_id = part_id(identity, CampaignPart::ContactList);
    if is_answered_by_unnamed_agents(&fetched.definition) {
        campaign.queue_id = part_id(identity, CampaignPart::AgentGroup);
    }
    if let Some(written) = &view.written
        && let Ok(written) = serde_json::from_value::<wire::Campaign>(written.clone())
    {
        campaign = wire::Campaign { status: campaign.status, ..written };
    }
    campaign.id = identity.uuid.to_string();
    NIL_UUID.clone_into(&mut campaign.customer_id);
    let created = fetched.created_at.unwrap_or(identity.list_at);
    campaign.tm_create = Some(profile.timestamp(created));
    campaign.tm_update = profile.at_or_never(view.deleted_at);
    campaign.tm_delete = profile.at_or_never(view.deleted_at);
    campaign
}

/// Agents whose group no binding names: they are shown as a queue of the campaign's own.
fn is_answered_by_unnamed_agents(definition: &CampaignDefinition) -> bool {
    matches!(definition.answering, Answering::Agents { group: None })
}

fn part_id(identity: &CampaignIdentity, part: CampaignPart) -> String {
    part.public_id(identity.uuid).to_string()
}
