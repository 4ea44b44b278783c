//! Attempts are found by what platforms let their clients ask.

use dialbridge::domain::call::{CallAttempt, CallResult, Disposition, DispositionFlags};
use dialbridge::domain::contact::Contact;
use dialbridge::domain::ids::NativeId;
use dialbridge::domain::listing::AttemptFilter;
use dialbridge::domain::listing::Window;
use dialbridge::ledger::Ledger;
use dialbridge::ledger::attempts::SeenAttempt;
use dialbridge::ledger::contacts::NewContact;
use uuid::Uuid;

use super::{Place, at, paired, sight, slug, stories, uuid};

stories! {
    attempts_are_searched_by_contact_label_day_and_last,
    an_attempt_is_found_by_its_call,
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
    assert_eq!(found(any()).await, "e d c b a", "what is not over is not there");
    let of_r1 = AttemptFilter { reference: Some("r1".to_owned()), ..any() };
    assert_eq!(found(of_r1).await, "b a");
    let spring = AttemptFilter { label: Some("spring".to_owned()), ..any() };
    assert_eq!(found(spring).await, "b a");
    let between = AttemptFilter { from: Some(at(20)), until: Some(at(40)), ..any() };
    assert_eq!(found(between).await, "c b");
    let last = AttemptFilter { last_of_contact: true, ..any() };
    assert_eq!(found(last).await, "e d c b", "attempts without a contact all stay");
}

async fn an_attempt_is_found_by_its_call(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let attempts = vec![
        seen("11/1/call_1/t", None, 10, CallResult::Fail),
        seen("11/1/call-10/t", None, 20, CallResult::Fail),
    ];
    ledger.record_attempts(slug("pairs"), campaign, attempts, at(100)).await.unwrap();
    let found = async |accounts: &[&str], call: &str| {
        let accounts = accounts.iter().map(|name| slug(name)).collect();
        let row = ledger.find_attempt_by_call(accounts, call.to_owned()).await.unwrap();
        row.map(|row| row.native.to_string())
    };
    assert_eq!(found(&["pairs"], "call_1").await.as_deref(), Some("11/1/call_1/t"));
    for nothing in ["call", "call-1", "%", "", "call-1_"] {
        assert_eq!(found(&["pairs"], nothing).await, None, "{nothing}");
    }
    assert_eq!(found(&["uuids"], "call_1").await, None, "another account's");
    assert_eq!(found(&[], "call_1").await, None);
}

async fn keys(ledger: &Ledger, campaign: Uuid, filter: AttemptFilter) -> String {
    let window = Window::Offset { offset: 0, limit: 100 };
    let page = ledger.search_attempts(campaign, filter, window).await.unwrap();
    assert_eq!(page.total, page.attempts.len() as u64);
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
