//! The configuration that tests begin with: two accounts on each platform, four clients, three
//! operators.

use std::path::PathBuf;
use std::time::Duration;

use dialbridge::config::{
    AccountConfig, AccountLimits, ApiScope, ApiToken, CallbackSettings, ClientScope, Config,
    IdCacheConfig, IsalesRelease, LedgerConfig, Listener, ListenerLimits, Listeners,
    PlatformSettings, WritePolicy,
};
use dialbridge::domain::ids::{AccountSlug, VdnId};
use dialbridge::domain::phone::NumberPlan;
use dialbridge::platforms::{Bindings, CreationDefaults};
use dialbridge::simulators::{self, isales, voipbin};
use jiff::tz::TimeZone;
use secrecy::SecretString;

use super::{Caller, MASTER_KEY, OTHER_VDN, OTHER_VIRTUAL_VDN, VDN, VIRTUAL_VDN};

/// A certificate or a key that is made for tests.
pub fn tls_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/tls").join(name)
}

fn listeners(listener: impl Fn() -> Listener) -> Listeners {
    let (facades, admin, callbacks) = (listener(), listener(), listener());
    Listeners {
        facades,
        admin,
        callbacks,
        callback_sources: Vec::new(),
        bodies_in_flight_bytes: 16 * 1024 * 1024,
        signature_window: Duration::from_secs(900),
    }
}

pub(super) fn config(
    voipbin: &simulators::Running,
    isales: &simulators::Running,
    directory: &tempfile::TempDir,
) -> Config {
    let listener = || Listener {
        address: ([127, 0, 0, 1], 0).into(),
        tls: None,
        body_limit_bytes: 64 * 1024,
        public_hosts: vec!["dialbridge.example.com:8443".to_owned()],
        trusted_proxies: Vec::new(),
        limits: ListenerLimits::of(512, 512),
    };
    let voipbin_account = |slug, number, vdn| {
        let platform = PlatformSettings::Voipbin {
            access_key: voipbin::Account::numbered(number).access_key,
            webhook_secret: None,
            virtual_vdn: VdnId::new(vdn).unwrap(),
        };
        account(slug, &format!("{}/v1.0", voipbin.base_url()), platform)
    };
    let isales_account = |slug, access_key: &str, secret: &str, vdn| {
        let platform = PlatformSettings::Isales {
            access_key: access_key.to_owned(),
            secret_key: SecretString::from(secret),
            vdns: vec![VdnId::new(vdn).unwrap()],
            empty_query_line: false,
            signed_headers: vec!["host".to_owned()],
            release: IsalesRelease::R2025_11,
            creation: CreationDefaults::default(),
        };
        account(slug, &isales.base_url(), platform)
    };
    let (other, other_secret) = (isales::OTHER_ACCESS_KEY, isales::OTHER_SECRET_KEY);
    Config {
        listeners: listeners(listener),
        ledger: LedgerConfig::Sqlite { path: directory.path().join("ledger.db") },
        id_cache: IdCacheConfig { directory: directory.path().join("ids"), capacity_mb: 16 },
        accounts: vec![
            voipbin_account("vb", 1, VIRTUAL_VDN),
            voipbin_account("vb-other", 2, OTHER_VIRTUAL_VDN),
            isales_account("cc", isales::ACCESS_KEY, isales::SECRET_KEY, VDN),
            isales_account("cc-other", other, other_secret, OTHER_VDN),
        ],
        clients: vec![
            Caller::Both.config("both", &["vb", "cc"], ClientScope::Write),
            Caller::Seed.config("seed", &["vb", "cc"], ClientScope::Write),
            Caller::Reader.config("reader", &["vb", "cc"], ClientScope::Read),
            Caller::Other.config("other", &["vb-other", "cc-other"], ClientScope::Write),
        ],
        api_tokens: vec![
            api_token("operator", &[ApiScope::Read, ApiScope::Operate], &["vb", "cc"]),
            api_token("viewer", &[ApiScope::Read], &["vb", "cc"]),
            api_token("other", &[ApiScope::Read, ApiScope::Operate], &["vb-other", "cc-other"]),
        ],
        bindings: Bindings::default(),
        inbox_retention: Duration::from_secs(86_400),
        reconcile_interval: None,
        backup_directory: Some(directory.path().to_owned()),
        outbox_retention: Duration::from_secs(86_400),
        job_retention: Duration::from_secs(86_400),
        allowed_networks: vec!["127.0.0.0/8".parse().unwrap()],
        master_keys: Some(SecretString::from(MASTER_KEY)),
        discovery_interval: Duration::from_secs(60),
        mappings_dir: None,
        traces: None,
    }
}

/// Its token is its name and some dots.
fn api_token(name: &str, scopes: &[ApiScope], accounts: &[&str]) -> ApiToken {
    ApiToken {
        name: name.to_owned(),
        token: SecretString::from(format!("{name:.<24}")),
        scopes: scopes.to_vec(),
        accounts: accounts.iter().map(|slug| AccountSlug::new(slug).unwrap()).collect(),
    }
}

fn account(slug: &str, base_url: &str, platform: PlatformSettings) -> AccountConfig {
    AccountConfig {
        slug: AccountSlug::new(slug).unwrap(),
        base_url: base_url.parse().unwrap(),
        writes: WritePolicy::Allow,
        time_zone: TimeZone::UTC,
        numbers: NumberPlan {
            region: Some("CN".to_owned()),
            trunk_prefix: "0".to_owned(),
            international_prefix: "00".to_owned(),
        },
        limits: AccountLimits {
            requests_per_second: None,
            connect_timeout_ms: 2_000,
            request_timeout_ms: 10_000,
            body_limit_bytes: 8 * 1024 * 1024,
        },
        cache_ttl: Duration::ZERO,
        chain_campaigns: false,
        ca_file: None,
        callbacks: CallbackSettings {
            master_keys: Some(SecretString::from(MASTER_KEY)),
            ..CallbackSettings::default()
        },
        platform,
    }
}
