//! Accounting for every leaf of a document, and the three-way merge on the way back.

pub mod account;
pub mod merge;
pub mod path;

use std::borrow::Cow;

/// What became of a field. Ordered from harmless to harmful: where several hold, the worst counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    Mapped,
    /// Another unit or format, nothing lost.
    Converted,
    /// The gateway does it in the platform's place.
    Emulated,
    /// Kept beside the record and restored on the way back; nothing depends on it here.
    Preserved,
    /// The nearest thing that can be said.
    Approximated,
    /// Cannot be said.
    Dropped,
}

/// Something that a conversion found out about one value and no table could know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub at: Place,
    pub outcome: Outcome,
    /// Never contains the value itself when it can be a phone number.
    pub reason: Cow<'static, str>,
}

/// Where a finding belongs: a path in the source document, or a path in the domain (which the
/// tables join to the source's).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Source(Cow<'static, str>),
    Domain(Cow<'static, str>),
}

impl Finding {
    /// About a value at a path of the source document.
    pub fn source(
        path: impl Into<Cow<'static, str>>,
        outcome: Outcome,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { at: Place::Source(path.into()), outcome, reason: reason.into() }
    }

    /// About a value at a path of the domain.
    pub fn domain(
        path: impl Into<Cow<'static, str>>,
        outcome: Outcome,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { at: Place::Domain(path.into()), outcome, reason: reason.into() }
    }
}

impl Outcome {
    pub const ALL: [Outcome; 6] = [
        Outcome::Mapped,
        Outcome::Converted,
        Outcome::Emulated,
        Outcome::Preserved,
        Outcome::Approximated,
        Outcome::Dropped,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Mapped => "mapped",
            Outcome::Converted => "converted",
            Outcome::Emulated => "emulated",
            Outcome::Preserved => "preserved",
            Outcome::Approximated => "approximated",
            Outcome::Dropped => "dropped",
        }
    }

    /// True when the other side does not get what the source says.
    pub fn is_loss(self) -> bool {
        matches!(self, Outcome::Approximated | Outcome::Dropped)
    }
}
