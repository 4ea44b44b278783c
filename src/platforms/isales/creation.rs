//! Making a campaign on CC-iSales. Names are unique there, so a campaign whose answer was lost is
//! found by its name; and it is paused before it has a contact, so that nothing is dialled early.

use bytes::Bytes;
use jiff::ToSpan;
use jiff::tz::TimeZone;
use serde_json::json;

use super::client::Client;
use super::requests::{self, CampaignPath};
use super::{convert, wire};
use crate::domain::campaign::{Answering, CampaignDefinition, CampaignStatus};
use crate::domain::contact::Contact;
use crate::domain::ids::{NativeId, VdnId};
use crate::domain::policy::{CallingWindow, Rule};
use crate::platforms::{
    ContactName, CreationDefaults, Made, NewCampaign, Operation, PlatformError, PlatformErrorKind,
    Presence,
};
use crate::transport::Access;
use crate::transport::pacing::Lane;

/// `initStatus` has no documented meaning (reference 3.14), so the new campaign is paused by the
/// operation that has one.
pub const STEPS: [&str; 2] = ["create", "pause"];

/// Seconds to ring where nobody says how long: the sample of reference 3.1.
const RING_TIMEOUT_S: i64 = 20;

impl Client {
    pub async fn make_next(
        &self,
        lane: Lane,
        new: &NewCampaign,
        mut made: Made,
        in_doubt: bool,
    ) -> Result<Made, PlatformError> {
        match STEPS.get(made.steps).copied() {
            Some("create") => {
                let path = match self.lost(in_doubt, lane, new).await? {
                    Some(path) => path,
                    None => self.create(lane, new).await?,
                };
                made.campaign = Some(path.to_string());
            }
            Some("pause") => {
                let native = NativeId::new(made.campaign.clone().unwrap_or_default());
                match self.stop_campaign(lane, &native).await {
                    // It was created paused, if its state does not allow a pause.
                    Err(error) if error.kind != PlatformErrorKind::State => {
                        return Err(PlatformError {
                            operation: Operation::CampaignCreate,
                            ..error
                        });
                    }
                    _ => {}
                }
            }
            _ => return Ok(made),
        }
        made.steps += 1;
        Ok(made)
    }

    pub async fn unmake(&self, lane: Lane, made: &Made) -> Result<(), PlatformError> {
        let Some(campaign) = &made.campaign else { return Ok(()) };
        let native = NativeId::new(campaign.clone());
        // One that was made and never paused would refuse to be deleted.
        match self.stop_campaign(lane, &native).await {
            Err(error) if error.kind == PlatformErrorKind::NotFound => Ok(()),
            Err(error) if error.kind != PlatformErrorKind::State => Err(error),
            _ => self.delete_campaign(lane, &native).await,
        }
    }

    /// The platform lists no contacts, and counts them once in five minutes (reference 4.5). So each
    /// contact in doubt is deleted by its reference, which nobody else has: whether it was there or
    /// not, it is not there now. The campaign is paused, so none of them is being called.
    pub async fn settle_contacts(
        &self,
        lane: Lane,
        native: &NativeId,
        contacts: &[Contact],
    ) -> Result<Vec<Presence>, PlatformError> {
        for contact in contacts {
            let reference = contact.reference.as_deref().unwrap_or_default();
            let name = ContactName { native: None, reference };
            match self.delete_contact(lane, native, name).await {
                // "Parameter error": no such record, in the words of a platform that has no code for
                // it (4.3). Adding it anew is right then; if it is there after all, adding fails.
                Err(error)
                    if !matches!(
                        error.kind,
                        PlatformErrorKind::NotFound | PlatformErrorKind::Invalid
                    ) =>
                {
                    return Err(error);
                }
                _ => {}
            }
        }
        Ok(vec![Presence::Absent; contacts.len()])
    }

    pub async fn delete_contact(
        &self,
        lane: Lane,
        native: &NativeId,
        contact: ContactName<'_>,
    ) -> Result<(), PlatformError> {
        let operation = Operation::ContactDelete;
        let path =
            format!("{}/delete", self.campaign_path(operation, native)?.url("v1", "/calldata"));
        let body = Bytes::from(json!({ "sessionId": contact.reference }).to_string());
        self.write(operation, lane, "POST", &path, body).await.map(drop)
    }

    async fn create(&self, lane: Lane, new: &NewCampaign) -> Result<CampaignPath, PlatformError> {
        let operation = Operation::CampaignCreate;
        let vdn = self.vdn_for(new.vdn)?;
        let definition = complete(new, self.creation_defaults(), |definition| {
            let context = self.context();
            let stopped = &CampaignStatus::Stopped;
            let wire = convert::campaign_from_domain(definition, stopped, context).value;
            wire.skill_param.is_some() || wire.ivr_param.is_some()
        })?;
        let context = self.context();
        let mut document =
            convert::campaign_from_domain(&definition, &CampaignStatus::Stopped, context).value;
        if matches!(document.caller_no, wire::CallerNo::Absent)
            && let Some(number) = &self.creation_defaults().caller_number
        {
            document.caller_no = wire::CallerNo::One(number.clone());
        }
        let body = requests::create_body(operation, document)?;
        let path = requests::vdn_path("v2", vdn);
        let answer = self.write(operation, lane, "POST", &path, body).await?;
        let (made, _) = answer.object::<wire::Campaign>()?;
        let id = made.id.ok_or_else(|| {
            let detail = "success without the new campaign's id";
            PlatformError::malformed(operation, Access::Write, detail)
        })?;
        Ok(CampaignPath { vdn, id: id.to_string() })
    }

    /// The campaign that a request made whose answer was lost.
    async fn lost(
        &self,
        in_doubt: bool,
        lane: Lane,
        new: &NewCampaign,
    ) -> Result<Option<CampaignPath>, PlatformError> {
        if !in_doubt {
            return Ok(None);
        }
        let sent = convert::name_as_sent(&new.definition.name);
        let mut cursor: Option<String> = None;
        loop {
            let page = self.list_campaigns(lane, cursor.as_deref()).await?;
            let mut found = page.campaigns.iter().filter(|known| {
                known.definition.name == sent && known.status != CampaignStatus::Ended
            });
            if let Some(known) = found.next() {
                return Ok(CampaignPath::parse(&known.native));
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(None);
            }
        }
    }

    fn vdn_for(&self, wanted: Option<VdnId>) -> Result<VdnId, PlatformError> {
        let vdn = match wanted {
            Some(vdn) => self.owns(vdn).then_some(vdn),
            None => self.first_vdn(),
        };
        vdn.ok_or_else(|| {
            let detail = "the account does not own this VDN";
            PlatformError::new(Operation::CampaignCreate, PlatformErrorKind::Forbidden, detail)
        })
    }
}

/// The definition with what the operator says where the client's platform says nothing.
///
/// # Errors
/// Everything that nobody says, at once.
fn complete(
    new: &NewCampaign,
    defaults: &CreationDefaults,
    is_answered: impl Fn(&CampaignDefinition) -> bool,
) -> Result<CampaignDefinition, PlatformError> {
    let mut definition = new.definition.clone();
    let mut missing = Vec::new();
    fill_window(&mut definition.window, new, defaults, &mut missing)?;
    if definition.caller_numbers.is_empty() && defaults.caller_number.is_none() {
        missing.push("a caller number, or accounts.creation.caller_number");
    }
    if definition.ring_timeout_ms.is_absent() {
        let seconds = defaults.ring_timeout_s.unwrap_or(RING_TIMEOUT_S);
        definition.ring_timeout_ms = Rule::Stated(seconds * 1000);
    }
    if !is_answered(&definition) {
        missing.push(match definition.answering {
            Answering::Agents { .. } => "bindings.agent_groups for the campaign's queue",
            Answering::Script { .. } | Answering::Nothing => {
                "a queue, or bindings.scripts for the campaign's actions"
            }
        });
    }
    if missing.is_empty() {
        return Ok(definition);
    }
    let detail = format!("the home needs what nobody says: {}", missing.join("; "));
    Err(PlatformError::new(Operation::CampaignCreate, PlatformErrorKind::Unconfigured, detail))
}

/// Begin, end and hours where the client's platform has no words for them.
///
/// # Errors
/// When the begin cannot be understood: nothing can be reckoned from it.
fn fill_window(
    window: &mut CallingWindow,
    new: &NewCampaign,
    defaults: &CreationDefaults,
    missing: &mut Vec<&'static str>,
) -> Result<(), PlatformError> {
    let begin = match window.begin.read() {
        Ok(Some(begin)) => *begin,
        Ok(None) => new.decided_at.to_zoned(TimeZone::UTC).datetime(),
        Err(why) => {
            let (operation, kind) = (Operation::CampaignCreate, PlatformErrorKind::Invalid);
            let detail = format!("the campaign's begin cannot be understood: {why}");
            return Err(PlatformError::new(operation, kind, detail));
        }
    };
    window.begin = Rule::Stated(begin);
    if window.end.is_absent() {
        match defaults.span_days.and_then(|days| begin.checked_add(days.days()).ok()) {
            Some(end) => window.end = Rule::Stated(end),
            None => missing.push("accounts.creation.span_days"),
        }
    }
    if window.workday.is_absent() {
        if defaults.workday.is_empty() {
            missing.push("accounts.creation.workday");
        } else {
            window.workday = Rule::Stated(defaults.workday.clone());
        }
        if !defaults.special_day.is_empty() {
            window.special_day = Rule::Stated(defaults.special_day.clone());
        }
    }
    Ok(())
}
