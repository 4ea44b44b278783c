//! CC-iSales on the wire: typed, tolerant in what is accepted, exact in what is sent.
//!
//! Facts: CC-iSales reference sections 1–6. Accepted: numbers as strings and strings as numbers,
//! `callerNo` as text or list, `turns` as list or text, `minAvgCallTime` as well as the printed
//! `mimAvgCallTime`, null for absent. Unknown members are kept in `extra`.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

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
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
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
    /// Seconds. The tables print `mimAvgCallTime`; `minAvgCallTime` is what is sent.
    #[serde(
        alias = "mimAvgCallTime",
        deserialize_with = "opt_int",
        skip_serializing_if = "Option::is_none"
    )]
    pub min_avg_call_time: Option<i64>,
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
struct TextOrNumber;

impl Visitor<'_> for TextOrNumber {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a number")
    }
    fn visit_str<E: de::Error>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Some(v.to_owned()))
    }
    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

fn opt_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(s) => TextOrNumber.visit_str(&s),
        Value::Number(n) => Ok(Some(n.to_string())),
        _ => Err(de::Error::custom("expected a text or a number")),
    }
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(opt_text(deserializer)?.unwrap_or_default())
}

fn opt_int<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    match opt_text(deserializer)? {
        None => Ok(None),
        Some(s) if s.is_empty() => Ok(None),
        Some(s) => s.trim().parse().map(Some).map_err(|_| de::Error::custom("expected an integer")),
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
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(CallerNo::Absent),
            Value::String(s) => Ok(CallerNo::One(s)),
            Value::Number(n) => Ok(CallerNo::One(n.to_string())),
            list @ Value::Array(_) => {
                serde_json::from_value(list).map(CallerNo::Many).map_err(de::Error::custom)
            }
            _ => Err(de::Error::custom("callerNo: expected a text or a list")),
        }
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
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(Called::Absent),
            Value::String(s) => Ok(Called::One(s)),
            Value::Number(n) => Ok(Called::One(n.to_string())),
            list @ Value::Array(_) => {
                serde_json::from_value(list).map(Called::Many).map_err(de::Error::custom)
            }
            _ => Err(de::Error::custom("called: expected a text or a list")),
        }
    }
}
