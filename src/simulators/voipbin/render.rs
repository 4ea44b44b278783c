//! Objects as they go on the wire, in the platform's key order, in one of two profiles (VB 0.1).

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Profile;
use super::world::{
    Action, Address, Call, Campaign, Campaigncall, Customer, Outdial, Outplan, Queue, Status,
    Target, Times,
};

/// What "never" was until 2026-02.
const SENTINEL: &str = "9999-01-01 00:00:00.000000";
const SEED_FORMAT: &str = "%Y-%m-%d %H:%M:%S%.6f";
const TOKEN_FORMAT: &str = "%Y-%m-%dT%H:%M:%S%.6fZ";

/// How to show objects.
#[derive(Debug, Clone, Copy)]
pub struct View {
    pub profile: Profile,
    /// The platform's time of day is this much ahead.
    pub skew: SignedDuration,
}

impl View {
    pub fn campaign(self, row: &Campaign) -> Value {
        let mut object = json!({
            "id": row.id,
            "customer_id": row.customer_id,
            "type": row.kind,
            "name": row.name,
            "detail": row.detail,
            "status": row.status.word(),
            "service_level": row.service_level,
            "end_handle": row.end_handle,
            "actions": row.actions.iter().map(|action| self.action(action)).collect::<Value>(),
            "outplan_id": row.refs.outplan_id,
            "outdial_id": row.refs.outdial_id,
            "queue_id": row.refs.queue_id,
            "next_campaign_id": row.refs.next_campaign_id,
        });
        self.add_times(&mut object, row.times);
        object
    }

    pub fn campaigncall(self, row: &Campaigncall) -> Value {
        let mut object = json!({
            "id": row.id,
            "customer_id": row.customer_id,
            "campaign_id": row.campaign_id,
            "outplan_id": row.refs.outplan_id,
            "outdial_id": row.refs.outdial_id,
            "outdial_target_id": row.outdial_target_id,
            "queue_id": row.refs.queue_id,
            "activeflow_id": row.activeflow_id,
            "flow_id": row.flow_id,
            "reference_type": row.reference_type,
            "reference_id": row.reference_id,
            "status": row.status,
            "result": row.result,
            "source": self.optional_address(row.source.as_ref()),
            "destination": self.optional_address(row.destination.as_ref()),
            "destination_index": row.destination_index,
            "try_count": row.try_count,
        });
        self.add_times(&mut object, row.times);
        object
    }

    pub fn outplan(self, row: &Outplan) -> Value {
        let mut object = json!({
            "id": row.id,
            "customer_id": row.customer_id,
            "name": row.name,
            "detail": row.detail,
            "source": self.optional_address(row.dial.source.as_ref()),
            "dial_timeout": row.dial.dial_timeout_ms,
            "try_interval": row.dial.try_interval_ms,
        });
        for (index, count) in row.dial.max_try_counts.iter().enumerate() {
            object[format!("max_try_count_{index}")] = json!(count);
        }
        self.add_times(&mut object, row.times);
        object
    }

    pub fn outdial(self, row: &Outdial) -> Value {
        let mut object = json!({
            "id": row.id,
            "customer_id": row.customer_id,
            "campaign_id": row.campaign_id,
            "name": row.name,
            "detail": row.detail,
            "data": row.data,
        });
        self.add_times(&mut object, row.times);
        object
    }

    pub fn target(self, row: &Target) -> Value {
        let mut object = json!({
            "id": row.id,
            "outdial_id": row.outdial_id,
            "name": row.name,
            "detail": row.detail,
            "data": row.data,
            "status": row.status,
        });
        for (index, destination) in row.destinations.iter().enumerate() {
            object[format!("destination_{index}")] = self.optional_address(destination.as_ref());
        }
        for (index, count) in row.try_counts.iter().enumerate() {
            object[format!("try_count_{index}")] = json!(count);
        }
        self.add_times(&mut object, row.times);
        object
    }

    pub fn queue(self, row: &Queue) -> Value {
        let mut object = json!({"id": row.id, "customer_id": row.customer_id});
        for (key, text) in [("name", &row.name), ("detail", &row.detail)] {
            if !text.is_empty() {
                object[key] = json!(text);
            }
        }
        // Ids are never left out (reference 8).
        object["wait_flow_id"] = json!(Uuid::nil());
        self.add_times(&mut object, row.times);
        object
    }

    pub fn customer(self, row: &Customer) -> Value {
        let mut object = json!({
            "id": row.id,
            "name": row.name,
            "detail": row.detail,
            "email": row.email,
            "phone_number": row.phone_number,
            "address": row.address,
            "webhook_method": row.webhook_method,
            "webhook_uri": row.webhook_uri,
            "webhook_secret": row.webhook_secret.expose_secret(),
        });
        self.add_times(&mut object, row.times);
        object
    }

    /// Times that have not come are left out of calls, not null (VB 4.1).
    pub fn call(self, row: &Call) -> Value {
        let mut object = json!({
            "id": row.id,
            "customer_id": row.customer_id,
            "flow_id": row.flow_id,
            "activeflow_id": row.activeflow_id,
            "type": "flow",
            "master_call_id": Uuid::nil(),
            "chained_call_ids": [],
            "source": self.address(&row.source),
            "destination": self.address(&row.destination),
            "status": row.status,
            "direction": "outgoing",
            "hangup_by": row.hangup_by,
            "hangup_reason": row.hangup_reason,
        });
        let times = [
            ("tm_progressing", row.progressing),
            ("tm_ringing", row.ringing),
            ("tm_hangup", row.hangup),
            ("tm_create", Some(row.times.create)),
            ("tm_update", row.times.update),
        ];
        for (key, time) in times {
            if let Some(time) = time {
                object[key] = self.time(Some(time));
            }
        }
        object
    }

    /// The token of the page that follows a row created at `created`; always six decimals.
    pub fn page_token(self, created: Timestamp) -> String {
        let format = match self.profile {
            Profile::Head => TOKEN_FORMAT,
            Profile::Seed => SEED_FORMAT,
        };
        self.skewed(created).strftime(format).to_string()
    }

    /// Reads a token of either family back.
    pub fn read_token(self, token: &str) -> Option<Timestamp> {
        parse_time(token)?.checked_sub(self.skew).ok()
    }

    /// A time of day as the platform shows it.
    pub fn time(self, time: Option<Timestamp>) -> Value {
        match (time, self.profile) {
            // RFC 3339 with trailing zeros of the fraction trimmed, as a Go time value prints.
            (Some(time), Profile::Head) => json!(self.skewed(time).to_string()),
            (None, Profile::Head) => Value::Null,
            (Some(time), Profile::Seed) => {
                json!(self.skewed(time).strftime(SEED_FORMAT).to_string())
            }
            (None, Profile::Seed) => json!(SENTINEL),
        }
    }

    fn skewed(self, time: Timestamp) -> Timestamp {
        time.checked_add(self.skew).unwrap_or(time)
    }

    fn add_times(self, object: &mut Value, times: Times) {
        object["tm_create"] = self.time(Some(times.create));
        object["tm_update"] = self.time(times.update);
        object["tm_delete"] = self.time(times.delete);
    }

    fn action(self, action: &Action) -> Value {
        let mut object = json!({"id": action.id, "next_id": action.next_id});
        if !action.kind.is_empty() {
            object["type"] = json!(action.kind);
        }
        if !action.option.is_empty() {
            object["option"] = Value::Object(action.option.clone());
        }
        if self.profile == Profile::Head {
            object["tm_execute"] = Value::Null;
        }
        object
    }

    fn optional_address(self, address: Option<&Address>) -> Value {
        address.map_or(Value::Null, |address| self.address(address))
    }

    /// Five keys in the seed profile; only those that say something at HEAD.
    fn address(self, address: &Address) -> Value {
        let members = [
            ("type", &address.kind),
            ("target", &address.target),
            ("target_name", &address.target_name),
            ("name", &address.name),
            ("detail", &address.detail),
        ];
        let shown = |text: &str| self.profile == Profile::Seed || !text.is_empty();
        members
            .into_iter()
            .filter(|(_, text)| shown(text))
            .map(|(key, text)| (key.to_owned(), json!(text)))
            .collect::<Map<_, _>>()
            .into()
    }
}

impl Status {
    pub fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Stopping => "stopping",
            Self::Run => "run",
        }
    }
}

/// Reads a timestamp of either family; None also for the sentinel, which means "never".
pub fn parse_time(text: &str) -> Option<Timestamp> {
    if text.starts_with("9999-") {
        return None;
    }
    if text.contains('T') {
        return text.parse().ok();
    }
    let civil: jiff::civil::DateTime = text.trim().parse().ok()?;
    Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}
