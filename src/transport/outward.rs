//! Requests to destinations: addresses that clients and operators name, not the configuration.
//!
//! Whoever may name an address must not reach what only this machine reaches. So an address is
//! checked when it is saved and again at every request, and what was checked is what is dialled: a
//! name is looked up once for a connection, and only addresses that passed are given to it. Literals
//! are checked as they are written; the URL parser has turned every odd spelling of an IPv4 address
//! into the address by then. No redirects, no proxies.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use url::{Host, Url};

use crate::transport::failure::{Failure, FailureKind};
use crate::transport::tls;

/// A receiver that has not answered by then has failed.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// So much of an answer is read; the rest is left.
pub const MAX_ANSWER_BYTES: usize = 4096;
/// Longest address, in bytes.
pub const MAX_URL_BYTES: usize = 2048;
/// What a receiver may say about further deliveries.
const CONTROL_HEADER: &str = "webhook-delivery";

/// Never dialled unless allowed: what is private, of this machine, of this link, of a cloud's
/// metadata, or stands for another address.
const FORBIDDEN: [(Ipv4Addr, u8); 17] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    // Carriers' own; also one cloud's metadata.
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // One cloud's own services.
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 52, 193, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// All that is not global unicast (2000::/3), and of that what stands for something else.
const GLOBAL_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
const FORBIDDEN_V6: [(Ipv6Addr, u8); 4] = [
    // Teredo, benchmarking, ORCHID and other special purposes.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    // 6to4: an IPv4 address in disguise.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Networks that may be dialled although they are not public.
#[derive(Debug, Clone, Default)]
pub struct AllowedNetworks(Vec<IpNet>);

/// Why an address is not dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressRefused {
    #[error("it must begin with http:// or https:// and a host, and be no longer than 2048 bytes")]
    NotHttp,
    #[error("it holds a user name or password")]
    UserInfo,
    #[error("it has a fragment")]
    Fragment,
    #[error("it leads to a network that is not public; an operator may allow it")]
    NotPublic,
    #[error("its name has no address")]
    Unknown,
}

/// What a receiver answered.
#[derive(Debug, Clone)]
pub struct OutwardAnswer {
    pub status: u16,
    /// How long it asks to be left alone, in its words.
    pub retry_after: Option<String>,
    /// What it says about further deliveries.
    pub control: Option<String>,
    /// The beginning.
    pub body: Bytes,
}

/// Looks a name up.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// The client for all destinations.
#[derive(Clone)]
pub struct Outward {
    client: reqwest::Client,
    names: CheckedNames,
}

#[derive(Clone)]
struct CheckedNames {
    allowed: AllowedNetworks,
    lookup: Lookup,
}

impl AllowedNetworks {
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    fn allow(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address)) || is_public(address)
    }
}

fn is_public(address: IpAddr) -> bool {
    let within = |(network, bits): (Ipv4Addr, u8), address: Ipv4Addr| {
        Ipv4Net::new_assert(network, bits).contains(&address)
    };
    let within_v6 = |(network, bits): (Ipv6Addr, u8), address: Ipv6Addr| {
        Ipv6Net::new_assert(network, bits).contains(&address)
    };
    match address {
        IpAddr::V4(address) => !FORBIDDEN.iter().any(|network| within(*network, address)),
        IpAddr::V6(address) => {
            within_v6(GLOBAL_V6, address)
                && !FORBIDDEN_V6.iter().any(|network| within_v6(*network, address))
        }
    }
}

/// Asks the system.
#[expect(clippy::disallowed_methods, reason = "transport is the door to the network")]
pub fn system_lookup() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

impl CheckedNames {
    async fn addresses(&self, name: String) -> Result<Vec<IpAddr>, AddressRefused> {
        let found = (self.lookup)(name).await.map_err(|_| AddressRefused::Unknown)?;
        if found.is_empty() {
            return Err(AddressRefused::Unknown);
        }
        // One forbidden address among good ones is how a name is made to lead astray later.
        if found.iter().all(|address| self.allowed.allow(*address)) {
            Ok(found)
        } else {
            Err(AddressRefused::NotPublic)
        }
    }
}

impl Resolve for CheckedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let names = self.clone();
        Box::pin(async move {
            let found = names.addresses(name.as_str().to_owned()).await?;
            let addresses = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}

impl Outward {
    /// # Errors
    /// A text for the operator, when the client cannot be made.
    #[expect(clippy::disallowed_methods, reason = "transport is the door to destinations")]
    pub fn new(allowed: AllowedNetworks, lookup: Lookup) -> Result<Self, String> {
        let names = CheckedNames { allowed, lookup };
        let client = reqwest::Client::builder()
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            // None at most, or each request would be copied for the retry that never comes.
            .retry(reqwest::retry::never().max_retries_per_request(0))
            .referer(false)
            .tcp_nodelay(true)
            .pool_idle_timeout(super::IDLE_CONNECTION_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .user_agent(concat!("dialbridge/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(names.clone()))
            .tls_backend_preconfigured(tls::client_config(None)?)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { client, names })
    }

    /// Whether an address may be dialled as things stand now.
    ///
    /// # Errors
    /// Why not.
    pub async fn check(&self, url: &Url) -> Result<(), AddressRefused> {
        if let Some(name) = self.check_text(url)? {
            self.names.addresses(name).await?;
        }
        Ok(())
    }

    /// What can be told without a look-up; the name that is to be looked up, if there is one.
    fn check_text(&self, url: &Url) -> Result<Option<String>, AddressRefused> {
        if !matches!(url.scheme(), "http" | "https") || url.as_str().len() > MAX_URL_BYTES {
            return Err(AddressRefused::NotHttp);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressRefused::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(AddressRefused::Fragment);
        }
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(name)) if !name.is_empty() => return Ok(Some(name.to_owned())),
            _ => return Err(AddressRefused::NotHttp),
        };
        if self.names.allowed.allow(literal) { Ok(None) } else { Err(AddressRefused::NotPublic) }
    }

    /// Posts a body. An answer of any status is no error.
    ///
    /// # Errors
    /// When the address is refused (nothing was sent then), or no answer came.
    pub async fn post(
        &self,
        url: &Url,
        headers: Vec<(&'static str, String)>,
        body: Bytes,
    ) -> Result<OutwardAnswer, Failure> {
        self.check_text(url).map_err(refused)?;
        let mut request = reqwest::Request::new(reqwest::Method::POST, url.clone());
        let map: &mut HeaderMap = request.headers_mut();
        for (name, value) in headers {
            let value = HeaderValue::try_from(value)
                .map_err(|_| Failure::unsent(FailureKind::Unsendable))?;
            map.append(HeaderName::from_static(name), value);
        }
        *request.body_mut() = Some(body.into());
        let mut response = self.client.execute(request).await.map_err(failure)?;
        let text = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let control = text(CONTROL_HEADER);
        let retry_after = text(RETRY_AFTER.as_str());
        let status = response.status().as_u16();
        let mut read = Vec::new();
        // An answer that breaks off after its status has been given all the same.
        while let Ok(Some(piece)) = response.chunk().await {
            let room = MAX_ANSWER_BYTES - read.len();
            read.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.len() >= room {
                break;
            }
        }
        Ok(OutwardAnswer { status, retry_after, control, body: read.into() })
    }
}

fn refused(why: AddressRefused) -> Failure {
    Failure { source: Some(Box::new(why)), ..Failure::unsent(FailureKind::AddressRefused) }
}

/// The resolver's refusal comes wrapped in the client's error.
fn failure(error: reqwest::Error) -> Failure {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(cause) = source {
        if let Some(why) = cause.downcast_ref::<AddressRefused>() {
            return refused(*why);
        }
        source = cause.source();
    }
    Failure::from_client(error, true)
}

impl fmt::Debug for Outward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outward").field("allowed", &self.names.allowed).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Metadata, this machine, its networks, and other ways to write them.
    const HOSTILE: [&str; 72] = [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://127.0.1/",
        "http://127.255.255.254/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://017700000001/",
        "http://0x7f.1/",
        "http://127.0.0.1./",
        "http://%31%32%37.0.0.1/",
        "http://１２７.0.0.1/",
        "http://①②⑦.0.0.1/",
        "http://0/",
        "http://0.0.0.0/",
        "http://0x0/",
        "http://169.254.169.254/latest/meta-data/",
        "http://169.254.170.2/v2/credentials",
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://0251.0376.0251.0376/",
        "http://169.254.43518/",
        "http://100.100.100.200/latest/meta-data/",
        "http://192.0.0.192/opc/v1/instance/",
        "http://168.63.129.16/metadata",
        "http://10.0.0.1/",
        "http://012.0.0.1/",
        "http://0xa.1/",
        "http://167772161/",
        "http://172.16.0.1/",
        "http://172.31.255.255/",
        "http://192.168.0.1/",
        "http://192.168.257/",
        "http://3232235521/",
        "http://100.64.0.1/",
        "http://198.18.0.1/",
        "http://192.0.2.1/",
        "http://198.51.100.7/",
        "http://203.0.113.9/",
        "http://224.0.0.1/",
        "http://239.255.255.250/",
        "http://240.0.0.1/",
        "http://255.255.255.255/",
        "http://4294967295/",
        "http://[::1]/",
        "http://[0:0:0:0:0:0:0:1]/",
        "http://[::]/",
        "http://[::127.0.0.1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://[::ffff:0:10.0.0.1]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[64:ff9b:1::1]/",
        "http://[2002:7f00:1::]/",
        "http://[2002:a9fe:a9fe::]/",
        "http://[2001:0:7f00:1::]/",
        "http://[2001:db8::1]/",
        "http://[3fff::1]/",
        "http://[fe80::1]/",
        "http://[fec0::1]/",
        "http://[fc00::1]/",
        "http://[fd00:ec2::254]/latest/meta-data/",
        "http://[ff02::1]/",
        "http://[100::1]/",
        "http://user@127.0.0.1/",
        "http://example.com@127.0.0.1/",
        "http://user:secret@example.com/",
        "http://example.com/#fragment",
        "ftp://example.com/",
        "file:///etc/passwd",
    ];

    fn outward(lookup: Lookup) -> Outward {
        rustls::crypto::ring::default_provider().install_default().ok();
        Outward::new(AllowedNetworks::default(), lookup).unwrap()
    }

    fn names(answers: impl Fn() -> Vec<IpAddr> + Send + Sync + 'static) -> Lookup {
        Arc::new(move |_| {
            let found = answers();
            Box::pin(async move { Ok(found) })
        })
    }

    async fn try_both(outward: &Outward, url: &Url) -> [Option<AddressRefused>; 2] {
        let checked = outward.check(url).await.err();
        let posted = outward.post(url, Vec::new(), Bytes::from_static(b"{}")).await;
        let refused = posted.err().filter(|error| error.kind == FailureKind::AddressRefused);
        let why = refused.and_then(|error| error.source?.downcast_ref::<AddressRefused>().copied());
        [checked, why]
    }

    /// Nothing that is refused opens a socket: a listener on this machine hears nobody.
    #[tokio::test]
    async fn hostile_addresses_open_no_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let outward = outward(names(|| vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]));
        let named = ["http://localhost/", "http://metadata.google.internal/", "http://x.nip.io/"];
        for text in HOSTILE.iter().chain(&named) {
            let mut url = Url::parse(text).unwrap();
            url.set_port(Some(port)).ok();
            let [checked, posted] = try_both(&outward, &url).await;
            assert!(checked.is_some(), "{text} passes the check");
            assert_eq!(posted, checked, "{text}");
        }
        assert!(listener.accept().is_err(), "somebody was dialled");
        let [checked, _] = try_both(&outward, &Url::parse("http://8.8.8.8:1/").unwrap()).await;
        assert_eq!(checked, None);
    }

    /// A name that leads elsewhere when it is looked up again is refused then: what is dialled is what
    /// was checked at that time.
    #[tokio::test]
    async fn a_name_that_is_bound_anew_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let rebinding = names(move || {
            let public = IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8));
            let private = IpAddr::V4(Ipv4Addr::LOCALHOST);
            vec![if count.fetch_add(1, Ordering::SeqCst) == 0 { public } else { private }]
        });
        let url = Url::parse(&format!("http://rebinding.example:{port}/")).unwrap();
        assert_eq!(
            try_both(&outward(rebinding), &url).await,
            [None, Some(AddressRefused::NotPublic)]
        );
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        // One bad address among good ones is enough.
        let mixed =
            names(|| vec![IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
        let refused = Some(AddressRefused::NotPublic);
        assert_eq!(try_both(&outward(mixed), &url).await, [refused, refused]);
        let nothing = outward(names(Vec::new));
        assert_eq!(nothing.check(&url).await, Err(AddressRefused::Unknown));
        assert!(listener.accept().is_err(), "somebody was dialled");
    }

    #[tokio::test]
    async fn an_operator_may_allow_a_network() {
        let allowed = AllowedNetworks::new(vec!["10.1.0.0/16".parse().unwrap()]);
        rustls::crypto::ring::default_provider().install_default().ok();
        let outward = Outward::new(allowed, names(Vec::new)).unwrap();
        for (text, is_allowed) in [
            ("http://10.1.2.3/", true),
            ("http://10.2.0.1/", false),
            ("http://[::ffff:10.1.2.3]/", false),
        ] {
            assert_eq!(
                outward.check(&Url::parse(text).unwrap()).await.is_ok(),
                is_allowed,
                "{text}"
            );
        }
    }
}
