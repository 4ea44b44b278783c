//! VoIPBin: campaigns are UUIDs, made of a campaign, an outplan, an outdial and its targets.

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

/// VoIPBin knows no calling windows (reference 9.2): a campaign that runs, dials.
pub const KEEPS_WINDOWS: bool = false;

/// How VoIPBin supports an operation (reference 3–7).
pub fn support(operation: Operation) -> Support {
    use Operation as O;
    use Support::{Composed, Native, Unsupported};
    match operation {
        O::CampaignDetail => Composed("campaign, then its outplan"),
        O::CampaignCreate => Composed("outplan, campaign and outdial are created, then joined"),
        O::CampaignModify | O::AccountModify => {
            Composed("read, merge, write: every PUT replaces all its members")
        }
        O::RetryPolicyQuery => Composed("read from the campaign's outplan"),
        O::RetryPolicyModify => {
            Composed("written to the outplan, also for the other campaigns that use it")
        }
        O::CallerNumberModify => Composed(
            "the outplan's source is the most preferred number; the others are kept beside",
        ),
        O::ContactAdd => Composed("one outdial target per contact"),
        O::ContactList => Composed("targets of the campaign's outdial"),
        O::ResultDetail => Composed("campaigncall, then its call"),
        O::CampaignList
        | O::CampaignStart
        | O::CampaignStop
        | O::CampaignDelete
        | O::CampaignChain
        | O::PartList
        | O::PartDetail
        | O::PartCreate
        | O::PartModify
        | O::PartDelete
        | O::AgentGroupList
        | O::ContactDetail
        | O::ContactDelete
        | O::ResultQuery
        | O::ResultDelete
        | O::AccountDetail
        | O::PassThrough => Native,
        O::Statistics => Unsupported("VoIPBin counts nothing"),
        O::ResultCodeQuery | O::ResultCodeModify => {
            Unsupported("VoIPBin knows no external result codes; those of the tables are shown")
        }
        O::DoNotCallQuery | O::DoNotCallModify => {
            Unsupported("VoIPBin has no do-not-call list, and nobody would enforce one yet")
        }
        O::SpecialDateQuery | O::SpecialDateModify => {
            Unsupported("VoIPBin knows no special dates, and nobody would enforce them yet")
        }
        O::BusinessResult => Unsupported("VoIPBin keeps no business results"),
        O::ContactBatch => Unsupported("VoIPBin knows no batches"),
    }
}
