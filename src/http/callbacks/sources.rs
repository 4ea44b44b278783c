//! Where pushes may come from, for operators who know their platform's addresses.

use std::net::IpAddr;

use actix_web::guard::GuardContext;
use actix_web::http::header::HeaderName;
use ipnet::IpNet;

use crate::config::Listeners;

static FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Networks, and the proxies whose word counts for who is behind them.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Empty: from anywhere.
    allowed: Vec<IpNet>,
    trusted_proxies: Vec<IpAddr>,
}

impl Sources {
    pub fn new(listeners: &Listeners) -> Self {
        let proxies = listeners.callbacks.trusted_proxies.iter();
        Self {
            allowed: listeners.callback_sources.clone(),
            trusted_proxies: proxies.filter_map(|proxy| proxy.parse().ok()).collect(),
        }
    }

    pub fn allow(&self, request: &GuardContext<'_>) -> bool {
        if self.allowed.is_empty() {
            return true;
        }
        let head = request.head();
        let Some(peer) = head.peer_addr else { return false };
        let forwarded = head.headers().get_all(&FORWARDED).filter_map(|value| value.to_str().ok());
        let forwarded: Vec<&str> = forwarded.flat_map(|value| value.split(',')).collect();
        self.allowed_from(peer.ip().to_canonical(), &forwarded)
    }

    /// The nearest address that no trusted proxy vouches against is the sender's.
    fn allowed_from(&self, peer: IpAddr, forwarded: &[&str]) -> bool {
        let mut sender = peer;
        for hop in forwarded.iter().rev() {
            if !self.trusted_proxies.contains(&sender) {
                break;
            }
            match hop.trim().parse::<IpAddr>() {
                Ok(address) => sender = address.to_canonical(),
                // Who is behind it is not known.
                Err(_) => return false,
            }
        }
        self.allowed.iter().any(|network| network.contains(&sender))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_word_counts_and_nobody_elses() {
        let sources = Sources {
            allowed: vec!["192.0.2.0/24".parse().unwrap()],
            trusted_proxies: vec!["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()],
        };
        for (peer, forwarded, allowed) in [
            ("192.0.2.7", &[][..], true),
            ("198.51.100.1", &[], false),
            ("198.51.100.1", &["192.0.2.7"], false),
            ("10.0.0.1", &["192.0.2.7"], true),
            ("10.0.0.1", &["192.0.2.7", "198.51.100.1"], false),
            ("10.0.0.1", &["192.0.2.7", " 10.0.0.2"], true),
            ("10.0.0.1", &["198.51.100.1", "192.0.2.7"], true),
            ("10.0.0.1", &["nonsense"], false),
            ("10.0.0.1", &[], false),
        ] {
            let peer = peer.parse().unwrap();
            assert_eq!(sources.allowed_from(peer, forwarded), allowed, "{peer} {forwarded:?}");
        }
    }
}
