//! `[[api_tokens]]`: who may use the gateway's own API; and `[discovery]`.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::{Loader, Seen};
use crate::config::reader::{Reader, Section};
use crate::config::{ApiScope, ApiToken};
use crate::domain::ids::AccountSlug;

/// A shorter token could be guessed.
const MIN_TOKEN_BYTES: usize = 16;
const DEFAULT_INTERVAL_S: u64 = 60;

impl Loader<'_> {
    pub(super) fn api_tokens(&mut self, root: &mut Section<'_>, seen: &mut Seen) -> Vec<ApiToken> {
        let sections = self.reader.sections(root, "api_tokens", "name");
        let mut tokens = Vec::new();
        for mut section in sections {
            tokens.extend(self.api_token(&mut section, seen));
            self.reader.finish(&section);
        }
        tokens
    }

    /// How often every account is listed.
    pub(super) fn discovery_interval(&mut self, root: &mut Section<'_>) -> Duration {
        let mut section = self.reader.section(root, "discovery");
        let found = self.reader.integer(&mut section, "interval_s", 10..=86_400);
        self.reader.finish(&section);
        Duration::from_secs(found.map_or(DEFAULT_INTERVAL_S, |at| at.value))
    }

    fn api_token(&mut self, section: &mut Section<'_>, seen: &mut Seen) -> Option<ApiToken> {
        let name = self.reader.required_text(section, "name", "a name for the journal");
        if let Some(at) = &name
            && (at.value.is_empty() || !seen.token_names.insert(at.value.clone()))
        {
            let message = format!("api_tokens.name: {:?} is empty or used twice", at.value);
            self.reader.mistake(&at.place, message);
        }
        let token = self.required_secret(section, "token");
        if let Some(token) = &token {
            let text = token.expose_secret();
            // What a header cannot carry would never match.
            let fits = text.len() >= MIN_TOKEN_BYTES && text.bytes().all(|b| b.is_ascii_graphic());
            if !fits {
                let message = format!(
                    "api_tokens.token: expected at least {MIN_TOKEN_BYTES} characters without blanks"
                );
                self.reader.mistake(&section.place(), message);
            } else if !seen.tokens.insert(text.to_owned()) {
                let message = "api_tokens.token: another token is the same";
                self.reader.mistake(&section.place(), message);
            }
        }
        let expected = "some of read, operate";
        let scopes = named(&mut self.reader, section, ("scopes", expected), |word| match word {
            "read" => Some(ApiScope::Read),
            "operate" => Some(ApiScope::Operate),
            _ => None,
        });
        let expected = "slugs of accounts";
        let accounts = named(&mut self.reader, section, ("accounts", expected), |word| {
            AccountSlug::new(word).ok().filter(|slug| seen.slugs.contains(slug.as_str()))
        });
        Some(ApiToken { name: name?.value, token: token?, scopes, accounts })
    }
}

/// A list that must be there and name only what is known.
fn named<T>(
    reader: &mut Reader<'_>,
    section: &mut Section<'_>,
    (key, expected): (&str, &str),
    known: impl Fn(&str) -> Option<T>,
) -> Vec<T> {
    let before = reader.mistakes.len();
    let words = reader.texts(section, key).unwrap_or_default();
    if words.is_empty() && reader.mistakes.len() == before {
        reader.missing(section, key, expected);
    }
    let mut found = Vec::new();
    for at in words {
        if let Some(value) = known(&at.value) {
            found.push(value);
        } else {
            let message = format!("api_tokens.{key}: expected {expected}, found {:?}", at.value);
            reader.mistake(&at.place, message);
        }
    }
    found
}
