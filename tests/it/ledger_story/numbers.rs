//! A number is taken out of every text that may have it, and of nothing else; a text of which nobody has
//! said whether it may is noticed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use dialbridge::ledger::Ledger;
use dialbridge::ledger::numbers::{Cell, Mask, Said, Seen, excused, looked_through};

use super::{At, Place, at, paired, sight, slug, stories, unpaired, uuid};

stories! {
    every_text_of_the_schema_is_listed,
    a_number_is_taken_out_of_every_listed_text,
    a_row_that_changes_meanwhile_is_looked_at_again,
    all_of_many_rows_are_looked_through,
    other_accounts_are_left_alone,
    bodies_that_are_no_text_are_looked_through,
}

/// What stands for a number here; how one is recognised is another matter.
const NUMBER: &str = "NUMBER";
const TOKEN: &str = "erased";

fn mask() -> Mask {
    Arc::new(|cell: Cell<'_>| match cell.says {
        Said::Number(text) | Said::Text(text) => without(text),
        Said::Bytes(bytes, _) => match std::str::from_utf8(&bytes[1..]) {
            Ok(text) => without(text),
            Err(_) => Seen::Unreadable,
        },
    })
}

fn without(text: &str) -> Seen {
    if text.contains(NUMBER) { Seen::Masked(text.replace(NUMBER, TOKEN)) } else { Seen::Nothing }
}

/// Every text that is shown to a mask.
async fn texts(ledger: &Ledger) -> Vec<String> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let mask: Mask = Arc::new(move |cell: Cell<'_>| {
        if let Said::Number(text) | Said::Text(text) = cell.says {
            kept.lock().unwrap().push(text.to_owned());
        }
        Seen::Nothing
    });
    ledger.trace(&[slug("pairs"), slug("uuids")], &mask, None).await.unwrap();
    let seen = seen.lock().unwrap();
    seen.clone()
}

impl Place {
    fn uuid(&self, n: i64) -> String {
        match &self.at {
            At::File(_) => format!("X'{}'", uuid(n).simple()),
            At::Database(_) => format!("'{}'", uuid(n)),
        }
    }

    /// A row in every table that is looked through, of the account `pairs` where it is one's.
    async fn one_of_each(&self) -> Ledger {
        let ledger = self.ledger().await;
        sight(&ledger, "pairs", paired(1)).await;
        let account = "(SELECT id FROM account WHERE slug = 'pairs')";
        let campaign = "(SELECT MIN(id) FROM campaign)";
        let [contact, attempt, destination, object, job] =
            [11, 12, 13, 14, 15].map(|n| self.uuid(n));
        self.tamper(&format!(
            "INSERT INTO contact (id, uuid, campaign_id, list_at, state, changed_at)
                VALUES (1, {contact}, {campaign}, 1, 'added', 1);
             INSERT INTO contact_number (contact_id, place, number) VALUES (1, 1, 'x');
             INSERT INTO attempt (id, uuid, account_id, native, campaign_id, list_at, result,
                disposition, live_person, number_reusable, contact_reusable, counts_as_attempt,
                is_final, native_code, raw, revision, contact_reference)
                VALUES (1, {attempt}, {account}, 'a', {campaign}, 1, 'fail', 'busy', FALSE, FALSE, FALSE,
                TRUE, TRUE, '', '', 1, 'person');
             INSERT INTO event (id, account_id, campaign_id, attempt_id, revision, at, body, proof)
                VALUES (1, {account}, {campaign}, 1, 1, 1, '', 'signed');
             INSERT INTO destination (id, uuid, name, shape, url, accounts, campaigns, dispositions,
                is_ordered, concurrency, retry_waits_s, key_version, secret_version, state, created_at,
                created_total, delivered_total, dead_total)
                VALUES (1, {destination}, 'crm', 'standard', '', '[]', '[]', '[]', FALSE, 1, '[]', 1, 1,
                'enabled', 1, 1, 0, 0);
             INSERT INTO delivery (id, event_id, destination_id, state, is_redrive, tries, due_at,
                is_leased, fence, created_at) VALUES (1, 1, 1, 'pending', FALSE, 1, 1, FALSE, 1, 1);
             INSERT INTO delivery_attempt (id, delivery_id, at) VALUES (1, 1, 1);
             INSERT INTO inbox (id, account_id, received_at, body, due_at, tries)
                VALUES (1, {account}, 1, '', 1, 0);
             INSERT INTO quarantine (id, account_id, received_at, reason, encoding, body)
                VALUES (1, {account}, 1, '', 'text', '');
             INSERT INTO object (id, uuid, kind, account_id, shape, name, document, state, list_at)
                VALUES (1, {object}, 'list', {account}, 's', '', '', 'kept', 1);
             INSERT INTO job (id, uuid, kind, account_id, actor, input, in_doubt, state, attempt,
                run_at, fence, created_at, changed_at)
                VALUES (1, {job}, 'k', {account}, 'c', '', FALSE, 'done', 1, 1, 1, 1, 1);
             INSERT INTO job_step (id, job_id, name, begun_at) VALUES (1, 1, 's', 1);
             INSERT INTO account_reading (account_id) VALUES ({account}) ON CONFLICT DO NOTHING;
             DELETE FROM journal;
             INSERT INTO journal (id, at, actor, action, campaign_id)
                VALUES (1000, 1, 'c', 'a', {campaign});
             INSERT INTO idempotency (client, request_key, fingerprint, begun_at)
                VALUES ('c', 'k', 'f', 1);"
        ));
        ledger
    }
}

async fn every_text_of_the_schema_is_listed(place: Place) {
    let ledger = place.ledger().await;
    let unlisted = ledger.unlisted_texts().await.unwrap();
    assert_eq!(
        unlisted,
        Vec::<String>::new(),
        "a column of text must be looked through for numbers, or be excused with a reason: \
         src/ledger/numbers/places.rs"
    );
    let mut known: BTreeSet<(&str, &str)> = looked_through().collect();
    let mut reads = Vec::new();
    for (table, column, why) in excused() {
        assert!(
            known.insert((table, column)) && !why.is_empty(),
            "{table}.{column} is listed once"
        );
        reads.push(format!("SELECT {column} FROM {table}"));
    }
    place.tamper(&reads.join(";"));
    place.tamper(
        "ALTER TABLE job ADD COLUMN note TEXT; CREATE TABLE other (id BIGINT, said VARCHAR(9));",
    );
    assert_eq!(ledger.unlisted_texts().await.unwrap(), ["job.note", "other.said"]);
}

async fn a_number_is_taken_out_of_every_listed_text(place: Place) {
    let ledger = place.one_of_each().await;
    for (n, (table, column)) in looked_through().enumerate() {
        let text = if column == "number" { NUMBER.to_owned() } else { format!("{n} {NUMBER}") };
        place.tamper(&format!("UPDATE {table} SET {column} = '{text}'"));
    }
    let accounts = [slug("pairs")];
    let found = ledger.trace(&accounts, &mask(), None).await.unwrap();
    let counts: Vec<(&str, u64)> = found.rows.iter().map(|(place, rows)| (*place, *rows)).collect();
    assert_eq!(
        counts,
        [
            ("accounts", 1),
            ("attempts", 1),
            ("campaigns", 1),
            ("contact numbers", 1),
            ("contacts", 1),
            ("deliveries", 2),
            ("destinations", 1),
            ("documents", 1),
            ("events", 1),
            ("jobs", 2),
            ("journal", 1),
            ("kept answers", 1),
            ("pushes", 1),
            ("quarantine", 1),
        ]
    );
    let campaigns: Vec<_> = found.elsewhere.campaigns.iter().cloned().collect();
    assert_eq!(campaigns, [(uuid(1), slug("pairs"))]);
    assert_eq!(found.elsewhere.destinations.iter().collect::<Vec<_>>(), ["crm"]);
    assert!(texts(&ledger).await.iter().any(|text| text.contains(NUMBER)), "nothing was changed");

    let erased = ledger.trace(&accounts, &mask(), Some((&[], at(5)))).await.unwrap();
    assert_eq!(erased, found);
    let texts = texts(&ledger).await;
    assert_eq!(texts.iter().filter(|text| text.contains(NUMBER)).count(), 0, "{texts:?}");
    assert_eq!(texts.iter().filter(|text| text.contains(TOKEN)).count(), looked_through().count());
    let again = ledger.trace(&accounts, &mask(), Some((&[], at(6)))).await.unwrap();
    assert_eq!(again.rows, [].into());
    // Why nothing else may be there: what became of the rest of the rows.
    let attempt = ledger.find_attempt(uuid(12)).await.unwrap().unwrap();
    assert_eq!(
        attempt.attempt.contact_reference.as_deref(),
        Some(texts_of(&texts, "contact_reference"))
    );
}

/// The masked text of a column that stands once.
fn texts_of<'a>(texts: &'a [String], column: &str) -> &'a str {
    let place = looked_through().position(|(_, listed)| listed == column).unwrap();
    let prefix = format!("{place} ");
    texts.iter().find(|text| text.starts_with(&prefix)).unwrap()
}

async fn a_row_that_changes_meanwhile_is_looked_at_again(place: Place) {
    let ledger = place.one_of_each().await;
    place.tamper(&format!("UPDATE job SET input = 'first {NUMBER}'"));
    let (place, was_changed) = (Arc::new(place), AtomicBool::new(false));
    let behind = Arc::clone(&place);
    let mask: Mask = Arc::new(move |cell: Cell<'_>| {
        let Said::Text(text) = cell.says else { return Seen::Nothing };
        if text.starts_with("first") && !was_changed.swap(true, Ordering::SeqCst) {
            behind.tamper(&format!("UPDATE job SET input = 'second {NUMBER}'"));
        }
        without(text)
    });
    let erased = ledger.trace(&[slug("pairs")], &mask, Some((&[], at(1)))).await.unwrap();
    assert_eq!(erased.rows, [("jobs", 1)].into());
    let texts = texts(&ledger).await;
    assert!(texts.contains(&format!("second {TOKEN}")), "{texts:?}");
}

async fn all_of_many_rows_are_looked_through(place: Place) {
    let ledger = place.one_of_each().await;
    let numbers = (0..1300).map(|n| format!("(1, {}, '{n} {NUMBER}')", n + 10));
    let numbers = numbers.collect::<Vec<_>>().join(", ");
    place.tamper(&format!(
        "INSERT INTO contact_number (contact_id, place, number) VALUES {numbers};"
    ));
    let filler = "x".repeat(100_000);
    for n in 10..30 {
        place.tamper(&format!(
            "INSERT INTO inbox (id, account_id, received_at, body, due_at, tries) VALUES
                ({n}, (SELECT id FROM account WHERE slug = 'pairs'), 1, '{NUMBER} {filler}', 1, 0);"
        ));
    }
    let erased = ledger.trace(&[slug("pairs")], &mask(), Some((&[], at(1)))).await.unwrap();
    assert_eq!(erased.rows, [("contact numbers", 1300), ("pushes", 20)].into());
    let left = texts(&ledger).await;
    assert_eq!(left.iter().filter(|text| text.contains(NUMBER)).count(), 0);
}

async fn other_accounts_are_left_alone(place: Place) {
    let ledger = place.one_of_each().await;
    sight(&ledger, "uuids", unpaired(1)).await;
    place.tamper(&format!(
        "UPDATE campaign SET name = '{NUMBER}';
         INSERT INTO journal (id, at, actor, action, reason) VALUES (1001, 1, 'c', 'a', '{NUMBER}');"
    ));
    let found = ledger.trace(&[slug("uuids")], &mask(), Some((&[], at(1)))).await.unwrap();
    assert_eq!(found.rows, [("campaigns", 1), ("journal", 1)].into(), "and what is nobody's");
    assert_eq!(ledger.other_accounts(&[slug("uuids")]).await, Ok(vec![slug("pairs")]));
    let found = ledger.trace(&[slug("pairs")], &mask(), None).await.unwrap();
    assert_eq!(found.rows, [("campaigns", 1)].into());
}

/// They are told in text afterwards, without what their sender declared and signed.
async fn bodies_that_are_no_text_are_looked_through(place: Place) {
    let ledger = place.one_of_each().await;
    let hex =
        |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let (packed, broken) = (hex(&format!("\0{NUMBER}")), "00ff");
    place.tamper(&format!(
        "UPDATE event SET encoding = 'hex', content_encoding = 'gzip', body = '{packed}';
         UPDATE quarantine SET encoding = 'hex', content_type = 'a/b', body = '{broken}';"
    ));
    let erased = ledger.trace(&[slug("pairs")], &mask(), Some((&[], at(1)))).await.unwrap();
    assert_eq!(erased.rows, [("events", 1)].into());
    assert_eq!(erased.unreadable, [("quarantine", 1)].into(), "and it is said");
    let texts = texts(&ledger).await;
    assert!(texts.contains(&TOKEN.to_owned()), "it is text now: {texts:?}");
    // Told no more as what it was: the columns say so.
    place.tamper(
        "UPDATE event SET raw = 'plain' WHERE encoding = 'text' AND content_encoding IS NULL \
         AND proof IS NULL;",
    );
    assert!(self::texts(&ledger).await.contains(&"plain".to_owned()));
}
