//! Phone numbers: matched on E.164, kept as they were written, never printed.

use std::fmt;

/// A phone number as text. It has no `Serialize`, and `Debug` and `Display` print it masked; only
/// [`PhoneNumber::reveal`] gives the digits, to the code that puts them on a wire.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PhoneNumber(String);

impl PhoneNumber {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The number as it goes on a wire. Never log, trace or format the result.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhoneNumber(***)")
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How an account writes phone numbers. There are no defaults: each account states its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberPlan {
    /// ISO 3166 region such as `CN`; None reads only numbers with an international prefix or `+`.
    pub region: Option<String>,
    /// Before national numbers, e.g. `0`.
    pub trunk_prefix: String,
    /// Before country codes, e.g. `00`.
    pub international_prefix: String,
}
