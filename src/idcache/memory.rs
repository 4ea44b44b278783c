//! The ids used lately, in two generations: a full young one becomes the old one, and what is not
//! used while it is old goes with it. No order to keep, no locks but for writing.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError, RwLock};

use crate::domain::ids::{CampaignIdentity, CampaignKey};

const SHARDS: usize = 16;
/// Keys per shard and generation; a campaign has two. In all about 130 000 campaigns, 45 MB.
const GENERATION_KEYS: usize = 8192;

#[derive(Default)]
pub struct Memory {
    shards: [RwLock<Generations>; SHARDS],
    hasher: RandomState,
}

#[derive(Default)]
struct Generations {
    young: HashMap<CampaignKey, Arc<CampaignIdentity>>,
    old: HashMap<CampaignKey, Arc<CampaignIdentity>>,
}

impl Memory {
    pub fn get(&self, key: CampaignKey) -> Option<Arc<CampaignIdentity>> {
        let shard = self.shard(key);
        let generations = shard.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(identity) = generations.young.get(&key) {
            return Some(Arc::clone(identity));
        }
        let identity = Arc::clone(generations.old.get(&key)?);
        drop(generations);
        Some(shard.write().unwrap_or_else(PoisonError::into_inner).keep(key, &identity))
    }

    /// Keeps it under both its keys, unless a later epoch is there. Answers the one that stays.
    pub fn insert(&self, identity: &Arc<CampaignIdentity>) -> Arc<CampaignIdentity> {
        let kept = self.keep(CampaignKey::Uuid(identity.uuid), identity);
        if let Some(pair) = identity.pair {
            self.keep(CampaignKey::Pair(pair), &kept);
        }
        kept
    }

    fn keep(&self, key: CampaignKey, identity: &Arc<CampaignIdentity>) -> Arc<CampaignIdentity> {
        self.shard(key).write().unwrap_or_else(PoisonError::into_inner).keep(key, identity)
    }

    fn shard(&self, key: CampaignKey) -> &RwLock<Generations> {
        let hash = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        &self.shards[hash]
    }
}

impl Generations {
    fn keep(
        &mut self,
        key: CampaignKey,
        identity: &Arc<CampaignIdentity>,
    ) -> Arc<CampaignIdentity> {
        let known = self.young.get(&key).or_else(|| self.old.get(&key));
        let kept = match known {
            Some(known) if known.home_epoch > identity.home_epoch => known,
            // Also a draft that has got its pair meanwhile.
            _ => identity,
        };
        let kept = Arc::clone(kept);
        if self.young.len() >= GENERATION_KEYS {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, Arc::clone(&kept));
        kept
    }
}
