//! Who sends a request, where proxies stand between.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use actix_web::http::header::{HeaderMap, HeaderName};

use crate::config::Listener;

static FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies whose word counts for who is behind them.
#[derive(Debug, Clone, Default)]
pub struct Proxies(Arc<[IpAddr]>);

impl Proxies {
    pub fn of(listener: &Listener) -> Self {
        let proxies = listener.trusted_proxies.iter();
        Self(proxies.filter_map(|proxy| proxy.parse().ok()).collect())
    }

    pub fn trust(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// The nearest address that no trusted proxy vouches for another; None when a trusted proxy does
    /// not say who is behind it.
    pub fn sender(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        if !self.trust(peer) {
            return Some(peer);
        }
        let forwarded = headers.get_all(&FORWARDED).filter_map(|value| value.to_str().ok());
        let forwarded: Vec<&str> = forwarded.flat_map(|value| value.split(',')).collect();
        self.behind(peer, &forwarded)
    }

    fn behind(&self, peer: IpAddr, forwarded: &[&str]) -> Option<IpAddr> {
        let mut sender = peer;
        for hop in forwarded.iter().rev() {
            if !self.trust(sender) {
                break;
            }
            sender = hop.trim().parse::<IpAddr>().ok()?.to_canonical();
        }
        Some(sender)
    }
}

/// What one attacker has addresses of for nothing: an IPv6 network of 64 bits counts as one address.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_word_counts_and_nobody_elses() {
        let proxies = ["10.0.0.1", "10.0.0.2"].map(|proxy| proxy.parse().unwrap());
        let proxies = Proxies(proxies.into_iter().collect());
        for (peer, forwarded, sender) in [
            ("192.0.2.7", &[][..], Some("192.0.2.7")),
            ("198.51.100.1", &["192.0.2.7"], Some("198.51.100.1")),
            ("10.0.0.1", &["192.0.2.7"], Some("192.0.2.7")),
            ("::ffff:10.0.0.1", &["192.0.2.7"], Some("192.0.2.7")),
            ("10.0.0.1", &["192.0.2.7", "198.51.100.1"], Some("198.51.100.1")),
            ("10.0.0.1", &["192.0.2.7", " 10.0.0.2"], Some("192.0.2.7")),
            ("10.0.0.1", &["nonsense"], None),
            ("10.0.0.1", &[], Some("10.0.0.1")),
        ] {
            let peer: IpAddr = peer.parse().unwrap();
            let sender = sender.map(|sender| sender.parse().unwrap());
            assert_eq!(
                proxies.behind(peer.to_canonical(), forwarded),
                sender,
                "{peer} {forwarded:?}"
            );
        }
    }
}
