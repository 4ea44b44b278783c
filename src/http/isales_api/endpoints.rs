//! The endpoints of this facade (reference 3 to 5, 7 to 11).

use crate::http::endpoints::Endpoint;
use crate::platforms::Operation as O;

/// Paths of the first and the second version begin with the same.
macro_rules! path {
    ($version:literal, $rest:literal) => {
        concat!("/rest/isales/", $version, "/openapi/campaigns/{vdn}", $rest)
    };
}

pub const ENDPOINTS: &[Endpoint] = &[
    Endpoint::new("POST", path!("v1", ""), O::CampaignCreate),
    Endpoint::new("POST", path!("v2", ""), O::CampaignCreate),
    Endpoint::new("PUT", path!("v1", "/{campaign}"), O::CampaignModify),
    Endpoint::new("PUT", path!("v2", "/{campaign}"), O::CampaignModify),
    Endpoint::new("DELETE", path!("v1", "/{campaign}"), O::CampaignDelete),
    Endpoint::new("GET", path!("v1", "/{campaign}"), O::CampaignDetail),
    Endpoint::new("GET", path!("v1", ""), O::CampaignList),
    Endpoint::new("PUT", path!("v1", "/{campaign}/pause"), O::CampaignStop),
    Endpoint::new("PUT", path!("v1", "/{campaign}/resume"), O::CampaignStart),
    Endpoint::new("POST", path!("v1", "/retryPolicy/{campaign}"), O::RetryPolicyModify),
    Endpoint::new("GET", path!("v1", "/retryPolicy/{campaign}"), O::RetryPolicyQuery),
    Endpoint::new("POST", path!("v1", "/callerNo/{campaign}"), O::CallerNumberModify),
    Endpoint::new("DELETE", path!("v1", "/callerNo/{campaign}"), O::CallerNumberModify),
    Endpoint::new("POST", path!("v1", "/calldata/{campaign}"), O::ContactAdd),
    Endpoint::new("POST", path!("v2", "/calldata/{campaign}"), O::ContactAdd),
    Endpoint::new("POST", path!("v1", "/calldata/{campaign}/delete"), O::ContactDelete),
    Endpoint::new("GET", path!("v1", "/calldata/{campaign}/{data}"), O::ContactDetail),
    Endpoint::new("GET", path!("v2", "/statistics"), O::Statistics),
    Endpoint::new("POST", path!("v1", "/callresult/{campaign}"), O::ResultQuery),
    Endpoint::new("GET", path!("v1", "/callresultdetail/{call}"), O::ResultDetail),
    Endpoint::new("GET", path!("v1", "/queryOBSResultCode"), O::ResultCodeQuery),
    Endpoint::new("POST", path!("v1", "/createObResult"), O::ResultCodeModify),
    Endpoint::new("GET", path!("v1", "/queryOBSResults"), O::ResultCodeQuery),
    Endpoint::new("GET", path!("v1", "/{def}/queryObsResultDetail"), O::ResultCodeQuery),
    Endpoint::new("POST", path!("v1", "/addBusinessResult"), O::BusinessResult),
    Endpoint::new("GET", path!("v1", "/queryBusinessResults"), O::BusinessResult),
    Endpoint::new("POST", path!("v1", "/callBusiResult/{data}"), O::BusinessResult),
    Endpoint::new("POST", path!("v1", "/blocklist/add"), O::DoNotCallModify),
    Endpoint::new("POST", path!("v1", "/blocklist/delete"), O::DoNotCallModify),
    Endpoint::new("DELETE", path!("v1", "/blocklist"), O::DoNotCallModify),
    Endpoint::new("POST", path!("v1", "/blocklist/query"), O::DoNotCallQuery),
    Endpoint::new("GET", path!("v1", "/holiday/{campaign}"), O::SpecialDateQuery),
    Endpoint::new("POST", path!("v1", "/holiday/{campaign}"), O::SpecialDateModify),
    Endpoint::new("PUT", path!("v1", "/holiday/{campaign}"), O::SpecialDateModify),
    Endpoint::new("DELETE", path!("v1", "/holiday/{campaign}"), O::SpecialDateModify),
    Endpoint::new("DELETE", path!("v1", "/holiday/{campaign}/{date}"), O::SpecialDateModify),
    Endpoint::new("POST", path!("v1", "/callbatch/{campaign}/create"), O::ContactBatch),
    Endpoint::new("POST", path!("v1", "/callbatch/{campaign}/pause"), O::ContactBatch),
    Endpoint::new("POST", path!("v1", "/callbatch/{campaign}/resume"), O::ContactBatch),
    Endpoint::new("GET", path!("v1", "/callbatch/{campaign}/list"), O::ContactBatch),
];
