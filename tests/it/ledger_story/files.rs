//! The file of a ledger is taken away, replaced, damaged, or opened by another name.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use dialbridge::ledger::directory::DirectoryEntry;
use dialbridge::ledger::sqlite::restoring::RestoreOptions;
use dialbridge::ledger::{Ledger, LedgerError};

use super::{At, Place, at, by_uuid, paired, sight, slug};
use crate::support::until;

impl Place {
    pub fn file(&self) -> PathBuf {
        let At::File(dir) = &self.at else { unreachable!() };
        dir.path().join("ledger.db")
    }
}

/// What is answered after the file was taken away, first by a write and then by a reading.
async fn refused_after(take_away: impl FnOnce(&Path)) -> [LedgerError; 2] {
    let place = Place::sqlite();
    let ledger = place.ledger().await;
    let entry = sight(&ledger, "pairs", paired(1)).await;
    take_away(&place.file());
    let written = ledger.sight_campaigns(slug("pairs"), vec![paired(2)], at(0)).await;
    let read = ledger.find_campaign(by_uuid(&entry)).await;
    [written.expect_err("it went into a file that nobody finds"), read.expect_err("it is lost")]
}

/// Takes the file away, one way or another.
type TakeAway = Box<dyn FnOnce(&Path)>;

#[tokio::test]
async fn what_is_written_after_the_file_was_taken_away_is_not_answered_as_done() {
    let beside = |file: &Path, name: &str| file.with_file_name(name);
    let cases: [(&str, &str, TakeAway); 5] = [
        ("removed", "was removed", Box::new(|file| fs::remove_file(file).unwrap())),
        (
            "renamed",
            "was removed",
            Box::new(move |file| fs::rename(file, beside(file, "elsewhere")).unwrap()),
        ),
        (
            "replaced by a copy",
            "was replaced",
            Box::new(move |file| {
                fs::copy(file, beside(file, "copy")).unwrap();
                fs::rename(beside(file, "copy"), file).unwrap();
            }),
        ),
        (
            "log removed",
            "ledger.db-wal was removed",
            Box::new(move |file| fs::remove_file(beside(file, "ledger.db-wal")).unwrap()),
        ),
        (
            "index of the log removed",
            "ledger.db-shm was removed",
            Box::new(move |file| fs::remove_file(beside(file, "ledger.db-shm")).unwrap()),
        ),
    ];
    for (name, said, take_away) in cases {
        let [written, read] = refused_after(take_away).await;
        assert!(matches!(written, LedgerError::Unclear(_)), "{name}: {written:?}");
        assert!(matches!(read, LedgerError::Unavailable(_)), "{name}: {read:?}");
        for error in [written, read] {
            let text = error.to_string();
            assert!(text.contains(said) && text.contains("start again"), "{name}: {text}");
        }
    }
}

/// A ledger in use, and a copy of its file from an earlier run, each with a campaign more than the one
/// before.
async fn with_older_copy() -> (Place, Ledger, Vec<u8>) {
    let place = Place::sqlite();
    sight(&place.ledger().await, "pairs", paired(1)).await;
    let older = fs::read(place.file()).unwrap();
    sight(&place.open().await.unwrap(), "pairs", paired(2)).await;
    let ledger = place.open().await.unwrap();
    sight(&ledger, "pairs", paired(3)).await;
    (place, ledger, older)
}

/// Writes into the file that is there, as `cp` does, and not into another one of its name.
fn overwrite(file: &Path, bytes: &[u8]) {
    fs::write(file, bytes).unwrap();
}

fn log_of(file: &Path) -> PathBuf {
    file.with_file_name("ledger.db-wal")
}

/// Overwrites the ledger's file, whose older copy it is given, or what stands beside it.
type Overwrite = fn(&Path, &[u8]);

#[tokio::test]
async fn what_is_written_after_the_file_was_overwritten_is_not_answered_as_done() {
    let cases: [(&str, Overwrite); 6] = [
        ("by an older copy", |file, older| overwrite(file, older)),
        ("by something else of its length", |file, _| {
            let length = fs::metadata(file).unwrap().len();
            overwrite(file, &vec![b'x'; usize::try_from(length).unwrap()]);
        }),
        ("emptied", |file, _| overwrite(file, &[])),
        ("cut", |file, _| {
            let whole = fs::read(file).unwrap();
            overwrite(file, &whole[..whole.len() / 2]);
        }),
        ("log emptied", |file, _| overwrite(&log_of(file), &[])),
        ("log overwritten", |file, _| {
            let length = fs::metadata(log_of(file)).unwrap().len();
            overwrite(&log_of(file), &vec![0; usize::try_from(length).unwrap()]);
        }),
    ];
    for (name, overwrite) in cases {
        let (place, ledger, older) = with_older_copy().await;
        overwrite(&place.file(), &older);
        let written = ledger.sight_campaigns(slug("pairs"), vec![paired(4)], at(0)).await;
        let written = written.expect_err(name);
        let read = ledger.meta().await.expect_err(name);
        assert!(matches!(read, LedgerError::Unavailable(_)), "{name}: {read:?}");
        for error in [written, read] {
            assert!(error.is_of_the_store(), "{name}: {error:?}");
            let text = error.to_string();
            assert!(text.contains("ledger.db") && text.contains("start again"), "{name}: {text}");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_overwritten_is_missed_although_nobody_writes() {
    let cases: [Overwrite; 2] =
        [|file, older| overwrite(file, older), |file, _| overwrite(&log_of(file), &[])];
    for overwrite in cases {
        let (place, ledger, older) = with_older_copy().await;
        overwrite(&place.file(), &older);
        until(async || ledger.meta().await.is_err()).await;
    }
}

/// The first page that cannot be read shows that the file is not what was written.
#[tokio::test]
async fn a_page_that_is_found_damaged_loses_the_ledger() {
    let place = Place::sqlite();
    let entry = sight(&place.ledger().await, "pairs", paired(1)).await;
    let ledger = place.open().await.unwrap();
    let mut bytes = fs::read(place.file()).unwrap();
    let header = bytes[..100].to_vec();
    bytes.fill(0xa5);
    bytes[..100].copy_from_slice(&header);
    overwrite(&place.file(), &bytes);
    let read = ledger.find_campaign(by_uuid(&entry)).await.unwrap_err();
    assert!(read.to_string().contains("damaged") && read.is_of_the_store(), "{read:?}");
    let written = ledger.sight_campaigns(slug("pairs"), vec![paired(2)], at(0)).await;
    let written = written.unwrap_err().to_string();
    assert!(written.contains("was found damaged") && written.contains("start again"), "{written}");
}

/// The files of a ledger as they are when its process is killed now.
fn as_if_killed(file: &Path) -> tempfile::TempDir {
    let left = tempfile::tempdir().unwrap();
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        fs::copy(file.with_file_name(name), left.path().join(name)).unwrap();
    }
    left
}

/// Changes the bytes of a log.
type Damage = fn(&mut Vec<u8>);

/// So that the pages from there on cannot be read.
fn damage_middle(log: &mut [u8]) {
    let middle = log.len() / 2;
    log[middle..].fill(0xa5);
}

fn refused(opened: Result<Ledger, LedgerError>) -> String {
    let refused = opened.map(drop).expect_err("commits are missing");
    assert!(matches!(refused, LedgerError::Damaged(_)), "{refused:?}");
    refused.to_string()
}

async fn how_many(ledger: &Ledger, entries: &[DirectoryEntry]) -> usize {
    let mut there = 0;
    for entry in entries {
        there += usize::from(ledger.find_campaign(by_uuid(entry)).await.unwrap().is_some());
    }
    there
}

/// SQLite drops what follows the first page of its log that it cannot read. After a power failure that was
/// never answered as done; here it was.
#[tokio::test]
async fn commits_that_cannot_be_read_from_the_log_any_more_are_missed_at_the_start() {
    let place = Place::sqlite();
    let ledger = place.ledger().await;
    let mut entries = Vec::new();
    for n in 1..30 {
        entries.push(sight(&ledger, "pairs", paired(n)).await);
    }
    let cases: [(&str, Damage); 7] = [
        ("a page", |log| log[32 + 24 + 100] ^= 1),
        ("its second half", |log| damage_middle(log)),
        ("the head's sum", |log| log[24] ^= 1),
        ("what it is", |log| log[0] ^= 1),
        ("an older log", |log| log[19] = log[19].wrapping_sub(1)),
        ("zeros", |log| log.fill(0)),
        ("emptied", Vec::clear),
    ];
    for (name, damage) in cases {
        let left = as_if_killed(&place.file());
        let file = left.path().join("ledger.db");
        let whole = fs::read(log_of(&file)).unwrap();
        let mut damaged = whole.clone();
        damage(&mut damaged);
        fs::write(log_of(&file), damaged).unwrap();
        let migrated = Ledger::migrate_sqlite(&file, &place.clock);
        assert!(matches!(migrated, Err(LedgerError::Damaged(_))), "{name}: {migrated:?}");
        let text = refused(Ledger::open_sqlite(&file));
        assert!(text.contains("dialbridge restore") && text.contains("ledger.db-wal"), "{text}");
        // Nothing was changed by the attempts: the log is mended, and everything is there.
        fs::write(log_of(&file), whole).unwrap();
        let ledger = Ledger::open_sqlite(&file).unwrap();
        assert_eq!(how_many(&ledger, &entries).await, entries.len(), "{name}");
    }
    let left = as_if_killed(&place.file());
    fs::remove_file(log_of(&left.path().join("ledger.db"))).unwrap();
    refused(Ledger::open_sqlite(&left.path().join("ledger.db")));
}

/// What the error advises brings back what is left, and never less, in a ledger that hands out nothing a
/// second time.
#[tokio::test]
async fn whoever_says_so_goes_on_with_what_is_left() {
    let place = Place::sqlite();
    let ledger = place.ledger().await;
    let mut entries = Vec::new();
    for n in 1..30 {
        entries.push(sight(&ledger, "pairs", paired(n)).await);
    }
    let damaged = || {
        let left = as_if_killed(&place.file());
        let file = left.path().join("ledger.db");
        let mut log = fs::read(log_of(&file)).unwrap();
        damage_middle(&mut log);
        fs::write(log_of(&file), log).unwrap();
        (left, file)
    };
    let restored = async |file: &Path, with_log: bool| {
        let aside = file.with_file_name("aside");
        fs::create_dir(&aside).unwrap();
        let copy = aside.join("ledger.db");
        fs::rename(file, &copy).unwrap();
        if with_log {
            fs::rename(log_of(file), log_of(&copy)).unwrap();
        }
        let options = RestoreOptions::default();
        let done = Ledger::restore_sqlite(&copy, file, options, &place.clock).unwrap();
        let ledger = Ledger::open_sqlite(file).unwrap();
        assert_eq!(ledger.meta().await.unwrap().epoch, done.epoch);
        assert!(done.epoch > 1, "ids that are remembered elsewhere are those of another ledger");
        how_many(&ledger, &entries).await
    };
    let (_left, file) = damaged();
    let text = refused(Ledger::open_sqlite(&file));
    assert!(text.contains("ledger.db-wal (without"), "{text}");
    // A restore of another copy does not take it for a sound one.
    let other = file.with_file_name("other.db");
    ledger.backup(&other).await.unwrap();
    let options = RestoreOptions::default();
    let replaced = Ledger::restore_sqlite(&other, &file, options, &place.clock).unwrap_err();
    assert!(replaced.to_string().contains("is of no use"), "{replaced}");
    assert_eq!(refused(Ledger::open_sqlite(&file)), text, "that it was looked at changes nothing");
    let there = restored(&file, true).await;
    assert!((1..entries.len()).contains(&there), "{there}");
    // All of it is in the ledger file; the older pages of the log would hide that.
    place.tamper("PRAGMA wal_checkpoint(FULL)");
    let (_left, file) = damaged();
    let text = refused(Ledger::open_sqlite(&file));
    assert!(text.contains("0 are lost") && text.contains("(without"), "{text}");
    assert!(!text.contains("ledger.db-wal (without"), "{text}");
    assert_eq!(restored(&file, false).await, entries.len());
    // Without any of the log nothing is missing.
    let left = as_if_killed(&place.file());
    let file = left.path().join("ledger.db");
    fs::write(log_of(&file), []).unwrap();
    assert_eq!(how_many(&Ledger::open_sqlite(&file).unwrap(), &entries).await, entries.len());
}

/// Nothing is written into a file that is not what it was left as, and the log stays beside it: whoever puts
/// the right file back has everything.
#[tokio::test]
async fn a_lost_ledger_keeps_its_log_for_the_file_that_is_put_back() {
    let losses: [Overwrite; 2] =
        [|file, older| overwrite(file, older), |file, _| overwrite(file, &vec![b'x'; 4096])];
    for lose in losses {
        let (place, ledger, older) = with_older_copy().await;
        let entry = sight(&ledger, "pairs", paired(4)).await;
        let right = fs::read(place.file()).unwrap();
        lose(&place.file(), &older);
        let wrong = fs::read(place.file()).unwrap();
        until(async || ledger.meta().await.is_err()).await;
        drop(ledger);
        assert!(fs::read(place.file()).unwrap() == wrong, "nothing is written there any more");
        overwrite(&place.file(), &right);
        let ledger = place.open().await.unwrap();
        let there = ledger.find_campaign(by_uuid(&entry)).await.unwrap();
        assert!(there.is_some(), "it was answered as done");
    }
}

/// Whoever writes as SQLite does is no stranger, and neither are the ledger's own checkpoints.
#[tokio::test]
async fn what_sqlite_itself_writes_is_no_damage() {
    let place = Place::sqlite();
    let ledger = place.ledger().await;
    let goes_on = async |from: i64| {
        for n in from..from + 3 {
            sight(&ledger, "pairs", paired(n)).await;
        }
    };
    let meanwhile = [
        "PRAGMA wal_checkpoint(PASSIVE)",
        "PRAGMA wal_checkpoint(FULL)",
        "PRAGMA wal_checkpoint(RESTART)",
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "CREATE TABLE odd (text TEXT); INSERT INTO odd VALUES (hex(randomblob(100000)))",
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "DROP TABLE odd; VACUUM",
        "PRAGMA wal_checkpoint(PASSIVE)",
        "UPDATE campaign_state SET fetched_at = 5",
    ];
    for (sql, from) in meanwhile.into_iter().zip((10..).step_by(10)) {
        goes_on(from).await;
        place.tamper(sql);
        goes_on(from + 3).await;
        ledger.scrub().await.unwrap();
        goes_on(from + 6).await;
    }
    ledger.backup(&place.file().with_file_name("copy")).await.unwrap();
    goes_on(1).await;
}

#[tokio::test]
async fn a_file_that_is_taken_away_is_missed_although_nobody_writes() {
    let place = Place::sqlite();
    let ledger = place.ledger().await;
    fs::remove_file(place.file()).unwrap();
    until(async || ledger.meta().await.is_err()).await;
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_now_is_a_file_that_was_replaced() {
    let (here, there) = (Place::sqlite(), Place::sqlite());
    drop((here.ledger().await, there.ledger().await));
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("ledger.db");
    symlink(here.file(), &link).unwrap();
    let ledger = Ledger::open_sqlite(&link).unwrap();
    sight(&ledger, "pairs", paired(1)).await;
    fs::remove_file(&link).unwrap();
    symlink(there.file(), &link).unwrap();
    let written = ledger.sight_campaigns(slug("pairs"), vec![paired(2)], at(0)).await;
    assert!(written.as_ref().is_err_and(|error| error.to_string().contains("was replaced")));
}

#[tokio::test]
async fn one_file_is_open_once_under_whatever_name() {
    let place = Place::sqlite();
    let ledger = place.ledger().await;
    let directory = tempfile::tempdir().unwrap();
    let (link, other_name) = (directory.path().join("link.db"), place.file().with_file_name("b"));
    symlink(place.file(), &link).unwrap();
    fs::hard_link(place.file(), &other_name).unwrap();
    // Whoever cleans up what looks like a leftover must not open the door.
    fs::remove_file(place.file().with_file_name("ledger.db.lock")).unwrap();
    for name in [place.file(), link.clone(), other_name] {
        let opened = Ledger::open_sqlite(&name).err();
        let Some(LedgerError::Unavailable(reason)) = opened else { panic!("{opened:?}") };
        assert!(reason.contains("open in another process"), "{reason}");
    }
    sight(&ledger, "pairs", paired(1)).await;
    drop(ledger);
    Ledger::open_sqlite(&link).expect("free again");
}

/// Overwrites a page in the middle of the file with zeros.
pub fn zero_a_page(file: &Path) {
    const PAGE_BYTES: usize = 4096;
    let mut bytes = fs::read(file).unwrap();
    let pages = bytes.len() / PAGE_BYTES;
    assert!(pages > 20, "{pages} pages");
    bytes[10 * PAGE_BYTES..11 * PAGE_BYTES].fill(0);
    fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn a_damaged_file_is_found_before_anything_is_answered_from_it() {
    let place = Place::sqlite();
    drop(place.ledger().await);
    let inspect = || Ledger::inspect_sqlite(&place.file(), Vec::new());
    inspect().expect("sound as yet");
    zero_a_page(&place.file());
    for found in [place.open().await.err(), inspect().err()] {
        let Some(LedgerError::Damaged(reason)) = found else { panic!("{found:?}") };
        assert!(reason.contains("ledger.db is damaged"), "{reason}");
        assert!(reason.contains("dialbridge restore COPY --replace"), "{reason}");
    }
}
