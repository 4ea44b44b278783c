//! Making a campaign on VoIPBin. Names are not unique there, so everything that is made carries a
//! mark by which it is found again; the last write replaces the campaign's by its description.
//!
//! The server dials a slot without a destination, too, which fails and ends the campaign's loop, unless
//! the outplan gives the slot 0 tries (reference 16). So an outplan that is made here has tries for the
//! slots that the campaign's contacts use, and 0 for the others.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::json;
use uuid::Uuid;

use super::client::{Ask, Client};
use super::convert;
use super::requests::{campaign_parts, not_empty, segment, with_dial_info};
use super::wire::{self, Outplan, is_unset};
use crate::domain::campaign::CampaignStatus;
use crate::domain::contact::Contact;
use crate::domain::ids::NativeId;
use crate::domain::policy::RetryPolicy;
use crate::platforms::{
    ContactName, Made, NewCampaign, Operation, PlatformError, PlatformErrorKind, Presence, Released,
};
use crate::transport::Access;
use crate::transport::pacing::Lane;

/// The writes in the order that the server needs: the outdial wants the campaign's id since 2026-08
/// (reference 3.3), so the campaign is made without it and joined afterwards.
pub const STEPS: [&str; 5] = ["outplan", "campaign", "outdial", "join", "describe"];

const OUTPLAN: &str = "outplan";
const OUTDIAL: &str = "outdial";
/// Pages of a list in which a lost object is looked for, newest first: it was made a moment ago.
const PAGES_LOOKED_AT: u32 = 20;
const PAGE_SIZE: u32 = 100;

impl Client {
    pub async fn make_next(
        &self,
        lane: Lane,
        new: &NewCampaign,
        mut made: Made,
        in_doubt: bool,
    ) -> Result<Made, PlatformError> {
        let mut bundle = self.bundle_of(new, &made);
        let mark = mark(new.mark);
        let id = |made: &Made| made.campaign.clone().unwrap_or_default();
        match STEPS.get(made.steps).copied() {
            Some("outplan") => {
                let outplan = bundle.outplan.take().unwrap_or_default();
                let outplan = of_no_contacts(outplan, &new.definition.retry);
                let body = with_dial_info(json!({"name": outplan.name, "detail": mark}), &outplan);
                let known = |plan: &wire::Outplan| plan.detail == mark;
                let plan = self.found_or_made(lane, "/outplans", (in_doubt, known), &body).await?;
                made.parts.insert(OUTPLAN.to_owned(), with_id(plan.id)?);
            }
            Some("campaign") => {
                let c = &bundle.campaign;
                let body = json!({
                    "name": c.name, "detail": mark, "type": c.kind,
                    "service_level": c.service_level, "end_handle": c.end_handle,
                    "actions": c.actions, "outplan_id": c.outplan_id,
                    "outdial_id": wire::NIL_UUID, "queue_id": c.queue_id,
                    "next_campaign_id": c.next_campaign_id,
                });
                let known = |campaign: &wire::Campaign| campaign.detail == mark;
                let found = (in_doubt, known);
                let campaign = self.found_or_made(lane, "/campaigns", found, &body).await?;
                made.campaign = Some(with_id(campaign.id)?);
            }
            Some("outdial") => {
                let campaign = id(&made);
                // None of the four may be empty (6.2).
                let c = &bundle.campaign;
                let body = json!({
                    "campaign_id": campaign, "name": not_empty(&c.name, "contacts"),
                    "detail": not_empty(&c.detail, "-"), "data": mark,
                });
                let known = |outdial: &wire::Outdial| {
                    outdial.data == mark && outdial.campaign_id == campaign
                };
                let found = (in_doubt, known);
                let outdial = self.found_or_made(lane, "/outdials", found, &body).await?;
                made.parts.insert(OUTDIAL.to_owned(), with_id(outdial.id)?);
            }
            // These replace what is there: doing one again does no harm.
            Some("join") => self.put_part(lane, &id(&made), &bundle.campaign, 2).await?,
            Some("describe") => self.put_part(lane, &id(&made), &bundle.campaign, 0).await?,
            _ => return Ok(made),
        }
        made.steps += 1;
        Ok(made)
    }

    pub async fn unmake(&self, lane: Lane, made: &Made) -> Result<(), PlatformError> {
        if let Some(campaign) = &made.campaign {
            gone(self.delete_campaign(lane, &NativeId::new(campaign.clone())).await)?;
        }
        for (part, list) in [(OUTDIAL, "/outdials"), (OUTPLAN, "/outplans")] {
            if let Some(id) = made.parts.get(part) {
                let path = format!("{list}/{}", segment(id));
                gone(self.delete(lane, Operation::PartDelete, &path).await)?;
            }
        }
        Ok(())
    }

    /// Opens the slots of these contacts' numbers in an outplan that was made here. In another one a slot
    /// is closed because somebody wants it so.
    pub async fn open_places(
        &self,
        lane: Lane,
        native: &NativeId,
        contacts: &[Contact],
    ) -> Result<(), PlatformError> {
        let operation = Operation::ContactAdd;
        let (bundle, _) = self.bundle(operation, lane, native).await?;
        let Some(outplan) = bundle.outplan.filter(|outplan| is_mark(&outplan.detail)) else {
            return Ok(());
        };
        let opened = opened(&outplan, contacts);
        if opened.tries() == outplan.tries() {
            return Ok(());
        }
        let path = format!("/outplans/{}/dial_info", segment(&outplan.id));
        let body = with_dial_info(json!({}), &opened);
        self.write::<Outplan>(operation, lane, "PUT", &path, &body).await.map(drop)
    }

    /// Contacts whose numbers say which slots an edit is to open: those of an outplan that was made here
    /// and dials nobody yet. The newest ones stand for the others.
    pub(super) async fn contacts_of_closed(
        &self,
        lane: Lane,
        native: &NativeId,
        (current, edited): (&Outplan, &Outplan),
    ) -> Result<Vec<Contact>, PlatformError> {
        if !is_mark(&current.detail) || !dials_nobody(current) || dials_nobody(edited) {
            return Ok(Vec::new());
        }
        let mut contacts = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES_LOOKED_AT {
            let page = self.list_contacts(lane, native, cursor.as_deref(), PAGE_SIZE).await?;
            contacts.extend(page.contacts.into_iter().map(|fetched| fetched.contact));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(contacts)
    }

    pub async fn settle_contacts(
        &self,
        lane: Lane,
        native: &NativeId,
        contacts: &[Contact],
    ) -> Result<Vec<Presence>, PlatformError> {
        Ok(self.look_for(lane, native, contacts).await?.0)
    }

    /// Targets are listed newest first; ours are known by the reference that we gave as their name. Says,
    /// too, whether all targets were looked at.
    async fn look_for(
        &self,
        lane: Lane,
        native: &NativeId,
        contacts: &[Contact],
    ) -> Result<(Vec<Presence>, bool), PlatformError> {
        let mut there = vec![Presence::Absent; contacts.len()];
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES_LOOKED_AT {
            let page = self.list_contacts(lane, native, cursor.as_deref(), PAGE_SIZE).await?;
            for fetched in &page.contacts {
                let reference = &fetched.contact.reference;
                let place = contacts.iter().position(|contact| contact.reference == *reference);
                if let (Some(place), true) = (place, reference.is_some()) {
                    there[place] = Presence::There(Some(fetched.native.clone()));
                }
            }
            cursor = page.next;
            if cursor.is_none() || !there.contains(&Presence::Absent) {
                break;
            }
        }
        Ok((there, cursor.is_none()))
    }

    pub async fn delete_contact(
        &self,
        lane: Lane,
        native: &NativeId,
        contact: ContactName<'_>,
    ) -> Result<Released, PlatformError> {
        let operation = Operation::ContactDelete;
        let outdial = self.outdial_of(operation, lane, native).await?;
        let id = match contact.native {
            Some(id) => id.clone(),
            None => match self.contact_called(lane, native, contact.reference).await? {
                Some(id) => id,
                None => return Ok(Released::Gone),
            },
        };
        let path = format!("/outdials/{}/targets/{}", segment(&outdial), segment(id.as_str()));
        match self.delete(lane, operation, &path).await {
            Err(error) if error.kind != PlatformErrorKind::NotFound => Err(error),
            _ => Ok(Released::Gone),
        }
    }

    /// None when the campaign certainly has no such contact.
    async fn contact_called(
        &self,
        lane: Lane,
        native: &NativeId,
        reference: &str,
    ) -> Result<Option<NativeId>, PlatformError> {
        let sought = Contact { reference: Some(reference.to_owned()), ..Contact::default() };
        let (mut found, are_all) = self.look_for(lane, native, &[sought]).await?;
        match found.pop() {
            Some(Presence::There(Some(id))) => Ok(Some(id)),
            _ if are_all => Ok(None),
            _ => {
                let (kind, detail) = (PlatformErrorKind::TooLarge, "too many contacts to find one");
                Err(PlatformError::new(Operation::ContactDelete, kind, detail))
            }
        }
    }

    /// The objects that the definition says, with the ids that are known so far.
    fn bundle_of(&self, new: &NewCampaign, made: &Made) -> wire::CampaignBundle {
        let stopped = &CampaignStatus::Stopped;
        let mut bundle =
            convert::campaign_from_domain(&new.definition, stopped, self.context()).value;
        let part =
            |name| made.parts.get(name).cloned().unwrap_or_else(|| wire::NIL_UUID.to_owned());
        bundle.campaign.outplan_id = part(OUTPLAN);
        bundle.campaign.outdial_id = part(OUTDIAL);
        bundle
    }

    /// What was made by a request whose answer was lost; else it is made now.
    async fn found_or_made<T: DeserializeOwned>(
        &self,
        lane: Lane,
        list: &str,
        (in_doubt, is_it): (bool, impl Fn(&T) -> bool),
        body: &serde_json::Value,
    ) -> Result<T, PlatformError> {
        let operation = Operation::CampaignCreate;
        let mut cursor: Option<String> = None;
        for _ in 0..if in_doubt { PAGES_LOOKED_AT } else { 0 } {
            let place = (cursor.as_deref(), PAGE_SIZE);
            let page = self.page::<T>(operation, lane, list, place).await?;
            if let Some((found, _)) = page.rows.into_iter().find(|(row, _)| is_it(row)) {
                return Ok(found);
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        self.write(operation, lane, "POST", list, body).await
    }

    async fn put_part(
        &self,
        lane: Lane,
        id: &str,
        campaign: &wire::Campaign,
        part: usize,
    ) -> Result<(), PlatformError> {
        let (below, body) = &campaign_parts(campaign)[part];
        let path = format!("/campaigns/{}{below}", segment(id));
        self.write::<wire::Campaign>(Operation::CampaignCreate, lane, "PUT", &path, body).await?;
        Ok(())
    }

    /// Deletes one object and looks whether it was that one (reference 3.4).
    async fn delete(
        &self,
        lane: Lane,
        operation: Operation,
        path: &str,
    ) -> Result<(), PlatformError> {
        let (method, query, body) = ("DELETE", None, Bytes::new());
        let answer = self.call(Ask { operation, lane, method, path, query, body }).await?;
        let gone: wire::Identified = super::answer::object(operation, Access::Write, &answer)?;
        let id = path.rsplit('/').next().unwrap_or_default();
        if gone.id.eq_ignore_ascii_case(id) {
            return Ok(());
        }
        let detail = "the platform deleted nothing";
        Err(PlatformError::new(operation, PlatformErrorKind::State, detail))
    }
}

const MARK: &str = "dialbridge:";

/// By which an object is found again.
fn mark(mark: Uuid) -> String {
    format!("{MARK}{}", mark.simple())
}

/// Whether an object's text says that it was made here.
fn is_mark(text: &str) -> bool {
    text.strip_prefix(MARK).is_some_and(|uuid| Uuid::try_parse(uuid).is_ok())
}

fn with_id(id: String) -> Result<String, PlatformError> {
    if is_unset(&id) {
        let detail = "the new object has no id";
        return Err(PlatformError::malformed(Operation::CampaignCreate, Access::Write, detail));
    }
    Ok(id)
}

/// What is gone already needs no deleting.
fn gone(outcome: Result<(), PlatformError>) -> Result<(), PlatformError> {
    match outcome {
        Err(error) if error.kind == PlatformErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

/// The outplan of a campaign that has no contacts yet. Every contact has a first number; what was said of
/// each place holds as it was said.
fn of_no_contacts(outplan: Outplan, retry: &RetryPolicy) -> Outplan {
    if !retry.attempts_by_place.is_empty() {
        return outplan;
    }
    let first = outplan.max_try_count_0;
    outplan.with_tries([first, 0, 0, 0, 0])
}

/// An edit in words that know no places changes the slots that are dialled, and opens none. Where none is
/// dialled, those are opened that a campaign made so now would dial for the contacts that it has.
pub(super) fn edited_outplan(
    current: &Outplan,
    edited: Outplan,
    retry: &RetryPolicy,
    contacts: &[Contact],
) -> Outplan {
    if !retry.attempts_by_place.is_empty() {
        return edited;
    }
    let (open, mut tries) = (current.tries(), edited.tries());
    if dials_nobody(current) {
        return opened(&of_no_contacts(edited, retry), contacts);
    }
    for (tries, open) in tries.iter_mut().zip(open) {
        if open <= 0 {
            *tries = 0;
        }
    }
    edited.with_tries(tries)
}

fn dials_nobody(outplan: &Outplan) -> bool {
    outplan.tries().iter().all(|tries| *tries <= 0)
}

/// With tries for the places of these contacts' numbers, too: no more than any other place has.
fn opened(outplan: &Outplan, contacts: &[Contact]) -> Outplan {
    let mut tries = outplan.tries();
    let least = tries.into_iter().filter(|tries| *tries > 0).min().unwrap_or_default();
    for number in contacts.iter().flat_map(|contact| &contact.numbers) {
        if let Some(tries) = tries.get_mut(number.place).filter(|tries| **tries <= 0) {
            *tries = least;
        }
    }
    outplan.clone().with_tries(tries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contact::ContactNumber;
    use crate::domain::phone::PhoneNumber;
    use crate::domain::policy::Rule;

    fn plan(tries: [i64; 5]) -> Outplan {
        Outplan::default().with_tries(tries)
    }

    fn everywhere(attempts: i64) -> RetryPolicy {
        RetryPolicy { attempts_per_day: Rule::Stated(attempts), ..RetryPolicy::default() }
    }

    fn contact(places: &[usize]) -> Contact {
        let number = |place: &usize| ContactNumber {
            number: PhoneNumber::new("+8613100000001"),
            place: *place,
            category: None,
            delay_ms: None,
        };
        Contact { numbers: places.iter().map(number).collect(), ..Contact::default() }
    }

    #[test]
    fn only_the_first_slot_is_open_before_there_are_contacts() {
        assert_eq!(of_no_contacts(plan([3; 5]), &everywhere(3)).tries(), [3, 0, 0, 0, 0]);
        let by_place = RetryPolicy { attempts_by_place: vec![2, 1, 0, 0, 0], ..everywhere(2) };
        assert_eq!(of_no_contacts(plan([2, 1, 0, 0, 0]), &by_place).tries(), [2, 1, 0, 0, 0]);
    }

    #[test]
    fn contacts_open_the_slots_of_their_numbers() {
        let first = plan([3, 0, 0, 0, 0]);
        assert_eq!(opened(&first, &[contact(&[0])]).tries(), [3, 0, 0, 0, 0]);
        let both = [contact(&[0, 1]), contact(&[0, 1, 2])];
        assert_eq!(opened(&first, &both).tries(), [3, 3, 3, 0, 0]);
        assert_eq!(opened(&plan([0; 5]), &both).tries(), [0; 5], "nobody may be called");
        assert_eq!(opened(&plan([3, 1, 0, 0, 0]), &both).tries(), [3, 1, 1, 0, 0]);
    }

    #[test]
    fn an_edit_opens_no_slot() {
        let edit = |current, tries, contacts: &[Contact]| {
            let retry = everywhere(tries);
            edited_outplan(&plan(current), plan([tries; 5]), &retry, contacts).tries()
        };
        assert_eq!(edit([3, 3, 0, 0, 0], 5, &[]), [5, 5, 0, 0, 0]);
        assert_eq!(edit([0, 2, 0, 0, 0], 1, &[]), [0, 1, 0, 0, 0]);
        assert_eq!(edit([0; 5], 4, &[]), [4, 0, 0, 0, 0], "somebody may be called from now on");
        assert_eq!(edit([0; 5], 4, &[contact(&[0, 2])]), [4, 0, 4, 0, 0], "as made now");
        assert_eq!(edit([0; 5], 0, &[contact(&[0, 2])]), [0; 5]);
    }
}
