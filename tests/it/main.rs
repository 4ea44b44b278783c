//! The one integration binary: a file per subject, one helper (`support`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and read time and spawn as any program may"
)]

mod adapter_bytes;
mod adoption;
mod api;
mod bad_input;
mod capabilities;
mod commands;
mod config;
mod conformance;
mod demo;
mod differential;
mod entrance;
mod erasure;
mod facades;
mod freshness;
mod fuzzed;
mod idcache;
mod inbox;
mod kills;
mod large_pushes;
mod ledger_story;
mod listeners;
mod odd_pushes;
mod on_postgres;
mod outage;
mod outbox;
mod paging;
mod platform_resume;
mod platform_story;
mod reconcile;
mod scripted;
mod signing;
mod simulator_isales;
mod simulator_voipbin;
mod structure;
mod support;
mod traces;
mod translation;
mod transport;
mod walk;
