//! Public ids are assigned once; what happens on platforms is journalled.

use std::collections::{BTreeMap, BTreeSet};

use dialbridge::domain::campaign::CampaignStatus;
use dialbridge::domain::ids::{CampaignIdentity, CampaignKey, CampaignPart, NativeId, RefKind};
use dialbridge::ledger::journal::{JournalEntry, OUTSIDE};
use dialbridge::ledger::{Ledger, LedgerError};
use jiff::Timestamp;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{
    Place, account, at, by_uuid, pair, paired, sight, slug, snapshot, stories, unpaired, uuid,
};

stories!(
    ids_are_assigned_at_first_sight_and_never_again,
    parts_have_ids_of_their_own,
    a_campaign_without_pair_gets_the_next_number,
    answers_come_in_the_order_given,
    a_public_id_that_is_taken_is_refused_and_nothing_is_recorded,
    many_discoveries_at_once_agree_on_every_id,
    identities_are_exported_once_each,
    a_changed_status_is_journalled_as_outside,
    an_old_sighting_changes_nothing,
    an_old_outcome_changes_nothing,
    wishes_and_their_outcome_are_journalled,
    unseen_campaigns_are_gone_until_seen_again,
    a_retired_native_id_tells_nothing,
    text_may_hold_anything,
);

async fn ids_are_assigned_at_first_sight_and_never_again(place: Place) {
    let ledger = place.ledger().await;
    let first = sight(&ledger, "pairs", paired(5)).await.identity;
    assert_eq!((first.uuid, first.pair), (uuid(5), Some(pair(7, 5))));
    assert_eq!((first.home.as_str(), first.home_epoch), ("pairs", 1));

    let mut again = paired(5);
    again.proposed_uuid = uuid(99);
    assert_eq!(sight(&ledger, "pairs", again).await.identity, first);
    assert_eq!(ledger.find_campaign(CampaignKey::Uuid(uuid(99))).await.unwrap(), None);
    for key in [CampaignKey::Uuid(uuid(5)), CampaignKey::Pair(pair(7, 5))] {
        assert_eq!(ledger.find_campaign(key).await.unwrap().as_ref(), Some(&first));
    }
    let native = NativeId::new("7/5");
    let by_native = ledger.find_by_native(slug("pairs"), native.clone()).await.unwrap();
    assert_eq!(by_native, Some(first));
    assert_eq!(ledger.find_by_native(slug("uuids"), native).await.unwrap(), None);
}

async fn parts_have_ids_of_their_own(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity;
    for part in CampaignPart::ALL {
        let id = part.public_id(campaign.uuid);
        assert_eq!(ledger.find_part(id).await.unwrap(), Some((campaign.clone(), part)));
        assert_eq!(ledger.find_campaign(CampaignKey::Uuid(id)).await.unwrap(), None);
    }
    assert_eq!(ledger.find_part(campaign.uuid).await.unwrap(), None);
}

async fn a_campaign_without_pair_gets_the_next_number(place: Place) {
    let ledger = place.ledger().await;
    let mut pairs = Vec::new();
    for n in [3, 1, 3, 2] {
        pairs.push(sight(&ledger, "uuids", unpaired(n)).await.identity.pair);
    }
    let expected = [pair(900, 1), pair(900, 2), pair(900, 1), pair(900, 3)].map(Some);
    assert_eq!(pairs, expected);
}

async fn answers_come_in_the_order_given(place: Place) {
    let ledger = place.ledger().await;
    let order = [4, 2, 9, 2, 1];
    let sightings = order.map(paired).to_vec();
    let entries = ledger.sight_campaigns(slug("pairs"), sightings, at(0)).await.unwrap();
    let uuids: Vec<Uuid> = entries.iter().map(|entry| entry.identity.uuid).collect();
    assert_eq!(uuids, order.map(uuid));
    assert_eq!(entries[0].snapshot, paired(4).snapshot);
    assert_eq!(ledger.sight_campaigns(slug("pairs"), vec![], at(0)).await.unwrap(), vec![]);
}

async fn a_public_id_that_is_taken_is_refused_and_nothing_is_recorded(place: Place) {
    let ledger = place.ledger().await;
    ledger.register_accounts(vec![account("third", None)], at(0)).await.unwrap();
    sight(&ledger, "pairs", paired(1)).await;
    let mut same_uuid = paired(2);
    same_uuid.proposed_uuid = uuid(1);
    let mut same_pair = paired(1);
    same_pair.proposed_uuid = uuid(50);
    for taken in [same_uuid, same_pair] {
        let both = vec![paired(30), taken];
        let refused = ledger.sight_campaigns(slug("third"), both, at(0)).await;
        let Err(LedgerError::Conflict(reason)) = &refused else { panic!("{refused:?}") };
        assert!(reason.contains("third") && reason.contains("pairs"), "{reason}");
        assert_eq!(ledger.find_campaign(CampaignKey::Uuid(uuid(30))).await.unwrap(), None);
    }
}

async fn many_discoveries_at_once_agree_on_every_id(place: Place) {
    const TASKS: i64 = 32;
    const CAMPAIGNS: i64 = 20;
    let ledger = place.ledger().await;
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            let (account, one): (_, fn(i64) -> _) =
                if task % 2 == 0 { ("pairs", paired) } else { ("uuids", unpaired) };
            let mut sightings: Vec<_> = (1..=CAMPAIGNS).map(one).collect();
            // Each in another order, each with other proposals.
            sightings.rotate_left(usize::try_from(task % CAMPAIGNS).unwrap());
            for sighting in &mut sightings {
                sighting.proposed_uuid = Uuid::new_v5(&sighting.proposed_uuid, &task.to_be_bytes());
            }
            ledger.sight_campaigns(slug(account), sightings, at(task)).await.unwrap()
        });
    }
    let mut ids: BTreeMap<String, BTreeSet<_>> = BTreeMap::new();
    for entry in tasks.join_all().await.into_iter().flatten() {
        let identity = entry.identity;
        let ids = ids.entry(identity.native.to_string()).or_default();
        ids.insert((identity.uuid, identity.pair, identity.list_at));
    }
    assert_eq!(ids.len(), 2 * usize::try_from(CAMPAIGNS).unwrap());
    assert!(ids.values().all(|ids| ids.len() == 1), "{ids:?}");
    let distinct = |what: fn(&(Uuid, Option<_>, Timestamp)) -> String| {
        ids.values().flatten().map(what).collect::<BTreeSet<_>>().len()
    };
    assert_eq!(distinct(|id| id.0.to_string()), ids.len());
    assert_eq!(distinct(|id| format!("{:?}", id.1)), ids.len());
    assert_eq!(distinct(|id| id.2.to_string()), ids.len());
    let numbers: BTreeSet<i32> = ids
        .values()
        .flatten()
        .filter_map(|id| id.1)
        .filter(|p| p.vdn.get() == 900)
        .map(|pair| pair.number.get())
        .collect();
    assert_eq!(numbers, (1..=20).collect(), "no number is lost");
}

async fn identities_are_exported_once_each(place: Place) {
    let ledger = place.ledger().await;
    let sightings = (1..=25).map(paired).collect();
    let entries = ledger.sight_campaigns(slug("pairs"), sightings, at(0)).await.unwrap();
    let mut exported = Vec::new();
    let mut after = 0;
    loop {
        let page = ledger.export_identities(after, 10).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        after = *last;
        exported.extend(page.into_iter().map(|(_, identity)| identity.uuid));
    }
    exported.sort();
    let mut expected: Vec<Uuid> = entries.into_iter().map(|entry| entry.identity.uuid).collect();
    expected.sort();
    assert_eq!(exported, expected);
}

async fn a_changed_status_is_journalled_as_outside(place: Place) {
    let ledger = place.ledger().await;
    let seen = async |status: CampaignStatus, micros| {
        let mut sighting = paired(1);
        sighting.snapshot = snapshot("renamed", status);
        let entries = ledger.sight_campaigns(slug("pairs"), vec![sighting], at(micros)).await;
        entries.unwrap().remove(0)
    };
    sight(&ledger, "pairs", paired(1)).await;
    let unchanged = seen(CampaignStatus::Stopped, 1).await;
    assert_eq!(unchanged.snapshot.name, "renamed");
    assert_eq!(unchanged.fetched_at, at(1));
    assert_eq!(history(&ledger, uuid(1)).await, [""; 0]);

    let started = seen(CampaignStatus::Running, 2).await;
    assert_eq!(started.desired, CampaignStatus::Running, "what is found becomes what is wanted");
    let stopping = seen(CampaignStatus::Stopping, 3).await;
    assert_eq!(stopping.desired, CampaignStatus::Stopped);
    let odd = seen(CampaignStatus::Unknown("7".to_owned()), 4).await;
    assert_eq!(odd.snapshot.status, CampaignStatus::Unknown("7".to_owned()));
    assert_eq!(odd.desired, CampaignStatus::Stopped, "an unknown status says nothing");

    let changes = ledger.history(uuid(1), 10).await.unwrap();
    assert!(changes.iter().all(|e| e.actor == OUTSIDE && e.action == "campaign.status"));
    assert_eq!(changes[0].at, at(2));
    let changes: Vec<_> = changes
        .iter()
        .map(|e| (e.before.as_deref().unwrap(), e.after.as_deref().unwrap()))
        .collect();
    assert_eq!(changes, [("stopped", "running"), ("running", "stopping"), ("stopping", "7")]);
}

async fn an_old_sighting_changes_nothing(place: Place) {
    let ledger = place.ledger().await;
    let campaign = sight(&ledger, "pairs", paired(1)).await.identity.uuid;
    let entry = journal_entry("campaign.start", 10);
    ledger.record_actual_status(campaign, CampaignStatus::Running, entry, None).await.unwrap();
    // Fetched before the start, heard of after it.
    let late = ledger.sight_campaigns(slug("pairs"), vec![paired(1)], at(9)).await.unwrap();
    assert_eq!(late[0].snapshot.status, CampaignStatus::Running);
    // Nor does one that is older than the same start again, which changed nothing.
    let entry = journal_entry("campaign.start", 12);
    ledger.record_actual_status(campaign, CampaignStatus::Running, entry, None).await.unwrap();
    let late = ledger.sight_campaigns(slug("pairs"), vec![paired(1)], at(11)).await.unwrap();
    assert_eq!(late[0].snapshot.status, CampaignStatus::Running);
    let fresh = ledger.sight_campaigns(slug("pairs"), vec![paired(1)], at(13)).await.unwrap();
    assert_eq!(fresh[0].snapshot.status, CampaignStatus::Stopped);
}

/// Two clients at once: their records come in another order than the platform did what they asked.
async fn an_old_outcome_changes_nothing(place: Place) {
    let ledger = place.ledger().await;
    let identity = sight(&ledger, "pairs", paired(1)).await.identity;
    let (running, stopped) = (CampaignStatus::Running, CampaignStatus::Stopped);
    let wish = journal_entry("campaign.stop", 20);
    ledger.record_desired_status(&identity, stopped.clone(), wish, None).await.unwrap();
    let record = async |status: &CampaignStatus, micros| {
        let entry = journal_entry("campaign.steered", micros);
        let recorded = ledger.record_actual_status(identity.uuid, status.clone(), entry, None);
        recorded.await.unwrap().actual
    };
    assert_eq!(record(&running, 11).await, running, "another's wish does not make it void");
    assert_eq!(record(&stopped, 22).await, stopped);
    assert_eq!(record(&running, 21).await, stopped, "it was stopped after that");
    let kept = ledger.find_entry(identity.uuid).await.unwrap().unwrap();
    assert_eq!((kept.desired, kept.snapshot.status), (stopped.clone(), stopped));
    assert_eq!(kept.fetched_at, at(22));
    assert_eq!(
        ledger.history(identity.uuid, 10).await.unwrap().len(),
        3,
        "what changed nothing is silent"
    );
}

async fn wishes_and_their_outcome_are_journalled(place: Place) {
    let ledger = place.ledger().await;
    let identity = sight(&ledger, "pairs", paired(1)).await.identity;
    let campaign = identity.uuid;
    let entry = JournalEntry {
        request_id: Some("request-1".to_owned()),
        reason: Some("a client asked".to_owned()),
        ..journal_entry("campaign.start", 1)
    };
    let running = CampaignStatus::Running;
    ledger.record_desired_status(&identity, running.clone(), entry.clone(), None).await.unwrap();
    let wanted = ledger.find_entry(campaign).await.unwrap().unwrap();
    assert_eq!(wanted.desired, running);
    assert_eq!(wanted.snapshot.status, CampaignStatus::Stopped, "not before the platform says so");
    for micros in [2, 3] {
        let entry = journal_entry("campaign.started", micros);
        ledger.record_actual_status(campaign, running.clone(), entry, None).await.unwrap();
    }
    ledger.append_journal(journal_entry("account.checked", 4)).await.unwrap();
    let note = JournalEntry { campaign: Some(campaign), ..journal_entry("note", 5) };
    ledger.append_journal(note.clone()).await.unwrap();

    let entries = ledger.history(campaign, 10).await.unwrap();
    let change = |entry: JournalEntry| JournalEntry {
        campaign: Some(campaign),
        before: Some("stopped".to_owned()),
        after: Some("running".to_owned()),
        ..entry
    };
    let started = journal_entry("campaign.started", 2);
    assert_eq!(entries, [change(entry), change(started), note.clone()], "the same again is silent");
    assert_eq!(ledger.history(campaign, 1).await.unwrap(), [note], "the newest");

    let moved = CampaignIdentity { home_epoch: 2, ..identity.clone() };
    let entry = journal_entry("x", 6);
    let moved = ledger.record_desired_status(&moved, running.clone(), entry, None).await;
    assert_eq!(moved, Err(LedgerError::Moved));
    let nobody = CampaignIdentity { uuid: uuid(9), ..identity };
    let nobody = ledger.record_desired_status(&nobody, running, journal_entry("x", 6), None).await;
    assert_eq!(nobody, Err(LedgerError::Missing("campaign")));
    let nobody = JournalEntry { campaign: Some(uuid(9)), ..journal_entry("x", 6) };
    assert_eq!(ledger.append_journal(nobody).await, Err(LedgerError::Missing("campaign")));
}

async fn unseen_campaigns_are_gone_until_seen_again(place: Place) {
    let ledger = place.ledger().await;
    let sightings = (1..=3).map(paired).collect();
    ledger.sight_campaigns(slug("pairs"), sightings, at(0)).await.unwrap();
    sight(&ledger, "uuids", unpaired(1)).await;
    // A discovery that begins at 10 meets only the second.
    ledger.sight_campaigns(slug("pairs"), vec![paired(2)], at(12)).await.unwrap();
    let unseen = async |limit| {
        let unseen = ledger.unseen_campaigns(slug("pairs"), at(10), limit).await.unwrap();
        unseen.into_iter().map(|identity| identity.uuid).collect::<Vec<_>>()
    };
    assert_eq!(unseen(100).await, [uuid(1), uuid(3)]);
    assert_eq!(unseen(1).await, [uuid(1)]);
    assert!(ledger.mark_as_gone(uuid(1), at(11), at(13)).await.unwrap());
    assert!(!ledger.mark_as_gone(uuid(1), at(11), at(14)).await.unwrap());
    assert_eq!(unseen(100).await, [uuid(3)]);
    assert!(!ledger.mark_as_gone(uuid(2), at(12), at(13)).await.unwrap(), "met after that");
    let gone = async |id| ledger.find_entry(id).await.unwrap().unwrap().gone;
    assert!(gone(uuid(1)).await && !gone(uuid(2)).await && !gone(uuid(1001)).await);
    assert!(ledger.find_campaign(CampaignKey::Uuid(uuid(1))).await.unwrap().is_some());

    let back = ledger.sight_campaigns(slug("pairs"), vec![paired(1)], at(20)).await.unwrap();
    assert!(!back[0].gone);
    assert_eq!(history(&ledger, uuid(1)).await, ["campaign.gone", "campaign.seen-again"]);
}

/// After a move the source still shows the campaign; that is not how it stands.
async fn a_retired_native_id_tells_nothing(place: Place) {
    let ledger = place.ledger().await;
    let entry = sight(&ledger, "pairs", paired(1)).await;
    place.tamper(&format!(
        "UPDATE external_ref SET is_current = FALSE; \
         INSERT INTO external_ref (account_id, kind, native, campaign_id, is_current) \
         SELECT a.id, '{}', 'moved', c.id, TRUE FROM account a, campaign c WHERE a.slug = 'uuids'; \
         UPDATE campaign SET home_epoch = 2, \
         home_id = (SELECT id FROM account WHERE slug = 'uuids')",
        RefKind::Campaign.as_str()
    ));
    let mut at_the_source = paired(1);
    at_the_source.snapshot = snapshot("retired", CampaignStatus::Running);
    let seen = ledger.sight_campaigns(slug("pairs"), vec![at_the_source], at(5)).await.unwrap();
    assert_eq!(seen[0].snapshot, entry.snapshot);
    let identity = &seen[0].identity;
    assert_eq!((identity.native.as_str(), identity.home.as_str()), ("moved", "uuids"));
    assert_eq!((identity.uuid, identity.pair), (entry.identity.uuid, entry.identity.pair));
    let stale = ledger.find_by_native(slug("pairs"), NativeId::new("7/1")).await.unwrap();
    assert_eq!(stale, None, "not addressable by it any more");
}

async fn text_may_hold_anything(place: Place) {
    let ledger = place.ledger().await;
    let name = "quote ' \" $1 ?1 \\ % \u{1f4de} \u{0} end";
    let mut sighting = paired(1);
    sighting.snapshot.name = name.to_owned();
    let entry = sight(&ledger, "pairs", sighting).await;
    assert_eq!(entry.snapshot.name, name.replace('\0', "\u{fffd}"), "NUL alone is replaced");
    let found = ledger.find_campaign(by_uuid(&entry)).await.unwrap();
    assert_eq!(found, Some(entry.identity));
}

pub(super) fn journal_entry(action: &str, micros: i64) -> JournalEntry {
    JournalEntry {
        at: at(micros),
        actor: "a client".to_owned(),
        action: action.to_owned(),
        request_id: None,
        campaign: None,
        before: None,
        after: None,
        reason: None,
    }
}

async fn history(ledger: &Ledger, campaign: Uuid) -> Vec<String> {
    let entries = ledger.history(campaign, 100).await.unwrap();
    entries.into_iter().map(|entry| entry.action).collect()
}
