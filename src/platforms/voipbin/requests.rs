//! What is sent to VoIPBin: addresses and bodies, complete ones, for a missing member would be blanked.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::wire;
use crate::domain::ids::NativeId;
use crate::platforms::{Operation, PlatformError, PlatformErrorKind};

/// What stays as it is in a path segment or a query value.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The three requests of which a campaign's editable members are made up, each with its body.
pub fn campaign_parts(campaign: &wire::Campaign) -> [(&'static str, Value); 3] {
    [
        (
            "",
            json!({
                "name": campaign.name, "detail": campaign.detail, "type": campaign.kind,
                "service_level": campaign.service_level, "end_handle": campaign.end_handle,
            }),
        ),
        ("/actions", json!({ "actions": campaign.actions })),
        (
            "/resource_info",
            json!({
                "outplan_id": campaign.outplan_id, "outdial_id": campaign.outdial_id,
                "queue_id": campaign.queue_id, "next_campaign_id": campaign.next_campaign_id,
            }),
        ),
    ]
}

/// Adds the eight members of `dial_info` (5.2), all of them: a missing one becomes 0.
pub fn with_dial_info(mut body: Value, outplan: &wire::Outplan) -> Value {
    let dial_info = json!({
        "source": outplan.source, "dial_timeout": outplan.dial_timeout,
        "try_interval": outplan.try_interval, "max_try_count_0": outplan.max_try_count_0,
        "max_try_count_1": outplan.max_try_count_1, "max_try_count_2": outplan.max_try_count_2,
        "max_try_count_3": outplan.max_try_count_3, "max_try_count_4": outplan.max_try_count_4,
    });
    if let (Value::Object(body), Value::Object(dial_info)) = (&mut body, dial_info) {
        body.extend(dial_info);
    }
    body
}

/// What creates a target (7.2): name, detail and data must not be empty, and slots that are not
/// used are left out, for an empty `{}` would be dialled (9.4).
pub fn target_body(target: &wire::Target) -> Value {
    let mut body = json!({
        "name": not_empty(&target.name, "contact"), "detail": not_empty(&target.detail, "-"),
        "data": not_empty(&target.data, "-"),
    });
    for (index, destination) in destinations(target).into_iter().enumerate() {
        if let Some(destination) = destination {
            body[format!("destination_{index}")] = json!(destination);
        }
    }
    body
}

fn destinations(target: &wire::Target) -> [Option<&wire::Address>; 5] {
    [
        &target.destination_0,
        &target.destination_1,
        &target.destination_2,
        &target.destination_3,
        &target.destination_4,
    ]
    .map(|address| address.as_ref().filter(|address| !address.target.is_empty()))
}

pub fn has_destination(target: &wire::Target) -> bool {
    destinations(target).iter().any(Option::is_some)
}

pub fn not_empty<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

/// The path of a campaign or of something below it. What is no UUID names no campaign, and is not
/// sent: the platform would call the request wrong instead.
pub fn campaign_path(
    operation: Operation,
    native: &NativeId,
    below: &str,
) -> Result<String, PlatformError> {
    match Uuid::try_parse(native.as_str()) {
        Ok(uuid) if !uuid.is_nil() => Ok(format!("/campaigns/{uuid}{below}")),
        _ => {
            let detail = "the native id is not a UUID";
            Err(PlatformError::new(operation, PlatformErrorKind::NotFound, detail))
        }
    }
}

pub fn segment(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, KEPT)
}
