//! A text with its escapes undone, and where each character of it came from.

use std::ops::Range;

/// An escape within an escape within …; what is deeper is nobody's way of writing a number.
const MAX_LAYERS: usize = 6;
/// The longest named entity of HTML, with its `&` and `;`.
const MAX_ENTITY_BYTES: usize = 40;

/// A text as it reads once some of its escapes are undone.
pub struct Layer {
    pub text: String,
    /// In order; all other characters stand in the source as they stand here.
    undone: Vec<Undone>,
}

/// A character that is written in another way in the source.
#[derive(Clone, Copy)]
struct Undone {
    at: usize,
    length: usize,
    source_begin: usize,
    source_end: usize,
}

impl Layer {
    /// The text as it is, and then with its escapes undone once, twice … until none is left.
    pub fn all_of(text: &str) -> Vec<Layer> {
        let mut layers = vec![Layer { text: text.to_owned(), undone: Vec::new() }];
        while layers.len() < MAX_LAYERS
            && let Some(deeper) = layers.last().and_then(Layer::deeper)
        {
            layers.push(deeper);
        }
        layers
    }

    /// The part of the source that says what stands here, whole escapes.
    pub fn source(&self, range: &Range<usize>) -> Range<usize> {
        self.begin(range.start)..self.end(range.end)
    }

    fn begin(&self, at: usize) -> usize {
        match self.before(at) {
            Some(undone) if at < undone.at + undone.length => undone.source_begin,
            Some(undone) => undone.source_end + (at - undone.at - undone.length),
            None => at,
        }
    }

    fn end(&self, at: usize) -> usize {
        let Some(last) = at.checked_sub(1) else { return 0 };
        match self.before(last) {
            Some(undone) if last < undone.at + undone.length => undone.source_end,
            Some(undone) => undone.source_end + (at - undone.at - undone.length),
            None => at,
        }
    }

    fn before(&self, at: usize) -> Option<&Undone> {
        let behind = self.undone.partition_point(|undone| undone.at <= at);
        self.undone.get(behind.checked_sub(1)?)
    }

    /// None when no escape is left.
    fn deeper(&self) -> Option<Layer> {
        if !self.text.contains(['\\', '%', '&']) {
            return None;
        }
        let mut deeper = Layer { text: String::with_capacity(self.text.len()), undone: Vec::new() };
        let mut known = self.undone.iter().peekable();
        let (mut at, mut has_news) = (0, false);
        while let Some(character) = self.text[at..].chars().next() {
            let escape = match character {
                '\\' => json(&self.text[at..]),
                '%' => percent(&self.text[at..]),
                '&' => entity(&self.text[at..]),
                _ => None,
            };
            let (means, bytes) = match escape {
                Some(escape) => {
                    has_news = true;
                    escape
                }
                None => (character, character.len_utf8()),
            };
            while known.next_if(|undone| undone.at < at).is_some() {}
            if escape.is_some() || known.peek().is_some_and(|undone| undone.at == at) {
                deeper.undone.push(Undone {
                    at: deeper.text.len(),
                    length: means.len_utf8(),
                    source_begin: self.begin(at),
                    source_end: self.end(at + bytes),
                });
            }
            deeper.text.push(means);
            at += bytes;
        }
        has_news.then_some(deeper)
    }
}

/// What an escape of JSON at the beginning means, and its length.
fn json(text: &str) -> Option<(char, usize)> {
    let means = match text.as_bytes().get(1)? {
        b'u' => return json_by_number(text),
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        same @ (b'"' | b'\\' | b'/') => char::from(*same),
        _ => return None,
    };
    Some((means, 2))
}

fn json_by_number(text: &str) -> Option<(char, usize)> {
    let unit = |at: usize| u16::from_str_radix(text.get(at..at + 4)?, 16).ok();
    let first = unit(2)?;
    if let Some(character) = char::from_u32(u32::from(first)) {
        return Some((character, 6));
    }
    let second = text.get(6..8).filter(|escape| *escape == "\\u").and_then(|_| unit(8))?;
    let pair = char::decode_utf16([first, second]).next()?.ok()?;
    Some((pair, 12))
}

/// One character, which may be several percent-encoded bytes.
fn percent(text: &str) -> Option<(char, usize)> {
    let byte = |at: usize| {
        let digits = text.get(at..at + 3)?.strip_prefix('%')?;
        u8::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))
    };
    let mut bytes = [0; 4];
    for length in 1..=4 {
        bytes[length - 1] = byte((length - 1) * 3)?;
        if let Ok(read) = std::str::from_utf8(&bytes[..length]) {
            return Some((read.chars().next()?, length * 3));
        }
    }
    None
}

fn entity(text: &str) -> Option<(char, usize)> {
    let length = text.bytes().take(MAX_ENTITY_BYTES).position(|byte| byte == b';')? + 1;
    let escape = text.get(..length)?;
    let read = html_escape::decode_html_entities(escape);
    let mut characters = read.chars();
    let means = characters.next()?;
    (read != escape && characters.next().is_none()).then_some((means, length))
}
