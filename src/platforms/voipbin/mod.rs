//! VoIPBin: campaigns are UUIDs, made of a campaign, an outplan, an outdial and its targets.

mod answer;
pub mod auth;
pub mod callback;
pub mod client;
pub mod convert;
pub mod names;
mod refusal;
mod requests;
pub mod wire;

use super::{Operation, Support};

/// How VoIPBin supports an operation (reference 3–7).
pub fn support(operation: Operation) -> Support {
    match operation {
        Operation::CampaignDetail => Support::Composed("campaign, then its outplan"),
        Operation::CampaignCreate => {
            Support::Composed("outplan, campaign and outdial are created, then joined")
        }
        Operation::CampaignModify => {
            Support::Composed("read, merge, write: every PUT replaces all its members")
        }
        Operation::ContactAdd => Support::Composed("one outdial target per contact"),
        Operation::ContactList => Support::Composed("targets of the campaign's outdial"),
        Operation::CampaignList
        | Operation::CampaignStart
        | Operation::CampaignStop
        | Operation::CampaignDelete
        | Operation::ResultQuery => Support::Native,
    }
}
