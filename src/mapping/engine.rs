//! Accounting for every leaf of a document, and the three-way merge on the way back.

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
    pub reason: String,
}

/// Where a finding belongs: a path in the source document, or a path in the domain (which the
/// tables join to the source's).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Source(String),
    Domain(String),
}
