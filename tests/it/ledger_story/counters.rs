//! Contacts are counted by how far they are, in all and by label.

use dialbridge::domain::call::{CallAttempt, CallResult, Disposition, DispositionFlags};
use dialbridge::domain::contact::{Contact, ContactNumber};
use dialbridge::domain::ids::NativeId;
use dialbridge::domain::phone::PhoneNumber;
use dialbridge::ledger::Ledger;
use dialbridge::ledger::attempts::SeenAttempt;
use dialbridge::ledger::contacts::{ContactState, NewContact, SettledContact};
use dialbridge::ledger::counters::{Counted, Counters, Counting};
use uuid::Uuid;

use super::{Place, at, paired, sight, slug, stories, uuid};

stories!(contacts_are_counted_by_how_far_they_are, a_campaign_without_contacts_counts_nothing);

/// Microseconds at which today begins.
const TODAY: i64 = 1000;

async fn contacts_are_counted_by_how_far_they_are(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let other = sight(&ledger, "pairs", paired(2)).await.identity.uuid;
    add(&ledger, campaign, &[(1, "a"), (2, "a"), (3, "a"), (4, "b"), (5, "b")], 10).await;
    add(&ledger, other, &[(7, "a")], 10).await;
    let nameless = NewContact { uuid: uuid(8), contact: Contact::default() };
    ledger.record_contacts(campaign, vec![nameless], at(20)).await.unwrap();
    settle(&ledger, 8, ContactState::Added).await;
    add(&ledger, campaign, &[(6, "b")], TODAY).await;
    settle(&ledger, 4, ContactState::Deleted).await;

    let reports = reports();
    ledger.record_attempts(slug("pairs"), campaign, reports, at(5000)).await.unwrap();

    let counted = count(&ledger, campaign, None, vec![2, 1]).await;
    let a = Counters {
        contacts: 3,
        dialed: 3,
        dialed_today: 1,
        succeeded: 1,
        finished: 2,
        finished_today: 1,
        ..Counters::default()
    };
    let b = Counters {
        contacts: 2,
        added_today: 1,
        dialed: 2,
        dialed_today: 2,
        finished: 1,
        finished_today: 1,
        ..Counters::default()
    };
    let all = Counters {
        contacts: 6,
        added_today: 1,
        waiting: 0,
        dialed: 6,
        dialed_today: 4,
        succeeded: 2,
        succeeded_today: 1,
        finished: 4,
        finished_today: 3,
    };
    let by_label = vec![("a".to_owned(), a), ("b".to_owned(), b)];
    assert_eq!(counted, Counted { all, by_label });

    let only_b = count(&ledger, campaign, Some("b"), vec![2, 1]).await;
    assert_eq!(only_b, Counted { all: b, by_label: vec![("b".to_owned(), b)] });
    let unlimited = count(&ledger, campaign, Some("a"), Vec::new()).await;
    assert_eq!(unlimited.all, Counters { finished: 1, finished_today: 0, ..a });
    let waiting = Counters { contacts: 1, waiting: 1, ..Counters::default() };
    assert_eq!(count(&ledger, other, None, vec![1]).await.all, waiting);
}

fn reports() -> Vec<SeenAttempt> {
    use CallResult::{Fail, InProgress, Success};
    let by_id = uuid(8).simple().to_string();
    vec![
        // 1: a success yesterday after a failure.
        attempt("1a", "r1", 100, Fail, true),
        attempt("1b", "r1", 200, Success, false),
        // 2: both tries used up, the last one today.
        attempt("2a", "r2", 100, Fail, true),
        attempt("2b", "r2", TODAY + 1, Fail, true),
        // 3: one of two tries made.
        attempt("3a", "r3", 100, Fail, true),
        // 5: a wrong number, found out today; 6: being called.
        attempt("5a", "r5", TODAY, Fail, false),
        attempt("6a", "r6", TODAY + 2, InProgress, false),
        // A contact without a reference goes by its id.
        attempt("8a", &by_id, TODAY + 3, Success, false),
        attempt("9a", "nobody's", TODAY, Success, false),
    ]
}

async fn a_campaign_without_contacts_counts_nothing(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    assert_eq!(count(&ledger, campaign, None, vec![1]).await, Counted::default());
    let unknown = Counting {
        campaign: uuid(99),
        day_begin: at(0),
        label: None,
        attempts_by_place: Vec::new(),
    };
    ledger.count_contacts(unknown).await.unwrap_err();
}

async fn count(
    ledger: &Ledger,
    campaign: Uuid,
    label: Option<&str>,
    attempts_by_place: Vec<i64>,
) -> Counted {
    let label = label.map(str::to_owned);
    let counting = Counting { campaign, day_begin: at(TODAY), label, attempts_by_place };
    ledger.count_contacts(counting).await.unwrap()
}

/// Contacts `r<n>` with one number and a label, taken by the platform.
async fn add(ledger: &Ledger, campaign: Uuid, contacts: &[(i64, &str)], time: i64) {
    let contact = |&(n, label): &(i64, &str)| NewContact {
        uuid: uuid(n),
        contact: Contact {
            reference: Some(format!("r{n}")),
            label: Some(label.to_owned()),
            numbers: vec![ContactNumber {
                number: PhoneNumber::new("+8613100000001"),
                place: 0,
                category: None,
                delay_ms: None,
            }],
            ..Contact::default()
        },
    };
    let new = contacts.iter().map(contact).collect();
    ledger.record_contacts(campaign, new, at(time)).await.unwrap();
    for (n, _) in contacts {
        settle(ledger, *n, ContactState::Added).await;
    }
}

async fn settle(ledger: &Ledger, n: i64, state: ContactState) {
    let settled = SettledContact { uuid: uuid(n), state, native: None };
    ledger.settle_contacts(vec![settled], at(50)).await.unwrap();
}

fn attempt(
    key: &str,
    reference: &str,
    time: i64,
    result: CallResult,
    contact_reusable: bool,
) -> SeenAttempt {
    SeenAttempt {
        proposed_uuid: Uuid::new_v5(&Uuid::NAMESPACE_OID, key.as_bytes()),
        native: NativeId::new(key),
        attempt: CallAttempt {
            contact_reference: Some(reference.to_owned()),
            called: None,
            caller: None,
            dialed_at: Some(at(time)),
            ended_at: None,
            result,
            disposition: Disposition::Unknown,
            flags: DispositionFlags { contact_reusable, ..DispositionFlags::default() },
            native_code: String::new(),
            try_number: None,
            recording: None,
        },
        raw: "{}".to_owned(),
        call: None,
        contact: None,
    }
}
