//! Text → [`Config`]: every mistake of a file at once, each with its line.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};
use toml::de::DeTable;
use url::Url;

use crate::config::reader::{At, Mistake, Place, Reader, Section};
use crate::config::{
    AccountConfig, AccountLimits, ClientConfig, ClientScope, Config, IdCacheConfig, IsalesClient,
    IsalesRelease, LedgerConfig, Listener, Listeners, PlatformSettings, TlsFiles, VoipbinClient,
    VoipbinProfile, WritePolicy,
};
use crate::domain::ids::{AccountSlug, VdnId};
use crate::domain::phone::NumberPlan;
use crate::platforms::{Binding, Bindings};

/// Secrets are short; a file larger than this is not one.
const MAX_SECRET_FILE_BYTES: u64 = 64 * 1024;

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
    let mut loader = Loader { reader, folder: file.parent().unwrap_or(Path::new("")).to_owned() };
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
}

/// What must be unique across the file, and where it was seen.
#[derive(Default)]
struct Seen {
    slugs: HashSet<String>,
    vdns: HashMap<u16, String>,
    client_names: HashSet<String>,
    voipbin_keys: HashSet<String>,
    isales_keys: HashSet<String>,
}

impl Loader<'_> {
    fn config(&mut self, root: &mut Section<'_>) -> Config {
        let listeners = self.listeners(root);
        let ledger = self.ledger(root);
        let id_cache = self.id_cache(root);
        let mut seen = Seen::default();
        let accounts = self.accounts(root, &mut seen);
        let clients = self.clients(root, &mut seen);
        let bindings = self.bindings(root);
        let mappings_dir = self.path(root, "mappings_dir");
        Config { listeners, ledger, id_cache, accounts, clients, bindings, mappings_dir }
    }

    fn listeners(&mut self, root: &mut Section<'_>) -> Listeners {
        let mut section = self.reader.section(root, "listeners");
        let facades = self.listener(&mut section, "facades", 8080);
        let admin = self.listener(&mut section, "admin", 8081);
        self.reader.finish(&section);
        Listeners { facades, admin }
    }

    fn listener(&mut self, parent: &mut Section<'_>, key: &str, default_port: u16) -> Listener {
        let mut section = self.reader.section(parent, key);
        let address = self
            .parsed(&mut section, "address", "an address such as 127.0.0.1:8080")
            .map_or(SocketAddr::from(([127, 0, 0, 1], default_port)), |at: At<SocketAddr>| {
                at.value
            });
        let certificate_file = self.path(&mut section, "tls_certificate_file");
        let key_file = self.path(&mut section, "tls_key_file");
        let tls = match (certificate_file, key_file) {
            (Some(certificate_file), Some(key_file)) => {
                Some(TlsFiles { certificate_file, key_file })
            }
            (None, None) => None,
            _ => {
                let message =
                    format!("listeners.{key}: tls_certificate_file and tls_key_file go together");
                self.reader.mistake(&section.place(), message);
                None
            }
        };
        let body_limit_bytes = self.size(&mut section, "body_limit_bytes", 8 * 1024 * 1024);
        let public_hosts = self.words(&mut section, "public_hosts");
        let trusted_proxies =
            self.reader.texts(&mut section, "trusted_proxies").unwrap_or_default();
        for proxy in &trusted_proxies {
            if proxy.value.parse::<std::net::IpAddr>().is_err() {
                let message = format!(
                    "listeners.{key}.trusted_proxies: expected an IP address, found {:?}",
                    proxy.value
                );
                self.reader.mistake(&proxy.place, message);
            }
        }
        self.reader.finish(&section);
        let trusted_proxies = trusted_proxies.into_iter().map(|at| at.value).collect();
        Listener { address, tls, body_limit_bytes, public_hosts, trusted_proxies }
    }

    fn ledger(&mut self, root: &mut Section<'_>) -> LedgerConfig {
        let mut section = self.reader.section(root, "ledger");
        let connections =
            self.reader.integer(&mut section, "connections", 1..=64).map_or(8, |at| at.value);
        let url = self
            .secret(&mut section, "url")
            .map_or_else(|| SecretString::from("sqlite:dialbridge.db"), |at| at.value);
        self.reader.finish(&section);
        let text = url.expose_secret();
        if let Some(path) = text.strip_prefix("sqlite:") {
            return LedgerConfig::Sqlite { path: self.folder.join(path) };
        }
        if !(text.starts_with("postgres://") || text.starts_with("postgresql://")) {
            self.reader.mistake(
                &section.place(),
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

    fn accounts(&mut self, root: &mut Section<'_>, seen: &mut Seen) -> Vec<AccountConfig> {
        let sections = self.reader.sections(root, "accounts", "slug");
        let mut accounts = Vec::new();
        for mut section in sections {
            accounts.extend(self.account(&mut section, seen));
            self.reader.finish(&section);
        }
        accounts
    }

    fn account(&mut self, section: &mut Section<'_>, seen: &mut Seen) -> Option<AccountConfig> {
        let slug = self.slug(section, seen);
        let kind = self.reader.text(section, "platform");
        let base_url = self.base_url(section);
        let writes = self
            .reader
            .choice(
                section,
                "writes",
                &[("deny", WritePolicy::Deny), ("allow", WritePolicy::Allow)],
            )
            .unwrap_or(WritePolicy::Deny);
        let time_zone = self.time_zone(section);
        let ca_file = self.path(section, "ca_file");
        let limits = self.limits(section);
        let platform = match kind.as_ref().map(|at| at.value.as_str()) {
            Some("voipbin") => self.voipbin_account(section, seen),
            Some("isales") => self.isales_account(section, seen),
            Some(other) => {
                let message =
                    format!("accounts.platform: expected voipbin or isales, found {other:?}");
                self.reader.mistake(
                    &kind.as_ref().map_or(section.place(), |at| at.place.clone()),
                    message,
                );
                // The rest cannot be judged without knowing the platform.
                return None;
            }
            None => {
                self.reader.missing(section, "platform", "voipbin or isales");
                return None;
            }
        };
        let numbers = self.number_plan(section, kind.is_some_and(|at| at.value == "isales"));
        Some(AccountConfig {
            slug: slug?,
            base_url: base_url?,
            writes,
            time_zone,
            numbers,
            limits,
            ca_file,
            platform: platform?,
        })
    }

    fn slug(&mut self, section: &mut Section<'_>, seen: &mut Seen) -> Option<AccountSlug> {
        let at = self.reader.required_text(section, "slug", "a name such as acme-east")?;
        match AccountSlug::new(&at.value) {
            Ok(slug) if seen.slugs.insert(at.value.clone()) => Some(slug),
            Ok(_) => {
                self.reader
                    .mistake(&at.place, format!("accounts.slug: {:?} is used twice", at.value));
                None
            }
            Err(error) => {
                self.reader.mistake(&at.place, format!("accounts.slug: expected {}", error.rule));
                None
            }
        }
    }

    fn base_url(&mut self, section: &mut Section<'_>) -> Option<Url> {
        let at = self.reader.required_text(section, "base_url", "an https:// URL")?;
        let url = match Url::parse(&at.value) {
            Ok(url) if url.host().is_some() => url,
            _ => {
                self.reader.mistake(&at.place, "base_url: expected an absolute https:// URL");
                return None;
            }
        };
        let loopback = match url.host() {
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        };
        let plain_allowed =
            loopback || self.reader.boolean(section, "allow_plain_http") == Some(true);
        let problem = match url.scheme() {
            "https" => None,
            "http" if plain_allowed => None,
            "http" => Some("base_url: expected https://; plain http needs allow_plain_http = true"),
            _ => Some("base_url: expected an https:// URL"),
        };
        let has_more = url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
            || url.password().is_some();
        if let Some(problem) = problem {
            self.reader.mistake(&at.place, problem);
        } else if has_more {
            self.reader.mistake(&at.place, "base_url: expected scheme, host, port and path only");
        }
        Some(url)
    }

    fn time_zone(&mut self, section: &mut Section<'_>) -> TimeZone {
        let Some(at) =
            self.reader.required_text(section, "time_zone", "a zone name such as Asia/Shanghai")
        else {
            return TimeZone::UTC;
        };
        TimeZone::get(&at.value).unwrap_or_else(|_| {
            let message = format!(
                "time_zone: expected an IANA zone name such as Asia/Shanghai, found {:?}",
                at.value
            );
            self.reader.mistake(&at.place, message);
            TimeZone::UTC
        })
    }

    /// A CC-iSales account states all three; a VoIPBin account speaks E.164 and may state them for
    /// numbers that were entered without `+`.
    fn number_plan(&mut self, section: &mut Section<'_>, required: bool) -> NumberPlan {
        let region = self.reader.text(section, "number_region");
        let trunk_prefix = self.reader.text(section, "trunk_prefix");
        let international_prefix = self.reader.text(section, "international_prefix");
        if required {
            let stated = [
                ("number_region", region.is_some(), "an ISO 3166 region such as CN"),
                (
                    "trunk_prefix",
                    trunk_prefix.is_some(),
                    "what national numbers begin with, such as 0, or an empty text",
                ),
                (
                    "international_prefix",
                    international_prefix.is_some(),
                    "what country codes follow, such as 00",
                ),
            ];
            for (key, is_stated, expected) in stated {
                if !is_stated {
                    self.reader.missing(section, key, expected);
                }
            }
        }
        if let Some(at) = &region {
            let known = at.value.len() == 2 && at.value.parse::<phonenumber::country::Id>().is_ok();
            if !known {
                let message = format!(
                    "number_region: expected an ISO 3166 region such as CN, found {:?}",
                    at.value
                );
                self.reader.mistake(&at.place, message);
            }
        }
        for at in [&trunk_prefix, &international_prefix].into_iter().flatten() {
            if at.value.len() > 8 || !at.value.bytes().all(|b| b.is_ascii_digit()) {
                self.reader.mistake(&at.place, "number prefixes: expected at most 8 digits");
            }
        }
        NumberPlan {
            region: region.map(|at| at.value),
            trunk_prefix: trunk_prefix.map_or_else(String::new, |at| at.value),
            international_prefix: international_prefix
                .map_or_else(|| "00".to_owned(), |at| at.value),
        }
    }

    fn limits(&mut self, section: &mut Section<'_>) -> AccountLimits {
        let requests_per_second = self
            .reader
            .integer(section, "requests_per_second", 1..=100_000)
            .and_then(|at| u32::try_from(at.value).ok());
        let connect_timeout_ms = self
            .reader
            .integer(section, "connect_timeout_ms", 100..=25_000)
            .map_or(5_000, |at| at.value);
        let request_timeout_ms = self
            .reader
            .integer(section, "request_timeout_ms", 100..=25_000)
            .map_or(10_000, |at| at.value);
        let body_limit_bytes = self.size(section, "body_limit_bytes", 8 * 1024 * 1024);
        AccountLimits {
            requests_per_second,
            connect_timeout_ms,
            request_timeout_ms,
            body_limit_bytes,
        }
    }

    fn voipbin_account(
        &mut self,
        section: &mut Section<'_>,
        seen: &mut Seen,
    ) -> Option<PlatformSettings> {
        let access_key = self.required_secret(section, "access_key");
        let virtual_vdn = self.reader.integer(section, "virtual_vdn", 1..=9999);
        if virtual_vdn.is_none() {
            self.reader.missing(
                section,
                "virtual_vdn",
                "the VDN (1 to 9999) under which its campaigns appear",
            );
        }
        let virtual_vdn = self.vdn(&virtual_vdn?.map_value(u64::cast_signed), seen)?;
        Some(PlatformSettings::Voipbin { access_key: access_key?, virtual_vdn })
    }

    fn isales_account(
        &mut self,
        section: &mut Section<'_>,
        seen: &mut Seen,
    ) -> Option<PlatformSettings> {
        let access_key =
            self.reader.required_text(section, "access_key", "the AK from operations staff");
        if let Some(at) = &access_key
            && (at.value.is_empty() || at.value.contains('/'))
        {
            self.reader.mistake(&at.place, "access_key: expected a text without /");
        }
        let secret_key = self.required_secret(section, "secret_key");
        let vdns = self.reader.integers(section, "vdns").unwrap_or_default();
        if vdns.is_empty() {
            self.reader.missing(section, "vdns", "the VDNs of the account, such as [11]");
        }
        let vdns = vdns.iter().filter_map(|at| self.vdn(at, seen)).collect();
        let empty_query_line = self.reader.boolean(section, "empty_query_line").unwrap_or(false);
        let signed_headers = self.signed_headers(section);
        let release = self
            .reader
            .choice(
                section,
                "release",
                &[("2024", IsalesRelease::R2024), ("2025-11", IsalesRelease::R2025_11)],
            )
            .unwrap_or(IsalesRelease::R2025_11);
        Some(PlatformSettings::Isales {
            access_key: access_key?.value,
            secret_key: secret_key?,
            vdns,
            empty_query_line,
            signed_headers,
            release,
        })
    }

    fn signed_headers(&mut self, section: &mut Section<'_>) -> Vec<String> {
        let Some(headers) = self.reader.texts(section, "signed_headers") else {
            return vec!["host".to_owned()];
        };
        let known = ["content-length", "content-type", "host"];
        for at in &headers {
            if !known.contains(&at.value.as_str()) {
                let message = format!(
                    "signed_headers: expected some of {}, found {:?}",
                    known.join(", "),
                    at.value
                );
                self.reader.mistake(&at.place, message);
            }
        }
        if !headers.iter().any(|at| at.value == "host") {
            self.reader.mistake(&section.place(), "signed_headers: must contain host");
        }
        headers.into_iter().map(|at| at.value).collect()
    }

    fn vdn(&mut self, at: &At<i64>, seen: &mut Seen) -> Option<VdnId> {
        let vdn = match VdnId::new(at.value) {
            Ok(vdn) => vdn,
            Err(error) => {
                self.reader.mistake(
                    &at.place,
                    format!("vdn: expected {}, found {}", error.rule, at.value),
                );
                return None;
            }
        };
        let place = match &at.place {
            Place::Span(span) => format!("offset {}", span.start),
            Place::Variable(name) => name.clone(),
        };
        if seen.vdns.insert(vdn.get(), place).is_some() {
            let message = format!(
                "vdn {vdn} belongs to more than one account; a VDN, real or virtual, has one"
            );
            self.reader.mistake(&at.place, message);
        }
        Some(vdn)
    }

    fn clients(&mut self, root: &mut Section<'_>, seen: &mut Seen) -> Vec<ClientConfig> {
        let sections = self.reader.sections(root, "clients", "name");
        let mut clients = Vec::new();
        for mut section in sections {
            clients.extend(self.client(&mut section, seen));
            self.reader.finish(&section);
        }
        clients
    }

    fn client(&mut self, section: &mut Section<'_>, seen: &mut Seen) -> Option<ClientConfig> {
        let name = self.reader.required_text(section, "name", "a name for the journal");
        if let Some(at) = &name
            && !seen.client_names.insert(at.value.clone())
        {
            self.reader.mistake(&at.place, format!("clients.name: {:?} is used twice", at.value));
        }
        let named = self.reader.texts(section, "accounts").unwrap_or_default();
        if named.is_empty() {
            self.reader.missing(section, "accounts", "the slugs that the client may use");
        }
        let mut accounts = Vec::new();
        for at in &named {
            match AccountSlug::new(&at.value) {
                Ok(slug) if seen.slugs.contains(&at.value) => accounts.push(slug),
                _ => {
                    let message = format!(
                        "clients.accounts: expected the slug of an account, found {:?}",
                        at.value
                    );
                    self.reader.mistake(&at.place, message);
                }
            }
        }
        let scope = self
            .reader
            .choice(section, "scope", &[("read", ClientScope::Read), ("write", ClientScope::Write)])
            .unwrap_or(ClientScope::Read);
        let voipbin = self.voipbin_client(section, seen);
        let isales = self.isales_client(section, seen);
        if voipbin.is_none() && isales.is_none() {
            self.reader.mistake(
                &section.place(),
                "clients: expected a voipbin or an isales table with credentials",
            );
        }
        Some(ClientConfig { name: name?.value, accounts, scope, voipbin, isales })
    }

    fn voipbin_client(
        &mut self,
        parent: &mut Section<'_>,
        seen: &mut Seen,
    ) -> Option<VoipbinClient> {
        let mut section = self.reader.section(parent, "voipbin");
        if !section.is_present() {
            return None;
        }
        let access_key = self.required_secret(&mut section, "access_key");
        let profile = self
            .reader
            .choice(
                &mut section,
                "profile",
                &[("head", VoipbinProfile::Head), ("seed", VoipbinProfile::Seed)],
            )
            .unwrap_or(VoipbinProfile::Head);
        self.reader.finish(&section);
        let access_key = access_key?;
        if !seen.voipbin_keys.insert(access_key.expose_secret().to_owned()) {
            self.reader.mistake(
                &section.place(),
                "clients.voipbin.access_key: another client has the same",
            );
        }
        Some(VoipbinClient { access_key, profile })
    }

    fn isales_client(&mut self, parent: &mut Section<'_>, seen: &mut Seen) -> Option<IsalesClient> {
        let mut section = self.reader.section(parent, "isales");
        if !section.is_present() {
            return None;
        }
        let access_key =
            self.reader.required_text(&mut section, "access_key", "an access key of your choice");
        let secret_key = self.required_secret(&mut section, "secret_key");
        self.reader.finish(&section);
        let access_key = access_key?;
        if access_key.value.is_empty() || access_key.value.contains('/') {
            self.reader
                .mistake(&access_key.place, "clients.isales.access_key: expected a text without /");
        }
        if !seen.isales_keys.insert(access_key.value.clone()) {
            self.reader.mistake(
                &access_key.place,
                "clients.isales.access_key: another client has the same",
            );
        }
        Some(IsalesClient { access_key: access_key.value, secret_key: secret_key? })
    }

    fn bindings(&mut self, root: &mut Section<'_>) -> Bindings {
        let mut section = self.reader.section(root, "bindings");
        let agent_groups = self.binding_rows(&mut section, "agent_groups");
        let scripts = self.binding_rows(&mut section, "scripts");
        self.reader.finish(&section);
        Bindings { agent_groups, scripts }
    }

    fn binding_rows(&mut self, parent: &mut Section<'_>, key: &str) -> Vec<Binding> {
        let sections = self.reader.sections(parent, key, "voipbin");
        let mut rows = Vec::new();
        for mut section in sections {
            let voipbin =
                self.reader.required_text(&mut section, "voipbin", "VoIPBin's name for it");
            let isales =
                self.reader.required_text(&mut section, "isales", "CC-iSales' name for it");
            self.reader.finish(&section);
            if let (Some(voipbin), Some(isales)) = (voipbin, isales) {
                rows.push(Binding { voipbin: voipbin.value, isales: isales.value });
            }
        }
        rows
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

    fn required_secret(&mut self, section: &mut Section<'_>, key: &str) -> Option<SecretString> {
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
    fn secret(&mut self, section: &mut Section<'_>, key: &str) -> Option<At<SecretString>> {
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
        let read = std::fs::metadata(&path).and_then(|found| {
            if found.len() > MAX_SECRET_FILE_BYTES {
                return Err(std::io::Error::other("larger than a secret can be"));
            }
            std::fs::read_to_string(&path)
        });
        match read {
            Ok(text) if !text.trim().is_empty() => Some(At {
                value: SecretString::from(text.trim().to_owned()),
                place: file.place.clone(),
            }),
            Ok(_) => {
                self.reader.mistake(&file.place, format!("{key}: {} is empty", path.display()));
                None
            }
            Err(error) => {
                self.reader.mistake(&file.place, format!("{key}: {}: {error}", path.display()));
                None
            }
        }
    }
}

impl<T> At<T> {
    fn map_value<U>(self, map: impl FnOnce(T) -> U) -> At<U> {
        At { value: map(self.value), place: self.place }
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
