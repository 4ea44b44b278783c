//! The only reader of settings and secrets: TOML with spans, all mistakes at once, secrets from files.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use jiff::tz::TimeZone;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::domain::ids::{AccountSlug, VdnId};
use crate::domain::phone::NumberPlan;
use crate::platforms::{Bindings, CreationDefaults, PlatformKind};

mod load;
mod pass_rule;
mod reader;

pub use load::{Mistakes, load, read_secret};
pub use pass_rule::PassRule;
pub use reader::Mistake;

/// Every setting with its default and what it means.
pub const DEFAULT_TOML: &str = include_str!("../../dialbridge.default.toml");

/// Settings files are small; a larger one is a mistake.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Reads the configuration file at `path`, with overrides from the environment.
///
/// # Errors
/// Every mistake at once, each with its file and line.
#[expect(clippy::disallowed_methods, reason = "config is the door to the environment")]
pub fn load_file(path: &Path) -> Result<Config, Mistakes> {
    let unreadable = |error: String| {
        Mistakes(vec![Mistake { source: path.display().to_string(), line: None, message: error }])
    };
    let text = reader::read_limited(path, MAX_FILE_BYTES)
        .map_err(|error| unreadable(error.to_string()))?;
    load(path, &text, &|name| std::env::var(name).ok())
}

/// Everything the program was told, checked.
#[derive(Debug, Clone)]
pub struct Config {
    pub listeners: Listeners,
    pub ledger: LedgerConfig,
    pub id_cache: IdCacheConfig,
    pub accounts: Vec<AccountConfig>,
    pub clients: Vec<ClientConfig>,
    pub api_tokens: Vec<ApiToken>,
    pub bindings: Bindings,
    /// For how long a push is kept as it came after it was processed.
    pub inbox_retention: Duration,
    /// Where copies of the ledger are put.
    pub backup_directory: Option<PathBuf>,
    /// How often open days are asked for at platforms; None: never by itself.
    pub reconcile_interval: Option<Duration>,
    /// For how long a job is kept that is over.
    pub job_retention: Duration,
    /// For how long what was delivered can be sent again.
    pub outbox_retention: Duration,
    /// Networks of destinations that are not public.
    pub allowed_networks: Vec<IpNet>,
    /// The operator's master keys, one version a line.
    pub master_keys: Option<SecretString>,
    /// Where traces go; None: nowhere.
    pub traces: Option<Collector>,
    /// From the end of one listing of all accounts to the next.
    pub discovery_interval: Duration,
    /// Overlay of `mappings/`, row by row.
    pub mappings_dir: Option<PathBuf>,
}

/// Where traces go, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// OTLP as JSON over HTTP, as in `http://127.0.0.1:4318/v1/traces`.
    pub url: Url,
    /// Traces that are kept, of a hundred that begin here.
    pub percent: u8,
}

/// Where the program listens. Admin stays on loopback unless told otherwise.
#[derive(Debug, Clone)]
pub struct Listeners {
    pub facades: Listener,
    pub admin: Listener,
    /// What platforms push; they must be able to reach it.
    pub callbacks: Listener,
    /// Networks that pushes may come from; empty: from anywhere.
    pub callback_sources: Vec<IpNet>,
    /// Bodies of requests that are in memory at once, over all listeners.
    pub bodies_in_flight_bytes: usize,
    /// How far the time of a signed request may be from ours, and for how long it is remembered.
    pub signature_window: Duration,
}

#[derive(Debug, Clone)]
pub struct Listener {
    pub address: SocketAddr,
    /// Certificate chain and key in PEM; plain HTTP without them.
    pub tls: Option<TlsFiles>,
    pub body_limit_bytes: usize,
    /// Host values under which clients may have signed besides the received one.
    pub public_hosts: Vec<String>,
    pub trusted_proxies: Vec<String>,
    pub limits: ListenerLimits,
}

/// What one listener takes of those who have not proved anything yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerLimits {
    /// Open connections at once.
    pub connections: usize,
    /// Of these from one address.
    pub connections_per_peer: usize,
    /// A request's head, and a TLS handshake, are complete after this long.
    pub head_timeout: Duration,
    /// A request's body is complete after this long, and a second for each
    /// [`ListenerLimits::BODY_BYTES_PER_S`] of it.
    pub body_timeout: Duration,
    /// A connection on which nothing happens is closed after this long.
    pub idle_timeout: Duration,
    /// Refused requests of one address within a minute; then it has to wait.
    pub refusals_per_peer: u32,
}

impl ListenerLimits {
    /// A body that comes more slowly than this, beyond its time-out, is broken off.
    pub const BODY_BYTES_PER_S: u64 = 64 * 1024;

    /// The defaults, for so many connections.
    pub const fn of(connections: usize, connections_per_peer: usize) -> Self {
        Self {
            connections,
            connections_per_peer,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            refusals_per_peer: 300,
        }
    }
}

#[derive(Debug, Clone)]
pub struct TlsFiles {
    pub certificate_file: PathBuf,
    pub key_file: PathBuf,
}

#[derive(Debug, Clone)]
pub enum LedgerConfig {
    Sqlite { path: PathBuf },
    Postgres { url: SecretString, connections: u32 },
}

impl LedgerConfig {
    /// Whether both lead to the same store in the same way.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (LedgerConfig::Sqlite { path }, LedgerConfig::Sqlite { path: other }) => path == other,
            (
                LedgerConfig::Postgres { url, connections },
                LedgerConfig::Postgres { url: other, connections: most },
            ) => url.expose_secret() == other.expose_secret() && connections == most,
            _ => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdCacheConfig {
    pub directory: PathBuf,
    pub capacity_mb: u64,
}

/// Credentials on one platform, and how to behave there.
#[derive(Debug, Clone)]
pub struct AccountConfig {
    pub slug: AccountSlug,
    pub base_url: Url,
    pub writes: WritePolicy,
    pub time_zone: TimeZone,
    pub numbers: NumberPlan,
    pub limits: AccountLimits,
    /// For how long details may be told again without asking the platform; zero: never.
    pub cache_ttl: Duration,
    /// Whether a campaign that has ended is followed by the one that it names as its next.
    pub chain_campaigns: bool,
    /// Extra trust anchor for the platform's certificate, PEM.
    pub ca_file: Option<PathBuf>,
    pub callbacks: CallbackSettings,
    pub platform: PlatformSettings,
}

/// Where the platform pushes to.
#[derive(Debug, Clone, Default)]
pub struct CallbackSettings {
    /// What platforms reach the listener by. The gateway puts it into campaigns; None: it does not.
    pub public_url: Option<Url>,
    /// The operator's master keys, by which addresses are made that prove what is pushed to them.
    pub master_keys: Option<SecretString>,
    /// Whether each campaign has an address of its own.
    pub per_campaign: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WritePolicy {
    Deny,
    Allow,
}

#[derive(Debug, Clone)]
pub struct AccountLimits {
    /// Requests per second over all lanes; None = the platform states no limit.
    pub requests_per_second: Option<u32>,
    pub connect_timeout_ms: u64,
    pub request_timeout_ms: u64,
    pub body_limit_bytes: usize,
}

#[derive(Debug, Clone)]
pub enum PlatformSettings {
    Voipbin {
        access_key: SecretString,
        /// Signs what the platform pushes; asked for at the platform when it is not given.
        webhook_secret: Option<SecretString>,
        /// VDN under which the account's campaigns appear in the pair-shaped API.
        virtual_vdn: VdnId,
    },
    Isales {
        access_key: String,
        secret_key: SecretString,
        vdns: Vec<VdnId>,
        /// Write the empty query line into the canonical request (reference 2.3).
        empty_query_line: bool,
        signed_headers: Vec<String>,
        release: IsalesRelease,
        /// What campaigns get that come from a platform that says less.
        creation: CreationDefaults,
    },
}

/// Which edition of the CC-iSales pages an installation follows, or a client program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsalesRelease {
    R2024,
    R2025_11,
}

/// A program that calls our facades.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    pub name: String,
    pub accounts: Vec<AccountSlug>,
    pub scope: ClientScope,
    /// The account on which its new campaigns are made where a request names none: the configured
    /// one, or its only one.
    pub create_on: Option<AccountSlug>,
    /// For the VoIPBin-shaped facade.
    pub voipbin: Option<VoipbinClient>,
    /// For the CC-iSales-shaped facade.
    pub isales: Option<IsalesClient>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientScope {
    Read,
    Write,
}

/// Who may use the gateway's own API, and for which accounts.
#[derive(Debug, Clone)]
pub struct ApiToken {
    pub name: String,
    pub token: SecretString,
    pub scopes: Vec<ApiScope>,
    pub accounts: Vec<AccountSlug>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiScope {
    /// Look at campaigns, jobs and accounts.
    Read,
    /// Everything else: start and stop campaigns, find and erase numbers, copy the ledger, destinations and
    /// their secrets, deliveries, the quarantine, missed results, adopting and leaving.
    Operate,
}

#[derive(Debug, Clone)]
pub struct VoipbinClient {
    pub access_key: SecretString,
    pub profile: VoipbinProfile,
    /// For programs that log in instead of holding an access key.
    pub login: Option<Login>,
    /// What passes to the client's own account beyond what the facade serves itself.
    pub pass_through: Vec<PassRule>,
}

#[derive(Debug, Clone)]
pub struct Login {
    pub username: String,
    pub password: SecretString,
}

impl Login {
    /// What sessions are bound to: another user name or password has another one. It is kept in the
    /// ledger, so it is as slow to guess a password from as a start may be (PBKDF2).
    pub fn fingerprint(&self) -> String {
        let salt = format!("dialbridge session of {}", self.username);
        let password = self.password.expose_secret().as_bytes();
        let key: [u8; 32] =
            pbkdf2::pbkdf2_hmac_array::<sha2::Sha256, 32>(password, salt.as_bytes(), 100_000);
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key)
    }
}

/// Which generation of VoIPBin answers a client expects (reference 0.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VoipbinProfile {
    Head,
    Seed,
}

#[derive(Debug, Clone)]
pub struct IsalesClient {
    pub access_key: String,
    pub secret_key: SecretString,
    pub release: IsalesRelease,
}

impl AccountConfig {
    pub fn kind(&self) -> PlatformKind {
        match self.platform {
            PlatformSettings::Voipbin { .. } => PlatformKind::Voipbin,
            PlatformSettings::Isales { .. } => PlatformKind::Isales,
        }
    }

    /// The VDN that campaigns get whose platform has none.
    pub fn virtual_vdn(&self) -> Option<VdnId> {
        match self.platform {
            PlatformSettings::Voipbin { virtual_vdn, .. } => Some(virtual_vdn),
            PlatformSettings::Isales { .. } => None,
        }
    }

    /// The VDNs under which the account's campaigns appear.
    pub fn vdns(&self) -> &[VdnId] {
        match &self.platform {
            PlatformSettings::Voipbin { virtual_vdn, .. } => std::slice::from_ref(virtual_vdn),
            PlatformSettings::Isales { vdns, .. } => vdns,
        }
    }
}
