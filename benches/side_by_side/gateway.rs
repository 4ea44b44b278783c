//! The program under test: the real binary, `dialbridge serve`, in front of the bench's upstream.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::nginx::{free_port, wait_until_open};
use crate::pin;
use crate::upstream::{CAMPAIGNS, VDN};

/// The client's key; invented, and worth nothing outside this bench.
const ACCESS_KEY: &str = "vb_bench_0123456789abcdef";

/// Its callback address and its destinations' secrets are made from it.
pub const MASTER_KEY: &str = "1 0123456789abcdef0123456789abcdef";
/// The client's name where it signs.
pub const SIGNER: &str = "AKBENCH";
const TOKEN: &str = "operator-of-the-benches";

pub struct Gateway {
    child: Child,
    pub address: SocketAddr,
    pub callbacks: SocketAddr,
    admin: SocketAddr,
    config: PathBuf,
    directory: tempfile::TempDir,
}

impl Gateway {
    /// On the proxy's core alone, as nginx is.
    pub fn start(upstream: SocketAddr) -> Self {
        Self::configured(upstream, None, pin::on_proxy_core(env!("CARGO_BIN_EXE_dialbridge")))
    }

    /// On all cores, as operators run it.
    pub fn start_for_results(upstream: SocketAddr) -> Self {
        Self::configured(upstream, None, Command::new(env!("CARGO_BIN_EXE_dialbridge")))
    }

    /// On a PostgreSQL database.
    pub fn start_on(database: &str, upstream: SocketAddr) -> Self {
        let command = Command::new(env!("CARGO_BIN_EXE_dialbridge"));
        Self::configured(upstream, Some(database), command)
    }

    fn configured(upstream: SocketAddr, database: Option<&str>, command: Command) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (facades, admin, callbacks) = (free_port(), free_port(), free_port());
        let config = directory.path().join("dialbridge.toml");
        let root = directory.path().display();
        let ledger = database.map_or_else(|| format!("sqlite:{root}/ledger.db"), str::to_owned);
        std::fs::write(
            &config,
            format!(
                r#"
keys.master_key = "{MASTER_KEY}"
destinations.allowed_networks = ["127.0.0.0/8"]
reconcile.interval_s = 0
[[api_tokens]]
name = "bench"
token = "{TOKEN}"
scopes = ["read", "operate"]
accounts = ["bench"]
[listeners.facades]
address = "127.0.0.1:{facades}"
[listeners.admin]
address = "127.0.0.1:{admin}"
[listeners.callbacks]
address = "127.0.0.1:{callbacks}"
[ledger]
url = "{ledger}"
[id_cache]
directory = "{root}/ids"
[[accounts]]
slug = "bench"
platform = "isales"
base_url = "http://{upstream}"
writes = "allow"
time_zone = "Asia/Shanghai"
number_region = "CN"
trunk_prefix = "0"
international_prefix = "00"
access_key = "AKEXAMPLE000001"
secret_key = "SKexampleSecret0000000000000001"
vdns = [{VDN}]
[[clients]]
name = "bench"
accounts = ["bench"]
scope = "write"
[clients.voipbin]
access_key = "{ACCESS_KEY}"
profile = "head"
[clients.isales]
access_key = "{SIGNER}"
secret_key = "SKexampleSecret0000000000000002"
"#
            ),
        )
        .unwrap();
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let child = serve(command, &config);
        let (address, callbacks, admin) = (at(facades), at(callbacks), at(admin));
        let gateway = Self { child, address, callbacks, admin, config, directory };
        wait_until_open(address);
        gateway
    }

    /// Its ledger, while `work` is done with it, and the gateway again.
    pub fn with_ledger(&mut self, work: impl FnOnce(&Path)) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        work(&self.directory.path().join("ledger.db"));
        self.child = serve(Command::new(env!("CARGO_BIN_EXE_dialbridge")), &self.config);
        wait_until_open(self.address);
        self.campaign_paths("");
    }

    /// Has results passed on to `url`.
    pub fn make_destination(&self, url: &str) {
        let order = serde_json::json!({"name": "sink", "shape": "standard", "url": url,
            "concurrency": 256});
        self.ask_api("POST", "destinations", &order.to_string());
    }

    /// Pushes that wait, rows that were received, deliveries that wait.
    pub fn books(&self) -> (u64, u64, u64) {
        let inbox = self.ask_api("GET", "inbox", "");
        let row = &inbox["items"][0];
        let destinations = self.ask_api("GET", "destinations", "");
        let count = |value: &serde_json::Value| value.as_u64().unwrap_or_default();
        let pending = count(&destinations["items"][0]["pending"]);
        (count(&row["waiting"]), count(&row["rows"]["received"]), pending)
    }

    /// The longest time that a verb has held the ledger's writer, in ms.
    pub fn longest_verb_ms(&self) -> f64 {
        let head = "HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
        let text = answer(self.admin, &format!("GET /metrics {head}"));
        let text = String::from_utf8_lossy(&text);
        let mut lines = text.lines();
        let longest = lines.find_map(|line| {
            line.strip_prefix("dialbridge_ledger_verb_longest_seconds ")?.parse::<f64>().ok()
        });
        longest.expect("a figure of the ledger") * 1000.0
    }

    fn ask_api(&self, method: &str, path: &str, body: &str) -> serde_json::Value {
        ask(
            self.admin,
            &format!(
                "{method} /api/v1/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            ),
        )
    }

    /// Waits until discovery has met every campaign, and returns the path of each, with what follows
    /// its id.
    pub fn campaign_paths(&self, below: &str) -> Vec<String> {
        for _ in 0..200 {
            let ids = self.list_ids();
            if ids.len() == CAMPAIGNS {
                return ids
                    .iter()
                    .map(|id| format!("/v1.0/campaigns/{id}{below}?accesskey={ACCESS_KEY}"))
                    .collect();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the gateway did not list the upstream's campaigns within 10 s");
    }

    /// Resident memory now, in MB.
    pub fn resident_mb(&self) -> f64 {
        resident_mb(self.child.id())
    }

    fn list_ids(&self) -> Vec<String> {
        let mut ids = Vec::new();
        let mut token = String::new();
        loop {
            let page = self.get_json(&format!(
                "/v1.0/campaigns?accesskey={ACCESS_KEY}&page_size=100&page_token={token}"
            ));
            let rows = page["result"].as_array().cloned().unwrap_or_default();
            if rows.is_empty() {
                return ids;
            }
            ids.extend(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
            page["next_page_token"].as_str().unwrap_or_default().clone_into(&mut token);
        }
    }

    fn get_json(&self, path: &str) -> serde_json::Value {
        let head = "HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
        ask(self.address, &format!("GET {path} {head}"))
    }
}

fn serve(mut command: Command, config: &Path) -> Child {
    command.args(["serve", "--migrate", "--config"]).arg(config);
    command.env("RUST_LOG", "warn").stdout(Stdio::null()).spawn().unwrap()
}

fn ask(server: SocketAddr, request: &str) -> serde_json::Value {
    let answer = answer(server, request);
    let at = crate::load::find(&answer, b"\r\n\r\n").expect("an answer with a head");
    serde_json::from_slice(&answer[at + 4..]).unwrap_or_default()
}

fn answer(server: SocketAddr, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub fn resident_mb(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}
