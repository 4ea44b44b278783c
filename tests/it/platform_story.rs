//! One behaviour suite for both adapters, over the whole way: adapter, transport, a platform.
//!
//! Each case runs on every platform that supports what it needs (`platforms::support`). The
//! platforms are the simulators, on a virtual clock. With `DIALBRIDGE_LIVE_CONFIG=<file>` the cases
//! that call nobody also run on every account of that configuration: they create, edit, start, stop
//! and delete campaigns named `dialbridge story …`, so the accounts must allow writes.

use std::collections::{BTreeSet, HashSet};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use dialbridge::clock::Clock;
use dialbridge::config::{
    self, AccountConfig, AccountLimits, CallbackSettings, IsalesRelease, PlatformSettings,
    WritePolicy,
};
use dialbridge::domain::campaign::{
    Answering, CallerNumber, CampaignDefinition, CampaignStatus, WhenDone,
};
use dialbridge::domain::contact::{Contact, ContactNumber};
use dialbridge::domain::ids::{AccountSlug, NativeId, VdnId};
use dialbridge::domain::phone::{NumberPlan, PhoneNumber};
use dialbridge::domain::policy::{CallingWindow, DayPeriod, Pacing, RetryPolicy, Rule};
use dialbridge::mapping::table::Tables;
use dialbridge::platforms::{
    Account, Adapter, AttemptQuery, Binding, Bindings, CreationDefaults, Effect, FetchedAttempt,
    FetchedCampaign, NewCampaign, Operation, PlatformErrorKind, PlatformKind,
};
use dialbridge::simulators::journal::Journal;
use dialbridge::simulators::{self, Running};
use dialbridge::transport::pacing::Lane;
use futures_util::future::{Either, select};
use jiff::civil::time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

pub const READ: Lane = Lane::FacadeRead;
pub const WRITE: Lane = Lane::FacadeWrite;
const START: &str = "2026-01-15T09:30:00Z";

/// A platform to play on.
pub struct Stage {
    pub adapter: Adapter,
    pub clock: Clock,
    config: AccountConfig,
    pub bindings: Arc<Bindings>,
    /// None on a live platform.
    simulator: Option<Running>,
}

impl Stage {
    pub async fn simulated(platform: PlatformKind) -> Self {
        let clock = Clock::virtual_at(START.parse().unwrap(), 7);
        let customer = simulators::voipbin::Account::numbered(1);
        let bindings = Arc::new(Bindings {
            agent_groups: vec![Binding {
                voipbin: customer.queue_id.to_string(),
                isales: "5".to_owned(),
            }],
            scripts: Vec::new(),
        });
        let (simulator, base, settings) = match platform {
            PlatformKind::Voipbin => {
                use simulators::voipbin::{Options, start};
                let options =
                    Options { clock: clock.clone(), rate_limits: None, ..Options::default() };
                let simulator = start(options).await.unwrap();
                let base = format!("{}/v1.0", simulator.base_url());
                let access_key = customer.access_key;
                let virtual_vdn = VdnId::new(1).unwrap();
                (
                    simulator,
                    base,
                    PlatformSettings::Voipbin { access_key, webhook_secret: None, virtual_vdn },
                )
            }
            PlatformKind::Isales => {
                use simulators::isales::{ACCESS_KEY, Options, SECRET_KEY, start};
                let options = Options { clock: clock.clone(), ..Options::default() };
                let simulator = start(options).await.unwrap();
                let base = simulator.base_url();
                let settings = PlatformSettings::Isales {
                    access_key: ACCESS_KEY.to_owned(),
                    secret_key: SecretString::from(SECRET_KEY),
                    vdns: vec![VdnId::new(11).unwrap()],
                    empty_query_line: false,
                    signed_headers: vec!["host".to_owned(), "content-type".to_owned()],
                    release: IsalesRelease::R2025_11,
                    creation: CreationDefaults::default(),
                };
                (simulator, base, settings)
            }
        };
        let config = AccountConfig {
            slug: AccountSlug::new(platform.as_str()).unwrap(),
            base_url: base.parse().unwrap(),
            writes: WritePolicy::Allow,
            time_zone: TimeZone::UTC,
            numbers: NumberPlan {
                region: Some("CN".to_owned()),
                trunk_prefix: "0".to_owned(),
                international_prefix: "00".to_owned(),
            },
            limits: AccountLimits {
                requests_per_second: None,
                connect_timeout_ms: 5_000,
                request_timeout_ms: 20_000,
                body_limit_bytes: 8 * 1024 * 1024,
            },
            cache_ttl: Duration::ZERO,
            chain_campaigns: false,
            ca_file: None,
            callbacks: CallbackSettings::default(),
            platform: settings,
        };
        Self::on(config, bindings, clock, Some(simulator))
    }

    fn on(
        config: AccountConfig,
        bindings: Arc<Bindings>,
        clock: Clock,
        simulator: Option<Running>,
    ) -> Self {
        let adapter = adapter(&config, &bindings, &clock);
        Self { adapter, clock, config, bindings, simulator }
    }

    /// The stages of a case: both simulators, and the live accounts unless the case calls people or
    /// needs faults; those that lack an operation of the case are left out.
    pub async fn all(needs: &[Operation], simulated_only: bool) -> Vec<Self> {
        let mut stages = Vec::new();
        for platform in PlatformKind::ALL {
            stages.push(Self::simulated(platform).await);
        }
        if let Ok(file) = std::env::var("DIALBRIDGE_LIVE_CONFIG")
            && !simulated_only
        {
            let config = config::load_file(file.as_ref()).unwrap_or_else(|e| panic!("{e}"));
            let bindings = Arc::new(config.bindings);
            stages.extend(
                config
                    .accounts
                    .into_iter()
                    .map(|account| Self::on(account, bindings.clone(), Clock::real(), None)),
            );
        }
        stages.retain(|stage| needs.iter().all(|op| stage.adapter.support(*op).is_supported()));
        assert!(!stages.is_empty(), "no platform supports {needs:?}");
        stages
    }

    /// The same platform through another account's eyes.
    fn with(&self, change: impl FnOnce(&mut AccountConfig)) -> Adapter {
        let mut config = self.config.clone();
        change(&mut config);
        adapter(&config, &self.bindings, &self.clock)
    }

    fn simulator(&self) -> &Running {
        self.simulator.as_ref().unwrap()
    }

    pub fn journal(&self) -> &Journal {
        &self.simulator().journal
    }

    fn fault(&self, text: &str) {
        self.simulator().faults.set(text.parse().unwrap());
    }

    /// Lets the clock run while `work` waits on it.
    pub async fn drive<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            // Slowly enough for sockets, whose time is real: deadlines are virtual.
            let step = pin!(async {
                self.clock.advance(Duration::from_millis(100)).await;
                Clock::real().sleep(Duration::from_millis(4)).await;
            });
            match select(work.as_mut(), step).await {
                Either::Left((done, _)) => return done,
                Either::Right(_) if self.clock.is_virtual() => {}
                Either::Right(_) => return work.await,
            }
        }
    }

    pub async fn create(&self, title: &str) -> NativeId {
        let definition = self.definition(title);
        self.adapter.create_campaign(WRITE, &new(&definition, None)).await.unwrap()
    }

    pub async fn detail(&self, id: &NativeId) -> FetchedCampaign {
        self.adapter.campaign(READ, id).await.unwrap()
    }

    /// What both platforms can say.
    pub fn definition(&self, title: &str) -> CampaignDefinition {
        let today = self.clock.wall().to_zoned(TimeZone::UTC).date();
        let group = self.bindings.agent_groups.first().map(|binding| binding.voipbin.clone());
        CampaignDefinition {
            name: format!("dialbridge story {title}"),
            description: Some("made by the behaviour suite".to_owned()),
            caller_numbers: vec![CallerNumber {
                number: PhoneNumber::new("+862161234567"),
                place: 0,
                priority: None,
            }],
            ring_timeout_ms: Rule::Stated(30_000),
            answering: group
                .map_or(Answering::Nothing, |group| Answering::Agents { group: Some(group) }),
            pacing: Pacing { lines_per_agent_percent: Rule::Stated(100) },
            retry: RetryPolicy {
                attempts_per_day: Rule::Stated(2),
                interval_ms: Rule::Stated(60_000),
                ..RetryPolicy::default()
            },
            window: CallingWindow {
                begin: Rule::Stated(today.at(0, 0, 0, 0)),
                end: Rule::Stated(
                    today.saturating_add(SignedDuration::from_hours(24 * 30)).at(0, 0, 0, 0),
                ),
                workday: Rule::Stated(vec![DayPeriod {
                    begin: time(0, 0, 0, 0),
                    end: time(23, 59, 0, 0),
                }]),
                special_day: Rule::Stated(vec![DayPeriod {
                    begin: time(0, 0, 0, 0),
                    end: time(23, 59, 0, 0),
                }]),
            },
            when_done: WhenDone::Wait,
            result_url: None,
        }
    }

    /// All campaigns that the platform lists.
    pub async fn listed(&self) -> Vec<FetchedCampaign> {
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.adapter.list_campaigns(READ, cursor.as_deref()).await.unwrap();
            found.extend(page.campaigns);
            cursor = page.next;
            if cursor.is_none() {
                return found;
            }
        }
    }

    async fn attempts(&self, id: &NativeId) -> Vec<FetchedAttempt> {
        let (mut found, mut query) = (Vec::new(), AttemptQuery::default());
        loop {
            let page = self.drive(self.adapter.attempts(READ, id, &query)).await.unwrap();
            found.extend(page.attempts);
            query.cursor = page.next;
            if query.cursor.is_none() {
                return found;
            }
        }
    }

    /// Stops and deletes, whatever state it is in.
    pub async fn clean_up(&self, id: &NativeId) {
        self.adapter.stop_campaign(Lane::Stop, id).await.ok();
        self.drive(self.clock.sleep(Duration::from_secs(6))).await;
        self.adapter.delete_campaign(WRITE, id).await.unwrap();
    }
}

fn adapter(config: &AccountConfig, bindings: &Arc<Bindings>, clock: &Clock) -> Adapter {
    let tables = Arc::new(Tables::embedded().unwrap());
    Account::new(config, tables, Arc::clone(bindings), clock.clone()).unwrap().adapter().unwrap()
}

pub fn contact(index: usize) -> Contact {
    Contact {
        reference: Some(format!("story-{index}")),
        label: Some("north".to_owned()),
        data: Some("vip".to_owned()),
        numbers: vec![ContactNumber {
            number: PhoneNumber::new(format!("+861380013{index:04}")),
            place: 0,
            category: None,
            delay_ms: None,
        }],
    }
}

/// An id of the right form that no platform has.
fn unknown_id(stage: &Stage) -> NativeId {
    NativeId::new(match &stage.config.platform {
        PlatformSettings::Voipbin { .. } => "6b0f6b0e-0000-4000-8000-000000000001".to_owned(),
        PlatformSettings::Isales { vdns, .. } => format!("{}/999999999", vdns[0]),
    })
}

#[actix_web::test]
async fn a_new_campaign_is_stopped_and_says_what_it_was_told() {
    use Operation::{CampaignCreate, CampaignDelete, CampaignDetail};
    for stage in Stage::all(&[CampaignCreate, CampaignDetail, CampaignDelete], false).await {
        let id = stage.create("new").await;
        let campaign = stage.detail(&id).await;
        let told = stage.definition("new");
        assert_eq!(campaign.native, id);
        assert_eq!(campaign.status, CampaignStatus::Stopped);
        assert_eq!(campaign.definition.name, told.name);
        assert_eq!(campaign.definition.description, told.description);
        assert_eq!(campaign.definition.ring_timeout_ms, told.ring_timeout_ms);
        assert_eq!(campaign.definition.retry.interval_ms, told.retry.interval_ms);
        assert_eq!(campaign.definition.answering, told.answering);
        let callers = campaign.definition.caller_numbers.iter().map(|c| c.number.reveal());
        assert_eq!(callers.collect::<Vec<_>>(), ["+862161234567"]);
        let document = stage.adapter.campaign_document(READ, &id).await.unwrap();
        assert_eq!(document, campaign.raw);
        stage.clean_up(&id).await;
    }
}

#[actix_web::test]
async fn every_campaign_is_listed_once() {
    for stage in Stage::all(&[Operation::CampaignList, Operation::CampaignCreate], false).await {
        let mut made = BTreeSet::new();
        for index in 0..5 {
            made.insert(stage.create(&format!("listed {index}")).await);
        }
        let listed = stage.listed().await;
        for id in &made {
            let rows: Vec<_> = listed.iter().filter(|row| row.native == *id).collect();
            assert_eq!(rows.len(), 1, "{id}");
            assert_eq!(rows[0].status, CampaignStatus::Stopped);
            assert!(!rows[0].deleted);
        }
        for id in &made {
            stage.clean_up(id).await;
        }
    }
}

#[actix_web::test]
async fn a_campaign_runs_when_told_and_stops_when_told() {
    for stage in Stage::all(&[Operation::CampaignStart, Operation::CampaignStop], false).await {
        let id = stage.create("steered").await;
        assert_eq!(
            stage.adapter.start_campaign(WRITE, &id).await.unwrap().status,
            CampaignStatus::Running
        );
        assert_eq!(stage.detail(&id).await.status, CampaignStatus::Running);
        // Telling twice is accepted or refused for its state, nothing else.
        if let Err(error) = stage.adapter.start_campaign(WRITE, &id).await {
            assert_eq!((error.kind, error.effect), (PlatformErrorKind::State, Effect::None));
        }
        let stopping = stage.adapter.stop_campaign(Lane::Stop, &id).await.unwrap();
        assert!(matches!(stopping.status, CampaignStatus::Stopping | CampaignStatus::Stopped));
        stage.drive(stage.clock.sleep(Duration::from_secs(6))).await;
        assert_eq!(stage.detail(&id).await.status, CampaignStatus::Stopped);
        stage.clean_up(&id).await;
    }
}

#[actix_web::test]
async fn an_edit_changes_what_it_says_and_nothing_else() {
    for stage in Stage::all(&[Operation::CampaignModify], false).await {
        let id = stage.create("edited").await;
        let before = stage.detail(&id).await;
        let mut edited = before.definition.clone();
        edited.name = "dialbridge story renamed".to_owned();
        edited.retry.interval_ms = Rule::Stated(120_000);
        stage.adapter.modify_campaign(WRITE, &id, &edited).await.unwrap();
        let after = stage.detail(&id).await;
        assert_eq!(after.definition, edited);
        assert_eq!(after.status, before.status);
        stage.adapter.modify_campaign(WRITE, &id, &edited).await.unwrap();
        assert_eq!(stage.detail(&id).await.definition, edited);
        stage.clean_up(&id).await;
    }
}

#[actix_web::test]
async fn what_is_deleted_is_gone_and_what_runs_is_not_deleted() {
    for stage in Stage::all(&[Operation::CampaignDelete], false).await {
        let id = stage.create("deleted").await;
        stage.adapter.start_campaign(WRITE, &id).await.unwrap();
        let error = stage.adapter.delete_campaign(WRITE, &id).await.unwrap_err();
        assert_eq!((error.kind, error.effect), (PlatformErrorKind::State, Effect::None));
        assert_eq!(stage.detail(&id).await.status, CampaignStatus::Running);
        stage.clean_up(&id).await;
        match stage.adapter.campaign(READ, &id).await {
            Ok(campaign) => assert!(campaign.deleted),
            Err(error) => assert_eq!(error.kind, PlatformErrorKind::NotFound),
        }
    }
}

#[actix_web::test]
async fn an_unknown_campaign_is_not_found_by_any_operation() {
    for stage in Stage::all(&[], false).await {
        let (id, adapter) = (unknown_id(&stage), &stage.adapter);
        let definition = stage.definition("unknown");
        let query = AttemptQuery::default();
        let contacts = [contact(1)];
        let added = stage.drive(adapter.add_contacts(WRITE, &id, &contacts)).await;
        let failures = [
            adapter.campaign(READ, &id).await.err(),
            adapter.modify_campaign(WRITE, &id, &definition).await.err(),
            adapter.start_campaign(WRITE, &id).await.err(),
            adapter.stop_campaign(Lane::Stop, &id).await.err(),
            adapter.delete_campaign(WRITE, &id).await.err(),
            adapter.attempts(READ, &id, &query).await.err(),
            added.map_or_else(Some, |added| added.error),
        ];
        for failure in failures {
            let error = failure.expect("there is no such campaign");
            assert_eq!(error.kind, PlatformErrorKind::NotFound, "{error}");
            assert_eq!(error.effect, Effect::None, "{error}");
        }
    }
}

#[actix_web::test]
async fn what_a_platform_cannot_do_costs_no_request() {
    for platform in PlatformKind::ALL {
        let stage = Stage::simulated(platform).await;
        let id = unknown_id(&stage);
        if !stage.adapter.support(Operation::ContactList).is_supported() {
            let error = stage.adapter.list_contacts(READ, &id, None, 10).await.unwrap_err();
            assert_eq!(error.kind, PlatformErrorKind::Unsupported);
            assert!(!error.detail.is_empty());
            assert_eq!(stage.journal().pace().requests, 0);
        }
    }
}

#[actix_web::test]
async fn contacts_are_taken_in_order_within_the_platforms_pace() {
    for stage in Stage::all(&[Operation::ContactAdd], true).await {
        let id = stage.create("contacts").await;
        let contacts: Vec<Contact> = (0..45).map(contact).collect();
        let added = stage.drive(stage.adapter.add_contacts(WRITE, &id, &contacts)).await.unwrap();
        assert!(added.error.is_none(), "{:?}", added.error);
        assert_eq!(added.added.len(), 45);
        let ids: HashSet<_> = added.added.iter().flatten().collect();
        assert_eq!(ids.len(), 45, "every contact has an id of its own");
        assert_eq!(stage.journal().contacts().len(), 45);
        if stage.adapter.support(Operation::ContactList).is_supported() {
            let (mut listed, mut cursor) = (Vec::new(), None);
            loop {
                let page = stage.adapter.list_contacts(READ, &id, cursor.as_deref(), 20).await;
                let page = page.unwrap();
                listed.extend(page.contacts);
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(listed.len(), 45);
            let one = listed.iter().find(|c| c.contact.reference.as_deref() == Some("story-7"));
            assert_eq!(one.unwrap().contact.numbers[0].number.reveal(), "+8613800130007");
        }
        let nobody = stage.adapter.add_contacts(WRITE, &id, &[Contact::default()]).await;
        assert_eq!(nobody.unwrap_err().kind, PlatformErrorKind::Invalid);
    }
}

#[actix_web::test]
async fn every_dial_becomes_one_attempt() {
    for stage in Stage::all(&[Operation::ContactAdd, Operation::ResultQuery], true).await {
        let id = stage.create("dialled").await;
        let contacts: Vec<Contact> = (0..6).map(contact).collect();
        stage.drive(stage.adapter.add_contacts(WRITE, &id, &contacts)).await.unwrap();
        stage.adapter.start_campaign(WRITE, &id).await.unwrap();
        let begun = stage.clock.now();
        stage.clock.advance(Duration::from_secs(900)).await;
        stage.adapter.stop_campaign(Lane::Stop, &id).await.unwrap();
        stage.clock.advance(Duration::from_secs(300)).await;
        let attempts = stage.attempts(&id).await;
        assert_eq!(attempts.len(), stage.journal().dials().len());
        assert!(attempts.len() >= 6, "every contact is tried: {}", attempts.len());
        let ids: HashSet<_> = attempts.iter().map(|attempt| &attempt.native).collect();
        assert_eq!(ids.len(), attempts.len(), "an attempt is known by its id");
        for FetchedAttempt { attempt, .. } in &attempts {
            let called = attempt.called.as_ref().unwrap().reveal();
            assert!(called.starts_with("+861380013"), "a number that was added");
            // Platforms that tell seconds round down.
            let begun = begun - SignedDuration::from_secs(1);
            let placed = attempt.dialed_at.is_none_or(|at: Timestamp| at >= begun);
            assert!(placed && attempt.flags.is_final);
            assert!(!attempt.native_code.is_empty());
        }
    }
}

#[actix_web::test]
async fn a_wrong_key_and_denied_writes_are_told_apart() {
    for stage in Stage::all(&[], true).await {
        let id = stage.create("kept").await;
        let stranger = stage.with(|config| match &mut config.platform {
            PlatformSettings::Voipbin { access_key, .. } => *access_key = "vb_wrong".into(),
            PlatformSettings::Isales { secret_key, .. } => *secret_key = "wrong".into(),
        });
        let error = stranger.campaign(READ, &id).await.unwrap_err();
        assert_eq!(error.kind, PlatformErrorKind::Unauthenticated);
        let error = stranger.start_campaign(WRITE, &id).await.unwrap_err();
        assert_eq!((error.kind, error.effect), (PlatformErrorKind::Unauthenticated, Effect::None));
        let writes = stage.journal().writes().len();
        let reader = stage.with(|config| config.writes = WritePolicy::Deny);
        assert_eq!(reader.campaign(READ, &id).await.unwrap().native, id);
        let definition = stage.definition("denied");
        let contacts = [contact(1)];
        let added = reader.add_contacts(WRITE, &id, &contacts).await;
        for failure in [
            reader.start_campaign(WRITE, &id).await.err(),
            reader.stop_campaign(Lane::Stop, &id).await.err(),
            reader.delete_campaign(WRITE, &id).await.err(),
            reader.create_campaign(WRITE, &new(&definition, None)).await.err(),
            reader.modify_campaign(WRITE, &id, &definition).await.err(),
            added.map_or_else(Some, |added| added.error),
        ] {
            assert_eq!(failure.expect("denied").kind, PlatformErrorKind::WritesDenied);
        }
        assert_eq!(stage.journal().writes().len(), writes);
    }
}

#[actix_web::test]
async fn trouble_says_what_may_have_happened() {
    use PlatformErrorKind as K;
    for stage in Stage::all(&[], true).await {
        let id = stage.create("troubled").await;
        for (fault, kind, of_write, may_be_done) in [
            ("5xx#1", K::Unavailable, Effect::Unclear, false),
            ("429#1", K::RateLimited, Effect::None, false),
            ("401#1", K::Unauthenticated, Effect::None, false),
            ("drop#1", K::Unavailable, Effect::Unclear, false),
            ("lost-answer#1", K::Unavailable, Effect::Unclear, true),
            ("malformed#1", K::Malformed, Effect::Unclear, true),
        ] {
            stage.fault(fault);
            let error = stage.adapter.start_campaign(WRITE, &id).await.unwrap_err();
            assert_eq!((error.kind, error.effect), (kind, of_write), "{fault}: {error}");
            stage.fault("");
            // A pause that the platform asked for is over, and so is a breaker's.
            stage.clock.advance(Duration::from_secs(30)).await;
            let running = stage.detail(&id).await.status == CampaignStatus::Running;
            assert_eq!(running, may_be_done, "{fault}");
            if running {
                stage.adapter.stop_campaign(Lane::Stop, &id).await.unwrap();
                stage.clock.advance(Duration::from_secs(6)).await;
            }
            // Lost answers are of writes only.
            if fault != "lost-answer#1" {
                stage.fault(fault);
                let error = stage.adapter.campaign(READ, &id).await.unwrap_err();
                assert_eq!((error.kind, error.effect), (kind, Effect::None), "{fault}: {error}");
                stage.fault("");
                stage.clock.advance(Duration::from_secs(30)).await;
            }
        }
    }
}

pub fn new(definition: &CampaignDefinition, vdn: Option<VdnId>) -> NewCampaign {
    NewCampaign {
        vdn,
        definition: definition.clone(),
        mark: uuid::Uuid::from_u128(7),
        decided_at: jiff::Timestamp::UNIX_EPOCH,
    }
}
