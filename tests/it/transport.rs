//! The transport against a small server of the test's own: what goes over the wire, what may have
//! happened when nothing came back, and whose turn it is.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use bytes::Bytes;
use dialbridge::clock::Clock;
use dialbridge::config::{
    AccountConfig, AccountLimits, CallbackSettings, PlatformSettings, WritePolicy,
};
use dialbridge::domain::ids::{AccountSlug, VdnId};
use dialbridge::domain::phone::NumberPlan;
use dialbridge::transport::breaker::{FAILURES_TO_OPEN, OPEN_FOR};
use dialbridge::transport::failure::{Failure, FailureKind};
use dialbridge::transport::pacing::{Lane, MAX_WAIT_FACADE, MAX_WAITING_PER_LANE, Pacer};
use dialbridge::transport::spacing::{Batches, Spacing};
use dialbridge::transport::{
    Access, Answer, Connection, Endpoint, MAX_IN_FLIGHT, MAX_STOPS_IN_FLIGHT, Request,
};
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use jiff::tz::TimeZone;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::SecretString;
use tokio::net::TcpListener;

use crate::scripted::{Script, Server};
use crate::support::config::tls_file;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
const BROKEN: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
const SECRET: &str = "vb_secret-and-+8613800138000";

fn account(address: &str) -> AccountConfig {
    AccountConfig {
        slug: AccountSlug::new("test").unwrap(),
        base_url: format!("http://{address}/v1.0").parse().unwrap(),
        writes: WritePolicy::Allow,
        time_zone: TimeZone::UTC,
        numbers: NumberPlan {
            region: None,
            trunk_prefix: "0".into(),
            international_prefix: "00".into(),
        },
        limits: AccountLimits {
            requests_per_second: None,
            connect_timeout_ms: 2_000,
            request_timeout_ms: 20_000,
            body_limit_bytes: 1024,
        },
        cache_ttl: Duration::ZERO,
        chain_campaigns: false,
        ca_file: None,
        callbacks: CallbackSettings::default(),
        platform: PlatformSettings::Voipbin {
            access_key: SecretString::from(SECRET),
            webhook_secret: None,
            virtual_vdn: VdnId::new(1).unwrap(),
        },
    }
}

fn virtual_clock() -> Clock {
    Clock::virtual_at("2026-01-15T09:30:00Z".parse().unwrap(), 1)
}

fn connect(account: &AccountConfig, clock: &Clock) -> Connection {
    Arc::new(Endpoint::new(account, clock.clone()).unwrap()).connect().unwrap()
}

async fn send(connection: &Connection, access: Access, lane: Lane) -> Result<Answer, Failure> {
    let admitted = connection.admit(access, lane).await?;
    let mut target = connection.endpoint().target("/campaigns/a%2Fb", Some("page_size=100"));
    target.add_query("accesskey", SECRET);
    let headers = vec![("content-type", "application/json".to_owned())];
    let body = Bytes::from_static(if access == Access::Write { b"{\"a\":1}" } else { b"" });
    let method = if access == Access::Write { "PUT" } else { "GET" };
    admitted.send(Request { method, target, headers, body }).await
}

async fn read(connection: &Connection) -> Result<Answer, Failure> {
    send(connection, Access::Read, Lane::FacadeRead).await
}

async fn write(connection: &Connection) -> Result<Answer, Failure> {
    send(connection, Access::Write, Lane::FacadeWrite).await
}

/// Everything that an error says, with its causes, in both forms.
fn whole_text(error: &dyn Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(text, " {error} {error:?}").unwrap();
        cause = error.source();
    }
    text
}

#[actix_web::test]
async fn a_request_is_sent_as_it_was_made() {
    let server = Server::start(&[Script::say(OK)]).await;
    let connection = connect(&account(&server.address), &Clock::real());
    let answer = write(&connection).await.unwrap();
    assert_eq!((answer.status, answer.body.as_ref()), (200, &b"{}"[..]));
    let seen = server.seen().remove(0);
    let first = "PUT /v1.0/campaigns/a%2Fb?page_size=100&accesskey=vb_secret-and-%2B8613800138000 \
                 HTTP/1.1\r\n";
    assert!(seen.starts_with(first), "{seen}");
    let head = seen.to_lowercase();
    for line in [
        format!("host: {}", server.address),
        "content-type: application/json".into(),
        "content-length: 7".into(),
    ] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{line}: {seen}");
    }
    assert!(seen.ends_with("\r\n\r\n{\"a\":1}"), "{seen}");
}

#[actix_web::test]
async fn an_answer_of_any_status_is_an_answer_and_redirects_are_not_followed() {
    let redirect =
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let later = "HTTP/1.1 500 Oops\r\nretry-after: 7\r\ncontent-length: 1\r\n\r\nx";
    let server = Server::start(&[Script::say(redirect), Script::say(later)]).await;
    let connection = connect(&account(&server.address), &Clock::real());
    assert_eq!(read(&connection).await.unwrap().status, 302);
    let answer = read(&connection).await.unwrap();
    assert_eq!((answer.status, answer.retry_after), (500, Some(Duration::from_secs(7))));
}

#[actix_web::test]
async fn what_may_have_happened_is_told_for_writes() {
    let refused = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let silent = Server::start(&[Script::Silence]).await;
    let rude = Server::start(&[Script::HangUp]).await;
    for (address, timeout_ms, kind, sent) in [
        (&refused, 20_000, FailureKind::Connect, false),
        (&silent.address, 100, FailureKind::Timeout, true),
        (&rude.address, 20_000, FailureKind::Dropped, true),
    ] {
        let mut account = account(address);
        account.limits.request_timeout_ms = timeout_ms;
        let connection = connect(&account, &Clock::real());
        let failure = write(&connection).await.unwrap_err();
        assert_eq!((failure.kind, failure.may_have_acted), (kind, sent));
        let failure = read(&connection).await.unwrap_err();
        assert_eq!((failure.kind, failure.may_have_acted), (kind, false));
        let text = whole_text(&failure);
        assert!(!text.contains("accesskey") && !text.contains("8613800138000"), "{text}");
    }
}

#[actix_web::test]
async fn bodies_are_capped_while_they_are_read() {
    let announced = "HTTP/1.1 200 OK\r\ncontent-length: 1025\r\n\r\n";
    let server = Server::start(&[Script::say(announced), Script::Endless]).await;
    let connection = connect(&account(&server.address), &Clock::real());
    for _ in 0..2 {
        let failure = write(&connection).await.unwrap_err();
        assert_eq!((failure.kind, failure.may_have_acted), (FailureKind::TooLarge, true));
    }
    let chunks =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n";
    let server = Server::start(&[Script::say(chunks)]).await;
    let connection = connect(&account(&server.address), &Clock::real());
    assert_eq!(read(&connection).await.unwrap().body.as_ref(), b"abcde");
}

#[actix_web::test]
async fn denied_writes_never_leave_the_house() {
    let server = Server::start(&[Script::say(OK)]).await;
    let mut account = account(&server.address);
    account.writes = WritePolicy::Deny;
    let connection = connect(&account, &Clock::real());
    for lane in [Lane::FacadeWrite, Lane::Stop] {
        let failure = send(&connection, Access::Write, lane).await.unwrap_err();
        assert_eq!((failure.kind, failure.may_have_acted), (FailureKind::WritesDenied, false));
    }
    assert_eq!(read(&connection).await.unwrap().status, 200);
    assert_eq!(server.seen().len(), 1);
}

#[actix_web::test]
async fn the_breaker_opens_probes_and_closes() {
    let mut scripts = vec![Script::say(BROKEN); FAILURES_TO_OPEN as usize + 2];
    scripts.push(Script::say(OK));
    let server = Server::start(&scripts).await;
    let clock = virtual_clock();
    let connection = connect(&account(&server.address), &clock);
    for _ in 0..FAILURES_TO_OPEN {
        assert_eq!(read(&connection).await.unwrap().status, 503);
    }
    let failure = read(&connection).await.unwrap_err();
    assert_eq!((failure.kind, failure.retry_after), (FailureKind::BreakerOpen, Some(OPEN_FOR)));
    // A stop is tried all the same.
    let stop = send(&connection, Access::Write, Lane::Stop).await.unwrap();
    assert_eq!(stop.status, 503);
    assert_eq!(read(&connection).await.unwrap_err().kind, FailureKind::BreakerOpen);
    clock.advance(OPEN_FOR).await;
    assert_eq!(read(&connection).await.unwrap().status, 503, "the probe");
    assert_eq!(read(&connection).await.unwrap_err().kind, FailureKind::BreakerOpen);
    clock.advance(OPEN_FOR).await;
    assert_eq!(read(&connection).await.unwrap().status, 200, "the probe");
    assert_eq!(read(&connection).await.unwrap().status, 200);
    assert_eq!(server.seen().len(), FAILURES_TO_OPEN as usize + 4);
}

#[actix_web::test]
async fn an_abandoned_probe_does_not_lock_the_breaker() {
    let mut scripts = vec![Script::say(BROKEN); FAILURES_TO_OPEN as usize];
    scripts.push(Script::say(OK));
    let server = Server::start(&scripts).await;
    let clock = virtual_clock();
    let connection = connect(&account(&server.address), &clock);
    for _ in 0..FAILURES_TO_OPEN {
        read(&connection).await.unwrap();
    }
    clock.advance(OPEN_FOR).await;
    drop(connection.admit(Access::Read, Lane::FacadeRead).await.unwrap());
    assert_eq!(read(&connection).await.unwrap().status, 200);
}

#[actix_web::test]
async fn retry_after_pauses_the_account() {
    let slow = "HTTP/1.1 429 Too Many\r\nretry-after: 3\r\ncontent-length: 0\r\n\r\n";
    let server = Server::start(&[Script::say(slow), Script::say(OK)]).await;
    let clock = virtual_clock();
    let connection = connect(&account(&server.address), &clock);
    assert_eq!(read(&connection).await.unwrap().status, 429);
    let waiting = tokio::spawn({
        let connection = connection.clone();
        async move { read(&connection).await.unwrap().status }
    });
    clock.advance(Duration::from_millis(2_999)).await;
    assert!(!waiting.is_finished());
    clock.advance(Duration::from_millis(1)).await;
    assert_eq!(waiting.await.unwrap(), 200);
}

/// A file of the test's own authority: it is trusted by nobody but who names it as `ca_file`.
#[actix_web::test]
async fn an_accounts_own_authority_is_trusted_and_no_other() {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = CertificateDer::pem_file_iter(tls_file("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(tls_file("server.key.pem")).unwrap();
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    let server = HttpServer::new(|| App::new().default_service(web::to(|| async { "{}" })))
        .workers(1)
        .disable_signals()
        .bind_rustls_0_23("127.0.0.1:0", tls)
        .unwrap();
    let address = server.addrs()[0].to_string();
    let running = server.run();
    let handle = running.handle();
    actix_web::rt::spawn(running);

    let mut account = account(&address);
    account.base_url = format!("https://{address}/v1.0").parse().unwrap();
    let failure = write(&connect(&account, &Clock::real())).await.unwrap_err();
    assert_eq!((failure.kind, failure.may_have_acted), (FailureKind::Connect, false));
    account.ca_file = Some(tls_file("authority.pem"));
    assert_eq!(write(&connect(&account, &Clock::real())).await.unwrap().status, 200);
    handle.stop(false).await;
}

/// Lets `count` requests of a lane wait for their turn; gives how many had it.
fn crowd(pacer: &Arc<Pacer>, lane: Lane, count: usize) -> Arc<AtomicUsize> {
    let served = Arc::new(AtomicUsize::new(0));
    for _ in 0..count {
        let (pacer, served) = (Arc::clone(pacer), Arc::clone(&served));
        tokio::spawn(async move {
            if pacer.turn(lane).await.is_ok() {
                served.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    served
}

#[actix_web::test]
async fn a_burst_of_reads_keeps_to_the_rate_and_starves_nobody() {
    let clock = virtual_clock();
    let pacer = Arc::new(Pacer::new(Some(10), clock.clone()));
    let reads = crowd(&pacer, Lane::FacadeRead, 200);
    clock.advance(Duration::ZERO).await;
    assert_eq!(reads.load(Ordering::SeqCst), 8, "the burst of the facades and of the idle share");
    // Stops do not wait for reads.
    for _ in 0..2 {
        pacer.turn(Lane::Stop).await.unwrap();
    }
    let reconcile = crowd(&pacer, Lane::Reconcile, 20);
    let writes = crowd(&pacer, Lane::FacadeWrite, 3);
    clock.advance(Duration::from_secs(5)).await;
    assert_eq!(writes.load(Ordering::SeqCst), 3, "writes go before reads");
    let reconciled = reconcile.load(Ordering::SeqCst);
    assert!((9..=11).contains(&reconciled), "two per second are theirs: {reconciled}");
    let read = reads.load(Ordering::SeqCst) - 8;
    assert!((25..=31).contains(&read), "six per second, less the writes: {read}");
    // Who waited too long is told so.
    clock.advance(MAX_WAIT_FACADE).await;
    assert!(reads.load(Ordering::SeqCst) < 200);
}

#[actix_web::test]
async fn stops_overtake_what_waits() {
    let clock = virtual_clock();
    let pacer = Arc::new(Pacer::new(Some(10), clock.clone()));
    crowd(&pacer, Lane::FacadeRead, 200);
    crowd(&pacer, Lane::Enrichment, 200);
    clock.advance(Duration::ZERO).await;
    let stops = crowd(&pacer, Lane::Stop, 10);
    clock.advance(Duration::from_secs(1)).await;
    let stopped = stops.load(Ordering::SeqCst);
    assert!(stopped >= 9, "their own places and everybody else's: {stopped}");
}

/// A platform that hangs holds every request that was let through; stops have places of their own.
#[actix_web::test]
async fn stops_have_all_places_and_some_that_nobody_else_has() {
    let connection = connect(&account("127.0.0.1:9"), &virtual_clock());
    let admit = |lane| connection.admit(Access::Write, lane).now_or_never();
    let many: Vec<_> = (0..MAX_STOPS_IN_FLIGHT * 4).map(|_| admit(Lane::Stop)).collect();
    assert!(many.iter().all(|place| matches!(place, Some(Ok(_)))), "none waits for another");
    drop(many);
    let hanging: Vec<_> = (0..MAX_IN_FLIGHT).map(|_| admit(Lane::FacadeWrite)).collect();
    assert!(hanging.iter().all(|place| matches!(place, Some(Ok(_)))));
    assert!(admit(Lane::FacadeWrite).is_none());
    let stops: Vec<_> = (0..MAX_STOPS_IN_FLIGHT).map(|_| admit(Lane::Stop)).collect();
    assert!(stops.iter().all(|place| matches!(place, Some(Ok(_)))));
    assert!(admit(Lane::Stop).is_none());
}

#[actix_web::test]
async fn a_lane_has_a_limit_on_who_waits() {
    let clock = virtual_clock();
    let pacer = Arc::new(Pacer::new(Some(1), clock.clone()));
    let turns = (0..MAX_WAITING_PER_LANE + 10).map(|_| pacer.turn(Lane::FacadeRead));
    let (results, ()) = futures_util::future::join(join_all(turns), async {
        clock.advance(MAX_WAIT_FACADE).await;
    })
    .await;
    let served = results.iter().filter(|result| result.is_ok()).count();
    assert!((5..=15).contains(&served), "{served}");
    assert!(results.last().unwrap().is_err());
}

#[actix_web::test]
async fn a_gap_is_kept_per_thing() {
    let clock = virtual_clock();
    let spacing = Spacing::new(Duration::from_secs(1));
    let second = Duration::from_secs(1);
    spacing.turn("11/3", &clock, second).await.unwrap();
    spacing.turn("11/4", &clock, second).await.unwrap();
    let (turn, ()) = futures_util::future::join(spacing.turn("11/3", &clock, second), async {
        clock.advance(second).await;
    })
    .await;
    turn.unwrap();
    spacing.push_back("11/4", &clock);
    let refused = spacing.turn("11/4", &clock, Duration::from_millis(999)).await.unwrap_err();
    assert_eq!(refused.wait, second);
}

#[actix_web::test]
async fn batches_are_small_and_apart() {
    let clock = virtual_clock();
    let batches = Arc::new(Batches::new(10, Duration::from_millis(1_100)));
    let begun = Arc::new(AtomicUsize::new(0));
    for _ in 0..25 {
        let (batches, begun, clock) = (Arc::clone(&batches), Arc::clone(&begun), clock.clone());
        tokio::spawn(async move {
            let _place = batches.turn(&clock, Duration::from_secs(60)).await.unwrap();
            begun.fetch_add(1, Ordering::SeqCst);
        });
    }
    for expected in [10, 20, 25] {
        clock.advance(Duration::ZERO).await;
        assert_eq!(begun.load(Ordering::SeqCst), expected);
        clock.advance(Duration::from_millis(1_100)).await;
    }
}

#[test]
fn settings_that_cannot_work_are_refused_at_the_start() {
    let mut account = account("127.0.0.1:1");
    account.base_url = "ftp://example.com/".parse().unwrap();
    assert!(Endpoint::new(&account, Clock::real()).is_err());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, "no certificate").unwrap();
    account.base_url = "https://example.com/".parse().unwrap();
    account.ca_file = Some(file);
    let error = Endpoint::new(&account, Clock::real()).unwrap_err().to_string();
    assert!(error.contains("account test: ca_file") && error.contains("no certificate"), "{error}");
    account.ca_file = None;
    let endpoint = Arc::new(Endpoint::new(&account, Clock::real()).unwrap());
    assert_eq!(endpoint.host(), "example.com");
    endpoint.connect().unwrap();
}
