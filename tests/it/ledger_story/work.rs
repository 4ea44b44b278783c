//! Jobs: leased by one, fenced, kept in doubt until a step has ended.

use dialbridge::ledger::jobs::{JobFilter, JobState, NewJob, Turn};
use dialbridge::ledger::{Ledger, LedgerError};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{Place, at, slug, stories, uuid};

stories!(
    a_job_is_leased_by_one,
    a_job_that_is_submitted_again_is_the_same,
    many_submits_about_one_subject_are_one_job,
    a_step_that_was_begun_is_in_doubt_until_it_ends,
    who_lost_the_lease_changes_nothing,
    a_postponed_job_waits_for_its_time,
    leases_are_given_back,
    jobs_are_listed_newest_first,
    jobs_of_other_kinds_are_left,
    jobs_that_are_over_are_forgotten_in_time,
);

fn job(n: i64, subject: Option<i64>) -> NewJob {
    NewJob {
        uuid: uuid(5000 + n),
        kind: "kind".to_owned(),
        subject: subject.map(uuid),
        account: slug("pairs"),
        actor: "crm".to_owned(),
        request_id: None,
        input: format!("{{\"n\":{n}}}"),
        run_at: at(n),
    }
}

/// What most jobs here are.
fn kinds() -> Vec<&'static str> {
    vec!["kind"]
}

async fn a_job_is_leased_by_one(place: Place) {
    let ledger = place.ledger().await;
    for n in 0..20 {
        ledger.submit_job(job(n, None), at(0)).await.unwrap();
    }
    let mut leasers = JoinSet::new();
    for owner in 0..8 {
        let ledger = ledger.clone();
        leasers.spawn(async move {
            let mut mine = Vec::new();
            for _ in 0..10 {
                let leased =
                    ledger.lease_jobs(uuid(owner), kinds(), 2, at(1000), at(100)).await.unwrap();
                mine.extend(leased.into_iter().map(|row| row.uuid));
            }
            mine
        });
    }
    let mut all: Vec<Uuid> = leasers.join_all().await.concat();
    all.sort_unstable();
    let mut expected: Vec<Uuid> = (0..20).map(|n| uuid(5000 + n)).collect();
    expected.sort_unstable();
    assert_eq!(all, expected, "each once");
}

async fn a_job_that_is_submitted_again_is_the_same(place: Place) {
    let ledger = place.ledger().await;
    let first = ledger.submit_job(job(1, Some(7)), at(0)).await.unwrap();
    assert_eq!(ledger.submit_job(job(1, Some(7)), at(9)).await.unwrap(), first);
    let second = ledger.submit_job(job(2, Some(7)), at(9)).await.unwrap();
    assert_eq!(second, first, "one unfinished job per subject");
    let row = lease(&ledger, 1).await;
    let turn = Turn::Done { answer: Some("{}".to_owned()) };
    ledger.end_turn((row.uuid, row.fence), turn, at(20)).await.unwrap();
    let third = ledger.submit_job(job(3, Some(7)), at(30)).await.unwrap();
    assert_eq!(third.uuid, uuid(5003), "after its end there may be another");
}

async fn many_submits_about_one_subject_are_one_job(place: Place) {
    let ledger = place.ledger().await;
    let mut submits = JoinSet::new();
    for n in 0..16 {
        let ledger = ledger.clone();
        submits.spawn(async move { ledger.submit_job(job(n, Some(7)), at(0)).await.unwrap().uuid });
    }
    let mut answers = submits.join_all().await;
    answers.dedup();
    assert_eq!(answers.len(), 1, "all are told the same job");
    let filter = JobFilter { accounts: vec![slug("pairs")], ..JobFilter::default() };
    assert_eq!(ledger.list_jobs(filter, 99).await.unwrap().len(), 1);
}

async fn a_step_that_was_begun_is_in_doubt_until_it_ends(place: Place) {
    let ledger = place.ledger().await;
    ledger.submit_job(job(1, None), at(0)).await.unwrap();
    let row = lease(&ledger, 1).await;
    assert!(!row.in_doubt);
    let key = (row.uuid, row.fence);
    ledger.begin_step(key, "first".to_owned(), at(200), at(101)).await.unwrap();
    // The process dies; the lease runs out.
    let taken = ledger.lease_jobs(uuid(2), kinds(), 1, at(400), at(300)).await.unwrap().remove(0);
    assert!(taken.in_doubt && taken.checkpoint.is_none());
    let key = (taken.uuid, taken.fence);
    ledger.begin_step(key, "first".to_owned(), at(500), at(301)).await.unwrap();
    ledger.end_step(key, "1".to_owned(), at(302)).await.unwrap();
    let known = ledger.find_job(taken.uuid).await.unwrap().unwrap();
    assert!(!known.in_doubt);
    assert_eq!(known.checkpoint.as_deref(), Some("1"));
    let steps = ledger.job_steps(taken.uuid).await.unwrap();
    let ended: Vec<bool> = steps.iter().map(|step| step.ended_at.is_some()).collect();
    assert_eq!(ended, [false, true]);
}

async fn who_lost_the_lease_changes_nothing(place: Place) {
    let ledger = place.ledger().await;
    ledger.submit_job(job(1, None), at(0)).await.unwrap();
    let old = lease(&ledger, 1).await;
    let new = ledger.lease_jobs(uuid(2), kinds(), 1, at(900), at(500)).await.unwrap().remove(0);
    assert!(new.fence > old.fence);
    let key = (old.uuid, old.fence);
    let refused = [
        ledger.begin_step(key, "x".to_owned(), at(600), at(501)).await,
        ledger.end_step(key, "x".to_owned(), at(501)).await,
        ledger.end_turn(key, Turn::Done { answer: None }, at(501)).await,
        ledger.renew_lease(key, at(600)).await,
    ];
    for outcome in refused {
        assert_eq!(outcome, Err(LedgerError::NotLeased(old.uuid)));
    }
    assert_eq!(ledger.find_job(old.uuid).await.unwrap().unwrap(), new);
}

async fn a_postponed_job_waits_for_its_time(place: Place) {
    let ledger = place.ledger().await;
    ledger.submit_job(job(1, None), at(0)).await.unwrap();
    let row = lease(&ledger, 1).await;
    let turn = Turn::Postponed { run_at: at(5000), error: "busy".to_owned() };
    ledger.end_turn((row.uuid, row.fence), turn, at(110)).await.unwrap();
    assert_eq!(ledger.lease_jobs(uuid(1), kinds(), 9, at(9000), at(4999)).await.unwrap(), []);
    let again = ledger.lease_jobs(uuid(1), kinds(), 9, at(9000), at(5000)).await.unwrap().remove(0);
    assert_eq!((again.attempt, again.error.as_deref()), (1, Some("busy")));
}

async fn leases_are_given_back(place: Place) {
    let ledger = place.ledger().await;
    ledger.submit_job(job(1, None), at(0)).await.unwrap();
    let old = lease(&ledger, 1).await;
    assert_eq!(ledger.release_leases(uuid(2), at(120)).await.unwrap(), 0);
    assert_eq!(ledger.release_leases(uuid(1), at(120)).await.unwrap(), 1);
    let new = ledger.lease_jobs(uuid(2), kinds(), 1, at(900), at(121)).await.unwrap().remove(0);
    assert!(new.fence > old.fence);
    // Only a store that nobody shares knows that there is nobody else.
    let orphans = ledger.release_orphaned_leases(at(130)).await.unwrap();
    assert_eq!(orphans, u64::from(matches!(ledger, Ledger::Sqlite(_))));
}

async fn jobs_are_listed_newest_first(place: Place) {
    let ledger = place.ledger().await;
    for n in 1..=5 {
        ledger.submit_job(job(n, Some(n)), at(n)).await.unwrap();
    }
    let filter = JobFilter { accounts: vec![slug("pairs")], ..JobFilter::default() };
    let page = ledger.list_jobs(filter.clone(), 2).await.unwrap();
    let names = |rows: &[dialbridge::ledger::jobs::JobRow]| -> Vec<Uuid> {
        rows.iter().map(|row| row.uuid).collect()
    };
    assert_eq!(names(&page), [uuid(5005), uuid(5004)]);
    let older = JobFilter { before: Some(page[1].number), ..filter.clone() };
    assert_eq!(names(&ledger.list_jobs(older, 2).await.unwrap()), [uuid(5003), uuid(5002)]);
    let about = JobFilter { subject: Some(uuid(1)), ..filter.clone() };
    assert_eq!(names(&ledger.list_jobs(about, 9).await.unwrap()), [uuid(5001)]);
    let failed = JobFilter { states: vec![JobState::Failed], ..filter };
    assert_eq!(ledger.list_jobs(failed, 9).await.unwrap(), []);
    let nobody = ledger.list_jobs(JobFilter::default(), 9).await.unwrap();
    assert_eq!(nobody, [], "who has no account sees nothing");
}

/// However many others are due.
async fn jobs_of_other_kinds_are_left(place: Place) {
    let ledger = place.ledger().await;
    for n in 0..5 {
        ledger.submit_job(job(n, None), at(0)).await.unwrap();
    }
    let stop = NewJob { kind: "stop".to_owned(), ..job(9, None) };
    ledger.submit_job(stop, at(0)).await.unwrap();
    let lease = async |kinds| {
        let leased = ledger.lease_jobs(uuid(1), kinds, 2, at(1000), at(100)).await.unwrap();
        leased.into_iter().map(|row| row.uuid).collect::<Vec<_>>()
    };
    assert_eq!(lease(vec!["stop", "nobody's"]).await, [uuid(5009)]);
    assert_eq!(lease(vec!["stop", "kind"]).await, [uuid(5000), uuid(5001)]);
    assert!(lease(vec!["stop"]).await.is_empty());
    let leased = ledger.lease_jobs(uuid(2), vec!["stop"], 9, at(3000), at(1000)).await.unwrap();
    assert_eq!(leased[0].uuid, uuid(5009), "its lease ran out");
}

async fn jobs_that_are_over_are_forgotten_in_time(place: Place) {
    let ledger = place.ledger().await;
    let turns = [
        Turn::Done { answer: None },
        Turn::Failed { error: "no".to_owned() },
        Turn::Postponed { run_at: at(900), error: "busy".to_owned() },
        Turn::Done { answer: None },
    ];
    for (n, turn) in (1..).zip(turns) {
        ledger.submit_job(job(n, None), at(0)).await.unwrap();
        let row = lease(&ledger, 1).await;
        let key = (row.uuid, row.fence);
        for _ in 0..3 {
            ledger.begin_step(key, "x".to_owned(), at(400), at(110)).await.unwrap();
            ledger.end_step(key, "1".to_owned(), at(111)).await.unwrap();
        }
        ledger.end_turn(key, turn, at(200 + n)).await.unwrap();
    }
    let left = async || {
        let filter = JobFilter { accounts: vec![slug("pairs")], ..JobFilter::default() };
        let mut left = Vec::new();
        for job in ledger.list_jobs(filter, 9).await.unwrap() {
            left.push((job.uuid, ledger.job_steps(job.uuid).await.unwrap().len()));
        }
        left
    };
    let forget = async |before, limit| ledger.forget_jobs(at(before), limit).await.unwrap();
    assert_eq!(forget(201, 9).await, 0);
    assert_eq!(forget(203, 4).await, 4);
    let (waiting, newer) = ((uuid(5003), 3), (uuid(5004), 3));
    assert_eq!(left().await, [newer, waiting, (uuid(5002), 2), (uuid(5001), 0)]);
    assert_eq!(forget(203, 3).await, 3, "two steps and the job that has none");
    assert_eq!(forget(203, 3).await, 1);
    assert_eq!(left().await, [newer, waiting]);
    assert_eq!(forget(9999, 9).await, 4);
    assert_eq!(left().await, [waiting], "it is not over");
}

async fn lease(ledger: &Ledger, owner: i64) -> dialbridge::ledger::jobs::JobRow {
    ledger.lease_jobs(uuid(owner), kinds(), 1, at(200), at(100)).await.unwrap().remove(0)
}
