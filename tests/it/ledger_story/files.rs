//! The file of a ledger is taken away, replaced, damaged, or opened by another name.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

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
        let Some(LedgerError::Corrupt(reason)) = found else { panic!("{found:?}") };
        assert!(reason.contains("ledger.db is damaged"), "{reason}");
        assert!(reason.contains("dialbridge restore COPY --replace"), "{reason}");
    }
}
