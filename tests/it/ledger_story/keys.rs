//! Idempotency keys, log-in sessions, and when accounts were listed.

use std::time::Duration;

use dialbridge::ledger::idempotency::{Idempotency, KEPT, KeyedRequest, UNDER_WAY_AT_MOST};
use dialbridge::ledger::keys::KeyFingerprint;
use dialbridge::ledger::sessions::SessionRow;
use dialbridge::ledger::{Ledger, LedgerError};
use jiff::Timestamp;
use tokio::task::JoinSet;

use super::{Place, at, slug, stories};

stories!(
    a_key_is_taken_once_and_answered_again,
    a_key_is_taken_by_one_of_many,
    a_key_of_a_dead_process_is_in_doubt,
    a_key_is_in_doubt_at_once_where_nobody_shares_the_store,
    an_answer_says_whether_its_subject_was_asked_for_something_else_since,
    a_key_is_free_when_its_time_is_over,
    a_session_lasts_until_its_end,
    a_session_ends_with_its_login_and_on_request,
    an_account_tells_since_when_it_cannot_be_listed,
    another_master_key_under_a_known_version_is_refused,
    a_ledger_that_was_used_with_a_master_key_is_refused_without_one,
);

async fn begin(ledger: &Ledger, client: &str, fingerprint: &str, now: Timestamp) -> Idempotency {
    ledger.begin_idempotent(request(client, "key", fingerprint), now).await.unwrap()
}

fn request(client: &str, key: &str, fingerprint: &str) -> KeyedRequest {
    let [client, key, fingerprint] = [client, key, fingerprint].map(str::to_owned);
    KeyedRequest { client, key, fingerprint, subject: None, kept: KEPT }
}

async fn end(ledger: &Ledger, body: Option<&str>) {
    let body = body.map(str::to_owned);
    ledger.end_idempotent("crm".to_owned(), "key".to_owned(), body).await.unwrap();
}

async fn a_key_is_taken_once_and_answered_again(place: Place) {
    let ledger = place.ledger().await;
    assert_eq!(begin(&ledger, "crm", "a", at(0)).await, Idempotency::New);
    assert_eq!(begin(&ledger, "crm", "a", at(1)).await, Idempotency::UnderWay);
    assert_eq!(begin(&ledger, "crm", "b", at(1)).await, Idempotency::Mismatch);
    assert_eq!(begin(&ledger, "other", "a", at(1)).await, Idempotency::New, "keys are a client's");
    end(&ledger, Some("{}")).await;
    assert_eq!(begin(&ledger, "crm", "a", at(2)).await, Idempotency::Answered("{}".to_owned()));
    let late = at(0) + KEPT + Duration::from_secs(1);
    assert_eq!(begin(&ledger, "crm", "b", late).await, Idempotency::New, "forgotten by then");
    end(&ledger, None).await;
    assert_eq!(begin(&ledger, "crm", "c", late).await, Idempotency::New, "given back");
}

async fn a_key_is_taken_by_one_of_many(place: Place) {
    let ledger = place.ledger().await;
    let mut takers = JoinSet::new();
    for _ in 0..16 {
        let ledger = ledger.clone();
        takers.spawn(async move { begin(&ledger, "crm", "a", at(0)).await });
    }
    let answers = takers.join_all().await;
    let of = |known| answers.iter().filter(|answer| **answer == known).count();
    assert_eq!((of(Idempotency::New), of(Idempotency::UnderWay)), (1, 15));
}

async fn a_key_of_a_dead_process_is_in_doubt(place: Place) {
    let ledger = place.ledger().await;
    assert_eq!(begin(&ledger, "crm", "a", at(0)).await, Idempotency::New);
    let later = at(1) + UNDER_WAY_AT_MOST;
    assert_eq!(begin(&ledger, "crm", "a", later).await, Idempotency::InDoubt);
    assert_eq!(begin(&ledger, "crm", "a", later).await, Idempotency::InDoubt, "nobody takes it");
    assert_eq!(begin(&ledger, "crm", "b", later).await, Idempotency::Mismatch);
    end(&ledger, Some("looked up")).await;
    let told = Idempotency::Answered("looked up".to_owned());
    assert_eq!(begin(&ledger, "crm", "a", later).await, told);
    let late = at(0) + KEPT + Duration::from_secs(1);
    assert_eq!(begin(&ledger, "crm", "a", late).await, Idempotency::New);
}

async fn a_key_is_in_doubt_at_once_where_nobody_shares_the_store(place: Place) {
    let ledger = place.ledger().await;
    assert_eq!(begin(&ledger, "crm", "a", at(0)).await, Idempotency::New);
    assert_eq!(begin(&ledger, "shop", "a", at(0)).await, Idempotency::New);
    end(&ledger, Some("done")).await;
    let is_alone = matches!(ledger, Ledger::Sqlite(_));
    let (doubted, known) =
        if is_alone { (1, Idempotency::InDoubt) } else { (0, Idempotency::UnderWay) };
    assert_eq!(ledger.doubt_orphaned_requests().await.unwrap(), doubted);
    assert_eq!(begin(&ledger, "shop", "a", at(1)).await, known);
    assert_eq!(begin(&ledger, "shop", "b", at(1)).await, Idempotency::Mismatch);
    assert_eq!(begin(&ledger, "crm", "a", at(1)).await, Idempotency::Answered("done".to_owned()));
    // Done once more, it is under way again.
    ledger.begin_idempotent_again(request("shop", "key", "a"), at(2)).await.unwrap();
    assert_eq!(begin(&ledger, "shop", "a", at(3)).await, Idempotency::UnderWay);
}

async fn an_answer_says_whether_its_subject_was_asked_for_something_else_since(place: Place) {
    let ledger = place.ledger().await;
    let of = |key: &str, subject: &str| KeyedRequest {
        subject: Some(subject.to_owned()),
        ..request("crm", key, "")
    };
    let begin =
        async |request: KeyedRequest, now| ledger.begin_idempotent(request, now).await.unwrap();
    let done = || "done".to_owned();
    assert_eq!(begin(of("before", "a"), at(0)).await, Idempotency::New);
    assert_eq!(begin(of("key", "a"), at(1)).await, Idempotency::New);
    assert_eq!(begin(of("elsewhere", "b"), at(2)).await, Idempotency::New);
    assert_eq!(begin(of("key", "a"), at(3)).await, Idempotency::UnderWay);
    end(&ledger, Some("done")).await;
    assert_eq!(begin(of("key", "a"), at(3)).await, Idempotency::Answered(done()));
    // Whoever asks for it; and what is under way counts.
    let other = KeyedRequest { client: "shop".to_owned(), ..of("key", "a") };
    assert_eq!(begin(other, at(3)).await, Idempotency::New);
    assert_eq!(begin(of("key", "a"), at(4)).await, Idempotency::Overtaken(done()));
    ledger.end_idempotent("shop".to_owned(), "key".to_owned(), None).await.unwrap();
    assert_eq!(begin(of("key", "a"), at(5)).await, Idempotency::Answered(done()), "not done");
    // What is done once more overtakes what came between.
    assert_eq!(begin(of("between", "a"), at(6)).await, Idempotency::New);
    ledger.end_idempotent("crm".to_owned(), "between".to_owned(), Some(done())).await.unwrap();
    assert_eq!(begin(of("key", "a"), at(7)).await, Idempotency::Overtaken(done()));
    ledger.begin_idempotent_again(of("key", "a"), at(8)).await.unwrap();
    assert_eq!(begin(of("key", "a"), at(9)).await, Idempotency::UnderWay);
    end(&ledger, Some("done")).await;
    assert_eq!(begin(of("key", "a"), at(10)).await, Idempotency::Answered(done()));
    assert_eq!(begin(of("between", "a"), at(10)).await, Idempotency::Overtaken(done()));
}

async fn a_key_is_free_when_its_time_is_over(place: Place) {
    let ledger = place.ledger().await;
    let soon = Duration::from_secs(60);
    let begin = async |key: usize, now| {
        let request = KeyedRequest { kept: soon, ..request("crm", &key.to_string(), "") };
        ledger.begin_idempotent(request, now).await.unwrap()
    };
    for key in 0..200 {
        assert_eq!(begin(key, at(0)).await, Idempotency::New);
    }
    // A key whose time is over is free, whether or not it was its turn to be forgotten.
    for key in (0..200).rev() {
        assert_eq!(begin(key, at(0) + soon).await, Idempotency::New);
    }
}

async fn a_session_lasts_until_its_end(place: Place) {
    let ledger = place.ledger().await;
    let hash = "a hash".to_owned();
    ledger.create_session(session(&hash, "crm"), at(100), at(0)).await.unwrap();
    let known = ledger.find_session(hash.clone(), at(99)).await.unwrap();
    assert_eq!(known, Some(session(&hash, "crm")));
    assert_eq!(ledger.find_session(hash, at(100)).await.unwrap(), None);
    assert_eq!(ledger.find_session("other".to_owned(), at(0)).await.unwrap(), None);
}

async fn a_session_ends_with_its_login_and_on_request(place: Place) {
    let ledger = place.ledger().await;
    for (hash, client) in [("1", "crm"), ("2", "crm"), ("3", "shop"), ("4", "gone")] {
        ledger.create_session(session(hash, client), at(100), at(0)).await.unwrap();
    }
    ledger.end_session("1".to_owned()).await.unwrap();
    let logins = ["crm", "shop"].map(|client| (client.to_owned(), format!("login of {client}")));
    assert_eq!(ledger.end_sessions_without_login(logins.to_vec()).await.unwrap(), 1);
    let changed = [logins[0].clone(), ("shop".to_owned(), "another login".to_owned())];
    assert_eq!(ledger.end_sessions_without_login(changed.to_vec()).await.unwrap(), 1);
    let mut left = Vec::new();
    for hash in ["1", "2", "3", "4"] {
        left.extend(ledger.find_session(hash.to_owned(), at(1)).await.unwrap());
    }
    assert_eq!(left, [session("2", "crm")]);
}

fn session(token_hash: &str, client: &str) -> SessionRow {
    let (token_hash, login) = (token_hash.to_owned(), format!("login of {client}"));
    SessionRow { token_hash, client: client.to_owned(), login }
}

async fn an_account_tells_since_when_it_cannot_be_listed(place: Place) {
    let ledger = place.ledger().await;
    let of = async || {
        let all = ledger.account_readings().await.unwrap();
        assert_eq!(all.len(), 2);
        all.into_iter().find(|reading| reading.account == slug("pairs")).unwrap()
    };
    assert_eq!(of().await.listed_at, None);
    ledger.record_reading(slug("pairs"), None, at(1)).await.unwrap();
    for now in [2, 3] {
        let error = Some("refused".to_owned());
        ledger.record_reading(slug("pairs"), error, at(now)).await.unwrap();
    }
    let reading = of().await;
    assert_eq!((reading.listed_at, reading.failed_since), (Some(at(1)), Some(at(2))));
    assert_eq!(reading.error.as_deref(), Some("refused"));
    ledger.record_reading(slug("pairs"), None, at(4)).await.unwrap();
    let reading = of().await;
    assert_eq!((reading.listed_at, reading.failed_since), (Some(at(4)), None));
}

async fn another_master_key_under_a_known_version_is_refused(place: Place) {
    let ledger = place.ledger().await;
    let keys = |prints: &[(u32, &str)]| -> Vec<KeyFingerprint> {
        let print = |(version, print): &(u32, &str)| KeyFingerprint {
            version: *version,
            fingerprint: (*print).to_owned(),
        };
        prints.iter().map(print).collect()
    };
    ledger.check_keys(keys(&[(1, "one")])).await.expect("nothing is known yet");
    ledger.register_keys(keys(&[(1, "one")]), at(0)).await.unwrap();
    ledger.register_keys(keys(&[(2, "two"), (1, "one")]), at(1)).await.expect("a new version");
    ledger.register_keys(keys(&[(2, "two")]), at(2)).await.expect("an old one is not needed");
    for changed in [keys(&[(1, "two")]), keys(&[(3, "three"), (2, "other")])] {
        for refused in [
            ledger.register_keys(changed.clone(), at(3)).await,
            ledger.check_keys(changed.clone()).await,
        ] {
            let Err(LedgerError::Conflict(reason)) = refused else { panic!("{refused:?}") };
            assert!(reason.contains("keys rotate"), "{reason}");
        }
    }
    ledger.check_keys(keys(&[(3, "another three")])).await.expect("nothing was remembered");
}

async fn a_ledger_that_was_used_with_a_master_key_is_refused_without_one(place: Place) {
    let ledger = place.ledger().await;
    ledger.register_keys(Vec::new(), at(0)).await.expect("none was ever used");
    ledger.check_keys(Vec::new()).await.expect("none was ever used");
    let key = KeyFingerprint { version: 1, fingerprint: "one".to_owned() };
    ledger.register_keys(vec![key.clone()], at(0)).await.unwrap();
    for refused in
        [ledger.register_keys(Vec::new(), at(1)).await, ledger.check_keys(Vec::new()).await]
    {
        let Err(LedgerError::Conflict(reason)) = refused else { panic!("{refused:?}") };
        assert!(reason.contains("keys.master_key"), "{reason}");
    }
    ledger.check_keys(vec![key]).await.unwrap();
}
