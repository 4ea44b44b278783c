//! What only a file, or only a server, can do to its ledger.

use std::collections::HashSet;

use dialbridge::domain::ids::CampaignKey;
use dialbridge::ledger::{Ledger, LedgerError};
use tokio::task::JoinSet;

use super::inbox::seen;
use super::{At, Place, at, paired, sight, slug, uuid};

/// Verbs that share a commit do not share their failures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verbs_of_one_commit_fail_alone() {
    let place = Place::sqlite();
    let ledger = place.ledger().await;
    sight(&ledger, "pairs", paired(1000)).await;
    let mut tasks = JoinSet::new();
    for n in 1..=200 {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            let mut second = paired(1000 + n);
            if n % 10 == 0 {
                second.proposed_uuid = uuid(1000);
            }
            let seen = ledger.sight_campaigns(slug("pairs"), vec![paired(n), second], at(0)).await;
            (n, seen.map(|_| ()))
        });
    }
    for (n, seen) in tasks.join_all().await {
        let kept = ledger.find_campaign(CampaignKey::Uuid(uuid(n))).await.unwrap().is_some();
        assert_eq!(kept, n % 10 != 0, "{n}: {seen:?}");
        assert_eq!(seen.is_ok(), kept);
    }
}

#[tokio::test]
async fn a_file_is_open_in_one_process_only() {
    let place = Place::sqlite();
    let ledger = place.ledger().await;
    for refused in [place.open().await.err(), place.migrate().await.err()] {
        let Some(LedgerError::Unavailable(reason)) = refused else { panic!("{refused:?}") };
        assert!(reason.contains("open in another process"), "{reason}");
    }
    drop(ledger);
    place.open().await.expect("free again");
}

#[tokio::test]
async fn a_file_held_by_others_is_unavailable_until_they_let_go() {
    let place = Place::sqlite();
    let ledger = place.ledger().await;
    let At::File(dir) = &place.at else { unreachable!() };
    let other = rusqlite::Connection::open(dir.path().join("ledger.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = ledger.sight_campaigns(slug("pairs"), vec![paired(1)], at(0)).await;
    assert!(matches!(refused, Err(LedgerError::Unavailable(_))), "{refused:?}");
    assert_eq!(ledger.find_campaign(CampaignKey::Uuid(uuid(1))).await, Ok(None), "reads go on");
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    // On a busy machine the first writer after that may still find the file held for a moment.
    for last in [false, false, true] {
        match ledger.sight_campaigns(slug("pairs"), vec![paired(1)], at(0)).await {
            Ok(_) => break,
            Err(error) => assert!(!last, "{error}"),
        }
    }
}

#[tokio::test]
async fn the_file_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::sqlite();
    let ledger = place.ledger().await;
    sight(&ledger, "pairs", paired(1)).await;
    let At::File(dir) = &place.at else { unreachable!() };
    for file in std::fs::read_dir(dir.path()).unwrap().map(Result::unwrap) {
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?} holds phone numbers", file.file_name());
    }
}

#[test]
fn what_is_no_ledger_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ledger.db");
    std::fs::write(&file, [b'x'; 8192]).unwrap();
    let refused = Ledger::open_sqlite(&file).err();
    assert!(matches!(refused, Some(LedgerError::Damaged(_))), "{refused:?}");
    let nowhere = Ledger::open_sqlite(&dir.path().join("no/such/directory/ledger.db")).err();
    assert!(matches!(nowhere, Some(LedgerError::Unavailable(_))), "{nowhere:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    for url in ["host=/nonexistent user=nobody dbname=nothing password=hunter2", "no url at all"] {
        let refused = Ledger::open_postgres(url, 2).await.err();
        let Some(LedgerError::Unavailable(reason)) = refused else { panic!("{refused:?}") };
        assert!(!reason.contains("hunter2"), "{reason}");
    }
}

/// One microsecond has one place in lists, and a platform may tell of any number of attempts with one time.
#[tokio::test]
async fn attempts_of_one_moment_all_have_a_place() {
    let place = Place::sqlite();
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let rows = (0..10_050).map(|n| {
        let mut row = seen(&n.to_string());
        row.attempt.dialed_at = Some(at(1_000_001));
        row
    });
    let rows = rows.collect();
    let rows = ledger.record_attempts(slug("pairs"), campaign, rows, at(0)).await.unwrap();
    let places: HashSet<_> = rows.iter().map(|(row, _)| row.list_at).collect();
    assert_eq!(places.len(), 10_050);
    assert!(places.iter().all(|place| (at(1_000_001)..at(2_100_000)).contains(place)));
}
