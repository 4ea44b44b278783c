//! VoIPBin on the wire: typed, tolerant in what is accepted, exact in what is sent.
//!
//! Facts: VoIPBin reference sections 2–8. Accepted in any member: null for absent, both timestamp
//! families (kept as text here), sparse or full addresses. Unknown members are kept in `extra`.
//! Key order is the platform's.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

pub const NIL_UUID: &str = "00000000-0000-0000-0000-000000000000";

/// `Campaign` (section 3.1).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Campaign {
    #[serde(deserialize_with = "uuid_text", skip_serializing_if = "String::is_empty")]
    pub id: String,
    #[serde(deserialize_with = "uuid_text", skip_serializing_if = "String::is_empty")]
    pub customer_id: String,
    #[serde(rename = "type", deserialize_with = "null_as_default")]
    pub kind: String,
    #[serde(deserialize_with = "null_as_default")]
    pub name: String,
    #[serde(deserialize_with = "null_as_default")]
    pub detail: String,
    #[serde(deserialize_with = "null_as_default")]
    pub status: String,
    /// Percent.
    #[serde(deserialize_with = "null_as_default")]
    pub service_level: i64,
    #[serde(deserialize_with = "null_as_default")]
    pub end_handle: String,
    #[serde(deserialize_with = "null_as_default")]
    pub actions: Vec<Action>,
    #[serde(deserialize_with = "uuid_text")]
    pub outplan_id: String,
    #[serde(deserialize_with = "uuid_text")]
    pub outdial_id: String,
    #[serde(deserialize_with = "uuid_text")]
    pub queue_id: String,
    #[serde(deserialize_with = "uuid_text")]
    pub next_campaign_id: String,
    pub tm_create: Option<String>,
    pub tm_update: Option<String>,
    pub tm_delete: Option<String>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// `Action` (section 2.2); options differ per type and stay as they came.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Action {
    #[serde(deserialize_with = "uuid_text")]
    pub id: String,
    #[serde(deserialize_with = "uuid_text")]
    pub next_id: String,
    #[serde(
        rename = "type",
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub kind: String,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Map::is_empty")]
    pub option: Map<String, Value>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// `Address` (section 2.1): all members optional, left out when empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Address {
    #[serde(
        rename = "type",
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub kind: String,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub target: String,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub target_name: String,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub detail: String,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// `Outplan` (section 5.1).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outplan {
    #[serde(deserialize_with = "uuid_text", skip_serializing_if = "String::is_empty")]
    pub id: String,
    #[serde(deserialize_with = "uuid_text", skip_serializing_if = "String::is_empty")]
    pub customer_id: String,
    #[serde(deserialize_with = "null_as_default")]
    pub name: String,
    #[serde(deserialize_with = "null_as_default")]
    pub detail: String,
    #[serde(deserialize_with = "null_as_default")]
    pub source: Address,
    /// Milliseconds in the model (5.1).
    #[serde(deserialize_with = "null_as_default")]
    pub dial_timeout: i64,
    /// Milliseconds.
    #[serde(deserialize_with = "null_as_default")]
    pub try_interval: i64,
    #[serde(deserialize_with = "null_as_default")]
    pub max_try_count_0: i64,
    #[serde(deserialize_with = "null_as_default")]
    pub max_try_count_1: i64,
    #[serde(deserialize_with = "null_as_default")]
    pub max_try_count_2: i64,
    #[serde(deserialize_with = "null_as_default")]
    pub max_try_count_3: i64,
    #[serde(deserialize_with = "null_as_default")]
    pub max_try_count_4: i64,
    pub tm_create: Option<String>,
    pub tm_update: Option<String>,
    pub tm_delete: Option<String>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Outplan {
    /// How often each destination of a target is tried; a slot with 0 is not dialled.
    pub fn tries(&self) -> [i64; 5] {
        [
            self.max_try_count_0,
            self.max_try_count_1,
            self.max_try_count_2,
            self.max_try_count_3,
            self.max_try_count_4,
        ]
    }

    #[must_use]
    pub fn with_tries(mut self, tries: [i64; 5]) -> Self {
        [
            self.max_try_count_0,
            self.max_try_count_1,
            self.max_try_count_2,
            self.max_try_count_3,
            self.max_try_count_4,
        ] = tries;
        self
    }
}

/// Any object, of which only the id matters.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Identified {
    #[serde(deserialize_with = "uuid_text")]
    pub id: String,
}

/// `Outdial` (section 6.1).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outdial {
    #[serde(deserialize_with = "uuid_text", skip_serializing_if = "String::is_empty")]
    pub id: String,
    #[serde(deserialize_with = "uuid_text", skip_serializing_if = "String::is_empty")]
    pub customer_id: String,
    #[serde(deserialize_with = "uuid_text")]
    pub campaign_id: String,
    #[serde(deserialize_with = "null_as_default")]
    pub name: String,
    #[serde(deserialize_with = "null_as_default")]
    pub detail: String,
    /// Opaque text; clients exist that send an object here (section 11.2).
    #[serde(deserialize_with = "text_or_json")]
    pub data: String,
    pub tm_create: Option<String>,
    pub tm_update: Option<String>,
    pub tm_delete: Option<String>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A campaign with the parts that make it dial: what `translate` reads and writes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CampaignBundle {
    pub campaign: Campaign,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outplan: Option<Outplan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outdial: Option<Outdial>,
}

/// `Outdialtarget` (section 7.1).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Target {
    #[serde(deserialize_with = "uuid_text", skip_serializing_if = "String::is_empty")]
    pub id: String,
    #[serde(deserialize_with = "uuid_text", skip_serializing_if = "String::is_empty")]
    pub outdial_id: String,
    #[serde(deserialize_with = "null_as_default")]
    pub name: String,
    #[serde(deserialize_with = "null_as_default")]
    pub detail: String,
    #[serde(deserialize_with = "null_as_default")]
    pub data: String,
    #[serde(deserialize_with = "null_as_default")]
    pub status: String,
    pub destination_0: Option<Address>,
    pub destination_1: Option<Address>,
    pub destination_2: Option<Address>,
    pub destination_3: Option<Address>,
    pub destination_4: Option<Address>,
    #[serde(deserialize_with = "null_as_default")]
    pub try_count_0: i64,
    #[serde(deserialize_with = "null_as_default")]
    pub try_count_1: i64,
    #[serde(deserialize_with = "null_as_default")]
    pub try_count_2: i64,
    #[serde(deserialize_with = "null_as_default")]
    pub try_count_3: i64,
    #[serde(deserialize_with = "null_as_default")]
    pub try_count_4: i64,
    pub tm_create: Option<String>,
    pub tm_update: Option<String>,
    pub tm_delete: Option<String>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Target {
    /// It waits for its first call, which the outplan allows (section 9.4).
    pub fn awaits_first_try(&self, outplan: &Outplan) -> bool {
        let slots = [
            (&self.destination_0, self.try_count_0, outplan.max_try_count_0),
            (&self.destination_1, self.try_count_1, outplan.max_try_count_1),
            (&self.destination_2, self.try_count_2, outplan.max_try_count_2),
            (&self.destination_3, self.try_count_3, outplan.max_try_count_3),
            (&self.destination_4, self.try_count_4, outplan.max_try_count_4),
        ];
        let may_be_tried = slots.iter().any(|(address, _, most)| {
            address.as_ref().is_some_and(|address| !address.target.is_empty()) && *most > 0
        });
        let was_tried = slots.iter().any(|(_, tried, _)| *tried > 0);
        self.status == "idle" && may_be_tried && !was_tried
    }
}

/// `Campaigncall` (section 4.1).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Campaigncall {
    #[serde(deserialize_with = "uuid_text", skip_serializing_if = "String::is_empty")]
    pub id: String,
    #[serde(deserialize_with = "uuid_text", skip_serializing_if = "String::is_empty")]
    pub customer_id: String,
    #[serde(deserialize_with = "uuid_text")]
    pub campaign_id: String,
    #[serde(deserialize_with = "uuid_text")]
    pub outplan_id: String,
    #[serde(deserialize_with = "uuid_text")]
    pub outdial_id: String,
    #[serde(deserialize_with = "uuid_text")]
    pub outdial_target_id: String,
    #[serde(deserialize_with = "uuid_text")]
    pub queue_id: String,
    #[serde(deserialize_with = "uuid_text")]
    pub activeflow_id: String,
    #[serde(deserialize_with = "uuid_text")]
    pub flow_id: String,
    #[serde(deserialize_with = "null_as_default")]
    pub reference_type: String,
    #[serde(deserialize_with = "uuid_text")]
    pub reference_id: String,
    #[serde(deserialize_with = "null_as_default")]
    pub status: String,
    #[serde(deserialize_with = "null_as_default")]
    pub result: String,
    pub source: Option<Address>,
    pub destination: Option<Address>,
    #[serde(deserialize_with = "null_as_default")]
    pub destination_index: i64,
    #[serde(deserialize_with = "null_as_default")]
    pub try_count: i64,
    pub tm_create: Option<String>,
    pub tm_update: Option<String>,
    pub tm_delete: Option<String>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The call behind a campaigncall (section 4.1), as far as it is needed here. Times that have not come
/// are left out.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Call {
    #[serde(deserialize_with = "null_as_default")]
    pub id: String,
    #[serde(deserialize_with = "null_as_default")]
    pub hangup_reason: String,
    #[serde(deserialize_with = "null_as_default")]
    pub hangup_by: String,
    pub tm_ringing: Option<String>,
    pub tm_progressing: Option<String>,
    pub tm_hangup: Option<String>,
}

/// A page of any list (section 1.4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    #[serde(deserialize_with = "null_as_default", bound(deserialize = "T: Deserialize<'de>"))]
    pub result: Vec<T>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub next_page_token: String,
}

/// The error envelope of the `head` profile (section 1.3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorEnvelope {
    pub error: ErrorBody,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorBody {
    pub status: String,
    pub reason: String,
    pub message: String,
    pub request_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Value>,
}

/// True for the nil UUID and for the empty text that some clients send in its place.
pub fn is_unset(id: &str) -> bool {
    id.is_empty() || id == NIL_UUID
}

fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Opaque text; anything else that is sent in its place is kept as the JSON that it is.
fn text_or_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    })
}

/// Ids stay text; null becomes the empty text. Whether the text is a UUID is the reader's question.
fn uuid_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    null_as_default(deserializer)
}
