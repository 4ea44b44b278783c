//! Idempotency keys, log-in sessions, and when accounts were listed.

use std::time::Duration;

use dialbridge::ledger::idempotency::{Idempotency, KEPT, UNDER_WAY_AT_MOST};
use dialbridge::ledger::keys::KeyFingerprint;
use dialbridge::ledger::{Ledger, LedgerError};
use jiff::Timestamp;
use tokio::task::JoinSet;

use super::{Place, at, slug, stories};

stories!(
    a_key_is_taken_once_and_answered_again,
    a_key_is_taken_by_one_of_many,
    a_key_of_a_dead_process_is_in_doubt,
    a_session_lasts_until_its_end,
    an_account_tells_since_when_it_cannot_be_listed,
    another_master_key_under_a_known_version_is_refused,
);

async fn begin(ledger: &Ledger, client: &str, fingerprint: &str, now: Timestamp) -> Idempotency {
    let (client, key) = (client.to_owned(), "key".to_owned());
    ledger.begin_idempotent(client, key, fingerprint.to_owned(), now).await.unwrap()
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

async fn a_session_lasts_until_its_end(place: Place) {
    let ledger = place.ledger().await;
    let hash = "a hash".to_owned();
    ledger.create_session(hash.clone(), "crm".to_owned(), at(100), at(0)).await.unwrap();
    let known = ledger.find_session(hash.clone(), at(99)).await.unwrap();
    assert_eq!(known.as_deref(), Some("crm"));
    assert_eq!(ledger.find_session(hash, at(100)).await.unwrap(), None);
    assert_eq!(ledger.find_session("other".to_owned(), at(0)).await.unwrap(), None);
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
