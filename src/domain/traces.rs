//! Where a phone number stands in a text, however it is written there.

use crate::domain::phone::PhoneNumber;

/// Digits before a number's own that belong to it: international and trunk prefixes, country code.
const MAX_PREFIX_DIGITS: usize = 8;
/// Characters between two digits of one number.
const MAX_GAP_CHARS: usize = 3;

/// What is looked for: the digits of a number without what may or may not stand before them.
#[derive(Clone, PartialEq, Eq)]
pub struct Trace {
    digits: Vec<u8>,
}

struct Digit {
    value: u8,
    /// In bytes.
    begin: usize,
    end: usize,
    /// Nothing but separators lies between it and the digit before it.
    follows: bool,
}

impl Trace {
    /// None for what is no complete number.
    pub fn of(number: &PhoneNumber) -> Option<Self> {
        let digits = number.significant_digits()?;
        let digits = digits.bytes().map(|digit| digit - b'0').collect();
        Some(Self { digits })
    }

    /// The text with `token` where the number stood; None when it is not there.
    pub fn masked(&self, text: &str, token: &str) -> Option<String> {
        let digits = digits_of(text);
        let mut masked = String::new();
        let (mut copied, mut at) = (0, 0);
        while let Some(found) = self.find(&digits, at) {
            let end = found + self.digits.len();
            let first = beginning(&digits, found);
            // A plus and a bracket belong to the number.
            let before = text[..digits[first].begin].trim_end_matches(['+', '(']);
            let begin = before.len().max(copied);
            masked.push_str(text.get(copied..begin).unwrap_or_default());
            masked.push_str(token);
            copied = digits[end - 1].end;
            at = end;
        }
        (at > 0).then(|| masked + &text[copied..])
    }

    fn find(&self, digits: &[Digit], from: usize) -> Option<usize> {
        let wanted = self.digits.len();
        let is_at = |at: &usize| {
            let window = &digits[*at..*at + wanted];
            window.iter().zip(&self.digits).all(|(digit, wanted)| digit.value == *wanted)
                && window.iter().skip(1).all(|digit| digit.follows)
        };
        (from..(digits.len() + 1).saturating_sub(wanted)).find(is_at)
    }
}

/// The first digit of a number whose own digits begin there. With more digits before it than any prefix
/// has, they are somebody else's.
fn beginning(digits: &[Digit], found: usize) -> usize {
    let mut first = found;
    while first > 0 && digits[first].follows && found - first < MAX_PREFIX_DIGITS {
        first -= 1;
    }
    first
}

fn digits_of(text: &str) -> Vec<Digit> {
    let mut digits: Vec<Digit> = Vec::new();
    let mut gap = usize::MAX;
    for (begin, character) in text.char_indices() {
        if let Some(value) = digit(character) {
            let follows = gap <= MAX_GAP_CHARS;
            digits.push(Digit { value, begin, end: begin + character.len_utf8(), follows });
            gap = 0;
        } else if is_separator(character) {
            gap = gap.saturating_add(1);
        } else {
            gap = usize::MAX;
        }
    }
    digits
}

fn is_separator(character: char) -> bool {
    matches!(
        character,
        ' ' | '-' | '.' | '/' | '(' | ')' | '\u{a0}' | '\u{2009}' | '\u{2011}' | '\u{202f}'
    )
}

/// In the scripts that people write numbers in.
fn digit(character: char) -> Option<u8> {
    const ZEROS: [u32; 5] = [0x30, 0x660, 0x6f0, 0x966, 0xff10];
    let code = u32::from(character);
    ZEROS.iter().find_map(|zero| u8::try_from(code.checked_sub(*zero)?).ok().filter(|d| *d < 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(number: &str, text: &str) -> Option<String> {
        Trace::of(&PhoneNumber::from_e164(number).unwrap()).unwrap().masked(text, "#")
    }

    #[test]
    fn a_number_is_found_however_it_is_written() {
        for text in [
            "+8613100000001",
            "8613100000001",
            "008613100000001",
            "013100000001",
            "13100000001",
            "131 0000 0001",
            "(0131) 0000-0001",
            "131.0000.0001",
            "+86 131\u{a0}0000\u{202f}0001",
            "１３１００００００01",
            "١٣١٠٠٠٠٠٠٠١",
        ] {
            assert_eq!(masked("+8613100000001", text).as_deref(), Some("#"), "{text}");
            let within = format!("call {text}, or mail");
            assert_eq!(masked("+8613100000001", &within).as_deref(), Some("call #, or mail"));
        }
        let twice = r#"{"called":"013100000001","data":"old: 131 0000 0001 new"}"#;
        let cleaned = r##"{"called":"#","data":"old: # new"}"##;
        assert_eq!(masked("+8613100000001", twice).as_deref(), Some(cleaned));
    }

    #[test]
    fn what_is_another_number_stays() {
        for text in ["", "13100000002", "1310000 and 0001", "131-0000----0001", "131000"] {
            assert_eq!(masked("+8613100000001", text), None, "{text}");
        }
    }
}
