//! Queues (reference 8): those of the client's VoIPBin accounts, live; one for each bound group of
//! agents; and one for each campaign elsewhere whose agents have no name here.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use uuid::Uuid;

use crate::domain::ids::CampaignPart;
use crate::gateway::error::GatewayError;
use crate::gateway::groups::GroupView;
use crate::gateway::merged::{Listed, Reading, Source, SourcePage, TICK, merged};
use crate::http::document::Document;
use crate::http::voipbin_api::error::Doing;
use crate::http::voipbin_api::live::Live;
use crate::http::voipbin_api::paging::{self, Asks, Row};
use crate::http::voipbin_api::profile::Profile;
use crate::http::voipbin_api::{Call, Facade, json, unreadable};
use crate::platforms::Operation;

/// A queue that no VoIPBin account has.
#[derive(Serialize)]
struct Queue {
    id: Uuid,
    customer_id: Uuid,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    wait_flow_id: Uuid,
    tm_create: String,
    tm_update: Option<String>,
    tm_delete: Option<String>,
}

/// The sources of the list.
enum Queues<'a> {
    Live(Live<'a>),
    Bound(&'a Call<'a>),
    OfCampaigns(&'a Call<'a>),
}

pub async fn list(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Queue, |call| async move {
            let asks = Asks::of(&call)?;
            let own = call.gateway.accounts_of_own_platform(&call.asked);
            let live = |account| Live {
                call: &call,
                account,
                operation: Operation::AgentGroupList,
                path: "/queues",
            };
            let mut sources: Vec<Queues<'_>> =
                own.into_iter().map(|account| Queues::Live(live(account))).collect();
            sources.extend([Queues::Bound(&call), Queues::OfCampaigns(&call)]);
            let sources: Vec<&dyn Source<GroupView>> =
                sources.iter().map(|source| source as _).collect();
            let listed = merged(&sources, asks.before, asks.size).await?;
            let row = |listed: &Listed<GroupView>| {
                Ok(Row { list_at: listed.list_at, json: render(&listed.row, call.profile)? })
            };
            let rows: Vec<Row> = listed.iter().map(row).collect::<Result<_, GatewayError>>()?;
            Ok(paging::page(&rows, call.profile))
        })
        .await
}

pub async fn detail(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Queue, |call| async move {
            let view = call.gateway.group(&call.asked, call.id()?).await?;
            Ok(json(render(&view, call.profile)?))
        })
        .await
}

impl Source<GroupView> for Queues<'_> {
    fn page(&self, before: Option<Timestamp>, limit: u32) -> Reading<'_, GroupView> {
        Box::pin(async move {
            match self {
                Queues::Live(live) => Ok(live.read(before, limit).await?.map(GroupView::Native)),
                Queues::OfCampaigns(call) => {
                    let gateway = &call.gateway;
                    let page =
                        gateway.campaigns_with_unnamed_agents(&call.asked, before, limit).await?;
                    Ok(page.map(|view| GroupView::OfCampaign(Box::new(view))))
                }
                Queues::Bound(call) => bound(call, before).await,
            }
        })
    }
}

/// The bound groups that no account has. To find that out costs a request each, so it is put off
/// until the list has come down to where they stand.
async fn bound(
    call: &Call<'_>,
    before: Option<Timestamp>,
) -> Result<SourcePage<GroupView>, GatewayError> {
    let groups = call.gateway.bound_groups(&call.asked).into_iter();
    let mut groups: Vec<_> = groups.map(|id| (since(id), id)).collect();
    groups.sort_unstable_by(|a, b| b.cmp(a));
    let newest = groups.first().map(|(list_at, _)| *list_at);
    if newest.is_some_and(|newest| before.is_none_or(|before| before > newest + TICK)) {
        return Ok(SourcePage { rows: Vec::new(), next: newest });
    }
    let mut rows = Vec::new();
    for (list_at, id) in groups {
        let is_older = before.is_none_or(|before| list_at < before);
        if is_older && call.gateway.is_only_bound(&call.asked, id).await? {
            rows.push(Listed { list_at, id, row: GroupView::Bound(id) });
        }
    }
    Ok(SourcePage { rows, next: None })
}

fn render(view: &GroupView, profile: &Profile) -> Result<Bytes, GatewayError> {
    let queue = match view {
        GroupView::Native(document) => {
            let mut document = Document::parse(document).map_err(unreadable)?;
            profile.restate_document(&mut document)?;
            return Ok(serde_json::to_vec(&document).map_err(unreadable)?.into());
        }
        GroupView::Bound(id) => queue(*id, String::new(), since(*id), profile),
        GroupView::OfCampaign(campaign) => {
            let identity = &campaign.identity;
            let id = CampaignPart::AgentGroup.public_id(identity.uuid);
            // The place in the list is what pages are cut by, so it is what the row shows.
            queue(id, campaign.fetched.definition.name.clone(), identity.list_at, profile)
        }
    };
    Ok(serde_json::to_vec(&queue).map_err(unreadable)?.into())
}

fn queue(id: Uuid, name: String, created: Timestamp, profile: &Profile) -> Queue {
    Queue {
        id,
        customer_id: Uuid::nil(),
        name,
        detail: String::new(),
        wait_flow_id: Uuid::nil(),
        tm_create: profile.timestamp(created),
        tm_update: profile.never(),
        tm_delete: profile.never(),
    }
}

/// A place in lists for a group of which nobody knows since when it exists: always the same for one
/// id, in the first days of 2000.
fn since(id: Uuid) -> Timestamp {
    const TEN_DAYS_US: u64 = 10 * 24 * 3600 * 1_000_000;
    let beginning = Timestamp::constant(946_684_800, 0);
    let micros = i64::try_from(id.as_u64_pair().0 % TEN_DAYS_US).unwrap_or_default();
    beginning + SignedDuration::from_micros(micros)
}
