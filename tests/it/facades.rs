//! Both facades over both homes, against the simulators: every operation of the first half.

mod account;
mod callbacks;
mod campaigns;
mod chaining;
mod contacts_and_results;
pub mod isales_life;
mod isales_rules;
mod leases;
mod left_out;
pub mod limits;
pub mod login;
mod passthrough;
mod places;
mod refusals;
mod releases;
mod repeated;
mod results;
mod shared_rules;
mod sharing;
mod steering;
mod troubles;
pub mod voipbin_draft;
mod voipbin_life;
mod widening;
mod withdrawals;
