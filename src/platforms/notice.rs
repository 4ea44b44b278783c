//! What a platform would push about an attempt, said of campaigns of any home: for receivers that
//! were written for that platform.

use jiff::Timestamp;
use secrecy::SecretString;
use uuid::Uuid;

use crate::domain::call::CallAttempt;
use crate::domain::contact::Contact;
use crate::domain::ids::{CampaignPart, PublicPair};
use crate::platforms::{ConvertContext, PlatformKind, isales, voipbin};

/// An attempt under its public ids.
#[derive(Clone, Copy)]
pub struct Notice<'a> {
    pub attempt_id: Uuid,
    /// 1 when it is told for the first time.
    pub revision: i64,
    /// Its place in lists.
    pub list_at: Timestamp,
    pub campaign: Uuid,
    pub pair: PublicPair,
    /// Public id of the contact, where it is known which one was called.
    pub contact: Option<Uuid>,
    /// The contact, where what it says is told and known.
    pub person: Option<&'a Contact>,
    /// The parts that the campaign's client named, where they are told.
    pub parts: &'a [(CampaignPart, Uuid)],
    pub attempt: &'a CallAttempt,
    /// The words by which it became known, as far as they were kept.
    pub words: Option<Words<'a>>,
}

impl Notice<'_> {
    /// The place of the called number among the contact's.
    pub fn place(&self) -> Option<usize> {
        self.person?.place_of(self.attempt.called.as_ref()?)
    }

    /// The part that the campaign's client named.
    pub fn named_part(&self, part: CampaignPart) -> Option<Uuid> {
        self.parts.iter().find(|(named, _)| *named == part).map(|(_, id)| *id)
    }
}

/// What a platform said of an attempt, as it said it.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    pub platform: PlatformKind,
    pub row: &'a str,
}

/// The body; None when the platform does not push such a thing. What the platform itself said goes out in
/// its own words.
pub fn body(platform: PlatformKind, notice: &Notice<'_>, ctx: &ConvertContext) -> Option<Vec<u8>> {
    let own = notice.words.filter(|words| words.platform == platform).map(|words| words.row);
    match platform {
        PlatformKind::Voipbin => voipbin::callback::push_of(notice, own, ctx),
        PlatformKind::Isales => isales::callback::push_of(notice, own, ctx),
    }
}

/// Whether it is to be said in words of the platform, which has not said it itself.
pub fn is_said_anew(platform: PlatformKind, notice: &Notice<'_>) -> bool {
    notice.words.is_none_or(|words| words.platform != platform)
}

/// Whether the platform pushes that a call is under way, and not its outcome alone.
pub fn tells_unfinished(platform: PlatformKind) -> bool {
    match platform {
        PlatformKind::Voipbin => true,
        PlatformKind::Isales => false,
    }
}

/// A body of the platform's form that says nothing, to try a receiver with.
pub fn trial(platform: PlatformKind) -> &'static [u8] {
    match platform {
        PlatformKind::Voipbin => br#"{"type":"dialbridge_test","data":{}}"#,
        PlatformKind::Isales => b"[]",
    }
}

/// The header by which the platform proves a push, with its value; None when it proves nothing.
pub fn proof(
    platform: PlatformKind,
    secret: &SecretString,
    body: &[u8],
) -> Option<(&'static str, String)> {
    match platform {
        PlatformKind::Voipbin => Some(voipbin::callback::proof(secret, body)),
        PlatformKind::Isales => None,
    }
}

/// The header by which a push of the platform came with its proof.
pub fn proof_header(platform: PlatformKind) -> Option<&'static str> {
    match platform {
        PlatformKind::Voipbin => Some(voipbin::callback::PROOF_HEADER),
        PlatformKind::Isales => None,
    }
}

/// Whether the platform expects its receivers to answer in words, and not by a status alone.
pub fn has_receipt(platform: PlatformKind) -> bool {
    match platform {
        PlatformKind::Voipbin => false,
        PlatformKind::Isales => true,
    }
}

/// Whether an answer of success is also in the words that the platform expects; one that expects none
/// takes any.
pub fn is_receipt(platform: PlatformKind, answer: &[u8]) -> bool {
    match platform {
        PlatformKind::Voipbin => true,
        PlatformKind::Isales => isales::callback::is_receipt(answer),
    }
}
