//! Who is who: public ids that clients hold, native ids that platforms hold, and their pairing.
//!
//! A public id is assigned once and never derived again; routing is always
//! public id → [`ExternalRef`] → home account.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// An identifier that does not have the form it must have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {rule}")]
pub struct InvalidId {
    pub what: &'static str,
    pub rule: &'static str,
}

/// The immutable name of an account: 1–32 of `a-z 0-9 -`, beginning with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountSlug(String);

/// Half of the public pair: 1–9999 (CC-iSales, page "Querying Details About an Outbound Campaign").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VdnId(u16);

/// The other half of the public pair: a positive integer that fits 31 bits, so that clients with
/// 32-bit integers can hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CampaignNumber(i32);

/// The public pair by which the pair-shaped API names a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicPair {
    pub vdn: VdnId,
    pub number: CampaignNumber,
}

/// What the platform itself calls the thing: always text, never interpreted outside its adapter, and
/// never longer than [`MAX_KEY_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct NativeId(String);

/// What kind of thing an [`ExternalRef`] names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RefKind {
    Campaign,
    Contact,
    Attempt,
}

/// The platform's name for a thing, on one account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExternalRef {
    pub account: AccountSlug,
    pub kind: RefKind,
    pub native: NativeId,
}

/// Both public names of a campaign and where it really runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignIdentity {
    pub uuid: Uuid,
    /// None for a draft that has not been created on a pair-shaped home yet.
    pub pair: Option<PublicPair>,
    pub home: AccountSlug,
    /// Grows with every cutover; a write carries the epoch it was decided under.
    pub home_epoch: i64,
    /// Current native id on the home account.
    pub native: NativeId,
    /// Immutable and unique: lists are ordered and cut by it, and it stands in for the time of
    /// creation where the home keeps none.
    pub list_at: Timestamp,
}

/// How a client names a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CampaignKey {
    Uuid(Uuid),
    Pair(PublicPair),
}

/// Parts that the UUID-shaped API shows as objects of their own and the pair-shaped platform lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CampaignPart {
    /// Caller number, ring timeout and tries.
    DialingRules,
    /// The contacts of the campaign.
    ContactList,
    /// The agents that answer.
    AgentGroup,
}

impl AccountSlug {
    /// # Errors
    /// When the text is not 1–32 of `a-z 0-9 -` beginning with a letter or digit.
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        let ok = (1..=32).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-');
        if ok {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId {
                what: "account slug",
                rule: "1 to 32 of a-z, 0-9 and -, beginning with a letter or digit",
            })
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl VdnId {
    /// # Errors
    /// When the value is outside 1–9999.
    pub fn new(value: i64) -> Result<Self, InvalidId> {
        match u16::try_from(value) {
            Ok(v) if (1..=9999).contains(&v) => Ok(Self(v)),
            _ => Err(InvalidId { what: "vdnId", rule: "an integer from 1 to 9999" }),
        }
    }

    pub fn get(self) -> u16 {
        self.0
    }
}

impl CampaignNumber {
    /// # Errors
    /// When the value is not in 1–2147483647.
    pub fn new(value: i64) -> Result<Self, InvalidId> {
        match i32::try_from(value) {
            Ok(v) if v > 0 => Ok(Self(v)),
            _ => Err(InvalidId { what: "campaignId", rule: "an integer from 1 to 2147483647" }),
        }
    }

    pub fn get(self) -> i32 {
        self.0
    }
}

impl NativeId {
    pub fn new(text: impl Into<String>) -> Self {
        Self(key(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for NativeId {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<NativeId> for String {
    fn from(id: NativeId) -> Self {
        id.0
    }
}

impl RefKind {
    pub fn as_str(self) -> &'static str {
        match self {
            RefKind::Campaign => "campaign",
            RefKind::Contact => "contact",
            RefKind::Attempt => "attempt",
        }
    }
}

impl CampaignPart {
    pub const ALL: [CampaignPart; 3] =
        [CampaignPart::DialingRules, CampaignPart::ContactList, CampaignPart::AgentGroup];

    pub fn as_str(self) -> &'static str {
        match self {
            CampaignPart::DialingRules => "dialing-rules",
            CampaignPart::ContactList => "contact-list",
            CampaignPart::AgentGroup => "agent-group",
        }
    }

    pub fn from_term(term: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.as_str() == term)
    }

    /// The public id of this part of a campaign that has no such object on its home.
    pub fn public_id(self, campaign: Uuid) -> Uuid {
        Uuid::new_v5(&campaign, self.as_str().as_bytes())
    }
}

/// The longest text by which something is found again: no index takes any length (PostgreSQL's end at 2,704
/// bytes for all columns together). Names that platforms document are far shorter: 255 characters.
pub const MAX_KEY_BYTES: usize = 1024;
/// What is left of a longer one, before the digest that stands for all of it.
const KEY_BEGINNING_BYTES: usize = 256;

/// A text as a key: a longer one than [`MAX_KEY_BYTES`] is its beginning and a digest of all of it, so that
/// different ones stay different and the same one is found again. A key is its own key.
pub fn key(text: String) -> String {
    if text.len() <= MAX_KEY_BYTES {
        return text;
    }
    let mut key = text[..text.floor_char_boundary(KEY_BEGINNING_BYTES)].to_owned();
    key.push('~');
    key.push_str(&const_hex::encode(Sha256::digest(text.as_bytes())));
    key
}

/// The UUID that first sight of a campaign known only by its pair proposes; the ledger decides.
pub fn propose_campaign_uuid(account: &AccountSlug, native: &NativeId) -> Uuid {
    const NAMESPACE: Uuid = Uuid::from_u128(0x6f1c_64ab_8a07_5d0c_9d7e_41f8_53a2_c0de);
    let name = format!("{}/{}", account.as_str(), native.as_str());
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

impl fmt::Display for AccountSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AccountSlug {
    type Err = InvalidId;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::new(s)
    }
}

impl fmt::Display for VdnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for CampaignNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for PublicPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.vdn, self.number)
    }
}

impl fmt::Display for NativeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
