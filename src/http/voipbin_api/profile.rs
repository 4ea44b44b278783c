//! The two generations of VoIPBin answers (reference 0.1), as one value with members.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::config::VoipbinProfile;
use crate::gateway::error::GatewayError;
use crate::http::document::Document;
use crate::http::voipbin_api::unreadable;
use crate::platforms::voipbin::wire::{Action, Address};

/// What one generation of VoIPBin answers looks like. Passed once, asked by member.
#[derive(Debug, PartialEq, Eq)]
pub struct Profile {
    pub name: &'static str,
    timestamps: TimestampForm,
    /// Written for "never happened"; None writes null.
    never: Option<&'static str>,
    /// Addresses print all five members, empty ones too.
    full_addresses: bool,
    /// Errors carry the envelope; without it the body is empty and nearly every status is 400.
    pub error_envelope: bool,
    /// Lists go on showing what was deleted.
    pub lists_deleted: bool,
    /// Actions say when they were executed, which is null in a campaign (reference 2.2).
    action_times: bool,
    /// Rows of a page when the client names no size or one that is out of range.
    pub default_page_size: u32,
}

/// The most rows that a page has (reference 1.4).
pub const MAX_PAGE_SIZE: u32 = 100;

#[derive(Debug, PartialEq, Eq)]
enum TimestampForm {
    /// `2020-09-20T03:23:21.995Z`: trailing zeros trimmed.
    Iso,
    /// `2022-04-28 02:16:39.712142`, UTC without saying so.
    Spaced,
}

pub static HEAD: Profile = Profile {
    name: "head",
    timestamps: TimestampForm::Iso,
    never: None,
    full_addresses: false,
    error_envelope: true,
    lists_deleted: true,
    action_times: true,
    default_page_size: MAX_PAGE_SIZE,
};

pub static SEED: Profile = Profile {
    name: "seed",
    timestamps: TimestampForm::Spaced,
    never: Some("9999-01-01 00:00:00.000000"),
    full_addresses: true,
    error_envelope: false,
    lists_deleted: false,
    action_times: false,
    default_page_size: 10,
};

/// An address that serialises in its profile's form.
#[derive(Debug)]
pub struct ShownAddress<'a> {
    address: &'a Address,
    full: bool,
}

impl Profile {
    pub fn of(profile: VoipbinProfile) -> &'static Self {
        match profile {
            VoipbinProfile::Head => &HEAD,
            VoipbinProfile::Seed => &SEED,
        }
    }

    /// An instant as this generation writes it.
    pub fn timestamp(&self, at: Timestamp) -> String {
        let at = at.to_zoned(TimeZone::UTC).datetime();
        match self.timestamps {
            TimestampForm::Iso => iso(at),
            TimestampForm::Spaced => spaced(at),
        }
    }

    /// What stands for "never happened".
    pub fn never(&self) -> Option<String> {
        self.never.map(str::to_owned)
    }

    /// A time, or what stands for "never happened".
    pub fn at_or_never(&self, at: Option<Timestamp>) -> Option<String> {
        at.map(|at| self.timestamp(at)).or_else(|| self.never())
    }

    /// The token after a row listed at `at`: always six decimals (reference 1.4).
    pub fn page_token(&self, at: Timestamp) -> String {
        let at = at.to_zoned(TimeZone::UTC).datetime();
        match self.timestamps {
            TimestampForm::Iso => format!("{}Z", spaced(at).replacen(' ', "T", 1)),
            TimestampForm::Spaced => spaced(at),
        }
    }

    /// A timestamp member in this generation's form; text that is no timestamp stays as it is.
    pub fn restate(&self, member: Option<&str>) -> Option<String> {
        match member {
            None => self.never(),
            Some(text) if text.is_empty() || is_sentinel(text) => self.never(),
            Some(text) => Some(match parse_timestamp(text) {
                Some(at) => self.timestamp(at),
                None => text.to_owned(),
            }),
        }
    }

    /// The timestamps of an object in this generation's form; the others stay as they are.
    ///
    /// # Errors
    /// Never, but for a failure of the JSON writer.
    pub fn restate_document(&self, document: &mut Document<'_>) -> Result<(), GatewayError> {
        for name in ["tm_create", "tm_update", "tm_delete"] {
            if document.get(name).is_some() {
                let restated = self.restate(document.text(name).as_deref());
                document.set(name, &restated).map_err(unreadable)?;
            }
        }
        Ok(())
    }

    /// Addresses of an object in this generation's form; null stays null.
    ///
    /// # Errors
    /// When a member is no address.
    pub fn restate_addresses(
        &self,
        document: &mut Document<'_>,
        names: &[&str],
    ) -> Result<(), GatewayError> {
        for name in names {
            let address: Option<Address> = match document.get(name) {
                Some(json) => serde_json::from_str(json).map_err(unreadable)?,
                None => None,
            };
            if let Some(address) = address {
                document.set(name, &self.address(&address)).map_err(unreadable)?;
            }
        }
        Ok(())
    }

    /// A campaign's actions in this generation's form.
    pub fn restate_actions(&self, actions: &mut [Action]) {
        for action in actions {
            if self.action_times {
                action.extra.entry("tm_execute").or_insert(Value::Null);
            } else {
                action.extra.remove("tm_execute");
            }
        }
    }

    /// An address as this generation prints it.
    pub fn address<'a>(&self, address: &'a Address) -> ShownAddress<'a> {
        ShownAddress { address, full: self.full_addresses }
    }

    /// Rows of a page, from what the client asked for (reference 1.4).
    pub fn page_size(&self, asked: Option<i64>) -> u32 {
        match asked.and_then(|asked| u32::try_from(asked).ok()) {
            Some(size) if (1..=MAX_PAGE_SIZE).contains(&size) => size,
            _ => self.default_page_size,
        }
    }
}

impl Serialize for ShownAddress<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Address { kind, target, target_name, name, detail, extra } = self.address;
        let fields = [
            ("type", kind),
            ("target", target),
            ("target_name", target_name),
            ("name", name),
            ("detail", detail),
        ];
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in fields.into_iter().filter(|(_, v)| self.full || !v.is_empty()) {
            map.serialize_entry(name, value)?;
        }
        for (name, value) in extra {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// An instant in either family, with or without fraction.
pub fn parse_timestamp(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let at: DateTime = strtime::parse("%Y-%m-%d %H:%M:%S%.f", text).ok()?.to_datetime().ok()?;
    at.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// Whether a timestamp stands for "never happened".
pub fn is_sentinel(text: &str) -> bool {
    text.starts_with("9999-01-01")
}

fn iso(at: DateTime) -> String {
    let mut text = spaced(at).replacen(' ', "T", 1);
    text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    text.push('Z');
    text
}

fn spaced(at: DateTime) -> String {
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.subsec_nanosecond() / 1000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_generation_writes_timestamps_its_own_way() {
        let at: Timestamp = "2020-09-20T03:23:21.995Z".parse().expect("an instant");
        assert_eq!(HEAD.timestamp(at), "2020-09-20T03:23:21.995Z");
        assert_eq!(SEED.timestamp(at), "2020-09-20 03:23:21.995000");
        assert_eq!(HEAD.page_token(at), "2020-09-20T03:23:21.995000Z");
        assert_eq!(SEED.page_token(at), "2020-09-20 03:23:21.995000");
        let whole: Timestamp = "2020-09-20T03:23:20Z".parse().expect("an instant");
        assert_eq!(HEAD.timestamp(whole), "2020-09-20T03:23:20Z");
    }

    #[test]
    fn both_families_are_read() {
        let expected: Timestamp = "2022-04-28T02:16:39.712142Z".parse().expect("an instant");
        for text in [
            "2022-04-28 02:16:39.712142",
            "2022-04-28T02:16:39.712142Z",
            "2022-04-28T04:16:39.712142+02:00",
        ] {
            assert_eq!(parse_timestamp(text), Some(expected), "{text}");
        }
        for text in ["", "now", "2022-04-28", "2022-13-28 02:16:39.0"] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn restating_translates_never_and_leaves_what_it_cannot_read() {
        assert_eq!(HEAD.restate(Some("9999-01-01 00:00:00.000000")), None);
        assert_eq!(SEED.restate(None).as_deref(), Some("9999-01-01 00:00:00.000000"));
        assert_eq!(HEAD.restate(Some("soon")).as_deref(), Some("soon"));
    }

    #[test]
    fn sizes_out_of_range_mean_the_default() {
        for asked in [None, Some(0), Some(-1), Some(101), Some(i64::MAX)] {
            assert_eq!(HEAD.page_size(asked), 100);
            assert_eq!(SEED.page_size(asked), 10);
        }
        assert_eq!(HEAD.page_size(Some(7)), 7);
    }
}
