//! What the member, parameter or element is called that holds a value.

/// What a value is, by the name of what holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// A phone number, whatever else its digits could be.
    Number,
    /// A time, or the id of something that is no person.
    Other,
    Unsaid,
}

const NUMBERS: [&str; 17] = [
    "called",
    "caller",
    "callee",
    "calling",
    "phone",
    "phones",
    "tel",
    "telephone",
    "mobile",
    "msisdn",
    "number",
    "numbers",
    "target",
    "destination",
    "cell",
    "fax",
    "whatsapp",
];
const TIMES: [&str; 10] =
    ["time", "date", "timestamp", "tm", "at", "ts", "created", "updated", "expires", "until"];
const IDS: [&str; 6] = ["id", "ids", "uuid", "guid", "hash", "signature"];
/// Of what an id is one of these, and not a person's: people's numbers serve as references of people.
const THINGS: [&str; 18] = [
    "campaign", "call", "account", "vdn", "request", "trace", "span", "event", "delivery", "job",
    "batch", "record", "flow", "queue", "message", "parent", "object", "session",
];
const LONGEST_NAME_BYTES: usize = 64;

impl Held {
    /// By what stands before a value: `"called": "`, `called=`, `<called>`.
    pub fn by_name_before(text: &str) -> Self {
        name_before(text).map_or(Held::Unsaid, Held::named)
    }

    fn named(name: &str) -> Self {
        let words = words(name);
        let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
        let is_last =
            |list: &[&str]| words.last().is_some_and(|word| list.contains(&word.as_str()));
        if is_last(&IDS) {
            let of_things = words.len() == 1 || has(&THINGS);
            return if of_things { Held::Other } else { Held::Unsaid };
        }
        if has(&TIMES) {
            return Held::Other;
        }
        if has(&NUMBERS) { Held::Number } else { Held::Unsaid }
    }
}

fn name_before(text: &str) -> Option<&str> {
    let mut begin = text.len().saturating_sub(LONGEST_NAME_BYTES * 2);
    while !text.is_char_boundary(begin) {
        begin += 1;
    }
    let text = &text[begin..];
    let value = text.strip_suffix(['"', '\'']).unwrap_or(text).trim_end();
    let name = if let Some(name) = value.strip_suffix(':') {
        let name = name.trim_end();
        name.strip_suffix(['"', '\'']).unwrap_or(name)
    } else if let Some(name) = value.strip_suffix('=') {
        name
    } else {
        text.strip_suffix('>')?
    };
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let begin = name
        .rfind(|c: char| !is_of_name(c))
        .map_or(0, |at| at + name[at..].chars().next().map_or(0, char::len_utf8));
    let name = &name[begin..];
    (!name.is_empty() && name.len() <= LONGEST_NAME_BYTES).then_some(name)
}

/// `callTimeStr`, `call_time` and `call-time` begin with the words `call` and `time`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for character in name.chars() {
        if matches!(character, '_' | '-') {
            words.push(String::new());
        } else {
            if character.is_ascii_uppercase() && was_small {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(character.to_lowercase().filter(|c| !c.is_ascii_digit()));
            }
        }
        was_small = !character.is_ascii_uppercase();
    }
    words.retain(|word| !word.is_empty());
    words
}
