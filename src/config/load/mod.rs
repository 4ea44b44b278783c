//! Text → [`Config`]: every mistake of a file at once, each with its line.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use toml::de::DeTable;
use url::Url;

use crate::config::reader::{At, Mistake, Reader, Section};
use crate::config::{Config, IdCacheConfig, LedgerConfig};
use crate::platforms::{Binding, Bindings};

mod accounts;
mod api;
mod clients;
mod creation;
mod keys;
mod listeners;
mod secrets;

use keys::{DEFAULT_INBOX_DAYS, DEFAULT_JOB_DAYS, DEFAULT_OUTBOX_DAYS};

pub use secrets::read_secret;

/// Everything that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

/// Reads settings from `text`, which came from `file` (relative paths are relative to its folder).
/// `variable` looks up an overriding environment variable.
///
/// # Errors
/// All mistakes at once.
pub fn load(
    file: &Path,
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, Mistakes> {
    let name = file.display().to_string();
    let table = DeTable::parse(text).map_err(|error| {
        let line =
            error.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        Mistakes(vec![Mistake { source: name.clone(), line, message: error.message().to_owned() }])
    })?;
    let reader = Reader { file: &name, text, variable, mistakes: Vec::new() };
    let mut loader = Loader {
        reader,
        folder: file.parent().unwrap_or(Path::new("")).to_owned(),
        master_keys: None,
        callbacks_url: None,
    };
    let mut root = Section::root(&table);
    let config = loader.config(&mut root);
    loader.reader.finish(&root);
    let mut mistakes = loader.reader.mistakes;
    if mistakes.is_empty() {
        return Ok(config);
    }
    mistakes.sort_by_key(|mistake| mistake.line);
    Err(Mistakes(mistakes))
}

struct Loader<'a> {
    reader: Reader<'a>,
    folder: PathBuf,
    /// Read before the accounts, which need it.
    master_keys: Option<SecretString>,
    /// What platforms reach the listener of pushes by.
    callbacks_url: Option<Url>,
}

/// What must be unique across the file, and where it was seen.
#[derive(Default)]
struct Seen {
    slugs: HashSet<String>,
    vdns: HashSet<u16>,
    client_names: HashSet<String>,
    voipbin_keys: HashSet<String>,
    usernames: HashSet<String>,
    isales_keys: HashSet<String>,
    token_names: HashSet<String>,
    tokens: HashSet<String>,
}

/// Whether a URL stays on this machine.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

impl Loader<'_> {
    fn config(&mut self, root: &mut Section<'_>) -> Config {
        let listeners = self.listeners(root);
        self.master_keys = self.master_keys(root);
        let ledger = self.ledger(root);
        let id_cache = self.id_cache(root);
        let mut seen = Seen::default();
        let accounts = self.accounts(root, &mut seen);
        let clients = self.clients(root, &mut seen);
        let api_tokens = self.api_tokens(root, &mut seen);
        let bindings = self.bindings(root);
        let traces = self.traces(root);
        let discovery_interval = self.discovery_interval(root);
        let inbox_retention = self.retention(root, "inbox", DEFAULT_INBOX_DAYS);
        let outbox_retention = self.retention(root, "outbox", DEFAULT_OUTBOX_DAYS);
        let job_retention = self.retention(root, "jobs", DEFAULT_JOB_DAYS);
        let backup_directory = self.backup_directory(root);
        let reconcile_interval = self.reconcile_interval(root);
        let allowed_networks = self.allowed_networks(root);
        let mappings_dir = self.path(root, "mappings_dir");
        Config {
            listeners,
            ledger,
            id_cache,
            accounts,
            clients,
            api_tokens,
            bindings,
            traces,
            inbox_retention,
            outbox_retention,
            job_retention,
            backup_directory,
            reconcile_interval,
            allowed_networks,
            master_keys: self.master_keys.clone(),
            discovery_interval,
            mappings_dir,
        }
    }

    fn ledger(&mut self, root: &mut Section<'_>) -> LedgerConfig {
        let mut section = self.reader.section(root, "ledger");
        let connections =
            self.reader.integer(&mut section, "connections", 1..=64).map_or(8, |at| at.value);
        let url = self.secret(&mut section, "url");
        let place = url.as_ref().map_or(section.place(), |at| at.place.clone());
        let url = url.map_or_else(|| SecretString::from("sqlite:dialbridge.db"), |at| at.value);
        self.reader.finish(&section);
        let text = url.expose_secret();
        if let Some(path) = text.strip_prefix("sqlite:") {
            if path.is_empty() {
                self.reader.mistake(&place, "ledger.url: expected a path after sqlite:");
            }
            return LedgerConfig::Sqlite { path: self.folder.join(path) };
        }
        if !(text.starts_with("postgres://") || text.starts_with("postgresql://")) {
            self.reader.mistake(
                &place,
                "ledger.url: expected sqlite:PATH or postgres://…; found another scheme",
            );
        }
        LedgerConfig::Postgres { url, connections: u32::try_from(connections).unwrap_or(8) }
    }

    fn id_cache(&mut self, root: &mut Section<'_>) -> IdCacheConfig {
        let mut section = self.reader.section(root, "id_cache");
        let directory = self
            .path(&mut section, "directory")
            .unwrap_or_else(|| self.folder.join("dialbridge-ids"));
        let capacity_mb = self
            .reader
            .integer(&mut section, "capacity_mb", 16..=65_536)
            .map_or(512, |at| at.value);
        self.reader.finish(&section);
        IdCacheConfig { directory, capacity_mb }
    }

    fn bindings(&mut self, root: &mut Section<'_>) -> Bindings {
        let mut section = self.reader.section(root, "bindings");
        let agent_groups = self.binding_rows(&mut section, "agent_groups");
        let scripts = self.binding_rows(&mut section, "scripts");
        self.reader.finish(&section);
        Bindings { agent_groups, scripts }
    }

    /// Each name stands once per side: with two partners, which one is meant would be a guess.
    fn binding_rows(&mut self, parent: &mut Section<'_>, key: &str) -> Vec<Binding> {
        let sections = self.reader.sections(parent, key, "voipbin");
        let mut rows = Vec::new();
        let (mut voipbin_names, mut isales_names) = (HashSet::new(), HashSet::new());
        for mut section in sections {
            let voipbin =
                self.binding_name(&mut section, "voipbin", "VoIPBin's", &mut voipbin_names);
            let isales = self.binding_name(&mut section, "isales", "CC-iSales'", &mut isales_names);
            self.reader.finish(&section);
            if let (Some(voipbin), Some(isales)) = (voipbin, isales) {
                rows.push(Binding { voipbin, isales });
            }
        }
        rows
    }

    fn binding_name(
        &mut self,
        section: &mut Section<'_>,
        key: &str,
        whose: &str,
        seen: &mut HashSet<String>,
    ) -> Option<String> {
        let expected = format!("{whose} name for it");
        let at = self.reader.required_text(section, key, &expected)?;
        if at.value.is_empty() || !seen.insert(at.value.clone()) {
            let message = format!(
                "bindings.{key}: expected {expected} that no other row has, found {:?}",
                at.value
            );
            self.reader.mistake(&at.place, message);
        }
        Some(at.value)
    }

    fn size(&mut self, section: &mut Section<'_>, key: &str, default: usize) -> usize {
        let found = self.reader.integer(section, key, 1024..=64 * 1024 * 1024);
        found.and_then(|at| usize::try_from(at.value).ok()).unwrap_or(default)
    }

    fn words(&mut self, section: &mut Section<'_>, key: &str) -> Vec<String> {
        let found = self.reader.texts(section, key).unwrap_or_default();
        found.into_iter().map(|at| at.value).collect()
    }

    fn path(&mut self, section: &mut Section<'_>, key: &str) -> Option<PathBuf> {
        self.reader.text(section, key).map(|at| self.folder.join(at.value))
    }

    fn parsed<T: std::str::FromStr>(
        &mut self,
        section: &mut Section<'_>,
        key: &str,
        expected: &str,
    ) -> Option<At<T>> {
        let at = self.reader.text(section, key)?;
        if let Ok(value) = at.value.parse() {
            return Some(At { value, place: at.place });
        }
        self.reader.mistake(&at.place, format!("{key}: expected {expected}, found {:?}", at.value));
        None
    }
}

impl std::fmt::Display for Mistakes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut lines = String::new();
        for mistake in &self.0 {
            writeln!(lines, "{mistake}")?;
        }
        f.write_str(lines.trim_end())
    }
}

impl std::error::Error for Mistakes {}
