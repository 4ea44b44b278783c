//! CC-iSales on the wire: typed, tolerant in what is accepted, exact in what is sent.
//!
//! Facts: CC-iSales reference sections 1–6. Accepted: numbers as strings and strings as numbers,
//! `callerNo` as text or list, `turns` as list or text, `minAvgCallTime` as well as the printed
//! `mimAvgCallTime`, null for absent. Unknown members are kept in `extra`.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Number, Value};

pub const SUCCESS: &str = "0200000";

/// Every answer carries both pairs with equal values (section 1); readers accept either.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Envelope {
    #[serde(deserialize_with = "opt_text")]
    pub result_code: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    pub result_desc: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    pub return_code: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    pub return_desc: Option<String>,
}

/// The campaign document: create V1/V2, modify, and `returnObject` of the detail (3.1–3.5).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Campaign {
    /// A number; text that is one is accepted. Of any size: nothing promises 64 bits.
    #[serde(deserialize_with = "opt_number", skip_serializing_if = "Option::is_none")]
    pub id: Option<Number>,
    #[serde(deserialize_with = "opt_text")]
    pub name: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    pub description: Option<String>,
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub status: Option<i64>,
    #[serde(deserialize_with = "opt_text")]
    pub str_begin_time: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    pub str_end_time: Option<String>,
    #[serde(deserialize_with = "opt_int")]
    pub device_type: Option<i64>,
    pub caller_no: CallerNo,
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// Seconds.
    #[serde(deserialize_with = "opt_int")]
    pub max_alerting_time: Option<i64>,
    pub schedule_param: Option<ScheduleParam>,
    pub ivr_param: Option<IvrParam>,
    pub skill_param: Option<SkillParam>,
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub init_status: Option<i64>,
    #[serde(deserialize_with = "opt_text")]
    pub call_back_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<RetryPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_policy: Option<CallPolicy>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// `callerNo`: one text (V1 and every answer) or a list with priorities (V2).
#[derive(Debug, Clone, Default, PartialEq)]
pub enum CallerNo {
    #[default]
    Absent,
    One(String),
    Many(Vec<CallerNoItem>),
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CallerNoItem {
    #[serde(deserialize_with = "text")]
    pub access_code: String,
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Three periods for workdays and three for special dates, `HH:mm`, null or `""` when unused.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ScheduleParam {
    pub workday_begin_time1: Option<String>,
    pub workday_end_time1: Option<String>,
    pub workday_begin_time2: Option<String>,
    pub workday_end_time2: Option<String>,
    pub workday_begin_time3: Option<String>,
    pub workday_end_time3: Option<String>,
    pub holiday_begin_time1: Option<String>,
    pub holiday_end_time1: Option<String>,
    pub holiday_begin_time2: Option<String>,
    pub holiday_end_time2: Option<String>,
    pub holiday_begin_time3: Option<String>,
    pub holiday_end_time3: Option<String>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IvrParam {
    #[serde(deserialize_with = "opt_text")]
    pub device_sign: Option<String>,
    /// Calls per round.
    #[serde(deserialize_with = "opt_int")]
    pub call_count: Option<i64>,
    /// Seconds between rounds.
    #[serde(deserialize_with = "opt_int")]
    pub call_interval: Option<i64>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SkillParam {
    #[serde(deserialize_with = "opt_int")]
    pub skill_id: Option<i64>,
    #[serde(deserialize_with = "opt_text")]
    pub skill_name: Option<String>,
    #[serde(deserialize_with = "opt_int")]
    pub out_bound_type: Option<i64>,
    pub predict_param: Option<PredictParam>,
    pub preview_param: Option<PreviewParam>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PreviewParam {
    /// Seconds.
    #[serde(deserialize_with = "opt_int")]
    pub fail_interval: Option<i64>,
    #[serde(deserialize_with = "opt_int")]
    pub ob_call_count: Option<i64>,
    /// Seconds.
    #[serde(deserialize_with = "opt_int")]
    pub auto_call_time: Option<i64>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PredictParam {
    #[serde(deserialize_with = "opt_int")]
    pub predict_method: Option<i64>,
    pub exp_predict_param: Option<AlgorithmParam>,
    pub agent_predict_param: Option<AlgorithmParam>,
    pub connect_predict_param: Option<AlgorithmParam>,
    pub offhook_predict_param: Option<AlgorithmParam>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The members of the four prediction algorithms (tables 10–13); each uses a few of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AlgorithmParam {
    /// Seconds.
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub max_avg_call_time: Option<i64>,
    /// Seconds. `minAvgCallTime` is what the V2 sample sends.
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub min_avg_call_time: Option<i64>,
    /// The same as the tables spell it; a member of its own, so that a document may have both.
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub mim_avg_call_time: Option<i64>,
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub out_bound_rate: Option<i64>,
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub loss_rate: Option<i64>,
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub util_rate: Option<i64>,
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub util_rate_method: Option<i64>,
    /// Seconds.
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub wait_time: Option<i64>,
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub conn_rate: Option<i64>,
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub off_hook_rate: Option<i64>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The strings hold JSON, often single-quoted (3.2); they are kept as the text they are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RetryPolicy {
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub retry_policy_id: Option<String>,
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub policy_type: Option<i64>,
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub retry_day: Option<i64>,
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub retry_times: Option<i64>,
    /// Seconds.
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub call_interval: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_retry: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_json: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busi_policy: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_retry_policy: Option<Value>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CallPolicy {
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub call_policy_id: Option<String>,
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub call_type: Option<i64>,
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub choose_type: Option<i64>,
    /// A list in the sample, a JSON text in the tables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns: Option<Value>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// One record of "add outbound numbers" (4.1, 4.2).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CallData {
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub batch_id: Option<String>,
    pub called: Called,
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub custom_field: Option<String>,
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub recycle_time: Option<String>,
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub call_data: Option<String>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// `called`: one text (V1) or a list (V2).
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Called {
    #[default]
    Absent,
    One(String),
    Many(Vec<CalledNo>),
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CalledNo {
    #[serde(deserialize_with = "text")]
    pub called_no: String,
    /// Seconds, as text.
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub delay_time: Option<String>,
    #[serde(
        rename = "type",
        deserialize_with = "opt_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub kind: Option<String>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A result row (5.1) or a callback row (6): the callback has `customField` and no `resultCode`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ResultRow {
    #[serde(deserialize_with = "opt_text")]
    pub campaign_id: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    pub session_id: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    pub called: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    pub call_time_str: Option<String>,
    /// 5 failed, 6 succeeded.
    #[serde(deserialize_with = "opt_int")]
    pub call_status: Option<i64>,
    #[serde(deserialize_with = "opt_text")]
    pub fail_code: Option<String>,
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub result_code: Option<String>,
    #[serde(deserialize_with = "opt_int")]
    pub vdn_id: Option<i64>,
    #[serde(deserialize_with = "opt_text")]
    pub call_id: Option<String>,
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub custom_field: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    pub record_path: Option<String>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl ResultRow {
    /// Whether it says when somebody was called, and with what result.
    pub fn is_result(&self) -> bool {
        let has_time = self.call_time_str.as_deref().is_some_and(|at| !at.is_empty());
        has_time && self.call_status.is_some()
    }
}

impl Envelope {
    /// The code of whichever pair is present.
    pub fn code(&self) -> Option<&str> {
        let filled = |code: &'_ Option<String>| code.as_deref().is_some_and(|c| !c.is_empty());
        if filled(&self.result_code) {
            self.result_code.as_deref()
        } else {
            self.return_code.as_deref()
        }
    }

    pub fn both(code: &str, desc: &str) -> Self {
        Self {
            result_code: Some(code.to_owned()),
            result_desc: Some(desc.to_owned()),
            return_code: Some(code.to_owned()),
            return_desc: Some(desc.to_owned()),
        }
    }
}

/// A scalar that may come as text or number; `-0`, `007` and ids beyond 2^63 keep their text.
/// Numbers arrive as maps because serde_json keeps their digits (`arbitrary_precision`).
struct TextOrNumber;

impl<'de> Visitor<'de> for TextOrNumber {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a number")
    }
    fn visit_str<E: de::Error>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Some(v.to_owned()))
    }
    fn visit_string<E: de::Error>(self, v: String) -> Result<Self::Value, E> {
        Ok(Some(v))
    }
    fn visit_i64<E: de::Error>(self, v: i64) -> Result<Self::Value, E> {
        Ok(Some(v.to_string()))
    }
    fn visit_u64<E: de::Error>(self, v: u64) -> Result<Self::Value, E> {
        Ok(Some(v.to_string()))
    }
    fn visit_i128<E: de::Error>(self, v: i128) -> Result<Self::Value, E> {
        Ok(Some(v.to_string()))
    }
    fn visit_u128<E: de::Error>(self, v: u128) -> Result<Self::Value, E> {
        Ok(Some(v.to_string()))
    }
    fn visit_f64<E: de::Error>(self, v: f64) -> Result<Self::Value, E> {
        Ok(Some(v.to_string()))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        number_in(map).map(|number| Some(number.to_string()))
    }
    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// An integer, or a text that is one; null and the empty text are none.
struct IntegerOrText;

impl<'de> Visitor<'de> for IntegerOrText {
    type Value = Option<i64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer of 64 bits")
    }
    fn visit_str<E: de::Error>(self, v: &str) -> Result<Self::Value, E> {
        if v.is_empty() {
            return Ok(None);
        }
        v.trim().parse().map(Some).map_err(|_| E::custom("expected an integer of 64 bits"))
    }
    fn visit_i64<E: de::Error>(self, v: i64) -> Result<Self::Value, E> {
        Ok(Some(v))
    }
    fn visit_u64<E: de::Error>(self, v: u64) -> Result<Self::Value, E> {
        i64::try_from(v).map(Some).map_err(|_| E::custom("expected an integer of 64 bits"))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        self.visit_str(number_in(map)?.as_str())
    }
    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// One text, or a list of `T`.
enum OneOrMany<T> {
    Absent,
    One(String),
    Many(Vec<T>),
}

struct OneOrManyVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrManyVisitor<T> {
    type Value = OneOrMany<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list")
    }
    fn visit_str<E: de::Error>(self, v: &str) -> Result<Self::Value, E> {
        Ok(OneOrMany::One(v.to_owned()))
    }
    fn visit_i64<E: de::Error>(self, v: i64) -> Result<Self::Value, E> {
        Ok(OneOrMany::One(v.to_string()))
    }
    fn visit_u64<E: de::Error>(self, v: u64) -> Result<Self::Value, E> {
        Ok(OneOrMany::One(v.to_string()))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        number_in(map).map(|number| OneOrMany::One(number.to_string()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(OneOrMany::Many(items))
    }
    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(OneOrMany::Absent)
    }
}

/// The number that a map of serde_json's stands for; an error when it is an object of the sender's.
fn number_in<'de, A: MapAccess<'de>>(map: A) -> Result<Number, A::Error> {
    Number::deserialize(MapAccessDeserializer::new(map))
        .map_err(|_| de::Error::custom("expected a text or a number, found an object"))
}

pub(super) fn opt_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    deserializer.deserialize_any(TextOrNumber)
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(opt_text(deserializer)?.unwrap_or_default())
}

pub(super) fn opt_int<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    deserializer.deserialize_any(IntegerOrText)
}

fn opt_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Number>, D::Error> {
    match opt_text(deserializer)? {
        None => Ok(None),
        Some(text) if text.is_empty() => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| de::Error::custom("expected a number")),
    }
}

impl Serialize for CallerNo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            CallerNo::Absent => serializer.serialize_unit(),
            CallerNo::One(number) => serializer.serialize_str(number),
            CallerNo::Many(items) => items.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for CallerNo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match deserializer.deserialize_any(OneOrManyVisitor(PhantomData))? {
            OneOrMany::Absent => CallerNo::Absent,
            OneOrMany::One(number) => CallerNo::One(number),
            OneOrMany::Many(items) => CallerNo::Many(items),
        })
    }
}

impl Serialize for Called {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Called::Absent => serializer.serialize_unit(),
            Called::One(number) => serializer.serialize_str(number),
            Called::Many(items) => items.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Called {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match deserializer.deserialize_any(OneOrManyVisitor(PhantomData))? {
            OneOrMany::Absent => Called::Absent,
            OneOrMany::One(number) => Called::One(number),
            OneOrMany::Many(items) => Called::Many(items),
        })
    }
}
