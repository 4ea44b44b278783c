//! One story, told on both implementations of the ledger.

use dialbridge::clock::Clock;
use dialbridge::domain::campaign::CampaignStatus;
use dialbridge::domain::ids::{AccountSlug, CampaignKey, NativeId, VdnId};
use dialbridge::ledger::Ledger;
use dialbridge::ledger::directory::Snapshot;
use dialbridge::ledger::identity::{AccountRow, PairSource, Sighting};

#[tokio::test]
async fn smoke() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    let clock = Clock::real();
    println!("{:?}", Ledger::open_sqlite(&path).err());
    Ledger::migrate_sqlite(&path, &clock).unwrap();
    Ledger::migrate_sqlite(&path, &clock).unwrap();
    let ledger = Ledger::open_sqlite(&path).unwrap();
    println!("{:?}", ledger.meta().await);
    let slug = AccountSlug::new("a").unwrap();
    let vdn = VdnId::new(9).unwrap();
    ledger
        .register_accounts(
            vec![AccountRow { slug: slug.clone(), platform: "x".into(), virtual_vdn: Some(vdn) }],
            clock.now(),
        )
        .await
        .unwrap();
    let s = Sighting {
        native: NativeId::new("n1"),
        proposed_uuid: clock.new_uuid(),
        pair: PairSource::Assigned(vdn),
        snapshot: Snapshot {
            name: "Hello".into(),
            status: CampaignStatus::Running,
            document: "{}".into(),
            created_at: None,
            deleted: false,
        },
    };
    let r = ledger.sight_campaigns(slug, vec![s], clock.now()).await.unwrap();
    println!("{r:?}");
    println!("{:?}", ledger.find_campaign(CampaignKey::Uuid(r[0].identity.uuid)).await);
}
