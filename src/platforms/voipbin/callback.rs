//! What VoIPBin pushes: one event per webhook, `{"type": …, "data": {the object of the API}}`
//! (reference 10). There is no event for the end of a call: it is `campaigncall_updated` with
//! `status` done.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::auth::VerifiedWebhook;
use super::wire::{Campaign, Campaigncall};

/// An event that concerns the gateway.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Created, updated, or its status changed.
    Campaign(Box<Campaign>),
    CampaignDeleted(Box<Campaign>),
    /// Created or updated; the attempt is over when its status is `done`.
    Campaigncall(Box<Campaigncall>),
    /// Any other event, genuine and none of our business.
    Other,
}

/// A genuine webhook whose body is not an event.
#[derive(Debug, thiserror::Error)]
#[error("a webhook whose body is not {{type, data}} or whose data does not fit its type")]
pub struct Unreadable(#[source] serde_json::Error);

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// # Errors
/// When the body is no event, or a campaign's or campaigncall's data cannot be read.
pub fn parse(webhook: VerifiedWebhook<'_>) -> Result<Event, Unreadable> {
    let Envelope { kind, data } = serde_json::from_slice(webhook.bytes()).map_err(Unreadable)?;
    let campaign = || serde_json::from_str::<Box<Campaign>>(data.get()).map_err(Unreadable);
    Ok(match kind.as_str() {
        "campaign_deleted" => Event::CampaignDeleted(campaign()?),
        "campaign_created"
        | "campaign_updated"
        | "campaign_status_run"
        | "campaign_status_stopping"
        | "campaign_status_stop" => Event::Campaign(campaign()?),
        "campaigncall_created" | "campaigncall_updated" => {
            Event::Campaigncall(serde_json::from_str(data.get()).map_err(Unreadable)?)
        }
        _ => Event::Other,
    })
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::platforms::voipbin::auth::verify_webhook;
    use crate::signing::webhook;

    fn parsed(body: &str) -> Result<Event, Unreadable> {
        let secret = SecretString::from("example-secret");
        let signature = webhook::sign(&secret, body.as_bytes());
        assert!(verify_webhook(&SecretString::from("x"), &signature, body.as_bytes()).is_none());
        parse(verify_webhook(&secret, &signature, body.as_bytes()).unwrap())
    }

    #[test]
    fn events_are_told_apart() {
        let campaign = r#"{"type":"campaign_status_run","data":{"id":"a","status":"run"}}"#;
        assert!(matches!(parsed(campaign), Ok(Event::Campaign(c)) if c.status == "run"));
        let call = r#"{"type":"campaigncall_updated","data":{"id":"b","status":"done"}}"#;
        assert!(matches!(parsed(call), Ok(Event::Campaigncall(c)) if c.status == "done"));
        let deleted = r#"{"data":{"id":"a"},"type":"campaign_deleted"}"#;
        assert!(matches!(parsed(deleted), Ok(Event::CampaignDeleted(c)) if c.id == "a"));
        assert_eq!(parsed(r#"{"type":"call_hangup","data":7}"#).unwrap(), Event::Other);
    }

    #[test]
    fn what_is_no_event_is_an_error_and_not_a_panic() {
        for body in ["", "[]", "{}", r#"{"type":"campaign_updated"}"#, r#"{"type":7,"data":{}}"#] {
            assert!(parsed(body).is_err(), "{body}");
        }
        assert!(parsed(r#"{"type":"campaign_updated","data":[]}"#).is_err());
    }
}
