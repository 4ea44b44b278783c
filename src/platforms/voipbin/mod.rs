//! VoIPBin: campaigns are UUIDs, made of a campaign, an outplan, an outdial and its targets.

pub mod auth;
pub mod callback;
pub mod client;
pub mod convert;
pub mod wire;
