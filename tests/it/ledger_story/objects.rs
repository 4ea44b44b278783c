//! Emulated documents, and how a campaign that was made takes the place of its draft.

use dialbridge::domain::listing::Window;
use dialbridge::ledger::objects::{NewObject, ObjectChange, ObjectFilter, ObjectKind, ObjectState};
use dialbridge::ledger::{Ledger, LedgerError};
use tokio::task::JoinSet;

use super::{Place, at, paired, sight, slug, stories, uuid};

stories!(
    an_object_is_inserted_once,
    objects_are_changed_and_deleted,
    objects_and_campaigns_never_share_a_place,
    many_objects_and_campaigns_at_once,
    a_campaign_that_is_being_made_is_known_by_its_name,
    objects_are_listed_by_kind_parent_and_use,
    objects_are_gone_through_from_the_oldest,
);

pub(super) fn object(n: i64, kind: ObjectKind) -> NewObject {
    NewObject {
        uuid: uuid(7000 + n),
        kind,
        account: slug("pairs"),
        shape: "words".to_owned(),
        parent: None,
        uses: None,
        name: format!("Campaign {n}"),
        document: format!("{{\"number\":\"{n}\"}}"),
        base: None,
        state: ObjectState::Draft,
    }
}

fn filter(kind: ObjectKind) -> ObjectFilter {
    ObjectFilter {
        kind,
        accounts: vec![slug("pairs")],
        parent: None,
        uses: None,
        states: Vec::new(),
        include_deleted: false,
    }
}

async fn an_object_is_inserted_once(place: Place) {
    let ledger = place.ledger().await;
    let first = ledger.insert_object(object(1, ObjectKind::Campaign), at(1)).await.unwrap();
    let mut other = object(1, ObjectKind::Campaign);
    "other".clone_into(&mut other.name);
    assert_eq!(ledger.insert_object(other, at(5)).await.unwrap(), first);
    assert_eq!(ledger.find_object(first.uuid).await.unwrap(), Some(first));
    assert_eq!(ledger.find_object(uuid(1)).await.unwrap(), None);
    assert!(!format!("{:?}", ledger.find_object(uuid(7001)).await).contains("number"));
}

async fn objects_are_changed_and_deleted(place: Place) {
    let ledger = place.ledger().await;
    let first = ledger.insert_object(object(1, ObjectKind::Campaign), at(1)).await.unwrap();
    let change = ObjectChange {
        document: Some("{}".to_owned()),
        uses: Some(Some(uuid(9))),
        ..ObjectChange::default()
    };
    let changed = ledger.change_object(first.uuid, change, at(2)).await.unwrap();
    assert_eq!((changed.document.as_str(), changed.uses), ("{}", Some(uuid(9))));
    assert_eq!((changed.name, changed.list_at), (first.name.clone(), first.list_at));
    assert_eq!(changed.updated_at, Some(at(2)));
    let gone = ledger.delete_object(first.uuid, at(3)).await.unwrap();
    assert_eq!(gone.deleted_at, Some(at(3)));
    assert_eq!(ledger.delete_object(first.uuid, at(4)).await.unwrap(), gone);
    let refused = ledger.change_object(first.uuid, ObjectChange::default(), at(5)).await;
    assert_eq!(refused, Err(LedgerError::Missing("object")));
    assert!(listed(&ledger, filter(ObjectKind::Campaign)).await.is_empty());
    let all = ObjectFilter { include_deleted: true, ..filter(ObjectKind::Campaign) };
    assert_eq!(listed(&ledger, all).await, [1]);
}

async fn objects_and_campaigns_never_share_a_place(place: Place) {
    let ledger = place.ledger().await;
    let first = ledger.insert_object(object(1, ObjectKind::Campaign), at(1)).await.unwrap();
    let second = ledger.insert_object(object(2, ObjectKind::DialingRules), at(1)).await.unwrap();
    let mut sighting = paired(1);
    sighting.snapshot.created_at = Some(at(1));
    let campaign = sight(&ledger, "pairs", sighting).await;
    let third = ledger.insert_object(object(3, ObjectKind::Contact), at(1)).await.unwrap();
    let mut places = vec![first.list_at, second.list_at, campaign.identity.list_at, third.list_at];
    places.sort_unstable();
    assert_eq!(places, [at(1), at(2), at(3), at(4)]);
}

async fn a_campaign_that_is_being_made_is_known_by_its_name(place: Place) {
    let ledger = place.ledger().await;
    let mut made = object(1, ObjectKind::Campaign);
    made.state = ObjectState::Creating;
    let made = ledger.insert_object(made, at(1)).await.unwrap();
    let draft = ledger.insert_object(object(2, ObjectKind::Campaign), at(2)).await.unwrap();
    let mut stranger = paired(1);
    stranger.is_known_by_name = false;
    assert_ne!(sight(&ledger, "pairs", stranger).await.identity.uuid, made.uuid);
    let mut elsewhere = paired(2);
    elsewhere.is_known_by_name = true;
    assert_ne!(sight(&ledger, "pairs", elsewhere).await.identity.uuid, draft.uuid, "a draft");
    let mut met = paired(3);
    met.is_known_by_name = true;
    met.snapshot.name.clone_from(&made.name);
    let bound = sight(&ledger, "pairs", met.clone()).await.identity;
    assert_eq!((bound.uuid, bound.list_at), (made.uuid, made.list_at));
    assert_eq!(sight(&ledger, "pairs", met).await.identity, bound);
    let made = ledger.find_object(made.uuid).await.unwrap().unwrap();
    assert_eq!(made.state, ObjectState::Bound);
}

async fn many_objects_and_campaigns_at_once(place: Place) {
    let ledger = place.ledger().await;
    let mut tasks = JoinSet::new();
    for n in 1..=12 {
        for _ in 0..2 {
            let ledger = ledger.clone();
            tasks.spawn(async move {
                let new = object(n, ObjectKind::ContactList);
                ledger.insert_object(new, at(0)).await.unwrap().list_at
            });
        }
        let ledger = ledger.clone();
        tasks.spawn(async move { sight(&ledger, "pairs", paired(n)).await.identity.list_at });
    }
    let mut places = tasks.join_all().await;
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), 24, "one place for each object and each campaign");
    let window = Window::Before { list_at: None, limit: 100 };
    let page = ledger.list_objects(filter(ObjectKind::ContactList), window).await.unwrap();
    assert_eq!((page.total, page.objects.len()), (12, 12), "each once");
}

async fn objects_are_listed_by_kind_parent_and_use(place: Place) {
    let ledger = place.ledger().await;
    let mut contact = object(1, ObjectKind::Contact);
    contact.parent = Some(uuid(77));
    ledger.insert_object(contact, at(1)).await.unwrap();
    ledger.insert_object(object(2, ObjectKind::Contact), at(2)).await.unwrap();
    let mut campaign = object(3, ObjectKind::Campaign);
    campaign.uses = Some(uuid(88));
    ledger.insert_object(campaign, at(3)).await.unwrap();
    assert_eq!(listed(&ledger, filter(ObjectKind::Contact)).await, [2, 1]);
    let below = ObjectFilter { parent: Some(uuid(77)), ..filter(ObjectKind::Contact) };
    assert_eq!(listed(&ledger, below).await, [1]);
    let users = ObjectFilter { uses: Some(uuid(88)), ..filter(ObjectKind::Campaign) };
    assert_eq!(listed(&ledger, users).await, [3]);
    let bound = ObjectFilter { states: vec![ObjectState::Bound], ..filter(ObjectKind::Contact) };
    assert!(listed(&ledger, bound).await.is_empty());
    let nobody = ObjectFilter { accounts: Vec::new(), ..filter(ObjectKind::Contact) };
    assert!(listed(&ledger, nobody).await.is_empty());
}

async fn objects_are_gone_through_from_the_oldest(place: Place) {
    let ledger = place.ledger().await;
    for n in 1..=3 {
        let mut contact = object(n, ObjectKind::Contact);
        contact.parent = Some(uuid(77));
        ledger.insert_object(contact, at(n)).await.unwrap();
    }
    let page = ledger.objects_after(uuid(77), None, 2).await.unwrap();
    assert_eq!(page.iter().map(|row| row.uuid).collect::<Vec<_>>(), [uuid(7001), uuid(7002)]);
    let rest = ledger.objects_after(uuid(77), Some(page[1].list_at), 2).await.unwrap();
    assert_eq!(rest.iter().map(|row| row.uuid).collect::<Vec<_>>(), [uuid(7003)]);
}

async fn listed(ledger: &Ledger, filter: ObjectFilter) -> Vec<i64> {
    let window = Window::Before { list_at: None, limit: 100 };
    let page = ledger.list_objects(filter, window).await.unwrap();
    assert_eq!(page.total, page.objects.len() as u64);
    let number = |uuid| (1..10).find(|n| uuid == super::uuid(7000 + n)).unwrap();
    page.objects.into_iter().map(|row| number(row.uuid)).collect()
}
