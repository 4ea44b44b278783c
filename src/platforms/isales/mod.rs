//! Huawei CC-iSales: a campaign is `vdnId` + `campaignId`; every request is signed (C2).

mod answer;
pub mod auth;
pub mod callback;
pub mod client;
pub mod convert;
pub mod creation;
pub mod names;
mod passthrough;
mod refusal;
mod requests;
pub mod wire;

use super::{Operation, Support};

/// CC-iSales dials between begin and end and within the schedule (reference 3.14).
pub const KEEPS_WINDOWS: bool = true;

/// How CC-iSales supports an operation (reference 3–5).
pub fn support(operation: Operation) -> Support {
    use Operation as O;
    use Support::{Composed, Native, Unsupported};
    match operation {
        O::CampaignList => Composed("one list per VDN of the account"),
        O::CampaignModify => Composed("read, merge, write: every PUT replaces all its members"),
        O::ContactAdd => Composed("20 contacts per request, one request per second and campaign"),
        O::ContactList => Unsupported(
            "the platform lists no contacts; a single record is read by the dataId that adding it \
             gave",
        ),
        O::CampaignChain => Unsupported("CC-iSales campaigns do not follow one another"),
        O::PartList | O::PartDetail | O::PartCreate | O::PartModify | O::PartDelete => {
            Unsupported("a CC-iSales campaign is one document without parts of their own")
        }
        O::AgentGroupList => Unsupported("CC-iSales offers no list of skill queues"),
        O::ResultDelete => Unsupported("CC-iSales deletes no results"),
        O::AccountDetail | O::AccountModify => Unsupported("CC-iSales shows no account"),
        O::PassThrough => Unsupported("every documented path of CC-iSales is served by itself"),
        O::CampaignDetail
        | O::CampaignCreate
        | O::CampaignStart
        | O::CampaignStop
        | O::CampaignDelete
        | O::RetryPolicyQuery
        | O::RetryPolicyModify
        | O::CallerNumberModify
        | O::ContactDetail
        | O::ContactDelete
        | O::ResultQuery
        | O::ResultDetail
        | O::Statistics
        | O::ResultCodeQuery
        | O::ResultCodeModify
        | O::DoNotCallQuery
        | O::DoNotCallModify
        | O::SpecialDateQuery
        | O::SpecialDateModify
        | O::BusinessResult
        | O::ContactBatch => Native,
    }
}
