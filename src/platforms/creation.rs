//! Making a campaign write by write, so that a crash or a lost answer between two writes can be
//! mended: the checkpoint between them is the adapter's, its keeping is the caller's.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::campaign::CampaignDefinition;
use crate::domain::ids::VdnId;

/// A campaign that is to be made, stopped. The same value must be given at every step.
#[derive(Debug, Clone)]
pub struct NewCampaign {
    /// Chooses among the account's VDNs where it has several.
    pub vdn: Option<VdnId>,
    pub definition: CampaignDefinition,
    /// By this it is found again when an answer was lost, where names are not unique.
    pub mark: Uuid,
    /// What is not stated in the definition and depends on the day is reckoned from here.
    pub decided_at: Timestamp,
}

/// How far the making is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The campaign's native id, once it has one.
    pub campaign: Option<String>,
    /// Its parts' ids, by the adapter's own names for them.
    #[serde(default)]
    pub parts: BTreeMap<String, String>,
    /// Writes that are done.
    pub steps: usize,
}

/// What an operator says about campaigns that come from a platform that says less: how long they
/// run, when they may call, from which numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreationDefaults {
    /// Days between begin and end.
    pub span_days: Option<i64>,
    pub workday: Vec<crate::domain::policy::DayPeriod>,
    pub special_day: Vec<crate::domain::policy::DayPeriod>,
    /// Used when the campaign names no number that the platform could show.
    pub caller_number: Option<String>,
    pub ring_timeout_s: Option<i64>,
}
