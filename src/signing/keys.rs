//! The operator's master key in its versions, and what is derived from it under labels.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Shortest key, in characters: what `openssl rand -hex 16` prints.
const MIN_KEY_CHARS: usize = 32;
/// Hexadecimal digits of a token: 160 bits.
const TOKEN_DIGITS: usize = 40;
/// What tokens in callback addresses are made under.
const CALLBACK_LABEL: &str = "dialbridge callback token";

/// What secrets of destinations are made under.
const DESTINATION_LABEL: &str = "dialbridge destination secret";

/// What numbers are hashed under.
const NUMBER_LABEL: &str = "dialbridge number";

/// What a key is known by, without being known.
const FINGERPRINT_LABEL: &str = "dialbridge key fingerprint";

/// What a token in a callback address is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenFor {
    Account,
    /// This campaign of it.
    Campaign(String),
}

/// Newest version first.
#[derive(Debug, Clone)]
pub struct MasterKeys {
    versions: Vec<(u32, SecretString)>,
}

/// Why a text holds no keys; never what it holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: expected a version from 1 on and a key of at least 32 characters, each once")]
pub struct BadKeys {
    line: usize,
}

impl MasterKeys {
    /// One version and its key a line, as in `1 6f1d…`; `#` begins a comment.
    ///
    /// # Errors
    /// The first line that is neither, or a text without keys.
    pub fn parse(text: &SecretString) -> Result<Self, BadKeys> {
        let mut versions: Vec<(u32, SecretString)> = Vec::new();
        let mut last = 0;
        for (line, text) in (1..).zip(text.expose_secret().lines()) {
            last = line;
            let text = text.split('#').next().unwrap_or_default().trim();
            if text.is_empty() {
                continue;
            }
            let version = text.split_once(char::is_whitespace).and_then(|(version, key)| {
                let version = version.parse().ok().filter(|version: &u32| *version > 0)?;
                let key = key.trim();
                let is_new = versions.iter().all(|(known, _)| *known != version);
                let is_key = key.len() >= MIN_KEY_CHARS && !key.contains(char::is_whitespace);
                (is_new && is_key).then(|| (version, SecretString::from(key)))
            });
            versions.push(version.ok_or(BadKeys { line })?);
        }
        if versions.is_empty() {
            return Err(BadKeys { line: last });
        }
        versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
        Ok(Self { versions })
    }

    /// The token of the callback address of an account, or of one campaign of it, by the newest key.
    pub fn callback_token(&self, account: &str, campaign: Option<&str>) -> String {
        let newest = self.versions.first();
        newest.map(|(version, key)| token((*version, key), account, campaign)).unwrap_or_default()
    }

    /// The tokens of an account's callback address, of every key that stands.
    pub fn callback_tokens(&self, account: &str) -> Vec<String> {
        let versions = self.versions.iter();
        versions.map(|(version, key)| token((*version, key), account, None)).collect()
    }

    /// The version that new things are made with.
    pub fn newest_version(&self) -> u32 {
        self.versions.first().map_or(0, |(version, _)| *version)
    }

    /// All versions that stand, newest first.
    pub fn versions(&self) -> Vec<u32> {
        self.versions.iter().map(|(version, _)| *version).collect()
    }

    /// What each version's key is known by, newest first; no key can be found from it.
    pub fn fingerprints(&self) -> impl Iterator<Item = (u32, String)> {
        self.versions.iter().map(|(version, master)| {
            let print = mac(master.expose_secret().as_bytes(), FINGERPRINT_LABEL.as_bytes());
            (*version, const_hex::encode(print))
        })
    }

    /// A destination's secret in one of its versions; None when that master key stands no more.
    pub fn destination_secret(
        &self,
        key: u32,
        destination: &str,
        version: u32,
    ) -> Option<[u8; 32]> {
        let (_, master) = self.versions.iter().find(|(known, _)| *known == key)?;
        let subkey = mac(master.expose_secret().as_bytes(), DESTINATION_LABEL.as_bytes());
        Some(mac(&subkey, format!("{destination}\n{version}").as_bytes()).into())
    }

    /// What a phone number is known by when it is nowhere any more: one hash for each version,
    /// newest first.
    pub fn number_hashes(&self, e164: &str) -> Vec<String> {
        let hash = |(_, master): &(u32, SecretString)| {
            let subkey = mac(master.expose_secret().as_bytes(), NUMBER_LABEL.as_bytes());
            const_hex::encode(mac(&subkey, e164.as_bytes()))
        };
        self.versions.iter().map(hash).collect()
    }

    /// What a key that still stands has made this token for, of the account; None when none has.
    /// Compares in constant time.
    pub fn verifies_callback(&self, account: &str, given: &str) -> Option<TokenFor> {
        let (name, _) = given.rsplit_once('-')?;
        let (version, campaign) = match name.split_once('.') {
            Some((version, campaign)) => (version, Some(campaign)),
            None => (name, None),
        };
        let version: u32 = version.parse().ok()?;
        let (_, key) = self.versions.iter().find(|(known, _)| *known == version)?;
        let own = token((version, key), account, campaign);
        let is_own = bool::from(own.as_bytes().ct_eq(given.as_bytes()));
        let made_for =
            campaign.map_or(TokenFor::Account, |name| TokenFor::Campaign(name.to_owned()));
        is_own.then_some(made_for)
    }
}

/// The version, the campaign if it is for one, and the beginning of a MAC of both names under the
/// label's own key.
fn token((version, master): (u32, &SecretString), account: &str, campaign: Option<&str>) -> String {
    let subkey = mac(master.expose_secret().as_bytes(), CALLBACK_LABEL.as_bytes());
    let (message, name) = match campaign {
        Some(campaign) => (format!("{account}\n{campaign}"), format!("{version}.{campaign}")),
        None => (account.to_owned(), version.to_string()),
    };
    let digits = const_hex::encode(mac(&subkey, message.as_bytes()));
    format!("{name}-{}", &digits[..TOKEN_DIGITS])
}

fn mac(key: &[u8], message: &[u8]) -> hmac::digest::Output<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac.finalize().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Result<MasterKeys, BadKeys> {
        MasterKeys::parse(&SecretString::from(text))
    }

    const OLD: &str = "1 00000000000000000000000000000000";
    const NEW: &str = "2 11111111111111111111111111111111 # since May";

    #[test]
    fn tokens_are_good_as_long_as_their_key_stands() {
        let (old, both) = (keys(OLD).unwrap(), keys(&format!("{OLD}\n\n{NEW}\n")).unwrap());
        let new = keys(NEW).unwrap();
        let (token, newer) = (old.callback_token("acme", None), both.callback_token("acme", None));
        assert!(token.starts_with("1-") && newer.starts_with("2-"), "{token} {newer}");
        for (keys, given, good) in [
            (&old, &token, true),
            (&both, &token, true),
            (&both, &newer, true),
            (&new, &token, false),
            (&old, &newer, false),
        ] {
            assert_eq!(keys.verifies_callback("acme", given), good.then_some(TokenFor::Account));
            assert_eq!(keys.verifies_callback("acme2", given), None);
        }
        for bad in ["", "1", "1-", "x-00", &token[..token.len() - 1], &format!("{token}0")] {
            assert_eq!(both.verifies_callback("acme", bad), None, "{bad}");
        }
        let of_one = both.callback_token("acme", Some("11.146"));
        let told = both.verifies_callback("acme", &of_one);
        assert_eq!(told, Some(TokenFor::Campaign("11.146".to_owned())), "{of_one}");
        for bad in
            [of_one.replace("146", "147"), of_one.replace(".11.146", ""), of_one[1..].to_owned()]
        {
            assert_eq!(both.verifies_callback("acme", &bad), None, "{bad}");
        }
    }

    #[test]
    fn a_file_of_keys_says_which_line_is_wrong() {
        let short = "2 short";
        for (text, line) in [
            (String::new(), 0),
            ("# nothing".to_owned(), 1),
            (format!("{OLD}\n{short}"), 2),
            (format!("{OLD}\n{OLD}"), 2),
            (OLD.replace('1', "0"), 1),
            (format!("{OLD} x"), 1),
        ] {
            assert_eq!(keys(&text).unwrap_err(), BadKeys { line }, "{text}");
        }
    }
}
