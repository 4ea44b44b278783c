//! Contacts and attempts.

use dialbridge::domain::call::{
    CallAttempt, CallMoments, CallResult, Disposition, DispositionFlags, EndedBy, Explained,
};
use dialbridge::domain::contact::{Contact, ContactNumber};
use dialbridge::domain::ids::NativeId;
use dialbridge::domain::listing::{AttemptWindow, Window};
use dialbridge::domain::phone::PhoneNumber;
use dialbridge::ledger::attempts::{AttemptRow, AttemptScope, SeenAttempt};
use dialbridge::ledger::contacts::{ContactNames, ContactState, NewContact, SettledContact};
use dialbridge::ledger::{Ledger, LedgerError};
use jiff::Timestamp;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{Place, at, paired, sight, slug, stories, unpaired, uuid};

stories!(
    contacts_are_kept_as_given_and_only_once,
    contacts_are_listed_newest_first_without_deleted_ones,
    a_settled_contact_never_goes_back,
    contacts_are_found_by_id_and_reference,
    contacts_are_found_by_many_names_at_once,
    an_attempt_is_inserted_once_per_business_key,
    reports_of_one_attempt_complete_each_other,
    a_less_final_report_does_not_win,
    a_closer_look_is_not_undone_by_the_same_report,
    attempts_are_listed_by_campaign_or_account,
    many_reports_of_one_second_at_once,
    numbers_and_rows_are_not_printed,
    a_deleted_attempt_stays_readable,
);

const NOBODY: [Uuid; 0] = [];
const NUMBER: &str = "+8675512345678";

async fn contacts_are_kept_as_given_and_only_once(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let other = sight(&ledger, "pairs", paired(2)).await.identity.uuid;
    let new = vec![contact(1), contact(2), contact(3)];
    let rows = ledger.record_contacts(campaign, new.clone(), at(10)).await.unwrap();
    for (n, (row, new)) in (1..).zip(rows.iter().zip(&new)) {
        assert_eq!((row.uuid, &row.contact), (new.uuid, &new.contact));
        assert_eq!((row.campaign, row.state), (campaign, ContactState::Adding));
        assert_eq!(row.native, None);
        assert_eq!(row.list_at, at(10 + n), "in the order given, each at its own place");
    }
    let mut changed = contact(2);
    changed.contact.label = Some("changed".to_owned());
    let again = vec![changed, contact(4)];
    let again = ledger.record_contacts(campaign, again, at(5)).await.unwrap();
    assert_eq!(again[0], rows[1], "a request may be repeated");
    assert!(again[1].list_at > rows[2].list_at, "also when the clock went back");

    let refused = ledger.record_contacts(other, vec![contact(9), contact(1)], at(20)).await;
    assert!(matches!(refused, Err(LedgerError::Conflict(_))), "{refused:?}");
    assert_eq!(ledger.find_contact(contact(9).uuid).await.unwrap(), None, "all or none");
    let nobody = ledger.record_contacts(uuid(99), vec![contact(9)], at(20)).await;
    assert_eq!(nobody, Err(LedgerError::Missing("campaign")));
}

async fn contacts_are_listed_newest_first_without_deleted_ones(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let rows = (1..=5).map(contact).collect();
    let rows = ledger.record_contacts(campaign, rows, at(0)).await.unwrap();
    settle(&ledger, 4, ContactState::Added).await;
    settle(&ledger, 4, ContactState::Deleted).await;
    let list = async |window| ledger.list_contacts(campaign, window).await.unwrap();
    let first = list(Window::Before { list_at: None, limit: 2 }).await;
    assert_eq!(first.total, 4);
    assert_eq!(first.contacts, [rows[4].clone(), rows[2].clone()]);
    let window = Window::Before { list_at: Some(rows[2].list_at), limit: 9 };
    assert_eq!(list(window).await.contacts, [rows[1].clone(), rows[0].clone()]);
    let window = Window::Offset { offset: 3, limit: 9 };
    assert_eq!(list(window).await.contacts, [rows[0].clone()]);
    let nobody = ledger.list_contacts(uuid(99), Window::Offset { offset: 0, limit: 9 }).await;
    assert_eq!(nobody.err(), Some(LedgerError::Missing("campaign")));
}

async fn a_settled_contact_never_goes_back(place: Place) {
    use ContactState::{Added, Adding, Deleted, Refused, Unclear};
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    for (n, (steps, end)) in (1..).zip([
        (vec![Added], Added),
        (vec![Unclear, Added], Added),
        (vec![Unclear, Refused], Refused),
        (vec![Added, Unclear, Refused, Adding], Added),
        (vec![Refused, Added], Refused),
        (vec![Added, Deleted, Added], Deleted),
        (vec![Adding], Adding),
    ]) {
        ledger.record_contacts(campaign, vec![contact(n)], at(n)).await.unwrap();
        for step in &steps {
            settle(&ledger, n, *step).await;
        }
        let row = ledger.find_contact(contact(n).uuid).await.unwrap().unwrap();
        assert_eq!(row.state, end, "{steps:?}");
    }
    let named = SettledContact {
        uuid: contact(50).uuid,
        state: Added,
        native: Some(NativeId::new("target-1")),
    };
    let unknown = ledger.settle_contacts(vec![named.clone()], at(99)).await.unwrap();
    assert_eq!(unknown, 0);
    ledger.record_contacts(campaign, vec![contact(50)], at(99)).await.unwrap();
    assert_eq!(ledger.settle_contacts(vec![named.clone()], at(99)).await.unwrap(), 1);
    settle(&ledger, 50, Deleted).await;
    let row = ledger.find_contact(contact(50).uuid).await.unwrap().unwrap();
    assert_eq!(row.native, named.native, "its name stays");
}

async fn contacts_are_found_by_id_and_reference(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let other = sight(&ledger, "pairs", paired(2)).await.identity.uuid;
    let mut twin = contact(2);
    twin.contact.reference = contact(1).contact.reference;
    let rows = vec![contact(1), twin];
    let rows = ledger.record_contacts(campaign, rows, at(0)).await.unwrap();
    assert_eq!(ledger.find_contact(rows[0].uuid).await.unwrap().as_ref(), Some(&rows[0]));
    assert_eq!(ledger.find_contact(uuid(12345)).await.unwrap(), None);
    let by_reference = async |campaign| {
        let reference = contact(1).contact.reference.unwrap();
        let found = ledger.find_contact_by_reference(campaign, reference).await.unwrap();
        found.map(|row| row.uuid)
    };
    assert_eq!(by_reference(campaign).await, Some(rows[1].uuid), "the newest");
    assert_eq!(by_reference(other).await, None);
    let (half, _) = rows[0].uuid.as_u64_pair();
    let by_half = async |campaign, half| ledger.find_contact_by_half(campaign, half).await.unwrap();
    assert_eq!(by_half(campaign, half).await.as_ref(), Some(&rows[0]));
    assert_eq!(by_half(other, half).await, None);
    for near in [half - 1, half + 1, 0, u64::MAX] {
        assert_eq!(by_half(campaign, near).await, None);
    }
    settle(&ledger, 2, ContactState::Refused).await;
    assert_eq!(by_reference(campaign).await, Some(rows[0].uuid), "a refused one is not there");
}

async fn contacts_are_found_by_many_names_at_once(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let other = sight(&ledger, "pairs", paired(2)).await.identity.uuid;
    let mut twin = contact(4);
    twin.contact.reference = contact(3).contact.reference;
    let mut nameless = contact(5);
    nameless.contact.reference = None;
    let rows = vec![contact(1), contact(2), contact(3), twin, nameless];
    let rows = ledger.record_contacts(campaign, rows, at(0)).await.unwrap();
    let settled = rows.iter().enumerate().map(|(n, row)| SettledContact {
        uuid: row.uuid,
        state: if n == 1 { ContactState::Deleted } else { ContactState::Added },
        native: Some(NativeId::new(format!("native-{n}"))),
    });
    ledger.settle_contacts(settled.collect(), at(1)).await.unwrap();
    let named = async |campaign, names| {
        let found = ledger.contacts_named(campaign, names).await.unwrap();
        found.into_iter().map(|row| row.uuid).collect::<Vec<_>>()
    };
    let natives = |of: &[usize]| {
        ContactNames::Native(of.iter().map(|n| NativeId::new(format!("native-{n}"))).collect())
    };
    assert_eq!(named(campaign, natives(&[9, 1, 0])).await, [rows[0].uuid, rows[1].uuid]);
    assert_eq!(named(other, natives(&[1, 0])).await, NOBODY);
    assert_eq!(named(campaign, natives(&[])).await, NOBODY);
    let mut names: Vec<String> = (1..4).map(|n| format!("reference-{n}")).collect();
    names.push(rows[4].uuid.simple().to_string());
    let found = named(campaign, ContactNames::Reference(names)).await;
    assert_eq!(found, [rows[0].uuid, rows[4].uuid], "neither a deleted one nor twins");
}

async fn an_attempt_is_inserted_once_per_business_key(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let order = vec![seen("b", Disposition::Busy), seen("a", Disposition::Answered)];
    let rows = report(&ledger, campaign, order.clone()).await;
    for (row, seen) in rows.iter().zip(&order) {
        assert_eq!((row.uuid, &row.native), (seen.proposed_uuid, &seen.native));
        assert_eq!((&row.attempt, &row.raw), (&seen.attempt, &seen.raw));
        assert_eq!((row.campaign, row.account.as_str(), row.revision), (campaign, "pairs", 1));
    }
    let mut again = seen("a", Disposition::Answered);
    again.proposed_uuid = uuid(77);
    assert_eq!(report(&ledger, campaign, vec![again]).await, [rows[1].clone()]);
    assert_eq!(ledger.find_attempt(uuid(77)).await.unwrap(), None);
    assert_eq!(ledger.find_attempt(rows[1].uuid).await.unwrap().as_ref(), Some(&rows[1]));

    let mut taken = seen("c", Disposition::Busy);
    taken.proposed_uuid = rows[0].uuid;
    let refused = ledger.record_attempts(slug("pairs"), campaign, vec![taken], at(0)).await;
    assert!(matches!(refused, Err(LedgerError::Conflict(_))), "{refused:?}");
    let one = || vec![seen("d", Disposition::Busy)];
    let nobody = ledger.record_attempts(slug("pairs"), uuid(99), one(), at(0)).await;
    assert_eq!(nobody.err(), Some(LedgerError::Missing("campaign")));
    let nobody = ledger.record_attempts(slug("nobody"), campaign, one(), at(0)).await;
    assert_eq!(nobody.err(), Some(LedgerError::Missing("account")));
}

async fn reports_of_one_attempt_complete_each_other(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let mut early = seen("a", Disposition::InProgress);
    early.attempt.ended_at = None;
    early.attempt.recording = None;
    early.attempt.native_code = String::new();
    let first = report(&ledger, campaign, vec![early]).await.remove(0);

    let raw = "{\"late\":true}".to_owned();
    let mut late = SeenAttempt { raw, ..seen("a", Disposition::NoAnswer) };
    late.attempt.called = None;
    late.attempt.try_number = None;
    let second = report(&ledger, campaign, vec![late.clone()]).await.remove(0);
    assert_eq!((second.uuid, second.list_at), (first.uuid, first.list_at));
    assert_eq!(second.revision, 2, "the disposition changed");
    assert_eq!(second.attempt, seen("a", Disposition::NoAnswer).attempt, "nothing is lost");
    let row: serde_json::Value = serde_json::from_str(&second.raw).unwrap();
    assert_eq!((&row["late"], &row["calledNo"]), (&true.into(), &NUMBER.into()), "of both rows");

    late.attempt.recording = Some("another".to_owned());
    late.raw.push(' ');
    let third = report(&ledger, campaign, vec![late]).await.remove(0);
    assert_eq!(third.attempt.recording.as_deref(), Some("another"));
    assert_eq!(third.revision, 2, "the disposition did not change");
    assert_eq!(ledger.find_attempt(first.uuid).await.unwrap(), Some(third));
}

async fn a_less_final_report_does_not_win(place: Place) {
    use Disposition::{Answered, Busy, InProgress, Unknown};
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    for (reports, end, revision) in [
        (vec![Answered, InProgress], Answered, 1),
        (vec![Answered, Unknown], Answered, 1),
        (vec![Unknown, InProgress, Busy], Busy, 2),
        (vec![InProgress, Unknown, Answered, Answered], Answered, 3),
        (vec![Answered, Busy], Busy, 2),
    ] {
        let key = format!("{reports:?}");
        for disposition in reports {
            report(&ledger, campaign, vec![seen(&key, disposition)]).await;
        }
        let row = ledger.find_attempt(seen(&key, end).proposed_uuid).await.unwrap().unwrap();
        assert_eq!((row.attempt.disposition, row.revision), (end, revision), "{key}");
        assert_eq!(row.attempt.native_code, format!("{end:?}"), "{key}: the code goes with it");
    }
}

async fn a_closer_look_is_not_undone_by_the_same_report(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let told = seen("a", Disposition::Answered);
    let row = report(&ledger, campaign, vec![told.clone()]).await.remove(0);
    let mut closer = told.attempt.clone();
    closer.disposition = Disposition::Machine;
    closer.contact_reference = None;
    let moments =
        CallMoments { ringing_at: Some(at(5)), answered_at: None, ended_by: Some(EndedBy::Callee) };
    let closer = Explained { attempt: closer, moments };
    let explained =
        ledger.explain_attempt(row.uuid, Some(closer.clone()), at(900)).await.unwrap().unwrap();
    assert_eq!(explained.moments, moments);
    let less = CallMoments { answered_at: Some(at(6)), ..CallMoments::default() };
    let again = Explained { moments: less, ..closer };
    let again = ledger.explain_attempt(row.uuid, Some(again), at(901)).await.unwrap().unwrap();
    assert_eq!(again.moments, CallMoments { answered_at: Some(at(6)), ..moments });
    let explained = AttemptRow { moments: again.moments, ..explained };
    assert_eq!((explained.attempt.disposition, explained.revision), (Disposition::Machine, 2));
    assert_eq!(explained.attempt.contact_reference, told.attempt.contact_reference);
    assert_eq!(report(&ledger, campaign, vec![told]).await.first(), Some(&explained));
    let failed = seen("a", Disposition::Failed);
    assert_eq!(report(&ledger, campaign, vec![failed]).await, [explained], "it says less");
    let nobody = ledger.explain_attempt(uuid(4242), None, at(900)).await;
    assert_eq!(nobody.unwrap(), None);
}

async fn attempts_are_listed_by_campaign_or_account(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let other = sight(&ledger, "uuids", unpaired(1)).await.identity.uuid;
    for n in 0..4 {
        let mut attempt = seen(&n.to_string(), Disposition::Busy);
        attempt.attempt.dialed_at = Some(at(1 + n));
        report(&ledger, campaign, vec![attempt]).await;
    }
    let elsewhere = vec![seen("x", Disposition::Busy)];
    ledger.record_attempts(slug("uuids"), other, elsewhere, at(50)).await.unwrap();
    let list = async |scope, before, limit| {
        let window = AttemptWindow { before, limit, include_deleted: true };
        let rows = ledger.list_attempts(scope, window).await.unwrap();
        let natives = rows.iter().map(|row| row.native.to_string());
        natives.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(list(AttemptScope::Campaign(campaign), None, 100).await, "3 2 1 0");
    assert_eq!(list(AttemptScope::Campaign(campaign), Some(at(3)), 1).await, "1");
    let of = |names: &[&str]| AttemptScope::Accounts(names.iter().map(|n| slug(n)).collect());
    assert_eq!(list(of(&["uuids"]), None, 100).await, "x");
    assert_eq!(list(of(&["uuids", "pairs"]), None, 100).await.split(' ').count(), 5);
    assert_eq!(list(of(&["uuids", "pairs"]), None, 2).await.split(' ').count(), 2, "of both");
    assert_eq!(list(of(&[]), None, 100).await, "");
    assert_eq!(list(of(&["pairs"]), Some(at(4)), 2).await, "2 1");
}

/// Platforms tell times to the second; several processes report the same attempts.
async fn many_reports_of_one_second_at_once(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            let mut attempts: Vec<_> =
                (0..60).map(|n| seen(&n.to_string(), Disposition::Busy)).collect();
            attempts.rotate_left(task * 7);
            report(&ledger, campaign, attempts).await.len()
        });
    }
    assert_eq!(tasks.join_all().await, [60; 8]);
    let scope = AttemptScope::Campaign(campaign);
    let window = AttemptWindow { before: None, limit: 100, include_deleted: true };
    let rows = ledger.list_attempts(scope, window).await.unwrap();
    assert_eq!(rows.len(), 60);
    let places: Vec<Timestamp> = rows.iter().map(|row| row.list_at).collect();
    assert!(places.is_sorted_by(|a, b| a > b), "each at its own place");
    assert!(places.iter().all(|at| at.as_second() == dialed_at().as_second()));
}

async fn numbers_and_rows_are_not_printed(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let contacts = ledger.record_contacts(campaign, vec![contact(1)], at(0)).await.unwrap();
    let attempts = report(&ledger, campaign, vec![seen("a", Disposition::Busy)]).await;
    assert_eq!(contacts[0].contact.numbers[0].number.reveal(), NUMBER);
    assert!(attempts[0].raw.contains(NUMBER));
    let printed =
        format!("{:?}{contacts:?}{:?}{attempts:?}", contact(1), seen("a", Disposition::Busy));
    assert!(!printed.contains(&NUMBER[1..]), "{printed}");

    place.tamper("UPDATE attempt SET disposition = called; UPDATE contact SET state = 'odd'");
    let attempt = ledger.find_attempt(attempts[0].uuid).await.unwrap_err();
    let contact = ledger.find_contact(contacts[0].uuid).await.unwrap_err();
    assert!(matches!((&attempt, &contact), (LedgerError::Corrupt(_), LedgerError::Corrupt(_))));
    assert!(!attempt.to_string().contains(&NUMBER[1..]), "{attempt}");
}

fn contact(n: i64) -> NewContact {
    let number = |place, text: &str, category: Option<&str>| ContactNumber {
        number: PhoneNumber::new(text),
        place,
        category: category.map(str::to_owned),
        delay_ms: category.map(|_| 60_000),
    };
    NewContact {
        uuid: uuid(500 + n),
        contact: Contact {
            reference: Some(format!("reference-{n}")),
            label: None,
            data: Some("{\"greeting\":\"hello\"}".to_owned()),
            // The second place could not be read.
            numbers: vec![number(0, NUMBER, Some("office")), number(2, "0755 87654321", None)],
        },
    }
}

async fn settle(ledger: &Ledger, n: i64, state: ContactState) {
    let settled = SettledContact { uuid: contact(n).uuid, state, native: None };
    ledger.settle_contacts(vec![settled], at(1000)).await.unwrap();
}

fn dialed_at() -> Timestamp {
    Timestamp::from_second(1_800_000_100).unwrap()
}

fn seen(key: &str, disposition: Disposition) -> SeenAttempt {
    SeenAttempt {
        call: None,
        contact: None,
        proposed_uuid: Uuid::new_v5(&Uuid::NAMESPACE_OID, key.as_bytes()),
        native: NativeId::new(key),
        attempt: CallAttempt {
            contact_reference: Some("reference-1".to_owned()),
            called: Some(PhoneNumber::new(NUMBER)),
            caller: None,
            dialed_at: Some(dialed_at()),
            ended_at: Some(dialed_at()),
            result: CallResult::Unknown,
            disposition,
            flags: DispositionFlags { live_person: true, ..DispositionFlags::default() },
            native_code: format!("{disposition:?}"),
            try_number: Some(2),
            recording: Some("a recording".to_owned()),
        },
        raw: format!("{{\"calledNo\":\"{NUMBER}\",\"says\":\"{disposition:?}\"}}"),
    }
}

async fn report(ledger: &Ledger, campaign: Uuid, seen: Vec<SeenAttempt>) -> Vec<AttemptRow> {
    let recorded = ledger.record_attempts(slug("pairs"), campaign, seen, at(1000)).await.unwrap();
    recorded.into_iter().map(|(row, _)| row).collect()
}

async fn a_deleted_attempt_stays_readable(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let row = report(&ledger, campaign, vec![seen("a", Disposition::Busy)]).await.remove(0);
    assert_eq!(row.deleted_at, None);
    assert!(ledger.delete_attempt(row.uuid, at(500)).await.unwrap());
    assert!(ledger.delete_attempt(row.uuid, at(600)).await.unwrap());
    let known = ledger.find_attempt(row.uuid).await.unwrap().unwrap();
    assert_eq!(known, AttemptRow { deleted_at: Some(at(500)), ..row });
    for (include_deleted, there) in [(true, 1), (false, 0)] {
        let window = AttemptWindow { before: None, limit: 10, include_deleted };
        for scope in [AttemptScope::Campaign(campaign), AttemptScope::Accounts(vec![slug("pairs")])]
        {
            let listed = ledger.list_attempts(scope, window).await.unwrap();
            assert_eq!(listed.len(), there);
        }
    }
    assert!(!ledger.delete_attempt(uuid(4242), at(500)).await.unwrap());
}
