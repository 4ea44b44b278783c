//! Making a campaign on CC-iSales. Names are unique there, so a campaign whose answer was lost is
//! found by its name; and it is paused before it has a contact, so that nothing is dialled early.

use bytes::Bytes;
use jiff::ToSpan;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::json;

use super::client::Client;
use super::requests::{self, CampaignPath};
use super::{convert, refusal, wire};
use crate::domain::campaign::{Answering, CampaignDefinition, CampaignStatus};
use crate::domain::contact::Contact;
use crate::domain::ids::{NativeId, VdnId};
use crate::domain::json;
use crate::domain::policy::{CallingWindow, Rule};
use crate::platforms::{
    ContactName, CreationDefaults, Made, NewCampaign, Operation, PlatformError, PlatformErrorKind,
    Presence, Released,
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
        let path = self.campaign_path(Operation::ContactDelete, native)?;
        for contact in contacts {
            let record = RecordName::of(contact.reference.as_deref().unwrap_or_default());
            match self.delete_record(lane, &path, &record).await {
                // There is no such record: nobody dials this campaign yet. Adding it anew is right then;
                // if it is there after all, adding fails.
                Err(error) if !refusal::is_unnamed(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(vec![Presence::Absent; contacts.len()])
    }

    /// A record is deleted by what it says of itself; its id deletes nothing (4.3).
    pub async fn delete_contact(
        &self,
        lane: Lane,
        native: &NativeId,
        contact: ContactName<'_>,
    ) -> Result<Released, PlatformError> {
        let path = self.campaign_path(Operation::ContactDelete, native)?;
        let record = self.record_name(lane, &path, contact).await?;
        match self.delete_record(lane, &path, &record).await {
            Ok(()) => Ok(Released::Gone),
            Err(error) if !refusal::is_unnamed(&error) => Err(error),
            Err(_) if record.is_missing => Ok(Released::Gone),
            Err(_) if self.has_result(lane, &path, &record).await? => Ok(Released::Done),
            // One without an id may also never have come; nobody tells that from one that is called.
            Err(_) => Ok(Released::NotYet),
        }
    }

    async fn delete_record(
        &self,
        lane: Lane,
        path: &CampaignPath,
        RecordName { session, called, .. }: &RecordName,
    ) -> Result<(), PlatformError> {
        let mut body = json!({ "sessionId": session });
        if let Some(called) = called.first() {
            body["called"] = json!(called);
        }
        let url = format!("{}/delete", path.url("v1", "/calldata"));
        let body = Bytes::from(body.to_string());
        self.write(Operation::ContactDelete, lane, "POST", &url, body).await.map(drop)
    }

    /// A record has a final result (5.1) when no number of it is called any more.
    async fn has_result(
        &self,
        lane: Lane,
        path: &CampaignPath,
        RecordName { session, called, .. }: &RecordName,
    ) -> Result<bool, PlatformError> {
        let body = json!({ "sessionId": session, "showDetail": 0 });
        let answer = self.ask_results(lane, path, Bytes::from(body.to_string())).await?;
        let is_of_it = |raw: &Bytes| {
            let row = std::str::from_utf8(raw).ok().and_then(json::read::<wire::ResultRow>);
            row.and_then(|row| row.called).is_some_and(|number| called.contains(&number))
        };
        Ok(answer.rows()?.iter().any(|row| called.is_empty() || is_of_it(row)))
    }

    /// What names a record. One that was added for a client of another platform has a `sessionId` that is
    /// nobody else's; the platform's own clients give one to several records of a person, who are told apart
    /// by their numbers then.
    async fn record_name(
        &self,
        lane: Lane,
        path: &CampaignPath,
        contact: ContactName<'_>,
    ) -> Result<RecordName, PlatformError> {
        let own = || RecordName::of(contact.reference);
        let is_plain =
            |id: &&NativeId| id.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric());
        let Some(id) = contact.native.filter(is_plain) else { return Ok(own()) };
        let operation = Operation::ContactDetail;
        let url = format!("{}/{id}", path.url("v1", "/calldata"));
        let record = match self.get(operation, lane, &url, None).await {
            Ok(answer) => answer.data::<Record>(),
            Err(error) if refusal::is_unnamed(&error) => {
                return Ok(RecordName { is_missing: true, ..own() });
            }
            Err(error) => return Err(error),
        };
        let Some(record) = record else { return Ok(own()) };
        match record.session() {
            Some(session) if session == contact.reference => Ok(own()),
            Some(session) => {
                let called = record.numbers.into_iter().map(|number| number.called_no).collect();
                Ok(RecordName { session, called, is_missing: false })
            }
            None => {
                let detail = "the platform deletes no single contact without a sessionId";
                Err(PlatformError::new(operation, PlatformErrorKind::Unsupported, detail))
            }
        }
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

/// What names one record among those of its campaign.
struct RecordName {
    session: String,
    /// Empty where the session alone does.
    called: Vec<String>,
    /// The platform knows its id no more.
    is_missing: bool,
}

impl RecordName {
    /// Of one that was added under this reference.
    fn of(reference: &str) -> Self {
        Self { session: reference.to_owned(), called: Vec::new(), is_missing: false }
    }
}

/// A record as the platform tells it (4.4).
#[derive(Deserialize)]
struct Record {
    #[serde(default)]
    properties: Vec<Property>,
    #[serde(rename = "calledNos", default)]
    numbers: Vec<wire::CalledNo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Property {
    prop_code: String,
    #[serde(default, deserialize_with = "wire::opt_text")]
    prop_value: Option<String>,
}

impl Record {
    fn session(&self) -> Option<String> {
        let session = self.properties.iter().find(|property| property.prop_code == "sessionId")?;
        session.prop_value.clone().filter(|text| !text.is_empty())
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
