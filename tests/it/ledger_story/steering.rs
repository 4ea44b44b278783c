//! Wishes and turns: one steers at a time, a newer wish is not taken back, and what was ours is not
//! found from outside.

use dialbridge::domain::campaign::CampaignStatus;
use dialbridge::ledger::jobs::{NewJob, Turn};
use dialbridge::ledger::objects::{NewObject, ObjectKind};
use dialbridge::ledger::steering::{Claim, SteeringTurn};

use super::identity::journal_entry;
use super::objects::object;
use super::{At, Place, at, paired, sight, slug, stories, uuid};

stories!(
    one_at_a_time_has_the_turn,
    a_newer_wish_is_not_taken_back,
    refused_wishes_leave_what_was_wanted_before_all_of_them,
    a_refused_start_takes_no_stop_away,
    what_is_seen_in_a_turn_is_not_from_outside,
    a_turn_does_not_end_with_what_nobody_wants,
    what_a_job_sees_to_keeps_nobody_else_from_being_seen_to,
    a_wish_says_in_whose_words_the_campaign_is_kept,
    of_a_wish_and_a_document_one_finds_the_other,
);

fn claim(n: i64, until: i64) -> Claim {
    Claim { by: uuid(n), until: at(until) }
}

async fn one_at_a_time_has_the_turn(place: Place) {
    let ledger = place.ledger().await;
    let identity = sight(&ledger, "pairs", paired(1)).await.identity;
    let (running, stopped) = (CampaignStatus::Running, CampaignStatus::Stopped);
    let start = journal_entry("campaign-start", 1);
    let first = ledger.record_desired_status(&identity, running.clone(), start, Some(claim(1, 50)));
    let first = first.await.unwrap();
    assert_eq!((first.turn, first.before), (SteeringTurn::Ours, stopped.clone()));
    let stop = journal_entry("campaign-stop", 2);
    let second = ledger.record_desired_status(&identity, stopped.clone(), stop, Some(claim(2, 60)));
    let second = second.await.unwrap();
    assert_eq!((second.turn, second.before), (SteeringTurn::Others(at(50)), running.clone()));
    assert!(second.number > first.number);
    let ask = async |n, if_wanted, now| {
        let claimed = ledger.claim_steering(&identity, claim(n, 70), if_wanted, at(now)).await;
        claimed.unwrap().0
    };
    assert_eq!(ask(2, None, 49).await, SteeringTurn::Others(at(50)));
    assert_eq!(ask(2, Some(running.clone()), 50).await, SteeringTurn::NotWanted);
    assert_eq!(
        ledger.unsettled_campaigns(vec![slug("pairs")], "settle", at(49), 9).await.unwrap(),
        []
    );
    let unsettled =
        ledger.unsettled_campaigns(vec![slug("pairs")], "settle", at(50), 9).await.unwrap();
    assert_eq!(unsettled[0].campaign, identity.uuid);
    assert_eq!(ask(2, None, 50).await, SteeringTurn::Ours, "it ran out");
    ledger.end_steering(identity.uuid, uuid(1), None).await.unwrap();
    assert_eq!(ask(3, None, 51).await, SteeringTurn::Others(at(70)), "it was not the first one's");
    ledger.end_steering(identity.uuid, uuid(2), Some(at(52))).await.unwrap();
    assert_eq!(ask(3, None, 52).await, SteeringTurn::Ours);
    ledger.end_steering(identity.uuid, uuid(3), None).await.unwrap();
    assert_eq!(
        ledger.unsettled_campaigns(vec![slug("pairs")], "settle", at(99), 9).await.unwrap(),
        []
    );
}

async fn a_newer_wish_is_not_taken_back(place: Place) {
    let ledger = place.ledger().await;
    let identity = sight(&ledger, "pairs", paired(1)).await.identity;
    let (running, stopped) = (CampaignStatus::Running, CampaignStatus::Stopped);
    let wish = async |desired: &CampaignStatus, micros| {
        let entry = journal_entry("wish", micros);
        let wished = ledger.record_desired_status(&identity, desired.clone(), entry, None).await;
        wished.unwrap().number
    };
    let (first, second) = (wish(&running, 1).await, wish(&stopped, 2).await);
    let refused = journal_entry("refused", 3);
    let replace = async |number, desired: &CampaignStatus| {
        let (campaign, number) = (identity.uuid, Some(number));
        let replaced =
            ledger.replace_wish(campaign, number, desired.clone(), refused.clone(), None).await;
        replaced.unwrap()
    };
    assert!(!replace(first, &running).await);
    assert_eq!(ledger.wish(identity.uuid).await.unwrap().desired, stopped);
    assert!(replace(second, &running).await);
    let now = ledger.wish(identity.uuid).await.unwrap();
    assert_eq!((now.desired, now.action.as_deref()), (running, Some("refused")));
    assert!(now.number > Some(second), "taking it back is a wish");
    assert_eq!(ledger.history(identity.uuid, 10).await.unwrap().len(), 4);
}

/// Starts are refused in whatever order, one of them by a job that looked at another's.
async fn refused_wishes_leave_what_was_wanted_before_all_of_them(place: Place) {
    let ledger = place.ledger().await;
    let (running, stopped) = (CampaignStatus::Running, CampaignStatus::Stopped);
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (n, before) in [&stopped, &running].into_iter().enumerate() {
        let other = if *before == running { &stopped } else { &running };
        let n = i64::try_from(n).unwrap() + 1;
        let identity = sight(&ledger, "pairs", paired(n)).await.identity;
        let wish = async |desired: &CampaignStatus| {
            let entry = journal_entry("wish", 1);
            let wished =
                ledger.record_desired_status(&identity, desired.clone(), entry, None).await;
            wished.unwrap().number
        };
        let withdraw = async |number| {
            let entry = journal_entry("refused", 2);
            ledger.withdraw_wish(identity.uuid, number, entry, None).await.unwrap()
        };
        let wanted = async || ledger.wish(identity.uuid).await.unwrap().desired;
        wish(before).await;
        for order in orders {
            let wishes = [wish(other).await, wish(other).await, wish(other).await];
            assert_eq!(wanted().await, *other);
            for (place, number) in order.into_iter().enumerate() {
                assert_eq!(wanted().await, *other, "{order:?} {place}: others may come true");
                withdraw(wishes[number]).await;
            }
            assert_eq!(wanted().await, *before, "{order:?}");
        }
        // What came true is gone back to.
        let (_, second) = (wish(other).await, wish(other).await);
        assert!(withdraw(second).await);
        assert_eq!(wanted().await, *other);
    }
}

async fn a_refused_start_takes_no_stop_away(place: Place) {
    let ledger = place.ledger().await;
    let (running, stopped) = (CampaignStatus::Running, CampaignStatus::Stopped);
    let identity = sight(&ledger, "pairs", paired(1)).await.identity;
    let wish = async |desired: &CampaignStatus| {
        let entry = journal_entry("wish", 1);
        let wished = ledger.record_desired_status(&identity, desired.clone(), entry, None).await;
        wished.unwrap().number
    };
    let entry = || journal_entry("refused", 2);
    let withdraw =
        async |number| ledger.withdraw_wish(identity.uuid, number, entry(), None).await.unwrap();
    let wanted = async || ledger.wish(identity.uuid).await.unwrap();
    // A start, a stop behind it, and a start behind that.
    let (first, stop, second) = (wish(&running).await, wish(&stopped).await, wish(&running).await);
    assert!(!withdraw(first).await);
    assert!(withdraw(second).await);
    assert_eq!(wanted().await.desired, stopped);
    assert!(withdraw(stop).await, "what went back to it stands for it");
    assert_eq!(wanted().await.desired, stopped, "the start before it was refused, too");

    // A job finds that a start did not get there, while a newer one is on its way.
    let first = wish(&running).await;
    let gave_up = wish(&running).await;
    assert!(withdraw(gave_up).await);
    let seen = wanted().await.number;
    let second = wish(&running).await;
    let campaign = identity.uuid;
    assert!(!ledger.replace_wish(campaign, seen, stopped.clone(), entry(), None).await.unwrap());
    assert_eq!(wanted().await.desired, running);
    assert!(withdraw(second).await);
    assert_eq!(wanted().await.desired, stopped, "{first} came to nothing");

    // It may have looked at a wish that stands for a stop by now: that one stays.
    let (_, stop) = (wish(&running).await, wish(&stopped).await);
    let start = wish(&running).await;
    assert!(withdraw(start).await);
    let seen = wanted().await.number;
    assert!(seen > Some(stop));
    let start = wish(&running).await;
    assert!(!ledger.replace_wish(campaign, seen, stopped.clone(), entry(), None).await.unwrap());
    assert!(withdraw(start).await);
    assert_eq!(wanted().await.desired, stopped);
}

async fn what_is_seen_in_a_turn_is_not_from_outside(place: Place) {
    let ledger = place.ledger().await;
    let identity = sight(&ledger, "pairs", paired(1)).await.identity;
    let seen = async |status: CampaignStatus, micros| {
        let mut sighting = paired(1);
        sighting.snapshot.status = status;
        let seen = ledger.sight_campaigns(slug("pairs"), vec![sighting], at(micros)).await;
        seen.unwrap().remove(0)
    };
    let (running, stopped) = (CampaignStatus::Running, CampaignStatus::Stopped);
    let start = journal_entry("campaign-start", 1);
    let turn = Some(claim(1, 50));
    ledger.record_desired_status(&identity, running.clone(), start, turn).await.unwrap();
    assert_eq!(seen(running.clone(), 60).await.snapshot.status, stopped, "also past its time");
    let started = journal_entry("campaign-start", 5);
    let by = Some(uuid(1));
    ledger.record_actual_status(identity.uuid, running.clone(), started, by).await.unwrap();
    // It is stopped, and gets there by and by.
    let stop = journal_entry("campaign-stop", 70);
    let turn = Some(claim(2, 99));
    ledger.record_desired_status(&identity, stopped.clone(), stop, turn).await.unwrap();
    let stopping = journal_entry("campaign-stop", 71);
    let (by, on_its_way) = (Some(uuid(2)), CampaignStatus::Stopping);
    ledger.record_actual_status(identity.uuid, on_its_way, stopping, by).await.unwrap();
    assert_eq!(seen(stopped.clone(), 72).await.snapshot.status, stopped);
    let history = ledger.history(identity.uuid, 10).await.unwrap();
    assert!(history.iter().all(|entry| entry.actor == "a client"), "{history:?}");
    // And what nobody here wanted is from outside, and wanted from now on.
    assert_eq!(seen(running.clone(), 80).await.desired, running);
    let history = ledger.history(identity.uuid, 10).await.unwrap();
    assert_eq!(history.last().unwrap().actor, "outside");
}

async fn a_turn_does_not_end_with_what_nobody_wants(place: Place) {
    let ledger = place.ledger().await;
    let identity = sight(&ledger, "pairs", paired(1)).await.identity;
    let (running, stopped) = (CampaignStatus::Running, CampaignStatus::Stopped);
    let start = journal_entry("campaign-start", 1);
    let turn = Some(claim(1, 50));
    ledger.record_desired_status(&identity, running.clone(), start, turn).await.unwrap();
    let stop = journal_entry("campaign-stop", 2);
    ledger.record_desired_status(&identity, stopped.clone(), stop, None).await.unwrap();
    let started = journal_entry("campaign-start", 3);
    let by = Some(uuid(1));
    let recorded = ledger.record_actual_status(identity.uuid, running, started, by).await.unwrap();
    assert!(recorded.runs_unwanted);
    let (turn, _) = ledger.claim_steering(&identity, claim(2, 60), None, at(4)).await.unwrap();
    assert_eq!(turn, SteeringTurn::Others(at(50)), "whoever started it stops it");
    let paused = journal_entry("campaign-stop", 5);
    let recorded = ledger.record_actual_status(identity.uuid, stopped, paused, by).await.unwrap();
    assert!(!recorded.runs_unwanted);
    let (turn, _) = ledger.claim_steering(&identity, claim(2, 60), None, at(6)).await.unwrap();
    assert_eq!(turn, SteeringTurn::Ours);
}

/// However many have a job already, the page is of those that have none.
async fn what_a_job_sees_to_keeps_nobody_else_from_being_seen_to(place: Place) {
    let ledger = place.ledger().await;
    let mut campaigns = Vec::new();
    for n in 1..=3 {
        let identity = sight(&ledger, "pairs", paired(n)).await.identity;
        ledger.claim_steering(&identity, claim(n, 10 + n), None, at(1)).await.unwrap();
        campaigns.push(identity.uuid);
    }
    let job = |job, kind: &str, subject| NewJob {
        uuid: uuid(job),
        kind: kind.to_owned(),
        subject: Some(subject),
        account: slug("pairs"),
        actor: "crm".to_owned(),
        request_id: None,
        input: "{}".to_owned(),
        run_at: at(5),
    };
    // The first is steered by a job, the second is being settled.
    ledger.submit_job(job(1, "start", campaigns[0]), at(2)).await.unwrap();
    ledger.submit_job(job(90, "settle", campaigns[1]), at(2)).await.unwrap();
    let unsettled = async || {
        let found = ledger.unsettled_campaigns(vec![slug("pairs")], "settle", at(50), 1).await;
        found.unwrap().iter().map(|found| found.campaign).collect::<Vec<_>>()
    };
    assert_eq!(unsettled().await, campaigns[2..]);
    let both = vec!["start", "settle"];
    for job in ledger.lease_jobs(uuid(7), both, 9, at(99), at(50)).await.unwrap() {
        let done = Turn::Done { answer: None };
        ledger.end_turn((job.uuid, job.fence), done, at(51)).await.unwrap();
    }
    assert_eq!(unsettled().await, campaigns[..1], "its job is over, and it is the oldest");
}

async fn a_wish_says_in_whose_words_the_campaign_is_kept(place: Place) {
    let ledger = place.ledger().await;
    let identity = sight(&ledger, "pairs", paired(1)).await.identity;
    let kept_in = async || {
        let entry = journal_entry("wish", 1);
        let wished = ledger.record_desired_status(&identity, CampaignStatus::Running, entry, None);
        wished.await.unwrap().kept_in
    };
    assert_eq!(kept_in().await, None);
    let of_another = object(1, ObjectKind::Campaign);
    ledger.insert_object(of_another.clone(), at(1)).await.unwrap();
    assert_eq!(kept_in().await, None);
    let kept = NewObject { uuid: identity.uuid, ..of_another };
    let shape = kept.shape.clone();
    ledger.insert_object(kept, at(2)).await.unwrap();
    assert_eq!(kept_in().await, Some(shape));
    ledger.delete_object(identity.uuid, at(3)).await.unwrap();
    assert_eq!(kept_in().await, None);
}

/// A wish takes long to be committed, and meanwhile all that was committed before is read.
const SLOW_WISHES: &str = "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS \
     'BEGIN PERFORM pg_sleep(0.1); RETURN NULL; END'; \
     CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON journal DEFERRABLE INITIALLY DEFERRED \
     FOR EACH ROW EXECUTE FUNCTION wait()";

/// Two processes at once: one starts the campaign, one keeps a client's document of it and looks whether
/// it is wanted running.
async fn of_a_wish_and_a_document_one_finds_the_other(place: Place) {
    let ledger = place.ledger().await;
    if matches!(place.at, At::Database(_)) {
        place.tamper(SLOW_WISHES);
    }
    for n in 1..=20 {
        let identity = sight(&ledger, "pairs", paired(n)).await.identity;
        let kept = NewObject { uuid: identity.uuid, ..object(n, ObjectKind::Campaign) };
        let start = async {
            let entry = journal_entry("wish", 1);
            let wished =
                ledger.record_desired_status(&identity, CampaignStatus::Running, entry, None);
            wished.await.unwrap().kept_in.is_some()
        };
        let keep = async {
            ledger.insert_object(kept, at(2)).await.unwrap();
            ledger.wish(identity.uuid).await.unwrap().desired == CampaignStatus::Running
        };
        let (finds_document, finds_wish) = tokio::join!(start, keep);
        assert!(finds_document || finds_wish, "campaign {n}");
    }
}
