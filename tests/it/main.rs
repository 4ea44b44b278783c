//! The one integration binary: a file per subject, one helper (`support`).

mod config;
mod demo;
mod facades;
mod idcache;
mod ledger_story;
mod platform_story;
mod signing;
mod simulator_isales;
mod simulator_voipbin;
mod structure;
mod support;
mod translation;
mod transport;
