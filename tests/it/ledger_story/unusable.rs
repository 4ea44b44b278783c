//! Sessions of PostgreSQL that became unusable: each is given up, and the verb is run in a new one.

use dialbridge::domain::ids::CampaignKey;
use dialbridge::ledger::inbox::NewPush;
use dialbridge::ledger::{Ledger, LedgerError};
use futures_util::future::join_all;

use super::cluster::Database;
use super::{At, Place, at, paired, sight, slug, uuid};

/// Verbs of every kind: a read, a write, a push. All sessions of the pool take part.
async fn work(ledger: &Ledger, n: i64) -> Result<(), LedgerError> {
    let read = || ledger.find_campaign(CampaignKey::Uuid(uuid(n)));
    join_all((0..16).map(|_| read())).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    ledger.sight_campaigns(slug("pairs"), vec![paired(n)], at(0)).await?;
    let push = NewPush {
        account: slug("pairs"),
        body: "[]".to_owned(),
        original: None,
        proof: None,
        campaign: None,
        trace: None,
    };
    ledger.append_inbox(push, at(0)).await?;
    ledger.forget_processed(at(0), 10).await.map(drop)
}

fn database(place: &Place) -> &Database {
    let At::Database(database) = &place.at else { unreachable!() };
    database
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_the_server_ended_are_replaced() {
    let place = Place::postgres();
    let ledger = place.ledger().await;
    for n in 1..=3 {
        work(&ledger, n).await.unwrap();
        database(&place).end_sessions();
    }
    work(&ledger, 4).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_may_only_read_are_replaced_as_soon_as_others_may_write() {
    let place = Place::postgres();
    drop(place.ledger().await);
    database(&place).set_read_only(true);
    let ledger = place.open().await.unwrap();
    for _ in 0..2 {
        let Err(LedgerError::Unavailable(why)) = ledger.check_writable().await else {
            panic!("it takes no changes");
        };
        assert!(why.contains("standby"), "{why}");
        let refused = work(&ledger, 1).await;
        assert!(matches!(refused, Err(LedgerError::Unavailable(_))), "{refused:?}");
    }
    database(&place).set_read_only(false);
    assert_eq!(ledger.check_writable().await, Ok(()));
    work(&ledger, 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_that_a_changed_table_made_void_are_made_anew() {
    let place = Place::postgres();
    let ledger = place.ledger().await;
    sight(&ledger, "pairs", paired(1)).await;
    work(&ledger, 1).await.unwrap();
    // What is read has another type now; its values are the same.
    database(&place).run("ALTER TABLE campaign ALTER COLUMN name TYPE VARCHAR(2000)");
    work(&ledger, 1).await.unwrap();
}
