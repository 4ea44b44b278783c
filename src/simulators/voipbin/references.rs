//! Whether the objects that a campaign refers to can be used (VB 3.3).

use uuid::Uuid;

use super::world::{References, Row, World};

/// True when each reference is nil, or exists, is the customer's and is not deleted; the outdial
/// must also be free or already this campaign's (`campaign` is nil for one being created).
pub fn usable(world: &World, customer: Uuid, campaign: Uuid, refs: References) -> bool {
    let outplan = world.outplans.get(refs.outplan_id);
    let outdial = world.outdials.get(refs.outdial_id);
    let queue = world.queues.get(refs.queue_id);
    let next = world.campaigns.get(refs.next_campaign_id);
    let free = |holder: Uuid| holder.is_nil() || holder == campaign;
    (refs.outplan_id.is_nil()
        || outplan.is_some_and(|row| row.customer_id == customer && !row.deleted()))
        && (refs.outdial_id.is_nil()
            || outdial.is_some_and(|row| {
                row.customer_id == customer && !row.deleted() && free(row.campaign_id)
            }))
        && (refs.queue_id.is_nil()
            || queue.is_some_and(|row| row.customer_id == customer && !row.deleted()))
        && (refs.next_campaign_id.is_nil()
            || next.is_some_and(|row| row.customer_id == customer && !row.deleted()))
}

/// Makes the campaign the holder of its outdial; the one held before is not released.
pub fn attach_outdial(world: &mut World, campaign: Uuid, outdial: Uuid) {
    let now = world.now();
    let Some(row) = world.outdials.get_mut(outdial) else { return };
    row.campaign_id = campaign;
    row.times.update = Some(now);
    world.publish_outdial(outdial, "outdial_updated");
}
