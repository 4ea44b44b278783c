//! The inbox: in the order of being due, processed once and as a whole, and forgotten in time.

use dialbridge::domain::call::{CallAttempt, CallResult, Disposition, DispositionFlags};
use dialbridge::domain::ids::NativeId;
use dialbridge::domain::listing::AttemptWindow;
use dialbridge::ledger::Ledger;
use dialbridge::ledger::attempts::{AttemptScope, SeenAttempt};
use dialbridge::ledger::inbox::{InboxRow, NewPush, Processed, Quarantined};
use uuid::Uuid;

use super::{Place, at, paired, sight, slug, stories, uuid};

stories! {
    a_push_is_processed_once_and_as_a_whole,
    a_push_that_has_to_wait_does,
    what_is_no_text_is_kept_too,
}

const BODY: &str = "[{\"called\":\"013100000001\"}]";

fn push(account: &str, body: String) -> NewPush {
    NewPush { account: slug(account), body, proof: None, campaign: None, trace: None }
}

async fn due(ledger: &Ledger, now: i64) -> Vec<InboxRow> {
    ledger.due_inbox(10, at(now)).await.unwrap()
}

pub fn seen(key: &str) -> SeenAttempt {
    SeenAttempt {
        proposed_uuid: Uuid::new_v5(&Uuid::NAMESPACE_OID, key.as_bytes()),
        native: NativeId::new(key),
        attempt: CallAttempt {
            contact_reference: None,
            called: None,
            caller: None,
            dialed_at: Some(at(1)),
            ended_at: None,
            result: CallResult::Fail,
            disposition: Disposition::Busy,
            flags: DispositionFlags::default(),
            native_code: "00501".to_owned(),
            try_number: None,
            recording: None,
        },
        raw: "{}".to_owned(),
        call: None,
        contact: None,
    }
}

fn nonsense(reason: &str) -> Quarantined {
    Quarantined { reason: reason.to_owned(), body: b"7".to_vec() }
}

async fn a_push_is_processed_once_and_as_a_whole(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    for n in 0..3 {
        ledger.append_inbox(push("pairs", format!("{n}{BODY}")), at(n)).await.unwrap();
    }
    assert!(ledger.append_inbox(push("nobody", BODY.to_owned()), at(0)).await.is_err());
    let rows = due(&ledger, 2).await;
    let bodies: Vec<&str> = rows.iter().map(|row| &row.body[..1]).collect();
    assert_eq!(bodies, ["0", "1", "2"], "oldest first");
    assert!(!format!("{rows:?}").contains("0131"), "a push is not printed");

    let settle = async |row: &InboxRow, campaign: Uuid| {
        let processed = Processed {
            attempts: vec![(campaign, seen("a")), (campaign, seen("b"))],
            quarantined: vec![nonsense("no row")],
            ..Processed::default()
        };
        ledger.settle_inbox(vec![(row.clone(), processed)], at(10)).await
    };
    assert!(settle(&rows[0], uuid(4242)).await.is_err(), "no such campaign");
    assert_eq!(due(&ledger, 10).await.len(), 3, "nothing of it is kept");
    assert_eq!(settle(&rows[0], campaign).await, Ok(()));
    assert_eq!(settle(&rows[0], campaign).await, Ok(()), "another was faster");
    assert_eq!(settle(&rows[1], campaign).await, Ok(()), "a copy");
    assert_eq!(due(&ledger, 10).await, [rows[2].clone()]);
    let scope = AttemptScope::Campaign(campaign);
    let all = AttemptWindow { before: None, limit: 10, include_deleted: true };
    assert_eq!(ledger.list_attempts(scope, all).await.unwrap().len(), 2);
    let counts = ledger.inbox_counts().await.unwrap();
    let counts = counts.iter().find(|row| row.account == slug("pairs")).unwrap();
    assert_eq!((counts.waiting, counts.oldest_waiting, counts.quarantined), (1, Some(at(2)), 2));

    assert_eq!(ledger.forget_processed(at(10), 10).await, Ok(0), "not yet");
    assert_eq!(ledger.forget_processed(at(11), 1).await, Ok(1));
    assert_eq!(ledger.forget_processed(at(11), 10).await, Ok(1));
    assert_eq!(due(&ledger, 10).await.len(), 1, "what waits is never forgotten");
}

async fn a_push_that_has_to_wait_does(place: Place) {
    let ledger = place.ledger().await;
    for n in 0..2 {
        ledger.append_inbox(push("pairs", BODY.to_owned()), at(n)).await.unwrap();
    }
    let first = due(&ledger, 5).await.remove(0);
    assert_eq!(first.tries, 0);
    ledger.postpone_inbox(first.id, at(60)).await.unwrap();
    let rows = due(&ledger, 59).await;
    assert!(rows.iter().all(|row| row.id != first.id) && rows.len() == 1, "others go on");
    let rows = due(&ledger, 60).await;
    assert_eq!((rows[1].id, rows[1].tries), (first.id, 1));
}

async fn what_is_no_text_is_kept_too(place: Place) {
    let ledger = place.ledger().await;
    for body in [&b"\xff\x00"[..], b"text with \0 in it", "h\u{e9}llo".as_bytes(), b""] {
        let what = Quarantined { reason: "it is no text".to_owned(), body: body.to_vec() };
        ledger.quarantine(slug("uuids"), what, at(0)).await.unwrap();
    }
    let counts = ledger.inbox_counts().await.unwrap();
    let quarantined: Vec<u64> = counts.iter().map(|row| row.quarantined).collect();
    assert_eq!(quarantined, [0, 4]);
}
