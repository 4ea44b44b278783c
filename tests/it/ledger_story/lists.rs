//! Lists of campaigns: filters, windows, totals, and pages that show every row once.

use std::cell::Cell;

use dialbridge::domain::campaign::CampaignStatus;
use dialbridge::domain::ids::NativeId;
use dialbridge::domain::listing::Window;
use dialbridge::ledger::Ledger;
use dialbridge::ledger::directory::{DirectoryFilter, DirectoryPage};
use dialbridge::ledger::identity::{PairSource, Sighting};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{Place, at, pair, paired, sight, slug, snapshot, stories, unpaired, uuid, vdn};

stories!(
    every_filter_narrows,
    searching_takes_signs_as_they_are,
    windows_cut_the_list_and_totals_do_not_care,
    equal_times_get_places_of_their_own,
    pages_show_every_row_once_while_rows_come_in,
);

async fn every_filter_narrows(place: Place) {
    let ledger = place.ledger().await;
    for (n, name, status, deleted) in [
        (1, "Spring sale", CampaignStatus::Running, false),
        (2, "Autumn sale", CampaignStatus::Stopped, false),
        (3, "Old sale", CampaignStatus::Ended, true),
    ] {
        let mut sighting = paired(n);
        sighting.snapshot = snapshot(name, status);
        sighting.snapshot.deleted = deleted;
        ledger.sight_campaigns(slug("pairs"), vec![sighting], at(n)).await.unwrap();
    }
    sight(&ledger, "uuids", unpaired(4)).await;
    let names = async |filter: DirectoryFilter| {
        let page = list(&ledger, filter, all()).await;
        assert_eq!(page.total, page.entries.len() as u64);
        page.entries.into_iter().map(|entry| entry.snapshot.name).collect::<Vec<_>>()
    };

    assert_eq!(names(DirectoryFilter::default()).await, [""; 0], "no account named, nothing seen");
    assert_eq!(names(of(&["nobody"])).await, [""; 0]);
    assert_eq!(names(of(&["pairs"])).await, ["Autumn sale", "Spring sale"], "newest first");
    assert_eq!(names(of(&["uuids", "pairs"])).await.len(), 3);
    let filter = DirectoryFilter { include_deleted: true, ..of(&["pairs"]) };
    assert_eq!(names(filter).await, ["Old sale", "Autumn sale", "Spring sale"]);
    let filter = DirectoryFilter { vdn: Some(vdn(900)), ..of(&["uuids", "pairs"]) };
    assert_eq!(names(filter).await, ["Campaign 4"]);
    let filter = DirectoryFilter { status: Some(CampaignStatus::Running), ..of(&["pairs"]) };
    assert_eq!(names(filter).await, ["Spring sale"]);
    let filter = DirectoryFilter { name_contains: Some("RING S".to_owned()), ..of(&["pairs"]) };
    assert_eq!(names(filter.clone()).await, ["Spring sale"]);
    let filter = DirectoryFilter { status: Some(CampaignStatus::Stopped), ..filter };
    assert_eq!(names(filter).await, [""; 0], "all conditions hold together");

    for gone in ledger.unseen_campaigns(slug("pairs"), at(2), 100).await.unwrap() {
        assert!(ledger.mark_as_gone(gone.uuid, at(2), at(9)).await.unwrap());
    }
    assert_eq!(names(of(&["pairs"])).await, ["Autumn sale"]);
}

async fn searching_takes_signs_as_they_are(place: Place) {
    let ledger = place.ledger().await;
    for (n, name) in (1..).zip(["100% sure", "100 sure", "a_b", "axb", "wow!", "ÄRGER", "back\\"])
    {
        let mut sighting = paired(n);
        sighting.snapshot.name = name.to_owned();
        sight(&ledger, "pairs", sighting).await;
    }
    let long = "x".repeat(1_000_000);
    for (part, expected) in [
        ("0% s", vec!["100% sure"]),
        ("A_B", vec!["a_b"]),
        ("!", vec!["wow!"]),
        ("ärg", vec!["ÄRGER"]),
        ("\\", vec!["back\\"]),
        ("' OR 1=1", vec![]),
        (long.as_str(), vec![]),
    ] {
        let filter = DirectoryFilter { name_contains: Some(part.to_owned()), ..of(&["pairs"]) };
        let page = list(&ledger, filter, all()).await;
        let names: Vec<&str> = page.entries.iter().map(|e| e.snapshot.name.as_str()).collect();
        assert_eq!(names, expected, "{}", &part[..part.len().min(20)]);
    }
}

async fn windows_cut_the_list_and_totals_do_not_care(place: Place) {
    let ledger = place.ledger().await;
    for n in 1..=7 {
        ledger.sight_campaigns(slug("pairs"), vec![paired(n)], at(n)).await.unwrap();
    }
    let numbers = async |window| {
        let page = list(&ledger, of(&["pairs"]), window).await;
        assert_eq!(page.total, 7);
        let entries = page.entries.iter();
        entries.map(|e| e.identity.pair.unwrap().number.get()).collect::<Vec<_>>()
    };
    let before = |micros: Option<i64>, limit| Window::Before { list_at: micros.map(at), limit };
    assert_eq!(numbers(before(None, 3)).await, [7, 6, 5]);
    assert_eq!(numbers(before(Some(5), 3)).await, [4, 3, 2], "strictly older");
    assert_eq!(numbers(before(Some(1), 3)).await, [0; 0]);
    assert_eq!(numbers(before(None, 0)).await, [0; 0]);
    assert_eq!(numbers(before(None, u32::MAX)).await, [7, 6, 5, 4, 3, 2, 1]);
    let offset = |offset, limit| Window::Offset { offset, limit };
    assert_eq!(numbers(offset(0, 2)).await, [7, 6]);
    assert_eq!(numbers(offset(6, 2)).await, [1]);
    assert_eq!(numbers(offset(7, 2)).await, [0; 0]);
    assert_eq!(numbers(offset(u64::MAX, u32::MAX)).await, [0; 0]);
}

async fn equal_times_get_places_of_their_own(place: Place) {
    let ledger = place.ledger().await;
    let sightings = (1..=50).map(|n| made_at(n, Some(at(0)))).collect();
    let entries = ledger.sight_campaigns(slug("pairs"), sightings, at(99)).await.unwrap();
    let mut places: Vec<Timestamp> = entries.iter().map(|e| e.identity.list_at).collect();
    places.sort();
    assert_eq!(places, (0..50).map(at).collect::<Vec<_>>(), "the next free microsecond");
    assert!(entries.iter().all(|e| e.snapshot.created_at == Some(at(0))), "and the time is kept");
    let seen_again = ledger.sight_campaigns(slug("pairs"), vec![made_at(1, Some(at(77)))], at(100));
    assert_eq!(seen_again.await.unwrap()[0].identity.list_at, entries[0].identity.list_at);
}

/// Campaigns arrive while a client reads page after page. Every one that was there at the beginning
/// is met exactly once; one that came later at most once.
async fn pages_show_every_row_once_while_rows_come_in(place: Place) {
    let ledger = place.ledger().await;
    // Platform times from a narrow range, so that many are equal; none: the time of first sight.
    let time = || prop::option::weighted(0.8, 0_i64..6);
    let case = (
        prop::collection::vec(time(), 0..24),
        prop::collection::vec(prop::collection::vec(time(), 0..4), 0..8),
        1_u32..7,
    );
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let cases = Cell::new(0);
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        TestRunner::new(config).run(&case, |(first, later, limit)| {
            cases.set(cases.get() + 1);
            let base = 1000 * cases.get();
            runtime.block_on(read_all_pages(&ledger, (base, limit), first, later))
        })
    })
    .unwrap();
}

async fn read_all_pages(
    ledger: &Ledger,
    (base, limit): (i64, u32),
    first: Vec<Option<i64>>,
    later: Vec<Vec<Option<i64>>>,
) -> Result<(), TestCaseError> {
    // A VDN of its own keeps the cases apart in one ledger.
    let own_vdn = base / 1000;
    let mut next = base;
    let mut arrive = async |times: &[Option<i64>]| {
        let sightings: Vec<Sighting> = times
            .iter()
            .map(|time| {
                next += 1;
                let mut sighting = made_at(next, time.map(at));
                sighting.pair = PairSource::Given(pair(own_vdn, next));
                sighting
            })
            .collect();
        let entries = ledger.sight_campaigns(slug("pairs"), sightings, at(3)).await.unwrap();
        entries.into_iter().map(|entry| entry.identity.uuid).collect::<Vec<_>>()
    };
    let there = arrive(&first).await;
    let filter = DirectoryFilter { vdn: Some(vdn(own_vdn)), ..of(&["pairs"]) };
    let mut later = later.iter();
    let mut met = Vec::new();
    let mut last: Option<Timestamp> = None;
    loop {
        let window = Window::Before { list_at: last, limit };
        let page = list(ledger, filter.clone(), window).await;
        let Some(end) = page.entries.last() else { break };
        for entry in &page.entries {
            let place = entry.identity.list_at;
            prop_assert!(last.is_none_or(|last| place < last), "strictly ordered");
            last = Some(place);
        }
        last = Some(end.identity.list_at);
        met.extend(page.entries.iter().map(|entry| entry.identity.uuid));
        if let Some(times) = later.next() {
            arrive(times).await;
        }
    }
    for uuid in &there {
        prop_assert_eq!(met.iter().filter(|met| *met == uuid).count(), 1);
    }
    let distinct: std::collections::BTreeSet<_> = met.iter().collect();
    prop_assert_eq!(distinct.len(), met.len());
    Ok(())
}

fn made_at(n: i64, created_at: Option<Timestamp>) -> Sighting {
    let mut sighting = paired(n);
    sighting.native = NativeId::new(format!("made/{n}"));
    sighting.proposed_uuid = uuid(n);
    sighting.snapshot.created_at = created_at;
    sighting
}

fn of(accounts: &[&str]) -> DirectoryFilter {
    let accounts = accounts.iter().map(|name| slug(name)).collect();
    DirectoryFilter { accounts, ..DirectoryFilter::default() }
}

fn all() -> Window {
    Window::Before { list_at: None, limit: 100 }
}

async fn list(ledger: &Ledger, filter: DirectoryFilter, window: Window) -> DirectoryPage {
    ledger.list_directory(filter, window).await.unwrap()
}
