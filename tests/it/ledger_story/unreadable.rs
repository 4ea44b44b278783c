//! A row that cannot be read is set aside: what is read together with it goes on.

use std::time::Duration;

use dialbridge::domain::destination::Destination;
use dialbridge::ledger::LedgerError;
use dialbridge::ledger::deliveries::DeliveryFilter;
use dialbridge::ledger::inbox::{DuePage, NewPush};
use dialbridge::ledger::jobs::{JobState, NewJob};
use dialbridge::ledger::journal::JournalEntry;
use dialbridge::ledger::outbox::{DeliveryState, Told, Tried, Verdict};

use super::inbox::seen;
use super::receivers::receiver;
use super::{Place, at, paired, sight, slug, stories, uuid};

stories! {
    an_event_that_cannot_be_read_keeps_none_of_the_others,
    a_push_whose_row_cannot_be_read_keeps_none_of_the_others,
    a_job_that_cannot_be_read_keeps_none_of_the_others,
    a_destination_that_cannot_be_read_keeps_none_of_the_others,
}

async fn an_event_that_cannot_be_read_keeps_none_of_the_others(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let destination = Destination {
        is_receiver: false,
        shape: "standard".to_owned(),
        ..receiver(1, "http://1.example.com/")
    };
    let entry = JournalEntry::new(at(1), "operator", "destination");
    ledger.add_destination(destination, entry).await.unwrap();
    let attempts = ["a", "b", "c", "d"].map(seen).to_vec();
    ledger.record_attempts(slug("pairs"), campaign, attempts, at(5)).await.unwrap();
    let nth = |n: usize| format!("(SELECT id FROM event ORDER BY id LIMIT 1 OFFSET {n})");
    place.tamper(&format!("UPDATE event SET body = '[erased' WHERE id = {}", nth(1)));
    place.tamper(&format!("UPDATE event SET at = 9223372036854775807 WHERE id = {}", nth(2)));
    let span = (at(10), at(10) + Duration::from_secs(60));
    let leased = ledger.lease_deliveries(uuid(7001), (false, 10), [].into(), span).await.unwrap();
    let reason = |told: &Told| match told {
        Told::Attempt(_) => None,
        Told::Unreadable(why) => Some(why.clone()),
        Told::Push { .. } => panic!("nobody pushed"),
    };
    let reasons: Vec<_> = leased.iter().map(|leased| reason(&leased.event.what)).collect();
    let is_read: Vec<bool> = reasons.iter().map(Option::is_none).collect();
    assert_eq!(is_read, [true, false, false, true], "{reasons:?}");
    assert!(reasons[1].as_ref().unwrap().ends_with("is not an attempt"), "{reasons:?}");
    assert!(reasons[2].as_ref().unwrap().ends_with("is not a time"), "{reasons:?}");

    // It ends, and is in the books.
    let dead = Tried {
        number: leased[1].number,
        fence: leased[1].fence,
        verdict: Verdict::Dead,
        status: None,
        error: reasons[1].clone(),
        answer: None,
    };
    ledger.record_tries(vec![dead], at(20)).await.unwrap();
    let row = ledger.destinations().await.unwrap().remove(0);
    assert_eq!((row.created, row.dead, row.delivered), (4, 1, 0));
    let filter = DeliveryFilter {
        accounts: vec![slug("pairs")],
        state: Some(DeliveryState::Dead),
        ..DeliveryFilter::default()
    };
    let listed = ledger.list_deliveries(filter, None, 10).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].number, &listed[0].error), (leased[1].number, &reasons[1]));
}

async fn a_push_whose_row_cannot_be_read_keeps_none_of_the_others(place: Place) {
    let ledger = place.ledger().await;
    for body in ["[1]", "[2]", "[3]"] {
        let push = NewPush {
            account: slug("pairs"),
            body: body.to_owned(),
            original: None,
            proof: None,
            campaign: None,
            trace: None,
        };
        ledger.append_inbox(push, at(0)).await.unwrap();
    }
    let first = |change: &str| {
        place.tamper(&format!("UPDATE inbox SET {change} WHERE body = '[1]'"));
    };
    let due = async |now| {
        // No more are read than there are: what cannot be read takes no other's place for long.
        let page = DuePage { rows: 1, bytes: u64::MAX, ..DuePage::default() };
        let due = ledger.due_inbox(page, now).await.unwrap();
        due.into_iter().map(|row| row.body).collect::<Vec<_>>()
    };
    first("waiting = '[0'");
    assert_eq!(due(at(1)).await, [""; 0]);
    assert_eq!(due(at(1)).await, ["[2]"]);
    assert_eq!(ledger.inbox_counts().await.unwrap()[0].waiting, 3, "it is not lost");
    first("waiting = NULL");
    assert_eq!(due(at(1)).await, ["[2]"], "it waits");
    for (body, left) in [("[2]", "[3]"), ("[3]", "[1]")] {
        place.tamper(&format!("UPDATE inbox SET processed_at = 1 WHERE body = '{body}'"));
        assert_eq!(due(at(1) + Duration::from_secs(3600)).await, [left]);
    }
}

fn job(n: i64) -> NewJob {
    NewJob {
        uuid: uuid(5000 + n),
        kind: "kind".to_owned(),
        subject: Some(uuid(n)),
        account: slug("pairs"),
        actor: "crm".to_owned(),
        request_id: None,
        input: "{}".to_owned(),
        run_at: at(n),
    }
}

async fn a_job_that_cannot_be_read_keeps_none_of_the_others(place: Place) {
    let ledger = place.ledger().await;
    for n in 1..=3 {
        ledger.submit_job(job(n), at(0)).await.unwrap();
    }
    let second = |created_at: i64| {
        let second = "(SELECT id FROM job ORDER BY id LIMIT 1 OFFSET 1)";
        place.tamper(&format!("UPDATE job SET created_at = {created_at} WHERE id = {second}"));
    };
    second(i64::MAX);
    let leased = ledger.lease_jobs(uuid(1), vec!["kind"], 10, at(1000), at(100)).await.unwrap();
    let leased: Vec<_> = leased.into_iter().map(|row| row.uuid).collect();
    assert_eq!(leased, [uuid(5001), uuid(5003)]);
    let read = ledger.find_job(uuid(5002)).await;
    assert!(matches!(read, Err(LedgerError::Corrupt(_))), "{read:?}");
    second(0);
    let failed = ledger.find_job(uuid(5002)).await.unwrap().unwrap();
    assert_eq!(failed.state, JobState::Failed);
    assert_eq!(failed.error.as_deref(), Some("what is stored of it cannot be read"));
}

/// Not even its id; PostgreSQL takes no such.
#[tokio::test]
async fn a_job_without_a_name_keeps_none_of_the_others() {
    let place = Place::sqlite();
    let ledger = place.ledger().await;
    for n in 1..=2 {
        ledger.submit_job(job(n), at(0)).await.unwrap();
    }
    place.tamper("UPDATE job SET uuid = 'no uuid' WHERE id = (SELECT MIN(id) FROM job)");
    let leased = ledger.lease_jobs(uuid(1), vec!["kind"], 10, at(1000), at(100)).await.unwrap();
    let leased: Vec<_> = leased.into_iter().map(|row| row.uuid).collect();
    assert_eq!(leased, [uuid(5002)]);
    let again = ledger.lease_jobs(uuid(1), vec!["kind"], 10, at(3000), at(2000)).await.unwrap();
    assert_eq!(again.len(), 1, "it has failed, once");
}

async fn a_destination_that_cannot_be_read_keeps_none_of_the_others(place: Place) {
    let ledger = place.ledger().await;
    for n in 1..=2 {
        let destination =
            Destination { is_receiver: false, ..receiver(n, &format!("http://{n}.example.com/")) };
        let entry = JournalEntry::new(at(1), "operator", "destination");
        ledger.add_destination(destination, entry).await.unwrap();
    }
    let all = ledger.destinations().await.unwrap();
    place.tamper(
        "UPDATE destination SET concurrency = -1 WHERE id = (SELECT MIN(id) FROM destination)",
    );
    let left = ledger.destinations().await.unwrap();
    assert_eq!(left, all[1..]);
}
