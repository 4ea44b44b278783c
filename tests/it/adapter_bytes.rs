//! What the adapters put on the wire and what they make of the answers, against the exchanges in
//! `fixtures/<platform>/<operation>.<case>.exchange.json`, which are written from the references.
//!
//! An exchange file is a list of requests and their answers. A request names method, target,
//! content type and body. An answer has a status and a `body`, a `text`, `body_of` another fixture (with a `change`), or a page of one (`page_of`).

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dialbridge::clock::Clock;
use dialbridge::config::{
    AccountConfig, AccountLimits, CallbackSettings, IsalesRelease, PlatformSettings, WritePolicy,
};
use dialbridge::domain::campaign::{
    Answering, CallerNumber, CampaignDefinition, CampaignStatus, WhenDone,
};
use dialbridge::domain::contact::{Contact, ContactNumber};
use dialbridge::domain::ids::{AccountSlug, NativeId, VdnId};
use dialbridge::domain::phone::{NumberPlan, PhoneNumber};
use dialbridge::domain::policy::{CallingWindow, DayPeriod, RetryPolicy, Rule};
use dialbridge::mapping::table::Tables;
use dialbridge::platforms::{
    Account, Adapter, AttemptQuery, Binding, Bindings, CreationDefaults, Effect, NewCampaign,
    PlatformError, PlatformErrorKind,
};
use dialbridge::signing::c2;
use dialbridge::transport::pacing::Lane;
use jiff::civil::{date, time};
use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::scripted::{Script, Server};

const VOIPBIN_KEY: &str = "vb_example+key";
const ACCESS_KEY: &str = "AKEXAMPLE000001";
const SECRET_KEY: &str = "SKexampleSecret0000000000000001";
const CAMPAIGN: &str = "183c0d5c-691e-42f3-af2b-9bffc2740f83";

/// A platform that answers as an exchange file says, and our adapter to it.
struct Play {
    platform: &'static str,
    case: String,
    exchanges: Vec<Value>,
    server: Server,
    adapter: Adapter,
}

impl Play {
    async fn voipbin(case: &str) -> Self {
        Self::start("voipbin", case).await
    }

    async fn isales(case: &str) -> Self {
        Self::start("isales", case).await
    }

    async fn start(platform: &'static str, case: &str) -> Self {
        let Value::Array(exchanges) = fixture(platform, &format!("{case}.exchange.json")) else {
            panic!("{case}: expected a list of exchanges");
        };
        let scripts: Vec<Script> =
            exchanges.iter().map(|e| Script::say(answer(platform, &e["response"]))).collect();
        let server = Server::start(&scripts).await;
        let adapter = account(platform, &server.address).adapter().unwrap();
        Self { platform, case: case.to_owned(), exchanges, server, adapter }
    }

    /// Compares what was sent with the exchange file.
    fn check(&self) {
        let seen = self.server.seen();
        for (index, exchange) in self.exchanges.iter().enumerate() {
            let place = format!("{}/{} request {index}", self.platform, self.case);
            let seen = seen.get(index).unwrap_or_else(|| panic!("{place} was not sent"));
            check_request(&place, seen, &exchange["request"], &self.server.address);
            if self.platform == "isales" {
                check_signature(&place, seen, &self.server.address);
            }
        }
        assert_eq!(seen.len(), self.exchanges.len(), "{}: more was sent", self.case);
    }
}

fn check_request(place: &str, seen: &str, expected: &Value, host: &str) {
    let (head, body) = seen.split_once("\r\n\r\n").unwrap();
    let first = head.lines().next().unwrap();
    let text = |name: &str| expected[name].as_str().unwrap_or_default();
    assert_eq!(first, format!("{} {} HTTP/1.1", text("method"), text("target")), "{place}");
    assert_eq!(header(head, "host"), Some(host), "{place}");
    assert_eq!(header(head, "content-type").unwrap_or_default(), text("content-type"), "{place}");
    let sent: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    assert_eq!(sent, expected["body"], "{place}");
}

fn check_signature(place: &str, seen: &str, host: &str) {
    let (head, body) = seen.split_once("\r\n\r\n").unwrap();
    let mut first = head.split_whitespace();
    let (method, target) = (first.next().unwrap(), first.next().unwrap());
    let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q)));
    let headers = vec![("host", host)];
    let request =
        c2::Request { method, path, raw_query: query, headers: &headers, body: body.as_bytes() };
    let credentials = c2::Credentials::new(ACCESS_KEY, &SecretString::from(SECRET_KEY)).unwrap();
    let authorization = c2::Authorization::parse(header(head, "authorization").unwrap()).unwrap();
    let options = c2::VerifyOptions {
        host_candidates: &[],
        window: Some(c2::DEFAULT_WINDOW),
        now: Clock::real().wall(),
    };
    c2::verify(&credentials, &authorization, &request, &options)
        .unwrap_or_else(|problem| panic!("{place}: {problem}"));
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

fn answer(platform: &str, response: &Value) -> String {
    let body = if let Some(text) = response["text"].as_str() {
        text.to_owned()
    } else if let Some(name) = response["body_of"].as_str() {
        let mut body = fixture(platform, name);
        if let Value::Object(change) = &response["change"] {
            body.as_object_mut().unwrap().extend(change.clone());
        }
        body.to_string()
    } else if let Some(name) = response["page_of"].as_str() {
        let token = &response["next_page_token"];
        json!({ "result": [fixture(platform, name)], "next_page_token": token }).to_string()
    } else if response["body"].is_null() {
        String::new()
    } else {
        response["body"].to_string()
    };
    let mut headers = String::new();
    for (name, value) in response["headers"].as_object().into_iter().flatten() {
        write!(headers, "{name}: {}\r\n", value.as_str().unwrap()).unwrap();
    }
    let status = &response["status"];
    format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

fn fixture(platform: &str, name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(platform).join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn account(platform: &str, address: &str) -> Account {
    let vdn = |value| VdnId::new(value).unwrap();
    let (base, settings) = match platform {
        "voipbin" => (
            format!("http://{address}/v1.0"),
            PlatformSettings::Voipbin {
                access_key: SecretString::from(VOIPBIN_KEY),
                webhook_secret: None,
                virtual_vdn: vdn(1),
            },
        ),
        _ => (
            format!("http://{address}"),
            PlatformSettings::Isales {
                access_key: ACCESS_KEY.into(),
                secret_key: SecretString::from(SECRET_KEY),
                vdns: vec![vdn(11), vdn(12)],
                empty_query_line: false,
                signed_headers: vec!["host".into()],
                release: IsalesRelease::R2025_11,
                creation: CreationDefaults::default(),
            },
        ),
    };
    let config = AccountConfig {
        slug: AccountSlug::new(platform).unwrap(),
        base_url: base.parse().unwrap(),
        writes: WritePolicy::Allow,
        time_zone: TimeZone::UTC,
        numbers: NumberPlan {
            region: Some("CN".into()),
            trunk_prefix: "0".into(),
            international_prefix: "00".into(),
        },
        limits: AccountLimits {
            requests_per_second: None,
            connect_timeout_ms: 5_000,
            request_timeout_ms: 20_000,
            body_limit_bytes: 1024 * 1024,
        },
        cache_ttl: Duration::ZERO,
        chain_campaigns: false,
        ca_file: None,
        callbacks: CallbackSettings::default(),
        platform: settings,
    };
    let bindings = Bindings {
        agent_groups: vec![Binding {
            voipbin: "99bf739a-932f-433c-b1bf-103d33d7e9bb".into(),
            isales: "5".into(),
        }],
        scripts: Vec::new(),
    };
    let tables = Arc::new(Tables::embedded().unwrap());
    Account::new(&config, tables, Arc::new(bindings), Clock::real()).unwrap()
}

fn definition() -> CampaignDefinition {
    CampaignDefinition {
        name: "spring".into(),
        description: Some("first wave".into()),
        ring_timeout_ms: Rule::Stated(30_000),
        when_done: WhenDone::Stop,
        retry: RetryPolicy {
            interval_ms: Rule::Stated(600_000),
            attempts_per_day: Rule::Stated(2),
            ..RetryPolicy::default()
        },
        ..CampaignDefinition::default()
    }
}

fn caller(number: &str) -> Vec<CallerNumber> {
    vec![CallerNumber { number: PhoneNumber::new(number), place: 0, priority: None }]
}

fn contact(reference: &str, numbers: &[&str]) -> Contact {
    let numbers = numbers.iter().enumerate().map(|(place, number)| ContactNumber {
        number: PhoneNumber::new(*number),
        place,
        category: None,
        delay_ms: None,
    });
    Contact { reference: Some(reference.into()), numbers: numbers.collect(), ..Contact::default() }
}

fn voipbin_id() -> NativeId {
    NativeId::new(CAMPAIGN)
}

fn isales_id() -> NativeId {
    NativeId::new("11/146")
}

const READ: Lane = Lane::FacadeRead;
const WRITE: Lane = Lane::FacadeWrite;

#[actix_web::test]
async fn voipbin_lists_until_an_empty_page() {
    let play = Play::voipbin("campaign-list.page").await;
    let first = play.adapter.list_campaigns(READ, None).await.unwrap();
    let campaign = &first.campaigns[0];
    assert_eq!((campaign.native.as_str(), campaign.deleted), (CAMPAIGN, false));
    assert_eq!(campaign.status, CampaignStatus::Stopped);
    assert_eq!(campaign.created_at, Some("2022-04-28T02:16:39.712142Z".parse().unwrap()));
    let next = first.next.expect("a partial page has a token, too");
    let last = play.adapter.list_campaigns(READ, Some(&next)).await.unwrap();
    assert!(last.campaigns.is_empty() && last.next.is_none());
    play.check();
}

#[actix_web::test]
async fn voipbin_details_come_with_the_outplan_and_keep_the_documents_bytes() {
    let play = Play::voipbin("campaign-detail.test").await;
    let campaign = play.adapter.campaign(READ, &voipbin_id()).await.unwrap();
    assert_eq!(campaign.definition.name, "test campaign");
    assert_eq!(campaign.definition.ring_timeout_ms, Rule::Stated(30_000));
    assert_eq!(campaign.definition.retry.interval_ms, Rule::Stated(600_000));
    let raw: Value = serde_json::from_slice(&campaign.raw).unwrap();
    assert_eq!(raw, fixture("voipbin", "campaign-get.head.json"));
    play.check();
}

#[actix_web::test]
async fn voipbin_of_the_seed_generation_with_an_outplan_that_is_gone() {
    let play = Play::voipbin("campaign-detail.seed").await;
    let campaign = play.adapter.campaign(READ, &voipbin_id()).await.unwrap();
    assert_eq!(campaign.created_at, Some("2022-04-28T02:16:39.712142Z".parse().unwrap()));
    assert!(!campaign.deleted, "the sentinel is no time");
    assert_eq!(campaign.definition.ring_timeout_ms, Rule::Absent);
    play.check();
}

#[actix_web::test]
async fn voipbin_starts_and_stops_through_the_status() {
    let play = Play::voipbin("campaign-start.run").await;
    let status = play.adapter.start_campaign(WRITE, &voipbin_id()).await.unwrap().status;
    assert_eq!(status, CampaignStatus::Running);
    play.check();
    let play = Play::voipbin("campaign-stop.stopping").await;
    let status = play.adapter.stop_campaign(Lane::Stop, &voipbin_id()).await.unwrap().status;
    assert_eq!(status, CampaignStatus::Stopping);
    play.check();
}

#[actix_web::test]
async fn voipbin_deletes_only_when_the_answer_names_the_campaign() {
    let play = Play::voipbin("campaign-delete.done").await;
    play.adapter.delete_campaign(WRITE, &voipbin_id()).await.unwrap();
    play.check();
    let play = Play::voipbin("campaign-delete.pretended").await;
    let error = play.adapter.delete_campaign(WRITE, &voipbin_id()).await.unwrap_err();
    assert_eq!((error.kind, error.effect), (PlatformErrorKind::State, Effect::None));
    play.check();
}

#[actix_web::test]
async fn voipbin_creates_the_parts_and_joins_them() {
    let mut definition = definition();
    definition.caller_numbers = caller("+15550001111");
    let play = Play::voipbin("campaign-create.call").await;
    let native = play.adapter.create_campaign(WRITE, &new(&definition, None)).await.unwrap();
    assert_eq!(native, voipbin_id());
    play.check();
    let play = Play::voipbin("campaign-create.half").await;
    let error = play.adapter.create_campaign(WRITE, &new(&definition, None)).await.unwrap_err();
    assert_eq!((error.kind, error.effect), (PlatformErrorKind::Invalid, Effect::Done));
    play.check();
}

#[actix_web::test]
async fn voipbin_edits_write_only_the_part_that_changed_and_write_it_whole() {
    let play = Play::voipbin("campaign-modify.name").await;
    let reader = Play::voipbin("campaign-detail.test").await;
    let mut edited = reader.adapter.campaign(READ, &voipbin_id()).await.unwrap().definition;
    edited.name = "renamed".into();
    play.adapter.modify_campaign(WRITE, &voipbin_id(), &edited).await.unwrap();
    play.check();
}

#[actix_web::test]
async fn voipbin_contacts_are_added_one_by_one_until_one_fails() {
    let play = Play::voipbin("contact-add.two").await;
    let mut first = contact("1202_test013", &["+821021656521", "+15559876543"]);
    first.label = Some("north".into());
    first.data = Some("vip".into());
    let contacts = [first, contact("second", &["+15559876544"])];
    let added = play.adapter.add_contacts(WRITE, &voipbin_id(), &contacts).await.unwrap();
    assert_eq!(added.added, [Some(NativeId::new("f50b169d-ce02-4bc9-a6e7-bb632c71e450"))]);
    let error = added.error.unwrap();
    assert_eq!(error.kind, PlatformErrorKind::RateLimited);
    assert_eq!(error.retry_after, Some(Duration::from_secs(1)));
    play.check();
}

#[actix_web::test]
async fn voipbin_contacts_and_attempts_are_read_page_by_page() {
    let play = Play::voipbin("contact-list.page").await;
    let page = play.adapter.list_contacts(READ, &voipbin_id(), None, 100).await.unwrap();
    assert_eq!(page.contacts[0].contact.numbers.len(), 1);
    assert!(page.next.is_some());
    play.check();
    let play = Play::voipbin("result-query.page").await;
    let query = AttemptQuery::default();
    let page = play.adapter.attempts(READ, &voipbin_id(), &query).await.unwrap();
    assert_eq!(page.attempts[0].native.as_str(), "56347901-5bb9-422d-add5-5a2ca47fa737");
    assert_eq!(page.attempts[0].attempt.native_code, "success");
    play.check();
}

#[actix_web::test]
async fn voipbin_refusals_are_told_apart() {
    use PlatformErrorKind as K;
    for (case, kind, code, effect) in [
        ("campaign-detail.unknown", K::NotFound, "CAMPAIGN_NOT_FOUND", Effect::None),
        ("campaign-detail.seed_refused", K::NotFound, "", Effect::None),
        ("campaign-detail.other_owner", K::Forbidden, "PERMISSION_DENIED", Effect::None),
        ("campaign-detail.bad_key", K::Unauthenticated, "INVALID_CREDENTIALS", Effect::None),
        ("campaign-start.unusable", K::State, "INVALID_ARGUMENT", Effect::None),
        ("campaign-stop.too_fast", K::RateLimited, "RATE_LIMIT_EXCEEDED", Effect::None),
        ("campaign-stop.unavailable", K::Unavailable, "REQUEST_TIMEOUT", Effect::Unclear),
        ("campaign-stop.malformed", K::Malformed, "", Effect::Unclear),
    ] {
        let play = Play::voipbin(case).await;
        let error = refused(&play, &voipbin_id()).await;
        assert_eq!((error.kind, error.native_code.as_str()), (kind, code), "{case}");
        assert_eq!(error.effect, effect, "{case}");
        assert!(!format!("{error} {error:?}").contains("13800138000"), "{case}");
        play.check();
    }
}

#[actix_web::test]
async fn an_id_that_cannot_be_one_is_not_sent() {
    let play = Play::voipbin("campaign-detail.unknown").await;
    for id in ["", "11/146", "../customer", "00000000-0000-0000-0000-000000000000"] {
        let error = play.adapter.campaign(READ, &NativeId::new(id)).await.unwrap_err();
        assert_eq!(error.kind, PlatformErrorKind::NotFound, "{id}");
    }
    assert!(play.server.seen().is_empty());
    let play = Play::isales("campaign-detail.unknown").await;
    for id in ["", "146", "13/146", "0/146", "11/../12", "11/", "11/-1", "10000/1", CAMPAIGN] {
        let error = play.adapter.campaign(READ, &NativeId::new(id)).await.unwrap_err();
        assert_eq!(error.kind, PlatformErrorKind::NotFound, "{id}");
    }
    assert!(play.server.seen().is_empty());
}

/// Runs the operation that the case is named after; it must fail.
async fn refused(play: &Play, id: &NativeId) -> PlatformError {
    let adapter = &play.adapter;
    match play.case.split('.').next().unwrap() {
        "campaign-detail" => adapter.campaign(READ, id).await.map(drop),
        "campaign-start" => adapter.start_campaign(WRITE, id).await.map(drop),
        "campaign-stop" => adapter.stop_campaign(Lane::Stop, id).await.map(drop),
        "campaign-delete" => adapter.delete_campaign(WRITE, id).await,
        "result-query" => adapter.attempts(READ, id, &AttemptQuery::default()).await.map(drop),
        other => panic!("{other}: not a case of this test"),
    }
    .unwrap_err()
}

#[actix_web::test]
async fn isales_lists_one_vdn_after_the_other() {
    let play = Play::isales("campaign-list.page").await;
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = play.adapter.list_campaigns(READ, cursor.as_deref()).await.unwrap();
        found.extend(page.campaigns.into_iter().map(|c| (c.native.as_str().to_owned(), c.status)));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let expected = [
        ("11/146".to_owned(), CampaignStatus::Running),
        ("11/147".to_owned(), CampaignStatus::Stopped),
    ];
    assert_eq!(found, expected);
    play.check();
    for cursor in ["x", "0:0", "0:", ":1", "-1:1"] {
        let error = play.adapter.list_campaigns(READ, Some(cursor)).await.unwrap_err();
        assert_eq!(error.kind, PlatformErrorKind::Invalid, "{cursor}");
    }
    assert!(play.adapter.list_campaigns(READ, Some("7:1")).await.unwrap().campaigns.is_empty());
}

#[actix_web::test]
async fn isales_details_keep_the_documents_bytes_without_the_envelope() {
    for case in ["campaign-detail.lizhan_test", "campaign-detail.one_code_pair"] {
        let play = Play::isales(case).await;
        let campaign = play.adapter.campaign(READ, &isales_id()).await.unwrap();
        assert_eq!(campaign.native, isales_id());
        assert_eq!(campaign.definition.name, "lizhan_test");
        assert_eq!(campaign.definition.ring_timeout_ms, Rule::Stated(20_000));
        let raw: Value = serde_json::from_slice(&campaign.raw).unwrap();
        let document = fixture("isales", "campaign-detail.lizhan_test.json");
        assert_eq!(raw, document["returnObject"]);
        play.check();
    }
}

#[actix_web::test]
async fn isales_starts_by_resume_stops_by_pause_and_archives() {
    let play = Play::isales("campaign-start.resume").await;
    let status = play.adapter.start_campaign(WRITE, &isales_id()).await.unwrap().status;
    assert_eq!(status, CampaignStatus::Running);
    play.check();
    let play = Play::isales("campaign-stop.pause").await;
    let status = play.adapter.stop_campaign(Lane::Stop, &isales_id()).await.unwrap().status;
    assert_eq!(status, CampaignStatus::Stopped);
    play.check();
    let play = Play::isales("campaign-delete.archive").await;
    play.adapter.delete_campaign(WRITE, &isales_id()).await.unwrap();
    play.check();
}

#[actix_web::test]
async fn isales_creates_paused() {
    let mut definition = definition();
    definition.caller_numbers = caller("+868888952700");
    definition.answering =
        Answering::Agents { group: Some("99bf739a-932f-433c-b1bf-103d33d7e9bb".into()) };
    definition.window = CallingWindow {
        begin: Rule::Stated(date(2026, 2, 1).at(0, 0, 0, 0)),
        end: Rule::Stated(date(2026, 2, 28).at(23, 59, 59, 0)),
        workday: Rule::Stated(vec![DayPeriod { begin: time(8, 0, 0, 0), end: time(11, 30, 0, 0) }]),
        special_day: Rule::Absent,
    };
    let play = Play::isales("campaign-create.v2").await;
    let native = play.adapter.create_campaign(WRITE, &new(&definition, None)).await.unwrap();
    assert_eq!(native.as_str(), "11/46");
    play.check();
    let elsewhere = VdnId::new(13).unwrap();
    let error =
        play.adapter.create_campaign(WRITE, &new(&definition, Some(elsewhere))).await.unwrap_err();
    assert_eq!(error.kind, PlatformErrorKind::Forbidden);
}

#[actix_web::test]
async fn isales_edits_keep_what_was_not_edited() {
    let play = Play::isales("campaign-modify.name").await;
    let reader = Play::isales("campaign-detail.lizhan_test").await;
    let mut edited = reader.adapter.campaign(READ, &isales_id()).await.unwrap().definition;
    edited.name = "renamed".into();
    play.adapter.modify_campaign(WRITE, &isales_id(), &edited).await.unwrap();
    play.check();
}

#[actix_web::test]
async fn isales_contacts_and_results() {
    let play = Play::isales("contact-add.v2").await;
    let mut contact = contact("1202_test013", &["+8613800138000", "+15559876543"]);
    contact.label = Some("north".into());
    contact.data = Some("vip".into());
    contact.numbers[0].category = Some("SI".into());
    contact.numbers[1].delay_ms = Some(600_000);
    let added = play.adapter.add_contacts(WRITE, &isales_id(), &[contact]).await.unwrap();
    assert_eq!(added.added, [Some(NativeId::new("11330737561851183104"))]);
    assert!(added.error.is_none());
    play.check();

    let play = Play::isales("result-query.campaign-3").await;
    let query = AttemptQuery {
        days: Some((date(2020, 8, 30), date(2020, 8, 30))),
        reference: Some("1202_test013".into()),
        cursor: None,
    };
    let page = play.adapter.attempts(READ, &NativeId::new("11/3"), &query).await.unwrap();
    assert_eq!((page.total, page.next), (Some(2), None));
    assert_eq!(page.attempts[0].native.as_str(), "11/3/0023-134864174/2020-08-30 20:00:00");
    let called = page.attempts[0].attempt.called.as_ref();
    assert!(called.is_none_or(|number| number.to_string() == "***"));
    play.check();
    let unsupported = play.adapter.list_contacts(READ, &isales_id(), None, 100).await.unwrap_err();
    assert_eq!(unsupported.kind, PlatformErrorKind::Unsupported);
}

#[actix_web::test]
async fn isales_adding_too_fast_says_when_to_try_again() {
    let play = Play::isales("contact-add.too_fast").await;
    let contacts = [contact("a", &["+8613800138000"])];
    let added = play.adapter.add_contacts(WRITE, &isales_id(), &contacts).await.unwrap();
    let error = added.error.unwrap();
    assert!(added.added.is_empty() && error.retry_after.is_some());
    assert_eq!((error.kind, error.effect), (PlatformErrorKind::RateLimited, Effect::None));
    play.check();
    let nobody = play.adapter.add_contacts(WRITE, &isales_id(), &[Contact::default()]).await;
    assert_eq!(nobody.unwrap_err().kind, PlatformErrorKind::Invalid);
}

#[actix_web::test]
async fn isales_refusals_are_told_apart() {
    use PlatformErrorKind as K;
    for (case, kind, code, effect) in [
        ("campaign-detail.unauthenticated", K::Unauthenticated, "", Effect::None),
        ("campaign-detail.unknown", K::NotFound, "0200007", Effect::None),
        ("campaign-detail.malformed", K::Malformed, "", Effect::None),
        ("campaign-detail.no_code", K::Malformed, "", Effect::None),
        ("campaign-stop.state", K::State, "0200011", Effect::None),
        ("campaign-stop.database", K::Unavailable, "0200006", Effect::Unclear),
        ("campaign-stop.malformed", K::Malformed, "", Effect::Unclear),
        ("campaign-delete.running", K::State, "0200009", Effect::None),
    ] {
        let play = Play::isales(case).await;
        let error = refused(&play, &isales_id()).await;
        assert_eq!((error.kind, error.native_code.as_str()), (kind, code), "{case}");
        assert_eq!(error.effect, effect, "{case}");
        play.check();
    }
    let play = Play::isales("result-query.bad_days").await;
    let error = refused(&play, &NativeId::new("11/3")).await;
    assert_eq!((error.kind, error.native_code.as_str()), (K::Invalid, "0200009"));
    play.check();
}

fn new(definition: &CampaignDefinition, vdn: Option<VdnId>) -> NewCampaign {
    NewCampaign {
        vdn,
        definition: definition.clone(),
        mark: uuid::Uuid::from_u128(7),
        decided_at: jiff::Timestamp::UNIX_EPOCH,
    }
}
