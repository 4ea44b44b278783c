//! The inbox: in the order of being due, processed once and as a whole, and forgotten in time.

use std::collections::HashSet;

use dialbridge::domain::call::{CallAttempt, CallResult, Disposition, DispositionFlags};
use dialbridge::domain::destination::Destination;
use dialbridge::domain::ids::NativeId;
use dialbridge::domain::listing::AttemptWindow;
use dialbridge::ledger::attempts::{AttemptScope, SeenAttempt};
use dialbridge::ledger::inbox::{DuePage, InboxRow, NewPush, Processed, Quarantined, Waiting};
use dialbridge::ledger::journal::JournalEntry;
use dialbridge::ledger::quarantine::{
    MAX_UNPROVED, MAX_UNPROVED_BYTES, QuarantineFilter, QuarantineRow,
};
use dialbridge::ledger::{Ledger, LedgerError};
use futures_util::future::join_all;
use uuid::Uuid;

use super::receivers::receiver;
use super::{At, Place, at, paired, sight, slug, stories, uuid};

stories! {
    a_push_is_processed_once_and_as_a_whole,
    a_push_that_has_to_wait_does,
    what_is_no_text_is_kept_too,
    anybody_may_fill_only_so_much,
    a_part_of_a_push_waits_without_the_rest,
    what_is_understood_later_leaves_the_quarantine,
    a_large_push_is_kept_in_parts,
    what_is_large_and_understood_later_is_kept_in_parts,
    what_means_nothing_a_thousand_times_is_kept_once,
    a_page_ends_with_its_rows_or_its_bytes,
    what_the_store_refuses_is_told_from_a_store_that_is_away,
    a_part_that_waits_takes_along_what_is_counted,
    a_push_that_is_refused_takes_no_others_along,
}

const BODY: &str = "[{\"called\":\"013100000001\"}]";

fn push(account: &str, body: String) -> NewPush {
    NewPush {
        account: slug(account),
        body,
        original: None,
        proof: None,
        campaign: None,
        trace: None,
    }
}

/// So many times something was taken through again.
fn are_journalled(place: &Place, times: usize) {
    place.tamper(&format!(
        "CREATE TABLE times (n BIGINT CHECK (n = {times})); \
         INSERT INTO times SELECT COUNT(*) FROM journal WHERE action = 'inbox-reprocess'; \
         DROP TABLE times;"
    ));
}

pub fn page(rows: usize) -> DuePage {
    DuePage { rows, bytes: u64::MAX, but: HashSet::new() }
}

async fn due(ledger: &Ledger, now: i64) -> Vec<InboxRow> {
    ledger.due_inbox(page(10), at(now)).await.unwrap()
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
    Quarantined::new(reason, *b"7")
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
    assert!(!format!("{rows:?}").contains("01310000"), "a push is not printed");

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
    assert_eq!(settle(&rows[0], campaign).await, Ok(0));
    assert_eq!(settle(&rows[0], campaign).await, Ok(1), "another was faster");
    assert_eq!(settle(&rows[1], campaign).await, Ok(0), "a copy");
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

fn all() -> QuarantineFilter {
    let accounts = vec![slug("pairs"), slug("uuids")];
    QuarantineFilter { accounts, ids: None, with_unproved: true, after: 0 }
}

async fn what_is_no_text_is_kept_too(place: Place) {
    let ledger = place.ledger().await;
    let bodies = [&b"\xff\x00"[..], b"text with \0 in it", "h\u{e9}llo".as_bytes(), b""];
    for body in bodies {
        let what = Quarantined::new("it is no text", body);
        let push = push("uuids", String::new());
        assert_eq!(ledger.quarantine(push, what, at(0)).await, Ok(false), "nobody is told");
    }
    let counts = ledger.inbox_counts().await.unwrap();
    let quarantined: Vec<(u64, u64)> =
        counts.iter().map(|row| (row.quarantined, row.rows.received)).collect();
    assert_eq!(quarantined, [(0, 0), (4, 4)]);
    let kept = ledger.quarantined(all(), true, 10).await.unwrap();
    assert!(kept.iter().map(|row| &row.body[..]).eq(bodies), "byte for byte");
    let kept = ledger.quarantined(all(), false, 10).await.unwrap();
    assert!(kept.iter().all(|row| row.body.is_empty()) && kept[2].bytes == 6);
}

async fn anybody_may_fill_only_so_much(place: Place) {
    let ledger = place.ledger().await;
    let keep = async |account, reason: &str, bytes: usize| {
        let what = Quarantined::new(reason, vec![b'x'; bytes]);
        ledger.quarantine_unproved(slug(account), what, at(0)).await.unwrap();
    };
    keep("uuids", "another's", 1).await;
    for number in 0..MAX_UNPROVED + 5 {
        keep("pairs", &number.to_string(), 10).await;
    }
    let counts = ledger.inbox_counts().await.unwrap();
    let unproved: Vec<u64> = counts.iter().map(|row| row.unproved).collect();
    assert_eq!(unproved, [u64::try_from(MAX_UNPROVED).unwrap(), 1]);
    assert!(counts.iter().all(|row| row.quarantined == 0 && row.rows.received == 0));
    let third = usize::try_from(MAX_UNPROVED_BYTES / 3).unwrap();
    for number in 0..5 {
        keep("pairs", &format!("large {number}"), third).await;
    }
    let kept = ledger.quarantined(all(), false, 1000).await.unwrap();
    let kept: Vec<&str> = kept.iter().map(|row| &*row.reason).collect();
    assert_eq!(kept, ["another's", "large 2", "large 3", "large 4"], "the oldest give way");
    let proved = QuarantineFilter { with_unproved: false, ..all() };
    assert_eq!(ledger.quarantined(proved, false, 10).await.unwrap(), []);
}

async fn a_part_of_a_push_waits_without_the_rest(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    ledger.append_inbox(push("pairs", BODY.to_owned()), at(0)).await.unwrap();
    let first = due(&ledger, 1).await.remove(0);
    let waiting = Waiting { rows: vec![1, 4], until: at(60) };
    let part = Processed {
        attempts: vec![(campaign, seen("a"))],
        waiting: Some(waiting),
        ..Processed::default()
    };
    for passed_over in 0..2 {
        let settled = vec![(first.clone(), part.clone())];
        assert_eq!(
            ledger.settle_inbox(settled, at(2)).await,
            Ok(passed_over),
            "once, however often"
        );
    }
    assert_eq!(due(&ledger, 59).await, []);
    let rest = due(&ledger, 60).await.remove(0);
    assert_eq!((rest.tries, rest.waiting.as_deref()), (1, Some(&[1, 4][..])));
    let stale = Processed { attempts: vec![(campaign, seen("b"))], ..Processed::default() };
    assert_eq!(ledger.settle_inbox(vec![(first, stale)], at(61)).await, Ok(1));
    assert_eq!(
        due(&ledger, 61).await.len(),
        1,
        "who read it before the part was settled is too late"
    );
    let done = Processed { attempts: vec![(campaign, seen("b"))], ..Processed::default() };
    ledger.settle_inbox(vec![(rest, done)], at(62)).await.unwrap();
    assert_eq!(due(&ledger, 1000).await, []);
    let counts = ledger.inbox_counts().await.unwrap();
    let rows = counts.iter().find(|row| row.account == slug("pairs")).unwrap().rows;
    assert_eq!((rows.received, rows.stored), (2, 2));
}

async fn what_is_understood_later_leaves_the_quarantine(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    for reason in ["one", "two"] {
        ledger.quarantine(push("pairs", String::new()), nonsense(reason), at(0)).await.unwrap();
    }
    let rows = ledger.quarantined(all(), true, 10).await.unwrap();
    let settle = async |rows: &[QuarantineRow]| {
        let understood =
            Processed { attempts: vec![(campaign, seen("a"))], ..Processed::default() };
        let rest = Processed {
            quarantined: vec![nonsense("still"), nonsense("and more")],
            ..Processed::default()
        };
        let mut were_there = Vec::new();
        for (row, processed) in rows.iter().cloned().zip([understood, rest]) {
            let entry = JournalEntry::new(at(9), "ann", "inbox-reprocess");
            were_there.push(ledger.settle_quarantined(row, processed, entry).await.unwrap());
        }
        were_there
    };
    assert_eq!(settle(&rows).await, [true, true]);
    let kept = ledger.quarantined(all(), true, 10).await.unwrap();
    let said: Vec<(bool, &str)> =
        kept.iter().map(|row| (row.id == rows[1].id, &*row.reason)).collect();
    assert_eq!(said, [(true, "still"), (false, "and more")]);
    // Somebody else took the first meanwhile.
    assert_eq!(settle(&rows[..1]).await, [false]);
    // What was done, and nothing else.
    are_journalled(&place, 2);
    let counts = ledger.inbox_counts().await.unwrap();
    let rows = counts.iter().find(|row| row.account == slug("pairs")).unwrap().rows;
    assert_eq!((rows.received, rows.stored, rows.merged, rows.quarantined), (3, 1, 0, 2));
}

/// Attempts of `kind`, of which one may be of a campaign that is none: keeping them ends there.
fn many(kind: &str, campaign: Uuid, broken: Option<usize>) -> Processed {
    let of = |n| if Some(n) == broken { uuid(4242) } else { campaign };
    let attempts = (0..200).map(|n| (of(n), seen(&format!("{kind}{n}")))).collect();
    Processed { attempts, quarantined: vec![nonsense("one")], ..Processed::default() }
}

async fn tally(ledger: &Ledger) -> [u64; 4] {
    let counts = ledger.inbox_counts().await.unwrap();
    let rows = counts.iter().find(|row| row.account == slug("pairs")).unwrap().rows;
    [rows.received, rows.stored, rows.merged, rows.quarantined]
}

/// No verb takes more than 64 rows, and fewer the more are told of each; what is interrupted is done
/// again, and nothing is stored, told or counted twice.
async fn a_large_push_is_kept_in_parts(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    for (kind, takers, parts) in [("alone", 0, [64, 192]), ("told", 2, [96, 192])] {
        for n in 0..takers {
            let url = format!("http://{n}.example.com/");
            let one = Destination { is_receiver: false, ..receiver(n, &url) };
            let entry = JournalEntry::new(at(1), "ann", "destination-add");
            ledger.add_destination(one, entry).await.unwrap();
        }
        let [received, stored, merged, quarantined] = tally(&ledger).await;
        ledger.append_inbox(push("pairs", BODY.to_owned()), at(0)).await.unwrap();
        let [row] = &due(&ledger, 0).await[..] else { panic!("one push is due") };
        let settle = async |broken| {
            let settled = vec![(row.clone(), many(kind, campaign, broken))];
            ledger.settle_inbox(settled, at(10)).await
        };
        for (broken, part) in [100, 199].into_iter().zip(parts) {
            assert!(settle(Some(broken)).await.is_err(), "no such campaign");
            let kept = [received + part, stored + part, merged, quarantined];
            assert_eq!(tally(&ledger).await, kept, "{kind} {broken}");
            assert_eq!(due(&ledger, 0).await, std::slice::from_ref(row));
        }
        for passed_over in 0..2 {
            assert_eq!(settle(None).await, Ok(passed_over), "once, however often");
            let kept = [received + 201, stored + 200, merged, quarantined + 1];
            assert_eq!(tally(&ledger).await, kept, "{kind}");
        }
        assert_eq!(due(&ledger, 1000).await, []);
    }
    for row in ledger.destinations().await.unwrap() {
        assert_eq!(row.created, 200, "{}", row.destination.name);
    }
}

async fn what_is_large_and_understood_later_is_kept_in_parts(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    ledger.quarantine(push("pairs", String::new()), nonsense("all"), at(0)).await.unwrap();
    let [row] = &ledger.quarantined(all(), true, 10).await.unwrap()[..] else { panic!("one") };
    let settle = async |broken| {
        let entry = JournalEntry::new(at(9), "ann", "inbox-reprocess");
        ledger.settle_quarantined(row.clone(), many("later", campaign, broken), entry).await
    };
    assert!(settle(Some(100)).await.is_err(), "no such campaign");
    are_journalled(&place, 0);
    assert_eq!(tally(&ledger).await, [65, 64, 0, 1]);
    let left = ledger.quarantined(all(), true, 10).await.unwrap();
    assert_eq!(left, std::slice::from_ref(row), "all of it");
    settle(None).await.unwrap();
    assert_eq!(tally(&ledger).await, [265, 200, 64, 1], "what is taken again is received again");
    let left = ledger.quarantined(all(), true, 10).await.unwrap();
    assert_eq!(left.iter().map(|row| &*row.reason).collect::<Vec<_>>(), ["one"]);
}

async fn what_means_nothing_a_thousand_times_is_kept_once(place: Place) {
    let ledger = place.ledger().await;
    let body = format!("[{}]", ["{}"; 1000].join(","));
    ledger.append_inbox(push("pairs", body.clone()), at(0)).await.unwrap();
    let row = due(&ledger, 0).await.remove(0);
    let quarantined = vec![nonsense("no campaign"); 1000];
    let processed = Processed { quarantined, ..Processed::default() }.gathered(&row.body);
    ledger.settle_inbox(vec![(row, processed)], at(10)).await.unwrap();
    assert_eq!(tally(&ledger).await, [1000, 0, 0, 1000]);
    let [kept] = &ledger.quarantined(all(), true, 10).await.unwrap()[..] else { panic!("one") };
    assert_eq!(kept.body, body.as_bytes());
    assert_eq!(kept.reason, "1000 of its rows mean nothing, the first: no campaign");
}

async fn a_page_ends_with_its_rows_or_its_bytes(place: Place) {
    let ledger = place.ledger().await;
    for (n, length) in [(0, 10), (1, 10), (2, 100), (3, 10)] {
        ledger.append_inbox(push("pairs", "x".repeat(length)), at(n)).await.unwrap();
    }
    let ids: Vec<i64> = due(&ledger, 9).await.iter().map(|row| row.id).collect();
    let read = async |rows, bytes, but: &[i64]| {
        let page = DuePage { rows, bytes, but: but.iter().copied().collect() };
        let read = ledger.due_inbox(page, at(9)).await.unwrap();
        read.iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(read(1, 1000, &[]).await, ids[..1]);
    assert_eq!(read(9, 20, &[]).await, ids[..2]);
    assert_eq!(read(9, 119, &[]).await, ids[..2]);
    assert_eq!(read(9, 120, &[]).await, ids[..3]);
    assert_eq!(read(9, 20, &ids[..2]).await, ids[2..3], "what is longer comes alone");
    assert_eq!(read(2, 1000, &ids[..1]).await, ids[1..3]);
    assert_eq!(read(9, 20, &ids).await, [0_i64; 0]);
}

/// What a trigger refuses is refused for good; a table that is not there is the store's matter.
async fn what_the_store_refuses_is_told_from_a_store_that_is_away(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    ledger.append_inbox(push("pairs", BODY.to_owned()), at(0)).await.unwrap();
    let row = due(&ledger, 0).await.remove(0);
    let settle = async |keys: &[&str]| {
        let attempts = keys.iter().map(|key| (campaign, seen(key))).collect();
        let processed = Processed { attempts, ..Processed::default() };
        ledger.settle_inbox(vec![(row.clone(), processed)], at(1)).await
    };
    place.tamper(match &place.at {
        At::File(_) => {
            "CREATE TRIGGER poison BEFORE INSERT ON attempt WHEN NEW.native IN ('poison', 'bad') \
             BEGIN SELECT RAISE(ABORT, 'refused'); END;"
        }
        At::Database(_) => {
            "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN RAISE EXCEPTION ''refused'' USING ERRCODE = TG_ARGV[0]; END'; \
             CREATE TRIGGER poison BEFORE INSERT ON attempt FOR EACH ROW \
             WHEN (NEW.native = 'poison') EXECUTE FUNCTION poison('P0001'); \
             CREATE TRIGGER bad BEFORE INSERT ON attempt FOR EACH ROW \
             WHEN (NEW.native = 'bad') EXECUTE FUNCTION poison('22003');"
        }
    });
    let refused = settle(&["a", "poison"]).await.unwrap_err();
    assert!(!refused.is_of_the_store(), "{refused:?}");
    // Bad data contradicts nothing that is there already.
    let bad = settle(&["bad"]).await.unwrap_err();
    assert!(matches!(bad, LedgerError::Refused(_)), "{bad:?}");
    assert_eq!(due(&ledger, 1).await.len(), 1, "nothing of it is kept");
    place.tamper("ALTER TABLE account_tally RENAME TO away");
    let away = settle(&["a"]).await.unwrap_err();
    assert!(away.is_of_the_store(), "{away:?}");
    place.tamper("ALTER TABLE away RENAME TO account_tally");
    settle(&["a"]).await.unwrap();
}

/// Of a large push a first part was counted and the second refused. It is settled in other parts then,
/// and nothing is counted twice.
async fn a_part_that_waits_takes_along_what_is_counted(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    ledger.append_inbox(push("pairs", BODY.to_owned()), at(0)).await.unwrap();
    let row = due(&ledger, 0).await.remove(0);
    let whole = vec![(row.clone(), many("part", campaign, Some(100)))];
    assert!(ledger.settle_inbox(whole, at(1)).await.is_err(), "no such campaign");
    assert_eq!(tally(&ledger).await, [64, 64, 0, 0]);
    let all = many("part", campaign, None).attempts;
    let mut row = row;
    for (part, rest) in [(0..50, 50..200), (50..100, 100..200), (100..200, 0..0)] {
        let rows: Vec<usize> = rest.collect();
        let waiting = (!rows.is_empty()).then(|| Waiting { rows, until: at(2) });
        let attempts = all[part].to_vec();
        let part = Processed { attempts, waiting, ..Processed::default() };
        ledger.settle_inbox(vec![(row.clone(), part)], at(3)).await.unwrap();
        row.tries += 1;
    }
    assert_eq!(tally(&ledger).await, [200, 200, 0, 0]);
    assert_eq!(due(&ledger, 1000).await, []);
}

/// Pushes that come at once are committed together.
async fn a_push_that_is_refused_takes_no_others_along(place: Place) {
    let ledger = place.ledger().await;
    place.tamper(match &place.at {
        At::File(_) => {
            "CREATE TRIGGER poison BEFORE INSERT ON inbox WHEN NEW.body LIKE '%poison%' \
             BEGIN SELECT RAISE(ABORT, 'refused'); END;"
        }
        At::Database(_) => {
            "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN RAISE EXCEPTION ''refused'' USING ERRCODE = ''22003''; END'; \
             CREATE TRIGGER poison BEFORE INSERT ON inbox FOR EACH ROW \
             WHEN (NEW.body LIKE '%poison%') EXECUTE FUNCTION poison();"
        }
    });
    let bodies = (0..40).map(|n| if n % 10 == 7 { format!("poison {n}") } else { n.to_string() });
    let appended = bodies.clone().map(|body| ledger.append_inbox(push("pairs", body), at(0)));
    let told = join_all(appended).await;
    for (body, told) in bodies.zip(told) {
        let is_refused = matches!(told, Err(LedgerError::Refused(_)));
        assert_eq!(is_refused, body.starts_with("poison"), "{body}: {told:?}");
        assert_eq!(told.is_ok(), !is_refused, "{body}: {told:?}");
    }
    assert_eq!(ledger.due_inbox(page(99), at(0)).await.unwrap().len(), 36);
}
