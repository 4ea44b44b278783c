//! Tables and translation: every field accounted for, nothing lost silently, the way back exact.

mod command;
mod generate;
mod limits;
mod numbers;
mod properties;
mod restore;
mod tables;
mod traps;
mod widening;

use std::path::Path;
use std::sync::{Arc, LazyLock};

use dialbridge::clock::Clock;
use dialbridge::mapping::engine::Outcome;
use dialbridge::mapping::table::Kind;
use dialbridge::platforms::translation::{Direction, TranslateError, Translation};
use dialbridge::platforms::{Binding, Bindings, ConvertContext, PlatformKind, neutral_context};
use serde_json::Value;

use PlatformKind::{Isales, Voipbin};

const QUEUE: &str = "99bf739a-932f-433c-b1bf-103d33d7e9bb";
const FLOW: &str = "decc2634-0b2a-11eb-b38d-87a8f1051188";

static NEUTRAL: LazyLock<ConvertContext> =
    LazyLock::new(|| before_the_ends(neutral_context(None).expect("the embedded tables")));

/// At a time when no campaign of the samples is over.
fn before_the_ends(account: ConvertContext) -> ConvertContext {
    let clock = Clock::virtual_at("2018-06-01T00:00:00Z".parse().expect("a time"), 1);
    ConvertContext { clock, ..account }
}

/// An account in China with one queue and one script bound.
static CONFIGURED: LazyLock<ConvertContext> = LazyLock::new(|| {
    let pair = |voipbin: &str, isales: &str| Binding {
        voipbin: voipbin.to_owned(),
        isales: isales.to_owned(),
    };
    let mut account = before_the_ends(neutral_context(Some("CN")).expect("the embedded tables"));
    account.bindings = Arc::new(Bindings {
        agent_groups: vec![pair(QUEUE, "5")],
        scripts: vec![pair(FLOW, "900")],
    });
    account
});

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    let text = std::fs::read_to_string(path).expect("a fixture");
    serde_json::from_str(&text).expect("JSON")
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn other(platform: PlatformKind) -> PlatformKind {
    if platform == Isales { Voipbin } else { Isales }
}

fn try_translate(
    account: &ConvertContext,
    kind: Kind,
    from: PlatformKind,
    document: Value,
) -> Result<Translation, TranslateError> {
    let (from_account, to_account) = (account, account);
    Direction { kind, from, to: other(from), from_account, to_account }.translate(document)
}

fn translate(account: &ConvertContext, kind: Kind, from: PlatformKind, doc: Value) -> Translation {
    try_translate(account, kind, from, doc).expect("a translation")
}

fn outcome(translation: &Translation, field: &str) -> Outcome {
    let found = translation.fields.iter().find(|f| f.field == field);
    found.unwrap_or_else(|| panic!("no field {field} in {:#?}", translation.fields)).outcome
}

fn reason<'a>(translation: &'a Translation, field: &str) -> &'a str {
    let found = translation.fields.iter().find(|f| f.field == field);
    &found.unwrap_or_else(|| panic!("no field {field}")).reason
}
