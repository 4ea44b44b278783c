//! Attempts are found by what platforms let their clients ask.

use dialbridge::domain::call::{CallAttempt, CallRef, CallResult, Disposition, DispositionFlags};
use dialbridge::domain::contact::{Contact, ContactNumber};
use dialbridge::domain::ids::NativeId;
use dialbridge::domain::listing::{AttemptFilter, Finals};
use dialbridge::domain::phone::PhoneNumber;
use dialbridge::ledger::Ledger;
use dialbridge::ledger::attempts::{AttemptPage, SeenAttempt};
use dialbridge::ledger::contacts::NewContact;
use uuid::Uuid;

use super::{Place, at, paired, sight, slug, stories, uuid};

stories! {
    attempts_are_searched_by_contact_label_day_and_last,
    contacts_of_one_subscriber_are_told_apart,
    a_result_is_final_when_nobody_calls_again,
    an_attempt_is_found_by_its_call,
    calls_are_found_that_were_recorded_before,
}

async fn attempts_are_searched_by_contact_label_day_and_last(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let contact = Contact {
        reference: Some("r1".to_owned()),
        label: Some("spring".to_owned()),
        ..Contact::default()
    };
    let contact = NewContact { uuid: uuid(70), contact };
    ledger.record_contacts(campaign, vec![contact], at(0)).await.unwrap();
    let attempts = vec![
        seen("11/1/a/t", Some("r1"), 10, CallResult::Fail),
        seen("11/1/b/t", Some("r1"), 20, CallResult::Success),
        seen("11/1/c/t", Some("r2"), 30, CallResult::Fail),
        seen("11/1/d/t", None, 40, CallResult::Fail),
        seen("11/1/e/t", None, 50, CallResult::Fail),
        seen("11/1/f/t", Some("r1"), 60, CallResult::InProgress),
    ];
    ledger.record_attempts(slug("pairs"), campaign, attempts, at(100)).await.unwrap();
    let found = async |filter| keys(&ledger, campaign, filter).await;
    let any = AttemptFilter::default;
    assert_eq!(found(any()).await, "a b c d e", "what is not over is not there");
    let of_r1 = AttemptFilter { reference: Some("r1".to_owned()), ..any() };
    assert_eq!(found(of_r1).await, "a b");
    let spring = AttemptFilter { label: Some("spring".to_owned()), ..any() };
    assert_eq!(found(spring).await, "a b");
    let between = AttemptFilter { from: Some(at(20)), until: Some(at(40)), ..any() };
    assert_eq!(found(between).await, "b c");
    let last = AttemptFilter { finals: Finals::Last, ..any() };
    assert_eq!(found(last).await, "b c d e", "attempts without a contact all stay");
    let two = ledger.search_attempts(campaign, any(), (1, 2)).await.unwrap();
    assert_eq!((names(&two), two.total), ("b c".to_owned(), 5));
}

/// A contact of the subscriber `r`, with one number.
fn of_subscriber(n: i64, label: &str) -> NewContact {
    let contact = Contact {
        reference: Some("r".to_owned()),
        label: Some(label.to_owned()),
        numbers: vec![ContactNumber {
            number: PhoneNumber::new("+8613100000001"),
            place: 0,
            category: None,
            delay_ms: None,
        }],
        ..Contact::default()
    };
    NewContact { uuid: uuid(n), contact }
}

async fn contacts_of_one_subscriber_are_told_apart(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let contacts = vec![of_subscriber(70, "spring"), of_subscriber(71, "autumn")];
    ledger.record_contacts(campaign, contacts, at(0)).await.unwrap();
    let of = |native: &str, contact: Option<i64>, at_s| SeenAttempt {
        contact: contact.map(uuid),
        ..seen(native, Some("r"), at_s, CallResult::Fail)
    };
    let attempts = vec![
        of("11/1/a/t", Some(70), 10),
        of("11/1/b/t", Some(71), 20),
        of("11/1/c/t", Some(70), 30),
    ];
    ledger.record_attempts(slug("pairs"), campaign, attempts, at(100)).await.unwrap();
    let found = async |filter| keys(&ledger, campaign, filter).await;
    let last = AttemptFilter { finals: Finals::Last, ..AttemptFilter::default() };
    assert_eq!(found(last).await, "b c");
    for (label, of_it) in [("spring", "a c"), ("autumn", "b"), ("winter", "")] {
        let labelled = AttemptFilter { label: Some(label.to_owned()), ..AttemptFilter::default() };
        assert_eq!(found(labelled).await, of_it, "{label}");
    }
}

async fn a_result_is_final_when_nobody_calls_again(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    ledger.record_contacts(campaign, vec![of_subscriber(70, "")], at(0)).await.unwrap();
    let report = async |native: &str, at_s, result: CallResult| {
        let mut seen = seen(native, Some("r"), at_s, result);
        seen.contact = Some(uuid(70));
        seen.attempt.flags.contact_reusable = true;
        seen.attempt.disposition = result.disposition();
        ledger.record_attempts(slug("pairs"), campaign, vec![seen], at(100)).await.unwrap();
    };
    let finished = async |tries: &[i64]| {
        let finals = Finals::Finished { attempts_by_place: tries.to_vec() };
        keys(&ledger, campaign, AttemptFilter { finals, ..AttemptFilter::default() }).await
    };
    report("11/1/a/t", 10, CallResult::Fail).await;
    assert_eq!(finished(&[1]).await, "a", "it was its only try");
    assert_eq!(finished(&[2]).await, "", "another follows");
    assert_eq!(finished(&[]).await, "", "how many follow is not known");
    report("11/1/b/t", 20, CallResult::InProgress).await;
    assert_eq!(finished(&[1]).await, "", "it follows now");
    report("11/1/b/t", 20, CallResult::Fail).await;
    assert_eq!(finished(&[2]).await, "b");
    report("11/1/c/t", 30, CallResult::Success).await;
    assert_eq!(finished(&[9]).await, "c", "nobody calls after a success");
    // Two successes of one subscriber are two contacts', whoever they are.
    let success = |native: &str, at_s| seen(native, Some("other"), at_s, CallResult::Success);
    let two = vec![success("11/1/d/t", 40), success("11/1/e/t", 50)];
    ledger.record_attempts(slug("pairs"), campaign, two, at(100)).await.unwrap();
    assert_eq!(finished(&[9]).await, "c d e");
}

async fn an_attempt_is_found_by_its_call(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let of_call = |native: &str, call: &str, at_s| SeenAttempt {
        call: Some(CallRef { native: NativeId::new(call), is_object: false }),
        ..seen(native, None, at_s, CallResult::Fail)
    };
    let attempts = vec![
        of_call("11/1/call_1/t", "call_1", 10),
        of_call("11/1/call_1/u", "call_1", 30),
        of_call("11/1/call-10/t", "call-10", 20),
    ];
    ledger.record_attempts(slug("pairs"), campaign, attempts, at(100)).await.unwrap();
    let looked_at = ledger.unexplained_attempts(slug("pairs"), at(1000), None, 10).await.unwrap();
    assert!(looked_at.is_empty(), "their calls tell nothing more");
    let found = async |accounts: &[&str], call: &str| {
        let accounts = accounts.iter().map(|name| slug(name)).collect();
        let row = ledger.find_attempt_by_call(accounts, NativeId::new(call)).await.unwrap();
        row.map(|row| row.native.to_string())
    };
    assert_eq!(
        found(&["uuids", "pairs"], "call_1").await.as_deref(),
        Some("11/1/call_1/u"),
        "the newest"
    );
    for nothing in ["call", "call-1", "%", "", "call-1_"] {
        assert_eq!(found(&["pairs"], nothing).await, None, "{nothing}");
    }
    assert_eq!(found(&["uuids"], "call_1").await, None, "another account's");
    assert_eq!(found(&[], "call_1").await, None);
}

/// What a program for schema 27 has written, made anew by the migration.
async fn calls_are_found_that_were_recorded_before(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let natives = ["11/1/call-1/2026-10-01 08:00:00", "11/1/a/b/", "11/1//2026-10-01/s/n", "cut"];
    let attempts =
        natives.iter().zip(1..).map(|(native, s)| seen(native, None, s, CallResult::Fail));
    ledger.record_attempts(slug("pairs"), campaign, attempts.collect(), at(100)).await.unwrap();
    drop(ledger);
    place.tamper(
        "ALTER TABLE attempt DROP COLUMN ringing_at; ALTER TABLE attempt DROP COLUMN answered_at; \
         ALTER TABLE attempt DROP COLUMN ended_by; \
         DROP TABLE suppression_told; DROP TABLE suppression_holder; \
         DELETE FROM refinery_schema_history WHERE version > 27",
    );
    place.migrate().await.unwrap();
    let ledger = place.open().await.unwrap();
    for (call, native) in [
        ("call-1", Some(natives[0])),
        ("a/b", Some(natives[1])),
        ("", None),
        ("cut", None),
        ("2026-10-01 08:00:00", None),
    ] {
        let call = NativeId::new(call);
        let found = ledger.find_attempt_by_call(vec![slug("pairs")], call.clone()).await.unwrap();
        assert_eq!(found.map(|row| row.native), native.map(NativeId::new), "{call}");
    }
    let looked_at = ledger.unexplained_attempts(slug("pairs"), at(1000), None, 10).await.unwrap();
    assert!(looked_at.is_empty(), "their calls tell nothing more");
}

async fn keys(ledger: &Ledger, campaign: Uuid, filter: AttemptFilter) -> String {
    let page = ledger.search_attempts(campaign, filter, (0, 100)).await.unwrap();
    assert_eq!(page.total, page.attempts.len() as u64);
    names(&page)
}

fn names(page: &AttemptPage) -> String {
    let keys = page.attempts.iter().map(|row| row.native.as_str()[5..6].to_owned());
    keys.collect::<Vec<_>>().join(" ")
}

fn seen(native: &str, reference: Option<&str>, at_s: i64, result: CallResult) -> SeenAttempt {
    SeenAttempt {
        proposed_uuid: Uuid::new_v5(&Uuid::NAMESPACE_OID, native.as_bytes()),
        native: NativeId::new(native),
        attempt: CallAttempt {
            contact_reference: reference.map(str::to_owned),
            called: None,
            caller: None,
            dialed_at: Some(at(at_s)),
            ended_at: None,
            result,
            disposition: Disposition::Unknown,
            flags: DispositionFlags::default(),
            native_code: String::new(),
            try_number: None,
            recording: None,
        },
        raw: "{}".to_owned(),
        call: None,
        contact: None,
    }
}
