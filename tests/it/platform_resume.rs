//! Making a campaign on either platform with a crash, or a lost answer, at every write: in the end
//! there is one campaign with one of each of its parts, and every contact once.

use dialbridge::domain::campaign::CampaignStatus;
use dialbridge::domain::contact::Contact;
use dialbridge::domain::ids::NativeId;
use dialbridge::platforms::{
    ContactName, Exchange, Made, NewCampaign, Operation, PlatformKind, Presence, Released,
};
use uuid::Uuid;

use crate::platform_story::{READ, Stage, WRITE, contact, new};

/// Makes the campaign; the step `lost` is done, its answer is thrown away, and it is in doubt.
async fn make(stage: &Stage, new: &NewCampaign, lost: Option<usize>) -> Made {
    let mut made = Made::default();
    while stage.adapter.next_step(&made).is_some() {
        if lost == Some(made.steps) {
            stage.adapter.make_next(WRITE, new, made.clone(), false).await.unwrap();
            made = stage.adapter.make_next(WRITE, new, made, true).await.unwrap();
        } else {
            made = stage.adapter.make_next(WRITE, new, made, false).await.unwrap();
        }
    }
    made
}

#[actix_web::test]
async fn a_step_whose_answer_was_lost_is_not_done_twice() {
    for platform in PlatformKind::ALL {
        let stage = Stage::simulated(platform).await;
        let mut lost = 0;
        loop {
            let title = format!("lost {lost}");
            let definition = stage.definition(&title);
            let made = make(&stage, &new(&definition, None), Some(lost)).await;
            let id = NativeId::new(made.campaign.clone().unwrap());
            let named = stage.listed().await.into_iter();
            let named: Vec<_> = named.filter(|c| c.definition.name == definition.name).collect();
            assert_eq!(named.len(), 1, "{platform:?}, step {lost}");
            let campaign = stage.detail(&id).await;
            assert_eq!(campaign.status, CampaignStatus::Stopped);
            assert_eq!(campaign.definition.description, definition.description);
            assert_eq!(campaign.definition.caller_numbers, definition.caller_numbers);
            stage.clean_up(&id).await;
            lost += 1;
            if lost == made.steps {
                break;
            }
        }
        let writes = stage.journal().writes();
        let made = writes.iter().filter(|w| w.method == "POST" && w.status == 200).count();
        let expected = match platform {
            // Outplan, campaign and outdial, five times each.
            PlatformKind::Voipbin => 15,
            PlatformKind::Isales => 2,
        };
        assert_eq!(made, expected, "{platform:?}");
    }
}

/// A crash before the request was sent: nothing is found, and it is done.
#[actix_web::test]
async fn a_step_that_was_never_sent_is_done() {
    for platform in PlatformKind::ALL {
        let stage = Stage::simulated(platform).await;
        let definition = stage.definition("never sent");
        let new = new(&definition, None);
        let mut made = Made::default();
        while stage.adapter.next_step(&made).is_some() {
            made = stage.adapter.make_next(WRITE, &new, made, true).await.unwrap();
        }
        let id = NativeId::new(made.campaign.unwrap());
        assert_eq!(stage.detail(&id).await.definition.name, definition.name);
        stage.clean_up(&id).await;
    }
}

#[actix_web::test]
async fn what_was_made_in_part_can_be_taken_away() {
    for platform in PlatformKind::ALL {
        let stage = Stage::simulated(platform).await;
        let definition = stage.definition("taken away");
        let new = new(&definition, None);
        let mut made = Made::default();
        while stage.adapter.next_step(&made).is_some() {
            made = stage.adapter.make_next(WRITE, &new, made, false).await.unwrap();
            stage.adapter.unmake(WRITE, &made).await.unwrap();
            let there = stage.listed().await.into_iter().filter(|campaign| !campaign.deleted);
            assert_eq!(there.count(), 0, "{platform:?} after step {}", made.steps);
            stage.adapter.unmake(WRITE, &made).await.unwrap();
            // From the beginning, one step further.
            let steps = made.steps;
            made = Made::default();
            while made.steps < steps && stage.adapter.next_step(&made).is_some() {
                made = stage.adapter.make_next(WRITE, &new, made, false).await.unwrap();
            }
        }
        stage.adapter.unmake(WRITE, &made).await.unwrap();
    }
}

#[actix_web::test]
async fn contacts_in_doubt_end_up_there_once() {
    for platform in PlatformKind::ALL {
        let stage = Stage::simulated(platform).await;
        let id = stage.create("in doubt").await;
        let contacts: Vec<Contact> = (0..5)
            .map(|n| Contact {
                reference: Some(Uuid::from_u128(100 + n).simple().to_string()),
                ..contact(usize::try_from(n).unwrap())
            })
            .collect();
        // The first three arrived, and the answer was lost.
        let added = stage.adapter.add_contacts(WRITE, &id, &contacts[..3]);
        assert_eq!(stage.drive(added).await.unwrap().added.len(), 3);
        let there =
            stage.drive(stage.adapter.settle_contacts(WRITE, &id, &contacts)).await.unwrap();
        let open: Vec<Contact> = contacts
            .iter()
            .zip(&there)
            .filter(|(_, there)| **there == Presence::Absent)
            .map(|(contact, _)| contact.clone())
            .collect();
        assert!(open.len() >= 2, "what never arrived is open");
        let added = stage.drive(stage.adapter.add_contacts(WRITE, &id, &open)).await.unwrap();
        assert!(added.error.is_none(), "{:?}", added.error);
        assert_eq!(held(&stage, &id).await, 5, "{platform:?}");
        stage.clean_up(&id).await;
    }
}

#[actix_web::test]
async fn a_contact_is_deleted_by_its_reference() {
    for stage in Stage::all(&[Operation::ContactAdd, Operation::ContactDelete], true).await {
        let id = stage.create("deleted contact").await;
        let one = contact(1);
        stage
            .drive(stage.adapter.add_contacts(WRITE, &id, std::slice::from_ref(&one)))
            .await
            .unwrap();
        let name = ContactName { native: None, reference: one.reference.as_deref().unwrap() };
        let gone = stage.adapter.delete_contact(WRITE, &id, name).await;
        assert_eq!(gone.unwrap(), Released::Gone);
        if stage.adapter.support(Operation::ContactList).is_supported() {
            let page = stage.adapter.list_contacts(READ, &id, None, 10).await.unwrap();
            assert_eq!(page.contacts.len(), 0);
        }
        // It is there no more, by whatever name.
        let again = stage.adapter.delete_contact(WRITE, &id, name).await;
        assert_eq!(again.unwrap(), Released::Gone);
        stage.clean_up(&id).await;
    }
}

/// Contacts that the platform holds for the campaign, as it says itself.
async fn held(stage: &Stage, id: &NativeId) -> usize {
    if stage.adapter.support(Operation::ContactList).is_supported() {
        return stage.adapter.list_contacts(READ, id, None, 100).await.unwrap().contacts.len();
    }
    let path = "/rest/isales/v2/openapi/campaigns/{vdn}/statistics";
    let ask = Exchange::new(Operation::Statistics, "GET", path).with_query("campaignId={campaign}");
    let body = stage.adapter.exchange(READ, Some(id), ask).await.unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let count = answer["countDetail"][0]["unCallCount"].as_u64().unwrap();
    usize::try_from(count).unwrap()
}
