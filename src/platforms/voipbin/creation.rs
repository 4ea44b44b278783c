//! Making a campaign on VoIPBin. Names are not unique there, so everything that is made carries a
//! mark by which it is found again; the last write replaces the campaign's by its description.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::json;
use uuid::Uuid;

use super::client::{Ask, Client};
use super::convert;
use super::requests::{campaign_parts, not_empty, segment, with_dial_info};
use super::wire::{self, is_unset};
use crate::domain::campaign::CampaignStatus;
use crate::domain::contact::Contact;
use crate::domain::ids::NativeId;
use crate::platforms::{
    ContactName, Made, NewCampaign, Operation, PlatformError, PlatformErrorKind, Presence,
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

    /// Targets are listed newest first; ours are known by the reference that we gave as their name.
    pub async fn settle_contacts(
        &self,
        lane: Lane,
        native: &NativeId,
        contacts: &[Contact],
    ) -> Result<Vec<Presence>, PlatformError> {
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
        Ok(there)
    }

    pub async fn delete_contact(
        &self,
        lane: Lane,
        native: &NativeId,
        contact: ContactName<'_>,
    ) -> Result<(), PlatformError> {
        let operation = Operation::ContactDelete;
        let outdial = self.outdial_of(operation, lane, native).await?;
        let id = match contact.native {
            Some(id) => id.clone(),
            None => self.contact_called(lane, native, contact.reference).await?,
        };
        let path = format!("/outdials/{}/targets/{}", segment(&outdial), segment(id.as_str()));
        self.delete(lane, operation, &path).await
    }

    async fn contact_called(
        &self,
        lane: Lane,
        native: &NativeId,
        reference: &str,
    ) -> Result<NativeId, PlatformError> {
        let sought = Contact { reference: Some(reference.to_owned()), ..Contact::default() };
        let found = self.settle_contacts(lane, native, &[sought]).await?.pop();
        if let Some(Presence::There(Some(id))) = found {
            return Ok(id);
        }
        let detail = "the campaign has no such contact";
        let kind = PlatformErrorKind::NotFound;
        Err(PlatformError::new(Operation::ContactDelete, kind, detail))
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

/// By which an object is found again.
fn mark(mark: Uuid) -> String {
    format!("dialbridge:{}", mark.simple())
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
