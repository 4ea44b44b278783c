//! `make bench`: what the program costs, as ratios against a peer or a physical limit within one run.
//!
//! Absolute figures of a shared machine mean little, so every gate is a ratio of two things measured in
//! the same round, rounds are interleaved, and the median of at least three rounds is what counts.
//! `cargo bench --bench side_by_side -- hop` (or `status`, `ids`, `idle`, `accept`, `postgres`,
//! `deliver`, `bodies`, `session`) runs one part; `-- --rounds 5` more rounds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::missing_panics_doc,
    reason = "a bench fails by panicking, and measures with the real clock"
)]

mod bodies;
#[allow(dead_code, reason = "tests do more to a database than a bench does")]
#[path = "../../tests/it/ledger_story/cluster.rs"]
mod cluster;
mod gateway;
mod hop;
mod ids;
mod load;
mod nginx;
mod pin;
mod report;
mod results;
mod sink;
mod upstream;

use std::process::ExitCode;

use report::Report;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let Some(code) = ids::run_as_child(&arguments) {
        return code;
    }
    if let Some(code) = results::run_as_child(&arguments) {
        return code;
    }
    let rounds = arguments
        .iter()
        .position(|a| a == "--rounds")
        .and_then(|at| arguments.get(at + 1))
        .and_then(|n| n.parse().ok())
        .unwrap_or(3);
    let wanted = |part: &str| {
        let parts =
            ["hop", "status", "ids", "idle", "accept", "postgres", "deliver", "bodies", "session"];
        !arguments.iter().any(|a| parts.contains(&a.as_str()))
            || arguments.iter().any(|a| a == part)
    };

    let mut report = Report::default();
    let parts = hop::Parts { reads: wanted("hop"), writes: wanted("status") };
    if parts.reads || parts.writes || wanted("idle") {
        hop::run(rounds, parts, &mut report);
    }
    if wanted("ids") {
        ids::run(&mut report);
    }
    if wanted("accept") {
        results::accept(rounds, &mut report);
    }
    if wanted("postgres") {
        results::accept_on_postgres(rounds, &mut report);
    }
    if wanted("deliver") {
        results::deliver(&mut report);
    }
    if wanted("bodies") {
        bodies::run(&mut report);
    }
    if wanted("session") {
        results::one_session(rounds, &mut report);
    }
    report.print();
    if report.all_met() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
