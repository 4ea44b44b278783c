//! An outage of an hour: results come, then nothing that platforms push does, then it comes again and
//! what was missed is asked for. Nobody is lost, nobody is there twice, and the platforms' limits hold.

use std::collections::HashSet;
use std::time::Duration;

use dialbridge::clock::Clock;
use dialbridge::config::{CallbackSettings, Config};
use dialbridge::domain::ids::AccountSlug;
use dialbridge::simulators::{self, isales, voipbin};
use jiff::SignedDuration;
use jiff::tz::{Offset, TimeZone};
use serde_json::{Value, json};

use crate::support::relay::Relay;
use crate::support::sink::Sink;
use crate::support::{TestApp, VDN, until};

const PEOPLE: usize = 40;
/// Of the simulated platforms.
const OUTAGE: SignedDuration = SignedDuration::from_hours(1);
const VOIPBIN_PER_S: u32 = 16;

/// A zone in which it is early in the morning: the story is over before that day is.
fn morning() -> TimeZone {
    let now = Clock::real().now().to_zoned(TimeZone::UTC).hour();
    TimeZone::fixed(Offset::from_hours((18 - now) % 24 - 12).unwrap())
}

fn configured(config: &mut Config, relay: &Relay) {
    // Asked for on request alone: whatever comes otherwise was pushed.
    config.reconcile_interval = None;
    for account in &mut config.accounts {
        let public_url = Some(relay.url().parse().unwrap());
        let callbacks = account.callbacks.clone();
        account.callbacks = CallbackSettings { public_url, ..callbacks };
        if account.slug.as_str().starts_with("cc") {
            account.time_zone = morning();
        }
        if account.slug.as_str().starts_with("vb") {
            account.limits.requests_per_second = Some(VOIPBIN_PER_S);
        }
    }
    config.clients[0].create_on = Some(AccountSlug::new("cc").unwrap());
    let queue = voipbin::Account::numbered(1).queue_id.to_string();
    let skill = dialbridge::platforms::Binding { voipbin: queue, isales: "5".to_owned() };
    config.bindings.agent_groups = vec![skill];
}

struct Story {
    app: TestApp,
    relay: Relay,
    isales: i64,
    voipbin: crate::support::VoipbinIds,
}

impl Story {
    async fn begin() -> Self {
        let relay = Relay::new();
        let app = TestApp::simulators_in((isales::Release::Y2025, morning()), |config| {
            configured(config, &relay);
        })
        .await;
        let voipbin = app.voipbin_campaign("called by voipbin").await;
        // People have one number: an empty slot with tries would end the campaign.
        let dial_info = json!({"source": {"type": "tel", "target": "+862061000000"},
            "dial_timeout": 30_000, "try_interval": 60_000, "max_try_count_0": 2,
            "max_try_count_1": 0, "max_try_count_2": 0, "max_try_count_3": 0, "max_try_count_4": 0});
        let path = format!("/outplans/{}/dial_info", voipbin.outplan);
        app.on_voipbin("PUT", &path, Some(dial_info)).await;
        let switches = format!("{}/_sim/switches", app.isales.base_url());
        let limit = json!({"push_limit": 2}).to_string();
        assert!(app.send("POST", &switches, &[], Some(limit)).await.status < 300);
        let app = app.serve().await;
        relay.lead_to(app.callbacks()["http://".len()..].parse().unwrap());
        let now = app.simulated.now().strftime("%Y-%m-%d %H:%M:%S").to_string();
        let document = json!({
            "name": "called by isales", "description": "d", "deviceType": 2, "initStatus": 1,
            "strBeginTime": now, "strEndTime": "2099-01-01 00:00:00", "maxAlertingTime": 20,
            "callerNo": [{"accessCode": "02061000000", "priority": 3}],
            "scheduleParam": {"workdayBeginTime1": "00:00", "workdayEndTime1": "23:59"},
            "skillParam": {"skillId": 5, "skillName": "Voice Skill Queue", "outBoundType": 2,
                "predictParam": {"predictMethod": 5, "offhookPredictParam": {"offHookRate": 100}}},
        });
        let made = app.cc_ok("POST", &format!("v2/openapi/campaigns/{VDN}"), Some(document)).await;
        let isales = made["returnObject"]["id"].as_i64().unwrap();
        let customer = json!({"name": "n", "detail": "d", "email": "e", "phone_number": "p",
            "address": "a", "webhook_method": "POST",
            "webhook_uri": format!("{}/callbacks/voipbin/vb", relay.url())});
        app.on_voipbin("PUT", "/customer", Some(customer)).await;
        Self { app, relay, isales, voipbin }
    }

    /// Has both platforms call so many people, and waits until they have.
    async fn call(&self, label: &str) {
        let app = &self.app;
        let before = (dialled(&app.isales), dialled(&app.voipbin));
        let add = format!("v1/openapi/campaigns/{VDN}/calldata/{}", self.isales);
        for start in (0..PEOPLE).step_by(20) {
            let people: Vec<Value> = (start..start + 20)
                .map(|n| json!({"sessionId": format!("{label}{n}"), "called": format!("01310000{n:04}")}))
                .collect();
            app.cc_ok("POST", &add, Some(json!({"callDataList": people}))).await;
        }
        let targets = format!("/outdials/{}/targets", self.voipbin.outdial);
        for n in 0..PEOPLE {
            let target = json!({"name": label, "detail": "d", "data": "x",
                "destination_0": {"type": "tel", "target": format!("+861320000{n:04}")}});
            assert_eq!(app.vb("POST", &targets, Some(target)).await.status, 200);
        }
        let path = format!("v1/openapi/campaigns/{VDN}/{}/resume", self.isales);
        app.cc("PUT", &path, None).await;
        self.steer("run").await;
        until(async || {
            dialled(&app.isales) >= before.0 + PEOPLE && dialled(&app.voipbin) >= before.1 + PEOPLE
        })
        .await;
        self.steer("stop").await;
        let path = format!("v1/openapi/campaigns/{VDN}/{}/pause", self.isales);
        app.cc("PUT", &path, None).await;
        until(async || is_quiet(&app.isales) && is_quiet(&app.voipbin)).await;
    }

    async fn steer(&self, status: &str) {
        let path = format!("/campaigns/{}/status", self.voipbin.campaign);
        self.app.on_voipbin("PUT", &path, Some(json!({ "status": status }))).await;
    }

    /// Attempts that are over, as the store has them.
    fn stored(&self) -> usize {
        let ledger = rusqlite::Connection::open(self.app.ledger()).unwrap();
        let sql = "SELECT COUNT(*) FROM attempt WHERE result <> 'in-progress'";
        let count: u32 = ledger.query_row(sql, [], |row| row.get(0)).unwrap();
        usize::try_from(count).unwrap()
    }

    fn dialled(&self) -> usize {
        dialled(&self.app.isales) + dialled(&self.app.voipbin)
    }
}

/// Dials that have ended.
fn dialled(platform: &simulators::Running) -> usize {
    platform.journal.dials().iter().filter(|dial| dial.outcome.is_some()).count()
}

fn is_quiet(platform: &simulators::Running) -> bool {
    platform.journal.dials().iter().all(|dial| dial.outcome.is_some())
}

/// Result queries so far.
fn queries(app: &TestApp, campaign: i64) -> u64 {
    let path = format!("/rest/isales/v1/openapi/campaigns/{VDN}/callresult/{campaign}");
    app.isales.journal.calls("POST", &path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_hour_without_callbacks_nothing_is_missing() {
    let story = Story::begin().await;
    let app = &story.app;
    let sink = Sink::taking();
    let order = json!({"name": "crm", "shape": "standard", "url": sink.url("/"),
        "dispositions": ["answered", "busy", "no-answer", "rejected", "failed", "unknown"]});
    assert_eq!(app.ask_api("operator", ("POST", "/destinations"), Some(order)).await.status, 200);
    story.call("before").await;
    until(async || story.stored() == story.dialled()).await;
    let before = story.stored();

    story.relay.cut(true);
    let cut_at = app.simulated.now();
    story.call("meanwhile").await;
    until(async || app.simulated.now() > cut_at + OUTAGE).await;
    assert_eq!(story.stored(), before, "nothing came");
    story.relay.cut(false);
    story.call("after").await;
    // What was pushed again within its limits has come, and the rest has not.
    until(async || story.stored() >= before + PEOPLE * 2).await;

    let (pace_before, queries_before) = (app.voipbin.journal.pace(), queries(app, story.isales));
    let began = Clock::real().now();
    let today = Clock::real().now().to_zoned(morning()).date().to_string();
    for (account, since) in [("cc", Some(today)), ("vb", None)] {
        let order = json!({"account": account, "since": since});
        let begun = app.ask_api("operator", ("POST", "/reconcile"), Some(order)).await;
        assert_eq!(begun.status, 200, "{}", begun.text);
    }
    until(async || story.stored() == story.dialled()).await;
    let waited = Duration::try_from(Clock::real().now().duration_since(began)).unwrap();
    let asked = app.voipbin.journal.pace().requests - pace_before.requests;
    let most = waited.as_secs_f64() * f64::from(VOIPBIN_PER_S) + f64::from(VOIPBIN_PER_S);
    assert!(f64::from(u32::try_from(asked).unwrap()) <= most, "{asked} in {waited:?}");
    assert!(app.isales.journal.pace().max_concurrent <= 10);
    let asked = queries(app, story.isales) - queries_before;
    let batches = 1.0 + waited.as_secs_f64();
    assert!(f64::from(u32::try_from(asked).unwrap()) <= 10.0 * batches, "{asked} in {waited:?}");

    // Told once for each revision, and each dial at least once.
    until(async || app.api("/destinations").await["items"][0]["pending"] == 0).await;
    let told: Vec<String> = sink.received().iter().map(|got| got.id().to_owned()).collect();
    assert_eq!(told.iter().collect::<HashSet<_>>().len(), told.len(), "told twice");
    let attempts: HashSet<&str> = told.iter().map(|id| id.split('-').next().unwrap()).collect();
    assert_eq!(attempts.len(), story.dialled());
    let ledger = rusqlite::Connection::open(app.ledger()).unwrap();
    let sum = |sql: &str| ledger.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(
        sum("SELECT SUM(attempts) FROM rollup WHERE disposition <> 'in-progress'"),
        i64::try_from(story.dialled()).unwrap(),
        "rollups balance"
    );
    let Story { app, .. } = story;
    app.finish().await;
}
