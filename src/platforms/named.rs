//! The member that a platform names when it calls a request wrong. Its text is for nobody but a client that
//! speaks its language, for it may quote a phone number; the name of a member that the tables know may be
//! told to all, in the words of either platform.

use crate::mapping::table::{FieldRow, Kind, Tables};
use crate::platforms::{Operation, PlatformError, PlatformErrorKind, PlatformKind};

/// A member of a document, by the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// As the platform calls it that refused.
    pub own: String,
    /// As another platform calls what it says.
    pub elsewhere: Option<String>,
}

impl PlatformError {
    /// With the member that is wrong, where the platform says so and the tables know it.
    #[must_use]
    pub(super) fn naming(mut self, platform: PlatformKind, tables: &Tables) -> Self {
        if self.kind != PlatformErrorKind::Invalid {
            return self;
        }
        let kind = match self.operation {
            Operation::ContactAdd | Operation::ContactDelete => Kind::Contact,
            _ => Kind::Campaign,
        };
        let text = self.said.as_ref().map(|said| &*said.text).unwrap_or_default();
        self.member = named(text, (platform, kind), tables).map(Box::new);
        if let Some(Member { own, elsewhere }) = self.member.as_deref() {
            self.detail = match elsewhere {
                Some(elsewhere) => format!("{}: {own}, elsewhere {elsewhere}", self.detail),
                None => format!("{}: {own}", self.detail),
            };
        }
        self
    }
}

/// The first word of the text that is the name of a member and no word of a language: it stands before a
/// colon, or is put together as no word is.
fn named(text: &str, (platform, kind): (PlatformKind, Kind), tables: &Tables) -> Option<Member> {
    let table = tables.get(platform.as_str(), kind);
    let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '[' | ']');
    let mut words = text.split(|c| !is_of_a_name(c)).filter(|word| !word.is_empty());
    let row = words.find_map(|word| {
        let word = word.trim_end_matches('.');
        let is_put_together = word.contains(['_', '.'])
            || word.chars().skip(1).any(|c| c.is_ascii_uppercase())
                && word.starts_with(|c: char| c.is_ascii_lowercase());
        let stands_first = text.strip_prefix(word).is_some_and(|rest| rest.starts_with(':'));
        if !is_put_together && !stands_first {
            return None;
        }
        // Of several members with one name, the one that another platform knows is what was sent.
        let named_so = || table.fields.iter().filter(|row| leaf(row) == word);
        table.field(word).or_else(|| named_so().min_by_key(|row| row.domain.is_none()))
    })?;
    let mut elsewhere = PlatformKind::ALL.into_iter().filter(|other| *other != platform);
    let elsewhere = elsewhere.find_map(|other| {
        let domain = row.domain.as_deref()?;
        Some(tables.get(other.as_str(), kind).fields_for(domain).next()?.path.clone())
    });
    Some(Member { own: row.path.clone(), elsewhere })
}

/// The last part of a member's path.
fn leaf(row: &FieldRow) -> &str {
    row.path.rsplit('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_named_in_the_words_of_both() {
        let tables = Tables::embedded().unwrap();
        let of = |text, platform| named(text, (platform, Kind::Campaign), &tables);
        let own = |text, platform| of(text, platform).map(|member| member.own);
        let wait = Member {
            own: "retryPolicy.callInterval".to_owned(),
            elsewhere: Some("outplan.try_interval".to_owned()),
        };
        let [isales, voipbin] = ["isales", "voipbin"]
            .map(|name| PlatformKind::ALL.into_iter().find(|kind| kind.as_str() == name).unwrap());
        assert_eq!(of("retryPolicy.callInterval: must be positive", isales), Some(wait.clone()));
        assert_eq!(of("parameter callInterval is invalid", isales), Some(wait));
        let ring = own("dial_timeout is too short", voipbin);
        assert_eq!(ring.as_deref(), Some("outplan.dial_timeout"));
        assert_eq!(own("name: too long", isales).as_deref(), Some("name"));
        for text in ["", "the name is taken", "13100000001: refused", "no such thing.", "Status"] {
            assert_eq!(own(text, isales), None, "{text}");
        }
    }
}
