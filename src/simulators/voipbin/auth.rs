//! Who is calling (VB 1.2), and how often they may (VB 1.6).

use std::collections::HashMap;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::answer::ApiError;
use super::world::World;

/// Tokens that are remembered; logging in more often forgets all of them.
const MAX_SESSIONS: usize = 10_000;
/// Addresses whose rate is watched; more share one bucket.
const MAX_ADDRESSES: usize = 1_000;
const AGENT_LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);
const DIRECT_LIFETIME: SignedDuration = SignedDuration::from_hours(4);

/// Requests per second, and how many may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub per_second: u32,
    pub burst: u32,
}

/// The limits of VB 1.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    pub per_customer: Rate,
    pub per_address: Rate,
    pub auth_per_address: Rate,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            per_customer: Rate { per_second: 17, burst: 33 },
            per_address: Rate { per_second: 200, burst: 400 },
            auth_per_address: Rate { per_second: 10, burst: 20 },
        }
    }
}

/// What the request brings to prove who is calling, each as found; empty ones count as absent.
#[derive(Default)]
pub struct Credentials {
    pub cookie_token: String,
    pub query_token: String,
    pub bearer: String,
    pub cookie_accesskey: String,
    pub query_accesskey: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    pub customer: Uuid,
    pub kind: CallerKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerKind {
    AccessKey,
    Agent,
    Direct,
}

/// Tokens that were given out, and the buckets of the rate limits.
#[derive(Default)]
pub struct Door {
    sessions: HashMap<String, (Caller, Timestamp)>,
    customers: HashMap<Uuid, Bucket>,
    addresses: HashMap<(Option<IpAddr>, bool), Bucket>,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

#[derive(Deserialize)]
struct LoginBody {
    username: String,
    password: String,
}

#[derive(Deserialize)]
struct BootBody {
    direct_hash: String,
}

/// The caller of a `/v1.0` request, with every check that comes before the path is looked at.
pub fn admit(
    world: &mut World,
    credentials: &Credentials,
    address: Option<IpAddr>,
) -> Result<Caller, ApiError> {
    limit_address(world, address, false)?;
    let caller = identify(world, credentials)?;
    let customer = world.customers.get(&caller.customer);
    if customer.is_some_and(|customer| customer.frozen) {
        return Err(ApiError::frozen(&world.view().time(Some(world.now()))));
    }
    if let Some(limits) = world.options.rate_limits {
        let now = world.now();
        take(world.door.customers.entry(caller.customer), limits.per_customer, now)
            .map_err(|wait_s| ApiError::too_many("customer", wait_s))?;
    }
    match caller.kind {
        CallerKind::Direct => Err(ApiError::forbidden("DIRECT_ACCESS_NOT_SUPPORTED")),
        CallerKind::AccessKey | CallerKind::Agent => Ok(caller),
    }
}

/// `POST /auth/login`: the answer's body, or None for the bare 400.
pub fn login(
    world: &mut World,
    body: &[u8],
    address: Option<IpAddr>,
) -> Result<Option<Value>, ApiError> {
    limit_address(world, address, true)?;
    let Ok(body) = serde_json::from_slice::<LoginBody>(body) else { return Ok(None) };
    let account = world.options.accounts.iter().find(|account| {
        account.username == body.username && same(account.password.expose_secret(), &body.password)
    });
    let Some(account) = account else { return Ok(None) };
    let caller = Caller { customer: account.customer_id, kind: CallerKind::Agent };
    let token = open_session(world, caller, AGENT_LIFETIME);
    Ok(Some(json!({"username": body.username, "token": token})))
}

/// `POST /auth/boot`: a direct token, which no campaign endpoint takes.
pub fn boot(
    world: &mut World,
    body: &[u8],
    address: Option<IpAddr>,
) -> Result<Option<Value>, ApiError> {
    limit_address(world, address, true)?;
    let Ok(body) = serde_json::from_slice::<BootBody>(body) else { return Ok(None) };
    let account =
        world.options.accounts.iter().find(|account| account.direct_hash == body.direct_hash);
    let Some(account) = account else { return Ok(None) };
    let caller = Caller { customer: account.customer_id, kind: CallerKind::Direct };
    let token = open_session(world, caller, DIRECT_LIFETIME);
    Ok(Some(json!({"token": token})))
}

/// The first credential that is there decides; a wrong one is not made up for by the next.
fn identify(world: &World, credentials: &Credentials) -> Result<Caller, ApiError> {
    let first = [
        (&credentials.cookie_token, true),
        (&credentials.query_token, true),
        (&credentials.bearer, true),
        (&credentials.cookie_accesskey, false),
        (&credentials.query_accesskey, false),
    ]
    .into_iter()
    .find(|(text, _)| !text.is_empty());
    let Some((text, is_token)) = first else { return Err(ApiError::no_credential()) };
    let caller = if is_token {
        let session = world.door.sessions.get(text.as_str());
        session.filter(|(_, expires)| *expires > world.now()).map(|(caller, _)| *caller)
    } else {
        let account = world
            .options
            .accounts
            .iter()
            .find(|account| same(account.access_key.expose_secret(), text));
        account.map(|account| Caller { customer: account.customer_id, kind: CallerKind::AccessKey })
    };
    caller.ok_or_else(ApiError::bad_credential)
}

fn same(known: &str, given: &str) -> bool {
    known.as_bytes().ct_eq(given.as_bytes()).into()
}

/// Tokens look like a JWT but mean nothing to the reader: the simulator remembers whose they are.
fn open_session(world: &mut World, caller: Caller, lifetime: SignedDuration) -> String {
    let parts = [world.new_id(), world.new_id(), world.new_id()].map(|id| id.simple().to_string());
    let token = format!("eyJ{}", parts.join("."));
    if world.door.sessions.len() >= MAX_SESSIONS {
        world.door.sessions.clear();
    }
    let expires = world.now() + lifetime;
    world.door.sessions.insert(token.clone(), (caller, expires));
    token
}

fn limit_address(
    world: &mut World,
    address: Option<IpAddr>,
    is_auth: bool,
) -> Result<(), ApiError> {
    let Some(limits) = world.options.rate_limits else { return Ok(()) };
    let now = world.now();
    let rate = if is_auth { limits.auth_per_address } else { limits.per_address };
    let crowded = world.door.addresses.len() >= MAX_ADDRESSES;
    let key = if crowded && !world.door.addresses.contains_key(&(address, is_auth)) {
        (None, is_auth)
    } else {
        (address, is_auth)
    };
    take(world.door.addresses.entry(key), rate, now)
        .map_err(|wait_s| ApiError::too_many("ip", wait_s))
}

/// Takes one token, or says in how many whole seconds there will be one.
fn take<K>(
    entry: std::collections::hash_map::Entry<'_, K, Bucket>,
    rate: Rate,
    now: Timestamp,
) -> Result<(), u64> {
    let (per_second, burst) = (f64::from(rate.per_second), f64::from(rate.burst));
    let bucket = entry.or_insert(Bucket { tokens: burst, at: now });
    let passed_s = now.duration_since(bucket.at).as_secs_f64().max(0.0);
    bucket.tokens = (bucket.tokens + passed_s * per_second).min(burst);
    bucket.at = now;
    if bucket.tokens >= 1.0 {
        bucket.tokens -= 1.0;
        return Ok(());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1 / rate")]
    let wait_s = ((1.0 - bucket.tokens) / per_second).ceil() as u64;
    Err(wait_s.max(1))
}
