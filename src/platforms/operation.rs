//! What can be asked of a platform: the vocabulary of capabilities, of routing and of errors.

/// What can be asked of a platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    CampaignList,
    CampaignDetail,
    CampaignCreate,
    CampaignModify,
    CampaignStart,
    CampaignStop,
    CampaignDelete,
    /// Campaigns that follow one another.
    CampaignChain,
    /// Objects that a campaign is made of: dialling rules, contact lists.
    PartList,
    PartDetail,
    PartCreate,
    PartModify,
    PartDelete,
    AgentGroupList,
    RetryPolicyQuery,
    RetryPolicyModify,
    CallerNumberModify,
    ContactAdd,
    ContactList,
    ContactDetail,
    ContactDelete,
    ResultQuery,
    ResultDetail,
    ResultDelete,
    Statistics,
    ResultCodeQuery,
    ResultCodeModify,
    DoNotCallQuery,
    DoNotCallModify,
    SpecialDateQuery,
    SpecialDateModify,
    /// What agents note about a call, and its definitions.
    BusinessResult,
    /// Contacts in batches that are started and paused by themselves.
    ContactBatch,
    /// The account that calls: who it is and how it is set up.
    AccountDetail,
    AccountModify,
    /// Whatever else the home offers, in its own words.
    PassThrough,
}

/// How a platform supports an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// One operation of the platform's own.
    Native,
    /// Composed of several of its operations; the text says how.
    Composed(&'static str),
    /// Not at all; the text says why.
    Unsupported(&'static str),
}

/// Each operation with its name in tables, logs and answers, and whether it changes something.
const ABOUT: [(Operation, &str, bool); 36] = [
    (Operation::CampaignList, "campaign-list", false),
    (Operation::CampaignDetail, "campaign-detail", false),
    (Operation::CampaignCreate, "campaign-create", true),
    (Operation::CampaignModify, "campaign-modify", true),
    (Operation::CampaignStart, "campaign-start", true),
    (Operation::CampaignStop, "campaign-stop", true),
    (Operation::CampaignDelete, "campaign-delete", true),
    (Operation::CampaignChain, "campaign-chain", true),
    (Operation::PartList, "part-list", false),
    (Operation::PartDetail, "part-detail", false),
    (Operation::PartCreate, "part-create", true),
    (Operation::PartModify, "part-modify", true),
    (Operation::PartDelete, "part-delete", true),
    (Operation::AgentGroupList, "agent-group-list", false),
    (Operation::RetryPolicyQuery, "retry-policy-query", false),
    (Operation::RetryPolicyModify, "retry-policy-modify", true),
    (Operation::CallerNumberModify, "caller-number-modify", true),
    (Operation::ContactAdd, "contact-add", true),
    (Operation::ContactList, "contact-list", false),
    (Operation::ContactDetail, "contact-detail", false),
    (Operation::ContactDelete, "contact-delete", true),
    (Operation::ResultQuery, "result-query", false),
    (Operation::ResultDetail, "result-detail", false),
    (Operation::ResultDelete, "result-delete", true),
    (Operation::Statistics, "statistics", false),
    (Operation::ResultCodeQuery, "result-code-query", false),
    (Operation::ResultCodeModify, "result-code-modify", true),
    (Operation::DoNotCallQuery, "do-not-call-query", false),
    (Operation::DoNotCallModify, "do-not-call-modify", true),
    (Operation::SpecialDateQuery, "special-date-query", false),
    (Operation::SpecialDateModify, "special-date-modify", true),
    (Operation::BusinessResult, "business-result", true),
    (Operation::ContactBatch, "contact-batch", true),
    (Operation::AccountDetail, "account-detail", false),
    (Operation::AccountModify, "account-modify", true),
    (Operation::PassThrough, "pass-through", true),
];

impl Operation {
    /// Every operation, in the order in which tables show them.
    pub fn all() -> impl Iterator<Item = Operation> {
        ABOUT.into_iter().map(|(operation, ..)| operation)
    }

    /// As written in tables, logs and answers.
    pub fn as_str(self) -> &'static str {
        ABOUT[self as usize].1
    }

    /// True when the operation changes something on the platform.
    pub fn is_write(self) -> bool {
        ABOUT[self as usize].2
    }
}

impl Support {
    pub fn is_supported(self) -> bool {
        !matches!(self, Support::Unsupported(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_stands_at_its_own_place() {
        for (place, operation) in Operation::all().enumerate() {
            assert_eq!(operation as usize, place, "{}", operation.as_str());
        }
    }
}
