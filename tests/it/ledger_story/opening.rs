//! Schema, durability, and rows that cannot be read.

use dialbridge::domain::campaign::CampaignStatus;
use dialbridge::domain::ids::CampaignKey;
use dialbridge::ledger::identity::AccountRow;
use dialbridge::ledger::journal::JournalEntry;
use dialbridge::ledger::{Ledger, LedgerError, schema};

use super::identity::journal_entry;
use super::inbox::seen;
use super::{At, Place, account, at, by_uuid, pair, paired, sight, slug, stories, unpaired};

stories!(
    a_store_without_schema_is_refused_until_migrated,
    migrating_again_changes_nothing,
    several_replicas_may_migrate_at_once,
    the_next_schema_is_accepted_and_others_are_not,
    accounts_keep_platform_and_virtual_vdn,
    what_was_answered_survives,
    a_ledger_of_schema_10_keeps_what_it_says,
    a_row_that_cannot_be_read_is_an_error_and_no_panic,
);

async fn a_store_without_schema_is_refused_until_migrated(place: Place) {
    let refused = place.open().await.err().expect("there is no schema");
    assert!(matches!(refused, LedgerError::Schema { found: 0, .. }), "{refused:?}");
    assert!(refused.to_string().contains("--migrate"), "{refused}");
    place.migrate().await.unwrap();
    place.open().await.unwrap().meta().await.unwrap();
}

async fn migrating_again_changes_nothing(place: Place) {
    let ledger = place.ledger().await;
    let entry = sight(&ledger, "pairs", paired(1)).await;
    let meta = ledger.meta().await.unwrap();
    assert_eq!(meta.epoch, 1);
    drop(ledger);
    place.migrate().await.unwrap();
    let ledger = place.open().await.unwrap();
    assert_eq!(ledger.meta().await.unwrap(), meta);
    assert_eq!(ledger.find_campaign(by_uuid(&entry)).await.unwrap(), Some(entry.identity));
}

async fn several_replicas_may_migrate_at_once(place: Place) {
    let done = futures_util::future::join_all((0..6).map(|_| place.migrate())).await;
    match place.at {
        // One process opens a file, so the others are told; but nobody spoils it.
        At::File(_) => assert!(done.iter().any(Result::is_ok), "{done:?}"),
        At::Database(_) => assert!(done.iter().all(Result::is_ok), "{done:?}"),
    }
    place.open().await.unwrap().meta().await.unwrap();
}

async fn the_next_schema_is_accepted_and_others_are_not(place: Place) {
    place.ledger().await;
    let set_version = |version: i64| {
        place.tamper(&format!(
            "UPDATE refinery_schema_history SET version = {version} \
             WHERE version = (SELECT MAX(version) FROM refinery_schema_history)"
        ));
    };
    set_version(schema::VERSION + 1);
    place.open().await.expect("a newer replica has migrated already");
    place.migrate().await.expect("nothing is left to do");
    set_version(schema::VERSION + 2);
    let opened = place.open().await.err().expect("too new");
    assert!(
        matches!(opened, LedgerError::Schema { found, .. } if found == schema::VERSION + 2),
        "{opened:?}"
    );
    let migrated = place.migrate().await.expect_err("too new");
    assert!(
        matches!(migrated, LedgerError::Schema { found, .. } if found == schema::VERSION + 2),
        "{migrated:?}"
    );
}

async fn accounts_keep_platform_and_virtual_vdn(place: Place) {
    let ledger = place.ledger().await;
    let register = async |row| ledger.register_accounts(vec![row], at(9)).await;
    register(account("uuids", Some(900))).await.expect("the same again");
    for changed in
        [account("uuids", Some(901)), account("uuids", None), account("other", Some(900))]
    {
        let refused = register(changed.clone()).await.expect_err("a change");
        assert!(matches!(refused, LedgerError::Conflict(_)), "{changed:?}: {refused:?}");
    }
    let platform = "another platform".to_owned();
    let changed = AccountRow { platform, ..account("pairs", None) };
    assert!(matches!(register(changed).await, Err(LedgerError::Conflict(_))));

    let half = vec![account("new", None), account("uuids", None)];
    ledger.register_accounts(half, at(9)).await.expect_err("all or none");
    let unknown = ledger.sight_campaigns(slug("new"), vec![paired(1)], at(9)).await;
    assert_eq!(unknown.err(), Some(LedgerError::Missing("account")));
}

async fn what_was_answered_survives(place: Place) {
    let ledger = place.ledger().await;
    let entry = sight(&ledger, "pairs", paired(1)).await;
    let ledger = match &place.at {
        At::Database(_) => {
            drop(ledger);
            place.open().await.unwrap()
        }
        At::File(dir) => {
            // The files as a killed process leaves them: nothing closed, nothing checkpointed.
            let killed = tempfile::tempdir().unwrap();
            for file in ["ledger.db", "ledger.db-wal"] {
                std::fs::copy(dir.path().join(file), killed.path().join(file)).unwrap();
            }
            let path = killed.keep().join("ledger.db");
            let copy = dialbridge::ledger::Ledger::open_sqlite(&path).unwrap();
            std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
            copy
        }
    };
    assert_eq!(ledger.find_campaign(by_uuid(&entry)).await.unwrap(), Some(entry.identity));
}

/// What takes the migrations after schema 12 back, newest first.
const UNDONE: [&str; 10] = [
    // 30
    "DROP TABLE suppression_told; DROP TABLE suppression_holder",
    // 29
    "ALTER TABLE attempt DROP COLUMN ringing_at; ALTER TABLE attempt DROP COLUMN answered_at; \
     ALTER TABLE attempt DROP COLUMN ended_by",
    // 27
    "DROP INDEX job_over; DROP INDEX journal_ended; ALTER TABLE journal DROP COLUMN ended; \
     ALTER TABLE journal DROP COLUMN replaced",
    // 26
    "DROP INDEX destination_living; DROP INDEX session_by_end; DROP INDEX session_by_login; \
     DROP INDEX quarantine_by_account; \
     CREATE INDEX quarantine_by_account ON quarantine (account_id, id); \
     ALTER TABLE inbox DROP COLUMN settled; \
     ALTER TABLE contact_state ADD COLUMN is_reached BOOLEAN NOT NULL DEFAULT FALSE; \
     ALTER TABLE contact_state ADD COLUMN has_success BOOLEAN NOT NULL DEFAULT FALSE; \
     ALTER TABLE contact_state DROP COLUMN reached; \
     ALTER TABLE contact_state DROP COLUMN successes",
    // 24
    "DROP INDEX idempotency_by_subject; ALTER TABLE idempotency DROP COLUMN subject; \
     DROP INDEX idempotency_by_end; ALTER TABLE idempotency DROP COLUMN expires_at; \
     CREATE INDEX idempotency_by_age ON idempotency (begun_at); \
     ALTER TABLE session DROP COLUMN login",
    // 22
    "ALTER TABLE destination DROP COLUMN requires_receipt; \
     ALTER TABLE destination DROP COLUMN old_secrets; \
     ALTER TABLE destination ADD COLUMN old_key_version BIGINT; \
     ALTER TABLE destination ADD COLUMN old_secret_until BIGINT",
    // 18
    "DROP INDEX campaign_state_unsettled; ALTER TABLE campaign_state DROP COLUMN wish; \
     ALTER TABLE campaign_state DROP COLUMN steered_by; \
     ALTER TABLE campaign_state DROP COLUMN steered_until; \
     ALTER TABLE object DROP COLUMN wanted",
    // 17
    "ALTER TABLE event DROP COLUMN raw; ALTER TABLE attempt DROP COLUMN contact_id",
    // 15
    "DROP TABLE master_key",
    // 13
    "ALTER TABLE event DROP COLUMN encoding; ALTER TABLE event DROP COLUMN content_type; \
     ALTER TABLE event DROP COLUMN content_encoding; ALTER TABLE inbox DROP COLUMN waiting; \
     ALTER TABLE quarantine DROP COLUMN is_proved; ALTER TABLE quarantine DROP COLUMN bytes; \
     ALTER TABLE quarantine DROP COLUMN only_campaign; \
     ALTER TABLE quarantine DROP COLUMN content_type; \
     ALTER TABLE quarantine DROP COLUMN content_encoding",
];

/// Schema 12 took how campaigns stand out of their rows, and the journal's index away.
async fn a_ledger_of_schema_10_keeps_what_it_says(place: Place) {
    let ledger = place.ledger().await;
    let campaigns =
        [sight(&ledger, "pairs", paired(1)).await, sight(&ledger, "uuids", unpaired(2)).await];
    for (n, campaign) in campaigns.iter().cycle().take(5).enumerate() {
        let entry = journal_entry("campaign.start", 10 + i64::try_from(n).unwrap());
        let identity = &campaign.identity;
        ledger.record_desired_status(identity, CampaignStatus::Running, entry, None).await.unwrap();
    }
    let gone = campaigns[1].identity.uuid;
    assert!(ledger.mark_as_gone(gone, at(20), at(21)).await.unwrap());
    let read = async |ledger: &Ledger| {
        let mut kept = Vec::new();
        for campaign in &campaigns {
            let uuid = campaign.identity.uuid;
            let mut entry = ledger.find_entry(uuid).await.unwrap().unwrap();
            // Schema 10 knew one time for both.
            entry.fetched_at = at(0);
            kept.push((entry, ledger.history(uuid, 10).await.unwrap()));
        }
        kept
    };
    let with_results = campaigns[0].identity.uuid;
    let results = ["a", "b"].map(|key| {
        let mut result = seen(key);
        result.attempt.contact_reference = Some("ann".to_owned());
        result.attempt.flags.live_person = key == "a";
        result
    });
    let results = Vec::from(results);
    ledger.record_attempts(slug("pairs"), with_results, results, at(5)).await.unwrap();
    let totals = ledger.contact_totals(with_results).await.unwrap();
    assert_eq!((totals.contacts, totals.reached), (1, 1));
    let before = read(&ledger).await;
    assert_eq!(before.iter().map(|(_, history)| history.len()).collect::<Vec<_>>(), [3, 3]);
    drop(ledger);
    for undo in UNDONE {
        place.tamper(undo);
    }
    place.tamper(
        "ALTER TABLE campaign ADD COLUMN desired TEXT NOT NULL DEFAULT ''; \
         ALTER TABLE campaign ADD COLUMN actual TEXT NOT NULL DEFAULT ''; \
         ALTER TABLE campaign ADD COLUMN fetched_at BIGINT NOT NULL DEFAULT 0; \
         ALTER TABLE campaign ADD COLUMN gone_at BIGINT; \
         UPDATE campaign SET \
         desired = (SELECT s.desired FROM campaign_state s WHERE s.campaign_id = campaign.id), \
         actual = (SELECT s.actual FROM campaign_state s WHERE s.campaign_id = campaign.id), \
         fetched_at = (SELECT s.wanted_at FROM campaign_state s WHERE s.campaign_id = campaign.id), \
         gone_at = (SELECT s.gone_at FROM campaign_state s WHERE s.campaign_id = campaign.id); \
         DROP TABLE campaign_state; ALTER TABLE journal DROP COLUMN previous; \
         CREATE INDEX journal_by_campaign ON journal (campaign_id, id); \
         DELETE FROM refinery_schema_history WHERE version >= 12",
    );
    let refused = place.open().await.err().expect("it is to be migrated");
    assert!(matches!(refused, LedgerError::Schema { found: 10, .. }), "{refused:?}");
    place.migrate().await.unwrap();
    let ledger = place.open().await.unwrap();
    assert_eq!(read(&ledger).await, before);
    assert_eq!(ledger.contact_totals(with_results).await.unwrap(), totals);
    let note = JournalEntry { campaign: Some(gone), ..journal_entry("note", 30) };
    ledger.append_journal(note.clone()).await.unwrap();
    let history = ledger.history(gone, 2).await.unwrap();
    assert_eq!(history[1], note);
    assert_eq!(history[0], before[1].1[2], "the new entry follows the old ones");
}

async fn a_row_that_cannot_be_read_is_an_error_and_no_panic(place: Place) {
    let ledger = place.ledger().await;
    let sound = sight(&ledger, "uuids", unpaired(1)).await;
    for damage in [
        "vdn = 70000",
        "number = -1",
        "list_at = 9223372036854775807",
        "fetched_at = -9223372036854775808",
    ] {
        let spoilt = sight(&ledger, "pairs", paired(1)).await;
        let of_others = "WHERE id IN (SELECT id FROM campaign WHERE vdn <> 900)";
        let of_states = of_others.replacen("id", "campaign_id", 1);
        let whole = !damage.starts_with("fetched_at");
        place.tamper(&if whole {
            format!("UPDATE campaign SET {damage} {of_others}")
        } else {
            format!("UPDATE campaign_state SET {damage} {of_states}")
        });
        let read = ledger.find_entry(spoilt.identity.uuid).await;
        assert!(matches!(read, Err(LedgerError::Corrupt(_))), "{damage}: {read:?}");
        let exported = ledger.export_identities(0, 10).await;
        assert_eq!(exported.is_err(), whole, "{damage}: {exported:?}");
        assert_eq!(
            ledger.find_campaign(CampaignKey::Pair(pair(900, 1))).await.unwrap().as_ref(),
            Some(&sound.identity),
            "the others are still answered"
        );
        let put_right = "UPDATE campaign SET vdn = 7, number = 1, list_at = 5";
        place.tamper(&format!("{put_right} {of_others}"));
        place.tamper(&format!("UPDATE campaign_state SET fetched_at = 5 {of_states}"));
    }
}
