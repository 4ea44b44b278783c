//! How long the other side asks to be left alone (RFC 9110, 10.2.3).

use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;

/// The wait that a `Retry-After` asks for: seconds, also with a fraction as some servers send them, or
/// any of HTTP's three forms of a date, compared with `wall`, the time of day. One that is over asks for
/// no wait. None when it says nothing; the caller decides how long a wait it believes.
pub fn parse(text: &str, wall: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let until = until.duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Duration::try_from(wall.as_duration()).unwrap_or_default();
    Some(until.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_fractions_and_dates_are_waits_and_nothing_else_is() {
        let wall: Timestamp = "1994-11-06T08:49:07Z".parse().unwrap();
        for (text, wait_s) in [
            ("120", Some(120.0)),
            (" 7 ", Some(7.0)),
            ("1.5", Some(1.5)),
            ("86400", Some(86_400.0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(30.0)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(30.0)),
            ("Sun Nov  6 08:49:37 1994", Some(30.0)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0.0)),
            ("", None),
            ("-1", None),
            ("soon", None),
            ("1e999", None),
            ("5s", None),
            ("inf", None),
            ("NaN", None),
        ] {
            assert_eq!(parse(text, wall).map(|wait| wait.as_secs_f64()), wait_s, "{text}");
        }
    }
}
