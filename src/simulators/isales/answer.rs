//! What is answered: the envelope with both pairs, and the codes that each operation documents.
//!
//! Codes are reused with different meanings (reference 12.2), so a refusal is always read together
//! with the operation that gave it. An operation never answers a code that its page does not list:
//! such a refusal becomes the generic `0200001` with the reason in the description.

use serde_json::{Map, Value};

use super::Switches;

pub(super) const SUCCESS: &str = "0200000";
pub(super) const GENERIC: &str = "0200001";
pub(super) const BEGINS_BEFORE_TODAY: &str = "0200002";
pub(super) const TOO_MANY_SKILL_CAMPAIGNS: &str = "0200003";
pub(super) const TOO_MANY_IVR_CAMPAIGNS: &str = "0200004";
pub(super) const DUPLICATE_NAME: &str = "0200005";
pub(super) const DATABASE: &str = "0200006";
pub(super) const NO_CAMPAIGN: &str = "0200007";
pub(super) const DATES_TOGETHER: &str = "0200008";
pub(super) const BAD_RESULT_DATE: &str = "0200009";
pub(super) const STILL_RUNNING: &str = "0200009";
pub(super) const DATES_REVERSED: &str = "0200010";
pub(super) const SPAN_TOO_LONG: &str = "0200011";
pub(super) const STATE_FORBIDS: &str = "0200011";
pub(super) const NO_SPECIAL_DATE: &str = "0200014";
pub(super) const CAMPAIGN_ENDED: &str = "0200016";
pub(super) const NO_SKILL_QUEUE: &str = "0200017";
pub(super) const DUPLICATE_NUMBER: &str = "0200018";
pub(super) const STATE_FORBIDS_ADDING: &str = "0200019";
pub(super) const TOO_MANY_RECORDS: &str = "0200020";
pub(super) const TOO_FAST: &str = "0200022";
pub(super) const BLACKLISTED: &str = "0200024";
pub(super) const TOO_MANY_IN_REQUEST: &str = "0200029";
pub(super) const BAD_TIME: &str = "0200030";
pub(super) const NO_RECORD: &str = "0200033";
pub(super) const FOREIGN_SUB_STATUS: &str = "0200034";
pub(super) const WRITE_BACK_FAILED: &str = "0200999";
pub(super) const RETRY_POLICY_NO_CAMPAIGN: &str = "0200-01";
pub(super) const EMPTY: &str = "02000001";
pub(super) const ILLEGAL_CHARACTERS: &str = "02000002";
pub(super) const TOO_LONG: &str = "02000003";
pub(super) const TOO_SHORT: &str = "02000004";
pub(super) const LENGTH_OUT_OF_RANGE: &str = "02000005";
pub(super) const WRONG_TYPE: &str = "02000006";
pub(super) const WRONG_VALUE: &str = "02000007";
pub(super) const CONVERSION: &str = "02000008";
pub(super) const COMBINATION: &str = "02000009";
pub(super) const HOUR_AND_MINUTE: &str = "02000010";
pub(super) const TOO_MANY: &str = "02000011";
pub(super) const BLACKLIST_GROUP_INVALID: &str = "02000013";
pub(super) const BLACKLIST_TYPE_INVALID: &str = "02000015";
pub(super) const DUPLICATE_BATCH: &str = "03000001";
pub(super) const BATCH_NOT_ALLOWED: &str = "03000002";
pub(super) const TOO_MANY_BATCHES: &str = "03000003";
pub(super) const NO_BATCH: &str = "03000004";
pub(super) const BATCH_PAUSED: &str = "03000006";

/// The parameter codes that nearly every page lists, 02000001 to 02000011.
const PARAMETERS: &[&str] = &[
    EMPTY,
    ILLEGAL_CHARACTERS,
    TOO_LONG,
    TOO_SHORT,
    LENGTH_OUT_OF_RANGE,
    WRONG_TYPE,
    WRONG_VALUE,
    CONVERSION,
    COMBINATION,
    HOUR_AND_MINUTE,
    TOO_MANY,
];

/// Every operation of the index in section 1 that is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    CreateV1,
    CreateV2,
    ModifyV1,
    ModifyV2,
    Delete,
    Detail,
    List,
    Pause,
    Resume,
    SetRetryPolicy,
    QueryRetryPolicy,
    AddCallers,
    DeleteCallers,
    AddNumbersV1,
    AddNumbersV2,
    DeleteNumbers,
    QueryRecord,
    Statistics,
    Results,
    ResultDetail,
    ListCodes,
    CreateExternal,
    ListExternal,
    ExternalDetail,
    AddBusiness,
    ListBusiness,
    WriteBack,
    BlockAdd,
    BlockRemove,
    BlockEmpty,
    BlockQuery,
    ListDates,
    AddDate,
    ModifyDate,
    DeleteDate,
    DeleteDates,
    CreateBatch,
    PauseBatch,
    ResumeBatch,
    ListBatches,
}

/// A business error: HTTP 200 with a code other than success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub code: &'static str,
    /// Names the offending member first; never holds a phone number.
    pub desc: String,
}

/// A success: its description and the members beside the envelope.
#[derive(Debug, Default)]
pub(super) struct Answer {
    desc: &'static str,
    members: Map<String, Value>,
}

pub(super) type Outcome = Result<Answer, Refusal>;

impl Operation {
    pub(super) fn is_write(self) -> bool {
        use Operation as O;
        !matches!(
            self,
            O::Detail
                | O::List
                | O::QueryRetryPolicy
                | O::QueryRecord
                | O::Statistics
                | O::Results
                | O::ResultDetail
                | O::ListCodes
                | O::ListExternal
                | O::ExternalDetail
                | O::ListBusiness
                | O::BlockQuery
                | O::ListDates
                | O::ListBatches
        )
    }

    /// The codes that this operation's page lists, except the generic one, which all list.
    /// Pages whose list was not seen (7.2, 9.1, 4.3 …) get what the reference assumes for them.
    fn documents(self, code: &str) -> bool {
        use Operation as O;
        let own: &[&str] = match self {
            O::CreateV1 | O::CreateV2 => &[
                BEGINS_BEFORE_TODAY,
                TOO_MANY_SKILL_CAMPAIGNS,
                TOO_MANY_IVR_CAMPAIGNS,
                DUPLICATE_NAME,
                NO_SKILL_QUEUE,
            ],
            O::ModifyV1 | O::ModifyV2 => {
                &[BEGINS_BEFORE_TODAY, DUPLICATE_NAME, NO_CAMPAIGN, CAMPAIGN_ENDED, NO_SKILL_QUEUE]
            }
            O::Delete => &[DATABASE, NO_CAMPAIGN, STILL_RUNNING],
            O::Detail | O::DeleteNumbers => &[DATABASE, NO_CAMPAIGN],
            O::Pause | O::Resume => &[DATABASE, NO_CAMPAIGN, STATE_FORBIDS],
            O::List | O::AddBusiness | O::BlockEmpty => &[DATABASE],
            O::SetRetryPolicy | O::QueryRetryPolicy => &[RETRY_POLICY_NO_CAMPAIGN],
            O::AddCallers | O::DeleteCallers | O::QueryRecord => &[NO_CAMPAIGN],
            O::AddNumbersV1 | O::AddNumbersV2 => &[
                DATABASE,
                NO_CAMPAIGN,
                DUPLICATE_NUMBER,
                STATE_FORBIDS_ADDING,
                TOO_MANY_RECORDS,
                TOO_FAST,
                BLACKLISTED,
                TOO_MANY_IN_REQUEST,
                BAD_TIME,
            ],
            O::Results => {
                &[NO_CAMPAIGN, DATES_TOGETHER, BAD_RESULT_DATE, DATES_REVERSED, SPAN_TOO_LONG]
            }
            O::WriteBack => &[NO_RECORD, FOREIGN_SUB_STATUS, WRITE_BACK_FAILED],
            O::BlockAdd | O::BlockRemove => {
                &[DATABASE, BLACKLIST_GROUP_INVALID, BLACKLIST_TYPE_INVALID]
            }
            O::ListDates | O::AddDate | O::ModifyDate | O::DeleteDate | O::DeleteDates => {
                &[NO_CAMPAIGN, NO_SPECIAL_DATE]
            }
            O::CreateBatch | O::PauseBatch | O::ResumeBatch | O::ListBatches => &[
                DATABASE,
                NO_CAMPAIGN,
                DUPLICATE_BATCH,
                BATCH_NOT_ALLOWED,
                TOO_MANY_BATCHES,
                NO_BATCH,
                BATCH_PAUSED,
            ],
            O::Statistics
            | O::ResultDetail
            | O::ListCodes
            | O::CreateExternal
            | O::ListExternal
            | O::ExternalDetail
            | O::ListBusiness
            | O::BlockQuery => &[],
        };
        code == GENERIC || own.contains(&code) || self.parameter_codes().contains(&code)
    }

    /// The codes about parameters that this operation's page lists.
    fn parameter_codes(self) -> &'static [&'static str] {
        use Operation as O;
        match self {
            O::CreateV1 => {
                &[EMPTY, ILLEGAL_CHARACTERS, TOO_LONG, WRONG_TYPE, WRONG_VALUE, COMBINATION]
            }
            O::CreateBatch | O::PauseBatch | O::ResumeBatch | O::ListBatches => {
                &[EMPTY, ILLEGAL_CHARACTERS, TOO_LONG]
            }
            // Page 4013 lists three codes, all captioned "parameter error".
            O::ListBusiness => &[],
            _ => PARAMETERS,
        }
    }

    /// Whether a failure of the server's own database has a code here.
    pub(super) fn database_error(self) -> Refusal {
        Refusal::new(DATABASE, "database operation error").on(self)
    }

    /// The three samples that leave envelope members out (section 1, "missing envelope fields").
    fn sample_pairs(self) -> (bool, bool) {
        match self {
            Operation::Statistics => (false, false),
            Operation::WriteBack | Operation::DeleteDate | Operation::DeleteDates => (true, false),
            _ => (true, true),
        }
    }
}

impl Refusal {
    pub(super) fn new(code: &'static str, desc: impl Into<String>) -> Self {
        Self { code, desc: desc.into() }
    }

    /// The same refusal in the codes that `operation` documents.
    pub(super) fn on(mut self, operation: Operation) -> Self {
        if !operation.documents(self.code) {
            self.code = GENERIC;
        }
        self
    }

    pub(super) fn body(&self) -> Value {
        Value::Object(envelope(self.code, &self.desc, (true, true)))
    }
}

impl Answer {
    pub(super) fn new(desc: &'static str) -> Self {
        Self { desc, members: Map::new() }
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn body(self, operation: Operation, switches: &Switches) -> Value {
        let pairs = if switches.sample_envelopes { operation.sample_pairs() } else { (true, true) };
        let mut body = envelope(SUCCESS, self.desc, pairs);
        body.extend(self.members);
        Value::Object(body)
    }
}

fn envelope(code: &str, desc: &str, (result, returned): (bool, bool)) -> Map<String, Value> {
    let mut body = Map::new();
    for (wanted, names) in
        [(result, ["resultCode", "resultDesc"]), (returned, ["returnCode", "returnDesc"])]
    {
        if wanted {
            body.insert(names[0].to_owned(), code.into());
            body.insert(names[1].to_owned(), desc.into());
        }
    }
    body
}
