//! The program under test: the real binary, `dialbridge serve`, in front of the bench's upstream.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::nginx::{free_port, wait_until_open};
use crate::pin;
use crate::upstream::{CAMPAIGNS, VDN};

/// The client's key; invented, and worth nothing outside this bench.
const ACCESS_KEY: &str = "vb_bench_0123456789abcdef";

pub struct Gateway {
    child: Child,
    pub address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Gateway {
    pub fn start(upstream: SocketAddr) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (facades, admin) = (free_port(), free_port());
        let config = directory.path().join("dialbridge.toml");
        let root = directory.path().display();
        std::fs::write(
            &config,
            format!(
                r#"
[listeners.facades]
address = "127.0.0.1:{facades}"
[listeners.admin]
address = "127.0.0.1:{admin}"
[listeners.callbacks]
address = "127.0.0.1:0"
[ledger]
url = "sqlite:{root}/ledger.db"
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
"#
            ),
        )
        .unwrap();
        let child = pin::on_proxy_core(env!("CARGO_BIN_EXE_dialbridge"))
            .args(["serve", "--migrate", "--config"])
            .arg(&config)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], facades));
        let gateway = Self { child, address, _directory: directory };
        wait_until_open(address);
        gateway
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
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let at = crate::load::find(&answer, b"\r\n\r\n").expect("an answer with a head");
        serde_json::from_slice(&answer[at + 4..]).unwrap_or_default()
    }
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
