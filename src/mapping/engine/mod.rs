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
    /// The loss lets more people, numbers, hours or tries be called than the source allows.
    pub widens: bool,
}

/// Where a finding belongs: a path in the source document, or a path in the domain (which the
/// tables join to the source's).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Source(Cow<'static, str>),
    Domain(Cow<'static, str>),
}

/// What of the domain limits whom, when or how often.
const RULES: [&str; 3] = ["retry.", "window.", "pacing."];

impl Finding {
    /// About a value at a path of the source document.
    pub fn source(
        path: impl Into<Cow<'static, str>>,
        outcome: Outcome,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { at: Place::Source(path.into()), outcome, reason: reason.into(), widens: false }
    }

    /// About a value at a path of the domain. The loss of a rule widens, unless the finding says that it
    /// is [`narrow`](Self::narrow): who forgets to judge it refuses, and lets nobody be called.
    pub fn domain(
        path: impl Into<Cow<'static, str>>,
        outcome: Outcome,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        let path = path.into();
        let widens = outcome.is_loss() && RULES.iter().any(|rules| path.starts_with(rules));
        Self { at: Place::Domain(path), outcome, reason: reason.into(), widens }
    }

    /// What is lost lets fewer be called, or the same.
    #[must_use]
    pub fn narrow(self) -> Self {
        Self { widens: false, ..self }
    }

    /// What is lost lets more be called.
    #[must_use]
    pub fn wide(self) -> Self {
        Self { widens: true, ..self }
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
