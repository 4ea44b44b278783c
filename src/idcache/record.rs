//! How an identity lies in sled: fixed fields, then the home's name, then the native id.

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::ids::{
    AccountSlug, CampaignIdentity, CampaignKey, CampaignNumber, NativeId, PublicPair, VdnId,
};

use super::CacheOwner;

/// Grows when the layout changes; a cache in another format is void.
pub const FORMAT: u8 = 1;

/// Where the [`tag`] stands.
pub const TAG_KEY: &[u8] = b"m";

/// `u` and the UUID, which leads to a record, or `p` and the pair, which leads to a UUID.
pub fn key(key: CampaignKey) -> Vec<u8> {
    match key {
        CampaignKey::Uuid(uuid) => [b"u", uuid.as_bytes().as_slice()].concat(),
        CampaignKey::Pair(PublicPair { vdn, number }) => {
            [b"p", vdn.get().to_be_bytes().as_slice(), &number.get().to_be_bytes()].concat()
        }
    }
}

/// Whose cache it is, and whether everything of the ledger has been copied into it.
pub fn tag(owner: CacheOwner, complete: bool) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    bytes.extend(owner.ledger_id.as_bytes());
    bytes.extend(owner.epoch.to_be_bytes());
    bytes.push(u8::from(complete));
    bytes
}

pub fn encode(identity: &CampaignIdentity) -> Vec<u8> {
    let home = identity.home.as_str().as_bytes();
    let native = identity.native.as_str().as_bytes();
    let (vdn, number) = identity.pair.map_or((0, 0), |pair| (pair.vdn.get(), pair.number.get()));
    let mut bytes = Vec::with_capacity(23 + home.len() + native.len());
    // 0 is no VDN, so it stands for "no pair".
    bytes.extend(vdn.to_be_bytes());
    bytes.extend(number.to_be_bytes());
    bytes.extend(identity.list_at.as_microsecond().to_be_bytes());
    bytes.extend(identity.home_epoch.to_be_bytes());
    // A slug has at most 32 bytes.
    bytes.push(u8::try_from(home.len()).unwrap_or(u8::MAX));
    bytes.extend(home);
    bytes.extend(native);
    bytes
}

/// None when the bytes are not what [`encode`] makes.
pub fn decode(uuid: Uuid, bytes: &[u8]) -> Option<CampaignIdentity> {
    let (vdn, rest) = bytes.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (list_at, rest) = rest.split_first_chunk()?;
    let (home_epoch, rest) = rest.split_first_chunk()?;
    let (home_bytes, rest) = rest.split_first()?;
    let (home, native) = rest.split_at_checked(usize::from(*home_bytes))?;
    let pair = match u16::from_be_bytes(*vdn) {
        0 => None,
        vdn => Some(PublicPair {
            vdn: VdnId::new(vdn.into()).ok()?,
            number: CampaignNumber::new(i32::from_be_bytes(*number).into()).ok()?,
        }),
    };
    Some(CampaignIdentity {
        uuid,
        pair,
        home: AccountSlug::new(str::from_utf8(home).ok()?).ok()?,
        home_epoch: i64::from_be_bytes(*home_epoch),
        native: NativeId::new(str::from_utf8(native).ok()?),
        list_at: Timestamp::from_microsecond(i64::from_be_bytes(*list_at)).ok()?,
    })
}
