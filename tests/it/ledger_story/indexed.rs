//! Texts that have an index, whatever a platform or a client puts there: PostgreSQL takes no more than 2,704
//! bytes into one.

use dialbridge::domain::call::{CallMoments, CallRef, Explained};
use dialbridge::domain::contact::Contact;
use dialbridge::domain::ids::{MAX_KEY_BYTES, NativeId, key};
use dialbridge::domain::listing::AttemptFilter;
use dialbridge::ledger::contacts::{ContactNames, ContactState, NewContact, SettledContact};
use dialbridge::ledger::inbox::NewPush;
use sha2::{Digest, Sha256};

use super::inbox::{page, seen};
use super::{At, Place, at, paired, sight, slug, stories, uuid};

stories! {
    a_text_of_any_length_is_found_by_again,
}

/// Every column of text that an index has, and what bounds it.
const INDEXED: [(&str, &[&str]); 4] = [
    (
        "a key, however long the text is",
        &[
            "attempt.call_id",
            "attempt.contact_reference",
            "attempt.native",
            "contact.native",
            "contact.reference",
            "contact_state.reference",
            "external_ref.native",
            "intended_receiver.name",
            "object.name",
            "unknown_code.code",
        ],
    ),
    (
        "a word of ours",
        &[
            "campaign_part.part",
            "counter.name",
            "external_ref.kind",
            "job.kind",
            "job.state",
            "object.kind",
            "reconcile_day.day",
            "rollup.disposition",
        ],
    ),
    (
        "a digest",
        &[
            "idempotency.subject",
            "session.login",
            "session.token_hash",
            "suppression.hash",
            "suppression_holder.hash",
            "suppression_told.hash",
        ],
    ),
    (
        "checked where it comes in",
        &[
            "account.slug",
            "destination.name",
            "idempotency.client",
            "idempotency.request_key",
            "session.client",
        ],
    ),
];

/// So many bytes of which none can be left out.
fn long(name: &str) -> String {
    let mut text = name.repeat(60);
    let mut digest = Sha256::digest(name.as_bytes());
    while text.len() < 9000 {
        digest = Sha256::digest(digest);
        text.extend(digest.iter().map(|byte| char::from(b' ' + byte % 95)));
    }
    text
}

async fn a_text_of_any_length_is_found_by_again(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let contact = Contact { reference: Some(long("contact")), ..Contact::default() };
    let new = NewContact { uuid: uuid(500), contact };
    ledger.record_contacts(campaign, vec![new], at(0)).await.unwrap();
    let native = Some(NativeId::new(long("native")));
    let settled = SettledContact { uuid: uuid(500), state: ContactState::Added, native };
    ledger.settle_contacts(vec![settled], at(1)).await.unwrap();
    let by_reference = ledger.find_contact_by_reference(campaign, long("contact")).await.unwrap();
    assert_eq!(by_reference.map(|row| row.uuid), Some(uuid(500)));
    for names in [
        ContactNames::Reference(vec![long("contact")]),
        ContactNames::Native(vec![NativeId::new(long("native"))]),
    ] {
        let found = ledger.contacts_named(campaign, names).await.unwrap();
        assert_eq!(found.iter().map(|row| row.uuid).collect::<Vec<_>>(), [uuid(500)]);
    }

    // Two that begin alike stay two, and each is known when it comes again.
    let [mut one, mut other] = [long("attempt"), long("attempt") + "!"].map(|name| seen(&name));
    for (seen, call) in [(&mut one, long("call")), (&mut other, long("another call"))] {
        seen.attempt.contact_reference = Some(long("contact"));
        seen.attempt.native_code = long("code");
        seen.call = Some(CallRef { native: NativeId::new(call), is_object: true });
    }
    for stored in [2, 0] {
        let push = NewPush {
            account: slug("pairs"),
            body: "[]".to_owned(),
            original: None,
            proof: None,
            campaign: None,
            trace: None,
        };
        ledger.append_inbox(push, at(2)).await.unwrap();
        let row = ledger.due_inbox(page(1), at(2)).await.unwrap().remove(0);
        let attempts = [&one, &other].map(|seen| (campaign, seen.clone())).to_vec();
        let processed = dialbridge::ledger::inbox::Processed { attempts, ..Default::default() };
        let before = ledger.inbox_counts().await.unwrap()[0].rows.stored;
        ledger.settle_inbox(vec![(row, processed)], at(3)).await.unwrap();
        let counts = ledger.inbox_counts().await.unwrap();
        assert_eq!(counts[0].rows.stored - before, stored);
    }
    let of_call = ledger.attempt_of_call(slug("pairs"), NativeId::new(long("call"))).await.unwrap();
    assert_eq!(of_call.map(|row| row.uuid), Some(one.proposed_uuid));
    let filter = AttemptFilter { reference: Some(long("contact")), ..AttemptFilter::default() };
    let found = ledger.search_attempts(campaign, filter, (0, 9)).await.unwrap();
    assert_eq!(found.total, 2);
    assert_eq!(ledger.contact_totals(campaign).await.unwrap().contacts, 1);
    // What a closer look found out goes through the same door.
    let explained = one.attempt.clone();
    let explained = Explained { attempt: explained, moments: CallMoments::default() };
    let known = ledger.explain_attempt(one.proposed_uuid, Some(explained), at(4)).await.unwrap();
    let reference = known.unwrap().attempt.contact_reference.unwrap();
    assert_eq!(reference, key(long("contact")));
}

#[test]
fn a_key_is_short_and_its_own_key() {
    for text in [String::new(), "a".repeat(MAX_KEY_BYTES), "\u{79cb}".repeat(MAX_KEY_BYTES / 3)] {
        assert_eq!(key(text.clone()), text, "as it is");
    }
    let text = "\u{79cb}".repeat(MAX_KEY_BYTES);
    let short = key(text.clone());
    assert!(short.len() < MAX_KEY_BYTES && text.starts_with(short.split('~').next().unwrap()));
    assert_eq!(key(short.clone()), short);
    assert_ne!(key(text + "!"), short);
}

/// Who adds an index over text says what bounds it.
#[tokio::test]
async fn every_text_that_has_an_index_is_bounded() {
    let place = Place::sqlite();
    place.migrate().await.unwrap();
    let At::File(dir) = &place.at else { panic!("a file") };
    let file = rusqlite::Connection::open(dir.path().join("ledger.db")).unwrap();
    let sql = "SELECT DISTINCT t.name || '.' || i.name FROM sqlite_schema t \
               JOIN pragma_index_list(t.name) x JOIN pragma_index_info(x.name) i \
               JOIN pragma_table_xinfo(t.name) c ON c.name = i.name \
               WHERE t.type = 'table' AND upper(c.type) LIKE '%TEXT%' ORDER BY 1";
    let mut statement = file.prepare(sql).unwrap();
    let found = statement.query_map((), |row| row.get::<_, String>(0)).unwrap();
    let found: Vec<String> = found.collect::<Result<_, _>>().unwrap();
    let mut known: Vec<&str> =
        INDEXED.iter().flat_map(|(_, columns)| columns.iter().copied()).collect();
    known.sort_unstable();
    assert_eq!(found, known);
}
