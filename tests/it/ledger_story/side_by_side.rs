//! Steps of many campaigns run side by side: none waits for another in a circle, and what each campaign
//! tells stays in order.

use std::collections::BTreeMap;

use dialbridge::domain::destination::Destination;
use dialbridge::ledger::Ledger;
use dialbridge::ledger::attempts::SeenAttempt;
use dialbridge::ledger::inbox::{InboxRow, NewPush, Processed, Quarantined};
use dialbridge::ledger::journal::JournalEntry;
use dialbridge::ledger::outbox::{Told, Tried, Verdict};
use futures_util::future::{join, join_all};
use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use uuid::Uuid;

use super::inbox::{page, seen};
use super::receivers::receiver;
use super::{Place, at, paired, sight, slug, stories, uuid};
use crate::support::until;

stories! {
    steps_of_many_campaigns_do_not_wait_for_each_other_in_a_circle,
}

const CAMPAIGNS: usize = 3;
const PUSHES: usize = 32;
/// Pushes that are kept at a time; together with what is sent no more than there are connections.
const AT_ONCE: usize = 6;
/// Rows of a push of which no other push tells.
const OWN_ROWS: usize = 6;
/// Attempts that are told of a campaign: those, and one of which every push tells.
const TOLD: usize = PUSHES * OWN_ROWS / CAMPAIGNS + 1;

/// An attempt of one of two contacts; in what order they were dialled is no order of the pushes.
fn attempt(key: &str, (push, row): (usize, usize)) -> SeenAttempt {
    let mut seen = seen(key);
    seen.attempt.contact_reference = Some(format!("contact-{}", row % 2));
    let second = i64::try_from((push * 7 + row * 5) % 11).unwrap();
    seen.attempt.dialed_at = Some(at(second * 1_000_000));
    seen
}

/// A push of all campaigns; every other push has them the other way round.
fn said(campaigns: &[Uuid], push: usize) -> Processed {
    let own = (0..OWN_ROWS).map(|row| {
        let campaign = campaigns[(push + row) % CAMPAIGNS];
        (campaign, attempt(&format!("{push}-{row}"), (push, row)))
    });
    let shared = (0..CAMPAIGNS).map(|n| {
        // It says something else each time, so that it is changed.
        let raw = format!("{{\"push\":{push}}}");
        (campaigns[n], SeenAttempt { raw, ..attempt(&format!("shared-{n}"), (0, n)) })
    });
    let mut attempts: Vec<(Uuid, SeenAttempt)> = own.chain(shared).collect();
    if push % 2 == 1 {
        attempts.reverse();
    }
    let quarantined = vec![Quarantined::new("no row", *b"7")];
    Processed { attempts, quarantined, ..Processed::default() }
}

async fn pushed(ledger: &Ledger) -> Vec<InboxRow> {
    for n in 0..PUSHES {
        let push = NewPush {
            account: slug("pairs"),
            body: format!("[{n}]"),
            original: None,
            proof: None,
            campaign: None,
            trace: None,
        };
        ledger.append_inbox(push, at(0)).await.unwrap();
    }
    let rows = ledger.due_inbox(page(PUSHES), at(0)).await.unwrap();
    assert_eq!(rows.len(), PUSHES);
    rows
}

/// Takes what a destination is told until all is there: the numbers of the events, by campaign.
async fn delivered(ledger: &Ledger, destination: Uuid) -> BTreeMap<Uuid, Vec<i64>> {
    let mut told: BTreeMap<Uuid, Vec<i64>> = BTreeMap::new();
    until(async || {
        let span = (at(10), at(1_000_000));
        let leased = ledger.lease_deliveries(destination, (false, 8), [].into(), span);
        let leased = leased.await.unwrap();
        let mut tries = Vec::new();
        for delivery in leased {
            let Told::Attempt(attempt) = delivery.event.what else { panic!("nobody pushed") };
            told.entry(attempt.campaign).or_default().push(delivery.event.number);
            tries.push(Tried {
                number: delivery.number,
                fence: delivery.fence,
                verdict: Verdict::Delivered,
                status: Some(200),
                error: None,
                answer: None,
            });
        }
        tries.reverse();
        ledger.record_tries(tries, at(10)).await.unwrap();
        told.values().map(Vec::len).sum::<usize>() == CAMPAIGNS * TOLD
    })
    .await;
    told
}

async fn steps_of_many_campaigns_do_not_wait_for_each_other_in_a_circle(place: Place) {
    let ledger = place.ledger().await;
    let mut campaigns = Vec::new();
    for n in 1..=CAMPAIGNS {
        let sighting = paired(i64::try_from(n).unwrap());
        campaigns.push(sight(&ledger, "pairs", sighting).await.identity.uuid);
    }
    for n in [1, 2] {
        let one = receiver(n, &format!("http://{n}.example.com/"));
        let shape = "standard".to_owned();
        let one = Destination { is_receiver: false, is_ordered: true, shape, ..one };
        ledger.add_destination(one, JournalEntry::new(at(1), "ann", "add")).await.unwrap();
    }
    let rows = pushed(&ledger).await;
    let settled = stream::iter(rows.into_iter().enumerate()).map(async |(n, row)| {
        ledger.settle_inbox(vec![(row, said(&campaigns, n))], at(5)).await.unwrap();
        // The same is read from the platform meanwhile.
        let campaign = n % CAMPAIGNS;
        let read = vec![attempt(&format!("shared-{campaign}"), (0, campaign))];
        ledger.record_attempts(slug("pairs"), campaigns[campaign], read, at(5)).await.unwrap();
    });
    let settled = settled.buffer_unordered(AT_ONCE).collect::<Vec<()>>();
    let taken = join_all([1, 2].map(|n| delivered(&ledger, uuid(7000 + n))));
    let (_, taken) = join(settled, taken).await;
    assert_eq!(ledger.held_times().repeats, 0, "nobody waited in a circle");
    for told in taken {
        assert_eq!(told.len(), CAMPAIGNS);
        for (campaign, events) in told {
            assert_eq!(events.len(), TOLD, "{campaign}");
            assert!(events.is_sorted_by(|one, next| one < next), "in order: {events:?}");
        }
    }
    for campaign in campaigns {
        let rollups = ledger.rollups(campaign, Timestamp::MIN, Timestamp::MAX).await.unwrap();
        let attempts: i64 = rollups.iter().map(|row| row.counts.attempts).sum();
        assert_eq!(attempts, i64::try_from(TOLD).unwrap());
    }
    let counts = ledger.inbox_counts().await.unwrap();
    let of_pairs = counts.iter().find(|row| row.account == slug("pairs")).unwrap();
    let rows = of_pairs.rows;
    assert_eq!(rows.received, (PUSHES * (OWN_ROWS + CAMPAIGNS + 1)) as u64);
    assert_eq!(rows.received, rows.stored + rows.merged + rows.quarantined);
}
