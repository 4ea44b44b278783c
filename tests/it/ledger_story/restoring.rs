//! A copy takes the place of a ledger: nothing is handed out twice, nothing that it replaces is thrown away,
//! and what cannot be done is said with what to do.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dialbridge::domain::ids::CampaignKey;
use dialbridge::ledger::identity::PairSource;
use dialbridge::ledger::sqlite::restoring::{RestoreOptions, Restored};
use dialbridge::ledger::{Ledger, LedgerError};
use jiff::Timestamp;
use uuid::Uuid;

use super::files::zero_a_page;
use super::{Place, account, at, by_uuid, paired, sight, unpaired, vdn};

const NOTHING: RestoreOptions = RestoreOptions { replace: false, another_ledger: false };
const REPLACE: RestoreOptions = RestoreOptions { replace: true, another_ledger: false };
const ANOTHER: RestoreOptions = RestoreOptions { replace: true, another_ledger: true };

/// One user whom every system has, and who is not the superuser.
const NOBODY: u32 = 65_534;

impl Place {
    fn beside(&self, name: &str) -> PathBuf {
        self.file().with_file_name(name)
    }

    /// A copy of a ledger that has handed out one number, which stands still from then on.
    async fn copy(&self) -> PathBuf {
        let ledger = self.ledger().await;
        sight(&ledger, "uuids", unpaired(0)).await;
        let copy = self.beside("copy.db");
        ledger.backup(&copy).await.unwrap();
        copy
    }

    fn restore(&self, copy: &Path, options: RestoreOptions) -> Result<Restored, LedgerError> {
        Ledger::restore_sqlite(copy, &self.file(), options, &self.clock)
    }

    /// The epoch, and the next numbers of a virtual VDN that the copy knows and of one that it does not.
    async fn handed_out(&self, n: i64) -> (i64, [i32; 2]) {
        let ledger = self.open().await.unwrap();
        ledger.register_accounts(vec![account("later", Some(901))], at(0)).await.unwrap();
        let mut met_later = unpaired(100 + n);
        met_later.pair = PairSource::Assigned(vdn(901));
        let seen =
            [sight(&ledger, "uuids", unpaired(n)).await, sight(&ledger, "later", met_later).await];
        let numbers = seen.map(|entry| entry.identity.pair.unwrap().number.get());
        (ledger.meta().await.unwrap().epoch, numbers)
    }

    /// The ledger's files are gone, whatever became of them.
    fn lose(&self) {
        for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
            fs::remove_file(self.beside(name)).ok();
        }
        assert!(!self.file().exists());
    }
}

/// What a refusal says.
fn refused(restored: Result<Restored, LedgerError>) -> String {
    restored.expect_err("refused").to_string()
}

#[tokio::test]
async fn restoring_twice_from_one_copy_hands_out_nothing_twice() {
    let place = Place::sqlite();
    let copy = place.copy().await;
    let mut before = (0, [0; 2]);
    for n in 1..=3 {
        // Time stands still: what is remembered beside the ledger is enough.
        place.lose();
        let restored = place.restore(&copy, NOTHING).unwrap();
        let (epoch, numbers) = place.handed_out(n).await;
        assert_eq!(restored, Restored { epoch, newest: Some(at(0)), kept: None });
        assert!(epoch > before.0, "{epoch} after {before:?}");
        for (number, before) in numbers.iter().zip(before.1) {
            assert!(*number >= before + 100_000, "{number} after {before}");
        }
        before = (epoch, numbers);
    }
}

#[tokio::test]
async fn where_nothing_is_remembered_the_clock_goes_on() {
    let place = Place::sqlite();
    let copy = place.copy().await;
    let mut before = (0, [0; 2]);
    for n in 1..=2 {
        place.lose();
        fs::remove_file(place.beside("ledger.db.restored")).ok();
        place.restore(&copy, NOTHING).unwrap();
        let (epoch, numbers) = place.handed_out(n).await;
        assert!(epoch > before.0, "{epoch} after {before:?}");
        for (number, before) in numbers.iter().zip(before.1) {
            assert!(*number >= before + 3600 - 1, "{number} after {before}");
        }
        before = (epoch, numbers);
        place.clock.advance(Duration::from_secs(3600)).await;
    }
}

#[tokio::test]
async fn a_ledger_that_is_replaced_is_counted_on_from() {
    let place = Place::sqlite();
    let copy = place.copy().await;
    place.restore(&copy, REPLACE).unwrap();
    let (epoch, [number, _]) = place.handed_out(1).await;
    fs::remove_file(place.beside("ledger.db.restored")).unwrap();
    place.restore(&copy, REPLACE).unwrap();
    let (later, [next, _]) = place.handed_out(2).await;
    assert!(later > epoch && next > number + 100_000 - 1, "{later} {next}");
}

/// The log of a gateway that was killed holds what was recorded last.
#[tokio::test]
async fn what_is_replaced_is_kept_with_its_log() {
    let place = Place::sqlite();
    let copy = place.copy().await;
    let ledger = place.ledger().await;
    let late = sight(&ledger, "pairs", paired(1)).await;
    let killed = Place::sqlite();
    for name in ["ledger.db", "ledger.db-wal"] {
        fs::copy(place.beside(name), killed.beside(name)).unwrap();
    }
    let log = fs::metadata(killed.beside("ledger.db-wal")).unwrap();
    assert!(log.len() > 0, "it is in the log");
    drop(ledger);

    let restored = killed.restore(&copy, REPLACE).unwrap();
    let kept = restored.kept.unwrap();
    let name = kept.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("ledger.db.replaced-2027"), "{name}");
    let ledger = killed.open().await.unwrap();
    assert_eq!(ledger.find_campaign(by_uuid(&late)).await.unwrap(), None, "not in the copy");
    drop(ledger);
    let ledger = Ledger::open_sqlite(&kept).unwrap();
    assert_eq!(ledger.find_campaign(by_uuid(&late)).await.unwrap(), Some(late.identity));
}

/// What was kept may be put back.
#[tokio::test]
async fn a_copy_is_read_with_the_log_beside_it() {
    let place = Place::sqlite();
    place.copy().await;
    let other = Place::sqlite();
    let (file, log) = (other.beside("kept.db"), other.beside("kept.db-wal"));
    fs::copy(place.beside("copy.db"), &file).unwrap();
    let writer = rusqlite::Connection::open(&file).unwrap();
    writer.pragma_update(None, "journal_mode", "WAL").unwrap();
    writer.execute("UPDATE meta SET epoch = 7000000000", []).unwrap();
    assert!(fs::metadata(&log).unwrap().len() > 0, "it is in the log");
    let restored = other.restore(&file, NOTHING).unwrap();
    assert_eq!(restored.epoch, 7_000_000_001, "what is in the log counts");
    drop(writer);
}

#[tokio::test]
async fn a_copy_of_another_ledger_is_refused_unless_it_is_wanted() {
    let (place, other) = (Place::sqlite(), Place::sqlite());
    let own = place.copy().await;
    let foreign = another_copy(&other).await;
    let id = |ledger: &Ledger| {
        let ledger = ledger.clone();
        async move { ledger.meta().await.unwrap().ledger_id }
    };
    let own_id: Uuid = id(&place.open().await.unwrap()).await;
    let said = refused(place.restore(&foreign, REPLACE));
    assert!(said.contains("another ledger") && said.contains("--another-ledger"), "{said}");
    assert_eq!(id(&place.open().await.unwrap()).await, own_id, "nothing was done");

    place.restore(&own, REPLACE).unwrap();
    place.lose();
    let said = refused(place.restore(&foreign, NOTHING));
    assert!(said.contains("--another-ledger"), "it is remembered which one was there: {said}");
    place.restore(&foreign, ANOTHER).unwrap();
    assert_ne!(id(&place.open().await.unwrap()).await, own_id);
    place.restore(&foreign, REPLACE).expect("it is the one that is there now");
}

/// Of a ledger with an id of its own.
async fn another_copy(place: &Place) -> PathBuf {
    let copy = place.copy().await;
    let file = rusqlite::Connection::open(&copy).unwrap();
    file.execute("UPDATE meta SET ledger_id = randomblob(16)", []).unwrap();
    copy
}

#[tokio::test]
async fn what_is_refused_says_what_to_do_and_changes_nothing() {
    let place = Place::sqlite();
    let copy = place.copy().await;
    let text = place.beside("bk.toml");
    fs::write(&text, "[ledger]\nurl = \"sqlite:ledger.db\"\n").unwrap();
    let (empty, damaged) = (place.beside("empty.db"), place.beside("damaged.db"));
    fs::write(&empty, "").unwrap();
    fs::copy(&copy, &damaged).unwrap();
    zero_a_page(&damaged);
    let sqlite = place.beside("sqlite.db");
    rusqlite::Connection::open(&sqlite).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    let before = fs::read(place.file()).unwrap();
    for (file, options, words) in [
        (place.beside("none.db"), REPLACE, ["none.db", "no such file"]),
        (text, REPLACE, ["bk.toml", "is not a copy of a ledger"]),
        (empty, REPLACE, ["empty.db", "is not a copy of a ledger"]),
        (sqlite, REPLACE, ["sqlite.db", "is not a copy of a ledger"]),
        (damaged, REPLACE, ["damaged.db is damaged", "take another copy"]),
        (copy.clone(), NOTHING, ["ledger.db is a sound ledger", "2027-01-15T08:00:00Z"]),
        (copy.clone(), NOTHING, ["would be lost", "--replace"]),
    ] {
        let said = refused(place.restore(&file, options));
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
        assert!(!said.contains("dialbridge restore"), "that is what is being done: {said}");
    }
    assert_eq!(fs::read(place.file()).unwrap(), before);
    assert!(!place.beside("ledger.db.restored").exists());

    zero_a_page(&place.file());
    let said = refused(place.restore(&copy, NOTHING));
    assert!(said.contains("add --replace") && !said.contains("dialbridge restore"), "{said}");
    let kept = place.restore(&copy, REPLACE).unwrap().kept.expect("somebody may still read it");
    assert!(kept.exists());
    place.open().await.unwrap();
}

#[tokio::test]
async fn a_ledger_that_is_open_is_not_replaced() {
    let place = Place::sqlite();
    let copy = place.copy().await;
    let ledger = place.open().await.unwrap();
    let said = refused(place.restore(&copy, REPLACE));
    assert!(said.contains("open in another process"), "{said}");
    ledger.find_campaign(CampaignKey::Uuid(Uuid::nil())).await.unwrap();
}

/// The superuser restores, and the gateway that serves is somebody else.
#[tokio::test]
async fn a_restored_ledger_belongs_to_whom_its_folder_belongs() {
    let place = Place::sqlite();
    let copy = place.copy().await;
    place.lose();
    let folder = place.file().parent().unwrap().to_owned();
    fs::remove_file(place.beside("ledger.db.lock")).unwrap();
    // Only the superuser can give it away; everybody else's own files are their own anyway.
    chown(&folder, Some(NOBODY), None).ok();
    let owner = fs::metadata(&folder).unwrap().uid();
    place.restore(&copy, NOTHING).unwrap();
    for name in ["ledger.db", "ledger.db.lock", "ledger.db.restored"] {
        let metadata = fs::metadata(place.beside(name)).unwrap();
        assert_eq!((metadata.uid(), metadata.mode() & 0o777), (owner, 0o600), "{name}");
    }
}

#[tokio::test]
async fn whoever_looks_makes_no_file_and_does_not_wait_for_who_serves() {
    let names = |place: &Place| {
        let entries = fs::read_dir(place.file().parent().unwrap()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let place = Place::sqlite();
    let inspect = || Ledger::inspect_sqlite(&place.file(), Vec::new());
    let nothing = inspect().expect_err("there is none");
    assert!(matches!(nothing, LedgerError::Schema { found: 0, .. }), "{nothing:?}");
    assert!(names(&place).is_empty(), "{:?}", names(&place));

    let ledger = place.ledger().await;
    sight(&ledger, "pairs", paired(1)).await;
    let served = names(&place);
    let found = inspect().unwrap();
    assert!(found.is_in_use && found.keys.is_ok(), "{found:?}");
    assert_eq!(names(&place), served);
    sight(&ledger, "pairs", paired(2)).await;

    drop(ledger);
    let stopped = names(&place);
    assert!(!stopped.iter().any(|name| name == "ledger.db-wal"), "{stopped:?}");
    let found = inspect().unwrap();
    assert!(!found.is_in_use && found.keys.is_ok(), "{found:?}");
    assert_eq!(names(&place), stopped);
    place.open().await.expect("and keeps nobody out");
}

/// Of a campaign that the copy does not have nobody knows what its client stated; of one that it has, and of
/// one that was made before or after all that, it is known.
#[tokio::test]
async fn campaigns_that_a_copy_does_not_have_may_have_been_forgotten() {
    let place = Place::sqlite();
    let copy = place.copy().await;
    let ledger = place.open().await.unwrap();
    let before = sight(&ledger, "uuids", unpaired(0)).await;
    assert!(!ledger.may_have_been_forgotten(before.identity.uuid).await.unwrap());
    drop(ledger);
    place.restore(&copy, REPLACE).unwrap();
    let now = place.clock.wall();
    let ledger = place.open().await.unwrap();
    let forgotten = async |n: i64, created_at: Option<Timestamp>| {
        let mut sighting = unpaired(n);
        sighting.snapshot.created_at = created_at;
        let seen = sight(&ledger, "uuids", sighting).await;
        ledger.may_have_been_forgotten(seen.identity.uuid).await.unwrap()
    };
    assert!(!ledger.may_have_been_forgotten(before.identity.uuid).await.unwrap());
    assert!(forgotten(1, None).await && forgotten(2, Some(now)).await);
    let two_days = Duration::from_secs(2 * 86_400);
    assert!(!forgotten(3, Some(now + two_days)).await, "it was made after the restore");
    assert!(!forgotten(4, Some(Timestamp::UNIX_EPOCH - two_days)).await, "the copy would have it");
}
