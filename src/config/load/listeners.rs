//! `[listeners]`: where the program listens, and what it takes there.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use url::Url;

use super::{Loader, is_loopback};
use crate::config::reader::{At, Section};
use crate::config::{Listener, ListenerLimits, Listeners, TlsFiles};

/// Connections of each listener, and of one address: the platforms have few addresses each, and who
/// watches the gateway has one.
const FACADES: ListenerLimits = ListenerLimits::of(2048, 512);
const CALLBACKS: ListenerLimits = ListenerLimits::of(1024, 256);
const ADMIN: ListenerLimits = ListenerLimits::of(64, 32);
const DEFAULT_BODIES_IN_FLIGHT_BYTES: usize = 64 * 1024 * 1024;

impl Loader<'_> {
    pub(super) fn listeners(&mut self, root: &mut Section<'_>) -> Listeners {
        let mut section = self.reader.section(root, "listeners");
        let signature_window = self.seconds(&mut section, "signature_window_s", 60..=86_400, 900);
        let facades = self.listener(&mut section, "facades", (8080, FACADES));
        let admin = self.listener(&mut section, "admin", (8081, ADMIN));
        let callbacks = self.listener(&mut section, "callbacks", (8082, CALLBACKS));
        let callback_sources = self.networks(&mut section, "callback_sources");
        self.callbacks_url = self.callbacks_url(&mut section);
        let longest = [&facades, &admin, &callbacks]
            .map(|listener| listener.body_limit_bytes)
            .into_iter()
            .max();
        let bodies_in_flight_bytes =
            self.bodies_in_flight(&mut section, longest.unwrap_or_default());
        self.reader.finish(&section);
        Listeners {
            facades,
            admin,
            callbacks,
            callback_sources,
            bodies_in_flight_bytes,
            signature_window,
        }
    }

    /// Each kind of body has a quarter, and a quarter holds the longest body.
    fn bodies_in_flight(&mut self, section: &mut Section<'_>, longest_bytes: usize) -> usize {
        let Some(at) = self.reader.integer(section, "bodies_in_flight_mb", 1..=65_536) else {
            return DEFAULT_BODIES_IN_FLIGHT_BYTES.max(4 * longest_bytes);
        };
        let bytes = usize::try_from(at.value).unwrap_or(usize::MAX).saturating_mul(1024 * 1024);
        if bytes < 4 * longest_bytes {
            let least_mb = (4 * longest_bytes).div_ceil(1024 * 1024);
            let message = format!(
                "listeners.bodies_in_flight_mb: expected at least {least_mb}, four times the largest \
                 body_limit_bytes"
            );
            self.reader.mistake(&at.place, message);
        }
        bytes
    }

    /// What the listener takes of those who have not proved anything yet.
    fn listener_limits(
        &mut self,
        section: &mut Section<'_>,
        default: ListenerLimits,
    ) -> ListenerLimits {
        let connections = self.count(section, "max_connections", default.connections);
        let most = default.connections_per_peer.min(connections);
        let connections_per_peer = self.count(section, "max_connections_per_peer", most);
        let (head, body, idle) = (default.head_timeout, default.body_timeout, default.idle_timeout);
        let refusals = self.reader.integer(section, "refusals_per_peer", 10..=1_000_000);
        ListenerLimits {
            connections,
            connections_per_peer,
            head_timeout: self.seconds(section, "head_timeout_s", 1..=60, head.as_secs()),
            body_timeout: self.seconds(section, "body_timeout_s", 1..=60, body.as_secs()),
            idle_timeout: self.seconds(section, "idle_timeout_s", 5..=3600, idle.as_secs()),
            refusals_per_peer: refusals
                .and_then(|at| u32::try_from(at.value).ok())
                .unwrap_or(default.refusals_per_peer),
        }
    }

    fn count(&mut self, section: &mut Section<'_>, key: &str, default: usize) -> usize {
        let found = self.reader.integer(section, key, 1..=1_000_000);
        found.and_then(|at| usize::try_from(at.value).ok()).unwrap_or(default)
    }

    fn seconds(
        &mut self,
        section: &mut Section<'_>,
        key: &str,
        range: RangeInclusive<u64>,
        default_s: u64,
    ) -> Duration {
        let found = self.reader.integer(section, key, range);
        Duration::from_secs(found.map_or(default_s, |at| at.value))
    }

    fn callbacks_url(&mut self, section: &mut Section<'_>) -> Option<Url> {
        let expected = "an https:// URL without query";
        let at: At<Url> = self.parsed(section, "callbacks_url", expected)?;
        // Platforms push over TLS only (reference CC 6).
        let is_sound =
            at.value.scheme() == "https" || at.value.scheme() == "http" && is_loopback(&at.value);
        if !is_sound || at.value.query().is_some() || at.value.fragment().is_some() {
            self.reader.mistake(&at.place, format!("callbacks_url: expected {expected}"));
        }
        Some(at.value)
    }

    fn listener(
        &mut self,
        parent: &mut Section<'_>,
        key: &str,
        (default_port, limits): (u16, ListenerLimits),
    ) -> Listener {
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
        let limits = self.listener_limits(&mut section, limits);
        self.reader.finish(&section);
        let trusted_proxies = trusted_proxies.into_iter().map(|at| at.value).collect();
        Listener { address, tls, body_limit_bytes, public_hosts, trusted_proxies, limits }
    }
}
