//! Receivers: shared by what names them, told what names them and nothing else, gone with the last name.

use std::collections::HashMap;
use std::time::Duration;

use dialbridge::domain::call::{CallMoments, CallRef, Disposition, Explained};
use dialbridge::domain::destination::{
    Destination, DestinationFilter, DestinationState, SecretVersions,
};
use dialbridge::domain::ids::NativeId;
use dialbridge::ledger::attempts::SeenAttempt;
use dialbridge::ledger::destinations::{DestinationChange, MAX_DESTINATIONS};
use dialbridge::ledger::journal::JournalEntry;
use dialbridge::ledger::outbox::{LeasedDelivery, REASON_WAITS, Told, Tried, Verdict};
use dialbridge::ledger::receivers::Names;
use dialbridge::ledger::{Ledger, LedgerError};
use futures_util::future::join_all;
use jiff::Timestamp;
use uuid::Uuid;

use super::inbox::seen;
use super::{Place, at, paired, sight, slug, stories, uuid};

stories! {
    campaigns_with_one_address_share_a_receiver,
    what_was_meant_for_a_campaign_is_its_own_when_it_is_met,
    a_destination_that_was_removed_takes_no_place,
    a_failure_waits_for_its_reason_where_ends_alone_are_told,
    what_is_held_is_not_leased_again,
    a_dead_letter_tells_nothing,
}

pub fn receiver(n: i64, url: &str) -> Destination {
    Destination {
        uuid: uuid(7000 + n),
        name: format!("receiver-{n}"),
        shape: "isales".to_owned(),
        url: url.parse().unwrap(),
        filter: DestinationFilter { accounts: vec![slug("pairs")], ..DestinationFilter::default() },
        is_receiver: true,
        requires_receipt: false,
        is_ordered: false,
        rate_per_s: None,
        concurrency: 1,
        retry_waits_s: Vec::new(),
        secret: SecretVersions { key: 1, version: 1, old: Vec::new() },
        state: DestinationState::Active,
        reason: None,
    }
}

async fn name(ledger: &Ledger, names: Names, receiver: Option<Destination>) {
    let entry = JournalEntry::new(at(1), "crm", "receiver-set");
    ledger.name_receiver(names, receiver, entry).await.unwrap();
}

async fn record(ledger: &Ledger, campaign: Uuid, key: &str) {
    let attempts: Vec<SeenAttempt> = vec![seen(key)];
    ledger.record_attempts(slug("pairs"), campaign, attempts, at(5)).await.unwrap();
}

/// Address and deliveries made, of each.
async fn books(ledger: &Ledger) -> Vec<(String, u64)> {
    let rows = ledger.destinations().await.unwrap();
    rows.into_iter().map(|row| (row.destination.url.to_string(), row.created)).collect()
}

const ONE: &str = "http://one.example.com/";
const OTHER: &str = "http://other.example.com/";

async fn campaigns_with_one_address_share_a_receiver(place: Place) {
    let ledger = place.ledger().await;
    let mut campaigns = Vec::new();
    for n in 1..=3 {
        campaigns.push(sight(&ledger, "pairs", paired(n)).await.identity.uuid);
    }
    for n in [0, 1] {
        let number = i64::try_from(n).unwrap();
        let one = receiver(number, ONE);
        name(&ledger, Names::Campaign(campaigns[n]), Some(one)).await;
    }
    for (n, campaign) in campaigns.iter().enumerate() {
        record(&ledger, *campaign, &format!("a{n}")).await;
    }
    assert_eq!(books(&ledger).await, [(ONE.to_owned(), 2)], "the third names nobody");
    let known = ledger.receivers(campaigns.clone()).await.unwrap();
    assert_eq!((known.len(), known[&campaigns[1]].as_str()), (2, ONE));
    // An account names one, too: it gets everything of the account.
    name(&ledger, Names::Account(slug("pairs")), Some(receiver(5, OTHER))).await;
    assert_eq!(ledger.account_receiver(slug("pairs")).await.unwrap().unwrap().as_str(), OTHER);
    for (n, campaign) in campaigns.iter().enumerate() {
        record(&ledger, *campaign, &format!("b{n}")).await;
    }
    assert_eq!(books(&ledger).await, [(ONE.to_owned(), 4), (OTHER.to_owned(), 3)]);
    // One that still has something to send stays when nobody names it any more.
    name(&ledger, Names::Campaign(campaigns[0]), None).await;
    name(&ledger, Names::Campaign(campaigns[1]), Some(receiver(6, OTHER))).await;
    name(&ledger, Names::Campaign(campaigns[1]), None).await;
    assert_eq!(books(&ledger).await, [(ONE.to_owned(), 4), (OTHER.to_owned(), 3)]);
    // One that has not is gone.
    let third = Names::Campaign(campaigns[2]);
    name(&ledger, third.clone(), Some(receiver(8, "http://third.example.com/"))).await;
    assert_eq!(books(&ledger).await.len(), 3);
    name(&ledger, third, None).await;
    assert_eq!(books(&ledger).await.len(), 2);
}

async fn what_was_meant_for_a_campaign_is_its_own_when_it_is_met(place: Place) {
    let ledger = place.ledger().await;
    let meant = |name: &str| Names::NewCampaign(slug("pairs"), name.to_owned());
    let sighting = paired(1);
    name(&ledger, meant(&sighting.snapshot.name), Some(receiver(1, ONE))).await;
    name(&ledger, meant("never made"), Some(receiver(2, OTHER))).await;
    let campaign = sight(&ledger, "pairs", sighting).await.identity.uuid;
    record(&ledger, campaign, "a").await;
    let other = sight(&ledger, "pairs", paired(2)).await.identity.uuid;
    record(&ledger, other, "b").await;
    assert_eq!(books(&ledger).await, [(ONE.to_owned(), 1), (OTHER.to_owned(), 0)]);
    // What was not made after all leaves nothing behind.
    name(&ledger, meant("never made"), None).await;
    assert_eq!(books(&ledger).await, [(ONE.to_owned(), 1)]);
}

async fn a_destination_that_was_removed_takes_no_place(place: Place) {
    let ledger = place.ledger().await;
    let entry = || JournalEntry::new(at(1), "operator", "destination");
    let add = async |n: i64| {
        let destination = Destination { is_receiver: false, ..receiver(n, ONE) };
        ledger.add_destination(destination, entry()).await
    };
    let added = join_all((0..MAX_DESTINATIONS).map(add)).await;
    assert!(added.into_iter().all(|added| added.is_ok()));
    let refused = add(MAX_DESTINATIONS).await;
    assert!(matches!(refused, Err(LedgerError::Conflict(_))), "{refused:?}");
    let removed = DestinationChange::State { state: DestinationState::Removed, reason: None };
    ledger.change_destination(uuid(7000), removed, entry()).await.unwrap();
    add(MAX_DESTINATIONS).await.unwrap();
    assert!(add(MAX_DESTINATIONS + 1).await.is_err(), "it has the place now");
}

/// What is due then: which attempt, the revision that is told, and the one that it has.
async fn due(ledger: &Ledger, destination: i64, now: Timestamp) -> Vec<(Uuid, i64, i64)> {
    let span = (now, now + REASON_WAITS);
    let leased =
        ledger.lease_deliveries(uuid(7000 + destination), (false, 10), HashMap::new(), span);
    let told = |what| match what {
        Told::Attempt(told) => (told.uuid, told.revision, told.newest_revision),
        Told::Push { .. } | Told::Unreadable(_) => panic!("nobody pushed"),
    };
    let mut due: Vec<_> =
        leased.await.unwrap().into_iter().map(|leased| told(leased.event.what)).collect();
    due.sort_unstable();
    due
}

async fn a_failure_waits_for_its_reason_where_ends_alone_are_told(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let ends = |disposition: &Disposition| *disposition != Disposition::InProgress;
    let ends: Vec<Disposition> = Disposition::ALL.into_iter().filter(ends).collect();
    // One that keeps campaigns in order, one of the same form that takes all, and one that knows revisions.
    for (n, shape, dispositions, is_ordered) in [
        (1, "isales", ends.clone(), true),
        (2, "isales", Vec::new(), false),
        (3, "standard", ends.clone(), false),
    ] {
        let one = receiver(n, &format!("http://{n}.example.com/"));
        let filter = DestinationFilter { dispositions, ..one.filter.clone() };
        let shape = shape.to_owned();
        let one = Destination { is_receiver: false, shape, filter, is_ordered, ..one };
        ledger.add_destination(one, JournalEntry::new(at(1), "ann", "add")).await.unwrap();
    }
    let mut waits = seen("waits");
    waits.attempt.disposition = Disposition::Failed;
    waits.call = Some(CallRef { native: NativeId::new("call"), is_object: true });
    let (mut bare, known) = (seen("bare"), seen("known"));
    bare.attempt.disposition = Disposition::Failed;
    let ids = [&waits, &bare, &known].map(|seen| seen.proposed_uuid);
    let all = vec![waits, bare, known];
    ledger.record_attempts(slug("pairs"), campaign, all, at(0)).await.unwrap();
    let mut three = ids.map(|id| (id, 1, 1)).to_vec();
    three.sort_unstable();
    for n in [2, 3] {
        assert_eq!(due(&ledger, n, at(0)).await, three, "{n}");
    }
    let first = due(&ledger, 1, at(0)).await;
    assert_eq!(first.len(), 1, "one after the other");
    assert_ne!(first[0].0, ids[0], "nobody waits behind it");
    // Its call is asked for first, as long as somebody waits for it; then among the others.
    let others = async |after: Option<Uuid>| {
        let found = ledger.unexplained_attempts(slug("pairs"), at(1_000_000), after, 10).await;
        found.unwrap().into_iter().map(|row| row.uuid).collect::<Vec<Uuid>>()
    };
    let awaited = async |from: Timestamp| {
        let span = (from, from + REASON_WAITS);
        let found = ledger.awaited_attempts(slug("pairs"), at(1_000_000), span, 10).await;
        found.unwrap().into_iter().map(|row| row.uuid).collect::<Vec<Uuid>>()
    };
    assert_eq!((awaited(at(0)).await, others(None).await), (vec![ids[0]], vec![ids[0]]));
    assert_eq!((awaited(at(0) + REASON_WAITS).await, others(Some(ids[0])).await), (vec![], vec![]));
    // It is explained: what was due at last is out of date, and says so.
    let mut busy = seen("waits").attempt;
    busy.disposition = Disposition::Busy;
    let busy = Explained { attempt: busy, moments: CallMoments::default() };
    ledger.explain_attempt(ids[0], Some(busy), at(9)).await.unwrap().unwrap();
    assert_eq!((awaited(at(0)).await, others(None).await), (vec![], vec![]));
    let early = due(&ledger, 1, at(0) + REASON_WAITS - Duration::from_millis(1)).await;
    assert!(!early.contains(&(ids[0], 1, 2)), "{early:?}");
    let late = due(&ledger, 1, at(0) + REASON_WAITS).await;
    assert!(late.contains(&(ids[0], 1, 2)), "{late:?}");
}

/// A destination that takes everything.
async fn taker(ledger: &Ledger) -> Uuid {
    let one = receiver(1, ONE);
    let destination = Destination { is_receiver: false, ..one };
    let uuid = destination.uuid;
    ledger.add_destination(destination, JournalEntry::new(at(1), "ann", "add")).await.unwrap();
    uuid
}

/// What is leased there then, for a microsecond.
async fn leased(ledger: &Ledger, n: i64, held: HashMap<i64, Timestamp>) -> Vec<LeasedDelivery> {
    let span = (at(n), at(n + 1));
    ledger.lease_deliveries(uuid(7001), (false, 10), held, span).await.unwrap()
}

/// The ledger was away for longer than a lease: what this process has sent and not recorded is its own.
async fn what_is_held_is_not_leased_again(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    taker(&ledger).await;
    record(&ledger, campaign, "a").await;
    let first = leased(&ledger, 10, HashMap::new()).await.remove(0);
    record(&ledger, campaign, "b").await;
    let held = HashMap::from([(first.number, at(11))]);
    let second = leased(&ledger, 20, held).await;
    let numbers: Vec<i64> = second.iter().map(|leased| leased.number).collect();
    assert_eq!(numbers.len(), 1, "what nobody holds is leased");
    assert_ne!(numbers[0], first.number);
    let tried = Tried {
        number: first.number,
        fence: first.fence,
        verdict: Verdict::Delivered,
        status: Some(200),
        error: None,
        answer: None,
    };
    ledger.record_tries(vec![tried], at(21)).await.unwrap();
    assert_eq!(ledger.destinations().await.unwrap()[0].delivered, 1, "its fence holds");
    // Who holds nothing takes what a crash left behind.
    assert_eq!(leased(&ledger, 30, HashMap::new()).await.len(), 1);
}

async fn a_dead_letter_tells_nothing(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let destination = taker(&ledger).await;
    let mut failed = seen("a");
    failed.attempt.disposition = Disposition::Failed;
    ledger.record_attempts(slug("pairs"), campaign, vec![failed], at(5)).await.unwrap();
    let first = leased(&ledger, 10, HashMap::new()).await.remove(0).number;
    let attempt = seen("a").proposed_uuid;
    let may_be_dead = async |after: i64, revision: i64| {
        ledger.newer_may_be_dead(destination, after, (attempt, revision)).await.unwrap()
    };
    assert!(!may_be_dead(first, 1).await);
    let disabled = DestinationChange::State { state: DestinationState::Disabled, reason: None };
    let entry = JournalEntry::new(at(11), "receiver", "disable");
    ledger.change_destination(destination, disabled, entry).await.unwrap();
    record(&ledger, campaign, "another").await;
    assert!(!may_be_dead(first, 1).await, "of another attempt");
    let busy = SeenAttempt { raw: r#"{"more": 1}"#.to_owned(), ..seen("a") };
    ledger.record_attempts(slug("pairs"), campaign, vec![busy], at(12)).await.unwrap();
    assert!(may_be_dead(first, 1).await);
    assert!(!may_be_dead(first, 2).await, "no newer one");
    assert!(!may_be_dead(first + 100, 1).await, "none after that");
}
