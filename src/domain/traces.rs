//! Where a phone number stands in a text, however it is written there; and where its digits are
//! something else.
//!
//! A text is looked at as it stands and as it reads when its escapes are undone (JSON's, percent signs,
//! HTML's, one within another). In each reading its digits are groups, with at most three characters
//! between them that are no digits, no letters and nothing that begins or ends a value. A number is a
//! row of whole groups that says one of its spellings, and that does not belong to something longer:
//! another number, a date, a time, an id. What is found is replaced in the text as it was, whole escapes
//! at a time, so that what was JSON before is JSON afterwards.

mod groups;
mod layer;
mod member;

use std::cell::OnceCell;
use std::ops::Range;

use serde::de::IgnoredAny;

use crate::domain::phone::{NumberPlan, PhoneNumber};
use groups::{Gap, Group, Joint, groups_of, is_seen, reads_as_date};
use layer::Layer;
use member::Held;

/// How numbers of other countries are dialled, in most places.
const INTERNATIONAL_PREFIXES: [&str; 6] = ["00", "011", "0011", "001", "010", "810"];
/// A number with fewer digits and nothing else that shows that it is one is not told from others.
const MIN_BARE_DIGITS: usize = 7;
/// Digits of the longest number, with what is dialled before it.
const MAX_DIALLED_DIGITS: usize = 23;
/// Groups beside a number with which it may be another one.
const MAX_NEIGHBOURS: usize = 3;
/// With fewer digits a number without `+` is not believed to have a country code.
const MIN_DIGITS_WITH_CODE: usize = 10;
/// Of so many characters without a break that are all hexadecimal digits, digits are part of a hash.
const MIN_HASH_CHARS: usize = 16;
/// Digits behind a dash that are an extension; more are another part of an id.
const MAX_EXTENSION_DIGITS: usize = 5;
/// A number of JSON that is longer is no phone number's.
const MAX_LITERAL_BYTES: usize = 64;
/// How far back the quotation mark is looked for that shows how they are written.
const MAX_BYTES_TO_QUOTE: usize = 256;
/// Digits before a dash that may be dialled before a number.
const MAX_PREFIX_DIGITS: usize = 4;

/// A number that is looked for.
#[derive(Clone)]
pub struct Trace {
    number: PhoneNumber,
    spellings: Vec<Spelling>,
    /// How its own country writes numbers.
    own_plan: Option<NumberPlan>,
}

/// Digits alone.
#[derive(Clone, PartialEq, Eq)]
struct Spelling {
    digits: String,
    says: Says,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    /// It begins with the country code: what stands behind a `+`.
    Country,
    /// It begins with what is dialled before a number.
    Prefix,
    /// Nothing but the number's own digits.
    Bare,
}

/// What is known of a text besides its characters.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// How numbers are written where it comes from.
    pub plan: Option<&'a NumberPlan>,
    /// It is a phone number and nothing else.
    pub is_number: bool,
}

/// What a text is to become.
struct Change {
    /// In the text as it is.
    at: Range<usize>,
    /// What stands around the token.
    quote: String,
    layer: usize,
}

impl Change {
    /// In JSON a value that is no string becomes one, all of it, and within a string no quotation mark
    /// stands by itself.
    fn fit(&mut self, text: &str, strings: &[Range<usize>]) {
        let next = strings.partition_point(|string| string.end <= self.at.start);
        if strings.get(next).is_some_and(|string| string.start < self.at.start) {
            if self.quote == "\"" {
                self.quote.clear();
            }
            return;
        }
        let of_literal = |bytes: &mut dyn Iterator<Item = &u8>| {
            bytes.take_while(|byte| is_of_literal(**byte)).count()
        };
        let bytes = text.as_bytes();
        self.at.start -= of_literal(&mut bytes[..self.at.start].iter().rev());
        self.at.end += of_literal(&mut bytes[self.at.end..].iter());
        "\"".clone_into(&mut self.quote);
    }
}

/// A reading of a text.
struct Reading<'a> {
    layer: &'a Layer,
    groups: Vec<Group>,
    setting: Setting<'a>,
    rows_of_numbers: OnceCell<Vec<Range<usize>>>,
    first_quote: OnceCell<Option<usize>>,
}

impl Trace {
    /// None for what is no complete number. Of the plans' countries its trunk prefixes are taken.
    pub fn of(number: &PhoneNumber, plans: &[NumberPlan]) -> Option<Self> {
        let own = number.significant_digits()?;
        let digits = number.reveal().strip_prefix('+')?;
        let code = digits.strip_suffix(own.as_str())?;
        let own_plan = NumberPlan::usual_of(number);
        let at_home = plans.iter().chain(&own_plan).filter(|plan| plan.is_of_country(code));
        let mut trunks: Vec<&str> = at_home.map(|plan| plan.trunk_prefix.as_str()).collect();
        trunks.extend(["", "0"]);
        let mut abroad: Vec<&str> = INTERNATIONAL_PREFIXES.to_vec();
        abroad.extend(plans.iter().map(|plan| plan.international_prefix.as_str()));
        let mut spellings = vec![Spelling { digits: own.clone(), says: Says::Bare }];
        for trunk in trunks {
            let with_code = format!("{code}{trunk}{own}");
            for prefix in abroad.iter().filter(|prefix| !prefix.is_empty()) {
                let digits = format!("{prefix}{with_code}");
                spellings.push(Spelling { digits, says: Says::Prefix });
            }
            spellings.push(Spelling { digits: with_code, says: Says::Country });
            if !trunk.is_empty() {
                let digits = format!("{trunk}{own}");
                spellings.push(Spelling { digits, says: Says::Prefix });
            }
        }
        Some(Self { number: number.clone(), spellings, own_plan })
    }

    /// The text with `token` where the number stood; None when it is not there.
    pub fn masked(&self, text: &str, token: &str, setting: Setting<'_>) -> Option<String> {
        let shortest = self.spellings.first()?.digits.len();
        let mut changes: Vec<Change> = Vec::new();
        for (depth, layer) in Layer::all_of(text).iter().enumerate() {
            let groups = groups_of(&layer.text);
            if groups.iter().map(|group| group.digits.len()).sum::<usize>() < shortest {
                continue;
            }
            let reading = Reading::new(layer, groups, setting);
            for at in self.found(&reading).into_iter().chain(self.found_as_powers(&reading)) {
                let (at, quote) = reading.whole_value(at);
                let quote = quote.map_or("", |quote| &text[layer.source(&quote)]).to_owned();
                changes.push(Change { at: layer.source(&at), quote, layer: depth });
            }
        }
        if changes.is_empty() {
            return None;
        }
        // What is deeper knows better what stands around it.
        changes.sort_by_key(|change| (change.at.start, std::cmp::Reverse(change.layer)));
        if let Some(strings) = strings_of_json(text) {
            for change in &mut changes {
                change.fit(text, &strings);
            }
        }
        let mut masked = String::with_capacity(text.len());
        let mut copied = 0;
        for Change { at, quote, .. } in changes {
            if at.start < copied {
                copied = copied.max(at.end);
                continue;
            }
            masked.push_str(&text[copied..at.start]);
            masked.push_str(&quote);
            masked.push_str(token);
            masked.push_str(&quote);
            copied = at.end;
        }
        Some(masked + &text[copied..])
    }

    fn found(&self, reading: &Reading<'_>) -> Vec<Range<usize>> {
        let groups = &reading.groups;
        let mut found = Vec::new();
        let mut first = 0;
        while first < groups.len() {
            let last = self.row_from(reading, first);
            if let Some(last) = last {
                found.push(reading.begin_of(first)..groups[last].at.end);
            }
            first = last.unwrap_or(first) + 1;
        }
        found
    }

    /// The last group of the longest row that begins here and is the number.
    fn row_from(&self, reading: &Reading<'_>, first: usize) -> Option<usize> {
        let own_digits = self.spellings.first()?.digits.len();
        let mut digits = String::new();
        // How many digits stand before the first comma or the like.
        let mut parted_behind = None;
        let mut found = None;
        for (at, group) in reading.groups.iter().enumerate().skip(first) {
            if at > first && group.joint == Joint::Apart || group.is_other {
                break;
            }
            if at > first && group.joint == Joint::Loose {
                parted_behind = parted_behind.or(Some(digits.len()));
            }
            digits.push_str(&group.digits);
            let mut begun = self
                .spellings
                .iter()
                .filter(|spelling| spelling.digits.starts_with(&digits))
                .peekable();
            if begun.peek().is_none() {
                break;
            }
            // What is dialled before a number is a value of its own if a comma parts them.
            let is_one = parted_behind.is_none_or(|behind| behind + own_digits > digits.len());
            let spelling = begun.find(|spelling| is_one && spelling.digits == digits);
            if spelling.is_some_and(|spelling| self.is_it(reading, first..=at, spelling)) {
                found = Some(at);
            }
        }
        found
    }

    fn is_it(
        &self,
        reading: &Reading<'_>,
        row: std::ops::RangeInclusive<usize>,
        Spelling { digits, says }: &Spelling,
    ) -> bool {
        let (first, last) = (*row.start(), *row.end());
        if reading.are_values(first, last) || reading.is_in_word(first, last) {
            return false;
        }
        if reading.has_plus(first) {
            return *says == Says::Country
                && reading.ends_well(last)
                && !self.is_of_another(reading, first, last);
        }
        let begin = reading.groups[first].at.start;
        let held = match Held::by_name_before(&reading.layer.text[..begin]) {
            _ if reading.setting.is_number => Held::Number,
            held => held,
        };
        let is_likely = match held {
            Held::Number => true,
            Held::Other => *says == Says::Prefix,
            Held::Unsaid => {
                let is_long = *says != Says::Bare || digits.len() >= MIN_BARE_DIGITS;
                is_long && !(first == last && reads_as_date(digits))
            }
        };
        let means_another =
            |plan: &NumberPlan| plan.parse(digits).is_ok_and(|read| read != self.number);
        is_likely
            && reading.begins_well(first)
            && reading.ends_well(last)
            && !reading.is_amount(first, last)
            && !reading.setting.plan.is_some_and(means_another)
            && !self.is_of_another(reading, first, last)
    }

    /// Whether the row is the end, the beginning or the middle of another number.
    fn is_of_another(&self, reading: &Reading<'_>, first: usize, last: usize) -> bool {
        let groups = &reading.groups;
        // Behind a comma stands another value, unless this one has commas itself.
        let furthest = reading.joint_within(first, last);
        let joined = |at: usize| groups.get(at).is_some_and(|g| g.joint <= furthest && !g.is_other);
        let is_free = |at: usize| !groups[at].is_other;
        let from = (first.saturating_sub(MAX_NEIGHBOURS)..first)
            .rev()
            .take_while(|at| joined(at + 1) && is_free(*at))
            .last()
            .unwrap_or(first);
        let to = (last + 1..=last + MAX_NEIGHBOURS).take_while(|at| joined(*at)).last();
        for begin in from..=first {
            for end in last..=to.unwrap_or(last) {
                if begin == first && end == last {
                    continue;
                }
                let row = groups[begin..=end].iter().map(|group| group.digits.as_str());
                if self.is_another(&row.collect::<String>(), reading, begin) {
                    return true;
                }
            }
        }
        false
    }

    fn is_another(&self, digits: &str, reading: &Reading<'_>, first: usize) -> bool {
        let international = || PhoneNumber::from_e164(&format!("+{digits}"));
        if reading.has_plus(first) {
            return international()
                .is_ok_and(|number| number != self.number && number.is_assigned());
        }
        let plans = [reading.setting.plan, self.own_plan.as_ref()].into_iter().flatten();
        let mut read = plans.filter_map(|plan| plan.parse(digits).ok());
        read.any(|number| number != self.number && number.is_assigned())
            || digits.len() >= MIN_DIGITS_WITH_CODE
                && international().is_ok_and(|number| number != self.number && number.is_assigned())
    }

    /// Numbers as JSON may write them: `1.39e10`.
    fn found_as_powers(&self, reading: &Reading<'_>) -> Vec<Range<usize>> {
        let text = reading.layer.text.as_str();
        let bytes = text.as_bytes();
        let marks = text.match_indices(['e', 'E']).map(|(at, _)| at);
        let whole = marks.filter_map(|mark| {
            let before = length_of_literal(bytes[..mark].iter().rev())?;
            let at = mark - before..mark + length_of_literal(bytes[mark..].iter())?;
            let digits = plain_digits(&text[at.clone()])?;
            let says_it = |spelling: &Spelling| {
                spelling.digits == digits
                    && (spelling.says != Says::Bare || digits.len() >= MIN_BARE_DIGITS)
            };
            let held = Held::by_name_before(&text[..at.start]);
            let is_it = held != Held::Other && self.spellings.iter().any(says_it);
            (is_it && reading.is_bare_value(&at)).then_some(at)
        });
        whole.collect()
    }
}

impl<'a> Reading<'a> {
    fn new(layer: &'a Layer, groups: Vec<Group>, setting: Setting<'a>) -> Self {
        let (rows_of_numbers, first_quote) = (OnceCell::new(), OnceCell::new());
        Self { layer, groups, setting, rows_of_numbers, first_quote }
    }

    /// What stands before a group, without what is not seen.
    fn before(&self, group: usize) -> &str {
        let begin = self.groups[group].at.start;
        self.layer.text[..begin].trim_end_matches(|c| !is_seen(c))
    }

    /// What stands behind a group, without what is not seen.
    fn behind(&self, group: usize) -> &str {
        self.layer.text[self.groups[group].at.end..].trim_start_matches(|c| !is_seen(c))
    }

    /// A plus and a bracket belong to the number.
    fn begin_of(&self, group: usize) -> usize {
        let before = self.before(group);
        let without = before.trim_end_matches(['+', '\u{ff0b}', '(', '\u{ff08}']);
        if without.len() == before.len() { self.groups[group].at.start } else { without.len() }
    }

    fn has_plus(&self, group: usize) -> bool {
        let before = self.before(group).trim_end_matches(['(', '\u{ff08}']);
        let number = before.trim_end_matches(|c| !is_seen(c)).strip_suffix(['+', '\u{ff0b}']);
        // Behind a digit it is a form's way of writing a space.
        number.is_some_and(|before| !before.ends_with(|c: char| c.is_numeric()))
    }

    /// The furthest that groups of a row are from each other.
    fn joint_within(&self, first: usize, last: usize) -> Joint {
        let joints = self.groups[first..=last].iter().skip(1).map(|group| group.joint);
        joints.max().unwrap_or(Joint::Close)
    }

    /// Several numbers of a list of JSON.
    fn are_values(&self, first: usize, last: usize) -> bool {
        let at = self.groups[first].at.start..self.groups[last].at.end;
        self.joint_within(first, last) == Joint::Loose && self.is_bare_value(&at)
    }

    /// Whether letters beside the row make it part of something longer: of an escape, of a hash, or of
    /// an id, which has digits beyond its letters, too. Otherwise they hide nothing.
    fn is_in_word(&self, first: usize, last: usize) -> bool {
        let (before, behind) = (self.before(first), self.behind(last));
        let is_letter = |c: char| c.is_ascii_alphabetic();
        let is_digit = |c: char| c.is_ascii_digit();
        let rest = before.trim_end_matches(is_letter);
        let letters = &before[rest.len()..];
        let tail = behind.trim_start_matches(is_letter);
        let end = &behind[..behind.len() - tail.len()];
        let is_extension = matches!(end, "x" | "ext") && tail.starts_with(is_digit);
        let is_hexadecimal = |letters: &str| letters.bytes().all(|c| c.is_ascii_hexdigit());
        let digits = &self.groups[first..=last];
        let chars = digits.iter().map(|group| group.digits.len()).sum::<usize>();
        let has_letters = !letters.is_empty() || !end.is_empty();
        is_half_of_escape(before)
            || !letters.is_empty() && rest.ends_with(is_digit)
            || !end.is_empty() && tail.starts_with(is_digit) && !is_extension
            || has_letters
                && letters.len() + chars + end.len() >= MIN_HASH_CHARS
                && is_hexadecimal(letters)
                && is_hexadecimal(end)
    }

    /// Not in the middle of a longer row of digits.
    fn begins_well(&self, first: usize) -> bool {
        let before = self.before(first);
        let group = &self.groups[first];
        // Half of a percent sign's escape.
        let is_whole = !before.ends_with('%') || group.digits.get(..2).is_some_and(|c| c < "20");
        let neighbour = first.checked_sub(1).map(|at| &self.groups[at]);
        let neighbour = neighbour.filter(|_| group.joint == Joint::Close);
        is_whole
            && neighbour.is_none_or(|before| match Gap::between(&self.layer.text, before, group) {
                Gap::Dash => {
                    before.digits.len() <= MAX_PREFIX_DIGITS && !before.is_other
                        || reads_as_date(&before.digits)
                }
                Gap::Point => false,
                Gap::Other => true,
            })
    }

    fn ends_well(&self, last: usize) -> bool {
        let group = &self.groups[last];
        let neighbour = self.groups.get(last + 1).filter(|behind| behind.joint == Joint::Close);
        neighbour.is_none_or(|behind| {
            match Gap::between(&self.layer.text, group, behind) {
                Gap::Dash => {
                    behind.digits.len() <= MAX_EXTENSION_DIGITS || reads_as_date(&behind.digits)
                }
                // As spreadsheets write whole numbers.
                Gap::Point => behind.digits.bytes().all(|digit| digit == b'0'),
                Gap::Other => true,
            }
        })
    }

    /// Less than zero, or with a decimal point: people part numbers with points more than once, or behind
    /// a prefix of several digits.
    fn is_amount(&self, first: usize, last: usize) -> bool {
        let (begin, end) = (&self.groups[first], &self.groups[last]);
        let is_decimal = last == first + 1
            && Gap::between(&self.layer.text, begin, end) == Gap::Point
            && (begin.digits == "0" || !begin.digits.starts_with('0'));
        let before = self.layer.text[..begin.at.start].strip_suffix('-');
        let is_negative =
            before.is_some_and(|before| self.is_bare_value(&(before.len()..end.at.end)));
        is_decimal || is_negative
    }

    /// Of a value of JSON that is no string all of it, and where the nearest quotation mark stands.
    fn whole_value(&self, at: Range<usize>) -> (Range<usize>, Option<Range<usize>>) {
        let behind = length_of_literal(self.layer.text.as_bytes()[at.end..].iter());
        let whole = behind.map(|behind| at.start..at.end + behind);
        match whole.filter(|whole| self.is_bare_value(whole)) {
            Some(whole) => (whole.clone(), self.quote_near(&whole)),
            None => (at, None),
        }
    }

    fn quote_near(&self, at: &Range<usize>) -> Option<Range<usize>> {
        let bytes = self.layer.text.as_bytes();
        let is_quote = |byte: &u8| *byte == b'"';
        let from = at.start.saturating_sub(MAX_BYTES_TO_QUOTE);
        let before = bytes[from..at.start].iter().rposition(is_quote).map(|place| from + place);
        let first = || *self.first_quote.get_or_init(|| bytes.iter().position(is_quote));
        before.or_else(first).map(|quote| quote..quote + 1)
    }

    /// Behind a name in quotation marks, or in a list.
    fn is_bare_value(&self, at: &Range<usize>) -> bool {
        let (before, behind) = (&self.layer.text[..at.start], &self.layer.text[at.end..]);
        let ends = behind.trim_start().starts_with([',', '}', ']']);
        let before = before.trim_end();
        let begins = match before.chars().next_back() {
            Some(':') => before[..before.len() - 1].trim_end().ends_with('"'),
            Some('[') => true,
            Some(',') => self.is_of_list(before.len() - 1),
            _ => false,
        };
        begins && ends
    }

    /// Whether nothing but numbers lie between the beginning of a list, or something that is no number,
    /// and this comma.
    fn is_of_list(&self, comma: usize) -> bool {
        let bytes = self.layer.text.as_bytes();
        let rows = self.rows_of_numbers.get_or_init(|| rows_of_numbers(bytes));
        let row = rows.partition_point(|row| row.end <= comma);
        rows.get(row).is_some_and(|row| {
            let before = row.start.checked_sub(1).map(|before| bytes[before]);
            matches!(before, Some(b'[' | b'"' | b'}' | b']'))
                // The last letter of `true` may also be one of a number.
                || ends_with_word(&bytes[..row.start])
                || ends_with_word(&bytes[..=row.start])
        })
    }
}

/// Whether the end of this is a value of JSON that is a word, in a list.
fn ends_with_word(bytes: &[u8]) -> bool {
    let before =
        [b"null".as_slice(), b"true", b"false"].iter().find_map(|word| bytes.strip_suffix(*word));
    let last = before.and_then(|before| {
        let near = before.iter().rev().take(MAX_BYTES_TO_QUOTE);
        near.copied().find(|byte| !byte.is_ascii_whitespace())
    });
    matches!(last, Some(b'[' | b','))
}

/// Where the strings of a text that is JSON stand, with their quotation marks. Digits alone are no JSON to
/// anybody who writes a number.
fn strings_of_json(text: &str) -> Option<Vec<Range<usize>>> {
    text.trim_start().strip_prefix(['{', '[', '"'])?;
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut strings = Vec::new();
    let (mut begin, mut is_escaped) = (None, false);
    for (at, byte) in text.bytes().enumerate() {
        match (begin, byte) {
            (None, b'"') => begin = Some(at),
            (Some(_), _) if is_escaped => is_escaped = false,
            (Some(_), b'\\') => is_escaped = true,
            (Some(from), b'"') => {
                strings.push(from..at + 1);
                begin = None;
            }
            _ => {}
        }
    }
    Some(strings)
}

fn is_of_literal(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')
}

/// How many of these belong to one number of JSON; None when they are too many for one.
fn length_of_literal<'a>(bytes: impl Iterator<Item = &'a u8>) -> Option<usize> {
    let length = bytes.take(MAX_LITERAL_BYTES).take_while(|byte| is_of_literal(**byte)).count();
    (length < MAX_LITERAL_BYTES).then_some(length)
}

/// Where numbers of JSON stand with nothing but commas between them.
fn rows_of_numbers(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut rows: Vec<Range<usize>> = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        if is_of_literal(*byte) || matches!(byte, b',' | b' ' | b'\t' | b'\r' | b'\n') {
            match rows.last_mut() {
                Some(row) if row.end == at => row.end += 1,
                _ => rows.push(at..at + 1),
            }
        }
    }
    rows
}

/// Whether digits behind this are the end of an escape that begins in it: `\u4e`, `%a`.
fn is_half_of_escape(before: &str) -> bool {
    let digits = before.bytes().rev().take(3).take_while(u8::is_ascii_hexdigit).count();
    let rest = &before[..before.len() - digits];
    rest.ends_with("\\u") || rest.ends_with('%') && digits == 1
}

/// `1.39e10` in full; None for what is no whole number.
fn plain_digits(literal: &str) -> Option<String> {
    let (mantissa, power) = literal.split_once(['e', 'E'])?;
    let power: usize = power.strip_prefix('+').unwrap_or(power).parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let zeros = power.checked_sub(fraction.len()).filter(|zeros| *zeros <= MAX_DIALLED_DIGITS)?;
    let digits = format!("{whole}{fraction}{}", "0".repeat(zeros));
    (!whole.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())).then_some(digits)
}
