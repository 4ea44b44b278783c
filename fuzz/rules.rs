//! What holds of any bytes, hostile ones too: nothing panics, and what is kept of them is theirs. The
//! fuzz targets try them with what a fuzzer thinks of, `tests/it/fuzzed.rs` with mutated fixtures.

use std::sync::OnceLock;

use dialbridge::mapping::check::TableSource;
use dialbridge::mapping::table::Tables;
use dialbridge::platforms::voipbin::callback::Event;
use dialbridge::platforms::{ConvertContext, isales, neutral_context, voipbin};
use dialbridge::signing::keys::MasterKeys;
use dialbridge::signing::{c2, webhook};
use secrecy::SecretString;

/// So many digits of one number in an error text are a number.
const MANY_DIGITS: usize = 7;

fn context() -> &'static ConvertContext {
    static CONTEXT: OnceLock<ConvertContext> = OnceLock::new();
    CONTEXT.get_or_init(|| neutral_context(Some("CN")).expect("the embedded tables"))
}

/// An error text quotes nothing that may be a phone number.
fn quotes_no_number(text: &str) {
    let mut digits = 0;
    for c in text.chars() {
        digits = if c.is_ascii_digit() { digits + 1 } else { 0 };
        assert!(digits < MANY_DIGITS, "{text}");
    }
}

/// A body that is pushed to the address of a CC-iSales account.
pub fn isales_callback(body: &[u8]) {
    match isales::callback::parse(body) {
        Err(error) => quotes_no_number(&error.to_string()),
        Ok(rows) => {
            for row in rows {
                let is_part = body.windows(row.raw.len()).any(|part| part == row.raw.as_bytes());
                assert!(is_part, "the bytes of a row are the body's");
                if let Some(row) = &row.row {
                    let attempt = isales::convert::call_to_domain(row, context()).value;
                    assert!(!attempt.disposition.as_str().is_empty());
                }
            }
        }
    }
}

/// A body that came to the address of a VoIPBin account and is genuine.
pub fn voipbin_callback(body: &[u8]) {
    let Ok(body) = std::str::from_utf8(body) else { return };
    match voipbin::callback::parse(body) {
        Err(error) => quotes_no_number(&error.to_string()),
        Ok((Event::Campaigncall(call), data)) => {
            assert!(body.contains(data.get()), "the bytes of a row are the body's");
            let reason = call.result.clone();
            let plain = voipbin::convert::call_to_domain(&call, None, context()).value;
            let closer = voipbin::convert::call_to_domain(&call, Some(&reason), context()).value;
            assert_eq!(plain.result, closer.result, "why it ended does not change whether it did");
        }
        Ok(_) => {}
    }
}

/// An `Authorization`, a webhook's signature or a callback's token, made up by who has no key.
pub fn authorization(value: &[u8]) {
    let Ok(text) = std::str::from_utf8(value) else { return };
    if let Err(error) = c2::Authorization::parse(text) {
        quotes_no_number(&error.to_string());
    }
    let secret = SecretString::from("a secret that nobody knows");
    assert!(!webhook::verify(&secret, text, value), "a signature was guessed");
    let keys = SecretString::from("1 0f1e2d3c4b5a69788796a5b4c3d2e1f0");
    let keys = MasterKeys::parse(&keys).expect("a key");
    assert_eq!(keys.verifies_callback("acme", text), None, "a token was guessed");
}

/// A mapping table that an operator has written.
pub fn tables(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let source = |file, text| TableSource { file, text };
    let domain = source("domain.toml", include_str!("../mappings/domain.toml"));
    // As a table of its own, and as an overlay on ours.
    let ours = source("isales/call.toml", include_str!("../mappings/isales/call.toml"));
    let theirs = source("isales/call.toml", text);
    let alone = Tables::from_sources(&domain, &[theirs], &[]);
    let above = Tables::from_sources(&domain, &[ours], &[theirs]);
    for problems in [alone.err(), above.err()].into_iter().flatten() {
        assert!(!problems.is_empty(), "what is wrong is said");
        for problem in problems {
            assert!(!problem.to_string().is_empty());
        }
    }
}
