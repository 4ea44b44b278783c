//! Where pushes may come from, for operators who know their platform's addresses.

use actix_web::guard::GuardContext;
use ipnet::IpNet;

use crate::config::Listeners;
use crate::http::entrance::Proxies;

/// Networks, and the proxies whose word counts for who is behind them.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Empty: from anywhere.
    allowed: Vec<IpNet>,
    proxies: Proxies,
}

impl Sources {
    pub fn new(listeners: &Listeners) -> Self {
        Self {
            allowed: listeners.callback_sources.clone(),
            proxies: Proxies::of(&listeners.callbacks),
        }
    }

    pub fn allow(&self, request: &GuardContext<'_>) -> bool {
        if self.allowed.is_empty() {
            return true;
        }
        let head = request.head();
        let Some(peer) = head.peer_addr else { return false };
        let sender = self.proxies.sender(peer.ip(), head.headers());
        sender.is_some_and(|sender| self.allowed.iter().any(|network| network.contains(&sender)))
    }
}
