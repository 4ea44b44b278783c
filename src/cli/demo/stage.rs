//! What the story is played on: two simulators, a configuration, the gateway, a temporary folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use secrecy::{ExposeSecret, SecretString};

use super::show::Teller;
use crate::app::{self, StartOptions};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::simulators::isales::outcome::Rule;
use crate::simulators::{self, Running, isales, voipbin};

/// How much faster than real time calls ring and people talk.
const TIME_SCALE: f64 = 20.0;
/// Outcomes of calls follow from it.
const SEED: u64 = 7;
/// Threads that serve the facades; the demo is about behaviour, not about load.
const WORKERS: usize = 2;

/// Slugs of the two accounts.
pub const ISALES_ACCOUNT: &str = "harbour-cc";
pub const VOIPBIN_ACCOUNT: &str = "meadow-vb";
/// The VDN of the CC-iSales account, and the one that VoIPBin's campaigns get.
pub const ISALES_VDN: u16 = 11;
pub const VIRTUAL_VDN: u16 = 9001;
/// How the demo's client proves who it is to the facades.
pub const CLIENT_VOIPBIN_KEY: &str = "demo-client-key";
pub const CLIENT_ISALES_ACCESS_KEY: &str = "AKDEMOCLIENT";
pub const CLIENT_ISALES_SECRET_KEY: &str = "demo-client-secret-not-for-production";

/// Everything that runs. Its folder is removed when it ends.
pub struct Stage {
    pub clock: Clock,
    pub voipbin: Running,
    pub isales: Running,
    /// The VoIPBin customer whose campaigns are shown.
    pub customer: voipbin::Account,
    pub config: Config,
    gateway: app::Running,
    folder: Folder,
}

/// Removed with what is in it.
struct Folder(PathBuf);

impl Stage {
    /// # Errors
    /// When a server cannot be started or the folder cannot be made.
    pub async fn build(port: u16, teller: &Teller) -> anyhow::Result<Self> {
        let clock = Clock::scaled(TIME_SCALE, None);
        let folder = Folder::new(&clock)?;
        let customer = voipbin::Account::numbered(1);
        let voipbin = voipbin::start(voipbin::Options {
            seed: SEED,
            clock: clock.clone(),
            outcomes: "1=normal:9s,2=busy:4s,3=noanswer:20s".parse()?,
            ..voipbin::Options::default()
        })
        .await
        .context("starting the VoIPBin simulator")?;
        let isales = isales::start(isales::Options {
            seed: SEED,
            clock: clock.clone(),
            outcomes: isales_outcomes(),
            ..isales::Options::default()
        })
        .await
        .context("starting the CC-iSales simulator")?;
        teller.say(&format!("  VoIPBin    simulated at {}", voipbin.base_url()));
        teller.say(&format!("  CC-iSales  simulated at {}", isales.base_url()));
        fs::write(folder.0.join("client.secret"), CLIENT_ISALES_SECRET_KEY)?;
        let text = settings(port, (&voipbin, &customer), &isales);
        let config = config::load(&folder.0.join("dialbridge.toml"), &text, &|_| None)?;
        let options = StartOptions { migrate: true, workers: Some(WORKERS) };
        let gateway = app::start(config.clone(), clock.clone(), options)
            .await
            .context("starting the gateway")?;
        teller.say(&format!("  Dialbridge facades at   http://{}", gateway.facades));
        Ok(Self { clock, voipbin, isales, customer, config, gateway, folder })
    }

    pub fn facades(&self) -> String {
        format!("http://{}", self.gateway.facades)
    }

    pub fn admin(&self) -> String {
        format!("http://{}", self.gateway.admin)
    }

    /// The file that holds the CC-iSales secret of the demo's client.
    pub fn secret_file(&self) -> PathBuf {
        self.folder.0.join("client.secret")
    }

    pub async fn end(self) {
        self.gateway.stop().await;
        stop_simulators(&self.voipbin, &self.isales).await;
    }

    /// # Errors
    /// When a part of the gateway ended by itself.
    pub async fn until_interrupted(self) -> anyhow::Result<()> {
        let ended = self.gateway.until_stopped(None).await;
        stop_simulators(&self.voipbin, &self.isales).await;
        ended
    }
}

impl Folder {
    fn new(clock: &Clock) -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("dialbridge-demo-{}", clock.new_uuid()));
        fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        tracing::warn!(folder = %folder.display(), %error, "the demo's folder stays behind");
    }
}

async fn stop_simulators(voipbin: &simulators::Running, isales: &simulators::Running) {
    voipbin.stop().await;
    isales.stop().await;
}

/// As on VoIPBin: numbers that end in 1 are answered, in 2 busy, in 3 not answered.
fn isales_outcomes() -> Vec<Rule> {
    let rule = |suffix: &str, code: &str, ring_s, talk_s| Rule {
        suffix: suffix.to_owned(),
        codes: vec![code.to_owned()],
        ring_s: Some(ring_s),
        talk_s: Some(talk_s),
    };
    vec![rule("1", "00000", 4, 12), rule("2", "00537", 3, 0), rule("3", "00603", 15, 0)]
}

/// The configuration, as an operator would write it.
fn settings(
    port: u16,
    (voipbin, customer): (&Running, &voipbin::Account),
    isales: &Running,
) -> String {
    let queue = customer.queue_id;
    let voipbin_key = customer.access_key.expose_secret();
    let (voipbin, isales) = (voipbin.base_url(), isales.base_url());
    let (access_key, secret_key) = (isales::ACCESS_KEY, isales::SECRET_KEY);
    format!(
        r#"
[listeners.facades]
address = "127.0.0.1:{port}"
[listeners.admin]
address = "127.0.0.1:0"
[listeners.callbacks]
address = "127.0.0.1:0"

[ledger]
url = "sqlite:ledger.db"
[id_cache]
directory = "ids"
capacity_mb = 16

[[accounts]]
slug = "{ISALES_ACCOUNT}"
platform = "isales"
base_url = "{isales}"
writes = "allow"
time_zone = "UTC"
number_region = "CN"
trunk_prefix = "0"
international_prefix = "00"
access_key = "{access_key}"
secret_key = "{secret_key}"
vdns = [{ISALES_VDN}]

[[accounts]]
slug = "{VOIPBIN_ACCOUNT}"
platform = "voipbin"
base_url = "{voipbin}/v1.0"
writes = "allow"
time_zone = "UTC"
number_region = "CN"
access_key = "{voipbin_key}"
virtual_vdn = {VIRTUAL_VDN}

[[clients]]
name = "demo"
accounts = ["{ISALES_ACCOUNT}", "{VOIPBIN_ACCOUNT}"]
scope = "write"
[clients.voipbin]
access_key = "{CLIENT_VOIPBIN_KEY}"
[clients.isales]
access_key = "{CLIENT_ISALES_ACCESS_KEY}"
secret_key_file = "client.secret"

[[bindings.agent_groups]]
voipbin = "{queue}"
isales = "1"
"#
    )
}

/// The secret of the demo's CC-iSales client.
pub fn client_secret() -> SecretString {
    SecretString::from(CLIENT_ISALES_SECRET_KEY)
}
