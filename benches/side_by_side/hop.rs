//! The translated hop against `nginx proxy_pass` of the same upstream: details, and starts and stops.

use std::net::SocketAddr;
use std::time::Duration;

use crate::gateway::Gateway;
use crate::load::{Measured, get, paced, put, saturate};
use crate::nginx::Nginx;
use crate::pin;
use crate::report::{Report, median};
use crate::upstream;

const SATURATED: Duration = Duration::from_secs(3);
const PACED: Duration = Duration::from_secs(4);
const CALLERS: usize = 64;
const CALLERS_WHO_WRITE: usize = 128;

/// What is measured beside the idle gateway's memory.
#[derive(Clone, Copy)]
pub struct Parts {
    pub reads: bool,
    pub writes: bool,
}

pub fn run(rounds: usize, parts: Parts, report: &mut Report) {
    // As in the reference measurement: the proxy under test has one core, load and upstream the other.
    pin::this_process_on_load_core();
    let upstream = upstream::start();
    let gateway = Gateway::start(upstream);
    let paths = gateway.campaign_paths("");
    report.at_most("idle gateway, resident memory", gateway.resident_mb(), 64.0, "MB");
    if !parts.reads && !parts.writes {
        return;
    }
    let nginx = Nginx::start(upstream);

    if parts.reads {
        let translated: Vec<Vec<u8>> = paths.iter().map(|path| get(path)).collect();
        let proxied: Vec<Vec<u8>> = upstream::detail_paths().iter().map(|path| get(path)).collect();
        saturation(rounds, &gateway, &nginx, &translated, &proxied, report);
        added_latency(rounds, upstream, &gateway, &nginx, (&translated, &proxied), report);
    }
    if parts.writes {
        let on_one_core = status_changes(rounds, (&gateway, &nginx), CALLERS);
        drop(nginx);
        // A start or stop waits twice for the disk and works on the store's own threads, too: what it
        // costs is seen on all cores, with as many callers as keep them busy.
        pin::this_process_on_all_cores();
        let (gateway, nginx) =
            (Gateway::start_for_results(upstream), Nginx::start_on_all_cores(upstream));
        let on_all = status_changes(rounds, (&gateway, &nginx), CALLERS);
        let ratio = status_changes(rounds, (&gateway, &nginx), CALLERS_WHO_WRITE);
        println!("starts and stops over nginx, {CALLERS} callers, one core: {on_one_core:.2}");
        println!("starts and stops over nginx, {CALLERS} callers, all cores: {on_all:.2}");
        report.at_least(
            "start and stop, durable twice, all cores, 128 callers: over nginx",
            ratio,
            0.35,
            None,
        );
    }
    report.at_most("gateway after load, resident memory", gateway.resident_mb(), 128.0, "MB");
}

fn saturation(
    rounds: usize,
    gateway: &Gateway,
    nginx: &Nginx,
    translated: &[Vec<u8>],
    proxied: &[Vec<u8>],
    report: &mut Report,
) {
    // One round warms everything up and is not counted.
    let (mut distinct, mut hot) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let peer = saturate(nginx.address, proxied, CALLERS, SATURATED);
        let ours = saturate(gateway.address, translated, CALLERS, SATURATED);
        let one = saturate(gateway.address, &translated[..1], CALLERS, SATURATED);
        print_round(round, &[("nginx", &peer), ("translated", &ours), ("hot campaign", &one)]);
        if round > 0 {
            distinct.push(ours.requests_per_second / peer.requests_per_second);
            hot.push(one.requests_per_second / peer.requests_per_second);
        }
    }
    report.at_least(
        "translated detail, distinct campaigns: req/s over nginx",
        median(distinct),
        0.40,
        Some(0.55),
    );
    report.at_least(
        "translated detail, one hot campaign, 64 callers: req/s over nginx",
        median(hot),
        1.0,
        None,
    );
}

/// Every campaign is resumed, then every one paused, and so on: each request changes something.
fn status_changes(rounds: usize, (gateway, nginx): (&Gateway, &Nginx), callers: usize) -> f64 {
    let paths = gateway.campaign_paths("/status");
    let translated: Vec<Vec<u8>> = ["run", "stop"]
        .iter()
        .flat_map(|status| {
            let body = format!(r#"{{"status":"{status}"}}"#);
            paths.iter().map(move |path| put(path, &body))
        })
        .collect();
    let proxied = [true, false].into_iter().flat_map(upstream::status_paths);
    let proxied: Vec<Vec<u8>> = proxied.map(|path| put(&path, "")).collect();
    let mut ratios = Vec::new();
    for round in 0..=rounds {
        let peer = saturate(nginx.address, &proxied, callers, SATURATED);
        let ours = saturate(gateway.address, &translated, callers, SATURATED);
        print_round(round, &[("nginx PUT", &peer), ("PUT status", &ours)]);
        if round > 0 {
            ratios.push(ours.requests_per_second / peer.requests_per_second);
        }
    }
    median(ratios)
}

fn added_latency(
    rounds: usize,
    upstream: SocketAddr,
    gateway: &Gateway,
    nginx: &Nginx,
    (translated, proxied): (&[Vec<u8>], &[Vec<u8>]),
    report: &mut Report,
) {
    let mut ratios = Vec::new();
    for round in 0..=rounds {
        let direct = paced(upstream, proxied, 8, PACED, 2000);
        let peer = paced(nginx.address, proxied, 8, PACED, 2000);
        let ours = paced(gateway.address, translated, 8, PACED, 2000);
        print_round(round, &[("direct", &direct), ("nginx", &peer), ("translated", &ours)]);
        if round > 0 {
            ratios.push((ours.p50_us - direct.p50_us) / (peer.p50_us - direct.p50_us).max(1.0));
        }
    }
    report.at_most("added p50 at 2,000 req/s over nginx's added p50", median(ratios), 1.5, "x");
}

fn print_round(round: usize, measured: &[(&str, &Measured)]) {
    let warm = if round == 0 { " (warm-up)" } else { "" };
    for (name, m) in measured {
        println!(
            "round {round}{warm}: {name:<14} {:>8.0} req/s  p50 {:>6.0} us  p99 {:>6.0} us",
            m.requests_per_second, m.p50_us, m.p99_us
        );
    }
}
