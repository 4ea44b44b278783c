//! Outdials (reference 6): lists of contacts, kept by the gateway where the home has none.

use actix_web::web::{self, Data, ServiceConfig, get, post, put};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::ids::{CampaignKey, CampaignPart};
use crate::gateway::contacts::ListName;
use crate::gateway::drafts::{
    DocumentsWanted, NewDocument, ObjectChange, ObjectKind, ObjectRow, ObjectState,
};
use crate::gateway::error::{GatewayError, Noun};
use crate::gateway::exchange::Target;
use crate::gateway::merged::{Listed, Reading, Source, SourcePage, merged};
use crate::gateway::parts::{PartHome, PartView};
use crate::gateway::route::Route;
use crate::http::document::Document;
use crate::http::voipbin_api::campaigns::bundle;
use crate::http::voipbin_api::edits::{self, set_id};
use crate::http::voipbin_api::error::{Doing, Refused};
use crate::http::voipbin_api::live::Live;
use crate::http::voipbin_api::native::{self, restated};
use crate::http::voipbin_api::outplans::derived;
use crate::http::voipbin_api::paging::{self, Asks, Row};
use crate::http::voipbin_api::profile::Profile;
use crate::http::voipbin_api::{Body, Call, Facade, json, resource, targets, unreadable};
use crate::platforms::voipbin::wire::{NIL_UUID, Outdial};
use crate::platforms::{Exchange, Operation};

const PART: CampaignPart = CampaignPart::ContactList;

/// What a PUT replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edit {
    Names,
    Campaign,
    Data,
}

/// The sources of the list.
enum Outdials<'a> {
    Live(Live<'a>),
    Kept(&'a Call<'a>),
    OfCampaigns(&'a Call<'a>),
}

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(resource("/outdials").route(get().to(list)).route(post().to(create)))
        .service(
            resource("/outdials/{id}")
                .route(get().to(detail))
                .route(put().to(set_names))
                .route(web::delete().to(delete)),
        )
        .service(resource("/outdials/{id}/campaign_id").route(put().to(set_campaign)))
        .service(resource("/outdials/{id}/data").route(put().to(set_data)))
        .service(
            resource("/outdials/{id}/targets")
                .route(get().to(targets::list))
                .route(post().to(targets::add)),
        )
        .service(
            resource("/outdials/{id}/targets/{target}")
                .route(get().to(targets::detail))
                .route(web::delete().to(targets::delete)),
        );
}

async fn list(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Outdial, |call| async move {
            let asks = Asks::of(&call)?;
            let own = call.gateway.accounts_of_own_platform(&call.asked).into_iter();
            let live = |account| Live {
                call: &call,
                account,
                operation: Operation::PartList,
                path: "/outdials",
            };
            let mut sources: Vec<Outdials<'_>> =
                own.map(|account| Outdials::Live(live(account))).collect();
            sources.extend([Outdials::Kept(&call), Outdials::OfCampaigns(&call)]);
            let sources: Vec<&dyn Source<Bytes>> =
                sources.iter().map(|source| source as _).collect();
            let listed = merged(&sources, asks.before, asks.size).await?;
            let row = |listed: &Listed<Bytes>| {
                Ok(Row { list_at: listed.list_at, json: restated(&listed.row, &[], call.profile)? })
            };
            let rows: Vec<Row> = listed.iter().map(row).collect::<Result<_, GatewayError>>()?;
            Ok(paging::page(&rows, call.profile))
        })
        .await
}

async fn detail(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Outdial, |call| async move {
            let view = call.gateway.part(&call.asked, PART, call.id()?).await?;
            Ok(json(render(&view, call.profile)?))
        })
        .await
}

async fn create(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade
        .answer(&request, Doing::Outdial, |call| async move {
            let sent: Outdial = call.body(&body)?;
            let bytes = call.bytes(body)?;
            call.once(&bytes, Box::pin(make(&call, sent, &bytes))).await
        })
        .await
}

async fn set_names(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    change(facade, request, body, Edit::Names).await
}

async fn set_campaign(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    change(facade, request, body, Edit::Campaign).await
}

async fn set_data(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    change(facade, request, body, Edit::Data).await
}

async fn delete(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Outdial, |call| async move {
            let id = call.id()?;
            match call.gateway.part_home(&call.asked, PART, id).await? {
                PartHome::Own { account, .. } => {
                    let what = (Operation::PartDelete, format!("/outdials/{id}"), id);
                    Ok(json(native::delete(&call, Target::Account(account), what, &[]).await?))
                }
                PartHome::Kept(row) => {
                    let row = call.gateway.delete_document(&call.asked, &row).await?;
                    Ok(json(kept(&row, call.profile)?))
                }
                PartHome::Derived(_) => Err(the_campaigns_own().into()),
            }
        })
        .await
}

async fn make(call: &Call<'_>, sent: Outdial, bytes: &Bytes) -> Result<Bytes, GatewayError> {
    let operation = Operation::PartCreate;
    let (account, route) = call.gateway.account_for_creating(&call.asked, operation)?;
    if route == Route::Native {
        let exchange =
            Exchange::new(operation, "POST", "/outdials").with_body(with_text_data(bytes, &sent)?);
        let target = Target::Account(account);
        return native::pass(call, target, exchange, &[]).await;
    }
    let campaign = check(&sent)?;
    let outdial = edits::new_outdial(sent);
    let new = NewDocument {
        account,
        kind: ObjectKind::ContactList,
        parent: Some(campaign),
        uses: None,
        name: outdial.name.clone(),
        document: serde_json::to_value(&outdial).map_err(unreadable)?,
    };
    let row = call.gateway.create_document(&call.asked, new).await?;
    kept(&row, call.profile)
}

async fn change(
    facade: Data<Facade>,
    request: HttpRequest,
    body: Body,
    edit: Edit,
) -> HttpResponse {
    facade
        .answer(&request, Doing::Outdial, |call| async move {
            let id = call.id()?;
            let sent: Outdial = call.body(&body)?;
            match call.gateway.part_home(&call.asked, PART, id).await? {
                PartHome::Own { account, .. } => {
                    let path = format!("/outdials/{id}{}", edit.below());
                    let exchange = Exchange::new(Operation::PartModify, "PUT", path)
                        .with_body(with_text_data(&call.bytes(body)?, &sent)?);
                    let target = Target::Account(account);
                    Ok(json(native::pass(&call, target, exchange, &[]).await?))
                }
                PartHome::Kept(row) => change_kept(&call, row, edit, sent).await,
                PartHome::Derived(_) => Err(the_campaigns_own().into()),
            }
        })
        .await
}

/// The platform takes text only; its own command line sends an object (reference 11.2), which is kept
/// as its text.
fn with_text_data(bytes: &Bytes, sent: &Outdial) -> Result<Bytes, GatewayError> {
    let mut document = Document::parse(bytes).map_err(unreadable)?;
    match document.get("data") {
        None | Some("null") => Ok(bytes.clone()),
        Some(text) if text.starts_with('"') => Ok(bytes.clone()),
        Some(_) => {
            document.set("data", &sent.data).map_err(unreadable)?;
            Ok(serde_json::to_vec(&document).map_err(unreadable)?.into())
        }
    }
}

async fn change_kept(
    call: &Call<'_>,
    row: ObjectRow,
    edit: Edit,
    sent: Outdial,
) -> Result<HttpResponse, Refused> {
    let mut outdial: Outdial = serde_json::from_str(&row.document).map_err(unreadable)?;
    let mut change = ObjectChange::default();
    match edit {
        Edit::Names => {
            outdial.name = sent.name;
            outdial.detail = sent.detail;
            change.name = Some(outdial.name.clone());
        }
        Edit::Data => outdial.data = sent.data,
        // Bad text or nil detaches (reference 6.2).
        Edit::Campaign => {
            refuse_while_in_use(call, &row).await?;
            change.parent = Some(set_id(&sent.campaign_id));
        }
    }
    change.document = Some(serde_json::to_string(&outdial).map_err(unreadable)?);
    let row = call.gateway.change_document(&call.asked, &row, change).await?;
    Ok(json(kept(&row, call.profile)?))
}

/// The contacts of a campaign that was made are on its home; the list cannot go elsewhere.
async fn refuse_while_in_use(call: &Call<'_>, row: &ObjectRow) -> Result<(), GatewayError> {
    let Some(campaign) = row.parent else { return Ok(()) };
    // A campaign calls only the list that it has; what waits in another one is nobody's yet.
    if !call.gateway.calls_list(&call.asked, campaign, &ListName::Kept(row.uuid)).await? {
        return Ok(());
    }
    match call.gateway.resolve(&call.asked, CampaignKey::Uuid(campaign)).await {
        Err(GatewayError::NotFound(Noun::Draft)) => {
            let draft = call.gateway.draft(&call.asked, campaign).await?;
            if draft.state == ObjectState::Draft {
                return Ok(());
            }
        }
        Err(GatewayError::NotFound(_)) => return Ok(()),
        found => {
            found?;
        }
    }
    Err(GatewayError::State("its contacts are on the campaign's home already".to_owned()))
}

/// All four members must be there (reference 6.2, since 2026-08-05).
fn check(outdial: &Outdial) -> Result<Uuid, GatewayError> {
    for (name, text) in
        [("name", &outdial.name), ("detail", &outdial.detail), ("data", &outdial.data)]
    {
        if text.is_empty() {
            return Err(GatewayError::invalid(name, "it must not be empty"));
        }
    }
    set_id(&outdial.campaign_id)
        .ok_or_else(|| GatewayError::invalid("campaign_id", "a UUID other than nil is expected"))
}

fn the_campaigns_own() -> GatewayError {
    GatewayError::Unsupported("it is the campaign's own; its home has no such object to change")
}

impl Edit {
    fn below(self) -> &'static str {
        match self {
            Edit::Names => "",
            Edit::Campaign => "/campaign_id",
            Edit::Data => "/data",
        }
    }
}

impl Source<Bytes> for Outdials<'_> {
    fn page(&self, before: Option<Timestamp>, limit: u32) -> Reading<'_, Bytes> {
        Box::pin(async move {
            match self {
                Outdials::Live(live) => live.read(before, limit).await,
                Outdials::Kept(call) => {
                    let wanted = DocumentsWanted {
                        kind: ObjectKind::ContactList,
                        parent: None,
                        states: Vec::new(),
                        include_deleted: call.profile.lists_deleted,
                    };
                    let page =
                        call.gateway.list_documents(&call.asked, wanted, before, limit).await?;
                    let next = page.next;
                    let rows = page.rows.into_iter().map(|listed| {
                        let row = kept(&listed.row, call.profile)?;
                        Ok(Listed { list_at: listed.list_at, id: listed.id, row })
                    });
                    Ok(SourcePage { rows: rows.collect::<Result<_, GatewayError>>()?, next })
                }
                Outdials::OfCampaigns(call) => {
                    derived(call, before, limit, |view| {
                        let named = view.written.is_some();
                        let outdial = bundle(view, call.profile).outdial;
                        (!named).then_some(outdial).flatten().map(|list| serde_json::to_vec(&list))
                    })
                    .await
                }
            }
        })
    }
}

fn render(view: &PartView, profile: &Profile) -> Result<Bytes, GatewayError> {
    match view {
        PartView::Native { document, campaign } => {
            let mut document = Document::parse(document).map_err(unreadable)?;
            if let Some(campaign) = campaign {
                document.replace("campaign_id", campaign).map_err(unreadable)?;
            }
            profile.restate_document(&mut document)?;
            Ok(serde_json::to_vec(&document).map_err(unreadable)?.into())
        }
        PartView::Kept(row) => kept(row, profile),
        PartView::Derived { campaign, .. } => {
            let outdial = bundle(campaign, profile).outdial;
            restated(&serde_json::to_vec(&outdial).map_err(unreadable)?, &[], profile)
        }
    }
}

fn kept(row: &ObjectRow, profile: &Profile) -> Result<Bytes, GatewayError> {
    let mut outdial: Outdial = serde_json::from_str(&row.document).map_err(unreadable)?;
    outdial.id = row.uuid.to_string();
    NIL_UUID.clone_into(&mut outdial.customer_id);
    outdial.campaign_id = row.parent.unwrap_or_default().to_string();
    outdial.tm_create = Some(profile.timestamp(row.list_at));
    outdial.tm_update = profile.at_or_never(row.updated_at);
    outdial.tm_delete = profile.at_or_never(row.deleted_at);
    restated(&serde_json::to_vec(&outdial).map_err(unreadable)?, &[], profile)
}
