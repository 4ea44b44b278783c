//! The peer: Debian's nginx with `proxy_pass` and kept-alive upstream connections.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::pin;

pub struct Nginx {
    child: Child,
    pub address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Nginx {
    /// One worker on the proxies' core.
    pub fn start(upstream: SocketAddr) -> Self {
        Self::configured(upstream, 1, pin::on_proxy_core)
    }

    /// A worker for each core.
    pub fn start_on_all_cores(upstream: SocketAddr) -> Self {
        Self::configured(upstream, pin::cores(), Command::new)
    }

    fn configured(
        upstream: SocketAddr,
        workers: usize,
        command: impl FnOnce(&'static str) -> Command,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let config = directory.path().join("nginx.conf");
        std::fs::write(&config, configuration(directory.path(), upstream, (port, workers)))
            .unwrap();
        let program = ["/usr/sbin/nginx", "/usr/bin/nginx"]
            .into_iter()
            .find(|path| Path::new(path).exists())
            .expect("nginx is not installed: run `make bench`, which installs it");
        let child = command(program)
            .arg("-p")
            .arg(directory.path())
            .arg("-c")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        wait_until_open(address);
        Self { child, address, _directory: directory }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master ends its workers on SIGTERM; a kill would leave them behind.
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().ok();
        self.child.wait().ok();
    }
}

fn configuration(directory: &Path, upstream: SocketAddr, (port, workers): (u16, usize)) -> String {
    let directory = directory.display();
    format!(
        "daemon off; worker_processes {workers}; pid {directory}/nginx.pid; error_log /dev/null;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 600s;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  upstream platform {{ server {upstream}; keepalive 256; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://platform; proxy_http_version 1.1; proxy_set_header Connection \"\"; }}
  }}
}}
"
    )
}

pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn wait_until_open(address: SocketAddr) {
    let begin = Instant::now();
    while std::net::TcpStream::connect(address).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(15), "nothing listens on {address}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
