//! Results: how many are made durable a second, against a bare log file behind the same HTTP server,
//! and how many are received, processed and delivered a second with a million stored.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer};
use dialbridge::domain::call::{CallAttempt, CallResult, Disposition, DispositionFlags};
use dialbridge::domain::ids::{AccountSlug, NativeId};
use dialbridge::domain::listing::Window;
use dialbridge::domain::phone::PhoneNumber;
use dialbridge::ledger::Ledger;
use dialbridge::ledger::attempts::SeenAttempt;
use dialbridge::ledger::directory::DirectoryFilter;
use dialbridge::signing::keys::MasterKeys;
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::cluster::Database;
use crate::gateway::{Gateway, MASTER_KEY};
use crate::load::{Measured, once, post, saturate};
use crate::nginx::{free_port, wait_until_open};
use crate::report::{Report, median};
use crate::sink::Sink;
use crate::upstream::{self, VDN};

const TIME: Duration = Duration::from_secs(3);
const SYNCS: usize = 2000;
const ACCEPTED: &str = r#"{"retCode":"0","retMsg":"success"}"#;
/// Distinct requests that are prepared: no two results are the same.
const PREPARED: usize = 300_000;
const PUSHED_FOR: Duration = Duration::from_secs(6);
/// For what was accepted to arrive.
const PATIENCE: Duration = Duration::from_secs(120);
/// Results that are stored in one transaction.
const CHUNK: usize = 1000;
/// Results that are stored before throughput is measured.
const STORED: usize = 1_000_000;
/// Rows of one contact that are pushed at a time, and how often.
const SESSION_ROWS: usize = 5000;
const SESSION_PUSHES: usize = 4;

/// Runs the peer when this process was started as it.
pub fn run_as_child(arguments: &[String]) -> Option<ExitCode> {
    match arguments {
        [word, port, file] if word == "log-server" => {
            serve_log(port.parse().unwrap(), Path::new(file));
            Some(ExitCode::SUCCESS)
        }
        _ => None,
    }
}

/// Durable accepts.
pub fn accept(rounds: usize, report: &mut Report) {
    let upstream = upstream::start();
    let directory = tempfile::tempdir().unwrap();
    let requests = pushes(0, PREPARED);
    let (mut over_sync, mut over_log) = (Vec::new(), Vec::new());
    let (mut p99_in_syncs, mut worst) = (Vec::new(), 0.0_f64);
    for round in 0..=rounds {
        let sync_us = median_sync_us(&directory.path().join("single"));
        let log = LogServer::start(&directory.path().join(format!("log-{round}")));
        let peer = saturate(log.address, &log_requests(), 64, TIME);
        drop(log);
        let gateway = Gateway::start_for_results(upstream);
        gateway.campaign_paths("");
        let ours = saturate(gateway.callbacks, &requests, 64, TIME);
        drop(gateway);
        let gateway = Gateway::start_for_results(upstream);
        gateway.campaign_paths("");
        let many = saturate(gateway.callbacks, &requests, 256, TIME);
        drop(gateway);
        let single = 1e6 / sync_us;
        println!(
            "round {round}: fdatasync {sync_us:.0} us ({single:.0}/s), log {}, ours {}, 256 callers {}",
            show(&peer),
            show(&ours),
            show(&many)
        );
        if round > 0 {
            over_sync.push(ours.requests_per_second / single);
            over_log.push(ours.requests_per_second / peer.requests_per_second);
            p99_in_syncs.push(ours.p99_us / sync_us);
            worst = worst.max(many.max_us / 1000.0);
        }
    }
    report.at_least(
        "durable accepts, 64 callers: over single fdatasync",
        median(over_sync),
        5.0,
        None,
    );
    let name = "durable accepts, 64 callers: over a bare log, same server";
    report.at_least(name, median(over_log), 0.6, Some(0.9));
    let name = "durable accepts, 64 callers: p99 in single fdatasyncs";
    report.at_most(name, median(p99_in_syncs), 20.0, "x");
    report.at_most("durable accepts, 256 callers: longest", worst, 50.0, "ms");
}

/// Durable accepts where the ledger is on PostgreSQL, with its own durability settings.
pub fn accept_on_postgres(rounds: usize, report: &mut Report) {
    let upstream = upstream::start();
    let directory = tempfile::tempdir().unwrap();
    let requests = pushes(0, PREPARED);
    let mut over_sync = Vec::new();
    for round in 0..=rounds {
        let sync_us = median_sync_us(&directory.path().join("single"));
        let database = Database::create();
        // The tests' server does without.
        database.run("ALTER SYSTEM SET fsync = on");
        database.run("SELECT pg_reload_conf()");
        // A server that has run for a while writes over its old log; a new one makes it while it is asked.
        database.run("CHECKPOINT");
        let gateway = Gateway::start_on(&database.url(), upstream);
        gateway.campaign_paths("");
        let ours = saturate(gateway.callbacks, &requests, 64, TIME);
        drop(gateway);
        let single = 1e6 / sync_us;
        println!("round {round}: fdatasync {single:.0}/s, on PostgreSQL {}", show(&ours));
        if round > 0 {
            over_sync.push(ours.requests_per_second / single);
        }
    }
    report.at_least(
        "durable accepts on PostgreSQL, 64 callers: over single fdatasync",
        median(over_sync),
        4.0,
        None,
    );
}

/// Received, processed, delivered, with [`STORED`] results there.
pub fn deliver(report: &mut Report) {
    let upstream = upstream::start();
    let sink = Sink::start();
    let mut gateway = Gateway::start_for_results(upstream);
    gateway.campaign_paths("");
    gateway.with_ledger(|path| store(path, STORED));
    gateway.make_destination(&sink.url());
    let requests = pushes(0, PREPARED);
    let begin = Instant::now();
    let sent = saturate(gateway.callbacks, &requests, 64, PUSHED_FOR).requests;
    loop {
        let (waiting, _, pending) = gateway.books();
        if waiting == 0 && pending == 0 {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "{waiting} wait, {pending} pending");
        // Rarely: counting what waits costs what it counts.
        std::thread::sleep(Duration::from_millis(500));
    }
    let (took, arrived) = (begin.elapsed().as_secs_f64(), sink.distinct());
    println!("results: {sent} accepted, {arrived} arrived within {took:.1} s");
    let name = "results received, processed, delivered, 1 million stored: /s";
    report.at_least(name, arrived as f64 / took, 5000.0, Some(10_000.0));
    let missing = sent as f64 - arrived as f64;
    report.at_most("results that were accepted and did not arrive", missing, 0.0, "");
}

/// Rows of one sessionId: what each costs when there are few and when there are many, and for how long
/// anybody else who changes something waits meanwhile.
pub fn one_session(rounds: usize, report: &mut Report) {
    let upstream = upstream::start();
    let (mut first, mut ratios, mut longest) = (Vec::new(), Vec::new(), 0.0_f64);
    for round in 0..=rounds {
        let gateway = Gateway::start_for_results(upstream);
        gateway.campaign_paths("");
        let mut took = Duration::ZERO;
        let mut per_row_us = Vec::new();
        for push in 0..SESSION_PUSHES {
            let request = pushed(&session_rows(push * SESSION_ROWS, SESSION_ROWS));
            let begin = Instant::now();
            once(gateway.callbacks, &request);
            let wanted = (push + 1) * SESSION_ROWS;
            while gateway.books().1 < wanted as u64 {
                assert!(begin.elapsed() < PATIENCE, "{wanted} rows of one session");
                std::thread::sleep(Duration::from_millis(10));
            }
            took += begin.elapsed();
            per_row_us.push(took.as_secs_f64() * 1e6 / wanted as f64);
        }
        let held_ms = gateway.longest_verb_ms();
        let (at_first, at_last) = (per_row_us[0], per_row_us[SESSION_PUSHES - 1]);
        println!(
            "round {round}: rows of one sessionId: {at_first:.0} us each at {SESSION_ROWS}, \
             {at_last:.0} us at {}; writer held at most {held_ms:.1} ms",
            SESSION_PUSHES * SESSION_ROWS
        );
        if round > 0 {
            first.push(at_first);
            ratios.push(at_last / at_first);
            longest = longest.max(held_ms);
        }
    }
    println!("rows of one sessionId: {:.0} us each", median(first));
    let name = "rows of one sessionId: each at 20,000 over each at 5,000";
    report.at_most(name, median(ratios), 1.2, "x");
    report.at_most("rows of one sessionId: writer held at most", longest, 50.0, "ms");
}

/// Calls of one contact, each a minute after the one before.
fn session_rows(first: usize, count: usize) -> String {
    let begin = Timestamp::from_second(1_770_000_000).unwrap();
    let rows = (first..first + count).map(|n| {
        let at = begin + jiff::SignedDuration::from_mins(i64::try_from(n).unwrap());
        let at = at.strftime("%Y-%m-%d %H:%M:%S");
        let campaign = upstream::campaign_id(0);
        format!(
            r#"{{"campaignId":"{campaign}","sessionId":"one","called":"013100000001","callTimeStr":"{at}","callStatus":5,"failCode":"00603","vdnId":{VDN},"callId":"1644464743-{n}"}}"#
        )
    });
    format!("[{}]", rows.collect::<Vec<_>>().join(","))
}

fn show(measured: &Measured) -> String {
    format!(
        "{:.0}/s p50 {:.0} p99 {:.0} max {:.0} us",
        measured.requests_per_second, measured.p50_us, measured.p99_us, measured.max_us
    )
}

/// Attempts of earlier days.
fn store(path: &Path, count: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let ledger = Ledger::open_sqlite(path).unwrap();
        let account = AccountSlug::new("bench").unwrap();
        let campaigns = campaigns(&ledger, &account).await;
        let begin = Instant::now();
        for from in (0..count).step_by(CHUNK) {
            let seen = (from..from + CHUNK).map(attempt).collect();
            let campaign = campaigns[(from / CHUNK) % campaigns.len()];
            let now = Timestamp::from_second(1_700_000_000).unwrap();
            ledger.record_attempts(account.clone(), campaign, seen, now).await.unwrap();
        }
        println!("results: {count} stored in {:.0} s", begin.elapsed().as_secs_f64());
    });
}

async fn campaigns(ledger: &Ledger, account: &AccountSlug) -> Vec<Uuid> {
    let filter = DirectoryFilter { accounts: vec![account.clone()], ..DirectoryFilter::default() };
    let window = Window::Offset { offset: 0, limit: 1000 };
    let page = ledger.list_directory(filter, window).await.unwrap();
    page.entries.iter().map(|entry| entry.identity.uuid).collect()
}

fn attempt(n: usize) -> SeenAttempt {
    let number = format!("+86131{n:08}");
    SeenAttempt {
        call: None,
        contact: None,
        proposed_uuid: Uuid::new_v4(),
        native: NativeId::new(format!("stored-{n}")),
        attempt: CallAttempt {
            contact_reference: Some(format!("{n:032}")),
            called: Some(PhoneNumber::new(number)),
            caller: None,
            dialed_at: Timestamp::from_second(1_700_000_000 + i64::try_from(n).unwrap()).ok(),
            ended_at: None,
            result: CallResult::Fail,
            disposition: Disposition::NoAnswer,
            flags: DispositionFlags::default(),
            native_code: "00603".to_owned(),
            try_number: None,
            recording: None,
        },
        raw: row(n),
    }
}

/// A push of one result each, all of different calls.
fn pushes(first: usize, count: usize) -> Vec<Vec<u8>> {
    (first..first + count).map(|n| pushed(&row(n))).collect()
}

fn pushed(body: &str) -> Vec<u8> {
    static PATH: LazyLock<String> = LazyLock::new(|| {
        let keys = MasterKeys::parse(&SecretString::from(MASTER_KEY)).unwrap();
        format!("/callbacks/isales/bench/{}", keys.callback_token("bench", None))
    });
    post(&PATH, body)
}

pub fn row(n: usize) -> String {
    let campaign = upstream::campaign_id(n);
    // As many in a second as are measured.
    let (minute, second) = (n / 5000 / 60 % 60, n / 5000 % 60);
    format!(
        r#"[{{"campaignId":"{campaign}","sessionId":"{n:032}","called":"0131{n:08}","callTimeStr":"2026-10-01 08:{minute:02}:{second:02}","callStatus":5,"failCode":"00603","vdnId":{VDN},"callId":"1644464743-{n}","customField":"","recordPath":""}}]"#
    )
}

fn log_requests() -> Vec<Vec<u8>> {
    (0..1000).map(|n| post("/log", &row(n))).collect()
}

fn median_sync_us(path: &Path) -> f64 {
    let mut file = File::create(path).unwrap();
    let body = row(0);
    let mut times: Vec<f64> = (0..SYNCS)
        .map(|_| {
            let begin = Instant::now();
            file.write_all(body.as_bytes()).unwrap();
            file.sync_data().unwrap();
            begin.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// The peer: the same HTTP server, and a file that is synced once for all who wait.
struct LogServer {
    child: Child,
    address: SocketAddr,
}

impl LogServer {
    fn start(file: &Path) -> Self {
        let port = free_port();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["log-server", &port.to_string()])
            .arg(file)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        wait_until_open(address);
        Self { child, address }
    }
}

impl Drop for LogServer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

type Append = (Bytes, oneshot::Sender<()>);

fn serve_log(port: u16, path: &Path) {
    let (appends, queue) = sync_channel::<Append>(1024);
    let file = File::create(path).unwrap();
    std::thread::Builder::new().name("log".into()).spawn(move || append(file, &queue)).unwrap();
    actix_web::rt::System::new().block_on(async move {
        HttpServer::new(move || {
            App::new().app_data(Data::new(appends.clone())).route("/log", web::post().to(take))
        })
        .workers(1)
        .bind(("127.0.0.1", port))
        .unwrap()
        .run()
        .await
        .unwrap();
    });
}

async fn take(appends: Data<SyncSender<Append>>, body: Bytes) -> HttpResponse {
    let (done, durable) = oneshot::channel();
    appends.try_send((body, done)).unwrap();
    durable.await.unwrap();
    HttpResponse::Ok().content_type("application/json").body(ACCEPTED)
}

fn append(mut file: File, queue: &Receiver<Append>) {
    while let Ok(first) = queue.recv() {
        let mut batch = vec![first];
        batch.extend(queue.try_iter().take(1023));
        let mut bytes = Vec::new();
        for (body, _) in &batch {
            bytes.extend_from_slice(body);
            bytes.push(b'\n');
        }
        file.write_all(&bytes).unwrap();
        file.sync_data().unwrap();
        for (_, done) in batch {
            done.send(()).ok();
        }
    }
}
