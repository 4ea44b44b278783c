//! Id lookup with a million pairs, each layer by name: memory, sled. Every step is a process of its
//! own, so that opening is really opening, a kill is really a kill, and memory is one step's alone.

use std::io::BufRead;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use dialbridge::domain::ids::{
    AccountSlug, CampaignIdentity, CampaignKey, CampaignNumber, NativeId, PublicPair, VdnId,
};
use dialbridge::idcache::{CacheOwner, IdCache};
use hdrhistogram::Histogram;
use uuid::Uuid;

use crate::gateway::resident_mb;
use crate::report::Report;

const PAIRS: i64 = 1_000_000;
const LOOKUPS: i64 = 200_000;
const CAPACITY_MB: u64 = 512;
const PAGE: i64 = 10_000;
const OWNER: CacheOwner = CacheOwner { ledger_id: Uuid::from_u128(1), epoch: 1 };

pub fn run(report: &mut Report) {
    let directory = tempfile::tempdir().unwrap();
    let ids = directory.path().join("ids");
    let filled = Figures::of(step("fill", &ids));
    println!("ids: filled {PAIRS} pairs, {:.0} pairs/s", filled.get("per_second"));

    let read = Figures::of(step("read", &ids));
    report.at_most("ids, memory layer: lookup p50", read.get("memory_p50_us"), 5.0, "us");
    report.at_most("ids, memory layer: lookup p99", read.get("memory_p99_us"), 30.0, "us");
    report.at_most("ids, sled layer, warm: lookup p50", read.get("sled_p50_us"), 5.0, "us");
    report.at_most("ids, sled layer, warm: lookup p99", read.get("sled_p99_us"), 30.0, "us");
    report.at_most("ids: open with a million pairs", read.get("open_s"), 3.0, "s");
    report.at_most(
        "ids: resident memory with a million pairs",
        read.get("resident_mb"),
        700.0,
        "MB",
    );

    let mut writing = step("write", &ids);
    wait_for_line(&mut writing, "writing");
    std::thread::sleep(Duration::from_millis(300));
    writing.kill().unwrap();
    writing.wait().unwrap();
    let after_kill = Figures::of(step("read", &ids));
    report.at_most("ids: open after kill -9", after_kill.get("open_s"), 3.0, "s");
    report.at_most("ids: pairs missing after kill -9", after_kill.get("missing"), 0.0, "");
}

/// Runs this bench's own binary as one step.
fn step(name: &str, ids: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["ids-step", name])
        .arg(ids)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a step printed: `name value`, a line each.
struct Figures(Vec<(String, f64)>);

impl Figures {
    fn of(mut step: Child) -> Self {
        let lines = std::io::BufReader::new(step.stdout.take().unwrap()).lines();
        let figures = lines
            .map_while(Result::ok)
            .filter_map(|line| {
                let (name, value) = line.split_once(' ')?;
                Some((name.to_owned(), value.parse().ok()?))
            })
            .collect();
        assert!(step.wait().unwrap().success(), "a step of the id bench failed");
        Self(figures)
    }

    fn get(&self, name: &str) -> f64 {
        let found = self.0.iter().find(|(figure, _)| figure == name);
        found.unwrap_or_else(|| panic!("the step did not print {name}")).1
    }
}

fn wait_for_line(child: &mut Child, expected: &str) {
    let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == expected), "no line {expected}");
}

/// The steps, when this process was started as one.
pub fn run_as_child(arguments: &[String]) -> Option<ExitCode> {
    let [mark, name, ids] = arguments else { return None };
    if mark != "ids-step" {
        return None;
    }
    let ids = Path::new(ids);
    match name.as_str() {
        "fill" => fill(ids),
        "read" => read(ids),
        "write" => write(ids),
        other => panic!("no step {other}"),
    }
    Some(ExitCode::SUCCESS)
}

fn fill(ids: &Path) {
    let cache = IdCache::open(ids, CAPACITY_MB, OWNER).unwrap();
    let begin = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let copied: Result<u64, std::convert::Infallible> =
        runtime.block_on(cache.refill(|after| async move {
            let end = (after + PAGE).min(PAIRS);
            Ok((after + 1..=end).map(|n| (n, identity(n))).collect())
        }));
    let copied = copied.unwrap();
    assert!(!cache.needs_refill(), "the cache was not filled");
    println!("per_second {}", copied as f64 / begin.elapsed().as_secs_f64());
}

fn read(ids: &Path) {
    let begin = Instant::now();
    let cache = IdCache::open(ids, CAPACITY_MB, OWNER).unwrap();
    println!("open_s {}", begin.elapsed().as_secs_f64());

    // Every pair once, both to warm sled up and to count what is missing.
    let missing =
        (1..=PAIRS).filter(|n| cache.read_sled(CampaignKey::Uuid(uuid(*n))).is_none()).count();
    println!("missing {missing}");

    let mut sled = Histogram::<u64>::new(3).unwrap();
    for n in scattered() {
        let key = if n % 2 == 0 { CampaignKey::Uuid(uuid(n)) } else { CampaignKey::Pair(pair(n)) };
        let begin = Instant::now();
        let found = cache.read_sled(key);
        sled.record(begin.elapsed().as_nanos() as u64).unwrap();
        assert!(found.is_some(), "pair {n} is missing");
    }
    print_quantiles("sled", &sled);

    let mut memory = Histogram::<u64>::new(3).unwrap();
    for n in scattered() {
        cache.insert(identity(n));
    }
    for n in scattered() {
        let begin = Instant::now();
        let found = cache.get(CampaignKey::Uuid(uuid(n)));
        memory.record(begin.elapsed().as_nanos() as u64).unwrap();
        std::hint::black_box(found);
    }
    print_quantiles("memory", &memory);
    println!("resident_mb {}", resident_mb(std::process::id()));
}

/// Writes until it is killed.
fn write(ids: &Path) {
    let cache = IdCache::open(ids, CAPACITY_MB, OWNER).unwrap();
    println!("writing");
    for n in PAIRS + 1.. {
        cache.insert(identity(n));
    }
}

fn print_quantiles(layer: &str, seen_ns: &Histogram<u64>) {
    println!("{layer}_p50_us {}", seen_ns.value_at_quantile(0.50) as f64 / 1_000.0);
    println!("{layer}_p99_us {}", seen_ns.value_at_quantile(0.99) as f64 / 1_000.0);
}

/// Pairs in an order without neighbours, the same in every run.
fn scattered() -> impl Iterator<Item = i64> {
    (0..LOOKUPS).map(|n| (n * 7_919_191) % PAIRS + 1)
}

fn identity(n: i64) -> CampaignIdentity {
    CampaignIdentity {
        uuid: uuid(n),
        pair: Some(pair(n)),
        home: AccountSlug::new("bench").unwrap(),
        home_epoch: 1,
        native: NativeId::new(format!("{}/{n}", pair(n).vdn)),
        list_at: jiff::Timestamp::from_microsecond(1_700_000_000_000_000 + n).unwrap(),
    }
}

fn uuid(n: i64) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &n.to_be_bytes())
}

fn pair(n: i64) -> PublicPair {
    PublicPair { vdn: VdnId::new(1 + n % 9999).unwrap(), number: CampaignNumber::new(n).unwrap() }
}
