//! `[keys]`, `[inbox]`, `[outbox]`, `[jobs]`, `[reconcile]`, `[telemetry]`, `[backup]` and `[destinations]`.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

use crate::config::Collector;
use crate::config::load::Loader;
use crate::config::reader::{At, Section};
use crate::signing::keys::MasterKeys;

/// For how many days a processed push is kept as it came.
pub const DEFAULT_INBOX_DAYS: u64 = 7;
/// For how many days what was delivered can be sent again.
pub const DEFAULT_OUTBOX_DAYS: u64 = 30;
/// For how many days a job is kept that is over.
pub const DEFAULT_JOB_DAYS: u64 = 30;
const DEFAULT_RECONCILE_INTERVAL_S: u64 = 900;
const MAX_RETENTION_DAYS: u64 = 366;
const SECONDS_PER_DAY: u64 = 86_400;

impl Loader<'_> {
    pub(super) fn master_keys(&mut self, root: &mut Section<'_>) -> Option<SecretString> {
        let mut section = self.reader.section(root, "keys");
        let found = self.secret(&mut section, "master_key");
        if let Some(at) = &found
            && let Err(problem) = MasterKeys::parse(&at.value)
        {
            let file = self.path(&mut section, "master_key_file");
            let name = file.map_or("keys.master_key".to_owned(), |file| {
                format!("keys.master_key_file: {}", file.display())
            });
            self.reader.mistake(&at.place, format!("{name}: {problem}"));
        }
        self.reader.finish(&section);
        found.map(|at| at.value)
    }

    pub(super) fn traces(&mut self, root: &mut Section<'_>) -> Option<Collector> {
        let mut section = self.reader.section(root, "telemetry");
        let url: Option<At<Url>> = self.parsed(&mut section, "traces_url", "a URL");
        let percent = self.reader.integer(&mut section, "traces_percent", 0..=100);
        self.reader.finish(&section);
        let percent = percent.map_or(100, |at| at.value);
        let percent = u8::try_from(percent).unwrap_or(100);
        url.map(|at| Collector { url: at.value, percent })
    }

    /// `retention_days` of a section.
    pub(super) fn retention(
        &mut self,
        root: &mut Section<'_>,
        name: &str,
        default_days: u64,
    ) -> Duration {
        let mut section = self.reader.section(root, name);
        let found = self.reader.integer(&mut section, "retention_days", 1..=MAX_RETENTION_DAYS);
        self.reader.finish(&section);
        let days = found.map_or(default_days, |at| at.value);
        Duration::from_secs(days * SECONDS_PER_DAY)
    }

    pub(super) fn backup_directory(&mut self, root: &mut Section<'_>) -> Option<PathBuf> {
        let mut section = self.reader.section(root, "backup");
        let directory = self.path(&mut section, "directory");
        self.reader.finish(&section);
        directory
    }

    pub(super) fn reconcile_interval(&mut self, root: &mut Section<'_>) -> Option<Duration> {
        let mut section = self.reader.section(root, "reconcile");
        let found = self.reader.integer(&mut section, "interval_s", 0..=SECONDS_PER_DAY);
        self.reader.finish(&section);
        let seconds = found.map_or(DEFAULT_RECONCILE_INTERVAL_S, |at| at.value);
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }

    pub(super) fn allowed_networks(&mut self, root: &mut Section<'_>) -> Vec<IpNet> {
        let mut section = self.reader.section(root, "destinations");
        let networks = self.networks(&mut section, "allowed_networks");
        self.reader.finish(&section);
        networks
    }

    pub(super) fn networks(&mut self, section: &mut Section<'_>, key: &str) -> Vec<IpNet> {
        let texts = self.reader.texts(section, key).unwrap_or_default();
        let mut networks = Vec::new();
        for text in texts {
            if let Ok(network) = text.value.parse() {
                networks.push(network);
            } else {
                let message = format!(
                    "{key}: expected a network such as 10.1.0.0/16, found {:?}",
                    text.value
                );
                self.reader.mistake(&text.place, message);
            }
        }
        networks
    }
}
