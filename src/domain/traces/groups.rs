//! The digits of a text, in groups, as people write numbers.

use std::ops::Range;

use unicode_general_category::{GeneralCategory, get_general_category};
use uuid::Uuid;

/// Characters between two digits of one number.
const MAX_GAP_CHARS: usize = 3;
/// A time of day: hours and minutes, perhaps seconds.
const TIME_GROUPS: std::ops::RangeInclusive<usize> = 2..=3;
const YEARS: Range<u32> = 1900..2200;

/// Digits with nothing between them that is seen.
pub struct Group {
    pub digits: String,
    /// In bytes of the text.
    pub at: Range<usize>,
    pub joint: Joint,
    /// It is part of a date, of a time or of a UUID.
    pub is_other: bool,
}

/// What a group has to do with the one before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Joint {
    /// Close, as far as what lies between them is concerned: a dash, a space, a point, a bracket.
    Close,
    /// A few other characters that part two values as well as two digits of one number: commas, tabs.
    Loose,
    /// A letter, what begins or ends a value of JSON, or too much of anything.
    Apart,
}

/// What lies between two groups that are joined.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    Dash,
    Point,
    Other,
}

enum Role {
    Digit(char),
    Separator,
    LooseSeparator,
    Unseen,
    Other,
}

pub fn groups_of(text: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut gap = usize::MAX;
    let mut joint = Joint::Close;
    for (at, character) in text.char_indices() {
        match role(character) {
            Role::Digit(digit) => {
                let end = at + character.len_utf8();
                match groups.last_mut() {
                    Some(group) if gap == 0 => {
                        group.digits.push(digit);
                        group.at.end = end;
                    }
                    _ => groups.push(Group {
                        digits: digit.to_string(),
                        at: at..end,
                        joint: if gap > MAX_GAP_CHARS { Joint::Apart } else { joint },
                        is_other: false,
                    }),
                }
                (gap, joint) = (0, Joint::Close);
            }
            Role::Separator => gap = gap.saturating_add(1),
            Role::LooseSeparator => (gap, joint) = (gap.saturating_add(1), Joint::Loose),
            // A form's way of writing a space; at the beginning of a number it is none.
            Role::Other if character == '+' && gap == 0 => gap = 1,
            Role::Other => gap = usize::MAX,
            Role::Unseen => {}
        }
    }
    mark_dates(text, &mut groups);
    mark_times(text, &mut groups);
    mark_uuids(text, &mut groups);
    groups
}

impl Gap {
    pub fn between(text: &str, before: &Group, behind: &Group) -> Self {
        let mut seen = text[before.at.end..behind.at.start].chars().filter(|c| is_seen(*c));
        match (seen.next(), seen.next()) {
            (Some(one), None) if is_dash(one) => Gap::Dash,
            (Some('.' | '\u{ff0e}'), None) => Gap::Point,
            _ => Gap::Other,
        }
    }
}

/// Whether digits without separators read as a day, with or without a time of day behind it.
pub fn reads_as_date(digits: &str) -> bool {
    let part = |range: Range<usize>| digits.get(range).and_then(|part| part.parse::<u32>().ok());
    let below = |range: Range<usize>, limit: u32| part(range).is_none_or(|value| value < limit);
    matches!(digits.len(), 8 | 10 | 12 | 14)
        && is_day(part(0..4), part(4..6), part(6..8))
        && below(8..10, 24)
        && below(10..12, 60)
        && below(12..14, 61)
}

/// What is not seen does not part two digits.
pub fn is_seen(character: char) -> bool {
    !matches!(role(character), Role::Unseen)
}

fn is_day(year: Option<u32>, month: Option<u32>, day: Option<u32>) -> bool {
    let within = |value: Option<u32>, range: Range<u32>| value.is_some_and(|v| range.contains(&v));
    within(year, YEARS) && within(month, 1..13) && within(day, 1..32)
}

/// `2026-11-30`, `30.11.2026`, `11/30/2026`: three groups that one and the same separator parts, and no
/// fourth.
fn mark_dates(text: &str, groups: &mut [Group]) {
    let parts = |groups: &[Group], at: usize| {
        let (before, behind) = (groups.get(at.checked_sub(1)?)?, groups.get(at)?);
        let gap = &text[before.at.end..behind.at.start];
        (behind.joint != Joint::Apart && gap.chars().count() == 1 && gap != " ")
            .then(|| gap.to_owned())
    };
    for first in 0..groups.len().saturating_sub(2) {
        let separator = parts(groups, first + 1);
        let is_alone = separator.is_some()
            && parts(groups, first + 2) == separator
            && parts(groups, first) != separator
            && parts(groups, first + 3) != separator;
        if !is_alone {
            continue;
        }
        let part = |at: usize, longest: usize| {
            let digits = &groups[first + at].digits;
            digits.parse::<u32>().ok().filter(|_| digits.len() <= longest)
        };
        let (a, b, c) = (part(0, 4), part(1, 2), part(2, 4));
        if is_day(a, b, c) || is_day(c, b, a) || is_day(c, a, b) {
            groups[first..first + 3].iter_mut().for_each(|group| group.is_other = true);
        }
    }
}

/// `08:15`, `08:15:00`: pairs of digits that can be hours, minutes and seconds, and no more of them.
fn mark_times(text: &str, groups: &mut [Group]) {
    let follows = |before: &Group, behind: &Group| &text[before.at.end..behind.at.start] == ":";
    for row in groups.chunk_by_mut(follows) {
        let parts = row.iter().map(|group| (group.digits.len() == 2).then_some(&group.digits));
        let parts: Option<Vec<u32>> = parts.map(|digits| digits?.parse().ok()).collect();
        let is_time = |parts: &Vec<u32>| {
            TIME_GROUPS.contains(&parts.len())
                && parts[0] <= 24
                && parts[1..].iter().all(|part| *part <= 60)
        };
        if parts.as_ref().is_some_and(is_time) {
            for group in row {
                group.is_other = true;
            }
        }
    }
}

fn mark_uuids(text: &str, groups: &mut [Group]) {
    const LENGTH: usize = 36;
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(dash) = text[from..].find('-').map(|at| from + at) {
        from = dash + 1;
        let Some(begin) = dash.checked_sub(8) else { continue };
        let has_shape =
            bytes.get(begin + 13) == Some(&b'-') && bytes.get(begin + 23) == Some(&b'-');
        let whole = text.get(begin..begin + LENGTH).filter(|_| has_shape);
        if whole.is_some_and(|text| Uuid::try_parse(text).is_ok()) {
            let within = begin..begin + LENGTH;
            let first = groups.partition_point(|group| group.at.end <= within.start);
            let in_it = groups[first..].iter_mut().take_while(|group| group.at.start < within.end);
            in_it.for_each(|group| group.is_other = true);
            from = within.end;
        }
    }
}

fn role(character: char) -> Role {
    use GeneralCategory as Is;
    if character.is_ascii() {
        return match character {
            '0'..='9' => Role::Digit(character),
            ' ' | '-' | '.' | '/' | '(' | ')' | '_' => Role::Separator,
            // What a value of JSON begins and ends with, and a number.
            '"' | '[' | ']' | '{' | '}' | '+' => Role::Other,
            _ if character.is_ascii_alphabetic() => Role::Other,
            // A zero byte is half of a character in another charset.
            _ if character.is_control() && !matches!(character, '\t' | '\r' | '\n') => Role::Other,
            _ => Role::LooseSeparator,
        };
    }
    match get_general_category(character) {
        Is::DecimalNumber => Role::Digit(ascii_digit(character)),
        Is::DashPunctuation | Is::SpaceSeparator => Role::Separator,
        // Zero widths, marks of direction, soft hyphens, and what gives a digit another look.
        Is::Format | Is::NonspacingMark | Is::EnclosingMark => Role::Unseen,
        _ if is_dash(character) || is_point(character) => Role::Separator,
        Is::Control => Role::Other,
        _ if character.is_alphanumeric() || character == '\u{ff0b}' => Role::Other,
        _ => Role::LooseSeparator,
    }
}

/// Every digit of Unicode stands in a row of ten, or of several tens, that begins with a zero.
fn ascii_digit(character: char) -> char {
    let code = u32::from(character);
    let is_digit = |code: u32| {
        let character = char::from_u32(code);
        character.is_some_and(|c| get_general_category(c) == GeneralCategory::DecimalNumber)
    };
    let before = (1..=code).take_while(|back| is_digit(code - back)).count();
    u32::try_from(before % 10).ok().and_then(|digit| char::from_digit(digit, 10)).unwrap_or('0')
}

/// With the signs that are taken for one.
fn is_dash(character: char) -> bool {
    matches!(character, '-' | '\u{2212}' | '\u{2043}' | '\u{2d7}' | '\u{30fc}' | '\u{ff70}')
        || !character.is_ascii()
            && get_general_category(character) == GeneralCategory::DashPunctuation
}

/// Points, slashes and brackets besides ASCII's.
fn is_point(character: char) -> bool {
    matches!(
        character,
        '\u{b7}'
            | '\u{2022}'
            | '\u{2027}'
            | '\u{2219}'
            | '\u{22c5}'
            | '\u{30fb}'
            | '\u{ff65}'
            | '\u{ff0e}'
            | '\u{ff0f}'
            | '\u{2044}'
            | '\u{2215}'
            | '\u{ff08}'
            | '\u{ff09}'
            | '\u{ff3f}'
    )
}
