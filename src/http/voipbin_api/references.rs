//! What a campaign may refer to (reference 3.3): each exists, belongs to the same account, is not
//! deleted, and the outdial is nobody else's.

use uuid::Uuid;

use crate::domain::ids::{AccountSlug, CampaignPart};
use crate::gateway::drafts::{ObjectKind, ObjectRow};
use crate::gateway::error::GatewayError;
use crate::gateway::parts::PartHome;
use crate::http::voipbin_api::Call;
use crate::http::voipbin_api::edits::{part_of, set_id};
use crate::platforms::voipbin::wire::Campaign;

/// Checks the references of a campaign whose home has no such objects; `own` is its id, once it has
/// one.
///
/// # Errors
/// `Invalid` for the first reference that cannot be used.
pub async fn check(
    call: &Call<'_>,
    campaign: &Campaign,
    account: &AccountSlug,
    own: Option<Uuid>,
) -> Result<(), GatewayError> {
    for (part, member) in
        [(CampaignPart::DialingRules, "outplan_id"), (CampaignPart::ContactList, "outdial_id")]
    {
        let Some(id) = part_of(campaign, part) else { continue };
        let usable = match call.gateway.part_home(&call.asked, part, id).await {
            Ok(PartHome::Kept(row)) => is_usable(&row, account, own),
            Ok(PartHome::Derived(identity)) => own == Some(identity.uuid),
            Ok(PartHome::Own { .. })
            | Err(GatewayError::NotFound(_) | GatewayError::Forbidden(_)) => false,
            Err(error) => return Err(error),
        };
        if !usable {
            let rule = "it must exist on the campaign's account and be no other campaign's";
            return Err(GatewayError::invalid(member, rule));
        }
    }
    if let Some(queue) = part_of(campaign, CampaignPart::AgentGroup)
        && let Err(error) = call.gateway.group(&call.asked, queue).await
    {
        return Err(unusable(error, "queue_id"));
    }
    check_next(call, &campaign.next_campaign_id).await
}

/// Checks the campaign that is to follow: one of the client's, a draft perhaps, that is not deleted.
///
/// # Errors
/// `Invalid` when it cannot be used.
pub async fn check_next(call: &Call<'_>, next: &str) -> Result<(), GatewayError> {
    let Some(next) = set_id(next) else { return Ok(()) };
    let usable = call.gateway.check_next(&call.asked, next).await;
    usable.map_err(|error| unusable(error, "next_campaign_id"))
}

fn is_usable(row: &ObjectRow, account: &AccountSlug, own: Option<Uuid>) -> bool {
    let is_free = row.kind != ObjectKind::ContactList || row.parent.is_none() || row.parent == own;
    row.account == *account && row.deleted_at.is_none() && is_free
}

fn unusable(error: GatewayError, member: &str) -> GatewayError {
    match error {
        GatewayError::NotFound(_) | GatewayError::Forbidden(_) => {
            GatewayError::invalid(member, "it does not exist")
        }
        error => error,
    }
}
