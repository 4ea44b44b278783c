//! What a modify leaves out. The pages do not say whether it falls back to a default (reference 3.3), so on
//! a home of another platform it stays as it was: a rule is taken away only by saying so, with an empty
//! text or list.

use crate::platforms::isales::convert::rules;
use crate::platforms::isales::wire::{CallPolicy, Campaign, RetryPolicy, ScheduleParam};

/// Puts what `before` says into what `after` does not speak of. `skillParam` and `ivrParam` are taken as
/// they are given: every member of theirs that limits calls is mandatory.
pub fn keep_what_is_left_out(after: &mut Campaign, before: Campaign) {
    let Campaign {
        id: _,
        name: _,
        description,
        status: _,
        str_begin_time,
        str_end_time,
        device_type: _,
        caller_no: _,
        priority,
        max_alerting_time: _,
        schedule_param,
        ivr_param: _,
        skill_param: _,
        init_status: _,
        call_back_url,
        retry_policy,
        call_policy,
        extra: _,
    } = before;
    keep(&mut after.description, description);
    keep(&mut after.str_begin_time, str_begin_time);
    keep(&mut after.str_end_time, str_end_time);
    keep(&mut after.priority, priority);
    keep(&mut after.call_back_url, call_back_url);
    keep_within(&mut after.schedule_param, schedule_param, keep_special_dates);
    keep_within(&mut after.retry_policy, retry_policy, keep_of_retry_policy);
    keep_within(&mut after.call_policy, call_policy, keep_call_policy);
}

fn keep<T>(after: &mut Option<T>, before: Option<T>) {
    if after.is_none() {
        *after = before;
    }
}

/// Of an object that is given in part, the other part stays.
fn keep_within<T>(after: &mut Option<T>, before: Option<T>, inner: fn(&mut T, T)) {
    match (after.as_mut(), before) {
        (Some(after), Some(before)) => inner(after, before),
        (_, before) => keep(after, before),
    }
}

/// The hours of one kind of day belong together: a period that is not among those given is none any more,
/// which lets less be called. Only those of workdays must be given.
fn keep_special_dates(after: &mut ScheduleParam, before: ScheduleParam) {
    let ScheduleParam {
        workday_begin_time1: _,
        workday_end_time1: _,
        workday_begin_time2: _,
        workday_end_time2: _,
        workday_begin_time3: _,
        workday_end_time3: _,
        holiday_begin_time1,
        holiday_end_time1,
        holiday_begin_time2,
        holiday_end_time2,
        holiday_begin_time3,
        holiday_end_time3,
        extra: _,
    } = before;
    let kept = [
        (&mut after.holiday_begin_time1, holiday_begin_time1),
        (&mut after.holiday_end_time1, holiday_end_time1),
        (&mut after.holiday_begin_time2, holiday_begin_time2),
        (&mut after.holiday_end_time2, holiday_end_time2),
        (&mut after.holiday_begin_time3, holiday_begin_time3),
        (&mut after.holiday_end_time3, holiday_end_time3),
    ];
    if kept.iter().all(|(after, _)| after.is_none()) {
        for (after, before) in kept {
            *after = before;
        }
    }
}

/// A policy of another type is another policy. `policyJson` can state the same tries as the three numbers
/// do, and counts then: whichever is given takes the place of either.
pub fn keep_of_retry_policy(after: &mut RetryPolicy, before: RetryPolicy) {
    if before.policy_type.is_some() && after.policy_type != before.policy_type {
        return;
    }
    let are_tries_given = after.retry_day.or(after.retry_times).is_some();
    let before_states_tries = rules::tries_for_all(&before).is_some();
    let RetryPolicy {
        retry_policy_id,
        policy_type,
        retry_day,
        retry_times,
        call_interval,
        result_retry,
        policy_json,
        busi_policy,
        no_retry_policy,
        extra: _,
    } = before;
    keep(&mut after.retry_policy_id, retry_policy_id);
    keep(&mut after.policy_type, policy_type);
    if !(are_tries_given && before_states_tries) {
        keep(&mut after.policy_json, policy_json);
    }
    keep(&mut after.retry_day, retry_day);
    keep(&mut after.retry_times, retry_times);
    keep(&mut after.call_interval, call_interval);
    keep(&mut after.result_retry, result_retry);
    keep(&mut after.busi_policy, busi_policy);
    keep(&mut after.no_retry_policy, no_retry_policy);
    if let Some(tries) = rules::tries_for_all(after) {
        (after.retry_day, after.retry_times) = (Some(tries.days), Some(tries.per_day));
        after.call_interval = tries.interval_s.or(after.call_interval);
    }
}

/// A policy of another type is another policy: rounds are nothing to calls by sequence.
fn keep_call_policy(after: &mut CallPolicy, before: CallPolicy) {
    let CallPolicy { call_policy_id, call_type, choose_type, turns, extra: _ } = before;
    if after.call_type.is_some() && after.call_type != call_type {
        return;
    }
    keep(&mut after.call_policy_id, call_policy_id);
    keep(&mut after.call_type, call_type);
    keep(&mut after.choose_type, choose_type);
    keep(&mut after.turns, turns);
}
