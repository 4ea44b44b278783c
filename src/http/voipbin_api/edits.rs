//! What clients change of campaigns, outplans and outdials: each PUT replaces all members that it
//! speaks of, and a missing one becomes empty, as on the platform (reference 3.2, 5.2, 6.2).

use serde::Deserialize;
use uuid::Uuid;

use crate::domain::ids::CampaignPart;
use crate::gateway::error::GatewayError;
use crate::platforms::Operation;
use crate::platforms::voipbin::convert::rules;
use crate::platforms::voipbin::wire::{Action, Campaign, NIL_UUID, Outdial, Outplan};

/// The five PUTs that change a campaign and not its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CampaignEdit {
    Basic,
    ServiceLevel,
    Actions,
    Resources,
    Next,
}

/// `PUT /campaigns/{id}/next_campaign_id`: the one place where bad text is refused.
#[derive(Deserialize)]
struct Next {
    #[serde(default)]
    next_campaign_id: Option<String>,
}

impl CampaignEdit {
    /// The path below the campaign.
    pub fn below(self) -> &'static str {
        match self {
            CampaignEdit::Basic => "",
            CampaignEdit::ServiceLevel => "/service_level",
            CampaignEdit::Actions => "/actions",
            CampaignEdit::Resources => "/resource_info",
            CampaignEdit::Next => "/next_campaign_id",
        }
    }

    /// Whether it says which campaign follows.
    pub fn names_next(self) -> bool {
        matches!(self, CampaignEdit::Resources | CampaignEdit::Next)
    }

    pub fn operation(self) -> Operation {
        match self {
            CampaignEdit::Next => Operation::CampaignChain,
            _ => Operation::CampaignModify,
        }
    }

    /// Puts what the body says into a campaign.
    pub fn apply(self, body: Campaign, campaign: &mut Campaign) {
        match self {
            CampaignEdit::Basic => {
                campaign.name = body.name;
                campaign.detail = body.detail;
                campaign.kind = body.kind;
                campaign.service_level = body.service_level;
                campaign.end_handle = body.end_handle;
            }
            CampaignEdit::ServiceLevel => campaign.service_level = body.service_level,
            CampaignEdit::Actions => campaign.actions = actions(body.actions),
            CampaignEdit::Resources => {
                campaign.outplan_id = or_nil(body.outplan_id);
                campaign.outdial_id = or_nil(body.outdial_id);
                campaign.queue_id = or_nil(body.queue_id);
                campaign.next_campaign_id = or_nil(body.next_campaign_id);
            }
            CampaignEdit::Next => campaign.next_campaign_id = or_nil(body.next_campaign_id),
        }
    }
}

/// # Errors
/// When the text is no UUID; an empty one unchains.
pub fn check_next(body: &[u8]) -> Result<(), GatewayError> {
    let next: Next = serde_json::from_slice(body).unwrap_or(Next { next_campaign_id: None });
    match next.next_campaign_id.as_deref() {
        None | Some("") => Ok(()),
        Some(text) if Uuid::try_parse(text).is_ok() => Ok(()),
        Some(_) => Err(GatewayError::invalid("next_campaign_id", "a UUID is expected")),
    }
}

/// What limits calls in a campaign must be understood, where another platform is to keep it.
///
/// # Errors
/// `Invalid` with the member's name.
pub fn check_campaign(campaign: &Campaign) -> Result<(), GatewayError> {
    understood(rules::misread_campaign(campaign))
}

/// As [`check_campaign`] of an outplan.
///
/// # Errors
/// `Invalid` with the member's name.
pub fn check_outplan(outplan: &Outplan) -> Result<(), GatewayError> {
    understood(rules::misread_outplan(outplan))
}

fn understood(misread: Option<&str>) -> Result<(), GatewayError> {
    misread.map_or(Ok(()), |member| Err(GatewayError::invalid(member, rules::NEGATIVE)))
}

/// The members of a client's new campaign, and nothing else of what it sent.
pub fn new_campaign(body: Campaign) -> Campaign {
    Campaign {
        kind: body.kind,
        name: body.name,
        detail: body.detail,
        status: "stop".to_owned(),
        service_level: body.service_level,
        end_handle: body.end_handle,
        actions: actions(body.actions),
        outplan_id: or_nil(body.outplan_id),
        outdial_id: or_nil(body.outdial_id),
        queue_id: or_nil(body.queue_id),
        next_campaign_id: or_nil(body.next_campaign_id),
        ..Campaign::default()
    }
}

/// The members of a client's new outplan.
pub fn new_outplan(body: Outplan) -> Outplan {
    let (name, detail) = (body.name.clone(), body.detail.clone());
    let mut outplan = Outplan { name, detail, ..Outplan::default() };
    set_dial_info(&mut outplan, body);
    outplan
}

/// The eight members of `dial_info`.
pub fn set_dial_info(outplan: &mut Outplan, body: Outplan) {
    outplan.source = body.source;
    outplan.dial_timeout = body.dial_timeout;
    outplan.try_interval = body.try_interval;
    outplan.max_try_count_0 = body.max_try_count_0;
    outplan.max_try_count_1 = body.max_try_count_1;
    outplan.max_try_count_2 = body.max_try_count_2;
    outplan.max_try_count_3 = body.max_try_count_3;
    outplan.max_try_count_4 = body.max_try_count_4;
}

/// The members of a client's new outdial; its campaign stands elsewhere.
pub fn new_outdial(body: Outdial) -> Outdial {
    Outdial { name: body.name, detail: body.detail, data: body.data, ..Outdial::default() }
}

/// The part that a campaign names, if it names one.
pub fn part_of(campaign: &Campaign, part: CampaignPart) -> Option<Uuid> {
    let id = match part {
        CampaignPart::DialingRules => &campaign.outplan_id,
        CampaignPart::ContactList => &campaign.outdial_id,
        CampaignPart::AgentGroup => &campaign.queue_id,
    };
    set_id(id)
}

/// The id in a member; None for the nil UUID and for what is none.
pub fn set_id(id: &str) -> Option<Uuid> {
    Uuid::try_parse(id).ok().filter(|id| !id.is_nil())
}

/// Actions as the platform keeps them: ids that are left out are the nil UUID (reference 2.2).
fn actions(mut actions: Vec<Action>) -> Vec<Action> {
    for action in &mut actions {
        for id in [&mut action.id, &mut action.next_id] {
            if set_id(id).is_none() {
                NIL_UUID.clone_into(id);
            }
        }
    }
    actions
}

/// Text that is no UUID is read as the nil UUID (reference 1.5).
fn or_nil(id: String) -> String {
    if set_id(&id).is_some() { id } else { NIL_UUID.to_owned() }
}
