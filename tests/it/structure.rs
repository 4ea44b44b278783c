//! The house rules that a compiler does not check: who may import whom (ARCHITECTURE.md,
//! "Direction"), words that belong to one platform, sizes, leftover markers, and that the
//! documents name only paths that exist. One test, one list of violations: `file:line: rule`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use self::source::{functions, paths_of, strip};

mod source;

/// Longest file, in lines; past it a file becomes a folder.
const FILE_LINES_MAX: usize = 600;

/// Longest function, in lines from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// What a part of `src/` may name of the crate. The longest `part` that contains a file rules it;
/// everything below the part itself is its own.
struct Layer {
    part: &'static str,
    may: &'static [&'static str],
    never: &'static [&'static str],
}

/// Either folder of `platforms/`: known to nobody but its facade, its simulator and the front.
const PLATFORMS_INSIDE: &[&str] = &["platforms::voipbin", "platforms::isales"];

const LAYERS: &[Layer] = &[
    Layer { part: "domain", may: &[], never: &[] },
    Layer { part: "mapping", may: &["decoding"], never: &[] },
    Layer { part: "clock", may: &[], never: &[] },
    Layer { part: "decoding", may: &[], never: &[] },
    Layer { part: "signing", may: &["clock"], never: &[] },
    Layer { part: "telemetry", may: &["clock", "config", "domain"], never: &[] },
    Layer { part: "transport", may: &["clock", "config", "domain", "telemetry"], never: &[] },
    // The loader fills types that the platforms' front declares (Bindings, NumberPlan …), and says on which
    // line a file holds no keys.
    Layer {
        part: "config",
        may: &["decoding", "domain", "platforms", "signing"],
        never: PLATFORMS_INSIDE,
    },
    Layer { part: "platforms", may: BELOW_PLATFORMS, never: &[] },
    Layer { part: "platforms::voipbin", may: INSIDE_PLATFORMS, never: &["platforms::isales"] },
    Layer { part: "platforms::isales", may: INSIDE_PLATFORMS, never: &["platforms::voipbin"] },
    Layer {
        part: "forwarding",
        may: &["clock", "decoding", "domain", "platforms", "signing", "telemetry", "transport"],
        never: PLATFORMS_INSIDE,
    },
    Layer { part: "ledger", may: &["clock", "domain"], never: &[] },
    Layer { part: "idcache", may: &["clock", "domain"], never: &[] },
    Layer {
        part: "gateway",
        may: &[
            "clock",
            "config",
            "decoding",
            "domain",
            "forwarding",
            "idcache",
            "ledger",
            "mapping",
            "platforms",
            "telemetry",
            "transport",
        ],
        never: &[
            "platforms::voipbin",
            "platforms::isales",
            "ledger::sqlite",
            "ledger::postgres",
            "ledger::statements",
            "ledger::schema",
        ],
    },
    Layer {
        part: "http",
        may: &["clock", "config", "decoding", "domain", "gateway", "platforms", "telemetry"],
        never: PLATFORMS_INSIDE,
    },
    Layer {
        part: "http::callbacks",
        may: &["clock", "config", "decoding", "domain", "gateway", "http", "platforms", "signing"],
        never: PLATFORMS_INSIDE,
    },
    Layer {
        part: "http::voipbin_api",
        may: &[
            "clock",
            "config",
            "domain",
            "gateway",
            "http",
            "platforms",
            "platforms::voipbin::auth",
            "platforms::voipbin::convert",
            "platforms::voipbin::wire",
            "signing",
        ],
        never: &["platforms::voipbin", "platforms::isales", "http::isales_api"],
    },
    Layer {
        part: "http::isales_api",
        may: &[
            "clock",
            "config",
            "domain",
            "gateway",
            "http",
            "platforms",
            "platforms::isales::auth",
            "platforms::isales::convert",
            "platforms::isales::wire",
            "signing",
        ],
        never: &["platforms::isales", "platforms::voipbin", "http::voipbin_api"],
    },
    Layer { part: "simulators", may: &["clock", "domain", "signing"], never: &[] },
    Layer {
        part: "simulators::voipbin",
        may: &[
            "clock",
            "domain",
            "platforms::voipbin::auth",
            "platforms::voipbin::wire",
            "signing",
            "simulators",
        ],
        never: &["simulators::isales"],
    },
    Layer {
        part: "simulators::isales",
        may: &[
            "clock",
            "domain",
            "platforms::isales::auth",
            "platforms::isales::wire",
            "signing",
            "simulators",
        ],
        never: &["simulators::voipbin"],
    },
];

const BELOW_PLATFORMS: &[&str] =
    &["clock", "config", "decoding", "domain", "mapping", "signing", "transport"];
const INSIDE_PLATFORMS: &[&str] =
    &["clock", "config", "decoding", "domain", "mapping", "platforms", "signing", "transport"];

/// The parts that know everyone.
const TOP: &[&str] = &["app", "cli", "lib", "main"];

/// Words of one platform, looked for in identifiers and strings, whatever their case.
const PLATFORM_WORDS: &[&str] = &[
    "outdial",
    "outplan",
    "campaigncall",
    "callbackurl",
    "call_back_url",
    "callback_url",
    "skill",
    "voipbin",
    "isales",
];

/// Where those words have no place.
const WITHOUT_PLATFORM_WORDS: &[&str] = &["src/domain/", "src/gateway/", "src/ledger/"];

/// Documents whose paths must exist.
const DOCUMENTS: &[&str] = &["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md"];

/// Where either platform may be named: the front, settings, the composition root, the commands.
const KNOWS_BOTH_PLATFORMS: &[&str] = &[
    "src/platforms/mod.rs",
    "src/platforms/adapter.rs",
    "src/platforms/notice.rs",
    "src/app.rs",
    "src/app/",
    "src/cli/",
    "src/config/",
];

#[test]
fn the_house_stands() {
    let house = House::read();
    let mut violations = Vec::new();
    for file in &house.files {
        imports(file, &mut violations);
        platform_words(file, &mut violations);
        platform_kinds(file, &mut violations);
        sizes(file, &mut violations);
        leftovers(file, &mut violations);
        unpolled(file, &mut violations);
        unguarded(file, &mut violations);
    }
    for document in DOCUMENTS {
        paths_in_document(&house.root, document, &mut violations);
    }
    same_modules(&house, &mut violations);
    let mut report = String::new();
    for violation in &violations {
        let _ = writeln!(report, "{violation}");
    }
    assert!(violations.is_empty(), "{} violation(s):\n{report}", violations.len());
}

/// What is under way in the gateway is in the one kind of set beside which others are waited for.
fn unpolled(file: &Source, violations: &mut Vec<String>) {
    let is_bound = file.path.starts_with("src/") && !file.path.starts_with("src/simulators/");
    if !is_bound || file.path == "src/gateway/under_way.rs" {
        return;
    }
    if file.bare.contains("FuturesUnordered") {
        violations.push(format!("{}: futures stand still in it; use `UnderWay`", file.path));
    }
    // From where a worker has a set to the end of that function.
    for body in file.bare.split("UnderWay::new()").skip(1) {
        let body = body.split("\n    }\n").next().unwrap_or_default();
        for line in body.lines().filter(|line| line.contains(".await")) {
            // What is pushed goes on by itself.
            if !line.contains(".beside(") && !line.contains(".push(") {
                let line = line.trim();
                violations.push(format!("{}: its set stands still in `{line}`", file.path));
            }
        }
    }
}

/// Who reads a body by another way than the entrance reads it before its sender is known, in as much
/// memory as it likes.
fn unguarded(file: &Source, violations: &mut Vec<String>) {
    if !file.path.starts_with("src/http/") || file.path.starts_with("src/http/entrance/") {
        return;
    }
    // They give it to the entrance themselves, after they looked at the request.
    let looks_first = ["callbacks/", "voipbin_api/login.rs", "voipbin_api/passthrough.rs"];
    let looks_first =
        looks_first.iter().any(|part| file.path["src/http/".len()..].starts_with(part));
    let always = ["Json<", "Form<", "Multipart", "HttpRequest, body: Bytes", "    body: Bytes,"];
    let unless_first = [": Payload", "web::Payload"];
    for (line, text) in numbered(&file.bare) {
        let unless_first = unless_first.iter().filter(|_| !looks_first);
        let way = always.iter().chain(unless_first).find(|way| text.contains(**way));
        if let Some(way) = way {
            violations.push(format!("{}:{line}: `{way}` goes around the entrance", file.path));
        }
    }
}

struct House {
    root: PathBuf,
    files: Vec<Source>,
}

struct Source {
    /// From the root, with `/`.
    path: String,
    text: String,
    /// Without comments.
    code: String,
    /// Without comments and without what strings say.
    bare: String,
}

impl House {
    fn read() -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut found = Vec::new();
        for folder in ["src", "tests", "benches"] {
            walk(&root.join(folder), &mut found);
        }
        found.sort();
        let files = found.iter().filter_map(|path| Source::read(&root, path)).collect();
        Self { root, files }
    }
}

impl Source {
    fn read(root: &Path, path: &Path) -> Option<Self> {
        let kind = path.extension()?.to_str()?;
        if !matches!(kind, "rs" | "sql") {
            return None;
        }
        let text = fs::read_to_string(path).unwrap();
        let (code, bare) = if kind == "rs" { strip(&text) } else { (text.clone(), String::new()) };
        let path = relative(root, path);
        Some(Self { path, text, code, bare })
    }

    /// `src/platforms/isales/wire.rs` is `platforms::isales::wire`; nothing outside `src/`.
    fn module(&self) -> Option<String> {
        let inner = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        let inner = inner.strip_suffix("/mod").unwrap_or(inner);
        Some(inner.replace('/', "::"))
    }
}

fn imports(file: &Source, violations: &mut Vec<String>) {
    let Some(module) = file.module() else { return };
    if TOP.iter().any(|top| within(&module, top)) {
        return;
    }
    let layer = LAYERS
        .iter()
        .filter(|layer| within(&module, layer.part))
        .max_by_key(|layer| layer.part.len());
    let Some(layer) = layer else {
        violations.push(format!("{}:1: no rule says whom `{module}` may know", file.path));
        return;
    };
    // A crate is called `http` as well, so that part is found behind `crate::` only.
    let parts: Vec<&str> = LAYERS
        .iter()
        .map(|layer| layer.part)
        .filter(|part| !part.contains("::") && *part != "http")
        .collect();
    for (line, path) in paths_of(&file.bare, &parts) {
        if !may_name(layer, &path) {
            violations
                .push(format!("{}:{line}: `{}` must not know `{path}`", file.path, layer.part));
        }
    }
    for (line, text) in numbered(&file.bare) {
        if text.contains("super::super::") {
            violations.push(format!(
                "{}:{line}: `super::super::` hides a direction, write `crate::`",
                file.path
            ));
        }
    }
}

/// The longest rule about a path decides.
fn may_name(layer: &Layer, path: &str) -> bool {
    if !path.contains("::") && path.starts_with(char::is_uppercase) {
        return true;
    }
    let longest = |rules: &[&str]| {
        rules.iter().filter(|rule| within(path, rule)).map(|rule| rule.len()).max()
    };
    let allowed = longest(layer.may).max(longest(&[layer.part]));
    allowed.is_some() && allowed >= longest(layer.never)
}

fn platform_words(file: &Source, violations: &mut Vec<String>) {
    if !WITHOUT_PLATFORM_WORDS.iter().any(|part| file.path.starts_with(part)) {
        return;
    }
    for (line, text) in numbered(&file.code) {
        let lower = text.to_lowercase();
        for word in PLATFORM_WORDS.iter().filter(|word| lower.contains(**word)) {
            violations.push(format!("{}:{line}: `{word}` is a word of one platform", file.path));
        }
    }
}

fn platform_kinds(file: &Source, violations: &mut Vec<String>) {
    let known = KNOWS_BOTH_PLATFORMS.iter().any(|place| file.path.starts_with(place));
    if known || !file.path.starts_with("src/") {
        return;
    }
    for (line, text) in numbered(&file.bare) {
        for (kind, own) in [("Voipbin", "voipbin"), ("Isales", "isales")] {
            // A platform's own folder, facade and simulator may say their own name.
            let at_home = file.path.split(['/', '.', '_']).any(|part| part == own);
            if text.contains(&format!("PlatformKind::{kind}")) && !at_home {
                violations
                    .push(format!("{}:{line}: nothing here asks which platform it is", file.path));
            }
        }
    }
}

fn sizes(file: &Source, violations: &mut Vec<String>) {
    let lines = file.text.lines().count();
    if lines > FILE_LINES_MAX {
        violations.push(format!(
            "{}:{lines}: more than {FILE_LINES_MAX} lines, make it a folder",
            file.path
        ));
    }
    for (line, length) in functions(&file.bare) {
        if length > FUNCTION_LINES_MAX {
            violations.push(format!(
                "{}:{line}: a function of {length} lines, at most {FUNCTION_LINES_MAX}",
                file.path
            ));
        }
    }
}

fn leftovers(file: &Source, violations: &mut Vec<String>) {
    // Spelt in two halves, so that this file does not find itself.
    let markers = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
        concat!("db", "g!("),
        concat!("Being ", "built"),
    ];
    for (line, text) in numbered(&file.text) {
        for marker in markers.iter().filter(|marker| has_word(text, marker)) {
            violations.push(format!("{}:{line}: leftover marker `{marker}`", file.path));
        }
    }
}

fn paths_in_document(root: &Path, document: &str, violations: &mut Vec<String>) {
    let text = fs::read_to_string(root.join(document)).unwrap();
    let mut fenced = false;
    for (line, text) in numbered(&text) {
        if text.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let named: Vec<&str> = if fenced {
            text.split_whitespace().filter(|word| starts_in_folder(root, word)).collect()
        } else {
            text.split('`').skip(1).step_by(2).filter(|quoted| looks_like_path(quoted)).collect()
        };
        for path in named {
            // Of a pattern such as `mappings/*.toml` the part before the star must exist.
            let fixed = path.split(['*', '<', '{']).next().unwrap_or_default();
            if !exists(root, fixed) {
                violations.push(format!("{document}:{line}: `{path}` does not exist"));
            }
        }
    }
}

fn same_modules(house: &House, violations: &mut Vec<String>) {
    let modules = |platform: &str| -> BTreeSet<String> {
        let part = format!("platforms::{platform}");
        let inside = house.files.iter().filter_map(Source::module);
        inside.filter_map(|module| module.strip_prefix(&part).map(str::to_owned)).collect()
    };
    let (voipbin, isales) = (modules("voipbin"), modules("isales"));
    for module in voipbin.symmetric_difference(&isales) {
        let missing = if voipbin.contains(module) { "isales" } else { "voipbin" };
        violations.push(format!(
            "src/platforms/{missing}:1: has no `{}`, the other platform has",
            module.trim_start_matches("::")
        ));
    }
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

fn within(path: &str, part: &str) -> bool {
    path.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn has_word(text: &str, word: &str) -> bool {
    let letter = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let after = &text[at + word.len()..];
        !text[..at].ends_with(letter) && (word.ends_with('(') || !after.starts_with(letter))
    })
}

fn looks_like_path(quoted: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/*<>{},".contains(c);
    let file = [".rs", ".md", ".toml", ".yml", ".json", ".sql"];
    !quoted.is_empty()
        && quoted.chars().all(plain)
        && !quoted.starts_with('/')
        && (quoted.contains('/') || file.iter().any(|end| quoted.ends_with(end)))
}

fn starts_in_folder(root: &Path, word: &str) -> bool {
    let folder = word.split_once('/').map(|(folder, _)| folder);
    folder.is_some_and(|folder| {
        folder.starts_with(|c: char| c.is_ascii_lowercase())
            && folder != "target"
            && root.join(folder).is_dir()
    })
}

/// A path from the root; a bare file name may stand anywhere in `src/`.
fn exists(root: &Path, path: &str) -> bool {
    if root.join(path).exists() {
        return true;
    }
    let mut all = Vec::new();
    walk(&root.join("src"), &mut all);
    !path.contains('/') && all.iter().any(|file| file.file_name().is_some_and(|name| name == path))
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}
