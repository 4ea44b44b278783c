//! `[keys]` and `[inbox]`.

use std::time::Duration;

use secrecy::SecretString;

use crate::config::load::Loader;
use crate::config::reader::Section;

/// For how many days a processed push is kept as it came.
const DEFAULT_RETENTION_DAYS: u64 = 7;
const MAX_RETENTION_DAYS: u64 = 366;
const SECONDS_PER_DAY: u64 = 86_400;

impl Loader<'_> {
    pub(super) fn master_keys(&mut self, root: &mut Section<'_>) -> Option<SecretString> {
        let mut section = self.reader.section(root, "keys");
        let found = self.secret(&mut section, "master_key");
        self.reader.finish(&section);
        found.map(|at| at.value)
    }

    pub(super) fn inbox_retention(&mut self, root: &mut Section<'_>) -> Duration {
        let mut section = self.reader.section(root, "inbox");
        let found = self.reader.integer(&mut section, "retention_days", 1..=MAX_RETENTION_DAYS);
        self.reader.finish(&section);
        let days = found.map_or(DEFAULT_RETENTION_DAYS, |at| at.value);
        Duration::from_secs(days * SECONDS_PER_DAY)
    }
}
