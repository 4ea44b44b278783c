//! Huawei CC-iSales: a campaign is `vdnId` + `campaignId`; every request is signed (C2).

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

/// How CC-iSales supports an operation (reference 3–5).
pub fn support(operation: Operation) -> Support {
    match operation {
        Operation::CampaignList => Support::Composed("one list per VDN of the account"),
        Operation::CampaignModify => {
            Support::Composed("read, merge, write: every PUT replaces all its members")
        }
        Operation::ContactAdd => {
            Support::Composed("20 contacts per request, one request per second and campaign")
        }
        Operation::ContactList => Support::Unsupported(
            "the platform lists no contacts; a single record is read by the dataId that adding it \
             gave",
        ),
        Operation::CampaignDetail
        | Operation::CampaignCreate
        | Operation::CampaignStart
        | Operation::CampaignStop
        | Operation::CampaignDelete
        | Operation::ResultQuery => Support::Native,
    }
}
