//! What the policies of a campaign must be (reference 3.5, 3.9): which members must be there, which belong
//! together, and whether their lists can be understood. Half a policy is refused: what is left out of it
//! would be read as no limit somewhere.

use serde_json::Value;

use crate::http::isales_api::definition::broken;
use crate::http::isales_api::error::{BrokenRule, COMBINATION};
use crate::http::isales_api::fields::Fields;
use crate::platforms::isales::convert::rules::{self, BY_NUMBER_TYPE, Misread};
use crate::platforms::isales::wire;

const POSITIVE: (i64, i64) = (1, i32::MAX as i64);

/// `callPolicy`: rounds need to say whose.
///
/// # Errors
/// The first broken rule.
pub fn check_calls(fields: &Fields) -> Result<(), BrokenRule> {
    let Some(policy) = fields.object("callPolicy")? else { return Ok(()) };
    let by_round = policy.within("callType", (0, 1))? == Some(1);
    let choose = policy.within("chooseType", (0, 1))?;
    for (name, is_there) in [("chooseType", choose.is_some()), ("turns", policy.has("turns"))] {
        if by_round && !is_there {
            return Err(policy.broken(COMBINATION, name, "callType 1 needs it"));
        }
    }
    if let Some(turns) = policy.get("turns") {
        rules::check_turns(turns).map_err(|flaw| broken(&policy.path_of("turns"), flaw))?;
    }
    Ok(())
}

/// A retry policy: `retryPolicy` of the second version, or the body that sets one.
///
/// # Errors
/// The first broken rule.
pub fn check_retry(policy: &Fields) -> Result<(), BrokenRule> {
    let by_type = policy.one_of("policyType", &[0, BY_NUMBER_TYPE])? == BY_NUMBER_TYPE;
    let mut is_stated = [false; 3];
    for (stated, name) in is_stated.iter_mut().zip(["retryDay", "retryTimes", "callInterval"]) {
        *stated = policy.within(name, POSITIVE)?.is_some();
    }
    check_lists(policy)?;
    if by_type {
        if !policy.has("policyJson") {
            return Err(policy.broken(COMBINATION, "policyJson", "policyType 1 needs it"));
        }
        let none = Value::Array(Vec::new());
        if policy.has("noRetryPolicy") && policy.get("noRetryPolicy") != Some(&none) {
            return Err(policy.broken(
                COMBINATION,
                "noRetryPolicy",
                "policyType 1 does not allow it",
            ));
        }
        return Ok(());
    }
    let [days, times, _] = is_stated;
    if (days || times) && is_stated != [true; 3] {
        let rule = "retryDay, retryTimes and callInterval belong together";
        return Err(policy.broken(COMBINATION, "retryDay", rule));
    }
    let lists = ["resultRetry", "policyJson", "busiPolicy", "noRetryPolicy"];
    if !days && !lists.into_iter().any(|name| policy.has(name)) {
        let rule = "retryDay, retryTimes and callInterval, or a list of policies, must say how";
        return Err(policy.broken(COMBINATION, "policyType", rule));
    }
    Ok(())
}

/// The lists of a retry policy, most of them JSON in a text.
fn check_lists(policy: &Fields) -> Result<(), BrokenRule> {
    let list = |name| policy.get(name).cloned();
    let lists = wire::RetryPolicy {
        policy_json: list("policyJson"),
        result_retry: list("resultRetry"),
        busi_policy: list("busiPolicy"),
        no_retry_policy: list("noRetryPolicy"),
        ..wire::RetryPolicy::default()
    };
    let checked = rules::check_policy(&lists);
    checked.map_err(|Misread { member, flaw }| broken(&policy.path_of(member), flaw))
}
