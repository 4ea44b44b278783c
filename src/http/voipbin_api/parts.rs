//! What a campaign is made of here and not everywhere: outplans and outdials (reference 5, 6). The
//! ids that a campaign shows can be followed.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use uuid::Uuid;

use crate::domain::ids::CampaignPart;
use crate::gateway::error::GatewayError;
use crate::gateway::parts::PartView;
use crate::http::document::Document;
use crate::http::voipbin_api::campaigns::bundle;
use crate::http::voipbin_api::error::Doing;
use crate::http::voipbin_api::profile::Profile;
use crate::http::voipbin_api::{Facade, json, unreadable};

pub async fn outplan(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Outplan, |call| async move {
            let part = CampaignPart::DialingRules;
            let view = call.gateway.part(&call.asked, part, call.id()?).await?;
            Ok(json(render(&view, call.profile)?))
        })
        .await
}

pub async fn outdial(facade: Data<Facade>, request: HttpRequest) -> HttpResponse {
    facade
        .answer(&request, Doing::Outdial, |call| async move {
            let part = CampaignPart::ContactList;
            let view = call.gateway.part(&call.asked, part, call.id()?).await?;
            Ok(json(render(&view, call.profile)?))
        })
        .await
}

fn render(view: &PartView, profile: &Profile) -> Result<Bytes, GatewayError> {
    match view {
        PartView::Native { document, campaign } => shown(document, *campaign, profile),
        PartView::Kept(row) => shown(row.document.as_bytes(), row.parent, profile),
        PartView::Derived { campaign, part, .. } => {
            let bundle = bundle(campaign, profile);
            let document = match part {
                CampaignPart::DialingRules => serde_json::to_vec(&bundle.outplan),
                CampaignPart::ContactList | CampaignPart::AgentGroup => {
                    serde_json::to_vec(&bundle.outdial)
                }
            };
            shown(&document.map_err(unreadable)?, Some(campaign.identity.uuid), profile)
        }
    }
}

/// The object with the campaign's public id and in the profile's form.
fn shown(json: &[u8], campaign: Option<Uuid>, profile: &Profile) -> Result<Bytes, GatewayError> {
    let mut document = Document::parse(json).map_err(unreadable)?;
    if let Some(campaign) = campaign {
        document.replace("campaign_id", &campaign).map_err(unreadable)?;
    }
    profile.restate_addresses(&mut document, &["source"])?;
    profile.restate_document(&mut document)?;
    Ok(serde_json::to_vec(&document).map_err(unreadable)?.into())
}
