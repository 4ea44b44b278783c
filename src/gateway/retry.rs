//! Whether and when to try again: the one place that decides.

use std::time::Duration;

use jiff::Timestamp;

use crate::gateway::error::GatewayError;
use crate::platforms::{Effect, PlatformError, PlatformErrorKind};

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Again(Timestamp),
    /// It would fail the same way again, or was tried often enough.
    GiveUp,
}

/// The first wait; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// With the waits above this is about a day and a half.
const MAX_ATTEMPTS: i64 = 430;

/// Decides on the error of the `attempt`th try (from 0). `fraction` is a random number from 0 to 1,
/// so that what failed together does not come back together.
pub fn decide(error: &PlatformError, attempt: i64, fraction: f64, now: Timestamp) -> Decision {
    if attempt >= MAX_ATTEMPTS || !is_worth_it(error) {
        return Decision::GiveUp;
    }
    let wait = job_wait(attempt, fraction);
    Decision::Again(now + wait.max(error.retry_after.unwrap_or_default()))
}

/// How long a job waits after its `attempt`th try (from 0): twice as long each time, up to five minutes,
/// each up to half shorter by chance.
pub fn job_wait(attempt: i64, fraction: f64) -> Duration {
    growing(attempt, LONGEST_WAIT, fraction)
}

fn growing(tries: i64, longest: Duration, fraction: f64) -> Duration {
    let doublings = u32::try_from(tries.clamp(0, 16)).unwrap_or_default();
    let wait = FIRST_WAIT.saturating_mul(1 << doublings).min(longest);
    wait.mul_f64(0.5 + fraction.clamp(0.0, 1.0) / 2.0)
}

/// The waits in seconds between tries of a delivery where its destination names none: three days in all.
pub const DEFAULT_DELIVERY_WAITS_S: [u32; 10] =
    [5, 60, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// Longest wait between two tries of a delivery, in seconds, and most of them.
const MAX_DELIVERY_WAIT_S: u32 = 7 * 86_400;
const MAX_DELIVERY_WAITS: usize = 50;

/// The waits of a destination for which so many seconds were asked, or none.
///
/// # Errors
/// `Invalid` for too many waits, or for one that is too long.
pub fn delivery_waits(asked_s: Option<Vec<u32>>) -> Result<Vec<u32>, GatewayError> {
    let Some(waits) = asked_s else { return Ok(DEFAULT_DELIVERY_WAITS_S.to_vec()) };
    if waits.len() <= MAX_DELIVERY_WAITS && waits.iter().all(|wait| *wait <= MAX_DELIVERY_WAIT_S) {
        Ok(waits)
    } else {
        let rule = "at most 50 waits of at most 604800 seconds are expected";
        Err(GatewayError::invalid("retry_waits_s", rule))
    }
}

/// Decides on a delivery that failed after `tries` others: the waits in seconds between tries are its
/// destination's, each a tenth shorter or longer by chance. A receiver may ask for a longer one.
pub fn decide_delivery(
    waits_s: &[u32],
    tries: i64,
    (retry_after, fraction): (Option<Duration>, f64),
    now: Timestamp,
) -> Decision {
    let wait = usize::try_from(tries).ok().and_then(|tries| waits_s.get(tries));
    let Some(wait) = wait else { return Decision::GiveUp };
    let wait = Duration::from_secs(u64::from(*wait));
    let wait = wait.mul_f64(0.9 + fraction.clamp(0.0, 1.0) / 5.0);
    Decision::Again(now + wait.max(retry_after.unwrap_or_default()))
}

/// The longest wait of a pushed row.
pub const LONGEST_PUSH_WAIT: Duration = Duration::from_secs(900);

/// How long a pushed row waits that could not be processed after `tries` others: twice as long each
/// time, up to a quarter of an hour, each up to half shorter by chance.
pub fn push_wait(tries: i64, fraction: f64) -> Duration {
    growing(tries, LONGEST_PUSH_WAIT, fraction)
}

/// Whether the same request may succeed later, or may have succeeded.
pub fn is_worth_it(error: &PlatformError) -> bool {
    match error.kind {
        // Credentials, or the permission to write, may be put right by the operator; what cannot be
        // read may have been done, so it is looked up.
        PlatformErrorKind::RateLimited
        | PlatformErrorKind::Unavailable
        | PlatformErrorKind::Timeout
        | PlatformErrorKind::Unauthenticated
        | PlatformErrorKind::WritesDenied
        | PlatformErrorKind::Malformed => true,
        PlatformErrorKind::NotFound
        | PlatformErrorKind::Forbidden
        | PlatformErrorKind::Invalid
        | PlatformErrorKind::State
        | PlatformErrorKind::Duplicate
        | PlatformErrorKind::Quota
        | PlatformErrorKind::Unconfigured
        | PlatformErrorKind::TooLarge
        | PlatformErrorKind::Unsupported => error.effect == Effect::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platforms::Operation;

    fn error(kind: PlatformErrorKind) -> PlatformError {
        PlatformError::new(Operation::CampaignCreate, kind, "")
    }

    #[test]
    fn what_would_fail_again_is_given_up() {
        let now = Timestamp::UNIX_EPOCH;
        let decide = |error: &PlatformError, attempt| decide(error, attempt, 1.0, now);
        assert_eq!(decide(&error(PlatformErrorKind::Invalid), 0), Decision::GiveUp);
        let lost = error(PlatformErrorKind::Invalid).with_effect(Effect::Unclear);
        assert_ne!(decide(&lost, 0), Decision::GiveUp);
        assert_eq!(decide(&error(PlatformErrorKind::Timeout), MAX_ATTEMPTS), Decision::GiveUp);
    }

    #[test]
    fn a_delivery_waits_as_its_destination_says() {
        let now = Timestamp::UNIX_EPOCH;
        let wait =
            |tries, after, chance| match decide_delivery(&[10, 100], tries, (after, chance), now) {
                Decision::Again(at) => Some(at.duration_since(now).as_secs()),
                Decision::GiveUp => None,
            };
        assert_eq!([wait(0, None, 0.0), wait(0, None, 1.0)], [Some(9), Some(11)]);
        assert_eq!([wait(1, None, 0.5), wait(2, None, 0.5)], [Some(100), None]);
        assert_eq!(wait(0, Some(Duration::from_secs(60)), 0.5), Some(60));
    }

    #[test]
    fn a_pushed_row_waits_ever_longer_up_to_a_quarter_of_an_hour() {
        let waits = [0, 1, 3, 9, 10, 60].map(|tries| push_wait(tries, 1.0).as_secs());
        assert_eq!(waits, [1, 2, 8, 512, 900, 900]);
        assert_eq!(push_wait(60, 0.0).as_secs(), 450);
    }

    #[test]
    fn waits_double_up_to_a_limit_and_obey_the_platform() {
        let now = Timestamp::UNIX_EPOCH;
        let wait = |attempt, after| {
            let error = error(PlatformErrorKind::Unavailable).with_retry_after(after);
            match decide(&error, attempt, 1.0, now) {
                Decision::Again(at) => at.duration_since(now).as_secs(),
                Decision::GiveUp => panic!("given up"),
            }
        };
        assert_eq!([wait(0, None), wait(1, None), wait(3, None), wait(60, None)], [1, 2, 8, 300]);
        assert_eq!(wait(0, Some(Duration::from_secs(30))), 30);
    }
}
