//! What results come to is the same in whatever order they were told, and however often.

use std::collections::BTreeMap;
use std::sync::Arc;

use dialbridge::domain::call::{
    CallAttempt, CallMoments, CallRef, CallResult, Disposition, DispositionFlags, Explained,
};
use dialbridge::domain::ids::NativeId;
use dialbridge::domain::listing::AttemptWindow;
use dialbridge::ledger::Ledger;
use dialbridge::ledger::attempts::{AttemptRow, AttemptScope, SeenAttempt};
use dialbridge::ledger::inbox::{NewPush, Processed};
use dialbridge::ledger::numbers::{Mask, Said, Seen};
use jiff::Timestamp;
use uuid::Uuid;

use super::{Place, at, paired, sight, slug, stories};

stories! {
    results_come_to_the_same_in_any_order,
    a_number_among_a_contacts_attempts_is_by_when_they_were_dialled,
    what_is_kept_is_what_the_attempts_come_to_in_any_order,
    a_contact_without_end_has_numbers_to_the_thousandth,
    reports_of_one_contact_at_once_are_numbered_apart,
    codes_that_no_table_knows_are_counted_as_long_as_they_are,
    the_end_of_a_call_finds_its_attempt,
}

const QUARTER_S: i64 = 900;

/// One report of an attempt of a contact, dialled at that second, which ended a minute later.
fn report(
    (key, contact, second): (&str, &str, i64),
    disposition: Disposition,
    is_final: bool,
) -> SeenAttempt {
    let result = match disposition {
        Disposition::InProgress => CallResult::InProgress,
        Disposition::Answered => CallResult::Success,
        Disposition::Unknown => CallResult::Unknown,
        _ => CallResult::Fail,
    };
    let is_over = result != CallResult::InProgress;
    SeenAttempt {
        proposed_uuid: Uuid::new_v5(&Uuid::NAMESPACE_OID, key.as_bytes()),
        native: NativeId::new(key),
        attempt: CallAttempt {
            contact_reference: Some(contact.to_owned()),
            called: None,
            caller: None,
            dialed_at: Some(at(second * 1_000_000)),
            ended_at: is_over.then(|| at((second + 60) * 1_000_000)),
            result,
            disposition,
            flags: DispositionFlags {
                live_person: disposition == Disposition::Answered,
                number_reusable: disposition == Disposition::Busy,
                contact_reusable: false,
                counts_as_attempt: is_over,
                is_final,
            },
            native_code: format!("code of {disposition:?}"),
            try_number: None,
            recording: None,
        },
        raw: format!("{{\"says\":\"{disposition:?}\"}}"),
        call: None,
        contact: None,
    }
}

/// Three contacts, five attempts, each told two or three times.
fn reports() -> Vec<SeenAttempt> {
    use Disposition::{Answered, Busy, InProgress, NoAnswer};
    let mut all = Vec::new();
    for (of, last) in [
        (("a1", "ann", 10), Busy),
        (("a2", "ann", QUARTER_S + 10), NoAnswer),
        (("a3", "ann", QUARTER_S + 400), Answered),
        (("b1", "bob", 20), NoAnswer),
        (("c1", "cid", 30), Busy),
    ] {
        all.push(report(of, InProgress, false));
        all.push(report(of, last, true));
        all.push(report(of, last, true));
    }
    all
}

/// The `n`th order of things: a fixed sequence of exchanges.
fn shuffled<T>(mut things: Vec<T>, n: u64) -> Vec<T> {
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for place in (1..things.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let other = usize::try_from(state >> 33).unwrap() % (place + 1);
        things.swap(place, other);
    }
    things
}

async fn record(ledger: &Ledger, campaign: Uuid, seen: Vec<SeenAttempt>) {
    ledger.record_attempts(slug("pairs"), campaign, seen, at(0)).await.unwrap();
}

async fn attempts(ledger: &Ledger, campaign: Uuid) -> Vec<AttemptRow> {
    let window = AttemptWindow { before: None, limit: 100, include_deleted: true };
    ledger.list_attempts(AttemptScope::Campaign(campaign), window).await.unwrap()
}

/// Attempts, persons, milliseconds, by quarter and outcome.
type Quarters = BTreeMap<(i64, &'static str), (i64, i64, i64)>;

async fn told(ledger: &Ledger, campaign: Uuid) -> Quarters {
    let rollups = ledger.rollups(campaign, Timestamp::MIN, Timestamp::MAX).await.unwrap();
    let read = rollups.into_iter().map(|row| {
        let counts = row.counts;
        let figures = (counts.attempts, counts.live_persons, counts.duration_ms);
        ((row.bucket_at.as_second(), row.disposition.as_str()), figures)
    });
    read.collect()
}

/// The same from the attempts themselves.
async fn counted(ledger: &Ledger, campaign: Uuid) -> Quarters {
    let mut quarters = Quarters::new();
    for row in attempts(ledger, campaign).await {
        let second = row.list_at.as_second();
        let key = (second - second % QUARTER_S, row.attempt.disposition.as_str());
        let cell = quarters.entry(key).or_default();
        cell.0 += 1;
        cell.1 += i64::from(row.attempt.flags.live_person);
        let over = row.attempt.ended_at.is_some();
        cell.2 += if over { 60_000 } else { 0 };
    }
    quarters
}

async fn results_come_to_the_same_in_any_order(place: Place) {
    let ledger = place.ledger().await;
    let mut first = None;
    for n in 0..8_u8 {
        let campaign = sight(&ledger, "pairs", paired(i64::from(n) + 1)).await.identity.uuid;
        for (place, mut seen) in shuffled(reports(), u64::from(n)).into_iter().enumerate() {
            // Each campaign has attempts of its own.
            seen.native = NativeId::new(format!("{n}/{}", seen.native));
            seen.proposed_uuid =
                Uuid::new_v5(&Uuid::NAMESPACE_OID, seen.native.as_str().as_bytes());
            record(&ledger, campaign, vec![seen]).await;
            if place % 4 == 0 {
                assert_eq!(told(&ledger, campaign).await, counted(&ledger, campaign).await);
            }
        }
        let quarters = told(&ledger, campaign).await;
        assert_eq!(quarters, counted(&ledger, campaign).await, "order {n}");
        let totals = ledger.contact_totals(campaign).await.unwrap();
        let figures = [totals.contacts, totals.reached, totals.with_success, totals.reusable];
        assert_eq!(figures, [3, 1, 1, 1], "order {n}");
        // A few microseconds, which places in lists differ by, aside.
        let numbers: BTreeMap<String, Option<i64>> = attempts(&ledger, campaign)
            .await
            .into_iter()
            .map(|row| (row.native.as_str()[2..].to_owned(), row.attempt.try_number))
            .collect();
        let outcome = (quarters, numbers);
        assert_eq!(*first.get_or_insert_with(|| outcome.clone()), outcome, "order {n}");
    }
    let (quarters, numbers) = first.unwrap();
    let busy: Vec<_> = quarters.iter().filter(|((_, outcome), _)| *outcome == "busy").collect();
    assert_eq!((busy.len(), *busy[0].1), (1, (2, 0, 120_000)));
    assert_eq!(numbers["a3"], Some(3));
}

async fn a_number_among_a_contacts_attempts_is_by_when_they_were_dialled(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    for (key, second) in [("late", 300), ("early", 100), ("between", 200)] {
        record(&ledger, campaign, vec![report((key, "ann", second), Disposition::Busy, true)])
            .await;
    }
    // Its platform's own number is kept.
    let mut own = report(("own", "bob", 50), Disposition::Busy, true);
    own.attempt.try_number = Some(7);
    record(&ledger, campaign, vec![own]).await;
    let rows = attempts(&ledger, campaign).await;
    let numbers: Vec<_> =
        rows.iter().map(|row| (row.native.as_str(), row.attempt.try_number)).collect();
    let expected = [("late", 3), ("between", 2), ("early", 1), ("own", 7)];
    assert_eq!(numbers, expected.map(|(key, n)| (key, Some(n))));
}

/// The attempts of each contact, in the order in which they were dialled.
async fn by_contact(ledger: &Ledger, campaign: Uuid) -> BTreeMap<String, Vec<AttemptRow>> {
    let mut contacts: BTreeMap<String, Vec<AttemptRow>> = BTreeMap::new();
    let mut rows = attempts(ledger, campaign).await;
    rows.sort_by_key(|row| row.list_at);
    for row in rows {
        if let Some(reference) = row.attempt.contact_reference.clone() {
            contacts.entry(reference).or_default().push(row);
        }
    }
    contacts
}

/// Contacts, reached, with success, reusable: as they are kept, and from the attempts themselves.
async fn kept_and_made_anew(ledger: &Ledger, campaign: Uuid) -> [[u64; 4]; 2] {
    let kept = ledger.contact_totals(campaign).await.unwrap();
    let contacts = by_contact(ledger, campaign).await;
    let mut totals = [contacts.len() as u64, 0, 0, 0];
    for rows in contacts.into_values() {
        let has = |of: fn(&AttemptRow) -> bool| u64::from(rows.iter().any(of));
        totals[1] += has(|row| row.attempt.flags.live_person);
        totals[2] += has(|row| row.attempt.result == CallResult::Success);
        totals[3] += u64::from(rows.last().unwrap().attempt.flags.number_reusable);
    }
    [[kept.contacts, kept.reached, kept.with_success, kept.reusable], totals]
}

async fn are_numbered(ledger: &Ledger, campaign: Uuid) {
    for (reference, rows) in by_contact(ledger, campaign).await {
        let numbers: Vec<_> = rows.iter().map(|row| row.attempt.try_number).collect();
        let expected: Vec<_> = (1..).map(Some).take(rows.len()).collect();
        assert_eq!(numbers, expected, "{reference}");
    }
}

/// Late rows, other outcomes, and attempts whose contact is learned later or becomes another.
async fn what_is_kept_is_what_the_attempts_come_to_in_any_order(place: Place) {
    use Disposition::{Answered, Busy, InProgress, NoAnswer, Unknown};
    let ledger = place.ledger().await;
    for order in 0..12_u8 {
        let campaign = sight(&ledger, "pairs", paired(i64::from(order) + 1)).await.identity.uuid;
        let mut all = Vec::new();
        for n in 0..12_i64 {
            let key = format!("{order}/{n}");
            let contact = ["ann", "bob"][usize::from(n % 3 == 0)];
            // Two of a second, too, so that places in lists are not what was asked for.
            let of = (key.as_str(), contact, n / 2 * 10);
            let outcome = [Answered, Busy, NoAnswer, Unknown][usize::try_from(n % 4).unwrap()];
            all.push(report(of, InProgress, false));
            all.push(report(of, outcome, true));
            if n % 5 == 0 {
                all.push(report((&key, "cid", n / 2 * 10), NoAnswer, true));
                let mut bare = report(of, InProgress, false);
                bare.attempt.contact_reference = None;
                all.push(bare);
            }
        }
        // In parts of several sizes: what one transaction does to a contact adds up.
        let mut rest = shuffled(all, u64::from(order));
        let mut size = 1;
        while !rest.is_empty() {
            let part = rest.drain(..rest.len().min(size)).collect();
            record(&ledger, campaign, part).await;
            let [kept, anew] = kept_and_made_anew(&ledger, campaign).await;
            assert_eq!(kept, anew, "order {order}");
            are_numbered(&ledger, campaign).await;
            size = size % 5 + 1;
        }
        assert_eq!(told(&ledger, campaign).await, counted(&ledger, campaign).await);
        // A contact whose number is erased has another name from then on; two become one.
        let names = ["ann", "cid"];
        let mask: Mask = Arc::new(move |cell| match cell.says {
            Said::Text(text) if names.contains(&text) => Seen::Masked("gone".to_owned()),
            _ => Seen::Nothing,
        });
        ledger.trace(&[slug("pairs")], &mask, Some((&[], at(9)))).await.unwrap();
        let [kept, anew] = kept_and_made_anew(&ledger, campaign).await;
        assert_eq!((kept, kept[0]), (anew, 2), "order {order}");
    }
}

async fn a_contact_without_end_has_numbers_to_the_thousandth(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let keys: Vec<String> = (0..1005).map(|n| format!("n{n}")).collect();
    let rows = (1..).zip(&keys).map(|(n, key)| report((key, "ann", n), Disposition::Busy, true));
    record(&ledger, campaign, rows.collect()).await;
    let number = async |key: &str| {
        let uuid = Uuid::new_v5(&Uuid::NAMESPACE_OID, key.as_bytes());
        ledger.find_attempt(uuid).await.unwrap().unwrap().attempt.try_number
    };
    assert_eq!((number("n999").await, number("n1000").await), (Some(1000), None));
    record(&ledger, campaign, vec![report(("first", "ann", 0), Disposition::Busy, true)]).await;
    record(&ledger, campaign, vec![report(("last", "ann", 9999), Disposition::Busy, true)]).await;
    assert_eq!((number("first").await, number("n0").await), (Some(1), Some(2)));
    assert_eq!((number("n998").await, number("n999").await), (Some(1000), None));
    assert_eq!(number("last").await, None);
}

async fn reports_of_one_contact_at_once_are_numbered_apart(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let keys: Vec<String> = (0..40).map(|n| format!("n{n}")).collect();
    let told = (1..).zip(&keys).map(|(n, key)| {
        record(&ledger, campaign, vec![report((key, "ann", n), Disposition::Busy, true)])
    });
    futures_util::future::join_all(told).await;
    assert_eq!(kept_and_made_anew(&ledger, campaign).await, [[1, 0, 0, 1]; 2]);
    are_numbered(&ledger, campaign).await;
}

async fn codes_that_no_table_knows_are_counted_as_long_as_they_are(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    for key in ["x", "y"] {
        let mut unknown = report((key, "ann", 1), Disposition::Unknown, false);
        "SIP 013100000001".clone_into(&mut unknown.attempt.native_code);
        record(&ledger, campaign, vec![unknown]).await;
    }
    let accounts = || vec![slug("pairs"), slug("uuids")];
    let codes = ledger.unknown_codes(accounts()).await.unwrap();
    assert_eq!((codes.len(), &*codes[0].code, codes[0].attempts), (1, "SIP ############", 2));
    assert!(ledger.unknown_codes(vec![slug("uuids")]).await.unwrap().is_empty());
    // One of them turns out to be known.
    record(&ledger, campaign, vec![report(("x", "ann", 1), Disposition::Busy, true)]).await;
    assert_eq!(ledger.unknown_codes(accounts()).await.unwrap()[0].attempts, 1);
}

async fn the_end_of_a_call_finds_its_attempt(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let mut seen = report(("x", "ann", 1), Disposition::Failed, true);
    seen.call = Some(CallRef { native: NativeId::new("call-1"), is_object: true });
    record(&ledger, campaign, vec![seen.clone(), report(("y", "ann", 2), Disposition::Busy, true)])
        .await;
    let of = async |call: &str| {
        ledger.attempt_of_call(slug("pairs"), NativeId::new(call)).await.unwrap()
    };
    let found = of("call-1").await.unwrap();
    assert_eq!(found.native.as_str(), "x");
    assert!(of("call-2").await.is_none());
    let unexplained = async |before: i64| {
        let before = at(before * 1_000_000);
        ledger.unexplained_attempts(slug("pairs"), before, None, 10).await.unwrap().len()
    };
    assert_eq!((unexplained(61).await, unexplained(62).await), (0, 1), "it ended at 61");
    // What a push tells of it is kept with the push; one that is nobody's is not kept itself.
    let push = |body: &str| NewPush {
        account: slug("pairs"),
        body: body.to_owned(),
        original: None,
        proof: None,
        campaign: None,
        trace: None,
    };
    for body in ["[1]", "[2]"] {
        ledger.append_inbox(push(body), at(1)).await.unwrap();
    }
    let rows = ledger.due_inbox(super::inbox::page(10), at(2)).await.unwrap();
    let attempt = report(("x", "ann", 1), Disposition::Busy, true).attempt;
    let busy = Explained { attempt, moments: CallMoments::default() };
    let explained = Processed { explained: vec![(found.uuid, busy)], ..Processed::default() };
    let foreign = Processed { is_foreign: true, ..Processed::default() };
    let settled: Vec<_> = rows.into_iter().zip([explained, foreign]).collect();
    ledger.settle_inbox(settled, at(3)).await.unwrap();
    let row = ledger.find_attempt(found.uuid).await.unwrap().unwrap();
    assert_eq!((row.attempt.disposition, row.revision), (Disposition::Busy, 2));
    assert_eq!(unexplained(62).await, 0);
    assert_eq!(ledger.forget_processed(at(10), 10).await.unwrap(), 1, "the other is gone already");
    assert_eq!(told(&ledger, campaign).await, counted(&ledger, campaign).await);
    // Told again as it was, it stays explained.
    record(&ledger, campaign, vec![seen]).await;
    let row = ledger.find_attempt(found.uuid).await.unwrap().unwrap();
    assert_eq!(row.attempt.disposition, Disposition::Busy);
}
