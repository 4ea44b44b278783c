//! A person to be called and their numbers.

use crate::domain::phone::PhoneNumber;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contact {
    /// The client's own reference, given back with every result.
    pub reference: Option<String>,
    pub label: Option<String>,
    /// Free text that goes with every call.
    pub data: Option<String>,
    /// In the order in which they are tried.
    pub numbers: Vec<ContactNumber>,
}

impl Contact {
    /// Whether there is anything to call.
    pub fn has_numbers(&self) -> bool {
        !self.numbers.is_empty()
    }

    /// The place of a number that was called.
    pub fn place_of(&self, called: &PhoneNumber) -> Option<usize> {
        self.numbers.iter().find(|number| number.number == *called).map(|number| number.place)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct ContactNumber {
    pub number: PhoneNumber,
    /// Position in the contact, from 0; a number that cannot be read leaves a gap.
    pub place: usize,
    /// Category such as home or office, in the client's own words.
    pub category: Option<String>,
    /// Wait before this number is dialled after the one before it.
    pub delay_ms: Option<i64>,
}
