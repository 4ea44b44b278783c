//! Which operation a method and a path name (the index of reference section 1).

use super::answer::Operation;

const ROOT: &str = "/rest/isales/";

/// An operation with the texts of its path, still unchecked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Route<'a> {
    pub operation: Operation,
    pub vdn: &'a str,
    /// None where the operation is about the whole VDN.
    pub campaign: Option<&'a str>,
    /// `dataId`, `callId`, `defId` or `holidayId`.
    pub item: &'a str,
}

pub(super) fn recognise<'a>(method: &str, path: &'a str) -> Option<Route<'a>> {
    let segments: Vec<&str> = path.strip_prefix(ROOT)?.split('/').collect();
    let [version, "openapi", "campaigns", vdn, rest @ ..] = segments.as_slice() else {
        return None;
    };
    let (operation, campaign, item) = match *version {
        "v1" => of_vdn(method, rest)
            .map(|(operation, item)| (operation, None, item))
            .or_else(|| of_campaign(method, rest))?,
        "v2" => of_v2(method, rest)?,
        _ => return None,
    };
    Some(Route { operation, vdn, campaign, item })
}

type Of<'a> = (Operation, Option<&'a str>, &'a str);

fn of_v2<'a>(method: &str, rest: &[&'a str]) -> Option<Of<'a>> {
    use Operation as O;
    Some(match (method, rest) {
        ("POST", []) => (O::CreateV2, None, ""),
        ("GET", ["statistics"]) => (O::Statistics, None, ""),
        ("PUT", [campaign]) => (O::ModifyV2, Some(campaign), ""),
        ("POST", ["calldata", campaign]) => (O::AddNumbersV2, Some(campaign), ""),
        _ => return None,
    })
}

/// Names that stand where other paths have a campaign id come first.
fn of_vdn<'a>(method: &str, rest: &[&'a str]) -> Option<(Operation, &'a str)> {
    use Operation as O;
    Some(match (method, rest) {
        ("POST", []) => (O::CreateV1, ""),
        ("GET", []) => (O::List, ""),
        ("GET", ["queryOBSResultCode"]) => (O::ListCodes, ""),
        ("POST", ["createObResult"]) => (O::CreateExternal, ""),
        ("GET", ["queryOBSResults"]) => (O::ListExternal, ""),
        ("GET", [definition, "queryObsResultDetail"]) => (O::ExternalDetail, definition),
        ("POST", ["addBusinessResult"]) => (O::AddBusiness, ""),
        ("GET", ["queryBusinessResults"]) => (O::ListBusiness, ""),
        ("POST", ["callBusiResult", data]) => (O::WriteBack, data),
        ("GET", ["callresultdetail", call]) => (O::ResultDetail, call),
        ("POST", ["blocklist", "add"]) => (O::BlockAdd, ""),
        ("POST", ["blocklist", "delete"]) => (O::BlockRemove, ""),
        ("POST", ["blocklist", "query"]) => (O::BlockQuery, ""),
        ("DELETE", ["blocklist"]) => (O::BlockEmpty, ""),
        _ => return None,
    })
}

fn of_campaign<'a>(method: &str, rest: &[&'a str]) -> Option<Of<'a>> {
    use Operation as O;
    let (operation, campaign, item) = match (method, rest) {
        ("PUT", [campaign]) => (O::ModifyV1, campaign, ""),
        ("DELETE", [campaign]) => (O::Delete, campaign, ""),
        ("GET", [campaign]) => (O::Detail, campaign, ""),
        ("PUT", [campaign, "pause"]) => (O::Pause, campaign, ""),
        ("PUT", [campaign, "resume"]) => (O::Resume, campaign, ""),
        ("POST", ["retryPolicy", campaign]) => (O::SetRetryPolicy, campaign, ""),
        ("GET", ["retryPolicy", campaign]) => (O::QueryRetryPolicy, campaign, ""),
        ("POST", ["callerNo", campaign]) => (O::AddCallers, campaign, ""),
        ("DELETE", ["callerNo", campaign]) => (O::DeleteCallers, campaign, ""),
        ("POST", ["calldata", campaign]) => (O::AddNumbersV1, campaign, ""),
        ("POST", ["calldata", campaign, "delete"]) => (O::DeleteNumbers, campaign, ""),
        ("GET", ["calldata", campaign, data]) => (O::QueryRecord, campaign, *data),
        ("POST", ["callresult", campaign]) => (O::Results, campaign, ""),
        ("GET", ["holiday", campaign]) => (O::ListDates, campaign, ""),
        ("POST", ["holiday", campaign]) => (O::AddDate, campaign, ""),
        ("PUT", ["holiday", campaign]) => (O::ModifyDate, campaign, ""),
        ("DELETE", ["holiday", campaign]) => (O::DeleteDates, campaign, ""),
        ("DELETE", ["holiday", campaign, date]) => (O::DeleteDate, campaign, *date),
        ("POST", ["callbatch", campaign, "create"]) => (O::CreateBatch, campaign, ""),
        ("POST", ["callbatch", campaign, "pause"]) => (O::PauseBatch, campaign, ""),
        ("POST", ["callbatch", campaign, "resume"]) => (O::ResumeBatch, campaign, ""),
        ("GET", ["callbatch", campaign, "list"]) => (O::ListBatches, campaign, ""),
        _ => return None,
    };
    Some((operation, Some(campaign), item))
}
