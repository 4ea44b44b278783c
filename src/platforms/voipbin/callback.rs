//! What VoIPBin pushes: one event per webhook, `{"type": …, "data": {the object of the API}}`
//! (reference 10). There is no event for the end of a call: it is `campaigncall_updated` with
//! `status` done.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::auth::{Reading, SECRET_READ_PAUSE};
use super::client::Client;
use super::convert;
use super::wire::{Call, Campaigncall, Identified, NIL_UUID, is_unset};
use crate::domain::call::CallResult;
use crate::domain::ids::{CampaignPart, NativeId};
use crate::domain::json::{self, Members};
use crate::domain::verbatim::Document;
use crate::platforms::notice::Notice;
use crate::platforms::{
    ConvertContext, FetchedAttempt, Operation, PlatformError, PlatformErrorKind, Push, PushAddress,
    PushError, Pushed, PushedRow, PushedTo,
};
use crate::signing::webhook;
use crate::transport::pacing::Lane;

pub const PROOF_HEADER: &str = webhook::SIGNATURE_HEADER;

/// An event that concerns the gateway.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Created, updated, deleted, or its status changed: nothing but its id is believed.
    Campaign(String),
    /// Created or updated; the attempt is over when its status is `done`.
    Campaigncall(Box<Campaigncall>),
    /// A call has ended; it need not be a campaign's.
    CallEnded(Box<Call>),
    /// Any other event, genuine and none of our business.
    Other,
}

/// A genuine webhook whose body is not an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a webhook whose body is not {{type, data}} or whose data does not fit its type")]
pub struct Unreadable;

/// What a webhook says, which was verified before, and the bytes of its `data`.
///
/// # Errors
/// When the body is no event, or the data of a campaign or of a call is no object.
pub fn parse(body: &str) -> Result<(Event, &RawValue), Unreadable> {
    let members: Members<'_> = serde_json::from_str(body).map_err(|_| Unreadable)?;
    let kind = members.get("type").and_then(|kind| serde_json::from_str::<String>(kind.get()).ok());
    let (kind, data) = kind.zip(members.get("data")).ok_or(Unreadable)?;
    let event = match kind.as_str() {
        "campaign_created"
        | "campaign_updated"
        | "campaign_deleted"
        | "campaign_status_run"
        | "campaign_status_stopping"
        | "campaign_status_stop" => {
            json::read(data.get()).map(|Identified { id }| Event::Campaign(id))
        }
        "campaigncall_created" | "campaigncall_updated" => {
            json::read(data.get()).map(Event::Campaigncall)
        }
        "call_hangup" => json::read(data.get()).map(Event::CallEnded),
        _ => Some(Event::Other),
    };
    Ok((event.ok_or(Unreadable)?, data))
}

/// `webhook_secret` is in the customer that the platform answers, but not in its OpenAPI file
/// (reference 10.2).
#[derive(Deserialize)]
struct Customer {
    #[serde(default)]
    webhook_secret: Option<String>,
}

/// What a PUT of the customer takes: full replacement, so all of it is read first (reference 10.2).
#[derive(Serialize, Deserialize)]
struct CustomerSettings {
    #[serde(default)]
    name: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    phone_number: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    webhook_method: String,
    #[serde(default)]
    webhook_uri: String,
}

/// The method of webhooks that reach us.
const PUSHED_BY: &str = "POST";

impl Client {
    /// Proves a webhook. With a configured secret no other counts; else the platform's own is read
    /// once, and again when a signature does not fit, for it may have been changed.
    ///
    /// # Errors
    /// `NotGenuine` when the signature does not fit a secret that was read after the push had come;
    /// `Unproved` when the platform does not tell the secret, `TooSoon` when it was read too short a
    /// time before the push to be read again.
    pub async fn prove_push(&self, push: Push<'_>) -> Result<(), PushError> {
        let is_proved = match push.proof {
            Some(signature) => self.check_signature(signature, push).await?,
            None => self.check_address(push).await?,
        };
        if is_proved { Ok(()) } else { Err(PushError::NotGenuine) }
    }

    /// What a webhook is about that was proved.
    pub fn read_push(body: &str) -> Pushed {
        let event = parse(body).map(|(event, _)| event);
        match event.or_else(|_| parse(&json::mended(body)).map(|(event, _)| event)) {
            Ok(Event::Campaign(id)) => match Uuid::try_parse(&id) {
                Ok(id) => Pushed::Campaign(NativeId::new(id.to_string())),
                Err(_) => Pushed::Unreadable("it names no campaign"),
            },
            Ok(Event::Campaigncall(_) | Event::CallEnded(_)) => Pushed::Results,
            Ok(Event::Other) => Pushed::Other,
            Err(Unreadable) => Pushed::Unreadable("it is no event"),
        }
    }

    async fn check_signature(&self, signature: &str, push: Push<'_>) -> Result<bool, PushError> {
        let came_at = self.connection().endpoint().clock().now();
        let keeper = self.webhook_secret();
        let fits = |secret: &SecretString| webhook::verify(secret, signature, push.body);
        if let Some(configured) = &keeper.configured {
            return Ok(fits(configured));
        }
        if keeper.known().as_ref().is_some_and(fits) {
            return Ok(true);
        }
        self.is_proved_by_secret(came_at, |secret| secret.is_some_and(fits)).await
    }

    /// A customer without a secret signs nothing (reference 10.2): then the token in the address
    /// proves a webhook.
    async fn check_address(&self, push: Push<'_>) -> Result<bool, PushError> {
        let came_at = self.connection().endpoint().clock().now();
        let token = push.token.and_then(|token| self.callbacks().verify(token));
        if token != Some(PushedTo::Account) || self.webhook_secret().configured.is_some() {
            return Ok(false);
        }
        self.is_proved_by_secret(came_at, |secret| secret.is_none()).await
    }

    /// Where the customer's events are pushed to.
    pub async fn push_address(&self, lane: Lane) -> Result<Option<PushAddress>, PlatformError> {
        let CustomerSettings { webhook_uri: url, webhook_method: method, .. } =
            self.customer(lane).await?;
        Ok((!url.is_empty()).then_some(PushAddress { url, method }))
    }

    pub async fn set_push_address(
        &self,
        lane: Lane,
        address: Option<&str>,
    ) -> Result<(), PlatformError> {
        let operation = Operation::AccountModify;
        let settings = CustomerSettings {
            webhook_uri: address.unwrap_or_default().to_owned(),
            webhook_method: PUSHED_BY.to_owned(),
            ..self.customer(lane).await?
        };
        let body = serde_json::to_value(&settings).map_err(|_| {
            let detail = "a customer cannot be written";
            PlatformError::new(operation, PlatformErrorKind::Malformed, detail)
        })?;
        let _: serde_json::Value = self.write(operation, lane, "PUT", "/customer", &body).await?;
        Ok(())
    }

    /// The account's customer, as far as `T` wants it.
    async fn customer<T: DeserializeOwned>(&self, lane: Lane) -> Result<T, PlatformError> {
        let operation = Operation::AccountDetail;
        let customer = self.get(operation, lane, "/customer", None).await?;
        serde_json::from_slice(&customer).map_err(|_| {
            let detail = "the customer cannot be read";
            PlatformError::new(operation, PlatformErrorKind::Malformed, detail)
        })
    }

    /// The attempt of a webhook that was verified when it was received; None when it holds none.
    pub fn read_results(&self, body: &str) -> Option<Vec<PushedRow>> {
        let read = |body: &str| Some(vec![self.pushed(parse(body).ok()?)?]);
        read(body).or_else(|| read(&json::mended(body)))
    }

    fn pushed(&self, (event, data): (Event, &RawValue)) -> Option<PushedRow> {
        let raw = Bytes::copy_from_slice(data.get().as_bytes());
        let call = match event {
            Event::Campaigncall(call) => call,
            Event::CallEnded(call) if is_unset(&call.id) => {
                return Some(PushedRow::Unusable { reason: "it names no call", raw });
            }
            Event::CallEnded(call) => {
                return Some(PushedRow::Call { call: NativeId::new(call.id), raw });
            }
            Event::Campaign(_) | Event::Other => return None,
        };
        let (Ok(campaign), false) = (Uuid::try_parse(&call.campaign_id), is_unset(&call.id)) else {
            return Some(PushedRow::Unusable { reason: "it names no campaign", raw });
        };
        let target = Some(&call.outdial_target_id).filter(|id| !is_unset(id));
        let attempt = FetchedAttempt {
            attempt: convert::call_to_domain(&call, None, self.context()).value,
            contact: target.map(|id| NativeId::new(id.clone())),
            call: convert::call_behind(&call),
            native: NativeId::new(call.id.clone()),
            raw,
        };
        let campaign = NativeId::new(campaign.to_string());
        Some(PushedRow::Result { campaign, attempt: Box::new(attempt) })
    }

    /// Whether a push of `came_at` is proved by the secret that the platform has, None being that the
    /// customer has none. The platform is asked at most once in [`SECRET_READ_PAUSE`], whatever comes;
    /// what it said before the push came proves, but it refutes nothing.
    ///
    /// # Errors
    /// `Unproved` when the platform does not tell it, `TooSoon` when it is not asked again yet.
    async fn is_proved_by_secret(
        &self,
        came_at: Timestamp,
        proves: impl Fn(Option<&SecretString>) -> bool,
    ) -> Result<bool, PushError> {
        let keeper = self.webhook_secret();
        let mut reading = keeper.reading.lock().await;
        let now = self.connection().endpoint().clock().now();
        if let Some(last) = *reading {
            let again_at = last.at + SECRET_READ_PAUSE;
            let was_read_since = last.answered && last.at >= came_at;
            let is_recent = now < again_at;
            // It may have been read while this one waited.
            if last.answered && (was_read_since || is_recent) {
                let is_proved = proves(keeper.known().as_ref());
                if is_proved || was_read_since {
                    return Ok(is_proved);
                }
            }
            if is_recent {
                let again_in = Duration::try_from(again_at.duration_since(now));
                return Err(PushError::TooSoon { again_in: again_in.unwrap_or(SECRET_READ_PAUSE) });
            }
        }
        *reading = Some(Reading { at: now, answered: false });
        let customer: Result<Customer, _> = self.customer(Lane::FacadeRead).await;
        let customer = customer.map_err(|error| PushError::Unproved(Box::new(error)))?;
        // Without one, nothing is signed.
        let secret = customer.webhook_secret.filter(|secret| !secret.is_empty());
        let secret = secret.map(SecretString::from);
        keeper.keep(secret.clone());
        *reading = Some(Reading { at: now, answered: true });
        Ok(proves(secret.as_ref()))
    }
}

/// The push about an attempt: `campaigncall_created` when it is told for the first time and the
/// call is under way, else `campaigncall_updated`, by which an end is told too (reference 10.1).
pub fn push_of(notice: &Notice<'_>, own: Option<&str>, ctx: &ConvertContext) -> Option<Vec<u8>> {
    let is_over = notice.attempt.result != CallResult::InProgress;
    let kind = if notice.revision == 1 && !is_over {
        "campaigncall_created"
    } else {
        "campaigncall_updated"
    };
    if let Some(data) = own.and_then(|own| own_data(own, notice).ok()) {
        return Some(format!(r#"{{"type":"{kind}","data":{data}}}"#).into_bytes());
    }
    let mut call = convert::call_from_domain(notice.attempt, ctx).value;
    call.id = notice.attempt_id.to_string();
    call.campaign_id = notice.campaign.to_string();
    NIL_UUID.clone_into(&mut call.customer_id);
    let part = |part: CampaignPart| {
        notice.named_part(part).unwrap_or_else(|| part.public_id(notice.campaign)).to_string()
    };
    call.outplan_id = part(CampaignPart::DialingRules);
    call.outdial_id = part(CampaignPart::ContactList);
    if let Some(queue) = notice.named_part(CampaignPart::AgentGroup) {
        call.queue_id = queue.to_string();
    }
    call.outdial_target_id = notice.contact.unwrap_or_default().to_string();
    call.destination_index = convert::destination_index(notice.place());
    call.reference_id = notice.attempt_id.to_string();
    call.tm_create = Some(notice.list_at.to_string());
    serde_json::to_vec(&serde_json::json!({"type": kind, "data": call})).ok()
}

/// A campaigncall as the platform sent it, under its public ids.
fn own_data<'a>(own: &'a str, notice: &Notice<'_>) -> Result<Cow<'a, str>, serde_json::Error> {
    let mut document = Document::parse(own.as_bytes())?;
    let mut is_renamed = document.rename("id", &notice.attempt_id.to_string())?;
    is_renamed |= document.rename("campaign_id", &notice.campaign.to_string())?;
    if let Some(contact) = notice.contact {
        is_renamed |= document.rename("outdial_target_id", &contact.to_string())?;
    }
    if is_renamed {
        serde_json::to_string(&document).map(Cow::Owned)
    } else {
        Ok(Cow::Borrowed(own))
    }
}

/// The header that proves a webhook.
pub fn proof(secret: &SecretString, body: &[u8]) -> (&'static str, String) {
    (PROOF_HEADER, webhook::sign(secret, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(body: &str) -> Result<Event, Unreadable> {
        parse(body).map(|(event, _)| event)
    }

    #[test]
    fn events_are_told_apart() {
        let campaign = r#"{"type":"campaign_status_run","data":{"id":"a","status":"run"}}"#;
        assert_eq!(parsed(campaign), Ok(Event::Campaign("a".to_owned())));
        let call = r#"{"type":"campaigncall_updated","data":{"id":"b","status":"done"}}"#;
        assert!(matches!(parsed(call), Ok(Event::Campaigncall(c)) if c.status == "done"));
        let deleted = r#"{"data":{"id":"a"},"type":"campaign_deleted"}"#;
        assert_eq!(parsed(deleted), Ok(Event::Campaign("a".to_owned())));
        let ended = r#"{"type":"call_hangup","data":{"id":"c","hangup_reason":"busy"}}"#;
        assert!(matches!(parsed(ended), Ok(Event::CallEnded(c)) if c.hangup_reason == "busy"));
        assert_eq!(parsed(r#"{"type":"call_ringing","data":7}"#), Ok(Event::Other));
    }

    #[test]
    fn one_odd_member_costs_itself() {
        for odd in [r#""name":"\ud83d""#, r#""tm_create":7"#, r#""status":"x","status":"done""#] {
            let body = format!(
                r#"{{"type":"campaigncall_updated","data":{{"id":"b","status":"done",{odd}}}}}"#
            );
            let Ok(Event::Campaigncall(call)) = parsed(&body) else { panic!("{odd}") };
            assert_eq!((&*call.id, &*call.status), ("b", "done"), "{odd}");
        }
        let campaign = r#"{"type":"campaign_updated","data":{"id":"a","service_level":"high"}}"#;
        assert_eq!(parsed(campaign), Ok(Event::Campaign("a".to_owned())));
    }

    #[test]
    fn what_is_no_event_is_an_error_and_not_a_panic() {
        for body in ["", "[]", "{}", r#"{"type":"campaign_updated"}"#, r#"{"type":7,"data":{}}"#] {
            assert!(parsed(body).is_err(), "{body}");
        }
        assert!(parsed(r#"{"type":"campaign_updated","data":[]}"#).is_err());
    }
}
