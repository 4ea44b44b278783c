//! Secrets: in the file itself, in the environment, or in a file of their own.

use std::path::Path;

use secrecy::SecretString;

use super::Loader;
use crate::config::reader::{At, Section, read_limited};

/// Secrets are short; a file larger than this is not one.
const MAX_SECRET_FILE_BYTES: u64 = 64 * 1024;

/// A secret kept in a file of its own, without the blanks around it.
///
/// # Errors
/// When the file cannot be read, is empty, or is larger than a secret can be.
pub fn read_secret(path: &Path) -> std::io::Result<SecretString> {
    match read_limited(path, MAX_SECRET_FILE_BYTES)?.trim() {
        "" => Err(std::io::Error::other("is empty")),
        secret => Ok(SecretString::from(secret.to_owned())),
    }
}

impl Loader<'_> {
    pub(super) fn required_secret(
        &mut self,
        section: &mut Section<'_>,
        key: &str,
    ) -> Option<SecretString> {
        let before = self.reader.mistakes.len();
        let found = self.secret(section, key);
        if found.is_none() && self.reader.mistakes.len() == before {
            self.reader.missing(
                section,
                key,
                &format!("a secret, or {key}_file with the path of one"),
            );
        }
        found.map(|at| at.value)
    }

    /// `key`, or the content of the file that `key_file` names, without surrounding white space.
    pub(super) fn secret(
        &mut self,
        section: &mut Section<'_>,
        key: &str,
    ) -> Option<At<SecretString>> {
        let file_key = format!("{key}_file");
        let inline = self.reader.text(section, key);
        let file = self.reader.text(section, &file_key);
        match (inline, file) {
            (Some(_), Some(file)) => {
                self.reader.mistake(
                    &file.place,
                    format!("{file_key}: {key} is given as well; expected one of them"),
                );
                None
            }
            (Some(at), None) if at.value.is_empty() => {
                self.reader
                    .mistake(&at.place, format!("{key}: expected a secret, found an empty text"));
                None
            }
            (Some(at), None) => Some(At { value: SecretString::from(at.value), place: at.place }),
            (None, Some(file)) => self.secret_file(&file_key, &file),
            (None, None) => None,
        }
    }

    fn secret_file(&mut self, key: &str, file: &At<String>) -> Option<At<SecretString>> {
        let path = self.folder.join(&file.value);
        match read_secret(&path) {
            Ok(value) => Some(At { value, place: file.place.clone() }),
            Err(error) => {
                self.reader.mistake(&file.place, format!("{key}: {}: {error}", path.display()));
                None
            }
        }
    }
}
