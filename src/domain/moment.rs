//! Times as both platforms' tables and the configuration write them. One spelling each, and nothing
//! but that spelling: a reader that also takes its neighbours is a second reader of the value.

use jiff::civil::{Date, DateTime, Time};

/// `HH:mm`, two digits each, 00:00 to 23:59.
pub fn clock(text: &str) -> Option<Time> {
    let [hour, minute] = digits(text, "dd:dd")?;
    Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0).ok()
}

/// `yyyy-MM-dd`.
pub fn date(text: &str) -> Option<Date> {
    let [year, month, day] = digits(text, "dddd-dd-dd")?;
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// `yyyy-MM-dd HH:mm:ss`.
pub fn date_time(text: &str) -> Option<DateTime> {
    let (day, time) = text.split_once(' ')?;
    let [hour, minute, second] = digits(time, "dd:dd:dd")?;
    let two = |part| i8::try_from(part).ok();
    let time = Time::new(two(hour)?, two(minute)?, two(second)?, 0).ok()?;
    Some(date(day)?.to_datetime(time))
}

/// The numbers of a text that is written like `shape`, where `d` is a digit.
fn digits<const N: usize>(text: &str, shape: &str) -> Option<[i16; N]> {
    let fits = |(byte, shape): (u8, u8)| match shape {
        b'd' => byte.is_ascii_digit(),
        mark => byte == mark,
    };
    if text.len() != shape.len() || !text.bytes().zip(shape.bytes()).all(fits) {
        return None;
    }
    let mut parts = text.split(|c: char| !c.is_ascii_digit());
    let mut numbers = [0; N];
    for number in &mut numbers {
        *number = parts.next()?.parse().ok()?;
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::{date as day, time};

    #[test]
    fn one_spelling_each() {
        assert_eq!(clock("09:05"), Some(time(9, 5, 0, 0)));
        assert_eq!(clock("23:59"), Some(time(23, 59, 0, 0)));
        for other in
            ["9:05", "09:5", " 09:05", "09:05 ", "09:05:00", "24:00", "09:60", "0905", "", "٠٩:٠٥"]
        {
            assert_eq!(clock(other), None, "{other}");
        }
        let at = day(2026, 11, 30).at(23, 59, 59, 0);
        assert_eq!(date_time("2026-11-30 23:59:59"), Some(at));
        for other in [
            "2026-11-30",
            "2026-11-30T23:59:59",
            "2026-11-30 23:59:60",
            "2026-11-31 00:00:00",
            "2026-11-30 23:59",
            "2026-11-30  3:59:59",
            "+026-11-30 23:59:59",
            "2026-11-30 23:59:59.5",
        ] {
            assert_eq!(date_time(other), None, "{other}");
        }
        assert_eq!(date("2024-02-29"), Some(day(2024, 2, 29)));
        assert_eq!(date("2026-02-29"), None);
    }
}
