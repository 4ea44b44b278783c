//! Reads Rust sources as far as the house rules need: what is code, which paths of the crate it
//! names, how long its functions are.

/// Every path into the crate: `crate::…` with its use trees spread out, and paths that begin with
/// the name of one of `parts` (`platforms::…` after `use crate::platforms`). `(line, path below crate)`.
pub fn paths_of(bare: &str, parts: &[&str]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line_index, start) in occurrences(bare, "crate::") {
        let mut spread = Vec::new();
        spread_tree(&bare[start + "crate::".len()..], "", &mut spread);
        found.extend(spread.into_iter().map(|path| (line_index, path)));
    }
    for part in parts {
        for (line_index, start) in occurrences(bare, &format!("{part}::")) {
            let mut spread = Vec::new();
            spread_tree(&bare[start..], "", &mut spread);
            found.extend(spread.into_iter().map(|path| (line_index, path)));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Where `needle` begins a path of its own: `(line, byte offset)`.
fn occurrences(text: &str, needle: &str) -> Vec<(usize, usize)> {
    let begins = |at: &usize| {
        let before = text[..*at].chars().next_back().unwrap_or(' ');
        !(before.is_alphanumeric() || before == '_' || before == ':')
    };
    let offsets = text.match_indices(needle).map(|(at, _)| at).filter(begins);
    offsets.map(|at| (text[..at].matches('\n').count() + 1, at)).collect()
}

/// Spreads `a::{b, c::{self, D}}` into `a::b`, `a::c`, `a::c::D`; returns what was consumed.
fn spread_tree(text: &str, prefix: &str, found: &mut Vec<String>) -> usize {
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '*';
    let name_length = text.find(|c: char| !is_name(c)).unwrap_or(text.len());
    let name = &text[..name_length];
    let path = match (prefix, name) {
        (_, "" | "self" | "*") => prefix.to_owned(),
        ("", name) => name.to_owned(),
        (prefix, name) => format!("{prefix}::{name}"),
    };
    let rest = &text[name_length..];
    if let Some(inner) = rest.strip_prefix("::")
        && inner.starts_with(|c: char| is_name(c) || c == '{')
    {
        return name_length + 2 + spread_tree(inner, &path, found);
    }
    if name.is_empty() && rest.starts_with('{') {
        let mut at = 1;
        loop {
            at += text[at..].len() - text[at..].trim_start_matches([' ', '\n', ',']).len();
            if at >= text.len() || text[at..].starts_with('}') {
                return at + 1;
            }
            let used = spread_tree(&text[at..], prefix, found);
            // An alias (`as name`) or anything odd: go on behind the next comma or brace.
            at += used;
            at += text[at..].find([',', '}']).unwrap_or(text.len() - at);
        }
    }
    found.push(path);
    name_length
}

/// Blanks comments (first answer), and what strings and characters say as well (second answer);
/// line numbers stay.
pub fn strip(text: &str) -> (String, String) {
    let (mut code, mut bare) = (String::new(), String::new());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let (length, in_code, in_bare) = match next {
            '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), false, false),
            '/' if rest.starts_with("/*") => {
                (rest.find("*/").map_or(rest.len(), |at| at + 2), false, false)
            }
            '"' => (string_length(rest), true, false),
            'r' if raw_hashes(rest).is_some() && !ends_in_name(&bare) => {
                (raw_length(rest), true, false)
            }
            '\'' if rest[1..].starts_with('\\') => (
                rest[2..]
                    .char_indices()
                    .skip(1)
                    .find(|(_, c)| *c == '\'')
                    .map_or(2, |(at, _)| at + 3),
                true,
                false,
            ),
            '\'' if rest[1..].chars().nth(1) == Some('\'') => {
                (rest.char_indices().nth(3).map_or(rest.len(), |(at, _)| at), true, false)
            }
            other => (other.len_utf8(), true, true),
        };
        let (piece, after) = rest.split_at(length);
        code.push_str(&if in_code { piece.to_owned() } else { blank(piece) });
        bare.push_str(&if in_bare { piece.to_owned() } else { blank(piece) });
        rest = after;
    }
    (code, bare)
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The `#` of a raw string that begins here.
fn raw_hashes(text: &str) -> Option<usize> {
    let after = text.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

fn raw_length(text: &str) -> usize {
    let hashes = raw_hashes(text).unwrap_or_default();
    let close = format!("\"{}", "#".repeat(hashes));
    let open = 2 + hashes;
    text[open..].find(&close).map_or(text.len(), |at| open + at + close.len())
}

fn ends_in_name(text: &str) -> bool {
    // `br"…"` is a raw string as well; any longer name that ends in `r` is not.
    let name = text.rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next();
    name.is_some_and(|name| !name.is_empty() && name != "b")
}

fn blank(piece: &str) -> String {
    piece.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect()
}

/// Line and length of every function with a body.
pub fn functions(bare: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (at, _) in bare.match_indices("fn ") {
        if bare[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let Some(open) = bare[at..].find(['{', ';']).map(|open| at + open) else { continue };
        let mut depth = 0_usize;
        for (close, c) in bare[open..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                let first = bare[..at].matches('\n').count() + 1;
                found.push((first, bare[at..open + close].matches('\n').count() + 1));
                break;
            }
        }
    }
    found
}

#[test]
fn the_reader_of_sources_sees_code_and_nothing_else() {
    let text = "let a = \"crate::x\"; // crate::y\nlet b = 'c'; /* crate::z */ use crate::{p::q, r};\n\
                fn f<'a>(s: &'a str) -> char { '\"' } let raw = r#\"crate::w \" \"#; crate::last::T";
    let (code, bare) = strip(text);
    assert!(code.contains("\"crate::x\"") && !code.contains("crate::y"));
    assert_eq!(bare.lines().count(), text.lines().count());
    let found = paths_of(&bare, &[]);
    assert_eq!(found, [(2, "p::q".to_owned()), (2, "r".to_owned()), (3, "last::T".to_owned())]);
}
