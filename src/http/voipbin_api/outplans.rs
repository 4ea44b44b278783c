//! Outplans (reference 5): objects on a VoIPBin account; elsewhere documents that campaigns share,
//! or the dialling rules of one campaign, shown as an object of its own.

use actix_web::web::{self, Data, ServiceConfig, get, post, put};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use jiff::Timestamp;

use crate::domain::campaign::CampaignDefinition;
use crate::domain::ids::{CampaignKey, CampaignPart, NativeId};
use crate::domain::listing::Window;
use crate::gateway::campaigns::{CampaignView, Wanted};
use crate::gateway::changes::Change;
use crate::gateway::drafts::{DocumentsWanted, NewDocument, ObjectChange, ObjectKind, ObjectRow};
use crate::gateway::error::GatewayError;
use crate::gateway::exchange::Target;
use crate::gateway::merged::{Listed, Reading, Source, SourcePage, merged};
use crate::gateway::parts::{PartHome, PartView};
use crate::gateway::route::Route;
use crate::http::touching;
use crate::http::voipbin_api::campaigns::bundle;
use crate::http::voipbin_api::edits;
use crate::http::voipbin_api::error::{Doing, Refused};
use crate::http::voipbin_api::live::Live;
use crate::http::voipbin_api::native::{self, restated};
use crate::http::voipbin_api::paging::{self, Asks, Row};
use crate::http::voipbin_api::profile::Profile;
use crate::http::voipbin_api::{Body, Call, Facade, json, resource, unreadable};
use crate::platforms::voipbin::convert;
use crate::platforms::voipbin::wire::{CampaignBundle, NIL_UUID, Outplan};
use crate::platforms::{Exchange, Operation};

const PART: CampaignPart = CampaignPart::DialingRules;
const ADDRESSES: [&str; 1] = ["source"];

/// What a PUT replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edit {
    Names,
    DialInfo,
}

/// The sources of the list.
enum Outplans<'a> {
    Live(Live<'a>),
    Kept(&'a Call<'a>),
    OfCampaigns(&'a Call<'a>),
}

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(resource("/outplans").route(get().to(list)).route(post().to(create)))
        .service(
            resource("/outplans/{id}")
                .route(get().to(detail))
                .route(put().to(set_names))
                .route(web::delete().to(delete)),
        )
        .service(resource("/outplans/{id}/dial_info").route(put().to(set_dial_info)));
}

async fn list(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Outplan, |call| async move {
            let asks = Asks::of(&call)?;
            let own = call.gateway.accounts_of_own_platform(&call.asked).into_iter();
            let live = |account| Live {
                call: &call,
                account,
                operation: Operation::PartList,
                path: "/outplans",
            };
            let mut sources: Vec<Outplans<'_>> =
                own.map(|account| Outplans::Live(live(account))).collect();
            sources.extend([Outplans::Kept(&call), Outplans::OfCampaigns(&call)]);
            let sources: Vec<&dyn Source<Bytes>> =
                sources.iter().map(|source| source as _).collect();
            let listed = merged(&sources, asks.before, asks.size).await?;
            let row = |listed: &Listed<Bytes>| {
                let json = restated(&listed.row, &ADDRESSES, call.profile)?;
                Ok(Row { list_at: listed.list_at, json })
            };
            let rows: Vec<Row> = listed.iter().map(row).collect::<Result<_, GatewayError>>()?;
            Ok(paging::page(&rows, call.profile))
        })
        .await
}

async fn detail(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Outplan, |call| async move {
            let view = call.gateway.part(&call.asked, PART, call.id()?).await?;
            Ok(json(render(&view, call.profile)?))
        })
        .await
}

async fn create(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    facade
        .answer(&request, Doing::Outplan, |call| async move {
            let sent: Outplan = call.body(&body)?;
            let bytes = call.bytes(body)?;
            call.once(&bytes, Box::pin(make(&call, sent, &bytes))).await
        })
        .await
}

async fn set_names(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    change(facade, request, body, Edit::Names).await
}

async fn set_dial_info(facade: Data<Facade>, request: HttpRequest, body: Body) -> HttpResponse {
    change(facade, request, body, Edit::DialInfo).await
}

async fn delete(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Outplan, |call| async move {
            let id = call.id()?;
            match call.gateway.part_home(&call.asked, PART, id).await? {
                PartHome::Own { account, .. } => {
                    let what = (Operation::PartDelete, format!("/outplans/{id}"), id);
                    let target = Target::Account(account);
                    Ok(json(native::delete(&call, target, what, &ADDRESSES).await?))
                }
                PartHome::Kept(row) => {
                    let row = call.gateway.delete_document(&call.asked, &row).await?;
                    Ok(json(kept(&row, call.profile)?))
                }
                PartHome::Derived(_) => Err(GatewayError::Unsupported(
                    "it is the campaign's own; its home has no such object to delete",
                )
                .into()),
            }
        })
        .await
}

async fn make(call: &Call<'_>, sent: Outplan, bytes: &Bytes) -> Result<Bytes, GatewayError> {
    let operation = Operation::PartCreate;
    let (account, route) = call.gateway.account_for_creating(&call.asked, operation)?;
    if route == Route::Native {
        let exchange = Exchange::new(operation, "POST", "/outplans").with_body(bytes.clone());
        let target = Target::Account(account);
        return native::pass(call, target, exchange, &ADDRESSES).await;
    }
    let outplan = edits::new_outplan(sent);
    edits::check_outplan(&outplan)?;
    let new = NewDocument {
        account,
        kind: ObjectKind::DialingRules,
        parent: None,
        uses: None,
        name: outplan.name.clone(),
        document: serde_json::to_value(&outplan).map_err(unreadable)?,
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
        .answer(&request, Doing::Outplan, |call| async move {
            let id = call.id()?;
            let sent: Outplan = call.body(&body)?;
            match call.gateway.part_home(&call.asked, PART, id).await? {
                PartHome::Own { account, .. } => {
                    let path = format!("/outplans/{id}{}", edit.below());
                    let exchange = Exchange::new(Operation::PartModify, "PUT", path)
                        .with_body(call.bytes(body)?);
                    let target = Target::Account(account.clone());
                    let body = native::pass(&call, target, exchange, &ADDRESSES).await?;
                    let rules = NativeId::new(id.to_string());
                    let touched = match edit {
                        Edit::Names => 0,
                        Edit::DialInfo => {
                            let changed = (&account, &rules);
                            call.gateway.note_changed_rules(&call.asked, changed, None).await?
                        }
                    };
                    Ok(touching(json(body), touched))
                }
                PartHome::Kept(row) => change_kept(&call, row, edit, sent).await,
                PartHome::Derived(identity) => {
                    let key = CampaignKey::Uuid(identity.uuid);
                    change_derived(&call, key, edit, sent).await
                }
            }
        })
        .await
}

/// A kept outplan: the document changes, and so does every campaign on its home that uses it.
async fn change_kept(
    call: &Call<'_>,
    row: ObjectRow,
    edit: Edit,
    sent: Outplan,
) -> Result<HttpResponse, Refused> {
    let before: Outplan = serde_json::from_str(&row.document).map_err(unreadable)?;
    let mut after = before.clone();
    edit.apply(&mut after, sent);
    edits::check_outplan(&after)?;
    let mut users = match edit {
        Edit::Names => Vec::new(),
        Edit::DialInfo => call.gateway.users_of(&call.asked, row.uuid).await?,
    };
    // Each must allow the change before the first is written. In one order, so that two such changes do
    // not wait for each other.
    users.sort_unstable();
    let mut changes = Vec::with_capacity(users.len());
    for key in &users {
        let (change, definition) = prepared(call, *key, &before, &after).await?;
        change.check(&definition)?;
        changes.push((change, definition));
    }
    // A home may refuse one when others are written. The document is changed last, so that the same
    // request again writes to all of them.
    for (done, (change, definition)) in changes.into_iter().enumerate() {
        let written = change.write(&definition).await;
        written.map_err(|why| why.after_some((done, users.len())))?;
    }
    let change = ObjectChange {
        name: Some(after.name.clone()),
        document: Some(serde_json::to_string(&after).map_err(unreadable)?),
        ..ObjectChange::default()
    };
    let row = call.gateway.change_document(&call.asked, &row, change).await?;
    Ok(touching(json(kept(&row, call.profile)?), users.len()))
}

/// The dialling rules of one campaign. Its name and detail have no place on the home.
async fn change_derived(
    call: &Call<'_>,
    key: CampaignKey,
    edit: Edit,
    sent: Outplan,
) -> Result<HttpResponse, Refused> {
    if edit == Edit::Names {
        let reason = "the campaign's home has no object to name; name the campaign";
        return Err(GatewayError::Unsupported(reason).into());
    }
    let view = call.gateway.campaign(&call.asked, key).await?;
    let before = bundle(&view, call.profile).outplan.unwrap_or_default();
    let mut after = before.clone();
    edit.apply(&mut after, sent);
    edits::check_outplan(&after)?;
    let view = change_campaign(call, key, &before, &after).await?;
    let view = PartView::Derived { campaign: Box::new(view), part: PART };
    Ok(touching(json(render(&view, call.profile)?), 1))
}

async fn change_campaign(
    call: &Call<'_>,
    key: CampaignKey,
    before: &Outplan,
    after: &Outplan,
) -> Result<CampaignView, GatewayError> {
    let (change, definition) = prepared(call, key, before, after).await?;
    Ok(change.write(&definition).await?.after)
}

/// A change of a campaign's dialling rules, and what the campaign will be then. Where its home tries by
/// other rules than these, which a change leaves there that was done in part, they give way too.
async fn prepared<'a>(
    call: &'a Call<'_>,
    key: CampaignKey,
    before: &Outplan,
    after: &Outplan,
) -> Result<(Change<'a>, CampaignDefinition), GatewayError> {
    let change = call.gateway.begin_change(&call.asked, key, Operation::RetryPolicyModify).await?;
    let there = bundle(&change.before, call.profile);
    let said = |outplan: Option<&Outplan>| -> CampaignDefinition {
        let bundle = CampaignBundle { outplan: outplan.cloned(), ..there.clone() };
        convert::campaign_to_domain(&bundle, &change.before.context).value.0
    };
    let (mut before, after) = (said(Some(before)), said(Some(after)));
    change.check_places(&before.retry, &after.retry)?;
    let tried_there = said(there.outplan.as_ref()).retry;
    if !tried_there.is_kept_alike(&after.retry) {
        before.retry = tried_there;
    }
    let definition = change.before.fetched.definition.clone();
    Ok((change, definition.with_edit(&before, after)))
}

impl Edit {
    fn below(self) -> &'static str {
        match self {
            Edit::Names => "",
            Edit::DialInfo => "/dial_info",
        }
    }

    fn apply(self, outplan: &mut Outplan, sent: Outplan) {
        match self {
            Edit::Names => {
                outplan.name = sent.name;
                outplan.detail = sent.detail;
            }
            Edit::DialInfo => edits::set_dial_info(outplan, sent),
        }
    }
}

impl Source<Bytes> for Outplans<'_> {
    fn page(&self, before: Option<Timestamp>, limit: u32) -> Reading<'_, Bytes> {
        Box::pin(async move {
            match self {
                Outplans::Live(live) => live.read(before, limit).await,
                Outplans::Kept(call) => {
                    let wanted = DocumentsWanted {
                        kind: ObjectKind::DialingRules,
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
                Outplans::OfCampaigns(call) => {
                    derived(call, before, limit, |view| {
                        let named = view.written.is_some();
                        let outplan = bundle(view, call.profile).outplan;
                        (!named).then_some(outplan).flatten().map(|plan| serde_json::to_vec(&plan))
                    })
                    .await
                }
            }
        })
    }
}

/// Parts of the client's campaigns on homes without such objects; a campaign that names one of its
/// own has none.
pub async fn derived(
    call: &Call<'_>,
    before: Option<Timestamp>,
    limit: u32,
    part: impl Fn(&CampaignView) -> Option<Result<Vec<u8>, serde_json::Error>>,
) -> Result<SourcePage<Bytes>, GatewayError> {
    let include_deleted = call.profile.lists_deleted;
    let wanted = Wanted { include_deleted, ..Wanted::default() };
    let window = Window::Before { list_at: before, limit };
    let listing = call.gateway.list_campaigns(&call.asked, wanted, window).await?;
    let is_full = listing.campaigns.len() >= limit as usize;
    let next = listing.campaigns.last().map(|view| view.identity.list_at).filter(|_| is_full);
    let mut rows = Vec::new();
    for view in listing.campaigns.iter().filter(|view| view.route != Route::Native) {
        if let Some(document) = part(view) {
            let (list_at, id) = (view.identity.list_at, view.identity.uuid);
            rows.push(Listed { list_at, id, row: document.map_err(unreadable)?.into() });
        }
    }
    Ok(SourcePage { rows, next })
}

fn render(view: &PartView, profile: &Profile) -> Result<Bytes, GatewayError> {
    match view {
        PartView::Native { document, .. } => restated(document, &ADDRESSES, profile),
        PartView::Kept(row) => kept(row, profile),
        PartView::Derived { campaign, .. } => {
            let outplan = bundle(campaign, profile).outplan;
            restated(&serde_json::to_vec(&outplan).map_err(unreadable)?, &ADDRESSES, profile)
        }
    }
}

fn kept(row: &ObjectRow, profile: &Profile) -> Result<Bytes, GatewayError> {
    let mut outplan: Outplan = serde_json::from_str(&row.document).map_err(unreadable)?;
    outplan.id = row.uuid.to_string();
    NIL_UUID.clone_into(&mut outplan.customer_id);
    outplan.tm_create = Some(profile.timestamp(row.list_at));
    outplan.tm_update = profile.at_or_never(row.updated_at);
    outplan.tm_delete = profile.at_or_never(row.deleted_at);
    restated(&serde_json::to_vec(&outplan).map_err(unreadable)?, &ADDRESSES, profile)
}
