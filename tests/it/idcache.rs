//! The id cache is never the truth: whatever state its directory is in, it opens, says whether it
//! needs a refill, and answers right or not at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dialbridge::clock::Clock;
use dialbridge::domain::ids::{
    AccountSlug, CampaignIdentity, CampaignKey, CampaignNumber, NativeId, PublicPair, VdnId,
};
use dialbridge::idcache::{CacheOwner, IdCache, IdCacheError};
use jiff::Timestamp;
use tempfile::TempDir;
use uuid::Uuid;

const CAPACITY_MB: u64 = 16;
const OWNER: CacheOwner = CacheOwner { ledger_id: Uuid::from_u128(7), epoch: 1 };

#[tokio::test]
async fn found_by_both_ids_from_both_layers() {
    let home = Home::new();
    let cache = home.open();
    let (with_pair, draft) = (identity(1), CampaignIdentity { pair: None, ..identity(2) });
    cache.insert(with_pair.clone());
    cache.insert(draft.clone());
    for (key, expected) in
        [(by_uuid(1), &with_pair), (by_pair(1), &with_pair), (by_uuid(2), &draft)]
    {
        assert_eq!(cache.get(key).as_deref(), Some(expected), "memory, {key:?}");
    }
    assert_eq!(cache.resolve(by_pair(2)).await, None);
    drop(cache);

    let cache = home.open();
    assert_eq!(cache.get(by_uuid(1)), None, "memory is empty after a start");
    for (key, expected) in
        [(by_uuid(1), &with_pair), (by_pair(1), &with_pair), (by_uuid(2), &draft)]
    {
        assert_eq!(cache.read_sled(key).as_ref(), Some(expected), "sled, {key:?}");
        assert_eq!(cache.resolve(key).await.as_deref(), Some(expected), "either, {key:?}");
        assert_eq!(cache.get(key).as_deref(), Some(expected), "memory remembers, {key:?}");
    }
}

#[tokio::test]
async fn the_later_home_epoch_stays_whatever_comes_after() {
    let home = Home::new();
    let cache = home.open();
    let moved = CampaignIdentity {
        home: AccountSlug::new("elsewhere").unwrap(),
        home_epoch: 2,
        native: NativeId::new("n-2"),
        ..identity(1)
    };
    cache.insert(identity(1));
    cache.insert(moved.clone());
    assert_eq!(*cache.insert(identity(1)), moved);
    assert_eq!(cache.get(by_pair(1)).as_deref(), Some(&moved));
    drop(cache);
    assert_eq!(home.open().read_sled(by_uuid(1)), Some(moved));
}

#[tokio::test]
async fn a_refill_makes_it_complete_and_stays_so() {
    let home = Home::new();
    let cache = home.open();
    assert!(cache.needs_refill());
    assert_eq!(refill(&cache, 2500).await, 2500);
    assert!(!cache.needs_refill());
    drop(cache);

    let cache = home.open();
    assert!(!cache.needs_refill());
    for n in [1, 1000, 1001, 2500] {
        assert_eq!(cache.resolve(by_pair(n)).await.as_deref(), Some(&identity(n)));
    }
    assert_eq!(cache.resolve(by_uuid(2501)).await, None);
    assert!(cache.bytes_on_disk() > 0);
}

#[tokio::test]
async fn an_interrupted_refill_is_not_complete() {
    let home = Home::new();
    let cache = home.open();
    let refused = cache
        .refill(async |after| if after == 0 { Ok(page(after, 2000)) } else { Err("ledger gone") })
        .await;
    assert_eq!(refused, Err("ledger gone"));
    assert!(cache.needs_refill());
    drop(cache);
    let cache = home.open();
    assert!(cache.needs_refill());
    assert_eq!(cache.read_sled(by_uuid(1000)), Some(identity(1000)), "what was copied is kept");
}

#[tokio::test]
async fn another_epoch_or_ledger_empties_it() {
    let restored = CacheOwner { epoch: 2, ..OWNER };
    let other = CacheOwner { ledger_id: Uuid::from_u128(8), ..OWNER };
    for owner in [restored, other] {
        let home = Home::new();
        refill(&home.open(), 10).await;
        let cache = IdCache::open(&home.path, CAPACITY_MB, owner).unwrap();
        assert!(cache.needs_refill());
        assert_eq!(cache.resolve(by_uuid(1)).await, None);
        assert!(!home.broken().exists(), "it was sound, so nobody needs to look at it");
    }
}

#[tokio::test]
async fn a_corrupted_directory_is_moved_aside() {
    for (file, damage) in [
        ("conf", Damage::Overwrite(b"not what sled wrote")),
        ("conf", Damage::ReplaceByDirectory),
        ("db", Damage::ReplaceByDirectory),
    ] {
        let home = Home::new();
        refill(&home.open(), 10).await;
        damage.apply(&home.path.join(file));
        let cache = home.open();
        assert!(cache.needs_refill(), "{file}");
        assert!(home.broken().exists(), "{file}: kept for whoever wants to know what happened");
        assert_eq!(refill(&cache, 10).await, 10);
        drop(cache);
        assert_eq!(home.open().resolve(by_pair(10)).await.as_deref(), Some(&identity(10)));
    }
}

/// Damage that sled does not notice when it opens must not give wrong answers either.
#[tokio::test]
async fn a_damaged_log_answers_right_or_not_at_all() {
    for damage in [Damage::Truncate(2), Damage::Truncate(4096), Damage::ZeroMiddle] {
        let home = Home::new();
        refill(&home.open(), 2000).await;
        damage.apply(&home.path.join("db"));
        let cache = home.open();
        for n in 1..=2000 {
            if let Some(found) = cache.resolve(by_pair(n)).await {
                assert_eq!(*found, identity(n));
            }
        }
    }
}

#[tokio::test]
async fn a_half_written_snapshot_is_removed() {
    let home = Home::new();
    refill(&home.open(), 10).await;
    let stale = home.path.join("snap.00000000000003E8.generating");
    fs::write(&stale, b"half a snapshot").unwrap();
    let cache = home.open();
    assert!(!stale.exists());
    assert!(!cache.needs_refill());
    assert_eq!(cache.resolve(by_uuid(10)).await.as_deref(), Some(&identity(10)));
}

#[tokio::test]
async fn a_record_that_cannot_be_read_has_it_replaced_at_the_next_start() {
    let home = Home::new();
    refill(&home.open(), 10).await;
    let mut key = b"u".to_vec();
    key.extend(identity(3).uuid.as_bytes());
    // A process being started elsewhere holds this one's file locks for a moment.
    let tree = loop {
        match sled::open(&home.path) {
            Ok(tree) => break tree,
            Err(sled::Error::Io(_)) => Clock::real().sleep(Duration::from_millis(10)).await,
            Err(error) => panic!("{error}"),
        }
    };
    tree.insert(key, b"?").unwrap();
    drop(tree);

    let cache = home.open();
    assert_eq!(cache.resolve(by_uuid(3)).await, None);
    assert_eq!(cache.resolve(by_uuid(4)).await, None, "sled is left alone from then on");
    assert!(!cache.needs_refill(), "it could not be done");
    cache.insert(identity(3));
    assert_eq!(
        cache.resolve(by_uuid(3)).await.as_deref(),
        Some(&identity(3)),
        "memory still works"
    );
    drop(cache);
    let cache = home.open();
    assert!(cache.needs_refill());
    assert!(home.broken().exists());
}

/// What a killed process leaves behind: the files as they are at some moment, nothing closed.
#[tokio::test]
async fn files_of_a_killed_process_open() {
    let home = Home::new();
    let cache = home.open();
    refill(&cache, 3000).await;
    for n in 3001..3200 {
        cache.insert(identity(n));
    }
    let killed = home.dir.path().join("killed");
    copy_dir(&home.path, &killed);
    drop(cache);

    let cache = IdCache::open(&killed, CAPACITY_MB, OWNER).unwrap();
    assert!(!cache.needs_refill());
    // Not by `resolve`, which does not wait for sled where a machine is busy.
    for n in 1..=3000 {
        assert_eq!(cache.read_sled(by_uuid(n)), Some(identity(n)));
    }
    for n in 3001..3200 {
        if let Some(found) = cache.read_sled(by_pair(n)) {
            assert_eq!(found, identity(n));
        }
    }
}

#[tokio::test]
async fn a_directory_in_use_is_left_alone() {
    let home = Home::new();
    let cache = home.open();
    refill(&cache, 10).await;
    let second = IdCache::open(&home.path, CAPACITY_MB, OWNER).err();
    assert!(matches!(second, Some(IdCacheError::InUse(_))), "{second:?}");
    assert!(!home.broken().exists());
    assert_eq!(cache.read_sled(by_uuid(1)), Some(identity(1)));
}

#[test]
fn a_place_that_cannot_be_used_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a-file");
    fs::write(&file, b"").unwrap();
    let error = IdCache::open(&file.join("cache"), CAPACITY_MB, OWNER).err();
    assert!(matches!(error, Some(IdCacheError::Unusable { .. })), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_get_their_own() {
    let home = Home::new();
    let cache = home.open();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..16 {
        let cache = cache.clone();
        tasks.spawn(async move {
            for n in 1..=500 {
                if (n + task) % 3 == 0 {
                    cache.insert(identity(n));
                }
                if let Some(found) = cache.resolve(by_pair(n)).await {
                    assert_eq!(*found, identity(n));
                }
            }
        });
    }
    tasks.join_all().await;
    for n in 1..=500 {
        assert!(cache.resolve(by_uuid(n)).await.is_some());
    }
}

/// More ids than the memory layer keeps: they come from sled.
#[tokio::test]
async fn memory_is_bounded_and_sled_has_the_rest() {
    const CAMPAIGNS: i64 = 150_000;
    let home = Home::new();
    let cache = IdCache::open(&home.path, 128, OWNER).unwrap();
    for n in 1..=CAMPAIGNS {
        cache.insert(identity(n));
    }
    let in_memory = (1..=CAMPAIGNS).filter(|n| cache.get(by_uuid(*n)).is_some()).count();
    assert!((60_000..=140_000).contains(&in_memory), "{in_memory}");
    refill(&cache, 2000).await;
    assert_eq!(cache.resolve(by_uuid(1)).await.as_deref(), Some(&identity(1)));
}

struct Home {
    dir: TempDir,
    path: PathBuf,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cache");
        Self { dir, path }
    }

    fn open(&self) -> IdCache {
        IdCache::open(&self.path, CAPACITY_MB, OWNER).unwrap()
    }

    fn broken(&self) -> PathBuf {
        self.dir.path().join("cache.broken")
    }
}

enum Damage {
    Overwrite(&'static [u8]),
    ReplaceByDirectory,
    /// To one n-th of the file.
    Truncate(u64),
    ZeroMiddle,
}

impl Damage {
    fn apply(&self, file: &Path) {
        match self {
            Damage::Overwrite(bytes) => fs::write(file, bytes).unwrap(),
            Damage::ReplaceByDirectory => {
                fs::remove_file(file).unwrap();
                fs::create_dir(file).unwrap();
            }
            Damage::Truncate(part) => {
                let file = fs::File::options().write(true).open(file).unwrap();
                file.set_len(file.metadata().unwrap().len() / part).unwrap();
            }
            Damage::ZeroMiddle => {
                let mut bytes = fs::read(file).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle - 2000..middle].fill(0);
                fs::write(file, bytes).unwrap();
            }
        }
    }
}

fn identity(n: i64) -> CampaignIdentity {
    CampaignIdentity {
        uuid: uuid(n),
        pair: Some(pair(n)),
        home: AccountSlug::new("acme").unwrap(),
        home_epoch: 1,
        native: NativeId::new(format!("native-{n}")),
        list_at: Timestamp::from_microsecond(1_700_000_000_000_000 + n).unwrap(),
    }
}

/// Scattered over the key space, as real ones are.
fn uuid(n: i64) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &n.to_be_bytes())
}

fn pair(n: i64) -> PublicPair {
    PublicPair { vdn: VdnId::new(17).unwrap(), number: CampaignNumber::new(n).unwrap() }
}

fn by_uuid(n: i64) -> CampaignKey {
    CampaignKey::Uuid(uuid(n))
}

fn by_pair(n: i64) -> CampaignKey {
    CampaignKey::Pair(pair(n))
}

fn page(after: i64, last: i64) -> Vec<(i64, CampaignIdentity)> {
    (after + 1..=last.min(after + 1000)).map(|n| (n, identity(n))).collect()
}

async fn refill(cache: &IdCache, campaigns: i64) -> u64 {
    let copied: Result<u64, String> = cache.refill(async |after| Ok(page(after, campaigns))).await;
    copied.unwrap()
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
