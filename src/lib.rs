//! Dialbridge stands between two outbound-calling platforms, VoIPBin and Huawei CC-iSales, so that
//! one client program sees every campaign wherever it runs. ARCHITECTURE.md is the map.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod decoding;
pub mod domain;
pub mod forwarding;
pub mod gateway;
pub mod http;
pub mod idcache;
pub mod ledger;
pub mod mapping;
pub mod platforms;
pub mod signing;
pub mod simulators;
pub mod telemetry;
pub mod transport;
